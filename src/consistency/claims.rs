//! Ids that the spec gives to an account and that rows of nobody name. Those rows are the only sign that
//! somebody may hold an old token for the id: while the account does not have it, they stay.

use super::{
    diagnosis::Step,
    observation::{AdminFacts, IdDefault, KeyKind, Observation, Reference},
    plan::PlannedStep,
    target::{Admin, Target},
    wording::count,
};
use crate::api::{
    report::ObjectRef,
    spec::{OnDrift, OnMissing},
};

/// Makes steps wait that would take away the rows which name an id that an account is to get. Were they
/// mended at once, the next pass would see nobody who names the id and give it away unasked.
pub(super) fn keep_the_rows(target: &Target, observation: &Observation, steps: &mut [PlannedStep]) {
    let admin = target.admin.iter().zip(&observation.admin);
    let mut kept = admin.chain(target.accounts.iter().zip(&observation.accounts));
    let Some((account, rows)) =
        kept.find_map(|(account, facts)| Some((account, claimed(account, facts, steps)?)))
    else {
        return;
    };
    let id = account.id.as_deref().unwrap_or_default();
    for one in steps.iter_mut().filter(|one| touches(observation, &one.step)) {
        one.waits.get_or_insert_with(|| {
            format!(
                "{}.id gives {} the id {id}, which {} of nobody {}: they are the sign that old tokens may name it, so that is decided first",
                account.field(),
                account.called(),
                count(rows, "row"),
                if rows == 1 { "names" } else { "name" },
            )
        });
    }
}

/// How many rows of nobody name the id that an account is to get and does not have.
fn claimed(account: &Admin, facts: &AdminFacts, steps: &[PlannedStep]) -> Option<i64> {
    let wanted = facts.wanted.as_ref().filter(|wanted| wanted.orphan_rows > 0 && !wanted.occupied)?;
    let planned = steps.iter().any(|one| {
        matches!(one.step, Step::Seed { claimed: true, .. } | Step::MoveId { claimed: true, .. })
            && one.step.account() == account.account()
    });
    // What keeps it from being planned just now, as a password that cannot be used, may end before the
    // next pass.
    let meant = match &facts.account {
        None => account.on_missing == OnMissing::Seed,
        Some(there) => account.on_drift == OnDrift::Correct && wanted.canonical.as_ref() != Some(&there.id),
    };
    (planned || meant).then_some(wanted.orphan_rows)
}

/// Whether a step changes or removes rows of a table that names users by their id.
fn touches(observation: &Observation, step: &Step) -> bool {
    let names_id = |object: &ObjectRef| {
        let here =
            |one: &&Reference| (&one.object.schema, &one.object.table) == (&object.schema, &object.table);
        observation.references.iter().filter(here).any(|one| one.names_id)
    };
    match step {
        Step::Remap { reference, .. } => names_id(reference),
        Step::Rows { reference, takes, .. } => {
            names_id(reference) || takes.iter().any(|taken| names_id(&taken.object))
        }
        _ => false,
    }
}

/// An account that gets an id which the sequence has not come to would leave it behind: it goes above that id
/// first, in the same plan and under the same approval. What would use up more than half of the ids that are
/// left is a plan of its own, once somebody has that id.
pub(super) fn take_the_sequence_along(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let Ok(users) = &observation.users else { return };
    let IdDefault::Sequence(sequence) = &users.id_default else { return };
    if !sequence.ascending || !sequence.settable || users.id_kind != KeyKind::Integer {
        return;
    }
    let half = sequence.next.saturating_add(sequence.maximum.saturating_sub(sequence.next) / 2);
    let ids: Vec<(i64, Option<String>)> = steps
        .iter()
        .filter_map(|one| match &one.step {
            Step::MoveId { to: id, .. } | Step::Seed { id: Some(id), .. } => {
                Some((id.parse().ok()?, one.waits.clone()))
            }
            _ => None,
        })
        .filter(|(id, _)| (sequence.next..half).contains(id))
        .collect();
    for (id, waits) in ids {
        let covers = |one: &PlannedStep| {
            let above = matches!(one.step, Step::AdvanceSequence { above, .. } if above >= id);
            above && (one.waits.is_none() || waits.is_some())
        };
        if steps.iter().any(covers) {
            continue;
        }
        let same = steps.iter_mut().find_map(|one| match &mut one.step {
            Step::AdvanceSequence { above, .. } if one.waits == waits => Some(above),
            _ => None,
        });
        match same {
            Some(above) => *above = id,
            None => steps.push(PlannedStep {
                step: Step::AdvanceSequence { sequence: sequence.object.clone(), above: id },
                waits,
            }),
        }
    }
}
