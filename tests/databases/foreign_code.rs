//! Reading runs nobody else's code: a neighbour in the database, who owns tables and types there and is not the app,
//! gets no function of theirs run with our role's rights, whatever they hang it on. What could run one is not read
//! and told; what cannot is read as ever.
//!
//! Every function of the neighbour sings: it writes a line with the role that runs it into the server's log.

use auth_consistency::pass::request;

use std::sync::atomic::{AtomicBool, Ordering};

use auth_consistency::{api::condition::Reason as R, network::HostPolicy, pass};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Case, Db, HASH, Pass, USUAL, setting};

/// The admin 1 and ada 5, who are the app's.
const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
    role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
    INSERT INTO users VALUES (1, 'admin@example.com', 'HASH', 'admin'), (5, 'ada@example.com', 'HASH', 'user');";

/// What the neighbour has to sing with.
const SING: &str = "CREATE FUNCTION theirs.sing(what text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
      RAISE LOG 'canary % in % as % sings', what, pg_catalog.current_database(), current_user; RETURN 0; END$$;";

/// A table of the neighbour's whose rows name users, one of them nobody.
const NOTES: &str = "CREATE TABLE theirs.notes (id int PRIMARY KEY, user_id int, body text); \
    INSERT INTO theirs.notes VALUES (1, 5, 'a'), (2, 77, 'b'); \
    ALTER TABLE theirs.notes ADD CONSTRAINT notes_user FOREIGN KEY (user_id) REFERENCES public.users NOT VALID;";

/// The app's database with a neighbour in it, and our role, which may read everything.
struct World {
    db: Db,
    app: (String, String),
    neighbour: (String, String),
    ours: (String, String),
}

impl World {
    /// The app makes `theirs_of_app`, then the neighbour `sql`. `APP` and `NEIGHBOUR` are the roles.
    async fn new(of_app: &str, sql: &str) -> Self {
        Self::of(USERS, of_app, sql).await
    }

    async fn of(users: &str, of_app: &str, sql: &str) -> Self {
        let db = Db::new(&users.replace("HASH", HASH)).await;
        let app = db.role("ALTER TABLE users OWNER TO ROLE; GRANT ALL ON SCHEMA public TO ROLE").await;
        let neighbour = db
            .role(
                "CREATE SCHEMA theirs AUTHORIZATION ROLE; GRANT REFERENCES, SELECT ON users TO ROLE; GRANT ALL ON SCHEMA public TO ROLE",
            )
            .await;
        let ours = db.role("").await;
        let world = Self { db, app, neighbour, ours };
        world.run(&format!("SET ROLE APP; {of_app}; RESET ROLE")).await;
        world.run(&format!("SET ROLE NEIGHBOUR; {SING} {sql}; RESET ROLE")).await;
        world
            .run(
                "GRANT USAGE ON SCHEMA public, theirs TO OURS; GRANT SELECT ON ALL TABLES IN SCHEMA public, theirs TO OURS; \
                 GRANT SELECT ON ALL SEQUENCES IN SCHEMA public, theirs TO OURS",
            )
            .await;
        world
    }

    /// Runs statements as superuser.
    async fn run(&self, sql: &str) {
        self.db.run(&self.named(sql)).await;
    }

    fn named(&self, sql: &str) -> String {
        sql.replace("NEIGHBOUR", &self.neighbour.0).replace("APP", &self.app.0).replace("OURS", &self.ours.0)
    }

    fn case(&self, yaml: &str) -> Case {
        let mut case = Case::new(&self.db, yaml);
        case.secret("db", "url", &self.db.url_of(&self.ours));
        case
    }

    /// What sang with our role's rights, by the server's log.
    fn sang(&self) -> Vec<String> {
        let log = std::path::PathBuf::from(setting("AUTHCON_TEST_PARTS_DIR")).join("postgres.log");
        let log = std::fs::read(log).unwrap();
        let ours = format!(" in {} as {} sings", self.db.name, self.ours.0);
        let log = String::from_utf8_lossy(&log);
        let sung = log.lines().filter_map(|line| line.split_once("LOG:  canary ")?.1.strip_suffix(&ours));
        sung.map(str::to_owned).collect()
    }

