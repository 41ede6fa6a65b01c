use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::{
    api::{condition::Reason, report::Severity},
    tokens::{
        Forgery, KeyVerdict, KeyWeakness, MAX_KEYS, MintError, NotAToken, Part, PemLayout, Signer,
        TokenShape, Verdict, audit, audit_part, confuse, explain,
        explain::tests::{now, shape},
        fingerprint, forge, mint,
    },
};

const DAY: Duration = Duration::from_secs(86_400);

/// A key of `tests/keys`.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/", $name, ".pem"))
    };
}

const PAIRS: [(&str, Algorithm); 9] = [
    (pem!("rsa-one"), Algorithm::RS256),
    (pem!("rsa-one"), Algorithm::RS384),
    (pem!("rsa-one-pkcs1"), Algorithm::RS512),
    (pem!("rsa-one"), Algorithm::PS256),
    (pem!("rsa-one"), Algorithm::PS384),
    (pem!("rsa-one"), Algorithm::PS512),
    (pem!("p256"), Algorithm::ES256),
    (pem!("p384"), Algorithm::ES384),
    (pem!("ed25519"), Algorithm::EdDSA),
];

fn read(text: &str, algorithm: Algorithm) -> KeySet {
    read_as(text, algorithm, &KeyIds::default())
}

fn read_as(text: &str, algorithm: Algorithm, ids: &KeyIds<'_>) -> KeySet {
    KeySet::read(text.as_bytes().to_vec(), algorithm, ids).unwrap()
}

fn for_algorithm(algorithm: Algorithm) -> TokenShape {
    TokenShape { algorithm, ..shape() }
}

fn minted(key: &SigningKey, algorithm: Algorithm) -> String {
    mint(key, &for_algorithm(algorithm), "1", now(), DAY).unwrap().expose_secret().to_owned()
}

fn verdict(token: &str, keys: &KeySet, algorithm: Algorithm) -> Verdict {
    explain(token, &keys.keyring(), &for_algorithm(algorithm), now()).verdict
}

fn cause(token: &str, keys: &KeySet, algorithm: Algorithm) -> &'static str {
    verdict(token, keys, algorithm).cause()
}

fn unfit(text: &str, algorithm: Algorithm) -> Unfit {
    read(text, algorithm).current.unfit().cloned().unwrap_or_else(|| panic!("it fits: {text}"))
}

/// The public JWK of a PEM, with what else it says.
fn jwk(pem: &str, algorithm: Algorithm, more: Value) -> Value {
    let keys = read(pem, algorithm);
    let forms = keys.current.pair().unwrap().public_forms();
    let form = forms.iter().find(|form| form.starts_with(b"{")).unwrap();
    let mut key: Value = serde_json::from_slice(form).unwrap();
    key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    key
}

/// The private JWK of an RSA key in PKCS#1.
fn private_rsa_jwk(pem: &str, more: Value) -> Value {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = material::from_base64(body.as_bytes()).unwrap();
    let (_, mut rest, _) = material::element(&der).unwrap();
    let mut numbers = Vec::new();
    while let Some((_, number, after)) = material::element(rest) {
        numbers.push(
            URL_SAFE_NO_PAD.encode(
                number
                    .iter()
                    .skip_while(|byte| **byte == 0)
                    .collect::<Vec<_>>()
                    .iter()
                    .map(|byte| **byte)
                    .collect::<Vec<u8>>(),
            ),
        );
        rest = after;
    }
    let mut key = json!({"kty": "RSA"});
    for (name, number) in ["n", "e", "d", "p", "q", "dp", "dq", "qi"].iter().zip(&numbers[1..]) {
        key[name] = json!(number);
    }
    key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    key
}

fn set(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

/// Three RSA keys of one set: the first can sign.
fn three() -> String {
    set(&[
        private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({"kid": "one"})),
        jwk(pem!("rsa-two"), Algorithm::RS256, json!({"kid": "two"})),
        jwk(pem!("rsa-three"), Algorithm::RS256, json!({"kid": "three"})),
    ])
}

#[test]
fn every_algorithm_mints_what_holds_and_its_public_half_verifies_it() {
    for (pem, algorithm) in PAIRS {
        let keys = read(pem, algorithm);
        assert_eq!(audit(&keys.current, algorithm), [], "{algorithm:?}");
        let token = minted(&keys.current, algorithm);
        assert_eq!(verdict(&token, &keys, algorithm), Verdict::Holds { subject: "1".into() });
        let public = keys.current.pair().unwrap().pem();
        for public in [public, jwk(pem, algorithm, json!({})).to_string()] {
            let public = read(&public, algorithm);
            assert!(public.current.is_public_only());
            assert_eq!(verdict(&token, &public, algorithm), Verdict::Holds { subject: "1".into() });
            let none = mint(&public.current, &for_algorithm(algorithm), "1", now(), DAY).unwrap_err();
            assert_eq!(none, MintError::PublicKeyOnly);
            assert_eq!(fingerprint(&public.current, algorithm), fingerprint(&keys.current, algorithm));
        }
    }
}

#[test]
fn the_same_key_is_read_from_every_form_and_has_one_fingerprint() {
    let same: [(&[&str], Algorithm); 3] = [
        (
            &[
                pem!("rsa-one"),
                pem!("rsa-one-pkcs1"),
                pem!("rsa-one-public"),
                pem!("rsa-one-public-pkcs1"),
                &private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({})).to_string(),
            ],
            Algorithm::RS256,
        ),
        (&[pem!("p256"), pem!("p256-sec1"), pem!("p256-public")], Algorithm::ES256),
        (&[pem!("ed25519"), pem!("ed25519-public")], Algorithm::EdDSA),
    ];
    for (forms, algorithm) in same {
        let fingerprints: BTreeSet<_> =
            forms.iter().map(|form| fingerprint(&read(form, algorithm).current, algorithm)).collect();
        assert_eq!(fingerprints.len(), 1, "{algorithm:?}");
        assert!(fingerprints.iter().all(|one| one.as_ref().unwrap().starts_with("v1:thumbprint:")));
    }
    assert!(read(pem!("p256-with-parameters"), Algorithm::ES256).current.has_private());
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    // RFC 7638 section 3.1 and RFC 8037 appendix A.3.
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let ed = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    for (text, algorithm, expected) in [
        (rsa, Algorithm::RS256, "v1:thumbprint:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ed, Algorithm::EdDSA, "v1:thumbprint:kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        assert_eq!(fingerprint(&read(text, algorithm).current, algorithm).unwrap(), expected);
    }
}

#[test]
fn a_published_example_of_eddsa_holds() {
    // RFC 8037 appendix A.4: a signature that another program made.
    let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let keys = read(ed, Algorithm::EdDSA);
    let signed = crate::tokens::inspect::Signed {
        message: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned().into(),
        signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
            .to_owned()
            .into(),
        bytes: 64,
        in_der: false,
    };
    assert!(keys.current.verifies(&signed, Algorithm::EdDSA));
    assert!(!keys.current.verifies(&signed, Algorithm::ES256), "another algorithm is no way around it");
}

