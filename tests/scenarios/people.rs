//! Ids that name another person than before, from the database to the status.

use auth_consistency::api::AuthConsistencyStatus;

use crate::{
    nothing_leaks, scenario,
    world::{CONSISTENT, Database, World, condition, kubectl},
};

/// Ada and Brook change places; rows 1 to 30 are old, and both have written a new one.
const MOVED: &str = "UPDATE users SET id = id + 1000 WHERE id > 1; UPDATE users SET id = 1005 - id WHERE id > 1000; DELETE FROM api_keys;
    INSERT INTO usage_logs (user_id, tool) VALUES (2, 'new'), (3, 'new');";

/// What a snapshot of the world as it was holds, as far as it counts here.
fn snapshot() -> String {
    serde_json::json!({
        "apiVersion": "auth.probeops.com/v1alpha1", "kind": "IdentitySnapshot", "taken": "2026-01-01T00:00:00Z",
        "holdsPersonalData": true,
        "database": {"engine": "PostgreSQL", "serverVersion": "15.0", "systemIdentifier": "1", "databaseOid": 1},
        "users": {"schema": "public", "table": "users", "idColumn": "id", "loginColumn": "email", "columns": []},
        "logins": "plain",
        "references": [{
            "schema": "public", "table": "usage_logs", "columns": [{"name": "user_id", "type": "integer"}],
            "constraint": "usage_logs_user_id_fkey", "definition": "FOREIGN KEY (user_id) REFERENCES users(id)",
            "highWater": {"column": "id", "highest": 30, "sequence": {"schema": "public", "name": "usage_logs_id_seq", "next": 31}},
        }],
        "people": [["1", "admin@probeops.com"], ["2", "ada@example.com"], ["3", "brook@example.com"]],
    })
    .to_string()
}

fn config_map(world: &World, text: &str) {
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before", "namespace": world.namespace},
        "data": {"before.json": text},
    });
    kubectl(&["apply", "-f", "-"], &map.to_string());
}

fn shifted(status: &AuthConsistencyStatus) -> Vec<(String, Option<i64>)> {
    status
        .findings
        .iter()
        .filter(|one| one.finding.as_str() == "IdentityShifted")
        .map(|one| (one.object.as_ref().map_or(String::new(), |object| object.describe()), one.rows))
        .collect()
}

