//! A repair touches what its plan says. Tables of others, and tables on which code of others runs, are repaired only
//! where a rule names them; and whatever such code does beside the rows of the plan undoes the repair.

use auth_consistency::{
    domain::request::Approval,
    pass::request::{Repairs, Supervisor},
};

use std::sync::atomic::{AtomicBool, Ordering};

use auth_consistency::domain::fault::Fault;

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::{Action as A, StepReport},
    spec::{OnOrphan, ReferenceRule},
};

use futures::future::BoxFuture;

use crate::support::{Case, Db, USUAL, admin_and_ada};

/// Runs something when the steps begin, which is after all that the plan was made from.
struct Late<'a> {
    sql: String,
    db: &'a Db,
    done: AtomicBool,
}

impl Supervisor for Late<'_> {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async {
            if !self.done.swap(true, Ordering::SeqCst) {
                self.db.run(&self.sql).await;
            }
            Ok(())
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

const BARRED: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, Some(R::ForeignOwner));

/// What makes a view of the users and gives it away, and what a neighbour has beside.
const THEIRS: &str = "CREATE SCHEMA theirs AUTHORIZATION NEIGHBOUR; GRANT USAGE ON SCHEMA theirs TO PUBLIC;
    GRANT CREATE, USAGE ON SCHEMA public TO NEIGHBOUR, OUR_ROLE; GRANT REFERENCES ON users TO NEIGHBOUR;
    CREATE FUNCTION theirs.act() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
      CREATE MATERIALIZED VIEW public.taken AS SELECT * FROM public.users; GRANT SELECT ON public.taken TO PUBLIC;
      RETURN COALESCE(OLD, NEW); END $f$;
    CREATE FUNCTION theirs.fine(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $f$ BEGIN RETURN true; END $f$;
    CREATE FUNCTION theirs.same(int, int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $f$ BEGIN RETURN true; END $f$;
    CREATE OPERATOR theirs.@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = theirs.same);
    CREATE TYPE theirs.mood AS ENUM ('fine', 'bad');
    CREATE FUNCTION theirs.alike(theirs.mood, theirs.mood) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $f$ BEGIN RETURN true; END $f$;
    CREATE OPERATOR theirs.= (LEFTARG = theirs.mood, RIGHTARG = theirs.mood, FUNCTION = theirs.alike);
    ALTER FUNCTION theirs.same(int, int) OWNER TO NEIGHBOUR; ALTER OPERATOR theirs.@@@ (int, int) OWNER TO NEIGHBOUR;
    ALTER TYPE theirs.mood OWNER TO NEIGHBOUR; ALTER FUNCTION theirs.alike(theirs.mood, theirs.mood) OWNER TO NEIGHBOUR;
    ALTER OPERATOR theirs.= (theirs.mood, theirs.mood) OWNER TO NEIGHBOUR;
    CREATE DOMAIN theirs.note AS text;
    CREATE SEQUENCE theirs.ids;
    ALTER FUNCTION theirs.act() OWNER TO NEIGHBOUR; ALTER FUNCTION theirs.fine(int) OWNER TO NEIGHBOUR;
    ALTER DOMAIN theirs.note OWNER TO NEIGHBOUR; ALTER SEQUENCE theirs.ids OWNER TO NEIGHBOUR;
    GRANT USAGE, UPDATE ON SEQUENCE theirs.ids TO PUBLIC;";

/// What stands in the catalog and is no row: everything that could be created, altered, granted or dropped.
const CATALOG: &str = "SELECT * FROM (
    SELECT format('%s.%s %s %s', relnamespace::regnamespace, relname, relowner, relacl) FROM pg_class
      WHERE relnamespace::regnamespace::text NOT IN ('auth_consistency', 'pg_toast')
    UNION ALL SELECT format('%s %s %s', attrelid, attname, attacl) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
      WHERE relnamespace::regnamespace::text NOT IN ('auth_consistency', 'pg_toast')
    UNION ALL SELECT format('%s %s %s %s', oid, proname, proacl, md5(prosrc)) FROM pg_proc
    UNION ALL SELECT format('%s %s', oid, typname) FROM pg_type WHERE typnamespace::regnamespace::text <> 'auth_consistency'
    UNION ALL SELECT format('%s %s', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_.*temp_|^auth_consistency$'
    UNION ALL SELECT format('%s %s', tgrelid, tgname) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('%s', l.oid) FROM pg_largeobject_metadata l
    UNION ALL SELECT format('%s %s', objoid, description) FROM pg_description
    UNION ALL SELECT format('%s %s', defaclrole, defaclacl) FROM pg_default_acl) all_of_it ORDER BY 1";

struct World {
    db: Db,
    case: Case,
    role: String,
    neighbour: String,
}

impl World {
    /// The app's tables belong to the role of the connection string, which is no superuser; `sql` runs as superuser
    /// with foreign keys off, so that orphans are possible.
    async fn new(on_orphan: &str, sql: &str) -> Self {
        let db = admin_and_ada("").await;
        let role = db
            .role(
                "GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE; ALTER TABLE users OWNER TO ROLE; \
                 ALTER SEQUENCE IF EXISTS users_id_seq OWNER TO ROLE",
            )
            .await;
        let neighbour = db.role("GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE").await.0;
        let yaml =
            format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 1000, percent: 100}}}}\n");
        let mut case = Case::new(&db, &yaml);
        case.secret("db", "url", &db.url_of(&role));
        // What was asked with the tables that `Db` itself makes is of the superuser, who is the app.
        let world = Self { db, case, role: role.0, neighbour };
        world.run(THEIRS).await;
        world
            .run(&format!("SET session_replication_role = replica; {sql}; RESET session_replication_role"))
            .await;
        world
    }

    fn named(&self, sql: &str) -> String {
        sql.replace("NEIGHBOUR", &self.neighbour).replace("OUR_ROLE", &self.role)
    }

    async fn run(&self, sql: &str) {
        self.db.run(&self.named(sql)).await;
    }

    /// From now on the server counts nothing of what our role does.
    async fn uncounted(&self) {
        self.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET track_counts = off', current_database()); END $$").await;
    }

    async fn catalog(&self) -> Vec<String> {
        self.db.texts(CATALOG).await
    }

    /// What stands in the catalog now and did not then, and the other way round.
    async fn differs(&self, before: &[String]) -> Vec<String> {
        let after = self.catalog().await;
        let without = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter()
                .filter(|line| other.binary_search(line).is_err() && !other.contains(line))
                .cloned()
                .collect()
        };
        [without(before, &after), without(&after, before)].concat()
    }

    /// Roles are dropped with the test, and what they own in the database with them.
    async fn end(self) {
        self.run("DROP OWNED BY NEIGHBOUR CASCADE; DROP OWNED BY OUR_ROLE CASCADE").await;
    }

    /// Puts the rules that a message prints into the spec.
    fn paste(&mut self, message: &str) -> Vec<ReferenceRule> {
        let printed = message.split_once("in spec.references.rules by ").expect(message).1;
        let yaml = printed.replace(" and - {", "\n- {");
        let rules: Vec<ReferenceRule> =
            serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\nin\n{yaml}"));
        self.case.edit(|spec| spec.references.rules.extend(rules.clone()));
        rules
    }
}

