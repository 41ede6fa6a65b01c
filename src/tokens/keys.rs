//! The signing key: exactly the bytes that the app gets.

use std::fmt;

use zeroize::Zeroizing;

use super::audit::{self, KeyWeakness};
use crate::api::{condition::Reason, spec::Algorithm};

/// A signing key. Its bytes are wiped when it is dropped and never shown.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<Vec<u8>>);

/// Why bytes are no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An empty key would let anybody sign.
    #[error("the signing key is empty")]
    Empty,
}

impl SigningKey {
    /// A key of exactly these bytes: nothing is trimmed or decoded, since the app does neither.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`] for no bytes at all.
    pub fn new(bytes: Vec<u8>) -> Result<Self, KeyError> {
        if bytes.is_empty() { Err(KeyError::Empty) } else { Ok(Self(Zeroizing::new(bytes))) }
    }

    /// The bytes, for this room and for the process's memory of digests.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
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
    /// Keys of others, with what messages call them: only to say whose token it is.
    pub elsewhere: &'a [(String, SigningKey)],
}

impl<'a> Keyring<'a> {
    /// The signing key alone.
    pub fn of(current: &'a SigningKey) -> Self {
        Self { current, previous: &[], elsewhere: &[] }
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
pub fn fingerprint(key: &SigningKey, algorithm: Algorithm) -> Option<String> {
    let guessable = |weakness: &KeyWeakness| weakness.reason() != Reason::SigningKeySuspicious;
    if audit::audit(key, algorithm).iter().any(guessable) {
        return None;
    }
    let params = scrypt::Params::new(LOG_N, 8, 1).ok()?;
    let mut digest = [0u8; 16];
    scrypt::scrypt(key.expose(), SALT, &params, &mut digest).ok()?;
    Some(format!("v1:scrypt:{}", hex(&digest)))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
