//! What programs make of a text on its way into a process: lenient decoders, interpolation, comments, escapes.
//! Each is a function from bytes to bytes, and `None` where it changes nothing or does not apply.

use serde_json::Value;
use zeroize::Zeroizing;

type Bytes = Zeroizing<Vec<u8>>;

/// Which characters a lenient decoder of base64 takes, and what it makes of an unfinished end.
#[derive(Clone, Copy)]
pub(super) enum Lenient {
    /// The standard alphabet; an unfinished group is dropped (Java's `DatatypeConverter`).
    Java,
    /// The standard alphabet; an unfinished group counts (PHP's `base64_decode`).
    Php,
    /// Both alphabets; an unfinished group counts (`Buffer.from(text, "base64")` of Node, Apache's codec).
    Node,
}

/// What a decoder of base64 makes of any text that skips what it does not know.
pub(super) fn from_lenient_base64(text: &[u8], decoder: Lenient) -> Option<Bytes> {
    let (mut decoded, mut group, mut count) = (Zeroizing::new(Vec::new()), 0u32, 0u32);
    let (url_safe, goes_on) = (matches!(decoder, Lenient::Node), matches!(decoder, Lenient::Php));
    for byte in text.iter().take_while(|byte| goes_on || **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'-' if url_safe => 62,
            b'_' if url_safe => 63,
            _ => continue,
        };
        group = group << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            decoded.extend_from_slice(group.to_be_bytes().get(1..).unwrap_or_default());
            (group, count) = (0, 0);
        }
    }
    // Two characters are one byte, three are two; padding finishes a group for everybody.
    let finished = text.contains(&b'=') || !matches!(decoder, Lenient::Java);
    let whole = usize::try_from(count).unwrap_or_default().saturating_sub(1);
    if finished && whole > 0 {
        let filled = group << (6 * (4 - count));
        decoded.extend_from_slice(filled.to_be_bytes().get(1..=whole).unwrap_or_default());
    }
    (!decoded.is_empty()).then_some(decoded)
}

/// The text with every `$NAME` and `${NAME}` gone, as for variables that are not set, and `$$` as one `$`. In
/// shells also `$1`.
pub(super) fn interpolated(text: &[u8], shell: bool) -> Option<Bytes> {
    let mut left = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'$' {
            left.push(*first);
            continue;
        }
        let name = |bytes: &[u8]| bytes.iter().take_while(|byte| is_of_name(**byte)).count();
        match after.first() {
            Some(b'$') => {
                left.push(b'$');
                rest = after.get(1..).unwrap_or_default();
            }
            Some(b'{') => match after.iter().position(|byte| *byte == b'}') {
                Some(end) => rest = after.get(end + 1..).unwrap_or_default(),
                None => left.push(b'$'),
            },
            Some(digit) if digit.is_ascii_digit() && shell => rest = after.get(1..).unwrap_or_default(),
            Some(letter) if is_of_name(*letter) && !letter.is_ascii_digit() => {
                rest = after.get(name(after)..).unwrap_or_default();
            }
            _ => left.push(b'$'),
        }
    }
    (left.as_slice() != text).then_some(left)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Every occurrence of one text replaced by another.
pub(super) fn replaced(text: &[u8], from: &str, to: &str) -> Option<Bytes> {
    let text = std::str::from_utf8(text).ok()?;
    text.contains(from).then(|| Zeroizing::new(text.replace(from, to).into_bytes()))
}

/// What stands before the first `#`, without the white space before that.
pub(super) fn before_hash(text: &[u8]) -> Option<Bytes> {
    let at = text.iter().position(|byte| *byte == b'#')?;
    Some(Zeroizing::new(text.get(..at)?.trim_ascii_end().to_vec()))
}

/// What stands before a comment: white space and `#`.
pub(super) fn before_comment(text: &[u8]) -> Option<Bytes> {
    let at = text.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'#']))?;
    Some(Zeroizing::new(text.get(..at)?.trim_ascii_end().to_vec()))
}

/// Percent escapes decoded, and `+` as a blank where `form` says so.
pub(super) fn from_url(text: &[u8], form: bool) -> Option<Bytes> {
    let (mut left, mut rest) = (Zeroizing::new(Vec::with_capacity(text.len())), text);
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    left.push(high << 4 | low);
                    rest = after.get(2..).unwrap_or_default();
                }
                _ => left.push(b'%'),
            },
            (b'+', _) if form => left.push(b' '),
            (other, _) => left.push(*other),
        }
    }
    (left.as_slice() != text).then_some(left)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Percent escapes as `encodeURIComponent` of JavaScript makes them, or as Python's `quote` does, which leaves
