//! How far a step has got.

use sqlx::PgConnection;

use crate::engine::postgres::{ledger::fence::Fence, session::error::DatabaseError, sql::sql};

/// Counts rows of a step as done.
pub(in crate::engine::postgres) async fn count_done(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    rows: i64,
) -> Result<i64, DatabaseError> {
    let sql = sql!(
        "UPDATE auth_consistency.steps SET done = done + {rows} WHERE run = {run} AND step = {step}
         RETURNING ceiling - done",
        rows = rows,
        run = fence.run,
        step = number,
    );
    Ok(sql.scalar(connection).await?)
}
