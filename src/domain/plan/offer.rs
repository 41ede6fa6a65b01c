//! What is offered beside what is wrong. An offer stands only where what it names would be done now, and that is
//! asked of what would do it.

use crate::domain::{
    diagnose::{account::password, diagnose},
    facts::Observation,
    plan::propose,
    request::Requests,
    step::Step,
    target::Target,
};

/// A reset of the admin that would be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResetOffer {
    /// What is odd about the password that it would write, in a clause.
    pub odd: Option<String>,
}

/// Whether the admin's password is not known to be the right one in a format that the app reads, and a reset
/// that somebody asks for now would write it.
pub fn reset(target: &Target, observation: &Observation, take_claim: Option<&str>) -> Option<ResetOffer> {
    let (admin, users) = (target.admin.as_ref()?, observation.users.as_ref().ok()?);
    let account = observation.admin.as_ref()?.account.as_ref()?;
    let facts = &account.password;
    let good = facts.matches == Some(true) || (facts.matches.is_none() && facts.uncompared.is_none());
    if good && !password::is_foreign(target, admin, account, users) {
        return None;
    }
    let requests = Requests { reset: Some("offered".into()), ..Requests::default() };
    let found = diagnose(target, observation, Vec::new(), None, &requests);
    let (permitted, _) = propose(target, observation, &found).permit(target, observation, None, take_claim);
    let writes = |step: &Step| matches!(step, Step::Reset { account: None, .. });
    permitted.steps().iter().any(|one| writes(one.step())).then(|| ResetOffer { odd: password::odd(admin) })
}
