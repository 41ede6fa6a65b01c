//! Passwords are written only in a format that the app reads, which its other accounts say.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::{PasswordFamily, PasswordHash, PasswordPolicy},
    },
    passwords::{self, Cost, Format, Stored},
};
use secrecy::ExposeSecret;

use crate::support::{Case, Db, PASSWORD, USUAL};

const RESET: (A, &str, i64) = (A::Reset, "users.hashed_password", 1);
const SEED: (A, &str, i64) = (A::Seed, "users", 1);
const CONTRADICTED: (R, C, Option<R>) = (R::PasswordHashContradicted, C::AdminConsistent, None);

/// Prefixes that the formats of these tests have in common, with parameters that are quick to compute.
fn cheap(family: PasswordFamily, prefix: &'static str) -> Format {
    let default = Format::default_of(family);
    let cost = match default.cost {
        Cost::Power(power) => Cost::Power(power.min(10)),
        Cost::Argon2 { .. } => Cost::Argon2 { memory: 19_456, passes: 2, lanes: 1 },
        cost => cost,
    };
    Format { cost, prefix: if prefix.is_empty() { default.prefix } else { prefix }, ..default }
}

/// A stored password of that format, as an SQL literal.
fn made(format: &Format, password: &str) -> String {
    let made = passwords::make(format, &password.to_owned().into()).unwrap();
    made.hash.expose_secret().replace('\'', "''")
}

/// Ten people with the stored passwords, in turn; the admin's row where it has one.
async fn database(people: &[String], admin: Option<&str>) -> Db {
    let mut sql = "CREATE TABLE users (id serial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, \
                   hashed_password varchar(255), role varchar NOT NULL DEFAULT 'user', \
                   is_active boolean NOT NULL DEFAULT true);"
        .to_owned();
    if let Some(hash) = admin {
        sql.push_str(&format!(
            "INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{hash}', 'admin');"
        ));
    }
    for (at, hash) in people.iter().cycle().take(if people.is_empty() { 0 } else { 10 }).enumerate() {
        sql.push_str(&format!(
            "INSERT INTO users (email, hashed_password) VALUES ('person{at}@example.com', '{hash}');"
        ));
    }
    Db::new(&sql).await
}

fn always(db: &Db, users: &str) -> Case {
    Case::new(
        db,
        &USUAL
            .replace("{preset: FastAPI}", &format!("{{preset: FastAPI{users}}}"))
            .replace("  columns:", "  passwordPolicy: Always\n  columns:"),
    )
}

async fn stored(db: &Db) -> String {
    db.text("SELECT hashed_password FROM users WHERE email = 'admin@example.com'").await
}

/// The stored password is the Secret's, in this format.
async fn holds(db: &Db, format: &Format) {
    let hash = stored(db).await;
    let hash = Stored::from(hash.as_str());
    assert_eq!(passwords::recognise(&hash).as_ref(), Some(format));
    assert_eq!(passwords::verify(&hash, &PASSWORD.to_owned().into()), Ok(true));
}

/// Formats of several libraries that hold all in one column and whose text tells which they are.
fn formats() -> Vec<Format> {
    use PasswordFamily as F;
    let families = [
        F::Bcrypt,
        F::Argon2id,
        F::Argon2i,
        F::DjangoPbkdf2Sha256,
        F::DjangoScrypt,
        F::WerkzeugScrypt,
        F::PasslibPbkdf2Sha512,
        F::SpringBcrypt,
        F::AspNetIdentityV3,
        F::WordPressBcrypt,
    ];
    families.map(|family| cheap(family, "").for_new()).into()
}

/// Whether a new hash in it takes no second without optimisation.
fn quick(format: &Format) -> bool {
    !matches!(format.cost, Cost::Rounds(rounds) if rounds > 300_000)
}

