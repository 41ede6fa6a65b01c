//! The line to the database is cut before and after every statement of every kind of repair. To the
//! database that is `kill -9` of the process: whatever it was doing, the end is the same, and nothing is
//! done twice or lost.
//!
//! Each change is tried at every COMMIT and at a quarter of the other places, which `AUTHCON_CUTS` draws by the number that
//! it is set to; `AUTHCON_CUTS=all` (`make cuts`) tries each place, which takes four times as long.
//!
//! Each kind is first repaired over a line that nobody cuts. After each COMMIT the state of the database is
//! taken: those states, and no others, may be found wherever the line is cut.

use auth_consistency::domain::request::{Approval, Requests};

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use auth_consistency::domain::report::Outcome;

use auth_consistency::{
    api::{AuthConsistencyStatus, condition::Reason as R, report::Action as A},
    network::HostPolicy,
    pass,
};
use futures::StreamExt;
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{
    Case, Db, HASH, Line, Side, Template, USUAL, qualified::unqualified_by_the_role_s_path,
};

/// Cases of one kind at a time.
const AT_ONCE: usize = 3;
/// Passes after which it must be settled.
const PASSES: usize = 8;

/// One kind of repair.
struct Kind {
    /// The spec beside the usual one.
    spec: String,
    /// What a person or the cluster gives beside the spec.
    gives: fn(&mut Case),
    /// A run whose rows are put back, instead of passes.
    restores: Option<String>,
    /// What the repair must have done, by the audit, so that a kind that does nothing does not pass.
    does: &'static [&'static str],
}

/// What happens to a process whose line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    /// It is gone, with all that it remembered.
    Dies,
    /// It goes on with another connection.
    Lives,
}

/// One place where the line is cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: usize,
    side: Side,
    process: Process,
}

/// Steps that were told, by action and object: how many rows, and how often for those without rows.
type Told = BTreeMap<(A, String), (i64, usize)>;

/// What everything comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    rows: Vec<String>,
    sums: Vec<String>,
    conditions: Vec<String>,
    history: Told,
}

/// How many rows are compared.
#[derive(Debug, Clone, Copy)]
enum Many {
    /// Each of them.
    Each,
    /// How many there are of each kind, whatever numbers are in them: which of many rows a chunk takes first is
    /// left to the database, and is not the same each time.
    Kinds,
}

/// Rows of a query as lines; many are a count and a digest.
async fn lines(db: &Db, of: &str, sql: &str, many: Many) -> Vec<String> {
    let one = match many {
        Many::Each => "r",
        Many::Kinds => "regexp_replace(r, '[0-9]+', 'N', 'g')",
    };
    let sql = format!(
        "SELECT CASE WHEN count(*) <= 60 THEN string_agg(replace(r, '{HASH}', 'OLD HASH'), E'\\n' ORDER BY r) \
         ELSE format('%s rows, %s', count(*), md5(string_agg({one}, ' ' ORDER BY {one}))) END \
         FROM (SELECT regexp_replace(regexp_replace(r, '\\m1[6-9][0-9]{{8}}\\M', 'SECONDS', 'g'), \
         '\\m([0-9a-f]{{32}}|[0-9a-f]{{64}})\\M', 'STAMP', 'g') FROM ({sql}) x(r)) x(r)"
    );
    let text = db.text(&sql).await;
    text.lines().filter(|line| *line != "NULL").map(|line| format!("{of}: {}", masked(line))).collect()
}

/// New hashes are drawn anew each time.
fn masked(line: &str) -> String {
    let mut parts = line.split("$2b$");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        text.push_str("NEW HASH");
        text.push_str(part.get(57..).unwrap_or_default());
    }
    text
}

