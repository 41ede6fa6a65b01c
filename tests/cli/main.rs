//! The command line as a person runs it: on the environment alone, on a file, and against a real
//! PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod bar;
mod inherited;
mod init;
mod offers;
mod passwords;
mod people;
mod preflight;
mod requests;
mod restored;
mod verdicts;
#[path = "../scenarios/world.rs"]
mod world;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use world::{CONSISTENT, Database, KEY, PASSWORD, canary};

/// What a command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {} {}", self.out, self.err))
    }
}

/// Runs the binary with nothing in its environment but what is given; searches what it says for
/// secrets.
fn run(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input has closed it already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    keeps_secrets(&format!("{}{}", said.out, said.err), arguments, environment, input);
    said
}

/// What of a Secret's value no text may hold: of keys as JSON their private members, since the names of all and the
/// `kid` stand in each token.
fn hidden(value: &str) -> Vec<Vec<u8>> {
    fn private(json: &serde_json::Value, name: &str) -> Vec<Vec<u8>> {
        match json {
            serde_json::Value::Object(members) => {
                members.iter().flat_map(|(name, value)| private(value, name)).collect()
            }
            serde_json::Value::Array(all) => all.iter().flat_map(|one| private(one, name)).collect(),
            serde_json::Value::String(text) if ["d", "p", "q", "dp", "dq", "qi", "k"].contains(&name) => {
                vec![text.clone().into_bytes()]
            }
            _ => Vec::new(),
        }
    }
    match serde_json::from_str(value) {
        Ok(json @ serde_json::Value::Object(_)) => private(&json, ""),
        _ => canary::hidden(value.as_bytes()),
    }
}

/// Panics where a text tells anything of the secrets that a command was given, in whatever form and by whatever part of
/// them.
fn keeps_secrets(text: &str, arguments: &[&str], environment: &[(&str, &str)], input: &str) {
    for secret in ["canary", "$2b$0", "$2b$1", "$2a$0", "$2a$1", "$argon2", "pbkdf2_sha256$"] {
        assert!(!text.contains(secret), "{arguments:?} shows {secret}");
    }
    let kept = ["SECRET", "PASSWORD", "DATABASE_URL", "PASSPHRASE"];
    let variables = environment.iter().filter(|(name, _)| kept.iter().any(|end| name.ends_with(end)));
    let mut secrets: Vec<Vec<u8>> =
        variables.flat_map(|(_, value)| canary::hidden(value.as_bytes())).collect();
    let files = arguments.iter().filter_map(|argument| std::fs::read_to_string(argument).ok());
    for text in files.chain([input.to_owned()]) {
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap_or_default();
        for document in documents.iter().filter(|document| document["kind"] == "Secret") {
            let values = document["stringData"].as_object().into_iter().flatten();
            secrets.extend(values.flat_map(|(_, value)| hidden(value.as_str().unwrap_or_default())));
        }
    }
    canary::keeps_all(text, secrets);
}

/// The certificate of who vouches for the server; none where the server was built without TLS.
fn authority() -> Option<String> {
    let file = std::env::var_os("AUTHCON_TEST_POSTGRES_CA")?;
    Some(std::fs::read_to_string(file).unwrap())
}

/// What a resource says of TLS.
fn tls() -> serde_json::Value {
    match authority() {
        Some(_) => serde_json::json!({"mode": "VerifyFull", "caSecretRef": {"name": "ca", "key": "ca.crt"}}),
        None => serde_json::json!({"mode": "Disable"}),
    }
}

/// The connection string without a word about TLS.
fn plain_dsn(database: &Database) -> String {
    format!(
        "postgresql://{}:{}@localhost:{}/{}",
        database.role,
        database.password,
        Database::port(),
        database.name
    )
}

fn dsn(database: &Database) -> String {
    let mode = if authority().is_some() { "require" } else { "disable" };
    format!("{}?sslmode={mode}", plain_dsn(database))
}

