//! How a reference was searched, and what that took.

use std::{sync::Arc, time::Duration};

use crate::api::report::{ObjectRef, SearchStrategy as Strategy};

/// The chosen way, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The way.
    pub strategy: Strategy,
    /// Why, in words.
    pub why: String,
}

/// How one reference was searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// The reference.
    pub object: Arc<ObjectRef>,
    /// The way, and why it was chosen.
    pub choice: Choice,
    /// How long it took, with counting; shared by all references that one statement looked at.
    pub elapsed: Duration,
}
