use proptest::prelude::*;

use super::*;

/// "abc", from the vectors of jBCrypt.
const BCRYPT_ABC: &str = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
/// "password" with the salt "somesalt", from the vectors of phc-winner-argon2.
const ARGON2ID_PASSWORD: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

#[test]
fn published_bcrypt_vectors_verify_under_every_prefix() {
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let stored = BCRYPT_ABC.replacen("$2a$", prefix, 1);
        assert_eq!(recognise(&stored), Some(PasswordHash::Bcrypt));
        assert_eq!(verify(&stored, &secret("abc")), Ok(true));
        assert_eq!(verify(&stored, &secret("abd")), Ok(false));
    }
}

#[test]
fn published_argon2id_vectors_verify() {
    assert_eq!(recognise(ARGON2ID_PASSWORD), Some(PasswordHash::Argon2id));
    assert_eq!(verify(ARGON2ID_PASSWORD, &secret("password")), Ok(true));
    assert_eq!(verify(ARGON2ID_PASSWORD, &secret("Password")), Ok(false));
}

#[test]
fn what_the_app_could_not_read_is_not_recognised() {
    for stored in [
        "".to_owned(),
        BCRYPT_ABC.replacen("$2a$", "$2x$", 1),
        BCRYPT_ABC.replacen("$06$", "$03$", 1),
        BCRYPT_ABC.replacen("$06$", "$32$", 1),
        BCRYPT_ABC.replacen("$06$", "$+6$", 1),
        BCRYPT_ABC[..59].to_owned(),
        format!("{BCRYPT_ABC}a"),
        format!("{BCRYPT_ABC}\n"),
        format!("bcrypt${BCRYPT_ABC}"),
        format!("{{bcrypt}}{BCRYPT_ABC}"),
        "é".repeat(30),
        ARGON2ID_PASSWORD.replacen("argon2id", "argon2i", 1),
        ARGON2ID_PASSWORD.replacen("v=19", "v=16", 1),
        ARGON2ID_PASSWORD.replacen("$v=19", "", 1),
        ARGON2ID_PASSWORD.replacen("m=65536,t=2", "t=2,m=65536", 1),
        ARGON2ID_PASSWORD.replacen("p=1", "p=1,keyid=aaaa", 1),
        ARGON2ID_PASSWORD.replacen("t=2", "t=0", 1),
        ARGON2ID_PASSWORD.replacen("m=65536", "m=065536", 1),
        ARGON2ID_PASSWORD.replacen("m=65536", "m=99999999999", 1),
        ARGON2ID_PASSWORD.replacen("p=1", "p=4294967295", 1),
        format!("{ARGON2ID_PASSWORD}$x"),
        format!("argon2{ARGON2ID_PASSWORD}"),
        ARGON2ID_PASSWORD[..60].to_owned(),
    ] {
        assert_eq!(recognise(&stored), None, "{stored}");
        assert!(matches!(verify(&stored, &secret("abc")), Err(PasswordError::Unreadable { .. })), "{stored}");
    }
}

