//! What keeps the rows of one reference from being repaired, and what a person does about it.

use std::collections::BTreeMap;

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
            rights::LackingRight,
        },
        hints::{Grant, Hints, On},
        text::{count, statement},
    },
};

/// A constraint that refuses some of the rows as they would be, and what can be done instead.
pub(in crate::domain) fn in_the_way(
    hints: &dyn Hints,
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
        _ => format!(", {}", dropping(hints, object, name)),
    };
    let reason = match (action, kind) {
        (Action::SetNull, _) => Reason::SetNullRefused,
        (_, Barrier::Check) => Reason::RepairUnsupported,
        _ => Reason::UniqueKeyInTheWay,
    };
    Some((reason, format!("{what}; {other}{drop}")))
}

/// That a constraint can be dropped, with the statement.
pub(crate) fn dropping(hints: &dyn Hints, object: &ObjectRef, name: &str) -> String {
    format!("or drop that constraint first ({})", hints.drop_constraint(object, name))
}

/// What has to be done before a column takes what it refuses.
pub(in crate::domain) fn refit(hints: &dyn Hints, reference: &Reference, unfit: &UnfitColumn) -> String {
    match &unfit.check {
        Some(check) => format!(
            "widen that CHECK first, or drop it ({})",
            statement(hints.drop_constraint(&reference.object, check))
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
pub(in crate::domain) fn lacks(
    hints: &dyn Hints,
    role: &str,
    rights: &[LackingRight],
) -> Option<(Reason, String)> {
    let words = |one: &LackingRight| format!("{} on {}", one.right, hints.name(&one.table));
    let rights: BTreeMap<String, &LackingRight> = rights.iter().map(|one| (words(one), one)).collect();
    (!rights.is_empty()).then(|| {
        let grants = rights
            .values()
            .map(|one| Grant { rights: std::slice::from_ref(&one.right), on: On::Table(&one.table) });
        (
            Reason::PrivilegeMissing,
            format!(
                "rows of other tables depend on them, and the role lacks {}; {}",
                rights.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                rights::granted(hints, role, grants)
            ),
        )
    })
}
