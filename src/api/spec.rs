//! The desired state: the `spec` of an `AuthConsistency`.
//!
//! Every string, list and number has bounds, there are no free maps except `jwt.claims`, and what
//! contradicts itself is refused at admission by CEL rules that name the field. The pass validates
//! again in `domain::target`, because objects may be older than today's schema.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has a type of its own, which the lint takes for a repetition"
)]

use crate::api::shared::{ColumnCondition, DatabaseSpec, SecretKeyRef};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::accounts::{AdminSpec, OnDrift, OnMissing, PasswordPolicy, SeedColumn};
pub use super::identities::{ConfigMapKeyRef, IdentitiesSpec, IdentityTable};
pub use super::jwt::{JwtSpec, SubjectType};
pub use super::password::{PasswordFamily, PasswordHash};
pub use super::references::{
    Accept, LimitsSpec, OnCollision, OnConstraint, OnOrphan, OnUndeclared, ReferenceRule, ReferencesSpec,
};
pub use super::sessions::{OnKeyChange, SessionsSpec};
use super::status::AuthConsistencyStatus;
pub use crate::api::shared::Algorithm;

/// Keeps accounts, the references to them and the tokens that name them consistent in one SQL
/// database.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "auth.probeops.com",
    version = "v1alpha1",
    kind = "AuthConsistency",
    plural = "authconsistencies",
    namespaced,
    shortname = "authcon",
    category = "auth",
    status = "AuthConsistencyStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Admin", type_ = "string", json_path = ".status.admin.login"),
    printcolumn(name = "Orphans", type_ = "integer", json_path = ".status.references.orphanRows"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Database",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="DatabaseReachable")].reason"#
    ),
    printcolumn(name = "Plan", type_ = "string", priority = 1, json_path = ".status.plan.hash")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.probe) || has(self.jwt)").message("spec.probe mints tokens: set spec.jwt too").field_path(".probe"),
    validation = Rule::new("!has(self.probe) || has(self.admin)").message("spec.probe mints a token for the admin: set spec.admin too").field_path(".probe"),
    validation = Rule::new("!has(self.sessions) || has(self.jwt)").message("spec.sessions is about tokens: set spec.jwt too").field_path(".sessions"),
    validation = Rule::new("has(self.admin) || !has(self.references) || !has(self.references.onOrphan) || self.references.onOrphan != 'Reassign'").message("Reassign gives rows to the admin: set spec.admin").field_path(".references"),
    validation = Rule::new("has(self.admin) || !has(self.references) || !has(self.references.rules) || !self.references.rules.exists(r, has(r.onOrphan) && r.onOrphan == 'Reassign')").message("a rule with onOrphan Reassign gives rows to the admin: set spec.admin").field_path(".references"),
    validation = Rule::new("!has(self.references) || !has(self.references.identities) || has(self.users.preset) || has(self.users.loginColumn)").message("without a preset, spec.references.identities needs spec.users.loginColumn").field_path(".users"),
    validation = Rule::new("!has(self.admin) || has(self.users.preset) || has(self.users.loginColumn)").message("without a preset, spec.admin needs spec.users.loginColumn").field_path(".users"),
    validation = Rule::new("!has(self.admin) || has(self.users.preset) || has(self.users.passwordColumn) || (self.admin.onMissing == 'Report' && !has(self.admin.passwordSecretRef))").message("without a preset, a password of spec.admin needs spec.users.passwordColumn: set it, or onMissing to Report and no passwordSecretRef").field_path(".users"),
    validation = Rule::new("!has(self.accounts) || size(self.accounts) == 0 || has(self.users.preset) || has(self.users.loginColumn)").message("without a preset, spec.accounts needs spec.users.loginColumn").field_path(".users"),
    validation = Rule::new("!has(self.accounts) || has(self.users.preset) || has(self.users.passwordColumn) || self.accounts.all(a, a.onMissing == 'Report' && !has(a.passwordSecretRef))").message("without a preset, a password of spec.accounts needs spec.users.passwordColumn: set it, or onMissing to Report and no passwordSecretRef").field_path(".users"),
    validation = Rule::new("!has(self.admin) || !has(self.accounts) || !self.accounts.exists(a, a.login == self.admin.login)").message("an account has the admin's login: leave it out").field_path(".accounts"),
    validation = Rule::new("!has(self.accounts) || self.accounts.all(a, !has(a.id) || self.accounts.exists_one(b, has(b.id) && b.id == a.id))").message("two accounts have the same id: give each its own").field_path(".accounts"),
    validation = Rule::new("!has(self.admin) || !has(self.admin.id) || !has(self.accounts) || !self.accounts.exists(a, has(a.id) && a.id == self.admin.id)").message("an account has the admin's id: give it its own").field_path(".accounts")
)]
pub struct AuthConsistencySpec {
    /// Time between passes when nothing changes, for example `5m` or `1h30m`; from 10s to 168h.
    #[serde(default = "default::interval")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = super::bounds::INTERVAL.rule())]
    pub interval: String,

