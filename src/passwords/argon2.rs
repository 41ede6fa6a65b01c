//! argon2id in the PHC string format `$argon2id$v=19$m=65536,t=3,p=4$<salt>$<hash>` (RFC 9106;
//! the encoding of the reference library phc-winner-argon2, base64 without padding).
//!
//! Written by argon2-cffi 23 and newer, pwdlib and node-argon2. Django writes a word in front of it:
//! that is another format.

use ::argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash,
};
use secrecy::{ExposeSecret, SecretString};

use super::PasswordError;

pub(super) const NAME: &str = "argon2id";

/// argon2-cffi's defaults since 21.2 (RFC 9106 section 4, second choice): the least for a new hash.
const DEFAULT: Cost = Cost { memory: 64 * 1024, passes: 3, lanes: 4 };

/// The most that is computed: 128 MiB of memory, 64 passes, 64 lanes. A stored row can ask for
/// gigabytes, and the operator serves everybody.
const MAX: Cost = Cost { memory: 128 * 1024, passes: 64, lanes: 64 };

/// Parameters `m` (KiB), `t` and `p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// Reads an argon2id hash; `None` when the reference library would not read it either.
///
/// Stricter than the PHC format, as the reference decoder is: `m`, `t`, `p` in this order, no key id
/// and no associated data.
pub(super) fn parse(stored: &str) -> Option<Cost> {
    let mut parts = stored.strip_prefix("$argon2id$")?.split('$');
    // 19 is version 1.3. Version 1.0 (16) is older than argon2id itself.
    if parts.next()? != "v=19" {
        return None;
    }
    let mut parameters = parts.next()?.split(',');
    let cost = Cost {
        memory: number(parameters.next()?.strip_prefix("m=")?)?,
        passes: number(parameters.next()?.strip_prefix("t=")?)?,
        lanes: number(parameters.next()?.strip_prefix("p=")?)?,
    };
    let complete = parameters.next().is_none()
        && parts.next().is_some_and(|salt| !salt.is_empty())
        && parts.next().is_some_and(|hash| !hash.is_empty())
        && parts.next().is_none();
    // The library checks the limits of RFC 9106 and the two base64 parts.
    let valid = complete
        && Params::new(cost.memory, cost.passes, cost.lanes, None).is_ok()
        && PasswordHash::new(stored).is_ok();
    valid.then_some(cost)
}

/// A decimal number without sign or leading zeros (PHC string format, "decimal").
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

pub(super) fn verify(stored: &str, password: &SecretString) -> Result<bool, PasswordError> {
    let cost = parse(stored).ok_or(PasswordError::Unreadable { family: NAME })?;
    for (parameter, value, limit) in [
        ("argon2 memory (KiB) of", cost.memory, MAX.memory),
        ("a number of argon2 passes of", cost.passes, MAX.passes),
        ("a number of argon2 lanes of", cost.lanes, MAX.lanes),
    ] {
        if value > limit {
            return Err(PasswordError::Excessive { parameter, value, limit });
        }
    }
    let parsed = PasswordHash::new(stored).map_err(|_| PasswordError::Unreadable { family: NAME })?;
    match Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(PasswordError::Failed { family: NAME }),
    }
}

pub(super) fn make(password: &SecretString, like: Option<&str>) -> Result<SecretString, PasswordError> {
    let like = like.and_then(parse).unwrap_or(DEFAULT);
    let failed = || PasswordError::Failed { family: NAME };
    let cost = new_cost(like);
    let params = Params::new(cost.memory, cost.passes, cost.lanes, None).map_err(|_| failed())?;
    let made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.expose_secret().as_bytes())
        .map_err(|_| failed())?;
    Ok(made.to_string().into())
}

/// The cost of a new hash beside one of the app's own.
fn new_cost(like: Cost) -> Cost {
    Cost {
        memory: like.memory.clamp(DEFAULT.memory, MAX.memory),
        passes: like.passes.clamp(DEFAULT.passes, MAX.passes),
        lanes: like.lanes.clamp(DEFAULT.lanes, MAX.lanes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hash_is_neither_too_cheap_nor_too_dear_to_verify() {
        let cost = |memory, passes, lanes| Cost { memory, passes, lanes };
        assert_eq!(new_cost(cost(8, 1, 1)), DEFAULT);
        assert_eq!(new_cost(cost(102_400, 2, 8)), cost(102_400, 3, 8));
        assert_eq!(new_cost(cost(u32::MAX, 65, 255)), MAX);
    }
}