#[tokio::test]
async fn an_account_is_seeded_in_the_family_prefix_and_parameters_that_the_others_have() {
    let mut of: Vec<Format> = formats().into_iter().filter(quick).collect();
    of.push(cheap(PasswordFamily::Bcrypt, "$2y$"));
    of.push(cheap(PasswordFamily::Bcrypt, "$2a$"));
    assert!(of.len() >= 4);
    for format in of {
        let db = database(&[made(&format, "somebody's own")], None).await;
        let mut case = Case::new(&db, USUAL);
        let pass = case.repair().await;
        pass.consistent().repaired(&[SEED]);
        holds(&db, &format).await;
        let done = &pass.outcome().repaired[0].message;
        assert!(done.ends_with(&format!("its password as {format}, read back and verified")), "{done}");
        let told = pass.report.as_ref().unwrap().passwords.clone().unwrap();
        assert_eq!((told.sampled, told.writes.as_deref()), (10, Some(format.to_string().as_str())));
        assert_eq!(
            told.formats.iter().map(|one| (one.family, one.percent)).collect::<Vec<_>>(),
            [(Some(format.family), 100)]
        );
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn history_says_in_which_format_a_password_was_written_and_of_other_repairs_none() {
    let format = cheap(PasswordFamily::Bcrypt, "$2y$").for_new();
    let db = database(&[made(&format, "somebody's own")], None).await;
    let mut case = Case::new(&db, USUAL);
    case.repair().await.consistent().repaired(&[SEED]);
    db.run("UPDATE users SET role = 'user' WHERE email = 'admin@example.com'").await;
    case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
    case.requests.reset = Some("now".into());
    let pass = case.repair().await;
    pass.consistent().repaired(&[RESET]);
    let history: Vec<_> = pass.status.history.iter().map(|one| (one.action, one.object.as_str())).collect();
    let written = format!("users with its password as {format}");
    assert_eq!(history, [(A::Reset, written.as_str()), (A::Correct, "users"), (A::Seed, &written)]);
}

#[tokio::test]
async fn the_right_password_is_never_replaced_whatever_format_the_others_and_it_have() {
    for format in formats() {
        // Nothing is made beside it, so that few rounds do.
        let cost = if let Cost::Rounds(_) = format.cost { Cost::Rounds(30_000) } else { format.cost };
        let format = Format { cost, ..format };
        let mine = made(&format, PASSWORD);
        let db = database(&[made(&format, "somebody's own")], Some(&mine)).await;
        let mut case = always(&db, "");
        case.repair().await.consistent().repaired(&[]);
        case.settled(&db).await;
        assert_eq!(stored(&db).await, mine);
    }
}

#[tokio::test]
async fn a_password_that_differs_is_replaced_in_the_others_format_and_a_reset_is() {
    for format in formats().into_iter().filter(quick).take(5) {
        let db = database(&[made(&format, "somebody's own")], Some(&made(&format, "the old one"))).await;
        let mut case = always(&db, "");
        let differs = (R::AdminPasswordDiffers, C::AdminConsistent, None);
        case.check().await.found(&[differs]);
        let pass = case.repair().await;
        pass.consistent().repaired(&[RESET]);
        assert!(pass.outcome().repaired[0].message.ends_with("read back and verified"));
        holds(&db, &format).await;
        let before = stored(&db).await;
        case.requests.reset = Some("monday".into());
        case.repair().await.consistent().repaired(&[RESET]);
        assert_ne!(stored(&db).await, before);
        holds(&db, &format).await;
    }
}

#[tokio::test]
async fn a_format_that_the_others_contradict_writes_nothing_and_its_way_out_works() {
    let format = cheap(PasswordFamily::Argon2id, "");
    let db = database(&[made(&format, "somebody's own")], Some(&made(&format, PASSWORD))).await;
    let mut case = always(&db, ", passwordHash: Bcrypt");
    let message = case.reports(&db, &[CONTRADICTED]).await.finding(R::PasswordHashContradicted).message;
    assert!(
        message.starts_with("spec.users.passwordHash says Bcrypt, and of the passwords of the other active accounts (10 looked at) all are argon2id")
            && message.ends_with("set it to AsStored, or to Argon2id, which the app reads"),
        "{message}"
    );
    // Neither a reset, nor another password in the Secret, nor a missing account changes that.
    case.requests.reset = Some("monday".into());
    let asked = (R::AdminDrifted, C::AdminConsistent, Some(R::PasswordHashContradicted));
    case.reports(&db, &[CONTRADICTED, asked]).await;
    case.requests.reset = None;
    case.secret("admin", "password", "another canary");
    let differs = (R::AdminPasswordDiffers, C::AdminConsistent, Some(R::PasswordHashContradicted));
    case.reports(&db, &[differs, CONTRADICTED]).await;
    case.secret("admin", "password", PASSWORD);
    db.run("DELETE FROM users WHERE email = 'admin@example.com'").await;
    let missing = (R::AdminMissing, C::AdminConsistent, Some(R::PasswordHashContradicted));
    case.reports(&db, &[missing, CONTRADICTED]).await;
    for way in [PasswordHash::AsStored, PasswordHash::Argon2id] {
        case.edit(|spec| spec.users.password_hash = Some(way));
        case.repair().await.consistent().repaired(&[SEED]);
        holds(&db, &format).await;
        db.run("DELETE FROM users WHERE email = 'admin@example.com'").await;
    }
}

#[tokio::test]
async fn without_a_majority_nothing_is_written_and_naming_one_of_them_is_a_way_out() {
    let (bcrypt, argon2id) = (cheap(PasswordFamily::Bcrypt, ""), cheap(PasswordFamily::Argon2id, ""));
    let db = database(&[made(&bcrypt, "a"), made(&argon2id, "b")], None).await;
    // A preset would decide.
    let users = "{table: users, idColumn: id, loginColumn: email, passwordColumn: hashed_password, \
                 activeWhen: [{column: is_active, equals: 'true'}]}";
    let mut case = Case::new(&db, &USUAL.replace("{preset: FastAPI}", users));
    let unclear = (R::AdminMissing, C::AdminConsistent, Some(R::PasswordHashUnclear));
    let message = case.reports(&db, &[unclear]).await.finding(R::AdminMissing).message;
    assert!(message.contains("what the app reads cannot be told") && message.contains("5 are"), "{message}");
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::Argon2id));
    case.repair().await.consistent().repaired(&[SEED]);
    holds(&db, &argon2id).await;
}

