//! What the database answered, without the values that it likes to repeat.

use crate::{
    api::condition::{ConditionType, Reason},
    domain::{
        fault::{Class, Fault, USERS_UNUSABLE},
        text::clip,
    },
    engine::{
        EngineError, ErrorKind,
        keeping::NoRoom,
        postgres::session::refusal::{Refusal, names::Thing},
    },
    network::HostRefused,
    passwords,
};

use std::time::Duration;

use sqlx::{PgConnection, postgres::PgDatabaseError};

use super::{refusal, wire};

/// Characters of what a socket or the encryption says: a certificate names as many hosts as it likes.
const MOST: usize = 300;

/// How long the names of what was refused are looked for.
const NAMES: Duration = Duration::from_secs(10);

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The operator's flags do not allow the host.
    #[error("{0}")]
    Host(#[from] HostRefused),
    /// The database or the way to it.
    #[error("{}", plain(.0))]
    Sql(#[from] sqlx::Error),
    /// The same, with names that the catalog has.
    #[error("{}{names}", plain(.error))]
    Named {
        /// What the database said.
        error: sqlx::Error,
        /// What is concerned, to stand behind it.
        names: String,
    },
    /// The server let nobody in.
    #[error("{}", .0.what)]
    Refused(Box<Refusal>),
    /// Another run has the fence; nothing was done.
    #[error("another run repairs this user table just now")]
    Fenced,
    /// Another run has been at work since the look that this one rests on; nothing was done.
    #[error(
        "another run has been at work since this was looked at, so nothing was done, and it is looked at again"
    )]
    Overtaken,
    /// The claim or its epoch is another one than at the start; nothing was done.
    #[error("{0}")]
    ClaimLost(String),
    /// The world is not what the plan says; nothing of this step was done.
    #[error("{0}")]
    PlanStale(String),
    /// There is no such run, row or identity, or more than one that could be meant.
    #[error("{0}")]
    NotFound(String),
    /// A calculation of our own did not come to its end.
    #[error("{0}")]
    Interrupted(String),
    /// What was handed in is another engine's: a mistake of ours.
    #[error("{0} is not of this engine")]
    Mistaken(&'static str),
    /// A table was rewritten between the snapshot and the look at it.
    #[error("the table {0} was truncated or rewritten while it was looked at, so what was seen says nothing")]
    Rewritten(String),
    /// Others are at work and the repair gave way; the next pass goes on.
    #[error("{0}")]
    Busy(String),
    /// The transaction touched more than the plan says; nothing of it was done.
    #[error("{0}")]
    TouchesMore(String),
    /// The transaction wrote to the catalog; nothing of it was done. What it is about may have got its name on the way.
    #[error("{}", alters(*.thing, None, end))]
    Alters {
        /// What it is about.
        thing: Thing,
        /// What ends it.
        end: &'static str,
    },
    /// Code of a role that is not the app would run, and no rule says that it may.
    #[error("{0}")]
    ForeignOwner(String),
    /// Our own schema is not ours.
    #[error("nothing is written or put back, since {0}")]
    LedgerUntrusted(String),
    /// The schema is not what this statement needs.
    #[error("{0}")]
    Unsupported(String),
    /// The user table is not there, or cannot be used.
    #[error("{0}")]
    UserTable(String),
    /// Ids of the user table do not tell accounts apart.
    #[error("{0}")]
    NotUnique(String),
    /// No hash is made, since nobody can tell what the app reads, or the accounts contradict the spec.
    #[error("{1}")]
    HashRefused(Reason, String),
    /// A password could not be hashed.
    #[error("the admin's password cannot be stored: {0}")]
    Password(#[from] passwords::PasswordError),
}

/// The driver reads answers into what is kept, so that it is the driver's error too.
impl From<NoRoom> for sqlx::Error {
    fn from(full: NoRoom) -> Self {
        Self::Io(std::io::Error::other(match full {
            NoRoom::One => wire::Broken::Catalog,
            NoRoom::Others => wire::Broken::Catalogs,
        }))
    }
}

impl DatabaseError {
    /// Whether the server sent more than is read of any.
    fn is_too_much(&self) -> bool {
        match self.sql() {
            Some(sqlx::Error::Io(error)) => {
                error.get_ref().is_some_and(|inner| inner.is::<wire::Broken>())
                    && !foreign(&error.to_string())
            }
            Some(error) => Self::is_refusal(error) && !foreign(&plain(error)),
            None => false,
        }
    }

    /// Whether there was no room beside what others send.
    fn is_crowded(&self) -> bool {
        let told = [wire::CROWDED, wire::CATALOGS_CROWDED];
        self.is_too_much()
            && self.sql().is_some_and(|error| told.iter().any(|words| plain(error).contains(words)))
    }

    /// Whether it is the relay that read nothing more from the server.
    pub(in crate::engine::postgres) fn is_refusal(error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| code == wire::REFUSED))
    }

    /// Whether a statement was ended since it took too long, or since somebody said so.
    pub fn is_timeout(&self) -> bool {
        self.sqlstate().as_deref() == Some("57014")
    }

    /// The SQLSTATE, where the database answered with one.
    pub fn sqlstate(&self) -> Option<String> {
        if let Self::Refused(refusal) = self {
            return Some(refusal.sqlstate.clone());
        }
        match self.sql() {
            Some(sqlx::Error::Database(error)) => error.code().map(Into::into),
            _ => None,
        }
    }

    fn sql(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Sql(error) | Self::Named { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The same with the names of what is concerned, where the catalog has them: the server tells those of whatever a
    /// function made under a name of its choice, too. What failed must have been taken back by now.
    pub async fn with_names(self, connection: &mut PgConnection) -> Self {
        let error = match self {
            Self::Sql(error) => error,
            Self::Alters { thing, end } => {
                let called = tokio::time::timeout(NAMES, refusal::called(connection, thing)).await;
                let called = called.ok().and_then(Result::ok).flatten();
                return Self::TouchesMore(alters(thing, called.as_deref(), end));
            }
            other => return other,
        };
        let names = match &error {
            sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
                // Whoever cannot be asked has no names for it.
                Some(database) => tokio::time::timeout(NAMES, refusal::names(connection, database))
                    .await
                    .map_or_else(|_| String::new(), Result::unwrap_or_default),
                None => String::new(),
            },
            _ => String::new(),
        };
        if names.is_empty() { Self::Sql(error) } else { Self::Named { error, names } }
    }

    /// The failure as a stage shows it.
    pub fn fault(&self) -> Fault {
        let (reason, class) = self.classify();
        let (own, odd) = self.refused();
        if let Some(own) = own {
            let message = format!("{self}: {own}{odd}");
            return Fault { reason, condition: ConditionType::DatabaseReachable, class, message };
        }
        let condition = match reason {
            Reason::PrivilegeMissing
            | Reason::TargetClaimed
            | Reason::LedgerUntrusted
            | Reason::IdNotUnique
            | Reason::UserTableMissing
            | Reason::RepairUnsupported => ConditionType::SchemaCompatible,
            Reason::AdminPasswordUnusable
            | Reason::PasswordHashContradicted
            | Reason::PasswordHashUnclear => ConditionType::AdminConsistent,
            _ => ConditionType::DatabaseReachable,
        };
        let advice = match reason {
            Reason::DatabaseAuthenticationFailed => ": correct user name and password in the Secret",
            Reason::DatabaseTlsFailed => ": correct spec.database.tls, or the server's certificate",
            Reason::DatabaseNotFound => ": correct the database's name in the Secret",
            Reason::DatabaseUnreachable => {
                ": look whether host and port are right and can be reached from here"
            }
            Reason::DatabaseBusy => {
                ": another session holds what is to be looked at, so wait until it ends, or end it"
            }
            Reason::DatabaseError if self.is_crowded() => {
                ": it is looked at again by itself, so look at the resources whose databases answer so much"
            }
            Reason::DatabaseError if self.is_too_much() => {
                ": look whether it is the database that is meant, and what in it is so large"
            }
            Reason::PrivilegeMissing => ": run what `auth-consistency grants` prints",
            Reason::TooManyConnections => {
                ": all connections that the server, the database or the role may have are taken; close idle ones, \
                 give the app a smaller pool, or raise the limit"
            }
            _ => "",
        };
        Fault { reason, condition, class, message: format!("{self}{advice}{odd}") }
    }

    /// What ends a sign-in's refusal, where that is its own, and what is odd about what was signed in with.
    pub fn refused(&self) -> (Option<&str>, &str) {
        match self {
            Self::Refused(refusal) => (refusal.advice.as_deref(), &refusal.odd),
            _ => (None, ""),
        }
    }

    /// The failure as it goes over the line of the engine.
    pub(in crate::engine::postgres) fn over_the_line(self) -> EngineError {
        let (kind, message, fault) = (self.kind(), self.to_string(), self.fault());
        let error = EngineError::new(kind, message, fault);
        let (advice, odd) = self.refused();
        let error = error.of_sign_in(advice, odd);
        error.with_own(Box::new(self))
    }

    fn kind(&self) -> ErrorKind {
        let (reason, class) = self.classify();
        match self {
            Self::Host(_) | Self::Refused(_) => ErrorKind::Unavailable,
            Self::Fenced | Self::Overtaken => ErrorKind::Fenced,
            Self::ClaimLost(_) => ErrorKind::ClaimLost,
            Self::PlanStale(_) => ErrorKind::PlanStale,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Interrupted(_) => ErrorKind::Interrupted,
            Self::Mistaken(_) => ErrorKind::Bug,
            Self::Busy(_) | Self::Rewritten(_) => ErrorKind::Transient,
            Self::TouchesMore(_) | Self::Alters { .. } => ErrorKind::TouchedMore,
            Self::LedgerUntrusted(_) => ErrorKind::LedgerUntrusted,
            Self::UserTable(_) => ErrorKind::UserTable,
            Self::ForeignOwner(_)
            | Self::Unsupported(_)
            | Self::NotUnique(_)
            | Self::HashRefused(..)
            | Self::Password(_) => ErrorKind::Refused,
            Self::Sql(_) | Self::Named { .. } => {
                let state = self.sqlstate();
                match state.as_deref() {
                    Some("57014") => ErrorKind::Timeout,
                    Some("55P03" | "40P01" | "40001") => ErrorKind::LockContention,
                    None if class == Class::Bug => ErrorKind::Bug,
                    None => ErrorKind::Unavailable,
                    Some(state) => match (reason, class) {
                        (Reason::DatabaseReadOnly, _) => ErrorKind::ReadOnly,
                        (Reason::DatabaseAuthenticationFailed | Reason::DatabaseNotFound, _) => {
                            ErrorKind::Unavailable
                        }
                        (_, Class::Bug) => ErrorKind::Bug,
                        (Reason::PrivilegeMissing, Class::Terminal) => ErrorKind::Privilege,
                        // PostgreSQL 15 manual, appendix A, class 23: integrity constraint violation.
                        (_, Class::Terminal) if state.starts_with("23") => ErrorKind::Constraint,
                        (_, Class::Terminal) => ErrorKind::Refused,
                        _ => ErrorKind::Transient,
                    },
                }
            }
        }
    }

    fn classify(&self) -> (Reason, Class) {
        match self {
            // A name that is not found today may be found tomorrow; a host that is not allowed never is.
            Self::Host(refused) if !refused.is_forbidden() => (Reason::DatabaseUnreachable, Class::Transient),
            Self::Host(_) => (Reason::DatabaseHostNotAllowed, Class::Terminal),
            Self::Refused(refusal) => (refusal.reason, refusal.class),
            Self::Fenced | Self::Overtaken => (Reason::Progressing, Class::Conflict),
            Self::ClaimLost(_) => (Reason::TargetClaimed, Class::Conflict),
            Self::PlanStale(_) | Self::NotFound(_) | Self::Interrupted(_) => {
                (Reason::RepairFailed, Class::Conflict)
            }
            Self::Mistaken(_) => (Reason::InternalError, Class::Bug),
            Self::Busy(_) => (Reason::RepairFailed, Class::Transient),
            Self::Rewritten(_) => (Reason::DatabaseError, Class::Transient),
            Self::TouchesMore(_) | Self::Alters { .. } => (Reason::RepairTouchesMore, Class::Terminal),
            Self::ForeignOwner(_) => (Reason::ForeignOwner, Class::Terminal),
            Self::LedgerUntrusted(_) => (Reason::LedgerUntrusted, Class::Terminal),
            Self::Unsupported(_) => (Reason::RepairUnsupported, Class::Terminal),
            Self::UserTable(_) => (Reason::UserTableMissing, Class::Terminal),
            Self::NotUnique(_) => (Reason::IdNotUnique, Class::Terminal),
            Self::HashRefused(reason, _) => (*reason, Class::Terminal),
            Self::Password(_) => (Reason::AdminPasswordUnusable, Class::Terminal),
            Self::Sql(_) | Self::Named { .. } if self.is_too_much() => {
                (Reason::DatabaseError, Class::Transient)
            }
            Self::Sql(error) | Self::Named { error, .. } => match error {
                sqlx::Error::Io(error) if of_tls(error) => (Reason::DatabaseTlsFailed, Class::Terminal),
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
                    (Reason::DatabaseUnreachable, Class::Transient)
                }
                sqlx::Error::Tls(_) => (Reason::DatabaseTlsFailed, Class::Terminal),
                // Of the driver alone, where there is no relay: what SASLprep refuses.
                sqlx::Error::Configuration(_) => (Reason::DatabaseAuthenticationFailed, Class::Terminal),
                sqlx::Error::BeginFailed => (Reason::DatabaseError, Class::Transient),
                sqlx::Error::Database(error) => {
                    let code = error.code().unwrap_or_default();
                    let postgres = error.try_downcast_ref::<PgDatabaseError>();
                    let reason = match code.as_ref() {
                        // What a function raises is no word of the server about user, rights or database.
                        "28000" | "28P01" | "3D000" | "42501" | "53300" | "25006"
                            if postgres.is_some_and(refusal::is_raised) =>
                        {
                            Reason::DatabaseError
                        }
                        "28000" | "28P01" => Reason::DatabaseAuthenticationFailed,
                        "3D000" => Reason::DatabaseNotFound,
                        "42501" => Reason::PrivilegeMissing,
                        "53300" => Reason::TooManyConnections,
                        // PgBouncer's own words for the same.
                        "08P01" if postgres.is_some_and(refusal::is_full) => Reason::TooManyConnections,
                        "25006" => Reason::DatabaseReadOnly,
                        "40001" | "40P01" | "55P03" => Reason::DatabaseBusy,
                        // The server ended the session.
                        "57P01" | "57P02" | "57P03" | "25P03" => Reason::DatabaseUnreachable,
                        code if code.starts_with("08") || code.starts_with("53") => {
                            Reason::DatabaseUnreachable
                        }
                        _ => Reason::DatabaseError,
                    };
                    let class = match reason {
                        Reason::TooManyConnections => Class::Transient,
                        Reason::DatabaseError if code.as_ref() == "53300" => Class::Terminal,
                        _ => of_sqlstate(&code),
                    };
                    (reason, class)
                }
                _ => (Reason::InternalError, Class::Bug),
            },
        }
    }
}

