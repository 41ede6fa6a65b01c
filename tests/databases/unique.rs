//! Who is meant: ids that several accounts have, logins that several have, and rules that mean nothing. What a
//! message prints ends what it tells.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass::{self, ScanMode},
};
use jiff::Timestamp;

use crate::support::{Case, Db, HASH, USUAL};

/// What stands between backticks in a message.
fn printed(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A FastAPI app's users without a key: the admin, ada and bob, each as often as `times` says.
fn without_key(times: u32) -> String {
    format!(
        "CREATE TABLE users (id int, email text NOT NULL, hashed_password text, \
           role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, extra json); \
         INSERT INTO users SELECT p, login || '@example.com', '{HASH}', CASE p WHEN 1 THEN 'admin' ELSE 'user' END, true, '{{\"a\": 1}}' \
           FROM generate_series(1, {times}), unnest(ARRAY['admin', 'ada', 'bob']) WITH ORDINALITY u(login, p); \
         CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 1), (2, 2); \
         CREATE TABLE notes (id int PRIMARY KEY, user_id int); INSERT INTO notes VALUES (1, 3), (2, 71);"
    )
}

const SOFT: &str = "references:\n  onOrphan: Delete\n  limits: {rows: 100, percent: 100}\n  rules:\n    \
     - {table: logs, columns: [user_id], declared: true}\n    - {table: notes, columns: [user_id], declared: true}\n";

#[tokio::test]
async fn a_data_set_that_was_loaded_twice_is_told_before_anything_is_planned_and_what_is_printed_ends_it() {
    let db = Db::new(&without_key(2)).await;
    let mut case = Case::new(&db, &format!("{USUAL}{SOFT}"));
    let pass = case
        .reports(
            &db,
            &[
                (R::IdNotUnique, C::SchemaCompatible, None),
                (R::AdminAmbiguous, C::AdminConsistent, None),
                (R::IdNotUnique, C::ReferencesConsistent, None),
                (R::OrphanRows, C::ReferencesConsistent, Some(R::IdNotUnique)),
            ],
        )
        .await;
    let findings = pass.outcome().findings();
    let message = &findings[0].message;
    let told = "3 ids of users stand in more than one row (6 rows in all; 1, 2, 3): whose a row or a token is that \
                names such an id, nobody can tell, so nothing is repaired by it: no unique key keeps ids apart, and 3 \
                of these rows are copies of another one";
    assert!(message.starts_with(told), "{message}");
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let snapshot = pass::snapshot(&case.target(), &anywhere, None, Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(snapshot.message.contains("3 ids of users stand in more than one row"), "{snapshot:?}");
    // A statement that goes by the id would meet both copies.
    let ambiguous = pass.finding(R::AdminAmbiguous).message;
    assert!(
        ambiguous.ends_with("(ids 1, 1): their ids are equal, so no statement that goes by the id tells them apart: end IdNotUnique of the user table first"),
        "{ambiguous}"
    );
    let statements = printed(message);
    assert_eq!(statements.len(), 2, "{message}");
    for statement in &statements {
        db.run(statement).await;
    }
    let before = db.snapshot().await;
    case.repair().await.consistent().repaired(&[(A::Delete, "notes.user_id", 1)]);
    assert_eq!(db.changes(&before).await, ["- notes (2,71)"]);
}

#[tokio::test]
async fn rows_of_one_id_that_differ_are_listed_and_an_id_that_nobody_shares_needs_no_key() {
    let db = Db::new(&without_key(1)).await;
    let mut case = Case::new(&db, &format!("{USUAL}{SOFT}"));
    case.check().await.found(&[(R::OrphanRows, C::ReferencesConsistent, None)]);
    db.run(&format!("INSERT INTO users VALUES (2, 'eve@example.com', '{HASH}'), (NULL, 'no id', NULL), (NULL, 'none', NULL)"))
        .await;
    let pass = case.check().await;
    let message = pass.outcome().findings()[0].message.clone();
    assert!(message.contains("rows of one id differ") && !message.contains("DELETE"), "{message}");
    let statements = printed(&message);
    assert_eq!(statements[1], "ALTER TABLE public.users ADD PRIMARY KEY (id)");
    let listed = db.texts(&format!("SELECT x::text FROM ({}) x", statements[0])).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.iter().any(|row| row.contains("eve@")), "{listed:?}");
}

#[tokio::test]
async fn ids_that_repeat_from_tenant_to_tenant_are_told_and_a_key_of_both_columns_is_checked() {
    let db = Db::new(
        "CREATE TABLE accounts (store_id int NOT NULL, id bigint NOT NULL, email text NOT NULL, PRIMARY KEY (store_id, id), UNIQUE (store_id, email)); \
         INSERT INTO accounts SELECT s, i, 'u' || i FROM (VALUES (1, 10), (2, 6)) t(s, n), generate_series(1, t.n) i; \
         CREATE TABLE orders (store_id int NOT NULL, id int PRIMARY KEY, user_id bigint, \
           CONSTRAINT orders_fk FOREIGN KEY (store_id, user_id) REFERENCES accounts (store_id, id)); \
         SET session_replication_role = replica; INSERT INTO orders VALUES (1, 1, 3), (2, 2, 8), (2, 3, 9); RESET session_replication_role; \
         CREATE TABLE historic (store_id int NOT NULL, id int PRIMARY KEY, user_id bigint); \
         INSERT INTO historic SELECT s, s * 100 + i, i FROM generate_series(1, 2) s, generate_series(1, 10) i;",
    )
    .await;
    let spec = "users: {table: accounts, idColumn: id, loginColumn: email}\nreferences:\n  onOrphan: Delete\n  limits: {rows: 100, percent: 100}\n";
    let rule = "  rules: [{table: historic, columns: [user_id], declared: true}]\n";
    let mut case = Case::new(&db, &format!("{spec}{rule}"));
    let shared = (R::IdNotUnique, C::SchemaCompatible, None);
    let pass = case.check().await;
    pass.found(&[
        shared,
        (R::IdNotUnique, C::ReferencesConsistent, None),
        (R::OrphanRows, C::ReferencesConsistent, None),
        (R::ConstraintViolated, C::SchemaCompatible, None),
    ]);
    let findings = pass.outcome().findings();
    assert!(
        findings[0]
            .message
            .starts_with("6 ids of accounts stand in more than one row (12 rows in all; 1, 2, 3, 4, 5, …)")
    );
    db.run(&printed(&findings[0].message)[0]).await;
    pass.plans(&[(A::Delete, "orders (store_id, user_id)", 2, false)]);
    db.run(&printed(&findings[1].message)[0]).await;
    let mut case = Case::new(&db, spec);
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[
        (A::Delete, "historic (store_id, user_id)", 4),
        (A::Delete, "orders (store_id, user_id)", 2),
    ]);
    assert_eq!(db.changes(&before).await.len(), 6);
    pass.found(&[shared, (R::ConstraintUnvalidated, C::SchemaCompatible, None)]);
}

