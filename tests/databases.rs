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
#[path = "databases/big_catalog.rs"]
mod big_catalog;
#[path = "databases/bounds.rs"]
mod bounds;
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
#[path = "databases/descending.rs"]
mod descending;
#[path = "databases/discover.rs"]
mod discover;
#[path = "databases/doubts.rs"]
mod doubts;
#[path = "databases/elsewhere.rs"]
mod elsewhere;
#[path = "databases/enforcement.rs"]
mod enforcement;
#[path = "databases/exchange.rs"]
mod exchange;
#[path = "databases/finding.rs"]
mod finding;
#[path = "databases/fitting.rs"]
mod fitting;
#[path = "databases/foreign_code.rs"]
mod foreign_code;
#[path = "databases/foreign_triggers.rs"]
mod foreign_triggers;
#[path = "databases/formats.rs"]
mod formats;
#[path = "databases/free_ids.rs"]
mod free_ids;
#[path = "databases/given_ids.rs"]
mod given_ids;
#[path = "databases/grants.rs"]
mod grants;
#[path = "databases/heirs.rs"]
mod heirs;
#[path = "databases/hostile.rs"]
mod hostile;
#[path = "databases/ids.rs"]
mod ids;
#[path = "databases/ids_and_sequences.rs"]
mod ids_and_sequences;
#[path = "databases/in_the_way.rs"]
mod in_the_way;
#[path = "databases/init.rs"]
mod init;
#[path = "databases/input.rs"]
mod input;
#[path = "databases/kept.rs"]
mod kept;
#[path = "databases/late_bound.rs"]
mod late_bound;
#[path = "databases/leaks.rs"]
mod leaks;
#[path = "databases/ledger.rs"]
mod ledger;
#[path = "databases/long_texts.rs"]
mod long_texts;
#[path = "databases/made_up_names.rs"]
mod made_up_names;
#[path = "databases/mending.rs"]
mod mending;
#[path = "databases/mistagged.rs"]
mod mistagged;
#[path = "databases/offers.rs"]
mod offers;
#[path = "databases/orphans.rs"]
mod orphans;
#[path = "databases/overtaken.rs"]
mod overtaken;
#[path = "databases/partitions.rs"]
mod partitions;
#[path = "databases/passed_over.rs"]
mod passed_over;
#[path = "databases/passwords.rs"]
mod passwords;
#[path = "databases/put_off.rs"]
mod put_off;
#[path = "databases/reach.rs"]
mod reach;
#[path = "databases/refusals.rs"]
mod refusals;
#[path = "databases/remap.rs"]
mod remap;
#[path = "databases/renamed.rs"]
mod renamed;
#[path = "databases/requests.rs"]
mod requests;
#[path = "databases/restore.rs"]
mod restore;
#[path = "databases/rounds.rs"]
mod rounds;
#[path = "databases/rows_whole.rs"]
mod rows_whole;
#[path = "databases/seeding.rs"]
mod seeding;
#[path = "databases/sequences.rs"]
mod sequences;
#[path = "databases/sessions.rs"]
mod sessions;
#[path = "databases/shapes.rs"]
mod shapes;
#[path = "databases/short.rs"]
mod short;
#[path = "databases/sign_in.rs"]
mod sign_in;
#[path = "databases/since_18.rs"]
mod since_18;
#[path = "databases/source.rs"]
mod source;
#[path = "databases/sql_texts.rs"]
mod sql_texts;
#[path = "databases/stamps.rs"]
mod stamps;
#[path = "databases/standby.rs"]
mod standby;
#[path = "databases/statements.rs"]
mod statements;
#[path = "databases/steady.rs"]
mod steady;
#[path = "databases/story.rs"]
mod story;
mod support;
#[path = "databases/tampered.rs"]
mod tampered;
#[path = "databases/twins.rs"]
mod twins;
#[path = "databases/types.rs"]
mod types;
#[path = "databases/unique.rs"]
mod unique;
#[path = "databases/until_14.rs"]
mod until_14;
#[path = "databases/unwritable.rs"]
mod unwritable;
#[path = "databases/uuids.rs"]
mod uuids;
