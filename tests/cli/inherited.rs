//! What stands around the program and must have no effect: variables of other programs, names that steer a terminal.

use crate::{
    ORPHANS, borrowed, environment, file, run,
    world::{CONSISTENT, Database},
};

#[tokio::test]
async fn variables_of_libpq_have_no_effect_on_what_is_reached_and_trusted() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let expected = run(&["check", "-o", "json"], &borrowed(&variables), "");
    assert_eq!(expected.code, 0, "{} {}", expected.out, expected.err);
    let mut expected = expected.json();
    let nowhere = "/nonexistent/canary";
    for other in [
        &[("PGSSLROOTCERT", nowhere)][..],
        &[("PGSSLCERT", nowhere), ("PGSSLKEY", nowhere)],
        &[("PGOPTIONS", "-c default_transaction_isolation=nonsense")],
        &[("PGOPTIONS", "-c search_path=canary -c role=postgres")],
        &[("PGHOST", "192.0.2.1"), ("PGPORT", "1"), ("PGHOSTADDR", "192.0.2.1")],
        &[("PGUSER", "canary"), ("PGPASSWORD", "canary"), ("PGDATABASE", "canary")],
        &[("PGSSLMODE", "disable"), ("PGAPPNAME", "canary"), ("PGPASSFILE", nowhere)],
    ] {
        let mut all = borrowed(&variables);
        all.extend(other);
        let said = run(&["check", "-o", "json"], &all, "");
        assert_eq!(said.code, 0, "{other:?}: {} {}", said.out, said.err);
        let mut report = said.json();
        for one in [&mut report, &mut expected] {
            one["observedAt"] = serde_json::Value::Null;
            one["checkedAt"] = serde_json::Value::Null;
        }
        assert_eq!(report["consistent"], expected["consistent"], "{other:?}");
        assert_eq!(report["target"], expected["target"], "{other:?}");
        assert_eq!(said.err, "", "{other:?}");
    }
    // Arguments and standard input come through.
    let said = run(&["check", "-f", "-"], &[("PGOPTIONS", "-c x.y=1")], &file(&database, "Delete"));
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
}

#[tokio::test]
async fn names_out_of_a_database_steer_no_terminal_and_forge_no_row_of_a_table() {
    for name in [
        "x\u{1b}[2J\u{1b}]0;owned\u{7}",
        "x\u{9b}31m",
        "x\u{202e}sgol",
        "x\nCritical  ForgedTokenAccepted",
        "x\r\u{85}\u{2028}y",
        "x\u{200b}\u{e0041}\u{feff}",
        "x\u{fe0f}\u{17b4}\u{2800}\u{1d173}\u{e0100}",
    ] {
        let database = Database::create(CONSISTENT).await;
        database.run(ORPHANS).await;
        let quoted = format!("\"{name}\"");
        database
            .run(&format!(
                "CREATE TABLE {quoted} (id int PRIMARY KEY, {quoted} int); INSERT INTO {quoted} VALUES (1, 99);
                 ALTER TABLE {quoted} ADD CONSTRAINT {quoted} FOREIGN KEY ({quoted}) REFERENCES users NOT VALID;
                 ALTER TABLE {quoted} OWNER TO {}",
                database.role
            ))
            .await;
        let variables = environment(&database);
        let all = borrowed(&variables);
        for arguments in [
            &["check"][..],
            &["check", "--explain"],
            &["check", "-o", "json"],
            &["check", "-o", "yaml"],
            &["plan", "--on-orphan", "delete"],
            &["plan", "--accept"],
            &["grants"],
            &["discover"],
            &["preflight"],
            &["snapshot"],
        ] {
            let said = run(arguments, &all, "");
            assert!(said.code == 0 || said.code == 2, "{arguments:?}: {} {}", said.out, said.err);
            for text in [&said.out, &said.err] {
                let unseen = |c: char| auth_consistency::domain::text::unseen(c) && c != '\n';
                assert!(!text.contains(unseen), "{arguments:?}: {text:?}");
                let forged = text.lines().any(|line| line.trim_start().starts_with("Critical  Forged"));
                // In a block of YAML the line is the name's own.
                let yaml = ["yaml", "--accept", "discover"].iter().any(|one| arguments.contains(one));
                assert!(!forged || yaml, "{arguments:?}: {text}");
            }
            if arguments.contains(&"json") {
                assert!(said.json().to_string().contains("x"), "{}", said.out);
            }
        }
        // The name of a file is one, too.
        let missing = format!("/nonexistent/{}", name.replace('\0', ""));
        let said = run(&["check", "-f", &missing], &[], "");
        assert!(
            !said.err.contains(|c: char| auth_consistency::domain::text::unseen(c) && c != '\n'),
            "{:?}",
            said.err
        );
    }
}

