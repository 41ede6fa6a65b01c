//! What the database answered, without the values that it likes to repeat.

use sqlx::postgres::PgDatabaseError;

use crate::{
    api::condition::{ConditionType, Reason},
    consistency::severity::{Class, Fault, of_sqlstate},
    network::HostRefused,
};

/// A failure of the database room.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The operator's flags do not allow the host.
    #[error("{0}")]
    Host(#[from] HostRefused),
    /// The database or the way to it.
    #[error("{}", plain(.0))]
    Sql(#[from] sqlx::Error),
    /// Another run has the fence; nothing was done.
    #[error("another run repairs this user table just now")]
    Fenced,
    /// The claim or its epoch is another one than at the start; nothing was done.
    #[error("{0}")]
    ClaimLost(String),
    /// The world is not what the plan says; nothing of this step was done.
    #[error("{0}")]
    Moved(String),
    /// A table was rewritten between the snapshot and the look at it.
    #[error("the table {0} was truncated or rewritten while it was looked at, so what was seen says nothing")]
    Rewritten(String),
    /// Others are at work and the repair gave way; the next pass goes on.
    #[error("{0}")]
    Busy(String),
    /// The transaction touched more than the plan says; nothing of it was done.
    #[error("{0}")]
    TouchesMore(String),
    /// The schema is not what this statement needs.
    #[error("{0}")]
    Unsupported(String),
    /// A password could not be hashed.
    #[error("the admin's password cannot be stored: {0}")]
    Password(#[from] crate::passwords::PasswordError),
}

impl DatabaseError {
    /// The server has not answered for so long.
    pub fn no_answer(limit: std::time::Duration) -> Self {
        Self::Sql(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer in {} s", limit.as_secs()),
        )))
    }

    /// Whether a statement was ended since it took too long, or since somebody said so.
    pub fn is_timeout(&self) -> bool {
        self.sqlstate().as_deref() == Some("57014")
    }

    /// The SQLSTATE, where the database answered with one.
    pub fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.code().map(Into::into),
            _ => None,
        }
    }

    /// The failure as a stage shows it.
    pub fn fault(&self) -> Fault {
        let (reason, class) = self.classify();
        let condition = match reason {
            Reason::PrivilegeMissing | Reason::TargetClaimed | Reason::RepairUnsupported => {
                ConditionType::SchemaCompatible
            }
            Reason::AdminPasswordUnusable => ConditionType::AdminConsistent,
            _ => ConditionType::DatabaseReachable,
        };
        let advice = match reason {
            Reason::DatabaseAuthenticationFailed => ": correct user name and password in the Secret",
            Reason::DatabaseTlsFailed => ": correct spec.database.tls, or the server's certificate",
            Reason::DatabaseNotFound => ": correct the database's name in the Secret",
            Reason::DatabaseUnreachable => {
                ": look whether host and port are right and can be reached from here"
            }
            Reason::PrivilegeMissing => ": run what `auth-consistency grants` prints",
            Reason::TooManyConnections => {
                ": all connections that the server, the database or the role may have are taken; close idle ones, \
                 give the app a smaller pool, or raise the limit"
            }
            _ => "",
        };
        Fault { reason, condition, class, message: format!("{self}{advice}") }
    }

    fn classify(&self) -> (Reason, Class) {
        match self {
            // A name that is not found today may be found tomorrow; a host that is not allowed never is.
            Self::Host(refused) if !refused.is_forbidden() => (Reason::DatabaseUnreachable, Class::Transient),
            Self::Host(_) => (Reason::DatabaseHostNotAllowed, Class::Terminal),
            Self::Fenced => (Reason::Progressing, Class::Conflict),
            Self::ClaimLost(_) => (Reason::TargetClaimed, Class::Conflict),
            Self::Moved(_) => (Reason::RepairFailed, Class::Conflict),
            Self::Busy(_) => (Reason::RepairFailed, Class::Transient),
            Self::Rewritten(_) => (Reason::DatabaseError, Class::Transient),
            Self::TouchesMore(_) => (Reason::RepairTouchesMore, Class::Terminal),
            Self::Unsupported(_) => (Reason::RepairUnsupported, Class::Terminal),
            Self::Password(_) => (Reason::AdminPasswordUnusable, Class::Terminal),
            Self::Sql(error) => match error {
                sqlx::Error::Io(error) if of_tls(error) => (Reason::DatabaseTlsFailed, Class::Terminal),
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
                    (Reason::DatabaseUnreachable, Class::Transient)
                }
                sqlx::Error::Tls(_) => (Reason::DatabaseTlsFailed, Class::Terminal),
                sqlx::Error::Database(error) => {
                    let code = error.code().unwrap_or_default();
                    let reason = match code.as_ref() {
                        "28000" | "28P01" => Reason::DatabaseAuthenticationFailed,
                        "3D000" => Reason::DatabaseNotFound,
                        "42501" => Reason::PrivilegeMissing,
                        "53300" => Reason::TooManyConnections,
                        // PgBouncer's own words for the same.
                        "08P01" if error.message().starts_with("no more connections allowed") => {
                            Reason::TooManyConnections
                        }
                        "25006" => Reason::DatabaseReadOnly,
                        "57P01" | "57P02" | "57P03" => Reason::DatabaseUnreachable,
                        code if code.starts_with("08") || code.starts_with("53") => {
                            Reason::DatabaseUnreachable
                        }
                        _ => Reason::DatabaseError,
                    };
                    let class = match reason {
                        Reason::TooManyConnections => Class::Transient,
                        _ => of_sqlstate(&code),
                    };
                    (reason, class)
                }
                _ => (Reason::InternalError, Class::Bug),
            },
        }
    }
}

/// The database's own message with its code and the names of what is concerned.
///
/// DETAIL and HINT are left out: PostgreSQL repeats whole rows there, password hashes included.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => {
            let Some(postgres) = database.try_downcast_ref::<PgDatabaseError>() else {
                return "the database answered with an error".into();
            };
            let mut text = format!("the database says: {} (SQLSTATE {})", safe(postgres), postgres.code());
            if let Some(constraint) = postgres.constraint() {
                text.push_str(&format!(", constraint {constraint:?}"));
            }
            text
        }
        sqlx::Error::Io(error) if of_tls(error) => format!("the encrypted connection failed: {error}"),
        sqlx::Error::Io(error) => format!("no connection to the database: {error}"),
        sqlx::Error::Tls(error) => format!("the encrypted connection failed: {error}"),
        sqlx::Error::Protocol(text) if text.contains("unexpected response") || text.contains("EOF") => {
            "no connection to the database: what answers there does not speak PostgreSQL's protocol".into()
        }
        sqlx::Error::Protocol(_) => "no connection to the database: it was broken off".into(),
        other => format!("the database's answer could not be read: {other}"),
    }
}

/// What goes wrong in the handshake itself comes wrapped as a failure of the socket.
fn of_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Messages of class 22 repeat the value that did not fit, and those that an app raises itself may
/// repeat anything.
fn safe(error: &PgDatabaseError) -> String {
    if error.code().starts_with("P0") {
        return "a trigger or function of the app refused it".to_owned();
    }
    if error.code().starts_with("22") {
        match error.message().split_once(':') {
            Some((what, _)) => return what.to_owned(),
            None => return "a value does not fit its type".to_owned(),
        }
    }
    error.message().to_owned()
}
