//! Who repairs a user table.

use crate::{
    domain::facts::{Claim, schema::DatabaseIdentity},
    engine::postgres::sql::sql,
};
use sqlx::{PgConnection, Row};

/// Who repairs a user table.
pub async fn claim(
    connection: &mut PgConnection,
    identity: &DatabaseIdentity,
    user_table: i64,
) -> Result<Option<Claim>, sqlx::Error> {
    // By way of JSON, since a layout of before has not all of the columns.
    let sql = sql!(
        "SELECT owner, owner_name, epoch, plan_serial, pg_catalog.to_jsonb(claims) ->> 'operator',
           (pg_catalog.to_jsonb(claims) ->> 'takes')::pg_catalog.int8
         FROM auth_consistency.claims
         WHERE system_identifier = {system} AND database_oid = {database} AND user_table_oid = {user_table}",
        system = identity.system,
        database = identity.database,
        user_table = user_table,
    );
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Some(Claim {
        owner: row.try_get(0)?,
        owner_name: row.try_get(1)?,
        epoch: row.try_get(2)?,
        plan_serial: row.try_get(3)?,
        operator: row.try_get(4)?,
        takes: row.try_get::<Option<i64>, _>(5)?.unwrap_or(0),
    }))
}
