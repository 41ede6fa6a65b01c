//! bcrypt in the modular crypt format `$2b$12$` + 22 characters of salt + 31 of hash (Provos and
//! Mazières 1999; base64 with the alphabet `./A-Za-z0-9`).
//!
//! Prefixes: `$2a$` (Devise 4, Rails 8, Go, Java), `$2b$` (Python's bcrypt and pwdlib, bcryptjs),
//! `$2y$` (PHP, Laravel 12) name the same calculation for passwords of up to 72 bytes. `$2x$` marks
//! hashes of a PHP release with a sign mistake: another calculation, so it is not recognised.

use base64::Engine as _;
use zeroize::Zeroizing;

use super::{
    Made,
    format::{Cost, Format},
    scheme::{BCRYPT_BASE64, Parts, Salt, Scheme},
};
use crate::api::password::PasswordFamily;

/// How many bytes of a password bcrypt reads (Provos and Mazières 1999; the key of Blowfish's
/// schedule has 18 words of 4 bytes).
pub const BCRYPT_MAX_BYTES: usize = 72;

/// The bytes of bcrypt's digest that are kept: 23 of 24.
pub(super) const DIGEST: usize = 23;

pub(super) const PLAIN: Scheme = Scheme {
    read: |stored| {
        let (prefix, cost, salt, digest) = parts(stored.hash)?;
        let format = Format { family: PasswordFamily::Bcrypt, prefix, cost };
        Some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, _| compute(format.cost, salt, password),
    write: Some(|format, salt, digest| Made::hash(text(format.prefix, format.cost, salt, digest))),
    salt: Salt::Bytes(16),
    digest: DIGEST,
    // The default of Python's bcrypt 5, Rails 8 and Laravel 12.
    default: Format { family: PasswordFamily::Bcrypt, prefix: "$2b$", cost: Cost::Power(12) },
    floor: FLOOR,
    most_bytes: Some(BCRYPT_MAX_BYTES),
};

/// The least cost of a new hash; the default of Go's x/crypto and of bcryptjs 2.
pub(super) const FLOOR: Cost = Cost::Power(10);

/// Prefix, cost, salt and digest of a bcrypt hash; `None` when the app's library would not read it either.
pub(super) fn parts(hash: &str) -> Option<(&'static str, Cost, Vec<u8>, Vec<u8>)> {
    let prefix = ["$2a$", "$2b$", "$2y$"].into_iter().find(|prefix| hash.starts_with(prefix))?;
    let (cost, rest) = hash.get(4..)?.split_once('$')?;
    let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost = cost.parse().ok().filter(|cost| digits && (4..=31).contains(cost))?;
    let salt = BCRYPT_BASE64.decode(rest.get(..22)?).ok()?;
    let digest = BCRYPT_BASE64.decode(rest.get(22..)?).ok()?;
    (rest.len() == 53).then_some((prefix, Cost::Power(cost), salt, digest))
}

/// The text of a hash.
pub(super) fn text(prefix: &str, cost: Cost, salt: &[u8], digest: &[u8]) -> String {
    let Cost::Power(cost) = cost else { return String::new() };
    format!("{prefix}{cost:02}${}{}", BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest))
}

/// The digest. Bytes above the 72nd do not count: who must not lose any has refused them before.
pub(super) fn compute(cost: Cost, salt: &[u8], password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let Cost::Power(cost) = cost else { return None };
    let salt = salt.try_into().ok().filter(|_| (4..=16).contains(&cost))?;
    let mut key = Zeroizing::new(password.to_vec());
    key.push(0);
    key.truncate(BCRYPT_MAX_BYTES);
    let digest = ::bcrypt::bcrypt(cost, salt, &key);
    digest.get(..DIGEST).map(|digest| Zeroizing::new(digest.to_vec()))
}
