//! A long repair gives way to the app.
//!
//! A row that the app holds is waited for shortly, and the chunk tried again later; where replicas fall
//! behind, many sessions wait for locks, or transactions stay open that keep the dead rows alive, the
//! repair pauses. What does not get better ends the step for this pass, and the next one goes on.
//!
//! While others commit in the same database the repair leaves them most of the time: its chunks are shorter,
//! and after each it rests. Alone it goes on without a pause.

use crate::{
    domain::progress::Progress,
    engine::{EngineError, ErrorKind, Pace, ServerLoad, Session},
    pass::request::Supervisor,
};

use std::time::{Duration, Instant};

/// How often a chunk is tried that meets rows which others hold.
const TRIES: u32 = 4;
/// How often the server is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a step pauses in all before it leaves the rest to the next pass.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first look for others comes sooner.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// How long a chunk should take when nobody else is there, and how long otherwise.
const CHUNK_ALONE: Duration = Duration::from_millis(100);
const CHUNK_AMONG: Duration = Duration::from_millis(25);
/// How much longer than its chunk a repair rests among others, and how long at most: a chunk may have waited.
const REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_millis(500);
/// Transactions per second that others commit where they are at work: fewer are the server's own, or ours
/// that were counted late.
const AT_WORK: f64 = 50.0;
/// What is too much.
const LAG: Duration = Duration::from_secs(10);
const WAITING: i64 = 20;

/// How one step behaves.
pub(super) struct Throttle {
    looked: Option<Instant>,
    first: Option<ServerLoad>,
    paused: Duration,
    failed: u32,
    /// Transactions of our own since the last look.
    ours: i64,
    /// Transactions that were committed by the last look.
    commits: i64,
    /// Whether there was more than one look.
    compared: bool,
    /// Whether others are at work.
    among: bool,
}

impl Throttle {
    /// Of a step that begins.
    pub(super) fn new() -> Self {
        Self {
            looked: None,
            first: None,
            paused: Duration::ZERO,
            failed: 0,
            ours: 0,
            commits: 0,
            compared: false,
            among: false,
        }
    }

    /// Looks at the server now and then, and pauses while it is under pressure. Says why, while it does.
    ///
    /// # Errors
    /// The pressure stays; the next pass goes on.
    pub(super) async fn wait_for_headroom(
        &mut self,
        session: &mut dyn Session,
        supervisor: &dyn Supervisor,
        under_way: Progress,
    ) -> Result<(), EngineError> {
        let every = if self.compared { LOOK } else { FIRST_LOOK };
        if self.looked.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        let mut pause = Duration::from_millis(250);
        loop {
            let pressure = session.load().await?;
            self.count(pressure.commits);
            let first = *self.first.get_or_insert(pressure);
            let Some(why) = too_much(first, pressure) else { return Ok(()) };
            if self.paused >= PATIENCE {
                return Err(EngineError::gave_way(format!(
                    "{why}, for {} s by now: the next pass goes on with the rest",
                    self.paused.as_secs()
                )));
            }
            supervisor.progress(&under_way.clone().paused(why));
            tokio::time::sleep(pause).await;
            self.paused += pause;
            pause = (pause * 2).min(Duration::from_secs(4));
        }
    }

    /// Whether a chunk that failed so is tried again, after a pause of its own length.
    pub(super) async fn tries_again(&mut self, error: &EngineError) -> bool {
        let held = error.kind() == ErrorKind::LockContention;
        self.failed += 1;
        if !held || self.failed >= TRIES {
            return false;
        }
        let most = 100_u64 << self.failed;
        tokio::time::sleep(Duration::from_millis(rand::random_range(most / 2..=most))).await;
        true
    }

    /// Compares what was committed by now with what was by the last look.
    fn count(&mut self, commits: i64) {
        if let Some(at) = self.looked.replace(Instant::now()) {
            self.among = at_work(commits - self.commits - self.ours, at.elapsed());
            self.compared = true;
        }
        self.commits = commits;
        self.ours = 0;
    }

    /// How long the next chunk should take, after one that took so long.
    pub(super) fn pace(&self, took: Duration) -> Pace {
        Pace { took, aim: self.aim() }
    }

    fn aim(&self) -> Duration {
        if self.among { CHUNK_AMONG } else { CHUNK_ALONE }
    }

    /// A chunk was done, and took so long: now it is the others' turn.
    pub(super) async fn done(&mut self, took: Duration) {
        self.failed = 0;
        self.ours += 1;
        if self.among {
            tokio::time::sleep((took * REST).min(LONGEST_REST)).await;
        }
    }
}

/// Whether others are at work, who committed so many transactions in that time.
fn at_work(commits: i64, within: Duration) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than a float can count")]
    let commits = commits as f64;
    commits > AT_WORK * within.as_secs_f64()
}

fn too_much(first: ServerLoad, now: ServerLoad) -> Option<String> {
    if now.lag > LAG {
        return Some(format!("a replica is {} s behind", now.lag.as_secs()));
    }
    if now.waiting > WAITING.max(first.waiting) {
        return Some(format!("{} sessions wait for locks", now.waiting));
    }
    if now.old > first.old {
        return Some(format!("{} transactions stay open for minutes, and keep what is removed", now.old));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure(lag: u64, waiting: i64, old: i64) -> ServerLoad {
        ServerLoad { lag: Duration::from_secs(lag), waiting, old, commits: 0 }
    }

    #[test]
    fn others_are_at_work_where_more_is_committed_than_a_server_does_by_itself() {
        assert!(at_work(1_000, Duration::from_secs(1)));
        assert!(!at_work(3, Duration::from_secs(1)));
        assert!(!at_work(0, Duration::ZERO));
        // Ours may be counted before they are reported.
        assert!(!at_work(-5, Duration::from_secs(1)));
    }

    #[test]
    fn a_repair_rests_among_others_and_its_own_transactions_are_nobody_elses() {
        let mut throttle = Throttle::new();
        throttle.count(5_000);
        assert_eq!(throttle.aim(), CHUNK_ALONE, "nothing is known yet");
        throttle.ours = 1_000;
        throttle.count(6_000);
        assert_eq!(throttle.aim(), CHUNK_ALONE);
        throttle.count(7_000);
        assert_eq!(throttle.aim(), CHUNK_AMONG);
        throttle.count(7_000);
        assert_eq!(throttle.aim(), CHUNK_ALONE, "they have gone");
    }

    #[test]
    fn a_repair_gives_way_to_what_grows_and_not_to_what_was_there_before() {
        let calm = pressure(0, 0, 0);
        assert_eq!(too_much(calm, calm), None);
        assert_eq!(too_much(calm, pressure(10, 20, 0)), None);
        assert!(too_much(calm, pressure(11, 0, 0)).unwrap().contains("a replica is 11 s behind"));
        assert!(too_much(calm, pressure(0, 21, 0)).unwrap().contains("21 sessions wait"));
        assert!(too_much(calm, pressure(0, 0, 1)).unwrap().contains("1 transactions stay open"));
        let busy = pressure(0, 50, 3);
        assert_eq!(too_much(busy, busy), None);
        assert!(too_much(busy, pressure(0, 51, 3)).is_some());
    }
}
