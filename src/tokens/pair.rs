//! A key pair, or its public half: what verifies with it, what signs, and the forms in which its public
//! half lies about where somebody could take it for a secret.

use crate::{api::spec::Algorithm, tokens::crypto::install_crypto};

use std::sync::Arc;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, Jwk},
};
use sha2::{Digest as _, Sha256};

use super::{
    algorithm::{Family, library_algorithm},
    der::{self, Curve, Private, Public},
    inspect::Signed,
    unfit::Unfit,
};

/// The least bits of an RSA key (RFC 7518 section 3.3); the library neither signs nor verifies with fewer.
pub(super) const MIN_RSA_BITS: usize = 2048;

/// A key pair, or its public half alone. `Debug` is left out, as for every key.
pub(super) struct Pair {
    public: Public,
    verifying: DecodingKey,
    signing: Option<EncodingKey>,
    /// The document that it was read from, where all of that is public. The keys of a set share it.
    pub(super) stored: Option<Arc<[u8]>>,
}

const NOT_A_PAIR: Unfit = Unfit::Broken { why: "its private and its public part do not belong together" };

impl Pair {
    pub(super) fn of_public(public: Public) -> Self {
        let verifying = match &public {
            Public::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Public::Ec { x, y, .. } => DecodingKey::from_ec_der(&[&[4], x.as_slice(), y].concat()),
            Public::Ed25519(x) => DecodingKey::from_ed_der(x),
        };
        Self { public, verifying, signing: None, stored: None }
    }

    /// The pair of a private key. Its public half is calculated, and `said` must be the same.
    pub(super) fn of_private(private: Private, said: Option<&Public>) -> Result<Self, Unfit> {
        let (signing, public) = match private {
            Private::Rsa(pkcs1) => {
                let public = der::rsa_public(&pkcs1)?;
                let signing = EncodingKey::from_rsa_der(&pkcs1);
                // The library reads no smaller ones.
                if bits(&public) >= Some(MIN_RSA_BITS) {
                    parameters(&signing, Algorithm::RS256)?;
                }
                (signing, public)
            }
            Private::Ec { curve, pkcs8, public: beside } => {
                let signing = EncodingKey::from_ec_der(&pkcs8);
                let algorithm = match curve {
                    Curve::P256 => Algorithm::ES256,
                    Curve::P384 => Algorithm::ES384,
                };
                let AlgorithmParameters::EllipticCurve(point) = parameters(&signing, algorithm)? else {
                    return Err(NOT_A_PAIR);
                };
                let (x, y) = (decoded(&point.x)?, decoded(&point.y)?);
                if beside.is_some_and(|beside| beside.get(1..) != Some(&[x.as_slice(), &y].concat())) {
                    return Err(NOT_A_PAIR);
                }
                (signing, Public::Ec { curve, x, y })
            }
            Private::Ed25519(pkcs8) => {
                let signing = EncodingKey::from_ed_der(&pkcs8);
                let AlgorithmParameters::OctetKeyPair(point) = parameters(&signing, Algorithm::EdDSA)? else {
                    return Err(NOT_A_PAIR);
                };
                (signing, Public::Ed25519(decoded(&point.x)?))
            }
        };
        if said.is_some_and(|said| *said != public) {
            return Err(NOT_A_PAIR);
        }
        Ok(Self { signing: Some(signing), ..Self::of_public(public) })
    }

    /// Whether an algorithm of this family works with it.
    pub(super) fn fits(&self, family: Family) -> bool {
        match &self.public {
            Public::Rsa { .. } => matches!(family, Family::Rsa | Family::Pss),
            Public::Ec { curve: Curve::P256, .. } => family == Family::P256,
            Public::Ec { curve: Curve::P384, .. } => family == Family::P384,
            Public::Ed25519(_) => family == Family::Ed25519,
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.public {
            Public::Rsa { .. } => "an RSA key",
            Public::Ec { curve: Curve::P256, .. } => "an EC key on P-256",
            Public::Ec { curve: Curve::P384, .. } => "an EC key on P-384",
            Public::Ed25519(_) => "an Ed25519 key",
        }
    }

    /// Bits of the modulus; `None` for keys of other kinds.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        bits(&self.public)
    }

