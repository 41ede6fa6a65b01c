//! What the reconciles of all resources share, and what is remembered of each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{cluster::Cluster, surroundings::Reads};
use crate::{memory::Memory, network::HostPolicy, server::metrics::Metrics};

/// Shared by all reconciles.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// Where databases and apps may be.
    pub policy: HostPolicy,
    /// Whether a Secret must carry the label.
    pub require_secret_label: bool,
    /// What may be read of the apps' surroundings.
    pub reads: Reads,
    /// The counters.
    pub metrics: Arc<Metrics>,
    operator: tokio::sync::OnceCell<Option<String>>,
    resources: Mutex<HashMap<String, Entry>>,
}

#[derive(Default)]
struct Entry {
    memory: Arc<Memory>,
    failures: u32,
    since: Option<Instant>,
}

impl Context {
    /// A context with nothing remembered.
    pub fn new(
        cluster: Cluster,
        policy: HostPolicy,
        require_secret_label: bool,
        reads: Reads,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            cluster,
            policy,
            require_secret_label,
            reads,
            metrics,
            operator: tokio::sync::OnceCell::new(),
            resources: Mutex::default(),
        }
    }

    /// What tells this operator from that of every other cluster; `None` where the API server does not say so.
    /// It is asked once.
    pub async fn operator(&self) -> Option<String> {
        let asked = self.operator.get_or_try_init(|| self.cluster.own_uid()).await;
        asked.cloned().unwrap_or_default()
    }

    fn resources(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // What is remembered may always be forgotten, so a poisoned lock is no reason to stop.
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a resource; a pass over it begins.
    pub fn begin(&self, uid: &str) -> Arc<Memory> {
        let mut resources = self.resources();
        let entry = resources.entry(uid.to_owned()).or_default();
        entry.since = Some(Instant::now());
        Arc::clone(&entry.memory)
    }

    /// A pass over a resource does something: it is not stuck.
    pub fn touch(&self, uid: &str) {
        if let Some(entry) = self.resources().get_mut(uid) {
            entry.since = Some(Instant::now());
        }
    }

    /// A pass over a resource ended; returns how many failed in a row.
    pub fn end(&self, uid: &str, failed: bool) -> u32 {
        let mut resources = self.resources();
        let entry = resources.entry(uid.to_owned()).or_default();
        entry.since = None;
        entry.failures = if failed { entry.failures.saturating_add(1) } else { 0 };
        entry.failures
    }

    /// The resource is gone.
    pub fn forget(&self, uid: &str, namespace: &str, name: &str) {
        self.resources().remove(uid);
        self.metrics.forget(namespace, name);
    }

    /// Whether no pass has been running for longer than a limit.
    pub fn makes_progress(&self, limit: Duration) -> bool {
        self.resources().values().all(|entry| entry.since.is_none_or(|since| since.elapsed() < limit))
    }
}
