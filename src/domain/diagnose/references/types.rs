//! Columns that name users by another type than their ids have.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::Severity,
    },
    domain::{
        facts::{
            references::{Comparison, Reference},
            schema::UserTable,
        },
        finding::{Finding, person},
        hints::{Column, Hints},
        text::{count, sample, statement},
    },
};

/// The types of a reference and of what it names differ; the statement that it prints is one that runs, or the
/// message says what goes first.
pub(super) fn differ(hints: &dyn Hints, reference: &Reference, users: &UserTable) -> Option<Finding> {
    let (child, parent) = reference.types.as_ref()?;
    let column = Column { table: &reference.object, name: reference.object.columns.first()? };
    let rows = reference.orphans.rows;
    let checked = !reference.soft && reference.validated && !reference.enforcement.not_enforced;
    // A number of more bytes holds the other ids as well; another type may not.
    let wider = |name: &str| matches!(name, "smallint" | "integer" | "bigint");
    if reference.partial && !(wider(child) && wider(parent)) {
        return Some(finding(
            reference,
            format!(
                "{}: leave its type as it is, since rows outside of the rule's `where` may hold ids that are no {parent}",
                told(reference, users, child, parent)
            ),
        ));
    }
    let first = match (reference.comparison, &reference.unconvertible) {
        (Comparison::AsText, Some(some)) if some.rows > 0 => format!(
            "first clear the {} whose value is no {parent} ({}): `{}`; then,",
            count(some.rows, "row"),
            sample(&some.sample, some.keys),
            statement(some.clear.clone())
        ),
        (Comparison::AsText, Some(_)) => String::new(),
        (Comparison::Native, _) if rows > 0 && checked => format!(
            "first mend the {}, since the foreign key {} is checked anew by what follows; then,",
            naming_nobody(rows),
            reference.object.constraint.as_deref().unwrap_or_default()
        ),
        (Comparison::AsText, None) if rows > 0 => format!(
            "first mend the {} (Delete and SetNull do), since what is no {parent} stops what follows, or becomes another one in it; then,",
            naming_nobody(rows)
        ),
        _ => String::new(),
    };
    let first = if first.is_empty() { first } else { format!("{first} ") };
    // A default is converted only where the types are cast by themselves.
    let without_default = reference.comparison == Comparison::AsText && reference.defaulted;
    let after = match (reference.comparison, without_default) {
        (Comparison::Native, _) => String::new(),
        (Comparison::AsText, false) => format!(" (a value that is no {parent} stops it)"),
        (Comparison::AsText, true) => format!(
            " (a value that is no {parent} stops it; give the column a default of the new type afterwards where it needs one)"
        ),
    };
    let as_text = reference.comparison == Comparison::AsText;
    let alter = statement(hints.convert_column(column, parent, as_text, without_default));
    Some(finding(
        reference,
        format!(
            "{}: {first}in a quiet hour, since the table is rewritten and locked, run {alter}{after}",
            told(reference, users, child, parent)
        ),
    ))
}

/// Which types differ, and what follows from it.
fn told(reference: &Reference, users: &UserTable, child: &str, parent: &str) -> String {
    format!(
        "{} is {child} and {}.{} is {parent}{}",
        reference.object.describe(),
        users.object.describe(),
        reference.parent_columns.first().map_or("id", String::as_str),
        match reference.comparison {
            Comparison::Native => ", which cannot hold every id",
            Comparison::AsText => ", so they are compared as text, and no row is given to anybody",
        },
    )
}

fn finding(reference: &Reference, message: String) -> Finding {
    person(
        Reason::IdTypeDiffers,
        ConditionType::SchemaCompatible,
        Severity::Warning,
        Some(reference.object.clone()),
        message,
    )
}

fn naming_nobody(rows: i64) -> String {
    format!("{} that {} nobody", count(rows, "row"), if rows == 1 { "names" } else { "name" })
}
