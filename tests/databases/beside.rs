//! Rows that cannot go back are written into a table of their own.

use std::collections::BTreeMap;

use auth_consistency::engine::QuarantineEntry;
use auth_consistency::{
    api::{condition::Reason as R, report::Action as A},
    network::HostPolicy,
    pass,
};

use crate::support::{Case, Db, HASH, USUAL};

/// Two orphans each of two tables; nothing of `logs` but its rows may be taken along.
async fn orphans() -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'no');
         CREATE TABLE logs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES users,
           note varchar(9) NOT NULL DEFAULT 'x' CHECK (note <> 'y'), short short, amount numeric(6,2),
           twice int GENERATED ALWAYS AS (user_id * 2) STORED);
         CREATE TABLE events (id int PRIMARY KEY, user_id int REFERENCES users);
         SET session_replication_role = replica;
         INSERT INTO logs (user_id, note, short, amount) VALUES (9, 'a', 'abc', 1.50), (5, 'b', NULL, 2), (8, 'c', NULL, NULL);
         INSERT INTO events VALUES (1, 9), (2, 5)"
    ))
    .await
}

fn spec() -> String {
    format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 100, percent: 100}}}}\n")
}

async fn kept(case: &Case) -> Vec<QuarantineEntry> {
    pass::inventory(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap()
}

/// Names of all that is there, and what the app's tables hold.
async fn all(db: &Db) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    (db.texts("SELECT format('%s %s', relname, relacl) FROM pg_class ORDER BY 1").await, db.snapshot().await)
}

const COLUMNS: &str = "SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) \
    FROM pg_attribute WHERE attnum > 0 AND attrelid = ";

#[tokio::test]
async fn rows_that_stay_are_written_beside_in_their_own_types_and_nothing_else_comes_along() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec());
    let gone = "SELECT l FROM logs l WHERE user_id <> 5 ORDER BY id";
    let taken = db.texts(gone).await;
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    let before = (db.snapshot().await, kept(&case).await);
    let written = case.beside(&run, Some("logs"), "logs_before").await.unwrap();
    assert_eq!((written.object.describe().as_str(), written.rows), ("logs", 2));
    assert_eq!((written.into.schema.as_str(), written.into.table.as_str()), ("public", "logs_before"));
    let columns = db.text(&format!("{COLUMNS} 'logs_before'::regclass")).await;
    assert_eq!(columns, db.text(&format!("{COLUMNS} 'logs'::regclass")).await);
    assert_eq!(db.texts("SELECT l FROM logs_before l ORDER BY id").await, taken);
    for nothing in [
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'logs_before'::regclass",
        "SELECT count(*) FROM pg_index WHERE indrelid = 'logs_before'::regclass",
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'logs_before'::regclass AND attnum > 0 \
         AND (attnotnull OR atthasdef OR attidentity <> '' OR attgenerated <> '')",
    ] {
        assert_eq!(db.text(nothing).await, "0", "{nothing}");
    }
    let changes: Vec<String> = taken.iter().map(|row| format!("+ logs_before {row}")).collect();
    assert_eq!(db.changes(&before.0).await, changes, "no other row is touched");
    assert_eq!(kept(&case).await, before.1, "the copies stay, and do not count as put back");
    let audit = "SELECT format('%s %s %s', action, object, rows) FROM auth_consistency.audit ORDER BY id DESC LIMIT 1";
    assert_eq!(db.text(audit).await, "Restore logs_before 2");
    assert_eq!(case.check().await.consistent().status.history[0].action, A::Restore);

    // What is back already is not among them.
    db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
    let restored = case.restore(&run).await.unwrap();
    let counts: Vec<(i64, i64)> = restored.iter().map(|one| (one.rows, one.blocked)).collect();
    assert_eq!(counts.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1)), (2, 1), "{restored:?}");
    assert_eq!(case.beside(&run, Some("public.logs"), "public.rest").await.unwrap().rows, 1);
    assert_eq!(db.texts("SELECT id FROM rest").await, ["3"]);
    let fault = case.beside(&run, Some("events"), "rest_too").await.unwrap_err();
    assert!(fault.message.contains("are back in their table"), "{fault:?}");
}

