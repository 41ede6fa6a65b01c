//! Who leads, as one replica may conclude it from what it read of the Lease and from its own clock; pure.
//!
//! The protocol is that of client-go's `tools/leaderelection`, so that people can read the Lease as they know it. No time
//! that stands in a Lease is ever compared with a clock: a standby takes over when it has seen the Lease unchanged for as
//! long as its holder was promised, and the leader stops a margin before that, counted from before its last renewal was
//! sent. Clocks may therefore differ by any amount, as long as they go equally fast to within that margin.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

/// A Lease that says more is taken to say this: what somebody wrote by hand is not waited for without end.
const LONGEST: Duration = Duration::from_secs(600);

/// The least time between two tries.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);

/// The times of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long the others leave a Lease alone that they see unchanged. Whole seconds, as a Lease has them.
    pub duration: Duration,
    /// How long the leader goes on after the last renewal that was granted.
    pub deadline: Duration,
    /// Time between two renewals. A standby looks twice as often.
    pub retry: Duration,
}

impl Terms {
    /// Times that fit each other.
    ///
    /// # Errors
    /// A sentence that names the flag to change.
    pub fn new(duration: Duration, deadline: Duration, retry: Duration) -> Result<Self, String> {
        if duration < Duration::from_secs(1) || duration > LONGEST || duration.subsec_nanos() > 0 {
            return Err("--lease-duration must be a whole number of seconds, from 1s to 10m".into());
        }
        if deadline >= duration {
            return Err(
                "--lease-renew-deadline must be shorter than --lease-duration: the leader is to stop before \
                        another replica takes over"
                    .into(),
            );
        }
        if retry < SHORTEST_RETRY || retry * 2 > deadline {
            return Err(
                "--lease-retry-period must be at least 100ms and at most half of --lease-renew-deadline"
                    .into(),
            );
        }
        Ok(Self { duration, deadline, retry })
    }
}

/// What a Lease says, as far as the protocol goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; `None`: nobody, it was vacated.
    pub holder: Option<String>,
    /// How long its holder was promised that others leave it alone.
    pub promised: Option<Duration>,
    renewed: Option<MicroTime>,
    acquired: Option<MicroTime>,
    transitions: i32,
}

impl Record {
    /// What stands in a Lease.
    pub fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            promised: seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST)),
            renewed: spec.renew_time,
            acquired: spec.acquire_time,
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }
}

/// What a standby does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// There is no Lease: make one.
    Create,
    /// It is free, or its time is up: take it.
    Take,
    /// Somebody else may hold it.
    Wait,
}

/// What a standby has seen of the Lease.
#[derive(Debug)]
pub struct Observer {
    identity: String,
    duration: Duration,
    /// What was read last, and since when it is so.
    seen: Option<(Option<Record>, Instant)>,
    /// What the last holder was promised.
    promised: Duration,
    /// Whether somebody has held it as far as this process knows.
    was_held: bool,
}

impl Observer {
    /// Nothing was seen yet.
    pub fn new(identity: &str, terms: &Terms) -> Self {
        let (identity, duration) = (identity.to_owned(), terms.duration);
        Self { identity, duration, seen: None, promised: duration, was_held: false }
    }

    /// What follows from what was read just now; `None`: there is no Lease.
    pub fn decide(&mut self, read: Option<&Record>, now: Instant) -> Move {
        let unchanged = self.seen.as_ref().filter(|(last, _)| last.as_ref() == read).map(|(_, since)| *since);
        let since = unchanged.unwrap_or(now);
        self.seen = Some((read.cloned(), since));
        let is_over = |promised: Duration| now.saturating_duration_since(since) >= promised;
        let Some(record) = read else {
            // Somebody removed it. Who held it may not know of that yet, and makes a new one as soon as it does.
            return if !self.was_held || is_over(self.promised) { Move::Create } else { Move::Wait };
        };
        match &record.holder {
            None => Move::Take,
            // A try of our own came through, though no answer did.
            Some(holder) if *holder == self.identity => Move::Take,
            Some(_) => {
                self.was_held = true;
                self.promised = record.promised.unwrap_or(self.duration);
                if is_over(self.promised) { Move::Take } else { Move::Wait }
            }
        }
    }
}

/// What is written to hold a Lease from now on, by somebody who did not hold it.
pub fn taken(before: Option<&LeaseSpec>, identity: &str, terms: &Terms, now: MicroTime) -> LeaseSpec {
    let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
    let ours = before.and_then(|spec| spec.holder_identity.as_deref()) == Some(identity);
    // As client-go counts them: the first holder is no change of holders.
    let changes = i32::from(before.is_some() && !ours);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(terms.duration.as_secs()).ok(),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        lease_transitions: Some(transitions.saturating_add(changes)),
        ..before.cloned().unwrap_or_default()
    }
}

/// What is written to give a Lease up: nobody holds it.
pub fn vacated(held: &LeaseSpec, now: MicroTime) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        renew_time: Some(now),
        ..held.clone()
    }
}

/// Whether this process leads, asked before everything that has an effect. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Option<Arc<Mutex<Option<Instant>>>>);

impl Leadership {
    /// Of a process that leads whatever happens: there is no election.
    pub fn alone() -> Self {
        Self(None)
    }

    /// Of a process that does not lead yet.
    pub fn elected() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether it leads now. A process that was stopped and goes on is answered by the clock, before any task of it could
    /// have noticed anything.
    pub fn holds(&self) -> bool {
        self.holds_at(Instant::now())
    }

