//! What an algorithm is made of: its family, its hash, its name, its signature's length.

use crate::api::spec::Algorithm;

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// A shared secret (RFC 7518 section 3.2).
    Hmac,
    /// RSASSA-PKCS1-v1_5 (RFC 7518 section 3.3).
    Rsa,
    /// RSASSA-PSS (RFC 7518 section 3.5).
    Pss,
    /// ECDSA on P-256 (RFC 7518 section 3.4).
    P256,
    /// ECDSA on P-384 (RFC 7518 section 3.4).
    P384,
    /// Ed25519 (RFC 8037 section 3.1).
    Ed25519,
}

impl Family {
    /// The key that it needs, in words.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Hmac => "a shared secret",
            Self::Rsa | Self::Pss => "an RSA key",
            Self::P256 => "an EC key on P-256",
            Self::P384 => "an EC key on P-384",
            Self::Ed25519 => "an Ed25519 key",
        }
    }

    /// Length of a signature in bytes; `None` where the key decides.
    pub(super) fn signature_bytes(self) -> Option<usize> {
        match self {
            Self::P256 | Self::Ed25519 => Some(64),
            Self::P384 => Some(96),
            Self::Hmac | Self::Rsa | Self::Pss => None,
        }
    }
}

pub(super) fn family(algorithm: Algorithm) -> Family {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Family::Hmac,
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => Family::Rsa,
        Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => Family::Pss,
        Algorithm::ES256 => Family::P256,
        Algorithm::ES384 => Family::P384,
        Algorithm::EdDSA => Family::Ed25519,
    }
}

/// Whether it signs with a private key and verifies with a public one.
pub(super) fn is_asymmetric(algorithm: Algorithm) -> bool {
    family(algorithm) != Family::Hmac
}

/// The output length of the algorithm's hash function in bytes.
pub(super) fn hash_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS256 | Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => 32,
        Algorithm::HS384 | Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => 48,
        Algorithm::HS512 | Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => 64,
    }
}

/// The algorithms that an RSA key can sign with.
pub(super) const OF_RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The HMAC algorithm that a header names.
pub(super) fn hmac(name: &str) -> Option<Algorithm> {
    [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]
        .into_iter()
        .find(|one| algorithm_name(*one) == name)
}

/// The algorithm that a header names, where it is one that is supported.
pub(super) fn named_algorithm(name: &str) -> Option<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA]
        .into_iter()
        .find(|one| algorithm_name(*one) == name)
}

/// The HMAC algorithm with the same hash, which a forger would take.
pub(super) fn hmac_like(algorithm: Algorithm) -> Algorithm {
    match hash_bytes(algorithm) {
        48 => Algorithm::HS384,
        64 => Algorithm::HS512,
        _ => Algorithm::HS256,
    }
}

/// The library's name for an algorithm.
pub(super) fn library_algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::HS384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::HS512 => jsonwebtoken::Algorithm::HS512,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// The name of an algorithm in a token's header (RFC 7518 section 3.1).
pub(super) fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::HS384 => "HS384",
        Algorithm::HS512 => "HS512",
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
    }
}
