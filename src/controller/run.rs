//! Puts the parts together, supervises every task, and ends when one ends.

use super::context::WAKING;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{Stream, StreamExt};
use kube::{
    Client, Resource,
    api::PartialObjectMeta,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{Controller, WatchStreamExt, controller::Action, reflector, watcher},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    admission::{Admission, Limits},
    cluster::Cluster,
    cluster_context::Reads,
    context::Context,
    leader::{Election, Elector, LeaseLost},
    lease::Leadership,
    reconcile::reconcile,
    scope::Scope,
    selection::Selection,
};
use crate::{
    api::AuthConsistency,
    controller::context::wakes,
    network::{HostPolicy, HostSettings},
    server::{
        self, Health,
        metrics::Metrics,
        session_reset::{self, SessionReset},
    },
    shutdown::Shutdown,
};

/// A pass of which nothing was heard for so long is stuck: liveness says so. A single search may take an hour.
const STUCK: Duration = Duration::from_secs(5400);

/// How long passes may take to come to an end once the process was asked to. The chart's grace period is
/// longer, by what the servers take.
const DRAIN: Duration = Duration::from_secs(45);

/// How often the heartbeat beats.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// What the controller is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of `/livez`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
    /// Address of the session-reset page, and what it is told; none: it is not served.
    pub session_reset: Option<(SocketAddr, SessionReset)>,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// Labels of the resources that are looked after.
    pub selection: Selection,
    /// How several replicas decide which one leads; none: this one does.
    pub election: Option<Election>,
    /// Whether a Secret must carry the label `auth.probeops.com/use=true`.
    pub require_secret_label: bool,
    /// What may be read of the apps' surroundings.
    pub reads: Reads,
    /// Where databases and apps may be.
    pub hosts: HostSettings,
    /// How much may be done at once.
    pub limits: Limits,
    /// The pod, as events name it.
    pub instance: String,
    /// Path of a kubeconfig; else `KUBECONFIG`, else the pod's own ServiceAccount.
    pub kubeconfig: Option<PathBuf>,
}

/// Runs the controller until a signal ends it.
///
/// # Errors
/// A part could not be started, or ended by itself.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(Duration::from_secs(60));
    // The server binds first, so that somebody answers while the rest is still coming up.
    let listener = bind(settings.listen).await?;
    let reset_page = match &settings.session_reset {
        Some((address, page)) => Some((bind(*address).await?, page.clone())),
        None => None,
    };
    let (shutdown, signals) = Shutdown::listen().context("signals cannot be listened to")?;
    let mut tasks: JoinSet<anyhow::Result<&'static str>> = JoinSet::new();
    tasks.spawn(async move { match signals.await {} });
    let config = tokio::select! {
        made = config(&settings) => made?,
        () = shutdown.requested() => return Ok(()),
    };
    let client = client(&config)?;
    let mut hosts = settings.hosts.clone();
    hosts.api_server.get_or_insert_with(|| api_server(&config));
    let leadership = settings.election.as_ref().map_or_else(Leadership::alone, |_| Leadership::elected());
    let asked = leadership.clone();
    metrics.leads(move || asked.holds());
    let elector = match &settings.election {
        Some(election) => {
            let cluster = Cluster::new(self::client(&config)?, Arc::clone(&metrics));
            let (namespace, pod) = (client.default_namespace(), settings.instance.as_str());
            Some(Elector::new(cluster, election, namespace, pod, &leadership, &health))
        }
        None => None,
    };
    let context = Arc::new(Context {
        cluster: Cluster::new(client.clone(), Arc::clone(&metrics)),
        policy: HostPolicy::operator(hosts),
        require_secret_label: settings.require_secret_label,
        reads: settings.reads,
        metrics: Arc::clone(&metrics),
        admission: Admission::new(settings.limits, Arc::clone(&metrics)),
        shutdown: shutdown.clone(),
        leadership,
        selection: settings.selection.clone(),
        instance: settings.instance,
        operator: Default::default(),
        resources: Default::default(),
    });

    let draining = shutdown.clone();
    let (serving, served) = (health.clone(), Arc::clone(&metrics));
    tasks.spawn(async move {
        server::serve(listener, serving, served, async move { draining.requested().await }).await?;
        Ok("the health server")
    });
    if let Some((listener, page)) = reset_page {
        let draining = shutdown.clone();
        tasks.spawn(async move {
            session_reset::serve(listener, &page, async move { draining.requested().await }).await?;
            Ok("the server of the session-reset page")
        });
    }
    tasks.spawn(heartbeat(health.clone(), Arc::clone(&context), shutdown.clone()));
    let work = Work { client, namespaces: settings.namespaces, context, health, shutdown: shutdown.clone() };
    let ended = shutdown.clone();
    match elector {
        Some(elector) => tasks.spawn(async move {
            elector.lead(&ended, work.done()).await?;
            ended.request();
            Ok("the controller")
        }),
        None => {
            // Readiness waits for the scopes from the start on.
            let done = work.begun();
            tasks.spawn(async move {
                done.await;
                ended.request();
                Ok("the controller")
            })
        }
    };
    tracing::info!(listen = %settings.listen, version = env!("CARGO_PKG_VERSION"), "started");
    supervise(tasks, &shutdown).await
}

