//! Whether a reference's column can hold what a repair would write there: looked at before anything is planned.
//!
//! The database is asked with its own types, domains and lengths: what is cut on the way in, as by a
//! `varchar(5)`, is another value afterwards and names nobody.

use sqlx::{Connection, PgConnection, Row};

use super::{
    catalog::Column,
    identifier::Sql,
    references::{ReferenceTable, equals, spelling},
};

/// The values of a user that a reference names; `None` where the user has none of one of them.
///
/// # Errors
/// The database fails.
pub(super) async fn values(
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
pub(super) async fn unfit(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    values: &[String],
) -> Result<Option<String>, sqlx::Error> {
    for (at, value) in values.iter().enumerate() {
        if !takes(connection, reference, at, std::slice::from_ref(value)).await? {
            return Ok(reference.columns.get(at).map(|column| {
                format!(
                    "column {:?} is {} and cannot hold {value}",
                    column.name.as_str(),
                    column.declared_type.as_str()
                )
            }));
        }
    }
    Ok(None)
}

/// Whether a column of a reference can hold each of some values of the column that it names, and names the
/// same users by them.
///
/// # Errors
/// The database fails.
pub(super) async fn takes(
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
    let (before, after) = match operator {
        Some(_) => ("(", ")"),
        None => spelling(parent, column),
    };
    sql.add(before).add("CAST(v.value AS ").type_name(&parent.type_name).add(")").add(after);
    match operator {
        Some(operator) => sql.operator(operator),
        None => sql.add(" OPERATOR(pg_catalog.=) "),
    };
    let (before, after) = match operator {
        Some(_) => ("(", ")"),
        None => spelling(column, parent),
    };
    sql.add(before).add("CAST(v.value AS ").type_name(&column.declared_type).add(")").add(after);
    sql.add("), true) FROM pg_catalog.unnest(");
    sql.texts(values.iter().cloned().map(Some).collect()).add(") v(value)");
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
