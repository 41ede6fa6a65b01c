//! Tables that inherit in the old way: a foreign key sees the rows of the parent alone, and the app those of the
//! children too. Nothing is claimed of what was not looked at.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass::{self, ScanMode},
};

use crate::support::{Case, Db, HASH, USUAL};

const UNSUPPORTED: &[(R, C, Option<R>)] = &[(R::UserTableUnsupported, C::SchemaCompatible, None)];
const UNREAD: (R, C, Option<R>) = (R::RowsUnreadable, C::ReferencesConsistent, None);

/// Two users, and a table of staff that inherits; `people` are its rows.
async fn world(people: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL, hashed_password text, role text DEFAULT 'user', is_active boolean DEFAULT true);
         CREATE TABLE staff (badge text, PRIMARY KEY (id)) INHERITS (users);
         INSERT INTO users (email, hashed_password) VALUES ('ada@example.com', '{HASH}'), ('bo@example.com', '{HASH}');
         CREATE TABLE orders (id serial PRIMARY KEY, user_id int NOT NULL, what text);
         INSERT INTO orders (user_id, what) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (99, 'e');
         CREATE TABLE notes (id serial PRIMARY KEY, user_id int, t text);
         INSERT INTO notes (user_id, t) VALUES (1, 'a'), (3, 'of the admin'), (4, 'd');
         ALTER TABLE notes ADD CONSTRAINT notes_user_fk FOREIGN KEY (user_id) REFERENCES users (id) NOT VALID;
         {people}"
    ))
    .await
}

fn people() -> String {
    format!(
        "INSERT INTO staff (email, hashed_password, role, badge) VALUES ('admin@example.com', '{HASH}', 'admin', 'A1'), ('cy@example.com', '{HASH}', 'user', 'A2')"
    )
}

fn spec() -> String {
    format!(
        "{USUAL}references: {{onOrphan: Delete, limits: {{rows: 1000, percent: 100}}, rules: [{{table: orders, columns: [user_id], declared: true}}]}}\n"
    )
}

#[tokio::test]
async fn people_in_a_table_that_inherits_are_people_and_nothing_is_done_without_them() {
    for more in [
        "",
        "; CREATE TABLE boss () INHERITS (staff); INSERT INTO boss SELECT * FROM ONLY staff; DELETE FROM ONLY staff",
    ] {
        let db = world(&format!("{}{more}", people())).await;
        let mut case = Case::new(&db, &spec());
        let child = if more.is_empty() { "public.staff" } else { "public.boss" };
        let parent = if more.is_empty() { "public.users" } else { "public.staff" };
        let message = case.reports(&db, UNSUPPORTED).await.finding(R::UserTableUnsupported).message;
        assert_eq!(
            message,
            format!(
                "{child} inherits from public.users and has rows: whoever reads users reads them as accounts, and no foreign key to it sees them, so nothing is claimed and nothing is repaired: move them into public.users itself (partitions are understood), or, if they are no accounts, run ALTER TABLE {child} NO INHERIT {parent}"
            )
        );
        assert_eq!(case.status.conditions[0].reason, "UserTableUnsupported");
        let refused = pass::snapshot(
            &case.target(),
            &HostPolicy::unrestricted(Vec::new()),
            None,
            jiff::Timestamp::now(),
        )
        .await;
        assert!(refused.is_err(), "a snapshot without some of the people");
        // The statement that is printed is one, and what is left is as any other table.
        let (_, statement) = message.split_once("run ").unwrap();
        db.run(statement).await;
        assert_eq!(case.check().await.finding(R::AdminMissing).finding, R::AdminMissing);
    }
}

#[tokio::test]
async fn people_who_are_moved_into_the_user_table_itself_are_looked_at_as_all_others() {
    let db = world(&people()).await;
    let mut case = Case::new(&db, &spec());
    case.reports(&db, UNSUPPORTED).await;
    db.run(
        "WITH moved AS (DELETE FROM staff RETURNING id, email, hashed_password, role, is_active) INSERT INTO users SELECT * FROM moved",
    )
    .await;
    let unvalidated = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
    case.repair()
        .await
        .found(&[unvalidated])
        .repaired(&[(A::AdvanceSequence, "users_id_seq", 0), (A::Delete, "orders.user_id", 1)]);
}

