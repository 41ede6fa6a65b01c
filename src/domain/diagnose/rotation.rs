//! A signing key in the place of another: who is thrown out by it, and when the old one may go.
//!
//! All of it is told from what the status remembers of the passes before, since a key says nothing of its age.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Severity, SigningKeyReport},
        shared::{ReplacedKey, Rotation},
        spec::Algorithm,
        status::{MAX_REPLACED, SigningKeyStatus},
    },
    domain::{
        facts::verifiers::VerifierFacts,
        finding::{Finding, person},
        target::{IdentitySource, Target},
    },
};

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Whether the key in use is another one than the one in the status.
pub fn key_changed(before: Option<&SigningKeyStatus>, now: &SigningKeyReport) -> bool {
    before.is_some_and(|before| {
        before.fingerprint.is_some() && now.fingerprint.is_some() && before.fingerprint != now.fingerprint
    })
}

/// Whether a pass says or does anything by which key it is, beside keeping its fingerprint for the next one and
/// telling that it is another one than before.
///
/// Where it does not, the fingerprint may come later: until then the status' own stands, and one that has no key of
/// before has none.
pub fn decides(target: &Target, before: Option<&SigningKeyStatus>) -> bool {
    let Some(jwt) = &target.jwt else { return false };
    let listed = match &target.references.identities {
        Some(IdentitySource::List(list)) => {
            list.before.as_ref().is_some_and(|before| before.fingerprint.is_some())
        }
        _ => false,
    };
    // A rotation is told by it, and sessions are ended for it.
    let rotates = !jwt.previous.is_empty();
    let stands = before.is_none_or(|before| {
        before.fingerprint.is_some()
            && before.algorithm == jwt.shape.algorithm
            && before.replaced.is_empty()
            && before.rotation.is_none()
    });
    rotates || listed || !stands
}

/// The signing key as this pass sees it, with what is still to be remembered of those before it: which
/// they were and when they were replaced, as long as tokens of theirs live.
///
/// Nothing is remembered across a key without a fingerprint, or another algorithm: then nobody can tell
/// whether it is the same key, or whether the app could take both.
pub fn remember(
    before: Option<&SigningKeyStatus>,
    fingerprint: Option<String>,
    algorithm: Algorithm,
    lifetime: Duration,
    now: Timestamp,
) -> SigningKeyReport {
    let now = whole_seconds(now);
    let told_apart = before.filter(|before| before.fingerprint.is_some() && fingerprint.is_some());
    let mut report = SigningKeyReport {
        fingerprint,
        algorithm,
        changed_time: told_apart.and_then(|before| before.changed_time.clone()),
        replaced: Vec::new(),
        rotation: None,
    };
    let changed = key_changed(before, &report);
    if changed {
        report.changed_time = Some(Time(now));
    }
    let Some(before) = told_apart.filter(|before| before.algorithm == algorithm) else { return report };
    let just_now = before
        .fingerprint
        .as_ref()
        .filter(|_| changed)
        .map(|fingerprint| ReplacedKey { fingerprint: fingerprint.clone(), time: Time(now) });
    let mut replaced: Vec<ReplacedKey> = before
        .replaced
        .iter()
        .filter(|key| {
            let here_again = report.fingerprint.as_deref() == Some(key.fingerprint.as_str());
            let seen_anew = just_now.as_ref().is_some_and(|fresh| fresh.fingerprint == key.fingerprint);
            now < end(&key.time, lifetime) && !here_again && !seen_anew
        })
        .cloned()
        .chain(just_now.clone())
        .collect();
    replaced.drain(..replaced.len().saturating_sub(MAX_REPLACED));
    report.replaced = replaced;
    report
}

/// What a status keeps of the first key that is seen.
pub fn first(fingerprint: String, algorithm: Algorithm) -> SigningKeyStatus {
    SigningKeyStatus {
        fingerprint: Some(fingerprint),
        algorithm,
        changed_time: None,
        replaced: Vec::new(),
        rotation: None,
    }
}

/// The finding that a key was replaced and its tokens are thrown away before their time. `named` are the
/// fingerprints of the other keys that the spec has, as accepted or as revoked on purpose; where one of them
/// has none, nobody can tell.
pub fn without_overlap(
    key: &SigningKeyReport,
    named: &[Option<String>],
    lifetime: Duration,
) -> Option<Finding> {
    if named.iter().any(Option::is_none) {
        return None;
    }
    let missing = |replaced: &&ReplacedKey| {
        !named.iter().any(|other| other.as_deref() == Some(replaced.fingerprint.as_str()))
    };
    // The last one: its tokens live longest.
    let replaced = key.replaced.iter().rev().find(missing)?;
    Some(person(
        Reason::RotationWithoutOverlap,
        ConditionType::SigningKeyTrusted,
        Severity::Warning,
        None,
        format!(
            "the signing key was replaced at {}, and the spec does not say that the app still accepts the one before: whoever holds a token of it must sign in again; to spare them that, let the app accept the old key until {} and name it in spec.jwt.previousSecretRefs (or previousKeyIds), else do nothing",
            replaced.time.0,
            end(&replaced.time, lifetime)
        ),
    ))
}

