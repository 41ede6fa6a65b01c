//! Stage 1, *dereference*: reads the resource live and the Secrets and ConfigMaps that it names. Holds a
//! client.
//!
//! A Secret that is missing, unreadable or empty is a value here, not an error: it means wait and
//! change nothing.

use crate::{
    api::{AuthConsistencySpec, AuthConsistencyStatus, annotation::USE_LABEL, condition::Reason},
    domain::{
        fault::{Class, SecretProblem},
        identities::list::ConfigMaps,
        report::first_install::Beginning,
        target::{
            ResourceIdentity,
            secrets::{Secrets, config_map_ref, secret_refs},
        },
    },
};

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use secrecy::SecretBox;

use super::{
    cluster::{Cluster, ClusterError},
    stored::understood,
};

/// A resource as it was read.
pub struct Resource {
    /// The object, for writing its status.
    pub object: DynamicObject,
    /// Which it is.
    pub identity: ResourceIdentity,
    /// Its spec, or why it cannot be understood.
    pub spec: Result<Box<AuthConsistencySpec>, String>,
    /// Its status as it stands, as far as it can be understood.
    pub status: AuthConsistencyStatus,
    /// Whether all of it can be.
    pub sound: bool,
}

impl Resource {
    /// Understands an object in whatever shape it was stored: one that today's schema would refuse is
    /// a value with a reason, and never stops the others.
    pub fn read(object: DynamicObject) -> Self {
        let meta = &object.metadata;
        let identity = ResourceIdentity {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
        };
        let spec = object.data.get("spec").cloned().unwrap_or(serde_json::Value::Null);
        let spec = serde_path_to_error::deserialize(spec).map(Box::new).map_err(|error| {
            let path = error.path().to_string();
            let at = if path == "." { "spec".to_owned() } else { format!("spec.{path}") };
            format!("{at}: {}", error.into_inner())
        });
        let (status, sound) = understood(object.data.get("status"));
        Self { object, identity, spec, status, sound }
    }

    /// When it was created, when its spec was last written, and whether all was well once.
    pub fn beginning(&self) -> Beginning {
        let meta = &self.object.metadata;
        let of_spec = |entry: &&ManagedFieldsEntry| {
            let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
            entry.subresource.is_none() && fields.is_some_and(|fields| fields.get("f:spec").is_some())
        };
        let written = meta.managed_fields.iter().flatten().filter(of_spec);
        Beginning {
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            specified: written.filter_map(|entry| entry.time.as_ref()).map(|time| time.0).max(),
            succeeded: self.status.first_consistent_time.is_some() || ready(&self.status),
        }
    }

    /// Whether nobody has looked at it yet.
    pub fn is_new(&self) -> bool {
        self.status.observed_generation < 0 && self.status.conditions.is_empty()
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<String> {
        self.object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(name)).cloned()
    }

    /// Whether it is being deleted.
    pub fn is_deleted(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }
}

