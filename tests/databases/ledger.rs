//! The schema that holds claims, audit and copies is ours, or nothing is read from it and nothing is written: a
//! neighbour in the database may make schemas, too, and what stands in one runs with whoever writes there.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass,
};

use crate::{
    statements::{NAMES, quoted},
    support::{Case, Db, USUAL, admin_and_ada},
};

const CORRECT: &[(A, &str, i64)] = &[(A::Correct, "users.role", 1)];
const UNTRUSTED: (R, C, Option<R>) = (R::LedgerUntrusted, C::SchemaCompatible, None);
const DRIFTED: (R, C, Option<R>) = (R::AdminDrifted, C::AdminConsistent, None);

/// Functions of a neighbour, each of which leaves a trace.
const TRAPS: &str = "CREATE SCHEMA theirs; CREATE TABLE theirs.canary (what text);
    GRANT USAGE ON SCHEMA theirs TO PUBLIC; GRANT INSERT ON theirs.canary TO PUBLIC;
    CREATE FUNCTION theirs.row() RETURNS trigger LANGUAGE plpgsql AS $f$
      BEGIN INSERT INTO theirs.canary VALUES (TG_TABLE_NAME); RETURN NEW; END $f$;
    CREATE FUNCTION theirs.value() RETURNS bigint LANGUAGE plpgsql AS $f$
      BEGIN INSERT INTO theirs.canary VALUES ('value'); RETURN 0; END $f$;
    CREATE FUNCTION theirs.number(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1';";

struct World {
    db: Db,
    case: Case,
    /// The role that the connection string names: no superuser, and the owner of nothing.
    role: String,
    neighbour: String,
    /// The repair by which the role has made the schema.
    run: Option<String>,
}

impl World {
    async fn new() -> Self {
        let db = admin_and_ada(TRAPS).await;
        let role = db
            .role(
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO ROLE; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ROLE; \
                 GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE",
            )
            .await;
        let neighbour = db.role("GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE").await.0;
        let mut case = Case::new(&db, USUAL);
        case.secret("db", "url", &db.url_of(&role));
        Self { db, case, role: role.0, neighbour, run: None }
    }

    /// One in which the role has made the schema, by a repair.
    async fn with_a_ledger() -> Self {
        let mut world = Self::new().await;
        world.drift().await;
        world.case.repair().await.consistent().repaired(CORRECT);
        world.run = Some(world.case.status.history[0].run.clone());
        world
    }

    async fn drift(&self) {
        self.db.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    }

    async fn run(&self, sql: &str) {
        self.db.run(&sql.replace("NEIGHBOUR", &self.neighbour).replace("OUR_ROLE", &self.role)).await;
    }

    async fn as_neighbour(&self, sql: &str) {
        self.run(&format!("SET ROLE NEIGHBOUR; {sql}; RESET ROLE")).await;
    }

    async fn traces(&self) -> Vec<String> {
        self.db.texts("SELECT DISTINCT what FROM theirs.canary").await
    }

    /// Holds that nothing is written to it and nothing of it runs, runs what the message says, and holds that
    /// the repair is then made.
    async fn stays_unused_until_it_is_mended(&mut self, what: &str) {
        self.drift().await;
        let before = self.db.snapshot().await;
        self.case.repair().await.found(&[UNTRUSTED, DRIFTED]).repaired(&[]);
        let message = self.case.check().await.finding(R::LedgerUntrusted).message;
        assert!(message.starts_with("nothing is repaired, since the schema auth_consistency"), "{message}");
        assert_eq!(self.db.changes(&before).await, Vec::<String>::new(), "{what}");
        if let Some(run) = &self.run {
            let refused = self.case.restore(run).await.unwrap_err();
            assert_eq!(refused.reason, R::LedgerUntrusted, "{what}");
        }
        let refused = pass::inventory(&self.case.target(), &HostPolicy::unrestricted(Vec::new())).await;
        self.case.keeps_secrets(&format!("{refused:?}"));
        assert_eq!(refused.unwrap_err().reason, R::LedgerUntrusted, "{what}");
        assert_eq!(self.traces().await, Vec::<String>::new(), "{what}: something of theirs was run");
        let (mut message, mut ran) = (Some(message), Vec::new());
        for _ in 0..10 {
            let Some(said) = message else { break };
            let statements = said.split('`').nth(1).unwrap_or_else(|| panic!("{what}: {said}"));
            self.db.run(statements).await;
            ran.push(statements.to_owned());
            let pass = self.case.check().await;
            let found = pass.outcome().findings();
            message =
                found.iter().find(|one| one.finding == R::LedgerUntrusted).map(|one| one.message.clone());
        }
        let pass = self.case.repair().await;
        let left = pass.outcome().findings();
        assert!(left.is_empty(), "{what}: {left:#?} after {ran:#?}");
        pass.consistent().repaired(CORRECT);
        assert_eq!(self.traces().await, Vec::<String>::new(), "{what}: something of theirs was run");
        self.drop_roles().await;
    }

    async fn drop_roles(&self) {
        self.db
            .run(&format!("DROP OWNED BY {} CASCADE; DROP OWNED BY {} CASCADE", self.role, self.neighbour))
            .await;
    }
}

#[tokio::test]
async fn a_schema_that_a_neighbour_made_first_is_not_read_and_not_written_to() {
    for made in [
        "CREATE SCHEMA auth_consistency; GRANT ALL ON SCHEMA auth_consistency TO PUBLIC",
        "CREATE SCHEMA auth_consistency; GRANT ALL ON SCHEMA auth_consistency TO PUBLIC;
         CREATE TABLE auth_consistency.layout (version bigint NOT NULL); INSERT INTO auth_consistency.layout VALUES (0);
         CREATE TRIGGER t AFTER INSERT OR UPDATE ON auth_consistency.layout FOR EACH ROW EXECUTE FUNCTION theirs.row();
         GRANT ALL ON auth_consistency.layout TO PUBLIC",
        "CREATE SCHEMA auth_consistency; GRANT ALL ON SCHEMA auth_consistency TO PUBLIC;
         CREATE VIEW auth_consistency.layout AS SELECT theirs.value() AS version;
         GRANT ALL ON auth_consistency.layout TO PUBLIC",
        "CREATE SCHEMA auth_consistency; GRANT ALL ON SCHEMA auth_consistency TO PUBLIC;
         CREATE TABLE auth_consistency.claims (owner text DEFAULT theirs.value()::text); GRANT ALL ON auth_consistency.claims TO PUBLIC",
        "CREATE SCHEMA auth_consistency; GRANT ALL ON SCHEMA auth_consistency TO PUBLIC;
         CREATE SEQUENCE auth_consistency.ids; CREATE MATERIALIZED VIEW auth_consistency.audit AS SELECT 1 AS id",
    ] {
        let mut world = World::new().await;
        world.as_neighbour(made).await;
        world.stays_unused_until_it_is_mended(made).await;
    }
}

#[tokio::test]
async fn whatever_of_others_stands_on_the_schema_keeps_it_from_being_used_until_it_is_taken_away() {
    for (put, named) in [
        ("GRANT USAGE ON SCHEMA auth_consistency TO NEIGHBOUR", "REVOKE ALL ON SCHEMA"),
        ("GRANT SELECT ON auth_consistency.audit TO PUBLIC", "FROM PUBLIC"),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA auth_consistency TO NEIGHBOUR", "doubts beside"),
        ("GRANT INSERT, UPDATE ON auth_consistency.claims TO NEIGHBOUR WITH GRANT OPTION", "\"claims\""),
        ("GRANT UPDATE (owner) ON auth_consistency.claims TO NEIGHBOUR", "REVOKE ALL (owner) ON TABLE"),
        ("GRANT USAGE ON SEQUENCE auth_consistency.audit_id_seq TO NEIGHBOUR", "ON SEQUENCE"),
        (
            "CREATE TRIGGER \"a \"\"trap\"\"\" BEFORE INSERT ON auth_consistency.audit FOR EACH ROW EXECUTE FUNCTION theirs.row()",
            "DROP TRIGGER",
        ),
        (
            "CREATE RULE trap AS ON UPDATE TO auth_consistency.claims DO ALSO INSERT INTO theirs.canary VALUES ('rule')",
            "DROP RULE",
        ),
        ("ALTER TABLE auth_consistency.claims ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"),
        ("CREATE POLICY trap ON auth_consistency.runs USING (theirs.value() = 0)", "DROP POLICY"),
        (
            "CREATE TABLE theirs.hold (run text REFERENCES auth_consistency.runs ON UPDATE CASCADE)",
            "ALTER TABLE theirs.hold DROP CONSTRAINT",
        ),
    ] {
        let mut world = World::with_a_ledger().await;
        world.run(put).await;
        let told = world.case.check().await.finding(R::LedgerUntrusted).message;
        assert!(told.contains(named) && !told.contains("set_aside"), "{put}: {told}");
        world.stays_unused_until_it_is_mended(put).await;
    }
}

#[tokio::test]
async fn what_ends_it_is_about_that_very_thing_whatever_it_is_called() {
    for name in NAMES {
        let mut world = World::with_a_ledger().await;
        // Roles are of all databases, and tests run side by side.
        let role = format!("{}{}", name.chars().take(40).collect::<String>(), &world.neighbour[4..]);
        let put = "CREATE TRIGGER NAME BEFORE INSERT ON auth_consistency.audit FOR EACH ROW EXECUTE FUNCTION theirs.row();
             CREATE RULE NAME AS ON UPDATE TO auth_consistency.claims DO ALSO INSERT INTO theirs.canary VALUES ('rule');
             CREATE POLICY NAME ON auth_consistency.runs USING (theirs.value() = 0);
             CREATE SCHEMA NAME; CREATE TABLE NAME.NAME (run text CONSTRAINT NAME REFERENCES auth_consistency.runs);
             SET ROLE OUR_ROLE; CREATE TABLE auth_consistency.NAME (NAME int); RESET ROLE; GRANT SELECT (NAME) ON auth_consistency.NAME TO NEIGHBOUR;
             CREATE ROLE ITS_ROLE; GRANT SELECT (owner), UPDATE ON auth_consistency.claims TO ITS_ROLE";
        world.run(&put.replace("ITS_ROLE", &quoted(&role)).replace("NAME", &quoted(name))).await;
        let told = world.case.check().await.finding(R::LedgerUntrusted).message;
        assert_eq!(told.matches('`').count(), 2, "{told}");
        world.stays_unused_until_it_is_mended(name).await;
        world.db.run(&format!("DROP ROLE {}", quoted(&role))).await;
    }
}

#[tokio::test]
async fn a_name_that_nobody_can_read_to_its_end_sets_the_schema_aside() {
    let mut world = World::with_a_ledger().await;
    let name = quoted(&"\u{1}".repeat(63));
    world
        .run(&format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.{name} (run text CONSTRAINT {name} REFERENCES auth_consistency.runs)"
        ))
        .await;
    world.stays_unused_until_it_is_mended("a name of characters that nobody sees").await;
}

