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
    races: Option<Races>,
}

/// Races that were lost in a row.
#[derive(Debug, Clone, Copy)]
pub struct Races {
    /// How many.
    pub lost: u32,
    /// When the first one was.
    since: Instant,
}

impl Races {
    /// For how long they have been lost.
    pub fn lasting(&self) -> Duration {
        self.since.elapsed()
    }
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

    /// A pass over a resource lost a race, and another one comes.
    pub fn lost(&self, uid: &str) -> Races {
        let mut resources = self.resources();
        let entry = resources.entry(uid.to_owned()).or_default();
        entry.since = None;
        let before = entry.races.unwrap_or(Races { lost: 0, since: Instant::now() });
        *entry.races.insert(Races { lost: before.lost.saturating_add(1), ..before })
    }

    /// How many races in a row passes over a resource have lost.
    pub fn races(&self, uid: &str) -> u32 {
        self.resources().get(uid).and_then(|entry| entry.races).map_or(0, |races| races.lost)
    }

    /// A pass over a resource lost no race.
    pub fn won(&self, uid: &str) {
        if let Some(entry) = self.resources().get_mut(uid) {
            entry.races = None;
        }
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
