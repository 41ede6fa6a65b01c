//! What is wrong with a signing key: too short, stored wrongly, or known to everybody.

use super::{
    SigningKey,
    algorithm::{algorithm_name, hash_bytes},
    material::{self, Document},
    placeholders,
    unfit::{Oddity, Unfit},
};
use crate::api::{condition::Reason, report::Severity, spec::Algorithm};

mod reference;

/// One thing that is wrong with a signing key. Never holds a part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyWeakness {
    /// Nothing but white space or NUL bytes. HMAC fills a short key up with NUL bytes (RFC 2104
    /// section 2), so such a key signs as the empty one does.
    Blank,
    /// A key from a tutorial, an example or a default.
    Placeholder,
    /// A key put together from the words of placeholders.
    PlaceholderWords,
    /// A variable or template that nobody filled in.
    UnfilledTemplate,
    /// A public key (PEM, DER, SSH or JWK).
    PublicKey,
    /// A certificate.
    Certificate,
    /// Shorter than the output of the hash function (RFC 7518 section 3.2).
    TooShort {
        /// Length of the key in bytes.
        bytes: usize,
        /// The least that the algorithm needs.
        needed: usize,
        /// The algorithm.
        algorithm: Algorithm,
        /// What it is encoded in and how many bytes that stands for, where it is plainly so.
        decoded: Option<(&'static str, usize)>,
    },
    /// Repeated or counted up characters.
    LowEntropy,
    /// Made by Django's `startproject` for development.
    DjangoInsecure,
    /// Ends with a line break.
    TrailingNewline,
    /// Other white space at its beginning or end.
    SurroundingWhiteSpace,
    /// Begins with a byte order mark, or is UTF-16.
    ByteOrderMark,
    /// Stands in quotes.
    Quoted,
    /// A whole line of an environment file: `NAME=value`.
    Assignment,
    /// UTF-16, with its byte order mark.
    Utf16,
    /// Ends with a comment: white space, `#` and words.
    Comment,
    /// Base64 text of base64 or hexadecimal text: encoded once too often.
    Base64Twice,
    /// A private key of an asymmetric algorithm, used as a shared secret.
    PrivateKey,
    /// A JSON document that holds a key.
    JsonDocument,
    /// What a key stands behind, or something else that is hardly meant as one.
    Reference(&'static str),
    /// No key for its algorithm.
    Unfit(Unfit),
    /// A key pair or a set of keys with something odd about it.
    Odd(Oddity),
}

/// What to do about a shared secret that others may know. Frameworks have one secret for many things, so what
/// else ends with it comes first.
/// Of a public key that is to be a shared secret: most often the algorithm was forgotten.
const PAIR: &str = "the algorithm is an HMAC, which takes a shared secret: if the app signs with the private key that belongs to it, set spec.jwt.algorithm to the app's (such as RS256 or ES256); if the app takes it for a shared secret indeed";

const REPLACE: &str = "see first what else it protects (sessions, links, encrypted columns), then replace it by the output of `openssl rand -hex 32`; everybody signs in again";

/// What part an audited key plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It signs.
    Signing,
    /// It signed before, and is still accepted.
    Previous,
    /// It is published and signs nothing yet.
    Standby,
}

impl Part {
    /// The key by its part, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing key",
            Self::Previous => "previous key",
            Self::Standby => "standby key",
        }
    }
}

impl KeyWeakness {
    /// As [`severity`](Self::severity), of a key of this part: nobody signs with one beside the signing
    /// key, so that one that cannot be used breaks nothing.
    pub fn severity_of(&self, part: Part) -> Severity {
        match (self, part) {
            (Self::Unfit(_), Part::Previous | Part::Standby) => Severity::Warning,
            _ => self.severity(),
        }
    }

    /// As [`message`](Self::message), of a key of this part.
    pub fn message_of(&self, part: Part) -> String {
        let (message, signing) = (self.message(), Part::Signing.name());
        if part == Part::Signing || message.contains(signing) {
            message.replace(signing, part.name())
        } else {
            format!("of a {}: {message}", part.name())
        }
    }

