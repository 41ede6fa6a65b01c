//! Why a token fails, as far as the database and the app have a word in it: from a file with a JWKS to the cause.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{authority, plain_dsn, run, tls, world::Database};

const ADA: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const BOB: &str = "7d444840-9dc0-11d1-b245-5ffdce74fad2";

/// Ada is active, bob is not; one token is revoked.
const PEOPLE: &str =
    "CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL,
       role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
     INSERT INTO users (id, email, hashed_password, is_active) VALUES
       ('3f2504e0-4f89-41d3-9a0c-0305e82c3301', 'ada@example.com', 'x', true),
       ('7d444840-9dc0-11d1-b245-5ffdce74fad2', 'bob@example.com', 'x', false);
     CREATE TABLE token_blocklist (jti text PRIMARY KEY); INSERT INTO token_blocklist VALUES ('signed out');";

/// A shared secret, which stands in its Secret with a line break at its end.
const SHARED: &str = "kT9vLw2qRzX7mNp4Yh8sFg6JaEwQb3c5";

/// The private JWK of an EC key on P-256 in PKCS#8.
fn jwk(pem: &str, id: &str) -> Value {
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(text).unwrap();
    assert_eq!(der.len(), 138, "the key at its place, and its public half at the end");
    let member = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "kty": "EC", "crv": "P-256", "kid": id,
        "d": member(&der[36..68]), "x": member(&der[74..106]), "y": member(&der[106..]),
    })
}

/// A file with a resource whose key is a JWKS, removed when the test is over.
struct File(PathBuf);

impl File {
    fn new(database: &Database, name: &str, jwt: &Value, more: &Value) -> Self {
        let keys = json!({"keys": [
            jwk(include_str!("../keys/p256.pem"), "now"), jwk(include_str!("../keys/p256-two.pem"), "before"),
        ]});
        let mut spec = json!({
            "database": {
                "urlSecretRef": {"name": "db", "key": "url"},
                "tls": tls(),
            },
            "users": {"preset": "FastAPI"},
            "jwt": {
                "secretRef": {"name": "jwt", "key": "keys"}, "algorithm": "ES256", "keyId": "now",
                "subjectClaim": "/https:~1~1example.com~1claims/x-user-id",
            },
            "sessions": {"revoked": {"table": "token_blocklist", "column": "jti"}},
        });
        for (name, value) in jwt.as_object().unwrap() {
            spec["jwt"][name] = value.clone();
        }
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let secret = |name: &str, key: &str, value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}});
        let documents = [
            json!({"apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency", "metadata": {"name": "app"}, "spec": spec}),
            secret("db", "url", &plain_dsn(database)),
            secret("ca", "ca.crt", &authority().unwrap_or_default()),
            secret("jwt", "keys", &keys.to_string()),
            secret("shared", "secret", &format!("{SHARED}\n")),
        ];
        let path = std::env::temp_dir().join(format!("{}-{name}.yaml", database.name));
        std::fs::write(&path, documents.map(|one| one.to_string()).join("\n---\n")).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn mint(&self, subject: &str) -> String {
        let said = run(&["token", "mint", "-f", self.path(), "--subject", subject], &[], "");
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    }

    /// The cause, the step that it was found in, and how the command ended.
    fn explain(&self, token: &str, more: &[&str]) -> (String, i32, Value) {
        let said = run(&[&["token", "explain", "-f", self.path(), "-o", "json"], more].concat(), &[], token);
        assert!(!said.out.contains(token.trim()), "the token is printed back");
        let answer = said.json();
        (answer["cause"].as_str().unwrap().to_owned(), said.code, answer)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn what_only_the_database_and_the_set_of_keys_know_of_a_token_is_told_by_its_cause() {
    let database = Database::create(PEOPLE).await;
    let file = |name: &str, jwt: Value| File::new(&database, name, &jwt, &json!({}));
    let app = file("app", json!({"previousKeyIds": ["before"]}));
    for (subject, cause, code) in [
        (ADA.to_owned(), "NothingWrong", 0),
        (format!("{{{}}}", ADA.to_uppercase()), "SubjectSpelledDifferently", 2),
        (ADA.to_uppercase(), "SubjectSpelledDifferently", 2),
        (BOB.to_owned(), "UserInactive", 2),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned(), "SubjectNamesNoUser", 2),
        ("4711".to_owned(), "SubjectNotOfColumnType", 2),
    ] {
        let (found, ended, answer) = app.explain(&app.mint(&subject), &[]);
        assert_eq!((found.as_str(), ended), (cause, code), "{subject}: {answer}");
    }
    for (claims, cause) in [
        (json!({"email": "bob@example.com"}), "NamesAnother"),
        (json!({"email": "ada@example.com", "jti": "signed in"}), "NothingWrong"),
        (json!({"jti": "signed out"}), "Revoked"),
    ] {
        let minting = file("minting", json!({"claims": claims}));
        let (found, _, answer) = app.explain(&minting.mint(ADA), &[]);
        assert_eq!(found, cause, "{claims}: {answer}");
    }
    // The app signed with the other key of the set before.
    let old = file("old", json!({"keyId": "before"})).mint(ADA);
    let (found, _, answer) = app.explain(&old, &[]);
    assert_eq!(found, "SignedByPreviousKey", "{answer}");
    // Such a token goes on to its user: who may not sign in is the cause, and the key is told beside it.
    let of_bob = file("of-bob", json!({"keyId": "before"})).mint(BOB);
    let (found, _, answer) = app.explain(&of_bob, &[]);
    assert_eq!(found, "UserInactive", "{answer}");
    assert_eq!(answer["also"], json!(["the token was signed by a previous signing key"]));
    let page = run(&["token", "explain", "-f", app.path()], &[], &of_bob);
    let page = page.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        page.contains("who is inactive. Also: the token was signed by a previous signing key. Activate"),
        "{page}"
    );
    let (found, _, answer) = file("revoking", json!({"revokedKeyIds": ["before"]})).explain(&old, &[]);
    assert_eq!(found, "SignedByRevokedKey", "{answer}");
    // A whole check says the same of it.
    let said = run(&["check", "-f", app.path(), "--token-file", "-", "-o", "json"], &[], &old);
    assert_eq!(said.json()["token"]["cause"], "SignedByPreviousKey", "{}", said.out);
}

