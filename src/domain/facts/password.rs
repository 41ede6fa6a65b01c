//! What is known of an account's stored password.

use crate::passwords::{Coat, Description, Format, Mistagged};

/// What is known of a stored password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordFacts {
    /// Its format, when it is one we know.
    pub format: Option<Format>,
    /// What it is, for messages.
    pub seems: Description,
    /// Whether there is none at all.
    pub absent: bool,
    /// Whether it is the Secret's, be it under the wrong tag; `None` where it was not compared.
    pub matches: Option<bool>,
    /// Why it could not be compared, where it was to be.
    pub uncompared: Option<String>,
    /// What is wrong around the right digest, where it is the Secret's under the wrong tag.
    pub mistagged: Option<Mistagged>,
}

impl PasswordFacts {
    /// Whether there is white space around what would be read without it.
    pub fn is_padded(&self) -> bool {
        let Description::Coated { coat: Coat::WhiteSpace, inside } = &self.seems else { return false };
        matches!(**inside, Description::Readable(_))
    }

    /// Nothing was looked at.
    pub fn unknown() -> Self {
        Self {
            format: None,
            seems: Description::Empty,
            absent: false,
            matches: None,
            uncompared: None,
            mistagged: None,
        }
    }
}
