//! Why a server lets nobody in, told as what it is and with what ends it.
//!
//! The server's own text is not repeated, and may be in any language. SQLSTATE, source file and routine are the same in
//! all of them, and before a session has begun no function of anybody's can have raised them. Where one routine says
//! several things by one SQLSTATE, its English text tells them apart, and other languages are told all of them.
//!
//! Who somebody is, is repeated only where the server has taken the password: else the user name may be something else
//! that was stored in its place.

use crate::{
    api::{
        condition::{Reason, Reason as R},
        shared::TlsMode,
    },
    domain::{
        diagnose::connection::{beside, unknown_name},
        fault::Class::{self, Terminal, Transient},
        target::Database,
    },
    engine::postgres::{session::refusal::Refusal, sql_name::sql_name},
};

use sqlx::postgres::PgDatabaseError;

use super::{error::DatabaseError, refusal};

/// The failure of a sign-in, with what the server's answer tells of it.
pub(in crate::engine::postgres) fn told(error: sqlx::Error, database: &Database) -> DatabaseError {
    let answer = match &error {
        sqlx::Error::Database(answer) => answer.try_downcast_ref::<PgDatabaseError>(),
        _ => None,
    };
    match answer.and_then(|answer| refused(answer, database)) {
        Some(refusal) => DatabaseError::Refused(Box::new(refusal)),
        None => DatabaseError::Sql(error),
    }
}

fn refused(answer: &PgDatabaseError, database: &Database) -> Option<Refusal> {
    let (code, text) = (answer.code(), answer.message());
    let Some(routine) = answer.routine() else { return pooler(answer, database) };
    let told = match code {
        "28P01" => Told::new(
            R::DatabaseAuthenticationFailed,
            Terminal,
            "the password is wrong or has expired (VALID UNTIL), or there is no such user",
            None,
        ),
        "28000" => not_let_in(routine, text, database)?,
        "42501" | "55000" | "3D000" => not_open(code, routine, database)?,
        "53300" => full(routine, database),
        _ => return None,
    };
    let credentials = told.reason == R::DatabaseAuthenticationFailed || told.reason == R::DatabaseNotFound;
    Some(Refusal {
        reason: told.reason,
        class: told.class,
        what: format!("the database says: {} (SQLSTATE {code})", told.what),
        advice: told.advice,
        odd: if credentials { beside(&database.odd) } else { String::new() },
        sqlstate: code.to_owned(),
    })
}

/// What a routine of the server means by its SQLSTATE.
struct Told {
    reason: Reason,
    class: Class,
    what: String,
    advice: Option<String>,
}

impl Told {
    fn new(reason: Reason, class: Class, what: impl Into<String>, advice: Option<String>) -> Self {
        Self { reason, class, what: what.into(), advice }
    }
}

fn let_run(who: &str, statement: String) -> Option<String> {
    Some(format!("let {who} run `{statement}`"))
}

/// The user is none that may sign in so.
fn not_let_in(routine: &str, text: &str, database: &Database) -> Option<Told> {
    let user = sql_name(&database.connection.user);
    let encrypted = if database.tls == TlsMode::Disable { "without" } else { "with" };
    let line = |advice: &str| match database.tls {
        TlsMode::Disable => Some(format!(
            "{advice}, or encrypt the connection by spec.database.tls where its lines ask for that"
        )),
        _ => Some(advice.to_owned()),
    };
    let (what, advice) = match routine {
        "InitializeSessionUserId" if text.ends_with("is not permitted to log in") => (
            format!("the role {user} may not log in"),
            let_run("a superuser, or who may change that role,", format!("ALTER ROLE {user} LOGIN")),
        ),
        "InitializeSessionUserId" => {
            let or = if text.ends_with("does not exist") { "" } else { ", or it may not log in" };
            (
                format!("there is no such role{or}"),
                Some("correct the user name in the Secret, or make the role".into()),
            )
        }
        "ClientAuthentication" if text.starts_with("pg_hba.conf rejects") => (
            format!(
                "a line in pg_hba.conf of the server rejects this user, database and address {encrypted} encryption"
            ),
            line("have whoever runs the server look which one it is"),
        ),
        "ClientAuthentication" if text.starts_with("no pg_hba.conf entry") => (
            format!(
                "pg_hba.conf of the server has no line for this user, database and address {encrypted} encryption"
            ),
            line("have one added there"),
        ),
        "ClientAuthentication" => (
            format!(
                "pg_hba.conf of the server lets nobody in as this user, to this database, from this address, {encrypted} encryption and without a certificate of the client's"
            ),
            line("have a line added there that asks for a password"),
        ),
        "auth_failed" => (
            "the way of signing in that pg_hba.conf of the server names for this user, which is none by a password of the server's own, refused it".into(),
            Some("have a line added there for it with the method scram-sha-256".into()),
        ),
        _ => return None,
    };
    Some(Told::new(R::DatabaseAuthenticationFailed, Terminal, what, advice))
}

