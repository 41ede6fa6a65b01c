//! A namespace with its own database and the operator under the chart's RBAC: the fixture of every
//! scenario.

#![allow(dead_code, reason = "two test binaries share it, and each uses its own part")]

use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use auth_consistency::api::{AuthConsistency, AuthConsistencyStatus};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[path = "../support/canary.rs"]
pub mod canary;

/// No state of the world is waited for longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A variable of the real parts.
pub fn part(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{:x}-{:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs kubectl with some input and gives its output.
pub fn kubectl(arguments: &[&str], input: &str) -> String {
    let output = ask_kubectl(arguments, input);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kubectl {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Like [`kubectl`], for what is meant to be refused: gives what it says.
pub fn kubectl_refused(arguments: &[&str], input: &str) -> String {
    let output = ask_kubectl(arguments, input);
    assert!(!output.status.success(), "kubectl {} was not refused", arguments.join(" "));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ask_kubectl(arguments: &[&str], input: &str) -> std::process::Output {
    fed(Command::new(part("AUTHCON_TEST_KUBECTL")).args(arguments), input)
}

/// Runs a program with this on its standard input.
pub fn fed(command: &mut Command, input: &str) -> std::process::Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The chart's objects of one template, as Helm renders them.
pub fn chart(release_namespace: &str, settings: &[&str], templates: &[&str]) -> String {
    let mut command = Command::new(part("AUTHCON_TEST_HELM"));
    command
        .args(["template", "operator"])
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("charts/auth-consistency"))
        .args([
            "--namespace",
            release_namespace,
            "--set",
            "image.repository=example.invalid/auth-consistency",
        ]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    for template in templates {
        command.args(["--show-only", &format!("templates/{template}.yaml")]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Installs the CRD from the chart, once per process, and waits until it is served.
pub fn install_crd() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let crd = chart("default", &[], &["crd"]);
        kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &crd);
        kubectl(
            &[
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "crd/authconsistencies.auth.probeops.com",
            ],
            "",
        );
    });
}

/// How an operator is started.
#[derive(Default)]
pub struct Launch<'a> {
    /// Namespace of its ServiceAccount.
    pub home: &'a str,
    /// Namespaces to watch; none: all.
    pub namespaces: &'a [&'a str],
    /// Further values of the chart, for its rights.
    pub values: &'a [&'a str],
    /// Further flags.
    pub extra: &'a [&'a str],
    /// Environment variables.
    pub environment: &'a [(&'a str, String)],
    /// Without a wrapper, so that its own end can be seen.
    pub directly: bool,
    /// Another program than the one that is tested.
    pub program: Option<&'a str>,
    /// Another way to the API server.
    pub server: Option<&'a str>,
}

/// Where the API server is.
pub fn api_server() -> String {
    kubectl(&["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"], "")
}

/// What an operator may do, and how it signs in.
pub struct Granted {
    /// A directory of its own.
    pub directory: PathBuf,
    /// In it, the kubeconfig of its ServiceAccount.
    pub kubeconfig: PathBuf,
    /// Name of the ServiceAccount as the audit log has it.
    pub user: String,
}