/// What the process is for, from the first list to the end of the last pass.
struct Work {
    client: Client,
    namespaces: Vec<String>,
    context: Arc<Context>,
    health: Health,
    shutdown: Shutdown,
}

impl Work {
    /// Begins to watch when it is first waited for: a standby watches nothing. Ready when every running pass has finished
    /// its transaction.
    async fn done(self) {
        self.begun().await;
    }

    /// Readiness waits for its scopes from now on.
    fn begun(self) -> impl Future<Output = ()> + Send + 'static {
        let Self { client, namespaces, context, health, shutdown } = self;
        let scopes: Vec<Option<String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.into_iter().map(Some).collect() };
        let controllers: Vec<_> = scopes
            .into_iter()
            .map(|namespace| {
                let scope = Scope::new(client.clone(), namespace, context.selection.clone(), &health);
                control(scope, Arc::clone(&context), shutdown.clone())
            })
            .collect();
        async move {
            tokio::select! {
                _ = futures::future::join_all(controllers) => {}
                // A controller that has not had its first list yet never ends by itself.
                () = drained(&context) => {}
            }
        }
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))
}

/// Waits for all tasks; one that ends while nobody asked for it ends the process with an error.
async fn supervise(
    mut tasks: JoinSet<anyhow::Result<&'static str>>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let mut left = tasks.len() - 1;
    let mut failure = None;
    while left > 0 {
        let Some(ended) = tasks.join_next().await else { break };
        left -= 1;
        // The error would repeat what the panic was about.
        let panicked = |_| anyhow::anyhow!("a task panicked: the line of the log above says where");
        let result = ended.map_err(panicked).and_then(|result| result);
        match result {
            Ok(name) if !shutdown.is_requested() => {
                failure.get_or_insert_with(|| anyhow::anyhow!("{name} ended by itself"));
            }
            Ok(_) => {}
            Err(error) => {
                // Another process leads by now: nothing here may go on, were it only to come to an end.
                let at_once = error.is::<LeaseLost>();
                failure.get_or_insert(error);
                if at_once {
                    break;
                }
            }
        }
        // Whatever the reason, the others drain.
        shutdown.request();
    }
    tasks.abort_all();
    tracing::info!("stopped");
    failure.map_or(Ok(()), Err)
}

async fn heartbeat(
    health: Health,
    context: Arc<Context>,
    shutdown: Shutdown,
) -> anyhow::Result<&'static str> {
    loop {
        if context.makes_progress(STUCK) {
            health.progress();
        }
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT) => {}
            () = shutdown.requested() => return Ok("the heartbeat"),
        }
    }
}

async fn config(settings: &Settings) -> anyhow::Result<kube::Config> {
    let mut config = match &settings.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .with_context(|| format!("the kubeconfig {} cannot be read", path.display()))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .context("the kubeconfig cannot be used")?
        }
        None => kube::Config::infer()
            .await
            .context("no cluster was found: set --kubeconfig or KUBECONFIG, or run in a pod")?,
    };
    // Every call has its own time limit and every resource its own backoff.
    config.default_retry = false;
    Ok(config)
}

