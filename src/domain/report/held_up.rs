//! The status while others hold what a pass needs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{set, stamp};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        status::AuthConsistencyStatus,
    },
    domain::fault::Fault,
};

/// The status of a resource that passes cannot look at for a while: what was found stands, and that it is
/// being looked for again shows. Nothing is said anew of a resource that is not ready.
pub fn held_up(previous: &AuthConsistencyStatus, now: &Time, fault: &Fault) -> AuthConsistencyStatus {
    let mut next = previous.clone();
    // Of the look that was given up.
    next.progress = None;
    if !previous.conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True") {
        return next;
    }
    let message = format!("the last look was given up, and the next one comes by itself: {}", fault.message);
    let (condition, reason) = (ConditionType::Reconciling, Reason::ProgressingWithRetry);
    set(&mut next.conditions, condition, "True", reason, &message);
    stamp(&mut next.conditions, &previous.conditions, previous.observed_generation, now);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        fault::Class,
        report::{End, Seen, status},
    };

    fn busy() -> Fault {
        Fault {
            reason: Reason::DatabaseBusy,
            condition: ConditionType::DatabaseReachable,
            class: Class::Conflict,
            message: "a lock was not to be had".into(),
        }
    }

    fn time(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn a_ready_resource_stays_ready_and_says_that_it_is_being_looked_at_again() {
        let outcome = End::Done(Box::default());
        let ready = status(&AuthConsistencyStatus::default(), 3, &time(5), &outcome, &Seen::default());
        let held = held_up(&ready, &time(9), &busy());
        let shown: Vec<_> = held
            .conditions
            .iter()
            .map(|one| format!("{}={} {} {}", one.type_, one.status, one.reason, one.last_transition_time.0))
            .collect();
        assert_eq!(
            shown,
            [
                "Ready=True Consistent 1970-01-01T00:00:05Z",
                "Reconciling=True ProgressingWithRetry 1970-01-01T00:00:09Z"
            ]
        );
        assert!(held.conditions[1].message.ends_with(": a lock was not to be had"));
        assert_eq!(held_up(&held, &time(20), &busy()), held, "and says it once");
        let over = status(&held, 3, &time(30), &outcome, &Seen::default());
        assert_eq!(over, ready, "and afterwards all is as it was");
    }

    #[test]
    fn nothing_is_said_anew_of_a_resource_that_is_not_ready() {
        let failed = End::Failed(Fault { class: Class::Terminal, ..busy() });
        let stalled = status(&AuthConsistencyStatus::default(), 3, &time(5), &failed, &Seen::default());
        assert_eq!(held_up(&stalled, &time(9), &busy()), stalled);
        let unseen = AuthConsistencyStatus::default();
        assert_eq!(held_up(&unseen, &time(9), &busy()), unseen);
    }
}
