//! The signing key.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{
    expected::Expected,
    world::{KEYS, World},
};

const fn cause(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Key, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    cause("the key is short for HS256", &[R::SigningKeyWeak], |w| {
        weak(w, "HS256", "q8Zk3vT71mWx0Lr", "15", "32")
    }),
    cause("the key is short for HS512", &[R::SigningKeyWeak], |w| weak(w, "HS512", KEYS[0], "39", "64")),
    cause("an RSA key has 1024 bits", &[R::SigningKeyWeak], short_rsa),
    cause("the key ends with a line break", &[R::SigningKeySuspicious], |w| {
        odd(w, format!("{}\n", KEYS[1]), "line break|newline")
    }),
    cause("the key stands in quotes", &[R::SigningKeySuspicious], |w| {
        odd(w, format!("\"{}\"", KEYS[1]), "quote")
    }),
    cause("the key begins with a blank", &[R::SigningKeySuspicious], |w| {
        odd(w, format!(" {}", KEYS[2]), "blank|space")
    }),
    cause("the key is a line of an env file", &[R::SigningKeySuspicious], |w| {
        odd(w, format!("JWT_SECRET={}", KEYS[2]), "line of an environment file")
    }),
    cause("the key is an unfilled variable", &[R::SigningKeySuspicious, R::SigningKeyGuessable], unfilled),
    cause("the key is a placeholder", &[R::SigningKeyGuessable], placeholder),
    cause("the key is that of a tutorial", &[R::SigningKeyGuessable], tutorial),
    cause("a text is to be an RSA key", &[R::SigningKeyUnfit], |w| {
        unfit(w, "RS256", KEYS[0].to_owned(), "RS256|RSA")
    }),
    cause("an RSA key is to be one on P-256", &[R::SigningKeyUnfit], |w| {
        unfit(w, "ES256", include_str!("../../keys/rsa-one.pem").to_owned(), "RSA")
    }),
    cause(
        "a PEM key is to be a shared secret",
        &[R::SigningKeyUnfit, R::SigningKeySuspicious, R::SigningKeyGuessable],
        pem_for_hmac,
    ),
    cause("a PEM key lost its line breaks", &[R::SigningKeyUnfit, R::SigningKeySuspicious], one_line),
    cause("a JWKS has not the key of the spec", &[R::SigningKeyUnfit], no_such_key),
    cause("the key was replaced without overlap", &[R::RotationWithoutOverlap], replaced),
    cause("a previous key is a placeholder, and sessions go on", &[R::SessionsOutliveChange], outlive),
    cause("sessions are to end with the key", &[R::SessionsOutliveChange], key_change),
];

fn set(world: &mut World, key: String) {
    world.secrets.retain(|(name, ..)| name != "jwt");
    world.secrets.push(("jwt".into(), "key".into(), key));
}

fn weak(world: &mut World, algorithm: &str, key: &str, has: &str, needs: &str) -> bool {
    set(world, key.to_owned());
    world.spec["jwt"]["algorithm"] = json!(algorithm);
    world.expected.push(Expected::new("key weak", R::SigningKeyWeak).says(&[has, needs, algorithm]));
    true
}

fn short_rsa(world: &mut World) -> bool {
    set(world, include_str!("../../keys/rsa-1024.pem").to_owned());
    world.spec["jwt"]["algorithm"] = json!("RS256");
    world.expected.push(
        Expected::new("RSA key short", R::SigningKeyWeak)
            .or(R::SigningKeyUnfit)
            .says(&["1024|1,024", "2048|2,048"]),
    );
    true
}

fn odd(world: &mut World, key: String, word: &str) -> bool {
    set(world, key);
    world.expected.push(Expected::new("key odd", R::SigningKeySuspicious).says(&[word]));
    true
}

fn unfilled(world: &mut World) -> bool {
    let key = world.one_of(&[
        "${JWT_SECRET}",
        "$(JWT_SECRET_KEY)",
        "{{ .Values.jwt.secretKey | default \"\" }}",
        "<insert the secret key for production here>",
    ]);
    set(world, key.to_owned());
    world.expected.push(
        Expected::new("key unfilled", R::SigningKeyGuessable)
            .or(R::SigningKeySuspicious)
            .says(&["fill|variable|template|placeholder"]),
    );
    world
        .beside
        .extend([R::SigningKeyWeak, R::SigningKeySuspicious, R::SigningKeyGuessable].map(|one| (one, None)));
    true
}