fn client(config: &kube::Config) -> anyhow::Result<Client> {
    Client::try_from(config.clone()).context("the cluster's client cannot be made")
}

/// Host and port.
fn api_server(config: &kube::Config) -> (String, u16) {
    let url = &config.cluster_url;
    (url.host().unwrap_or_default().to_owned(), url.port_u16().unwrap_or(443))
}

/// Ready once the process is to end and no pass runs any more, or none is waited for any longer. What is cut off
/// then is as if the process had been killed: the database has what was done and what was not.
async fn drained(context: &Context) {
    context.shutdown.requested().await;
    if tokio::time::timeout(DRAIN, context.admission.ended()).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "a pass did not come to an end in time and is cut off");
    }
}

async fn control(scope: Scope, context: Arc<Context>, shutdown: Shutdown) {
    // Metadata is all that is watched: an object that today's schema would refuse cannot stop the
    // others, since it is only understood when it is read.
    let told = Arc::clone(&context);
    let (reader, writer) = reflector::store();
    let api = scope.api();
    let watched = scope.clone();
    let stream = watcher(api, scope.watching())
        .default_backoff()
        .modify(forget_what_wakes_nobody)
        .reflect(writer)
        .inspect(move |event| {
            watched.heard(event);
            if let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event {
                let listed = matches!(event, Ok(watcher::Event::InitApply(_)));
                let meta = &object.metadata;
                told.heard(meta.uid.as_deref().unwrap_or_default(), wakes(meta), listed);
            }
            if let Ok(watcher::Event::Delete(object)) = event {
                let meta = &object.metadata;
                told.forget(
                    meta.uid.as_deref().unwrap_or_default(),
                    meta.namespace.as_deref().unwrap_or_default(),
                    meta.name.as_deref().unwrap_or_default(),
                );
            }
        })
        .applied_objects()
        .predicate_filter(
            |object: &PartialObjectMeta<AuthConsistency>| Some(wakes(object.meta())),
            Default::default(),
        );
    let drained = shutdown.clone();
    // How many passes run is for `admission` to say: one that waits here would keep its place.
    let events = Controller::for_stream(stream, reader)
        .graceful_shutdown_on(async move { drained.requested().await })
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(60)), context);
    tokio::select! {
        () = drain(events) => {}
        () = scope.attend() => {}
    }
}

/// What is kept of an object while nobody works on it. The rest may take many times as much.
fn forget_what_wakes_nobody(object: &mut PartialObjectMeta<AuthConsistency>) {
    let meta = &mut object.metadata;
    meta.managed_fields = None;
    meta.labels = None;
    meta.owner_references = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.retain(|name, _| WAKING.contains(&name.as_str()));
    }
}

async fn drain<T, E: std::fmt::Display>(events: impl Stream<Item = Result<T, E>>) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        if let Err(error) = event {
            tracing::debug!(%error, "the controller's queue");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotation;

    #[test]
    fn what_is_kept_of_an_object_wakes_as_before_and_is_small_however_much_stands_on_it() {
        let mut object: PartialObjectMeta<AuthConsistency> = serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "app", "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 3,
                "finalizers": ["example.com/wait"],
                "labels": {"app": "x".repeat(63)},
                "annotations": {
                    annotation::RECONCILE: "now",
                    "kubectl.kubernetes.io/last-applied-configuration": "x".repeat(100_000),
                },
                "managedFields": [{"manager": "kubectl", "operation": "Apply"}],
            },
        }))
        .unwrap();
        let before = (object.metadata.clone(), wakes(&object.metadata));
        forget_what_wakes_nobody(&mut object);
        assert_eq!(wakes(&object.metadata), before.1);
        let meta = &object.metadata;
        assert_eq!(
            (&meta.name, &meta.namespace, &meta.uid),
            (&before.0.name, &before.0.namespace, &before.0.uid)
        );
        assert_eq!(meta.resource_version, before.0.resource_version);
        assert!(serde_json::to_string(&object).unwrap().len() < 400, "{object:?}");
    }
}
