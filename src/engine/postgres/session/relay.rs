//! The way from the driver to a server: to the addresses that were admitted, encrypted as the spec says, and
//! through the [`Filter`].
//!
//! The driver takes one host for two things: where to connect, and whose certificate to expect. And it reads
//! whatever comes. So a relay of one connection stands between them, on a socket without a file (Linux's abstract
//! namespace). Encryption ends in the relay, since what is encrypted cannot be held to anything.

use crate::{api::shared::TlsMode, domain::target::Database};

use std::{
    net::SocketAddr,
    os::linux::net::SocketAddrExt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use secrecy::SecretString;
use sqlx::{Error, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
    time::timeout,
};

use super::{
    holding::{Room, Share},
    scram::{self, Exchange},
    wire::{Broken, Filter, MANY, refusal},
};

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// How long a driver that was refused may say nothing before its connection ends.
const SILENCE: Duration = Duration::from_secs(10);

/// The request for encryption: PostgreSQL 15 manual, section 55.7.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

/// What the connections of the process hold together.
static ROOM: LazyLock<Room> = LazyLock::new(Room::default);

/// Connects to the server, and says where the driver finds it.
pub(in crate::engine::postgres) async fn open(
    options: PgConnectOptions,
    database: &Database,
    addresses: &[SocketAddr],
) -> Result<(PgConnectOptions, JoinHandle<()>), Error> {
    let mut upstream = TcpStream::connect(addresses).await?;
    upstream.set_nodelay(true)?;
    let name = format!("auth-consistency-{:032x}", rand::random::<u128>());
    let port = options.get_port();
    let address =
        std::os::unix::net::SocketAddr::from_abstract_name(format!("{name}/.s.PGSQL.{port}").as_bytes())?;
    let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let password = database.connection.password.clone();
    let relay = if database.tls == TlsMode::Disable {
        tokio::spawn(relay(listener, upstream, password))
    } else {
        ask_for_tls(&mut upstream).await?;
        let name = database.connection.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(tls)?;
        // What came after the server's consent and before its handshake would be taken for part of the handshake,
        // which fails: nothing that was not encrypted is ever read as if it had been.
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config(database)?));
        tokio::spawn(relay(listener, connector.connect(name, upstream).await?, password))
    };
    Ok((options.socket(format!("\0{name}")), relay))
}

async fn ask_for_tls(upstream: &mut TcpStream) -> Result<(), Error> {
    upstream.write_all(&SSL_REQUEST).await?;
    match upstream.read_u8().await? {
        b'S' => Ok(()),
        b'N' => Err(Error::Tls("the server does not support TLS".into())),
        other => Err(Error::Io(std::io::Error::other(Broken::Kind(other)))),
    }
}

fn tls(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Tls(error.into())
}

/// How much of a certificate is looked at, by the mode.
fn config(database: &Database) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    if matches!(database.tls, TlsMode::Disable | TlsMode::Require) {
        let anyone = Arc::new(Lenient { provider, verifier: None });
        return Ok(config.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth());
    }
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in CertificateDer::pem_slice_iter(database.ca.as_deref().unwrap_or_default()) {
        // The error would repeat what cannot be read.
        let unread =
            || Error::Tls("the certificate authority of spec.database.tls holds no certificate".into());
        let added = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(unread)?;
    }
    let roots = Arc::new(roots);
    if database.tls == TlsMode::VerifyFull {
        return Ok(config.with_root_certificates(roots).with_no_client_auth());
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().map_err(tls)?;
    let named_anyhow = Arc::new(Lenient { provider, verifier: Some(verifier) });
    Ok(config.dangerous().with_custom_certificate_verifier(named_anyhow).with_no_client_auth())
}

/// Looks at who signed a certificate, and not at the name in it; or, without a verifier, at neither.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(verifier) = &self.verifier else { return Ok(ServerCertVerified::assertion()) };
        match verifier.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Waits for the driver, and for no other process of the machine.
async fn driver(listener: UnixListener) -> std::io::Result<UnixStream> {
    let own = i32::try_from(std::process::id()).ok();
    loop {
        let (stream, _) = listener.accept().await?;
        if stream.peer_cred()?.pid().is_none_or(|peer| Some(peer) == own) {
            return Ok(stream);
        }
    }
}

