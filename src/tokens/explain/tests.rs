use crate::{
    api::spec::Algorithm,
    tokens::{Accepted, Forgery, Signer, SigningKey, forge, mint, text::hex},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use std::time::Duration;

use super::*;
use crate::tokens::{NotAToken, TimeVerdict};

pub(in crate::tokens) const KEY: &[u8] = b"kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*";
pub(in crate::tokens) const NOW: i64 = 1_700_000_000;
const DAY: Duration = Duration::from_secs(86_400);

pub(in crate::tokens) fn key() -> SigningKey {
    key_of(KEY)
}

fn key_of(bytes: &[u8]) -> SigningKey {
    SigningKey::new(bytes.to_vec()).unwrap()
}

pub(in crate::tokens) fn now() -> Timestamp {
    at(0)
}

/// So many seconds from now.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

pub(in crate::tokens) fn shape() -> TokenShape {
    TokenShape {
        algorithm: Algorithm::HS256,
        subject_claim: "sub".parse().unwrap(),
        subject_type: SubjectType::String,
        issuer: None,
        audience: None,
        accepted: Accepted::default(),
        claims: Map::new(),
        lifetime: DAY,
    }
}

/// A token with exactly these claims, signed by the key.
fn signed(claims: &Value) -> String {
    signed_by(KEY, claims)
}

fn signed_by(key: &[u8], claims: &Value) -> String {
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, claims, &jsonwebtoken::EncodingKey::from_secret(key)).unwrap()
}

fn minted(shape: &TokenShape) -> SecretString {
    mint(&key(), shape, "1", now(), DAY).unwrap()
}

fn verdict(token: &str, shape: &TokenShape) -> Verdict {
    explain(token, &Keyring::of(&key()), shape, now()).verdict
}

#[test]
fn what_was_minted_holds_and_every_step_is_told() {
    let token = minted(&shape());
    let verification = explain(token.expose_secret(), &Keyring::of(&key()), &shape(), now());
    assert_eq!(verification.verdict, Verdict::Holds { subject: "1".into() });
    let steps: Vec<_> = verification.steps.iter().map(|step| (step.name, step.held)).collect();
    let names = ["form", "algorithm", "signature", "times", "issuer", "audience", "claims", "subject"];
    assert_eq!(steps, names.map(|name| (name, true)));
    assert_eq!(verification.steps[3].detail, "valid for another 24 hours, until 2023-11-15T22:13:20Z");
    assert_eq!(verification.issued, Some(now()));
}

#[test]
fn the_failing_step_is_the_last_one() {
    let token = minted(&shape());
    let verification = explain(token.expose_secret(), &Keyring::of(&key()), &shape(), at(86_400));
    let steps: Vec<_> = verification.steps.iter().map(|step| (step.name, step.held)).collect();
    assert_eq!(steps, [("form", true), ("algorithm", true), ("signature", true), ("times", false)]);
    assert_eq!(verification.steps[3].detail, verification.verdict.message());
}

#[test]
fn a_token_with_bearer_in_front_holds_and_that_is_said() {
    let token = format!("Bearer {}\n", minted(&shape()).expose_secret());
    let verification = explain(&token, &Keyring::of(&key()), &shape(), now());
    assert!(verification.verdict.holds());
    assert!(
        verification.steps[0].detail.contains("white space and the word Bearer"),
        "{:?}",
        verification.steps[0]
    );
}

#[test]
fn a_malformed_token_is_told_apart() {
    let token = minted(&shape());
    let token = token.expose_secret();
    assert_eq!(verdict("", &shape()), Verdict::Malformed(NotAToken::Empty));
    assert_eq!(verdict(&token[..30], &shape()), Verdict::Malformed(NotAToken::Truncated));
    assert_eq!(
        verdict(&token[..token.len() - 7], &shape()),
        Verdict::Malformed(NotAToken::SignatureLength { bytes: 27, expected: 32 })
    );
    assert_eq!(
        verdict(&signed(&json!({"sub": "1", "exp": "tomorrow"})), &shape()),
        Verdict::Malformed(NotAToken::TimeNotANumber { claim: "exp" })
    );
}

#[test]
fn another_algorithm_is_told_before_the_signature() {
    let token = minted(&TokenShape { algorithm: Algorithm::HS512, ..shape() });
    let verdict_512 = verdict(token.expose_secret(), &shape());
    let differs = |found: &str, signer| Verdict::AlgorithmDiffers {
        found: found.into(),
        expected: Algorithm::HS256,
        signer,
    };
    assert_eq!(verdict_512, differs("HS512", Signer::Current));
    assert_eq!(
        verdict_512.message(),
        r#"the token says algorithm "HS512" and the app verifies HS256: the signing key made it, with that other algorithm"#
    );

    let token = forge(Forgery::NoneAlgorithm, &key(), &shape(), "1", now(), DAY).unwrap();
    let none = verdict(token.expose_secret(), &shape());
    assert_eq!(none, differs("none", Signer::Unknown));
    assert_eq!(none.message(), "the token has no signature (algorithm none) and the app verifies HS256");
}

