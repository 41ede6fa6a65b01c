//! Characters at the ends of a login or a key that nobody sees: white space, and what has no width. A copied line, a
//! CSV file with CR and a keyboard of a phone leave them behind, and a value with one is another value.

/// All of them.
pub const BLANK: [char; 34] = [
    ' ', '\t', '\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{a0}', '\u{ad}', '\u{1680}', '\u{180e}',
    '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}',
    '\u{2008}', '\u{2009}', '\u{200a}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}',
    '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}', '\u{2060}', '\u{3000}', '\u{feff}',
];

/// A text without them at its ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(BLANK.as_slice())
}

/// A text without them at its ends, in lower case: what two logins that people take for one have in common.
pub fn folded(text: &str) -> String {
    trim(text).to_lowercase()
}

/// Those at a text's ends, each once, in their order in Unicode.
pub fn around(text: &str) -> Vec<char> {
    let rest = text.trim_start_matches(BLANK.as_slice());
    let before = text.strip_suffix(rest).unwrap_or_default();
    let after = rest.strip_prefix(rest.trim_end_matches(BLANK.as_slice())).unwrap_or_default();
    let mut found: Vec<char> = before.chars().chain(after.chars()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// One of them as a person looks it up: `U+00A0 no-break space`.
pub fn called(c: char) -> String {
    let name = match c {
        ' ' => "space",
        '\t' => "tab",
        '\n' => "line feed",
        '\r' => "carriage return",
        '\u{85}' => "next line",
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{3000}' => "ideographic space",
        '\u{feff}' => "byte order mark",
        _ => "",
    };
    format!("U+{:04X} {name}", u32::from(c)).trim_end().to_owned()
}

/// They as they stand within `E'...'`.
pub fn within_literal(characters: &[char]) -> String {
    let mut literal = String::new();
    for &c in characters {
        match c {
            ' ' => literal.push(' '),
            '\t' => literal.push_str("\\t"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            c => literal.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rust_takes_for_white_space_is_among_them() {
        for c in ('\0'..='\u{ffff}').filter(|c| c.is_whitespace()) {
            assert!(BLANK.contains(&c), "{c:?}");
        }
    }

    #[test]
    fn the_ends_are_told_from_what_is_between() {
        for (text, rest, ends) in [
            ("admin@x.org", "admin@x.org", ""),
            ("\u{feff}a b\r\n", "a b", "\n\r\u{feff}"),
            ("a\u{a0}\u{a0}", "a", "\u{a0}"),
            (" \t", "", "\t "),
            ("", "", ""),
        ] {
            assert_eq!(
                (trim(text), around(text).into_iter().collect::<String>().as_str()),
                (rest, ends),
                "{text:?}"
            );
        }
        assert_eq!(folded("Admin@X.org\u{200b}"), "admin@x.org");
    }

    #[test]
    fn each_is_called_by_its_number_and_its_name() {
        assert_eq!(called('\u{a0}'), "U+00A0 no-break space");
        assert_eq!(called('\u{2003}'), "U+2003");
        assert_eq!(within_literal(&[' ', '\r', '\u{200b}']), " \\r\\u200b");
    }
}
