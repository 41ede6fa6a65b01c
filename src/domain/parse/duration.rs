//! Durations as Go and Kubernetes write them: `90s`, `5m`, `1h30m`, `250ms`.

use std::time::Duration;

use crate::api::bounds::{Bounds, INTERVAL};

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

/// Parses a duration within bounds.
///
/// # Errors
/// A sentence that says what the text should have looked like.
pub fn within(text: &str, bounds: Bounds) -> Result<Duration, String> {
    let (least, most) = (parse(bounds.least)?, parse(bounds.most)?);
    match parse(text)? {
        short if short < least => Err(format!("{text:?} is too short: use at least {}", bounds.least)),
        long if long > most => Err(format!("{text:?} is too long: use at most {}", bounds.most)),
        period => Ok(period),
    }
}

/// The time between passes that a spec asks for, where it may.
pub fn interval(text: &str) -> Option<Duration> {
    within(text, INTERVAL).ok()
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
    use crate::api::bounds::{LIFETIME, TIMEOUT};

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h30m", 5400), ("24h", 86400)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn both_bounds_belong_to_it_and_nothing_beyond_them_does() {
        for (bounds, inside, outside) in [
            (INTERVAL, ["10s", "168h", "10000ms"], ["9999ms", "168h1ms", "0s"]),
            (TIMEOUT, ["1s", "10m", "600000ms"], ["999ms", "10m1s", "0m"]),
            (LIFETIME, ["1s", "876000h", "24h"], ["999ms", "876001h", "0h"]),
        ] {
            for text in inside {
                assert!(within(text, bounds).is_ok(), "{text}");
            }
            for text in outside {
                let why = within(text, bounds).unwrap_err();
                let bound = why.contains(bounds.least) || why.contains(bounds.most);
                assert!(why.contains(text) && bound, "{why}");
            }
        }
        assert!(within("soon", INTERVAL).unwrap_err().contains("is no duration"));
        assert_eq!((interval("1ms"), interval("1m")), (None, Some(Duration::from_secs(60))));
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
