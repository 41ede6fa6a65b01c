//! The app: writers that go on whatever else happens, and that know what they did.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::{Connection, PgConnection, Row, postgres::PgRow};

use crate::support::{Db, HASH};

pub const WRITERS: usize = 64;

/// How long a writer sleeps at most before it looks whether it is to go on.
const STRETCH: Duration = Duration::from_millis(100);

/// Checksum of what no repair changes of a row.
macro_rules! lasting {
    () => {
        "hash_record_extended(ROW(id, note, at), 0)"
    };
}

/// Checksum of all of a row.
macro_rules! whole {
    () => {
        "hash_record_extended(ROW(id, user_id, note, at), 0)"
    };
}

pub const LASTING: &str = lasting!();
pub const WHOLE: &str = whole!();

const READ: &str = "SELECT id, note FROM logs WHERE user_id = $1 ORDER BY id DESC LIMIT 20";
const INSERT: &str = concat!(
    "INSERT INTO logs (user_id, note, at) VALUES ($1::int8, $2, clock_timestamp()) RETURNING ",
    lasting!(),
    ", ",
    whole!()
);
// Of the version that it changes, which may be younger than the statement.
const UPDATE: &str = concat!(
    "UPDATE logs l SET note = $2, at = clock_timestamp() FROM (SELECT id AS old, ",
    lasting!(),
    " AS a, ",
    whole!(),
    " AS b FROM logs WHERE id = $1 FOR UPDATE) o WHERE id = old RETURNING ",
    lasting!(),
    ", ",
    whole!(),
    ", a, b"
);
const DELETE: &str = concat!("DELETE FROM logs WHERE id = $1 RETURNING ", lasting!(), ", ", whole!());
const REGISTER: &str = "INSERT INTO users (email, hashed_password) VALUES ($1, $2) RETURNING id::int8";

/// How many rows, and the sum of their checksums.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub rows: i64,
    pub sum: i128,
}

impl Sum {
    fn count(&mut self, rows: i64, checksum: i64) {
        self.rows += rows;
        self.sum += i128::from(rows.signum()) * i128::from(checksum);
    }

    pub fn plus(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum + other.sum }
    }
}

/// What writers did, in committed transactions.
#[derive(Default)]
pub struct Ledger {
    /// Of every row, of what lasts.
    pub all: Sum,
    /// Of rows that never named nobody, of everything.
    pub living: Sum,
    /// Users that registered.
    pub users: i64,
    /// When work was due, and how long after that it was done, in µs.
    pub latencies: Vec<(Instant, u32)>,
    pub failures: Vec<String>,
    kinds: BTreeMap<&'static str, u64>,
}

impl Ledger {
    pub fn add(&mut self, other: Self) {
        self.all = self.all.plus(other.all);
        self.living = self.living.plus(other.living);
        self.users += other.users;
        self.latencies.extend(other.latencies);
        self.failures.extend(other.failures);
        for (kind, times) in other.kinds {
            *self.kinds.entry(kind).or_default() += times;
        }
    }

    pub fn done(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, times)| format!("{times} {kind}")).collect();
        kinds.join(", ")
    }

    fn did(&mut self, kind: &'static str) {
        *self.kinds.entry(kind).or_default() += 1;
    }
}

/// Writers under way, each with a thread and a connection of its own.
pub struct Writers {
    pub began: Instant,
    end: Arc<OnceLock<Instant>>,
    threads: Vec<JoinHandle<Ledger>>,
}

impl Writers {
    /// Lets them begin; without a rate each goes on as soon as it is done.
    pub fn start(db: &Db, orphans: i64, rate: Option<f64>, seed: u64) -> Self {
        let end = Arc::new(OnceLock::new());
        let (ready, connected) = mpsc::channel();
        let mut starts = Vec::new();
        let mut threads = Vec::new();
        for number in 0..WRITERS {
            let (start, begin) = mpsc::channel();
            starts.push(start);
            let (end, ready) = (end.clone(), ready.clone());
            let url = db.url().replacen("postgresql+asyncpg://", "postgres://", 1);
            let seed = seed + u64::try_from(number).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "they are few")]
            let mean = rate.map(|rate| WRITERS as f64 / rate);
            threads.push(std::thread::spawn(move || {
                // Timers of an asynchronous runtime are too coarse for what is measured here: a thread sleeps.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let connection = runtime.block_on(PgConnection::connect(&url)).unwrap();
                let rng = StdRng::seed_from_u64(seed);
                let mut writer =
                    Writer { connection, rng, rows: orphans * 2, newest: None, ledger: Ledger::default() };
                ready.send(()).unwrap();
                let began = begin.recv().unwrap();
                writer.go_on(&runtime, began, mean, &end);
                let _ = runtime.block_on(writer.connection.close());
                writer.ledger
            }));
        }
        drop(ready);
        for _ in 0..WRITERS {
            connected.recv().expect("a writer cannot connect");
        }
        let began = Instant::now();
        for start in starts {
            start.send(began).unwrap();
        }
        Self { began, end, threads }
    }

    /// Lets them finish what is due by now.
    pub fn stop(self) -> Ledger {
        self.end.set(Instant::now()).unwrap();
        let mut ledger = Ledger::default();
        for thread in self.threads {
            ledger.add(thread.join().expect("a writer gave up"));
        }
        ledger
    }
}

