//! The session-reset page: a person whose browser keeps a token that no longer fits presses a button, and
//! signs in again. It lies on the app's own origin, since only there can a page remove what the app stored.
//!
//! Nothing of a request is ever in an answer, and no setting comes from one. It has a listener of its own,
//! so that an Ingress for it opens neither `/metrics` nor anything else of the operator.

mod files;
mod pages;
mod settings;

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use tokio::net::TcpListener;

pub use pages::{CLEAR_SITE_DATA, CONTENT_SECURITY_POLICY, CSS, HEADERS, SCRIPT, SessionReset};
pub use settings::{AppName, Cookie, PagePath, Refused, SignInPath};

/// Connections at once. One lives as long as one request.
const PLACES: usize = 64;

/// How long a connection may take from its first byte to its last.
const LIFE: Duration = Duration::from_secs(10);

/// The form sends nothing, so that this is generous.
const LARGEST_BODY: usize = 4096;

const HTML: &str = "text/html; charset=utf-8";

/// Answers on `listener` until `shutdown` is ready, then finishes what is open.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    page: &SessionReset,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = super::bounded::Bounded::new(listener, PLACES, LIFE);
    super::serve_draining(listener, router(page), shutdown, super::DRAIN).await
}

fn router(page: &SessionReset) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(Answers::new(page)))
}

/// Every answer there is, made before the first request.
struct Answers {
    path: String,
    ask: String,
    done: String,
    refused: String,
    expiries: Vec<String>,
}

impl Answers {
    fn new(page: &SessionReset) -> Self {
        Self {
            path: page.path.to_string(),
            ask: page.ask(),
            done: page.done(),
            refused: page.refused(),
            expiries: page.cookies.iter().map(Cookie::expiry).collect(),
        }
    }
}

async fn answer(State(answers): State<Arc<Answers>>, request: Request) -> Response {
    let Some(below) = request.uri().path().strip_prefix(&answers.path) else {
        return plain(StatusCode::NOT_FOUND, "There is nothing here.\n");
    };
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    match below {
        // People add a slash, and an Ingress lets it through.
        "" | "/" if read => whole(StatusCode::OK, HTML, &answers.ask),
        "" | "/" if request.method() == Method::POST => reset(&answers, request).await,
        "" | "/" => not_allowed("GET, HEAD, POST"),
        "/reset.css" if read => whole(StatusCode::OK, "text/css; charset=utf-8", CSS),
        "/reset.js" if read => whole(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
        "/reset.css" | "/reset.js" => not_allowed("GET, HEAD"),
        _ => plain(StatusCode::NOT_FOUND, "There is nothing here.\n"),
    }
}

async fn reset(answers: &Answers, request: Request) -> Response {
    if !is_same_origin(request.headers()) {
        return whole(StatusCode::FORBIDDEN, HTML, &answers.refused);
    }
    // Read to its end, as a browser may not look at an answer while it still sends, and thrown away.
    if to_bytes(request.into_body(), LARGEST_BODY).await.is_err() {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "The form has no fields.\n");
    }
    let mut response = whole(StatusCode::OK, HTML, &answers.done);
    let headers = response.headers_mut();
    set(headers, HeaderName::from_static("clear-site-data"), CLEAR_SITE_DATA);
    for expiry in &answers.expiries {
        set(headers, header::SET_COOKIE, expiry);
    }
    response
}

/// Whether the page's own form sent it. No foreign page may sign people out or take their drafts.
///
/// Browsers say so in Sec-Fetch-Site, which no page can forge. Where it is missing (old browsers, plain
/// HTTP) Origin must be where the request went. Neither means no.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let only = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let first = all.next().map(|value| value.to_str().unwrap_or_default().trim());
        // Two of them contradict each other, whatever they say.
        if all.next().is_some() { Some("") } else { first }
    };
    if let Some(site) = only("sec-fetch-site") {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (only("origin"), only("host")) else { return false };
    // Where people come by https, a page over plain HTTP is another origin, which anybody on the network could
    // have made.
    let forwarded = only("x-forwarded-proto").and_then(|all| all.split(',').next());
    let https = forwarded.is_some_and(|one| one.trim() == "https") || origin.starts_with("https://");
    let (scheme, port) = if https { ("https", ":443") } else { ("http", ":80") };
    let host = host.strip_suffix(port).unwrap_or(host);
    let asked = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    !host.is_empty() && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host))
}

fn not_allowed(allow: &'static str) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "This method is not known here.\n");
    set(response.headers_mut(), header::ALLOW, allow);
    response
}

fn plain(status: StatusCode, text: &str) -> Response {
    whole(status, "text/plain; charset=utf-8", text)
}

fn whole(status: StatusCode, content_type: &str, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        set(headers, HeaderName::from_static(name), value);
    }
    set(headers, header::CONTENT_TYPE, content_type);
    // A connection has a short life, and one that is reused would end in the middle of a request.
    set(headers, header::CONNECTION, "close");
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // All values are constants or visible characters, which a header always takes.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests;