#[tokio::test]
async fn a_format_that_is_not_known_is_named_as_what_it_is_and_no_reset_is_offered() {
    for (stored_as, told) in [
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "yescrypt"),
        ("{BLF-CRYPT}$2y$05$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "{BLF-CRYPT}"),
        ("sha256:64000:18:B6oWbvtHvu8qCgoE75wxmvpidRnGzGFt:R1gkPOuVjqIoTulWP1TABS0H", "defuse"),
    ] {
        let db = database(&[stored_as.to_owned()], Some(stored_as)).await;
        let mut case = always(&db, "");
        let unclear = (R::PasswordHashUnclear, C::AdminConsistent, Some(R::PasswordHashUnclear));
        let before = stored(&db).await;
        let message = case.reports(&db, &[unclear]).await.finding(R::PasswordHashUnclear).message;
        assert!(
            message.contains("was not compared with the Secret's") && message.contains(told),
            "{message}"
        );
        assert!(!message.contains("plain text") && !message.contains("reset"), "{message}");
        assert!(!message.contains("is not the Secret's"), "{message}");
        case.requests.reset = Some("monday".into());
        case.reports(&db, &[unclear]).await;
        assert_eq!(stored(&db).await, before);
        // Left alone it is no finding: the others have it too.
        case.requests.reset = None;
        case.edit(|spec| spec.admin.as_mut().unwrap().password_policy = PasswordPolicy::OnSeed);
        case.compare_password = true;
        let pass = case.check().await;
        pass.consistent();
        let admin = pass.outcome().admin.clone().unwrap();
        assert_eq!(admin.password_matches, None);
        assert!(admin.password_uncompared.unwrap().contains(told));
    }
}