#[test]
fn what_does_not_fit_the_algorithm_is_named_with_what_was_found() {
    for (text, algorithm, algorithm_said, found) in [
        (pem!("p256"), Algorithm::RS256, "RS256 needs an RSA key", "an EC key on P-256"),
        (pem!("rsa-one"), Algorithm::ES256, "ES256 needs an EC key on P-256", "an RSA key"),
        (pem!("p256-public"), Algorithm::ES384, "ES384 needs an EC key on P-384", "an EC key on P-256"),
        (pem!("p384"), Algorithm::EdDSA, "EdDSA needs an Ed25519 key", "an EC key on P-384"),
        (
            "a plain shared secret of some length",
            Algorithm::PS256,
            "PS256 needs an RSA key",
            "such as a shared secret",
        ),
        ("ssh-rsa AAAAB3NzaC1yc2E someone", Algorithm::RS256, "RS256 needs", "OpenSSH"),
        (r#"{"kty":"oct","k":"c2VjcmV0"}"#, Algorithm::RS256, "RS256 needs", "shared secret (kty oct)"),
    ] {
        let key = read(text, algorithm).current;
        let [weakness] = &audit(&key, algorithm)[..] else { panic!("{text}") };
        assert_eq!((weakness.reason(), weakness.severity()), (Reason::SigningKeyUnfit, Severity::Error));
        let message = weakness.message();
        assert!(message.contains(algorithm_said) && message.contains(found), "{message}");
        assert_eq!(fingerprint(&key, algorithm), None);
        let error = mint(&key, &for_algorithm(algorithm), "1", now(), DAY).unwrap_err();
        assert!(matches!(error, MintError::KeyUnfit { .. }), "{error}");
    }
    assert!(
        matches!(unfit(pem!("p521"), Algorithm::ES256), Unfit::Unsupported { found } if found.contains("P-521"))
    );
    assert_eq!(unfit(pem!("ed25519-encrypted"), Algorithm::EdDSA), Unfit::Encrypted);
    assert_eq!(unfit(pem!("rsa-one-certificate"), Algorithm::RS256), Unfit::Certificate);
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg==\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(unfit(openssh, Algorithm::EdDSA), Unfit::OpenSsh);
    let cut = &pem!("rsa-one")[..600];
    assert!(matches!(unfit(cut, Algorithm::RS256), Unfit::Broken { why } if why.contains("no line END")));
    let other_private = pem!("rsa-one").replace("PRIVATE KEY", "DSA PRIVATE KEY");
    assert!(matches!(
        unfit(&other_private, Algorithm::RS256),
        Unfit::Mislabelled { right: "PRIVATE KEY", .. }
    ));
    let not_base64 = pem!("p256").replace("MI", "M!");
    assert!(matches!(unfit(&not_base64, Algorithm::ES256), Unfit::Broken { why } if why.contains("base64")));
}

#[test]
fn a_small_rsa_key_is_weak_and_neither_mints_nor_verifies() {
    let keys = read(pem!("rsa-1024"), Algorithm::RS256);
    let [weakness] = &audit(&keys.current, Algorithm::RS256)[..] else { panic!() };
    assert_eq!(weakness.reason(), Reason::SigningKeyWeak);
    assert!(weakness.message().contains("1024 bits") && weakness.message().contains("2048"));
    let error = mint(&keys.current, &for_algorithm(Algorithm::RS256), "1", now(), DAY).unwrap_err();
    assert_eq!(error, MintError::KeyTooShort { bits: 1024 });
    let token = minted(&read(pem!("rsa-one"), Algorithm::RS256).current, Algorithm::RS256);
    assert_eq!(cause(&token, &keys, Algorithm::RS256), "KeyUnusable");
}

#[test]
fn literal_line_breaks_are_read_and_told() {
    let keys = read(&pem!("p256").trim_end().replace('\n', "\\n"), Algorithm::ES256);
    let [weakness] = &audit(&keys.current, Algorithm::ES256)[..] else { panic!() };
    assert_eq!(weakness.reason(), Reason::SigningKeySuspicious);
    let token = minted(&keys.current, Algorithm::ES256);
    assert_eq!(cause(&token, &read(pem!("p256"), Algorithm::ES256), Algorithm::ES256), "Holds");
}

#[test]
fn the_keys_of_a_set_have_their_parts_by_the_spec() {
    let (previous, revoked) = (["two".to_owned()], ["three".to_owned()]);
    let ids = KeyIds { current: None, previous: &previous, revoked: &revoked };
    let keys = read_as(&three(), Algorithm::RS256, &ids);
    assert_eq!(keys.current.id(), Some("one"));
    assert_eq!((keys.previous.len(), keys.standby.len(), keys.revoked.len()), (1, 0, 1));
    assert!(keys.by_id && keys.current.oddities.is_empty());
    let token = minted(&keys.current, Algorithm::RS256);
    let header = crate::tokens::inspect(&token).unwrap().header;
    assert_eq!(Value::Object(header), json!({"typ": "JWT", "alg": "RS256", "kid": "one"}));
    let steps = explain(&token, &keys.keyring(), &for_algorithm(Algorithm::RS256), now()).steps;
    assert_eq!(steps[2].detail, "signed by the signing key (kid \"one\")");

    let by = |pem, id| minted(&read(pem, Algorithm::RS256).current.called(Some(id)), Algorithm::RS256);
    let said = |token: &str| verdict(token, &keys, Algorithm::RS256);
    assert_eq!(said(&by(pem!("rsa-two"), "two")), Verdict::SignedByPreviousKey);
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(
        said(&by(pem!("rsa-three"), "three")),
        Verdict::Key(KeyVerdict::SignedByRevokedKey { id: id("three") })
    );
    let waiting = read(&three(), Algorithm::RS256);
    assert_eq!(
        verdict(&by(pem!("rsa-two"), "two"), &waiting, Algorithm::RS256),
        Verdict::Key(KeyVerdict::SignedByStandbyKey { id: id("two") })
    );
    // The kid is wrong, and the signature right.
    let of_another = KeyVerdict::KeyIdOfAnother { id: "two".into(), signer: Some("one".into()) };
    assert_eq!(said(&by(pem!("rsa-one"), "two")), Verdict::Key(of_another));
    let unknown = |signed| Verdict::Key(KeyVerdict::KeyIdUnknown { id: "four".into(), signed });
    assert_eq!(said(&by(pem!("rsa-one"), "four")), unknown(true));
    // The current key may have none.
    let nameless = set(&[
        private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({})),
        jwk(pem!("rsa-two"), Algorithm::RS256, json!({"kid": "two"})),
    ]);
    let found = verdict(&by(pem!("rsa-one"), "two"), &read(&nameless, Algorithm::RS256), Algorithm::RS256);
    assert_eq!(found, Verdict::Key(KeyVerdict::KeyIdOfAnother { id: "two".into(), signer: None }));
    assert!(found.message().contains("signed by the signing key, which has none"), "{}", found.message());
    // Nothing can be looked up by the kid of a token where the key has none.
    let found = verdict(&by(pem!("rsa-one"), "four"), &read(&nameless, Algorithm::RS256), Algorithm::RS256);
    assert_eq!(found, Verdict::Key(KeyVerdict::KeyHasNoId { id: "four".into() }));
    assert!(found.remedy().starts_with("Give the key in the JWKS the kid"), "{}", found.remedy());
    // The kid is wrong, and nobody signed; or only nobody signed.
    let foreign = |id: Option<&str>| {
        let mut token = minted(&read(pem!("rsa-two"), Algorithm::RS384).current.called(id), Algorithm::RS384);
        let header = json!({"alg": "RS256", "kid": id});
        let header = if id.is_some() { header } else { json!({"alg": "RS256"}) };
        token.replace_range(..token.find('.').unwrap(), &URL_SAFE_NO_PAD.encode(header.to_string()));
        token
    };
    assert_eq!(said(&foreign(Some("four"))), unknown(false));
    assert_eq!(said(&foreign(Some("one"))), Verdict::SignedByUnknownKey);
    assert_eq!(said(&foreign(None)), Verdict::SignedByUnknownKey);
    // No kid at all is only told.
    let without = minted(&read(pem!("rsa-one"), Algorithm::RS256).current, Algorithm::RS256);
    let verification = explain(&without, &keys.keyring(), &for_algorithm(Algorithm::RS256), now());
    assert!(verification.verdict.holds() && verification.steps[2].detail.contains("names no kid"));
}

