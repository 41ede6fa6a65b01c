//! Columns beside the password that may say how it is read: a salt that the app mixes in, or the name of an algorithm.
//! A hash that is written beside a value of the hash before is one that the app refuses.

use super::count_of;
use crate::{
    domain::facts::hashes::{Beside, Others, Says},
    passwords::{Format, keeps_a_salt},
};

/// Names, without case and what stands between words, of columns that hold a salt.
const SALTS: &[&str] = &[
    "salt",
    "passwordsalt",
    "passwdsalt",
    "passsalt",
    "pwdsalt",
    "pwsalt",
    "usersalt",
    "hashsalt",
    "saltvalue",
    "saltstring",
];

/// The same of columns that say which algorithm a hash is of.
const ALGORITHMS: &[&str] = &[
    "algo",
    "algorithm",
    "hashalgo",
    "hashalgorithm",
    "passwordalgo",
    "passwordalgorithm",
    "passwdalgo",
    "passwdhashalgo",
    "passwordhashalgo",
    "passwordhashalgorithm",
    "hasher",
    "passwordhasher",
    "hashtype",
    "passwordtype",
    "passwordhashtype",
    "passtype",
    "hashversion",
    "passwordversion",
    "passwordhashversion",
    "hashformat",
    "passwordformat",
    "hashscheme",
    "passwordscheme",
    "hashmethod",
    "passwordmethod",
    "passwordencoder",
    "passwordencryption",
    "encryptiontype",
];

impl Says {
    /// What a column of that name says of the password, if anything.
    pub fn of(name: &str) -> Option<Self> {
        let plain: String =
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let among = |names: &[&str]| names.contains(&plain.as_str());
        match (among(SALTS), among(ALGORITHMS)) {
            (true, _) => Some(Self::Salt),
            (_, true) => Some(Self::Algorithm),
            _ => None,
        }
    }
}

/// Why the app may read a new hash in this format by what a column beside it would still say, if so.
pub(super) fn misread(beside: &[Beside], own: Option<Format>, format: &Format) -> Option<String> {
    beside.iter().find_map(|one| match one.says {
        Says::Salt if keeps_a_salt(format) => None,
        Says::Salt => one.salted(format),
        Says::Algorithm => one.named(own, format),
    })
}

impl Beside {
    fn like(&self, format: &Format) -> Others {
        self.others.get(&format.family).copied().unwrap_or_default()
    }

    fn salted(&self, format: &Format) -> Option<String> {
        let (others, family) = (self.like(format), format.family.words());
        let may = format!(
            "and {family} keeps no salt there, so that the app may mix it in: have the app set the password"
        );
        if self.own == Some(true) {
            Some(format!("column {:?} of its row is filled, {may}", self.column))
        } else if others.filled > 0 && others.empty == 0 {
            let filled = count_of(others.filled);
            Some(format!(
                "column {:?} is filled beside all {filled} other accounts that have {family}, {may}",
                self.column
            ))
        } else {
            None
        }
    }

    fn named(&self, own: Option<Format>, format: &Format) -> Option<String> {
        let (others, family) = (self.like(format), format.family.words());
        let all = others.filled + others.empty;
        let stays = own.is_some_and(|own| own.family == format.family);
        let column = &self.column;
        match self.own {
            Some(_) if others.as_own > 0 || (all == 0 && stays) => None,
            Some(false) if others.filled == 0 => None,
            Some(_) if all == 0 => Some(format!(
                "column {column:?} of its row holds a value, and no other account shows which one the app expects with {family}: have the app set the password"
            )),
            Some(_) => Some(format!(
                "column {column:?} of its row holds another value than with the {} other accounts that have {family}, and the app may read the hash by it: set it as they have it, or have the app set the password",
                count_of(all)
            )),
            None if others.filled > 0 && others.empty == 0 && !self.given => Some(format!(
                "column {column:?} is filled with all {} other accounts that have {family}, and the app may read the hash by it: say in the account's seedColumns what a new row gets there",
                count_of(others.filled)
            )),
            None => None,
        }
    }
}
