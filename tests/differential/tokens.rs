//! Tokens, made and read by both sides: right ones, and some hundred with something wrong.

use std::time::Duration;

use auth_consistency::{
    api::spec::{Algorithm, SubjectType},
    tokens::{
        Accepted, Forgery, Keyring, SigningKey, TimeVerdict, TokenShape, Verdict, explain, forge, mint,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use hmac::Hmac;
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{ask, ask_node, python};

const DAY: Duration = Duration::from_secs(86_400);
const ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const KEY: &str = "pK3-Zr8_differential-key-of-sixty-four-bytes-and-a-few-more-0123456789";

fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::HS384 => "HS384",
        Algorithm::HS512 => "HS512",
        other => panic!("{other:?} has a test of its own"),
    }
}

pub(super) fn shape(algorithm: Algorithm) -> TokenShape {
    TokenShape {
        algorithm,
        subject_claim: "sub".parse().unwrap(),
        subject_type: SubjectType::String,
        issuer: None,
        audience: None,
        accepted: Accepted::default(),
        claims: Map::new(),
        lifetime: DAY,
    }
}

/// Every combination of algorithm, issuer, audience and further claims.
fn shapes() -> Vec<TokenShape> {
    let further =
        json!({"type": "access", "jti": "0f3e", "user": {"role": "admin", "groups": [1, null, "ä"]}});
    let mut shapes = Vec::new();
    for algorithm in ALGORITHMS {
        for issuer in [None, Some("https://probeops.example/é")] {
            for audience in [None, Some("fastapi-users:auth")] {
                for claims in [json!({}), further.clone()] {
                    shapes.push(TokenShape {
                        issuer: issuer.map(str::to_owned),
                        audience: audience.map(str::to_owned),
                        claims: claims.as_object().unwrap().clone(),
                        ..shape(algorithm)
                    });
                }
            }
        }
    }
    shapes
}

fn key(text: &str) -> SigningKey {
    SigningKey::new(text.as_bytes().to_vec()).unwrap()
}

/// What the app's library makes of a token: the claims, or the class of its exception.
fn theirs(token: &str, secret: &str, shape: &TokenShape) -> Result<Value, String> {
    let question = json!({
        "kind": "jwt", "token": token, "secret": secret, "algorithms": [name(shape.algorithm)],
        "audience": shape.audience, "issuer": shape.issuer,
    });
    ask(&question).map(|answer| answer["claims"].clone())
}

/// Whether the library accepts it that most Node apps use.
fn node_accepts(token: &str, secret: &str, shape: &TokenShape) -> bool {
    ask_node(&json!({
        "token": token, "secret": secret, "algorithms": [name(shape.algorithm)],
        "audience": shape.audience, "issuer": shape.issuer,
    }))
    .is_ok()
}

fn ours(token: &str, secret: &str, shape: &TokenShape) -> Verdict {
    explain(token, &Keyring::of(&key(secret)), shape, Timestamp::now()).verdict
}

