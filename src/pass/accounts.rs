//! The admin and the accounts beside it, as they are reported.

use crate::{
    api::{
        condition::ConditionType,
        report::{AdminReport, PasswordsReport},
    },
    domain::{
        diagnose::{hashing, references},
        facts::{Observation, accounts::AdminFacts},
        plan::offer::{self, ResetOffer},
        target::{Admin, Target},
        text::{clip, count},
    },
    pass::request::Pass,
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
    Some(hashing::report(target.hints, &target.users, sample))
}

/// Whether a reset is offered, where somebody wants to know how the admin's password is.
pub(super) fn reset_offer(pass: &Pass<'_>, observation: &Observation) -> Option<ResetOffer> {
    let take_claim = pass.requests.take_claim.as_deref();
    pass.compare_password.then(|| offer::reset(pass.target, observation, take_claim)).flatten()
}

fn one(spec: &Admin, facts: &AdminFacts) -> Option<AdminReport> {
    let account = facts.account.as_ref()?;
    Some(AdminReport {
        login: spec.login.clone(),
        id: clip(&account.id, 255),
        active: account.inactive.is_empty(),
        password_matches: account.password.matches,
        // What the text does not tell is known once it is verified.
        password_hash: account
            .password
            .format
            .filter(|format| format.is_told() || account.password.matches == Some(true))
            .map(|format| format.family),
        password_uncompared: account.password.uncompared.as_ref().map(|why| clip(why, 512)),
    })
}

/// What is said of accounts and of their ids when nothing is wrong with them.
pub(super) fn remarks(target: &Target, observation: &Observation) -> Vec<(ConditionType, String)> {
    let users = observation.users.as_ref().ok();
    let next_id = users.and_then(|users| references::untold(target, users));
    let next_id = next_id.map(|text| (ConditionType::SchemaCompatible, clip(&text, 1024)));
    remark(target).into_iter().chain(next_id).collect()
}

/// What is said of the accounts, where there are others than the admin.
fn remark(target: &Target) -> Option<(ConditionType, String)> {
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
