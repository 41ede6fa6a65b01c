//! The pods behind a verifier, each asked by itself, and the workloads that take the key: what is found, what
//! it needs for that, and what is said where it may not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use auth_consistency::api::AuthConsistencyStatus;
use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use jsonwebtoken::{DecodingKey, Validation, decode};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    granted_with, used_by,
    world::{CONSISTENT, KEY, Operator, World, chart, condition, free_address, kubectl, until},
};

const OLD: &str = "canary-the-key-of-before-0123456789abcdef-0123456789";

const VALUES: [&str; 2] = ["probes.endpoints=true", "workloads.read=true"];

const FLAGS: [&str; 2] = ["--probe-endpoints", "--read-workloads"];

/// Three pods behind a Service, on addresses of loopback, and a resource that asks them.
struct Shop {
    world: World,
    /// Port of the Service and port of the pods.
    ports: (u16, u16),
}

/// A pod of the app with a signing key; it ends with this value.
struct Pod {
    server: JoinHandle<()>,
    refused: Arc<AtomicUsize>,
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Pod {
    async fn start(address: &str, port: u16, key: &'static str) -> Self {
        let refused = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&refused);
        let me = async move |headers: HeaderMap| {
            let token = headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.strip_prefix("Bearer "))
                .unwrap_or_default();
            let key = DecodingKey::from_secret(key.as_bytes());
            match decode::<serde_json::Value>(token, &key, &Validation::default()) {
                Ok(token) if token.claims["sub"] == "1" => StatusCode::OK,
                _ => {
                    counted.fetch_add(1, Ordering::SeqCst);
                    StatusCode::UNAUTHORIZED
                }
            }
        };
        let app = Router::new().route("/users/me", get(me));
        // The pod before it may still be about to end.
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        let listener = loop {
            ticks.tick().await;
            match TcpListener::bind((address, port)).await {
                Ok(listener) => break listener,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse, "{address}:{port}"),
            }
        };
        Self { server: tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }), refused }
    }
}

impl Pod {
    /// How many tokens it has refused.
    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

fn port() -> u16 {
    free_address().rsplit(':').next().unwrap().parse().unwrap()
}

impl Shop {
    async fn open() -> Self {
        let world = World::new(CONSISTENT).await;
        let ports = (port(), port());
        let namespace = &world.namespace;
        let labels = serde_json::json!({"kubernetes.io/service-name": "api"});
        let pod = |name: &str, address: &str, ready: bool| {
            serde_json::json!({"addresses": [address], "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": name, "namespace": namespace}})
        };
        let env = serde_json::json!([{"name": "JWT_SECRET", "valueFrom": {"secretKeyRef": {"name": "jwt", "key": "key"}}}]);
        let objects = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": namespace},
             "spec": {"ports": [{"name": "metrics", "port": 9}, {"name": "http", "port": ports.0, "targetPort": ports.1}]}},
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
             "metadata": {"name": "api-1", "namespace": namespace, "labels": labels}, "addressType": "IPv4",
             "ports": [{"name": "http", "port": ports.1}, {"name": "metrics", "port": 9}],
             "endpoints": [pod("api-a", "10.244.0.11", true), pod("api-b", "10.244.0.12", true),
                           pod("api-c", "10.244.0.13", true), pod("api-unready", "10.244.0.14", false)]},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": namespace},
             "spec": {"selector": {"matchLabels": {"app": "api"}}, "template": {
                "metadata": {"labels": {"app": "api"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-20T08:00:00Z"}},
                "spec": {"containers": [{"name": "api", "image": "example.invalid/api", "env": env}]}}}},
        ]});
        kubectl(&["apply", "-f", "-"], &objects.to_string());
        world.secret("jwt-old", "key", OLD);
        kubectl(
            &[
                "create",
                "configmap",
                "before",
                "-n",
                namespace,
                "--from-literal=before.csv=id,login\n1,admin@probeops.com\n",
            ],
            "",
        );
        Self { world, ports }
    }

    /// The flags that lead the Service and its pods to loopback.
    fn resolve(&self) -> Vec<String> {
        let (service, pods) = self.ports;
        let mut flags = vec![format!("--resolve=api.{}.svc:{service}:127.0.0.1", self.world.namespace)];
        flags.extend((1..=3).map(|at| format!("--resolve=10.244.0.1{at}:{pods}:127.0.0.{}", at + 1)));
        flags
    }

    fn operator(&self, values: &[&str]) -> Operator {
        let resolve = self.resolve();
        let extra: Vec<&str> = FLAGS.into_iter().chain(resolve.iter().map(String::as_str)).collect();
        let home = format!("op-{}", self.world.namespace);
        Operator::start_granted(&home, &[&self.world.namespace], values, &extra)
    }

    fn apply(&self) {
        let url = format!("http://api.{}.svc:{}/users/me", self.world.namespace, self.ports.0);
        self.world.apply(&format!(
            "{{probe: {{interval: 10s, verifiers: [{{name: api, url: '{url}'}}]}}, \
             jwt: {{secretRef: {{name: jwt, key: key}}, previousSecretRefs: [{{name: jwt-old, key: key}}]}}, \
             references: {{identities: {{configMapRef: {{name: before}}}}}}}}"
        ));
    }

    fn deployment(&self) -> String {
        kubectl(&["get", "deployment", "api", "-n", &self.world.namespace, "-o", "json"], "")
    }
}

