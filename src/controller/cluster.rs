//! Every call to the API server that there is, each with a time limit, a counter and an error class.

use std::{fmt::Debug, sync::Arc, time::Duration};

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{ConfigMap, Event, Secret},
};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, ObjectList, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind, NamespaceResourceScope},
};
use serde::{Serialize, de::DeserializeOwned};

use super::stored::understood;
use crate::{
    api::{
        self, AuthConsistencyStatus,
        condition::{ConditionType, Reason},
    },
    domain::fault::{Class, Fault},
    server::metrics::{ApiOperation, ApiResult, Metrics},
};

/// No answer of the API server may take longer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Field manager of the status.
const MANAGER: &str = "auth-consistency";

/// A client, and the counters of what it does.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    metrics: Arc<Metrics>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The API server refuses.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// HTTP status code.
        code: u16,
        /// What it says.
        message: String,
    },
    /// No answer in time, or none at all.
    #[error("no answer from the API server: {0}")]
    Unreachable(String),
}

impl ClusterError {
    /// What the failure means for the next try.
    pub fn class(&self) -> Class {
        match self {
            Self::NotFound => Class::Terminal,
            Self::Refused { code, .. } => of_http(*code),
            Self::Unreachable(_) => Class::Transient,
        }
    }

    /// Whether the object is gone, or its namespace about to be.
    pub fn is_about_the_end(&self) -> bool {
        match self {
            Self::NotFound => true,
            Self::Refused { code: 403, message } => message.contains("because it is being terminated"),
            _ => false,
        }
    }

    /// The failure as a stage shows it.
    pub fn fault(&self) -> Fault {
        Fault {
            reason: Reason::ProgressingWithRetry,
            condition: ConditionType::Ready,
            class: self.class(),
            message: self.to_string(),
        }
    }

    fn result(&self) -> ApiResult {
        match self {
            Self::NotFound => ApiResult::NotFound,
            Self::Refused { code: 403, .. } => ApiResult::Forbidden,
            Self::Refused { code: 409, .. } => ApiResult::Conflict,
            Self::Unreachable(why) if why == "timeout" => ApiResult::Timeout,
            _ => ApiResult::Error,
        }
    }
}

impl From<kube::Error> for ClusterError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => Self::NotFound,
            kube::Error::Api(status) => Self::Refused { code: status.code, message: status.message.clone() },
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// An object that lies in a namespace.
pub trait Namespaced: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> {}

impl<K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>> Namespaced for K {}

