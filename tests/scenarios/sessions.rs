//! Old tokens end without anyone opening developer tools, from the database to the app.

use std::process::{Command, Stdio};

use crate::{
    app::{App, tables},
    nothing_leaks,
    world::{KEY, World, condition, free_address, kubectl, shared_operator, until},
};

/// A token of the subject, made by the command line.
fn mint(subject: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
        .args(["token", "mint", "--subject", subject])
        .env_clear()
        .env("JWT_SECRET", KEY)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What the app says to a token: status, and whom it takes the holder for.
async fn me(port: &str, token: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.get(format!("http://127.0.0.1:{port}/users/me")).bearer_auth(token);
    let response = asked.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_before_that_signs_in_as_somebody_else_is_refused_by_the_app_once_sessions_were_ended() {
    shared_operator();
    let world = World::new(&tables()).await;
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let _app = App::start(&world, KEY, port);
    let old = mint("2");
    let minted = world.database.text("SELECT extract(epoch FROM now())::int8::text").await;
    assert_eq!(me(port, &old).await.0, 200);
    // Ada and Brook change places.
    let moved = "SET session_replication_role = replica; UPDATE users SET id = id + 1000 WHERE id > 1; UPDATE users SET id = 1005 - id WHERE id > 1000";
    world.database.run(moved).await;
    let (status, body) = me(port, &old).await;
    assert!(status == 200 && body.contains("brook@example.com"), "Ada's token signs in as Brook: {body}");

    let people = "id,login\n1,admin@probeops.com\n2,ada@example.com\n3,brook@example.com\n";
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before", "namespace": world.namespace},
        "data": {"people.csv": people},
    });
    kubectl(&["apply", "-f", "-"], &map.to_string());
    world.apply(
        "{references: {identities: {configMapRef: {name: before}}}, sessions: {invalidateBeforeColumn: tokens_valid_after}}",
    );
    let status = world.ready("False", "ApprovalRequired").await;
    let plan = status.plan.unwrap();
    assert_eq!((plan.rows, plan.steps[0].action.as_str()), (2, "EndSessions"));
    assert_eq!(me(port, &old).await.0, 200, "nobody is signed out before it is approved");
    // A token says its time in whole seconds.
    let later = format!("SELECT (extract(epoch FROM now())::int8 > {minted} + 1)::text");
    until("another second", async || world.database.text(&later).await == "true").await;
    world.annotate("auth.probeops.com/approve", plan.hash.as_deref().unwrap());
    let status = world.ready("False", "IdentityShifted").await;
    assert_eq!(status.history[0].action.as_str(), "EndSessions");
    assert!(condition(&status, "ReferencesConsistent").is_some());
    assert_eq!(me(port, &old).await.0, 401, "the old token is refused");
    let (status, body) = me(port, &mint("2")).await;
    assert!(status == 200 && body.contains("brook@example.com"), "a new one is accepted: {body}");
    nothing_leaks(&world).await;
}
