//! `session-reset-page`: the page of `run --session-reset-address` as files, for a web server of the app's own.

use std::path::PathBuf;

use clap::Args;

use super::output::{CliError, Exit, Output};
use crate::server::session_reset::{AppName, Cookie, PagePath, SessionReset, SignInPath};

/// What the page is told, by `run` and as files alike.
#[derive(Args, Clone, Debug)]
pub(super) struct PageFlags {
    /// Path of the session-reset page on the app's origin
    #[arg(
        long = "session-reset-path",
        value_name = "PATH",
        env = "AUTHCON_SESSION_RESET_PATH",
        default_value = "/session-reset"
    )]
    path: PagePath,
    /// Where the session-reset page sends people: a path on the app's origin
    #[arg(
        long = "session-reset-sign-in",
        value_name = "PATH",
        env = "AUTHCON_SESSION_RESET_SIGN_IN",
        default_value = "/"
    )]
    sign_in: SignInPath,
    /// Cookie that the session-reset page ends, with the path (else /) and domain (else none) that the app
    /// sets it with; repeatable
    #[arg(
        long = "session-reset-cookie",
        value_name = "NAME[;path=PATH][;domain=HOST]",
        env = "AUTHCON_SESSION_RESET_COOKIES",
        value_delimiter = ','
    )]
    cookies: Vec<Cookie>,
    /// What the session-reset page calls the app
    #[arg(
        long = "session-reset-app-name",
        value_name = "NAME",
        env = "AUTHCON_SESSION_RESET_APP_NAME",
        default_value = "this app"
    )]
    app: AppName,
}

impl PageFlags {
    pub(super) fn page(self) -> SessionReset {
        SessionReset { path: self.path, sign_in: self.sign_in, cookies: self.cookies, app: self.app }
    }
}

/// Flags of `session-reset-page`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// Directory that the files are written to; made when it is missing
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    #[command(flatten)]
    page: PageFlags,
}

/// Runs the command.
///
/// # Errors
/// The files cannot be written.
pub(super) fn run(flags: Flags) -> Result<Output, CliError> {
    let directory = flags.directory;
    let files = flags.page.page().files().map_err(CliError::Usage)?;
    let failed = |what: &std::path::Path, error: std::io::Error| {
        CliError::CouldNotTell(format!("{} cannot be written: {error}", what.display()))
    };
    std::fs::create_dir_all(&directory).map_err(|error| failed(&directory, error))?;
    let mut names = String::new();
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        names.push_str(&format!("{}\n", path.display()));
    }
    Ok(Output::new(names, Exit::Fine))
}
