//! Named points before and after every effect, where a test can end the process as `kill -9` would.
//!
//! Debug builds only: `AUTH_CONSISTENCY_CRASH_AT` names the point (`after Seed #1`), and
//! `AUTH_CONSISTENCY_CRASH_LOG` a file that every point is written to as it is passed, so that a test
//! can list the points there are.

/// Passes a point. In release builds this is nothing.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}

/// Passes a point; ends the process by SIGKILL where a test asked for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::{
        collections::HashMap,
        io::Write,
        sync::{LazyLock, Mutex, PoisonError},
    };

    static PASSED: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let times = passed.entry(name.to_owned()).or_default();
    *times += 1;
    let point = format!("{name} #{times}");
    if let Ok(path) = std::env::var("AUTH_CONSISTENCY_CRASH_LOG")
        && let Ok(mut log) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        // A list that cannot be written shows in the test that wants to read it.
        let _ = writeln!(log, "{point}");
    }
    if std::env::var("AUTH_CONSISTENCY_CRASH_AT").is_ok_and(|at| at == point) {
        let me = std::process::id().to_string();
        // No destructor, no flush, no good-bye to the server: what a lost node does.
        let _ = std::process::Command::new("kill").args(["-9", &me]).status();
        loop {
            std::thread::park();
        }
    }
}

/// A place where a mistake of ours is put on purpose. In release builds this is nothing.
#[cfg(not(debug_assertions))]
pub fn mistake(_: &str, _: &str) {}

/// Panics where a test asked for it: `AUTH_CONSISTENCY_PANIC_AT` names the places (`pass over shop/app`), with commas
/// between them.
#[cfg(debug_assertions)]
pub fn mistake(namespace: &str, name: &str) {
    let place = format!("pass over {namespace}/{name}");
    let asked =
        std::env::var("AUTH_CONSISTENCY_PANIC_AT").is_ok_and(|at| at.split(',').any(|one| one == place));
    #[expect(clippy::panic, reason = "it stands for what nobody foresaw")]
    if asked {
        panic!("canary of a panic: {place}");
    }
}
