//! What happens to resources in a cluster.

use auth_consistency::api::AuthConsistencyStatus;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::{
    record::{Recorder, api},
    rules::{Kstatus, kstatus},
    world::{CONSISTENT, Database, KEY, Operator, PASSWORD, World, chart, condition, kubectl, until},
};

/// Waits until tools come to a verdict for a reason of Ready.
async fn becomes(world: &World, verdict: Kstatus, reason: &str) -> Value {
    let api = api(world);
    let seen = std::sync::Mutex::new(Value::Null);
    until(&format!("{verdict:?} because of {reason}"), async || {
        let object = serde_json::to_value(api.get("app").await.unwrap()).unwrap();
        let ready = object["status"]["conditions"]
            .as_array()
            .and_then(|all| all.first())
            .cloned()
            .unwrap_or_default();
        let is = kstatus(&object) == verdict && ready["reason"] == reason;
        *seen.lock().unwrap() = object;
        is
    })
    .await;
    seen.into_inner().unwrap()
}

async fn current(world: &World) {
    becomes(world, Kstatus::Current, "Consistent").await;
}

/// Waits until a person must act.
async fn fails(world: &World) {
    until("a verdict for a person", async || {
        let object = api(world).get("app").await.unwrap();
        kstatus(&serde_json::to_value(object).unwrap()) == Kstatus::Failed
    })
    .await;
}

/// Sets annotations as another program does.
async fn annotate(world: &World, name: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {name: value}}});
    world.api().patch("app", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn look(world: &World, token: &str) {
    annotate(world, "auth.probeops.com/reconcile", token).await;
}

/// Asks for a pass and waits for its answer.
async fn looked(world: &World, token: &str) -> AuthConsistencyStatus {
    look(world, token).await;
    world.wait("the pass", |status| status.last_handled_reconcile.as_deref() == Some(token)).await
}

/// The app's owner runs SQL.
async fn migrate(world: &World, sql: &str) {
    let role = &world.database.role;
    world.database.run(&format!("SET ROLE {role}; {sql}")).await;
}

pub async fn first_install(world: &World, life: &Recorder) {
    life.now("created before its Secret is there");
    world.delete_secret("admin");
    world.secret("database", "url", &world.database.dsn().replace(&world.database.password, "canary-wrong"));
    world.apply("");
    becomes(world, Kstatus::InProgress, "SecretMissing").await;
    life.now("the Secret arrives, and the database's password is another one still");
    world.secret("admin", "password", PASSWORD);
    becomes(world, Kstatus::InProgress, "DatabaseAuthenticationFailed").await;
    life.now("the password is right and the database is not there yet");
    let right = world.database.dsn();
    world.secret("database", "url", &right.replace(&format!("/{}", world.database.name), "/later"));
    look(world, "database").await;
    becomes(world, Kstatus::InProgress, "DatabaseNotFound").await;
    life.now("the database is there and its tables are not");
    world.secret("database", "url", &right);
    look(world, "tables").await;
    becomes(world, Kstatus::InProgress, "UserTableMissing").await;
    life.now("half of the migrations have run");
    migrate(world, "CREATE TABLE users (id serial PRIMARY KEY, email text)").await;
    look(world, "columns").await;
    becomes(world, Kstatus::InProgress, "ColumnMissing").await;
    life.now("all migrations have run");
    migrate(world, &format!("DROP TABLE users; {CONSISTENT}")).await;
    current(world).await;
    life.now("the table is gone after all was well");
    migrate(world, "ALTER TABLE users RENAME TO people").await;
    look(world, "gone").await;
    becomes(world, Kstatus::Failed, "UserTableMissing").await;
    life.now("the table is back");
    migrate(world, "ALTER TABLE people RENAME TO users").await;
    look(world, "back").await;
    current(world).await;
}

pub async fn suspension(world: &World, life: &Recorder) {
    life.now("suspended as it is created");
    world.apply("{suspend: true}");
    let object = becomes(world, Kstatus::InProgress, "Suspended").await;
    assert_eq!(object["status"]["observedGeneration"], -1);
    life.now("edited while nobody has looked at it");
    world.edit("{suspend: true, timeout: 50s}").await;
    look(world, "while suspended").await;
    until("the answer", async || {
        let status = world.api().get("app").await.unwrap().status.unwrap();
        status.last_handled_reconcile.as_deref() == Some("while suspended")
    })
    .await;
    becomes(world, Kstatus::InProgress, "Suspended").await;
    life.now("resumed");
    world.edit("{suspend: false}").await;
    current(world).await;
    life.now("suspended when all is well");
    world.edit("{suspend: true}").await;
    becomes(world, Kstatus::Current, "Suspended").await;
    let table = kubectl(&["get", "authcon", "app", "-n", &world.namespace], "");
    assert!(
        table.contains("SUSPENDED") && table.contains(" Suspended ") && table.contains(" true "),
        "{table}"
    );
    until("the event", async || world.shown().contains("reason: Suspended")).await;
    life.now("edited while suspended");
    world.edit("{users: {table: nowhere}}").await;
    becomes(world, Kstatus::InProgress, "Suspended").await;
    life.now("resumed with a table that is not there");
    world.edit("{suspend: false}").await;
    becomes(world, Kstatus::Failed, "UserTableMissing").await;
    life.now("suspended when a person must act");
    world.edit("{suspend: true}").await;
    becomes(world, Kstatus::Failed, "Suspended").await;
    life.now("resumed and right, with a drift from meanwhile");
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    world.edit("{suspend: false, users: {table: users}}").await;
    current(world).await;
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "admin");
}