/// The database lets nobody in, or not this role, or is not there.
fn not_open(code: &str, routine: &str, database: &Database) -> Option<Told> {
    let (user, name) = (sql_name(&database.connection.user), sql_name(&database.connection.database));
    Some(match (code, routine) {
        ("42501", "CheckMyDatabase") => Told::new(
            R::PrivilegeMissing,
            Terminal,
            format!("the role {user} may not connect to the database {name}"),
            let_run(
                "the owner of the database or a superuser",
                format!("GRANT CONNECT ON DATABASE {name} TO {user}"),
            ),
        ),
        ("55000", "CheckMyDatabase") => Told::new(
            R::DatabaseUnreachable,
            Transient,
            format!("the database {name} takes no connections now (ALLOW_CONNECTIONS is false)"),
            let_run(
                "its owner or a superuser, in another database,",
                format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
            )
            .map(|advice| format!("wait until who had a reason for it is done, or {advice}")),
        ),
        ("55000", "InitPostgres") => Told::new(
            R::DatabaseUnreachable,
            Terminal,
            format!(
                "of the database {name} only what a DROP DATABASE that was interrupted has left is there"
            ),
            Some("have it dropped to the end, and restore it".into()),
        ),
        ("3D000", _) => Told::new(
            R::DatabaseNotFound,
            Terminal,
            unknown_name(&database.connection.database),
            Some(format!("correct {}", database.named_in)),
        ),
        _ => return None,
    })
}

/// All connections are taken, of whom the routine says.
fn full(routine: &str, database: &Database) -> Told {
    let (user, name) = (sql_name(&database.connection.user), sql_name(&database.connection.database));
    let (what, limit) = match routine {
        "InitializeSessionUserId" => (
            format!("all connections that the role {user} may have are taken (its CONNECTION LIMIT)"),
            format!("the limit: `ALTER ROLE {user} CONNECTION LIMIT 20`"),
        ),
        "CheckMyDatabase" => (
            format!("all connections that the database {name} may have are taken (its CONNECTION LIMIT)"),
            format!("the limit: `ALTER DATABASE {name} CONNECTION LIMIT 100`"),
        ),
        "InitPostgres" => (
            "the connections that are left are reserved for superusers (superuser_reserved_connections) or for other roles (reserved_connections)".into(),
            "max_connections, which takes a restart".into(),
        ),
        _ => (
            "all connections of the server are taken (max_connections)".into(),
            "max_connections, which takes a restart".into(),
        ),
    };
    let advice = format!("close idle ones, give the app a smaller pool, or raise {limit}");
    Told::new(R::TooManyConnections, Transient, what, Some(advice))
}

/// Poolers have no routines, and words of their own.
fn pooler(answer: &PgDatabaseError, database: &Database) -> Option<Refusal> {
    let (code, text) = (answer.code(), answer.message());
    let says = |words: &[&str]| words.iter().any(|one| text.starts_with(one));
    let reason = match code {
        "28000" | "28P01" => Reason::DatabaseAuthenticationFailed,
        "3D000" => Reason::DatabaseNotFound,
        // PgBouncer's code for nearly everything, and Supavisor's.
        "08P01" | "XX000"
            if says(&[
                "SASL authentication failed",
                "password authentication failed",
                "no such user",
                "Tenant or user not found",
            ]) =>
        {
            Reason::DatabaseAuthenticationFailed
        }
        "08P01" if says(&["no such database"]) => Reason::DatabaseNotFound,
        _ => return None,
    };
    let (what, odd) = (refusal::told(answer), beside(&database.odd));
    Some(Refusal { reason, class: Class::Terminal, what, advice: None, odd, sqlstate: code.to_owned() })
}
