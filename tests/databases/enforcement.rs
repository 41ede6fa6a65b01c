//! Foreign keys that are there and let orphans come, as their triggers are off. Each is told with the
//! statement that ends it, and that statement does.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    pass::ScanMode,
};

use crate::support::{Case, Pass, USUAL, admin_and_ada as with};

type Found = (R, C, Option<R>);

const ORPHANS: Found = (R::OrphanRows, C::ReferencesConsistent, None);
const UNVALIDATED: Found = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
const DISABLED: Found = (R::ConstraintDisabled, C::SchemaCompatible, None);
const VIOLATED: Found = (R::ConstraintViolated, C::SchemaCompatible, None);
const VALIDATED: (A, &str, i64) = (A::ValidateConstraint, "logs.user_id", 0);

const LOGS: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES users); \
    INSERT INTO logs VALUES (1, 1), (2, 5)";

pub(crate) fn spec(references: &str) -> String {
    format!("{USUAL}references: {{limits: {{rows: 100, percent: 100}}, {references}}}\n")
}

/// The statement that a finding tells people to run.
pub(crate) fn printed(pass: &Pass, reason: R) -> String {
    let message = pass.finding(reason).message;
    let from = message.find("ALTER TABLE ").unwrap_or_else(|| panic!("{message}"));
    let end = message[from..].rfind(';').unwrap_or_else(|| panic!("{message}"));
    message[from..from + end].to_owned()
}

#[tokio::test]
async fn a_key_whose_triggers_are_off_is_told_although_nothing_is_wrong_yet_and_its_statement_ends_it() {
    let db = with(LOGS).await;
    let mut case = Case::new(&db, &spec("onOrphan: Delete, constraint: Restore"));
    case.check().await.consistent();
    db.run("ALTER TABLE logs DISABLE TRIGGER ALL").await;
    let pass = case.reports(&db, &[DISABLED]).await;
    let message = pass.finding(R::ConstraintDisabled).message;
    let told = "triggers of the foreign key logs_fk are off on public.logs, so rows that are inserted or changed may name nobody: as a superuser run ALTER TABLE public.logs ENABLE TRIGGER";
    assert!(message.starts_with(told) && message.ends_with("and none names nobody now"), "{message}");
    pass.shows(&[
        "Ready=True Consistent",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=False ConstraintDisabled",
        "AdminConsistent=True Consistent",
        "ReferencesConsistent=True Consistent",
    ]);

    // It does let orphans in: they are repaired, and the key is not called sound for that.
    db.run("INSERT INTO logs VALUES (3, 4711)").await;
    let found = [ORPHANS, DISABLED, VIOLATED];
    let pass = case.mends_first(&db, &found, &[(A::Delete, "logs.user_id", 1)], &["- logs (3,4711)"]).await;
    pass.found(&[DISABLED]);
    db.run("INSERT INTO logs VALUES (4, 4712)").await;
    let pass = case.check().await;
    let message = pass.finding(R::ConstraintViolated).message;
    assert!(
        message.ends_with("it holds again when its triggers are on and then no orphans are left"),
        "{message}"
    );
    let message = pass.finding(R::ConstraintDisabled).message;
    assert!(message.ends_with(": mend the one that names nobody next"), "{message}");

    db.run(&printed(&pass, R::ConstraintDisabled)).await;
    assert_eq!(db.refused("INSERT INTO logs VALUES (5, 4713)").await, "23503");
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Delete, "logs.user_id", 1)], &["- logs (4,4712)"]).await;
}