/// The app's rows, sequences and foreign keys, and every copy.
async fn rows(db: &Db, many: Many) -> Vec<String> {
    let mut all = Vec::new();
    let tables = "SELECT c.relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    for table in db.texts(tables).await {
        all.extend(lines(db, &table, &format!("SELECT t::text FROM {table} t"), many).await);
    }
    let sequences =
        "SELECT format('%s %s', sequencename, last_value) FROM pg_sequences WHERE schemaname = 'public'";
    all.extend(lines(db, "sequence", sequences, many).await);
    let keys = "SELECT format('%s %s %s', conname, convalidated, pg_get_constraintdef(oid)) FROM pg_constraint \
         WHERE contype = 'f' AND connamespace = 'public'::regnamespace";
    all.extend(lines(db, "key", keys, many).await);
    if !ours(db).await {
        return all;
    }
    for copies in db.texts("SELECT name FROM auth_consistency.quarantine ORDER BY 1").await {
        let sql = format!(
            "SELECT format('%s %s %s %s', b.action, q._ac_new_key, q._ac_restored_at IS NOT NULL, \
             to_jsonb(q) - '_ac_batch' - '_ac_new_key' - '_ac_restored_at') \
             FROM auth_consistency.{copies} q LEFT JOIN auth_consistency.batches b ON b.batch = q._ac_batch"
        );
        all.extend(lines(db, &copies, &sql, many).await);
    }
    if db.text("SELECT to_regclass('auth_consistency.remaps') IS NOT NULL").await == "true" {
        let remaps = "SELECT format('%s %s %s', object, list, shifted) FROM auth_consistency.remaps";
        all.extend(lines(db, "remap", remaps, many).await);
    }
    if db.text("SELECT to_regclass('auth_consistency.ended') IS NOT NULL").await == "true" {
        let ended =
            "SELECT format('%s %s %s', cause, accounts, restored_at IS NOT NULL) FROM auth_consistency.ended";
        all.extend(lines(db, "ended", ended, many).await);
    }
    all
}

/// An id that was drawn by an INSERT which was undone is gone for good, so that the next one is drawn: it is
/// above every id that rows name, and what the sequence has come to.
fn drawn(mut rows: Vec<String>) -> Vec<String> {
    let at = |line: &String| line.strip_prefix("sequence: users_id_seq ")?.parse::<i64>().ok();
    let Some(last) = rows.iter().find_map(at) else { return rows };
    assert!(last > 9, "the sequence is behind: {rows:#?}");
    for line in &mut rows {
        *line = line.replace(&format!("users_id_seq {last}"), "users_id_seq DRAWN");
        *line = line.replace(&format!("({last},admin@"), "(DRAWN,admin@");
    }
    rows
}

async fn ours(db: &Db) -> bool {
    db.text("SELECT to_regclass('auth_consistency.layout') IS NOT NULL").await == "true"
}

/// The same, and what the bookkeeping says, as it is after each COMMIT; without sequences, which move when
/// they are asked and not at COMMIT.
async fn state(db: &Db) -> Vec<String> {
    let mut all = rows(db, Many::Kinds).await;
    all.retain(|line| !line.starts_with("sequence: "));
    if ours(db).await {
        let audit = "SELECT format('%s %s %s %s %s', action, object, rows, reset_token, plan_hash IS NOT NULL) FROM auth_consistency.audit";
        all.extend(lines(db, "audit", audit, Many::Kinds).await);
        let steps = "SELECT format('%s %s %s of %s done, approved: %s, closed: %s', action, table_name, done, ceiling, \
             plan_hash IS NOT NULL, closed_at IS NOT NULL) FROM auth_consistency.steps JOIN auth_consistency.runs USING (run)";
        all.extend(lines(db, "step", steps, Many::Kinds).await);
    }
    all
}

/// The audit by action and object, whatever runs and chunks it took; approvals must be used up, each once.
async fn sums(db: &Db) -> Vec<String> {
    let open = "SELECT count(*) FROM auth_consistency.runs WHERE plan_hash IS NOT NULL AND closed_at IS NULL";
    assert_eq!(db.text(open).await, "0", "an approved run stays open");
    let twice =
        "SELECT count(*) - count(DISTINCT plan_hash) FROM auth_consistency.runs WHERE plan_hash IS NOT NULL";
    assert_eq!(db.text(twice).await, "0", "an approval was used twice");
    // A step of no rows is as many effects as it has lines.
    let sums = "SELECT format('%s %s %s %s %s', action, split_part(object, ' with its password as ', 1), reset_token, \
         sum(rows), count(*) FILTER (WHERE rows = 0)) FROM auth_consistency.audit GROUP BY action, object, reset_token";
    lines(db, "audit", sums, Many::Each).await
}

