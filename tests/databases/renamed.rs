//! The app's schema moves on between a repair and its undoing: what goes back goes back whole, what does not
//! says why, and one table keeps no other's rows.

use auth_consistency::engine::{PurgeFilter, Restored};
use auth_consistency::{network::HostPolicy, pass};

use crate::support::{Case, Db, USUAL, admin_and_ada as with};

fn spec(rules: &str) -> String {
    format!(
        "{USUAL}references: {{onOrphan: Delete, limits: {{rows: 1000, percent: 100}}, rules: [{rules}]}}\n"
    )
}

fn rule(table: &str, column: &str, more: &str) -> String {
    format!("{{table: {table}, columns: [{column}], declared: true{more}}}")
}

async fn invoices() -> Db {
    with(
        "CREATE TABLE invoices (id int PRIMARY KEY, user_id int, amount numeric, note text);
         INSERT INTO invoices VALUES (1, 1, 10, 'ok'), (2, 9, 99.95, 'to be paid'), (3, 9, NULL, 'free')",
    )
    .await
}

/// Rows that are back and that stayed.
fn came(restored: &[Restored]) -> Vec<(String, i64, i64)> {
    restored.iter().map(|one| (one.object.describe(), one.rows, one.blocked)).collect()
}

fn stays(columns: &str, it: &str) -> String {
    format!(
        "the copy has {columns}, and public.invoices has {it} no more: rename or add {it} meanwhile, then restore again, or write the row into a table of its own"
    )
}

#[tokio::test]
async fn a_deleted_row_goes_back_with_all_that_it_had_or_stays_with_the_columns_named() {
    for (change, back, columns, it) in [
        (
            "ALTER TABLE invoices RENAME amount TO amount_eur",
            "ALTER TABLE invoices RENAME amount_eur TO amount",
            "the column \"amount\"",
            "it",
        ),
        (
            "ALTER TABLE invoices RENAME id TO nr",
            "ALTER TABLE invoices RENAME nr TO id",
            "the column \"id\"",
            "it",
        ),
        (
            "ALTER TABLE invoices RENAME amount TO sum; ALTER TABLE invoices RENAME user_id TO owner_id",
            "ALTER TABLE invoices RENAME sum TO amount; ALTER TABLE invoices RENAME owner_id TO user_id",
            "the columns \"user_id\", \"amount\"",
            "them",
        ),
    ] {
        let db = invoices().await;
        let mut case = Case::new(&db, &spec(&rule("invoices", "user_id", "")));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        db.run(change).await;
        let changed = db.snapshot().await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (0, 2), "{change}: {restored:?}");
        assert!(restored[0].sample.iter().all(|(_, why)| *why == stays(columns, it)), "{restored:?}");
        assert_eq!(db.changes(&changed).await, [""; 0], "{change}");
        // Both ways that are named lead somewhere.
        assert_eq!(case.beside(&run, None, "kept").await.unwrap().rows, 2, "{change}");
        assert_eq!(db.text("SELECT amount FROM kept WHERE id = 2").await, "99.95");
        db.run(&format!("DROP TABLE kept; {back}")).await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (2, 0), "{change}: {restored:?}");
        assert_eq!(db.changes(&before).await, [""; 0], "{change}");
    }
}

#[tokio::test]
async fn of_a_column_that_was_dropped_only_values_keep_their_rows_away() {
    let db = invoices().await;
    let mut case = Case::new(&db, &spec(&rule("invoices", "user_id", "")));
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    db.run("ALTER TABLE invoices DROP amount").await;
    let restored = case.restore(&run).await.unwrap();
    let why = stays("the column \"amount\"", "it");
    assert_eq!((restored[0].rows, restored[0].blocked), (1, 1), "{restored:?}");
    assert_eq!(restored[0].sample, [("2".to_owned(), why)]);
    assert_eq!(db.texts("SELECT i FROM invoices i ORDER BY id").await, ["(1,1,ok)", "(3,9,free)"]);
    // A purge says what was never put back.
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let which = PurgeFilter::Run(run.clone());
    assert_eq!(pass::unrestored(&case.target(), &anywhere, &which, None).await.unwrap(), 1);
    db.run("ALTER TABLE invoices ADD amount numeric").await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{restored:?}");
    assert_eq!(db.text("SELECT amount FROM invoices WHERE id = 2").await, "99.95");
    assert_eq!(pass::unrestored(&case.target(), &anywhere, &which, None).await.unwrap(), 0);
}