pub async fn spec_and_secrets(world: &World, life: &Recorder) {
    life.now("created when all is well");
    world.apply("");
    current(world).await;
    life.now("the admin's role drifts");
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    looked(world, "drift").await;
    current(world).await;
    life.now("the timeout is changed");
    world.edit("{timeout: 40s}").await;
    current(world).await;
    life.now("the app has no signing key any more");
    world.edit("{jwt: null}").await;
    current(world).await;
    life.now("it has one again, and a connection string that is none");
    world.secret("database", "url", "canary no url");
    world.edit("{jwt: {secretRef: {name: jwt, key: key}}}").await;
    becomes(world, Kstatus::Failed, "DatabaseUrlInvalid").await;
    life.now("the connection string is right again");
    world.secret("database", "url", &world.database.dsn());
    look(world, "right").await;
    current(world).await;
    life.now("the signing key is rotated");
    world.secret("jwt", "key", &format!("{KEY}-and-another-one"));
    looked(world, "rotated").await;
    until("the event", async || world.shown().contains("reason: SigningKeyChanged")).await;
    life.now("the signing key is one that everybody knows");
    world.secret("jwt", "key", "secret");
    looked(world, "guessable").await;
    fails(world).await;
    life.now("the signing key's Secret is gone");
    world.delete_secret("jwt");
    look(world, "deleted").await;
    becomes(world, Kstatus::InProgress, "SecretMissing").await;
    life.now("the signing key is back");
    world.secret("jwt", "key", KEY);
    look(world, "restored").await;
    current(world).await;
    life.now("the admin is reset");
    annotate(world, "auth.probeops.com/reset-admin", "once").await;
    world.wait("the reset", |status| status.last_handled_reset_admin.as_deref() == Some("once")).await;
    current(world).await;
    life.now("a verifier that may not be asked is named");
    world.edit("{probe: {verifiers: [{name: api, url: 'http://169.254.169.254/me'}]}}").await;
    let asked = |status: &AuthConsistencyStatus| {
        condition(status, "TokensAccepted").is_some_and(|one| one.0 != "True")
            && condition(status, "Reconciling").is_none()
    };
    world.wait("the verdict of the verifier", asked).await;
    life.now("nobody is to be asked any more");
    world.edit("{probe: null}").await;
    current(world).await;
}

