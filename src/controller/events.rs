//! Kubernetes Events (events.k8s.io/v1), on transitions only. Holds a client.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

use super::{cluster::Cluster, dereference::Resource};
use crate::{
    api::{
        AuthConsistencyStatus,
        condition::{ConditionType, Reason},
        report::{Finding, Severity, SigningKeyReport},
    },
    consistency::{report::Outcome, rotation::key_changed, wording::clip},
};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// Whether somebody should look.
    pub warning: bool,
    /// Why.
    pub reason: Reason,
    /// What was done or found.
    pub note: String,
}

/// What is to be told of the step from one status to the next. Pure.
pub fn tellings(
    before: &AuthConsistencyStatus,
    after: &AuthConsistencyStatus,
    outcome: Option<&Outcome>,
) -> Vec<Telling> {
    let mut tellings = Vec::new();
    if let Some(outcome) = outcome {
        for step in &outcome.repaired {
            tellings.push(Telling { warning: false, reason: Reason::Repaired, note: step.message.clone() });
        }
        let changed = |key: &SigningKeyReport| key_changed(before.signing_key.as_ref(), key);
        if outcome.signing_key.as_ref().is_some_and(changed) {
            tellings.push(Telling {
                warning: true,
                reason: Reason::SigningKeyChanged,
                note: "the signing key is another one than before: tokens that people hold end, unless the app still accepts the previous key; if it was meant, restart the app, if not, put the old key back".into(),
            });
        }
    }
    for finding in after.findings.iter().filter(|finding| finding.severity == Severity::Critical) {
        let known = before.findings.iter().any(|old| {
            (old.finding, &old.object, account(old)) == (finding.finding, &finding.object, account(finding))
        });
        if !known {
            tellings.push(Telling { warning: true, reason: finding.finding, note: finding.message.clone() });
        }
    }
    let ready =
        |status: &AuthConsistencyStatus| {
            status.conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| {
                (condition.status.clone(), condition.reason.clone(), condition.message.clone())
            })
        };
    if let Some((status, reason, message)) = ready(after) {
        let same = ready(before).is_some_and(|(old, why, _)| (old, why) == (status.clone(), reason.clone()));
        let told = tellings.iter().any(|telling| telling.warning && telling.reason.as_str() == reason);
        let reason =
            serde_json::from_value(serde_json::Value::String(reason)).unwrap_or(Reason::InternalError);
        if !same && !told && status != "Unknown" {
            tellings.push(Telling { warning: status != "True", reason, note: message });
        }
    }
    tellings
}

/// The requests that are not done, and of which nobody was told before. Pure.
pub fn not_done(before: &AuthConsistencyStatus, after: &AuthConsistencyStatus) -> Vec<Telling> {
    let new = after.requests_not_done.iter().filter(|one| !before.requests_not_done.contains(one));
    new.map(|one| Telling { warning: true, reason: Reason::RequestNotDone, note: one.message.clone() })
        .collect()
}

/// The account that a finding of the user table is about, as its message quotes it: several may have the
/// same finding. The rest of a message changes from pass to pass with what is counted.
fn account(finding: &Finding) -> Option<&str> {
    let message = Some(&finding.message).filter(|_| finding.condition == ConditionType::AdminConsistent)?;
    message.split('"').nth(1)
}

/// Sends what is to be told. An event that does not come through is no reason to fail: the status has
/// the same word.
pub async fn send(cluster: &Cluster, resource: &Resource, tellings: &[Telling]) {
    for telling in tellings {
        let event = event(resource, telling);
        if let Err(error) = cluster.event(&resource.identity.namespace, &event).await {
            tracing::warn!(
                namespace = resource.identity.namespace,
                name = resource.identity.name,
                %error,
                "an event could not be sent"
            );
        }
    }
}

fn event(resource: &Resource, telling: &Telling) -> Event {
    let identity = &resource.identity;
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", identity.name.chars().take(200).collect::<String>())),
            namespace: Some(identity.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(if telling.reason == Reason::Repaired { "Repair" } else { "Check" }.into()),
        event_time: Some(MicroTime(jiff::Timestamp::now())),
        note: Some(clip(&telling.note, 1000)),
        reason: Some(telling.reason.as_str().into()),
        regarding: Some(ObjectReference {
            api_version: Some(crate::api::API_VERSION.into()),
            kind: Some("AuthConsistency".into()),
            name: Some(identity.name.clone()),
            namespace: Some(identity.namespace.clone()),
            uid: Some(identity.uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some("auth.probeops.com/auth-consistency".into()),
        reporting_instance: Some("auth-consistency".into()),
        type_: Some(if telling.warning { "Warning" } else { "Normal" }.into()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(accounts: &[(&str, i64)]) -> AuthConsistencyStatus {
        let findings = accounts.iter().map(|(login, rows)| Finding {
            finding: Reason::AdminIdClaimed,
            condition: ConditionType::AdminConsistent,
            severity: Severity::Critical,
            object: None,
            rows: Some(*rows),
            keys: None,
            sample: Vec::new(),
            message: format!("there is no account {login:?} in users, and {rows} rows name the id 8"),
            remedy: None,
            blocked: None,
            docs: String::new(),
        });
        AuthConsistencyStatus { findings: findings.collect(), ..AuthConsistencyStatus::default() }
    }

    #[test]
    fn a_critical_finding_is_told_once_for_each_account() {
        let (none, one) = (status(&[]), status(&[("a@example.com", 2)]));
        let two = status(&[("a@example.com", 3), ("b@example.com", 3)]);
        assert_eq!(tellings(&none, &one, None).len(), 1);
        let told = tellings(&one, &two, None);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].warning && told[0].note.contains("b@example.com"));
        assert_eq!(tellings(&two, &two, None), []);
        assert_eq!(tellings(&two, &status(&[("b@example.com", 9)]), None), []);
    }
}