#[test]
fn previous_and_unknown_keys_are_told_apart() {
    let previous = [key_of(b"an older key that nobody needs"), key_of(b"jF5)hG1(sK8+uP3=nE7-bV2_aM9~dX4:")];
    for (signer, expected) in [
        (&b"jF5)hG1(sK8+uP3=nE7-bV2_aM9~dX4:"[..], Verdict::SignedByPreviousKey),
        (b"jF5)hG1(sK8+uP3=nE7-bV2_aM9~dX4;", Verdict::SignedByUnknownKey),
        (b"changethis", Verdict::SignedByPlaceholder),
        (b"", Verdict::SignedByPlaceholder),
    ] {
        let token = signed_by(signer, &json!({"sub": "1"}));
        let key = key();
        let keys = Keyring { previous: &previous, ..Keyring::of(&key) };
        assert_eq!(explain(&token, &keys, &shape(), now()).verdict, expected);
    }
    // The key of somebody else, unless it is one of ours.
    let staging = key_of(b"tK4)rW1(zE8+qA3=mC7-nX2_vS9~bL4:");
    let elsewhere = [("staging/probeops".to_owned(), staging), ("here".to_owned(), key())];
    let key = key();
    let keys = Keyring { elsewhere: &elsewhere, ..Keyring::of(&key) };
    let token = signed_by(b"tK4)rW1(zE8+qA3=mC7-nX2_vS9~bL4:", &json!({"sub": "1"}));
    let whose = "staging/probeops".to_owned();
    assert_eq!(explain(&token, &keys, &shape(), now()).verdict, Verdict::SignedByAnother { whose });
    assert!(explain(&signed(&json!({"sub": "1"})), &keys, &shape(), now()).verdict.holds());
    let token = forge(Forgery::UnknownKey, &key, &shape(), "1", now(), DAY).unwrap();
    assert_eq!(verdict(token.expose_secret(), &shape()), Verdict::SignedByUnknownKey);
    let token = forge(Forgery::BlankKey, &key, &shape(), "1", now(), DAY).unwrap();
    assert_eq!(verdict(token.expose_secret(), &shape()), Verdict::SignedByPlaceholder);
}

#[test]
fn the_same_key_stored_differently_is_recognised_in_both_directions() {
    let plain = KEY.to_vec();
    let ending = |ending: &str| [KEY, ending.as_bytes()].concat();
    let base64 = STANDARD.encode(KEY).into_bytes();
    for (ours, signers, how) in [
        (plain.clone(), ending("\n"), "has a line break at its end"),
        (plain.clone(), ending("\r\n"), "has a Windows line break at its end"),
        (ending("\n"), plain.clone(), "lacks the white space around this one"),
        (plain.clone(), base64.clone(), "is this one encoded in base64"),
        (base64.clone(), plain.clone(), "is this one decoded from base64"),
        ([&base64[..], b"\n"].concat(), plain.clone(), "is this one decoded from base64"),
        (
            plain.clone(),
            STANDARD.encode(ending("\n")).into_bytes(),
            "is this one and a line break, encoded in base64",
        ),
        (plain.clone(), hex(KEY).into_bytes(), "is this one encoded in hexadecimal"),
        (hex(KEY).into_bytes(), plain.clone(), "is this one decoded from hexadecimal"),
        ([b"\"", KEY, b"\""].concat(), plain.clone(), "lacks the quotes around this one"),
        (plain.clone(), [b"\"", KEY, b"\""].concat(), "stands in quotes"),
    ] {
        let token = signed_by(&signers, &json!({"sub": "1"}));
        let verdict = explain(&token, &Keyring::of(&key_of(&ours)), &shape(), now()).verdict;
        assert_eq!(verdict, Verdict::SignedByKeyVariant(how));
        assert!(verdict.message().ends_with(&format!("the key that signed it {how}")));
    }
}

#[test]
fn times_are_checked_to_the_second_and_without_leeway() {
    let token = |claims: Value| signed(&claims);
    let explained = |token: &str, now| explain(token, &Keyring::of(&key()), &shape(), now).verdict;
    let holds = Verdict::Holds { subject: "1".into() };

    let expiring = token(json!({"sub": "1", "exp": NOW}));
    assert_eq!(explained(&expiring, at(-1)), holds);
    assert_eq!(explained(&expiring, at(0)), Verdict::Expired { since: now(), ago: Duration::ZERO });
    let expired = explained(&expiring, at(10_800));
    assert_eq!(expired, Verdict::Expired { since: now(), ago: Duration::from_secs(10_800) });
    // Clocks that are apart are told apart from a token that is over for good.
    let told = |ago| Verdict::Expired { since: now(), ago: Duration::from_secs(ago) }.message();
    assert!(told(300).ends_with("an app whose clock is behind this one still takes it"), "{}", told(300));
    assert!(!told(301).contains("clock"), "{}", told(301));
    assert_eq!(expired.message(), "the token expired 3 hours ago, at 2023-11-14T22:13:20Z");

    for claim in ["nbf", "iat"] {
        let early = token(json!({"sub": "1", claim: NOW}));
        assert_eq!(explained(&early, at(0)), holds);
        // So little that only clocks can differ, and more than that.
        let ahead = Duration::from_secs(1);
        assert_eq!(explained(&early, at(-1)), Verdict::ClocksDiffer { claim, ahead });
        let ahead = Duration::from_secs(301);
        assert_eq!(explained(&early, at(-301)), Verdict::NotYetValid { claim, from: now(), ahead });
    }
    assert_eq!(
        explained(&token(json!({"sub": "1", "nbf": NOW + 600})), now()).message(),
        "the token is not valid for another 10 minutes, until 2023-11-14T22:23:20Z (nbf)"
    );
    // Fractions count, and so do numbers that no calendar has.
    assert_eq!(explained(&token(json!({"sub": "1", "exp": NOW as f64 + 0.5})), at(0)), holds);
    assert!(
        matches!(explained(&token(json!({"sub": "1", "exp": -1e300})), now()), Verdict::Expired { since, .. } if since == Timestamp::MIN)
    );
    assert!(
        matches!(explained(&token(json!({"sub": "1", "iat": 1e300})), now()), Verdict::NotYetValid { from, .. } if from == Timestamp::MAX)
    );
    // Milliseconds, as JavaScript counts.
    let verification =
        explain(&token(json!({"sub": "1", "exp": NOW * 1000})), &Keyring::of(&key()), &shape(), now());
    assert!(verification.verdict.holds() && verification.steps[3].detail.contains("milliseconds"));
    let verification = explain(&token(json!({"sub": "1"})), &Keyring::of(&key()), &shape(), now());
    assert_eq!(verification.steps[3].detail, "it never expires (no exp)");
}

