//! What the app's tokens look like: the parts of `spec.jwt` that are no secret, parsed once.

use std::{fmt, str::FromStr, time::Duration};

use serde_json::{Map, Value};

use crate::api::spec::{Algorithm, SubjectType};

/// What a token of the app holds besides its signature.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenShape {
    /// The algorithm that the app signs and verifies with.
    pub algorithm: Algorithm,
    /// Where the subject stands.
    pub subject_claim: SubjectClaim,
    /// The JSON type of the subject.
    pub subject_type: SubjectType,
    /// The `iss` that the app mints and asks for.
    pub issuer: Option<String>,
    /// The `aud` that the app mints and asks for.
    pub audience: Option<String>,
    /// What the app accepts beside these two.
    pub accepted: Accepted,
    /// Further claims that the app wants in a token. The claims above win over one of the same name.
    pub claims: Map<String, Value>,
    /// How long the app's tokens live.
    pub lifetime: Duration,
}

impl TokenShape {
    /// Whether the app asks for an issuer at all.
    pub(super) fn asks_for_an_issuer(&self) -> bool {
        self.issuer.is_some() || !self.accepted.issuers.is_empty() || self.claims.contains_key("iss")
    }
}

/// Further issuers and audiences whose tokens an app accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Values of `iss`.
    pub issuers: Vec<String>,
    /// Values of `aud`.
    pub audiences: Vec<String>,
}

/// The place of the subject in a token's claims: a name, or a JSON pointer (RFC 6901).
///
/// Only objects are walked: a pointer into an array finds nothing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SubjectClaim {
    written: String,
    path: Vec<String>,
}

/// The deepest pointer; real ones have two parts.
const MAX_DEPTH: usize = 16;

/// Why a text names no place for a subject, or a place cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectClaimError {
    /// Nothing is named.
    #[error("the subject claim is empty")]
    Empty,
    /// RFC 6901 section 3: `~` stands only in `~0` (for `~`) and `~1` (for `/`).
    #[error("the subject claim {claim} is no JSON pointer: write ~0 for ~ and ~1 for /")]
    Escape {
        /// The claim as the spec has it.
        claim: SubjectClaimText,
    },
    /// The pointer has too many parts.
    #[error("the subject claim {claim} is nested deeper than {MAX_DEPTH} objects")]
    TooDeep {
        /// The claim as the spec has it.
        claim: SubjectClaimText,
    },
    /// A claim on the way is a text, a number or an array.
    #[error("the subject claim {claim} leads through {part:?}, which is not an object")]
    NotAnObject {
        /// The claim as the spec has it.
        claim: SubjectClaimText,
        /// The name of the claim that is in the way.
        part: String,
    },
}

/// A subject claim as the spec has it, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectClaimText(String);

impl fmt::Display for SubjectClaimText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for SubjectClaim {
    type Err = SubjectClaimError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let claim = || SubjectClaimText(written.to_owned());
        let path = match written.strip_prefix('/') {
            None if written.is_empty() => return Err(SubjectClaimError::Empty),
            None => vec![written.to_owned()],
            Some(pointer) => pointer
                .split('/')
                .map(|part| unescape(part).ok_or_else(|| SubjectClaimError::Escape { claim: claim() }))
                .collect::<Result<Vec<_>, _>>()?,
        };
        if path.len() > MAX_DEPTH {
            return Err(SubjectClaimError::TooDeep { claim: claim() });
        }
        Ok(Self { written: written.to_owned(), path })
    }
}

