//! The Secrets of a namespace by the names of their keys, with the caller's own rights. Values come along in the API
//! server's answer, since it knows no other list, and are dropped unread.

use crate::api::shared::SecretKeyRef;
use crate::{
    cli::output::CliError,
    domain::{advise::init::secrets::SecretKeys, target::secrets::SecretBytes},
};

use std::collections::BTreeMap;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::Secret,
};
use kube::{
    Api, Resource,
    api::{ListParams, PostParams},
    core::Request,
};
use serde::{Deserialize, de::IgnoredAny};

use super::Cluster;

/// Secrets that are asked for at once, and how often: no namespace of an app has more.
const PAGE: u32 = 500;
const MOST_PAGES: u32 = 20;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    items: Vec<Item>,
}

#[derive(Deserialize, Default)]
struct ListMetadata {
    /// Where the list goes on.
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

impl Cluster {
    /// The names, where the caller may list Secrets; otherwise why there are none. All of them or none: what is said of one
    /// is that no other is like it.
    pub(in crate::cli) async fn secret_names(&self) -> Result<Vec<SecretKeys>, String> {
        let attributes = ResourceAttributes {
            namespace: Some(self.namespace.clone()),
            verb: Some("list".into()),
            resource: Some("secrets".into()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let said = |error: &kube::Error| match error {
            kube::Error::Api(status) => format!("the API server refuses it: {}", status.message),
            other => format!("the cluster cannot be reached: {}", super::cluster::chain(other)),
        };
        let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| said(&error))?;
        if !answer.status.is_some_and(|status| status.allowed) {
            return Err(format!("you may not list the Secrets of namespace {:?}", self.namespace));
        }
        let url = Secret::url_path(&(), Some(&self.namespace));
        let (mut names, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
        for _ in 0..MOST_PAGES {
            let request = Request::new(url.as_str())
                .list(&page)
                .map_err(|error| format!("the list cannot be asked for: {error}"))?;
            let list: List = self.client.request(request).await.map_err(|error| said(&error))?;
            names.extend(list.items.into_iter().map(|item| SecretKeys {
                name: item.metadata.name,
                kind: item.kind,
                keys: item.data.unwrap_or_default().into_keys().collect(),
            }));
            match list.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => return Ok(names),
            }
        }
        Err(format!("namespace {:?} has more than {} Secrets", self.namespace, names.len()))
    }

    /// One value.
    ///
    /// # Errors
    /// The Secret cannot be read, or has no such key.
    pub(in crate::cli) async fn secret_value(
        &self,
        reference: &SecretKeyRef,
    ) -> Result<SecretBytes, CliError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = api.get(&reference.name).await.map_err(|error| {
            let why = match &error {
                kube::Error::Api(status) => status.message.clone(),
                other => super::cluster::chain(other),
            };
            CliError::CouldNotTell(format!("Secret {:?} cannot be read: {why}", reference.name))
        })?;
        let bytes = secret.data.and_then(|mut data| data.remove(&reference.key));
        bytes.map(|bytes| SecretBytes::new(Box::new(bytes.0))).ok_or_else(|| {
            CliError::Usage(format!("Secret {:?} has no key {:?}", reference.name, reference.key))
        })
    }
}
