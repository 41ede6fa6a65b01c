//! What each family file says of its families, so that one reader, one verifier and one maker serve all.

use base64::{
    alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use zeroize::Zeroizing;

use super::{
    Made, PasswordError, Stored,
    format::{Cost, Format, MOST_ROUNDS},
};
use crate::api::password::PasswordFamily;

/// The alphabet of bcrypt's own base64, without padding.
pub(super) const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// Letters and digits, as Python's frameworks and Grafana draw salts from.
pub(super) const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The alphabet of crypt(3) and phpass.
pub(super) const CRYPT_ALPHABET: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A stored password, taken apart.
pub(super) struct Parts {
    pub format: Format,
    /// The bytes that go into the calculation.
    pub salt: Vec<u8>,
    /// What it must come to.
    pub digest: Vec<u8>,
}

/// Computes a digest: from format, salt, password and the number of bytes.
pub(super) type Derive = fn(&Format, &[u8], &[u8], usize) -> Option<Zeroizing<Vec<u8>>>;

/// Puts a stored password together: from format, salt and digest.
pub(super) type Write = fn(&Format, &[u8], &[u8]) -> Made;

/// One family.
pub(super) struct Scheme {
    /// Takes a stored password apart, as strictly as the library that makes it.
    pub read: fn(&Stored<'_>) -> Option<Parts>,
    /// Computes the digest.
    pub derive: Derive,
    /// Puts a stored password together; none where the family is never written.
    pub write: Option<Write>,
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
    /// As long as a new salt and of the same characters, and the same each time: for what is never verified.
    pub fn standing_in(self) -> Vec<u8> {
        match self {
            Self::Bytes(length) => vec![b'0'; length],
            Self::Text(length, alphabet) => alphabet.iter().cycle().take(length).copied().collect(),
        }
    }

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

/// The bytes that hexadecimal digits stand for, where they are lower-case: libraries compare them as text.
pub(super) fn lower_hex(digits: &str) -> Option<Vec<u8>> {
    (!digits.bytes().any(|digit| digit.is_ascii_uppercase())).then(|| unhex(digits)).flatten()
}

/// The base64 of crypt(3) and phpass: the lowest bits of three bytes first.
pub(super) fn crypt_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut bits = three.iter().rev().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for _ in 0..=three.len() {
            let digit = usize::try_from(bits & 0x3f).ok().and_then(|at| CRYPT_ALPHABET.get(at));
            text.extend(digit.map(|digit| char::from(*digit)));
            bits >>= 6;
        }
    }
    text
}

/// The logarithm of a power of two in decimal digits.
pub(super) fn logarithm(digits: &str) -> Option<u32> {
    number(digits).filter(|number| number.is_power_of_two()).map(u32::trailing_zeros)
}

/// The cost of scrypt, where RFC 7914 knows one of these numbers.
pub(super) fn scrypt_cost(log_n: u32, r: u32, p: u32) -> Option<Cost> {
    // The library multiplies them.
    r.checked_mul(p)?;
    ::scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    (log_n < 32).then_some(Cost::Scrypt { log_n, r, p })
}

/// scrypt's digest of so many bytes.
pub(super) fn scrypt(cost: Cost, salt: &[u8], password: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let Cost::Scrypt { log_n, r, p } = cost else { return None };
    let params = ::scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    let mut digest = Zeroizing::new(vec![0; length]);
    ::scrypt::scrypt(password, salt, &params, &mut digest).ok()?;
    Some(digest)
}

/// The hash function under HMAC in PBKDF2.
#[derive(Clone, Copy)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

/// PBKDF2's digest of so many bytes.
pub(super) fn pbkdf2(
    prf: Prf,
    cost: Cost,
    salt: &[u8],
    password: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    use ::pbkdf2::{Algorithm, Params, pbkdf2_hmac, pbkdf2_hmac_with_params};
    let Cost::Rounds(rounds) = cost else { return None };
    // A digest that is longer than the hash function's is computed piece by piece, each with all rounds.
    let piece = match prf {
        Prf::Sha1 => 20,
        Prf::Sha256 => 32,
        Prf::Sha512 => 64,
    };
    let pieces = u32::try_from(length.div_ceil(piece)).unwrap_or(u32::MAX);
    if rounds.saturating_mul(pieces) > MOST_ROUNDS {
        return None;
    }
    let mut digest = Zeroizing::new(vec![0; length]);
    // The crate's own instances are fast in a debug build too; it has none below 1,000 rounds and for SHA-1.
    let params = Params::new(rounds);
    match (prf, params) {
        (Prf::Sha1, _) => pbkdf2_hmac::<sha1::Sha1>(password, salt, rounds, &mut digest),
        (Prf::Sha256, Ok(params)) => {
            pbkdf2_hmac_with_params(password, salt, Algorithm::Pbkdf2Sha256, params, &mut digest);
        }
        (Prf::Sha512, Ok(params)) => {
            pbkdf2_hmac_with_params(password, salt, Algorithm::Pbkdf2Sha512, params, &mut digest);
        }
        (Prf::Sha256, Err(_)) => pbkdf2_hmac::<sha2::Sha256>(password, salt, rounds, &mut digest),
        (Prf::Sha512, Err(_)) => pbkdf2_hmac::<sha2::Sha512>(password, salt, rounds, &mut digest),
    }
    Some(digest)
}