    /// Time allowed for one pass without repairs; from 1s to 10m.
    #[serde(default = "default::timeout")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = super::bounds::TIMEOUT.rule())]
    pub timeout: String,

    /// When true, no pass runs and the status stays as it is.
    #[serde(default)]
    pub suspend: bool,

    /// Whether repairs may be written to the database. Both modes give the same verdicts.
    #[serde(default)]
    pub mode: Mode,

    /// Where the app keeps its accounts.
    pub database: DatabaseSpec,

    /// The table whose rows are accounts.
    pub users: UsersSpec,

    /// The one account that must always exist and work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminSpec>,

    /// Further accounts that must exist and work, such as test users, service users or a second admin,
    /// kept by the admin's rules. Rows are given to the admin alone, and tokens minted for it alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["login"]))]
    pub accounts: Vec<AdminSpec>,

    /// How the app signs its tokens. Leave it out for an app with opaque session tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSpec>,

    /// The column sets that name users, and what to do with rows that name nobody.
    #[serde(default)]
    pub references: ReferencesSpec,

    /// Asks the running app whether it accepts what the signing key mints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeSpec>,

    /// How the app lets tokens end before they expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsSpec>,

    /// What becomes of the rows that repairs copied.
    #[serde(default)]
    pub quarantine: QuarantineSpec,
}

/// What becomes of the rows that repairs copied.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct QuarantineSpec {
    /// `Keep`, or how many days a copied row is kept, for example `30d`. What is older is dropped for
    /// good by the next pass, put back or not.
    #[serde(default = "default::retention")]
    #[schemars(length(min = 2, max = 6), regex(pattern = r"^(Keep|[1-9][0-9]{0,4}d)$"))]
    pub retention: String,
}

impl Default for QuarantineSpec {
    fn default() -> Self {
        Self { retention: default::retention() }
    }
}

/// Whether repairs may be written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Repair what the spec allows.
    #[default]
    Enforce,
    /// Never write to the database.
    Observe,
}

/// The table whose rows are accounts. A preset fills what is left out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.preset) || (has(self.table) && has(self.idColumn))").message("set a preset, or table and idColumn").field_path(".table"),
    validation = Rule::new("has(self.preset) || has(self.passwordColumn) || !(has(self.saltColumn) || has(self.algorithmColumn))").message("saltColumn and algorithmColumn go with passwordColumn").field_path(".passwordColumn")
)]
pub struct UsersSpec {
    /// Fills the fields below with what this kind of app uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Schema of the table; `public` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// Name of the table, exactly as the catalog has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub table: Option<String>,
    /// Column that tokens and references name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub id_column: Option<String>,
    /// Column that people sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub login_column: Option<String>,
    /// Column that holds the password hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub password_column: Option<String>,
    /// Column that holds the salt, where an app keeps it beside the hash (Gitea, Grafana).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub salt_column: Option<String>,
    /// Column that holds the name of the algorithm, where an app keeps it beside the hash (Gitea).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub algorithm_column: Option<String>,
    /// Format of the passwords that the app reads. Left out: as the other active accounts have it
    /// (`AsStored`), or as the preset's apps write it where no other account has a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// An account is active when all of these hold. An empty list: every account is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub active_when: Option<Vec<ColumnCondition>>,
}

/// Kinds of apps whose tables are known.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// `public.users` with `id`, `email`, `hashed_password` (bcrypt) and `is_active`.
    FastAPI,
}

/// Asks the running app whether it accepts what the signing key mints.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Time between probes when nothing changes; from 10s to 168h.
    #[serde(default = "default::probe_interval")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = super::bounds::INTERVAL.rule())]
    pub interval: String,
    /// Endpoints that verify tokens.
    #[schemars(length(min = 1, max = 16))]
    pub verifiers: Vec<Verifier>,
    /// Secret key that holds the certificate authorities of https verifiers in PEM. The machine's own, which
    /// are the web's, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

/// An endpoint that must answer 2xx to a minted token and refuse a forged one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Verifier {
    /// Name in messages.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// URL that is asked with GET and the token in the `Authorization` header.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^https?://.+$"))]
    pub url: String,
    /// Status codes that count as a refusal.
    #[serde(default = "default::refused_with")]
    #[schemars(length(min = 1, max = 16), inner(range(min = 300, max = 499)))]
    pub refused_with: Vec<i32>,
}

mod default {
    pub(super) fn retention() -> String {
        "Keep".into()
    }
    pub(super) fn interval() -> String {
        "5m".into()
    }
    pub(super) fn timeout() -> String {
        "1m".into()
    }
    pub(super) fn probe_interval() -> String {
        "1h".into()
    }
    pub(super) fn refused_with() -> Vec<i32> {
        vec![401, 403]
    }
}
