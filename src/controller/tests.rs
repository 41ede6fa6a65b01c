//! What tests of several stages share: an API server of one's own making.

use std::{num::NonZeroU16, sync::Arc};

use super::{Cluster, Limits, admission::Admission, context::Context, lease::Leadership};
use crate::network::HostPolicy;

/// A resource as it is stored.
pub(super) fn object() -> serde_json::Value {
    let database = serde_json::json!({"urlSecretRef": {"name": "database", "key": "url"}});
    serde_json::json!({
        "apiVersion": crate::api::API_VERSION, "kind": "AuthConsistency",
        "metadata": {"name": "app", "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 1},
        "spec": {"mode": "Enforce", "database": database, "users": {"preset": "FastAPI"}},
    })
}

/// What the stages share, with this as the API server.
pub(super) async fn context(app: axum::Router) -> Context {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let url = format!("http://{address}").parse().unwrap();
    let client = kube::Client::try_from(kube::Config::new(url)).unwrap();
    let metrics = Arc::default();
    let limits = Limits { passes: NonZeroU16::MIN, connections_per_server: NonZeroU16::MIN };
    Context {
        cluster: Cluster::new(client, Arc::clone(&metrics)),
        policy: HostPolicy::operator(Default::default()),
        require_secret_label: false,
        reads: Default::default(),
        admission: Admission::new(limits, Arc::clone(&metrics)),
        metrics,
        shutdown: Default::default(),
        leadership: Leadership::alone(),
        selection: Default::default(),
        instance: "operator-7d9f".into(),
        operator: Default::default(),
        resources: Default::default(),
    }
}
