//! What is said of stored passwords, and what is offered: a reset only where one would be done now.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::Mode,
    },
    passwords::{self, Format, Stored},
};
use secrecy::ExposeSecret;

use crate::support::{Case, Db, HASH, PASSWORD, USUAL};

const FOREIGN: (R, C, Option<R>) = (R::PasswordHashForeign, C::AdminConsistent, None);

/// An admin and four people, in a password column of this type.
async fn people(column: &str, admin: &str, others: &str) -> Db {
    let quoted = |text: &str| text.replace('\'', "''");
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, \
         hashed_password {column}, role varchar NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{}', 'admin');
         INSERT INTO users (email, hashed_password) SELECT 'person' || n || '@example.com', '{}' FROM generate_series(1, 4) n",
        quoted(admin),
        quoted(others)
    ))
    .await
}

fn compared(db: &Db) -> Case {
    let mut case = Case::new(db, USUAL);
    case.compare_password = true;
    case
}

/// Whether a check offers a reset, and whether a reset is then done.
async fn offers_and_does(case: &mut Case) -> (bool, bool) {
    let pass = case.check().await;
    let said: String = pass.outcome().findings().iter().map(|one| one.message.clone()).collect();
    let offered = pass.outcome().reset_offer.is_some();
    // A finding that offers it and a closing paragraph that does not would be two lists.
    assert_eq!(said.contains("reset it by"), offered && said.contains("stored password is"), "{said}");
    case.requests.reset = Some("monday".into());
    let done = case.repair().await.outcome().reset_handled.is_some();
    case.requests.reset = None;
    (offered, done)
}

#[tokio::test]
async fn a_reset_is_offered_where_one_is_done_and_nowhere_else() {
    type Change = fn(&mut Case);
    let nothing: Change = |_| ();
    let (other, foreign) = ("$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq", "letmein");
    let observe: Change = |case| case.spec.mode = Mode::Observe;
    let long: Change = |case| {
        case.secret("admin", "password", &"x".repeat(86));
    };
    let contradicted: Change =
        |case| case.spec.users.password_hash = Some(serde_saphyr::from_str("Argon2id").unwrap());
    for admin in [other, foreign] {
        for (what, column, sql, change, done) in [
            ("nothing is in the way", "text", "", nothing, true),
            ("the mode is Observe", "text", "", observe, false),
            ("bcrypt does not take the password", "text", "", long, false),
            ("the spec names another format", "text", "", contradicted, false),
            (
                "all others are unknown",
                "text",
                "UPDATE users SET hashed_password = '$y$j9T$abc$def' WHERE id > 1",
                nothing,
                false,
            ),
        ] {
            let db = people(column, admin, HASH).await;
            if !sql.is_empty() {
                db.run(sql).await;
            }
            let mut case = compared(&db);
            change(&mut case);
            assert_eq!(offers_and_does(&mut case).await, (done, done), "{what}, with {admin:?}");
        }
        // Another resource has the table.
        let db = people("text", HASH, HASH).await;
        let mut first = compared(&db);
        first.requests.reset = Some("sunday".into());
        first.repair().await.consistent();
        db.run(&format!("UPDATE users SET hashed_password = '{admin}' WHERE id = 1")).await;
        let mut rival = first.rival(&db);
        rival.compare_password = true;
        assert_eq!(offers_and_does(&mut rival).await, (false, false), "another resource has the claim");
        // The database can only be read.
        db.run(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$"
        )
        .await;
        assert_eq!(offers_and_does(&mut first).await, (false, false), "it is read-only");
        // The role may only look.
        let db = people("text", admin, HASH).await;
        let role = db.role("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ROLE").await;
        let mut case = compared(&db);
        case.secret("db", "url", &db.url_of(&role));
        assert_eq!(offers_and_does(&mut case).await, (false, false), "the role may not write");
        // Nobody can write a computed column.
        let db = people("text", admin, HASH).await;
        db.run(&format!(
            "ALTER TABLE users DROP COLUMN hashed_password; \
             ALTER TABLE users ADD COLUMN hashed_password text GENERATED ALWAYS AS (CASE WHEN id = 1 THEN '{admin}' ELSE '{HASH}' END) STORED"
        ))
        .await;
        assert_eq!(offers_and_does(&mut compared(&db)).await, (false, false), "the column is computed");
    }
}

