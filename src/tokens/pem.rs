//! Keys in PEM (RFC 7468): PKCS#8, PKCS#1, SEC 1 and SPKI.

use super::{
    der, material,
    pair::{Pair, kept},
    unfit::{PemLayout, Unfit},
};

/// A key out of a PEM document, and whether its line breaks were the characters `\n`.
pub(super) struct Read {
    pub(super) pair: Pair,
    pub(super) literal_breaks: bool,
    /// What of its layout not every library reads.
    pub(super) layout: Option<PemLayout>,
}

/// Whether a text is meant to be PEM.
pub(super) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// The private key of a PEM document, or its public one where there is no private one.
pub(super) fn read(text: &str) -> Result<Read, Unfit> {
    let literal_breaks = text.contains("-----\\n") || text.contains("-----\\r");
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
    let mut pair =
        read_as(block.label, &der).map_err(|unfit| mislabelled(block.label, &der).unwrap_or(unfit))?;
    if pair.signing().is_none() {
        pair.stored = kept(text.as_bytes());
    }
    let layout = if literal_breaks { None } else { layout(text) };
    Ok(Read { pair, literal_breaks, layout })
}

/// What the lines BEGIN and END may say, and the format that they then announce.
const LABELS: [(&str, &str); 5] = [
    ("PRIVATE KEY", "PKCS#8"),
    ("RSA PRIVATE KEY", "PKCS#1"),
    ("EC PRIVATE KEY", "SEC 1"),
    ("PUBLIC KEY", "SPKI"),
    ("RSA PUBLIC KEY", "PKCS#1"),
];

/// Reads the body of a PEM as what its lines BEGIN and END say.
fn read_as(label: &str, der: &[u8]) -> Result<Pair, Unfit> {
    let private = |private| Pair::of_private(private, None);
    match label {
        "PRIVATE KEY" => private(der::read_pkcs8(der)?),
        "RSA PRIVATE KEY" => private(der::read_rsa_private(der)?),
        "EC PRIVATE KEY" => private(der::read_sec1(der, None)?),
        "PUBLIC KEY" => Ok(Pair::of_public(der::read_spki(der)?)),
        "RSA PUBLIC KEY" => Ok(Pair::of_public(der::read_rsa_public(der)?)),
        _ => Err(NO_KEY),
    }
}

/// That a body is whole and of another format than its lines BEGIN and END say, where it is so.
fn mislabelled(label: &str, der: &[u8]) -> Option<Unfit> {
    let said = LABELS.iter().find(|(known, _)| *known == label).map(|(known, _)| *known);
    let (right, format) =
        LABELS.into_iter().find(|(known, _)| *known != label && read_as(known, der).is_ok())?;
    Some(Unfit::Mislabelled { said, right, format })
}

/// Whether a text without the line BEGIN of a PEM was one before somebody copied it.
pub(super) fn is_spoilt_pem(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    ["BEGIN", "END"].iter().all(|word| {
        upper.contains(&format!("{word} "))
            && (upper.contains(&format!("-{word}")) || upper.contains(&format!("- {word}")))
    }) && (upper.contains("KEY-") || upper.contains("KEY -"))
}

/// What of the layout of a PEM some libraries refuse: PyJWT (`cryptography`) takes most, jsonwebtoken for Node has
/// OpenSSL read it, and that wants the lines BEGIN and END as lines of their own.
fn layout(text: &str) -> Option<PemLayout> {
    let text = text.trim_start_matches('\u{feff}');
    let (before, rest) = text.split_once(BEGIN)?;
    let (inside, _) = rest.split_once(END)?;
    let (_, after) = rest.split_once(END)?;
    let after = after.split_once(DASHES).map_or("", |(_, after)| after);
    // The label, then the body up to the line END.
    let (_, body) = inside.split_once(DASHES)?;
    let end_of = |text: &str| text.split('\n').next().unwrap_or_default().trim_end().to_owned();
    let start_of_line = |text: &str| text.rsplit('\n').next().unwrap_or_default().to_owned();
    let lone = |text: &str| text.replace("\r\n", "\n").contains('\r');
    let (first, last) = (start_of_line(before), start_of_line(body));
    let whole = |body: &str| {
        body.split('\n').next().is_some_and(|rest| rest.trim().is_empty()) && body.contains('\n')
    };
    if lone(body) {
        Some(PemLayout::CarriageReturns)
    } else if !first.trim().is_empty() || !end_of(after).is_empty() {
        Some(PemLayout::TextAround)
    } else if !whole(body) || !last.trim().is_empty() {
        Some(PemLayout::OneLine)
    } else if !first.is_empty() || !last.is_empty() {
        Some(PemLayout::Indented)
    } else {
        // The first line break is that of the line BEGIN; an empty line right behind it ends headers.
        let lines: Vec<&str> = body.split('\n').skip(1).collect();
        let inner = lines.get(..lines.len().saturating_sub(1)).unwrap_or_default();
        let blank = |line: &&str| line.trim().is_empty();
        let empty = |line: &&str| line.trim_end_matches('\r').is_empty();
        if inner.iter().skip(1).any(empty) {
            Some(PemLayout::EmptyLine)
        } else if inner.iter().any(|line| blank(line) && !empty(line)) {
            Some(PemLayout::BlankLine)
        } else {
            None
        }
    }
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

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
            return Err(Unfit::Broken {
                why: "its PEM has a line BEGIN and no line END that fits it, with five dashes on each side",
            });
        };
        blocks.push(Block { label, body });
        rest = after;
    }
    Ok(blocks)
}
