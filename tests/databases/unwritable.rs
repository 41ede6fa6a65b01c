//! A password that could not be written as the app reads it is refused when it is planned, and nothing else waits
//! for it.

use std::{sync::mpsc, time::Duration};

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::{PasswordFamily, PasswordHash, PasswordPolicy},
    },
    hashing,
    passwords::{self, Cost, Format},
};
use secrecy::ExposeSecret;

use crate::support::{Case, Db, HASH, PASSWORD, USUAL};

const SEED: (A, &str, i64) = (A::Seed, "users", 1);
const RESET: (A, &str, i64) = (A::Reset, "users.hashed_password", 1);
const ADVANCE: (A, &str, i64) = (A::AdvanceSequence, "users_id_seq", 0);

/// People with bcrypt hashes, or none, in a table whose sequence is behind; its password column has this type.
async fn database(people: usize, column: &str) -> Db {
    let mut sql = format!(
        "CREATE DOMAIN short AS varchar(70) CHECK (length(VALUE) < 65);
         CREATE TABLE users (id serial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, hashed_password {column}, \
         role varchar NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, algorithm varchar(20), \
         salt varchar(20));"
    );
    for at in 0..people {
        sql.push_str(&format!(
            "INSERT INTO users (id, email, hashed_password) VALUES ({}, 'person{at}@example.com', '{HASH}');",
            at + 10
        ));
    }
    if people == 0 {
        sql.push_str("INSERT INTO users (id, email) VALUES (10, 'nobody@example.com');");
    }
    Db::new(&sql).await
}

fn users(of: &str) -> String {
    USUAL.replace("{preset: FastAPI}", &format!("{{preset: FastAPI{of}}}"))
}

/// What is planned is refused with the reason, no password is written, and the sequence is moved all the same.
async fn refused(db: &Db, case: &mut Case, finding: R, reason: R) -> String {
    let blocked = (finding, C::AdminConsistent, Some(reason));
    let before = db.text("SELECT string_agg(users::text, '; ' ORDER BY id) FROM users").await;
    let check = case.check().await;
    check.found(&[(R::SequenceBehind, C::SchemaCompatible, None), blocked]);
    check.plans(&[(A::AdvanceSequence, "users_id_seq", 0, false)]);
    let message = check.finding(finding).message;
    let pass = case.repair().await;
    pass.found(&[blocked]).repaired(&[ADVANCE]);
    assert_eq!(pass.finding(finding).message, message);
    let after = db.text("SELECT string_agg(users::text, '; ' ORDER BY id) FROM users").await;
    assert_eq!(after, before, "nothing of an account was written");
    message
}

#[tokio::test]
async fn a_format_with_a_salt_of_its_own_is_refused_when_planned_where_no_column_takes_it() {
    let db = database(0, "varchar(255)").await;
    let mut case = Case::new(&db, &users(", passwordHash: GrafanaPbkdf2"));
    let message = refused(&db, &mut case, R::AdminMissing, R::PasswordHashUnclear).await;
    assert!(
        message.ends_with("Grafana PBKDF2 keeps the salt in a column of its own: set spec.users.saltColumn"),
        "{message}"
    );
    case.edit(|spec| spec.users.salt_column = Some("salt".into()));
    case.repair().await.consistent().repaired(&[SEED]);
}

#[tokio::test]
async fn digits_beside_a_salt_ask_for_the_columns_that_read_them_and_these_are_the_way_out() {
    let db = database(0, "varchar(255)").await;
    db.run("ALTER TABLE users ALTER COLUMN salt TYPE varchar(64)").await;
    let format = Format::default_of(PasswordFamily::GiteaPbkdf2);
    let made = passwords::make(&format, &"somebody's own".to_owned().into()).unwrap();
    db.run(&format!(
        "UPDATE users SET hashed_password = '{}', salt = '{}', algorithm = '{}'",
        made.hash.expose_secret(),
        made.salt.unwrap().expose_secret(),
        made.algorithm.unwrap()
    ))
    .await;
    for named in ["", ", passwordHash: GiteaPbkdf2"] {
        let mut case = Case::new(&db, &users(named));
        let check = case.check().await;
        let message = check.finding(R::AdminMissing).message;
        assert!(message.contains("set spec.users.saltColumn"), "{message}");
        check.plans(&[(A::AdvanceSequence, "users_id_seq", 0, false)]);
    }
    // With the salt alone they read as Grafana's, which the named format does not contradict.
    let mut case = Case::new(&db, &users(", passwordHash: GiteaPbkdf2, saltColumn: salt"));
    let message = refused(&db, &mut case, R::AdminMissing, R::PasswordHashUnclear).await;
    assert!(message.ends_with("set spec.users.algorithmColumn"), "{message}");
    let mut case = Case::new(&db, &users(", saltColumn: salt, algorithmColumn: algorithm"));
    case.repair().await.consistent().repaired(&[SEED]);
}

