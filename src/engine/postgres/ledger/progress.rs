//! How far a step has got.

use sqlx::PgConnection;

use crate::engine::postgres::{ledger::fence::Fence, session::error::DatabaseError, sql::Sql};

/// Counts rows of a step as done.
pub(in crate::engine::postgres) async fn count_done(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    rows: i64,
) -> Result<i64, DatabaseError> {
    let mut sql = Sql::new("UPDATE auth_consistency.steps SET done = done OPERATOR(pg_catalog.+) ");
    sql.integer(rows).add(" WHERE run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND step OPERATOR(pg_catalog.=) ").integer(number);
    sql.add(" RETURNING ceiling OPERATOR(pg_catalog.-) done");
    Ok(sql.scalar(connection).await?)
}
