//! What a new row of the user table needs.

use super::new_ids::IdSource;
use crate::{api::report::ObjectRef, domain::target::SeedValue};
use std::collections::BTreeMap;

/// What there is to know of the user table for a new row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeedFacts {
    /// Columns that the spec gives no value for on behalf of everybody, and that may need one.
    pub needed: Vec<NeededColumn>,
    /// Columns whose values the database computes, so that no statement may write them.
    pub computed: Vec<String>,
    /// What the app may take ids from, where the id column has no default.
    pub sources: Vec<IdSource>,
    /// Columns whose defaults draw from a sequence that the role may not draw from, each with it.
    pub undrawn: Vec<(String, ObjectRef)>,
    /// What of an account's `seedColumns` cannot be written, by login; the admin's under `None`.
    pub faults: BTreeMap<Option<String>, Vec<SeedFault>>,
}

/// A column that may need a value of the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededColumn {
    /// Its name.
    pub name: String,
    /// Whether it may not be NULL and has no default. Otherwise only a condition asks for a value of it.
    pub required: bool,
    /// A value that its type takes.
    pub suggested: Suggested,
}

/// A value that a column's type takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggested {
    /// One that does what the column is for, by its type.
    Value(SeedValue),
    /// One that only stands in for a value that a person knows.
    StandIn(String),
    /// It names a row of another table, and nobody can tell which.
    RowOf(String),
}

/// Why a value of `seedColumns` cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFault {
    /// The column.
    pub column: String,
    /// Why, a plain clause about it.
    pub why: String,
}
