//! Tokens signed with key pairs, made by Python's `cryptography`: what PyJWT and jsonwebtoken for Node
//! accept or refuse, and what we call the fault that was planted.

use std::time::Duration;

use auth_consistency::{
    api::spec::Algorithm,
    tokens::{
        Forgery, KeyIds, KeySet, SigningKey, Verdict, audit, confuse, explain, fingerprint, forge, mint,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{ask, ask_node, tokens::shape};

const DAY: Duration = Duration::from_secs(86_400);

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../keys/", $name, ".pem"))
    };
}

/// Algorithm, its key, and another key of the same kind.
const PAIRS: [(Algorithm, &str, &str); 9] = [
    (Algorithm::RS256, pem!("rsa-one"), pem!("rsa-two")),
    (Algorithm::RS384, pem!("rsa-two"), pem!("rsa-three")),
    (Algorithm::RS512, pem!("rsa-three"), pem!("rsa-one")),
    (Algorithm::PS256, pem!("rsa-one"), pem!("rsa-two")),
    (Algorithm::PS384, pem!("rsa-two"), pem!("rsa-three")),
    (Algorithm::PS512, pem!("rsa-three"), pem!("rsa-one")),
    (Algorithm::ES256, pem!("p256"), pem!("p256-two")),
    (Algorithm::ES384, pem!("p384"), pem!("p384-two")),
    (Algorithm::EdDSA, pem!("ed25519"), pem!("ed25519-two")),
];

fn name(algorithm: Algorithm) -> String {
    json!(algorithm).as_str().unwrap().to_owned()
}

fn read(text: &str, algorithm: Algorithm, ids: &KeyIds<'_>) -> KeySet {
    KeySet::read(text.as_bytes().to_vec(), algorithm, ids).unwrap()
}

/// The public half as their libraries write it: PEM, JWK, and the JWK of both halves.
fn public(pem: &str) -> (String, Value, Value) {
    let answer = ask(&json!({"kind": "public", "key": pem})).unwrap();
    (answer["pem"].as_str().unwrap().to_owned(), answer["jwk"].clone(), answer["private"].clone())
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A signature that their library makes.
fn sign(message: &str, pem: &str, algorithm: &str, der: bool) -> String {
    let question =
        json!({"kind": "sign", "message": message, "key": pem, "algorithm": algorithm, "der": der});
    ask(&question).unwrap()["signature"].as_str().unwrap().to_owned()
}

fn token(header: &Value, claims: &Value, pem: &str, algorithm: &str) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = sign(&message, pem, algorithm, false);
    format!("{message}.{signature}")
}

fn theirs(token: &str, public: &str, algorithm: Algorithm) -> Result<Value, String> {
    ask(&json!({"kind": "jwt", "token": token, "secret": public, "algorithms": [name(algorithm)]}))
        .map(|answer| answer["claims"].clone())
}

fn theirs_by_id(token: &str, keys: &[Value], algorithm: Algorithm) -> Result<Value, String> {
    ask(&json!({"kind": "jwks", "token": token, "jwks": {"keys": keys}, "algorithms": [name(algorithm)]}))
        .map(|answer| answer["claims"].clone())
}

/// Whether Node accepts it; `None` for what its library does not know.
fn node_accepts(token: &str, public: &str, algorithm: Algorithm) -> Option<bool> {
    let question = json!({"token": token, "secret": public, "algorithms": [name(algorithm)]});
    (algorithm != Algorithm::EdDSA).then(|| ask_node(&question).is_ok())
}

fn ours(token: &str, keys: &KeySet, algorithm: Algorithm) -> Verdict {
    explain(token, &keys.keyring(), &shape(algorithm), Timestamp::now()).verdict
}

fn claims(random: &mut StdRng) -> Value {
    let now = Timestamp::now().as_second();
    let mut claims = json!({
        "sub": random.random::<u32>().to_string(),
        "iat": now - random.random_range(60..9_000),
        "exp": now + random.random_range(60..9_000),
    });
    if random.random() {
        claims["name"] = "Ada \"é\" 密".into();
    }
    claims
}

#[test]
fn what_we_mint_with_a_key_pair_both_libraries_accept() {
    for (algorithm, pem, _) in PAIRS {
        let (public_pem, _, private_jwk) = public(pem);
        for private in [pem.to_owned(), private_jwk.to_string()] {
            let keys = read(&private, algorithm, &KeyIds::default());
            for subject in ["4711", "ü 🔑 \"\\"] {
                let token = mint(&keys.current, &shape(algorithm), subject, Timestamp::now(), DAY).unwrap();
                let token = token.expose_secret();
                assert_eq!(theirs(token, &public_pem, algorithm).unwrap()["sub"], subject, "{algorithm:?}");
                assert_ne!(node_accepts(token, &public_pem, algorithm), Some(false), "{algorithm:?}");
            }
        }
    }
}

