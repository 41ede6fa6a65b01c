//! What `auth-consistency snapshot` writes before a migration: whom ids name, and what the schema
//! around them is. No secret, no password hash, no row of another table.

use crate::{
    api::{
        self,
        spec::{Algorithm, SubjectType},
    },
    domain::text::hex,
};

use serde::{Deserialize, Serialize};

/// `kind` of the document.
pub const KIND: &str = "IdentitySnapshot";

/// scrypt's N as a power of two: 2^15, so 32 MiB and about a tenth of a second for each guess.
pub const LOG_N: u8 = 15;

/// A snapshot. Field order is the order in the file.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Always `auth.probeops.com/v1alpha1`.
    pub api_version: String,
    /// Always `IdentitySnapshot`.
    pub kind: String,
    /// When it was taken, RFC 3339.
    pub taken: String,
    /// Whether logins stand in it as they are.
    pub holds_personal_data: bool,
    /// The database that it is of.
    pub database: Database,
    /// The user table.
    pub users: Users,
    /// How logins are written.
    pub logins: Logins,
    /// The signing key, where the resource names one.
    #[serde(default)]
    pub signing_key: Option<Key>,
    /// What the app's tokens look like, where the resource says so.
    #[serde(default)]
    pub tokens: Option<Tokens>,
    /// Every reference, and what was known of it.
    pub references: Vec<Reference>,
    /// Logins that were left out since they are longer than any list of people may have; null where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_logins: Option<LongLogins>,
    /// Old id and login of every user, in the order of ids; null for who has no login, or one that was left out.
    pub people: Vec<(String, Option<String>)>,
}

/// Logins that were left out, so that nobody is taken for somebody else by a part of one.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct LongLogins {
    /// How many.
    pub count: u64,
    /// The ids of the first of them.
    pub sample: Vec<String>,
}

/// A database.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// `PostgreSQL`.
    pub engine: String,
    /// The server's own version.
    pub server_version: String,
    /// The cluster's system identifier.
    pub system_identifier: String,
    /// Object id of the database.
    pub database_oid: i64,
}

/// A user table.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Users {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The column that references name.
    pub id_column: String,
    /// The column that people sign in with.
    pub login_column: String,
    /// All columns and their types.
    pub columns: Vec<Column>,
    /// The sequence behind the id.
    #[serde(default)]
    pub sequence: Option<Sequence>,
}

/// A column and its type as SQL has it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// A sequence.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The value that it gives next.
    pub next: i64,
    /// How far it goes at a time; null where an earlier version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<i64>,
    /// The last id that it and its column can give, which is a mark of the app and none of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
}

/// How logins are written in a snapshot.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Logins {
    /// As they are.
    Plain,
    /// As digests that say nothing without the passphrase.
    Keyed(Keyed),
}

/// How digests are made.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Keyed {
    /// Always `HMAC-SHA-256`.
    pub digest: String,
    /// Always `scrypt`, with N = 2^15, r = 8, p = 1 and a key of 32 bytes.
    pub key_derivation: String,
    /// Drawn at random for each snapshot, hexadecimal.
    pub salt: String,
    /// Tells the right passphrase from a wrong one.
    pub check: String,
}

impl Keyed {
    const DIGEST: &str = "HMAC-SHA-256";
    const KEY_DERIVATION: &str = "scrypt N=32768 r=8 p=1";

    /// How this version makes digests.
    pub fn new(salt: &[u8], check: String) -> Self {
        Self {
            digest: Self::DIGEST.into(),
            key_derivation: Self::KEY_DERIVATION.into(),
            salt: hex(salt),
            check,
        }
    }

    /// The salt.
    pub fn salt_bytes(&self) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = self.salt.as_bytes().chunks(2);
        pairs
            .map(|pair| match pair {
                [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
                _ => None,
            })
            .collect()
    }
}

/// A signing key, as much as may be said of it.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Slow, one-way digest; null for a key weak enough to be guessed from it.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The algorithm that it is used with.
    pub algorithm: Algorithm,
}

/// What the app's tokens look like.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// How long they live, in seconds.
    pub lifetime_seconds: u64,
    /// `iss`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `aud`.
    #[serde(default)]
    pub audience: Option<String>,
    /// The claim that names the user.
    pub subject_claim: String,
    /// Its JSON type.
    pub subject_type: SubjectType,
    /// The column that it names.
    pub subject_column: String,
}

