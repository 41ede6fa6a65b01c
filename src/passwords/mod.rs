//! The password hashes that real apps store: recognise, verify and make them; one file per family.
//!
//! Everything here is a calculation on what the caller hands in (hashing draws a salt from the
//! operating system). It is slow on purpose: call it off the threads that serve others, one at a time.
//!
//! Neither a password nor a stored hash ever stands in an error, in `Debug` or in a message.

mod argon2;
mod bcrypt;
mod family;

use secrecy::{ExposeSecret, SecretString};

use crate::api::spec::PasswordHash;

pub use family::family;

/// How many bytes of a password bcrypt reads (Provos and Mazières 1999; the key of Blowfish's
/// schedule has 18 words of 4 bytes).
pub const BCRYPT_MAX_BYTES: usize = 72;

/// Why a password cannot be verified or stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// There is no password.
    #[error("the password is empty")]
    Empty,
    /// C libraries read a password up to its first NUL byte, so hashes of it differ between apps.
    #[error("the password contains a NUL byte, which many apps cannot read")]
    ContainsNul,
    /// bcrypt would ignore the rest, and some libraries refuse it.
    #[error("the password has {bytes} bytes and bcrypt reads only {BCRYPT_MAX_BYTES}")]
    TooLong {
        /// Length of the password in bytes.
        bytes: usize,
    },
    /// The stored hash is in none of the formats that this program reads.
    #[error("the stored hash cannot be read: it seems to be {family}")]
    Unreadable {
        /// What it seems to be, as [`family`] says.
        family: &'static str,
    },
    /// The stored hash asks for so much work that a row could stop this program.
    #[error("the stored hash asks for {parameter} {value}, and more than {limit} is refused")]
    Excessive {
        /// Name of the parameter.
        parameter: &'static str,
        /// What the stored hash asks for.
        value: u32,
        /// The most that is done.
        limit: u32,
    },
    /// The library could not compute the hash: no randomness, or no memory.
    #[error("{family} could not be computed")]
    Failed {
        /// The format.
        family: &'static str,
    },
    /// A hash that was just made does not verify.
    #[error("a new {family} hash did not verify when it was read back")]
    ReadBack {
        /// The format.
        family: &'static str,
    },
}

/// The format of a stored hash, if it is one that can be verified and made.
///
/// Strict: a hash that was cut off by a short column, or that has a word in front of it, is not
/// recognised, because the app's own library would not read it either. Parameters are read but not
/// judged: [`verify`] refuses absurd ones.
pub fn recognise(stored: &str) -> Option<PasswordHash> {
    if bcrypt::parse(stored).is_some() {
        Some(PasswordHash::Bcrypt)
    } else if argon2::parse(stored).is_some() {
        Some(PasswordHash::Argon2id)
    } else {
        None
    }
}

/// Whether a password is the one that a stored hash was made of.
///
/// # Errors
///
/// [`PasswordError::Unreadable`] for a hash that [`recognise`] does not know,
/// [`PasswordError::Excessive`] for absurd parameters, and what [`check`] says about the password:
/// a password that bcrypt would cut off is never said to match.
pub fn verify(stored: &str, password: &SecretString) -> Result<bool, PasswordError> {
    let format = recognise(stored).ok_or_else(|| PasswordError::Unreadable { family: family(stored) })?;
    check(format, password)?;
    match format {
        PasswordHash::Bcrypt => bcrypt::verify(stored, password),
        PasswordHash::Argon2id => argon2::verify(stored, password),
    }
}

/// A new hash of a password, read back and verified before it is returned.
///
/// `like` is a hash that the app made. When it is of the same format, the new hash takes its cost
/// (raised to what counts as safe today, lowered to what [`verify`] accepts) and, for bcrypt, its
/// prefix, because some libraries read only their own.
///
/// # Errors
///
/// What [`check`] says about the password, [`PasswordError::Failed`] and [`PasswordError::ReadBack`].
pub fn make(
    format: PasswordHash,
    password: &SecretString,
    like: Option<&str>,
) -> Result<SecretString, PasswordError> {
    check(format, password)?;
    let made = match format {
        PasswordHash::Bcrypt => bcrypt::make(password, like),
        PasswordHash::Argon2id => argon2::make(password, like),
    }?;
    if recognise(made.expose_secret()) == Some(format) && verify(made.expose_secret(), password)? {
        Ok(made)
    } else {
        Err(PasswordError::ReadBack { family: name(format) })
    }
}

/// Whether a password can be stored in a format so that every app reads it alike.
///
/// # Errors
///
/// [`PasswordError::Empty`], [`PasswordError::ContainsNul`], and for bcrypt
/// [`PasswordError::TooLong`] above 72 bytes.
pub fn check(format: PasswordHash, password: &SecretString) -> Result<(), PasswordError> {
    let bytes = password.expose_secret().as_bytes();
    if bytes.is_empty() {
        return Err(PasswordError::Empty);
    }
    if bytes.contains(&0) {
        return Err(PasswordError::ContainsNul);
    }
    if format == PasswordHash::Bcrypt && bytes.len() > BCRYPT_MAX_BYTES {
        return Err(PasswordError::TooLong { bytes: bytes.len() });
    }
    Ok(())
}

/// The name of a format in messages.
fn name(format: PasswordHash) -> &'static str {
    match format {
        PasswordHash::Bcrypt => bcrypt::NAME,
        PasswordHash::Argon2id => argon2::NAME,
    }
}

#[cfg(test)]
mod tests;
