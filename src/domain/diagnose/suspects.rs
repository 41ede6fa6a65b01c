//! Rows that look like orphans and may be none: keys in another spelling, and answers of an index that
//! another library sorted. They are told, and never repaired.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
    },
    domain::{
        facts::{
            Observation,
            references::{Orphans, Reference, Spelling},
            unread::Untrusted,
        },
        finding::{Finding, person},
        step::Step,
        target::{Target, policy::accepted},
        text::{clip, count, sample, statement},
    },
};

/// What keeps orphans of this observation from being believed.
pub(in crate::domain) fn doubts(target: &Target, observation: &Observation) -> Vec<Finding> {
    let wanted = |object: &ObjectRef| {
        observation.references.iter().any(|reference| {
            reference.object == *object && accepted(&target.references.policy(object), reference)
        })
    };
    let spelled = observation.spellings.iter().filter(|one| !wanted(&one.object)).map(spelling);
    observation.untrusted.iter().map(untrusted).chain(spelled).collect()
}

/// What is known of the spelling of a reference's orphans.
pub(in crate::domain) fn spelled<'a>(
    observation: &'a Observation,
    object: &ObjectRef,
) -> Option<&'a Spelling> {
    observation.spellings.iter().find(|one| one.object == *object)
}

/// The orphans of a reference without the rows that name users in another spelling, which are none. The digest stays
/// that of all.
pub fn without_spelled(observation: &Observation, reference: &Reference) -> Orphans {
    let mut left = reference.orphans.clone();
    if let Some(spelled) = spelled(observation, &reference.object) {
        left.rows = left.rows.saturating_sub(spelled.rows).max(0);
        left.keys = left.keys.saturating_sub(spelled.keys).max(0);
        // Both samples are the first ones in key order: whatever of these is spelled otherwise is among those.
        left.sample.retain(|key| !spelled.sample.contains(key));
    }
    left
}

fn spelling(one: &Spelling) -> Finding {
    let first = one.sample.first().map_or("", String::as_str);
    let mut found = person(
        Reason::IdSpellingDiffers,
        ConditionType::ReferencesConsistent,
        Severity::Error,
        Some(one.object.clone()),
        format!(
            "{} of {} {} users in another spelling ({}; {:?} is {:?}), so {}: {}",
            count(one.rows, "row"),
            one.object.describe(),
            if one.rows == 1 { "names" } else { "name" },
            sample(&one.sample.iter().map(|key| clip(key, 40)).collect::<Vec<_>>(), one.keys),
            clip(first, 40),
            clip(&one.twin, 40),
            if one.rows == 1 { "it is no orphan" } else { "they are no orphans" },
            if one.ambiguous {
                "more than one user differs from another in spelling only, so decide by hand whose rows they are".to_owned()
            } else {
                format!("give them the users' own spelling with {}", statement(one.normalise.clone()))
            },
        ),
    );
    found.finding.rows = Some(one.rows);
    found.finding.keys = Some(one.keys);
    found.finding.sample = one.sample.iter().map(|key| clip(key, 255)).collect();
    found
}

fn untrusted(one: &Untrusted) -> Finding {
    let (condition, what) = match one.of_accounts {
        true => (
            ConditionType::AdminConsistent,
            "is looked up by reading all rows, and nothing is written to accounts",
        ),
        false => (ConditionType::ReferencesConsistent, "was not checked"),
    };
    let unique = if one.unique {
        " (a unique index cannot be rebuilt while two rows have one key, so mend such rows first)"
    } else {
        ""
    };
    person(
        Reason::IndexUntrusted,
        condition,
        Severity::Error,
        Some(one.object.clone()),
        format!("{} {what}, since {}{unique}: run {}", one.object.describe(), one.why, one.remedy.join("; ")),
    )
}

/// Takes away the steps that go by a login or write to an account, where the indexes of these cannot be believed: a
/// unique index of that kind takes a second row with one key.
pub(super) fn hold(found: &mut [Finding], observation: &Observation) {
    if !observation.untrusted.iter().any(|one| one.of_accounts) {
        return;
    }
    let apart = |step: &Step| {
        matches!(
            step,
            Step::Rows { .. }
                | Step::AdvanceSequence { .. }
                | Step::AddConstraint { .. }
                | Step::ValidateConstraint { .. }
        )
    };
    for one in found.iter_mut().filter(|one| one.step.as_ref().is_some_and(|step| !apart(step))) {
        one.step = None;
        one.approval = None;
        one.finding.remedy = None;
        let message =
            format!("{}; nothing is repaired here before its indexes are rebuilt", one.finding.message);
        one.finding.message = clip(&message, 1024);
        one.finding.blocked.get_or_insert(Reason::IndexUntrusted);
    }
}
