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

/// A reference whose indexes cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    /// The reference.
    pub object: ObjectRef,
    /// Why, a plain clause.
    pub why: String,
    /// What to run.
    pub remedy: Vec<String>,
}
