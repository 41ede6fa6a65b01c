//! Named points before and after every effect, where a test can end the process as `kill -9` would.
//!
//! Debug builds only: `AUTH_CONSISTENCY_CRASH_AT` names the point, `AUTH_CONSISTENCY_CRASH_LOG` a file
//! that every point is written to as it is passed, so that a test can list the points there are.

/// Passes a point. In release builds this is nothing.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}

/// Passes a point; ends the process by SIGKILL where a test asked for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::io::Write;

    if let Ok(path) = std::env::var("AUTH_CONSISTENCY_CRASH_LOG")
        && let Ok(mut log) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        // A list that cannot be written shows in the test that wants to read it.
        let _ = writeln!(log, "{name}");
    }
    if std::env::var("AUTH_CONSISTENCY_CRASH_AT").as_deref() == Ok(name) {
        let me = std::process::id().to_string();
        // No destructor, no flush, no good-bye to the server: what a lost node does.
        let _ = std::process::Command::new("kill").args(["-9", &me]).status();
        loop {
            std::thread::park();
        }
    }
}
