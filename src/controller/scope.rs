//! One scope that is watched, a namespace or all of them, and whether the API server lets us.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Client, Error,
    api::{ListParams, PartialObjectMeta, WatchParams},
    runtime::watcher,
};
use tokio::sync::Notify;

use super::selection::Selection;
use crate::{
    api::AuthConsistency,
    server::{Gate, Health},
};

/// How often a scope that was refused is asked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// One scope.
#[derive(Clone)]
pub struct Scope {
    client: Client,
    namespace: Option<String>,
    selection: Selection,
    gate: Gate,
    refused: Arc<Notify>,
}

impl Scope {
    /// A scope, all namespaces where none is given; readiness waits for it from now on.
    pub fn new(client: Client, namespace: Option<String>, selection: Selection, health: &Health) -> Self {
        let name = match &namespace {
            Some(namespace) => format!("watch of namespace {namespace}"),
            None => "watch of all namespaces".to_owned(),
        };
        let gate = health.gate(name, "the first list of resources");
        Self { client, namespace, selection, gate, refused: Arc::default() }
    }

    /// How they are watched: those alone that are selected.
    pub fn watching(&self) -> watcher::Config {
        let config = watcher::Config::default();
        self.selection.as_query().map_or(config.clone(), |query| config.labels(&query))
    }

    /// Its resources.
    pub fn api(&self) -> Api<PartialObjectMeta<AuthConsistency>> {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    fn name(&self) -> &str {
        self.namespace.as_deref().unwrap_or("*")
    }

    /// Takes note of what the watch says.
    pub fn heard(&self, event: &Result<watcher::Event<PartialObjectMeta<AuthConsistency>>, watcher::Error>) {
        match event {
            Ok(watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_)) => {
                self.open()
            }
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Err(error) => match refusal(error) {
                Some(why) => {
                    let was_open = self.gate.is_open();
                    if self.gate.refuse(&why) {
                        tracing::error!(watched = self.name(), why, "the API server refuses the watch");
                    }
                    // Before the first list there is nothing to be taken up again: it opens by itself.
                    if was_open {
                        self.refused.notify_one();
                    }
                }
                None => tracing::warn!(watched = self.name(), %error, "the watch was broken off"),
            },
        }
    }

    fn open(&self) {
        if self.gate.open() {
            tracing::info!(watched = self.name(), "the resources are watched");
        }
    }

    /// Asks again where a watch was refused after the first list: one that is let in again says nothing until
    /// something changes. Never ends.
    pub async fn attend(&self) {
        loop {
            self.refused.notified().await;
            while !self.gate.is_open() {
                tokio::time::sleep(AGAIN).await;
                if self.may_watch().await {
                    self.open();
                }
            }
        }
    }

    async fn may_watch(&self) -> bool {
        let api = self.api();
        let Ok(list) = api.list(&ListParams::default().limit(1)).await else { return false };
        let version = list.metadata.resource_version.unwrap_or_default();
        api.watch(&WatchParams::default().timeout(1), &version).await.is_ok()
    }
}

/// Why nothing can be watched until somebody does something about it.
fn refusal(error: &watcher::Error) -> Option<String> {
    let status = match error {
        watcher::Error::InitialListFailed(Error::Api(status))
        | watcher::Error::WatchStartFailed(Error::Api(status))
        | watcher::Error::WatchFailed(Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    match status.code {
        401 => Some("the API server does not accept the operator's token (401): look at its ServiceAccount".into()),
        403 => Some("the operator may not list and watch AuthConsistencies here (403): grant it the chart's Role or ClusterRole".into()),
        404 => Some("the API server knows no AuthConsistencies (404): install the CustomResourceDefinition".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16) -> Box<Status> {
        Box::new(Status { code, message: "canary".into(), ..Status::default() })
    }

    #[test]
    fn what_somebody_has_to_mend_is_a_refusal_and_what_passes_by_itself_is_none() {
        for code in [401, 403, 404] {
            for error in [
                watcher::Error::InitialListFailed(Error::Api(answer(code))),
                watcher::Error::WatchStartFailed(Error::Api(answer(code))),
                watcher::Error::WatchError(answer(code)),
            ] {
                let why = refusal(&error).unwrap();
                assert!(why.contains(&format!("({code}): ")) && !why.contains("canary"), "{why}");
            }
        }
        for code in [410, 429, 500, 503] {
            assert_eq!(refusal(&watcher::Error::WatchError(answer(code))), None);
        }
        assert_eq!(refusal(&watcher::Error::NoResourceVersion), None);
    }
}