fn tokens(status: &AuthConsistencyStatus) -> &str {
    condition(status, "TokensAccepted").map_or("", |one| one.2)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stale_pod_among_fresh_ones_is_named_with_its_workload_and_exactly_the_granted_rights() {
    let shop = Shop::open().await;
    let (world, (service, pods)) = (&shop.world, shop.ports);
    // Through the Service everything looks well: one fresh pod answers for all.
    let through = Pod::start("127.0.0.1", service, KEY).await;
    let a = Pod::start("127.0.0.2", pods, KEY).await;
    let stale = Pod::start("127.0.0.3", pods, OLD).await;
    let c = Pod::start("127.0.0.4", pods, KEY).await;
    let deployment = shop.deployment();
    let operator = shop.operator(&VALUES);
    shop.apply();
    let status = world.ready("False", "TokensRejected").await;
    let said = tokens(&status);
    for part in [
        "1 of 3 pods behind the verifier \"api\" refuse a token",
        "api-b (401, accepts the previous key (Secret jwt-old/key), so it still runs with that)",
        "Deployment api takes Secret jwt/key and last rolled 2026-11-20T08:00:00Z",
        &format!("kubectl -n {} rollout restart deployment/api", world.namespace),
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert!(!said.contains("api-a") && !said.contains("api-c") && !said.contains("api-unready"), "{said}");
    assert_eq!(shop.deployment(), deployment, "nothing was restarted");

    // Forged tokens went to one pod, and previous keys to the one that refused.
    assert!(a.refused() > 0);
    assert_eq!((through.refused(), c.refused()), (0, 0));

    // Somebody restarts it.
    drop(stale);
    let _b = Pod::start("127.0.0.3", pods, KEY).await;
    let status = world.ready("True", "Consistent").await;
    assert!(
        tokens(&status).ends_with("; each ready pod behind \"api\" does so by itself"),
        "{}",
        tokens(&status)
    );

    // The next rotation, before anything was restarted.
    world.secret("jwt", "key", "canary-the-next-signing-key-0123456789abcdef-012345678");
    world.annotate("auth.probeops.com/reconcile", "rotated");
    let status = world.ready("False", "TokensRejected").await;
    assert!(tokens(&status).contains("3 of 3 pods"), "{}", tokens(&status));
    until("the event", async || {
        let events = kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "json"], "");
        let events: serde_json::Value = serde_json::from_str(&events).unwrap();
        let mut changed =
            events["items"].as_array().unwrap().iter().filter(|one| one["reason"] == "SigningKeyChanged");
        changed.any(|one| one["note"].as_str().unwrap().ends_with("rollout restart deployment/api"))
    })
    .await;
    assert_eq!(shop.deployment(), deployment, "nothing was restarted");
    for (place, text) in [
        ("the API server", world.shown()),
        ("the log", operator.logged()),
        ("the metrics", operator.metrics().await),
    ] {
        assert!(!text.contains("canary") && !text.contains("eyJ"), "{place} shows a secret");
    }
    let values = [&VALUES[..], &["leaderElection.enabled=false", "replicas=1"]].concat();
    assert_eq!(used_by(operator).await, granted_with(&values));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_the_service_is_asked_as_before_and_what_is_missing_is_said() {
    let shop = Shop::open().await;
    let (world, (service, pods)) = (&shop.world, shop.ports);
    let through = Pod::start("127.0.0.1", service, KEY).await;
    let _stale = Pod::start("127.0.0.3", pods, OLD).await;
    let operator = shop.operator(&[]);
    shop.apply();
    let status = world.ready("True", "Consistent").await;
    assert!(tokens(&status).contains("the pods behind \"api\" were not asked one by one, since the operator has no right to read EndpointSlices: install the chart with probes.endpoints=true"), "{}", tokens(&status));
    drop(through);
    let _through = Pod::start("127.0.0.1", service, OLD).await;
    world.secret("jwt", "key", "canary-the-next-signing-key-0123456789abcdef-012345678");
    world.annotate("auth.probeops.com/reconcile", "rotated");
    let status = world.ready("False", "TokensRejected").await;
    let said = tokens(&status);
    assert!(said.contains("accepts one made with the previous key (Secret jwt-old/key)"), "{said}");
    assert!(said.contains("is not known: the operator has no right to read the workloads: install the chart with workloads.read=true"), "{said}");
    assert!(!operator.logged().contains("canary"));
}

#[test]
fn the_charts_values_give_flags_and_rights_together_and_neither_unless_asked() {
    let rendered = |values: &[&str]| chart("x", values, &["deployment", "rbac"]);
    let (off, on) = (rendered(&[]), rendered(&VALUES));
    for word in FLAGS.into_iter().chain(["discovery.k8s.io", "services", "deployments"]) {
        assert!(!off.contains(word) && on.contains(word), "{word}");
    }
    let endpoints = rendered(&VALUES[..1]);
    assert!(endpoints.contains("endpointslices") && !endpoints.contains("statefulsets"));
    assert!(!endpoints.contains("--read-workloads"));
}
