//! Tables without lines, their last column wrapped, and paragraphs.

use std::borrow::Cow;

use comfy_table::{CellAlignment, Color, ColumnConstraint, ContentArrangement, Width, presets};

use super::PageStyle;
use crate::{
    api::report::Severity,
    domain::text::{self, clean_but},
};

/// One cell.
pub(in crate::cli) enum Cell {
    /// Text.
    Text(String),
    /// A number, aligned to the right.
    Number(String),
    /// A severity, coloured where there are colours.
    Severity(Severity),
}

impl Cell {
    /// Text in one line: a line break in a name would look like another row.
    pub(in crate::cli) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text::clean(text.as_ref()).into_owned())
    }

    /// Texts, each in a line of its own.
    pub(in crate::cli) fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let lines: Vec<String> =
            lines.into_iter().map(|line| text::clean(line.as_ref()).into_owned()).collect();
        Self::Text(lines.join("\n"))
    }
}

/// A table whose last column takes what room is left.
pub(in crate::cli) struct Table {
    table: comfy_table::Table,
    columns: usize,
    rows: usize,
}

impl Table {
    /// A table with headers, or without for none.
    pub(in crate::cli) fn new(headers: &[&str], columns: usize, look: PageStyle) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(look.width);
        if look.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if !headers.is_empty() {
            // Columns of a table of the app may be headers.
            table.set_header(headers.iter().map(|header| text::clean(header).into_owned()));
        }
        Self { table, columns, rows: 0 }
    }

    /// Adds a row.
    pub(in crate::cli) fn row(&mut self, cells: Vec<Cell>) {
        self.rows += 1;
        self.table.add_row(cells.into_iter().map(|cell| match cell {
            Cell::Text(text) => comfy_table::Cell::new_owned(text),
            Cell::Number(text) => comfy_table::Cell::new_owned(text).set_alignment(CellAlignment::Right),
            Cell::Severity(severity) => comfy_table::Cell::new(format!("{severity:?}")).fg(match severity {
                Severity::Warning => Color::Yellow,
                Severity::Error => Color::Red,
                Severity::Critical => Color::Magenta,
            }),
        }));
    }

    /// The lines, without spaces at their ends.
    pub(in crate::cli) fn render(mut self) -> String {
        for (at, column) in self.table.column_iter_mut().enumerate() {
            let last = at + 1 == self.columns;
            column.set_padding((0, if last { 0 } else { 2 }));
            // A name of a table may be long; the message beside it must still be read.
            if !last {
                column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(34)));
            }
        }
        let mut text = self.table.trim_fmt();
        text.push('\n');
        text
    }

    /// Whether there are no rows.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// A text from a database or a cluster that cannot steer a terminal. Line breaks stay.
pub(in crate::cli) fn clean(text: &str) -> Cow<'_, str> {
    clean_but(text, &['\n'])
}

/// A paragraph. What stands in backquotes is one word, so that a command can be copied.
pub(in crate::cli) fn wrap(text: &str, width: u16) -> String {
    let mut lines = vec![String::new()];
    for word in words(&clean(text)) {
        let room = lines.last().is_some_and(|line| {
            line.is_empty() || line.chars().count() + 1 + word.chars().count() <= usize::from(width)
        });
        if !room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for word in text.split_whitespace() {
        match words.last_mut().filter(|_| inside) {
            Some(open) => {
                open.push(' ');
                open.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        inside ^= word.matches('`').count() % 2 == 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: PageStyle = PageStyle { width: 40, colour: false };

    #[test]
    fn the_last_column_is_wrapped_and_lines_have_no_spaces_at_their_ends() {
        let mut table = Table::new(&["WHAT", "ROWS", "WHY"], 3, LOOK);
        table.row(vec![Cell::text("a"), Cell::Number("1,234".into()), Cell::text("short")]);
        table.row(vec![
            Cell::text("bb"),
            Cell::Number("5".into()),
            Cell::text("a sentence that is longer than the room that is left"),
        ]);
        assert_eq!(
            table.render(),
            "WHAT  ROWS   WHY\n\
             a     1,234  short\n\
             bb        5  a sentence that is longer\n\
             \x20            than the room that is left\n"
        );
    }

    #[test]
    fn texts_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert!(matches!(clean("plain"), Cow::Borrowed(_)));
        let mut table = Table::new(&["A\u{202e}", "B"], 2, PageStyle { width: 80, colour: false });
        table.row(vec![Cell::text("x\nERROR  y\u{9b}31m"), Cell::lines(["one\n", "two"])]);
        let shown = table.render();
        assert_eq!(shown.lines().count(), 3, "{shown}");
        for text in ["A\\u{202e}", "x\\nERROR", "y\\u{9b}31m", "one\\n", "two"] {
            assert!(shown.contains(text), "{text}: {shown}");
        }
    }

    #[test]
    fn a_command_stays_in_one_piece() {
        assert_eq!(
            wrap("now run `auth-consistency repair --approve x` and read on", 20),
            "now run\n`auth-consistency repair --approve x`\nand read on\n"
        );
    }
}