    /// Everything that looks: check, discover, preflight, and the snapshots that are compared.
    async fn look(&self, case: &mut Case) -> Pass {
        let anywhere = HostPolicy::unrestricted(Vec::new());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let before = self.db.fingerprint().await;
        let pass = case.check().await;
        let discovered = pass::discover(&case.target(), &anywhere).await;
        case.keeps_secrets(&format!("{discovered:?}"));
        let foreseen = pass::preflight(&case.target(), &anywhere, &request::Unattended, now).await;
        case.keeps_secrets(&format!("{foreseen:?}"));
        // A snapshot without a passphrase has the logins, and nothing else of the accounts.
        let snapshot = pass::snapshot(&case.target(), &anywhere, None, now).await;
        case.keeps_secrets(&format!("{:?}", snapshot.map(|snapshot| snapshot.write())));
        assert_eq!(self.db.fingerprint().await, before, "who looks writes nothing");
        pass
    }

    async fn end(self) {
        let [app, neighbour, ours] = [&self.app, &self.neighbour, &self.ours].map(|role| role.0.clone());
        self.db.run(&format!("DROP OWNED BY {ours}, {neighbour}, {app} CASCADE")).await;
    }
}

/// Deletes what names nobody, so that what goes along is looked at too.
const DELETE: &str = "references: {onOrphan: Delete, limits: {rows: 0, percent: 0}}\n";

/// What is told as not read, each with why.
fn unread(pass: &Pass) -> Vec<(String, String)> {
    let told = pass.outcome().findings().to_vec();
    let told = told.into_iter().filter(|one| one.finding == R::RowsUnreadable);
    told.map(|one| (one.object.map(|object| object.describe()).unwrap_or_default(), one.message)).collect()
}

/// Nothing sang, and this one is not read, with the neighbour named.
#[track_caller]
fn told(world: &World, what: &str, pass: &Pass, object: &str) {
    assert_eq!(world.sang(), [""; 0], "{what}");
    let unread = unread(pass);
    let found = unread.iter().find(|(of, _)| of.contains(object));
    let Some((_, why)) = found else { panic!("{what}: {object} is not told in {unread:?}") };
    assert!(why.contains(&world.neighbour.0), "{what}: {why}");
}

/// Nothing sang, and the orphan of the neighbour's table was found.
#[track_caller]
fn read(world: &World, what: &str, pass: &Pass) {
    assert_eq!(world.sang(), [""; 0], "{what}");
    assert_eq!(unread(pass), [], "{what}");
    let orphans = pass.outcome().findings().iter().any(|one| one.finding == R::OrphanRows);
    assert!(orphans, "{what}: {:#?}", pass.outcome().findings());
}

#[tokio::test]
async fn what_a_neighbour_hangs_on_a_table_of_theirs_is_not_run_when_the_table_is_planned_to_be_read() {
    for (what, sql) in [
        ("an index expression", "CREATE INDEX ON theirs.notes ((theirs.sing('index') + id))"),
        ("an index predicate", "CREATE INDEX ON theirs.notes (user_id) WHERE theirs.sing('predicate') < id"),
        ("a unique index", "CREATE UNIQUE INDEX ON theirs.notes ((theirs.sing('unique') + id), user_id)"),
        ("statistics", "CREATE STATISTICS theirs.s ON (theirs.sing('statistics') + id), user_id FROM theirs.notes"),
        (
            "statistics that were gathered",
            "CREATE STATISTICS theirs.s ON (theirs.sing('gathered') + id), user_id FROM theirs.notes; ANALYZE theirs.notes",
        ),
        (
            "an operator in an index",
            "CREATE FUNCTION theirs.add(int, text) RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT theirs.sing('operator')$$;
             CREATE OPERATOR theirs.+ (LEFTARG = int, RIGHTARG = text, FUNCTION = theirs.add);
             CREATE INDEX ON theirs.notes ((id + (3 OPERATOR(theirs.+) 'x'::text)))",
        ),
        (
            "a function whose body names another",
            "CREATE FUNCTION theirs.outer(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN theirs.sing('body') + $1;
             CREATE INDEX ON theirs.notes ((theirs.outer(4) + id))",
        ),
    ] {
        let world = World::new("", &format!("{NOTES} {sql}")).await;
        let mut case = world.case(&format!("{USUAL}{DELETE}"));
        told(&world, what, &world.look(&mut case).await, "theirs.notes");
        world.end().await;
    }
}