#[tokio::test]
async fn a_hash_of_another_kind_than_the_others_is_told_with_what_they_have_and_mended_as_they_have_it() {
    let format = cheap(PasswordFamily::Argon2id, "");
    let damaged = "b''$2b$12$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i''";
    let bcrypt = made(&cheap(PasswordFamily::Bcrypt, ""), PASSWORD);
    for mine in [damaged, "", "letmein", &bcrypt] {
        let db = database(&[made(&format, "somebody's own")], Some(mine)).await;
        let mut case = Case::new(&db, USUAL);
        let foreign = (R::PasswordHashForeign, C::AdminConsistent, None);
        let message = case.reports(&db, &[foreign]).await.finding(R::PasswordHashForeign).message;
        assert!(
            message.contains("of the passwords of the other active accounts (10 looked at) all are argon2id"),
            "{message}"
        );
        assert!(!message.contains("plain text"), "one row says no such thing: {message}");
        case.requests.reset = Some("monday".into());
        case.repair().await.consistent().repaired(&[RESET]);
        holds(&db, &format).await;
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn accounts_that_are_not_active_or_stand_in_the_spec_do_not_say_what_the_app_reads() {
    let (bcrypt, argon2id) = (cheap(PasswordFamily::Bcrypt, ""), cheap(PasswordFamily::Argon2id, ""));
    let db = database(&[made(&bcrypt, "a")], None).await;
    db.run("UPDATE users SET is_active = false WHERE email <> 'person3@example.com' AND email <> 'person4@example.com'").await;
    db.run(&format!(
        "UPDATE users SET hashed_password = '{}' WHERE email = 'person3@example.com'",
        made(&argon2id, "b")
    ))
    .await;
    let kept = "accounts: [{login: person4@example.com, onMissing: Report}]\n";
    let mut case = Case::new(&db, &format!("{USUAL}{kept}"));
    case.repair().await.consistent().repaired(&[SEED]);
    holds(&db, &argon2id).await;
}

#[tokio::test]
async fn where_only_accounts_of_the_spec_have_passwords_those_beside_say_it() {
    let argon2id = cheap(PasswordFamily::Argon2id, "");
    let db = database(&[made(&argon2id, "a")], None).await;
    db.run("DELETE FROM users WHERE email <> 'person4@example.com'").await;
    let mut case =
        Case::new(&db, &format!("{USUAL}accounts: [{{login: person4@example.com, onMissing: Report}}]\n"));
    let pass = case.repair().await;
    pass.consistent().repaired(&[SEED]);
    holds(&db, &argon2id).await;
}

#[tokio::test]
async fn an_empty_table_gets_the_presets_format_and_says_so_and_without_a_preset_none() {
    let db = database(&[], None).await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.check().await;
    let told = pass.report.unwrap().passwords.unwrap();
    assert_eq!((told.sampled, told.formats.len()), (0, 0));
    assert_eq!(
        told.why,
        "bcrypt ($2b$, cost 12), the preset's, since no other account has a password to go by"
    );
    case.repair().await.consistent().repaired(&[SEED]);
    holds(&db, &Format::default_of(PasswordFamily::Bcrypt)).await;
    db.run("DELETE FROM users").await;
    let users = "users: {table: users, idColumn: id, loginColumn: email, passwordColumn: hashed_password}\n";
    let mut case = Case::new(
        &db,
        &format!("{users}{}", USUAL.split_once("\nadmin").map(|(_, rest)| format!("admin{rest}")).unwrap()),
    );
    let unclear = (R::AdminMissing, C::AdminConsistent, Some(R::PasswordHashUnclear));
    let message = case.reports(&db, &[unclear]).await.finding(R::AdminMissing).message;
    assert!(message.ends_with("set spec.users.passwordHash to the one that the app reads"), "{message}");
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::Bcrypt));
    case.repair().await.consistent().repaired(&[SEED]);
}

