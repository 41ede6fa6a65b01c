//! Requests that stood on a resource before the operator was there: written to it, or brought along.

use auth_consistency::api::report::WhyNotDone;
use serde_json::{Value, json};

use crate::world::{CONSISTENT, Operator, World, kubectl};

const RESET: &str = "auth.probeops.com/reset-admin";

async fn stored(world: &World) -> String {
    world.database.text("SELECT hashed_password FROM users WHERE id = 1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_written_to_a_resource_before_the_operator_came_is_done() {
    let world = World::new(CONSISTENT).await;
    let before = stored(&world).await;
    world.apply("");
    world.annotate(RESET, "monday");
    let _operator = Operator::start(&format!("op-{}", world.namespace), &[&world.namespace], &[], &[]);
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.last_handled_reset_admin.as_deref(), Some("monday"));
    assert_eq!(status.requests_not_done, []);
    assert_ne!(stored(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_tool_that_puts_managers_and_status_back_too_brings_no_request_to_life() {
    let world = World::new(CONSISTENT).await;
    let before = stored(&world).await;
    let manifest = json!({
        "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
        "metadata": {"name": "app", "namespace": world.namespace, "annotations": {RESET: "monday"}},
        "spec": world.spec(""),
    });
    kubectl(&["create", "-f", "-"], &manifest.to_string());
    let get = || {
        let read = ["get", "authcon", "app", "-n", &world.namespace, "--show-managed-fields", "-o", "json"];
        serde_json::from_str::<Value>(&kubectl(&read, "")).unwrap()
    };
    let entry = |manager: &str, time: &str, fields: Value| {
        json!({
            "manager": manager, "operation": "Update", "apiVersion": "auth.probeops.com/v1alpha1",
            "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields,
        })
    };
    // As they were in the backup: who wrote the annotation then owns nothing else.
    let spec = get()["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].clone();
    let annotations = json!({".": {}, format!("f:{RESET}"): {}});
    let managers = json!([
        entry("kubectl-create", "2025-01-01T00:00:00Z", json!({"f:spec": spec})),
        entry(
            "kubectl-annotate",
            "2025-01-02T00:00:00Z",
            json!({"f:metadata": {"f:annotations": annotations}})
        ),
    ]);
    let patch = |what: &[&str], patch: Value| {
        let patch = patch.to_string();
        let flags = ["patch", "authcon", "app", "-n", &world.namespace, "--type=merge", "-p", &patch];
        kubectl(&[&flags, what].concat(), "");
    };
    patch(&[], json!({"metadata": {"managedFields": managers}}));
    assert_eq!(get()["metadata"]["managedFields"][1]["time"], "2025-01-02T00:00:00Z");
    // The backup was made after the request was written, and before it was done.
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Consistent", "message": "as it was",
        "lastTransitionTime": "2025-01-01T00:00:00Z",
    });
    let status =
        json!({"observedGeneration": 1, "lastHandledResetAdmin": "sunday", "conditions": [condition]});
    patch(&["--subresource=status"], json!({"status": status}));
    let _operator = Operator::start(&format!("op-{}", world.namespace), &[&world.namespace], &[], &[]);
    let status = world.wait("the remark", |status| !status.requests_not_done.is_empty()).await;
    assert_eq!(status.requests_not_done[0].why, WhyNotDone::OlderThanResource);
    let status = world.another_pass().await;
    assert_eq!(status.last_handled_reset_admin.as_deref(), Some("sunday"));
    assert_eq!(stored(&world).await, before);
    world.annotate(RESET, "tuesday");
    world.wait("the reset", |status| status.last_handled_reset_admin.as_deref() == Some("tuesday")).await;
    assert_ne!(stored(&world).await, before);
}
