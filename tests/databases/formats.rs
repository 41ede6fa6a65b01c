//! Which format a password is written in beside others, and what counts as compared with the Secret's.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::{PasswordFamily as F, PasswordHash, PasswordPolicy},
    },
    passwords::{self, Cost, Format, Stored},
};
use secrecy::ExposeSecret;

use crate::support::{Case, Db, PASSWORD, USUAL};

const RESET: (A, &str, i64) = (A::Reset, "users.hashed_password", 1);
const SEED: (A, &str, i64) = (A::Seed, "users", 1);
const MISSING: (R, C, Option<R>) = (R::AdminMissing, C::AdminConsistent, Some(R::PasswordHashUnclear));
const FOREIGN: (R, C, Option<R>) = (R::PasswordHashForeign, C::AdminConsistent, None);
const UNCLEAR: (R, C, Option<R>) = (R::PasswordHashUnclear, C::AdminConsistent, None);
const REFUSED: (R, C, Option<R>) = (R::PasswordHashUnclear, C::AdminConsistent, Some(R::PasswordHashUnclear));

/// A format with parameters that are quick to compute.
pub(crate) fn cheap(family: F) -> Format {
    let default = Format::default_of(family);
    let cost = match default.cost {
        Cost::Power(_) if family == F::Phpass => Cost::Power(7),
        Cost::Power(_) => Cost::Power(4),
        Cost::Rounds(_) if family != F::GrafanaPbkdf2 => Cost::Rounds(1_000),
        Cost::Argon2 { .. } => Cost::Argon2 { memory: 19_456, passes: 2, lanes: 1 },
        cost => cost,
    };
    Format { cost, ..default }
}

fn bcrypt(prefix: &'static str) -> Format {
    Format { prefix, ..cheap(F::Bcrypt) }
}

/// A stored password of that format.
pub(crate) fn made(format: &Format, password: &str) -> String {
    let made = passwords::make(format, &password.to_owned().into()).unwrap();
    made.hash.expose_secret().to_owned()
}

/// So many accounts with a password of their own.
pub(crate) fn people(format: &Format, accounts: usize) -> Vec<String> {
    vec![made(format, "somebody's own"); accounts]
}

/// A table whose password column has this type, with the admin's row where it has one, and those of others.
pub(crate) async fn table(column: &str, admin: Option<&str>, others: &[Vec<String>]) -> Db {
    let mut sql = format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password {column}, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);"
    );
    if let Some(hash) = admin {
        sql.push_str(&format!(
            "INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{hash}', 'admin');"
        ));
    }
    for (at, hash) in others.iter().flatten().enumerate() {
        sql.push_str(&format!(
            "INSERT INTO users (email, hashed_password) VALUES ('person{at}@example.com', '{hash}');"
        ));
    }
    Db::new(&sql).await
}

/// With more in `users`.
pub(crate) fn usual(db: &Db, of: &str) -> Case {
    Case::new(db, &USUAL.replace("{preset: FastAPI}", &format!("{{preset: FastAPI{of}}}")))
}

pub(crate) fn always(db: &Db, of: &str) -> Case {
    let mut case = usual(db, of);
    case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
    case
}

/// Without a preset, whose format would decide where nothing else does.
fn presetless(yaml: &str) -> String {
    yaml.replace(
        "{preset: FastAPI}",
        "{table: users, idColumn: id, loginColumn: email, passwordColumn: hashed_password, activeWhen: []}",
    )
}

pub(crate) async fn stored(db: &Db) -> String {
    db.text("SELECT hashed_password FROM users WHERE email = 'admin@example.com'").await
}

/// The stored password is the Secret's, in this family.
async fn holds(db: &Db, family: F) {
    let hash = stored(db).await;
    let stored = Stored::from(hash.as_str());
    assert_eq!(passwords::verify_as(&stored, family, &PASSWORD.to_owned().into()), Ok(true));
}

async fn asked(case: &mut Case, db: &Db, family: F) {
    case.requests.reset = Some("monday".into());
    let pass = case.repair().await;
    pass.repaired(&[RESET]);
    holds(db, family).await;
}