/// other marks alone.
pub(super) fn to_url(text: &[u8], unescaped: &[u8]) -> Option<Bytes> {
    let mut escaped = Zeroizing::new(Vec::with_capacity(text.len()));
    for byte in text {
        if byte.is_ascii_alphanumeric() || unescaped.contains(byte) {
            escaped.push(*byte);
        } else {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    (escaped.as_slice() != text).then_some(escaped)
}

const ENTITIES: [(&str, &str); 7] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&apos;", "'"),
    // The last, so that what it brings about is not taken for another one.
    ("&amp;", "&"),
];

/// The entities of HTML and XML as the characters that they stand for.
pub(super) fn from_html(text: &[u8]) -> Option<Bytes> {
    let given = std::str::from_utf8(text).ok()?;
    let mut left = Zeroizing::new(given.to_owned());
    for (entity, character) in ENTITIES {
        left = Zeroizing::new(left.replace(entity, character));
    }
    (*left != given).then(|| Zeroizing::new(left.as_bytes().to_vec()))
}

/// The characters of markup as entities; an apostrophe as the one that is given, or left alone.
pub(super) fn to_html(text: &[u8], apostrophe: Option<&str>, quotes: bool) -> Option<Bytes> {
    let given = std::str::from_utf8(text).ok()?;
    let mut left = Zeroizing::new(given.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    if quotes {
        left = Zeroizing::new(left.replace('"', "&quot;"));
    }
    if let Some(entity) = apostrophe {
        left = Zeroizing::new(left.replace('\'', entity));
    }
    (*left != given).then(|| Zeroizing::new(left.as_bytes().to_vec()))
}

/// Backslash escapes read as JSON reads them.
pub(super) fn from_escapes(text: &[u8]) -> Option<Bytes> {
    let given = std::str::from_utf8(text).ok().filter(|given| given.contains('\\'))?;
    let quoted = Zeroizing::new(format!("\"{given}\""));
    let read: String = serde_json::from_str(&quoted).ok()?;
    Some(Zeroizing::new(read.into_bytes()))
}

/// Quotes, backslashes and line breaks escaped as JSON does.
pub(super) fn to_escapes(text: &[u8]) -> Option<Bytes> {
    let given = std::str::from_utf8(text).ok()?;
    let quoted = Zeroizing::new(serde_json::to_string(given).ok()?);
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (inner != given).then(|| Zeroizing::new(inner.as_bytes().to_vec()))
}

/// The text that UTF-16 stands for, with a byte order mark or of ASCII alone.
pub(super) fn from_utf16(bytes: &[u8]) -> Option<Bytes> {
    let (marked, little) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ if bytes.iter().skip(1).step_by(2).all(|byte| *byte == 0) => (bytes, true),
        _ => return None,
    };
    let (pairs, []) = marked.as_chunks::<2>() else { return None };
    let unit = |pair: &[u8; 2]| if little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    let units: Zeroizing<Vec<u16>> = Zeroizing::new(pairs.iter().map(unit).collect());
    String::from_utf16(&units).ok().map(|text| Zeroizing::new(text.into_bytes()))
}

/// The text in UTF-16, low byte first, as Windows writes it.
pub(super) fn to_utf16(text: &[u8], mark: bool) -> Option<Bytes> {
    let text = std::str::from_utf8(text).ok()?;
    let mark: &[u8] = if mark { &[0xff, 0xfe] } else { &[] };
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    Some(Zeroizing::new(mark.iter().copied().chain(units).collect()))
}

/// Text that has only characters of Latin-1, a byte for each.
pub(super) fn to_latin1(text: &[u8]) -> Option<Bytes> {
    let given = std::str::from_utf8(text).ok().filter(|given| !given.is_ascii())?;
    let bytes = given.chars().map(|character| u8::try_from(u32::from(character)).ok());
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// Texts inside a JSON document: what `key` says first, and every other one of its first level.
pub(super) fn of_json(bytes: &[u8]) -> (Option<Bytes>, Vec<Bytes>) {
    if !bytes.trim_ascii_start().starts_with(b"{") && !bytes.trim_ascii_start().starts_with(b"[") {
        return (None, Vec::new());
    }
    let text = |value: &Value| Some(Zeroizing::new(value.as_str()?.as_bytes().to_vec()));
    // A document may be wrapped in a text once more.
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => {
            let key = object.get("key").and_then(text);
            let others = object.iter().filter(|(name, _)| *name != "key" && *name != "kid");
            (key, others.filter_map(|(_, value)| text(value)).take(MOST).collect())
        }
        Ok(Value::Array(values)) => (None, values.iter().filter_map(text).take(MOST).collect()),
        _ => (None, Vec::new()),
    }
}

/// Members of a document that are tried.
const MOST: usize = 20;

/// What stands after the equals sign of a line of an environment file, without quotes.
pub(super) fn assigned(text: &[u8]) -> Option<Bytes> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"export ").unwrap_or(text);
    let at = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (text.get(..at)?.trim_ascii(), text.get(at + 1..)?.trim_ascii());
    let named =
        name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(|byte| is_of_name(*byte));
    if !named || value.iter().all(|byte| *byte == b'=') {
        return None;
    }
    Some(Zeroizing::new(unquoted(value).unwrap_or(value).to_vec()))
}

