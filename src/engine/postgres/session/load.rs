//! How much the server has to bear, as far as the role may see it.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{error::DatabaseError, transaction::prepare};
use crate::engine::postgres::sql::Sql;

/// What a repair gives way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// How far the slowest replica is behind; zero where there is none, or the role may not see it.
    pub lag: Duration,
    /// Locks that sessions wait for.
    pub waiting: i64,
    /// Transactions of this database that are open for more than five minutes and hold a snapshot.
    pub old: i64,
    /// Transactions of this database that were committed, as far as they were counted yet: every role may
    /// see that, and none what the others' sessions are doing.
    pub commits: i64,
}

/// Looks at it.
///
/// # Errors
/// The database fails.
pub async fn pressure(connection: &mut PgConnection) -> Result<Pressure, DatabaseError> {
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
    let pressure = Pressure {
        lag: Duration::from_millis(u64::try_from(lag).unwrap_or(0)),
        waiting: row.try_get(1)?,
        old: row.try_get(2)?,
        commits: row.try_get(3)?,
    };
    transaction.rollback().await?;
    Ok(pressure)
}