#[test]
fn what_the_libraries_sign_holds_by_every_form_of_the_key() {
    let mut random = StdRng::seed_from_u64(4714);
    for (algorithm, pem, other) in PAIRS {
        let (public_pem, public_jwk, private_jwk) = public(pem);
        let mut named = public_jwk.clone();
        named["kid"] = "a".into();
        let mut second = public(other).1;
        second["kid"] = "b".into();
        let set = json!({"keys": [second, named]});
        let ids = KeyIds { current: Some("a"), ..KeyIds::default() };
        let forms = [
            read(pem, algorithm, &KeyIds::default()),
            read(&public_pem, algorithm, &KeyIds::default()),
            read(&public_jwk.to_string(), algorithm, &KeyIds::default()),
            read(&private_jwk.to_string(), algorithm, &KeyIds::default()),
            read(&set.to_string(), algorithm, &ids),
        ];
        let prints: Vec<_> = forms.iter().map(|keys| fingerprint(&keys.current, algorithm)).collect();
        assert!(prints.iter().all(|print| print.is_some() && *print == prints[0]), "{prints:?}");
        for _ in 0..24 {
            let claims = claims(&mut random);
            let header = json!({"alg": name(algorithm), "typ": "JWT", "kid": "a"});
            let token = token(&header, &claims, pem, &name(algorithm));
            let subject = claims["sub"].as_str().unwrap().to_owned();
            assert_eq!(theirs(&token, &public_pem, algorithm), Ok(claims.clone()));
            assert_eq!(theirs_by_id(&token, set["keys"].as_array().unwrap(), algorithm), Ok(claims));
            assert_ne!(node_accepts(&token, &public_pem, algorithm), Some(false));
            for keys in &forms {
                assert_eq!(ours(&token, keys, algorithm), Verdict::Holds { subject: subject.clone() });
            }
        }
    }
}

/// One thing that is wrong with the signature of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KeyOther,
    KeyConfusion,
    KeyConfusionTrimmed,
    AlgorithmSwapped,
    HeaderSwapped,
    SignatureCut,
    SignatureInDer,
    ClaimsChanged,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::KeyOther,
        Self::KeyConfusion,
        Self::KeyConfusionTrimmed,
        Self::AlgorithmSwapped,
        Self::HeaderSwapped,
        Self::SignatureCut,
        Self::SignatureInDer,
        Self::ClaimsChanged,
    ];

    fn fits(self, algorithm: Algorithm) -> bool {
        match self {
            Self::AlgorithmSwapped | Self::HeaderSwapped => swapped(algorithm).is_some(),
            Self::SignatureInDer => algorithm == Algorithm::ES256,
            _ => true,
        }
    }

    fn cause(self) -> &'static str {
        match self {
            Self::KeyOther | Self::ClaimsChanged => "SignedByUnknownKey",
            Self::KeyConfusion | Self::KeyConfusionTrimmed => "KeyConfusion",
            Self::AlgorithmSwapped => "SignedWithOtherAlgorithm",
            Self::HeaderSwapped => "AlgorithmDiffers",
            Self::SignatureCut | Self::SignatureInDer => "NotAToken",
        }
    }

    fn plant(self, algorithm: Algorithm, pem: &str, other: &str, claims: &Value) -> String {
        let own = name(algorithm);
        let header = json!({"alg": own, "typ": "JWT"});
        let swapped = swapped(algorithm).map(name).unwrap_or_default();
        match self {
            Self::KeyOther => token(&header, claims, other, &own),
            Self::KeyConfusion => confused(public(pem).0.as_bytes(), claims),
            Self::KeyConfusionTrimmed => confused(public(pem).0.trim_end().as_bytes(), claims),
            Self::AlgorithmSwapped => token(&header, claims, pem, &swapped),
            Self::HeaderSwapped => token(&json!({"alg": swapped, "typ": "JWT"}), claims, pem, &swapped),
            Self::SignatureCut => {
                let whole = token(&header, claims, pem, &own);
                let (message, signature) = whole.rsplit_once('.').unwrap();
                let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
                format!("{message}.{}", URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 7]))
            }
            Self::SignatureInDer => {
                let message = format!("{}.{}", part(&header), part(claims));
                format!("{message}.{}", sign(&message, pem, &own, true))
            }
            Self::ClaimsChanged => {
                let whole = token(&header, claims, pem, &own);
                let parts: Vec<_> = whole.split('.').collect();
                format!("{}.{}.{}", parts[0], part(&json!({"sub": "1"})), parts[2])
            }
        }
    }
}

