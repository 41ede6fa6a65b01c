//! What repairs took is listed, shown and kept, until somebody says that it may go.

use auth_consistency::engine::{PurgeFilter, QuarantineEntry, QuarantineRows, RowsQuery};
use auth_consistency::{
    api::{condition::Reason as R, report::Action as A},
    network::HostPolicy,
    pass,
};
use jiff::Timestamp;

use crate::support::{Case, Db, HASH, USUAL};

/// Three orphans, and an admin who lost his role.
async fn orphans() -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int, note text);
         INSERT INTO logs VALUES (1, 9, 'private'), (2, 9, NULL), (3, 8, 'x'), (4, 5, 'y')"
    ))
    .await
}

fn spec(more: &str) -> String {
    format!(
        "{USUAL}references: {{onOrphan: Delete, limits: {{rows: 100, percent: 100}}, \
         rules: [{{table: logs, columns: [user_id], declared: true}}]}}\n{more}"
    )
}

fn anywhere() -> HostPolicy {
    HostPolicy::unrestricted(Vec::new())
}

async fn kept(case: &Case) -> Vec<QuarantineEntry> {
    pass::inventory(&case.target(), &anywhere()).await.unwrap()
}

async fn show(case: &Case, run: &str, all_columns: bool, limit: i64) -> Vec<QuarantineRows> {
    let wanted = RowsQuery { run: run.into(), table: None, all_columns, limit, identity: None };
    pass::quarantine_rows(&case.target(), &anywhere(), &wanted).await.unwrap()
}

async fn purge(case: &Case, which: &PurgeFilter, identity: Option<&str>, really: bool) -> Vec<(String, i64)> {
    let now = really.then(|| Timestamp::from_second(1_860_000_000).unwrap());
    let purged = pass::purge(&case.target(), &anywhere(), which, identity, now).await.unwrap();
    purged.into_iter().map(|(object, rows)| (object.describe(), rows)).collect()
}

#[tokio::test]
async fn a_password_hash_is_hidden_in_whatever_column_a_kept_row_has_it() {
    let db = orphans().await;
    db.run(&format!(
        "ALTER TABLE logs ADD body jsonb, ADD words text[], ADD raw bytea, ADD was users, ADD code char(80);
         UPDATE logs SET note = '{HASH}', body = jsonb_build_object('old', '{HASH}'), words = ARRAY['x', '{HASH}'], \
           raw = convert_to('{HASH}', 'UTF8'), was = ROW(9, 'gone@example.com', '{HASH}', 'user', true)::users, code = '{HASH}' \
           WHERE id = 1;
         UPDATE logs SET note = 'said: {HASH}.', body = '{{\"kind\": \"plain\"}}' WHERE id = 2"
    ))
    .await;
    let mut case = Case::new(&db, &spec(""));
    case.repair().await.consistent();
    let run = kept(&case).await[0].run.clone();
    let shown = show(&case, &run, true, 100).await;
    let all = format!("{shown:?}");
    assert!(!all.contains("$2b$") && !all.contains(&HASH[8..]) && !all.contains("2432622430"), "{all}");
    // By the row's own key.
    let of = |row: usize, name: &str| {
        let column = |name: &str| shown[0].columns.iter().position(|column| column == name).unwrap();
        let number = (row + 1).to_string();
        let found = shown[0].rows.iter().find(|cells| cells[column("id")].as_deref() == Some(&number));
        found.unwrap()[column(name)].clone()
    };
    for column in ["note", "body", "words", "raw", "was", "code"] {
        assert_eq!(of(0, column).as_deref(), Some("(hidden: it holds a password hash)"), "{column}");
    }
    assert_eq!(of(1, "note").as_deref(), Some("(hidden: it holds a password hash)"));
    assert_eq!(of(1, "body").as_deref(), Some("{\"kind\": \"plain\"}"), "nothing else is hidden");
    assert_eq!((of(0, "user_id").as_deref(), of(2, "note").as_deref()), (Some("9"), Some("x")));
}

#[tokio::test]
async fn what_is_kept_is_listed_and_shown_without_what_nobody_should_read() {
    let db = orphans().await;
    db.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    let mut case = Case::new(&db, &spec(""));
    assert_eq!(kept(&case).await, [], "nothing is kept before the first repair");
    case.repair().await.consistent();
    // As when a second ends between the two steps.
    db.run("UPDATE auth_consistency.batches SET at = at + interval '1 second' WHERE action = 'Delete'").await;
    let before = db.fingerprint().await;
    let list = kept(&case).await;
    let said: Vec<_> = list
        .iter()
        .map(|one| (one.action.as_str(), one.object.describe(), one.rows, one.restored, one.identity.clone()))
        .collect();
    let expected =
        [("Correct", "users.role".to_owned(), 1, 0, None), ("Delete", "logs.user_id".to_owned(), 3, 0, None)];
    assert_eq!(said, expected);
    let run = &list[0].run;
    let shown = show(&case, run, false, 2).await;
    assert_eq!(shown[0].columns, ["action", "restored", "id", "user_id"]);
    assert_eq!((shown[0].rows.len(), shown[0].more), (2, true));
    assert!(!format!("{shown:?}").contains("private"));
    let all = format!("{:?}", show(&case, run, true, 100).await);
    assert!(all.contains("private") && all.contains("admin@example.com"), "{all}");
    assert!(!all.contains("$2b$") && !all.contains("hashed_password"), "{all}");
    assert_eq!(db.fingerprint().await, before, "looking writes nothing");
    let wanted =
        RowsQuery { run: "no such run".into(), table: None, all_columns: false, limit: 1, identity: None };
    assert!(pass::quarantine_rows(&case.target(), &anywhere(), &wanted).await.is_err());
}

