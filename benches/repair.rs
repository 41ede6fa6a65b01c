//! What a repair of many orphans takes beside the one statement that a person would write and that keeps
//! no copy: `make bench`.
//!
//! Both in one run and alternating, each on a database of its own. Timed of ours is the repair alone: from the
//! beginning of the run, its list of keys and their confirmation without an index included, to its last
//! chunk.
//!
//! `AUTHCON_BENCH_ORPHANS` sets how many, 1,000,000 unless said otherwise, among twice as many rows; 10 million
//! and more are measured once each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that could not be taken is no measurement"
)]
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{Case, Db, HASH, USUAL};

/// Measurements of each, where one does not take minutes.
const ROUNDS: usize = 3;
const MANY: u64 = 10_000_000;

fn schema(orphans: u64) -> String {
    format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL,
           role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users SELECT n, CASE n WHEN 1 THEN 'admin' ELSE 'u' || n END || '@example.com', '{HASH}',
           CASE n WHEN 1 THEN 'admin' ELSE 'user' END FROM generate_series(1, 100000) n;
         CREATE TABLE logs (id bigserial PRIMARY KEY, user_id int, note text, at timestamptz DEFAULT now());
         INSERT INTO logs (user_id, note) SELECT CASE WHEN n % 2 = 0 THEN 10 + n % 90000 ELSE 200000 + n % 700 END,
           'something that was logged ' || n FROM generate_series(1, {orphans} * 2) n;
         CREATE INDEX ON logs (user_id);
         ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;
         ANALYZE; CHECKPOINT;"
    )
}

async fn by_hand(orphans: u64, statement: &str) -> Duration {
    let db = Db::new(&schema(orphans)).await;
    let began = Instant::now();
    db.run(statement).await;
    began.elapsed()
}

async fn ours(orphans: u64, on_orphan: &str) -> Duration {
    let db = Db::new(&schema(orphans)).await;
    let mut case = Case::new(
        &db,
        &format!(
            "timeout: 10m\n{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 1000000000, percent: 100}}}}\n"
        ),
    );
    let repaired: i64 = case.repair().await.outcome().repaired.iter().map(|step| step.rows).sum();
    assert_eq!(repaired, i64::try_from(orphans).unwrap());
    let took = db
        .text(
            "SELECT (extract(epoch FROM max(a.at) - (SELECT max(opened_at) FROM auth_consistency.runs)) * 1000)::int8
             FROM auth_consistency.audit a",
        )
        .await;
    Duration::from_millis(took.parse().unwrap())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

#[tokio::main]
async fn main() {
    let orphans: u64 = std::env::var("AUTHCON_BENCH_ORPHANS")
        .map_or(1_000_000, |n| n.parse().expect("AUTHCON_BENCH_ORPHANS"));
    let orphan = "user_id IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.id = logs.user_id)";
    let rounds = if orphans < MANY { ROUNDS } else { 1 };
    println!("{orphans} orphans among {} rows; medians of {rounds}, alternating", orphans * 2);
    for (on_orphan, statement) in [
        ("Delete", format!("DELETE FROM logs WHERE {orphan}")),
        ("Reassign", format!("UPDATE logs SET user_id = 1 WHERE {orphan}")),
    ] {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            theirs.push(by_hand(orphans, &statement).await);
            mine.push(ours(orphans, on_orphan).await);
        }
        let (mine, theirs) = (median(&mut mine), median(&mut theirs));
        println!(
            "{on_orphan:<10} {mine:>8.2} s, with a copy of every row; by hand, without one {theirs:>8.2} s; \
             {:.2} times (goal: at most 2.5)",
            mine / theirs
        );
    }
}
