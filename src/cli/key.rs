//! `key audit` and `key fingerprint`: the signing key, as the resource, the environment or a file has it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    said::{Exit, Failure, Said},
    show::{Cell, Look, OutputFlags, Table},
    target::{self, TargetFlags, Variables},
};
use crate::{
    api::{report::Severity, spec::Algorithm},
    tokens::{self, KeyIds, KeySet, Part},
};

/// The commands about keys.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Command {
    /// Say whether the key is short, guessable or stored wrongly
    Audit(Flags),
    /// Print a slow, one-way digest with which two environments can be compared
    Fingerprint(Flags),
}

/// Flags of both.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    /// File that holds exactly the key's bytes; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "name"])]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputFlags,
}

/// What `key` prints for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyAnswer {
    algorithm: Algorithm,
    fingerprint: Option<String>,
    weaknesses: Vec<Weakness>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Weakness {
    finding: &'static str,
    severity: Severity,
    message: String,
}

/// Runs the command.
///
/// # Errors
/// There is no key.
pub(super) async fn run(command: Command, variables: Variables<'_>) -> Result<Said, Failure> {
    let (flags, audit) = match command {
        Command::Audit(flags) => (flags, true),
        Command::Fingerprint(flags) => (flags, false),
    };
    let format = flags.output.output;
    let (keys, algorithm) = keys(flags, variables).await?;
    let answer = KeyAnswer {
        algorithm,
        fingerprint: tokens::fingerprint(&keys.current, algorithm),
        weaknesses: weaknesses(&keys, algorithm),
    };
    let exit = if audit && !answer.weaknesses.is_empty() || answer.fingerprint.is_none() {
        Exit::Findings
    } else {
        Exit::Fine
    };
    if let Some(document) = format.document(&answer)? {
        return Ok(Said::new(document, exit));
    }
    if !audit {
        return Ok(match answer.fingerprint {
            Some(fingerprint) => Said::new(fingerprint, exit),
            None => Said::new("", exit).remark(match keys.current.unfit() {
                Some(unfit) => format!("auth-consistency: there is no fingerprint: {}", unfit.message()),
                None => "auth-consistency: no fingerprint is shown, since the key is weak enough to be found from it: \
                         `auth-consistency key audit` says why"
                    .into(),
            }),
        });
    }
    if answer.weaknesses.is_empty() {
        return Ok(Said::new(format!("Nothing is wrong with the signing key for {algorithm:?}."), exit));
    }
    let mut table = Table::new(&["SEVERITY", "FINDING", "WHAT IS WRONG"], 3, Look::of_stdout());
    for one in answer.weaknesses {
        table.row(vec![Cell::Severity(one.severity), Cell::text(one.finding), Cell::text(one.message)]);
    }
    Ok(Said::new(table.render(), exit))
}

/// What is wrong with the signing key, and with those beside it.
fn weaknesses(keys: &KeySet, algorithm: Algorithm) -> Vec<Weakness> {
    std::iter::once((&keys.current, Part::Signing))
        .chain(keys.previous.iter().map(|key| (key, Part::Previous)))
        .chain(keys.standby.iter().map(|key| (key, Part::Standby)))
        .flat_map(|(key, part)| tokens::audit(key, algorithm).into_iter().map(move |one| (key, part, one)))
        .map(|(key, part, weakness)| Weakness {
            finding: weakness.reason().as_str(),
            severity: weakness.severity_of(part),
            message: match (part, key.id()) {
                (Part::Signing, _) => weakness.message(),
                (_, None) => format!("{} ({})", weakness.message_of(part), part.name()),
                (_, Some(id)) => format!("{} ({}, kid {id:?})", weakness.message_of(part), part.name()),
            },
        })
        .collect()
}

async fn keys(flags: Flags, variables: Variables<'_>) -> Result<(KeySet, Algorithm), Failure> {
    match flags.key_file {
        Some(file) => {
            let bytes = target::read_secret(&file)?;
            let algorithm = target::algorithm(variables)?;
            let id = target::key_id(variables)?;
            let ids = KeyIds { current: id.as_deref(), ..KeyIds::default() };
            let keys = KeySet::read(bytes.to_vec(), algorithm, &ids)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
            Ok((keys, algorithm))
        }
        None => {
            let signer = flags.target.place().signer(variables).await?;
            Ok((signer.keys, signer.shape.algorithm))
        }
    }
}
