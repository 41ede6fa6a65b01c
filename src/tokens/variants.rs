//! The same key, stored or decoded otherwise: what a Secret, an environment file, a shell or an app's own
//! decoding makes of it on the way. One list, for whatever compares keys.

use crate::{api::spec::Algorithm, tokens::text::hex};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{
    SigningKey, fingerprint, jwk, material,
    readings::{
        Lenient, assigned, before_comment, before_hash, from_escapes, from_html, from_lenient_base64,
        from_url, from_utf16, interpolated, of_json, replaced, to_escapes, to_html, to_latin1, to_url,
        to_utf16, unquoted,
    },
};

/// A key that another program may have made of this one.
pub(super) struct Variant {
    /// How the other key differs from this one, to complete "the key that signed it ...".
    pub(super) how: &'static str,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// The list as it is made: the likeliest first, each key once, without the key itself and without empty ones.
struct List<'a> {
    own: &'a [u8],
    found: Vec<Variant>,
}

impl List<'_> {
    fn add(&mut self, how: &'static str, bytes: impl Into<Option<Zeroizing<Vec<u8>>>>) {
        let Some(bytes) = bytes.into() else { return };
        let seen = self.found.iter().any(|earlier| *earlier.bytes == *bytes);
        if !bytes.is_empty() && bytes.as_slice() != self.own && !seen {
            self.found.push(Variant { how, bytes });
        }
    }
}

/// Every likely variant of a key, the likeliest first.
pub(super) fn variants(key: &SigningKey) -> Vec<Variant> {
    let Some(bytes) = key.secret() else { return Vec::new() };
    let mut list = List { own: bytes, found: Vec::new() };
    in_documents(&mut list, key, bytes);
    around(&mut list, bytes);
    in_files(&mut list, bytes);
    unescaped(&mut list, bytes);
    encoded(&mut list, bytes);
    escaped(&mut list, bytes);
    list.add("is this one in lower case", owned(&bytes.to_ascii_lowercase()));
    list.add("is this one in upper case", owned(&bytes.to_ascii_uppercase()));
    list.found
}

/// Keys as other programs may have them, the likeliest first, for asking an app which of them it runs with; each
/// with its difference from this one.
pub fn likely_variants(key: &SigningKey) -> Vec<(&'static str, SigningKey)> {
    let asked = variants(key).into_iter().take(MOST_ASKED);
    asked.map(|variant| (variant.how, SigningKey::of_secret(variant.bytes, None).called(key.id()))).collect()
}

/// So many keys an app is asked about. Which are beyond is what hardly anybody reports.
const MOST_ASKED: usize = 16;

/// How the key of a fingerprint differs from this one, to complete "the other key ...", where it is this one
/// stored or decoded otherwise. Slow: a tenth of a second for each of the likeliest few.
pub fn variant_of_fingerprint(key: &SigningKey, algorithm: Algorithm, wanted: &str) -> Option<&'static str> {
    let found = variants(key).into_iter().take(MOST_ASKED).find(|variant| {
        let other = SigningKey::of_secret(variant.bytes.clone(), None);
        fingerprint(&other, algorithm).as_deref() == Some(wanted)
    });
    found.map(|variant| variant.how)
}

/// What common readers of variables make of a shared secret that is a text, where they make something else of it: no
/// weakness, and a cause of what [`variants`] are for.
pub fn read_otherwise(key: &SigningKey) -> Vec<&'static str> {
    let Some(text) = key.secret().filter(|secret| std::str::from_utf8(secret).is_ok()) else {
        return Vec::new();
    };
    let mut told = Vec::new();
    if interpolated(text, true).is_some() {
        told.push(
            "The key has a $: Docker Compose, dotenv-expand and shells put in a variable there unless it is escaped or in single quotes, so an environment that goes through one of them may run with another key.",
        );
    }
    if before_hash(text).is_some() {
        told.push(
            "The key has a #: dotenv for Node ends a value there unless it is in quotes, so an environment that reads it from a file may run with another key.",
        );
    }
    told
}

fn owned(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}

fn text(text: String) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.into_bytes())
}

fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(parts.concat())
}

