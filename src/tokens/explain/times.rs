//! The times of a token: `exp`, `nbf` and `iat` (RFC 7519 section 4.1).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::tokens::{
    NotAToken, Verdict, inspect::timestamp, shape::SKEW, text::span, time_verdict::TimeVerdict,
    verdict::MILLISECONDS,
};

/// Seconds below which a time is a duration in its place: 1e8 is in 1973, and more than three years.
const DURATION: f64 = 1e8;

/// A time as verifiers read it, and whether it is a number in a text, which not every one reads.
fn read_time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<(f64, bool)>, Verdict> {
    let not_a_number = || Verdict::Malformed(NotAToken::TimeNotANumber { claim });
    match claims.get(claim) {
        None => Ok(None),
        // As Python's int() reads it.
        Some(Value::String(text)) => {
            text.trim().parse::<i64>().map(|seconds| Some((seconds as f64, true))).map_err(|_| not_a_number())
        }
        Some(value) => value.as_f64().map(|seconds| Some((seconds, false))).ok_or_else(not_a_number),
    }
}

/// Whether a verifier takes a token by its times now, without leeway; in words how long it still does.
pub(in crate::tokens) fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<String, Verdict> {
    let (expires, not_before, issued) =
        (read_time(claims, "exp")?, read_time(claims, "nbf")?, read_time(claims, "iat")?);
    let seconds = |time: Option<(f64, bool)>| time.map(|(seconds, _)| seconds);
    // Exact to the microsecond for the next centuries.
    let now = now.as_duration().as_secs_f64();

    if let Some(expires) = seconds(expires).filter(|expires| now >= *expires) {
        return Err(expired(expires, seconds(issued), now));
    }
    for (claim, from) in [("nbf", seconds(not_before)), ("iat", seconds(issued))] {
        if let Some(from) = from.filter(|from| now < *from) {
            return Err(ahead(claim, from, seconds(issued), now));
        }
    }
    // Of iat in a text it is only told: neither library refuses that.
    for (claim, time) in [("exp", expires), ("nbf", not_before)] {
        if time.is_some_and(|(_, is_text)| is_text) {
            return Err(Verdict::TimeIsText { claim });
        }
    }
    Ok(match seconds(expires) {
        None => "it never expires (no exp)".into(),
        Some(expires) if is_in_milliseconds(expires) => {
            format!("its exp looks like {}, so that it practically never expires", unit(expires))
        }
        Some(expires) => {
            format!("valid for another {}, until {}", span(between(now, expires)), timestamp(expires))
        }
    })
}

fn between(from: f64, to: f64) -> Duration {
    Duration::try_from_secs_f64(to - from).unwrap_or(Duration::MAX)
}

/// Why its end has come: by the time that has gone by, or because it was never ahead.
fn expired(expires: f64, issued: Option<f64>, now: f64) -> Verdict {
    if (0.0..DURATION).contains(&expires) && issued.is_none_or(|issued| issued > expires) {
        return Verdict::Time(TimeVerdict::ExpiryIsDuration { seconds: expires.floor() as u32 });
    }
    // A time of issue that is ahead itself, perhaps in milliseconds, says nothing.
    match issued.filter(|issued| *issued <= now && *issued > expires) {
        Some(issued) if expires >= 0.0 => Verdict::Time(TimeVerdict::ExpiresBeforeIssued {
            expires: timestamp(expires),
            issued: timestamp(issued),
            by: between(expires, issued),
        }),
        _ => Verdict::Expired { since: timestamp(expires), ago: between(expires, now) },
    }
}

/// Why a time lies ahead.
fn ahead(claim: &'static str, from: f64, issued: Option<f64>, now: f64) -> Verdict {
    let ahead = between(now, from);
    // Whoever rounds one of both has them differ by less than a second.
    let before = issued.filter(|issued| *issued <= now && from - *issued > 1.0 && !is_in_milliseconds(from));
    match (claim, before) {
        ("nbf", Some(issued)) => {
            Verdict::Time(TimeVerdict::SetAhead { from: timestamp(from), ahead, by: between(issued, from) })
        }
        _ if from - now <= SKEW.as_secs_f64() => Verdict::ClocksDiffer { claim, ahead },
        _ => Verdict::NotYetValid { claim, from: timestamp(from), ahead },
    }
}

/// Whether a time is one in milliseconds, or in less, where seconds belong.
pub(in crate::tokens) fn is_in_milliseconds(seconds: f64) -> bool {
    seconds > MILLISECONDS as f64
}

/// What a time is in that is not in seconds.
pub(super) fn unit(time: f64) -> &'static str {
    let thousands = MILLISECONDS as f64;
    match time {
        _ if time > thousands * 1e6 => "nanoseconds",
        _ if time > thousands * 1e3 => "microseconds",
        _ => "milliseconds",
    }
}
