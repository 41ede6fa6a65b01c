//! Several accounts in one plan: none of them stands in another's way, none is taken for another.

use auth_consistency::{
    api::{
        condition::Reason,
        report::{Action, Severity},
        spec::{PasswordFamily, PasswordPolicy},
    },
    domain::{
        diagnose::diagnose,
        facts::{IdDefault, Observation, key_kind::KeyKind},
        finding::Finding,
        plan::propose,
        report::Verdict,
        request::{Approval, Requests},
        step::Step,
        target::Target,
    },
    passwords::Format,
};
use proptest::prelude::*;

use crate::{
    model::{self, Beside, Model, Policy, login, target_of},
    pass,
};

fn beside(accounts: &[(Option<i64>, Option<i64>)]) -> Model {
    let beside = accounts.iter().map(|(there, wanted)| Beside { there: *there, wanted: *wanted }).collect();
    Model { admin: Some(1), users: [5].into(), beside, next: 40, ..Model::default() }
}

fn found(target: &Target, observation: &Observation) -> Vec<Finding> {
    diagnose(target, observation, Vec::new(), None, &Requests::default())
}

/// Findings and messages of the accounts.
fn told(target: &Target, observation: &Observation) -> Vec<(Reason, String)> {
    found(target, observation).into_iter().map(|one| (one.finding.finding, one.finding.message)).collect()
}

/// The steps in words, and whether they wait.
fn planned(target: &Target, observation: &Observation) -> Vec<(Action, String, bool)> {
    let plan = propose(target, observation, &found(target, observation)).report(target);
    let steps = plan.into_iter().flat_map(|plan| plan.steps);
    steps.map(|step| (step.action, step.message, step.waits.is_some())).collect()
}

/// How a step ends that writes a password beside nobody else's.
const AS: &str = ", its password as bcrypt ($2b$, cost 12)";

#[test]
fn each_missing_account_gets_the_next_id_of_the_sequence() {
    let mut model = Model { next: 7, users: [1, 2].into(), ..beside(&[(None, None), (None, None)]) };
    model.admin = None;
    let target = target_of(&model, Policy::Report, 10, None);
    let outcome = pass(&mut model, &target, &Requests::default());
    assert_eq!((model.admin, model.beside[0].there, model.beside[1].there), (Some(7), Some(8), Some(9)));
    let seeded: Vec<_> = outcome.repaired.iter().map(|step| (step.action, step.account.clone())).collect();
    let expected = [None, Some(login(0)), Some(login(1))].map(|account| (Action::Seed, account));
    assert_eq!(seeded, expected);
    assert_eq!(outcome.verdict(), Verdict::Consistent);
    let before = model.clone();
    assert_eq!(pass(&mut model, &target, &Requests::default()).repaired, []);
    assert_eq!(model, before);
}

#[test]
fn where_nobody_counts_ids_each_new_account_is_above_the_one_before_and_above_every_promised_id() {
    let model = beside(&[(None, None), (None, Some(8)), (None, None), (None, None)]);
    let target = target_of(&model, Policy::Report, 10, None);
    let mut observation = model.observe(&target);
    observation.users.as_mut().unwrap().id_default = IdDefault::None;
    let words = |id: i64, at: usize| {
        (Action::Seed, format!("create {} in users with the id {id}{AS}", login(at)), false)
    };
    assert_eq!(planned(&target, &observation), [words(9, 0), words(8, 1), words(10, 2), words(11, 3)]);
    observation.users.as_mut().unwrap().id_kind = KeyKind::Uuid;
    let words: Vec<String> = planned(&target, &observation).into_iter().map(|(_, words, _)| words).collect();
    assert_eq!(words[0], format!("create {} in users{AS}", login(0)), "a random one is never another's");
}

