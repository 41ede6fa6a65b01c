//! The rights that `grants` prints are those that a pass needs, from the first look to the last purge, and no
//! others: a role with them alone goes through its whole life, with each kind of step.

use auth_consistency::engine::PurgeFilter;
use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass,
};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    remap::{REMAP, moved, old_world, spec as remap_spec},
    sessions::new_key,
    support::{Case, Db, HASH, USUAL, admin_and_ada},
};

fn anywhere() -> HostPolicy {
    HostPolicy::unrestricted(Vec::new())
}

/// Who runs what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// The owner of the tables, of the schemas and of the database, and no superuser.
    Owner,
    Superuser,
}

/// A role that has no right at all, in a database whose tables have an owner that is no superuser.
struct World {
    db: Db,
    role: (String, String),
    owner: (String, String),
}

impl World {
    async fn of(db: Db) -> Self {
        let owner = db.role("").await;
        let (name, own) = (&db.name, &owner.0);
        db.run(&format!(
            "ALTER DATABASE {name} OWNER TO {own}; REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO PUBLIC;
             DO $$ DECLARE one record; BEGIN
               FOR one IN SELECT n.oid::regnamespace AS name FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'auth_consistency') LOOP
                 EXECUTE format('ALTER SCHEMA %s OWNER TO {own}; REVOKE ALL ON SCHEMA %s FROM PUBLIC', one.name, one.name);
               END LOOP;
               FOR one IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'auth_consistency') LOOP
                 EXECUTE format('ALTER TABLE %s OWNER TO {own}', one.name);
               END LOOP; END $$;
             DROP SCHEMA IF EXISTS auth_consistency CASCADE"
        ))
        .await;
        let role = db.role("").await;
        Self { db, role, owner }
    }

    /// Runs statements as somebody, exactly as they are.
    async fn run_as(&self, who: Runner, sql: &str) {
        let url = match who {
            Runner::Owner => self.db.url_of(&self.owner),
            Runner::Superuser => self.db.url().replacen("postgresql+asyncpg", "postgresql", 1),
        };
        let mut connection = PgConnection::connect(&url).await.unwrap();
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await {
            panic!("{who:?}: {error} in\n{sql}");
        }
        connection.close().await.unwrap();
    }

    /// The role's rights become those that are printed, and no others; printed and run twice, since it is
    /// the same the second time.
    async fn granted(&self, case: &mut Case, who: Runner) -> String {
        case.secret("db", "url", &self.db.url_of(&self.role));
        let printed = pass::grants(&case.target(), &anywhere()).await.unwrap();
        self.run_as(who, &printed).await;
        self.run_as(who, &printed).await;
        let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with("GRANT")).collect();
        let once: std::collections::BTreeSet<&&str> = lines.iter().collect();
        assert_eq!(once.len(), lines.len(), "each line once: {printed}");
        printed
    }

    /// What the role may do to the app's tables and sequences, as the catalogue has it.
    async fn rights(&self) -> Vec<String> {
        self.db
            .texts(&format!(
                "SELECT format('%s %s', c.relname, string_agg(a.privilege_type, ' ' ORDER BY a.privilege_type)) FROM pg_class c \
                 CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE a.grantee = '{}'::regrole AND n.nspname <> 'auth_consistency' GROUP BY c.relname ORDER BY 1",
                self.role.0
            ))
            .await
    }
}

/// Drops what the role owns, so that it can go.
impl World {
    async fn end(self) {
        let (role, owner) = (&self.role.0, &self.owner.0);
        self.db
            .run(&format!("DROP OWNED BY {role} CASCADE; REASSIGN OWNED BY {owner} TO postgres; DROP OWNED BY {owner} CASCADE"))
            .await;
    }
}

fn spec(references: &str) -> String {
    format!("{USUAL}references: {{limits: {{rows: 1000, percent: 100}}, {references}}}\n")
}