#[tokio::test]
async fn a_table_that_inherits_and_is_empty_is_in_nobodys_way_until_somebody_is_in_it() {
    let db = world("DELETE FROM orders WHERE user_id > 2; DELETE FROM notes WHERE user_id > 2").await;
    let role = db
        .role("GRANT USAGE, CREATE ON SCHEMA public TO ROLE; GRANT ALL ON users, orders, notes, users_id_seq TO ROLE; GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE")
        .await;
    let mut case = Case::new(&db, &spec());
    case.secret("db", "url", &db.url_of(&role));
    case.look = ScanMode::Incremental;
    case.repair().await.repaired(&[(A::Seed, "users", 1)]);
    case.repair().await;
    let before = db.snapshot().await;
    // Who may read the parent reads the child through it; no counter of the parent's tells of it.
    db.counted("INSERT INTO staff (email, hashed_password) VALUES ('cy@example.com', 'x')").await;
    let pass = case.repair().await;
    pass.found(UNSUPPORTED).repaired(&[]);
    assert_eq!(db.changes(&before).await.len(), 1);
}

#[tokio::test]
async fn what_was_repaired_before_goes_back_while_a_table_with_people_inherits() {
    let db = world("ALTER TABLE staff NO INHERIT users").await;
    let mut case = Case::new(&db, &spec());
    let before = db.snapshot().await;
    case.repair().await;
    let run = case.status.history[0].run.clone();
    db.run(&format!(
        "ALTER TABLE staff INHERIT users; {}; ALTER TABLE notes DROP CONSTRAINT notes_user_fk",
        people()
    ))
    .await;
    let restored = case.restore(&run).await.unwrap();
    assert!(restored.iter().all(|one| one.blocked == 0), "{restored:?}");
    let changes = db.changes(&before).await;
    assert!(
        changes.iter().all(|line| line.starts_with("+ staff") || line.starts_with("+ users")),
        "{changes:?}"
    );
}

/// Three users, and logs with two tables that inherit from it; `rows` makes their rows.
async fn logs(rows: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{HASH}', 'admin'), ('b@example.com', '{HASH}', 'user'), ('c@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id bigserial PRIMARY KEY, user_id int REFERENCES users, at date);
         CREATE TABLE logs_2023 (CHECK (at < '2024-01-01'), PRIMARY KEY (id)) INHERITS (logs);
         CREATE TABLE logs_2024 (CHECK (at >= '2024-01-01'), PRIMARY KEY (id)) INHERITS (logs);
         {rows}"
    ))
    .await
}

fn of(rules: &str) -> String {
    format!(
        "{USUAL}references: {{onOrphan: Delete, limits: {{rows: 1000, percent: 100}}, rules: [{rules}]}}\n"
    )
}

