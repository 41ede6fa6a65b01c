//! What the reconciles of all resources share, and what is remembered of each.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    admission::{Admission, Asked},
    cluster::Cluster,
    cluster_context::Reads,
    dereference::Resource,
    lease::Leadership,
    selection::Selection,
};
use crate::{
    api::annotation, network::HostPolicy, pass::memory::Memory, server::metrics::Metrics, shutdown::Shutdown,
};

/// No resource has a pass more often, whatever its spec says and however often its annotations change: who
/// may write them could otherwise keep everybody's operator and database busy.
const APART: Duration = Duration::from_secs(1);

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
    /// Which passes may run now.
    pub admission: Admission,
    /// Whether the process is about to end.
    pub shutdown: Shutdown,
    /// Whether this process leads.
    pub leadership: Leadership,
    /// Which resources are looked after.
    pub selection: Selection,
    /// The pod, or what runs in its place, as events name it.
    pub instance: String,
    /// What is remembered of each resource.
    pub resources: Resources,
    /// What tells this operator from that of every other cluster, once it was asked for.
    pub operator: tokio::sync::OnceCell<Option<String>>,
}

#[derive(Default)]
struct Entry {
    memory: Arc<Memory>,
    failures: u32,
    since: Option<Instant>,
    turn: Option<Instant>,
    races: Option<Races>,
    /// What stood on the object that asks for a pass, as it was heard last and when it was answered last.
    heard: Option<u64>,
    answered: Option<u64>,
    asked: watch::Sender<bool>,
}

/// What a resource is remembered by.
#[derive(Default)]
pub struct Resources(Mutex<HashMap<String, Entry>>);

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

impl Entry {
    fn too_soon(&mut self, now: Instant) -> Option<Duration> {
        let wait = self.turn.map(|turn| APART.saturating_sub(now.saturating_duration_since(turn)));
        let wait = wait.filter(|wait| !wait.is_zero());
        if wait.is_none() {
            self.turn = Some(now);
        }
        wait
    }

    /// What stands on the object was heard. What the first list holds may have been answered before this process
    /// began, by another one.
    fn heard(&mut self, wakes: u64, listed: bool) {
        if listed && self.heard.is_none() {
            self.answered.get_or_insert(wakes);
        }
        self.heard = Some(wakes);
        self.compare();
    }

    fn answered(&mut self, wakes: u64) {
        self.answered = Some(wakes);
        self.compare();
    }

    fn compare(&self) {
        let now = self.heard.is_some() && self.heard != self.answered;
        self.asked.send_if_modified(|asked| std::mem::replace(asked, now) != now);
    }
}

impl Context {
    /// What tells this operator from that of every other cluster; `None` where the API server does not say so.
    /// It is asked once.
    pub async fn operator(&self) -> Option<String> {
        let asked = self.operator.get_or_try_init(|| self.cluster.own_uid()).await;
        asked.cloned().unwrap_or_default()
    }

