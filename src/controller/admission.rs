//! Which passes may run now: so many at once in the process, and so many on one database server.
//!
//! A pass takes memory and connections. After a start all resources are due at once, and without a bound they
//! would take all of both at once. Whoever waits here has nothing: neither a connection nor what was read of
//! Secrets.
//!
//! No pass waits for a server while it keeps others from running, but for a moment. So a server that does
//! not answer holds up those that are on it, and no others. A pass that takes long makes room for the next one,
//! as long as not too many of those are under way.
//!
//! What somebody asked for, by an edit or a one-off request, does not wait for the routine looks that came before
//! it. They go on all the same: one of them always stands in the line with what was asked for.
//!
//! What no pass waits for is done behind the passes that wait, one after the other.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU16,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::{
    domain::target::{IdentitySource, Target, connection},
    server::metrics::{LaneLabel, Metrics},
};

/// How many passes that take long may be under way for each that may run at once.
const LONG: usize = 4;

/// While somebody waits, the first of so many passes may take its time all the same: that holds up nobody noticeably,
/// however slow the machine is, and spares those that come after it the same work.
const LEISURE: usize = 32;

/// What no pass waits for waits no longer than this for passes, which may wait without end.
const BEHIND: Duration = Duration::from_secs(1);

/// How long passes wait for a server while they keep others from running.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// The first ones so long. Most passes take less.
    moment: Duration,
    /// Once one of them has waited in vain, no other one at all for so long.
    crowded: Duration,
    /// And those that wait without a turn so long before that is told.
    untold: Duration,
}

const PATIENCE: Patience = Patience {
    moment: Duration::from_secs(1),
    crowded: Duration::from_secs(30),
    untold: Duration::from_secs(60),
};

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
    let mut need = |connection: &connection::Connection| {
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
    passes: Line,
    long: Arc<Semaphore>,
    telling: Arc<Semaphore>,
    behind: Arc<Semaphore>,
    servers: Mutex<HashMap<(String, u16), Server>>,
    crowd: Arc<Crowd>,
    /// How many passes have asked for time since somebody waits.
    leisure: AtomicUsize,
}

/// Those who wait.
struct Crowd {
    waiting: AtomicUsize,
    /// How many of them are passes, for a turn or for connections.
    passes: watch::Sender<usize>,
    metrics: Arc<Metrics>,
}

struct Server {
    connections: Line,
    crowded: Option<Instant>,
}

/// Whether somebody asked for a pass. It may come to be so while the pass waits.
#[derive(Debug, Clone)]
pub struct Asked(pub watch::Receiver<bool>);

impl Asked {
    /// Ready once it is so.
    async fn is_so(&self) {
        // Of a resource that is gone nothing is known any more; there is next to nothing to be done for it.
        let _ = self.0.clone().wait_for(|asked| *asked).await;
    }
}

/// A line in front of so many places: first come, first served. What was asked for joins it at once. Routine
/// passes wait before a door and join it one at a time. So what was asked for waits for no more than one of them,
/// and however much is asked for, that one has its turn, and then the next one.
#[derive(Clone)]
struct Line {
    door: Arc<Semaphore>,
    places: Arc<Semaphore>,
    crowd: Arc<Crowd>,
}

impl Line {
    fn new(places: usize, crowd: &Arc<Crowd>) -> Self {
        Self {
            door: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(places)),
            crowd: Arc::clone(crowd),
        }
    }

    /// Waits for so many places.
    async fn places(&self, count: u32, asked: &Asked) -> OwnedSemaphorePermit {
        let mut counted = Waiting::new(&self.crowd, Some(LaneLabel::Routine));
        let _door = tokio::select! {
            biased;
            () = asked.is_so() => {
                drop(counted);
                counted = Waiting::new(&self.crowd, Some(LaneLabel::Asked));
                None
            }
            door = permits(&self.door, 1) => Some(door),
        };
        let permit = permits(&self.places, count).await;
        drop(counted);
        permit
    }
}

/// Counts somebody among those that wait, as long as they do; a pass in its lane.
struct Waiting<'a> {
    crowd: &'a Crowd,
    lane: Option<LaneLabel>,
}

