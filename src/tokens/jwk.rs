//! JSON Web Keys and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    der::{self, Curve, Public},
    material::from_base64,
    pair::{MAX_STORED_BYTES, Pair},
    unfit::{MAX_KEYS, Oddity, Unfit},
};

/// One key, and what it says about itself.
pub(super) struct Jwk {
    pub(super) material: Material,
    pub(super) id: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) usage: Option<String>,
    pub(super) operations: Option<Vec<String>>,
}

/// What a JWK holds.
pub(super) enum Material {
    /// `oct`.
    Secret(Zeroizing<Vec<u8>>),
    /// `RSA`, `EC` or `OKP`.
    Pair(Box<Pair>),
}

/// A JSON document of keys.
pub(super) enum Document {
    /// One JWK.
    One(Jwk),
    /// A JWKS: the keys that can be read, how many stand there, and what is odd.
    Set { keys: Vec<Jwk>, count: usize, oddities: Vec<Oddity> },
}

/// Keys of type `oct` in a JWK or a JWKS.
pub(super) fn secrets(object: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let keys = object.get("keys").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(object)
        .chain(keys.filter_map(Value::as_object))
        .filter(|key| key.get("kty").and_then(Value::as_str) == Some("oct"))
}

/// What the keys of type `oct` in a text stand for, where that is a JWK or JWKS.
pub(super) fn secret_inside(bytes: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    if bytes.len() > MAX_STORED_BYTES || !bytes.trim_ascii_start().starts_with(b"{") {
        return Vec::new();
    }
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return Vec::new() };
    secrets(&object).take(MAX_KEYS).filter_map(|key| number(key, "k", "").ok()).collect()
}

/// Reads a document.
pub(super) fn read(object: &Map<String, Value>) -> Result<Document, Unfit> {
    if object.contains_key("kty") {
        return one(object).map(Document::One);
    }
    let keys = match object.get("keys") {
        Some(Value::Array(keys)) => keys,
        Some(_) => return Err(Unfit::Broken { why: "the keys of its JWKS are no array" }),
        None => return Err(unknown(object)),
    };
    if keys.len() > MAX_KEYS {
        return Err(Unfit::TooManyKeys { keys: keys.len() });
    }
    let (mut read, mut oddities) = (Vec::new(), Vec::new());
    for (at, key) in keys.iter().enumerate() {
        let key = key.as_object().ok_or(Unfit::Broken { why: "it is no JSON object" });
        match key.and_then(one) {
            Ok(key) => read.push(key),
            Err(Unfit::Broken { why }) => oddities.push(Oddity::Unreadable { at: at + 1, why }),
            Err(Unfit::KeyIdNumber { number }) => oddities.push(Oddity::KeyIdNumber { at: at + 1, number }),
            // RFC 7517 section 5: a kind of key that is not understood is nobody's mistake.
            Err(_) => {}
        }
    }
    Ok(Document::Set { keys: read, count: keys.len(), oddities })
}

/// What a document is that is neither a JWK nor a JWKS, with what to store instead.
fn unknown(object: &Map<String, Value>) -> Unfit {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let has = |name: &str| !text(name).is_empty();
    let certificate =
        |value: &Value| value.as_str().is_some_and(|text| text.contains("-----BEGIN CERTIFICATE"));
    if text("key").contains("BEGIN ") {
        Unfit::Document {
            what: "a JSON document with the key in its member \"key\", which is how Hasura is configured",
            next: "store that member alone, with real line breaks",
        }
    } else if has("jwk_url") {
        Unfit::Document {
            what: "a JSON document that only names the address of the keys (jwk_url of Hasura)",
            next: "store the JWKS that is published there",
        }
    } else if has("jwks_uri") {
        Unfit::Document {
            what: "the discovery document of a provider, which only names the address of the keys (jwks_uri)",
            next: "store the JWKS that is published there",
        }
    } else if text("private_key").contains("BEGIN ") {
        Unfit::Document {
            what: "the file of a service account with the key in its member \"private_key\"",
            next: "store that member alone, with real line breaks, where the app signs with it",
        }
    } else if !object.is_empty() && object.values().all(certificate) {
        Unfit::Document {
            what: "a map of certificates by key id, as Google publishes one",
            next: "store the JWKS of the same provider instead (for Firebase https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com)",
        }
    } else {
        Unfit::Broken { why: "its JSON has neither kty (a JWK) nor keys (a JWKS)" }
    }
}

