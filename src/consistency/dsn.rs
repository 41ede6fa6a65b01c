//! Connection strings as apps have them.
//!
//! Understood: the URL form of libpq (PostgreSQL 15 manual, section 34.1.1.2) with the driver
//! suffixes of SQLAlchemy (`postgresql+asyncpg://`), with the prefix of JDBC (`jdbc:postgresql://`),
//! and Prisma's `schema`. Options that only tune a client are passed over; options that change what
//! is reached or trusted are understood or refused by name. Files are never read.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use crate::api::spec::TlsMode;

/// Options of drivers that change nothing about what is reached or trusted.
const HARMLESS: &[&str] = &[
    "application_name",
    "applicationname",
    "client_encoding",
    "command_timeout",
    "connect_timeout",
    "connecttimeout",
    "connection_limit",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "pgbouncer",
    "pool_timeout",
    "prepared_statement_cache_size",
    "prepareThreshold",
    "reWriteBatchedInserts",
    "socket_timeout",
    "socketTimeout",
    "statement_cache_size",
    "stringtype",
    "target_session_attrs",
    "tcpKeepAlive",
    "timeout",
];

/// Where a database is and how to sign in to it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretString,
    /// Name of the database.
    pub database: String,
    /// What the string says of encryption.
    pub tls: Option<TlsMode>,
    /// The schema that the string says the app's tables are in.
    pub schema: Option<String>,
}

/// Why a connection string cannot be used. Never holds any of its values but option names, the
/// engine's name and `sslmode`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DsnError {
    /// Not a URL at all.
    #[error("the connection string is no URL: write postgresql://USER:PASSWORD@HOST:PORT/NAME")]
    NotAUrl,
    /// Bytes that are no text.
    #[error("the connection string is not UTF-8 text")]
    NotText,
    /// Another database engine.
    #[error("the connection string names the engine {0:?}, and only PostgreSQL is supported")]
    Engine(String),
    /// A part is not there.
    #[error("the connection string has no {0}")]
    Missing(&'static str),
    /// Several hosts, or a socket directory.
    #[error("the connection string must name one host, not several hosts or a socket directory")]
    Host,
    /// An option that we neither know nor may pass over.
    #[error("the connection string has the option {0:?}, which is not supported: remove it")]
    Option(String),
    /// An option that names a file.
    #[error(
        "the connection string's option {0:?} names a file, and files are not read: use spec.database.tls.caSecretRef"
    )]
    File(String),
    /// A value of `sslmode` that does not exist.
    #[error("the connection string has sslmode={0:?}: use disable, require, verify-ca or verify-full")]
    SslMode(String),
}

impl DsnError {
    /// Whether the string is fine but for another engine.
    pub fn is_engine(&self) -> bool {
        matches!(self, Self::Engine(_))
    }
}

