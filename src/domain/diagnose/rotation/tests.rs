use crate::{
    domain::facts::verifiers::{Pods, ProbeAnswer},
    engine::hints,
};

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// One pass: the status after it, and whether the finding is there.
fn pass(
    before: Option<&SigningKeyStatus>,
    key: Option<&str>,
    previous: &[Option<&str>],
    heard: Heard<'_>,
    now: Timestamp,
) -> (SigningKeyStatus, Option<String>) {
    let accepted: Vec<Option<String>> = previous.iter().map(|one| one.map(str::to_owned)).collect();
    let mut report = remember(before, key.map(str::to_owned), Algorithm::HS256, HOUR, now);
    let found = without_overlap(&report, &accepted, HOUR);
    report.rotation = rotation(before, &report, previous.len(), HOUR, heard, now);
    (kept(&report), found.map(|one| one.finding.message))
}

fn verifier(genuine: ProbeAnswer) -> VerifierFacts {
    VerifierFacts {
        name: "api".into(),
        genuine,
        accepted_forgeries: Vec::new(),
        accepts_previous: None,
        accepts_variant: None,
        pods: Pods::Unasked,
        forged_at: None,
        taken_by: None,
    }
}

#[test]
fn a_key_that_is_replaced_without_the_old_one_is_told_until_its_tokens_have_ended() {
    let (first, found) = pass(None, Some("one"), &[], Heard::NoProbe, at(0));
    assert_eq!((first.changed_time.as_ref(), found), (None, None), "a key that was never another one");
    let (changed, found) = pass(Some(&first), Some("two"), &[], Heard::NoProbe, at(10));
    let message = found.unwrap();
    assert!(
        message.contains("2027-01-15T08:00:10Z") && message.contains("until 2027-01-15T09:00:10Z"),
        "{message}"
    );
    let (later, again) = pass(Some(&changed), Some("two"), &[], Heard::NoProbe, at(3609));
    assert_eq!((&later, again), (&changed, Some(message)), "nothing is written while it lasts");
    let (ended, found) = pass(Some(&later), Some("two"), &[], Heard::NoProbe, at(3610));
    assert_eq!((ended.replaced.len(), found), (0, None));
    let (settled, _) = pass(Some(&ended), Some("two"), &[], Heard::NoProbe, at(9999));
    assert_eq!(settled, ended);
}

#[test]
fn it_ends_when_the_old_key_is_named_and_comes_back_when_it_is_taken_out_too_early() {
    let (first, _) = pass(None, Some("one"), &[], Heard::NoProbe, at(0));
    let (named, found) = pass(Some(&first), Some("two"), &[Some("one")], Heard::NoProbe, at(10));
    assert_eq!(found, None);
    let (_, found) = pass(Some(&named), Some("two"), &[Some("three")], Heard::NoProbe, at(15));
    assert!(found.is_some(), "another key is not the old one");
    let (_, found) = pass(Some(&named), Some("two"), &[], Heard::NoProbe, at(20));
    assert!(found.is_some());
}

#[test]
fn what_cannot_be_told_from_another_key_is_not_told_of() {
    let (first, _) = pass(None, Some("one"), &[], Heard::NoProbe, at(0));
    let (changed, _) = pass(Some(&first), Some("two"), &[], Heard::NoProbe, at(5));
    let (weak, found) = pass(Some(&changed), None, &[], Heard::NoProbe, at(10));
    assert_eq!((weak.changed_time.as_ref(), found), (None, None), "that was the time of another key");
    let (_, found) = pass(Some(&weak), Some("two"), &[], Heard::NoProbe, at(20));
    assert_eq!(found, None);
    let (_, found) = pass(Some(&first), Some("two"), &[None], Heard::NoProbe, at(10));
    assert_eq!(found, None, "the previous key may be the old one");
    let report = remember(Some(&first), Some("two".into()), Algorithm::RS256, HOUR, at(10));
    assert_eq!(without_overlap(&report, &[], HOUR), None, "no app takes one key for both algorithms");
}

#[test]
fn a_key_that_comes_back_leaves_only_the_one_in_between_behind() {
    let (first, _) = pass(None, Some("one"), &[], Heard::NoProbe, at(0));
    let (second, _) = pass(Some(&first), Some("two"), &[], Heard::NoProbe, at(10));
    let (back, found) = pass(Some(&second), Some("one"), &[], Heard::NoProbe, at(20));
    assert_eq!(back.replaced, [ReplacedKey { fingerprint: "two".into(), time: Time(at(20)) }]);
    assert!(found.is_some());
    let (_, found) = pass(Some(&back), Some("one"), &[Some("two")], Heard::NoProbe, at(30));
    assert_eq!(found, None);
}