/// Accounts of one login, told apart by `tenant` and `gone_at`.
fn namesakes(key: &str, rows: &str) -> String {
    format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, hashed_password text NOT NULL DEFAULT '{HASH}', \
           role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, tenant text NOT NULL DEFAULT 'shop', \
           gone_at timestamptz); {key}; INSERT INTO users (id, email, role, tenant, gone_at) VALUES {rows};"
    )
}

const LIVE: &str = "CREATE UNIQUE INDEX users_live ON users (email) WHERE gone_at IS NULL";

#[tokio::test]
async fn a_deleted_account_beside_an_active_one_of_its_login_does_not_count_and_is_never_touched() {
    let rows = "(1, 'admin@example.com', 'user', 'shop', now()), (2, 'admin@example.com', 'user', 'shop', NULL), \
                (3, 'Admin@example.com', 'user', 'shop', now())";
    let db = Db::new(&namesakes(LIVE, rows)).await;
    let mut case = Case::new(&db, USUAL);
    let told = case.reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
    let message = told.finding(R::AdminAmbiguous).message;
    let says = "2 accounts of users have the very login \"admin@example.com\" (ids 1, 2), and";
    // The preset says who is active, and both are by it: what the unique key says is not said yet.
    assert!(message.starts_with(says), "{message}");
    assert!(
        message.contains("say that in spec.users.activeWhen ({column: gone_at, isNull: true})"),
        "{message}"
    );
    assert_eq!(printed(&message), [""; 0]);
    let spec = USUAL.replace(
        "{preset: FastAPI}",
        "{table: users, idColumn: id, loginColumn: email, passwordColumn: hashed_password}",
    );
    let message = Case::new(&db, &spec).check().await.finding(R::AdminAmbiguous).message;
    assert!(
        message.contains("the unique key \"users_live\" keeps those apart only where (gone_at IS NULL): say that in spec.users.activeWhen ({column: gone_at, isNull: true})"),
        "{message}"
    );
    let spec =
        spec.replace("hashed_password}", "hashed_password, activeWhen: [{column: gone_at, isNull: true}]}");
    let mut case = Case::new(&db, &spec);
    let before = db.snapshot().await;
    case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
    let changes = db.changes(&before).await;
    assert!(changes.len() == 2 && changes.iter().all(|one| one[2..].starts_with("users (2,")), "{changes:?}");
    case.settled(&db).await;
    case.look = ScanMode::Incremental;
    db.run("UPDATE users SET role = 'user' WHERE id = 2").await;
    case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
    case.look = ScanMode::Full;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("9".into()));
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 1)]);
}