#[test]
fn an_id_that_the_spec_promises_is_not_drawn_from_the_sequence_for_somebody_else() {
    let mut model = Model { next: 7, ..beside(&[(None, None), (None, Some(7)), (Some(3), Some(8))]) };
    let target = target_of(&model, Policy::Report, 10, None);
    let outcome = pass(&mut model, &target, &Requests::default());
    let ids: Vec<Option<i64>> = model.beside.iter().map(|one| one.there).collect();
    assert_eq!(ids, [Some(9), Some(7), Some(8)]);
    // The sequence went above the ids that were given before they were.
    let left: Vec<Reason> = outcome.findings().iter().map(|one| one.finding).collect();
    assert_eq!(left, [] as [Reason; 0]);
    assert_eq!(model.next, 10);
}

#[test]
fn two_accounts_that_are_to_have_each_others_ids_are_reported_and_not_moved() {
    let mut model = beside(&[(Some(3), Some(4)), (Some(4), Some(3))]);
    let target = target_of(&model, Policy::Report, 10, None);
    let before = model.clone();
    let outcome = pass(&mut model, &target, &Requests::default());
    let claimed: Vec<_> =
        outcome.findings().into_iter().map(|one| (one.finding, one.severity, one.remedy)).collect();
    assert_eq!(claimed, [(Reason::AdminIdClaimed, Severity::Critical, None); 2]);
    assert_eq!((model, outcome.repaired.len(), outcome.plan), (before, 0, None));
}

#[test]
fn an_id_that_goes_from_one_account_to_another_changes_hands_after_approval_only() {
    let mut model = beside(&[(Some(3), Some(4)), (Some(4), Some(6))]);
    let target = target_of(&model, Policy::Report, 10, None);
    let before = model.clone();
    let outcome = pass(&mut model, &target, &Requests::default());
    assert_eq!(model, before);
    let plan = outcome.plan.unwrap();
    let [step] = <[_; 1]>::try_from(plan.steps.clone()).unwrap();
    assert_eq!((step.action, step.account), (Action::MoveId, Some(login(1))));
    let why = step.waits.unwrap();
    assert!(
        why.starts_with("spec.accounts[0].id gives the id 4 to the account") && why.contains("old token")
    );
    let requests = Requests {
        approval: Some(Approval { hash: plan.hash.unwrap(), shown: plan.steps }),
        ..Requests::default()
    };
    pass(&mut model, &target, &requests);
    pass(&mut model, &target, &Requests::default());
    assert_eq!(model.beside.iter().map(|one| one.there).collect::<Vec<_>>(), [Some(4), Some(6)]);
}

#[test]
fn an_account_that_is_to_have_the_admins_id_is_reported_and_the_admin_stays_what_it_is() {
    for there in [Some(3), None] {
        let mut model = beside(&[(there, Some(1))]);
        let target = target_of(&model, Policy::Report, 10, None);
        let before = model.clone();
        let outcome = pass(&mut model, &target, &Requests::default());
        let [claimed] = <[_; 1]>::try_from(outcome.findings()).unwrap();
        assert_eq!((claimed.finding, claimed.remedy), (Reason::AdminIdClaimed, None));
        assert!(claimed.message.contains(&login(0)) && claimed.message.contains("spec.accounts[0].id"));
        assert_eq!(model, before);
    }
}

#[test]
fn one_id_in_two_spellings_is_given_to_the_first_only() {
    let model = beside(&[(None, Some(8)), (None, Some(9))]);
    let target = target_of(&model, Policy::Report, 10, None);
    let mut observation = model.observe(&target);
    observation.accounts[1].wanted = observation.accounts[0].wanted.clone();
    let told = told(&target, &observation);
    assert_eq!(
        told.iter().map(|one| one.0).collect::<Vec<_>>(),
        [Reason::AccountMissing, Reason::AdminIdClaimed]
    );
    assert!(told[1].1.contains("spec.accounts[0].id says"), "{}", told[1].1);
    assert_eq!(planned(&target, &observation).len(), 1);
}

