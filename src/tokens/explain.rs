//! Why a token fails: the steps of a verifier, one after the other, up to the first that does not hold.

use crate::{
    api::spec::SubjectType,
    tokens::{
        crypto::install_crypto,
        shape::SKEW,
        text::{shown, span, type_name},
    },
};

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Account, Inspection, Keyring, NotAToken, Stripped, SubjectFacts, TokenShape, Verdict,
    algorithm::algorithm_name,
    inspect::{take_apart, timestamp},
    signature::{check_algorithm, check_signature},
};

/// One step of a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it holds.
    pub held: bool,
    /// What was found, in words. Never a part of a key or a signature.
    pub detail: String,
}

/// What a verifier with this key and shape makes of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The first thing that fails, or that nothing does.
    pub verdict: Verdict,
    /// The steps in their order, the failing one last.
    pub steps: Vec<Step>,
    /// When the token was issued (`iat`), once its times have been read.
    pub issued: Option<Timestamp>,
    /// Claims that say what its holder signs in with, as far as they are texts: (claim, value).
    pub logins: Vec<(&'static str, String)>,
    /// Its own id (`jti`, RFC 7519 section 4.1.7), once its claims have been read.
    pub id: Option<String>,
}

impl Verification {
    /// Whom the token names, when everything holds that can be told without the database.
    pub fn subject(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Holds { subject } => Some(subject),
            _ => None,
        }
    }

    /// The second half: what the database says about the subject. A token that did not hold before
    /// keeps its verdict.
    pub fn resolve(&self, facts: &SubjectFacts) -> Verdict {
        let Some(subject) = self.subject() else {
            return self.verdict.clone();
        };
        let subject = || subject.to_owned();
        let (login, written) = match &facts.account {
            Account::Missing => return Verdict::SubjectNamesNoUser { subject: subject() },
            Account::NotOfType { type_name } => {
                return Verdict::SubjectNotOfColumnType { subject: subject(), type_name: type_name.clone() };
            }
            Account::Inactive { login } => return Verdict::UserInactive { login: login.clone() },
            Account::Active { login, written, .. } => (login.clone(), written),
        };
        if let Some((claim, claimed)) = self.names_another(&login) {
            return Verdict::NamesAnother { claim, claimed: claimed.clone(), login };
        }
        if let Some(written) = written.as_ref().filter(|written| **written != subject()) {
            return Verdict::SubjectSpelledDifferently { subject: subject(), written: written.clone() };
        }
        match facts.invalidated_before {
            // A token that does not say when it was issued cannot prove that it is young enough.
            Some(valid_after) if self.issued.is_none_or(|issued| issued < valid_after) => {
                Verdict::IssuedBeforeInvalidation { issued: self.issued, valid_after }
            }
            _ if facts.revoked => Verdict::Revoked { login },
            _ => Verdict::NothingWrong { login },
        }
    }

    /// The claim that names somebody else than the login, where one of its kind is there.
    fn names_another(&self, login: &str) -> Option<(&'static str, &String)> {
        let plain = |text: &str| text.trim().to_lowercase();
        let alike = |text: &str| text.contains('@') == login.contains('@');
        let mut of_its_kind = self.logins.iter().filter(|(_, value)| alike(value)).peekable();
        let first = *of_its_kind.peek()?;
        // One that agrees is enough: a display name may stand beside it.
        of_its_kind.all(|(_, value)| plain(value) != plain(login)).then_some((first.0, &first.1))
    }
}

/// Claims in which apps say what a person signs in with.
const LOGIN_CLAIMS: [&str; 5] = ["email", "preferred_username", "upn", "username", "login"];

/// Walks through a token as a verifier does, without leeway, and stops at the first thing that fails.
///
/// The order is that of PyJWT 2: form, algorithm, signature, times, issuer, audience, further claims,
/// subject; `exp` before `nbf` and `iat`, since that is what a person can act on.
pub fn explain(token: &str, keys: &Keyring<'_>, shape: &TokenShape, now: Timestamp) -> Verification {
    install_crypto();
    let mut walk = Walk { steps: Vec::new(), issued: None, logins: Vec::new(), id: None };
    let verdict = match walk.run(token, keys, shape, now) {
        Ok(subject) => Verdict::Holds { subject },
        Err(verdict) => verdict,
    };
    Verification { verdict, steps: walk.steps, issued: walk.issued, logins: walk.logins, id: walk.id }
}

