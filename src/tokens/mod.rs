//! JSON Web Tokens (RFC 7519) signed with HMAC (RFC 7515, RFC 7518): keys, mint, inspect, explain.
//!
//! Everything here is a calculation on what the caller hands in; time is a parameter. Minting a
//! forgery draws random bytes from the operating system. A key or a token never stands in an error,
//! in `Debug` or in a message; claims do where a person asked to see them.

mod audit;
mod explain;
mod inspect;
mod keys;
mod material;
mod mint;
mod placeholders;
mod shape;
mod variants;
mod verdict;

pub use audit::{KeyWeakness, audit};
pub use explain::{Step, Verification, explain};
pub use inspect::{Inspection, MAX_TOKEN_BYTES, NotAToken, Stripped, bare, inspect};
pub use keys::{KeyError, Keyring, SigningKey, fingerprint};
pub use mint::{Forgery, MintError, forge, mint};
pub use shape::{SubjectClaim, SubjectClaimError, TokenShape};
pub(crate) use verdict::span;
pub use verdict::{Account, SubjectFacts, Verdict};

use crate::api::spec::Algorithm;

/// Chooses the cryptography of this process for tokens. Any number of calls is as good as one, and
/// minting and explaining call it themselves.
///
/// `jsonwebtoken` would choose by its own features at the first use, and cannot when another crate
/// of the build switches a second one on.
pub fn install_crypto() {
    // An error says that a choice was made before, which is what was wanted.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

/// The library's name for an algorithm.
fn library_algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::HS384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::HS512 => jsonwebtoken::Algorithm::HS512,
    }
}

/// The name of an algorithm in a token's header (RFC 7518 section 3.1).
fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::HS384 => "HS384",
        Algorithm::HS512 => "HS512",
    }
}

#[cfg(test)]
mod canary;
