//! bcrypt and argon2id, made and read by both sides.

use auth_consistency::{
    api::spec::PasswordFamily,
    passwords::{Format, PasswordError, make, recognise, verify},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::ask;

/// Passwords that programs have been seen to treat differently: by encoding, by length, by white space.
fn passwords() -> Vec<String> {
    vec![
        "a".into(),
        "correct horse 4711".into(),
        " spaces around \t".into(),
        "$2b$12$quote'\"\\backslash\r\nline".into(),
        "pässwörd łódź".into(),
        // The same letter, composed and decomposed: nobody may normalise one into the other.
        "caf\u{e9}".into(),
        "cafe\u{301}".into(),
        "密码🔑\u{200d}\u{feff}".into(),
        "7".repeat(72),
        "é".repeat(36),
    ]
}

/// Passwords beside a right one.
fn wrong(password: &str) -> Vec<String> {
    let mut last = password.to_owned();
    last.pop();
    vec![format!("{last}~"), format!("x{last}")]
}

fn kind(format: PasswordFamily) -> &'static str {
    match format {
        PasswordFamily::Bcrypt => "bcrypt",
        PasswordFamily::Argon2id | PasswordFamily::Argon2i => "argon2",
        other => panic!("{other:?} is held against its libraries in passwords.rs"),
    }
}

fn theirs_verify(format: PasswordFamily, hash: &str, password: &str) -> Result<(), String> {
    ask(&json!({"kind": kind(format), "hash": hash, "password": password})).map(|_| ())
}

fn theirs_make(format: PasswordFamily, password: &str) -> String {
    let kind = format!("hash-{}", kind(format));
    let made = ask(&json!({"kind": kind, "password": password})).unwrap();
    made["hash"].as_str().unwrap().to_owned()
}

fn ours_verify(hash: &str, password: &str) -> bool {
    verify(&hash.into(), &SecretString::from(password)).unwrap()
}

/// Both sides accept the password and refuse those beside it.
fn both_agree(format: PasswordFamily, hash: &str, password: &str) {
    assert_eq!(recognise(&hash.into()).map(|format| format.family), Some(format));
    assert!(ours_verify(hash, password), "we refuse {password:?}");
    assert_eq!(theirs_verify(format, hash, password), Ok(()), "they refuse {password:?}");
    for wrong in wrong(password) {
        assert!(!ours_verify(hash, &wrong), "we accept {wrong:?} for {password:?}");
        let theirs = theirs_verify(format, hash, &wrong);
        assert_eq!(theirs, Err("VerifyMismatchError".into()), "they accept {wrong:?} for {password:?}");
    }
}

fn ours_make(format: &Format, password: &str) -> String {
    make(format, &SecretString::from(password)).unwrap().hash.expose_secret().to_owned()
}

fn format_of(hash: &str) -> Format {
    recognise(&hash.into()).unwrap()
}

#[test]
fn our_bcrypt_hashes_verify_in_the_apps_library_and_theirs_verify_here() {
    for password in passwords() {
        let theirs = theirs_make(PasswordFamily::Bcrypt, &password);
        both_agree(PasswordFamily::Bcrypt, &theirs, &password);
        let ours = ours_make(&format_of(&theirs), &password);
        assert_ne!(ours, theirs);
        both_agree(PasswordFamily::Bcrypt, &ours, &password);
    }
}

#[test]
fn our_argon2id_hashes_verify_in_the_apps_library_and_theirs_verify_here() {
    // Each costs 64 MiB and a good part of a second, so that the encodings must do.
    for password in passwords().into_iter().filter(|password| !password.is_ascii()) {
        let theirs = theirs_make(PasswordFamily::Argon2id, &password);
        both_agree(PasswordFamily::Argon2id, &theirs, &password);
        let ours = ours_make(&format_of(&theirs), &password);
        assert_ne!(ours, theirs);
        both_agree(PasswordFamily::Argon2id, &ours, &password);
    }
}

#[test]
fn a_hash_made_without_an_example_verifies_in_the_apps_library() {
    for format in [PasswordFamily::Bcrypt, PasswordFamily::Argon2id] {
        let password = "correct horse 4711";
        let made = ours_make(&Format::default_of(format), password);
        assert_eq!(theirs_verify(format, &made, password), Ok(()));
        assert!(theirs_verify(format, &made, "correct horse 4712").is_err());
    }
}

#[test]
fn every_bcrypt_prefix_that_we_write_is_read_by_the_apps_library() {
    let password = "pässwörd 4711";
    let theirs = theirs_make(PasswordFamily::Bcrypt, password);
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let made = ours_make(&Format { prefix, ..format_of(&theirs) }, password);
        assert!(made.starts_with(prefix));
        both_agree(PasswordFamily::Bcrypt, &made, password);
    }
}

#[test]
fn a_password_of_73_bytes_is_refused_by_both_for_bcrypt_and_taken_by_both_for_argon2id() {
    let long = "7".repeat(73);
    let theirs = theirs_make(PasswordFamily::Bcrypt, &long[..72]);
    let refused = verify(&theirs.as_str().into(), &SecretString::from(long.as_str()));
    assert_eq!(
        refused,
        Err(PasswordError::TooLong { bytes: 73, family: "bcrypt", most: 72 }),
        "the 73rd byte would not count"
    );
    assert!(theirs_verify(PasswordFamily::Bcrypt, &theirs, &long).is_err());
    assert!(ask(&json!({"kind": "hash-bcrypt", "password": long})).is_err());
    assert!(make(&Format::default_of(PasswordFamily::Bcrypt), &SecretString::from(long.as_str())).is_err());
    both_agree(PasswordFamily::Argon2id, &theirs_make(PasswordFamily::Argon2id, &long), &long);
}

#[test]
fn a_hash_that_was_cut_off_or_changed_is_accepted_by_neither() {
    let password = "correct horse 4711";
    for format in [PasswordFamily::Bcrypt, PasswordFamily::Argon2id] {
        let hash = theirs_make(format, password);
        let at = hash.len() - 10;
        let other = if hash.as_bytes()[at] == b'k' { "m" } else { "k" };
        let changed = format!("{}{other}{}", &hash[..at], &hash[at + 1..]);
        for damaged in [&hash[..hash.len() - 1], &hash[..20], &hash[1..], &changed, ""] {
            let ours = verify(&damaged.into(), &SecretString::from(password));
            assert_ne!(ours, Ok(true), "we accept {damaged:?}");
            assert!(theirs_verify(format, damaged, password).is_err(), "they accept {damaged:?}");
        }
    }
}
