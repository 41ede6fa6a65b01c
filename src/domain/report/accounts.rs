//! The admin and the accounts beside it, as the status has them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Outcome;
use crate::api::{
    report::{Action, AdminReport},
    status::{AdminStatus, AuthConsistencyStatus},
};

/// Writes down what the accounts are, and when this resource seeded or reset them.
pub(super) fn status(next: &mut AuthConsistencyStatus, outcome: &Outcome, now: &Time) {
    next.admin = outcome.admin.as_ref().map(|admin| one(next.admin.as_ref(), admin, None, outcome, now));
    let accounts = outcome.accounts.iter().map(|account| {
        let before = next.accounts.iter().find(|before| before.login == account.login);
        one(before, account, Some(&account.login), outcome, now)
    });
    next.accounts = accounts.collect();
}

/// One account: the admin, or the one of that login.
fn one(
    before: Option<&AdminStatus>,
    report: &AdminReport,
    login: Option<&str>,
    outcome: &Outcome,
    now: &Time,
) -> AdminStatus {
    let before = before.filter(|before| before.login == report.login);
    let time = |action: Action, before: Option<&Time>| {
        let mut done = outcome.repaired.iter();
        if done.any(|step| step.action == action && step.account.as_deref() == login) {
            Some(now.clone())
        } else {
            before.cloned()
        }
    };
    AdminStatus {
        id: Some(report.id.clone()),
        login: report.login.clone(),
        seeded_time: time(Action::Seed, before.and_then(|before| before.seeded_time.as_ref())),
        reset_time: time(Action::Reset, before.and_then(|before| before.reset_time.as_ref())),
        password_hash: report.password_hash,
    }
}
