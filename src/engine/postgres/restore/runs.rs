//! The runs whose rows may be put back.

use crate::{
    domain::target::Target,
    engine::{
        RunSummary,
        postgres::{
            catalog::resolved::ResolvedSchema,
            ledger::migrate,
            session::{error::DatabaseError, transaction::prepare},
            sql::Sql,
        },
    },
};

use sqlx::{Connection, PgConnection, Row};

/// The runs of this target, newest first.
///
/// # Errors
/// The database fails.
pub async fn runs(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Vec<RunSummary>, DatabaseError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    if migrate::version(connection).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT run, to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
         string_agg(DISTINCT action || ' ' || object, ', '), sum(rows)::int8 FROM auth_consistency.audit \
         WHERE system_identifier = ",
    );
    sql.text(&known.identity.system).add(" AND database_oid = ").integer(known.identity.database);
    sql.add(" AND owner = ")
        .text(&target.resource.uid)
        .add(" AND action NOT IN ('Purge', 'Restore') GROUP BY run ORDER BY max(id) DESC LIMIT 50");
    let rows = sql.all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(RunSummary {
                run: row.try_get(0)?,
                opened_at: row.try_get(1)?,
                actions: row.try_get(2)?,
                rows: row.try_get(3)?,
            })
        })
        .collect()
}
