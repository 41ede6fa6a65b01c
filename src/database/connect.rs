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

use super::error::DatabaseError;
use crate::{api::spec::TlsMode, consistency::target::Database, network::HostPolicy};

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
            if let Some(relay) = relay.0.take() {
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
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(target.password.expose_secret())
        .database(&target.database)
        .application_name(concat!("auth-consistency/", env!("CARGO_PKG_VERSION")))
        .statement_cache_capacity(0)
        .extra_float_digits(None)
        .ssl_mode(match database.tls {
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
        })
        .disable_statement_logging();
    if let Some(ca) = &database.ca {
        options = options.ssl_root_cert_from_pem(ca.clone());
    }
    let attempt = async {
        let (options, relay) = pinned(options, &addresses).await?;
        let connection = PgConnection::connect_with(&options).await?;
        Ok(Session { connection, relay: Relay(relay) })
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(result) => result,
        Err(_) => Err(DatabaseError::Sql(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer in {} s", CONNECT_TIMEOUT.as_secs()),
        )))),
    }
}

/// The driver takes one host for two things: where to connect, and whose certificate to expect. To
/// connect to an admitted address and still check the name, a relay of one connection stands between
/// them, on a socket without a file (Linux's abstract namespace).
#[cfg(target_os = "linux")]
async fn pinned(
    options: PgConnectOptions,
    addresses: &[SocketAddr],
) -> Result<(PgConnectOptions, Option<JoinHandle<()>>), sqlx::Error> {
    use std::os::linux::net::SocketAddrExt;

    let mut upstream = tokio::net::TcpStream::connect(addresses).await?;
    upstream.set_nodelay(true)?;
    let name = format!("auth-consistency-{:032x}", rand::random::<u128>());
    let port = options.get_port();
    let address =
        std::os::unix::net::SocketAddr::from_abstract_name(format!("{name}/.s.PGSQL.{port}").as_bytes())?;
    let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let relay = tokio::spawn(async move {
        if let Ok((mut downstream, _)) = listener.accept().await {
            drop(listener);
            // Either side's end is the connection's end; the driver reports what that means.
            let _ = tokio::io::copy_bidirectional(&mut downstream, &mut upstream).await;
        }
    });
    Ok((options.socket(format!("\0{name}")), Some(relay)))
}

#[cfg(not(target_os = "linux"))]
async fn pinned(
    options: PgConnectOptions,
    _: &[SocketAddr],
) -> Result<(PgConnectOptions, Option<JoinHandle<()>>), sqlx::Error> {
    Ok((options, None))
}
