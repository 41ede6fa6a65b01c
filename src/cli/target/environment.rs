//! The environment alone, as the guide's script had it: the app's own variables.

use crate::{
    api::{
        shared::{ColumnCondition, SecretKeyRef, TlsMode, TlsSpec},
        spec::{self, Algorithm, AuthConsistencySpec, OnOrphan, Preset},
    },
    cli::output::CliError,
    domain::{
        identities::list::ConfigMaps,
        parse::connection_string,
        target::{
            ResourceIdentity,
            connection::Connection,
            secrets::{SecretBytes, Secrets},
        },
    },
    tokens::{Accepted, KeyIds, KeySet, SubjectClaim, TokenShape},
};

use std::ffi::OsString;

use super::Loaded;

/// Name of the Secret that the variables stand for; it shows in no message.
const SECRET: &str = "environment";

const DATABASE_URL: &str = "DATABASE_URL";
const JWT_SECRET: &str = "JWT_SECRET";
const JWT_ALGORITHM: &str = "JWT_ALGORITHM";
const JWT_KEY_ID: &str = "JWT_KEY_ID";
const ADMIN_EMAIL: &str = "ADMIN_EMAIL";
const ADMIN_PASSWORD: &str = "ADMIN_PASSWORD";

/// Looks a variable up.
pub(in crate::cli) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What flags say beside the variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Choices {
    /// What to do with rows that name nobody.
    pub on_orphan: OnOrphan,
    /// Columns that make the account an admin.
    pub admin_columns: Vec<ColumnCondition>,
}

