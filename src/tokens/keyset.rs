//! The keys that a Secret holds: which of them is the current one, and what the others are.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    KeyError, Keyring, SigningKey,
    algorithm::{Family, algorithm_name, family},
    jwk::{self, Jwk, Material},
    material,
    pair::{MAX_STORED_BYTES, kept},
    pem,
    unfit::{MAX_KEY_BYTES, Oddity, Unfit},
};
use crate::api::spec::Algorithm;

/// What `spec.jwt` says about key ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyIds<'a> {
    /// The current key's; `None`: the only one that can sign.
    pub current: Option<&'a str>,
    /// Those of keys that signed before.
    pub previous: &'a [String],
    /// Those of keys that nothing may accept any more.
    pub revoked: &'a [String],
}

impl KeyIds<'_> {
    fn some(&self) -> bool {
        self.current.is_some() || !self.previous.is_empty() || !self.revoked.is_empty()
    }
}

/// The keys of a Secret by what they are for.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// The one that signs. One that cannot be used says why by [`SigningKey::unfit`].
    pub current: SigningKey,
    /// Those that signed before and are still accepted.
    pub previous: Vec<SigningKey>,
    /// Those that are published and sign nothing yet.
    pub standby: Vec<SigningKey>,
    /// Those that nothing may accept any more.
    pub revoked: Vec<SigningKey>,
    /// Whether they are a JWKS, in which a verifier looks a key up by its id.
    pub by_id: bool,
}

impl KeySet {
    /// Reads what a Secret holds for an algorithm.
    ///
    /// HMAC takes the exact bytes, unless they are a JWK or JWKS with a key of type `oct` and the spec
    /// says by a key id that it is read. The other algorithms take PEM, a JWK or a JWKS. What is none of these becomes a current key that cannot be
    /// used, since whoever asks wants to hear about that as about any other weakness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`] for no bytes at all.
    pub fn read(bytes: Vec<u8>, algorithm: Algorithm, ids: &KeyIds<'_>) -> Result<Self, KeyError> {
        let plain = SigningKey::new(bytes)?;
        Ok(match entries(&plain, algorithm, ids) {
            Ok(Found::Plain) => Self::of(plain.called(ids.current)),
            Ok(Found::One(key)) if key.id().is_none() => Self::of(key.called(ids.current)),
            Ok(Found::One(key)) => {
                let one = Self::by_role(&plain, vec![key], algorithm, ids, 1);
                Self { standby: Vec::new(), by_id: false, ..one }
            }
            Ok(Found::Set { keys, oddities, count }) => {
                if let Some(unfit) = all_for_one(&keys, &oddities, count) {
                    return Ok(Self::of(plain.spoilt(unfit)));
                }
                let mut set = Self::by_role(&plain, keys, algorithm, ids, count);
                set.current.oddities.splice(0..0, oddities);
                set
            }
            Err(unfit) => Self::of(plain.spoilt(unfit)),
        })
    }

    /// Reads a Secret of keys that signed before: all of them did, but for those that are revoked.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`] for no bytes at all.
    pub fn read_previous(
        bytes: Vec<u8>,
        algorithm: Algorithm,
        ids: &KeyIds<'_>,
    ) -> Result<(Vec<SigningKey>, Vec<SigningKey>), KeyError> {
        let plain = SigningKey::new(bytes)?;
        let keys = match entries(&plain, algorithm, ids) {
            Ok(Found::Plain) => vec![plain],
            Ok(Found::One(key)) => vec![key],
            Ok(Found::Set { keys, count, .. }) if keys.is_empty() => {
                vec![plain.spoilt(Unfit::NoneFits { keys: count, algorithm })]
            }
            Ok(Found::Set { mut keys, mut oddities, .. }) => {
                pass_over(&mut keys, |key| is_among(key, ids.previous) || is_among(key, ids.revoked));
                oddities.extend(same_ids(keys.iter()));
                if let Some(first) = keys.first_mut() {
                    first.oddities.extend(oddities);
                }
                keys
            }
            Err(unfit) => vec![plain.spoilt(unfit)],
        };
        Ok(keys.into_iter().partition(|key| !is_among(key, ids.revoked)))
    }