fn told(outcome: &Outcome, told: &mut Told) {
    for step in &outcome.repaired {
        let denied = format!("{} of {} was not done", step.action, step.object.describe());
        let findings = outcome.findings();
        assert!(!findings.iter().any(|one| one.message.contains(&denied)), "done, and not: {findings:#?}");
        let one = told.entry((step.action, step.object.describe())).or_default();
        one.0 += step.rows;
        one.1 += usize::from(step.rows == 0);
    }
}

/// What the cluster keeps of a resource: its status as it was last written, and its annotations.
type Kept = (AuthConsistencyStatus, Requests);

/// How a process goes on until everything is settled, with a person who approves what is shown. What a pass
/// came to is told and kept when it is at its end, and not before.
async fn live(kind: &Kind, case: &mut Case, all: &mut Told, kept: &mut Kept) {
    if let Some(run) = &kind.restores {
        let mut put_back = false;
        for _ in 0..PASSES {
            let anywhere = HostPolicy::unrestricted(Vec::new());
            let now = Timestamp::from_second(1_850_000_000).unwrap();
            match pass::restore(&case.target(), &anywhere, run, None, now).await {
                Ok(restored) => {
                    for one in restored {
                        assert_eq!(one.blocked, 0, "{one:?}");
                        all.entry((A::Restore, one.object.describe())).or_default().0 += one.rows;
                    }
                    put_back = true;
                    break;
                }
                // As `before that, 1 row of posts.user_id, 3 rows of likes.post_id were put back: run it again`.
                Err(fault) => {
                    let done = fault.message.split_once("before that, ").map_or("", |(_, done)| done);
                    for one in done.split(" were ").next().unwrap().split(", ").filter(|one| !one.is_empty())
                    {
                        let (rows, object) = one.split_once(" of ").unwrap();
                        let rows: i64 = rows.split(' ').next().unwrap().parse().unwrap();
                        all.entry((A::Restore, object.to_owned())).or_default().0 += rows;
                    }
                }
            }
        }
        assert!(put_back, "the rows are never put back");
    }
    for _ in 0..PASSES {
        let pass = case.repair().await;
        kept.0 = case.status.clone();
        let Ok(outcome) = &pass.end else { continue };
        told(outcome, all);
        let waits = pass.status.plan.as_ref().filter(|plan| plan.awaiting_approval);
        let approved = case.requests.approval.as_ref().map(|approval| approval.hash.clone());
        if let Some(hash) = waits.and_then(|plan| plan.hash.clone())
            && Some(&hash) != approved.as_ref()
        {
            let steps = pass.status.plan.iter().flat_map(|plan| plan.steps.clone());
            let shown = steps.collect();
            case.requests.approval = Some(Approval { hash, shown });
            kept.1 = case.requests.clone();
            continue;
        }
        let failed = outcome.findings().iter().any(|one| one.finding == R::RepairFailed);
        if outcome.repaired.is_empty() && !failed && !outcome.unfinished() {
            assert_eq!(waits, None, "an approved plan waits for ever");
            return;
        }
    }
    panic!("it does not settle in {PASSES} passes: {:#?}", case.status);
}

async fn end(db: &Db, case: &Case) -> End {
    let shown = |one: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        format!("{}={} {}", one.type_, one.status, one.reason)
    };
    let mut history = Told::new();
    for one in &case.status.history {
        let sum = history.entry((one.action, one.object.clone())).or_default();
        sum.0 += one.rows;
        sum.1 += usize::from(one.rows == 0);
    }
    assert_eq!(case.status.last_handled_reset_admin, case.requests.reset, "a handled token is not told");
    let approved = case.requests.approval.as_ref().map(|approval| approval.hash.clone());
    assert_eq!(case.status.last_handled_approval, approved, "a used approval is not told");
    End {
        rows: drawn(rows(db, Many::Each).await),
        sums: sums(db).await,
        conditions: case.status.conditions.iter().map(shown).collect(),
        history,
    }
}

