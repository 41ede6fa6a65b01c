//! What looks like an orphan and is none is told, and never repaired.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::{Action as A, FindingReport},
};

use crate::support::{Case, Db, HASH, USUAL};

/// Users whose ids are text of this type; `sql` makes the rest with triggers off.
fn tables(id: &str, admin: &str, ada: &str, sql: &str) -> String {
    format!(
        "CREATE TABLE users (id {id} PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES ('{admin}', 'admin@example.com', '{HASH}', 'admin'), ('{ada}', 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {sql}; RESET session_replication_role;"
    )
}

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 100, percent: 100}}}}\n")
}

const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);
const SPELLING: (R, C, Option<R>) = (R::IdSpellingDiffers, C::ReferencesConsistent, None);
const REFUSED: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, Some(R::IdSpellingDiffers));

#[tokio::test]
async fn keys_in_another_spelling_are_no_orphans_and_the_statement_helps() {
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for (id, ada, keys) in [
        ("text", "Ada-1", vec!["ada-1", "ADA-1 ", " Ada-1"]),
        (
            "text",
            uuid,
            vec!["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"],
        ),
        ("varchar(40)", "a0eebc999c0b4ef8bb6d6bb9bd380a11", vec![uuid]),
        ("text", "42", vec!["0042", " 042"]),
        ("text", "42", vec!["0042\r", "42\u{200b}"]),
        ("text", "Ada-1", vec!["Ada-1\r", "ADA-1\u{a0}", "\u{feff}ada-1\t"]),
        (
            "text",
            uuid,
            vec!["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\r\n", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}\u{a0}"],
        ),
    ] {
        for on_orphan in ["Delete", "SetNull", "Reassign"] {
            let rows: Vec<String> =
                keys.iter().enumerate().map(|(at, key)| format!("({at}, '{key}')")).collect();
            let sql = format!(
                "CREATE TABLE logs (id int PRIMARY KEY, user_id {id} REFERENCES users); INSERT INTO logs VALUES {}",
                rows.join(", ")
            );
            let db = Db::new(&tables(id, "admin", ada, &sql)).await;
            let mut case = Case::new(&db, &spec(on_orphan));
            // No row of them names nobody, so that nothing is said of orphans.
            let pass = case.reports(&db, &[SPELLING, VIOLATED]).await;
            assert_eq!(pass.report.as_ref().unwrap().references.as_ref().unwrap().orphan_rows, 0);
            pass.plans(&[]);
            let finding = pass.finding(R::IdSpellingDiffers);
            let many = i64::try_from(keys.len()).unwrap();
            assert_eq!((finding.rows, finding.keys), (Some(many), Some(many)), "{finding:?}");
            assert!(finding.message.contains(ada), "{}", finding.message);
            let statement = finding.message.split(" with ").last().unwrap().to_owned();
            db.run(&statement).await;
            case.repair().await.consistent().repaired(&[]);
            assert_eq!(db.texts("SELECT DISTINCT user_id FROM logs").await, [ada]);
        }
    }
}

#[tokio::test]
async fn text_that_names_uuids_with_a_line_break_names_users_and_the_statement_gives_it_their_type() {
    let (admin, ada) = ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12");
    let sql = format!(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id text); \
         INSERT INTO logs VALUES (1, E'{ada}\\r'), (2, E' {admin}\\r\\n'), (3, '{ada}')"
    );
    let db = Db::new(&tables("uuid", admin, ada, &sql)).await;
    let rules = "references: {onOrphan: Delete, rules: [{table: logs, columns: [user_id], declared: true}]}";
    let mut case = Case::new(&db, &format!("{USUAL}{rules}\n"));
    let pass = case.reports(&db, &[(R::IdTypeDiffers, C::SchemaCompatible, None)]).await;
    let message = pass.finding(R::IdTypeDiffers).message;
    assert!(!message.contains("clear"), "{message}");
    let statement = message.split("run ").last().unwrap().split(" (a value").next().unwrap().to_owned();
    db.run(&statement).await;
    assert_eq!(db.texts("SELECT user_id FROM logs ORDER BY id").await, [ada, admin, ada]);
    case.repair().await.consistent().repaired(&[]);
}

