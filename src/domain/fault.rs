//! Every failure is classed once, here, at the edge: whether it passes by itself, lost a race, needs
//! a person, or is a mistake of ours.

use crate::api::condition::{ConditionType, Reason};

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Passes by itself: try again with backoff.
    Transient,
    /// Somebody else was faster: look again and decide anew.
    Conflict,
    /// A person must act; try again only when something changes, and slowly.
    Terminal,
    /// A mistake in this program.
    Bug,
}

/// A failure that ended a stage, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// The condition that it concerns.
    pub condition: ConditionType,
    /// What it means for the next try.
    pub class: Class,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Fault {
    /// A pass ended by a panic. What it was about is not known here, and is shown nowhere.
    pub fn panicked() -> Self {
        Self {
            reason: Reason::InternalError,
            condition: ConditionType::Ready,
            class: Class::Bug,
            message: "a mistake in auth-consistency ended the pass, so it could not tell: report it with the line of the \
                      operator's log that says where it was"
                .into(),
        }
    }
}

/// Classes an SQLSTATE (PostgreSQL 15 manual, appendix A) by its code.
pub fn of_sqlstate(code: &str) -> Class {
    match code {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Class::Conflict,
        // Statement timeout or cancel, and everything about connections, resources and shutdown.
        "57014" | "57P01" | "57P02" | "57P03" | "57P05" => Class::Transient,
        _ => match code.get(..2) {
            Some("08" | "53" | "58" | "XX") => Class::Transient,
            // Syntax errors in SQL that we wrote; names and rights are a person's.
            Some("42") => match code {
                "42601" | "42P02" | "42P18" => Class::Bug,
                _ => Class::Terminal,
            },
            Some("25") if code == "25006" => Class::Terminal,
            Some("25" | "26" | "34") => Class::Bug,
            _ => Class::Terminal,
        },
    }
}

/// Classes an answer of the Kubernetes API by its HTTP status code.
pub fn of_http(code: u16) -> Class {
    match code {
        409 => Class::Conflict,
        408 | 425 | 429 | 500..=599 => Class::Transient,
        401 => Class::Transient,
        400 | 405 | 406 | 415 => Class::Bug,
        _ => Class::Terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_classed_by_what_helps() {
        for (code, class) in [
            ("40001", Class::Conflict),
            ("40P01", Class::Conflict),
            ("55P03", Class::Conflict),
            ("57014", Class::Transient),
            ("57P01", Class::Transient),
            ("08006", Class::Transient),
            ("53300", Class::Transient),
            ("28P01", Class::Terminal),
            ("3D000", Class::Terminal),
            ("42501", Class::Terminal),
            ("42P01", Class::Terminal),
            ("42601", Class::Bug),
            ("23502", Class::Terminal),
            ("23505", Class::Terminal),
            ("25006", Class::Terminal),
            ("25P02", Class::Bug),
            ("", Class::Terminal),
        ] {
            assert_eq!(of_sqlstate(code), class, "{code}");
        }
    }

    #[test]
    fn http_codes_are_classed_by_what_helps() {
        for (code, class) in [
            (400, Class::Bug),
            (401, Class::Transient),
            (403, Class::Terminal),
            (404, Class::Terminal),
            (409, Class::Conflict),
            (422, Class::Terminal),
            (429, Class::Transient),
            (500, Class::Transient),
            (503, Class::Transient),
        ] {
            assert_eq!(of_http(code), class, "{code}");
        }
    }
}
