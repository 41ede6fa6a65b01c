//! The person who asked for a repair and watches it: what they asked for is wanted, and on a terminal
//! they see how far it has got.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use crate::{api::report::StepReport, consistency::severity::Fault, pass::Supervisor};

/// How often a line is written over.
const EVERY: Duration = Duration::from_millis(200);

/// A supervisor that shows progress where stderr is a terminal.
#[derive(Default)]
pub(super) struct Watching {
    last: Mutex<Option<Instant>>,
}

impl Supervisor for Watching {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn progress<'a>(&'a self, message: &'a str) -> BoxFuture<'a, ()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut err = io::stderr().lock();
        if err.is_terminal() && last.is_none_or(|at| at.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            // Over the line before; what cannot be shown is no reason to stop.
            let _ = write!(err, "\r\x1b[K{message}");
            let _ = err.flush();
        }
        Box::pin(async {})
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.last.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