impl<'a> Waiting<'a> {
    fn new(crowd: &'a Crowd, lane: Option<LaneLabel>) -> Self {
        crowd.waiting.fetch_add(1, Ordering::Relaxed);
        if let Some(lane) = lane {
            crowd.passes.send_modify(|passes| *passes += 1);
            crowd.metrics.waiting(lane, 1);
        }
        Self { crowd, lane }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(lane) = self.lane {
            self.crowd.metrics.waiting(lane, -1);
            self.crowd.passes.send_modify(|passes| *passes -= 1);
        }
        self.crowd.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to run a pass.
#[derive(Debug)]
pub struct Turn(OwnedSemaphorePermit);

/// The right to do what no pass waits for.
#[derive(Debug)]
pub struct Afterwards {
    _turn: Turn,
    _one: Option<OwnedSemaphorePermit>,
}

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
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        let passes = usize::from(limits.passes.get());
        let crowd = Arc::new(Crowd { waiting: AtomicUsize::new(0), passes: watch::Sender::new(0), metrics });
        Self {
            limits,
            patience: PATIENCE,
            passes: Line::new(passes, &crowd),
            long: Arc::new(Semaphore::new(passes * LONG)),
            telling: Arc::new(Semaphore::new(1)),
            behind: Arc::new(Semaphore::new(1)),
            servers: Mutex::default(),
            crowd,
            leisure: AtomicUsize::new(0),
        }
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<(String, u16), Server>> {
        // At worst a server is taken for crowded, or not.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to run a pass.
    pub async fn turn(&self, asked: &Asked) -> Turn {
        Turn(self.passes.places(1, asked).await)
    }

    /// Makes room for another pass, since this one takes long; says whether there was room for one more of
    /// its kind.
    pub fn takes_long(&self, turn: &mut Turn) -> bool {
        let room = Arc::clone(&self.long).try_acquire_owned();
        room.map(|room| turn.0 = room).is_ok()
    }

    /// Whether a pass may take its time over what can be told later: where nobody waits, and now and then where
    /// somebody does.
    pub fn has_time(&self) -> bool {
        if self.crowd.waiting.load(Ordering::Relaxed) == 0 {
            self.leisure.store(0, Ordering::Relaxed);
            return true;
        }
        self.leisure.fetch_add(1, Ordering::Relaxed).is_multiple_of(LEISURE)
    }

    /// Waits for the right to do what no pass waits for: one after the other, and each behind the passes that wait
    /// for a turn or for connections. In a hurry, or where a pass over the same resource is asked for, it waits as
    /// that would.
    pub async fn afterwards(&self, asked: &Asked, hurry: impl Future<Output = ()>) -> Afterwards {
        let _counted = Waiting::new(&self.crowd, None);
        let in_line = async {
            let one = permits(&self.behind, 1).await;
            let mut passes = self.crowd.passes.subscribe();
            let nobody_waits = passes.wait_for(|waiting| *waiting == 0);
            // Those that wait for a server that does not answer do so without end.
            let _ = timeout(BEHIND, nobody_waits).await;
            one
        };
        let one = tokio::select! {
            biased;
            () = asked.is_so() => None,
            () = hurry => None,
            one = in_line => Some(one),
        };
        Afterwards { _turn: self.turn(asked).await, _one: one }
    }

    /// Connections, if they are to be had in a moment; it is asked with a turn.
    pub async fn connections_soon(&self, needs: &Needs, asked: &Asked) -> Option<Connections> {
        let began = Instant::now();
        let mut held = Vec::new();
        for (server, count) in needs {
            let (connections, crowded) = self.server(server);
            let count = self.at_most(*count);
            let permit = if crowded {
                connections.places.try_acquire_many_owned(count).ok()
            } else {
                let left = self.patience.moment.saturating_sub(began.elapsed());
                timeout(left, connections.places(count, asked)).await.ok()
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

    /// Waits for connections, without a turn. Where that takes long, it is told, once: of one pass after the other,
    /// since thousands may wait.
    pub async fn connections(
        &self,
        needs: &Needs,
        asked: &Asked,
        tell: impl Future<Output = ()>,
    ) -> Connections {
        let waiting = async {
            let mut held = Vec::new();
            for (server, count) in needs {
                let (connections, _) = self.server(server);
                held.push(connections.places(self.at_most(*count), asked).await);
            }
            Connections { needs: needs.clone(), _held: held }
        };
        let telling = async {
            tokio::time::sleep(self.patience.untold).await;
            let one = permits(&self.telling, 1).await;
            tell.await;
            drop(one);
            std::future::pending().await
        };
        tokio::select! {
            biased;
            connections = waiting => connections,
            connections = telling => connections,
        }
    }

    /// Why a pass waits for connections for long.
    pub fn why(&self, needs: &Needs) -> String {
        let servers: Vec<String> = needs.keys().map(|(host, port)| format!("{host}:{port}")).collect();
        format!(
            "has waited for connections to {} for more than {} s, since other passes have all that --connections-per-server={} allows on one server: it is looked at when one of them ends",
            servers.join(" and "),
            self.patience.untold.as_secs(),
            self.limits.connections_per_server
        )
    }

    /// Ready when no pass runs any more; none is let in from then on.
    pub async fn ended(&self) {
        let passes = u32::from(self.limits.passes.get());
        // Kept, so that whoever still waits stays out.
        permits(&self.passes.places, passes).await.forget();
        permits(&self.long, passes.saturating_mul(LONG as u32)).await.forget();
    }

    /// More than there are would be waited for in vain.
    fn at_most(&self, count: u32) -> u32 {
        count.min(u32::from(self.limits.connections_per_server.get()))
    }

    fn server(&self, server: &(String, u16)) -> (Line, bool) {
        let mut servers = self.servers();
        let all = usize::from(self.limits.connections_per_server.get());
        let crowded = |one: &Server| one.crowded.is_some_and(|at| at.elapsed() < self.patience.crowded);
        // Nobody is on those, and nobody waits for them.
        servers.retain(|name, one| {
            name == server || Arc::strong_count(&one.connections.places) > 1 || crowded(one)
        });
        let one = servers
            .entry(server.clone())
            .or_insert_with(|| Server { connections: Line::new(all, &self.crowd), crowded: None });
        (one.connections.clone(), crowded(one))
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
    use std::{sync::LazyLock, task::Poll};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn admission(passes: u16, connections: u16) -> Admission {
        let limits = Limits {
            passes: NonZeroU16::new(passes).unwrap(),
            connections_per_server: NonZeroU16::new(connections).unwrap(),
        };
        Admission {
            patience: Patience { moment: Duration::ZERO, crowded: HOUR, untold: HOUR },
            ..Admission::new(limits, Arc::default())
        }
    }

    fn on(servers: &[(&str, u32)]) -> Needs {
        servers.iter().map(|(host, count)| (((*host).to_owned(), 5432), *count)).collect()
    }

    /// Nobody asks for it.
    fn routine() -> Asked {
        static NOBODY: LazyLock<watch::Sender<bool>> = LazyLock::new(watch::Sender::default);
        Asked(NOBODY.subscribe())
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
        let (one, _other) = (admission.turn(&routine()).await, admission.turn(&routine()).await);
        assert!(at_once(admission.turn(&routine())).await.is_none());
        drop(one);
        assert!(at_once(admission.turn(&routine())).await.is_some());
    }

    /// Passes that wait for a turn, by name, in the order in which they are let in; each one ends at once.
    async fn let_in(
        mut waiting: Vec<(&'static str, futures::future::BoxFuture<'_, Turn>)>,
    ) -> Vec<&'static str> {
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let mut came = None;
            for (at, (_, turn)) in waiting.iter_mut().enumerate() {
                if let Poll::Ready(turn) = futures::poll!(turn) {
                    came = Some((at, turn));
                    break;
                }
            }
            let Some((at, turn)) = came else { panic!("nobody comes in after {order:?}") };
            order.push(waiting.remove(at).0);
            drop(turn);
        }
        order
    }

    async fn waiting<'a>(admission: &'a Admission, asked: &'a Asked) -> futures::future::BoxFuture<'a, Turn> {
        let mut turn: futures::future::BoxFuture<'_, Turn> = Box::pin(admission.turn(asked));
        assert!(futures::poll!(&mut turn).is_pending());
        turn
    }

    #[tokio::test]
    async fn what_was_asked_for_waits_for_one_routine_pass_at_most_and_each_of_them_has_its_turn() {
        let admission = admission(1, 9);
        let (routine, asked) = (routine(), Asked(watch::channel(true).1));
        let running = admission.turn(&routine).await;
        let mut all = Vec::new();
        for name in ["routine 1", "routine 2", "routine 3", "asked 1", "asked 2"] {
            let asked = if name.starts_with("asked") { &asked } else { &routine };
            all.push((name, waiting(&admission, asked).await));
        }
        drop(running);
        assert_eq!(let_in(all).await, ["routine 1", "asked 1", "asked 2", "routine 2", "routine 3"]);
    }

    #[tokio::test]
    async fn however_much_is_asked_for_the_next_routine_pass_has_its_turn_after_those_that_wait() {
        let admission = admission(1, 9);
        let (routine, asked) = (routine(), Asked(watch::channel(true).1));
        let mut running = admission.turn(&asked).await;
        let mut routine = waiting(&admission, &routine).await;
        for _ in 0..3 {
            let mut another = waiting(&admission, &asked).await;
            drop(running);
            match futures::poll!(&mut routine) {
                Poll::Ready(_) => return,
                Poll::Pending => running = another.as_mut().await,
            }
        }
        panic!("it is never let in");
    }

    #[tokio::test]
    async fn what_no_pass_waits_for_is_done_one_after_the_other_behind_the_passes_that_wait() {
        let admission = admission(1, 9);
        let (routine, asked) = (routine(), watch::Sender::default());
        let one_asked = Asked(asked.subscribe());
        let calm = std::future::pending::<()>;
        let running = admission.turn(&routine).await;
        let mut pass = waiting(&admission, &routine).await;
        let mut first = Box::pin(admission.afterwards(&routine, calm()));
        let mut second = Box::pin(admission.afterwards(&one_asked, calm()));
        let mut third = Box::pin(admission.afterwards(&routine, calm()));
        let mut hurried = Box::pin(admission.afterwards(&routine, async {}));
        for one in [&mut first, &mut second, &mut third] {
            assert!(futures::poll!(one).is_pending());
        }
        drop(running);
        let turn = at_once(&mut pass).await.unwrap();
        assert!(at_once(&mut first).await.is_none(), "it has no turn beside a pass");
        drop(turn);
        let done = at_once(&mut first).await.unwrap();
        // A pass that comes meanwhile waits for this one, and for none of the others.
        let mut later = waiting(&admission, &routine).await;
        assert!(at_once(&mut second).await.is_none());
        drop(done);
        assert!(at_once(&mut second).await.is_none(), "behind the pass that waits");
        drop(at_once(&mut later).await.unwrap());
        drop(at_once(&mut second).await.unwrap());
        drop(at_once(&mut third).await.unwrap());
        drop(at_once(&mut hurried).await.unwrap());

        // Whoever is asked for waits for no other one of its kind.
        let running = admission.turn(&routine).await;
        let mut first = Box::pin(admission.afterwards(&routine, calm()));
        let mut second = Box::pin(admission.afterwards(&one_asked, calm()));
        assert!(at_once(&mut first).await.is_none() && at_once(&mut second).await.is_none());
        asked.send(true).unwrap();
        assert!(at_once(&mut second).await.is_none());
        drop(running);
        drop(at_once(&mut first).await.unwrap());
        drop(at_once(&mut second).await.unwrap());
    }

    #[tokio::test]
    async fn what_no_pass_waits_for_is_done_behind_those_that_wait_for_connections_but_not_without_end() {
        let admission = admission(2, 1);
        let (routine, needs) = (routine(), on(&[("db", 1)]));
        let held = admission.connections(&needs, &routine, async {}).await;
        let mut pass = Box::pin(admission.connections(&needs, &routine, async {}));
        let mut behind = Box::pin(admission.afterwards(&routine, std::future::pending()));
        assert!(futures::poll!(&mut pass).is_pending() && futures::poll!(&mut behind).is_pending());
        drop(held);
        let held = at_once(&mut pass).await.unwrap();
        drop(at_once(&mut behind).await.unwrap());

        let began = Instant::now();
        let mut pass = Box::pin(admission.connections(&needs, &routine, async {}));
        assert!(futures::poll!(&mut pass).is_pending());
        drop(admission.afterwards(&routine, std::future::pending()).await);
        assert!(began.elapsed() >= BEHIND, "the server does not answer");
        drop(held);
    }

    #[tokio::test]
    async fn a_pass_has_time_where_nobody_waits_and_now_and_then_where_somebody_does() {
        let admission = admission(1, 9);
        let routine = routine();
        let running = admission.turn(&routine).await;
        assert!(admission.has_time() && admission.has_time(), "nobody waits");
        let pass = waiting(&admission, &routine).await;
        let had: Vec<usize> = (0..100).filter(|_| admission.has_time()).collect();
        assert_eq!(had, [0, 32, 64, 96], "the first one, and few of the others");
        drop(pass);
        assert!(admission.has_time());
        // Whoever waits to do what no pass waits for is one of them: there is more of it than time.
        let mut behind = Box::pin(admission.afterwards(&routine, std::future::pending()));
        assert!(futures::poll!(&mut behind).is_pending());
        assert!(admission.has_time() && !admission.has_time());
        drop((running, behind));
        assert!(admission.has_time());
    }

    #[tokio::test]
    async fn a_routine_pass_that_is_asked_for_while_it_waits_goes_before_those_that_came_first() {
        let admission = admission(1, 1);
        let (edit, edited) = watch::channel(false);
        let (routine, edited) = (routine(), Asked(edited));
        let running = admission.turn(&routine).await;
        let mut all = Vec::new();
        for (name, asked) in [("first", &routine), ("second", &routine), ("edited", &edited)] {
            all.push((name, waiting(&admission, asked).await));
        }
        edit.send_replace(true);
        assert!(futures::poll!(&mut all[2].1).is_pending());
        drop(running);
        assert_eq!(let_in(all).await, ["first", "edited", "second"]);
        // The same holds where the server's connections are what is waited for.
        edit.send_replace(false);
        let full = on(&[("full", 1)]);
        let held = admission.connections_soon(&full, &routine).await.unwrap();
        let mut first = Box::pin(admission.connections(&full, &routine, std::future::ready(())));
        let mut second = Box::pin(admission.connections(&full, &routine, std::future::ready(())));
        let mut last = Box::pin(admission.connections(&full, &edited, std::future::ready(())));
        for one in [&mut first, &mut second, &mut last] {
            assert!(futures::poll!(one).is_pending());
        }
        edit.send_replace(true);
        assert!(futures::poll!(&mut last).is_pending());
        drop(held);
        drop(first.await);
        assert!(futures::poll!(&mut second).is_pending());
        drop(last.await);
        drop(second.await);
    }

    #[tokio::test]
    async fn those_that_wait_are_counted_by_why_they_do_until_they_are_let_in_or_wait_no_longer() {
        let admission = admission(1, 9);
        let counted = || {
            let text = admission.crowd.metrics.encode().unwrap();
            ["asked", "routine"].map(|lane| {
                let line = format!("auth_consistency_passes_waiting{{lane=\"{lane}\"}} ");
                text.lines().find_map(|found| found.strip_prefix(&line)).unwrap().parse::<i64>().unwrap()
            })
        };
        let (edit, edited) = watch::channel(false);
        let (routine, edited) = (routine(), Asked(edited));
        let running = admission.turn(&routine).await;
        assert_eq!(counted(), [0, 0]);
        let one = waiting(&admission, &routine).await;
        let two = waiting(&admission, &routine).await;
        let mut three = waiting(&admission, &edited).await;
        assert_eq!(counted(), [0, 3]);
        edit.send_replace(true);
        assert!(futures::poll!(&mut three).is_pending());
        assert_eq!(counted(), [1, 2]);
        drop(two);
        assert_eq!(counted(), [1, 1]);
        drop(running);
        drop(one.await);
        drop(three.await);
        assert_eq!(counted(), [0, 0]);
    }

    #[tokio::test]
    async fn a_pass_that_takes_long_makes_room_until_too_many_do() {
        let admission = admission(1, 9);
        let mut long = Vec::new();
        for _ in 0..LONG {
            let mut turn = at_once(admission.turn(&routine())).await.unwrap();
            assert!(admission.takes_long(&mut turn));
            long.push(turn);
        }
        let mut one_more = at_once(admission.turn(&routine())).await.unwrap();
        assert!(!admission.takes_long(&mut one_more), "all in all it is bounded");
        assert!(at_once(admission.turn(&routine())).await.is_none());
        long.pop();
        assert!(admission.takes_long(&mut one_more));
        assert!(at_once(admission.turn(&routine())).await.is_some());
    }

    #[tokio::test]
    async fn a_server_that_is_full_is_waited_for_a_moment_once_and_keeps_nobody_from_another_one() {
        let mut admission = admission(9, 1);
        let (full, free, routine) = (on(&[("full", 1)]), on(&[("free", 1)]), routine());
        let held = admission.connections_soon(&full, &routine).await.unwrap();
        assert!(held.is_for(&full) && !held.is_for(&free));
        assert!(admission.connections_soon(&full, &routine).await.is_none());
        admission.patience.moment = HOUR;
        assert!(
            at_once(admission.connections_soon(&full, &routine)).await.unwrap().is_none(),
            "it is crowded"
        );
        assert!(at_once(admission.connections_soon(&free, &routine)).await.unwrap().is_some());
        let mut waiting = Box::pin(admission.connections(&full, &routine, std::future::ready(())));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        let held = waiting.await;
        admission.patience.crowded = Duration::ZERO;
        let mut again = Box::pin(admission.connections_soon(&full, &routine));
        assert!(futures::poll!(&mut again).is_pending(), "it is waited for again");
        drop(held);
        assert!(again.await.is_some());
    }

    #[tokio::test]
    async fn that_a_pass_waits_for_connections_is_told_once_when_it_takes_long_and_it_goes_on_waiting() {
        let mut admission = admission(9, 1);
        let (full, routine) = (on(&[("full", 1)]), routine());
        let (told, heard) = watch::channel(0);
        let tell = || async { told.send_modify(|times| *times += 1) };
        let held = admission.connections_soon(&full, &routine).await.unwrap();
        let mut short = Box::pin(admission.connections(&full, &routine, tell()));
        assert!(futures::poll!(&mut short).is_pending());
        drop(held);
        let held = short.await;
        assert_eq!(*heard.borrow(), 0);

        admission.patience.untold = Duration::ZERO;
        let mut long = Box::pin(admission.connections(&full, &routine, tell()));
        let mut first = heard.clone();
        tokio::select! {
            biased;
            _ = &mut long => panic!("nothing was free"),
            _ = first.wait_for(|times| *times == 1) => {}
        }
        assert!(futures::poll!(&mut long).is_pending());
        drop(held);
        long.await;
        assert_eq!(*heard.borrow(), 1);
        assert_eq!(
            admission.why(&on(&[("a", 1), ("b", 1)])),
            "has waited for connections to a:5432 and b:5432 for more than 0 s, since other passes have all that \
             --connections-per-server=1 allows on one server: it is looked at when one of them ends"
        );
    }

    #[tokio::test]
    async fn a_pass_that_needs_two_servers_and_one_that_needs_more_than_there_is_come_in() {
        let admission = admission(9, 1);
        let two = on(&[("a", 1), ("b", 1)]);
        let held = admission.connections_soon(&two, &routine()).await.unwrap();
        for server in ["a", "b"] {
            assert!(admission.connections_soon(&on(&[(server, 1)]), &routine()).await.is_none());
        }
        drop(held);
        assert!(admission.connections_soon(&on(&[("a", 2)]), &routine()).await.is_some());
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
        let (running, mut long) = (admission.turn(&routine()).await, admission.turn(&routine()).await);
        assert!(admission.takes_long(&mut long));
        let mut ended = Box::pin(admission.ended());
        assert!(futures::poll!(&mut ended).is_pending());
        let (routine, asked) = (routine(), Asked(watch::channel(true).1));
        let mut late = [waiting(&admission, &routine).await, waiting(&admission, &asked).await];
        drop(running);
        assert!(futures::poll!(&mut ended).is_pending(), "one that takes long runs still");
        drop(long);
        ended.await;
        for one in &mut late {
            assert!(futures::poll!(one).is_pending());
        }
    }
}