/// What the app was heard to say about tokens of the signing key.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// The spec names no verifier.
    NoProbe,
    /// It does, and none was asked in this pass.
    NotAsked,
    /// Each verifier's answer.
    Answers(&'a [VerifierFacts]),
}

/// How far the rotation has got of which `previous` keys are the old part; none where there are none.
///
/// The lifetime of old tokens is counted from the first pass that saw the signing key with old ones beside
/// it and no verifier that refused it: whatever still refuses it may still sign with an old key.
pub fn rotation(
    before: Option<&SigningKeyStatus>,
    key: &SigningKeyReport,
    previous: usize,
    lifetime: Duration,
    heard: Heard<'_>,
    now: Timestamp,
) -> Option<Rotation> {
    if previous == 0 {
        return None;
    }
    let untimed = |may_go, why: &str| Some(Rotation { since: None, until: None, may_go, why: why.into() });
    if key.fingerprint.is_none() {
        return untimed(
            None,
            "the signing key has no fingerprint, so nobody can tell since when it is in use: mend that first, see SigningKeyTrusted",
        );
    }
    if let Heard::Answers(answers) = heard
        && answers.iter().any(VerifierFacts::is_refused)
    {
        return untimed(
            Some(false),
            "the old keys must stay: a verifier refuses the signing key's tokens, so it may still sign with an old one; see TokensAccepted",
        );
    }
    let same = before.filter(|before| before.fingerprint == key.fingerprint);
    let begun = same.and_then(|before| before.rotation.as_ref()).and_then(|rotation| rotation.since.clone());
    let since = begun.unwrap_or_else(|| Time(whole_seconds(now)));
    let until = end(&since, lifetime);
    let (may_go, why) = if whole_seconds(now) < until {
        (
            Some(false),
            format!(
                "the old keys must stay in the app and in spec.jwt until {until}: so long live tokens that they signed"
            ),
        )
    } else {
        let ended = "tokens that the old keys signed have ended";
        match heard {
            Heard::Answers(answers) if answers.iter().all(VerifierFacts::is_well) => (
                Some(true),
                format!(
                    "the old keys may go: {ended}, and every verifier accepts the signing key's; take them out of spec.jwt, then out of the app"
                ),
            ),
            Heard::Answers(_) | Heard::NotAsked => (
                None,
                format!(
                    "{ended}, but not every verifier says that it accepts the signing key's: see TokensAccepted before the old keys go"
                ),
            ),
            Heard::NoProbe => (
                None,
                format!(
                    "{ended} if the app signs with the new key, which nobody asked it, since the spec has no probe: see that it does before the old keys go"
                ),
            ),
        }
    };
    Some(Rotation { since: Some(since), until: Some(Time(until)), may_go, why })
}

/// What the condition about the key says while it is True and a rotation is under way.
pub fn remark(key: Option<&SigningKeyReport>) -> Option<String> {
    let rotation = key?.rotation.as_ref()?;
    Some(format!("the signing key shows no weakness; {}", rotation.why))
}

/// What a status keeps of it.
pub fn kept(key: &SigningKeyReport) -> SigningKeyStatus {
    SigningKeyStatus {
        fingerprint: key.fingerprint.clone(),
        algorithm: key.algorithm,
        changed_time: key.changed_time.clone(),
        replaced: key.replaced.clone(),
        rotation: key.rotation.clone(),
    }
}

/// What a report says of what a status keeps.
pub fn told(key: &SigningKeyStatus) -> SigningKeyReport {
    SigningKeyReport {
        fingerprint: key.fingerprint.clone(),
        algorithm: key.algorithm,
        changed_time: key.changed_time.clone(),
        replaced: key.replaced.clone(),
        rotation: key.rotation.clone(),
    }
}

/// When the last token of a key ends that was in use until `time`; never, for a lifetime without end.
fn end(time: &Time, lifetime: Duration) -> Timestamp {
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
    time.0.checked_add(lifetime).map_or(Timestamp::MAX, |end| {
        // A status keeps whole seconds.
        let whole = whole_seconds(end);
        if whole < end { whole.checked_add(SignedDuration::from_secs(1)).unwrap_or(end) } else { whole }
    })
}

/// As a status keeps times, so that what is read back is what was written.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
