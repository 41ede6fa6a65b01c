//! Asks each ready pod behind a verifier by itself, so that a stale one among fresh ones is found, and looks
//! up which workloads to restart.

use crate::{
    application::{self, Answer, Route, Verifier, VerifierResult},
    domain::{
        facts::{
            endpoints::{Endpoint, turn},
            verifiers::{PodFacts, Pods, VerifierFacts},
            workloads::TakenBy,
        },
        target::Jwt,
    },
    pass::{
        probe_answer::{accepted_instead, answer},
        request::Pass,
    },
};

use futures::{StreamExt, stream};
use secrecy::SecretString;

use super::cluster_context::Unread;

/// How many pods are asked at once: a probe must not become load, and twenty silent ones no long wait.
const AT_ONCE: usize = 4;

/// One verifier's answers, and those of its pods.
pub(super) struct Heard {
    pub(super) result: VerifierResult,
    pub(super) pods: Pods,
    /// Which pod was asked about forgeries.
    pub(super) forged_at: Option<String>,
    /// Whether what was asked about forgeries accepts the genuine token: what refuses every token says
    /// nothing of forged ones.
    pub(super) tells_apart: bool,
}

/// Asks the verifier, then its pods about the genuine token, and one of them about the forged ones:
/// the first that accepts the genuine one, or else that answers. Where no pods are known the verifier itself is asked about all of them.
pub(super) async fn hear(
    pass: &Pass<'_>,
    jwt: &Jwt,
    subject: &str,
    verifier: &Verifier,
    genuine: &SecretString,
    forged: &[(&'static str, SecretString)],
    route: &Route<'_>,
) -> Heard {
    let (endpoints, pods) = match endpoints(pass, verifier).await {
        Some(Ok(endpoints)) => (endpoints, Pods::Asked { ready: 0, asked: Vec::new() }),
        Some(Err(Unread { why, transient })) => (Vec::new(), Pods::Unknown { why, transient }),
        None => (Vec::new(), Pods::Unasked),
    };
    if endpoints.is_empty() {
        let result = application::probe(verifier, genuine, forged, route).await;
        let tells_apart = accepts(&result.genuine);
        return Heard { result, pods, forged_at: None, tells_apart };
    }
    let ready = endpoints.len();
    let mut result = application::probe(verifier, genuine, &[], route).await;
    let mut answers = Vec::new();
    for endpoint in turn(endpoints, pass.memory.turn()) {
        answers.push(ask_one(verifier, endpoint, genuine, route));
    }
    let mut answers: Vec<(Endpoint, Answer)> = stream::iter(answers).buffered(AT_ONCE).collect().await;
    // A pod that gave no answer may have ended since it was listed.
    if answers.iter().any(|(_, answer)| matches!(answer, Answer::Unreachable { .. }))
        && let Some(Ok(now)) = self::endpoints(pass, verifier).await
    {
        answers.retain(|(endpoint, answer)| {
            !matches!(answer, Answer::Unreachable { .. }) || now.contains(endpoint)
        });
    }
    let mut tells_apart = false;
    let forged_at = match fit_for_forgeries(&answers) {
        Some((endpoint, genuine)) if !forged.is_empty() => {
            tells_apart = accepts(genuine);
            let at = verifier.at(endpoint.address);
            for (name, token) in forged {
                result.forged.push((name, application::ask(&at, token, route).await));
            }
            Some(endpoint.pod.clone())
        }
        Some(_) => None,
        None => {
            if !forged.is_empty() && result.genuine.is_answer() {
                result = application::probe(verifier, genuine, forged, route).await;
                tells_apart = accepts(&result.genuine);
            }
            None
        }
    };
    let mut asked = Vec::with_capacity(answers.len());
    for (endpoint, heard) in answers {
        let accepts_previous = match heard {
            Answer::Refused { .. } => {
                accepted_instead(jwt, subject, pass.now, &verifier.at(endpoint.address), route).await
            }
            _ => None,
        };
        asked.push(PodFacts { pod: endpoint.pod, genuine: answer(&heard), accepts_previous });
    }
    Heard { result, pods: Pods::Asked { ready, asked }, forged_at, tells_apart }
}

fn accepts(answer: &Answer) -> bool {
    matches!(answer, Answer::Accepted { .. })
}

/// The pod to be asked about forgeries, with its answer to the genuine token. A stale one refuses every
/// token, and forged ones among them.
fn fit_for_forgeries(answers: &[(Endpoint, Answer)]) -> Option<&(Endpoint, Answer)> {
    let accepting = answers.iter().find(|(_, answer)| accepts(answer));
    accepting.or_else(|| answers.iter().find(|(_, answer)| answer.is_answer()))
}

async fn ask_one(
    verifier: &Verifier,
    endpoint: Endpoint,
    token: &SecretString,
    route: &Route<'_>,
) -> (Endpoint, Answer) {
    let answer = application::ask(&verifier.at(endpoint.address), token, route).await;
    (endpoint, answer)
}

/// `None` where the pods are not to be asked.
async fn endpoints(pass: &Pass<'_>, verifier: &Verifier) -> Option<Result<Vec<Endpoint>, Unread>> {
    let surroundings = pass.supervisor.surroundings()?;
    let (host, port) = verifier.place()?;
    let service = pass.policy.service(&pass.target.resource.namespace, &host, port)?;
    surroundings.endpoints(&service, port).await
}

/// Fills in who takes the signing key, where a token made with it was refused.
pub(super) async fn find_workloads(pass: &Pass<'_>, jwt: &Jwt, facts: &mut [VerifierFacts]) {
    let Some(surroundings) = pass.supervisor.surroundings() else { return };
    if !facts.iter().any(VerifierFacts::is_refused) {
        return;
    }
    let Some(workloads) = surroundings.workloads(&jwt.secret.name, &jwt.secret.key).await else { return };
    let taken_by = TakenBy {
        namespace: pass.target.resource.namespace.clone(),
        origin: jwt.origin.clone(),
        workloads: workloads.map_err(|unread| unread.why),
    };
    for one in facts.iter_mut().filter(|one| one.is_refused()) {
        one.taken_by = Some(taken_by.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_tokens_are_shown_to_a_pod_that_accepts_the_genuine_one_where_there_is_one() {
        let stale = Answer::Refused { status: 401 };
        let silent = Answer::Unreachable { why: "refused".into() };
        let fresh = Answer::Accepted { status: 200 };
        let of = |answers: &[&Answer]| {
            let answers: Vec<(Endpoint, Answer)> = answers
                .iter()
                .enumerate()
                .map(|(at, answer)| {
                    let address = ([10, 0, 0, 1], 8000).into();
                    (Endpoint { pod: format!("api-{at}"), address }, (*answer).clone())
                })
                .collect();
            fit_for_forgeries(&answers).map(|(endpoint, _)| endpoint.pod.clone())
        };
        assert_eq!(of(&[&silent, &stale, &fresh, &fresh]).as_deref(), Some("api-2"));
        assert_eq!(of(&[&silent, &stale]).as_deref(), Some("api-1"));
        assert_eq!(of(&[&silent]), None);
    }
}
