//! What server it is, and whether anything can be written there.

use sqlx::{PgConnection, Row};

use super::identifier::Sql;
use crate::consistency::observation::{DatabaseIdentity, Server};

/// The server, and its version as a number.
///
/// # Errors
/// The database fails.
pub(super) async fn of(connection: &mut PgConnection) -> Result<(Server, i64), sqlx::Error> {
    let row = Sql::new(
        "SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int8, \
         (SELECT system_identifier::text FROM pg_control_system()), \
         (SELECT oid::int8 FROM pg_database WHERE datname = current_database()), \
         pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool",
    )
    .one(connection)
    .await?;
    let read_only = if row.try_get::<bool, _>(4)? {
        Some("the server is a standby".to_owned())
    } else if row.try_get::<bool, _>(5)? {
        Some("the database is read-only for this role (default_transaction_read_only)".to_owned())
    } else {
        None
    };
    let server = Server {
        version: row.try_get(0)?,
        identity: DatabaseIdentity { system: row.try_get(2)?, database: row.try_get(3)? },
        read_only,
    };
    Ok((server, row.try_get(1)?))
}