/// What is off, what is said of it, and what the database refuses once the printed statement was run.
const OFF: [(&str, &str, &str, &str); 7] = [
    (
        LOGS,
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "are off on public.users, so users may go or get another key and leave their rows behind",
        "DELETE FROM users WHERE id = 5",
    ),
    (
        LOGS,
        "ALTER TABLE logs ENABLE REPLICA TRIGGER \"UPDATED\"",
        "fire for replication alone on public.logs, so rows that are changed may name nobody",
        "UPDATE logs SET user_id = 9",
    ),
    (
        LOGS,
        "ALTER TABLE logs DISABLE TRIGGER \"INSERTED\"",
        "are off on public.logs, so rows that are inserted may name nobody",
        "INSERT INTO logs VALUES (3, 9)",
    ),
    (
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES users ON DELETE CASCADE); \
         INSERT INTO logs VALUES (1, 1)",
        "ALTER TABLE users DISABLE TRIGGER ALL; ALTER TABLE logs DISABLE TRIGGER ALL",
        "are off on public.logs and public.users, so rows that are inserted or changed may name nobody, and users may go",
        "INSERT INTO logs VALUES (3, 9)",
    ),
    (
        "ALTER TABLE users ADD logs int CONSTRAINT logs_fk REFERENCES users; UPDATE users SET logs = 1",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "are off on public.users, so rows that are inserted or changed may name nobody, and users may go",
        "UPDATE users SET logs = 9",
    ),
    (
        "CREATE TABLE logs (id int, user_id int CONSTRAINT logs_fk REFERENCES users) PARTITION BY RANGE (id); \
         CREATE TABLE \"logs; 1\" PARTITION OF logs FOR VALUES FROM (0) TO (10); \
         CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (10) TO (20); INSERT INTO logs VALUES (1, 1)",
        "ALTER TABLE \"logs; 1\" DISABLE TRIGGER ALL",
        "are off on public.logs; 1, so rows that are inserted or changed may name nobody",
        "INSERT INTO logs VALUES (3, 9)",
    ),
    // Another trigger of the table that is off on purpose stays so.
    (
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES users); \
         CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION SQLSTATE ''23503''; END'; \
         CREATE TRIGGER mine BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION no(); \
         ALTER TABLE logs DISABLE TRIGGER mine; INSERT INTO logs VALUES (1, 1)",
        "ALTER TABLE logs DISABLE TRIGGER ALL",
        "are off on public.logs, so rows that are inserted or changed may name nobody",
        "INSERT INTO logs VALUES (3, 9)",
    ),
];

#[tokio::test]
async fn whichever_triggers_are_off_their_own_names_are_in_the_statement_and_it_turns_them_on() {
    for (sql, off, told, refused) in OFF {
        let db = with(sql).await;
        let mut case = Case::new(&db, &spec("constraint: Restore"));
        case.check().await.consistent();
        let mut off = off.to_owned();
        for (word, kind) in [("INSERTED", 4), ("UPDATED", 16)] {
            let name = format!(
                "SELECT tgname FROM pg_trigger JOIN pg_constraint k ON k.oid = tgconstraint \
                 WHERE conname = 'logs_fk' AND tgrelid = conrelid AND tgtype & {kind} <> 0"
            );
            if off.contains(word) {
                off = off.replace(word, &db.text(&name).await);
            }
        }
        db.run(&off).await;
        let pass = case.reports(&db, &[DISABLED]).await;
        let message = pass.finding(R::ConstraintDisabled).message;
        assert!(message.contains(told), "{off}: {message}");
        db.run(&printed(&pass, R::ConstraintDisabled)).await;
        case.check().await.consistent();
        assert_eq!(db.refused(refused).await, "23503", "{off}");
        let others = "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'";
        assert_eq!(db.text(others).await, if sql.contains("mine") { "1" } else { "0" }, "{off}");
    }
}

#[tokio::test]
async fn triggers_that_always_fire_and_those_of_other_keys_are_none_of_a_reference_s() {
    let db = with(&format!(
        "{LOGS}; CREATE TABLE details (log_id int REFERENCES logs); INSERT INTO details VALUES (1); \
         ALTER TABLE details DISABLE TRIGGER ALL"
    ))
    .await;
    let always = "DO $$ DECLARE name text; BEGIN FOR name IN SELECT tgname FROM pg_trigger \
        JOIN pg_constraint k ON k.oid = tgconstraint WHERE conname = 'logs_fk' AND tgrelid = 'logs'::regclass \
        LOOP EXECUTE format('ALTER TABLE logs ENABLE ALWAYS TRIGGER %I', name); END LOOP; END $$";
    db.run(always).await;
    Case::new(&db, &spec("constraint: Restore")).reports(&db, &[]).await.consistent();
}

#[tokio::test]
async fn a_key_that_is_not_valid_and_off_is_not_called_valid_before_it_is_on() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 5); \
         ALTER TABLE logs ADD CONSTRAINT logs_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID; \
         ALTER TABLE logs DISABLE TRIGGER ALL",
    )
    .await;
    let mut case = Case::new(&db, &spec("constraint: Validate"));
    let held = (R::ConstraintUnvalidated, C::SchemaCompatible, Some(R::ConstraintDisabled));
    let pass = case.reports(&db, &[held, DISABLED]).await;
    let message = pass.finding(R::ConstraintUnvalidated).message;
    let told = "the foreign key logs_fk is NOT VALID, so old ones may violate it; it is validated when its triggers are on";
    assert_eq!(message, told);
    db.run(&printed(&pass, R::ConstraintDisabled)).await;
    case.mends(&db, &[UNVALIDATED], &[VALIDATED], &[]).await;
}

