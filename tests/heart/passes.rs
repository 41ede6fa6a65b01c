//! Whole passes over the engine in memory, with a failure at each of its verbs.

use auth_consistency::{
    api::{condition::Reason, report::StepReport},
    domain::{
        fault::{Class, Fault},
        report::Outcome,
        request::{Approval, Requests},
        target::Target,
    },
    engine::{ErrorKind, Search},
    network::HostPolicy,
    pass::{
        self, ScanMode,
        memory::Memory,
        request::{Pass, Repairs, Supervisor, Unattended},
    },
};

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    engine::{Failure, How, InMemory, Verb, told},
    model::{self, Model, Policy, target_of},
    policies,
};

fn pass_with(
    engine: &InMemory,
    target: &Target,
    requests: &Requests,
    repairs: Repairs,
    supervisor: &dyn Supervisor,
) -> Result<Outcome, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap().block_on(pass::run(&Pass {
        engine,
        target,
        policy: &HostPolicy::unrestricted(Vec::new()),
        requests,
        memory: &Memory::default(),
        supervisor,
        repairs,
        look: ScanMode::Full,
        compare_password: false,
        search: Search::default(),
        ask: false,
        key_before: None,
        now: Timestamp::from_second(1_800_000_000).unwrap(),
    }))
}

fn pass(engine: &InMemory, target: &Target, requests: &Requests) -> Result<Outcome, Fault> {
    pass_with(engine, target, requests, Repairs::All, &Unattended)
}

/// Passes until one has nothing to do, with the approval of whatever waits.
fn to_the_end(engine: &InMemory, target: &Target, mut requests: Requests) -> Outcome {
    for _ in 0..6 {
        let outcome = pass(engine, target, &requests).unwrap();
        let waits = outcome.plan.as_ref().and_then(|plan| plan.hash.clone());
        if waits.is_none() && outcome.repaired.is_empty() {
            return outcome;
        }
        if let Some(hash) = waits {
            requests.approval = Some(Approval { hash, shown: Vec::new() });
        }
    }
    panic!("there is no end of it: {:?}", pass(engine, target, &requests));
}

fn failures() -> impl Strategy<Value = Failure> {
    let verbs = prop_oneof![
        1 => Just(Verb::Connect),
        1 => Just(Verb::Observe),
        1 => Just(Verb::Load),
        1 => Just(Verb::BeginRun),
        1 => Just(Verb::Prepare),
        4 => Just(Verb::ApplyChunk),
        1 => Just(Verb::Recorded),
        1 => Just(Verb::EndRun),
    ];
    let kinds = prop_oneof![
        Just(ErrorKind::Unavailable),
        Just(ErrorKind::Timeout),
        Just(ErrorKind::LockContention),
        Just(ErrorKind::PlanStale),
        Just(ErrorKind::Constraint),
        Just(ErrorKind::ReadOnly),
    ];
    let hows = prop_oneof![kinds.prop_map(How::Before), Just(How::AnswerLost), Just(How::Overtaken)];
    (verbs, 0_usize..4, hows).prop_map(|(verb, at, how)| Failure { verb, at, how })
}

/// What people see of the model: the sequence may have been moved once more.
fn seen(model: &Model) -> (Vec<i64>, bool, usize) {
    (model.logs.keys().copied().collect(), model.admin.is_some(), model.users.len())
}

