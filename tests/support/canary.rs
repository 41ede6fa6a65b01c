//! No secret in anything that is told: not as it is, not in any form that gives it away, and not a part of it.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// What stands for a secret where none is at hand: no word has three of its characters in a row.
pub const CANARY: &str = "Zq7Xw2Vk9Jm4Tn8Rb";

/// So many bytes of a secret, one after the other, give it away.
pub const WINDOW: usize = 8;

/// More where they are letters of one case and spaces alone, which any sentence may hold.
const WORDS: usize = 12;

/// More where they are hexadecimal digits alone: of those a text holds thousands, in ids and digests that are drawn
/// anew each time, and eight of them are the same by chance once in some thousand tests.
const HEX: usize = 16;

/// A secret as texts and documents may have it, and how many characters of that stand for [`WINDOW`] bytes.
fn forms(secret: &[u8]) -> Vec<(String, usize)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{secret:?}").trim_matches(['[', ']']).to_owned();
    let mut forms = vec![
        (hex.to_uppercase(), 2 * WINDOW),
        (hex, 2 * WINDOW),
        // Bytes as Rust and JSON write them.
        (list.replace(' ', ""), 3 * WINDOW),
        (list, 4 * WINDOW),
    ];
    // Base64 of a text differs with where it begins within another.
    for before in 0..3_usize {
        let padded = [&b"\0\0"[..before], secret].concat();
        let skipped = (before * 8).div_ceil(6);
        for base64 in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            forms.push((base64[skipped..].to_owned(), (WINDOW * 8).div_ceil(6)));
        }
    }
    let text = String::from_utf8_lossy(secret).into_owned();
    let json = serde_json::to_string(&text).unwrap();
    let written = [
        json.trim_matches('"').to_owned(),
        format!("{text:?}").trim_matches('"').to_owned(),
        text.escape_default().to_string(),
        percent_encoding::percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
        url::form_urlencoded::byte_serialize(secret).collect(),
        text.to_lowercase(),
        text.to_uppercase(),
        text.chars().rev().collect(),
        text,
    ];
    forms.extend(written.into_iter().map(|text| (text, WINDOW)));
    forms
}

/// All parts of a text that have so many characters.
fn parts(text: &str, characters: usize) -> impl Iterator<Item = &str> {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let last = ends.len().saturating_sub(characters);
    (0..last).map(move |at| &text[ends[at]..ends[at + characters]])
}

/// How keys and addresses are written, whatever they are, and words of ours that stand in a password of the tests.
const OURS: [&str; 9] = [
    "-----BEGIN CERTIFICATE-----",
    "-----END CERTIFICATE-----",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----",
    "-----END PUBLIC KEY-----",
    "postgresql+asyncpg://",
    "postgres://",
    " password of the admin",
];

/// Secrets, as their parts in each form, by how many characters they have.
#[derive(Default)]
pub struct Secret {
    parts: HashMap<usize, HashSet<String>>,
    /// Which beginnings of four bytes any part has: one bit for each of their digests.
    beginnings: Vec<u64>,
}

/// Secrets that were taken apart, since each text of a test is searched for the same ones.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

type Known = HashMap<Vec<Vec<u8>>, Arc<Secret>>;

/// As many are kept.
const MOST_KNOWN: usize = 64;

impl Secret {
    /// Of a secret that is shorter than a part nothing can be looked for: any text may hold it.
    pub fn new(secret: &[u8]) -> Self {
        let mut all = Self::default();
        all.add(secret);
        all.finished()
    }

