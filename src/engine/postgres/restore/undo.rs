//! One chunk of rows that go back.

use crate::engine::postgres::{
    catalog::{Column, Table},
    ledger::quarantine::Quarantine,
    restore::lineage::Member,
};

/// What is undone of one row: its copies from first to last, each of another step.
pub(in crate::engine::postgres) struct Undo<'a> {
    pub(super) pairs: &'a [Pair],
    pub(super) members: &'a [Member],
    pub(super) last: &'a Member,
    /// The pair of the last copy.
    pub pair: &'a Pair,
    /// The columns that the steps changed.
    pub changed: Vec<String>,
}

/// A source table with a quarantine table of it.
pub(in crate::engine::postgres) struct Pair {
    /// Where the copies are.
    pub quarantine: Quarantine,
    /// The source, with those of its columns that the copies have too.
    pub source: Table,
    /// The quarantine table.
    pub copies: Table,
    /// The app's triggers that have a say when a row goes back.
    pub triggers: Vec<String>,
    /// Columns of the copies that the source has no more.
    pub lost: Vec<Column>,
    /// Whether it has others instead, that the copies have not.
    pub renamed: bool,
}
