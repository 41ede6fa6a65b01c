//! A file that holds the resource and the Secrets that it names: YAML or JSON documents.

use crate::{
    api::{API_VERSION, AuthConsistencySpec, condition::Reason, shared::SecretKeyRef, spec::ConfigMapKeyRef},
    cli::output::CliError,
    domain::{
        advise::init::secrets::FILL_IN,
        fault::SecretProblem,
        identities::list::ConfigMaps,
        target::{
            ResourceIdentity,
            secrets::{SecretBytes, Secrets, config_map_ref, secret_refs},
        },
    },
};

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{Loaded, schema};

/// The fields of `metadata` that count without a cluster.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    generation: Option<i64>,
}

/// Secrets by name, and what they hold by key.
type Held = BTreeMap<String, BTreeMap<String, SecretBytes>>;

/// Reads the documents.
///
/// # Errors
/// What is wrong with the file, never with a value of a Secret in it.
pub(super) fn load(text: &str, file: &str) -> Result<Loaded, CliError> {
    let wrong = |why: String| CliError::Usage(format!("{file}: {why}"));
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| wrong(format!("it cannot be read as YAML{}", place(&error))))?;
    let mut documents: Vec<Value> = documents.into_iter().flat_map(items).collect();
    let of_kind = |document: &Value, kind: &str| document["kind"] == kind;
    let at = documents.iter().position(|document| of_kind(document, "AuthConsistency"));
    let Some(resource) = at.map(|at| documents.swap_remove(at)) else {
        return Err(wrong("there is no document of kind AuthConsistency in it".into()));
    };
    if documents.iter().any(|document| of_kind(document, "AuthConsistency")) {
        return Err(wrong("there is more than one AuthConsistency in it: keep one per file".into()));
    }
    if resource["apiVersion"] != API_VERSION {
        return Err(wrong(format!("the AuthConsistency must have the apiVersion {API_VERSION}")));
    }
    let problems = schema::problems(&resource);
    if !problems.is_empty() {
        return Err(wrong(problems.join("; ")));
    }
    let metadata = metadata(&resource).map_err(&wrong)?;
    let namespace = metadata.namespace.unwrap_or_else(|| "default".into());
    let spec: AuthConsistencySpec =
        serde_json::from_value(resource["spec"].clone()).map_err(|error| wrong(format!("spec: {error}")))?;
    let open: Vec<String> = secret_refs(&spec)
        .iter()
        .filter(|(reference, ..)| reference.name == FILL_IN)
        .map(|(.., field)| {
            format!("{field} is not filled in: put the name of a Secret in place of {FILL_IN}")
        })
        .collect();
    if !open.is_empty() {
        return Err(wrong(open.join("; ")));
    }
    let mut held = Held::new();
    for document in documents.iter().filter(|document| of_kind(document, "Secret")) {
        secret(document, &namespace, &mut held).map_err(&wrong)?;
    }
    let secrets = pick(&spec, &held, file);
    let config_maps = config_maps(&spec, &documents, &namespace, file).map_err(&wrong)?;
    let uid = format!("{namespace}/{}", metadata.name);
    let resource = ResourceIdentity {
        namespace,
        name: metadata.name,
        uid,
        generation: metadata.generation.unwrap_or(0),
    };
    Ok(Loaded { spec, resource, secrets, config_maps })
}

/// Only the place: the parser's own words quote the text around it, and Secrets are in it.
fn place(error: &serde_saphyr::Error) -> String {
    error
        .location()
        .map(|location| format!(": look at line {}, column {}", location.line(), location.column()))
        .unwrap_or_default()
}

/// A `List`, as `kubectl get -o yaml` gives it, is its items.
fn items(mut document: Value) -> Vec<Value> {
    match document["kind"].as_str() {
        Some("List" | "AuthConsistencyList" | "SecretList" | "ConfigMapList") => {
            match document["items"].take() {
                Value::Array(items) => items,
                _ => Vec::new(),
            }
        }
        _ => vec![document],
    }
}