#[tokio::test]
async fn what_a_neighbour_hangs_on_the_parts_of_a_table_is_not_run() {
    let parted = "CREATE TABLE theirs.notes (id int, user_id int REFERENCES public.users) PARTITION BY";
    let of_app = "CREATE TABLE notes (id int, user_id int REFERENCES users) PARTITION BY LIST (id); GRANT ALL ON notes TO NEIGHBOUR";
    for (what, of_app, sql, after) in [
        ("a partition key", "", format!("{parted} LIST ((theirs.sing('key') + id)); CREATE TABLE theirs.part PARTITION OF theirs.notes DEFAULT"), ""),
        ("a partition key below another", "", format!("{parted} LIST (id); CREATE TABLE theirs.part PARTITION OF theirs.notes DEFAULT PARTITION BY LIST ((theirs.sing('sub') + id)); CREATE TABLE theirs.leaf PARTITION OF theirs.part DEFAULT"), ""),
        ("an index of a partition", "", format!("{parted} LIST (id); CREATE TABLE theirs.part PARTITION OF theirs.notes DEFAULT; CREATE INDEX ON theirs.part ((theirs.sing('part') + id))"), ""),
        ("an index of a neighbour's partition of the app's table", of_app, "CREATE TABLE theirs.part (id int, user_id int); CREATE INDEX ON theirs.part ((theirs.sing('attached') + id))".to_owned(),
         "ALTER TABLE notes ATTACH PARTITION theirs.part DEFAULT"),
        ("an index of a neighbour's table that inherits from the app's", "CREATE TABLE notes (id int, user_id int REFERENCES users)", "CREATE TABLE theirs.heir (id int, user_id int); CREATE INDEX ON theirs.heir ((theirs.sing('heir') + id)); INSERT INTO theirs.heir VALUES (1, 5)".to_owned(),
         "ALTER TABLE theirs.heir INHERIT notes"),
    ] {
        let world = World::new(&of_app.replace("; GRANT ALL ON notes TO NEIGHBOUR", ""), &sql).await;
        world.run(after).await;
        let mut case = world.case(&format!("{USUAL}{DELETE}"));
        let pass = world.look(&mut case).await;
        told(&world, what, &pass, "notes");
        world.end().await;
    }
}

#[tokio::test]
async fn a_neighbours_table_on_which_nothing_hangs_that_reading_runs_is_read() {
    let singing = |of: &str| {
        format!(
            "CREATE FUNCTION theirs.{of}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM theirs.sing('{of}'); RETURN new; END$$;"
        )
    };
    for (what, sql) in [
        ("nothing", String::new()),
        ("a plain index", "CREATE INDEX ON theirs.notes (user_id)".into()),
        ("an index by a function of the catalogue", "CREATE INDEX ON theirs.notes (lower(body)) WHERE abs(id) > 0".into()),
        ("a check", "ALTER TABLE theirs.notes ADD CHECK (theirs.sing('check') + id > -1)".into()),
        ("a generated column", "ALTER TABLE theirs.notes ADD g int GENERATED ALWAYS AS (theirs.sing('generated') + id) STORED".into()),
        ("a default", "ALTER TABLE theirs.notes ADD d int DEFAULT theirs.sing('default')".into()),
        ("a trigger", format!("{} CREATE TRIGGER t BEFORE INSERT OR UPDATE ON theirs.notes FOR EACH ROW EXECUTE FUNCTION theirs.t()", singing("t"))),
        ("a rule", "CREATE RULE r AS ON DELETE TO theirs.notes DO ALSO SELECT theirs.sing('rule')".into()),
        ("a cast of its rows", "CREATE FUNCTION theirs.row(theirs.notes) RETURNS text LANGUAGE sql AS $$SELECT theirs.sing('row')::text$$; CREATE CAST (theirs.notes AS text) WITH FUNCTION theirs.row(theirs.notes)".into()),
        ("another column with an enum that has a cast", "CREATE TYPE theirs.mood AS ENUM ('sad'); CREATE FUNCTION theirs.told(theirs.mood) RETURNS text LANGUAGE sql AS $$SELECT theirs.sing('mood')::text$$; CREATE CAST (theirs.mood AS text) WITH FUNCTION theirs.told(theirs.mood) AS IMPLICIT; ALTER TABLE theirs.notes ADD mood theirs.mood DEFAULT 'sad'".into()),
        ("a view and a materialized one", "CREATE VIEW theirs.seen AS SELECT user_id, theirs.sing('view') FROM theirs.notes; CREATE VIEW theirs.users AS SELECT * FROM public.users WHERE theirs.sing('users') = 0".into()),
        ("an operator more exact than the catalogue's", "CREATE FUNCTION public.same(int, int) RETURNS bool LANGUAGE sql AS $$SELECT theirs.sing('same') = 0$$; CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = int, FUNCTION = public.same)".into()),
    ] {
        let world = World::new("", &format!("{NOTES} {sql}")).await;
        let mut case = world.case(&format!("{USUAL}{DELETE}"));
        read(&world, what, &world.look(&mut case).await);
        world.end().await;
    }
}