#[tokio::test]
async fn an_event_trigger_is_turned_off_whatever_it_is_called() {
    for name in NAMES {
        let mut world = World::with_a_ledger().await;
        let name = quoted(name);
        world
            .run(&format!(
                "CREATE FUNCTION theirs.made() RETURNS event_trigger LANGUAGE plpgsql AS $f$ BEGIN END $f$;
                 ALTER FUNCTION theirs.made OWNER TO NEIGHBOUR;
                 CREATE EVENT TRIGGER {name} ON ddl_command_end EXECUTE FUNCTION theirs.made()"
            ))
            .await;
        let message = world.case.check().await.finding(R::LedgerUntrusted).message;
        world.db.run(message.split('`').nth(1).unwrap()).await;
        world.case.check().await.consistent();
        world.db.run(&format!("DROP EVENT TRIGGER {name}")).await;
        world.drop_roles().await;
    }
}

#[tokio::test]
async fn an_event_trigger_of_a_neighbours_runs_with_no_table_that_a_repair_makes() {
    let event = "CREATE FUNCTION theirs.made() RETURNS event_trigger LANGUAGE plpgsql AS $f$
          BEGIN INSERT INTO theirs.canary VALUES (tg_tag); END $f$;
        CREATE EVENT TRIGGER \"it's made\" ON";
    for (on, theirs) in [
        ("ddl_command_end", true),
        ("ddl_command_start", true),
        ("ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE SCHEMA')", true),
        ("ddl_command_end", false),
    ] {
        for mut world in [World::new().await, World::with_a_ledger().await] {
            world.run(&format!("{event} {on} EXECUTE FUNCTION theirs.made()")).await;
            if theirs {
                world.run("ALTER FUNCTION theirs.made OWNER TO NEIGHBOUR").await;
            }
            world.db.run("DELETE FROM theirs.canary").await;
            world.drift().await;
            let before = world.db.snapshot().await;
            if theirs {
                world.case.repair().await.found(&[UNTRUSTED, DRIFTED]).repaired(&[]);
                let message = world.case.check().await.finding(R::LedgerUntrusted).message;
                let named = format!("the event trigger \"it's made\" runs code of \"{}\"", world.neighbour);
                assert!(message.contains(&named), "{message}");
                assert_eq!(world.db.changes(&before).await, Vec::<String>::new(), "{on}");
                world.db.run(message.split('`').nth(1).unwrap()).await;
                assert_eq!(world.traces().await, Vec::<String>::new(), "{on}: it was run");
            }
            world.case.repair().await.consistent().repaired(CORRECT);
            let ran = !world.traces().await.is_empty();
            assert_eq!(ran, !theirs && world.run.is_none(), "{on}: a superuser's is the app's");
            world.db.run("DROP EVENT TRIGGER \"it's made\"").await;
            world.drop_roles().await;
        }
    }
}