/// The guide's own environment.
fn environment(database: &Database) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", dsn(database)),
        ("JWT_SECRET", KEY.to_owned()),
        ("ADMIN_EMAIL", "admin@probeops.com".to_owned()),
        ("ADMIN_PASSWORD", PASSWORD.to_owned()),
    ]
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A file with a resource and its Secrets, as `-f` takes it.
fn file(database: &Database, on_orphan: &str) -> String {
    let secret = |name: &str, key: &str, value: &str| serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}});
    let resource = serde_json::json!({
        "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency", "metadata": {"name": "app"},
        "spec": {
            "database": {
                "urlSecretRef": {"name": "db", "key": "url"},
                "tls": tls(),
            },
            "users": {"preset": "FastAPI"},
            "admin": {
                "login": "admin@probeops.com",
                "passwordSecretRef": {"name": "admin", "key": "password"},
                "columns": [{"column": "role", "equals": "admin"}],
            },
            "jwt": {"secretRef": {"name": "jwt", "key": "key"}},
            "references": {"rules": [{"table": "usage_logs", "onOrphan": on_orphan}]},
        },
    });
    [
        resource,
        secret("db", "url", &plain_dsn(database)),
        secret("ca", "ca.crt", &authority().unwrap_or_default()),
        secret("admin", "password", PASSWORD),
        secret("jwt", "key", KEY),
    ]
    .map(|document| document.to_string())
    .join("\n---\n")
}

const ORPHANS: &str =
    "SET session_replication_role = replica; UPDATE usage_logs SET user_id = 4711 WHERE user_id = 3;";