impl Cluster {
    /// A cluster behind a client.
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self { client, metrics }
    }

    async fn call<T>(
        &self,
        operation: ApiOperation,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ClusterError> {
        let result = match tokio::time::timeout(TIMEOUT, call).await {
            Ok(result) => result.map_err(ClusterError::from),
            Err(_) => Err(ClusterError::Unreachable("timeout".into())),
        };
        self.metrics
            .api_request(operation, result.as_ref().map_or_else(ClusterError::result, |_| ApiResult::Ok));
        result
    }

    fn resources(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource())
    }

    /// Reads a resource live, in whatever shape it was stored.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn resource(&self, namespace: &str, name: &str) -> Result<DynamicObject, ClusterError> {
        let api = self.resources(namespace);
        self.call(ApiOperation::GetResource, api.get(name)).await
    }

    /// Reads one Secret.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Secret, ClusterError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        self.call(ApiOperation::GetSecret, api.get(name)).await
    }

    /// Reads one ConfigMap.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, ClusterError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        self.call(ApiOperation::GetConfigMap, api.get(name)).await
    }

    /// Reads one object.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn get<K: Namespaced + Clone + DeserializeOwned + Debug>(
        &self,
        operation: ApiOperation,
        namespace: &str,
        name: &str,
    ) -> Result<K, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        self.call(operation, api.get(name)).await
    }

    /// Reads objects of one namespace.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn list<K: Namespaced + Clone + DeserializeOwned + Debug>(
        &self,
        operation: ApiOperation,
        namespace: &str,
        params: &ListParams,
    ) -> Result<ObjectList<K>, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        self.call(operation, api.list(params)).await
    }

    /// Creates one object.
    ///
    /// # Errors
    /// See [`ClusterError`]; a conflict means that there is one.
    pub async fn create<K: Namespaced + Clone + DeserializeOwned + Serialize + Debug>(
        &self,
        operation: ApiOperation,
        namespace: &str,
        object: &K,
    ) -> Result<K, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        self.call(operation, api.create(&own(), object)).await
    }

    /// Writes one object onto exactly what was read of it.
    ///
    /// # Errors
    /// See [`ClusterError`]; a conflict means that the object has changed since it was read.
    pub async fn replace<K: Namespaced + Clone + DeserializeOwned + Serialize + Debug>(
        &self,
        operation: ApiOperation,
        namespace: &str,
        name: &str,
        object: &K,
    ) -> Result<K, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        self.call(operation, api.replace(name, &own(), object)).await
    }

    /// Writes a status to exactly the object that was read: a stale writer conflicts. Returns the new
    /// resourceVersion.
    ///
    /// # Errors
    /// See [`ClusterError`]; a conflict means that the object has changed since it was read.
    pub async fn write_status(
        &self,
        object: &DynamicObject,
        resource_version: &str,
        status: &AuthConsistencyStatus,
    ) -> Result<String, ClusterError> {
        if is_shared(object) {
            return self.merge_status(object, resource_version, status).await;
        }
        let version = match self.apply_status(object, resource_version, status).await {
            Ok(written) => {
                let version = written.metadata.resource_version.clone().unwrap_or_default();
                if understood(written.data.get("status")).0 == *status {
                    return Ok(version);
                }
                // Somebody else has got a share in it meanwhile.
                version
            }
            // Applying needs an object that fits today's schema in every part; a patch does not.
            Err(ClusterError::Refused { code: 400 | 422 | 500, message }) => {
                tracing::debug!(message, "the status could not be applied, so it is patched");
                resource_version.to_owned()
            }
            Err(error) => return Err(error),
        };
        self.merge_status(object, &version, status).await
    }

    async fn merge_status(
        &self,
        object: &DynamicObject,
        resource_version: &str,
        status: &AuthConsistencyStatus,
    ) -> Result<String, ClusterError> {
        let meta = &object.metadata;
        let (namespace, name) =
            (meta.namespace.as_deref().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        let live = self.resource(namespace, &name).await?;
        if live.metadata.uid != meta.uid
            || live.metadata.resource_version.as_deref() != Some(resource_version)
        {
            let message = "the object has been modified".to_owned();
            return Err(ClusterError::Refused { code: 409, message });
        }
        let mut wanted = serde_json::json!(status);
        drop_nulls(&mut wanted);
        let stands = live.data.get("status").cloned().unwrap_or_default();
        let body = serde_json::json!({
            "metadata": {"resourceVersion": resource_version}, "status": difference(&stands, &wanted),
        });
        let (api, params) = (
            self.resources(namespace),
            PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() },
        );
        let patch = Patch::Merge(body);
        let written = self.call(ApiOperation::ApplyStatus, api.patch_status(&name, &params, &patch)).await?;
        Ok(written.metadata.resource_version.unwrap_or_default())
    }

    async fn apply_status(
        &self,
        object: &DynamicObject,
        resource_version: &str,
        status: &AuthConsistencyStatus,
    ) -> Result<DynamicObject, ClusterError> {
        let meta = &object.metadata;
        let name = meta.name.clone().unwrap_or_default();
        let mut body = serde_json::json!({
            "apiVersion": api::API_VERSION,
            "kind": "AuthConsistency",
            "metadata": {"name": name, "uid": meta.uid, "resourceVersion": resource_version},
            "status": status,
        });
        drop_nulls(&mut body);
        let api = self.resources(meta.namespace.as_deref().unwrap_or_default());
        let params = PatchParams::apply(MANAGER).force();
        self.call(ApiOperation::ApplyStatus, api.patch_status(&name, &params, &Patch::Apply(body))).await
    }

    /// The uid of the ServiceAccount that the operator runs as, which no other cluster has; `None` where it runs
    /// as somebody without one. Whoever is signed in may ask who that is, without a right that the chart grants.
    ///
    /// # Errors
    /// No answer. That it may not ask, or that the API server knows no such question, is an answer.
    pub async fn own_uid(&self) -> Result<Option<String>, ClusterError> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let (params, question) = (PostParams::default(), SelfSubjectReview::default());
        let asked = self.call(ApiOperation::ReviewSelf, api.create(&params, &question)).await;
        match asked {
            Ok(review) => {
                let user = review.status.and_then(|status| status.user_info);
                // Others have the uid of whoever signed them in, which may be the same in every cluster.
                let own = |name: &String| name.starts_with("system:serviceaccount:");
                let user = user.filter(|user| user.username.as_ref().is_some_and(own));
                Ok(user.and_then(|user| user.uid).filter(|uid| !uid.is_empty()))
            }
            Err(ClusterError::NotFound | ClusterError::Refused { code: 403, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an event.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn event(&self, namespace: &str, event: &Event) -> Result<(), ClusterError> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        self.call(ApiOperation::CreateEvent, api.create(&PostParams::default(), event)).await.map(|_| ())
    }
}

/// As the operator writes whole objects.
fn own() -> PostParams {
    PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() }
}

