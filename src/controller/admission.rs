//! Which passes may run now: so many at once in the process, and so many on one database server.
//!
//! A pass takes memory and connections. After a start all resources are due at once, and without a bound they
//! would take all of both at once. Whoever waits here has nothing: neither a connection nor what was read of
//! Secrets.
//!
//! No pass waits for a server while it keeps others from running, but for a moment. So a server that does
//! not answer holds up those that are on it, and no others. A pass that takes long makes room for the next one,
//! as long as not too many of those are under way.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::consistency::target::{IdentitySource, Target};

/// How many passes that take long may be under way for each that may run at once.
const LONG: usize = 4;

/// How long passes wait for a server while they keep others from running.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// The first ones so long. Most passes take less.
    moment: Duration,
    /// Once one of them has waited in vain, no other one at all for so long.
    crowded: Duration,
}

const PATIENCE: Patience = Patience { moment: Duration::from_secs(1), crowded: Duration::from_secs(30) };

/// How much may be done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Passes at once.
    pub passes: NonZeroU16,
    /// Connections to one database server (host and port) at once.
    pub connections_per_server: NonZeroU16,
}

/// Connections that a pass needs, by server. In one order for all, so that no two wait for each other.
pub type Needs = BTreeMap<(String, u16), u32>;

/// What a target needs.
pub fn needs(target: &Target) -> Needs {
    let mut needs = Needs::new();
    let mut need = |connection: &crate::consistency::dsn::Connection| {
        let host = connection.host.trim_end_matches('.').to_ascii_lowercase();
        *needs.entry((host, connection.port)).or_default() += 1;
    };
    need(&target.database.connection);
    if let Some(IdentitySource::Elsewhere(other, _)) = &target.references.identities {
        need(&other.connection);
    }
    needs
}

/// Lets passes in.
pub struct Admission {
    limits: Limits,
    patience: Patience,
    passes: Arc<Semaphore>,
    long: Arc<Semaphore>,
    servers: Mutex<HashMap<(String, u16), Server>>,
}

struct Server {
    connections: Arc<Semaphore>,
    crowded: Option<Instant>,
}

/// The right to run a pass.
#[derive(Debug)]
pub struct Turn(OwnedSemaphorePermit);

/// The right to connect to servers.
#[derive(Debug)]
pub struct Connections {
    needs: Needs,
    _held: Vec<OwnedSemaphorePermit>,
}

impl Connections {
    /// Whether it is for exactly these needs.
    pub fn is_for(&self, needs: &Needs) -> bool {
        self.needs == *needs
    }
}

