//! Accounts beside the admin: kept by its rules, each by itself, in one plan.

use auth_consistency::pass::request::{Repairs, Unattended};

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::{OnMissing, PasswordPolicy},
    },
    network::HostPolicy,
    pass::{self, ScanMode},
};

use crate::support::{Case, Db, HASH, USUAL};

const ACCOUNTS: &str = "accounts:
- login: smoke@example.com
  passwordSecretRef: {name: tests, key: smoke}
  columns: [{column: role, equals: tester}]
- login: exporter@example.com
  passwordSecretRef: {name: tests, key: exporter}
  columns: [{column: role, equals: service}]
";

/// Users 1 (the admin) and 5 (ada), the next one 6.
async fn database(more: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, \
         hashed_password varchar(255) NOT NULL, role varchar NOT NULL DEFAULT 'user', \
         is_active boolean NOT NULL DEFAULT true);
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SELECT setval('users_id_seq', 5); SET session_replication_role = replica; {more}; \
         RESET session_replication_role;"
    ))
    .await
}

/// The accounts as they should be, with the ids 6 and 7.
fn there() -> String {
    format!(
        "INSERT INTO users VALUES (6, 'exporter@example.com', '{HASH}', 'service'), \
         (7, 'smoke@example.com', '{HASH}', 'tester'); SELECT setval('users_id_seq', 7)"
    )
}

fn case(db: &Db) -> Case {
    let mut case = Case::new(db, &format!("{USUAL}{ACCOUNTS}"));
    case.secret("tests", "smoke", "canary of the smoke test");
    case.secret("tests", "exporter", "canary of the exporter");
    case
}

fn give_ids(case: &mut Case, smoke: &str, exporter: &str) {
    case.edit(|spec| {
        spec.accounts[0].id = Some(smoke.into());
        spec.accounts[1].id = Some(exporter.into());
    });
}

const MISSING: (R, C, Option<R>) = (R::AccountMissing, C::AdminConsistent, None);
const DIFFERS: (R, C, Option<R>) = (R::AdminIdDiffers, C::AdminConsistent, None);
const CLAIMED: (R, C, Option<R>) = (R::AdminIdClaimed, C::AdminConsistent, None);
const SEED: (A, &str, i64) = (A::Seed, "users", 1);

#[tokio::test]
async fn missing_accounts_are_seeded_once_each_with_the_next_id_and_nothing_else_changes() {
    let db = database("SELECT").await;
    let mut case = case(&db);
    let changes =
        &["+ users (6,exporter@example.com,HASH,service,t)", "+ users (7,smoke@example.com,HASH,tester,t)"];
    let pass = case.mends(&db, &[MISSING, MISSING], &[SEED, SEED], changes).await;
    let status = &pass.status;
    let shown: Vec<_> = status
        .accounts
        .iter()
        .map(|one| {
            (one.login.as_str(), one.id.as_deref(), one.seeded_time.is_some(), one.reset_time.is_some())
        })
        .collect();
    let expected =
        [("exporter@example.com", Some("6"), true, false), ("smoke@example.com", Some("7"), true, false)];
    assert_eq!(shown, expected);
    assert_eq!(status.admin.as_ref().map(|admin| admin.seeded_time.is_some()), Some(false));
    let condition = status.conditions.iter().find(|one| one.type_ == "AdminConsistent").unwrap();
    assert_eq!(condition.message, "the admin and 2 accounts beside it are what the spec says");
    let report = pass.report.as_ref().unwrap();
    assert_eq!(
        report.accounts.iter().map(|one| one.login.as_str()).collect::<Vec<_>>(),
        expected.map(|one| one.0)
    );
    let about = |object: &str| object.split(" with its password as ").next().unwrap().to_owned();
    let told: Vec<_> = status.history.iter().map(|one| (one.action, about(&one.object))).collect();
    let told: Vec<_> = told.iter().map(|(action, object)| (*action, object.as_str())).collect();
    assert_eq!(told, [(A::Seed, "users for smoke@example.com"), (A::Seed, "users for exporter@example.com")]);
    // Each has its own Secret's password.
    case.edit(|spec| spec.accounts.iter_mut().for_each(|one| one.password_policy = PasswordPolicy::Always));
    let pass = case.check().await;
    pass.consistent();
    let matches = pass.report.unwrap().accounts.iter().map(|one| one.password_matches).collect::<Vec<_>>();
    assert_eq!(matches, [Some(true), Some(true)]);
}

