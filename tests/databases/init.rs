//! What `init` reads: counts and formats, of no more rows than it says, and never a value.

use auth_consistency::{
    domain::advise::init::{
        choose::{Candidate, Choice, choose},
        facts::{DatabaseFacts, TableFacts},
        propose::{Chosen, propose},
    },
    network::HostPolicy,
    pass,
};

use crate::support::{Case, Db, HASH, USUAL};

async fn read(case: &Case) -> DatabaseFacts {
    pass::init(&case.target(), &HostPolicy::unrestricted(Vec::new()), None).await.unwrap()
}

fn table<'f>(found: &'f DatabaseFacts, name: &str) -> &'f TableFacts {
    found.tables.iter().find(|one| one.table == name).unwrap_or_else(|| panic!("{name} is not in {found:#?}"))
}

#[tokio::test]
async fn a_table_is_read_as_counts_and_formats_and_nothing_is_written() {
    let db = Db::new(&format!(
        "CREATE TYPE kind AS ENUM ('member', 'admin');
         CREATE TABLE users (id serial PRIMARY KEY, email text, hashed_password text, role text, kind kind NOT NULL DEFAULT 'member', user_type kind NOT NULL DEFAULT 'member', is_active boolean, deleted_at timestamptz);
         CREATE UNIQUE INDEX ON users (lower(email)) INCLUDE (role) WHERE deleted_at IS NULL;
         CREATE TABLE logs (id integer PRIMARY KEY, user_id integer REFERENCES users, at date) PARTITION BY RANGE (id);
         CREATE TABLE logs_1 PARTITION OF logs DEFAULT;
         CREATE VIEW v_users AS SELECT * FROM users; CREATE TEMP TABLE gone (email text, password text);
         INSERT INTO users (email, hashed_password, role, is_active, deleted_at) SELECT 'canary' || n || '@example.com', CASE WHEN n > 10 THEN '{HASH}' END, CASE n WHEN 1 THEN 'Owner' WHEN 2 THEN 'canary' ELSE 'member' END, n > 3, CASE WHEN n < 5 THEN now() END FROM generate_series(1, 50) n; ANALYZE"
    ))
    .await;
    let case = Case::new(&db, USUAL);
    let before = db.fingerprint().await;
    let found = read(&case).await;
    assert_eq!(db.fingerprint().await, before, "it writes nothing");
    assert_eq!(found.all, 2, "neither partitions nor views nor temporary tables count");
    let users = table(&found, "users");
    assert_eq!((users.sampled, users.rows, &users.unread), (50, Some(50), &None));
    let unique: Vec<(&[String], bool, bool, bool)> = users
        .keys
        .iter()
        .map(|key| (key.columns.as_slice(), key.primary, key.partial, key.expression))
        .collect();
    // The condition names a column as well and INCLUDE another, which are no part of the key.
    assert_eq!(unique[0], (["id".to_owned()].as_slice(), true, false, false));
    assert_eq!(unique[1], (["email".to_owned()].as_slice(), false, true, true));
    let how = Candidate::of(users).logins[0].how();
    assert!(how.starts_with("unique among some of the rows, by an index over an expression"), "{how}");
    let column = |name: &str| users.column(name).unwrap();
    assert_eq!((column("email").addresses, column("email").filled), (50, 50));
    assert_eq!((column("is_active").trues, column("deleted_at").filled), (47, 4));
    assert_eq!(column("role").words, [("Owner".to_owned(), Some(1))], "of roles only known words are read");
    assert_eq!(column("user_type").words, [("admin".to_owned(), Some(0))]);
    assert_eq!(column("kind").words, [("admin".to_owned(), None)], "it is not called as roles are");
    let majority = column("hashed_password").hashes.as_ref().unwrap().majority().unwrap();
    assert_eq!((majority.accounts, majority.of), (40, 40));
    assert_eq!(users.referenced.len(), 1, "a key of a partitioned table is one: {:?}", users.referenced);
    assert!(!format!("{found:?}").contains("canary"), "a value of a row is in what was read");
}

