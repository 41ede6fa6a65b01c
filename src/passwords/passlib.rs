//! The formats that are passlib's own (1.7): PBKDF2 and bcrypt over SHA-256 in modular crypt format. Its base64
//! has `.` in place of `+` and no padding.

use base64::{
    Engine as _, alphabet,
    engine::{
        GeneralPurpose,
        general_purpose::{NO_PAD, STANDARD},
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    Made, bcrypt,
    format::{Cost, Format},
    scheme::{self, BCRYPT_BASE64, Parts, Prf, Salt, Scheme, number},
};
use crate::api::password::PasswordFamily;

/// Standard base64 with `.` in place of `+`.
const BASE64: GeneralPurpose =
    match alphabet::Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => GeneralPurpose::new(&alphabet, NO_PAD),
        Err(_) => GeneralPurpose::new(&alphabet::STANDARD, NO_PAD),
    };

pub(super) const PBKDF2_SHA1: Scheme = Scheme {
    read: |stored| read(PasswordFamily::PasslibPbkdf2Sha1, "$pbkdf2$", 20, stored.hash),
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha1, format.cost, salt, password, length),
    write: Some(|format, salt, digest| write("$pbkdf2$", format.cost, salt, digest)),
    salt: Salt::Bytes(16),
    digest: 20,
    default: Format { family: PasswordFamily::PasslibPbkdf2Sha1, prefix: "", cost: Cost::Rounds(131_000) },
    floor: Cost::Rounds(131_000),
    most_bytes: None,
};

pub(super) const PBKDF2_SHA256: Scheme = Scheme {
    read: |stored| read(PasswordFamily::PasslibPbkdf2Sha256, "$pbkdf2-sha256$", 32, stored.hash),
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha256, format.cost, salt, password, length),
    write: Some(|format, salt, digest| write("$pbkdf2-sha256$", format.cost, salt, digest)),
    digest: 32,
    default: Format { family: PasswordFamily::PasslibPbkdf2Sha256, prefix: "", cost: Cost::Rounds(29_000) },
    floor: Cost::Rounds(29_000),
    ..PBKDF2_SHA1
};

pub(super) const PBKDF2_SHA512: Scheme = Scheme {
    read: |stored| read(PasswordFamily::PasslibPbkdf2Sha512, "$pbkdf2-sha512$", 64, stored.hash),
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha512, format.cost, salt, password, length),
    write: Some(|format, salt, digest| write("$pbkdf2-sha512$", format.cost, salt, digest)),
    digest: 64,
    default: Format { family: PasswordFamily::PasslibPbkdf2Sha512, prefix: "", cost: Cost::Rounds(25_000) },
    floor: Cost::Rounds(25_000),
    ..PBKDF2_SHA1
};

fn read(family: PasswordFamily, start: &str, length: usize, hash: &str) -> Option<Parts> {
    let mut fields = hash.strip_prefix(start)?.split('$');
    let cost = Cost::Rounds(number(fields.next()?).filter(|rounds| *rounds > 0)?);
    let salt = BASE64.decode(fields.next()?).ok()?;
    let digest = BASE64.decode(fields.next()?).ok()?;
    let whole = fields.next().is_none() && digest.len() == length;
    whole.then_some(Parts { format: Format { family, prefix: "", cost }, salt, digest })
}

fn write(start: &str, cost: Cost, salt: &[u8], digest: &[u8]) -> Made {
    let Cost::Rounds(rounds) = cost else { return Made::hash(String::new()) };
    Made::hash(format!("{start}{rounds}${}${}", BASE64.encode(salt), BASE64.encode(digest)))
}

/// Variants of bcrypt over SHA-256: version 2 (passlib 1.7.3 and newer) has the salt as HMAC's key.
const BCRYPT_VARIANTS: [(&str, &str); 5] =
    [("v=2,t=2b", ",r="), ("v=2,t=2y", ",r="), ("v=2,t=2a", ",r="), ("2b", ","), ("2a", ",")];

/// `$bcrypt-sha256$v=2,t=2b,r=12$<salt>$<digest>`, and `$bcrypt-sha256$2a,12$…` before.
pub(super) const BCRYPT_SHA256: Scheme = Scheme {
    read: |stored| {
        let mut fields = stored.hash.strip_prefix("$bcrypt-sha256$")?.split('$');
        let parameters = fields.next()?;
        let (prefix, rounds) = BCRYPT_VARIANTS.into_iter().find_map(|(prefix, comma)| {
            Some((prefix, parameters.strip_prefix(prefix)?.strip_prefix(comma)?))
        })?;
        let cost = Cost::Power(number(rounds).filter(|rounds| (4..=31).contains(rounds))?);
        let salt = BCRYPT_BASE64.decode(fields.next()?).ok()?;
        let digest = BCRYPT_BASE64.decode(fields.next()?).ok()?;
        let whole = fields.next().is_none() && (salt.len(), digest.len()) == (16, bcrypt::DIGEST);
        let format = Format { family: PasswordFamily::PasslibBcryptSha256, prefix, cost };
        whole.then_some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, _| {
        let short = if format.prefix.starts_with("v=2") {
            let mut hmac = Hmac::<Sha256>::new_from_slice(BCRYPT_BASE64.encode(salt).as_bytes()).ok()?;
            hmac.update(password);
            hmac.finalize().into_bytes()
        } else {
            Sha256::digest(password)
        };
        let short = Zeroizing::new(STANDARD.encode(short));
        bcrypt::compute(format.cost, salt, short.as_bytes())
    },
    write: Some(|format, salt, digest| {
        let Cost::Power(cost) = format.cost else { return Made::hash(String::new()) };
        let comma = if format.prefix.starts_with("v=2") { ",r=" } else { "," };
        let (salt, digest) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest));
        Made::hash(format!("$bcrypt-sha256${}{comma}{cost}${salt}${digest}", format.prefix))
    }),
    default: Format {
        family: PasswordFamily::PasslibBcryptSha256,
        prefix: "v=2,t=2b",
        cost: Cost::Power(12),
    },
    most_bytes: None,
    ..bcrypt::PLAIN
};
