//! A server that misbehaves at one point, plain or encrypted.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc, LazyLock,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// In place of which answer it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The consent to encryption.
    Tls,
    /// What follows the client's first message.
    Hello,
    /// What follows the password.
    Password,
    /// The answer to `BEGIN`.
    Begin,
    /// The columns of the statement of this number, the first being 0.
    Columns(usize),
    /// Its rows.
    Rows(usize),
}

/// What it does there.
#[derive(Clone, Debug)]
pub enum Does {
    /// Says this, and waits.
    Says(Vec<u8>),
    /// Says this, and closes.
    Closes(Vec<u8>),
    /// Says the first once, and the second for ever.
    Floods(Vec<u8>, Vec<u8>),
    /// Says this byte by byte, goes on as if nothing were the matter.
    Drips(Vec<u8>),
    /// Says this in place of the answer, and goes on.
    Goes(Vec<u8>),
    /// Says this for every statement.
    Always(Vec<u8>, Vec<u8>),
}

/// A message with the length that it has.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    lying(kind, i32::try_from(body.len() + 4).unwrap(), body)
}

/// A message with another length.
pub fn lying(kind: u8, length: i32, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// Columns of these types.
pub fn columns(types: &[u32]) -> Vec<u8> {
    let mut body = u16::try_from(types.len()).unwrap().to_be_bytes().to_vec();
    for oid in types {
        body.extend(b"c\0\0\0\0\0\0\0");
        body.extend(oid.to_be_bytes());
        body.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    }
    message(b'T', &body)
}

/// A row of these values.
pub fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
                body.extend(*value);
            }
        }
    }
    message(b'D', &body)
}

/// That it is ready for a statement.
pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// An error of these fields.
pub fn error(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let fields = fields.iter().flat_map(|(kind, text)| [&[*kind][..], *text, b"\0"].concat());
    message(b'E', &fields.chain([0]).collect::<Vec<u8>>())
}

/// Where the server listens, and word of each connection that ends. It serves until the process ends.
pub fn serve(at: At, does: Does, encrypted: bool) -> (u16, Receiver<()>) {
    let (ends, ended) = channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, does, ends) = (client.unwrap(), does.clone(), ends.clone());
            thread::spawn(move || {
                // The client goes away at some point, and every write after it fails.
                let _ = connection(client, at, &does, encrypted);
                let _ = ends.send(());
            });
        }
    });
    (port, ended)
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn connection(mut client: TcpStream, at: At, does: &Does, encrypted: bool) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    if !encrypted {
        return session(&mut client, at, does);
    }
    client.read_exact(&mut [0; 8])?;
    if at == At::Tls {
        return misbehave(&mut client, does).map(drop);
    }
    client.write_all(b"S")?;
    let connection = ServerConnection::new(Arc::clone(&TLS)).unwrap();
    session(&mut StreamOwned::new(connection, client), at, does)
}

/// Whether it goes on.
fn misbehave(client: &mut dyn Stream, does: &Does) -> std::io::Result<bool> {
    match does {
        Does::Says(bytes) => {
            client.write_all(bytes)?;
            client.flush()?;
            while client.read(&mut [0; 1024])? > 0 {}
        }
        Does::Closes(bytes) => {
            client.write_all(bytes)?;
            client.flush()?;
        }
        Does::Floods(first, rest) => {
            client.write_all(first)?;
            let many = rest.repeat((1 << 16) / rest.len() + 1);
            loop {
                client.write_all(&many)?;
            }
        }
        Does::Drips(bytes) => {
            for byte in bytes {
                client.write_all(&[*byte])?;
                client.flush()?;
                // It is slow.
                thread::sleep(Duration::from_micros(200));
            }
            return Ok(true);
        }
        Does::Goes(bytes) => {
            client.write_all(bytes)?;
            client.flush()?;
            return Ok(true);
        }
        Does::Always(..) => return Ok(true),
    }
    Ok(false)
}

fn read(client: &mut dyn Stream, kind: bool) -> std::io::Result<u8> {
    let mut head = [0; 5];
    client.read_exact(&mut head[usize::from(!kind)..])?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
    client.read_exact(&mut vec![0; length - 4])?;
    Ok(head[0])
}

fn session(client: &mut dyn Stream, at: At, does: &Does) -> std::io::Result<()> {
    read(client, false)?;
    if at == At::Hello && !misbehave(client, does)? {
        return Ok(());
    }
    client.write_all(&message(b'R', &3_u32.to_be_bytes()))?;
    client.flush()?;
    read(client, true)?;
    if at == At::Password && !misbehave(client, does)? {
        return Ok(());
    }
    let hello =
        [message(b'R', &[0; 4]), message(b'S', b"server_version\x0015.1\0"), message(b'K', &[0; 8]), ready()];
    client.write_all(&hello.concat())?;
    client.flush()?;
    let (mut described, mut executed, mut asked) = (0, 0, Vec::new());
    let within = message(b'Z', b"T");
    loop {
        let kind = read(client, true)?;
        asked.push(kind);
        let here = match kind {
            b'Q' => At::Begin,
            b'S' if asked.contains(&b'P') => At::Columns(described),
            b'S' => At::Rows(executed),
            b'X' => return Ok(()),
            _ => continue,
        };
        asked.clear();
        match here {
            At::Columns(_) => described += 1,
            At::Rows(_) => executed += 1,
            _ => {}
        }
        if here == at {
            if !misbehave(client, does)? {
                return Ok(());
            }
            if matches!(does, Does::Goes(_)) {
                continue;
            }
        }
        let (columns, rows) = match does {
            Does::Always(columns, rows) => (columns.clone(), rows.clone()),
            Does::Floods(..) | Does::Says(_) if matches!(at, At::Rows(_)) => (columns(&[25]), Vec::new()),
            _ => (message(b'n', b""), Vec::new()),
        };
        let answer = match here {
            At::Columns(_) => [message(b'1', b""), message(b't', &[0, 0]), columns, within.clone()].concat(),
            At::Rows(_) => {
                [message(b'2', b""), rows, message(b'C', b"SELECT 1\0"), message(b'3', b""), within.clone()]
                    .concat()
            }
            _ => [message(b'C', b"BEGIN\0"), within.clone()].concat(),
        };
        client.write_all(&answer)?;
        client.flush()?;
    }
}

/// A certificate that nobody knows.
static TLS: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let directory = Directory(std::env::temp_dir().join(format!("authcon-wire-{:x}", rand::random::<u64>())));
    std::fs::create_dir(&directory.0).unwrap();
    let made = Command::new("openssl")
        .current_dir(&directory.0)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=x",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            "key",
            "-out",
            "certificate",
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let file = |name: &str| directory.0.join(name);
    let certificate = CertificateDer::from_pem_file(file("certificate")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
});

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