#[test]
fn a_key_without_a_set_minds_no_kid_and_tells_of_one_that_differs() {
    let ids = KeyIds { current: Some("main"), ..KeyIds::default() };
    for (text, algorithm) in
        [(pem!("p256"), Algorithm::ES256), ("kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*", Algorithm::HS256)]
    {
        let keys = read_as(text, algorithm, &ids);
        assert_eq!(keys.current.id(), Some("main"));
        assert!(minted(&keys.current, algorithm).starts_with(
            &URL_SAFE_NO_PAD.encode(json!({"typ": "JWT"}).to_string().trim_end_matches('}'))[..12]
        ));
        let token = minted(&keys.current.clone().called(Some("other")), algorithm);
        let verification = explain(&token, &keys.keyring(), &for_algorithm(algorithm), now());
        assert!(verification.verdict.holds());
        assert!(verification.steps[2].detail.contains("its kid is \"other\" and not \"main\""));
        assert_eq!(
            fingerprint(&keys.current, algorithm),
            fingerprint(&read(text, algorithm).current, algorithm),
            "a name does not make another key"
        );
    }
}

#[test]
fn which_key_of_a_set_is_the_current_one_is_clear_or_told() {
    let public = |name: &str, pem: &str| jwk(pem, Algorithm::RS256, json!({"kid": name}));
    let both = set(&[public("one", pem!("rsa-one")), public("two", pem!("rsa-two"))]);
    assert_eq!(
        unfit(&both, Algorithm::RS256),
        Unfit::Ambiguous { keys: 2, without_id: 0, algorithm: Algorithm::RS256 }
    );
    let nameless = set(&[
        jwk(pem!("rsa-one"), Algorithm::RS256, json!({})),
        jwk(pem!("rsa-two"), Algorithm::RS256, json!({})),
    ]);
    let message = unfit(&nameless, Algorithm::RS256).message();
    assert!(message.contains("2 of them without a kid, so give each its own there first"), "{message}");
    let named = read_as(&both, Algorithm::RS256, &KeyIds { current: Some("two"), ..KeyIds::default() });
    assert_eq!((named.current.id(), named.standby.len()), (Some("two"), 1));
    let nobody = read_as(&both, Algorithm::RS256, &KeyIds { current: Some("x"), ..KeyIds::default() });
    let no_such = Unfit::NoSuchKey { id: "x".into(), algorithm: Algorithm::RS256 };
    assert_eq!(nobody.current.unfit(), Some(&no_such));
    let previous = ["one".to_owned()];
    let rest = read_as(&both, Algorithm::RS256, &KeyIds { previous: &previous, ..KeyIds::default() });
    assert_eq!((rest.current.id(), rest.previous.len()), (Some("two"), 1));
    // Another kind of key is of no concern.
    let mixed =
        set(&[jwk(pem!("p256"), Algorithm::ES256, json!({"kid": "e"})), public("one", pem!("rsa-one"))]);
    assert_eq!(read(&mixed, Algorithm::RS256).current.id(), Some("one"));
    assert_eq!(read(&mixed, Algorithm::ES256).current.id(), Some("e"));
    assert_eq!(unfit(&mixed, Algorithm::EdDSA), Unfit::NoneFits { keys: 2, algorithm: Algorithm::EdDSA });
    assert_eq!(
        unfit(r#"{"keys":[]}"#, Algorithm::EdDSA),
        Unfit::NoneFits { keys: 0, algorithm: Algorithm::EdDSA }
    );
    // A single JWK of another name than the spec's.
    let single = public("one", pem!("rsa-one")).to_string();
    let other = read_as(&single, Algorithm::RS256, &KeyIds { current: Some("x"), ..KeyIds::default() });
    assert_eq!(other.current.unfit(), Some(&no_such));
    for unfit in [unfit(&both, Algorithm::RS256), no_such] {
        assert!(unfit.message().contains("spec.jwt.keyId"), "{}", unfit.message());
    }
}

#[test]
fn a_single_key_that_is_previous_or_revoked_is_not_the_current_one() {
    let single = private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({"kid": "one"}));
    let (one, none) = (["one".to_owned()], []);
    let gone = Unfit::NoneCurrent { keys: 1, algorithm: Algorithm::RS256 };
    let no_such = Unfit::NoSuchKey { id: "x".into(), algorithm: Algorithm::RS256 };
    for text in [single.to_string(), set(std::slice::from_ref(&single))] {
        for (current, expected) in [(None, &gone), (Some("x"), &no_such)] {
            let revoked =
                read_as(&text, Algorithm::RS256, &KeyIds { current, previous: &none, revoked: &one });
            assert_eq!(revoked.current.unfit(), Some(expected));
            assert_eq!((revoked.previous.len(), revoked.standby.len(), revoked.revoked.len()), (0, 0, 1));
            let refused = mint(&revoked.current, &for_algorithm(Algorithm::RS256), "1", now(), DAY);
            assert!(matches!(refused, Err(MintError::KeyUnfit { .. })));
            let previous =
                read_as(&text, Algorithm::RS256, &KeyIds { current, previous: &one, revoked: &none });
            assert_eq!(previous.current.unfit(), Some(expected));
            assert_eq!((previous.previous.len(), previous.standby.len(), previous.revoked.len()), (1, 0, 0));
        }
    }
    assert!(gone.message().contains("revokedKeyIds name the only one"), "{}", gone.message());
    let named = KeyIds { current: Some("one"), previous: &none, revoked: &none };
    assert!(read_as(&single.to_string(), Algorithm::RS256, &named).current.unfit().is_none());
}

#[test]
fn what_a_jwk_says_against_its_use_is_told() {
    let rsa = |more| jwk(pem!("rsa-one"), Algorithm::RS256, more).to_string();
    for (text, expected) in [
        (
            rsa(json!({"alg": "RS512"})),
            Oddity::OtherAlgorithm { found: "RS512".into(), expected: Algorithm::RS256 },
        ),
        (rsa(json!({"use": "enc"})), Oddity::NotForSignatures { found: "enc".into() }),
        (rsa(json!({"key_ops": ["encrypt"]})), Oddity::OtherOperations),
    ] {
        let keys = read(&text, Algorithm::RS256);
        assert_eq!(keys.current.oddities, [expected]);
        let [weakness] = &audit(&keys.current, Algorithm::RS256)[..] else { panic!() };
        assert_eq!(
            (weakness.reason(), weakness.severity()),
            (Reason::SigningKeySuspicious, Severity::Warning)
        );
    }
    let fine = rsa(json!({"alg": "RS256", "use": "sig", "key_ops": ["verify"], "x5t": 7}));
    assert_eq!(read(&fine, Algorithm::RS256).current.oddities, []);
    let named = jwk(pem!("ed25519"), Algorithm::EdDSA, json!({"alg": "Ed25519"})).to_string();
    assert_eq!(read(&named, Algorithm::EdDSA).current.oddities, []);
    // A key that says otherwise gives way to one that does not.
    let both = set(&[
        jwk(pem!("rsa-one"), Algorithm::RS256, json!({"kid": "one", "use": "enc"})),
        jwk(pem!("rsa-two"), Algorithm::RS256, json!({"kid": "two"})),
    ]);
    assert_eq!(read(&both, Algorithm::RS256).current.id(), Some("two"));
}

