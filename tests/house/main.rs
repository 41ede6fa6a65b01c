//! The rules of the house, kept by reading the sources.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod dialect;
mod rooms;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use auth_consistency::api::{condition::Reason, crd};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(below)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
    assert!(!found.is_empty(), "{below} has no sources");
    found.sort();
    found
}

/// The sources without comments and without their tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn nobody_says(below: &str, words: &[&str], but: &[&str]) {
    for (path, text) in sources(below) {
        let name = path.to_string_lossy().replace('\\', "/");
        if but.iter().any(|allowed| name.starts_with(allowed)) {
            continue;
        }
        let code = code(&text);
        for word in words {
            assert!(!code.contains(word), "{name} says {word:?}");
        }
    }
}

#[test]
fn the_contract_and_the_domain_know_no_client_no_sql_no_runtime_and_no_clock() {
    let words = [
        "sqlx",
        "tokio",
        "reqwest",
        "axum",
        "kube::Client",
        "kube::Api",
        "async fn",
        "Timestamp::now",
        "SystemTime",
        "Instant",
        "std::env",
        "std::fs",
        "rand::",
    ];
    nobody_says("src/api", &words, &[]);
    nobody_says("src/domain", &words, &[]);
}

#[test]
fn only_the_engine_speaks_sql_and_only_one_file_asserts_that_it_is_safe() {
    nobody_says("src", &["sqlx::", "use sqlx"], &["src/engine"]);
    nobody_says("src", &["AssertSqlSafe"], &["src/engine/postgres/sql.rs"]);
    nobody_says("src", &["from_catalog("], &["src/engine"]);
}

#[test]
fn only_the_controller_and_the_command_lines_loader_know_a_kubernetes_client() {
    nobody_says(
        "src",
        &["kube::Client", "Client::try_", "kube::Api", "Api::namespaced"],
        &["src/controller", "src/cli"],
    );
    nobody_says("src", &["crate::cli"], &["src/cli", "src/main.rs"]);
    nobody_says("src", &["crate::controller"], &["src/controller", "src/cli"]);
}

#[test]
fn files_stay_under_five_hundred_lines_without_their_tests() {
    for (path, text) in sources("src") {
        let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        assert!(lines <= 500 || path.ends_with("tests.rs"), "{} has {lines} lines", path.display());
    }
}

#[test]
fn no_room_is_called_after_nothing() {
    for (path, _) in sources("src") {
        for part in path.iter().map(|part| part.to_string_lossy()) {
            let name = part.trim_end_matches(".rs");
            assert!(!["utils", "helpers", "common", "manager", "misc"].contains(&name), "{}", path.display());
        }
    }
}

#[test]
fn every_reason_has_a_page_and_every_page_a_reason() {
    let names: BTreeSet<String> = Reason::ALL.iter().map(ToString::to_string).collect();
    let pages: BTreeSet<String> = fs::read_dir(root().join("docs/reasons"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".md").to_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(names, pages);
    let index = fs::read_to_string(root().join("docs/reasons/README.md")).unwrap();
    for name in &names {
        let page = fs::read_to_string(root().join(format!("docs/reasons/{name}.md"))).unwrap();
        let first: Vec<&str> = page
            .lines()
            .skip(1)
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty())
            .collect();
        let row = index.lines().find(|line| line.starts_with(&format!("| [{name}]({name}.md) |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the index"));
        let said = format!("| {} |", first.join(" "));
        assert!(row.ends_with(&said), "the index says of {name} what its page begins with: {said}");
    }
}

#[test]
fn the_schema_has_no_format_that_kubernetes_does_not_know_and_bounds_every_string() {
    let crd = serde_json::to_value(crd::definition()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(schema["properties"]["status"]["default"]["observedGeneration"], -1);
    bounded("spec", &schema["properties"]["spec"]);
}

fn bounded(path: &str, schema: &serde_json::Value) {
    if let Some(format) = schema["format"].as_str() {
        assert!(["int32", "int64", "date-time"].contains(&format), "{path} has the format {format}");
    }
    match schema["type"].as_str() {
        Some("string") => {
            assert!(!schema["enum"].is_null() || !schema["maxLength"].is_null(), "{path} has no maxLength");
        }
        Some("array") => {
            assert!(!schema["maxItems"].is_null(), "{path} has no maxItems");
            bounded(&format!("{path}[]"), &schema["items"]);
        }
        Some("integer") => {
            assert!(!schema["maximum"].is_null() && !schema["minimum"].is_null(), "{path} has no bounds");
        }
        _ => {}
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        bounded(&format!("{path}.{name}"), property);
    }
}

#[test]
fn nothing_tells_of_the_machine_that_it_was_written_on() {
    let home = ["/ro", "ot/"].concat();
    let work = ["/wo", "rk/"].concat();
    for below in ["src", "tests"] {
        for (path, text) in sources(below) {
            assert!(!text.contains(&home) && !text.contains(&work), "{}", path.display());
        }
    }
}

#[test]
fn a_panic_ends_a_task_and_never_the_process_in_any_profile() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("panic = \"abort\""), "passes could not be kept apart");
    for path in ["Makefile", "Dockerfile", ".cargo/config.toml"] {
        let text = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(!text.contains("panic=abort"), "{path}");
    }
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let tests: String = ["src", "tests"].into_iter().flat_map(sources).map(|(_, text)| text).collect();
    let (mut named, mut files) = (0, 0);
    for code in text.split('`').skip(1).step_by(2) {
        let is_name =
            code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if code.starts_with("tests/") {
            files += 1;
            assert!(root().join(code).exists(), "SECURITY.md names {code}, which is not there");
        } else if is_name && code.matches('_').count() > 2 {
            named += 1;
            assert!(
                tests.contains(&format!("fn {code}(")),
                "SECURITY.md names the test {code}, which is not there"
            );
        }
    }
    assert!(named > 30 && files > 2, "{named} tests and {files} files are named");
    for section in
        ["## Who\n", "## What they may\n", "## What holds, and by which test\n", "## What does not\n"]
    {
        assert!(text.contains(section), "{section:?} is missing");
    }
}

#[test]
fn what_once_made_a_reader_fail_is_tried_by_a_target_of_that_name() {
    let targets: String = sources("tests/fuzz").into_iter().map(|(_, text)| text).collect();
    for folder in fs::read_dir(root().join("tests/fuzz/found")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(targets.contains(&format!("name: \"{name}\",")), "nobody tries tests/fuzz/found/{name}");
    }
}
