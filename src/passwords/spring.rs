//! Spring Security's `DelegatingPasswordEncoder`: an id in braces, then what that encoder writes. The parameters of
//! PBKDF2 do not stand in the text: the id fixes them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Made, argon2, bcrypt,
    format::{Cost, Format},
    scheme::{self, Parts, Prf, Salt, Scheme, hex, lower_hex},
};
use crate::api::password::PasswordFamily;

pub(super) const BCRYPT: Scheme = Scheme {
    read: |stored| {
        let rest = stored.hash.strip_prefix("{bcrypt}")?;
        let (plain, cost, salt, digest) = bcrypt::parts(rest)?;
        let prefixes = ["{bcrypt}$2a$", "{bcrypt}$2b$", "{bcrypt}$2y$"];
        let prefix = prefixes.into_iter().find(|prefix| prefix.ends_with(plain))?;
        Some(Parts { format: Format { family: PasswordFamily::SpringBcrypt, prefix, cost }, salt, digest })
    },
    default: Format { family: PasswordFamily::SpringBcrypt, prefix: "{bcrypt}$2a$", cost: Cost::Power(10) },
    ..bcrypt::PLAIN
};

/// Prefixes of argon2: `Argon2PasswordEncoder.defaultsForSpringSecurity_v5_8` writes argon2id, as `v5_2` does.
const ARGON2_PREFIXES: [&str; 2] = ["{argon2@SpringSecurity_v5_8}$argon2id$", "{argon2}$argon2id$"];

pub(super) const ARGON2: Scheme = Scheme {
    read: |stored| {
        ARGON2_PREFIXES
            .into_iter()
            .find_map(|prefix| argon2::read(PasswordFamily::SpringArgon2, prefix, prefix, stored.hash))
    },
    write: Some(|format, salt, digest| Made::hash(argon2::text(format.prefix, format.cost, salt, digest))),
    default: Format {
        family: PasswordFamily::SpringArgon2,
        prefix: ARGON2_PREFIXES[0],
        cost: Cost::Argon2 { memory: 19_456, passes: 2, lanes: 1 },
    },
    ..argon2::ARGON2ID
};

/// Ids of PBKDF2: id, rounds, bytes of salt. Without a version it is SHA-1, since 5.8 SHA-256.
const PBKDF2_IDS: [(&str, u32, usize); 2] =
    [("{pbkdf2@SpringSecurity_v5_8}", 310_000, 16), ("{pbkdf2}", 185_000, 8)];

/// Salt and digest one after the other, in hexadecimal digits.
pub(super) const PBKDF2: Scheme = Scheme {
    read: |stored| {
        let (prefix, rounds, length) = PBKDF2_IDS.into_iter().find(|(id, ..)| stored.hash.starts_with(id))?;
        let bytes = lower_hex(stored.hash.strip_prefix(prefix)?)?;
        let (salt, digest) = bytes.split_at_checked(length).filter(|(_, digest)| digest.len() == 32)?;
        let format = Format { family: PasswordFamily::SpringPbkdf2, prefix, cost: Cost::Rounds(rounds) };
        Some(Parts { format, salt: salt.to_vec(), digest: digest.to_vec() })
    },
    derive: |format, salt, password, length| {
        let prf = if format.prefix == PBKDF2_IDS[0].0 { Prf::Sha256 } else { Prf::Sha1 };
        scheme::pbkdf2(prf, format.cost, salt_of(format, salt), password, length)
    },
    write: Some(|format, salt, digest| {
        Made::hash(format!("{}{}{}", format.prefix, hex(salt_of(format, salt)), hex(digest)))
    }),
    salt: Salt::Bytes(16),
    digest: 32,
    default: Format {
        family: PasswordFamily::SpringPbkdf2,
        prefix: PBKDF2_IDS[0].0,
        cost: Cost::Rounds(310_000),
    },
    // Another number would not be read.
    floor: Cost::Rounds(1),
    most_bytes: None,
};

/// As much of a salt as the id of PBKDF2 has.
fn salt_of<'a>(format: &Format, salt: &'a [u8]) -> &'a [u8] {
    let known = PBKDF2_IDS.into_iter().find(|(id, ..)| *id == format.prefix);
    known.and_then(|(.., length)| salt.get(..length)).unwrap_or(salt)
}

const SCRYPT_IDS: [&str; 2] = ["{scrypt@SpringSecurity_v5_8}", "{scrypt}"];

/// `$<hexadecimal log N, r, p>$<salt>$<digest>` after the id.
pub(super) const SCRYPT: Scheme = Scheme {
    read: |stored| {
        let prefix = SCRYPT_IDS.into_iter().find(|id| stored.hash.starts_with(id))?;
        let mut fields = stored.hash.strip_prefix(prefix)?.strip_prefix('$')?.split('$');
        let parameters = fields.next().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let parameters = u32::from_str_radix(parameters, 16).ok()?;
        let salt = STANDARD.decode(fields.next()?).ok()?;
        let digest = STANDARD.decode(fields.next()?).ok()?;
        let whole = fields.next().is_none() && digest.len() == 32 && !salt.is_empty();
        let cost = scheme::scrypt_cost(parameters >> 16, parameters >> 8 & 0xff, parameters & 0xff)?;
        let format = Format { family: PasswordFamily::SpringScrypt, prefix, cost };
        whole.then_some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, length| scheme::scrypt(format.cost, salt, password, length),
    write: Some(|format, salt, digest| {
        let Cost::Scrypt { log_n, r, p } = format.cost else { return Made::hash(String::new()) };
        let parameters = log_n << 16 | (r & 0xff) << 8 | p & 0xff;
        let (salt, digest) = (STANDARD.encode(salt), STANDARD.encode(digest));
        Made::hash(format!("{}${parameters:x}${salt}${digest}", format.prefix))
    }),
    salt: Salt::Bytes(16),
    digest: 32,
    default: Format {
        family: PasswordFamily::SpringScrypt,
        prefix: SCRYPT_IDS[0],
        cost: Cost::Scrypt { log_n: 16, r: 8, p: 1 },
    },
    floor: Cost::Scrypt { log_n: 14, r: 8, p: 1 },
    most_bytes: None,
};
