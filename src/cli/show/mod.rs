//! How answers look: tables for people, JSON and YAML for programs.

mod closing;
mod report;
mod table;

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use serde::Serialize;

pub(super) use closing::{Closing, Verb};
pub(super) use report::{Heading, report};
pub(super) use table::{Cell, Table, clean, wrap};

use super::output::CliError;
use crate::domain::text::{escaped, unseen};

/// Columns that a page has unless the terminal has fewer.
const PAGE: u16 = 100;

/// The flag that says how an answer looks.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct OutputFlags {
    /// How the answer looks
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub output: Format,
}

/// How an answer looks.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// What the page is like that a table is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageStyle {
    /// Columns.
    pub width: u16,
    /// Whether severities have colours.
    pub colour: bool,
}

impl PageStyle {
    /// The page that standard output is.
    pub(super) fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = comfy_table::Table::new().width().unwrap_or(PAGE);
        Self { width: width.clamp(60, PAGE), colour: terminal && !plain }
    }
}

impl Format {
    /// The answer as a document, or `None` where a table is wanted.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(super) fn document<T: Serialize>(self, answer: &T) -> Result<Option<String>, CliError> {
        match self {
            Self::Table => Ok(None),
            Self::Json => json(answer).map(Some),
            Self::Yaml => yaml(answer).map(Some),
        }
    }
}

/// Pretty JSON.
///
/// # Errors
/// It cannot be written down.
pub(super) fn json<T: Serialize>(answer: &T) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(answer)
        .map_err(|error| CliError::CouldNotTell(format!("the answer cannot be written as JSON: {error}")))?;
    Ok(escaped(&text, false).into_owned())
}

/// YAML.
///
/// # Errors
/// It cannot be written down.
pub(super) fn yaml<T: Serialize>(answer: &T) -> Result<String, CliError> {
    let text = serde_saphyr::to_string(answer)
        .map_err(|error| CliError::CouldNotTell(format!("the answer cannot be written as YAML: {error}")))?;
    // Every JSON document is one of YAML, and JSON alone writes those characters in one way only.
    if text.contains(|c: char| unseen(c) && c != '\n') { json(answer) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_hide_nothing_and_are_the_same_documents() {
        let answer =
            serde_json::json!({"a\u{202e}": ["\u{9b}31m\u{1b}", "\u{e0041}\u{200b}", "größe", "x\ny\t"]});
        for text in [json(&answer).unwrap(), yaml(&answer).unwrap()] {
            assert!(!text.contains(|c: char| unseen(c) && c != '\n'), "{text:?}");
            assert!(text.contains("\\u202e") && text.contains("größe"), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), answer);
        }
        assert_eq!(
            escaped("\u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{9b}m", true),
            "\u{1b}[31mred\u{1b}[0m \\u001b[2J\\u009bm"
        );
        let plain = yaml(&serde_json::json!({"a": "b"})).unwrap();
        assert_eq!(plain.trim_end(), "a: b");
    }
}
