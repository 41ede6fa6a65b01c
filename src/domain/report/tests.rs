use crate::{
    api::report::{ReferencesReport, Severity},
    domain::{fault::Class, finding::person},
};

use super::*;

fn time(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(second).unwrap())
}

fn seen() -> Seen {
    let conditions = [
        ConditionType::DatabaseReachable,
        ConditionType::SchemaCompatible,
        ConditionType::ReferencesConsistent,
        ConditionType::SigningKeyTrusted,
    ];
    Seen { conditions: Some(conditions.to_vec()), ..Seen::default() }
}

fn coming_up(until: i64) -> Seen {
    Seen { awaited: Some(time(until)), ..seen() }
}

/// A pass that found all well, or one thing that a person must mend.
fn outcome(found: Option<Reason>) -> End {
    let finding = |reason| {
        let condition = ConditionType::SchemaCompatible;
        person(reason, condition, Severity::Error, None, "there is no table users".into())
    };
    End::Done(Box::new(Outcome {
        applicable: seen().conditions.unwrap(),
        found: found.into_iter().map(finding).collect(),
        references: Some(ReferencesReport {
            checked: 1,
            declared: 0,
            undeclared: 0,
            skipped: Vec::new(),
            orphan_rows: 7,
            accepted_rows: 0,
        }),
        ..Outcome::default()
    }))
}

fn fault(reason: Reason, condition: ConditionType, class: Class) -> End {
    End::Failed(Fault { reason, condition, class, message: "it did not work".into() })
}

fn down() -> End {
    fault(Reason::DatabaseUnreachable, ConditionType::DatabaseReachable, Class::Transient)
}

/// `Type=Status Reason @generation +second`, for each condition.
fn shown(status: &AuthConsistencyStatus) -> Vec<String> {
    let one = |one: &Condition| {
        format!(
            "{}={} {} @{} +{}",
            one.type_,
            one.status,
            one.reason,
            one.observed_generation.unwrap_or(-9),
            one.last_transition_time.0.as_second()
        )
    };
    status.conditions.iter().map(one).collect()
}

fn ready() -> AuthConsistencyStatus {
    status(&AuthConsistencyStatus::default(), 3, &time(10), &outcome(None), &seen())
}

#[test]
fn what_a_pass_did_not_come_to_is_not_vouched_for_at_its_generation() {
    let failed = status(&ready(), 4, &time(20), &down(), &seen());
    assert_eq!(
        shown(&failed),
        [
            "Ready=False DatabaseUnreachable @4 +20",
            "Reconciling=True ProgressingWithRetry @4 +20",
            "DatabaseReachable=False DatabaseUnreachable @4 +20",
            "SchemaCompatible=Unknown NotChecked @3 +20",
            "ReferencesConsistent=Unknown NotChecked @3 +20",
            "SigningKeyTrusted=Unknown NotChecked @3 +20",
        ]
    );
    assert_eq!(status(&failed, 4, &time(30), &down(), &seen()), failed);
    let later = status(&failed, 5, &time(40), &down(), &seen());
    assert_eq!(shown(&later)[3], "SchemaCompatible=Unknown NotChecked @3 +20", "nor at a later one");
    assert_eq!(shown(&later)[2], "DatabaseReachable=False DatabaseUnreachable @5 +20");
}

#[test]
fn a_first_pass_that_fails_shows_every_condition_that_the_spec_calls_for() {
    let failed = status(&AuthConsistencyStatus::default(), 1, &time(5), &down(), &seen());
    let names: Vec<_> = failed.conditions.iter().map(|one| one.type_.as_str()).collect();
    let expected = [
        "Ready",
        "Reconciling",
        "DatabaseReachable",
        "SchemaCompatible",
        "ReferencesConsistent",
        "SigningKeyTrusted",
    ];
    assert_eq!(names, expected);
    let without_key = Seen { conditions: Some(vec![ConditionType::DatabaseReachable]), ..Seen::default() };
    let failed = status(&failed, 2, &time(6), &down(), &without_key);
    assert_eq!(failed.conditions.len(), 3, "and none that it does not call for any more");
}

