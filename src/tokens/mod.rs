//! JSON Web Tokens (RFC 7519) signed with HMAC, RSA, ECDSA or Ed25519 (RFC 7515, RFC 7518, RFC 8037):
//! keys and sets of them, mint, inspect, explain.
//!
//! Everything here is a calculation on what the caller hands in; time is a parameter. Minting a
//! forgery draws random bytes from the operating system. A key or a token never stands in an error,
//! in `Debug` or in a message; claims do where a person asked to see them.

mod algorithm;
mod audit;
pub mod crypto;
mod der;
mod explain;
mod inspect;
mod jwk;
mod key_verdict;
mod keys;
mod keyset;
mod kinds;
mod material;
mod mint;
mod pair;
mod pem;
mod placeholders;
mod readings;
mod remedy;
mod shape;
mod signature;
mod stripped;
mod subject;
pub mod text;
mod time_verdict;
mod unfit;
mod unsent;
mod variants;
mod verdict;

pub(crate) use crate::tokens::text::span;
pub use audit::{KeyWeakness, Part, audit, audit_part};
pub use explain::{Step, Verification, explain};
pub use inspect::{Inspection, MAX_TOKEN_BYTES, NotAToken, bare, inspect};
pub use key_verdict::KeyVerdict;
pub use keys::{KeyError, Keyring, SigningKey, fingerprint};
pub(crate) use keys::{Print, print, slow_fingerprint};
pub use keyset::{KeyIds, KeySet};
pub use mint::{Forgery, MintError, confuse, forge, mint, never_mints};
pub use shape::{Accepted, SubjectClaim, SubjectClaimError, TokenShape};
pub use stripped::Stripped;
pub use subject::{Account, SubjectFacts};
pub use time_verdict::TimeVerdict;
pub use unfit::{MAX_KEY_BYTES, MAX_KEYS, Oddity, PemLayout, Unfit};
pub use variants::{likely_variants, read_otherwise, variant_of_fingerprint};
pub use verdict::{Signer, Verdict};

#[cfg(test)]
mod canary;
