//! Takes part in the election: stands by, leads while the Lease is renewed, gives it up at the end.
//!
//! The Lease is written with the version that was read, so that of two who are as fast only one succeeds; each call has half
//! of the renewal deadline, so that a lost answer leaves time for another try. It has a client of its own: calls of
//! passes never keep a renewal waiting. Whoever loses the Lease ends the process, as operators that are built on
//! controller-runtime do: nothing that was begun, remembered or is being written survives that, and whatever the process
//! had open in a database is taken back by the server. `kube-lease-manager` 0.13.1 was looked at first and does not
//! hold: it compares times of other machines with its own clock, goes on leading while it cannot renew, and takes a
//! Lease over without the version that it read.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

use super::{
    cluster::{Cluster, ClusterError},
    lease::{Leadership, Move, Observer, Record, Terms, taken, vacated},
};
use crate::{
    server::{Gate, Health, metrics::ApiOperation},
    shutdown::Shutdown,
};

/// So often it is tried to give the Lease up.
const GOODBYES: u32 = 3;

/// How long that may take in all: the process is about to end, and whoever waits for its end waits for this too.
const GOODBYE: Duration = Duration::from_secs(3);

/// Which Lease says who leads, and by which times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// Name of the Lease.
    pub lease: String,
    /// Its namespace; else that of the pod or of the kubeconfig.
    pub namespace: Option<String>,
    /// The times.
    pub terms: Terms,
}

/// Leadership ended while there was work: the process is to end at once.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LeaseLost(String);

/// One replica in the election.
pub struct Elector {
    cluster: Cluster,
    namespace: String,
    name: String,
    identity: String,
    terms: Terms,
    leadership: Leadership,
    gate: Gate,
    /// Why the Lease could not be used, as it was said last.
    said: Mutex<String>,
}

/// The Lease as this replica wrote it last, and until when it stands for leading.
struct Held {
    lease: Lease,
    until: Instant,
}

/// Why a renewal was not done.
enum Unrenewed {
    /// Somebody else holds the Lease.
    Taken(String),
    /// The API server did not do it; another try may be in time.
    Failed(ClusterError),
}

impl Elector {
    /// A replica under a name that no other process has, not even the next one in the same pod. Readiness waits for the
    /// first answer about the Lease from now on.
    pub fn new(
        cluster: Cluster,
        election: &Election,
        default_namespace: &str,
        pod: &str,
        leadership: &Leadership,
        health: &Health,
    ) -> Self {
        let namespace = election.namespace.clone().unwrap_or_else(|| default_namespace.to_owned());
        let (name, terms) = (election.lease.clone(), election.terms);
        let gate = health.gate("leader election", format!("an answer about the Lease {namespace}/{name}"));
        let identity = format!("{pod}_{:08x}", rand::random::<u32>());
        let leadership = leadership.clone();
        Self { cluster, namespace, name, identity, terms, leadership, gate, said: Mutex::default() }
    }

    /// Stands by until it leads, then does the work, then gives the Lease up. The work is not begun before, and is dropped
    /// where it stands when the Lease is lost.
    ///
    /// # Errors
    /// The Lease was lost while the work was done.
    pub async fn lead(&self, shutdown: &Shutdown, work: impl Future<Output = ()>) -> Result<(), LeaseLost> {
        let Some(mut held) = self.campaign(shutdown).await else { return Ok(()) };
        let lost = tokio::select! {
            biased;
            lost = self.keep(&mut held) => Some(lost),
            () = work => None,
        };
        // First for ourselves, then for the others.
        self.leadership.end();
        match lost {
            Some(lost) => {
                tracing::error!(lease = self.name, why = %lost, "leadership is lost");
                Err(lost)
            }
            None => {
                if tokio::time::timeout(GOODBYE, self.vacate(held)).await.is_err() {
                    self.not_given_up("the API server does not answer");
                }
                Ok(())
            }
        }
    }