#[test]
fn keys_of_a_set_for_something_else_are_passed_over_unless_they_are_named_or_alone() {
    // As Keycloak publishes them: one to sign, one to encrypt.
    let sig = jwk(pem!("rsa-one"), Algorithm::RS256, json!({"kid": "sig", "use": "sig", "alg": "RS256"}));
    for more in [
        json!({"kid": "enc", "use": "enc", "alg": "RSA-OAEP"}),
        json!({"kid": "enc", "key_ops": ["encrypt"]}),
        json!({"kid": "enc", "alg": "RS512"}),
    ] {
        let enc = jwk(pem!("rsa-two"), Algorithm::RS256, more);
        let both = set(&[sig.clone(), enc.clone()]);
        let keys = read(&both, Algorithm::RS256);
        assert_eq!((keys.current.id(), keys.standby.len()), (Some("sig"), 0));
        assert_eq!(audit(&keys.current, Algorithm::RS256), []);
        let by_enc = minted(&read(pem!("rsa-two"), Algorithm::RS256).current, Algorithm::RS256);
        assert_eq!(verdict(&by_enc, &keys, Algorithm::RS256), Verdict::SignedByUnknownKey);
        let before = |ids: &KeyIds<'_>| {
            let (keys, ended) =
                KeySet::read_previous(both.clone().into_bytes(), Algorithm::RS256, ids).unwrap();
            (keys.len(), ended.len())
        };
        assert_eq!(before(&KeyIds::default()), (1, 0));

        let named = ["enc".to_owned()];
        let ids = KeyIds { current: Some("enc"), ..KeyIds::default() };
        let keys = read_as(&both, Algorithm::RS256, &ids);
        assert_eq!((keys.current.id(), keys.standby.len()), (Some("enc"), 1));
        assert_eq!(audit(&keys.current, Algorithm::RS256)[0].reason(), Reason::SigningKeySuspicious);
        let ids = KeyIds { previous: &named, ..KeyIds::default() };
        assert_eq!(read_as(&both, Algorithm::RS256, &ids).previous.len(), 1);
        assert_eq!(before(&ids), (2, 0));
        let ids = KeyIds { revoked: &named, ..KeyIds::default() };
        assert_eq!(read_as(&both, Algorithm::RS256, &ids).revoked.len(), 1);
        assert_eq!(before(&ids), (1, 1));
        // Where nothing else fits it is the one that is meant, and told.
        let alone = read(&set(&[enc]), Algorithm::RS256);
        assert_eq!(alone.current.id(), Some("enc"));
        assert_eq!(audit(&alone.current, Algorithm::RS256)[0].reason(), Reason::SigningKeySuspicious);
    }
    // A short key is weak also where a JWK holds it.
    let short = jwk(pem!("rsa-1024"), Algorithm::RS256, json!({"kid": "s"})).to_string();
    assert_eq!(
        audit(&read(&short, Algorithm::RS256).current, Algorithm::RS256)[0].reason(),
        Reason::SigningKeyWeak
    );
}

#[test]
fn a_pem_whose_lines_name_another_format_than_the_body_has_is_told_with_the_right_lines() {
    let spki = read(pem!("rsa-one-public"), Algorithm::RS256).current;
    for (text, said, right, format) in [
        (
            pem!("rsa-one-public").replace("PUBLIC", "RSA PUBLIC"),
            Some("RSA PUBLIC KEY"),
            "PUBLIC KEY",
            "SPKI",
        ),
        (pem!("rsa-one-public-pkcs1").replace("RSA ", ""), Some("PUBLIC KEY"), "RSA PUBLIC KEY", "PKCS#1"),
        (pem!("rsa-one").replace("PRIVATE", "RSA PRIVATE"), Some("RSA PRIVATE KEY"), "PRIVATE KEY", "PKCS#8"),
        (pem!("rsa-one-pkcs1").replace("RSA ", ""), Some("PRIVATE KEY"), "RSA PRIVATE KEY", "PKCS#1"),
        (pem!("rsa-one-public").replace("PUBLIC", "SSH2 PUBLIC"), None, "PUBLIC KEY", "SPKI"),
    ] {
        let found = unfit(&text, Algorithm::RS256);
        assert_eq!(found, Unfit::Mislabelled { said, right, format });
        assert!(found.message().contains(&format!("write {right} into both lines")), "{}", found.message());
        // What is advised ends it.
        let wrong = said.unwrap_or("SSH2 PUBLIC KEY");
        let mended = text.replace(&format!("BEGIN {wrong}-"), &format!("BEGIN {right}-"));
        let mended = mended.replace(&format!("END {wrong}-"), &format!("END {right}-"));
        assert!(read(&mended, Algorithm::RS256).current.is_same(&spki));
    }
    let sec1 = pem!("p256").replace("PRIVATE", "EC PRIVATE");
    assert!(matches!(unfit(&sec1, Algorithm::ES256), Unfit::Mislabelled { right: "PRIVATE KEY", .. }));
    // What is cut off is of no format.
    let cut: String = pem!("rsa-one")
        .lines()
        .filter(|line| !line.starts_with('M'))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert!(matches!(unfit(&cut, Algorithm::RS256), Unfit::Broken { .. }));
}

#[test]
fn a_kid_that_is_a_number_is_told_and_what_to_write() {
    let numbered = |name: &str, kid: Value| jwk(name, Algorithm::RS256, json!({"kid": kid}));
    let only = set(&[numbered(pem!("rsa-one"), json!(1))]);
    let found = unfit(&only, Algorithm::RS256);
    assert_eq!(found, Unfit::KeyIdNumber { number: "1".into() });
    assert!(
        found.message().contains("is the number 1, and RFC 7517 has a text: write \"1\""),
        "{}",
        found.message()
    );
    assert_eq!(unfit(&numbered(pem!("rsa-one"), json!(1)).to_string(), Algorithm::RS256), found);
    let mended = set(&[numbered(pem!("rsa-one"), json!("1"))]);
    assert_eq!(read(&mended, Algorithm::RS256).current.unfit(), None);
    // Beside one that can be read it is odd alone.
    let both = set(&[numbered(pem!("rsa-one"), json!(1)), numbered(pem!("rsa-two"), json!("b"))]);
    let keys = read(&both, Algorithm::RS256);
    assert_eq!(keys.current.id(), Some("b"));
    assert_eq!(keys.current.oddities, [Oddity::KeyIdNumber { at: 1, number: "1".into() }]);
    // None fits, and what was not read is told beside that.
    let keys = read(&both, Algorithm::ES256);
    let told: Vec<_> = audit(&keys.current, Algorithm::ES256).iter().map(KeyWeakness::message).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("none of the 2 keys of the JWKS is an EC key"), "{told:?}");
    let one = set(&[numbered(pem!("rsa-two"), json!("b"))]);
    let message = unfit(&one, Algorithm::ES256).message();
    assert!(message.starts_with("the only key of the JWKS is not an EC key on P-256 for ES256"), "{message}");
}

