//! The signing key: exactly the bytes that the app gets, or a key pair.

use crate::{
    api::{condition::Reason, spec::Algorithm},
    tokens::text::hex,
};

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    algorithm::{Family, algorithm_name, family, library_algorithm},
    audit::{self, KeyWeakness},
    inspect::Signed,
    pair::Pair,
    unfit::{Oddity, Unfit},
};

/// A signing key: a shared secret, a key pair, a public key, or what cannot be used as any of them. Its
/// private parts are wiped when it is dropped and never shown.
#[derive(Clone)]
pub struct SigningKey {
    /// The secret, or what the process's memory knows the key by.
    bytes: Zeroizing<Vec<u8>>,
    kind: Kind,
    id: Option<String>,
    /// What is odd about it.
    pub(super) oddities: Vec<Oddity>,
    /// The document in which a shared secret stands. The keys of a set share it.
    pub(super) document: Option<Arc<Zeroizing<Vec<u8>>>>,
}

#[derive(Clone)]
enum Kind {
    Secret,
    Pair(Arc<Pair>),
    Unfit(Unfit),
}

/// Why bytes are no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An empty key would let anybody sign.
    #[error("the signing key is empty")]
    Empty,
}

impl SigningKey {
    /// A shared secret of exactly these bytes: nothing is trimmed or decoded, since the app does neither.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`] for no bytes at all.
    pub fn new(bytes: Vec<u8>) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.is_empty() { Err(KeyError::Empty) } else { Ok(Self::of_secret(bytes, None)) }
    }

    pub(super) fn of_secret(bytes: Zeroizing<Vec<u8>>, id: Option<String>) -> Self {
        Self { bytes, kind: Kind::Secret, id, oddities: Vec::new(), document: None }
    }

    pub(super) fn of_pair(pair: Arc<Pair>, id: Option<String>) -> Self {
        let mut oddities = Vec::new();
        if let Some(bits) = pair.rsa_bits().filter(|bits| *bits < super::pair::MIN_RSA_BITS) {
            oddities.push(Oddity::RsaTooShort { bits });
        }
        Self { bytes: Zeroizing::new(pair.spki()), kind: Kind::Pair(pair), id, oddities, document: None }
    }

    /// The same bytes as something that cannot be used.
    pub(super) fn spoilt(self, unfit: Unfit) -> Self {
        Self { kind: Kind::Unfit(unfit), ..self }
    }

    /// The same key with an id, where one is given.
    pub(super) fn called(self, id: Option<&str>) -> Self {
        match id {
            Some(id) => Self { id: Some(id.to_owned()), ..self },
            None => self,
        }
    }

    /// Remembers the document that a shared secret stands in.
    pub(super) fn inside(&mut self, document: Option<Arc<Zeroizing<Vec<u8>>>>) {
        if let Kind::Secret = self.kind {
            self.document = document;
        }
    }

    /// Remembers the public document that it is from.
    pub(super) fn stored(&mut self, document: Option<Arc<[u8]>>) {
        if let Kind::Pair(pair) = &mut self.kind
            && let Some(pair) = Arc::get_mut(pair)
        {
            pair.stored = document;
        }
    }

    /// The key id (`kid`) that it has of itself or by the spec.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Why it cannot be used at all, if so.
    pub fn unfit(&self) -> Option<&Unfit> {
        match &self.kind {
            Kind::Unfit(unfit) => Some(unfit),
            Kind::Secret | Kind::Pair(_) => None,
        }
    }

    /// Whether it is a public key without its private half: tokens are verified with it and not minted.
    pub fn is_public_only(&self) -> bool {
        matches!(&self.kind, Kind::Pair(pair) if pair.signing().is_none())
    }

    /// Whether it holds what signs.
    pub(super) fn has_private(&self) -> bool {
        match &self.kind {
            Kind::Secret => true,
            Kind::Pair(pair) => pair.signing().is_some(),
            Kind::Unfit(_) => false,
        }
    }

    /// How the PEM that a pair is from is laid out, where not every library reads that: in a few words.
    pub fn pem_layout(&self) -> Option<&'static str> {
        self.oddities.iter().find_map(Oddity::layout)
    }

    pub(super) fn pair(&self) -> Option<&Pair> {
        match &self.kind {
            Kind::Pair(pair) => Some(pair),
            Kind::Secret | Kind::Unfit(_) => None,
        }
    }

    /// The bytes of a shared secret.
    pub(super) fn secret(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Secret => Some(&self.bytes),
            Kind::Pair(_) | Kind::Unfit(_) => None,
        }
    }

    /// Whether it made a signature of this algorithm.
    pub(super) fn verifies(&self, signed: &Signed, algorithm: Algorithm) -> bool {
        match &self.kind {
            Kind::Secret => {
                family(algorithm) == Family::Hmac && hmac_verifies(signed, &self.bytes, algorithm)
            }
            Kind::Pair(pair) => pair.fits(family(algorithm)) && pair.verifies(signed, algorithm),
            Kind::Unfit(_) => false,
        }
    }

    /// Whether the other one is the same key: by digests under a random key, so that how long it takes to
    /// compare tells nothing of either.
    pub fn is_same(&self, other: &Self) -> bool {
        let salt: [u8; 32] = rand::random();
        let digest = |key: &Self| {
            let mac = Hmac::<Sha256>::new_from_slice(&salt).ok();
            mac.map(|mac| mac.chain_update(key.expose()).finalize())
        };
        digest(self).is_some_and(|own| digest(other).is_some_and(|theirs| own == theirs))
    }

    /// The bytes of a secret, the public half of a pair.
    pub(super) fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// What the process's memory of digests knows it by. The same bytes are another key for another
    /// algorithm, by another id, and where they cannot be used.
    pub(crate) fn known_by(&self, algorithm: Algorithm) -> [&[u8]; 4] {
        let kind = match &self.kind {
            Kind::Secret => "secret",
            Kind::Pair(_) => "pair",
            Kind::Unfit(_) => "unfit",
        };
        let id = self.id().unwrap_or_default();
        [algorithm_name(algorithm).as_bytes(), kind.as_bytes(), id.as_bytes(), &self.bytes]
    }
}

