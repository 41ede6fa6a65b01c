//! Reading a token without checking it, and saying what a text is that is no token.

use std::{collections::BTreeSet, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{
    Deserializer as _, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    Stripped,
    der::is_ecdsa_signature,
    stripped::clean,
    unsent::{are_two_credentials, in_place_of_a_token},
};

/// The longest text that is read. Real tokens stay below the 8 KiB that servers take as a header.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The deepest nesting of header and claims.
const MAX_JSON_DEPTH: usize = 32;

/// Header and claims of a token whose signature nobody has checked yet.
#[derive(Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The header (RFC 7515 section 4).
    pub header: Map<String, Value>,
    /// The claims (RFC 7519 section 4).
    pub claims: Map<String, Value>,
    /// What stood around the token and was taken off before reading.
    pub stripped: Vec<Stripped>,
    /// Names that stand more than once in the header or among the claims: readers take the last one, or
    /// refuse the token (RFC 7519 section 4).
    pub repeated: Vec<String>,
}

/// Claims may be personal, so `Debug` shows no values; a command prints the fields on purpose.
impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection")
            .field("algorithm", &self.algorithm())
            .field("claims", &self.claims.len())
            .field("stripped", &self.stripped)
            .finish_non_exhaustive()
    }
}

impl Inspection {
    /// The algorithm that the header names; a reader makes sure that there is one.
    pub fn algorithm(&self) -> &str {
        self.header.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// The key id (RFC 7515 section 4.1.4), if it is a text.
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// A claim that is a time (`exp`, `nbf`, `iat`: RFC 7519 section 4.1), to the second.
    pub fn time(&self, claim: &str) -> Option<Timestamp> {
        self.claims.get(claim).and_then(Value::as_f64).map(timestamp)
    }
}

/// A NumericDate as a time; what lies beyond the calendar becomes its end.
pub(super) fn timestamp(seconds: f64) -> Timestamp {
    // A cast of a float saturates, which is what is wanted.
    Timestamp::from_second(seconds.floor() as i64).unwrap_or(if seconds < 0.0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Why a text is no token, and what it seems to be. Never holds a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// A word that stands for no value, or a variable that nobody filled in.
    #[error("no token was sent: {what} stands in its place")]
    NotSent {
        /// What it is.
        what: &'static str,
    },
    /// Two of them in one header.
    #[error(
        "it is two credentials, as two headers Authorization become one: a client, a proxy or a sidecar adds its own"
    )]
    TwoCredentials,
    /// Four parts, five that are not encrypted, or more.
    #[error("it has {parts} parts between its dots and a JWT has three: something was added")]
    TooManyParts {
        /// How many there are.
        parts: usize,
    },
    /// Longer than any token.
    #[error("it has {bytes} bytes, and more than {MAX_TOKEN_BYTES} are not read")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// An encrypted token (RFC 7516): five parts.
    #[error("it is encrypted (JWE, five parts): only the holder of the decryption key can read it")]
    Encrypted,
    /// The beginning of an encrypted one.
    #[error(
        "it is the beginning of an encrypted token (JWE), perhaps the first of several cookies (.0, .1) that make one: only the holder of the decryption key can read it"
    )]
    EncryptedCut,
    /// A token of another kind, whose first word says so.
    #[error("it is a PASETO token, not a JWT")]
    Paseto,
    /// The beginning of a token.
    #[error(
        "it is cut off: the beginning of a token, but not all three parts (one of several cookies, .0 and .1, is such a beginning)"
    )]
    Truncated,
    /// The signature is shorter or longer than the algorithm's.
    #[error("its signature has {bytes} bytes instead of {expected}: it was cut off or something was added")]
    SignatureLength {
        /// Length of the signature in bytes.
        bytes: usize,
        /// Length that the algorithm gives.
        expected: usize,
    },
    /// A signature of ECDSA as OpenSSL writes it (RFC 7518 section 3.4 has both numbers one after the other).
    #[error(
        "its signature is in DER, as OpenSSL makes it, and a JWT has the two numbers of it alone: whoever signs must convert it"
    )]
    SignatureInDer,
    /// Percent signs of a URL.
    #[error("it is URL-encoded: decode it first")]
    UrlEncoded,
    /// A cookie with its name or attributes.
    #[error("it is a cookie with its name or attributes: give only the value")]
    Cookie,
    /// A cookie or link that a framework signed in a format of its own.
    #[error("it is signed data of a web framework (itsdangerous, Django or Express), not a JWT")]
    SignedData,
    /// A JSON document, such as the answer of the sign-in endpoint.
    #[error("it is a JSON document: give only the token in it (often the field access_token)")]
    JsonDocument,
    /// A JSON document in base64, such as Supabase's cookie.
    #[error(
        "it is a JSON document in base64 (Supabase's cookies begin with base64-): decode it, and give only the token in it (often the field access_token)"
    )]
    EncodedJson,
    /// Much base64 without a beginning.
    #[error(
        "it is opaque, such as a refresh token, or a piece of something longer, such as the second of several cookies (.1) that make one token"
    )]
    Piece,
    /// Nothing that can be read: a session id, an API key.
    #[error("it is opaque, such as a session id or an API key: only the app knows what it means")]
    Opaque,
    /// Two dots, but the text between them is not base64url (RFC 4648 section 5).
    #[error("its {part} is not base64url: a character was lost or changed")]
    NotBase64 {
        /// Header, claims or signature.
        part: &'static str,
    },
    /// Padded with `=`, which RFC 7515 section 2 forbids.
    #[error(
        "its {part} is padded with equals signs, which RFC 7515 forbids: PyJWT takes it, jsonwebtoken for Node refuses it"
    )]
    Padded {
        /// Header, claims or signature.
        part: &'static str,
    },
    /// Base64url of something else than a JSON object.
    #[error("its {part} is not a JSON object")]
    NotJson {
        /// Header or claims.
        part: &'static str,
    },
    /// Nested deeper than any real token.
    #[error("its {part} is nested too deeply")]
    TooDeep {
        /// Header or claims.
        part: &'static str,
    },
    /// RFC 7515 section 4.1.1: the header must name an algorithm.
    #[error("its header names no algorithm")]
    NoAlgorithm,
    /// A header parameter that must be understood, and is none of the usual ones.
    #[error(
        "its header asks for an extension (crit), and RFC 7515 section 4.1.11 has a verifier refuse what it does not know: PyJWT does, jsonwebtoken for Node takes no notice"
    )]
    Critical,
    /// The key id is no text.
    #[error("the kid of its header is not a text: PyJWT refuses that, jsonwebtoken for Node takes no notice")]
    KeyIdNotText,
    /// The token id is no text.
    #[error("its claim jti is not a text: PyJWT refuses that, jsonwebtoken for Node takes no notice")]
    TokenIdNotText,
    /// What it carries is another token.
    #[error("what it carries is another token (cty: JWT): give the inner one")]
    Nested,
    /// A time that is a text or worse (RFC 7519 section 2, NumericDate).
    #[error("its claim {claim} is not a number")]
    TimeNotANumber {
        /// `exp`, `nbf` or `iat`.
        claim: &'static str,
    },
}