const BOTH: [Runner; 2] = [Runner::Owner, Runner::Superuser];

/// Users with a sequence, and one of them the admin.
const USERS: &str = "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
    role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
    INSERT INTO users VALUES (1, 'admin@example.com', 'HASH', 'admin'), (5, 'ada@example.com', 'HASH', 'user');
    SELECT setval('users_id_seq', 100);";

async fn with(sql: &str) -> World {
    World::of(
        Db::new(&format!(
            "{} SET session_replication_role = replica; {sql}; RESET session_replication_role;",
            USERS.replace("HASH", HASH)
        ))
        .await,
    )
    .await
}

/// The people of `back` come back, everything that runs took is put back, the rest is written beside, and
/// all is purged: with no other right than those that were printed.
async fn undone(world: &World, case: &Case, runs: &[String], back: &str, beside: &[&str]) {
    for (at, table) in beside.iter().enumerate() {
        let written = case.beside(&runs[0], Some(table), &format!("kept_{at}")).await.unwrap();
        assert!(written.rows > 0, "{table}");
    }
    world.db.run(back).await;
    for run in runs {
        let restored = case.restore(run).await.unwrap();
        let left = restored.iter().filter(|one| one.action != A::MoveId && one.blocked > 0);
        assert_eq!(left.collect::<Vec<_>>(), Vec::<&auth_consistency::engine::Restored>::new(), "{run}");
        let now = Timestamp::from_second(1_860_000_000).unwrap();
        let purged =
            pass::purge(&case.target(), &anywhere(), &PurgeFilter::Run(run.clone()), None, Some(now)).await;
        assert!(!purged.unwrap().is_empty());
    }
    // What accounts held until they were put back is kept under the runs of the restores.
    for kept in pass::inventory(&case.target(), &anywhere()).await.unwrap() {
        assert!(matches!(kept.action.as_str(), "Reset" | "Correct") && !runs.contains(&kept.run), "{kept:?}");
        let now = Timestamp::from_second(1_860_000_000).unwrap();
        pass::purge(&case.target(), &anywhere(), &PurgeFilter::Run(kept.run), None, Some(now)).await.unwrap();
    }
    assert_eq!(pass::inventory(&case.target(), &anywhere()).await.unwrap(), []);
}

const NINE: &str = "INSERT INTO users VALUES (7, 'seven@example.com', 'x'), (9, 'nine@example.com', 'x')";

#[tokio::test]
async fn rows_of_nobody_go_with_what_depends_on_them_and_come_back() {
    for who in BOTH {
        let world = with(
            "CREATE SCHEMA other;
             CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 1), (2, 7);
             CREATE TABLE keys (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO keys VALUES (1, 1), (2, 7);
             CREATE TABLE other.calls (id int PRIMARY KEY, key_id int REFERENCES keys ON DELETE CASCADE); INSERT INTO other.calls VALUES (1, 2);
             CREATE TABLE other.notes (id int PRIMARY KEY, key_id int REFERENCES keys ON DELETE SET NULL); INSERT INTO other.notes VALUES (1, 2);
             CREATE TABLE other.parts (id int PRIMARY KEY, call_id int REFERENCES other.calls);
             CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users, by int REFERENCES users, \"for\" int REFERENCES users);
             INSERT INTO posts VALUES (1, 9, 9, 5), (2, 5, 9, 7)",
        )
        .await;
        let rules = "onOrphan: Delete, rules: [{table: posts, columns: [user_id], onOrphan: SetNull}, \
            {table: posts, columns: [by], onOrphan: Reassign}, {table: posts, columns: [for], onOrphan: Report, accept: {rows: 9, reason: old}}]";
        let mut case = Case::new(&world.db, &spec(rules));
        let printed = world.granted(&mut case, who).await;
        assert_eq!(
            world.rights().await,
            [
                "calls INSERT SELECT UPDATE",
                "keys DELETE INSERT SELECT UPDATE",
                "logs DELETE INSERT SELECT UPDATE",
                "notes SELECT UPDATE",
                "parts SELECT",
                "posts SELECT UPDATE",
                "users INSERT SELECT UPDATE",
                "users_id_seq SELECT UPDATE USAGE",
            ],
            "{printed}"
        );
        let before = world.db.snapshot().await;
        case.repair().await.repaired(&[
            (A::SetNull, "posts.user_id", 1),
            (A::Reassign, "posts.by", 2),
            (A::Delete, "keys.user_id", 1),
            (A::Delete, "logs.user_id", 1),
        ]);
        assert!(world.db.texts("SELECT id FROM other.calls").await.is_empty());
        let run = case.status.history[0].run.clone();
        undone(&world, &case, &[run], NINE, &["keys", "other.calls", "other.notes", "posts"]).await;
        world.db.run("DROP TABLE kept_0, other.kept_1, other.kept_2, kept_3").await;
        assert_eq!(world.db.changes(&before).await.len(), 2, "the two users are all that is new");
        world.end().await;
    }
}

