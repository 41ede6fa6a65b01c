//! Foreign keys that are gone or do not vouch for their rows are added and validated where the spec
//! says so, and never while a row names nobody.

use auth_consistency::pass::request::{Repairs, Supervisor};

use auth_consistency::domain::fault::{Class, Fault};
use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::OnConstraint,
    },
    network::HostPolicy,
    pass,
};

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::support::{Case, Db, USUAL, admin_and_ada as with};

fn spec(references: &str) -> String {
    format!("{USUAL}references: {{limits: {{rows: 100, percent: 100}}, {references}}}\n")
}

const NAMED: &str = "rules: [{table: logs, columns: [user_id], constraint: logs_user_id_fkey}]";
const NOT_VALID: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int); \
    ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID";
const GONE: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int)";
const UNVALIDATED: (R, C, Option<R>) = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);
const MISSING: (R, C, Option<R>) = (R::ConstraintMissing, C::SchemaCompatible, None);
const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const VALIDATED: (A, &str, i64) = (A::ValidateConstraint, "logs.user_id", 0);
const ADDED: (A, &str, i64) = (A::AddConstraint, "logs.user_id", 0);

const KEYS: &str = "SELECT conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid) \
    FROM pg_constraint WHERE contype = 'f' AND conrelid = 'logs'::regclass ORDER BY 1";
const WHOLE: &str = "logs_user_id_fkey true FOREIGN KEY (user_id) REFERENCES users(id)";

