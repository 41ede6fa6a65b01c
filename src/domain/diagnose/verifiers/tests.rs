use super::*;
use crate::domain::facts::workloads::{Workload, WorkloadKind};

fn facts(genuine: ProbeAnswer, pods: Pods) -> VerifierFacts {
    VerifierFacts {
        name: "api".into(),
        genuine,
        accepted_forgeries: Vec::new(),
        accepts_previous: None,
        accepts_variant: None,
        pods,
        forged_at: None,
        taken_by: None,
    }
}

fn pod(name: &str, genuine: ProbeAnswer) -> PodFacts {
    PodFacts { pod: name.into(), genuine, accepts_previous: None }
}

fn asked(asked: Vec<PodFacts>) -> Pods {
    Pods::Asked { ready: asked.len(), asked }
}

fn found(facts: &VerifierFacts) -> Vec<(Reason, String)> {
    verifier(facts).into_iter().map(|one| (one.finding.finding, one.finding.message)).collect()
}

fn taken_by() -> TakenBy {
    let api = Workload {
        kind: WorkloadKind::Deployment,
        name: "api".into(),
        rolled: Some("2026-11-20T00:00:00Z".parse().unwrap()),
    };
    TakenBy { namespace: "shop".into(), origin: "jwt/key".into(), workloads: Ok(vec![api]) }
}

#[test]
fn one_stale_pod_among_fresh_ones_is_named_though_the_service_answers_well() {
    let stale =
        PodFacts { accepts_previous: Some("jwt-old/key".into()), ..pod("api-b", ProbeAnswer::Refused(401)) };
    let pods = asked(vec![pod("api-a", ProbeAnswer::Accepted), stale, pod("api-c", ProbeAnswer::Accepted)]);
    let mut facts = facts(ProbeAnswer::Accepted, pods);
    assert!(facts.is_refused() && !facts.is_well());
    assert_eq!(
        found(&facts),
        [(
            Reason::TokensRejected,
            "1 of 3 pods behind the verifier \"api\" refuse a token made with the signing key: api-b (401, accepts the previous key (Secret jwt-old/key), so it still runs with that); restart what still runs with an older Secret (kubectl rollout restart)".into()
        )]
    );
    facts.taken_by = Some(taken_by());
    let found = found(&facts);
    assert!(found[0].1.ends_with("Deployment api takes Secret jwt/key and last rolled 2026-11-20T00:00:00Z: kubectl -n shop rollout restart deployment/api"), "{}", found[0].1);
    assert_eq!(verifier(&facts)[0].ends, Resolution::Automatic);
}

#[test]
fn many_stale_pods_are_counted_and_few_are_named_within_the_bounds_of_a_message() {
    let long = "p".repeat(253);
    let asked: Vec<PodFacts> = (0..20)
        .map(|at| PodFacts {
            accepts_previous: Some(format!("{}/key", "s".repeat(253))),
            ..pod(&format!("{at}{long}"), ProbeAnswer::Refused(403))
        })
        .collect();
    let facts = facts(ProbeAnswer::Refused(403), Pods::Asked { ready: 57, asked });
    let found = found(&facts);
    let message = &found[0].1;
    assert!(
        message
            .starts_with("20 of 20 pods behind the verifier \"api\" (asked by turns, 57 are ready) refuse"),
        "{message}"
    );
    assert!(message.chars().count() <= 1024);
    assert_eq!(found.len(), 1, "what the Service said is not said again");
}

#[test]
fn without_pods_a_refusal_reads_as_it_always_did_and_names_workloads_where_they_are_known() {
    let mut facts = facts(ProbeAnswer::Refused(401), Pods::Unasked);
    assert_eq!(
        found(&facts)[0].1,
        "the verifier \"api\" answers 401 to a token made with the signing key: its pods may still run with an older Secret, so restart them (kubectl rollout restart); else compare algorithm, issuer and audience"
    );
    facts.taken_by = Some(taken_by());
    assert!(found(&facts)[0].1.ends_with("else compare algorithm, issuer and audience; Deployment api takes Secret jwt/key and last rolled 2026-11-20T00:00:00Z: kubectl -n shop rollout restart deployment/api"));
    facts.accepts_previous = Some("jwt-old/key".into());
    assert!(found(&facts)[0].1.contains("accepts one made with the previous key (Secret jwt-old/key): its pods still run with that; Deployment api"));
    facts.taken_by = None;
    assert!(
        found(&facts)[0]
            .1
            .ends_with("its pods still run with that, so restart them (kubectl rollout restart)")
    );
}