#[tokio::test]
async fn an_admin_is_made_corrected_reset_and_moved() {
    for who in BOTH {
        let world = with(
            "ALTER TABLE users ADD number serial; DELETE FROM users WHERE id = 1;
             CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 5);
             CREATE TABLE soft (id int PRIMARY KEY, whose int); INSERT INTO soft VALUES (1, 5)",
        )
        .await;
        let mut case =
            Case::new(&world.db, &spec("rules: [{table: soft, columns: [whose], declared: true}]"));
        world.granted(&mut case, who).await;
        case.repair().await.consistent().repaired(&[(A::Seed, "users", 1)]);
        world.db.run("UPDATE users SET role = 'user' WHERE email = 'admin@example.com'").await;
        case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
        let corrected = case.status.history[0].run.clone();
        case.requests.reset = Some("again".into());
        let reset = case.repair().await;
        assert_eq!(reset.consistent().outcome().repaired[0].action, A::Reset);
        let reset = case.status.history[0].run.clone();
        undone(&world, &case, &[reset, corrected], "", &["users"]).await;
        world.db.run("DROP TABLE kept_0").await;
        case.requests.reset = None;
        // Ada's rows become the admin's, whose id is said: they take a right that was not printed before.
        world.db.run("UPDATE logs SET user_id = (SELECT id FROM users WHERE role <> 'x' AND email LIKE 'admin%'); UPDATE soft SET whose = (SELECT user_id FROM logs)").await;
        case.edit(|spec| spec.admin.as_mut().unwrap().id = Some(serde_json::from_str("\"3\"").unwrap()));
        case.repair().await;
        let told = case.status.findings.iter().find(|one| one.blocked == Some(R::PrivilegeMissing)).unwrap();
        assert!(told.message.contains("may not UPDATE public.logs"), "{told:?}");
        world.granted(&mut case, who).await;
        let pass = case.repair().await;
        assert!(
            pass.outcome().repaired.iter().any(|one| one.action == A::MoveId && one.rows == 3),
            "{:?}",
            pass.outcome().repaired
        );
        assert_eq!(world.db.text("SELECT format('%s %s', user_id, whose) FROM logs, soft").await, "3 3");
        world.end().await;
    }
}

#[tokio::test]
async fn rows_go_back_to_their_people_and_back_again() {
    for who in BOTH {
        let db = old_world().await;
        let mut case = moved(&db, REMAP).await;
        let world = World::of(db).await;
        world.granted(&mut case, who).await;
        case.repair().await.plans(&[(A::Remap, "logs.user_id", 9, true)]);
        case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
        let run = case.status.history[0].run.clone();
        let back = "INSERT INTO users (id, email, hashed_password) VALUES (4, 'new@example.com', 'x')";
        undone(&world, &case, &[run], back, &["logs"]).await;
        world.end().await;
    }
    assert!(remap_spec(REMAP).contains("Remap"));
}

