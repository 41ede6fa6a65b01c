//! Connection strings as apps have them.
//!
//! Understood: the URL form of libpq (PostgreSQL 15 manual, section 34.1.1.2) with the driver
//! suffixes of SQLAlchemy (`postgresql+asyncpg://`), with the prefix of JDBC (`jdbc:postgresql://`),
//! and Prisma's `schema`. Options that only tune a client are passed over; options that change what
//! is reached or trusted are understood or refused by name. Files are never read.
//!
//! A password with a character that should have been escaped moves the borders between the parts: what stands
//! where an engine, an option or a value should stand may be half a password. So only names out of the lists
//! here are ever repeated, and all else is told by its place and its length.

use crate::{api::shared::TlsMode, domain::target::connection::Connection};

use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::Url;

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

/// Options of drivers that are known, and that change what is reached or trusted, or what a session does.
const REFUSED: &[&str] = &[
    "channel_binding",
    "channelbinding",
    "fallback_application_name",
    "gssencmode",
    "gsslib",
    "hostaddr",
    "krbsrvname",
    "load_balance_hosts",
    "loadbalancehosts",
    "options",
    "require_auth",
    "requirepeer",
    "replication",
    "search_path",
    "searchpath",
    "server_settings",
    "socket",
    "socketfactory",
    "sslcompression",
    "sslfactory",
    "sslhostnameverifier",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "targetservertype",
    "unixsocket",
];

/// Options that name files.
const FILES: &[&str] = &[
    "passfile",
    "service",
    "servicefile",
    "sslcert",
    "sslcrl",
    "sslcrldir",
    "sslidentity",
    "sslkey",
    "sslrootcert",
];

/// Other engines, by the schemes of their URLs.
const ENGINES: &[&str] = &[
    "amqp",
    "clickhouse",
    "cockroach",
    "cockroachdb",
    "db2",
    "file",
    "firebird",
    "h2",
    "http",
    "https",
    "libsql",
    "mariadb",
    "mongodb",
    "mssql",
    "mysql",
    "oracle",
    "prisma",
    "redis",
    "rediss",
    "redshift",
    "snowflake",
    "sqlite",
    "sqlserver",
];

/// Why a connection string cannot be used. Never holds anything of it but names that are known here.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DsnError {
    /// Not a URL at all.
    #[error(
        "the connection string is no URL: write postgresql://USER:PASSWORD@HOST:PORT/NAME, and @ / ? # % of the password as %40 %2F %3F %23 %25"
    )]
    NotAUrl,
    /// A border between its parts is not where it was meant.
    #[error(
        "the connection string has an @ behind its host: write @ / ? # % of user name and password as %40 %2F %3F %23 %25"
    )]
    Borders,
    /// What stands behind the last colon of the host.
    #[error("the port of the connection string is no number from 1 to 65535")]
    Port,
    /// Bytes that are no text.
    #[error("the connection string is not UTF-8 text")]
    NotText,
    /// A NUL byte: the protocol ends each text with one, so that what stands behind it would be something else.
    #[error(
        "the {0} of the connection string has a NUL byte (%00), which PostgreSQL takes in none: remove it"
    )]
    Nul(&'static str),
    /// Another database engine.
    #[error("the connection string names the engine {0:?}, and only PostgreSQL is supported")]
    Engine(&'static str),
    /// A word before `://` that is no engine's.
    #[error(
        "the connection string begins with {0} characters before :// that name no known engine: write postgresql://USER:PASSWORD@HOST:PORT/NAME"
    )]
    UnknownEngine(usize),
    /// A part is not there.
    #[error("the connection string has no {0}")]
    Missing(&'static str),
    /// Several hosts, or a socket directory.
    #[error("the connection string must name one host, not several hosts or a socket directory")]
    Host,
    /// An option that we may not pass over.
    #[error("the connection string has the option {0:?}, which is not supported: remove it")]
    Option(&'static str),
    /// An option that nobody knows.
    #[error(
        "option {at} of the connection string has a name of {characters} characters that is not known: remove it, or write ? and & of the password as %3F and %26"
    )]
    UnknownOption {
        /// Its number, from 1.
        at: usize,
        /// Characters of its name.
        characters: usize,
    },
    /// An option that names a file.
    #[error(
        "the connection string's option {0:?} names a file, and files are not read: use spec.database.tls.caSecretRef"
    )]
    File(&'static str),
    /// A value of `sslmode` that does not exist.
    #[error(
        "the sslmode of the connection string has {0} characters and is none: use disable, require, verify-ca or verify-full"
    )]
    SslMode(usize),
}

