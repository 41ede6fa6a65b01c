//! The contract: what a person writes and what they read back. Pure data, no behaviour beyond
//! defaults.
//!
//! `spec` and `status` are the two halves of the `AuthConsistency` resource, `condition` holds the
//! closed sets of condition types and reasons, `pages` what explains them, `report` the one shape that every
//! command prints,
//! and `crd` the generated CustomResourceDefinition.

pub mod accounts;
pub mod bounds;
pub mod condition;
pub mod crd;
pub mod identities;
pub mod jwt;
pub mod pages;
pub mod password;
pub mod preset;
pub mod references;
pub mod report;
pub mod search;
pub mod sessions;
pub mod shared;
pub mod spec;
pub mod status;

pub use spec::{AuthConsistency, AuthConsistencySpec};
pub use status::AuthConsistencyStatus;

/// API group of the resource, and the prefix of its annotations.
pub const GROUP: &str = "auth.probeops.com";

/// API version of the resource, as it stands in manifests and reports.
pub const API_VERSION: &str = "auth.probeops.com/v1alpha1";

/// One-off requests that a person writes as annotations; each value counts once in the life of a database, and
/// only on the resource that it was written to.
pub mod annotation {
    /// Any new value asks for a pass now; kept in `status.lastHandledReconcile`.
    pub const RECONCILE: &str = "auth.probeops.com/reconcile";
    /// Flux's own request for a pass now; kept in `status.lastHandledReconcileAt`.
    pub const FLUX_RECONCILE: &str = "reconcile.fluxcd.io/requestedAt";
    /// Any new value resets the admin's password, columns and id, once.
    pub const RESET_ADMIN: &str = "auth.probeops.com/reset-admin";
    /// The hash of the plan that a person approves, once.
    pub const APPROVE: &str = "auth.probeops.com/approve";
    /// The resource that claimed the same user table and is gone: `UID/COUNT`, as the message has it. The uid
    /// alone stands for the count 0; whatever follows a second slash makes the value a new one.
    pub const TAKE_CLAIM: &str = "auth.probeops.com/take-claim";
    /// Label that a Secret must carry when the operator runs with `--require-secret-label`.
    pub const USE_LABEL: &str = "auth.probeops.com/use";
}
