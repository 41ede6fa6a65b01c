//! One-off requests on resources that were restored, copied or made anew, and what messages say to ask again.

use auth_consistency::api::{AuthConsistencyStatus, report::WhyNotDone};
use serde_json::{Value, json};

use crate::{
    nothing_leaks, scenario,
    world::{CONSISTENT, World, condition, fed, kubectl, part, shared_operator, until},
};

const RESET: &str = "auth.probeops.com/reset-admin";

/// What somebody chose as the admin's password after the reset of then.
const NEWER: &str = "$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG";

/// Runs a command as a person who pastes it into a shell.
fn paste(command: &str) {
    let script = format!("kubectl() {{ \"$KUBECTL\" \"$@\"; }}; {command}");
    let mut shell = std::process::Command::new("sh");
    let output = fed(shell.args(["-ec", &script]).env("KUBECTL", part("AUTHCON_TEST_KUBECTL")), "");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a message says between backquotes.
fn command(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or_else(|| panic!("{message} has no command"))
}

/// The resource as a backup keeps it: no status, and nothing that the API server gave it.
fn backup(world: &World) -> Value {
    let text = kubectl(&["get", "authcon", "app", "-n", &world.namespace, "-o", "json"], "");
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object.as_object_mut().unwrap().remove("status");
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    object
}

fn restore(object: &Value) {
    kubectl(&["create", "-f", "-"], &object.to_string());
}

fn delete(world: &World) {
    kubectl(&["delete", "authcon", "app", "-n", &world.namespace], "");
}

async fn stored(world: &World) -> String {
    world.database.text("SELECT hashed_password FROM users WHERE id = 1").await
}

async fn chosen_anew(world: &World) {
    world.database.run(&format!("UPDATE users SET hashed_password = '{NEWER}' WHERE id = 1")).await;
}

fn reset_handled(status: &AuthConsistencyStatus) -> Option<&str> {
    status.last_handled_reset_admin.as_deref()
}

/// A resource whose admin was reset as somebody asked on Monday, and whose password was chosen anew since.
async fn reset_on_monday() -> World {
    let world = scenario("", "").await;
    // At once: whether the operator has seen the resource by then is nobody's concern.
    world.annotate(RESET, "monday");
    world.wait("the reset", |status| reset_handled(status) == Some("monday")).await;
    world.ready("True", "Consistent").await;
    chosen_anew(&world).await;
    world
}

/// Asserts that the reset of Monday is told and was not done, and gives the words.
async fn told(world: &World) -> String {
    let status = world.ready("True", "Consistent").await;
    let told = &status.requests_not_done;
    let told = told.iter().find(|one| one.annotation == RESET).unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!((told.value.as_str(), told.why), ("monday", WhyNotDone::OlderThanResource));
    assert_eq!(reset_handled(&status), None);
    assert_eq!(stored(world).await, NEWER, "the newer password was overwritten");
    until("the event", async || {
        let events = kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "json"], "");
        let events: Value = serde_json::from_str(&events).unwrap();
        let mut events = events["items"].as_array().unwrap().iter();
        events.any(|event| event["reason"] == "RequestNotDone" && event["type"] == "Warning")
    })
    .await;
    told.message.clone()
}

#[tokio::test]
async fn a_resource_that_is_restored_from_a_backup_resets_nobody_until_somebody_asks_anew() {
    let world = reset_on_monday().await;
    let object = backup(&world);
    delete(&world);
    restore(&object);
    let message = told(&world).await;
    // Neither later, nor when a pass is asked for.
    let status = world.another_pass().await;
    assert_eq!((status.requests_not_done.len(), reset_handled(&status)), (1, None));
    assert_eq!(stored(&world).await, NEWER);
    paste(command(&message));
    let status = world.wait("the reset", |status| reset_handled(status).is_some()).await;
    assert_ne!(stored(&world).await, NEWER);
    assert_eq!(status.requests_not_done, [], "what does not stand there any more is not told");
    // The same command is good for as often as it is pasted.
    let first = status.last_handled_reset_admin;
    chosen_anew(&world).await;
    let second = first.as_ref().unwrap().parse::<i64>().unwrap();
    until("another second", async || jiff::Timestamp::now().as_second() > second).await;
    paste(command(&message));
    world.wait("the second reset", |status| status.last_handled_reset_admin != first).await;
    assert_ne!(stored(&world).await, NEWER);
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn a_resource_that_is_restored_with_a_database_from_before_resets_nobody_either() {
    let world = reset_on_monday().await;
    let object = backup(&world);
    delete(&world);
    // The database knows nothing of what was done: only the object tells.
    world.database.run("DROP SCHEMA auth_consistency CASCADE").await;
    restore(&object);
    told(&world).await;
    // What a person writes to it is asked of it.
    world.annotate(RESET, "tuesday");
    world.wait("the reset", |status| reset_handled(status) == Some("tuesday")).await;
    assert_ne!(stored(&world).await, NEWER);
}

#[tokio::test]
async fn a_request_that_is_applied_with_the_resource_is_told_and_another_value_of_the_same_file_is_done() {
    shared_operator();
    let world = World::new(CONSISTENT).await;
    chosen_anew(&world).await;
    let apply = |value: &str| {
        let manifest = json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": "app", "namespace": world.namespace, "annotations": {RESET: value}},
            "spec": world.spec(""),
        });
        kubectl(&["apply", "--server-side", "-f", "-"], &manifest.to_string());
    };
    apply("monday");
    told(&world).await;
    apply("monday");
    world.another_pass().await;
    assert_eq!(stored(&world).await, NEWER);
    // Within the second of the creation nobody could tell it from what came with the resource.
    let created = world.api().get("app").await.unwrap().metadata.creation_timestamp.unwrap();
    until("another second", async || jiff::Timestamp::now().as_second() > created.0.as_second()).await;
    apply("tuesday");
    world.wait("the reset", |status| reset_handled(status) == Some("tuesday")).await;
    assert_ne!(stored(&world).await, NEWER);
}