#[tokio::test]
async fn of_accounts_of_one_login_the_one_that_is_not_active_is_renamed_by_the_statement_that_is_printed() {
    let rows = "(1, 'admin@example.com', 'admin', 'shop', NULL), (2, 'admin@example.com', 'admin', 'shop', NULL), \
                (3, 'admin@example.com', 'admin', 'shop', NULL), (4, 'Admin@example.com', 'user', 'shop', NULL), \
                (5, 'ADMIN@example.com', 'user', 'shop', NULL)";
    let db = Db::new(&namesakes("SELECT", rows)).await;
    db.run("UPDATE users SET is_active = false WHERE id IN (1, 4)").await;
    let mut case = Case::new(&db, USUAL);
    let ambiguous = &[(R::AdminAmbiguous, C::AdminConsistent, None)];
    let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
    assert!(
        message.contains("(ids 1, 2, 3), and 2 of them are active by spec.users.activeWhen"),
        "{message}"
    );
    let before = db.snapshot().await;
    db.run(&printed(&message)[0]).await;
    let changes = db.changes(&before).await;
    assert!(changes.len() == 2 && changes.iter().all(|one| one[2..].starts_with("users (1,")), "{changes:?}");
    // Of those that are nearly called so, the one is named that counts.
    db.run("DELETE FROM users WHERE id = 3").await;
    let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
    assert!(message.contains("account 5 has one that differs from it by case"), "{message}");
    db.run(&printed(&message)[0]).await;
    case.check().await.consistent();
}

#[tokio::test]
async fn an_account_of_another_tenant_is_never_taken_for_the_admin() {
    let rows =
        "(1, 'admin@example.com', 'user', 'master', NULL), (2, 'admin@example.com', 'user', 'shop', NULL)";
    let db =
        Db::new(&namesakes("ALTER TABLE users ADD CONSTRAINT per_tenant UNIQUE (tenant, email)", rows)).await;
    // Who is active does not decide it: the other one is a user of another tenant.
    db.run("UPDATE users SET is_active = false WHERE id = 1").await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.reports(&db, &[(R::AdminAmbiguous, C::AdminConsistent, None)]).await;
    let message = pass.finding(R::AdminAmbiguous).message;
    assert!(
        message.ends_with("and the unique key \"per_tenant\" keeps logins apart only together with tenant: say which one is meant by {column: tenant, equals: ...} in spec.admin.columns"),
        "{message}"
    );
    let tenant =
        |name: &str| USUAL.replace("columns: [", &format!("columns: [{{column: tenant, equals: {name}}}, "));
    let before = db.snapshot().await;
    let mut case = Case::new(&db, &tenant("master"));
    case.repair().await.consistent();
    let changes = db.changes(&before).await;
    assert!(changes.len() == 2 && changes.iter().all(|one| one[2..].starts_with("users (1,")), "{changes:?}");
    // Nobody of that tenant has the login: nobody else is made its admin.
    Case::new(&db, &tenant("other")).check().await.found(&[(R::AdminMissing, C::AdminConsistent, None)]);
}

