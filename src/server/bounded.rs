//! Connections with an end. Both listeners are open to whoever reaches them and live in the operator's process, so
//! whoever holds connections open must not take memory or file descriptors from the rest of it, nor an answer from
//! others: when all places are taken, one makes room. It is one of the address that has the most of them, one that has
//! said nothing if there is one, and the oldest of those. A person's own has said all it has to say within a moment.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use futures::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};

/// A listener that has only so many connections open at once, each for only so long.
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    life: Duration,
    /// The oldest first.
    open: Vec<(IpAddr, Weak<Asked>)>,
}

/// What is known of a connection, and whether it is asked to make room.
#[derive(Default)]
struct Asked {
    /// Whether anything was read from it.
    spoke: AtomicBool,
    to_go: AtomicBool,
    waker: AtomicWaker,
}

/// Which of the connections makes room: the oldest first, with whose it is and whether it spoke.
fn makes_room(open: &[(IpAddr, bool)]) -> Option<usize> {
    let mut held: HashMap<IpAddr, usize> = HashMap::new();
    open.iter().for_each(|(peer, _)| *held.entry(*peer).or_default() += 1);
    let most = held.values().copied().max()?;
    let crowd = || open.iter().enumerate().filter(|(_, (peer, _))| held.get(peer) == Some(&most));
    crowd().find(|(_, (_, spoke))| !spoke).or_else(|| crowd().next()).map(|(at, _)| at)
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, places: usize, life: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places)), life, open: Vec::new() }
    }

    /// A place, another connection's where there is none.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        // Those that have ended by themselves, or are about to, are passed over.
        let going = |one: &Arc<Asked>| one.to_go.load(Ordering::Acquire);
        let open: Vec<(IpAddr, Arc<Asked>)> = self
            .open
            .iter()
            .filter_map(|(peer, one)| one.upgrade().filter(|one| !going(one)).map(|one| (*peer, one)))
            .collect();
        let known: Vec<_> =
            open.iter().map(|(peer, one)| (*peer, one.spoke.load(Ordering::Acquire))).collect();
        if let Some((_, one)) = makes_room(&known).and_then(|at| open.get(at)) {
            one.to_go.store(true, Ordering::Release);
            one.waker.wake();
        }
        drop(open);
        // Nobody closes the semaphore.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let place = self.place().await;
        let asked = Arc::new(Asked::default());
        self.open.retain(|(_, one)| one.strong_count() > 0);
        self.open.push((peer.ip(), Arc::downgrade(&asked)));
        let end = Box::pin(tokio::time::sleep(self.life));
        (Connection { stream, end, asked, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when its time is over, or when its place is wanted.
pub(super) struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    asked: Arc<Asked>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Polled before each read and write, so that the timer wakes whoever waits for the other side.
    fn over<T>(&mut self, context: &mut Context<'_>) -> Option<Poll<io::Result<T>>> {
        self.asked.waker.register(context.waker());
        if self.asked.to_go.load(Ordering::Acquire) {
            return Some(Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        self.end.as_mut().poll(context).is_ready().then(|| Poll::Ready(Err(io::ErrorKind::TimedOut.into())))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.over(context) {
            Some(over) => over,
            None => {
                let before = buffer.filled().len();
                let read = Pin::new(&mut self.stream).poll_read(context, buffer);
                if buffer.filled().len() > before {
                    self.asked.spoke.store(true, Ordering::Release);
                }
                read
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.over(context) {
            Some(over) => over,
            None => Pin::new(&mut self.stream).poll_write(context, buffer),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_by_whoever_has_the_most_places_and_said_nothing_and_is_the_oldest() {
        let of = |peers: &[(u8, bool)]| {
            let open: Vec<_> =
                peers.iter().map(|(last, spoke)| (IpAddr::from([127, 0, 0, *last]), *spoke)).collect();
            makes_room(&open)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1, true)]), Some(0));
        assert_eq!(of(&[(1, true), (1, false), (1, false)]), Some(1));
        assert_eq!(of(&[(1, false), (2, true), (2, true)]), Some(1), "one place of a person is left alone");
        assert_eq!(of(&[(1, false), (2, true), (2, false)]), Some(2));
        assert_eq!(of(&[(1, true), (2, true)]), Some(0));
    }
}