#[tokio::test]
async fn a_changed_row_gets_its_old_value_back_in_the_column_that_had_it_or_stays() {
    for on_orphan in ["SetNull", "Reassign"] {
        let db = invoices().await;
        let rules = rule("invoices", "user_id", &format!(", onOrphan: {on_orphan}"));
        let mut case = Case::new(&db, &spec(&rules));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        db.run("ALTER TABLE invoices RENAME user_id TO owner_id").await;
        let changed = db.snapshot().await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (0, 2), "{on_orphan}: {restored:?}");
        let why = stays("the column \"user_id\"", "it");
        assert!(restored[0].sample.iter().all(|(_, one)| *one == why), "{on_orphan}: {restored:?}");
        assert_eq!(db.changes(&changed).await, [""; 0], "{on_orphan}");
        db.run("ALTER TABLE invoices RENAME owner_id TO user_id; ALTER TABLE invoices RENAME id TO nr").await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (0, 2), "{on_orphan}: {restored:?}");
        let why = "public.invoices has the primary key \"nr\" today, which the copy has not, so the row cannot be found: rename it back meanwhile, then restore again, or write the row into a table of its own";
        assert!(restored[0].sample.iter().all(|(_, one)| one == why), "{on_orphan}: {restored:?}");
        // The rest of a changed row is as new as the app has it, whatever it is called.
        db.run("ALTER TABLE invoices RENAME nr TO id; ALTER TABLE invoices RENAME note TO memo").await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (2, 0), "{on_orphan}: {restored:?}");
        assert_eq!(db.changes(&before).await, [""; 0], "{on_orphan}");
    }
}