#[test]
fn a_refusal_that_no_pod_repeats_is_not_blamed_on_the_pods() {
    let facts = facts(ProbeAnswer::Refused(401), asked(vec![pod("a", ProbeAnswer::Accepted)]));
    assert!(
        found(&facts)[0].1.contains("each of 1 pods behind it accepts it by itself: look at what is between")
    );
}

#[test]
fn a_silent_pod_is_no_pass_and_an_address_out_of_reach_waits_for_a_person() {
    let pods = asked(vec![
        pod("a", ProbeAnswer::Accepted),
        pod("b", ProbeAnswer::Unclear("it answered 500".into())),
        pod("169.254.169.254", ProbeAnswer::NotAllowed("a link-local address".into())),
    ]);
    let facts = facts(ProbeAnswer::Accepted, pods);
    assert!(!facts.is_well() && !facts.is_refused());
    let found = verifier(&facts);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].finding.finding, found[0].ends),
        (Reason::VerifierUnreachable, Resolution::Automatic)
    );
    assert!(
        found[0].finding.message.contains("1 of 3 pods")
            && found[0].finding.message.contains("b (it answered 500)")
    );
    assert_eq!(
        (found[1].finding.finding, found[1].ends),
        (Reason::VerifierHostNotAllowed, Resolution::Manual)
    );
    assert!(found[1].finding.message.contains("169.254.169.254 (a link-local address)"));
}

#[test]
fn nobody_behind_a_silent_service_is_said() {
    let facts = facts(ProbeAnswer::Unclear("nothing came".into()), asked(Vec::new()));
    assert_eq!(
        found(&facts)[0].1,
        "the verifier \"api\" gave no answer that says anything: nothing came; no pod behind it is ready"
    );
}

#[test]
fn a_forgery_names_the_pod_that_took_it() {
    let mut facts = facts(ProbeAnswer::Accepted, asked(vec![pod("api-a", ProbeAnswer::Accepted)]));
    facts.accepted_forgeries = vec!["algorithm none".into()];
    assert!(found(&facts)[0].1.contains("accepts forged tokens (algorithm none):"));
    facts.forged_at = Some("api-a".into());
    assert!(found(&facts)[0].1.contains("accepts forged tokens (algorithm none, asked at pod api-a):"));
}

#[test]
fn what_was_asked_and_what_could_not_be_is_remarked_only_where_pods_are_wanted() {
    let well = |pods| facts(ProbeAnswer::Accepted, pods);
    assert_eq!(remark(&[well(Pods::Unasked), well(asked(Vec::new()))]), None);
    let each = remark(&[well(asked(vec![pod("a", ProbeAnswer::Accepted)]))]).unwrap();
    assert!(each.ends_with("; each ready pod behind \"api\" does so by itself"), "{each}");
    let many = Pods::Asked { ready: 57, asked: vec![pod("a", ProbeAnswer::Accepted); 20] };
    assert!(remark(&[well(many)]).unwrap().ends_with("20 are asked at a time, the others by turns"));
    let unknown = Pods::Unknown { why: "the right is missing".into(), transient: false };
    assert!(well(unknown.clone()).is_well(), "a right that is missing is not asked for in every pass");
    assert!(
        remark(&[well(unknown)]).unwrap().ends_with("were not asked one by one, since the right is missing")
    );
    assert!(!well(Pods::Unknown { why: "timeout".into(), transient: true }).is_well());
}

