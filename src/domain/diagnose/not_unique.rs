//! Ids that stand in more than one row of the user table: whose a row or a token is that names one, nobody can
//! tell. It is said before anything is planned, and nothing is repaired that goes by the id alone.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, ObjectRef, Severity},
    },
    domain::{
        facts::{
            Observation,
            references::Reference,
            schema::{SharedIds, UserTable},
        },
        finding::{Finding, person},
        hints::Column,
        step::Step,
        target::Target,
        text::{clip, count, number, sample, statement},
    },
};

/// How many ids of a table are not one account's, as a clause.
pub fn counted(users: &ObjectRef, shared: &SharedIds) -> String {
    let shown: Vec<String> = shared.sample.iter().map(|id| clip(id, 40)).collect();
    format!(
        "{} of {} {} in more than one row ({} in all; {})",
        count(shared.ids, "id"),
        users.describe(),
        if shared.ids == 1 { "stands" } else { "stand" },
        count(shared.rows, "row"),
        sample(&shown, shared.ids),
    )
}

/// Says that ids are not unique, and takes away the steps that go by the id alone.
pub(super) fn hold(found: &mut Vec<Finding>, target: &Target, observation: &Observation, users: &UserTable) {
    let Some(shared) = &users.shared_ids else { return };
    let whole = |step: &Step| match step {
        Step::Rows { action, reference, .. } => {
            *action != Action::Reassign
                && observation.references.iter().any(|one| one.object == *reference && !by_id(target, one))
        }
        Step::AddConstraint { .. } | Step::ValidateConstraint { .. } | Step::AdvanceSequence { .. } => true,
        _ => false,
    };
    for one in found.iter_mut().filter(|one| one.step.as_ref().is_some_and(|step| !whole(step))) {
        one.step = None;
        one.approval = None;
        one.finding.remedy = None;
        let message = format!("{}; nothing is repaired here before ids are unique", one.finding.message);
        one.finding.message = clip(&message, 1024);
        one.finding.blocked.get_or_insert(Reason::IdNotUnique);
    }
    found.push(finding(target, users, shared));
    let open = observation.references.iter().filter(|one| by_id(target, one) && one.orphans.rows == 0);
    found.extend(open.map(|reference| unclaimed(target, users, shared, reference)));
}

/// Why no repair of a reference is offered, if it names users by an id that does not tell them apart.
pub(super) fn refused(target: &Target, observation: &Observation, reference: &Reference) -> bool {
    let users = observation.users.as_ref().ok();
    users.is_some_and(|users| users.shared_ids.is_some()) && by_id(target, reference)
}

fn by_id(target: &Target, reference: &Reference) -> bool {
    reference.parent_columns.as_slice() == [target.users.id_column.as_str()]
}

fn finding(target: &Target, users: &UserTable, shared: &SharedIds) -> Finding {
    let object = ObjectRef { columns: vec![target.users.id_column.clone()], ..users.object.clone() };
    let mut found = person(
        Reason::IdNotUnique,
        ConditionType::SchemaCompatible,
        Severity::Error,
        Some(object),
        format!(
            "{}: whose a row or a token is that names such an id, nobody can tell, so nothing is repaired by it: {}",
            counted(&users.object, shared),
            way_out(target, users, shared)
        ),
    );
    found.finding.rows = Some(shared.rows);
    found.finding.keys = Some(shared.ids);
    found.finding.sample = shared.sample.iter().map(|id| clip(id, 255)).collect();
    found
}

/// What ends it.
pub(in crate::domain) fn way_out(target: &Target, users: &UserTable, shared: &SharedIds) -> String {
    if !shared.key.is_empty() {
        return format!(
            "its unique key is ({}), so an id may repeat: set spec.users.idColumn to a column that is unique by itself and that rows and tokens name, or have foreign keys name all columns of that key, whose rows are checked; where such an id shall be one account's, `{}` lists them",
            shared.key.join(", "),
            listing(target, users, &shared.key)
        );
    }
    let key = key(target, users, shared);
    match shared.copies {
        Some(copies) if shared.rows - copies == shared.ids => format!(
            "no unique key keeps ids apart, and {} of these rows {} of another one, as data that was loaded twice leaves: stop the app, run `{}`, then {key}",
            number(copies),
            if copies == 1 { "is a copy" } else { "are copies" },
            delete(target, users, shared),
        ),
        Some(copies) if copies > 0 => format!(
            "no unique key keeps ids apart; {} of these rows {} of another one, which `{}` deletes; the others differ: `{}` lists them, decide which account keeps the id and give the others new ones; then {key}",
            number(copies),
            if copies == 1 { "is a copy" } else { "are copies" },
            delete(target, users, shared),
            listing(target, users, &[]),
        ),
        _ => format!(
            "no unique key keeps ids apart, and rows of one id differ: `{}` lists them, decide which account keeps the id and give the others new ones; then {key}",
            listing(target, users, &[]),
        ),
    }
}

/// The statement that keeps ids apart from then on.
fn key(target: &Target, users: &UserTable, shared: &SharedIds) -> String {
    if shared.partitioned {
        return "check again: a partitioned table takes no key of the id alone".to_owned();
    }
    format!("`{}`", statement(target.hints.keep_apart(id(target, users), !shared.primary_key)))
}

/// The statement that lists the rows of such ids.
fn listing(target: &Target, users: &UserTable, key: &[String]) -> String {
    let others = key.iter().filter(|name| **name != target.users.id_column);
    let columns: Vec<&str> = others.chain(&target.users.login_column).map(String::as_str).collect();
    statement(target.hints.list_shared(id(target, users), &columns))
}

/// The statement that leaves one of several rows that are wholly equal.
fn delete(target: &Target, users: &UserTable, shared: &SharedIds) -> String {
    statement(target.hints.delete_copies(id(target, users), shared.partitioned))
}

fn id<'a>(target: &'a Target, users: &'a UserTable) -> Column<'a> {
    Column { table: &users.object, name: &target.users.id_column }
}

/// What is not claimed of a reference whose every row names an id that is there.
fn unclaimed(target: &Target, users: &UserTable, shared: &SharedIds, reference: &Reference) -> Finding {
    let name = reference.object.describe();
    let wider = shared.wider.iter().find(|(object, _)| *object == reference.object);
    let end = match wider {
        Some((object, columns)) => {
            let sql = statement(target.hints.add_foreign_key(object, columns, &users.object, &shared.key));
            format!(
                "run `{sql}`, whose rows are checked, and take the rule for {name} out of spec.references.rules"
            )
        }
        None => "end IdNotUnique of the user table first".to_owned(),
    };
    person(
        Reason::IdNotUnique,
        ConditionType::ReferencesConsistent,
        Severity::Error,
        Some(reference.object.clone()),
        format!(
            "every row of {name} names an id that is there, but {:?} of {} alone does not tell accounts apart, so nothing is claimed about it: {end}",
            target.users.id_column,
            users.object.describe()
        ),
    )
}
