//! A headless Chromium of a test's own, by the WebDriver protocol.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value, json};

/// No state of a page is waited for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with a profile of its own; it ends with this value.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
    client: reqwest::Client,
}

impl Browser {
    /// Starts it. Every host below `test` is this machine, and no certificate is asked about.
    pub async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client =
            reqwest::Client::builder().no_proxy().timeout(2 * PATIENCE).tls_certs_only([]).build().unwrap();
        let profile = std::env::temp_dir().join(format!("auth-consistency-{:016x}", rand::random::<u64>()));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("no chromedriver: run these tests through make test");
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "chromedriver ended");
            if let Some((_, port)) = line.trim().trim_end_matches('.').rsplit_once("successfully on port ") {
                break port.parse().unwrap();
            }
        };
        // What it says later is nobody's, but it must not meet a closed pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let mut browser = Self { driver, port, session: String::new(), profile, client };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--ignore-certificate-errors",
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            "--window-size=1000,900",
        ];
        let mut arguments: Vec<String> = arguments.map(String::from).into();
        arguments.push(format!("--user-data-dir={}", browser.profile.display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "timeouts": {"script": PATIENCE.as_millis(), "pageLoad": PATIENCE.as_millis()},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let made = browser.ask("POST", "/session", wanted).await;
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        self.answer(method, path, body).await.unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    async fn answer(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut request = self.client.request(method.parse().unwrap(), url);
        if method == "POST" {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let value: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if status.is_success() { Ok(value["value"].clone()) } else { Err(value["value"]["message"].clone()) }
    }

    async fn command(&self, name: &str, body: Value) -> Value {
        self.ask("POST", &format!("/session/{}/{name}", self.session), body).await
    }

    /// Goes to an address.
    pub async fn open(&self, url: &str) {
        self.command("url", json!({"url": url})).await;
    }

    /// Clicks on what a selector finds.
    pub async fn click(&self, selector: &str) {
        let found = self.command("element", json!({"using": "css selector", "value": selector})).await;
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.command(&format!("element/{id}/click"), json!({})).await;
    }

    /// How many elements a selector finds.
    pub async fn count(&self, selector: &str) -> usize {
        let found = self.command("elements", json!({"using": "css selector", "value": selector})).await;
        found.as_array().unwrap().len()
    }

    /// Goes into the page's first frame.
    pub async fn enter_frame(&self) {
        self.command("frame", json!({"id": 0})).await;
    }

    /// Goes out of it.
    pub async fn leave_frame(&self) {
        self.command("frame/parent", json!({})).await;
    }

    /// What the body of an async function comes to in the page.
    pub async fn run(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];\
             (async () => {{ {body} }})().then(value => done({{value}}), error => done({{error: String(error)}}));"
        );
        let said = self.command("execute/async", json!({"script": script, "args": []})).await;
        assert!(said["error"].is_null(), "{}: {body}", said["error"]);
        said["value"].clone()
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, name: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({"cmd": name, "params": parameters})).await
    }

    /// The text of what a selector finds, as soon as it holds `part`; read without the page's scripts.
    pub async fn shows(&self, selector: &str, part: &str) -> String {
        let began = Instant::now();
        loop {
            let found = self.command("elements", json!({"using": "css selector", "value": selector})).await;
            let mut text = String::new();
            if let Some(element) = found.get(0) {
                let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap();
                let path = format!("/session/{}/element/{id}/text", self.session);
                // The page may have gone on meanwhile, and the element with it.
                let said = self.answer("GET", &path, Value::Null).await.unwrap_or_default();
                text = said.as_str().unwrap_or_default().to_owned();
            }
            if text.contains(part) {
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "{selector} shows {text:?}, not {part:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every cookie as `name domain path`, whoever may read it.
    pub async fn cookies(&self) -> Vec<String> {
        let all = self.devtools("Storage.getCookies", json!({})).await;
        let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let said =
            |one: &Value| format!("{} {} {}", word(one, "name"), word(one, "domain"), word(one, "path"));
        let mut cookies: Vec<String> = all["cookies"].as_array().unwrap().iter().map(said).collect();
        cookies.sort();
        cookies
    }

    /// A picture of the page, kept where AUTHCON_TEST_SCREENSHOTS says, to be looked at by people.
    pub async fn picture(&self, name: &str) {
        let path = format!("/session/{}/screenshot", self.session);
        let picture = self.ask("GET", &path, Value::Null).await;
        let picture = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        if let Ok(directory) = std::env::var("AUTHCON_TEST_SCREENSHOTS") {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(PathBuf::from(directory).join(format!("{name}.png")), picture).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session, not with chromedriver.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = write!(stream, "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\n", self.session);
            let _ = write!(stream, "Connection: close\r\n\r\n");
            // It answers when Chromium has ended, and keeps the connection open whatever it is told.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.read(&mut [0]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