#[test]
fn the_first_line_of_a_pem_in_base64_is_not_called_the_whole() {
    use base64::engine::general_purpose::STANDARD;
    let whole = STANDARD.encode(pem!("p256-public"));
    let said = |text: &str| unfit(text, Algorithm::ES256).message();
    assert!(said(&whole).contains("base64 of a key (decode it first)"), "{}", said(&whole));
    assert!(said(&whole[..76]).contains("base64 of the beginning of a PEM"), "{}", said(&whole[..76]));
}

#[test]
fn a_previous_key_of_another_family_is_from_before_and_not_unfit() {
    let old = b"oldKey-72hdf82hdh28dhsk2hdk28dh3".to_vec();
    let (keys, _) = KeySet::read_previous(old, Algorithm::RS256, &KeyIds::default()).unwrap();
    assert_eq!(audit_part(&keys[0], Algorithm::RS256, Part::Previous), []);
    assert_eq!(audit_part(&keys[0], Algorithm::RS256, Part::Standby).len(), 1);
    let broken = pem!("rsa-one").replace("-----END PRIVATE KEY-----", "");
    let (keys, _) = KeySet::read_previous(broken.into_bytes(), Algorithm::RS256, &KeyIds::default()).unwrap();
    assert_eq!(audit_part(&keys[0], Algorithm::RS256, Part::Previous).len(), 1);
}

#[test]
fn a_pem_that_not_every_library_reads_is_told_beside_a_token_that_holds() {
    let literal = pem!("rsa-one").replace('\n', "\\n");
    let one_line = pem!("rsa-one").replace('\n', " ");
    for (text, part) in [(&literal, "are the characters \\n"), (&one_line, "no line breaks where its lines")]
    {
        let keys = read(text, Algorithm::RS256);
        let token = minted(&keys.current, Algorithm::RS256);
        let found = explain(&token, &keys.keyring(), &for_algorithm(Algorithm::RS256), now());
        assert!(found.verdict.holds());
        let [also] = &found.also[..] else { panic!("{:?}", found.also) };
        assert!(also.contains(part), "{also}");
        assert!(!also.contains("openssl"), "{also}");
    }
    let keys = read(pem!("rsa-one"), Algorithm::RS256);
    let token = minted(&keys.current, Algorithm::RS256);
    assert!(explain(&token, &keys.keyring(), &for_algorithm(Algorithm::RS256), now()).also.is_empty());
    assert_eq!(keys.current.pem_layout(), None);
    assert_eq!(
        read(&literal, Algorithm::RS256).current.pem_layout(),
        Some("line breaks are the characters \\n")
    );
}

#[test]
fn what_is_odd_about_a_set_is_told() {
    let one = jwk(pem!("rsa-one"), Algorithm::RS256, json!({"kid": "a"}));
    let two = jwk(pem!("rsa-two"), Algorithm::RS256, json!({"kid": "a"}));
    let oct = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "o"});
    let ids = KeyIds { current: Some("a"), ..KeyIds::default() };
    let keys = read_as(
        &set(&[one.clone(), two, oct, json!({"kty": "RSA", "n": 1}), json!(3)]),
        Algorithm::RS256,
        &ids,
    );
    assert_eq!(
        keys.current.oddities,
        [
            Oddity::Unreadable { at: 4, why: "its n is not base64url text" },
            Oddity::Unreadable { at: 5, why: "it is no JSON object" },
            Oddity::SecretAmongKeys,
            Oddity::SameId { id: "a".into() },
        ]
    );
    // A kind of key that nobody here knows is nobody's mistake.
    let strange = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "eA"});
    assert_eq!(read(&set(&[one, strange]), Algorithm::RS256).current.oddities, []);
}