#[tokio::test]
async fn a_request_on_a_suspended_resource_that_was_restored_is_told_and_not_done_once_it_goes_on() {
    let world = reset_on_monday().await;
    let mut object = backup(&world);
    object["spec"]["suspend"] = true.into();
    delete(&world);
    restore(&object);
    // Nobody has looked at it, so that its generation is not one that was seen.
    let status = async || world.api().get("app").await.unwrap().status.unwrap_or_default();
    until("the remark", async || status().await.requests_not_done.len() == 1).await;
    world.edit("{suspend: false}").await;
    told(&world).await;
}

#[tokio::test]
async fn a_resource_that_was_made_anew_under_its_name_goes_on_with_its_own_claim() {
    let world = scenario("UPDATE users SET role = 'user' WHERE id = 1;", "").await;
    world.ready("True", "Consistent").await;
    let owner = world.database.text("SELECT owner FROM auth_consistency.claims").await;
    let next = world.database.text("SELECT (takes + 1)::text FROM auth_consistency.claims").await;
    let object = backup(&world);
    delete(&world);
    world.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    restore(&object);
    world.ready("True", "Consistent").await;
    assert_eq!(world.database.text("SELECT role FROM users WHERE id = 1").await, "admin");
    let claim = "SELECT owner || ' ' || takes FROM auth_consistency.claims";
    let uid = world.api().get("app").await.unwrap().metadata.uid.unwrap();
    assert_ne!(owner, uid);
    assert_eq!(world.database.text(claim).await, format!("{uid} {next}"));
}

#[tokio::test]
async fn a_copy_in_another_namespace_takes_the_claim_as_its_message_says_and_does_no_reset_of_before() {
    let first = reset_on_monday().await;
    // The audit is gone, as where the copy works on another copy of the database: the object alone tells.
    first.database.run("UPDATE auth_consistency.audit SET reset_token = NULL").await;
    let mut object = backup(&first);
    let second = World::new("").await;
    second.secret("database", "url", &first.database.dsn());
    object["metadata"]["namespace"] = second.namespace.clone().into();
    first.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    first.ready("True", "Consistent").await;
    let role = async || first.database.text("SELECT role FROM users WHERE id = 1").await;
    until("the first one's repair", async || role().await == "admin").await;
    delete(&first);
    first.database.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    restore(&object);
    let status = second.ready("False", "TargetClaimed").await;
    assert_eq!(role().await, "user", "another name is no reason to take over");
    paste(command(condition(&status, "SchemaCompatible").unwrap().2));
    second.ready("True", "Consistent").await;
    assert_eq!(role().await, "admin");
    let hash = first.database.text("SELECT hashed_password FROM users WHERE id = 1").await;
    assert_eq!(hash, NEWER);
    let status = second.another_pass().await;
    assert_eq!(status.requests_not_done.len(), 1);
    assert_eq!(first.database.text("SELECT hashed_password FROM users WHERE id = 1").await, NEWER);
}

#[tokio::test]
async fn what_the_message_about_a_plan_says_approves_it_whatever_stood_there_before() {
    let orphans = "UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;";
    let world = scenario(orphans, "{references: {onOrphan: SetNull, limits: {rows: 0}}}").await;
    let status = world.ready("False", "ApprovalRequired").await;
    world.annotate("auth.probeops.com/approve", "of-another-plan");
    world.another_pass().await;
    paste(command(condition(&status, "Ready").unwrap().2));
    world.ready("True", "Consistent").await;
    let nobody = "SELECT count(*)::text FROM usage_logs WHERE user_id IS NULL";
    assert_eq!(world.database.text(nobody).await, "10");
}

#[tokio::test]
async fn what_the_message_about_a_foreign_hash_says_resets_the_admin() {
    let foreign = "UPDATE users SET hashed_password = 'pbkdf2_sha256$600000$abc$def' WHERE id = 1;";
    let world = scenario(foreign, "").await;
    let status = world.ready("False", "PasswordHashForeign").await;
    paste(command(condition(&status, "AdminConsistent").unwrap().2));
    world.ready("True", "Consistent").await;
    nothing_leaks(&world).await;
}
