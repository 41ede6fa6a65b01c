//! One reconcile of one resource.

use crate::{
    api::{
        AuthConsistency, AuthConsistencyStatus,
        condition::{ConditionType, Reason},
    },
    controller::context::wakes,
    domain::{
        fault::{Class, Fault},
        parse::duration,
        report::{
            End, Outcome, Verdict, held_up,
            schedule::{self, Ending, Held},
            status, suspended, working,
        },
        target::{Target, secrets::TargetError},
    },
    engine::{self, Search},
    pass::{
        self, ScanMode,
        request::{Pass, Repairs},
    },
};

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{api::PartialObjectMeta, runtime::controller::Action};

use super::{
    admission::{self, Asked, Connections, Needs, Turn},
    afterwards::{self, Next, PutOff},
    alone::alone,
    cluster::ClusterError,
    cluster_context::WorkloadLookup,
    context::Context,
    dereference::{Resource, config_maps, secrets},
    events, journal,
    measured::measure,
    status::{Statement, asked, now, ready, requests, seen},
    supervise::{LOOKING, Live},
    waiting,
};

/// So many races for the status may be lost in a row before what a pass found is written over what stands.
const INSISTING: u32 = 3;

/// Reconciles one resource, once it has its turn and what it needs of its database server:
///
/// 1. *dereference* reads the resource live and its Secrets (`dereference`, client);
/// 2. *validate* makes a target of them (`domain::target`, pure);
/// 3. *observe, diagnose, plan, apply* is one pass (`pass`, database and HTTP clients; a Kubernetes
///    client only through `supervise`, which agrees to repairs);
/// 4. *report* turns the end into a status (`domain::report`, pure) and writes it where it differs
///    (`status`, client);
/// 5. *tell* sends events about transitions (`events`, client);
/// 6. *schedule* says when to look again (`domain::report::schedule`, pure).
///
/// What fails is part of the status; nothing is left for an error policy. Whoever waits has read nothing yet,
/// and says nothing: the status is that of the last look.
///
/// # Errors
/// None.
pub async fn reconcile(
    object: Arc<PartialObjectMeta<AuthConsistency>>,
    context: Arc<Context>,
) -> Result<Action, Infallible> {
    if let Some(wait) = object.metadata.uid.as_deref().and_then(|uid| context.too_soon(uid)) {
        return Ok(Action::requeue(wait));
    }
    // A task of its own: what panics in it ends this turn of this resource, and nothing else.
    let (one, shared) = (Arc::clone(&object), Arc::clone(&context));
    if let Some(action) = alone(async move { turns(&one, &shared).await }).await {
        return Ok(action);
    }
    context.panicked(object.metadata.uid.as_deref().unwrap_or_default());
    let (one, shared) = (Arc::clone(&object), Arc::clone(&context));
    // What panicked may be what reads or reports, and would once more.
    let told = alone(async move { tell_of_a_panic(&one, &shared).await }).await;
    Ok(told.unwrap_or_else(|| {
        let failures = context.end(object.metadata.uid.as_deref().unwrap_or_default(), true);
        Action::requeue(schedule::next(Ending::Failing(failures), schedule::DEFAULT, rand::random()))
    }))
}

async fn turns(object: &PartialObjectMeta<AuthConsistency>, context: &Context) -> Action {
    let asked = context.asked(object.metadata.uid.as_deref().unwrap_or_default());
    let mut held = None;
    loop {
        let Some(turn) = context.unless_ending(context.admission.turn(&asked)).await else { break };
        // On the heap, and only now: those who wait take little.
        match Box::pin(pass_of(object, context, turn, held.take(), &asked)).await {
            Came::ToAnEnd(next, None) => return next.action(),
            // Nothing of the pass is kept, and its turn is somebody else's: nobody waits for what is left.
            Came::ToAnEnd(next, Some(put_off)) => {
                return Box::pin(afterwards::until(context, next, *put_off, &asked)).await;
            }
            // The turn is somebody else's meanwhile, and what was read is read again.
            Came::ToAFullServer(needs) => {
                let tell = async { Box::pin(waiting::tell(object, context, &needs)).await };
                held = context.unless_ending(context.admission.connections(&needs, &asked, tell)).await;
            }
        }
    }
    Action::await_change()
}

