//! The running app: does it accept what the key mints, and nothing else?

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::{
    nothing_leaks,
    world::{CONSISTENT, KEY, World, app_ports, condition, part, shared_operator},
};

/// The FastAPI app of the tests with a signing key; it ends with this value.
pub struct App {
    child: Child,
}

impl App {
    pub fn start(world: &World, key: &str, port: &str) -> Self {
        let app = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/app/serve.py");
        let dsn = world.database.dsn().replace("+asyncpg", "").replace("postgres.test", "localhost");
        let mut child = Command::new(part("AUTHCON_TEST_PYTHON"))
            .args([app, "--port", port])
            .env("DATABASE_URL", dsn)
            .env("JWT_SECRET", key)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(port), "the app did not start: {line}");
        Self { child }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The app's own tables, with its admin.
pub fn tables() -> String {
    format!(
        "{CONSISTENT} ALTER TABLE users ADD created_at timestamptz NOT NULL DEFAULT now(), ADD deleted_at timestamptz, ADD tokens_valid_after timestamptz;"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_an_old_key_is_told_and_one_with_the_right_key_is_accepted() {
    let operator = shared_operator();
    let world = World::new(&tables()).await;
    let port = &app_ports()[0];
    let old = App::start(&world, "canary-an-older-signing-key-0123456789abcdef", port);
    let probe = format!("probe: {{verifiers: [{{name: api, url: 'http://app.test:{port}/users/me'}}]}}");
    world.apply(&format!("{{{probe}}}"));
    let status = world.ready("False", "TokensRejected").await;
    let rejected = condition(&status, "TokensAccepted").unwrap();
    assert_eq!((rejected.0, rejected.1), ("False", "TokensRejected"));
    assert!(rejected.2.contains("may still run with an older Secret"), "{}", rejected.2);
    // Where the previous key is named, it need not be guessed.
    world.secret("jwt-old", "key", "canary-an-older-signing-key-0123456789abcdef");
    world.apply(&format!(
        "{{{probe}, jwt: {{secretRef: {{name: jwt, key: key}}, previousSecretRefs: [{{name: jwt-old, key: key}}]}}}}"
    ));
    let status = world
        .wait("the proof", |status| {
            condition(status, "TokensAccepted").is_some_and(|one| one.2.contains("the previous key"))
        })
        .await;
    assert!(condition(&status, "TokensAccepted").unwrap().2.contains("(Secret jwt-old/key)"));
    assert!(condition(&status, "Reconciling").is_some() && condition(&status, "Stalled").is_none());
    let rotation = status.signing_key.unwrap().rotation.unwrap();
    assert_eq!((rotation.may_go, rotation.until), (Some(false), None), "{}", rotation.why);

    drop(old);
    let _new = App::start(&world, KEY, port);
    let status = world.ready("True", "Consistent").await;
    assert_eq!(condition(&status, "TokensAccepted").map(|one| (one.0, one.1)), Some(("True", "Accepted")));
    let rotation = status.signing_key.unwrap().rotation.unwrap();
    assert_eq!(rotation.may_go, Some(false), "{}", rotation.why);
    assert!(rotation.until.is_some(), "{}", rotation.why);
    world.edit("{jwt: {lifetime: 2s}}").await;
    let status = world
        .wait("the end of the old key", |status| {
            let rotation = status.signing_key.as_ref().and_then(|key| key.rotation.as_ref());
            rotation.is_some_and(|rotation| rotation.may_go == Some(true))
        })
        .await;
    let trusted = condition(&status, "SigningKeyTrusted").unwrap();
    assert_eq!((trusted.0, trusted.1), ("True", "Trusted"));
    assert!(trusted.2.contains("the old keys may go"), "{}", trusted.2);
    assert!(!operator.logged().contains("eyJ"), "a token is in the log");
    nothing_leaks(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_accepts_anything_is_critical() {
    shared_operator();
    let world = World::new(&tables()).await;
    let port = &app_ports()[1];
    // A file server answers 200 to whoever asks, whatever token they bring.
    let mut server = Command::new(part("AUTHCON_TEST_PYTHON"))
        .args(["-m", "http.server", "--bind", "127.0.0.1", port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    world.apply(&format!("{{probe: {{verifiers: [{{name: api, url: 'http://app.test:{port}/'}}]}}}}"));
    let status = world.ready("False", "ForgedTokenAccepted").await;
    assert!(condition(&status, "Stalled").is_some());
    let message = condition(&status, "TokensAccepted").unwrap().2;
    assert!(message.contains("algorithm none") && message.contains("empty key"), "{message}");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test]
async fn a_probe_goes_to_no_host_that_the_flags_do_not_allow() {
    for (url, word) in [
        ("http://example.com/users/me", "example.com"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("http://api.kube-system.svc/", "kube-system"),
    ] {
        let world =
            crate::scenario("", &format!("{{probe: {{verifiers: [{{name: api, url: '{url}'}}]}}}}")).await;
        let status = world.ready("False", "VerifierHostNotAllowed").await;
        let message = condition(&status, "TokensAccepted").unwrap().2;
        assert!(message.contains(word), "{message}");
        nothing_leaks(&world).await;
    }
}
