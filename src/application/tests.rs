use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use futures::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::network::HostSettings;

const GENUINE: &str = "eyJ-canary-genuine";
const FORGED: &str = "eyJ-canary-forged";

/// A small app, stopped with the test.
struct App {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl App {
    async fn start() -> Self {
        let app = Router::new()
            .route("/me", get(me))
            .route("/open", get(|| async { StatusCode::NO_CONTENT }))
            .route("/login", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/open")]) }))
            .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/slow", get(std::future::pending::<StatusCode>))
            .route(
                "/endless",
                get(|| async {
                    Body::from_stream(stream::repeat(Ok::<_, std::convert::Infallible>("more ")))
                }),
            )
            .route("/agent", get(agent));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, server }
    }

    /// What the operator would be started with for tests: the flag leads to loopback.
    fn policy(&self) -> HostPolicy {
        let resolve = format!("api.shop.svc:{}:127.0.0.1", self.address.port()).parse().unwrap();
        HostPolicy::operator(HostSettings { resolve: vec![resolve], ..HostSettings::default() })
    }

    fn verifier(&self, path: &str) -> Verifier {
        verifier(&format!("http://api.shop.svc:{}{path}", self.address.port()))
    }

    async fn ask(&self, path: &str, token: &str) -> Answer {
        ask(&self.verifier(path), &token.into(), &route(&self.policy())).await
    }
}

async fn me(headers: HeaderMap) -> StatusCode {
    match headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        Some(value) if value == format!("Bearer {GENUINE}") => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    }
}

async fn agent(headers: HeaderMap) -> impl IntoResponse {
    let expected = format!("auth-consistency/{}", env!("CARGO_PKG_VERSION"));
    let known = headers.get(header::USER_AGENT).is_some_and(|value| value.as_bytes() == expected.as_bytes());
    if known { StatusCode::OK } else { StatusCode::BAD_REQUEST }
}

fn verifier(url: &str) -> Verifier {
    Verifier {
        name: "api".into(),
        url: url.into(),
        refused_with: vec![401, 403],
        authorities: None,
        endpoint: None,
    }
}

fn route(policy: &HostPolicy) -> Route<'_> {
    Route { policy, namespace: "shop", timeout: Duration::from_secs(20) }
}

fn why(answer: Answer) -> String {
    match answer {
        Answer::Unreachable { why } | Answer::HostNotAllowed { why } => why,
        answer => panic!("{answer:?} is an answer"),
    }
}

#[tokio::test]
async fn a_genuine_token_is_accepted_and_a_forged_one_refused() {
    let app = App::start().await;
    assert_eq!(app.ask("/me", GENUINE).await, Answer::Accepted { status: 200 });
    assert_eq!(app.ask("/me", FORGED).await, Answer::Refused { status: 401 });
    assert_eq!(app.ask("/open", FORGED).await, Answer::Accepted { status: 204 });
    assert_eq!(app.ask("/agent", GENUINE).await, Answer::Accepted { status: 200 });
}

#[tokio::test]
async fn other_codes_say_nothing_about_the_token() {
    let app = App::start().await;
    assert_eq!(app.ask("/broken", GENUINE).await, Answer::Unclear { status: 500 });
    assert_eq!(app.ask("/nowhere", GENUINE).await, Answer::Unclear { status: 404 });
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_is_a_refusal_only_where_the_spec_says_so() {
    let app = App::start().await;
    assert_eq!(app.ask("/login", GENUINE).await, Answer::Unclear { status: 302 });
    let verifier = Verifier { refused_with: vec![302], ..app.verifier("/login") };
    let policy = app.policy();
    assert_eq!(ask(&verifier, &GENUINE.into(), &route(&policy)).await, Answer::Refused { status: 302 });
}

#[tokio::test]
async fn an_endless_body_is_not_read() {
    let app = App::start().await;
    assert_eq!(app.ask("/endless", GENUINE).await, Answer::Accepted { status: 200 });
}

#[tokio::test]
async fn endless_headers_end_with_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream
            .write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .await
            .is_ok()
        {}
    });
    let policy = HostPolicy::unrestricted(vec![]);
    let answer = ask(&verifier(&format!("http://{address}/me")), &GENUINE.into(), &route(&policy)).await;
    assert!(matches!(answer, Answer::Unreachable { .. }), "{answer:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn silence_ends_at_the_time_limit() {
    let app = App::start().await;
    let policy = app.policy();
    let route = Route { timeout: Duration::from_millis(50), ..route(&policy) };
    let why = why(ask(&app.verifier("/slow?key=canary-query"), &GENUINE.into(), &route).await);
    assert!(why.contains("/slow gives no answer: nothing came within 50ms"), "{why}");
    assert!(!why.contains("canary"), "{why}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_says_so_without_token_or_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let policy = HostPolicy::unrestricted(vec![]);
    let url = format!("http://{address}/me?key=canary-query#canary");
    let why = why(ask(&verifier(&url), &GENUINE.into(), &route(&policy)).await);
    assert!(why.contains("refused") && why.contains("look whether the app runs"), "{why}");
    assert!(!why.contains("canary"), "{why}");
}

#[tokio::test]
async fn a_server_that_echoes_the_token_gets_none_of_it_into_a_message() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        stream.write_all(&buffer[..read]).await.unwrap();
    });
    let policy = HostPolicy::unrestricted(vec![]);
    let answer = ask(&verifier(&format!("http://{address}/me")), &GENUINE.into(), &route(&policy)).await;
    server.await.unwrap();
    let why = why(answer);
    assert!(!why.contains("canary"), "{why}");
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_not_sent_and_not_shown() {
    let app = App::start().await;
    let why = why(app.ask("/me", "canary\r\nX-Injected: yes").await);
    assert!(why.contains("no HTTP header may carry") && !why.contains("canary"), "{why}");
}

