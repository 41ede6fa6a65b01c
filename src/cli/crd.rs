//! `crd`: the CustomResourceDefinition, to be applied to a cluster.

use clap::Args;

use super::{
    output::{CliError, Exit, Output},
    show,
};
use crate::api;

/// Flags of `crd`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// JSON instead of YAML
    #[arg(long)]
    json: bool,

    /// The JSON Schema of the report that the other commands print with `-o json`, and not the
    /// definition
    #[arg(long)]
    report_schema: bool,
}

/// Runs the command.
///
/// # Errors
/// It cannot be written down.
pub(super) fn run(flags: &Flags) -> Result<Output, CliError> {
    if flags.report_schema {
        let schema = schemars::schema_for!(api::report::ConsistencyReport);
        return Ok(Output::new(show::json(&schema)?, Exit::Fine));
    }
    let definition = api::crd::definition();
    let text = if flags.json { show::json(&definition)? } else { show::yaml(&definition)? };
    Ok(Output::new(text, Exit::Fine))
}