/// What stands between quotes.
pub(super) fn unquoted(text: &[u8]) -> Option<&[u8]> {
    match text {
        [first @ (b'"' | b'\'' | b'`'), inner @ .., last] if first == last => Some(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::text::hex;

    fn text(bytes: Option<Bytes>) -> Option<String> {
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn lenient_base64_is_read_as_java_php_and_node_read_it() {
        // Node: Buffer.from(TEXT, "base64").toString("hex"); PHP: bin2hex(base64_decode(TEXT)).
        for (given, java, php, node) in [
            ("ThisIsASecret", "4e18ac22c01279cade", "4e18ac22c01279cade", "4e18ac22c01279cade"),
            ("ThisIsASecretff", "4e18ac22c01279cade", "4e18ac22c01279cadeb5f7", "4e18ac22c01279cadeb5f7"),
            ("my-app_se", "9b26a9", "9b26a9a6c7", "9b2f9aa69fec"),
            ("c-d_e+f/g", "71d7be", "71d7be7ff8", "73e77f7be7ff"),
            ("abc=de", "69b7", "69b71d", "69b7"),
        ] {
            for (decoder, expected) in [(Lenient::Java, java), (Lenient::Php, php), (Lenient::Node, node)] {
                let decoded = from_lenient_base64(given.as_bytes(), decoder);
                assert_eq!(decoded.map(|bytes| hex(&bytes)).as_deref(), Some(expected), "{given}");
            }
        }
        for nothing in ["", "=", "a", "é"] {
            assert!(from_lenient_base64(nothing.as_bytes(), Lenient::Node).is_none(), "{nothing}");
        }
    }

    #[test]
    fn a_dollar_is_read_as_compose_and_shells_do() {
        for (given, compose, shell) in [
            ("ab$Name9-x", Some("ab-x"), Some("ab-x")),
            ("ab${NAME}x", Some("abx"), Some("abx")),
            ("ab$$x", Some("ab$x"), Some("ab$x")),
            ("ab$1x", None, Some("abx")),
            ("ab$", None, None),
            ("ab$!${x", None, None),
            ("plain", None, None),
        ] {
            assert_eq!(text(interpolated(given.as_bytes(), false)).as_deref(), compose, "{given}");
            assert_eq!(text(interpolated(given.as_bytes(), true)).as_deref(), shell, "{given}");
        }
    }

    #[test]
    fn escapes_comments_and_marks_are_undone_and_made() {
        assert_eq!(text(before_hash(b"ab #c#d")).as_deref(), Some("ab"));
        assert_eq!(text(before_comment(b"a#b #c")).as_deref(), Some("a#b"));
        assert_eq!(text(before_comment(b"a#b")), None);
        assert_eq!(text(from_url(b"a%40b+c%zz", false)).as_deref(), Some("a@b+c%zz"));
        assert_eq!(text(from_url(b"a%40b+c", true)).as_deref(), Some("a@b c"));
        assert_eq!(text(from_url(b"100%", false)), None);
        assert_eq!(text(to_url(b"a@b-c/", b"-")).as_deref(), Some("a%40b-c%2F"));
        assert_eq!(text(from_html(b"a&amp;lt;&#39;")).as_deref(), Some("a&lt;'"));
        assert_eq!(text(to_html(b"a&<'\"", Some("&#39;"), true)).as_deref(), Some("a&amp;&lt;&#39;&quot;"));
        assert_eq!(text(from_escapes(br"a\nb\u0026\\")).as_deref(), Some("a\nb&\\"));
        assert_eq!(text(from_escapes(br"a\qb")), None);
        assert_eq!(text(to_escapes(b"a\"b\\")).as_deref(), Some(r#"a\"b\\"#));
        assert_eq!(text(assigned(b"export JWT_SECRET='abc=' \n")).as_deref(), Some("abc="));
        for none in [&b"abc="[..], b"a-b=c", b"=c", b"9=c"] {
            assert_eq!(text(assigned(none)), None);
        }
        let marked = to_utf16("aé".as_bytes(), true).unwrap();
        assert_eq!(marked.as_slice(), [0xff, 0xfe, b'a', 0, 0xe9, 0]);
        assert_eq!(text(from_utf16(&marked)).as_deref(), Some("aé"));
        assert_eq!(text(from_utf16(b"a\0b\0")).as_deref(), Some("ab"));
        assert_eq!(text(from_utf16(b"ab")), None);
        assert_eq!(to_latin1("é".as_bytes()).unwrap().as_slice(), [0xe9]);
    }
}