#[tokio::test]
async fn a_table_that_is_no_more_as_we_make_it_sets_the_schema_aside_and_loses_nothing() {
    for put in [
        "ALTER TABLE auth_consistency.audit OWNER TO NEIGHBOUR",
        "ALTER SCHEMA auth_consistency OWNER TO NEIGHBOUR",
        "DROP TABLE auth_consistency.step_keys; CREATE VIEW auth_consistency.step_keys AS SELECT 'a'::text AS run, theirs.value() AS step, 'b'::text AS key",
        "ALTER TABLE auth_consistency.claims ADD COLUMN extra bigint DEFAULT 1",
        "ALTER TABLE auth_consistency.steps ALTER COLUMN ceiling TYPE numeric",
        "ALTER TABLE auth_consistency.steps ALTER COLUMN done SET DEFAULT theirs.value()",
        "CREATE INDEX trap ON auth_consistency.audit (theirs.number(rows))",
        "CREATE INDEX trap ON auth_consistency.audit (rows) WHERE theirs.number(rows) = 0",
        "ALTER TABLE auth_consistency.audit ADD CHECK (theirs.number(rows) >= 0)",
        "CREATE TABLE theirs.child () INHERITS (auth_consistency.audit)",
    ] {
        let mut world = World::with_a_ledger().await;
        world.run(put).await;
        world.run("TRUNCATE theirs.canary").await;
        world.stays_unused_until_it_is_mended(put).await;
    }
}

