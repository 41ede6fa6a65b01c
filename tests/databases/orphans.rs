//! Rows that name nobody: counted exactly, and repaired as far as the spec allows.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
    spec::OnOrphan,
};

use crate::support::{Case, Db, HASH, USUAL};

/// The admin with the id 1, ada with 5, and `logs`: three rows of 4711, two of 4712, two good ones
/// and one of nobody.
async fn orphans() -> Db {
    orphans_with("user_id int REFERENCES users", "").await
}

async fn orphans_with(column: &str, more: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SELECT setval('users_id_seq', 9000);
         CREATE TABLE logs (id int PRIMARY KEY, {column}, note json);
         {more}
         SET session_replication_role = replica;
         INSERT INTO logs VALUES (1, 4711), (2, 4711), (3, 4712), (4, 4712), (5, 4711), (6, 5), (7, 5);
         UPDATE logs SET note = '{{\"a\" : 1.0}}' WHERE id = 1;
         RESET session_replication_role;"
    ))
    .await
}

fn spec(on_orphan: &str, limits: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {limits}}}\n")
}

const FREE: &str = "{rows: 100, percent: 100}";
const ASK: &str = "{rows: 0}";
const FOUND: &[(R, C, Option<R>)] =
    &[(R::OrphanRows, C::ReferencesConsistent, None), (R::ConstraintViolated, C::SchemaCompatible, None)];

#[tokio::test]
async fn orphans_are_counted_with_their_keys_and_only_reported_by_default() {
    let db = orphans().await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.reports(&db, FOUND).await;
    let finding = pass.finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.keys), (Some(5), Some(2)));
    assert_eq!(finding.sample, ["4711", "4712"]);
    assert!(
        finding.message.starts_with("5 rows of logs.user_id name 2 users that do not exist (4711, 4712)")
    );
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.orphan_rows), (1, 5));
    pass.shows(&[
        "Ready=False OrphanRows",
        "Stalled=True OrphanRows",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=False ConstraintViolated",
        "AdminConsistent=True Consistent",
        "ReferencesConsistent=False OrphanRows",
    ]);
    assert_eq!(pass.report.as_ref().unwrap().consistent, Some(false));
}

#[tokio::test]
async fn orphans_within_the_limits_go_to_the_admin_at_once() {
    let db = orphans().await;
    let changes = &[
        "- logs (1,4711,\"{\"\"a\"\" : 1.0}\")",
        "- logs (2,4711,)",
        "- logs (3,4712,)",
        "- logs (4,4712,)",
        "- logs (5,4711,)",
        "+ logs (1,1,\"{\"\"a\"\" : 1.0}\")",
        "+ logs (2,1,)",
        "+ logs (3,1,)",
        "+ logs (4,1,)",
        "+ logs (5,1,)",
    ];
    let steps = &[(A::Reassign, "logs.user_id", 5)];
    Case::new(&db, &spec("Reassign", FREE)).mends(&db, FOUND, steps, changes).await;
    let kept = "SELECT format('%s %s %s %s', id, user_id, note, _ac_new_key) FROM auth_consistency.";
    let table = db.text("SELECT name FROM auth_consistency.quarantine").await;
    let kept = db.texts(&format!("{kept}{table} ORDER BY id")).await;
    assert_eq!(kept, ["1 4711 {\"a\" : 1.0} 1", "2 4711  1", "3 4712  1", "4 4712  1", "5 4711  1"]);
}

#[tokio::test]
async fn orphans_within_the_limits_are_set_to_null_at_once() {
    let db = orphans().await;
    db.run("DELETE FROM logs WHERE id IN (1, 2, 5)").await;
    let changes = &["- logs (3,4712,)", "- logs (4,4712,)", "+ logs (3,,)", "+ logs (4,,)"];
    Case::new(&db, &spec("SetNull", FREE))
        .mends(&db, FOUND, &[(A::SetNull, "logs.user_id", 2)], changes)
        .await;
}

#[tokio::test]
async fn orphans_within_the_limits_are_deleted_at_once() {
    let db = orphans().await;
    db.run("DELETE FROM logs WHERE id IN (1, 2, 5)").await;
    let changes = &["- logs (3,4712,)", "- logs (4,4712,)"];
    Case::new(&db, &spec("Delete", FREE)).mends(&db, FOUND, &[(A::Delete, "logs.user_id", 2)], changes).await;
}

