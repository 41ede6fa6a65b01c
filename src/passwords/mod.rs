//! The passwords that real apps store: recognise, verify and make them; one file per maker.
//!
//! Everything here is a calculation on what the caller hands in (hashing draws a salt from the
//! operating system). It is slow on purpose: call it off the threads that serve others, one at a time.
//!
//! Neither a password nor a stored hash ever stands in an error, in `Debug` or in a message.

mod argon2;
mod aspnet;
mod audit;
mod bcrypt;
mod columns;
mod crypt;
mod describe;
mod django;
mod format;
mod mistagged;
mod node;
mod passlib;
mod phpass;
mod registry;
mod scheme;
mod spring;
mod survey;
mod werkzeug;
mod within;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use self::scheme::{Parts, Scheme};
use crate::{api::password::PasswordFamily, passwords::registry::scheme};

pub use self::{
    audit::{PasswordWarning, audit_password, audit_secret},
    bcrypt::BCRYPT_MAX_BYTES,
    describe::{Coat, Description, beginnings, describe},
    format::{Cost, Format},
    mistagged::{Mistagged, mistagged},
    survey::{Majority, Survey, survey},
    within::holds_hash,
};

/// The longest password that is hashed or verified, in bytes; what passlib and WordPress refuse is longer.
pub const MAX_BYTES: usize = 4096;

/// The longest text that is read as a stored password, in bytes. All formats are far shorter.
const MAX_STORED_BYTES: usize = 2048;

/// One account's stored password as its columns hold it.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// The hash, which in most formats holds all the rest too.
    pub hash: &'a str,
    /// The salt, where it has a column of its own.
    pub salt: Option<&'a str>,
    /// The name of the algorithm, where it has a column of its own.
    pub algorithm: Option<&'a str>,
}

impl<'a> From<&'a str> for Stored<'a> {
    fn from(hash: &'a str) -> Self {
        Self { hash, salt: None, algorithm: None }
    }
}

impl fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored(..)")
    }
}

/// A new stored password.
#[derive(Debug, Clone)]
pub struct Made {
    /// What the column of the hash gets.
    pub hash: SecretString,
    /// What the column of the salt gets, in formats that have one.
    pub salt: Option<SecretString>,
    /// What the column of the algorithm gets, in formats that have one.
    pub algorithm: Option<String>,
}

impl Made {
    fn hash(hash: String) -> Self {
        Self { hash: hash.into(), salt: None, algorithm: None }
    }

    /// As it will be read.
    pub fn as_stored(&self) -> Stored<'_> {
        Stored {
            hash: self.hash.expose_secret(),
            salt: self.salt.as_ref().map(ExposeSecret::expose_secret),
            algorithm: self.algorithm.as_deref(),
        }
    }
}

/// Why a password cannot be verified or stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// There is no password.
    #[error("the password is empty")]
    Empty,
    /// C libraries read a password up to its first NUL byte, so hashes of it differ between apps.
    #[error("the password contains a NUL byte, which many apps cannot read")]
    ContainsNul,
    /// The calculation would ignore the rest, or the app's library refuses it.
    #[error("the password has {bytes} bytes and {family} reads only {most}")]
    TooLong {
        /// Length of the password in bytes.
        bytes: usize,
        /// The family.
        family: &'static str,
        /// The most that it reads.
        most: usize,
    },
    /// Each of the rounds goes over the whole password, which together takes minutes.
    #[error(
        "the password has {bytes} bytes, and {family} goes over all of them in each of {rounds} rounds: more than {most} bytes are refused there"
    )]
    TooLongForRounds {
        /// Length of the password in bytes.
        bytes: usize,
        /// The family.
        family: &'static str,
        /// How many rounds there are.
        rounds: u64,
        /// The most bytes that are read with so many.
        most: u64,
    },
    /// The stored hash is in none of the formats that this program reads.
    #[error("the stored password cannot be read: it is {0}")]
    Unreadable(Description),
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
    /// New hashes of the family are not made.
    #[error("{family} is only read, no new hash is made in it")]
    NotMade {
        /// The family.
        family: &'static str,
    },
    /// The library could not compute the hash: no randomness, or no memory.
    #[error("{family} could not be computed")]
    Failed {
        /// The family.
        family: &'static str,
    },
    /// A hash that was just made does not verify.
    #[error("a new {family} hash did not verify when it was read back")]
    ReadBack {
        /// The family.
        family: &'static str,
    },
}

/// The format of a stored password, if it is one that can be verified.
///
/// Strict: a hash that was cut off by a short column, or that has a word in front of it, is not
/// recognised, because the app's own library would not read it either. Parameters are read but not
/// judged: [`verify`] refuses absurd ones.
pub fn recognise(stored: &Stored<'_>) -> Option<Format> {
    parts(stored).map(|parts| parts.format)
}

/// The format of a stored password, read as one of this family. For most families that is what
/// [`recognise`] says; where two families look alike, it tells whether it may be the one that is asked for.
pub fn recognise_as(stored: &Stored<'_>, family: PasswordFamily) -> Option<Format> {
    bounded(stored).and_then(scheme(family).read).map(|parts| parts.format)
}

fn parts(stored: &Stored<'_>) -> Option<Parts> {
    let stored = bounded(stored)?;
    PasswordFamily::ALL.iter().find_map(|family| (scheme(*family).read)(stored))
}

fn bounded<'a, 'b>(stored: &'a Stored<'b>) -> Option<&'a Stored<'b>> {
    let bytes =
        stored.hash.len().max(stored.salt.map_or(0, str::len)).max(stored.algorithm.map_or(0, str::len));
    (bytes <= MAX_STORED_BYTES).then_some(stored)
}

