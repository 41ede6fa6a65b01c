//! Code of the app gives something a row's content for its name, while a repair runs it, and has that name refused,
//! found or told. Every outcome of a [`Case`] is searched for the row.

use auth_consistency::api::{condition::Reason as R, report::Action as A};

use crate::support::{Case, Db, ROW, USUAL, admin_and_ada};

/// The app's tables are of the role of the connection string, which is no superuser and whose rights can be taken from
/// it; `THEIRS` in what is made is another role.
async fn world(sql: &str) -> (Db, Case, String) {
    let db = admin_and_ada(&format!(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, note text);
         CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 9, '{ROW}'); INSERT INTO posts VALUES (1, 9)"
    ))
    .await;
    let grants =
        "GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE; GRANT CREATE, USAGE ON SCHEMA public TO ROLE";
    let theirs = db.role(grants).await.0;
    let role = db.role(grants).await;
    db.run(&format!(
        "ALTER TABLE users OWNER TO {0}; ALTER TABLE logs OWNER TO {0}; ALTER TABLE posts OWNER TO {0};
         CREATE SCHEMA theirs AUTHORIZATION {theirs}; GRANT USAGE ON SCHEMA theirs TO PUBLIC;
         CREATE FUNCTION theirs.does(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE $1; END';
         ALTER FUNCTION theirs.does(text) OWNER TO {theirs}; SET ROLE {0}; {1}; RESET ROLE",
        role.0,
        sql.replace("THEIRS", &theirs)
    ))
    .await;
    let spec = format!("{USUAL}references: {{onOrphan: Reassign, limits: {{rows: 100, percent: 100}}}}\n");
    let mut case = Case::new(&db, &spec);
    case.secret("db", "url", &db.url_of(&role));
    (db, case, format!("DROP OWNED BY {theirs} CASCADE; DROP OWNED BY {} CASCADE", role.0))
}

/// A trigger on `logs` whose body is `body`, of the role itself.
fn trigger(body: &str) -> String {
    format!(
        "CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS $f$
           DECLARE secret text := (SELECT left(hashed_password, 50) FROM users WHERE id = 1);
             made text := 'CREATE'; BEGIN {body}; RETURN NEW; END $f$;
         CREATE TRIGGER tells BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION tells()"
    )
}

/// What a repair of `logs` comes to; that of `posts` is done, and nothing of the other one.
async fn repaired(sql: &str) -> (R, String) {
    let (db, mut case, end) = world(sql).await;
    let catalog = "SELECT count(*) FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace \
                   AND relnamespace::regnamespace::text NOT LIKE 'auth_consistency'";
    let before = db.text(catalog).await;
    let pass = case.repair().await;
    pass.repaired(&[(A::Reassign, "posts.user_id", 1)]);
    let finding = pass.finding(R::RepairFailed);
    assert_eq!(db.text("SELECT user_id FROM logs").await, "9", "{sql}");
    assert_eq!(db.text(catalog).await, before, "{sql}");
    db.run(&end).await;
    (finding.blocked.unwrap_or(R::RepairFailed), finding.message)
}

const JUDGE: &str =
    "CREATE FUNCTION judge(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
    ALTER TABLE logs ADD CHECK (judge(note)) NOT VALID;";

#[tokio::test]
async fn what_a_right_is_missing_on_is_not_told_by_a_name_that_it_got_on_the_way() {
    for (made, body, told) in [
        (
            JUDGE,
            "EXECUTE format('ALTER FUNCTION judge(text) RENAME TO %I', VALUE); \
             EXECUTE format('REVOKE EXECUTE ON FUNCTION %I(text) FROM PUBLIC, CURRENT_USER', VALUE)",
            "permission denied for a function (SQLSTATE 42501): ",
        ),
        (
            "ALTER TABLE logs ADD CHECK (note::regclass IS NOT NULL) NOT VALID;",
            "EXECUTE format('CREATE SCHEMA %I', VALUE); \
             EXECUTE format('REVOKE ALL ON SCHEMA %I FROM CURRENT_USER', VALUE); NEW.note := quote_ident(VALUE) || '.x'",
            "permission denied for a schema (SQLSTATE 42501): ",
        ),
        (
            "CREATE TABLE trail (id int); \
             ALTER TABLE logs ADD CHECK (currtid2('public.' || quote_ident(note), '(0,1)') IS NOT NULL) NOT VALID;",
            "EXECUTE format('ALTER TABLE trail RENAME TO %I', VALUE); \
             EXECUTE format('REVOKE ALL ON %I FROM CURRENT_USER', VALUE); NEW.note := VALUE",
            "permission denied for a table (SQLSTATE 42501): ",
        ),
        (
            "CREATE VIEW trail AS SELECT '(0,1)'::tid AS ctid; \
             ALTER TABLE logs ADD CHECK (currtid2('public.' || quote_ident(note), '(0,1)') IS NOT NULL) NOT VALID;",
            "EXECUTE format('ALTER VIEW trail RENAME TO %I', VALUE); \
             EXECUTE format('REVOKE ALL ON %I FROM CURRENT_USER', VALUE); NEW.note := VALUE",
            "permission denied for a view (SQLSTATE 42501): ",
        ),
        (
            "ALTER TABLE logs ADD CHECK (brin_summarize_new_values(note::regclass) >= 0) NOT VALID;",
            "PERFORM theirs.does(format('CREATE TABLE theirs.t (id int); CREATE INDEX %I ON theirs.t USING brin (id)', VALUE)); \
             NEW.note := 'theirs.' || quote_ident(VALUE)",
            "must be owner of an index (SQLSTATE 42501): ",
        ),
        (
            "ALTER TABLE logs ADD CHECK (nextval(note::regclass) > 0) NOT VALID;",
            "EXECUTE format('CREATE SEQUENCE %I', VALUE); \
             EXECUTE format('REVOKE ALL ON SEQUENCE %I FROM CURRENT_USER', VALUE); NEW.note := quote_ident(VALUE)",
            "the role may not do this (SQLSTATE 42501): ",
        ),
    ] {
        for name in ["secret", "OLD.note"] {
            let (_, message) = repaired(&format!("{made} {}", trigger(&body.replace("VALUE", name)))).await;
            assert!(message.contains(told), "{told}: {message}");
        }
    }
}

