//! Whom a token names, by the database.

use jiff::Timestamp;

/// What the database says about a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectFacts {
    /// The account that the subject names.
    pub account: Account,
    /// From when on the user's tokens count (`sessions.invalidateBeforeColumn`).
    pub invalidated_before: Option<Timestamp>,
    /// Whether the token's id is among those that the app has revoked (`sessions.revoked`).
    pub revoked: bool,
}

/// The account that a subject names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// There is none.
    Missing,
    /// There is none, and some that have it in another spelling: text differs in case, or in blanks at its ends.
    Nearly {
        /// The first one as the database has it.
        written: String,
        /// How many there are of them.
        many: i64,
    },
    /// The column cannot hold such a value.
    NotOfType {
        /// The column's type.
        type_name: String,
    },
    /// It may not sign in.
    Inactive {
        /// What the user signs in with.
        login: String,
    },
    /// It may sign in.
    Active {
        /// What the user signs in with.
        login: String,
        /// The id as text.
        id: String,
        /// The value that the subject names, as the database writes it, where its spelling may differ from
        /// an app's: numbers and uuids.
        written: Option<String>,
    },
}