#[tokio::test]
async fn an_account_that_differs_by_case_only_is_named_and_what_is_printed_ends_it() {
    let rows = "(1, 'Admin@example.com', 'admin', 'shop', NULL)";
    let db = Db::new(&namesakes("SELECT", rows).replace("users", "\"user\"")).await;
    let spec = USUAL.replace("{preset: FastAPI}", "{preset: FastAPI, table: user}");
    let mut case = Case::new(&db, &spec);
    let ambiguous = &[(R::AdminAmbiguous, C::AdminConsistent, None)];
    let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
    let says = "no account of user has the login \"admin@example.com\", and account 1 has one that differs from it by \
                case or spaces only: if that is the admin, write its login into spec.admin.login, or run";
    assert!(message.starts_with(says), "{message}");
    db.run(&printed(&message)[0]).await;
    case.check().await.consistent();
    db.run("INSERT INTO \"user\" (id, email) VALUES (2, 'admin@Example.com ')").await;
    let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
    assert!(
        message.starts_with("account 1 of user has the login \"admin@example.com\", and account 2 has one"),
        "{message}"
    );
    db.run(&printed(&message)[0]).await;
    case.check().await.consistent();
    assert_eq!(db.text("SELECT email FROM \"user\" WHERE id = 2").await, "unused-2@example.invalid");
}

#[tokio::test]
async fn a_login_with_a_blank_that_does_not_show_is_no_other_account_and_the_blank_is_named() {
    let db = Db::new(&namesakes("SELECT", "(1, 'admin@example.com', 'admin', 'shop', NULL)")).await;
    let mut case = Case::new(&db, USUAL);
    let ambiguous = &[(R::AdminAmbiguous, C::AdminConsistent, None)];
    for (blank, called) in [
        ("\u{a0}", "U+00A0 no-break space"),
        ("\t", "U+0009 tab"),
        ("\u{200b}", "U+200B zero width space"),
        ("\r\n", "U+000A line feed, U+000D carriage return"),
    ] {
        db.run(&format!("UPDATE users SET email = 'Admin@example.com{blank}' WHERE id = 1")).await;
        let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
        let says = format!(
            "no account of users has the login \"admin@example.com\", and account 1 has one that differs from it by case \
             or blank characters at an end ({called}) only: if that is the admin, run `UPDATE"
        );
        assert!(message.starts_with(&says), "{message}");
        db.run(&printed(&message)[0]).await;
        case.check().await.consistent();
        db.run(&format!("INSERT INTO users (id, email) VALUES (2, '{blank}admin@example.com')")).await;
        let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
        assert!(
            message.starts_with("account 1 of users has the login") && message.contains(called),
            "{message}"
        );
        db.run(&printed(&message)[0]).await;
        case.check().await.consistent();
        db.run("DELETE FROM users WHERE id = 2").await;
    }
    // Of several, one gets the spec's login and the other a free one.
    db.run("UPDATE users SET email = 'admin@example.com\u{a0}' WHERE id = 1").await;
    db.run("INSERT INTO users (id, email) VALUES (2, 'admin@example.com\t')").await;
    let message = case.reports(&db, ambiguous).await.finding(R::AdminAmbiguous).message;
    assert!(message.contains("(U+0009 tab, U+00A0 no-break space)"), "{message}");
    for statement in printed(&message) {
        db.run(&statement).await;
    }
    case.check().await.consistent();
}

