//! The heart: decides, and touches nothing. No clock, no client, no SQL, no async.
//!
//! `target` parses a spec and its Secrets once into values that cannot be wrong; `observation`
//! holds the facts that a pass gathered; `diagnosis` turns facts into findings with the step that
//! would mend each; `plan` orders the steps, decides which may run and which wait for approval;
//! `requests` says which one-off requests count, `undone` what waits for a step that was refused;
//! `telling` says them in words;
//! `report` turns the outcome into conditions and status; `schedule` says when to look again;
//! `severity` classes every failure once.

mod accounts;
mod admin;
pub mod authority;
mod claims;
pub mod coming_up;
pub mod compare;
pub mod connection;
mod constraints;
pub mod correspondence;
pub mod counters;
pub mod credentials;
pub mod diagnosis;
mod doubts;
pub mod dsn;
pub mod endpoints;
pub mod enforcement;
pub mod foreign;
pub mod foreign_code;
pub mod foreign_key;
pub mod giving;
pub mod hashing;
pub mod identities;
pub mod observation;
pub mod offer;
pub mod orphans;
mod parse;
pub mod period;
pub mod plan;
pub mod preflight;
pub mod progress;
mod remap;
pub mod report;
pub mod requests;
pub mod rights;
pub mod rotation;
pub mod round;
pub mod schedule;
pub mod search;
pub mod seeding;
pub mod sessions;
pub mod severity;
pub mod snapshot;
pub mod sql_name;
pub mod suggestions;
pub mod target;
pub mod telling;
pub mod trust;
pub mod undone;
pub mod verifiers;
pub mod wording;
pub mod workloads;