#[test]
fn a_status_of_before_there_was_a_memory_says_nothing() {
    let old: SigningKeyStatus = serde_json::from_value(serde_json::json!({
        "fingerprint": "two", "algorithm": "HS256", "changedTime": "2027-01-15T07:59:00Z",
    }))
    .unwrap();
    let (after, found) = pass(Some(&old), Some("two"), &[], Heard::NoProbe, at(0));
    assert_eq!((after, found), (old, None));
}

#[test]
fn the_old_key_may_go_when_its_tokens_have_ended_and_every_verifier_takes_the_new_one() {
    let well = [verifier(ProbeAnswer::Accepted)];
    let well = Heard::Answers(&well);
    let (first, _) = pass(None, Some("one"), &[], well, at(0));
    let (begun, _) = pass(Some(&first), Some("two"), &[Some("one")], well, at(10));
    let rotation = begun.rotation.clone().unwrap();
    assert_eq!(rotation.may_go, Some(false));
    assert_eq!(
        (rotation.since, rotation.until),
        (begun.changed_time.clone(), Some(Time(at(3610)))),
        "counted from the change"
    );
    let (same, _) = pass(Some(&begun), Some("two"), &[Some("one")], well, at(3609));
    assert_eq!(same, begun, "nothing is written meanwhile");
    let (done, _) = pass(Some(&same), Some("two"), &[Some("one")], well, at(3610));
    assert_eq!(done.rotation.as_ref().unwrap().may_go, Some(true));
    let (settled, _) = pass(Some(&done), Some("two"), &[Some("one")], well, at(99_999));
    assert_eq!(settled, done, "nor afterwards");
    let (over, found) = pass(Some(&done), Some("two"), &[], well, at(99_999));
    assert_eq!((over.rotation, found), (None, None));
}

#[test]
fn a_verifier_that_refuses_the_new_key_keeps_the_old_one_and_its_time_begins_anew() {
    let well = [verifier(ProbeAnswer::Accepted)];
    let refusing = [verifier(ProbeAnswer::Accepted), verifier(ProbeAnswer::Refused(401))];
    let (first, _) = pass(None, Some("one"), &[], Heard::Answers(&well), at(0));
    let old = [Some("one")];
    let (begun, _) = pass(Some(&first), Some("two"), &old, Heard::Answers(&refusing), at(10));
    let rotation = begun.rotation.clone().unwrap();
    assert_eq!((rotation.may_go, &rotation.since, &rotation.until), (Some(false), &None, &None));
    let (same, _) = pass(Some(&begun), Some("two"), &old, Heard::Answers(&refusing), at(5000));
    assert_eq!(same.rotation, begun.rotation);
    let (rolled, _) = pass(Some(&same), Some("two"), &old, Heard::Answers(&well), at(5010));
    assert_eq!(rolled.rotation.unwrap().until, Some(Time(at(8610))));
}

#[test]
fn nobody_can_tell_without_answers_or_a_fingerprint() {
    let silent = [verifier(ProbeAnswer::Unclear("a timeout".into()))];
    let old = [Some("one")];
    for (heard, key) in [
        (Heard::NoProbe, Some("two")),
        (Heard::NotAsked, Some("two")),
        (Heard::Answers(&silent), Some("two")),
        (Heard::NoProbe, None),
    ] {
        let (begun, _) = pass(None, key, &old, heard, at(0));
        let (later, _) = pass(Some(&begun), key, &old, heard, at(7200));
        let rotation = later.rotation.unwrap();
        assert_eq!(rotation.may_go, None, "{}", rotation.why);
        assert!(rotation.why.chars().count() <= 512);
    }
}

#[test]
fn a_lifetime_without_end_is_no_overflow() {
    let (first, _) = pass(None, Some("one"), &[], Heard::NoProbe, at(0));
    let report = remember(Some(&first), Some("two".into()), Algorithm::HS256, Duration::MAX, at(10));
    assert!(without_overlap(&report, &[], Duration::MAX).is_some());
}

