//! The engine against a real PostgreSQL: from a database to findings, plan, outcome and conditions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "databases/accounts.rs"]
mod accounts;
#[path = "databases/admin.rs"]
mod admin;
#[path = "databases/beside.rs"]
mod beside;
#[path = "databases/collisions.rs"]
mod collisions;
#[path = "databases/concurrency.rs"]
mod concurrency;
#[path = "databases/connections.rs"]
mod connections;
#[path = "databases/constraints.rs"]
mod constraints;
#[path = "databases/cuts.rs"]
mod cuts;
#[path = "databases/discover.rs"]
mod discover;
#[path = "databases/doubts.rs"]
mod doubts;
#[path = "databases/exchange.rs"]
mod exchange;
#[path = "databases/finding.rs"]
mod finding;
#[path = "databases/grants.rs"]
mod grants;
#[path = "databases/hostile.rs"]
mod hostile;
#[path = "databases/ids.rs"]
mod ids;
#[path = "databases/ids_and_sequences.rs"]
mod ids_and_sequences;
#[path = "databases/input.rs"]
mod input;
#[path = "databases/kept.rs"]
mod kept;
#[path = "databases/mending.rs"]
mod mending;
#[path = "databases/orphans.rs"]
mod orphans;
#[path = "databases/partitions.rs"]
mod partitions;
#[path = "databases/reach.rs"]
mod reach;
#[path = "databases/refusals.rs"]
mod refusals;
#[path = "databases/remap.rs"]
mod remap;
#[path = "databases/restore.rs"]
mod restore;
#[path = "databases/rounds.rs"]
mod rounds;
#[path = "databases/rows_whole.rs"]
mod rows_whole;
#[path = "databases/sessions.rs"]
mod sessions;
#[path = "databases/shapes.rs"]
mod shapes;
#[path = "databases/source.rs"]
mod source;
#[path = "databases/stamps.rs"]
mod stamps;
#[path = "databases/steady.rs"]
mod steady;
#[path = "databases/story.rs"]
mod story;
mod support;
#[path = "databases/types.rs"]
mod types;
#[path = "databases/uuids.rs"]
mod uuids;