/// That something was altered, by what it was called before.
fn alters(thing: Thing, called: Option<&str>, end: &str) -> String {
    let called = called.map(|name| format!("{name}, ")).unwrap_or_default();
    format!(
        "a trigger or rule would have created, altered or granted what is not temporary ({called}in {}): {end}",
        thing.catalog
    )
}

/// What went wrong, in our own words: what the server or the driver says may hold a row or a secret.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            // The relay's words, and no server's.
            Some(error) if error.code() == wire::REFUSED => refused(error.message()),
            Some(error) => refusal::told(error),
            None => "the database answered with an error".into(),
        },
        sqlx::Error::Io(error) if of_tls(error) => {
            format!("the encrypted connection failed: {}", clip(&error.to_string(), MOST))
        }
        sqlx::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<wire::Broken>()) => {
            refused(&error.to_string())
        }
        sqlx::Error::Io(error) => {
            format!("no connection to the database: {}", clip(&error.to_string(), MOST))
        }
        // Of its own words the driver repeats a certificate whole.
        sqlx::Error::Tls(error) if error.is::<rustls::Error>() => {
            format!("the encrypted connection failed: {}", clip(&error.to_string(), MOST))
        }
        sqlx::Error::Tls(error) => {
            let no_tls = error.to_string().contains("does not support TLS");
            let why =
                if no_tls { "the server does not support TLS" } else { "the certificates cannot be used" };
            format!("the encrypted connection failed: {why}")
        }
        sqlx::Error::Protocol(text) if text.contains("unexpected response") || text.contains("EOF") => {
            "no connection to the database: what answers there does not speak PostgreSQL's protocol".into()
        }
        sqlx::Error::Protocol(_) => "no connection to the database: it was broken off".into(),
        sqlx::Error::BeginFailed => {
            "what answers there says that it began a transaction, and began none".into()
        }
        sqlx::Error::Configuration(_) => {
            "the user name or the password has a character that cannot be sent from this system (RFC 4013 prohibits it)".into()
        }
        // The driver repeats names and values that it could not read.
        _ => "the database's answer could not be read".into(),
    }
}

