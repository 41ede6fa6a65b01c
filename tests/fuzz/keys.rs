//! Keys as Secrets hold them: PEM, JWK, JWKS, shared secrets, and certificates.

use auth_consistency::tokens::crypto::install_crypto;

use std::time::Duration;

use auth_consistency::domain::target::certificates::Authorities;
use auth_consistency::{
    api::spec::{Algorithm, SubjectType},
    tokens::{
        Accepted, KeyIds, KeySet, Keyring, MAX_KEYS, Part, SigningKey, TokenShape, audit, explain, mint,
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use crate::{
    canary::{CANARY, keeps_canary},
    mutate::Target,
};

const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// What tokens of the targets are like.
pub(crate) fn shape(algorithm: Algorithm) -> TokenShape {
    TokenShape {
        algorithm,
        subject_claim: "sub".parse().unwrap(),
        subject_type: SubjectType::String,
        issuer: None,
        audience: None,
        accepted: Accepted::default(),
        claims: serde_json::Map::new(),
        lifetime: Duration::from_secs(900),
    }
}

/// What is said of a key, without its id: that stands in every token, and may be repeated.
fn said(key: &SigningKey, algorithm: Algorithm) -> String {
    let mut said = format!("{key:?}");
    for weakness in audit(key, algorithm) {
        said += &format!(" {} {}", weakness.message_of(Part::Signing), weakness.message_of(Part::Previous));
    }
    said
}

fn property(bytes: &[u8]) -> String {
    // The first byte says for what it is read: to read it for all that it may be takes ten times as long.
    let Some((what, bytes)) = bytes.split_first() else { return String::new() };
    let what = usize::from(*what) % 11;
    if what == 10 {
        return authorities(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    // A key id may be told; in all that is none of one, the canary is a secret.
    let told = text.contains("\"kid\"") || text.contains("\\u");
    let (previous, revoked) = (["two".to_owned()], ["three".to_owned()]);
    let named = KeyIds { current: Some("one"), previous: &previous, revoked: &revoked };
    let ids = if what % 2 == 0 { KeyIds::default() } else { named };
    let algorithm = ALGORITHMS[what / 2];
    let Ok(set) = KeySet::read(bytes.to_vec(), algorithm, &ids) else {
        assert!(bytes.is_empty(), "what has bytes is no empty key");
        return String::new();
    };
    let _ = KeySet::read_previous(bytes.to_vec(), algorithm, &ids).expect("as the current one");
    let all: Vec<&SigningKey> =
        [&set.current].into_iter().chain(&set.previous).chain(&set.standby).chain(&set.revoked).collect();
    assert!(all.len() <= MAX_KEYS, "{} keys are kept", all.len());
    let words: String = all.iter().map(|key| said(key, algorithm)).collect();
    if !told {
        keeps_canary(&words);
    }
    assert!(
        words.len() < (1 << 10) * (all.len() + 4),
        "{} bytes are said of {} keys",
        words.len(),
        all.len()
    );
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let minted = mint(&set.current, &shape(algorithm), "1", now, Duration::from_secs(60));
    match &minted {
        Err(error) if !told => keeps_canary(&format!("{error} {error:?}")),
        Err(_) => {}
        Ok(token) => {
            assert!(set.current.unfit().is_none());
            let alone = Keyring::of(&set.current);
            let verdict = explain(token.expose_secret(), &alone, &shape(algorithm), now).verdict;
            assert!(
                verdict.holds(),
                "{algorithm:?}: what a key signs, it does not verify: {}",
                verdict.message()
            );
        }
    }
    let unfit = set.current.unfit().map(|why| format!("{why:?}"));
    let unfit = unfit.unwrap_or_default();
    format!("{what} {} {}", minted.is_ok(), unfit.split(['{', '"']).next().unwrap_or_default())
}

fn authorities(bytes: &[u8]) -> String {
    for parsed in [Authorities::parse(bytes), Authorities::of_a_database(bytes)] {
        match parsed {
            Err(error) => keeps_canary(&format!("{error} {error:?}")),
            Ok(authorities) => {
                let pem = authorities.certificates().map(|der| {
                    format!(
                        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                        STANDARD.encode(der)
                    )
                });
                let again = Authorities::of_a_database(pem.collect::<String>().as_bytes());
                assert_eq!(again, Ok(authorities), "what was understood is understood again");
            }
        }
    }
    format!("{:?}", Authorities::parse(bytes).map(|all| all.certificates().count()))
}

#[test]
fn no_key_makes_it_panic_and_nothing_of_one_is_repeated() {
    install_crypto();
    let files: [&[u8]; 9] = [
        include_bytes!("../keys/ed25519.pem"),
        include_bytes!("../keys/ed25519-encrypted.pem"),
        include_bytes!("../keys/p256.pem"),
        include_bytes!("../keys/p256-sec1.pem"),
        include_bytes!("../keys/p256-with-parameters.pem"),
        include_bytes!("../keys/p256-public.pem"),
        include_bytes!("../keys/rsa-one-public.pem"),
        include_bytes!("../keys/rsa-one-certificate.pem"),
        include_bytes!("../keys/rsa-one-public-pkcs1.pem"),
    ];
    let documents = [
        "{\"kty\":\"oct\",\"k\":\"OWMxZTBmN2EzYjVkNDI2ODhmNmUxZDBjMmI0YTU5Nzg\",\"kid\":\"one\"}".to_owned(),
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\
          \"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"alg\":\"EdDSA\",\"use\":\"sig\"},\
          {\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"two\",\"key_ops\":[\"verify\"]},{\"kty\":\"EC\",\"crv\":\"P-256\",\
          \"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\
          \"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}]}".to_owned(),
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"d\":\"AQAB\",\"p\":\"AQ\",\"q\":\"AQ\",\"dp\":\"AQ\",\"dq\":\"AQ\",\"qi\":\"AQ\"}".to_owned(),
        format!("{{\"kty\":\"oct\",\"k\":\"{CANARY}\"}}"),
        format!("JWT_SECRET=\"{CANARY}{CANARY}\"\n"),
        format!("-----BEGIN PRIVATE KEY-----\\n{CANARY}\\n-----END PRIVATE KEY-----"),
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----\n"),
        "changeme".to_owned(),
    ];
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| file.to_vec()).collect();
    seeds.extend(documents.map(String::into_bytes));
    let seeds = seeds.iter().flat_map(|seed| (0..11).map(|what| [&[what][..], seed].concat())).collect();
    Target {
        name: "keys",
        seeds,
        words: &[
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----END PRIVATE KEY-----\n",
            b"-----BEGIN RSA PRIVATE KEY-----",
            b"-----BEGIN EC PRIVATE KEY-----",
            b"-----BEGIN PUBLIC KEY-----",
            b"-----BEGIN CERTIFICATE-----\n",
            b"-----END CERTIFICATE-----\n",
            b"-----",
            b"\n",
            b"\\n",
            b"{",
            b"}",
            b"[",
            b"]",
            b"\"kty\":\"oct\"",
            b"\"kty\":\"RSA\"",
            b"\"kty\":\"EC\"",
            b"\"crv\":\"P-256\"",
            b"\"keys\":[",
            b"\"k\":",
            b"\"d\":",
            b"\"n\":",
            b"\"kid\":\"one\"",
            b"\"use\":\"enc\"",
            b",",
            b"AAAA",
            b"MIIB",
            b"\x30\x82\xff\xff",
            b"\x02\x01",
            b"\xff\xfe",
        ],
        strategy: prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "(-----BEGIN [A-Z ]{0,12}-----\n?)?[A-Za-z0-9+/=\n]{0,60}(-----END [A-Z ]{0,12}-----)?"
                .prop_map(String::into_bytes),
            "[{]\"(kty|keys|k|n|x)\":[\"\\[{]{0,3}[a-zA-Z0-9_-]{0,20}[\"\\]},:]{0,6}"
                .prop_map(String::into_bytes),
        ]
        .boxed(),
        property: Box::new(property),
        work: 4,
    }
    .run();
}
