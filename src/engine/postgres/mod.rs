//! PostgreSQL.
//!
//! `session` makes connections without session state; `sql` is the one place where a name becomes
//! SQL; `catalog` reads what there is; `ledger` is the schema of our own; `search` finds rows that
//! name nobody; `observe` gathers one snapshot of all of it; `repair` has a file for each kind of
//! step, `restore` puts back what they changed, and `queries` asks for commands of their own.

mod catalog;
mod ledger;
mod observe;
mod queries;
mod repair;
mod restore;
mod rowset;
mod search;
mod session;
mod sql;
pub mod sql_keys;

pub use crate::engine::budget::Budget;
pub use crate::engine::postgres::catalog::keeping::Kept as Keeping;
pub use crate::engine::postgres::catalog::reference::ReferenceTable;
pub use crate::engine::postgres::catalog::resolved::ResolvedSchema;
pub use crate::engine::postgres::ledger::fence::Fence;
pub use crate::engine::postgres::observe::change_marks::read_counters;
pub use crate::engine::postgres::observe::identities::remote::{Elsewhere, read_elsewhere};
pub use crate::engine::postgres::observe::users::known as known_alone;
pub use crate::engine::postgres::queries::discover::{Discovered, suggestions};
pub use crate::engine::postgres::queries::grants::{Extent, grants};
pub use crate::engine::postgres::queries::logins::logins;
pub use crate::engine::postgres::queries::snapshot::snapshot;
pub use crate::engine::postgres::queries::subject::{
    SubjectQuery, SubjectRow, find_subject, resolve_subjects,
};
pub use crate::engine::postgres::repair::accounts::{Resetting, correct, reset};
pub use crate::engine::postgres::repair::chunk::Chunk;
pub use crate::engine::postgres::repair::constraints::{add_constraint, validate_constraint};
pub use crate::engine::postgres::repair::move_id::{Moving, move_id};
pub use crate::engine::postgres::repair::remap::{Remapping, remap};
pub use crate::engine::postgres::repair::rows::{PlannedRows, RowsStep, repair_chunk};
pub use crate::engine::postgres::repair::run::{Begun, audited, begin, close, written};
pub use crate::engine::postgres::repair::seed::{Seeding, seed};
pub use crate::engine::postgres::repair::sequence::advance_sequence;
pub use crate::engine::postgres::repair::sessions::SessionsStep;
pub use crate::engine::postgres::restore::export::{Beside, WrittenBeside, write_beside};
pub use crate::engine::postgres::restore::inventory::{
    QuarantineEntry, QuarantineRows, RowsQuery, identity_text, list as kept, show as show_kept,
};
pub use crate::engine::postgres::restore::runs::Run;
pub use crate::engine::postgres::restore::{
    inventory::PurgeFilter,
    purge::{away, doomed, purge, purged},
};
pub use crate::engine::postgres::search::Search;
pub use crate::engine::postgres::session::connect::{Session, connect};
pub use crate::engine::postgres::session::error::DatabaseError;
pub use crate::engine::postgres::session::load::{Pressure, pressure};
pub use crate::engine::postgres::session::refusal::NOTICES;
pub use observe::{ObserveOptions, Observed, observe};
pub use restore::{Restored, repeats, restore, runs};
