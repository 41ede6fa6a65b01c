//! `preflight`: what a migration would break, said on the source before it. Reads, and changes nothing.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    output::{CliError, Exit, Output},
    progress_bar::Watching,
    show::{OutputFlags, PageStyle, clean, wrap},
    target::{RerunHint, Source, TargetFlags, TargetSource, Variables},
};
use crate::{
    api::API_VERSION,
    domain::{
        advise::preflight::{Preflight, Risk, RiskName},
        target::Target,
        text::count,
    },
    pass,
};

/// Columns that a risk's words are set in by.
const INDENT: u16 = 12;

/// Flags of `preflight`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Run it on the source, before the move. Exit codes: 0 nothing would break, 2 something would,\n\
                  1 could not tell, 64 wrong usage. `auth-consistency explain preflight` says more of each risk."
)]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// What is printed; `docs/preflight.md` describes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: &'static str,
    kind: &'static str,
    namespace: String,
    name: String,
    #[serde(flatten)]
    preflight: Preflight,
    /// The command that writes down whom ids name, to be run last before the move.
    snapshot: String,
}

/// Runs the command.
///
/// # Errors
/// There is no target, or the database cannot be asked.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let watching = Watching::default();
    let looked = pass::preflight(&target, &place.policy(), &watching, Timestamp::now()).await;
    drop(watching);
    let mut preflight = looked.map_err(|mut fault| {
        fault.message = place.plain(&fault.message);
        CliError::from(fault)
    })?;
    in_their_words(&place, &target, &mut preflight);
    let exit = match preflight.ready {
        Some(true) => Exit::Fine,
        Some(false) => Exit::Findings,
        None => Exit::CouldNotTell,
    };
    let answer = Answer {
        api_version: API_VERSION,
        kind: "PreflightReport",
        namespace: target.resource.namespace.clone(),
        name: target.resource.name.clone(),
        preflight,
        snapshot: snapshot(&place.again),
    };
    Ok(match flags.output.output.document(&answer)? {
        Some(document) => Output::new(document, exit),
        None => {
            let from = match place.source {
                // It has no name of its own.
                Source::Environment(_) => String::new(),
                Source::File(_) | Source::Cluster(_) => format!("{}/{}", answer.namespace, answer.name),
            };
            Output::new(page(&answer, &from, PageStyle::of_stdout()), exit)
        }
    })
}

/// The command that takes the snapshot of this very target.
fn snapshot(again: &RerunHint) -> String {
    format!("{} snapshot{} >before.json", again.program, again.tail)
}

/// The words of what the person gave, and what that leaves open.
fn in_their_words(place: &TargetSource, target: &Target, preflight: &mut Preflight) {
    for risk in &mut preflight.risks {
        for text in [&mut risk.breaks, &mut risk.to_do].into_iter().chain(&mut risk.evidence) {
            *text = place.plain(text);
        }
    }
    for text in &mut preflight.untold {
        *text = place.plain(text);
    }
    match &place.source {
        Source::Environment(_) => {
            for text in preflight.risks.iter_mut().flat_map(|risk| &mut risk.evidence) {
                *text = text
                    .replace("spec.jwt.previousSecretRefs names no key", "the environment names no previous key")
                    .replace("(spec.jwt.lifetime)", "(assumed: the environment does not say)");
            }
            preflight.notes.push(
                "the environment alone does not say which keys were before, how long tokens live and which id the admin must have: a file with a resource does, as examples/file-for-cli.yaml"
                    .into(),
            );
        }
        Source::File(_) if target.jwt.is_some() => preflight.notes.push(
            "the signing key stands in the file that was given: whether that file is in a repository, nobody can tell from here"
                .into(),
        ),
        Source::File(_) | Source::Cluster(_) => {}
    }
}

fn page(answer: &Answer, from: &str, look: PageStyle) -> String {
    let preflight = &answer.preflight;
    let mut text = String::new();
    if !preflight.risks.is_empty() {
        let of = if from.is_empty() { String::new() } else { format!(" of {from}") };
        text.push_str(&wrap(&format!("What a move{of} would break:"), look.width));
    }
    for risk in &preflight.risks {
        text.push('\n');
        text.push_str(&told(risk, look));
    }
    for (heading, lines) in [("COULD NOT TELL", &preflight.untold), ("NOTES", &preflight.notes)] {
        if !lines.is_empty() {
            text.push_str(&format!("\n{heading}\n"));
            for line in lines {
                text.push_str(&set_in("  -", 4, line, look));
            }
        }
    }
    text.push('\n');
    text.push_str(&wrap(&closing(answer), look.width));
    text.trim_start_matches('\n').to_owned()
}

