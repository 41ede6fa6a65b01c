//! Who is not let in, and why: each is told as what it is, as far as the server's answer tells them apart, and what
//! is printed to end it does. Whoever is let in by libpq is let in here.

use auth_consistency::domain::fault::{Class, Fault};
use auth_consistency::{
    api::condition::{ConditionType as C, Reason as R},
    network::HostPolicy,
    pass,
};

use sqlx::{Connection, PgConnection};

use crate::support::{Case, Db, Server, USUAL, admin_and_ada as with};

fn anywhere() -> HostPolicy {
    HostPolicy::unrestricted(Vec::new())
}

/// What the role needs of a database in which nothing is to be repaired.
const READS: &str = "GRANT USAGE ON SCHEMA public TO ROLE; GRANT SELECT ON users TO ROLE";

/// A case as a role, with its password, written for a URL.
async fn as_role(db: &Db) -> (Case, (String, String)) {
    let role = db.role(READS).await;
    let mut case = Case::new(db, USUAL);
    case.secret("db", "url", &db.url_of(&role));
    (case, role)
}

/// Why a pass fails at the door, with nothing changed.
async fn barred(db: &Db, case: &mut Case) -> Fault {
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    let fault = pass.fault().clone();
    assert!(pass.conditions().contains(&format!("DatabaseReachable=False {}", fault.reason)), "{fault:?}");
    assert_eq!(db.fingerprint().await, before);
    fault
}

