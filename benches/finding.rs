//! How long it takes to find that every row names a user, beside what PostgreSQL takes to validate
//! the same foreign key and what the query takes that a person would write: `make bench`.
//!
//! All three in one run and alternating, on an open connection. What is timed of ours is everything that
//! a pass asks the database: catalogue, admin, ids, the search itself.
//!
//! `AUTHCON_BENCH_ROWS` sets the sizes, `1000000,10000000` unless said otherwise; the goals are for 10
//! million rows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that could not be taken is no measurement"
)]
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use auth_consistency::domain::request::Requests;

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use auth_consistency::network::HostPolicy;
use auth_consistency::{
    domain::{incremental::change_marks::Reuse, target::Target},
    engine::{Budget, Engine as _, ObserveRequest, Search, Session, postgres::PostgreSql},
    pass::memory::Memory,
};

use support::{Case, Db, HASH};

/// Measurements of each, after one that does not count.
const ROUNDS: usize = 5;

const USERS: u32 = 100_000;

/// One question.
struct Question {
    /// What it is about.
    what: &'static str,
    /// The referencing table, made by `make`.
    table: &'static str,
    /// Referencing columns and the key that each names.
    columns: &'static [(&'static str, &'static str)],
    /// How many times faster than VALIDATE CONSTRAINT it should be with 10 million rows.
    goal: Option<f64>,
}

const QUESTIONS: [Question; 9] = [
    Question {
        what: "integer, indexed",
        table: "int_indexed",
        columns: &[("user_id", "id")],
        goal: Some(40.0),
    },
    Question {
        what: "integer with gaps, indexed",
        table: "gap_indexed",
        columns: &[("seat", "seat")],
        goal: Some(40.0),
    },
    Question { what: "uuid, indexed", table: "uuid_indexed", columns: &[("uid", "uid")], goal: Some(15.0) },
    Question {
        what: "text, indexed",
        table: "text_indexed",
        columns: &[("login", "login")],
        goal: Some(15.0),
    },
    Question { what: "integer, no index", table: "int_bare", columns: &[("user_id", "id")], goal: Some(4.0) },
    Question {
        what: "integer with gaps, no index",
        table: "gap_bare",
        columns: &[("seat", "seat")],
        goal: Some(4.0),
    },
    Question { what: "uuid, no index", table: "uuid_bare", columns: &[("uid", "uid")], goal: Some(4.0) },
    Question { what: "text, no index", table: "text_bare", columns: &[("login", "login")], goal: Some(4.0) },
    Question {
        what: "two integers, no index",
        table: "two_bare",
        columns: &[("user_id", "id"), ("owner_id", "id")],
        goal: None,
    },
];

fn users() -> String {
    format!(
        "CREATE TABLE users (id bigint PRIMARY KEY, seat bigint NOT NULL UNIQUE, uid uuid NOT NULL UNIQUE,
           login text NOT NULL UNIQUE, email text, hashed_password text, role text, is_active boolean DEFAULT true);
         INSERT INTO users SELECT n, n + n / 10, md5(n::text)::uuid, 'login-' || md5(n::text),
             CASE n WHEN 1 THEN 'admin' ELSE 'u' || n END || '@example.com', '{HASH}', 'user', true
           FROM generate_series(1, {USERS}) n;"
    )
}

/// A table of so many rows, in no order, with `what` of user `u` in each.
fn table(name: &str, columns: &str, what: &str, rows: u64, index: &str) -> String {
    format!(
        "CREATE TABLE {name} (id bigint, {columns});
         INSERT INTO {name} SELECT n, {what} FROM generate_series(1, {rows}) n
           CROSS JOIN LATERAL (SELECT 1 + (n * 7919::bigint) % {USERS} AS u) u;
         {index}"
    )
}

fn schema(rows: u64) -> String {
    let index = |name: &str, column: &str| format!("CREATE INDEX ON {name} ({column});");
    let uuid = "md5(u::text)::uuid";
    let seat = "u + u / 10";
    let login = "'login-' || md5(u::text)";
    users()
        + &table("int_indexed", "user_id bigint", "u", rows, &index("int_indexed", "user_id"))
        + &table("gap_indexed", "seat bigint", seat, rows, &index("gap_indexed", "seat"))
        + &table("uuid_indexed", "uid uuid", uuid, rows, &index("uuid_indexed", "uid"))
        + &table("text_indexed", "login text", login, rows, &index("text_indexed", "login"))
        + &table("int_bare", "user_id bigint", "u", rows, "")
        + &table("gap_bare", "seat bigint", seat, rows, "")
        + &table("uuid_bare", "uid uuid", uuid, rows, "")
        + &table("text_bare", "login text", login, rows, "")
        + &table("two_bare", "user_id bigint, owner_id bigint", "u, 1 + (u * 31) % 100000", rows, "")
}

struct Bench {
    db: Db,
    session: Box<dyn Session>,
    memory: Memory,
}

