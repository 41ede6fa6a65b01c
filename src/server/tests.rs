use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use reqwest::{Client, Response};
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinHandle};

use super::*;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(health: Health, metrics: Arc<Metrics>, drain: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(serve_draining(listener, router(health, metrics), shutdown, drain));
        Self { address, stop, task }
    }

    async fn get(&self, path: &str) -> Response {
        // No client without a provider, even for plain HTTP.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> (u16, String) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn readiness_names_what_it_waits_for() {
    let health = Health::new(Duration::from_secs(60));
    let crd = health.gate("crd", "the CustomResourceDefinition to be served");
    let lease = health.gate("lease", "leadership");
    let server = Server::start(health.clone(), Arc::new(Metrics::new()), DRAIN).await;
    crd.open();
    assert!(!health.is_ready());
    let text = "[+]crd ok\n[-]lease waiting for leadership\nreadyz check failed\n";
    assert_eq!(server.text("/readyz").await, (503, text.into()));
    lease.open();
    assert_eq!(server.text("/readyz").await, (200, "[+]crd ok\n[+]lease ok\nreadyz check passed\n".into()));
    lease.close();
    assert_eq!(server.text("/readyz").await.0, 503);
    assert!(lease.refuse("somebody else holds it") && !lease.refuse("somebody else holds it"));
    let text = "[+]crd ok\n[-]lease refused: somebody else holds it\nreadyz check failed\n";
    assert_eq!(server.text("/readyz").await, (503, text.into()));
    assert!(lease.open_as("stands by") && !lease.open_as("stands by") && lease.is_open());
    let text = "[+]crd ok\n[+]lease stands by\nreadyz check passed\n";
    assert_eq!(server.text("/readyz").await, (200, text.into()));
    server.stop().await;
}

#[tokio::test]
async fn liveness_ends_when_the_reconciler_falls_silent_and_comes_back_with_it() {
    let start = Instant::now();
    let seconds = Arc::new(AtomicU64::new(0));
    let clock = seconds.clone();
    let health = Health::with_clock(Duration::from_secs(60), move || {
        start + Duration::from_secs(clock.load(Ordering::Relaxed))
    });
    let server = Server::start(health.clone(), Arc::new(Metrics::new()), DRAIN).await;
    seconds.store(59, Ordering::Relaxed);
    assert_eq!(server.text("/livez").await, (200, "[+]reconciler ok\nlivez check passed\n".into()));
    seconds.store(61, Ordering::Relaxed);
    let (status, text) = server.text("/livez").await;
    assert_eq!(status, 503);
    assert!(text.starts_with("[-]reconciler made no progress for 61s"), "{text}");
    health.progress();
    assert_eq!(server.text("/livez").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn metrics_come_as_openmetrics() {
    let metrics = Arc::new(Metrics::new());
    let server = Server::start(Health::new(DRAIN), metrics.clone(), DRAIN).await;
    metrics.pass_ended(metrics::PassResult::Consistent, Duration::from_millis(1));
    let response = server.get("/metrics").await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = response.text().await.unwrap();
    assert!(text.contains("auth_consistency_passes_total{result=\"consistent\"} 1"), "{text}");
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(server.text("/").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
    let server = Server::start(Health::new(DRAIN), Arc::new(Metrics::new()), Duration::from_millis(20)).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // An answer on a later connection proves that the silent one was accepted.
    assert_eq!(server.text("/livez").await.0, 200);
    server.stop().await;
    let _ = silent.read(&mut [0]).await;
}

#[tokio::test]
async fn half_open_connections_take_health_and_metrics_from_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let health = Health::new(Duration::from_secs(60));
    let task = tokio::spawn(serve(listener, health, Arc::new(Metrics::new()), async move {
        stopped.await.unwrap_or_default();
    }));
    let server = Server { address, stop, task };
    let mut flood = Vec::new();
    for _ in 0..2 * PLACES {
        flood.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(server.text("/livez").await.0, 200);
    assert_eq!(server.text("/metrics").await.0, 200);
    // What is over the bound was closed, and no more.
    let mut closed = 0;
    for one in &mut flood {
        let read = tokio::time::timeout(Duration::from_millis(20), one.read(&mut [0])).await;
        closed += usize::from(read.is_ok());
    }
    assert!((PLACES..PLACES + 8).contains(&closed), "{closed}");
    server.stop().await;
}
