//! Stored passwords that are whole under a wrong tag, or as bytes in a column of text: told as what they are, and what is
//! printed mends them and nothing else.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::PasswordFamily as F,
    },
    passwords::{self, Stored},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::{
    formats::{always, cheap, made, people, stored, table, usual},
    support::{Db, PASSWORD},
};

const FOREIGN: (R, C, Option<R>) = (R::PasswordHashForeign, C::AdminConsistent, None);
const OTHERS: &str =
    "SELECT coalesce(hashed_password, 'NULL') FROM users WHERE email <> 'admin@example.com' ORDER BY id";

async fn is_right(db: &Db) -> bool {
    let hash = stored(db).await;
    passwords::verify(&Stored::from(hash.as_str()), &PASSWORD.to_owned().into()) == Ok(true)
}

/// The statement in backquotes that a message prints.
fn statement(message: &str) -> String {
    let sql = message.split('`').nth(1).unwrap_or_else(|| panic!("{message} prints none"));
    assert!(sql.starts_with("UPDATE "), "{message}");
    sql.to_owned()
}

#[tokio::test]
async fn the_right_password_under_a_wrong_tag_is_a_persons_and_what_is_printed_mends_it_alone() {
    for (family, right, wrong) in [
        (F::DjangoBcrypt, "bcrypt$", "bcrypt_sha256$"),
        (F::DjangoBcryptSha256, "bcrypt_sha256$", "bcrypt$"),
        (F::DjangoBcryptSha256, "bcrypt_sha256$", ""),
        (F::WordPressBcrypt, "$wp", ""),
    ] {
        let mine = made(&cheap(family), PASSWORD).replacen(right, wrong, 1);
        let db = table("text", Some(&mine), &[people(&cheap(family), 3)]).await;
        let mut case = always(&db, "");
        let (before, others) = (db.fingerprint().await, db.texts(OTHERS).await);
        let pass = case.reports(&db, &[FOREIGN]).await;
        pass.repaired(&[]);
        let message = pass.finding(R::PasswordHashForeign).message;
        assert!(message.contains("is the Secret's password under the wrong tag: "), "{message}");
        assert!(message.contains(&format!("the tag is {right:?} and not ")), "{message}");
        assert_eq!(message.contains("BCryptPasswordHasher in PASSWORD_HASHERS"), right == "bcrypt$");
        let admin = pass.report.as_ref().unwrap().admin.clone().unwrap();
        assert_eq!((admin.password_matches, admin.password_uncompared), (Some(true), None));
        assert_eq!(db.fingerprint().await, before, "nothing is written");
        db.run(&statement(&message)).await;
        assert!(is_right(&db).await, "{right} in place of {wrong}");
        assert_eq!(db.texts(OTHERS).await, others);
        case.repair().await.consistent().repaired(&[]);
        // A reset that somebody asks for is done as ever.
        db.run(&format!("UPDATE users SET hashed_password = '{mine}' WHERE email = 'admin@example.com'"))
            .await;
        case.requests.reset = Some("monday".into());
        case.repair().await.repaired(&[(A::Reset, "users.hashed_password", 1)]);
        assert!(is_right(&db).await);
    }
}

#[tokio::test]
async fn another_password_under_a_wrong_tag_is_not_called_the_right_one() {
    let mine = made(&cheap(F::DjangoBcrypt), "somebody's own").replacen("bcrypt$", "bcrypt_sha256$", 1);
    let db = table("text", Some(&mine), &[people(&cheap(F::DjangoBcryptSha256), 3)]).await;
    let mut case = usual(&db, "");
    case.compare_password = true;
    let pass = case.check().await;
    pass.found(&[]);
    let admin = pass.report.as_ref().unwrap().admin.clone().unwrap();
    assert_eq!(admin.password_matches, Some(false));
}

#[tokio::test]
async fn a_salt_that_came_from_django_as_it_stood_is_told_and_what_is_printed_makes_base64_of_it() {
    let (salt, mut digest) = ("eWZncb8EO0lM", [0; 32]);
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(PASSWORD.as_bytes(), salt.as_bytes(), 1_000, &mut digest);
    let digest = STANDARD_NO_PAD.encode(digest).replace('+', ".");
    let mine = format!("$pbkdf2-sha256$1000${salt}${digest}");
    let db = table("text", Some(&mine), &[people(&cheap(F::PasslibPbkdf2Sha256), 3)]).await;
    let mut case = always(&db, "");
    let others = db.texts(OTHERS).await;
    let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(message.contains("with its salt in the wrong form"), "{message}");
    db.run(&statement(&message)).await;
    assert!(is_right(&db).await);
    assert_eq!(db.texts(OTHERS).await, others);
    case.repair().await.consistent().repaired(&[]);
}

