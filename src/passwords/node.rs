//! scrypt as apps of Node store it.
//!
//! better-auth 1 and Lucia 3: `salt:key`, 16 bytes of salt whose hexadecimal digits are used as text, 64 of key,
//! N = 16384, r = 16, p = 1, the password in Unicode's form NFKC. By hand, with the defaults of Node's
//! `crypto.scrypt`: the same with r = 8 and the password as it is, also as `key.salt`. Neither text tells r, so what
//! looks like the first may be the second.
//!
//! Medusa 2: base64 of what scrypt-kdf makes, 96 bytes in the file header of Percival's scrypt: `scrypt`, 0, log N,
//! r, p, salt, a checksum, and HMAC-SHA256 over all that.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{
    Made,
    format::{Cost, Format},
    scheme::{self, Parts, Salt, Scheme, hex, lower_hex},
};
use crate::api::password::PasswordFamily;

/// What new salts are made of: 16 bytes as hexadecimal digits.
const SALT: Salt = Salt::Text(32, b"0123456789abcdef");

const BETTER_AUTH_COST: Cost = Cost::Scrypt { log_n: 14, r: 16, p: 1 };
const NODE_COST: Cost = Cost::Scrypt { log_n: 14, r: 8, p: 1 };

pub(super) const BETTER_AUTH: Scheme = Scheme {
    read: |stored| {
        let (salt, digest) = stored.hash.split_once(':')?;
        let format = Format { family: PasswordFamily::BetterAuthScrypt, prefix: "", cost: BETTER_AUTH_COST };
        pair(format, salt, digest).filter(|parts| parts.salt.len() == 32)
    },
    derive: |format, salt, password, length| {
        let text = std::str::from_utf8(password).ok()?;
        let normal = Zeroizing::new(text.nfkc().collect::<String>());
        scheme::scrypt(format.cost, salt, normal.as_bytes(), length)
    },
    write: Some(|_, salt, digest| Made::hash(format!("{}:{}", String::from_utf8_lossy(salt), hex(digest)))),
    salt: SALT,
    digest: 64,
    default: Format { family: PasswordFamily::BetterAuthScrypt, prefix: "", cost: BETTER_AUTH_COST },
    floor: BETTER_AUTH_COST,
    most_bytes: None,
};

/// Prefixes of what was written by hand: the order of its two parts.
const SALT_FIRST: &str = "salt:key";
const KEY_FIRST: &str = "key.salt";

pub(super) const NODE: Scheme = Scheme {
    read: |stored| {
        let format = |prefix| Format { family: PasswordFamily::NodeScrypt, prefix, cost: NODE_COST };
        match (stored.hash.split_once(':'), stored.hash.split_once('.')) {
            (Some((salt, digest)), None) => pair(format(SALT_FIRST), salt, digest),
            (None, Some((digest, salt))) => pair(format(KEY_FIRST), salt, digest),
            _ => None,
        }
    },
    derive: |format, salt, password, length| scheme::scrypt(format.cost, salt, password, length),
    write: Some(|format, salt, digest| {
        let (salt, digest) = (String::from_utf8_lossy(salt), hex(digest));
        Made::hash(if format.prefix == KEY_FIRST {
            format!("{digest}.{salt}")
        } else {
            format!("{salt}:{digest}")
        })
    }),
    default: Format { family: PasswordFamily::NodeScrypt, prefix: SALT_FIRST, cost: NODE_COST },
    floor: NODE_COST,
    ..BETTER_AUTH
};

/// Salt and digest of hexadecimal digits; the salt counts as text.
fn pair(format: Format, salt: &str, digest: &str) -> Option<Parts> {
    let digest = lower_hex(digest).filter(|digest| digest.len() == 64)?;
    let salt = lower_hex(salt).filter(|bytes| (8..=64).contains(&bytes.len())).map(|_| salt)?;
    Some(Parts { format, salt: salt.as_bytes().to_vec(), digest })
}

pub(super) const MEDUSA: Scheme = Scheme {
    read: |stored| {
        let bytes = STANDARD.decode(stored.hash).ok().filter(|bytes| bytes.len() == 96)?;
        let (&[b's', b'c', b'r', b'y', b'p', b't', 0, log_n], rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let (r, rest) = rest.split_first_chunk()?;
        let (p, rest) = rest.split_first_chunk()?;
        let (salt, _) = rest.split_at_checked(32)?;
        let cost = scheme::scrypt_cost(log_n.into(), u32::from_be_bytes(*r), u32::from_be_bytes(*p))?;
        let format = Format { family: PasswordFamily::MedusaScrypt, prefix: "", cost };
        let whole = bytes.starts_with(&header(cost, salt)?);
        whole.then(|| Parts {
            format,
            salt: salt.to_vec(),
            digest: bytes.get(64..).unwrap_or_default().to_vec(),
        })
    },
    derive: |format, salt, password, _| {
        let key = scheme::scrypt(format.cost, salt, password, 64)?;
        let mut hmac = Hmac::<Sha256>::new_from_slice(key.get(32..)?).ok()?;
        hmac.update(&header(format.cost, salt)?);
        Some(Zeroizing::new(hmac.finalize().into_bytes().to_vec()))
    },
    write: Some(|format, salt, digest| {
        let mut bytes = header(format.cost, salt).unwrap_or_default();
        bytes.extend(digest);
        Made::hash(STANDARD.encode(bytes))
    }),
    salt: Salt::Bytes(32),
    digest: 32,
    default: Format {
        family: PasswordFamily::MedusaScrypt,
        prefix: "",
        cost: Cost::Scrypt { log_n: 15, r: 8, p: 1 },
    },
    floor: Cost::Scrypt { log_n: 15, r: 8, p: 1 },
    most_bytes: None,
};

/// The first 64 bytes: all but the HMAC.
fn header(cost: Cost, salt: &[u8]) -> Option<Vec<u8>> {
    let Cost::Scrypt { log_n, r, p } = cost else { return None };
    let mut bytes = b"scrypt\0".to_vec();
    bytes.push(u8::try_from(log_n).ok()?);
    bytes.extend(r.to_be_bytes());
    bytes.extend(p.to_be_bytes());
    bytes.extend(salt);
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum.get(..16)?);
    Some(bytes)
}
