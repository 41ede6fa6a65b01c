//! The desired state: the `spec` of an `AuthConsistency`.
//!
//! Every string, list and number has bounds, there are no free maps except `jwt.claims`, and what
//! contradicts itself is refused at admission by CEL rules that name the field. The pass validates
//! again in `consistency::target`, because objects may be older than today's schema.

#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has a type of its own, which the lint takes for a repetition"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::identities::{ConfigMapKeyRef, IdentitiesSpec, IdentityTable};
pub use super::references::{
    Accept, LimitsSpec, OnCollision, OnConstraint, OnOrphan, ReferenceRule, ReferencesSpec,
};
pub use super::sessions::{OnKeyChange, SessionsSpec};
use super::status::AuthConsistencyStatus;

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
    validation = Rule::new("!has(self.admin) || has(self.users.preset) || (has(self.users.loginColumn) && has(self.users.passwordColumn))").message("without a preset, spec.admin needs spec.users.loginColumn and spec.users.passwordColumn").field_path(".users")
)]
pub struct AuthConsistencySpec {
    /// Time between passes when nothing changes, for example `5m` or `1h30m`; at least 10s.
    #[serde(default = "default::interval")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub interval: String,

    /// Time allowed for one pass without repairs.
    #[serde(default = "default::timeout")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
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

/// One key of a Secret in the resource's own namespace. There is no namespace field, ever.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key inside the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// How to reach the database: one connection string, or its parts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.urlSecretRef) != has(self.host)").message("set exactly one of urlSecretRef and host").field_path(".urlSecretRef"),
    validation = Rule::new("!has(self.host) || (has(self.name) && has(self.usernameSecretRef) && has(self.passwordSecretRef))").message("with host, set name, usernameSecretRef and passwordSecretRef too").field_path(".host"),
    validation = Rule::new("has(self.host) || !(has(self.port) || has(self.name) || has(self.usernameSecretRef) || has(self.passwordSecretRef))").message("port, name, usernameSecretRef and passwordSecretRef go with host, not with urlSecretRef").field_path(".urlSecretRef")
)]
pub struct DatabaseSpec {
    /// Secret key that holds the connection string, as the app has it
    /// (`postgresql+asyncpg://user:password@host/name?sslmode=verify-full`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
    /// Host name of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,
    /// Port of the server; 5432 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Name of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
    /// Secret key that holds the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_secret_ref: Option<SecretKeyRef>,
    /// Secret key that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// Encryption of the connection. Wins over `sslmode` in the connection string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
}

/// Encryption of the database connection.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.mode != 'Disable' || !has(self.caSecretRef)").message("mode Disable checks no certificate: leave caSecretRef out, or choose VerifyFull").field_path(".caSecretRef"))]
pub struct TlsSpec {
    /// How much is checked.
    pub mode: TlsMode,
    /// Secret key that holds the certificate authority in PEM. The web's authorities when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

/// How much of the server's certificate is checked (libpq's `sslmode`).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// No encryption. Must be said, and shows in the status.
    Disable,
    /// Encryption, any certificate.
    Require,
    /// The certificate's authority is checked.
    VerifyCa,
    /// The certificate's authority and host name are checked.
    VerifyFull,
}

/// The table whose rows are accounts. A preset fills what is left out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.preset) || (has(self.table) && has(self.idColumn))").message("set a preset, or table and idColumn").field_path(".table"))]
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
    /// Format of the password hash that the app reads.
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

/// Formats of password hashes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$argon2id$` in PHC string format.
    Argon2id,
}

/// One column and what it must hold: exactly one of `equals` and `isNull`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.equals) != has(self.isNull)").message("set exactly one of equals and isNull").field_path(".equals"))]
pub struct ColumnCondition {
    /// Name of the column, exactly as the catalog has it.
    #[schemars(length(min = 1, max = 63))]
    pub column: String,
    /// The value as text; compared and written in the column's own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub equals: Option<String>,
    /// True: the column is NULL. False: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_null: Option<bool>,
}

