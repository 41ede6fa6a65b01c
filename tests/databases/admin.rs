//! The admin is there and works.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL};

const ADA: &str = "'ada@example.com', '$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG'";

/// A FastAPI app's table whose ids come as `id` says, with one user.
fn users(id: &str, first: &str) -> String {
    let (column, value) = if first.is_empty() { ("", String::new()) } else { ("id, ", format!("{first}, ")) };
    format!(
        "CREATE TABLE users (id {id} PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, \
         hashed_password varchar(255) NOT NULL, role varchar NOT NULL DEFAULT 'user', \
         is_active boolean NOT NULL DEFAULT true, note text);
         INSERT INTO users ({column}email, hashed_password) VALUES ({value}{ADA});"
    )
}

/// The same with an admin whose row ends in `rest`: hash, role, is_active.
fn with_admin(rest: &str) -> String {
    format!(
        "{} INSERT INTO users (email, hashed_password, role, is_active) VALUES ('admin@example.com', {rest});",
        users("serial", "")
    )
}

const MISSING: &[(R, C, Option<R>)] = &[(R::AdminMissing, C::AdminConsistent, None)];
const SEED: &[(A, &str, i64)] = &[(A::Seed, "users", 1)];

#[tokio::test]
async fn a_missing_admin_is_seeded_with_the_next_id_of_a_serial_column() {
    let db = Db::new(&users("serial", "")).await;
    let mut case = Case::new(&db, USUAL);
    let check = case.check().await;
    check.shows(&[
        "Ready=False AdminMissing",
        "Stalled=True AdminMissing",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=True Compatible",
        "AdminConsistent=False AdminMissing",
        "ReferencesConsistent=True Consistent",
    ]);
    let pass = case.mends(&db, MISSING, SEED, &["+ users (2,admin@example.com,HASH,admin,t,)"]).await;
    let admin = pass.status.admin.clone().unwrap();
    assert_eq!((admin.id.as_deref(), admin.seeded_time.is_some()), (Some("2"), true));
    assert_eq!(pass.status.history.len(), 1);
    case.compare_password = true;
    assert_eq!(case.check().await.outcome().admin.as_ref().unwrap().password_matches, Some(true));
    let cost = db.text("SELECT left(hashed_password, 7) FROM users WHERE id = 2").await;
    assert_eq!(cost, "$2b$10$", "a new hash takes over the cost of the app's own, and never less than 10");
}

#[tokio::test]
async fn a_missing_admin_is_seeded_where_ids_are_always_generated() {
    let db = Db::new(&users("bigint GENERATED ALWAYS AS IDENTITY", "")).await;
    Case::new(&db, USUAL).mends(&db, MISSING, SEED, &["+ users (2,admin@example.com,HASH,admin,t,)"]).await;
}

#[tokio::test]
async fn a_missing_admin_gets_the_id_that_the_spec_says_though_ids_are_always_generated() {
    let db = Db::new(&users("bigint GENERATED ALWAYS AS IDENTITY (START 100)", "")).await;
    let mut case = Case::new(&db, &format!("{USUAL}  id: '1'\n"));
    case.mends(&db, MISSING, SEED, &["+ users (1,admin@example.com,HASH,admin,t,)"]).await;
}

#[tokio::test]
async fn a_missing_admin_is_seeded_where_the_default_is_a_random_uuid() {
    let db = Db::new(&users("uuid DEFAULT gen_random_uuid()", "")).await;
    let mut case = Case::new(&db, USUAL);
    case.repair().await.consistent().repaired(SEED);
    assert_eq!(db.text("SELECT count(*) FROM users WHERE role = 'admin'").await, "1");
    case.settled(&db).await;
}

#[tokio::test]
async fn a_missing_admin_is_seeded_where_the_app_makes_the_uuids() {
    let db = Db::new(&users("uuid", "'00000000-0000-4000-8000-000000000001'")).await;
    let mut case = Case::new(&db, USUAL);
    case.repair().await.consistent().repaired(SEED);
    assert_eq!(db.text("SELECT substr(id::text, 15, 1) FROM users WHERE role = 'admin'").await, "4");
    case.settled(&db).await;
}

