//! Columns that look as if they named users, and of which nobody says so.

use crate::api::report::ObjectRef;

/// Columns that are called as those are that name users, that no foreign key leads from, and that no rule is about: they
/// are not checked. Nobody looked at their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undeclared {
    /// How many there are.
    pub columns: i64,
    /// The first of them by name.
    pub sample: Vec<ObjectRef>,
}