/// One part of a JSON pointer (RFC 6901 section 4).
fn unescape(part: &str) -> Option<String> {
    let mut text = String::with_capacity(part.len());
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

impl SubjectClaim {
    /// The claim as the spec has it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The value at this place, if there is one.
    pub fn get<'claims>(&self, claims: &'claims Map<String, Value>) -> Option<&'claims Value> {
        let (last, before) = self.path.split_last()?;
        let mut object = claims;
        for part in before {
            object = object.get(part)?.as_object()?;
        }
        object.get(last)
    }

    /// The claim on the way to this place that is a text and not an object, and whether it is JSON of one.
    pub(super) fn text_in_the_way<'a>(&'a self, claims: &Map<String, Value>) -> Option<(&'a str, bool)> {
        let (_, before) = self.path.split_last()?;
        let mut object = claims;
        for part in before {
            match object.get(part)? {
                Value::Object(inner) => object = inner,
                Value::String(text) => {
                    return Some((part, serde_json::from_str::<Map<String, Value>>(text).is_ok()));
                }
                _ => return None,
            }
        }
        None
    }

    /// Puts a value at this place and makes the objects that lead to it. A value that was there is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`SubjectClaimError::NotAnObject`] when something else than an object is in the way, arrays
    /// included; the claims may then have new, empty objects.
    pub fn set(&self, claims: &mut Map<String, Value>, value: Value) -> Result<(), SubjectClaimError> {
        let Some((last, before)) = self.path.split_last() else {
            return Err(SubjectClaimError::Empty);
        };
        let mut object = claims;
        for part in before {
            object = object
                .entry(part.as_str())
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()
                .ok_or_else(|| SubjectClaimError::NotAnObject {
                    claim: SubjectClaimText(self.written.clone()),
                    part: part.clone(),
                })?;
        }
        object.insert(last.clone(), value);
        Ok(())
    }
}

impl fmt::Display for SubjectClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for SubjectClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectClaim({:?})", self.written)
    }
}

/// Clocks of two machines may differ by so many seconds and nobody notices.
pub(super) const SKEW: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claim(written: &str) -> SubjectClaim {
        written.parse().unwrap()
    }

    #[test]
    fn a_plain_name_is_taken_as_it_is() {
        let claims = json!({"https://example.org/user": "7", "sub": "1"});
        let claims = claims.as_object().unwrap();
        assert_eq!(claim("sub").get(claims), Some(&json!("1")));
        assert_eq!(claim("https://example.org/user").get(claims), Some(&json!("7")));
        assert_eq!(claim("user").get(claims), None);
    }

    #[test]
    fn a_pointer_reaches_hasuras_nested_claim() {
        let pointer = claim("/https:~1~1hasura.io~1jwt~1claims/x-hasura-user-id");
        let mut claims = Map::new();
        pointer.set(&mut claims, json!("7")).unwrap();
        assert_eq!(
            Value::Object(claims.clone()),
            json!({"https://hasura.io/jwt/claims": {"x-hasura-user-id": "7"}})
        );
        assert_eq!(pointer.get(&claims), Some(&json!("7")));
    }

    #[test]
    fn setting_keeps_what_stands_beside() {
        let mut claims = json!({"user": {"role": "admin", "id": 1}}).as_object().unwrap().clone();
        claim("/user/id").set(&mut claims, json!(2)).unwrap();
        assert_eq!(Value::Object(claims), json!({"user": {"role": "admin", "id": 2}}));
    }

    #[test]
    fn a_text_or_an_array_on_the_way_is_an_error_and_is_never_replaced() {
        for in_the_way in [json!("text"), json!([{"id": 1}]), json!(null)] {
            let mut claims = Map::from_iter([("user".to_owned(), in_the_way.clone())]);
            let error = claim("/user/id").set(&mut claims, json!(2)).unwrap_err();
            assert_eq!(
                error.to_string(),
                r#"the subject claim "/user/id" leads through "user", which is not an object"#
            );
            assert_eq!(claims["user"], in_the_way);
            assert_eq!(claim("/user/id").get(&claims), None);
            assert_eq!(claim("/user/0").get(&claims), None);
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        assert_eq!("".parse::<SubjectClaim>(), Err(SubjectClaimError::Empty));
        for wrong in ["/a~b", "/a~", "/~2"] {
            assert!(
                matches!(wrong.parse::<SubjectClaim>(), Err(SubjectClaimError::Escape { .. })),
                "{wrong}"
            );
        }
        assert!(matches!("/a".repeat(17).parse::<SubjectClaim>(), Err(SubjectClaimError::TooDeep { .. })));
    }

    proptest! {
        #[test]
        fn what_is_set_is_got(parts in proptest::collection::vec(".{0,8}", 1..5), id in any::<i64>()) {
            let pointer: String =
                parts.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
            let pointer = claim(&pointer);
            let mut claims = Map::new();
            pointer.set(&mut claims, json!(id)).unwrap();
            prop_assert_eq!(pointer.get(&claims), Some(&json!(id)));
            // serde_json's own pointer agrees.
            let claims = Value::Object(claims);
            prop_assert_eq!(claims.pointer(pointer.as_str()), Some(&json!(id)));
        }
    }
}