fn case_over(kind: &Kind, url: &str) -> Case {
    let database = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
    let mut case = Case::with_database(database, &format!("{USUAL}{}", kind.spec));
    case.secret("db", "url", url);
    (kind.gives)(&mut case);
    case
}

/// What the way of a kind looks like when nobody cuts it.
struct Uncut {
    statements: Vec<String>,
    /// The state at the beginning and after each COMMIT.
    states: Vec<Vec<String>>,
    told: Told,
    end: End,
}

async fn uncut(kind: &Kind, template: &Template) -> Uncut {
    let db = Arc::new(template.copy().await);
    let states = Arc::new(Mutex::new(vec![state(&db).await]));
    let line = Line::watched(&db, {
        let (db, states) = (Arc::clone(&db), Arc::clone(&states));
        Box::new(move || {
            let (db, states) = (Arc::clone(&db), Arc::clone(&states));
            Box::pin(async move {
                let state = state(&db).await;
                states.lock().unwrap().push(state);
            })
        })
    })
    .await;
    let mut case = case_over(kind, &line.url(&db));
    let mut told = Told::new();
    let mut kept = (case.status.clone(), case.requests.clone());
    live(kind, &mut case, &mut told, &mut kept).await;
    let end = end(&db, &case).await;
    for does in kind.does {
        assert!(end.sums.iter().any(|sum| sum.contains(does)), "{does} is not among {:#?}", end.sums);
    }
    let states = states.lock().unwrap().clone();
    let statements = line.statements();
    let open = unqualified_by_the_role_s_path(&statements);
    assert!(
        open.is_empty(),
        "what these mean is for whoever creates something on the role's path:\n{}",
        open.join("\n")
    );
    Uncut { statements, states, told, end }
}

/// Whether a statement writes, locks, begins or ends something.
fn writes(sql: &str) -> bool {
    const BEGINS: &[&str] = &[
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "ALTER",
        "COMMIT",
        "SAVEPOINT",
        "RELEASE",
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "SET CONSTRAINTS",
    ];
    const HOLDS: &[&str] = &["INSERT INTO", "DELETE FROM", " UPDATE ", "FOR UPDATE", "FOR SHARE", "setval("];
    BEGINS.iter().any(|word| sql.starts_with(word)) || HOLDS.iter().any(|word| sql.contains(word))
}

/// Of each statement whether it writes; what belongs to a look, savepoints included, does not.
fn writing(statements: &[String]) -> Vec<bool> {
    let mut looks = false;
    let writing = statements.iter().map(|sql| {
        looks |= sql.contains("READ ONLY");
        let writing = !looks && writes(sql);
        looks &= sql != "COMMIT" && sql != "ROLLBACK";
        writing
    });
    writing.collect()
}

/// Which places of those that are no COMMIT.
#[derive(Debug, Clone, Copy)]
enum Places {
    Each,
    /// A quarter of them, drawn from a seed.
    Drawn(u64),
}

impl Places {
    fn chosen() -> Self {
        match std::env::var("AUTHCON_CUTS").as_deref() {
            Ok("all") => Self::Each,
            Ok(seed) => Self::Drawn(seed.parse().expect("AUTHCON_CUTS is a number, or all")),
            Err(_) => Self::Drawn(0),
        }
    }

    /// Of these, those that are tried: each of the same name and seed draws the same.
    fn of(self, name: &str, statements: &[String], cuts: Vec<Cut>) -> Vec<Cut> {
        let Self::Drawn(seed) = self else { return cuts };
        let name = name.bytes().fold(seed, |all, byte| all.wrapping_mul(31).wrapping_add(byte.into()));
        let mut draw = StdRng::seed_from_u64(name);
        cuts.into_iter().filter(|cut| draw.random_ratio(1, 4) || statements[cut.at - 1] == "COMMIT").collect()
    }
}

