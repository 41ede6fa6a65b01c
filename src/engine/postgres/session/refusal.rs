//! What the server refused, in our own words. Its own text may be anybody's: whoever owns a function, a
//! trigger, a view or a check decides what stands in it, and what stands in it ends in a status that more people
//! read than may read the row.
//!
//! A message, DETAIL, HINT and CONTEXT are never repeated. Names of a table, a column or a constraint are, where the
//! server itself put them there and the catalog has them: an error that a function raises can be given any of them
//! (`RAISE ... USING CONSTRAINT = ...`), but not the source file that raised it; and a function can give something the
//! name that it wants told, but that name is gone with the transaction that failed. So it is with what a right is
//! missing on. What our own statement is about and is not there stands in the statement, where we wrote it.

pub(in crate::engine::postgres) mod names;

use crate::{
    api::condition::Reason,
    domain::{fault::Class, text::clip},
};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

pub(in crate::engine::postgres) use names::{called, names};

/// Under which the driver writes what a server says beside its answers (`RAISE WARNING`, `RAISE INFO`).
pub const NOTICES: &str = "sqlx::postgres::notice";

/// Every SQLSTATE that PostgreSQL has (its errcodes.txt, versions 14 to 18): a function may raise five letters of
/// its own choice, and those are not repeated.
const CODES: &str = "00000 01000 01003 01004 01006 01007 01008 0100C 01P01 02000 02001 03000 08000 08001 08003 \
    08004 08006 08007 08P01 09000 0A000 0B000 0F000 0F001 0L000 0LP01 0P000 0Z000 0Z002 20000 \
    21000 22000 22001 22002 22003 22004 22005 22007 22008 22009 2200B 2200C 2200D 2200F 2200G \
    2200H 2200L 2200M 2200N 2200S 2200T 22010 22011 22012 22013 22014 22015 22016 22018 22019 \
    2201B 2201E 2201F 2201G 2201W 2201X 22021 22022 22023 22024 22025 22026 22027 2202E 2202G \
    2202H 22030 22031 22032 22033 22034 22035 22036 22037 22038 22039 2203A 2203B 2203C 2203D \
    2203E 2203F 2203G 22P01 22P02 22P03 22P04 22P05 22P06 23000 23001 23502 23503 23505 23514 \
    23P01 24000 25000 25001 25002 25003 25004 25005 25006 25007 25008 25P01 25P02 25P03 25P04 \
    26000 27000 28000 28P01 2B000 2BP01 2D000 2F000 2F002 2F003 2F004 2F005 34000 38000 38001 \
    38002 38003 38004 39000 39001 39004 39P01 39P02 39P03 3B000 3B001 3D000 3F000 40000 40001 \
    40002 40003 40P01 42000 42501 42601 42602 42611 42622 42701 42702 42703 42704 42710 42712 \
    42723 42725 42803 42804 42809 42830 42846 42883 428C9 42939 42P01 42P02 42P03 42P04 42P05 \
    42P06 42P07 42P08 42P09 42P10 42P11 42P12 42P13 42P14 42P15 42P16 42P17 42P18 42P19 42P20 \
    42P21 42P22 44000 53000 53100 53200 53300 53400 54000 54001 54011 54023 55000 55006 55P02 \
    55P03 55P04 57000 57014 57P01 57P02 57P03 57P04 57P05 58000 58030 58P01 58P02 72000 F0000 \
    F0001 HV000 HV001 HV002 HV004 HV005 HV006 HV007 HV008 HV009 HV00A HV00B HV00C HV00D HV00J \
    HV00K HV00L HV00M HV00N HV00P HV00Q HV00R HV010 HV014 HV021 HV024 HV090 HV091 P0000 P0001 \
    P0002 P0003 P0004 XX000 XX001 XX002";

/// Messages whose every word is the server's or our own statement's, by SQLSTATE; the statement has been parsed. A cast
/// of a row's value to `regclass` says 42P01, too, from another file, with the value in it.
const PLAIN: [&str; 2] = ["42P01", "42703"];

/// How PgBouncer says that it has no place left.
const FULL: &str = "no more connections allowed";

/// What poolers say that stand before the server: they have no source file, and no row.
const POOLERS: [(&str, &str); 8] = [
    (FULL, "the pooler has no place for another connection (max_client_conn)"),
    (
        "Tenant or user not found",
        "the pooler knows no such tenant or user: a shared pooler wants the user name with the project's reference \
         behind it",
    ),
    ("no such database", "the pooler knows no such database"),
    ("no such user", "the pooler knows no such user"),
    ("SASL authentication failed", "the pooler refuses the password, or knows no such user"),
    ("password authentication failed", "the pooler refuses the password, or knows no such user"),
    ("query_wait_timeout", "the pooler had no free connection to the server in time"),
    ("server login has been failing", "the pooler cannot sign in to the server behind it"),
];

/// Whether it is PgBouncer's way to say that all connections are taken.
pub(in crate::engine::postgres) fn is_full(error: &PgDatabaseError) -> bool {
    error.message().starts_with(FULL)
}

/// What was refused, with its SQLSTATE.
pub(in crate::engine::postgres) fn told(error: &PgDatabaseError) -> String {
    let code = error.code();
    let known = code.len() == 5 && CODES.split(' ').any(|one| one == code);
    let shown = if known { code } else { "none of PostgreSQL's" };
    format!("the database says: {} (SQLSTATE {shown})", words(error))
}

