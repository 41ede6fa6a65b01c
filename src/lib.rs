//! AuthConsistency keeps accounts, the references to them and the tokens that name them consistent.
//!
//! Data walks through the rooms in one direction:
//!
//! ```text
//! spec + secrets -> Target -> Observation -> Findings -> Plan -> Outcome -> Status / report
//! ```
//!
//! `api` is the contract; `domain` decides and touches nothing; `engine` is all the SQL there
//! is; `passwords` and `tokens` know what apps store and mint; `application` asks the running app;
//! `network` says where we may connect; `pass` is the one place that knows the whole order, for the
//! controller and the command line alike.

#![cfg_attr(not(test), deny(clippy::too_many_lines, clippy::too_many_arguments))]

pub mod api;
pub mod application;
pub mod cli;
pub mod controller;
mod crash;
pub mod domain;
pub mod engine;
pub mod fingerprints;
pub mod hashing;
pub mod inherited;
pub mod network;
pub mod pass;
pub mod passwords;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tokens;