#[test]
fn absurd_parameters_are_refused_before_any_work() {
    for (stored, value) in [
        (BCRYPT_ABC.replacen("$06$", "$17$", 1), 17),
        (BCRYPT_ABC.replacen("$06$", "$31$", 1), 31),
        (ARGON2ID_PASSWORD.replacen("m=65536", "m=1048577", 1), 1_048_577),
        (ARGON2ID_PASSWORD.replacen("m=65536", "m=4294967295", 1), u32::MAX),
        (ARGON2ID_PASSWORD.replacen("t=2", "t=65", 1), 65),
        (ARGON2ID_PASSWORD.replacen("p=1", "p=65", 1), 65),
    ] {
        assert!(recognise(&stored).is_some(), "{stored}");
        match verify(&stored, &secret("abc")) {
            Err(PasswordError::Excessive { value: refused, .. }) => assert_eq!(refused, value),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_new_bcrypt_hash_takes_cost_and_prefix_from_the_apps_own() {
    let like = |prefix: &str| BCRYPT_ABC.replacen("$2a$06$", prefix, 1);
    for (like, begins) in [
        (None, "$2b$12$"),
        (Some(like("$2a$10$")), "$2a$10$"),
        (Some(like("$2y$11$")), "$2y$11$"),
        // Too cheap for today.
        (Some(like("$2y$04$")), "$2y$10$"),
        // Another family, or unreadable: the defaults.
        (Some(ARGON2ID_PASSWORD.to_owned()), "$2b$12$"),
        (Some("pbkdf2:sha256:1$x$y".to_owned()), "$2b$12$"),
    ] {
        let made = make(PasswordHash::Bcrypt, &secret("held-out"), like.as_deref()).unwrap();
        assert!(made.expose_secret().starts_with(begins), "{begins}");
        assert_eq!(verify(made.expose_secret(), &secret("held-out")), Ok(true));
        assert_eq!(verify(made.expose_secret(), &secret("held-ouT")), Ok(false));
    }
}

#[test]
fn a_new_argon2id_hash_is_never_cheaper_than_the_defaults() {
    for (like, begins) in [
        (None, "$argon2id$v=19$m=65536,t=3,p=4$"),
        (Some(ARGON2ID_PASSWORD.to_owned()), "$argon2id$v=19$m=65536,t=3,p=4$"),
        (
            Some(ARGON2ID_PASSWORD.replacen("m=65536,t=2,p=1", "m=102400,t=2,p=8", 1)),
            "$argon2id$v=19$m=102400,t=3,p=8$",
        ),
        (Some(BCRYPT_ABC.to_owned()), "$argon2id$v=19$m=65536,t=3,p=4$"),
    ] {
        let made = make(PasswordHash::Argon2id, &secret("held-out"), like.as_deref()).unwrap();
        assert!(made.expose_secret().starts_with(begins), "{begins}");
        assert_eq!(verify(made.expose_secret(), &secret("held-out")), Ok(true));
    }
}

#[test]
fn bcrypt_takes_72_bytes_and_says_why_not_73() {
    let longest = secret(&"x".repeat(72));
    let like = BCRYPT_ABC.replacen("$06$", "$10$", 1);
    let made = make(PasswordHash::Bcrypt, &longest, Some(&like)).unwrap();
    assert_eq!(verify(made.expose_secret(), &longest), Ok(true));
    assert_eq!(verify(made.expose_secret(), &secret(&"x".repeat(71))), Ok(false));

    // Bytes count, not characters; and a longer password is never said to match.
    let longer = secret(&"é".repeat(37));
    let error = check(PasswordHash::Bcrypt, &longer).unwrap_err();
    assert_eq!(error.to_string(), "the password has 74 bytes and bcrypt reads only 72");
    assert_eq!(
        verify(made.expose_secret(), &secret(&"x".repeat(73))),
        Err(PasswordError::TooLong { bytes: 73 })
    );
    assert_eq!(check(PasswordHash::Argon2id, &longer), Ok(()));
}

#[test]
fn empty_passwords_and_nul_bytes_are_refused_in_every_format() {
    for format in [PasswordHash::Bcrypt, PasswordHash::Argon2id] {
        assert_eq!(check(format, &secret("")), Err(PasswordError::Empty));
        assert_eq!(check(format, &secret("a\0b")), Err(PasswordError::ContainsNul));
        assert_eq!(make(format, &secret(""), None).unwrap_err(), PasswordError::Empty);
    }
    assert_eq!(verify(BCRYPT_ABC, &secret("")), Err(PasswordError::Empty));
}

#[test]
fn the_family_of_every_known_format_is_named() {
    let hex = "0123456789abcdef";
    for (stored, name) in [
        (BCRYPT_ABC.to_owned(), "bcrypt"),
        (ARGON2ID_PASSWORD.to_owned(), "argon2id"),
        (BCRYPT_ABC[..50].to_owned(), "bcrypt, but damaged or cut off"),
        (format!("{BCRYPT_ABC}\n"), "a hash with white space around it"),
        ("pbkdf2_sha256$1000000$c2FsdA$Q5Zfkkm/EKFXOG0ceyhd7w=".to_owned(), "Django PBKDF2"),
        ("scrypt$16384$c2FsdA$8$5$z1KPcESGWmG1".to_owned(), "Django scrypt"),
        (format!("argon2{ARGON2ID_PASSWORD}"), "Django argon2"),
        ("bcrypt_sha256$$2b$12$x".to_owned(), "Django bcrypt over SHA-256"),
        ("!vMW3tCQm".to_owned(), "Django unusable password"),
        ("scrypt:32768:8:1$ov31coT8smwz280q$c46799".to_owned(), "werkzeug scrypt"),
        ("pbkdf2:sha256:1000000$mYcpEBoyEGrh6zfF$b4e63e".to_owned(), "werkzeug PBKDF2"),
        (format!("{{bcrypt}}{BCRYPT_ABC}"), "Spring Security bcrypt"),
        ("{noop}password".to_owned(), "Spring Security plain text"),
        ("$pbkdf2$f=SHA256,w=600000,l=32$aa$bb".to_owned(), "Mattermost PBKDF2"),
        ("$pbkdf2-sha256$29000$aa$bb".to_owned(), "passlib PBKDF2"),
        ("$wp$2y$10$abc".to_owned(), "WordPress bcrypt over SHA-384"),
        ("$P$BH2q0YP0QaYmV61n1roOyEGGJGQqJFt.".to_owned(), "phpass (WordPress)"),
        (hex.repeat(2), "bare MD5"),
        (format!("{}01234567", hex.repeat(2)), "bare SHA-1"),
        (hex.repeat(4), "bare SHA-256"),
        (hex.repeat(8), "bare SHA-512"),
        (format!("{}0123", hex.repeat(6)), "Gitea or Grafana PBKDF2"),
        (format!("{}:{}", hex.repeat(2), hex.repeat(8)), "better-auth scrypt"),
        (format!("AQAAAAIAAYagAAAAE{}", "A".repeat(67)), "ASP.NET Identity"),
        (format!("A{}A==", "B".repeat(64)), "ASP.NET Identity v2"),
        ("".to_owned(), "empty"),
        ("hunter2".to_owned(), "plain text?"),
    ] {
        assert_eq!(family(&stored), name, "{stored}");
    }
}

#[test]
fn no_error_holds_a_password_or_a_hash() {
    let canary = format!("canary-{}", "p".repeat(80));
    let password = secret(&canary);
    let errors = [
        verify(BCRYPT_ABC, &password).unwrap_err(),
        verify("canary-stored-hash", &password).unwrap_err(),
        verify(&format!("$2b$canary{}", &BCRYPT_ABC[10..]), &password).unwrap_err(),
        make(PasswordHash::Bcrypt, &password, None).unwrap_err(),
        verify(&BCRYPT_ABC.replacen("$06$", "$20$", 1), &secret("canary")).unwrap_err(),
        verify(BCRYPT_ABC, &secret("canary\0")).unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("If6bvum7"), "{shown}");
    }
    assert!(!format!("{:?}", make(PasswordHash::Argon2id, &password, None)).contains("argon2id"));
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_fail_or_is_echoed(stored in ".{0,120}") {
        let name = family(&stored);
        prop_assert!(!name.is_empty());
        if recognise(&stored).is_none() {
            let result = verify(&stored, &secret("abc"));
            prop_assert_eq!(result, Err(PasswordError::Unreadable { family: name }));
        }
    }

    #[test]
    fn a_hash_with_one_character_changed_never_verifies(at in 7usize..60, to in 0usize..64) {
        let alphabet = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut bytes = BCRYPT_ABC.as_bytes().to_vec();
        prop_assume!(bytes[at] != alphabet[to]);
        bytes[at] = alphabet[to];
        let stored = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&stored, &secret("abc")) != Ok(true));
    }
}
