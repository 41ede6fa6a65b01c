//! DER (X.690) of public and private keys: SPKI (RFC 5280 section 4.1), PKCS#1 (RFC 8017 appendix A.1),
//! PKCS#8 (RFC 5958) and SEC 1 (RFC 5915). Reads no more than what these hold, and writes it the same
//! way.

use zeroize::Zeroizing;

use super::{
    material::{BIT_STRING, INTEGER, SEQUENCE, element},
    unfit::Unfit,
};

const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const NULL: u8 = 0x05;
/// `[1]`, constructed: the public key in SEC 1.
const TAG_1: u8 = 0xa1;
/// `[0]`, constructed: the curve in SEC 1.
const TAG_0: u8 = 0xa0;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];

/// A curve of ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// Length of a coordinate in bytes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => P256,
            Self::P384 => P384,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Public {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// Coordinates, each of the curve's length.
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    /// 32 bytes.
    Ed25519(Vec<u8>),
}

/// A private key in the form that the library signs with.
#[derive(Clone)]
pub(super) enum Private {
    /// PKCS#1.
    Rsa(Zeroizing<Vec<u8>>),
    /// PKCS#8, and the public key where the document has it.
    Ec { curve: Curve, pkcs8: Zeroizing<Vec<u8>>, public: Option<Vec<u8>> },
    /// PKCS#8.
    Ed25519(Zeroizing<Vec<u8>>),
}

const NO_DER: Unfit = Unfit::Broken { why: "it is cut off, or no DER of a key" };

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self, tag: u8) -> Result<&'a [u8], Unfit> {
        match element(self.0) {
            Some((found, content, rest)) if found == tag => {
                self.0 = rest;
                Ok(content)
            }
            _ => Err(NO_DER),
        }
    }

    fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).ok()
    }

    /// An unsigned number without its leading zeros.
    fn number(&mut self) -> Result<&'a [u8], Unfit> {
        self.next(INTEGER).map(unsigned)
    }
}

/// A number without leading zeros; zero is one byte.
pub(super) fn unsigned(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros.min(bytes.len().saturating_sub(1))..).unwrap_or(bytes)
}

/// The whole of it is one sequence.
fn sequence(der: &[u8]) -> Result<Reader<'_>, Unfit> {
    match element(der) {
        Some((SEQUENCE, content, [])) => Ok(Reader(content)),
        _ => Err(NO_DER),
    }
}

/// What an AlgorithmIdentifier (RFC 5280 section 4.1.1.2) names.
enum Kind {
    Rsa,
    Ec(Curve),
    Ed25519,
}

fn kind(identifier: &[u8]) -> Result<Kind, Unfit> {
    let mut identifier = Reader(identifier);
    match identifier.next(OID)? {
        RSA | RSA_PSS => Ok(Kind::Rsa),
        EC => curve(identifier.next(OID)?).map(Kind::Ec),
        ED25519 => Ok(Kind::Ed25519),
        ED448 => Err(Unfit::Unsupported { found: "an Ed448 key" }),
        _ => Err(Unfit::Unsupported { found: "a key of another algorithm, such as DSA or X25519" }),
    }
}

fn curve(oid: &[u8]) -> Result<Curve, Unfit> {
    match oid {
        P256 => Ok(Curve::P256),
        P384 => Ok(Curve::P384),
        P521 => Err(Unfit::Unsupported { found: "an EC key on P-521" }),
        SECP256K1 => Err(Unfit::Unsupported { found: "an EC key on secp256k1" }),
        _ => Err(Unfit::Unsupported { found: "an EC key on another curve" }),
    }
}

/// SubjectPublicKeyInfo.
pub(super) fn read_spki(der: &[u8]) -> Result<Public, Unfit> {
    let mut outer = sequence(der)?;
    let kind = kind(outer.next(SEQUENCE)?)?;
    let key = bits(outer.next(BIT_STRING)?)?;
    match kind {
        Kind::Rsa => read_rsa_public(key),
        Kind::Ec(curve) => read_point(curve, key),
        Kind::Ed25519 if key.len() == 32 => Ok(Public::Ed25519(key.to_vec())),
        Kind::Ed25519 => Err(NO_DER),
    }
}