#[tokio::test]
async fn a_check_of_a_partition_is_not_run_though_the_planner_would_prove_by_it_that_nothing_is_there() {
    for setting in ["partition", "on"] {
        let world = World::new(
            "",
            "CREATE TABLE theirs.notes (id int, user_id int) PARTITION BY LIST (id); CREATE TABLE theirs.part PARTITION OF theirs.notes DEFAULT;
             INSERT INTO theirs.notes VALUES (1, 77); ALTER TABLE theirs.part ADD CHECK (theirs.sing('check') + id > -1)",
        )
        .await;
        world.run(&format!("ALTER ROLE OURS SET constraint_exclusion = {setting}")).await;
        let mut case = world.case(&format!(
            "{USUAL}references: {{rules: [{{schema: theirs, table: notes, columns: [user_id], declared: true}}]}}\n"
        ));
        read(&world, setting, &world.look(&mut case).await);
        world.end().await;
    }
}

/// A type of the neighbour's with a cast in each direction, each of which sings.
const MOOD: &str = "CREATE TYPE theirs.mood AS ENUM ('1', '5', '77');
    CREATE FUNCTION theirs.told(theirs.mood) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM theirs.sing('to text'); RETURN pg_catalog.enum_out($1); END$$;
    CREATE CAST (theirs.mood AS text) WITH FUNCTION theirs.told(theirs.mood) AS IMPLICIT;
    CREATE FUNCTION theirs.number(theirs.mood) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN theirs.sing('to int'); END$$;
    CREATE CAST (theirs.mood AS int) WITH FUNCTION theirs.number(theirs.mood) AS IMPLICIT;
    CREATE FUNCTION theirs.felt(text) RETURNS theirs.mood LANGUAGE plpgsql AS $$BEGIN PERFORM theirs.sing('from text'); RETURN pg_catalog.enum_in('1', 'theirs.mood'::regtype); END$$;
    CREATE CAST (text AS theirs.mood) WITH FUNCTION theirs.felt(text) AS ASSIGNMENT;";

/// A rule that declares a column of the neighbour's table.
fn declares(rest: &str) -> String {
    format!(
        "{USUAL}references: {{onOrphan: Delete, rules: [{{schema: theirs, table: notes, columns: [user_id], declared: true{rest}}}]}}\n"
    )
}

#[tokio::test]
async fn a_column_of_a_type_of_a_neighbours_is_compared_and_cast_by_nothing_of_theirs() {
    let table = |kind: &str, value: &str| {
        format!(
            "CREATE TABLE theirs.notes (id int PRIMARY KEY, user_id {kind}); INSERT INTO theirs.notes VALUES (1, {value});"
        )
    };
    for (what, sql, rest) in [
        ("an enum with casts", format!("{MOOD} {}", table("theirs.mood", "'77'")), ""),
        ("a value that means nobody", format!("{MOOD} {}", table("theirs.mood", "'77'")), ", absent: ['5']"),
        (
            "a domain over it",
            format!("{MOOD} CREATE DOMAIN theirs.tame AS theirs.mood; {}", table("theirs.tame", "'77'")),
            "",
        ),
        (
            "an array of it",
            format!(
                "{MOOD} CREATE FUNCTION theirs.many(theirs.mood[]) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN theirs.sing('array'); END$$; CREATE CAST (theirs.mood[] AS text) WITH FUNCTION theirs.many(theirs.mood[]); {}",
                table("theirs.mood[]", "'{77}'")
            ),
            "",
        ),
        (
            "a row type",
            format!(
                "CREATE TYPE theirs.pair AS (a int, b int); CREATE FUNCTION theirs.paired(theirs.pair) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN theirs.sing('row'); END$$; CREATE CAST (theirs.pair AS text) WITH FUNCTION theirs.paired(theirs.pair) AS IMPLICIT; {}",
                table("theirs.pair", "'(7,7)'")
            ),
            "",
        ),
        (
            "a range",
            format!(
                "CREATE FUNCTION theirs.apart(float8, float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN theirs.sing('range'); END$$; CREATE TYPE theirs.span AS RANGE (subtype = float8, subtype_diff = theirs.apart); {}",
                table("theirs.span", "'[1,2)'")
            ),
            "",
        ),
        (
            "a domain with a check",
            format!(
                "CREATE DOMAIN theirs.small AS int CHECK (theirs.sing('domain') < VALUE); {}",
                table("theirs.small", "77")
            ),
            ", absent: ['5']",
        ),
        (
            "a type that is called as one of the catalogue",
            format!("{} {}", MOOD.replace("theirs.mood", "theirs.int4"), table("theirs.int4", "'77'")),
            "",
        ),
        (
            "a type that is called as an extension's",
            format!("{} {}", MOOD.replace("theirs.mood", "theirs.citext"), table("theirs.citext", "'77'")),
            "",
        ),
    ] {
        let world = World::new("", &sql).await;
        let mut case = world.case(&declares(rest));
        told(&world, what, &world.look(&mut case).await, "theirs.notes");
        world.end().await;
    }
}