/// Why nothing more is read: from what is no PostgreSQL there never was a connection.
fn refused(why: &str) -> String {
    if foreign(why) { format!("no connection to the database: {why}") } else { why.to_owned() }
}

fn foreign(why: &str) -> bool {
    why.contains(wire::FOREIGN)
}

/// What goes wrong in the handshake itself comes wrapped as a failure of the socket.
fn of_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Classes an SQLSTATE (PostgreSQL 15 manual, appendix A) by its code.
pub fn of_sqlstate(code: &str) -> Class {
    match code {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Class::Conflict,
        // Statement timeout or cancel, and everything about connections, resources and shutdown.
        "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Class::Transient,
        _ => match code.get(..2) {
            Some("08" | "53" | "58" | "XX") => Class::Transient,
            // Syntax errors in SQL that we wrote; names and rights are a person's.
            Some("42") => match code {
                "42601" | "42P02" | "42P18" => Class::Bug,
                _ => Class::Terminal,
            },
            Some("25") if code == "25006" => Class::Terminal,
            Some("25" | "26" | "34") => Class::Bug,
            _ => Class::Terminal,
        },
    }
}

/// Nothing can be asked of the user table; what is wrong with it is a finding of a check.
pub(in crate::engine::postgres) fn unusable_users() -> DatabaseError {
    DatabaseError::UserTable(USERS_UNUSABLE.into())
}

