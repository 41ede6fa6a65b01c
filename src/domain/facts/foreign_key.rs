//! What a foreign key says beside its columns, as a closed set: SQL is made of it, and never of a text
//! that somebody gave us.

use std::fmt;

/// What the database does to the rows when the user that they name is changed or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// It refuses the change, at the end of the statement or of the transaction.
    #[default]
    NoAction,
    /// It refuses the change at once.
    Restrict,
    /// The rows follow.
    Cascade,
    /// The reference becomes NULL.
    SetNull,
    /// The reference becomes the column's default.
    SetDefault,
}

/// What a foreign key says beside its columns. The default is what PostgreSQL takes when nothing is
/// said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForeignKeyOptions {
    /// MATCH FULL.
    pub match_full: bool,
    /// ON UPDATE.
    pub on_update: OnChange,
    /// ON DELETE.
    pub on_delete: OnChange,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub deferred: bool,
}

impl ForeignKeyOptions {
    /// Reads what `pg_get_constraintdef` wrote; `None` where it says something that is not known here.
    ///
    /// PostgreSQL 15 manual, CREATE TABLE: `FOREIGN KEY (columns) REFERENCES table(columns)`, then in
    /// this order MATCH, ON UPDATE, ON DELETE, DEFERRABLE, INITIALLY DEFERRED, NOT VALID.
    pub fn parse(definition: &str) -> Option<Self> {
        let (_, mut rest) = parts(definition)?;
        let mut take = |words: &str| match rest.strip_prefix(words) {
            Some(after) if after.is_empty() || after.starts_with(' ') => {
                rest = after.trim_start();
                true
            }
            _ => false,
        };
        let match_full = take("MATCH FULL");
        let mut change = |event: &str| {
            use OnChange::{Cascade, NoAction, Restrict, SetDefault, SetNull};
            let all = [NoAction, Restrict, Cascade, SetNull, SetDefault];
            all.into_iter().find(|one| take(&format!("{event} {one}"))).unwrap_or_default()
        };
        let on_update = change("ON UPDATE");
        let on_delete = change("ON DELETE");
        let deferrable = take("DEFERRABLE");
        let deferred = take("INITIALLY DEFERRED");
        let _ = take("NOT VALID");
        rest.is_empty().then_some(Self { match_full, on_update, on_delete, deferrable, deferred })
    }

    /// The pieces of SQL that say it, each with a space before it.
    pub fn clauses(&self) -> Vec<&'static str> {
        let mut clauses = Vec::new();
        if self.match_full {
            clauses.push(" MATCH FULL");
        }
        clauses.extend(match self.on_update {
            OnChange::NoAction => None,
            OnChange::Restrict => Some(" ON UPDATE RESTRICT"),
            OnChange::Cascade => Some(" ON UPDATE CASCADE"),
            OnChange::SetNull => Some(" ON UPDATE SET NULL"),
            OnChange::SetDefault => Some(" ON UPDATE SET DEFAULT"),
        });
        clauses.extend(match self.on_delete {
            OnChange::NoAction => None,
            OnChange::Restrict => Some(" ON DELETE RESTRICT"),
            OnChange::Cascade => Some(" ON DELETE CASCADE"),
            OnChange::SetNull => Some(" ON DELETE SET NULL"),
            OnChange::SetDefault => Some(" ON DELETE SET DEFAULT"),
        });
        if self.deferrable {
            clauses.push(" DEFERRABLE");
        }
        if self.deferred {
            clauses.push(" INITIALLY DEFERRED");
        }
        clauses
    }
}

impl fmt::Display for ForeignKeyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clauses().concat().trim_start())
    }
}

impl fmt::Display for OnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        })
    }
}

/// The columns that a definition references, in its order; `None` where it is none.
pub fn referenced_columns(definition: &str) -> Option<Vec<String>> {
    parts(definition).map(|(columns, _)| columns)
}

/// The second list of columns, and what stands behind it. Names may be quoted and then hold anything.
fn parts(definition: &str) -> Option<(Vec<String>, &str)> {
    if !definition.starts_with("FOREIGN KEY (") {
        return None;
    }
    let (mut name, mut names) = (String::new(), Vec::new());
    let (mut quoted, mut lists) = (false, 0);
    let mut rest = definition.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' if quoted && rest.next_if(|(_, next)| *next == '"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            _ if quoted => name.push(c),
            '(' => {
                name.clear();
                names.clear();
            }
            ',' => names.push(std::mem::take(&mut name)),
            ')' => {
                names.push(std::mem::take(&mut name));
                lists += 1;
                if lists == 2 {
                    return Some((names, definition.get(at + 1..)?.trim()));
                }
            }
            ' ' => {}
            _ => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_read_back_as_it_was_written() {
        let all = [
            OnChange::NoAction,
            OnChange::Restrict,
            OnChange::Cascade,
            OnChange::SetNull,
            OnChange::SetDefault,
        ];
        for (on_update, on_delete) in all.into_iter().flat_map(|one| all.map(|other| (one, other))) {
            for (match_full, deferrable, deferred) in
                [(false, false, false), (true, true, false), (false, true, true)]
            {
                let options = ForeignKeyOptions { match_full, on_update, on_delete, deferrable, deferred };
                let said = format!("FOREIGN KEY (a) REFERENCES b(c){}", options.clauses().concat());
                assert_eq!(ForeignKeyOptions::parse(&said), Some(options), "{said}");
                assert_eq!(ForeignKeyOptions::parse(&format!("{said} NOT VALID")), Some(options), "{said}");
            }
        }
    }

    #[test]
    fn names_that_look_like_options_are_names() {
        let said = r#"FOREIGN KEY ("a) ON DELETE CASCADE", "x""y") REFERENCES "ON DELETE CASCADE"."(b)"("c)", d) ON DELETE SET NULL"#;
        let options = ForeignKeyOptions { on_delete: OnChange::SetNull, ..ForeignKeyOptions::default() };
        assert_eq!(ForeignKeyOptions::parse(said), Some(options));
        assert_eq!(referenced_columns(said), Some(vec!["c)".to_owned(), "d".to_owned()]));
        let said = r#"FOREIGN KEY (a) REFERENCES b("x""y, z")"#;
        assert_eq!(referenced_columns(said), Some(vec!["x\"y, z".to_owned()]));
        assert_eq!(referenced_columns("CHECK ((a > 0))"), None);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for said in [
            "",
            "CHECK ((a > 0))",
            "FOREIGN KEY (a) REFERENCES b(c) ON DELETE SET NULL (a)",
            "FOREIGN KEY (a) REFERENCES b(c); DROP TABLE users",
            "FOREIGN KEY (a) REFERENCES b(c) ON DELETE CASCADED",
            "FOREIGN KEY (a",
        ] {
            assert_eq!(ForeignKeyOptions::parse(said), None, "{said}");
        }
    }
}