/// Compared in constant time by the library. What it cannot read is not signed.
pub(super) fn hmac_verifies(signed: &Signed, secret: &[u8], algorithm: Algorithm) -> bool {
    let key = jsonwebtoken::DecodingKey::from_secret(secret);
    let algorithm = library_algorithm(algorithm);
    jsonwebtoken::crypto::verify(&signed.signature, signed.message.as_bytes(), &key, algorithm)
        .unwrap_or(false)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

/// The keys that a token may have been signed by.
#[derive(Clone, Copy, Debug)]
pub struct Keyring<'a> {
    /// The signing key.
    pub current: &'a SigningKey,
    /// Keys that signed before a rotation.
    pub previous: &'a [SigningKey],
    /// Keys that are published and sign nothing yet.
    pub standby: &'a [SigningKey],
    /// Keys that nothing may accept any more.
    pub revoked: &'a [SigningKey],
    /// Whether verifiers look a key up by its id, as in a JWKS.
    pub by_id: bool,
    /// Keys of others, with what messages call them: only to say whose token it is.
    pub elsewhere: &'a [(String, SigningKey)],
}

impl<'a> Keyring<'a> {
    /// The signing key alone.
    pub fn of(current: &'a SigningKey) -> Self {
        Self { current, previous: &[], standby: &[], revoked: &[], by_id: false, elsewhere: &[] }
    }

    /// Every key of this app.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a SigningKey> + use<'a> {
        std::iter::once(self.current).chain(self.previous).chain(self.standby).chain(self.revoked)
    }
}

/// Salt of the fingerprint. Fixed, so that two environments can be compared by eye.
const SALT: &[u8] = b"auth-consistency signing key fingerprint v1";

/// scrypt's N as a power of two: 2^15, so 32 MiB and about a tenth of a second for each guess.
const LOG_N: u8 = 15;

