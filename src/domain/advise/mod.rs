//! What is told before anybody repairs: a comparison, rules that may be meant, whether a pass would work.

pub mod account_names;
pub mod compare;
pub mod init;
pub mod preflight;
pub mod suggestions;
