//! Every family of stored passwords whose library runs here, made and read by both sides.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::Command,
    sync::{LazyLock, Mutex},
};

use auth_consistency::{
    api::password::PasswordFamily::{self, *},
    passwords::{Format, Made, check, make, matching, recognise, recognise_as, verify, verify_as},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Libraries, answered, node, python};

/// Where a library runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Python,
    Node,
    Php,
}

fn ask(side: Side, question: &Value) -> Result<Value, String> {
    static PYTHON: LazyLock<Mutex<Libraries>> = LazyLock::new(|| Libraries::start(python("passwords.py")));
    static NODE: LazyLock<Mutex<Libraries>> = LazyLock::new(|| Libraries::start(node("passwords.cjs")));
    static PHP: LazyLock<Mutex<Libraries>> = LazyLock::new(|| {
        let mut php = Command::new("php");
        php.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/app/passwords.php"));
        Libraries::start(php)
    });
    let libraries = match side {
        Side::Python => &PYTHON,
        Side::Node => &NODE,
        Side::Php => &PHP,
    };
    answered(libraries, question)
}

/// Formats by library, as the programs beside the app name them, and the family that each is.
const FORMATS: &[(Side, &str, PasswordFamily)] = &[
    (Side::Python, "bcrypt 2b", Bcrypt),
    (Side::Python, "bcrypt 2a", Bcrypt),
    (Side::Python, "argon2-cffi argon2id", Argon2id),
    (Side::Python, "argon2-cffi argon2i", Argon2i),
    (Side::Python, "pwdlib argon2id", Argon2id),
    (Side::Python, "pwdlib bcrypt", Bcrypt),
    (Side::Python, "django pbkdf2_sha256", DjangoPbkdf2Sha256),
    (Side::Python, "django pbkdf2_sha1", DjangoPbkdf2Sha1),
    (Side::Python, "django scrypt", DjangoScrypt),
    (Side::Python, "django argon2", DjangoArgon2),
    (Side::Python, "django bcrypt_sha256", DjangoBcryptSha256),
    (Side::Python, "django bcrypt", DjangoBcrypt),
    (Side::Python, "werkzeug scrypt", WerkzeugScrypt),
    (Side::Python, "werkzeug pbkdf2:sha256", WerkzeugPbkdf2),
    (Side::Python, "werkzeug pbkdf2:sha1", WerkzeugPbkdf2),
    (Side::Python, "werkzeug pbkdf2:sha512", WerkzeugPbkdf2),
    (Side::Python, "passlib pbkdf2_sha1", PasslibPbkdf2Sha1),
    (Side::Python, "passlib pbkdf2_sha256", PasslibPbkdf2Sha256),
    (Side::Python, "passlib pbkdf2_sha512", PasslibPbkdf2Sha512),
    (Side::Python, "passlib bcrypt_sha256", PasslibBcryptSha256),
    (Side::Python, "passlib bcrypt_sha256 v1", PasslibBcryptSha256),
    (Side::Python, "passlib sha256_crypt", Sha256Crypt),
    (Side::Python, "passlib sha512_crypt", Sha512Crypt),
    (Side::Python, "passlib phpass", Phpass),
    (Side::Python, "passlib phpass H", Phpass),
    (Side::Node, "bcryptjs 2b", Bcrypt),
    (Side::Node, "better-auth", BetterAuthScrypt),
    (Side::Node, "lucia", BetterAuthScrypt),
    (Side::Node, "scrypt-kdf", MedusaScrypt),
    (Side::Node, "node salt:key", NodeScrypt),
    (Side::Node, "node key.salt", NodeScrypt),
    (Side::Php, "php bcrypt", Bcrypt),
    (Side::Php, "php argon2id", Argon2id),
    (Side::Php, "php argon2i", Argon2i),
    (Side::Php, "php sha256", Sha256Crypt),
    (Side::Php, "php sha512", Sha512Crypt),
];

/// Families whose app or library does not run here: vectors that it published, or that it made, hold them, beside
/// the sources.
const BY_VECTORS: &[PasswordFamily] = &[
    SpringBcrypt,
    SpringArgon2,
    SpringPbkdf2,
    SpringScrypt,
    AspNetIdentityV3,
    AspNetIdentityV2,
    WordPressBcrypt,
    GiteaPbkdf2,
    GiteaArgon2,
    GiteaScrypt,
    GrafanaPbkdf2,
    MattermostPbkdf2,
];

/// Passwords that programs have been seen to treat differently: by encoding, by length, by white space.
fn passwords() -> Vec<String> {
    vec![
        "a".into(),
        " spaces around \t".into(),
        "$2b$12$quote'\"\\backslash\r\nline".into(),
        "caf\u{e9}".into(),
        "cafe\u{301} ﬁ ①".into(),
        "密码🔑\u{200d}\u{feff}".into(),
        "é".repeat(36),
        // Longer than a block of any hash function, and than bcrypt reads.
        "0123456789é".repeat(15),
    ]
}

/// Passwords beside a right one.
fn wrong(password: &str) -> Vec<String> {
    let mut last = password.to_owned();
    last.pop();
    vec![format!("{last}~"), format!("x{last}")]
}

fn secret(password: &str) -> SecretString {
    password.into()
}

fn theirs_make(side: Side, format: &str, password: &str) -> String {
    let made = ask(side, &json!({"make": format, "password": password}));
    made.unwrap_or_else(|error| panic!("{format}: {error}"))["hash"].as_str().unwrap().to_owned()
}

