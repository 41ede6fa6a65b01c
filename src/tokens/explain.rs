//! Why a token fails: the steps of a verifier, one after the other, up to the first that does not hold.

use crate::{
    api::spec::SubjectType,
    tokens::{
        crypto::install_crypto,
        inspect::Signed,
        text::{shown, type_name},
    },
};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Account, Inspection, Keyring, Stripped, SubjectFacts, TokenShape, Verdict,
    algorithm::algorithm_name,
    inspect::take_apart,
    kinds::{Kind, kind},
    signature::{BY_PREVIOUS, check_algorithm, check_signature},
};

mod remarks;
mod times;

pub(super) use times::{check_times, is_in_milliseconds};

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
    /// What else is so of it that matters for the cause: further things that do not hold, and what it looks like.
    pub also: Vec<String>,
    /// Of what kind it is, where that is known and it fails.
    kind: Option<Kind>,
    /// Whether a previous key made it, and whom it names where nothing else is wrong.
    previous: Option<Option<String>>,
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
            Verdict::SignedByPreviousKey => self.previous.as_ref()?.as_deref(),
            _ => None,
        }
    }

    /// What to do about a verdict on this token.
    pub fn remedy(&self, verdict: &Verdict) -> &'static str {
        self.kind.filter(|kind| kind.explains(verdict)).map_or_else(|| verdict.remedy(), |kind| kind.remedy)
    }

    /// What else is so, beside a verdict on this token.
    pub fn also(&self, verdict: &Verdict) -> Vec<String> {
        let mut also = self.also.clone();
        if self.previous.is_some() && *verdict != Verdict::SignedByPreviousKey {
            also.push(format!("the token was {BY_PREVIOUS}"));
        }
        also
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
            Account::Nearly { written, many } => {
                return Verdict::SubjectNearly { subject: subject(), written: written.clone(), many: *many };
            }
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
        let holds = match facts.invalidated_before {
            // A token that does not say when it was issued cannot prove that it is young enough.
            Some(valid_after) if self.issued.is_none_or(|issued| issued < valid_after) => {
                Verdict::IssuedBeforeInvalidation { issued: self.issued, valid_after }
            }
            _ if facts.revoked => Verdict::Revoked { login },
            _ => Verdict::NothingWrong { login },
        };
        if self.previous.is_some() && holds.holds() { Verdict::SignedByPreviousKey } else { holds }
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
    let mut walk = Walk::default();
    let verdict = match walk.run(token, keys, shape, now) {
        Ok(subject) if walk.previous => {
            let verdict = Verdict::SignedByPreviousKey;
            return walk.end(verdict, Some(subject));
        }
        Ok(subject) => Verdict::Holds { subject },
        Err(verdict) => verdict,
    };
    walk.end(verdict, None)
}

#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
    issued: Option<Timestamp>,
    logins: Vec<(&'static str, String)>,
    id: Option<String>,
    also: Vec<String>,
    kind: Option<Kind>,
    previous: bool,
}

impl Walk {
    fn end(self, verdict: Verdict, subject: Option<String>) -> Verification {
        Verification {
            verdict,
            also: self.also,
            kind: self.kind,
            previous: self.previous.then_some(subject),
            steps: self.steps,
            issued: self.issued,
            logins: self.logins,
            id: self.id,
        }
    }

    fn run(
        &mut self,
        token: &str,
        keys: &Keyring<'_>,
        shape: &TokenShape,
        now: Timestamp,
    ) -> Result<String, Verdict> {
        let form = take_apart(token).map_err(Verdict::Malformed);
        let (inspection, signed) = self.step("form", form, |(inspection, _)| form_detail(inspection))?;

        let claims = &inspection.claims;
        let checked = self.checked(&inspection, &signed, keys, shape, now);
        self.also.extend(remarks::of_every_token(claims, shape));
        if let Err(verdict) = &checked {
            self.also.extend(remarks::beside(verdict, &inspection, keys, shape, now));
            let is_of_issuer = shape.asks_for_an_issuer() && check_issuer(claims, shape).is_ok();
            self.kind = kind(&inspection.header, claims, is_of_issuer);
            if let Some(kind) = self.kind {
                self.also.push(format!("by what it carries it looks like {}", kind.what));
            }
        }
        let subject = checked?;
        let text = |claim: &'static str| Some((claim, claims.get(claim)?.as_str()?.to_owned()));
        self.logins = LOGIN_CLAIMS.into_iter().filter_map(text).collect();
        self.id = text("jti").map(|(_, id)| id);
        let around = [(Stripped::Quotes, Verdict::InQuotes), (Stripped::BearerTwice, Verdict::BearerTwice)];
        for (_, verdict) in around.into_iter().filter(|(one, _)| inspection.stripped.contains(one)) {
            self.step("as given", Err(verdict), |()| String::new())?;
        }
        self.also.extend(remarks::of_the_key(keys.current));
        Ok(subject)
    }