#[tokio::test]
async fn a_resource_without_an_admin_keeps_its_accounts_and_says_so() {
    let db = database("SELECT").await;
    let mut case = case(&db);
    case.edit(|spec| spec.admin = None);
    let pass = case.repair().await;
    pass.consistent().repaired(&[SEED, SEED]);
    assert_eq!(pass.status.admin, None);
    assert!(pass.conditions().contains(&"AdminConsistent=True Consistent".into()));
    case.settled(&db).await;
}

#[tokio::test]
async fn the_admin_and_accounts_that_are_all_missing_are_seeded_above_what_rows_name() {
    let db = database("DELETE FROM users WHERE id = 1; INSERT INTO logs VALUES (1, 41)").await;
    let mut case = case(&db);
    let before = db.snapshot().await;
    case.repair().await.repaired(&[(A::AdvanceSequence, "users_id_seq", 0), SEED, SEED, SEED]);
    assert_eq!(
        db.changes(&before).await,
        [
            "+ users (42,admin@example.com,HASH,admin,t)",
            "+ users (43,exporter@example.com,HASH,service,t)",
            "+ users (44,smoke@example.com,HASH,tester,t)",
        ]
    );
    case.settled(&db).await;
}

#[tokio::test]
async fn an_account_that_drifted_is_put_right_and_the_others_are_left_alone() {
    let db = database(&there()).await;
    db.run("UPDATE users SET role = 'user', is_active = false WHERE id = 6").await;
    let drifted = &[(R::AccountDrifted, C::AdminConsistent, None)];
    let mut case = case(&db);
    let check = case.check().await;
    let says = "the account \"exporter@example.com\" is not active (is_active) and lacks what the spec says of it (role)";
    assert_eq!(check.finding(R::AccountDrifted).message, says);
    let step = check.status.plan.unwrap().steps.remove(0);
    assert_eq!(step.account.as_deref(), Some("exporter@example.com"));
    let changes =
        &["- users (6,exporter@example.com,HASH,user,f)", "+ users (6,exporter@example.com,HASH,service,t)"];
    case.mends(&db, drifted, &[(A::Correct, "users (is_active, role)", 1)], changes).await;
    assert_eq!(db.text("SELECT hashed_password FROM users WHERE id = 6").await, HASH);
}

#[tokio::test]
async fn accounts_move_to_their_ids_with_the_rows_of_each() {
    let db = database(&format!("{}; INSERT INTO logs VALUES (1, 6), (2, 7), (3, 7), (4, 5)", there())).await;
    let mut case = case(&db);
    give_ids(&mut case, "3", "2");
    let changes = &[
        "- logs (1,6)",
        "- logs (2,7)",
        "- logs (3,7)",
        "+ logs (1,2)",
        "+ logs (2,3)",
        "+ logs (3,3)",
        "- users (6,exporter@example.com,HASH,service,t)",
        "- users (7,smoke@example.com,HASH,tester,t)",
        "+ users (2,exporter@example.com,HASH,service,t)",
        "+ users (3,smoke@example.com,HASH,tester,t)",
    ];
    case.mends(&db, &[DIFFERS, DIFFERS], &[(A::MoveId, "users", 2), (A::MoveId, "users", 3)], changes).await;
}

