//! `key audit` and `key fingerprint`: the signing key, as the resource, the environment or a file has it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::{
    output::{CliError, Exit, Output},
    show::{Cell, OutputFlags, PageStyle, Table, wrap},
    target::{self, Elsewhere, ElsewhereFlags, TargetFlags, TargetSource, Variables},
};
use crate::{
    api::{report::Severity, spec::Algorithm},
    tokens::{self, KeyIds, KeySet, Part, SigningKey},
};

/// The commands about keys.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Command {
    /// Say whether the key is short, guessable or stored wrongly
    Audit(AuditFlags),
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

/// Flags of `key audit`.
#[derive(Args, Clone, Debug)]
pub(super) struct AuditFlags {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    elsewhere: ElsewhereFlags,
}

/// What `key` prints for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyAnswer {
    algorithm: Algorithm,
    fingerprint: Option<String>,
    weaknesses: Vec<Weakness>,
    /// When the operator first saw it in another one's place, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_time: Option<Time>,
    /// What common readers of variables make of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read_otherwise: Vec<&'static str>,
    /// Other resources with the same key, as `namespace/name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    same_as: Vec<String>,
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
pub(super) async fn run(command: Command, variables: Variables<'_>) -> Result<Output, CliError> {
    let (flags, audit) = match command {
        Command::Audit(audit) => (audit.flags, Some(audit.elsewhere)),
        Command::Fingerprint(flags) => (flags, None),
    };
    let format = flags.output.output;
    let place = flags.target.place();
    let (keys, algorithm) = keys(flags.key_file, &place, variables).await?;
    let fingerprint = tokens::fingerprint(&keys.current, algorithm);
    let elsewhere = match audit {
        Some(flags) => place.elsewhere(flags).await,
        None => None,
    };
    let answer = KeyAnswer {
        algorithm,
        changed_time: if audit.is_some() { changed_time(&place, fingerprint.as_deref()).await } else { None },
        read_otherwise: if audit.is_some() { tokens::read_otherwise(&keys.current) } else { Vec::new() },
        same_as: elsewhere.iter().flat_map(|elsewhere| same(&keys.current, elsewhere)).collect(),
        fingerprint,
        weaknesses: weaknesses(&keys, algorithm),
    };
    let audit = audit.is_some();
    let exit = if audit && !answer.weaknesses.is_empty() || answer.fingerprint.is_none() {
        Exit::Findings
    } else {
        Exit::Fine
    };
    let unread = elsewhere.as_ref().and_then(Elsewhere::remark);
    let told = |said: Output| said.unread(unread.clone());
    if let Some(document) = format.document(&answer)? {
        return Ok(told(Output::new(document, exit)));
    }
    if !audit {
        return Ok(match answer.fingerprint {
            // A key that is stored oddly is another key than the one that is meant.
            Some(fingerprint) if !answer.weaknesses.is_empty() => Output::new(fingerprint, exit)
                .remark("auth-consistency: the fingerprint is of the key as it is stored, and something is odd about that: `auth-consistency key audit` says what"),
            Some(fingerprint) => Output::new(fingerprint, exit),
            None => Output::new("", exit).remark(match keys.current.unfit() {
                Some(unfit) => format!("auth-consistency: there is no fingerprint: {}", unfit.message()),
                None => "auth-consistency: no fingerprint is shown, since the key is weak enough to be found from it: \
                         `auth-consistency key audit` says why"
                    .into(),
            }),
        });
    }
    let mut page = if answer.weaknesses.is_empty() {
        format!("Nothing is wrong with the signing key for {algorithm:?}.\n")
    } else {
        let mut table = Table::new(&["SEVERITY", "FINDING", "WHAT IS WRONG"], 3, PageStyle::of_stdout());
        for one in &answer.weaknesses {
            table.row(vec![Cell::Severity(one.severity), Cell::text(one.finding), Cell::text(&one.message)]);
        }
        table.render()
    };
    for line in beside(&answer) {
        page.push('\n');
        page.push_str(&wrap(&line, PageStyle::of_stdout().width));
    }
    Ok(told(Output::new(page, exit)))
}

/// What is so of the key, wrong or not.
fn beside(answer: &KeyAnswer) -> Vec<String> {
    let mut lines: Vec<String> = answer.read_otherwise.iter().map(|one| (*one).to_owned()).collect();
    if let Some(time) = &answer.changed_time {
        lines.push(format!("The operator has seen this key since {}.", time.0));
    }
    if !answer.same_as.is_empty() {
        lines.push(format!(
            "The same key is that of {}: each app takes the other's tokens, unless issuer or audience tell them apart, and one that is replaced leaves the other behind.",
            answer.same_as.join(", ")
        ));
    }
    lines
}

/// When the operator first saw the key in another one's place: nobody else knows how old it is.
async fn changed_time(place: &TargetSource, fingerprint: Option<&str>) -> Option<Time> {
    let before = place.key_before().await?;
    fingerprint.filter(|own| before.fingerprint.as_deref() == Some(*own))?;
    before.changed_time
}

/// Which others have the same key.
fn same(key: &SigningKey, elsewhere: &Elsewhere) -> Vec<String> {
    elsewhere.keys.iter().filter(|(_, other)| key.is_same(other)).map(|(name, _)| name.clone()).collect()
}

/// What is wrong with the signing key, and with those beside it.
fn weaknesses(keys: &KeySet, algorithm: Algorithm) -> Vec<Weakness> {
    std::iter::once((&keys.current, Part::Signing))
        .chain(keys.previous.iter().map(|key| (key, Part::Previous)))
        .chain(keys.standby.iter().map(|key| (key, Part::Standby)))
        .flat_map(|(key, part)| {
            tokens::audit_part(key, algorithm, part).into_iter().map(move |one| (key, part, one))
        })
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

async fn keys(
    key_file: Option<PathBuf>,
    place: &TargetSource,
    variables: Variables<'_>,
) -> Result<(KeySet, Algorithm), CliError> {
    match key_file {
        Some(file) => {
            let bytes = target::read_secret(&file)?;
            let algorithm = target::algorithm(variables)?;
            let id = target::key_id(variables)?;
            let ids = KeyIds { current: id.as_deref(), ..KeyIds::default() };
            let keys = KeySet::read(bytes.to_vec(), algorithm, &ids)
                .map_err(|error| CliError::Usage(format!("{}: {error}", file.display())))?;
            Ok((keys, algorithm))
        }
        None => {
            let signer = place.signer(variables).await?;
            Ok((signer.keys, signer.shape.algorithm))
        }
    }
}
