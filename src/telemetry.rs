//! Logs, and what a panic leaves in them.

use std::{
    io::{self, IsTerminal},
    panic::PanicHookInfo,
};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

/// What is logged unless a filter says otherwise. The libraries below log every request and statement.
const DEFAULT_FILTER: &str = "info,kube=warn,kube_client=warn,kube_runtime=warn,sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,tower=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One line for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging cannot be set up.
#[derive(thiserror::Error, Debug)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("log filter {filter:?} is not understood: write directives such as info,auth_consistency=debug")]
    Filter {
        /// The filter as written.
        filter: String,
        /// Where it goes wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else has set up logging before.
    #[error("logging is set up already: call init once, at the start of the process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends logs to standard error and panics to the logs. Standard output belongs to reports.
///
/// # Errors
/// When the filter cannot be understood, or logging is set up already.
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<(), TelemetryError> {
    let terminal = io::stderr().is_terminal();
    let subscriber = subscriber(format, filter, terminal, io::stderr)?;
    // With it come the records of libraries that use the log crate.
    subscriber.try_init().map_err(TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    format: LogFormat,
    filter: Option<&str>,
    terminal: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter.unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    Ok(tracing_subscriber::registry().with(filter).with(lines(json, terminal, writer)))
}

fn lines<S, W>(json: bool, terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    if json {
        layer.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        layer.with_ansi(colours).boxed()
    }
}

/// Says where, and never what: a payload may hold a row, a key or a password.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        location = location.as_deref().unwrap_or("unknown"),
        thread = thread.name().unwrap_or("unnamed"),
        "panicked: this is a mistake in auth-consistency, please report it with the location"
    );
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::Command,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: Option<&str>, terminal: bool, log: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(format, filter, terminal, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn logs_are_json_where_nobody_reads_along() {
        for (format, terminal) in [(LogFormat::Auto, false), (LogFormat::Json, true)] {
            let text = logged(format, None, terminal, || tracing::info!(rows = 3, "repaired"));
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(line["message"], "repaired");
            assert_eq!(line["rows"], 3);
            assert_eq!(line["level"], "INFO");
        }
    }

    #[test]
    fn logs_are_text_on_a_terminal() {
        for (format, terminal) in [(LogFormat::Auto, true), (LogFormat::Text, false)] {
            let text = logged(format, None, terminal, || tracing::info!("repaired"));
            assert!(text.contains("repaired") && serde_json::from_str::<serde_json::Value>(&text).is_err());
        }
    }

    #[test]
    fn libraries_are_quiet_by_default_and_a_filter_changes_it() {
        let chatter = || tracing::info!(target: "kube_client::client", "chatter");
        assert_eq!(logged(LogFormat::Text, None, false, chatter), "");
        assert!(logged(LogFormat::Text, Some("kube_client=info"), false, chatter).contains("chatter"));
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused() {
        let refused = subscriber(LogFormat::Auto, Some("info,=!"), false, io::stderr).err().unwrap();
        assert!(refused.to_string().contains("write directives such as"), "{refused}");
    }

    #[test]
    fn a_panic_leaves_its_location_and_not_its_payload() {
        const CHILD: &str = "AUTH_CONSISTENCY_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            init(LogFormat::Json, None).unwrap();
            assert!(matches!(init(LogFormat::Json, None), Err(TelemetryError::Twice(_))));
            let payload = std::panic::catch_unwind(|| panic!("canary {}", 4711));
            assert!(payload.is_err());
            return;
        }
        // Hook and subscriber belong to a whole process, so it gets one of its own.
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "telemetry::tests::a_panic_leaves_its_location_and_not_its_payload",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("src/telemetry.rs:") && text.contains("panicked"), "{text}");
        assert!(!text.contains("canary") && !text.contains("4711"), "{text}");
    }
}
