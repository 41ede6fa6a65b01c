//! What a report says of a token that was given beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a token fails, or that it does not.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TokenReport {
    /// The cause, as `docs/tokens.md` names it.
    #[schemars(length(max = 63))]
    pub cause: String,
    /// The cause in words.
    #[schemars(length(max = 1024))]
    pub verdict: String,
    /// What else is so of it that matters for the cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 1024)))]
    pub also: Vec<String>,
    /// What to do.
    #[schemars(length(max = 1024))]
    pub remedy: String,
    /// Whether nothing is wrong with it, null where nobody could look whom it names.
    pub holds: Option<bool>,
}
