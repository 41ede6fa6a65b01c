//! The rows that a remap concerns.

use sqlx::{PgConnection, Row};

use crate::{
    domain::identities::mapping::Pair,
    engine::postgres::{
        catalog::{Column, mapping::Mapped, reference::ReferenceTable},
        sql::Sql,
    },
};

/// The primary keys, as text, of rows that `among` adds as `(tableoid t, ctid i)`; none where it has none to
/// add. For a repair: every name and operator is qualified.
pub(in crate::engine::postgres) async fn keys_among(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    primary_key: &[Column],
    among: impl FnOnce(&mut Sql) -> Option<()>,
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    for (at, column) in primary_key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name).add("::pg_catalog.text");
    }
    sql.add(" FROM ").only(&table.child.relation).add(" c JOIN ");
    if among(&mut sql).is_none() {
        return Ok(Vec::new());
    }
    sql.add(" w ON w.t OPERATOR(pg_catalog.=) c.tableoid AND w.i OPERATOR(pg_catalog.=) c.ctid");
    sql.every(connection)
        .await?
        .iter()
        .map(|row| (0..primary_key.len()).map(|at| row.try_get(at)).collect())
        .collect()
}

/// Adds further columns of the row `c`, as `o0` and so on.
pub(in crate::engine::postgres) fn listed(sql: &mut Sql, others: &[&Column]) {
    for (at, other) in others.iter().enumerate() {
        sql.add(", ").column("c", &other.name).add(" AS o").ordinal(at);
    }
}

/// Adds pairs as a relation `m(n, old_id, new_id, shifted)`.
pub(in crate::engine::postgres) fn mapping<'p>(sql: &mut Sql, pairs: impl Iterator<Item = &'p Pair>) {
    let (mut old, mut new, mut shifted) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        old.push(Some(pair.old.clone()));
        new.push(pair.new.clone());
        shifted.push(Some(if pair.shifted { "t" } else { "f" }.to_owned()));
    }
    sql.add("ROWS FROM (pg_catalog.unnest(").texts(old).add("), pg_catalog.unnest(").texts(new);
    sql.add("), pg_catalog.unnest(").texts(shifted);
    sql.add(")) WITH ORDINALITY AS m(old_id, new_id, shifted, n)");
}

/// Adds the condition that the row `c` names the old id of the pair `m`.
pub(in crate::engine::postgres) fn names(sql: &mut Sql, table: &ReferenceTable) {
    let operator = table.operators.as_ref().and_then(|operators| operators.first());
    if let (Some(column), Some(parent), Some(operator)) =
        (table.columns.first(), table.parent_columns.first(), operator)
    {
        sql.add("CAST(m.old_id AS ").type_name(&parent.type_name).add(")").operator(operator);
        sql.column("c", &column.name);
    } else {
        sql.add("false");
    }
}

/// Adds the condition that the pair `m` is about the row `c` at all: it names nobody, or it names
/// somebody else and, where a mark is given, is old.
pub(in crate::engine::postgres) fn concerned(
    sql: &mut Sql,
    table: &ReferenceTable,
    mark: Option<&(Column, i64)>,
) {
    sql.add("CASE WHEN m.shifted::pg_catalog.bool THEN ");
    match mark {
        Some((column, highest)) => {
            sql.column("c", &column.name).add("::pg_catalog.int8 OPERATOR(pg_catalog.<=) ").integer(*highest);
        }
        None => {
            sql.add("true");
        }
    }
    table.in_scope(sql);
    sql.add(" ELSE ");
    table.orphaned(sql);
    sql.add(" END");
}

/// Adds the pairs `m` and ` WHERE the row c names one of them`, for rows that were found to move.
pub(in crate::engine::postgres) fn paired(sql: &mut Sql, table: &ReferenceTable, mapped: &Mapped) {
    mapping(sql, mapped.used.iter());
    sql.add(" WHERE ");
    names(sql, table);
}

/// Adds ` FROM the rows c that move, each with its pair m`. For a repair too: every name and operator is
/// qualified.
pub(in crate::engine::postgres) fn moving(sql: &mut Sql, table: &ReferenceTable, mapped: &Mapped) {
    sql.add(" FROM ").only(&table.child.relation).add(" c JOIN ");
    mapping(sql, mapped.used.iter());
    sql.add(" ON ");
    names(sql, table);
    sql.add(" AND ");
    concerned(sql, table, mapped.mark.as_ref());
}