/// A third maker of tokens beside the two, so that one can be made that neither would.
fn sign(algorithm: Algorithm, secret: &[u8], header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = match algorithm {
        Algorithm::HS256 => hmac::<Hmac<sha2::Sha256>>(secret, &message),
        Algorithm::HS384 => hmac::<Hmac<sha2::Sha384>>(secret, &message),
        Algorithm::HS512 => hmac::<Hmac<sha2::Sha512>>(secret, &message),
        other => panic!("{other:?} has a test of its own"),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hmac<M: hmac::Mac + hmac::KeyInit>(secret: &[u8], message: &str) -> Vec<u8> {
    let mut mac = <M as hmac::KeyInit>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn what_we_mint_the_apps_library_accepts_and_reads_alike() {
    for shape in shapes() {
        for subject in ["4711", "ada@example.com", "7d444840-9dc0-11d1-b245-5ffdce74fad2", "ü 🔑 \"\\"] {
            let now = Timestamp::now();
            let token = mint(&key(KEY), &shape, subject, now, DAY).unwrap();
            let mut claims = shape.claims.clone();
            claims.insert("sub".into(), subject.into());
            claims.insert("iat".into(), now.as_second().into());
            claims.insert("exp".into(), (now.as_second() + 86_400).into());
            claims.extend(shape.issuer.iter().map(|issuer| ("iss".to_owned(), issuer.as_str().into())));
            claims.extend(shape.audience.iter().map(|audience| ("aud".to_owned(), audience.as_str().into())));
            let read = theirs(token.expose_secret(), KEY, &shape);
            assert_eq!(read, Ok(Value::Object(claims)), "{shape:?}");
            assert!(node_accepts(token.expose_secret(), KEY, &shape), "{shape:?}");
            let verdict = ours(token.expose_secret(), KEY, &shape);
            assert_eq!(verdict, Verdict::Holds { subject: subject.into() });
        }
    }
}

#[test]
fn what_the_apps_library_mints_holds_here() {
    for shape in shapes() {
        let mut claims = shape.claims.clone();
        claims.extend(shape.issuer.iter().map(|issuer| ("iss".to_owned(), issuer.as_str().into())));
        claims.extend(shape.audience.iter().map(|audience| ("aud".to_owned(), audience.as_str().into())));
        let minted = python("mint.py")
            .env("MINT_KEY", KEY)
            .args(["--secret-env", "MINT_KEY", "--sub", "4711", "--alg", name(shape.algorithm)])
            .args(["--claims", &Value::Object(claims).to_string()])
            .output()
            .unwrap();
        assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
        let token = String::from_utf8(minted.stdout).unwrap();
        let verdict = ours(token.trim_end(), KEY, &shape);
        assert_eq!(verdict, Verdict::Holds { subject: "4711".into() }, "{shape:?}");
    }
}

#[test]
fn our_forgeries_are_refused_by_the_apps_library_and_here() {
    let key = SigningKey::new(KEY.into()).unwrap();
    for shape in shapes() {
        for kind in Forgery::ALL {
            let token = forge(kind, &key, &shape, "4711", Timestamp::now(), DAY).unwrap();
            assert!(theirs(token.expose_secret(), KEY, &shape).is_err(), "they accept a {kind:?}");
            assert!(!ours(token.expose_secret(), KEY, &shape).holds(), "we accept a {kind:?}");
            assert!(!node_accepts(token.expose_secret(), KEY, &shape), "Node accepts a {kind:?}");
        }
    }
}

/// One thing that is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KeyOther,
    KeyWithLineBreak,
    AlgorithmOther,
    AlgorithmNone,
    AlgorithmUnknown,
    ClaimsChanged,
    SignatureChanged,
    SignatureCut,
    PartMissing,
    PartTooMany,
    HeaderNotJson,
    ClaimsNotAnObject,
    Expired,
    NotBefore,
    IssuedAhead,
    TimeNotANumber,
    IssuerMissing,
    IssuerOther,
    AudienceMissing,
    AudienceOther,
    AudienceUnasked,
    SubjectNumber,
    SubjectObject,
    SubjectNull,
}

impl Fault {
    const ALL: [Self; 24] = [
        Self::KeyOther,
        Self::KeyWithLineBreak,
        Self::AlgorithmOther,
        Self::AlgorithmNone,
        Self::AlgorithmUnknown,
        Self::ClaimsChanged,
        Self::SignatureChanged,
        Self::SignatureCut,
        Self::PartMissing,
        Self::PartTooMany,
        Self::HeaderNotJson,
        Self::ClaimsNotAnObject,
        Self::Expired,
        Self::NotBefore,
        Self::IssuedAhead,
        Self::TimeNotANumber,
        Self::IssuerMissing,
        Self::IssuerOther,
        Self::AudienceMissing,
        Self::AudienceOther,
        Self::AudienceUnasked,
        Self::SubjectNumber,
        Self::SubjectObject,
        Self::SubjectNull,
    ];

    /// Whether jsonwebtoken for Node refuses it too: it does not look at who is named, when a token was
    /// issued, an audience that nobody asked for, nor whether its claims are an object.
    fn matters_to_node(self) -> bool {
        !matches!(
            self,
            Self::IssuedAhead
                | Self::AudienceUnasked
                | Self::SubjectNumber
                | Self::SubjectObject
                | Self::SubjectNull
                | Self::ClaimsNotAnObject
                | Self::TimeNotANumber
        )
    }

    /// What it is called here. More than one, where what is changed at random decides.
    fn causes(self) -> &'static [&'static str] {
        match self {
            Self::KeyOther | Self::ClaimsChanged => &["SignedByUnknownKey"],
            Self::KeyWithLineBreak => &["SignedByKeyVariant"],
            Self::AlgorithmOther | Self::AlgorithmNone | Self::AlgorithmUnknown => &["AlgorithmDiffers"],
            // A changed last character may change bits that are no part of the signature, or no base64.
            Self::SignatureChanged => &["SignedByUnknownKey", "NotAToken"],
            Self::SignatureCut
            | Self::PartMissing
            | Self::PartTooMany
            | Self::HeaderNotJson
            | Self::ClaimsNotAnObject => &["NotAToken"],
            Self::TimeNotANumber => &["TimeNotANumber"],
            Self::Expired => &["Expired", "ExpiresBeforeIssued", "ExpiryIsDuration"],
            Self::NotBefore | Self::IssuedAhead => &["NotYetValid", "ClocksDiffer"],
            Self::IssuerMissing | Self::IssuerOther => &["IssuerDiffers"],
            Self::AudienceMissing | Self::AudienceOther | Self::AudienceUnasked => &["AudienceDiffers"],
            Self::SubjectNumber | Self::SubjectObject => &["SubjectTypeDiffers"],
            Self::SubjectNull => &["SubjectMissing"],
        }
    }

    fn fits(self, shape: &TokenShape) -> bool {
        match self {
            Self::IssuerMissing | Self::IssuerOther => shape.issuer.is_some(),
            Self::AudienceMissing | Self::AudienceOther => shape.audience.is_some(),
            Self::AudienceUnasked => shape.audience.is_none(),
            _ => true,
        }
    }
}

/// How the app's library calls what we call so.
fn classes(verdict: &Verdict) -> &'static [&'static str] {
    match verdict {
        Verdict::Malformed(_) => &[
            "DecodeError",
            "InvalidSignatureError",
            "InvalidIssuedAtError",
            "InvalidTokenError",
            "InvalidJTIError",
        ],
        Verdict::AlgorithmDiffers { .. } => &["InvalidAlgorithmError"],
        Verdict::SignedByPreviousKey
        | Verdict::SignedByKeyVariant(_)
        | Verdict::SignedByPlaceholder
        | Verdict::SignedByUnknownKey => &["InvalidSignatureError"],
        Verdict::Time(TimeVerdict::SetAhead { .. }) => &["ImmatureSignatureError"],
        Verdict::Expired { .. } | Verdict::Time(_) => &["ExpiredSignatureError"],
        Verdict::NotYetValid { .. } | Verdict::ClocksDiffer { .. } => &["ImmatureSignatureError"],
        Verdict::IssuerDiffers { found: None, .. } => &["MissingRequiredClaimError"],
        Verdict::IssuerDiffers { .. } => &["InvalidIssuerError"],
        Verdict::AudienceDiffers { .. } => &["InvalidAudienceError", "MissingRequiredClaimError"],
        Verdict::SubjectTypeDiffers { .. } | Verdict::SubjectMissing { .. } => &["InvalidSubjectError"],
        _ => &[],
    }
}