#[tokio::test]
async fn orphans_over_a_limit_wait_for_approval() {
    for (on_orphan, action) in [("Reassign", A::Reassign), ("SetNull", A::SetNull), ("Delete", A::Delete)] {
        for limits in [ASK, "{rows: 4, percent: 100}", "{rows: 100, percent: 50}"] {
            let db = orphans().await;
            db.run("DELETE FROM logs WHERE id <= 2; INSERT INTO logs VALUES (8, NULL)").await;
            let limits = if limits == ASK { ASK } else { limits };
            let mut case = Case::new(&db, &spec(on_orphan, limits));
            if limits.starts_with("{rows: 4") {
                case.edit(|spec| spec.references.limits.rows = 2);
            }
            let held = ["- logs (3,4712,)", "- logs (4,4712,)", "- logs (5,4711,)"];
            let mut changes = held.to_vec();
            match action {
                A::Reassign => changes.extend(["+ logs (3,1,)", "+ logs (4,1,)", "+ logs (5,1,)"]),
                A::SetNull => changes.extend(["+ logs (3,,)", "+ logs (4,,)", "+ logs (5,,)"]),
                _ => {}
            }
            let steps = &[(action, "logs.user_id", 3)];
            // Three of six rows are half of the table, which 50 percent allows.
            if limits.ends_with("percent: 50}") {
                case.mends(&db, FOUND, steps, &changes).await;
                continue;
            }
            case.waits(&db, FOUND, steps, &changes).await.consistent();
        }
    }
}

#[tokio::test]
async fn a_limit_of_nothing_always_asks_be_it_rows_or_percent() {
    for limits in ["{rows: 0, percent: 100}", "{rows: 1000000000, percent: 0}"] {
        let db = orphans().await;
        db.run("DELETE FROM logs WHERE id <= 4").await;
        let mut case = Case::new(&db, &spec("SetNull", limits));
        let steps = &[(A::SetNull, "logs.user_id", 1)];
        case.waits(&db, FOUND, steps, &["- logs (5,4711,)", "+ logs (5,,)"]).await.consistent();
    }
}

#[tokio::test]
async fn an_approval_is_used_once() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec("Delete", ASK));
    case.repair().await;
    case.approve().await.consistent();
    db.run("SET session_replication_role = replica; INSERT INTO logs VALUES (1, 4711), (3, 4712); RESET session_replication_role;").await;
    let before = db.fingerprint().await;
    // The same keys, and the approval is still given: a new plan has another hash.
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 2, true)]);
    assert_eq!(db.fingerprint().await, before);
    assert_ne!(
        pass.status.plan.as_ref().unwrap().hash,
        case.requests.approval.as_ref().map(|a| a.hash.clone())
    );
}

#[tokio::test]
async fn an_approval_is_refused_after_the_keys_have_changed() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec("Delete", ASK));
    case.repair().await;
    db.run("SET session_replication_role = replica; UPDATE logs SET user_id = 4713 WHERE id = 2; RESET session_replication_role;").await;
    let before = db.fingerprint().await;
    let pass = case.approve().await;
    pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 5, true)]);
    assert!(pass.status.conditions[0].message.contains("the approval that was given is for another plan"));
    assert_eq!(db.fingerprint().await, before);
}

#[tokio::test]
async fn an_approval_is_refused_after_rows_were_added() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec("Delete", ASK));
    case.repair().await;
    db.run("SET session_replication_role = replica; INSERT INTO logs VALUES (9, 4711); RESET session_replication_role;").await;
    let before = db.fingerprint().await;
    let pass = case.approve().await;
    pass.repaired(&[]);
    let message = &pass.status.conditions[0].message;
    assert!(message.contains("another plan"), "{message}");
    assert_eq!(db.fingerprint().await, before);
    // What is shown now may be approved.
    case.approve().await.consistent().repaired(&[(A::Delete, "logs.user_id", 6)]);
}

#[tokio::test]
async fn an_approval_does_not_survive_an_edit_of_the_spec() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec("Delete", ASK));
    let hash = case.repair().await.status.plan.unwrap().hash.unwrap();
    case.edit(|spec| spec.references.on_orphan = OnOrphan::SetNull);
    case.repair_approved(&hash).await.repaired(&[]).plans(&[(A::SetNull, "logs.user_id", 5, true)]);
    case.edit(|spec| spec.references.on_orphan = OnOrphan::Delete);
    case.repair_approved(&hash).await.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 5, true)]);
}

#[tokio::test]
async fn what_was_approved_for_one_database_is_history_in_its_copy() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec("Delete", ASK));
    let hash = case.repair().await.status.plan.unwrap().hash.unwrap();
    // A trigger stops the run half-way, so that it stays open.
    db.run(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''kept''; END'; \
         CREATE TRIGGER kept BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION no();",
    )
    .await;
    case.approve().await.repaired(&[]);
    assert_eq!(db.text("SELECT count(*) FROM auth_consistency.runs WHERE closed_at IS NULL").await, "1");
    let copy = db.copied().await;
    copy.run("DROP TRIGGER kept ON logs").await;
    let before = copy.fingerprint().await;
    let mut other = case.over(&copy);
    let pass = other.repair_approved(&hash).await;
    pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 5, true)]);
    assert_ne!(pass.status.plan.as_ref().unwrap().hash.as_ref(), Some(&hash));
    assert_eq!(pass.status.history, []);
    assert_eq!(copy.fingerprint().await, before);
    // At home the run goes on under its approval once the trigger is gone.
    db.run("DROP TRIGGER kept ON logs").await;
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", 5)]);
    assert_eq!(db.text("SELECT count(*) FROM auth_consistency.runs WHERE closed_at IS NULL").await, "0");
    case.settled(&db).await;
}

