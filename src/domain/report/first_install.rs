//! A release that comes up: its parts do not come in the order in which they need each other. A table that a
//! migration makes, a role, a right or a label that is still to be given is normal for a while, and only then
//! a person's.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::condition::Reason;

/// How long what is missing is waited for.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// When a resource began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its spec was last written, as far as the cluster tells.
    pub specified: Option<Timestamp>,
    /// Whether everything has agreed once.
    pub succeeded: bool,
}

/// Until when what is missing is waited for; `None` when that time is over, or what was there is gone.
pub fn awaited(beginning: &Beginning, now: Timestamp) -> Option<Timestamp> {
    if beginning.succeeded {
        return None;
    }
    let began = beginning.created.max(beginning.specified)?;
    let until = began.checked_add(PATIENCE).ok()?;
    (now < until).then_some(until)
}

/// Whether a release that comes up may bring what is missing for this reason.
pub fn may_bring(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UserTableMissing
            | Reason::ColumnMissing
            | Reason::PrivilegeMissing
            | Reason::DatabaseNotFound
            | Reason::DatabaseAuthenticationFailed
            | Reason::SecretNotPermitted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn beginning(created: i64, specified: Option<i64>) -> Beginning {
        Beginning { created: Some(at(created)), specified: specified.map(at), succeeded: false }
    }

    #[test]
    fn what_is_missing_is_waited_for_ten_minutes_after_the_resource_was_created() {
        let begun = beginning(0, None);
        assert_eq!(awaited(&begun, at(0)), Some(at(600)));
        assert_eq!(awaited(&begun, at(599)), Some(at(600)));
        assert_eq!(awaited(&begun, at(600)), None);
    }

    #[test]
    fn a_spec_that_was_written_later_begins_the_time_anew_and_an_older_one_does_not_shorten_it() {
        assert_eq!(awaited(&beginning(0, Some(5_000)), at(5_100)), Some(at(5_600)));
        assert_eq!(awaited(&beginning(100, Some(50)), at(650)), Some(at(700)));
    }

    #[test]
    fn what_has_worked_once_is_not_waited_for() {
        assert_eq!(awaited(&Beginning { succeeded: true, ..beginning(0, None) }, at(1)), None);
    }

    #[test]
    fn without_a_time_nothing_is_waited_for() {
        let begun = Beginning { created: None, specified: None, succeeded: false };
        assert_eq!(awaited(&begun, at(1)), None);
    }

    #[test]
    fn only_what_comes_with_a_release_is_waited_for() {
        let awaited: Vec<Reason> = Reason::ALL.iter().copied().filter(|one| may_bring(*one)).collect();
        assert_eq!(
            awaited,
            [
                Reason::SecretNotPermitted,
                Reason::DatabaseAuthenticationFailed,
                Reason::DatabaseNotFound,
                Reason::UserTableMissing,
                Reason::ColumnMissing,
                Reason::PrivilegeMissing,
            ]
        );
    }
}