    /// The keys, to explain tokens by.
    pub fn keyring(&self) -> Keyring<'_> {
        Keyring {
            current: &self.current,
            previous: &self.previous,
            standby: &self.standby,
            revoked: &self.revoked,
            by_id: self.by_id,
            elsewhere: &[],
        }
    }

    fn of(current: SigningKey) -> Self {
        Self { current, previous: Vec::new(), standby: Vec::new(), revoked: Vec::new(), by_id: false }
    }

    fn by_role(
        plain: &SigningKey,
        keys: Vec<SigningKey>,
        algorithm: Algorithm,
        ids: &KeyIds<'_>,
        count: usize,
    ) -> Self {
        let fitting = keys.len();
        let (revoked, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| is_among(key, ids.revoked));
        let (previous, mut keys): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| is_among(key, ids.previous));
        pass_over(&mut keys, |key| ids.current.is_some() && key.id() == ids.current);
        let twice = same_ids(revoked.iter().chain(&previous).chain(&keys));
        let chosen = match ids.current {
            Some(id) => named(&keys, id).ok_or_else(|| Unfit::NoSuchKey { id: id.to_owned(), algorithm }),
            None if fitting == 0 => Err(Unfit::NoneFits { keys: count, algorithm }),
            None if keys.is_empty() => Err(Unfit::NoneCurrent { keys: fitting, algorithm }),
            None => only(&keys).ok_or(Unfit::Ambiguous {
                keys: keys.len(),
                without_id: keys.iter().filter(|key| key.id().is_none()).count(),
                algorithm,
            }),
        };
        let mut current = match chosen {
            Ok(at) => keys.remove(at),
            Err(unfit) => {
                // Which of them is standby nobody can say.
                keys.clear();
                plain.clone().spoilt(unfit)
            }
        };
        current.oddities.extend(twice);
        Self { current, previous, standby: keys, revoked, by_id: true }
    }
}

/// Why no key of a set can be read, where each of them is unreadable for the reason of the first.
fn all_for_one(keys: &[SigningKey], oddities: &[Oddity], count: usize) -> Option<Unfit> {
    let reasons: Vec<Unfit> = oddities
        .iter()
        .filter_map(|odd| match odd {
            Oddity::KeyIdNumber { number, .. } => Some(Unfit::KeyIdNumber { number: number.clone() }),
            Oddity::Unreadable { why, .. } => Some(Unfit::Broken { why }),
            _ => None,
        })
        .collect();
    let none = keys.is_empty() && count > 0 && reasons.len() == count;
    none.then(|| reasons.into_iter().next()).flatten()
}

/// Whether it says nothing against signing with the algorithm.
fn is_sound(key: &SigningKey) -> bool {
    !key.oddities.iter().any(|odd| !odd.is_weak())
}

/// Leaves out the keys of a set that say that they are for something else, such as the encryption key that
/// Keycloak publishes beside the signing one. Not those that the spec names, nor where nothing else is there.
fn pass_over(keys: &mut Vec<SigningKey>, named: impl Fn(&SigningKey) -> bool) {
    if keys.iter().any(|key| is_sound(key) || named(key)) {
        keys.retain(|key| is_sound(key) || named(key));
    }
}

/// What is odd about keys of one id.
fn same_ids<'a>(keys: impl Iterator<Item = &'a SigningKey>) -> Vec<Oddity> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = keys.filter_map(SigningKey::id).filter(|id| !seen.insert(*id)).collect();
    twice.into_iter().map(|id| Oddity::SameId { id: id.to_owned() }).collect()
}

fn is_among(key: &SigningKey, ids: &[String]) -> bool {
    key.id().is_some_and(|id| ids.iter().any(|one| one == id))
}

/// The key of an id, one that can sign first.
fn named(keys: &[SigningKey], id: &str) -> Option<usize> {
    let is = |key: &SigningKey| key.id() == Some(id);
    keys.iter().position(|key| is(key) && key.has_private()).or_else(|| keys.iter().position(is))
}