    /// Critical when somebody else can sign, Error when nobody can, Warning otherwise.
    pub fn severity(&self) -> Severity {
        match self.reason() {
            Reason::SigningKeyGuessable => Severity::Critical,
            Reason::SigningKeyUnfit => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// The finding that it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Blank
            | Self::Placeholder
            | Self::PlaceholderWords
            | Self::UnfilledTemplate
            | Self::PublicKey
            | Self::Certificate => Reason::SigningKeyGuessable,
            Self::TooShort { .. } | Self::LowEntropy | Self::DjangoInsecure => Reason::SigningKeyWeak,
            Self::TrailingNewline
            | Self::SurroundingWhiteSpace
            | Self::ByteOrderMark
            | Self::Quoted
            | Self::Assignment
            | Self::Utf16
            | Self::Comment
            | Self::Base64Twice
            | Self::PrivateKey
            | Self::JsonDocument
            | Self::Reference(_) => Reason::SigningKeySuspicious,
            Self::Unfit(_) => Reason::SigningKeyUnfit,
            Self::Odd(oddity) if oddity.is_weak() => Reason::SigningKeyWeak,
            Self::Odd(_) => Reason::SigningKeySuspicious,
        }
    }

    /// One sentence: what is wrong, and what to do.
    pub fn message(&self) -> String {
        let text = match self {
            Self::TooShort { bytes, needed, algorithm, decoded } => {
                let decoded = match decoded {
                    Some((encoding, inside)) => format!(" (it is {encoding} of {inside})"),
                    None => String::new(),
                };
                return format!(
                    "the signing key has {bytes} {}{decoded} and {} needs at least {needed}: {REPLACE}",
                    if *bytes == 1 { "byte" } else { "bytes" },
                    algorithm_name(*algorithm)
                );
            }
            Self::Reference(what) => {
                return format!(
                    "the signing key looks like {what}: find out whether the app signs with this very text; if it does not, store what the app signs with"
                );
            }
            Self::Unfit(unfit) => return unfit.message(),
            Self::Odd(oddity) => return oddity.message(),
            Self::Blank => {
                return format!(
                    "the signing key is nothing but white space or NUL bytes, so anybody can sign tokens: {REPLACE}"
                );
            }
            Self::Placeholder => {
                return format!(
                    "the signing key is a well-known placeholder, so anybody can sign tokens: {REPLACE}"
                );
            }
            Self::PlaceholderWords => {
                return format!(
                    "the signing key is made of the words that placeholders are made of, so it can be guessed: {REPLACE}"
                );
            }
            Self::UnfilledTemplate => {
                "the signing key is a variable or template that nobody filled in, so anybody can sign tokens: find out what should have filled it in; when that is done everybody signs in again"
            }
            Self::PublicKey => {
                return format!(
                    "the signing key is a public key, and {PAIR}, anybody who has it can sign tokens: {REPLACE}"
                );
            }
            Self::Certificate => {
                return format!(
                    "the signing key is a certificate, and {PAIR}, anybody who sees it can sign tokens: {REPLACE}"
                );
            }
            Self::LowEntropy => return format!("the signing key repeats or counts up characters: {REPLACE}"),
            Self::DjangoInsecure => {
                return format!(
                    "the signing key is the one that Django's startproject wrote for development, which usually stands in the repository: {REPLACE}"
                );
            }
            Self::TrailingNewline => {
                "the signing key ends with a line break, which some programs strip and others sign with: store it without (`printf %s` or `echo -n`)"
            }
            Self::SurroundingWhiteSpace => {
                "the signing key begins or ends with white space, which some programs strip and others sign with: store it without"
            }
            Self::ByteOrderMark => {
                "the signing key begins with a byte order mark, which an editor put there: store it as plain UTF-8 without one"
            }
            Self::Quoted => {
                "the signing key stands in quotes, which some programs strip and others sign with: store it without"
            }
            Self::Assignment => {
                "the signing key looks like a whole line of an environment file: store only what stands after the equals sign"
            }
            Self::Utf16 => {
                "the signing key is in UTF-16, which PowerShell's > and Notepad write: store it as plain UTF-8 without a byte order mark"
            }
            Self::Comment => {
                "the signing key looks as if a comment stood at its end (white space and #), which readers of environment files cut off and others sign with: store it without"
            }
            Self::Base64Twice => {
                "the signing key is base64 of text that is encoded itself: it was probably encoded once more than the app expects (a Secret's `data` is encoded once, `stringData` never)"
            }
            Self::PrivateKey => {
                "the signing key is a private key of an asymmetric algorithm, which HMAC uses as plain text: check that the app means HMAC"
            }
            Self::JsonDocument => {
                "the signing key is a JSON document that holds a key: find out whether the app signs with the document or with the key inside it, and store that"
            }
        };
        text.to_owned()
    }
}

