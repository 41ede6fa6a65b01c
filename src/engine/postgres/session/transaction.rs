//! What every look at the database stands on: one transaction with its settings, savepoints for what may
//! fail on its own, and the proof that the snapshot saw what there is.

use crate::{
    domain::text::clip,
    engine::postgres::sql::{self, Sql},
};

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::error::DatabaseError;

/// Why a table cannot be looked at that another session has locked.
pub(in crate::engine::postgres) const LOCKED: &str = "another session holds a lock on the table";

/// The part of a statement's time that it waits for a lock.
const LOCK_SHARE: u32 = 10;
const LONGEST_LOCK: Duration = Duration::from_secs(2);

/// `SET LOCAL` takes no parameters, `set_config` does; the settings end with the transaction.
///
/// How values become text and literals are read would be the role's own choice otherwise, and two spellings
/// of one value would be two keys. The path names `pg_temp` last: it would come first otherwise, and what a
/// function of the app once put there would stand in for types and tables of the catalogue.
///
/// What functions of the app say beside (`RAISE WARNING`) is not sent: it may hold rows, and be any number of lines.
///
/// The planner proves nothing by constraints, which are of whoever owns a partition, and a view that took the place of
/// a table since it was looked up is not read, where the server can tell (15.8 and its like): both would run what
/// somebody wrote. Where rows are changed, triggers of the app may have views of their own.
///
/// Plans are short-lived, and compiling one costs more than it saves.
///
/// A table that somebody has locked is waited for no longer than a part of that, so that the others can
/// still be looked at.
pub async fn prepare(connection: &mut PgConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), \
         pg_catalog.set_config('extra_float_digits', '1', true), pg_catalog.set_config('DateStyle', 'ISO, MDY', true), \
         pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('bytea_output', 'hex', true), \
         pg_catalog.set_config('standard_conforming_strings', 'on', true), \
         pg_catalog.set_config('quote_all_identifiers', 'off', true), \
         pg_catalog.set_config('client_min_messages', 'error', true), \
         pg_catalog.set_config('constraint_exclusion', 'off', true), pg_catalog.set_config('jit', 'off', true), \
         CASE WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL \
          AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' \
          THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', 'view', true) END, \
         pg_catalog.set_config('row_security', 'off', true), pg_catalog.set_config('statement_timeout', ",
    );
    sql.text(timeout.as_millis().to_string()).add(", true), pg_catalog.set_config('lock_timeout', ");
    sql.text((timeout / LOCK_SHARE).min(LONGEST_LOCK).as_millis().max(1).to_string()).add(", true)");
    sql.execute(connection).await?;
    Ok(())
}

/// How long each statement of the transaction may take from here on.
pub(in crate::engine::postgres) async fn statement_timeout(
    connection: &mut PgConnection,
    timeout: Duration,
) -> Result<(), sqlx::Error> {
    let mut sql = Sql::new("SELECT pg_catalog.set_config('statement_timeout', ");
    sql.text(timeout.as_millis().to_string()).add(", true)");
    sql.execute(connection).await?;
    Ok(())
}

/// From here to its end, the transaction finds nothing but what the catalog has.
pub(in crate::engine::postgres) async fn catalog_path(
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    sql::run(connection, "SET LOCAL search_path = pg_catalog, pg_temp").await
}

/// Reads by the catalog's path alone where rows are written, whose transaction keeps the path of the role: what is
/// found by it could be anybody's.
pub(in crate::engine::postgres) async fn by_the_catalog<T>(
    connection: &mut PgConnection,
    reads: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut inner = connection.begin().await?;
    catalog_path(&mut inner).await?;
    let read = reads(&mut inner).await?;
    // The path of before comes back with it.
    inner.rollback().await?;
    Ok(read)
}

/// Runs something that may fail on its own without ending the snapshot. Inner error: what the
/// database said about this one thing. Outer error: the database as a whole.
pub async fn savepoint<T>(
    connection: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<Result<T, String>, DatabaseError> {
    tentatively(connection, async |connection: &mut PgConnection| work(connection).await.map(Ok)).await
}

/// The same for work that may find for itself that nothing of it may stay: then it says why.
pub(in crate::engine::postgres) async fn tentatively<T>(
    connection: &mut PgConnection,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<Result<T, String>, sqlx::Error>,
) -> Result<Result<T, String>, DatabaseError> {
    let mut inner = connection.begin().await?;
    match work(&mut inner).await {
        Ok(Ok(value)) => {
            inner.commit().await?;
            Ok(Ok(value))
        }
        Ok(Err(why)) => {
            inner.rollback().await?;
            Ok(Err(why))
        }
        // Nothing more is read from this server, and no rollback would be answered.
        Err(error) if DatabaseError::is_refusal(&error) => Err(error.into()),
        Err(error @ (sqlx::Error::Database(_) | sqlx::Error::ColumnDecode { .. })) => {
            inner.rollback().await?;
            let error = DatabaseError::from(error);
            // Out of time, shut down: that is no property of one table.
            if matches!(error.sqlstate().as_deref(), Some("57014" | "57P01" | "57P02" | "57P03")) {
                return Err(error);
            }
            Ok(Err(match error.sqlstate().as_deref() {
                Some("55P03") => LOCKED.to_owned(),
                _ => clip(&error.with_names(connection).await.to_string(), 512),
            }))
        }
        Err(error) => Err(error.into()),
    }
}
