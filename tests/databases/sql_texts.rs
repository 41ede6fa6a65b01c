//! Each statement as it is sent: `tests/statements` holds a file for each file of the engine that makes some, and each
//! statement in it with the names of small schemas, so that whoever reads a change reads the SQL itself.
//!
//! `AUTHCON_STATEMENTS=write` writes them anew. Of statements that differ in names alone one is there. Whatever begins a
//! statement in the sources is there, or in `unseen.txt` with the line that begins it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use auth_consistency::{
    api::report::SearchStrategy as Way,
    engine::{PurgeFilter, RowsQuery},
    network::HostPolicy,
    pass::{self, request::Unattended},
};
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, Layer, SubscriberExt as _},
};

use crate::support::{Case, Db, HASH, USUAL};

/// Planners and catalogs of other versions lead other ways.
const VERSION: &str = "15";

/// Where a statement begins in the sources: file and line.
type Place = (String, usize);

/// The statements of one place, by what is left of each without its names.
type Shapes = BTreeMap<String, String>;

/// Listens to the statements that the engine runs.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeMap<Place, Shapes>>>);

#[derive(Default)]
struct Event {
    begun: String,
    text: String,
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "begun" {
            self.begun = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "text" {
            self.text = value.to_owned();
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "auth_consistency::statements" {
            return;
        }
        let mut seen = Event::default();
        event.record(&mut seen);
        let mut parts = seen.begun.rsplit(':');
        let line = parts.nth(1).unwrap().parse().unwrap();
        let place = (parts.next().unwrap().to_owned(), line);
        let mut all = self.0.lock().unwrap();
        let text =
            all.entry(place).or_default().entry(shape(&seen.text)).or_insert_with(|| seen.text.clone());
        // Whichever ran first.
        if seen.text < *text {
            *text = seen.text;
        }
    }
}

/// Pieces of a statement: those between quotes whole.
fn pieces(sql: &str) -> Vec<(bool, &str)> {
    let (mut pieces, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, c) in sql.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => {
                pieces.push((false, &sql[from..at]));
                (from, quote) = (at, Some(c));
            }
            (Some(mark), c) if mark == c => {
                pieces.push((true, &sql[from..=at]));
                (from, quote) = (at + 1, None);
            }
            _ => {}
        }
    }
    pieces.push((quote.is_some(), &sql[from..]));
    pieces
}

/// A statement without its names and numbers, and each of several like pieces of a list once.
fn shape(sql: &str) -> String {
    let mut shape = String::new();
    for (quoted, piece) in pieces(sql) {
        if quoted {
            shape.push_str(if piece.starts_with('"') { "\"x\"" } else { piece });
        } else {
            let plain: String = piece.chars().filter(|c| !c.is_ascii_digit()).collect();
            shape.push_str(&plain);
        }
    }
    let mut items: Vec<&str> = shape.split(", ").collect();
    items.dedup();
    items.join(", ")
}

/// With line breaks before its clauses.
fn readable(sql: &str) -> String {
    const CLAUSES: [&str; 17] = [
        "SELECT",
        "FROM",
        "WHERE",
        "JOIN",
        "CROSS",
        "LEFT",
        "GROUP",
        "ORDER",
        "LIMIT",
        "UNION",
        "RETURNING",
        "VALUES",
        "SET",
        "ON",
        "HAVING",
        "USING",
        "OFFSET",
    ];
    const WITHIN: [&str; 4] = ["AND", "OR", "WHEN", "ELSE"];
    let (mut text, mut line, mut depth) = (String::new(), String::new(), 0_usize);
    let mut word = String::new();
    let mut end = |word: &mut String, depth: usize| {
        let bare = word.trim_start_matches('(');
        let joins = bare == "JOIN" && (line.ends_with("CROSS") || line.ends_with("LEFT"));
        let breaks = CLAUSES.contains(&bare) && !joins && !(bare == "FROM" && line.ends_with("DISTINCT"));
        let long = line.len() > 100 || (WITHIN.contains(&bare) && line.trim_start().len() > 40);
        if (breaks || long) && !line.trim().is_empty() {
            text.push_str(line.trim_end());
            text.push('\n');
            line = "  ".repeat(depth + usize::from(!breaks));
        } else if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        word.clear();
    };
    let mut begins = 0;
    for (quoted, piece) in pieces(sql) {
        if quoted {
            word.push_str(piece);
            continue;
        }
        for c in piece.chars() {
            match c {
                ' ' | '\n' if word.is_empty() => {}
                ' ' | '\n' => {
                    end(&mut word, begins);
                    begins = depth;
                }
                c => {
                    word.push(c);
                    depth = match c {
                        '(' => depth + 1,
                        ')' => depth.saturating_sub(1),
                        _ => depth,
                    };
                    if word == "(" {
                        begins = depth;
                    }
                }
            }
        }
    }
    if !word.is_empty() {
        end(&mut word, begins);
    }
    text + line.trim_end()
}

