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
        sql_name::{sql_name, sql_table, sql_type, statement},
        text::count,
    },
};

/// The types of a reference and of what it names differ; the statement that it prints is one that runs, or the
/// message says what goes first.
pub(super) fn differ(reference: &Reference, users: &UserTable) -> Option<Finding> {
    let (child, parent) = reference.types.as_ref()?;
    let column = sql_name(reference.object.columns.first()?);
    let rows = reference.orphans.rows;
    let checked = !reference.soft && reference.validated && !reference.enforcement.not_enforced;
    let first = match reference.comparison {
        Comparison::Native if rows > 0 && checked => format!(
            "first mend the {}, since the foreign key {} is checked anew by what follows; then,",
            naming_nobody(rows),
            reference.object.constraint.as_deref().unwrap_or_default()
        ),
        Comparison::AsText if rows > 0 => format!(
            "first mend the {} (Delete and SetNull do), since what is no {parent} stops what follows, or becomes another one in it; then,",
            naming_nobody(rows)
        ),
        _ => String::new(),
    };
    let first = if first.is_empty() { first } else { format!("{first} ") };
    let table = sql_table(&reference.object.schema, &reference.object.table);
    // A default is converted only where the types are cast by themselves.
    let default = match (reference.comparison, reference.defaulted) {
        (Comparison::AsText, true) => format!("ALTER COLUMN {column} DROP DEFAULT, "),
        _ => String::new(),
    };
    let after = match (reference.comparison, default.is_empty()) {
        (Comparison::Native, _) => String::new(),
        (Comparison::AsText, true) => format!(" (a value that is no {parent} stops it)"),
        (Comparison::AsText, false) => format!(
            " (a value that is no {parent} stops it; give the column a default of the new type afterwards where it needs one)"
        ),
    };
    let to = sql_type(parent);
    let alter = statement(format!(
        "ALTER TABLE {table} {default}ALTER COLUMN {column} TYPE {to} USING {column}::{to}"
    ));
    Some(person(
        Reason::IdTypeDiffers,
        ConditionType::SchemaCompatible,
        Severity::Warning,
        Some(reference.object.clone()),
        format!(
            "{} is {child} and {}.{} is {parent}{}: {first}in a quiet hour, since the table is rewritten and locked, run {alter}{}",
            reference.object.describe(),
            users.object.describe(),
            reference.parent_columns.first().map_or("id", String::as_str),
            match reference.comparison {
                Comparison::Native => ", which cannot hold every id",
                Comparison::AsText => ", so they are compared as text, and no row is given to anybody",
            },
            after
        ),
    ))
}

fn naming_nobody(rows: i64) -> String {
    format!("{} that {} nobody", count(rows, "row"), if rows == 1 { "names" } else { "name" })
}
