//! The accounts that are kept: the admin, and those beside it.

use crate::api::shared::{ColumnCondition, SecretKeyRef};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account that must always exist and work: the admin, or one beside it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.onMissing != 'Seed' || has(self.passwordSecretRef)").message("onMissing Seed needs a password: set passwordSecretRef, or onMissing to Report").field_path(".passwordSecretRef"),
    validation = Rule::new("self.passwordPolicy != 'Always' || has(self.passwordSecretRef)").message("passwordPolicy Always needs passwordSecretRef").field_path(".passwordSecretRef")
)]
pub struct AdminSpec {
    /// What the account signs in with, compared in the login column's own equality.
    #[schemars(length(min = 1, max = 320))]
    pub login: String,
    /// Secret key that holds the account's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// Columns that make the account what it is (an admin, by its role), kept so.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub columns: Vec<ColumnCondition>,
    /// Values that only a new row gets, where the operator creates the account: what the table asks of every
    /// row and the app changes later, such as times. Never compared afterwards, and never written again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub seed_columns: Vec<SeedColumn>,
    /// The id that the account must have. Left out: any id.
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

/// One column and what a new row holds in it: exactly one of `value`, `now` and `uuid`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.value) ? 1 : 0) + (has(self.now) ? 1 : 0) + (has(self.uuid) ? 1 : 0) == 1").message("set exactly one of value, now and uuid").field_path(".value"),
    validation = Rule::new("!has(self.now) || self.now").message("now is true, or left out").field_path(".now"),
    validation = Rule::new("!has(self.uuid) || self.uuid").message("uuid is true, or left out").field_path(".uuid")
)]
pub struct SeedColumn {
    /// Name of the column, exactly as the catalog has it.
    #[schemars(length(min = 1, max = 63))]
    pub column: String,
    /// The value as text; written in the column's own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
    /// True: the time at which the row is created, in UTC where the column has no time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<bool>,
    /// True: a random UUID (version 4), in a column of uuid or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<bool>,
}

/// What to do when the account is not there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// Create the account.
    #[default]
    Seed,
    /// Only report.
    Report,
}

/// What to do when the account's columns or id differ.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// Put them right.
    #[default]
    Correct,
    /// Only report.
    Report,
}

/// When the account's password is written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// When the account is seeded or reset; people may change it afterwards.
    #[default]
    OnSeed,
    /// Kept equal to the Secret. An equal password is never rewritten.
    Always,
}
