//! The person who asked for a pass and watches it: what they asked for is wanted, and on a terminal
//! a bar shows how far it has got. Nothing of it is left when the pass has ended.

use crate::{
    api::report::StepReport,
    domain::{fault::Fault, progress::Progress},
    pass::request::Supervisor,
};

use futures::future::BoxFuture;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar is drawn in a second, at most.
const DRAWN: u8 = 10;

/// A supervisor that shows a bar where stderr is a terminal.
pub(super) struct Watching {
    bar: ProgressBar,
}

impl Default for Watching {
    fn default() -> Self {
        // Hidden by itself where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWN));
        if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar }
    }
}

impl Supervisor for Watching {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn progress(&self, progress: &Progress) {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        self.bar.set_message(progress.words());
        self.bar.set_length(number(progress.all.max(progress.done)));
        self.bar.set_position(number(progress.done));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
