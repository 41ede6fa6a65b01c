//! What a server sends, and names out of its catalog. Two files of the database room are read here as they are:
//! what they hold is nobody else's to call.

#[allow(dead_code, unused_imports, reason = "a part of it is tried")]
#[path = "../../../src/database/identifier.rs"]
mod identifier;
#[allow(dead_code, reason = "a part of it is tried")]
#[path = "../../../src/database/wire.rs"]
mod wire;

mod answers;
mod names;
mod sessions;