    fn holds_at(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|until| lock(until).is_some_and(|until| now < until))
    }

    /// It leads until then.
    pub(super) fn extend(&self, until: Instant) {
        if let Some(held) = &self.0 {
            *lock(held) = Some(until);
        }
    }

    /// It leads no more.
    pub(super) fn end(&self) {
        if let Some(held) = &self.0 {
            *lock(held) = None;
        }
    }
}

/// A point in time is whole whatever happened to whoever wrote it.
fn lock(until: &Mutex<Option<Instant>>) -> MutexGuard<'_, Option<Instant>> {
    until.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn terms() -> Terms {
        Terms::new(S(15), S(10), S(2)).unwrap()
    }

    fn held_by(holder: &str, seconds: i32, renewed: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(seconds),
            renew_time: Some(MicroTime(jiff::Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    #[test]
    fn times_that_do_not_fit_each_other_are_refused_by_the_flag_to_change() {
        for (duration, deadline, retry, flag) in [
            (S(0), S(0), S(0), "--lease-duration must"),
            (Duration::from_millis(1500), S(1), S(0), "--lease-duration must"),
            (S(601), S(10), S(2), "--lease-duration must"),
            (S(15), S(15), S(2), "--lease-renew-deadline must"),
            (S(15), S(10), S(6), "--lease-retry-period must"),
            (S(15), S(10), Duration::from_millis(99), "--lease-retry-period must"),
        ] {
            let why = Terms::new(duration, deadline, retry).unwrap_err();
            assert!(why.starts_with(flag), "{why}");
        }
        assert!(Terms::new(S(60), S(45), S(5)).is_ok(), "what the documentation says to give more time by");
        assert!(Terms::new(S(2), Duration::from_millis(1200), Duration::from_millis(400)).is_ok());
    }

    #[test]
    fn a_standby_takes_over_when_the_lease_stood_still_for_as_long_as_its_holder_was_promised() {
        let (mut standby, began) = (Observer::new("b", &terms()), Instant::now());
        let mut read = |renewed: i64, seconds: i32, at: u64| {
            standby.decide(Some(&Record::of(&held_by("a", seconds, renewed))), began + S(at))
        };
        // A renewal that is years old says nothing: clocks differ, and so does when it is seen for the first time.
        assert_eq!(read(1, 15, 0), Move::Wait);
        assert_eq!(read(1, 15, 14), Move::Wait);
        // A renewal of the future, or an older one than before, is a renewal.
        assert_eq!(read(4_000_000_000, 15, 15), Move::Wait);
        assert_eq!(read(2, 15, 29), Move::Wait);
        assert_eq!(read(2, 15, 43), Move::Wait);
        assert_eq!(read(2, 15, 44), Move::Take);
        // The holder's promise counts, not our own configuration.
        assert_eq!(read(3, 60, 50), Move::Wait);
        assert_eq!(read(3, 60, 109), Move::Wait);
        assert_eq!(read(3, 60, 110), Move::Take);
        assert_eq!(read(3, i32::MAX, 120), Move::Wait);
        assert_eq!(
            read(3, i32::MAX, 720),
            Move::Take,
            "what is out of all bounds is not waited for without end"
        );
    }

    #[test]
    fn what_is_vacated_or_was_never_there_is_free_and_what_was_removed_only_after_its_time() {
        let (mut standby, began) = (Observer::new("b", &terms()), Instant::now());
        assert_eq!(standby.decide(None, began), Move::Create, "the first installation");
        let held = Record::of(&held_by("a", 15, 1));
        assert_eq!(standby.decide(Some(&held), began), Move::Wait);
        assert_eq!(standby.decide(None, began + S(1)), Move::Wait, "its holder may not know of it");
        assert_eq!(standby.decide(None, began + S(15)), Move::Wait);
        assert_eq!(standby.decide(None, began + S(16)), Move::Create);
        let now = MicroTime(jiff::Timestamp::UNIX_EPOCH);
        let spec = vacated(&held_by("a", 15, 1).spec.unwrap(), now);
        let free = Record::of(&Lease { spec: Some(spec), ..Lease::default() });
        assert_eq!(standby.decide(Some(&free), began + S(17)), Move::Take);
        let ours = Record::of(&held_by("b", 15, 2));
        assert_eq!(standby.decide(Some(&ours), began + S(18)), Move::Take, "the answer was lost");
    }

    #[test]
    fn a_lease_counts_its_holders_as_client_go_does() {
        let now = || MicroTime(jiff::Timestamp::UNIX_EPOCH);
        let first = taken(None, "a", &terms(), now());
        assert_eq!((first.lease_transitions, first.lease_duration_seconds), (Some(0), Some(15)));
        let second = taken(Some(&vacated(&first, now())), "b", &terms(), now());
        assert_eq!((second.lease_transitions, second.holder_identity.as_deref()), (Some(1), Some("b")));
        let again = taken(Some(&second), "b", &terms(), now());
        assert_eq!(again.lease_transitions, Some(1), "the same holder, whose answer was lost");
    }

    #[test]
    fn leadership_ends_by_the_clock_alone() {
        let (leadership, now) = (Leadership::elected(), Instant::now());
        assert!(!leadership.holds());
        leadership.extend(now + S(10));
        assert!(leadership.clone().holds_at(now + Duration::from_millis(9_999)));
        assert!(!leadership.holds_at(now + S(10)));
        leadership.end();
        assert!(!leadership.holds_at(now));
        assert!(Leadership::alone().holds());
    }
}