/// Whether a password is the one that a stored hash was made of.
///
/// # Errors
///
/// [`PasswordError::Unreadable`] for a hash that [`recognise`] does not know,
/// [`PasswordError::Excessive`] for absurd parameters, and what [`check`] says about the password:
/// a password that bcrypt would cut off is never said to match.
pub fn verify(stored: &Stored<'_>, password: &SecretString) -> Result<bool, PasswordError> {
    matching(stored, password).map(|format| format.is_some())
}

/// The format in which a stored password is one of this password; `None` where it is not. Where two families look
/// alike, this tells which of them it is.
///
/// # Errors
///
/// As [`verify`].
pub fn matching(stored: &Stored<'_>, password: &SecretString) -> Result<Option<Format>, PasswordError> {
    let readers = PasswordFamily::ALL.iter().map(|family| scheme(*family).read);
    let readable: Vec<Parts> = readers.filter_map(|read| bounded(stored).and_then(read)).collect();
    if readable.is_empty() {
        return Err(PasswordError::Unreadable(describe(stored)));
    }
    for parts in readable {
        if verify_parts(&parts, password)? {
            return Ok(Some(parts.format));
        }
    }
    Ok(None)
}

/// As [`verify`], of a stored password that is read as one of this family.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_as(
    stored: &Stored<'_>,
    family: PasswordFamily,
    password: &SecretString,
) -> Result<bool, PasswordError> {
    let parts = bounded(stored).and_then(scheme(family).read);
    verify_parts(&parts.ok_or_else(|| PasswordError::Unreadable(describe(stored)))?, password)
}

fn verify_parts(parts: &Parts, password: &SecretString) -> Result<bool, PasswordError> {
    check(parts.format.family, password)?;
    parts.format.bounded()?;
    parts.format.bears(password.expose_secret().len())?;
    let scheme = scheme(parts.format.family);
    let digest = derive(scheme, &parts.format, &parts.salt, password, parts.digest.len())?;
    Ok(scheme::equal(&digest, &parts.digest))
}

fn derive(
    scheme: &Scheme,
    format: &Format,
    salt: &[u8],
    password: &SecretString,
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let password = password.expose_secret().as_bytes();
    (scheme.derive)(format, salt, password, length).ok_or_else(|| scheme::failed(format.family))
}

/// A new stored password in this very format, read back and verified before it is returned.
///
/// The cost is taken as it stands: [`Format::for_new`] is the format of a new hash beside those of others.
///
/// # Errors
///
/// What [`check`] says about the password, [`PasswordError::NotMade`], [`PasswordError::Excessive`],
/// [`PasswordError::Failed`] and [`PasswordError::ReadBack`].
pub fn make(format: &Format, password: &SecretString) -> Result<Made, PasswordError> {
    let (family, scheme) = (format.family, scheme(format.family));
    let write = scheme.write.ok_or(PasswordError::NotMade { family: family.words() })?;
    check(family, password)?;
    format.bounded()?;
    format.bears(password.expose_secret().len())?;
    let salt = scheme.salt.draw().ok_or_else(|| scheme::failed(family))?;
    let digest = derive(scheme, format, &salt, password, scheme.digest)?;
    let made = write(format, &salt, &digest);
    let stored = made.as_stored();
    if recognise_as(&stored, family) == Some(*format) && verify_as(&stored, family, password)? {
        Ok(made)
    } else {
        Err(PasswordError::ReadBack { family: family.words() })
    }
}

/// What a new stored password in this format looks like: its columns, their lengths and characters, and no
/// password's hash. `None` where none is made.
pub fn specimen(format: &Format) -> Option<Made> {
    let (scheme, salt) = (scheme(format.family), scheme(format.family).salt.standing_in());
    let write = scheme.write?;
    // Some variants have digests of their own length, which their reader knows.
    [scheme.digest, 20, 32, 64]
        .into_iter()
        .map(|length| write(format, &salt, &vec![b'0'; length]))
        .find(|made| recognise_as(&made.as_stored(), format.family) == Some(*format))
}

/// Whether a format keeps the salt beside the hash.
pub fn keeps_a_salt(format: &Format) -> bool {
    specimen(format).is_some_and(|made| made.salt.is_some())
}

/// Whether a password can be stored in a format: what [`check`] says, and whether so many rounds go over it.
///
/// # Errors
///
/// As [`check`], and [`PasswordError::TooLongForRounds`].
pub fn check_in(format: &Format, password: &SecretString) -> Result<(), PasswordError> {
    check(format.family, password)?;
    format.bears(password.expose_secret().len())
}

/// Whether a password can be stored in a family so that every app reads it alike.
///
/// # Errors
///
/// [`PasswordError::Empty`], [`PasswordError::ContainsNul`] and [`PasswordError::TooLong`]: above 72 bytes
/// for bcrypt, and above [`MAX_BYTES`] for all.
pub fn check(family: PasswordFamily, password: &SecretString) -> Result<(), PasswordError> {
    let bytes = password.expose_secret().as_bytes();
    let most = scheme(family).most_bytes.unwrap_or(MAX_BYTES);
    if bytes.is_empty() {
        Err(PasswordError::Empty)
    } else if bytes.contains(&0) {
        Err(PasswordError::ContainsNul)
    } else if bytes.len() > most {
        Err(PasswordError::TooLong { bytes: bytes.len(), family: family.words(), most })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
