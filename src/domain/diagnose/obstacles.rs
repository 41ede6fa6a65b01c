//! What keeps the rows of one reference from being repaired, and what a person does about it.

use super::rights;
use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
    },
    domain::{
        facts::{
            new_ids::UnfitColumn,
            references::{Barrier, InTheWay, Reference},
        },
        sql_name::{sql_name, sql_table, statement},
        text::count,
    },
};

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
