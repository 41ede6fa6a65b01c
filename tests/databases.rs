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