/// Where two operators that are written out stand beside one another: bare, one of them would go first.
fn beside_one_another(sql: &str) -> bool {
    const BETWEEN: [&str; 27] = [
        "AND",
        "AS",
        "BY",
        "ELSE",
        "END",
        "FROM",
        "GROUP",
        "HAVING",
        "INTO",
        "JOIN",
        "LIMIT",
        "OFFSET",
        "ON",
        "OR",
        "ORDER",
        "RETURNING",
        "SELECT",
        "SET",
        "THEN",
        "UNION",
        "USING",
        "VALUES",
        "WHEN",
        "WHERE",
        "WITH",
        "CASE",
        "NOT",
    ];
    const CHAINED: [&str; 3] = ["+)", "||)", "*)"];
    let plain: String = pieces(sql).iter().map(|(quoted, piece)| if *quoted { "x" } else { piece }).collect();
    let plain =
        plain.replace("OPERATOR(", "\u{1}").replace('(', " ( ").replace(')', " ) ").replace(',', " , ");
    let mut open: Vec<Option<String>> = vec![None];
    let mut words = plain.split_whitespace();
    while let Some(word) = words.next() {
        let level = open.last_mut().unwrap();
        match word {
            "(" => open.push(None),
            ")" => {
                open.pop();
            }
            "," => *level = None,
            word if BETWEEN.contains(&word) => *level = None,
            word if word.starts_with('\u{1}') => {
                // Its symbol, and the parenthesis behind it.
                let symbol = format!("{}{}", word.rsplit('.').next().unwrap(), words.next().unwrap());
                if level.as_ref().is_some_and(|one| *one != symbol || !CHAINED.contains(&symbol.as_str())) {
                    return true;
                }
                *level = Some(symbol);
            }
            _ => {}
        }
    }
    false
}

#[test]
fn operators_beside_one_another_are_seen() {
    for (sql, beside) in [
        ("a OPERATOR(pg_catalog.=) b OPERATOR(pg_catalog.+) c", true),
        ("a OPERATOR(\"x\".=) b OPERATOR(pg_catalog.=) c", true),
        ("a OPERATOR(pg_catalog.=) b AND c OPERATOR(pg_catalog.=) d", false),
        ("a OPERATOR(pg_catalog.=) (b OPERATOR(pg_catalog.+) c)", false),
        ("f(a OPERATOR(pg_catalog.=) b, c OPERATOR(pg_catalog.+) d)", false),
        ("a OPERATOR(pg_catalog.||) b OPERATOR(pg_catalog.||) c", false),
    ] {
        assert_eq!(beside_one_another(sql), beside, "{sql}");
    }
}

fn sources(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every place where the engine begins a statement, with its line. What is printed for people is run by other tests.
fn places(root: &Path) -> BTreeMap<Place, String> {
    let mut files = Vec::new();
    sources(&root.join("src/engine/postgres"), &mut files);
    let mut places = BTreeMap::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if name.starts_with("src/engine/postgres/sql") && !name.contains("sql_keys") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let lines: Vec<&str> = code.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let next = lines.get(at + 1).copied().unwrap_or_default();
            // What is added to a statement names it first.
            let literal = line.split_once("sql!(").map(|(_, rest)| if rest.is_empty() { next } else { rest });
            let begins = line.contains("Sql::new(") || literal.is_some_and(|text| text.starts_with('"'));
            if begins {
                let next = if line.ends_with('(') { next } else { "" };
                places.insert((name.clone(), at + 1), format!("{line}{next}"));
            }
        }
    }
    places
}

/// What the files are to hold, by their names.
fn files(ran: &BTreeMap<Place, Shapes>, root: &Path) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for ((file, _), shapes) in ran {
        let name = file.trim_start_matches("src/engine/postgres/").trim_end_matches(".rs").replace('/', ".");
        let section = files.entry(format!("{name}.sql")).or_insert_with(|| format!("-- {file}\n"));
        for text in shapes.values() {
            if seen.insert(format!("{file} {text}")) {
                *section += &format!("\n{};\n", readable(text));
            }
        }
    }
    let places = places(root);
    let unknown: Vec<&Place> = ran.keys().filter(|place| !places.contains_key(*place)).collect();
    assert!(
        unknown.is_empty(),
        "statements that begin where the sources are not searched for them: {unknown:?}"
    );
    let unseen = places.iter().filter(|(place, _)| !ran.contains_key(*place));
    let unseen: Vec<String> = unseen.map(|((file, _), line)| format!("{file}: {line}\n")).collect();
    files.insert("unseen.txt".into(), unseen.concat());
    files
}

