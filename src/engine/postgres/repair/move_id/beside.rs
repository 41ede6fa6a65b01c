//! Whether rows that name an id that was moved changed in nothing else.

use crate::engine::postgres::{
    catalog::Column,
    ledger::{fence::Fence, quarantine},
    repair::rows::change::{columns_but, writes_more},
    rowset::carriers::Carrier,
    session::error::DatabaseError,
    sql::Sql,
};

use sqlx::PgConnection;

/// Looks, where code of a neighbour's may have run, whether the rows of a carrier hold in other columns what their
/// copies do.
pub(super) async fn nothing_beside(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    carrier: &Carrier<'_>,
) -> Result<(), DatabaseError> {
    let quarantine = quarantine::table(connection, carrier.table).await?;
    let moved = |column: &&Column| carrier.references.iter().any(|one| one.columns[0].name == column.name);
    let mut sql = Sql::new("SELECT pg_catalog.count(*) FROM ");
    sql.relation(&quarantine.relation).add(" q JOIN auth_consistency.batches b ON b.batch OPERATOR(pg_catalog.=) q._ac_batch AND b.run OPERATOR(pg_catalog.=) ");
    sql.text(&fence.run).add(" AND b.step OPERATOR(pg_catalog.=) ").integer(number);
    sql.add(" AND b.action OPERATOR(pg_catalog.=) 'MoveId' WHERE NOT EXISTS (SELECT FROM ");
    sql.only(&carrier.table.relation).add(" c WHERE ");
    columns_but(&mut sql, "c", &carrier.table.columns, moved);
    sql.add(" OPERATOR(pg_catalog.=) ");
    columns_but(&mut sql, "q", &carrier.table.columns, moved);
    for column in &carrier.primary_key {
        sql.add(" AND ")
            .column("c", &column.name)
            .add("::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY[");
        sql.column("q", &column.name).add("::pg_catalog.text");
        sql.add(if moved(&column) { ", q._ac_new_key])" } else { "])" });
    }
    sql.add(")");
    match sql.scalar(connection).await? {
        0 => Ok(()),
        rows => Err(writes_more(rows, &carrier.references[0].object.describe())),
    }
}
