//! Many resources at once: what the operator takes of memory and connections, and that nobody sees it begin anew.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use auth_consistency::api::AuthConsistency;
use futures::StreamExt;
use kube::{
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};

use crate::{
    fleet::{self, all_ready, passes},
    world::{CONSISTENT, Database, Launch, Operator, World, condition, until},
};

/// With a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The most that the operator may take with a hundred resources, each with a key of its own.
const MOST_KIBIBYTES: u64 = 64 * 1024;

/// What of it may not be pages of the program itself. A debug build has 38 MiB of those, and the kernel takes
/// them back where it needs them.
const MOST_DATA_KIBIBYTES: u64 = 48 * 1024;

fn assert_small(operator: &Operator, when: &str) {
    let (peak, program) = (operator.peak_kibibytes(), operator.program_kibibytes());
    assert!(peak - program <= MOST_DATA_KIBIBYTES, "{peak} KiB {when}, {program} of them its program");
    assert!(cfg!(debug_assertions) || peak <= MOST_KIBIBYTES, "{peak} KiB {when}");
}

/// Every revision of every resource from now on.
fn recorded(world: &World) -> Arc<Mutex<Vec<AuthConsistency>>> {
    let record = Arc::new(Mutex::new(Vec::new()));
    let (into, api) = (Arc::clone(&record), world.api());
    tokio::spawn(async move {
        let mut seen = Box::pin(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
        while let Some(object) = seen.next().await {
            into.lock().unwrap().extend(object);
        }
    });
    record
}

fn shown(object: &AuthConsistency) -> (String, String, String) {
    let status = object.status.clone().unwrap_or_default();
    let ready = condition(&status, "Ready").map(|one| (one.0.to_owned(), one.1.to_owned()));
    let (ready, reason) = ready.unwrap_or_default();
    (object.metadata.name.clone().unwrap(), ready, reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_keys_fit_into_64_mebibytes_and_a_restart_changes_nothing_that_people_see() {
    let world = World::new(CONSISTENT).await;
    fleet::create(&world, 100, 100).await;
    let (home, namespaces) = (format!("op-{}", world.namespace), [world.namespace.as_str()]);
    let launch = Launch { home: &home, namespaces: &namespaces, directly: true, ..Launch::default() };
    let operator = Operator::launch(&launch);
    all_ready(&world, 100, PATIENCE).await;
    assert_small(&operator, "at the first start");
    drop(operator);

    let record = recorded(&world);
    until("the record's first list", async || record.lock().unwrap().len() >= 100).await;
    let operator = Operator::launch(&launch);
    // A refused connection means that it is not there yet.
    let passed = async || passes(&metrics(&operator).await).get("consistent").is_some_and(|all| *all >= 100);
    until("a pass of each of them", passed).await;
    assert_small(&operator, "at a restart");
    let record = record.lock().unwrap();
    let mut before = BTreeMap::new();
    for object in record.iter() {
        let (name, ready, reason) = shown(object);
        assert_eq!((ready.as_str(), reason.as_str()), ("True", "Consistent"), "{name}");
        // Where a pass took ten seconds, that it is under way is all that it says.
        let condition = object.status.clone().unwrap().conditions[0].clone();
        assert_eq!(before.entry(name).or_insert_with(|| condition.clone()), &condition);
    }
    assert_eq!(before.len(), 100);
    fleet::remove(&world);
}

async fn metrics(operator: &Operator) -> String {
    until("the operator", async || std::net::TcpStream::connect(&operator.listen).is_ok()).await;
    operator.metrics().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_has_no_more_connections_than_it_may_and_all_have_their_turn() {
    let world = World::new(CONSISTENT).await;
    fleet::create(&world, 20, 1).await;
    let home = format!("op-{}", world.namespace);
    let counting = Arc::new(Mutex::new(0));
    let (most, role) = (Arc::clone(&counting), world.database.role.clone());
    let mut connection = Database::superuser("postgres").await;
    let count = tokio::spawn(async move {
        loop {
            let now: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = $1")
                .bind(&role)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            let mut most = most.lock().unwrap();
            *most = now.max(*most);
        }
    });
    let extra = ["--connections-per-server", "1", "--concurrent-passes", "6"];
    let _operator = Operator::start(&home, &[&world.namespace], &extra, &[]);
    all_ready(&world, 20, PATIENCE).await;
    count.abort();
    // One that says good-bye may still be counted while the next one comes.
    let most = *counting.lock().unwrap();
    assert!((1..=2).contains(&most), "{most} at once");
    fleet::remove(&world);
}

/// How many passes wait: what was asked for, and routine ones.
async fn waiting(operator: &Operator) -> [u64; 2] {
    let text = metrics(operator).await;
    ["asked", "routine"].map(|lane| {
        let line = format!("auth_consistency_passes_waiting{{lane=\"{lane}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)).unwrap().parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_new_resource_are_looked_at_before_the_routine_passes_that_wait() {
    const ROUTINE: u64 = 16;
    let held = "CREATE TYPE tag AS ENUM ('1'); \
        CREATE FUNCTION spelled(tag) RETURNS text LANGUAGE plpgsql AS \
          $$BEGIN LOOP EXIT WHEN pg_catalog.pg_try_advisory_xact_lock_shared(4711); PERFORM pg_catalog.pg_sleep(0.05); \
            END LOOP; RETURN pg_catalog.enum_out($1); END$$; \
        CREATE CAST (tag AS text) WITH FUNCTION spelled(tag); \
        CREATE TABLE tags (id int PRIMARY KEY, owner tag); INSERT INTO tags VALUES (1, '1');";
    let world = World::new(&format!("{CONSISTENT}{held}")).await;
    let fields = "{mode: Observe, interval: 1h, timeout: 5m, \
        references: {rules: [{table: tags, columns: [owner], declared: true}]}}";
    for at in 0..ROUTINE {
        let object = serde_json::from_value(serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": format!("routine-{at}")}, "spec": world.spec(fields),
        }))
        .unwrap();
        world.api().create(&Default::default(), &object).await.unwrap();
    }
    let mut holder = Database::superuser(&world.database.name).await;
    sqlx::raw_sql("SELECT pg_advisory_lock(4711)").execute(&mut holder).await.unwrap();
    let record = recorded(&world);
    let home = format!("op-{}", world.namespace);
    let extra = ["--connections-per-server", "1", "--concurrent-passes", "1"];
    let operator = Operator::start(&home, &[&world.namespace], &extra, &[]);
    let begun = || {
        let record = record.lock().unwrap();
        // The API server gives every object a status of its own, without conditions.
        let looked_at = |object: &&AuthConsistency| {
            object.status.as_ref().is_some_and(|status| !status.conditions.is_empty())
        };
        record
            .iter()
            .filter(looked_at)
            .map(|object| object.metadata.name.clone().unwrap())
            .collect::<Vec<_>>()
    };
    let ready = || record.lock().unwrap().iter().filter(|object| shown(object).1 == "True").count();
    until("a pass that is held up", async || !begun().is_empty()).await;
    until("the others' wait", async || waiting(&operator).await == [0, ROUTINE - 1]).await;

    let under_way = begun().remove(0);
    let edited = (0..ROUTINE).map(|at| format!("routine-{at}")).rfind(|name| *name != under_way).unwrap();
    let edit = serde_json::json!({"spec": {"interval": "2h"}});
    world.api().patch(&edited, &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
    world.apply(fields);
    until("the two that were asked for", async || waiting(&operator).await == [2, ROUTINE - 2]).await;
    assert_eq!(ready(), 0, "nobody was let in meanwhile");

    sqlx::raw_sql("SELECT pg_advisory_unlock(4711)").execute(&mut holder).await.unwrap();
    all_ready(&world, ROUTINE as usize + 1, PATIENCE).await;
    until("the record of all", async || ready() > ROUTINE as usize).await;
    let mut order = Vec::new();
    for (name, ready, _) in record.lock().unwrap().iter().map(shown) {
        if ready == "True" && !order.contains(&name) {
            order.push(name);
        }
    }
    assert_eq!(order.first(), Some(&under_way), "{order:?}");
    // One routine pass stands in the line for turns, and one in that for connections.
    for name in [edited.as_str(), "app"] {
        let at = order.iter().position(|one| one == name).unwrap();
        assert!(at <= 4, "{name} came after {:?}", &order[..at]);
    }
    assert_eq!(waiting(&operator).await, [0, 0]);
    fleet::remove(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_holds_up_nobody_on_another_one() {
    let world = World::new(CONSISTENT).await;
    // It takes connections, and says nothing to anybody.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            open.push(stream);
        }
    });
    world.secret("silent", "url", &format!("postgresql://someone:secret@silent.test:{port}/app"));
    for at in 0..30 {
        let spec = world.spec("{mode: Observe, database: {urlSecretRef: {name: silent}}}");
        let object = serde_json::from_value(serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": format!("silent-{at}")}, "spec": spec,
        }))
        .unwrap();
        world.api().create(&Default::default(), &object).await.unwrap();
    }
    let home = format!("op-{}", world.namespace);
    let resolve = format!("silent.test:{port}:127.0.0.1");
    let extra = ["--connections-per-server", "1", "--concurrent-passes", "2", "--resolve", &resolve];
    let operator = Operator::start(&home, &[&world.namespace], &extra, &[]);
    // One of them is being waited for, and the others wait for that.
    until("the first list", async || operator.logged().contains("the resources are watched")).await;
    world.apply("{mode: Observe}");
    world.ready("True", "Consistent").await;
    let silent = passes(&operator.metrics().await).get("failed").copied().unwrap_or_default();
    assert!(silent < 30, "the good one had to wait for all {silent} of them");
    fleet::remove(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_takes_long_keeps_ready_as_it_was_and_says_only_that_it_is_under_way() {
    let slow = "CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0); \
        CREATE TYPE tag AS ENUM ('1', '2'); \
        CREATE FUNCTION spelled(tag) RETURNS text LANGUAGE plpgsql AS \
          $$BEGIN PERFORM pg_catalog.pg_sleep(seconds) FROM public.pace; RETURN pg_catalog.enum_out($1); END$$; \
        CREATE CAST (tag AS text) WITH FUNCTION spelled(tag); \
        CREATE TABLE tags (id int PRIMARY KEY, owner tag); \
        INSERT INTO tags SELECT n, '1' FROM generate_series(1, 100) n;";
    let world = World::new(&format!("{CONSISTENT}{slow}")).await;
    let home = format!("op-{}", world.namespace);
    let _operator = Operator::start(&home, &[&world.namespace], &[], &[]);
    world.apply(
        "{interval: 1h, timeout: 5m, references: {rules: [{table: tags, columns: [owner], declared: true}]}}",
    );
    world.ready("True", "Consistent").await;
    world.database.run("UPDATE pace SET seconds = 0.13").await;
    let record = recorded(&world);
    until("the record's first list", async || !record.lock().unwrap().is_empty()).await;
    world.another_pass().await;
    until("the last revision", async || {
        let object = world.api().get("app").await.unwrap();
        record.lock().unwrap().last().unwrap().metadata.resource_version == object.metadata.resource_version
    })
    .await;
    let record = record.lock().unwrap();
    let mut told = 0;
    let first = record.first().unwrap().status.clone().unwrap().conditions;
    for object in record.iter() {
        let status = object.status.clone().unwrap();
        assert_eq!(shown(object).1, "True");
        assert_eq!(status.conditions[0], first[0], "Ready is as it was to the letter");
        told += usize::from(condition(&status, "Reconciling").is_some_and(|one| one.0 == "True"));
    }
    assert!(told > 0, "{} revisions, and none said that a pass is under way", record.len());
    let last = record.last().unwrap().status.clone().unwrap();
    assert_eq!((condition(&last, "Reconciling"), &last.progress), (None, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_that_is_changed_in_a_loop_makes_no_more_than_one_pass_a_second() {
    let world = World::new(CONSISTENT).await;
    let home = format!("op-{}", world.namespace);
    let operator = Operator::start(&home, &[&world.namespace], &[], &[]);
    world.apply("{mode: Observe, interval: 1h}");
    world.ready("True", "Consistent").await;
    let count = async || passes(&operator.metrics().await).values().sum::<u64>();
    let (began, before) = (Instant::now(), count().await);
    let mut last = String::new();
    // Every annotation that wakes, a finalizer, and the spec itself.
    for at in 0..150 {
        last = at.to_string();
        let patch = match at % 4 {
            0 => serde_json::json!({"metadata": {"annotations": {"auth.probeops.com/reconcile": last}}}),
            1 => serde_json::json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": last}}}),
            2 => serde_json::json!({"spec": {"interval": format!("{}m", 60 + at)}}),
            _ => serde_json::json!({"metadata": {"annotations": {"auth.probeops.com/approve": last}}}),
        };
        world.api().patch("app", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
    world.annotate("auth.probeops.com/reconcile", "the end");
    world
        .wait("the last request", |status| status.last_handled_reconcile.as_deref() == Some("the end"))
        .await;
    let (passes, seconds) = (count().await - before, began.elapsed().as_secs());
    assert!(passes <= seconds + 2, "{passes} passes in {seconds} s for {last} changes");
}

/// What a resource's status says of its signing key, by the resource's name.
async fn fingerprints(world: &World) -> BTreeMap<String, Option<String>> {
    let objects = world.api().list(&Default::default()).await.unwrap();
    let of = |object: AuthConsistency| {
        let key = object.status.unwrap_or_default().signing_key;
        (object.metadata.name.unwrap(), key.and_then(|key| key.fingerprint))
    };
    objects.into_iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_wait_for_no_fingerprint_and_keys_that_changed_meanwhile_are_told_once() {
    const SIZE: usize = 16;
    let world = World::new(CONSISTENT).await;
    fleet::create(&world, SIZE, SIZE).await;
    let home = format!("op-{}", world.namespace);
    let namespaces = [world.namespace.as_str()];
    let launch = Launch {
        home: &home,
        namespaces: &namespaces,
        extra: &["--concurrent-passes", "1"],
        ..Launch::default()
    };
    let record = recorded(&world);
    until("the record's first list", async || record.lock().unwrap().len() >= SIZE).await;
    let operator = Operator::launch(&launch);
    let all_known = async || fingerprints(&world).await.values().all(Option::is_some);
    until("all fingerprints", all_known).await;
    let before = fingerprints(&world).await;
    assert_eq!(before.values().collect::<std::collections::BTreeSet<_>>().len(), SIZE, "a key for each");
    let mut put_off = 0;
    for object in std::mem::take(&mut *record.lock().unwrap()) {
        let status = object.status.clone().unwrap_or_default();
        let ready = shown(&object).1 == "True";
        put_off += usize::from(ready && status.signing_key.is_none());
        assert!(status.signing_key.is_none_or(|key| key.fingerprint.is_some() && key.changed_time.is_none()));
    }
    assert!(put_off > 0, "each verdict has waited");
    drop(operator);

    // Every other key is another one when the operator comes back.
    for at in (0..SIZE).step_by(2) {
        world.secret(
            &format!("jwt-{at}"),
            "key",
            &format!("canary-{at}-6b1f0c5d7e9a4238-the-key-after-that"),
        );
    }
    let operator = Operator::launch(&launch);
    let changed = |now: &BTreeMap<String, Option<String>>| -> Vec<String> {
        now.iter().filter(|(name, print)| before[*name] != **print).map(|(name, _)| name.clone()).collect()
    };
    until("all changes", async || changed(&fingerprints(&world).await).len() == SIZE / 2).await;
    let passed = async || passes(&metrics(&operator).await).values().sum::<u64>() >= SIZE as u64;
    until("a pass of each of them", passed).await;
    let quiet = async || {
        let text = metrics(&operator).await;
        ["asked", "routine"]
            .iter()
            .all(|lane| text.contains(&format!("passes_waiting{{lane=\"{lane}\"}} 0\n")))
    };
    until("nobody waits any more", quiet).await;
    let mut wanted: Vec<String> = (0..SIZE).step_by(2).map(|at| format!("app-{at}")).collect();
    wanted.sort();
    assert_eq!(changed(&fingerprints(&world).await), wanted);
    let told = || {
        let events = crate::world::kubectl(&["get", "events", "-n", &world.namespace, "-o", "json"], "");
        let events: serde_json::Value = serde_json::from_str(&events).unwrap();
        let told =
            events["items"].as_array().unwrap().iter().filter(|one| one["reason"] == "SigningKeyChanged");
        let mut told: Vec<String> =
            told.map(|one| one["involvedObject"]["name"].as_str().unwrap().to_owned()).collect();
        told.sort();
        told
    };
    until("the events", async || told().len() >= wanted.len()).await;
    assert_eq!(told(), wanted, "once each, and of no other one");
    for object in record.lock().unwrap().iter() {
        let (name, ready, reason) = shown(object);
        assert_eq!((ready.as_str(), reason.as_str()), ("True", "Consistent"), "{name}");
    }
    fleet::remove(&world);
}
