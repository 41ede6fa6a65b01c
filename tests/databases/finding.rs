//! Every way of finding orphans against a plain anti-join, on schemas and data that are made up.

use auth_consistency::{
    api::condition::Reason,
    consistency::{diagnosis::Step, search::Strategy},
    database::Search,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{Case, Db, HASH, USUAL};

/// A key of the user table: column, type, the types of columns that refer to it, and an SQL expression
/// that makes its value of a number.
const KEYS: [(&str, &str, &[&str], &str); 9] = [
    ("id", "bigint", &["smallint", "integer", "bigint"], "@"),
    ("little", "smallint", &["smallint", "bigint"], "@"),
    ("middle", "integer", &["smallint", "integer", "bigint"], "@"),
    ("num", "numeric", &["numeric"], "CASE WHEN @ % 2 = 0 THEN @ ELSE round(@, 1) END::numeric"),
    ("uid", "uuid", &["uuid"], "md5('x' || @)::uuid"),
    ("handle", "text COLLATE \"C\"", &["text COLLATE \"C\"", "varchar(40) COLLATE \"C\""], "'h' || @"),
    (
        "name",
        "text COLLATE \"und-x-icu\"",
        &["text COLLATE \"und-x-icu\""],
        "chr(65 + abs(@) % 3) || '-' || @",
    ),
    ("mail", "citext", &["citext"], "CASE WHEN @ % 2 = 0 THEN 'Mail' ELSE 'mail' END || @"),
    ("code", "char(9)", &["char(9)"], "'c' || @"),
];

/// How a referencing column is indexed; `#` stands for the table.
const INDEXES: [&str; 6] = [
    "",
    "CREATE INDEX ON # (c);",
    "CREATE INDEX ON # (c, id);",
    // None of these may be used.
    "CREATE INDEX ON # (c) WHERE id % 2 = 0;",
    "CREATE INDEX ON # USING hash (c);",
    "CREATE INDEX #_broken ON # (c); UPDATE pg_index SET indisvalid = false WHERE indexrelid = '#_broken'::regclass;",
];

fn value(expression: &str, number: i64) -> String {
    expression.replace('@', &format!("({number})"))
}

/// Numbers of the kind that break a search: dense, sparse, negative, with gaps at both ends.
fn numbers(random: &mut StdRng, most: usize) -> Vec<i64> {
    let count = random.random_range(0..=most);
    let dense = random.random_bool(0.5);
    let from = random.random_range(-40..40);
    let mut numbers: Vec<i64> = (0..count as i64)
        .map(|n| if dense { from + n } else { random.random_range(-3_000..3_000) })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A schema: its SQL, and for each referencing table what its orphans are.
fn schema(seed: u64) -> (String, Vec<String>) {
    let mut random = StdRng::seed_from_u64(seed);
    let columns: Vec<String> =
        KEYS.iter().map(|(name, kind, _, _)| format!("{name} {kind} NOT NULL")).collect();
    let keys: Vec<String> = KEYS.iter().map(|(name, ..)| format!("UNIQUE ({name})")).collect();
    let mut sql = format!(
        "CREATE EXTENSION citext; SET allow_system_table_mods = on;
         CREATE TABLE users ({}, a integer NOT NULL, b text NOT NULL, email text, hashed_password text, role text,
           is_active boolean DEFAULT true, {}, UNIQUE (a, b));\n",
        columns.join(", "),
        keys.join(", ")
    );
    let users = numbers(&mut random, 40);
    for number in &users {
        let values: Vec<String> = KEYS.iter().map(|(.., expression)| value(expression, *number)).collect();
        sql += &format!(
            "INSERT INTO users VALUES ({}, {number}, 'b{number}', 'u{number}@example.com', '{HASH}', 'user');\n",
            values.join(", ")
        );
    }
    let mut expected = Vec::new();
    let mut tables = 0;
    for (key, _, kinds, expression) in KEYS {
        for kind in kinds {
            tables += 1;
            let table = format!("t{tables}");
            let (shape, rest) = match random.random_range(0..5) {
                0 => (
                    " PARTITION BY HASH (id)",
                    format!(
                        "CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES WITH (modulus 2, remainder 0);
                         CREATE TABLE {table}_1 PARTITION OF {table} FOR VALUES WITH (modulus 2, remainder 1);"
                    ),
                ),
                // Rows of those that inherit are not the reference's.
                1 => ("", format!("CREATE TABLE {table}_heir () INHERITS ({table});")),
                _ => ("", String::new()),
            };
            let partitioned = !shape.is_empty();
            let mut index = INDEXES[random.random_range(0..INDEXES.len())];
            if partitioned && index.contains("_broken") {
                index = INDEXES[1];
            }
            sql += &format!(
                "CREATE TABLE {table} (id int PRIMARY KEY, c {kind}, d {kind}){shape}; {rest} {}\n",
                index.replace('#', &table)
            );
            for column in ["c", "d"] {
                sql += &format!(
                    "ALTER TABLE {table} ADD CONSTRAINT {table}_{column} FOREIGN KEY ({column}) REFERENCES users ({key});\n"
                );
            }
            sql += "SET session_replication_role = replica;\n";
            let mut pool = users.clone();
            pool.extend(numbers(&mut random, 6));
            let one = |random: &mut StdRng| match random.random_range(0..10) {
                0 => "NULL".to_owned(),
                _ if pool.is_empty() => "NULL".to_owned(),
                _ => value(expression, pool[random.random_range(0..pool.len())]),
            };
            let rows = random.random_range(0..60);
            for id in 0..rows {
                let (c, d) = (one(&mut random), one(&mut random));
                sql += &format!("INSERT INTO {table} VALUES ({id}, {c}, {d});\n");
            }
            if rest.contains("_heir") {
                sql +=
                    &format!("INSERT INTO {table}_heir VALUES (1, {}, NULL);\n", value(expression, 30_000));
            }
            sql += "RESET session_replication_role;\n";
            let only = if partitioned { "" } else { "ONLY " };
            for column in ["c", "d"] {
                expected.push(format!(
                    "SELECT '{table}.{column} ' || count(*) || ' ' || count(DISTINCT c.{column}) FROM {only}{table} c
                     WHERE c.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM users p WHERE p.{key} = c.{column})
                     HAVING count(*) > 0"
                ));
            }
        }
    }
    for (table, full) in [("simple", "SIMPLE"), ("whole", "FULL")] {
        sql += &format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, a integer, b text);
             ALTER TABLE {table} ADD FOREIGN KEY (a, b) REFERENCES users (a, b) MATCH {full};
             SET session_replication_role = replica;\n"
        );
        for id in 0..20 {
            let mut part = |letter: &str| match random.random_range(0..4) {
                0 => "NULL".to_owned(),
                _ => {
                    let number =
                        if users.is_empty() { 7 } else { users[random.random_range(0..users.len())] };
                    if letter.is_empty() { number.to_string() } else { format!("'{letter}{number}'") }
                }
            };
            let (a, b) = (part(""), part("b"));
            sql += &format!("INSERT INTO {table} VALUES ({id}, {a}, {b});\n");
        }
        sql += "RESET session_replication_role;\n";
        let named = if full == "FULL" {
            "NOT (c.a IS NULL AND c.b IS NULL) AND (c.a IS NULL OR c.b IS NULL OR"
        } else {
            "c.a IS NOT NULL AND c.b IS NOT NULL AND ("
        };
        expected.push(format!(
            "SELECT '{table} (a, b) ' || count(*) || ' ' || count(DISTINCT ROW(c.a, c.b)) FROM {table} c
             WHERE {named} NOT EXISTS (SELECT FROM users p WHERE p.a = c.a AND p.b = c.b)) HAVING count(*) > 0"
        ));
    }
    // One that only the spec declares: 0 and 1 are nobody, and only rows of kind User count.
    sql += "CREATE TABLE soft (id int PRIMARY KEY, actor bigint, kind text); CREATE INDEX ON soft (actor);\n";
    for id in 0..30 {
        let kind = if random.random_bool(0.7) { "User" } else { "Robot" };
        sql += &format!("INSERT INTO soft VALUES ({id}, {}, '{kind}');\n", random.random_range(-5..45));
    }
    expected.push(
        "SELECT 'soft.actor ' || count(*) || ' ' || count(DISTINCT actor) FROM soft c WHERE actor NOT IN (0, 1)
         AND kind = 'User' AND NOT EXISTS (SELECT FROM users p WHERE p.id = c.actor) HAVING count(*) > 0"
            .into(),
    );
    if random.random_bool(0.5) {
        sql += "ANALYZE;\n";
    }
    (sql, expected)
}