#[test]
fn an_issuer_counts_where_the_app_asks_for_one() {
    let asking = TokenShape { issuer: Some("probeops".into()), ..shape() };
    let minted_by = |issuer: Value| signed(&json!({"sub": "1", "iss": issuer}));
    let differs = |found: Option<&str>| Verdict::IssuerDiffers {
        found: found.map(Into::into),
        expected: vec!["probeops".into()],
    };
    assert!(verdict(&minted_by(json!("probeops")), &asking).holds());
    assert!(verdict(&minted_by(json!("other")), &shape()).holds());
    assert_eq!(verdict(&minted_by(json!("other")), &asking), differs(Some("other")));
    assert_eq!(verdict(&minted_by(json!(["probeops"])), &asking), differs(None));
    assert_eq!(verdict(&signed(&json!({"sub": "1"})), &asking), differs(None));
}

#[test]
fn an_audience_may_be_one_text_or_several() {
    let asking = TokenShape { audience: Some("fastapi-users:auth".into()), ..shape() };
    let for_audience = |audience: Value| signed(&json!({"sub": "1", "aud": audience}));
    assert!(verdict(&for_audience(json!("fastapi-users:auth")), &asking).holds());
    assert!(verdict(&for_audience(json!(["other", "fastapi-users:auth"])), &asking).holds());
    let expected = vec!["fastapi-users:auth".to_owned()];
    assert_eq!(
        verdict(&for_audience(json!(["other"])), &asking),
        Verdict::AudienceDiffers { found: vec!["other".into()], expected: expected.clone() }
    );
    assert_eq!(
        verdict(&signed(&json!({"sub": "1"})), &asking),
        Verdict::AudienceDiffers { found: vec![], expected }
    );
    assert_eq!(
        verdict(&for_audience(json!("other")), &shape()),
        Verdict::AudienceDiffers { found: vec!["other".into()], expected: vec![] }
    );
    // fastapi-users mints an array, which only the further claims can say.
    let mut listed = shape();
    listed.claims.insert("aud".into(), json!(["fastapi-users:auth"]));
    assert!(verdict(minted(&listed).expose_secret(), &listed).holds());
}

#[test]
fn a_subject_must_be_there_and_of_the_right_type() {
    let text = shape();
    let number = TokenShape { subject_type: SubjectType::Number, ..shape() };
    let with = |subject: Value| signed(&json!({"sub": subject}));
    for missing in [signed(&json!({"user_id": 1})), with(json!(null)), with(json!(""))] {
        assert_eq!(verdict(&missing, &text), Verdict::SubjectMissing { claim: "sub".into() });
    }
    let differs = |found, expected| Verdict::SubjectTypeDiffers { claim: "sub".into(), found, expected };
    assert_eq!(verdict(&with(json!(1)), &text), differs("a JSON number", SubjectType::String));
    assert_eq!(verdict(&with(json!("1")), &number), differs("a JSON string", SubjectType::Number));
    assert_eq!(
        verdict(&with(json!(1.5)), &number),
        differs("a JSON number with a fraction", SubjectType::Number)
    );
    assert_eq!(verdict(&with(json!(true)), &text), differs("a JSON boolean", SubjectType::String));
    assert_eq!(verdict(&with(json!([1])), &text), differs("a JSON array", SubjectType::String));
    assert_eq!(verdict(&with(json!({"id": 1})), &text), differs("a JSON object", SubjectType::String));
    assert_eq!(verdict(&with(json!(7)), &number), Verdict::Holds { subject: "7".into() });
}

