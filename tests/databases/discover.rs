//! Columns that name users although no foreign key says so are suggested with their evidence, and
//! nothing is done about them until they are declared.

use auth_consistency::{domain::advise::suggestions::Suggestion, engine::Discovered};
use auth_consistency::{network::HostPolicy, pass};

use crate::support::{Case, Db, HASH, USUAL};

async fn discover(case: &Case) -> (Vec<Suggestion>, Discovered) {
    pass::discover(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap()
}

fn names(suggestions: &[Suggestion]) -> Vec<String> {
    suggestions
        .iter()
        .map(|one| format!("{} {:?} {}", one.object.describe(), one.confidence, one.share()))
        .collect()
}

/// A hundred users of every third number, and what `sql` makes.
async fn with(sql: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users SELECT n * 3, 'u' || n || '@example.com', '{HASH}', 'user' FROM generate_series(1, 100) n;
         {sql}; ANALYZE"
    ))
    .await
}

#[tokio::test]
async fn columns_are_suggested_by_name_and_data_and_others_are_not() {
    let db = with(
        "CREATE TABLE logs (id serial PRIMARY KEY, user_id int REFERENCES users, \"createdBy\" bigint, quantity int, who int);
         INSERT INTO logs (user_id, \"createdBy\", quantity, who) SELECT 3, CASE WHEN n <= 40 THEN 0 ELSE n * 3 END, n, n * 3 FROM generate_series(1, 100) n;
         CREATE TABLE empty (owner_id int); CREATE VIEW v AS SELECT id AS user_id FROM users;
         CREATE TABLE stale (author int); INSERT INTO stale SELECT n FROM generate_series(100000, 100050) n;
         CREATE TABLE texts (user_id varchar(20), note text); INSERT INTO texts SELECT (n * 3)::text, 'x' FROM generate_series(1, 60) n;
         CREATE TABLE parts (id int, sender_id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts DEFAULT;
         INSERT INTO parts SELECT n, n * 3 FROM generate_series(1, 50) n;
         CREATE TEMP TABLE gone (user_id int)",
    )
    .await;
    let case = Case::new(&db, USUAL);
    let before = db.fingerprint().await;
    let (suggestions, found) = discover(&case).await;
    assert_eq!(db.fingerprint().await, before, "it writes nothing");
    let expected = [
        "logs.createdBy Likely 100 % of 60",
        "texts.user_id Likely 100 % of 60",
        "parts.sender_id Likely 100 % of 50",
        "logs.who Possible 100 % of 100",
        "stale.author Possible 0 % of 51",
        "empty.owner_id Possible no values",
    ];
    assert_eq!(names(&suggestions), expected, "{suggestions:#?}");
    assert_eq!(suggestions[0].rule.absent, ["0"]);
    assert!(suggestions[3].why.contains("33 %"), "{}", suggestions[3].why);
    assert_eq!((found.left, found.skipped.len()), (0, 0));
}

#[tokio::test]
async fn logins_are_no_references_by_id() {
    let db = Db::new(
        "CREATE TABLE \"Accounts\" (\"ID\" bigserial PRIMARY KEY, \"User\" varchar(50) NOT NULL UNIQUE);
         INSERT INTO \"Accounts\" (\"User\") SELECT 'u' || n FROM generate_series(1, 50) n;
         CREATE TABLE friends (\"User\" varchar(50), author text); INSERT INTO friends SELECT 'u' || n, 'x' || n FROM generate_series(1, 51) n; ANALYZE",
    )
    .await;
    let case = Case::new(&db, "users: {table: Accounts, idColumn: ID, loginColumn: User}\n");
    let (suggestions, _) = discover(&case).await;
    assert_eq!(names(&suggestions), ["friends.author Possible 0 % of 51"]);
}

#[tokio::test]
async fn what_is_declared_or_ignored_is_not_suggested_and_what_is_suggested_can_be_declared() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor_id int, actor_type text, owner_id int, reviewer_id int);
         INSERT INTO events SELECT n, CASE WHEN n % 2 = 0 THEN n * 3 / 2 * 2 ELSE 5000 + n END, CASE WHEN n % 2 = 0 THEN 'User' ELSE 'Invoice' END, 3, 3 FROM generate_series(2, 100) n",
    )
    .await;
    let rules = "references: {rules: [{table: events, columns: [owner_id], declared: true}, {table: events, columns: [reviewer_id], ignore: true, reason: old}]}";
    let mut case = Case::new(&db, &format!("{USUAL}{rules}\n"));
    let (suggestions, _) = discover(&case).await;
    assert_eq!(names(&suggestions), ["events.actor_id Likely 100 % of 50"], "{suggestions:#?}");
    let rule = suggestions[0].rule.clone();
    assert_eq!(rule.only_where[0].equals.as_deref(), Some("User"));
    case.edit(|spec| spec.references.rules.push(rule));
    assert_eq!(names(&discover(&case).await.0), [""; 0]);
    let pass = case.repair().await;
    assert_eq!(pass.status.references.as_ref().unwrap().checked, 2);
    assert_eq!(pass.status.references.as_ref().unwrap().orphan_rows, 0);
}

