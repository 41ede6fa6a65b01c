//! A mistake of ours in the pass over one resource, and a server that misbehaves, are that resource's alone.

use auth_consistency::api::AuthConsistencyStatus;

use crate::{
    fleet::passes,
    server::{At, Does, columns, lying, message, row, serve},
    world::{CONSISTENT, Launch, Operator, World, condition, until},
};

const FOREIGN: &str = "does not speak PostgreSQL's protocol";
const ROW: &str = "a row of it is not as it must be";

/// KiB by which the operator may grow for any server.
const GROWTH: u64 = 32 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_one_pass_is_told_on_its_resource_and_stops_no_other() {
    let (broken, sound) = (World::new(CONSISTENT).await, World::new(CONSISTENT).await);
    let other = World::new(CONSISTENT).await;
    let place = format!("pass over {}/app,pass over {}/app", broken.namespace, other.namespace);
    let mut operator = Operator::launch(&Launch {
        home: &format!("op-{}", broken.namespace),
        namespaces: &[&broken.namespace, &other.namespace, &sound.namespace],
        environment: &[("AUTH_CONSISTENCY_PANIC_AT", place)],
        extra: &["--log-filter", "debug"],
        directly: true,
        ..Launch::default()
    });
    broken.apply("");
    other.apply("");
    other.ready("False", "InternalError").await;
    let status: AuthConsistencyStatus = broken.ready("False", "InternalError").await;
    let (is, _, message) = condition(&status, "Ready").unwrap();
    assert!(is == "False" && message.contains("a mistake in auth-consistency ended the pass"), "{message}");
    assert_eq!(condition(&status, "Stalled").unwrap().0, "True");
    // It panics once more before the other one is looked at, and between its passes.
    sound.apply("");
    sound.ready("True", "Consistent").await;
    let failures = || operator.logged().matches("the pass has failed").count();
    until("another panic, after a wait", async || failures() >= 3).await;
    for _ in 0..2 {
        sound.another_pass().await;
    }
    assert!(operator.metrics().await.contains("auth_consistency_build"), "it answers");
    let log = operator.logged();
    assert!(log.contains("src/crash.rs:") && log.contains("panicked"), "{log}");
    assert!(!log.contains("canary") && !broken.shown().contains("canary"), "{log}");
    // One second, two, four: the waits grow.
    assert!(log.contains("\"failures\":3"), "{log}");
    operator.terminate();
    assert_eq!(operator.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_misbehave_are_told_on_their_resources_and_neither_stop_nor_swell_the_operator() {
    let parameter = message(b'S', &[b"a".repeat(1000), b"\0x\0".to_vec()].concat());
    let scram = [message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"), message(b'R', b"\0\0\0\x0br,s,i")].concat();
    let bad = [
        (serve(At::Hello, Does::Says(lying(b'R', 0, b"")), false).0, FOREIGN),
        (serve(At::Hello, Does::Floods(Vec::new(), parameter), false).0, "before it took a statement"),
        (serve(At::Begin, Does::Says(lying(b'C', i32::MAX, b"")), true).0, "a message of 2147483647 bytes"),
        // These made the driver panic.
        (serve(At::Password, Does::Says(message(b'K', &[0; 4])), false).0, FOREIGN),
        (serve(At::Rows(0), Does::Always(columns(&[25, 25]), row(&[Some(b"x")])), false).0, ROW),
        (serve(At::Hello, Does::Says(scram), false).0, FOREIGN),
    ];
    let sound = World::new(CONSISTENT).await;
    let mut worlds = Vec::new();
    for (port, said) in bad {
        worlds.push((World::new(CONSISTENT).await, port, said));
    }
    let namespaces: Vec<&str> =
        worlds.iter().map(|(world, ..)| world.namespace.as_str()).chain([sound.namespace.as_str()]).collect();
    let ways: Vec<String> =
        bad.iter().map(|(port, _)| format!("--resolve=bad.test:{port}:127.0.0.1")).collect();
    let flags = ways.iter().map(String::as_str).chain(["--log-filter", "debug"]);
    let mut operator = Operator::launch(&Launch {
        home: &format!("op-{}", sound.namespace),
        namespaces: &namespaces,
        extra: &flags.collect::<Vec<_>>(),
        directly: true,
        ..Launch::default()
    });
    sound.apply("");
    sound.ready("True", "Consistent").await;
    let before = operator.peak_kibibytes();
    for (world, port, said) in &worlds {
        world.secret("database", "url", &format!("postgres://app:canary-of-nobody@bad.test:{port}/app"));
        let tls = if said.contains("2147483647") { "Require" } else { "Disable" };
        world.apply(&format!("{{database: {{tls: {{mode: {tls}, caSecretRef: null}}}}}}"));
        let told = |status: &AuthConsistencyStatus| {
            condition(status, "DatabaseReachable").is_some_and(|(_, _, message)| message.contains(said))
        };
        let status = world.wait(said, told).await;
        assert_eq!(condition(&status, "Reconciling").unwrap().0, "True", "it is tried again");
    }
    for _ in 0..3 {
        sound.another_pass().await;
    }
    let grew = operator.peak_kibibytes() - before;
    assert!(grew < GROWTH, "it grew by {grew} KiB");
    let log = operator.logged();
    assert!(!log.contains("panicked") && !log.contains("canary"), "{log}");
    operator.terminate();
    assert_eq!(operator.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_pass_is_answered_once_however_long_and_unseen_its_value_is() {
    let world = World::new(CONSISTENT).await;
    let operator = Operator::launch(&Launch {
        home: &format!("op-{}", world.namespace),
        namespaces: &[&world.namespace],
        directly: true,
        ..Launch::default()
    });
    world.apply("{interval: 1h}");
    world.ready("True", "Consistent").await;
    let (long, unseen) = ("x".repeat(1100), "\u{202e}".repeat(1000));
    let mut handled = world.another_pass().await.last_handled_reconcile;
    let mut before = total(&operator).await;
    for value in [
        long.clone(),
        // They differ where a status that keeps the beginning has nothing of them.
        format!("{long}y"),
        "x".repeat(5000),
        unseen.clone(),
        format!("{unseen}a"),
        "a\r\nb".to_owned(),
    ] {
        world.annotate("auth.probeops.com/reconcile", &value);
        let other = |status: &AuthConsistencyStatus| status.last_handled_reconcile != handled;
        let status = world.wait("an answer to it", other).await;
        let kept = status.last_handled_reconcile.unwrap();
        assert!(
            kept.chars().count() <= 1024
                && kept.chars().all(|c| c.is_ascii_graphic() || c == ' ' || c == '…'),
            "{kept}"
        );
        handled = Some(kept);
        // A request that is taken for a new one again and again would have had its passes by the end of the next.
        handled = world.another_pass().await.last_handled_reconcile.or(handled);
        let now = total(&operator).await;
        assert_eq!(now - before, 2, "one pass for it, and one for the request after it");
        before = now;
    }
}

/// All passes that the operator has ended.
async fn total(operator: &Operator) -> u64 {
    passes(&operator.metrics().await).values().sum()
}