pub async fn rows(world: &World, life: &Recorder) {
    life.now("created when all is well, with rows to come");
    world.apply("");
    current(world).await;
    life.now("orphans appear");
    let restored =
        "SET session_replication_role = replica; UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3";
    world.database.run(restored).await;
    look(world, "orphans").await;
    becomes(world, Kstatus::Failed, "OrphanRows").await;
    life.now("they are to be detached, and a person has to agree");
    world.edit("{references: {onOrphan: SetNull, limits: {rows: 0}}}").await;
    becomes(world, Kstatus::Failed, "ApprovalRequired").await;
    life.now("the wrong plan is approved");
    annotate(world, "auth.probeops.com/approve", &"0".repeat(64)).await;
    world
        .wait("the answer", |status| {
            condition(status, "Ready").is_some_and(|one| one.2.contains("for another plan"))
        })
        .await;
    life.now("the right plan is approved");
    let hash = world.plan_hash().await.unwrap();
    annotate(world, "auth.probeops.com/approve", &hash).await;
    current(world).await;
    life.now("a sequence falls behind");
    world.database.run("SELECT setval('users_id_seq', 1)").await;
    looked(world, "behind").await;
    current(world).await;
    life.now("it only observes, and the admin drifts");
    world.database.run("UPDATE users SET is_active = false WHERE id = 1").await;
    world.edit("{mode: Observe}").await;
    becomes(world, Kstatus::Failed, "AdminDrifted").await;
    life.now("it enforces again");
    world.edit("{mode: Enforce}").await;
    current(world).await;
    life.now("the database is gone");
    let name = &world.database.name;
    let mut admin = Database::superuser("postgres").await;
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    until("the renaming", async || {
        let mut admin = Database::superuser("postgres").await;
        sqlx::raw_sql(AssertSqlSafe(end.clone())).execute(&mut admin).await.unwrap();
        let rename = format!("ALTER DATABASE {name} RENAME TO {name}_away");
        sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut admin).await.is_ok()
    })
    .await;
    look(world, "gone").await;
    becomes(world, Kstatus::Failed, "DatabaseNotFound").await;
    life.now("the database is back");
    let rename = format!("ALTER DATABASE {name}_away RENAME TO {name}");
    sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut admin).await.unwrap();
    look(world, "back").await;
    current(world).await;
    life.now("the role may not read a table any more");
    world.database.run("ALTER TABLE usage_logs OWNER TO postgres").await;
    looked(world, "refused").await;
    fails(world).await;
}

pub async fn locked(world: &World, life: &Recorder) {
    life.now("created when all is well, with a short time for a pass");
    world.apply("{timeout: 16s}");
    current(world).await;
    life.now("the user table is locked for a while");
    let mut holder = Database::superuser(&world.database.name).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await.unwrap();
    look(world, "locked").await;
    becomes(world, Kstatus::InProgress, "Consistent").await;
    life.now("the user table is locked for longer than a pass may take");
    becomes(world, Kstatus::InProgress, "DatabaseBusy").await;
    until("the event", async || world.shown().contains("reason: DatabaseBusy")).await;
    life.now("the lock is gone");
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    current(world).await;
}

