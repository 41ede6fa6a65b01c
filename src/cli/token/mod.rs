//! `token mint`, `token inspect` and `token explain`.

mod explain;
mod inspect;
mod many;
mod mint;
mod steps;

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use secrecy::SecretString;

pub(super) use crate::cli::token::steps::{asked, facts};
pub(super) use explain::{Explained, beside, chain, user_step};

use super::{
    output::{CliError, Output},
    target::{self, Variables},
};

/// The commands about tokens.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Command {
    /// Print a token as the app would mint it: whoever has it is signed in
    Mint(mint::Flags),
    /// Print header and claims of a token, without checking it
    Inspect(inspect::Flags),
    /// Say why a token fails, and what to do
    Explain(explain::Flags),
}

/// Runs the command.
///
/// # Errors
/// There is no answer.
pub(super) async fn run(command: Command, variables: Variables<'_>) -> Result<Output, CliError> {
    match command {
        Command::Mint(flags) => mint::run(flags, variables).await,
        Command::Inspect(flags) => inspect::run(&flags),
        Command::Explain(flags) => explain::run(flags, variables).await,
    }
}

/// Where a token comes from: never from a flag's value, which every process of the machine can read.
#[derive(Args, Clone, Debug)]
struct TokenFlags {
    /// File that holds the token; standard input when left out
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenFlags {
    /// Whether standard input holds the token.
    fn reads_stdin(&self) -> bool {
        self.token_file.as_ref().is_none_or(|file| file.as_os_str() == "-")
    }

    fn read(&self) -> Result<SecretString, CliError> {
        let file = self.token_file.clone().unwrap_or_else(|| "-".into());
        read(&file)
    }
}

/// Standard input holds the resource, and was to hold the token.
pub(super) fn both_on_stdin() -> CliError {
    CliError::Usage(
        "both the resource and the token are on standard input: give one of them as a file".into(),
    )
}

/// A token from a file, or from standard input for `-`.
///
/// # Errors
/// It cannot be read, is no text, or nobody gave it.
pub(super) fn read(file: &Path) -> Result<SecretString, CliError> {
    if file.as_os_str() == "-" && std::io::stdin().is_terminal() {
        // What is typed is the token: say so, and how it ends.
        return Err(CliError::Usage(
            "give the token on standard input, for example `pbpaste | auth-consistency token explain`, \
             or in a file with --token-file"
                .into(),
        ));
    }
    let bytes = target::read_secret(file)?;
    match std::str::from_utf8(&bytes) {
        // Files and `echo` end with a line break, and editors begin with a mark: neither is of the token.
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
            Ok(text.to_owned().into())
        }
        Err(_) => Err(CliError::Usage(
            "what was given as a token is not UTF-8 text: save it as such (PowerShell's > writes UTF-16)"
                .into(),
        )),
    }
}