fn anywhere() -> HostPolicy {
    HostPolicy::unrestricted(Vec::new())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_850_000_000).unwrap()
}

/// Passes until nothing is left to do, with a person who approves.
async fn settle(case: &mut Case) {
    for _ in 0..4 {
        let pass = case.repair().await;
        if pass.status.plan.as_ref().is_some_and(|plan| plan.awaiting_approval) {
            case.approve().await;
        }
    }
}

/// Rows of nobody, repaired in one way and put back.
async fn rows(references: &str) {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, tokens_valid_after bigint, stamp text);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user'), \
           (6, 'bob@example.com', '{HASH}', 'user');
         CREATE TABLE roles (user_id int, role text, UNIQUE (user_id, role));
         CREATE TABLE logs (id int PRIMARY KEY, user_id int, team int, UNIQUE (user_id, team));
         CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users, title text);
         CREATE TABLE likes (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE CASCADE);
         CREATE TABLE drafts (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE SET NULL, title text);
         CREATE TABLE sessions (token text PRIMARY KEY, user_id text);
         SET session_replication_role = replica;
         INSERT INTO logs VALUES (1, 9, 1), (2, 5, 1), (3, 6, 3), (4, 8, 2), (5, 1, 2), (6, 8, 3), (7, 6, 1);
         INSERT INTO posts VALUES (1, 9, 'a'), (2, 5, 'b'), (3, 8, 'c');
         INSERT INTO likes VALUES (1, 1), (2, 2); INSERT INTO drafts VALUES (1, 3, 'd'), (2, 2, 'e');
         INSERT INTO sessions VALUES ('a', '5'), ('b', '6');
         RESET session_replication_role;
         ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID; ANALYZE"
    ))
    .await;
    let sessions = "jwt: {secretRef: {name: jwt, key: key}}\nsessions: {invalidateBeforeColumn: tokens_valid_after, \
         stampColumn: stamp, tables: [{table: sessions, column: user_id}]}\n";
    let sessions = if references.contains("Remap") { sessions } else { "" };
    let yaml =
        format!("{USUAL}references: {{{references}, limits: {{rows: 100, percent: 100}}}}\n{sessions}");
    let mut case = Case::new(&db, &yaml);
    // Ada was 6 and bob 5: they have changed places, in rows of one team too.
    let people = "id,login\n1,admin@example.com\n9,ada@example.com\n6,ada@example.com\n5,bob@example.com\n8,bob@example.com\n";
    case.config_map("before", "people.csv", people);
    case.secret("jwt", "key", "canary-weak");
    settle(&mut case).await;
    let runs = db.texts("SELECT DISTINCT run FROM auth_consistency.batches ORDER BY 1").await;
    assert!(!runs.is_empty(), "{references}");
    db.run(&format!(
        "INSERT INTO users VALUES (8, 'h@example.com', '{HASH}'), (9, 'n@example.com', '{HASH}') ON CONFLICT DO NOTHING"
    ))
    .await;
    for run in &runs {
        let wanted = RowsQuery { run: run.clone(), table: None, all_columns: true, limit: 5, identity: None };
        pass::quarantine_rows(&case.target(), &anywhere(), &wanted).await.unwrap();
        case.beside(run, Some("logs"), "logs_before").await.ok();
        case.restore(run).await.unwrap();
    }
    pass::inventory(&case.target(), &anywhere()).await.unwrap();
    pass::runs(&case.target(), &anywhere()).await.unwrap();
    let all = PurgeFilter::OlderThan(0);
    pass::unrestored(&case.target(), &anywhere(), &all, None).await.unwrap();
    pass::purge(&case.target(), &anywhere(), &all, None, Some(now())).await.unwrap();
}