#[tokio::test]
async fn ids_that_rows_of_nobody_name_wait_for_approval_and_the_rest_does_not() {
    let db = database(&format!("{}; INSERT INTO logs VALUES (1, 3), (2, 3), (3, 7)", there())).await;
    db.run("DELETE FROM users WHERE id = 6; ALTER TABLE logs DROP CONSTRAINT logs_user_id_fkey").await;
    let mut case = case(&db);
    case.edit(|spec| {
        let rules =
            "rules: [{table: logs, columns: [user_id], declared: true, accept: {rows: 9, reason: known}}]";
        spec.references = serde_saphyr::from_str(rules).unwrap();
        spec.accounts[0].id = Some("3".into());
    });
    // The one is seeded at once; the other is to have an id that two rows name.
    let before = db.snapshot().await;
    case.repair().await.repaired(&[SEED]);
    assert_eq!(db.changes(&before).await, ["+ users (8,exporter@example.com,HASH,service,t)"]);
    let changes = &[
        "- logs (3,7)",
        "+ logs (3,3)",
        "- users (7,smoke@example.com,HASH,tester,t)",
        "+ users (3,smoke@example.com,HASH,tester,t)",
    ];
    let pass = case.waits(&db, &[CLAIMED], &[(A::MoveId, "users", 2)], changes).await;
    pass.consistent();
}

#[tokio::test]
async fn ids_of_accounts_are_never_swapped_and_never_the_admins() {
    let db = database(&there()).await;
    let mut case = case(&db);
    give_ids(&mut case, "6", "7");
    let pass = case.reports(&db, &[CLAIMED, CLAIMED]).await;
    assert_eq!(&pass.conditions()[..2], ["Ready=False AdminIdClaimed", "Stalled=True AdminIdClaimed"]);
    case.edit(|spec| {
        spec.accounts[0].id = Some("1".into());
        spec.accounts[1].id = None;
    });
    let pass = case.reports(&db, &[CLAIMED]).await;
    let message = pass.finding(R::AdminIdClaimed).message;
    assert!(
        message.starts_with("the account \"smoke@example.com\" has the id 7 and spec.accounts[0].id says 1")
    );
}

#[tokio::test]
async fn a_new_account_does_not_draw_the_id_that_the_spec_gives_to_another() {
    let db = database("SELECT").await;
    let mut case = case(&db);
    case.edit(|spec| spec.accounts[0].id = Some("6".into()));
    let before = db.snapshot().await;
    // The sequence goes above it first, so that it is not left behind.
    case.repair().await.consistent().repaired(&[(A::AdvanceSequence, "users_id_seq", 0), SEED, SEED]);
    assert_eq!(
        db.changes(&before).await,
        ["+ users (6,smoke@example.com,HASH,tester,t)", "+ users (7,exporter@example.com,HASH,service,t)"]
    );
    case.settled(&db).await;
    assert_eq!(db.text("SELECT nextval('users_id_seq')").await, "8");
}

