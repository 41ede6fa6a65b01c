//! `crd`: the CustomResourceDefinition, to be applied to a cluster.

use clap::Args;

use super::{
    said::{Exit, Failure, Said},
    show,
};
use crate::api;

/// Flags of `crd`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// JSON instead of YAML
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// It cannot be written down.
pub(super) fn run(flags: &Flags) -> Result<Said, Failure> {
    let definition = api::crd::definition();
    let text = if flags.json { show::json(&definition)? } else { show::yaml(&definition)? };
    Ok(Said::new(text, Exit::Fine))
}
