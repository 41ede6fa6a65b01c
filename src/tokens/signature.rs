//! Algorithm and signature of a token against the keys: which of them made it, and was that one meant.

use crate::{api::spec::Algorithm, tokens::text::shown};

use std::sync::Arc;

use super::{
    Inspection, KeyIds, KeySet, KeyVerdict, Keyring, NotAToken, Signer, SigningKey, TokenShape, Verdict,
    algorithm::{OF_RSA, algorithm_name, family, hash_bytes, hmac, is_asymmetric, named_algorithm},
    inspect::Signed,
    keys::hmac_verifies,
    pair::{MIN_RSA_BITS, Pair, forms_of},
    placeholders,
    variants::{Variant, variants},
};

/// Whether the header names the app's algorithm, and the signature has its form.
pub(super) fn check_algorithm(
    inspection: &Inspection,
    signed: &Signed,
    keys: &Keyring<'_>,
    shape: &TokenShape,
) -> Result<(), Verdict> {
    let found = inspection.algorithm();
    if found != algorithm_name(shape.algorithm) {
        let forged = |algorithm| {
            let pairs = || keys.own().filter_map(SigningKey::pair);
            let by = |form: &Vec<u8>| hmac_verifies(signed, form, algorithm);
            documents(pairs()).any(|document| forms_of(document).iter().any(by))
                || pairs().any(|pair| pair.public_forms().iter().any(by))
        };
        return Err(match hmac(found).filter(|_| is_asymmetric(shape.algorithm)) {
            Some(algorithm) if forged(algorithm) => {
                Verdict::Key(KeyVerdict::KeyConfusion { found: algorithm, expected: shape.algorithm })
            }
            _ => Verdict::AlgorithmDiffers {
                found: found.to_owned(),
                expected: shape.algorithm,
                signer: signer_with(found, signed, keys),
            },
        });
    }
    let expected = match family(shape.algorithm).signature_bytes() {
        Some(expected) => expected,
        None if is_asymmetric(shape.algorithm) => {
            // As long as the modulus. One of another usual length is whole, and another key's.
            let bytes = |key: &SigningKey| Some(key.pair()?.rsa_bits()?.div_ceil(8));
            let usual = matches!(signed.bytes, 128 | 256 | 384 | 512 | 1024);
            if usual || keys.own().any(|key| bytes(key) == Some(signed.bytes)) {
                return Ok(());
            }
            bytes(keys.current).unwrap_or(signed.bytes)
        }
        None => hash_bytes(shape.algorithm),
    };
    if signed.bytes == expected {
        Ok(())
    } else if signed.in_der {
        Err(Verdict::Malformed(NotAToken::SignatureInDer))
    } else {
        Err(Verdict::Malformed(NotAToken::SignatureLength { bytes: signed.bytes, expected }))
    }
}

/// Whose key made a signature of the algorithm that a header names. What is stored is read anew for it, since it
/// was read for the app's.
fn signer_with(found: &str, signed: &Signed, keys: &Keyring<'_>) -> Signer {
    let Some(algorithm) = named_algorithm(found) else { return Signer::Unknown };
    let made = |key: &SigningKey| {
        if key.verifies(signed, algorithm) {
            return true;
        }
        // Of a pair only the public half is left, which the caller has looked at.
        if key.pair().is_some() {
            return false;
        }
        let read = KeySet::read_previous(key.expose().to_vec(), algorithm, &KeyIds::default());
        read.is_ok_and(|(read, _)| read.iter().any(|key| key.verifies(signed, algorithm)))
    };
    if made(keys.current) {
        Signer::Current
    } else if keys.own().any(made) {
        Signer::Previous
    } else {
        Signer::Nobody
    }
}

/// The documents that the pairs are from, each once.
fn documents<'a>(pairs: impl Iterator<Item = &'a Pair>) -> impl Iterator<Item = &'a Arc<[u8]>> {
    let mut seen: Vec<*const [u8]> = Vec::new();
    pairs.filter_map(|pair| pair.stored.as_ref()).filter(move |document| {
        let at = Arc::as_ptr(document);
        let new = !seen.iter().any(|earlier| std::ptr::addr_eq(*earlier, at));
        if new {
            seen.push(at);
        }
        new
    })
}

/// What a step says of a token that a previous key signed.
pub(super) const BY_PREVIOUS: &str = "signed by a previous signing key";

