//! Ready, Reconciling and Stalled; modes, suspension, one-off requests, and a settled resource.

use auth_consistency::api::AuthConsistencyStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    nothing_leaks, scenario,
    world::{CONSISTENT, World, condition, part, shared_operator, until},
};

#[tokio::test]
async fn a_suspended_resource_keeps_its_verdict_says_so_and_its_generation_moves_once() {
    let world = scenario("", "").await;
    let before = world.ready("True", "Consistent").await;
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    world.edit("{suspend: true}").await;
    let after = world.wait("the new generation", |_| true).await;
    assert_eq!(before.observed_generation + 1, after.observed_generation);
    let verdicts = |status: &AuthConsistencyStatus| -> Vec<_> {
        let without_words =
            |one: &Condition| (one.type_.clone(), one.status.clone(), one.observed_generation);
        status.conditions.iter().map(without_words).collect()
    };
    assert_eq!(verdicts(&before), verdicts(&after));
    let times = |status: &AuthConsistencyStatus| -> Vec<_> {
        status.conditions.iter().map(|one| one.last_transition_time.clone()).collect()
    };
    assert_eq!(times(&before), times(&after));
    let (is, why, message) = condition(&after, "Ready").unwrap();
    assert!(
        is == "True" && why == "Suspended" && message.contains("before that it was Consistent"),
        "{message}"
    );
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "user");
    world.edit("{suspend: false}").await;
    world.ready("True", "Consistent").await;
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "admin");
}

#[tokio::test]
async fn observing_gives_the_verdicts_and_writes_nothing_to_the_database() {
    let world = scenario(
        "UPDATE users SET role = 'user' WHERE id = 1; UPDATE usage_logs SET user_id = 9 WHERE user_id = 3;",
        "{mode: Observe, references: {onOrphan: Delete}}",
    )
    .await;
    let status = world.verdict().await;
    assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("False"));
    assert!(condition(&status, "Stalled").is_some());
    assert_eq!(status.findings.len(), 4, "{:?}", status.findings);
    assert!(status.plan.is_some_and(|plan| !plan.awaiting_approval && plan.steps.len() == 3));
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "user");
    assert_eq!(
        world
            .database
            .text("SELECT count(*)::text FROM pg_namespace WHERE nspname = 'auth_consistency'")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_secret_that_is_missing_means_wait_and_when_it_comes_the_resource_gets_ready() {
    let world = scenario(
        "UPDATE users SET role = 'user' WHERE id = 1;",
        "{admin: {passwordSecretRef: {name: later, key: password}}}",
    )
    .await;
    let status = world.ready("False", "SecretMissing").await;
    assert!(condition(&status, "Reconciling").is_some_and(|one| one.1 == "ProgressingWithRetry"));
    assert_eq!(condition(&status, "Stalled"), None);
    assert!(condition(&status, "Ready").unwrap().2.contains("\"later\""));
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "user", "it was to wait");
    world.secret("later", "password", crate::world::PASSWORD);
    world.ready("True", "Consistent").await;
}

#[tokio::test]
async fn a_password_secret_that_is_deleted_or_emptied_changes_nothing_in_the_database() {
    let world = scenario("", "{admin: {passwordPolicy: Always}}").await;
    world.ready("True", "Consistent").await;
    let hash = world.database.text("SELECT hashed_password FROM users WHERE id = 1").await;
    world.delete_secret("admin");
    world.annotate("auth.probeops.com/reset-admin", "while it is gone");
    let status = world.ready("False", "SecretMissing").await;
    assert_eq!(status.last_handled_reset_admin, None);
    world.secret("admin", "password", "");
    world.annotate("auth.probeops.com/reconcile", "now");
    let status = world
        .wait("the empty Secret", |status| {
            condition(status, "Ready").is_some_and(|one| one.2.contains("empty"))
        })
        .await;
    assert_eq!(condition(&status, "Ready").map(|one| one.1), Some("SecretMissing"));
    assert_eq!(world.database.text("SELECT hashed_password FROM users WHERE id = 1").await, hash);
}

#[tokio::test]
async fn a_reconcile_request_of_flux_is_answered() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    world.annotate("reconcile.fluxcd.io/requestedAt", "2026-01-01T00:00:00Z");
    world
        .wait("the answer", |status| {
            status.last_handled_reconcile_at.as_deref() == Some("2026-01-01T00:00:00Z")
        })
        .await;
}

#[tokio::test]
async fn without_jwt_and_admin_their_conditions_do_not_appear() {
    let world = scenario("", "{jwt: null, admin: null}").await;
    let status = world.ready("True", "Consistent").await;
    for name in ["AdminConsistent", "SigningKeyTrusted", "TokensAccepted"] {
        assert_eq!(condition(&status, name), None, "{name}");
    }
    assert!(status.admin.is_none() && status.signing_key.is_none());
}