impl Admission {
    /// With nobody let in.
    pub fn new(limits: Limits) -> Self {
        let passes = usize::from(limits.passes.get());
        Self {
            limits,
            patience: PATIENCE,
            passes: Arc::new(Semaphore::new(passes)),
            long: Arc::new(Semaphore::new(passes * LONG)),
            servers: Mutex::default(),
        }
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<(String, u16), Server>> {
        // At worst a server is taken for crowded, or not.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to run a pass: first come, first served.
    pub async fn turn(&self) -> Turn {
        Turn(permits(&self.passes, 1).await)
    }

    /// Makes room for another pass, since this one takes long; says whether there was room for one more of
    /// its kind.
    pub fn takes_long(&self, turn: &mut Turn) -> bool {
        let room = Arc::clone(&self.long).try_acquire_owned();
        room.map(|room| turn.0 = room).is_ok()
    }

    /// Connections, if they are to be had in a moment; it is asked with a turn.
    pub async fn connections_soon(&self, needs: &Needs) -> Option<Connections> {
        let began = Instant::now();
        let mut held = Vec::new();
        for (server, count) in needs {
            let (connections, crowded) = self.server(server);
            let count = self.at_most(*count);
            let permit = if crowded {
                connections.try_acquire_many_owned(count).ok()
            } else {
                let left = self.patience.moment.saturating_sub(began.elapsed());
                timeout(left, permits(&connections, count)).await.ok()
            };
            let Some(permit) = permit else {
                if let Some(server) = self.servers().get_mut(server) {
                    server.crowded = Some(Instant::now());
                }
                return None;
            };
            held.push(permit);
        }
        Some(Connections { needs: needs.clone(), _held: held })
    }

    /// Waits for connections, without a turn.
    pub async fn connections(&self, needs: &Needs) -> Connections {
        let mut held = Vec::new();
        for (server, count) in needs {
            let (connections, _) = self.server(server);
            held.push(permits(&connections, self.at_most(*count)).await);
        }
        Connections { needs: needs.clone(), _held: held }
    }

    /// Ready when no pass runs any more; none is let in from then on.
    pub async fn ended(&self) {
        let passes = u32::from(self.limits.passes.get());
        // Kept, so that whoever still waits stays out.
        permits(&self.passes, passes).await.forget();
        permits(&self.long, passes.saturating_mul(LONG as u32)).await.forget();
    }

    /// More than there are would be waited for in vain.
    fn at_most(&self, count: u32) -> u32 {
        count.min(u32::from(self.limits.connections_per_server.get()))
    }

    fn server(&self, server: &(String, u16)) -> (Arc<Semaphore>, bool) {
        let mut servers = self.servers();
        let all = usize::from(self.limits.connections_per_server.get());
        let crowded = |one: &Server| one.crowded.is_some_and(|at| at.elapsed() < self.patience.crowded);
        // Nobody is on those, and nobody waits for them.
        servers.retain(|name, one| name == server || Arc::strong_count(&one.connections) > 1 || crowded(one));
        let one = servers
            .entry(server.clone())
            .or_insert_with(|| Server { connections: Arc::new(Semaphore::new(all)), crowded: None });
        (Arc::clone(&one.connections), crowded(one))
    }
}

async fn permits(of: &Arc<Semaphore>, count: u32) -> OwnedSemaphorePermit {
    match Arc::clone(of).acquire_many_owned(count).await {
        Ok(permits) => permits,
        // It is never closed.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn admission(passes: u16, connections: u16) -> Admission {
        let limits = Limits {
            passes: NonZeroU16::new(passes).unwrap(),
            connections_per_server: NonZeroU16::new(connections).unwrap(),
        };
        Admission { patience: Patience { moment: Duration::ZERO, crowded: HOUR }, ..Admission::new(limits) }
    }

    fn on(servers: &[(&str, u32)]) -> Needs {
        servers.iter().map(|(host, count)| (((*host).to_owned(), 5432), *count)).collect()
    }

    /// Whether it is to be had without waiting.
    async fn at_once<T>(waiting: impl Future<Output = T>) -> Option<T> {
        let mut waiting = std::pin::pin!(waiting);
        match futures::poll!(&mut waiting) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn so_many_passes_run_and_the_next_one_comes_in_when_one_has_ended() {
        let admission = admission(2, 9);
        let (one, _other) = (admission.turn().await, admission.turn().await);
        assert!(at_once(admission.turn()).await.is_none());
        drop(one);
        assert!(at_once(admission.turn()).await.is_some());
    }

    #[tokio::test]
    async fn a_pass_that_takes_long_makes_room_until_too_many_do() {
        let admission = admission(1, 9);
        let mut long = Vec::new();
        for _ in 0..LONG {
            let mut turn = at_once(admission.turn()).await.unwrap();
            assert!(admission.takes_long(&mut turn));
            long.push(turn);
        }
        let mut one_more = at_once(admission.turn()).await.unwrap();
        assert!(!admission.takes_long(&mut one_more), "all in all it is bounded");
        assert!(at_once(admission.turn()).await.is_none());
        long.pop();
        assert!(admission.takes_long(&mut one_more));
        assert!(at_once(admission.turn()).await.is_some());
    }

    #[tokio::test]
    async fn a_server_that_is_full_is_waited_for_a_moment_once_and_keeps_nobody_from_another_one() {
        let mut admission = admission(9, 1);
        let (full, free) = (on(&[("full", 1)]), on(&[("free", 1)]));
        let held = admission.connections_soon(&full).await.unwrap();
        assert!(held.is_for(&full) && !held.is_for(&free));
        assert!(admission.connections_soon(&full).await.is_none());
        admission.patience.moment = HOUR;
        assert!(at_once(admission.connections_soon(&full)).await.unwrap().is_none(), "it is crowded");
        assert!(at_once(admission.connections_soon(&free)).await.unwrap().is_some());
        let mut waiting = Box::pin(admission.connections(&full));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        let held = waiting.await;
        admission.patience.crowded = Duration::ZERO;
        let mut again = Box::pin(admission.connections_soon(&full));
        assert!(futures::poll!(&mut again).is_pending(), "it is waited for again");
        drop(held);
        assert!(again.await.is_some());
    }

    #[tokio::test]
    async fn a_pass_that_needs_two_servers_and_one_that_needs_more_than_there_is_come_in() {
        let admission = admission(9, 1);
        let two = on(&[("a", 1), ("b", 1)]);
        let held = admission.connections_soon(&two).await.unwrap();
        for server in ["a", "b"] {
            assert!(admission.connections_soon(&on(&[(server, 1)])).await.is_none());
        }
        drop(held);
        assert!(admission.connections_soon(&on(&[("a", 2)])).await.is_some());
    }

    #[test]
    fn nothing_is_remembered_of_a_server_that_nobody_is_on() {
        let admission = admission(9, 1);
        for at in 0..100 {
            drop(admission.server(&(format!("server-{at}"), 5432)));
            assert!(admission.servers().len() <= 1);
        }
    }

    #[tokio::test]
    async fn the_end_waits_for_passes_that_run_and_lets_none_in_after_them() {
        let admission = admission(2, 9);
        let (running, mut long) = (admission.turn().await, admission.turn().await);
        assert!(admission.takes_long(&mut long));
        let mut ended = Box::pin(admission.ended());
        assert!(futures::poll!(&mut ended).is_pending());
        let mut late = Box::pin(admission.turn());
        drop(running);
        assert!(futures::poll!(&mut late).is_pending());
        assert!(futures::poll!(&mut ended).is_pending(), "one that takes long runs still");
        drop(long);
        ended.await;
        assert!(futures::poll!(&mut late).is_pending());
    }
}
