//! The end of the process: the first signal drains, the second aborts.

use std::{convert::Infallible, future::Future, io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Exit code after the second signal, as shells count an interrupt.
const ABORTED: i32 = 130;

/// Tells every task that the process is about to end. Clones share one state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that no signal triggers, for commands and tests.
    pub fn new() -> Self {
        Self { requested: Arc::new(watch::Sender::new(false)) }
    }

    /// Takes over SIGTERM and SIGINT from now on.
    ///
    /// The future belongs to the caller, who polls it until the process has drained (in the task set
    /// with everything else): it requests the shutdown at the first signal and ends the process with
    /// code 130 at the second. It never ends by itself.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn listen() -> io::Result<(Self, impl Future<Output = Infallible> + Send + 'static)> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self::new();
        let requests = shutdown.clone();
        let signals = async move {
            let name = next(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = name, "draining; a second signal aborts");
            requests.request();
            let name = next(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "aborting");
            std::process::exit(ABORTED)
        };
        Ok((shutdown, signals))
    }

    /// Asks everyone to finish.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether it was asked for.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Ready as soon as it is asked for; at once, if it was before.
    pub async fn requested(&self) {
        // The sender lives in self, so that the channel cannot close meanwhile.
        let _ = self.requested.subscribe().wait_for(|requested| *requested).await;
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        Some(()) = terminate.recv() => "SIGTERM",
        Some(()) = interrupt.recv() => "SIGINT",
        // Both streams end only with the runtime.
        else => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Child, Command, Stdio},
    };

    use super::*;

    const CHILD: &str = "AUTH_CONSISTENCY_TEST_SIGNALS";

    #[tokio::test]
    async fn everyone_who_waits_is_told_and_late_comers_at_once() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        shutdown.request();
        waiting.await.unwrap();
        assert!(shutdown.is_requested());
        shutdown.requested().await;
    }

    /// Runs as a process of its own, which the next test signals.
    #[tokio::test]
    async fn child_that_drains_for_ever() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let (shutdown, signals) = Shutdown::listen().unwrap();
        let signals = tokio::spawn(signals);
        eprintln!("listening");
        shutdown.requested().await;
        eprintln!("draining");
        signals.await.unwrap();
    }

    /// Does not outlive a test that fails.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    impl Running {
        fn send(&self, signal: &str) {
            let kill = format!("kill -s {signal} {}", self.0.id());
            assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        }
    }

    #[test]
    fn the_first_signal_drains_and_the_second_aborts() {
        for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "shutdown::tests::child_that_drains_for_ever", "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn();
            let mut child = Running(child.unwrap());
            let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
            assert!(lines.any(|line| line == "listening"));
            child.send(first);
            assert!(lines.any(|line| line == "draining"));
            child.send(second);
            assert_eq!(child.0.wait().unwrap().code(), Some(ABORTED));
        }
    }
}
