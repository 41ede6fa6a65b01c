//! Which of the rows that are given back change places in a unique key, and their exchange.

use sqlx::{PgConnection, Row};

use super::{
    Mapped,
    count::{listed, moving, paired},
};
use crate::database::{
    catalog::{Column, UniqueIndex},
    exchange,
    identifier::Sql,
    quarantine,
    references::ReferenceTable,
};

/// Adds the rows whose place another moving row gets, as `(tableoid t, ctid i)`; `None` where no unique key
/// stands in the way of an UPDATE.
fn wanted(sql: &mut Sql, table: &ReferenceTable, mapped: &Mapped, keys: &[UniqueIndex]) -> Option<()> {
    let reference = table.columns.first()?;
    let equality = reference.equality.as_ref()?;
    let mut any = false;
    for key in keys.iter().filter(|key| key.immediate) {
        let Some(others) = &key.others else { continue };
        let others: Vec<&Column> = others.iter().filter_map(|name| table.child.column(name)).collect();
        sql.add(if any { " UNION " } else { "(" });
        any = true;
        sql.add("SELECT b.t, b.i FROM (SELECT c.tableoid AS t, c.ctid AS i, ");
        sql.column("c", &reference.name).add(" AS k");
        listed(sql, &others);
        moving(sql, table, mapped);
        sql.add(") b WHERE EXISTS (SELECT FROM (SELECT CAST(m.new_id AS ");
        sql.type_name(&reference.type_name).add(") AS k");
        listed(sql, &others);
        moving(sql, table, mapped);
        sql.add(") a WHERE a.k").operator(equality).add("b.k");
        for (at, other) in others.iter().enumerate() {
            let Some(equality) = &other.equality else { continue };
            sql.add(" AND (a.o").ordinal(at).operator(equality).add("b.o").ordinal(at);
            if key.nulls_equal {
                sql.add(" OR (a.o").ordinal(at).add(" IS NULL AND b.o").ordinal(at).add(" IS NULL)");
            }
            sql.add(")");
        }
        sql.add(")");
    }
    sql.add(if any { ")" } else { "" });
    any.then_some(())
}

/// How many rows are in another one's place.
///
/// # Errors
/// The database fails.
pub(super) async fn count(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    keys: &[UniqueIndex],
) -> Result<i64, sqlx::Error> {
    let mut sql = Sql::new("SELECT count(*) FROM ");
    if wanted(&mut sql, table, mapped, keys).is_none() {
        return Ok(0);
    }
    sql.add(" w");
    sql.scalar(connection).await
}

/// The primary keys of the rows that are in another one's place, as text. For a repair: every name and
/// operator is qualified.
///
/// # Errors
/// The database fails.
pub(in crate::database) async fn keys_of_wanted(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    keys: &[UniqueIndex],
    primary_key: &[Column],
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    for (at, column) in primary_key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name).add("::pg_catalog.text");
    }
    sql.add(" FROM ").only(&table.child.relation).add(" c JOIN ");
    if wanted(&mut sql, table, mapped, keys).is_none() {
        return Ok(Vec::new());
    }
    sql.add(" w ON w.t OPERATOR(pg_catalog.=) c.tableoid AND w.i OPERATOR(pg_catalog.=) c.ctid");
    sql.all(connection)
        .await?
        .iter()
        .map(|row| (0..primary_key.len()).map(|at| row.try_get(at)).collect())
        .collect()
}

/// Takes rows out and puts them in again with their people's ids. Returns how many came in as they were.
///
/// # Errors
/// The database refuses it.
pub(in crate::database) async fn put_in_again(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    primary_key: &[Column],
    rows: &[Vec<String>],
) -> Result<i64, sqlx::Error> {
    let Some(reference) = table.columns.first() else { return Ok(0) };
    let which = |sql: &mut Sql| {
        quarantine::keyed(sql, primary_key, rows);
        sql.add(", ");
        paired(sql, table, mapped);
        sql.add(" AND ");
        quarantine::is_keyed(sql, "c", primary_key);
    };
    let value = |sql: &mut Sql| {
        sql.add("CAST(m.new_id AS ").type_name(&reference.type_name).add(")");
    };
    exchange::put_in_again(&table.child, reference, which, value).scalar(connection).await
}
