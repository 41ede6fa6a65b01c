//! How much the server has to bear, as far as the role may see it.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{error::DatabaseError, transaction::prepare};
use crate::engine::{ServerLoad, postgres::sql::Sql};

/// Looks at it.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn load(
    connection: &mut PgConnection,
) -> Result<ServerLoad, DatabaseError> {
    let mut transaction = connection.begin().await?;
    prepare(&mut transaction, Duration::from_secs(5)).await?;
    let row = Sql::new(
        "SELECT coalesce((SELECT extract(epoch FROM max(replay_lag)) * 1000 FROM pg_stat_replication), 0)::int8, \
         (SELECT count(*) FROM pg_locks WHERE NOT granted), \
         (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
          AND backend_xmin IS NOT NULL AND xact_start < clock_timestamp() - interval '5 minutes'), \
         (SELECT pg_stat_get_db_xact_commit(oid) FROM pg_database WHERE datname = current_database())",
    )
    .one(&mut transaction)
    .await?;
    let lag: i64 = row.try_get(0)?;
    let load = ServerLoad {
        lag: Duration::from_millis(u64::try_from(lag).unwrap_or(0)),
        waiting: row.try_get(1)?,
        old: row.try_get(2)?,
        commits: row.try_get(3)?,
    };
    transaction.rollback().await?;
    Ok(load)
}
