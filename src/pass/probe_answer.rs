//! What the app answered, as facts.

use std::time::Duration;

use crate::{
    application::{self, Answer, Route, Verifier},
    domain::{facts::verifiers::ProbeAnswer, target::Jwt},
    tokens,
};

/// How long a probe's token lives.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// The Secret of the first key of before whose token a verifier accepts that refuses the signing key's.
pub(super) async fn accepted_instead(
    jwt: &Jwt,
    subject: &str,
    now: jiff::Timestamp,
    verifier: &Verifier,
    route: &Route<'_>,
) -> Option<String> {
    for (origin, key) in &jwt.previous {
        let Ok(token) = tokens::mint(key, &jwt.shape, subject, now, TOKEN_LIFETIME) else { continue };
        if let Answer::Accepted { .. } = application::ask(verifier, &token, route).await {
            return Some(origin.clone());
        }
    }
    None
}

/// How the key differs whose token a verifier accepts that refuses the signing key's, where that is the signing
/// key as another program stores or decodes it. The likeliest few are asked about.
pub(super) async fn accepted_variant(
    jwt: &Jwt,
    subject: &str,
    now: jiff::Timestamp,
    verifier: &Verifier,
    route: &Route<'_>,
) -> Option<&'static str> {
    for (how, key) in tokens::likely_variants(&jwt.key) {
        let Ok(token) = tokens::mint(&key, &jwt.shape, subject, now, TOKEN_LIFETIME) else { continue };
        match application::ask(verifier, &token, route).await {
            Answer::Accepted { .. } => return Some(how),
            Answer::Refused { .. } => {}
            // Whoever does not answer any more is not asked on.
            Answer::Unclear { .. } | Answer::Unreachable { .. } | Answer::HostNotAllowed { .. } => {
                return None;
            }
        }
    }
    None
}

pub(super) fn answer(answer: &Answer) -> ProbeAnswer {
    match answer {
        Answer::Accepted { .. } => ProbeAnswer::Accepted,
        Answer::Refused { status } => ProbeAnswer::Refused(*status),
        Answer::Unclear { status } => ProbeAnswer::Unclear(format!("it answered {status}")),
        Answer::Unreachable { why } => ProbeAnswer::Unclear(why.clone()),
        Answer::HostNotAllowed { why } => ProbeAnswer::NotAllowed(why.clone()),
    }
}
