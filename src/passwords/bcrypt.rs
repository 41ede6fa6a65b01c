//! bcrypt in the modular crypt format `$2b$12$` + 22 characters of salt + 31 of hash (Provos and
//! Mazières 1999; base64 with the alphabet `./A-Za-z0-9`).
//!
//! Prefixes: `$2a$` (Devise 4, Rails 8, Go, Java), `$2b$` (Python's bcrypt and pwdlib, bcryptjs),
//! `$2y$` (PHP, Laravel 12) name the same calculation for passwords of up to 72 bytes. `$2x$` marks
//! hashes of a PHP release with a sign mistake: another calculation, so it is not recognised.

use std::str::FromStr as _;

use ::bcrypt::{HashParts, Version};
use secrecy::{ExposeSecret, SecretString};

use super::PasswordError;

pub(super) const NAME: &str = "bcrypt";

/// Cost of a new hash when no hash of the app says another; the default of Python's bcrypt 4,
/// Rails 8 and Laravel 12.
const DEFAULT_COST: u32 = 12;

/// The least cost of a new hash; the default of Go's x/crypto and of bcryptjs.
const MIN_NEW_COST: u32 = 10;

/// The most that is computed: about four seconds. Each step more doubles it.
const MAX_COST: u32 = 16;

/// What a stored hash says about itself.
pub(super) struct Stored {
    version: Version,
    cost: u32,
}

/// Reads a bcrypt hash; `None` when the app's library would not read it either.
pub(super) fn parse(stored: &str) -> Option<Stored> {
    let version = match stored.get(..4)? {
        "$2a$" => Version::TwoA,
        "$2b$" => Version::TwoB,
        "$2y$" => Version::TwoY,
        _ => return None,
    };
    // The library's number parser takes a sign, real ones do not.
    let cost = stored.get(4..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let cost = cost.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    // Length, alphabet and unused bits: the library's own strict reader.
    HashParts::from_str(stored).ok()?;
    Some(Stored { version, cost })
}

pub(super) fn verify(stored: &str, password: &SecretString) -> Result<bool, PasswordError> {
    let cost = parse(stored).ok_or(PasswordError::Unreadable { family: NAME })?.cost;
    if cost > MAX_COST {
        return Err(PasswordError::Excessive { parameter: "a bcrypt cost of", value: cost, limit: MAX_COST });
    }
    ::bcrypt::verify(password.expose_secret(), stored).map_err(|_| PasswordError::Failed { family: NAME })
}

pub(super) fn make(password: &SecretString, like: Option<&str>) -> Result<SecretString, PasswordError> {
    let (version, cost) = match like.and_then(parse) {
        Some(like) => (like.version, new_cost(like.cost)),
        None => (Version::TwoB, DEFAULT_COST),
    };
    // The library's non-truncating variant refuses 72 bytes, which every other library takes;
    // `super::check` has refused more.
    let parts = ::bcrypt::hash_with_result(password.expose_secret(), cost)
        .map_err(|_| PasswordError::Failed { family: NAME })?;
    Ok(parts.format_for_version(version).into())
}

/// The cost of a new hash beside one of the app's own.
fn new_cost(like: u32) -> u32 {
    like.clamp(MIN_NEW_COST, MAX_COST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hash_is_neither_too_cheap_nor_too_dear_to_verify() {
        assert_eq!([4, 9, 10, 13, 16, 17, 31].map(new_cost), [10, 10, 10, 13, 16, 16, 16]);
    }
}
