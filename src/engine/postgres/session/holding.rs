//! What all connections of the process may hold together of what servers send, beyond a small part each.
//!
//! One answer may take megabytes, and there are as many connections as passes at once. Where the room that they share
//! does not suffice, whoever has had of it for the longest time gives way: a server that stops in the middle of a long
//! answer keeps the room from nobody, and an answer that is no longer than the small part is never concerned.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

/// Bytes that a connection holds without asking.
pub(in crate::engine::postgres) const SMALL: usize = 256 << 10;

/// Bytes that all of them hold together beyond that. One answer fits.
pub(in crate::engine::postgres) const TOGETHER: usize = 14 << 20;

/// How long room is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The room that the connections of a process share.
#[derive(Debug)]
pub(in crate::engine::postgres) struct Room {
    patience: Duration,
    shares: Mutex<Shares>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Shares {
    next: u64,
    /// Who holds something, in the order in which they began to.
    of: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    call: Arc<Call>,
}

/// What tells a connection to give way.
#[derive(Debug, Default)]
pub(in crate::engine::postgres) struct Call {
    called: AtomicBool,
    notify: Notify,
}

impl Call {
    fn is_called(&self) -> bool {
        self.called.load(Ordering::SeqCst)
    }

    /// Waits until the connection is to give way.
    pub(in crate::engine::postgres) async fn wait(&self) {
        while !self.is_called() {
            self.notify.notified().await;
        }
    }
}

/// That this one is to give way, or had none in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::postgres) struct Crowded;

/// What one connection has of the room; it is free again with the connection.
#[derive(Debug)]
pub(in crate::engine::postgres) struct Share<'r> {
    room: &'r Room,
    number: Option<u64>,
    call: Arc<Call>,
}

impl Default for Room {
    fn default() -> Self {
        Self { patience: PATIENCE, shares: Mutex::default(), freed: Notify::default() }
    }
}

impl Room {
    /// Nothing of it yet.
    pub(in crate::engine::postgres) fn share(&self) -> Share<'_> {
        Share { room: self, number: None, call: Arc::default() }
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are held.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.shares().of.values().map(|one| one.bytes).sum()
    }
}

impl Share<'_> {
    /// Waits until there is room for so many bytes in place of what was held before.
    ///
    /// # Errors
    /// It has to give way, or there was no room in time.
    pub(in crate::engine::postgres) async fn holds(&mut self, bytes: usize) -> Result<(), Crowded> {
        // One that is alone has room for whatever an answer may take.
        let beyond = bytes.saturating_sub(SMALL).min(TOGETHER);
        if beyond == 0 {
            self.release();
            return Ok(());
        }
        let patience = self.room.patience;
        let tried = async {
            loop {
                // Listened to before it is looked, so that nothing that is freed in between is missed.
                let freed = self.room.freed.notified();
                if self.takes(beyond)? {
                    return Ok(());
                }
                tokio::select! {
                    () = freed => {}
                    () = self.call.wait() => return Err(Crowded),
                }
            }
        };
        // Whoever waits does not keep what others wait for.
        let done = tokio::time::timeout(patience, tried).await;
        done.unwrap_or(Err(Crowded))
    }

    /// What tells it to give way.
    pub(in crate::engine::postgres) fn call(&self) -> Arc<Call> {
        Arc::clone(&self.call)
    }

    /// Takes so many bytes where there is room, else tells the one that has had some for the longest time to go.
    fn takes(&mut self, bytes: usize) -> Result<bool, Crowded> {
        let mut shares = self.room.shares();
        let number = *self.number.get_or_insert_with(|| {
            shares.next += 1;
            shares.next
        });
        let others: usize = shares.of.iter().filter(|(of, _)| **of != number).map(|(_, one)| one.bytes).sum();
        let own = shares.of.entry(number).or_insert_with(|| Held { bytes: 0, call: Arc::clone(&self.call) });
        if own.call.is_called() {
            return Err(Crowded);
        }
        if others.saturating_add(bytes) <= TOGETHER {
            own.bytes = bytes;
            return Ok(true);
        }
        let going: usize = shares.of.values().filter(|one| one.call.is_called()).map(|one| one.bytes).sum();
        let mut missing = others.saturating_add(bytes).saturating_sub(TOGETHER + going);
        let mut others = shares.of.iter().filter(|(of, _)| **of != number).map(|(_, one)| one);
        for one in others.by_ref().filter(|one| !one.call.is_called() && one.bytes > 0) {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(one.bytes);
            one.call.called.store(true, Ordering::SeqCst);
            one.call.notify.notify_one();
        }
        Ok(false)
    }

    fn release(&mut self) {
        if let Some(number) = self.number.take() {
            self.room.shares().of.remove(&number);
            // Who was told to give way, and had done so by itself.
            self.call.called.store(false, Ordering::SeqCst);
            self.room.freed.notify_waiters();
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_holds_little_asks_nobody_and_what_is_let_go_is_free() {
        let room = Room::default();
        let mut shares: Vec<Share<'_>> = (0..100).map(|_| room.share()).collect();
        for share in &mut shares {
            share.holds(SMALL).await.unwrap();
        }
        assert_eq!(room.held(), 0);
        shares[0].holds(SMALL + TOGETHER).await.unwrap();
        assert_eq!(room.held(), TOGETHER);
        shares[0].holds(SMALL).await.unwrap();
        shares[1].holds(SMALL + TOGETHER).await.unwrap();
        drop(shares);
        assert_eq!(room.held(), 0);
    }

    #[tokio::test]
    async fn the_one_that_has_had_room_for_the_longest_time_gives_way_and_nobody_else() {
        let room = Room::default();
        let (mut first, mut second, mut third) = (room.share(), room.share(), room.share());
        let half = SMALL + TOGETHER / 2;
        first.holds(half).await.unwrap();
        second.holds(half).await.unwrap();
        let (called, calm) = (first.call(), second.call());
        let gives = async {
            called.wait().await;
            assert_eq!(room.held(), TOGETHER, "nothing is given twice");
            assert_eq!(first.holds(half).await, Err(Crowded));
            drop(first);
        };
        let (taken, ()) = tokio::join!(third.holds(half), gives);
        assert_eq!(taken, Ok(()));
        assert_eq!(room.held(), TOGETHER);
        assert!(!calm.is_called(), "the second one stays");
        second.holds(half).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_has_no_room_in_time_gives_up() {
        let room = Room { patience: Duration::ZERO, ..Room::default() };
        let (mut first, mut second) = (room.share(), room.share());
        first.holds(SMALL + TOGETHER).await.unwrap();
        assert_eq!(second.holds(SMALL + 1).await, Err(Crowded));
        drop(second);
        assert_eq!(room.held(), TOGETHER);
    }
}
