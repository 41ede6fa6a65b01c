//! Who was who before: the people whom old ids named, by their logins.

use crate::api::shared::{DatabaseSpec, SecretKeyRef};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where it stands whom each old id named: a snapshot or a CSV file in a ConfigMap, a table that was
/// kept in the same database, or the user table of another one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.configMapRef) != has(self.table)").message("set exactly one of configMapRef and table").field_path(".configMapRef"),
    validation = Rule::new("!has(self.database) || has(self.table)").message("database says where the table is: set table too").field_path(".database"),
    validation = Rule::new("!has(self.passphraseSecretRef) || has(self.configMapRef)").message("a passphrase goes with a snapshot: set configMapRef").field_path(".passphraseSecretRef")
)]
pub struct IdentitiesSpec {
    /// ConfigMap that holds what `auth-consistency snapshot` printed, or CSV with the header `id,login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapKeyRef>,
    /// Table that holds the users as they were: of the same database, or of `database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<IdentityTable>,
    /// Another database, which has the table: only ever read, in one read-only transaction for each pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSpec>,
    /// Secret key that holds the passphrase of a snapshot with keyed logins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_secret_ref: Option<SecretKeyRef>,
}

/// A ConfigMap in the resource's own namespace, and one key of it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key inside the ConfigMap; its only one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// A table that holds the users as they were.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IdentityTable {
    /// Schema of the table; the one that the connection string of `database` names, or the user table's,
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// Name of the table, exactly as the catalog has it.
    #[schemars(length(min = 1, max = 63))]
    pub table: String,
    /// Column that holds the old ids.
    #[schemars(length(min = 1, max = 63))]
    pub id_column: String,
    /// Column that holds what people signed in with.
    #[schemars(length(min = 1, max = 63))]
    pub login_column: String,
}
