//! The session-reset page as the operator and the chart serve it.

use std::path::Path;

use auth_consistency::server::session_reset::SessionReset;

use crate::world::{CONSISTENT, Operator, World, chart, free_address, get, kubectl, until};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The objects of a rendered template.
fn objects(rendered: &str) -> Vec<serde_json::Value> {
    let documents = rendered.split("\n---").filter(|document| document.contains("kind:"));
    documents.map(|document| serde_saphyr::from_str(document.trim_start_matches("---")).unwrap()).collect()
}

fn deployment(settings: &[&str]) -> serde_json::Value {
    let all = objects(&chart("x", settings, &["deployment"]));
    all[0]["spec"]["template"]["spec"]["containers"][0].clone()
}

const ON: [&str; 4] = [
    "sessionReset.enabled=true",
    "sessionReset.cookies={access_token,refresh;path=/auth}",
    "sessionReset.appName=Probe Ops",
    "sessionReset.signInPath=/login",
];

#[test]
fn the_chart_serves_no_page_unless_it_is_asked_for() {
    let container = deployment(&[]);
    assert!(!container.to_string().contains("session-reset"), "{container}");
}

#[test]
fn the_chart_opens_the_page_and_nothing_else_of_the_operator() {
    let container = deployment(&ON);
    let arguments = container["args"].to_string();
    for part in [
        "\"--session-reset-address=0.0.0.0:8082\"",
        "\"--session-reset-path=/session-reset\"",
        "\"--session-reset-sign-in=/login\"",
        "\"--session-reset-cookie=access_token\",\"--session-reset-cookie=refresh;path=/auth\"",
        "\"--session-reset-app-name=Probe Ops\"",
    ] {
        assert!(arguments.contains(part), "{part} is not in {arguments}");
    }
    assert_eq!(container["ports"][1]["name"], "session-reset");
    assert_eq!(container["ports"][1]["containerPort"], 8082);

    let host = "sessionReset.ingress.host=app.example.com";
    let on =
        [&ON[..], &["sessionReset.ingress.enabled=true", host, "sessionReset.ingress.tlsSecretName=tls"]]
            .concat();
    let rendered = chart("x", &on, &["session-reset"]);
    let [service, ingress] = objects(&rendered).try_into().unwrap();
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "session-reset");
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 1);
    let rule = &ingress["spec"]["rules"][0];
    assert_eq!(rule["host"], "app.example.com");
    assert_eq!(rule["http"]["paths"][0]["path"], "/session-reset");
    assert_eq!(rule["http"]["paths"][0]["backend"]["service"]["name"], service["metadata"]["name"]);
    assert_eq!(ingress["spec"]["tls"][0]["secretName"], "tls");
    assert_eq!(objects(&chart("x", &ON, &["session-reset"])).len(), 1, "no Ingress unless asked for");
}

#[test]
fn a_real_api_server_takes_the_ingress_of_the_chart_and_of_the_example() {
    let on = [
        "sessionReset.enabled=true",
        "sessionReset.ingress.enabled=true",
        "sessionReset.ingress.host=a.example",
    ];
    let rendered = chart("default", &on, &["session-reset"]);
    let example =
        std::fs::read_to_string(Path::new(ROOT).join("examples/session-reset/ingress.yaml")).unwrap();
    for objects in [rendered, example.replace("namespace: probeops", "namespace: default")] {
        let said = kubectl(&["apply", "--dry-run=server", "-f", "-"], &objects);
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

#[test]
fn the_examples_values_are_values_of_the_chart() {
    let values = Path::new(ROOT).join("examples/session-reset/values.yaml");
    let output = std::process::Command::new(crate::world::part("AUTHCON_TEST_HELM"))
        .args(["template", "operator"])
        .arg(Path::new(ROOT).join("charts/auth-consistency"))
        .args(["--set", "image.repository=example.invalid/x", "--values"])
        .arg(values)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("--session-reset-cookie=refresh_token;path=/auth") && text.contains("kind: Ingress")
    );
}

#[test]
fn the_chart_refuses_a_page_that_would_send_people_elsewhere_or_lies_nowhere() {
    for settings in [
        "sessionReset.signInPath=//evil.example",
        "sessionReset.signInPath=https://evil.example",
        "sessionReset.path=/",
        "sessionReset.path=/reset/",
        "sessionReset.port=8080",
        "sessionReset.ingress.enabled=true",
    ] {
        let output = std::process::Command::new(crate::world::part("AUTHCON_TEST_HELM"))
            .args(["template", "operator"])
            .arg(Path::new(ROOT).join("charts/auth-consistency"))
            .args([
                "--set",
                "image.repository=example.invalid/x,sessionReset.enabled=true",
                "--set",
                settings,
            ])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{settings} was taken");
    }
}

#[test]
fn the_page_as_files_is_the_page_that_the_operator_serves() {
    let page = SessionReset {
        path: "/session-reset".parse().unwrap(),
        sign_in: "/".parse().unwrap(),
        cookies: Vec::new(),
        app: "this app".parse().unwrap(),
    };
    let directory = Path::new(ROOT).join("examples/session-reset/files");
    for (name, text) in page.files().unwrap() {
        let kept = std::fs::read_to_string(directory.join(name)).unwrap_or_default();
        assert!(kept == text, "examples/session-reset/files/{name} is out of date: run make generate");
    }
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), page.files().unwrap().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_serves_the_page_on_an_address_of_its_own() {
    let world = World::new(CONSISTENT).await;
    let address = free_address();
    let flags = ["--session-reset-address", &address, "--session-reset-app-name", "Probe Ops"];
    let operator = Operator::start(&format!("op-{}", world.namespace), &[&world.namespace], &flags, &[]);
    until("the page", async || std::net::TcpStream::connect(&address).is_ok()).await;
    let (status, text) = get(&format!("http://{address}/session-reset")).await;
    assert!(status == 200 && text.contains("Probe Ops"), "{text}");
    assert_eq!(get(&format!("http://{address}/metrics")).await.0, 404);
    assert_eq!(get(&format!("http://{address}/livez")).await.0, 404);
    until("liveness", async || std::net::TcpStream::connect(&operator.listen).is_ok()).await;
    assert_eq!(get(&format!("http://{}/livez", operator.listen)).await.0, 200);
    assert_eq!(get(&format!("http://{}/session-reset", operator.listen)).await.0, 404);
    // One that says nothing does not hold up the end.
    let _silent = std::net::TcpStream::connect(&address).unwrap();
    drop(operator);
    assert!(std::net::TcpStream::connect(&address).is_err(), "the page outlives the operator");
}