#[test]
fn members_of_wrong_types_are_refused_by_name() {
    let ids = KeyIds { current: Some("k"), ..KeyIds::default() };
    let right = [
        private_rsa_jwk(
            pem!("rsa-one-pkcs1"),
            json!({"kid": "k", "alg": "RS256", "use": "sig", "key_ops": ["sign"]}),
        ),
        jwk(pem!("p256"), Algorithm::ES256, json!({"kid": "k"})),
        jwk(pem!("ed25519"), Algorithm::EdDSA, json!({"kid": "k"})),
        json!({"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "k"}),
    ];
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];
    for (key, algorithm) in right.iter().zip(algorithms) {
        assert_eq!(read_as(&key.to_string(), algorithm, &ids).current.unfit(), None, "{key}");
        for member in key.as_object().unwrap().keys() {
            for wrong in [json!(null), json!(7), json!(true), json!([7]), json!({"a": 1}), json!("")] {
                let mut key = key.clone();
                key[member] = wrong.clone();
                // An empty kid, alg or use is a text; it names nothing.
                if wrong == json!("") && ["kid", "alg", "use"].contains(&member.as_str()) {
                    continue;
                }
                let text = key.to_string();
                let keys = read_as(&text, algorithm, &ids);
                if member == "kty" && algorithm == Algorithm::HS256 {
                    // Then it is some JSON, which HMAC takes as it is.
                    assert!(keys.current.secret().is_some());
                    continue;
                }
                let unfit = keys.current.unfit().unwrap_or_else(|| panic!("{member} {wrong}"));
                assert!(unfit.message().len() < 300, "{member} {wrong}: {unfit:?}");
                // A name that nobody knows is one of another curve or use.
                let names = unfit.message().contains(member.as_str())
                    || (wrong == json!("") && ["crv", "kty"].contains(&member.as_str()));
                assert!(names, "{member} {wrong}: {unfit:?}");
                let in_set = read_as(&set(&[key]), algorithm, &ids);
                assert!(
                    in_set.current.unfit().is_some() || algorithm == Algorithm::HS256,
                    "{member} {wrong}"
                );
            }
        }
    }
    for text in [r#"{"keys":{}}"#, r#"{"keys":7}"#, r#"{"keys":null}"#, "{}", "[]", "7", "null", "\"x\""] {
        assert!(read(text, Algorithm::RS256).current.unfit().is_some(), "{text}");
    }
}

#[test]
fn a_private_part_of_another_key_is_refused() {
    let mut key = private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({}));
    key["n"] = jwk(pem!("rsa-two"), Algorithm::RS256, json!({}))["n"].clone();
    assert!(matches!(unfit(&key.to_string(), Algorithm::RS256), Unfit::Broken { .. }));
    let mut key = jwk(pem!("ed25519"), Algorithm::EdDSA, json!({}));
    key["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    assert!(matches!(unfit(&key.to_string(), Algorithm::EdDSA), Unfit::Broken { .. }));
    let mut key = jwk(pem!("p256"), Algorithm::ES256, json!({}));
    key["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    assert!(matches!(unfit(&key.to_string(), Algorithm::ES256), Unfit::Broken { .. }));
    let mut key = private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({}));
    key.as_object_mut().unwrap().remove("qi");
    assert!(matches!(unfit(&key.to_string(), Algorithm::RS256), Unfit::Broken { why } if why.contains("qi")));
}

#[test]
fn a_set_of_ten_thousand_keys_is_refused_quickly_and_says_the_limit() {
    let small = set(&vec![json!({"kty": "oct", "k": "c2VjcmV0"}); 10_000]);
    let large = set(&vec![jwk(pem!("rsa-one"), Algorithm::RS256, json!({})); 10_000]);
    let started = std::time::Instant::now();
    let ids = KeyIds { current: Some("k"), ..KeyIds::default() };
    for algorithm in [Algorithm::HS256, Algorithm::RS256] {
        let keys = read_as(&small, algorithm, &ids);
        let message = keys.current.unfit().unwrap().message();
        assert!(message.contains("10000 keys") && message.contains("at most 100"), "{message}");
        assert!(keys.previous.is_empty() && keys.standby.is_empty());
    }
    assert!(matches!(unfit(&large, Algorithm::RS256), Unfit::TooLarge { bytes } if bytes == large.len()));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // As many as are allowed are read.
    let most: Vec<_> =
        (0..MAX_KEYS).map(|n| json!({"kty": "oct", "k": "c2VjcmV0", "kid": n.to_string()})).collect();
    let ids = KeyIds { current: Some("7"), ..KeyIds::default() };
    assert_eq!(read_as(&set(&most), Algorithm::HS256, &ids).standby.len(), MAX_KEYS - 1);
}

#[test]
fn a_document_of_shared_secrets_is_the_bytes_that_it_is_unless_a_key_id_has_it_read() {
    let secret = "kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*";
    let oct = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret), "kid": "s1"});
    let plain = read(secret, Algorithm::HS256);
    let current = KeyIds { current: Some("s1"), ..KeyIds::default() };
    let of = |keys: &KeySet, token: &str| verdict(token, keys, Algorithm::HS256);
    for text in [oct.to_string(), set(std::slice::from_ref(&oct)), format!("\n {oct}\n")] {
        let keys = read_as(&text, Algorithm::HS256, &current);
        assert_eq!(keys.current.id(), Some("s1"));
        assert_eq!(cause(&minted(&keys.current, Algorithm::HS256), &plain, Algorithm::HS256), "Holds");
        assert_eq!(
            fingerprint(&keys.current, Algorithm::HS256),
            fingerprint(&plain.current, Algorithm::HS256)
        );
        assert_eq!(audit(&keys.current, Algorithm::HS256), []);

        let document = read(&text, Algorithm::HS256);
        assert_eq!(document.current.secret(), Some(text.as_bytes()));
        assert_eq!(audit(&document.current, Algorithm::HS256), [KeyWeakness::JsonDocument]);
        let (before, _) =
            KeySet::read_previous(text.clone().into_bytes(), Algorithm::HS256, &KeyIds::default()).unwrap();
        assert_eq!(before[0].secret(), Some(text.as_bytes()));
        // Where app and spec differ, that is told, both ways round.
        let Verdict::SignedByKeyVariant(how) = of(&document, &minted(&keys.current, Algorithm::HS256)) else {
            panic!("{text}")
        };
        assert!(how.contains("inside this JSON document"), "{how}");
        let Verdict::SignedByKeyVariant(how) = of(&keys, &minted(&document.current, Algorithm::HS256)) else {
            panic!("{text}")
        };
        assert!(how.contains("whole JSON document"), "{how}");
    }
    // Ids of other keys than the current one have a set read that has them.
    let old = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "old"});
    let both = set(&[oct.clone(), old.clone()]);
    for (named, read) in [("old", true), ("elsewhere", false)] {
        let named = [named.to_owned()];
        let keys = read_as(&both, Algorithm::HS256, &KeyIds { previous: &named, ..KeyIds::default() });
        assert_eq!((keys.current.id() == Some("s1"), keys.previous.len()), (read, usize::from(read)));
    }
    // What cannot be read is the bytes that it is, and refused where keyId says that it is read.
    let broken = json!({"kty": "oct", "k": 7, "kid": "s1"}).to_string();
    assert_eq!(read(&broken, Algorithm::HS256).current.secret(), Some(broken.as_bytes()));
    assert!(read_as(&broken, Algorithm::HS256, &current).current.unfit().is_some());
    // The length is that of the decoded key.
    let short = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("k3$hort!")}).to_string();
    let message = audit(&read_as(&short, Algorithm::HS256, &current).current, Algorithm::HS256)[0].message();
    assert!(message.contains("has 8 bytes"), "{message}");
    // A document without a shared secret is the bytes that it is, as before.
    let public = jwk(pem!("rsa-one"), Algorithm::RS256, json!({})).to_string();
    let keys = read(&public, Algorithm::HS256);
    assert_eq!(keys.current.secret(), Some(public.as_bytes()));
    assert_eq!(audit(&keys.current, Algorithm::HS256)[0].reason(), Reason::SigningKeyGuessable);
}

#[test]
fn keys_of_before_may_be_of_every_form() {
    let revoked = ["three".to_owned()];
    let ids = KeyIds { revoked: &revoked, ..KeyIds::default() };
    let before =
        |text: &str, algorithm| KeySet::read_previous(text.as_bytes().to_vec(), algorithm, &ids).unwrap();
    let (previous, ended) = before(&three(), Algorithm::RS256);
    assert_eq!((previous.len(), ended.len()), (2, 1));
    let (previous, ended) = before(pem!("rsa-two"), Algorithm::RS256);
    assert_eq!((previous.len(), ended.len()), (1, 0));
    let (previous, _) = before("an old shared secret", Algorithm::HS256);
    assert_eq!(previous[0].secret(), Some(&b"an old shared secret"[..]));
    for wrong in ["an old shared secret", r#"{"keys":[]}"#] {
        let (previous, _) = before(wrong, Algorithm::RS256);
        assert_eq!(audit(&previous[0], Algorithm::RS256)[0].reason(), Reason::SigningKeyUnfit);
    }
}

#[test]
fn an_hmac_made_with_the_public_key_is_a_forgery_in_every_form_of_it() {
    for (private, public, algorithm) in [
        (pem!("rsa-one"), pem!("rsa-one-public"), Algorithm::RS256),
        (pem!("p256"), pem!("p256-public"), Algorithm::ES256),
        (pem!("ed25519"), pem!("ed25519-public"), Algorithm::EdDSA),
    ] {
        let der = material::from_base64(
            public.lines().filter(|line| !line.starts_with('-')).collect::<String>().as_bytes(),
        )
        .unwrap()
        .to_vec();
        let stored = format!("{} \n", jwk(private, algorithm, json!({"kid": "k", "use": "sig"})));
        let forms: [(&str, Vec<u8>); 4] = [
            (private, public.into()),
            (private, public.trim_end().into()),
            (public, der),
            (&stored, stored.clone().into_bytes()),
        ];
        for (has, secret) in forms {
            for hmac in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let forged = minted(&SigningKey::new(secret.clone()).unwrap(), hmac);
                let found = verdict(&forged, &read(has, algorithm), algorithm);
                let expected = KeyVerdict::KeyConfusion { found: hmac, expected: algorithm };
                assert_eq!(found, Verdict::Key(expected));
                assert!(found.message().contains("forgery") && found.remedy().contains("attack"));
            }
        }
        // Another secret is another matter.
        let other = minted(&SigningKey::new(b"something else".to_vec()).unwrap(), Algorithm::HS256);
        assert_eq!(cause(&other, &read(private, algorithm), algorithm), "AlgorithmDiffers");
    }
    // Every key of a set counts.
    let forged = minted(
        &SigningKey::new(read(pem!("rsa-two"), Algorithm::RS256).current.pair().unwrap().pem().into_bytes())
            .unwrap(),
        Algorithm::HS256,
    );
    assert_eq!(cause(&forged, &read(&three(), Algorithm::RS256), Algorithm::RS256), "KeyConfusion");
}

