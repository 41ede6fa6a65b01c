//! Steps that were planned and not done: which of them go on in a later pass under the approval that they had,
//! and which wait for one that was refused.

use super::{
    claims, constraints,
    diagnosis::Step,
    observation::{Observation, OpenRun},
    plan::{Permission, detail},
    target::Target,
};
use crate::api::report::Action;

/// What else an approval of a step is for, beside what it does to what: for the steps that give an account an
/// id which rows name. A run that was interrupted goes on with such a step for that alone.
pub fn terms(step: &Step) -> Option<String> {
    claims::gives(step).then(|| detail(step))
}

/// Whether a step that was approved and not done may be done by a later pass under that approval.
///
/// A step of one transaction was either done or not begun: rows go on where they stopped, and so does what was
/// approved to follow them, and what they follow. The rest would need the world to be as it was.
pub fn goes_on(step: &Step) -> bool {
    match step {
        // What goes along with the rows, or is removed instead, may be others by now than were shown.
        Step::Rows { takes, surplus, .. } => takes.is_empty() && *surplus == 0,
        Step::AddConstraint { .. } | Step::ValidateConstraint { .. } | Step::EndSessions { .. } => true,
        _ => claims::gives(step),
    }
}

/// Steps of an interrupted run go on under the approval that it had, up to the rows that are left of
/// it; new keys are not in its list and so are not touched.
pub(super) fn resumed(run: Option<&OpenRun>, target: &Target, step: &Step) -> Option<(Permission, i64)> {
    if !goes_on(step) {
        return None;
    }
    let run = run.filter(|run| run.generation == target.resource.generation)?;
    let terms = terms(step);
    let open = run.steps.iter().find(|open| {
        open.action == step.action()
            && open.object == *step.object()
            && (terms.is_none() || (open.passed == terms && open.rows_left == step.rows()))
    })?;
    // For the same, and of the same accounts.
    if matches!(step, Step::EndSessions { digest, .. } if open.passed.as_ref() != Some(digest)) {
        return None;
    }
    let follows = matches!(step, Step::AddConstraint { .. } | Step::ValidateConstraint { .. });
    (follows || open.rows_left > 0)
        .then(|| (Permission::Resume { run: run.run.clone(), number: open.step }, open.rows_left))
}

/// Which of the steps that were not done another one rests on, if there is one: then it waits. All others go
/// on, since what is wrong with one step is no property of the next.
pub fn rests_on(observation: &Observation, step: &Step, undone: &[Step]) -> Option<usize> {
    undone.iter().position(|before| rests(observation, step, before))
}

fn rests(observation: &Observation, step: &Step, before: &Step) -> bool {
    let reassigns = matches!(step, Step::Rows { action: Action::Reassign, .. });
    match before {
        // Those rows are the only sign that somebody may hold an old token for the id.
        _ if claims::gives(before) && claims::touches(observation, step) => true,
        Step::AdvanceSequence { .. } => matches!(step, Step::Seed { id: None, .. }),
        Step::Seed { account: None, .. } | Step::MoveId { account: None, .. } => reassigns,
        Step::Correct { account: None, .. } => {
            let account = observation.admin.as_ref().and_then(|admin| admin.account.as_ref());
            reassigns && account.is_some_and(|account| !account.inactive.is_empty())
        }
        // Tokens end while ids are those of the plan, and before rows go back to people.
        Step::EndSessions { .. } => matches!(step, Step::Remap { .. } | Step::MoveId { .. }),
        Step::Rows { reference, .. }
        | Step::Remap { reference, .. }
        | Step::AddConstraint { reference, .. } => match step {
            Step::AddConstraint { reference: other, .. } | Step::ValidateConstraint { reference: other } => {
                constraints::same_columns(reference, other)
            }
            _ => false,
        },
        _ => false,
    }
}
