//! A line between a pass and its database that can be cut at any statement, before or after it.
//!
//! It speaks PostgreSQL's protocol only as far as to tell one statement from the next: what is executed
//! (Execute or Query) counts, parsing alone does not.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::Db;

/// On which side of a statement the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The statement is not passed on.
    Before,
    /// It is passed on and done, and its answer is thrown away.
    After,
}

/// What is done with a COMMIT's answer before it is passed on.
type OnCommit = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

struct Shared {
    upstream: (String, u16),
    cut: Option<(usize, Side)>,
    statements: Mutex<Vec<String>>,
    commits: Mutex<usize>,
    was_cut: watch::Sender<bool>,
    on_commit: Option<OnCommit>,
}

/// The line; it ends with its value.
pub struct Line {
    pub port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Line {
    /// A line that is cut once at the statement with this number, counted over all connections.
    pub async fn cut(db: &Db, cut: Option<(usize, Side)>) -> Self {
        Self::new(db, cut, None).await
    }

    /// A line that is never cut; `on_commit` is awaited after each COMMIT.
    pub async fn watched(db: &Db, on_commit: OnCommit) -> Self {
        Self::new(db, None, Some(on_commit)).await
    }

    async fn new(db: &Db, cut: Option<(usize, Side)>, on_commit: Option<OnCommit>) -> Self {
        let url = url::Url::parse(&db.url()).unwrap();
        let shared = Arc::new(Shared {
            upstream: (url.host_str().unwrap().to_owned(), url.port().unwrap()),
            cut,
            statements: Mutex::default(),
            commits: Mutex::default(),
            was_cut: watch::Sender::new(false),
            on_commit,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listening = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(&shared.upstream).await.unwrap();
                    tokio::spawn(carry(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { port, shared, listening }
    }

    /// The connection string that leads through it.
    pub fn url(&self, db: &Db) -> String {
        let mut url = url::Url::parse(&db.url()).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }

    /// Every statement so far.
    pub fn statements(&self) -> Vec<String> {
        self.shared.statements.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many COMMITs have reached the database.
    pub fn commits(&self) -> usize {
        *self.shared.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was cut.
    pub fn was_cut(&self) -> bool {
        *self.shared.was_cut.borrow()
    }

    /// Waits until it is cut.
    pub async fn until_cut(&self) {
        self.shared.was_cut.subscribe().wait_for(|cut| *cut).await.unwrap();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Shared {
    /// Takes note of a statement, and says whether the line is cut there.
    fn passes(&self, sql: &str) -> Option<Side> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.push(sql.to_owned());
        let here = self.cut.filter(|(at, _)| *at == statements.len());
        here.map(|(_, side)| side)
    }
}

/// Takes the first whole message of a stream.
fn message(stream: &mut Vec<u8>, typed: bool) -> Option<Vec<u8>> {
    let head = usize::from(typed);
    let length = stream.get(head..head + 4)?;
    let whole = head + u32::from_be_bytes(length.try_into().unwrap()) as usize;
    (stream.len() >= whole).then(|| stream.drain(..whole).collect())
}

/// The text of a Query, or of a Parse, which names its statement first.
fn text(message: &[u8]) -> String {
    let mut words = message[5..].split(|byte| *byte == 0);
    if message[0] == b'P' {
        words.next();
    }
    String::from_utf8_lossy(words.next().unwrap()).into_owned()
}

/// Reads what the server says until it has answered all that it was asked; `None` where it is gone.
async fn answers(server: &mut TcpStream, stream: &mut Vec<u8>, mut open: usize) -> Option<Vec<u8>> {
    let mut said = Vec::new();
    while open > 0 {
        match message(stream, true) {
            Some(message) => {
                open -= usize::from(message[0] == b'Z');
                said.extend(message);
            }
            None => {
                if server.read_buf(stream).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        }
    }
    Some(said)
}

/// Carries one connection. To return is to close both sides.
async fn carry(mut client: TcpStream, mut server: TcpStream, shared: Arc<Shared>) {
    // Small messages that wait for one another would cost 40 ms each.
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let (mut unit, mut sql, mut executes, mut begun) = (Vec::new(), String::new(), false, false);
    // The end of the log-in is an answer too.
    let mut open = 1;
    loop {
        tokio::select! {
            read = client.read_buf(&mut asked) => {
                if read.unwrap_or(0) == 0 {
                    return;
                }
            }
            read = server.read_buf(&mut answered) => {
                if read.unwrap_or(0) == 0 {
                    return;
                }
            }
        }
        while let Some(one) = message(&mut asked, begun) {
            if !begun {
                begun = true;
                unit.extend(one);
                if server.write_all(&std::mem::take(&mut unit)).await.is_err() {
                    return;
                }
                continue;
            }
            let kind = one[0];
            if let b'P' | b'Q' = kind {
                sql = text(&one);
            }
            executes |= matches!(kind, b'E' | b'Q');
            open += usize::from(matches!(kind, b'S' | b'Q'));
            unit.extend(one);
            if !matches!(kind, b'S' | b'Q' | b'p' | b'X') {
                continue;
            }
            let unit = std::mem::take(&mut unit);
            let here = if std::mem::take(&mut executes) { shared.passes(&sql) } else { None };
            if here == Some(Side::Before) {
                shared.was_cut.send_replace(true);
                return;
            }
            if server.write_all(&unit).await.is_err() {
                return;
            }
            let commit = matches!(kind, b'S' | b'Q') && sql == "COMMIT";
            if !commit && here.is_none() {
                continue;
            }
            let Some(said) = answers(&mut server, &mut answered, open).await else { return };
            open = 0;
            if commit {
                *shared.commits.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                if let Some(on_commit) = &shared.on_commit {
                    on_commit().await;
                }
            }
            if here.is_some() {
                shared.was_cut.send_replace(true);
                return;
            }
            if client.write_all(&said).await.is_err() {
                return;
            }
        }
        let mut said = Vec::new();
        while let Some(one) = message(&mut answered, true) {
            open -= usize::from(one[0] == b'Z');
            said.extend(one);
        }
        if client.write_all(&said).await.is_err() {
            return;
        }
    }
}
