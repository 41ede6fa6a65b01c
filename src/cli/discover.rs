//! `discover`: columns that may name users although no foreign key says so, with the rules to paste.

use clap::Args;
use serde::Serialize;

use super::{
    output::{CliError, Exit, Output},
    show::{Cell, OutputFlags, PageStyle, Table, clean, wrap, yaml},
    target::{TargetFlags, Variables},
};
use crate::{
    api::{
        condition::Reason,
        report::{ObjectRef, Skipped},
        spec::ReferenceRule,
    },
    domain::{
        advise::suggestions::{Suggestion, summary},
        facts::KeyElsewhere,
        text::{count, docs, number},
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
    /// Foreign keys of columns that name users, which reference another table than the user table.
    elsewhere: Vec<Elsewhere>,
    /// Columns that were sampled.
    examined: i64,
    /// Columns of the key's type that were not, since there are so many.
    left: i64,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Elsewhere {
    object: ObjectRef,
    references: ObjectRef,
    /// Distinct values of a sample, null where it could not be read.
    sampled: Option<i64>,
    /// How many of them are users.
    users: Option<i64>,
    /// Accounts of the user table, those with the highest ids, that were looked for in the other one; null where nobody
    /// could look.
    accounts: Option<i64>,
    /// How many of them it lacks.
    lacking: Option<i64>,
}

impl From<&KeyElsewhere> for Elsewhere {
    fn from(key: &KeyElsewhere) -> Self {
        Self {
            object: key.object.clone(),
            references: key.to.clone(),
            sampled: key.overlap.map(|(values, _)| values),
            users: key.overlap.map(|(_, users)| users),
            accounts: key.lacking.map(|(accounts, _)| accounts),
            lacking: key.lacking.map(|(_, lacking)| lacking),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// There is no target, or the database cannot be asked.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let (suggestions, found) = pass::discover(&target, &place.policy()).await?;
    let answer = Answer {
        suggestions,
        elsewhere: found.elsewhere.iter().filter(|key| key.is_told()).map(Elsewhere::from).collect(),
        examined: i64::try_from(found.sampled.len()).unwrap_or(i64::MAX),
        left: found.left,
        skipped: found.skipped,
    };
    match flags.output.output.document(&answer)? {
        Some(document) => Ok(Output::new(document, Exit::Fine)),
        None => Ok(Output::new(page(&answer, PageStyle::of_stdout())?, Exit::Fine)),
    }
}

fn page(answer: &Answer, look: PageStyle) -> Result<String, CliError> {
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
    if !answer.elsewhere.is_empty() {
        let mut table = Table::new(&["FOREIGN KEY OF", "REFERENCES", "USERS", "NOT IN THAT TABLE"], 4, look);
        for one in &answer.elsewhere {
            table.row(vec![
                Cell::text(one.object.describe()),
                Cell::text(one.references.describe()),
                Cell::text(share(one.users, one.sampled)),
                Cell::text(match (one.lacking, one.accounts) {
                    (Some(lacking), Some(accounts)) => {
                        format!("{} of {} looked at", number(lacking), count(accounts, "account"))
                    }
                    _ => "not looked at".to_owned(),
                }),
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
    if !answer.elsewhere.is_empty() {
        closing.push_str(&format!(
            " {} another table than the user table: `auth-consistency check` says what to run, `{}` says more.",
            match answer.elsewhere.len() {
                1 => "1 foreign key of a column that names users references".to_owned(),
                many => format!(
                    "{} foreign keys of columns that name users reference",
                    number(i64::try_from(many).unwrap_or(i64::MAX))
                ),
            },
            docs(Reason::ReferenceElsewhere)
        ));
    }
    if answer.suggestions.is_empty() {
        text.push_str(&wrap(&closing, look.width));
        return Ok(text);
    }
    closing.push_str(
        " Users counts distinct values of a sample. Nothing of this is checked or repaired until it is declared: paste what you know to be right under spec.references.rules.",
    );
    if answer.suggestions.iter().any(|one| one.replaces) {
        closing.push_str(
            " One that has more than that takes the place of the rule that stands for the same columns.",
        );
    }
    text.push_str(&wrap(&closing, look.width));
    text.push('\n');
    text.push_str(&clean(&rules(answer.suggestions.iter().map(|one| one.rule.clone()))?));
    Ok(text)
}

/// `6 of 6`.
fn share(some: Option<i64>, all: Option<i64>) -> String {
    match (some, all) {
        (_, Some(0)) => "no values".to_owned(),
        (Some(some), Some(all)) => format!("{} of {}", number(some), number(all)),
        _ => "not looked at".to_owned(),
    }
}

/// Rules as YAML, ready to be pasted.
///
/// # Errors
/// They cannot be written down.
pub(super) fn rules(rules: impl Iterator<Item = ReferenceRule>) -> Result<String, CliError> {
    yaml(&rules.collect::<Vec<_>>())
}
