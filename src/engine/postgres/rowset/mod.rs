//! Rows, as lists and conditions that more than one repair goes by.

pub mod carriers;
pub mod dependents;
pub(in crate::engine::postgres) mod exchange;
pub mod foreign_keys;
pub mod people;
pub(in crate::engine::postgres) mod remap_exchange;
pub mod remap_rows;
pub(in crate::engine::postgres) mod remap_surplus;
pub(in crate::engine::postgres) mod session_column;
pub mod session_keys;
pub(in crate::engine::postgres) mod session_rows;
pub(in crate::engine::postgres) mod unique_keys;
