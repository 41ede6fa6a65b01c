//! `/livez`, `/readyz` and `/metrics`, answered from the first moment on, by a standby as well; and, on a
//! listener of its own, the page where people remove an old sign-in from their browser.

mod bounded;
pub mod health;
pub mod metrics;
pub mod session_reset;

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use tokio::{net::TcpListener, sync::oneshot};

pub use health::{Gate, Health};
pub use metrics::Metrics;

/// How long open connections may hold up the end. One that never sends a request would do so for ever.
const DRAIN: Duration = Duration::from_secs(5);

/// Connections at once: probes and scrapers take a handful.
const PLACES: usize = 128;

/// How long a connection may be kept. Scrapers use one for many requests, and open another where it has ended.
const LIFE: Duration = Duration::from_secs(3600);

/// Answers on `listener` until `shutdown` is ready, then finishes what is open.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = bounded::Bounded::new(listener, PLACES, LIFE);
    serve_draining(listener, router(health, metrics), shutdown, DRAIN).await
}

async fn serve_draining<L>(
    listener: L,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    drain: Duration,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let (begun, drains) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // Nobody listens any more when the listener has failed, and then there is nothing to drain.
        let _ = begun.send(());
    };
    let too_late = async move {
        match drains.await {
            Ok(()) => tokio::time::sleep(drain).await,
            Err(_) => std::future::pending().await,
        }
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(shutdown);
    tokio::select! {
        result = async { serving.await } => result,
        () = too_late => Ok(()),
    }
}

fn router(health: Health, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(health)
        .merge(Router::new().route("/metrics", get(exposition)).with_state(metrics))
}

async fn livez(State(health): State<Health>) -> Response {
    verdict(health.liveness())
}

async fn readyz(State(health): State<Health>) -> Response {
    verdict(health.readiness())
}

fn verdict(verdict: health::Verdict) -> Response {
    let status = if verdict.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], verdict.text).into_response()
}

async fn exposition(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