#[tokio::test]
async fn the_guides_script_is_check_reset_and_verify_on_the_environment_alone() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let said = run(&["check"], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{}", said.out);

    database.run("UPDATE users SET hashed_password = 'canary', is_active = false WHERE id = 1").await;
    let said = run(&["check", "-o", "json"], &borrowed(&variables), "");
    let report = said.json();
    assert_eq!((said.code, &report["consistent"]), (2, &serde_json::json!(false)));
    assert_eq!(report["findings"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(database.text("SELECT is_active::text FROM users WHERE id = 1").await, "false", "check wrote");

    let said = run(&["reset"], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let hash = database.text("SELECT hashed_password FROM users WHERE id = 1 AND is_active").await;
    assert!(bcrypt::verify(PASSWORD, &hash).unwrap());
    let said = run(&["verify"], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
}

#[tokio::test]
async fn a_plan_is_approved_once_repaired_and_restored_from_a_file() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    let before = database.text("SELECT string_agg(l::text, ';' ORDER BY id) FROM usage_logs l").await;
    let file = file(&database, "Delete");
    let said = run(&["plan", "-f", "-", "-o", "json"], &[], &file);
    let report = said.json();
    assert_eq!(said.code, 2);
    assert_eq!((&report["plan"]["awaitingApproval"], &report["plan"]["rows"]), (&true.into(), &10.into()));
    let hash = report["plan"]["hash"].as_str().unwrap().to_owned();

    let said = run(&["repair", "-f", "-", "--approve", &"0".repeat(64)], &[], &file);
    assert_eq!(said.code, 2, "another plan's approval was taken");
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs").await, "30");
    let said = run(&["repair", "-f", "-", "--approve", &hash], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs").await, "20");

    let run_id =
        database.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'Delete'").await;
    assert!(run(&["restore", "-f", "-"], &[], &file).out.contains(&run_id));
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    assert_eq!(said.code, 2, "rows that still name nobody cannot go back: {}", said.out);
    database.run("INSERT INTO users (id, email, hashed_password) VALUES (4711, 'x@example.com', 'x')").await;
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text("SELECT string_agg(l::text, ';' ORDER BY id) FROM usage_logs l").await, before);
}

#[tokio::test]
async fn columns_that_name_users_are_suggested_with_rules_that_can_be_pasted() {
    let database = Database::create(CONSISTENT).await;
    database
        .run("CREATE TABLE events (actor_id int, actor_type text); INSERT INTO events VALUES (1, 'User'), (2, 'User'), (77, 'Bot')")
        .await;
    database.run(&format!("ALTER TABLE events OWNER TO {}", database.role)).await;
    let variables = environment(&database);
    let said = run(&["discover"], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    for text in ["events.actor_id", "100 % of 2", "- schema: public", "declared: true", "equals: User"] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
    let answer = run(&["discover", "-o", "json"], &borrowed(&variables), "").json();
    assert_eq!(answer["suggestions"][0]["rule"]["table"], "events", "{answer}");
    // The rule is one that a resource takes.
    let resource = file(&database, "Report");
    let rule = answer["suggestions"][0]["rule"].to_string();
    let declared = resource.replace("\"rules\":[", &format!("\"rules\":[{rule},"));
    assert_ne!(resource, declared);
    let report = run(&["check", "-f", "-", "-o", "json"], &[], &declared).json();
    assert_eq!(
        (&report["consistent"], &report["references"]["checked"]),
        (&true.into(), &3.into()),
        "{report}"
    );
    let said = run(&["discover", "-f", "-"], &[], &declared);
    assert_eq!((said.code, said.out.contains("events")), (0, false), "{}", said.out);
}

#[tokio::test]
async fn a_repair_that_is_declined_is_accepted_with_the_rules_that_plan_prints() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    database.run("SELECT setval('users_id_seq', 5000)").await;
    let resource = file(&database, "Delete");
    let said = run(&["plan", "--accept", "-f", "-"], &[], &resource);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("rows: 10") && said.out.contains("table: usage_logs"), "{}", said.out);
    let said = run(&["plan", "--accept", "-f", "-", "-o", "json"], &[], &resource);
    let rule = said.json()[0].to_string();
    let accepted = resource.replace("\"rules\":[", &format!("\"rules\":[{rule},"));
    assert_ne!(accepted, resource);
    let report = run(&["check", "-f", "-", "-o", "json"], &[], &accepted).json();
    assert_eq!((&report["consistent"], &report["references"]["acceptedRows"]), (&true.into(), &10.into()));
    let said = run(&["plan", "--accept", "-f", "-"], &[], &accepted);
    assert_eq!((said.code, said.out.contains("nothing to accept")), (0, true), "{}", said.out);
    database
        .run("SET session_replication_role = replica; UPDATE usage_logs SET user_id = 4711 WHERE id = 1")
        .await;
    let said = run(&["plan", "--accept", "-f", "-"], &[], &accepted);
    assert!(said.out.contains("rows: 11") && said.out.contains("Instead of the rules"), "{}", said.out);
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs").await, "30");
}

#[tokio::test]
async fn quarantine_is_listed_shown_put_back_and_dropped_when_it_is_meant() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    let file = file(&database, "Delete");
    assert!(run(&["quarantine", "list", "-f", "-"], &[], &file).out.contains("empty"));
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], &file).json()["plan"]["hash"].clone();
    run(&["repair", "-f", "-", "--approve", hash.as_str().unwrap()], &[], &file);
    let kept = run(&["quarantine", "list", "-f", "-", "-o", "json"], &[], &file).json();
    assert_eq!((&kept[0]["action"], &kept[0]["rows"]), (&"Delete".into(), &10.into()), "{kept}");
    let run_id = kept[0]["run"].as_str().unwrap();
    assert!(run(&["quarantine", "list", "-f", "-"], &[], &file).out.contains(run_id));
    let shown = run(&["quarantine", "show", "-f", "-", "--run", run_id], &[], &file);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("4711") && !shown.out.contains("ping"), "{}", shown.out);
    assert_eq!(run(&["quarantine", "show", "-f", "-", "--run", "nothing"], &[], &file).code, 1);
    database.run("INSERT INTO users (id, email, hashed_password) VALUES (4711, 'x@example.com', 'x')").await;
    let said = run(&["quarantine", "restore", "-f", "-", "--run", run_id], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs").await, "30");
    assert_eq!(run(&["quarantine", "purge", "-f", "-"], &[], &file).code, 64);
    let said = run(&["quarantine", "purge", "-f", "-", "--run", run_id], &[], &file);
    assert!(said.out.contains("Nothing was dropped"), "{}", said.out);
    assert_eq!(run(&["quarantine", "list", "-f", "-", "-o", "json"], &[], &file).json()[0]["restored"], 10);
    let said = run(&["quarantine", "purge", "-f", "-", "--run", run_id, "--yes"], &[], &file);
    assert!(said.out.contains("Dropped for good: 10 rows"), "{}", said.out);
    assert!(run(&["quarantine", "list", "-f", "-"], &[], &file).out.contains("empty"));
}

