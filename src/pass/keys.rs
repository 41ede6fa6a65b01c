//! What a pass finds out about the signing key and those beside it.

use crate::{
    api::{condition::ConditionType, report::SigningKeyReport},
    domain::{
        diagnose::rotation::{self, Heard},
        finding::{Finding, person},
        target::Jwt,
    },
    engine::PasswordCache,
    fingerprints,
    pass::request::Pass,
    tokens::{self, SigningKey},
};

use super::ProbeOutcome;

/// The signing key, with what is wrong with it and with those beside it. Where the supervisor puts off the
/// fingerprint, it is what the status says.
pub(super) async fn signing_key(pass: &Pass<'_>) -> (Option<SigningKeyReport>, Vec<Finding>) {
    let Some(jwt) = &pass.target.jwt else { return (None, Vec::new()) };
    let algorithm = jwt.shape.algorithm;
    let mut found: Vec<Finding> = jwt
        .counting()
        .flat_map(|(part, origin, key)| {
            tokens::audit_part(key, algorithm, part).into_iter().map(move |one| (part, origin, one))
        })
        .map(|(part, origin, weakness)| {
            person(
                weakness.reason(),
                ConditionType::SigningKeyTrusted,
                weakness.severity_of(part),
                None,
                format!("{} (Secret {origin})", weakness.message_of(part)),
            )
        })
        .collect();
    let Some(current) = current(pass, jwt).await else { return (pass.key_before.map(rotation::told), found) };
    let lifetime = jwt.shape.lifetime;
    let key = rotation::remember(pass.key_before, current, algorithm, lifetime, pass.now);
    if !key.replaced.is_empty() {
        // What a JWKS publishes is accepted, whatever it is for; what is revoked is meant to end.
        let mut named = Vec::new();
        for (_, other) in jwt.previous.iter().chain(&jwt.standby).chain(&jwt.revoked) {
            named.push(fingerprint(pass, other).await);
        }
        found.extend(rotation::without_overlap(&key, &named, lifetime));
    }
    (Some(key), found)
}

/// The signing key's fingerprint; `None` where the supervisor puts it off, which it is not asked where anything is
/// decided by it.
async fn current(pass: &Pass<'_>, jwt: &Jwt) -> Option<Option<String>> {
    if rotation::decides(pass.target, pass.key_before) {
        return Some(fingerprint(pass, &jwt.key).await);
    }
    let algorithm = jwt.shape.algorithm;
    if let Some(known) = pass.memory.fingerprint(&jwt.key.known_by(algorithm)) {
        return Some(known);
    }
    let put_off = || pass.supervisor.puts_off_the_fingerprint();
    let fingerprint = fingerprints::unless_put_off(&jwt.key, algorithm, put_off).await?;
    pass.memory.remember_fingerprint(&jwt.key.known_by(algorithm), fingerprint.clone());
    Some(fingerprint)
}

/// Says how far a rotation has got, once the app was asked.
pub(super) fn rotation(pass: &Pass<'_>, key: Option<&mut SigningKeyReport>, asked: &ProbeOutcome) {
    let (Some(jwt), Some(key)) = (&pass.target.jwt, key) else { return };
    let heard = match (&pass.target.probe, &asked.verifiers) {
        (None, _) => Heard::NoProbe,
        (Some(_), None) => Heard::NotAsked,
        (Some(_), Some(answers)) => Heard::Answers(answers),
    };
    // A copy of the signing key, named before it is replaced, is no old one yet.
    let previous = jwt.previous.iter().filter(|(_, other)| !other.is_same(&jwt.key)).count();
    key.rotation = rotation::rotation(pass.key_before, key, previous, jwt.shape.lifetime, heard, pass.now);
}

/// The fingerprint of a key. The process computes each once, and the resource remembers its own.
async fn fingerprint(pass: &Pass<'_>, key: &SigningKey) -> Option<String> {
    let algorithm = pass.target.jwt.as_ref()?.shape.algorithm;
    if let Some(known) = pass.memory.fingerprint(&key.known_by(algorithm)) {
        return known;
    }
    let fingerprint = fingerprints::of(key, algorithm).await;
    pass.memory.remember_fingerprint(&key.known_by(algorithm), fingerprint.clone());
    fingerprint
}