impl NotAToken {
    /// Whether some verifiers take it all the same.
    pub(super) fn is_read_by_some(self) -> bool {
        matches!(self, Self::Padded { .. } | Self::Critical | Self::KeyIdNotText | Self::TokenIdNotText)
    }
}

/// What the signature is over, and the signature: for checking, never for showing.
pub(super) struct Signed {
    pub(super) message: Zeroizing<String>,
    /// Base64url, as it stands in the token.
    pub(super) signature: Zeroizing<String>,
    /// Length of the decoded signature.
    pub(super) bytes: usize,
    /// Whether it is two numbers in DER.
    pub(super) in_der: bool,
}

/// Header and claims of a token, without checking its signature.
///
/// White space, quotes and `Bearer` around it are taken off and reported: an app would refuse them.
///
/// # Errors
///
/// [`NotAToken`] says what the text seems to be instead.
pub fn inspect(token: &str) -> Result<Inspection, NotAToken> {
    take_apart(token).map(|(inspection, _)| inspection)
}

/// The token alone, without what stood around it; `None` where it is none.
pub fn bare(token: &str) -> Option<SecretString> {
    take_apart(token).ok()?;
    Some(clean(token).0.as_str().to_owned().into())
}

pub(super) fn take_apart(token: &str) -> Result<(Inspection, Signed), NotAToken> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(NotAToken::TooLong { bytes: token.len() });
    }
    let (token, stripped) = clean(token);
    if are_two_credentials(&token) {
        return Err(NotAToken::TwoCredentials);
    }
    let Some((header, claims, signature)) = three_parts(&token) else {
        return Err(seems(&token));
    };
    // What looks like something else is called so before its parts are looked at.
    let mut repeated = repeated(header);
    repeated.extend(self::repeated(claims));
    let header = object("header", header).map_err(|error| match seems(&token) {
        NotAToken::Opaque | NotAToken::Truncated => error,
        other => other,
    })?;
    if !header.get("alg").is_some_and(Value::is_string) {
        // itsdangerous puts data, time and signature where a JWT has header, claims and signature.
        return Err(match object("claims", claims) {
            Ok(_) => NotAToken::NoAlgorithm,
            Err(_) => NotAToken::SignedData,
        });
    }
    let nested = header.get("cty").and_then(Value::as_str).is_some_and(|cty| cty.eq_ignore_ascii_case("JWT"));
    let read = object("claims", claims);
    let claims = if nested { read.map_err(|_| NotAToken::Nested)? } else { read? };
    check_members(&header, &claims)?;
    let decoded = decode("signature", signature)?;
    let message = token.rsplit_once('.').map(|(message, _)| message).unwrap_or_default();
    let signed = Signed {
        message: Zeroizing::new(message.to_owned()),
        signature: Zeroizing::new(signature.to_owned()),
        bytes: decoded.len(),
        in_der: is_ecdsa_signature(&decoded),
    };
    Ok((Inspection { header, claims, stripped, repeated }, signed))
}