/// Keys in JSON documents.
fn in_documents(list: &mut List<'_>, key: &SigningKey, bytes: &[u8]) {
    for inside in jwk::secret_inside(bytes) {
        list.add("is the one inside this JSON document: the app reads its k", inside);
    }
    if let Some(document) = &key.document {
        list.add("is the whole JSON document that this one stands in", owned(document));
    }
    let (member, others) = of_json(bytes);
    list.add("is the member \"key\" of this JSON document, which is what Hasura reads", member);
    for other in others {
        list.add("is one of the texts in this JSON document", other);
    }
}

/// White space, quotes and marks.
fn around(list: &mut List<'_>, bytes: &[u8]) {
    let trimmed = bytes.trim_ascii();
    list.add("lacks the white space around this one", owned(trimmed));
    list.add("lacks the white space at the end of this one", owned(bytes.trim_ascii_end()));
    list.add("has a line break at its end", joined(&[bytes, b"\n"]));
    list.add("has a Windows line break at its end", joined(&[bytes, b"\r\n"]));
    list.add("lacks the quotes around this one", unquoted(trimmed).map(owned));
    for quote in [b"\"", b"'"] {
        list.add("stands in quotes", joined(&[quote, bytes, quote]));
    }
    if let Some(rest) = bytes.strip_prefix("\u{feff}".as_bytes()) {
        list.add("lacks the byte order mark of this one", owned(rest));
        list.add("lacks the byte order mark and the white space around this one", owned(rest.trim_ascii()));
    }
}

/// Base64 and hexadecimal, once or twice, strictly or leniently.
fn encoded(list: &mut List<'_>, bytes: &[u8]) {
    let decoded = material::from_base64(bytes);
    if let Some(decoded) = &decoded {
        list.add("is this one decoded from base64", decoded.clone());
        list.add(
            "is this one decoded from base64, without the white space around it",
            owned(decoded.trim_ascii()),
        );
    }
    list.add("is this one decoded from hexadecimal", hexadecimal(bytes));
    let behind = bytes.trim_ascii().strip_prefix(b"base64:");
    list.add(
        "is this one decoded from base64 without the prefix base64:, which is what Laravel does",
        behind.and_then(material::from_base64),
    );
    list.add("lacks the prefix base64: of this one", behind.map(owned));
    if decoded.is_none() || bytes.contains(&b'-') || bytes.contains(&b'_') || !bytes.len().is_multiple_of(4) {
        for (how, decoder) in [
            (
                "is this one decoded as base64 by Java's DatatypeConverter, which skips other characters and drops an unfinished end (old jjwt)",
                Lenient::Java,
            ),
            (
                "is this one decoded as base64 by a decoder that skips other characters (Buffer.from of Node, Apache Commons Codec)",
                Lenient::Node,
            ),
            (
                "is this one decoded as base64 by a decoder that skips other characters (base64_decode of PHP)",
                Lenient::Php,
            ),
        ] {
            list.add(how, from_lenient_base64(bytes, decoder));
        }
    }
    list.add("is this one encoded in base64", text(STANDARD.encode(bytes)));
    list.add("is this one encoded in base64 without padding", text(STANDARD_NO_PAD.encode(bytes)));
    list.add("is this one encoded in base64url", text(URL_SAFE.encode(bytes)));
    list.add("is this one encoded in base64url without padding", text(URL_SAFE_NO_PAD.encode(bytes)));
    // `echo "$SECRET" | base64`.
    list.add(
        "is this one and a line break, encoded in base64",
        text(STANDARD.encode(joined(&[bytes, b"\n"]).as_slice())),
    );
    list.add(
        "is this one encoded in base64, and has a line break at its end",
        text(STANDARD.encode(bytes) + "\n"),
    );
    list.add(
        "is this one encoded in base64, with base64: in front",
        text(format!("base64:{}", STANDARD.encode(bytes))),
    );
    list.add("is this one encoded in hexadecimal", text(hex(bytes)));
    list.add("is this one encoded in upper-case hexadecimal", text(hex(bytes).to_uppercase()));
    if let Some(once) = &decoded {
        list.add("is this one decoded from base64 twice", material::from_base64(once));
        list.add("is this one decoded from base64 and then from hexadecimal", hexadecimal(once));
    }
    if let Some(once) = hexadecimal(bytes) {
        list.add(
            "is what this one stands for in hexadecimal, encoded in base64",
            text(STANDARD.encode(&*once)),
        );
    }
    if let Some(once) = &decoded {
        list.add("is what this one stands for in base64, encoded in hexadecimal", text(hex(once)));
        list.add("is this one in base64url instead of base64", text(URL_SAFE_NO_PAD.encode(&**once)));
        list.add("is this one in base64 instead of base64url", text(STANDARD.encode(&**once)));
    }
    list.add("is this one encoded in base64 twice", text(STANDARD.encode(STANDARD.encode(bytes))));
}

