//! The signing keys of the other resources in a cluster, as far as the caller may read them.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};
use zeroize::Zeroizing;

use super::Cluster;
use crate::{
    api::{AuthConsistency, jwt::JwtSpec},
    domain::text::count,
    tokens::{KeyIds, KeySet, SigningKey},
};

/// Resources that are looked at.
const MOST: u32 = 200;

/// Secrets that are read at a time: the API server has others to serve.
const AT_A_TIME: usize = 4;

/// The keys, and what there is to say of those that are not among them.
#[derive(Debug, Default)]
pub(in crate::cli) struct Elsewhere {
    /// The current key of each resource, called `namespace/name`.
    pub keys: Vec<(String, SigningKey)>,
    /// Whether the resources could be listed at all.
    listed: bool,
    /// How many have a key that could not be read.
    unread: usize,
    /// Whether there are more than were looked at.
    more: bool,
}

impl Elsewhere {
    /// What was not looked at; none where everything was.
    pub(in crate::cli) fn remark(&self) -> Option<String> {
        if !self.listed {
            return Some("the other resources could not be listed, so their keys were not compared".into());
        }
        let mut remarks = Vec::new();
        if self.unread > 0 {
            let unread = i64::try_from(self.unread).unwrap_or(i64::MAX);
            remarks.push(format!("{} could not be read", count(unread, "other resource")));
        }
        if self.more {
            remarks.push(format!("only {MOST} resources were looked at"));
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }
}

impl Cluster {
    /// The keys of the other resources of the namespace, or of all namespaces. What cannot be read is
    /// counted and passed over.
    pub(super) async fn elsewhere(&self, all_namespaces: bool) -> Elsewhere {
        let kind = ApiResource::erase::<AuthConsistency>(&());
        // As they are: one that today's schema would refuse must not hide the others.
        let api: Api<DynamicObject> = if all_namespaces {
            Api::all_with(self.client.clone(), &kind)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
        };
        let Ok(list) = api.list(&ListParams::default().limit(MOST)).await else {
            return Elsewhere::default();
        };
        let more = list.metadata.continue_.as_deref().is_some_and(|token| !token.is_empty());
        let others = list.items.into_iter().filter(|one| {
            one.namespace().as_deref() != Some(&*self.namespace) || one.name_any() != self.name
        });
        let read = futures::stream::iter(others.map(|one| self.key_of(one)));
        let read: Vec<_> = read.buffered(AT_A_TIME).filter_map(async |one| one).collect().await;
        let unread = read.iter().filter(|(_, key)| key.is_none()).count();
        let keys = read.into_iter().filter_map(|(name, key)| Some((name, key?))).collect();
        Elsewhere { keys, listed: true, unread, more }
    }

    /// The resource's name and its current key, where it can be read; `None` where it has no key at all.
    async fn key_of(&self, resource: DynamicObject) -> Option<(String, Option<SigningKey>)> {
        let namespace = resource.namespace().unwrap_or_default();
        let name = format!("{namespace}/{}", resource.name_any());
        let jwt = resource.data.get("spec")?.get("jwt")?.clone();
        Some((name, self.read_key(&namespace, jwt).await))
    }

    async fn read_key(&self, namespace: &str, jwt: serde_json::Value) -> Option<SigningKey> {
        let jwt: JwtSpec = serde_json::from_value(jwt).ok()?;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = api.get(&jwt.secret_ref.name).await.ok()?;
        let data: BTreeMap<_, _> =
            secret.data?.into_iter().map(|(key, bytes)| (key, Zeroizing::new(bytes.0))).collect();
        let bytes = data.get(&jwt.secret_ref.key)?.to_vec();
        let ids = KeyIds {
            current: jwt.key_id.as_deref(),
            previous: &jwt.previous_key_ids,
            revoked: &jwt.revoked_key_ids,
        };
        KeySet::read(bytes, jwt.algorithm, &ids).ok().map(|keys| keys.current)
    }
}