#[tokio::test]
async fn what_is_set_aside_keeps_its_copies_and_audit() {
    let mut world = World::with_a_ledger().await;
    let of = |schema: &str| format!("SELECT count(*) FROM {schema}.audit");
    let entries = world.db.text(&of("auth_consistency")).await;
    world.run("ALTER TABLE auth_consistency.claims OWNER TO NEIGHBOUR").await;
    let message = world.case.check().await.finding(R::LedgerUntrusted).message;
    world.db.run(message.split('`').nth(1).unwrap()).await;
    assert_eq!(world.db.text(&of("auth_consistency_set_aside")).await, entries);
    world.case.repair().await.consistent();
}

#[tokio::test]
async fn default_privileges_give_nothing_of_the_schema_to_others() {
    let mut world = World::new().await;
    world
        .run(
            "ALTER DEFAULT PRIVILEGES FOR ROLE OUR_ROLE GRANT ALL ON TABLES TO NEIGHBOUR;
             ALTER DEFAULT PRIVILEGES FOR ROLE OUR_ROLE GRANT SELECT ON TABLES TO PUBLIC;
             ALTER DEFAULT PRIVILEGES FOR ROLE OUR_ROLE GRANT USAGE ON SEQUENCES TO NEIGHBOUR;
             ALTER DEFAULT PRIVILEGES FOR ROLE OUR_ROLE GRANT ALL ON SCHEMAS TO NEIGHBOUR",
        )
        .await;
    world.drift().await;
    world.case.repair().await.consistent().repaired(CORRECT);
    let given = world
        .db
        .texts(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) a \
             WHERE nspname = 'auth_consistency' AND a.grantee <> relowner UNION ALL \
             SELECT nspname FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'auth_consistency' AND a.grantee <> nspowner",
        )
        .await;
    assert_eq!(given, Vec::<String>::new());
    // The copies of another table, whose quarantine is made later.
    world.drift().await;
    world.case.repair().await.consistent().repaired(CORRECT);
    world.run("DROP OWNED BY OUR_ROLE CASCADE; DROP OWNED BY NEIGHBOUR CASCADE").await;
}