proptest! {
    #[test]
    fn whatever_verb_fails_no_row_is_lost_and_what_a_pass_says_it_did_is_what_was_done(
        model in model::models(), policy in policies(), limit in 0_i64..20, failure in failures()
    ) {
        let target = target_of(&model, policy, limit, None);
        let engine = InMemory::of(model.clone());
        engine.state().failure = Some(failure);
        let ended = pass(&engine, &target, &Requests::default());
        let state = engine.state();
        prop_assert_eq!(state.model.rows_of_before(), model.rows_of_before());
        // Whoever cannot ask what was recorded has not heard of it, and says so by the failure.
        if let (Ok(outcome), true) = (&ended, failure.verb != Verb::Recorded) {
            prop_assert_eq!(told(&outcome.repaired), state.audited(), "{:?}", outcome.repaired);
        }
    }

    #[test]
    fn after_a_failure_the_next_passes_end_where_undisturbed_ones_do(
        model in model::models(), policy in policies(), limit in 0_i64..20, failure in failures()
    ) {
        let target = target_of(&model, policy, limit, None);
        let undisturbed = InMemory::of(model.clone());
        let end = to_the_end(&undisturbed, &target, Requests::default());
        let engine = InMemory::of(model);
        let first = pass(&engine, &target, &Requests::default());
        let requests = match first.ok().and_then(|outcome| outcome.plan).and_then(|plan| plan.hash) {
            Some(hash) => Requests {
                approval: Some(Approval { hash, shown: Vec::new() }),
                ..Requests::default()
            },
            None => Requests::default(),
        };
        let called = engine.state().called.iter().filter(|one| **one == failure.verb).count();
        engine.state().failure = Some(Failure { at: called + failure.at, ..failure });
        let _ = pass(&engine, &target, &requests);
        engine.state().failure = None;
        let again = to_the_end(&engine, &target, requests);
        prop_assert_eq!(again.verdict(), end.verdict());
        prop_assert_eq!(seen(&engine.state().model), seen(&undisturbed.state().model));
    }

    #[test]
    fn nothing_is_begun_once_what_was_asked_for_is_not_wanted_any_more(
        model in model::models(), policy in policies(), asked in 0_usize..6
    ) {
        let target = target_of(&model, policy, 1_000, None);
        let engine = InMemory::of(model);
        let supervisor = Patience { left: AtomicUsize::new(asked) };
        let _ = pass_with(&engine, &target, &Requests::default(), Repairs::All, &supervisor);
        let state = engine.state();
        let effects = state.called.iter().filter(|one| **one == Verb::ApplyChunk).count();
        prop_assert!(effects <= asked, "{effects} effects where {asked} were wanted");
    }

    #[test]
    fn a_pass_that_may_not_repair_calls_no_verb_that_writes(model in model::models(), policy in policies()) {
        let target = target_of(&model, policy, 1_000, None);
        let engine = InMemory::of(model.clone());
        pass_with(&engine, &target, &Requests::default(), Repairs::None, &Unattended).unwrap();
        let state = engine.state();
        prop_assert_eq!(&state.called, &[Verb::Connect, Verb::Observe]);
        prop_assert_eq!(&state.model, &model);
    }
}

/// Wants so many things, and no more.
struct Patience {
    left: AtomicUsize,
}

impl Supervisor for Patience {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        let wanted = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let answer = wanted.map(|_| ()).map_err(|_| Fault {
            reason: Reason::Suspended,
            condition: auth_consistency::api::condition::ConditionType::Ready,
            class: Class::Conflict,
            message: "it is not wanted any more".into(),
        });
        Box::pin(async move { answer })
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_asked_for_and_told() {
    let logs = (1..=5).map(|row| (row, Some(90 + row))).collect();
    let model = Model { admin: Some(1), next: 100, logs, ..Model::default() };
    let target = target_of(&model, Policy::Delete, 1_000, None);
    for (at, done) in [(0, 2), (1, 4), (2, 5)] {
        let engine = InMemory::of(model.clone());
        engine.state().failure = Some(Failure { verb: Verb::ApplyChunk, at, how: How::AnswerLost });
        let outcome = pass(&engine, &target, &Requests::default()).unwrap();
        assert_eq!(told(&outcome.repaired), done, "{:?}", outcome.repaired);
        assert_eq!(engine.state().model.quarantine.len() as i64, done);
        let failed = outcome.found.iter().find(|one| one.finding.finding == Reason::RepairFailed).unwrap();
        assert!(failed.finding.message.contains("the model says Unavailable"), "{}", failed.finding.message);
    }
}

#[test]
fn rows_that_others_hold_are_tried_again_and_no_more_of_them_is_done_than_was_planned() {
    let logs = (1..=5).map(|row| (row, Some(90 + row))).collect();
    let model = Model { admin: Some(1), next: 100, logs, ..Model::default() };
    let target = target_of(&model, Policy::SetNull, 1_000, None);
    let engine = InMemory::of(model);
    let held = How::Before(ErrorKind::LockContention);
    engine.state().failure = Some(Failure { verb: Verb::ApplyChunk, at: 1, how: held });
    let outcome = pass(&engine, &target, &Requests::default()).unwrap();
    assert_eq!(outcome.findings(), []);
    assert_eq!(told(&outcome.repaired), 5);
    let chunks = engine.state().called.iter().filter(|one| **one == Verb::ApplyChunk).count();
    assert_eq!(chunks, 5, "three that did something, one that was held, and one that found the end");
}

#[test]
fn a_run_that_was_overtaken_has_no_further_effect() {
    let logs = (1..=6).map(|row| (row, Some(90 + row))).collect();
    let model = Model { admin: Some(1), next: 100, logs, ..Model::default() };
    let target = target_of(&model, Policy::Delete, 1_000, None);
    let engine = InMemory::of(model);
    engine.state().failure = Some(Failure { verb: Verb::ApplyChunk, at: 1, how: How::Overtaken });
    let outcome = pass(&engine, &target, &Requests::default()).unwrap();
    assert_eq!((told(&outcome.repaired), engine.state().model.logs.len()), (2, 4));
    let blocked: Vec<_> = outcome.found.iter().filter_map(|one| one.finding.blocked).collect();
    assert_eq!(blocked, [Reason::TargetClaimed]);
}
