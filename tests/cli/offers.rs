//! What a command offers at its end is run here as it is printed, in the situation that prints it.

use super::{CONSISTENT, Database, PASSWORD, Said, borrowed, environment, file, plain_dsn, run};

/// One line, however it was wrapped.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The printed commands that begin with these words.
fn printed(page: &str, begin: &str) -> Vec<String> {
    plain(page)
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|command| command.strip_prefix("auth-consistency "))
        .filter(|command| command.starts_with(begin))
        .map(str::to_owned)
        .collect()
}

fn run_printed(command: &str, variables: &[(&str, &str)], input: &str) -> Said {
    let words: Vec<&str> = command.split(' ').map(|word| word.trim_matches('\'')).collect();
    run(&words, variables, input)
}

/// A copy of a database, as a restored dump is one.
async fn copied(of: &Database) -> Database {
    let copy =
        Database { name: format!("{}_copy", of.name), role: of.role.clone(), password: of.password.clone() };
    let sql = format!("CREATE DATABASE {} TEMPLATE {} OWNER {}", copy.name, of.name, of.role);
    let mut admin = Database::superuser("postgres").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    copy
}

const OTHER: &str = "UPDATE users SET hashed_password = \
    '$2b$04$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6' WHERE id = 1";

#[tokio::test]
async fn reset_is_offered_only_where_it_does_something() {
    let database = Database::create(CONSISTENT).await;
    database.run(OTHER).await;
    let mut variables = environment(&database);
    let check = run(&["check"], &borrowed(&variables), "");
    let [reset] = printed(&check.out, "reset").try_into().unwrap();
    let said = run_printed(&reset, &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);

    database.run(OTHER).await;
    for variable in &mut variables {
        if variable.0 == "ADMIN_PASSWORD" {
            variable.1 = "x".repeat(86);
        }
    }
    let page = plain(&run(&["check"], &borrowed(&variables), "").out);
    assert!(page.contains("was not compared with the Secret's, since the password has 86 bytes"), "{page}");
    assert_eq!(printed(&page, "reset"), [""; 0], "{page}");
    assert_eq!(run(&["reset"], &borrowed(&variables), "").code, 2);

    // Mode Observe writes nothing.
    let observing = file(&database, "Report").replacen("\"spec\":{", "\"spec\":{\"mode\":\"Observe\",", 1);
    let page = plain(&run(&["check", "-f", "-"], &[], &observing).out);
    assert!(page.contains("The admin's password is not the Secret's."), "{page}");
    assert_eq!(printed(&page, "reset"), [""; 0], "{page}");
}