#[test]
fn the_keys_of_a_public_set_share_its_document_and_keep_none_that_is_long() {
    let key = |at: usize, more: &str| {
        jwk(pem!("rsa-one"), Algorithm::RS256, json!({"kid": at.to_string(), "note": more}))
    };
    let ids = KeyIds { current: Some("0"), ..KeyIds::default() };
    let of = |more: &str| {
        let text = set(&(0..MAX_KEYS).map(|at| key(at, more)).collect::<Vec<_>>());
        (read_as(&text, Algorithm::RS256, &ids), text)
    };
    let (keys, text) = of("");
    let documents: BTreeSet<_> = std::iter::once(&keys.current)
        .chain(&keys.standby)
        .map(|key| key.pair().unwrap().stored.as_ref().unwrap().as_ptr())
        .collect();
    assert_eq!((keys.standby.len(), documents.len()), (MAX_KEYS - 1, 1));
    let by = |text: String| minted(&SigningKey::new(text.into_bytes()).unwrap(), Algorithm::HS256);
    assert_eq!(cause(&by(text + "\n"), &keys, Algorithm::RS256), "KeyConfusion");
    let (keys, text) = of(&"x".repeat(1_000));
    assert!(keys.current.pair().unwrap().stored.is_none());
    assert_eq!(cause(&by(text), &keys, Algorithm::RS256), "AlgorithmDiffers");
}

#[test]
fn forgeries_of_key_pairs_are_told_apart_and_none_holds() {
    for (pem, algorithm) in PAIRS {
        let keys = read(pem, algorithm);
        let shape = for_algorithm(algorithm);
        for (kind, expected) in
            [(Forgery::UnknownKey, "SignedByUnknownKey"), (Forgery::NoneAlgorithm, "AlgorithmDiffers")]
        {
            let named = keys.current.clone().called(Some("k"));
            let token = forge(kind, &named, &shape, "1", now(), DAY).unwrap();
            let inspection = crate::tokens::inspect(token.expose_secret()).unwrap();
            assert_eq!(inspection.key_id(), Some("k"), "the lookup finds the genuine key");
            assert_eq!(cause(token.expose_secret(), &keys, algorithm), expected, "{algorithm:?}");
        }
        assert_eq!(Forgery::of(algorithm), [Forgery::UnknownKey, Forgery::NoneAlgorithm]);
        let token = confuse(&keys.current, &shape, "1", now(), DAY).unwrap().unwrap();
        assert_eq!(cause(token.expose_secret(), &keys, algorithm), "KeyConfusion");
        // The public half alone is enough for it.
        let public = read(&keys.current.pair().unwrap().pem(), algorithm);
        assert!(confuse(&public.current, &shape, "1", now(), DAY).unwrap().is_some());
    }
    for (pem, bytes) in [(pem!("rsa-one"), 256), (pem!("rsa-1024"), 128)] {
        let key = read(pem, Algorithm::RS256).current;
        let shape = for_algorithm(Algorithm::RS256);
        let token = forge(Forgery::UnknownKey, &key, &shape, "1", now(), DAY).unwrap();
        let signature = token.expose_secret().rsplit('.').next().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), bytes, "as long as the modulus");
    }
    let secret = read("kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*", Algorithm::HS256);
    assert!(confuse(&secret.current, &shape(), "1", now(), DAY).unwrap().is_none());
    assert_eq!(Forgery::of(Algorithm::HS256), Forgery::ALL);
}

#[test]
fn faults_of_signatures_are_called_by_their_names() {
    let keys = read(pem!("rsa-one"), Algorithm::RS256);
    let mut swapped = minted(&keys.current, Algorithm::PS256);
    swapped.replace_range(..swapped.find('.').unwrap(), &URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
    // The header is signed too, so that this one is nobody's.
    assert_eq!(cause(&swapped, &keys, Algorithm::RS256), "SignedByUnknownKey");
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#),
        URL_SAFE_NO_PAD.encode(r#"{"sub":"1"}"#)
    );
    let pair = keys.current.pair().unwrap();
    let signature = jsonwebtoken::crypto::sign(
        message.as_bytes(),
        pair.signing().unwrap(),
        jsonwebtoken::Algorithm::PS256,
    )
    .unwrap();
    assert_eq!(
        verdict(&format!("{message}.{signature}"), &keys, Algorithm::RS256),
        Verdict::Key(KeyVerdict::SignedWithOtherAlgorithm {
            found: Algorithm::PS256,
            expected: Algorithm::RS256
        })
    );
    let token = minted(&keys.current, Algorithm::RS256);
    assert_eq!(
        verdict(&token[..token.len() - 6], &keys, Algorithm::RS256),
        Verdict::Malformed(NotAToken::SignatureLength { bytes: 252, expected: 256 })
    );
    let keys = read(pem!("p256"), Algorithm::ES256);
    let token = minted(&keys.current, Algorithm::ES256);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let number = |bytes: &[u8]| {
        let padded = if bytes[0] >= 0x80 { [&[0], bytes].concat() } else { bytes.to_vec() };
        [&[2, padded.len() as u8][..], &padded].concat()
    };
    let both = [number(&raw[..32]), number(&raw[32..])].concat();
    let der = [&[0x30, both.len() as u8][..], &both].concat();
    let found = verdict(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(der)), &keys, Algorithm::ES256);
    assert_eq!(found, Verdict::Malformed(NotAToken::SignatureInDer));
    assert!(found.message().contains("DER"));
}

