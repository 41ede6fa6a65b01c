//! Keys of other resources at the command line: as far as the caller's own rights go.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::world::{CONSISTENT, Database, KEY, World, fed, install_crd, kubectl, part};

const OTHER: &str = "canary-6be93541d7a2f08c-the-signing-key-of-another";
const HIDDEN: &str = "canary-c6be93541d7a2f08-a-key-that-nobody-may-read";

/// A kubeconfig of somebody who may list the resources and read some of the Secrets.
fn caller(namespace: &str, secrets: &[&str]) -> PathBuf {
    let rules = serde_json::json!([
        {"apiGroups": ["auth.probeops.com"], "resources": ["authconsistencies"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": secrets},
    ]);
    let subject = serde_json::json!([{"kind": "ServiceAccount", "name": "caller", "namespace": namespace}]);
    let role = serde_json::json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "caller"});
    let meta = serde_json::json!({"name": "caller", "namespace": namespace});
    for object in [
        serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}),
        serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules,
        }),
        serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "subjects": subject, "roleRef": role,
        }),
    ] {
        kubectl(&["apply", "-f", "-"], &object.to_string());
    }
    let token = kubectl(&["create", "token", "caller", "-n", namespace, "--duration=1h"], "");
    let raw = kubectl(&["config", "view", "--minify", "--raw", "--flatten", "-o", "json"], "");
    let mut config: serde_json::Value = serde_json::from_str(&raw).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = serde_json::json!({"token": token.trim()});
    }
    let file = Path::new(&part("AUTHCON_TEST_PARTS_DIR")).join(format!("caller-{namespace}"));
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-consistency"));
    fed(command.args(arguments).envs(variables.iter().copied()), input)
}

/// A token of user 1, signed with a key.
fn signed_with(key: &str) -> String {
    let minted = run(&["token", "mint", "--subject", "1"], &[("JWT_SECRET", key)], "");
    String::from_utf8(minted.stdout).unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains("canary") && !err.contains("canary"), "a key is shown: {out}{err}");
    (out, err)
}

#[tokio::test]
async fn a_token_of_another_resource_is_known_as_far_as_the_caller_may_read_keys() {
    install_crd();
    let world = World::new(CONSISTENT).await;
    let namespace = world.namespace.as_str();
    for (name, secret, key) in [
        ("app", "jwt", KEY),
        ("copy", "jwt-copy", KEY),
        ("hidden", "jwt-hidden", HIDDEN),
        ("other", "jwt-other", OTHER),
    ] {
        world.secret(secret, "key", key);
        let resource = serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": name, "namespace": namespace},
            "spec": world.spec(&format!("{{suspend: true, jwt: {{secretRef: {{name: {secret}}}}}}}")),
        });
        kubectl(&["apply", "-f", "-"], &resource.to_string());
    }
    let readable = ["database", "ca", "admin", "jwt", "jwt-copy", "jwt-other"];
    let kubeconfig = caller(namespace, &readable);
    let kubeconfig = kubeconfig.to_str().unwrap();
    let resolve = format!("postgres.test:{}:127.0.0.1", Database::port());
    let target = ["app", "-n", namespace, "--kubeconfig", kubeconfig, "--resolve", resolve.as_str()];
    let explain =
        |token: &str| said(&run(&[&["token", "explain", "-o", "json"], &target[..]].concat(), &[], token));
    let unread = "auth-consistency: 1 other resource could not be read\n";

    let (out, err) = explain(&signed_with(OTHER));
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["cause"], "SignedByAnother", "{out}");
    let verdict = answer["verdict"].as_str().unwrap();
    assert!(verdict.ends_with(&format!("the resource {namespace}/other")), "{verdict}");
    assert_eq!(err, unread);

    let (out, err) = explain(&signed_with(HIDDEN));
    assert!(out.contains("SignedByUnknownKey"), "{out}");
    assert_eq!(err, unread);

    let (out, err) = explain(&signed_with(KEY));
    assert!(out.contains("NothingWrong"), "{out}");
    assert_eq!(err, "", "nobody else's key is read for a token of one's own");

    let everywhere = [&["token", "explain", "-o", "json", "-A"], &target[..]].concat();
    let (out, err) = said(&run(&everywhere, &[], &signed_with(OTHER)));
    assert!(out.contains("SignedByUnknownKey"), "{out}");
    assert!(err.contains("could not be listed"), "{err}");

    let (out, err) = said(&run(&[&["key", "audit"], &target[..]].concat(), &[], ""));
    assert!(out.contains(&format!("The same key is that of {namespace}/copy:")), "{out}");
    assert!(!out.contains("other:") && !out.contains("hidden"), "{out}");
    assert_eq!(err, unread);
}