#[tokio::test]
async fn sessions_end_in_columns_and_in_rows_and_come_back() {
    for who in BOTH {
        let world = with(
            "ALTER TABLE users ADD stamp text DEFAULT 'a'; CREATE SCHEMA auth;
             CREATE TABLE auth.sessions (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO auth.sessions VALUES (1, 5);
             CREATE TABLE auth.devices (id int PRIMARY KEY, session_id int REFERENCES auth.sessions)",
        )
        .await;
        let sessions = "{stampColumn: stamp, tables: [{schema: auth, table: sessions, column: user_id}], onKeyChange: End}";
        let mut case = new_key(&world.db, sessions);
        world.granted(&mut case, who).await;
        case.repair().await;
        let pass = case.approve().await;
        let done: Vec<A> = pass.outcome().repaired.iter().map(|one| one.action).collect();
        assert_eq!(done, [A::EndSessions, A::EndSessions]);
        let run = case.status.history[0].run.clone();
        undone(&world, &case, &[run], "", &["users", "auth.sessions"]).await;
        assert_eq!(world.db.text("SELECT count(*) FROM auth.sessions").await, "1");
        assert_eq!(world.db.texts("SELECT DISTINCT stamp FROM users").await, ["a"]);
        world.end().await;
    }
}

#[tokio::test]
async fn a_foreign_key_takes_its_table_s_owner_and_that_is_said() {
    for who in BOTH {
        let world = with(
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 5);
             CREATE TABLE posts (id int PRIMARY KEY, user_id int); ALTER TABLE posts ADD CONSTRAINT posts_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
        )
        .await;
        let rules = "constraint: Restore, rules: [{table: logs, columns: [user_id], constraint: logs_fk}]";
        let mut case = Case::new(&world.db, &spec(rules));
        let printed = world.granted(&mut case, who).await;
        // By hand, as the findings say, or by the owner's own rights. What was added is validated next.
        for reasons in [vec![R::ConstraintMissing, R::ConstraintUnvalidated], vec![R::ConstraintUnvalidated]]
        {
            let checked = case.check().await;
            for reason in reasons {
                let told = checked.finding(reason);
                assert_eq!(told.blocked, Some(R::PrivilegeMissing), "{told:?}");
                let (_, statement) = told.message.split_once("let that role run ").unwrap();
                assert!(statement.starts_with("ALTER TABLE "), "{statement}");
                if who == Runner::Owner {
                    world.run_as(Runner::Owner, statement).await;
                }
            }
            if who == Runner::Superuser {
                break;
            }
        }
        if who == Runner::Superuser {
            let line = printed.lines().find(|line| line.contains("only a table's owner")).unwrap();
            assert!(line.starts_with("-- "), "{printed}");
            let run = format!("GRANT {} TO {};", world.owner.0, world.role.0);
            let line = printed.lines().find(|line| line.contains(&run)).unwrap();
            assert!(line.contains("public.logs, public.posts"), "{line}");
            world.run_as(Runner::Superuser, &run).await;
        }
        case.repair().await.consistent();
        let valid = "SELECT format('%s %s', conname, convalidated) FROM pg_constraint WHERE contype = 'f' AND conname ~ '_fk$' ORDER BY 1";
        assert_eq!(world.db.texts(valid).await, ["logs_fk t", "posts_fk t"]);
        world.end().await;
    }
}

