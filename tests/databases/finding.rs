//! Every way of finding orphans against a plain anti-join, on schemas and data that are made up.

use auth_consistency::domain::{finding::Finding, step::Step};

use auth_consistency::api::condition::Reason;
use auth_consistency::{domain::search::Strategy, engine::Search};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use crate::support::{Case, Db, HASH, USUAL};

/// A key of the user table: column, type, the types of columns that refer to it, and an SQL expression
/// that makes its value of a number.
const KEYS: [(&str, &str, &[&str], &str); 14] = [
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
    ("word", "text", &["text", "varchar(40)"], "chr(65 + abs(@) % 3 + 32 * (abs(@) % 2)) || '-' || @"),
    (
        "lenient",
        "text COLLATE lenient",
        &["text COLLATE lenient"],
        "CASE WHEN @ % 2 = 0 THEN 'Name' ELSE 'name' END || @",
    ),
    // The ends of what an integer can hold.
    (
        "far",
        "bigint",
        &["bigint"],
        "CASE @ WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775806 WHEN 3 THEN -9223372036854775807 ELSE @ END",
    ),
    (
        "far4",
        "integer",
        &["integer", "bigint"],
        "CASE @ WHEN 0 THEN 2147483647 WHEN 1 THEN -2147483648 WHEN 2 THEN 2147483646 ELSE @ END",
    ),
    (
        "far2",
        "smallint",
        &["smallint", "integer", "bigint"],
        "CASE @ WHEN 0 THEN 32767 WHEN 1 THEN -32768 WHEN 2 THEN 32766 ELSE @ END",
    ),
];

/// The least and the greatest value of a type; an orphan may well have it.
fn extreme(random: &mut StdRng, kind: &str) -> Option<String> {
    let (least, greatest) = match kind {
        "smallint" => ("-32768", "32767"),
        "integer" => ("-2147483648", "2147483647"),
        "bigint" => ("-9223372036854775808", "9223372036854775807"),
        _ => return None,
    };
    random.random_bool(0.05).then(|| (if random.random_bool(0.5) { least } else { greatest }).to_owned())
}

/// How a table is laid out: what stands behind its columns, and its parts.
fn layout(random: &mut StdRng, table: &str) -> (&'static str, String) {
    let part = |name: &str, of: &str, values: &str| {
        format!("CREATE TABLE {table}{name} PARTITION OF {table}{of} {values};\n")
    };
    match random.random_range(0..9) {
        0 => (
            " PARTITION BY HASH (id)",
            part("_0", "", "FOR VALUES WITH (modulus 2, remainder 0)")
                + &part("_1", "", "FOR VALUES WITH (modulus 2, remainder 1)"),
        ),
        1 => (
            " PARTITION BY RANGE (id)",
            part("_low", "", "FOR VALUES FROM (MINVALUE) TO (20)")
                + &part("_high", "", "FOR VALUES FROM (20) TO (MAXVALUE)"),
        ),
        2 => (
            " PARTITION BY LIST (id)",
            part("_few", "", "FOR VALUES IN (0, 1, 2, 3, 5, 8, 13, 21)") + &part("_rest", "", "DEFAULT"),
        ),
        3 => (
            " PARTITION BY RANGE (id)",
            part("_low", "", "FOR VALUES FROM (MINVALUE) TO (20) PARTITION BY LIST (id)")
                + &part("_low_few", "_low", "FOR VALUES IN (1, 3, 5)")
                + &part("_low_rest", "_low", "DEFAULT")
                + &part("_high", "", "DEFAULT PARTITION BY HASH (id)")
                + &part("_high_all", "_high", "FOR VALUES WITH (modulus 1, remainder 0)"),
        ),
        // Rows of those that inherit are not the reference's.
        4 => ("", format!("CREATE TABLE {table}_heir () INHERITS ({table});")),
        _ => ("", String::new()),
    }
}

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

/// What a person would look for: one key and its text, of which rows.
struct ByHand {
    name: String,
    key: String,
    text: String,
    from: String,
}

impl ByHand {
    /// Rows, and the keys in their order; equal ones are one, in the least of their spellings.
    async fn found(&self, db: &Db) -> (i64, Vec<String>) {
        let Self { key, text, from, .. } = self;
        let rows = db.text(&format!("SELECT count(*) FROM {from}")).await.parse().unwrap();
        let keys = format!("SELECT min(({text}) COLLATE \"C\") FROM {from} GROUP BY {key} ORDER BY {key}");
        (rows, db.texts(&format!("SELECT k FROM ({keys}) AS k(k)")).await)
    }
}

