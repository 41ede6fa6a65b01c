//! The one place of the process where slow hashes are computed: fingerprints of keys, and passwords.
//!
//! Each takes many megabytes and much of a processor on purpose. So what they take together is bounded, and
//! not their number alone; and how many threads they run on, since each thread keeps memory of its own.

use tokio::sync::Semaphore;

/// MiB that hashes may take at once. What takes more runs alone.
const ROOM: u32 = 32;

/// How many may run at once, however little they take.
const AT_ONCE: u32 = 2;

/// Hashes of the process wait here, first come first served.
static POOL: Pool = Pool::new();

/// Room for hashes.
struct Pool {
    room: Semaphore,
}

impl Pool {
    const fn new() -> Self {
        Self { room: Semaphore::const_new(ROOM as usize) }
    }

    async fn compute<T: Send + 'static>(
        &'static self,
        mebibytes: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // It is never closed.
        let turn = self.room.acquire_many(mebibytes.clamp(ROOM / AT_ONCE, ROOM)).await.ok()?;
        let computing = tokio::task::spawn_blocking(move || {
            // Held by the thread: it computes to its end, also where nobody waits for it any more.
            let _turn = turn;
            work()
        });
        computing.await.ok()
    }
}

/// Computes something slow away from the async threads, once there is room for it.
///
/// `mebibytes` is what it takes. `None`: it panicked, or the process ends.
pub async fn compute<T: Send + 'static>(
    mebibytes: u32,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    POOL.compute(mebibytes, work).await
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
    async fn what_runs_at_once_never_takes_more_than_the_room_and_never_more_threads_than_two() {
        let pool = pool();
        let (taken, most, running, threads) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicU32::new(0)),
        );
        let all = [32, 1, 16, 64, 17, 1, 128, 1, 32, 5].repeat(5).into_iter().map(|mebibytes| {
            let (taken, most) = (Arc::clone(&taken), Arc::clone(&most));
            let (running, threads) = (Arc::clone(&running), Arc::clone(&threads));
            pool.compute(mebibytes, move || {
                // More than the room is as much as the room: it runs alone.
                let size = mebibytes.min(ROOM);
                most.fetch_max(taken.fetch_add(size, Ordering::SeqCst) + size, Ordering::SeqCst);
                threads.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                taken.fetch_sub(size, Ordering::SeqCst);
                mebibytes
            })
        });
        let done = futures::future::join_all(all).await;
        assert_eq!(done.iter().flatten().count(), 50);
        assert!(most.load(Ordering::SeqCst) <= ROOM);
        assert!(threads.load(Ordering::SeqCst) <= AT_ONCE);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hash_that_nobody_waits_for_any_more_keeps_its_room_until_it_is_done() {
        let pool = pool();
        let (begun, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = Arc::clone(&order);
        let abandoned = tokio::spawn(pool.compute(ROOM, move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            first.lock().unwrap().push("abandoned");
        }));
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        assert_eq!(pool.room.available_permits(), 0, "it still runs");
        let second = Arc::clone(&order);
        let next = tokio::spawn(pool.compute(ROOM, move || second.lock().unwrap().push("next")));
        release.send(()).unwrap();
        next.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["abandoned", "next"]);
    }

    #[tokio::test]
    async fn a_hash_that_panics_gives_its_room_back() {
        let pool = pool();
        assert_eq!(pool.compute(ROOM, || panic!("nobody should see this")).await, None::<()>);
        assert_eq!(pool.compute(ROOM, || 1).await, Some(1));
    }
}