async fn relay(
    listener: UnixListener,
    upstream: impl AsyncRead + AsyncWrite + Unpin,
    password: SecretString,
) {
    let Ok(mut driver) = driver(listener).await else { return };
    // The server is gone from here on. Whatever else the driver asks has the same answer, since whoever asked first
    // may not be the one who tells.
    // Until the driver is gone, too: it has what was passed on.
    let mut share = ROOM.share();
    let Some(broken) = pass_on(&mut driver, upstream, &password, &mut share).await else { return };
    let (refusal, mut ignored) = (refusal(broken), [0; 1024]);
    // A driver that waits for the end of what it asked before says nothing more, and would wait for ever.
    while driver.write_all(&refusal).await.is_ok()
        && matches!(timeout(SILENCE, driver.read(&mut ignored)).await, Ok(Ok(1..)))
    {}
}

/// Passes on what both sides say, until one of them ends; or why nothing more of the server is read.
async fn pass_on(
    driver: &mut UnixStream,
    mut upstream: impl AsyncRead + AsyncWrite + Unpin,
    password: &SecretString,
    share: &mut Share<'_>,
) -> Option<Broken> {
    let mut filter = Filter::default();
    let read = match sign_in(driver, &mut upstream, &mut filter, password).await {
        Ok(read) => read,
        Err(broken) => return broken,
    };
    let (mut asked, mut answered) = driver.split();
    let filter = Mutex::new(filter);
    let (from_server, to_server) = tokio::io::split(upstream);
    let mut asking = std::pin::pin!(ask(&filter, &mut asked, to_server));
    let call = share.call();
    let mut answering = std::pin::pin!(answer(&filter, read, from_server, &mut answered, share));
    // Either side's end is the connection's end; the driver reports what that means.
    tokio::select! {
        () = &mut asking => answering.await,
        broken = &mut answering => broken,
        () = call.wait() => Some(Broken::Crowded),
    }
}

/// Answers a server that asks for a proof of the password, in the driver's place, which is told nothing of it: it
/// gives up where user name or password have characters that every other client takes. What it is told next is on its
/// way to it; what was read beyond that is returned.
///
/// # Errors
/// One side has ended, or why nothing more of the server is read.
async fn sign_in(
    driver: &mut UnixStream,
    upstream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    filter: &mut Filter,
    password: &SecretString,
) -> Result<Vec<u8>, Option<Broken>> {
    let ended = |_: std::io::Error| None;
    let length = driver.read_u32().await.map_err(ended)?;
    let mut begin = length.to_be_bytes().to_vec();
    begin.resize(length.max(4) as usize, 0);
    driver.read_exact(&mut begin[4..]).await.map_err(ended)?;
    upstream.write_all(&begin).await.map_err(ended)?;
    upstream.flush().await.map_err(ended)?;
    let (mut read, mut passed, mut exchange) = (Vec::new(), Vec::new(), None::<Exchange>);
    loop {
        read.reserve(CHUNK);
        let Ok(1..) = upstream.read_buf(&mut read).await else { return Err(None) };
        let taken = filter.take(&read, &mut passed);
        drop(read.drain(..taken.unwrap_or_default()));
        while let Some((kind, body)) = front(&passed) {
            let length = 5 + body.len();
            let said = match (&mut exchange, question(kind, body)) {
                (none @ None, Some((10, mechanisms))) if scram::is_offered(mechanisms) => {
                    none.insert(Exchange::new(password.clone())).begins()
                }
                (Some(_), Some((11, said))) => {
                    let (said, taken) = (said.to_vec(), exchange.take());
                    let (proved, proof) = proof(taken, said).await?;
                    exchange = Some(proved);
                    proof
                }
                (Some(exchange), Some((12, said))) => {
                    exchange.ends(said)?;
                    Vec::new()
                }
                // Whoever has not proved that it knows the password is not believed to have taken it.
                (Some(exchange), _) if kind != b'E' && !exchange.is_done() => {
                    return Err(Some(Broken::Form("the answer to the password")));
                }
                _ => {
                    driver.write_all(&passed).await.map_err(ended)?;
                    return taken.map(|_| read).map_err(Some);
                }
            };
            upstream.write_all(&said).await.map_err(ended)?;
            upstream.flush().await.map_err(ended)?;
            drop(passed.drain(..length));
        }
        taken?;
    }
}

/// Computes away from the async threads: how long it takes is for the server to say.
async fn proof(exchange: Option<Exchange>, said: Vec<u8>) -> Result<(Exchange, Vec<u8>), Option<Broken>> {
    let Some(mut exchange) = exchange else { return Err(None) };
    let proving = move || exchange.proves(&said).map(|proof| (exchange, proof));
    tokio::task::spawn_blocking(proving).await.map_err(|_| None)?.map_err(Some)
}