/// The digest of keys, as a plan is bound to it.
fn digest(keys: &[String]) -> String {
    let mut digest = Sha256::new();
    for key in keys {
        digest.update(format!("{}:{key}", key.len()));
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A made-up schema.
struct Schema {
    sql: String,
    /// For each reference what its orphans are.
    expected: Vec<ByHand>,
    /// Tables with rows that a policy hides.
    hidden: Vec<String>,
    /// Tables with rows that inherit, which are no references of their own.
    heirs: Vec<String>,
}

fn schema(seed: u64) -> Schema {
    let mut random = StdRng::seed_from_u64(seed);
    let columns: Vec<String> =
        KEYS.iter().map(|(name, kind, _, _)| format!("{name} {kind} NOT NULL")).collect();
    let keys: Vec<String> = KEYS.iter().map(|(name, ..)| format!("UNIQUE ({name})")).collect();
    let mut sql = format!(
        "CREATE EXTENSION citext; SET allow_system_table_mods = on;
         CREATE COLLATION lenient (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
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
    let mut hidden = Vec::new();
    let mut heirs = Vec::new();
    let mut tables = 0;
    for (key, _, kinds, expression) in KEYS {
        for kind in kinds {
            // Half of them, so that more schemas are tried in the same time.
            if random.random_bool(0.5) {
                continue;
            }
            tables += 1;
            let table = format!("t{tables}");
            let (shape, rest) = layout(&mut random, &table);
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
                _ => {
                    let one = value(expression, pool[random.random_range(0..pool.len())]);
                    // Other spellings of what is one key to its type.
                    let loud = ["citext", "text COLLATE lenient"].contains(kind) && random.random_bool(0.3);
                    let one = if loud { format!("upper({one})") } else { one };
                    extreme(random, kind).unwrap_or(one)
                }
            };
            let rows = random.random_range(0..60);
            for id in 0..rows {
                let (c, d) = (one(&mut random), one(&mut random));
                sql += &format!("INSERT INTO {table} VALUES ({id}, {c}, {d});\n");
            }
            if rest.contains("_heir") {
                heirs.push(format!("{table}_heir"));
                sql +=
                    &format!("INSERT INTO {table}_heir VALUES (1, {}, NULL);\n", value(expression, 30_000));
            }
            sql += "RESET session_replication_role;\n";
            // Rows that a policy hides are rows all the same.
            if random.random_bool(0.3) {
                sql += &format!(
                    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
                     CREATE POLICY half ON {table} USING (id % 2 = 0);\n"
                );
                hidden.push(table.clone());
            }
            let only = if partitioned { "" } else { "ONLY " };
            for column in ["c", "d"] {
                expected.push(ByHand {
                    name: format!("{table}.{column}"),
                    key: format!("c.{column}"),
                    text: format!("c.{column}::text"),
                    from: format!(
                        "{only}{table} c WHERE c.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM users p WHERE p.{key} = c.{column})"
                    ),
                });
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
        expected.push(ByHand {
            name: format!("{table} (a, b)"),
            key: "c.a, c.b".into(),
            text: "ROW(c.a, c.b)::text".into(),
            from: format!(
                "{table} c WHERE {named} NOT EXISTS (SELECT FROM users p WHERE p.a = c.a AND p.b = c.b))"
            ),
        });
    }
    // One that only the spec declares: 0 and 1 are nobody, and only rows of kind User count.
    sql += "CREATE TABLE soft (id int PRIMARY KEY, actor bigint, kind text); CREATE INDEX ON soft (actor);\n";
    for id in 0..30 {
        let kind = if random.random_bool(0.7) { "User" } else { "Robot" };
        sql += &format!("INSERT INTO soft VALUES ({id}, {}, '{kind}');\n", random.random_range(-5..45));
    }
    expected.push(ByHand {
        name: "soft.actor".into(),
        key: "c.actor".into(),
        text: "c.actor::text".into(),
        from: "soft c WHERE actor NOT IN (0, 1) AND kind = 'User' AND NOT EXISTS (SELECT FROM users p WHERE p.id = c.actor)"
            .into(),
    });
    if random.random_bool(0.5) {
        sql += "ANALYZE;\n";
    }
    Schema { sql, expected, hidden, heirs }
}

const SPEC: &str = "
users: {preset: FastAPI}
references:
  onOrphan: Delete
  rules:
  - {table: soft, columns: [actor], declared: true, absent: ['0', '1'], where: [{column: kind, equals: User}]}
";

/// What a pass found of one reference.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    name: String,
    rows: i64,
    keys: i64,
    sample: Vec<String>,
    digest: String,
}

/// What a pass found, and the references that it could not look at.
async fn found(case: &mut Case, way: Option<Strategy>, explain: bool) -> (Vec<Line>, Vec<String>) {
    case.search = Search { explain, way, ..Search::default() };
    let pass = case.check().await;
    let outcome = pass.outcome();
    if let Some(way @ (Strategy::RangeScan | Strategy::DistinctScan)) = way {
        // Ways that need an index may find none that they may use, those that need none are always gone.
        assert!(outcome.searched.iter().any(|one| one.choice.strategy == way), "{:#?}", outcome.searched);
    }
    let of = |reason: Reason| outcome.found.iter().filter(move |one| one.finding.finding == reason);
    let name = |one: &Finding| one.finding.object.as_ref().unwrap().describe();
    let mut unreadable: Vec<String> = of(Reason::RowsUnreadable).map(name).collect();
    unreadable.sort();
    let mut lines: Vec<Line> = of(Reason::OrphanRows)
        .map(|one| Line {
            name: name(one),
            rows: one.finding.rows.unwrap(),
            keys: one.finding.keys.unwrap(),
            sample: one.finding.sample.clone(),
            digest: match &one.step {
                Some(Step::Rows { digest, .. }) => digest.clone(),
                step => panic!("{}: {step:?}", name(one)),
            },
        })
        .collect();
    lines.sort();
    (lines, unreadable)
}

/// The references of tables, in the order of their names.
fn unseen(tables: &[String]) -> Vec<String> {
    let mut all: Vec<String> =
        tables.iter().flat_map(|table| [format!("{table}.c"), format!("{table}.d")]).collect();
    all.sort();
    all
}

async fn every_way_agrees(seed: u64) {
    let Schema { sql, expected, hidden, heirs } = schema(seed);
    let db = Db::new(&sql).await;
    let mut by_hand = Vec::new();
    for one in &expected {
        let (rows, keys) = one.found(&db).await;
        if rows > 0 {
            by_hand.push(Line {
                name: one.name.clone(),
                rows,
                keys: i64::try_from(keys.len()).unwrap(),
                sample: keys.iter().take(5).cloned().collect(),
                digest: digest(&keys),
            });
        }
    }
    by_hand.sort();
    let mut case = Case::new(&db, SPEC);
    for explain in [false, true] {
        for way in Strategy::ALL.map(Some).into_iter().chain([None]) {
            let (lines, unreadable) = found(&mut case, way, explain).await;
            assert_eq!(unreadable, unseen(&heirs), "seed {seed}: {way:?}, one by one: {explain}");
            assert_eq!(lines, by_hand, "seed {seed}: {way:?}, one by one: {explain}");
        }
    }
    // Whoever would not see the hidden rows claims nothing of their tables, and the same of all others.
    let role = db.role("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ROLE").await;
    case.secret("db", "url", &db.url_of(&role));
    let is_hidden = |name: &str| hidden.iter().any(|table| name.split('.').next() == Some(table));
    by_hand.retain(|line| !is_hidden(&line.name));
    let (mut lines, unreadable) = found_by_reader(&mut case).await;
    lines.sort();
    let by_hand: Vec<_> =
        by_hand.into_iter().map(|line| (line.name, line.rows, line.keys, line.sample)).collect();
    assert_eq!(lines, by_hand, "seed {seed}: a role that sees less");
    let blind: Vec<String> = hidden.iter().chain(&heirs).cloned().collect();
    assert_eq!(unreadable, unseen(&blind), "seed {seed}: a role that sees less");
    db.run(&format!("DROP OWNED BY {}", role.0)).await;
}

/// What a role that may only read finds: name, rows, keys, sample; and what it cannot look at.
async fn found_by_reader(case: &mut Case) -> (Vec<(String, i64, i64, Vec<String>)>, Vec<String>) {
    case.search = Search::default();
    let pass = case.check().await;
    let of = |reason: Reason| pass.outcome().found.iter().filter(move |one| one.finding.finding == reason);
    let name = |one: &Finding| one.finding.object.as_ref().unwrap().describe();
    let mut unreadable: Vec<String> = of(Reason::RowsUnreadable).map(name).collect();
    unreadable.sort();
    let lines = of(Reason::OrphanRows).map(|one| {
        let finding = &one.finding;
        (name(one), finding.rows.unwrap(), finding.keys.unwrap(), finding.sample.clone())
    });
    (lines.collect(), unreadable)
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
