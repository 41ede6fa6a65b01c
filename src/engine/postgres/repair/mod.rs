//! What changes rows, one file for each kind of step.

pub(in crate::engine::postgres) mod accounts;
pub mod chunk;
pub(in crate::engine::postgres) mod constraints;
pub(in crate::engine::postgres) mod guard;
pub(in crate::engine::postgres) mod move_id;
pub(in crate::engine::postgres) mod password;
pub(in crate::engine::postgres) mod remap;
pub(in crate::engine::postgres) mod rows;
pub mod run;
pub(in crate::engine::postgres) mod seed;
pub mod sequence;
pub(in crate::engine::postgres) mod sessions;
