//! What PostgreSQL 18 brought: foreign keys that are not enforced or about periods, and columns that are computed
//! when they are read.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass,
};
use jiff::Timestamp;

use super::enforcement::{PAGE, on_page, printed, spec};
use crate::support::{Case, Db, HASH, USUAL, admin_and_ada as with};

type Found = (R, C, Option<R>);

const ORPHANS: Found = (R::OrphanRows, C::ReferencesConsistent, None);
const UNVALIDATED: Found = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
const NOT_ENFORCED: Found = (R::ConstraintNotEnforced, C::SchemaCompatible, None);
const VIOLATED: Found = (R::ConstraintViolated, C::SchemaCompatible, None);
const VALIDATED: (A, &str, i64) = (A::ValidateConstraint, "logs.user_id", 0);

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn a_key_that_is_not_enforced_is_told_with_the_order_of_what_ends_it_and_holds_no_other_up() {
    let db = with(
        "CREATE TABLE a_loose (id int PRIMARY KEY, user_id int CONSTRAINT a_fk REFERENCES users NOT ENFORCED); \
         INSERT INTO a_loose VALUES (1, 1), (2, 9); \
         CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 1); \
         ALTER TABLE logs ADD CONSTRAINT logs_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    for constraint in ["Validate", "Restore"] {
        let mut case = Case::new(&db, &spec(&format!("constraint: {constraint}")));
        let pass = case.check().await;
        pass.found(&[ORPHANS, UNVALIDATED, NOT_ENFORCED]).plans(&[(VALIDATED.0, VALIDATED.1, 0, false)]);
    }
    let mut case = Case::new(
        &db,
        &spec("constraint: Restore, onOrphan: SetNull, rules: [{table: a_loose, onOrphan: Report}]"),
    );
    let pass = case.mends_first(&db, &[ORPHANS, UNVALIDATED, NOT_ENFORCED], &[VALIDATED], &[]).await;
    pass.found(&[ORPHANS, NOT_ENFORCED]);
    let message = pass.finding(R::ConstraintNotEnforced).message;
    let told = "the foreign key a_fk is NOT ENFORCED, so no row is checked, neither old ones nor new ones: in a quiet hour, since nothing can be written to either table while it looks at all rows, run ALTER TABLE public.a_loose ALTER CONSTRAINT a_fk ENFORCED; it fails while a row names nobody (1 row now: mend those first)";
    assert_eq!(message, told);
    let enforce = printed(&pass, R::ConstraintNotEnforced);
    assert_eq!(db.refused(&enforce).await, "23503");
    case.edit(|spec| spec.references.rules.clear());
    let pass = case
        .mends_first(
            &db,
            &[ORPHANS, NOT_ENFORCED],
            &[(A::SetNull, "a_loose.user_id", 1)],
            &["- a_loose (2,9)", "+ a_loose (2,)"],
        )
        .await;
    pass.found(&[NOT_ENFORCED]);
    assert!(pass.finding(R::ConstraintNotEnforced).message.ends_with("(none does now)"));
    db.run(&enforce).await;
    case.check().await.consistent();
    assert_eq!(db.refused("INSERT INTO a_loose VALUES (3, 9)").await, "23503");
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn writes_to_both_tables_wait_while_a_key_is_being_enforced_as_the_message_says() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES users NOT ENFORCED)").await;
    let pass = Case::new(&db, USUAL).check().await;
    let locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'ShareRowExclusiveLock' \
        AND relation IN ('users'::regclass, 'logs'::regclass)";
    db.run(&format!("BEGIN; {}", printed(&pass, R::ConstraintNotEnforced))).await;
    assert_eq!(db.text(locks).await, "2");
    db.run("COMMIT").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn what_the_page_says_of_a_key_that_is_not_enforced_ends_it() {
    for sql in on_page(R::ConstraintNotEnforced) {
        let db = with(&PAGE.replace("REFERENCES users", "REFERENCES users NOT ENFORCED")).await;
        let mut case = Case::new(&db, USUAL);
        case.check().await.found(&[NOT_ENFORCED]);
        db.run(&sql).await;
        case.check().await.consistent();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn orphans_are_not_deleted_from_under_rows_whose_key_is_not_enforced() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); \
         CREATE TABLE details (id int PRIMARY KEY, log_id int REFERENCES logs ON DELETE CASCADE NOT ENFORCED); \
         INSERT INTO logs VALUES (1, 1), (2, 9); INSERT INTO details VALUES (1, 2)",
    )
    .await;
    let mut case = Case::new(&db, &spec("onOrphan: Delete"));
    let refused = (R::OrphanRows, C::ReferencesConsistent, Some(R::RepairUnsupported));
    case.reports(&db, &[refused, VIOLATED]).await;
    db.run("ALTER TABLE details ALTER CONSTRAINT details_log_id_fkey ENFORCED").await;
    let changes = ["- details (1,2)", "- logs (2,9)"];
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Delete, "logs.user_id", 1)], &changes).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn a_key_that_a_snapshot_has_as_not_enforced_is_not_added_as_another_one() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES users NOT ENFORCED)").await;
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    let taken = pass::snapshot(&Case::new(&db, USUAL).target(), &anywhere, None, at).await.unwrap();
    db.run("ALTER TABLE logs DROP CONSTRAINT logs_fk").await;
    let mut case = Case::new(&db, &spec("constraint: Restore, identities: {configMapRef: {name: before}}"));
    case.config_map("before", "before.json", &taken.write().unwrap());
    let refused = (R::ConstraintMissing, C::SchemaCompatible, Some(R::RepairUnsupported));
    let told = case.reports(&db, &[refused]).await.finding(R::ConstraintMissing).message;
    assert!(told.contains("NOT ENFORCED") && told.contains("add it by hand"), "{told}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn a_key_about_periods_is_not_counted_as_if_it_were_about_equal_ones() {
    let db = Db::new(
        "CREATE EXTENSION btree_gist; \
         CREATE TABLE users (id int, valid daterange, email text NOT NULL, hashed_password text, role text, \
           is_active boolean, PRIMARY KEY (id, valid WITHOUT OVERLAPS)); \
         INSERT INTO users VALUES (1, '[2020-01-01,2021-01-01)', 'a@example.com'), (1, '[2021-01-01,)', 'a@example.com'); \
         CREATE TABLE logs (id int PRIMARY KEY, user_id int, valid daterange, \
           FOREIGN KEY (user_id, PERIOD valid) REFERENCES users (id, PERIOD valid)); \
         INSERT INTO logs VALUES (1, 1, '[2020-06-01,2021-06-01)')",
    )
    .await;
    let mut case = Case::new(&db, "users: {preset: FastAPI}\n");
    let pass = case.check().await;
    pass.found(&[(R::RowsUnreadable, C::ReferencesConsistent, None)]);
    let message = pass.finding(R::RowsUnreadable).message;
    assert!(
        message.contains("about periods (PERIOD), and such rows are not counted: ignore it by a rule"),
        "{message}"
    );
    let rule =
        "users: {preset: FastAPI}\nreferences: {rules: [{table: logs, ignore: true, reason: periods}]}\n";
    Case::new(&db, rule).check().await.consistent();
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn rows_with_columns_that_are_computed_when_they_are_read_go_and_come_back_whole() {
    for (action, done, changes) in [
        ("Delete", A::Delete, vec!["- logs (2,9,4)"]),
        ("SetNull", A::SetNull, vec!["- logs (2,9,4)", "+ logs (2,,4)"]),
    ] {
        let db = with(
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, \
               twice int GENERATED ALWAYS AS (id * 2) VIRTUAL); INSERT INTO logs VALUES (1, 5), (2, 9)",
        )
        .await;
        let mut case = Case::new(&db, &spec(&format!("onOrphan: {action}")));
        let before = db.snapshot().await;
        case.mends(&db, &[ORPHANS, VIOLATED], &[(done, "logs.user_id", 1)], &changes).await;
        db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
        let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{action}: {restored:?}");
        assert_eq!(db.changes(&before).await, ["+ users (9,nine@example.com,HASH,user,t)"], "{action}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18"]
async fn a_key_of_a_partitioned_table_is_added_for_new_rows_and_then_validated() {
    let db = with(
        "CREATE TABLE logs (id int, user_id int) PARTITION BY RANGE (id); \
         CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10); INSERT INTO logs VALUES (1, 5)",
    )
    .await;
    let rule = "rules: [{table: logs, columns: [user_id], constraint: logs_fk}]";
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, {rule}")));
    let missing = (R::ConstraintMissing, C::SchemaCompatible, None);
    case.mends(&db, &[missing], &[(A::AddConstraint, "logs.user_id", 0), VALIDATED], &[]).await;
    assert_eq!(db.refused("INSERT INTO logs VALUES (2, 9)").await, "23503");
    let valid = "SELECT convalidated FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace";
    assert_eq!(db.texts(valid).await, ["true", "true"], "of the table and of its partition");
}