/// The app's own rows that name nobody, in a table of the role.
const LOGS: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, note text);
    INSERT INTO logs VALUES (1, 9, 'a'), (2, 9, 'b'), (3, 5, 'c'); ALTER TABLE logs OWNER TO OUR_ROLE;";

#[tokio::test]
async fn what_is_of_a_neighbour_is_not_repaired_until_the_rule_that_the_message_prints_names_it() {
    let orders = "CREATE TABLE theirs.orders (id int PRIMARY KEY, user_id int REFERENCES users);
        INSERT INTO theirs.orders VALUES (1, 9), (2, 5); ALTER TABLE theirs.orders OWNER TO NEIGHBOUR;
        GRANT SELECT, UPDATE, DELETE ON theirs.orders TO OUR_ROLE;";
    for (made, told, rows) in [
        (
            format!("{orders} CREATE TRIGGER act BEFORE UPDATE OR DELETE ON theirs.orders FOR EACH ROW EXECUTE FUNCTION theirs.act()"),
            "the table \"theirs.orders\" belongs to",
            1,
        ),
        (
            format!("{orders} ALTER TABLE theirs.orders ADD CHECK (theirs.fine(id))"),
            "the table \"theirs.orders\" belongs to",
            1,
        ),
        (
            format!("{LOGS} CREATE TRIGGER act BEFORE UPDATE OR DELETE ON logs FOR EACH ROW EXECUTE FUNCTION theirs.act()"),
            "the function \"theirs.act\" belongs to",
            2,
        ),
        (
            format!("{LOGS} CREATE CONSTRAINT TRIGGER act AFTER UPDATE OR DELETE ON logs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION theirs.act()"),
            "the function \"theirs.act\" belongs to",
            2,
        ),
        (
            format!("{LOGS} ALTER TABLE logs ADD CHECK (theirs.fine(id)) NOT VALID"),
            "the function \"theirs.fine\" belongs to",
            2,
        ),
        (
            format!("{LOGS} ALTER TABLE logs ALTER COLUMN note TYPE theirs.note"),
            "the type \"theirs.note\" belongs to",
            2,
        ),
        (
            format!("{LOGS} CREATE TRIGGER act BEFORE UPDATE ON logs FOR EACH ROW WHEN (OLD.id OPERATOR(theirs.@@@) 1) \
                EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"),
            "the operator \"theirs.@@@\" belongs to",
            2,
        ),
        (
            format!("{LOGS} CREATE TRIGGER act BEFORE UPDATE ON logs FOR EACH ROW WHEN ((OLD.note::theirs.note) IS NOT NULL) \
                EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"),
            "the type \"theirs.note\" belongs to",
            2,
        ),
        (
            format!("{LOGS} ALTER TABLE logs ADD CHECK (id OPERATOR(theirs.@@@) 1) NOT VALID"),
            "the operator \"theirs.@@@\" belongs to",
            2,
        ),
        (
            format!("{LOGS} ALTER TABLE logs ADD CHECK (CASE WHEN id > 0 THEN 'fine'::theirs.mood OPERATOR(theirs.=) 'bad'::theirs.mood ELSE true END) NOT VALID"),
            "the operator \"theirs.=\" belongs to",
            2,
        ),
        (
            format!("{LOGS} CREATE RULE act AS ON UPDATE TO logs WHERE NEW.id OPERATOR(theirs.@@@) 7 DO ALSO SELECT 1"),
            "the operator \"theirs.@@@\" belongs to",
            2,
        ),
        (
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users) PARTITION BY RANGE (id);
             CREATE TABLE theirs.logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);
             INSERT INTO logs VALUES (1, 9), (2, 9), (3, 5); ALTER TABLE logs OWNER TO OUR_ROLE;
             ALTER TABLE theirs.logs_1 OWNER TO NEIGHBOUR;
             CREATE TRIGGER act BEFORE UPDATE OR DELETE ON theirs.logs_1 FOR EACH ROW EXECUTE FUNCTION theirs.act()"
                .to_owned(),
            "the table \"theirs.logs_1\" belongs to",
            2,
        ),
        (
            format!(
                "{LOGS} CREATE TABLE theirs.parts (id int PRIMARY KEY, log_id int REFERENCES logs ON DELETE CASCADE);
                 INSERT INTO theirs.parts VALUES (1, 1), (2, 3); ALTER TABLE theirs.parts OWNER TO NEIGHBOUR;
                 GRANT SELECT, UPDATE, DELETE ON theirs.parts TO OUR_ROLE;
                 CREATE TRIGGER act BEFORE DELETE ON theirs.parts FOR EACH ROW EXECUTE FUNCTION theirs.act()"
            ),
            "the table \"theirs.parts\" belongs to",
            2,
        ),
    ] {
        let mut world = World::new("Delete", &made).await;
        let (before, catalog) = (world.db.snapshot().await, world.catalog().await);
        let pass = world.case.repair().await;
        pass.repaired(&[]).plans(&[]);
        let found = pass.finding(R::OrphanRows);
        assert_eq!((found.finding, found.blocked), (BARRED.0, BARRED.2), "{made}: {found:?}");
        assert!(found.message.contains(told) && found.message.contains(&world.neighbour), "{}", found.message);
        assert_eq!(world.db.changes(&before).await, [""; 0], "{made}");
        assert_eq!(world.differs(&catalog).await, [""; 0], "{made}");
        assert!(pass.conditions().iter().any(|one| one == "Ready=False ForeignOwner"), "{:?}", pass.conditions());

        // With the rule it is repaired, as long as the code does nothing beside.
        let rules = world.paste(&found.message);
        assert!(rules.iter().all(|rule| rule.on_orphan.is_none_or(|of| of == OnOrphan::Delete)), "{rules:?}");
        world.run("CREATE OR REPLACE FUNCTION theirs.act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN COALESCE(OLD, NEW); END'").await;
        let catalog = world.catalog().await;
        let pass = world.case.repair().await;
        let done: i64 = pass.outcome().repaired.iter().map(|step| step.rows).sum();
        assert_eq!(done, rows, "{made}: {:?}", pass.outcome().findings());
        assert!(pass.outcome().findings().iter().all(|one| one.finding != R::OrphanRows), "{made}");
        assert_eq!(world.differs(&catalog).await, [""; 0], "{made}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_function_of_the_app_that_calls_a_neighbour_s_by_its_body_needs_the_rule_too() {
    let made = format!(
        "{LOGS} CREATE FUNCTION asks(int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN theirs.fine($1);
         ALTER FUNCTION asks(int) OWNER TO OUR_ROLE; ALTER TABLE logs ADD CHECK (asks(id)) NOT VALID"
    );
    let mut world = World::new("Delete", &made).await;
    let before = world.db.snapshot().await;
    let found = world.case.repair().await.repaired(&[]).finding(R::OrphanRows);
    assert_eq!(found.blocked, Some(R::ForeignOwner), "{found:?}");
    assert!(found.message.contains("the function \"theirs.fine\" belongs to"), "{}", found.message);
    assert_eq!(world.db.changes(&before).await, [""; 0]);
    world.paste(&found.message);
    world.case.repair().await.repaired(&[(A::Delete, "logs.user_id", 2)]);
    world.end().await;
}

#[tokio::test]
async fn a_table_whose_index_would_run_a_neighbour_s_function_is_not_even_read_and_so_not_repaired() {
    let mut world =
        World::new("Delete", &format!("{LOGS} CREATE INDEX fine ON logs (theirs.fine(id))")).await;
    let before = world.db.snapshot().await;
    let pass = world.case.repair().await;
    pass.repaired(&[]).plans(&[]);
    let found = pass.finding(R::RowsUnreadable);
    assert!(found.message.contains("theirs.fine") && found.message.contains(&world.neighbour), "{found:?}");
    assert_eq!(world.db.changes(&before).await, [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn the_database_s_owner_and_superusers_are_the_app_and_so_is_the_user_table_s_owner() {
    for owner in ["the database's", "a superuser", "the user table's"] {
        let mut world = World::new("Delete", LOGS).await;
        match owner {
            "the database's" => {
                let sql = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO NEIGHBOUR', current_database()); END $$";
                world.run(sql).await;
            }
            "a superuser" => world.run("ALTER ROLE NEIGHBOUR SUPERUSER").await,
            _ => world.run("ALTER TABLE users OWNER TO NEIGHBOUR; GRANT ALL ON users TO OUR_ROLE").await,
        }
        world.run("ALTER TABLE logs OWNER TO NEIGHBOUR; GRANT ALL ON logs TO OUR_ROLE").await;
        world.case.repair().await.repaired(&[(A::Delete, "logs.user_id", 2)]);
        world
            .run(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO CURRENT_USER', current_database()); END $$;
                 ALTER ROLE NEIGHBOUR NOSUPERUSER",
            )
            .await;
        world.end().await;
    }
}

#[tokio::test]
async fn what_a_neighbour_puts_on_a_table_after_the_plan_was_made_keeps_the_step_back() {
    let mut world = World::new("Delete", LOGS).await;
    world.case.edit(|spec| spec.references.limits.rows = 0);
    world.case.repair().await.plans(&[(A::Delete, "logs.user_id", 2, true)]);
    let before = world.db.snapshot().await;
    world.run("CREATE TRIGGER act BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION theirs.act()").await;
    world.case.approve().await.repaired(&[]);
    assert_eq!(world.db.changes(&before).await, [""; 0]);
    world.end().await;
}

/// After the look, and before the step: when the run has begun.
#[tokio::test]
async fn what_a_neighbour_puts_on_a_table_while_a_run_begins_keeps_each_kind_of_step_back() {
    for action in [A::Delete, A::Remap, A::MoveId] {
        let mut world = World::new(if action == A::Remap { "Remap" } else { "Delete" }, LOGS).await;
        match action {
            A::Remap => {
                world.case.edit(|spec| {
                    spec.references.identities = Some(
                        serde_json::from_value(
                            serde_json::json!({"configMapRef": {"name": "before", "key": "people.csv"}}),
                        )
                        .unwrap(),
                    );
                });
                let people = "id,login\n1,admin@example.com\n9,ada@example.com\n";
                world.case.config_map("before", "people.csv", people);
            }
            A::MoveId => {
                world.run("UPDATE logs SET user_id = 1 WHERE id < 3").await;
                world.case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("7".into()));
            }
            _ => {}
        }
        let before = world.db.snapshot().await;
        let trigger =
            "CREATE TRIGGER act BEFORE UPDATE OR DELETE ON logs FOR EACH ROW EXECUTE FUNCTION theirs.act()";
        world.case.edit(|spec| spec.references.limits.rows = 0);
        let waiting = world.case.repair().await;
        let plan = waiting.status.plan.clone().unwrap();
        assert!(plan.steps.iter().any(|step| step.action == action), "{:?}", waiting.outcome().findings());
        world.case.requests.approval = Some(Approval { hash: plan.hash.unwrap(), shown: plan.steps });
        let late = Late { sql: world.named(trigger), db: &world.db, done: AtomicBool::new(false) };
        let pass = world.case.pass(Repairs::All, &late).await;
        assert!(late.done.load(Ordering::SeqCst), "{action:?}: nobody asked");
        let failed = pass.finding(R::RepairFailed);
        assert_eq!(failed.blocked, Some(R::ForeignOwner), "{action:?}: {failed:?}");
        assert_eq!(world.db.changes(&before).await, [""; 0], "{action:?}");
        world.end().await;
    }
}

/// What a trigger may try beside its row, and what the message says of it.
const ATTACKS: &[(&str, &str)] = &[
    (
        "EXECUTE 'CREATE MATERIALIZED VIEW public.taken AS SELECT * FROM public.users'; EXECUTE 'GRANT SELECT ON public.taken TO PUBLIC'",
        "pg_class",
    ),
    (
        "BEGIN CREATE TABLE public.taken AS SELECT * FROM public.users; EXCEPTION WHEN division_by_zero THEN NULL; END",
        "pg_class",
    ),
    ("GRANT SELECT ON public.users TO PUBLIC", "users"),
    ("GRANT SELECT (email) ON public.users TO PUBLIC", "pg_attribute"),
    ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "pg_default_acl"),
    ("CREATE FUNCTION public.later() RETURNS int LANGUAGE sql AS 'SELECT 1'", "pg_proc"),
    ("CREATE OR REPLACE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 2'", "pg_depend"),
    ("CREATE SCHEMA later", "pg_namespace"),
    ("CREATE TYPE public.later AS ENUM ('a')", "pg_enum"),
    ("CREATE DOMAIN public.later AS int", "pg_type"),
    ("ALTER TABLE public.trail ADD COLUMN more int", "trail"),
    ("DROP TABLE public.trail", "dropped"),
    ("DROP FUNCTION public.mine()", "dropped"),
    ("TRUNCATE public.trail", "trail"),
    ("BEGIN TRUNCATE public.trail; EXCEPTION WHEN division_by_zero THEN NULL; END", "trail"),
    (
        "CREATE TRIGGER later BEFORE INSERT ON public.trail FOR EACH ROW EXECUTE FUNCTION public.act()",
        "trail",
    ),
    ("COMMENT ON TABLE public.trail IS 'seen'", "pg_description"),
    ("PERFORM lo_from_bytea(0, 'seen')", "large objects"),
    ("PERFORM lo_unlink((SELECT min(oid) FROM pg_largeobject_metadata))", "large objects"),
    ("PERFORM nextval('theirs.ids')", "sequence theirs.ids of another role"),
    ("PERFORM setval('theirs.ids', 1000)", "sequence theirs.ids of another role"),
    ("EXECUTE 'DECLARE later CURSOR WITH HOLD FOR SELECT public.mine()'", "cursor WITH HOLD"),
    (
        "INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, rows) SELECT system_identifier, database_oid, owner, run, 9, 9, 'Delete', 'x', 7 FROM auth_consistency.runs",
        "auth_consistency.audit",
    ),
    ("UPDATE auth_consistency.claims SET epoch = epoch", "auth_consistency.claims"),
    ("UPDATE auth_consistency.runs SET plan_hash = 'forged'", "auth_consistency.runs"),
    (
        "INSERT INTO auth_consistency.step_keys SELECT run, step, '5' FROM auth_consistency.steps",
        "auth_consistency.step_keys",
    ),
    ("UPDATE auth_consistency.steps SET ceiling = 1000", "auth_consistency.steps"),
    ("DELETE FROM auth_consistency.step_keys", "auth_consistency.step_keys"),
    (
        "IF to_regclass('pg_temp.later') IS NULL THEN EXECUTE 'CREATE TEMP TABLE later (id int); CREATE CONSTRAINT TRIGGER t AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.act(); INSERT INTO later VALUES (1)'; END IF",
        "pg_trigger",
    ),
    (
        "IF to_regclass('pg_temp.later') IS NULL THEN EXECUTE 'CREATE TEMP TABLE first (id int PRIMARY KEY); CREATE TEMP TABLE later (id int REFERENCES first DEFERRABLE INITIALLY DEFERRED); INSERT INTO first VALUES (1); INSERT INTO later VALUES (1)'; END IF",
        "temporary table",
    ),
    (
        "IF to_regclass('pg_temp.later') IS NULL THEN EXECUTE 'CREATE TEMP TABLE later (id int, EXCLUDE USING btree ((public.steps_on(id)) WITH =) DEFERRABLE INITIALLY DEFERRED); INSERT INTO later VALUES (1)'; END IF",
        "temporary table",
    ),
    ("INSERT INTO public.trail VALUES (7)", "public.trail"),
];

/// The app's own trigger on a table, with the rights of the role.
fn attack(table: &str, body: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS trail (id int); INSERT INTO trail VALUES (1); SELECT lo_from_bytea(0, 'kept');
         CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION public.steps_on(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
         CREATE FUNCTION public.act() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
           IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF; {body}; RETURN NULL; END $f$;
         CREATE TRIGGER act AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.act();
         ALTER TABLE trail OWNER TO OUR_ROLE; ALTER FUNCTION public.mine() OWNER TO OUR_ROLE;
         ALTER FUNCTION public.act() OWNER TO OUR_ROLE;
         DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP
           EXECUTE format('ALTER LARGE OBJECT %s OWNER TO OUR_ROLE', o); END LOOP; END $$"
    )
}

#[tokio::test]
async fn whatever_a_trigger_does_beside_the_rows_of_the_plan_undoes_the_chunk_and_is_told() {
    let actions = [("Delete", A::Delete), ("SetNull", A::SetNull), ("Reassign", A::Reassign)];
    for (at, (body, told)) in ATTACKS.iter().enumerate() {
        let (on_orphan, action) = actions[at % actions.len()];
        let mut world = World::new(on_orphan, &format!("{LOGS} {}", attack("logs", body))).await;
        let (before, catalog) = (world.db.snapshot().await, world.catalog().await);
        let pass = world.case.repair().await;
        pass.repaired(&[]);
        let failed = pass.finding(R::RepairFailed);
        assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{body}: {failed:?}");
        assert!(failed.message.contains(told), "{body}: {}", failed.message);
        assert_eq!(world.db.changes(&before).await, [""; 0], "{body}");
        assert_eq!(world.differs(&catalog).await, [""; 0], "{body}");
        assert_eq!(world.db.text("SELECT count(*) FROM auth_consistency.audit").await, "0", "{body}");
        // Once the trigger is out of the way, the next pass does it.
        world.run("ALTER TABLE logs DISABLE TRIGGER act").await;
        world.case.repair().await.repaired(&[(action, "logs.user_id", 2)]);
        world.end().await;
    }
}

#[tokio::test]
async fn what_a_trigger_of_the_app_may_do_on_the_way_is_no_obstacle() {
    for body in [
        "PERFORM nextval('own')",
        "PERFORM pg_advisory_xact_lock(7)",
        "PERFORM set_config('app.seen', 'yes', true)",
        "CREATE TEMP TABLE IF NOT EXISTS scratch (id serial PRIMARY KEY, what text CHECK (what <> '')); INSERT INTO scratch (what) VALUES ('x')",
        "CREATE TEMP TABLE IF NOT EXISTS scratch ON COMMIT DROP AS SELECT 1 AS id; ANALYZE scratch",
        "PERFORM count(*) FROM theirs.canary",
        "BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END",
    ] {
        for (on_orphan, action) in [("Delete", A::Delete), ("SetNull", A::SetNull)] {
            let made = format!(
                "{LOGS} CREATE TABLE theirs.canary (id int); GRANT SELECT ON theirs.canary TO PUBLIC;
                 CREATE SEQUENCE own; ALTER SEQUENCE own OWNER TO OUR_ROLE; {}",
                attack("logs", body)
            );
            let mut world = World::new(on_orphan, &made).await;
            let pass = world.case.repair().await;
            assert!(
                pass.outcome().findings().iter().all(|one| one.finding != R::RepairFailed),
                "{body}: {:?}",
                pass.outcome().findings()
            );
            pass.repaired(&[(action, "logs.user_id", 2)]);
            world.end().await;
        }
    }
}

#[tokio::test]
async fn steps_of_an_account_and_rows_that_go_back_are_held_to_it_too() {
    for (at, body) in [
        "CREATE TABLE public.taken AS SELECT * FROM public.users",
        "GRANT SELECT ON public.users TO PUBLIC",
        "PERFORM lo_from_bytea(0, 'seen')",
        "PERFORM nextval('theirs.ids')",
        "UPDATE auth_consistency.claims SET epoch = epoch",
        "EXECUTE 'DECLARE later CURSOR WITH HOLD FOR SELECT public.mine()'",
    ]
    .into_iter()
    .enumerate()
    {
        let drifts = [
            ("UPDATE users SET role = 'user' WHERE id = 1", A::Correct),
            ("DELETE FROM users WHERE id = 1", A::Seed),
            ("UPDATE users SET id = 3 WHERE id = 1", A::MoveId),
        ];
        let (drift, action) = drifts[at % drifts.len()];
        {
            let mut world = World::new("Report", "").await;
            if action == A::MoveId {
                world.case.edit(|spec| {
                    let admin = spec.admin.as_mut().unwrap();
                    admin.id = Some("1".into());
                });
            }
            world.run(drift).await;
            world.run(&attack("users", body)).await;
            let (before, catalog) = (world.db.snapshot().await, world.catalog().await);
            let pass = world.case.repair().await;
            pass.repaired(&[]);
            let failed = pass.finding(R::RepairFailed);
            assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{action:?}: {body}: {failed:?}");
            assert_eq!(world.db.changes(&before).await, [""; 0], "{action:?}: {body}");
            assert_eq!(world.differs(&catalog).await, [""; 0], "{action:?}: {body}");
            world.end().await;
        }
        let mut world = World::new("Delete", LOGS).await;
        world.case.repair().await.repaired(&[(A::Delete, "logs.user_id", 2)]);
        world.run("INSERT INTO users (id, email, hashed_password) VALUES (9, 'x@example.com', 'x')").await;
        world.run(&attack("logs", body)).await;
        let (before, catalog) = (world.db.snapshot().await, world.catalog().await);
        let run = world.case.status.history[0].run.clone();
        let refused = world.case.restore(&run).await.unwrap_err();
        assert_eq!(refused.reason, R::RepairTouchesMore, "{body}: {refused:?}");
        assert_eq!(world.db.changes(&before).await, [""; 0], "restore: {body}");
        assert_eq!(world.differs(&catalog).await, [""; 0], "restore: {body}");
        world.end().await;
    }
}

/// What code of the app may try with our own schema while rows go back.
const WHILE_ROWS_GO_BACK: &[(&str, &str)] = &[
    ("DELETE FROM auth_consistency.batches", "batches"),
    ("UPDATE auth_consistency.runs SET closed_at = NULL", "runs"),
    ("UPDATE auth_consistency.audit SET rows = rows + 1", "audit"),
    (
        "INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, rows) SELECT system_identifier, database_oid, owner, run, 9, 9, 'Delete', 'x', 7 FROM auth_consistency.runs",
        "audit",
    ),
    ("UPDATE auth_consistency.steps SET ceiling = 1000", "steps"),
    (
        "INSERT INTO auth_consistency.steps SELECT run, 9, action, schema_name, table_name, column_names, constraint_name, ceiling FROM auth_consistency.steps",
        "steps",
    ),
    (
        "EXECUTE (SELECT format('DELETE FROM auth_consistency.%I', name) FROM auth_consistency.quarantine)",
        "q_",
    ),
    // The copy that is just being put back moves away under the statement that marks it.
    (
        "EXECUTE (SELECT format('UPDATE auth_consistency.%I SET user_id = 5', name) FROM auth_consistency.quarantine)",
        "q_",
    ),
    (
        "EXECUTE (SELECT format('UPDATE auth_consistency.%I SET _ac_restored_at = now()', name) FROM auth_consistency.quarantine)",
        "q_",
    ),
    (
        "EXECUTE (SELECT format('INSERT INTO auth_consistency.%I SELECT * FROM auth_consistency.%1$I', name) FROM auth_consistency.quarantine)",
        "q_",
    ),
];

#[tokio::test]
async fn what_is_written_to_our_own_schema_while_rows_go_back_undoes_it() {
    let kinds = [("Delete", A::Delete), ("SetNull", A::SetNull), ("Reassign", A::Reassign)];
    for (at, (body, told)) in WHILE_ROWS_GO_BACK.iter().enumerate() {
        let (on_orphan, action) = kinds[at % kinds.len()];
        let mut world = World::new(on_orphan, LOGS).await;
        world.case.repair().await.repaired(&[(action, "logs.user_id", 2)]);
        world.run("INSERT INTO users (id, email, hashed_password) VALUES (9, 'x@example.com', 'x')").await;
        world.run(&attack("logs", body)).await;
        let ours = "SELECT format('%s %s %s %s', (SELECT array_agg(b ORDER BY batch) FROM auth_consistency.batches b), \
            (SELECT array_agg(r) FROM auth_consistency.runs r WHERE run = (SELECT min(run) FROM auth_consistency.audit)), \
            (SELECT array_agg(a ORDER BY id) FROM auth_consistency.audit a), \
            (SELECT query_to_xml(format('SELECT * FROM auth_consistency.%I', name), false, false, '') FROM auth_consistency.quarantine))";
        let (before, kept) = (world.db.snapshot().await, world.db.text(ours).await);
        let run = world.case.status.history[0].run.clone();
        let refused = world.case.restore(&run).await.unwrap_err();
        assert_eq!(refused.reason, R::RepairTouchesMore, "{body}: {refused:?}");
        assert!(refused.message.contains(&format!("auth_consistency.{told}")), "{body}: {}", refused.message);
        assert_eq!(world.db.changes(&before).await, [""; 0], "{body}");
        assert_eq!(world.db.text(ours).await, kept, "{body}");
        world.run("ALTER TABLE logs DISABLE TRIGGER act").await;
        let back: i64 = world.case.restore(&run).await.unwrap().iter().map(|one| one.rows).sum();
        assert_eq!(back, 2, "{body}");
        world.end().await;
    }
}

/// A neighbour's table whose rows go along, with a trigger that takes another row for the one that should.
fn victims(effect: &str, trigger: &str, body: &str) -> String {
    format!(
        "{LOGS} CREATE TABLE theirs.parts (id int PRIMARY KEY, log_id int REFERENCES logs ON DELETE {effect}, note text) PARTITIONED;
         CREATE TABLE IF NOT EXISTS theirs.parts_1 PARTS_OF; ALTER TABLE theirs.parts_1 OWNER TO NEIGHBOUR;
         INSERT INTO theirs.parts VALUES (1, 1, 'one'), (2, 3, 'two'), (3, 3, 'three'); ALTER TABLE theirs.parts OWNER TO NEIGHBOUR;
         GRANT ALL ON theirs.parts, theirs.parts_1 TO OUR_ROLE;
         CREATE FUNCTION theirs.exchange() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body}; END $f$;
         ALTER FUNCTION theirs.exchange() OWNER TO NEIGHBOUR;
         CREATE TRIGGER exchange {trigger} ON theirs.TRIGGERED FOR EACH ROW EXECUTE FUNCTION theirs.exchange()"
    )
}

#[tokio::test]
async fn rows_that_go_along_are_those_that_were_copied_and_no_others() {
    let attacks = [
        (
            "CASCADE",
            "BEFORE DELETE",
            "IF OLD.id = 1 THEN DELETE FROM theirs.parts WHERE id = 2; RETURN NULL; END IF; RETURN OLD",
        ),
        (
            "SET NULL",
            "BEFORE UPDATE",
            "IF OLD.id = 1 THEN UPDATE theirs.parts SET log_id = NULL WHERE id = 2; RETURN NULL; END IF; RETURN NEW",
        ),
        ("SET NULL", "BEFORE UPDATE", "IF OLD.id = 1 THEN NEW.log_id := 3; END IF; RETURN NEW"),
        ("SET NULL", "BEFORE UPDATE", "IF OLD.id = 1 THEN NEW.id := 7; END IF; RETURN NEW"),
        (
            "SET NULL",
            "BEFORE UPDATE",
            "IF OLD.id = 1 THEN INSERT INTO theirs.parts VALUES (8, NULL, 'x'); DELETE FROM theirs.parts WHERE id = 2; RETURN NULL; END IF; RETURN NEW",
        ),
        (
            "CASCADE",
            "AFTER DELETE",
            "IF OLD.id = 1 THEN INSERT INTO theirs.parts VALUES (1, 3, 'again'); DELETE FROM theirs.parts WHERE id = 2; END IF; RETURN NULL",
        ),
    ];
    for (effect, trigger, body) in attacks {
        for partitioned in [false, true] {
            let made = victims(effect, trigger, body);
            let made = if partitioned {
                made.replace(" PARTITIONED", " PARTITION BY RANGE (id)")
                    .replace("PARTS_OF", "PARTITION OF theirs.parts FOR VALUES FROM (0) TO (100)")
                    .replace("TRIGGERED", "parts_1")
            } else {
                made.replace(" PARTITIONED", "").replace("PARTS_OF", "(id int)").replace("TRIGGERED", "parts")
            };
            let mut world = World::new("Delete", &made).await;
            let found = world.case.repair().await.finding(R::OrphanRows);
            assert_eq!(found.blocked, Some(R::ForeignOwner), "{found:?}");
            world.paste(&found.message);
            let before = world.db.snapshot().await;
            let pass = world.case.repair().await;
            pass.repaired(&[]);
            let failed = pass.finding(R::RepairFailed);
            assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{effect} {body}: {failed:?}");
            assert_eq!(world.db.changes(&before).await, [""; 0], "{effect} {partitioned} {body}");
            // Without it, the same rows go along.
            let on = if partitioned { "parts_1" } else { "parts" };
            world.run(&format!("ALTER TABLE theirs.{on} DISABLE TRIGGER exchange")).await;
            world.case.repair().await;
            let (left, there) = if effect == "CASCADE" { ("2", "2 3") } else { ("2", "1 2 3") };
            assert_eq!(world.db.text("SELECT count(log_id) FROM theirs.parts").await, left);
            assert_eq!(
                world.db.text("SELECT string_agg(id::text, ' ' ORDER BY id) FROM theirs.parts").await,
                there
            );
            world.end().await;
        }
    }
}

#[tokio::test]
async fn where_the_server_counts_nothing_only_what_nothing_else_acts_on_is_changed() {
    let body = "INSERT INTO public.trail VALUES (7)";
    let actions = [
        "CREATE TRIGGER acts AFTER INSERT OR UPDATE ON TABLE_OF FOR EACH ROW EXECUTE FUNCTION public.act()",
        "CREATE RULE acts AS ON UPDATE TO TABLE_OF DO ALSO INSERT INTO trail VALUES (7); \
         CREATE RULE acts_too AS ON INSERT TO TABLE_OF DO ALSO INSERT INTO trail VALUES (7)",
        "ALTER TABLE TABLE_OF ADD CHECK (public.checks(id)) NOT VALID",
        "CREATE DOMAIN checked AS text CHECK (public.checks(length(VALUE))); ALTER TABLE TABLE_OF ADD more checked DEFAULT 'x'",
        "CREATE INDEX acts ON TABLE_OF ((public.checks(id)))",
    ];
    for (at, action) in actions.iter().enumerate() {
        let drifts = [
            ("UPDATE users SET role = 'user' WHERE id = 1", A::Correct),
            ("DELETE FROM users WHERE id = 1", A::Seed),
            ("UPDATE users SET id = 3 WHERE id = 1", A::MoveId),
        ];
        let function = "CREATE FUNCTION public.checks(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $f$ BEGIN RETURN true; END $f$;
            ALTER FUNCTION public.checks(int) OWNER TO OUR_ROLE;";
        let made = format!(
            "{function} CREATE TABLE trail (id int); ALTER TABLE trail OWNER TO OUR_ROLE;
             CREATE FUNCTION public.act() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN NULL; END $f$;
             ALTER FUNCTION public.act() OWNER TO OUR_ROLE;"
        );
        for (drift, kind) in drifts {
            // A rule that does something beside is none that the server takes an UPDATE within WITH with.
            if kind == A::MoveId && action.contains("RULE") {
                continue;
            }
            let mut world = World::new("Report", &made).await;
            if kind == A::MoveId {
                world.case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("1".into()));
            }
            world.run(drift).await;
            world.run(&action.replace("TABLE_OF", "users")).await;
            world.uncounted().await;
            let before = world.db.snapshot().await;
            let pass = world.case.repair().await;
            let failed = pass.finding(R::RepairFailed);
            assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{kind:?}: {action}: {failed:?}");
            assert!(failed.message.contains("track_counts"), "{}", failed.message);
            assert_eq!(world.db.changes(&before).await, [""; 0], "{kind:?}: {action}");
            world.end().await;
        }
        let mut world =
            World::new(if at % 2 == 0 { "Delete" } else { "SetNull" }, &format!("{LOGS} {made}")).await;
        world.case.repair().await;
        world.run("INSERT INTO users (id, email, hashed_password) VALUES (9, 'x@example.com', 'x')").await;
        world.run(&action.replace("TABLE_OF", "logs")).await;
        world.uncounted().await;
        let before = world.db.snapshot().await;
        let run = world.case.status.history[0].run.clone();
        let refused = world.case.restore(&run).await.unwrap_err();
        assert_eq!(refused.reason, R::RepairTouchesMore, "{action}: {refused:?}");
        assert_eq!(world.db.changes(&before).await, [""; 0], "restore: {action}");
        world.end().await;
    }
    // Where nothing else can act, all goes on.
    for (drift, kind) in [
        ("UPDATE users SET role = 'user' WHERE id = 1", A::Correct),
        ("DELETE FROM users WHERE id = 1", A::Seed),
    ] {
        let mut world = World::new("Delete", LOGS).await;
        world.run(drift).await;
        world.uncounted().await;
        let pass = world.case.repair().await;
        let done: Vec<A> = pass.outcome().repaired.iter().map(|one| one.action).collect();
        assert_eq!(done, [kind, A::Delete], "{:?}", pass.outcome().findings());
        world.run("INSERT INTO users (id, email, hashed_password) VALUES (9, 'x@example.com', 'x')").await;
        let run = world.case.status.history[0].run.clone();
        let back: i64 = world.case.restore(&run).await.unwrap().iter().map(|one| one.rows).sum();
        assert!(back >= 2, "{back}");
        world.end().await;
    }
}

