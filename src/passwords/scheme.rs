//! What each family file says of its families, so that one reader, one verifier and one maker serve all.

use base64::{
    alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use zeroize::Zeroizing;

use super::{
    Made, PasswordError, Stored, argon2, bcrypt,
    format::{Cost, Format},
};
use crate::api::password::PasswordFamily;

/// The alphabet of bcrypt's own base64, without padding.
pub(super) const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// A stored password, taken apart.
pub(super) struct Parts {
    pub format: Format,
    /// The bytes that go into the calculation.
    pub salt: Vec<u8>,
    /// What it must come to.
    pub digest: Vec<u8>,
}

/// One family.
pub(super) struct Scheme {
    /// Takes a stored password apart, as strictly as the library that makes it.
    pub read: fn(&Stored<'_>) -> Option<Parts>,
    /// Computes a digest of so many bytes.
    pub derive: fn(&Format, &[u8], &[u8], usize) -> Option<Zeroizing<Vec<u8>>>,
    /// Puts a stored password together; none where the family is never written.
    pub write: Option<fn(&Format, &[u8], &[u8]) -> Made>,
    /// What a new salt is made of.
    pub salt: Salt,
    /// Bytes of a new digest.
    pub digest: usize,
    /// What the family's own library writes by default.
    pub default: Format,
    /// The least work of a new hash.
    pub floor: Cost,
    /// The bytes of a password that are read, where that is a limit of the calculation.
    pub most_bytes: Option<usize>,
}

/// What a new salt is made of.
#[derive(Clone, Copy)]
pub(super) enum Salt {
    /// So many random bytes.
    Bytes(usize),
    /// So many random characters of these.
    Text(usize, &'static [u8]),
}

impl Salt {
    /// A new salt from the operating system's randomness.
    pub fn draw(self) -> Option<Vec<u8>> {
        use rand::TryRngCore as _;
        let (length, alphabet) = match self {
            Self::Bytes(length) => (length, None),
            Self::Text(length, alphabet) => (length, Some(alphabet)),
        };
        let mut salt = Vec::with_capacity(length);
        while salt.len() < length {
            let mut bytes = [0u8; 32];
            rand::rngs::OsRng.try_fill_bytes(&mut bytes).ok()?;
            for byte in bytes {
                match alphabet {
                    None => salt.push(byte),
                    // A byte past the last whole round of the alphabet would favour its beginning.
                    Some(alphabet) if usize::from(byte) < 256 / alphabet.len() * alphabet.len() => {
                        salt.extend(alphabet.get(usize::from(byte) % alphabet.len()));
                    }
                    Some(_) => {}
                }
            }
        }
        salt.truncate(length);
        Some(salt)
    }
}

/// The family's scheme.
pub(super) fn scheme(family: PasswordFamily) -> &'static Scheme {
    match family {
        PasswordFamily::Bcrypt => &bcrypt::PLAIN,
        PasswordFamily::Argon2id => &argon2::ARGON2ID,
        PasswordFamily::Argon2i => &argon2::ARGON2I,
    }
}

/// A decimal number without sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Compares in a time that does not depend on where two digests differ.
pub(super) fn equal(one: &[u8], other: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    one.ct_eq(other).into()
}

/// What could not be computed.
pub(super) fn failed(family: PasswordFamily) -> PasswordError {
    PasswordError::Failed { family: family.words() }
}

/// The bytes that hexadecimal digits stand for.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(u8::try_from(value(*high)? << 4 | value(*low)?).ok()?);
    }
    Some(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