#[tokio::test]
async fn rows_that_cannot_go_back_are_said_to_be_blocked_and_written_beside() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    let file = file(&database, "Delete");
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], &file).json()["plan"]["hash"].clone();
    run(&["repair", "-f", "-", "--approve", hash.as_str().unwrap()], &[], &file);
    let run_id =
        database.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'Delete'").await;
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["RestoreBlocked", "auth-consistency explain RestoreBlocked", "--into TABLE", &run_id] {
        assert!(text.contains(part), "{part}: {}", said.out);
    }
    let answer = run(&["restore", "-f", "-", "--run", &run_id, "-o", "json"], &[], &file).json();
    assert_eq!(
        (&answer[0]["reason"], &answer[0]["blocked"]),
        (&"RestoreBlocked".into(), &10.into()),
        "{answer}"
    );

    assert_eq!(run(&["restore", "-f", "-", "--into", "x"], &[], &file).code, 64, "--into goes with --run");
    assert_eq!(run(&["restore", "-f", "-", "--run", &run_id, "--table", "x"], &[], &file).code, 64);
    let said = run(&["restore", "-f", "-", "--run", &run_id, "--into", "usage_logs"], &[], &file);
    assert_eq!(
        (said.code, said.err.contains("public.usage_logs is there already")),
        (1, true),
        "{}",
        said.err
    );
    let said = run(&["restore", "-f", "-", "--run", &run_id, "--into", "logs_before"], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(
        said.out.contains("10 rows of public.usage_logs were written into public.logs_before"),
        "{}",
        said.out
    );
    let gone = "SELECT count(*)::text FROM logs_before WHERE user_id = 4711 AND tool = 'ping'";
    assert_eq!(database.text(gone).await, "10");
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs").await, "20");
    let arguments = ["quarantine", "restore", "-f", "-", "--run", &run_id, "--table", "public.usage_logs"];
    let said = run(&[&arguments[..], &["--into", "public.again", "-o", "json"]].concat(), &[], &file);
    let answer = said.json();
    assert_eq!(
        (said.code, &answer["rows"], &answer["into"]["table"]),
        (0, &10.into(), &"again".into()),
        "{answer}"
    );
    let list = run(&["restore", "-f", "-", "-o", "json"], &[], &file).json();
    assert_eq!(list.as_array().unwrap().len(), 1, "what was restored is no run to restore: {list}");

    database.run("INSERT INTO users (id, email, hashed_password) VALUES (4711, 'x@example.com', 'x')").await;
    let answer = run(&["restore", "-f", "-", "--run", &run_id, "-o", "json"], &[], &file).json();
    assert_eq!(
        (&answer[0]["rows"], &answer[0]["reason"]),
        (&10.into(), &serde_json::Value::Null),
        "{answer}"
    );
}

#[tokio::test]
async fn grants_are_exactly_enough_to_repair() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    let file = file(&database, "SetNull");
    let grants = run(&["grants", "-f", "-"], &[], &file).out;
    let role = &database.role;
    database
        .run(&format!(
            "REASSIGN OWNED BY {role} TO postgres; REVOKE ALL ON SCHEMA public FROM {role}, public; {grants}"
        ))
        .await;
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], &file).json()["plan"]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let said = run(&["repair", "-f", "-", "--approve", &hash], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs WHERE user_id IS NULL").await, "10");
}

