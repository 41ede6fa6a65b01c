//! Mending at size, and what a repair must not set going.

use std::time::Instant;

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL};

/// The admin 1 and ada 5; `sql` makes the rest with triggers off, so that orphans are possible.
async fn with(sql: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {sql}; RESET session_replication_role;"
    ))
    .await
}

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 10000000, percent: 100}}}}\n")
}

/// A million orphans among two million rows, against one statement that a person would write and that
/// keeps no copy. Prints what it took; run it alone.
#[tokio::test]
#[ignore = "measures: run it alone with --ignored --nocapture"]
async fn a_million_orphans_against_one_statement_by_hand() {
    let setup = "INSERT INTO users SELECT n, n || '@example.com', 'x' FROM generate_series(10, 100000) n;
        CREATE TABLE logs (id bigserial PRIMARY KEY, user_id int REFERENCES users, note text, at timestamptz DEFAULT now());
        INSERT INTO logs (user_id, note) SELECT CASE WHEN n % 2 = 0 THEN 10 + n % 90000 ELSE 200000 + n % 700 END, \
          'something that was logged ' || n FROM generate_series(1, 2000000) n;
        CREATE INDEX ON logs (user_id); ANALYZE";
    let orphan = "user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = logs.user_id)";
    for (on_orphan, by_hand) in [
        ("Delete", format!("DELETE FROM logs WHERE {orphan}")),
        ("Reassign", format!("UPDATE logs SET user_id = 1 WHERE {orphan}")),
    ] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..2 {
            let db = with(setup).await;
            db.run("CHECKPOINT").await;
            let began = Instant::now();
            db.run(&by_hand).await;
            theirs.push(began.elapsed());
            drop(db);
            let db = with(setup).await;
            db.run("CHECKPOINT").await;
            let mut case = Case::new(&db, &spec(on_orphan));
            case.edit(|spec| spec.timeout = "10m".into());
            let began = Instant::now();
            case.check().await;
            let check = began.elapsed();
            let began = Instant::now();
            case.repair().await.consistent();
            let chunks = db.text("SELECT extract(epoch FROM max(at) - (SELECT max(opened_at) FROM auth_consistency.runs)) FROM auth_consistency.audit").await;
            ours.push((began.elapsed(), check, chunks));
            assert_eq!(db.text("SELECT sum(rows) FROM auth_consistency.audit").await, "1000000");
        }
        println!("{on_orphan}: by hand {theirs:?}; ours (whole pass, a check alone, seconds from begin to last chunk) {ours:?}");
    }
}