/// The status of a resource over which a pass panicked.
async fn tell_of_a_panic(object: &PartialObjectMeta<AuthConsistency>, context: &Context) -> Action {
    let began = Instant::now();
    let meta = &object.metadata;
    let [namespace, name, uid] =
        [&meta.namespace, &meta.name, &meta.uid].map(|one| one.as_deref().unwrap_or_default());
    let resource = match context.cluster.resource(namespace, name).await {
        Ok(object) => Resource::read(object),
        Err(error) => return retry(context, uid, namespace, name, &error).action(),
    };
    let statement = Statement::new(&context.cluster, &resource);
    finish(context, &resource, &statement, End::Failed(Fault::panicked()), began).await.action()
}

/// What came of a turn.
enum Came {
    /// The pass, and what it has put off.
    ToAnEnd(Next, Option<Box<PutOff>>),
    /// Nothing, since there are no connections to be had.
    ToAFullServer(Needs),
}

async fn pass_of(
    object: &PartialObjectMeta<AuthConsistency>,
    context: &Context,
    mut turn: Turn,
    held: Option<Connections>,
    asked: &Asked,
) -> Came {
    let meta = &object.metadata;
    let (namespace, name, uid) = (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
        meta.uid.clone().unwrap_or_default(),
    );
    let resource = match context.cluster.resource(&namespace, &name).await {
        Ok(object) => Resource::read(object),
        Err(ClusterError::NotFound) => {
            context.forget(&uid, &namespace, &name);
            return Came::ToAnEnd(Next::OnChange, None);
        }
        Err(error) => return Came::ToAnEnd(retry(context, &uid, &namespace, &name, &error), None),
    };
    // It may have become another operator's since it was heard of.
    if resource.is_deleted() || !context.is_ours(&resource) {
        context.forget(&uid, &namespace, &name);
        return Came::ToAnEnd(Next::OnChange, None);
    }
    let began = Instant::now();
    let statement = Statement::new(&context.cluster, &resource);
    let mut put_off = None;
    let next = match end(context, &resource, &statement, &mut turn, held, asked).await {
        Ok(Stage::Looked(outcome, left)) => {
            put_off = left;
            finish(context, &resource, &statement, End::Done(outcome), began).await
        }
        Ok(Stage::End(end)) => finish(context, &resource, &statement, end, began).await,
        Ok(Stage::Suspended | Stage::Stopped) => Next::OnChange,
        Ok(Stage::Full(needs)) => return Came::ToAFullServer(needs),
        Err(Broken::Cluster(error)) => retry(context, &uid, &namespace, &name, &error),
        Err(Broken::Overtaken(fault)) => overtaken(context, &resource, &statement, fault, began).await,
    };
    Came::ToAnEnd(next, put_off)
}

/// Why a pass came to no end.
enum Broken {
    /// The API server failed, or the resource is another one by now.
    Cluster(ClusterError),
    /// Somebody else was faster in the database, or held what was to be looked at.
    Overtaken(Fault),
}