#[tokio::test]
async fn looking_takes_no_right_to_write() {
    for who in BOTH {
        let world = with(
            "CREATE TABLE keys (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO keys VALUES (1, 1), (2, 7);
             CREATE TABLE calls (id int PRIMARY KEY, key_id int REFERENCES keys ON DELETE CASCADE); INSERT INTO calls VALUES (1, 2)",
        )
        .await;
        let mut case = Case::new(&world.db, &spec("onOrphan: Delete"));
        case.secret("db", "url", &world.db.url_of(&world.role));
        let printed = pass::grants_to_observe(&case.target(), &anywhere()).await.unwrap();
        world.run_as(who, &printed).await;
        world.run_as(who, &printed).await;
        let rights = ["calls SELECT", "keys SELECT", "users SELECT", "users_id_seq SELECT"];
        assert_eq!(world.rights().await, rights, "{printed}");
        let checked = case.check().await;
        assert_eq!(checked.finding(R::OrphanRows).rows, Some(1));
        assert_eq!(checked.finding(R::OrphanRows).blocked, Some(R::PrivilegeMissing));
        assert!(checked.outcome().references.as_ref().unwrap().skipped.is_empty());
        // What is printed in full begins with it.
        let full = pass::grants(&case.target(), &anywhere()).await.unwrap();
        assert!(full.starts_with(&printed), "{full}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_its_table() {
    let sql = "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 1), (2, 7);
         CREATE TABLE keys (id int PRIMARY KEY, user_id int REFERENCES users ON UPDATE CASCADE); INSERT INTO keys VALUES (1, 1), (2, 7);
         CREATE TABLE calls (id int PRIMARY KEY, key_id int REFERENCES keys ON DELETE CASCADE); INSERT INTO calls VALUES (1, 2);
         CREATE TABLE parts (id int PRIMARY KEY, call_id int REFERENCES calls)";
    for (revoke, table, says) in [
        (
            "SELECT ON calls",
            "keys",
            "the role lacks SELECT on public.calls; run what `auth-consistency grants` prints",
        ),
        ("UPDATE ON calls", "keys", "the role lacks UPDATE on public.calls; run"),
        ("SELECT ON parts", "keys", "the role lacks SELECT on public.parts; run"),
        ("DELETE ON logs", "logs", "the role may not DELETE from public.logs; run"),
        ("UPDATE ON logs", "logs", "the role may not UPDATE public.logs; run"),
    ] {
        let world = with(sql).await;
        let mut case = Case::new(&world.db, &spec("onOrphan: Delete"));
        world.granted(&mut case, Runner::Owner).await;
        world.run_as(Runner::Owner, &format!("REVOKE {revoke} FROM {}", world.role.0)).await;
        let checked = case.check().await;
        let findings = checked.outcome().findings();
        let told = findings
            .iter()
            .find(|one| one.finding == R::OrphanRows && one.object.as_ref().unwrap().table == table)
            .unwrap();
        assert_eq!((told.blocked, told.condition), (Some(R::PrivilegeMissing), C::ReferencesConsistent));
        assert!(told.message.contains(says) && !told.message.contains("clear those"), "{}", told.message);
        // The other table's rows wait for no right of this one.
        let other: Vec<A> = case.repair().await.outcome().repaired.iter().map(|one| one.action).collect();
        assert_eq!(other, [A::Delete], "{revoke}");
        world.granted(&mut case, Runner::Owner).await;
        case.repair().await.consistent();
        world.end().await;
    }
}

#[tokio::test]
async fn a_right_that_putting_back_lacks_is_named_and_nothing_is_half_back() {
    let world = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 1), (2, 7)").await;
    let mut case = Case::new(&world.db, &spec("onOrphan: Delete"));
    world.granted(&mut case, Runner::Owner).await;
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    world.run_as(Runner::Owner, &format!("REVOKE INSERT ON logs FROM {}", world.role.0)).await;
    world.db.run(NINE).await;
    let restored = case.restore(&run).await.unwrap();
    let why = "the role may not INSERT into public.logs: run what `auth-consistency grants` prints, then restore again";
    assert_eq!((restored[0].rows, restored[0].sample.clone()), (0, vec![("2".to_owned(), why.to_owned())]));
    world.granted(&mut case, Runner::Owner).await;
    assert_eq!(case.restore(&run).await.unwrap()[0].rows, 1);
    world.end().await;
}

#[tokio::test]
async fn an_owner_that_may_make_no_schema_is_told_who_may() {
    let world = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (2, 7)").await;
    world.db.run(&format!("ALTER DATABASE {} OWNER TO postgres", world.db.name)).await;
    let mut case = Case::new(&world.db, &spec("onOrphan: Delete"));
    let printed = world.granted(&mut case, Runner::Owner).await;
    let told = case.repair().await.finding(R::PrivilegeMissing);
    assert!(told.message.contains("auth_consistency"), "{told:?}");
    let line = printed.lines().find(|line| line.starts_with("-- CREATE SCHEMA")).unwrap();
    world.run_as(Runner::Superuser, line.trim_start_matches("-- ")).await;
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", 1)]);
    // The schema is there now: what is printed goes on running.
    world.granted(&mut case, Runner::Superuser).await;
    world.end().await;
}

#[tokio::test]
async fn rows_that_row_level_security_hides_are_told_with_what_helps() {
    let world = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, tenant text); INSERT INTO logs VALUES (1, 5, 'a'), (2, 7, 'b');
         ALTER TABLE logs ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON logs USING (tenant = 'a')",
    )
    .await;
    let mut case = Case::new(&world.db, &spec("onOrphan: Delete"));
    let printed = world.granted(&mut case, Runner::Owner).await;
    assert!(!case.check().await.outcome().findings().is_empty());
    let told = case.check().await.finding(R::RowsUnreadable);
    assert!(told.message.contains("row-level security"), "{told:?}");
    let line = printed.lines().find(|line| line.contains("ALTER ROLE")).unwrap();
    assert!(line.starts_with("-- ") && printed.contains("public.logs"), "{printed}");
    let (_, statement) = line.split_once("runs: ").unwrap();
    world.run_as(Runner::Superuser, statement).await;
    assert_eq!(case.check().await.finding(R::OrphanRows).rows, Some(1));
    let again = world.granted(&mut case, Runner::Superuser).await;
    assert!(!again.contains("ALTER ROLE"), "{again}");
    world.end().await;
}

