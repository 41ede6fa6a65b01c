//! `plan`: says what a repair would do, and does nothing of it.

use clap::Args;
use jiff::Timestamp;

use super::{
    accept,
    answer::{self, AnswerFlags},
    engine::Errand,
    said::{Failure, Said},
    show::Asked,
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
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Said, Failure> {
    if flags.accept {
        let settings = flags.answer.settings();
        let looked = answer::look(&settings, variables).await?;
        let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
        return accept::said(&looked, settings.format(), &today);
    }
    answer::give(flags.answer.settings(), Asked::Plan, Errand::look(), variables).await
}
