//! Connections, transactions and what they are refused by.

pub(in crate::engine::postgres) mod admission;
pub(in crate::engine::postgres) mod connect;
pub(in crate::engine::postgres) mod error;
#[cfg(target_os = "linux")]
pub(in crate::engine::postgres) mod holding;
pub(in crate::engine::postgres) mod load;
pub(in crate::engine::postgres) mod refusal;
#[cfg(target_os = "linux")]
pub(in crate::engine::postgres) mod relay;
#[cfg(target_os = "linux")]
pub(in crate::engine::postgres) mod scram;
pub(in crate::engine::postgres) mod server;
pub(in crate::engine::postgres) mod transaction;
pub(in crate::engine::postgres) mod wire;