impl From<ClusterError> for Broken {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

/// How far stages 1 to 3 came.
enum Stage {
    /// To the end of the pass, with what it has put off.
    Looked(Box<Outcome>, Option<Box<PutOff>>),
    /// To another end.
    End(End),
    /// The resource is suspended.
    Suspended,
    /// The process is about to end, and there was nothing that had to be brought to its end.
    Stopped,
    /// There are no connections to be had.
    Full(Needs),
}

/// Stages 1 to 3.
async fn end(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
    turn: &mut Turn,
    held: Option<Connections>,
    by_somebody: &Asked,
) -> Result<Stage, Broken> {
    let identity = &resource.identity;
    let spec = match &resource.spec {
        Ok(spec) => spec,
        Err(why) => {
            let error = TargetError {
                reason: Reason::SpecInvalid,
                condition: ConditionType::Ready,
                message: format!(
                    "{why}: the stored resource is not what this version understands, so correct it"
                ),
            };
            return Ok(Stage::End(End::NoTarget(vec![error])));
        }
    };
    if spec.suspend {
        suspend(context, resource, statement).await?;
        return Ok(Stage::Suspended);
    }
    let secrets = secrets(&context.cluster, &identity.namespace, spec, context.require_secret_label).await?;
    let config_maps = config_maps(&context.cluster, &identity.namespace, spec).await?;
    let mut target = match Target::parse_with(spec, identity.clone(), &secrets, &config_maps, engine::hints())
    {
        Ok(target) => target,
        Err(errors) => return Ok(Stage::End(End::NoTarget(errors))),
    };
    drop((secrets, config_maps));
    target.operator = context.operator().await;
    let needs = admission::needs(&target);
    let _connections = match held.filter(|held| held.is_for(&needs)) {
        Some(held) => held,
        None => match context.admission.connections_soon(&needs, by_somebody).await {
            Some(connections) => connections,
            None => return Ok(Stage::Full(needs)),
        },
    };
    // A new resource says of itself that nobody has looked yet, and is told of where that takes long.
    if resource.status.observed_generation != identity.generation && !resource.is_new() {
        let status = working(&resource.status, identity.generation, &now(), LOOKING, None);
        statement.write(&status).await?;
    }
    let memory = context.begin(&identity.uid);
    // Who asks for a pass by hand wants more than a hint, and nothing becomes ready on one.
    if asked(resource) || !ready(resource) {
        memory.forget_settled();
    }
    let requests = requests(resource, statement.not_done());
    let supervisor = Live::new(context, resource, statement);
    let pass = Pass {
        engine: engine::of(&target.database),
        target: &target,
        policy: &context.policy,
        requests: &requests,
        memory: &memory,
        supervisor: &supervisor,
        repairs: Repairs::All,
        look: ScanMode::Incremental,
        compare_password: false,
        search: Search::default(),
        ask: true,
        key_before: resource.status.signing_key.as_ref(),
        now: jiff::Timestamp::now(),
    };
    let mut running = Box::pin(pass::run(&pass));
    let result = loop {
        tokio::select! {
            result = &mut running => break result,
            () = tokio::time::sleep(supervisor.pause()) => {
                if supervisor.takes_long() {
                    context.admission.takes_long(turn);
                }
                supervisor.tell().await?;
            }
            // A look changes nothing, and may take an hour. Repairs stop by themselves between two effects.
            () = context.shutdown.requested(), if !supervisor.repairs() => return Ok(Stage::Stopped),
        }
    };
    match result {
        Ok(outcome) => {
            let put_off = supervisor.has_put_off_the_fingerprint().then(|| PutOff::of(resource, &target));
            Ok(Stage::Looked(Box::new(outcome), put_off.flatten().map(Box::new)))
        }
        // The resource is another one by now.
        Err(fault) if fault.class == Class::Conflict && fault.condition == ConditionType::Ready => {
            Err(ClusterError::Refused { code: 409, message: fault.message }.into())
        }
        Err(fault) if fault.class == Class::Conflict => Err(Broken::Overtaken(fault)),
        Err(fault) => Ok(Stage::End(End::Failed(fault))),
    }
}

/// Writes that the resource is suspended, and tells it.
async fn suspend(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
) -> Result<(), ClusterError> {
    let identity = &resource.identity;
    context.won(&identity.uid);
    let status = suspended(&resource.status, identity.generation, &now(), &seen(resource));
    if statement.write(&status).await? {
        let mut tellings = events::tellings(&resource.status, &status, None);
        tellings.extend(events::not_done(&resource.status, &statement.current().await));
        for telling in &tellings {
            let (namespace, name) = (identity.namespace.as_str(), identity.name.as_str());
            tracing::info!(namespace, name, reason = %telling.reason, "the resource is suspended");
        }
        events::send(context, resource, &tellings).await;
    }
    context.answered(&identity.uid, wakes(&resource.object.metadata));
    Ok(())
}

/// A lost race says nothing about the target: it is looked at again, and the status stays as it is. Where it
/// is lost again and again, that is told: first that it is being tried, then that it cannot be looked at.
async fn overtaken(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
    fault: Fault,
    began: Instant,
) -> Next {
    let identity = &resource.identity;
    let (namespace, name) = (identity.namespace.as_str(), identity.name.as_str());
    let races = context.lost(&identity.uid);
    let timeout = resource.spec.as_ref().ok().and_then(|spec| duration::parse(&spec.timeout).ok());
    let lasting = races.lasting();
    let held = schedule::held(lasting, timeout.unwrap_or(Duration::from_secs(60)));
    if held == Held::TooLong {
        return finish(context, resource, statement, End::Failed(fault), began).await;
    }
    let (lost, lasting_ms) = (races.lost, u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX));
    tracing::warn!(namespace, name, lost, lasting_ms, why = fault.message, "the pass is tried again");
    if held == Held::Noticeably {
        let status = held_up(&statement.current().await, &now(), &fault);
        if let Err(error) = statement.write(&status).await {
            tracing::debug!(namespace, name, %error, "that the pass is tried again could not be written");
        }
    }
    Next::RerunHint(schedule::next(Ending::Overtaken(lost), Duration::ZERO, rand::random()))
}