#[test]
fn the_database_has_the_last_word() {
    let verification = explain(minted(&shape()).expose_secret(), &Keyring::of(&key()), &shape(), now());
    let login = || "admin@probeops.com".to_owned();
    let resolve = |account, invalidated_before| {
        verification.resolve(&SubjectFacts { account, invalidated_before, revoked: false })
    };
    let active = || Account::Active { login: login(), id: "1".into(), written: Some("1".into()) };
    assert_eq!(resolve(Account::Missing, None), Verdict::SubjectNamesNoUser { subject: "1".into() });
    assert_eq!(
        resolve(Account::Inactive { login: login() }, Some(at(9))),
        Verdict::UserInactive { login: login() }
    );
    assert_eq!(resolve(active(), None), Verdict::NothingWrong { login: login() });
    assert_eq!(resolve(active(), Some(at(0))), Verdict::NothingWrong { login: login() });
    assert_eq!(
        resolve(active(), Some(at(1))),
        Verdict::IssuedBeforeInvalidation { issued: Some(now()), valid_after: at(1) }
    );
    assert_eq!(
        resolve(Account::NotOfType { type_name: "uuid".into() }, None),
        Verdict::SubjectNotOfColumnType { subject: "1".into(), type_name: "uuid".into() }
    );
    // What the database reads in more than one spelling, an app need not.
    let account = |written: Option<&str>| Account::Active {
        login: login(),
        id: "7".into(),
        written: written.map(Into::into),
    };
    assert_eq!(resolve(account(None), None), Verdict::NothingWrong { login: login() });
    assert_eq!(
        resolve(account(Some("01")), None),
        Verdict::SubjectSpelledDifferently { subject: "1".into(), written: "01".into() }
    );
    // Of text, whoever has it in another spelling is named, and how many there are.
    for (many, said) in
        [(1, "one has it in another spelling (\"Ada\")"), (2, "2 have it in another spelling")]
    {
        let verdict = resolve(Account::Nearly { written: "Ada".into(), many }, None);
        assert_eq!(verdict, Verdict::SubjectNearly { subject: "1".into(), written: "Ada".into(), many });
        assert_eq!((verdict.cause(), verdict.holds()), ("SubjectSpelledDifferently", false));
        assert!(verdict.message().contains(said), "{}", verdict.message());
    }
    // Without iat it cannot prove that it is young enough.
    let undated = explain(&signed(&json!({"sub": "1"})), &Keyring::of(&key()), &shape(), now());
    assert_eq!(
        undated.resolve(&SubjectFacts {
            account: active(),
            invalidated_before: Some(at(-1)),
            revoked: false
        }),
        Verdict::IssuedBeforeInvalidation { issued: None, valid_after: at(-1) }
    );
    let revoked = |invalidated_before| SubjectFacts { account: active(), invalidated_before, revoked: true };
    assert_eq!(verification.resolve(&revoked(None)), Verdict::Revoked { login: login() });
    assert!(matches!(verification.resolve(&revoked(Some(at(1)))), Verdict::IssuedBeforeInvalidation { .. }));
    let with_id = explain(&signed(&json!({"sub": "1", "jti": "a1"})), &Keyring::of(&key()), &shape(), now());
    assert_eq!((with_id.id.as_deref(), undated.id), (Some("a1"), None));
    // What failed before still fails.
    let expired = explain(minted(&shape()).expose_secret(), &Keyring::of(&key()), &shape(), at(86_400));
    let resolved =
        expired.resolve(&SubjectFacts { account: active(), invalidated_before: None, revoked: false });
    assert_eq!(resolved, expired.verdict);
}

#[test]
fn a_claim_that_names_another_login_than_the_subject_does_says_that_ids_have_changed() {
    let resolve = |claims: Value, login: &str| {
        let mut claims = claims;
        claims["sub"] = "1".into();
        let account = Account::Active { login: login.into(), id: "1".into(), written: None };
        explain(&signed(&claims), &Keyring::of(&key()), &shape(), now()).resolve(&SubjectFacts {
            account,
            invalidated_before: None,
            revoked: false,
        })
    };
    let another = |claim, claimed: &str, login: &str| Verdict::NamesAnother {
        claim,
        claimed: claimed.into(),
        login: login.into(),
    };
    let (ada, bob) = ("ada@example.com", "bob@example.com");
    assert_eq!(resolve(json!({"email": ada}), bob), another("email", ada, bob));
    assert_eq!(
        resolve(json!({"preferred_username": "ada"}), "bob"),
        another("preferred_username", "ada", "bob")
    );
    for (claims, login) in [
        (json!({}), bob),
        (json!({"email": ada}), ada),
        (json!({"email": " ADA@Example.com"}), ada),
        // One that agrees is enough, and a name is not compared with an address.
        (json!({"email": ada, "upn": "a1@corp.example"}), ada),
        (json!({"username": "ada"}), ada),
        (json!({"email": ada}), "ada"),
        (json!({"email": 7}), ada),
    ] {
        let nothing = Verdict::NothingWrong { login: login.into() };
        assert_eq!(resolve(claims.clone(), login), nothing, "{claims}");
    }
}

#[test]
fn a_token_for_something_else_is_told_and_what_the_app_asks_for_must_be_there() {
    let differs = |claim, found: &str, expected: Option<&str>| Verdict::TokenTypeDiffers {
        claim,
        found: found.into(),
        expected: expected.map(Into::into),
    };
    let with = |name: &str, value: Value| signed(&json!({"sub": "1", name: value}));
    for (name, found) in [("type", "refresh"), ("token_use", "Refresh_Token"), ("typ", "password-reset")] {
        assert_eq!(verdict(&with(name, json!(found)), &shape()), differs(name, found, None));
    }
    assert!(verdict(&with("type", json!("access")), &shape()).holds());
    assert!(verdict(&with("type", json!(7)), &shape()).holds());
    let mut asking = shape();
    asking.claims.insert("type".into(), json!("access"));
    asking.claims.insert("roles".into(), json!(["admin"]));
    let claims = |kind: &str| signed(&json!({"sub": "1", "type": kind, "roles": ["user"]}));
    assert!(verdict(&claims("access"), &asking).holds(), "what others are allowed may differ");
    assert_eq!(verdict(&claims("id"), &asking), differs("type", "id", Some("access")));
    assert_eq!(
        verdict(&with("type", json!("access")), &asking),
        Verdict::ClaimMissing { claim: "roles".into() }
    );
}

