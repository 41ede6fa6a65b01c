//! What `restore` says of what comes next is so, and the commands that it prints run as they are.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    ORPHANS, Said, file, run,
    world::{CONSISTENT, Database},
};

/// The commands that a text prints, each on one line.
fn commands(said: &Said) -> Vec<String> {
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = text.split('`').skip(1).step_by(2).filter(|one| one.contains("--into TABLE"));
    printed.map(str::to_owned).collect()
}

/// Runs a command as a shell does, on the resource that stands on its input.
fn shell(command: &str, input: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_auth-consistency")).parent().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn repaired(file: &str) {
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], file).json()["plan"]["hash"].clone();
    let said = run(&["repair", "-f", "-", "--approve", hash.as_str().unwrap()], &[], file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
}

async fn run_id(database: &Database) -> String {
    database.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'Delete'").await
}

async fn owned(database: &Database, table: &str) {
    database.run(&format!("ALTER TABLE {table} OWNER TO {}", database.role)).await;
}

#[tokio::test]
async fn that_the_next_repair_does_it_again_is_said_where_rows_name_nobody_still() {
    let database = Database::create(CONSISTENT).await;
    database
        .run(&format!("{ORPHANS} CREATE TABLE events (id int PRIMARY KEY, actor int); INSERT INTO events VALUES (1, 4711)"))
        .await;
    owned(&database, "events").await;
    let rule = r#"{"table":"events","columns":["actor"],"declared":true,"onOrphan":"Delete"}"#;
    let file = file(&database, "Delete").replace("\"rules\":[", &format!("\"rules\":[{rule},"));
    repaired(&file);
    let run_id = run_id(&database).await;
    // What no foreign key holds is back and names nobody still.
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("1 row was put back. 10 rows stayed"), "{}", said.out);
    assert!(text.contains("The next repair does the same to them again"), "{}", said.out);
    // One table alone has rows that are not back, and the run had more.
    let [command] = commands(&said).try_into().unwrap();
    assert!(!command.contains("--table"), "{command}");
    let written = shell(&command.replace("TABLE", "kept"), &file);
    assert!(written.contains("10 rows of public.usage_logs"), "{written}");
    database.run("INSERT INTO users (id, email, hashed_password) VALUES (4711, 'x@example.com', 'x')").await;
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(said.out.contains("10 rows were put back") && !said.out.contains("next repair"), "{}", said.out);
    let check = run(&["check", "-f", "-", "-o", "json"], &[], &file).json();
    assert_eq!(check["consistent"], true, "{check}");
}

#[tokio::test]
async fn rows_of_several_tables_that_stay_each_have_a_command_that_runs() {
    let database = Database::create(CONSISTENT).await;
    database
        .run(&format!(
            "{ORPHANS} CREATE TABLE \"Odd 's\" (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO \"Odd 's\" VALUES (1, 4711)"
        ))
        .await;
    owned(&database, "\"Odd 's\"").await;
    let rule = r#"{"table":"Odd 's","onOrphan":"Delete"}"#;
    let file = file(&database, "Delete").replace("\"rules\":[", &format!("\"rules\":[{rule},"));
    repaired(&file);
    let run_id = run_id(&database).await;
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    let commands = commands(&said);
    assert_eq!(commands.len(), 2, "{}", said.out);
    for (at, command) in commands.iter().enumerate() {
        let written = shell(&command.replace("--into TABLE", &format!("--into kept_{at}")), &file);
        assert!(written.contains("written into"), "{command}: {written}");
    }
    assert_eq!(database.text("SELECT count(*)::text FROM kept_0").await, "1");
    assert_eq!(database.text("SELECT count(*)::text FROM kept_1").await, "10");
    // What goes for good and was never back is said so.
    let said = run(&["quarantine", "purge", "-f", "-", "--run", &run_id], &[], &file);
    assert!(said.out.contains("11 rows would be, none of which were ever put back"), "{}", said.out);
    let purge = ["quarantine", "purge", "-f", "-", "--run", &run_id, "--yes", "-o", "json"];
    let answer = run(&purge, &[], &file).json();
    assert_eq!((&answer["done"], &answer["neverPutBack"]), (&true.into(), &11.into()), "{answer}");
}