fn words(error: &PgDatabaseError) -> String {
    let (code, file) = (error.code(), error.file());
    if code.starts_with("P0") || is_raised(error) {
        return "a trigger or function of the app refused it".into();
    }
    if is_of_rights(error) {
        return names::denied(error).unwrap_or_else(|| ours(code).into());
    }
    let plain = file == Some("parse_relation.c") && PLAIN.contains(&code);
    // A statement within ours, of what runs a text that it makes of values, has a position of its own.
    let of_ours = matches!(error.position(), Some(PgErrorPosition::Original(_)));
    if plain && error.r#where().is_none() && of_ours {
        return clip(error.message(), 300);
    }
    let pooler = POOLERS.iter().find(|(begins, _)| file.is_none() && error.message().starts_with(begins));
    pooler.map_or_else(|| ours(code), |(_, words)| words).into()
}

/// Whether the server itself says what a right is missing on. What that is called may have been made up on the way, by
/// whoever may make or rename something while our statement runs.
fn is_of_rights(error: &PgDatabaseError) -> bool {
    error.code() == "42501" && matches!(error.file(), Some("aclchk.c" | "rls.c")) && error.r#where().is_none()
}

/// Whether it was raised on purpose, by `RAISE` of PL/pgSQL: what SQLSTATE it has is then the function's choice.
pub(in crate::engine::postgres) fn is_raised(error: &PgDatabaseError) -> bool {
    error.file() == Some("pl_exec.c") && error.routine() == Some("exec_stmt_raise")
}

/// Our own words for an SQLSTATE, and for its class where there are none.
fn ours(code: &str) -> &'static str {
    match code {
        "08P01" => "the two sides do not understand each other's protocol",
        "0A000" => "it does not support this",
        "22001" => "a value is too long for its type",
        "22003" => "a number is out of the range of its type",
        "22007" | "22008" => "a value is no date or time of its type",
        "22021" | "22P05" => "a text is not in the database's encoding",
        "22P02" | "22P03" => "a value is none of its type",
        "23502" => "a NULL stands where none may",
        "23503" => "a foreign key is violated",
        "23505" => "a value is there already that must be unique",
        "23514" => "a check is violated",
        "23P01" => "an exclusion constraint is violated",
        "23001" => "a row is still named by others",
        "25006" => "it is read-only, and writes nothing",
        "25P02" => "the transaction has failed before",
        "25P03" => "the session stood idle in a transaction for too long",
        "28000" => "it does not let this user in from here (pg_hba.conf), or there is no such role",
        "28P01" => "the password is wrong, or there is no such user",
        "3D000" => "there is no such database",
        "3F000" => "there is no such schema",
        "40001" => "another transaction changed the same rows",
        "40P01" => "two transactions waited for each other",
        "42501" => "the role may not do this",
        "42601" => "it cannot read the statement",
        "42703" => "there is no such column",
        "42704" => "there is no such object",
        "42710" | "42P07" => "something of that name is there already",
        "42804" => "types do not fit",
        "42846" => "a type cannot be made into another",
        "42883" => "there is no such function or operator",
        "42P01" => "there is no such table",
        "53100" => "its disk is full",
        "53200" => "it has no memory left",
        "53300" => "all connections are taken",
        "53400" => "a limit of its configuration is reached",
        "55000" => "the object is not in the state for this",
        "55006" => "the object is in use",
        "55P03" => "a lock could not be had in time",
        "57014" => "the statement took longer than it may, or somebody ended it",
        "57P01" => "an administrator ended the session",
        "57P02" => "the server crashed",
        "57P03" => "it is starting up or shutting down",
        "57P04" => "the database was dropped",
        "57P05" => "the session stood idle for too long",
        "58030" => "it could not read or write its disk",
        "XX001" | "XX002" => "data of its own is damaged",
        _ => match code.get(..2) {
            Some("08") => "the connection failed",
            Some("22") => "a value does not fit its type",
            Some("23") => "a constraint is violated",
            Some("25" | "2D" | "3B") => "the transaction is not in the state for this",
            Some("28") => "it does not let this user in",
            Some("38" | "39") => "a function of the app failed",
            Some("40") => "the transaction was taken back",
            Some("42") => "it does not take the statement",
            Some("53") => "it has not enough resources",
            Some("54") => "a limit of the server is exceeded",
            Some("55") => "the object is not in the state for this",
            Some("57") => "somebody intervened",
            Some("58") => "its system failed",
            Some("HV") => "a foreign table could not be asked",
            Some("XX") => "it failed in itself",
            _ => "it refused this",
        },
    }
}

/// What is wrong, and what to do.
#[derive(Debug)]
pub struct Refusal {
    pub(in crate::engine::postgres) reason: Reason,
    pub(in crate::engine::postgres) class: Class,
    /// What the server refused.
    pub(in crate::engine::postgres) what: String,
    /// What ends it; `None`: what always does where this is the reason.
    pub(in crate::engine::postgres) advice: Option<String>,
    /// What is odd about what somebody signs in with.
    pub(in crate::engine::postgres) odd: String,
    pub(in crate::engine::postgres) sqlstate: String,
}
