//! How the app lets a token end before it expires.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the app lets tokens end before they expire. An empty block only has told of tokens that outlive a
/// change of ids.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.onKeyChange != 'End' || has(self.invalidateBeforeColumn) || has(self.stampColumn) || (has(self.tables) && size(self.tables) > 0)").message("onKeyChange End ends sessions: say by what, in invalidateBeforeColumn, stampColumn or tables").field_path(".onKeyChange")
)]
pub struct SessionsSpec {
    /// Column of the user table with the time from which on a user's tokens count: the app refuses those
    /// whose `iat` is earlier. A timestamp with time zone, one without (then in UTC), or an integer of 32
    /// or 64 bits with seconds since the epoch. NULL: all count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub invalidate_before_column: Option<String>,
    /// Column of the user table with a random value that the app puts into each session or token of a user and
    /// compares again: `SecurityStamp` of ASP.NET Core Identity, `fs_uniquifier` of Flask-Security, `jti` of
    /// devise-jwt. Text of at least 32 characters, or uuid. Gets another value when sessions end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub stamp_column: Option<String>,
    /// Tables whose rows are sessions, refresh tokens or access tokens, each of one user. The rows of the
    /// people concerned are deleted when sessions end, after they were copied to quarantine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub tables: Vec<SessionTable>,
    /// What becomes of everybody's tokens when the signing key was changed while the app still accepts one
    /// of `jwt.previousSecretRefs`.
    #[serde(default)]
    pub on_key_change: OnKeyChange,
    /// Where the app keeps the ids (`jti`) of tokens that it revoked. Only ever read, by `token explain` and
    /// `verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevokedTable>,
}

/// A table whose rows are sessions.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct SessionTable {
    /// Schema of the table; the user table's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// Name of the table, exactly as the catalog has it. It needs a primary key.
    #[schemars(length(min = 1, max = 63))]
    pub table: String,
    /// Its column that names the user by `users.idColumn`; a foreign key is not needed.
    #[schemars(length(min = 1, max = 63))]
    pub column: String,
}

/// A table of revoked token ids.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct RevokedTable {
    /// Schema of the table; the user table's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// Name of the table, exactly as the catalog has it.
    #[schemars(length(min = 1, max = 63))]
    pub table: String,
    /// Its column of token ids: text or uuid.
    #[schemars(length(min = 1, max = 63))]
    pub column: String,
}

/// What becomes of tokens when the signing key changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnKeyChange {
    /// Those made with the previous key count until they expire, unless anybody could have made them.
    #[default]
    Keep,
    /// They end, once for each new key. Always asks.
    End,
}
