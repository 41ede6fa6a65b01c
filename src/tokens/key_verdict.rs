//! What is wrong with a token that concerns key pairs, key ids and the other keys of a set.

use crate::{api::spec::Algorithm, tokens::text::shown};

use super::algorithm::algorithm_name;

/// The part of a [`Verdict`](super::Verdict) that only key pairs, key ids and sets of keys bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyVerdict {
    /// An HMAC made with the public key: a forgery (RFC 8725 section 2.1).
    KeyConfusion {
        /// What the header says.
        found: Algorithm,
        /// What the app verifies.
        expected: Algorithm,
    },
    /// Signed by a key that is published and should sign nothing yet.
    SignedByStandbyKey {
        /// Its key id.
        id: Option<String>,
    },
    /// Signed by a key of `revokedKeyIds`.
    SignedByRevokedKey {
        /// Its key id.
        id: Option<String>,
    },
    /// Signed by a previous key (or one that is published and signs nothing yet) as another program stores or
    /// decodes it.
    SignedByPreviousVariant {
        /// How it differs, to complete "the key that signed it ...".
        how: &'static str,
    },
    /// Signed by a key of `revokedKeyIds` as another program stores or decodes it.
    SignedByRevokedVariant {
        /// How it differs, to complete "the key that signed it ...".
        how: &'static str,
    },
    /// The key id of the header names none of the keys.
    KeyIdUnknown {
        /// The key id.
        id: String,
        /// Whether one of the keys made the signature all the same.
        signed: bool,
    },
    /// The signing key made it and has no key id in the JWKS, and the header names one.
    KeyHasNoId {
        /// The key id of the header.
        id: String,
    },
    /// The key id of the header names another key than the one that made the signature.
    KeyIdOfAnother {
        /// The key id.
        id: String,
        /// That of the key that made it, where it has one.
        signer: Option<String>,
    },
    /// The right key, and another algorithm than the header says.
    SignedWithOtherAlgorithm {
        /// What the signature is made with.
        found: Algorithm,
        /// What the header says.
        expected: Algorithm,
    },
    /// There is no key to check the signature with.
    KeyUnusable {
        /// Why, in one sentence.
        why: String,
    },
}

impl KeyVerdict {
    /// Its name for programs.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::KeyConfusion { .. } => "KeyConfusion",
            Self::SignedByStandbyKey { .. } => "SignedByStandbyKey",
            Self::SignedByRevokedKey { .. } => "SignedByRevokedKey",
            Self::SignedByPreviousVariant { .. } | Self::SignedByRevokedVariant { .. } => {
                "SignedByKeyVariant"
            }
            Self::KeyIdUnknown { .. } | Self::KeyHasNoId { .. } => "KeyIdUnknown",
            Self::KeyIdOfAnother { .. } => "KeyIdOfAnother",
            Self::SignedWithOtherAlgorithm { .. } => "SignedWithOtherAlgorithm",
            Self::KeyUnusable { .. } => "KeyUnusable",
        }
    }

    /// One plain sentence: what is so.
    pub fn message(&self) -> String {
        let called =
            |id: &Option<String>| id.as_ref().map(|id| format!(" (kid {})", shown(id))).unwrap_or_default();
        match self {
            Self::KeyConfusion { found, expected } => format!(
                "the token is a forgery: it says {} and was signed with the public key as if that were a secret, which an app that verifies {} must never accept",
                algorithm_name(*found),
                algorithm_name(*expected)
            ),
            Self::SignedByStandbyKey { id } => {
                format!("the token was signed by a standby key{}, which should sign nothing yet", called(id))
            }
            Self::SignedByRevokedKey { id } => format!("the token was signed by a revoked key{}", called(id)),
            Self::SignedByPreviousVariant { how } => format!(
                "the token was signed by a previous key, stored differently: the key that signed it {how}"
            ),
            Self::SignedByRevokedVariant { how } => format!(
                "the token was signed by a revoked key, stored differently: the key that signed it {how}"
            ),
            Self::KeyIdUnknown { id, signed: true } => format!(
                "the token names the key id {}, which none of the keys has: it was signed by the signing key, and a verifier that looks keys up refuses it",
                shown(id)
            ),
            Self::KeyIdUnknown { id, signed: false } => format!(
                "the token names the key id {}, which none of the keys has, and none of them signed it",
                shown(id)
            ),
            Self::KeyHasNoId { id } => format!(
                "the token names the key id {}, and the signing key, which signed it, has no kid in the JWKS: a verifier that looks keys up finds none",
                shown(id)
            ),
            Self::KeyIdOfAnother { id, signer } => format!(
                "the token names the key id {} and was signed by {}: a verifier that looks keys up takes the wrong one",
                shown(id),
                match signer {
                    Some(signer) => format!("the key {}", shown(signer)),
                    None => "the signing key, which has none".into(),
                }
            ),
            Self::SignedWithOtherAlgorithm { found, expected } => format!(
                "the token says {} and was signed by the right key with {}",
                algorithm_name(*expected),
                algorithm_name(*found)
            ),
            Self::KeyUnusable { why } => format!("the signature cannot be checked: {why}"),
        }
    }

    /// What to do about it, in one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::KeyConfusion { .. } => {
                "Treat it as an attack: find out who sent it, and make sure that the app names the algorithms that it accepts instead of taking the token's."
            }
            Self::SignedByStandbyKey { .. } => {
                "Find the program that signs with it too early, or make it the current key (spec.jwt.keyId) once every verifier knows it."
            }
            Self::SignedByRevokedKey { .. } => {
                "Sign in again; if the token is younger than the revocation, somebody still signs with that key: treat it as an attack."
            }
            Self::SignedByPreviousVariant { .. } => {
                "Sign in again; where old tokens are to be accepted still, give the verifiers the previous key in the form in which it signed: the exact bytes count."
            }
            Self::SignedByRevokedVariant { .. } => {
                "Sign in again; if the token is younger than the revocation, somebody still signs with that key: treat it as an attack."
            }
            Self::KeyIdUnknown { signed: true, .. } => {
                "Let whoever mints write the kid that the key has in the JWKS, and compare both."
            }
            Self::KeyIdUnknown { signed: false, .. } => {
                "Look at who issued it (iss): it may be of another provider or app; else sign in again, and if new tokens fail too, the app signs with a key that is not in this JWKS: add its public part, or compare the environments."
            }
            Self::KeyHasNoId { .. } => {
                "Give the key in the JWKS the kid that the token names, there and where the JWKS is published."
            }
            Self::KeyIdOfAnother { .. } => {
                "Let whoever mints write the kid of the key that it signs with: after a rotation both must change together."
            }
            Self::SignedWithOtherAlgorithm { .. } => {
                "Let the program that signs write the algorithm into the header that it signs with."
            }
            Self::KeyUnusable { .. } => {
                "Correct what is stored as the signing key: `auth-consistency key audit` says what is wrong with it."
            }
        }
    }
}
