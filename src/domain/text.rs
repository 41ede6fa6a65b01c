//! How numbers, lists and samples read, and where a reason's page is.

use crate::api::condition::Reason;

use std::borrow::Cow;

use super::sql_name::unseen;

/// `1,234`.
pub fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `1,234 rows`.
pub fn count(n: i64, singular: &str) -> String {
    if n == 1 { format!("1 {singular}") } else { format!("{} {singular}s", number(n)) }
}

/// `4711, 4712, 4713`, with `…` when there are more.
pub fn sample(keys: &[String], all: i64) -> String {
    let mut text = keys.join(", ");
    if i64::try_from(keys.len()).is_ok_and(|shown| shown < all) {
        text.push_str(", …");
    }
    text
}

/// The command that prints the page about a reason, as it stands in reports.
pub fn docs(reason: Reason) -> String {
    format!("auth-consistency explain {reason}")
}

/// Where to read on, at the end of a message.
pub fn more(reason: Reason) -> String {
    format!("more: {}", docs(reason))
}

/// A text whose every character shows: what would steer a terminal, end the line, turn it around or hide in it is
/// written as an escape.
pub fn clean(text: &str) -> Cow<'_, str> {
    clean_but(text, &[])
}

/// The same for a text that has some of those characters for a reason.
pub fn clean_but<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let bad = |c: char| unseen(c) && !kept.contains(&c);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' if bad(c) => cleaned.extend(c.escape_default()),
            c if bad(c) => cleaned.extend(c.escape_unicode()),
            c => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

/// A text in which every character shows, but for line breaks and tabs and, where they are wanted, the colours of
/// our own. A JSON document stays the same one: there such characters stand in strings only, where an escape means
/// the character.
pub fn escaped(text: &str, colours: bool) -> Cow<'_, str> {
    let hides = |c: char| unseen(c) && !['\n', '\t'].contains(&c);
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        if !hides(c) || colours && is_colour(text.get(at..).unwrap_or_default()) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    }
    Cow::Owned(shown)
}

/// Whether a text begins with what sets a colour: nothing else of a terminal is steered by it.
fn is_colour(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return false };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(rest.len());
    end <= 16 && rest.get(end..).is_some_and(|rest| rest.starts_with('m'))
}

/// A text as messages and statuses have it: clean, and cut to at most `max` characters, so that it fits the
/// schema's bounds.
pub fn clip(text: &str, max: usize) -> String {
    let text = &*clean(text);
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A name out of a database in a sentence: in quotes, every character to be seen, none that ends what is to be copied
/// out of the message, and no longer than a name is.
pub fn named(name: &str) -> String {
    let name = clip(&format!("{name:?}").replace('`', "\\u{60}"), LONGEST_SHOWN);
    if name.ends_with('…') { format!("{name}\"") } else { name }
}

/// Characters of a name in a sentence: one whose characters are all written as numbers is cut.
const LONGEST_SHOWN: usize = 100;

/// The name among others that is nearest to one: at most two letters differ, and fewer than half.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = name.chars().count();
    let near = names.into_iter().map(|other| (distance(name, other), other));
    near.filter(|(far, _)| *far <= 2 && far * 2 < length).min().map(|(_, other)| other)
}

/// Letters that are added, left out or replaced between two names, whatever their case; long ones are far apart.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 128;
    let letters = |name: &str| name.to_lowercase().chars().take(LONGEST).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut before = at;
        let mut next = Vec::with_capacity(row.len());
        next.push(at + 1);
        for (there, above) in other.iter().zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let changed = before + usize::from(letter != there);
            next.push(changed.min(above + 1).min(left + 1));
            before = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1234), "1,234");
        assert_eq!(number(-1_234_567), "-1,234,567");
        assert_eq!(number(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(1234, "row"), "1,234 rows");
    }

    #[test]
    fn samples_say_when_there_are_more() {
        let keys = ["1".to_owned(), "2".to_owned()];
        assert_eq!(sample(&keys, 2), "1, 2");
        assert_eq!(sample(&keys, 3), "1, 2, …");
    }

    #[test]
    fn what_cannot_be_seen_is_written_as_an_escape() {
        for (text, shown) in [
            ("a\u{1b}[2J", "a\\u{1b}[2J"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("a\u{9b}31m\u{85}b", "a\\u{9b}31m\\u{85}b"),
            ("\u{202e}abc\u{2066}", "\\u{202e}abc\\u{2066}"),
            ("a\u{200b}\u{feff}\u{61c}\u{e0041}", "a\\u{200b}\\u{feff}\\u{61c}\\u{e0041}"),
            ("\u{7f}\u{2028}", "\\u{7f}\\u{2028}"),
            ("größe 用户 \u{1f511}", "größe 用户 \u{1f511}"),
        ] {
            assert_eq!(clean(text), shown);
            assert_eq!(clip(text, 100), shown);
            assert_eq!(clean(&clean(text)), shown, "once is enough");
        }
        assert!(matches!(clean("plain"), Cow::Borrowed(_)));
        assert_eq!(clean_but("a\nb\u{1b}", &['\n']), "a\nb\\u{1b}");
        assert_eq!(clip("\u{1b}\u{1b}", 7).chars().count(), 7);
    }

    #[test]
    fn the_nearest_name_is_one_that_was_mistyped() {
        let names = ["user_id", "id", "title", "owner_id"];
        for (name, near) in [
            ("usr_id", Some("user_id")),
            ("userid", Some("user_id")),
            ("USER_ID", Some("user_id")),
            ("user_ids", Some("user_id")),
            ("author", None),
            ("ix", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, names), near, "{name}");
        }
    }

    #[test]
    fn clipping_counts_characters_not_bytes() {
        assert_eq!(clip("größe", 5), "größe");
        assert_eq!(clip("größen", 5), "größ…");
    }
}
