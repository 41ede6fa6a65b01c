//! Manners of a long repair: it gives way to the app.
//!
//! A row that the app holds is waited for shortly, and the chunk tried again later; where replicas fall
//! behind, many sessions wait for locks, or transactions stay open that keep the dead rows alive, the
//! repair pauses. What does not get better ends the step for this pass, and the next one goes on.

use std::time::{Duration, Instant};

use super::Supervisor;
use crate::{
    consistency::progress::Progress,
    database::{self, DatabaseError, Pressure, Session},
};

/// How often a chunk is tried that meets rows which others hold.
const TRIES: u32 = 4;
/// How often the server is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a step pauses in all before it leaves the rest to the next pass.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is too much.
const LAG: Duration = Duration::from_secs(10);
const WAITING: i64 = 20;

/// How one step behaves.
pub(super) struct Manners {
    looked: Option<Instant>,
    first: Option<Pressure>,
    paused: Duration,
    failed: u32,
}

impl Manners {
    /// Of a step that begins.
    pub(super) fn new() -> Self {
        Self { looked: None, first: None, paused: Duration::ZERO, failed: 0 }
    }

    /// Looks at the server now and then, and pauses while it is under pressure. Says why, while it does.
    ///
    /// # Errors
    /// The pressure stays; the next pass goes on.
    pub(super) async fn give_way(
        &mut self,
        session: &mut Session,
        supervisor: &dyn Supervisor,
        under_way: Progress,
    ) -> Result<(), DatabaseError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(());
        }
        let mut pause = Duration::from_millis(250);
        loop {
            let pressure = database::pressure(session.connection()).await?;
            self.looked = Some(Instant::now());
            let first = *self.first.get_or_insert(pressure);
            let Some(why) = too_much(first, pressure) else { return Ok(()) };
            if self.paused >= PATIENCE {
                return Err(DatabaseError::Busy(format!(
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
    pub(super) async fn tries_again(&mut self, error: &DatabaseError) -> bool {
        // Lock not available, deadlock, serialization failure.
        let held = matches!(error.sqlstate().as_deref(), Some("55P03" | "40P01" | "40001"));
        self.failed += 1;
        if !held || self.failed >= TRIES {
            return false;
        }
        let most = 100_u64 << self.failed;
        tokio::time::sleep(Duration::from_millis(rand::random_range(most / 2..=most))).await;
        true
    }

    /// A chunk was done.
    pub(super) fn done(&mut self) {
        self.failed = 0;
    }
}

fn too_much(first: Pressure, now: Pressure) -> Option<String> {
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

    fn pressure(lag: u64, waiting: i64, old: i64) -> Pressure {
        Pressure { lag: Duration::from_secs(lag), waiting, old }
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