#[tokio::test]
async fn tables_of_several_owners_say_whose_each_is_and_a_superuser_runs_it_all() {
    let world = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (2, 7)").await;
    let other = world.db.role("ALTER TABLE logs OWNER TO ROLE").await;
    let mut case =
        Case::new(&world.db, &spec("rules: [{table: logs, columns: [user_id], onOrphan: Delete}]"));
    let printed = world.granted(&mut case, Runner::Superuser).await;
    let told =
        format!("GRANT INSERT, UPDATE, DELETE ON public.logs TO {}; -- {} owns it", world.role.0, other.0);
    assert!(printed.lines().any(|line| line == told), "{printed}");
    case.repair().await.consistent();
    world.db.run(&format!("ALTER TABLE logs OWNER TO {}; DROP OWNED BY {}", world.owner.0, other.0)).await;
    world.end().await;
}

#[tokio::test]
async fn names_that_end_a_comment_or_a_statement_do_neither_on_the_page() {
    for name in [
        "a\nDROP TABLE canary; --",
        "a\rDROP TABLE canary;",
        "a\"; DROP TABLE canary; --",
        "a*/ DROP TABLE canary; /*",
        "a\u{2028}\u{202e}; DROP TABLE canary; --",
        "a -- DROP TABLE canary; \\! touch canary",
    ] {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        // The name is a table's, a schema's, a column's, a sequence's; rows are hidden, and a foreign key is restored.
        let world = with(&format!(
            "CREATE TABLE canary (id int); CREATE SCHEMA {quoted};
             CREATE TABLE {quoted}.{quoted} (id int PRIMARY KEY, {quoted} int REFERENCES users);
             ALTER TABLE {quoted}.{quoted} ENABLE ROW LEVEL SECURITY;
             CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users)"
        ))
        .await;
        // And the owner's of another table.
        world.db.run(&format!("CREATE ROLE {quoted}; ALTER TABLE logs OWNER TO {quoted}")).await;
        let mut case = Case::new(&world.db, &spec("onOrphan: Delete, constraint: Validate"));
        let printed = world.granted(&mut case, Runner::Superuser).await;
        assert_eq!(world.db.text("SELECT count(*) FROM canary").await, "0", "the canary is there");
        assert!(printed.contains("owns it") && printed.contains("Row-level security"), "{printed}");
        for line in printed.split(['\n', '\r', '\u{85}', '\u{2028}']) {
            let (statement, comment) = line.split_once("-- ").unwrap_or((line, ""));
            let begins = ["GRANT ", "CREATE SCHEMA IF NOT EXISTS auth_consistency;", ""];
            assert!(
                begins
                    .iter()
                    .any(|begin| statement == *begin || !begin.is_empty() && statement.starts_with(begin)),
                "{line:?}"
            );
            // The statement's own names may have two dashes in their quotes.
            assert!(!comment.contains("canary") || statement.contains('"'), "{line:?} in {printed}");
        }
        let unseen = |c: char| auth_consistency::domain::text::unseen(c) && c != '\n';
        assert!(!printed.contains(unseen), "{printed:?}");
        world.db.run(&format!("ALTER TABLE logs OWNER TO {}; DROP ROLE {quoted}", world.owner.0)).await;
        world.end().await;
    }
}