    /// Several, looked for at once.
    pub fn all(secrets: Vec<Vec<u8>>) -> Arc<Self> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&secrets) {
            return Arc::clone(known);
        }
        let mut all = Self::default();
        secrets.iter().for_each(|secret| all.add(secret));
        let all = Arc::new(all.finished());
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(secrets, Arc::clone(&all));
        all
    }

    fn add(&mut self, secret: &[u8]) {
        let of = |part: &str, case: fn(char) -> bool| part.chars().all(|c| case(c) || c == ' ' || c == '_');
        let word = |part: &str| of(part, char::is_lowercase) || of(part, char::is_uppercase);
        let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ours =
            |part: &str| OURS.iter().any(|ours| ours.contains(part) || ours.to_lowercase().contains(part));
        for (form, characters) in forms(secret) {
            let told = parts(&form, characters).filter(|part| {
                // A few numbers that repeat themselves stand in any list.
                let alike =
                    characters > 2 * WINDOW && part.split([',', ' ']).collect::<HashSet<_>>().len() < 6;
                !alike && !word(part) && !hex(part) && !ours(part)
            });
            self.parts.entry(characters).or_default().extend(told.map(str::to_owned));
            let words = parts(&form, WORDS).filter(|part| word(part) && !ours(part));
            self.parts.entry(WORDS).or_default().extend(words.map(str::to_owned));
            let digits = parts(&form, HEX).filter(|part| hex(part));
            self.parts.entry(HEX).or_default().extend(digits.map(str::to_owned));
        }
    }

    fn finished(mut self) -> Self {
        self.parts.retain(|_, parts| !parts.is_empty());
        let count: usize = self.parts.values().map(HashSet::len).sum();
        self.beginnings = vec![0; (count / 4).next_power_of_two().max(64)];
        let parts = std::mem::take(&mut self.parts);
        for part in parts.values().flatten() {
            let (word, bit) = self.place(part.as_bytes());
            self.beginnings[word] |= bit;
        }
        Self { parts, ..self }
    }

    fn place(&self, bytes: &[u8]) -> (usize, u64) {
        let beginning = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let digest = beginning.wrapping_mul(0x9e37_79b1) >> 8;
        ((digest >> 6) as usize & (self.beginnings.len() - 1), 1 << (digest & 63))
    }

    /// The first part of any that stands in a text.
    pub fn told<'a>(&self, text: &'a str) -> Option<&'a str> {
        let bytes = text.as_bytes();
        for at in 0..bytes.len().saturating_sub(3) {
            let (word, bit) = self.place(&bytes[at..]);
            if self.beginnings[word] & bit == 0 || !text.is_char_boundary(at) {
                continue;
            }
            let rest = &text[at..];
            for (characters, known) in &self.parts {
                let end = rest.char_indices().map(|(end, _)| end).chain([rest.len()]).nth(*characters);
                if let Some(part) = end.map(|end| &rest[..end]).filter(|part| known.contains(*part)) {
                    return Some(part);
                }
            }
        }
        None
    }
}

/// Panics where a text tells any of these secrets.
#[track_caller]
pub fn keeps_all(shown: &str, secrets: Vec<Vec<u8>>) {
    if let Some(part) = Secret::all(secrets).told(shown) {
        panic!("{part:?}, a part of a secret or of a row, stands in {shown}");
    }
}

/// Panics where a text tells any of a secret.
#[track_caller]
pub fn keeps(shown: &str, secret: &[u8]) {
    keeps_all(shown, vec![secret.to_vec()]);
}

/// Panics where a text tells any of [`CANARY`].
#[track_caller]
pub fn keeps_canary(shown: &str) {
    keeps(shown, CANARY.as_bytes());
}

/// What of a Secret's value no text may hold: of a connection string everything but the password may be told.
pub fn hidden(value: &[u8]) -> Vec<Vec<u8>> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let url = url::Url::parse(text).ok().filter(|url| url.has_host() && text.contains("://"));
    let Some(url) = url else { return vec![value.to_vec()] };
    let password = url.password().unwrap_or_default();
    vec![password.into(), percent_encoding::percent_decode_str(password).collect()]
}

// Beside the code, since a bench that shares it has no tests.
#[test]
fn a_secret_is_found_in_each_form_and_by_each_part_of_it() {
    let secret = "pä$$ \"w0rd\" of-17 letters";
    let json = serde_json::to_string(secret).unwrap();
    for text in [
        secret.to_owned(),
        format!("it was {} there", &secret[6..15]),
        format!("{:?}", secret.as_bytes()),
        json,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(format!("user:{secret}@host")),
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        // Eight bytes of it.
        secret.bytes().take(8).map(|byte| format!("{byte:02x}")).collect(),
    ] {
        assert!(Secret::new(secret.as_bytes()).told(&text).is_some(), "{text}");
    }
    for text in
        ["", "letters", "of letters and -----BEGIN PRIVATE KEY-----", "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"]
    {
        assert_eq!(Secret::new(secret.as_bytes()).told(text), None, "{text}");
    }
}