#[tokio::test]
async fn real_orphans_beside_them_wait_until_the_spelling_is_right() {
    let sql = "CREATE TABLE logs (id int PRIMARY KEY, user_id text REFERENCES users); \
               INSERT INTO logs VALUES (1, 'ADA'), (2, 'gone'), (3, 'ada')";
    let db = Db::new(&tables("text", "admin", "ada", sql)).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let pass = case.reports(&db, &[REFUSED, SPELLING, VIOLATED]).await;
    let orphans = pass.finding(R::OrphanRows);
    assert_eq!(
        (orphans.rows, orphans.keys, orphans.sample.as_slice()),
        (Some(1), Some(1), &["gone".to_owned()][..])
    );
    assert_eq!(pass.finding(R::IdSpellingDiffers).rows, Some(1));
    db.run("UPDATE logs SET user_id = 'ada' WHERE id = 1").await;
    let orphans = (R::OrphanRows, C::ReferencesConsistent, None);
    case.mends(&db, &[orphans, VIOLATED], &[(A::Delete, "logs.user_id", 1)], &["- logs (2,gone)"]).await;
}

#[tokio::test]
async fn names_that_only_look_alike_are_orphans() {
    // A hyphen is part of a name that is no uuid, and a letter is no digit.
    let sql = "CREATE TABLE logs (id int PRIMARY KEY, user_id text REFERENCES users); \
               INSERT INTO logs VALUES (1, 'ada1'), (2, 'a-d-a-1'), (3, '0ada-1'), (4, '')";
    let db = Db::new(&tables("text", "admin", "ada-1", sql)).await;
    let mut case = Case::new(&db, &spec("SetNull"));
    case.repair().await.consistent().repaired(&[(A::SetNull, "logs.user_id", 4)]);
}

#[tokio::test]
async fn rows_that_two_users_could_own_are_told_without_a_statement() {
    let sql = "CREATE TABLE logs (id int PRIMARY KEY, user_id text REFERENCES users); INSERT INTO logs VALUES (1, 'ADA'); \
               INSERT INTO users VALUES ('Ada', 'other@example.com', 'x')";
    let db = Db::new(&tables("text", "admin", "ada", sql)).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let pass = case.reports(&db, &[SPELLING, VIOLATED]).await;
    let message = pass.finding(R::IdSpellingDiffers).message;
    assert!(message.contains("by hand") && !message.contains("UPDATE"), "{message}");
}

#[tokio::test]
async fn a_rule_that_accepts_them_is_believed() {
    let sql = "CREATE TABLE logs (id int PRIMARY KEY, user_id text REFERENCES users); INSERT INTO logs VALUES (1, 'ADA')";
    let db = Db::new(&tables("text", "admin", "ada", sql)).await;
    let rule = "references: {rules: [{table: logs, accept: {rows: 1, reason: known}}]}";
    Case::new(&db, &format!("{USUAL}{rule}\n")).reports(&db, &[VIOLATED]).await;
}

/// The reference is unknown and untouched while the index is; and the statements of the message end it.
async fn untrusted(db: &Db, index: &str, logins_too: bool) {
    let mut case = Case::new(db, &spec("Delete"));
    let found =
        [(R::IndexUntrusted, C::AdminConsistent, None), (R::IndexUntrusted, C::ReferencesConsistent, None)];
    let pass = case.reports(db, &found[usize::from(!logins_too)..]).await;
    pass.plans(&[]);
    assert_eq!(pass.report.as_ref().unwrap().consistent, None);
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.skipped.len(), references.orphan_rows), (0, 1, 0));
    assert_eq!(&pass.conditions()[..2], ["Ready=False IndexUntrusted", "Stalled=True IndexUntrusted"]);
    assert_eq!(pass.conditions().last().unwrap(), "ReferencesConsistent=Unknown IndexUntrusted");
    let told = pass.outcome().findings();
    let of_rows =
        |one: &&FindingReport| one.condition == C::ReferencesConsistent && one.finding == R::IndexUntrusted;
    let message = told.iter().find(of_rows).unwrap().message.clone();
    assert!(message.contains(index), "{message}");
    for statement in message.split(": run ").last().unwrap().split("; ") {
        db.run(statement).await;
    }
    let orphans = (R::OrphanRows, C::ReferencesConsistent, None);
    case.mends(db, &[orphans, VIOLATED], &[(A::Delete, "logs.user_id", 1)], &["- logs (1,gone)"]).await;
}

