//! The one shape that `check`, `plan`, `reset`, `repair` and `verify` print; `docs/report.schema.json`
//! is generated from it. The resource's status uses the same field names.

use crate::api::shared::{ReplacedKey, Rotation};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::search::SearchStrategy;

use super::{
    condition::{ConditionType, Reason},
    password::PasswordFamily,
    shared::Algorithm,
};

mod token;

pub use token::TokenReport;

/// What one pass over one target found, did and left.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConsistencyReport {
    /// Always `auth.probeops.com/v1alpha1`.
    pub api_version: String,
    /// Always `ConsistencyReport`.
    pub kind: String,
    /// What was looked at.
    pub target: ReportTarget,
    /// True: consistent, warnings aside. False: findings. Null: something in scope could not be told.
    pub consistent: Option<bool>,
    /// What is wrong, worst first.
    pub findings: Vec<FindingReport>,
    /// The admin account, null when the spec names none or it does not exist.
    pub admin: Option<AdminReport>,
    /// Those of the further accounts that exist, in the order of their logins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AdminReport>,
    /// In which formats other accounts have their passwords, and in which a new one is written; absent where no
    /// password is to be written or compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passwords: Option<PasswordsReport>,
    /// The signing key, null when the spec names none.
    pub signing_key: Option<SigningKeyReport>,
    /// The references, null when they were not looked at.
    pub references: Option<ReferencesReport>,
    /// Whether the app was asked which tokens it accepts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub app_asked: bool,
    /// What nobody has looked at of the id that the next account gets; absent where a sequence that was looked at, or
    /// nothing that counts, gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub next_id_untold: Option<String>,
    /// How each reference was searched, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searched: Vec<SearchReport>,
    /// What a repair would do, null where there is nothing to do.
    pub plan: Option<PlanReport>,
    /// What this pass repaired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repaired: Vec<StepReport>,
    /// One-off requests that stand on the resource and were not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests_not_done: Vec<RequestNotDone>,
    /// What became of the token that was given, where one was. Never the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenReport>,
    /// How long the pass took, in milliseconds.
    pub elapsed_ms: i64,
}

/// A one-off request that stands in the annotations and was not done, nor will be.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RequestNotDone {
    /// The annotation that it stands in.
    #[schemars(length(max = 255))]
    pub annotation: String,
    /// Its value.
    #[schemars(length(max = 1024))]
    pub value: String,
    /// Why it is not done.
    pub why: WhyNotDone,
    /// The same in words, and how to ask anew.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Why a one-off request is not done.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNotDone {
    /// It is older than the resource that it stands on, so it was asked of another one.
    OlderThanResource,
    /// The database knows that it was done before: for another resource, where this database was copied from, or
    /// before another one of its kind.
    DoneBefore,
}

/// What a report is about.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReportTarget {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// `PostgreSQL`, null when the database did not answer.
    pub engine: Option<String>,
    /// The server's own version, null when the database did not answer.
    pub server_version: Option<String>,
}

/// One fact that is wrong, with its evidence.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FindingReport {
    /// What it is.
    pub finding: Reason,
    /// The condition that it makes False (or Unknown).
    pub condition: ConditionType,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, null for findings about no table.
    #[serde(default)]
    pub object: Option<ObjectRef>,
    /// How many rows, exactly; null where rows are not what is counted.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub rows: Option<i64>,
    /// How many distinct keys.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub keys: Option<i64>,
    /// At most five keys in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(max = 255)))]
    pub sample: Vec<String>,
    /// What is wrong, where, and what to do, in one sentence or two.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The repair that the spec allows, null where a person must act.
    #[serde(default)]
    pub remedy: Option<Action>,
    /// Why the repair that the spec asks for cannot be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Reason>,
    /// The command that prints the page which explains it.
    #[schemars(length(max = 255))]
    pub docs: String,
}

/// How bad a finding is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Makes only its own condition False.
    Warning,
    /// Breaks sign-in or a constraint.
    Error,
    /// Security.
    Critical,
}

/// A table, and what of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Schema of the table.
    #[schemars(length(max = 63))]
    pub schema: String,
    /// Name of the table.
    #[schemars(length(max = 63))]
    pub table: String,
    /// Columns, where it is about some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    pub columns: Vec<String>,
    /// Constraint, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub constraint: Option<String>,
}

impl ObjectRef {
    /// `table` or `schema.table`, short for people: `public` is left out.
    pub fn describe_table(&self) -> String {
        Self { columns: Vec::new(), ..self.clone() }.describe()
    }

    /// `table.column` or `schema.table (a, b)`, short for people: `public` is left out.
    pub fn describe(&self) -> String {
        let table = if self.schema == "public" || self.schema.is_empty() {
            self.table.clone()
        } else {
            format!("{}.{}", self.schema, self.table)
        };
        match self.columns.as_slice() {
            [] => table,
            [one] => format!("{table}.{one}"),
            many => format!("{table} ({})", many.join(", ")),
        }
    }
}

