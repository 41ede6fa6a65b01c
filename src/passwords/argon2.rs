//! Argon2 in the PHC string format `$argon2id$v=19$m=65536,t=3,p=4$<salt>$<hash>` (RFC 9106;
//! the encoding of the reference library phc-winner-argon2, base64 without padding).
//!
//! argon2id is written by argon2-cffi 19.1 and newer, pwdlib, node-argon2 and PHP's `PASSWORD_ARGON2ID`;
//! argon2i by PHP's `PASSWORD_ARGON2I` and older libraries. Django and Spring write a word in front of it:
//! those are other formats. argon2d, which is not for passwords, is not recognised.

use ::argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::{
    Made,
    format::{Cost, Format},
    scheme::{Parts, Salt, Scheme, number},
};
use crate::api::password::PasswordFamily;

pub(super) const ARGON2ID: Scheme = plain(PasswordFamily::Argon2id);
pub(super) const ARGON2I: Scheme = plain(PasswordFamily::Argon2i);

/// argon2-cffi's defaults since 21.2 (RFC 9106 section 4, second choice).
const DEFAULT: Cost = Cost::Argon2 { memory: 64 * 1024, passes: 3, lanes: 4 };

/// The least work of a new hash, one of several equal ones: see `Cost::raised`.
pub(super) const FLOOR: Cost = Cost::Argon2 { memory: 19_456, passes: 2, lanes: 1 };

const fn plain(family: PasswordFamily) -> Scheme {
    Scheme {
        read: match family {
            PasswordFamily::Argon2i => |stored| read(PasswordFamily::Argon2i, "", "$argon2i$", stored.hash),
            _ => |stored| read(PasswordFamily::Argon2id, "", "$argon2id$", stored.hash),
        },
        derive: match family {
            PasswordFamily::Argon2i => |format, salt, password, length| {
                compute(Algorithm::Argon2i, format.cost, salt, password, length)
            },
            _ => |format, salt, password, length| {
                compute(Algorithm::Argon2id, format.cost, salt, password, length)
            },
        },
        write: match family {
            PasswordFamily::Argon2i => {
                Some(|format, salt, digest| Made::hash(text("$argon2i$", format.cost, salt, digest)))
            }
            _ => Some(|format, salt, digest| Made::hash(text("$argon2id$", format.cost, salt, digest))),
        },
        salt: Salt::Bytes(16),
        digest: 32,
        default: Format { family, prefix: "", cost: DEFAULT },
        floor: FLOOR,
        most_bytes: None,
    }
}

/// The algorithm that stands between dollar signs.
pub(super) fn algorithm(word: &str) -> Option<Algorithm> {
    match word {
        "$argon2id$" => Some(Algorithm::Argon2id),
        "$argon2i$" => Some(Algorithm::Argon2i),
        _ => None,
    }
}

/// Takes a hash apart that begins with `start`.
pub(super) fn read(family: PasswordFamily, prefix: &'static str, start: &str, hash: &str) -> Option<Parts> {
    let (cost, salt, digest) = parts(hash.strip_prefix(start)?)?;
    Some(Parts { format: Format { family, prefix, cost }, salt, digest })
}

/// Parameters, salt and digest of what follows `$argon2id$`; `None` when the reference library would not
/// read it either.
///
/// Stricter than the PHC format, as the reference decoder is: `m`, `t`, `p` in this order, no key id
/// and no associated data.
pub(super) fn parts(text: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = text.split('$');
    // 19 is version 1.3. Version 1.0 (16) is another calculation, and older than argon2id itself.
    if parts.next()? != "v=19" {
        return None;
    }
    let mut parameters = parts.next()?.split(',');
    let memory = number(parameters.next()?.strip_prefix("m=")?)?;
    let passes = number(parameters.next()?.strip_prefix("t=")?)?;
    let lanes = number(parameters.next()?.strip_prefix("p=")?)?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let digest = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    // The PHC format holds salts of 8 to 64 bytes, and digests of 4 to 64. No library writes one of less than 16, and a
    // hash that its column has cut off would now and then read as one.
    let complete = parameters.next().is_none()
        && parts.next().is_none()
        && (8..=64).contains(&salt.len())
        && (16..=64).contains(&digest.len());
    // The limits of RFC 9106.
    let valid = complete && Params::new(memory, passes, lanes, Some(digest.len())).is_ok();
    valid.then_some((Cost::Argon2 { memory, passes, lanes }, salt, digest))
}

/// The text of a hash.
pub(super) fn text(start: &str, cost: Cost, salt: &[u8], digest: &[u8]) -> String {
    let Cost::Argon2 { memory, passes, lanes } = cost else { return String::new() };
    let (salt, digest) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest));
    format!("{start}v=19$m={memory},t={passes},p={lanes}${salt}${digest}")
}

/// The digest of so many bytes.
pub(super) fn compute(
    algorithm: Algorithm,
    cost: Cost,
    salt: &[u8],
    password: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let Cost::Argon2 { memory, passes, lanes } = cost else { return None };
    let params = Params::new(memory, passes, lanes, Some(length)).ok()?;
    let mut digest = Zeroizing::new(vec![0; length]);
    Argon2::new(algorithm, Version::V0x13, params).hash_password_into(password, salt, &mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_digest_is_none_though_it_is_of_the_alphabet() {
        for digest in (0..=90).map(|length| "A".repeat(length)) {
            let read = parts(&format!("v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${digest}"));
            // Of four characters three bytes, and none of one alone.
            let bytes = (digest.len() % 4 != 1).then_some(digest.len() * 3 / 4);
            let whole = bytes.is_some_and(|bytes| (16..=64).contains(&bytes));
            assert_eq!(read.is_some(), whole, "{} characters", digest.len());
        }
    }
}
