//! The heart against a model of a database: no clock, no client, no SQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod accounts;
mod engine;
mod model;
mod passes;

use auth_consistency::domain::request::{Approval, Requests};

use auth_consistency::api::{
    AuthConsistencyStatus,
    condition::Reason,
    report::{Action, Severity},
};
use auth_consistency::domain::{
    diagnose::diagnose,
    plan::propose,
    report::{End, Outcome, Seen, Verdict, status},
    target::Target,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use model::{Model, Policy, target, target_of};
use proptest::prelude::*;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// One pass over the model, as `pass::run` does it over a database.
fn pass(model: &mut Model, target: &Target, requests: &Requests) -> Outcome {
    let before = model.observe(target);
    let found = diagnose(target, &before, Vec::new(), None, requests);
    let proposed = propose(target, &before, &found);
    let (permitted, _) = proposed.permit(target, &before, requests.approval.as_ref(), None);
    let repaired = permitted.steps().iter().map(|one| model.apply(target, one.step())).collect();
    if permitted.approval().is_some() {
        model.serial += 1;
    }
    let after = model.observe(target);
    let found = diagnose(target, &after, Vec::new(), None, &Requests::default());
    let plan = propose(target, &after, &found).report(target);
    model.outcome(target, &after, found, plan, repaired)
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Report), Just(Policy::Reassign), Just(Policy::SetNull), Just(Policy::Delete),]
}

proptest! {
    #[test]
    fn the_same_observation_gives_the_same_plan_and_a_byte_equal_status(
        model in model::models(), policy in policies(), limit in 0_i64..20
    ) {
        let target = target_of(&model, policy, limit, None);
        let observation = model.observe(&target);
        let once = diagnose(&target, &observation, Vec::new(), None, &Requests::default());
        let again = diagnose(&target, &observation, Vec::new(), None, &Requests::default());
        prop_assert_eq!(propose(&target, &observation, &once), propose(&target, &observation, &again));

        let outcome = model.clone().outcome(&target, &observation, once.clone(), None, Vec::new());
        let end = End::Done(Box::new(outcome));
        let first = status(&AuthConsistencyStatus::default(), 1, &at(1), &end, &Seen::default());
        let second = status(&first, 1, &at(2), &end, &Seen::default());
        prop_assert_eq!(serde_json::to_vec(&first).unwrap(), serde_json::to_vec(&second).unwrap());
    }

    #[test]
    fn applying_a_plan_leaves_none_of_the_findings_that_it_promised_to_mend(
        model in model::models(), policy in policies(), limit in 0_i64..20
    ) {
        let mut model = model;
        let target = target_of(&model, policy, limit, None);
        let first = pass(&mut model, &target, &Requests::default());
        let outcome = match first.plan.as_ref().and_then(|plan| plan.hash.clone()) {
            Some(hash) => {
                let requests = Requests {
                    approval: Some(Approval { hash, shown: Vec::new() }),
                    ..Requests::default()
                };
                pass(&mut model, &target, &requests)
            }
            None => first,
        };
        let promised: Vec<_> = outcome.findings().into_iter().filter(|finding| finding.remedy.is_some()).collect();
        prop_assert!(promised.is_empty(), "still there: {:?}", promised);
        prop_assert!(outcome.plan.is_none(), "still planned: {:?}", outcome.plan);
        if policy != Policy::Report {
            prop_assert_eq!(outcome.verdict(), Verdict::Consistent);
        }
    }

    #[test]
    fn live_rows_and_quarantine_are_always_the_rows_of_before(
        model in model::models(), policy in policies(), limit in 0_i64..20
    ) {
        let mut model = model;
        let before = model.logs.clone();
        let target = target_of(&model, policy, limit, None);
        let first = pass(&mut model, &target, &Requests::default());
        if let Some(hash) = first.plan.and_then(|plan| plan.hash) {
            let requests = Requests { approval: Some(Approval { hash, shown: Vec::new() }), ..Requests::default() };
            pass(&mut model, &target, &requests);
        }
        prop_assert_eq!(model.rows_of_before(), before);
    }

    #[test]
    fn the_admin_never_gets_an_id_that_rows_name(
        model in model::models(), policy in policies()
    ) {
        let mut model = model;
        let named: Vec<i64> = model.logs.values().flatten().copied().collect();
        let there = model.admin;
        let target = target_of(&model, policy, 1_000, None);
        pass(&mut model, &target, &Requests::default());
        if let (None, Some(id)) = (there, model.admin) {
            prop_assert!(!named.contains(&id), "{id} is named by {named:?}");
        }
    }

    #[test]
    fn an_approval_is_used_once_and_only_for_its_own_plan(
        model in model::models(), limit in 0_i64..5
    ) {
        let mut model = model;
        let target = target_of(&model, Policy::Delete, limit, None);
        let first = pass(&mut model, &target, &Requests::default());
        let Some(hash) = first.plan.and_then(|plan| plan.hash) else { return Ok(()) };
        let mut moved = model.clone();
        moved.logs.insert(9_999, Some(77_777));
        let requests = Requests { approval: Some(Approval { hash, shown: Vec::new() }), ..Requests::default() };
        let rows = moved.logs.clone();
        pass(&mut moved, &target, &requests);
        prop_assert_eq!(&moved.logs, &rows, "a key that was not approved, and rows are gone");

        pass(&mut model, &target, &requests);
        let lost = model.quarantine.clone();
        for (id, row) in lost {
            model.logs.insert(id, row);
        }
        let rows = model.logs.clone();
        pass(&mut model, &target, &requests);
        prop_assert_eq!(&model.logs, &rows, "the same approval was used twice");
    }
}

#[test]
fn an_id_that_rows_name_is_given_only_after_approval() {
    let mut model = Model { logs: [(1, Some(1)), (2, Some(1))].into(), ..Model::default() };
    let target = target(Policy::Report, 10, Some("1"));
    let outcome = pass(&mut model, &target, &Requests::default());
    assert_eq!(model.admin, None);
    let claimed = outcome.findings().into_iter().find(|one| one.finding == Reason::AdminIdClaimed).unwrap();
    assert_eq!(
        (claimed.severity, claimed.rows, claimed.remedy),
        (Severity::Critical, Some(2), Some(Action::Seed))
    );
    let hash = outcome.plan.unwrap().hash.unwrap();
    let requests = Requests { approval: Some(Approval { hash, shown: Vec::new() }), ..Requests::default() };
    pass(&mut model, &target, &requests);
    assert_eq!(model.admin, Some(1));
}

#[test]
fn observing_gives_the_same_findings_as_enforcing_and_permits_nothing() {
    let model = Model { logs: [(1, Some(9))].into(), ..Model::default() };
    let enforcing = target(Policy::Delete, 100, None);
    let mut observing = target(Policy::Delete, 100, None);
    observing.mode = auth_consistency::api::spec::Mode::Observe;
    let observation = model.observe(&enforcing);
    let requests = Requests::default();
    let (mine, theirs) = (
        diagnose(&enforcing, &observation, Vec::new(), None, &requests),
        diagnose(&observing, &observation, Vec::new(), None, &requests),
    );
    assert_eq!(mine, theirs);
    let proposed = propose(&observing, &observation, &theirs);
    let (permitted, _) = proposed.permit(&observing, &observation, None, None);
    assert!(permitted.steps().is_empty());
}