/// RS for PS and the other way round, with the same hash.
fn swapped(algorithm: Algorithm) -> Option<Algorithm> {
    let name = name(algorithm);
    let other = match name.as_bytes()[0] {
        b'R' => name.replacen('R', "P", 1),
        b'P' => name.replacen('P', "R", 1),
        _ => return None,
    };
    serde_json::from_value(other.into()).ok()
}

/// An HMAC made with these bytes.
fn confused(secret: &[u8], claims: &Value) -> String {
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, claims, &jsonwebtoken::EncodingKey::from_secret(secret)).unwrap()
}

#[test]
fn planted_faults_of_key_pairs_are_refused_by_all_and_called_by_their_names() {
    auth_consistency::tokens::crypto::install_crypto();
    let mut random = StdRng::seed_from_u64(4715);
    for (algorithm, pem, other) in PAIRS {
        let (public_pem, ..) = public(pem);
        let keys =
            [read(pem, algorithm, &KeyIds::default()), read(&public_pem, algorithm, &KeyIds::default())];
        for fault in Fault::ALL.into_iter().filter(|fault| fault.fits(algorithm)) {
            for _ in 0..6 {
                let claims = claims(&mut random);
                let token = fault.plant(algorithm, pem, other, &claims);
                let refusal = theirs(&token, &public_pem, algorithm);
                assert!(refusal.is_err(), "they accept {fault:?}: {token}");
                assert_ne!(node_accepts(&token, &public_pem, algorithm), Some(true), "{fault:?}: {token}");
                for keys in &keys {
                    let verdict = ours(&token, keys, algorithm);
                    assert_eq!(
                        verdict.cause(),
                        fault.cause(),
                        "{algorithm:?} {fault:?}: {verdict:?}: {token}"
                    );
                }
            }
        }
    }
}

#[test]
fn keys_of_a_set_are_told_apart_as_a_verifier_of_the_published_set_does() {
    let mut random = StdRng::seed_from_u64(4716);
    let ids = ["2026-03", "2026-02", "2026-01", "2025-12"];
    let pems = [pem!("rsa-one"), pem!("rsa-two"), pem!("rsa-three")];
    let named = |at: usize, id: &str| {
        let mut key = public(pems[at]).1;
        key["kid"] = id.into();
        key
    };
    for algorithm in [Algorithm::RS256, Algorithm::PS512] {
        let mut current = public(pems[0]).2;
        current["kid"] = ids[0].into();
        let set = json!({"keys": [current, named(1, ids[1]), named(2, ids[2])]}).to_string();
        let (previous, revoked) = ([ids[1].to_owned()], [ids[2].to_owned()]);
        let keys = read(&set, algorithm, &KeyIds { current: None, previous: &previous, revoked: &revoked });
        let waiting = read(&set, algorithm, &KeyIds { current: None, previous: &[], revoked: &revoked });
        // What the app publishes has no revoked key in it, nor the private half of any.
        let published = [named(0, ids[0]), named(1, ids[1])];
        // Who signs, what the header says, whether a verifier of the set accepts it, and what we say.
        let cases = [
            (0, ids[0], true, "Holds"),
            (1, ids[1], true, "SignedByPreviousKey"),
            (2, ids[2], false, "SignedByRevokedKey"),
            (0, ids[1], false, "KeyIdOfAnother"),
            (0, ids[3], false, "KeyIdUnknown"),
        ];
        for (signer, id, accepted, cause) in cases {
            for _ in 0..8 {
                let header = json!({"alg": name(algorithm), "kid": id});
                let token = token(&header, &claims(&mut random), pems[signer], &name(algorithm));
                assert_eq!(theirs_by_id(&token, &published, algorithm).is_ok(), accepted, "{signer} {id}");
                assert_eq!(ours(&token, &keys, algorithm).cause(), cause, "{signer} {id}");
                if signer == 1 {
                    assert_eq!(ours(&token, &waiting, algorithm).cause(), "SignedByStandbyKey");
                }
            }
        }
    }
}

