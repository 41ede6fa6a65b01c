//! What the accounts of a table have in common.

use std::collections::BTreeMap;

use super::{Description, Format, Stored, describe, recognise, recognise_as};
use crate::api::password::PasswordFamily;

/// What was found in a sample of the table's stored passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Accounts that were looked at.
    pub sample: usize,
    /// Those of them that have no password: nothing at all, or locked.
    pub without: usize,
    /// Each format and how many have it, the most frequent first.
    pub formats: Vec<(Format, usize)>,
    /// What the others seem to be and how many, the most frequent first.
    pub others: Vec<(Description, usize)>,
    /// Each family that accounts may have, and how many; more than one where families look alike.
    families: BTreeMap<PasswordFamily, usize>,
}

/// The family that more than half of the accounts with a password have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Majority {
    /// The format of a new hash: their most frequent prefix, the strongest parameters that are common among
    /// them, no cheaper than is safe today and no dearer than is verified.
    pub new: Format,
    /// Accounts that have the family.
    pub accounts: usize,
    /// Accounts that have a password.
    pub of: usize,
    /// Another family that looks the same, so that the stored text does not tell which of them it is.
    pub alike: Option<PasswordFamily>,
    /// Whether the stored text tells family and parameters, as [`Format::is_told`] says.
    pub told: bool,
}

/// Parameters are common when at least one in so many accounts of the family has them.
const COMMON: usize = 10;

/// Rows that must look like plain text before any is said to.
const PLAIN_ROWS: usize = 3;

/// Looks at the stored passwords of a table's accounts.
pub fn survey<'a>(sample: impl IntoIterator<Item = Stored<'a>>) -> Survey {
    let mut found = Survey::default();
    let (mut formats, mut others) = (BTreeMap::new(), Vec::<(Description, usize)>::new());
    let mut lengths = Vec::new();
    for stored in sample {
        found.sample += 1;
        if let Some(format) = recognise(&stored) {
            *formats.entry(format).or_insert(0) += 1;
            for family in
                PasswordFamily::ALL.iter().filter(|family| recognise_as(&stored, **family).is_some())
            {
                *found.families.entry(*family).or_insert(0) += 1;
            }
            continue;
        }
        let description = describe(&stored);
        if description.is_none() {
            found.without += 1;
            continue;
        }
        if description == Description::Unrecognised {
            lengths.push(stored.hash.chars().count());
        }
        match others.iter_mut().find(|(other, _)| *other == description) {
            Some((_, count)) => *count += 1,
            None => others.push((description, 1)),
        }
    }
    // Digests of one kind have one length, passwords that people thought of do not.
    let uneven = lengths.iter().any(|length| Some(length) != lengths.first());
    if lengths.len() >= PLAIN_ROWS && uneven {
        for (other, _) in others.iter_mut().filter(|(other, _)| *other == Description::Unrecognised) {
            *other = Description::PlainText;
        }
    }
    found.formats = formats.into_iter().collect();
    found.formats.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    others.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    found.others = others;
    found
}

impl Survey {
    /// Accounts with a password.
    pub fn with_password(&self) -> usize {
        self.sample - self.without
    }

    /// Accounts whose stored password reads as one of this family.
    pub fn has(&self, family: PasswordFamily) -> usize {
        self.families.get(&family).copied().unwrap_or_default()
    }

    /// Whether accounts have passwords and none of them is in this family.
    pub fn contradicts(&self, family: PasswordFamily) -> bool {
        self.with_password() > 0 && self.has(family) == 0
    }

    /// The family of more than half of the accounts with a password; `None` where no family has so many.
    pub fn majority(&self) -> Option<Majority> {
        let of = self.with_password();
        let of_family = |family| -> usize {
            self.formats.iter().filter(|(format, _)| format.family == family).map(|(_, count)| count).sum()
        };
        let family = self.formats.iter().map(|(format, _)| format.family).find(|f| of_family(*f) * 2 > of)?;
        let accounts = of_family(family);
        let alike = self.families.keys().find(|other| **other != family && self.has(**other) == accounts);
        let new = self.new_in(family);
        Some(Majority { new, accounts, of, alike: alike.copied(), told: new.is_told() })
    }

    /// The format of a new hash in a family beside those of the sample; where nobody has the family, what its
    /// own library writes by default.
    pub fn new_in(&self, family: PasswordFamily) -> Format {
        let of = |prefix: &str| -> usize {
            let same = |format: &Format| format.family == family && format.prefix == prefix;
            self.formats.iter().filter(|(format, _)| same(format)).map(|(_, count)| count).sum()
        };
        let mine = || self.formats.iter().filter(|(format, _)| format.family == family);
        // The last of equals is the most frequent format's.
        let prefix = mine().map(|(format, _)| format.prefix).rev().max_by_key(|prefix| of(prefix));
        let usual = |count: usize| count * COMMON >= prefix.map_or(0, of);
        let mut strongest: Option<Format> = None;
        for (format, count) in mine().filter(|(format, _)| Some(format.prefix) == prefix) {
            if strongest.is_none_or(|so_far| usual(*count) && format.stronger(&so_far)) {
                strongest = Some(*format);
            }
        }
        strongest.map_or_else(|| Format::default_of(family), Format::for_new)
    }
}

#[cfg(test)]
mod tests;
