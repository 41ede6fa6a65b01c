//! Steps that wait for what is not known yet, or for another step.

use crate::{
    api::report::Action,
    domain::{
        facts::{Observation, references},
        step::{PlannedStep, Step},
    },
};

/// Whether a step waits for references that were not looked at yet: it rests on all of them (an id that
/// nobody names, rows that all move at once), or would have one of them vouched for.
pub fn waits_for_the_look(observation: &Observation, step: &Step) -> bool {
    let unreached = &observation.unreached;
    match step {
        Step::AdvanceSequence { .. } | Step::Seed { .. } | Step::MoveId { .. } | Step::Remap { .. } => {
            !unreached.is_empty()
        }
        Step::AddConstraint { reference, .. } | Step::ValidateConstraint { reference } => {
            unreached.iter().any(|one| references::same_columns(one, reference))
        }
        Step::Correct { .. } | Step::Reset { .. } | Step::EndSessions { .. } | Step::Rows { .. } => false,
    }
}

/// Moving an account's id takes every row along that names it, and some of those may be rows of a person
/// of before: they go back first, and the id is moved by a later plan. So it is where a list is named and
/// cannot be used, since nobody knows then whether rows are to go back.
pub(in crate::domain) fn people_before_the_id(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let untold = observation.identities.as_ref().is_some_and(|identities| identities.problem.is_some());
    if untold || steps.iter().any(|one| one.step.action() == Action::Remap) {
        steps.retain(|one| one.step.action() != Action::MoveId);
    }
}

/// An account that takes its id from the sequence comes after the sequence.
pub(in crate::domain) fn wait_for_the_sequence(steps: &mut [PlannedStep]) {
    let waits = steps
        .iter()
        .find(|one| one.step.action() == Action::AdvanceSequence)
        .and_then(|one| one.waits.clone());
    let Some(why) = waits else { return };
    for one in steps.iter_mut() {
        if let Step::Seed { id: None, .. } = one.step {
            one.waits.get_or_insert_with(|| format!("the sequence moves first, and that waits: {why}"));
        }
    }
}

/// Rows can only be given to an admin who exists and is active once the steps before have run. Where
/// those wait, so do the rows; where there is no such step at all, the rows are not offered.
pub(in crate::domain) fn wait_for_the_heir(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let state =
        |action: Action| steps.iter().find(|one| one.step.action() == action && one.step.account().is_none());
    let account = observation.admin.as_ref().and_then(|admin| admin.account.as_ref());
    let heir = match account {
        None => state(Action::Seed),
        Some(account) if !account.inactive.is_empty() => state(Action::Correct),
        Some(_) => {
            let moving = state(Action::MoveId).and_then(|one| one.waits.clone());
            if let Some(why) = moving {
                hold(steps, &format!("the admin's id moves first, and that waits: {why}"));
            }
            return;
        }
    };
    match heir.map(|one| one.waits.clone()) {
        Some(None) => {}
        Some(Some(why)) => hold(steps, &format!("the admin comes first, and that waits: {why}")),
        None => steps.retain(|one| one.step.action() != Action::Reassign),
    }
}

fn hold(steps: &mut [PlannedStep], why: &str) {
    for one in steps.iter_mut().filter(|one| one.step.action() == Action::Reassign) {
        one.waits.get_or_insert_with(|| why.to_owned());
    }
}
