//! `repair`: does what needs no approval, and with a plan's hash also what waits for it.

use crate::pass::request::Repairs;

use clap::Args;

use super::{
    output::{CliError, Output},
    pass_command::{self, AnswerFlags},
    pass_run::PassOptions,
    show::Verb,
    target::Variables,
};

/// Flags of `repair`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    answer: AnswerFlags,
    /// Hash of the plan that you approve, as `plan` shows it
    #[arg(long, value_name = "HASH", value_parser = hash)]
    approve: Option<String>,
    /// A resource that is gone and that repaired this user table before: UID/COUNT, as the finding has it
    #[arg(long, value_name = "CLAIM")]
    take_claim: Option<String>,
}

fn hash(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a plan's hash has 64 hexadecimal digits: copy it from `auth-consistency plan`".into())
    }
}

/// Runs the command.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let errand = PassOptions {
        repairs: Repairs::All,
        reset: false,
        approve: flags.approve,
        take_claim: flags.take_claim,
        explain: false,
    };
    pass_command::give(flags.answer.settings(), Verb::Repair, errand, variables).await
}
