//! Parts of tokens in words.

use std::{fmt::Write as _, time::Duration};

use crate::api::spec::SubjectType;

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The JSON type of a subject, in words.
pub(super) fn type_name(subject_type: SubjectType) -> &'static str {
    match subject_type {
        SubjectType::String => "string",
        SubjectType::Number => "number",
    }
}

/// A text of a token, quoted and cut, so that it can neither steer a terminal nor fill a page.
pub(super) fn shown(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (at, character) in text.chars().enumerate() {
        if at == SHOWN {
            quoted.push('…');
            break;
        }
        let _ = write!(quoted, "{}", character.escape_debug());
    }
    quoted.push('"');
    quoted
}

/// A span of time in the largest unit of which there are at least two.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 && !span.is_zero() {
        return "less than a second".into();
    }
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The longest text of a token that a message shows.
pub(super) const SHOWN: usize = 80;
