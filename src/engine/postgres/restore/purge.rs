//! What is kept in quarantine, dropped when nobody wants it any more. What another target took is dropped only
//! when it is named.

use crate::engine::PurgeFilter;
use crate::{
    api::report::{Action, ObjectRef},
    domain::target::Target,
    engine::postgres::{
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
            quarantine::tables,
        },
        repair::run,
        restore::inventory::{condition, with_batches},
        session::{error::DatabaseError, transaction::prepare},
        sql::Sql,
    },
};

use sqlx::{Connection, PgConnection};

/// Rows that one statement drops at most.
const CHUNK: i64 = 10_000;

/// How many rows of each table [`purge`] would drop.
///
/// # Errors
/// The database fails.
pub async fn preview(
    connection: &mut PgConnection,
    target: &Target,
    which: &PurgeFilter,
    identity: &str,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    counted(connection, target, which, identity, false).await
}

/// How many of those were never put back.
///
/// # Errors
/// The database fails.
pub async fn unrestored(
    connection: &mut PgConnection,
    target: &Target,
    which: &PurgeFilter,
    identity: &str,
) -> Result<i64, DatabaseError> {
    Ok(counted(connection, target, which, identity, true).await?.iter().map(|(_, rows)| rows).sum())
}

async fn counted(
    connection: &mut PgConnection,
    target: &Target,
    which: &PurgeFilter,
    identity: &str,
    away: bool,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare(&mut transaction, target.timeout).await?;
    let mut doomed = Vec::new();
    for (quarantine, object) in tables(&mut transaction).await? {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        with_batches(&mut sql, &quarantine);
        condition(&mut sql, which, identity);
        if away {
            sql.add(" AND q._ac_restored_at IS NULL");
        }
        let rows: i64 = sql.scalar(&mut transaction).await?;
        if rows > 0 {
            doomed.push((object, rows));
        }
    }
    Ok(doomed)
}

/// Drops rows from quarantine, some thousands at a time, each with its audit row. Nothing brings them
/// back.
///
/// # Errors
/// The run was overtaken, or the database fails; what was dropped before stays dropped.
pub async fn purge(
    connection: &mut PgConnection,
    fence: &Fence,
    which: &PurgeFilter,
    identity: &str,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    let mut transaction = fence::enter(connection, fence).await?;
    let tables = tables(&mut transaction).await?;
    transaction.rollback().await?;
    let mut purged = Vec::new();
    let mut chunk = 0;
    for (quarantine, object) in tables {
        let mut all = 0;
        loop {
            let mut transaction = fence::enter(connection, fence).await?;
            let mut sql = Sql::new("DELETE FROM ");
            sql.relation(&quarantine.relation);
            sql.add(" WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT q.ctid FROM ");
            with_batches(&mut sql, &quarantine);
            condition(&mut sql, which, identity);
            sql.add(" ORDER BY q.ctid LIMIT ").integer(CHUNK).add("))");
            let rows = sql.execute(&mut transaction).await?;
            if rows > 0 {
                chunk += 1;
                let entry =
                    Entry { step: 0, chunk, action: Action::Purge, object: &object, rows, token: None };
                audit::audit(&mut transaction, fence, &entry).await?;
            }
            if rows < CHUNK {
                let mut sql = Sql::new("DELETE FROM auth_consistency.batches AS b");
                condition(&mut sql, which, identity);
                sql.add(" AND b.name OPERATOR(pg_catalog.=) ").text(quarantine.relation.name.as_str());
                sql.execute(&mut transaction).await?;
            }
            transaction.commit().await?;
            all += rows;
            if rows < CHUNK {
                break;
            }
        }
        if all > 0 {
            purged.push((object, all));
        }
    }
    Ok(purged)
}

/// What a purge dropped that did not come to its end, as far as anybody heard.
///
/// # Errors
/// The database fails.
pub async fn purged(
    connection: &mut PgConnection,
    fence: &Fence,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    let audited = run::audited(connection, fence).await?;
    let mut objects = Vec::new();
    for (_, object) in tables(connection).await? {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    let named = |name: &String| objects.iter().find(|object| object.describe() == *name).cloned();
    Ok(audited.iter().filter_map(|(name, rows)| Some((named(name)?, *rows))).collect())
}
