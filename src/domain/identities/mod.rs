//! Who is who, where ids differ between two environments.

pub mod list;
pub mod mapping;
pub mod snapshot;
