//! The sessions that a run ends, by their keys.

use sqlx::PgConnection;

use crate::{
    domain::{facts::sessions::Audience, step::Step},
    engine::postgres::{
        catalog::resolved::ResolvedSchema,
        ledger::{
            ended_sessions,
            fence::{self, Fence},
        },
        rowset::session_rows,
        session::error::DatabaseError,
        sql::Sql,
    },
};

/// Writes down whose tokens, or which sessions, a step is about: later ones are another plan's.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn list(
    connection: &mut PgConnection,
    fence: &Fence,
    known: &ResolvedSchema,
    step: &Step,
    number: i64,
) -> Result<(), DatabaseError> {
    let Step::EndSessions { means, object, due, digest, .. } = step else { return Ok(()) };
    let mut sql = Sql::new("UPDATE auth_consistency.steps SET passed_key = ");
    sql.text(digest).add(" WHERE run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND step OPERATOR(pg_catalog.=) ").integer(number);
    sql.execute(connection).await?;
    if means.of_rows() {
        session_rows::list(connection, fence, known, (means, object, due), number).await?;
    } else if let Audience::Accounts(ids) = &due.whom {
        let mut sql = Sql::new("INSERT INTO auth_consistency.step_keys (run, step, key) SELECT ");
        sql.text(&fence.run).add(", ").integer(number).add(", k FROM pg_catalog.unnest(");
        sql.texts(ids.iter().cloned().map(Some).collect()).add(") k");
        sql.execute(connection).await?;
    }
    Ok(())
}

/// What a step changed was put back: what it was done for counts no more as done.
///
/// # Errors
/// The run was overtaken, or the database fails.
pub(in crate::engine::postgres) async fn restored(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    number: i64,
) -> Result<(), DatabaseError> {
    let mut transaction = fence::enter(connection, fence).await?;
    ended_sessions::restored(&mut transaction, fence, run, number).await?;
    transaction.commit().await?;
    Ok(())
}