/// Whether somebody has a share in an object's status beside what we have applied, be it by a patch of our own:
/// what is not applied any more would stay.
fn is_shared(object: &DynamicObject) -> bool {
    object.metadata.managed_fields.iter().flatten().any(|entry| {
        let applied =
            entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply");
        entry.subresource.as_deref() == Some("status") && !applied
    })
}

/// Reports say null where there is nothing; an object says nothing, and an enum of its schema refuses
/// null.
fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// The merge patch (RFC 7386) that makes one value of another.
fn difference(from: &serde_json::Value, to: &serde_json::Value) -> serde_json::Value {
    let (serde_json::Value::Object(before), serde_json::Value::Object(after)) = (from, to) else {
        return to.clone();
    };
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut patch: serde_json::Map<_, _> = gone.map(|name| (name.clone(), serde_json::Value::Null)).collect();
    for (name, value) in after {
        match before.get(name) {
            Some(old) if old == value => {}
            Some(old) => drop(patch.insert(name.clone(), difference(old, value))),
            None => drop(patch.insert(name.clone(), value.clone())),
        }
    }
    serde_json::Value::Object(patch)
}

/// How the API server knows the resource.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(api::GROUP, "v1alpha1", "AuthConsistency");
    ApiResource::from_gvk_with_plural(&kind, "authconsistencies")
}

/// Classes an answer of the Kubernetes API by its HTTP status code.
pub fn of_http(code: u16) -> Class {
    match code {
        409 => Class::Conflict,
        408 | 425 | 429 | 500..=599 => Class::Transient,
        401 => Class::Transient,
        400 | 405 | 406 | 415 => Class::Bug,
        _ => Class::Terminal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{difference, is_shared, of_http};
    use crate::domain::fault::Class;

    #[test]
    fn a_status_is_shared_with_whoever_has_written_to_it_but_not_by_applying_as_we_do() {
        let object = |entries: serde_json::Value| {
            let object = json!({
                "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
                "metadata": {"name": "app", "managedFields": entries},
            });
            serde_json::from_value(object).unwrap()
        };
        let spec = json!({"manager": "kubectl", "operation": "Update"});
        let ours = json!({"manager": "auth-consistency", "operation": "Apply", "subresource": "status"});
        let patched = json!({"manager": "auth-consistency", "operation": "Update", "subresource": "status"});
        let theirs = json!({"manager": "kubectl-edit", "operation": "Update", "subresource": "status"});
        assert!(!is_shared(&object(json!([]))));
        assert!(!is_shared(&object(json!([spec, ours]))));
        assert!(is_shared(&object(json!([spec, ours, patched]))));
        assert!(is_shared(&object(json!([theirs]))));
    }

    #[test]
    fn a_merge_patch_removes_what_is_gone_and_says_nothing_of_what_stands() {
        let from =
            json!({"a": 1, "gone": {"x": 1}, "list": [1, 2], "deep": {"same": 1, "gone": 2}, "odd": "text"});
        let to = json!({"a": 1, "list": [1], "deep": {"same": 1, "new": 3}, "odd": {"now": "an object"}});
        let expected = json!({
            "gone": null, "list": [1], "deep": {"gone": null, "new": 3}, "odd": {"now": "an object"},
        });
        assert_eq!(difference(&from, &to), expected);
        assert_eq!(difference(&to, &to), json!({}));
        assert_eq!(difference(&json!(null), &to), to);
        assert_eq!(difference(&json!("text"), &to), to);
    }

    #[test]
    fn http_codes_are_classed_by_what_helps() {
        for (code, class) in [
            (400, Class::Bug),
            (401, Class::Transient),
            (403, Class::Terminal),
            (404, Class::Terminal),
            (409, Class::Conflict),
            (422, Class::Terminal),
            (429, Class::Transient),
            (500, Class::Transient),
            (503, Class::Transient),
        ] {
            assert_eq!(of_http(code), class, "{code}");
        }
    }
}