/// Whether a status says that the resource is ready.
fn ready(status: &AuthConsistencyStatus) -> bool {
    status.conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Reads the Secrets that a spec names, each Secret once.
///
/// # Errors
/// The API server does not answer; a Secret that is not there is a value.
pub async fn secrets(
    cluster: &Cluster,
    namespace: &str,
    spec: &AuthConsistencySpec,
    require_label: bool,
) -> Result<Secrets, ClusterError> {
    let refs = secret_refs(spec);
    let mut read = BTreeMap::new();
    for (reference, ..) in &refs {
        if read.contains_key(&reference.name) {
            continue;
        }
        let found = match cluster.secret(namespace, &reference.name).await {
            Ok(secret) => Ok(secret),
            Err(error) if matches!(error.class(), Class::Transient | Class::Conflict) => return Err(error),
            Err(ClusterError::NotFound) => Err(SecretProblem {
                reason: Reason::SecretMissing,
                message: format!(
                    "there is no Secret {:?} in namespace {namespace:?}: create it, nothing is changed until then",
                    reference.name
                ),
            }),
            Err(ClusterError::Refused { code: 403, .. }) => Err(SecretProblem {
                reason: Reason::SecretNotPermitted,
                message: format!(
                    "the operator may not read Secret {:?} in namespace {namespace:?}: bind it to the chart's Role there",
                    reference.name
                ),
            }),
            Err(error) => Err(SecretProblem {
                reason: Reason::SecretMissing,
                message: format!("Secret {:?} cannot be read: {error}", reference.name),
            }),
        };
        let found = found.and_then(|secret| {
            let labelled = secret
                .metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(USE_LABEL))
                .is_some_and(|value| value == "true");
            if require_label && !labelled {
                return Err(SecretProblem {
                    reason: Reason::SecretNotPermitted,
                    message: format!(
                        "Secret {:?} lacks the label {USE_LABEL}=true, which the operator asks for: label it",
                        reference.name
                    ),
                });
            }
            Ok(secret)
        });
        read.insert(reference.name.clone(), found);
    }
    let mut secrets = Secrets::new();
    for (reference, ..) in refs {
        let Some(found) = read.get(&reference.name) else { continue };
        let value = match found {
            Err(problem) => Err(problem.clone()),
            Ok(secret) => match secret.data.as_ref().and_then(|data| data.get(&reference.key)) {
                Some(bytes) => Ok(SecretBox::new(Box::new(bytes.0.clone()))),
                None => Err(SecretProblem {
                    reason: Reason::SecretMissing,
                    message: format!(
                        "Secret {:?} has no key {:?}: add it, nothing is changed until then",
                        reference.name, reference.key
                    ),
                }),
            },
        };
        secrets.insert(reference, value);
    }
    Ok(secrets)
}

/// Reads the ConfigMap that a spec names.
///
/// # Errors
/// The API server does not answer; a ConfigMap that is not there is a value.
pub async fn config_maps(
    cluster: &Cluster,
    namespace: &str,
    spec: &AuthConsistencySpec,
) -> Result<ConfigMaps, ClusterError> {
    let mut read = ConfigMaps::new();
    let Some(reference) = config_map_ref(spec) else { return Ok(read) };
    let name = &reference.name;
    let missing = |message| Err(SecretProblem { reason: Reason::IdentitiesMissing, message });
    let found = match cluster.config_map(namespace, name).await {
        Ok(found) => Ok(found.data.unwrap_or_default()),
        Err(error) if matches!(error.class(), Class::Transient | Class::Conflict) => return Err(error),
        Err(ClusterError::NotFound) => missing(format!(
            "there is no ConfigMap {name:?} in namespace {namespace:?}: create it, nothing is changed until then"
        )),
        Err(error) => missing(format!("ConfigMap {name:?} cannot be read: {error}")),
    };
    read.insert(name.clone(), found);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_resource_begins_when_it_is_created_and_anew_when_its_spec_is_written() {
        let object = |fields: Value, subresource: Option<&str>| {
            let entry = serde_json::json!({
                "manager": "kubectl", "time": "2026-01-01T01:00:00Z", "fieldsV1": fields, "subresource": subresource,
            });
            let object = serde_json::json!({
                "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
                "metadata": {"name": "app", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [entry]},
            });
            Resource::read(serde_json::from_value(object).unwrap()).beginning()
        };
        let created: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let written: jiff::Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let spec = serde_json::json!({"f:spec": {"f:interval": {}}});
        let begun = object(spec.clone(), None);
        assert_eq!((begun.created, begun.specified, begun.succeeded), (Some(created), Some(written), false));
        assert_eq!(object(spec, Some("status")).specified, None);
        let annotated = serde_json::json!({"f:metadata": {"f:annotations": {}}});
        assert_eq!(object(annotated, None).specified, None);
    }
}
