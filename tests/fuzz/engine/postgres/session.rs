//! How a server's messages are read.

#[allow(dead_code, reason = "a part of it is tried")]
#[path = "../../../../src/engine/postgres/session/wire.rs"]
pub mod wire;
