//! `completions`: what a shell needs to complete commands and flags.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::output::{Exit, Output};

/// Flags of `completions`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Output {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut super::Cli::command(), "auth-consistency", &mut script);
    Output::new(String::from_utf8_lossy(&script), Exit::Fine)
}
