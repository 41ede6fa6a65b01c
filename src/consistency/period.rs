//! Durations as Go and Kubernetes write them: `90s`, `5m`, `1h30m`, `250ms`.

use std::time::Duration;

/// Parses a duration of one or more `<number><unit>` parts with the units `ms`, `s`, `m` and `h`.
///
/// # Errors
/// A sentence that says what the text should have looked like.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write for example 30s, 5m or 1h30m");
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let milliseconds = match &rest[..letters] {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => return Err(wrong()),
        }
        .ok_or_else(wrong)?;
        total = total.checked_add(Duration::from_millis(milliseconds)).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    Ok(total)
}

/// Parses a number of days: `30d`.
///
/// # Errors
/// A sentence that says what the text should have looked like.
pub fn days(text: &str) -> Result<i64, String> {
    let number = text.strip_suffix('d').filter(|number| number.len() <= 5).map(str::parse::<u32>);
    match number {
        Some(Ok(days)) if days > 0 && !text.starts_with('+') => Ok(i64::from(days)),
        _ => Err(format!("{text:?} is no number of days: write for example 30d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h30m", 5400), ("24h", 86400)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn days_are_read_and_nothing_else() {
        assert_eq!((days("1d"), days("99999d")), (Ok(1), Ok(99_999)));
        for text in ["", "d", "30", "0d", "-1d", "+1d", "30h", "1.5d", "100000d", " 30d", "Keep"] {
            assert!(days(text).is_err_and(|why| why.contains("30d")), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "5", "m", "5 m", "5d", "-5m", "99999999999999999999h", "18446744073709551615h"] {
            assert!(parse(text).is_err_and(|why| why.contains("5m")), "{text}");
        }
    }
}
