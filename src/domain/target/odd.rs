//! What is odd about a value that somebody signs in with.

use crate::{
    domain::target::connection::Connection,
    passwords::{PasswordWarning, audit_password, audit_secret},
};

/// One thing that is odd about one of them. Never holds a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// Which value, in words.
    pub value: String,
    /// What is odd about it.
    pub warning: PasswordWarning,
}

impl Odd {
    /// What is odd about a Secret's value that is taken whole.
    pub fn whole(field: &str, bytes: &[u8]) -> Vec<Self> {
        Self::of(&format!("the value of {field}"), audit_secret(bytes))
    }

    /// What is odd about a connection string and its parts.
    pub fn parts(field: &str, bytes: &[u8], connection: &Connection) -> Vec<Self> {
        let ends = bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r' | b' ' | b'\t'));
        let whole = ends.then_some(PasswordWarning::LineBreakLeftOff).into_iter().collect();
        let user = audit_password(&connection.user.clone().into());
        let mut odd = Self::of(&format!("the value of {field}"), whole);
        odd.extend(Self::of(&format!("the user name in {field}"), user));
        odd.extend(Self::of(&format!("the password in {field}"), audit_password(&connection.password)));
        odd
    }

    fn of(value: &str, warnings: Vec<PasswordWarning>) -> Vec<Self> {
        // How easily it is guessed says nothing about whether it is the right one.
        let told = warnings.into_iter().filter(|warning| *warning != PasswordWarning::Placeholder);
        told.map(|warning| Self { value: value.to_owned(), warning }).collect()
    }

    /// In a clause.
    pub fn describe(&self) -> String {
        use PasswordWarning as W;
        let what = match self.warning {
            W::Placeholder => "is a well-known word of examples",
            W::Unfilled => "is a variable or template that nobody filled in",
            W::Unresolved(what) => return format!("{} is {what}, not what that stands for", self.value),
            W::NoValue => "is the word that a program prints for no value",
            W::Assignment => "is a whole line NAME=value, with the name in it",
            W::JsonDocument => "is a JSON document",
            W::Hash => "is a hash, not what it was made of",
            W::CutHash => "is a hash that was cut off",
            W::PythonBytes => "stands in b'…', as Python prints bytes, which is taken for a part of it",
            W::Path => "is the path of a file, not what the file holds",
            W::DoubledDollars => "has each $ twice, as a Compose file wants it",
            W::WrittenLineBreak => {
                "ends with a backslash and a letter, as a line break is written in quotes, which are taken for a part of it"
            }
            W::Quotes => "stands in quotes, which are taken for a part of it",
            W::Blanks => "begins or ends with white space, which is taken for a part of it",
            W::LineBreakLeftOff => {
                "ends with a line break or white space, which is left off here and which an app that reads the same Secret may keep: store it without, as printf %s writes it"
            }
            W::LineBreakAtEnd => "ends with a line break, which is taken for a part of it",
            W::LineBreakInside => "has a line break or tabulator in it",
            W::ByteOrderMark => "begins with a byte order mark, which is taken for a part of it",
            W::Utf16 => "is encoded as UTF-16",
            W::Invisible => {
                "has characters that nobody sees or that look like others (a no-break or zero-width space, typographic quotes, a control character)"
            }
            W::Base64 => "is base64 of a text, as a Secret's data has when it was encoded once too often",
            W::Base64Twice => {
                "is base64 of base64 of a text, as a Secret's data has when it was encoded twice too often"
            }
        };
        format!("{} {what}", self.value)
    }
}