/// What is wrong with a key that is used with an algorithm, worst first. Nothing for a random key,
/// be it bytes, hexadecimal or base64.
pub fn audit(key: &SigningKey, algorithm: Algorithm) -> Vec<KeyWeakness> {
    let odd = key.oddities.iter().cloned().map(KeyWeakness::Odd);
    if let Some(unfit) = key.unfit() {
        return std::iter::once(KeyWeakness::Unfit(unfit.clone())).chain(odd).collect();
    }
    let mut found: Vec<_> = odd.collect();
    let Some(bytes) = key.secret() else { return found };

    if let Some(weakness) = is_document(bytes) {
        // Length, line breaks and words of a document say nothing more.
        found.push(weakness);
        return found;
    }
    // Two keys that differ in NUL bytes at the end sign alike.
    let text = printable(without_nuls(bytes));
    let core = text.map(strip);
    found.extend(core.and_then(guessable).or_else(|| encoded_placeholder(bytes)));
    if found.is_empty() {
        found.extend(core.and_then(reference::looks_like).map(KeyWeakness::Reference));
    }

    let needed = hash_bytes(algorithm);
    if bytes.len() < needed {
        found.push(KeyWeakness::TooShort {
            bytes: bytes.len(),
            needed,
            algorithm,
            decoded: encoded(core.unwrap_or_default().as_bytes()),
        });
    } else if has_low_entropy(bytes) {
        found.push(KeyWeakness::LowEntropy);
    }
    if core.is_some_and(|core| core.starts_with("django-insecure-")) {
        found.push(KeyWeakness::DjangoInsecure);
    }
    found.extend(text.map(odd_storage).unwrap_or_default());
    if is_utf16(bytes) {
        found.push(KeyWeakness::Utf16);
    }
    if core.is_some_and(|core| is_base64_twice(core.as_bytes())) {
        found.push(KeyWeakness::Base64Twice);
    }
    found
}

/// As [`audit()`], of a key of this part: a previous one may be of another family, from before the app changed its
/// algorithm, and is none the worse for it.
pub fn audit_part(key: &SigningKey, algorithm: Algorithm, part: Part) -> Vec<KeyWeakness> {
    match key.unfit() {
        Some(Unfit::OtherKind { found, .. }) if part == Part::Previous && !found.starts_with("base64") => {
            Vec::new()
        }
        _ => audit(key, algorithm),
    }
}

/// A key or certificate in place of a secret, as it is or in base64.
fn is_document(bytes: &[u8]) -> Option<KeyWeakness> {
    let document = material::document(bytes)
        .or_else(|| material::from_base64(bytes).and_then(|decoded| material::document(&decoded)))?;
    Some(match document {
        Document::PublicKey => KeyWeakness::PublicKey,
        Document::Certificate => KeyWeakness::Certificate,
        Document::PrivateKey => KeyWeakness::PrivateKey,
        Document::JsonWithKey => KeyWeakness::JsonDocument,
    })
}

/// The key as text. Random bytes are none, so that their white space and quotes mean nothing.
fn printable(bytes: &[u8]) -> Option<&str> {
    let odd = |character: char| character.is_control() && !character.is_whitespace();
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains(odd))
}

/// The text without what careless storing puts around it.
fn strip(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim().trim_matches(['"', '\'', '`']).trim()
}

fn without_nuls(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or(bytes)
}

fn guessable(core: &str) -> Option<KeyWeakness> {
    if core.is_empty() {
        Some(KeyWeakness::Blank)
    } else if placeholders::is_known(core) {
        Some(KeyWeakness::Placeholder)
    } else if is_template(core) {
        Some(KeyWeakness::UnfilledTemplate)
    } else if placeholders::is_made_of_words(core) {
        Some(KeyWeakness::PlaceholderWords)
    } else {
        None
    }
}

/// A placeholder in base64 or hexadecimal is as well known as the placeholder.
fn encoded_placeholder(bytes: &[u8]) -> Option<KeyWeakness> {
    [material::from_base64(bytes), material::from_hex(bytes)]
        .iter()
        .flatten()
        .find_map(|decoded| guessable(strip(printable(decoded)?)))
}

/// What text is encoded in that can hardly be anything else, and the length of what it stands for.
fn encoded(core: &[u8]) -> Option<(&'static str, usize)> {
    let hex = material::from_hex(core).filter(|_| core.len() >= 16);
    let base64 = || material::from_base64(core).filter(|_| core.ends_with(b"="));
    hex.map(|inside| ("hexadecimal", inside.len()))
        .or_else(|| base64().map(|inside| ("base64", inside.len())))
}