#[tokio::test]
async fn a_token_from_before_the_users_sessions_were_ended_is_explained_so() {
    let database = Database::create(CONSISTENT).await;
    database.run("ALTER TABLE users ADD tokens_valid_after timestamptz").await;
    let sessions = r#""sessions":{"invalidateBeforeColumn":"tokens_valid_after"},"references":"#;
    let path = std::env::temp_dir().join(format!("{}.sessions", database.name));
    std::fs::write(&path, file(&database, "Report").replace("\"references\":", sessions)).unwrap();
    let resource = path.to_str().unwrap();
    let token = run(&["token", "mint", "--subject", "2"], &[("JWT_SECRET", KEY)], "").out;
    let explain = || run(&["token", "explain", "-o", "json", "-f", resource], &[], &token);
    let said = explain();
    assert_eq!((said.code, &said.json()["cause"]), (0, &"NothingWrong".into()), "{}{}", said.out, said.err);
    database.run("UPDATE users SET tokens_valid_after = now() - interval '1 hour' WHERE id = 2").await;
    assert_eq!(explain().code, 0, "it is younger");
    database.run("UPDATE users SET tokens_valid_after = now() + interval '1 minute' WHERE id = 2").await;
    let said = explain();
    assert_eq!((said.code, &said.json()["cause"]), (2, &"IssuedBeforeInvalidation".into()), "{}", said.out);
    let last = said.json()["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["step"], &last["held"]), (&"user".into(), &false.into()));
    database.run("UPDATE users SET tokens_valid_after = now() + interval '1 minute' WHERE id <> 2").await;
    database.run("UPDATE users SET tokens_valid_after = NULL WHERE id = 2").await;
    assert_eq!(explain().code, 0, "others' sessions are others'");
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_token_that_fails_is_explained_with_one_verdict() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let variables = borrowed(&variables);
    let minted = run(&["token", "mint", "--subject", "2"], &variables, "").out;
    assert_eq!(run(&["token", "explain"], &variables, &minted).code, 0);
    let stale = run(&["token", "mint", "--subject", "4711"], &variables, "").out;
    let said = run(&["token", "explain"], &variables, &stale);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("4711") && !said.out.contains(stale.trim()), "{}", said.out);
    let other = run(
        &["token", "mint", "--subject", "2"],
        &[("JWT_SECRET", "an-entirely-different-signing-key-0123456789")],
        "",
    );
    assert_eq!(run(&["token", "explain"], &variables, &other.out).code, 2);
    assert_eq!(run(&["token", "explain"], &variables, "no token").code, 2);
    let cause = |token: &str| {
        let said = run(&["token", "explain", "-o", "json"], &variables, token);
        assert!(!said.out.contains(token.trim()), "the token is printed back");
        said.json()["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!(cause(&minted), "NothingWrong");
    assert_eq!(cause(&format!("\"{}\"", minted.trim())), "InQuotes");
    assert_eq!(cause(&format!("\u{feff}{}\r\n", minted.trim())), "NothingWrong", "as an editor saved it");
    assert_eq!(cause(&"a".repeat(1 << 20)), "NotAToken");
    for (subject, expected) in [("02", "SubjectSpelledDifferently"), ("ada", "SubjectNotOfColumnType")] {
        let token = run(&["token", "mint", "--subject", subject], &variables, "").out;
        assert_eq!(cause(&token), expected);
    }
}

#[tokio::test]
async fn a_check_says_of_a_token_too_why_it_fails() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let variables = borrowed(&variables);
    let mint = |subject: &str| run(&["token", "mint", "--subject", subject], &variables, "").out;
    let stale = mint("4711");
    let said = run(&["check", "--token-file", "-"], &variables, &stale);
    assert_eq!(said.code, 2, "{}", said.out);
    let flowing = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flowing.contains("The token: ") && flowing.contains("4711"), "{}", said.out);
    assert!(
        said.out.lines().any(|line| line.starts_with("signature") && line.contains("ok")),
        "{}",
        said.out
    );
    assert!(!said.out.contains(stale.trim()), "the token is printed back");

    let report = |token: &str| {
        let said = run(&["check", "--token-file", "-", "-o", "json"], &variables, token);
        assert!(!said.out.contains(token.trim()), "the token is printed back");
        (said.json()["token"].clone(), said.json()["consistent"].clone())
    };
    let (token, consistent) = report(&stale);
    assert_eq!(
        (token["cause"].as_str(), token["holds"].as_bool()),
        (Some("SubjectNamesNoUser"), Some(false))
    );
    let (token, same) = report(&mint("2"));
    assert_eq!((token["cause"].as_str(), token["holds"].as_bool()), (Some("NothingWrong"), Some(true)));
    assert_eq!(consistent, same, "a token is no finding of the database");
    let without = run(&["check", "-o", "json"], &variables, "");
    assert!(without.json().get("token").is_none());
    // Standard input cannot be both.
    assert_eq!(run(&["check", "-f", "-", "--token-file", "-"], &variables, &stale).code, 64);
}

