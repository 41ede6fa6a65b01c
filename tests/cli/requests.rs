//! What is printed where there is no cluster is a command that does what it says, and as often as it is run.

use super::{CONSISTENT, Database, borrowed, environment, file, run};

/// The commands that findings name between backquotes, as their arguments.
fn commands(said: &super::Said, finding: &str) -> Vec<String> {
    let report = said.json();
    let found = report["findings"].as_array().unwrap().iter().find(|one| one["finding"] == finding);
    let message = found.unwrap_or_else(|| panic!("{report}"))["message"].as_str().unwrap().to_owned();
    let command = message.split('`').nth(1).unwrap_or_else(|| panic!("{message} has no command"));
    assert!(!message.contains("kubectl") && !message.contains("auth.probeops.com/"), "{message}");
    let mut words = command.split(' ').map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("auth-consistency"), "{command}");
    words.collect()
}

#[tokio::test]
async fn what_a_message_says_without_a_cluster_is_a_command_that_does_it_each_time() {
    let (database, other) = (Database::create(CONSISTENT).await, Database::create(CONSISTENT).await);
    let path = std::env::temp_dir().join(format!("{}-requests.yaml", database.name));
    std::fs::write(&path, file(&database, "Report")).unwrap();
    let path = path.to_str().unwrap();
    let variables = environment(&other);
    let foreign = "UPDATE users SET hashed_password = 'pbkdf2_sha256$600000$abc$def' WHERE id = 1";
    let hash = "SELECT left(hashed_password, 3) FROM users WHERE id = 1";
    for (database, flags, environment) in
        [(&database, vec!["-f", path], vec![]), (&other, vec![], borrowed(&variables))]
    {
        for time in ["first", "second"] {
            database.run(foreign).await;
            let check: Vec<&str> = ["check", "-o", "json"].iter().chain(&flags).copied().collect();
            let reset = commands(&run(&check, &environment, ""), "PasswordHashForeign");
            let reset: Vec<&str> = reset.iter().map(String::as_str).collect();
            assert_eq!(reset, [&["reset"], &flags[..]].concat());
            let said = run(&reset, &environment, "");
            assert_eq!(said.code, 0, "the {time} time: {} {}", said.out, said.err);
            assert_eq!(database.text(hash).await, "$2b");
        }
    }
    // A claim of a resource that is gone, which went from one to another thrice.
    let gone = "UPDATE auth_consistency.claims SET owner = '4b1c', takes = 3; \
        UPDATE users SET role = 'user' WHERE id = 1";
    database.run(gone).await;
    let said = run(&["check", "-o", "json", "-f", path], &[], "");
    let take = commands(&said, "TargetClaimed");
    let take: Vec<&str> = take.iter().map(String::as_str).collect();
    assert_eq!(take, ["repair", "--take-claim", "4b1c/3", "-f", path]);
    let said = run(&take, &[], "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text("SELECT role FROM users WHERE id = 1").await, "admin");
    assert_eq!(database.text("SELECT owner || takes FROM auth_consistency.claims").await, "default/app4");
    std::fs::remove_file(path).unwrap();
}