const LOGS: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id text COLLATE \"en-x-icu\" REFERENCES users); \
    INSERT INTO logs VALUES (1, 'gone'), (2, 'ada')";

#[tokio::test]
async fn an_index_of_another_library_makes_its_reference_unknown() {
    let stale = "UPDATE pg_collation SET collversion = '0' WHERE collname = 'en-x-icu'";
    // The users' key.
    let db = Db::new(&tables("text COLLATE \"en-x-icu\"", "admin", "ada", &format!("{LOGS}; {stale}"))).await;
    untrusted(&db, "users_pkey", false).await;
    // The reference's own.
    let db = Db::new(&tables(
        "text",
        "admin",
        "ada",
        &format!("{LOGS}; CREATE INDEX by_user ON logs (id, user_id); {stale}"),
    ))
    .await;
    untrusted(&db, "by_user", false).await;
    // No index of that collation is asked at all.
    let db = Db::new(&tables("text", "admin", "ada", &format!("{LOGS}; {stale}"))).await;
    Case::new(&db, &spec("Delete")).repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", 1)]);
}

#[tokio::test]
async fn the_databases_own_collation_counts_too() {
    let logs = LOGS.replace(" COLLATE \"en-x-icu\"", "");
    let db = Db::sorted_by_icu(&tables("text", "admin", "ada", &logs)).await;
    db.run("UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()").await;
    untrusted(&db, "users_email_key", true).await;
}

/// Users whose logins the index of another library has in another order, so that it misses the admin's: the column
/// and its index were `C` when the index was made.
fn missorted() -> String {
    let collation = "(SELECT oid FROM pg_collation WHERE collname = 'en-x-icu')";
    format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text COLLATE \"C\" NOT NULL UNIQUE, hashed_password text NOT NULL, \
           role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users SELECT n, 'Z' || n || '@example.com', 'x' FROM generate_series(2, 3000) n;
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');
         UPDATE pg_attribute SET attcollation = {collation} WHERE attname = 'email'
           AND attrelid IN ('users'::regclass, 'users_email_key'::regclass);
         UPDATE pg_index SET indcollation = {collation}::text::oidvector WHERE indexrelid = 'users_email_key'::regclass;
         UPDATE pg_collation SET collversion = '0' WHERE collname = 'en-x-icu';
         ANALYZE users"
    )
}

#[tokio::test]
async fn an_account_that_its_index_misses_is_found_and_nothing_is_written_before_the_index_is_rebuilt() {
    let db = Db::new(&missorted()).await;
    let mut another = db.another().await;
    let missed: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE email = 'admin@example.com'")
        .fetch_one(&mut another)
        .await
        .unwrap();
    assert_eq!(missed, 0, "the index has what it should miss");
    let mut case = Case::new(&db, USUAL);
    let untrusted = (R::IndexUntrusted, C::AdminConsistent, None);
    let pass = case.reports(&db, &[untrusted]).await;
    pass.plans(&[]);
    assert_eq!(pass.report.as_ref().unwrap().consistent, None);
    assert!(
        pass.conditions().contains(&"AdminConsistent=Unknown IndexUntrusted".to_owned()),
        "{:?}",
        pass.conditions()
    );
    // Who is not there indeed is not made, and who is not as the spec says is not corrected.
    db.run("UPDATE users SET email = 'a@example.com' WHERE id = 1").await;
    let pass =
        case.reports(&db, &[(R::AdminMissing, C::AdminConsistent, Some(R::IndexUntrusted)), untrusted]).await;
    pass.plans(&[]);
    db.run("UPDATE users SET email = 'admin@example.com', role = 'user' WHERE id = 1").await;
    let pass =
        case.reports(&db, &[(R::AdminDrifted, C::AdminConsistent, Some(R::IndexUntrusted)), untrusted]).await;
    pass.plans(&[]);
    let message = pass.finding(R::IndexUntrusted).message;
    assert!(
        message.contains("cannot be rebuilt while two rows have one key, so mend such rows first"),
        "{message}"
    );
    for statement in message.split(": run ").last().unwrap().split("; ") {
        db.run(statement).await;
    }
    case.mends(
        &db,
        &[(R::AdminDrifted, C::AdminConsistent, None)],
        &[(A::Correct, "users.role", 1)],
        &["- users (1,admin@example.com,HASH,user,t)", "+ users (1,admin@example.com,HASH,admin,t)"],
    )
    .await;
}

