//! How long a look may take: `spec.timeout`, and more where tables are so large that a search of them
//! needs it. A time that is too short for the tables would fail for ever.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A search may take this many times what it should, on a machine that is slow or busy.
const SLACK: f64 = 20.0;

/// The part of the time that is kept for what comes after the searches.
const RESERVE: u32 = 5;

/// No look takes longer, since its snapshot keeps the database from tidying up.
const LONGEST: Duration = Duration::from_secs(3600);

/// A number of seconds, at most `longest`. An estimate that is no number, as statistics of a hostile server make one, is
/// one that nobody knows, and takes the longest.
fn bounded(seconds: f64, longest: Duration) -> Duration {
    // Of a number and none, `min` gives the number.
    Duration::from_secs_f64(seconds.min(longest.as_secs_f64()).max(0.0))
}

/// The time of one look.
#[derive(Debug)]
pub struct Budget {
    timeout: Duration,
    longest: Duration,
    began: Instant,
    whole: Mutex<Duration>,
}

impl Budget {
    /// A budget of `timeout`, which begins now.
    pub fn new(timeout: Duration) -> Self {
        Self::searching(timeout, None)
    }

    /// The same, where no search begins that would end after `longest`; by default an hour.
    pub fn searching(timeout: Duration, longest: Option<Duration>) -> Self {
        let longest = longest.unwrap_or(LONGEST);
        Self { timeout, longest, began: Instant::now(), whole: Mutex::new(timeout) }
    }

    /// How long the statements of a search may take that should take `microseconds`; `None` where it is
    /// left to the next look. The first search of a look is never left, or there would be no end of it.
    pub(crate) fn search(&self, microseconds: f64, first: bool) -> Option<Duration> {
        let elapsed = self.began.elapsed();
        let expected = bounded(microseconds / 1e6, LONGEST);
        if !first && elapsed + expected >= self.longest {
            return None;
        }
        let wanted = self.make_room(microseconds).unwrap_or(self.timeout);
        let reserve = self.timeout / RESERVE;
        let left = self.limit().saturating_sub(reserve).saturating_sub(elapsed);
        if left.is_zero() && !first {
            return None;
        }
        Some(wanted.min(left.max(reserve)))
    }

    fn whole(&self) -> MutexGuard<'_, Duration> {
        // A duration is whole whatever happened to whoever held the lock.
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a search that should take `microseconds`. Returns how long its statements may
    /// take, where that is longer than usual.
    pub(crate) fn make_room(&self, microseconds: f64) -> Option<Duration> {
        let needed = bounded(microseconds * SLACK / 1e6, self.longest);
        if needed <= self.timeout {
            return None;
        }
        let mut whole = self.whole();
        *whole = (*whole + needed).min(self.longest.max(self.timeout));
        Some(needed)
    }

    /// How long a statement may take that is no large search.
    pub(crate) fn usual(&self) -> Duration {
        self.timeout
    }

    /// The time as it is now.
    pub fn limit(&self) -> Duration {
        *self.whole()
    }

    /// Waits for the work as long as the budget lasts, which the work may make longer; `None` when it
    /// is used up.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let until = self.began + self.limit();
            match tokio::time::timeout_at(until, &mut work).await {
                Ok(done) => return Some(done),
                Err(_) if self.began + self.limit() > until => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn small_searches_leave_the_time_as_it_is_and_large_ones_make_it_longer() {
        let budget = Budget::new(SECOND);
        assert_eq!(budget.make_room(10_000.0), None);
        assert_eq!(budget.limit(), SECOND);
        assert_eq!(budget.make_room(1e6), Some(20 * SECOND));
        assert_eq!(budget.limit(), 21 * SECOND);
        assert_eq!(budget.make_room(f64::MAX), Some(LONGEST));
        assert_eq!(budget.limit(), LONGEST);
    }

    #[test]
    fn an_estimate_that_is_no_number_takes_the_longest_and_one_below_nothing_takes_nothing() {
        for estimate in [f64::NAN, f64::INFINITY] {
            let budget = Budget::new(SECOND);
            assert!(budget.search(estimate, true).is_some());
            assert_eq!(budget.limit(), LONGEST, "{estimate}");
            assert_eq!(budget.search(estimate, false), None, "{estimate}");
        }
        let budget = Budget::new(SECOND);
        assert_eq!(budget.make_room(f64::NEG_INFINITY), None);
        assert_eq!(budget.limit(), SECOND);
    }

    #[test]
    fn a_search_that_does_not_fit_is_left_to_the_next_look_unless_it_is_the_first() {
        let budget = Budget::searching(SECOND, Some(60 * SECOND));
        assert!(budget.search(10_000.0, true).unwrap() <= SECOND);
        assert!(budget.search(10_000.0, false).unwrap() <= SECOND, "and some time is kept for the rest");
        let longer = budget.search(2e6, false).unwrap();
        assert!(longer > 39 * SECOND && longer <= 40 * SECOND, "{longer:?}");
        assert_eq!(budget.search(61e6, false), None);
        assert!(budget.search(61e6, true).is_some());
        let none = Budget::searching(SECOND, Some(Duration::ZERO));
        assert!(none.search(1.0, true).is_some());
        assert_eq!(none.search(1.0, false), None);
    }

    #[tokio::test]
    async fn work_that_makes_room_for_itself_is_waited_for() {
        let short = Duration::from_millis(1);
        let budget = Budget::new(short);
        let work = async {
            budget.make_room(1e6);
            while budget.began.elapsed() < 2 * short {
                tokio::task::yield_now().await;
            }
            "done"
        };
        assert_eq!(budget.within(work).await, Some("done"));
        assert_eq!(Budget::new(short).within(std::future::pending::<()>()).await, None);
    }
}