/// The statements that a message prints.
fn printed(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The statements, each run by the test's own superuser, and that the pass is consistent thereafter.
async fn ends(db: &Db, case: &mut Case, message: &str) {
    let statements = printed(message);
    assert_eq!(statements.len(), 1, "{message}");
    db.run(&statements[0]).await;
    case.check().await.consistent();
}

#[tokio::test]
async fn a_role_that_may_not_connect_is_told_with_the_grant_and_not_sent_in_a_circle() {
    let db = with("SELECT").await;
    let (mut case, role) = as_role(&db).await;
    // Names that are none without quotes.
    let (name, odd) = (db.name.clone(), format!("Ledger \"{}\"", &db.name[5..]));
    let quoted = format!("\"{}\"", odd.replace('"', "\"\""));
    let (clerk, elsewhere) = (format!("{}-Clerk", role.0), Db::new("").await);
    // A database that somebody is in cannot be renamed.
    *db.connection().await = elsewhere.another().await;
    elsewhere
        .run(&format!(
            "ALTER ROLE {} RENAME TO \"{clerk}\"; ALTER DATABASE {name} RENAME TO {quoted}",
            role.0
        ))
        .await;
    elsewhere.run(&format!("REVOKE CONNECT ON DATABASE {quoted} FROM PUBLIC")).await;
    let mut url = url::Url::parse(&db.url_of(&role)).unwrap();
    url.set_username(&clerk).unwrap();
    url.set_path(&odd);
    case.secret("db", "url", url.as_str());
    let pass = case.check().await;
    let fault = pass.fault().clone();
    assert_eq!((fault.reason, fault.class), (R::PrivilegeMissing, Class::Terminal), "{fault:?}");
    assert!(pass.conditions().contains(&"DatabaseReachable=False PrivilegeMissing".into()));
    assert!(!fault.message.contains("auth-consistency grants"), "{fault:?}");
    assert_eq!(printed(&fault.message), [format!("GRANT CONNECT ON DATABASE {quoted} TO \"{clerk}\"")]);
    // What prints grants says so, too.
    for refused in [
        pass::grants(&case.target(), &anywhere()).await.unwrap_err(),
        pass::grants_to_observe(&case.target(), &anywhere()).await.unwrap_err(),
    ] {
        assert_eq!(refused, fault);
    }
    elsewhere.run(&printed(&fault.message)[0]).await;
    case.check().await.consistent();
    elsewhere
        .run(&format!(
            "ALTER DATABASE {quoted} RENAME TO {name}; ALTER ROLE \"{clerk}\" RENAME TO {}",
            role.0
        ))
        .await;
    *db.connection().await = db.another().await;
}

#[tokio::test]
async fn a_role_without_usage_of_the_schema_is_given_it_by_what_grants_prints() {
    let db = with("SELECT").await;
    let (mut case, role) = as_role(&db).await;
    db.run(&format!("REVOKE ALL ON SCHEMA public FROM PUBLIC, {}", role.0)).await;
    let told = case.check().await.finding(R::PrivilegeMissing).message;
    assert!(told.contains("run what `auth-consistency grants` prints"), "{told}");
    db.run(&pass::grants_to_observe(&case.target(), &anywhere()).await.unwrap()).await;
    case.check().await.consistent();
}

#[tokio::test]
async fn a_role_that_may_not_log_in_is_told_as_that_and_no_word_of_pg_hba() {
    let db = with("SELECT").await;
    let (mut case, role) = as_role(&db).await;
    db.run(&format!("ALTER ROLE {} NOLOGIN", role.0)).await;
    let fault = barred(&db, &mut case).await;
    assert_eq!((fault.reason, fault.class), (R::DatabaseAuthenticationFailed, Class::Terminal), "{fault:?}");
    assert!(!fault.message.contains("pg_hba") && !fault.message.contains("Secret"), "{fault:?}");
    assert_eq!(printed(&fault.message), [format!("ALTER ROLE {} LOGIN", role.0)]);
    ends(&db, &mut case, &fault.message).await;
}

#[tokio::test]
async fn a_password_that_has_expired_is_among_what_a_refused_password_may_be() {
    let db = with("SELECT").await;
    let (mut case, role) = as_role(&db).await;
    db.run(&format!("ALTER ROLE {} VALID UNTIL '2001-02-03'", role.0)).await;
    let fault = barred(&db, &mut case).await;
    assert_eq!(fault.reason, R::DatabaseAuthenticationFailed, "{fault:?}");
    // The server says the same of all three.
    let says =
        "the password is wrong or has expired (VALID UNTIL), or there is no such user (SQLSTATE 28P01)";
    assert!(fault.message.contains(says), "{fault:?}");
    assert!(!fault.message.contains(&role.0), "who is not known may be a password: {fault:?}");
    db.run(&format!("ALTER ROLE {} VALID UNTIL 'infinity'", role.0)).await;
    case.check().await.consistent();
}

#[tokio::test]
async fn a_database_that_takes_nobody_is_told_as_that_and_asked_again() {
    let db = with("SELECT").await;
    let (mut case, _) = as_role(&db).await;
    let elsewhere = Db::new("").await;
    elsewhere.run(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", db.name)).await;
    let fault = barred(&db, &mut case).await;
    assert_eq!((fault.reason, fault.class), (R::DatabaseUnreachable, Class::Transient), "{fault:?}");
    assert!(!fault.message.contains("host and port"), "the way there is free: {fault:?}");
    assert_eq!(printed(&fault.message), [format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", db.name)]);
    ends(&elsewhere, &mut case, &fault.message).await;
}

#[tokio::test]
async fn what_an_interrupted_drop_has_left_of_a_database_is_told_as_that() {
    let db = with("SELECT").await;
    let (mut case, _) = as_role(&db).await;
    let set =
        |limit: i32| format!("UPDATE pg_database SET datconnlimit = {limit} WHERE datname = '{}'", db.name);
    db.run(&set(-2)).await;
    let fault = barred(&db, &mut case).await;
    assert_eq!((fault.reason, fault.class), (R::DatabaseUnreachable, Class::Terminal), "{fault:?}");
    assert!(fault.message.contains("DROP DATABASE that was interrupted"), "{fault:?}");
    assert!(fault.message.contains(&db.name) && fault.message.contains("restore it"), "{fault:?}");
    db.run(&set(-1)).await;
    case.check().await.consistent();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_and_what_its_name_has_that_nobody_sees_is_told() {
    let db = with("SELECT").await;
    let mut case = Case::new(&db, USUAL);
    let mut url = url::Url::parse(&db.url()).unwrap();
    for (name, says) in [
        ("No_Such-Shop.1", "there is no database \"No_Such-Shop.1\" (SQLSTATE 3D000)"),
        // What is no usual name is not repeated, since it may be half of something else.
        ("shop;password=x", "there is no database of that name, which has 15 characters"),
        ("shop%0A", "there is no database of that name, which has 5 characters and ends with white space"),
        ("%20shop", "there is no database of that name, which has 5 characters and begins with white space"),
        (
            "sh%E2%80%8Bop",
            "there is no database of that name, which has 5 characters and one of them nobody sees",
        ),
    ] {
        url.set_path(name);
        case.secret("db", "url", url.as_str());
        let fault = barred(&db, &mut case).await;
        assert_eq!((fault.reason, fault.class), (R::DatabaseNotFound, Class::Terminal), "{fault:?}");
        assert!(fault.message.contains(says), "{name}: {fault:?}");
        assert!(fault.message.contains("correct the database's name in the Secret"), "{fault:?}");
        assert!(!fault.message.contains("password="), "{fault:?}");
    }
    // By parts the name stands in the spec.
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let mut case = Case::with_database(
        &format!(
            "{{host: {host}, port: {port}, name: no_shop, usernameSecretRef: {{name: db, key: user}}, passwordSecretRef: {{name: db, key: password}}, tls: {{mode: Require}}}}"
        ),
        USUAL,
    );
    case.secret("db", "user", url.username()).secret("db", "password", url.password().unwrap());
    let fault = barred(&db, &mut case).await;
    assert!(fault.message.contains("there is no database \"no_shop\""), "{fault:?}");
    assert!(fault.message.contains("correct spec.database.name"), "{fault:?}");
}

#[tokio::test]
async fn whoever_pg_hba_lets_in_nowhere_is_told_apart_from_who_is_not_there() {
    let db = with("SELECT").await;
    let server = Server::new(&db).await;
    server
        .run("CREATE ROLE clerk LOGIN PASSWORD 'canary-of-the-clerk'; CREATE ROLE guest; CREATE ROLE lost LOGIN")
        .await;
    server.run("CREATE DATABASE shop").await;
    server
        .let_in(&[
            "host all postgres 127.0.0.1/32 trust",
            "host shop nobody,guest 127.0.0.1/32 trust",
            "host shop lost 127.0.0.1/32 reject",
            "host postgres clerk 127.0.0.1/32 ident",
        ])
        .await;
    let mut case = Case::with_database("{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}", USUAL);
    let port = url::Url::parse(&server.url()).unwrap().port().unwrap();
    for (user, database, says, advice) in [
        (
            "clerk",
            "shop",
            "pg_hba.conf of the server has no line for this user, database and address without encryption",
            "have one added there, or encrypt the connection by spec.database.tls where its lines ask for that",
        ),
        (
            "lost",
            "shop",
            "a line in pg_hba.conf of the server rejects this user, database and address without encryption",
            "or encrypt the connection by spec.database.tls",
        ),
        ("nobody", "shop", "there is no such role", "correct the user name in the Secret, or make the role"),
        ("guest", "shop", "may not log in", "`ALTER ROLE guest LOGIN`"),
        (
            "clerk",
            "postgres",
            "the way of signing in that pg_hba.conf of the server names for this user",
            "scram-sha-256",
        ),
    ] {
        case.secret(
            "db",
            "url",
            &format!("postgres://{user}:canary-of-the-clerk@127.0.0.1:{port}/{database}"),
        );
        let pass = case.check().await;
        let fault = pass.fault();
        assert_eq!(
            (fault.reason, fault.class),
            (R::DatabaseAuthenticationFailed, Class::Terminal),
            "{fault:?}"
        );
        assert!(fault.message.contains(says) && fault.message.contains(advice), "{user}: {fault:?}");
        assert!(fault.message.contains("28000"), "{fault:?}");
        assert!(
            user == "guest" || !fault.message.contains(user),
            "who is not known may be a password: {fault:?}"
        );
    }
}

#[tokio::test]
async fn which_of_the_limits_of_connections_is_reached_is_told() {
    let db = with("SELECT").await;
    let server = Server::with(&db, "max_connections = 6\nsuperuser_reserved_connections = 2").await;
    server.run("CREATE ROLE clerk LOGIN; CREATE ROLE chief LOGIN SUPERUSER").await;
    let mut case = Case::with_database("{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}", USUAL);
    let mut url = url::Url::parse(&server.url()).unwrap();
    let mut held = Vec::new();
    for (user, sessions, says) in [
        (
            "clerk",
            4,
            "the connections that are left are reserved for superusers (superuser_reserved_connections)",
        ),
        ("chief", 6, "all connections of the server are taken (max_connections)"),
    ] {
        // Sessions of before may not have gone yet.
        while held.len() < sessions {
            held.extend(PgConnection::connect(&server.url()).await.ok());
        }
        url.set_username(user).unwrap();
        case.secret("db", "url", url.as_str());
        let pass = case.check().await;
        let fault = pass.fault();
        assert_eq!((fault.reason, fault.class), (R::TooManyConnections, Class::Transient), "{fault:?}");
        assert!(fault.message.contains(says) && fault.message.contains("53300"), "{fault:?}");
        assert!(
            fault.message.contains("raise max_connections") && printed(&fault.message).is_empty(),
            "{fault:?}"
        );
    }
}

/// Passwords that SASLprep does not take as they are, and how the server gets them.
const PASSWORDS: [&str; 12] = [
    "pencil\n",
    "\tpen\tcil",
    "\u{1}pencil\u{7f}",
    "pencil\r\n",
    // Non-ASCII, where a control character makes that none of it is prepared.
    "\u{2168}\u{a0}\u{301}\n",
    // Prepared: a no-break space, a ligature, a soft hyphen, letters in two pieces.
    "Stra\u{df}e\u{a0}\u{fb01}\u{ad}x",
    "cafe\u{301}",
    "caf\u{e9}",
    // Newer than the tables of the profile, and in both directions at once: taken as they stand.
    "\u{1f512}\u{1f511}",
    "\u{5d0}pencil\u{5d0}",
    // Nothing is left of it when it is prepared.
    "\u{ad}\u{200b}",
    "%\\'\" ,=:@/?#[]",
];

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[tokio::test]
async fn every_password_that_a_role_may_have_signs_in_and_a_wrong_one_is_told_as_wrong() {
    let db = with("SELECT").await;
    let (mut case, role) = as_role(&db).await;
    let long = ["x".repeat(1100), "\u{e9}".repeat(2100), format!("{}\n", "y".repeat(1100))];
    for password in PASSWORDS.into_iter().chain(long.iter().map(String::as_str)) {
        db.run(&format!("ALTER ROLE {} PASSWORD {}", role.0, literal(password))).await;
        let url = db.url_of(&role);
        let with = |password: &str| url.replacen(&role.1, &escaped(password), 1);
        case.secret("db", "url", &with(password));
        case.check().await.consistent();
        case.secret("db", "url", &with(&format!("{password}\u{3}")));
        let fault = barred(&db, &mut case).await;
        assert_eq!(fault.reason, R::DatabaseAuthenticationFailed, "{password:?}: {fault:?}");
        assert!(fault.message.contains("28P01"), "{fault:?}");
    }
}

#[tokio::test]
async fn passwords_sign_in_by_the_other_methods_too() {
    let db = with("SELECT").await;
    let server = Server::new(&db).await;
    server.run("CREATE ROLE clear LOGIN; CREATE ROLE hashed LOGIN").await;
    server
        .let_in(&[
            "host all postgres 127.0.0.1/32 trust",
            "host all clear 127.0.0.1/32 password",
            "host all hashed 127.0.0.1/32 md5",
        ])
        .await;
    let mut case = Case::with_database("{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}", USUAL);
    for password in PASSWORDS {
        for user in ["clear", "hashed"] {
            let change =
                format!("SET password_encryption = 'md5'; ALTER ROLE {user} PASSWORD {}", literal(password));
            server.run(&change).await;
            let url = server.url().replacen(
                "postgres:canary-of-nobody",
                &format!("{user}:{}", escaped(password)),
                1,
            );
            case.secret("db", "url", &url);
            // There is no user table, which is more than a stranger gets to hear.
            case.check().await.finding(R::UserTableMissing);
        }
    }
}

#[tokio::test]
async fn user_names_that_a_message_of_scram_cannot_hold_sign_in() {
    let db = with("SELECT").await;
    let (mut case, role) = as_role(&db).await;
    let mut before = role.0.clone();
    for name in ["clerk\n", "clerk,n=other", "\u{1}clerk=", "caf\u{e9}\u{ad}\u{1f512}"] {
        let name = format!("{name}{}", &role.0[role.0.len() - 8..]);
        db.run(&format!("ALTER ROLE \"{before}\" RENAME TO \"{name}\"")).await;
        before.clone_from(&name);
        let mut url = url::Url::parse(&db.url_of(&role)).unwrap();
        url.set_username(&name).unwrap();
        case.secret("db", "url", url.as_str());
        case.check().await.consistent();
    }
    db.run(&format!("ALTER ROLE \"{before}\" RENAME TO {0}; DROP OWNED BY {0}", role.0)).await;
}

#[tokio::test]
async fn what_no_message_of_the_protocol_can_hold_is_refused_with_its_field() {
    let db = with("SELECT").await;
    let url = url::Url::parse(&db.url()).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let parts = |name: &str| {
        format!(
            "{{host: {host}, port: {port}, name: \"{name}\", usernameSecretRef: {{name: db, key: user}}, passwordSecretRef: {{name: db, key: password}}, tls: {{mode: Require}}}}"
        )
    };
    let (user, password) = (url.username(), url.password().unwrap());
    for (name, user, password, field) in [
        ("shop", "postgres\0options\0-cwork_mem=64", password, "spec.database.usernameSecretRef"),
        ("shop", user, "canary-half\0canary-rest", "spec.database.passwordSecretRef"),
        ("shop\\0options", user, password, "spec.database.name"),
    ] {
        let mut case = Case::with_database(&parts(name), USUAL);
        case.secret("db", "user", user).secret("db", "password", password);
        let pass = case.check().await;
        assert!(pass.conditions().contains(&"Ready=False SpecInvalid".into()), "{:?}", pass.conditions());
        let errors = case.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].message.contains(field) && errors[0].message.contains("NUL byte"), "{errors:?}");
        assert!(!errors[0].message.contains("canary"), "{errors:?}");
    }
    // No text at all.
    for (key, bytes) in [("user", &b"postgr\xe9s"[..]), ("password", b"canary-\xff-rest")] {
        let mut case = Case::with_database(&parts("shop"), USUAL);
        case.secret("db", "user", user).secret("db", "password", password);
        let reference = auth_consistency::api::shared::SecretKeyRef { name: "db".into(), key: key.into() };
        case.secrets.insert(reference, Ok(secrecy::SecretBox::new(Box::new(bytes.to_vec()))));
        let errors = case.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let field = if key == "user" { "usernameSecretRef" } else { "passwordSecretRef" };
        assert!(errors[0].message.contains(field) && errors[0].message.contains("not UTF-8"), "{errors:?}");
    }
}

const PARTS: &str = "usernameSecretRef: {name: db, key: user}, passwordSecretRef: {name: db, key: password}";

#[tokio::test]
async fn what_is_odd_about_a_secret_is_told_beside_the_sign_in_that_fails_with_it() {
    let db = with("SELECT").await;
    let role = db.role(READS).await;
    let url = url::Url::parse(&db.url_of(&role)).unwrap();
    let (host, port, name) = (url.host_str().unwrap(), url.port().unwrap(), &db.name);
    let parts = format!("{{host: {host}, port: {port}, name: {name}, {PARTS}, tls: {{mode: Require}}}}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &role.1);
    for (user, password, says) in [
        (role.0.clone(), format!("\"{}\"", role.1), "passwordSecretRef stands in quotes"),
        (
            role.0.clone(),
            "${DB_PASSWORD}".into(),
            "passwordSecretRef is a variable or template that nobody filled in",
        ),
        (role.0.clone(), encoded.clone(), "passwordSecretRef is base64 of a text"),
        (format!("\u{feff}{}", role.0), role.1.clone(), "usernameSecretRef begins with a byte order mark"),
        (
            role.0.clone(),
            format!("{}\n\n", role.1),
            "passwordSecretRef ends with a line break, which is taken for a part",
        ),
        (format!(" {}", role.0), role.1.clone(), "usernameSecretRef begins or ends with white space"),
        (format!("'{}'", role.0), role.1.clone(), "usernameSecretRef stands in quotes"),
    ] {
        let mut case = Case::with_database(&parts, USUAL);
        case.secret("db", "user", &user).secret("db", "password", &password);
        let fault = barred(&db, &mut case).await;
        assert_eq!(fault.reason, R::DatabaseAuthenticationFailed, "{fault:?}");
        let says = format!("correct user name and password in the Secret; the value of spec.database.{says}");
        assert!(fault.message.contains(&says), "{fault:?}");
        assert!(!fault.message.contains(&role.0), "{fault:?}");
    }
    // In a connection string: of its parts.
    let mut case = Case::new(&db, USUAL);
    for (with, says) in [
        (
            url.as_str().replacen(&role.1, &format!("%22{}%22", role.1), 1),
            "the password in spec.database.urlSecretRef stands in quotes",
        ),
        (
            url.as_str().replacen(&role.0, "$DB_USER", 1),
            "the user name in spec.database.urlSecretRef is a variable",
        ),
    ] {
        case.secret("db", "url", &with);
        let fault = barred(&db, &mut case).await;
        assert!(fault.message.contains(says), "{fault:?}");
    }
    // A pooler has its own words for the same.
    let pooled = url::Url::parse(&db.pooled_url()).unwrap();
    let right = pooled.password().unwrap();
    let quoted = pooled.as_str().replacen(right, &format!("%22{right}%22"), 1);
    let plain = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
    let mut through = Case::with_database(plain, USUAL);
    through.secret("db", "url", &quoted);
    let fault = barred(&db, &mut through).await;
    assert_eq!(fault.reason, R::DatabaseAuthenticationFailed, "{fault:?}");
    for says in [
        "the pooler refuses the password, or knows no such user",
        "the password in spec.database.urlSecretRef stands in quotes",
    ] {
        assert!(fault.message.contains(says), "{fault:?}");
    }
    // And as a whole, where it is none.
    for (with, says) in [
        (format!("\"{url}\""), "(it stands in quotes, which are taken for a part of it)"),
        ("${DATABASE_URL}".into(), "(it is a variable or template that nobody filled in)"),
        (format!("DATABASE_URL={url}"), "(it is a whole line NAME=value, with the name in it)"),
        (format!("\u{feff}{url}"), "(it begins with a byte order mark, which is taken for a part of it)"),
        (
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, url.as_str()),
            "(it is base64 of a text, as a Secret's data has when it was encoded once too often)",
        ),
    ] {
        case.secret("db", "url", &with);
        let errors = case.errors();
        assert_eq!((errors.len(), errors[0].reason), (1, R::DatabaseUrlInvalid), "{errors:?}");
        assert!(errors[0].message.ends_with(says), "{errors:?}");
        assert!(!errors[0].message.contains(&role.1), "{errors:?}");
    }
    // A password that is wrong and nothing else has nothing odd about it.
    case.secret("db", "url", &url.as_str().replacen(&role.1, "canary-of-another", 1));
    let fault = barred(&db, &mut case).await;
    assert!(fault.message.ends_with("correct user name and password in the Secret"), "{fault:?}");
}

#[tokio::test]
async fn what_works_only_since_a_line_break_is_left_off_is_warned_of_until_it_is_gone() {
    let db = with("SELECT").await;
    let role = db.role(READS).await;
    let url = url::Url::parse(&db.url_of(&role)).unwrap();
    let (host, port, name) = (url.host_str().unwrap(), url.port().unwrap(), &db.name);
    let parts = format!("{{host: {host}, port: {port}, name: {name}, {PARTS}, tls: {{mode: Require}}}}");
    let mut by_parts = Case::with_database(&parts, USUAL);
    let mut by_url = Case::new(&db, USUAL);
    for (user, password, says) in [
        (
            format!("{}\n", role.0),
            role.1.clone(),
            "usernameSecretRef ends with a line break or white space, which is left off here",
        ),
        (role.0.clone(), format!("{}\r\n", role.1), "passwordSecretRef ends with a line break"),
        (format!("{}\n", role.0), format!("{}\n", role.1), "(1 value beside)"),
    ] {
        by_parts.secret("db", "user", &user).secret("db", "password", &password);
        let pass = by_parts.check().await;
        pass.found(&[(R::DatabaseSecretSuspicious, C::DatabaseReachable, None)]);
        let told = pass.finding(R::DatabaseSecretSuspicious);
        assert_eq!(told.severity, auth_consistency::api::report::Severity::Warning);
        assert!(told.message.contains(says), "{told:?}");
        assert_eq!(pass.conditions()[0], "Ready=True Consistent");
    }
    // A role whose own password ends so is told why it is not let in.
    db.run(&format!("ALTER ROLE {} PASSWORD {}", role.0, literal(&format!("{}\n", role.1)))).await;
    let fault = barred(&db, &mut by_parts).await;
    let says = "usernameSecretRef ends with a line break or white space, which is left off here";
    assert!(fault.message.contains(says), "{fault:?}");
    assert!(
        fault.message.contains("; the same holds for the value of spec.database.passwordSecretRef"),
        "{fault:?}"
    );
    by_url.secret("db", "url", &url.as_str().replacen(&role.1, &format!("{}%0A", role.1), 1));
    by_url.check().await.consistent();
    db.run(&format!("ALTER ROLE {} PASSWORD {}", role.0, literal(&role.1))).await;
    by_url.secret("db", "url", &format!("{url}\n"));
    let told = by_url.check().await.finding(R::DatabaseSecretSuspicious).message;
    assert!(told.starts_with("the value of spec.database.urlSecretRef ends with a line break"), "{told}");
    by_url.secret("db", "url", url.as_str());
    by_url.check().await.consistent();
    by_parts.secret("db", "user", &role.0).secret("db", "password", &role.1);
    by_parts.check().await.consistent();
}