fn one(key: &Map<String, Value>) -> Result<Jwk, Unfit> {
    let operations = match key.get("key_ops") {
        None => None,
        Some(Value::Array(operations)) => Some(
            operations
                .iter()
                .map(|one| one.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or(Unfit::Broken { why: "its key_ops are not all texts" })?,
        ),
        Some(_) => return Err(Unfit::Broken { why: "its key_ops are no array" }),
    };
    if let Some(Value::Number(number)) = key.get("kid") {
        return Err(Unfit::KeyIdNumber { number: number.to_string() });
    }
    Ok(Jwk {
        id: text(key, "kid", "its kid is not a text")?,
        algorithm: text(key, "alg", "its alg is not a text")?,
        usage: text(key, "use", "its use is not a text")?,
        operations,
        material: material(key)?,
    })
}

fn material(key: &Map<String, Value>) -> Result<Material, Unfit> {
    let kind = text(key, "kty", "its kty is not a text")?;
    let curve = text(key, "crv", "its crv is not a text")?;
    let has_private = key.contains_key("d");
    if key.contains_key("x5c") && !key.contains_key("n") && !key.contains_key("x") {
        return Err(Unfit::Broken {
            why: "its key stands in x5c alone: write its numbers beside it (n and e, or crv, x and y)",
        });
    }
    match (kind.as_deref(), curve.as_deref()) {
        (Some("oct"), _) => Ok(Material::Secret(number(key, "k", "its k is not base64url text")?)),
        (Some("RSA"), _) => {
            let n = number(key, "n", "its n is not base64url text")?;
            let e = number(key, "e", "its e is not base64url text")?;
            let public = der::rsa(der::unsigned(&n), der::unsigned(&e))?;
            if !has_private {
                return Ok(pair(Pair::of_public(public)));
            }
            if key.contains_key("oth") {
                return Err(Unfit::Unsupported { found: "an RSA key of more than two primes" });
            }
            let part = |name| number(key, name, "its private part lacks one of d, p, q, dp, dq and qi");
            let numbers = [n, e, part("d")?, part("p")?, part("q")?, part("dp")?, part("dq")?, part("qi")?];
            Pair::of_private(der::rsa_private(&numbers), Some(&public)).map(pair)
        }
        (Some("EC"), Some(name)) => {
            let curve = match name {
                "P-256" => Curve::P256,
                "P-384" => Curve::P384,
                "P-521" => return Err(Unfit::Unsupported { found: "an EC key on P-521" }),
                "secp256k1" => return Err(Unfit::Unsupported { found: "an EC key on secp256k1" }),
                _ => return Err(Unfit::Unsupported { found: "an EC key on another curve" }),
            };
            let x = number(key, "x", "its x is not base64url text")?.to_vec();
            let y = number(key, "y", "its y is not base64url text")?.to_vec();
            if x.len() != curve.bytes() || y.len() != curve.bytes() {
                return Err(Unfit::Broken { why: "its x or y is not as long as its curve has it" });
            }
            let public = Public::Ec { curve, x, y };
            if !has_private {
                return Ok(pair(Pair::of_public(public)));
            }
            let secret = number(key, "d", "its d is not base64url text")?;
            Pair::of_private(der::ec(curve, &secret, None)?, Some(&public)).map(pair)
        }
        (Some("OKP"), Some("Ed25519")) => {
            let x = number(key, "x", "its x is not base64url text")?.to_vec();
            if x.len() != 32 {
                return Err(Unfit::Broken { why: "its x is not as long as its curve has it" });
            }
            let public = Public::Ed25519(x);
            if !has_private {
                return Ok(pair(Pair::of_public(public)));
            }
            let seed = number(key, "d", "its d is not base64url text")?;
            if seed.len() != 32 {
                return Err(Unfit::Broken { why: "its d is not as long as its curve has it" });
            }
            Pair::of_private(der::ed25519(&seed), Some(&public)).map(pair)
        }
        (Some("OKP"), Some("Ed448")) => Err(Unfit::Unsupported { found: "an Ed448 key" }),
        (Some("EC" | "OKP"), None) => Err(Unfit::Broken { why: "it names no curve (crv)" }),
        (Some(_), _) => Err(Unfit::Unsupported { found: "a JWK of another type (kty, crv)" }),
        (None, _) => Err(Unfit::Broken { why: "it names no type (kty)" }),
    }
}

fn pair(pair: Pair) -> Material {
    Material::Pair(Box::new(pair))
}

fn text(key: &Map<String, Value>, name: &str, why: &'static str) -> Result<Option<String>, Unfit> {
    match key.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Unfit::Broken { why }),
    }
}

fn number(key: &Map<String, Value>, name: &str, why: &'static str) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    let text = key.get(name).and_then(Value::as_str).ok_or(Unfit::Broken { why })?;
    from_base64(text.as_bytes()).ok_or(Unfit::Broken { why })
}
