//! Records every revision of the resources of one namespace.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams},
};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::world::{World, until};

/// A running record.
pub struct Recorder {
    life: Arc<Mutex<Life>>,
    watching: JoinHandle<()>,
}

/// What was recorded.
#[derive(Default)]
pub struct Life {
    /// Every revision, in order.
    pub revisions: Vec<Value>,
    /// Each situation with how many revisions there were before it.
    pub situations: Vec<(usize, String)>,
}

impl Life {
    /// A complaint with the situation that it was in, and the revision before it.
    pub fn told(&self, what: &str) -> String {
        let version =
            what.strip_prefix("revision ").and_then(|rest| rest.split(':').next()).unwrap_or_default();
        let at = self.revisions.iter().position(|one| one["metadata"]["resourceVersion"] == version);
        let at = at.unwrap_or_default();
        let situation = self.situations.iter().rev().find(|(since, _)| *since <= at);
        let conditions =
            |at: usize| self.revisions.get(at).map(|one| one["status"]["conditions"].to_string());
        format!(
            "{}: {what}\n  before: {}\n  then:   {}",
            situation.map_or("at the beginning", |(_, name)| name),
            at.checked_sub(1).and_then(conditions).unwrap_or_default(),
            conditions(at).unwrap_or_default(),
        )
    }
}

/// How the API server knows the resource.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("auth.probeops.com", "v1alpha1", "AuthConsistency");
    ApiResource::from_gvk_with_plural(&kind, "authconsistencies")
}

/// The resources of a world, in whatever shape they are stored.
pub fn api(world: &World) -> Api<DynamicObject> {
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource())
}

impl Recorder {
    /// Begins to record, with what there is already.
    pub async fn start(world: &World) -> Self {
        let api = api(world);
        let there = api.list(&Default::default()).await.unwrap();
        let from = there.metadata.resource_version.unwrap();
        let watch = api.watch(&WatchParams::default().timeout(290), &from).await.unwrap();
        let mut watch = Box::pin(watch);
        let revisions = there.items.iter().map(|object| serde_json::to_value(object).unwrap()).collect();
        let life = Arc::new(Mutex::new(Life { revisions, situations: Vec::new() }));
        let into = Arc::clone(&life);
        let watching = tokio::spawn(async move {
            while let Some(event) = watch.next().await {
                match event.expect("the recording was broken off") {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        into.lock().unwrap().revisions.push(serde_json::to_value(object).unwrap());
                    }
                    WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
                    WatchEvent::Error(error) => panic!("the recording was broken off: {error}"),
                }
            }
        });
        Self { life, watching }
    }

    /// Notes that a situation begins.
    pub fn now(&self, situation: &str) {
        let mut life = self.life.lock().unwrap();
        let since = life.revisions.len();
        life.situations.push((since, situation.to_owned()));
    }

    /// How many revisions there are by now.
    pub fn revisions(&self) -> usize {
        self.life.lock().unwrap().revisions.len()
    }

    /// Ends the record once it has the revision that stands.
    pub async fn end(self, world: &World) -> Life {
        let api = api(world);
        until("the last revision", async || {
            let stands = api.get("app").await.unwrap().metadata.resource_version;
            let life = self.life.lock().unwrap();
            let last = life.revisions.last().map(|one| one["metadata"]["resourceVersion"].clone());
            last.is_some() && last == stands.map(Value::String)
        })
        .await;
        assert!(!self.watching.is_finished(), "the recording was broken off");
        self.watching.abort();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.watching).await;
        std::mem::take(&mut self.life.lock().unwrap())
    }
}
