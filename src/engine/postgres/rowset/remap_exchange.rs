//! Which of the rows that are given back change places in a unique key, and their exchange.

use crate::engine::postgres::{
    catalog::{Column, keys::UniqueIndex, mapping::Mapped, reference::ReferenceTable},
    rowset::{
        exchange,
        remap_rows::{keys_among, listed, moving, paired},
    },
    sql::Sql,
    sql_keys,
};

use sqlx::PgConnection;

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
pub(in crate::engine::postgres) async fn count(
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
pub(in crate::engine::postgres) async fn keys_of_wanted(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    keys: &[UniqueIndex],
    primary_key: &[Column],
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    keys_among(connection, table, primary_key, |sql| wanted(sql, table, mapped, keys)).await
}

/// Takes rows out and puts them in again with their people's ids. Returns how many came in as they were.
///
/// # Errors
/// The database refuses it.
pub(in crate::engine::postgres) async fn put_in_again(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    primary_key: &[Column],
    rows: &[Vec<String>],
) -> Result<i64, sqlx::Error> {
    let Some(reference) = table.columns.first() else { return Ok(0) };
    let which = |sql: &mut Sql| {
        sql_keys::keyed(sql, primary_key, rows);
        sql.add(", ");
        paired(sql, table, mapped);
        sql.add(" AND ");
        sql_keys::is_keyed(sql, "c", primary_key);
    };
    let value = |sql: &mut Sql| {
        sql.add("CAST(m.new_id AS ").type_name(&reference.type_name).add(")");
    };
    exchange::put_in_again(&table.child, reference, which, value).scalar(connection).await
}