/// Which key signed it, in words, where that is the signing key or a previous one.
pub(super) fn check_signature(
    inspection: &Inspection,
    signed: &Signed,
    keys: &Keyring<'_>,
    shape: &TokenShape,
) -> Result<String, Verdict> {
    let by = |key: &&SigningKey| key.verifies(signed, shape.algorithm);
    let id = |key: &SigningKey| key.id().map(str::to_owned);
    // Previous ones before revoked ones: the same key may stand in two Secrets.
    if by(&keys.current) {
        return check_key_id(inspection.key_id(), keys);
    }
    if keys.previous.iter().any(|key| by(&key)) {
        return Ok(BY_PREVIOUS.into());
    }
    if let Some(key) = keys.revoked.iter().find(by) {
        return Err(Verdict::Key(KeyVerdict::SignedByRevokedKey { id: id(key) }));
    }
    if let Some(key) = keys.standby.iter().find(by) {
        return Err(Verdict::Key(KeyVerdict::SignedByStandbyKey { id: id(key) }));
    }
    Err(nobody_signed(inspection.key_id(), signed, keys, shape))
}

/// The signing key made the signature: whether the header says so.
fn check_key_id(said: Option<&str>, keys: &Keyring<'_>) -> Result<String, Verdict> {
    let signed = "signed by the signing key";
    match (said, keys.current.id()) {
        (Some(said), Some(own)) if said == own => Ok(format!("{signed} (kid {})", shown(own))),
        (Some(said), own) if keys.by_id => Err(Verdict::Key(match own {
            own if names_one(said, keys) => {
                KeyVerdict::KeyIdOfAnother { id: said.to_owned(), signer: own.map(str::to_owned) }
            }
            None => KeyVerdict::KeyHasNoId { id: said.to_owned() },
            Some(_) => KeyVerdict::KeyIdUnknown { id: said.to_owned(), signed: true },
        })),
        (Some(said), Some(own)) => Ok(format!(
            "{signed}; its kid is {} and not {}, which only a verifier minds that looks keys up",
            shown(said),
            shown(own)
        )),
        (None, Some(_)) if keys.by_id && keys.own().count() > 1 => {
            Ok(format!("{signed}; it names no kid, and a verifier that looks keys up refuses that"))
        }
        _ => Ok(signed.to_owned()),
    }
}

fn names_one(id: &str, keys: &Keyring<'_>) -> bool {
    keys.own().any(|key| key.id() == Some(id))
}

/// None of the app's keys made it: what else may have.
fn nobody_signed(said: Option<&str>, signed: &Signed, keys: &Keyring<'_>, shape: &TokenShape) -> Verdict {
    let algorithm = shape.algorithm;
    if let Some(why) = unusable(keys.current) {
        return Verdict::Key(KeyVerdict::KeyUnusable { why });
    }
    let variant = |key: &SigningKey| {
        let made = |variant: &Variant| hmac_verifies(signed, &variant.bytes, algorithm);
        variants(key).into_iter().find(made).map(|variant| variant.how)
    };
    if let Some(how) = variant(keys.current) {
        return Verdict::SignedByKeyVariant(how);
    }
    if let Some(how) = keys.previous.iter().chain(keys.standby).find_map(variant) {
        return Verdict::Key(KeyVerdict::SignedByPreviousVariant { how });
    }
    if let Some(how) = keys.revoked.iter().find_map(variant) {
        return Verdict::Key(KeyVerdict::SignedByRevokedVariant { how });
    }
    if let Some((whose, _)) = keys.elsewhere.iter().find(|(_, key)| key.verifies(signed, algorithm)) {
        return Verdict::SignedByAnother { whose: whose.clone() };
    }
    if is_asymmetric(algorithm) {
        let other =
            |other: &Algorithm| *other != algorithm && keys.own().any(|key| key.verifies(signed, *other));
        if let Some(found) = OF_RSA.into_iter().find(other) {
            return Verdict::Key(KeyVerdict::SignedWithOtherAlgorithm { found, expected: algorithm });
        }
    } else {
        let known = || placeholders::KNOWN.iter().map(|known| known.as_bytes());
        if std::iter::once(&b""[..]).chain(known()).any(|key| hmac_verifies(signed, key, algorithm)) {
            return Verdict::SignedByPlaceholder;
        }
    }
    match said.filter(|id| keys.by_id && !names_one(id, keys)) {
        Some(id) => Verdict::Key(KeyVerdict::KeyIdUnknown { id: id.to_owned(), signed: false }),
        None => Verdict::SignedByUnknownKey,
    }
}

/// Why the signing key verifies nothing, if so.
fn unusable(key: &SigningKey) -> Option<String> {
    if let Some(unfit) = key.unfit() {
        return Some(unfit.message());
    }
    let bits = key.pair()?.rsa_bits().filter(|bits| *bits < MIN_RSA_BITS)?;
    Some(format!("the RSA key has {bits} bits, and verifiers ask for {MIN_RSA_BITS} or more"))
}