#[tokio::test]
async fn every_index_of_the_collation_is_rebuilt_before_its_version_is_refreshed() {
    let stale = "UPDATE pg_collation SET collversion = '0' WHERE collname = 'en-x-icu'";
    let others = |many: usize| -> String {
        (0..many)
            .map(|n| format!("CREATE INDEX other_{n} ON others (lower(title COLLATE \"en-x-icu\"), ({n}));"))
            .collect()
    };
    for (many, all) in [(2, None), (6, Some("REINDEX DATABASE CONCURRENTLY "))] {
        let sql = format!("CREATE TABLE others (title text); {} {LOGS}; {stale}", others(many));
        let db = Db::new(&tables("text COLLATE \"en-x-icu\"", "admin", "ada", &sql)).await;
        let message = Case::new(&db, &spec("Delete")).check().await.finding(R::IndexUntrusted).message;
        let statements: Vec<&str> = message.split(": run ").last().unwrap().split("; ").collect();
        let of = |name: &str| format!("REINDEX INDEX CONCURRENTLY public.{name}");
        let rebuilt = match all {
            Some(all) => vec![format!("{all}{}", db.name)],
            None => vec![of("other_0"), of("other_1"), of("users_pkey")],
        };
        let (last, first) = statements.split_last().unwrap();
        assert_eq!(first, rebuilt, "{message}");
        assert_eq!(*last, "ALTER COLLATION pg_catalog.\"en-x-icu\" REFRESH VERSION");
        let files =
            "SELECT relname || relfilenode FROM pg_class WHERE relname ~ '^(other_|users_pkey)' ORDER BY 1";
        let before = db.texts(files).await;
        for statement in statements {
            db.run(statement).await;
        }
        let after = db.texts(files).await;
        assert!(
            before.len() == many + 1 && before.iter().all(|one| !after.contains(one)),
            "{before:?} {after:?}"
        );
    }
}

#[tokio::test]
async fn numbers_and_uuids_and_c_are_never_in_doubt() {
    let stale = "UPDATE pg_collation SET collversion = '0' WHERE collversion IS NOT NULL";
    let logs = |kind: &str, gone: &str, ada: &str| {
        format!(
            "CREATE TABLE logs (id int PRIMARY KEY, user_id {kind} REFERENCES users); CREATE INDEX ON logs (user_id); \
                 INSERT INTO logs VALUES (1, '{gone}'), (2, '{ada}'); {stale}"
        )
    };
    let uuid = |n: u8| format!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1{n}");
    for (kind, admin, ada, gone) in [
        ("int", "1".to_owned(), "5".to_owned(), "9".to_owned()),
        ("uuid", uuid(1), uuid(5), uuid(9)),
        ("text COLLATE \"C\"", "admin".into(), "ada".into(), "gone".into()),
    ] {
        let db = Db::new(&tables(kind, &admin, &ada, &logs(kind, &gone, &ada))).await;
        Case::new(&db, &spec("Delete")).repair().await.consistent().repaired(&[(
            A::Delete,
            "logs.user_id",
            1,
        )]);
    }
}
