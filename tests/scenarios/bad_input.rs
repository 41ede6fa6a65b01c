//! Bad input: a clear error under the right condition, and nothing lost.

use crate::{
    nothing_leaks, scenario,
    world::{CONSISTENT, World, condition, shared_operator},
};

async fn with_dsn(dsn: &str) -> World {
    shared_operator();
    let world = World::new(CONSISTENT).await;
    world.secret("database", "url", dsn);
    world.apply("");
    world
}

#[tokio::test]
async fn connection_strings_that_cannot_be_used_say_what_is_wrong_and_repeat_nothing() {
    for (dsn, reason, word) in [
        ("canary no url", "DatabaseUrlInvalid", "postgresql://"),
        ("mysql+pymysql://u:canary@db/x", "DatabaseEngineUnsupported", "mysql"),
        ("postgresql://u:canary@db/x?sslrootcert=/etc/x", "DatabaseUrlInvalid", "sslrootcert"),
        ("postgresql://u:canary@db/x?fallback=canary", "DatabaseUrlInvalid", "option"),
        ("postgresql://u:canary@127.0.0.1:5432/x", "DatabaseHostNotAllowed", "127.0.0.1"),
        ("postgresql://u:canary@169.254.169.254/x", "DatabaseHostNotAllowed", "link-local"),
    ] {
        let world = with_dsn(dsn).await;
        let status = world.ready("False", reason).await;
        let (is, why, message) = condition(&status, "DatabaseReachable").unwrap();
        assert!(is != "True" && why == reason && message.contains(word), "{dsn}: {is} {why} {message}");
        assert!(condition(&status, "Stalled").is_some(), "{dsn}");
        nothing_leaks(&world).await;
    }
}

#[tokio::test]
async fn a_database_that_is_down_is_tried_again_and_delays_nobody_else() {
    let closed = crate::world::free_address();
    let port = closed.rsplit(':').next().unwrap();
    let world = with_dsn(&format!("postgresql://u:canary@nowhere.invalid:{port}/x")).await;
    let status = world.ready("False", "DatabaseUnreachable").await;
    assert!(condition(&status, "Reconciling").is_some() && condition(&status, "Stalled").is_none());
    let other = scenario("", "").await;
    other.ready("True", "Consistent").await;
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_wrong_password_a_missing_database_and_an_unknown_authority_are_told_apart() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    let right = world.database.dsn();
    for (dsn, reason) in [
        (right.replace(&world.database.password, "canary-wrong"), "DatabaseAuthenticationFailed"),
        (right.replace(&format!("/{}", world.database.name), "/nowhere"), "DatabaseNotFound"),
    ] {
        world.secret("database", "url", &dsn);
        world.annotate("auth.probeops.com/reconcile", reason);
        let status = world.ready("False", reason).await;
        assert_eq!(
            condition(&status, "DatabaseReachable").map(|one| (one.0, one.1)),
            Some(("False", reason))
        );
        assert_eq!(
            condition(&status, "AdminConsistent").map(|one| (one.0, one.1)),
            Some(("Unknown", "NotChecked"))
        );
    }
    world.secret("database", "url", &right);
    world.edit("{database: {tls: {caSecretRef: null}}}").await;
    let status = world.ready("False", "DatabaseTlsFailed").await;
    assert!(condition(&status, "Stalled").is_some());
    world.edit("{database: {tls: {mode: Disable}}}").await;
    let status = world.ready("True", "Consistent").await;
    assert!(condition(&status, "DatabaseReachable").unwrap().2.contains("without encryption"));
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn tables_columns_and_views_that_are_not_what_the_spec_says() {
    for (fields, reason, word) in [
        ("{users: {table: Users}}", "UserTableMissing", "public.users"),
        ("{users: {schema: nowhere}}", "UserTableMissing", "nowhere"),
        ("{users: {loginColumn: login}}", "ColumnMissing", "spec.users.loginColumn"),
        ("{admin: {columns: [{column: is_superuser, equals: 'true'}]}}", "ColumnMissing", "is_superuser"),
        ("{users: {table: people}}", "UserTableUnsupported", "view"),
    ] {
        let world = scenario("CREATE VIEW people AS SELECT * FROM users;", fields).await;
        let status = world.ready("False", reason).await;
        let (is, why, message) = condition(&status, "SchemaCompatible").unwrap();
        assert!(is == "False" && why == reason && message.contains(word), "{fields}: {message}");
        assert_eq!(condition(&status, "ReferencesConsistent").map(|one| one.0), Some("Unknown"));
    }
}

#[tokio::test]
async fn rows_that_row_level_security_hides_are_told_and_never_taken_for_orphans() {
    let sql = "ALTER TABLE usage_logs ENABLE ROW LEVEL SECURITY; ALTER TABLE usage_logs FORCE ROW LEVEL SECURITY; CREATE POLICY mine ON usage_logs USING (user_id = 1);";
    let world = scenario(sql, "{references: {onOrphan: Delete, limits: {percent: 100}}}").await;
    let status = world.ready("False", "RowsUnreadable").await;
    assert!(status.references.unwrap().skipped[0].why.contains("row-level security"));
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs").await, "30");
}

#[tokio::test]
async fn a_role_that_may_only_read_gets_findings_before_the_plan() {
    let world = scenario("", "{suspend: true}").await;
    let role = &world.database.role;
    world
        .database
        .run(&format!(
            "REASSIGN OWNED BY {role} TO postgres; GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}; REVOKE CREATE ON DATABASE {} FROM {role}; UPDATE users SET role = 'user' WHERE id = 1",
            world.database.name
        ))
        .await;
    world.edit("{suspend: false}").await;
    let status = world.ready("False", "PrivilegeMissing").await;
    assert!(condition(&status, "AdminConsistent").unwrap().2.contains("grants"));
    // The release that comes up may bring the grants.
    assert!(condition(&status, "Reconciling").is_some() && condition(&status, "Stalled").is_none());
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "user");
}