/// A slow, one-way digest that tells keys apart and is safe to print: `v1:scrypt:` and 16 bytes in hex.
///
/// scrypt (RFC 7914) with N = 2^15, r = 8, p = 1 over the exact bytes of the key, with the salt
/// `auth-consistency signing key fingerprint v1`. A change of any of these is a new version.
///
/// `None` for a key that [`audit()`](super::audit()) calls weak or guessable: it could be found by
/// trying keys against the fingerprint. The algorithm decides only how long a key must be; it is not
/// part of the digest.
///
/// A key pair has the thumbprint of its public half (RFC 7638, SHA-256, base64url) behind
/// `v1:thumbprint:`, so that the private key, the public key and a JWK of either are known as one. It
/// is no secret, so it needs no slowness.
pub fn fingerprint(key: &SigningKey, algorithm: Algorithm) -> Option<String> {
    match print(key, algorithm) {
        Print::None => None,
        Print::Quick(fingerprint) => Some(fingerprint),
        Print::Slow(bytes) => slow_fingerprint(bytes),
    }
}

/// How a key comes to its fingerprint.
pub(crate) enum Print<'a> {
    /// It has none.
    None,
    /// It is cheap, and this.
    Quick(String),
    /// By [`slow_fingerprint`] of these bytes.
    Slow(&'a [u8]),
}

/// How a key comes to its fingerprint, without the slow part of it.
pub(crate) fn print(key: &SigningKey, algorithm: Algorithm) -> Print<'_> {
    if let Some(pair) = key.pair() {
        return Print::Quick(format!("v1:thumbprint:{}", pair.thumbprint()));
    }
    let guessable = |weakness: &KeyWeakness| weakness.reason() != Reason::SigningKeySuspicious;
    if key.secret().is_none() || audit::audit(key, algorithm).iter().any(guessable) {
        return Print::None;
    }
    Print::Slow(key.expose())
}

/// The slow part of a fingerprint: 32 MiB.
pub(crate) fn slow_fingerprint(bytes: &[u8]) -> Option<String> {
    let params = scrypt::Params::new(LOG_N, 8, 1).ok()?;
    let mut digest = [0u8; 16];
    scrypt::scrypt(bytes, SALT, &params, &mut digest).ok()?;
    Some(format!("v1:scrypt:{}", hex(&digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_is_refused() {
        assert_eq!(SigningKey::new(Vec::new()).unwrap_err(), KeyError::Empty);
    }

    #[test]
    fn the_fingerprint_is_pinned_so_that_versions_agree() {
        let key = SigningKey::new(b"kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*".to_vec()).unwrap();
        // Python: hashlib.scrypt(key, salt=..., n=2**15, r=8, p=1, maxmem=2**26, dklen=16).hex()
        assert_eq!(
            fingerprint(&key, Algorithm::HS256).as_deref(),
            Some("v1:scrypt:67e567c8c0060212ac7c8d29f818b79e")
        );
    }

    #[test]
    fn a_key_is_the_same_as_its_copy_and_as_no_other() {
        let key = |bytes: &[u8]| SigningKey::new(bytes.to_vec()).unwrap();
        assert!(key(b"one").is_same(&key(b"one")));
        assert!(!key(b"one").is_same(&key(b"one\n")) && !key(b"one").is_same(&key(b"two")));
    }

    #[test]
    fn one_byte_makes_another_fingerprint() {
        let one = SigningKey::new(b"kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*".to_vec()).unwrap();
        let other = SigningKey::new(b"kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*\n".to_vec()).unwrap();
        assert!(fingerprint(&other, Algorithm::HS256).is_some(), "oddly stored, but not guessable");
        assert_ne!(fingerprint(&one, Algorithm::HS256), fingerprint(&other, Algorithm::HS256));
    }

    #[test]
    fn a_weak_or_guessable_key_has_no_fingerprint() {
        for key in [&b"secret"[..], b"your-256-bit-secret", &[b'a'; 64], b"kZ8#pQ2!vL9@xT4$"] {
            let key = SigningKey::new(key.to_vec()).unwrap();
            assert_eq!(fingerprint(&key, Algorithm::HS256), None);
        }
        // Long enough for one algorithm is not long enough for every one.
        let key = SigningKey::new(b"kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*".to_vec()).unwrap();
        assert_eq!(fingerprint(&key, Algorithm::HS512), None);
    }
}
