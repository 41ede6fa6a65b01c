//! What the stored passwords of other accounts are, and what stands beside them.

use crate::{
    api::spec::PasswordFamily,
    passwords::{Format, Survey},
};
use std::collections::BTreeMap;

/// What the stored passwords of other accounts are, in a bounded sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HashSample {
    /// What was found among them.
    pub survey: Survey,
    /// Whether they are the other accounts that the spec keeps, since nobody else has a password.
    pub kept: bool,
    /// Why they could not be looked at, if so: nothing is known then.
    pub unread: Option<String>,
    /// What does not take a new hash in the format that they say, if so.
    pub unfit: Option<Unfit>,
    /// The format of the account's own stored password, where that reads as one.
    pub own: Option<Format>,
    /// Columns beside the password that may say how it is read.
    pub beside: Vec<Beside>,
}

impl HashSample {
    /// What others say beside an account's own format. Accounts of the spec say nothing of one another: each may be
    /// the one that was written wrongly.
    pub(in crate::domain) fn others(&self, own: Option<Format>) -> Survey {
        if self.kept && own.is_some() { Survey::default() } else { self.survey.clone() }
    }
}

/// A column that does not take what would be written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The column.
    pub column: String,
    /// Its type, as SQL has it.
    pub column_type: String,
    /// Characters of what would be written.
    pub characters: usize,
}

/// What a column beside the password says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// What is mixed into the hash.
    Salt,
    /// Which algorithm the hash is of.
    Algorithm,
}

/// One column beside the password, in an account's own row and beside the passwords of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Its name.
    pub column: String,
    /// What it says.
    pub says: Says,
    /// Whether the account's own row has something in it; `None` where there is no such row.
    pub own: Option<bool>,
    /// Whether a new row gets a value there, by the spec or by itself.
    pub given: bool,
    /// What others have, by the family of their password.
    pub others: BTreeMap<PasswordFamily, Others>,
}

/// How many other accounts have what in a column beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Others {
    /// Something.
    pub filled: usize,
    /// Nothing.
    pub empty: usize,
    /// What the account's own row has.
    pub as_own: usize,
}
