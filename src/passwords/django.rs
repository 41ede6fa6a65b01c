//! The hashers of Django (contrib/auth/hashers.py): a word, then fields between dollar signs. Salts are used as
//! the text that they are stored as.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::{
    Made, argon2, bcrypt,
    format::{Cost, Format},
    scheme::{self, ALPHANUMERIC, Parts, Prf, Salt, Scheme, number},
};
use crate::api::password::PasswordFamily;

/// 22 characters of 62: as much as 128 bits.
const SALT: Salt = Salt::Text(22, ALPHANUMERIC);

/// What Django 5.2 writes, and what it wrote in 4.2.
const ROUNDS: Cost = Cost::Rounds(1_000_000);
const FLOOR: Cost = Cost::Rounds(600_000);

pub(super) const PBKDF2_SHA256: Scheme = Scheme {
    read: |stored| read_pbkdf2(PasswordFamily::DjangoPbkdf2Sha256, "pbkdf2_sha256$", 32, stored.hash),
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha256, format.cost, salt, password, length),
    write: Some(|format, salt, digest| write_pbkdf2("pbkdf2_sha256", format.cost, salt, digest)),
    salt: SALT,
    digest: 32,
    default: Format { family: PasswordFamily::DjangoPbkdf2Sha256, prefix: "", cost: ROUNDS },
    floor: FLOOR,
    most_bytes: None,
};

pub(super) const PBKDF2_SHA1: Scheme = Scheme {
    read: |stored| read_pbkdf2(PasswordFamily::DjangoPbkdf2Sha1, "pbkdf2_sha1$", 20, stored.hash),
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha1, format.cost, salt, password, length),
    write: Some(|format, salt, digest| write_pbkdf2("pbkdf2_sha1", format.cost, salt, digest)),
    salt: SALT,
    digest: 20,
    default: Format { family: PasswordFamily::DjangoPbkdf2Sha1, prefix: "", cost: ROUNDS },
    floor: FLOOR,
    most_bytes: None,
};

fn read_pbkdf2(family: PasswordFamily, start: &str, length: usize, hash: &str) -> Option<Parts> {
    let mut fields = hash.strip_prefix(start)?.split('$');
    let cost = Cost::Rounds(number(fields.next()?).filter(|rounds| *rounds > 0)?);
    let salt = fields.next().filter(|salt| !salt.is_empty())?.as_bytes().to_vec();
    let digest = STANDARD.decode(fields.next()?).ok()?;
    let whole = fields.next().is_none() && digest.len() == length;
    whole.then_some(Parts { format: Format { family, prefix: "", cost }, salt, digest })
}

fn write_pbkdf2(word: &str, cost: Cost, salt: &[u8], digest: &[u8]) -> Made {
    let Cost::Rounds(rounds) = cost else { return Made::hash(String::new()) };
    let (salt, digest) = (String::from_utf8_lossy(salt), STANDARD.encode(digest));
    Made::hash(format!("{word}${rounds}${salt}${digest}"))
}

/// `scrypt$N$salt$r$p$digest`.
pub(super) const SCRYPT: Scheme = Scheme {
    read: |stored| {
        let mut fields = stored.hash.strip_prefix("scrypt$")?.split('$');
        let log_n = scheme::logarithm(fields.next()?)?;
        let salt = fields.next().filter(|salt| !salt.is_empty())?.as_bytes().to_vec();
        let (r, p) = (number(fields.next()?)?, number(fields.next()?)?);
        let digest = STANDARD.decode(fields.next()?).ok()?;
        let whole = fields.next().is_none() && digest.len() == 64;
        let cost = scheme::scrypt_cost(log_n, r, p)?;
        let format = Format { family: PasswordFamily::DjangoScrypt, prefix: "", cost };
        whole.then_some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, length| scheme::scrypt(format.cost, salt, password, length),
    write: Some(|format, salt, digest| {
        let Cost::Scrypt { log_n, r, p } = format.cost else { return Made::hash(String::new()) };
        let (n, salt, digest) = (1u64 << log_n, String::from_utf8_lossy(salt), STANDARD.encode(digest));
        Made::hash(format!("scrypt${n}${salt}${r}${p}${digest}"))
    }),
    salt: SALT,
    digest: 64,
    default: Format {
        family: PasswordFamily::DjangoScrypt,
        prefix: "",
        cost: Cost::Scrypt { log_n: 14, r: 8, p: 5 },
    },
    floor: Cost::Scrypt { log_n: 14, r: 8, p: 5 },
    most_bytes: None,
};

/// `argon2` before the PHC string. Django 2 wrote argon2i.
pub(super) const ARGON2: Scheme = Scheme {
    read: |stored| {
        ["argon2$argon2id$", "argon2$argon2i$"]
            .into_iter()
            .find_map(|prefix| argon2::read(PasswordFamily::DjangoArgon2, prefix, prefix, stored.hash))
    },
    derive: |format, salt, password, length| {
        let algorithm = argon2::algorithm(format.prefix.strip_prefix("argon2")?)?;
        argon2::compute(algorithm, format.cost, salt, password, length)
    },
    write: Some(|format, salt, digest| Made::hash(argon2::text(format.prefix, format.cost, salt, digest))),
    salt: SALT,
    digest: 32,
    default: Format {
        family: PasswordFamily::DjangoArgon2,
        prefix: "argon2$argon2id$",
        cost: Cost::Argon2 { memory: 102_400, passes: 2, lanes: 8 },
    },
    floor: argon2::FLOOR,
    most_bytes: None,
};

/// `bcrypt_sha256$` before a bcrypt hash of the SHA-256 of the password in hexadecimal digits, so that no byte of
/// a long password is lost.
pub(super) const BCRYPT_SHA256: Scheme = Scheme {
    read: |stored| read_bcrypt(PasswordFamily::DjangoBcryptSha256, "bcrypt_sha256$", stored.hash),
    derive: |format, salt, password, _| {
        bcrypt::compute(format.cost, salt, scheme::hex(&Sha256::digest(password)).as_bytes())
    },
    write: Some(|format, salt, digest| {
        let hash = bcrypt::text(format.prefix, format.cost, salt, digest);
        Made::hash(format!("bcrypt_sha256${hash}"))
    }),
    default: Format { family: PasswordFamily::DjangoBcryptSha256, ..bcrypt::PLAIN.default },
    most_bytes: None,
    ..bcrypt::PLAIN
};

/// `bcrypt$` before a bcrypt hash.
pub(super) const BCRYPT: Scheme = Scheme {
    read: |stored| read_bcrypt(PasswordFamily::DjangoBcrypt, "bcrypt$", stored.hash),
    write: Some(|format, salt, digest| {
        let hash = bcrypt::text(format.prefix, format.cost, salt, digest);
        Made::hash(format!("bcrypt${hash}"))
    }),
    default: Format { family: PasswordFamily::DjangoBcrypt, ..bcrypt::PLAIN.default },
    ..bcrypt::PLAIN
};

fn read_bcrypt(family: PasswordFamily, start: &str, hash: &str) -> Option<Parts> {
    let (prefix, cost, salt, digest) = bcrypt::parts(hash.strip_prefix(start)?)?;
    Some(Parts { format: Format { family, prefix, cost }, salt, digest })
}
