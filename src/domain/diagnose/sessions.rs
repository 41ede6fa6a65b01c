//! Tokens that outlive a change: whose must end, why, and whether that was done already.
//!
//! A token names a user by id. Where ids change hands, an old token signs in as somebody else, and no
//! signature tells. So the app is told from when on the tokens of those accounts count: once for each
//! change, since the database writes down for what it was done.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
    },
    domain::{
        facts::{Observation, rights::Right, schema::UserTable, sessions::MeansFacts},
        finding::{Finding, person},
        hints::{Grant, On},
        step::Step,
        target::Target,
        text::count,
    },
};

pub use crate::domain::facts::session_mechanism::{Mechanism, Revoked, Sessions, TimeKind};

use super::rights;

/// What is wrong with the means, and whose tokens and sessions outlive a change.
pub(in crate::domain) fn findings(
    target: &Target,
    observation: &Observation,
    users: &UserTable,
) -> Vec<Finding> {
    let Some(facts) = &observation.sessions else { return Vec::new() };
    let mut found = Vec::new();
    // What others end is written down for a table without sessions too: those to come are of afterwards.
    let any = facts.means.iter().any(|one| one.rows > 0 && one.usable().is_some() && one.permitted);
    for one in &facts.means {
        if let (Some(means), Some((reason, why))) = (&one.means, &one.problem) {
            let object = Some(means.object(&users.object));
            let condition = ConditionType::SchemaCompatible;
            found.push(person(*reason, condition, Severity::Error, object, why.clone()));
        }
        found.extend(outlive(target, one, users, any));
    }
    found
}

fn outlive(target: &Target, facts: &MeansFacts, users: &UserTable, any: bool) -> Option<Finding> {
    let along = any && facts.permitted && facts.usable().is_some_and(Mechanism::of_rows);
    let due = facts.due.as_ref().filter(|_| facts.rows > 0 || along)?;
    let why: Vec<String> = due.causes.iter().map(|cause| cause.words(&users.object)).collect();
    let object = facts.means.as_ref().map_or_else(|| users.object.clone(), |one| one.object(&users.object));
    let table = ObjectRef { columns: Vec::new(), ..object.clone() };
    let mut message = match &facts.means {
        Some(Mechanism::Rows { .. }) if facts.rows == 0 => format!(
            "{}: no row of {} is a session from before, which is written down with the rest",
            why.join("; "),
            table.describe()
        ),
        Some(Mechanism::Rows { .. }) => format!(
            "{}: {} of {} {} from before",
            why.join("; "),
            count(facts.rows, "row"),
            table.describe(),
            if facts.rows == 1 { "is a session" } else { "are sessions" }
        ),
        _ => format!(
            "{}: old tokens are accepted for {} of {}",
            why.join("; "),
            count(facts.rows, "account"),
            users.object.describe()
        ),
    };
    let usable = facts.usable();
    let mut refused = None;
    match (&facts.means, usable) {
        (_, Some(Mechanism::Rows { .. })) if !facts.permitted => {
            message.push_str(&format!(
                "; the role may not UPDATE and DELETE rows of {}, {}",
                table.describe(),
                rights::grant(target.hints, &users.rights, &[Right::Update, Right::Delete], &table)
            ));
            refused = Some(Reason::PrivilegeMissing);
        }
        (_, Some(_)) if !facts.permitted => {
            message.push_str(&format!(
                "; the role may not UPDATE {}, {}",
                object.describe(),
                rights::granted(
                    target.hints,
                    &users.rights.role,
                    [Grant { rights: &[Right::Update], on: On::Columns(&object) }]
                )
            ));
            refused = Some(Reason::PrivilegeMissing);
        }
        (_, Some(_)) => {}
        (Some(means), None) => {
            message.push_str(&format!("; they can be ended when {} is right", means.field()));
        }
        (None, None) => message.push_str(
            "; name what ends them in spec.sessions (invalidateBeforeColumn, stampColumn or tables), or have people clear their browsers by the session-reset page (docs/session-reset.md)",
        ),
    }
    let condition = if target.probe.is_some() {
        ConditionType::TokensAccepted
    } else {
        ConditionType::ReferencesConsistent
    };
    let about =
        if facts.means.as_ref().is_some_and(Mechanism::of_rows) { table } else { users.object.clone() };
    let mut found = person(Reason::SessionsOutliveChange, condition, due.severity(), Some(about), message);
    found.finding.rows = Some(facts.rows);
    match (usable, refused) {
        (_, Some(reason)) => Some(found.blocked_by(reason)),
        (None, None) => Some(found),
        (Some(means), None) => {
            let step = Step::EndSessions {
                means: means.clone(),
                object,
                digest: due.digest(),
                due: due.clone(),
                rows: facts.rows,
                active: facts.active,
            };
            let mut found = found.with_step(step);
            found.approval = (!due.follows_a_move()).then(|| match facts.active {
                0 => "it ends tokens of accounts".to_owned(),
                active => format!("it signs {} out", count(active, "active account")),
            });
            Some(found)
        }
    }
}

#[cfg(test)]
mod tests;
