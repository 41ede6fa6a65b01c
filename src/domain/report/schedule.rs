//! When to look again: the interval when nothing is wrong, per-resource exponential backoff with
//! jitter while something fails that passes by itself, and a slow safety pass while a person must
//! act.

use std::time::Duration;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_secs(1);

/// No backoff is longer than this, however long the interval.
const LONGEST: Duration = Duration::from_secs(300);

/// What a release that comes up brings is noticed within this time.
const WATCHED: Duration = Duration::from_secs(15);

/// A lost race is over soon, or somebody holds on: no wait after one is longer.
const LONGEST_RACE: Duration = Duration::from_secs(10);

/// How long races may be lost in a row before it shows.
const UNSEEN: Duration = Duration::from_secs(10);
/// The interval of a resource whose own cannot be used.
pub const DEFAULT: Duration = Duration::from_secs(300);

/// How a pass ended, as far as the next one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Consistent, or a person must act: look again after the interval.
    Baseline,
    /// It got further, and the next pass goes on at once.
    GoesOn,
    /// Failed, and passes by itself: the number of failures in a row, at least 1.
    Failing(u32),
    /// Failed, and what is missing may come with a release that comes up: as above, and the time until it is
    /// waited for no longer.
    Awaiting(u32, Duration),
    /// Somebody else was faster, or held what the pass needed: how often in a row, at least 1.
    Overtaken(u32),
}

/// What is said of races that were lost in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nothing yet: one more look may tell.
    Briefly,
    /// That it is being looked for again.
    Noticeably,
    /// That nothing can be looked at.
    TooLong,
}

/// What is said of races that were lost for so long, by a resource whose passes may take `timeout`.
pub fn held(lasting: Duration, timeout: Duration) -> Held {
    if lasting >= timeout {
        Held::TooLong
    } else if lasting >= UNSEEN {
        Held::Noticeably
    } else {
        Held::Briefly
    }
}

/// How long to wait before the next pass.
///
/// `jitter` is a random number of 0 up to 1; it spreads passes by up to a tenth so that the
/// resources of a restarted controller do not move in step.
pub fn next(ending: Ending, interval: Duration, jitter: f64) -> Duration {
    let jitter = jitter.clamp(0.0, 1.0);
    match ending {
        Ending::Baseline => interval.mul_f64(1.0 + 0.1 * jitter),
        Ending::GoesOn => FIRST.mul_f64(0.5 + 0.5 * jitter),
        Ending::Failing(failures) => backoff(FIRST, failures, LONGEST, jitter),
        Ending::Awaiting(failures, left) => {
            // At the end somebody is to be told, and not a whole wait later.
            backoff(FIRST, failures, WATCHED, jitter).min(left.max(FIRST / 2))
        }
        Ending::Overtaken(times) => backoff(FIRST / 2, times, LONGEST_RACE, jitter),
    }
}

fn backoff(first: Duration, failures: u32, longest: Duration, jitter: f64) -> Duration {
    let exponent = failures.saturating_sub(1).min(16);
    first.saturating_mul(1_u32 << exponent).min(longest).mul_f64(0.5 + 0.5 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backoff_grows_is_bounded_and_is_never_zero(failures in 1_u32..1000, jitter in 0.0..1.0_f64) {
            let wait = next(Ending::Failing(failures), Duration::from_secs(300), jitter);
            prop_assert!(wait >= Duration::from_millis(500));
            prop_assert!(wait <= LONGEST);
            prop_assert!(next(Ending::Failing(failures + 1), Duration::from_secs(300), jitter) >= wait);
        }

        #[test]
        fn what_a_release_may_bring_is_looked_for_often_and_at_its_end(
            failures in 1_u32..1000, left in 0_u64..700, jitter in 0.0..1.0_f64
        ) {
            let left = Duration::from_secs(left);
            let wait = next(Ending::Awaiting(failures, left), Duration::from_secs(3600), jitter);
            prop_assert!(wait >= Duration::from_millis(500) && wait <= WATCHED);
            prop_assert!(wait <= left.max(Duration::from_millis(500)));
        }

        #[test]
        fn lost_races_are_tried_again_ever_less_often(times in 1_u32..1000, jitter in 0.0..1.0_f64) {
            let wait = next(Ending::Overtaken(times), Duration::from_secs(3600), jitter);
            prop_assert!(wait >= Duration::from_millis(250) && wait <= LONGEST_RACE);
            prop_assert!(next(Ending::Overtaken(times + 1), Duration::from_secs(3600), jitter) >= wait);
        }

        #[test]
        fn what_is_held_longer_than_a_pass_may_take_is_told(lasting in 0_u64..1000, timeout in 1_u64..600) {
            let said = held(Duration::from_secs(lasting), Duration::from_secs(timeout));
            prop_assert_eq!(said == Held::TooLong, lasting >= timeout);
            prop_assert_eq!(said == Held::Briefly, lasting < timeout.min(10));
        }

        #[test]
        fn a_pass_that_got_further_is_followed_by_the_next_one(jitter in 0.0..1.0_f64) {
            let wait = next(Ending::GoesOn, Duration::from_secs(300), jitter);
            prop_assert!(wait <= FIRST && wait >= FIRST / 2);
        }

        #[test]
        fn a_settled_resource_waits_about_its_interval(seconds in 10_u64..100_000, jitter in 0.0..1.0_f64) {
            let interval = Duration::from_secs(seconds);
            let wait = next(Ending::Baseline, interval, jitter);
            prop_assert!(wait >= interval && wait <= interval.mul_f64(1.11));
        }
    }
}
