//! What server it is, and whether anything can be written there.

use crate::{
    domain::facts::schema::{DatabaseIdentity, ReadOnly, Server},
    engine::postgres::{sql::Sql, sql_name::sql_name},
};

use sqlx::{PgConnection, Row};

/// The server, and its version as a number.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of(
    connection: &mut PgConnection,
) -> Result<(Server, i64), sqlx::Error> {
    let row = Sql::new(
        "SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int8, \
         (SELECT system_identifier::text FROM pg_control_system()), \
         (SELECT oid::int8 FROM pg_database WHERE datname = current_database()), \
         pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool, current_user::text, current_database()::text, \
         CASE WHEN current_setting('default_transaction_read_only')::bool THEN \
         (SELECT source FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'default_transaction_read_only') END",
    )
    .one(connection)
    .await?;
    let read_only = if row.try_get::<bool, _>(4)? {
        Some(ReadOnly {
            why: "the server is a standby".into(),
            ends: "point spec.database at the primary".into(),
        })
    } else if row.try_get::<bool, _>(5)? {
        let (role, database): (String, String) = (row.try_get(6)?, row.try_get(7)?);
        let source: Option<String> = row.try_get(8)?;
        Some(ReadOnly {
            why: "the database is read-only for this role (default_transaction_read_only)".into(),
            ends: writable(&sql_name(&role), &sql_name(&database), source.as_deref()),
        })
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

/// What takes the setting back, by where it was made. A transaction of whoever takes it back would be read-only, too.
fn writable(role: &str, database: &str, source: Option<&str>) -> String {
    let (who, target) = match source {
        Some("database") => ("its owner or a superuser", format!("DATABASE {database}")),
        Some("user") => ("the role or a superuser", format!("ROLE {role}")),
        Some("database user") => ("the role or a superuser", format!("ROLE {role} IN DATABASE {database}")),
        Some("global") => ("a superuser", "ROLE ALL".to_owned()),
        _ => {
            return "since the server's configuration says so: once nobody relies on that any more, have it taken out of postgresql.conf, or taken back by ALTER SYSTEM, and loaded anew".into();
        }
    };
    format!(
        "until {who} takes that back, once nobody relies on it any more: `BEGIN READ WRITE; ALTER {target} RESET default_transaction_read_only; COMMIT`"
    )
}