#[test]
fn logins_that_differ_by_case_only_are_one_account_too_many_and_the_admin_is_kept() {
    let mut model = beside(&[(None, None), (None, None)]);
    model.admin = None;
    let mut target = target_of(&model, Policy::Report, 10, None);
    target.accounts[0].login = "Admin@ProbeOps.com".into();
    let observation = model.observe(&target_of(&model, Policy::Report, 10, None));
    let told = told(&target, &observation);
    assert_eq!(
        told.iter().map(|one| one.0).collect::<Vec<_>>(),
        [Reason::AdminMissing, Reason::AdminAmbiguous, Reason::AccountMissing]
    );
    assert!(told[1].1.contains("spec.accounts[0]") && told[1].1.contains("spec.admin"), "{}", told[1].1);
    let seeded: Vec<String> = planned(&target, &observation).into_iter().map(|one| one.1).collect();
    assert_eq!(
        seeded,
        [format!("create admin@probeops.com in users{AS}"), format!("create {} in users{AS}", login(1))]
    );
}

#[test]
fn two_logins_that_the_column_takes_for_one_are_not_corrected_against_each_other() {
    let model = beside(&[(Some(3), None), (Some(4), None)]);
    let target = target_of(&model, Policy::Report, 10, None);
    let mut observation = model.observe(&target);
    for (facts, columns) in observation.accounts.iter_mut().zip(["role", "plan"]) {
        let account = facts.account.as_mut().unwrap();
        account.id = "3".into();
        account.drifted = vec![columns.into()];
    }
    let told: Vec<Reason> = told(&target, &observation).into_iter().map(|one| one.0).collect();
    assert_eq!(told, [Reason::AccountDrifted, Reason::AdminAmbiguous]);
    assert_eq!(planned(&target, &observation).len(), 1);
}

#[test]
fn an_id_that_orphans_name_waits_for_approval_and_each_account_for_its_own() {
    let logs = [(1, Some(8)), (2, Some(8)), (3, Some(9)), (4, Some(4))];
    let mut model =
        Model { logs: logs.into(), ..beside(&[(None, Some(8)), (Some(4), Some(9)), (None, None)]) };
    let target = target_of(&model, Policy::Report, 10, None);
    let outcome = pass(&mut model, &target, &Requests::default());
    let ids = |model: &Model| model.beside.iter().map(|one| one.there).collect::<Vec<_>>();
    assert_eq!(ids(&model), [None, Some(4), Some(40)], "only what nobody names is done at once");
    let plan = outcome.plan.unwrap();
    let waiting: Vec<_> =
        plan.steps.iter().map(|step| (step.action, step.account.clone(), step.rows)).collect();
    assert_eq!(waiting, [(Action::Seed, Some(login(0)), 1), (Action::MoveId, Some(login(1)), 2)]);
    // Somebody was shown fewer rows of the second step than there are, and as many of the first.
    let hash = plan.hash.clone().unwrap();
    let mut shown = plan.steps.clone();
    shown[1].rows = 1;
    let approval =
        |shown| Requests { approval: Some(Approval { hash: hash.clone(), shown }), ..Requests::default() };
    assert_eq!(pass(&mut model.clone(), &target, &approval(shown)).repaired, []);
    pass(&mut model, &target, &approval(plan.steps));
    assert_eq!(ids(&model), [Some(8), Some(9), Some(40)]);
}

#[test]
fn rows_that_name_an_id_which_waits_for_approval_are_not_mended_before_it() {
    for policy in [Policy::Delete, Policy::SetNull, Policy::Reassign] {
        for there in [None, Some(4)] {
            let logs = [(1, Some(8)), (2, Some(9))];
            let mut model = Model { logs: logs.into(), ..beside(&[(there, Some(8))]) };
            let target = target_of(&model, policy, 10, None);
            let before = model.clone();
            for _ in 0..2 {
                let outcome = pass(&mut model, &target, &Requests::default());
                assert_eq!((&model, outcome.repaired.len()), (&before, 0), "{policy:?}");
                let steps = outcome.plan.unwrap().steps;
                let why = steps[1].waits.as_deref().unwrap();
                assert!(why.starts_with("spec.accounts[0].id gives the account"), "{why}");
            }
            let plan = pass(&mut model, &target, &Requests::default()).plan.unwrap();
            let approval = Approval { hash: plan.hash.unwrap(), shown: plan.steps };
            let requests = Requests { approval: Some(approval), ..Requests::default() };
            pass(&mut model, &target, &requests);
            assert_eq!((model.beside[0].there, model.logs[&1]), (Some(8), Some(8)));
            assert_ne!(model.logs.get(&2), Some(&Some(9)), "what names nobody else was approved too");
        }
    }
}

