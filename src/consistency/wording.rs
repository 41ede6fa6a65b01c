//! How numbers, lists and samples read, and where a reason's page is.

use crate::api::condition::Reason;

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

/// Cuts a text to at most `max` characters, so that it fits the schema's bounds.
pub fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
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
    fn clipping_counts_characters_not_bytes() {
        assert_eq!(clip("größe", 5), "größe");
        assert_eq!(clip("größen", 5), "größ…");
    }
}
