//! What a verifier and the pods behind it said to minted and forged tokens, and what is wrong with that.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::Severity,
    },
    domain::{
        facts::{
            endpoints::MOST_ASKED,
            verifiers::{PodFacts, Pods, ProbeAnswer, VerifierFacts},
            workloads::TakenBy,
        },
        finding::{Finding, Resolution, person},
        text::clip,
    },
    tokens::{self, SigningKey},
};

/// That the app is to be asked with a key that never mints. Nothing but a person ends that, so it is no
/// reason to try again soon; and what is not known is not well either.
pub fn never_asked(key: &SigningKey) -> Option<Finding> {
    let why = tokens::never_mints(key)?;
    Some(person(
        Reason::NotChecked,
        ConditionType::TokensAccepted,
        Severity::Error,
        None,
        format!(
            "the app cannot be asked: {why}; store a private key that mints in spec.jwt.secretRef, or leave out spec.probe"
        ),
    ))
}

/// How many pods a message names.
const MOST_NAMED: usize = 4;

/// A sentence for the condition where all is well and there is more to say than that; none where no pods
/// were asked.
pub fn remark(facts: &[VerifierFacts]) -> Option<String> {
    let mut remarks = Vec::new();
    for one in facts {
        match &one.pods {
            Pods::Unasked => {}
            Pods::Unknown { why, .. } => remarks.push(format!(
                "the pods behind {:?} were not asked one by one, since {}",
                one.name,
                clip(why, 300)
            )),
            Pods::Asked { ready: 0, .. } => {}
            Pods::Asked { asked, .. } if one.pods.is_unsettled() => remarks.push(format!(
                "{} of the pods behind {:?} answered by themselves, the others ended meanwhile: what came instead is asked in the next pass",
                asked.len(),
                one.name
            )),
            Pods::Asked { ready, .. } if *ready > MOST_ASKED => remarks.push(format!(
                "of the pods behind {:?} {MOST_ASKED} are asked at a time, the others by turns",
                one.name
            )),
            Pods::Asked { .. } => {
                remarks.push(format!("each ready pod behind {:?} does so by itself", one.name))
            }
        }
    }
    let all = "every verifier accepts what the key mints and refuses forgeries";
    (!remarks.is_empty()).then(|| clip(&format!("{all}; {}", remarks.join("; ")), 2048))
}

/// What is wrong with one verifier's answers.
pub fn verifier(facts: &VerifierFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(message) = rejected(facts) {
        found.push(retried(Reason::TokensRejected, message));
    }
    match &facts.genuine {
        ProbeAnswer::Accepted | ProbeAnswer::Refused(_) => found.extend(pods_without_answer(facts)),
        ProbeAnswer::Unclear(why) => {
            let nobody = match facts.pods {
                Pods::Asked { ready: 0, .. } => "; no pod behind it is ready",
                _ => "",
            };
            found.push(retried(
                Reason::VerifierUnreachable,
                format!("the verifier {:?} gave no answer that says anything: {why}{nobody}", facts.name),
            ));
        }
        ProbeAnswer::NotAllowed(why) => {
            found.push(not_allowed(format!("the verifier {:?} was not asked: {why}", facts.name)));
        }
    }
    if !facts.accepted_forgeries.is_empty() {
        let at = facts.forged_at.as_ref().map(|pod| format!(", asked at pod {}", clip(pod, 63)));
        found.push(finding(
            Reason::ForgedTokenAccepted,
            Severity::Critical,
            format!(
                "the verifier {:?} accepts forged tokens ({}{}): anyone can sign in as anyone, so take it off the network and pin algorithm and key",
                facts.name,
                facts.accepted_forgeries.join(", "),
                at.unwrap_or_default()
            ),
        ));
    }
    found
}

fn finding(reason: Reason, severity: Severity, message: String) -> Finding {
    person(reason, ConditionType::TokensAccepted, severity, None, message)
}

fn retried(reason: Reason, message: String) -> Finding {
    let mut found = finding(reason, Severity::Error, message);
    found.ends = Resolution::Automatic;
    found
}

fn not_allowed(message: String) -> Finding {
    finding(Reason::VerifierHostNotAllowed, Severity::Error, message)
}

