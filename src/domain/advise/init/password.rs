//! Which column holds passwords: by the formats of its values, and by its name.

use super::{
    facts::{ColumnFacts, TableFacts, ValueKind},
    names,
};
use crate::{domain::advise::account_names::plain, passwords::Survey};

/// Words of columns that hold hashes of something else than passwords.
const OTHERS: [&str; 14] = [
    "token", "code", "codes", "secret", "pin", "otp", "recovery", "refresh", "reset", "key", "answer", "old",
    "previous", "api",
];

/// A column that may hold passwords.
#[derive(Debug, Clone)]
pub struct Password<'f> {
    /// Its name.
    pub column: &'f str,
    /// Whether it is called so.
    pub named: bool,
    /// The format that most of its values have, and how many of how many.
    pub share: Option<(&'static str, usize, usize)>,
    /// Column of the salt, where the format has one beside it.
    pub salt: Option<&'f str>,
    /// Column of the algorithm's name, where the format has one beside it.
    pub algorithm: Option<&'f str>,
    /// What the values are that are read in no format, and how many of how many rows with a value.
    pub unreadable: Option<(String, usize, usize)>,
    /// Rows in which it was looked at.
    sampled: i64,
    /// What is said where there were none.
    no_rows: &'static str,
}

impl Password<'_> {
    /// What it holds, as what follows its name.
    pub fn holds(&self) -> String {
        match (&self.share, &self.unreadable) {
            (Some((family, some, all)), _) => {
                format!("holds {family} hashes ({some} of {all} in a sample)")
            }
            (None, Some((what, some, all))) => {
                format!("is called so; {some} of {all} in a sample read as {what}")
            }
            (None, None) if self.sampled == 0 => format!("is called so; {}", self.no_rows),
            (None, None) => "is called so; no row of a sample has a password".to_owned(),
        }
    }
}

fn share(survey: &Survey) -> Option<(&'static str, usize, usize)> {
    survey.majority().map(|majority| (majority.new.family.words(), majority.accounts, majority.of))
}

fn of<'f>(column: &'f ColumnFacts, facts: &TableFacts) -> Option<Password<'f>> {
    if !matches!(column.kind, ValueKind::Text | ValueKind::Other) {
        return None;
    }
    let (named, own) = (names::is_password(&column.name), column.hashes.as_ref());
    let alone = own.and_then(share);
    let beside = column.salted.as_ref().filter(|_| alone.is_none());
    let salted = beside.and_then(|salted| Some((salted, share(&salted.hashes)?)));
    let of_others = plain(&column.name).split('_').any(|word| OTHERS.contains(&word));
    if !named && (of_others || alone.is_none() && salted.is_none()) {
        return None;
    }
    // A column of another type holds no password by its name alone.
    if column.kind == ValueKind::Other && alone.is_none() {
        return None;
    }
    let unreadable = own.filter(|_| alone.is_none() && salted.is_none()).and_then(|survey| {
        let (what, some) = survey.others.first()?;
        Some((what.to_string(), *some, survey.with_password()))
    });
    Some(Password {
        column: &column.name,
        named,
        share: alone.or_else(|| salted.as_ref().map(|(_, share)| *share)),
        salt: salted.as_ref().and_then(|(salted, _)| salted.salt.as_deref()),
        algorithm: salted.as_ref().and_then(|(salted, _)| salted.algorithm.as_deref()),
        unreadable,
        sampled: facts.rows_with(column),
        no_rows: facts.no_rows(column),
    })
}

/// The columns that may hold passwords, the best first.
pub fn columns(facts: &TableFacts) -> Vec<Password<'_>> {
    let mut found: Vec<Password<'_>> = facts.columns.iter().filter_map(|column| of(column, facts)).collect();
    let weight = |one: &Password<'_>| {
        (one.share.is_some() && one.named, one.share.is_some(), one.share.map_or(0, |(_, some, _)| some))
    };
    // Stable: of equals the first in the table.
    found.sort_by_key(|one| std::cmp::Reverse(weight(one)));
    found
}
