//! Many resources at once, all of one database: the fixture of what the operator takes under load.

#![allow(dead_code, reason = "a test and a benchmark share it, and each uses its own part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use auth_consistency::api::AuthConsistency;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};

use crate::world::{KEY, World, condition, kubectl};

/// How many are created at once.
const AT_ONCE: usize = 8;

/// Creates resources that only observe the world's database, each with one of `keys` signing keys.
pub async fn create(world: &World, size: usize, keys: usize) {
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let secret = |at: usize| {
        let data = BTreeMap::from([("key".to_owned(), ByteString(format!("{KEY}-{at}").into_bytes()))]);
        let mut secret = Secret { data: Some(data), ..Secret::default() };
        secret.metadata.name = Some(format!("jwt-{at}"));
        secret
    };
    let made = futures::stream::iter((0..keys).map(secret)).map(Ok::<_, kube::Error>);
    made.try_for_each_concurrent(AT_ONCE, async |secret| {
        secrets.create(&PostParams::default(), &secret).await.map(drop)
    })
    .await
    .unwrap();
    let resource = |at: usize| -> AuthConsistency {
        let key = format!("{{mode: Observe, interval: 1h, jwt: {{secretRef: {{name: jwt-{}}}}}}}", at % keys);
        serde_json::from_value(serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": format!("app-{at}")}, "spec": world.spec(&key),
        }))
        .unwrap()
    };
    let (api, post) = (world.api(), PostParams::default());
    let made = futures::stream::iter((0..size).map(resource)).map(Ok::<_, kube::Error>);
    made.try_for_each_concurrent(AT_ONCE, async |resource| api.create(&post, &resource).await.map(drop))
        .await
        .unwrap();
}

/// Removes them, so that no operator of another test looks after them.
pub fn remove(world: &World) {
    kubectl(&["delete", "authcon", "--all", "-n", &world.namespace, "--wait=false"], "");
}

/// Waits until so many of the namespace's resources are ready.
pub async fn all_ready(world: &World, size: usize, patience: Duration) {
    let mut ready = BTreeSet::new();
    let watching = async {
        let mut seen = Box::pin(watcher(world.api(), watcher::Config::default()).applied_objects());
        while ready.len() < size {
            let object = seen.next().await.unwrap().unwrap();
            let name = object.metadata.name.clone().unwrap();
            match object.status.as_ref().and_then(|status| condition(status, "Ready")) {
                Some(("True", ..)) => ready.insert(name),
                _ => ready.remove(&name),
            };
        }
    };
    let came = tokio::time::timeout(patience, watching).await.is_ok();
    assert!(came, "{} of {size} were ready", ready.len());
}

/// How many passes an operator has ended, by how they ended.
pub fn passes(metrics: &str) -> BTreeMap<String, u64> {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("auth_consistency_passes_total{result=\""))
        .filter_map(|rest| rest.split_once("\"} "))
        .map(|(result, count)| (result.to_owned(), count.parse().unwrap()))
        .collect()
}
