//! When to look again: the interval when nothing is wrong, per-resource exponential backoff with
//! jitter while something fails that passes by itself, and a slow safety pass while a person must
//! act.

use std::time::Duration;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_secs(1);

/// No backoff is longer than this, however long the interval.
const LONGEST: Duration = Duration::from_secs(300);

/// The interval of a resource whose own cannot be used.
pub const DEFAULT: Duration = Duration::from_secs(300);

/// How a pass ended, as far as the next one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Consistent, or a person must act: look again after the interval.
    Settled,
    /// It got further, and the next pass goes on at once.
    GoesOn,
    /// Failed, and passes by itself: the number of failures in a row, at least 1.
    Failing(u32),
}

/// How long to wait before the next pass.
///
/// `jitter` is a random number of 0 up to 1; it spreads passes by up to a tenth so that the
/// resources of a restarted controller do not move in step.
pub fn next(ending: Ending, interval: Duration, jitter: f64) -> Duration {
    let jitter = jitter.clamp(0.0, 1.0);
    match ending {
        Ending::Settled => interval.mul_f64(1.0 + 0.1 * jitter),
        Ending::GoesOn => FIRST.mul_f64(0.5 + 0.5 * jitter),
        Ending::Failing(failures) => {
            let exponent = failures.saturating_sub(1).min(16);
            let backoff = FIRST.saturating_mul(1_u32 << exponent).min(LONGEST);
            backoff.mul_f64(0.5 + 0.5 * jitter)
        }
    }
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
        fn a_pass_that_got_further_is_followed_by_the_next_one(jitter in 0.0..1.0_f64) {
            let wait = next(Ending::GoesOn, Duration::from_secs(300), jitter);
            prop_assert!(wait <= FIRST && wait >= FIRST / 2);
        }

        #[test]
        fn a_settled_resource_waits_about_its_interval(seconds in 10_u64..100_000, jitter in 0.0..1.0_f64) {
            let interval = Duration::from_secs(seconds);
            let wait = next(Ending::Settled, interval, jitter);
            prop_assert!(wait >= interval && wait <= interval.mul_f64(1.11));
        }
    }
}
