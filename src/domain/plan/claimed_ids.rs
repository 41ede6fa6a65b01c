//! Ids that the spec gives to an account and that rows of nobody name. Those rows are the only sign that
//! somebody may hold an old token for the id: while the account does not have it, they stay.

use crate::{
    api::{
        report::ObjectRef,
        spec::{OnDrift, OnMissing},
    },
    domain::{
        facts::{
            Observation, accounts::AdminFacts, key_kind::KeyKind, new_ids::IdDefault, references::Reference,
        },
        step::{PermittedStep, PlannedStep, Step},
        target::{Admin, Target},
        text::count,
    },
};

/// Makes steps wait that would take away the rows which name an id that an account is to get. Were they
/// mended at once, the next pass would see nobody who names the id and give it away unasked.
pub(in crate::domain) fn keep_the_rows(
    target: &Target,
    observation: &Observation,
    steps: &mut [PlannedStep],
) {
    let Some((account, rows)) = undecided(target, observation, steps) else { return };
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

/// The first account that is to get an id which rows of nobody name, and how many do.
fn undecided<'t>(
    target: &'t Target,
    observation: &Observation,
    steps: &[PlannedStep],
) -> Option<(&'t Admin, i64)> {
    let admin = target.admin.iter().zip(&observation.admin);
    let mut kept = admin.chain(target.accounts.iter().zip(&observation.accounts));
    kept.find_map(|(account, facts)| Some((account, claimed(account, facts, steps)?)))
}

/// Whether rows may not be taken away, by whatever approval: an account is to get an id that they name, and
/// nothing that may run now gives it.
pub(in crate::domain) fn forbids(
    target: &Target,
    observation: &Observation,
    steps: &[PlannedStep],
    step: &Step,
    running: &[PermittedStep],
) -> bool {
    touches(observation, step)
        && undecided(target, observation, steps).is_some()
        && !running.iter().any(|one| gives(one.step()))
}

/// Whether a step gives an account an id that rows of nobody name.
pub(in crate::domain) fn gives(step: &Step) -> bool {
    matches!(step, Step::Seed { claimed: true, .. } | Step::MoveId { claimed: true, .. })
}

/// How many rows of nobody name the id that an account is to get and does not have.
fn claimed(account: &Admin, facts: &AdminFacts, steps: &[PlannedStep]) -> Option<i64> {
    let wanted = facts.wanted.as_ref().filter(|wanted| wanted.orphan_rows > 0 && !wanted.occupied)?;
    let planned = steps.iter().any(|one| gives(&one.step) && one.step.account() == account.account());
    // What keeps it from being planned just now, as a password that cannot be used, may end before the
    // next pass.
    let meant = match &facts.account {
        None => account.on_missing == OnMissing::Seed,
        Some(there) => account.on_drift == OnDrift::Correct && wanted.canonical.as_ref() != Some(&there.id),
    };
    (planned || meant).then_some(wanted.orphan_rows)
}

/// Whether a step changes or removes rows of a table that names users by their id.
pub(in crate::domain) fn touches(observation: &Observation, step: &Step) -> bool {
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
pub(in crate::domain) fn take_the_sequence_along(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let Ok(users) = &observation.users else { return };
    let IdDefault::Sequence(sequence) = &users.id_default else { return };
    if !sequence.settable || users.id_kind != KeyKind::Integer {
        return;
    }
    let descends = sequence.descends();
    // Whether it has still to come to an id, and would not be half used up there.
    let to_come = |id: i64| {
        let end = if descends { users.first_id } else { users.last_id };
        let way = |id: i64| (i128::from(id) - i128::from(sequence.next)) * if descends { -1 } else { 1 };
        (0..way(end) / 2).contains(&way(id))
    };
    let covers = |past: i64, id: i64| if descends { past <= id } else { past >= id };
    let ids: Vec<(i64, Option<String>)> = steps
        .iter()
        .filter_map(|one| match &one.step {
            Step::MoveId { to: id, .. } | Step::Seed { id: Some(id), .. } => {
                Some((id.parse().ok()?, one.waits.clone()))
            }
            _ => None,
        })
        .filter(|(id, _)| to_come(*id))
        .collect();
    for (id, waits) in ids {
        let covering = |one: &PlannedStep| {
            let past = matches!(one.step, Step::AdvanceSequence { past, .. } if covers(past, id));
            past && (one.waits.is_none() || waits.is_some())
        };
        if steps.iter().any(covering) {
            continue;
        }
        let same = steps.iter_mut().find_map(|one| match &mut one.step {
            Step::AdvanceSequence { past, .. } if one.waits == waits => Some(past),
            _ => None,
        });
        match same {
            Some(past) => *past = id,
            None => steps.push(PlannedStep {
                step: Step::AdvanceSequence { sequence: sequence.object.clone(), past: id, descends },
                waits,
            }),
        }
    }
}
