//! Everything that speaks SQL, and nothing else does. PostgreSQL.
//!
//! `connect` makes sessions without session state; `identifier` is the one place where a name
//! becomes SQL; `catalog` reads what there is, `finding` which rows name nobody, `counters` whether
//! anything may have moved; `observe` gathers one snapshot of all of it and of `accounts`,
//! `references` and `bookkeeping`; `fence` opens every repair transaction; `accounts`, `rows` and
//! `move_id` are the repairs; `quarantine` keeps what they change, and `restore` puts it back.

mod accounts;
mod admission;
mod beside;
mod bookkeeping;
mod bounds;
mod budget;
mod catalog;
mod change;
mod collation;
mod connect;
mod constraints;
mod counters;
mod dependents;
mod discover;
mod error;
mod exchange;
mod fence;
mod finding;
mod fit;
mod foreign;
mod foreign_code;
mod grants;
mod guard;
mod hashes;
#[cfg(target_os = "linux")]
mod holding;
mod identifier;
mod identities;
mod ids;
mod in_the_way;
mod integrity;
mod keeping;
mod kept;
mod likeness;
mod lineage;
mod logins;
mod move_id;
mod observe;
mod pressure;
mod purge;
mod quarantine;
mod references;
mod refusal;
#[cfg(target_os = "linux")]
mod relay;
mod remap;
mod removal;
mod restore;
mod room;
mod rows;
mod scope;
#[cfg(target_os = "linux")]
mod scram;
mod seed;
mod seeding;
mod server;
mod sessions;
mod snapshot;
mod spelling;
mod subject;
mod transaction;
mod trust;
mod walk;
mod wire;

pub use accounts::{Resetting, advance_sequence, correct, reset};
pub use beside::{Beside, WrittenBeside, write_beside};
pub use budget::Budget;
pub use connect::{Session, connect};
pub use constraints::{add_constraint, validate_constraint};
pub use counters::read_counters;
pub use discover::{Discovered, suggestions};
pub use error::DatabaseError;
pub use fence::{Begun, Fence, audited, begin, close, written};
pub use finding::Search;
pub use grants::{Extent, grants};
pub use identities::{Elsewhere, read_elsewhere};
pub use keeping::Kept as Keeping;
pub use kept::{Kept, Shown, Wanted, identity_text, known as known_alone, list as kept, show as show_kept};
pub use logins::logins;
pub use move_id::{Moving, move_id};
pub use observe::{Given, Known, Observed, observe};
pub use pressure::{Pressure, pressure};
pub use purge::{Which, away, doomed, purge, purged};
pub use references::ReferenceTable;
pub use refusal::NOTICES;
pub use remap::{Remapping, remap};
pub use restore::{Restored, Run, repeats, restore, runs};
pub use rows::{Chunk, RowsStep, repair_chunk};
pub use seed::{Seeding, seed};
pub use sessions::SessionsStep;
pub use snapshot::snapshot;
pub use subject::{Asked, SubjectRow, find_subject, resolve_subjects};
