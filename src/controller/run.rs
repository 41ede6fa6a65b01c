//! Puts the parts together, supervises every task, and ends when one ends.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures::{Stream, StreamExt};
use kube::{
    Api, Client, Resource,
    api::PartialObjectMeta,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{Controller, WatchStreamExt, controller::Action, reflector, watcher},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{cluster::Cluster, context::Context, reconcile::reconcile, surroundings::Reads};
use crate::{
    api::{AuthConsistency, annotation},
    network::{HostPolicy, HostSettings},
    server::{
        self, Gate, Health,
        metrics::Metrics,
        session_reset::{self, SessionReset},
    },
    shutdown::Shutdown,
};

/// A pass of which nothing was heard for so long is stuck: liveness says so. A single search may take an hour.
const STUCK: Duration = Duration::from_secs(5400);

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
    /// Whether a Secret must carry the label `auth.probeops.com/use=true`.
    pub require_secret_label: bool,
    /// What may be read of the apps' surroundings.
    pub reads: Reads,
    /// Where databases and apps may be.
    pub hosts: HostSettings,
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
    let watching = health.gate("watch", "the first list of resources");
    let (client, api_server) = client(&settings).await?;
    let mut hosts = settings.hosts.clone();
    hosts.api_server.get_or_insert(api_server);
    let context = Arc::new(Context::new(
        Cluster::new(client.clone(), Arc::clone(&metrics)),
        HostPolicy::operator(hosts),
        settings.require_secret_label,
        settings.reads,
        Arc::clone(&metrics),
    ));

    let mut tasks: JoinSet<anyhow::Result<&'static str>> = JoinSet::new();
    tasks.spawn(async move { match signals.await {} });
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
    tasks.spawn(heartbeat(health, Arc::clone(&context), shutdown.clone()));
    let scopes: Vec<Option<String>> = if settings.namespaces.is_empty() {
        vec![None]
    } else {
        settings.namespaces.iter().cloned().map(Some).collect()
    };
    let controllers = scopes.into_iter().map(|namespace| {
        control(client.clone(), namespace, Arc::clone(&context), shutdown.clone(), watching.clone())
    });
    let controllers = futures::future::join_all(controllers);
    let ended = shutdown.clone();
    tasks.spawn(async move {
        controllers.await;
        // Every running pass has finished its transaction: the rest may end too.
        ended.request();
        Ok("the controller")
    });
    tracing::info!(listen = %settings.listen, version = env!("CARGO_PKG_VERSION"), "started");
    supervise(tasks, &shutdown).await
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
        let result = ended.context("a task panicked").and_then(|result| result);
        match result {
            Ok(name) if !shutdown.is_requested() => {
                failure.get_or_insert_with(|| anyhow::anyhow!("{name} ended by itself"));
            }
            Ok(_) => {}
            Err(error) => {
                failure.get_or_insert(error);
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

async fn client(settings: &Settings) -> anyhow::Result<(Client, (String, u16))> {
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
    let url = config.cluster_url.clone();
    let host = url.host().unwrap_or_default().to_owned();
    let port = url.port_u16().unwrap_or(443);
    let client = Client::try_from(config).context("the cluster's client cannot be made")?;
    Ok((client, (host, port)))
}

/// Wakes on the generation, on the annotations of one-off requests, and on deletion; never on a status
/// that we wrote ourselves.
fn wakes(object: &PartialObjectMeta<AuthConsistency>) -> Option<u64> {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    for name in [
        annotation::RECONCILE,
        annotation::FLUX_RECONCILE,
        annotation::RESET_ADMIN,
        annotation::APPROVE,
        annotation::TAKE_CLAIM,
    ] {
        meta.annotations.as_ref().and_then(|annotations| annotations.get(name)).hash(&mut hasher);
    }
    Some(hasher.finish())
}

async fn control(
    client: Client,
    namespace: Option<String>,
    context: Arc<Context>,
    shutdown: Shutdown,
    watching: Gate,
) {
    // Metadata is all that is watched: an object that today's schema would refuse cannot stop the
    // others, since it is only understood when it is read.
    let api: Api<PartialObjectMeta<AuthConsistency>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let forgotten = Arc::clone(&context);
    let (reader, writer) = reflector::store();
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(watcher::Event::InitDone) => watching.open(),
            Ok(watcher::Event::Delete(object)) => {
                let meta = &object.metadata;
                forgotten.forget(
                    meta.uid.as_deref().unwrap_or_default(),
                    meta.namespace.as_deref().unwrap_or_default(),
                    meta.name.as_deref().unwrap_or_default(),
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the watch was broken off"),
        })
        .applied_objects()
        .predicate_filter(wakes, Default::default());
    let drained = shutdown.clone();
    let forgetting = Arc::clone(&context);
    let events = Controller::for_stream(stream, reader)
        .graceful_shutdown_on(async move { drained.requested().await })
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(60)), forgetting);
    drain(events).await;
}

async fn drain<T, E: std::fmt::Display>(events: impl Stream<Item = Result<T, E>>) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        if let Err(error) = event {
            tracing::debug!(%error, "the controller's queue");
        }
    }
}