#[tokio::test]
async fn a_format_without_a_name_is_refused_when_planned_where_a_column_tells_the_app_what_to_read() {
    let db = database(5, "varchar(255)").await;
    let named = users(", saltColumn: salt, algorithmColumn: algorithm");
    let mut case = Case::new(&db, &named);
    let message = refused(&db, &mut case, R::AdminMissing, R::PasswordHashUnclear).await;
    assert!(message.ends_with("have the app set the password"), "{message}");
    // An account that is there keeps its hash, and what its column says of it.
    let mine = HASH.replace("$2b$04$", "$2b$05$");
    db.run(&format!(
        "INSERT INTO users (email, hashed_password, role, algorithm) VALUES ('admin@example.com', '{mine}', 'admin', 'bcrypt')"
    ))
    .await;
    case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
    let differs = (R::AdminPasswordDiffers, C::AdminConsistent, Some(R::PasswordHashUnclear));
    case.reports(&db, &[differs]).await;
    // Not named, it would say something false of what is written all the same.
    case.edit(|spec| spec.users.algorithm_column = None);
    let message = case.reports(&db, &[differs]).await.finding(R::AdminPasswordDiffers).message;
    assert!(message.contains("column \"algorithm\" of its row holds another value"), "{message}");
    db.run("UPDATE users SET algorithm = NULL WHERE role = 'admin'").await;
    case.repair().await.consistent().repaired(&[(A::Reset, "users (hashed_password, salt)", 1)]);
}

#[tokio::test]
async fn a_hash_that_its_column_would_cut_is_refused_when_planned_and_what_widens_it_is_said() {
    for (column, told, statement) in [
        ("varchar(60)", "character varying(60)", true),
        ("char(60)", "character(60)", true),
        ("short", "public.short", false),
        ("bytea", "bytea", false),
    ] {
        let db = database(0, column).await;
        let mut case = Case::new(&db, &users(", passwordHash: Argon2id"));
        let message = refused(&db, &mut case, R::AdminMissing, R::RepairUnsupported).await;
        assert!(
            message.contains(&format!(
                "column \"hashed_password\" is {told} and does not take the 97 characters that argon2id (m=65536, t=3, p=4) puts there"
            )),
            "{message}"
        );
        let report = case.check().await.report.unwrap().passwords.unwrap();
        assert!(report.writes.is_none() && report.why.contains(told), "{report:?}");
        let widens = message.split_once(" or by ").map(|(_, statement)| statement);
        assert_eq!(widens.is_some(), statement, "{message}");
        db.run(widens.unwrap_or("ALTER TABLE users ALTER COLUMN hashed_password TYPE text")).await;
        case.repair().await.consistent().repaired(&[SEED]);
    }
}

#[tokio::test]
async fn a_column_that_is_wide_enough_is_no_obstacle_whatever_its_type() {
    for column in ["varchar(60)", "char(60)", "short", "text"] {
        let db = database(3, column).await;
        let mut case = Case::new(&db, USUAL);
        case.repair().await.consistent().repaired(&[ADVANCE, SEED]);
    }
}

