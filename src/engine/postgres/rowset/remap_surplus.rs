//! Which of the rows that are given back have no room in their people's unique keys.
//!
//! A row that stays where it is has its place; of rows that would come to be equal, the first one in physical
//! order gets it. The others are surplus.

use crate::engine::postgres::{
    catalog::{Column, keys::UniqueIndex, mapping::Mapped, reference::ReferenceTable},
    rowset::remap_rows::{concerned, keys_among, mapping, moving, names},
    sql::Sql,
};

use sqlx::PgConnection;

/// The query of surplus rows; `None` where an expression or a predicate decides. The caller adds what comes
/// between `SELECT ` and ` FROM`, of the rows `c` that it returns.
fn surplus<'a>(
    sql: &mut Sql,
    table: &'a ReferenceTable,
    mapped: &Mapped,
    keys: &'a [UniqueIndex],
) -> Option<()> {
    let reference = table.columns.first()?;
    let keys: Vec<(Vec<&Column>, bool)> = keys
        .iter()
        .map(|key| {
            let others = key.others.as_ref()?.iter().map(|name| table.child.column(name));
            Some((others.collect::<Option<_>>()?, key.nulls_equal))
        })
        .collect::<Option<_>>()?;
    sql.add("(SELECT x.t, x.i FROM (SELECT y.t, y.i, y.moved, (false");
    let mut first = 0;
    for (others, nulls_equal) in &keys {
        sql.add(" OR (");
        if !nulls_equal {
            for at in 0..others.len() {
                sql.add("y.o").ordinal(first + at).add(" IS NOT NULL AND ");
            }
        }
        sql.add("pg_catalog.row_number() OVER (PARTITION BY y.k");
        for at in 0..others.len() {
            sql.add(", y.o").ordinal(first + at);
        }
        // What stays has its place.
        sql.add(" ORDER BY y.moved, y.t, y.i) OPERATOR(pg_catalog.>) 1)");
        first += others.len();
    }
    sql.add(") AS equal FROM (SELECT true AS moved, c.tableoid AS t, c.ctid AS i, CAST(m.new_id AS ");
    sql.type_name(&reference.type_name).add(") AS k");
    let others: Vec<&Column> = keys.iter().flat_map(|(others, _)| others.iter().copied()).collect();
    for (at, other) in others.iter().enumerate() {
        sql.add(", ").column("c", &other.name).add(" AS o").ordinal(at);
    }
    moving(sql, table, mapped);
    sql.add(" UNION ALL SELECT false, c.tableoid, c.ctid, ").column("c", &reference.name);
    for other in &others {
        sql.add(", ").column("c", &other.name);
    }
    sql.add(" FROM ").only(&table.child.relation).add(" c WHERE ").column("c", &reference.name);
    sql.add(" IS NOT NULL AND NOT EXISTS (SELECT FROM ");
    mapping(sql, mapped.used.iter());
    sql.add(" WHERE ");
    names(sql, table);
    sql.add(" AND ");
    concerned(sql, table, mapped.mark.as_ref());
    sql.add(")) y) x WHERE x.moved AND x.equal)");
    Some(())
}

/// How many rows are surplus; `None` where nobody can tell beforehand.
pub(in crate::engine::postgres) async fn count(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    keys: &[UniqueIndex],
) -> Result<Option<i64>, sqlx::Error> {
    let mut sql = Sql::new("SELECT count(*) FROM ");
    if surplus(&mut sql, table, mapped, keys).is_none() {
        return Ok(None);
    }
    sql.add(" s");
    Ok(Some(sql.scalar(connection).await?))
}

/// The primary keys of the rows that are surplus, as text. For a repair: every name and operator is qualified.
pub(in crate::engine::postgres) async fn keys_of(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    keys: &[UniqueIndex],
    primary_key: &[Column],
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    keys_among(connection, table, primary_key, |sql| surplus(sql, table, mapped, keys)).await
}
