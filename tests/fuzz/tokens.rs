//! Tokens (RFC 7515, compact), as people paste them.

use auth_consistency::tokens::crypto::install_crypto;

use std::{sync::LazyLock, time::Duration};

use auth_consistency::{
    api::spec::Algorithm,
    tokens::{
        Forgery, Keyring, MAX_TOKEN_BYTES, SigningKey, Step, TokenShape, bare, explain, forge, inspect, mint,
    },
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::{
    canary::{CANARY, keeps, keeps_canary},
    mutate::Target,
};

const SECRET: &[u8] = b"9c1e0f7a3b5d42688f6e1d0c2b4a59783746aabbccddeeff";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn shape() -> TokenShape {
    crate::keys::shape(Algorithm::HS256)
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::new(SECRET.to_vec()).unwrap());
static PAIR: LazyLock<SigningKey> = LazyLock::new(|| {
    let pem = include_bytes!("../keys/ed25519.pem").to_vec();
    auth_consistency::tokens::KeySet::read(pem, Algorithm::EdDSA, &Default::default()).unwrap().current
});

/// Whether the secret made the signature, as the standard has it: the bytes before the second dot are signed.
fn is_signed(token: &str) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(message.as_bytes());
    URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
}

fn property(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let inspected = inspect(&text);
    assert_eq!(bare(&text).is_some(), inspected.is_ok());
    let mut outcome = match &inspected {
        Err(not) => {
            keeps_canary(&format!("{not} {not:?}"));
            format!("{not:?}").split(' ').next().unwrap_or_default().to_owned()
        }
        Ok(read) => {
            assert!(text.len() <= MAX_TOKEN_BYTES);
            keeps_canary(&format!("{read:?}"));
            for claim in ["exp", "nbf", "iat"] {
                let _ = read.time(claim);
            }
            let bare = bare(&text).unwrap().expose_secret().to_owned();
            // What is taken off once is taken off, and nothing else is.
            assert_eq!(
                inspect(&bare).map(|again| (again.header, again.claims, again.stripped.len())),
                Ok((read.header.clone(), read.claims.clone(), 0))
            );
            format!("{:?} {}", read.stripped, read.repeated.len().min(2))
        }
    };
    let verification = explain(&text, &Keyring::of(&KEY), &shape(), now());
    let told = |steps: &[Step]| steps.iter().map(|step| step.detail.clone()).collect::<Vec<_>>().join("\n");
    let all = format!(
        "{}\n{}\n{}\n{}",
        verification.verdict.message(),
        verification.also(&verification.verdict).join("\n"),
        verification.remedy(&verification.verdict),
        told(&verification.steps)
    );
    keeps(&all, SECRET);
    assert!(all.len() < 16 << 10, "{} bytes are said of {}", all.len(), bytes.len());
    if verification.verdict.holds() || verification.subject().is_some() {
        let bare = bare(&text).expect("what holds is a token");
        assert!(is_signed(bare.expose_secret()), "it is accepted, and nobody with the key signed it");
    }
    outcome += verification.verdict.cause();
    // A pair takes no token that was signed by anything else.
    let shape = TokenShape { algorithm: Algorithm::EdDSA, ..shape() };
    let by_pair = explain(&text, &Keyring::of(&PAIR), &shape, now());
    if by_pair.verdict.holds() {
        let bare = bare(&text).unwrap();
        let genuine = mint(&PAIR, &shape, "1", now(), Duration::from_secs(900)).unwrap();
        assert_eq!(bare.expose_secret(), genuine.expose_secret(), "Ed25519 signs one message in one way");
    }
    outcome + by_pair.verdict.cause()
}

fn coded(header: &str, claims: &str, signature: &[u8]) -> String {
    [header.as_bytes(), claims.as_bytes(), signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

#[test]
fn no_text_makes_it_panic_and_none_is_accepted_that_the_key_did_not_sign() {
    install_crypto();
    let genuine = mint(&KEY, &shape(), "1", now(), Duration::from_secs(900)).unwrap();
    let genuine = genuine.expose_secret().to_owned();
    let ed = TokenShape { algorithm: Algorithm::EdDSA, ..shape() };
    let mut seeds = vec![
        genuine.clone(),
        mint(&PAIR, &ed, "1", now(), Duration::from_secs(900)).unwrap().expose_secret().to_owned(),
        format!("Authorization: Bearer \"{genuine}\",\n"),
        coded(
            "{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"b\"}",
            "{\"sub\":\"1\",\"exp\":1e300,\"aud\":[\"a\",2]}",
            &[0; 32],
        ),
        coded("{\"alg\":\"none\",\"crit\":[\"b64\"]}", "{}", b""),
        coded("{\"alg\":\"HS256\",\"cty\":\"JWT\"}", &genuine, &[0; 32]),
        coded(
            "{\"alg\":\"RS256\"}",
            "{\"sub\":7,\"nbf\":-1,\"iat\":\"x\",\"email\":\"ada@example.com\"}",
            &[1; 256],
        ),
        coded("{\"alg\":\"ES256\"}", "{\"sub\":[[[[]]]]}", &[0x30, 0x44, 2, 32]),
        format!("{CANARY}.{CANARY}.{CANARY}"),
        "a.b.c.d.e".into(),
        "eyJzdWIiOiIxIn0.ZrX9Wg.sig".into(),
        "ghp_0123456789abcdefghijABCDEFGHIJ012345".into(),
    ];
    for forgery in Forgery::ALL {
        seeds.push(
            forge(forgery, &KEY, &shape(), "1", now(), Duration::from_secs(900))
                .unwrap()
                .expose_secret()
                .to_owned(),
        );
    }
    Target {
        name: "tokens",
        seeds: seeds.into_iter().map(String::into_bytes).collect(),
        words: &[
            b".",
            b"..",
            b"=",
            b"==",
            b"Bearer ",
            b"\"",
            b"eyJhbGciOiJIUzI1NiJ9",
            b"eyJhbGciOiJub25lIn0",
            b"e30",
            b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
            b"eyJhbGciOiJFZERTQSJ9",
            b"W1tbW1tbW1tb",
            b"\n",
            b"+",
            b"/",
        ],
        strategy: prop_oneof![
            "(Bearer )?[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\n?",
            "\\PC{0,60}",
        ]
        .prop_map(String::into_bytes)
        .boxed(),
        property: Box::new(property),
        work: 1,
    }
    .run();
}
