//! The operator as a process: killed at every effect, held to the chart's rights, older than its
//! objects and younger, stopped by signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod crashes;
mod endpoints;
#[path = "../scenarios/fleet.rs"]
mod fleet;
mod leader;
mod life;
mod load;
mod page;
mod panics;
mod requests;
#[path = "../wire/server.rs"]
#[allow(dead_code, reason = "a part of what servers can do")]
mod server;
mod shards;
#[path = "../scenarios/world.rs"]
mod world;

use std::collections::BTreeSet;

use world::{CONSISTENT, Operator, World, chart, condition, get, kubectl, part, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_chart_grants_are_exactly_those_that_are_used() {
    let world = World::new(CONSISTENT).await;
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    let home = format!("op-{}", world.namespace);
    let extra = leader::flags(&home, leader::SHORT);
    let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
    let operator = Operator::start(&home, &[&world.namespace], &extra, &[]);
    kubectl(
        &[
            "create",
            "configmap",
            "before",
            "-n",
            &world.namespace,
            "--from-literal=before.csv=id,login\n1,admin@probeops.com\n",
        ],
        "",
    );
    world.apply("{references: {identities: {configMapRef: {name: before}}}}");
    world.ready("True", "Consistent").await;
    until("an event", async || world.shown().contains("reason: Repaired")).await;
    assert_eq!(used_by(operator).await, granted_with(&[]));
}

/// Ends an operator and gives every right that it has used, by the API server's audit log. None was refused.
async fn used_by(operator: Operator) -> BTreeSet<String> {
    let user = operator.user.clone();
    drop(operator);
    let read = || std::fs::read_to_string(part("AUTHCON_TEST_AUDIT_LOG")).unwrap();
    // A watch is in the audit log when the API server has seen its end.
    until("the watch's end", async || {
        read().lines().any(|line| line.contains(&user) && line.contains("\"verb\":\"watch\""))
    })
    .await;
    let log = read();
    let mut used = BTreeSet::new();
    for line in log.lines().filter(|line| line.contains(&user)) {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_ne!(entry["responseStatus"]["code"], 403, "{line}");
        let Some(resource) = entry["objectRef"]["resource"].as_str() else { continue };
        // Who it is may be asked by everybody who is signed in, by a role of Kubernetes' own.
        if resource == "selfsubjectreviews" {
            continue;
        }
        let sub = entry["objectRef"]["subresource"].as_str().map_or(String::new(), |sub| format!("/{sub}"));
        let group = entry["objectRef"]["apiGroup"].as_str().unwrap_or_default();
        used.insert(format!("{} {group}:{resource}{sub}", entry["verb"].as_str().unwrap()));
    }
    used
}

/// Every right that the chart grants with some values.
fn granted_with(values: &[&str]) -> BTreeSet<String> {
    let mut granted = BTreeSet::new();
    let rendered = chart("x", &[&["watchNamespaces[0]=x"], values].concat(), &["rbac"]);
    for document in rendered.split("\n---").filter(|document| document.contains("\nkind: Role\n")) {
        let role: serde_json::Value = serde_saphyr::from_str(document).unwrap();
        for rule in role["rules"].as_array().unwrap() {
            for (verb, group, resource) in rights(rule) {
                granted.insert(format!("{verb} {group}:{resource}"));
            }
        }
    }
    granted
}

fn rights(rule: &serde_json::Value) -> Vec<(String, String, String)> {
    let list = |name: &str| -> Vec<String> {
        rule[name].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut all = Vec::new();
    for verb in list("verbs") {
        for group in list("apiGroups") {
            for resource in list("resources") {
                all.push((verb.clone(), group.clone(), resource));
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_nobody_has_looked_at_is_never_taken_for_healthy() {
    let world = World::new(CONSISTENT).await;
    world.apply("");
    let object = world.api().get("app").await.unwrap();
    let status = object.status.unwrap();
    assert_eq!((status.observed_generation, status.conditions.len()), (-1, 0));
    let _operator = Operator::start(&format!("op-{}", world.namespace), &[&world.namespace], &[], &[]);
    world.ready("True", "Consistent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_the_schema_would_refuse_today_is_told_and_does_not_stop_the_others() {
    world::install_crd();
    // An older schema took anything; the object is from then.
    let real = chart("default", &[], &["crd"]);
    let mut older: serde_json::Value = serde_saphyr::from_str(&real).unwrap();
    older["metadata"]["name"] = "authconsistencies.auth.probeops.com".into();
    older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let old = World::new(CONSISTENT).await;
    let good = World::new(CONSISTENT).await;
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &older.to_string());
    until("the older schema", async || {
        let manifest = serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": "app", "namespace": old.namespace},
            "spec": {"interval": "1ms", "database": {"urlSecretRef": {"name": "database", "key": "url"}}, "users": {"preset": "Cobol"}},
        });
        std::process::Command::new(part("AUTHCON_TEST_KUBECTL"))
            .args(["create", "--validate=false", "-f", "-"])
            .stdin({
                let path = std::env::temp_dir().join(format!("{}.json", old.namespace));
                std::fs::write(&path, manifest.to_string()).unwrap();
                std::fs::File::open(path).unwrap()
            })
            .output()
            .unwrap()
            .status
            .success()
    })
    .await;
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &real);
    let namespaces = [old.namespace.as_str(), good.namespace.as_str()];
    let operator = Operator::start(&format!("op-{}", old.namespace), &namespaces, &[], &[]);
    good.apply("");
    good.ready("True", "Consistent").await;
    until("the verdict", async || {
        let text = kubectl(&["get", "authcon", "app", "-n", &old.namespace, "-o", "json"], "");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let of = |name: &str| conditions.iter().find(|one| one["type"] == name).cloned().unwrap_or_default();
        of("Ready")["reason"] == "SpecInvalid"
            && of("Stalled")["status"] == "True"
            && of("Ready")["message"].as_str().is_some_and(|message| message.contains("spec.users.preset"))
    })
    .await;
    // Its own interval is as invalid as the rest, and means nothing: one pass, and one for what woke it.
    for _ in 0..5 {
        good.another_pass().await;
    }
    let failed = fleet::passes(&operator.metrics().await)["failed"];
    assert!(failed <= 2, "{failed} passes over what is invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_without_the_label_are_not_used_where_the_flag_asks_for_it() {
    let world = World::new(CONSISTENT).await;
    kubectl(&["label", "secret", "jwt", "-n", &world.namespace, "auth.probeops.com/use-"], "");
    let home = format!("op-{}", world.namespace);
    let _operator = Operator::start(&home, &[&world.namespace], &["--require-secret-label"], &[]);
    world.apply("");
    let status = world.ready("False", "SecretNotPermitted").await;
    let (is, why, message) = condition(&status, "SigningKeyTrusted").unwrap();
    assert!(is == "Unknown" && why == "SecretNotPermitted" && message.contains("auth.probeops.com/use=true"));
    kubectl(&["label", "secret", "jwt", "-n", &world.namespace, "auth.probeops.com/use=true"], "");
    world.annotate("auth.probeops.com/reconcile", "now");
    world.ready("True", "Consistent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_answer_from_the_start_and_a_signal_ends_it_cleanly() {
    let world = World::new(CONSISTENT).await;
    let home = format!("op-{}", world.namespace);
    let mut operator = Operator::start_directly(&home, &[&world.namespace], &[]);
    let listen = operator.listen.clone();
    until("the operator", async || std::net::TcpStream::connect(&listen).is_ok()).await;
    assert_eq!(get(&format!("http://{listen}/livez")).await.0, 200);
    until("readiness", async || get(&format!("http://{listen}/readyz")).await.0 == 200).await;
    assert!(operator.metrics().await.ends_with("# EOF\n"));
    operator.terminate();
    assert_eq!(operator.ended(), Some(0));
}