#[tokio::test]
async fn no_reset_of_the_admin_is_offered_for_the_hash_of_another_account() {
    let db = people("text", HASH, HASH).await;
    db.run("UPDATE users SET hashed_password = 'letmein' WHERE email = 'person1@example.com'").await;
    let account =
        "accounts:\n- login: person1@example.com\n  passwordSecretRef: {name: admin, key: password}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{account}"));
    case.compare_password = true;
    let pass = case.check().await;
    let message = pass.finding(R::PasswordHashForeign).message;
    let advice =
        "set spec.accounts[0].passwordPolicy to Always, which writes it unless it is the Secret's already";
    assert!(message.ends_with(advice), "{message}");
    assert_eq!(pass.outcome().reset_offer, None);
    case.edit(|spec| spec.mode = Mode::Observe);
    let message = case.check().await.finding(R::PasswordHashForeign).message;
    assert!(
        message.ends_with(
            "it is not written anew now, since spec.mode is Observe: set it to Enforce to have that done"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn a_password_that_cannot_be_used_is_not_called_another_one() {
    let db = people("text", "$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq", HASH).await;
    let mut case = Case::new(&db, &USUAL.replace("  columns:", "  passwordPolicy: Always\n  columns:"));
    case.secret("admin", "password", &"x".repeat(86));
    let unusable = (R::AdminPasswordUnusable, C::AdminConsistent, Some(R::AdminPasswordUnusable));
    let message = case.reports(&db, &[unusable]).await.finding(R::AdminPasswordUnusable).message;
    assert!(
        message.contains("was not compared with the Secret's") && message.contains("86 bytes"),
        "{message}"
    );
}

/// The statement in backquotes that a message prints.
fn statement(message: &str) -> String {
    message.split('`').nth(1).unwrap_or_else(|| panic!("{message} prints none")).to_owned()
}

#[tokio::test]
async fn hashes_that_no_app_reads_are_an_error_also_where_all_accounts_have_them() {
    for (broken, told) in [
        ("[object Promise]".to_owned(), "what JavaScript prints for an object"),
        (format!("b'{HASH}'"), "Python's bytes were stored as they are printed"),
        (HASH[..50].to_owned(), "a bcrypt hash, cut off: 50 of 60 characters"),
        (HASH.replace('$', "$$"), "as in a Compose file"),
    ] {
        let db = people("text", &broken, &broken).await;
        let mut case = compared(&db);
        let pass = case.reports(&db, &[FOREIGN]).await;
        let message = pass.finding(R::PasswordHashForeign).message;
        assert!(
            message.contains(told)
                && message.contains("as 4 of 4 other accounts have it")
                && message.contains("nobody can sign in with it: "),
            "{message}"
        );
        assert!(!message.contains("reset it by") && !message.contains("too short"), "{message}");
        assert_eq!(pass.outcome().reset_offer, None, "there is no format to write");
        assert_eq!(pass.report.as_ref().unwrap().consistent, Some(false));
        case.requests.reset = Some("monday".into());
        case.repair().await;
        assert_eq!(db.text("SELECT count(DISTINCT hashed_password)::text FROM users").await, "1");
    }
}

#[tokio::test]
async fn a_column_is_blamed_for_a_hash_that_was_cut_off_only_where_its_type_says_so() {
    let cut = &HASH[..50];
    let db = people("text", cut, HASH).await;
    let message = compared(&db).reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(message.contains("cut off: 50 of 60 characters, and of the passwords"), "{message}");
    assert!(!message.contains("column "), "the column holds any length: {message}");

    let argon = passwords::make(
        &Format::default_of(auth_consistency::api::password::PasswordFamily::Argon2id),
        &"somebody's own".to_owned().into(),
    )
    .unwrap();
    let argon = &argon.hash.expose_secret()[..60];
    for (column, broken) in [("varchar(50)", cut), ("varchar(60)", argon)] {
        let db = people(column, broken, broken).await;
        let mut case = compared(&db);
        let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
        let of = column.replace("varchar", "character varying");
        assert!(
            message.contains(&format!("its column is {of}, which is too short for such a hash")),
            "{message}"
        );
        db.run(&statement(&message)).await;
        // As the app then does.
        db.run(&format!("UPDATE users SET hashed_password = '{HASH}'")).await;
        case.check().await.consistent();
        let stored = db.text("SELECT hashed_password FROM users WHERE id = 1").await;
        assert_eq!(passwords::verify(&Stored::from(stored.as_str()), &PASSWORD.to_owned().into()), Ok(true));
    }
}

#[tokio::test]
async fn formats_that_are_known_by_name_are_not_taken_for_plain_text() {
    let nextcloud =
        "3|$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHRzb21lc2FsdA$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let db =
        people("text", "1|$2y$10$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", nextcloud).await;
    db.run("UPDATE users SET hashed_password = '400$8$36$78f4ae6983f76119$cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc' WHERE id = 5").await;
    let pass = compared(&db).check().await;
    pass.consistent();
    let told = format!("{:?}", pass.report.as_ref().unwrap().passwords);
    assert!(told.contains("as Nextcloud and ownCloud have it") && told.contains("Ruby's gem"), "{told}");
    assert!(!told.contains("plain text"), "{told}");
}

#[tokio::test]
async fn what_is_odd_about_the_secret_is_told_wherever_its_password_is_going_to_be_written() {
    let other = "$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq";
    for (secret, told) in [
        (
            "Port-adm-1\n",
            "ends with a line break, which is left off: to sign in, what stands before it has to be typed",
        ),
        ("\u{feff}Eppie-adm-1", "begins with a byte order mark"),
        ("b'Port-adm-1'", "as Python prints bytes"),
        ("<path:secret/data/app#password>", "argocd-vault-plugin"),
    ] {
        let db = people("text", other, HASH).await;
        let mut case = compared(&db);
        case.secret("admin", "password", secret);
        // Left alone, and a reset is offered: it is told with the offer.
        let check = case.check().await;
        check.consistent();
        let odd = check.outcome().reset_offer.clone().unwrap().odd.unwrap();
        assert!(odd.contains(told), "{odd}");
        // Planned.
        case.edit(|spec| {
            spec.admin.as_mut().unwrap().password_policy = serde_saphyr::from_str("Always").unwrap()
        });
        let check = case.check().await;
        check.plans(&[(A::Reset, "users.hashed_password", 1, false)]);
        let message = check.finding(R::AdminPasswordSuspicious).message;
        assert!(message.contains(told), "{message}");
        case.repair().await.repaired(&[(A::Reset, "users.hashed_password", 1)]);
        let stored = db.text("SELECT hashed_password FROM users WHERE id = 1").await;
        if secret.ends_with('\n') {
            // What was left off is nothing any more once it is written.
            case.check().await.consistent();
        }
        let typed = secret.strip_suffix('\n').unwrap_or(secret).to_owned();
        assert_eq!(passwords::verify(&Stored::from(stored.as_str()), &typed.into()), Ok(true));
    }
}

#[tokio::test]
async fn a_secret_in_another_encoding_is_named_as_what_it_is() {
    let db = people("text", HASH, HASH).await;
    let mut case = compared(&db);
    let reference = case.spec.admin.as_ref().unwrap().password_secret_ref.clone().unwrap();
    let bytes = b"\xff\xfeP\0o\0r\0t\0".to_vec();
    case.secrets.insert(reference, Ok(secrecy::SecretBox::new(Box::new(bytes))));
    let said: Vec<String> = case.errors().into_iter().map(|one| one.message).collect();
    assert!(said.iter().any(|one| one.contains("UTF-16 with a byte order mark")), "{said:?}");
}

#[tokio::test]
async fn an_approval_that_was_used_is_said_to_be_so_in_the_same_database() {
    let db = people("text", HASH, HASH).await;
    db.run(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs SELECT n, 900 + n FROM generate_series(1, 9) n",
    )
    .await;
    let rules = "references: {onOrphan: SetNull, limits: {rows: 1, percent: 100}, rules: [{table: logs, columns: [user_id], declared: true}]}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{rules}"));
    let hash = case.check().await.outcome().plan.clone().unwrap().hash.unwrap();
    let pass = case.repair_approved(&hash).await;
    assert_eq!(pass.outcome().approval_unused, None);
    // Nothing waits.
    let pass = case.repair_approved(&hash).await;
    let used = Some("it was used before, and an approval is good for one time");
    assert_eq!(pass.outcome().approval_unused.as_deref(), used);
    // The same rows are broken again.
    db.run("UPDATE logs SET user_id = 900 + id").await;
    let before = db.snapshot().await;
    let pass = case.repair_approved(&hash).await;
    assert_eq!(pass.outcome().approval_unused.as_deref(), used);
    pass.repaired(&[]);
    assert_eq!(db.changes(&before).await, [""; 0]);
}