/// What every verifier refuses before it looks at the signature, and PyJWT right after it.
fn check_members(header: &Map<String, Value>, claims: &Map<String, Value>) -> Result<(), NotAToken> {
    let not_text = |value: Option<&Value>| value.is_some_and(|value| !value.is_string());
    if header.contains_key("crit") {
        Err(NotAToken::Critical)
    } else if not_text(header.get("kid")) {
        Err(NotAToken::KeyIdNotText)
    } else if not_text(claims.get("jti")) {
        Err(NotAToken::TokenIdNotText)
    } else {
        Ok(())
    }
}

/// Names that stand more than once in the object that a part holds.
fn repeated(part: &str) -> Vec<String> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (mut seen, mut repeated) = (BTreeSet::new(), Vec::new());
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(name.clone()) && !repeated.contains(&name) {
                    repeated.push(name);
                }
            }
            Ok(repeated)
        }
    }
    // Whatever is wrong with the part is told by whoever reads it.
    let Ok(json) = URL_SAFE_NO_PAD.decode(part) else { return Vec::new() };
    if depth(&json) > MAX_JSON_DEPTH {
        return Vec::new();
    }
    serde_json::Deserializer::from_slice(&json).deserialize_map(Names).unwrap_or_default()
}

fn three_parts(token: &str) -> Option<(&str, &str, &str)> {
    let mut parts = token.split('.');
    let three = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(three)
}