/// Text of any kind that a claim or a key may hold.
fn text(random: &mut StdRng, length: usize) -> String {
    let letters: Vec<char> = "abcXYZ0123456789-_.:/@ \"\\äłé密🔑".chars().collect();
    (0..length).map(|_| *letters.choose(random).unwrap()).collect()
}

fn any_value(random: &mut StdRng, depth: u32) -> Value {
    match random.random_range(0..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => random.random::<bool>().into(),
        2 => random.random::<i64>().into(),
        3 => random.random::<u64>().into(),
        4 => text(random, 12).into(),
        5 => (0..3).map(|_| any_value(random, depth - 1)).collect(),
        _ => Value::Object((0..3).map(|n| (format!("k{n}"), any_value(random, depth - 1))).collect()),
    }
}

/// A generated case: who verifies, and what is given to them.
struct Generated {
    shape: TokenShape,
    secret: String,
    token: String,
}

fn generate(random: &mut StdRng, shape: TokenShape, faults: &[Fault]) -> Generated {
    let has = |fault| faults.contains(&fault);
    let length = random.random_range(20..90);
    let secret = text(random, length);
    let claims = claims(random, &shape, faults);
    let mut header = json!({"alg": name(shape.algorithm), "typ": "JWT"});
    if random.random_bool(0.3) {
        header["kid"] = text(random, 6).into();
    }
    let mut signer = (shape.algorithm, secret.clone());
    if has(Fault::KeyOther) {
        signer.1 = text(random, 32);
    }
    if has(Fault::KeyWithLineBreak) {
        signer.1.push('\n');
    }
    if has(Fault::AlgorithmOther) {
        let others: Vec<_> = ALGORITHMS.into_iter().filter(|one| *one != shape.algorithm).collect();
        signer.0 = *others.choose(random).unwrap();
        header["alg"] = name(signer.0).into();
    }
    if has(Fault::AlgorithmUnknown) {
        header["alg"] = (*["HS1", "hs256", "RS256", "ES256", "", "None"].choose(random).unwrap()).into();
    }
    if has(Fault::AlgorithmNone) {
        header["alg"] = "none".into();
    }
    let claims = if has(Fault::ClaimsNotAnObject) { json!([claims]) } else { Value::Object(claims) };
    let token = sign(signer.0, signer.1.as_bytes(), &header, &claims);
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    if has(Fault::AlgorithmNone) {
        parts[2].clear();
    }
    if has(Fault::ClaimsChanged) {
        parts[1] = URL_SAFE_NO_PAD.encode(r#"{"sub":"1"}"#);
    }
    if has(Fault::SignatureChanged) && !parts[2].is_empty() {
        let at = random.random_range(0..parts[2].len());
        let other = if parts[2].as_bytes()[at] == b'A' { "B" } else { "A" };
        parts[2].replace_range(at..=at, other);
    }
    if has(Fault::SignatureCut) {
        let left = parts[2].len().saturating_sub(random.random_range(4..20));
        parts[2].truncate(left);
    }
    if has(Fault::HeaderNotJson) {
        parts[0] = URL_SAFE_NO_PAD.encode("{\"alg\":");
    }
    if has(Fault::PartMissing) {
        parts.remove(random.random_range(0..3));
    }
    if has(Fault::PartTooMany) {
        parts.push("e30".into());
    }
    Generated { shape, secret, token: parts.join(".") }
}

fn claims(random: &mut StdRng, shape: &TokenShape, faults: &[Fault]) -> Map<String, Value> {
    // Nothing lies within a minute of now, so that no clock decides.
    let now = Timestamp::now().as_second();
    let mut claims = Map::new();
    for at in 0..random.random_range(0..4) {
        claims.insert(format!("further{at}"), any_value(random, 2));
    }
    claims.extend(shape.claims.clone());
    let length = random.random_range(1..40);
    claims.insert("sub".into(), text(random, length).into());
    for (claim, sign) in [("exp", 1), ("nbf", -1), ("iat", -1)] {
        // A token need not have any of the three, and a time may have a fraction.
        if random.random_bool(0.8) {
            let time = now + sign * random.random_range(60..1_000_000);
            let fraction = random.random_bool(0.2);
            claims.insert(claim.into(), if fraction { json!(time as f64 + 0.5) } else { json!(time) });
        }
    }
    claims.extend(shape.issuer.iter().map(|issuer| ("iss".to_owned(), issuer.as_str().into())));
    if let Some(audience) = &shape.audience {
        let several = json!([text(random, 8), audience]);
        claims.insert("aud".into(), if random.random() { several } else { json!(audience) });
    }
    for fault in faults {
        let far = random.random_range(60..1_000_000);
        let (claim, value) = match fault {
            Fault::Expired => ("exp", json!(now - far)),
            Fault::NotBefore => ("nbf", json!(now + far)),
            Fault::IssuedAhead => ("iat", json!(now + far)),
            Fault::TimeNotANumber => {
                let odd = [json!("tomorrow"), json!(null), json!([1]), json!({"at": 1})];
                (*["exp", "nbf", "iat"].choose(random).unwrap(), odd.choose(random).unwrap().clone())
            }
            Fault::IssuerOther => ("iss", json!(text(random, 9))),
            Fault::AudienceOther => ("aud", json!([text(random, 9), text(random, 9)])),
            Fault::AudienceUnasked => ("aud", json!(text(random, 9))),
            Fault::SubjectNumber => ("sub", json!(random.random::<i64>())),
            Fault::SubjectObject => ("sub", json!({"id": "4711"})),
            Fault::SubjectNull => ("sub", json!(null)),
            Fault::IssuerMissing => {
                claims.remove("iss");
                continue;
            }
            Fault::AudienceMissing => {
                claims.remove("aud");
                continue;
            }
            _ => continue,
        };
        claims.insert(claim.into(), value);
    }
    claims
}

#[test]
fn generated_tokens_with_nothing_wrong_hold_on_both_sides() {
    let mut random = StdRng::seed_from_u64(4711);
    for _ in 0..16 {
        for shape in shapes() {
            let case = generate(&mut random, shape, &[]);
            let verdict = ours(&case.token, &case.secret, &case.shape);
            let theirs = theirs(&case.token, &case.secret, &case.shape);
            assert!(verdict.holds(), "{verdict:?}, {theirs:?}: {}", case.token);
            assert!(theirs.is_ok(), "{theirs:?}: {}", case.token);
            assert!(node_accepts(&case.token, &case.secret, &case.shape), "{}", case.token);
            let Verdict::Holds { subject } = verdict else { panic!("{verdict:?}") };
            assert_eq!(theirs.unwrap()["sub"], subject);
        }
    }
}

#[test]
fn generated_tokens_with_one_fault_are_refused_by_both_for_the_same_reason() {
    let mut random = StdRng::seed_from_u64(4712);
    for fault in Fault::ALL {
        // Twice each shape, with other keys and claims.
        for shape in shapes().into_iter().chain(shapes()).filter(|shape| fault.fits(shape)) {
            let case = generate(&mut random, shape, &[fault]);
            let verdict = ours(&case.token, &case.secret, &case.shape);
            let refusal = theirs(&case.token, &case.secret, &case.shape);
            let refusal = refusal.err().unwrap_or_else(|| panic!("they accept {fault:?}: {}", case.token));
            assert!(!verdict.holds(), "we accept {fault:?}: {}", case.token);
            if fault.matters_to_node() {
                let accepted = node_accepts(&case.token, &case.secret, &case.shape);
                assert!(!accepted, "Node accepts {fault:?}: {}", case.token);
            }
            assert!(fault.causes().contains(&verdict.cause()), "{fault:?}: {verdict:?}: {}", case.token);
            let classes = classes(&verdict);
            assert!(classes.contains(&refusal.as_str()), "{fault:?}: {refusal}, {verdict:?}: {}", case.token);
        }
    }
}

#[test]
fn generated_tokens_with_several_faults_are_refused_by_both() {
    let mut random = StdRng::seed_from_u64(4713);
    for _ in 0..24 {
        for shape in shapes() {
            let possible: Vec<_> = Fault::ALL.into_iter().filter(|fault| fault.fits(&shape)).collect();
            let faults: Vec<_> = possible.choose_multiple(&mut random, 3).copied().collect();
            let case = generate(&mut random, shape, &faults);
            assert!(!ours(&case.token, &case.secret, &case.shape).holds(), "{faults:?}: {}", case.token);
            assert!(theirs(&case.token, &case.secret, &case.shape).is_err(), "{faults:?}: {}", case.token);
            // Claims that are no object hide from Node what is wrong with them.
            let hidden = faults.contains(&Fault::ClaimsNotAnObject);
            if !hidden && faults.iter().any(|fault| fault.matters_to_node()) {
                assert!(!node_accepts(&case.token, &case.secret, &case.shape), "{faults:?}: {}", case.token);
            }
        }
    }
}

#[test]
fn where_the_two_differ_is_known() {
    let shape = shape(Algorithm::HS256);
    let signed = |header: Value, claims: Value| sign(shape.algorithm, KEY.as_bytes(), &header, &claims);
    let usual = json!({"alg": "HS256", "typ": "JWT"});
    let header = |name: &str, value: Value| json!({"alg": "HS256", "typ": "JWT", name: value});
    let claims = |name: &str, value: Value| json!({"sub": "4711", name: value});
    let right = signed(usual.clone(), json!({"sub": "4711"}));
    // What it is, the token, whether it holds here, and what the app's library says.
    let cases: [(&str, String, bool, Result<(), &str>); 8] = [
        // We refuse more: what a person pasted is not repaired in silence, and everybody has a name.
        ("no subject", signed(usual.clone(), json!({})), false, Ok(())),
        ("an empty subject", signed(usual.clone(), json!({"sub": ""})), false, Ok(())),
        ("a time that is a text", signed(usual.clone(), claims("exp", json!("32503680000"))), false, Ok(())),
        // We take off what stands around it, and say so in a step.
        ("white space around it", format!(" {right}\n"), true, Err("DecodeError")),
        ("the word Bearer", format!("Bearer {right}"), true, Err("DecodeError")),
        // Both refuse.
        ("a number as jti", signed(usual, claims("jti", json!(7))), false, Err("InvalidJTIError")),
        (
            "a number as kid",
            signed(header("kid", json!(7)), json!({"sub": "1"})),
            false,
            Err("InvalidTokenError"),
        ),
        ("crit", signed(header("crit", json!(["x"])), json!({"sub": "1"})), false, Err("InvalidTokenError")),
    ];
    for (what, token, holds, expected) in cases {
        assert_eq!(ours(&token, KEY, &shape).holds(), holds, "{what}: {:?}", ours(&token, KEY, &shape));
        let said = theirs(&token, KEY, &shape).map(|_| ());
        assert_eq!(said.as_ref().map_err(String::as_str).copied(), expected, "{what}");
    }
}

/// A token with its parts padded, as nobody should write it.
fn padded(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE.encode(json.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let signature = hmac::<Hmac<sha2::Sha256>>(KEY.as_bytes(), &message);
    format!("{message}.{}", URL_SAFE.encode(signature))
}

#[test]
fn what_messages_say_of_pyjwt_and_of_jsonwebtoken_for_node_is_so() {
    const BOTH: &str = "PyJWT and jsonwebtoken for Node refuse that";
    let (now, day) = (Timestamp::now().as_second(), 86_400);
    let usual = json!({"alg": "HS256", "typ": "JWT"});
    let claims = |name: &str, value: Value| {
        let mut claims = json!({"sub": "4711"});
        claims[name] = value;
        sign(Algorithm::HS256, KEY.as_bytes(), &usual, &claims)
    };
    let header = |name: &str, value: Value| {
        let mut header = usual.clone();
        header[name] = value;
        sign(Algorithm::HS256, KEY.as_bytes(), &header, &json!({"sub": "4711"}))
    };
    let by_id = TokenShape { subject_claim: "user_id".parse().unwrap(), ..shape(Algorithm::HS256) };
    let plain = shape(Algorithm::HS256);
    let number = sign(Algorithm::HS256, KEY.as_bytes(), &usual, &json!({"user_id": 7}));
    // What it is, whether each of the two takes it, and what is said of that here.
    let cases: [(String, &TokenShape, bool, bool, &str); 19] = [
        (
            claims("exp", json!((now + day).to_string())),
            &plain,
            true,
            false,
            "PyJWT reads it all the same, jsonwebtoken for Node refuses it",
        ),
        (
            claims("nbf", json!((now - day).to_string())),
            &plain,
            true,
            false,
            "PyJWT reads it all the same, jsonwebtoken for Node refuses it",
        ),
        (claims("exp", json!((now - day).to_string())), &plain, false, false, "the token expired"),
        (claims("exp", json!("2199-01-01T00:00:00Z")), &plain, false, false, BOTH),
        (claims("nbf", json!("2001-01-01")), &plain, false, false, BOTH),
        (claims("exp", json!(null)), &plain, false, false, BOTH),
        (
            claims("iat", json!("2001-01-01")),
            &plain,
            false,
            true,
            "PyJWT refuses that, and jsonwebtoken for Node does not look at iat",
        ),
        (
            claims("iat", json!((now - day).to_string())),
            &plain,
            true,
            true,
            "PyJWT and jsonwebtoken for Node take that",
        ),
        (
            claims("iat", json!(now + day)),
            &plain,
            false,
            true,
            "PyJWT refuses that, jsonwebtoken for Node does not look at iat",
        ),
        (
            claims("iat", json!(now * 1000)),
            &plain,
            false,
            true,
            "PyJWT takes it for issued in the far future and refuses it; jsonwebtoken for Node does not look at iat",
        ),
        (
            claims("nbf", json!(now * 1000)),
            &plain,
            false,
            false,
            "verifiers take it for a time in the far future",
        ),
        (claims("exp", json!(now * 1000)), &plain, true, true, "it practically never ends"),
        (claims("exp", json!(now as f64 + 86_400.5)), &plain, true, true, "the subject \"4711\""),
        (claims("iat", json!(now as f64 - 0.5)), &plain, true, true, "the subject \"4711\""),
        (
            claims("jti", json!(7)),
            &plain,
            false,
            true,
            "PyJWT refuses that, jsonwebtoken for Node takes no notice",
        ),
        (
            header("kid", json!(7)),
            &plain,
            false,
            true,
            "PyJWT refuses that, jsonwebtoken for Node takes no notice",
        ),
        (
            header("crit", json!(["x"])),
            &plain,
            false,
            true,
            "PyJWT does, jsonwebtoken for Node takes no notice",
        ),
        (number, &by_id, true, true, "no library refuses that"),
        (
            padded(&json!({"sub": "12"})),
            &plain,
            true,
            false,
            "PyJWT takes it, jsonwebtoken for Node refuses it",
        ),
    ];
    for (token, shape, pyjwt, node, said) in cases {
        let found = explain(&token, &Keyring::of(&key(KEY)), shape, Timestamp::now());
        let told = format!("{}; {}", found.verdict.message(), found.also(&found.verdict).join("; "));
        assert!(told.contains(said), "{told}");
        let read = theirs(&token, KEY, shape);
        assert_eq!(read.is_ok(), pyjwt, "PyJWT: {read:?}: {told}");
        assert_eq!(node_accepts(&token, KEY, shape), node, "Node: {told}");
    }
}