struct Walk {
    steps: Vec<Step>,
    issued: Option<Timestamp>,
    logins: Vec<(&'static str, String)>,
    id: Option<String>,
}

impl Walk {
    fn run(
        &mut self,
        token: &str,
        keys: &Keyring<'_>,
        shape: &TokenShape,
        now: Timestamp,
    ) -> Result<String, Verdict> {
        let form = take_apart(token).map_err(Verdict::Malformed);
        let (inspection, signed) = self.step("form", form, |(inspection, _)| form_detail(inspection))?;

        let algorithm = check_algorithm(&inspection, &signed, keys, shape);
        self.step("algorithm", algorithm, |()| algorithm_name(shape.algorithm).into())?;

        let signature = check_signature(&inspection, &signed, keys, shape);
        self.step("signature", signature, Clone::clone)?;

        let claims = &inspection.claims;
        let times = check_times(claims, now);
        self.issued = inspection.time("iat");
        self.step("times", times, Clone::clone)?;
        self.step("issuer", check_issuer(claims, shape), Clone::clone)?;
        self.step("audience", check_audience(claims, shape), Clone::clone)?;

        self.step("claims", check_claims(claims, shape), Clone::clone)?;

        let detail =
            |_: &String| format!("a JSON {} in {}", type_name(shape.subject_type), shape.subject_claim);
        let subject = self.step("subject", check_subject(claims, shape), detail)?;
        let text = |claim: &'static str| Some((claim, claims.get(claim)?.as_str()?.to_owned()));
        self.logins = LOGIN_CLAIMS.into_iter().filter_map(text).collect();
        self.id = text("jti").map(|(_, id)| id);
        if inspection.stripped.contains(&Stripped::Quotes) {
            self.step("as given", Err(Verdict::InQuotes), |()| String::new())?;
        }
        Ok(subject)
    }

    fn step<T>(
        &mut self,
        name: &'static str,
        result: Result<T, Verdict>,
        detail: impl FnOnce(&T) -> String,
    ) -> Result<T, Verdict> {
        let (held, detail) = match &result {
            Ok(value) => (true, detail(value)),
            Err(verdict) => (false, verdict.message()),
        };
        self.steps.push(Step { name, held, detail });
        result
    }
}

fn form_detail(inspection: &Inspection) -> String {
    let taken_off: Vec<_> = inspection.stripped.iter().map(ToString::to_string).collect();
    let mut detail = if taken_off.is_empty() {
        "three parts, header and claims are JSON".into()
    } else {
        format!("three parts, after taking off {}: an app that got it so refuses it", taken_off.join(" and "))
    };
    if let Some(name) = inspection.repeated.first() {
        detail.push_str(&format!(
            "; {} stands there more than once: some verifiers take the last one, others refuse it",
            shown(name)
        ));
    }
    if inspection.key_id().is_some_and(is_a_trick) {
        detail.push_str(
            "; its kid looks like a path or a query: whoever sends such a token wants a key to be looked up by it",
        );
    }
    detail
}

/// Whether a key id is made to be taken for a file's name or a piece of SQL or of a command.
fn is_a_trick(key_id: &str) -> bool {
    key_id.contains("..")
        || key_id.starts_with('/')
        || key_id.contains(['\\', '\'', '"', ';', '|', '`', '\0', '$', '\n'])
        || key_id.contains("--")
}

/// Seconds that no date of our time has, but milliseconds have: 1e11 is the year 5138.
const MILLISECONDS: f64 = 1e11;

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<String, Verdict> {
    let read = |claim: &'static str| match claims.get(claim) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(Verdict::Malformed(NotAToken::TimeNotANumber { claim })),
        },
    };
    let (expires, not_before, issued) = (read("exp")?, read("nbf")?, read("iat")?);
    // Exact to the microsecond for the next centuries.
    let now = now.as_duration().as_secs_f64();
    let between = |from: f64, to: f64| Duration::try_from_secs_f64(to - from).unwrap_or(Duration::MAX);

    if let Some(expires) = expires.filter(|expires| now >= *expires) {
        return Err(Verdict::Expired { since: timestamp(expires), ago: between(expires, now) });
    }
    for (claim, from) in [("nbf", not_before), ("iat", issued)] {
        if let Some(from) = from.filter(|from| now < *from) {
            if from - now <= SKEW.as_secs_f64() {
                return Err(Verdict::ClocksDiffer { claim, ahead: between(now, from) });
            }
            return Err(Verdict::NotYetValid { claim, from: timestamp(from), ahead: between(now, from) });
        }
    }
    Ok(match expires {
        None => "it never expires (no exp)".into(),
        Some(expires) if expires > MILLISECONDS => {
            "its exp looks like milliseconds, so that it practically never expires".into()
        }
        Some(expires) => {
            format!("valid for another {}, until {}", span(between(now, expires)), timestamp(expires))
        }
    })
}

