//! Agrees to repairs: nothing destructive is decided from a cache, so the resource is read live before
//! the first statement that writes and before every chunk of destructive work. Tells in the status how
//! far a long pass has got. Holds a client.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::StepReport,
        spec::Mode,
    },
    domain::{
        fault::{Class, Fault},
        progress::Progress,
        report::{looking, working},
        text::count,
    },
    pass::{Surroundings, request::Supervisor},
};

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use super::{
    cluster::ClusterError,
    cluster_context::WorkloadLookup,
    context::Context,
    dereference::Resource,
    status::{Statement, asked, now},
};

/// A pass that takes longer than this says so in the status, and again at most so often.
const TOLD: Duration = Duration::from_secs(10);

/// The first one over a resource says so sooner: nothing stands there yet.
const TOLD_OF_NEW: Duration = Duration::from_secs(1);

/// What a pass does of which nothing more is known.
pub const LOOKING: &str = "looking at accounts, references and tokens";

/// The supervisor of one pass.
pub struct Live<'a> {
    context: &'a Context,
    resource: &'a Resource,
    statement: &'a Statement<'a>,
    around: WorkloadLookup<'a>,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    pace: Pace,
    latest: Option<Progress>,
    repairs: bool,
    fingerprint_put_off: bool,
}

/// When the status may be written again while a pass is under way.
#[derive(Debug)]
struct Pace {
    every: Duration,
    last: Instant,
}

impl Pace {
    /// Of a pass that begins now.
    fn new(every: Duration, now: Instant) -> Self {
        Self { every, last: now }
    }

    /// The same, where it may be written for the first time after `first`.
    fn first_after(self, first: Duration) -> Self {
        let sooner = self.every.saturating_sub(first);
        Self { last: self.last.checked_sub(sooner).unwrap_or(self.last), ..self }
    }

    /// How long it is until it may be written.
    fn wait(&self, now: Instant) -> Duration {
        self.every.saturating_sub(now.saturating_duration_since(self.last))
    }

    /// It is written now, if it may be.
    fn due(&mut self, now: Instant) -> bool {
        let due = self.wait(now).is_zero();
        if due {
            self.last = now;
        }
        due
    }
}

