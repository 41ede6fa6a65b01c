//! All that speaks SQL, one folder for each kind of database.

mod budget;
mod password_cache;
pub mod postgres;

pub use password_cache::PasswordCache;
