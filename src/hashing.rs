//! The one place of the process where slow hashes are computed: fingerprints of keys, and passwords.
//!
//! Each takes many megabytes and much of a processor on purpose, and what a stored password asks for is decided by
//! whoever writes to the table. So they run one at a time, first come first served, and never while a look's
//! snapshot is open, which would keep the server from cleaning up behind others.

use tokio::sync::Semaphore;

/// Hashes of the process wait here.
static POOL: Pool = Pool::new();

/// Room for one hash.
struct Pool {
    room: Semaphore,
}

impl Pool {
    const fn new() -> Self {
        Self { room: Semaphore::const_new(1) }
    }

    async fn compute<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // It is never closed.
        let turn = self.room.acquire().await.ok()?;
        let computing = tokio::task::spawn_blocking(move || {
            // Held by the thread: it computes to its end, also where nobody waits for it any more.
            let _turn = turn;
            work()
        });
        computing.await.ok()
    }
}

/// Computes something slow away from the async threads, once it is its turn.
///
/// `None`: it panicked, or the process ends.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    POOL.compute(work).await
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    };

    use super::*;

    fn pool() -> &'static Pool {
        Box::leak(Box::new(Pool::new()))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hashes_run_one_at_a_time_however_many_wait() {
        let pool = pool();
        let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let all = (0..50).map(|number| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            pool.compute(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                number
            })
        });
        let done = futures::future::join_all(all).await;
        assert_eq!(done.into_iter().flatten().collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hash_that_nobody_waits_for_any_more_keeps_its_room_until_it_is_done() {
        let pool = pool();
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = Arc::clone(&order);
        let abandoned = tokio::spawn(pool.compute(move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            first.lock().unwrap().push("abandoned");
        }));
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        assert_eq!(pool.room.available_permits(), 0, "it still runs");
        let second = Arc::clone(&order);
        let next = tokio::spawn(pool.compute(move || second.lock().unwrap().push("next")));
        release.send(()).unwrap();
        next.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["abandoned", "next"]);
    }

    #[tokio::test]
    async fn a_hash_that_panics_gives_its_room_back() {
        let pool = pool();
        assert_eq!(pool.compute(|| panic!("nobody should see this")).await, None::<()>);
        assert_eq!(pool.compute(|| 1).await, Some(1));
    }
}