#[tokio::test]
async fn a_list_that_is_missing_means_wait_and_swapped_ids_are_told_and_given_back_when_approved() {
    let world =
        scenario(MOVED, "{references: {onOrphan: Remap, identities: {configMapRef: {name: before}}}}").await;
    let status = world.ready("False", "IdentitiesMissing").await;
    assert_eq!(condition(&status, "Reconciling").map(|one| one.0), Some("True"), "it may still come");
    assert_eq!(condition(&status, "ReferencesConsistent").map(|one| one.0), Some("Unknown"));
    config_map(&world, "id,login\n2,ada@example.com\n2,brook@example.com\n");
    world.annotate("auth.probeops.com/reconcile", "now");
    let status = world.ready("False", "IdentitiesInvalid").await;
    let message = condition(&status, "Ready").unwrap().2;
    assert!(message.contains("rows 2 and 3 give the id 2 to two different logins"), "{message}");

    config_map(&world, &snapshot());
    world.annotate("auth.probeops.com/reconcile", "again");
    let status = world.ready("False", "ApprovalRequired").await;
    assert_eq!(shifted(&status), [("usage_logs.user_id".into(), Some(20)), ("users".into(), None)]);
    let plan = status.plan.unwrap();
    assert_eq!((plan.rows, plan.steps[0].action.as_str()), (20, "Remap"));
    let count = "SELECT count(*)::text FROM usage_logs WHERE id <= 30 AND user_id = 1 + id % 3";
    assert_eq!(world.database.text(count).await, "30", "nothing moves before it is approved");
    world.annotate("auth.probeops.com/approve", plan.hash.as_deref().unwrap());
    // Old tokens would still sign in as somebody else: that a person must end.
    let status = world.ready("False", "IdentityShifted").await;
    assert_eq!(shifted(&status), [("users".into(), None)]);
    assert_eq!(status.history[0].action.as_str(), "Remap");
    assert_eq!(world.database.text(count).await, "10", "the admin's alone are where they were");
    let own = "SELECT count(*)::text FROM usage_logs l JOIN users u ON u.id = l.user_id WHERE l.id > 30";
    assert_eq!(world.database.text(own).await, "2");
    assert_eq!(
        world
            .database
            .text("SELECT string_agg(user_id::text, ',' ORDER BY id) FROM usage_logs WHERE id > 30")
            .await,
        "2,3",
        "new rows stay with whom they were written for"
    );
    world.edit("{references: {onOrphan: Report, identities: null}}").await;
    world.ready("True", "Consistent").await;
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn admission_refuses_remap_without_identities_and_identities_of_two_kinds() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    let table = "{table: old, idColumn: id, loginColumn: email}";
    for (fields, why) in [
        ("{references: {onOrphan: Remap}}".to_owned(), "spec.references.identities: Invalid value"),
        ("{references: {rules: [{table: usage_logs, onOrphan: Remap}]}}".to_owned(), "set identities"),
        (
            format!("{{references: {{identities: {{configMapRef: {{name: x}}, table: {table}}}}}}}"),
            "exactly one of configMapRef and table",
        ),
        ("{references: {identities: {}}}".to_owned(), "exactly one of configMapRef and table"),
        (
            format!(
                "{{references: {{identities: {{table: {table}, passphraseSecretRef: {{name: a, key: b}}}}}}}}"
            ),
            "a passphrase goes with a snapshot",
        ),
        (
            "{references: {identities: {configMapRef: {name: x}, database: {urlSecretRef: {name: a, key: b}}}}}".to_owned(),
            "database says where the table is: set table too",
        ),
        (
            format!("{{references: {{identities: {{table: {table}, database: {{host: h}}}}}}}}"),
            "with host, set name, usernameSecretRef and passwordSecretRef too",
        ),
    ] {
        let refused = world.apply_refused(&fields);
        assert!(refused.contains(why), "{fields}: {refused}");
    }
    world.ready("True", "Consistent").await;
}

/// Everybody but the admin has got another id, and old rows name nobody.
const RENUMBERED: &str = "UPDATE users SET id = id + 4000 WHERE id > 1; DELETE FROM api_keys; SELECT setval('users_id_seq', 5000);";

#[tokio::test]
async fn the_old_database_is_asked_by_its_own_secret_and_waited_for_and_rows_go_back_when_approved() {
    let world = scenario(
        RENUMBERED,
        "{references: {onOrphan: Remap, identities: {table: {table: users, idColumn: id, loginColumn: email}, \
          database: {urlSecretRef: {name: old, key: url}, tls: {mode: VerifyFull, caSecretRef: {name: ca, key: ca.crt}}}}}}",
    )
    .await;
    let status = world.ready("False", "SecretMissing").await;
    let message = condition(&status, "Ready").unwrap().2;
    assert!(message.starts_with("spec.references.identities.database.urlSecretRef: "), "{message}");
    let old = Database::create(CONSISTENT).await;
    let nobody = old.dsn().replace(&format!("/{}", old.name), "/no_such_database");
    world.secret("old", "url", &nobody);
    world.annotate("auth.probeops.com/reconcile", "now");
    world
        .wait("the old database is not there", |status| {
            status.findings.iter().any(|one| one.finding.as_str() == "IdentitiesUnreachable")
        })
        .await;
    let orphans = "SELECT count(*)::text FROM usage_logs WHERE user_id IN (2, 3)";
    assert_eq!(world.database.text(orphans).await, "20", "nothing moves on half of what is needed");
    world.secret("old", "url", &old.dsn());
    world.annotate("auth.probeops.com/reconcile", "again");
    let status = world.ready("False", "ApprovalRequired").await;
    let plan = status.plan.unwrap();
    assert_eq!((plan.rows, plan.steps[0].action.as_str()), (20, "Remap"));
    world.annotate("auth.probeops.com/approve", plan.hash.as_deref().unwrap());
    world.ready("True", "Consistent").await;
    assert_eq!(world.database.text(orphans).await, "0");
    nothing_leaks(&world).await;
}