/// The only key that can sign, or the only one at all; those that contradict the algorithm come last.
fn only(keys: &[SigningKey]) -> Option<usize> {
    let single = |wanted: &dyn Fn(&SigningKey) -> bool| {
        let mut found = keys.iter().enumerate().filter(|(_, key)| wanted(key)).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    single(&|key| is_sound(key) && key.has_private())
        .or_else(|| single(&is_sound))
        .or_else(|| single(&|key| key.has_private()))
        .or_else(|| single(&|_| true))
}

/// What a Secret holds.
enum Found {
    /// A shared secret as it is.
    Plain,
    One(SigningKey),
    /// Those of a JWKS that fit the algorithm, of `count`.
    Set {
        keys: Vec<SigningKey>,
        oddities: Vec<Oddity>,
        count: usize,
    },
}

fn entries(plain: &SigningKey, algorithm: Algorithm, ids: &KeyIds<'_>) -> Result<Found, Unfit> {
    let bytes = plain.expose();
    let hmac = family(algorithm) == Family::Hmac;
    if hmac && (!ids.some() || bytes.len() > MAX_KEY_BYTES || !bytes.trim_ascii_start().starts_with(b"{")) {
        return Ok(Found::Plain);
    }
    if bytes.len() > MAX_KEY_BYTES {
        return Err(Unfit::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_start_matches('\u{feff}'));
    let object = text.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let Some(object) = object else {
        return match text {
            _ if hmac => Ok(Found::Plain),
            Some(text) if pem::is_pem(text) => of_pem(text, algorithm),
            Some(text) if pem::is_spoilt_pem(text) => Err(Unfit::Broken {
                why: "the lines BEGIN and END of its PEM do not have five dashes on each side, or not in the usual letters",
            }),
            _ if is_body_of_pem(bytes) => Err(Unfit::Document {
                what: "the base64 of a key without the lines BEGIN and END around it",
                next: "store the whole PEM, with both lines",
            }),
            _ => Err(Unfit::OtherKind { found: kind(bytes), algorithm }),
        };
    };
    if hmac && !is_read(&object, ids) {
        return Ok(Found::Plain);
    }
    let document = match jwk::read(&object) {
        // The app can only have taken the bytes.
        Err(_) if hmac && ids.current.is_none() => return Ok(Found::Plain),
        read => read?,
    };
    match document {
        jwk::Document::One(one) => {
            let found = described(&one);
            let public = is_public(&one);
            let Some(mut key) = key_of(one, algorithm) else {
                return Err(Unfit::OtherKind { found, algorithm });
            };
            if public {
                key.stored(kept(bytes));
            }
            key.inside(secret_document(bytes, hmac));
            Ok(Found::One(key))
        }
        jwk::Document::Set { keys, count, mut oddities } => {
            let secret = |key: &Jwk| matches!(key.material, Material::Secret(_));
            if !hmac && keys.iter().any(secret) {
                oddities.push(Oddity::SecretAmongKeys);
            }
            let public = keys.iter().all(is_public);
            let mut keys: Vec<_> = keys.into_iter().filter_map(|key| key_of(key, algorithm)).collect();
            if public {
                let document = kept(bytes);
                keys.iter_mut().for_each(|key| key.stored(document.clone()));
            }
            let document = secret_document(bytes, hmac);
            keys.iter_mut().for_each(|key| key.inside(document.clone()));
            Ok(Found::Set { keys, oddities, count })
        }
    }
}

/// Whether the spec has a shared secret be read out of a document. Most apps take the bytes of a document
/// as they are, so it takes a key id: that of the current key, or that of a key of the set.
fn is_read(object: &Map<String, Value>, ids: &KeyIds<'_>) -> bool {
    let named = |key: &Map<String, Value>| {
        let id = key.get("kid").and_then(Value::as_str);
        id.is_some_and(|id| ids.previous.iter().chain(ids.revoked).any(|one| one == id))
    };
    let mut secrets = jwk::secrets(object).peekable();
    secrets.peek().is_some() && (ids.current.is_some() || object.contains_key("keys") && secrets.any(named))
}

/// The document of a shared secret, to tell whether another program took all of it.
fn secret_document(bytes: &[u8], hmac: bool) -> Option<Arc<Zeroizing<Vec<u8>>>> {
    (hmac && bytes.len() <= MAX_STORED_BYTES).then(|| Arc::new(Zeroizing::new(bytes.to_vec())))
}

fn of_pem(text: &str, algorithm: Algorithm) -> Result<Found, Unfit> {
    let read = pem::read(text)?;
    if !read.pair.fits(family(algorithm)) {
        return Err(Unfit::OtherKind { found: read.pair.kind(), algorithm });
    }
    let mut key = SigningKey::of_pair(Arc::new(read.pair), None);
    if read.literal_breaks {
        key.oddities.push(Oddity::LiteralLineBreaks);
    }
    key.oddities.extend(read.layout.map(Oddity::PemLayout));
    Ok(Found::One(key))
}

/// What a JWK is, in words.
fn described(key: &Jwk) -> &'static str {
    match &key.material {
        Material::Secret(_) => "a JWK of a shared secret (kty oct)",
        Material::Pair(pair) => pair.kind(),
    }
}

fn is_public(key: &Jwk) -> bool {
    matches!(&key.material, Material::Pair(pair) if pair.signing().is_none())
}

/// The key where it is of the algorithm's kind, with what it says against the algorithm.
fn key_of(jwk: Jwk, algorithm: Algorithm) -> Option<SigningKey> {
    let family = family(algorithm);
    let mut oddities = Vec::new();
    // RFC 8037 has EdDSA, RFC 9864 gives it the curve's name.
    let same =
        |found: &str| found == algorithm_name(algorithm) || family == Family::Ed25519 && found == "Ed25519";
    if let Some(found) = jwk.algorithm.filter(|found| !same(found)) {
        oddities.push(Oddity::OtherAlgorithm { found, expected: algorithm });
    }
    if let Some(found) = jwk.usage.filter(|usage| usage != "sig") {
        oddities.push(Oddity::NotForSignatures { found });
    }
    let signs = |operations: &Vec<String>| operations.iter().any(|one| one == "sign" || one == "verify");
    if jwk.operations.is_some_and(|operations| !signs(&operations)) {
        oddities.push(Oddity::OtherOperations);
    }
    let mut key = match jwk.material {
        Material::Secret(secret) if family == Family::Hmac => SigningKey::of_secret(secret, jwk.id),
        Material::Pair(pair) if pair.fits(family) => SigningKey::of_pair(Arc::new(*pair), jwk.id),
        Material::Secret(_) | Material::Pair(_) => return None,
    };
    key.oddities.extend(oddities);
    Some(key)
}

/// Whether bytes are the base64 of DER, as it stands between the lines of a PEM.
fn is_body_of_pem(bytes: &[u8]) -> bool {
    let inside = material::from_base64(bytes);
    inside.is_some_and(|der| std::str::from_utf8(&der).is_err() && material::document(&der).is_some())
}

/// What bytes are that are neither PEM nor JSON.
fn kind(bytes: &[u8]) -> &'static str {
    let inside = |document: Option<material::Document>| document.is_some();
    if inside(material::document(bytes)) {
        "a key in DER or OpenSSH's form"
    } else if material::from_base64(bytes).is_some_and(|decoded| {
        let begins = decoded.starts_with(b"-----BEGIN ");
        begins && !String::from_utf8_lossy(&decoded).contains("-----END ")
    }) {
        "base64 of the beginning of a PEM, as an environment file keeps the first line of it alone (encode the PEM in one line, `base64 -w0`)"
    } else if material::from_base64(bytes)
        .is_some_and(|decoded| inside(material::document(&decoded)) || decoded.starts_with(b"-----BEGIN "))
    {
        "base64 of a key (decode it first)"
    } else {
        "text or bytes that are no key of it, such as a shared secret"
    }
}

#[cfg(test)]
mod tests;
