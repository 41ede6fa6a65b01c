//! What a command says and how it ends. Commands return it; only the end of the process prints it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::called::{as_called, program};
use crate::domain::{
    fault,
    text::{self, clean, clean_but, escaped},
};

/// How a command ends, as pipelines see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: consistent, or done.
    Fine,
    /// 1: could not tell.
    CouldNotTell,
    /// 2: something is wrong.
    Findings,
    /// 64: wrong usage (`EX_USAGE` of sysexits.h).
    Usage,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::CouldNotTell => 1,
            Self::Findings => 2,
            Self::Usage => 64,
        }
    }

    /// What a report's `consistent` comes to.
    pub fn of(consistent: Option<bool>) -> Self {
        match consistent {
            Some(true) => Self::Fine,
            Some(false) => Self::Findings,
            None => Self::CouldNotTell,
        }
    }
}

/// The whole of what a command says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// For standard output: what was asked for.
    pub out: String,
    /// For standard error: what went wrong, and remarks.
    pub err: String,
    /// How it ends.
    pub exit: Exit,
}

impl Output {
    /// An answer, with a line break at its end.
    pub fn new(out: impl Into<String>, exit: Exit) -> Self {
        Self { out: line(out.into()), err: String::new(), exit }
    }

    /// The process could not even begin.
    pub fn failed(why: &dyn std::fmt::Display) -> Self {
        CliError::CouldNotTell(why.to_string()).said()
    }

    /// Adds a remark for standard error: one line, whatever names are in it.
    #[must_use]
    pub fn remark(mut self, text: impl Into<String>) -> Self {
        self.err.push_str(&line(clean(text.into().trim_end()).into_owned()));
        self
    }

    /// Adds a text of our own for standard error, with its lines.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.err.push_str(&line(text.into()));
        self
    }

    /// Adds what could not be looked at, if anything, for standard error.
    #[must_use]
    pub fn unread(self, what: Option<String>) -> Self {
        match what {
            Some(what) => self.remark(format!("auth-consistency: {what}")),
            None => self,
        }
    }

    /// Prints it. A reader that has gone away (`| head`) is no failure.
    pub fn print(&self) -> ExitCode {
        let program = program();
        let err = as_called(&self.err, program);
        let _ = io::stderr().lock().write_all(clean_but(&err, &['\n', '\t']).as_bytes());
        let mut out = io::stdout().lock();
        let _ = out
            .write_all(escaped(&as_called(&self.out, program), true).as_bytes())
            .and_then(|()| out.flush());
        ExitCode::from(self.exit.code())
    }
}

fn line(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CliError {
    /// The flags, the file or the environment cannot be what was meant.
    #[error("{0}")]
    Usage(String),
    /// Something that was needed did not work.
    #[error("{0}")]
    CouldNotTell(String),
}

impl CliError {
    /// What is printed of it.
    pub fn said(&self) -> Output {
        let exit = match self {
            Self::Usage(_) => Exit::Usage,
            Self::CouldNotTell(_) => Exit::CouldNotTell,
        };
        Output::new("", exit).remark(format!("auth-consistency: {self}"))
    }
}

impl From<fault::Fault> for CliError {
    fn from(fault: fault::Fault) -> Self {
        Self::CouldNotTell(format!("{} ({}, {})", fault.message, fault.reason, text::more(fault.reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_documentation() {
        assert_eq!(Exit::of(Some(true)).code(), 0);
        assert_eq!(Exit::of(Some(false)).code(), 2);
        assert_eq!(Exit::of(None).code(), 1);
        assert_eq!(CliError::Usage("x".into()).said().exit.code(), 64);
        assert_eq!(CliError::CouldNotTell("x".into()).said().exit.code(), 1);
    }

    #[test]
    fn every_answer_ends_with_one_line_break() {
        let said = Output::new("a", Exit::Fine).remark("b").remark("c\n");
        assert_eq!((said.out.as_str(), said.err.as_str()), ("a\n", "b\nc\n"));
        assert_eq!(Output::new("", Exit::Fine).out, "");
        assert_eq!(Output::new("", Exit::Usage).help("a\nb\n").err, "a\nb\n");
    }

    #[test]
    fn no_name_makes_two_lines_of_an_error_or_a_remark() {
        let name = "x\nauth-consistency: 5 rows are back\r\u{2028}y\tz";
        let shown = "x\\nauth-consistency: 5 rows are back\\r\\u{2028}y\\tz";
        for failure in [CliError::Usage(name.into()), CliError::CouldNotTell(name.into())] {
            assert_eq!(failure.said().err, format!("auth-consistency: {shown}\n"));
        }
        let fault = crate::domain::fault::Fault {
            reason: crate::api::condition::Reason::RepairTouchesMore,
            condition: crate::api::condition::ConditionType::DatabaseReachable,
            class: crate::domain::fault::Class::Terminal,
            message: name.into(),
        };
        let told = CliError::from(fault).said().err;
        assert!(told.starts_with(&format!("auth-consistency: {shown} (RepairTouchesMore")), "{told}");
        assert_eq!(told.lines().count(), 1);
        let said = Output::new("", Exit::Fine).remark(name).unread(Some(name.into()));
        assert_eq!(said.err, format!("{shown}\nauth-consistency: {shown}\n"));
    }
}