/// Where the line can be cut: on both sides of whatever writes, from the first such statement on. To cut after a
/// statement is to cut before the next one, but where the process lives on or the answer to a COMMIT is
/// lost. What only reads does nothing that a cut could leave behind, and is sampled.
fn cuts(statements: &[String]) -> Vec<Cut> {
    let writing = writing(statements);
    let mut cuts = Vec::new();
    for (at, sql) in statements.iter().enumerate() {
        let mut add = |side, process| cuts.push(Cut { at: at + 1, side, process });
        let commit = writing[at] && sql == "COMMIT";
        if writing[at] || at > 0 && writing[at - 1] || at % 48 == 0 {
            add(Side::Before, Process::Dies);
        }
        if commit {
            add(Side::After, Process::Dies);
            add(Side::Before, Process::Lives);
            add(Side::After, Process::Lives);
        } else if at % 6 == 0 && writing[at] || at % 48 == 24 {
            add(Side::Before, Process::Lives);
        }
    }
    cuts
}

/// Whether a sequence was moved and the COMMIT after it did not come: no rollback moves it back. Then it is
/// above every id, nothing is left to do, and nothing was written down.
fn half_moved(statements: &[String], Cut { at, side, .. }: Cut) -> bool {
    let passed = if side == Side::After { at } else { at - 1 };
    let last = statements[..passed].iter().rev().find(|sql| *sql == "COMMIT" || sql.contains("setval("));
    last.is_some_and(|sql| sql != "COMMIT")
}

/// Nothing of the process that was cut off is left in the server, which may take a moment to notice.
async fn until_gone(db: &Db) {
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'auth-consistency/%'";
    while db.text(left).await != "0" {
        tokio::task::yield_now().await;
    }
}

async fn cut_at(kind: &Kind, template: &Template, uncut: &Uncut, cut: Cut) -> bool {
    let about = || {
        let statement = uncut.statements.get(cut.at - 1).map_or("", String::as_str);
        format!("{cut:?}: {}", statement.chars().take(160).collect::<String>())
    };
    let db = template.copy().await;
    let line = Line::cut(&db, Some((cut.at, cut.side))).await;
    let mut case = case_over(kind, &line.url(&db));
    let mut told = Told::new();
    let mut kept = (case.status.clone(), case.requests.clone());
    let mut was_cut = false;
    match cut.process {
        Process::Dies => {
            tokio::select! {
                biased;
                () = line.until_cut() => was_cut = true,
                () = live(kind, &mut case, &mut told, &mut kept) => {}
            }
            until_gone(&db).await;
            let found = state(&db).await;
            let allowed = &uncut.states[line.commits()];
            assert_eq!(&found, allowed, "{}: a state in between", about());
            case = case_over(kind, &db.url());
            case.later = 100;
            (case.status, case.requests) = kept.clone();
            live(kind, &mut case, &mut told, &mut kept).await;
        }
        Process::Lives => {
            live(kind, &mut case, &mut told, &mut kept).await;
            was_cut |= line.was_cut();
            let mut expected = uncut.told.clone();
            if half_moved(&uncut.statements, cut) {
                expected.retain(|(action, _), _| *action != A::AdvanceSequence);
            }
            assert_eq!(told, expected, "{}: what was told", about());
        }
    }
    let found = end(&db, &case).await;
    let mut expected = uncut.end.clone();
    if half_moved(&uncut.statements, cut) {
        expected.history.retain(|(action, _), _| *action != A::AdvanceSequence);
        expected.sums.retain(|sum| !sum.contains("AdvanceSequence"));
    }
    assert_eq!(found, expected, "{}", about());
    template.discard(db).await;
    was_cut
}

#[expect(clippy::print_stdout, reason = "how much was covered, for whoever reads the test's output")]
async fn cut_everywhere(name: &str, kind: Kind, db: Db) {
    let began = std::time::Instant::now();
    let template = Template::of(db).await;
    let uncut = uncut(&kind, &template).await;
    let cuts = Places::chosen().of(name, &uncut.statements, cuts(&uncut.statements));
    let all = cuts.len();
    let missed = futures::stream::iter(cuts)
        .map(|cut| cut_at(&kind, &template, &uncut, cut))
        .buffer_unordered(AT_ONCE)
        .filter(|was_cut| std::future::ready(!was_cut))
        .count()
        .await;
    // A pass that takes long looks at the server once more, so that the last statements have other numbers.
    assert!(missed <= 2, "{missed} of {all} cuts were not reached");
    let commits = uncut.states.len() - 1;
    println!(
        "{name}: {all} cuts, {} statements, {commits} COMMITs, {:?}",
        uncut.statements.len(),
        began.elapsed()
    );
}