fn theirs_check(side: Side, format: &str, hash: &str, password: &str) -> Result<bool, String> {
    ask(side, &json!({"check": format, "hash": hash, "password": password}))
        .map(|answer| answer["right"].as_bool().unwrap())
}

/// Both sides accept the password and refuse those beside it.
fn both_agree(side: Side, name: &str, family: PasswordFamily, hash: &str, password: &str) {
    assert_eq!(theirs_check(side, name, hash, password), Ok(true), "{name} refuses {password:?}");
    assert_eq!(verify(&hash.into(), &secret(password)), Ok(true), "{name}: we refuse {password:?}");
    let format = matching(&hash.into(), &secret(password)).unwrap().unwrap();
    assert_eq!(format.family, family, "{name}");
    for wrong in wrong(password) {
        assert_eq!(
            theirs_check(side, name, hash, &wrong),
            Ok(false),
            "{name} accepts {wrong:?} for {password:?}"
        );
        assert_eq!(
            verify(&hash.into(), &secret(&wrong)),
            Ok(false),
            "{name}: we accept {wrong:?} for {password:?}"
        );
    }
}

fn hash(made: &Made) -> &str {
    assert!(made.salt.is_none() && made.algorithm.is_none());
    made.hash.expose_secret()
}

#[test]
fn what_each_library_makes_verifies_here_and_what_is_made_here_verifies_there() {
    for (side, name, family) in FORMATS {
        // Those whose cost nothing tells cannot be made cheap: the encodings must do.
        let dear = !Format::default_of(*family).is_told();
        for password in passwords().into_iter().filter(|password| !dear || !password.is_ascii()) {
            if check(*family, &secret(&password)).is_err() {
                assert!(password.len() > 72, "{name}");
                continue;
            }
            let theirs = theirs_make(*side, name, &password);
            let format =
                recognise_as(&theirs.as_str().into(), *family).unwrap_or_else(|| panic!("{name}: {theirs}"));
            both_agree(*side, name, *family, &theirs, &password);
            let made = make(&format, &secret(&password)).unwrap();
            assert_ne!(hash(&made), theirs, "{name}");
            assert_eq!(hash(&made).len(), theirs.len(), "{name}: a column is as long as its library needs");
            both_agree(*side, name, *family, hash(&made), &password);
        }
    }
}

#[test]
fn what_is_made_with_the_defaults_verifies_in_each_library() {
    // The first library of each family: the defaults are dear.
    let mut tried = BTreeSet::new();
    for (side, name, family) in FORMATS {
        if tried.insert(*family) {
            let made = make(&Format::default_of(*family), &secret("correct horse 4711")).unwrap();
            assert_eq!(theirs_check(*side, name, hash(&made), "correct horse 4711"), Ok(true), "{name}");
            assert_eq!(theirs_check(*side, name, hash(&made), "correct horse 4712"), Ok(false), "{name}");
        }
    }
}

#[test]
fn every_family_is_held_against_its_library_or_by_its_vectors() {
    let held: BTreeSet<_> = FORMATS.iter().map(|(.., family)| family).chain(BY_VECTORS).copied().collect();
    assert_eq!(held, PasswordFamily::ALL.iter().copied().collect());
    let docs = include_str!("../../docs/passwords.md");
    for family in &held {
        assert!(docs.contains(&format!("\n| {family:?} | ")), "{family:?} has no row in docs/passwords.md");
    }
    assert!(FORMATS.len() >= 20);
    let libraries: BTreeSet<_> = FORMATS.iter().map(|(_, name, _)| name.split(' ').next()).collect();
    assert!(libraries.len() >= 8, "{libraries:?}");
}

#[test]
fn what_was_cut_off_or_changed_is_accepted_by_neither() {
    let password = "correct horse 4711";
    for (side, name, _) in FORMATS {
        let theirs = theirs_make(*side, name, password);
        let at = theirs.len() - 10;
        let other = if theirs.as_bytes()[at] == b'b' { "c" } else { "b" };
        let changed = format!("{}{other}{}", &theirs[..at], &theirs[at + 1..]);
        let cut = &theirs[..theirs.len() - 4];
        for damaged in [cut, &theirs[..20], &theirs[1..], &changed, &format!("{theirs}4711"), ""] {
            assert_ne!(verify(&damaged.into(), &secret(password)), Ok(true), "{name}: we accept {damaged:?}");
            let right = theirs_check(*side, name, damaged, password);
            assert_ne!(right, Ok(true), "{name} accepts {damaged:?}");
        }
    }
}

#[test]
fn a_letter_and_its_parts_are_one_password_for_better_auth_and_two_for_all_others() {
    for (side, name, family) in FORMATS {
        let theirs = theirs_make(*side, name, "caf\u{e9}");
        let normalised = *family == BetterAuthScrypt;
        let decomposed = "cafe\u{301}";
        assert_eq!(theirs_check(*side, name, &theirs, decomposed), Ok(normalised), "{name}");
        let ours = verify_as(&theirs.as_str().into(), *family, &secret(decomposed));
        assert_eq!(ours, Ok(normalised), "{name}");
    }
}

#[test]
fn two_that_look_alike_are_told_apart_by_the_right_password_only() {
    for name in ["node salt:key", "better-auth"] {
        let theirs = theirs_make(Side::Node, name, "correct horse 4711");
        let stored = theirs.as_str().into();
        assert_eq!(
            recognise(&stored).map(|format| (format.family, format.is_told())),
            Some((BetterAuthScrypt, false))
        );
        assert!(recognise_as(&stored, NodeScrypt).is_some());
        assert_eq!(matching(&stored, &secret("correct horse 4712")), Ok(None));
    }
}