#[tokio::test]
async fn uuids_need_no_name_and_dense_numbers_are_never_guessed() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text, hashed_password text, role text, is_active boolean);
         INSERT INTO users (email, hashed_password) SELECT n || '@example.com', '{HASH}' FROM generate_series(1, 50) n;
         CREATE TABLE docs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), whose uuid, trace uuid DEFAULT gen_random_uuid());
         INSERT INTO docs (whose) SELECT id FROM users; ANALYZE"
    ))
    .await;
    let (suggestions, _) = discover(&Case::new(&db, USUAL)).await;
    assert_eq!(names(&suggestions), ["docs.whose Likely 100 % of 50"]);
    let db = with("UPDATE users SET id = 10000 + id / 3; UPDATE users SET id = id - 10000; \
                   CREATE TABLE items (price int, stock int); INSERT INTO items SELECT n, n FROM generate_series(1, 100) n").await;
    assert_eq!(names(&discover(&Case::new(&db, USUAL)).await.0), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_read_or_takes_too_long_is_named() {
    let db = with("CREATE TABLE secret (user_id int); CREATE TABLE hidden (user_id int); CREATE TABLE busy (user_id int); \
                   CREATE TABLE open (user_id int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY").await;
    let role = db.role("GRANT SELECT ON users, hidden, busy, open TO ROLE").await;
    let mut lock = db.another().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    let mut case = Case::new(&db, &format!("timeout: 1s\n{USUAL}"));
    case.secret("db", "url", &db.url_of(&role));
    let (suggestions, found) = discover(&case).await;
    assert_eq!(names(&suggestions), ["open.user_id Possible no values"]);
    let skipped: Vec<String> =
        found.skipped.iter().map(|one| format!("{}: {}", one.object.describe(), one.why)).collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    for (table, why) in
        [("busy", "another session holds a lock"), ("hidden", "row-level security"), ("secret", "SELECT")]
    {
        assert!(
            skipped.iter().any(|one| one.starts_with(table) && one.contains(why)),
            "{table}: {skipped:?}"
        );
    }
}

#[tokio::test]
async fn a_large_catalogue_is_looked_at_within_bounds() {
    let db = with("DO $$ BEGIN FOR n IN 1..600 LOOP EXECUTE format('CREATE TABLE t%s (id int, user_id int, amount int)', n); END LOOP; END $$").await;
    let (suggestions, found) = discover(&Case::new(&db, USUAL)).await;
    assert_eq!((found.sampled.len(), found.left), (200, 1600));
    assert_eq!(suggestions.len(), 200);
}

#[tokio::test]
async fn large_tables_are_sampled_and_the_sample_is_bounded() {
    let db = with("CREATE TABLE logs (user_id int); INSERT INTO logs SELECT 3 * (1 + n % 100) FROM generate_series(1, 150000) n").await;
    let (suggestions, found) = discover(&Case::new(&db, USUAL)).await;
    assert_eq!(names(&suggestions), ["logs.user_id Likely 100 % of 100"]);
    let rows: i64 = found.sampled[0].values.iter().map(|value| value.rows).sum();
    assert!(rows <= 10_000, "{rows}");
    assert_eq!(suggestions[0].rows, Some(150_000));
}

#[tokio::test]
async fn pairs_of_class_and_id_are_suggested_whatever_the_column_is_called_and_the_rules_are_taken() {
    let db = with(
        "CREATE TABLE media (id int PRIMARY KEY, model_type text, model_id int, \"imageableType\" text, \"imageableId\" varchar(36), post_type text, post_id int, by_uid int);
         INSERT INTO media SELECT n, 'App\\Models\\User', n * 3, 'User', (n * 3)::text, 'Page', n, 3 FROM generate_series(1, 40) n;
         INSERT INTO media SELECT 100 + n, 'App\\Models\\Post', n, 'Team', gen_random_uuid()::text, 'Page', n, 6 FROM generate_series(1, 90) n;
         INSERT INTO media (id, model_type, model_id) VALUES (500, 'App\\Models\\User', 5)",
    )
    .await;
    let mut case = Case::new(
        &db,
        &format!("{USUAL}references: {{rules: [{{table: media, columns: [by_uid], onOrphan: Delete}}]}}\n"),
    );
    let (suggestions, _) = discover(&case).await;
    let expected = [
        "media.imageableId Likely 100 % of 40",
        "media.model_id Likely 97 % of 41",
        "media.by_uid Possible 100 % of 2",
    ];
    assert_eq!(names(&suggestions), expected, "{suggestions:#?}");
    assert_eq!(suggestions.iter().map(|one| one.replaces).collect::<Vec<_>>(), [false, false, true]);
    case.edit(|spec| spec.references.rules = suggestions.into_iter().map(|one| one.rule).collect());
    let pass = case.check().await;
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.orphan_rows), (3, 1));
    assert_eq!(names(&discover(&case).await.0), [""; 0]);
}