#[tokio::test]
async fn rows_that_a_list_gives_back_to_nobody_are_told_by_their_cause() {
    let rows = "(1, 'admin@example.com', 'admin', 'shop', NULL), (12, 'omar', 'user', 'shop', NULL), (11, 'Nora', 'user', 'shop', NULL), \
                (13, 'two', 'user', 'shop', NULL), (14, 'two', 'user', 'shop', NULL), (15, 'pia', 'user', 'shop', NULL), (16, 'pia', 'user', 'shop', now()), (18, 'SAM', 'user', 'shop', NULL)";
    let db = Db::new(&namesakes("SELECT", rows)).await;
    db.run("CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs SELECT row_number() OVER (), u FROM unnest(ARRAY[101, 101, 102, 103, 104, 105, 109, 18]) u;").await;
    let spec = USUAL.replace(
        "{preset: FastAPI}",
        "{table: users, idColumn: id, loginColumn: email, passwordColumn: hashed_password, activeWhen: [{column: gone_at, isNull: true}]}",
    );
    let references = "references:\n  onOrphan: Remap\n  limits: {rows: 100, percent: 100}\n  identities: {configMapRef: {name: before, key: people.csv}}\n  rules: [{table: logs, columns: [user_id], declared: true}]\n";
    let mut case = Case::new(&db, &format!("{spec}{references}"));
    case.config_map(
        "before",
        "people.csv",
        "id,login\n101,nora\n102,omar\n103,two\n104,quinn\n105,pia\n18,sam\n",
    );
    let pass = case.check().await;
    pass.found(&[(R::OrphanRows, C::ReferencesConsistent, None)]).plans(&[(
        A::Remap,
        "logs.user_id",
        2,
        true,
    )]);
    let message = pass.finding(R::OrphanRows).message;
    let says = "; 2 rows can be given back to 2 ids (102 → 12, 105 → 15); 2 rows belong to 1 person whose account has the \
                login in another case or with other spaces (101 is perhaps 11): where they are the same people, write into \
                the list the logins that those accounts have; 1 row belongs to 1 person whose login several accounts have, or \
                nearly (103): leave one account that has it, or write into the list the login that only the right one has; \
                1 row belongs to 1 person of the list who has no account today (104): make that person one; 1 row \
                names 1 id that the list does not have: take that person into it; for rows that are to be nobody's, choose \
                Reassign, SetNull or Delete";
    assert!(message.ends_with(says), "{message}");
    // What the list is told to have, it gives back.
    case.config_map(
        "before",
        "people.csv",
        "id,login\n101,Nora\n102,omar\n103,two\n104,quinn\n105,pia\n18,sam\n",
    );
    case.repair().await.repaired(&[]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 4)]);
    assert_eq!(
        db.text("SELECT string_agg(user_id::text, ' ' ORDER BY id) FROM logs").await,
        "11 11 12 103 104 15 109 18"
    );
}