#[tokio::test]
async fn what_cannot_be_written_beside_is_refused_and_nothing_is_made() {
    let db = orphans().await;
    db.run("CREATE VIEW seen AS SELECT 1; CREATE TYPE kind AS ENUM ('a'); CREATE SEQUENCE counter").await;
    let mut case = Case::new(&db, &spec());
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    let before = all(&db).await;
    let long = "\u{e9}".repeat(32);
    for (table, into, why) in [
        (None, "fine", "choose one with --table"),
        (None, "fine", "public.events, public.logs"),
        (Some("users"), "fine", "has no rows of \"users\" in quarantine, but of public.events, public.logs"),
        (Some("logs"), "", "a name cannot be empty"),
        (Some("logs"), "public.", "a name cannot be empty"),
        (Some("logs"), ".fine", "a name cannot be empty"),
        (Some("logs"), "fi\0ne", "NUL"),
        (Some("logs"), long.as_str(), "64 bytes"),
        (Some("logs"), "nowhere.fine", "there is no schema \"nowhere\""),
        (Some("logs"), "PUBLIC.fine", "there is no schema \"PUBLIC\""),
        (Some("logs"), "auth_consistency.fine", "is our own"),
        (Some("logs"), "auth_consistency.audit", "is our own"),
        (Some("logs"), "pg_catalog.fine", "the server's own"),
        (Some("logs"), "pg_temp.fine", "the server's own"),
        (Some("logs"), "information_schema.fine", "the server's own"),
        (Some("logs"), "logs", "public.logs is there already"),
        (Some("logs"), "public.seen", "is there already"),
        (Some("logs"), "kind", "is there already"),
        (Some("logs"), "counter", "is there already"),
        (Some("logs"), "short", "is there already"),
    ] {
        let fault = case.beside(&run, table, into).await.unwrap_err();
        assert!(fault.message.contains(why), "{into:?}: {fault:?}");
        assert!(matches!(fault.reason, R::RepairUnsupported | R::RepairFailed), "{fault:?}");
    }
    let fault = case.beside("20250101t000000z-000000", None, "fine").await.unwrap_err();
    assert!(fault.message.contains("there are no rows of a run"), "{fault:?}");
    assert_eq!(
        case.rival(&db).beside(&run, Some("logs"), "fine").await.unwrap_err().reason,
        R::TargetClaimed
    );
    let copy = db.copied().await;
    let fault = case.over(&copy).beside(&run, Some("logs"), "fine").await.unwrap_err();
    assert!(
        fault.message.contains("there are no rows of a run"),
        "another database's rows are history: {fault:?}"
    );
    assert_eq!(all(&db).await, before);
}

#[tokio::test]
async fn a_role_that_may_make_no_tables_is_told_where_it_may_not() {
    let db = orphans().await;
    let role = db
        .role(
            "GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE; REVOKE CREATE ON SCHEMA public FROM PUBLIC, ROLE;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE; CREATE SCHEMA shelf AUTHORIZATION ROLE",
        )
        .await;
    let mut case = Case::new(&db, &spec());
    case.secret("db", "url", &db.url_of(&role));
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    let before = all(&db).await;
    let fault = case.beside(&run, Some("logs"), "fine").await.unwrap_err();
    let said = format!("the role {:?} may not create tables in the schema \"public\"", role.0);
    assert!(fault.message.contains(&said), "{fault:?}");
    assert_eq!(all(&db).await, before);
    assert_eq!(case.beside(&run, Some("logs"), "shelf.fine").await.unwrap().rows, 2);
    assert_eq!(db.text("SELECT count(*) FROM shelf.fine").await, "2");
    db.run(&format!(
        "DROP SCHEMA shelf CASCADE; DROP SCHEMA auth_consistency CASCADE; DROP OWNED BY {}",
        role.0
    ))
    .await;
}

#[tokio::test]
async fn a_table_beside_is_its_owner_s_alone_whatever_new_tables_usually_grant() {
    let db = orphans().await;
    let role = db.role("GRANT USAGE ON SCHEMA public TO ROLE").await;
    db.run(&format!(
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {}",
        role.0
    ))
    .await;
    let mut case = Case::new(&db, &spec());
    case.repair().await.consistent();
    case.beside(&case.status.history[0].run.clone(), Some("logs"), "fine").await.unwrap();
    let others = "SELECT count(*) FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a \
         WHERE c.relname = 'fine' AND a.grantee <> c.relowner";
    assert_eq!(db.text(others).await, "0");
    db.run(&format!(
        "DROP OWNED BY {}; ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",
        role.0
    ))
    .await;
}

#[tokio::test]
async fn a_name_that_tries_to_be_sql_is_a_name() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec());
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    for name in ["x\" (); DROP TABLE logs; --", "select", "'", "\n$1", "\u{1f511}", &"x".repeat(63)] {
        let before = db.snapshot().await;
        assert_eq!(case.beside(&run, Some("events"), name).await.unwrap().rows, 1, "{name:?}");
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        assert_eq!(db.texts(&format!("SELECT id FROM public.{quoted}")).await, ["1"], "{name:?}");
        assert_eq!(db.changes(&before).await.len(), 1, "{name:?}");
    }
}