#[tokio::test]
async fn what_may_not_be_read_or_is_held_by_somebody_is_said_and_is_still_a_candidate() {
    let db = Db::new(
        "CREATE TYPE kind AS ENUM ('member', 'admin'); CREATE SCHEMA closed;
         CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, password text);
         CREATE TABLE staff (id serial PRIMARY KEY, email text UNIQUE, password text, role kind);
         CREATE TABLE members (id serial PRIMARY KEY, email text UNIQUE, password text);
         CREATE TABLE closed.clients (id serial PRIMARY KEY, email text UNIQUE, password text);
         ALTER TABLE members ENABLE ROW LEVEL SECURITY",
    )
    .await;
    let role = db.role("GRANT SELECT ON users, members, closed.clients TO ROLE").await;
    let mut lock = db.another().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    let mut case = Case::new(&db, &format!("timeout: 1s\n{USUAL}"));
    case.secret("db", "url", &db.url_of(&role));
    let found = read(&case).await;
    for (name, why) in [
        ("users", "another session holds a lock"),
        ("staff", "USAGE of its schema or SELECT on the table is missing"),
        ("clients", "USAGE of its schema or SELECT on the table is missing"),
        ("members", "row-level security"),
    ] {
        let facts = table(&found, name);
        let said = facts.unread.as_deref().unwrap_or_default();
        assert!(said.contains(why), "{name}: {said}");
        assert_eq!(facts.sampled, 0);
        assert!(Candidate::of(facts).line().contains(&format!("no row of it was read: {said}")));
    }
    let Choice::Several(several) = choose(&found) else { panic!("one of four was chosen") };
    assert_eq!(several.len(), 4);
    let staff = several.iter().find(|one| one.facts.table == "staff").unwrap();
    let admin = propose(&found, staff, &Chosen::default()).unwrap().admin;
    assert_eq!(admin[0].why, "a role by its name; rows were not counted");
}

#[tokio::test]
async fn many_and_large_tables_are_looked_at_within_bounds() {
    let db = Db::new(&format!(
        "DO $$ BEGIN FOR n IN 1..300 LOOP EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, email text)', n); END LOOP; END $$;
         CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, hashed_password text);
         INSERT INTO users (email, hashed_password) SELECT n || '@example.com', '{HASH}' FROM generate_series(1, 120000) n; ANALYZE"
    ))
    .await;
    let found = read(&Case::new(&db, USUAL)).await;
    assert_eq!((found.all, found.tables.len()), (301, 24));
    let users = table(&found, "users");
    assert!((100..=200).contains(&users.sampled), "{}", users.sampled);
    let Choice::One(one, others) = choose(&found) else {
        panic!("the only table with passwords was not chosen")
    };
    assert_eq!((one.facts.table.as_str(), others.len()), ("users", 0));
    let (target, anywhere) = (Case::new(&db, USUAL).target(), HostPolicy::unrestricted(Vec::new()));
    let named = pass::init(&target, &anywhere, Some("public.t299")).await.unwrap();
    assert_eq!(named.tables[0].table, "t299");
}

#[tokio::test]
async fn of_a_table_of_many_wide_texts_a_part_is_looked_at_and_what_is_called_so_before_the_rest() {
    let columns: Vec<String> =
        (1..=150).map(|n| format!("c{n} {}", if n > 80 { "date" } else { "text" })).collect();
    let db = Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, {}, email text UNIQUE, hashed_password text, deleted_at timestamptz);
         INSERT INTO users (email, hashed_password, deleted_at, {}) SELECT n || '@example.com', '{HASH}', now(), {} FROM generate_series(1, 300) n; ANALYZE",
        columns.join(", "),
        (1..=40).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", "),
        ["repeat('\u{20ac}', 300)"; 40].join(", "),
    ))
    .await;
    let found = read(&Case::new(&db, USUAL)).await;
    let users = table(&found, "users");
    assert_eq!((users.sampled, users.columns.len(), &users.unread), (200, 154, &None));
    let filled = |name: &str| users.column(name).unwrap().filled;
    assert_eq!(
        (filled("email"), filled("hashed_password"), filled("c30"), filled("c31")),
        (200, 200, 200, 0)
    );
    assert_eq!(filled("deleted_at"), 200, "it stands behind more columns than are looked at");
    let looked = ["c30", "c31", "c81", "c150", "deleted_at"].map(|name| users.column(name).unwrap().looked);
    assert_eq!(looked, [true, false, true, false, true]);
}