#[tokio::test]
async fn accounts_of_the_spec_in_two_formats_do_not_rewrite_one_another() {
    let exporter = made(&cheap(F::DjangoPbkdf2Sha256), "the exporter's own");
    let db = table("text", Some(&made(&bcrypt("$2b$"), PASSWORD)), &[vec![exporter]]).await;
    let accounts = "accounts: [{login: person0@example.com, passwordPolicy: Always, \
                    passwordSecretRef: {name: exporter, key: password}}]\n";
    for yaml in [USUAL.to_owned(), presetless(USUAL)] {
        let mut case = Case::new(&db, &format!("{yaml}{accounts}"));
        case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
        case.secret("exporter", "password", "the exporter's own");
        let before = db.fingerprint().await;
        case.check().await.consistent();
        case.repair().await.consistent().repaired(&[]);
        assert_eq!(db.fingerprint().await, before);
        // Another password is written as each has it, and that is the end of it.
        case.secret("exporter", "password", "a newer one");
        case.repair().await.consistent().repaired(&[RESET]);
        case.settled(&db).await;
        let exporter = db.text("SELECT hashed_password FROM users WHERE email = 'person0@example.com'").await;
        assert!(exporter.starts_with("pbkdf2_sha256$"), "as its own was");
        db.run(&format!(
            "UPDATE users SET hashed_password = '{}' WHERE email = 'person0@example.com'",
            made(&cheap(F::DjangoPbkdf2Sha256), "the exporter's own")
        ))
        .await;
        db.run("DROP SCHEMA auth_consistency CASCADE").await;
    }
}

#[tokio::test]
async fn one_other_account_says_nothing_against_a_format_and_naming_either_is_the_way_out() {
    let mine = made(&bcrypt("$2b$"), PASSWORD);
    let exporter = people(&cheap(F::DjangoPbkdf2Sha256), 1);
    let db = table("text", Some(&mine), &[exporter]).await;
    let mut case = always(&db, "");
    let pass = case.reports(&db, &[FOREIGN]).await;
    assert_eq!(pass.conditions()[0], "Ready=True Consistent", "a warning");
    let message = pass.finding(R::PasswordHashForeign).message;
    assert!(
        message.contains("(1 looked at) the only one is Django PBKDF2-SHA256 (1,000 rounds): so few decide nothing, so sign in once, and set spec.users.passwordHash to Bcrypt if the app takes it, to DjangoPbkdf2Sha256 if not"),
        "{message}"
    );
    assert_eq!(stored(&db).await, mine);
    // The app takes it.
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::Bcrypt));
    case.repair().await.consistent().repaired(&[]);
    // It does not: the right password is replaced by a reset alone.
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::DjangoPbkdf2Sha256));
    let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(message.contains("reset it by"), "{message}");
    assert_eq!(stored(&db).await, mine);
    asked(&mut case, &db, F::DjangoPbkdf2Sha256).await;
    case.settled(&db).await;
}

#[tokio::test]
async fn a_few_others_do_not_turn_a_password_that_differs_into_their_format() {
    let mine = made(&bcrypt("$2y$"), "the old one");
    let db = table("text", Some(&mine), &[people(&cheap(F::Phpass), 2)]).await;
    let mut case = always(&db, "");
    let pass = case.repair().await;
    pass.repaired(&[RESET]);
    holds(&db, F::Bcrypt).await;
    assert!(stored(&db).await.starts_with("$2y$10$"));
    // An empty one has nothing of its own, and how few the others are is said.
    db.run("UPDATE users SET hashed_password = '' WHERE role = 'admin'").await;
    let report = case.check().await.report.unwrap().passwords.unwrap();
    assert_eq!((report.sampled, report.writes.as_deref()), (2, Some("phpass ($P$, cost 13)")));
    assert!(report.why.ends_with("as 2 of 2 other accounts have it"), "{}", report.why);
}

#[tokio::test]
async fn the_right_password_in_a_foreign_format_is_told_and_only_a_reset_replaces_it() {
    let mine = made(&bcrypt("$2b$"), PASSWORD);
    let db = table("text", Some(&mine), &[people(&cheap(F::Argon2id), 5)]).await;
    let mut case = always(&db, "");
    let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(
        message.contains("(5 looked at) all are argon2id") && message.contains("reset it by"),
        "{message}"
    );
    assert_eq!(stored(&db).await, mine);
    asked(&mut case, &db, F::Argon2id).await;
    case.settled(&db).await;
    // What is not the Secret's is still replaced in the format that the others have.
    db.run(&format!(
        "UPDATE users SET hashed_password = '{}' WHERE role = 'admin'",
        made(&bcrypt("$2b$"), "x")
    ))
    .await;
    case.requests.reset = None;
    case.repair().await.consistent().repaired(&[RESET]);
    holds(&db, F::Argon2id).await;
}

