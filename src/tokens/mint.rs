//! Making tokens: right ones, and forgeries that every verifier must refuse.

use crate::{
    api::spec::{Algorithm, SubjectType},
    tokens::crypto::install_crypto,
};

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use rand::{TryRngCore as _, rngs::OsRng};
use secrecy::SecretString;
use serde_json::{Map, Number, Value, json};
use zeroize::Zeroizing;

use super::{
    SigningKey, SubjectClaimError, TokenShape,
    algorithm::{algorithm_name, family, hmac_like, is_asymmetric, library_algorithm},
    pair::{MIN_RSA_BITS, Pair},
};

/// Why a token cannot be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// A token must name somebody.
    #[error("the subject is empty")]
    SubjectEmpty,
    /// `subjectType: Number`, and the subject is another text than a whole number's.
    #[error(
        "the subject type is Number and the subject, of {characters} characters, is not a whole number of 64 bits"
    )]
    SubjectNotANumber {
        /// How long it is: what stands there may be a column that nobody should read.
        characters: usize,
    },
    /// The further claims leave no place for the subject.
    #[error("the further claims leave no place for the subject")]
    Claims(#[from] SubjectClaimError),
    /// Tokens count in seconds (RFC 7519 section 2, NumericDate), so it would be born expired.
    #[error("a lifetime of less than a second")]
    LifetimeTooShort,
    /// The time of expiry is beyond what a number can say.
    #[error("the lifetime is too long")]
    LifetimeTooLong,
    /// Only the public half of the key is at hand.
    #[error("only the public key is known, so tokens are verified and explained, and none can be minted")]
    PublicKeyOnly,
    /// Too few bits for anybody to sign with.
    #[error("the RSA key has {bits} bits and {MIN_RSA_BITS} are needed")]
    KeyTooShort {
        /// Length of the modulus.
        bits: usize,
    },
    /// What is stored is no key for the algorithm.
    #[error("the signing key does not fit: {why}")]
    KeyUnfit {
        /// What is wrong, and what to do.
        why: String,
    },
    /// The library refused. Its own words are left out: they may quote what it was given.
    #[error("the token could not be signed")]
    Signing,
    /// The operating system gave no random bytes.
    #[error("no random bytes for a key that nobody knows")]
    Randomness,
}

/// A token that nobody should accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with 64 random bytes: a verifier that accepts it checks no signatures.
    UnknownKey,
    /// An unsecured JWT (RFC 7519 section 6): algorithm `none` and an empty signature.
    NoneAlgorithm,
    /// Signed with the empty key: what a verifier whose Secret is missing or empty would accept.
    BlankKey,
    /// An HMAC made with the public key ([`confuse`]): what a verifier would accept that lets the token
    /// choose the algorithm (RFC 8725 section 2.1).
    PublicKeyAsSecret,
}

impl Forgery {
    /// Every kind that needs no key, in the order in which a verifier is asked.
    pub const ALL: [Self; 3] = [Self::UnknownKey, Self::NoneAlgorithm, Self::BlankKey];

    /// Those that [`forge`] makes for an algorithm: only a shared secret can be blank.
    pub fn of(algorithm: Algorithm) -> &'static [Self] {
        if is_asymmetric(algorithm) { &[Self::UnknownKey, Self::NoneAlgorithm] } else { &Self::ALL }
    }

    /// What it is, to complete "the app accepts a token ...".
    pub fn describe(self) -> &'static str {
        match self {
            Self::UnknownKey => "signed with a key that nobody has",
            Self::NoneAlgorithm => "without a signature (algorithm none)",
            Self::BlankKey => "signed with an empty key",
            Self::PublicKeyAsSecret => "signed with the public key as if it were a shared secret",
        }
    }
}