fn check_issuer(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    let expected = shape.issuer.as_deref().or_else(|| shape.claims.get("iss").and_then(Value::as_str));
    let found = claims.get("iss").and_then(Value::as_str);
    match expected {
        None => Ok("the app asks for none".into()),
        Some(expected) if found == Some(expected) => Ok("the one that the app asks for".into()),
        Some(expected) => {
            Err(Verdict::IssuerDiffers { found: found.map(ToOwned::to_owned), expected: expected.to_owned() })
        }
    }
}

/// RFC 7519 section 4.1.3: one text or an array of texts, and the app must find itself among them.
fn check_audience(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    let texts = |claim: Option<&Value>| -> Vec<String> {
        match claim {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(texts)) => {
                texts.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
            }
            _ => Vec::new(),
        }
    };
    let expected = match &shape.audience {
        Some(audience) => vec![audience.clone()],
        None => texts(shape.claims.get("aud")),
    };
    let found = texts(claims.get("aud"));
    if expected.is_empty() && found.is_empty() {
        Ok("the app asks for none".into())
    } else if found.iter().any(|audience| expected.contains(audience)) {
        Ok("the one that the app asks for".into())
    } else {
        // An audience that the spec does not name is refused by PyJWT, python-jose and jsonwebtoken
        // for Rust, and ignored by others: the spec is wrong either way.
        Err(Verdict::AudienceDiffers { found, expected })
    }
}

/// Claims that tell what a token is for.
const TYPE_CLAIMS: [&str; 5] = ["type", "token_type", "typ", "token_use", "tokenType"];

/// Claims of the spec that are about one token or have a step of their own.
const OF_THEIR_OWN: [&str; 7] = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"];

/// Whether it is a token for requests, and has the further claims that the app wants. What they say may
/// differ from person to person.
fn check_claims(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    for claim in TYPE_CLAIMS {
        let Some(found) = claims.get(claim).and_then(Value::as_str) else { continue };
        let wanted = shape.claims.get(claim).and_then(Value::as_str);
        let lower = found.to_lowercase();
        let other = match wanted {
            Some(wanted) => found != wanted,
            None => ["refresh", "reset", "verif"].iter().any(|use_| lower.contains(use_)),
        };
        if other {
            let (found, expected) = (found.to_owned(), wanted.map(ToOwned::to_owned));
            return Err(Verdict::TokenTypeDiffers { claim, found, expected });
        }
    }
    let further = || shape.claims.keys().filter(|claim| !OF_THEIR_OWN.contains(&claim.as_str()));
    if let Some(claim) = further().find(|claim| !claims.contains_key(*claim)) {
        return Err(Verdict::ClaimMissing { claim: claim.clone() });
    }
    Ok(match further().count() {
        0 => "the app asks for no others".into(),
        _ => "those that the app asks for are there".into(),
    })
}

fn check_subject(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    let missing = || Verdict::SubjectMissing { claim: shape.subject_claim.as_str().to_owned() };
    let subject = shape.subject_claim.get(claims).ok_or_else(missing)?;
    let differs = |found| Err(Verdict::SubjectTypeDiffers { found, expected: shape.subject_type });
    match (subject, shape.subject_type) {
        (Value::Null, _) => Err(missing()),
        (Value::String(text), _) if text.is_empty() => Err(missing()),
        (Value::String(text), SubjectType::String) => Ok(text.clone()),
        (Value::Number(number), SubjectType::Number) if number.is_i64() || number.is_u64() => {
            Ok(number.to_string())
        }
        (Value::Number(_), SubjectType::Number) => differs("a JSON number with a fraction"),
        (Value::String(_), SubjectType::Number) => differs("a JSON string"),
        (Value::Number(_), SubjectType::String) => differs("a JSON number"),
        (Value::Bool(_), _) => differs("a JSON boolean"),
        (Value::Array(_), _) => differs("a JSON array"),
        (Value::Object(_), _) => differs("a JSON object"),
    }
}

#[cfg(test)]
pub(super) mod tests;