impl<'a> Live<'a> {
    /// The supervisor of a pass that begins now.
    pub fn new(context: &'a Context, resource: &'a Resource, statement: &'a Statement<'a>) -> Self {
        let began = Instant::now();
        let pace = Pace::new(TOLD, began);
        let pace = if resource.is_new() { pace.first_after(TOLD_OF_NEW) } else { pace };
        let state = Mutex::new(State { pace, latest: None, repairs: false, fingerprint_put_off: false });
        let around = WorkloadLookup::new(&context.cluster, context.reads, &resource.identity.namespace);
        Self { context, resource, statement, around, began, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What was told last is whole whatever happened to whoever told it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the pass may go on before it is to be told of.
    pub fn pause(&self) -> Duration {
        self.state().pace.wait(Instant::now())
    }

    /// Whether the pass has taken so long that it makes room for another one.
    pub fn takes_long(&self) -> bool {
        self.began.elapsed() >= TOLD
    }

    /// Whether it was asked about repairs: from then on something may be written.
    pub fn repairs(&self) -> bool {
        self.state().repairs
    }

    /// Whether the pass left the fingerprint of the signing key to be computed.
    pub fn has_put_off_the_fingerprint(&self) -> bool {
        self.state().fingerprint_put_off
    }

    /// Writes how far the pass has got, if it is time for it. The pass stands still meanwhile.
    ///
    /// # Errors
    /// The resource is another one by now, so that the pass is to begin anew. That nothing could be
    /// written ends no pass.
    pub async fn tell(&self) -> Result<(), ClusterError> {
        // The pass itself writes, and stands still while it is waited for here: neither would ever go on.
        if self.statement.is_being_written() {
            self.state().pace.due(Instant::now());
            return Ok(());
        }
        let latest = {
            let mut state = self.state();
            if !state.pace.due(Instant::now()) {
                return Ok(());
            }
            state.latest.clone()
        };
        match self.write(latest.as_ref()).await {
            // Somebody wrote to the object. Where it is still the same resource, hours of work go on.
            Err(error) if error.class() == Class::Conflict => {
                let times = self.statement.times().await;
                let identity = &self.resource.identity;
                let read = self.context.cluster.resource(&identity.namespace, &identity.name).await;
                let live = match read {
                    Ok(object) => Resource::read(object),
                    Err(ClusterError::NotFound) => return Err(error),
                    Err(_) => return Ok(()),
                };
                // A label changes no generation, and makes it another operator's.
                if live.identity != *identity || live.is_deleted() || !self.context.is_ours(&live) {
                    return Err(error);
                }
                self.statement.renew(&live, times).await;
                if let Err(error) = self.write(latest.as_ref()).await {
                    tracing::debug!(%error, "progress could not be written");
                }
            }
            Err(error) => tracing::debug!(%error, "progress could not be written"),
            Ok(()) => {}
        }
        Ok(())
    }

    async fn write(&self, latest: Option<&Progress>) -> Result<(), ClusterError> {
        let unknown = if self.takes_long() { "the pass takes long" } else { LOOKING };
        let message = latest.map_or_else(|| unknown.to_owned(), Progress::words);
        let generation = self.resource.identity.generation;
        let current = self.statement.current().await;
        // A look alone is no reason to doubt what the last one saw.
        let status = if self.repairs() {
            working(&current, generation, &now(), &message, latest)
        } else {
            looking(&current, generation, &now(), &message, latest)
        };
        self.statement.write(&status).await.map(drop)
    }

    /// Reads the resource live and compares what repairs rest on.
    async fn look(&self) -> Result<(), Fault> {
        let (identity, cluster) = (&self.resource.identity, &self.context.cluster);
        self.state().repairs = true;
        self.context.touch(&identity.uid);
        let times = self.statement.times().await;
        let object =
            cluster.resource(&identity.namespace, &identity.name).await.map_err(|error| error.fault())?;
        let live = Resource::read(object);
        let changed = |what: &str| Fault {
            reason: Reason::Progressing,
            condition: ConditionType::Ready,
            class: Class::Conflict,
            message: format!("the resource {what} meanwhile, so nothing more is repaired in this pass"),
        };
        if self.context.shutdown.is_requested() {
            return Err(Fault {
                message: "the operator is about to end, so nothing more is repaired in this pass".into(),
                ..changed("")
            });
        }
        if live.identity.uid != identity.uid || live.is_deleted() {
            return Err(changed("was deleted"));
        }
        if live.identity.generation != identity.generation {
            return Err(changed("has changed"));
        }
        match &live.spec {
            Ok(spec) if !spec.suspend && spec.mode == Mode::Enforce => {}
            _ => return Err(changed("was suspended")),
        }
        if !self.context.selection.includes(live.object.metadata.labels.as_ref()) {
            return Err(changed("has become another operator's by its labels"));
        }
        self.statement.renew(&live, times).await;
        // Last, since the answer may have taken long, and nothing else is waited for before the effect.
        self.leads()
    }

    /// This replica still leads, by the clock.
    fn leads(&self) -> Result<(), Fault> {
        if self.context.leadership.holds() {
            return Ok(());
        }
        Err(Fault {
            reason: Reason::Progressing,
            condition: ConditionType::Ready,
            class: Class::Conflict,
            message:
                "another replica of the operator may lead by now, so nothing more is repaired in this pass"
                    .into(),
        })
    }
}

impl Supervisor for Live<'_> {
    fn begin<'s>(&'s self, steps: &'s [StepReport]) -> BoxFuture<'s, Result<(), Fault>> {
        Box::pin(async move {
            self.look().await?;
            let rows: i64 = steps.iter().map(|step| step.rows).sum();
            let names: Vec<&str> = steps.iter().map(|step| step.action.as_str()).collect();
            let message = format!("repairing {}: {}", count(rows, "row"), names.join(", "));
            let current = self.statement.current().await;
            let status = working(&current, self.resource.identity.generation, &now(), &message, None);
            self.statement.write(&status).await.map_err(|error| error.fault())?;
            self.leads()?;
            // What was told of the look is over, and what was just written stands for a while.
            let mut state = self.state();
            (state.pace, state.latest, state.repairs) = (Pace::new(TOLD, Instant::now()), None, true);
            Ok(())
        })
    }

    fn progress(&self, progress: &Progress) {
        self.context.touch(&self.resource.identity.uid);
        self.state().latest = Some(progress.clone());
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(self.look())
    }

    /// Not where somebody asks for a pass by hand, who wants the whole of it, nor where the status has a key of
    /// another spec: what it says of that does not stand for this one.
    fn puts_off_the_fingerprint(&self) -> bool {
        let status = &self.resource.status;
        let other = status.observed_generation != self.resource.identity.generation;
        let waited_for = asked(self.resource) || (other && status.signing_key.is_some());
        let put_off = !waited_for && !self.context.admission.has_time();
        self.state().fingerprint_put_off = put_off;
        put_off
    }

    fn surroundings(&self) -> Option<&dyn Surroundings> {
        Some(&self.around)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::Either;

    use super::{
        super::tests::{self, object},
        *,
    };

    #[test]
    fn a_pass_is_told_of_when_it_takes_long_and_then_at_most_so_often() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let mut pace = Pace::new(TOLD, began);
        let told: Vec<u64> = (0..=60).filter(|second| pace.due(at(*second))).collect();
        assert_eq!(told, [10, 20, 30, 40, 50, 60]);
        assert_eq!(pace.wait(at(63)), Duration::from_secs(7));
        assert!(pace.due(at(75)));
        assert_eq!(pace.wait(at(75)), TOLD, "and not from when it could have been");
        let mut pace = Pace::new(TOLD, began).first_after(TOLD_OF_NEW);
        let told: Vec<u64> = (0..=30).filter(|second| pace.due(at(*second))).collect();
        assert_eq!(told, [1, 11, 21], "of a new resource sooner");
    }

    #[tokio::test]
    async fn nothing_is_wanted_any_more_by_who_does_not_lead_or_whose_resource_it_is_not() {
        let get = async || axum::Json(object());
        let made = || tests::context(axum::Router::new().fallback(axum::routing::get(get)));
        let (mut leads, mut lapsed, mut others) = (made().await, made().await, made().await);
        leads.selection = "!shard".parse().unwrap();
        lapsed.leadership = super::super::lease::Leadership::elected();
        others.selection = "shard=b".parse().unwrap();
        let said = async |context: &Context| {
            let resource = Resource::read(serde_json::from_value(object()).unwrap());
            let statement = Statement::new(&context.cluster, &resource);
            let asked = Live::new(context, &resource, &statement).still_wanted().await;
            asked.map_err(|fault| fault.message)
        };
        assert_eq!(said(&leads).await, Ok(()));
        let why = said(&lapsed).await.unwrap_err();
        assert!(why.starts_with("another replica of the operator may lead by now"), "{why}");
        let why = said(&others).await.unwrap_err();
        assert!(why.starts_with("the resource has become another operator's by its labels"), "{why}");
    }

    /// An API server that has the object, and holds what is written to it until it is let go on.
    #[derive(Default)]
    struct Slow {
        asked: tokio::sync::Notify,
        go_on: tokio::sync::Notify,
        written: Mutex<Vec<serde_json::Value>>,
    }

    async fn held(slow: &Slow, body: &str) -> axum::Json<serde_json::Value> {
        let mut object: serde_json::Value = serde_json::from_str(body).unwrap();
        slow.asked.notify_one();
        slow.go_on.notified().await;
        let mut written = slow.written.lock().unwrap();
        written.push(object["status"].clone());
        object["metadata"]["resourceVersion"] = (7 + written.len()).to_string().into();
        axum::Json(object)
    }

    async fn context(slow: &Arc<Slow>) -> Context {
        let slow = Arc::clone(slow);
        let patch = async move |body: String| held(&slow, &body).await;
        let get = async || axum::Json(object());
        tests::context(axum::Router::new().fallback(axum::routing::patch(patch).get(get))).await
    }

    #[tokio::test]
    async fn a_pass_is_not_told_of_while_it_writes_itself_and_what_it_wrote_stands() {
        let slow = Arc::new(Slow::default());
        let context = context(&slow).await;
        let resource = Resource::read(serde_json::from_value(object()).unwrap());
        let statement = Statement::new(&context.cluster, &resource);
        let live = Live::new(&context, &resource, &statement);
        let due = || live.state().pace = Pace::new(Duration::ZERO, Instant::now());
        live.progress(&Progress::rows("Delete of logs.user_id", 1, 3));
        due();

        let steps = [];
        let mut writing = live.begin(&steps);
        let asked = slow.asked.notified();
        match futures::future::select(&mut writing, Box::pin(asked)).await {
            Either::Left((ended, _)) => panic!("it ended before it wrote: {ended:?}"),
            Either::Right(_) => {}
        }
        let telling = tokio::time::timeout(Duration::from_secs(5), live.tell());
        assert!(telling.await.is_ok_and(|told| told.is_ok()), "the pass waits for itself");
        slow.go_on.notify_one();
        writing.await.unwrap();
        let stands = || slow.written.lock().unwrap().clone();
        assert_eq!(stands().len(), 1, "only what the pass wrote");
        assert_eq!(statement.current().await.progress, None);

        // And how far it has got is told when it is time for it again.
        live.progress(&Progress::rows("Delete of logs.user_id", 2, 3));
        due();
        slow.go_on.notify_one();
        live.tell().await.unwrap();
        assert_eq!(stands()[1]["progress"]["done"], 2);
        assert_eq!(statement.times().await, 2);
    }
}
