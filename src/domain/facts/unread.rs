//! References that are not read, or not as a whole.

use crate::api::report::ObjectRef;

/// A reference that is not checked: ignored by a rule, not discovered, or not readable as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The reference.
    pub object: ObjectRef,
    /// The lowest and the highest id that its rows name, but for the first and the last one that there can be; or
    /// why that could not be seen.
    pub ends: Result<Option<(i64, i64)>, String>,
}

/// A reference whose indexes cannot be believed, or accounts whose logins or ids have such ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    /// The reference, or the user table with those columns.
    pub object: ObjectRef,
    /// Whether it is about the accounts of the spec.
    pub of_accounts: bool,
    /// Why, a plain clause.
    pub why: String,
    /// Whether a unique index is among those that are to be rebuilt, which fails where two rows have one key.
    pub unique: bool,
    /// What to run, in this order.
    pub remedy: Vec<String>,
}