#[tokio::test]
async fn a_missing_admin_is_seeded_above_every_id_where_the_app_counts_them() {
    let sql = format!(
        "{} CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); \
         SET session_replication_role = replica; INSERT INTO logs VALUES (1, 41); RESET session_replication_role;",
        users("int", "7")
    );
    let db = Db::new(&sql).await;
    let mut case = Case::new(&db, USUAL);
    let found = &[
        (R::AdminMissing, C::AdminConsistent, None),
        (R::OrphanRows, C::ReferencesConsistent, None),
        (R::ConstraintViolated, C::SchemaCompatible, None),
    ];
    let changes = &["+ users (42,admin@example.com,HASH,admin,t,)"];
    case.mends_first(&db, found, SEED, changes).await.found(&found[1..]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_missing_admin_with_a_text_key_is_seeded_with_the_id_of_the_spec() {
    let db = Db::new(&users("text", "'u-1'")).await;
    let mut case = Case::new(&db, USUAL);
    case.reports(&db, &[(R::AdminMissing, C::AdminConsistent, Some(R::SpecInvalid))]).await;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("u-root".into()));
    case.mends(&db, MISSING, SEED, &["+ users (u-root,admin@example.com,HASH,admin,t,)"]).await;
}

#[tokio::test]
async fn an_id_that_the_column_cannot_hold_is_told() {
    let db = Db::new(&users("serial", "")).await;
    let mut case = Case::new(&db, &format!("{USUAL}  id: 'root'\n"));
    let pass = case.reports(&db, &[(R::AdminMissing, C::AdminConsistent, Some(R::SpecInvalid))]).await;
    assert!(pass.finding(R::AdminMissing).message.contains("\"root\" is no integer"));
}

#[tokio::test]
async fn a_missing_admin_is_only_reported_when_the_spec_says_so() {
    let db = Db::new(&users("serial", "")).await;
    let mut case = Case::new(&db, &format!("{USUAL}  onMissing: Report\n"));
    case.reports(&db, MISSING).await;
}

#[tokio::test]
async fn nothing_is_written_in_observe_mode_and_the_verdict_is_the_same() {
    let db = Db::new(&users("serial", "")).await;
    let mut case = Case::new(&db, &format!("mode: Observe\n{USUAL}"));
    let pass = case.reports(&db, MISSING).await;
    pass.plans(&[(A::Seed, "users", 1, false)]);
    assert_eq!(&pass.conditions()[..2], ["Ready=False AdminMissing", "Stalled=True AdminMissing"]);
}

#[tokio::test]
async fn a_not_null_column_that_nobody_fills_is_named_with_the_field() {
    let db = Db::new(&format!("{} ALTER TABLE users ADD tenant int NOT NULL DEFAULT 1; ALTER TABLE users ALTER tenant DROP DEFAULT;", users("serial", ""))).await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.reports(&db, &[(R::AdminMissing, C::AdminConsistent, Some(R::SpecInvalid))]).await;
    let message = pass.finding(R::AdminMissing).message;
    assert!(
        message.contains("\"tenant\"") && message.contains("put this into spec.admin, with"),
        "{message}"
    );
    case.edit(|spec| {
        let column = serde_saphyr::from_str("{column: tenant, equals: '5'}").unwrap();
        spec.admin.as_mut().unwrap().columns.push(column);
    });
    case.mends(&db, MISSING, SEED, &["+ users (2,admin@example.com,HASH,admin,t,,5)"]).await;
}

#[tokio::test]
async fn a_password_that_bcrypt_would_cut_off_is_never_stored() {
    let db = Db::new(&users("serial", "")).await;
    let mut case = Case::new(&db, USUAL);
    case.secret("admin", "password", &"p4ssw0rd".repeat(10));
    let pass =
        case.reports(&db, &[(R::AdminMissing, C::AdminConsistent, Some(R::AdminPasswordUnusable))]).await;
    assert!(pass.finding(R::AdminMissing).message.contains("80 bytes"));
    assert_eq!(pass.conditions()[0], "Ready=False AdminPasswordUnusable");
}

#[tokio::test]
async fn a_password_that_bcrypt_would_cut_off_cannot_be_kept_equal() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'admin', true"))).await;
    let mut case = Case::new(&db, &format!("{USUAL}  passwordPolicy: Always\n"));
    case.secret("admin", "password", &"p4ssw0rd".repeat(10));
    let unusable = (R::AdminPasswordUnusable, C::AdminConsistent, Some(R::AdminPasswordUnusable));
    case.reports(&db, &[unusable]).await;
}