#[tokio::test]
async fn a_prefix_and_a_family_that_others_have_too_are_kept_though_more_have_another() {
    for (mine, others, family, begins) in [
        (bcrypt("$2y$"), [people(&bcrypt("$2a$"), 6), people(&bcrypt("$2y$"), 3)], F::Bcrypt, "$2y$10$"),
        (bcrypt("$2b$"), [people(&cheap(F::Phpass), 5), people(&bcrypt("$2b$"), 1)], F::Bcrypt, "$2b$10$"),
        (
            cheap(F::Argon2id),
            [people(&bcrypt("$2b$"), 3), people(&cheap(F::Argon2id), 3)],
            F::Argon2id,
            "$argon2id$",
        ),
    ] {
        let db = table("text", Some(&made(&mine, "the old one")), &others).await;
        let mut case = always(&db, "");
        case.check().await.found(&[(R::AdminPasswordDiffers, C::AdminConsistent, None)]);
        case.repair().await.consistent().repaired(&[RESET]);
        holds(&db, family).await;
        assert!(stored(&db).await.starts_with(begins), "{begins}");
        asked(&mut case, &db, family).await;
        assert!(stored(&db).await.starts_with(begins), "{begins}");
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn what_looks_like_several_formats_is_not_written_as_what_more_of_the_others_have() {
    let node = made(&cheap(F::BetterAuthScrypt), "the old one");
    let others = [people(&bcrypt("$2b$"), 5), people(&cheap(F::BetterAuthScrypt), 2)];
    let db = table("text", Some(&node), &others).await;
    let mut case = always(&db, "");
    let message = case.reports(&db, &[REFUSED]).await.finding(R::PasswordHashUnclear).message;
    assert!(message.contains("was not compared with the Secret's"), "{message}");
    case.requests.reset = Some("monday".into());
    case.reports(&db, &[REFUSED]).await;
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::BetterAuthScrypt));
    asked(&mut case, &db, F::BetterAuthScrypt).await;
}

#[tokio::test]
async fn a_tie_is_decided_by_the_preset_or_by_a_person() {
    let halves = [people(&bcrypt("$2b$"), 2), people(&cheap(F::Argon2id), 2)];
    let db = table("text", None, &halves).await;
    Case::new(&db, USUAL).repair().await.consistent().repaired(&[SEED]);
    holds(&db, F::Bcrypt).await;
    db.run("DELETE FROM users WHERE role = 'admin'; DROP SCHEMA auth_consistency CASCADE").await;
    Case::new(&db, &presetless(USUAL)).reports(&db, &[MISSING]).await;
    // Not every reader of bcrypt reads every prefix.
    let prefixes = [people(&bcrypt("$2a$"), 2), people(&bcrypt("$2y$"), 2)];
    let db = table("text", None, &prefixes).await;
    let mut case = Case::new(&db, USUAL);
    let message = case.reports(&db, &[MISSING]).await.finding(R::AdminMissing).message;
    assert!(message.ends_with("set spec.users.passwordHash to Bcrypt2a or Bcrypt2y"), "{message}");
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::Bcrypt2y));
    case.repair().await.consistent().repaired(&[SEED]);
    assert!(stored(&db).await.starts_with("$2y$10$"));
}

#[tokio::test]
async fn an_empty_table_gets_the_prefix_of_bcrypt_that_is_named() {
    for (named, begins) in [
        (PasswordHash::Bcrypt2y, "$2y$12$"),
        (PasswordHash::Bcrypt2a, "$2a$12$"),
        (PasswordHash::Bcrypt, "$2b$12$"),
    ] {
        let db = table("text", None, &[]).await;
        let mut case = Case::new(&db, &presetless(USUAL));
        case.edit(|spec| spec.users.password_hash = Some(named));
        case.repair().await.consistent().repaired(&[SEED]);
        assert!(stored(&db).await.starts_with(begins), "{begins}");
        holds(&db, F::Bcrypt).await;
        case.settled(&db).await;
    }
    // What is there with another prefix is told, and a reset ends it.
    let db = table("text", Some(&made(&bcrypt("$2b$"), PASSWORD)), &[]).await;
    let mut case = always(&db, ", passwordHash: Bcrypt2y");
    let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(message.contains("spec.users.passwordHash says Bcrypt2y"), "{message}");
    asked(&mut case, &db, F::Bcrypt).await;
    assert!(stored(&db).await.starts_with("$2y$12$"));
    case.settled(&db).await;
}