#[tokio::test]
async fn orphans_in_a_column_of_another_type_are_deleted_or_cleared_without_a_change_of_it() {
    let uuid = |n: u32| format!("00000000-0000-4000-8000-00000000000{n}");
    let db = Db::new(&format!(
        "CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text, is_active boolean NOT NULL DEFAULT true); \
         INSERT INTO users VALUES ('{}', 'ada'); \
         CREATE TABLE logs (id int PRIMARY KEY, user_id text NOT NULL); INSERT INTO logs VALUES (1, upper('{}')), (2, '4711'), (3, 'x'), (4, ''); \
         CREATE TABLE tags (id int PRIMARY KEY, user_id int UNIQUE); INSERT INTO tags VALUES (1, 4711), (2, NULL), (3, 7);",
        uuid(1),
        uuid(1)
    ))
    .await;
    let rule = |table: &str, what: &str| {
        format!("{{table: {table}, columns: [user_id], declared: true, onOrphan: {what}}}")
    };
    let spec = |logs: &str, tags: &str| {
        format!(
            "users: {{preset: FastAPI}}\nreferences:\n  limits: {{rows: 100, percent: 100}}\n  rules:\n    - {}\n    - {}\n",
            rule("logs", logs),
            rule("tags", tags)
        )
    };
    let told = Case::new(&db, &spec("Report", "Report")).check().await;
    let choices: Vec<String> = told
        .outcome()
        .findings()
        .iter()
        .filter(|one| one.finding == R::OrphanRows)
        .map(|one| one.message.clone())
        .collect();
    assert!(
        choices[0].ends_with(": choose Delete for it in spec.references.rules, or accept it there"),
        "{choices:?}"
    );
    assert!(
        choices[1]
            .ends_with(": choose SetNull or Delete for it in spec.references.rules, or accept it there"),
        "{choices:?}"
    );
    let before = db.snapshot().await;
    let mut case = Case::new(&db, &spec("Delete", "SetNull"));
    let pass = case.repair().await;
    pass.repaired(&[(A::SetNull, "tags.user_id", 2), (A::Delete, "logs.user_id", 3)]);
    let after = [
        "- logs (2,4711)",
        "- logs (3,x)",
        "- logs (4,\"\")",
        "- tags (1,4711)",
        "+ tags (1,)",
        "- tags (3,7)",
        "+ tags (3,)",
    ];
    let mut changes = db.changes(&before).await;
    changes.sort();
    let mut expected: Vec<String> = after.iter().map(|one| (*one).to_owned()).collect();
    expected.sort();
    assert_eq!(changes, expected);
    let run = pass.status.history[0].run.clone();
    case.restore(&run).await.unwrap();
    assert_eq!(db.changes(&before).await, [""; 0]);
    // What is left is told with a statement that runs once they are mended.
    case.repair().await.repaired(&[(A::SetNull, "tags.user_id", 2), (A::Delete, "logs.user_id", 3)]);
    let alter = case.check().await;
    let alter = alter
        .outcome()
        .findings()
        .iter()
        .find(|one| one.object.as_ref().unwrap().table == "logs")
        .unwrap()
        .message
        .clone();
    let (_, statement) = alter.split_once("run ").unwrap();
    db.run(statement.split(" (a value").next().unwrap()).await;
    let left = case.check().await.outcome().findings();
    assert!(left.iter().all(|one| one.object.as_ref().unwrap().table == "tags"), "{left:#?}");
}

#[tokio::test]
async fn a_rule_that_is_about_no_reference_is_told_with_what_was_perhaps_meant() {
    let db = Db::new(
        "CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY, email text NOT NULL UNIQUE); \
         CREATE TABLE auth.logs (id int PRIMARY KEY, user_id int REFERENCES auth.users); \
         CREATE TABLE auth.cards (id int PRIMARY KEY, owner int); \
         CREATE TABLE public.posts (id int PRIMARY KEY, user_id int);",
    )
    .await;
    for (rule, says) in [
        (
            "{table: logs, columns: [usr_id], onOrphan: Delete}",
            "there is no column \"usr_id\", but there is \"user_id\": correct the rule",
        ),
        (
            "{table: logs, columns: [id], onOrphan: Delete}",
            "one of (user_id) does: correct the rule in spec.references.rules, or add declared: true to it",
        ),
        (
            "{table: cards, onOrphan: Delete}",
            "no foreign key of the table names users, so the rule is about nothing: add columns and declared: true",
        ),
        (
            "{table: posts, columns: [user_id], onOrphan: Delete}",
            "there is no such table there, but there is public.posts: correct the rule",
        ),
        (
            "{table: posts, columns: [user_id], declared: true}",
            "there is no such table there, but there is public.posts: correct the rule",
        ),
        (
            "{table: cards, columns: [ownr], declared: true}",
            "there is no column \"ownr\", but there is \"owner\": correct the rule",
        ),
    ] {
        let spec = format!(
            "users: {{schema: auth, table: users, idColumn: id, loginColumn: email}}\nreferences: {{rules: [{rule}]}}\n"
        );
        let pass = Case::new(&db, &spec).check().await;
        let message = pass
            .found(&[(R::RowsUnreadable, C::ReferencesConsistent, None)])
            .finding(R::RowsUnreadable)
            .message;
        assert!(message.contains(says), "{rule}: {message}");
    }
    for rule in [
        "{table: logs, onOrphan: Delete}",
        "{table: logs, columns: [user_id]}",
        "{table: gone, ignore: true, reason: r}",
    ] {
        let spec = format!(
            "users: {{schema: auth, table: users, idColumn: id, loginColumn: email}}\nreferences: {{rules: [{rule}]}}\n"
        );
        Case::new(&db, &spec).check().await.consistent();
    }
}
