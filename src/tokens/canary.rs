//! A key or a token must not show anywhere: not in `Debug`, not in errors, not in any message.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    crypto::install_crypto,
    explain::tests::{key, now, shape},
    *,
};
use crate::api::spec::{Algorithm, SubjectType};

const CANARY: &str = "canary-7f3a9c-\u{1F424}-signing-key-of-some-length";
const DAY: Duration = Duration::from_secs(86_400);

/// Everything of a secret that would be told: the text, its bytes, its encodings, and parts of it.
fn assert_hidden(shown: &str, secret: &str) {
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
    let encoded = STANDARD_NO_PAD.encode(secret);
    let bytes = format!("{:?}", secret.as_bytes());
    let parts = [&secret[..12], &secret[secret.len() - 12..], &encoded[..16], bytes.trim_matches(['[', ']'])];
    for part in parts {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(!shown.to_lowercase().contains(&text::hex(secret.as_bytes())[..24]), "{shown}");
}

#[test]
fn a_key_shows_nowhere() {
    let variants =
        [CANARY.to_owned(), format!("{CANARY}\n"), format!("\"{CANARY}\""), format!("KEY={CANARY}")];
    for variant in variants {
        let key = SigningKey::new(variant.into_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey([redacted])");
        assert_hidden(&format!("{key:#?}"), CANARY);
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            assert_hidden(&format!("{:?}", fingerprint(&key, algorithm)), CANARY);
            for weakness in audit(&key, algorithm) {
                assert_hidden(&format!("{weakness:?} {}", weakness.message()), CANARY);
            }
        }
        let token = mint(&key, &shape(), "1", now(), DAY).unwrap();
        let verification = explain(
            token.expose_secret(),
            &Keyring { previous: std::slice::from_ref(&key), ..Keyring::of(&key) },
            &shape(),
            now(),
        );
        assert_hidden(&format!("{verification:?}"), CANARY);
    }
}

#[test]
fn private_parts_of_pairs_and_sets_show_nowhere_whole_or_broken() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let secret = URL_SAFE_NO_PAD.encode(CANARY);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
    let oct = json!({"kty": "oct", "k": secret, "kid": "one"});
    let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": secret, "kid": "two"});
    let documents = [
        pem.clone(),
        pem.replace('\n', "\\n"),
        pem.replace("-----END", "----"),
        pem.replace("PRIVATE", "ENCRYPTED PRIVATE"),
        oct.to_string(),
        rsa.to_string(),
        json!({"kty": "EC", "crv": "P-256", "x": 7, "d": secret}).to_string(),
        json!({"kty": "OKP", "crv": "Ed25519", "x": secret, "d": secret}).to_string(),
        json!({"keys": [oct, rsa, {"kty": "RSA", "d": secret}, secret]}).to_string(),
        format!("{{\"kty\": \"oct\", \"k\": \"{secret}\""),
        secret.clone(),
    ];
    for document in documents {
        let algorithms = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
        for (algorithm, current) in algorithms.into_iter().flat_map(|one| [(one, None), (one, Some("one"))]) {
            let ids = KeyIds { current, ..KeyIds::default() };
            let keys = KeySet::read(document.clone().into_bytes(), algorithm, &ids).unwrap();
            let shape = TokenShape { algorithm, ..shape() };
            let minted = mint(&keys.current, &shape, "1", now(), DAY);
            let foreign = mint(&key(), &super::explain::tests::shape(), "1", now(), DAY).unwrap();
            let mut shown =
                format!("{keys:?} {:?} {:?}", fingerprint(&keys.current, algorithm), minted.as_ref().err());
            for token in [Some(&foreign), minted.as_ref().ok()].into_iter().flatten() {
                let explained = explain(token.expose_secret(), &keys.keyring(), &shape, now());
                shown.push_str(&format!("{explained:?} {}", explained.verdict.message()));
            }
            shown.extend(minted.iter().map(|token| format!("{token:?}")));
            shown.extend(minted.err().map(|error| error.to_string()));
            for weakness in audit(&keys.current, algorithm) {
                shown.push_str(&format!("{weakness:?} {}", weakness.message()));
            }
            assert_hidden(&shown, CANARY);
            assert_hidden(&shown, &secret);
        }
    }
}

#[test]
fn a_token_shows_nowhere_whatever_is_wrong_with_it() {
    let token = mint(&key(), &shape(), "1", now(), DAY).unwrap();
    assert_hidden(&format!("{token:?}"), token.expose_secret());
    let token = token.expose_secret();
    let signature = token.rsplit('.').next().unwrap();
    let mangled = [
        token.to_owned(),
        format!("Bearer {token}"),
        format!("session={token}"),
        token.replace('.', "%2e"),
        token.replacen('.', "", 1),
        format!("{token}.{token}"),
        token[..token.len() - 4].to_owned(),
        format!("x{token}"),
        token.chars().rev().collect(),
        token.repeat(700),
    ];
    let (other, number) = (
        SigningKey::new(CANARY.into()).unwrap(),
        TokenShape { subject_type: SubjectType::Number, issuer: Some("x".into()), ..shape() },
    );
    for given in &mangled {
        for key in [&key(), &other] {
            for shape in [&shape(), &number] {
                let verification = explain(given, &Keyring::of(key), shape, now());
                let facts =
                    SubjectFacts { account: Account::Missing, invalidated_before: None, revoked: false };
                let resolved = verification.resolve(&facts);
                let shown = format!("{verification:?} {} {}", resolved.message(), resolved.remedy());
                assert_hidden(&shown, token);
                assert!(!shown.contains(&signature[..12]), "{shown}");
            }
        }
        assert_hidden(&format!("{:?}", inspect(given)), token);
        if let Err(error) = inspect(given) {
            assert_hidden(&error.to_string(), token);
        }
    }
}

#[test]
fn claims_show_only_where_somebody_asked_for_them() {
    let mut shape = shape();
    shape.claims.insert("hash_password".into(), json!("canary-of-a-claim"));
    let token = mint(&key(), &shape, "1", now(), DAY).unwrap();
    let inspection = inspect(token.expose_secret()).unwrap();
    assert!(!format!("{inspection:?}").contains("canary"));
    assert_eq!(inspection.claims["hash_password"], "canary-of-a-claim");
    let verification = explain(token.expose_secret(), &Keyring::of(&key()), &shape, now());
    assert!(!format!("{verification:?}").contains("canary"));
}

#[test]
fn every_error_begins_small_and_ends_without_a_full_stop() {
    let errors = [
        KeyError::Empty.to_string(),
        MintError::SubjectEmpty.to_string(),
        MintError::SubjectNotANumber { characters: 1 }.to_string(),
        MintError::Signing.to_string(),
        MintError::PublicKeyOnly.to_string(),
        MintError::KeyTooShort { bits: 1024 }.to_string(),
        MintError::KeyUnfit { why: Unfit::Encrypted.message() }.to_string(),
        NotAToken::SignatureInDer.to_string(),
        NotAToken::Opaque.to_string(),
        SubjectClaimError::Empty.to_string(),
    ];
    for error in errors {
        assert!(error.starts_with(|first: char| first.is_lowercase()) && !error.ends_with('.'), "{error}");
    }
}

#[test]
fn choosing_the_cryptography_twice_is_as_good_as_once() {
    install_crypto();
    install_crypto();
}
