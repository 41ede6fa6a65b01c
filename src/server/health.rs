//! Whether this process is ready, and whether it is alive.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    gates: Mutex<Vec<(String, Arc<Mutex<State>>)>>,
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
    waiting_for: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// What `/readyz` says of it.
    Open(String),
    /// Why it is closed, as `/readyz` says it.
    Closed(String),
}

impl Gate {
    /// What was waited for is there; says whether it was not before.
    pub fn open(&self) -> bool {
        self.open_as("ok")
    }

    /// The same, with what `/readyz` says of it in place of "ok"; says whether that is news.
    pub fn open_as(&self, words: &str) -> bool {
        self.turn(State::Open(words.to_owned()))
    }

    /// It is gone again, or the process is about to end.
    pub fn close(&self) {
        self.turn(State::Closed(format!("waiting for {}", self.waiting_for)));
    }

    /// Somebody refuses it; says whether that is news. `why` completes "refused: ...".
    pub fn refuse(&self, why: &str) -> bool {
        self.turn(State::Closed(format!("refused: {why}")))
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        matches!(*lock(&self.state), State::Open(_))
    }

    fn turn(&self, to: State) -> bool {
        let mut state = lock(&self.state);
        let turned = *state != to;
        *state = to;
        turned
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
    pub fn gate(&self, name: impl Into<String>, waiting_for: impl Into<String>) -> Gate {
        let waiting_for = waiting_for.into();
        let state = Arc::new(Mutex::new(State::Closed(format!("waiting for {waiting_for}"))));
        lock(&self.shared.gates).push((name.into(), Arc::clone(&state)));
        Gate { waiting_for, state }
    }

    /// The reconciler is moving. It says so when idle, too, and while it is only a standby: silence means
    /// stuck.
    pub fn progress(&self) {
        let now = (self.shared.clock)();
        *lock(&self.shared.heartbeat) = now;
    }

    /// Whether every gate is open.
    pub fn is_ready(&self) -> bool {
        lock(&self.shared.gates).iter().all(|(_, state)| matches!(*lock(state), State::Open(_)))
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
        for (name, state) in lock(&self.shared.gates).iter() {
            let state = lock(state);
            verdict.ok &= matches!(*state, State::Open(_));
            // Writing to a String cannot fail.
            let _ = match &*state {
                State::Open(words) => writeln!(verdict.text, "[+]{name} {words}"),
                State::Closed(why) => writeln!(verdict.text, "[-]{name} {why}"),
            };
        }
        verdict.text.push_str(if verdict.ok { "readyz check passed\n" } else { "readyz check failed\n" });
        verdict
    }

    /// Whether these words stand in what `/readyz` says.
    #[cfg(test)]
    pub(crate) fn says(&self, words: &str) -> bool {
        self.readiness().text.contains(words)
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
