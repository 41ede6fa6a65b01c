//! Decides, and touches nothing. No clock, no client, no SQL, no async.
//!
//! `target` and `parse` read a spec and its Secrets once into values that cannot be wrong; `facts`
//! are what a pass gathered; `diagnose` turns them into findings with the step that would mend each;
//! `plan` orders the steps, decides which may run and which wait for approval, and says them in
//! words; `report` turns the outcome into conditions and status, and says when to look again;
//! `fault` classes every failure once.

pub mod advise;
pub mod blank;
pub mod diagnose;
pub mod facts;
pub mod fault;
pub mod finding;
pub mod hints;
pub mod identities;
pub mod incremental;
pub mod parse;
pub mod plan;
pub mod progress;
pub mod report;
pub mod request;
pub mod search;
pub mod step;
pub mod target;
pub mod text;
