//! Variables of the process that say where a database is and whom to trust there, to every program that is linked
//! with libpq or reads what libpq does. The driver below reads them by itself, and some of them cannot be unsaid to
//! it: a certificate of the client, options of the session. What is reached and trusted here is what the resource
//! says, so the program starts without them.

use std::io;

/// What libpq reads (PostgreSQL 18, section "Environment Variables" of its manual), and the driver a part of.
const READ: [&str; 42] = [
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATABASE",
    "PGDATESTYLE",
    "PGGEQO",
    "PGGSSDELEGATION",
    "PGGSSENCMODE",
    "PGGSSLIB",
    "PGHOST",
    "PGHOSTADDR",
    "PGKRBSRVNAME",
    "PGLOADBALANCEHOSTS",
    "PGLOCALEDIR",
    "PGMAXPROTOCOLVERSION",
    "PGMINPROTOCOLVERSION",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLCERT",
    "PGSSLCERTMODE",
    "PGSSLCOMPRESSION",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLKEY",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGSSLSNI",
    "PGSYSCONFDIR",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGUSER",
];

/// Starts the program again without them, in the same process, where one of them is set.
///
/// # Errors
/// The program cannot be started again.
pub fn drop_database_variables() -> Result<(), String> {
    let Some(set) = READ.iter().find(|name| std::env::var_os(name).is_some()) else { return Ok(()) };
    // A process cannot safely change its own variables.
    let error = again();
    Err(format!("{set} is set, and the program cannot be started without it: unset it ({error})"))
}

#[cfg(unix)]
fn again() -> io::Error {
    use std::{os::unix::process::CommandExt as _, process::Command};

    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    // By its name the program tells whether it is a plugin of kubectl.
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    for name in READ {
        command.env_remove(name);
    }
    command.exec()
}

#[cfg(not(unix))]
fn again() -> io::Error {
    io::ErrorKind::Unsupported.into()
}
