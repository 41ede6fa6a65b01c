//! What a failure means for the next try: whether it passes by itself, lost a race, needs a person, or is a mistake of
//! ours. Each is classed once, where it comes in: by the engine's error, by the cluster's.

use crate::api::condition::{ConditionType, Reason};

/// What commands say that need the user table and cannot use it.
pub const USERS_UNUSABLE: &str = "the user table cannot be used: run `auth-consistency check` to see why";

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Passes by itself: try again with backoff.
    Transient,
    /// Somebody else was faster: look again and decide anew.
    Conflict,
    /// A person must act; try again only when something changes, and slowly.
    Terminal,
    /// A mistake in this program.
    Bug,
}

/// A failure that ended a stage, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// The condition that it concerns.
    pub condition: ConditionType,
    /// What it means for the next try.
    pub class: Class,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Fault {
    /// A pass ended by a panic. What it was about is not known here, and is shown nowhere.
    pub fn panicked() -> Self {
        Self {
            reason: Reason::InternalError,
            condition: ConditionType::Ready,
            class: Class::Bug,
            message: "a mistake in auth-consistency ended the pass, so it could not tell: report it with the line of the \
                      operator's log that says where it was"
                .into(),
        }
    }
}

/// Why a Secret's key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretProblem {
    /// `SecretMissing` or `SecretNotPermitted`.
    pub reason: Reason,
    /// What is wrong and what to do, without the name of the field.
    pub message: String,
}
