//! Keys in PEM (RFC 7468): PKCS#8, PKCS#1, SEC 1 and SPKI.

use super::{
    der, material,
    pair::{Pair, kept},
    unfit::Unfit,
};

/// A key out of a PEM document, and whether its line breaks were the characters `\n`.
pub(super) struct Read {
    pub(super) pair: Pair,
    pub(super) literal_breaks: bool,
}

/// Whether a text is meant to be PEM.
pub(super) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// The private key of a PEM document, or its public one where there is no private one.
pub(super) fn read(text: &str) -> Result<Read, Unfit> {
    let literal_breaks = text.contains("-----\\n");
    let broken_up = text.replace("\\r", "").replace("\\n", "\n");
    let blocks = blocks(if literal_breaks { &broken_up } else { text })?;
    let private = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY"));
    let public = || blocks.iter().find(|block| block.label.ends_with("PUBLIC KEY"));
    let Some(block) = private.or_else(public) else {
        let certificate = blocks.iter().any(|block| block.label.contains("CERTIFICATE"));
        return Err(if certificate { Unfit::Certificate } else { NO_KEY });
    };
    if block.label.starts_with("ENCRYPTED ") || block.body.contains("ENCRYPTED") {
        return Err(Unfit::Encrypted);
    }
    if block.label.starts_with("OPENSSH ") {
        return Err(Unfit::OpenSsh);
    }
    let Some(der) = material::from_base64(block.body.as_bytes()) else {
        return Err(Unfit::Broken { why: "the text between the lines of its PEM is not base64" });
    };
    let private = |private| Pair::of_private(private, None);
    let mut pair = match block.label {
        "PRIVATE KEY" => private(der::read_pkcs8(&der)?),
        "RSA PRIVATE KEY" => private(der::read_rsa_private(&der)?),
        "EC PRIVATE KEY" => private(der::read_sec1(&der, None)?),
        "PUBLIC KEY" => Ok(Pair::of_public(der::read_spki(&der)?)),
        "RSA PUBLIC KEY" => Ok(Pair::of_public(der::read_rsa_public(&der)?)),
        _ => Err(NO_KEY),
    }?;
    if pair.signing().is_none() {
        pair.stored = kept(text.as_bytes());
    }
    Ok(Read { pair, literal_breaks })
}

const NO_KEY: Unfit = Unfit::Broken {
    why: "its PEM is none of PRIVATE KEY, RSA PRIVATE KEY, EC PRIVATE KEY, PUBLIC KEY and RSA PUBLIC KEY",
};

struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, Unfit> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else { break };
        let end = format!("-----END {label}-----");
        let Some((body, after)) = after.split_once(&end) else {
            return Err(Unfit::Broken { why: "its PEM has a beginning and no end" });
        };
        blocks.push(Block { label, body });
        rest = after;
    }
    Ok(blocks)
}