/// Writes the status that an end comes to, on top of what stands there.
async fn report(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
    end: &End,
) -> Result<AuthConsistencyStatus, ClusterError> {
    let (identity, seen) = (&resource.identity, seen(resource));
    let next = async || status(&statement.current().await, identity.generation, &now(), end, &seen);
    let first = next().await;
    match statement.write(&first).await {
        Err(error) if error.class() == Class::Conflict => {
            // Whoever writes to the status again and again is not waited for without end.
            let insisting = context.races(&identity.uid) >= INSISTING;
            if !statement.rebase(insisting, |live| context.is_ours(live)).await? {
                return Err(error);
            }
            let again = next().await;
            statement.write(&again).await?;
            Ok(again)
        }
        written => written.map(|_| first),
    }
}

/// Stages 4 to 6.
async fn finish(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
    end: End,
    began: Instant,
) -> Next {
    let identity = &resource.identity;
    let (namespace, name) = (identity.namespace.as_str(), identity.name.as_str());
    let next = match report(context, resource, statement, &end).await {
        Ok(next) => next,
        Err(error) => return retry(context, &identity.uid, namespace, name, &error),
    };
    context.answered(&identity.uid, wakes(&resource.object.metadata));
    if !matches!(&end, End::Failed(fault) if fault.class == Class::Conflict) {
        context.won(&identity.uid);
    }
    let outcome = match &end {
        End::Done(outcome) => Some(outcome.as_ref()),
        _ => None,
    };
    let mut tellings = events::tellings(&resource.status, &next, outcome);
    tellings.extend(events::not_done(&resource.status, &statement.current().await));
    for telling in tellings.iter_mut().filter(|telling| telling.reason == Reason::SigningKeyChanged) {
        // Whoever runs with the old key is to be restarted, and a person has to be told who that is.
        let around = WorkloadLookup::new(&context.cluster, context.reads, namespace);
        let key = resource.spec.as_ref().ok().and_then(|spec| spec.jwt.as_ref()).map(|jwt| &jwt.secret_ref);
        if let Some(key) = key
            && let Some(words) = around.taken_by(&key.name, &key.key).await
        {
            telling.note.push_str(&format!("; {words}"));
        }
    }
    events::send(context, resource, &tellings).await;
    let goes_on =
        outcome.and_then(|outcome| outcome.unfinished).is_some_and(|unfinished| unfinished.advanced);
    let retried = next.conditions.iter().any(|one| one.reason == Reason::ProgressingWithRetry.as_str());
    let failed = !goes_on && (retried || failing(&end));
    // It is gone, or another operator's by its labels, and nothing is kept of it.
    if !context.knows(&identity.uid) {
        return Next::OnChange;
    }
    let failures = context.end(&identity.uid, failed);
    measure(context, resource, &end, outcome, began, failures);
    journal::pass_ended(resource, &next, &end, began.elapsed(), failures);
    let interval = match (&end, resource.spec.as_ref()) {
        // What is wrong says nothing about when to look again.
        (End::NoTarget(_), _) | (_, Err(_)) => schedule::DEFAULT,
        (_, Ok(spec)) => duration::interval(&spec.interval).unwrap_or(schedule::DEFAULT),
    };
    let awaited = seen(resource).awaited.filter(|_| retried);
    let ending = match (goes_on, failed, awaited) {
        (true, ..) => Ending::GoesOn,
        (false, true, Some(until)) => {
            Ending::Awaiting(failures, until.0.duration_since(now().0).unsigned_abs())
        }
        (false, true, None) => Ending::Failing(failures),
        (false, false, _) => Ending::Baseline,
    };
    Next::After(schedule::next(ending, interval, rand::random()))
}

/// Whether the next pass may find something else without anybody's doing.
fn failing(end: &End) -> bool {
    match end {
        End::NoTarget(errors) => errors.iter().any(TargetError::may_come),
        // A mistake of ours may be over with the next answer of the database, and takes little while it lasts.
        End::Failed(fault) => fault.class != Class::Terminal,
        End::Done(outcome) => outcome.verdict() == Verdict::Retry || outcome.unfinished(),
    }
}