fn told(risk: &Risk, look: PageStyle) -> String {
    let mut text = format!("{}\n", risk.risk.as_str());
    text.push_str(&set_in("  breaks", INDENT, &risk.breaks, look));
    for (at, evidence) in risk.evidence.iter().enumerate() {
        let label = if at == 0 { "  evidence  -" } else { "            -" };
        text.push_str(&set_in(label, INDENT + 2, evidence, look));
    }
    text.push_str(&set_in("  to do", INDENT, &risk.to_do, look));
    text.push_str(&set_in("  page", INDENT, risk.docs, look));
    text
}

/// A paragraph beside its label.
fn set_in(label: &str, indent: u16, words: &str, look: PageStyle) -> String {
    let mut text = String::new();
    let width = usize::from(indent);
    // A line break in a name would leave the column.
    let words = clean(words).replace('\n', "\\n");
    for (at, line) in wrap(&words, look.width.saturating_sub(indent)).lines().enumerate() {
        let label = if at == 0 { label } else { "" };
        text.push_str(format!("{label:width$}{line}").trim_end());
        text.push('\n');
    }
    text
}

fn closing(answer: &Answer) -> String {
    let preflight = &answer.preflight;
    let risks = i64::try_from(preflight.risks.len()).unwrap_or(i64::MAX);
    let first = match preflight.ready {
        Some(true) => "Nothing that is looked for would break.".to_owned(),
        Some(false) => format!("{}. Nothing was changed.", count(risks, "risk")),
        None => "Nothing was found, but not everything was looked at, so nobody can tell.".to_owned(),
    };
    if preflight.risks.iter().any(|risk| risk.risk == RiskName::IdNotUnique) {
        return format!("{first} No snapshot can be taken before ids are unique: end IdNotUnique first.");
    }
    format!(
        "{first} Last before the move, with the app's writes stopped, write down whom ids name: `{}`. Nobody can make that list afterwards.",
        answer.snapshot
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: PageStyle = PageStyle { width: 60, colour: false };

    fn answer(risks: Vec<Risk>, untold: Vec<String>) -> Answer {
        let ready = if risks.is_empty() { untold.is_empty().then_some(true) } else { Some(false) };
        Answer {
            api_version: API_VERSION,
            kind: "PreflightReport",
            namespace: "default".into(),
            name: "app".into(),
            preflight: Preflight { ready, risks, untold, notes: vec!["a note".into()] },
            snapshot: "auth-consistency snapshot -f x >before.json".into(),
        }
    }

    #[test]
    fn words_stand_beside_their_label_and_a_command_stays_in_one_piece() {
        let risk = Risk {
            risk: RiskName::CountedIds,
            breaks: "ids are counted anew in the target, which is long enough to be wrapped".into(),
            evidence: vec!["one".into(), "two\nlines".into()],
            to_do: "run `auth-consistency explain remap` now".into(),
            docs: "auth-consistency explain uuids",
        };
        let text = page(&answer(vec![risk], Vec::new()), "default/app", LOOK);
        let expected = "What a move of default/app would break:

CountedIds
  breaks    ids are counted anew in the target, which is
            long enough to be wrapped
  evidence  - one
            - two\\nlines
  to do     run `auth-consistency explain remap` now
  page      auth-consistency explain uuids

NOTES
  - a note

1 risk. Nothing was changed. Last before the move, with the
app's writes stopped, write down whom ids name:
`auth-consistency snapshot -f x >before.json`. Nobody can
make that list afterwards.
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_not_looked_at_is_told_and_never_called_ready() {
        let text = page(&answer(Vec::new(), vec!["logs.user_id: locked".into()]), "default/app", LOOK);
        assert!(text.contains("COULD NOT TELL\n  - logs.user_id: locked\n"), "{text}");
        assert!(text.contains("nobody can tell") && !text.contains("Nothing that is looked for"), "{text}");
        let text = page(&answer(Vec::new(), Vec::new()), "default/app", LOOK);
        assert!(text.contains("Nothing that is looked for would break."), "{text}");
    }
}
