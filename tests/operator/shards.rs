//! Two operators side by side in one cluster, each for a part of the resources.

use crate::world::{CONSISTENT, Launch, Operator, World, chart, kubectl, until};

/// The resources that an operator has looked at and keeps.
async fn looked_at(operator: &Operator) -> Vec<String> {
    let metrics = operator.metrics().await;
    let names = metrics.lines().filter(|line| line.starts_with("auth_consistency_ready{"));
    let name = |line: &str| line.split("name=\"").last().unwrap().split('"').next().unwrap().to_owned();
    let mut names: Vec<String> = names.map(name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_is_looked_at_by_one_of_two_shards_and_moves_over_with_its_label() {
    let world = World::new(CONSISTENT).await;
    for (name, shard) in [("one", Some("a")), ("two", Some("b")), ("three", None)] {
        let mut object = serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": name, "namespace": world.namespace},
            "spec": world.spec("{mode: Observe, interval: 1h}"),
        });
        if let Some(shard) = shard {
            object["metadata"]["labels"] = serde_json::json!({"shard": shard});
        }
        kubectl(&["apply", "-f", "-"], &object.to_string());
    }
    let home = format!("op-{}", world.namespace);
    let shard = |selector: &str, name: &str| {
        Operator::launch(&Launch {
            home: &home,
            namespaces: &[&world.namespace],
            extra: &[&format!("--watch-selector={selector}")],
            environment: &[("AUTHCON_POD_NAME", name.to_owned())],
            ..Launch::default()
        })
    };
    let (first, rest) = (shard("shard=a", "first"), shard("shard!=a", "rest"));
    for operator in [&first, &rest] {
        until("it", async || std::net::TcpStream::connect(&operator.listen).is_ok()).await;
    }
    let who = async || (looked_at(&first).await, looked_at(&rest).await);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let wanted = (names(&["one"]), names(&["three", "two"]));
    until("a look at each by one of them", async || who().await == wanted).await;

    let label = |name: &str, value: &str| {
        kubectl(&["label", "authcon", name, "-n", &world.namespace, "--overwrite", value], "");
    };
    label("two", "shard=a");
    let wanted = (names(&["one", "two"]), names(&["three"]));
    until("the move of one", async || who().await == wanted).await;
    label("one", "shard-");
    let wanted = (names(&["two"]), names(&["one", "three"]));
    until("the move of another", async || who().await == wanted).await;
    // Whoever has it is the only one who answers.
    for name in ["one", "two"] {
        kubectl(
            &["annotate", "authcon", name, "-n", &world.namespace, "auth.probeops.com/reconcile=now"],
            "",
        );
        until("the answer", async || {
            let object = world.api().get(name).await.unwrap();
            object.status.is_some_and(|status| status.last_handled_reconcile.as_deref() == Some("now"))
        })
        .await;
    }
    assert_eq!(who().await, wanted);
}

#[test]
fn two_releases_of_the_chart_share_nothing_but_the_resource_definition() {
    let selector = "watchSelector=shard in (a\\, b)";
    let rendered = chart("home", &[selector, "fullnameOverride=shard-a"], &["deployment", "rbac"]);
    assert!(rendered.contains("\"--watch-selector=shard in (a, b)\""), "{rendered}");
    assert!(rendered.contains("\"--lease-name=shard-a\"") && !rendered.contains("operator-auth-consistency"));
    let rest = chart("home", &["watchSelector=shard!=a", "crds.install=false"], &["deployment"]);
    assert!(rest.contains("\"--watch-selector=shard!=a\""), "{rest}");
    assert!(!chart("home", &[], &["deployment"]).contains("--watch-selector"));
}