/// RSAPublicKey of PKCS#1.
pub(super) fn read_rsa_public(der: &[u8]) -> Result<Public, Unfit> {
    let mut key = sequence(der)?;
    rsa(key.number()?, key.number()?)
}

/// A public RSA key of numbers without leading zeros.
pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Public, Unfit> {
    const MAX_BYTES: usize = 1024;
    if n.len() > MAX_BYTES {
        return Err(Unfit::Unsupported { found: "an RSA key of more than 8192 bits" });
    }
    if n.len() < 32 || e.len() > 8 || e == [0] || e == [1] {
        return Err(Unfit::Broken { why: "its modulus or exponent is none of an RSA key" });
    }
    Ok(Public::Rsa { n: n.to_vec(), e: e.to_vec() })
}

/// A point of SEC 1 section 2.3.3, uncompressed.
fn read_point(curve: Curve, point: &[u8]) -> Result<Public, Unfit> {
    match point.split_first() {
        Some((4, both)) if both.len() == 2 * curve.bytes() => {
            let (x, y) = both.split_at(curve.bytes());
            Ok(Public::Ec { curve, x: x.to_vec(), y: y.to_vec() })
        }
        Some((2 | 3, _)) => Err(Unfit::Unsupported { found: "an EC key with a compressed point" }),
        _ => Err(NO_DER),
    }
}

/// A bit string of whole bytes.
fn bits(content: &[u8]) -> Result<&[u8], Unfit> {
    match content.split_first() {
        Some((0, bytes)) => Ok(bytes),
        _ => Err(NO_DER),
    }
}

/// PrivateKeyInfo or OneAsymmetricKey of PKCS#8.
pub(super) fn read_pkcs8(der: &[u8]) -> Result<Private, Unfit> {
    let mut outer = sequence(der)?;
    outer.next(INTEGER)?;
    let kind = kind(outer.next(SEQUENCE)?)?;
    let key = outer.next(OCTET_STRING)?;
    match kind {
        Kind::Rsa => read_rsa_private(key),
        Kind::Ec(curve) => read_sec1(key, Some(curve)),
        Kind::Ed25519 => match Reader(key).next(OCTET_STRING)? {
            seed if seed.len() == 32 => Ok(ed25519(seed)),
            _ => Err(NO_DER),
        },
    }
}

/// RSAPrivateKey of PKCS#1.
pub(super) fn read_rsa_private(der: &[u8]) -> Result<Private, Unfit> {
    sequence(der)?;
    Ok(Private::Rsa(Zeroizing::new(der.to_vec())))
}

/// Modulus and exponent of a private key.
pub(super) fn rsa_public(pkcs1: &[u8]) -> Result<Public, Unfit> {
    let mut key = sequence(pkcs1)?;
    key.next(INTEGER)?;
    rsa(key.number()?, key.number()?)
}

/// ECPrivateKey of SEC 1, whose curve may stand outside.
pub(super) fn read_sec1(der: &[u8], outside: Option<Curve>) -> Result<Private, Unfit> {
    let mut key = sequence(der)?;
    key.next(INTEGER)?;
    let secret = key.next(OCTET_STRING)?;
    let inside = match key.optional(TAG_0) {
        Some(parameters) => Some(curve(Reader(parameters).next(OID)?)?),
        None => None,
    };
    let Some(curve) = outside.or(inside) else {
        return Err(Unfit::Broken { why: "it is an EC key that does not say on which curve" });
    };
    let public = match key.optional(TAG_1) {
        Some(public) => Some(bits(Reader(public).next(BIT_STRING)?)?.to_vec()),
        None => None,
    };
    ec(curve, secret, public)
}