/// What a text seems to be that does not read as three parts.
fn seems(text: &str) -> NotAToken {
    let lower = text.to_ascii_lowercase();
    // A JSON object in base64 begins so.
    let begins_as_json = text.starts_with("eyJ");
    if text.is_empty() {
        NotAToken::Empty
    } else if let Some(what) = in_place_of_a_token(text) {
        NotAToken::NotSent { what }
    } else if text.starts_with(['{', '[']) {
        NotAToken::JsonDocument
    } else if ["v1.", "v2.", "v3.", "v4."].iter().any(|version| {
        lower
            .strip_prefix(version)
            .is_some_and(|rest| rest.starts_with("local.") || rest.starts_with("public."))
    }) {
        NotAToken::Paseto
    } else if lower.starts_with("s:") || lower.starts_with("s%3a") || lower.starts_with(".ej") {
        NotAToken::SignedData
    } else if ["%2e", "%20", "%3d", "%22", "%3a"].iter().any(|code| lower.contains(code)) {
        NotAToken::UrlEncoded
    } else if lower.contains(";path=") || lower.contains(";expires=") || text.contains("=eyJ") {
        NotAToken::Cookie
    } else if lower.starts_with("base64-") || lower.contains("=base64-") {
        NotAToken::EncodedJson
    } else if begins_as_json && text.contains(':') {
        NotAToken::SignedData
    } else if begins_as_json {
        let parts = text.split('.').count();
        match object("header", text.split('.').next().unwrap_or_default()) {
            Ok(header) if parts == 5 && header.contains_key("enc") => NotAToken::Encrypted,
            Ok(header) if parts < 5 && header.contains_key("enc") => NotAToken::EncryptedCut,
            _ if parts > 3 => NotAToken::TooManyParts { parts },
            Ok(document) if !document.contains_key("alg") && !text.contains('.') => NotAToken::EncodedJson,
            _ => NotAToken::Truncated,
        }
    } else if text.len() >= LONG && text.bytes().all(is_of_base64url) {
        NotAToken::Piece
    } else {
        NotAToken::Opaque
    }
}

/// So much base64 is hardly a session id or an API key.
const LONG: usize = 200;

fn is_of_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, NotAToken> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| {
        let unpadded = text.trim_end_matches('=');
        if unpadded.len() != text.len() && URL_SAFE_NO_PAD.decode(unpadded).is_ok() {
            NotAToken::Padded { part }
        } else {
            NotAToken::NotBase64 { part }
        }
    })
}

fn object(part: &'static str, text: &str) -> Result<Map<String, Value>, NotAToken> {
    let json = decode(part, text)?;
    if depth(&json) > MAX_JSON_DEPTH {
        return Err(NotAToken::TooDeep { part });
    }
    serde_json::from_slice(&json).map_err(|_| NotAToken::NotJson { part })
}