const SPEC: &str = "
users: {preset: FastAPI}
references:
  onOrphan: Delete
  rules:
  - {table: soft, columns: [actor], declared: true, absent: ['0', '1'], where: [{column: kind, equals: User}]}
";

/// What a pass found: each reference with rows and keys, and a digest of its keys where it has one.
async fn found(case: &mut Case, way: Option<Strategy>, explain: bool) -> Vec<(String, Vec<String>, String)> {
    case.search = Search { explain, way, ..Search::default() };
    let pass = case.check().await;
    let outcome = pass.outcome();
    let unreadable: Vec<_> =
        outcome.found.iter().filter(|one| one.finding.finding == Reason::RowsUnreadable).collect();
    assert!(unreadable.is_empty(), "{unreadable:#?}");
    if let Some(way @ (Strategy::RangeScan | Strategy::DistinctScan)) = way {
        // Ways that need an index may find none that they may use, those that need none are always gone.
        assert!(outcome.searched.iter().any(|one| one.choice.strategy == way), "{:#?}", outcome.searched);
    }
    let mut found: Vec<_> = outcome
        .found
        .iter()
        .filter(|one| one.finding.finding == Reason::OrphanRows)
        .map(|one| {
            let finding = &one.finding;
            let line = format!(
                "{} {} {}",
                finding.object.as_ref().unwrap().describe(),
                finding.rows.unwrap(),
                finding.keys.unwrap()
            );
            let digest = match &one.step {
                Some(Step::Rows { digest, .. }) => digest.clone(),
                _ => String::new(),
            };
            (line, finding.sample.clone(), digest)
        })
        .collect();
    found.sort();
    found
}

