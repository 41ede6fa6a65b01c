//! The status where a pass ended before it could say what is right and what is wrong.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        status::AuthConsistencyStatus,
    },
    domain::{
        fault::{Class, Fault},
        target::secrets::TargetError,
    },
};

use super::{Seen, Verdict, amiss, overall, set, unseen};

/// The spec or its Secrets made no target.
pub(super) fn no_target(next: &mut AuthConsistencyStatus, errors: &[TargetError], seen: &Seen) {
    let Some(first) = errors.first() else { return };
    // A Secret may still come; what is wrong in the spec needs a person.
    let may_come = |error: &TargetError| error.may_come() || seen.awaits(error.reason);
    let waiting = errors.iter().all(may_come);
    let worst = errors.iter().find(|error| !may_come(error)).unwrap_or(first);
    let named: Vec<ConditionType> = errors.iter().map(|error| error.condition).collect();
    unseen::not_checked(next, seen, &named, "nothing was looked at, see Ready");
    for error in errors.iter().filter(|error| error.condition != ConditionType::Ready) {
        amiss(next, error.condition, "Unknown", error.reason, &error.message);
    }
    let others = match errors.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let message = seen.awaiting(worst.reason, format!("{}{others}", worst.message));
    overall(next, worst.reason, &message, if waiting { Verdict::Retry } else { Verdict::Person });
}

/// A stage failed.
pub(super) fn failed(next: &mut AuthConsistencyStatus, fault: &Fault, seen: &Seen) {
    use ConditionType::{DatabaseReachable, Ready};
    let why = match fault.condition {
        DatabaseReachable => "the database could not be asked, see DatabaseReachable".to_owned(),
        condition => format!("the pass ended before this was looked at, see {condition}"),
    };
    unseen::not_checked(next, seen, &[fault.condition], &why);
    match fault.condition {
        Ready => {}
        DatabaseReachable => amiss(next, DatabaseReachable, "False", fault.reason, &fault.message),
        condition => {
            // Whoever refuses has answered.
            set(&mut next.conditions, DatabaseReachable, "True", Reason::Connected, "the database answers");
            amiss(next, condition, "Unknown", fault.reason, &fault.message);
        }
    }
    let verdict = match fault.class {
        Class::Transient | Class::Conflict => Verdict::Retry,
        Class::Terminal if seen.awaits(fault.reason) => Verdict::Retry,
        Class::Terminal | Class::Bug => Verdict::Person,
    };
    let message = match fault.class {
        Class::Terminal => seen.awaiting(fault.reason, fault.message.clone()),
        _ => fault.message.clone(),
    };
    overall(next, fault.reason, &message, verdict);
}
