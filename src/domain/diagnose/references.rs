//! What is wrong with references: rows that name nobody, constraints that do not vouch, types that
//! differ, sequences that will collide, and what keeps a repair from being done.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, ObjectRef, Severity},
        spec::OnOrphan,
    },
    domain::{
        diagnose::{
            refusal::{choices, refusal},
            suspects,
        },
        facts::{Observation, references::Reference, schema::UserTable},
        finding::{Finding, Resolution, person},
        step::Step,
        target::{Target, policy::accepted},
        text::{clip, count, number, sample},
    },
};

use super::{constraints, elsewhere, not_unique, remap};

mod types;

pub use crate::domain::diagnose::next_id::{NOBODY_KNOWS, untold};
pub use crate::domain::diagnose::sequence::{is_spent, sequence};

/// What is wrong with the references of an observation.
pub(in crate::domain) fn references(
    target: &Target,
    observation: &Observation,
    users: &UserTable,
) -> Vec<Finding> {
    let mut found = suspects::doubts(target, observation);
    let told = |object: &ObjectRef| observation.untrusted.iter().any(|one| one.object == *object);
    for skipped in observation.skipped.iter().filter(|skipped| !skipped.asked && !told(&skipped.object)) {
        let mut unread = person(
            Reason::RowsUnreadable,
            ConditionType::ReferencesConsistent,
            Severity::Error,
            Some(skipped.object.clone()),
            format!(
                "{} could not be checked, so nothing is claimed about it: {}",
                skipped.object.describe(),
                skipped.why
            ),
        );
        if skipped.transient {
            unread.ends = Resolution::Automatic;
        }
        found.push(unread);
    }
    let mut rows: Vec<Option<Finding>> =
        observation.references.iter().map(|reference| rows(target, observation, reference)).collect();
    let mended: Vec<ObjectRef> =
        rows.iter().flatten().filter_map(|one| one.step.as_ref().map(|step| step.object().clone())).collect();
    found.extend(constraints::missing(target, observation, &mended));
    found.extend(elsewhere::findings(target, observation));
    for (reference, rows) in observation.references.iter().zip(&mut rows) {
        found.extend(constraints::vouching(target, observation, reference, &mended));
        for twin in reference.of_twins() {
            found.extend(constraints::vouching(target, observation, &twin, &mended));
        }
        found.extend(constraints::of_partitions(target, reference));
        found.extend(types::differ(target.hints, reference, users));
        found.extend(rows.take());
    }
    found
}

pub(in crate::domain) fn rows(
    target: &Target,
    observation: &Observation,
    reference: &Reference,
) -> Option<Finding> {
    let orphans = &suspects::without_spelled(observation, reference);
    let policy = target.references.policy(&reference.object);
    if orphans.rows == 0 || accepted(&policy, reference) {
        return None;
    }
    let users = if orphans.keys == 1 { "a user that does not exist" } else { "users that do not exist" };
    let mut message = format!(
        "{} of {} {} {}{users} ({})",
        count(orphans.rows, "row"),
        reference.object.describe(),
        if orphans.rows == 1 { "names" } else { "name" },
        if orphans.keys == 1 { String::new() } else { format!("{} ", number(orphans.keys)) },
        sample(&orphans.sample, orphans.keys),
    );
    if let Some((accepted, _)) = &policy.accept {
        message.push_str(&format!(", and only {} are accepted", number(*accepted)));
    }
    let finish = |message: String| {
        let mut found = person(
            Reason::OrphanRows,
            ConditionType::ReferencesConsistent,
            Severity::Error,
            Some(reference.object.clone()),
            message,
        );
        found.finding.rows = Some(orphans.rows);
        found.finding.keys = Some(orphans.keys);
        found.finding.sample = orphans.sample.iter().map(|key| clip(key, 255)).collect();
        found
    };
    if not_unique::refused(target, observation, reference) {
        let message = format!("{message}; nothing is repaired here before ids are unique");
        return Some(finish(message).blocked_by(Reason::IdNotUnique));
    }
    let action = match policy.on_orphan {
        OnOrphan::Report => {
            let people = remap::offer(observation, reference);
            let end = match choices(observation, reference, &policy, None, people) {
                Some(some) => format!("choose {some} for it in spec.references.rules, or accept it there"),
                None if suspects::spelled(observation, &reference.object).is_some() => {
                    let why = refusal(Action::Delete, target, observation, reference);
                    format!(
                        "{}, then choose a repair in spec.references.rules",
                        why.map(|(_, why)| why).unwrap_or_default()
                    )
                }
                None => {
                    let why = refusal(Action::Delete, target, observation, reference);
                    let why = why.map(|(_, why)| format!(" ({why})")).unwrap_or_default();
                    format!(
                        "no repair can be chosen for it{why}, so mend the rows by hand, or accept them in spec.references.rules"
                    )
                }
            };
            return Some(finish(format!("{message}: {end}")));
        }
        OnOrphan::Reassign => Action::Reassign,
        OnOrphan::SetNull => Action::SetNull,
        OnOrphan::Delete => Action::Delete,
        OnOrphan::Remap => {
            let remedy = remap::remedy(target, observation, reference);
            let found = finish(format!("{message}{}", remedy.words));
            return Some(remap::with_remedy(found, remedy));
        }
    };
    if let Some((reason, why)) = refusal(action, target, observation, reference) {
        return Some(finish(format!("{message}; {action} is refused: {why}")).blocked_by(reason));
    }
    let mut found = finish(message).with_step(Step::Rows {
        action,
        reference: reference.object.clone(),
        definition: reference.definition.to_string(),
        rows: orphans.rows,
        keys: orphans.keys,
        digest: orphans.digest.clone(),
        table_rows: reference.table_rows,
        takes: if action == Action::Delete { reference.takes.clone() } else { Vec::new() },
        surplus: if action == Action::Reassign { reference.surplus.unwrap_or(0) } else { 0 },
    });
    // The rule wanted those rows kept; how many of them are now too many is a person's to say.
    found.approval =
        policy.accept.as_ref().map(|(rows, _)| format!("only {} are accepted by a rule", number(*rows)));
    Some(found)
}