#[tokio::test]
async fn two_resources_for_one_user_table_do_not_both_repair_it() {
    shared_operator();
    let first = World::new(CONSISTENT).await;
    first.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    // It is not to look again while the second one is looked at.
    first.apply("{interval: 1h}");
    first.ready("True", "Consistent").await;
    let second = World::new("").await;
    second.secret("database", "url", &first.database.dsn());
    first.database.run("UPDATE users SET is_active = false WHERE id = 1").await;
    second.apply("{admin: {columns: [{column: role, equals: owner}]}}");
    let status = second.ready("False", "TargetClaimed").await;
    assert!(condition(&status, "Stalled").is_some());
    assert_eq!(first.database.text("SELECT role || is_active FROM users WHERE id = 1").await, "adminfalse");
    // The first one is gone for good: the second takes over, asked by its uid and count.
    let claim = "SELECT format('%s/%s', owner, takes) FROM auth_consistency.claims";
    let owner = first.database.text(claim).await;
    crate::world::kubectl(&["delete", "authcon", "app", "-n", &first.namespace], "");
    second.annotate("auth.probeops.com/take-claim", &owner);
    second.ready("True", "Consistent").await;
    assert_eq!(first.database.text("SELECT role || is_active FROM users WHERE id = 1").await, "ownertrue");
}

#[tokio::test]
async fn a_settled_resource_is_written_never() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    world.another_pass().await;
    let operator = shared_operator();
    let label = format!(
        "auth_consistency_last_pass_timestamp_seconds{{namespace=\"{}\",name=\"app\"}}",
        world.namespace
    );
    let ended = async || {
        let metrics = operator.metrics().await;
        metrics.lines().find_map(|line| line.strip_prefix(&label).map(str::to_owned)).unwrap_or_default()
    };
    let writes = || {
        let log = std::fs::read_to_string(part("AUTHCON_TEST_AUDIT_LOG")).unwrap();
        log.lines()
            .filter(|line| line.contains(&operator.user) && line.contains(&world.namespace))
            .filter(|line| {
                !line.contains("\"verb\":\"get\"")
                    && !line.contains("\"verb\":\"watch\"")
                    && !line.contains("\"verb\":\"list\"")
            })
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let pass = async |number: usize| {
        let last = ended().await;
        // Wakes the controller and is no request that a status would answer.
        world.annotate("auth.probeops.com/take-claim", &format!("nobody-{number}"));
        until("the next pass", async || ended().await != last).await;
    };
    // A write is in the log when it was answered, and whoever watches may see it before.
    let mut before = writes();
    for number in 0..5 {
        pass(number).await;
        let now = writes();
        if now == before {
            break;
        }
        before = now;
    }
    let stamps = "SELECT (tup_inserted + tup_updated + tup_deleted)::text FROM pg_stat_database WHERE datname = current_database()";
    let rows = world.database.text(stamps).await;
    let status = world.wait("the status", |_| true).await;
    let hinted = async || counted(&operator.metrics().await, "auth_consistency_looks_total{look=\"hinted\"}");
    let looked = hinted().await;
    for number in 10..20 {
        pass(number).await;
    }
    assert!(hinted().await >= looked + 9, "what did not move is not looked at");
    assert_eq!(writes(), before, "the API server was written to");
    assert_eq!(world.database.text(stamps).await, rows, "the database was written to");
    assert_eq!(world.wait("the status", |_| true).await, status);
    nothing_leaks(&world).await;
}

fn counted(metrics: &str, series: &str) -> u64 {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap()
}

#[tokio::test]
async fn rows_that_a_restore_brings_in_behind_every_trigger_are_noticed_unasked() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    let restored =
        "SET session_replication_role = replica; UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3";
    world.database.run(restored).await;
    let status = world.ready("False", "OrphanRows").await;
    assert_eq!(status.references.unwrap().orphan_rows, 10);
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_database_that_breaks_off_in_the_middle_of_a_repair_is_tried_again_and_nothing_is_lost() {
    let sql = "UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3; \
        CREATE TABLE broken (now boolean); \
        CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
          IF EXISTS (SELECT FROM broken) THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF; \
          RETURN new; END $$; \
        INSERT INTO broken VALUES (true); \
        CREATE TRIGGER break_off BEFORE UPDATE ON usage_logs FOR EACH ROW EXECUTE FUNCTION break_off(); \
        GRANT SELECT ON broken TO public;";
    let world = scenario(sql, "{references: {onOrphan: SetNull, limits: {percent: 100}}}").await;
    let status = world.ready("False", "RepairFailed").await;
    assert!(condition(&status, "Reconciling").is_some() && condition(&status, "Stalled").is_none());
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 4711").await, "10");
    world.database.run("DELETE FROM broken").await;
    world.ready("True", "Consistent").await;
    assert_eq!(
        world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id IS NULL").await,
        "10"
    );
    let table = world
        .database
        .text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'usage_logs'")
        .await;
    assert_eq!(
        world.database.text(&format!("SELECT count(*)::text FROM auth_consistency.\"{table}\"")).await,
        "10"
    );
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_resource_that_is_deleted_leaves_no_series_behind() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    let operator = shared_operator();
    until("the series", async || operator.metrics().await.contains(&world.namespace)).await;
    crate::world::kubectl(&["delete", "authcon", "app", "-n", &world.namespace], "");
    until("the end of the series", async || !operator.metrics().await.contains(&world.namespace)).await;
}
