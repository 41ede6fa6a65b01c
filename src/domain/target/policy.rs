//! What is done with the orphans of a reference.

use crate::{
    api::{
        report::ObjectRef,
        spec::{OnCollision, OnConstraint, OnOrphan, ReferenceRule},
    },
    domain::facts::references::Reference,
};

/// Whether a rule accepts these orphans: what is accepted counts as consistent.
pub fn accepted(policy: &Policy, reference: &Reference) -> bool {
    policy.accept.as_ref().is_some_and(|(rows, _)| reference.orphans.rows <= *rows)
}

/// A rule with its schema filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Schema of the table.
    pub schema: String,
    /// The rule as written.
    pub rule: ReferenceRule,
}

/// What the rules say of one reference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What to do with orphans.
    pub on_orphan: OnOrphan,
    /// What to do with orphans for which the admin's unique keys have no room.
    pub on_collision: OnCollision,
    /// Up to this many orphans are wanted, and why.
    pub accept: Option<(i64, String)>,
    /// Not checked, and why.
    pub ignore: Option<String>,
    /// A rule says that the rows carry credentials.
    pub credentials: bool,
    /// What to do about its foreign key.
    pub constraint: OnConstraint,
}

impl Rule {
    /// Whether it is about exactly these columns of this table.
    pub fn names(&self, object: &ObjectRef) -> bool {
        self.schema == object.schema
            && self.rule.table == object.table
            && self.rule.columns.as_deref() == Some(object.columns.as_slice())
    }
}