/// The one account that must always exist and work.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.onMissing != 'Seed' || has(self.passwordSecretRef)").message("onMissing Seed needs a password: set passwordSecretRef, or onMissing to Report").field_path(".passwordSecretRef"),
    validation = Rule::new("self.passwordPolicy != 'Always' || has(self.passwordSecretRef)").message("passwordPolicy Always needs passwordSecretRef").field_path(".passwordSecretRef")
)]
pub struct AdminSpec {
    /// What the admin signs in with, compared in the login column's own equality.
    #[schemars(length(min = 1, max = 320))]
    pub login: String,
    /// Secret key that holds the admin's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// Columns that make the account an admin, kept so.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub columns: Vec<ColumnCondition>,
    /// The id that the admin must have. Left out: any id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub id: Option<String>,
    /// What to do when the account is not there.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// What to do when the columns, the active state or the id differ.
    #[serde(default)]
    pub on_drift: OnDrift,
    /// When the password is written.
    #[serde(default)]
    pub password_policy: PasswordPolicy,
}

/// What to do when the admin is not there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// Create the account.
    #[default]
    Seed,
    /// Only report.
    Report,
}

/// What to do when the admin's columns or id differ.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// Put them right.
    #[default]
    Correct,
    /// Only report.
    Report,
}

/// When the admin's password is written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// When the account is seeded or reset; people may change it afterwards.
    #[default]
    OnSeed,
    /// Kept equal to the Secret. An equal password is never rewritten.
    Always,
}

/// How the app signs and reads its tokens (RFC 7519).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct JwtSpec {
    /// Secret key that holds the signing secret: exactly the bytes that the app gets.
    pub secret_ref: SecretKeyRef,
    /// Secret keys that hold signing secrets of before, which the app still accepts during a rotation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub previous_secret_refs: Vec<SecretKeyRef>,
    /// Signature algorithm (RFC 7518 section 3.2).
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Claim that names the user: a name, or a JSON pointer (RFC 6901) when it starts with `/`.
    #[serde(default = "default::subject_claim")]
    #[schemars(length(min = 1, max = 255))]
    pub subject_claim: String,
    /// JSON type that the app mints for the subject.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// Column of the user table that the subject names; `users.idColumn` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub subject_column: Option<String>,
    /// How long the app's tokens live.
    #[serde(default = "default::lifetime")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub lifetime: String,
    /// Issuer (`iss`) that the app mints and asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub issuer: Option<String>,
    /// Audience (`aud`) that the app mints and asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub audience: Option<String>,
    /// Further claims that the app wants in a token, at most 4096 bytes as JSON.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schemars(schema_with = "free_json_object")]
    pub claims: serde_json::Map<String, serde_json::Value>,
}

/// HMAC signature algorithms of RFC 7518 section 3.2.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

/// JSON type of the subject claim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectType {
    /// `"sub": "1"`.
    #[default]
    String,
    /// `"sub": 1`.
    Number,
}

/// Asks the running app whether it accepts what the signing key mints.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProbeSpec {
    /// Time between probes when nothing changes.
    #[serde(default = "default::probe_interval")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub interval: String,
    /// Endpoints that verify tokens.
    #[schemars(length(min = 1, max = 16))]
    pub verifiers: Vec<Verifier>,
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
    pub(super) fn lifetime() -> String {
        "24h".into()
    }
    pub(super) fn probe_interval() -> String {
        "1h".into()
    }
    pub(super) fn subject_claim() -> String {
        "sub".into()
    }
    pub(super) fn refused_with() -> Vec<i32> {
        vec![401, 403]
    }
}

/// `jwt.claims` is the only free JSON of the schema; its size is checked in the pass.
fn free_json_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Further claims that the app wants in a token, at most 4096 bytes as JSON.",
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true
    })
}
