//! A resource for an app that nobody described yet: which table holds the accounts, and what each of its columns is for,
//! with the evidence. A proposal, in mode Observe; what could not be told is left to a person.

pub mod choose;
pub mod facts;
pub mod frameworks;
pub mod login;
pub mod names;
pub mod password;
pub mod propose;
pub mod secrets;

#[cfg(test)]
mod tests;
