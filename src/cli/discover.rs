//! `discover`: columns that may name users although no foreign key says so, with the rules to paste.

use clap::Args;
use serde::Serialize;

use super::{
    said::{Exit, Failure, Said},
    show::{Cell, Look, OutputFlags, Table, clean, wrap, yaml},
    target::{TargetFlags, Variables},
};
use crate::{
    api::{report::Skipped, spec::ReferenceRule},
    domain::{
        advise::suggestions::{Suggestion, summary},
        text::number,
    },
    pass,
};

/// Flags of `discover`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    suggestions: Vec<Suggestion>,
    /// Columns that were sampled.
    examined: i64,
    /// Columns of the key's type that were not, since there are so many.
    left: i64,
    skipped: Vec<Skipped>,
}

/// Runs the command.
///
/// # Errors
/// There is no target, or the database cannot be asked.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Said, Failure> {
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let (suggestions, found) = pass::discover(&target, &place.policy()).await?;
    let answer = Answer {
        suggestions,
        examined: i64::try_from(found.sampled.len()).unwrap_or(i64::MAX),
        left: found.left,
        skipped: found.skipped,
    };
    match flags.output.output.document(&answer)? {
        Some(document) => Ok(Said::new(document, Exit::Fine)),
        None => Ok(Said::new(page(&answer, Look::of_stdout())?, Exit::Fine)),
    }
}

fn page(answer: &Answer, look: Look) -> Result<String, Failure> {
    let mut text = String::new();
    if !answer.suggestions.is_empty() {
        let mut table = Table::new(&["COLUMN", "TYPE", "USERS", "ROWS", "EVIDENCE"], 5, look);
        for one in &answer.suggestions {
            table.row(vec![
                Cell::text(one.object.describe()),
                Cell::text(&one.column_type),
                Cell::text(one.share()),
                Cell::Number(one.rows.map_or_else(|| "-".to_owned(), number)),
                Cell::text(format!("{:?}, {}", one.confidence, one.why)),
            ]);
        }
        text.push_str(&table.render());
        text.push('\n');
    }
    if !answer.skipped.is_empty() {
        let mut table = Table::new(&["NOT LOOKED AT", "WHY"], 2, look);
        for one in &answer.skipped {
            table.row(vec![Cell::text(one.object.describe()), Cell::text(&one.why)]);
        }
        text.push_str(&table.render());
        text.push('\n');
    }
    let mut closing = summary(answer.suggestions.len(), answer.examined, answer.left);
    if answer.suggestions.is_empty() {
        text.push_str(&wrap(&closing, look.width));
        return Ok(text);
    }
    closing.push_str(
        " Users counts distinct values of a sample. Nothing of this is checked or repaired until it is declared: paste what you know to be right under spec.references.rules.",
    );
    text.push_str(&wrap(&closing, look.width));
    text.push('\n');
    text.push_str(&clean(&rules(answer.suggestions.iter().map(|one| one.rule.clone()))?));
    Ok(text)
}

/// Rules as YAML, ready to be pasted.
///
/// # Errors
/// They cannot be written down.
pub(super) fn rules(rules: impl Iterator<Item = ReferenceRule>) -> Result<String, Failure> {
    yaml(&rules.collect::<Vec<_>>())
}
