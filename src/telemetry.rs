//! Logs, and what a panic leaves in them.

use std::{
    io::{self, IsTerminal},
    panic::PanicHookInfo,
};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{domain::text::escaped, engine::NOTICES};

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
    // Whatever a function of the app says, with rows in it and in any number: no filter lets it through.
    let said = filter_fn(|metadata| metadata.target() != NOTICES);
    Ok(tracing_subscriber::registry().with(filter).with(said).with(lines(json, terminal, writer)))
}

fn lines<S, W>(json: bool, terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(Lines(writer));
    if json {
        layer.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        layer.with_ansi(colours).boxed()
    }
}

/// Until logs are set up, a panic says on standard error where it was.
pub fn hide_panics() {
    std::panic::set_hook(Box::new(|info| {
        let said = format!("auth-consistency: panicked at {}\n", place(info));
        // There is nobody left to be told that it could not be written.
        let _ = io::Write::write_all(&mut io::stderr().lock(), said.as_bytes());
    }));
}

/// The file, line and column; a file of a library begins with the library's name.
fn place(info: &PanicHookInfo<'_>) -> String {
    let Some(location) = info.location() else { return "an unknown place".to_owned() };
    let file = location.file();
    // Where sources lay on the machine that built it is nobody's business.
    let short = ["/registry/src/", "/rustc/"]
        .iter()
        .find_map(|before| file.split_once(before)?.1.split_once('/'))
        .map_or(file, |(_, rest)| rest);
    format!("{short}:{}:{}", location.line(), location.column())
}

/// Writes each record as one line in which every character shows: names of others are in it, which could steer a
/// terminal, or end the line and begin another one.
struct Lines<W>(W);

/// One record's.
struct Line<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        Line(self.0.make_writer_for(meta))
    }
}

impl<W: io::Write> io::Write for Line<W> {
    /// The layer writes a whole record at once.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let text = text.replace('\n', "\\n");
        self.0.write_all(escaped(&text, true).as_bytes())?;
        self.0.write_all(end.as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Says where, and never what: a payload may hold a row, a key or a password.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = place(info);
    let thread = std::thread::current();
    tracing::error!(
        location,
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
    fn a_record_is_one_line_in_which_every_character_shows() {
        let name = "x\nERROR \u{1b}[2J\u{9b}31m\u{202e}\u{85}\u{200b}";
        for (format, terminal) in [
            (LogFormat::Text, false),
            (LogFormat::Text, true),
            (LogFormat::Json, false),
            (LogFormat::Json, true),
        ] {
            let text = logged(format, None, terminal, || {
                tracing::info!(table = name, shown = %name, "looked at {name}");
                tracing::warn!("next");
            });
            assert_eq!(text.lines().count(), 2, "{text:?}");
            let without_colours = text.replace("\u{1b}[", "").replace('\n', "");
            assert!(!without_colours.contains(crate::domain::text::unseen), "{text:?}");
            assert!(!text.contains("\u{1b}[2J") && text.contains("202e"), "{text:?}");
            if format == LogFormat::Json {
                let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
                assert_eq!(line["table"], name);
            }
        }
    }

    #[test]
    fn libraries_are_quiet_by_default_and_a_filter_changes_it() {
        let chatter = || tracing::info!(target: "kube_client::client", "chatter");
        assert_eq!(logged(LogFormat::Text, None, false, chatter), "");
        assert!(logged(LogFormat::Text, Some("kube_client=info"), false, chatter).contains("chatter"));
    }

    #[test]
    fn no_filter_lets_through_what_a_server_says_beside_its_answers() {
        let notice = || {
            tracing::error!(target: NOTICES, "canary");
            tracing::warn!(target: NOTICES, "canary");
            tracing::info!(target: NOTICES, "canary");
            tracing::debug!(target: NOTICES, "canary");
            tracing::trace!(target: NOTICES, "canary");
            tracing::trace!(target: "sqlx", "else");
        };
        let (itself, above) =
            (format!("{NOTICES}=trace"), format!("warn,{}=info", NOTICES.trim_end_matches("::notice")));
        for filter in ["trace", "sqlx=trace", &itself, &above] {
            for format in [LogFormat::Text, LogFormat::Json] {
                let text = logged(format, Some(filter), false, notice);
                assert!(!text.contains("canary"), "{filter}: {text}");
                assert_eq!(
                    text.contains("else"),
                    ["trace", "sqlx=trace"].contains(&filter),
                    "{filter}: {text}"
                );
            }
        }
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