#[tokio::test]
async fn a_column_beside_the_reference_that_says_whom_it_names_is_read_by_its_output_alone() {
    let kind = MOOD.replace("'1', '5', '77'", "'User', 'Invoice'").replace("enum_in('1'", "enum_in('User'");
    let table = "CREATE TABLE theirs.notes (id int PRIMARY KEY, user_id int, user_type theirs.mood); \
        INSERT INTO theirs.notes VALUES (1, 5, 'User'), (2, 77, 'Invoice'), (3, 78, 'User');";
    let world = World::new("", &format!("{kind} {table}")).await;
    let mut case = world.case(&declares(", where: [{column: user_type, equals: User}]"));
    let pass = world.look(&mut case).await;
    read(&world, "where", &pass);
    let orphans = pass.outcome().findings().iter().find(|one| one.finding == R::OrphanRows).cloned().unwrap();
    assert_eq!(orphans.rows, Some(1), "{orphans:?}");
    // What is suggested says of whom such rows are, too.
    let case = world.case(USUAL);
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let (suggestions, found) = pass::discover(&case.target(), &anywhere).await.unwrap();
    case.keeps_secrets(&format!("{suggestions:?} {found:?}"));
    assert_eq!((world.sang(), found.skipped.len()), (Vec::new(), 0));
    assert_eq!(found.sampled[0].type_column.as_deref(), Some("user_type"), "{suggestions:?}");
    world.end().await;
}

