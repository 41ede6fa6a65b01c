//! Every call to the API server that there is, each with a time limit, a counter and an error class.

use std::{fmt::Debug, sync::Arc, time::Duration};

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{ConfigMap, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, ObjectList, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind, NamespaceResourceScope},
};
use serde::de::DeserializeOwned;

use crate::{
    api::{
        AuthConsistencyStatus,
        condition::{ConditionType, Reason},
    },
    consistency::severity::{Class, Fault, of_http},
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

    /// Applies a status to exactly the object that was read: a stale writer conflicts. Returns the new
    /// resourceVersion.
    ///
    /// # Errors
    /// See [`ClusterError`]; a conflict means that the object has changed since it was read.
    pub async fn apply_status(
        &self,
        object: &DynamicObject,
        resource_version: &str,
        status: &AuthConsistencyStatus,
    ) -> Result<String, ClusterError> {
        let meta = &object.metadata;
        let name = meta.name.clone().unwrap_or_default();
        let mut body = serde_json::json!({
            "apiVersion": crate::api::API_VERSION,
            "kind": "AuthConsistency",
            "metadata": {"name": name, "uid": meta.uid, "resourceVersion": resource_version},
            "status": status,
        });
        drop_nulls(&mut body);
        let api = self.resources(meta.namespace.as_deref().unwrap_or_default());
        let params = PatchParams::apply(MANAGER).force();
        let written = self
            .call(ApiOperation::ApplyStatus, api.patch_status(&name, &params, &Patch::Apply(body)))
            .await?;
        Ok(written.metadata.resource_version.unwrap_or_default())
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
                let uid = review.status.and_then(|status| status.user_info).and_then(|user| user.uid);
                Ok(uid.filter(|uid| !uid.is_empty()))
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

/// How the API server knows the resource.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(crate::api::GROUP, "v1alpha1", "AuthConsistency");
    ApiResource::from_gvk_with_plural(&kind, "authconsistencies")
}