#[tokio::test]
async fn accepted_orphans_are_consistent_and_one_more_is_not() {
    let db = orphans().await;
    let rule = "{table: logs, accept: {rows: 5, reason: outlives its users}}";
    let mut case = Case::new(&db, &format!("{USUAL}references: {{rules: [{rule}]}}\n"));
    let pass = case.repair().await;
    pass.found(&[(R::ConstraintViolated, C::SchemaCompatible, None)]);
    assert_eq!(pass.conditions()[0], "Ready=True Consistent");
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.orphan_rows, references.accepted_rows), (0, 5));
    case.settled(&db).await;
    db.run("SET session_replication_role = replica; INSERT INTO logs VALUES (9, 4711); RESET session_replication_role;").await;
    case.reports(&db, FOUND).await;
}

#[tokio::test]
async fn an_ignored_reference_is_skipped_and_says_why() {
    let db = orphans().await;
    let rule = "{table: logs, ignore: true, reason: frozen}";
    let mut case = Case::new(&db, &format!("{USUAL}references: {{rules: [{rule}]}}\n"));
    let pass = case.repair().await;
    pass.consistent();
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.skipped.len()), (0, 1));
    assert_eq!((references.skipped[0].why.as_str(), references.skipped[0].asked), ("frozen", true));
    case.settled(&db).await;
}

#[tokio::test]
async fn rules_decide_reference_by_reference() {
    let db = orphans_with(
        "user_id int REFERENCES users",
        "CREATE TABLE likes (id int PRIMARY KEY, by_id int REFERENCES users, of_id int REFERENCES users);
         SET session_replication_role = replica; INSERT INTO likes VALUES (1, 4711, 4711), (2, 4711, 5), (3, 5, 4711);",
    )
    .await;
    let rules = "[{table: likes, columns: [by_id], onOrphan: Delete}, {table: likes, onOrphan: SetNull}]";
    let mut case = Case::new(&db, &format!("{USUAL}references: {{limits: {FREE}, rules: {rules}}}\n"));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    // The row that is an orphan twice was set to NULL first, and then deleted.
    pass.repaired(&[(A::SetNull, "likes.of_id", 2), (A::Delete, "likes.by_id", 2)]);
    let changes = ["- likes (1,4711,4711)", "- likes (2,4711,5)", "- likes (3,5,4711)", "+ likes (3,5,)"];
    assert_eq!(db.changes(&before).await, changes);
    case.settled(&db).await;
}

#[tokio::test]
async fn many_rows_are_repaired_in_chunks_and_each_is_written_down() {
    let db = orphans().await;
    db.run(
        "SET session_replication_role = replica; \
         INSERT INTO logs SELECT n, 4000 + n % 700 FROM generate_series(10, 3509) n; RESET session_replication_role;",
    )
    .await;
    let mut case = Case::new(&db, &spec("Reassign", "{rows: 100000, percent: 100}"));
    case.repair().await.consistent().repaired(&[(A::Reassign, "logs.user_id", 3505)]);
    assert_eq!(db.text("SELECT sum(rows) FROM auth_consistency.audit").await, "3505");
    assert_ne!(db.text("SELECT count(*) FROM auth_consistency.audit").await, "1");
    assert_eq!(case.status.history.len(), 1);
    assert_eq!(case.status.history[0].rows, 3505);
    case.settled(&db).await;
}

#[tokio::test]
async fn the_admin_is_seeded_before_rows_are_given_to_it() {
    let db = orphans().await;
    db.run("DELETE FROM users WHERE id = 1").await;
    let mut case = Case::new(&db, &spec("Reassign", FREE));
    let pass = case.repair().await;
    pass.consistent().repaired(&[(A::Seed, "users", 1), (A::Reassign, "logs.user_id", 5)]);
    assert_eq!(db.text("SELECT count(*) FROM logs WHERE user_id = 9001").await, "5");
    case.settled(&db).await;
}

#[tokio::test]
async fn rows_are_not_given_to_an_admin_who_stays_inactive() {
    let db = orphans().await;
    db.run("UPDATE users SET is_active = false WHERE id = 1").await;
    let mut case = Case::new(&db, &spec("Reassign", FREE));
    case.edit(|spec| spec.admin.as_mut().unwrap().on_drift = serde_saphyr::from_str("Report").unwrap());
    let drifted = (R::AdminDrifted, C::AdminConsistent, None);
    let pass = case.reports(&db, &[drifted, FOUND[0], FOUND[1]]).await;
    pass.plans(&[]);
    case.edit(|spec| spec.admin.as_mut().unwrap().on_drift = serde_saphyr::from_str("Correct").unwrap());
    let steps = &[(A::Correct, "users.is_active", 1), (A::Reassign, "logs.user_id", 5)];
    case.repair().await.consistent().repaired(steps);
}
