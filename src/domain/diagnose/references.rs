//! What is wrong with references: rows that name nobody, constraints that do not vouch, types that
//! differ, sequences that will collide, and what keeps a repair from being done.

use super::{constraints, foreign, remap, rights};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, ObjectRef, Severity},
        spec::{OnCollision, OnOrphan},
    },
    domain::{
        diagnose::{Diagnosed, Ends, Step, person, suspects},
        facts::{
            Barrier, Comparison, InTheWay, Observation, Reference, UserTable,
            new_ids::{SequenceFacts, UnfitColumn},
        },
        sql_name::{sql_name, sql_table, statement},
        target::{Policy, Target},
        text::{clip, count, number, sample},
    },
};

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

/// Whether a rule accepts these orphans: what is accepted counts as consistent.
pub fn accepted(policy: &Policy, reference: &Reference) -> bool {
    policy.accept.as_ref().is_some_and(|(rows, _)| reference.orphans.rows <= *rows)
}

fn table(reference: &Reference) -> String {
    format!("{}.{}", reference.object.schema, reference.object.table)
}

fn rows(target: &Target, observation: &Observation, reference: &Reference) -> Option<Diagnosed> {
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
    let action = match policy.on_orphan {
        OnOrphan::Report => {
            let people = remap::offer(observation, reference);
            return Some(finish(format!(
                "{message}: choose {people}Reassign, SetNull or Delete for it in spec.references.rules, or accept it there"
            )));
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

/// Why the repair that was asked for is not done: told when it is planned, not when it runs.
pub(in crate::domain) fn refusal(
    action: Action,
    observation: &Observation,
    reference: &Reference,
    policy: &Policy,
) -> Option<(Reason, String)> {
    if let Some(spelling) = suspects::spelled(observation, &reference.object) {
        return Some((
            Reason::IdSpellingDiffers,
            format!(
                "{} of them {} users in another spelling and {}",
                count(spelling.rows, "row"),
                if spelling.rows == 1 { "names" } else { "name" },
                if spelling.rows == 1 { "is no orphan" } else { "are no orphans" }
            ),
        ));
    }
    if action == Action::Reassign {
        if policy.credentials {
            return Some((
                Reason::ReassignRefused,
                "a rule says that the rows carry credentials, which would make their holders the admin; use Delete".into(),
            ));
        }
        if let Some(why) = &reference.credentials {
            return Some((
                Reason::ReassignRefused,
                format!(
                    "the rows carry credentials ({why}), which would make their holders the admin; use Delete"
                ),
            ));
        }
    }
    if reference.comparison == Comparison::AsText {
        return Some((
            Reason::RepairUnsupported,
            "the types differ and are only compared as text; change the column's type first".into(),
        ));
    }
    if let Some(why) = &reference.unsupported {
        return Some((Reason::RepairUnsupported, why.clone()));
    }
    let users = observation.users.as_ref().ok();
    if action == Action::Delete
        && users.is_some_and(|users| {
            users.object.schema == reference.object.schema && users.object.table == reference.object.table
        })
    {
        return Some((
            Reason::RepairUnsupported,
            "the rows are accounts, which are never deleted for what they name; use SetNull or Reassign"
                .into(),
        ));
    }
    if action != Action::Delete && !reference.keyed {
        return Some((
            Reason::RepairUnsupported,
            "the table has no primary key, so a changed row could not be found again and put back; add one, or use Delete".into(),
        ));
    }
    if let Some(unfit) = reference.unfit.as_ref().filter(|_| action == Action::Reassign) {
        return Some((
            Reason::RepairUnsupported,
            format!(
                "{}, by which the admin is named: use SetNull or Delete, or {}",
                unfit.why,
                refit(reference, unfit)
            ),
        ));
    }
    if action == Action::Reassign && !reference.shared.is_empty() {
        return Some((
            Reason::RepairUnsupported,
            format!(
                "column {} belongs to another foreign key too, so the rows would change more than their user; use SetNull or Delete",
                reference.shared.join(", ")
            ),
        ));
    }
    let along = reference.takes.iter().filter(|_| action == Action::Delete).map(|taken| &taken.object);
    let touched: Vec<&ObjectRef> = std::iter::once(&reference.object).chain(along).collect();
    if let Some(why) = foreign::unnamed(&observation.foreign, &touched, Some(policy.on_orphan)) {
        return Some((Reason::ForeignOwner, why));
    }
    let rights = &reference.rights;
    if !rights.update || (action == Action::Delete && !rights.delete) {
        let (may_not, right) = if rights.update { ("DELETE from", "DELETE") } else { ("UPDATE", "UPDATE") };
        return Some((
            Reason::PrivilegeMissing,
            format!(
                "the role may not {may_not} {}; {}",
                table(reference),
                rights::grant(rights, right, &reference.object)
            ),
        ));
    }
    // The admin's row is locked while rows are given to it, which takes the right to UPDATE it.
    let users = observation.users.as_ref().ok();
    if let Some(users) = users.filter(|users| action == Action::Reassign && !users.rights.update) {
        return Some((
            Reason::PrivilegeMissing,
            format!(
                "the role may not UPDATE the user table, without which the admin's account cannot be held; {}",
                rights::grant(&users.rights, "UPDATE", &users.object)
            ),
        ));
    }
    let lacking = &reference.lacking;
    if let Some(why) =
        lacks(&rights.role, if action == Action::Delete { &lacking.delete } else { &lacking.change })
    {
        return Some(why);
    }
    if action != Action::Delete && !reference.cascades.is_empty() {
        return Some((
            Reason::RepairUnsupported,
            format!(
                "the change would go on to rows of other tables by ON UPDATE ({}), which are not copied; take those away first",
                reference.cascades.join(", ")
            ),
        ));
    }
    match action {
        Action::SetNull if reference.not_null => Some((
            Reason::SetNullRefused,
            "the column may not be NULL; use Reassign or Delete, or allow NULL".into(),
        )),
        Action::SetNull => in_the_way(Action::SetNull, &reference.object, reference.in_the_way.as_ref()),
        Action::Delete if !reference.dependents.is_empty() => Some((
            Reason::RepairUnsupported,
            format!(
                "rows of other tables depend on them ({}); clear those first",
                reference.dependents.join(", ")
            ),
        )),
        Action::Reassign => {
            let collision = Collision {
                keys: &reference.collisions,
                surplus: reference.surplus,
                otherwise: "or use Delete, or merge them by hand",
            };
            let collision = collision.refused(observation, reference, policy);
            let way = || in_the_way(Action::Reassign, &reference.object, reference.in_the_way.as_ref());
            if let Some(why) = collision.or_else(way) {
                return Some(why);
            }
            // An ambiguous admin is nobody's heir.
            observation.admin.as_ref().filter(|admin| admin.exact > 1 || admin.look_alikes > 0).map(|_| {
                (Reason::AdminAmbiguous, "there is not exactly one admin to give the rows to".to_owned())
            })
        }
        _ => None,
    }
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

/// Rows that collide in unique keys of whom they are given to.
pub(in crate::domain) struct Collision<'a> {
    /// The keys, and rows concerned.
    pub keys: &'a [(String, i64)],
    /// How many rows would have to be removed, where that can be told.
    pub surplus: Option<i64>,
    /// What else can be done.
    pub otherwise: &'a str,
}

impl Collision<'_> {
    /// Why they keep the other rows from being given, if they do.
    pub(in crate::domain) fn refused(
        &self,
        observation: &Observation,
        reference: &Reference,
        policy: &Policy,
    ) -> Option<(Reason, String)> {
        let (index, rows) = self.keys.first()?;
        let otherwise = self.otherwise;
        let refused = |reason, why: &str| {
            Some((
                reason,
                format!("{} would collide in the unique key {index}{why}; {otherwise}", count(*rows, "row")),
            ))
        };
        if policy.on_collision == OnCollision::Report {
            return refused(
                Reason::UniqueKeyInTheWay,
                "; use onCollision: DeleteOrphan, which keeps one of them and the others in quarantine",
            );
        }
        if self.surplus.is_none() {
            return refused(
                Reason::UniqueKeyInTheWay,
                ", which has an expression or a condition, so nobody can tell beforehand which of them give way",
            );
        }
        if !reference.takes.is_empty() {
            return refused(
                Reason::UniqueKeyInTheWay,
                ", and rows of other tables would go along with those that give way",
            );
        }
        // What is removed is subject to all that a Delete is.
        let (reason, why) = refusal(Action::Delete, observation, reference, policy)?;
        refused(reason, &format!(", and those that give way cannot be deleted: {why}"))
    }
}

/// The highest id that a live user has or that rows still name; 0 when there is none. Whoever has the last
/// id that there can be, and what names it, is left out: a mark of the app.
///
/// Keys of references that do not name the id column say nothing about ids.
pub fn highest_id(users: &UserTable, observation: &Observation) -> i64 {
    let unchecked = observation
        .unchecked
        .iter()
        .filter_map(|one| one.ends.as_ref().ok().copied().flatten().map(|ends| ends.1));
    named(observation).chain(unchecked).chain(users.highest_id).max().unwrap_or(0).max(0)
}

/// The lowest of them, where ids are counted downwards; 0 when there is none below it.
pub fn lowest_id(sequence: &SequenceFacts, observation: &Observation) -> i64 {
    let unchecked = observation
        .unchecked
        .iter()
        .filter_map(|one| one.ends.as_ref().ok().copied().flatten().map(|ends| ends.0));
    named_below(observation).chain(unchecked).chain(sequence.used).min().unwrap_or(0).min(0)
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