#[tokio::test]
async fn a_salt_that_its_column_would_cut_is_refused_and_a_reset_is_too() {
    let db = database(0, "varchar(255)").await;
    db.run(&format!(
        "INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{HASH}', 'admin')"
    ))
    .await;
    let mut case =
        Case::new(&db, &users(", passwordHash: GiteaPbkdf2, saltColumn: salt, algorithmColumn: algorithm"));
    case.requests.reset = Some("monday".into());
    let message = refused(&db, &mut case, R::PasswordHashForeign, R::RepairUnsupported).await;
    assert!(message.contains("column \"salt\" is character varying(20)"), "{message}");
    db.run("ALTER TABLE public.users ALTER COLUMN salt TYPE varchar(255)").await;
    let reset = (A::Reset, "users (hashed_password, salt, algorithm)", 1);
    case.repair().await.consistent().repaired(&[reset]);
}

#[tokio::test]
async fn a_prefix_of_bcrypt_that_nobody_else_has_is_a_warning_and_the_reset_that_it_names_ends_it() {
    let others = Format { cost: Cost::Power(10), ..Format::default_of(PasswordFamily::Bcrypt) };
    for prefix in ["$2y$", "$2a$"] {
        let db = database(5, "varchar(255)").await;
        let mine = passwords::make(&Format { prefix, ..others }, &PASSWORD.to_owned().into()).unwrap();
        let mine = mine.hash.expose_secret();
        db.run(&format!(
            "INSERT INTO users (id, email, hashed_password, role) VALUES (30, 'admin@example.com', '{mine}', 'admin'); \
             SELECT setval('users_id_seq', 99)"
        ))
        .await;
        // The right password is never replaced for it, whatever the policy.
        for policy in [PasswordPolicy::OnSeed, PasswordPolicy::Always] {
            let mut case = Case::new(&db, USUAL);
            case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = policy);
            let odd = (R::PasswordHashForeign, C::AdminConsistent, None);
            let pass = case.reports(&db, &[odd]).await;
            assert_eq!(pass.conditions()[0], "Ready=True Consistent");
            let message = pass.finding(R::PasswordHashForeign).message;
            assert!(
                message.starts_with(&format!(
                    "the admin's stored password is bcrypt ({prefix}, cost 10), and of the passwords of the other active accounts (5 looked at) all are bcrypt ($2b$, cost 4): not every reader of bcrypt takes all of its variants, so sign in once, and only if the app refuses it, reset it by "
                )),
                "{message}"
            );
        }
        let mut case = Case::new(&db, USUAL);
        case.requests.reset = Some("monday".into());
        case.repair().await.consistent().repaired(&[RESET]);
        case.settled(&db).await;
        let now = db.text("SELECT hashed_password FROM users WHERE role = 'admin'").await;
        assert!(now.starts_with("$2b$10$"), "it has the others' prefix");
        // One other account has it: so the app is known to have written it.
        db.run(&format!("UPDATE users SET hashed_password = '{mine}' WHERE role = 'admin' OR id = 10")).await;
        Case::new(&db, USUAL).check().await.consistent();
    }
}

#[tokio::test]
async fn the_order_of_nodes_scrypt_is_that_of_the_other_accounts_and_where_they_disagree_none_is_written() {
    let of = |prefix| Format { prefix, ..Format::default_of(PasswordFamily::NodeScrypt) };
    let row = |prefix| {
        let made = passwords::make(&of(prefix), &"somebody's own".to_owned().into()).unwrap();
        made.hash.expose_secret().to_owned()
    };
    let (salt_first, key_first) = (row("salt:key"), row("key.salt"));
    let db = database(4, "text").await;
    db.run(&format!("UPDATE users SET hashed_password = '{salt_first}' WHERE id < 12")).await;
    db.run(&format!("UPDATE users SET hashed_password = '{key_first}' WHERE id >= 12")).await;
    let mut case = Case::new(&db, &users(", passwordHash: NodeScrypt"));
    let message = refused(&db, &mut case, R::AdminMissing, R::PasswordHashUnclear).await;
    assert!(
        message.contains("2 have key.salt and 2 have salt:key: have the app set the password"),
        "{message}"
    );
    // Three of four have the salt first, which alone looks like another library's.
    db.run(&format!("UPDATE users SET hashed_password = '{salt_first}' WHERE id < 13")).await;
    case.repair().await.consistent().repaired(&[SEED]);
    let seeded = db.text("SELECT hashed_password FROM users WHERE role = 'admin'").await;
    let stored = passwords::Stored::from(seeded.as_str());
    assert_eq!(passwords::recognise_as(&stored, PasswordFamily::NodeScrypt), Some(of("salt:key")));
}

