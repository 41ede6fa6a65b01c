//! Foreign keys that follow the rows which keep them from holding.

use crate::domain::{
    diagnose::constraints::orphans,
    facts::{Observation, references::same_columns},
    step::{PlannedStep, Step},
};

/// What is added is validated next, in a transaction of its own; and rows that name nobody are mended
/// before: where that waits so does the foreign key, where it is not planned there is nothing to vouch
/// for.
pub(in crate::domain) fn follow_the_rows(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let added: Vec<PlannedStep> = steps
        .iter()
        .filter_map(|one| match &one.step {
            Step::AddConstraint { reference, .. } => Some(PlannedStep {
                step: Step::ValidateConstraint { reference: reference.clone() },
                waits: one.waits.clone(),
            }),
            _ => None,
        })
        .collect();
    steps.extend(added);
    let rows: Vec<PlannedStep> =
        steps.iter().filter(|one| matches!(one.step, Step::Rows { .. })).cloned().collect();
    steps.retain_mut(|one| {
        let object = match &one.step {
            Step::AddConstraint { reference, .. } | Step::ValidateConstraint { reference } => reference,
            _ => return true,
        };
        if orphans(observation, object) == 0 {
            return true;
        }
        let Some(before) = rows.iter().find(|rows| same_columns(rows.step.object(), object)) else {
            return false;
        };
        if let Some(why) = &before.waits {
            one.waits.get_or_insert_with(|| format!("its rows are mended first, and that waits: {why}"));
        }
        true
    });
}
