//! Asks the running app whether it accepts what the signing key mints.
//!
//! A verifier is one URL of the app. It is asked with GET and the token in the `Authorization` header;
//! the status line is the whole answer, so no body is ever read. Requests go to admitted addresses only
//! (see [`crate::network`]), follow no redirect and use no proxy: the token must not travel further
//! than the spec says.

mod line;

use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;
use tokio::time::Instant;

use crate::{
    api::spec,
    domain::target::{Probe, certificates::Authorities},
    network::HostPolicy,
};
use line::Line;

/// An endpoint of the app that must accept a minted token and refuse a forged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Name in messages.
    pub name: String,
    /// URL that is asked.
    pub url: String,
    /// Status codes that count as a refusal.
    pub refused_with: Vec<u16>,
    /// Who must have signed its certificate; the machine's own authorities where there are none.
    pub authorities: Option<Authorities>,
    /// One endpoint of the Service that `url` names, asked by itself in the Service's name.
    pub endpoint: Option<SocketAddr>,
}

impl Verifier {
    /// Every verifier of a probe.
    pub fn all(probe: &Probe) -> Vec<Self> {
        let with = |spec| Self { authorities: probe.authorities.clone(), ..Self::from(spec) };
        probe.verifiers.iter().map(with).collect()
    }

    /// The same, asked at one endpoint.
    pub fn at(&self, endpoint: SocketAddr) -> Self {
        Self { endpoint: Some(endpoint), ..self.clone() }
    }

    /// Host and port that the URL names.
    pub fn place(&self) -> Option<(String, u16)> {
        let url = line::check_url(&self.url).ok()?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    }
}

impl From<&spec::Verifier> for Verifier {
    /// A code that no status line can carry counts for nothing.
    fn from(spec: &spec::Verifier) -> Self {
        Self {
            name: spec.name.clone(),
            url: spec.url.clone(),
            refused_with: spec.refused_with.iter().filter_map(|&code| u16::try_from(code).ok()).collect(),
            authorities: None,
            endpoint: None,
        }
    }
}

/// On whose behalf a verifier is asked, and with what patience.
#[derive(Clone, Debug)]
pub struct Route<'a> {
    /// Which hosts may be asked.
    pub policy: &'a HostPolicy,
    /// Namespace of the resource; means nothing to an unrestricted policy.
    pub namespace: &'a str,
    /// Time for one question from resolving the name to the status line.
    pub timeout: Duration,
}

impl Route<'_> {
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }
}

/// What a verifier says to a token. Holds nothing of the token, nor of the URL's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx.
    Accepted {
        /// The status code.
        status: u16,
    },
    /// One of the codes that count as a refusal.
    Refused {
        /// The status code.
        status: u16,
    },
    /// Any other code: it says nothing about the token.
    Unclear {
        /// The status code.
        status: u16,
    },
    /// No answer. Another attempt may get one.
    Unreachable {
        /// What went wrong, and what to look at.
        why: String,
    },
    /// The URL is not one that may be asked. Only a person can change that.
    HostNotAllowed {
        /// Which rule says so, and what to write instead.
        why: String,
    },
}

impl Answer {
    /// Whether the app itself has spoken.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Refused { .. } | Self::Unclear { .. } => true,
            Self::Unreachable { .. } | Self::HostNotAllowed { .. } => false,
        }
    }
}

/// What one verifier says to the genuine token and to the forged ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierResult {
    /// Name of the verifier.
    pub name: String,
    /// Its answer to the genuine token.
    pub genuine: Answer,
    /// Its answers to the forged ones, by the forgery's name; empty where the genuine one got no answer.
    pub forged: Vec<(&'static str, Answer)>,
}

/// Asks one verifier about one token.
pub async fn ask(verifier: &Verifier, token: &SecretString, route: &Route<'_>) -> Answer {
    let deadline = route.deadline();
    match Line::open(verifier, route, deadline).await {
        Ok(line) => line.ask(token, deadline).await,
        Err(answer) => answer,
    }
}

/// Asks a verifier about the genuine token and then about each forged one, one at a time: a probe must not
/// become load.
///
/// An app that does not answer is not asked about forgeries: its silence would look like a refusal.
pub async fn probe(
    verifier: &Verifier,
    genuine: &SecretString,
    forged: &[(&'static str, SecretString)],
    route: &Route<'_>,
) -> VerifierResult {
    let result = |genuine, forged| VerifierResult { name: verifier.name.clone(), genuine, forged };
    // One line for all tokens, so that all of them ask the same addresses.
    let deadline = route.deadline();
    let line = match Line::open(verifier, route, deadline).await {
        Ok(line) => line,
        Err(answer) => return result(answer, Vec::new()),
    };
    let genuine = line.ask(genuine, deadline).await;
    let mut answers = Vec::new();
    if genuine.is_answer() {
        for (name, token) in forged {
            answers.push((*name, line.ask(token, route.deadline()).await));
        }
    }
    result(genuine, answers)
}

#[cfg(test)]
mod tests;
