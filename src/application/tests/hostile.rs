//! Servers that mean no good, and URLs that lead where no token should go.

use std::time::Instant;

use tokio::net::TcpStream;

use super::*;

/// A server that does one thing with each connection and counts them.
struct Raw {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Raw {
    async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, connections, server }
    }

    /// Answers with these bytes, once it has read something.
    async fn answering(bytes: String) -> Self {
        let bytes: Arc<str> = bytes.into();
        Self::start(move |mut stream| {
            let bytes = Arc::clone(&bytes);
            async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(bytes.as_bytes()).await;
            }
        })
        .await
    }

    async fn ask(&self, timeout: Duration) -> (Answer, Duration) {
        let policy = HostPolicy::unrestricted(vec![]);
        let route = Route { timeout, ..route(&policy) };
        let began = Instant::now();
        let answer = ask(&verifier(&format!("http://{}/me", self.address)), &GENUINE.into(), &route).await;
        (answer, began.elapsed())
    }
}

const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let elsewhere = Raw::answering("HTTP/1.1 200 OK\r\n\r\n".into()).await;
    for code in [301, 302, 303, 307, 308] {
        for location in [
            format!("http://{}/me", elsewhere.address),
            format!("//{}/me", elsewhere.address),
            "http://169.254.169.254/latest/meta-data/".into(),
            "http://[fd00:ec2::254]/latest/meta-data/".into(),
            "file:///etc/passwd".into(),
        ] {
            let server = Raw::answering(format!(
                "HTTP/1.1 {code} Moved\r\nLocation: {location}\r\nRefresh: 0; url={location}\r\n\r\n"
            ))
            .await;
            assert_eq!(server.ask(PATIENT).await.0, Answer::Unclear { status: code }, "{location}");
            assert_eq!(server.connections.load(Ordering::SeqCst), 1);
        }
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0, "nobody was sent there");
}

#[tokio::test]
async fn headers_that_drip_end_at_the_time_limit_however_often_something_comes() {
    let server = Raw::start(|mut stream| async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat(&b'y')) {
            ticks.tick().await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let limit = Duration::from_millis(300);
    let (answer, took) = server.ask(limit).await;
    assert!(why(answer).contains("nothing came within 300ms"));
    assert!(took >= limit && took < PATIENT, "{took:?}");
}

#[tokio::test]
async fn a_body_that_drips_is_not_waited_for() {
    let server = Raw::start(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n1").await;
        std::future::pending().await
    })
    .await;
    let (answer, took) = server.ask(PATIENT).await;
    assert_eq!(answer, Answer::Accepted { status: 200 });
    assert!(took < PATIENT);
}

#[tokio::test]
async fn header_bombs_end_with_an_error() {
    let long = "y".repeat(64 * 1024 * 1024);
    for bomb in [
        format!("HTTP/1.1 200 OK\r\nx: {long}\r\n\r\n"),
        format!("HTTP/1.1 200 {long}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(100_000)),
    ] {
        let (answer, took) = Raw::answering(bomb).await.ask(PATIENT).await;
        assert!(why(answer).chars().count() <= 512);
        assert!(took < PATIENT, "it was not read to its end");
    }
}

#[tokio::test]
async fn what_is_no_http_is_no_answer_and_is_not_repeated_as_it_is() {
    for bytes in [
        "",
        "canary",
        "SSH-2.0-canary\r\n",
        "HTTP/1.1 2xx canary\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\0\x1b[31mcanary\r\n\r\n",
    ] {
        let why = why(Raw::answering(bytes.into()).await.ask(PATIENT).await.0);
        assert!(!why.contains("canary") && !why.chars().any(char::is_control), "{why}");
    }
    // A code is a code, and all else of the line is theirs.
    let server = Raw::answering("HTTP/1.1 299 canary \u{1b}[31m\r\n\r\n".into()).await;
    assert!(!format!("{:?}", server.ask(PATIENT).await.0).contains("canary"));
}

#[tokio::test]
async fn no_spelling_of_a_metadata_service_is_asked_by_anybody() {
    let operator = HostPolicy::operator(HostSettings {
        // However far the flags are opened, and wherever names lead.
        allow_probe: ["*.test", "169.254.169.254", "[fd00:ec2::254]"]
            .map(|flag| flag.parse().unwrap())
            .into(),
        resolve: vec!["metadata.test:80:169.254.169.254".parse().unwrap()],
        ..HostSettings::default()
    });
    let person = HostPolicy::unrestricted(vec![]);
    for host in [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "100.100.100.200",
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    ] {
        for policy in [&operator, &person] {
            let answer =
                ask(&verifier(&format!("http://{host}/latest/")), &GENUINE.into(), &route(policy)).await;
            assert!(matches!(answer, Answer::HostNotAllowed { .. }), "{host}: {answer:?}");
        }
    }
    let named = ask(&verifier("http://metadata.test/"), &GENUINE.into(), &route(&operator)).await;
    assert!(matches!(named, Answer::HostNotAllowed { .. }), "a name that leads there: {named:?}");
}

/// A verifier whose name leads nowhere, so that only its endpoint can answer.
fn at(url: &str, endpoint: SocketAddr) -> Verifier {
    verifier(url).at(endpoint)
}

#[tokio::test]
async fn an_endpoint_is_asked_at_its_own_address_and_port_in_the_services_name() {
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let hearing = Arc::clone(&heard);
    let server = Raw::start(move |mut stream| {
        let hearing = Arc::clone(&hearing);
        async move {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            *hearing.lock().unwrap() = String::from_utf8_lossy(&buffer[..read]).into_owned();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    })
    .await;
    let policy = HostPolicy::unrestricted(vec![]);
    for (url, host) in [
        ("http://api.shop.svc/me?a=b", "api.shop.svc"),
        ("http://api.shop.svc:80/me?a=b", "api.shop.svc"),
        ("http://api.shop.svc:8000/me?a=b", "api.shop.svc:8000"),
    ] {
        let answer = ask(&at(url, server.address), &GENUINE.into(), &route(&policy)).await;
        assert_eq!(answer, Answer::Accepted { status: 200 }, "{url}");
        let heard = heard.lock().unwrap().to_lowercase();
        assert!(heard.starts_with("get /me?a=b http/1.1\r\n"), "{heard}");
        assert_eq!(heard.matches("host: ").count(), 1, "{heard}");
        assert!(heard.contains(&format!("host: {host}\r\n")), "{heard}");
    }
}

#[tokio::test]
async fn an_endpoint_out_of_reach_is_not_asked() {
    let server = Raw::answering("HTTP/1.1 200 OK\r\n\r\n".into()).await;
    let policy = HostPolicy::operator(HostSettings::default());
    for endpoint in
        [server.address, "169.254.169.254:80".parse().unwrap(), "[fd00:ec2::254]:80".parse().unwrap()]
    {
        let answer = ask(&at("http://api.shop.svc/me", endpoint), &GENUINE.into(), &route(&policy)).await;
        assert!(matches!(answer, Answer::HostNotAllowed { .. }), "{endpoint}: {answer:?}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}