#[tokio::test]
async fn a_read_only_database_is_only_observed() {
    let world = scenario("UPDATE users SET role = 'user' WHERE id = 1;", "{suspend: true}").await;
    world
        .database
        .run(&format!("ALTER ROLE {} SET default_transaction_read_only = on", world.database.role))
        .await;
    world.edit("{suspend: false}").await;
    let status = world.verdict().await;
    assert_eq!(condition(&status, "DatabaseReachable").map(|one| one.1), Some("DatabaseReadOnly"));
    assert!(condition(&status, "Stalled").is_some());
}

#[tokio::test]
async fn an_admin_that_cannot_be_seeded_says_which_field_to_set() {
    let gone = "DELETE FROM usage_logs WHERE user_id = 1; DELETE FROM users WHERE id = 1;";
    let world = scenario(&format!("{gone} ALTER TABLE users ADD tenant text; UPDATE users SET tenant = 'x'; ALTER TABLE users ALTER tenant SET NOT NULL;"), "").await;
    let status = world.ready("False", "SpecInvalid").await;
    let message = condition(&status, "AdminConsistent").unwrap().2;
    let line = "seedColumns: [{column: tenant, value: \"\"}]";
    assert!(message.contains("spec.admin") && message.contains(line), "{message}");
    world.edit(&format!("{{admin: {{{}}}}}", line.replace("\"\"", "main"))).await;
    world.ready("True", "Consistent").await;

    let world = scenario(gone, "{suspend: true}").await;
    world.secret("admin", "password", &"canary".repeat(13));
    world.edit("{suspend: false}").await;
    let status = world.ready("False", "AdminPasswordUnusable").await;
    let message = condition(&status, "AdminConsistent").unwrap().2;
    assert!(message.contains("78") && message.contains("72"), "{message}");
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn repairs_that_would_do_harm_are_refused_when_they_are_planned() {
    let orphans =
        "UPDATE api_keys SET user_id = 4711; UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;";
    for (sql, fields, reason) in [
        (orphans.to_owned(), "{references: {rules: [{table: api_keys, onOrphan: Reassign}]}}", "ReassignRefused"),
        (orphans.to_owned(), "{references: {rules: [{table: api_keys, onOrphan: SetNull}]}}", "SetNullRefused"),
        (
            "ALTER TABLE usage_logs ADD UNIQUE (user_id, id); ALTER TABLE usage_logs ADD slot int; UPDATE usage_logs SET slot = id / 3; CREATE UNIQUE INDEX one_slot ON usage_logs (user_id, slot); UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;".to_owned(),
            "{references: {rules: [{table: usage_logs, onOrphan: Reassign}]}}",
            "UniqueKeyInTheWay",
        ),
        (
            "ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_pkey; UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;".to_owned(),
            "{references: {rules: [{table: usage_logs, onOrphan: Reassign}]}}",
            "RepairUnsupported",
        ),
    ] {
        let world = scenario(&sql, fields).await;
        let status = world.verdict().await;
        assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("False"), "{reason}");
        let found = status.findings.iter().find(|one| one.blocked.is_some_and(|why| why.as_str() == reason));
        assert!(found.is_some(), "{reason} is not in {:?}", status.findings);
        assert!(status.plan.is_none(), "{reason}: {:?}", status.plan);
    }
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_at_admission_by_its_field() {
    let world = World::new("").await;
    for (fields, field) in [
        ("{database: {host: db}}", "spec.database"),
        ("{database: {urlSecretRef: null}}", "spec.database"),
        ("{users: {preset: null}}", "spec.users"),
        ("{admin: {passwordSecretRef: null}}", "spec.admin.passwordSecretRef"),
        ("{admin: null, references: {onOrphan: Reassign}}", "spec.references"),
        ("{jwt: null, probe: {verifiers: [{name: api, url: 'http://x/'}]}}", "spec.probe"),
        ("{references: {rules: [{table: x, ignore: true}]}}", "spec.references.rules[0].reason"),
        ("{references: {rules: [{table: x, declared: true}]}}", "spec.references.rules[0].columns"),
        ("{references: {rules: [{table: x, absent: ['0']}]}}", "spec.references.rules[0].declared"),
        ("{users: {activeWhen: [{column: a, equals: b, isNull: true}]}}", "spec.users.activeWhen[0]"),
        ("{jwt: {algorithm: ES512}}", "spec.jwt.algorithm"),
        ("{jwt: {keyId: a, previousKeyIds: [a]}}", "spec.jwt.previousKeyIds"),
        ("{jwt: {keyId: a, revokedKeyIds: [b, a]}}", "spec.jwt.revokedKeyIds"),
        ("{jwt: {previousKeyIds: [a], revokedKeyIds: [a]}}", "spec.jwt.revokedKeyIds"),
        ("{sessions: {onKeyChange: End}}", "spec.sessions.onKeyChange"),
        ("{sessions: {onKeyChange: End, tables: []}}", "spec.sessions.onKeyChange"),
        ("{sessions: {tables: [{table: sessions}]}}", "spec.sessions.tables[0].column"),
        ("{interval: soon}", "spec.interval"),
        ("{mode: Repair}", "spec.mode"),
    ] {
        let said = world.apply_refused(fields);
        assert!(said.contains(field), "{fields}: {said}");
    }
}