/// An account that is put right, moved, given a password, put back and made anew.
async fn account() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY CHECK (id < 1000), email text NOT NULL UNIQUE, \
         hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'user'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         CREATE TABLE roles (user_id int REFERENCES users, role text, PRIMARY KEY (user_id, role));
         INSERT INTO logs VALUES (1, 1), (2, 5); INSERT INTO roles VALUES (1, 'root'); ANALYZE"
    ))
    .await;
    let mut case = Case::new(&db, &format!("{USUAL}references: {{limits: {{rows: 100, percent: 100}}}}\n"));
    settle(&mut case).await;
    case.restore(&case.status.history[0].run.clone()).await.unwrap();
    settle(&mut case).await;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("7".into()));
    settle(&mut case).await;
    case.requests.reset = Some("now".into());
    settle(&mut case).await;
    db.run("DELETE FROM logs; DELETE FROM roles; DELETE FROM users WHERE id = 7").await;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = None);
    settle(&mut case).await;
    let target = case.target();
    pass::grants(&target, &anywhere()).await.unwrap();
    pass::grants_to_observe(&target, &anywhere()).await.unwrap();
    pass::discover(&target, &anywhere()).await.unwrap();
    pass::snapshot(&target, &anywhere(), None, now()).await.unwrap();
    pass::preflight(&target, &anywhere(), &Unattended, now()).await.unwrap();
    pass::admin_account(&target, &anywhere()).await.unwrap();
}

/// Keys of each kind, looked for in each way.
async fn ways() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, tenant int NOT NULL DEFAULT 1, \
         hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, \
         UNIQUE (tenant, id));
         INSERT INTO users (id, email, hashed_password, role) VALUES (1, 'admin@example.com', '{HASH}', 'admin'), \
           (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE plain (id int PRIMARY KEY, user_id int REFERENCES users);
         CREATE INDEX ON plain (user_id);
         CREATE TABLE members (id int PRIMARY KEY, tenant int, user_id int, FOREIGN KEY (tenant, user_id) REFERENCES users (tenant, id) MATCH FULL);
         CREATE TABLE mails (id int PRIMARY KEY, email text REFERENCES users (email) ON UPDATE CASCADE);
         CREATE INDEX ON mails (email COLLATE \"C\");
         CREATE TABLE parts (id int, user_id int REFERENCES users, PRIMARY KEY (id)) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (100);
         CREATE TABLE soft (id int PRIMARY KEY, user_id text, kind text);
         SET session_replication_role = replica;
         INSERT INTO plain VALUES (1, 9); INSERT INTO members VALUES (1, 1, 9), (2, NULL, 5); INSERT INTO mails VALUES (1, 'nobody');
         INSERT INTO parts VALUES (1, 9); INSERT INTO soft VALUES (1, '9', 'user'), (2, '0', 'user');
         RESET session_replication_role; ANALYZE"
    ))
    .await;
    let rules = "references: {rules: [{table: soft, columns: [user_id], declared: true, absent: ['0'], \
         where: [{column: kind, equals: user}]}]}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{rules}"));
    for way in
        [Way::GapProbe, Way::KeyProbe, Way::LooseScan, Way::RangeScan, Way::DistinctScan, Way::AntiJoin]
    {
        case.search.way = Some(way);
        case.check().await;
    }
}

#[tokio::test]
async fn every_statement_is_written_down_as_it_is_sent() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let db = Db::new("SELECT").await;
    let version = db.text("SELECT current_setting('server_version_num')::int / 10000").await;
    if version != VERSION {
        return;
    }
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::TRACE).with(statements.clone());
    let listening = tracing::subscriber::set_default(subscriber);
    for references in [
        "onOrphan: Delete, constraint: Validate",
        "onOrphan: SetNull, constraint: Validate",
        "onOrphan: Reassign, onCollision: DeleteOrphan, constraint: Restore, \
         rules: [{table: roles, columns: [user_id], constraint: roles_user_id_fkey}]",
        "onOrphan: Remap, onCollision: DeleteOrphan, identities: {configMapRef: {name: before, key: people.csv}}",
    ] {
        rows(references).await;
    }
    account().await;
    ways().await;
    drop(listening);
    let ran = statements.0.lock().unwrap().clone();
    let texts = ran.values().flat_map(BTreeMap::values);
    let unclear: Vec<&String> = texts.filter(|text| beside_one_another(text)).collect();
    assert!(unclear.is_empty(), "one of the operators needs parentheses:\n{unclear:#?}");
    let (folder, wanted) = (root.join("tests/statements"), files(&ran, root));
    if std::env::var("AUTHCON_STATEMENTS").as_deref() == Ok("write") {
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &wanted {
            fs::write(folder.join(name), text).unwrap();
        }
        return;
    }
    let mut there = Vec::new();
    sources(&folder, &mut there);
    let there: BTreeMap<String, String> = there
        .iter()
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    let names: BTreeSet<&String> = there.keys().chain(wanted.keys()).collect();
    let changed: Vec<&String> =
        names.into_iter().filter(|name| there.get(*name) != wanted.get(*name)).collect();
    assert!(
        changed.is_empty(),
        "{changed:?} of tests/statements are not what is sent: run this test with AUTHCON_STATEMENTS=write, and read the difference"
    );
}
