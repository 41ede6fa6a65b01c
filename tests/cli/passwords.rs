//! What is said of a password that cannot be compared or written, and what is not offered.

use super::{
    borrowed, environment, run,
    world::{CONSISTENT, Database},
};

/// yescrypt, as Linux has it since 2021: known by name, read by nobody here.
const YESCRYPT: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";

/// One line, however it was wrapped.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn what_was_not_compared_is_said_to_be_so_and_no_reset_is_offered_or_done_that_the_app_would_not_read()
{
    let database = Database::create(CONSISTENT).await;
    database.run(&format!("UPDATE users SET hashed_password = '{YESCRYPT}'")).await;
    let variables = environment(&database);
    let said = run(&["check"], &borrowed(&variables), "");
    let page = plain(&said.out);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    for told in [
        "the password could not be compared, since the stored one is crypt yescrypt",
        "The admin's password was not compared with the Secret's, since the stored one is crypt yescrypt",
        "none is written",
    ] {
        assert!(page.contains(told), "{told} in {page}");
    }
    assert!(!page.contains("reset") && !page.contains("plain text") && !page.contains(YESCRYPT), "{page}");

    let said = run(&["reset"], &borrowed(&variables), "");
    let page = plain(&said.out);
    assert_eq!(said.code, 2, "{} {}", said.out, said.err);
    assert!(page.contains("PasswordHashUnclear") && page.contains("The reset was not done"), "{page}");
    let left = database.text("SELECT count(DISTINCT hashed_password)::text FROM users").await;
    assert_eq!(left, "1", "nothing was written");
}

#[tokio::test]
async fn a_reset_says_in_which_format_it_wrote_and_that_it_looked() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let said = run(&["reset"], &borrowed(&variables), "");
    let page = plain(&said.out);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(
        page.contains("its password as bcrypt ($2b$, cost 1") && page.contains("read back and verified"),
        "{page}"
    );
    let said = run(&["check"], &borrowed(&variables), "");
    assert!(plain(&said.out).contains("the password is the right one"), "{}", said.out);
}
