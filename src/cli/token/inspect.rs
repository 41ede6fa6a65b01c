//! `token inspect`: what a token says, without checking it.

use clap::Args;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::{Map, Value};

use super::TokenFlags;
use crate::{
    cli::{
        output::{CliError, Exit, Output},
        show,
    },
    tokens::{self, Inspection},
};

/// Flags of `token inspect`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Flags {
    #[command(flatten)]
    token: TokenFlags,
}

/// What is printed.
#[derive(Serialize)]
struct Answer<'a> {
    header: &'a Map<String, Value>,
    claims: &'a Map<String, Value>,
    /// The times among the claims, in words.
    #[serde(skip_serializing_if = "Map::is_empty")]
    times: Map<String, Value>,
    /// What stood around the token.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "takenOff")]
    taken_off: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// The token cannot be read from where it is.
pub(super) fn run(flags: &Flags) -> Result<Output, CliError> {
    let token = flags.token.read()?;
    match tokens::inspect(token.expose_secret()) {
        Ok(inspection) => Ok(Output::new(show::json(&answer(&inspection, Timestamp::now()))?, Exit::Fine)),
        Err(why) => {
            Ok(Output::new("", Exit::Findings).remark(format!("auth-consistency: this is no JWT: {why}")))
        }
    }
}

fn answer(inspection: &Inspection, now: Timestamp) -> Answer<'_> {
    let times = ["iat", "nbf", "exp", "auth_time"]
        .into_iter()
        .filter_map(|claim| {
            let time = inspection.time(claim)?;
            let said = match inspection.claims.get(claim).and_then(Value::as_f64) {
                Some(number) if number.abs() > MILLISECONDS => beyond(number, now),
                _ => format!("{time}, {}", words(time, now)),
            };
            Some((claim.to_owned(), Value::String(said)))
        })
        .collect();
    Answer {
        header: &inspection.header,
        claims: &inspection.claims,
        times,
        taken_off: inspection.stripped.iter().map(ToString::to_string).collect(),
    }
}

/// A number that as seconds is no time of ours: milliseconds, where it is a time of ours as such.
fn beyond(number: f64, now: Timestamp) -> String {
    // A cast of a float saturates, which is what is wanted.
    match Timestamp::from_millisecond(number as i64) {
        Ok(time) if number < MILLISECONDS * 1000.0 && number > 0.0 => {
            format!("in milliseconds where seconds belong: read so it is {time}, {}", words(time, now))
        }
        _ => "no time that a calendar has".into(),
    }
}

/// Seconds that no date of our time has, but milliseconds have: 1e11 is the year 5138.
const MILLISECONDS: f64 = 1e11;

/// `3 hours ago`, `in 5 minutes`.
fn words(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.as_second().saturating_sub(now.as_second());
    let (n, unit) = match seconds.unsigned_abs() {
        0 => return "now".into(),
        n @ 1..120 => (n, "second"),
        n @ 120..7_200 => (n / 60, "minute"),
        n @ 7_200..172_800 => (n / 3_600, "hour"),
        n => (n / 86_400, "day"),
    };
    let plural = if n == 1 { "" } else { "s" };
    if seconds < 0 { format!("{n} {unit}{plural} ago") } else { format!("in {n} {unit}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_said_to_be_so_and_no_date_is_made_up() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(
            beyond(1_700_000_060_000.0, now),
            "in milliseconds where seconds belong: read so it is 2023-11-14T22:14:20Z, in 60 seconds"
        );
        for number in [1e300, -1e300, 1e15] {
            assert_eq!(beyond(number, now), "no time that a calendar has");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let at = |seconds: i64| words(Timestamp::from_second(1_700_000_000 + seconds).unwrap(), now);
        assert_eq!(at(0), "now");
        assert_eq!(at(1), "in 1 second");
        assert_eq!(at(-150), "2 minutes ago");
        assert_eq!(at(10_800), "in 3 hours");
        assert_eq!(at(-200_000), "2 days ago");
        assert!(words(Timestamp::MAX, Timestamp::MIN).ends_with(" days"));
    }
}