#[test]
fn a_key_that_never_mints_waits_for_a_person_and_not_for_the_next_pass() {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use crate::domain::report::{End, Outcome, Seen, Verdict, status};
    use crate::{
        api::{spec::Algorithm, status::AuthConsistencyStatus},
        tokens::{KeyIds, KeySet},
    };

    let read =
        |pem: &str, algorithm| KeySet::read(pem.into(), algorithm, &KeyIds::default()).unwrap().current;
    let never = [
        (include_str!("../../../../tests/keys/rsa-one-public.pem"), Algorithm::RS256, "only the public key"),
        (include_str!("../../../../tests/keys/rsa-1024.pem"), Algorithm::RS256, "1024 bits"),
    ];
    for (pem, algorithm, why) in never {
        let outcome = Outcome {
            target: Default::default(),
            applicable: vec![ConditionType::TokensAccepted],
            unknown: Vec::new(),
            found: never_asked(&read(pem, algorithm)).into_iter().collect(),
            remarks: Vec::new(),
            admin: None,
            accounts: Vec::new(),
            passwords: None,
            signing_key: None,
            references: None,
            app_asked: true,
            searched: Vec::new(),
            relied: 0,
            unfinished: None,
            plan: None,
            repaired: Vec::new(),
            history: Vec::new(),
            reset_handled: None,
            approval_used: None,
            approval_unused: None,
            not_done: None,
            reset_offer: None,
        };
        assert_eq!(outcome.verdict(), Verdict::Person);
        assert!(!outcome.unfinished());
        assert_eq!(outcome.report(0).consistent, None, "could not tell is no pass");
        let message = &outcome.findings()[0].message;
        assert!(message.contains(why) && message.contains("leave out spec.probe"), "{message}");

        let (before, now) = (AuthConsistencyStatus::default(), Time(jiff::Timestamp::UNIX_EPOCH));
        let after = status(&before, 1, &now, &End::Done(Box::new(outcome)), &Seen::default());
        let conditions: Vec<_> =
            after.conditions.iter().map(|one| (one.type_.as_str(), one.status.as_str())).collect();
        let expected = [("Ready", "False"), ("Stalled", "True"), ("TokensAccepted", "Unknown")];
        assert_eq!(conditions, expected, "neither Reconciling nor a pass");
    }
    let mints = include_str!("../../../../tests/keys/rsa-one.pem");
    assert_eq!(never_asked(&read(mints, Algorithm::RS256)), None);
    // What is no key at all has a finding of its own.
    assert_eq!(never_asked(&read("text", Algorithm::RS256)), None);
}

#[test]
fn pods_that_ended_before_they_answered_are_not_all_pods_and_the_next_pass_asks_again() {
    for (ready, answered) in [(1, 0), (3, 2), (57, 19)] {
        let asked = vec![pod("a", ProbeAnswer::Accepted); answered];
        let facts = facts(ProbeAnswer::Accepted, Pods::Asked { ready, asked });
        assert!(!facts.is_well(), "{ready}");
        assert_eq!(found(&facts), []);
        let remark = remark(std::slice::from_ref(&facts)).unwrap();
        assert!(remark.contains(&format!("{answered} of the pods")) && !remark.contains("each ready pod"));
    }
    let none = facts(ProbeAnswer::Accepted, Pods::Asked { ready: 0, asked: Vec::new() });
    assert!(none.is_well());
}

#[test]
fn an_app_that_reads_the_secret_otherwise_is_not_told_to_restart() {
    let mut facts = facts(ProbeAnswer::Refused(401), Pods::Unasked);
    facts.accepts_variant = Some("lacks the white space around this one");
    facts.taken_by = Some(taken_by());
    assert_eq!(
        found(&facts),
        [(
            Reason::TokensRejected,
            "the verifier \"api\" answers 401 to a token made with the signing key; it accepts one whose key lacks the white space around this one: the app reads the Secret otherwise than it is stored here, and a restart does not help, so store the bytes that the app signs with, or change how it reads them".into()
        )]
    );
    // The pods that were asked one by one do so too.
    facts.pods = asked(vec![pod("api-a", ProbeAnswer::Refused(401))]);
    let message = &found(&facts)[0].1;
    assert!(
        message.contains("api-a (401); it accepts one whose key lacks") && !message.contains("kubectl"),
        "{message}"
    );
}