#[tokio::test]
async fn what_a_right_is_missing_on_is_told_by_the_name_that_it_had_before() {
    for (made, told) in [
        (
            format!("{JUDGE} REVOKE EXECUTE ON FUNCTION judge(text) FROM PUBLIC, CURRENT_USER"),
            "permission denied for a function (SQLSTATE 42501), function public.judge: ",
        ),
        (
            "CREATE TABLE trail (id int); REVOKE ALL ON trail FROM CURRENT_USER; \
             ALTER TABLE logs ADD CHECK (note IS NULL OR currtid2('public.trail', '(0,1)') IS NOT NULL) NOT VALID"
                .to_owned(),
            "permission denied for a table (SQLSTATE 42501), table public.trail: ",
        ),
    ] {
        let message = repaired(&made).await.1;
        assert!(message.contains(told), "{told}: {message}");
    }
}

#[tokio::test]
async fn what_code_of_the_app_makes_or_renames_is_not_told_by_the_name_that_it_got_on_the_way() {
    let judge =
        format!("{JUDGE} CREATE SEQUENCE own; CREATE TABLE trail (id int, more int CHECK (more > 0))");
    for (body, told) in [
        ("CREATE TABLE public.%I (x int)", "(in pg_class)"),
        ("CREATE VIEW public.%I AS SELECT 1 AS x", "(in pg_class)"),
        ("CREATE TABLE public.made AS SELECT 1 AS %I", "(in pg_class)"),
        ("CREATE SCHEMA %I", "(in pg_namespace)"),
        ("CREATE DOMAIN public.%I AS int", "(in pg_type)"),
        ("CREATE FUNCTION public.%I() RETURNS int LANGUAGE sql AS 'SELECT 1'", "(in pg_proc)"),
        ("ALTER FUNCTION judge(text) RENAME TO %I", "(public.judge, in pg_proc)"),
        ("ALTER TABLE trail RENAME TO %I", "(public.trail, in pg_class)"),
        ("ALTER TABLE trail RENAME more TO %I", "(public.trail, in pg_attribute)"),
        ("ALTER TABLE trail ADD CONSTRAINT %I CHECK (id > 0)", "(public.trail, in pg_class)"),
        (
            "ALTER TABLE trail RENAME CONSTRAINT trail_more_check TO %I",
            "(\"trail_more_check\", in pg_constraint)",
        ),
        (
            "CREATE TRIGGER %I BEFORE INSERT ON trail FOR EACH ROW EXECUTE FUNCTION tells()",
            "(public.trail, in pg_class)",
        ),
        ("CREATE RULE %I AS ON INSERT TO trail DO ALSO NOTHING", "(public.trail, in pg_class)"),
        ("ALTER SEQUENCE own RENAME TO %I", "(public.own, in pg_class)"),
        (
            "CREATE TYPE public.%I AS ENUM ('a')",
            "created, altered, dropped or granted what is not a row (pg_enum",
        ),
        (
            "COMMENT ON TABLE trail IS %L",
            "created, altered, dropped or granted what is not a row (pg_description",
        ),
        (
            "CREATE TABLE auth_consistency.%1$I (x int); INSERT INTO auth_consistency.%1$I VALUES (1)",
            "written to a table of the schema auth_consistency (1 row inserted)",
        ),
    ] {
        for name in ["secret", "OLD.note"] {
            let body = format!("EXECUTE format($q${body}$q$, {name})");
            let (blocked, message) = repaired(&format!("{judge}; {}", trigger(&body))).await;
            assert_eq!(blocked, R::RepairTouchesMore, "{body}: {message}");
            assert!(message.contains(told), "{body}: {message}");
        }
    }
}

#[tokio::test]
async fn a_sequence_that_was_renamed_or_made_on_the_way_is_told_without_its_name() {
    for body in [
        "CREATE SEQUENCE theirs.%1$I; SELECT nextval('theirs.%1$I')",
        "ALTER SEQUENCE theirs.ids RENAME TO %1$I; SELECT nextval('theirs.%1$I')",
    ] {
        for name in ["secret", "OLD.note"] {
            let does = format!("PERFORM theirs.does(format($q${body}$q$, {name}))");
            let sql = format!("SELECT theirs.does('CREATE SEQUENCE theirs.ids'); {}", trigger(&does));
            let (blocked, message) = repaired(&sql).await;
            assert_eq!(blocked, R::RepairTouchesMore, "{body}: {message}");
            let told = "used a sequence of another role that it made or altered, too";
            assert!(message.contains(told), "{body}: {message}");
        }
    }
}
