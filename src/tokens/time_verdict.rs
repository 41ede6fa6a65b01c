//! What is wrong with the times of a token that whoever mints has to mend: each new token fails as well.

use std::time::Duration;

use jiff::Timestamp;

use super::text::span;

/// The part of a [`Verdict`](super::Verdict) that waiting and signing in again do not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeVerdict {
    /// Its `exp` is a number of seconds from now on, and no time.
    ExpiryIsDuration {
        /// What it says, in seconds.
        seconds: u32,
    },
    /// Its `exp` lies before its `iat`.
    ExpiresBeforeIssued {
        /// The time of its `exp`.
        expires: Timestamp,
        /// The time of its `iat`.
        issued: Timestamp,
        /// How far apart both are.
        by: Duration,
    },
    /// Its `nbf` lies ahead, and its `iat` does not.
    SetAhead {
        /// The time of its `nbf`.
        from: Timestamp,
        /// How far ahead that is.
        ahead: Duration,
        /// How far behind `iat` that is.
        by: Duration,
    },
}

impl TimeVerdict {
    /// Its name for programs.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::ExpiryIsDuration { .. } => "ExpiryIsDuration",
            Self::ExpiresBeforeIssued { .. } => "ExpiresBeforeIssued",
            Self::SetAhead { .. } => "NotYetValid",
        }
    }

    /// One plain sentence: what is so.
    pub fn message(&self) -> String {
        match self {
            Self::ExpiryIsDuration { seconds } => format!(
                "the token's exp is {seconds}, which verifiers read as a time between 1970 and 1973: it looks like a duration where a time belongs, so each new token fails too"
            ),
            Self::ExpiresBeforeIssued { expires, issued, by } => format!(
                "the token's exp ({expires}) is {} before its iat ({issued}), so the token had expired when it was issued, and each new token fails too",
                span(*by)
            ),
            Self::SetAhead { from, ahead, by } => format!(
                "the token is not valid for another {}, until {from} (nbf), and it was issued before now (iat): the program that mints sets nbf {} after iat, so the clocks are not the cause",
                span(*ahead),
                span(*by)
            ),
        }
    }

    /// What to do about it, in one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ExpiryIsDuration { .. } => {
                "Let the program that mints set exp to the time of now plus the lifetime, in seconds since 1970 (with jsonwebtoken for Node, use the option expiresIn instead of the claim)."
            }
            Self::ExpiresBeforeIssued { .. } => {
                "Look at how the program that mints computes exp: a local time that is taken for UTC is off by the time zone (in Python use datetime.now(timezone.utc)), and a lifetime may be negative."
            }
            Self::SetAhead { .. } => {
                "Let the program that mints set nbf to iat, or leave it out; where the delay is meant, send the token only after it."
            }
        }
    }
}