#[test]
fn our_forgeries_of_key_pairs_are_refused_by_the_libraries() {
    for (algorithm, pem, _) in PAIRS {
        let (public_pem, ..) = public(pem);
        let keys = read(pem, algorithm, &KeyIds::default());
        let now = Timestamp::now();
        let forged = Forgery::of(algorithm)
            .iter()
            .map(|kind| forge(*kind, &keys.current, &shape(algorithm), "4711", now, DAY).unwrap())
            .chain(confuse(&keys.current, &shape(algorithm), "4711", now, DAY).unwrap());
        let mut count = 0;
        for token in forged {
            count += 1;
            assert!(theirs(token.expose_secret(), &public_pem, algorithm).is_err(), "{algorithm:?}");
            assert_ne!(node_accepts(token.expose_secret(), &public_pem, algorithm), Some(true));
            assert!(!ours(token.expose_secret(), &keys, algorithm).holds());
        }
        assert_eq!(count, 3);
        // An app that takes the public key for a secret accepts what the third one is.
        let confused = confuse(&keys.current, &shape(algorithm), "4711", now, DAY).unwrap().unwrap();
        let hmac: Algorithm = serde_json::from_value(
            auth_consistency::tokens::inspect(confused.expose_secret()).unwrap().algorithm().into(),
        )
        .unwrap();
        let naive = SigningKey::new(public_pem.into_bytes()).unwrap();
        let verdict = explain(
            confused.expose_secret(),
            &auth_consistency::tokens::Keyring::of(&naive),
            &shape(hmac),
            now,
        )
        .verdict;
        assert!(verdict.holds(), "{algorithm:?}: {verdict:?}");
    }
}

#[test]
fn what_is_said_of_pems_that_some_library_refuses_is_so() {
    for (algorithm, pem, _) in [PAIRS[0], PAIRS[6]] {
        let (public, ..) = public(pem);
        let (name, lines) = (name(algorithm), public.trim().lines().collect::<Vec<_>>());
        let (first, body, last) = (lines[0], &lines[1..lines.len() - 1], lines[lines.len() - 1]);
        let joined = |ending: &str| lines.join(ending);
        let with = |body: String| format!("{first}\n{body}\n{last}\n");
        let now = Timestamp::now();
        let token = mint(&read(pem, algorithm, &KeyIds::default()).current, &shape(algorithm), "1", now, DAY)
            .unwrap();
        let token = token.expose_secret();
        // What is stored, whether PyJWT and jsonwebtoken for Node read it, and what is said of it.
        for (stored, pyjwt, node, said) in [
            (public.clone(), true, true, ""),
            (joined("\n"), true, true, ""),
            (joined("\r\n"), true, true, ""),
            (with(body.concat()), true, true, ""),
            (with(format!("  {}", body.join("\n  "))), true, true, ""),
            (with(format!("\n{}", body.join("\n"))), true, true, ""),
            (format!("# a comment\n{public}more\n"), true, true, ""),
            (joined("\r"), true, false, "carriage returns alone"),
            (joined(" "), true, false, "no line breaks"),
            (joined(""), true, false, "no line breaks"),
            (format!("  {public}"), true, false, "is indented"),
            (format!("\"{}\"", joined("\n")), true, false, "beside it"),
            (format!("KEY={}", joined("\n")), true, false, "beside it"),
            (with(body.join("\n") + "\n"), false, false, "an empty line"),
            (with(body.join("\n  \n") + "\n  "), true, false, "a line of white space"),
            (joined("\\n"), false, false, "the characters \\n"),
            (joined("\\r\\n"), false, false, "the characters \\n"),
            (public.replace("-----", "----"), false, false, "five dashes"),
            (public.replace("KEY-----\n", "KEY----\n"), false, false, "five dashes"),
            (body.concat(), false, false, "without the lines BEGIN and END"),
            (URL_SAFE_NO_PAD.encode(&public), false, false, "base64 of a key"),
        ] {
            let keys = read(&stored, algorithm, &KeyIds::default());
            let told: String = audit(&keys.current, algorithm).iter().map(|one| one.message()).collect();
            let shown = stored.escape_debug().take(60).collect::<String>();
            assert!(if said.is_empty() { told.is_empty() } else { told.contains(said) }, "{shown}: {told}");
            let question = json!({"kind": "jwt", "token": token, "secret": stored, "algorithms": [name]});
            assert_eq!(ask(&question).is_ok(), pyjwt, "PyJWT: {shown}");
            assert_eq!(ask_node(&question).is_ok(), node, "Node: {shown}");
        }
    }
}
