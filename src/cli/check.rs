//! `check`: looks for what is wrong, and changes nothing.

use clap::Args;

use super::{
    answer::{self, AnswerFlags},
    engine::Errand,
    said::{Failure, Said},
    show::Asked,
    target::Variables,
};

/// Flags of `check`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    answer: AnswerFlags,
}

/// Runs the command.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Said, Failure> {
    answer::give(flags.answer.settings(), Asked::Check, Errand::look(), variables).await
}
