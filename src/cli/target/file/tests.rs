use secrecy::ExposeSecret as _;

use super::*;

const RESOURCE: &str = "
apiVersion: auth.probeops.com/v1alpha1
kind: AuthConsistency
metadata: {name: probeops, namespace: apps, generation: 7}
spec:
  database: {urlSecretRef: {name: probeops, key: DATABASE_URL}}
  users: {preset: FastAPI}
  jwt: {secretRef: {name: jwt, key: JWT_SECRET}}
";

const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: probeops, namespace: apps}
stringData: {DATABASE_URL: 'postgresql://app:canary-1@db/probeops'}
---
apiVersion: v1
kind: Secret
metadata: {name: jwt}
data: {JWT_SECRET: Y2FuYXJ5LTI=}
";

fn failure(text: &str) -> String {
    match load(text, "file.yaml") {
        Ok(_) => panic!("this file should have been refused"),
        Err(CliError::Usage(why)) => why,
        Err(other) => panic!("{other:?}"),
    }
}

fn held<'a>(loaded: &'a Loaded, name: &str, key: &str) -> &'a Result<SecretBytes, SecretProblem> {
    &loaded.secrets[&SecretKeyRef { name: name.into(), key: key.into() }]
}

#[test]
fn a_resource_and_its_secrets_come_from_one_file() {
    for text in [format!("{RESOURCE}---{SECRETS}"), format!("{SECRETS}---{RESOURCE}")] {
        let loaded = load(&text, "file.yaml").unwrap();
        assert_eq!(loaded.resource.uid, "apps/probeops");
        assert_eq!((loaded.resource.namespace.as_str(), loaded.resource.generation), ("apps", 7));
        let url = held(&loaded, "probeops", "DATABASE_URL").as_ref().unwrap();
        assert_eq!(url.expose_secret(), b"postgresql://app:canary-1@db/probeops");
        let key = held(&loaded, "jwt", "JWT_SECRET").as_ref().unwrap();
        assert_eq!(key.expose_secret(), b"canary-2");
    }
}

#[test]
fn a_list_is_its_items_and_other_kinds_are_passed_over() {
    let items: Vec<Value> = serde_saphyr::from_multiple(&format!("{RESOURCE}---{SECRETS}")).unwrap();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    let loaded = load(&format!("{list}\n---\nkind: ConfigMap\n"), "file.yaml").unwrap();
    assert!(held(&loaded, "jwt", "JWT_SECRET").is_ok());
}

#[test]
fn what_is_missing_is_said_with_the_name_of_the_file() {
    let loaded = load(&format!("{RESOURCE}---{}", SECRETS.replace("apps", "other")), "file.yaml").unwrap();
    let problem = held(&loaded, "probeops", "DATABASE_URL").as_ref().unwrap_err();
    assert_eq!(
        problem.message,
        "there is no Secret \"probeops\" of the resource's namespace in file.yaml: add it as a document"
    );
    assert_eq!(failure(SECRETS), "file.yaml: there is no document of kind AuthConsistency in it");
    assert!(failure(&format!("{RESOURCE}---{RESOURCE}")).contains("more than one"));
}

#[test]
fn an_unknown_field_is_refused_by_its_path() {
    let text = format!("{RESOURCE}  refrences: {{onOrphan: Delete}}\n");
    assert_eq!(failure(&text), "file.yaml: spec.refrences is not a field: did you mean \"references\"?");
}

#[test]
fn what_cannot_be_read_never_shows_what_stands_there() {
    for secrets in [
        // A quote that never ends, a key twice, no base64, no text.
        SECRETS.replace("canary-1@db/probeops'}", "canary-1@db/probeops}"),
        SECRETS.replace("{JWT_SECRET: Y2FuYXJ5LTI=}", "{JWT_SECRET: canary-3, JWT_SECRET: canary-4}"),
        SECRETS.replace("Y2FuYXJ5LTI=", "canary-5!"),
        SECRETS.replace("Y2FuYXJ5LTI=", "[canary-6]"),
        SECRETS.replace("data: {JWT_SECRET: Y2FuYXJ5LTI=}", "data: canary-7"),
    ] {
        let why = failure(&format!("{RESOURCE}---{secrets}"));
        assert!(!why.contains("canary") && !why.contains("Y2Fu"), "{why}");
        assert!(why.starts_with("file.yaml: "), "{why}");
    }
}