/// A reference to the user table.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Schema of the table.
    pub schema: String,
    /// Name of the table.
    pub table: String,
    /// Columns that name the user, with their types.
    pub columns: Vec<Column>,
    /// The foreign key's name; null where only the resource declares the reference.
    #[serde(default)]
    pub constraint: Option<String>,
    /// The foreign key's definition.
    #[serde(default)]
    pub definition: Option<String>,
    /// How far the table's own key had come: rows above it were written later.
    #[serde(default)]
    pub high_water: Option<HighWater>,
}

/// How far a table's primary key had come.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct HighWater {
    /// The column.
    pub column: String,
    /// Its highest value.
    pub highest: i64,
    /// The sequence that it draws from.
    pub sequence: Sequence,
}

impl Snapshot {
    /// Writes it down, one person to a line, so that two of them can be compared.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let frame = Self { people: Vec::new(), ..self.clone() };
        let frame = serde_json::to_string_pretty(&frame)?;
        let mut text = frame.strip_suffix("[]\n}").unwrap_or(&frame).to_owned();
        text.push('[');
        for (at, person) in self.people.iter().enumerate() {
            text.push_str(if at > 0 { ",\n    " } else { "\n    " });
            text.push_str(&serde_json::to_string(person)?);
        }
        text.push_str("\n  ]\n}\n");
        Ok(text)
    }

    /// Whether a text is a snapshot at all, of whatever version.
    pub fn is_one(text: &str) -> bool {
        let document: Result<serde_json::Value, _> =
            serde_json::from_str(text.trim_start_matches('\u{feff}'));
        document.is_ok_and(|document| document["kind"] == KIND)
    }

    /// Whether a text is a snapshot whose logins are keyed.
    pub fn is_keyed(text: &str) -> bool {
        let document: Result<serde_json::Value, _> =
            serde_json::from_str(text.trim_start_matches('\u{feff}'));
        document.is_ok_and(|document| document["logins"]["keyed"].is_object())
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// It is not one, or not of a version that this program knows, or a field makes no sense.
    pub fn read(text: &str) -> Result<Self, String> {
        let document: serde_json::Value = serde_json::from_str(text).map_err(|error| {
            format!("it is no JSON: look at line {}, column {}", error.line(), error.column())
        })?;
        let of = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        if of("kind") != KIND {
            return Err(format!(
                "its kind is {} and must be {KIND}: give what `auth-consistency snapshot` printed",
                known(&of("kind"), |kind| OTHERS.contains(&kind))
            ));
        }
        if of("apiVersion") != api::API_VERSION {
            return Err(format!(
                "its apiVersion is {}, and this program knows {}: use the program that wrote it",
                known(&of("apiVersion"), is_version),
                api::API_VERSION
            ));
        }
        let read: Self = serde_path_to_error::deserialize(document).map_err(|error| {
            let path = error.path().to_string();
            // The parser's own words repeat values, and those are logins.
            if path == "." { "a field is missing".into() } else { format!("{path} is not what it should be") }
        })?;
        if let Logins::Keyed(keyed) = &read.logins
            && (keyed.digest != Keyed::DIGEST || keyed.key_derivation != Keyed::KEY_DERIVATION)
        {
            return Err("its logins are keyed in a way that this program does not know: use the program that wrote it".into());
        }
        Ok(read)
    }
}

/// Kinds of documents that people give in place of a snapshot.
const OTHERS: [&str; 5] = ["AuthConsistency", "ConfigMap", "List", "Secret", "Deployment"];

/// Whether it is a version of ours, in the form that Kubernetes gives versions (`v1`, `v1alpha1`): anything else may be a
/// Secret's value.
fn is_version(text: &str) -> bool {
    let number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let version =
        api::API_VERSION.split_once('/').and_then(|(group, _)| text.strip_prefix(group)?.strip_prefix("/v"));
    version.is_some_and(|version| {
        let parts = version.split_once("alpha").or_else(|| version.split_once("beta"));
        parts.map_or_else(|| number(version), |(major, minor)| number(major) && number(minor))
    })
}

/// A word of a document as it is repeated: what is not known may be anything, a Secret's value too.
fn known(text: &str, is_known: impl Fn(&str) -> bool) -> String {
    if is_known(text) {
        format!("{text:?}")
    } else {
        format!("a word of {} characters", text.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_of_ours_is_repeated() {
        for version in ["v1", "v9", "v1alpha1", "v12beta3"] {
            assert!(is_version(&format!("auth.probeops.com/{version}")), "{version}");
        }
        for other in ["Jm4Tn8Rb", "v", "v1secret", "v1alpha", "valpha1", "v1234"] {
            assert!(!is_version(&format!("auth.probeops.com/{other}")), "{other}");
        }
        assert!(!is_version("example.org/v1"));
    }
}