/// Users 1 (admin) and 5 (ada), and the rest of a database, made with triggers off.
async fn with(sql: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {sql}; RESET session_replication_role;"
    ))
    .await
}

fn nothing(_: &mut Case) {}

fn kind(references: &str, does: &'static [&'static str]) -> Kind {
    let spec = format!("references: {{{references}}}\n");
    Kind { spec, gives: nothing, restores: None, does }
}

/// Limits that the plan is above, so that a person approves it.
const ASKS: &str = "limits: {rows: 2, percent: 100}";
/// Limits that it is below.
const FREE: &str = "limits: {rows: 10000, percent: 100}";

/// More rows than a first chunk takes, so that there is a second one.
const MANY: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int, note text);
     INSERT INTO logs SELECT n, 8 + n % 2, 'note' FROM generate_series(1, 1100) n;
     INSERT INTO logs VALUES (2000, 5, 'ada'), (2001, NULL, 'nobody')";
const KEY: &str =
    "ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID";

/// Posts of nobody with what depends on them.
const POSTS: &str = "CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
     CREATE TABLE likes (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE CASCADE, note json);
     CREATE TABLE drafts (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE SET NULL, title text);
     INSERT INTO posts VALUES (1, 9), (2, 8), (3, 5);
     INSERT INTO likes VALUES (1, 1, '{\"a\" : 1.0}'), (2, 3, NULL), (11, 2, NULL), (12, 1, NULL);
     INSERT INTO drafts VALUES (1, 1, 'one'), (2, 3, 'two'), (3, NULL, 'three')";

#[tokio::test]
async fn whoever_cuts_a_seeding_gets_one_admin_above_every_id() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 5), (2, 9);
         {KEY}"
    ))
    .await;
    let does = &["AdvanceSequence users_id_seq  0 1", "Seed users  1 0"];
    cut_everywhere("seed", kind("", does), db).await;
}

#[tokio::test]
async fn whoever_cuts_what_is_done_for_several_accounts_gets_each_of_them_once() {
    let db = with(&format!(
        "INSERT INTO users VALUES (6, 'c@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 6), (2, 5)"
    ))
    .await;
    let secret = "passwordSecretRef: {name: admin, key: password}";
    let spec = format!(
        "accounts: [{{login: a@example.com, {secret}}}, {{login: b@example.com, {secret}}}, \
         {{login: c@example.com, onMissing: Report, id: '3', columns: [{{column: role, equals: tester}}]}}]\n"
    );
    let does = &[
        "Seed users for a@example.com  1 0",
        "Seed users for b@example.com  1 0",
        "Correct users for c@example.com  1 0",
        "MoveId users.id for c@example.com  2 0",
    ];
    cut_everywhere("accounts", Kind { spec, gives: nothing, restores: None, does }, db).await;
}

#[tokio::test]
async fn whoever_cuts_a_correction_gets_it_once() {
    let db = with("UPDATE users SET role = 'user', is_active = false WHERE id = 1").await;
    cut_everywhere("correct", kind("", &["Correct users"]), db).await;
}

#[tokio::test]
async fn whoever_cuts_a_reset_gets_it_once_for_one_token() {
    let db = with("SELECT").await;
    let gives = |case: &mut Case| case.requests.reset = Some("now".into());
    let does = &["Reset users now 1 0"];
    cut_everywhere("reset", Kind { gives, ..kind("", does) }, db).await;
}

#[tokio::test]
async fn whoever_cuts_the_move_of_an_id_gets_it_with_every_row_or_not_at_all() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         CREATE TABLE cascades (id int PRIMARY KEY, user_id int REFERENCES users ON UPDATE CASCADE);
         CREATE TABLE roles (user_id int REFERENCES users, role text, PRIMARY KEY (user_id, role));
         ALTER TABLE users ADD created_by int REFERENCES users;
         UPDATE users SET created_by = 1;
         INSERT INTO logs VALUES (1, 1), (2, 5), (3, NULL), (4, 1);
         INSERT INTO cascades VALUES (1, 1), (2, 5); INSERT INTO roles VALUES (1, 'root'), (5, 'root')",
    )
    .await;
    let gives = |case: &mut Case| {
        case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("7".into()));
    };
    cut_everywhere("move id", Kind { gives, ..kind(ASKS, &["MoveId users.id  6 0"]) }, db).await;
}

