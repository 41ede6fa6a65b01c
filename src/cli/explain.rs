//! `explain`: the pages of the documentation, as plain text.

use clap::{Args, builder::PossibleValuesParser};

use super::{
    output::{Exit, Output},
    show::{Cell, PageStyle, Table, wrap},
};
use crate::api::{
    condition::Reason,
    pages::{GUIDES, meaning},
};

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// A reason, as it stands in a condition or a finding, or the name of a guide; without one, all are
    /// listed
    #[arg(value_parser = names(), ignore_case = true, hide_possible_values = true)]
    name: Option<String>,
}

fn names() -> PossibleValuesParser {
    let guides = GUIDES.iter().map(|guide| guide.name);
    PossibleValuesParser::new(Reason::ALL.iter().map(|reason| reason.as_str()).chain(guides))
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Output {
    let look = PageStyle::of_stdout();
    let text = match &flags.name {
        Some(name) => plain(page(name), look.width),
        None => listed(look),
    };
    Output::new(text, Exit::Fine)
}

/// The page of that name; clap lets no other through.
fn page(name: &str) -> &'static str {
    let reason = Reason::ALL.iter().find(|reason| reason.as_str().eq_ignore_ascii_case(name));
    let guide = GUIDES.iter().find(|guide| guide.name.eq_ignore_ascii_case(name));
    reason.map(|reason| reason.page()).or(guide.map(|guide| guide.text)).unwrap_or_default()
}

fn listed(look: PageStyle) -> String {
    let mut guides = Table::new(&["GUIDE", "IS ABOUT"], 2, look);
    for guide in GUIDES {
        guides.row(vec![Cell::text(guide.name), Cell::text(guide.about)]);
    }
    let mut reasons = Table::new(&["REASON", "MEANS"], 2, look);
    let mut all: Vec<&Reason> = Reason::ALL.iter().collect();
    all.sort_by_key(|reason| reason.as_str());
    for reason in all {
        reasons.row(vec![Cell::text(reason.as_str()), Cell::text(meaning(*reason))]);
    }
    format!("{}\n{}", guides.render(), reasons.render())
}

/// Markdown as a terminal can show it: paragraphs as wide as the page, links and stresses as their words;
/// code, tables and lists stay as they are.
fn plain(markdown: &str, width: u16) -> String {
    let mut text = String::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut fenced = false;
    for line in markdown.lines() {
        let fence = line.starts_with("```");
        let flows = !fenced && !fence && !line.is_empty() && !line.starts_with([' ', '|', '#', '-', '>']);
        if flows {
            paragraph.push(line);
            continue;
        }
        // A list's item goes on in lines that are set in.
        end(&mut paragraph, &mut text, width);
        if fence {
            fenced = !fenced;
        } else if fenced {
            text.push_str(&format!("    {line}\n"));
        } else {
            text.push_str(&words(line.trim_start_matches("# ")));
            text.push('\n');
        }
    }
    end(&mut paragraph, &mut text, width);
    text
}

fn end(paragraph: &mut Vec<&str>, text: &mut String, width: u16) {
    if !paragraph.is_empty() {
        text.push_str(&wrap(&words(&paragraph.join(" ")), width));
        paragraph.clear();
    }
}

/// `[words](target)` and `**words**` as their words.
fn words(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        text.push_str(before);
        match from.find("](").and_then(|middle| Some((middle, from[middle..].find(')')? + middle))) {
            Some((middle, close)) if !from[1..middle].contains('[') => {
                text.push_str(&from[1..middle]);
                rest = &from[close + 1..];
            }
            _ => {
                text.push('[');
                rest = &from[1..];
            }
        }
    }
    text.push_str(rest);
    text.replace("**", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_stresses_become_their_words_and_code_stays() {
        let page = "# A\n\nSee [the page](b.md) and\n**that** one.\n\n```sh\nx [a](b) **c**\n```\n\n| a | [b](c.md) |\n";
        assert_eq!(plain(page, 100), "A\n\nSee the page and that one.\n\n    x [a](b) **c**\n\n| a | b |\n");
        assert_eq!(words("[1, 2] and a[0]"), "[1, 2] and a[0]");
    }

    #[test]
    fn every_page_is_printed_whole_and_fits_its_lines_of_prose_to_the_page() {
        for reason in Reason::ALL {
            let text = plain(reason.page(), 100);
            assert!(text.starts_with(reason.as_str()), "{reason}");
            assert!(!text.contains("]("), "{reason}: {text}");
            for line in text.lines().filter(|line| !line.starts_with([' ', '|', '-'])) {
                assert!(line.chars().count() <= 100, "{reason}: {line}");
            }
        }
    }

    #[test]
    fn the_list_names_every_reason_and_every_guide() {
        let list = listed(PageStyle { width: 100, colour: false });
        for name in Reason::ALL.iter().map(|reason| reason.as_str()).chain(GUIDES.iter().map(|one| one.name))
        {
            assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}");
        }
    }
}
