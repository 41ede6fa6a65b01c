//! How far a repair reaches: never on to rows that no plan counts, never past what a rule wants kept,
//! never through a whole sequence for one nonsense id.

use auth_consistency::api::{condition::Reason as R, report::Action as A};

use crate::support::{Case, Db, HASH, USUAL};

async fn with(more: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SELECT setval('users_id_seq', 9000);
         SET session_replication_role = replica; {more}; RESET session_replication_role;"
    ))
    .await
}

#[tokio::test]
async fn an_id_is_not_moved_where_an_ignored_reference_would_change_with_it() {
    for action in ["CASCADE", "SET NULL", "SET DEFAULT"] {
        let db = with(&format!(
            "CREATE TABLE seats (id int PRIMARY KEY, user_id int REFERENCES users ON UPDATE {action}); \
             INSERT INTO seats VALUES (1, 1), (2, 1)"
        ))
        .await;
        let yaml = USUAL.replace("  login:", "  id: '40'\n  login:");
        let rules = "references: {rules: [{table: seats, ignore: true, reason: not ours}]}\n";
        let mut case = Case::new(&db, &format!("{yaml}{rules}"));
        let before = db.snapshot().await;
        let pass = case.repair().await;
        pass.repaired(&[]);
        let finding = pass.finding(R::AdminIdDiffers);
        assert_eq!(finding.blocked, Some(R::RepairUnsupported), "{action}");
        assert!(finding.message.contains("seats"), "{}", finding.message);
        assert_eq!(db.changes(&before).await, [""; 0], "{action}");
    }
}

#[tokio::test]
async fn rows_are_not_reassigned_where_the_change_would_go_on_to_other_tables() {
    let db = with(
        "CREATE TABLE members (id int PRIMARY KEY, user_id int REFERENCES users, org int, UNIQUE (user_id, org)); \
         CREATE TABLE seats (id int PRIMARY KEY, user_id int, org int, \
           FOREIGN KEY (user_id, org) REFERENCES members (user_id, org) ON UPDATE CASCADE); \
         INSERT INTO members VALUES (1, 77, 3); INSERT INTO seats VALUES (1, 77, 3), (2, 77, 3)",
    )
    .await;
    for on_orphan in ["Reassign", "SetNull"] {
        let limits = "limits: {rows: 100, percent: 100}";
        let mut case = Case::new(&db, &format!("{USUAL}references: {{onOrphan: {on_orphan}, {limits}}}\n"));
        let before = db.snapshot().await;
        let pass = case.repair().await;
        pass.repaired(&[]);
        let found = pass.finding(R::OrphanRows);
        assert_eq!(found.blocked, Some(R::RepairUnsupported), "{on_orphan}");
        assert!(found.message.contains("(seats.seats_user_id_org_fkey: 2 rows)"), "{}", found.message);
        assert_eq!(db.changes(&before).await, [""; 0], "{on_orphan}");
    }
    // Where no row would go along, nothing is in the way.
    db.run("DELETE FROM seats").await;
    let mut case = Case::new(
        &db,
        &format!("{USUAL}references: {{onOrphan: Reassign, limits: {{rows: 100, percent: 100}}}}\n"),
    );
    case.repair().await.repaired(&[(A::Reassign, "members.user_id", 1)]).consistent();
}

#[tokio::test]
async fn rows_that_a_rule_wants_kept_are_repaired_only_after_approval() {
    let db = with(
        "CREATE TABLE audit_log (id int PRIMARY KEY, user_id int REFERENCES users); \
         INSERT INTO audit_log SELECT n, 77 FROM generate_series(1, 4) n",
    )
    .await;
    let rules = "references: {onOrphan: Delete, limits: {rows: 100, percent: 100}, \
                 rules: [{table: audit_log, accept: {rows: 3, reason: outlives its users}}]}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{rules}"));
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[(A::Delete, "audit_log.user_id", 4, true)]);
    assert_eq!(db.text("SELECT count(*) FROM audit_log").await, "4");
}

#[tokio::test]
async fn one_nonsense_id_does_not_use_up_the_sequence_unasked() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor_id bigint); INSERT INTO events VALUES (1, 2147483000)",
    )
    .await;
    let rules = "references: {rules: [{table: events, columns: [actor_id], declared: true}]}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{rules}"));
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert!(pass.finding(R::SequenceBehind).message.contains("2147483000"));
    assert!(pass.status.plan.clone().unwrap().awaiting_approval);
    assert_eq!(db.text("SELECT nextval('users_id_seq')").await, "9001");
}

#[tokio::test]
async fn a_role_with_another_default_isolation_repairs_as_any_other() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 77)",
    )
    .await;
    db.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$")
        .await;
    let mut case = Case::new(
        &db,
        &format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 100, percent: 100}}}}\n"),
    );
    case.repair().await.repaired(&[(A::Delete, "logs.user_id", 1)]);
}

#[tokio::test]
async fn a_table_that_somebody_has_locked_is_not_looked_at_and_the_others_are() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 77);
         CREATE TABLE notes (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO notes VALUES (1, 78)",
    )
    .await;
    let mut case = Case::new(&db, &format!("timeout: 5s\n{USUAL}"));
    let mut app = db.another().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE logs IN ACCESS EXCLUSIVE MODE").execute(&mut app).await.unwrap();
    let pass = case.check().await;
    let locked = pass.finding(R::RowsUnreadable);
    assert_eq!(locked.object.as_ref().unwrap().describe(), "logs.user_id");
    assert!(locked.message.contains("another session holds a lock on the table"), "{}", locked.message);
    db.run("DELETE FROM notes").await;
    assert_eq!(
        case.check().await.conditions()[..2],
        ["Ready=False RowsUnreadable", "Reconciling=True ProgressingWithRetry"],
        "a lock passes by itself"
    );
    assert_eq!(pass.finding(R::OrphanRows).sample, ["78"]);
    sqlx::raw_sql("COMMIT").execute(&mut app).await.unwrap();
    let pass = case.check().await;
    let orphans =
        pass.report.as_ref().unwrap().findings.iter().filter(|one| one.finding == R::OrphanRows).count();
    assert_eq!(orphans, 1);
}
