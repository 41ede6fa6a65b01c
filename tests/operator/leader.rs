//! Two replicas of one operator: one leads, the other takes over, and never do both.

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{
    CONSISTENT, Database, Granted, Launch, Operator, World, chart, free_address, get, granted, kubectl, part,
    until,
};

/// The Lease's name, as the chart gives it.
const LEASE: &str = "operator-auth-consistency";

/// Lease time, deadline and retry period of these tests, in milliseconds.
pub const SHORT: [u64; 3] = [3_000, 2_000, 400];

/// So late a takeover may be on a machine that has much else to do.
const SLACK: Duration = Duration::from_secs(3);

/// The flags of a replica in this namespace.
pub fn flags(home: &str, [duration, deadline, retry]: [u64; 3]) -> Vec<String> {
    vec![
        "--leader-election".into(),
        format!("--lease-name={LEASE}"),
        format!("--lease-namespace={home}"),
        format!("--lease-duration={duration}ms"),
        format!("--lease-renew-deadline={deadline}ms"),
        format!("--lease-retry-period={retry}ms"),
    ]
}

/// A replica under this name, which looks after the world's resource.
fn replica(world: &World, name: &str) -> Operator {
    let home = format!("op-{}", world.namespace);
    let extra = flags(&home, SHORT);
    Operator::launch(&Launch {
        home: &home,
        namespaces: &[&world.namespace],
        extra: &extra.iter().map(String::as_str).collect::<Vec<_>>(),
        environment: &[("AUTHCON_POD_NAME", name.to_owned())],
        directly: true,
        ..Launch::default()
    })
}