#[tokio::test]
async fn after_a_reset_that_failed_the_reset_is_offered_again_and_no_repair() {
    let database = Database::create(CONSISTENT).await;
    database.run(OTHER).await;
    database
        .run(
            "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             new.hashed_password = old.hashed_password; RETURN new; END $$; \
             CREATE TRIGGER other BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION other()",
        )
        .await;
    let variables = environment(&database);
    let said = run(&["reset"], &borrowed(&variables), "");
    let page = plain(&said.out);
    assert_eq!(said.code, 2, "{} {}", said.out, said.err);
    assert!(page.contains("The reset was not done, for the reasons above. Once that is mended, `"), "{page}");
    assert_eq!(printed(&page, "repair"), [""; 0], "{page}");
    let [reset] = printed(&page, "reset").try_into().unwrap();
    database.run("DROP TRIGGER other ON users").await;
    let said = run_printed(&reset, &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let stored = database.text("SELECT hashed_password FROM users WHERE id = 1").await;
    assert!(bcrypt::verify(PASSWORD, &stored).unwrap());
}

#[tokio::test]
async fn a_secret_that_is_not_what_it_looks_like_is_told_in_the_breath_that_offers_the_reset() {
    let database = Database::create(CONSISTENT).await;
    database.run(OTHER).await;
    let file = file(&database, "Report");
    for (secret, told) in [
        (format!("{PASSWORD}\\n"), "ends with a line break, which is left off"),
        (format!("\u{feff}{PASSWORD}"), "begins with a byte order mark"),
    ] {
        let file = file.replace(&format!("\"{PASSWORD}\""), &format!("\"{secret}\""));
        for command in ["check", "plan"] {
            let page = plain(&run(&[command, "-f", "-"], &[], &file).out);
            assert_eq!(printed(&page, "reset").len(), 1, "{page}");
            let (_, after) = page.split_once("writes the password again. Before that: ").unwrap();
            assert!(after.contains(told), "{after}");
        }
    }
}

#[tokio::test]
async fn what_a_copy_of_a_database_brought_along_is_shown_and_put_back_by_the_commands_that_are_printed() {
    let database = Database::create(CONSISTENT).await;
    database
        .run(
            "SET session_replication_role = replica; UPDATE usage_logs SET user_id = 4711 WHERE id <= 3; \
              ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey",
        )
        .await;
    let original = file(&database, "Delete").replace(
        "\"table\":\"usage_logs\"",
        "\"columns\":[\"user_id\"],\"declared\":true,\"table\":\"usage_logs\"",
    );
    let hash = run(&["plan", "-f", "-", "-o", "json"], &[], &original).json()["plan"]["hash"].clone();
    let said = match hash.as_str() {
        Some(hash) => run(&["repair", "-f", "-", "--approve", hash], &[], &original),
        None => run(&["repair", "-f", "-"], &[], &original),
    };
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text("SELECT count(*)::text FROM usage_logs").await, "27");

    let copy = copied(&database).await;
    let there = original.replace(&plain_dsn(&database), &plain_dsn(&copy));
    assert_ne!(there, original);
    let page = plain(&run(&["restore", "-f", "-"], &[], &there).out);
    assert!(
        page.contains("of this resource has changed anything in this database, but there are copies of rows"),
        "{page}"
    );
    let [list] = printed(&page, "quarantine list").try_into().unwrap();
    let listed = run_printed(&list, &[], &there);
    let [show] = printed(&listed.out, "quarantine show").try_into().unwrap();
    let [restore] = printed(&listed.out, "quarantine restore").try_into().unwrap();
    let [purge] = printed(&listed.out, "quarantine purge").try_into().unwrap();
    let said = run_printed(&show, &[], &there);
    assert!(said.code == 0 && said.out.contains("4711"), "{} {}", said.out, said.err);
    // Without its name another database's run is none of this one's.
    let (unnamed, _) = restore.split_once(" --identity").unwrap();
    assert_eq!(run_printed(&format!("{unnamed} -f -"), &[], &there).code, 1);
    assert_eq!(run_printed(&format!("{unnamed} --identity nonsense -f -"), &[], &there).code, 1);
    let said = run_printed(&restore, &[], &there);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let before = database.text("SELECT count(*)::text FROM usage_logs").await;
    assert_eq!(before, "27", "the original is left alone");
    assert_eq!(copy.text("SELECT count(*)::text FROM usage_logs WHERE user_id = 4711").await, "3");
    assert_eq!(run_printed(&restore, &[], &there).code, 0, "it is back already");
    assert_eq!(copy.text("SELECT count(*)::text FROM usage_logs").await, "30");
    let said = run_printed(&purge, &[], &there);
    assert!(said.out.contains("Nothing was dropped"), "{} {}", said.out, said.err);
}

#[tokio::test]
async fn a_password_that_was_chosen_since_is_kept_when_the_one_before_is_put_back() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let stored = "SELECT hashed_password FROM users WHERE id = 1";
    let first = database.text(stored).await;
    let runs = "SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'Reset'";

    // What the reset wrote is all that is overwritten.
    assert_eq!(run(&["reset"], &borrowed(&variables), "").code, 0);
    let reset = database.text(runs).await;
    let said = run(&["restore", "--run", &reset], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(!plain(&said.out).contains("changed since"), "{}", said.out);
    assert_eq!(database.text(stored).await, first);

    database.run("DELETE FROM auth_consistency.audit WHERE action = 'Reset'").await;
    assert_eq!(run(&["reset"], &borrowed(&variables), "").code, 0);
    let reset = database.text(runs).await;
    database.run(OTHER).await;
    let chosen = database.text(stored).await;
    let said = run(&["restore", "--run", &reset], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let page = plain(&said.out);
    assert!(
        page.contains("1 account had been changed since that run: what it held until now is kept too"),
        "{page}"
    );
    assert_eq!(database.text(stored).await, first);
    let [back] = printed(&page, "restore").try_into().unwrap();
    let said = run_printed(&back, &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text(stored).await, chosen);
    assert!(!said.out.contains(&chosen), "{}", said.out);
}