/// A private EC key of its secret number, whose leading zeros may be missing.
pub(super) fn ec(curve: Curve, secret: &[u8], public: Option<Vec<u8>>) -> Result<Private, Unfit> {
    let number = unsigned(secret);
    let Some(missing) = curve.bytes().checked_sub(number.len()) else { return Err(NO_DER) };
    let number = Zeroizing::new([&vec![0; missing][..], number].concat());
    let inner = write(SEQUENCE, &[&write(INTEGER, &[&[1]]), &write(OCTET_STRING, &[&number])]);
    let identifier = write(SEQUENCE, &[&write(OID, &[EC]), &write(OID, &[curve.oid()])]);
    let pkcs8 = write(SEQUENCE, &[&write(INTEGER, &[&[0]]), &identifier, &write(OCTET_STRING, &[&inner])]);
    Ok(Private::Ec { curve, pkcs8, public })
}

/// A private Ed25519 key of its seed.
pub(super) fn ed25519(seed: &[u8]) -> Private {
    let identifier = write(SEQUENCE, &[&write(OID, &[ED25519])]);
    let seed = write(OCTET_STRING, &[&write(OCTET_STRING, &[seed])]);
    Private::Ed25519(write(SEQUENCE, &[&write(INTEGER, &[&[0]]), &identifier, &seed]))
}

/// A private RSA key of its numbers: n, e, d, p, q, dp, dq, qi.
pub(super) fn rsa_private(numbers: &[Zeroizing<Vec<u8>>; 8]) -> Private {
    let version = write(INTEGER, &[&[0]]);
    let numbers: Vec<_> = numbers.iter().map(|number| write_number(number)).collect();
    let mut parts: Vec<&[u8]> = vec![&version];
    parts.extend(numbers.iter().map(|number| number.as_slice()));
    Private::Rsa(write(SEQUENCE, &parts))
}

/// SubjectPublicKeyInfo of a key.
pub(super) fn write_spki(public: &Public) -> Vec<u8> {
    let (identifier, key) = match public {
        Public::Rsa { .. } => (vec![write(OID, &[RSA]), write(NULL, &[])], write_rsa_public(public)),
        Public::Ec { curve, x, y } => {
            (vec![write(OID, &[EC]), write(OID, &[curve.oid()])], [&[4], x.as_slice(), y].concat())
        }
        Public::Ed25519(x) => (vec![write(OID, &[ED25519])], x.clone()),
    };
    let parts: Vec<&[u8]> = identifier.iter().map(|part| part.as_slice()).collect();
    write(SEQUENCE, &[&write(SEQUENCE, &parts), &write(BIT_STRING, &[&[0], &key])]).to_vec()
}

/// RSAPublicKey of PKCS#1; empty for other keys.
pub(super) fn write_rsa_public(public: &Public) -> Vec<u8> {
    match public {
        Public::Rsa { n, e } => write(SEQUENCE, &[&write_number(n), &write_number(e)]).to_vec(),
        Public::Ec { .. } | Public::Ed25519(_) => Vec::new(),
    }
}

/// Whether bytes are two numbers in a sequence, as OpenSSL writes a signature of ECDSA (RFC 3279
/// section 2.2.3).
pub(super) fn is_ecdsa_signature(bytes: &[u8]) -> bool {
    let Ok(mut both) = sequence(bytes) else { return false };
    both.number().is_ok() && both.number().is_ok() && both.0.is_empty()
}

fn write_number(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let number = unsigned(number);
    // A first bit that is set would make it negative.
    if number.first().is_none_or(|first| *first >= 0x80) {
        write(INTEGER, &[&[0], number])
    } else {
        write(INTEGER, &[number])
    }
}

/// One element; keys are shorter than 64 KiB.
fn write(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [.., third, second, first] = length.to_be_bytes();
    let mut der = Zeroizing::new(Vec::with_capacity(length + 5));
    der.push(tag);
    match length {
        0..=0x7f => der.push(first),
        0x80..=0xff => der.extend([0x81, first]),
        0x100..=0xffff => der.extend([0x82, second, first]),
        _ => der.extend([0x83, third, second, first]),
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}