#[tokio::test]
async fn a_url_that_may_not_be_asked_says_why_without_repeating_secrets() {
    let policy = HostPolicy::operator(HostSettings::default());
    for (url, reason) in [
        ("http://user:canary@api.shop.svc/me", "user name or a password"),
        ("http://canary@api.shop.svc/me", "user name or a password"),
        ("ftp://api.shop.svc/canary", "neither http nor https"),
        ("http://canary:x", "is no URL"),
        ("http://api.other.svc/me?key=canary", "no Service of namespace \"shop\""),
        ("http://127.0.0.1:1/canary", "is an IP address"),
        ("http://2130706433/canary", "is an IP address"),
        ("http://0x7f.1/canary", "is an IP address"),
        ("http://[::1]/canary", "is an IP address"),
        ("http://kubernetes.default.svc/canary", "no Service of namespace"),
    ] {
        let answer = ask(&verifier(url), &GENUINE.into(), &route(&policy)).await;
        let Answer::HostNotAllowed { why } = answer else { panic!("{url}: {answer:?}") };
        assert!(why.contains(reason) && !why.contains("canary"), "{url}: {why}");
    }
}

#[tokio::test]
async fn https_is_spoken_and_a_plain_server_is_no_answer() {
    let app = App::start().await;
    let url = format!("https://api.shop.svc:{}/me", app.address.port());
    let policy = app.policy();
    let answer = ask(&verifier(&url), &GENUINE.into(), &route(&policy)).await;
    assert!(matches!(answer, Answer::Unreachable { .. }), "{answer:?}");
    assert!(!format!("{answer:?}").contains("canary"));
}

#[tokio::test]
async fn a_probe_asks_every_verifier_about_every_token() {
    let app = App::start().await;
    let policy = app.policy();
    let verifiers = [app.verifier("/me"), Verifier { name: "careless".into(), ..app.verifier("/open") }];
    let forged = [("unknown key", FORGED.into()), ("algorithm none", FORGED.into())];
    let mut results = Vec::new();
    for verifier in &verifiers {
        results.push(probe(verifier, &GENUINE.into(), &forged, &route(&policy)).await);
    }
    assert!(!format!("{results:?}").contains("canary"));
    assert_eq!(
        results,
        [
            VerifierResult {
                name: "api".into(),
                genuine: Answer::Accepted { status: 200 },
                forged: vec![
                    ("unknown key", Answer::Refused { status: 401 }),
                    ("algorithm none", Answer::Refused { status: 401 }),
                ],
            },
            VerifierResult {
                name: "careless".into(),
                genuine: Answer::Accepted { status: 204 },
                forged: vec![
                    ("unknown key", Answer::Accepted { status: 204 }),
                    ("algorithm none", Answer::Accepted { status: 204 }),
                ],
            },
        ]
    );
}

#[tokio::test]
async fn an_app_that_is_silent_is_not_asked_about_forgeries() {
    let app = App::start().await;
    let policy = app.policy();
    let forged = [("unknown key", FORGED.into())];
    let route = Route { timeout: Duration::from_millis(50), ..route(&policy) };
    let slow = probe(&app.verifier("/slow"), &GENUINE.into(), &forged, &route).await;
    assert!(matches!(slow.genuine, Answer::Unreachable { .. }));
    let other = probe(&verifier("http://api.other.svc/me"), &GENUINE.into(), &forged, &route).await;
    assert!(matches!(other.genuine, Answer::HostNotAllowed { .. }));
    assert!(slow.forged.is_empty() && other.forged.is_empty());
}

mod hostile;
mod tls;

#[tokio::test]
async fn an_address_that_resolve_leads_elsewhere_is_asked_there_in_its_own_name() {
    let app = App::start().await;
    let port = app.address.port();
    let resolve = format!("203.0.113.9:{port}:127.0.0.1").parse().unwrap();
    let policy = HostPolicy::unrestricted(vec![resolve]);
    let verifier = verifier(&format!("http://203.0.113.9:{port}/me"));
    let answer = ask(&verifier, &GENUINE.into(), &route(&policy)).await;
    assert_eq!(answer, Answer::Accepted { status: 200 });
}
