//! The process itself: what it says of what it may watch, how it ends, and what it writes into its log.

use std::sync::Mutex;

use tokio::{net::TcpStream, sync::watch};

use crate::world::{
    CONSISTENT, Database, Launch, Operator, PATIENCE, World, api_server, chart, condition, free_address, get,
    kubectl, until,
};

/// Waits for the end of an operator that was asked to end: its exit code.
async fn end(mut operator: Operator) -> (Option<i32>, String) {
    operator.terminate();
    let log = operator.log.clone();
    let waiting = tokio::task::spawn_blocking(move || operator.ended());
    let code = tokio::time::timeout(PATIENCE, waiting).await.expect("it does not end").unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("did not come to an end in time"), "{log}");
    (code, log)
}

async fn readyz(operator: &Operator) -> (u16, String) {
    until("the operator", async || std::net::TcpStream::connect(&operator.listen).is_ok()).await;
    get(&format!("http://{}/readyz", operator.listen)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_where_the_api_server_is_away_since_the_start() {
    let world = World::new(CONSISTENT).await;
    let (home, nobody) = (format!("op-{}", world.namespace), format!("https://{}", free_address()));
    let namespaces = [world.namespace.as_str()];
    let away = Launch {
        home: &home,
        namespaces: &namespaces,
        server: Some(&nobody),
        directly: true,
        ..Launch::default()
    };
    let operator = Operator::launch(&away);
    let (code, text) = readyz(&operator).await;
    let waits =
        format!("[-]watch of namespace {} waiting for the first list of resources\n", world.namespace);
    assert!(code == 503 && text.contains(&waits), "{text}");
    until("a first try", async || operator.logged().contains("the watch was broken off")).await;
    assert_eq!(end(operator).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_forbidden_is_named_and_keeps_nobody_from_working_or_ending() {
    let (world, other) = (World::new(CONSISTENT).await, World::new(CONSISTENT).await);
    let home = format!("op-{}", world.namespace);
    let (granted, forbidden) = (world.namespace.as_str(), other.namespace.as_str());
    let operator = Operator::launch(&Launch {
        home: &home,
        namespaces: &[granted],
        extra: &["--namespace", forbidden],
        directly: true,
        ..Launch::default()
    });
    world.apply("");
    world.ready("True", "Consistent").await;
    let refused = format!(
        "[-]watch of namespace {forbidden} refused: the operator may not list and watch AuthConsistencies here (403): "
    );
    until("the refusal", async || readyz(&operator).await.1.contains(&refused)).await;
    let (code, text) = readyz(&operator).await;
    assert!(code == 503 && text.contains(&format!("[+]watch of namespace {granted} ok\n")), "{text}");
    assert_eq!(end(operator).await.0, Some(0));
}

/// Stands between the operator and the API server, and cuts all connections when it is told.
async fn relay() -> (String, watch::Sender<u32>) {
    let upstream = api_server().trim_start_matches("https://").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let (cut, cuts) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&upstream).await.unwrap();
            let mut cuts = cuts.clone();
            cuts.mark_unchanged();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_refused_after_the_start_makes_it_unready_until_it_is_let_in_again() {
    let world = World::new(CONSISTENT).await;
    let (home, (server, cut)) = (format!("op-{}", world.namespace), relay().await);
    let namespaces = [world.namespace.as_str()];
    let operator = Operator::launch(&Launch {
        home: &home,
        namespaces: &namespaces,
        server: Some(&server),
        directly: true,
        ..Launch::default()
    });
    world.apply("");
    world.ready("True", "Consistent").await;
    assert_eq!(readyz(&operator).await.0, 200);
    kubectl(&["delete", "rolebinding", "--all", "-n", &world.namespace], "");
    // A watch that runs goes on whatever becomes of the rights.
    cut.send_modify(|cuts| *cuts += 1);
    until("the refusal", async || readyz(&operator).await.0 == 503).await;
    let (_, text) = readyz(&operator).await;
    assert!(text.contains(&format!("[-]watch of namespace {} refused: ", world.namespace)), "{text}");
    let rbac = chart(&home, &[&format!("watchNamespaces[0]={}", world.namespace)], &["rbac"]);
    kubectl(&["apply", "-f", "-"], &rbac);
    until("readiness", async || readyz(&operator).await.0 == 200).await;
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    world.another_pass().await;
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "admin");
    assert_eq!(end(operator).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_takes_long_does_not_hold_up_the_end_and_no_resource_that_waits_begins() {
    let world = World::new(CONSISTENT).await;
    let home = format!("op-{}", world.namespace);
    let operator = Operator::launch(&Launch {
        home: &home,
        namespaces: &[&world.namespace],
        extra: &["--concurrent-passes", "1"],
        directly: true,
        ..Launch::default()
    });
    world.apply("{timeout: 10m, interval: 1h}");
    world.ready("True", "Consistent").await;
    // A lock that nothing passes by, until this connection ends.
    let mut held = Database::superuser(&world.database.name).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut held).await.unwrap();
    world.annotate("auth.probeops.com/reconcile", "now");
    until("a pass that waits", async || {
        let waits =
            "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = ";
        world.database.text(&format!("{waits}'{}'", world.database.name)).await != "0"
    })
    .await;
    let (code, _) = end(operator).await;
    assert_eq!(code, Some(0));
    let status = world.api().get("app").await.unwrap().status.unwrap();
    assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("True"), "nobody saw anything of it");
    assert_ne!(status.last_handled_reconcile.as_deref(), Some("now"), "and it is still to be done");
}

/// A line of the log, as one reads it who takes no key twice.
#[derive(serde::Deserialize)]
struct Strict(#[serde(deserialize_with = "once")] serde_json::Map<String, serde_json::Value>);

fn once<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<serde_json::Map<String, serde_json::Value>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = serde_json::Map<String, serde_json::Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = Self::Value::new();
            while let Some((key, value)) = access.next_entry::<String, serde_json::Value>()? {
                if map.insert(key.clone(), value).is_some() {
                    return Err(serde::de::Error::custom(format!("{key:?} stands there twice")));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Visitor)
}

fn lines(log: &str) -> Vec<serde_json::Map<String, serde_json::Value>> {
    log.lines()
        .map(|line| serde_json::from_str::<Strict>(line).unwrap_or_else(|error| panic!("{error}: {line}")).0)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_events_say_what_was_done_once_each_and_nothing_of_what_is_settled() {
    let world = World::new(CONSISTENT).await;
    let home = format!("op-{}", world.namespace);
    let environment = [("AUTHCON_POD_NAME", "operator-5d8f-x7k2p".to_owned())];
    let operator = Operator::start(&home, &[&world.namespace], &[], &environment);
    world.apply("{interval: 1h}");
    world.ready("True", "Consistent").await;
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    world.another_pass().await;
    world.database.run("INSERT INTO usage_logs (user_id, tool) SELECT 1, 'x'; ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey; UPDATE usage_logs SET user_id = -1 WHERE tool = 'x'").await;
    world.edit("{references: {rules: [{table: usage_logs, columns: [user_id], declared: true, onOrphan: Delete}], limits: {rows: 0}}}").await;
    world.ready("False", "ApprovalRequired").await;
    let hash = world.plan_hash().await.unwrap();
    world.annotate("auth.probeops.com/approve", "something else");
    world
        .wait("the refusal", |status| {
            condition(status, "Ready").is_some_and(|one| one.2.contains("is for another plan"))
        })
        .await;
    world.annotate("auth.probeops.com/approve", &hash);
    world.ready("True", "Consistent").await;
    until("the last line", async || operator.logged().matches("the verdict has changed").count() >= 3).await;

    let all = lines(&operator.logged());
    let of = |message: &str| all.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    let repaired = of("repaired");
    let actions: Vec<_> = repaired.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["Correct", "Delete"]);
    assert!(repaired.iter().all(|line| line["rows"].is_i64() && line["name"] == "app"), "{repaired:?}");
    assert!(of("the approval was used").iter().any(|line| line["approval"] == hash));
    assert_eq!((of("the approval was used").len(), of("the approval was not used").len()), (1, 1));
    let verdicts: Vec<_> = of("the verdict has changed").iter().map(|line| line["reason"].clone()).collect();
    assert_eq!(verdicts, ["Consistent", "ApprovalRequired", "Consistent"]);

    // What is settled says nothing, and what is deleted is no warning.
    let before = all.len();
    for _ in 0..3 {
        world.another_pass().await;
    }
    kubectl(&["delete", "authcon", "app", "-n", &world.namespace], "");
    until("its end", async || !operator.metrics().await.contains(&world.namespace)).await;
    let after = lines(&operator.logged());
    assert!(after[before..].is_empty(), "{:?}", &after[before..]);

    let events = kubectl(&["get", "events", "-n", &world.namespace, "-o", "json"], "");
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    for event in events["items"].as_array().unwrap() {
        assert_eq!(event["reportingInstance"], "operator-5d8f-x7k2p", "{event}");
        assert!(!event["lastTimestamp"].is_null() && !event["eventTime"].is_null(), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_describe_shows_events_in_the_order_in_which_things_were_done() {
    let world = World::new(CONSISTENT).await;
    let home = format!("op-{}", world.namespace);
    let _operator = Operator::start(&home, &[&world.namespace], &[], &[]);
    world.apply("{interval: 1h}");
    world.ready("True", "Consistent").await;
    // Findings that come and go, some in one second, some not.
    world.edit("{users: {table: nowhere}}").await;
    world.ready("False", "UserTableMissing").await;
    world.edit("{users: {table: users}}").await;
    world.ready("True", "Consistent").await;
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    world.another_pass().await;
    world.edit("{admin: {passwordSecretRef: {name: nowhere}}}").await;
    world.ready("False", "SecretMissing").await;
    let described = Mutex::new(String::new());
    until("the last event", async || {
        let text = kubectl(&["describe", "authcon", "app", "-n", &world.namespace], "");
        let came = text.rsplit("Events:").next().unwrap().contains("SecretMissing");
        *described.lock().unwrap() = text;
        came
    })
    .await;
    let described = described.into_inner().unwrap();
    let events = described.rsplit("Events:").next().unwrap();
    let reasons: Vec<&str> = events
        .lines()
        .filter(|line| line.trim_start().starts_with("Normal") || line.trim_start().starts_with("Warning"))
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(
        reasons,
        ["Consistent", "UserTableMissing", "Consistent", "Repaired", "SecretMissing"],
        "{events}"
    );
    assert!(!events.contains("<unknown>"), "{events}");
    // What was done is told as done.
    let repaired = events.lines().find(|line| line.contains("Repaired")).unwrap();
    assert!(repaired.contains("put role of admin@probeops.com right"), "{repaired}");
}
