//! The conditions of one domain each: what is wrong of it, what could not be told, or what is so.

use crate::api::{
    condition::{ConditionType, Reason},
    report::FindingReport,
    status::AuthConsistencyStatus,
};

use super::{Outcome, amiss, set};

/// Sets one from the findings, or from what could not be told.
pub(super) fn set_one(
    next: &mut AuthConsistencyStatus,
    condition: ConditionType,
    outcome: &Outcome,
    findings: &[FindingReport],
) {
    let mine: Vec<&FindingReport> =
        findings.iter().filter(|finding| finding.condition == condition).collect();
    if let Some(worst) = mine.first() {
        let others = if mine.len() > 1 { format!(" (and {} more)", mine.len() - 1) } else { String::new() };
        let reason = worst.blocked.unwrap_or(worst.finding);
        let untold = worst.finding.is_untold() && condition != ConditionType::SchemaCompatible;
        let message = format!("{}{others}", worst.message);
        amiss(next, condition, if untold { "Unknown" } else { "False" }, reason, &message);
        return;
    }
    if let Some((_, reason, message)) = outcome.unknown.iter().find(|(unknown, ..)| *unknown == condition) {
        amiss(next, condition, "Unknown", *reason, message);
        return;
    }
    let (reason, message) = match condition {
        ConditionType::DatabaseReachable => (Reason::Connected, "the database answers"),
        ConditionType::SchemaCompatible => (Reason::Compatible, "the schema is what the spec needs"),
        ConditionType::AdminConsistent => (Reason::Consistent, "the admin is what the spec says"),
        ConditionType::ReferencesConsistent => (Reason::Consistent, "every reference names a user"),
        ConditionType::SigningKeyTrusted => (Reason::Trusted, "the signing key shows no weakness"),
        ConditionType::TokensAccepted => {
            (Reason::Accepted, "every verifier accepts what the key mints and refuses forgeries")
        }
        ConditionType::Ready | ConditionType::Reconciling | ConditionType::Stalled => return,
    };
    let remark = outcome.remarks.iter().find(|(about, _)| *about == condition);
    set(&mut next.conditions, condition, "True", reason, remark.map_or(message, |(_, text)| text));
}