    fn resources(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // What is remembered may always be forgotten, so a poisoned lock is no reason to stop.
        self.resources.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a resource, as it was read, is looked after by this process now: it leads, and the resource is one of its
    /// own.
    pub fn is_ours(&self, resource: &Resource) -> bool {
        self.leadership.holds() && self.selection.includes(resource.object.metadata.labels.as_ref())
    }

    /// Waits for something, but not beyond the end of the process.
    pub async fn unless_ending<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.shutdown.requested() => None,
            value = waiting => Some(value),
        }
    }

    /// How long a resource has to wait for its next turn; if not at all, it has it now.
    pub fn too_soon(&self, uid: &str) -> Option<Duration> {
        let mut resources = self.resources();
        let entry = resources.entry(uid.to_owned()).or_default();
        entry.too_soon(Instant::now())
    }

    /// Whether somebody asked for a pass over a resource.
    pub fn asked(&self, uid: &str) -> Asked {
        Asked(self.resources().entry(uid.to_owned()).or_default().asked.subscribe())
    }

    /// What stands on the object that asks for a pass was heard, from the list of all or since.
    pub fn heard(&self, uid: &str, wakes: u64, listed: bool) {
        self.resources().entry(uid.to_owned()).or_default().heard(wakes, listed);
    }

    /// A pass answered what stood on the object.
    pub fn answered(&self, uid: &str, wakes: u64) {
        if let Some(entry) = self.resources().get_mut(uid) {
            entry.answered(wakes);
        }
    }

    /// What is remembered of a resource; a pass over it begins.
    pub fn begin(&self, uid: &str) -> Arc<Memory> {
        let mut resources = self.resources();
        let entry = resources.entry(uid.to_owned()).or_default();
        entry.since = Some(Instant::now());
        Arc::clone(&entry.memory)
    }

    /// A pass over a resource panicked: what it remembered may be half of something.
    pub fn panicked(&self, uid: &str) {
        if let Some(entry) = self.resources().get_mut(uid) {
            (entry.memory, entry.since) = (Arc::default(), None);
        }
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

    /// Whether anything is remembered of a resource: it was not forgotten since it had its turn.
    pub fn knows(&self, uid: &str) -> bool {
        self.resources().contains_key(uid)
    }

    /// The resource is gone, or another operator's.
    pub fn forget(&self, uid: &str, namespace: &str, name: &str) {
        self.resources().remove(uid);
        self.metrics.forget(namespace, name);
    }

    /// Whether no pass has been running for longer than a limit.
    pub fn makes_progress(&self, limit: Duration) -> bool {
        self.resources().values().all(|entry| entry.since.is_none_or(|since| since.elapsed() < limit))
    }
}

/// Wakes on the generation, on the annotations of one-off requests, and on deletion; never on a status
/// that we wrote ourselves.
pub(super) fn wakes(meta: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    for name in WAKING {
        meta.annotations.as_ref().and_then(|annotations| annotations.get(name)).hash(&mut hasher);
    }
    hasher.finish()
}

/// Annotations that ask for something.
pub(super) const WAKING: [&str; 5] = [
    annotation::RECONCILE,
    annotation::FLUX_RECONCILE,
    annotation::RESET_ADMIN,
    annotation::APPROVE,
    annotation::TAKE_CLAIM,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_one_turn_a_second_however_often_it_is_asked_for() {
        let (began, mut entry) = (Instant::now(), Entry::default());
        let turns: Vec<u64> =
            (0..5_000).filter(|at| entry.too_soon(began + Duration::from_millis(*at)).is_none()).collect();
        assert_eq!(turns, [0, 1_000, 2_000, 3_000, 4_000]);
        let wait = entry.too_soon(began + Duration::from_millis(4_300));
        assert_eq!(wait, Some(Duration::from_millis(700)), "and comes back when it is time");
        assert_eq!(entry.too_soon(began + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_pass_is_asked_for_by_what_is_new_on_the_object_until_a_pass_that_read_it_has_ended() {
        let asked = |entry: &Entry| *entry.asked.borrow();
        let mut entry = Entry::default();
        entry.heard(1, true);
        assert!(!asked(&entry), "a start is no request");
        entry.heard(2, false);
        assert!(asked(&entry), "an edit is one");
        entry.heard(3, false);
        entry.answered(2);
        assert!(asked(&entry), "it was edited again meanwhile");
        entry.answered(3);
        assert!(!asked(&entry));
        entry.heard(3, true);
        assert!(!asked(&entry), "a new list says nothing new");
        entry.heard(4, true);
        assert!(asked(&entry), "unless it does");
        // The pass read what is heard of only later.
        entry.answered(5);
        entry.heard(5, false);
        assert!(!asked(&entry));
        let mut new = Entry::default();
        new.heard(1, false);
        assert!(asked(&new), "a new resource is somebody's doing");
    }
}
