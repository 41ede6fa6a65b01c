//! Kubernetes Events, on transitions only. Holds a client.
//!
//! They are those of `core/v1`: `kubectl describe` sorts by `lastTimestamp`, which `events.k8s.io/v1` does not
//! let anybody set.

use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time},
};

use super::{context::Context, dereference::Resource};
use crate::{
    api::{
        self, AuthConsistencyStatus,
        condition::{ConditionType, Reason},
        report::{FindingReport, Severity, SigningKeyReport},
    },
    domain::{diagnose::rotation::key_changed, report::Outcome, target::ResourceIdentity, text::clip},
};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
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
) -> Vec<EventDraft> {
    let mut tellings = Vec::new();
    if let Some(outcome) = outcome {
        for step in &outcome.repaired {
            tellings.push(EventDraft {
                warning: false,
                reason: Reason::Repaired,
                note: step.message.clone(),
            });
        }
        let changed = |key: &SigningKeyReport| key_changed(before.signing_key.as_ref(), key);
        if outcome.signing_key.as_ref().is_some_and(changed) {
            tellings.push(EventDraft {
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
            tellings.push(EventDraft {
                warning: true,
                reason: finding.finding,
                note: finding.message.clone(),
            });
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
            // Whoever suspends knows what it was like.
            let warning = status != "True" && reason != Reason::Suspended;
            tellings.push(EventDraft { warning, reason, note: message });
        }
    }
    tellings
}

/// The requests that are not done, and of which nobody was told before. Pure.
pub fn not_done(before: &AuthConsistencyStatus, after: &AuthConsistencyStatus) -> Vec<EventDraft> {
    let new = after.requests_not_done.iter().filter(|one| !before.requests_not_done.contains(one));
    new.map(|one| EventDraft { warning: true, reason: Reason::RequestNotDone, note: one.message.clone() })
        .collect()
}

/// The account that a finding of the user table is about, as its message quotes it: several may have the
/// same finding. The rest of a message changes from pass to pass with what is counted.
fn account(finding: &FindingReport) -> Option<&str> {
    let message = Some(&finding.message).filter(|_| finding.condition == ConditionType::AdminConsistent)?;
    message.split('"').nth(1)
}

/// Sends what is to be told. An event that does not come through is no reason to fail: the status has
/// the same word.
pub async fn send(context: &Context, resource: &Resource, tellings: &[EventDraft]) {
    for telling in tellings {
        let event = event(&resource.identity, telling, &context.instance, jiff::Timestamp::now());
        if let Err(error) = context.cluster.event(&resource.identity.namespace, &event).await {
            let (namespace, name) = (&resource.identity.namespace, &resource.identity.name);
            if error.is_about_the_end() {
                tracing::debug!(namespace, name, %error, "nobody reads events of what is being deleted");
            } else {
                tracing::warn!(namespace, name, %error, "an event could not be sent");
            }
        }
    }
}

/// What the API server takes for a name's end.
fn is_end(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit()
}

fn event(identity: &ResourceIdentity, telling: &EventDraft, instance: &str, now: jiff::Timestamp) -> Event {
    // Events of one second sort by their names.
    let start: String = identity.name.chars().take(200).collect();
    let name = format!("{}.{:016x}", start.trim_end_matches(|letter| !is_end(letter)), now.as_nanosecond());
    let second = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(identity.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(if telling.reason == Reason::Repaired { "Repair" } else { "Check" }.into()),
        count: Some(1),
        event_time: Some(MicroTime(now)),
        first_timestamp: Some(Time(second)),
        last_timestamp: Some(Time(second)),
        message: Some(clip(&telling.note, 1000)),
        reason: Some(telling.reason.as_str().into()),
        involved_object: ObjectReference {
            api_version: Some(api::API_VERSION.into()),
            kind: Some("AuthConsistency".into()),
            name: Some(identity.name.clone()),
            namespace: Some(identity.namespace.clone()),
            uid: Some(identity.uid.clone()),
            ..ObjectReference::default()
        },
        reporting_component: Some("auth.probeops.com/auth-consistency".into()),
        reporting_instance: Some(clip(instance, 128)),
        source: Some(EventSource { component: Some("auth-consistency".into()), host: None }),
        type_: Some(if telling.warning { "Warning" } else { "Normal" }.into()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(accounts: &[(&str, i64)]) -> AuthConsistencyStatus {
        let findings = accounts.iter().map(|(login, rows)| FindingReport {
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

    #[test]
    fn events_say_which_pod_sent_them_and_sort_by_time_and_by_name() {
        let identity = ResourceIdentity {
            namespace: "shop".into(),
            // Cut in front of its last word.
            name: format!("{}-.app", "a".repeat(199)),
            uid: "1".into(),
            generation: 1,
        };
        let telling = EventDraft { warning: false, reason: Reason::Repaired, note: "gave rows back".into() };
        let at = |text: &str| event(&identity, &telling, "operator-7d9f-x2x", text.parse().unwrap());
        let (one, other) = (at("2026-11-30T09:00:00.000000001Z"), at("2026-11-30T09:00:00.9Z"));
        assert_eq!(one.reporting_instance.as_deref(), Some("operator-7d9f-x2x"));
        assert_eq!(one.last_timestamp, other.last_timestamp, "in whole seconds");
        let name = |event: &Event| event.metadata.name.clone().unwrap();
        assert!(name(&one) < name(&other));
        assert!(name(&one).starts_with(&format!("{}.", "a".repeat(199))), "{}", name(&one));
    }
}
