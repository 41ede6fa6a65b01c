//! What a key's bytes are when they are no plain secret: PEM, DER, SSH and JWK documents, and
//! encodings of text. Reads only as much as tells them apart.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A document in place of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// A public key: SPKI, PKCS#1, SSH or JWK.
    PublicKey,
    /// An X.509 certificate.
    Certificate,
    /// A private key of an asymmetric algorithm.
    PrivateKey,
    /// JSON that holds a symmetric key in one of its fields: a JWK of type `oct` (RFC 7517), or
    /// Hasura's `{"type": "HS256", "key": ...}`.
    JsonWithKey,
}

/// What kind of document the bytes are.
pub(super) fn document(bytes: &[u8]) -> Option<Document> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let text = text.trim_start_matches('\u{feff}').trim();
        pem(text).or_else(|| ssh(text)).or_else(|| json(text))
    } else {
        der(bytes)
    }
}

/// PEM (RFC 7468), also where the line breaks are a literal `\n`.
fn pem(text: &str) -> Option<Document> {
    if !text.contains("-----BEGIN ") && !text.contains("---- BEGIN SSH2 PUBLIC KEY") {
        None
    } else if text.contains("PRIVATE KEY-----") {
        // A bundle of both is not public.
        Some(Document::PrivateKey)
    } else if text.contains("CERTIFICATE") {
        Some(Document::Certificate)
    } else if text.contains("PUBLIC KEY") {
        Some(Document::PublicKey)
    } else {
        None
    }
}

/// A line of an `authorized_keys` file (RFC 4253 section 6.6; the base64 begins with a length).
fn ssh(text: &str) -> Option<Document> {
    let (kind, rest) = text.split_once(' ')?;
    let known = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|prefix| kind.starts_with(prefix));
    (known && rest.trim_start().starts_with("AAAA")).then_some(Document::PublicKey)
}

/// A JSON Web Key or a set of them (RFC 7517), or Hasura's configuration.
fn json(text: &str) -> Option<Document> {
    if !text.starts_with('{') {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let jwk = |key: &Map<String, Value>| match key.get("kty")?.as_str()? {
        "oct" => Some(Document::JsonWithKey),
        _ if key.contains_key("d") => Some(Document::PrivateKey),
        _ => Some(Document::PublicKey),
    };
    if let Some(document) = jwk(&object) {
        return Some(document);
    }
    if let Some(keys) = object.get("keys").and_then(Value::as_array) {
        let kinds: Vec<_> = keys.iter().filter_map(Value::as_object).filter_map(jwk).collect();
        let secret = kinds.iter().find(|kind| **kind != Document::PublicKey);
        return secret.or(kinds.first()).copied();
    }
    (object.contains_key("type") && object.contains_key("key")).then_some(Document::JsonWithKey)
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;

/// DER (X.690) of a key or certificate: the outer sequence must span all bytes, and the first fields
/// must be those of X.509 (RFC 5280), SPKI, PKCS#1 (RFC 8017), PKCS#8 (RFC 5958) or SEC 1.
fn der(bytes: &[u8]) -> Option<Document> {
    let (SEQUENCE, content, []) = element(bytes)? else { return None };
    let (first, value, rest) = element(content)?;
    let (second, _, rest) = element(rest)?;
    match (first, second) {
        (SEQUENCE, BIT_STRING) if rest.is_empty() => Some(Document::PublicKey),
        (SEQUENCE, SEQUENCE) => {
            let (BIT_STRING, _, []) = element(rest)? else { return None };
            Some(Document::Certificate)
        }
        // Version 0 or 1, then the key.
        (INTEGER, _) if matches!(value, [0 | 1]) => Some(Document::PrivateKey),
        (INTEGER, INTEGER) if rest.is_empty() => Some(Document::PublicKey),
        _ => None,
    }
}

/// Tag, content and what follows of the first DER element.
pub(super) fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What base64 text in either alphabet stands for (RFC 4648 sections 4 and 5), padded or not, with
/// line breaks.
pub(super) fn from_base64(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text: Zeroizing<Vec<u8>> =
        Zeroizing::new(bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect());
    STANDARD
        .decode(&*text)
        .or_else(|_| URL_SAFE.decode(&*text))
        .ok()
        .filter(|decoded| !decoded.is_empty())
        .map(Zeroizing::new)
}

/// What hexadecimal text stands for.
pub(super) fn from_hex(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = bytes.trim_ascii().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let decoded = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()?;
    (!decoded.is_empty()).then_some(Zeroizing::new(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ed25519 public key (RFC 8410 section 10.1), as SPKI.
    const ED25519: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    /// Its private key in PKCS#8, from the same section.
    const ED25519_PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";

    #[test]
    fn documents_are_told_apart() {
        let decoded = |text: &str| from_base64(text.as_bytes()).unwrap().to_vec();
        for (bytes, expected) in [
            (
                format!("-----BEGIN PUBLIC KEY-----\n{ED25519}\n-----END PUBLIC KEY-----\n").into_bytes(),
                Some(Document::PublicKey),
            ),
            (format!("-----BEGIN PUBLIC KEY-----\\n{ED25519}\\n").into_bytes(), Some(Document::PublicKey)),
            (b"-----BEGIN CERTIFICATE-----\nMII".to_vec(), Some(Document::Certificate)),
            (
                b"-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----".to_vec(),
                Some(Document::PrivateKey),
            ),
            (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI someone".to_vec(), Some(Document::PublicKey)),
            (br#"{"kty":"RSA","n":"x","e":"AQAB"}"#.to_vec(), Some(Document::PublicKey)),
            (br#"{"kty":"EC","d":"x"}"#.to_vec(), Some(Document::PrivateKey)),
            (br#"{"kty":"oct","k":"x"}"#.to_vec(), Some(Document::JsonWithKey)),
            (br#"{"keys":[{"kty":"RSA"}]}"#.to_vec(), Some(Document::PublicKey)),
            (br#"{"keys":[{"kty":"RSA"},{"kty":"oct"}]}"#.to_vec(), Some(Document::JsonWithKey)),
            (br#"{"type":"HS256","key":"x"}"#.to_vec(), Some(Document::JsonWithKey)),
            (decoded(ED25519), Some(Document::PublicKey)),
            (decoded(ED25519_PRIVATE), Some(Document::PrivateKey)),
            (b"a plain secret of some length".to_vec(), None),
            (b"{not json".to_vec(), None),
            (vec![0x30, 0x80, 0xff, 0xff], None),
        ] {
            assert_eq!(document(&bytes), expected, "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_cut_off_or_overlong_der_document_is_none() {
        let whole = from_base64(ED25519.as_bytes()).unwrap();
        for end in 0..whole.len() {
            assert_eq!(document(&whole[..end]), None);
        }
        assert_eq!(document(&[&whole[..], &[0]].concat()), None);
    }

    #[test]
    fn hexadecimal_and_base64_are_read_in_every_spelling() {
        assert_eq!(from_hex(b"00fFa1\n").unwrap().as_slice(), [0, 0xff, 0xa1]);
        for wrong in [&b"0"[..], b"0g", b"", b"+1"] {
            assert!(from_hex(wrong).is_none());
        }
        for text in ["/+8=", "/+8", "_-8=", "_-8", "_-\n8"] {
            assert_eq!(from_base64(text.as_bytes()).unwrap().as_slice(), [0xff, 0xef], "{text}");
        }
        for wrong in ["", "a", "ab!d", "/-8="] {
            assert!(from_base64(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