#[tokio::test]
async fn a_run_is_dropped_only_when_it_is_really_meant() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec(""));
    case.repair().await.consistent();
    let first = kept(&case).await[0].run.clone();
    db.run("INSERT INTO logs VALUES (7, 77, 'z')").await;
    case.repair().await.consistent();
    let before = (db.fingerprint().await, db.snapshot().await);
    let which = PurgeFilter::Run(first.clone());
    assert_eq!(purge(&case, &which, None, false).await, [("logs".to_owned(), 3)]);
    assert_eq!(purge(&case, &PurgeFilter::OlderThan(1), None, true).await, []);
    assert_eq!(purge(&case, &PurgeFilter::Run("another".into()), None, true).await, []);
    assert_eq!(db.fingerprint().await, before.0, "nothing that was not meant is dropped");
    assert_eq!(purge(&case, &which, None, true).await, [("logs".to_owned(), 3)]);
    assert_eq!(purge(&case, &which, None, true).await, []);
    let left = kept(&case).await;
    assert_eq!((left.len(), left[0].rows, left[0].run == first), (1, 1, false));
    assert_eq!(db.changes(&before.1).await, [""; 0], "the app's own rows are not touched");
    assert_eq!(db.text("SELECT sum(rows) FROM auth_consistency.audit WHERE action = 'Purge'").await, "3");
}

#[tokio::test]
async fn rows_of_another_database_are_dropped_only_when_they_are_named() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec(""));
    case.repair().await.consistent();
    let run = kept(&case).await[0].run.clone();
    let copy = db.copied().await;
    let there = case.over(&copy);
    let foreign = kept(&there).await[0].identity.clone().unwrap();
    let which = PurgeFilter::Run(run);
    assert_eq!(purge(&there, &which, None, true).await, []);
    assert_eq!(purge(&there, &PurgeFilter::OlderThan(1), None, true).await, []);
    assert_eq!(kept(&there).await[0].rows, 3);
    assert_eq!(purge(&there, &which, Some(&foreign), true).await, [("logs".to_owned(), 3)]);
    assert_eq!(kept(&there).await, []);
    assert_eq!(kept(&case).await[0].rows, 3, "the original keeps its own");
}

#[tokio::test]
async fn rows_that_are_kept_too_long_are_dropped_by_the_next_pass_and_once() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec("quarantine: {retention: 30d}\n"));
    case.repair().await.consistent();
    case.settled(&db).await;
    let table = db.text("SELECT name FROM auth_consistency.quarantine").await;
    db.run(&format!(
        "WITH old AS (INSERT INTO auth_consistency.batches (at, system_identifier, database_oid, owner, run, step, chunk, action, name) \
         SELECT now() - interval '31 days', system_identifier, database_oid, owner, run, step, chunk, action, name \
         FROM auth_consistency.batches RETURNING batch) \
         UPDATE auth_consistency.{table} SET _ac_batch = (SELECT batch FROM old) WHERE id < 3"
    ))
    .await;
    let before = db.fingerprint().await;
    case.check().await;
    case.edit(|spec| spec.mode = serde_saphyr::from_str("Observe").unwrap());
    case.repair().await.repaired(&[]);
    case.edit(|spec| spec.quarantine.retention = "Keep".into());
    case.edit(|spec| spec.mode = serde_saphyr::from_str("Enforce").unwrap());
    case.repair().await.repaired(&[]);
    assert_eq!(db.fingerprint().await, before, "nothing is dropped unasked");
    case.edit(|spec| spec.quarantine.retention = "30d".into());
    let pass = case.repair().await;
    pass.consistent().repaired(&[(A::Purge, "logs", 2)]);
    assert_eq!(pass.status.history[0].action, A::Purge);
    assert_eq!(db.texts(&format!("SELECT id FROM auth_consistency.{table}")).await, ["3"]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_retention_that_cannot_be_meant_is_told_by_its_field() {
    let db = orphans().await;
    let mut case = Case::new(&db, &spec(""));
    for retention in ["", "30", "0d", "-1d", "1y", "keep"] {
        case.edit(|spec| spec.quarantine.retention = retention.into());
        let errors = case.errors();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].reason, R::SpecInvalid);
        assert!(errors[0].message.contains("spec.quarantine.retention"), "{}", errors[0].message);
    }
}