/// `${NAME}`, `$(NAME)` (Kubernetes leaves an unknown one as it is), `{{ value }}`, `%NAME%`, `<your key>`.
fn is_template(core: &str) -> bool {
    let named = |open: &str, close: &str| {
        core.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
            // A random key that happens to begin and end so has no letters in words.
            && core.bytes().filter(|byte| byte.is_ascii_alphabetic() || b" _-.".contains(byte)).count() * 2 > core.len()
    };
    named("${", "}") || named("$(", ")") || named("{{", "}}") || named("%", "%") || named("<", ">")
}

/// Repeated, counted up, or so few different characters that guessing is quick.
fn has_low_entropy(bytes: &[u8]) -> bool {
    // A row that repeats is worth one turn of it.
    let unit = bytes.get(..period(bytes)).unwrap_or(bytes);
    // Entropy by how often each byte occurs: 32 random decimal digits have about 100 bits.
    if shannon_bits(unit) < 80.0 {
        return true;
    }
    // "abcdefgh...": most steps from byte to byte are the same.
    let mut steps = [0usize; 256];
    for (earlier, later) in bytes.iter().zip(bytes.iter().skip(1)) {
        if let Some(count) = steps.get_mut(usize::from(later.wrapping_sub(*earlier))) {
            *count += 1;
        }
    }
    let most = steps.iter().max().copied().unwrap_or_default();
    most * 4 >= bytes.len().saturating_sub(1) * 3
}

/// After how many bytes a row begins anew; its length where it does not do so at least once as a whole.
/// The prefix function of Knuth, Morris and Pratt: one walk, however long the row is.
fn period(bytes: &[u8]) -> usize {
    let at = |index: usize| bytes.get(index);
    let mut borders = vec![0usize; bytes.len()];
    let mut border = 0;
    for end in 1..bytes.len() {
        while border > 0 && at(border) != at(end) {
            border = borders.get(border - 1).copied().unwrap_or_default();
        }
        border += usize::from(at(border) == at(end));
        if let Some(place) = borders.get_mut(end) {
            *place = border;
        }
    }
    let period = bytes.len() - border;
    if period <= bytes.len() / 2 { period } else { bytes.len() }
}

/// Bits of all bytes together, by how often each occurs.
fn shannon_bits(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (total / f64::from(*count)).log2())
        .sum()
}

/// White space, marks and quotes around the key.
fn odd_storage(text: &str) -> Vec<KeyWeakness> {
    let mut found = Vec::new();
    let unmarked = text.trim_start_matches('\u{feff}');
    if unmarked.len() != text.len() {
        found.push(KeyWeakness::ByteOrderMark);
    }
    let without_newline = unmarked.trim_end_matches(['\n', '\r']);
    if without_newline.len() != unmarked.len() {
        found.push(KeyWeakness::TrailingNewline);
    }
    let trimmed = without_newline.trim();
    if trimmed.len() != without_newline.len() {
        found.push(KeyWeakness::SurroundingWhiteSpace);
    }
    let quoted = |quote: char| trimmed.len() >= 2 && trimmed.starts_with(quote) && trimmed.ends_with(quote);
    if ['"', '\'', '`'].into_iter().any(quoted) {
        found.push(KeyWeakness::Quoted);
    }
    if has_comment(trimmed) {
        found.push(KeyWeakness::Comment);
    }
    if let Some((name, value)) = trimmed.split_once('=')
        && name.len() >= 3
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && !value.trim_matches('=').is_empty()
    {
        found.push(KeyWeakness::Assignment);
    }
    found
}

/// Whether a text ends with white space, `#`, white space and a word. Random texts with blanks are rare, and a
/// comment has more of them.
fn has_comment(text: &str) -> bool {
    let comment = text.match_indices('#').find_map(|(at, _)| {
        let (before, after) = text.split_at_checked(at)?;
        let words = after
            .strip_prefix('#')
            .filter(|words| before.ends_with([' ', '\t']) && words.starts_with([' ', '\t']))?;
        (!before.trim().is_empty()).then_some(words)
    });
    comment.is_some_and(|words| words.chars().filter(|one| one.is_alphabetic()).count() >= 3)
}

/// UTF-16 with its byte order mark: every second byte of ASCII text is zero.
fn is_utf16(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    (bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])) && zeros * 3 > bytes.len()
}

/// Base64 that stands for base64 or hexadecimal text. Random keys never do: 16 random bytes are all
/// of that alphabet once in 4^16.
fn is_base64_twice(core: &[u8]) -> bool {
    let Some(decoded) = material::from_base64(core) else { return false };
    let inner = decoded.trim_ascii();
    inner.len() >= 16 && inner.is_ascii() && material::from_base64(inner).is_some()
}

#[cfg(test)]
mod tests;
