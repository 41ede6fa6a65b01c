//! The admin and the accounts beside it, as they are reported.

use crate::{
    api::{
        condition::ConditionType,
        report::{AdminReport, PasswordsReport},
    },
    consistency::{
        hashing,
        observation::{AdminFacts, Observation},
        target::{Admin, Target},
        wording::{clip, count},
    },
};

/// The admin; `None` where the spec names none or it is not there.
pub(super) fn admin(target: &Target, observation: &Observation) -> Option<AdminReport> {
    one(target.admin.as_ref()?, observation.admin.as_ref()?)
}

/// Those of the other accounts that are there.
pub(super) fn beside(target: &Target, observation: &Observation) -> Vec<AdminReport> {
    let known = target.accounts.iter().zip(&observation.accounts);
    known.filter_map(|(spec, facts)| one(spec, facts)).collect()
}

/// What the other accounts have, and what is written beside them.
pub(super) fn passwords(target: &Target, observation: &Observation) -> Option<PasswordsReport> {
    let users = observation.users.as_ref().ok()?;
    // The admin's, or that of the first account; they differ only where nobody but kept accounts has any.
    let sample = users.passwords.get(&None).or_else(|| users.passwords.values().next())?;
    Some(hashing::report(&target.users, sample))
}

fn one(spec: &Admin, facts: &AdminFacts) -> Option<AdminReport> {
    let account = facts.account.as_ref()?;
    Some(AdminReport {
        login: spec.login.clone(),
        id: clip(&account.id, 255),
        active: account.inactive.is_empty(),
        password_matches: account.password.matches,
        password_hash: account.password.format.map(|format| format.family),
        password_uncompared: account.password.uncompared.as_ref().map(|why| clip(why, 512)),
    })
}

/// What is said of the accounts when nothing is wrong with them, where there are others than the admin.
pub(super) fn remark(target: &Target) -> Option<(ConditionType, String)> {
    let beside = i64::try_from(target.accounts.len()).unwrap_or(i64::MAX);
    let accounts = count(beside, "account");
    let who = match (&target.admin, beside) {
        (_, 0) => return None,
        (Some(_), _) => format!("the admin and {accounts} beside it are"),
        (None, 1) => format!("{accounts} is"),
        (None, _) => format!("{accounts} are"),
    };
    Some((ConditionType::AdminConsistent, format!("{who} what the spec says")))
}