/// How deeply JSON text is nested, without reading it as JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn part(json: &str) -> String {
        URL_SAFE_NO_PAD.encode(json)
    }

    fn token() -> String {
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"HS256"}"#),
            part(r#"{"sub":"1","exp":1700000000}"#),
            part("signature")
        )
    }

    #[test]
    fn header_and_claims_are_read_without_a_key() {
        let inspection = inspect(&token()).unwrap();
        assert_eq!(inspection.algorithm(), "HS256");
        assert_eq!(Value::Object(inspection.claims.clone()), json!({"sub": "1", "exp": 1_700_000_000}));
        assert_eq!(inspection.time("exp"), Some("2023-11-14T22:13:20Z".parse().unwrap()));
        assert_eq!(inspection.time("nbf"), None);
        assert!(inspection.stripped.is_empty());
    }

    #[test]
    fn what_stands_around_a_token_is_taken_off_and_reported() {
        let token = token();
        let (start, end) = token.split_at(20);
        for (given, stripped) in [
            (format!("{token}\n"), vec![Stripped::WhiteSpace]),
            (format!("Bearer {token}"), vec![Stripped::Bearer]),
            (format!("Bearer Bearer {token}"), vec![Stripped::Bearer, Stripped::BearerTwice]),
            (format!("JWT {token}"), vec![Stripped::Jwt]),
            (
                format!("Authorization: Token {token}"),
                vec![Stripped::Bearer, Stripped::WhiteSpace, Stripped::Token],
            ),
            (format!("bearer  {token}"), vec![Stripped::Bearer, Stripped::WhiteSpace]),
            (format!("Authorization: Bearer {token}"), vec![Stripped::Bearer, Stripped::WhiteSpace]),
            (format!("\"{token}\","), vec![Stripped::Quotes]),
            (format!(" '{token}' "), vec![Stripped::WhiteSpace, Stripped::Quotes]),
            (format!("\"Bearer {token}\""), vec![Stripped::Quotes, Stripped::Bearer]),
            (format!("{start}\n  {end}"), vec![Stripped::WhiteSpace]),
        ] {
            let inspection = inspect(&given).unwrap();
            assert_eq!(inspection.stripped, stripped, "{given}");
            assert_eq!(inspection.claims["sub"], "1");
        }
    }

    #[test]
    fn what_is_no_token_is_called_by_its_name() {
        let token = token();
        let parts: Vec<&str> = token.split('.').collect();
        let padded = URL_SAFE_NO_PAD.encode(r#"{"sub":"12"}"#) + "=";
        for (given, expected) in [
            ("".into(), NotAToken::Empty),
            (" \"\" ".into(), NotAToken::Empty),
            ("a".repeat(MAX_TOKEN_BYTES + 1), NotAToken::TooLong { bytes: MAX_TOKEN_BYTES + 1 }),
            (format!("{}.a.b.c.d", part(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#)), NotAToken::Encrypted),
            (format!("{token}.a.b"), NotAToken::TooManyParts { parts: 5 }),
            (format!("{token}.a"), NotAToken::TooManyParts { parts: 4 }),
            (format!("{token},{token}"), NotAToken::TwoCredentials),
            (format!("Bearer {token}, Bearer {token}"), NotAToken::TwoCredentials),
            (format!("Authorization: Bearer {token}, Basic dXNlcjpwYXNz"), NotAToken::TwoCredentials),
            (format!("Basic dXNlcjpwYXNz,Bearer {token}"), NotAToken::TwoCredentials),
            (format!("{token}\n{token}"), NotAToken::TwoCredentials),
            ("null".into(), NotAToken::NotSent { what: "the word null" }),
            ("Bearer undefined".into(), NotAToken::NotSent { what: "the word undefined" }),
            ("\"None\"".into(), NotAToken::NotSent { what: "the word None" }),
            ("Bearer ".into(), NotAToken::NotSent { what: "the word Bearer, Token or JWT alone" }),
            (
                "[object Object]".into(),
                NotAToken::NotSent { what: "[object Object], an object that was made a text," },
            ),
            (
                "Bearer {{access_token}}".into(),
                NotAToken::NotSent { what: "a variable that nobody filled in" },
            ),
            ("${TOKEN}".into(), NotAToken::NotSent { what: "a variable that nobody filled in" }),
            ("Bearer $TOKEN".into(), NotAToken::NotSent { what: "a variable that nobody filled in" }),
            ("$env:TOKEN".into(), NotAToken::NotSent { what: "a variable that nobody filled in" }),
            ("%ACCESS_TOKEN%".into(), NotAToken::NotSent { what: "a variable that nobody filled in" }),
            ("<your token>".into(), NotAToken::NotSent { what: "a variable that nobody filled in" }),
            ("v4.local.AAAA".into(), NotAToken::Paseto),
            (parts[0].into(), NotAToken::Truncated),
            (format!("{}.{}", parts[0], parts[1]), NotAToken::Truncated),
            (token.replace('.', "%2E"), NotAToken::UrlEncoded),
            (format!("Bearer%20{token}"), NotAToken::UrlEncoded),
            (format!("session={token}"), NotAToken::Cookie),
            (format!("access_token={token}; Path=/; HttpOnly"), NotAToken::Cookie),
            ("eyJ1c2VyX2lkIjoxfQ.aBcDeF.b4vzcsQ9-xYz".into(), NotAToken::SignedData),
            (".eJyrVkrOz0xRsqpWKkktLlGqBQA.aBcDeF.b4vzcsQ".into(), NotAToken::SignedData),
            ("eyJ1c2VyIjoxfQ:1abcde:x7y8".into(), NotAToken::SignedData),
            ("s:AbCdEf.0123".into(), NotAToken::SignedData),
            (format!("{{\"access_token\": \"{token}\"}}"), NotAToken::JsonDocument),
            (format!("[\"{token}\",\"x\"]"), NotAToken::JsonDocument),
            (format!("base64-{}", part(r#"{"access_token":"x"}"#)), NotAToken::EncodedJson),
            (format!("sb-x-auth-token=base64-{}", part(r#"{"access_token":"x"}"#)), NotAToken::EncodedJson),
            (part(r#"{"access_token":"x"}"#), NotAToken::EncodedJson),
            (part(r#"{"alg":"dir","enc":"A256GCM"}"#) + "..iv.cipher", NotAToken::EncryptedCut),
            ("xY9-_".repeat(200), NotAToken::Piece),
            ("6e0c9f3a-3b1d-4c52-9a57-0d6f4b8f1b11".into(), NotAToken::Opaque),
            ("1|Xk29vQpL".into(), NotAToken::Opaque),
            (format!("{}.é.x", parts[0]), NotAToken::NotBase64 { part: "claims" }),
            (format!("{}.{padded}.x", parts[0]), NotAToken::Padded { part: "claims" }),
            (format!("{}.{}.a+b", parts[0], parts[1]), NotAToken::NotBase64 { part: "signature" }),
            (format!("{}.{}.x", parts[0], part("[1]")), NotAToken::NotJson { part: "claims" }),
            ("www.example.com".into(), NotAToken::NotJson { part: "header" }),
            (format!("{}.{}.x", part(r#"{"typ":"JWT"}"#), parts[1]), NotAToken::NoAlgorithm),
            (format!("{}.{}.x", part(r#"{"alg":1}"#), parts[1]), NotAToken::NoAlgorithm),
            (
                format!("{}.{}.eHg", part(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#), parts[1]),
                NotAToken::Critical,
            ),
            (format!("{}.{}.eHg", part(r#"{"alg":"HS256","kid":7}"#), parts[1]), NotAToken::KeyIdNotText),
            (format!("{}.{}.eHg", parts[0], part(r#"{"sub":"1","jti":null}"#)), NotAToken::TokenIdNotText),
            (
                format!(
                    "{}.{}.eHg",
                    part(r#"{"alg":"HS256","cty":"JWT"}"#),
                    part("eyJhbGciOiJkaXIifQ..a.b.c")
                ),
                NotAToken::Nested,
            ),
            ("a".repeat(1 << 20), NotAToken::TooLong { bytes: 1 << 20 }),
            (
                format!(
                    "{}.{}.x",
                    parts[0],
                    part(&format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40)))
                ),
                NotAToken::TooDeep { part: "claims" },
            ),
        ] {
            let found = inspect(&given).unwrap_err();
            assert_eq!(found, expected, "{}", &given.chars().take(80).collect::<String>());
            assert!(!found.to_string().is_empty());
        }
    }

    #[test]
    fn names_that_stand_twice_are_told_and_the_last_one_counts() {
        let header = part(r#"{"alg":"HS256","kid":"a","kid":"b"}"#);
        let claims = part(r#"{"sub":"1","sub":"2","a":{"x":1,"x":2},"sub":"3"}"#);
        let inspection = inspect(&format!("{header}.{claims}.eHg")).unwrap();
        assert_eq!(inspection.repeated, ["kid", "sub"]);
        assert_eq!((inspection.key_id(), &inspection.claims["sub"]), (Some("b"), &"3".into()));
        assert!(inspect(&token()).unwrap().repeated.is_empty());
    }

    #[test]
    fn brackets_inside_texts_are_no_nesting() {
        let claims = format!(r#"{{"sub":"{}\"{}"}}"#, "[".repeat(40), "{".repeat(40));
        assert!(
            inspect(&format!("{}.{}.x", part(r#"{"alg":"HS256"}"#), part(&claims)).replace(".x", ".eHg"))
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn any_text_can_be_inspected(text in ".{0,200}", in_parts in proptest::collection::vec("[ -~]{0,40}", 0..6)) {
            let _ = inspect(&text);
            let _ = inspect(&in_parts.iter().map(|json| part(json)).collect::<Vec<_>>().join("."));
        }
    }
}
