//! phpass and WordPress.
//!
//! phpass (Openwall): `$P$` (WordPress before 6.8) or `$H$` (phpBB 3), a character for the logarithm of the rounds,
//! 8 of salt, 22 of digest: MD5, again and again. WordPress 6.8: `$wp` before a bcrypt hash (with `$2y$`) of the
//! base64 of HMAC-SHA384 with the key `wp-sha384`, so that no byte of a long password is lost.
//!
//! WordPress takes white space off a password's ends before it hashes or compares it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha2::Sha384;
use zeroize::Zeroizing;

use super::{
    Made, bcrypt,
    format::{Cost, Format},
    scheme::{CRYPT_ALPHABET, Parts, Salt, Scheme, crypt_base64},
};
use crate::api::password::PasswordFamily;

pub(super) const PHPASS: Scheme = Scheme {
    read: |stored| {
        let prefix = ["$P$", "$H$"].into_iter().find(|prefix| stored.hash.starts_with(prefix))?;
        let text = stored.hash.get(3..).filter(|text| text.len() == 31)?.as_bytes();
        let plain = text.iter().all(|byte| CRYPT_ALPHABET.contains(byte));
        let (cost, text) = text.split_first()?;
        let cost = (0..).zip(CRYPT_ALPHABET).find(|(_, byte)| *byte == cost).map(|(cost, _)| cost)?;
        let (salt, digest) = text.split_at_checked(8)?;
        let valid = plain && (7..=30).contains(&cost);
        let format = Format { family: PasswordFamily::Phpass, prefix, cost: Cost::Power(cost) };
        valid.then(|| Parts { format, salt: salt.to_vec(), digest: digest.to_vec() })
    },
    derive: |format, salt, password, _| {
        let Cost::Power(cost) = format.cost else { return None };
        let mut digest = Md5::new().chain_update(salt).chain_update(password).finalize();
        for _ in 0..1u32.checked_shl(cost)? {
            digest = Md5::new().chain_update(digest).chain_update(password).finalize();
        }
        Some(Zeroizing::new(crypt_base64(&digest).into_bytes()))
    },
    write: Some(|format, salt, digest| {
        let Cost::Power(cost) = format.cost else { return Made::hash(String::new()) };
        let cost =
            (0..).zip(CRYPT_ALPHABET).find(|(number, _)| *number == cost).map_or(b'.', |(_, byte)| *byte);
        let (salt, digest) = (String::from_utf8_lossy(salt), String::from_utf8_lossy(digest));
        Made::hash(format!("{}{}{salt}{digest}", format.prefix, char::from(cost)))
    }),
    salt: Salt::Text(8, CRYPT_ALPHABET),
    digest: 22,
    // WordPress's.
    default: Format { family: PasswordFamily::Phpass, prefix: "$P$", cost: Cost::Power(13) },
    floor: Cost::Power(13),
    most_bytes: None,
};

pub(super) const WORDPRESS: Scheme = Scheme {
    read: |stored| {
        let (prefix, cost, salt, digest) = bcrypt::parts(stored.hash.strip_prefix("$wp")?)?;
        let format = Format { family: PasswordFamily::WordPressBcrypt, prefix: "$wp$2y$", cost };
        (prefix == "$2y$").then_some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, _| {
        let mut hmac = Hmac::<Sha384>::new_from_slice(b"wp-sha384").ok()?;
        hmac.update(trimmed(password));
        let short = Zeroizing::new(STANDARD.encode(hmac.finalize().into_bytes()));
        bcrypt::compute(format.cost, salt, short.as_bytes())
    },
    default: Format { family: PasswordFamily::WordPressBcrypt, prefix: "$wp$2y$", cost: Cost::Power(10) },
    most_bytes: None,
    ..bcrypt::PLAIN
};

/// Without what PHP's `trim` takes off.
fn trimmed(password: &[u8]) -> &[u8] {
    let blank = |byte: &u8| b" \t\n\r\0\x0b".contains(byte);
    let start = password.iter().position(|byte| !blank(byte)).unwrap_or(password.len());
    let end = password.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    password.get(start..end).unwrap_or_default()
}
