//! Foreign keys that are not there, or do not vouch for their rows: what is told of them, and the steps
//! that add and validate them. Neither is done while a row names nobody.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::OnConstraint,
    },
    domain::{
        facts::{
            Observation,
            references::{ConstraintFacts, Reference, same_columns},
        },
        finding::{Finding, person},
        hints::Hints,
        step::Step,
        target::Target,
        text::{count, number, statement},
    },
};

use super::foreign;

fn warning(reason: Reason, object: &ObjectRef, message: String) -> Finding {
    let condition = ConditionType::SchemaCompatible;
    person(reason, condition, Severity::Warning, Some(object.clone()), message)
}

/// Foreign keys that a rule asks for and that are not there. `mended` are the references whose orphans
/// a step of the plan mends.
pub(in crate::domain) fn missing(
    target: &Target,
    observation: &Observation,
    mended: &[ObjectRef],
) -> Vec<Finding> {
    observation.missing_constraints.iter().map(|object| absent(target, observation, mended, object)).collect()
}

fn absent(target: &Target, observation: &Observation, mended: &[ObjectRef], object: &ObjectRef) -> Finding {
    let name = object.constraint.as_deref().unwrap_or_default();
    let ruled = target.references.rules.iter().any(|rule| {
        (&rule.schema, &rule.rule.table, &rule.rule.constraint)
            == (&object.schema, &object.table, &object.constraint)
    });
    let message = format!(
        "the foreign key {name} of {} is not there, and {}",
        object.describe(),
        if ruled { "a rule says that it must be" } else { "was when the snapshot was taken" }
    );
    let told = |why: &str| warning(Reason::ConstraintMissing, object, format!("{message}{why}"));
    let elsewhere = observation.elsewhere.iter().find(|key| same_columns(&key.object, object));
    if target.references.policy(object).constraint != OnConstraint::Restore {
        if let Some(key) = elsewhere {
            return told(&format!(
                "; its column has the foreign key {} to {}: put this one in its place, or leave constraint out of the rule",
                key.object.constraint.as_deref().unwrap_or_default(),
                target.hints.name(&key.to)
            ));
        }
        return told(
            ": add it with NOT VALID, then validate it, or set spec.references.constraint to Restore",
        );
    }
    let step =
        |facts: &ConstraintFacts| Step::AddConstraint { reference: object.clone(), options: facts.options };
    with_step(observation, mended, object, "added", told, step)
}

/// Whether the foreign key of a reference vouches for its rows, and for those that come.
pub(in crate::domain) fn vouching(
    target: &Target,
    observation: &Observation,
    reference: &Reference,
    mended: &[ObjectRef],
) -> Vec<Finding> {
    if reference.soft {
        return Vec::new();
    }
    if reference.enforcement.not_enforced {
        // No row is checked, so that neither NOT VALID nor a violation says more.
        return vec![not_enforced(target.hints, reference)];
    }
    let mut found = Vec::new();
    found.extend(disabled(target.hints, reference));
    if reference.validated {
        found.extend(violated(reference));
    } else {
        found.push(unvalidated(target, observation, reference, mended));
    }
    found
}

fn not_enforced(hints: &dyn Hints, reference: &Reference) -> Finding {
    let object = &reference.object;
    let name = object.constraint.as_deref().unwrap_or_default();
    let orphans = match reference.orphans.rows {
        0 => "none does now".to_owned(),
        rows => format!("{} now: mend those first", count(rows, "row")),
    };
    warning(
        Reason::ConstraintNotEnforced,
        object,
        format!(
            "the foreign key {name} is NOT ENFORCED, so no row is checked, neither old ones nor new ones: in a quiet hour, since nothing can be written to either table while it looks at all rows, run {}; it fails while a row names nobody ({orphans})",
            statement(hints.enforce(object))
        ),
    )
}

/// Triggers that are off. That the key is marked valid says nothing then.
fn disabled(hints: &dyn Hints, reference: &Reference) -> Option<Finding> {
    let enforcement = &reference.enforcement;
    if enforcement.silent.is_empty() {
        return None;
    }
    let object = &reference.object;
    let (statements, left) = enforcement.statements(hints);
    let more = match left {
        0 => String::new(),
        _ => format!(
            " and so on for {} (the page has one statement for all)",
            count(i64::try_from(left).unwrap_or(i64::MAX), "other table")
        ),
    };
    Some(warning(
        Reason::ConstraintDisabled,
        object,
        format!(
            "triggers of the foreign key {} {} on {}, so {}: as a superuser run {statements}{more} Old rows are not looked at by that{}",
            object.constraint.as_deref().unwrap_or_default(),
            if enforcement.replica_only() { "fire for replication alone" } else { "are off" },
            enforcement.places(),
            enforcement.consequences().join(", and "),
            match reference.orphans.rows {
                0 => ", and none names nobody now".to_owned(),
                1 => ": mend the one that names nobody next".to_owned(),
                rows => format!(": mend the {} that name nobody next", number(rows)),
            }
        ),
    ))
}

