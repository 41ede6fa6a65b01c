//! SHA-crypt (Drepper, "Unix crypt using SHA-256 and SHA-512"): `$5$` and `$6$`, of crypt(3) and passlib.

use sha_crypt::{Params, sha256_crypt, sha512_crypt};
use zeroize::Zeroizing;

use super::{
    Made,
    format::{Cost, Format},
    scheme::{CRYPT_ALPHABET, Parts, Salt, Scheme, crypt_base64, number},
};
use crate::api::password::PasswordFamily;

/// The rounds where none are named.
const IMPLICIT: u32 = 5_000;

pub(super) const SHA256: Scheme = Scheme {
    read: |stored| read(PasswordFamily::Sha256Crypt, "$5$", 43, stored.hash),
    derive: |format, salt, password, _| {
        let digest = Zeroizing::new(sha256_crypt(password, salt, params(format.cost)?));
        // Bytes are taken from three places at a time, and from other ones each time.
        let order = (0..10).flat_map(|at| turned([at + 20, at + 10, at], 3 - at % 3)).chain([30, 31]);
        text(&*digest, order)
    },
    write: Some(|format, salt, digest| write("$5$", format.cost, salt, digest)),
    salt: Salt::Text(16, CRYPT_ALPHABET),
    digest: 43,
    // passlib's default.
    default: Format { family: PasswordFamily::Sha256Crypt, prefix: "", cost: Cost::Rounds(535_000) },
    floor: Cost::Rounds(535_000),
    most_bytes: None,
};

pub(super) const SHA512: Scheme = Scheme {
    read: |stored| read(PasswordFamily::Sha512Crypt, "$6$", 86, stored.hash),
    derive: |format, salt, password, _| {
        let digest = Zeroizing::new(sha512_crypt(password, salt, params(format.cost)?));
        let order = (0..21).flat_map(|at| turned([at + 42, at + 21, at], at % 3)).chain([63]);
        text(&*digest, order)
    },
    write: Some(|format, salt, digest| write("$6$", format.cost, salt, digest)),
    digest: 86,
    default: Format { family: PasswordFamily::Sha512Crypt, prefix: "", cost: Cost::Rounds(656_000) },
    floor: Cost::Rounds(656_000),
    ..SHA256
};

fn params(cost: Cost) -> Option<Params> {
    let Cost::Rounds(rounds) = cost else { return None };
    Params::new(rounds).ok()
}

/// Three places, the last ones first so many times.
fn turned(mut places: [usize; 3], times: usize) -> [usize; 3] {
    places.rotate_right(times % 3);
    places
}

/// The text of a digest whose bytes are taken in an order of their own.
fn text(digest: &[u8], order: impl Iterator<Item = usize>) -> Option<Zeroizing<Vec<u8>>> {
    let bytes: Option<Vec<u8>> = order.map(|place| digest.get(place).copied()).collect();
    Some(Zeroizing::new(crypt_base64(&bytes?).into_bytes()))
}

fn read(family: PasswordFamily, start: &str, length: usize, hash: &str) -> Option<Parts> {
    let rest = hash.strip_prefix(start)?;
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$')?;
            (number(rounds)?, rest)
        }
        None => (IMPLICIT, rest),
    };
    let (salt, digest) = rest.split_once('$')?;
    let plain = |text: &str| text.bytes().all(|byte| CRYPT_ALPHABET.contains(&byte));
    let whole = plain(salt) && salt.len() <= 16 && plain(digest) && digest.len() == length;
    let format = Format { family, prefix: "", cost: Cost::Rounds(rounds) };
    let valid = whole && Params::new(rounds).is_ok();
    valid.then_some(Parts { format, salt: salt.as_bytes().to_vec(), digest: digest.as_bytes().to_vec() })
}

fn write(start: &str, cost: Cost, salt: &[u8], digest: &[u8]) -> Made {
    let (salt, digest) = (String::from_utf8_lossy(salt), String::from_utf8_lossy(digest));
    Made::hash(match cost {
        Cost::Rounds(IMPLICIT) => format!("{start}{salt}${digest}"),
        Cost::Rounds(rounds) => format!("{start}rounds={rounds}${salt}${digest}"),
        _ => String::new(),
    })
}
