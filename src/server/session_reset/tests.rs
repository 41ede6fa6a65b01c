use std::net::SocketAddr;

use axum::serve::Listener as _;
use reqwest::{Client, RequestBuilder, Response as Answer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

const EVIL: &str = "\"><script>alert(1)</script>";

fn page(cookies: &[&str]) -> SessionReset {
    SessionReset {
        path: "/session-reset".parse().unwrap(),
        sign_in: "/login?next=/&again=1".parse().unwrap(),
        cookies: cookies.iter().map(|cookie| cookie.parse().unwrap()).collect(),
        app: "Probe & {{cookies}} <Ops>".parse().unwrap(),
    }
}

struct Served {
    address: SocketAddr,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Served {
    async fn start(cookies: &[&str]) -> Self {
        // No client without a provider, even for plain HTTP.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = TcpListener::local_addr(&listener).unwrap();
        let (stop, stopped) = oneshot::channel();
        let page = page(cookies);
        let task = tokio::spawn(async move {
            serve(listener, &page, async move { stopped.await.unwrap_or_default() }).await
        });
        Self { address, client: Client::builder().no_proxy().tls_certs_only([]).build().unwrap(), stop, task }
    }

    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    async fn post(&self, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.ask("POST", "/session-reset");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

fn cleared(answer: &Answer) -> bool {
    let cleared = answer.headers().contains_key("clear-site-data");
    assert_eq!(cleared, answer.headers().contains_key("set-cookie"));
    cleared
}

#[tokio::test]
async fn the_button_clears_storage_and_ends_exactly_the_configured_cookies() {
    let served =
        Served::start(&["access_token", "refresh;path=/auth;domain=app.example.com", "__Host-id"]).await;
    let answer = served.post(&[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["clear-site-data"], "\"cache\", \"storage\"");
    let cookies: Vec<_> =
        answer.headers().get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
    let gone = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(
        cookies,
        [
            format!("access_token=; Path=/; {gone}"),
            format!("refresh=; Path=/auth; Domain=app.example.com; {gone}"),
            format!("__Host-id=; Path=/; {gone}; Secure"),
        ]
    );
    let text = answer.text().await.unwrap();
    assert!(text.contains("href=\"/login?next=/&amp;again=1\""), "{text}");
    assert!(
        text.contains("<code>access_token</code>, <code>refresh</code>, <code>__Host-id</code>"),
        "{text}"
    );
    served.stop().await;
}

#[tokio::test]
async fn no_foreign_page_can_press_the_button() {
    let served = Served::start(&["access_token"]).await;
    let host = served.address.to_string();
    let (own, tls) = (format!("http://{host}"), format!("https://{host}"));
    let (upper, longer) = (own.to_uppercase().replace("HTTP", "http"), format!("{own}.evil.example"));
    let refused: [&[(&str, &str)]; 12] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own)],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        &[("origin", "null")],
        &[("origin", "https://evil.example")],
        &[("origin", &longer)],
        // Plain HTTP is another origin than the app's https.
        &[("origin", &own), ("x-forwarded-proto", "https")],
        &[("origin", &own), ("origin", &own)],
    ];
    for headers in refused {
        let answer = served.post(headers).await;
        assert!(answer.status() == 403 && !cleared(&answer), "{headers:?}");
        assert!(answer.text().await.unwrap().contains("Nothing was removed"));
    }
    let taken: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "same-origin"), ("origin", "null")],
        &[("origin", &own)],
        &[("origin", &upper)],
        &[("origin", &tls)],
        &[("origin", &tls), ("x-forwarded-proto", "https, http")],
    ];
    for headers in taken {
        let answer = served.post(headers).await;
        assert!(answer.status() == 200 && cleared(&answer), "{headers:?}");
    }
    served.stop().await;
}

#[test]
fn ports_that_origins_leave_out_may_stand_in_host() {
    let same = |origin: &str, host: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("origin", origin.parse().unwrap());
        headers.insert("host", host.parse().unwrap());
        is_same_origin(&headers)
    };
    assert!(same("https://app.example.com", "app.example.com:443"));
    assert!(same("http://app.example.com", "app.example.com:80"));
    assert!(same("http://app.example.com:8080", "App.Example.com:8080"));
    assert!(!same("http://app.example.com", "app.example.com:443"));
    assert!(!same("https://app.example.com:8443", "app.example.com"));
    assert!(!same("https://", ""));
    assert!(!same("https://", ":443"));
}