#[tokio::test]
async fn a_filled_salt_that_the_format_does_not_have_keeps_a_password_from_being_called_another_and_from_being_written()
 {
    let bcrypt = bcrypt("$2b$");
    for named in [", saltColumn: salt", ""] {
        let mine = made(&bcrypt, "mixed with a salt");
        let db = table("text", Some(&mine), &[people(&bcrypt, 5)]).await;
        db.run("ALTER TABLE users ADD salt text; UPDATE users SET salt = 's' || id").await;
        let mut case = always(&db, named);
        let message = case.reports(&db, &[REFUSED]).await.finding(R::PasswordHashUnclear).message;
        assert!(
            message.contains("was not compared with the Secret's") && message.contains("column \"salt\""),
            "{message}"
        );
        let admin = case.check().await.outcome().admin.clone().unwrap();
        assert_eq!(admin.password_matches, None);
        assert!(admin.password_uncompared.unwrap().contains("column \"salt\""));
        case.requests.reset = Some("monday".into());
        case.reports(&db, &[REFUSED]).await;
        case.requests.reset = None;
        // Nor is a new account made beside them.
        db.run("DELETE FROM users WHERE role = 'admin'").await;
        let message = case.reports(&db, &[MISSING]).await.finding(R::AdminMissing).message;
        assert!(message.contains("column \"salt\" is filled beside all 5 other accounts"), "{message}");
        // Salts that some have from before are no obstacle to a new one, and one of its own is.
        db.run("UPDATE users SET salt = NULL WHERE email <> 'person0@example.com'").await;
        case.repair().await.consistent().repaired(&[SEED]);
        db.run(&format!("UPDATE users SET salt = 'left', hashed_password = '{mine}' WHERE role = 'admin'"))
            .await;
        case.reports(&db, &[REFUSED]).await;
        db.run("UPDATE users SET salt = NULL WHERE role = 'admin'").await;
        case.repair().await.consistent();
        holds(&db, F::Bcrypt).await;
    }
}

#[tokio::test]
async fn a_column_beside_the_password_that_says_how_it_is_read_is_named_before_it_says_something_false() {
    let others = people(&bcrypt("$2y$"), 6);
    let db = table("text", Some("852095f91efdc70ac4db57991b02531c"), &[others]).await;
    db.run("ALTER TABLE users ADD password_algo char(10); UPDATE users SET password_algo = 'md5' WHERE role = 'admin'")
        .await;
    let mut case = usual(&db, "");
    let refused = (R::PasswordHashForeign, C::AdminConsistent, Some(R::PasswordHashUnclear));
    let message = case.reports(&db, &[FOREIGN]).await.finding(R::PasswordHashForeign).message;
    assert!(
        message.contains(
            "column \"password_algo\" of its row holds another value than with the 6 other accounts"
        ) && !message.contains("md5")
            && !message.contains("reset it by"),
        "{message}"
    );
    case.requests.reset = Some("monday".into());
    case.reports(&db, &[refused]).await;
    // As they have it.
    db.run("UPDATE users SET password_algo = NULL WHERE role = 'admin'").await;
    asked(&mut case, &db, F::Bcrypt).await;
    case.settled(&db).await;
    // Filled beside all others, and a new row gets nothing there.
    db.run("DELETE FROM users WHERE role = 'admin'; UPDATE users SET password_algo = 'bcrypt'").await;
    let mut case = usual(&db, "");
    let message = case.reports(&db, &[MISSING]).await.finding(R::AdminMissing).message;
    assert!(message.contains("column \"password_algo\""), "{message}");
    db.run("ALTER TABLE users ALTER password_algo SET DEFAULT 'bcrypt'").await;
    case.repair().await.consistent().repaired(&[SEED]);
}

#[tokio::test]
async fn what_a_column_of_fixed_length_adds_is_read_as_a_client_reads_it() {
    let bcrypt = bcrypt("$2b$");
    let db = table("char(200)", Some(&made(&bcrypt, PASSWORD)), &[people(&bcrypt, 4)]).await;
    let mut case = usual(&db, "");
    case.compare_password = true;
    let pass = case.reports(&db, &[FOREIGN]).await;
    assert_eq!(pass.conditions()[0], "Ready=True Consistent", "a warning: an app may take the blanks off");
    let message = pass.finding(R::PasswordHashForeign).message;
    let alter = "ALTER TABLE public.users ALTER COLUMN hashed_password TYPE varchar(255)";
    assert!(
        message.contains("with white space around it")
            && message.contains("column \"hashed_password\" is character(200)")
            && message.contains(alter),
        "{message}"
    );
    assert_eq!(pass.outcome().admin.clone().unwrap().password_matches, None);
    case.requests.reset = Some("monday".into());
    let refused = (R::PasswordHashForeign, C::AdminConsistent, Some(R::RepairUnsupported));
    case.reports(&db, &[refused]).await;
    case.requests.reset = None;
    db.run(alter).await;
    let pass = case.check().await;
    pass.consistent();
    assert_eq!(pass.outcome().admin.clone().unwrap().password_matches, Some(true));
    // Of the very length nothing is added.
    db.run("ALTER TABLE public.users ALTER COLUMN hashed_password TYPE char(60)").await;
    assert_eq!(case.check().await.outcome().admin.clone().unwrap().password_matches, Some(true));
    asked(&mut case, &db, F::Bcrypt).await;
}