/// Rows of accounts that are not active: they look nearly so, and are left alone.
const NEARLY: &str = r"INSERT INTO users (is_active, email, hashed_password) SELECT false, * FROM (VALUES
    ('a@example.com', 'b''not a hash of any kind'''), ('b@example.com', '\x2432zz'), ('c@example.com', ''), ('d@example.com', NULL),
    ('e@example.com', 'b''$2b$12$ blank'''), ('f@example.com', '\x24326224ff'), ('g@example.com', 'x24326224')) v";

#[tokio::test]
async fn bytes_in_a_column_of_text_are_unpacked_by_what_is_printed_and_rows_in_another_form_stay() {
    let bcrypt = made(&cheap(F::Bcrypt), PASSWORD);
    let argon = made(&cheap(F::Argon2id), PASSWORD);
    let hex: String = bcrypt.bytes().map(|byte| format!("{byte:02x}")).collect();
    let printed = r#"'b''' || hashed_password || ''''"#;
    for (column, plain, wrapped, sql) in [
        ("text", &bcrypt, format!("b'{bcrypt}'"), printed),
        ("varchar(255)", &bcrypt, format!("b\"{bcrypt}\""), r#"'b"' || hashed_password || '"'"#),
        ("text", &argon, format!("b'{argon}'"), printed),
        // As digits of the text itself, and as what a cast of bytea to text gives.
        (
            "text",
            &bcrypt,
            format!("\\x{}", hex.to_uppercase()),
            r"'\x' || upper(encode(hashed_password::bytea, 'hex'))",
        ),
        ("text", &bcrypt, format!("\\x{hex}"), "convert_to(hashed_password, 'UTF8')::text"),
    ] {
        let family = if plain.starts_with("$2") { F::Bcrypt } else { F::Argon2id };
        let others = vec![made(&cheap(family), "somebody's own"), made(&cheap(family), "another one's")];
        let db = table(column, Some(plain), std::slice::from_ref(&others)).await;
        db.run(&format!("UPDATE users SET hashed_password = {sql}")).await;
        assert_eq!(stored(&db).await, wrapped);
        db.run(NEARLY).await;
        let nearly = "SELECT coalesce(hashed_password, 'NULL') FROM users WHERE email !~ '^(admin|person)' ORDER BY id";
        let left = db.texts(nearly).await;
        let mut case = usual(&db, "");
        case.compare_password = true;
        let message = case.check().await.finding(R::PasswordHashForeign).message;
        assert!(message.contains("as 2 of 2 other accounts have it"), "{message}");
        db.run(&statement(&message)).await;
        assert_eq!(stored(&db).await, *plain, "{message}");
        assert!(is_right(&db).await);
        let whole =
            db.texts("SELECT hashed_password FROM users WHERE email LIKE 'person%' ORDER BY id").await;
        assert_eq!(whole, others, "{message}");
        assert_eq!(db.texts(nearly).await, left, "{message}");
        case.check().await.found(&[]);
    }
}

#[tokio::test]
async fn bytes_that_an_app_stored_before_it_was_mended_are_unpacked_beside_those_that_read() {
    let plain = made(&cheap(F::Bcrypt), PASSWORD);
    let quoted = format!("b''{plain}''");
    let db = table("text", Some(&quoted), &[people(&cheap(F::Bcrypt), 3)]).await;
    db.run(
        "INSERT INTO users (email, hashed_password) SELECT 'old' || n || '@example.com', 'b''' || hashed_password || '''' \
         FROM users, generate_series(1, 2) n WHERE email = 'person0@example.com'",
    )
    .await;
    let mut case = usual(&db, "");
    case.compare_password = true;
    let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(message.contains("as 2 of 5 other accounts have it"), "{message}");
    assert!(message.contains("; or, for this account alone: reset it by "), "{message}");
    db.run(&statement(&message)).await;
    assert!(is_right(&db).await);
    assert_eq!(db.text("SELECT count(*)::text FROM users WHERE hashed_password ~ '^[$]2b[$]'").await, "6");
    case.check().await.consistent();
}