#[tokio::test]
async fn one_that_only_observes_is_told_and_reads_nothing_there() {
    let mut world = World::with_a_ledger().await;
    world.run("CREATE TRIGGER t BEFORE INSERT ON auth_consistency.audit FOR EACH ROW EXECUTE FUNCTION theirs.row()").await;
    world.case.edit(|spec| spec.mode = auth_consistency::api::spec::Mode::Observe);
    let pass = world.case.check().await;
    let message = pass.finding(R::LedgerUntrusted).message;
    assert!(message.starts_with("nothing of it is used, since the schema auth_consistency"), "{message}");
    assert!(pass.conditions().iter().any(|one| one.starts_with("Ready=True")), "{:?}", pass.conditions());
}

#[tokio::test]
async fn what_the_owner_of_the_user_table_or_of_the_database_made_for_the_role_is_used() {
    for owner in ["the user table's", "the database's"] {
        let mut world = World::new().await;
        world.run(match owner {
            "the user table's" => "ALTER TABLE users OWNER TO NEIGHBOUR",
            _ => "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO NEIGHBOUR', current_database()); END $$",
        })
        .await;
        world
            .as_neighbour(
                "CREATE SCHEMA auth_consistency; GRANT USAGE, CREATE ON SCHEMA auth_consistency TO OUR_ROLE",
            )
            .await;
        world.run("GRANT ALL ON users TO OUR_ROLE").await;
        world.drift().await;
        world.case.repair().await.consistent().repaired(CORRECT);
        world
            .run(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO CURRENT_USER', current_database()); END $$;
                 ALTER TABLE users OWNER TO CURRENT_USER; DROP OWNED BY OUR_ROLE CASCADE; DROP OWNED BY NEIGHBOUR CASCADE",
            )
            .await;
    }
}
