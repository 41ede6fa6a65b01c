//! `reset`: writes the admin's password and columns, now; seeds it where it is missing.

use crate::pass::request::Repairs;

use clap::Args;

use super::{
    output::{CliError, Output},
    pass_command::{self, AnswerFlags},
    pass_run::PassOptions,
    show::Verb,
    target::Variables,
};

/// Flags of `reset`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    answer: AnswerFlags,
    /// A resource that is gone and that repaired this user table before: UID/COUNT, as the finding has it
    #[arg(long, value_name = "CLAIM")]
    take_claim: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let errand = PassOptions {
        repairs: Repairs::Admin,
        reset: true,
        approve: None,
        take_claim: flags.take_claim,
        explain: false,
    };
    pass_command::give(flags.answer.settings(), Verb::Reset, errand, variables).await
}