#[tokio::test]
async fn an_error_is_one_line_whatever_names_are_in_it() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    let resource = file(&database, "Delete");
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], &resource).json()["plan"]["hash"].clone();
    run(&["repair", "-f", "-", "--approve", hash.as_str().unwrap()], &[], &resource);
    let runs = run(&["restore", "-f", "-", "-o", "json"], &[], &resource).json();
    let id = runs[0]["run"].as_str().unwrap_or_else(|| panic!("{runs}"));
    let sequence = "\"x\nauth-consistency: 5 rows are back\"";
    let role = format!("other_{}", database.name);
    database
        .run(&format!(
            "CREATE ROLE {role}; CREATE SEQUENCE {sequence}; ALTER SEQUENCE {sequence} OWNER TO {role};
             GRANT USAGE ON SEQUENCE {sequence} TO PUBLIC;
             CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS $f$
               BEGIN PERFORM nextval('{sequence}'); RETURN NEW; END $f$;
             CREATE TRIGGER counts BEFORE INSERT ON usage_logs FOR EACH ROW EXECUTE FUNCTION counts()"
        ))
        .await;
    let said = run(&["restore", "-f", "-", "--run", id], &[], &resource);
    database.run(&format!("DROP SEQUENCE {sequence}; DROP ROLE {role}")).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains("x\\nauth-consistency: 5 rows are back"), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    // The name of a file is one, too.
    for missing in ["/nonexistent/x\nauth-consistency: 5 rows are back", "/nonexistent/x\r\u{85}\u{2028}y\tz"]
    {
        let said = run(&["check", "-f", missing], &[], "");
        assert_eq!((said.code, said.err.lines().count()), (64, 1), "{}", said.err);
        assert!(!said.err.contains(['\t', '\r', '\u{85}', '\u{2028}']), "{}", said.err);
    }
}

#[tokio::test]
async fn a_run_that_somebody_forged_is_in_no_command() {
    let database = Database::create(CONSISTENT).await;
    database.run(ORPHANS).await;
    let resource = file(&database, "Delete");
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], &resource).json()["plan"]["hash"].clone();
    run(&["repair", "-f", "-", "--approve", hash.as_str().unwrap()], &[], &resource);
    for forged in ["x; touch canary", "$(touch canary)", "`touch canary`", "--yes", "x' | sh #", "x\ny"] {
        let forged_sql = forged.replace('\'', "''");
        database
            .run(&format!(
                "SET session_replication_role = replica; UPDATE auth_consistency.batches SET run = '{forged_sql}'; UPDATE auth_consistency.steps SET run = '{forged_sql}'"
            ))
            .await;
        let text = run_hiding(&["quarantine", "list", "-f", "-"], &resource);
        let commands: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        assert!(commands.iter().any(|command| command.contains("quarantine show --run RUN")), "{text}");
        assert!(
            commands.iter().all(|command| !command.contains("touch") && !command.contains("--run --yes")),
            "{text}"
        );
    }
}

/// What a command says, where the run's own name, which is shown as it is in the table, has the canary.
fn run_hiding(arguments: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
        .args(arguments)
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The cells are before the sentence.
    text.rsplit_once("\n\n").map_or(text.clone(), |(_, last)| last.to_owned())
}