#[tokio::test]
async fn a_password_that_differs_is_written_only_under_the_policy_always() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'admin', true"))).await;
    let mut case = Case::new(&db, USUAL);
    case.secret("admin", "password", "another canary");
    case.check().await.consistent();
    case.settled(&db).await;
    case.edit(|spec| {
        spec.admin.as_mut().unwrap().password_policy = serde_saphyr::from_str("Always").unwrap()
    });
    let differs = &[(R::AdminPasswordDiffers, C::AdminConsistent, None)];
    let changes =
        &["- users (2,admin@example.com,HASH,admin,t,)", "+ users (2,admin@example.com,HASH,admin,t,)"];
    let pass = case.mends(&db, differs, &[(A::Reset, "users.hashed_password", 1)], changes).await;
    assert_eq!(pass.outcome().admin.as_ref().unwrap().password_matches, Some(true));
    assert!(pass.status.admin.as_ref().unwrap().reset_time.is_some());
}

#[tokio::test]
async fn an_equal_password_is_never_rewritten() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'admin', true"))).await;
    let mut case = Case::new(&db, &format!("{USUAL}  passwordPolicy: Always\n"));
    case.repair().await.consistent().repaired(&[]);
    case.settled(&db).await;
    assert_eq!(db.text("SELECT hashed_password FROM users WHERE id = 2").await, HASH);
}

#[tokio::test]
async fn a_reset_is_done_once_per_token() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'user', false"))).await;
    let mut case = Case::new(&db, &format!("{USUAL}  onDrift: Report\n"));
    case.secret("admin", "password", "another canary");
    case.reports(&db, &[(R::AdminDrifted, C::AdminConsistent, None)]).await;
    case.requests.reset = Some("monday".into());
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.consistent().repaired(&[(A::Reset, "users.hashed_password", 1)]);
    assert_eq!(pass.status.last_handled_reset_admin.as_deref(), Some("monday"));
    let changes =
        ["- users (2,admin@example.com,HASH,user,f,)", "+ users (2,admin@example.com,HASH,admin,t,)"];
    assert_eq!(db.changes(&before).await, changes);
    case.settled(&db).await;
    // A crash before the status was written: the database remembers that the token was handled.
    case.status.last_handled_reset_admin = None;
    let status = case.repair().await.status;
    assert_eq!(status.last_handled_reset_admin.as_deref(), Some("monday"));
    case.requests.reset = Some("tuesday".into());
    case.repair().await.consistent().repaired(&[(A::Reset, "users.hashed_password", 1)]);
}

#[tokio::test]
async fn a_reset_of_an_admin_who_is_not_there_seeds_it_once() {
    let db = Db::new(&users("serial", "")).await;
    let mut case = Case::new(&db, &format!("{USUAL}  onMissing: Report\n"));
    case.requests.reset = Some("monday".into());
    let pass = case.repair().await;
    pass.consistent().repaired(SEED);
    assert_eq!(pass.status.last_handled_reset_admin.as_deref(), Some("monday"));
    case.settled(&db).await;
    db.run("DELETE FROM users WHERE role = 'admin'").await;
    case.repair().await.found(MISSING).repaired(&[]);
}