#[test]
fn rows_that_name_the_admins_id_stay_also_while_its_password_cannot_be_used() {
    let mut model = Model { logs: [(1, Some(1))].into(), next: 40, ..Model::default() };
    let mut target = target_of(&model, Policy::Delete, 10, Some("1"));
    let password = target.admin.as_mut().unwrap().password.take();
    let before = model.clone();
    pass(&mut model, &target, &Requests::default());
    target.admin.as_mut().unwrap().password = password;
    let outcome = pass(&mut model, &target, &Requests::default());
    assert_eq!(model, before);
    assert!(outcome.findings().iter().any(|one| one.finding == Reason::AdminIdClaimed));
}

#[test]
fn the_ceiling_of_a_step_is_that_of_its_own_account() {
    let logs = [(1, Some(3)), (2, Some(3)), (3, Some(4)), (4, Some(8)), (5, Some(9))];
    let model = Model { logs: logs.into(), ..beside(&[(Some(3), Some(8)), (Some(4), Some(9))]) };
    let target = target_of(&model, Policy::Report, 10, None);
    let observation = model.observe(&target);
    let proposed = propose(&target, &observation, &found(&target, &observation));
    let plan = proposed.report(&target).unwrap();
    assert_eq!(plan.steps.len(), 2, "two accounts that move are two steps");
    let approval = Approval { hash: plan.hash.unwrap(), shown: plan.steps };
    let (permitted, unused) = proposed.permit(&target, &observation, Some(&approval), None);
    assert_eq!(unused, None);
    assert_eq!(permitted.steps().iter().map(|one| one.ceiling()).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn a_plan_without_accounts_has_the_hash_that_it_always_had() {
    let mut model = Model { logs: [(1, Some(1)), (2, Some(1))].into(), ..Model::default() };
    let target = target_of(&model, Policy::Report, 10, Some("1"));
    let seeding = pass(&mut model, &target, &Requests::default()).plan.unwrap();
    assert_eq!(
        seeding.hash.as_deref(),
        Some("05910bd9c2ab43597d063359673c054cd88ad32a3fa58799f5542f5b80507e15")
    );
    model.admin = Some(9);
    let moving = pass(&mut model, &target, &Requests::default()).plan.unwrap();
    assert_eq!(
        moving.hash.as_deref(),
        Some("9de6e9ae13bf16bcb8190d0efe07d684d3f5070156fd8144718bd3740a656b36")
    );
    let words = serde_json::to_string(&moving).unwrap();
    assert!(!words.contains("account\""), "the admin's step names no account: {words}");
}

#[test]
fn a_reset_that_was_asked_for_is_the_admins_alone() {
    let mut model = beside(&[(Some(3), None), (None, None)]);
    let mut target = target_of(&model, Policy::Report, 10, None);
    target.accounts[1].on_missing = auth_consistency::api::spec::OnMissing::Report;
    let requests = Requests { reset: Some("monday".into()), ..Requests::default() };
    let observation = model.observe(&target);
    let found = diagnose(&target, &observation, Vec::new(), None, &requests);
    let resets: Vec<_> = found
        .iter()
        .filter_map(|one| one.step.as_ref())
        .map(|step| (step.action(), step.account()))
        .collect();
    assert_eq!(resets, [(Action::Reset, None)]);
    let left = found.iter().find(|one| one.finding.finding == Reason::AccountMissing).unwrap();
    assert!(
        left.finding.message.ends_with("set spec.accounts[1].onMissing to Seed"),
        "{}",
        left.finding.message
    );
    model.admin = None;
}

#[test]
fn a_password_that_differs_is_written_for_each_account_under_its_own_policy() {
    let model = beside(&[(Some(3), None), (Some(4), None)]);
    let mut target = target_of(&model, Policy::Report, 10, None);
    let mut observation = model.observe(&target);
    for facts in &mut observation.accounts {
        facts.account.as_mut().unwrap().password.matches = Some(false);
    }
    assert_eq!(told(&target, &observation), []);
    target.accounts[0].password_policy = PasswordPolicy::Always;
    target.accounts[1].password_policy = PasswordPolicy::Always;
    assert_eq!(planned(&target, &observation).len(), 2, "two accounts are two writes");
    // Nobody else has a password, so that only the spec can say that this one is another.
    target.users.password_hash = auth_consistency::api::spec::PasswordHash::Bcrypt;
    let foreign = &mut observation.accounts[1].account.as_mut().unwrap().password;
    foreign.format = Some(Format::default_of(PasswordFamily::Argon2id));
    let told = told(&target, &observation);
    assert_eq!(told[1].0, Reason::PasswordHashForeign);
    assert!(told[1].1.starts_with(&format!("the account {:?}'s stored password", login(1))), "{}", told[1].1);
    let steps = found(&target, &observation).into_iter().filter_map(|one| one.step);
    assert!(steps.into_iter().all(|step| matches!(step, Step::Reset { token: None, .. })));
}

#[test]
fn rows_are_given_to_the_admin_whatever_becomes_of_the_other_accounts() {
    let logs = [(1, Some(9))];
    let mut model = Model { logs: logs.into(), ..beside(&[(None, None)]) };
    model.admin = None;
    let mut target = target_of(&model, Policy::Reassign, 10, None);
    target.admin.as_mut().unwrap().on_missing = auth_consistency::api::spec::OnMissing::Report;
    let outcome = pass(&mut model, &target, &Requests::default());
    assert!(model.beside[0].there.is_some());
    assert_eq!(model.logs, logs.into(), "a seeded account is nobody's heir");
    assert!(outcome.findings().iter().any(|one| one.finding == Reason::AdminMissing));
}

proptest! {
    #[test]
    fn no_account_gets_an_id_that_is_anothers_that_rows_name_or_that_the_spec_promises_to_another(
        model in model::models_with_ids(), policy in crate::policies()
    ) {
        let mut model = model;
        let named: Vec<i64> = model.logs.values().flatten().copied().collect();
        let (before, target) = (model.clone(), target_of(&model, policy, 1_000, None));
        let first = pass(&mut model, &target, &Requests::default());
        let mut outcome = first;
        for _ in 0..4 {
            // The model itself refuses an id that somebody has.
            for (at, (now, then)) in model.beside.iter().zip(&before.beside).enumerate() {
                if let Some(id) = now.there.filter(|_| now.there != then.there) {
                    let live = before.users.contains(&id) || before.admin == Some(id);
                    prop_assert!(!live && !named.contains(&id), "{id} of {} is named by {named:?}", login(at));
                    let promised = before.beside.iter().enumerate();
                    prop_assert!(promised.filter(|(other, _)| *other != at).all(|(_, one)| one.wanted != Some(id)));
                }
            }
            outcome = pass(&mut model, &target, &Requests::default());
        }
        let settled = model.clone();
        let again = pass(&mut model, &target, &Requests::default());
        prop_assert_eq!(&model, &settled, "what is settled is left alone");
        prop_assert_eq!(again.findings(), outcome.findings());
        for beside in &model.beside {
            prop_assert!(beside.there.is_some() || beside.wanted.is_some(), "an account without an id of its own is there");
        }
    }
}
