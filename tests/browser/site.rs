//! The app and the session-reset page behind one origin, as an Ingress would put them, and other sites.

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use auth_consistency::server::session_reset::{self, SessionReset};
use tokio::sync::oneshot;

use crate::support::{Db, setting};

/// The key that the app runs with.
const KEY: &str = "canary-8d1f6c3b5a7e9042-signing-key-of-the-browser-tests";

/// All that the tests of the browser talk to; it ends with this value.
pub struct Site {
    /// Port of every host by https.
    pub https: u16,
    /// Port of the app by plain HTTP.
    pub http: u16,
    directory: PathBuf,
    app: Child,
    nginx: Child,
    _db: Db,
    _page: oneshot::Sender<()>,
}

fn page() -> SessionReset {
    let cookies = ["access_token", "__Host-session", "refresh;path=/auth", "team;domain=app.shop.test"];
    SessionReset {
        path: "/session-reset".parse().unwrap(),
        sign_in: "/docs".parse().unwrap(),
        cookies: cookies.map(|cookie| cookie.parse().unwrap()).into(),
        app: "ProbeOps".parse().unwrap(),
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Site {
    pub async fn start() -> Self {
        let db = Db::new(include_str!("../app/migrate.sql")).await;
        let mut app = Command::new(setting("AUTHCON_TEST_PYTHON"))
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/app/serve.py"), "--port", "0"])
            .env("DATABASE_URL", db.url().replace("+asyncpg", ""))
            .env("JWT_SECRET", KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(app.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let app_port = line.trim().rsplit(':').next().unwrap().to_owned();
        assert!(app_port.parse::<u16>().is_ok(), "the app did not start: {line}");

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page_port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = page();
        tokio::spawn(async move {
            session_reset::serve(listener, &settings, async move { drop(stopped.await) }).await.unwrap();
        });

        let directory = std::env::temp_dir().join(format!("auth-consistency-{:016x}", rand::random::<u64>()));
        let files = directory.join("www/session-reset");
        std::fs::create_dir_all(&files).unwrap();
        for (name, text) in page().files().unwrap() {
            std::fs::write(files.join(name), text).unwrap();
        }
        certificate(&directory);
        let (https, http) = (free_port(), free_port());
        let conf = include_str!("nginx.conf")
            .replace("DIRECTORY", directory.to_str().unwrap())
            .replace("HTTPS", &https.to_string())
            .replace("HTTP", &http.to_string())
            .replace("PAGE", &page_port.to_string())
            .replace("APP", &app_port);
        std::fs::write(directory.join("nginx.conf"), conf).unwrap();
        let nginx = Command::new("nginx")
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .args(["-e", "stderr", "-p", directory.to_str().unwrap(), "-c", "nginx.conf"])
            .stderr(std::fs::File::create(directory.join("log")).unwrap())
            .spawn()
            .expect("no nginx: run these tests through make test");
        let site = Self { https, http, directory, app, nginx, _db: db, _page: stop };
        let began = Instant::now();
        for port in [https, http] {
            while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
                let log = std::fs::read_to_string(site.directory.join("log")).unwrap();
                assert!(began.elapsed() < Duration::from_secs(30), "nginx did not start: {log}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        site
    }

    /// The app by https.
    pub fn url(&self, path: &str) -> String {
        self.at("app.shop.test", path)
    }

    /// A host by https.
    pub fn at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.https)
    }

    /// A token for the id that ada@example.com had before the migration.
    pub fn stale_token(&self) -> String {
        let output = Command::new(setting("AUTHCON_TEST_PYTHON"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/app/mint.py"))
            .args(["--secret-env", "KEY", "--sub", "4711"])
            .env("KEY", KEY)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=shop.test"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=DNS:*.shop.test,DNS:www.evil.test"])
        .arg("-keyout")
        .arg(directory.join("key.pem"))
        .arg("-out")
        .arg(directory.join("certificate.pem"))
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in [&mut self.app, &mut self.nginx] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