    /// Everything from the algorithm on: whom the token names.
    fn checked(
        &mut self,
        inspection: &Inspection,
        signed: &Signed,
        keys: &Keyring<'_>,
        shape: &TokenShape,
        now: Timestamp,
    ) -> Result<String, Verdict> {
        let algorithm = check_algorithm(inspection, signed, keys, shape);
        self.step("algorithm", algorithm, |()| algorithm_name(shape.algorithm).into())?;

        let signature = check_signature(inspection, signed, keys, shape);
        self.previous = signature.as_deref() == Ok(BY_PREVIOUS);
        self.step("signature", signature, Clone::clone)?;

        let claims = &inspection.claims;
        let times = check_times(claims, now);
        self.issued = inspection.time("iat");
        self.step("times", times, Clone::clone)?;
        self.step("issuer", check_issuer(claims, shape), Clone::clone)?;
        self.step("audience", check_audience(claims, shape), Clone::clone)?;

        self.step("claims", check_claims(claims, shape), Clone::clone)?;

        let detail = |_: &String| {
            let found = match shape.subject_claim.get(claims) {
                Some(Value::Number(_)) => SubjectType::Number,
                _ => SubjectType::String,
            };
            format!("a JSON {} in {}", type_name(found), shape.subject_claim)
        };
        self.step("subject", check_subject(claims, shape), detail)
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

pub(super) fn check_issuer(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    let own = shape.issuer.as_deref().or_else(|| shape.claims.get("iss").and_then(Value::as_str));
    let expected: Vec<String> =
        own.into_iter().map(ToOwned::to_owned).chain(shape.accepted.issuers.iter().cloned()).collect();
    let found = claims.get("iss").and_then(Value::as_str);
    if expected.is_empty() {
        Ok("the app asks for none".into())
    } else if found.is_some_and(|found| own == Some(found)) {
        Ok("the one that the app asks for".into())
    } else if found.is_some_and(|found| expected.iter().any(|one| one == found)) {
        Ok("one of those that the app accepts".into())
    } else {
        Err(Verdict::IssuerDiffers { found: found.map(ToOwned::to_owned), expected })
    }
}

/// RFC 7519 section 4.1.3: one text or an array of texts, and the app must find itself among them.
pub(super) fn check_audience(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    let mut expected = match &shape.audience {
        Some(audience) => vec![audience.clone()],
        None => texts(shape.claims.get("aud")),
    };
    expected.extend(shape.accepted.audiences.iter().cloned());
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

/// A claim that is one text or several.
pub(super) fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Claims that tell what a token is for.
const TYPE_CLAIMS: [&str; 5] = ["type", "token_type", "typ", "token_use", "tokenType"];

/// Claims of the spec that are about one token or have a step of their own.
const OF_THEIR_OWN: [&str; 7] = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"];

/// Whether it is a token for requests, and has the further claims that the app wants. What they say may
/// differ from person to person.
pub(super) fn check_claims(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    for claim in TYPE_CLAIMS {
        let Some(found) = claims.get(claim).and_then(Value::as_str) else { continue };
        let wanted = shape.claims.get(claim).and_then(Value::as_str);
        let lower = found.to_lowercase();
        let other = match wanted {
            Some(wanted) => found != wanted,
            None => {
                ["refresh", "reset", "verif", "offline", "logout"].iter().any(|use_| lower.contains(use_))
            }
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

pub(super) fn check_subject(claims: &Map<String, Value>, shape: &TokenShape) -> Result<String, Verdict> {
    let missing = || Verdict::SubjectMissing { claim: shape.subject_claim.as_str().to_owned() };
    let subject = shape.subject_claim.get(claims).ok_or_else(missing)?;
    let claim = || shape.subject_claim.as_str().to_owned();
    let differs =
        |found| Err(Verdict::SubjectTypeDiffers { claim: claim(), found, expected: shape.subject_type });
    match (subject, shape.subject_type) {
        (Value::Null, _) => Err(missing()),
        (Value::String(text), _) if text.is_empty() => Err(missing()),
        (Value::String(text), SubjectType::String) => Ok(text.clone()),
        (Value::Number(number), SubjectType::Number) if number.is_i64() || number.is_u64() => {
            Ok(number.to_string())
        }
        (Value::Number(_), SubjectType::Number) => differs("a JSON number with a fraction"),
        (Value::String(_), SubjectType::Number) => differs("a JSON string"),
        // Libraries have a rule for `sub` alone; of another claim the app alone decides, and most take both.
        (Value::Number(number), SubjectType::String)
            if shape.subject_claim.as_str() != "sub" && (number.is_i64() || number.is_u64()) =>
        {
            Ok(number.to_string())
        }
        (Value::Number(_), SubjectType::String) => differs("a JSON number"),
        (Value::Bool(_), _) => differs("a JSON boolean"),
        (Value::Array(_), _) => differs("a JSON array"),
        (Value::Object(_), _) => differs("a JSON object"),
    }
}

#[cfg(test)]
pub(super) mod tests;