/// The API server failed us or somebody else was faster: look again and decide anew.
fn retry(context: &Context, uid: &str, namespace: &str, name: &str, error: &ClusterError) -> Next {
    // It was forgotten during the pass: it is gone, or another operator's, and nothing is remembered of it anew.
    if !context.knows(uid) {
        return Next::OnChange;
    }
    if error.class() == Class::Conflict {
        let races = context.lost(uid);
        if races.lost < INSISTING {
            tracing::debug!(namespace, name, "the resource has changed during the pass, so it begins anew");
        } else {
            let (lost, lasting_ms) =
                (races.lost, u64::try_from(races.lasting().as_millis()).unwrap_or(u64::MAX));
            tracing::warn!(namespace, name, lost, lasting_ms, "the resource is written during each pass");
        }
        return Next::RerunHint(schedule::next(
            Ending::Overtaken(races.lost),
            Duration::ZERO,
            rand::random(),
        ));
    }
    let failures = context.end(uid, true);
    context.metrics.backoff(namespace, name, failures);
    if error.is_about_the_end() {
        tracing::debug!(namespace, name, %error, "the resource was deleted during the pass");
        context.forget(uid, namespace, name);
        return Next::OnChange;
    }
    tracing::warn!(namespace, name, %error, failures, "the API server could not be used");
    Next::RerunHint(schedule::next(Ending::Failing(failures), schedule::DEFAULT, rand::random()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::Value;

    use super::{
        super::tests::{context, object},
        *,
    };

    /// What is written to the API server while a pass waits for connections; it has this object.
    async fn written(object: Value) -> Vec<Value> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let take = |into: &Arc<Mutex<Vec<Value>>>| {
            let into = Arc::clone(into);
            async move |body: String| {
                let body: Value = serde_json::from_str(&body).unwrap();
                into.lock().unwrap().push(body.clone());
                axum::Json(body)
            }
        };
        let stored = object.clone();
        let get = async move || axum::Json(stored.clone());
        let all = axum::routing::get(get).patch(take(&written)).post(take(&written));
        let context = context(axum::Router::new().fallback(all)).await;
        let meta: PartialObjectMeta<AuthConsistency> = serde_json::from_value(object).unwrap();
        waiting::tell(&meta, &context, &Needs::from([(("db".to_owned(), 5432), 1)])).await;
        written.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn what_was_forgotten_during_its_pass_leaves_no_series() {
        let echo = async |body: String| axum::Json(serde_json::from_str::<Value>(&body).unwrap());
        let get = async || axum::Json(object());
        let context =
            context(axum::Router::new().fallback(axum::routing::get(get).patch(echo).post(echo))).await;
        let resource = Resource::read(serde_json::from_value(object()).unwrap());
        for (forgotten, series) in [(true, false), (false, true)] {
            assert!(!context.knows("1"));
            let _ = context.too_soon("1");
            if forgotten {
                context.forget("1", "shop", "app");
            }
            let statement = Statement::new(&context.cluster, &resource);
            finish(&context, &resource, &statement, End::Done(Box::default()), Instant::now()).await;
            assert_eq!(context.metrics.encode().unwrap().contains("name=\"app\""), series);
        }
    }

    #[tokio::test]
    async fn a_race_that_was_lost_over_a_resource_that_was_forgotten_is_not_remembered() {
        let context = context(axum::Router::new()).await;
        let raced = ClusterError::Refused { code: 409, message: "conflict".into() };
        for (forgotten, known) in [(true, false), (false, true)] {
            let _ = context.too_soon("1");
            if forgotten {
                context.forget("1", "shop", "app");
            }
            let next = retry(&context, "1", "shop", "app", &raced);
            assert_eq!(context.knows("1"), known);
            assert_eq!(matches!(next, Next::OnChange), forgotten);
            assert!(!context.metrics.encode().unwrap().contains("name=\"app\""));
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_connections_for_long_says_so_and_stays_as_the_last_look_found_it() {
        let time = Time(jiff::Timestamp::UNIX_EPOCH);
        let found = status(&Default::default(), 1, &time, &End::Done(Box::default()), &Default::default());
        let mut settled = object();
        settled["status"] = serde_json::to_value(&found).unwrap();
        let told = written(settled.clone()).await;
        let [written_status, event] = told.as_slice() else { panic!("{told:#?}") };
        let conditions = written_status["status"]["conditions"].as_array().unwrap();
        let one = |kind: &str| conditions.iter().find(|one| one["type"] == kind).unwrap();
        assert_eq!(*one("Ready"), settled["status"]["conditions"][0], "to the letter");
        assert_eq!(
            (&one("Reconciling")["status"], &one("Reconciling")["reason"]),
            (&"True".into(), &"Progressing".into())
        );
        let why = "has waited for connections to db:5432 for more than 60 s, since other passes have all that \
                   --connections-per-server=1 allows on one server: it is looked at when one of them ends";
        assert_eq!(one("Reconciling")["message"], why);
        assert_eq!(
            (&event["type"], &event["reason"], &event["message"]),
            (&"Warning".into(), &"Progressing".into(), &why.into())
        );

        // Once is enough.
        let mut again = settled.clone();
        again["status"] = written_status["status"].clone();
        assert_eq!(written(again).await, [] as [Value; 0]);
        let mut suspended = settled;
        suspended["spec"]["suspend"] = true.into();
        assert_eq!(written(suspended).await, [] as [Value; 0]);
    }
}
