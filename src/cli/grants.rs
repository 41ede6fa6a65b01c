//! `grants`: the SQL that gives the database role what it needs, least first.

use clap::Args;

use super::{
    output::{CliError, Exit, Output},
    target::{TargetFlags, Variables},
};
use crate::pass;

/// Flags of `grants`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    /// Only what looking needs: nothing that a repair takes
    #[arg(long)]
    observe: bool,
}

/// Runs the command.
///
/// # Errors
/// There is no target, or the database cannot be asked.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let policy = place.policy();
    let text = match flags.observe {
        true => pass::grants_to_observe(&target, &policy).await?,
        false => pass::grants(&target, &policy).await?,
    };
    Ok(Output::new(text, Exit::Fine))
}
