//! Why a server lets nobody in, told as what it is and with what ends it.
//!
//! The server's own text is not repeated, and may be in any language. SQLSTATE, source file and routine are the same in
//! all of them, and before a session has begun no function of anybody's can have raised them. Where one routine says
//! several things by one SQLSTATE, its English text tells them apart, and other languages are told all of them.
//!
//! Who somebody is, is repeated only where the server has taken the password: else the user name may be something else
//! that was stored in its place.

use crate::{
    api::{condition::Reason, shared::TlsMode},
    domain::{
        diagnose::connection::{beside, unknown_name},
        fault::Class,
        sql_name::sql_name,
        target::Database,
    },
    engine::postgres::session::refusal::Refusal,
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
    use Class::{Terminal, Transient};
    use Reason as R;
    let (code, text) = (answer.code(), answer.message());
    let Some(routine) = answer.routine() else { return pooler(answer, database) };
    let (user, name) = (sql_name(&database.connection.user), sql_name(&database.connection.database));
    let run = |who: &str, statement: String| Some(format!("let {who} run `{statement}`"));
    let raised =
        |limit: &str| Some(format!("close idle ones, give the app a smaller pool, or raise {limit}"));
    let line = |advice: &str| match database.tls {
        TlsMode::Disable => Some(format!(
            "{advice}, or encrypt the connection by spec.database.tls where its lines ask for that"
        )),
        _ => Some(advice.to_owned()),
    };
    let encrypted = if database.tls == TlsMode::Disable { "without" } else { "with" };
    let (reason, class, what, advice) = match (code, routine) {
        ("28P01", _) => (
            R::DatabaseAuthenticationFailed,
            Terminal,
            "the password is wrong or has expired (VALID UNTIL), or there is no such user".into(),
            None,
        ),
        ("28000", "InitializeSessionUserId") if text.ends_with("is not permitted to log in") => (
            R::DatabaseAuthenticationFailed,
            Terminal,
            format!("the role {user} may not log in"),
            run("a superuser, or who may change that role,", format!("ALTER ROLE {user} LOGIN")),
        ),
        ("28000", "InitializeSessionUserId") => {
            let or = if text.ends_with("does not exist") { "" } else { ", or it may not log in" };
            (
                R::DatabaseAuthenticationFailed,
                Terminal,
                format!("there is no such role{or}"),
                Some("correct the user name in the Secret, or make the role".into()),
            )
        }
        ("28000", "ClientAuthentication") if text.starts_with("pg_hba.conf rejects") => (
            R::DatabaseAuthenticationFailed,
            Terminal,
            format!(
                "a line in pg_hba.conf of the server rejects this user, database and address {encrypted} encryption"
            ),
            line("have whoever runs the server look which one it is"),
        ),
        ("28000", "ClientAuthentication") if text.starts_with("no pg_hba.conf entry") => (
            R::DatabaseAuthenticationFailed,
            Terminal,
            format!(
                "pg_hba.conf of the server has no line for this user, database and address {encrypted} encryption"
            ),
            line("have one added there"),
        ),
        ("28000", "ClientAuthentication") => (
            R::DatabaseAuthenticationFailed,
            Terminal,
            format!(
                "pg_hba.conf of the server lets nobody in as this user, to this database, from this address, {encrypted} encryption and without a certificate of the client's"
            ),
            line("have a line added there that asks for a password"),
        ),
        ("28000", "auth_failed") => (
            R::DatabaseAuthenticationFailed,
            Terminal,
            "the way of signing in that pg_hba.conf of the server names for this user, which is none by a password of the server's own, refused it".into(),
            Some("have a line added there for it with the method scram-sha-256".into()),
        ),
        ("42501", "CheckMyDatabase") => (
            R::PrivilegeMissing,
            Terminal,
            format!("the role {user} may not connect to the database {name}"),
            run(
                "the owner of the database or a superuser",
                format!("GRANT CONNECT ON DATABASE {name} TO {user}"),
            ),
        ),
        ("55000", "CheckMyDatabase") => (
            R::DatabaseUnreachable,
            Transient,
            format!("the database {name} takes no connections now (ALLOW_CONNECTIONS is false)"),
            run(
                "its owner or a superuser, in another database,",
                format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
            )
            .map(|advice| format!("wait until who had a reason for it is done, or {advice}")),
        ),
        ("55000", "InitPostgres") => (
            R::DatabaseUnreachable,
            Terminal,
            format!("of the database {name} only what a DROP DATABASE that was interrupted has left is there"),
            Some("have it dropped to the end, and restore it".into()),
        ),
        ("3D000", _) => (
            R::DatabaseNotFound,
            Terminal,
            unknown_name(&database.connection.database),
            Some(format!("correct {}", database.named_in)),
        ),
        ("53300", "InitializeSessionUserId") => (
            R::TooManyConnections,
            Transient,
            format!("all connections that the role {user} may have are taken (its CONNECTION LIMIT)"),
            raised(&format!("the limit: `ALTER ROLE {user} CONNECTION LIMIT 20`")),
        ),
        ("53300", "CheckMyDatabase") => (
            R::TooManyConnections,
            Transient,
            format!("all connections that the database {name} may have are taken (its CONNECTION LIMIT)"),
            raised(&format!("the limit: `ALTER DATABASE {name} CONNECTION LIMIT 100`")),
        ),
        ("53300", "InitPostgres") => (
            R::TooManyConnections,
            Transient,
            "the connections that are left are reserved for superusers (superuser_reserved_connections) or for other roles (reserved_connections)".into(),
            raised("max_connections, which takes a restart"),
        ),
        ("53300", _) => (
            R::TooManyConnections,
            Transient,
            "all connections of the server are taken (max_connections)".into(),
            raised("max_connections, which takes a restart"),
        ),
        _ => return None,
    };
    let credentials = reason == R::DatabaseAuthenticationFailed || reason == R::DatabaseNotFound;
    Some(Refusal {
        reason,
        class,
        what: format!("the database says: {what} (SQLSTATE {code})"),
        advice,
        odd: if credentials { beside(&database.odd) } else { String::new() },
        sqlstate: code.to_owned(),
    })
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