fn hexadecimal(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digits = bytes.trim_ascii();
    material::from_hex(digits.strip_prefix(b"0x").unwrap_or(digits))
}

/// What files of variables, Compose and shells read otherwise.
fn in_files(list: &mut List<'_>, bytes: &[u8]) {
    list.add(
        "has one $ for each $$ of this one, which is how Compose reads that",
        replaced(bytes, "$$", "$"),
    );
    list.add(
        "is this one after Compose put in what its $ names: that variable is not set there, so the name is gone",
        interpolated(bytes, false),
    );
    list.add(
        "is this one as a shell or dotenv-expand reads its $: what it names is empty",
        interpolated(bytes, true),
    );
    list.add(
        "has $$ for each $ of this one, which is how a $ is written for Compose",
        replaced(bytes, "$", "$$"),
    );
    list.add(
        "lacks what stands from white space and # on in this one, which is a comment in a file of variables",
        before_comment(bytes),
    );
    list.add(
        "is what stands before the # of this one, which is where dotenv for Node ends a value without quotes",
        before_hash(bytes),
    );
    list.add("is what stands after the equals sign of this one", assigned(bytes));
    let start = bytes.trim_ascii_start();
    if let Some(first) = start.iter().position(|byte| *byte == b'\n').and_then(|at| start.get(..at)) {
        list.add("is the first line of this one", owned(first.trim_ascii()));
    }
}

/// Escapes of URLs, markup and texts that this key may have and another program has not.
fn unescaped(list: &mut List<'_>, bytes: &[u8]) {
    list.add("has the percent escapes of this one decoded, which is what a URL does", from_url(bytes, false));
    list.add(
        "has percent escapes and + of this one decoded, which is what a form does",
        from_url(bytes, true).filter(|_| bytes.contains(&b'%')),
    );
    list.add("has the entities (&amp;) of this one decoded, as HTML and XML are read", from_html(bytes));
    list.add("has the backslashes of this one read as escapes", from_escapes(bytes));
    let read = from_utf16(bytes);
    let trimmed = read.as_ref().map(|text| owned(text.trim_ascii()));
    list.add("is this one in UTF-8, and this one is UTF-16", read);
    list.add("is this one in UTF-8 without the white space around it, and this one is UTF-16", trimmed);
}

/// Escapes that another program may have added, and other encodings of characters.
fn escaped(list: &mut List<'_>, bytes: &[u8]) {
    for unescaped in [&b"-_.!~*'()"[..], b"-_.~/", b"-_.~"] {
        list.add("is this one with percent escapes, as for a URL", to_url(bytes, unescaped));
    }
    for (apostrophe, quotes) in
        [(Some("&#39;"), true), (Some("&#x27;"), true), (Some("&apos;"), true), (None, true), (None, false)]
    {
        list.add("is this one with entities (&amp;), as for HTML or XML", to_html(bytes, apostrophe, quotes));
    }
    list.add("has backslashes before what a text in JSON escapes", to_escapes(bytes));
    list.add(
        "is this one in UTF-16 with a byte order mark, which is what PowerShell's > writes",
        to_utf16(bytes, true),
    );
    list.add(
        "is this one and a Windows line break in UTF-16 with a byte order mark, which is what PowerShell's > writes",
        to_utf16(&joined(&[bytes, b"\r\n"]), true),
    );
    list.add("is this one in UTF-16", to_utf16(bytes, false));
    list.add("is this one in Latin-1", to_latin1(bytes));
    list.add("begins with a byte order mark", joined(&["\u{feff}".as_bytes(), bytes]));
    list.add("has a space at its end", joined(&[bytes, b" "]));
}

#[cfg(test)]
mod tests;
