//! What is logged in this process, by whichever test, down to the level of debug.

use std::{
    fmt,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracing::{
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static SAID: Mutex<String> = Mutex::new(String::new());

struct Log;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl Line {
    fn written(self) {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        *said += &self.0;
        said.push('\n');
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        // Statements of the tests themselves; connections of a pass write none.
        if event.metadata().target() == "sqlx::query" {
            return;
        }
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        line.written();
    }

    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        line.written();
    }
}

/// Listens from now on, and says where now is.
pub fn listen() -> usize {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(LevelFilter::DEBUG).with(Log);
        tracing::subscriber::set_global_default(subscriber)
            .expect("nobody else listens for the whole process");
    });
    SAID.lock().unwrap_or_else(PoisonError::into_inner).len()
}

/// What was logged since then, of whatever test; then becomes now.
pub fn since(then: &AtomicUsize) -> String {
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said[then.swap(said.len(), Ordering::SeqCst)..].to_owned()
}