#[test]
fn private_parts_show_nowhere() {
    for (pem, algorithm) in PAIRS {
        let keys = read(pem, algorithm);
        let token = minted(&keys.current, algorithm);
        let shown = format!(
            "{keys:?} {:?} {:?} {:?}",
            keys.keyring(),
            audit(&keys.current, algorithm),
            explain(&token, &keys.keyring(), &for_algorithm(algorithm), now())
        );
        let secret: Vec<&str> =
            pem.lines().filter(|line| line.len() > 40 && !line.starts_with('-')).collect();
        assert!(!secret.is_empty());
        for line in secret {
            assert!(!shown.contains(&line[..24]), "{algorithm:?}");
        }
    }
    // Nor where it cannot be read.
    let mut broken = private_rsa_jwk(pem!("rsa-one-pkcs1"), json!({"kid": "k"}));
    let d = broken["d"].as_str().unwrap().to_owned();
    broken["p"] = json!(7);
    for text in [broken.to_string(), set(&[broken.clone()]), broken.to_string() + "x", d.clone()] {
        let keys = read(&text, Algorithm::RS256);
        let shown = format!("{keys:?} {:?}", audit(&keys.current, Algorithm::RS256));
        let error = mint(&keys.current, &for_algorithm(Algorithm::RS256), "1", now(), DAY).unwrap_err();
        assert!(!format!("{shown} {error} {error:?}").contains(&d[..16]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_can_be_read_for_any_algorithm(
        bytes in proptest::collection::vec(any::<u8>(), 1..300),
        text in "[ -~\n]{1,200}",
        cut in 0usize..1700, flipped in 0usize..1700, to in any::<u8>(),
    ) {
        let mut pem = pem!("rsa-one").as_bytes().to_vec();
        let at = flipped.min(pem.len() - 1);
        pem[at] = to;
        let json = three();
        let cut_json = json.as_bytes()[..cut.min(json.len() - 1).max(1)].to_vec();
        for bytes in [bytes.clone(), text.clone().into_bytes(), pem, cut_json] {
            for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
                let keys = KeySet::read(bytes.clone(), algorithm, &KeyIds::default()).unwrap();
                let _ = audit(&keys.current, algorithm);
                prop_assert!(keys.current.unfit().is_none_or(|unfit| unfit.message().len() < 400));
            }
        }
    }

    #[test]
    fn a_shared_secret_is_exactly_its_bytes(bytes in proptest::collection::vec(any::<u8>(), 1..80)) {
        let keys = KeySet::read(bytes.clone(), Algorithm::HS256, &KeyIds::default()).unwrap();
        prop_assert_eq!(keys.current.secret(), Some(&bytes[..]));
    }
}

#[test]
fn a_pem_that_some_library_refuses_is_read_and_said_to_be_refused() {
    // Which library takes which is held against them in tests/differential.
    for (text, layout) in layouts(pem!("rsa-one")) {
        let keys = read(&text, Algorithm::RS256);
        assert_eq!(keys.current.unfit(), None, "{layout:?}");
        let found: Vec<_> = keys.current.oddities.clone();
        let expected: Vec<_> = layout.map(Oddity::PemLayout).into_iter().collect();
        assert_eq!(found, expected, "{}", text.escape_debug().take(60).collect::<String>());
        assert!(found.iter().all(|odd| odd.message().contains("jsonwebtoken for Node")));
    }
}

/// A PEM laid out otherwise, with what not every library reads of it.
fn layouts(pem: &str) -> Vec<(String, Option<PemLayout>)> {
    let lines: Vec<&str> = pem.trim().lines().collect();
    let (first, body, last) = (lines[0], &lines[1..lines.len() - 1], lines[lines.len() - 1]);
    let joined = |ending: &str| lines.join(ending);
    let with = |body: String| format!("{first}\n{body}\n{last}\n");
    vec![
        (pem.to_owned(), None),
        (joined("\n"), None),
        (joined("\r\n") + "\r\n", None),
        (joined("  \n"), None),
        (with(body.concat()), None),
        (with(format!("  {}", body.join("\n  "))), None),
        (with(format!("\n{}", body.join("\n"))), None),
        (format!("# a comment\n{pem}more\n"), None),
        (format!("\u{feff}{pem}"), None),
        (joined("\r"), Some(PemLayout::CarriageReturns)),
        (joined(" "), Some(PemLayout::OneLine)),
        (joined(""), Some(PemLayout::OneLine)),
        (format!("{first} {}\n{last}\n", body.concat()), Some(PemLayout::OneLine)),
        (format!("{first}\n{} {last}\n", body.concat()), Some(PemLayout::OneLine)),
        (format!(" {pem}"), Some(PemLayout::Indented)),
        (format!("{first}\n{}\n  {last}\n", body.join("\n")), Some(PemLayout::Indented)),
        (format!("\"{}\"", joined("\n")), Some(PemLayout::TextAround)),
        (format!("KEY={}", joined("\n")), Some(PemLayout::TextAround)),
        (with(body.join("\n\n")), Some(PemLayout::EmptyLine)),
        (with(body.join("\n") + "\n"), Some(PemLayout::EmptyLine)),
        (with(body.join("\n  \n")), Some(PemLayout::BlankLine)),
    ]
}

#[test]
fn what_is_stored_in_place_of_a_key_is_named_with_the_next_step() {
    let pem = pem!("rsa-one");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (stored, said) in [
        (
            json!({"type": "RS256", "key": pem}).to_string(),
            "its member \"key\", which is how Hasura is configured: store that member",
        ),
        (
            json!({"type": "RS256", "jwk_url": "https://x.test"}).to_string(),
            "only names the address of the keys (jwk_url",
        ),
        (
            json!({"issuer": "x", "jwks_uri": "https://x.test"}).to_string(),
            "the discovery document of a provider",
        ),
        (json!({"type": "service_account", "private_key": pem}).to_string(), "its member \"private_key\""),
        (json!({"k1": certificate, "k2": certificate}).to_string(), "a map of certificates by key id"),
        (json!({"kty": "RSA", "x5c": ["MIIB"]}).to_string(), "its key stands in x5c alone"),
        (body, "without the lines BEGIN and END around it: store the whole PEM"),
        (pem.replace("-----", "----"), "do not have five dashes on each side"),
        (pem.replacen("-----BEGIN", "----BEGIN", 1), "do not have five dashes on each side"),
        (pem.replace("KEY-----\n", "KEY----\n"), "with five dashes on each side"),
        (certificate.to_owned(), "openssl x509 -noout -pubkey"),
    ] {
        let message = unfit(&stored, Algorithm::RS256).message();
        assert!(message.contains(said), "{message}");
    }
    // Escaped by somebody who wrote Windows line breaks.
    let escaped = pem.replace('\n', "\\r\\n");
    assert_eq!(read(&escaped, Algorithm::RS256).current.oddities, [Oddity::LiteralLineBreaks]);
}

#[test]
fn a_token_of_another_algorithm_is_held_against_every_key_that_is_at_hand() {
    let secret = "b162847afcd32b3ca51dc3ef0f7cc81769c07a88d31ee880eb0600ef00eb9673";
    let token = minted(&SigningKey::new(secret.into()).unwrap(), Algorithm::HS256);
    let (previous, _) = KeySet::read_previous(secret.into(), Algorithm::ES256, &KeyIds::default()).unwrap();
    let mut keys = read(pem!("p256"), Algorithm::ES256);
    let signer = |keys: &KeySet, token: &str, algorithm| match verdict(token, keys, algorithm) {
        Verdict::AlgorithmDiffers { signer, .. } => signer,
        other => panic!("{other:?}"),
    };
    assert_eq!(signer(&keys, &token, Algorithm::ES256), Signer::Nobody);
    keys.previous = previous;
    assert_eq!(signer(&keys, &token, Algorithm::ES256), Signer::Previous);
    // The other way round: the app went back to a shared secret, or the spec names the wrong algorithm.
    let signed = minted(&read(pem!("rsa-one"), Algorithm::RS256).current, Algorithm::RS256);
    let plain = read(pem!("rsa-one"), Algorithm::HS256);
    assert_eq!(signer(&plain, &signed, Algorithm::HS256), Signer::Current);
    let pss = minted(&read(pem!("rsa-one"), Algorithm::PS256).current, Algorithm::PS256);
    assert_eq!(signer(&read(pem!("rsa-one"), Algorithm::RS256), &pss, Algorithm::RS256), Signer::Current);
    assert_eq!(signer(&read(pem!("rsa-two"), Algorithm::RS256), &pss, Algorithm::RS256), Signer::Nobody);
}