#[tokio::test]
async fn passwords_that_differ_are_written_under_the_policy_always_and_equal_ones_never() {
    let db = database(&there()).await;
    let mut case = case(&db);
    case.check().await.consistent();
    case.edit(|spec| spec.accounts[1].password_policy = PasswordPolicy::Always);
    let differs = &[(R::AdminPasswordDiffers, C::AdminConsistent, None)];
    let changes = &[
        "- users (6,exporter@example.com,HASH,service,t)",
        "+ users (6,exporter@example.com,HASH,service,t)",
    ];
    let pass = case.mends(&db, differs, &[(A::Reset, "users.hashed_password", 1)], changes).await;
    let reset: Vec<bool> = pass.status.accounts.iter().map(|one| one.reset_time.is_some()).collect();
    assert_eq!(reset, [true, false]);
    assert_eq!(db.text("SELECT hashed_password FROM users WHERE id = 7").await, HASH);
    // Both are compared now; one does not displace what is remembered of the other.
    case.edit(|spec| spec.accounts[0].password_policy = PasswordPolicy::Always);
    case.repair().await.consistent().repaired(&[(A::Reset, "users.hashed_password", 1)]);
    case.settled(&db).await;
    let stored = case.status.clone();
    case.secret("tests", "exporter", "another canary of the exporter");
    let pass = case.repair().await;
    pass.consistent().repaired(&[(A::Reset, "users.hashed_password", 1)]);
    assert_eq!(pass.status.accounts[1], stored.accounts[1]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_reset_at_the_command_line_touches_the_admin_alone() {
    let db = database("UPDATE users SET role = 'user' WHERE id = 1").await;
    let mut case = case(&db);
    case.requests.reset = Some("now".into());
    let before = db.snapshot().await;
    let pass = case.pass(Repairs::Admin, &Unattended).await;
    pass.repaired(&[(A::Correct, "users.role", 1), (A::Reset, "users.hashed_password", 1)]);
    assert_eq!(
        db.changes(&before).await,
        ["- users (1,admin@example.com,HASH,user,t)", "+ users (1,admin@example.com,HASH,admin,t)"]
    );
    pass.found(&[MISSING, MISSING]);
}

#[tokio::test]
async fn look_alikes_of_an_account_are_for_a_person() {
    let db = database(&there()).await;
    db.run(&format!(
        "INSERT INTO users (email, hashed_password) VALUES ('\u{feff}Smoke@example.com', '{HASH}')"
    ))
    .await;
    let mut case = case(&db);
    let pass = case.reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
    let message = pass.finding(R::AdminAmbiguous).message;
    assert!(message.contains(" has the login \"smoke@example.com\", and account "), "{message}");
    db.run("DELETE FROM users WHERE id = 7").await;
    case.reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
}

#[tokio::test]
async fn logins_that_the_column_takes_for_one_are_seeded_once() {
    let db = database("SELECT").await;
    db.run("CREATE EXTENSION citext; ALTER TABLE users ALTER email TYPE citext").await;
    let mut case = case(&db);
    case.edit(|spec| spec.accounts[1].login = "Smoke@Example.com".into());
    let before = db.snapshot().await;
    let ambiguous = (R::AdminAmbiguous, C::AdminConsistent, None);
    case.repair().await.repaired(&[SEED]).found(&[ambiguous]);
    assert_eq!(db.changes(&before).await.len(), 1);
    case.settled(&db).await;
}

#[tokio::test]
async fn an_accounts_own_columns_fill_what_may_not_be_null() {
    let db = database("ALTER TABLE users ADD tenant int; UPDATE users SET tenant = 1; ALTER TABLE users ALTER tenant SET NOT NULL").await;
    let mut case = case(&db);
    case.edit(|spec| {
        let tenant = serde_saphyr::from_str("{column: tenant, equals: '5'}").unwrap();
        spec.accounts[1].columns.push(tenant);
    });
    let before = db.snapshot().await;
    let blocked = (R::AccountMissing, C::AdminConsistent, Some(R::SpecInvalid));
    let pass = case.repair().await;
    pass.repaired(&[SEED]).found(&[blocked]);
    assert_eq!(db.changes(&before).await, ["+ users (6,exporter@example.com,HASH,service,t,5)"]);
    let message = pass.finding(R::AccountMissing).message;
    assert!(
        message.contains("\"tenant\"") && message.contains("put this into spec.accounts[0], with"),
        "{message}"
    );
}

#[tokio::test]
async fn a_column_of_an_account_that_is_not_there_is_told_with_its_field() {
    let db = database(&there()).await;
    let mut case = case(&db);
    case.edit(|spec| spec.accounts[1].columns[0].column = "rank".into());
    let pass = case.reports(&db, &[(R::ColumnMissing, C::SchemaCompatible, None)]).await;
    assert!(pass.finding(R::ColumnMissing).message.contains("spec.accounts[1].columns"));
}

#[tokio::test]
async fn what_the_spec_says_of_accounts_is_checked_again() {
    let db = database("SELECT").await;
    let mut case = case(&db);
    case.edit(|spec| {
        spec.admin.as_mut().unwrap().id = Some("1".into());
        spec.accounts[0].id = Some("1".into());
        spec.accounts[1].login = "admin@example.com".into();
        let mut third = spec.accounts[0].clone();
        (third.login, third.id) = (" spaced@example.com".into(), None);
        third.password_secret_ref = None;
        spec.accounts.push(third);
    });
    let errors: Vec<String> = case.errors().into_iter().map(|error| error.message).collect();
    assert_eq!(
        errors,
        [
            "spec.accounts[0].id: spec.admin has it too",
            "spec.accounts[1].login: spec.admin has it too",
            "spec.accounts[2].login: remove the spaces around it",
            "spec.accounts[2].passwordSecretRef: set it, or onMissing to Report and passwordPolicy to OnSeed",
        ]
    );
}

#[tokio::test]
async fn a_secret_of_an_account_that_is_missing_means_wait_and_change_nothing() {
    let db = database("DELETE FROM users WHERE id = 1").await;
    let mut case = case(&db);
    case.no_secret("tests", "exporter", R::SecretMissing);
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    let message = &pass.fault().message;
    assert!(
        message.contains("spec.accounts[1].passwordSecretRef: Secret \\\"tests\\\" is not there"),
        "{message}"
    );
    assert_eq!(db.fingerprint().await, before);
    let told = pass.status.conditions.iter().find(|one| one.type_ == "AdminConsistent").unwrap();
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("Unknown", "SecretMissing"));
}

#[tokio::test]
async fn the_grants_that_keep_the_admin_keep_the_accounts() {
    let db = database("SELECT").await;
    let role = db.role("REVOKE ALL ON SCHEMA public FROM PUBLIC").await;
    let mut case = case(&db);
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let grants = pass::grants(&case.target(), &anywhere).await.unwrap();
    let mut alone = Case::new(&db, USUAL);
    assert_eq!(grants, pass::grants(&alone.target(), &anywhere).await.unwrap());
    alone.check().await.consistent();
    db.run(&grants.replace("postgres;", &format!("{};", role.0))).await;
    case.secret("db", "url", &db.url_of(&role));
    case.repair().await.consistent().repaired(&[SEED, SEED]);
    case.settled(&db).await;
}

#[tokio::test]
async fn an_account_that_the_database_refuses_keeps_neither_the_admin_nor_rows_from_being_mended() {
    let db = database(
        "INSERT INTO logs VALUES (1, 41); UPDATE users SET role = 'user' WHERE id = 1; \
         ALTER TABLE users ADD CONSTRAINT roles CHECK (role IN ('user', 'admin', 'service'))",
    )
    .await;
    let mut case = case(&db);
    case.edit(|spec| {
        spec.references =
            serde_saphyr::from_str("{onOrphan: Reassign, limits: {rows: 10, percent: 100}}").unwrap();
    });
    let before = db.snapshot().await;
    let pass = case.repair().await;
    assert_eq!(
        db.changes(&before).await,
        [
            "- logs (1,41)",
            "+ logs (1,1)",
            "- users (1,admin@example.com,HASH,user,t)",
            "+ users (1,admin@example.com,HASH,admin,t)",
            "+ users (42,exporter@example.com,HASH,service,t)",
        ]
    );
    pass.found(&[(R::RepairFailed, C::AdminConsistent, None), MISSING]);
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.contains("smoke@example.com") && message.contains("\"roles\""), "{message}");
    // Nothing else is done again.
    let before = db.snapshot().await;
    case.repair().await.repaired(&[]);
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn a_look_by_counters_sees_an_account_that_is_gone_or_gets_a_double() {
    let db = database(&there()).await;
    let mut case = case(&db);
    case.look = ScanMode::Incremental;
    case.repair().await.consistent();
    case.settled(&db).await;
    case.edit(|spec| spec.accounts[0].on_missing = OnMissing::Report);
    case.repair().await.consistent();
    db.run("DELETE FROM users WHERE id = 7").await;
    let pass = case.repair().await;
    pass.repaired(&[]).found(&[MISSING]);
    assert!(pass.finding(R::AccountMissing).message.ends_with("set spec.accounts[0].onMissing to Seed"));
    db.run(&format!("INSERT INTO users VALUES (7, 'smoke@example.com', '{HASH}', 'tester')")).await;
    case.repair().await.consistent();
    // The server counts up to a minute late; where it has not counted yet, the login itself is looked for.
    db.counted("UPDATE users SET email = 'SMOKE@example.com' WHERE id = 7").await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    let found = pass.outcome().findings();
    assert!(
        found.iter().any(|one| matches!(one.finding, R::AdminAmbiguous | R::AccountMissing)),
        "{found:#?}"
    );
}