fn guessable(world: &mut World, key: &str) -> bool {
    set(world, key.to_owned());
    world.expected.push(Expected::new("key guessable", R::SigningKeyGuessable));
    world.beside.extend([(R::SigningKeyWeak, None), (R::SigningKeySuspicious, None)]);
    true
}

fn placeholder(world: &mut World) -> bool {
    let key = world.one_of(&[
        "secret",
        "changeme",
        "your-secret-key",
        "supersecret",
        "SECRET_KEY",
        "change-me-in-production",
        "your_jwt_secret",
        "mysecretkey",
        "please-change-this-secret-key",
        "CHANGE_THIS_TO_A_LONG_RANDOM_STRING",
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "",
    ]);
    if key.is_empty() {
        return false;
    }
    guessable(world, key)
}

fn tutorial(world: &mut World) -> bool {
    let key = world.one_of(&[
        "your-256-bit-secret",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "a-string-secret-at-least-256-bits-long",
    ]);
    guessable(world, key)
}

fn unfit(world: &mut World, algorithm: &str, key: String, word: &str) -> bool {
    set(world, key);
    world.spec["jwt"]["algorithm"] = json!(algorithm);
    world.expected.push(Expected::new("key unfit", R::SigningKeyUnfit).says(&[word]));
    true
}

fn pem_for_hmac(world: &mut World) -> bool {
    set(world, include_str!("../../keys/rsa-one-public.pem").to_owned());
    let expected = Expected::new("PEM for HMAC", R::SigningKeyUnfit)
        .or(R::SigningKeySuspicious)
        .or(R::SigningKeyGuessable);
    world.expected.push(expected.says(&["public|PEM", "HS256|HMAC|shared"]));
    world.beside.push((R::SigningKeySuspicious, None));
    true
}

fn one_line(world: &mut World) -> bool {
    let (from, to) = world.one_of(&[("\n", "\\n"), ("\n", " "), ("\n", "")]);
    set(world, include_str!("../../keys/p256.pem").replace(from, to));
    world.spec["jwt"]["algorithm"] = json!("ES256");
    world.expected.push(
        Expected::new("PEM in one line", R::SigningKeyUnfit).or(R::SigningKeySuspicious).says(&["line"]),
    );
    true
}

fn no_such_key(world: &mut World) -> bool {
    let one = |id: &str| json!({"kty": "oct", "kid": id, "k": "Y2FuYXJ5LTlkMWY0YzdlYWIwMjUzNmY4MWM0ZDdlOWEwYjNmNjUy"});
    let mut other = one("2026-b");
    other["k"] = json!("Y2FuYXJ5LTRlN2FiOTBjMWQ1MmYzODY2YTBlOWI3YzVkNDFmMjM4");
    set(world, json!({"keys": [one("2026-a"), other]}).to_string());
    world.spec["jwt"]["keyId"] = json!("2025-z");
    world.expected.push(Expected::new("key id not there", R::SigningKeyUnfit).says(&["2025-z"]));
    true
}

fn replaced(world: &mut World) -> bool {
    let now = world.secrets.iter().find(|(name, ..)| name == "jwt").unwrap().2.clone();
    world.key_before = KEYS.iter().find(|key| **key != now).map(|key| (*key).to_owned());
    world.expected.push(Expected::new("replaced", R::RotationWithoutOverlap).says(&["previousSecretRefs"]));
    true
}

fn with_sessions(world: &mut World, old: &str, block: serde_json::Value) {
    world.do_harm(format!("ALTER TABLE {} ADD valid_after timestamptz", world.users_sql()));
    world.secrets.push(("jwt-old".into(), "key".into(), old.into()));
    world.spec["jwt"]["previousSecretRefs"] = json!([{"name": "jwt-old", "key": "key"}]);
    world.spec["sessions"] = block;
    let expected = Expected::new("sessions outlive", R::SessionsOutliveChange).at(&world.table.clone());
    world.expected.push(expected);
}

fn outlive(world: &mut World) -> bool {
    with_sessions(world, "changeme", json!({"invalidateBeforeColumn": "valid_after"}));
    world.beside.extend([R::SigningKeyGuessable, R::SigningKeyWeak].map(|one| (one, None)));
    true
}

fn key_change(world: &mut World) -> bool {
    let now = world.secrets.iter().find(|(name, ..)| name == "jwt").unwrap().2.clone();
    let old = KEYS.into_iter().find(|key| *key != now).unwrap();
    with_sessions(world, old, json!({"invalidateBeforeColumn": "valid_after", "onKeyChange": "End"}));
    true
}