impl Bench {
    async fn new(rows: u64) -> Self {
        let db = Db::new(&schema(rows)).await;
        db.run("VACUUM (ANALYZE)").await;
        let case = Case::new(&db, "users: {preset: FastAPI}\n");
        let target = case.target();
        let policy = HostPolicy::unrestricted(Vec::new());
        let session = PostgreSql.connect(&target.database, &policy, "probeops").await.expect("no connection");
        Self { db, session, memory: Memory::default() }
    }

    fn target(&self, question: &Question) -> Target {
        let mut yaml = "users: {preset: FastAPI}\nreferences:\n  discover: false\n  rules:\n".to_owned();
        for (column, _) in question.columns {
            yaml += &format!("  - {{table: {}, columns: [{column}]}}\n", question.table);
        }
        Case::new(&self.db, &yaml).target()
    }

    /// Everything that a pass looks at, and the way that it went.
    async fn ours(&mut self, question: &Question) -> (Duration, String) {
        let target = self.target(question);
        let requests = Requests::default();
        let began = Instant::now();
        let request = ObserveRequest {
            target: &target,
            requests: &requests,
            memory: &self.memory,
            compare_password: false,
            search: Search::default(),
            relied: &Reuse::default(),
            resolved: None,
            budget: &Budget::new(target.timeout),
            elsewhere: None,
            progress: &|_| (),
        };
        let observed = self.session.observe(&request).await.expect("the database was not looked at");
        let elapsed = began.elapsed();
        let references = &observed.observation.references;
        assert_eq!(references.len(), question.columns.len(), "{:?}", observed.observation.skipped);
        assert!(references.iter().all(|reference| reference.orphans.rows == 0));
        (elapsed, observed.searched[0].choice.strategy.to_string())
    }

    async fn constrain(&self, question: &Question) {
        for (column, key) in question.columns {
            let Question { table, .. } = question;
            self.db
                .run(&format!(
                    "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_{column};
                     ALTER TABLE {table} ADD CONSTRAINT {table}_{column}
                       FOREIGN KEY ({column}) REFERENCES users ({key}) NOT VALID"
                ))
                .await;
        }
    }

    async fn validate(&self, question: &Question) -> Duration {
        self.constrain(question).await;
        let began = Instant::now();
        for (column, _) in question.columns {
            let Question { table, .. } = question;
            self.db.run(&format!("ALTER TABLE {table} VALIDATE CONSTRAINT {table}_{column}")).await;
        }
        began.elapsed()
    }

    async fn by_hand(&self, question: &Question) -> Duration {
        let began = Instant::now();
        for (column, key) in question.columns {
            let Question { table, .. } = question;
            let orphans = self
                .db
                .text(&format!(
                    "SELECT count(*) FROM {table} c LEFT JOIN users p ON p.{key} = c.{column} \
                     WHERE c.{column} IS NOT NULL AND p.{key} IS NULL"
                ))
                .await;
            assert_eq!(orphans, "0");
        }
        began.elapsed()
    }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

#[tokio::main]
async fn main() {
    let sizes = std::env::var("AUTHCON_BENCH_ROWS").unwrap_or_else(|_| "1000000,10000000".into());
    for rows in sizes.split(',').map(|rows| rows.trim().parse::<u64>().expect("AUTHCON_BENCH_ROWS")) {
        println!("{rows} rows that name {USERS} users; medians of {ROUNDS} in ms, alternating");
        println!(
            "{:<28} {:>8} {:>10} {:>10} {:>10} {:>10}  way",
            "", "ours", "VALIDATE", "LEFT JOIN", "x VALIDATE", "x JOIN"
        );
        let mut bench = Bench::new(rows).await;
        let mut ours_of = Vec::new();
        for question in &QUESTIONS {
            let mut times = [const { Vec::new() }; 3];
            let mut way = String::new();
            bench.constrain(question).await;
            for round in 0..=ROUNDS {
                let (ours, gone) = bench.ours(question).await;
                let others = [bench.validate(question).await, bench.by_hand(question).await];
                way = gone;
                if round > 0 {
                    for (all, one) in times.iter_mut().zip([ours].into_iter().chain(others)) {
                        all.push(one);
                    }
                }
            }
            let [ours, validate, by_hand] = times.each_mut().map(|times| median(times));
            let goal = question.goal.map(|goal| format!(" (goal {goal})")).unwrap_or_default();
            println!(
                "{:<28} {ours:>8.1} {validate:>10.1} {by_hand:>10.1} {:>10.1} {:>10.1}  {way}{}",
                question.what,
                validate / ours,
                by_hand / ours,
                if rows == 10_000_000 { goal } else { String::new() }
            );
            ours_of.push((question.table, ours));
        }
        let of =
            |table: &str| ours_of.iter().find(|(of, _)| *of == table).map_or(f64::NAN, |(_, ours)| *ours);
        println!(
            "two references of one table take {:.2} times what one takes (goal: at most 1.5)",
            of("two_bare") / of("int_bare")
        );
    }
}
