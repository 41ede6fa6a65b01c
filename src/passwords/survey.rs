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
    /// Characters of the stored passwords, where all have as many.
    pub length: Option<usize>,
    /// Each family that accounts may have, as what they read in it, and how many; more than one where families
    /// look alike.
    families: BTreeMap<PasswordFamily, BTreeMap<Format, usize>>,
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

/// The shortest digest in base64: 128 bits.
const DIGEST: usize = 22;

/// Looks at the stored passwords of a table's accounts.
pub fn survey<'a>(sample: impl IntoIterator<Item = Stored<'a>>) -> Survey {
    let mut found = Survey::default();
    let (mut formats, mut others) = (BTreeMap::new(), Vec::<(Description, usize)>::new());
    let (mut lengths, mut digests, mut all_lengths) = (Vec::new(), false, Vec::new());
    for stored in sample {
        found.sample += 1;
        if !stored.hash.is_empty() {
            all_lengths.push(stored.hash.chars().count());
        }
        if let Some(format) = recognise(&stored) {
            *formats.entry(format).or_insert(0) += 1;
            for read in PasswordFamily::ALL.iter().filter_map(|family| recognise_as(&stored, *family)) {
                *found.families.entry(read.family).or_default().entry(read).or_insert(0) += 1;
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
            digests |= holds_a_digest(stored.hash);
        }
        match others.iter_mut().find(|(other, _)| *other == description) {
            Some((_, count)) => *count += 1,
            None => others.push((description, 1)),
        }
    }
    // Digests of one kind have one length, passwords that people thought of do not.
    let uneven = lengths.iter().any(|length| Some(length) != lengths.first());
    if lengths.len() >= PLAIN_ROWS && uneven && !digests {
        for (other, _) in others.iter_mut().filter(|(other, _)| *other == Description::Unrecognised) {
            *other = Description::PlainText;
        }
    }
    found.length = all_lengths.first().copied().filter(|first| all_lengths.iter().all(|one| one == first));
    found.formats = formats.into_iter().collect();
    found.formats.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    others.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    found.others = others;
    found
}

/// Whether a part of a text looks like a digest or a salt: nobody thinks of a password that holds one.
fn holds_a_digest(text: &str) -> bool {
    let mut parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=._-".contains(c)));
    parts.any(|part| part.len() >= DIGEST && part.bytes().any(|byte| byte.is_ascii_digit()))
}

impl Survey {
    /// Accounts with a password.
    pub fn with_password(&self) -> usize {
        self.sample - self.without
    }

    /// Accounts whose stored password reads as one of this family.
    pub fn has(&self, family: PasswordFamily) -> usize {
        self.families.get(&family).map_or(0, |formats| formats.values().sum())
    }

    /// Whether accounts have a family and none of them has this variant of it.
    pub fn lacks(&self, format: &Format) -> bool {
        let prefixes = self.prefixes(format.family);
        !prefixes.is_empty() && !prefixes.contains_key(format.prefix)
    }

    /// How many accounts have this variant of its family.
    pub fn has_variant(&self, format: &Format) -> usize {
        self.prefixes(format.family).get(format.prefix).copied().unwrap_or_default()
    }

    /// The prefixes of bcrypt that equally many accounts have, and no other prefix more: not every reader reads all.
    pub fn tied(&self) -> Vec<&'static str> {
        let prefixes = self.prefixes(PasswordFamily::Bcrypt);
        let most = prefixes.values().max().copied().unwrap_or_default();
        let tied: Vec<_> =
            prefixes.iter().filter(|(_, count)| **count == most).map(|(one, _)| *one).collect();
        if tied.len() > 1 { tied } else { Vec::new() }
    }

    /// Whether as many accounts have a family as any other.
    pub fn is_among_the_most(&self, family: PasswordFamily) -> bool {
        let most = PasswordFamily::ALL.iter().map(|one| self.has(*one)).max().unwrap_or_default();
        most > 0 && self.has(family) == most
    }

    /// How many accounts have each variant of a family.
    fn prefixes(&self, family: PasswordFamily) -> BTreeMap<&'static str, usize> {
        let mut prefixes = BTreeMap::new();
        for (format, accounts) in self.families.get(&family).into_iter().flatten() {
            *prefixes.entry(format.prefix).or_insert(0) += accounts;
        }
        prefixes
    }

    /// The variants of a family and how many accounts have each, where an app reads one of them alone and no more
    /// than half of the accounts have the same.
    pub fn undecided(&self, family: PasswordFamily) -> Option<Vec<(&'static str, usize)>> {
        // Code that was written by hand knows one of them. Which prefixes a library reads, the table shows.
        let by_hand = family == PasswordFamily::NodeScrypt;
        let prefixes = self.prefixes(family);
        let all: usize = prefixes.values().sum();
        let decided = prefixes.is_empty() || prefixes.values().any(|accounts| accounts * 2 > all);
        (by_hand && !decided).then(|| prefixes.into_iter().collect())
    }

    /// Whether accounts have passwords and none of them is in this family, or was.
    pub fn contradicts(&self, family: PasswordFamily) -> bool {
        self.with_password() > 0 && self.has(family) == 0 && !self.remains().contains(&family)
    }

    /// The families of which damaged and cut off hashes of accounts are what is left.
    pub fn remains(&self) -> Vec<PasswordFamily> {
        self.others.iter().flat_map(|(what, _)| what.remains_of()).collect()
    }

    /// The family of more than half of the accounts with a password; `None` where no family has so many.
    pub fn majority(&self) -> Option<Majority> {
        let of = self.with_password();
        let of_family = |family| -> usize {
            self.formats.iter().filter(|(format, _)| format.family == family).map(|(_, count)| count).sum()
        };
        let family = self.formats.iter().map(|(format, _)| format.family).find(|f| of_family(*f) * 2 > of)?;
        let accounts = of_family(family);
        let alike = self.families.keys().find(|other| **other != family && self.has(**other) >= accounts);
        let new = self.new_in(family);
        Some(Majority { new, accounts, of, alike: alike.copied(), told: new.is_told() })
    }

    /// The format of a new hash in a family beside those of the sample; where nobody has the family, what its
    /// own library writes by default.
    pub fn new_in(&self, family: PasswordFamily) -> Format {
        let prefixes = self.prefixes(family);
        // The last of equals is the most frequent format's.
        let frequent = self.mine(family);
        let prefix = frequent.iter().map(|(format, _)| format.prefix).rev();
        let prefix = prefix.max_by_key(|prefix| prefixes.get(prefix).copied().unwrap_or_default());
        prefix.map_or_else(|| Format::default_of(family), |prefix| self.new_with(family, prefix))
    }

    /// The format of a new hash with this prefix; where nobody has it, with the parameters of the others.
    pub fn new_with(&self, family: PasswordFamily, prefix: &'static str) -> Format {
        let of = self.prefixes(family).get(prefix).copied().unwrap_or_default();
        if of == 0 {
            return Format { prefix, ..self.new_in(family) };
        }
        let mut strongest: Option<Format> = None;
        for (format, count) in self.mine(family).into_iter().filter(|(format, _)| format.prefix == prefix) {
            if strongest.is_none_or(|so_far| count * COMMON >= of && format.stronger(&so_far)) {
                strongest = Some(format);
            }
        }
        strongest.map_or_else(|| Format::default_of(family), Format::for_new)
    }

    /// The formats of a family, the most frequent first. As they read in it, since what looks alike counts among the
    /// formats as one of them alone.
    fn mine(&self, family: PasswordFamily) -> Vec<(Format, usize)> {
        let formats = self.families.get(&family).into_iter().flatten();
        let mut formats: Vec<_> = formats.map(|(format, count)| (*format, *count)).collect();
        formats.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        formats
    }
}

#[cfg(test)]
mod tests;
