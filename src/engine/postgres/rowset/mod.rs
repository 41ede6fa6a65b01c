//! Rows, as lists and conditions that more than one repair goes by.

pub(in crate::engine::postgres) mod exchange;
pub(in crate::engine::postgres) mod remap_exchange;
pub(in crate::engine::postgres) mod remap_surplus;
pub(in crate::engine::postgres) mod session_column;
pub(in crate::engine::postgres) mod session_rows;
pub(in crate::engine::postgres) mod unique_keys;