/// The spec does not name the account any more.
pub(in crate::engine::postgres) fn gone() -> DatabaseError {
    DatabaseError::PlanStale("the spec names no such account any more".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_beside_others_passes_by_itself_and_is_not_told_as_a_catalog_that_is_too_large() {
        let told = |full: NoRoom| DatabaseError::from(sqlx::Error::from(full)).fault();
        let (large, crowded) = (told(NoRoom::One), told(NoRoom::Others));
        assert!(
            large.message.contains("than is kept of one look: look whether it is the database"),
            "{}",
            large.message
        );
        assert!(crowded.message.contains("at the same time"), "{}", crowded.message);
        assert!(crowded.message.contains(": it is looked at again by itself"), "{}", crowded.message);
        assert_eq!((crowded.reason, crowded.class), (Reason::DatabaseError, Class::Transient));
    }

    #[test]
    fn sqlstates_are_classed_by_what_helps() {
        for (code, class) in [
            ("40001", Class::Conflict),
            ("40P01", Class::Conflict),
            ("55P03", Class::Conflict),
            ("57014", Class::Transient),
            ("57P01", Class::Transient),
            ("08006", Class::Transient),
            ("53300", Class::Transient),
            ("28P01", Class::Terminal),
            ("3D000", Class::Terminal),
            ("42501", Class::Terminal),
            ("42P01", Class::Terminal),
            ("42601", Class::Bug),
            ("23502", Class::Terminal),
            ("23505", Class::Terminal),
            ("25006", Class::Terminal),
            ("25P02", Class::Bug),
            ("25P03", Class::Transient),
            ("", Class::Terminal),
        ] {
            assert_eq!(of_sqlstate(code), class, "{code}");
        }
    }
}