#[tokio::test]
async fn rows_of_tables_that_inherit_from_a_reference_are_told_and_counted_when_a_rule_says_so() {
    let db = logs(
        "INSERT INTO logs_2023 (user_id, at) VALUES (1, '2023-01-01'), (55, '2023-02-02'), (56, '2023-03-03');
         INSERT INTO logs_2024 (user_id, at) VALUES (2, '2024-01-01'), (57, '2024-02-02')",
    )
    .await;
    let mut case = Case::new(&db, &of(""));
    let pass = case.reports(&db, &[UNREAD]).await;
    assert_eq!(
        pass.finding(R::RowsUnreadable).message,
        "logs_2023.user_id could not be checked, so nothing is claimed about it: the table inherits from public.logs, as public.logs_2024 does, and the foreign key sees none of their rows: declare each by a rule of its own in spec.references.rules, or ignore it there"
    );
    assert_eq!(pass.report.as_ref().unwrap().consistent, None);
    // Each of them is a reference as soon as a rule says so, and the other is told still.
    let rule = |table: &str, more: &str| format!("{{table: {table}, columns: [user_id], {more}}}");
    let mut case = Case::new(&db, &of(&rule("logs_2023", "declared: true")));
    let check = case.check().await;
    assert_eq!(check.finding(R::OrphanRows).rows, Some(2));
    let told = check.finding(R::RowsUnreadable).message;
    assert!(
        told.starts_with("logs_2024.user_id could not be checked") && !told.contains("logs_2023"),
        "{told}"
    );
    // Ignored is asked for.
    let ignored = rule("logs_2024", "ignore: true, reason: an archive");
    let mut case = Case::new(&db, &of(&format!("{}, {ignored}", rule("logs_2023", "declared: true"))));
    let before = db.snapshot().await;
    case.repair()
        .await
        .consistent()
        .repaired(&[(A::AdvanceSequence, "users_id_seq", 0), (A::Delete, "logs_2023.user_id", 2)]);
    assert_eq!(db.changes(&before).await, ["- logs_2023 (2,55,2023-02-02)", "- logs_2023 (3,56,2023-03-03)"]);
}

#[tokio::test]
async fn tables_that_inherit_and_are_empty_or_have_a_foreign_key_of_their_own_are_not_told() {
    let db = logs(
        "ALTER TABLE logs_2023 ADD FOREIGN KEY (user_id) REFERENCES users; INSERT INTO logs_2023 (user_id, at) VALUES (1, '2023-01-01')",
    )
    .await;
    Case::new(&db, &of("")).check().await.consistent();
    // What is not looked at at all has no children to be told of.
    db.run("INSERT INTO logs_2024 (user_id, at) VALUES (57, '2024-02-02')").await;
    let ignored = "{table: logs, columns: [user_id], ignore: true, reason: an archive}";
    Case::new(&db, &of(ignored)).check().await.consistent();
}

#[tokio::test]
async fn rows_that_inherit_from_a_declared_reference_are_told_and_no_account_gets_their_ids_unasked() {
    let db = logs(
        "DROP TABLE logs CASCADE; CREATE TABLE clicks (id bigserial PRIMARY KEY, user_id int); CREATE TABLE clicks_old () INHERITS (clicks);
         INSERT INTO clicks_old (user_id) VALUES (1), (60); UPDATE users SET email = 'd@example.com' WHERE id = 1",
    )
    .await;
    let mut case = Case::new(&db, &of("{table: clicks, columns: [user_id], declared: true}"));
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[(A::Seed, "users", 1, true)]);
    let told = pass.finding(R::RowsUnreadable).message;
    assert!(
        told.contains("inherits from public.clicks, and a look at that table sees none of its rows"),
        "{told}"
    );
}

#[tokio::test]
async fn the_parents_own_rows_are_mended_and_those_that_inherit_stay_as_they_are() {
    for on_orphan in ["Delete", "SetNull", "Reassign"] {
        let db = logs(
            "SET session_replication_role = replica; INSERT INTO logs VALUES (1, 9, NULL), (2, 2, NULL); RESET session_replication_role;
             INSERT INTO logs_2023 VALUES (1, 9, NULL), (3, 9, NULL), (4, 8, NULL); SELECT setval('users_id_seq', 99)",
        )
        .await;
        let ignored = "{table: logs_2023, ignore: true, reason: an archive}";
        let mut case =
            Case::new(&db, &of(ignored).replace("onOrphan: Delete", &format!("onOrphan: {on_orphan}")));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let expected = match on_orphan {
            "Delete" => vec!["- logs (1,9,)"],
            "SetNull" => vec!["- logs (1,9,)", "+ logs (1,,)"],
            _ => vec!["- logs (1,9,)", "+ logs (1,1,)"],
        };
        assert_eq!(db.changes(&before).await, expected, "{on_orphan}");
        db.run("INSERT INTO users VALUES (9, 'nine@example.com', 'x')").await;
        let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{restored:?}");
    }
}
