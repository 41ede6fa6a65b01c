//! What a status says of what was not looked at: nothing that would read as if it had been.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Seen, amiss, handled, set, stamp};
use crate::{
    api::{
        AuthConsistencySpec,
        condition::{ConditionType, Reason},
        status::AuthConsistencyStatus,
    },
    domain::text::more,
};

/// The domain conditions that a spec calls for, in order.
pub fn called_for(spec: &AuthConsistencySpec) -> Vec<ConditionType> {
    ConditionType::DOMAIN
        .into_iter()
        .filter(|condition| match condition {
            ConditionType::AdminConsistent => spec.admin.is_some() || !spec.accounts.is_empty(),
            ConditionType::SigningKeyTrusted => spec.jwt.is_some(),
            ConditionType::TokensAccepted => spec.probe.is_some(),
            _ => true,
        })
        .collect()
}

/// The status for a generation; what was found, planned and counted for another one goes.
pub(super) fn of_generation(previous: &AuthConsistencyStatus, generation: i64) -> AuthConsistencyStatus {
    let mut next = previous.clone();
    if previous.observed_generation != generation {
        next.findings.clear();
        next.plan = None;
        next.references = None;
    }
    next.observed_generation = generation;
    next
}

/// Says of the conditions that the spec calls for, but for those that the pass came to, that they were not
/// looked at; those that it does not call for go.
pub(super) fn not_checked(next: &mut AuthConsistencyStatus, seen: &Seen, but: &[ConditionType], why: &str) {
    let stands = |next: &AuthConsistencyStatus, condition: ConditionType| {
        next.conditions.iter().any(|one| one.type_ == condition.as_str())
    };
    for condition in ConditionType::DOMAIN {
        let called_for = match &seen.conditions {
            Some(conditions) => conditions.contains(&condition),
            None => stands(next, condition),
        };
        if !called_for {
            next.conditions.retain(|one| one.type_ != condition.as_str());
        } else if !but.contains(&condition) {
            amiss(next, condition, "Unknown", Reason::NotChecked, why);
        }
    }
}

/// The status of a suspended resource: the verdict is kept, and who reads it is told that it is of before.
///
/// The generation moves once, so that waiting for it comes to an end. It does not move where there is no
/// verdict, nor for what is changed in the spec later: nobody has looked at that.
pub fn suspended(
    previous: &AuthConsistencyStatus,
    generation: i64,
    now: &Time,
    seen: &Seen,
) -> AuthConsistencyStatus {
    let mut next = previous.clone();
    next.progress = None;
    handled(&mut next, seen);
    next.conditions.retain(|one| one.type_ != "Reconciling");
    let before = previous.conditions.iter().find(|one| one.type_ == "Ready");
    let known = before.filter(|one| one.status != "Unknown");
    match known {
        Some(one) if one.reason == Reason::Suspended.as_str() => return next,
        Some(one) => {
            next.observed_generation = generation;
            let message = format!(
                "suspended, so nothing is looked at or repaired: set spec.suspend to false; before that it was \
                 {}: {}",
                one.reason,
                without_page(one)
            );
            mark(&mut next, &one.status, &message);
        }
        None => {
            let message = "suspended, and nobody has looked at it as it is: set spec.suspend to false";
            mark(&mut next, "False", message);
        }
    }
    stamp(&mut next.conditions, &previous.conditions, next.observed_generation.max(0), now);
    next
}

fn mark(next: &mut AuthConsistencyStatus, status: &str, message: &str) {
    let message = format!("{message}; {}", more(Reason::Suspended));
    set(&mut next.conditions, ConditionType::Ready, status, Reason::Suspended, &message);
}

/// A condition's message without the page that it points to, which is another reason's.
fn without_page(condition: &Condition) -> &str {
    let message = condition.message.as_str();
    message.rsplit_once("; more: ").map_or(message, |(message, _)| message)
}