#[test]
fn what_a_frontend_keeps_around_a_token_is_the_cause_only_where_nothing_else_is() {
    let token = signed(&json!({"sub": "1"}));
    assert_eq!(verdict(&format!("\"{token}\""), &shape()), Verdict::InQuotes);
    let expired = signed(&json!({"sub": "1", "exp": NOW - 60}));
    assert!(matches!(verdict(&format!("\"{expired}\""), &shape()), Verdict::Expired { .. }));
    // An app takes the word off once.
    assert_eq!(verdict(&format!("Bearer Bearer {token}"), &shape()), Verdict::BearerTwice);
    assert!(verdict(&format!("Authorization: Bearer {token}"), &shape()).holds());
    assert!(matches!(verdict(&format!("Bearer Bearer {expired}"), &shape()), Verdict::Expired { .. }));
    let other = explain(&format!("JWT {token}"), &Keyring::of(&key()), &shape(), now());
    assert!(
        other.verdict.holds() && other.steps[0].detail.contains("the word JWT (most apps ask for Bearer)")
    );
}

#[test]
fn a_name_that_stands_twice_and_a_key_id_that_is_a_trick_are_told_and_are_no_cause() {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let sign = |header: &str, claims: &str| {
        let message = format!("{}.{}", part(header), part(claims));
        let key = jsonwebtoken::EncodingKey::from_secret(KEY);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    for (header, claims, told) in [
        (r#"{"alg":"HS256"}"#, r#"{"sub":"7","sub":"1"}"#, "\"sub\" stands there more than once"),
        (
            r#"{"alg":"HS256","kid":"../../dev/null"}"#,
            r#"{"sub":"1"}"#,
            "its kid looks like a path or a query",
        ),
        (r#"{"alg":"HS256","kid":"x' UNION SELECT 'a"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"/proc/self/environ"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"C:\\keys"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"a\"b"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"a;b"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"a|b"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"`id`"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"$(id)"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"a\u0000b"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"a\nb"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
        (r#"{"alg":"HS256","kid":"1 --"}"#, r#"{"sub":"1"}"#, "its kid looks like a path"),
    ] {
        let verification = explain(&sign(header, claims), &Keyring::of(&key()), &shape(), now());
        assert_eq!(verification.verdict, Verdict::Holds { subject: "1".into() });
        assert!(verification.steps[0].detail.contains(told), "{:?}", verification.steps[0]);
    }
    let plain = explain(
        &sign(r#"{"alg":"HS256","kid":"2026-11/a.b_c"}"#, r#"{"sub":"1"}"#),
        &Keyring::of(&key()),
        &shape(),
        now(),
    );
    assert_eq!(plain.steps[0].detail, "three parts, header and claims are JSON");
}

/// Everything that is said of a token: cause, what else is so, and what to do.
fn said(token: &str, keys: &Keyring<'_>, shape: &TokenShape) -> (&'static str, String, &'static str) {
    let found = explain(token, keys, shape, now());
    let also = found.also(&found.verdict).join("; ");
    (found.verdict.cause(), format!("{}. {also}", found.verdict.message()), found.remedy(&found.verdict))
}

/// A token with this header and these claims, signed with HS256 by a key.
fn made(key: &[u8], header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(key);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

const OTHER: &[u8] = b"the key of somebody else, that is not here";

#[test]
fn a_token_that_nobody_here_signed_is_told_with_all_that_differs_and_with_what_it_looks_like() {
    let asking = TokenShape {
        issuer: Some("https://api.example.test/auth/v1".into()),
        audience: Some("authenticated".into()),
        ..shape()
    };
    let key = key();
    let keys = Keyring::of(&key);
    let hs = json!({"alg": "HS256"});
    for (header, claims, cause, told, advised) in [
        // An ID token of another provider, and one with another algorithm.
        (
            json!({"alg": "RS256", "kid": "g1"}),
            json!({"sub": "1", "iss": "https://accounts.google.com", "aud": "1234.apps.googleusercontent.com"}),
            "AlgorithmDiffers",
            &[
                "none of the keys here made it",
                "the token's issuer is \"https://accounts.google.com\"",
                "an ID token of Google",
            ][..],
            "Exchange it at the app's sign-in endpoint",
        ),
        // A refresh token of Keycloak has a key of its own, and is an old one at that.
        (
            json!({"alg": "HS512", "kid": "k1"}),
            json!({"sub": "1", "typ": "Refresh", "exp": NOW - 60, "iss": "https://api.example.test/auth/v1", "aud": "authenticated"}),
            "AlgorithmDiffers",
            &["a refresh token", "the token expired"],
            "Send the access token",
        ),
        (
            json!({"alg": "HS256", "nonce": "n"}),
            json!({"sub": "1", "iss": "https://sts.windows.net/1/", "aud": "00000003-0000-0000-c000-000000000000"}),
            "SignedByUnknownKey",
            &[
                "its header has a nonce",
                "the token is meant for the audience \"00000003-0000-0000-c000-000000000000\"",
            ],
            "Ask the provider for an access token for this API",
        ),
        (
            hs.clone(),
            json!({"iss": "https://session.firebase.google.com/p", "sub": "1", "aud": "authenticated"}),
            "SignedByUnknownKey",
            &[
                "the token's issuer is \"https://session.firebase.google.com/p\"",
                "a session cookie of Firebase",
            ],
            "Verify it with verifySessionCookie",
        ),
        // Nothing else is known of it: an app that makes its key at each start is among the causes.
        (
            hs,
            json!({"iss": "https://api.example.test/auth/v1", "sub": "1", "aud": "authenticated"}),
            "SignedByUnknownKey",
            &["was changed after it was signed. "],
            "makes a key of its own at each start",
        ),
    ] {
        let (found, said, remedy) = said(&made(OTHER, &header, &claims), &keys, &asking);
        assert_eq!(found, cause, "{claims}");
        for part in told {
            assert!(said.contains(part), "{claims}: {said}");
        }
        assert!(remedy.contains(advised), "{claims}: {remedy}");
    }
}

#[test]
fn an_audience_or_a_subject_that_stands_elsewhere_is_told_with_where() {
    let key = key();
    let keys = Keyring::of(&key);
    let asking = TokenShape { audience: Some("3q8r1t5v7x".into()), ..shape() };
    let told = |claims: Value, shape: &TokenShape| said(&signed(&claims), &keys, shape);
    // Cognito: an access token has no aud.
    let (cause, said, _) =
        told(json!({"sub": "1", "client_id": "3q8r1t5v7x", "token_use": "access"}), &asking);
    assert_eq!(cause, "AudienceDiffers");
    assert!(
        said.contains("names no audience") && said.contains("its client_id is what the app asks for"),
        "{said}"
    );
    let (cause, said, _) = told(json!({"sub": "1", "aud": "3q8r1t5v7x/"}), &asking);
    assert!(cause == "AudienceDiffers" && said.contains("only a slash at the end differs"), "{said}");
    // Supabase's anonymous key.
    let anonymous = json!({"iss": "supabase", "ref": "abc", "role": "anon"});
    let (cause, said, remedy) = told(anonymous, &shape());
    assert!(cause == "SubjectMissing" && said.contains("an API key of Supabase"), "{said}");
    assert!(remedy.contains("Let the person sign in"), "{remedy}");
    let (_, said, _) = told(json!({"user_id": 7}), &shape());
    assert!(said.contains("it has a claim \"user_id\""), "{said}");
    // Hasura with stringified_json.
    let nested = TokenShape {
        subject_claim: "/https:~1~1hasura.io~1jwt~1claims/x-hasura-user-id".parse().unwrap(),
        ..shape()
    };
    let text = json!({"x-hasura-user-id": "7"}).to_string();
    let (cause, said, _) = told(json!({"https://hasura.io/jwt/claims": text}), &nested);
    assert!(cause == "SubjectMissing" && said.contains("a text with JSON in it"), "{said}");
}

#[test]
fn several_issuers_and_audiences_may_be_right_and_only_the_first_is_minted() {
    let mut asking = TokenShape { issuer: Some("https://a.test/realm".into()), ..shape() };
    asking.accepted = Accepted {
        issuers: vec!["https://b.test/realm".into()],
        audiences: vec!["web".into(), "app".into()],
    };
    let with = |issuer: &str, audience: Value| {
        verdict(&signed(&json!({"sub": "1", "iss": issuer, "aud": audience})), &asking)
    };
    for (issuer, audience) in
        [("https://a.test/realm", json!("web")), ("https://b.test/realm", json!(["x", "app"]))]
    {
        assert!(with(issuer, audience).holds(), "{issuer}");
    }
    assert_eq!(with("https://b.test/realm", json!("x")).cause(), "AudienceDiffers");
    let other = with("https://a.test/realm/", json!("web"));
    assert_eq!(
        other.message(),
        r#"the token's issuer is "https://a.test/realm/" and the app asks for "https://a.test/realm", "https://b.test/realm": only a slash at the end differs"#
    );
    let minted = explain(minted(&asking).expose_secret(), &Keyring::of(&key()), &asking, now());
    assert_eq!(minted.steps[4].detail, "the one that the app asks for");
}

#[test]
fn a_token_of_a_previous_key_goes_on_to_its_lifetime_and_its_user() {
    let (key, previous) = (key(), [key_of(OTHER)]);
    let keys = Keyring { previous: &previous, ..Keyring::of(&key) };
    let with = |claims: Value| explain(&signed_by(OTHER, &claims), &keys, &shape(), now());
    let facts = |account| SubjectFacts { account, invalidated_before: None, revoked: false };
    let active = || Account::Active { login: "ada".into(), id: "1".into(), written: None };
    // Nothing else is wrong.
    let holding = with(json!({"sub": "1", "exp": NOW + 60}));
    assert_eq!((&holding.verdict, holding.subject()), (&Verdict::SignedByPreviousKey, Some("1")));
    assert_eq!(holding.steps[2].detail, "signed by a previous signing key");
    assert_eq!(holding.resolve(&facts(active())), Verdict::SignedByPreviousKey);
    assert!(holding.also(&Verdict::SignedByPreviousKey).is_empty());
    // Something else is: that is the cause, and the key is told beside it.
    let gone = holding.resolve(&facts(Account::Missing));
    assert_eq!(gone, Verdict::SubjectNamesNoUser { subject: "1".into() });
    assert_eq!(holding.also(&gone), ["the token was signed by a previous signing key"]);
    let expired = with(json!({"sub": "1", "exp": NOW - 60}));
    assert_eq!((expired.verdict.cause(), expired.subject()), ("Expired", None));
    assert_eq!(expired.also(&expired.verdict), ["the token was signed by a previous signing key"]);
}

#[test]
fn a_previous_or_revoked_key_that_is_stored_otherwise_is_recognised_too() {
    let (key, other) = (key(), [key_of(b"tK4)rW1(zE8+qA3=mC7-nX2_vS9~bL4:\n")]);
    let token = signed_by(b"tK4)rW1(zE8+qA3=mC7-nX2_vS9~bL4:", &json!({"sub": "1"}));
    for (keys, whose) in [
        (Keyring { previous: &other, ..Keyring::of(&key) }, "by a previous key"),
        (Keyring { revoked: &other, ..Keyring::of(&key) }, "by a revoked key"),
    ] {
        let (cause, said, _) = said(&token, &keys, &shape());
        assert_eq!(cause, "SignedByKeyVariant");
        assert!(said.contains(whose) && said.contains("lacks the white space around this one"), "{said}");
    }
}

#[test]
fn times_that_are_no_numbers_of_seconds_are_said_to_be_so_and_no_date_is_made_up() {
    let key = key();
    let keys = Keyring::of(&key);
    let told = |claims: Value| said(&signed(&claims), &keys, &shape());
    for (claims, cause, part, advised) in [
        (json!({"exp": NOW * 1000}), "Holds", "its exp is in milliseconds", ""),
        (
            json!({"iat": NOW * 1000}),
            "NotYetValid",
            "iat is in milliseconds where seconds belong",
            "waiting does not help",
        ),
        (
            json!({"nbf": NOW * 1000}),
            "NotYetValid",
            "nbf is in milliseconds where seconds belong",
            "waiting does not help",
        ),
        (
            json!({"exp": (NOW + 60).to_string()}),
            "TimeNotANumber",
            "jsonwebtoken for Node refuses it",
            "numbers of seconds",
        ),
        (
            json!({"nbf": (NOW - 60).to_string()}),
            "TimeNotANumber",
            "PyJWT reads it all the same",
            "numbers of seconds",
        ),
        (json!({"exp": (NOW - 60).to_string()}), "Expired", "expired 60 seconds ago", "Sign in again"),
        (json!({"iat": (NOW - 60).to_string()}), "Holds", "its iat is a number in a text", ""),
        (
            json!({"exp": "2030-01-01T00:00:00Z"}),
            "TimeNotANumber",
            "PyJWT and jsonwebtoken for Node refuse that",
            "numbers of seconds",
        ),
        (
            json!({"exp": null}),
            "TimeNotANumber",
            "PyJWT and jsonwebtoken for Node refuse that",
            "numbers of seconds",
        ),
        (
            json!({"iat": "2030-01-01"}),
            "TimeNotANumber",
            "jsonwebtoken for Node does not look at iat",
            "numbers of seconds",
        ),
        (json!({"exp": 3600, "iat": NOW}), "ExpiryIsDuration", "exp is 3600,", "now plus the lifetime"),
        (json!({"exp": 60}), "ExpiryIsDuration", "each new token fails too", "expiresIn"),
        (json!({"exp": 0}), "ExpiryIsDuration", "exp is 0,", "now plus the lifetime"),
        (
            json!({"iat": NOW - 5, "exp": NOW - 6305}),
            "ExpiresBeforeIssued",
            "is 105 minutes before its iat",
            "time zone",
        ),
        (json!({"iat": NOW - 6305, "exp": NOW - 5}), "Expired", "expired 5 seconds ago", "Sign in again"),
        (json!({"iat": NOW * 1000, "exp": NOW - 5}), "Expired", "expired 5 seconds ago", "Sign in again"),
        (
            json!({"iat": NOW - 5, "nbf": NOW + 55}),
            "NotYetValid",
            "sets nbf 60 seconds after iat, so the clocks are not the cause",
            "set nbf to iat",
        ),
        (
            json!({"iat": NOW - 5, "nbf": NOW + 3600}),
            "NotYetValid",
            "sets nbf 60 minutes after iat",
            "set nbf to iat",
        ),
        (json!({"iat": NOW + 60, "nbf": NOW + 60}), "ClocksDiffer", "in 60 seconds", "NTP"),
        (json!({"iat": NOW, "nbf": NOW as f64 + 0.7}), "ClocksDiffer", "in less than a second", "NTP"),
        (
            json!({"iat": NOW - 5, "nbf": NOW * 1000}),
            "NotYetValid",
            "nbf is in milliseconds where seconds belong",
            "waiting does not help",
        ),
        (json!({"exp": NOW * 1_000_000}), "Holds", "its exp is in microseconds", ""),
        (json!({"exp": -1e300}), "Expired", "before any time that a calendar has", "Sign in again"),
        (json!({"iat": NOW as f64 + 0.5}), "ClocksDiffer", "in less than a second", "NTP"),
    ] {
        let mut claims = claims;
        claims["sub"] = "1".into();
        let (found, said, remedy) = told(claims.clone());
        assert_eq!(found, cause, "{claims}");
        assert!(said.contains(part) && remedy.contains(advised), "{claims}: {said} {remedy}");
        assert!(!said.contains("9999-") && !said.contains("-009999"), "{said}");
    }
}

#[test]
fn a_subject_that_is_an_object_is_told_with_the_pointers_that_the_spec_may_name() {
    let token = signed(&json!({"sub": {"user_id": 7, "a/b": "x", "roles": []}}));
    let found = explain(&token, &Keyring::of(&key()), &shape(), now());
    assert_eq!(
        found.also,
        [r#"inside of the subject there are "/sub/a~1b" (a JSON string), "/sub/user_id" (a JSON number)"#]
    );
    assert!(found.remedy(&found.verdict).contains("spec.jwt.subjectClaim"));
    // What is advised ends it.
    let mended = TokenShape {
        subject_claim: "/sub/user_id".parse().unwrap(),
        subject_type: SubjectType::Number,
        ..shape()
    };
    assert_eq!(verdict(&token, &mended), Verdict::Holds { subject: "7".into() });
    let empty = explain(&signed(&json!({"sub": {}})), &Keyring::of(&key()), &shape(), now());
    assert_eq!(empty.also, [] as [String; 0]);
}

#[test]
fn what_is_no_token_at_all_is_not_called_one_that_cannot_be_read() {
    let null = verdict("Bearer null", &shape());
    assert_eq!(null.message(), "no token was sent: the word null stands in its place");
    assert_eq!((null.cause(), verdict("abc", &shape()).cause()), ("NotSent", "NotAToken"));
    assert!(null.remedy().contains("frontend") && !null.remedy().contains("Copy the token"));
    let token = signed(&json!({"sub": "1"}));
    let two = verdict(&format!("Bearer {token},Bearer {token}"), &shape());
    assert_eq!(two, Verdict::Malformed(NotAToken::TwoCredentials));
    assert!(two.message().contains("two credentials") && two.remedy().contains("proxy"), "{two:?}");
}

#[test]
fn the_times_of_a_verdict_are_those_of_the_claims() {
    assert_eq!(
        verdict(&signed(&json!({"sub": "1", "iat": NOW - 5, "exp": NOW - 65})), &shape()),
        Verdict::Time(TimeVerdict::ExpiresBeforeIssued {
            expires: at(-65),
            issued: at(-5),
            by: Duration::from_secs(60)
        })
    );
}

#[test]
fn a_number_in_another_claim_than_sub_is_only_told() {
    let by_id = TokenShape { subject_claim: "user_id".parse().unwrap(), ..shape() };
    let found = explain(&signed(&json!({"user_id": 7})), &Keyring::of(&key()), &by_id, now());
    assert_eq!(found.verdict, Verdict::Holds { subject: "7".into() });
    assert_eq!(found.steps[7].detail, "a JSON number in user_id");
    assert!(found.also[0].contains("no library refuses that"), "{:?}", found.also);
    let list = explain(&signed(&json!({"user_id": [7]})), &Keyring::of(&key()), &by_id, now());
    assert!(!list.verdict.remedy().contains("PyJWT"), "{}", list.verdict.remedy());
    let plain = explain(&signed(&json!({"user_id": "7"})), &Keyring::of(&key()), &by_id, now());
    assert!(plain.verdict.holds() && plain.also.is_empty());
}

#[test]
fn what_some_verifiers_read_is_not_called_unreadable() {
    let header = json!({"alg": "HS256", "kid": 7});
    let found = verdict(&made(KEY, &header, &json!({"sub": "1"})), &shape());
    assert_eq!(found.cause(), "VerifiersDiffer");
    assert!(found.message().starts_with("verifiers differ about this token"), "{}", found.message());
    assert_eq!(verdict("x.y", &shape()).cause(), "NotAToken");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_shape()(
        algorithm in prop_oneof![Just(Algorithm::HS256), Just(Algorithm::HS384), Just(Algorithm::HS512)],
        pointer in prop_oneof![Just("sub"), Just("user_id"), Just("/https:~1~1hasura.io~1jwt~1claims/x-hasura-user-id")],
        issuer in proptest::option::of(".{1,20}"),
        audience in proptest::option::of(".{1,20}"),
        claims in proptest::collection::btree_map("x_[a-z]{1,6}", any_json(), 0..4),
        number in any::<bool>(),
    ) -> TokenShape {
        TokenShape {
            algorithm,
            subject_claim: pointer.parse().unwrap(),
            subject_type: if number { SubjectType::Number } else { SubjectType::String },
            issuer,
            audience,
            accepted: Accepted::default(),
            claims: claims.into_iter().collect(),
            lifetime: DAY,
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_minted_holds_until_it_expires(
        shape in any_shape(),
        text in ".{1,40}",
        number in any::<i64>(),
        secret in proptest::collection::vec(any::<u8>(), 1..80),
        second in 0i64..4_000_000_000,
        nanosecond in 0i32..1_000_000_000,
        lifetime in 1u64..10_000_000,
    ) {
        let subject = if shape.subject_type == SubjectType::Number { number.to_string() } else { text };
        let (key, now) = (key_of(&secret), Timestamp::new(second, nanosecond).unwrap());
        let token = mint(&key, &shape, &subject, now, Duration::from_secs(lifetime)).unwrap();
        let verification = explain(token.expose_secret(), &Keyring::of(&key), &shape, now);
        prop_assert_eq!(verification.subject(), Some(subject.as_str()), "{:?}", verification);

        let last = Timestamp::from_second(second + lifetime as i64).unwrap();
        let verification = explain(token.expose_secret(), &Keyring::of(&key), &shape, last);
        let expired = matches!(verification.verdict, Verdict::Expired { .. });
        prop_assert!(expired);
    }

    #[test]
    fn a_token_with_one_byte_changed_never_holds(at in any::<prop::sample::Index>(), to in 0x20u8..0x7f) {
        let token = minted(&shape());
        let mut bytes = token.expose_secret().as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let tampered = String::from_utf8(bytes).unwrap();
        prop_assert!(!verdict(&tampered, &shape()).holds(), "{at} {to}");
    }

    #[test]
    fn changed_claims_under_the_old_signature_never_hold(subject in "[0-9]{1,6}") {
        prop_assume!(subject != "1");
        let token = minted(&shape());
        let parts: Vec<&str> = token.expose_secret().split('.').collect();
        let claims = URL_SAFE_NO_PAD.encode(json!({"sub": subject, "exp": NOW + 60}).to_string());
        prop_assert_eq!(verdict(&format!("{}.{claims}.{}", parts[0], parts[2]), &shape()), Verdict::SignedByUnknownKey);
    }

    #[test]
    fn any_text_can_be_explained(text in ".{0,200}") {
        prop_assert!(!verdict(&text, &shape()).holds());
    }
}