#[tokio::test]
async fn a_column_of_bytes_is_read_and_written_as_the_text_in_it() {
    let bcrypt = bcrypt("$2b$");
    let db = table("bytea", Some(&made(&bcrypt, PASSWORD)), &[people(&bcrypt, 4)]).await;
    let mut case = always(&db, "");
    let pass = case.repair().await;
    pass.consistent().repaired(&[]);
    assert_eq!(pass.outcome().admin.clone().unwrap().password_matches, Some(true));
    case.secret("admin", "password", "another one");
    case.repair().await.consistent().repaired(&[RESET]);
    case.settled(&db).await;
    let hash = db.text("SELECT convert_from(hashed_password, 'UTF8') FROM users WHERE role = 'admin'").await;
    assert_eq!(passwords::verify(&hash.as_str().into(), &"another one".to_owned().into()), Ok(true));
    // Bytes that are no text are not taken for a text that was stored wrongly.
    db.run("UPDATE users SET hashed_password = decode(md5(id::text) || 'ff00', 'hex')").await;
    let mut case = usual(&db, "");
    case.compare_password = true;
    let why = case.check().await.outcome().admin.clone().unwrap().password_uncompared.unwrap();
    assert!(!why.contains("text column"), "{why}");
}

/// `salt:key` as every tutorial of Node has it, with PBKDF2: the digits of nobody's scrypt.
fn by_hand(accounts: usize) -> Vec<String> {
    (0..accounts).map(|at| format!("{:032x}:{}", at + 1, format!("{:02x}", at + 16).repeat(64))).collect()
}

#[tokio::test]
async fn what_the_text_does_not_tell_was_not_compared_and_a_named_family_is_not_believed_until_somebody_asks()
{
    let mine = by_hand(6).pop().unwrap();
    let db = table("text", Some(&mine), &[by_hand(5)]).await;
    let mut case = usual(&db, "");
    case.compare_password = true;
    let admin = case.check().await.outcome().admin.clone().unwrap();
    assert_eq!((admin.password_matches, admin.password_hash), (None, None));
    let why = admin.password_uncompared.unwrap();
    assert!(why.contains("the text does not tell the format") && why.contains("PBKDF2"), "{why}");
    let mut case = always(&db, ", passwordHash: NodeScrypt");
    let message = case.reports(&db, &[UNCLEAR]).await.finding(R::PasswordHashUnclear).message;
    assert!(message.contains("was not compared with the Secret's"), "{message}");
    assert_eq!(stored(&db).await, mine);
    // A person asks, and is told what nobody knows.
    case.requests.reset = Some("monday".into());
    let pass = case.repair().await;
    pass.repaired(&[RESET]);
    let done = &pass.outcome().repaired[0].message;
    assert!(
        done.ends_with("read back and verified; that the app reads it shows when somebody signs in"),
        "{done}"
    );
    holds(&db, F::NodeScrypt).await;
    let admin = case.check().await.outcome().admin.clone().unwrap();
    assert_eq!((admin.password_matches, admin.password_hash), (Some(true), Some(F::NodeScrypt)));
    case.settled(&db).await;
}