#[tokio::test]
async fn values_are_held_against_other_tables_of_accounts() {
    let db = with(
        "CREATE TABLE customers (id int PRIMARY KEY, email text); INSERT INTO customers SELECT n FROM generate_series(1, 300) n;
         CREATE TABLE shops (id uuid PRIMARY KEY, login text);
         CREATE TABLE orders (id serial, owner_id int, user_id int); INSERT INTO orders (owner_id, user_id) SELECT n * 2, n * 3 FROM generate_series(1, 90) n",
    )
    .await;
    let (suggestions, _) = discover(&Case::new(&db, USUAL)).await;
    assert_eq!(
        names(&suggestions),
        ["orders.user_id Likely 100 % of 90", "orders.owner_id Possible 33 % of 90"],
        "{suggestions:#?}"
    );
    let told = "; customers.id has 100 % of the values, ";
    assert!(suggestions[0].why.ends_with(&format!("{told}too: the values do not tell the two apart")));
    assert!(suggestions[1].why.ends_with(&format!("{told}so they fit that table better")));
}

#[tokio::test]
async fn ids_that_stand_in_several_rows_are_never_more_than_all_numbers() {
    let db = Db::new(&format!(
        "CREATE TABLE users (store int, id int, email text, hashed_password text, role text, is_active boolean, PRIMARY KEY (store, id));
         INSERT INTO users SELECT n % 3, n / 3, n || '@example.com', '{HASH}' FROM generate_series(1, 60) n;
         CREATE TABLE visits (user_id int); INSERT INTO visits SELECT n FROM generate_series(1, 15) n; ANALYZE"
    ))
    .await;
    let (suggestions, _) = discover(&Case::new(&db, USUAL)).await;
    assert!(suggestions[0].why.contains(" 100 % of any such numbers"), "{}", suggestions[0].why);
}
