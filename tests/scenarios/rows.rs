//! Every row of what a pass finds, from the database to the status.

use auth_consistency::api::AuthConsistencyStatus;

use crate::{
    nothing_leaks, scenario,
    world::{World, condition},
};

fn finds(status: &AuthConsistencyStatus, name: &str) -> bool {
    status.findings.iter().any(|finding| finding.finding.as_str() == name)
}

/// Approves the plan that the status shows.
async fn approve(world: &World) -> String {
    let status = world.ready("False", "ApprovalRequired").await;
    let hash = status.plan.unwrap().hash.unwrap();
    world.annotate("auth.probeops.com/approve", &hash);
    hash
}

#[tokio::test]
async fn a_consistent_target_is_ready_with_every_domain_condition_true() {
    let world = scenario("", "").await;
    let status = world.ready("True", "Consistent").await;
    for name in [
        "DatabaseReachable",
        "SchemaCompatible",
        "AdminConsistent",
        "ReferencesConsistent",
        "SigningKeyTrusted",
    ] {
        assert_eq!(condition(&status, name).map(|one| one.0), Some("True"), "{name}");
    }
    assert_eq!(condition(&status, "TokensAccepted"), None, "nothing is probed");
    assert_eq!(condition(&status, "Reconciling"), None);
    assert_eq!(condition(&status, "Stalled"), None);
    assert!(status.findings.is_empty() && status.plan.is_none() && status.history.is_empty());
    assert_eq!(status.references.unwrap().checked, 2);
    assert_eq!(
        world
            .database
            .text("SELECT count(*)::text FROM pg_namespace WHERE nspname = 'auth_consistency'")
            .await,
        "0"
    );
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_missing_admin_is_seeded_above_every_id_and_can_sign_in() {
    let sql = "UPDATE usage_logs SET user_id = 70 WHERE user_id = 1; DELETE FROM users WHERE id = 1;";
    let world =
        scenario(sql, "{references: {rules: [{table: usage_logs, accept: {rows: 10, reason: old}}]}}").await;
    let status = world.ready("True", "Consistent").await;
    let admin = status.admin.unwrap();
    assert_eq!((admin.id.as_deref(), admin.seeded_time.is_some()), (Some("71"), true));
    let hash = world.database.text("SELECT hashed_password FROM users WHERE email = 'admin@probeops.com' AND role = 'admin' AND is_active").await;
    assert!(bcrypt::verify(crate::world::PASSWORD, &hash).unwrap());
    assert_eq!(
        status.history.iter().map(|one| one.action.as_str()).collect::<Vec<_>>(),
        ["Seed", "AdvanceSequence"]
    );
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_missing_admin_is_only_reported_where_the_spec_says_so() {
    let sql = "DELETE FROM usage_logs WHERE user_id = 1; DELETE FROM users WHERE id = 1;";
    let world = scenario(sql, "{admin: {onMissing: Report}}").await;
    let status = world.ready("False", "AdminMissing").await;
    assert_eq!(condition(&status, "Stalled").map(|one| one.1), Some("AdminMissing"));
    assert_eq!(world.database.text("SELECT count(*)::text FROM users").await, "2");
}

#[tokio::test]
async fn an_admin_with_another_id_is_moved_with_every_reference() {
    let world = scenario("", "{admin: {id: '900'}}").await;
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.admin.unwrap().id.as_deref(), Some("900"));
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 900").await, "10");
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 1").await, "0");
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn an_id_that_somebody_has_is_never_swapped() {
    let world = scenario("", "{admin: {id: '2'}}").await;
    let status = world.ready("False", "AdminIdClaimed").await;
    assert_eq!(condition(&status, "AdminConsistent").map(|one| one.0), Some("False"));
    assert!(condition(&status, "Stalled").is_some() && status.plan.is_none());
    assert_eq!(
        world.database.text("SELECT id::text FROM users WHERE email = 'admin@probeops.com'").await,
        "1"
    );
}

#[tokio::test]
async fn an_id_that_old_rows_name_is_given_only_after_approval() {
    let world =
        scenario("UPDATE usage_logs SET user_id = 50 WHERE user_id = 3;", "{admin: {id: '50'}}").await;
    let waiting = world.ready("False", "ApprovalRequired").await;
    assert!(finds(&waiting, "AdminIdClaimed") && condition(&waiting, "Stalled").is_some());
    assert_eq!(
        world.database.text("SELECT id::text FROM users WHERE email = 'admin@probeops.com'").await,
        "1"
    );
    let hash = approve(&world).await;
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.last_handled_approval, Some(hash));
    assert_eq!(status.admin.unwrap().id.as_deref(), Some("50"));
}

#[tokio::test]
async fn a_password_that_is_not_the_secrets_is_reset_where_the_policy_is_always() {
    let world = scenario("", "{admin: {passwordPolicy: Always}}").await;
    world.ready("True", "Consistent").await;
    let before = world.database.text("SELECT hashed_password FROM users WHERE id = 1").await;
    world.another_pass().await;
    assert_eq!(
        world.database.text("SELECT hashed_password FROM users WHERE id = 1").await,
        before,
        "an equal password was rewritten"
    );
    world.secret("admin", "password", "canary the next password");
    world.another_pass().await;
    let status = world.ready("True", "Consistent").await;
    let hash = world.database.text("SELECT hashed_password FROM users WHERE id = 1").await;
    assert!(bcrypt::verify("canary the next password", &hash).unwrap());
    assert!(status.admin.unwrap().reset_time.is_some());
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_hash_that_the_app_cannot_read_waits_for_a_reset_and_is_reset_once() {
    let world =
        scenario("UPDATE users SET hashed_password = 'pbkdf2_sha256$1000$canary$x' WHERE id = 1;", "").await;
    let status = world.ready("False", "PasswordHashForeign").await;
    let message = condition(&status, "AdminConsistent").unwrap().2;
    assert!(message.contains("Django") && message.contains("reset-admin"), "{message}");
    world.annotate("auth.probeops.com/reset-admin", "first");
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.last_handled_reset_admin.as_deref(), Some("first"));
    let hash = world.database.text("SELECT hashed_password FROM users WHERE id = 1").await;
    world.another_pass().await;
    assert_eq!(
        world.database.text("SELECT hashed_password FROM users WHERE id = 1").await,
        hash,
        "it was reset twice"
    );
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn an_admin_that_is_inactive_or_no_admin_is_corrected() {
    let world = scenario("UPDATE users SET is_active = false, role = 'user' WHERE id = 1;", "").await;
    world.ready("True", "Consistent").await;
    assert_eq!(world.database.text("SELECT role || is_active FROM users WHERE id = 1").await, "admintrue");
    assert_eq!(world.database.text("SELECT role || is_active FROM users WHERE id = 2").await, "usertrue");
}

#[tokio::test]
async fn two_admins_by_case_are_a_persons_to_tell_apart() {
    let world = scenario("UPDATE users SET email = 'Admin@probeops.com ' WHERE id = 2;", "").await;
    let status = world.ready("False", "AdminAmbiguous").await;
    assert!(condition(&status, "Stalled").is_some());
}

#[tokio::test]
async fn orphans_are_reported_with_the_keys_that_they_name() {
    let world = scenario("UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;", "").await;
    let status = world.ready("False", "OrphanRows").await;
    let finding = status.findings.iter().find(|one| one.finding.as_str() == "OrphanRows").unwrap();
    assert_eq!(
        (finding.rows, finding.keys, finding.sample.as_slice()),
        (Some(10), Some(1), &["4711".to_owned()][..])
    );
    assert_eq!(status.references.unwrap().orphan_rows, 10);
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 4711").await, "10");
}

#[tokio::test]
async fn orphans_over_the_limit_wait_for_approval_and_then_go_to_the_admin() {
    let fields = "{references: {rules: [{table: usage_logs, columns: [user_id], onOrphan: Reassign}]}}";
    let world = scenario("UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;", fields).await;
    let hash = approve(&world).await;
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.last_handled_approval.as_ref(), Some(&hash));
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 1").await, "20");
    let repair = status.history.iter().find(|one| one.action.as_str() == "Reassign").unwrap();
    assert_eq!((repair.rows, repair.plan_hash.as_ref()), (10, Some(&hash)));
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn an_approval_is_for_the_keys_that_were_shown_and_no_others() {
    let fields =
        "{references: {onOrphan: Delete, rules: [{table: api_keys, ignore: true, reason: not here}]}}";
    let world = scenario("UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;", fields).await;
    let status = world.ready("False", "ApprovalRequired").await;
    let hash = status.plan.unwrap().hash.unwrap();
    world
        .database
        .run("SET session_replication_role = replica; UPDATE usage_logs SET user_id = 4712 WHERE id = 1")
        .await;
    world.annotate("auth.probeops.com/approve", &hash);
    let status = world
        .wait("a plan with another hash", |status| {
            status.plan.as_ref().is_some_and(|plan| plan.hash.as_ref().is_some_and(|other| *other != hash))
        })
        .await;
    assert!(condition(&status, "Ready").unwrap().2.contains("another plan"));
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs").await, "30");
    assert_eq!(status.last_handled_approval, None);
}

#[tokio::test]
async fn orphans_within_the_limits_are_set_to_null_at_once() {
    let fields = "{references: {onOrphan: SetNull, limits: {percent: 50}}}";
    let world = scenario("UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;", fields).await;
    world.ready("True", "Consistent").await;
    assert_eq!(
        world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id IS NULL").await,
        "10"
    );
}

#[tokio::test]
async fn deleted_orphans_are_in_quarantine_first() {
    let fields = "{references: {onOrphan: Delete, limits: {percent: 50}}}";
    let world = scenario("UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;", fields).await;
    world.ready("True", "Consistent").await;
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs").await, "20");
    let table = world
        .database
        .text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'usage_logs'")
        .await;
    assert_eq!(world.database.text(&format!("SELECT count(*)::text FROM auth_consistency.\"{table}\" WHERE user_id = 4711 AND tool = 'ping'")).await, "10");
}

#[tokio::test]
async fn a_missing_constraint_is_a_warning_and_leaves_the_resource_ready() {
    let fields = "{references: {rules: [{table: usage_logs, columns: [user_id], declared: true, constraint: usage_logs_user_id_fkey}]}}";
    let world = scenario("ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey;", fields).await;
    let status = world.ready("True", "Consistent").await;
    assert_eq!(
        condition(&status, "SchemaCompatible").map(|one| (one.0, one.1)),
        Some(("False", "ConstraintMissing"))
    );
    assert_eq!(status.references.unwrap().checked, 2);
}

#[tokio::test]
async fn a_missing_constraint_is_added_and_validated_where_the_rule_says_restore() {
    let fields = "{references: {onOrphan: Delete, limits: {percent: 50}, rules: [{table: usage_logs, columns: [user_id], constraint: usage_logs_user_id_fkey, onConstraint: Restore}]}}";
    let sql = "ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey; UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;";
    let world = scenario(sql, fields).await;
    let status = world.ready("True", "Consistent").await;
    assert_eq!(
        condition(&status, "SchemaCompatible").map(|one| (one.0, one.1)),
        Some(("True", "Compatible"))
    );
    let valid = "SELECT convalidated::text FROM pg_constraint WHERE conname = 'usage_logs_user_id_fkey'";
    assert_eq!(world.database.text(valid).await, "true");
    let done: Vec<String> = status.history.iter().rev().map(|one| one.action.to_string()).collect();
    assert_eq!(done, ["AdvanceSequence", "Delete", "AddConstraint", "ValidateConstraint"]);
    assert_eq!(world.database.text("SELECT count(*)::text FROM usage_logs").await, "20");
}

#[tokio::test]
async fn a_constraint_that_does_not_vouch_for_its_rows_is_a_warning() {
    let sql = "ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey; ALTER TABLE usage_logs ADD CONSTRAINT usage_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;";
    let world = scenario(sql, "").await;
    let status = world.ready("True", "Consistent").await;
    assert_eq!(condition(&status, "SchemaCompatible").map(|one| one.1), Some("ConstraintUnvalidated"));
}

#[tokio::test]
async fn orphans_of_another_type_are_found_by_their_text_and_wait_for_approval_beside_the_type() {
    let sql = "ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey; ALTER TABLE usage_logs ALTER user_id TYPE varchar(20) USING user_id::text; UPDATE usage_logs SET user_id = 'nobody' WHERE user_id = '3';";
    let fields =
        "{references: {onOrphan: SetNull, rules: [{table: usage_logs, columns: [user_id], declared: true}]}}";
    let world = scenario(sql, fields).await;
    let status = world.ready("False", "ApprovalRequired").await;
    assert!(finds(&status, "IdTypeDiffers") && finds(&status, "OrphanRows"));
    let alter = &status.findings.iter().find(|one| one.finding.as_str() == "IdTypeDiffers").unwrap().message;
    assert!(alter.contains("ALTER TABLE public.usage_logs ALTER COLUMN user_id TYPE integer"), "{alter}");
    assert_eq!(
        world.database.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 'nobody'").await,
        "10"
    );
}

#[tokio::test]
async fn a_sequence_behind_the_ids_is_moved_and_never_backwards() {
    let world = scenario("SELECT setval('users_id_seq', 1);", "").await;
    world.ready("True", "Consistent").await;
    assert_eq!(world.database.text("SELECT nextval('users_id_seq')::text").await, "4");
    world.another_pass().await;
    assert_eq!(world.database.text("SELECT nextval('users_id_seq')::text").await, "5");
}

#[tokio::test]
async fn what_cannot_be_read_is_never_called_consistent() {
    let world = scenario("", "{suspend: true}").await;
    world.database.run("CREATE TABLE secrets_of_others (user_id integer REFERENCES users (id)); ALTER TABLE secrets_of_others OWNER TO postgres;").await;
    world.edit("{suspend: false}").await;
    let status = world.ready("False", "RowsUnreadable").await;
    assert_eq!(condition(&status, "ReferencesConsistent").map(|one| one.0), Some("Unknown"));
    assert_eq!(status.references.unwrap().skipped.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_too_short_is_a_warning_and_one_that_is_known_is_critical() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    world.secret("jwt", "key", "canary-9f4e");
    let status = world.another_pass().await;
    assert_eq!(
        condition(&status, "SigningKeyTrusted").map(|one| (one.0, one.1)),
        Some(("False", "SigningKeyWeak"))
    );
    assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("True"));
    assert_eq!(status.signing_key.unwrap().fingerprint, None, "a weak key could be guessed from it");
    world.secret("jwt", "key", "your-256-bit-secret");
    world.another_pass().await;
    let status = world.ready("False", "SigningKeyGuessable").await;
    assert!(condition(&status, "Stalled").is_some());
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn another_signing_key_shows_as_an_event_and_a_time_and_leaves_the_resource_ready() {
    let world = scenario("", "").await;
    let before = world.ready("True", "Consistent").await.signing_key.unwrap();
    world.secret("jwt", "key", "canary-77e1c3b05d9f42aa-the-next-signing-key-of-all");
    let status = world.another_pass().await;
    let after = status.signing_key.clone().unwrap();
    assert_ne!(before.fingerprint, after.fingerprint);
    assert!(before.changed_time.is_none() && after.changed_time.is_some());
    assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("True"));
    crate::world::until("the event", async || world.shown().contains("reason: SigningKeyChanged")).await;
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_subject_that_no_token_can_carry_is_told() {
    let world = scenario("", "{jwt: {subjectType: Number, subjectColumn: email}}").await;
    let status = world.ready("False", "SubjectTypeDiffers").await;
    assert_eq!(condition(&status, "SchemaCompatible").map(|one| one.0), Some("False"));
    assert!(condition(&status, "Stalled").is_some());
}

#[tokio::test]
async fn a_key_that_ends_with_a_line_break_is_suspicious() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    world.secret("jwt", "key", &format!("{}\n", crate::world::KEY));
    let status = world.another_pass().await;
    assert_eq!(
        condition(&status, "SigningKeyTrusted").map(|one| (one.0, one.1)),
        Some(("False", "SigningKeySuspicious"))
    );
    assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("True"));
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_algorithm_is_told_and_the_pair_that_does_is_trusted() {
    let world = scenario("", "{jwt: {algorithm: ES256, keyId: main}}").await;
    let status = world.ready("False", "SigningKeyUnfit").await;
    let (trusted, reason, message) = condition(&status, "SigningKeyTrusted").unwrap();
    assert_eq!((trusted, reason), ("False", "SigningKeyUnfit"));
    assert!(message.contains("ES256 needs an EC key on P-256"), "{message}");
    assert!(condition(&status, "Stalled").is_some());
    world.secret("jwt", "key", include_str!("../keys/p256.pem"));
    world.another_pass().await;
    let status = world.ready("True", "Consistent").await;
    let key = status.signing_key.unwrap();
    assert!(key.fingerprint.unwrap().starts_with("v1:thumbprint:"));
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn the_command_line_asks_the_operator_and_prints_its_status() {
    let world = scenario("UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;", "").await;
    world.ready("False", "OrphanRows").await;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
        .args(["check", "-n", &world.namespace, "app", "-o", "json"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!((&report["consistent"], &report["references"]["orphanRows"]), (&false.into(), &10.into()));
}