pub async fn operators(world: &World, life: &Recorder) {
    let home = format!("op-{}", world.namespace);
    let namespaces = [world.namespace.as_str()];
    life.now("created before there is an operator");
    world.apply("");
    let object = serde_json::to_value(api(world).get("app").await.unwrap()).unwrap();
    assert_eq!(kstatus(&object), Kstatus::InProgress);
    life.now("the operator starts");
    let first = Operator::start(&home, &namespaces, &[], &[]);
    current(world).await;
    looked(world, "settled").await;
    life.now("the operator is started anew");
    drop(first);
    let before = life.revisions();
    let first = Operator::start(&home, &namespaces, &[], &[]);
    passed(&first, world).await;
    let unchanged = life.revisions() == before;
    assert!(unchanged, "a restart changes nothing that people see");
    life.now("two operators at once");
    let second = Operator::start(&home, &namespaces, &[], &[]);
    passed(&second, world).await;
    for round in 0..4 {
        life.now("two operators see the same drift");
        world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
        look(world, &format!("drift {round}")).await;
        until("the correction", async || {
            world.database.text("SELECT role FROM users WHERE id = 1").await == "admin"
        })
        .await;
        current(world).await;
        // Both have answered once nothing is left of it.
        looked(world, &format!("after {round}")).await;
    }
    let corrected = "SELECT count(*)::text FROM auth_consistency.audit WHERE action = 'Correct'";
    assert_eq!(world.database.text(corrected).await, "4", "each drift is corrected once");
    drop(second);
    life.now("others write to the object while passes run");
    for turn in 0..9 {
        if turn % 3 == 0 {
            world.database.run("UPDATE users SET is_active = false WHERE id = 1").await;
        }
        look(world, &format!("busy {turn}")).await;
        annotate(world, "example.com/turn", &turn.to_string()).await;
    }
    current(world).await;
    life.now("another program writes to the status");
    let patch = json!({"status": {"lastHandledReconcile": "by somebody else"}});
    world.api().patch_status("app", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    looked(world, "after somebody else").await;
    current(world).await;
    life.now("deleted, and made anew under the same name");
    kubectl(&["delete", "authcon", "app", "-n", &world.namespace], "");
    world.apply("");
    world.verdict().await;
    life.now("it takes over the claim of the one before");
    let owner = world.database.text("SELECT owner FROM auth_consistency.claims").await;
    annotate(world, "auth.probeops.com/take-claim", &owner).await;
    current(world).await;
    drop(first);
}

/// Waits until an operator has ended a pass over the world's resource.
async fn passed(operator: &Operator, world: &World) {
    let series = format!(
        "auth_consistency_last_pass_timestamp_seconds{{namespace=\"{}\",name=\"app\"}}",
        world.namespace
    );
    until("the operator", async || std::net::TcpStream::connect(&operator.listen).is_ok()).await;
    until("a pass", async || operator.metrics().await.contains(&series)).await;
}

/// A resource as an older schema took it, which today's would refuse in spec and status. The schema is changed
/// for it, which ends every watch: so nothing is recorded yet.
pub async fn store_otherwise(world: &World) {
    let real = chart("default", &[], &["crd"]);
    let mut older: Value = serde_saphyr::from_str(&real).unwrap();
    older["metadata"]["name"] = "authconsistencies.auth.probeops.com".into();
    let properties = &mut older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    properties["spec"] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    properties["status"] = properties["spec"].clone();
    properties["status"]["default"] = json!({"observedGeneration": -1});
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &older.to_string());
    let mut spec = world.spec("");
    spec["quarantine"] = json!({"retention": 30});
    spec["references"]["limits"] = json!("none");
    let object = |name: &str| -> DynamicObject {
        let object = json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": name, "namespace": world.namespace}, "spec": spec,
        });
        serde_json::from_value(object).unwrap()
    };
    let api = api(world);
    let create = async |name: &str| api.create(&PostParams::default(), &object(name)).await;
    until("the older schema", async || create("app").await.is_ok()).await;
    let status = json!({"status": {"plan": "none", "findings": ["odd"]}});
    api.patch_status("app", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &real);
    let tried = std::sync::atomic::AtomicU32::new(0);
    until("today's schema", async || {
        let number = tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let name = format!("try-{number}");
        let taken = create(&name).await.is_ok();
        if taken {
            api.delete(&name, &Default::default()).await.unwrap();
        }
        !taken
    })
    .await;
    let stands = api.get("app").await.unwrap().data;
    let retention = &stands["spec"]["quarantine"]["retention"];
    assert_eq!((retention, &stands["status"]["plan"]), (&json!(30), &json!("none")));
}

pub async fn stored_otherwise(world: &World, life: &Recorder) {
    life.now("a spec and a status are stored that no schema of today would take");
    let api = api(world);
    becomes(world, Kstatus::Failed, "SpecInvalid").await;
    let stands = api.get("app").await.unwrap().data;
    assert_eq!((&stands["status"]["plan"], &stands["status"]["findings"]), (&Value::Null, &Value::Null));
    life.now("a pass is asked for all the same");
    let asked = json!({"metadata": {"annotations": {"auth.probeops.com/reconcile": "odd"}}});
    api.patch("app", &PatchParams::default(), &Patch::Merge(asked)).await.unwrap();
    until("the answer", async || {
        api.get("app").await.unwrap().data["status"]["lastHandledReconcile"] == "odd"
    })
    .await;
    life.now("the spec is corrected");
    let right = json!({"spec": {"quarantine": null, "references": {"limits": null}}});
    api.patch("app", &PatchParams::default(), &Patch::Merge(right)).await.unwrap();
    current(world).await;
    let stands = api.get("app").await.unwrap().data;
    let kinds: Vec<&str> = stands["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert!(!kinds.contains(&"Stalled"), "what was patched before is gone: {kinds:?}");
}
