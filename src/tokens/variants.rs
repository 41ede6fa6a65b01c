//! The same key, stored differently: what a Secret, an environment file or an app's own decoding
//! makes of it on the way.

use crate::tokens::text::hex;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{SigningKey, jwk, material};

/// A key that another program may have made of this one.
pub(super) struct Variant {
    /// How the signer's key differs from this one, to complete "the key that signed it ...".
    pub(super) how: &'static str,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Every likely variant of a key, the likeliest first, without the key itself and without empty ones.
pub(super) fn variants(key: &SigningKey) -> Vec<Variant> {
    let Some(bytes) = key.secret() else { return Vec::new() };
    let mut found: Vec<Variant> = Vec::new();
    let mut add = |how: &'static str, variant: Zeroizing<Vec<u8>>| {
        let seen = found.iter().any(|earlier| *earlier.bytes == *variant);
        if !variant.is_empty() && variant.as_slice() != bytes && !seen {
            found.push(Variant { how, bytes: variant });
        }
    };
    let owned = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    let with = |ending: &[u8]| Zeroizing::new([bytes, ending].concat());
    let text = |text: String| Zeroizing::new(text.into_bytes());

    for inside in jwk::secret_inside(bytes) {
        add("is the one inside this JSON document: the app reads its k", inside);
    }
    if let Some(document) = &key.document {
        add("is the whole JSON document that this one stands in", owned(document));
    }

    let trimmed = bytes.trim_ascii();
    add("lacks the white space around this one", owned(trimmed));
    let ended = bytes.trim_ascii_end();
    add("lacks the white space at the end of this one", owned(ended));
    add("has a line break at its end", with(b"\n"));
    add("has a Windows line break at its end", with(b"\r\n"));
    add("has a space at its end", with(b" "));

    if let [first @ (b'"' | b'\'' | b'`'), inner @ .., last] = trimmed
        && first == last
    {
        add("lacks the quotes around this one", owned(inner));
    }
    for quote in [b'"', b'\''] {
        add("stands in quotes", Zeroizing::new([&[quote], bytes, &[quote]].concat()));
    }
    if let Some(rest) = bytes.strip_prefix("\u{feff}".as_bytes()) {
        add("lacks the byte order mark of this one", owned(rest));
    }
    add("begins with a byte order mark", Zeroizing::new(["\u{feff}".as_bytes(), bytes].concat()));

    if let Some(decoded) = material::from_base64(bytes) {
        add(
            "is this one decoded from base64, without the white space around it",
            owned(decoded.trim_ascii()),
        );
        add("is this one decoded from base64", decoded);
    }
    add("is this one encoded in base64", text(STANDARD.encode(bytes)));
    add("is this one encoded in base64 without padding", text(STANDARD_NO_PAD.encode(bytes)));
    add("is this one encoded in base64url", text(URL_SAFE.encode(bytes)));
    add("is this one encoded in base64url without padding", text(URL_SAFE_NO_PAD.encode(bytes)));
    // `echo "$SECRET" | base64`.
    add("is this one and a line break, encoded in base64", text(STANDARD.encode(&*with(b"\n"))));
    add(
        "is this one encoded in base64, and has a line break at its end",
        text(STANDARD.encode(bytes) + "\n"),
    );

    if let Some(decoded) = material::from_hex(bytes) {
        add("is this one decoded from hexadecimal", decoded);
    }
    add("is this one encoded in hexadecimal", text(hex(bytes)));
    add("is this one encoded in upper-case hexadecimal", text(hex(bytes).to_uppercase()));
    add("is this one in lower case", Zeroizing::new(bytes.to_ascii_lowercase()));
    add("is this one in upper case", Zeroizing::new(bytes.to_ascii_uppercase()));
    found
}