#[tokio::test]
async fn every_answer_has_the_strict_headers_and_only_the_button_clears_anything() {
    let served = Served::start(&["access_token"]).await;
    for (method, path, status) in [
        ("GET", "/session-reset", 200),
        ("GET", "/session-reset/", 200),
        ("HEAD", "/session-reset", 200),
        ("GET", "/session-reset?next=https://evil.example/", 200),
        ("GET", "/session-reset/reset.css", 200),
        ("GET", "/session-reset/reset.js", 200),
        ("POST", "/session-reset/reset.js", 405),
        ("PUT", "/session-reset", 405),
        ("DELETE", "/session-reset", 405),
        ("OPTIONS", "/session-reset", 405),
        ("GET", "/session-reset/done", 404),
        ("GET", "/session-reset/done.html", 404),
        ("GET", "/session-resets", 404),
        ("GET", "/session-reset/../metrics", 404),
        ("GET", "/metrics", 404),
        ("GET", "/", 404),
    ] {
        let answer = served.ask(method, path).header("sec-fetch-site", "same-origin").send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.status() == 405, answer.headers().contains_key("allow"));
        assert!(!cleared(&answer), "{method} {path}");
        for (name, value) in HEADERS {
            assert_eq!(answer.headers()[name], value, "{method} {path}");
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn nothing_of_a_request_is_in_an_answer() {
    let served = Served::start(&["access_token"]).await;
    for method in ["GET", "POST", "PUT"] {
        for path in ["/session-reset?a=INJECTED", "/INJECTED", "/session-reset/INJECTED"] {
            let request =
                served.ask(method, path).header("origin", "http://INJECTED").header("host", "INJECTED");
            let answer = request.header("referer", EVIL).header("cookie", "a=INJECTED").body("a=INJECTED");
            let answer = answer.send().await.unwrap();
            assert!(!format!("{:?}", answer.headers()).contains("INJECTED"));
            let text = answer.text().await.unwrap();
            assert!(!text.contains("INJECTED") && !text.contains(EVIL), "{text}");
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn a_body_is_ignored_up_to_a_bound() {
    let served = Served::start(&[]).await;
    let post = |body: Vec<u8>| {
        served.ask("POST", "/session-reset").header("sec-fetch-site", "same-origin").body(body)
    };
    assert_eq!(post(vec![b'x'; LARGEST_BODY]).send().await.unwrap().status(), 200);
    assert_eq!(post(vec![b'x'; LARGEST_BODY + 1]).send().await.unwrap().status(), 413);
    served.stop().await;
}

#[test]
fn names_are_written_as_text_and_never_as_html_or_placeholders() {
    let page = page(&["a&b", "a&b;path=/x"]);
    for text in [page.ask(), page.done(), page.refused()] {
        assert!(text.contains("Probe &amp; {{cookies}} &lt;Ops&gt;"), "{text}");
        assert!(!text.contains("<Ops>") && !text.contains("{{path}}"));
        assert!(!text.contains(" style=") && !text.contains(" onclick") && !text.contains("http:"));
        assert!(text.contains("<html lang=\"en\">") && text.matches("<h1").count() == 1);
    }
    assert!(page.done().contains("<li>the cookie <code>a&amp;b</code></li>"), "{}", page.done());
    assert!(!page.ask().contains("<script"), "the page with the button needs none");
}

#[tokio::test]
async fn connections_that_say_nothing_end_and_make_room_for_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = TcpListener::local_addr(&listener).unwrap();
    let bounded = super::super::bounded::Bounded::new(listener, 1, Duration::from_millis(50));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = super::super::serve_draining(
        bounded,
        router(&page(&[])),
        async move { stopped.await.unwrap_or_default() },
        Duration::from_secs(5),
    );
    let serving = tokio::spawn(serving);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut polite = TcpStream::connect(address).await.unwrap();
    polite.write_all(b"GET /session-reset HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    polite.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_flood_of_connections_that_never_ask_denies_the_page_to_nobody() {
    // What each of them says: nothing, a half of a line, of the headers, of a body; and one that does not read.
    for said in [
        "",
        "G",
        "GET /session-reset HTTP/1.1\r\nHost: a\r\n",
        "POST /session-reset HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\na",
        "POST /session-reset HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /session-reset HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let served = Served::start(&["access_token"]).await;
        let mut flood = Vec::new();
        for _ in 0..3 * PLACES {
            let mut one = TcpStream::connect(served.address).await.unwrap();
            // The oldest may be closed while it speaks.
            let _ = one.write_all(said.as_bytes()).await;
            flood.push(one);
        }
        let asked = std::time::Instant::now();
        let answer = served.ask("GET", "/session-reset").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{said:?}");
        assert!(asked.elapsed() < LIFE / 2, "{said:?}: nobody waits for the others' end");
        let answer = served.post(&[("sec-fetch-site", "same-origin")]).await;
        assert!(answer.status() == 200 && cleared(&answer), "{said:?}");
        drop(flood);
        served.stop().await;
    }
}

/// A connection from another address of this machine.
async fn from(last: u8, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, last], 0).into())?;
    socket.connect(to).await
}

#[tokio::test]
async fn a_flood_that_goes_on_denies_the_page_to_nobody_who_comes_from_elsewhere_or_has_spoken() {
    let served = Served::start(&["access_token"]).await;
    let to = served.address;
    // Of the flood's own address, and slow: its request is begun before the flood and ended within it.
    let mut slow = from(2, to).await.unwrap();
    slow.write_all(b"GET /session-reset HTTP/1.1\r\n").await.unwrap();
    // It has no more to say until it was read.
    for _ in 0..3 {
        let answer = served.ask("GET", "/session-reset").send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let (pressing, pressed) = tokio::sync::watch::channel(0_usize);
    let flood = tokio::spawn(async move {
        let mut open = std::collections::VecDeque::new();
        loop {
            if let Ok(one) = from(2, to).await {
                open.push_back(one);
            }
            if open.len() > 4 * PLACES {
                open.pop_front();
            }
            pressing.send_modify(|count| *count += 1);
        }
    });
    let more = async |than: usize| {
        let mut pressed = pressed.clone();
        let now = *pressed.borrow();
        pressed.wait_for(|count| *count > now + than).await.unwrap();
    };
    more(2 * PLACES).await;
    let mut polite = from(3, to).await.unwrap();
    more(2 * PLACES).await;
    for (one, said) in
        [(&mut polite, "GET /session-reset HTTP/1.1\r\nHost: a\r\n\r\n"), (&mut slow, "Host: a\r\n\r\n")]
    {
        one.write_all(said.as_bytes()).await.unwrap();
        let mut text = String::new();
        one.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    }
    flood.abort();
    served.stop().await;
}

#[tokio::test]
async fn a_bounded_listener_knows_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = TcpListener::local_addr(&listener).unwrap();
    assert_eq!(super::super::bounded::Bounded::new(listener, 1, LIFE).local_addr().unwrap(), address);
}
