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
    /// Say how each reference was searched, why, and how long it took
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    answer: AnswerFlags,
}

/// Runs the command.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Said, Failure> {
    let settings = flags.answer.settings();
    if flags.explain && settings.by_operator() {
        return Err(Failure::Usage(
            "--explain times statements of its own: use it with --direct, a file or the environment".into(),
        ));
    }
    answer::give(settings, Asked::Check, Errand { explain: flags.explain, ..Errand::look() }, variables).await
}
