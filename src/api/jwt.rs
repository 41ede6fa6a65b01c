//! How the app signs its tokens: `spec.jwt`.

use crate::api::shared::{Algorithm, SecretKeyRef};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the app signs and reads its tokens (RFC 7519).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.keyId) || !has(self.previousKeyIds) || !(self.keyId in self.previousKeyIds)").message("keyId names the current key: leave it out of previousKeyIds").field_path(".previousKeyIds"),
    validation = Rule::new("!has(self.keyId) || !has(self.revokedKeyIds) || !(self.keyId in self.revokedKeyIds)").message("keyId names the current key: leave it out of revokedKeyIds").field_path(".revokedKeyIds"),
    validation = Rule::new("!has(self.previousKeyIds) || !has(self.revokedKeyIds) || !self.previousKeyIds.exists(id, id in self.revokedKeyIds)").message("a key is either previous or revoked: name it in one of previousKeyIds and revokedKeyIds").field_path(".revokedKeyIds")
)]
pub struct JwtSpec {
    /// Secret key that holds the signing key. For HS algorithms: exactly the bytes that the app gets; of
    /// a JWK or JWKS (RFC 7517) of type `oct` what stands in it, where keyId is set. For the others: a
    /// private or a public key in PEM, a JWK or a JWKS. With a public key alone tokens are verified and
    /// not minted.
    pub secret_ref: SecretKeyRef,
    /// Secret keys that hold previous signing keys, which the app still accepts during a rotation; in
    /// the same forms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub previous_secret_refs: Vec<SecretKeyRef>,
    /// The key id (`kid`, RFC 7515 section 4.1.4) of the current key: which one of a JWKS it is, and what
    /// the app mints into the header where the key itself names none. Left out: the only key of the
    /// JWKS that can sign with the algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub key_id: Option<String>,
    /// Key ids of the JWKS that signed before and are still accepted. What is neither current, previous
    /// nor revoked is standby: published, and signing nothing yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 255)))]
    pub previous_key_ids: Vec<String>,
    /// Key ids of the JWKS that nothing may accept any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 255)))]
    pub revoked_key_ids: Vec<String>,
    /// Signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
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
    /// How long the app's tokens live; from 1s to 876000h.
    #[serde(default = "default::lifetime")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = super::bounds::LIFETIME.rule())]
    pub lifetime: String,
    /// Issuer (`iss`) that the app mints and asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub issuer: Option<String>,
    /// Audience (`aud`) that the app mints and asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub audience: Option<String>,
    /// Further issuers whose tokens the app accepts beside `issuer`, such as one realm under several host
    /// names. None of them is minted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 255)))]
    pub accepted_issuers: Vec<String>,
    /// Further audiences whose tokens the app accepts beside `audience`. None of them is minted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 255)))]
    pub accepted_audiences: Vec<String>,
    /// Further claims that the app wants in a token, at most 4096 bytes as JSON.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schemars(schema_with = "free_json_object")]
    pub claims: serde_json::Map<String, serde_json::Value>,
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

mod default {
    pub(super) fn lifetime() -> String {
        "24h".into()
    }
    pub(super) fn subject_claim() -> String {
        "sub".into()
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
