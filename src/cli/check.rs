//! `check`: looks for what is wrong, and changes nothing.

use crate::cli::{passphrase::PassphraseFlags, target::against::Against};

use std::path::PathBuf;

use clap::Args;

use super::{
    output::{CliError, Output},
    pass_command::{self, AnswerFlags},
    pass_run::PassOptions,
    show::Verb,
    target::Variables,
    token,
};

/// Flags of `check`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// Say how each reference was searched, why, and how long it took
    #[arg(long)]
    explain: bool,
    /// Count columns that look as if they named users, and that no rule declares or ignores, as an error
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    answer: AnswerFlags,
    /// Say also why this token fails: a file that holds it, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Hold today's users against this snapshot or CSV file (id,login)
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Runs the command.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    if flags.answer.reads_stdin() && flags.token_file.as_ref().is_some_and(|file| file.as_os_str() == "-") {
        return Err(token::both_on_stdin());
    }
    let mut settings = flags.answer.settings();
    if flags.explain && settings.by_operator() {
        return Err(CliError::Usage(
            "--explain times statements of its own: use it with --direct, a file or the environment".into(),
        ));
    }
    if flags.strict {
        settings = settings.strict()?;
    }
    if let Some(file) = flags.against {
        settings = settings.against(Against { file, passphrase: flags.passphrase })?;
    }
    if let Some(file) = flags.token_file {
        settings = settings.with_token(token::read(&file)?);
    }
    pass_command::give(
        settings,
        Verb::Check,
        PassOptions { explain: flags.explain, ..PassOptions::look() },
        variables,
    )
    .await
}
