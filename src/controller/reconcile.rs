//! One reconcile of one resource.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{api::PartialObjectMeta, runtime::controller::Action};

use super::{
    cluster::ClusterError,
    context::Context,
    dereference::{Resource, config_maps, secrets},
    events,
    status::{Statement, asked, now, ready, requests, seen},
    supervise::Live,
    surroundings::Around,
};
use crate::{
    api::{
        AuthConsistency,
        condition::{ConditionType, Reason},
    },
    consistency::{
        period,
        report::{End, Outcome, Verdict, status, suspended, working},
        schedule::{self, Ending},
        severity::Class,
        target::{Target, TargetError},
    },
    pass::{self, Look, Pass, Repairs},
    server::metrics::{LookLabel, PassResult, PassSummary},
};

/// How long to wait after a lost race.
const AFTER_CONFLICT: Duration = Duration::from_millis(500);

/// Reconciles one resource:
///
/// 1. *dereference* reads the resource live and its Secrets (`dereference`, client);
/// 2. *validate* makes a target of them (`consistency::target`, pure);
/// 3. *observe, diagnose, plan, apply* is one pass (`pass`, database and HTTP clients; a Kubernetes
///    client only through `supervise`, which agrees to repairs);
/// 4. *report* turns the end into a status (`consistency::report`, pure) and writes it where it differs
///    (`status`, client);
/// 5. *tell* sends events about transitions (`events`, client);
/// 6. *schedule* says when to look again (`consistency::schedule`, pure).
///
/// What fails is part of the status; nothing is left for an error policy.
///
/// # Errors
/// None.
pub async fn reconcile(
    object: Arc<PartialObjectMeta<AuthConsistency>>,
    context: Arc<Context>,
) -> Result<Action, Infallible> {
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
            return Ok(Action::await_change());
        }
        Err(error) => return Ok(retry(&context, &uid, &namespace, &name, &error)),
    };
    if resource.is_deleted() {
        context.forget(&uid, &namespace, &name);
        return Ok(Action::await_change());
    }
    let began = Instant::now();
    let statement = Statement::new(&context.cluster, &resource);
    match end(&context, &resource, &statement).await {
        Ok(Some(end)) => Ok(finish(&context, &resource, &statement, end, began).await),
        Ok(None) => Ok(Action::await_change()),
        Err(error) => Ok(retry(&context, &uid, &namespace, &name, &error)),
    }
}

/// Stages 1 to 3. `None` for a suspended resource.
async fn end(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
) -> Result<Option<End>, ClusterError> {
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
            return Ok(Some(End::NoTarget(vec![error])));
        }
    };
    if spec.suspend {
        statement.write(&suspended(&resource.status, identity.generation, &seen(resource))).await?;
        let told = events::not_done(&resource.status, &statement.current().await);
        events::send(&context.cluster, resource, &told).await;
        return Ok(None);
    }
    let secrets = secrets(&context.cluster, &identity.namespace, spec, context.require_secret_label).await?;
    let config_maps = config_maps(&context.cluster, &identity.namespace, spec).await?;
    let mut target = match Target::parse_with(spec, identity.clone(), &secrets, &config_maps) {
        Ok(target) => target,
        Err(errors) => return Ok(Some(End::NoTarget(errors))),
    };
    drop((secrets, config_maps));
    target.operator = context.operator().await;
    if resource.status.observed_generation != identity.generation {
        let status = working(
            &resource.status,
            identity.generation,
            &now(),
            "looking at accounts, references and tokens",
            None,
        );
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
        target: &target,
        policy: &context.policy,
        requests: &requests,
        memory: &memory,
        supervisor: &supervisor,
        repairs: Repairs::All,
        look: Look::Hinted,
        compare_password: false,
        search: crate::database::Search::default(),
        ask: true,
        key_before: resource.status.signing_key.as_ref(),
        now: jiff::Timestamp::now(),
    };
    let mut running = Box::pin(pass::run(&pass));
    let result = loop {
        match tokio::time::timeout(supervisor.pause(), &mut running).await {
            Ok(result) => break result,
            Err(_) => supervisor.tell().await?,
        }
    };
    match result {
        Ok(outcome) => Ok(Some(End::Done(Box::new(outcome)))),
        // A lost race says nothing about the target: look again, and leave the status as it is.
        Err(fault) if fault.class == Class::Conflict => {
            Err(ClusterError::Refused { code: 409, message: fault.message })
        }
        Err(fault) => Ok(Some(End::Failed(fault))),
    }
}