/// The admin, or another account that is kept, as it is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AdminReport {
    /// What it signs in with.
    #[schemars(length(max = 320))]
    pub login: String,
    /// Its id as text.
    #[schemars(length(max = 255))]
    pub id: String,
    /// Whether all of `users.activeWhen` hold.
    pub active: bool,
    /// Whether the Secret's password is the stored one; null where it was not compared.
    #[serde(default)]
    pub password_matches: Option<bool>,
    /// Format of the stored hash, null when it is not one we know.
    #[serde(default)]
    pub password_hash: Option<PasswordFamily>,
    /// Why the two could not be compared, where they were to be; null where they were, or were not to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub password_uncompared: Option<String>,
}

/// The stored passwords of other accounts, in a bounded sample of those that are active.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PasswordsReport {
    /// How many accounts with a password were looked at.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub sampled: i64,
    /// What they are, the most frequent format that is read here first.
    #[schemars(length(max = 16))]
    pub formats: Vec<PasswordFormatReport>,
    /// The format of a new password, null where none is written.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub writes: Option<String>,
    /// Why in that one, or why in none.
    #[schemars(length(max = 1024))]
    pub why: String,
}

/// One format, and how many accounts have it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PasswordFormatReport {
    /// The family, null where it is not read here.
    #[serde(default)]
    pub family: Option<PasswordFamily>,
    /// The family with prefix and parameters, or what it seems to be, in words.
    #[schemars(length(max = 255))]
    pub format: String,
    /// Accounts of the sample that have it.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub accounts: i64,
    /// Their share of the sample in percent, rounded down.
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
}

/// The signing key, as much as may be said of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyReport {
    /// Slow, one-way digest over the exact bytes; null for a key weak enough to be guessed from it.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub fingerprint: Option<String>,
    /// The algorithm that it is used with.
    pub algorithm: Algorithm,
    /// When the operator first saw it in another one's place, where the resource's status says so.
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

/// The references as counted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReferencesReport {
    /// How many references were checked.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub checked: i64,
    /// Those of them that only a rule declares.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub declared: i64,
    /// Columns that are called as those are that name users, without a foreign key or a rule: they were not checked.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub undeclared: i64,
    /// What was in scope and not checked, and why.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub skipped: Vec<Skipped>,
    /// Rows that name nobody, summed over references; those that a rule accepts are left out.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub orphan_rows: i64,
    /// Rows that name nobody and that a rule accepts.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub accepted_rows: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A reference that was not checked.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// Which one.
    pub object: ObjectRef,
    /// Why.
    #[schemars(length(max = 512))]
    pub why: String,
    /// True when a rule asked for it; then it says nothing about consistency.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// True where it may pass by itself, as a lock does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transient: bool,
}

/// How one reference was searched for rows that name nobody.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SearchReport {
    /// The reference.
    pub object: ObjectRef,
    /// The way that was gone.
    pub strategy: SearchStrategy,
    /// Why it was chosen.
    #[schemars(length(max = 255))]
    pub why: String,
    /// How long it took, in microseconds.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub elapsed_micros: i64,
}

/// The ordered repair steps that are left.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    /// SHA-256 of the steps that wait, in hexadecimal; null when none waits.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub hash: Option<String>,
    /// Rows that the plan changes or removes.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub rows: i64,
    /// Whether a person must approve.
    pub awaiting_approval: bool,
    /// The steps in order.
    #[schemars(length(max = 64))]
    pub steps: Vec<StepReport>,
}

/// One repair step.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// What is done.
    pub action: Action,
    /// To what.
    pub object: ObjectRef,
    /// Login of the account that it is about, absent where that is the admin or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub account: Option<String>,
    /// Rows that it changes or removes.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991i64))]
    pub rows: i64,
    /// In words.
    #[schemars(length(max = 512))]
    pub message: String,
    /// Why it waits, null when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub waits: Option<String>,
}

/// What a repair step does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Move a sequence above every id.
    AdvanceSequence,
    /// Create the account.
    Seed,
    /// Put the account's columns right.
    Correct,
    /// Write the account's password (and columns).
    Reset,
    /// Give the account the id that it must have, with every reference to it.
    MoveId,
    /// Give the rows back to the people whom the old ids named.
    Remap,
    /// Set the reference to NULL.
    SetNull,
    /// Give the rows to the admin.
    Reassign,
    /// Delete the rows.
    Delete,
    /// Have accounts sign in again: their old tokens count no more.
    EndSessions,
    /// Put rows back from quarantine.
    Restore,
    /// Drop rows from quarantine for good.
    Purge,
    /// Add a foreign key, for new rows only.
    AddConstraint,
    /// Have the database prove a foreign key on the rows that there are.
    ValidateConstraint,
}

impl Action {
    /// The name as it stands in reports and in the database's audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdvanceSequence => "AdvanceSequence",
            Self::Seed => "Seed",
            Self::Correct => "Correct",
            Self::Reset => "Reset",
            Self::MoveId => "MoveId",
            Self::Remap => "Remap",
            Self::SetNull => "SetNull",
            Self::Reassign => "Reassign",
            Self::Delete => "Delete",
            Self::EndSessions => "EndSessions",
            Self::Restore => "Restore",
            Self::Purge => "Purge",
            Self::AddConstraint => "AddConstraint",
            Self::ValidateConstraint => "ValidateConstraint",
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