impl DsnError {
    /// Whether the string is fine but for another engine.
    pub fn is_engine(&self) -> bool {
        matches!(self, Self::Engine(_))
    }

    /// Whether it is the string as a whole that is none.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::NotAUrl | Self::NotText | Self::UnknownEngine(_))
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
            Some(("sqlite" | "file", _)) => DsnError::Engine("sqlite"),
            _ => DsnError::NotAUrl,
        }
    })?;
    let engine = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
    if !engine.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') || engine.is_empty() {
        return Err(DsnError::NotAUrl);
    }
    if !matches!(engine.as_str(), "postgres" | "postgresql") {
        let known = ENGINES.iter().find(|known| **known == engine);
        return Err(
            known.map_or(DsnError::UnknownEngine(scheme.chars().count()), |engine| DsnError::Engine(engine))
        );
    }
    let rest = &text[scheme.len() + 3..];
    let url = Url::parse(&format!("postgresql://{rest}")).map_err(|error| {
        // Up to here a URL names host and port: an @ that comes later was to end the password.
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        match error {
            _ if text.contains(',') || text.contains("@/") => DsnError::Host,
            url::ParseError::InvalidPort if authority.contains('@') => DsnError::Port,
            url::ParseError::InvalidPort if rest.contains('@') => DsnError::Borders,
            _ => DsnError::NotAUrl,
        }
    })?;
    let decode = |part: &str| -> Result<String, DsnError> {
        percent_decode_str(part).decode_utf8().map(Into::into).map_err(|_| DsnError::NotText)
    };

    // Where a user stands before the host, an option with an @ as it is may be the end of a password instead.
    let named = !url.username().is_empty() || url.password().is_some();
    let behind = [Some(url.path()), url.fragment(), url.query().filter(|_| named)];
    if behind.into_iter().flatten().any(|rest| rest.contains('@')) {
        return Err(DsnError::Borders);
    }

    let mut host = decode(url.host_str().unwrap_or_default())?;
    let mut port = url.port();
    let mut user = decode(url.username())?;
    let mut password = url.password().map(decode).transpose()?;
    let mut database = decode(url.path().trim_start_matches('/'))?;
    let mut tls = None;
    let mut schema = None;
    for (at, (name, value)) in url.query_pairs().enumerate() {
        let listed =
            |list: &[&'static str]| list.iter().copied().find(|known| known.eq_ignore_ascii_case(&name));
        match name.as_ref() {
            "host" if host.is_empty() => host = value.into_owned(),
            "port" if port.is_none() => port = Some(value.parse().map_err(|_| DsnError::Port)?),
            "user" if user.is_empty() => user = value.into_owned(),
            "password" if password.is_none() => password = Some(value.into_owned()),
            "dbname" if database.is_empty() => database = value.into_owned(),
            "schema" | "currentSchema" => schema = Some(value.into_owned()),
            "sslmode" | "ssl" => tls = Some(ssl_mode(&value)?),
            _ if listed(HARMLESS).is_some() => {}
            other => {
                let unknown = DsnError::UnknownOption { at: at + 1, characters: other.chars().count() };
                let refused = listed(FILES).map(DsnError::File).or(listed(REFUSED).map(DsnError::Option));
                return Err(refused.unwrap_or(unknown));
            }
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
    let texts = [
        (Some(&host), "host"),
        (Some(&user), "user name"),
        (password.as_ref(), "password"),
        (Some(&database), "database name"),
        (schema.as_ref(), "schema"),
    ];
    if let Some((_, name)) = texts.into_iter().find(|(text, _)| text.is_some_and(|text| text.contains('\0')))
    {
        return Err(DsnError::Nul(name));
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
        other => Err(DsnError::SslMode(other.chars().count())),
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
    fn an_option_may_have_an_at_sign_where_no_border_is_in_doubt() {
        for text in [
            "jdbc:postgresql://h:5432/d?user=app@server&password=p@x",
            "postgres://app%40server:p%40x@h/d?application_name=a%40b",
        ] {
            let expected = ("h".to_owned(), 5432, "app@server".to_owned(), "p@x".to_owned(), "d".to_owned());
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_told_apart_from_a_password_that_is_not_encoded() {
        for (text, expected) in [
            ("postgresql://app:canary@db:54x2/app", DsnError::Port),
            ("postgresql://app:canary@db:70000/app", DsnError::Port),
            ("postgresql://db/app?user=app&password=canary&port=x", DsnError::Port),
            ("postgresql://app:can/ary@db:5432/app", DsnError::Borders),
            ("postgresql://app:can#ary@db/app", DsnError::Borders),
            ("postgresql://app:can?ary@db/app", DsnError::Borders),
            ("postgresql://app:canary@[::/app", DsnError::NotAUrl),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), expected, "{text}");
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
            ("postgres://u:canary@h/d?sslmode=maybe", "5 characters and is none"),
            // Behind it would stand an option of the session that nobody was asked about.
            (
                "postgres://u%00options%00-csearch_path%3Dcanary:p@h/d",
                "user name of the connection string has a NUL",
            ),
            ("postgres://u:canary%00@h/d", "password of the connection string has a NUL"),
            ("postgres://u:canary@h/d%00options", "database name of the connection string has a NUL"),
            ("postgres://u:canary@h/d?schema=app%00", "schema of the connection string has a NUL"),
            (
                "jdbc:postgresql:///d?host=h%00&user=u&password=canary",
                "host of the connection string has a NUL",
            ),
            ("canary", "URL"),
            ("host=h user=u password=canary", "URL"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("canary"), "{text}: {error}");
        }
    }

    #[test]
    fn no_half_of_a_password_is_repeated_wherever_it_ends_up() {
        // Every character that ends a part, at the beginning of the canary and within it.
        for text in [
            "canary://u:p@h/d",
            "canary+asyncpg://u:p@h/d",
            "jdbc:canary://h/d",
            "postgres://u:p?canary@h/d",
            "postgres://u:p#canary@h/d",
            "postgres://u:p/canary@h/d",
            "postgres://u:p@canary/x@h/d",
            "postgres://u:p@canary#x@h/d",
            "postgres://u:p@canary?x@h/d",
            "postgres://u:se@canary/x?timeout=1@h/d",
            "postgres://u:se@canary/x?schema=y@h/d",
            "postgres://u:se@h/canary?application_name=y@h/d",
            "postgres://u:p:canary@h:x/d",
            "postgres://u:5432/canary@h/d",
            "postgres://u:p@h/d?canary",
            "postgres://u:p@h/d?canary=1",
            "postgres://u:p@h/d?sslmode=canary",
            "postgres://u:p@h/d?ssl=canary",
            "postgres://u:p@h/d?port=canary",
            "postgres://u:p@h:canary/d",
            "jdbc:postgresql://h/d?user=u&password=p&canary",
            "jdbc:postgresql://h/d?user=u&password=p&canary=x",
            "jdbc:postgresql://h/d;user=u;password=canary",
            "canary:postgres://u:p@h/d",
            "\"postgres://u:canary@h/d\"",
            "DATABASE_URL=postgres://u:canary@h/d",
            "psql postgres://u:canary@h/d",
            "postgres://u:p@h/d\npostgres://u:canary@h/d",
        ] {
            let parsed = parse(text.as_bytes());
            let Err(error) = parsed else {
                assert!(text.contains("h:x") || text.contains('\n'), "{text} is understood");
                continue;
            };
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary"), "{text}: {shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_was_not_understood_is_repeated(
            before in "(postgres|jdbc:postgresql|mysql|x)?(://)?[a-z@:/?#&=%;.]{0,12}",
            after in "[a-z@:/?#&=%;.]{0,12}",
        ) {
            let text = format!("{before}SECRET{after}");
            if let Err(error) = parse(text.as_bytes()) {
                let shown = format!("{error} {error:?}").to_lowercase();
                proptest::prop_assert!(!shown.contains("secret"), "{text}: {shown}");
            }
        }
    }
}