#[tokio::test]
async fn an_accounts_own_format_goes_before_the_presets_where_nobody_else_has_a_password() {
    let db = Db::new(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true)",
    )
    .await;
    let cost = Cost::Argon2 { memory: 19_456, passes: 2, lanes: 1 };
    let argon2id = Format { cost, ..Format::default_of(PasswordFamily::Argon2id) };
    let mine = passwords::make(&argon2id, &"the app's own".to_owned().into()).unwrap();
    let mine = mine.hash.expose_secret();
    db.run(&format!(
        "INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{mine}', 'admin')"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
    case.repair().await.consistent().repaired(&[RESET]);
    assert!(db.text("SELECT hashed_password FROM users").await.starts_with("$argon2id$"));
    // Where its text does not tell the format, neither Always nor a reset replaces it by the preset's.
    let scrypt = Format::default_of(PasswordFamily::BetterAuthScrypt);
    let mine = passwords::make(&scrypt, &"the app's own".to_owned().into()).unwrap();
    let mine = mine.hash.expose_secret();
    db.run(&format!("UPDATE users SET hashed_password = '{mine}'")).await;
    let unclear = (R::PasswordHashUnclear, C::AdminConsistent, None);
    case.reports(&db, &[unclear]).await;
    case.requests.reset = Some("monday".into());
    let refused = (R::PasswordHashUnclear, C::AdminConsistent, Some(R::PasswordHashUnclear));
    let message = case.reports(&db, &[refused]).await.finding(R::PasswordHashUnclear).message;
    assert!(message.ends_with("set spec.users.passwordHash"), "{message}");
    assert_eq!(db.text("SELECT hashed_password FROM users").await, mine);
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::BetterAuthScrypt));
    case.repair().await.consistent().repaired(&[RESET]);
}

#[tokio::test]
async fn a_long_password_that_would_be_hashed_for_minutes_is_not_compared_and_not_written() {
    let db = database(0, "text").await;
    let dear = format!("$6$rounds=2000000$salt${}", "a".repeat(86));
    db.run(&format!(
        "INSERT INTO users (id, email, hashed_password, role) VALUES (30, 'admin@example.com', '{dear}', 'admin'); \
         UPDATE users SET hashed_password = '{dear}' WHERE id = 10; SELECT setval('users_id_seq', 99)"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    case.secret("admin", "password", &"long ".repeat(500));
    case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
    let differs = (R::AdminPasswordUnusable, C::AdminConsistent, Some(R::AdminPasswordUnusable));
    let odd = (R::AdminPasswordSuspicious, C::AdminConsistent, None);
    let message = case.reports(&db, &[differs, odd]).await.finding(R::AdminPasswordUnusable).message;
    assert!(
        message.contains("goes over all of them in each of 2000000 rounds: more than 536 bytes"),
        "{message}"
    );
    let admin = case.check().await.outcome().admin.clone().unwrap();
    assert!(admin.password_matches.is_none() && admin.password_uncompared.unwrap().contains("536 bytes"));
}

#[tokio::test]
async fn nothing_is_hashed_while_a_snapshot_is_open() {
    let db = database(3, "text").await;
    db.run(&format!(
        "INSERT INTO users (id, email, hashed_password, role) VALUES (30, 'admin@example.com', '{HASH}', 'admin'); \
         SELECT setval('users_id_seq', 99)"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
    // Whoever is to be hashed next waits, as it would behind the hashes of other resources.
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let held = tokio::spawn(hashing::compute(move || {
        begun.send(()).unwrap();
        released.recv().ok();
    }));
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let states = "SELECT coalesce(string_agg(state || ' ' || query, '; '), '') FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let after_the_look = async {
        loop {
            let states = db.text(states).await;
            if states.contains("idle ROLLBACK") && !states.contains("in transaction") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut pass = Box::pin(case.check());
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            () = after_the_look => true,
            _ = &mut pass => false,
        }
    });
    let ended = ended.await;
    drop(release);
    held.await.unwrap();
    assert_eq!(ended, Ok(true), "the snapshot was still open, or nothing waited");
    pass.await.consistent();
}