struct Writer {
    connection: PgConnection,
    rng: StdRng,
    /// Rows that were there at the beginning.
    rows: i64,
    /// The last user who registered.
    newest: Option<i64>,
    ledger: Ledger,
}

impl Writer {
    fn go_on(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        began: Instant,
        mean: Option<f64>,
        end: &OnceLock<Instant>,
    ) {
        let mut due = began;
        loop {
            match mean {
                Some(mean) => {
                    let wait = -mean * (1.0 - self.rng.random::<f64>()).ln();
                    due += Duration::from_secs_f64(wait);
                    // In stretches, since with few arrivals the end may come long before the next one.
                    while due > Instant::now() && end.get().is_none() {
                        std::thread::sleep(due.saturating_duration_since(Instant::now()).min(STRETCH));
                    }
                }
                None => due = Instant::now(),
            }
            if end.get().is_some_and(|end| due > *end) {
                return;
            }
            if let Err(error) = runtime.block_on(self.work()) {
                self.ledger.failures.push(error.to_string());
            }
            let took = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
            self.ledger.latencies.push((due, took));
        }
    }

    async fn work(&mut self) -> Result<(), sqlx::Error> {
        let said = self.rng.random_range(0..1_000_000);
        let half = self.rng.random_range(1..=self.rows / 2);
        let (of_living, of_nobody) = (half * 2, half * 2 - 1);
        let user = self.rng.random_range(10..90_010);
        match self.rng.random_range(0..100) {
            0..40 => {
                sqlx::query(READ).bind(user).fetch_all(&mut self.connection).await?;
                self.ledger.did("reads");
            }
            40..65 => {
                // Who has just registered has something to log.
                let user = self.newest.take().unwrap_or(user);
                let note = format!("a writer's note {said}");
                let row = sqlx::query(INSERT).bind(user).bind(note).fetch_one(&mut self.connection).await?;
                self.count(1, true, &row, 0);
                self.ledger.did("rows inserted");
            }
            65..80 => self.update(of_living, true, said).await?,
            80..88 => self.update(of_nobody, false, said).await?,
            88..98 => {
                let row = sqlx::query(DELETE).bind(of_living).fetch_optional(&mut self.connection).await?;
                if let Some(row) = row {
                    self.count(-1, true, &row, 0);
                    self.ledger.did("rows deleted");
                }
            }
            _ => {
                let email = format!("{:016x}@example.com", self.rng.random::<u64>());
                let row =
                    sqlx::query(REGISTER).bind(email).bind(HASH).fetch_one(&mut self.connection).await?;
                self.newest = Some(row.get(0));
                self.ledger.users += 1;
                self.ledger.did("users registered");
            }
        }
        Ok(())
    }

    async fn update(&mut self, id: i64, living: bool, said: i32) -> Result<(), sqlx::Error> {
        let note = format!("changed by a writer {said}");
        let row = sqlx::query(UPDATE).bind(id).bind(note).fetch_optional(&mut self.connection).await?;
        // It may have been deleted.
        let Some(row) = row else { return Ok(()) };
        self.count(1, living, &row, 0);
        self.count(-1, living, &row, 2);
        self.ledger.did(if living { "rows updated" } else { "orphans updated" });
        Ok(())
    }

    /// Enters one row; its checksums begin at a column.
    fn count(&mut self, rows: i64, living: bool, row: &PgRow, column: usize) {
        self.ledger.all.count(rows, row.get(column));
        if living {
            self.ledger.living.count(rows, row.get(column + 1));
        }
    }
}
