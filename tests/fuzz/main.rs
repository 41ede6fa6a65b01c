//! Readers of what strangers write, under bytes that nobody thought of: `make fuzz`.
//!
//! Each target is a property of any bytes. It is tried with all of `found/` (what once failed), with seeds, with
//! bytes from strategies, and with mutations of whatever had an outcome that none before it had, for
//! `AUTHCON_FUZZ_SECONDS` (3). `AUTHCON_FUZZ_SEED` (0) says what chance draws. What fails is made small, printed in
//! hexadecimal and written to `found/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that panics has failed, which is what it is for"
)]

mod connection_strings;
mod engine;
mod hashes;
mod keys;
mod mutate;
mod people;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

// What the files of the engine that are tried here name by `crate`.
use auth_consistency::domain;
use support::canary;