#[tokio::test]
async fn a_key_that_is_not_valid_is_validated_where_the_spec_says_so() {
    let db = with(&format!("{NOT_VALID}; INSERT INTO logs VALUES (1, 5), (2, NULL)")).await;
    let mut case = Case::new(&db, &spec("constraint: Report"));
    case.reports(&db, &[UNVALIDATED]).await;
    let mut case = Case::new(&db, &spec("constraint: Validate"));
    case.mends(&db, &[UNVALIDATED], &[VALIDATED], &[]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
    assert_eq!(case.status.history[0].action, A::ValidateConstraint);
}

#[tokio::test]
async fn a_rule_wins_over_the_default() {
    let db = with(&format!("{NOT_VALID}; INSERT INTO logs VALUES (1, 5)")).await;
    let one = "rules: [{table: logs, columns: [user_id], onConstraint: Report}]";
    Case::new(&db, &spec(&format!("constraint: Restore, {one}"))).reports(&db, &[UNVALIDATED]).await;
    let one = one.replace("Report", "Validate");
    Case::new(&db, &spec(&one)).mends(&db, &[UNVALIDATED], &[VALIDATED], &[]).await;
}

#[tokio::test]
async fn rows_are_mended_before_their_key_is_validated_in_one_plan() {
    let db = with(&format!("{NOT_VALID}; INSERT INTO logs VALUES (1, 5), (2, 9)")).await;
    let mut case = Case::new(&db, &spec("constraint: Validate, onOrphan: SetNull"));
    let steps = &[(A::SetNull, "logs.user_id", 1), VALIDATED];
    case.mends(&db, &[ORPHANS, UNVALIDATED], steps, &["- logs (2,9)", "+ logs (2,)"]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
}

#[tokio::test]
async fn nothing_is_validated_or_added_while_rows_are_only_reported_or_accepted() {
    let rows = "INSERT INTO logs VALUES (1, 5), (2, 9)";
    let db = with(&format!("{NOT_VALID}; {rows}")).await;
    let pass = Case::new(&db, &spec("constraint: Restore")).reports(&db, &[ORPHANS, UNVALIDATED]).await;
    assert!(pass.finding(R::ConstraintUnvalidated).message.contains("1 row"));
    let accept = "rules: [{table: logs, accept: {rows: 3, reason: known}}]";
    Case::new(&db, &spec(&format!("constraint: Restore, {accept}"))).reports(&db, &[UNVALIDATED]).await;
    let db = with(&format!("{GONE}; {rows}")).await;
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, {NAMED}")));
    case.reports(&db, &[ORPHANS, MISSING]).await.plans(&[]);
    assert_eq!(db.texts(KEYS).await, [""; 0]);
}

#[tokio::test]
async fn a_key_waits_with_its_rows_and_goes_with_them() {
    let db = with(&format!("{NOT_VALID}; INSERT INTO logs VALUES (1, 5), (2, 9)")).await;
    let mut case = Case::new(&db, &spec("constraint: Validate, onOrphan: SetNull"));
    case.edit(|spec| spec.references.limits.rows = 0);
    let steps = &[(A::SetNull, "logs.user_id", 1), VALIDATED];
    case.waits(&db, &[ORPHANS, UNVALIDATED], steps, &["- logs (2,9)", "+ logs (2,)"]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
}

#[tokio::test]
async fn a_key_that_is_gone_is_added_and_validated_where_the_spec_says_restore() {
    let db = with(&format!("{GONE}; INSERT INTO logs VALUES (1, 5), (2, NULL)")).await;
    for constraint in ["Report", "Validate"] {
        let mut case = Case::new(&db, &spec(&format!("constraint: {constraint}, {NAMED}")));
        case.reports(&db, &[MISSING]).await;
    }
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, {NAMED}")));
    case.mends(&db, &[MISSING], &[ADDED, VALIDATED], &[]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
    assert_eq!(case.status.references.as_ref().unwrap().checked, 1);
}

#[tokio::test]
async fn rows_of_a_key_that_is_gone_are_found_mended_and_then_vouched_for() {
    let db = with(&format!("{GONE}; INSERT INTO logs VALUES (1, 5), (2, 9)")).await;
    let mut case = Case::new(&db, &spec(&format!("onOrphan: Reassign, constraint: Restore, {NAMED}")));
    let steps = &[(A::Reassign, "logs.user_id", 1), ADDED, VALIDATED];
    case.mends(&db, &[ORPHANS, MISSING], steps, &["- logs (2,9)", "+ logs (2,1)"]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
}

#[tokio::test]
async fn a_key_on_names_that_need_quotes_is_added_exactly_there() {
    let db = with(
        "CREATE SCHEMA \"My \"\"Data\"; CREATE TABLE \"My \"\"Data\".\"select\" (id int PRIMARY KEY, \"user id\" bigint); \
         INSERT INTO \"My \"\"Data\".\"select\" VALUES (1, 5)",
    )
    .await;
    let rule = "rules: [{schema: 'My \"Data', table: select, columns: [user id], constraint: 'x\"; DROP TABLE users; --'}]";
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, {rule}")));
    let object = "My \"Data.select.user id";
    let steps = &[(A::AddConstraint, object, 0), (A::ValidateConstraint, object, 0)];
    case.mends(&db, &[MISSING], steps, &[]).await;
    let keys = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated \
                AND connamespace <> 'auth_consistency'::regnamespace";
    assert_eq!(db.texts(keys).await, ["x\"; DROP TABLE users; --"]);
}

#[tokio::test]
async fn what_cannot_be_added_is_told_when_it_is_planned() {
    let refused = [(R::ConstraintMissing, C::SchemaCompatible, Some(R::RepairUnsupported))];
    for (sql, rule, says) in [
        (GONE, "{table: logs, constraint: k}", "columns"),
        (GONE, "{table: logs, columns: [user_id], constraint: ääääääääääääääääääääääääääääääää}", "bytes"),
        (
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT k CHECK (user_id > 0))",
            "{table: logs, columns: [user_id], constraint: k}",
            "has that name",
        ),
        (
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT other REFERENCES users)",
            "{table: logs, columns: [user_id], constraint: k}",
            "the foreign key other",
        ),
        (
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int, kind text)",
            "{table: logs, columns: [user_id], constraint: k, declared: true, absent: ['0']}",
            "exceptions",
        ),
        (
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int); ALTER TABLE users DROP CONSTRAINT users_pkey",
            "{table: logs, columns: [user_id], constraint: k}",
            "unique key",
        ),
    ] {
        let db = with(sql).await;
        let mut case = Case::new(&db, &spec(&format!("constraint: Restore, rules: [{rule}]")));
        let message = case.reports(&db, &refused).await.finding(R::ConstraintMissing).message;
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn a_key_of_a_partitioned_table_is_a_person_s_to_add_in_a_quiet_hour() {
    let db = with("CREATE TABLE logs (id int, user_id int) PARTITION BY RANGE (id)").await;
    let rule = "{table: logs, columns: [user_id], constraint: k}";
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, rules: [{rule}]")));
    let refused = [(R::ConstraintMissing, C::SchemaCompatible, Some(R::RepairUnsupported))];
    let message = case.reports(&db, &refused).await.finding(R::ConstraintMissing).message;
    let run = message.split_once("choose a quiet hour and run ").unwrap_or_else(|| panic!("{message}")).1;
    db.run(run).await;
    case.check().await.consistent();
    assert_eq!(db.texts(KEYS).await, ["k true FOREIGN KEY (user_id) REFERENCES users(id)"]);
}

#[tokio::test]
async fn who_is_not_the_owner_is_told_before_and_grants_say_what_helps() {
    let db = with(&format!("{GONE}; INSERT INTO logs VALUES (1, 5)")).await;
    let owner = db.role("ALTER TABLE logs OWNER TO ROLE").await;
    let role = db.role("GRANT SELECT ON users, logs TO ROLE; GRANT INSERT, UPDATE ON users TO ROLE; GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE").await;
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, {NAMED}")));
    case.secret("db", "url", &db.url_of(&role));
    let refused = [(R::ConstraintMissing, C::SchemaCompatible, Some(R::PrivilegeMissing))];
    let message = case.reports(&db, &refused).await.finding(R::ConstraintMissing).message;
    assert!(message.contains(&owner.0) && message.contains("NOT VALID"), "{message}");
    let anywhere = auth_consistency::network::HostPolicy::unrestricted(Vec::new());
    let grants = auth_consistency::pass::grants(&case.target(), &anywhere).await.unwrap();
    // No right on the table gives that: it is said, and done by whoever may.
    let membership = format!("GRANT {} TO {};", owner.0, role.0);
    let line = grants.lines().find(|line| line.ends_with(&membership)).unwrap();
    assert!(line.starts_with("-- public.logs"), "{grants}");
    db.run(&format!("{grants}{membership}")).await;
    case.mends(&db, &[MISSING], &[ADDED, VALIDATED], &[]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
}

/// Writes an orphan when it is asked whether the work is still wanted for the `at`-th time.
struct Meanwhile<'a> {
    db: &'a Db,
    left: std::sync::atomic::AtomicI32,
    sql: &'static str,
}

impl Supervisor for Meanwhile<'_> {
    fn begin<'a>(
        &'a self,
        _: &'a [auth_consistency::api::report::StepReport],
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async {
            if self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
                if self.sql.is_empty() {
                    return Err(Fault {
                        reason: R::Progressing,
                        condition: C::Ready,
                        class: Class::Conflict,
                        message: "the resource was changed".into(),
                    });
                }
                self.db.run(self.sql).await;
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn an_orphan_that_comes_meanwhile_keeps_the_key_from_being_added() {
    let db = with(&format!("{GONE}; INSERT INTO logs VALUES (1, 5)")).await;
    let mut case = Case::new(&db, &spec(&format!("onOrphan: SetNull, constraint: Restore, {NAMED}")));
    let meanwhile = Meanwhile { db: &db, left: 1.into(), sql: "INSERT INTO logs VALUES (2, 9)" };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    pass.repaired(&[]);
    assert!(pass.finding(R::RepairFailed).message.contains("name nobody"));
    assert_eq!(db.texts(KEYS).await, [""; 0]);
    // The next pass begins with the row.
    let steps = &[(A::SetNull, "logs.user_id", 1), ADDED, VALIDATED];
    case.mends(&db, &[ORPHANS, MISSING], steps, &["- logs (2,9)", "+ logs (2,)"]).await;
}

#[tokio::test]
async fn a_run_that_stops_between_adding_and_validating_is_taken_up_by_the_next() {
    let db = with(&format!("{GONE}; INSERT INTO logs VALUES (1, 5)")).await;
    let mut case = Case::new(&db, &spec(&format!("constraint: Restore, {NAMED}")));
    let stopping = Meanwhile { db: &db, left: 2.into(), sql: "" };
    case.pass(Repairs::All, &stopping).await.repaired(&[ADDED]);
    assert_eq!(
        db.texts(KEYS).await,
        ["logs_user_id_fkey false FOREIGN KEY (user_id) REFERENCES users(id) NOT VALID"]
    );
    case.mends(&db, &[UNVALIDATED], &[VALIDATED], &[]).await;
    assert_eq!(db.texts(KEYS).await, [WHOLE]);
    assert_eq!(db.text("SELECT count(*) FROM auth_consistency.audit").await, "2");
}

#[tokio::test]
async fn a_key_that_says_valid_and_is_violated_holds_again_with_its_rows() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9)").await;
    let mut case = Case::new(&db, &spec("constraint: Restore, onOrphan: SetNull"));
    let steps = &[(A::SetNull, "logs.user_id", 1)];
    case.mends(&db, &[ORPHANS, VIOLATED], steps, &["- logs (1,9)", "+ logs (1,)"]).await;
    assert_eq!(db.refused("INSERT INTO logs VALUES (2, 9)").await, "23503");
}

#[tokio::test]
async fn a_table_in_use_is_waited_for_two_seconds_and_tried_again_later() {
    let db = with(&format!("{NOT_VALID}; INSERT INTO logs VALUES (1, 5)")).await;
    let mut other = db.another().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE logs IN SHARE UPDATE EXCLUSIVE MODE").execute(&mut other).await.unwrap();
    let mut case = Case::new(&db, &spec("constraint: Validate"));
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert_eq!(pass.finding(R::RepairFailed).condition, C::SchemaCompatible);
    assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry", "{:?}", pass.conditions());
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    case.mends(&db, &[UNVALIDATED], &[VALIDATED], &[]).await;
}

/// A case whose snapshot was taken while the foreign key said what `options` are; then the key was dropped.
async fn after_snapshot(db: &Db, references: &str) -> Case {
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    let taken = pass::snapshot(&Case::new(db, USUAL).target(), &anywhere, None, at).await.unwrap();
    db.run("ALTER TABLE logs DROP CONSTRAINT logs_user_id_fkey").await;
    let mut case =
        Case::new(db, &spec(&format!("{references}, identities: {{configMapRef: {{name: before}}}}")));
    case.config_map("before", "before.json", &taken.write().unwrap());
    case
}

const SAID: &str = "ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED";

async fn with_key(said: &str) -> Db {
    with(&format!(
        "{GONE}; ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users {said}; \
         INSERT INTO logs VALUES (1, 5), (2, NULL)"
    ))
    .await
}

#[tokio::test]
async fn a_key_that_a_snapshot_has_is_added_back_as_it_was() {
    // With a rule that names it, and without any.
    for rule in [&format!(", {NAMED}"), ""] {
        let db = with_key(SAID).await;
        let mut case = after_snapshot(&db, &format!("constraint: Restore{rule}")).await;
        let plan = case.check().await.outcome().plan.clone().unwrap();
        assert_eq!(
            plan.steps[0].message,
            format!("add the foreign key logs_user_id_fkey of logs.user_id for new rows, with {SAID}")
        );
        case.mends(&db, &[MISSING], &[ADDED, VALIDATED], &[]).await;
        assert_eq!(db.texts(KEYS).await, [format!("{WHOLE} {SAID}")]);
    }
}

#[tokio::test]
async fn a_key_that_a_snapshot_has_is_only_told_without_restore_and_the_rows_come_first_with_it() {
    let db = with_key(SAID).await;
    let mut case = after_snapshot(&db, "constraint: Validate").await;
    let told = case.reports(&db, &[MISSING]).await.finding(R::ConstraintMissing).message;
    assert!(told.contains("when the snapshot was taken") && told.contains(SAID), "{told}");
    db.run("INSERT INTO logs VALUES (3, 9)").await;
    case.edit(|spec| spec.references.constraint = OnConstraint::Restore);
    // The column is checked as if the key were there, and nobody said what to do with the row.
    case.reports(&db, &[ORPHANS, MISSING]).await.plans(&[]);
    db.run("DELETE FROM logs WHERE id = 3").await;
    case.mends(&db, &[MISSING], &[ADDED, VALIDATED], &[]).await;
    assert_eq!(db.texts(KEYS).await, [format!("{WHOLE} {SAID}")]);
}

#[tokio::test]
async fn what_a_snapshot_says_and_is_not_the_same_any_more_is_not_added() {
    // A column list for SET NULL is more than is known here: it is refused, never left out.
    let db = with_key("ON DELETE SET NULL (user_id)").await;
    let mut case = after_snapshot(&db, &format!("constraint: Restore, {NAMED}")).await;
    let refused = (R::ConstraintMissing, C::SchemaCompatible, Some(R::RepairUnsupported));
    let told = case.reports(&db, &[refused]).await.finding(R::ConstraintMissing).message;
    assert!(told.contains("ON DELETE SET NULL (user_id)") && told.contains("add it by hand"), "{told}");

    // It named another column of users than the one that is the id.
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int); ALTER TABLE users ADD number int UNIQUE; UPDATE users SET number = id").await;
    db.run("ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (number); INSERT INTO logs VALUES (1, 5)").await;
    let mut case = after_snapshot(&db, &format!("constraint: Restore, {NAMED}")).await;
    let told = case.reports(&db, &[refused]).await.finding(R::ConstraintMissing).message;
    assert!(told.contains("it referenced another column of users"), "{told}");
    case.edit(|spec| spec.references.rules.clear());
    case.reports(&db, &[MISSING]).await;

    // What became of the table or the column is the app's affair.
    for gone in ["DROP TABLE logs", "ALTER TABLE logs DROP user_id"] {
        let db = with_key("").await;
        let mut case = after_snapshot(&db, "constraint: Restore").await;
        db.run(gone).await;
        let pass = case.repair().await;
        pass.repaired(&[]).plans(&[]);
        assert!(pass.outcome().findings().iter().all(|one| one.finding == R::ConstraintMissing));
    }

    // The same columns have a key of another name, which vouches as well.
    let db = with_key("").await;
    let mut case = after_snapshot(&db, "constraint: Restore").await;
    db.run("ALTER TABLE logs ADD CONSTRAINT other FOREIGN KEY (user_id) REFERENCES users").await;
    case.check().await.consistent();
}
