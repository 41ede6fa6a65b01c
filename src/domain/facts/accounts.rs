//! What was seen of the accounts that the spec names.

use crate::{
    api::{condition::Reason, report::ObjectRef},
    domain::facts::password::PasswordFacts,
};

/// How logins tell accounts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoginFacts {
    /// Accounts without a login.
    pub absent: i64,
    /// Accounts whose very login another one has too.
    pub shared: i64,
    /// Accounts whose login differs from another's only by case or blanks at its ends.
    pub alike: i64,
}

/// The admin, or another account that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminFacts {
    /// The account whose login equals the spec's, when there is exactly one or the first of them.
    pub account: Option<Account>,
    /// Accounts whose login equals the spec's, and that the spec does not tell apart.
    pub exact: i64,
    /// Further accounts whose login differs only by case or blanks at its ends; where the account is there, those
    /// alone that are active.
    pub look_alikes: i64,
    /// Who they are, where it is not clear which account is meant.
    pub namesakes: Namesakes,
    /// What is known of the id that it must have.
    pub wanted: Option<WantedId>,
}

/// Accounts that could be meant by one login, and what would tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namesakes {
    /// The first ids of accounts that have the very login.
    pub equal: Vec<String>,
    /// Of all that have it, how many are active.
    pub active: i64,
    /// The id of one of the first of them that is not active, where another one is.
    pub spare: Option<String>,
    /// The first ids of accounts whose login differs by case or blanks at its ends only.
    pub nearly: Vec<String>,
    /// What is blank at the ends of their logins.
    pub blanks: Vec<char>,
    /// A unique key that keeps logins apart together with columns of which the spec says no value: its name, and
    /// those columns.
    pub tenants: Option<(String, Vec<String>)>,
    /// A unique key of the login that counts some rows only: its name, and its condition.
    pub partial: Option<(String, String)>,
}

/// The account as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id as text.
    pub id: String,
    /// Its subject as text; `None` when that column is NULL.
    pub subject: Option<String>,
    /// Conditions of `users.activeWhen` that do not hold: the columns.
    pub inactive: Vec<String>,
    /// Columns of its own `columns` that differ.
    pub drifted: Vec<String>,
    /// What is known of the password.
    pub password: PasswordFacts,
    /// Rows of each table that name it, its own left out, for moving its id: (object, rows).
    pub references: Vec<(ObjectRef, i64)>,
}

/// What is known of the id that an account must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedId {
    /// The id in the column's own spelling; `None` when the type does not take it.
    pub canonical: Option<String>,
    /// Whether another account has it.
    pub occupied: bool,
    /// Rows of references, checked or not, that name it although nobody has it.
    pub orphan_rows: i64,
    /// References whose rows could not be looked at for that.
    pub unseen: Vec<ObjectRef>,
    /// The CHECK of the id column that refuses it.
    pub refused: Option<String>,
    /// Why the account cannot be moved to it, if so: told when it is planned, not when it runs.
    pub immovable: Option<(Reason, String)>,
}