proptest! {
    /// Against a model that remembers everything: when each key was last in use, and which are accepted.
    #[test]
    fn the_finding_is_there_exactly_while_tokens_of_a_key_are_thrown_away(
        passes in prop::collection::vec((1_i64..2400, 0_usize..4, prop::collection::vec(0_usize..4, 0..3)), 1..40)
    ) {
        let names = ["one", "two", "three", "four"];
        let mut status: Option<SigningKeyStatus> = None;
        let mut used: BTreeMap<usize, i64> = BTreeMap::new();
        let (mut now, mut current) = (0, None);
        for (pause, key, previous) in passes {
            now += pause;
            if let Some(before) = current.filter(|before| *before != key) {
                used.insert(before, now);
            }
            used.remove(&key);
            current = Some(key);
            let accepted: Vec<Option<&str>> = previous.iter().map(|one| Some(names[*one])).collect();
            let (next, found) = pass(status.as_ref(), Some(names[key]), &accepted, Heard::NoProbe, at(now));
            let expected = used.iter().any(|(one, until)| now < until + 3600 && !previous.contains(one));
            prop_assert_eq!(found.is_some(), expected);
            let (again, same) = pass(Some(&next), Some(names[key]), &accepted, Heard::NoProbe, at(now));
            prop_assert_eq!((&again, same), (&next, found));
            let read: SigningKeyStatus = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
            prop_assert_eq!(&read, &next);
            status = Some(next);
        }
    }
}

/// A resource with sessions that end with a key, and perhaps the previous key.
fn target(previous: bool) -> Target {
    use secrecy::SecretBox;

    use crate::api::shared::SecretKeyRef;
    use crate::domain::target::ResourceIdentity;
    use crate::domain::target::secrets::Secrets;

    let named = if previous { ", previousSecretRefs: [{name: old, key: key}]" } else { "" };
    let yaml = format!(
        "database: {{urlSecretRef: {{name: db, key: url}}}}
users: {{preset: FastAPI}}
jwt: {{secretRef: {{name: jwt, key: key}}{named}}}
sessions: {{invalidateBeforeColumn: valid_from, onKeyChange: End}}"
    );
    let secret = |name: &str, key: &str, text: &str| {
        let value = SecretBox::new(Box::new(text.as_bytes().to_vec()));
        (SecretKeyRef { name: name.into(), key: key.into() }, Ok(value))
    };
    let secrets = Secrets::from([
        secret("db", "url", "postgres://app:canary-password@db/probeops"),
        secret("jwt", "key", "canary-5f2d8c1be07a4936a1d4c7728e6b9f03"),
        secret("old", "key", "canary-c7728e6b9f035f2d8c1be07a4936a1d4"),
    ]);
    let [namespace, name, uid] = ["probeops", "probeops", "6a5b"].map(str::to_owned);
    let resource = ResourceIdentity { namespace, name, uid, generation: 1 };
    Target::parse(&serde_saphyr::from_str(&yaml).unwrap(), resource, &secrets, hints()).unwrap()
}

#[test]
fn what_may_come_later_decides_nothing_and_what_stands_is_what_a_pass_would_have_kept() {
    use crate::domain::target::sessions::{new_key, old_tokens};

    let settled = first("one".into(), Algorithm::HS256);
    let (changed, _) = pass(Some(&settled), Some("two"), &[], Heard::NoProbe, at(10));
    let (ended, _) = pass(Some(&changed), Some("two"), &[], Heard::NoProbe, at(9999));
    let alone = target(false);
    for stands in [None, Some(&settled), Some(&ended)] {
        assert!(!decides(&alone, stands), "{stands:?}");
        let fingerprint = stands.and_then(|before| before.fingerprint.as_deref()).unwrap_or("one");
        let (kept, found) = pass(stands, Some(fingerprint), &[], Heard::NoProbe, at(20_000));
        assert_eq!((Some(&kept), found), (stands.or(Some(&settled)), None));
    }
    let sessions = alone.sessions.as_ref().unwrap();
    let of = |target: &Target, key| (new_key(target, sessions, key), old_tokens(target, key));
    assert_eq!(of(&alone, None), of(&alone, Some("one")));

    // Each of these says something that another key would end.
    let none = SigningKeyStatus { fingerprint: None, ..settled.clone() };
    let other = SigningKeyStatus { algorithm: Algorithm::HS512, ..settled.clone() };
    let rotating = pass(Some(&settled), Some("one"), &[Some("old")], Heard::NoProbe, at(0)).0;
    assert!(!changed.replaced.is_empty() && rotating.rotation.is_some());
    for before in [&changed, &none, &other, &rotating] {
        assert!(decides(&alone, Some(before)), "{before:?}");
    }
    let rotates = target(true);
    assert!(decides(&rotates, None) && decides(&rotates, Some(&settled)));
    assert_ne!(of(&rotates, None), of(&rotates, Some("one")));
    assert!(!decides(&Target { jwt: None, ..target(false) }, None), "there is no key at all");
}
