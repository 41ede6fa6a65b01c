//! The hashes of werkzeug (security.py): method and parameters between colons, then the salt as text and the
//! digest in hexadecimal digits.

use super::{
    Made,
    format::{Cost, Format},
    scheme::{self, ALPHANUMERIC, Parts, Prf, Salt, Scheme, hex, lower_hex, number},
};
use crate::api::password::PasswordFamily;

const SALT: Salt = Salt::Text(16, ALPHANUMERIC);

/// `scrypt:N:r:p$salt$digest`, the default since werkzeug 2.3.
pub(super) const SCRYPT: Scheme = Scheme {
    read: |stored| {
        let (method, salt, digest) = fields(stored.hash)?;
        let mut numbers = method.strip_prefix("scrypt:")?.split(':');
        let log_n = scheme::logarithm(numbers.next()?)?;
        let (r, p) = (number(numbers.next()?)?, number(numbers.next()?)?);
        let whole = numbers.next().is_none() && digest.len() == 64;
        let cost = scheme::scrypt_cost(log_n, r, p)?;
        let format = Format { family: PasswordFamily::WerkzeugScrypt, prefix: "", cost };
        whole.then_some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, length| scheme::scrypt(format.cost, salt, password, length),
    write: Some(|format, salt, digest| {
        let Cost::Scrypt { log_n, r, p } = format.cost else { return Made::hash(String::new()) };
        write(&format!("scrypt:{}:{r}:{p}", 1u64 << log_n), salt, digest)
    }),
    salt: SALT,
    digest: 64,
    default: Format {
        family: PasswordFamily::WerkzeugScrypt,
        prefix: "",
        cost: Cost::Scrypt { log_n: 15, r: 8, p: 1 },
    },
    floor: Cost::Scrypt { log_n: 15, r: 8, p: 1 },
    most_bytes: None,
};

/// `pbkdf2:sha256:rounds$salt$digest`; sha1 and sha512 by the caller's choice.
pub(super) const PBKDF2: Scheme = Scheme {
    read: |stored| {
        let (method, salt, digest) = fields(stored.hash)?;
        let (prefix, rounds) = method.rsplit_once(':')?;
        let (prefix, _, length) = HASHES.into_iter().find(|(name, ..)| *name == prefix)?;
        let cost = Cost::Rounds(number(rounds).filter(|rounds| *rounds > 0)?);
        let format = Format { family: PasswordFamily::WerkzeugPbkdf2, prefix, cost };
        (digest.len() == length).then_some(Parts { format, salt, digest })
    },
    derive: |format, salt, password, _| {
        let (_, prf, length) = HASHES.into_iter().find(|(name, ..)| *name == format.prefix)?;
        scheme::pbkdf2(prf, format.cost, salt, password, length)
    },
    write: Some(|format, salt, digest| {
        let Cost::Rounds(rounds) = format.cost else { return Made::hash(String::new()) };
        write(&format!("{}:{rounds}", format.prefix), salt, digest)
    }),
    salt: SALT,
    digest: 32,
    default: Format {
        family: PasswordFamily::WerkzeugPbkdf2,
        prefix: "pbkdf2:sha256",
        cost: Cost::Rounds(1_000_000),
    },
    floor: Cost::Rounds(600_000),
    most_bytes: None,
};

/// Methods of PBKDF2, and the bytes of their digests.
const HASHES: [(&str, Prf, usize); 3] =
    [("pbkdf2:sha256", Prf::Sha256, 32), ("pbkdf2:sha1", Prf::Sha1, 20), ("pbkdf2:sha512", Prf::Sha512, 64)];

fn fields(hash: &str) -> Option<(&str, Vec<u8>, Vec<u8>)> {
    let mut fields = hash.split('$');
    let (method, salt, digest) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = fields.next().is_none() && !salt.is_empty();
    whole.then_some((method, salt.as_bytes().to_vec(), lower_hex(digest)?))
}

fn write(method: &str, salt: &[u8], digest: &[u8]) -> Made {
    Made::hash(format!("{method}${}${}", String::from_utf8_lossy(salt), hex(digest)))
}