/// Stages 4 to 6.
async fn finish(
    context: &Context,
    resource: &Resource,
    statement: &Statement<'_>,
    end: End,
    began: Instant,
) -> Action {
    let identity = &resource.identity;
    let (namespace, name) = (identity.namespace.as_str(), identity.name.as_str());
    let next = status(&resource.status, identity.generation, &now(), &end, &seen(resource));
    if let Err(error) = statement.write(&next).await {
        return retry(context, &identity.uid, namespace, name, &error);
    }
    let outcome = match &end {
        End::Done(outcome) => Some(outcome.as_ref()),
        _ => None,
    };
    let mut tellings = events::tellings(&resource.status, &next, outcome);
    tellings.extend(events::not_done(&resource.status, &statement.current().await));
    for telling in tellings.iter_mut().filter(|telling| telling.reason == Reason::SigningKeyChanged) {
        // Whoever runs with the old key is to be restarted, and a person has to be told who that is.
        let around = Around::new(&context.cluster, context.reads, namespace);
        let key = resource.spec.as_ref().ok().and_then(|spec| spec.jwt.as_ref()).map(|jwt| &jwt.secret_ref);
        if let Some(key) = key
            && let Some(words) = around.taken_by(&key.name, &key.key).await
        {
            telling.note.push_str(&format!("; {words}"));
        }
    }
    events::send(&context.cluster, resource, &tellings).await;
    let goes_on =
        outcome.and_then(|outcome| outcome.unfinished).is_some_and(|unfinished| unfinished.advanced);
    let failed = !goes_on && failing(&end);
    let failures = context.end(&identity.uid, failed);
    measure(context, resource, &end, outcome, began, failures);
    let interval = resource
        .spec
        .as_ref()
        .ok()
        .and_then(|spec| period::parse(&spec.interval).ok())
        .unwrap_or(Duration::from_secs(300));
    let ending = match (goes_on, failed) {
        (true, _) => Ending::GoesOn,
        (false, true) => Ending::Failing(failures),
        (false, false) => Ending::Settled,
    };
    Action::requeue(schedule::next(ending, interval, rand::random()))
}

/// Whether the next pass may find something else without anybody's doing.
fn failing(end: &End) -> bool {
    match end {
        End::NoTarget(errors) => errors.iter().any(TargetError::may_come),
        End::Failed(fault) => matches!(fault.class, Class::Transient | Class::Conflict),
        End::Done(outcome) => outcome.verdict() == Verdict::Retry || outcome.unfinished(),
    }
}

fn measure(
    context: &Context,
    resource: &Resource,
    end: &End,
    outcome: Option<&Outcome>,
    began: Instant,
    failures: u32,
) {
    let (namespace, name) = (resource.identity.namespace.as_str(), resource.identity.name.as_str());
    let result = match (end, outcome.map(Outcome::verdict)) {
        (End::Done(_), Some(Verdict::Consistent)) => PassResult::Consistent,
        (End::Done(_), _) => PassResult::Findings,
        _ => PassResult::Failed,
    };
    context.metrics.pass_ended(result, began.elapsed());
    context.metrics.backoff(namespace, name, failures);
    let findings = outcome.map(Outcome::findings).unwrap_or_default();
    let summary = PassSummary {
        ready: result == PassResult::Consistent,
        ended: jiff::Timestamp::now().as_millisecond() as f64 / 1000.0,
        orphan_rows: outcome.and_then(|outcome| outcome.references.as_ref()).map(|one| one.orphan_rows),
        findings: findings.iter().map(|finding| finding.severity).collect(),
    };
    context.metrics.resource_seen(namespace, name, &summary);
    if let Some(outcome) = outcome {
        context.metrics.looked(if outcome.relied > 0 { LookLabel::Hinted } else { LookLabel::Deep });
    }
    for step in outcome.map(|outcome| outcome.repaired.as_slice()).unwrap_or_default() {
        context.metrics.repaired(step.action, u64::try_from(step.rows).unwrap_or(0));
    }
    let message = match end {
        End::Failed(fault) => fault.message.clone(),
        End::NoTarget(errors) => errors.first().map(|error| error.message.clone()).unwrap_or_default(),
        End::Done(_) => String::new(),
    };
    let elapsed = began.elapsed().as_millis();
    match result {
        PassResult::Failed => {
            tracing::warn!(namespace, name, elapsed_ms = elapsed, failures, message, "pass failed")
        }
        _ => tracing::info!(namespace, name, elapsed_ms = elapsed, result = result.as_str(), "pass ended"),
    }
}

/// The API server failed us or somebody else was faster: look again and decide anew.
fn retry(context: &Context, uid: &str, namespace: &str, name: &str, error: &ClusterError) -> Action {
    let failures = context.end(uid, true);
    context.metrics.backoff(namespace, name, failures);
    if error.class() == Class::Conflict {
        tracing::debug!(namespace, name, "the resource has changed during the pass, so it begins anew");
        return Action::requeue(AFTER_CONFLICT);
    }
    tracing::warn!(namespace, name, %error, failures, "the API server could not be used");
    Action::requeue(schedule::next(Ending::Failing(failures), Duration::from_secs(300), rand::random()))
}
