//! What stands around a token, and is taken off before it is read.

use std::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

/// Something that stood around a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stripped {
    /// Spaces or line breaks, around it or inside.
    WhiteSpace,
    /// Quotes, or a comma or semicolon after it.
    Quotes,
    /// `Authorization:` or `Bearer` in front of it.
    Bearer,
    /// `Bearer` twice in front of it.
    BearerTwice,
    /// `JWT` in front of it, which Django REST framework JWT asked for.
    Jwt,
    /// `Token` in front of it, which Django REST framework asks for.
    Token,
}

impl fmt::Display for Stripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WhiteSpace => "white space",
            Self::Quotes => "quotes",
            Self::Bearer => "the word Bearer",
            Self::BearerTwice => "the word Bearer a second time",
            Self::Jwt => "the word JWT (most apps ask for Bearer)",
            Self::Token => "the word Token (most apps ask for Bearer)",
        })
    }
}

const BEARER: &str = "bearer ";

/// Words in front of a token.
const WORDS: [(&str, Stripped); 4] = [
    ("authorization:", Stripped::Bearer),
    (BEARER, Stripped::Bearer),
    ("jwt ", Stripped::Jwt),
    ("token ", Stripped::Token),
];

/// Takes off what stands around a token, in any order and number.
pub(super) fn clean(given: &str) -> (Zeroizing<String>, Vec<Stripped>) {
    let mut stripped = Vec::new();
    let mut note = |what: Stripped| {
        if !stripped.contains(&what) {
            stripped.push(what);
        }
    };
    let (mut text, mut bearers) = (given, 0);
    loop {
        let before = text;
        text = text.trim();
        if text.len() != before.len() {
            note(Stripped::WhiteSpace);
        }
        let unquoted = text.trim_start_matches(['"', '\'', '`']).trim_end_matches(['"', '\'', '`', ',', ';']);
        if unquoted.len() != text.len() {
            note(Stripped::Quotes);
            text = unquoted;
        }
        for (word, what) in WORDS {
            if text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
                note(what);
                bearers += usize::from(word == BEARER);
                text = text.get(word.len()..).unwrap_or_default();
            }
        }
        if text.len() == before.len() {
            break;
        }
    }
    // Terminals and mail break long lines.
    let joined: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|character| !character.is_whitespace()).collect());
    if joined.len() != text.len() {
        note(Stripped::WhiteSpace);
    }
    if bearers > 1 {
        note(Stripped::BearerTwice);
    }
    (joined, stripped)
}
