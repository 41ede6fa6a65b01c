//! The observed state: the `status` of an `AuthConsistency`.
//!
//! Never a secret, a password hash, a connection string, a token, or a row's other columns.

use crate::api::shared::{ReplacedKey, Rotation};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    password::PasswordFamily,
    report::{Action, FindingReport, PlanReport, ReferencesReport, RequestNotDone},
    shared::Algorithm,
};

/// How many findings a status holds, worst first.
pub const MAX_FINDINGS: usize = 20;

/// How many replaced signing keys a status remembers.
pub const MAX_REPLACED: usize = 5;

/// How many repairs a status remembers.
pub const MAX_HISTORY: usize = 10;

/// What the controller last found, did and left.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuthConsistencyStatus {
    /// Generation of the spec that this status speaks of; -1 when nobody has looked yet.
    #[serde(default = "unseen")]
    #[schemars(range(min = -1, max = 9_007_199_254_740_991i64))]
    pub observed_generation: i64,
    /// Ready, Reconciling, Stalled and the domain conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What is wrong, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub findings: Vec<FindingReport>,
    /// The admin account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminStatus>,
    /// Those of the further accounts that exist, in the order of their logins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["login"]))]
    pub accounts: Vec<AdminStatus>,
    /// The signing key; absent until its fingerprint is known, which may come after the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKeyStatus>,
    /// The references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<ReferencesReport>,
    /// What is left to repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanReport>,
    /// How far a pass has got that takes long; absent when none is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// When everything agreed for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_consistent_time: Option<Time>,
    /// The last repairs, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<Repair>,
    /// Value of Flux's `reconcile.fluxcd.io/requestedAt` that was last handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
    /// Value of `auth.probeops.com/reconcile` that was last handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile: Option<String>,
    /// Value of `auth.probeops.com/reset-admin` that was last handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reset_admin: Option<String>,
    /// Value of `auth.probeops.com/approve` that was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_approval: Option<String>,
    /// One-off requests that stand in the annotations and were not done, nor will be; one of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["annotation"]))]
    pub requests_not_done: Vec<RequestNotDone>,
}

fn unseen() -> i64 {
    -1
}

impl Default for AuthConsistencyStatus {
    fn default() -> Self {
        Self {
            observed_generation: unseen(),
            conditions: Vec::new(),
            findings: Vec::new(),
            admin: None,
            accounts: Vec::new(),
            signing_key: None,
            references: None,
            plan: None,
            progress: None,
            first_consistent_time: None,
            history: Vec::new(),
            last_handled_reconcile_at: None,
            last_handled_reconcile: None,
            last_handled_reset_admin: None,
            last_handled_approval: None,
            requests_not_done: Vec::new(),
        }
    }
}

/// The admin, or another account that is kept.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AdminStatus {
    /// Its id as text, absent while the account does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub id: Option<String>,
    /// What it signs in with.
    #[schemars(length(max = 320))]
    pub login: String,
    /// When this resource seeded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeded_time: Option<Time>,
    /// When this resource last reset it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_time: Option<Time>,
    /// Format of the stored hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordFamily>,
}

/// The signing key.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyStatus {
    /// Slow, one-way digest over the exact bytes; absent for a key weak enough to be guessed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub fingerprint: Option<String>,
    /// The algorithm that it is used with.
    pub algorithm: Algorithm,
    /// When another key was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_time: Option<Time>,
    /// Keys that were replaced no longer ago than tokens live, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub replaced: Vec<ReplacedKey>,
    /// How far a rotation has got; there while the spec names previous keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

/// How far a pass has got.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is under way.
    #[schemars(length(max = 255))]
    pub what: String,
    /// What is counted.
    pub unit: Unit,
    /// How many are done.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub done: i64,
    /// How many are left.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub left: i64,
    /// Why it makes a pause, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub paused: Option<String>,
}

/// What progress is counted in.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Rows that are repaired.
    Rows,
    /// References that are looked at.
    References,
}

/// One repair that was made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// When it was committed.
    pub time: Time,
    /// What was done.
    pub action: Action,
    /// To what, in words; where a password was written, also in which format.
    #[schemars(length(max = 255))]
    pub object: String,
    /// Rows that it changed or removed.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub rows: i64,
    /// The approved plan that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub plan_hash: Option<String>,
    /// Run under which its rows are in quarantine; `restore --run` takes it.
    #[schemars(length(max = 64))]
    pub run: String,
}
