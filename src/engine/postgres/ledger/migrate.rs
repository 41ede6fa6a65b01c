//! Brings our own schema to its layout.

use sqlx::{PgConnection, Row};

use crate::engine::postgres::{
    ledger::{LAYOUT, MIGRATIONS, quarantine::Quarantine, trust},
    session::error::DatabaseError,
    sql::{Sql, run},
};

/// Brings the schema up to [`LAYOUT`]; inside the caller's transaction.
///
/// # Errors
/// The role may neither create nor use the schema, or a newer program has written it.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let there = version(connection).await?;
    if there == Some(LAYOUT) {
        return Ok(());
    }
    newer(there)?;
    // Two programs that begin at once: the second waits here and then sees the first one's work.
    run(
        connection,
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('auth_consistency layout'))",
    )
    .await?;
    let there = version(connection).await?;
    newer(there)?;
    if there.is_none() {
        let exists: bool = Sql::new(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) 'auth_consistency')",
        )
        .scalar(connection)
        .await?;
        if !exists {
            run(connection, "CREATE SCHEMA auth_consistency").await?;
        }
    }
    let done = usize::try_from(there.unwrap_or(0)).unwrap_or(0);
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        run(connection, migration).await?;
        if at == 1 {
            into_batches(connection).await?;
        }
    }
    trust::keep_to_ourselves(connection).await?;
    Ok(())
}

pub(in crate::engine::postgres) fn newer(there: Option<i64>) -> Result<(), DatabaseError> {
    match there {
        Some(version) if version > LAYOUT => Err(DatabaseError::Unsupported(format!(
            "the schema auth_consistency has layout {version}, and this program knows {LAYOUT}: use the newer program"
        ))),
        _ => Ok(()),
    }
}

pub(in crate::engine::postgres) async fn version(
    connection: &mut PgConnection,
) -> Result<Option<i64>, sqlx::Error> {
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.layout') IS NOT NULL")
        .scalar(connection)
        .await?;
    if !there {
        return Ok(None);
    }
    Sql::new("SELECT max(version) FROM auth_consistency.layout").scalar(connection).await
}

/// Brings copies of the first layout, which said in each row what it belongs to, to the second one.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn into_batches(
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let names =
        Sql::new("SELECT name FROM auth_consistency.quarantine WHERE pg_catalog.to_regclass(pg_catalog.format('auth_consistency.%I', name)) IS NOT NULL ORDER BY name").all(connection).await?;
    for row in names {
        let Quarantine { relation } = Quarantine::named(row.try_get(0)?);
        let mut sql = Sql::new(
            "INSERT INTO auth_consistency.batches (at, system_identifier, database_oid, owner, run, step, chunk, action, name) \
             SELECT pg_catalog.min(_ac_at), _ac_system, _ac_database, _ac_owner, _ac_run, _ac_step, _ac_chunk, _ac_action, ",
        );
        sql.text(relation.name.as_str()).add(" FROM ").relation(&relation);
        sql.add(" GROUP BY _ac_system, _ac_database, _ac_owner, _ac_run, _ac_step, _ac_chunk, _ac_action");
        sql.execute(connection).await?;
        let mut sql = Sql::new("ALTER TABLE ");
        sql.relation(&relation).add(" ADD COLUMN _ac_batch bigint");
        sql.execute(connection).await?;
        let mut sql = Sql::new("UPDATE ");
        sql.relation(&relation).add(
            " AS q SET _ac_batch = b.batch FROM auth_consistency.batches b \
             WHERE b.run OPERATOR(pg_catalog.=) q._ac_run AND b.step OPERATOR(pg_catalog.=) q._ac_step \
             AND b.chunk OPERATOR(pg_catalog.=) q._ac_chunk AND b.owner OPERATOR(pg_catalog.=) q._ac_owner \
             AND b.action OPERATOR(pg_catalog.=) q._ac_action AND b.system_identifier OPERATOR(pg_catalog.=) q._ac_system \
             AND b.database_oid OPERATOR(pg_catalog.=) q._ac_database AND b.name OPERATOR(pg_catalog.=) ",
        );
        sql.text(relation.name.as_str());
        sql.execute(connection).await?;
        let mut sql = Sql::new("ALTER TABLE ");
        sql.relation(&relation).add(
            " ALTER COLUMN _ac_batch SET NOT NULL, DROP COLUMN _ac_id, DROP COLUMN _ac_at, DROP COLUMN _ac_system, \
             DROP COLUMN _ac_database, DROP COLUMN _ac_owner, DROP COLUMN _ac_run, DROP COLUMN _ac_step, \
             DROP COLUMN _ac_chunk, DROP COLUMN _ac_action",
        );
        sql.execute(connection).await?;
    }
    Ok(())
}
