//! Constraints that refuse rows as they would be once they are given back.

use crate::{
    domain::facts::references::InTheWay,
    engine::postgres::{
        catalog::{mapping::Mapped, reference::ReferenceTable},
        observe::in_the_way::{self, Change, Value},
        rowset::remap_rows::{concerned, mapping, moving, names},
        sql::Sql,
    },
};

use sqlx::PgConnection;

/// The first of them.
///
/// # Errors
/// The database fails.
pub(super) async fn of(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
) -> Result<Option<InTheWay>, sqlx::Error> {
    let Some(column) = table.columns.first() else { return Ok(None) };
    let written = [(column, Value::Mapped)];
    let rows = |sql: &mut Sql| moving(sql, table, mapped);
    let beside = |sql: &mut Sql| {
        sql.add("EXISTS (SELECT FROM ");
        mapping(sql, mapped.used.iter());
        sql.add(" WHERE ").column("c", &column.name).add(" IS NOT NULL AND ");
        let operator = table.operators.as_ref().and_then(|operators| operators.first());
        match (table.parent_columns.first(), operator) {
            (Some(parent), Some(operator)) => {
                sql.add("CAST(m.new_id AS ").type_name(&parent.type_name).add(")").operator(operator);
                sql.column("c", &column.name);
            }
            _ => {
                sql.add("false");
            }
        }
        sql.add(") AND NOT EXISTS (SELECT FROM ");
        mapping(sql, mapped.used.iter());
        sql.add(" WHERE ");
        names(sql, table);
        sql.add(" AND ");
        concerned(sql, table, mapped.mark.as_ref());
        sql.add(")");
    };
    let change = Change { table: &table.child, rows: &rows, written: &written, beside: &beside };
    in_the_way::of_change(connection, &change).await
}