#[tokio::test]
async fn one_account_whose_password_is_known_proves_the_family_of_those_that_look_like_it() {
    let node = cheap(F::NodeScrypt);
    let db = table("text", Some(&made(&node, PASSWORD)), &[people(&node, 4)]).await;
    let accounts = "accounts: [{login: person0@example.com, passwordPolicy: Always, \
                    passwordSecretRef: {name: exporter, key: password}}]\n";
    let yaml = USUAL.replace("FastAPI", "FastAPI, passwordHash: NodeScrypt");
    let mut case = Case::new(&db, &format!("{yaml}{accounts}"));
    case.secret("exporter", "password", "the exporter's new one");
    // The admin's is not compared under OnSeed.
    case.reports(&db, &[UNCLEAR]).await;
    case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::Always);
    case.check().await.found(&[(R::AdminPasswordDiffers, C::AdminConsistent, None)]);
    case.repair().await.consistent().repaired(&[RESET]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_column_that_cuts_hashes_off_is_named_and_once_it_is_wide_the_format_that_is_named_is_made() {
    let whole = made(&Format::default_of(F::WerkzeugScrypt), PASSWORD);
    let cut = whole[..128].to_owned();
    for admin in [Some(cut.as_str()), None] {
        let db = table("varchar(128)", admin, &[vec![cut.clone(); 3]]).await;
        let mut case = Case::new(&db, &presetless(USUAL));
        let reason = if admin.is_some() { R::PasswordHashForeign } else { R::AdminMissing };
        let before = db.fingerprint().await;
        let message = case.repair().await.finding(reason).message;
        let widen = "ALTER TABLE public.users ALTER COLUMN hashed_password TYPE character varying(255)";
        let (_, rest) = message.split_once("widen it by `").unwrap_or_else(|| panic!("{message}"));
        let (printed, rest) = rest.split_once('`').unwrap();
        assert_eq!(printed, widen, "{message}");
        assert!(rest.contains("set spec.users.passwordHash to WerkzeugScrypt"), "{message}");
        assert_eq!(db.fingerprint().await, before);
        // What is named before the column is wide does not go past it.
        case.edit(|spec| spec.users.password_hash = Some(PasswordHash::WerkzeugScrypt));
        case.requests.reset = admin.map(|_| "early".into());
        case.repair().await.repaired(&[]);
        db.run(printed).await;
        let pass = case.check().await;
        case.requests.reset = admin.map(|_| "monday".into());
        case.repair().await.repaired(&[if admin.is_some() { RESET } else { SEED }]);
        holds(&db, F::WerkzeugScrypt).await;
        let of = pass.report.as_ref().unwrap().passwords.clone().unwrap();
        assert!(
            of.why.ends_with("as the spec names it: no other account has a whole one to go by"),
            "{}",
            of.why
        );
    }
}

#[tokio::test]
async fn a_prefix_that_the_spec_does_not_name_is_told_however_many_have_it_and_the_right_password_stays() {
    let others = [people(&bcrypt("$2a$"), 5), people(&bcrypt("$2y$"), 3)];
    let mine = made(&bcrypt("$2a$"), PASSWORD);
    let db = table("text", Some(&mine), &others).await;
    let mut case = always(&db, ", passwordHash: Bcrypt2y");
    let pass = case.reports(&db, &[FOREIGN]).await;
    assert_eq!(pass.conditions()[0], "Ready=True Consistent", "a warning");
    let message = pass.finding(R::PasswordHashForeign).message;
    assert!(
        message
            .contains("bcrypt ($2a$, cost 4), and spec.users.passwordHash names $2y$, and of the passwords"),
        "{message}"
    );
    // A prefix that is named on purpose makes no work by itself.
    assert!(
        message.contains(": it is the Secret's password under either, and both are the same calculation, so nothing needs doing unless the app refuses $2a$; only then reset it by ")
            && !message.contains("sign in once"),
        "{message}"
    );
    assert_eq!(stored(&db).await, mine);
    asked(&mut case, &db, F::Bcrypt).await;
    assert!(stored(&db).await.starts_with("$2y$"));
    case.repair().await.found(&[]).consistent();
    // For all accounts that have it, as is printed: the same hashes under the other prefix.
    case.requests.reset = None;
    db.run(&format!("UPDATE users SET hashed_password = '{mine}' WHERE email = 'admin@example.com'")).await;
    let all = "SELECT substr(hashed_password, 5) FROM users ORDER BY id";
    let before = db.texts(all).await;
    let message = case.check().await.finding(R::PasswordHashForeign).message;
    let statement = message.split('`').find(|one| one.starts_with("UPDATE ")).unwrap();
    db.run(statement).await;
    assert_eq!(db.texts(all).await, before);
    assert_eq!(db.texts("SELECT DISTINCT left(hashed_password, 4) FROM users").await, ["$2y$"]);
    let hash = stored(&db).await;
    assert_eq!(passwords::verify(&Stored::from(hash.as_str()), &PASSWORD.to_owned().into()), Ok(true));
    case.repair().await.found(&[]).consistent().repaired(&[]);
}