/// A token (RFC 7515 compact serialization) that names a subject, as the app would mint it.
///
/// Claims: `iat` and `exp` in whole seconds, the subject, the shape's issuer and audience where they
/// are set, and its further claims. `lifetime` is the caller's: probe tokens live shorter than the app's.
///
/// # Errors
///
/// See [`MintError`]; none of them holds the key or the token.
pub fn mint(
    key: &SigningKey,
    shape: &TokenShape,
    subject: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<SecretString, MintError> {
    let claims = claims(shape, subject, now, lifetime)?;
    if let Some(unfit) = key.unfit() {
        return Err(MintError::KeyUnfit { why: unfit.message() });
    }
    match (key.secret(), key.pair()) {
        (Some(secret), _) if !is_asymmetric(shape.algorithm) => {
            sign(&EncodingKey::from_secret(secret), shape.algorithm, key.id(), &claims)
        }
        (_, Some(pair)) if pair.fits(family(shape.algorithm)) => {
            if let Some(error) = never_mints(key) {
                return Err(error);
            }
            let signing = pair.signing().ok_or(MintError::PublicKeyOnly)?;
            sign(signing, shape.algorithm, key.id(), &claims)
        }
        _ => {
            let name = algorithm_name(shape.algorithm);
            Err(MintError::KeyUnfit { why: format!("it was read for another algorithm than {name}") })
        }
    }
}

/// Why a key mints nothing however often it is asked to, where it can verify or be read at all.
pub fn never_mints(key: &SigningKey) -> Option<MintError> {
    let pair = key.pair()?;
    if let Some(bits) = pair.rsa_bits().filter(|bits| *bits < MIN_RSA_BITS) {
        return Some(MintError::KeyTooShort { bits });
    }
    pair.signing().is_none().then_some(MintError::PublicKeyOnly)
}

/// A token with the right claims and a wrong signature. It names the id of the genuine key, so that a
/// verifier that looks keys up finds that one and must look at the signature.
///
/// Where the algorithm has key pairs, what is signed by an unknown key is random bytes, as many as a
/// signature of that key has: no verifier that looks at it takes it for one.
///
/// # Errors
///
/// As [`mint`], and [`MintError::Randomness`]; [`MintError::PublicKeyOnly`] for what only [`confuse`]
/// makes.
pub fn forge(
    kind: Forgery,
    genuine: &SigningKey,
    shape: &TokenShape,
    subject: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<SecretString, MintError> {
    let claims = claims(shape, subject, now, lifetime)?;
    let id = genuine.id();
    match kind {
        Forgery::UnknownKey if is_asymmetric(shape.algorithm) => {
            // RSA signatures are as long as the modulus.
            let bits = genuine.pair().and_then(Pair::rsa_bits).unwrap_or(MIN_RSA_BITS);
            let bytes = family(shape.algorithm).signature_bytes().unwrap_or(bits.div_ceil(8));
            let mut signature = vec![0u8; bytes];
            OsRng.try_fill_bytes(&mut signature).map_err(|_| MintError::Randomness)?;
            // A number above the modulus would be refused for its size alone.
            if let Some(first) = signature.first_mut() {
                *first &= 0x7f >> (bits.wrapping_neg() % 8);
            }
            let mut header = Header::new(library_algorithm(shape.algorithm));
            header.kid = id.map(str::to_owned);
            let header = serde_json::to_vec(&header).map_err(|_| MintError::Signing)?;
            unsigned(&header, &claims, &URL_SAFE_NO_PAD.encode(signature))
        }
        Forgery::UnknownKey => {
            let mut key = Zeroizing::new([0u8; 64]);
            OsRng.try_fill_bytes(key.as_mut()).map_err(|_| MintError::Randomness)?;
            sign(&EncodingKey::from_secret(key.as_ref()), shape.algorithm, id, &claims)
        }
        Forgery::BlankKey => {
            let algorithm = hmac_like(shape.algorithm);
            sign(&EncodingKey::from_secret(&[]), algorithm, id, &claims)
        }
        Forgery::PublicKeyAsSecret => Err(MintError::PublicKeyOnly),
        // The library has no such algorithm, and rightly so.
        Forgery::NoneAlgorithm => {
            let mut header = json!({"typ": "JWT", "alg": "none"});
            if let (Some(id), Some(header)) = (id, header.as_object_mut()) {
                header.insert("kid".into(), id.into());
            }
            let header = serde_json::to_vec(&header).map_err(|_| MintError::Signing)?;
            unsigned(&header, &claims, "")
        }
    }
}

/// [`Forgery::PublicKeyAsSecret`]: the token that a verifier accepts which takes the public key in PEM
/// for the secret of an HMAC. The PEM is the one that is stored, or as OpenSSL writes it. `None` for a
/// key that has no public half.
///
/// # Errors
///
/// As [`mint`].
pub fn confuse(
    key: &SigningKey,
    shape: &TokenShape,
    subject: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Option<SecretString>, MintError> {
    let Some(pair) = key.pair() else { return Ok(None) };
    let claims = claims(shape, subject, now, lifetime)?;
    let stored = pair.stored.as_ref().filter(|stored| stored.starts_with(b"-----BEGIN "));
    let public = stored.map(|stored| stored.to_vec()).unwrap_or_else(|| pair.pem().into_bytes());
    sign(&EncodingKey::from_secret(&public), hmac_like(shape.algorithm), key.id(), &claims).map(Some)
}

fn unsigned(header: &[u8], claims: &Map<String, Value>, signature: &str) -> Result<SecretString, MintError> {
    let claims = serde_json::to_vec(claims).map_err(|_| MintError::Signing)?;
    let part = |json: &[u8]| URL_SAFE_NO_PAD.encode(json);
    Ok(format!("{}.{}.{signature}", part(header), part(&claims)).into())
}

fn claims(
    shape: &TokenShape,
    subject: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Map<String, Value>, MintError> {
    if subject.is_empty() {
        return Err(MintError::SubjectEmpty);
    }
    if lifetime.as_secs() == 0 {
        return Err(MintError::LifetimeTooShort);
    }
    let issued = now.as_second();
    let expires = i64::try_from(lifetime.as_secs()).ok().and_then(|lifetime| issued.checked_add(lifetime));
    let expires = expires.ok_or(MintError::LifetimeTooLong)?;

    let mut claims = shape.claims.clone();
    claims.insert("iat".to_owned(), issued.into());
    claims.insert("exp".to_owned(), expires.into());
    if let Some(issuer) = &shape.issuer {
        claims.insert("iss".to_owned(), issuer.as_str().into());
    }
    if let Some(audience) = &shape.audience {
        claims.insert("aud".to_owned(), audience.as_str().into());
    }
    shape.subject_claim.set(&mut claims, subject_value(shape.subject_type, subject)?)?;
    Ok(claims)
}

fn subject_value(subject_type: SubjectType, subject: &str) -> Result<Value, MintError> {
    match subject_type {
        SubjectType::String => Ok(subject.into()),
        SubjectType::Number => {
            let signed = subject.parse::<i64>().map(Number::from);
            signed
                .or_else(|_| subject.parse::<u64>().map(Number::from))
                .ok()
                // "007" and "+7" would come back as "7", which is another subject.
                .filter(|number| number.to_string() == subject)
                .map(Value::Number)
                .ok_or_else(|| MintError::SubjectNotANumber { characters: subject.chars().count() })
        }
    }
}

fn sign(
    key: &EncodingKey,
    algorithm: Algorithm,
    id: Option<&str>,
    claims: &Map<String, Value>,
) -> Result<SecretString, MintError> {
    install_crypto();
    let mut header = Header::new(library_algorithm(algorithm));
    header.kid = id.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, key).map(SecretString::from).map_err(|_| MintError::Signing)
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use secrecy::ExposeSecret as _;
    use sha2::Sha256;

    use super::*;
    use crate::tokens::explain::tests::{KEY, NOW, key, now, shape};

    const DAY: Duration = Duration::from_secs(86_400);

    fn parts(token: &SecretString) -> (Value, Value, String) {
        let parts: Vec<&str> = token.expose_secret().split('.').collect();
        let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(parts.len(), 3);
        (json(parts[0]), json(parts[1]), parts[2].to_owned())
    }

    fn hmac_sha256(key: &[u8], token: &SecretString) -> String {
        let message = token.expose_secret().rsplit_once('.').unwrap().0;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    #[test]
    fn a_token_holds_what_the_shape_says_and_nothing_else() {
        let token = mint(&key(), &shape(), "1", now(), DAY).unwrap();
        let (header, claims, signature) = parts(&token);
        assert_eq!(header, json!({"typ": "JWT", "alg": "HS256"}));
        assert_eq!(claims, json!({"sub": "1", "iat": NOW, "exp": NOW + 86_400}));
        assert_eq!(signature, hmac_sha256(KEY, &token), "another library agrees on the signature");
    }

    #[test]
    fn issuer_audience_and_further_claims_are_minted_where_they_are_set() {
        let mut shape = shape();
        shape.issuer = Some("probeops".into());
        shape.audience = Some("fastapi-users:auth".into());
        shape.subject_type = SubjectType::Number;
        shape.subject_claim = "/user/id".parse().unwrap();
        shape.claims =
            json!({"type": "access", "user": {"role": "admin"}, "iat": 1}).as_object().unwrap().clone();
        let (_, claims, _) = parts(&mint(&key(), &shape, "18446744073709551615", now(), DAY).unwrap());
        assert_eq!(
            claims,
            json!({"iss": "probeops", "aud": "fastapi-users:auth", "type": "access", "iat": NOW, "exp": NOW + 86_400,
                   "user": {"role": "admin", "id": u64::MAX}})
        );
    }

    #[test]
    fn a_subject_that_is_no_number_is_refused_where_numbers_are_minted() {
        let shape = TokenShape { subject_type: SubjectType::Number, ..shape() };
        for subject in ["abc", "1.0", "007", "+7", " 7", "18446744073709551616", "-0"] {
            let error = mint(&key(), &shape, subject, now(), DAY).unwrap_err();
            assert_eq!(error, MintError::SubjectNotANumber { characters: subject.chars().count() });
            assert!(error.to_string().contains("subject type is Number"));
        }
        assert!(mint(&key(), &shape, "-7", now(), DAY).is_ok());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mint = |shape: &TokenShape, subject, lifetime| {
            mint(&key(), shape, subject, now(), lifetime).unwrap_err()
        };
        assert_eq!(mint(&shape(), "", DAY), MintError::SubjectEmpty);
        assert_eq!(mint(&shape(), "1", Duration::from_millis(999)), MintError::LifetimeTooShort);
        assert_eq!(mint(&shape(), "1", Duration::MAX), MintError::LifetimeTooLong);
        let mut blocked = shape();
        blocked.subject_claim = "/user/id".parse().unwrap();
        blocked.claims.insert("user".into(), json!("text"));
        assert!(matches!(mint(&blocked, "1", DAY), MintError::Claims(SubjectClaimError::NotAnObject { .. })));
    }

    #[test]
    fn forgeries_name_the_genuine_key_where_it_has_a_name() {
        let key = key().called(Some("2026-11"));
        for kind in Forgery::ALL {
            let (header, ..) = parts(&forge(kind, &key, &shape(), "1", now(), DAY).unwrap());
            assert_eq!(header["kid"], "2026-11", "{kind:?}");
        }
    }

    #[test]
    fn forgeries_differ_from_the_right_token_in_the_signature_only() {
        let right = parts(&mint(&key(), &shape(), "1", now(), DAY).unwrap());
        for kind in Forgery::ALL {
            let token = forge(kind, &key(), &shape(), "1", now(), DAY).unwrap();
            let (header, claims, signature) = parts(&token);
            assert_eq!(claims, right.1);
            assert_ne!(signature, right.2);
            let algorithm = if kind == Forgery::NoneAlgorithm { "none" } else { "HS256" };
            assert_eq!(header, json!({"typ": "JWT", "alg": algorithm}));
            match kind {
                Forgery::NoneAlgorithm => assert_eq!(signature, ""),
                Forgery::BlankKey => assert_eq!(signature, hmac_sha256(b"", &token)),
                Forgery::PublicKeyAsSecret => panic!("there is no public key"),
                Forgery::UnknownKey => {
                    assert_ne!(signature, hmac_sha256(b"", &token));
                    let again = forge(kind, &key(), &shape(), "1", now(), DAY).unwrap();
                    assert_ne!(signature, parts(&again).2, "the key is another one each time");
                }
            }
        }
    }
}