/// The real variables of this process.
pub(in crate::cli) fn process(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A resource out of the variables.
///
/// # Errors
/// A variable that is needed is not there, or empty, or makes no sense. No value is repeated.
pub(super) fn load(variables: Variables<'_>, choices: &Choices) -> Result<Loaded, CliError> {
    let Some(url) = variable(variables, DATABASE_URL)? else {
        return Err(CliError::Usage(
            "there is nothing to look at: give -f FILE, or NAME of a resource in a cluster, or set DATABASE_URL \
             (postgresql://USER:PASSWORD@HOST:PORT/NAME) and, for tokens and admin, JWT_SECRET, ADMIN_EMAIL and ADMIN_PASSWORD"
                .into(),
        ));
    };
    let mut secrets = Secrets::new();
    let mut keep = |key: &str, bytes: Vec<u8>| {
        let reference = SecretKeyRef { name: SECRET.into(), key: key.into() };
        secrets.insert(reference.clone(), Ok(SecretBytes::new(Box::new(bytes))));
        reference
    };
    let tls = loopback(&url).then_some(TlsSpec { mode: TlsMode::Disable, ca_secret_ref: None });
    let mut spec = serde_json::json!({
        "database": {"urlSecretRef": keep(DATABASE_URL, url)},
        "users": {"preset": Preset::FastAPI},
        "references": {"onOrphan": choices.on_orphan},
    });
    if let Some(tls) = tls {
        spec["database"]["tls"] = serde_json::json!(tls);
    }
    if let Some(key) = variable(variables, JWT_SECRET)? {
        spec["jwt"] = serde_json::json!({
            "secretRef": keep(JWT_SECRET, key),
            "algorithm": algorithm(variables)?,
        });
        if let Some(id) = key_id(variables)? {
            spec["jwt"]["keyId"] = id.into();
        }
    }
    let password = variable(variables, ADMIN_PASSWORD)?;
    match (variable(variables, ADMIN_EMAIL)?, password) {
        (Some(login), password) => {
            let login = text(ADMIN_EMAIL, login)?;
            spec["admin"] = serde_json::json!({"login": login, "columns": choices.admin_columns});
            match password {
                Some(password) => {
                    spec["admin"]["passwordSecretRef"] = serde_json::json!(keep(ADMIN_PASSWORD, password));
                }
                None => spec["admin"]["onMissing"] = "Report".into(),
            }
        }
        (None, Some(_)) => {
            return Err(CliError::Usage("ADMIN_PASSWORD is set and ADMIN_EMAIL is not: set both".into()));
        }
        (None, None) => {}
    }
    let spec: AuthConsistencySpec = serde_json::from_value(spec)
        .map_err(|error| CliError::Usage(format!("the environment makes no resource: {error}")))?;
    Ok(Loaded {
        spec,
        resource: ResourceIdentity {
            namespace: "default".into(),
            name: SECRET.into(),
            uid: format!("default/{SECRET}"),
            generation: 0,
        },
        secrets,
        config_maps: ConfigMaps::new(),
    })
}

/// The signing key and the shape of tokens, where nothing but the key is known.
///
/// # Errors
/// As [`load`].
pub(super) fn signer(variables: Variables<'_>) -> Result<Option<(KeySet, TokenShape)>, CliError> {
    let Some(bytes) = variable(variables, JWT_SECRET)? else { return Ok(None) };
    let algorithm = algorithm(variables)?;
    let id = key_id(variables)?;
    let keys = KeySet::read(bytes, algorithm, &KeyIds { current: id.as_deref(), ..KeyIds::default() })
        .map_err(|error| CliError::Usage(format!("{JWT_SECRET}: {error}")))?;
    Ok(Some((keys, shape(algorithm)?)))
}

/// What tokens look like unless a resource says otherwise.
pub(super) fn shape(algorithm: Algorithm) -> Result<TokenShape, CliError> {
    let subject_claim: SubjectClaim =
        "sub".parse().map_err(|error| CliError::CouldNotTell(format!("the claim sub: {error}")))?;
    Ok(TokenShape {
        algorithm,
        subject_claim,
        subject_type: spec::SubjectType::String,
        issuer: None,
        audience: None,
        accepted: Accepted::default(),
        claims: serde_json::Map::new(),
        lifetime: std::time::Duration::from_secs(24 * 3600),
    })
}

const ALGORITHMS: &str = "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";

/// The algorithm that `JWT_ALGORITHM` names, or the usual one.
pub(super) fn algorithm(variables: Variables<'_>) -> Result<Algorithm, CliError> {
    let Some(name) = variable(variables, JWT_ALGORITHM)? else { return Ok(Algorithm::HS256) };
    let name = text(JWT_ALGORITHM, name)?;
    serde_json::from_value(name.trim().into()).map_err(|_| {
        CliError::Usage(match name.trim() {
            "ES512" | "ES256K" => {
                format!("{JWT_ALGORITHM}: {} is not supported; {ALGORITHMS} are", name.trim())
            }
            _ => format!("{JWT_ALGORITHM} must be one of {ALGORITHMS}"),
        })
    })
}

/// The key id that `JWT_KEY_ID` names.
pub(super) fn key_id(variables: Variables<'_>) -> Result<Option<String>, CliError> {
    variable(variables, JWT_KEY_ID)?.map(|id| text(JWT_KEY_ID, id)).transpose()
}

/// What a person reads of a sentence that speaks of fields and Secrets that they never wrote.
pub(super) fn plain(message: &str) -> String {
    let mut text = message.to_owned();
    for name in [DATABASE_URL, JWT_SECRET, ADMIN_PASSWORD] {
        text = text
            .replace(&format!("key \"{name}\" of Secret \"{SECRET}\""), name)
            .replace(&format!("Secret {SECRET}/{name}"), name);
    }
    for (field, name) in [
        ("spec.admin.passwordSecretRef", ADMIN_PASSWORD),
        ("spec.admin.onMissing to Seed", ADMIN_PASSWORD),
        ("spec.jwt.keyId", JWT_KEY_ID),
        ("spec.database.tls", "sslmode in DATABASE_URL"),
        ("in spec.references.rules, or accept it there", "with --on-orphan"),
        ("not the Secret's", "not ADMIN_PASSWORD's"),
        ("the spec wins", "the flag wins"),
    ] {
        text = text.replace(field, name);
    }
    text
}

/// An empty variable is a Secret that was lost on the way, and never means "none".
fn variable(variables: Variables<'_>, name: &str) -> Result<Option<Vec<u8>>, CliError> {
    match variables(name) {
        Some(value) if value.is_empty() => {
            Err(CliError::Usage(format!("{name} is set and empty: fill it, or unset it")))
        }
        Some(value) => Ok(Some(value.into_encoded_bytes())),
        None => Ok(None),
    }
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, CliError> {
    String::from_utf8(bytes).map_err(|_| CliError::Usage(format!("{name} is not UTF-8 text")))
}

/// Whether the connection never leaves the machine and the string says nothing of encryption.
fn loopback(url: &[u8]) -> bool {
    connection_string::parse(url).is_ok_and(|connection| unencrypted(&connection))
}

/// The same of a string that is parsed.
pub(in crate::cli) fn unencrypted(connection: &Connection) -> bool {
    let host = connection.host.trim_end_matches('.');
    connection.tls.is_none()
        && (host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests;