#[tokio::test]
async fn a_hash_that_the_app_cannot_read_is_told_and_mended_by_a_reset() {
    let db = Db::new(&with_admin("'pbkdf2_sha256$600000$abc$def', 'admin', true")).await;
    let mut case = Case::new(&db, USUAL);
    let foreign = &[(R::PasswordHashForeign, C::AdminConsistent, None)];
    case.reports(&db, foreign).await;
    case.requests.reset = Some("now".into());
    let changes = &[
        "- users (2,admin@example.com,pbkdf2_sha256$600000$abc$def,admin,t,)",
        "+ users (2,admin@example.com,HASH,admin,t,)",
    ];
    case.mends(&db, foreign, &[(A::Reset, "users.hashed_password", 1)], changes).await;
}

#[tokio::test]
async fn an_admin_who_is_inactive_and_no_admin_is_put_right() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'user', false"))).await;
    let changes =
        &["- users (2,admin@example.com,HASH,user,f,)", "+ users (2,admin@example.com,HASH,admin,t,)"];
    let steps = &[(A::Correct, "users (is_active, role)", 1)];
    let drifted = &[(R::AdminDrifted, C::AdminConsistent, None)];
    Case::new(&db, USUAL).mends(&db, drifted, steps, changes).await;
    assert_eq!(db.text("SELECT hashed_password FROM users WHERE id = 2").await, HASH);
}

#[tokio::test]
async fn a_condition_of_null_is_kept_too() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'admin', true"))).await;
    db.run("UPDATE users SET note = 'gone'").await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| {
        spec.users.active_when = Some(serde_saphyr::from_str("[{column: note, isNull: true}]").unwrap());
    });
    let changes =
        &["- users (2,admin@example.com,HASH,admin,t,gone)", "+ users (2,admin@example.com,HASH,admin,t,)"];
    let drifted = &[(R::AdminDrifted, C::AdminConsistent, None)];
    case.mends(&db, drifted, &[(A::Correct, "users.note", 1)], changes).await;
}

#[tokio::test]
async fn two_accounts_that_could_be_the_admin_are_for_a_person() {
    for other in ["Admin@Example.com", " admin@example.com "] {
        let db = Db::new(&with_admin(&format!("'{HASH}', 'user', true"))).await;
        db.run(&format!("INSERT INTO users (email, hashed_password) VALUES ('{other}', '{HASH}')")).await;
        let mut case = Case::new(&db, &format!("{USUAL}  passwordPolicy: Always\n"));
        case.requests.reset = Some("now".into());
        case.secret("admin", "password", "another canary");
        case.reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
    }
}

#[tokio::test]
async fn one_look_alike_alone_is_not_taken_for_the_admin() {
    let db = Db::new(&users("serial", "")).await;
    db.run("UPDATE users SET email = 'ADMIN@example.com'").await;
    Case::new(&db, USUAL).reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
}

#[tokio::test]
async fn a_login_that_is_there_twice_is_for_a_person() {
    let db = Db::new(&with_admin(&format!("'{HASH}', 'admin', true"))).await;
    db.run(&format!(
        "ALTER TABLE users DROP CONSTRAINT users_email_key; \
         INSERT INTO users (email, hashed_password) VALUES ('admin@example.com', '{HASH}')"
    ))
    .await;
    Case::new(&db, USUAL).reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
}

#[tokio::test]
async fn an_empty_table_gets_its_admin() {
    let db = Db::new(&format!("{} DELETE FROM users;", users("serial", ""))).await;
    let changes = &["+ users (2,admin@example.com,HASH,admin,t,)"];
    Case::new(&db, USUAL).mends(&db, MISSING, SEED, changes).await;
}

#[tokio::test]
async fn argon2id_is_stored_where_the_app_reads_it() {
    let db = Db::new(&format!("{} UPDATE users SET hashed_password = '';", users("serial", ""))).await;
    let mut case = Case::new(&db, &USUAL.replace("FastAPI", "FastAPI, passwordHash: Argon2id"));
    case.repair().await.consistent().repaired(SEED);
    assert_eq!(db.text("SELECT left(hashed_password, 10) FROM users WHERE id = 2").await, "$argon2id$");
    case.compare_password = true;
    let pass = case.check().await;
    assert_eq!(pass.outcome().admin.as_ref().unwrap().password_matches, Some(true));
    assert_eq!(case.target().admin.map(|admin| admin.login), Some("admin@example.com".into()));
}