#[test]
fn whoever_refuses_a_right_has_answered() {
    let refused = fault(Reason::PrivilegeMissing, ConditionType::SchemaCompatible, Class::Terminal);
    let failed = status(&AuthConsistencyStatus::default(), 1, &time(5), &refused, &seen());
    assert_eq!(shown(&failed)[2], "DatabaseReachable=True Connected @1 +5");
    assert_eq!(shown(&failed)[3], "SchemaCompatible=Unknown PrivilegeMissing @1 +5");
    assert_eq!(shown(&failed)[4], "ReferencesConsistent=Unknown NotChecked @1 +5");
}

#[test]
fn what_was_found_planned_and_counted_for_another_generation_goes() {
    let found = status(&ready(), 3, &time(20), &outcome(Some(Reason::UserTableMissing)), &seen());
    assert_eq!((found.findings.len(), found.references.as_ref().unwrap().orphan_rows), (1, 7));
    let same = status(&found, 3, &time(30), &down(), &seen());
    assert_eq!((same.findings.len(), same.references.is_some()), (1, true), "it was found in this one");
    for next in
        [status(&found, 4, &time(30), &down(), &seen()), working(&found, 4, &time(30), "looking", None)]
    {
        assert_eq!((next.findings.len(), next.plan, next.references), (0, None, None));
    }
    let kept = suspended(&found, 4, &time(30), &seen());
    assert_eq!(
        (kept.findings.len(), kept.references.is_some()),
        (1, true),
        "a suspended one keeps what it has"
    );
}

#[test]
fn a_pass_under_way_vouches_for_no_condition_that_it_has_not_come_to() {
    let under_way = working(&ready(), 4, &time(20), "looking", None);
    let domain: Vec<_> = shown(&under_way).into_iter().skip(2).collect();
    assert_eq!(domain, shown(&ready())[1..], "they stand as they were found, for the generation of then");
    assert_eq!(
        shown(&under_way)[..2],
        ["Ready=Unknown Progressing @4 +20", "Reconciling=True Progressing @4 +20"]
    );
}

#[test]
fn a_clock_that_was_set_back_moves_no_time_back() {
    let early = status(&ready(), 3, &time(2), &down(), &seen());
    let times: Vec<_> = early.conditions.iter().map(|one| one.last_transition_time.0.as_second()).collect();
    assert_eq!(times, [10, 2, 10, 10, 10, 10], "only what was not there before has the time of now");
}

#[test]
fn a_suspended_resource_keeps_its_verdict_and_says_that_it_is_of_before() {
    let kept = suspended(&ready(), 4, &time(20), &seen());
    assert_eq!(kept.observed_generation, 4);
    assert_eq!(shown(&kept)[0], "Ready=True Suspended @3 +10");
    assert_eq!(shown(&kept)[1..], shown(&ready())[1..]);
    let words = &kept.conditions[0].message;
    assert!(
        words.contains("before that it was Consistent: checked: 1 reference and the signing key; more:"),
        "{words}"
    );
    assert_eq!(suspended(&kept, 4, &time(30), &seen()), kept);
    let edited = suspended(&kept, 5, &time(30), &seen());
    assert_eq!(edited, kept, "what is changed meanwhile is not looked at");

    let stalled = status(&ready(), 3, &time(20), &outcome(Some(Reason::UserTableMissing)), &seen());
    let kept = suspended(&stalled, 4, &time(30), &seen());
    let expected = ["Ready=False Suspended @3 +20", "Stalled=True UserTableMissing @3 +20"];
    assert_eq!(shown(&kept)[..2], expected);
}