async fn every_way_agrees(seed: u64) {
    let (sql, expected) = schema(seed);
    let db = Db::new(&sql).await;
    let mut by_hand = Vec::new();
    for query in &expected {
        by_hand.extend(db.texts(query).await);
    }
    by_hand.sort();
    let mut case = Case::new(&db, SPEC);
    let plain = found(&mut case, Some(Strategy::AntiJoin), false).await;
    let lines: Vec<&String> = plain.iter().map(|(line, ..)| line).collect();
    assert_eq!(lines, by_hand.iter().collect::<Vec<_>>(), "seed {seed}: the engine's own anti-join");
    for explain in [false, true] {
        for way in Strategy::ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(
                found(&mut case, way, explain).await,
                plain,
                "seed {seed}: {way:?}, one by one: {explain}"
            );
        }
    }
}

#[test]
fn every_way_finds_the_same_rows_and_keys_as_a_plain_anti_join() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4);
    let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&any::<u64>(), |seed| {
            runtime.block_on(every_way_agrees(seed));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn each_way_is_gone_where_the_catalogue_speaks_for_it_and_said() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id bigint PRIMARY KEY, uid uuid NOT NULL UNIQUE, email text, hashed_password text,
           role text, is_active boolean DEFAULT true, a int, b int, UNIQUE (a, b));
         INSERT INTO users SELECT n, md5(n::text)::uuid, CASE n WHEN 1 THEN 'admin' ELSE 'u' || n END || '@example.com',
           '{HASH}', CASE n WHEN 1 THEN 'admin' END, true, n, n FROM generate_series(1, 2000) n;
         CREATE TABLE probed (id int PRIMARY KEY, user_id bigint REFERENCES users);
         INSERT INTO probed SELECT n, 1 + n % 2000 FROM generate_series(1, 60000) n;
         CREATE INDEX ON probed (user_id);
         CREATE TABLE ranged (id int PRIMARY KEY, user_id bigint REFERENCES users, owner_id bigint REFERENCES users);
         INSERT INTO ranged SELECT n, 1 + n % 2000, 1 + n % 7 FROM generate_series(1, 60000) n;
         CREATE TABLE keyed (id int PRIMARY KEY, uid uuid REFERENCES users (uid));
         INSERT INTO keyed SELECT n, md5((1 + n % 2000)::text)::uuid FROM generate_series(1, 60000) n;
         CREATE INDEX ON keyed (uid);
         CREATE TABLE few (id int PRIMARY KEY, uid uuid REFERENCES users (uid));
         INSERT INTO few SELECT n, md5((1 + n % 5)::text)::uuid FROM generate_series(1, 60000) n;
         CREATE INDEX ON few (uid);
         CREATE TABLE distinctly (id int PRIMARY KEY, uid uuid REFERENCES users (uid));
         INSERT INTO distinctly SELECT n, md5((1 + n % 2000)::text)::uuid FROM generate_series(1, 60000) n;
         CREATE TABLE unused (id int, uid uuid REFERENCES users (uid)) PARTITION BY LIST (id);
         CREATE TABLE pair (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES users (a, b));
         ANALYZE;"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.check().await;
    pass.consistent();
    let mut gone: Vec<(String, Strategy)> =
        pass.outcome().searched.iter().map(|one| (one.object.describe(), one.choice.strategy)).collect();
    gone.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("distinctly.uid", Strategy::DistinctScan),
        ("few.uid", Strategy::LooseScan),
        ("keyed.uid", Strategy::KeyProbe),
        ("pair (a, b)", Strategy::AntiJoin),
        ("probed.user_id", Strategy::GapProbe),
        ("ranged.owner_id", Strategy::RangeScan),
        ("ranged.user_id", Strategy::RangeScan),
        ("unused.uid", Strategy::AntiJoin),
    ];
    assert_eq!(gone, expected.map(|(object, way)| (object.to_owned(), way)));
}