/// Parses a connection string.
///
/// # Errors
/// See [`DsnError`]; no message repeats the string or its credentials.
pub fn parse(bytes: &[u8]) -> Result<Connection, DsnError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DsnError::NotText)?.trim();
    let text = text.strip_prefix("jdbc:").unwrap_or(text);
    let (scheme, _) = text.split_once("://").ok_or_else(|| {
        // SQLite's URLs have no authority; saying so helps more than "no URL".
        match text.split_once(':') {
            Some(("sqlite" | "file", _)) => DsnError::Engine("sqlite".into()),
            _ => DsnError::NotAUrl,
        }
    })?;
    let engine = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
    if !engine.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') || engine.is_empty() {
        return Err(DsnError::NotAUrl);
    }
    if !matches!(engine.as_str(), "postgres" | "postgresql") {
        return Err(DsnError::Engine(engine));
    }
    let url = Url::parse(&format!("postgresql://{}", &text[scheme.len() + 3..])).map_err(|_| {
        if text.contains(',') || text.contains("@/") { DsnError::Host } else { DsnError::NotAUrl }
    })?;
    let decode = |part: &str| -> Result<String, DsnError> {
        percent_decode_str(part).decode_utf8().map(Into::into).map_err(|_| DsnError::NotText)
    };

    let mut host = decode(url.host_str().unwrap_or_default())?;
    let mut port = url.port();
    let mut user = decode(url.username())?;
    let mut password = url.password().map(decode).transpose()?;
    let mut database = decode(url.path().trim_start_matches('/'))?;
    let mut tls = None;
    let mut schema = None;
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "host" if host.is_empty() => host = value.into_owned(),
            "port" if port.is_none() => {
                port = Some(value.parse().map_err(|_| DsnError::Missing("valid port"))?)
            }
            "user" if user.is_empty() => user = value.into_owned(),
            "password" if password.is_none() => password = Some(value.into_owned()),
            "dbname" if database.is_empty() => database = value.into_owned(),
            "schema" | "currentSchema" => schema = Some(value.into_owned()),
            "sslmode" | "ssl" => tls = Some(ssl_mode(&value)?),
            "sslrootcert" | "sslcert" | "sslkey" | "sslcrl" | "passfile" | "service" | "servicefile" => {
                return Err(DsnError::File(name.into_owned()));
            }
            other if HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(other)) => {}
            other => return Err(DsnError::Option(other.chars().take(64).collect())),
        }
    }
    if host.contains(',') || host.starts_with('/') {
        return Err(DsnError::Host);
    }
    for (part, name) in [(&host, "host"), (&user, "user name"), (&database, "database name")] {
        if part.is_empty() {
            return Err(DsnError::Missing(name));
        }
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Connection {
        host,
        port: port.unwrap_or(5432),
        user,
        password: password.unwrap_or_default().into(),
        database,
        tls,
        schema,
    })
}

/// libpq's `sslmode`. `allow` and `prefer` try both ways; a tool that carries passwords must not
/// fall back to plain text unasked, so they mean `require`.
fn ssl_mode(value: &str) -> Result<TlsMode, DsnError> {
    match value {
        "disable" | "false" => Ok(TlsMode::Disable),
        "allow" | "prefer" | "require" | "true" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        other => Err(DsnError::SslMode(other.chars().take(32).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn parts(text: &str) -> (String, u16, String, String, String) {
        let connection = parse(text.as_bytes()).unwrap();
        (
            connection.host,
            connection.port,
            connection.user,
            connection.password.expose_secret().to_owned(),
            connection.database,
        )
    }

    #[test]
    fn driver_suffixes_and_jdbc_are_stripped() {
        let expected =
            ("db".to_owned(), 5433, "app".to_owned(), "p@ss/word".to_owned(), "probeops".to_owned());
        for text in [
            "postgresql://app:p%40ss%2Fword@db:5433/probeops",
            "postgres://app:p%40ss%2Fword@db:5433/probeops",
            "postgresql+asyncpg://app:p%40ss%2Fword@db:5433/probeops",
            "postgresql+psycopg2://app:p%40ss%2Fword@db:5433/probeops?connect_timeout=10\n",
            "jdbc:postgresql://db:5433/probeops?user=app&password=p%40ss%2Fword",
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn sslmode_and_schema_are_understood() {
        let connection = parse(b"postgres://u:p@h/d?sslmode=verify-full&schema=app").unwrap();
        assert_eq!(connection.tls, Some(TlsMode::VerifyFull));
        assert_eq!(connection.schema.as_deref(), Some("app"));
        assert_eq!(parse(b"postgres://u:p@h/d").unwrap().tls, None);
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name_and_without_its_credentials() {
        for (text, part) in [
            ("mysql+pymysql://u:canary@h/d", "\"mysql\""),
            ("sqlite:///canary.db", "sqlite"),
            ("sqlite:canary.db", "sqlite"),
            ("postgres://u:canary@h/d?sslrootcert=/canary", "\"sslrootcert\""),
            ("postgres://u:canary@h/d?options=-csearch_path%3Dx", "\"options\""),
            ("postgres://u:canary@h1,h2/d", "one host"),
            ("postgres://u:canary@/d?host=/var/run", "one host"),
            ("postgres://u:canary@h", "database name"),
            ("postgres://h/d", "user name"),
            ("postgres://u:canary@h/d?sslmode=maybe", "\"maybe\""),
            ("canary", "URL"),
            ("host=h user=u password=canary", "URL"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("canary"), "{text}: {error}");
        }
    }
}