/// A key that is marked valid and does not hold. Once its rows are mended it is as valid as it says, where it
/// keeps new orphans out.
fn violated(reference: &Reference) -> Option<Finding> {
    let rows = reference.orphans.rows;
    if rows == 0 {
        return None;
    }
    let object = &reference.object;
    Some(warning(
        Reason::ConstraintViolated,
        object,
        format!(
            "the foreign key {} is marked valid and {} {} it, as after a restore with triggers off; validating it again would look at nothing, and a dump of this database does not restore with it: {}",
            object.constraint.as_deref().unwrap_or_default(),
            count(rows, "row"),
            if rows == 1 { "violates" } else { "violate" },
            if reference.enforcement.holds() {
                "it holds again when no orphans are left"
            } else {
                "it holds again when its triggers are on and then no orphans are left"
            }
        ),
    ))
}

fn unvalidated(
    target: &Target,
    observation: &Observation,
    reference: &Reference,
    mended: &[ObjectRef],
) -> Finding {
    let object = &reference.object;
    let name = object.constraint.as_deref().unwrap_or_default();
    let told = |why: &str| {
        let checked = if reference.enforcement.holds() { "so only new rows are checked and" } else { "so" };
        let message = format!("the foreign key {name} is NOT VALID, {checked} old ones may violate it{why}");
        warning(Reason::ConstraintUnvalidated, object, message)
    };
    if target.references.policy(object).constraint == OnConstraint::Report {
        return told(&format!(
            ": when no orphans are left, run {}, or set spec.references.constraint to Validate",
            statement(target.hints.validate(object))
        ));
    }
    // Marked valid while new orphans come in, it would say what is not so.
    if !reference.enforcement.holds() {
        return told("; it is validated when its triggers are on").blocked_by(Reason::ConstraintDisabled);
    }
    let step = |_: &ConstraintFacts| Step::ValidateConstraint { reference: object.clone() };
    with_step(observation, mended, object, "validated", told, step)
}

/// Foreign keys that partitions have for themselves and that do not vouch for their rows: those are the
/// whole table's, and so is what is done about them.
pub(in crate::domain) fn of_partitions(target: &Target, reference: &Reference) -> Vec<Finding> {
    let unvalidated = reference.partition_keys.iter().filter(|key| !key.validated);
    unvalidated
        .map(|key| {
            let (object, name) = (&key.object, key.object.constraint.as_deref().unwrap_or_default());
            warning(
                Reason::ConstraintUnvalidated,
                object,
                format!(
                    "the foreign key {name}, which the partition {} has for itself, is NOT VALID, so only new rows are checked and old ones may violate it: when no orphans of {} are left, run {}",
                    object.table,
                    reference.object.describe(),
                    statement(target.hints.validate(object))
                ),
            )
        })
        .collect()
}

/// The finding with its step, or with what keeps it from being done.
fn with_step(
    observation: &Observation,
    mended: &[ObjectRef],
    object: &ObjectRef,
    done: &str,
    told: impl Fn(&str) -> Finding,
    step: impl Fn(&ConstraintFacts) -> Step,
) -> Finding {
    let Some(facts) = observation.constraints.iter().find(|facts| facts.object == *object) else {
        return told("");
    };
    if let Some((reason, why)) = &facts.refused {
        return told(&format!("; it is not {done}: {why}")).blocked_by(*reason);
    }
    if let Some(why) = foreign::unnamed(&observation.foreign, &[object], None) {
        return told(&format!("; it is not {done}: {why}")).blocked_by(Reason::ForeignOwner);
    }
    let left = orphans(observation, object);
    if left > 0 && !mended.iter().any(|one| same_columns(one, object)) {
        return told(&format!("; it is {done} when no orphans are left ({} now)", count(left, "row")));
    }
    told("").with_step(step(facts))
}

pub(in crate::domain) fn orphans(observation: &Observation, object: &ObjectRef) -> i64 {
    let reference = observation.references.iter().find(|one| same_columns(&one.object, object));
    reference.map_or(0, |reference| reference.orphans.rows)
}
