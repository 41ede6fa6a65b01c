//! Certificate authorities, as a Secret holds them.

use std::sync::Arc;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Most authorities that one Secret may hold for verifiers, and for a database: clouds hand out bundles of all
/// their regions.
const MOST: usize = 64;
const MOST_OF_A_DATABASE: usize = 1024;

/// One or more certificates (X.509, DER) that were understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

/// Why bytes are no authorities. Nothing of them is repeated: a private key may lie beside.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum AuthoritiesInvalid {
    /// Nothing between `-----BEGIN CERTIFICATE-----` and its end.
    #[error(
        "the Secret's value holds no certificate in PEM: put -----BEGIN CERTIFICATE----- and what follows there"
    )]
    NoCertificate,
    /// Something there, and no certificate.
    #[error("certificate {at} of the Secret's value cannot be understood: copy it whole, in PEM")]
    Broken {
        /// Which, from 1.
        at: usize,
    },
    /// More than are looked at.
    #[error("the Secret's value holds more than {0} certificates: leave those that sign the servers' in")]
    TooMany(usize),
}

impl Authorities {
    /// Understands a bundle in PEM (RFC 7468).
    ///
    /// # Errors
    /// See [`AuthoritiesInvalid`].
    pub fn parse(pem: &[u8]) -> Result<Self, AuthoritiesInvalid> {
        Self::read(pem, MOST)
    }

    /// The same of what a database's certificate is checked with.
    ///
    /// # Errors
    /// See [`AuthoritiesInvalid`].
    pub fn of_a_database(pem: &[u8]) -> Result<Self, AuthoritiesInvalid> {
        Self::read(pem, MOST_OF_A_DATABASE)
    }

    fn read(pem: &[u8], most: usize) -> Result<Self, AuthoritiesInvalid> {
        let mut certificates = Vec::new();
        let mut roots = RootCertStore::empty();
        for (before, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let broken = AuthoritiesInvalid::Broken { at: before + 1 };
            let certificate: CertificateDer<'static> = certificate.map_err(|_| broken.clone())?;
            roots.add(certificate.clone()).map_err(|_| broken)?;
            certificates.push(certificate);
            if certificates.len() > most {
                return Err(AuthoritiesInvalid::TooMany(most));
            }
        }
        if certificates.is_empty() {
            return Err(AuthoritiesInvalid::NoCertificate);
        }
        Ok(Self(certificates.into()))
    }

    /// Each of them, in DER.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_says_so_and_repeats_nothing() {
        let key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5";
        let nonsense = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
        for (pem, error) in [
            ("", AuthoritiesInvalid::NoCertificate),
            ("canary", AuthoritiesInvalid::NoCertificate),
            (key, AuthoritiesInvalid::NoCertificate),
            (cut, AuthoritiesInvalid::Broken { at: 1 }),
            (nonsense, AuthoritiesInvalid::Broken { at: 1 }),
        ] {
            let refused = Authorities::parse(pem.as_bytes()).unwrap_err();
            assert_eq!(refused, error, "{pem}");
            assert!(!refused.to_string().contains("canary"));
        }
    }
}