/// The first of some whole messages.
fn front(messages: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, length) = (messages.first()?, messages.get(1..5)?.try_into().ok()?);
    Some((*kind, messages.get(5..1 + u32::from_be_bytes(length) as usize)?))
}

/// What is asked about the password, by its number.
fn question(kind: u8, body: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = body.split_first_chunk()?;
    (kind == b'R').then_some((u32::from_be_bytes(*number), rest))
}

fn locked(filter: &Mutex<Filter>) -> MutexGuard<'_, Filter> {
    // A filter that panicked has passed nothing on of what it panicked about.
    filter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what the driver asks, until it has nothing more to ask.
async fn ask(filter: &Mutex<Filter>, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // The first message, which has no kind, is passed on already.
    let mut kinds = Kinds { begun: true, ..Kinds::default() };
    let mut read = Vec::with_capacity(CHUNK);
    while let Ok(1..) = from.read_buf(&mut read).await {
        for (kind, begin) in kinds.of(&read) {
            locked(filter).asks(kind, &begin);
        }
        if to.write_all(&read).await.is_err() || to.flush().await.is_err() {
            return;
        }
        read.clear();
    }
    let _ = to.shutdown().await;
}

/// Passes on what the server answers, until it breaks off or what it says cannot be: then why.
async fn answer(
    filter: &Mutex<Filter>,
    mut read: Vec<u8>,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    share: &mut Share<'_>,
) -> Option<Broken> {
    let mut passed = Vec::new();
    loop {
        read.reserve(CHUNK);
        let Ok(1..) = from.read_buf(&mut read).await else { return None };
        let (taken, held) = {
            let mut filter = locked(filter);
            let taken = filter.take(&read, &mut passed);
            let rest = taken.as_ref().ok().and_then(|taken| read.get(*taken..)).unwrap_or_default();
            (taken, filter.holds(rest))
        };
        if share.holds(held).await.is_err() {
            return Some(Broken::Crowded);
        }
        if to.write_all(&passed).await.is_err() {
            return None;
        }
        match taken {
            Ok(taken) => drop(read.drain(..taken)),
            Err(broken) => return Some(broken),
        }
        passed.clear();
        // What one long message took is not kept for all that come after it.
        if read.len() < CHUNK {
            read.shrink_to(2 * CHUNK);
        }
        passed.shrink_to(2 * CHUNK);
    }
}

/// The kinds of the messages that the driver sends, whose form is its own, and how each begins.
#[derive(Default)]
struct Kinds {
    /// The first message has no kind.
    begun: bool,
    head: Vec<u8>,
    left: usize,
}

impl Kinds {
    /// So much of a message tells all that there is to know of it.
    const BEGIN: usize = 1 + MANY.len();

    fn of(&mut self, sent: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let (mut kinds, mut rest) = (Vec::new(), sent);
        while !rest.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(rest.len());
                (self.left, rest) = (self.left - skipped, &rest[skipped..]);
                continue;
            }
            let (first, more) = rest.split_at(1);
            self.head.extend_from_slice(first);
            rest = more;
            let body = usize::from(self.begun) + 4;
            let Some(Ok(length)) = self.head.get(body - 4..body).map(<[u8; 4]>::try_from) else { continue };
            let length = (u32::from_be_bytes(length) as usize).saturating_sub(4);
            let begin = &self.head[body..];
            if begin.len() < length.min(Self::BEGIN) {
                continue;
            }
            self.left = length - begin.len();
            if self.begun {
                kinds.push((self.head[0], begin.to_vec()));
            }
            (self.begun, self.head) = (true, Vec::new());
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_kinds_of_messages_are_the_same_however_they_are_cut(
            bodies in prop::collection::vec((b'A'..b'z', prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            cuts in prop::collection::vec(1_usize..50, 0..60),
        ) {
            let framed = |kind: &[u8], body: &[u8]| {
                let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
                [kind, &length[..], body].concat()
            };
            let mut all = framed(&[], b"startup");
            let begin = |body: &[u8]| body[..body.len().min(Kinds::BEGIN)].to_vec();
            let expected: Vec<(u8, Vec<u8>)> = bodies.iter().map(|(kind, body)| (*kind, begin(body))).collect();
            all.extend(bodies.iter().flat_map(|(kind, body)| framed(&[*kind], body)));
            let (mut kinds, mut found, mut rest) = (Kinds::default(), Vec::new(), &all[..]);
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                found.extend(kinds.of(part));
                rest = after;
            }
            found.extend(kinds.of(rest));
            prop_assert_eq!(found, expected);
        }
    }
}
