//! Conditions of the spec on columns.

use crate::{
    api::shared::ColumnCondition,
    engine::postgres::{catalog::Column, sql::Sql},
};

/// A condition of the spec with the column that it names.
pub type Condition = (Column, ColumnCondition);

/// Adds `alias.column = value` in the column's own equality, NULL where the column is.
pub fn equals(sql: &mut Sql, alias: &'static str, column: &Column, value: &str) {
    match &column.equality {
        Some(operator) if !column.opaque => {
            let value = |sql: &mut Sql| {
                sql.typed(value, &column.type_name);
            };
            sql.compared(operator, |sql| operand(sql, alias, column), value);
        }
        // No btree equality (json and the like): the value's own text is what can be compared.
        _ => {
            text(sql, alias, column);
            sql.add(" OPERATOR(pg_catalog.=) ").text(value);
        }
    }
}

/// Adds `alias.column`, in a form that no index serves where those of the column cannot be believed.
fn operand(sql: &mut Sql, alias: &'static str, column: &Column) {
    if column.by_scan {
        sql.add("CASE WHEN ").add(alias).add(".tableoid OPERATOR(pg_catalog.<>) '0' THEN ");
        sql.column(alias, &column.name).add(" END");
    } else {
        sql.column(alias, &column.name);
    }
}

/// Adds the condition `alias.column` equals or is NULL, false where it cannot be told.
pub fn holds(sql: &mut Sql, alias: &'static str, column: &Column, condition: &ColumnCondition) {
    match (&condition.equals, condition.is_null) {
        (Some(value), _) => {
            sql.add("coalesce(");
            equals(sql, alias, column, value);
            sql.add(", false)");
        }
        (None, Some(false)) => {
            sql.column(alias, &column.name).add(" IS NOT NULL");
        }
        (None, _) => {
            sql.column(alias, &column.name).add(" IS NULL");
        }
    }
}

/// Adds the text of `alias.column`, by its own output alone where its type is somebody's.
pub(in crate::engine::postgres) fn text(sql: &mut Sql, alias: &'static str, column: &Column) {
    if column.opaque {
        sql.add("CASE WHEN ").column(alias, &column.name).add(" IS NOT NULL THEN pg_catalog.concat(");
        sql.column(alias, &column.name).add(") END");
    } else {
        sql.column(alias, &column.name).add("::pg_catalog.text");
    }
}
