//! The one constructor of sessions: TLS, timeouts, no session state.
//!
//! Poolers in transaction mode work: no startup options, no named statements, everything inside
//! transactions with `SET LOCAL`. `PG*` variables, service files and `.pgpass` are not read.

use std::{net::SocketAddr, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::task::JoinHandle;

use super::{admission, error::DatabaseError};
#[cfg(not(target_os = "linux"))]
use crate::api::shared::TlsMode;
use crate::{domain::target::Database, network::HostPolicy};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One short-lived connection.
pub struct Session {
    connection: PgConnection,
    relay: Relay,
}

/// The relay of a session, ended with it.
struct Relay(Option<JoinHandle<()>>);

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(relay) = &self.0 {
            relay.abort();
        }
    }
}

impl Session {
    /// The connection.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Says good-bye to the server.
    pub async fn close(self) {
        let Self { connection, mut relay } = self;
        let goodbye = async {
            // Whatever goes wrong now, the work is done and the server notices by itself.
            let _ = connection.close().await;
            if let Some(relay) = &mut relay.0 {
                let _ = relay.await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
    }
}

/// Connects to the addresses that the policy admits, and to no others: the name is not looked up a
/// second time.
///
/// # Errors
/// The host is not allowed, or no connection can be made in ten seconds.
pub async fn connect(
    database: &Database,
    policy: &HostPolicy,
    namespace: &str,
) -> Result<Session, DatabaseError> {
    let target = &database.connection;
    let addresses = policy.admit_database(namespace, &target.host, target.port).await?;
    let options = PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(target.password.expose_secret())
        .database(&target.database)
        .application_name(concat!("auth-consistency/", env!("CARGO_PKG_VERSION")))
        .statement_cache_capacity(0)
        .extra_float_digits(None)
        .disable_statement_logging();
    let attempt = async {
        let (options, relay) = pinned(options, database, &addresses).await?;
        // From here on it ends with whatever becomes of the connection: a server may never hang up.
        let relay = Relay(relay);
        let connected = PgConnection::connect_with(&options).await;
        let connection = connected.map_err(|error| admission::told(error, database))?;
        Ok(Session { connection, relay })
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(result) => result,
        Err(_) => Err(DatabaseError::Sql(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer in {} s", CONNECT_TIMEOUT.as_secs()),
        )))),
    }
}

/// A relay stands between the driver and the server.
#[cfg(target_os = "linux")]
async fn pinned(
    options: PgConnectOptions,
    database: &Database,
    addresses: &[SocketAddr],
) -> Result<(PgConnectOptions, Option<JoinHandle<()>>), sqlx::Error> {
    // Encryption is the relay's.
    let options = options.ssl_mode(PgSslMode::Disable);
    super::relay::open(options, database, addresses).await.map(|(options, relay)| (options, Some(relay)))
}

/// There are no sockets without a file: the driver is alone with the server.
#[cfg(not(target_os = "linux"))]
async fn pinned(
    options: PgConnectOptions,
    database: &Database,
    _: &[SocketAddr],
) -> Result<(PgConnectOptions, Option<JoinHandle<()>>), sqlx::Error> {
    let options = options.ssl_mode(match database.tls {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    });
    Ok((
        match &database.ca {
            Some(ca) => options.ssl_root_cert_from_pem(ca.clone()),
            None => options,
        },
        None,
    ))
}