#[tokio::test]
async fn more_orphan_keys_than_are_looked_up_one_by_one_are_counted_all_the_same() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text, hashed_password text, role text,
           is_active boolean DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE logs (id int PRIMARY KEY, user_id bigint);
         INSERT INTO logs SELECT n, 1 + n % 12000 FROM generate_series(1, 30000) n;
         CREATE INDEX ON logs (user_id);
         ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;
         ANALYZE;"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let finding = case.check().await.finding(Reason::OrphanRows);
    assert_eq!((finding.rows, finding.keys), (Some(29_998), Some(11_999)));
    assert_eq!(finding.sample, ["2", "3", "4", "5", "6"]);
}

#[tokio::test]
async fn very_many_orphan_keys_of_one_reference_do_not_hide_the_few_of_another() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text, hashed_password text, role text,
           is_active boolean DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE logs (id int PRIMARY KEY, by_id bigint, of_id bigint);
         INSERT INTO logs SELECT n, 100 + n, CASE n WHEN 7 THEN 5 WHEN 8 THEN 6 ELSE 1 END FROM generate_series(1, 21000) n;
         ALTER TABLE logs ADD FOREIGN KEY (by_id) REFERENCES users NOT VALID,
           ADD FOREIGN KEY (of_id) REFERENCES users NOT VALID;
         ANALYZE;"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    case.search.way = Some(Strategy::RangeScan);
    let pass = case.check().await;
    let findings = pass.outcome().findings();
    let mut rows: Vec<_> = findings
        .iter()
        .filter(|one| one.finding == Reason::OrphanRows)
        .map(|one| (one.object.as_ref().unwrap().describe(), one.rows.unwrap(), one.keys.unwrap()))
        .collect();
    rows.sort();
    assert_eq!(rows, [("logs.by_id".to_owned(), 21_000, 21_000), ("logs.of_id".to_owned(), 2, 2)]);
}

#[tokio::test]
async fn a_table_that_is_rewritten_while_a_look_waits_for_it_is_looked_at_again_and_not_believed_empty() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text, hashed_password text, role text,
           is_active boolean DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 1), (2, 1);"
    ))
    .await;
    for rewrite in ["ALTER TABLE users ALTER role TYPE varchar(9) USING lower(role)", "TRUNCATE logs"] {
        let mut other = db.another().await;
        sqlx::raw_sql("BEGIN").execute(&mut other).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(rewrite)).execute(&mut other).await.unwrap();
        let mut case = Case::new(&db, &format!("{USUAL}references: {{onOrphan: Delete}}\n"));
        let waited = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND datname = current_database()";
            while db.text(waiting).await == "0" {
                tokio::task::yield_now().await;
            }
            sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        };
        let (pass, ()) = tokio::join!(case.repair(), waited);
        assert!(pass.fault().message.contains("rewritten"), "{rewrite}: {:?}", pass.fault());
        case.repair().await.consistent();
        assert_eq!(db.text("SELECT count(*) FROM users").await, "1");
    }
}
