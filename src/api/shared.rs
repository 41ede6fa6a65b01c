//! What several parts of the contract name: references to Secrets, conditions on columns, algorithms, how a key was replaced.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signature algorithms of RFC 7518 section 3.1 and RFC 8037. ES512 and ES256K are not supported.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA (PKCS#1 v1.5) with SHA-256.
    RS256,
    /// RSA (PKCS#1 v1.5) with SHA-384.
    RS384,
    /// RSA (PKCS#1 v1.5) with SHA-512.
    RS512,
    /// RSA (PSS) with SHA-256.
    PS256,
    /// RSA (PSS) with SHA-384.
    PS384,
    /// RSA (PSS) with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
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

/// A signing key that another one replaced.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReplacedKey {
    /// Its fingerprint.
    #[schemars(length(max = 128))]
    pub fingerprint: String,
    /// When another one was first seen in its place.
    pub time: Time,
}

/// The time in which old signing keys are accepted beside the current one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// Since when the signing key was seen beside the old ones with no verifier that refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Until when tokens live that the old keys signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Whether the old keys may go; absent when nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_go: Option<bool>,
    /// Why, and what to do.
    #[schemars(length(max = 512))]
    pub why: String,
}
