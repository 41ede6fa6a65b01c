//! What an approval is bound to.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::{
    facts::Observation,
    step::{PlannedStep, Step},
    target::Target,
};

/// The part of a step that an approval is bound to. Field order is part of the format.
#[derive(Serialize)]
pub(in crate::domain) struct HashedStep<'a> {
    action: &'static str,
    schema: &'a str,
    table: &'a str,
    columns: &'a [String],
    definition: &'a str,
    rows: i64,
    pub(in crate::domain) detail: String,
}

#[derive(Serialize)]
struct Hashed<'a> {
    uid: &'a str,
    generation: i64,
    serial: i64,
    heir: &'a str,
    steps: Vec<HashedStep<'a>>,
}

/// SHA-256 of canonical JSON over what an approval is bound to: resource uid, generation, plan
/// serial, who is given rows, and the ordered steps that wait with their rows. Not SQL text, not our
/// version. Rows are part of it, so that an approval is never good for more of them than were shown.
pub(in crate::domain) fn hash(
    target: &Target,
    observation: &Observation,
    steps: &[PlannedStep],
) -> Option<String> {
    let waiting: Vec<HashedStep<'_>> =
        steps.iter().filter(|one| one.waits.is_some()).map(|one| hashed(&one.step)).collect();
    if waiting.is_empty() {
        return None;
    }
    let identity = &observation.server.identity;
    let uid = format!("{}@{}/{}", target.resource.uid, identity.system, identity.database);
    let hashed = Hashed {
        uid: &uid,
        generation: target.resource.generation,
        heir: target.admin.as_ref().map_or("", |admin| admin.login.as_str()),
        serial: observation.bookkeeping.claim.as_ref().map_or(0, |claim| claim.plan_serial),
        steps: waiting,
    };
    let mut json = serde_json::to_vec(&hashed).ok()?;
    let hex = |json: &[u8]| Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hash = hex(&json);
    // A database that was put back counts from an earlier serial: what was approved by then is asked anew.
    if observation.bookkeeping.approval_before.as_ref() == Some(&hash) {
        json.extend_from_slice(hash.as_bytes());
        return Some(hex(&json));
    }
    Some(hash)
}

pub(in crate::domain) fn hashed(step: &Step) -> HashedStep<'_> {
    let object = step.object();
    let (definition, detail) = match step {
        Step::Remap { definition, digest, surplus, .. } => {
            (definition.as_str(), format!("{digest}{}", removed(*surplus)))
        }
        Step::Rows { definition, digest, takes, surplus, .. } => {
            let taken: String = takes
                .iter()
                .map(|taken| format!(", {} {} {:?}", taken.action, taken.rows, taken.object))
                .collect();
            (definition.as_str(), format!("{digest}{taken}{}", removed(*surplus)))
        }
        Step::MoveId { from, to, claimed, account, .. } => {
            ("", format!("{from} -> {to}, claimed: {claimed}{}", of(account)))
        }
        Step::Seed { id, claimed, account, .. } => ("", format!("{id:?}, claimed: {claimed}{}", of(account))),
        Step::EndSessions { digest, .. } => ("", digest.clone()),
        Step::AddConstraint { reference, options } => {
            (reference.constraint.as_deref().unwrap_or_default(), options.to_string())
        }
        Step::ValidateConstraint { reference } => {
            (reference.constraint.as_deref().unwrap_or_default(), String::new())
        }
        _ => ("", String::new()),
    };
    HashedStep {
        action: step.action().as_str(),
        schema: &object.schema,
        table: &object.table,
        columns: &object.columns,
        definition,
        // Whoever signs up meanwhile is one of everybody, and people sign in while they are asked about.
        rows: if step.open_ended() { 0 } else { step.rows() },
        detail,
    }
}

/// Whose step it is. The admin's says nothing, as before there were other accounts.
fn of(account: &Option<String>) -> String {
    account.as_ref().map_or_else(String::new, |login| format!(", account: {login:?}"))
}

fn removed(surplus: i64) -> String {
    if surplus > 0 { format!(", {surplus} removed") } else { String::new() }
}
