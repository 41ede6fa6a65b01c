//! What changes rows, one file for each kind of step.

pub(in crate::engine::postgres) mod accounts;
pub(in crate::engine::postgres) mod constraints;
pub(in crate::engine::postgres) mod guard;
pub(in crate::engine::postgres) mod move_id;
pub(in crate::engine::postgres) mod password;
pub(in crate::engine::postgres) mod remap;
pub(in crate::engine::postgres) mod rows;
pub(in crate::engine::postgres) mod seed;
pub(in crate::engine::postgres) mod sessions;