#[tokio::test]
async fn a_large_table_is_sampled_and_not_read() {
    let (bcrypt, argon2id) = (cheap(PasswordFamily::Bcrypt, ""), cheap(PasswordFamily::Argon2id, ""));
    let db = database(&[], None).await;
    // The newest thousand came over from elsewhere: a sample of the newest would say another thing.
    db.run(&format!(
        "INSERT INTO users (email, hashed_password) SELECT 'p' || i || '@example.com', \
         CASE WHEN i <= 59000 THEN '{}' ELSE '{}' END FROM generate_series(1, 60000) i",
        made(&argon2id, "a"),
        made(&bcrypt, "b")
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let told = case.check().await.report.unwrap().passwords.unwrap();
    assert_eq!((told.sampled, told.formats[0].family), (200, Some(PasswordFamily::Argon2id)));
    let again = case.check().await.report.unwrap().passwords.unwrap();
    assert_eq!(again, told, "the same accounts say the same again");
    // Few have a password at all: the whole table is asked before anything is said.
    db.run("UPDATE users SET hashed_password = NULL WHERE id <> 4711").await;
    let told = case.check().await.report.unwrap().passwords.unwrap();
    assert_eq!((told.sampled, told.formats[0].family), (1, Some(PasswordFamily::Argon2id)));
    case.repair().await.consistent().repaired(&[SEED]);
    holds(&db, &argon2id).await;
}

#[tokio::test]
async fn what_a_trigger_makes_of_a_written_password_is_read_back_and_not_kept() {
    let format = cheap(PasswordFamily::Bcrypt, "");
    let mine = made(&format, "the old one");
    let db = database(&[made(&format, "a")], Some(&mine)).await;
    db.run(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         NEW.hashed_password := 'hashed once more: ' || md5(NEW.hashed_password); RETURN NEW; END $$;
         CREATE TRIGGER meddle BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION meddle()",
    )
    .await;
    let mut case = Case::new(&db, USUAL);
    case.requests.reset = Some("monday".into());
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert!(pass.finding(R::RepairFailed).message.contains("what was read back is another one"));
    assert_eq!(stored(&db).await, mine);
    assert_eq!(db.text("SELECT count(*) FROM auth_consistency.audit WHERE action = 'Reset'").await, "0");
}

#[tokio::test]
async fn a_hash_that_asks_for_too_much_is_not_compared_and_not_replaced() {
    let format = cheap(PasswordFamily::Bcrypt, "");
    let dear = made(&format, PASSWORD).replacen("$10$", "$20$", 1);
    let db = database(&[made(&format, "a")], Some(&dear)).await;
    let mut case = always(&db, "");
    let unclear = (R::PasswordHashUnclear, C::AdminConsistent, None);
    let message = case.reports(&db, &[unclear]).await.finding(R::PasswordHashUnclear).message;
    assert!(
        message.contains("was not compared with the Secret's (the stored hash asks for a cost of 20"),
        "{message}"
    );
    assert_eq!(stored(&db).await, dear);
}

#[tokio::test]
async fn a_password_that_looks_otherwise_than_it_was_meant_is_told_before_it_is_written() {
    let format = cheap(PasswordFamily::Bcrypt, "");
    for (secret, told) in [
        ("'quoted canary'", "it stands in quotes"),
        (" blank canary", "it begins or ends with white space"),
        ("twice canary\n\n", "it ends with a line break"),
        ("${CANARY_PASSWORD}", "a variable or template that nobody filled in"),
    ] {
        let db = database(&[made(&format, "a")], None).await;
        let mut case = Case::new(&db, USUAL);
        case.secret("admin", "password", secret);
        let odd = (R::AdminPasswordSuspicious, C::AdminConsistent, None);
        let check = case.check().await;
        check.found(&[(R::AdminMissing, C::AdminConsistent, None), odd]);
        let message = check.finding(R::AdminPasswordSuspicious).message;
        assert!(
            message.starts_with("the password of spec.admin.passwordSecretRef is taken as it stands, and ")
                && message.contains(told),
            "{message}"
        );
        // A warning keeps nothing from being done, and Ready stays True.
        let pass = case.repair().await;
        pass.found(&[odd]).repaired(&[SEED]);
        assert_eq!(pass.conditions()[0], "Ready=True Consistent");
        case.settled(&db).await;
        // Who has set another one since is not bothered.
        let other = made(&format, "the app's own");
        db.run(&format!("UPDATE users SET hashed_password = '{other}' WHERE role = 'admin'")).await;
        case.compare_password = true;
        case.check().await.consistent();
    }
}

/// A Gitea's table: the salt and the algorithm's name stand beside the hash.
async fn gitea(format: &Format) -> Db {
    let mut sql =
        "CREATE TABLE \"user\" (id bigserial PRIMARY KEY, lower_name varchar(255) NOT NULL UNIQUE, \
                   passwd varchar(255) NOT NULL, salt varchar(64) NOT NULL, \
                   passwd_hash_algo varchar(255) NOT NULL, is_active boolean NOT NULL DEFAULT true);"
            .to_owned();
    for at in 0..5 {
        sql.push_str(&gitea_row(format, &format!("person{at}"), "somebody's own"));
    }
    Db::new(&sql).await
}

fn gitea_row(format: &Format, login: &str, password: &str) -> String {
    let made = passwords::make(format, &password.to_owned().into()).unwrap();
    format!(
        "INSERT INTO \"user\" (lower_name, passwd, salt, passwd_hash_algo) VALUES ('{login}', '{}', '{}', '{}');",
        made.hash.expose_secret(),
        made.salt.unwrap().expose_secret(),
        made.algorithm.unwrap()
    )
}

async fn gitea_holds(db: &Db, password: &str) -> bool {
    let of = |column: &str| format!("SELECT {column} FROM \"user\" WHERE lower_name = 'root'");
    let (hash, salt, algorithm) =
        (db.text(&of("passwd")).await, db.text(&of("salt")).await, db.text(&of("passwd_hash_algo")).await);
    let stored = Stored { hash: &hash, salt: Some(&salt), algorithm: Some(&algorithm) };
    passwords::verify(&stored, &password.to_owned().into()) == Ok(true)
}

#[tokio::test]
async fn a_salt_and_an_algorithm_beside_the_hash_are_read_written_copied_and_put_back_with_it() {
    let format = Format::default_of(PasswordFamily::GiteaPbkdf2);
    let db = gitea(&format).await;
    let yaml = "
users: {table: user, idColumn: id, loginColumn: lower_name, passwordColumn: passwd, saltColumn: salt,
  algorithmColumn: passwd_hash_algo, activeWhen: [{column: is_active, equals: 'true'}]}
admin: {login: root, passwordSecretRef: {name: admin, key: password}, passwordPolicy: Always}
";
    let mut case = Case::new(&db, yaml);
    let told = case.check().await.report.unwrap().passwords.unwrap();
    assert_eq!((told.sampled, told.formats[0].family), (5, Some(PasswordFamily::GiteaPbkdf2)));
    case.repair().await.consistent().repaired(&[(A::Seed, "user", 1)]);
    assert!(gitea_holds(&db, PASSWORD).await);
    case.settled(&db).await;
    // Another password of its own: all three are replaced together, and come back together.
    db.run("DELETE FROM \"user\" WHERE lower_name = 'root'").await;
    db.run(&gitea_row(&format, "root", "the old one")).await;
    let before = db.text("SELECT \"user\"::text FROM \"user\" WHERE lower_name = 'root'").await;
    case.repair().await.consistent().repaired(&[(A::Reset, "user (passwd, salt, passwd_hash_algo)", 1)]);
    assert!(gitea_holds(&db, PASSWORD).await);
    let after = db.text("SELECT \"user\"::text FROM \"user\" WHERE lower_name = 'root'").await;
    let changed = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let same: Vec<bool> = changed(&before).iter().zip(&changed(&after)).map(|(a, b)| a == b).collect();
    assert_eq!(
        same,
        [true, true, false, false, true, true],
        "hash and salt are new, the algorithm is the table's"
    );
    let run = db.text("SELECT max(run) FROM auth_consistency.audit WHERE action = 'Reset'").await;
    case.restore(&run).await.unwrap();
    assert_eq!(db.text("SELECT \"user\"::text FROM \"user\" WHERE lower_name = 'root'").await, before);
    assert!(gitea_holds(&db, "the old one").await);
}

#[tokio::test]
async fn a_hash_that_does_not_tell_its_family_is_not_written_until_the_spec_names_it() {
    let format = Format::default_of(PasswordFamily::BetterAuthScrypt);
    let db = database(&[made(&format, "somebody's own")], None).await;
    let mut case = Case::new(&db, USUAL);
    let unclear = (R::AdminMissing, C::AdminConsistent, Some(R::PasswordHashUnclear));
    let message = case.reports(&db, &[unclear]).await.finding(R::AdminMissing).message;
    assert!(message.contains("set spec.users.passwordHash to"), "{message}");
    case.edit(|spec| spec.users.password_hash = Some(PasswordHash::BetterAuthScrypt));
    case.repair().await.consistent().repaired(&[SEED]);
    let hash = stored(&db).await;
    let read = passwords::verify_as(
        &Stored::from(hash.as_str()),
        PasswordFamily::BetterAuthScrypt,
        &PASSWORD.to_owned().into(),
    );
    assert_eq!(read, Ok(true));
}

#[tokio::test]
async fn no_transaction_waits_until_it_is_a_hashs_turn() {
    let format = cheap(PasswordFamily::Bcrypt, "$2b$").for_new();
    for seeds in [true, false] {
        let mine = made(&format, "another");
        let db = database(&[made(&format, "somebody's own")], (!seeds).then_some(mine.as_str())).await;
        db.run(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
             CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION wait();
             SELECT pg_advisory_lock(4711)",
        )
        .await;
        let mut case = Case::new(&db, USUAL);
        case.requests.reset = (!seeds).then(|| "now".into());
        let others = async {
            // The transaction has begun, and somebody else's hash takes a while.
            let waits = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                         WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted AND objid = 4711";
            while db.text(waits).await != "1" {
                tokio::task::yield_now().await;
            }
            let (release, released) = std::sync::mpsc::channel::<()>();
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let hash = tokio::spawn(auth_consistency::hashing::compute(move || {
                begun.send(()).unwrap();
                released.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
            }));
            has_begun.await.unwrap();
            db.run("SELECT pg_advisory_unlock(4711)").await;
            // It is done while the other one still computes.
            let done = "SELECT count(*) FROM auth_consistency.audit WHERE action IN ('Seed', 'Reset')";
            let mut patience = 20_000;
            while db.text(done).await != "1" && patience > 0 {
                patience -= 1;
                tokio::task::yield_now().await;
            }
            let computes = !hash.is_finished();
            release.send(()).unwrap();
            assert!(hash.await.unwrap().is_some());
            (computes, patience > 0)
        };
        let (pass, outcome) = tokio::join!(case.repair(), others);
        assert_eq!(outcome, (true, true), "the transaction waited for the other's hash");
        pass.repaired(&[if seeds { SEED } else { RESET }]);
        holds(&db, &format).await;
    }
}