#[tokio::test]
async fn a_row_that_was_changed_and_then_removed_stays_whole_where_a_column_is_gone() {
    let db = with(
        "CREATE TABLE invoices (id int PRIMARY KEY, editor int, user_id int); INSERT INTO invoices VALUES (1, 9, 9), (2, 5, 5)",
    )
    .await;
    let rules =
        [rule("invoices", "editor", ", onOrphan: SetNull"), rule("invoices", "user_id", "")].join(", ");
    let mut case = Case::new(&db, &spec(&rules));
    let before = db.snapshot().await;
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    db.run("ALTER TABLE invoices RENAME editor TO edited_by").await;
    let restored = case.restore(&run).await.unwrap();
    assert!(restored.iter().all(|one| (one.rows, one.blocked) == (0, 1)), "{restored:?}");
    let why = stays("the column \"editor\"", "it");
    assert!(restored.iter().all(|one| one.sample[0].1 == why), "{restored:?}");
    db.run("ALTER TABLE invoices RENAME edited_by TO editor").await;
    let restored = case.restore(&run).await.unwrap();
    assert!(restored.iter().all(|one| (one.rows, one.blocked) == (1, 0)), "{restored:?}");
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn a_table_that_is_gone_keeps_its_own_rows_and_no_others() {
    for (change, back) in [
        ("ALTER TABLE b RENAME TO b_old", "ALTER TABLE b_old RENAME TO b"),
        (
            "CREATE SCHEMA old; ALTER TABLE b SET SCHEMA old; CREATE VIEW b AS SELECT * FROM old.b",
            "DROP VIEW b; ALTER TABLE old.b SET SCHEMA public",
        ),
    ] {
        let table = |name: &str| {
            format!(
                "CREATE TABLE {name} (id int PRIMARY KEY, user_id int, t text); INSERT INTO {name} VALUES (1, 9, '{name}1');"
            )
        };
        let db = with(&["a", "b", "c", "d"].map(table).concat()).await;
        let rules = [
            rule("a", "user_id", ""),
            rule("b", "user_id", ""),
            rule("c", "user_id", ", onOrphan: SetNull"),
            rule("d", "user_id", ", onOrphan: SetNull"),
        ];
        let mut case = Case::new(&db, &spec(&rules.join(", ")));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        db.run(&format!("{change}; ALTER TABLE c RENAME user_id TO owner_id")).await;
        let restored = case.restore(&run).await.unwrap();
        let mut told = came(&restored);
        told.sort();
        let expected = [("a.user_id", 1, 0), ("b.user_id", 0, 1), ("c.user_id", 0, 1), ("d.user_id", 1, 0)];
        assert_eq!(told, expected.map(|(name, rows, blocked)| (name.to_owned(), rows, blocked)), "{change}");
        let why = |name: &str| {
            restored.iter().find(|one| one.object.table == name).map(|one| one.sample[0].1.clone()).unwrap()
        };
        let there = if change.starts_with("CREATE SCHEMA") {
            "public.b is a view today"
        } else {
            "there is no table public.b any more"
        };
        assert_eq!(
            why("b"),
            format!(
                "{there}: give it its name back, then restore again, or write the row into a table of its own"
            )
        );
        assert!(
            why("c").starts_with("the copy has the column \"user_id\", and public.c has it no more"),
            "{restored:?}"
        );
        // Once more changes nothing, and the ways out lead on.
        assert_eq!(came(&case.restore(&run).await.unwrap()).iter().map(|one| one.1).sum::<i64>(), 0);
        let written = case.beside(&run, Some("public.b"), "public.b_before").await.unwrap();
        assert_eq!((written.rows, db.text("SELECT t FROM b_before").await), (1, "b1".to_owned()));
        db.run(&format!("DROP TABLE b_before; {back}; ALTER TABLE c RENAME owner_id TO user_id")).await;
        let restored = case.restore(&run).await.unwrap();
        assert!(restored.iter().all(|one| one.blocked == 0), "{restored:?}");
        assert_eq!(db.changes(&before).await, [""; 0], "{change}");
    }
}

#[tokio::test]
async fn rows_of_the_only_table_that_are_not_back_are_written_beside_without_naming_it() {
    let db = with(
        "CREATE TABLE posts (id int PRIMARY KEY, user_id int); INSERT INTO posts VALUES (1, 9);
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9)",
    )
    .await;
    let mut case = Case::new(&db, &spec(&rule("posts", "user_id", "")));
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    let both = case.beside(&run, None, "kept").await.unwrap_err();
    assert!(both.message.contains("(public.logs, public.posts): choose one with --table"), "{both:?}");
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(restored.iter().map(|one| one.rows).sum::<i64>(), 1, "{restored:?}");
    let written = case.beside(&run, None, "kept").await.unwrap();
    assert_eq!((written.object.table.as_str(), written.rows), ("logs", 1));
}

#[tokio::test]
async fn a_type_of_the_app_is_let_go_of_by_the_copies_as_the_docs_say() {
    let db = with(
        "CREATE TYPE status AS ENUM ('new', 'done'); CREATE DOMAIN pos AS int CHECK (value > 0);
         CREATE TABLE jobs (id int PRIMARY KEY, user_id int, s status, n pos); INSERT INTO jobs VALUES (1, 9, 'done', 2)",
    )
    .await;
    let mut case = Case::new(&db, &spec(&rule("jobs", "user_id", "")));
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    db.run("ALTER TABLE jobs ALTER s TYPE text").await;
    assert_eq!(db.refused("DROP TYPE status").await, "2BP01");
    // What docs/reasons/RestoreBlocked.md prints, for the type in question.
    let page = include_str!("../../docs/reasons/RestoreBlocked.md");
    let (_, sql) = page.split_once("```sql\nSELECT format('ALTER").expect("the page has the statement");
    let (sql, _) = sql.split_once(";\n```").unwrap();
    let sql = format!("SELECT format('ALTER{sql}").replace("app.status", "public.status");
    let statements = db.texts(&sql).await;
    assert_eq!(statements.len(), 1, "{statements:?}");
    db.run(&statements[0]).await;
    db.run("DROP TYPE status").await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{restored:?}");
    assert_eq!(db.text("SELECT j FROM jobs j").await, "(1,9,done,2)");
}