#[tokio::test]
async fn nobody_is_offered_a_superusers_membership_and_only_foreign_keys_have_something_to_validate() {
    let world = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); CREATE TABLE notes (id int PRIMARY KEY, user_id int)",
    )
    .await;
    world.db.run("ALTER TABLE logs OWNER TO postgres; ALTER TABLE notes OWNER TO postgres").await;
    let rules =
        "onOrphan: Delete, constraint: Validate, rules: [{table: notes, columns: [user_id], declared: true}]";
    let mut case = Case::new(&world.db, &spec(rules));
    let printed = world.granted(&mut case, Runner::Superuser).await;
    assert!(!printed.contains("GRANT postgres"), "{printed}");
    let told: Vec<&str> =
        printed.lines().skip_while(|line| !line.contains("only a table's owner")).skip(2).take(2).collect();
    assert_eq!(
        told,
        [
            "-- public.logs: postgres owns it and is a superuser, in whose role one may do anything at all. Give it another owner",
            "-- first (ALTER TABLE ... OWNER TO ...), or run by hand what findings print."
        ],
        "{printed}"
    );
    // With another owner it is that one's to give.
    world.db.run(&format!("ALTER TABLE logs OWNER TO {}", world.owner.0)).await;
    let printed = world.granted(&mut case, Runner::Superuser).await;
    assert!(printed.contains(&format!("GRANT {} TO {};", world.owner.0, world.role.0)), "{printed}");
    world.db.run(&format!("ALTER TABLE notes OWNER TO {}", world.owner.0)).await;
    world.end().await;
}

#[tokio::test]
async fn roles_that_read_every_table_are_named_beside_the_schema_of_the_copies() {
    let db = admin_and_ada("").await;
    let reads = db.role("").await.0;
    let writes = db.role("").await.0;
    let through = db.role("").await.0;
    let none = db.role("").await.0;
    db.run(&format!(
        "GRANT pg_read_all_data TO {reads}; GRANT pg_write_all_data TO {writes}; GRANT {reads} TO {through}"
    ))
    .await;
    let case = Case::new(&db, USUAL);
    let page = pass::grants(&case.target(), &anywhere()).await.unwrap();
    let line = page.lines().find(|line| line.contains("Members of pg_read_all_data")).unwrap_or_default();
    // Others of the server have such members, too, while this runs: not all may be named.
    let named = [&reads, &writes, &through].into_iter().filter(|role| line.contains(*role)).count();
    assert!(named == 3 || line.ends_with("others."), "{line}");
    assert!(!page.contains(&none), "{page}");
}