    /// The private half, where there is one.
    pub(super) fn signing(&self) -> Option<&EncodingKey> {
        self.signing.as_ref()
    }

    /// Whether it made the signature. What the library cannot read is not signed.
    pub(super) fn verifies(&self, signed: &Signed, algorithm: Algorithm) -> bool {
        let algorithm = library_algorithm(algorithm);
        jsonwebtoken::crypto::verify(&signed.signature, signed.message.as_bytes(), &self.verifying, algorithm)
            .unwrap_or(false)
    }

    /// What it is known by: SPKI of the public half.
    pub(super) fn spki(&self) -> Vec<u8> {
        der::write_spki(&self.public)
    }

    /// The public half in PEM, with a line break at its end, as OpenSSL writes it.
    pub(super) fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    /// The members of the JWK that RFC 7638 section 3 has, in its order and without white space.
    fn jwk(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.public {
            Public::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Public::Ec { curve, x, y } => {
                let curve = match curve {
                    Curve::P256 => "P-256",
                    Curve::P384 => "P-384",
                };
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
            }
            Public::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
        }
    }

    /// The JWK thumbprint (RFC 7638) with SHA-256 in base64url.
    pub(super) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.jwk()))
    }

    /// The bytes that an app could take for a secret: the public half in PEM, DER and as a JWK, with and
    /// without what may stand at its end. What is stored comes on top, see [`forms_of`].
    pub(super) fn public_forms(&self) -> Vec<Vec<u8>> {
        let mut forms = Vec::new();
        let pkcs1 = der::write_rsa_public(&self.public);
        let mut texts = vec![self.pem().into_bytes(), self.jwk().into_bytes()];
        if !pkcs1.is_empty() {
            texts.push(pem("RSA PUBLIC KEY", &pkcs1).into_bytes());
            forms.push(pkcs1);
        }
        forms.extend(texts.iter().flat_map(|text| forms_of(text)));
        forms.push(self.spki());
        forms
    }
}

/// The longest document that is kept beside its keys. An app that takes more than this for a secret is
/// none that anybody has seen, and a forger would have to guess every byte of it.
pub(super) const MAX_STORED_BYTES: usize = 64 * 1024;

/// A public document to keep beside its keys, unless it is too long.
pub(super) fn kept(document: &[u8]) -> Option<Arc<[u8]>> {
    (document.len() <= MAX_STORED_BYTES).then(|| Arc::from(document))
}

/// A text as an app may have it: with and without what may stand around it.
pub(super) fn forms_of(text: &[u8]) -> [Vec<u8>; 5] {
    let trimmed = text.trim_ascii_end();
    [
        [trimmed, b"\n"].concat(),
        [trimmed, b"\r\n"].concat(),
        trimmed.trim_ascii_start().to_vec(),
        trimmed.to_vec(),
        text.to_vec(),
    ]
}

fn bits(public: &Public) -> Option<usize> {
    let Public::Rsa { n, .. } = public else { return None };
    let unused = n.first().map_or(0, |first| first.leading_zeros() as usize);
    Some(n.len() * 8 - unused)
}

/// What the library makes of a private key; it checks the key on the way.
fn parameters(signing: &EncodingKey, algorithm: Algorithm) -> Result<AlgorithmParameters, Unfit> {
    install_crypto();
    // Its own words may quote what it was given.
    Jwk::from_encoding_key(signing, library_algorithm(algorithm))
        .map(|jwk| jwk.algorithm)
        .map_err(|_| Unfit::Broken { why: "its numbers make no key" })
}

fn decoded(text: &str) -> Result<Vec<u8>, Unfit> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| NOT_A_PAIR)
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, character) in STANDARD.encode(der).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}