/// What a replica says at this path, where it answers at all, within a second.
async fn ask(listen: &str, path: &str) -> Option<String> {
    let asking = async {
        let mut stream = tokio::net::TcpStream::connect(listen).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    tokio::time::timeout(Duration::from_secs(1), asking).await.ok().flatten().filter(|text| !text.is_empty())
}

/// Whether it says that it leads.
async fn leads(listen: &str) -> bool {
    ask(listen, "/metrics").await.is_some_and(|text| text.contains("\nauth_consistency_leader 1\n"))
}

async fn until_it_leads(listen: &str) {
    until("leadership", async || leads(listen).await).await;
}

/// Ready, and says so in the words of a standby.
async fn until_it_stands_by(listen: &str, leader: &str) {
    let words = format!("[+]leader election stands by, {leader}_");
    until("a standby", async || {
        ask(listen, "/readyz").await.is_some_and(|text| text.contains(" 200 OK") && text.contains(&words))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_ready_without_a_look_takes_over_in_the_lease_time_and_at_once_where_the_leader_ends() {
    let world = World::new(CONSISTENT).await;
    world.apply("{interval: 1h}");
    let mut first = replica(&world, "first");
    until_it_leads(&first.listen).await;
    world.ready("True", "Consistent").await;
    let mut second = replica(&world, "second");
    until_it_stands_by(&second.listen, "first").await;
    world.another_pass().await;
    let metrics = second.metrics().await;
    assert!(metrics.contains("\nauth_consistency_leader 0\n"), "{metrics}");
    // No pass, so no connection to a database; and nothing was asked of the API server but the Lease.
    for line in metrics.lines().filter(|line| line.starts_with("auth_consistency_passes_total")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    let asked = metrics.lines().filter(|line| line.contains("api_requests_total{") && !line.ends_with(" 0"));
    assert!(asked.clone().all(|line| line.contains("get_lease")), "{:?}", asked.collect::<Vec<_>>());
    assert_eq!(get(&format!("http://{}/livez", second.listen)).await.0, 200);

    first.signal("KILL");
    let killed = Instant::now();
    assert_eq!(first.ended(), None);
    until_it_leads(&second.listen).await;
    let took = killed.elapsed();
    let lease = Duration::from_millis(SHORT[0]);
    assert!(took < lease + SLACK, "{took:?}");
    // The last renewal was no longer ago than that.
    assert!(took > lease - Duration::from_millis(SHORT[1]), "{took:?}");
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    world.another_pass().await;
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "admin");

    let third = replica(&world, "third");
    until_it_stands_by(&third.listen, "second").await;
    second.terminate();
    let asked = Instant::now();
    until_it_leads(&third.listen).await;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?} after SIGTERM");
    assert_eq!(second.ended(), Some(0));
}

/// Rows that take as long as a table says.
const SLOW: &str = "CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0.002); \
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
    $$BEGIN PERFORM pg_catalog.pg_sleep(seconds) FROM public.pace; RETURN NEW; END$$; \
    CREATE TRIGGER slowly BEFORE UPDATE ON usage_logs FOR EACH ROW EXECUTE FUNCTION slowly();";

/// More than two chunks.
const ORPHANS: usize = 2_500;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_stopped_in_the_middle_of_a_repair_changes_nothing_more_when_it_goes_on() {
    let world = World::new(&format!("{CONSISTENT}{SLOW}")).await;
    let orphans = format!(
        "SET session_replication_role = replica; \
         INSERT INTO usage_logs (user_id, tool) SELECT 4711, 'x' FROM generate_series(1, {ORPHANS})"
    );
    world.database.run(&orphans).await;
    let first = replica(&world, "first");
    until_it_leads(&first.listen).await;
    let second = replica(&world, "second");
    until_it_stands_by(&second.listen, "first").await;
    world.apply(
        "{references: {limits: {rows: 10000, percent: 100}, rules: [{table: usage_logs, columns: [user_id], \
         onOrphan: Reassign}]}}",
    );
    let done = async || {
        let there = "SELECT to_regclass('auth_consistency.audit') IS NOT NULL";
        if world.database.text(&format!("SELECT ({there})::text")).await != "true" {
            return 0;
        }
        let sum = "SELECT coalesce(sum(rows), 0)::text FROM auth_consistency.audit WHERE action = 'Reassign'";
        world.database.text(sum).await.parse::<usize>().unwrap()
    };
    until("a part of the repair", async || done().await > 0).await;
    // The next chunk is under way for long enough.
    world.database.run("UPDATE pace SET seconds = 0.02").await;
    let working = async |state: &str| {
        let name = &world.database.role;
        let of = format!("SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{name}' AND {state}");
        world.database.text(&of).await == "1"
    };
    until("the next chunk", async || working("wait_event = 'PgSleep'").await).await;
    first.signal("STOP");
    let at = done().await;
    assert!(at > 0 && at < ORPHANS, "{at} rows were done before it was stopped");
    // Its statement ends, and its transaction stays open with nobody to end it.
    world.database.run("UPDATE pace SET seconds = 0").await;
    until("the open transaction", async || working("state = 'idle in transaction'").await).await;

    until_it_leads(&second.listen).await;
    assert_eq!(done().await, at);
    world.ready("True", "Consistent").await;
    let books = async || {
        let copies = world
            .database
            .text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'usage_logs'")
            .await;
        let copies =
            format!("SELECT count(*) || '/' || count(DISTINCT id) FROM auth_consistency.\"{copies}\"");
        let audit = "SELECT md5(string_agg(a::text, ',' ORDER BY a::text)) FROM auth_consistency.audit a";
        let runs = "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM auth_consistency.runs r";
        let rows = "SELECT count(*)::text FROM usage_logs WHERE user_id = 1 AND tool = 'x'";
        let claim = "SELECT string_agg(owner || epoch, ',') FROM auth_consistency.claims";
        let mut all = vec![world.database.text(&copies).await];
        for sql in [audit, runs, rows, claim] {
            all.push(world.database.text(sql).await);
        }
        all
    };
    let before = books().await;
    let (copies, rows) = (format!("{ORPHANS}/{ORPHANS}"), ORPHANS.to_string());
    assert_eq!((&before[0], &before[3]), (&copies, &rows), "each row once");
    assert_eq!(done().await, ORPHANS);

    first.signal("CONT");
    until("its end", async || first.peek()).await;
    let mut first = first;
    assert!(first.ended().is_some_and(|code| code != 0));
    let log = first.logged();
    assert!(
        log.contains("leadership is lost") && log.contains("leadership was lost: the Lease op-"),
        "{log}"
    );
    assert_eq!(books().await, before, "nothing of it took effect");
    assert!(leads(&second.listen).await);
    world.another_pass().await;
    assert_eq!(books().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_may_not_use_the_lease_says_which_right_is_missing_and_goes_on_when_it_is_there() {
    let world = World::new(CONSISTENT).await;
    let (home, namespaces) = (format!("op-{}", world.namespace), [world.namespace.as_str()]);
    let extra = flags(&home, SHORT);
    let operator = Operator::launch(&Launch {
        home: &home,
        namespaces: &namespaces,
        values: &["leaderElection.enabled=false", "replicas=1"],
        extra: &extra.iter().map(String::as_str).collect::<Vec<_>>(),
        ..Launch::default()
    });
    world.apply("");
    let refusal = format!(
        "[-]leader election refused: the operator may not get the Lease {home}/{LEASE} (403): grant it get and update \
         on this Lease and create on leases of coordination.k8s.io in namespace {home}, as the chart's Role"
    );
    until("the refusal", async || {
        let said = ask(&operator.listen, "/readyz").await;
        said.is_some_and(|text| text.contains(" 503 ") && text.contains(&refusal))
    })
    .await;
    assert!(!leads(&operator.listen).await);
    let rbac = chart(&home, &[&format!("watchNamespaces[0]={}", world.namespace)], &["rbac"]);
    kubectl(&["apply", "-f", "-"], &rbac);
    world.ready("True", "Consistent").await;
    assert!(leads(&operator.listen).await);
    let said = operator.logged().matches("the Lease cannot be used, and is tried again").count();
    assert_eq!(said, 1, "once, however often it was tried");
}

/// A replica that is started again and again, on rights that are granted once.
struct Cheap {
    child: Child,
    listen: String,
    name: String,
}

impl Drop for Cheap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cheap {
    fn start(granted: &Granted, home: &str, namespace: &str, name: String, times: [u64; 3]) -> Self {
        let listen = free_address();
        let log = std::fs::File::create(granted.directory.join(format!("{name}.log"))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
            .args(["run", "--listen", &listen, "--log-format", "json", "--namespace", namespace])
            .args(["--resolve", &format!("postgres.test:{}:127.0.0.1", Database::port())])
            .arg("--kubeconfig")
            .arg(&granted.kubeconfig)
            .args(flags(home, times))
            .env("AUTHCON_POD_NAME", &name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, listen, name }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its exit code, once it has ended by itself.
    async fn ended(&mut self) -> Option<i32> {
        let ended = Mutex::new(&mut self.child);
        until("its end", async || ended.lock().unwrap().try_wait().unwrap().is_some()).await;
        self.child.wait().unwrap().code()
    }
}

/// Looks without pause whether two say that they lead: the first one is asked before and after the other.
fn watch_for_overlaps(
    listens: Arc<Mutex<[String; 2]>>,
) -> (tokio::task::JoinHandle<()>, Arc<[AtomicUsize; 2]>) {
    let counted = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let count = Arc::clone(&counted);
    let watching = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            let [a, b] = listens.lock().unwrap().clone();
            count[1].fetch_add(1, Ordering::SeqCst);
            if leads(&a).await && leads(&b).await && leads(&a).await {
                count[0].fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (watching, counted)
}

/// Every holder that the Lease has had, in order, with the number of changes that stands beside it.
fn record_holders(world: &World, home: &str) -> Arc<Mutex<Vec<(String, i32)>>> {
    let record = Arc::new(Mutex::new(Vec::new()));
    let (into, api) = (Arc::clone(&record), Api::<Lease>::namespaced(world.client.clone(), home));
    tokio::spawn(async move {
        let mut seen = Box::pin(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
        while let Some(lease) = seen.next().await {
            let Some(spec) = lease.unwrap().spec else { continue };
            let now = (spec.holder_identity.unwrap_or_default(), spec.lease_transitions.unwrap_or_default());
            let mut record = into.lock().unwrap();
            if record.last() != Some(&now) {
                record.push(now);
            }
        }
    });
    record
}

/// Nobody held it, lost it and held it again, and each change was counted once.
fn assert_one_after_the_other(record: &[(String, i32)]) {
    let (mut held, mut last) = (BTreeSet::new(), None);
    for (holder, transitions) in record.iter().filter(|(holder, _)| !holder.is_empty()) {
        assert!(held.insert(holder.clone()), "{holder} came back: {record:?}");
        assert!(last.is_none_or(|last| *transitions == last + 1), "{transitions} after {last:?}: {record:?}");
        last = Some(*transitions);
    }
}

/// `make soak` sets AUTHCON_LEADER_ENDS to 500.
#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_are_killed_stopped_and_asked_to_end_again_and_again_never_overlap() {
    const TIMES: [u64; 3] = [2_000, 1_400, 300];
    let ends: usize = std::env::var("AUTHCON_LEADER_ENDS").map_or(20, |ends| ends.parse().unwrap());
    let world = World::new(CONSISTENT).await;
    world.apply("{interval: 10s}");
    let home = format!("op-{}", world.namespace);
    let granted = granted(&Launch { home: &home, namespaces: &[&world.namespace], ..Launch::default() });
    let start = |at: usize| Cheap::start(&granted, &home, &world.namespace, format!("r{at}"), TIMES);
    let record = record_holders(&world, &home);
    let mut leader = start(0);
    until_it_leads(&leader.listen).await;
    let mut standby = start(1);
    let listens = Arc::new(Mutex::new([leader.listen.clone(), standby.listen.clone()]));
    let (watching, counted) = watch_for_overlaps(Arc::clone(&listens));
    let (mut longest, mut counts) = ([Duration::ZERO; 3], [0; 3]);
    for at in 0..ends {
        until_it_stands_by(&standby.listen, &leader.name).await;
        let kind = [0, 0, 1, 2][at % 4];
        leader.signal(["KILL", "STOP", "TERM"][kind]);
        let began = Instant::now();
        until_it_leads(&standby.listen).await;
        (longest[kind], counts[kind]) = (longest[kind].max(began.elapsed()), counts[kind] + 1);
        if kind == 1 {
            leader.signal("CONT");
        }
        let code = leader.ended().await;
        let as_wished = [code.is_none(), code.is_some_and(|code| code != 0), code == Some(0)];
        assert!(as_wished[kind], "{} ended with {code:?}", leader.name);
        leader = std::mem::replace(&mut standby, start(at + 2));
        *listens.lock().unwrap() = [leader.listen.clone(), standby.listen.clone()];
    }
    watching.abort();
    let record = record.lock().unwrap();
    assert_one_after_the_other(&record);
    let holders = record.iter().filter(|(holder, _)| !holder.is_empty()).count();
    assert_eq!(holders, ends + 1, "each took it once: {record:?}");
    let [overlaps, looks] = [0, 1].map(|at| counted[at].load(Ordering::SeqCst));
    let seconds = longest.map(|longest| format!("{:.1} s", longest.as_secs_f64()));
    println!(
        "{ends} leaders ended: {} killed, {} stopped and resumed, {} asked to end; {overlaps} overlaps in {looks} looks at \
         both; the Lease of {} s was taken after at most {}, {} and {}",
        counts[0],
        counts[1],
        counts[2],
        TIMES[0] / 1_000,
        seconds[0],
        seconds[1],
        seconds[2],
    );
    assert_eq!(overlaps, 0);
    assert!(longest[..2].iter().all(|one| *one < Duration::from_millis(TIMES[0]) + SLACK), "{seconds:?}");
    assert!(looks > ends, "{looks} looks");
}

fn objects(settings: &[&str], templates: &[&str]) -> Vec<serde_json::Value> {
    let rendered = chart("home", settings, templates);
    let documents = rendered.split("\n---").filter(|document| document.contains("kind:"));
    documents.map(|document| serde_saphyr::from_str(document.trim_start_matches("---")).unwrap()).collect()
}

/// What helm says of values that the chart refuses.
fn refused(settings: &[&str]) -> String {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/auth-consistency");
    let mut command = Command::new(part("AUTHCON_TEST_HELM"));
    command
        .args(["template", "operator"])
        .arg(directory)
        .args(["--set", "image.repository=example.invalid/a"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{settings:?} were not refused");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_chart_runs_two_replicas_of_which_one_may_be_away_on_nodes_of_their_own() {
    let [deployment] = objects(&[], &["deployment"]).try_into().unwrap();
    let spec = &deployment["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&2.into(), &"RollingUpdate".into()));
    let arguments = spec["template"]["spec"]["containers"][0]["args"].to_string();
    for flag in [
        "\"--leader-election\"",
        "\"--lease-name=operator-auth-consistency\"",
        "\"--lease-namespace=home\"",
        "\"--lease-duration=15s\"",
        "\"--lease-renew-deadline=10s\"",
        "\"--lease-retry-period=2s\"",
    ] {
        assert!(arguments.contains(flag), "{flag} is not in {arguments}");
    }
    let own = &spec["selector"]["matchLabels"];
    let spread = &spec["template"]["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(&spread["labelSelector"]["matchLabels"], own);
    let [budget] = objects(&[], &["poddisruptionbudget"]).try_into().unwrap();
    assert_eq!(
        (&budget["spec"]["maxUnavailable"], &budget["spec"]["selector"]["matchLabels"]),
        (&1.into(), own)
    );
    let roles = |settings: &[&str]| {
        let all = objects(settings, &["rbac"]).into_iter().filter(|object| object["kind"] == "Role");
        all.map(|role| (role["metadata"]["namespace"].clone(), role["rules"].clone())).collect::<Vec<_>>()
    };
    let [(namespace, rules)] = roles(&[]).try_into().unwrap();
    assert_eq!(
        (namespace, &rules[0]["resourceNames"][0]),
        ("home".into(), &"operator-auth-consistency".into())
    );
    assert_eq!(roles(&["leaderElection.enabled=false", "replicas=1"]), [], "no right without the election");
}

#[test]
fn the_chart_without_an_election_is_one_pod_and_what_does_not_fit_is_refused() {
    let alone = ["leaderElection.enabled=false", "replicas=1"];
    let [deployment] = objects(&alone, &["deployment"]).try_into().unwrap();
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
    assert!(!deployment.to_string().contains("--lease"), "{deployment}");
    // A budget for one pod would keep its node from being drained.
    assert!(!chart("home", &["replicas=1"], &[]).contains("PodDisruptionBudget"));
    assert!(!chart("home", &["podDisruptionBudget.enabled=false"], &[]).contains("PodDisruptionBudget"));
    let none = chart("home", &["topologySpreadConstraints=null"], &["deployment"]);
    assert!(!none.contains("topologySpreadConstraints"));
    let why = refused(&["leaderElection.enabled=false"]);
    assert!(why.contains("replicas above 1 need leaderElection.enabled=true"), "{why}");
    let why = refused(&["leaderElection.leaseDuration=soon"]);
    assert!(why.contains("leaseDuration"), "{why}");
}
