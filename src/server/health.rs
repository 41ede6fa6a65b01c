//! Whether this process is ready, and whether it is alive.

use std::{
    fmt::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Where the time comes from.
type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Gates that must be open before the process is ready, and the reconciler's heartbeat. Clones share
/// one state.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    /// Silence of the reconciler after which the process counts as stuck.
    limit: Duration,
    gates: Mutex<Vec<(&'static str, &'static str, Arc<AtomicBool>)>>,
    heartbeat: Mutex<Instant>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("limit", &self.shared.limit).finish_non_exhaustive()
    }
}

/// One thing that readiness waits for. Closed until opened.
#[derive(Clone, Debug)]
pub struct Gate {
    open: Arc<AtomicBool>,
}

impl Gate {
    /// What was waited for is there.
    pub fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// It is gone again, or the process is about to end.
    pub fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }
}

pub(super) struct Verdict {
    pub(super) ok: bool,
    pub(super) text: String,
}

impl Health {
    /// Alive while [`Health::progress`] comes at least every `limit`; the start counts as the first.
    pub fn new(limit: Duration) -> Self {
        Self::with_clock(limit, Instant::now)
    }

    /// As [`Health::new`], with another clock.
    pub fn with_clock(limit: Duration, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let heartbeat = Mutex::new(clock());
        let clock: Clock = Arc::new(clock);
        Self { shared: Arc::new(Shared { clock, limit, gates: Mutex::default(), heartbeat }) }
    }

    /// A new gate, closed. `waiting_for` completes "waiting for ...".
    pub fn gate(&self, name: &'static str, waiting_for: &'static str) -> Gate {
        let open = Arc::new(AtomicBool::new(false));
        lock(&self.shared.gates).push((name, waiting_for, open.clone()));
        Gate { open }
    }

    /// The reconciler is moving. It says so when idle, too, and while it is only a standby: silence means
    /// stuck.
    pub fn progress(&self) {
        let now = (self.shared.clock)();
        *lock(&self.shared.heartbeat) = now;
    }

    /// Whether every gate is open.
    pub fn is_ready(&self) -> bool {
        lock(&self.shared.gates).iter().all(|(_, _, open)| open.load(Ordering::Relaxed))
    }

    /// Whether the last sign of progress is recent enough.
    pub fn is_live(&self) -> bool {
        self.silence() < self.shared.limit
    }

    fn silence(&self) -> Duration {
        let now = (self.shared.clock)();
        now.saturating_duration_since(*lock(&self.shared.heartbeat))
    }

    pub(super) fn readiness(&self) -> Verdict {
        let mut verdict = Verdict { ok: true, text: String::new() };
        for (name, waiting_for, open) in lock(&self.shared.gates).iter() {
            let open = open.load(Ordering::Relaxed);
            verdict.ok &= open;
            // Writing to a String cannot fail.
            let _ = match open {
                true => writeln!(verdict.text, "[+]{name} ok"),
                false => writeln!(verdict.text, "[-]{name} waiting for {waiting_for}"),
            };
        }
        verdict.text.push_str(if verdict.ok { "readyz check passed\n" } else { "readyz check failed\n" });
        verdict
    }

    pub(super) fn liveness(&self) -> Verdict {
        let (silence, limit) = (self.silence(), self.shared.limit);
        let ok = silence < limit;
        let text = if ok {
            "[+]reconciler ok\nlivez check passed\n".to_owned()
        } else {
            format!(
                "[-]reconciler made no progress for {}s, at most {}s are normal\nlivez check failed\n",
                silence.as_secs(),
                limit.as_secs()
            )
        };
        Verdict { ok, text }
    }
}

/// A thread that panicked while it held one of these locks has left nothing half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
