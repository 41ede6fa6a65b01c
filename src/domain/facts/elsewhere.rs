//! What was seen of foreign keys of columns that name users, and that reference another table than the user table.

use crate::api::report::ObjectRef;

/// A foreign key of columns that name users, which references another table than the user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyElsewhere {
    /// Table, columns and the foreign key.
    pub object: ObjectRef,
    /// The table that it references, with its columns.
    pub to: ObjectRef,
    /// The foreign key's definition.
    pub definition: String,
    /// Why its columns are taken to name users.
    pub noticed: Noticed,
    /// Whether a foreign key says that the two keys are one: of what it references to the id of the user table, or of that
    /// to what it references. Then an id is the same account in both.
    pub linked: bool,
    /// Whether the foreign key that takes its place can be added with NOT VALID.
    pub not_valid: bool,
    /// Of accounts of the user table, those with the highest ids: how many were looked at, and how many of them the
    /// other table lacks. `None` where nobody could look.
    pub lacking: Option<(i64, i64)>,
    /// Of distinct values in a sample of its rows: how many there are, and how many of them are ids of the user table.
    /// `None` where nobody could look.
    pub overlap: Option<(i64, i64)>,
}

/// Why columns are taken to name users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// A rule, or the snapshot, says so.
    Rule,
    /// The column is called as those are that name users, and the table as the user table is.
    Names,
    /// The column is called as those are that name users, and the other table holds the same logins under the same ids.
    Logins {
        /// Accounts of the other table that were looked at.
        looked_at: i64,
        /// How many of them the user table has under the same id with the same login.
        same: i64,
    },
}

impl KeyElsewhere {
    /// Whether it is told: what a rule says, and what only looks so where its values do not deny it.
    pub fn is_told(&self) -> bool {
        let denied = self.overlap.is_some_and(|(values, users)| users.saturating_mul(2) < values);
        !self.linked && (self.noticed == Noticed::Rule || !denied)
    }
}