#[test]
fn a_reset_on_the_environment_without_a_password_says_what_to_set() {
    let named =
        [("DATABASE_URL", "postgresql://app:canary@127.0.0.1:1/app"), ("ADMIN_EMAIL", "admin@example.com")];
    let said = run(&["reset"], &named, "");
    assert_eq!(said.code, 64, "{} {}", said.out, said.err);
    assert_eq!(
        said.err,
        "auth-consistency: there is no password to reset the admin's to: set ADMIN_PASSWORD\n"
    );
}

#[test]
fn the_page_of_a_reason_is_printed_and_what_is_no_reason_is_named_with_what_is() {
    let said = run(&["explain", "orphanrows"], &[], "");
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("OrphanRows\n\nRows name users that do not exist ("), "{}", said.out);
    let said = run(&["explain", "OrphanRow"], &[], "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("'OrphanRows'"), "{}", said.err);
    let said = run(&["explain"], &[], "");
    assert!(said.out.contains("session-reset") && said.out.contains("VerifierUnreachable"), "{}", said.out);
}

#[tokio::test]
async fn many_tokens_are_counted_by_their_causes_and_named_by_their_lines() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let variables = borrowed(&variables);
    let mint = |subject: &str| run(&["token", "mint", "--subject", subject], &variables, "").out;
    let (right, stale) = (mint("2"), mint("4711"));
    let list = format!("{right}\n{stale}{}no token at all\n{stale}", stale.repeat(3));
    let said = run(&["token", "explain", "--lines", "-o", "json"], &variables, &list);
    assert_eq!(said.code, 2, "{}", said.err);
    let answer = said.json();
    assert_eq!((answer["tokens"].as_u64(), answer["hold"].as_u64()), (Some(7), Some(1)));
    let causes: Vec<(&str, u64, String)> = answer["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["cause"].as_str().unwrap(), one["tokens"].as_u64().unwrap(), one["lines"].to_string())
        })
        .collect();
    assert_eq!(
        causes,
        [
            ("SubjectNamesNoUser", 5, "[3,4,5]".to_owned()),
            ("NotAToken", 1, "[7]".to_owned()),
            ("NothingWrong", 1, "[1]".to_owned())
        ]
    );
    let said = run(&["token", "explain", "--lines"], &variables, &list);
    for token in [&right, &stale] {
        assert!(!said.out.contains(token.trim()), "a token is printed back");
    }
    assert!(said.out.contains("6 of 7 tokens fail.") && said.out.contains("3, 4, 5, …"), "{}", said.out);
    assert_eq!(run(&["token", "explain", "--lines"], &variables, &format!("{right}\n{right}")).code, 0);
    assert_eq!(run(&["token", "explain", "--lines"], &variables, "\n \n").code, 64);
    // Without a database all is told but whose the tokens are.
    let key = [("JWT_SECRET", KEY)];
    let said = run(&["token", "explain", "--lines"], &key, &right);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("Subjects were not looked up"), "{}", said.out);
    let said = run(&["token", "explain", "--lines"], &key, &"x".repeat(17 << 20));
    assert_eq!(said.code, 64);
    assert!(said.err.contains("more than 16 MiB"), "{}", said.err);
}

#[test]
fn wrong_usage_is_64_and_what_cannot_be_told_is_1() {
    assert_eq!(run(&["check", "--no-such-flag"], &[], "").code, 64);
    let said = run(&["check"], &[], "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("DATABASE_URL"), "{}", said.err);
    let said =
        run(&["check"], &[("DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/x?sslmode=disable")], "");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("127.0.0.1:1"), "{}", said.err);
    assert_eq!(run(&["--version"], &[], "").code, 0);
}
