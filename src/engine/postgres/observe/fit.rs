//! Whether a reference's column can hold what a repair would write there: looked at before anything is planned.
//!
//! The database is asked with its own types, domains and lengths: what is cut on the way in, as by a
//! `varchar(5)`, is another value afterwards and names nobody.

use sqlx::{Connection, PgConnection, Row};

use crate::{
    domain::facts::UnfitColumn,
    engine::postgres::{
        catalog::{
            Column, Table, bounds,
            condition::equals,
            reference::{ReferenceTable, spelling},
        },
        session::transaction::by_the_catalog,
        sql::Sql,
    },
};

/// The values of a user that a reference names; `None` where the user has none of one of them.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn values(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    (id, column): (&str, &Column),
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    for (at, parent) in reference.parent_columns.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("p", &parent.name).add("::pg_catalog.text");
    }
    sql.add(" FROM ").only(&reference.parent.relation).add(" p WHERE ");
    equals(&mut sql, "p", column, id);
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    (0..reference.parent_columns.len()).map(|at| row.try_get::<Option<String>, _>(at)).collect()
}

/// Why a reference's columns cannot hold these values, one for each column; `None` where they can.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn unfit(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    values: &[String],
) -> Result<Option<UnfitColumn>, sqlx::Error> {
    for (at, value) in values.iter().enumerate() {
        if !takes(connection, reference, at, std::slice::from_ref(value)).await? {
            return Ok(reference.columns.get(at).map(|column| {
                let (name, own) = (column.name.as_str(), column.declared_type.as_str());
                UnfitColumn { why: format!("column {name:?} is {own} and cannot hold {value}"), check: None }
            }));
        }
        let Some(column) = reference.columns.get(at) else { continue };
        if let Some(check) = refused(connection, &reference.child, column, value).await? {
            let why = format!("the CHECK {check:?} of column {:?} refuses {value}", column.name.as_str());
            return Ok(Some(UnfitColumn { why, check: Some(check) }));
        }
    }
    Ok(None)
}

/// The CHECK of a column that refuses a value, as far as that is known without running anybody's code.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn refused(
    connection: &mut PgConnection,
    table: &Table,
    column: &Column,
    value: &str,
) -> Result<Option<String>, sqlx::Error> {
    refused_one(connection, table, column, std::slice::from_ref(&value.to_owned())).await
}

/// The CHECK of a column that refuses one of some values.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn refused_one(
    connection: &mut PgConnection,
    table: &Table,
    column: &Column,
    values: &[String],
) -> Result<Option<String>, sqlx::Error> {
    // Conditions are written for that path, and it is asked while rows are written, too.
    by_the_catalog(connection, async |connection: &mut PgConnection| {
        refused_by(connection, table, column, values).await
    })
    .await
}

async fn refused_by(
    connection: &mut PgConnection,
    table: &Table,
    column: &Column,
    values: &[String],
) -> Result<Option<String>, sqlx::Error> {
    for check in bounds::checks(connection, table.oid, &column.name).await? {
        let Some(condition) = &check.condition else { continue };
        let mut sql = Sql::new("SELECT coalesce(pg_catalog.bool_and(");
        bounds::holds(&mut sql, column, condition);
        sql.add("), true) FROM pg_catalog.unnest(");
        sql.texts(values.iter().cloned().map(Some).collect()).add(") v(value)");
        if !taken(connection, sql).await? {
            return Ok(Some(check.name));
        }
    }
    Ok(None)
}

/// Whether a column of a reference can hold each of some values of the column that it names, and names the
/// same users by them.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn takes(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    at: usize,
    values: &[String],
) -> Result<bool, sqlx::Error> {
    let (Some(column), Some(parent)) = (reference.columns.get(at), reference.parent_columns.get(at)) else {
        return Ok(true);
    };
    let operator = reference.operators.as_ref().and_then(|operators| operators.get(at));
    let mut sql = Sql::new("SELECT coalesce(pg_catalog.bool_and(");
    // As rows are compared with users, whichever way that is.
    let id = |sql: &mut Sql| {
        sql.add("CAST(v.value AS ").type_name(&parent.type_name).add(")");
    };
    let value = |sql: &mut Sql| {
        sql.add("CAST(v.value AS ").type_name(&column.declared_type).add(")");
    };
    match operator {
        Some(operator) => {
            sql.compared(operator, id, value);
        }
        None => {
            let (before, after) = spelling(parent, column);
            sql.add(before);
            id(&mut sql);
            sql.add(after).add(" OPERATOR(pg_catalog.=) ");
            let (before, after) = spelling(column, parent);
            sql.add(before);
            value(&mut sql);
            sql.add(after);
        }
    }
    sql.add("), true) FROM pg_catalog.unnest(");
    sql.texts(values.iter().cloned().map(Some).collect()).add(") v(value)");
    taken(connection, sql).await
}

/// Whether a column gives a text back as it was written.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn keeps(
    connection: &mut PgConnection,
    column: &Column,
    text: &str,
) -> Result<bool, sqlx::Error> {
    // As a client gets it: a cast to text would take off the blanks that character(n) adds.
    let (before, after) = match column.base_name.as_str() {
        "bytea" => ("pg_catalog.encode(", ", 'escape')"),
        _ => ("pg_catalog.concat(", ")"),
    };
    let mut sql = Sql::new("SELECT coalesce(");
    sql.add(before).typed(text, &column.declared_type).add(after).add(" OPERATOR(pg_catalog.=) ");
    sql.text(text).add(", false)");
    taken(connection, sql).await
}

/// What a statement answers that makes values of a type.
async fn taken(connection: &mut PgConnection, sql: Sql) -> Result<bool, sqlx::Error> {
    let mut inner = connection.begin().await?;
    match sql.scalar::<bool>(&mut inner).await {
        Ok(taken) => {
            inner.commit().await?;
            Ok(taken)
        }
        // What the type refuses is an error of class 22 or, of a domain's condition, of class 23.
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) =>
        {
            inner.rollback().await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
