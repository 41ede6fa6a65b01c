//! AuthConsistency keeps accounts, the references to them and the tokens that name them consistent.
//!
//! Data walks through the rooms in one direction:
//!
//! ```text
//! spec + secrets -> Target -> Observation -> Findings -> Plan -> Outcome -> Status / report
//! ```
#![forbid(unsafe_code)]
pub mod api;
pub mod passwords;
pub mod tokens;