#[tokio::test]
async fn whoever_cuts_a_remap_gets_every_row_to_its_person_or_none() {
    // Ada was 6 and bob 5; they have changed places. 4 and 8 are both cy, who is 30 today.
    let db = with(&format!(
        "INSERT INTO users VALUES (6, 'bob@example.com', '{HASH}'), (30, 'cy@example.com', '{HASH}');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, team int, UNIQUE (user_id, team));
         INSERT INTO logs VALUES (1, 5, 1), (2, 6, 1), (3, 4, 1), (4, 8, 1), (5, 30, 2), (6, 8, 2), (7, 4, 3), (8, 1, 1)"
    ))
    .await;
    let gives = |case: &mut Case| {
        let people = "id,login\n1,admin@example.com\n6,ada@example.com\n5,bob@example.com\n4,cy@example.com\n8,cy@example.com\n";
        case.config_map("before", "people.csv", people);
    };
    let spec = "onOrphan: Remap, onCollision: DeleteOrphan, identities: {configMapRef: {name: before, key: people.csv}}";
    let does = &["Remap logs.user_id", "Delete logs.user_id"];
    cut_everywhere("remap", Kind { gives, ..kind(&format!("{spec}, {FREE}"), does) }, db).await;
}

/// A list by which the ids from 100 to 1199 were other people's, and a key.
fn others_before(case: &mut Case) {
    let people = (100..1200).map(|id| format!("{id},before-{id}@example.com\n")).collect::<String>();
    case.config_map("before", "people.csv", &format!("id,login\n{people}"));
    // Too weak for a fingerprint, which takes long on purpose.
    case.secret("jwt", "key", "canary-weak");
}

#[tokio::test]
async fn whoever_cuts_the_end_of_sessions_gets_it_for_each_account_with_one_time_and_remembered_once() {
    let db = with(&format!(
        "ALTER TABLE users ADD tokens_valid_after bigint;
         INSERT INTO users (id, email, hashed_password) SELECT n, n || '@example.com', '{HASH}' FROM generate_series(100, 1199) n"
    ))
    .await;
    let mut kind = kind(
        &format!("identities: {{configMapRef: {{name: before, key: people.csv}}}}, {FREE}"),
        &["EndSessions users.tokens_valid_after  1100 0"],
    );
    kind.spec.push_str(
        "jwt: {secretRef: {name: jwt, key: key}}\nsessions: {invalidateBeforeColumn: tokens_valid_after}\n",
    );
    cut_everywhere("end sessions", Kind { gives: others_before, ..kind }, db).await;
}

#[tokio::test]
async fn whoever_cuts_the_end_of_sessions_gets_one_new_stamp_for_each_account_and_each_session_kept_once() {
    let db = with(&format!(
        "ALTER TABLE users ADD stamp text;
         INSERT INTO users (id, email, hashed_password, stamp) SELECT n, n || '@example.com', '{HASH}', 'old' FROM generate_series(100, 1199) n;
         CREATE TABLE sessions (token text PRIMARY KEY, user_id text);
         INSERT INTO sessions SELECT 'session ' || n, n::text FROM generate_series(90, 1199) n"
    ))
    .await;
    let mut kind = kind(
        &format!("identities: {{configMapRef: {{name: before, key: people.csv}}}}, {FREE}"),
        &["EndSessions users.stamp  1100 0", "EndSessions sessions.user_id  1100 0"],
    );
    kind.spec.push_str(
        "jwt: {secretRef: {name: jwt, key: key}}\nsessions: {stampColumn: stamp, tables: [{table: sessions, column: user_id}]}\n",
    );
    cut_everywhere("end sessions by stamps and rows", Kind { gives: others_before, ..kind }, db).await;
}