#[test]
fn what_nobody_has_looked_at_is_not_ready_while_it_is_suspended_and_its_generation_does_not_move() {
    let unseen = suspended(&AuthConsistencyStatus::default(), 1, &time(5), &seen());
    assert_eq!(
        (unseen.observed_generation, shown(&unseen)),
        (-1, vec!["Ready=False Suspended @0 +5".into()])
    );
    assert_eq!(suspended(&unseen, 2, &time(6), &seen()), unseen);
    let half_way = suspended(&working(&ready(), 4, &time(20), "looking", None), 5, &time(30), &seen());
    assert_eq!(half_way.observed_generation, 4);
    assert_eq!(shown(&half_way)[0], "Ready=False Suspended @4 +30");
    assert_eq!(shown(&half_way)[1..], shown(&ready())[1..]);
}

#[test]
fn what_a_release_may_bring_is_tried_again_and_then_a_persons() {
    let login =
        fault(Reason::DatabaseAuthenticationFailed, ConditionType::DatabaseReachable, Class::Terminal);
    let secret = End::NoTarget(vec![TargetError {
        reason: Reason::SecretNotPermitted,
        condition: ConditionType::SigningKeyTrusted,
        message: "the operator may not read it".into(),
    }]);
    for (end, reason) in [
        (outcome(Some(Reason::UserTableMissing)), "UserTableMissing"),
        (login, "DatabaseAuthenticationFailed"),
        (secret, "SecretNotPermitted"),
    ] {
        let early = status(&AuthConsistencyStatus::default(), 1, &time(5), &end, &coming_up(600));
        let expected =
            [format!("Ready=False {reason} @1 +5"), "Reconciling=True ProgressingWithRetry @1 +5".to_owned()];
        assert_eq!(shown(&early)[..2], expected);
        let words = &early.conditions[0].message;
        assert!(words.contains("looked at again until 1970-01-01T00:10:00Z"), "{words}");
        let late = status(&early, 1, &time(700), &end, &seen());
        assert_eq!(shown(&late)[..2], [expected[0].clone(), format!("Stalled=True {reason} @1 +700")]);
        assert!(!late.conditions[0].message.contains("again until"));
    }
}

#[test]
fn what_no_release_brings_is_a_persons_from_the_start() {
    for end in [
        outcome(Some(Reason::AdminAmbiguous)),
        fault(Reason::DatabaseTlsFailed, ConditionType::DatabaseReachable, Class::Terminal),
        fault(Reason::InternalError, ConditionType::DatabaseReachable, Class::Bug),
    ] {
        let early = status(&AuthConsistencyStatus::default(), 1, &time(5), &end, &coming_up(600));
        assert!(shown(&early)[1].starts_with("Stalled=True"), "{:?}", shown(&early));
        assert!(!early.conditions[0].message.contains("again until"));
    }
}

#[test]
fn the_first_time_that_all_agrees_is_kept() {
    let ready = ready();
    assert_eq!(ready.first_consistent_time, Some(time(10)));
    let failed = status(&ready, 4, &time(20), &down(), &seen());
    let again = status(&failed, 4, &time(30), &outcome(None), &seen());
    assert_eq!((failed.first_consistent_time, again.first_consistent_time), (Some(time(10)), Some(time(10))));
}

#[test]
fn a_spec_calls_for_the_conditions_of_what_it_names() {
    let spec = |text: &str| serde_json::from_str(text).unwrap();
    let least = spec(r#"{"database": {}, "users": {}}"#);
    use ConditionType as C;
    let always = [C::DatabaseReachable, C::SchemaCompatible, C::ReferencesConsistent];
    assert_eq!(called_for(&least), always);
    let secret = r#"{"name": "a", "key": "b"}"#;
    let more = spec(&format!(
        r#"{{"database": {{}}, "users": {{}}, "jwt": {{"secretRef": {secret}}}, "admin": {{"login": "a"}}}}"#
    ));
    let expected = [
        C::DatabaseReachable,
        C::SchemaCompatible,
        C::AdminConsistent,
        C::ReferencesConsistent,
        C::SigningKeyTrusted,
    ];
    assert_eq!(called_for(&more), expected);
}