fn rejected(facts: &VerifierFacts) -> Option<String> {
    let taken_by = facts.taken_by.as_ref().map(TakenBy::words);
    let asked = facts.pods.asked();
    let refusing: Vec<&PodFacts> = asked.iter().filter(|pod| pod.refuses()).collect();
    if !refusing.is_empty() {
        let Pods::Asked { ready, .. } = &facts.pods else { return None };
        let turn =
            if *ready > MOST_ASKED { format!(" (asked by turns, {ready} are ready)") } else { String::new() };
        let listed = named(&refusing, |pod| {
            let ProbeAnswer::Refused(status) = pod.genuine else { return String::new() };
            match &pod.accepts_previous {
                Some(origin) => format!(
                    "{status}, accepts the previous key (Secret {origin}), so it still runs with that"
                ),
                None => status.to_string(),
            }
        });
        let advice = match &facts.accepts_variant {
            Some(how) => otherwise(how),
            None => taken_by.unwrap_or_else(|| {
                "restart what still runs with an older Secret (kubectl rollout restart)".to_owned()
            }),
        };
        return Some(format!(
            "{} of {} pods behind the verifier {:?}{turn} refuse a token made with the signing key: {listed}; {advice}",
            refusing.len(),
            asked.len(),
            facts.name
        ));
    }
    let ProbeAnswer::Refused(status) = &facts.genuine else { return None };
    let name = &facts.name;
    if !asked.is_empty() && asked.iter().all(|pod| pod.genuine == ProbeAnswer::Accepted) {
        return Some(format!(
            "the verifier {name:?} answers {status} to a token made with the signing key, and each of {} pods behind it accepts it by itself: look at what is between, or ask again when pods have settled",
            asked.len()
        ));
    }
    let answers = format!("the verifier {name:?} answers {status} to a token made with the signing key");
    if let Some(how) = &facts.accepts_variant {
        return Some(format!("{answers}; {}", otherwise(how)));
    }
    let restart = "restart them (kubectl rollout restart)";
    Some(match (&facts.accepts_previous, taken_by) {
        (Some(origin), taken_by) => {
            let proof = format!(
                "{answers} and accepts one made with the previous key (Secret {origin}): its pods still run with that"
            );
            match taken_by {
                None => format!("{proof}, so {restart}"),
                Some(words) => format!("{proof}; {words}"),
            }
        }
        (None, None) => format!(
            "{answers}: its pods may still run with an older Secret, so {restart}; else compare algorithm, issuer and audience"
        ),
        (None, Some(words)) => format!(
            "{answers}: its pods may still run with an older Secret, else compare algorithm, issuer and audience; {words}"
        ),
    })
}

/// What is wrong where the app runs with the signing key in another form.
fn otherwise(how: &str) -> String {
    format!(
        "it accepts one whose key {how}: the app reads the Secret otherwise than it is stored here, and a restart does not help, so store the bytes that the app signs with, or change how it reads them"
    )
}

fn pods_without_answer(facts: &VerifierFacts) -> Vec<Finding> {
    let asked = facts.pods.asked();
    let mut found = Vec::new();
    let silent: Vec<&PodFacts> =
        asked.iter().filter(|pod| matches!(pod.genuine, ProbeAnswer::Unclear(_))).collect();
    if !silent.is_empty() {
        found.push(retried(
            Reason::VerifierUnreachable,
            format!(
                "{} of {} pods behind the verifier {:?} gave no answer that says anything: {}",
                silent.len(),
                asked.len(),
                facts.name,
                named(&silent, why)
            ),
        ));
    }
    let kept: Vec<&PodFacts> =
        asked.iter().filter(|pod| matches!(pod.genuine, ProbeAnswer::NotAllowed(_))).collect();
    if !kept.is_empty() {
        found.push(not_allowed(format!(
            "{} of {} endpoints of the verifier {:?} were not asked: {}",
            kept.len(),
            asked.len(),
            facts.name,
            named(&kept, why)
        )));
    }
    found
}

pub(in crate::domain) fn why(pod: &PodFacts) -> String {
    match &pod.genuine {
        ProbeAnswer::Unclear(why) | ProbeAnswer::NotAllowed(why) => clip(why, 150),
        ProbeAnswer::Accepted | ProbeAnswer::Refused(_) => String::new(),
    }
}

/// `a (401), b (403) and 3 more`.
fn named(pods: &[&PodFacts], about: impl Fn(&PodFacts) -> String) -> String {
    let listed: Vec<String> =
        pods.iter().take(MOST_NAMED).map(|pod| format!("{} ({})", clip(&pod.pod, 63), about(pod))).collect();
    let more = match pods.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests;
