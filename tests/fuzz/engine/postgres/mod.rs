//! Three files of PostgreSQL's engine are read here as they are, and where they stand: what they hold is nobody else's
//! to call.

mod session;
#[allow(dead_code, unused_imports, reason = "a part of it is tried")]
#[path = "../../../../src/engine/postgres/sql.rs"]
mod sql;
#[allow(dead_code, reason = "a part of it is tried")]
#[path = "../../../../src/engine/postgres/sql_name.rs"]
mod sql_name;

mod answers;
mod names;
mod sessions;
