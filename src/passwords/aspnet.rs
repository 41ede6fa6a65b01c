//! ASP.NET Core Identity (PasswordHasher.cs): base64 of a marker and counted fields.
//!
//! Version 3: 1, then PRF, rounds and the length of the salt (each four bytes, big-endian), salt, subkey.
//! Version 2: 0, 16 bytes of salt, 32 of subkey; 1,000 rounds of SHA-1, which are few, so it is never written.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Made,
    format::{Cost, Format},
    scheme::{self, Parts, Prf, Salt, Scheme},
};
use crate::api::password::PasswordFamily;

/// PRFs in the order of their numbers.
const PRFS: [&str; 3] = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"];

pub(super) const V3: Scheme = Scheme {
    read: |stored| {
        let bytes = STANDARD.decode(stored.hash).ok()?;
        let rest = bytes.strip_prefix(&[1])?;
        let (prf, rest) = word(rest)?;
        let (rounds, rest) = word(rest)?;
        let (length, rest) = word(rest)?;
        let (salt, digest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let prefix = PRFS.get(usize::try_from(prf).ok()?)?;
        // The library reads the rounds as a signed number, and wants 128 bits of either.
        let whole = (1..=i32::MAX as u32).contains(&rounds)
            && (16..=128).contains(&salt.len())
            && (16..=128).contains(&digest.len());
        let format = Format { family: PasswordFamily::AspNetIdentityV3, prefix, cost: Cost::Rounds(rounds) };
        whole.then(|| Parts { format, salt: salt.to_vec(), digest: digest.to_vec() })
    },
    derive: |format, salt, password, length| {
        let prf = [Prf::Sha1, Prf::Sha256, Prf::Sha512].into_iter().zip(PRFS);
        let (prf, _) = prf.into_iter().find(|(_, name)| *name == format.prefix)?;
        scheme::pbkdf2(prf, format.cost, salt, password, length)
    },
    write: Some(|format, salt, digest| {
        let Cost::Rounds(rounds) = format.cost else { return Made::hash(String::new()) };
        let prf = (0u32..).zip(PRFS).find(|(_, prf)| *prf == format.prefix).map_or(0, |(number, _)| number);
        let mut bytes = vec![1];
        for number in [prf, rounds, u32::try_from(salt.len()).unwrap_or_default()] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(salt);
        bytes.extend(digest);
        Made::hash(STANDARD.encode(bytes))
    }),
    salt: Salt::Bytes(16),
    digest: 32,
    // .NET 7 and newer; .NET 6 wrote HMAC-SHA256 with 10,000 rounds.
    default: Format {
        family: PasswordFamily::AspNetIdentityV3,
        prefix: PRFS[2],
        cost: Cost::Rounds(100_000),
    },
    floor: Cost::Rounds(100_000),
    most_bytes: None,
};

pub(super) const V2: Scheme = Scheme {
    read: |stored| {
        let bytes = STANDARD.decode(stored.hash).ok()?;
        let (salt, digest) = bytes.strip_prefix(&[0])?.split_at_checked(16)?;
        let format = Format { family: PasswordFamily::AspNetIdentityV2, prefix: "", cost: V2_ROUNDS };
        (digest.len() == 32).then(|| Parts { format, salt: salt.to_vec(), digest: digest.to_vec() })
    },
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha1, format.cost, salt, password, length),
    write: None,
    default: Format { family: PasswordFamily::AspNetIdentityV2, prefix: "", cost: V2_ROUNDS },
    floor: V2_ROUNDS,
    ..V3
};

const V2_ROUNDS: Cost = Cost::Rounds(1_000);

/// A number of four bytes, and what follows.
fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}