fn metadata(document: &Value) -> Result<Metadata, String> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let metadata: Metadata = serde_json::from_value(document["metadata"].clone())
        .map_err(|_| format!("the {kind} has no metadata with a name"))?;
    if metadata.name.is_empty() {
        return Err(format!("the {kind} has no metadata.name"));
    }
    Ok(metadata)
}

fn secret(document: &Value, namespace: &str, held: &mut Held) -> Result<(), String> {
    let metadata = metadata(document)?;
    // A reference has no namespace field: a Secret of another one is another Secret.
    if metadata.namespace.as_deref().is_some_and(|own| own != namespace) {
        return Ok(());
    }
    let name = metadata.name;
    let keys = held.entry(name.clone()).or_default();
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let fields = match &document[field] {
            Value::Null => continue,
            Value::Object(fields) => fields,
            _ => return Err(format!("{field} of Secret {name:?} must be a map")),
        };
        for (key, value) in fields {
            let Value::String(text) = value else {
                return Err(format!("{field}.{key} of Secret {name:?} must be text: put it in quotes"));
            };
            let bytes = if encoded {
                // People's editors wrap base64.
                let text: String = text.split_whitespace().collect();
                STANDARD.decode(text).map_err(|_| {
                    format!("data.{key} of Secret {name:?} is no base64: encode it, or use stringData")
                })?
            } else {
                text.clone().into_bytes()
            };
            keys.insert(key.clone(), SecretBytes::new(Box::new(bytes)));
        }
    }
    Ok(())
}

/// The ConfigMap that the spec names, out of the documents; others are none of ours.
fn config_maps(
    spec: &AuthConsistencySpec,
    documents: &[Value],
    namespace: &str,
    file: &str,
) -> Result<ConfigMaps, String> {
    let mut config_maps = ConfigMaps::new();
    let Some(ConfigMapKeyRef { name, .. }) = config_map_ref(spec) else { return Ok(config_maps) };
    let named = documents.iter().find(|document| {
        let metadata = &document["metadata"];
        document["kind"] == "ConfigMap"
            && metadata["name"] == name.as_str()
            && metadata["namespace"].as_str().is_none_or(|own| own == namespace)
    });
    let Some(document) = named else {
        let problem = SecretProblem {
            reason: Reason::IdentitiesMissing,
            message: format!(
                "there is no ConfigMap {name:?} of the resource's namespace in {file}: add it as a document"
            ),
        };
        config_maps.insert(name.clone(), Err(problem));
        return Ok(config_maps);
    };
    let mut keys = BTreeMap::new();
    match &document["data"] {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                let Value::String(text) = value else {
                    return Err(format!("data.{key} of ConfigMap {name:?} must be text: put it in quotes"));
                };
                keys.insert(key.clone(), text.clone());
            }
        }
        _ => return Err(format!("data of ConfigMap {name:?} must be a map")),
    }
    config_maps.insert(name.clone(), Ok(keys));
    Ok(config_maps)
}

/// What the spec names, out of what there is.
fn pick(spec: &AuthConsistencySpec, held: &Held, file: &str) -> Secrets {
    secret_refs(spec)
        .into_iter()
        .map(|(reference, ..)| (reference.clone(), one(&reference, held, file)))
        .collect()
}

fn one(reference: &SecretKeyRef, held: &Held, file: &str) -> Result<SecretBytes, SecretProblem> {
    let missing = |message| SecretProblem { reason: Reason::SecretMissing, message };
    let Some(keys) = held.get(&reference.name) else {
        return Err(missing(format!(
            "there is no Secret {:?} of the resource's namespace in {file}: add it as a document",
            reference.name
        )));
    };
    match keys.get(&reference.key) {
        Some(bytes) => Ok(SecretBytes::new(Box::new(bytes.expose_secret().clone()))),
        None => Err(missing(format!("Secret {:?} has no key {:?}: add it", reference.name, reference.key))),
    }
}

#[cfg(test)]
mod tests;