    /// Waits until this replica leads; `None`: the process is to end first.
    async fn campaign(&self, shutdown: &Shutdown) -> Option<Held> {
        let mut observer = Observer::new(&self.identity, &self.terms);
        // A try is not broken off: it might have taken the Lease for a process that ends.
        while !shutdown.is_requested() {
            if let Some(held) = self.attempt(&mut observer).await {
                return Some(held);
            }
            // Each at its own time, so that few meet.
            let pause = self.terms.retry.mul_f64(0.4 + 0.1 * rand::random::<f64>());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.requested() => {}
            }
        }
        None
    }

    async fn attempt(&self, observer: &mut Observer) -> Option<Held> {
        let lease = match self.read().await {
            Ok(lease) => Some(lease),
            Err(ClusterError::NotFound) => None,
            Err(error) => {
                self.cannot("get", &error);
                return None;
            }
        };
        let record = lease.as_ref().map(Record::of);
        let next = observer.decide(record.as_ref(), Instant::now());
        if next == Move::Wait {
            self.stands_by(record.and_then(|record| record.holder).as_deref());
            return None;
        }
        let before = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let spec = taken(before, &self.identity, &self.terms, now());
        let sent = Instant::now();
        let (verb, written) = match lease {
            Some(lease) => ("update", self.update(&lease, spec).await),
            None => ("create", self.create(spec).await),
        };
        match written {
            Ok(lease) => {
                let held = Held { lease, until: sent + self.terms.deadline };
                self.leadership.extend(held.until);
                self.leads();
                let spec = held.lease.spec.as_ref();
                let transitions = spec.and_then(|spec| spec.lease_transitions).unwrap_or_default();
                tracing::info!(lease = self.name, identity = self.identity, transitions, "leads");
                Some(held)
            }
            // Another one was faster.
            Err(ClusterError::Refused { code: 409, .. }) => None,
            Err(error) => {
                self.cannot(verb, &error);
                None
            }
        }
    }

    /// Renews the Lease again and again; ends when it is lost.
    async fn keep(&self, held: &mut Held) -> LeaseLost {
        let mut failure = None;
        loop {
            let left = held.until.saturating_duration_since(Instant::now());
            tokio::time::sleep(self.terms.retry.min(left)).await;
            if Instant::now() >= held.until {
                return self.lapsed(failure.as_ref());
            }
            match tokio::time::timeout_at(held.until.into(), self.renew(held)).await {
                Ok(Ok(())) => {
                    failure = None;
                    self.leads();
                }
                Ok(Err(Unrenewed::Taken(by))) => {
                    return LeaseLost(format!(
                        "leadership was lost: the Lease {} is held by {by}; this process ends, and stands by when it \
                         is started anew",
                        self.place()
                    ));
                }
                Ok(Err(Unrenewed::Failed(error))) => {
                    self.cannot("update", &error);
                    failure = Some(error);
                }
                // The next turn says so.
                Err(_) => {}
            }
        }
    }

    async fn renew(&self, held: &mut Held) -> Result<(), Unrenewed> {
        let sent = Instant::now();
        let renewed = |lease: &Lease| LeaseSpec {
            renew_time: Some(now()),
            lease_duration_seconds: i32::try_from(self.terms.duration.as_secs()).ok(),
            ..lease.spec.clone().unwrap_or_default()
        };
        let written = match self.update(&held.lease, renewed(&held.lease)).await {
            // Somebody wrote to it: it matters only who holds it.
            Err(ClusterError::Refused { code: 409, .. }) => {
                let lease = self.read().await.map_err(Unrenewed::Failed)?;
                match Record::of(&lease).holder {
                    Some(holder) if holder == self.identity => self.update(&lease, renewed(&lease)).await,
                    Some(holder) => return Err(Unrenewed::Taken(holder)),
                    None => return Err(Unrenewed::Taken("nobody, since somebody else gave it up".into())),
                }
            }
            // Somebody removed it. The others leave it alone for as long as this replica was promised.
            Err(ClusterError::NotFound) => self.create(renewed(&held.lease)).await,
            written => written,
        };
        let lease = written.map_err(Unrenewed::Failed)?;
        *held = Held { lease, until: sent + self.terms.deadline };
        self.leadership.extend(held.until);
        Ok(())
    }

    /// Gives the Lease up, so that nobody waits for its time to be over. Where that fails, they do.
    async fn vacate(&self, held: Held) {
        let mut lease = held.lease;
        for _ in 0..GOODBYES {
            let spec = vacated(&lease.spec.clone().unwrap_or_default(), now());
            let error = match self.update(&lease, spec).await {
                Ok(_) => return tracing::info!(lease = self.name, "the Lease is given up"),
                Err(error) => error,
            };
            // A last renewal may have been under way.
            let live = match &error {
                ClusterError::Refused { code: 409, .. } => self.read().await.ok(),
                _ => None,
            };
            match live {
                Some(live) if Record::of(&live).holder.as_ref() == Some(&self.identity) => lease = live,
                Some(_) => return tracing::info!(lease = self.name, "the Lease is somebody else's already"),
                None => return self.not_given_up(&error.to_string()),
            }
        }
        self.not_given_up("somebody writes to it all the time");
    }

    fn not_given_up(&self, why: &str) {
        tracing::warn!(
            lease = self.name,
            why,
            "the Lease could not be given up: another replica takes it when its time is over"
        );
    }

    fn place(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn lapsed(&self, failure: Option<&ClusterError>) -> LeaseLost {
        let seconds = self.terms.deadline.as_secs_f64();
        let why = failure.map_or_else(
            || {
                "no answer of the API server came in time, or the process was stopped or had no CPU"
                    .to_owned()
            },
            ToString::to_string,
        );
        LeaseLost(format!(
            "leadership was lost: the Lease {} was not renewed for {seconds} s ({why}), so another replica may lead; this \
             process ends, and stands by when it is started anew. Where that happens again and again, see whether the API \
             server is slow and whether the pod has enough CPU, or give more time by --lease-duration and \
             --lease-renew-deadline",
            self.place()
        ))
    }

    fn leads(&self) {
        self.said().clear();
        self.gate.open_as("leads");
    }

    fn stands_by(&self, holder: Option<&str>) {
        self.said().clear();
        let words = match holder {
            Some(holder) => format!("stands by, {holder} leads"),
            None => "stands by, the Lease is gone and its holder may still lead".to_owned(),
        };
        if self.gate.open_as(&words) {
            tracing::info!(lease = self.name, identity = self.identity, holder, "stands by");
        }
    }

    /// Says why the Lease cannot be used, once until that changes. It is tried again all the same.
    fn cannot(&self, verb: &str, error: &ClusterError) {
        let (place, namespace) = (self.place(), &self.namespace);
        let refused = match error {
            ClusterError::Refused { code: 403, .. } => Some(format!(
                "the operator may not {verb} the Lease {place} (403): grant it get and update on this Lease and create on \
                 leases of coordination.k8s.io in namespace {namespace}, as the chart's Role for leader election does"
            )),
            ClusterError::Refused { code: 401, .. } => Some(
                "the API server does not accept the operator's token (401): look at its ServiceAccount"
                    .into(),
            ),
            ClusterError::NotFound => Some(format!(
                "there is no namespace {namespace} for the Lease {place} (404): name another one by --lease-namespace"
            )),
            _ => None,
        };
        if let Some(why) = &refused {
            self.gate.refuse(why);
        }
        let why = refused.unwrap_or_else(|| error.to_string());
        let mut said = self.said();
        if *said != why {
            tracing::warn!(lease = place, why, "the Lease cannot be used, and is tried again");
            *said = why;
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, String> {
        // What was said is whole whatever happened to whoever said it.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Result<Lease, ClusterError> {
        self.in_time(self.cluster.get(ApiOperation::GetLease, &self.namespace, &self.name)).await
    }

    async fn create(&self, spec: LeaseSpec) -> Result<Lease, ClusterError> {
        let mut lease = Lease { spec: Some(spec), ..Lease::default() };
        lease.metadata.name = Some(self.name.clone());
        self.in_time(self.cluster.create(ApiOperation::CreateLease, &self.namespace, &lease)).await
    }

    /// Writes exactly onto what was read: everything else on it stays.
    async fn update(&self, read: &Lease, spec: LeaseSpec) -> Result<Lease, ClusterError> {
        let lease = Lease { spec: Some(spec), ..read.clone() };
        self.in_time(self.cluster.replace(ApiOperation::UpdateLease, &self.namespace, &self.name, &lease))
            .await
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let limit: Duration = self.terms.deadline / 2;
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer,
            Err(_) => Err(ClusterError::Unreachable(format!("none within {} s", limit.as_secs_f64()))),
        }
    }
}

/// Now, for people to read.
fn now() -> MicroTime {
    MicroTime(jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    };

    use axum::{
        Json,
        extract::State,
        http::StatusCode,
        response::{IntoResponse, Response},
    };
    use serde_json::{Value, json};

    use super::{super::tests::context, *};

    /// An API server that has one Lease, and keeps what it was.
    #[derive(Default)]
    struct Leases {
        now: Mutex<Option<Value>>,
        written: Mutex<Vec<Value>>,
        /// What it answers instead.
        refuses: AtomicU16,
    }

    impl Leases {
        fn refusal(&self) -> Option<Response> {
            match self.refuses.load(Ordering::SeqCst) {
                0 => None,
                code => Some(answer(code)),
            }
        }

        fn put(&self, mut lease: Value) -> Value {
            let mut written = self.written.lock().unwrap();
            written.push(lease.clone());
            lease["metadata"]["resourceVersion"] = written.len().to_string().into();
            *self.now.lock().unwrap() = Some(lease.clone());
            lease
        }

        /// Somebody else writes to it.
        fn edit(&self, edit: impl FnOnce(&mut Value)) {
            let mut lease = self.now.lock().unwrap().clone().unwrap();
            edit(&mut lease);
            self.put(lease);
        }

        fn holder(&self) -> Option<String> {
            let now = self.now.lock().unwrap();
            now.as_ref().map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
        }
    }

    fn answer(code: u16) -> Response {
        let status =
            json!({"kind": "Status", "status": "Failure", "reason": "", "message": "no", "code": code});
        (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
    }

    async fn get(State(leases): State<Arc<Leases>>) -> Response {
        let now = leases.now.lock().unwrap().clone();
        leases.refusal().unwrap_or_else(|| now.map_or_else(|| answer(404), |now| Json(now).into_response()))
    }

    async fn post(State(leases): State<Arc<Leases>>, Json(lease): Json<Value>) -> Response {
        let exists = leases.now.lock().unwrap().is_some();
        let made = || if exists { answer(409) } else { Json(leases.put(lease)).into_response() };
        leases.refusal().unwrap_or_else(made)
    }

    async fn put(State(leases): State<Arc<Leases>>, Json(lease): Json<Value>) -> Response {
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        let now = leases.now.lock().unwrap().clone();
        let stale = now.as_ref().map(version) != Some(version(&lease));
        let done = || match (&now, stale) {
            (None, _) => answer(404),
            (_, true) => answer(409),
            (_, false) => Json(leases.put(lease)).into_response(),
        };
        leases.refusal().unwrap_or_else(done)
    }

    struct Replica {
        elector: Arc<Elector>,
        leadership: Leadership,
        health: Health,
        shutdown: Shutdown,
    }

    async fn replica(leases: &Arc<Leases>) -> Replica {
        let routes = axum::routing::get(get).post(post).put(put);
        let context = context(axum::Router::new().fallback(routes).with_state(Arc::clone(leases))).await;
        let ms = Duration::from_millis;
        let terms = Terms::new(ms(3000), ms(2000), ms(200)).unwrap();
        let election = Election { lease: "operator".into(), namespace: Some("home".into()), terms };
        let (leadership, health) = (Leadership::elected(), Health::new(Duration::from_secs(60)));
        let elector = Elector::new(context.cluster, &election, "default", "pod", &leadership, &health);
        Replica { elector: Arc::new(elector), leadership, health, shutdown: Shutdown::new() }
    }

    /// Says when it is dropped.
    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Replica {
        /// Leads until it is lost, or asked to end; says whether the work was dropped.
        fn lead(&self) -> (tokio::task::JoinHandle<Result<(), LeaseLost>>, Arc<AtomicBool>) {
            let dropped = Arc::new(AtomicBool::new(false));
            let (elector, shutdown, held) =
                (Arc::clone(&self.elector), self.shutdown.clone(), Dropped(Arc::clone(&dropped)));
            let leading = tokio::spawn(async move {
                let ends = shutdown.clone();
                let work = async move {
                    let _held = held;
                    ends.requested().await;
                };
                elector.lead(&shutdown, work).await
            });
            (leading, dropped)
        }

        async fn until_it_leads(&self) {
            until(|| self.leadership.holds()).await;
        }

        async fn until_ready_says(&self, words: &str) {
            until(|| self.health.says(words)).await;
        }
    }

    async fn until(is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    }

    async fn lost(leading: tokio::task::JoinHandle<Result<(), LeaseLost>>) -> String {
        let ended = tokio::time::timeout(Duration::from_secs(20), leading).await.unwrap().unwrap();
        ended.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn one_leads_the_other_stands_by_and_takes_over_as_soon_as_the_lease_is_given_up() {
        let leases = Arc::new(Leases::default());
        let (a, b) = (replica(&leases).await, replica(&leases).await);
        let (leading, _) = a.lead();
        a.until_it_leads().await;
        let (following, begun) = b.lead();
        b.until_ready_says(&format!("[+]leader election stands by, {} leads", a.elector.identity)).await;
        assert!(b.health.is_ready() && !b.leadership.holds());
        // Somebody else's words on it stay, and end nothing.
        leases.edit(|lease| lease["metadata"]["annotations"] = json!({"team": "auth"}));
        let renewals = leases.written.lock().unwrap().len();
        until(|| leases.written.lock().unwrap().len() > renewals + 1).await;
        assert!(a.leadership.holds());
        let asked = Instant::now();
        a.shutdown.request();
        leading.await.unwrap().unwrap();
        assert!(!a.leadership.holds());
        b.until_it_leads().await;
        assert!(asked.elapsed() < Duration::from_millis(2500), "it waited for the time to be over");
        assert_eq!(leases.holder(), Some(b.elector.identity.clone()));
        let now = leases.now.lock().unwrap().clone().unwrap();
        assert_eq!(
            (&now["spec"]["leaseTransitions"], &now["metadata"]["annotations"]["team"]),
            (&json!(1), &json!("auth"))
        );
        assert!(!begun.load(Ordering::SeqCst));
        b.shutdown.request();
        following.await.unwrap().unwrap();
        assert_eq!(leases.holder().as_deref(), Some(""));
    }

    #[tokio::test]
    async fn who_sees_somebody_else_in_the_lease_drops_its_work_and_says_who_it_is() {
        let leases = Arc::new(Leases::default());
        let a = replica(&leases).await;
        let (leading, dropped) = a.lead();
        a.until_it_leads().await;
        assert!(!dropped.load(Ordering::SeqCst));
        leases.edit(|lease| lease["spec"]["holderIdentity"] = "by-hand".into());
        let why = lost(leading).await;
        assert!(why.starts_with("leadership was lost: the Lease home/operator is held by by-hand"), "{why}");
        assert!(dropped.load(Ordering::SeqCst) && !a.leadership.holds());
        assert_eq!(leases.holder().as_deref(), Some("by-hand"), "and writes nothing more");
    }

    #[tokio::test]
    async fn who_cannot_renew_stops_at_the_deadline_which_is_before_anybody_else_may_lead() {
        let leases = Arc::new(Leases::default());
        let (a, b) = (replica(&leases).await, replica(&leases).await);
        let (leading, dropped) = a.lead();
        a.until_it_leads().await;
        leases.refuses.store(500, Ordering::SeqCst);
        let refused = Instant::now();
        let why = lost(leading).await;
        assert!(why.contains("was not renewed for 2 s (the API server answers 500: no)"), "{why}");
        assert!(dropped.load(Ordering::SeqCst) && refused.elapsed() < Duration::from_millis(2900));
        // Nobody else is harmed: it takes the Lease when the time of that is over, and not before.
        leases.refuses.store(0, Ordering::SeqCst);
        let (following, _) = b.lead();
        let seen = Instant::now();
        b.until_it_leads().await;
        assert!(seen.elapsed() >= Duration::from_millis(2900));
        b.shutdown.request();
        following.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_lease_that_was_removed_is_made_anew_by_who_holds_it_and_by_nobody_else() {
        let leases = Arc::new(Leases::default());
        let (a, b) = (replica(&leases).await, replica(&leases).await);
        let (leading, _) = a.lead();
        a.until_it_leads().await;
        let (following, _) = b.lead();
        b.until_ready_says("stands by").await;
        *leases.now.lock().unwrap() = None;
        until(|| leases.holder().is_some()).await;
        assert_eq!(leases.holder(), Some(a.elector.identity.clone()));
        assert!(a.leadership.holds() && !b.leadership.holds());
        for replica in [a, b] {
            replica.shutdown.request();
        }
        leading.await.unwrap().unwrap();
        following.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_missing_right_is_said_with_its_rule_and_tried_again_until_it_is_there() {
        let leases = Arc::new(Leases::default());
        let a = replica(&leases).await;
        assert!(a.health.says("[-]leader election waiting for an answer about the Lease home/operator"));
        leases.refuses.store(403, Ordering::SeqCst);
        let (leading, _) = a.lead();
        a.until_ready_says(
            "[-]leader election refused: the operator may not get the Lease home/operator (403): grant it get and \
             update on this Lease and create on leases of coordination.k8s.io in namespace home",
        )
        .await;
        assert!(!a.health.is_ready());
        leases.refuses.store(0, Ordering::SeqCst);
        a.until_it_leads().await;
        assert!(a.health.is_ready() && a.health.says("[+]leader election leads"));
        a.shutdown.request();
        leading.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_is_asked_to_end_while_it_stands_by_writes_nothing() {
        let leases = Arc::new(Leases::default());
        let (a, b) = (replica(&leases).await, replica(&leases).await);
        let (leading, _) = a.lead();
        a.until_it_leads().await;
        let (following, begun) = b.lead();
        b.until_ready_says("stands by").await;
        b.shutdown.request();
        following.await.unwrap().unwrap();
        assert_eq!(leases.holder(), Some(a.elector.identity.clone()));
        assert!(begun.load(Ordering::SeqCst), "its work was dropped before it began");
        a.shutdown.request();
        leading.await.unwrap().unwrap();
    }
}