#[tokio::test]
async fn whoever_cuts_set_null_gets_every_row_once() {
    let db = with(&format!("{MANY}; {KEY}")).await;
    let does = &["SetNull logs.user_id  1100 0"];
    cut_everywhere("set null", kind(&format!("onOrphan: SetNull, {FREE}"), does), db).await;
}

#[tokio::test]
async fn whoever_cuts_an_approved_reassign_gets_every_row_once_and_the_foreign_key_after_them() {
    let db = with(MANY).await;
    let rules = "constraint: Restore, rules: [{table: logs, columns: [user_id], onOrphan: Reassign, constraint: logs_user_id_fkey}]";
    let does = &[
        "Reassign logs.user_id  1100 0",
        "AddConstraint logs.user_id  0 1",
        "ValidateConstraint logs.user_id  0 1",
    ];
    cut_everywhere("reassign", kind(&format!("{rules}, {ASKS}"), does), db).await;
}

#[tokio::test]
async fn whoever_cuts_a_reassign_that_has_no_room_for_some_gets_each_row_on_one_side() {
    let db = with(
        "CREATE TABLE roles (user_id int REFERENCES users, role text, note text, PRIMARY KEY (user_id, role));
         INSERT INTO roles VALUES (1, 'editor', 'own'), (5, 'editor', 'ada'), (8, 'author', 'eight'), \
           (8, 'editor', 'eight'), (9, 'author', 'nine'), (9, 'reader', 'nine')",
    )
    .await;
    let spec = format!("onOrphan: Reassign, onCollision: DeleteOrphan, {ASKS}");
    let does = &["Reassign roles.user_id  2 0", "Delete roles.user_id  2 0"];
    cut_everywhere("collisions", kind(&spec, does), db).await;
}

#[tokio::test]
async fn whoever_cuts_a_swift_delete_gets_every_row_once() {
    let db = with(&format!("{MANY}; {KEY}")).await;
    let does = &["Delete logs.user_id  1100 0"];
    cut_everywhere("delete", kind(&format!("onOrphan: Delete, {ASKS}"), does), db).await;
}

#[tokio::test]
async fn whoever_cuts_a_delete_gets_what_goes_along_with_it_or_neither() {
    let db = with(POSTS).await;
    let does = &["SetNull drafts.post_id  1 0", "Delete likes.post_id  3 0", "Delete posts.user_id  2 0"];
    cut_everywhere("cascade", kind(&format!("onOrphan: Delete, {ASKS}"), does), db).await;
}

#[tokio::test]
async fn whoever_cuts_the_purge_of_old_copies_gets_it_done_and_nothing_else_gone() {
    let db = with(&format!("{POSTS}; UPDATE users SET role = 'user' WHERE id = 1")).await;
    let mut kind = kind(&format!("onOrphan: Delete, {FREE}"), &["Purge posts", "Purge likes"]);
    let mut case = case_over(&kind, &db.url());
    case.repair().await.consistent();
    db.run(
        "UPDATE auth_consistency.batches SET at = at - interval '31 days' WHERE action <> 'Correct' AND name NOT LIKE 'q_drafts%'",
    )
    .await;
    kind.spec.push_str("quarantine: {retention: 30d}\n");
    cut_everywhere("purge", kind, db).await;
}

#[tokio::test]
async fn whoever_cuts_a_restore_gets_every_row_back_once() {
    let db = with(&format!(
        "{POSTS}; CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9), (2, 8), (3, 5)"
    ))
    .await;
    let rules = "rules: [{table: logs, onOrphan: Reassign}, {table: posts, onOrphan: Delete}]";
    let mut kind = kind(
        &format!("{rules}, {FREE}"),
        &["Restore posts", "Restore likes", "Restore drafts", "Restore logs"],
    );
    let mut case = case_over(&kind, &db.url());
    case.repair().await.consistent();
    kind.restores = Some(case.status.history[0].run.clone());
    db.run(&format!(
        "INSERT INTO users VALUES (8, 'h@example.com', '{HASH}'), (9, 'n@example.com', '{HASH}')"
    ))
    .await;
    cut_everywhere("restore", kind, db).await;
}
