//! Asks the running app whether it accepts what the signing key mints, and nothing else.

use crate::{
    application::{self, Answer, Route, Verifier},
    domain::{
        diagnose::verifiers,
        facts::verifiers::VerifierFacts,
        finding::Finding,
        target::{Jwt, Target},
    },
    engine::Observed,
    network::HostPolicy,
    pass::{
        probe_answer::{TOKEN_LIFETIME, accepted_instead, accepted_variant, answer},
        request::Pass,
    },
    tokens::{self, Forgery, MintError},
};

use std::time::Duration;

use secrecy::SecretString;

use super::pods;

/// How long an app may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What came of asking.
#[derive(Debug, Default)]
pub struct ProbeOutcome {
    /// The answers; `None` where the app was not asked.
    pub verifiers: Option<Vec<VerifierFacts>>,
    /// Why it was not asked although the spec says so.
    pub not_asked: Option<String>,
    /// That it can never be asked, which a person must end.
    pub never: Option<Finding>,
}

/// Mints a short-lived token for the admin's subject.
///
/// # Errors
/// The subject does not fit the token's shape.
pub fn mint_for_admin(
    jwt: &Jwt,
    subject: &str,
    now: jiff::Timestamp,
    lifetime: Duration,
) -> Result<SecretString, MintError> {
    tokens::mint(&jwt.key, &jwt.shape, subject, now, lifetime)
}

/// Shows a token to every verifier of the spec, one after the other: what each of them answers.
pub async fn show_to_app(
    target: &Target,
    policy: &HostPolicy,
    token: &SecretString,
) -> Vec<(String, Answer)> {
    let route = Route { policy, namespace: &target.resource.namespace, timeout: ANSWER_TIMEOUT };
    let mut answers = Vec::new();
    for verifier in target.probe.iter().flat_map(Verifier::all) {
        let answer = application::ask(&verifier, token, &route).await;
        answers.push((verifier.name, answer));
    }
    answers
}

/// Asks every verifier, unless the last answers still count.
pub(super) async fn ask(pass: &Pass<'_>, observed: &Observed) -> ProbeOutcome {
    let (Some(probe), Some(jwt)) = (&pass.target.probe, &pass.target.jwt) else {
        return ProbeOutcome::default();
    };
    if !pass.ask {
        return not_asked("the app was not asked");
    }
    if let Some(never) = verifiers::never_asked(&jwt.key) {
        return ProbeOutcome { never: Some(never), ..ProbeOutcome::default() };
    }
    let account = observed.observation.admin.as_ref().and_then(|admin| admin.account.as_ref());
    let Some(account) = account.filter(|account| account.inactive.is_empty()) else {
        return not_asked("there is no active admin to mint a token for, see AdminConsistent");
    };
    let Some(subject) = &account.subject else {
        return not_asked(format!("the admin's {} is NULL, so no token can name it", jwt.subject_column));
    };
    let generation = pass.target.resource.generation.to_be_bytes();
    let key = jwt.key.known_by(jwt.shape.algorithm);
    let of = [&key[..], &[subject.as_bytes(), &generation[..]][..]].concat();
    if let Some(facts) = pass.memory.probe(&of, probe.interval) {
        return ProbeOutcome { verifiers: Some(facts), ..ProbeOutcome::default() };
    }
    let genuine = match mint_for_admin(jwt, subject, pass.now, TOKEN_LIFETIME) {
        Ok(token) => token,
        Err(error) => return not_asked(error.to_string()),
    };
    let lately = pass.memory.forged_lately(&key);
    let forged = if lately { Vec::new() } else { forgeries(jwt, subject, pass.now) };
    let route =
        Route { policy: pass.policy, namespace: &pass.target.resource.namespace, timeout: ANSWER_TIMEOUT };
    let mut facts = Vec::with_capacity(probe.verifiers.len());
    let mut results = Vec::with_capacity(probe.verifiers.len());
    let mut all_tell_apart = true;
    for verifier in Verifier::all(probe) {
        let heard = pods::hear(pass, jwt, subject, &verifier, &genuine, &forged, &route).await;
        let result = heard.result;
        all_tell_apart &= heard.tells_apart;
        let accepts_previous = match result.genuine {
            Answer::Refused { .. } => accepted_instead(jwt, subject, pass.now, &verifier, &route).await,
            _ => None,
        };
        let accepts_variant = match (&result.genuine, &accepts_previous) {
            (Answer::Refused { .. }, None) => {
                accepted_variant(jwt, subject, pass.now, &verifier, &route).await
            }
            _ => None,
        };
        facts.push(VerifierFacts {
            accepts_previous,
            accepts_variant,
            name: result.name.clone(),
            genuine: answer(&result.genuine),
            accepted_forgeries: result
                .forged
                .iter()
                .filter(|(_, answer)| matches!(answer, Answer::Accepted { .. }))
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            pods: heard.pods,
            forged_at: heard.forged_at,
            taken_by: None,
        });
        results.push(result);
    }
    pods::find_workloads(pass, jwt, &mut facts).await;
    // Only a day on which every forgery was tried and refused by everyone who accepts the genuine token is a
    // day of rest.
    let all_refused = !lately
        && all_tell_apart
        && results.iter().all(|result| {
            result.forged.len() == forged.len()
                && result.forged.iter().all(|(_, answer)| matches!(answer, Answer::Refused { .. }))
        });
    if all_refused {
        pass.memory.remember_forged(&key);
    }
    pass.memory.remember_probe(&of, &facts);
    ProbeOutcome { verifiers: Some(facts), ..ProbeOutcome::default() }
}

fn not_asked(why: impl Into<String>) -> ProbeOutcome {
    ProbeOutcome { not_asked: Some(why.into()), ..ProbeOutcome::default() }
}

fn forgeries(jwt: &Jwt, subject: &str, now: jiff::Timestamp) -> Vec<(&'static str, SecretString)> {
    let confused = tokens::confuse(&jwt.key, &jwt.shape, subject, now, TOKEN_LIFETIME).ok().flatten();
    Forgery::of(jwt.shape.algorithm)
        .iter()
        .filter_map(|forgery| {
            let token = tokens::forge(*forgery, &jwt.key, &jwt.shape, subject, now, TOKEN_LIFETIME).ok()?;
            Some((forgery.describe(), token))
        })
        .chain(confused.map(|token| (Forgery::PublicKeyAsSecret.describe(), token)))
        .collect()
}