#[tokio::test]
async fn samples_of_a_neighbours_types_are_not_drawn_and_the_column_is_told() {
    for (what, kind) in [
        ("an int", "theirs.int4"),
        ("a text", "theirs.text"),
        ("a uuid", "theirs.uuid"),
        ("a domain", "theirs.tame"),
        ("another domain", "theirs.wild"),
    ] {
        let name = kind.trim_start_matches("theirs.");
        let made = match name {
            "tame" => "CREATE DOMAIN theirs.tame AS int CHECK (theirs.sing('domain') < VALUE);".to_owned(),
            "wild" => format!(
                "{} CREATE DOMAIN theirs.wild AS theirs.int8;",
                MOOD.replace("theirs.mood", "theirs.int8")
            ),
            _ => MOOD.replace("theirs.mood", kind),
        };
        let world = World::new("", &format!("{made} CREATE TABLE theirs.notes (id int, user_id {kind}); INSERT INTO theirs.notes VALUES (1, '77')")).await;
        let case = world.case(USUAL);
        let anywhere = HostPolicy::unrestricted(Vec::new());
        let (suggestions, found) = pass::discover(&case.target(), &anywhere).await.unwrap();
        case.keeps_secrets(&format!("{suggestions:?} {found:?}"));
        assert_eq!(world.sang(), [""; 0], "{what}");
        if what != "a uuid" {
            assert_eq!(found.skipped.len(), 1, "{what}: {found:?} {suggestions:?}");
            assert!(found.skipped[0].why.contains(&world.neighbour.0), "{what}: {found:?}");
        }
        let drawn = found.sampled.iter().any(|one| one.object.columns == ["user_id"]);
        assert!(!drawn, "{what}: {found:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_user_table_with_a_neighbours_type_or_function_in_it_is_not_read() {
    for (what, sql) in [
        ("the id", "ALTER TABLE users ALTER id TYPE theirs.mood USING id::text::theirs.mood"),
        (
            "the login",
            "ALTER TABLE users ADD mood theirs.mood; ALTER TABLE users DROP email; ALTER TABLE users RENAME mood TO email",
        ),
        (
            "the password",
            "ALTER TABLE users DROP hashed_password; ALTER TABLE users ADD hashed_password theirs.mood",
        ),
        ("a condition", "ALTER TABLE users DROP role; ALTER TABLE users ADD role theirs.mood DEFAULT '1'"),
        ("an index", "CREATE INDEX ON users ((theirs.sing('index') + 3))"),
        ("statistics", "CREATE STATISTICS s ON (theirs.sing('statistics') + 3), is_active FROM users"),
    ] {
        // What is done as superuser sings as superuser.
        let world = World::new("", MOOD).await;
        world.run(&format!("TRUNCATE users; {sql}; GRANT SELECT ON users TO OURS")).await;
        let mut case = world.case(&format!("{USUAL}jwt: {{secretRef: {{name: jwt, key: key}}}}\n"));
        let pass = world.look(&mut case).await;
        told(&world, what, &pass, "users");
        world.end().await;
    }
}

#[tokio::test]
async fn what_stands_beside_a_password_is_not_read_where_its_type_is_a_neighbours() {
    let world = World::new("", MOOD).await;
    world
        .run("ALTER TABLE users ADD salt theirs.mood DEFAULT '1', ADD algorithm theirs.mood DEFAULT '5'")
        .await;
    let mut case = world.case(USUAL);
    let pass = world.look(&mut case).await;
    assert_eq!((world.sang(), unread(&pass)), (Vec::new(), Vec::new()));
    world.end().await;
}

#[tokio::test]
async fn an_operator_that_is_more_exact_than_an_extensions_compares_nothing() {
    let users = "CREATE EXTENSION citext; CREATE DOMAIN login AS citext; GRANT USAGE ON TYPE login TO PUBLIC;
        CREATE TABLE users (id int PRIMARY KEY, email login NOT NULL UNIQUE, hashed_password text NOT NULL, \
        role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
        INSERT INTO users VALUES (1, 'admin@example.com', 'HASH', 'admin'), (5, 'ada@example.com', 'HASH', 'user');";
    let operators: String = [("login", "login"), ("login", "citext"), ("citext", "login"), ("login", "text"), ("citext", "text"), ("text", "citext"), ("citext", "varchar"), ("varchar", "citext"), ("login", "varchar"), ("varchar", "varchar"), ("text", "text")]
        .iter()
        .flat_map(|(left, right)| ["=", "<", ">", "<=", ">=", "<>"].map(|symbol| (left, right, symbol)))
        .enumerate()
        .map(|(at, (left, right, symbol))| {
            format!(
                "CREATE FUNCTION theirs.op{at}({left}, {right}) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RETURN theirs.sing('{symbol} of {left} {right}') = 0; END$$; \
                 CREATE OPERATOR public.{symbol} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = theirs.op{at});"
            )
        })
        .collect();
    let plain = users.replace("email login", "email citext");
    for (kind, users) in [("citext", users), ("login", users), ("citext", &*plain), ("login", &*plain)] {
        let notes = format!(
            "CREATE TABLE notes (id int PRIMARY KEY, owner {kind}); INSERT INTO notes VALUES (1, 'ADA@example.com'), (2, 'gone@example.com')"
        );
        let world = World::of(users, &notes, &operators).await;
        let key = "ALTER TABLE notes ADD FOREIGN KEY (owner) REFERENCES users (email) NOT VALID";
        let mut connection = PgConnection::connect(&world.db.url_of(&world.app)).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(key.to_owned())).execute(&mut connection).await.unwrap();
        let mut case = world.case(&format!("{USUAL}{DELETE}"));
        read(&world, kind, &world.look(&mut case).await);
        for way in auth_consistency::domain::search::Strategy::ALL {
            case.search.way = Some(way);
            read(&world, &format!("{kind} {way:?}"), &case.check().await);
        }
        connection.close().await.unwrap();
        world.end().await;
    }
}

#[tokio::test]
async fn row_security_of_a_neighbours_table_is_told_and_no_policy_of_it_is_run() {
    for (what, sql) in [
        ("for all", "CREATE POLICY p ON theirs.notes USING (theirs.sing('policy') = 0)"),
        (
            "for SELECT",
            "CREATE POLICY p ON theirs.notes FOR SELECT TO PUBLIC USING (theirs.sing('policy') = 0)",
        ),
        (
            "restrictive",
            "CREATE POLICY a ON theirs.notes USING (true); CREATE POLICY p ON theirs.notes AS RESTRICTIVE USING (theirs.sing('policy') = 0)",
        ),
        (
            "forced",
            "ALTER TABLE theirs.notes FORCE ROW LEVEL SECURITY; CREATE POLICY p ON theirs.notes USING (theirs.sing('policy') = 0)",
        ),
        ("none", "SELECT"),
    ] {
        let world =
            World::new("", &format!("{NOTES} {sql}; ALTER TABLE theirs.notes ENABLE ROW LEVEL SECURITY"))
                .await;
        let mut case = world.case(&format!("{USUAL}{DELETE}"));
        let pass = world.look(&mut case).await;
        assert_eq!(world.sang(), [""; 0], "{what}");
        assert!(
            unread(&pass).iter().any(|(of, _)| of.contains("theirs.notes")),
            "{what}: {:?}",
            unread(&pass)
        );
        world.end().await;
    }
}

#[tokio::test]
async fn what_depends_on_orphans_of_the_app_is_not_read_where_that_would_run_a_neighbours_code() {
    for effect in ["CASCADE", "SET NULL", "NO ACTION"] {
        let world = World::new(
            "CREATE TABLE notes (id int PRIMARY KEY, user_id int); INSERT INTO notes VALUES (1, 5), (2, 77); \
             ALTER TABLE notes ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID; \
             CREATE TABLE replies (id int PRIMARY KEY, note_id int REFERENCES notes ON DELETE CASCADE); GRANT REFERENCES ON notes, replies TO PUBLIC",
            &format!(
                "CREATE TABLE theirs.quotes (id int PRIMARY KEY, note_id int REFERENCES public.notes ON DELETE {effect} ON UPDATE CASCADE, reply_id int REFERENCES public.replies ON DELETE {effect}); \
                 CREATE INDEX ON theirs.quotes ((theirs.sing('depends') + id))"
            ),
        )
        .await;
        for repair in ["Delete", "SetNull", "Reassign"] {
            let mut case = world.case(&format!("{USUAL}references: {{onOrphan: {repair}}}\n"));
            let pass = world.look(&mut case).await;
            assert_eq!(world.sang(), [""; 0], "{effect} {repair}");
            let told =
                pass.outcome().findings().iter().find(|one| one.finding == R::OrphanRows).cloned().unwrap();
            if repair == "Delete" {
                assert!(told.message.contains("theirs.quotes"), "{effect} {repair}: {told:?}");
            }
        }
        world.end().await;
    }
}

#[tokio::test]
async fn people_of_before_in_a_neighbours_table_are_not_read_where_that_would_run_their_code() {
    let index = "CREATE INDEX ON theirs.old ((theirs.sing('old') + 3))";
    let plain = "CREATE TABLE theirs.old (id int PRIMARY KEY, email text); INSERT INTO theirs.old VALUES (4, 'ada@example.com');";
    for (what, sql) in [
        ("an index", format!("{plain} {index}")),
        ("statistics", format!("{plain} CREATE STATISTICS theirs.s ON (theirs.sing('s') + 3), id FROM theirs.old")),
        ("the id", format!("{MOOD} CREATE TABLE theirs.old (id theirs.mood PRIMARY KEY, email text); INSERT INTO theirs.old VALUES ('5', 'ada@example.com')")),
        ("the login", format!("{MOOD} CREATE TABLE theirs.old (id int PRIMARY KEY, email theirs.mood); INSERT INTO theirs.old VALUES (5, '5')")),
        ("a domain", "CREATE DOMAIN theirs.d AS text CHECK (theirs.sing('d') = 0); CREATE TABLE theirs.old (id int PRIMARY KEY, email theirs.d); INSERT INTO theirs.old VALUES (5, 'ada@example.com')".into()),
    ] {
        let world = World::new("", &sql).await;
        let mut case = world.case(&format!(
            "{USUAL}references: {{onOrphan: Remap, identities: {{table: {{schema: theirs, table: old, idColumn: id, loginColumn: email}}}}}}\n"
        ));
        let pass = world.look(&mut case).await;
        assert_eq!(world.sang(), [""; 0], "{what}");
        let told = format!("{:?}", pass.outcome().findings());
        assert!(told.contains(&world.neighbour.0), "{what}: {told}");
        world.end().await;
    }
}

#[tokio::test]
async fn what_the_app_and_superusers_made_is_read_as_ever() {
    let app = MOOD
        .replace("theirs.", "public.")
        .replace("PERFORM public.sing('to text'); ", "")
        .replace("public.sing('to int')", "0")
        .replace("PERFORM public.sing('from text'); ", "");
    let table = "CREATE TABLE notes (id int PRIMARY KEY, user_id mood); INSERT INTO notes VALUES (1, '5'), (2, '77');";
    for who in ["the app", "a superuser", "a member of the app"] {
        let world = World::new("", "").await;
        let sql = format!("{app} {table} CREATE INDEX ON notes (user_id) WHERE id > 0");
        match who {
            "the app" => world.run(&format!("SET ROLE APP; {sql}; RESET ROLE")).await,
            "a superuser" => world.run(&sql).await,
            _ => world.run(&format!("SET ROLE NEIGHBOUR; {sql}; RESET ROLE; GRANT APP TO NEIGHBOUR")).await,
        }
        world.run("GRANT SELECT ON notes TO OURS").await;
        let mut case = world.case(&format!(
            "{USUAL}references: {{rules: [{{table: notes, columns: [user_id], declared: true}}]}}\n"
        ));
        read(&world, who, &world.look(&mut case).await);
        world.end().await;
    }
}

#[tokio::test]
async fn what_is_told_ends_when_it_is_done() {
    // Given to the app, after a look at it.
    let index = format!("{NOTES} CREATE INDEX ON theirs.notes ((theirs.sing('index') + id))");
    let world = World::new("", &index).await;
    let mut case = world.case(USUAL);
    let pass = world.look(&mut case).await;
    told(&world, "before", &pass, "theirs.notes");
    let (_, why) = unread(&pass).remove(0);
    assert!(why.contains("theirs.sing") && why.contains("ignore"), "{why}");
    world.run("ALTER TABLE theirs.notes OWNER TO APP; ALTER FUNCTION theirs.sing(text) OWNER TO APP").await;
    world.run("GRANT USAGE ON SCHEMA theirs TO APP").await;
    let pass = case.check().await;
    assert_eq!(unread(&pass), []);
    assert!(pass.outcome().findings().iter().any(|one| one.finding == R::OrphanRows));
    world.end().await;
    // And so with a type, whose functions and casts are told one after the other.
    let typed = format!(
        "{MOOD} CREATE TABLE theirs.notes (id int PRIMARY KEY, user_id theirs.mood); INSERT INTO theirs.notes VALUES (1, '77')"
    );
    let quiet = typed
        .replace("PERFORM theirs.sing('to text'); ", "")
        .replace("theirs.sing('to int')", "0")
        .replace("PERFORM theirs.sing('from text'); ", "");
    let world = World::new("", &quiet).await;
    let mut case = world.case(&declares(""));
    told(&world, "a type", &case.check().await, "theirs.notes");
    world.run("ALTER TABLE theirs.notes OWNER TO APP; ALTER TYPE theirs.mood OWNER TO APP").await;
    told(&world, "its casts", &case.check().await, "theirs.notes");
    for function in ["told(theirs.mood)", "number(theirs.mood)", "felt(text)"] {
        world.run(&format!("ALTER FUNCTION theirs.{function} OWNER TO APP")).await;
    }
    read(&world, "given to the app", &case.check().await);
    world.end().await;
    // Or ignored.
    let world = World::new("", &index).await;
    let mut case = world.case(&format!(
        "{USUAL}references: {{rules: [{{schema: theirs, table: notes, columns: [user_id], ignore: true, reason: a neighbour's}}]}}\n"
    ));
    let pass = world.look(&mut case).await;
    assert_eq!((world.sang(), unread(&pass)), (Vec::new(), Vec::new()));
    pass.consistent();
    // An account that is not there gets no id by what is not read: that is told, and nothing of it is run.
    world
        .run(
            "DELETE FROM users WHERE id = 1; ALTER TABLE users ALTER id ADD GENERATED BY DEFAULT AS IDENTITY",
        )
        .await;
    case.check().await;
    case.repair().await;
    assert_eq!(world.sang(), [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn a_table_that_becomes_a_view_while_it_is_waited_for_is_not_read() {
    let world = World::new("", "CREATE TABLE theirs.notes (id int, user_id int)").await;
    let mut case = world.case(&format!("timeout: 60s\n{}", declares("")));
    let mut neighbour = PgConnection::connect(&world.db.url_of(&world.neighbour)).await.unwrap();
    let sql = "BEGIN; DROP TABLE theirs.notes; CREATE VIEW theirs.notes AS SELECT 1 AS id, theirs.sing('view') AS user_id; \
        GRANT SELECT ON theirs.notes TO PUBLIC";
    sqlx::raw_sql(sql).execute(&mut neighbour).await.unwrap();
    let ended = AtomicBool::new(false);
    let ends = async {
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND usename = '{}' AND wait_event_type = 'Lock'",
            world.db.name, world.ours.0
        );
        while world.db.text(&waits).await == "0" && !ended.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        sqlx::raw_sql("COMMIT").execute(&mut neighbour).await.unwrap();
    };
    let look = async {
        let pass = case.check().await;
        assert!(!ended.swap(true, Ordering::SeqCst));
        pass
    };
    let (pass, ()) = tokio::join!(look, ends);
    assert_eq!(world.sang(), [""; 0], "{:?}", pass.end);
    neighbour.close().await.unwrap();
    world.end().await;
}
