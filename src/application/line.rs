//! One verifier, ready to be asked: its URL checked, its host admitted, its addresses pinned.

use std::{error::Error, net::SocketAddr, time::Duration};

use http::{
    HeaderValue,
    header::{ACCEPT, AUTHORIZATION, HOST},
};
use reqwest::{
    Certificate, Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

use super::{Answer, Route, Verifier};

/// How a request presents itself, so that the app's people find it in their logs.
const USER_AGENT: &str = concat!("auth-consistency/", env!("CARGO_PKG_VERSION"));

/// Longest message: servers choose some of the words in it (names in certificates, for example).
const LONGEST_WHY: usize = 512;

pub(super) struct Line<'a> {
    verifier: &'a Verifier,
    url: Url,
    /// What is connected to: the URL, or the same at an endpoint's port.
    at: Url,
    client: Client,
    timeout: Duration,
}

impl<'a> Line<'a> {
    /// The `Err` is the answer where it cannot be asked at all.
    pub(super) async fn open(
        verifier: &'a Verifier,
        route: &Route<'_>,
        deadline: Instant,
    ) -> Result<Self, Answer> {
        let url = check_url(&verifier.url).map_err(|why| Answer::HostNotAllowed { why: why.to_owned() })?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Answer::HostNotAllowed { why: NO_URL.to_owned() });
        };
        let admitting = async {
            match verifier.endpoint {
                Some(endpoint) => route.policy.admit_endpoint(endpoint),
                None => route.policy.admit_probe(route.namespace, host, port).await,
            }
        };
        let addresses = match timeout_at(deadline, admitting).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(refused)) if refused.is_forbidden() => {
                return Err(Answer::HostNotAllowed { why: refused.to_string() });
            }
            Ok(Err(unresolved)) => return Err(unreachable(&url, &unresolved.to_string())),
            Err(_) => return Err(timed_out(&url, route.timeout)),
        };
        let first = addresses.first().map(SocketAddr::ip);
        install_crypto_provider();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            // Each token comes over a connection of its own, so that no answer hangs on an earlier one.
            .pool_max_idle_per_host(0)
            .dns_resolver(Pinned(addresses));
        let builder = match (url.scheme(), &verifier.authorities) {
            ("https", Some(authorities)) => {
                let certificates = authorities.certificates().map(Certificate::from_der);
                let certificates = certificates.collect::<Result<Vec<_>, _>>();
                let certificates = certificates.map_err(|error| unreachable(&url, &chain(error)))?;
                builder.tls_certs_only(certificates)
            }
            ("https", None) => builder,
            // Loading the machine's authorities fails where there are none, and plain HTTP needs none.
            _ => builder.tls_certs_only([]),
        };
        let client = builder.build().map_err(|error| {
            let advice =
                "set spec.probe.caSecretRef, or mount certificate authorities and name them in SSL_CERT_FILE";
            unreachable(&url, &format!("the HTTPS client cannot be built: {}; {advice}", chain(error)))
        })?;
        let mut at = url.clone();
        // The client asks no resolver about an address, and would connect to it and not to where
        // `--resolve` leads. A certificate must then name what is connected to.
        let literal = matches!(url.host(), Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)));
        if let Some(first) = first.filter(|_| literal && verifier.endpoint.is_none()) {
            let _ = at.set_ip_host(first);
        }
        if let Some(endpoint) = verifier.endpoint {
            // The client takes an explicit port for the one to connect to. It fails for no URL with a host.
            let _ = at.set_port(Some(endpoint.port()));
        }
        Ok(Self { verifier, url, at, client, timeout: route.timeout })
    }

    pub(super) async fn ask(&self, token: &SecretString, deadline: Instant) -> Answer {
        let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())) else {
            return unreachable(&self.url, "the token holds characters that no HTTP header may carry");
        };
        // Keeps it out of every Debug print and log below.
        bearer.set_sensitive(true);
        // An endpoint is asked in the Service's name, whatever port it listens on itself.
        let Ok(host) = HeaderValue::from_str(&authority(&self.url)) else {
            return unreachable(&self.url, "its host fits no HTTP header");
        };
        let request = self
            .client
            .get(self.at.clone())
            .header(HOST, host)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"))
            .send();
        match timeout_at(deadline, request).await {
            // Dropping the response closes the connection: however long its body is, we do not read it.
            Ok(Ok(response)) => self.judge(response.status().as_u16()),
            Ok(Err(error)) => {
                let what = chain(error);
                let advice = if what.contains("certificate") {
                    "look at its names, its dates and who signed it (spec.probe.caSecretRef)"
                } else {
                    "look whether the app runs and listens there"
                };
                unreachable(&self.url, &format!("{what}; {advice}"))
            }
            Err(_) => timed_out(&self.url, self.timeout),
        }
    }

    fn judge(&self, status: u16) -> Answer {
        match status {
            200..=299 => Answer::Accepted { status },
            // Before redirects are called unclear: some apps send people to the login page instead of a 401.
            _ if self.verifier.refused_with.contains(&status) => Answer::Refused { status },
            _ => Answer::Unclear { status },
        }
    }
}

/// Answers every name with the admitted addresses: a client asks one host only, and there must be no way
/// from here to a second lookup.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

const NO_URL: &str = "the verifier's url is no URL: write http://service.namespace.svc:port/path";

/// Host, and the port where it is not the scheme's own (RFC 9110, Host).
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// None of the messages repeats the URL: it may carry a password or a key.
pub(super) fn check_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| NO_URL)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(
            "the verifier's url is neither http nor https: write http://service.namespace.svc:port/path",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "the verifier's url carries a user name or a password: leave them out, only the token is sent",
        );
    }
    Ok(url)
}

fn unreachable(url: &Url, what: &str) -> Answer {
    let mut place = url.clone();
    // People put API keys there.
    place.set_query(None);
    place.set_fragment(None);
    let why: String = format!("{place} gives no answer: {what}")
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(LONGEST_WHY)
        .collect();
    Answer::Unreachable { why }
}

fn timed_out(url: &Url, timeout: Duration) -> Answer {
    unreachable(
        url,
        &format!("nothing came within {timeout:?}; look whether the app is up and not overloaded"),
    )
}

/// The error and its causes, without the URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some layers only repeat what is below them.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// The client panics without a provider. The binary installs it first of all; whoever uses the library
/// may not have, and losing the race to install it is as good as winning.
fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
