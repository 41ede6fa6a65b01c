//! How numbers, lists and samples read, and where a reason's page is.

use crate::api::condition::Reason;

use std::borrow::Cow;

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

/// Characters of a statement that a message has room for.
const LONGEST: usize = 600;

/// A statement as a message has it. A cut one would be about something else.
pub fn statement(sql: String) -> String {
    if sql.chars().count() <= LONGEST {
        return sql;
    }
    let verb: Vec<&str> = sql.split(' ').take(2).collect();
    format!("{} by hand (with these names the statement is too long to be told)", verb.join(" "))
}

/// What nobody sees, or does not see for what it does, beside the control characters: Unicode 16, general category
/// `Cf` and the property `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt), with the separators of lines and
/// paragraphs and the braille pattern without dots.
const UNSEEN: [(char, char); 26] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Control characters (C1 among them), and those that change the direction of what follows, end a line, vary what
/// stands before them or have no width: whoever reads a text does not see what they do to it.
pub fn unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let after = UNSEEN.partition_point(|(first, _)| *first <= c);
    c.is_control() || after.checked_sub(1).and_then(|at| UNSEEN.get(at)).is_some_and(|(_, last)| c <= *last)
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

    #[test]
    fn a_statement_is_told_whole_or_not_at_all() {
        let name = "x".repeat(300);
        assert_eq!(statement(format!("ALTER TABLE {name}")), format!("ALTER TABLE {name}"));
        let told = statement(format!("ALTER TABLE {name}.{name} VALIDATE CONSTRAINT {name}"));
        assert_eq!(told, "ALTER TABLE by hand (with these names the statement is too long to be told)");
    }

    #[test]
    fn every_character_that_unicode_calls_ignorable_or_a_format_is_unseen_and_no_other() {
        // Both lists as Unicode 16 has them, each by itself.
        let formats = [
            0xad..=0xad,
            0x600..=0x605,
            0x61c..=0x61c,
            0x6dd..=0x6dd,
            0x70f..=0x70f,
            0x890..=0x891,
            0x8e2..=0x8e2,
            0x180e..=0x180e,
            0x200b..=0x200f,
            0x202a..=0x202e,
            0x2060..=0x2064,
            0x2066..=0x206f,
            0xfeff..=0xfeff,
            0xfff9..=0xfffb,
            0x110bd..=0x110bd,
            0x110cd..=0x110cd,
            0x13430..=0x1343f,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0001..=0xe0001,
            0xe0020..=0xe007f,
        ];
        let ignorable = [
            0xad..=0xad,
            0x34f..=0x34f,
            0x61c..=0x61c,
            0x115f..=0x1160,
            0x17b4..=0x17b5,
            0x180b..=0x180f,
            0x200b..=0x200f,
            0x202a..=0x202e,
            0x2060..=0x206f,
            0x3164..=0x3164,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xffa0..=0xffa0,
            0xfff0..=0xfff8,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0xe0fff,
        ];
        for c in '\0'..=char::MAX {
            let code = u32::from(c);
            let listed = formats.iter().chain(&ignorable).any(|range| range.contains(&code));
            let other = c.is_control() || [0x2028, 0x2029, 0x2800].contains(&code);
            assert_eq!(unseen(c), listed || other, "U+{code:04X}");
        }
        assert!(UNSEEN.is_sorted_by(|one, next| one.1 < next.0));
        for c in "\u{fe0f}\u{e0100}\u{17b4}\u{1d173}\u{2800}\u{e0041}\u{202e}\u{85}\u{1b}".chars() {
            assert!(unseen(c), "U+{:04X}", u32::from(c));
        }
        assert!(!"größe 用户 \u{1f511}\u{a0}\u{301}".contains(unseen));
    }
}