/// Grants what the chart grants with these values, and signs in.
pub fn granted(launch: &Launch<'_>) -> Granted {
    let Launch { home, namespaces, values, .. } = *launch;
    install_crd();
    let _ = Command::new(part("AUTHCON_TEST_KUBECTL")).args(["create", "namespace", home]).output();
    let watch = namespaces
        .iter()
        .enumerate()
        .map(|(at, namespace)| format!("watchNamespaces[{at}]={namespace}"))
        .collect::<Vec<_>>();
    let settings: Vec<&str> = watch.iter().map(String::as_str).chain(values.iter().copied()).collect();
    let rbac = chart(home, &settings, &["rbac", "serviceaccount"]);
    kubectl(&["apply", "-f", "-"], &rbac);
    let account = "operator-auth-consistency";
    let token = kubectl(&["create", "token", account, "-n", home, "--duration=2h"], "");
    let directory = PathBuf::from(part("AUTHCON_TEST_PARTS_DIR")).join(format!("operator-{}", unique()));
    std::fs::create_dir_all(&directory).unwrap();
    let kubeconfig = directory.join("kubeconfig");
    let server = launch.server.map_or_else(api_server, str::to_owned);
    let authority = kubectl(
        &[
            "config",
            "view",
            "--minify",
            "--raw",
            "--flatten",
            "-o",
            "jsonpath={.clusters[0].cluster.certificate-authority-data}",
        ],
        "",
    );
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "operator",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": {"token": token.trim()}}],
        "contexts": [{"name": "operator", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    Granted { directory, kubeconfig, user: format!("system:serviceaccount:{home}:{account}") }
}

/// A running operator; it ends with this value, and also when the test's process does.
pub struct Operator {
    child: Child,
    wrapped: bool,
    /// When its process began.
    pub began: std::time::Instant,
    pub listen: String,
    pub log: PathBuf,
    /// Name of its ServiceAccount as the audit log has it.
    pub user: String,
    /// The namespaces that it watches, where it does not watch all.
    namespaces: Vec<String>,
}

impl Drop for Operator {
    fn drop(&mut self) {
        // The wrapper ends the operator when its input does.
        if !std::thread::panicking() {
            canary::keeps_all(&self.metrics_now().unwrap_or_default(), hidden(&self.namespaces));
        }
        drop(self.child.stdin.take());
        if !self.wrapped && !self.peek() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        if !std::thread::panicking() {
            canary::keeps_all(&self.logged(), hidden(&self.namespaces));
        }
    }
}

impl Operator {
    /// Starts an operator under the chart's RBAC; no namespaces: it watches all.
    pub fn start(home: &str, namespaces: &[&str], extra: &[&str], environment: &[(&str, String)]) -> Self {
        Self::launch(&Launch { home, namespaces, extra, environment, ..Launch::default() })
    }

    /// Like [`Operator::start`], under the RBAC of the chart with some more values.
    pub fn start_granted(home: &str, namespaces: &[&str], values: &[&str], extra: &[&str]) -> Self {
        Self::launch(&Launch { home, namespaces, values, extra, ..Launch::default() })
    }

    /// Starts an operator as it is told.
    pub fn launch(launch: &Launch<'_>) -> Self {
        let Launch { namespaces, extra, environment, .. } = *launch;
        let wrapped = !launch.directly;
        let Granted { directory, kubeconfig, user } = granted(launch);
        let listen = free_address();
        let log = directory.join("log");
        let operator = launch.program.unwrap_or(env!("CARGO_BIN_EXE_auth-consistency"));
        let mut command = Command::new(if wrapped { "bash" } else { operator });
        if wrapped {
            command.args(["-c", r#""$@" & pid=$!; cat >/dev/null; kill $pid; wait $pid"#, "_", operator]);
        }
        command.args(["run", "--listen", &listen, "--log-format", "json"]);
        command.arg("--kubeconfig").arg(&kubeconfig);
        for namespace in namespaces {
            command.args(["--namespace", namespace]);
        }
        command.args(["--resolve", &format!("postgres.test:{}:127.0.0.1", Database::port())]);
        command.args(extra);
        command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
        let began = std::time::Instant::now();
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
        Self { child, wrapped, began, listen, log, user, namespaces }
    }

    /// Starts an operator without a wrapper, so that its own end can be seen.
    pub fn start_directly(home: &str, namespaces: &[&str], environment: &[(&str, String)]) -> Self {
        Self::launch(&Launch { home, namespaces, environment, directly: true, ..Launch::default() })
    }

    /// The most memory that it ever had, in KiB. It must have been started directly.
    pub fn peak_kibibytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// What of its memory is pages of its own program, which the kernel takes back where it needs them, in KiB.
    /// It must have been started directly.
    pub fn program_kibibytes(&self) -> u64 {
        self.memory("RssFile:")
    }

    /// The memory that it has, in KiB. It must have been started directly.
    pub fn kibibytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Whether the operator itself has ended.
    pub fn peek(&self) -> bool {
        let path = format!("/proc/{}/stat", self.child.id());
        std::fs::read_to_string(path).is_ok_and(|stat| stat.contains(") Z ")) || !self.is_there()
    }

    fn is_there(&self) -> bool {
        std::path::Path::new(&format!("/proc/{}", self.child.id())).exists()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal. It must have been started directly.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end and gives the exit code; none when a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// What `/metrics` says.
    pub async fn metrics(&self) -> String {
        get(&format!("http://{}/metrics", self.listen)).await.1
    }

    /// What `/metrics` says, where it still answers.
    fn metrics_now(&self) -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(&self.listen)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
        std::io::read_to_string(stream)
    }

    /// What it has logged since its log was so long.
    fn logged_since(&self, bytes: u64) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(bytes).unwrap_or(0).min(log.len());
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    /// What it has logged so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// GET with status code and body.
pub async fn get(url: &str) -> (u16, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// An address of loopback that nobody listens on.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Ports that the shared operator may ask an app on, by the name `app.test`.
pub fn app_ports() -> &'static [String; 2] {
    static PORTS: OnceLock<[String; 2]> = OnceLock::new();
    PORTS.get_or_init(|| {
        let port = |address: String| address.rsplit(':').next().unwrap().to_owned();
        [port(free_address()), port(free_address())]
    })
}

static SHARED: OnceLock<Operator> = OnceLock::new();

/// The operator that all scenarios share.
pub fn shared_operator() -> &'static Operator {
    SHARED.get_or_init(|| {
        let resolve = app_ports().each_ref().map(|port| format!("app.test:{port}:127.0.0.1"));
        let extra = ["--allow-probe-host", "app.test", "--resolve", &resolve[0], "--resolve", &resolve[1]];
        Operator::start("auth-consistency-system", &[], &extra, &[])
    })
}

/// A database of its own.
pub struct Database {
    pub name: String,
    pub role: String,
    pub password: String,
}

impl Database {
    fn url() -> url::Url {
        url::Url::parse(&part("AUTHCON_TEST_POSTGRES_URL")).unwrap()
    }

    /// Port of the server.
    pub fn port() -> u16 {
        Self::url().port().unwrap()
    }

    /// Connects as the server's superuser.
    pub async fn superuser(database: &str) -> PgConnection {
        let mut url = Self::url();
        url.set_path(database);
        PgConnection::connect(url.as_str()).await.unwrap()
    }

    /// A new database with some SQL run by its owner.
    pub async fn create(sql: &str) -> Self {
        let name = format!("s_{}", unique().replace('-', "_"));
        // Nothing of the password is a part of a name, which may be told.
        let password = format!("canary-{:016x}", rand::random::<u64>());
        let database = Self { role: format!("r{name}"), password, name };
        let mut admin = Self::superuser("postgres").await;
        run(&mut admin, &format!("CREATE ROLE {} LOGIN PASSWORD '{}'", database.role, database.password))
            .await;
        run(&mut admin, &format!("CREATE DATABASE {} OWNER {}", database.name, database.role)).await;
        let mut connection = Self::superuser(&database.name).await;
        run(
            &mut connection,
            &format!("ALTER SCHEMA public OWNER TO {}; SET ROLE {}; {sql}", database.role, database.role),
        )
        .await;
        database
    }

    /// Runs SQL as the superuser.
    pub async fn run(&self, sql: &str) {
        run(&mut Self::superuser(&self.name).await, sql).await;
    }

    /// One text value.
    pub async fn text(&self, sql: &str) -> String {
        let mut connection = Self::superuser(&self.name).await;
        let value: Option<String> =
            sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
        value.unwrap_or_default()
    }

    /// The connection string as an app has it, by the name that the certificate has.
    pub fn dsn(&self) -> String {
        format!(
            "postgresql+asyncpg://{}:{}@postgres.test:{}/{}",
            self.role,
            self.password,
            Self::port(),
            self.name
        )
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// A small app's tables, with a consistent admin (id 1) and two people.
pub const CONSISTENT: &str = include_str!("consistent.sql");

/// The password of everybody in [`CONSISTENT`].
pub const PASSWORD: &str = "canary password of the admin";

/// The signing key of every scenario, unless it says otherwise.
pub const KEY: &str = "canary-0f3e7d5c9b1a8642-signing-key-of-the-scenarios";

/// A namespace with Secrets, a database and a resource.
pub struct World {
    pub namespace: String,
    pub database: Database,
    pub client: Client,
    /// Where the log of the operator that all scenarios share was when it began.
    heard: u64,
}

/// What no text of a namespace may tell any of.
static HIDDEN: Mutex<BTreeMap<String, Vec<Vec<u8>>>> = Mutex::new(BTreeMap::new());

fn hidden(namespaces: &[String]) -> Vec<Vec<u8>> {
    let hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
    namespaces.iter().filter_map(|namespace| hidden.get(namespace)).flatten().cloned().collect()
}

impl Drop for World {
    /// Whatever the test was about: status, events, log and metrics tell nothing of its Secrets.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let secrets = hidden(std::slice::from_ref(&self.namespace));
        let shown = ["get", "authcon,events.events.k8s.io", "-n", &self.namespace, "-o", "yaml"];
        canary::keeps_all(&String::from_utf8_lossy(&ask_kubectl(&shown, "").stdout), secrets.clone());
        if let Some(operator) = SHARED.get() {
            canary::keeps_all(&operator.logged_since(self.heard), secrets.clone());
            canary::keeps_all(&operator.metrics_now().unwrap_or_default(), secrets);
        }
    }
}

impl World {
    /// A namespace with the Secrets that a spec names, and a database.
    pub async fn new(sql: &str) -> Self {
        install_crd();
        let database = Database::create(sql).await;
        let namespace = format!("s-{}", unique());
        kubectl(&["create", "namespace", &namespace], "");
        let heard =
            SHARED.get().map_or(0, |operator| std::fs::metadata(&operator.log).map_or(0, |log| log.len()));
        let world = Self { namespace, database, client: Client::try_default().await.unwrap(), heard };
        // A row has it, and none is repeated.
        if world.database.text("SELECT coalesce(to_regclass('users')::text, '')").await == "users" {
            let hash = world.database.text("SELECT coalesce(max(hashed_password), '') FROM users").await;
            world.hide(vec![hash.into_bytes()]);
        }
        world.secret("database", "url", &world.database.dsn());
        let authority = std::fs::read_to_string(part("AUTHCON_TEST_POSTGRES_CA")).unwrap();
        world.secret("ca", "ca.crt", &authority);
        world.secret("admin", "password", PASSWORD);
        world.secret("jwt", "key", KEY);
        world
    }

    /// Has these looked for in all that is told of the namespace.
    fn hide(&self, secrets: Vec<Vec<u8>>) {
        let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.entry(self.namespace.clone()).or_default().extend(secrets);
    }

    /// Writes a Secret with one key.
    pub fn secret(&self, name: &str, key: &str, value: &str) {
        self.hide(canary::hidden(value.as_bytes()));
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"auth.probeops.com/use": "true"}},
            "stringData": {key: value},
        });
        kubectl(&["apply", "-f", "-"], &secret.to_string());
    }

    /// Deletes a Secret.
    pub fn delete_secret(&self, name: &str) {
        kubectl(&["delete", "secret", name, "-n", &self.namespace], "");
    }

    /// A spec that fits [`CONSISTENT`], with some fields merged over it (YAML).
    pub fn spec(&self, fields: &str) -> serde_json::Value {
        let mut spec = serde_json::json!({
            "interval": "10s",
            "database": {
                "urlSecretRef": {"name": "database", "key": "url"},
                "tls": {"mode": "VerifyFull", "caSecretRef": {"name": "ca", "key": "ca.crt"}},
            },
            "users": {"preset": "FastAPI"},
            "admin": {
                "login": "admin@probeops.com",
                "passwordSecretRef": {"name": "admin", "key": "password"},
                "columns": [{"column": "role", "equals": "admin"}],
            },
            "jwt": {"secretRef": {"name": "jwt", "key": "key"}},
            "references": {},
        });
        if !fields.trim().is_empty() {
            merge(&mut spec, serde_saphyr::from_str(fields).unwrap());
        }
        spec
    }

    fn manifest(&self, spec: &serde_json::Value) -> String {
        serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": "app", "namespace": self.namespace}, "spec": spec,
        })
        .to_string()
    }

    /// Applies the resource with some fields merged over the usual spec.
    pub fn apply(&self, fields: &str) {
        kubectl(&["apply", "-f", "-"], &self.manifest(&self.spec(fields)));
    }

    /// Applies a resource that admission is meant to refuse; gives what it says.
    pub fn apply_refused(&self, fields: &str) -> String {
        kubectl_refused(&["apply", "-f", "-"], &self.manifest(&self.spec(fields)))
    }

    /// Sets an annotation.
    pub fn annotate(&self, name: &str, value: &str) {
        kubectl(
            &["annotate", "authcon", "app", "-n", &self.namespace, "--overwrite", &format!("{name}={value}")],
            "",
        );
    }

    /// The resources of the namespace.
    pub fn api(&self) -> Api<AuthConsistency> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the status of the resource is as wished, and gives it.
    pub async fn wait(
        &self,
        what: &str,
        wish: impl Fn(&AuthConsistencyStatus) -> bool,
    ) -> AuthConsistencyStatus {
        let condition = |object: Option<&AuthConsistency>| {
            object.is_some_and(|object| {
                object.status.as_ref().is_some_and(|status| {
                    Some(status.observed_generation) == object.metadata.generation && wish(status)
                })
            })
        };
        let waiting = await_condition(self.api(), "app", condition);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(object) => object.unwrap().unwrap().status.unwrap(),
            Err(_) => {
                let object = self.api().get("app").await.unwrap();
                let status = serde_json::to_string_pretty(&object.status).unwrap();
                panic!(
                    "{what} did not come (generation {:?}); the status is {status}",
                    object.metadata.generation
                )
            }
        }
    }

    /// Waits until a verdict was given.
    pub async fn verdict(&self) -> AuthConsistencyStatus {
        self.wait("a verdict", |status| {
            condition(status, "Ready").is_some_and(|(status, _, _)| status != "Unknown")
        })
        .await
    }

    /// Waits until Ready is as wished for a reason.
    pub async fn ready(&self, status: &str, reason: &str) -> AuthConsistencyStatus {
        self.wait(&format!("Ready={status} because of {reason}"), |now| {
            condition(now, "Ready").is_some_and(|(is, why, _)| is == status && why == reason)
        })
        .await
    }

    /// Asks for a pass and waits until it has ended.
    pub async fn another_pass(&self) -> AuthConsistencyStatus {
        let token = unique();
        self.annotate("auth.probeops.com/reconcile", &token);
        self.wait("the next pass", |status| status.last_handled_reconcile.as_ref() == Some(&token)).await
    }

    /// Merges fields into the spec as a person would edit it.
    pub async fn edit(&self, fields: &str) {
        let patch: serde_json::Value = serde_saphyr::from_str(fields).unwrap();
        let patch = serde_json::json!({"spec": patch});
        self.api().patch("app", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// The hash of the plan that waits for approval, if one does.
    pub async fn plan_hash(&self) -> Option<String> {
        let status = self.api().get("app").await.unwrap().status?;
        let waits = condition(&status, "Ready").is_some_and(|one| one.1 == "ApprovalRequired");
        status.plan.filter(|_| waits)?.hash
    }

    /// Everything that the API server shows of the resource and its events.
    pub fn shown(&self) -> String {
        let mut text = kubectl(&["get", "authcon", "app", "-n", &self.namespace, "-o", "yaml"], "");
        text.push_str(&kubectl(&["get", "events.events.k8s.io", "-n", &self.namespace, "-o", "yaml"], ""));
        text
    }
}

/// Merges one JSON object over another; null removes.
fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(serde_json::Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Status, reason and message of a condition.
pub fn condition<'a>(status: &'a AuthConsistencyStatus, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == name)
        .map(|one| (one.status.as_str(), one.reason.as_str(), one.message.as_str()))
}

/// Asks again and again until something is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let asking = async {
        while !is_so().await {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "{what} did not come");
}