/// Answers every request with one status for as long as the test runs.
fn app_that_says(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test]
async fn where_nothing_is_wrong_the_app_has_the_last_word_and_each_verifier_is_named() {
    let database = Database::create(PEOPLE).await;
    for (statuses, cause, code, says) in [
        (&["200 OK"][..], "AcceptedByApp", 0, "one"),
        (&["401 Unauthorized"], "RefusedByApp", 2, "one"),
        (&["204 No Content", "403 Forbidden"], "RefusedByApp", 2, "two"),
        // Who cannot tell is no reason to say that the app accepts it.
        (&["200 OK", "503 Service Unavailable"], "NothingWrong", 0, "503"),
    ] {
        let addresses: Vec<SocketAddr> = statuses.iter().map(|status| app_that_says(status)).collect();
        let verifiers: Vec<Value> = addresses
            .iter()
            .zip(["one", "two"])
            .map(|(address, name)| json!({"name": name, "url": format!("http://app.test:{}/me", address.port())}))
            .collect();
        let probe = json!({"admin": {"login": "ada@example.com", "onMissing": "Report"}, "probe": {"verifiers": verifiers}});
        let file = File::new(&database, "app", &json!({}), &probe);
        let resolve: Vec<String> =
            addresses.iter().map(|address| format!("app.test:{}:127.0.0.1", address.port())).collect();
        let flags: Vec<&str> = resolve.iter().flat_map(|one| ["--resolve", one.as_str()]).collect();
        let (found, ended, answer) = file.explain(&file.mint(ADA), &flags);
        assert_eq!((found.as_str(), ended), (cause, code), "{statuses:?}: {answer}");
        assert!(answer.to_string().contains(says), "{statuses:?}: {answer}");
        // Nobody is asked about a token that is wrong anyway, or where the person says so.
        let (found, _, answer) = file.explain(&file.mint(BOB), &flags);
        assert_eq!(found, "UserInactive", "{answer}");
        let (found, ..) = file.explain(&file.mint(ADA), &[&flags[..], &["--no-probe"]].concat());
        assert_eq!(found, "NothingWrong");
    }
}

/// An app that takes the shared secret without the line break at its end, as many readers of files do.
fn app_that_trims() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let token =
                head.lines().find_map(|line| line.split_once("Bearer ")).map(|(_, token)| token.trim());
            let status =
                if token.is_some_and(is_of_the_trimmed_secret) { "200 OK" } else { "401 Unauthorized" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn is_of_the_trimmed_secret(token: &str) -> bool {
    use hmac::{Hmac, KeyInit as _, Mac as _};

    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SHARED.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
}

#[tokio::test]
async fn an_app_that_reads_the_secret_otherwise_is_told_by_the_reading_and_not_to_restart() {
    let database = Database::create(PEOPLE).await;
    let address = app_that_trims();
    let verifier = json!({"name": "api", "url": format!("http://app.test:{}/me", address.port())});
    let jwt = json!({"secretRef": {"name": "shared", "key": "secret"}, "algorithm": "HS256", "keyId": null});
    let more = json!({"admin": {"login": "ada@example.com", "onMissing": "Report"}, "probe": {"verifiers": [verifier]}});
    let file = File::new(&database, "trimming", &jwt, &more);
    let resolve = format!("app.test:{}:127.0.0.1", address.port());
    let said = run(&["verify", "-f", file.path(), "--resolve", &resolve], &[], "");
    let page = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.code, 2, "{page} {}", said.err);
    assert!(page.contains("it accepts one whose key lacks the white space around this one"), "{page}");
    assert!(!page.contains("rollout restart"), "{page}");
}
