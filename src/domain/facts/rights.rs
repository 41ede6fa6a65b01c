//! Rights by their names.

use std::fmt;

use crate::api::report::ObjectRef;

/// A right on a table or on a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To read rows.
    Select,
    /// To add rows.
    Insert,
    /// To change rows; of a sequence, to set it.
    Update,
    /// To remove rows.
    Delete,
    /// To take the next value of a sequence.
    Usage,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Usage => "USAGE",
        })
    }
}

/// A right that the role lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LackingRight {
    /// Which one.
    pub right: Right,
    /// The table; of its name alone.
    pub table: ObjectRef,
}
