//! Rows that a move would carry along wrongly, or that nothing would miss.

use crate::{
    api::report::ObjectRef,
    domain::{
        advise::suggestions::{Confidence, Suggestion},
        facts::references::Reference,
        target::{Target, policy},
        text::{count, number, sample},
    },
};

use super::{Facts, Risk, RiskName};

/// Columns that name users without a foreign key that vouches for their rows.
pub(super) fn without_constraint(target: &Target, facts: &Facts<'_>) -> Option<Risk> {
    let observation = facts.observation;
    let mut evidence: Vec<String> = observation
        .missing_constraints
        .iter()
        .map(|object| {
            format!(
                "{} has no foreign key {}",
                object.describe(),
                object.constraint.as_deref().unwrap_or_default()
            )
        })
        .collect();
    let elsewhere = || observation.elsewhere.iter().filter(|key| key.is_told());
    evidence.extend(elsewhere().map(|key| {
        format!(
            "the foreign key {} of {} references {} and not the user table",
            key.object.constraint.as_deref().unwrap_or_default(),
            key.object.describe(),
            key.to.describe_table()
        )
    }));
    for reference in &observation.references {
        let object = &reference.object;
        if reference.soft && observation.elsewhere.iter().any(|key| same_columns(&key.object, object)) {
            continue;
        }
        let missing = observation.missing_constraints.iter().any(|one| same_columns(one, object));
        if reference.soft && !missing && can_be_declared(target, object) {
            evidence.push(format!("{} names users by a rule, and has no foreign key", object.describe()));
        } else if !reference.soft
            && let Some(why) = not_vouching(reference)
        {
            evidence.push(format!(
                "the foreign key {} of {} {why}: {}",
                object.constraint.as_deref().unwrap_or_default(),
                object.describe(),
                match reference.orphans.rows {
                    0 => "each of them names a user today".to_owned(),
                    1 => "one of them names nobody today".to_owned(),
                    rows => format!("{} of them name nobody today", number(rows)),
                }
            ));
        }
    }
    let likely = facts.suggestions.iter().filter(|one| one.confidence == Confidence::Likely);
    evidence.extend(likely.map(suggested));
    (!evidence.is_empty()).then(|| Risk {
        risk: RiskName::ReferenceWithoutConstraint,
        breaks: "rows of these come in with ids that name nobody or somebody else, and the database lets them: the app fails later, or shows people what is not theirs".into(),
        evidence,
        to_do: "declare each in spec.references.rules (`auth-consistency discover` prints the rules), mend what names nobody, then add the foreign key with NOT VALID and validate it; of one that is there, `auth-consistency check` says what to run".into(),
        docs: RiskName::ReferenceWithoutConstraint.docs(),
    })
}

/// Why a foreign key does not vouch for its rows, if so.
fn not_vouching(reference: &Reference) -> Option<&'static str> {
    if reference.enforcement.not_enforced {
        Some("is NOT ENFORCED, so it says nothing of any row")
    } else if !reference.enforcement.holds() {
        Some("has triggers that are off, so it lets rows in that name nobody, or leaves them behind")
    } else {
        (!reference.validated).then_some("is NOT VALID, so it says nothing of older rows")
    }
}

fn suggested(one: &Suggestion) -> String {
    let rows = one.rows.map(|rows| format!(", in about {}", count(rows, "row"))).unwrap_or_default();
    format!(
        "{} ({}) has no foreign key, and {} values are users{rows}",
        one.object.describe(),
        one.column_type,
        one.share()
    )
}

/// A reference that holds for some rows only, or has values that mean nobody, can have no foreign key.
fn can_be_declared(target: &Target, object: &ObjectRef) -> bool {
    let rule = target.references.rules.iter().find(|rule| rule.names(object));
    rule.is_none_or(|rule| rule.rule.absent.is_empty() && rule.rule.only_where.is_empty())
}

fn same_columns(one: &ObjectRef, other: &ObjectRef) -> bool {
    (&one.schema, &one.table, &one.columns) == (&other.schema, &other.table, &other.columns)
}

/// Columns of which nobody can tell: whoever knows the app says it in a rule.
pub(super) fn perhaps(facts: &Facts<'_>) -> Vec<String> {
    let possible = facts.suggestions.iter().filter(|one| one.confidence != Confidence::Likely);
    possible
        .map(|one| {
            format!(
                "{} may name users ({}): declare it in spec.references.rules, or ignore it there",
                one.object.describe(),
                one.why
            )
        })
        .collect()
}

/// Rows that name nobody already.
pub(super) fn with_orphans(target: &Target, facts: &Facts<'_>) -> Option<Risk> {
    let unwanted = |reference: &&Reference| {
        reference.orphans.rows > 0
            && !policy::accepted(&target.references.policy(&reference.object), reference)
    };
    let mut found: Vec<&Reference> = facts.observation.references.iter().filter(unwanted).collect();
    found.sort_by_key(|reference| std::cmp::Reverse(reference.orphans.rows));
    if found.is_empty() {
        return None;
    }
    let told = |reference: &&Reference| {
        let orphans = &reference.orphans;
        format!(
            "{} of {} {} nobody ({})",
            count(orphans.rows, "row"),
            reference.object.describe(),
            if orphans.rows == 1 { "names" } else { "name" },
            sample(&orphans.sample, orphans.keys)
        )
    };
    Some(Risk {
        risk: RiskName::ReferencesWithOrphans,
        breaks: "they are taken along, nobody can tell them from what the move itself breaks, and a foreign key does not come in over them; where ids are given anew, somebody may get the id that they name, and the rows with it".into(),
        evidence: found.iter().map(told).collect(),
        to_do: "decide about them here, where they can still be understood: `auth-consistency plan` says what can be done, and a rule with `accept` keeps those that are meant to be so".into(),
        docs: RiskName::ReferencesWithOrphans.docs(),
    })
}
