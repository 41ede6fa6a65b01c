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
        facts::{
            Observation,
            new_ids::UnfitColumn,
            references::{Barrier, InTheWay, Reference},
            schema::UserTable,
        },
        finding::{Diagnosed, Ends, person},
        sql_name::{sql_name, sql_table, statement},
        step::Step,
        target::{Target, policy::accepted},
        text::{clip, count, number, sample},
    },
};

use super::{constraints, not_unique, remap, rights};

mod types;

pub use crate::domain::diagnose::next_id::{NOBODY_KNOWS, untold};
pub use crate::domain::diagnose::sequence::{is_spent, sequence};

/// What is wrong with the references of an observation.
pub(in crate::domain) fn references(
    target: &Target,
    observation: &Observation,
    users: &UserTable,
) -> Vec<Diagnosed> {
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
        if skipped.passes {
            unread.ends = Ends::Retry;
        }
        found.push(unread);
    }
    let mut rows: Vec<Option<Diagnosed>> =
        observation.references.iter().map(|reference| rows(target, observation, reference)).collect();
    let mended: Vec<ObjectRef> =
        rows.iter().flatten().filter_map(|one| one.step.as_ref().map(|step| step.object().clone())).collect();
    found.extend(constraints::missing(target, observation, &mended));
    for (reference, rows) in observation.references.iter().zip(&mut rows) {
        found.extend(constraints::vouching(target, observation, reference, &mended));
        for twin in reference.of_twins() {
            found.extend(constraints::vouching(target, observation, &twin, &mended));
        }
        found.extend(constraints::of_partitions(reference));
        found.extend(types::differ(reference, users));
        found.extend(rows.take());
    }
    found
}

pub(in crate::domain) fn rows(
    target: &Target,
    observation: &Observation,
    reference: &Reference,
) -> Option<Diagnosed> {
    let orphans = &reference.orphans;
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
                None => {
                    let why = refusal(Action::Delete, observation, reference, &policy);
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
            let remedy = remap::remedy(observation, reference, &policy);
            let found = finish(format!("{message}{}", remedy.words));
            return Some(remap::with_remedy(found, remedy));
        }
    };
    if let Some((reason, why)) = refusal(action, observation, reference, &policy) {
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

/// A constraint that refuses some of the rows as they would be, and what can be done instead.
pub(in crate::domain) fn in_the_way(
    action: Action,
    object: &ObjectRef,
    found: Option<&InTheWay>,
) -> Option<(Reason, String)> {
    let InTheWay { name, kind, rows } = found?;
    let of = count(*rows, "row");
    let (given, whose) = match action {
        Action::SetNull => ("NULL", ""),
        Action::Reassign => ("the admin's id", "the admin"),
        _ => ("today's ids", "the same people"),
    };
    let what = match kind {
        Barrier::Check => format!("the CHECK {name:?} refuses {given} in {of}"),
        Barrier::NullsNotDistinct => {
            format!("{of} would be equal in the unique key {name:?}, for which NULL equals NULL")
        }
        Barrier::Exclusion => {
            format!("the EXCLUDE constraint {name:?} refuses {of} beside others of {whose}")
        }
    };
    let other = match (action, kind) {
        (Action::SetNull, _) => "use Reassign or Delete",
        (Action::Reassign, Barrier::Check) => "use SetNull or Delete",
        (Action::Reassign, _) => "use Delete, or merge them by hand",
        _ => "correct these rows by hand",
    };
    // What stands in a unique index alone is dropped as such.
    let drop = match kind {
        Barrier::NullsNotDistinct => String::new(),
        _ => format!(", {}", dropping(object, name)),
    };
    let reason = match (action, kind) {
        (Action::SetNull, _) => Reason::SetNullRefused,
        (_, Barrier::Check) => Reason::RepairUnsupported,
        _ => Reason::UniqueKeyInTheWay,
    };
    Some((reason, format!("{what}; {other}{drop}")))
}

/// That a constraint can be dropped, with the statement.
pub(crate) fn dropping(object: &ObjectRef, name: &str) -> String {
    format!(
        "or drop that constraint first (ALTER TABLE {} DROP CONSTRAINT {})",
        sql_table(&object.schema, &object.table),
        sql_name(name)
    )
}

/// What has to be done before a column takes what it refuses.
pub(in crate::domain) fn refit(reference: &Reference, unfit: &UnfitColumn) -> String {
    match &unfit.check {
        Some(check) => format!(
            "widen that CHECK first, or drop it ({})",
            statement(format!(
                "ALTER TABLE {} DROP CONSTRAINT {}",
                sql_table(&reference.object.schema, &reference.object.table),
                sql_name(check)
            ))
        ),
        None => format!("give the column the type of the ids first ({})", retype(reference)),
    }
}

/// What has to be done before a column gets another type: the database proves a foreign key anew then, and
/// finds the orphans.
fn retype(reference: &Reference) -> &'static str {
    if reference.soft {
        "in a quiet hour, since the table is rewritten and locked"
    } else {
        "drop its foreign key before, and add it again with NOT VALID"
    }
}

/// Rights that the role lacks on tables whose rows depend on orphans.
pub(in crate::domain) fn lacks(role: &str, rights: &[String]) -> Option<(Reason, String)> {
    let rights = rights.iter().collect::<std::collections::BTreeSet<_>>();
    let rights: Vec<&str> = rights.into_iter().map(String::as_str).collect();
    (!rights.is_empty()).then(|| {
        (
            Reason::PrivilegeMissing,
            format!(
                "rows of other tables depend on them, and the role lacks {}; {}",
                rights.join(", "),
                rights::granted(role, rights.iter().filter_map(|right| right.split_once(" on ")))
            ),
        )
    })
}

/// The lowest id that the orphans of each reference name.
pub(in crate::domain) fn named_below(observation: &Observation) -> impl Iterator<Item = i64> {
    let naming = observation.references.iter().filter(|reference| reference.names_id);
    naming.filter_map(|reference| reference.orphans.lowest)
}

/// The highest id that the orphans of each reference name.
pub(in crate::domain) fn named(observation: &Observation) -> impl Iterator<Item = i64> {
    observation
        .references
        .iter()
        .filter(|reference| reference.names_id)
        .filter_map(|reference| reference.orphans.highest)
}