#[tokio::test]
async fn orphans_are_not_deleted_from_under_rows_that_a_silent_key_would_leave_behind() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES users); \
         CREATE TABLE details (id int PRIMARY KEY, log_id int REFERENCES logs ON DELETE CASCADE); \
         INSERT INTO logs VALUES (1, 1), (2, 9); INSERT INTO details VALUES (1, 2); \
         ALTER TABLE logs DISABLE TRIGGER ALL",
    )
    .await;
    let mut case = Case::new(&db, &spec("onOrphan: Delete"));
    // The reference itself is on again, what depends on it is not.
    let pass = case.check().await;
    db.run(&printed(&pass, R::ConstraintDisabled)).await;
    let refused = (R::OrphanRows, C::ReferencesConsistent, Some(R::RepairUnsupported));
    let message = case.reports(&db, &[refused, VIOLATED]).await.finding(R::OrphanRows).message;
    assert!(message.contains("which would be left behind, as it does nothing on a DELETE"), "{message}");
    db.run("ALTER TABLE logs ENABLE TRIGGER ALL").await;
    let changes = ["- details (1,2)", "- logs (2,9)"];
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Delete, "logs.user_id", 1)], &changes).await;
}

#[tokio::test]
async fn triggers_that_are_turned_off_between_two_looks_are_noticed_though_no_row_was_written() {
    let parts = "CREATE TABLE parts (id int, user_id int REFERENCES users) PARTITION BY RANGE (id); \
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (1, 5)";
    for off in ["logs", "parts_1", "users"] {
        let db = with("SELECT 1").await;
        db.counted(&format!("{LOGS}; {parts}")).await;
        let mut case = Case::new(&db, &spec("constraint: Restore"));
        case.look = ScanMode::Incremental;
        case.repair().await.consistent();
        assert_eq!(case.repair().await.outcome().relied, 2, "{off}");
        db.run(&format!("ALTER TABLE {off} DISABLE TRIGGER ALL")).await;
        let pass = case.repair().await;
        let found = pass.outcome().findings();
        assert_eq!(found.len(), if off == "users" { 2 } else { 1 }, "{off}: {found:#?}");
        assert!(found.iter().all(|one| one.finding == R::ConstraintDisabled), "{off}: {found:#?}");
    }
}

/// The statements of a reason's page, in its order.
pub(crate) fn on_page(reason: R) -> Vec<String> {
    let mut blocks = Vec::new();
    for block in reason.page().split("```sql\n").skip(1) {
        blocks.push(block.split("```").next().unwrap().to_owned());
    }
    blocks
}

pub(crate) const PAGE: &str = "CREATE TABLE usage_logs (id int PRIMARY KEY, \
    user_id int CONSTRAINT usage_logs_user_id_fkey REFERENCES users); INSERT INTO usage_logs VALUES (1, 5)";

#[tokio::test]
async fn what_the_pages_say_to_run_can_be_run_and_ends_what_they_are_about() {
    let parts = "CREATE TABLE parts (id int, user_id int REFERENCES users) PARTITION BY RANGE (id); \
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)";
    for (at, sql) in on_page(R::ConstraintDisabled).iter().enumerate() {
        let db = with(&format!("{PAGE}; {}", if at == 0 { parts } else { "" })).await;
        let off = if at == 0 { "usage_logs, parts, parts_1, users" } else { "usage_logs, users" };
        for table in off.split(", ") {
            db.run(&format!("ALTER TABLE {table} DISABLE TRIGGER ALL")).await;
        }
        let mut case = Case::new(&db, USUAL);
        case.check().await.found(if at == 0 { &[DISABLED, DISABLED] } else { &[DISABLED] });
        db.run(sql).await;
        case.check().await.consistent();
        assert_eq!(db.refused("INSERT INTO usage_logs VALUES (3, 9)").await, "23503");
    }

    let db = with(&format!("{PAGE}; INSERT INTO usage_logs VALUES (2, 9)")).await;
    let mut case = Case::new(&db, USUAL);
    case.check().await.found(&[ORPHANS, VIOLATED]);
    // As the page says, this looks at no row of a key that is marked valid.
    db.run("ALTER TABLE usage_logs VALIDATE CONSTRAINT usage_logs_user_id_fkey").await;
    let [proof, rows] = on_page(R::ConstraintViolated).try_into().unwrap();
    assert_eq!(db.texts(rows.trim_end().trim_end_matches(';')).await, ["2"]);
    let (mark, prove) = proof.split_once(";\n").unwrap();
    db.run(mark).await;
    assert_eq!(db.refused(prove).await, "23503");
    db.run("DELETE FROM usage_logs WHERE id = 2").await;
    db.run(prove).await;
    case.check().await.consistent();
}
