//! What else is so of a token beside the first thing that fails: a verifier stops there, and whoever looks for the
//! cause should not.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Inspection, Keyring, TokenShape, Verdict, check_audience, check_claims, check_issuer, check_subject,
    check_times, is_in_milliseconds, texts, times::unit,
};
use crate::{
    api::spec::SubjectType,
    tokens::{
        Oddity, SigningKey,
        text::{shown, type_name},
    },
};

/// What is said of every token, whether it fails or not.
pub(super) fn of_every_token(claims: &Map<String, Value>, shape: &TokenShape) -> Vec<String> {
    let mut also = Vec::new();
    if claims.get("exp").and_then(Value::as_f64).is_some_and(is_in_milliseconds) {
        let unit = claims.get("exp").and_then(Value::as_f64).map_or("milliseconds", unit);
        also.push(format!("its exp is in {unit} where seconds belong, so that it practically never ends"));
    }
    if claims.get("iat").and_then(Value::as_str).is_some_and(|text| text.trim().parse::<i64>().is_ok()) {
        also.push(
            "its iat is a number in a text: PyJWT and jsonwebtoken for Node take that, others may refuse it"
                .to_owned(),
        );
    }
    let claim = shape.subject_claim.as_str();
    if claim != "sub"
        && shape.subject_type == SubjectType::String
        && shape.subject_claim.get(claims).is_some_and(Value::is_number)
    {
        also.push(format!(
            "its {} is a JSON number and the app mints a string: no library refuses that, only an app that compares types",
            shown(claim)
        ));
    }
    also
}

/// What is said of the signing key beside a token that holds: that another library cannot read it as it is stored.
pub(super) fn of_the_key(key: &SigningKey) -> Vec<String> {
    let stored = |oddity: &&Oddity| matches!(oddity, Oddity::LiteralLineBreaks | Oddity::PemLayout(_));
    key.oddities.iter().filter(stored).map(Oddity::message).collect()
}

/// What does not hold beside the verdict, in the order in which a verifier would come to it.
pub(super) fn beside(
    verdict: &Verdict,
    inspection: &Inspection,
    keys: &Keyring<'_>,
    shape: &TokenShape,
    now: Timestamp,
) -> Vec<String> {
    let claims = &inspection.claims;
    let mut also = Vec::new();
    if let Some(id) = inspection.key_id().filter(|id| is_foreign(id, verdict, keys)) {
        also.push(format!("its kid is {}, and no key here has that", shown(id)));
    }
    let checks = [
        check_times(claims, now).err(),
        check_issuer(claims, shape).err(),
        check_audience(claims, shape).err(),
        check_claims(claims, shape).err(),
        check_subject(claims, shape).err(),
    ];
    let others = checks.into_iter().flatten().filter(|other| other != verdict).collect::<Vec<_>>();
    also.extend(others.iter().map(Verdict::message));
    let all = || std::iter::once(verdict).chain(&others);
    if all().any(|one| matches!(one, Verdict::AudienceDiffers { .. })) {
        also.extend(audience_elsewhere(claims, shape));
    }
    if all().any(|one| matches!(one, Verdict::SubjectMissing { .. })) {
        also.extend(subject_elsewhere(claims, shape));
    }
    if all().any(|one| matches!(one, Verdict::SubjectTypeDiffers { found: "a JSON object", .. })) {
        also.extend(subject_inside(claims, shape));
    }
    also
}

/// Whether a key id is one that says that another key was meant.
fn is_foreign(id: &str, verdict: &Verdict, keys: &Keyring<'_>) -> bool {
    let unsigned = matches!(verdict, Verdict::AlgorithmDiffers { .. } | Verdict::SignedByUnknownKey);
    let mut own = keys.own().filter_map(|key| key.id()).peekable();
    unsigned && own.peek().is_some() && own.all(|one| one != id)
}

/// The claim that has the value that is asked for as an audience.
fn audience_elsewhere(claims: &Map<String, Value>, shape: &TokenShape) -> Option<String> {
    let expected: Vec<&String> = shape.audience.iter().chain(&shape.accepted.audiences).collect();
    let claim = ["client_id", "azp", "appid", "cid"]
        .into_iter()
        .find(|claim| texts(claims.get(*claim)).iter().any(|found| expected.contains(&found)))?;
    Some(format!(
        "its {claim} is what the app asks for as an audience: some providers (Cognito for one) put that there in access tokens: where the app looks at that, leave out spec.jwt.audience"
    ))
}

/// The members of a subject that is an object, as they are written in the spec.
fn subject_inside(claims: &Map<String, Value>, shape: &TokenShape) -> Option<String> {
    let object = shape.subject_claim.get(claims)?.as_object()?;
    let claim = shape.subject_claim.as_str();
    let of = if claim.starts_with('/') { claim.to_owned() } else { format!("/{}", escaped(claim)) };
    let pointer = |(name, value): (&String, &Value)| {
        let is_id = value.is_number() || value.as_str().is_some_and(|text| !text.is_empty());
        let type_of = if value.is_number() { SubjectType::Number } else { SubjectType::String };
        is_id
            .then(|| format!("{} (a JSON {})", shown(&format!("{of}/{}", escaped(name))), type_name(type_of)))
    };
    let pointers: Vec<_> = object.iter().filter_map(pointer).take(5).collect();
    (!pointers.is_empty()).then(|| format!("inside of the subject there are {}", pointers.join(", ")))
}

/// A name in a JSON pointer (RFC 6901 section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Where an id may stand that is not where the app looks for it.
fn subject_elsewhere(claims: &Map<String, Value>, shape: &TokenShape) -> Option<String> {
    if let Some((claim, is_json)) = shape.subject_claim.text_in_the_way(claims) {
        let text = if is_json {
            "a text with JSON in it, and not an object (stringified_json in Hasura)"
        } else {
            "a text and not an object"
        };
        return Some(format!("its claim {} is {text}, so nothing is found inside it", shown(claim)));
    }
    let known = ["sub", "user_id", "userId", "uid", "id", "nameid", "oid"];
    let there = |claim: &&str| {
        *claim != shape.subject_claim.as_str()
            && claims
                .get(*claim)
                .is_some_and(|value| value.is_number() || value.as_str().is_some_and(|text| !text.is_empty()))
    };
    match known.into_iter().find(there) {
        Some(claim) => Some(format!("it has a claim {}", shown(claim))),
        None => Some("it names nobody by any usual claim".to_owned()),
    }
}
