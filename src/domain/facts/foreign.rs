//! Tables, and code that runs when their rows are written, of roles that are not the app.

use crate::api::report::ObjectRef;

/// Something of a role that is not the app, in the way of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The reference whose rows would be written, and which no rule names.
    pub object: ObjectRef,
    /// What it is.
    pub thing: ForeignThing,
    /// The role that owns it.
    pub owner: String,
}

/// What a role that is not the app owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignThing {
    /// The table itself, or a partition of it.
    Table(String),
    /// A function that a trigger, rule, constraint, default or index of the table calls.
    Function(String),
    /// A domain that a column of the table is of, or that one of these expressions casts to.
    Type(String),
    /// An operator that a trigger, rule, constraint, default or index of the table calls.
    Operator(String),
}
