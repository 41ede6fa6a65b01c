//! `plan`: says what a repair would do, and does nothing of it.

use clap::Args;
use jiff::Timestamp;

use super::{
    accept,
    output::{CliError, Output},
    pass_command::{self, AnswerFlags},
    pass_run::PassOptions,
    show::Verb,
    target::Variables,
};

/// Flags of `plan`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    answer: AnswerFlags,
    /// Print the rules that accept today's orphans instead, to be pasted into the resource
    #[arg(long)]
    accept: bool,
}

/// Runs the command.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    if flags.accept {
        let settings = flags.answer.settings();
        let looked = pass_command::look(&settings, variables).await?;
        let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
        return accept::said(&looked, settings.format(), &today);
    }
    pass_command::give(flags.answer.settings(), Verb::Plan, PassOptions::look(), variables).await
}
