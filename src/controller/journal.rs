//! What the log says of a pass: every repair, approval, refusal and change of verdict, and every failure. A pass
//! after which all is as before says nothing at the usual level.

use std::time::Duration;

use super::dereference::Resource;
use crate::{
    api::{AuthConsistencyStatus, condition::ConditionType, report::StepReport},
    domain::report::{End, Outcome},
};

/// The verdict of a status: Ready and its reason, with the message.
fn verdict(status: &AuthConsistencyStatus) -> (&str, &str, &str) {
    let ready = status.conditions.iter().find(|one| one.type_ == ConditionType::Ready.as_str());
    ready.map_or(("", "", ""), |one| (&one.status, &one.reason, &one.message))
}

/// Writes down what came of a pass; `failures` is how many failed in a row.
pub fn pass_ended(
    resource: &Resource,
    next: &AuthConsistencyStatus,
    end: &End,
    elapsed: Duration,
    failures: u32,
) {
    let (namespace, name) = (resource.identity.namespace.as_str(), resource.identity.name.as_str());
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let (before, after) = (verdict(&resource.status), verdict(next));
    if let End::Done(outcome) = end {
        done(namespace, name, outcome, before.2 != after.2);
    }
    let changed = (before.0, before.1) != (after.0, after.1);
    if changed {
        let (was, ready, reason, why) = (before.1, after.0, after.1, after.2);
        if ready == "True" {
            tracing::info!(namespace, name, ready, was, reason, why, "the verdict has changed");
        } else {
            tracing::warn!(namespace, name, ready, was, reason, why, "the verdict has changed");
        }
    }
    match end {
        End::Done(_) => tracing::debug!(namespace, name, elapsed_ms, reason = after.1, "the pass has ended"),
        End::Failed(fault) => {
            let (reason, why) = (fault.reason.as_str(), fault.message.as_str());
            tracing::warn!(namespace, name, elapsed_ms, failures, reason, why, "the pass has failed");
        }
        // Changes with the spec or its Secrets, and was told when it did.
        End::NoTarget(_) => {
            tracing::debug!(
                namespace,
                name,
                elapsed_ms,
                failures,
                reason = after.1,
                "there is nothing to look at"
            );
        }
    }
}

fn done(namespace: &str, name: &str, outcome: &Outcome, other_words: bool) {
    for StepReport { action, object, account, rows, message, .. } in &outcome.repaired {
        let (object, account, what) = (object.describe(), account.as_deref(), message.as_str());
        tracing::info!(namespace, name, action = action.as_str(), object, account, rows, what, "repaired");
    }
    if let Some(approval) = &outcome.approval_used {
        tracing::info!(namespace, name, approval, "the approval was used");
    }
    if let Some(why) = outcome.approval_unused.as_ref().filter(|_| other_words) {
        tracing::warn!(namespace, name, why, "the approval was not used");
    }
    if outcome.reset_handled.is_some() {
        tracing::info!(namespace, name, "the reset that was asked for is done");
    }
}