/// A table of the app with a neighbour's trigger that a rule allows, and one of the app's own beside.
#[tokio::test]
async fn the_app_s_own_code_may_set_other_columns_of_the_rows_and_a_neighbour_s_may_not() {
    for (on_orphan, action) in [("SetNull", A::SetNull), ("Reassign", A::Reassign)] {
        for theirs in [false, true] {
            let owner = if theirs { "NEIGHBOUR" } else { "OUR_ROLE" };
            let mut world = World::new(
                on_orphan,
                &format!(
                    "{LOGS} CREATE FUNCTION theirs.sets() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.note := 'seen'; RETURN NEW; END $f$;
                     ALTER FUNCTION theirs.sets() OWNER TO {owner};
                     CREATE TRIGGER sets BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION theirs.sets()"
                ),
            )
            .await;
            if theirs {
                let found = world.case.repair().await.finding(R::OrphanRows);
                world.paste(&found.message);
            }
            let before = world.db.snapshot().await;
            let pass = world.case.repair().await;
            if !theirs {
                pass.repaired(&[(action, "logs.user_id", 2)]);
                assert_eq!(world.db.text("SELECT count(*) FROM logs WHERE note = 'seen'").await, "2");
            } else {
                let failed = pass.finding(R::RepairFailed);
                assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{failed:?}");
                assert!(failed.message.contains("other columns"), "{}", failed.message);
                assert_eq!(world.db.changes(&before).await, [""; 0], "{on_orphan}");
            }
            world.end().await;
        }
    }
}

#[tokio::test]
async fn a_sequence_of_the_app_that_a_neighbour_s_code_used_undoes_the_chunk_and_is_told_since_it_stays() {
    for body in ["PERFORM setval('own', 1)", "PERFORM nextval('own')"] {
        for theirs in [false, true] {
            let made = format!(
                "{LOGS} CREATE SEQUENCE own; ALTER SEQUENCE own OWNER TO OUR_ROLE; {}",
                attack("logs", body)
            );
            let mut world = World::new("Delete", &made).await;
            if theirs {
                world.run("ALTER FUNCTION public.act() OWNER TO NEIGHBOUR").await;
                let found = world.case.repair().await.finding(R::OrphanRows);
                world.paste(&found.message);
            }
            let before = world.db.snapshot().await;
            let pass = world.case.repair().await;
            if theirs {
                let failed = pass.finding(R::RepairFailed);
                assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{failed:?}");
                assert!(failed.message.contains("sequence public.own"), "{}", failed.message);
                assert_eq!(world.db.changes(&before).await, [""; 0], "{body}");
            } else {
                pass.repaired(&[(A::Delete, "logs.user_id", 2)]);
            }
            world.end().await;
        }
    }
}
