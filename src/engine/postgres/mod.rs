//! PostgreSQL.
//!
//! `session` makes connections without session state; `sql` is the one place where a name becomes
//! SQL; `catalog` reads what there is; `ledger` is the schema of our own; `search` finds rows that
//! name nobody; `observe` gathers one snapshot of all of it; `repair` has a file for each kind of
//! step, `restore` puts back what they changed, `queries` asks for commands of their own, and `verbs`
//! is all of it as an engine.

mod catalog;
mod hints;
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
mod sql_name;
mod verbs;

pub use crate::engine::postgres::hints::hints;
pub use crate::engine::postgres::session::refusal::NOTICES;
pub use crate::engine::postgres::verbs::PostgreSql;
