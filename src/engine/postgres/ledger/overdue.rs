//! Whether copies are kept longer than they should be.

use crate::{
    domain::{facts::schema::DatabaseIdentity, target::Target},
    engine::postgres::{ledger::quarantine::tables, sql::Sql},
};
use sqlx::PgConnection;

/// Whether this target keeps rows longer than it should. Looks at when chunks were copied, at no copy.
pub(in crate::engine::postgres) async fn overdue(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<bool, sqlx::Error> {
    let Some(days) = target.retention_days else { return Ok(false) };
    for (quarantine, _) in tables(connection).await? {
        let mut sql = Sql::new(
            "SELECT EXISTS (SELECT FROM auth_consistency.batches b WHERE b.at < clock_timestamp() - make_interval(days => ",
        );
        sql.integer(days).add("::int4) AND b.name = ").text(quarantine.relation.name.as_str());
        sql.add(" AND b.system_identifier = ").text(&identity.system);
        sql.add(" AND b.database_oid = ").integer(identity.database);
        sql.add(" AND b.owner = ").text(&target.resource.uid).add(")");
        if sql.scalar(connection).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
