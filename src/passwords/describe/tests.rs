use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::passwords::scheme::hex;

const BCRYPT: &str = "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";

fn told(stored: &str) -> String {
    describe(&stored.into()).to_string()
}

#[test]
fn what_is_read_is_told_by_its_format() {
    assert_eq!(told(BCRYPT), "bcrypt ($2b$, cost 6)");
    assert!(matches!(describe(&BCRYPT.into()), Description::Readable(_)));
}

#[test]
fn a_coat_is_told_with_what_is_inside() {
    let bytea = format!("\\x{}", hex(BCRYPT.as_bytes()));
    let base64 = STANDARD.encode(BCRYPT);
    for (stored, coat) in [
        (format!("b'{BCRYPT}'"), "Python's bytes were stored as they are printed"),
        (format!("b\"{BCRYPT}\""), "Python's bytes were stored as they are printed"),
        (bytea.clone(), "bytes were stored in a text column"),
        (bytea.to_uppercase().replacen("\\X", "\\x", 1), "bytes were stored in a text column"),
        (hex(BCRYPT.as_bytes()), "two hexadecimal digits"),
        (base64.clone(), "base64 over it"),
        (base64.trim_end_matches('=').to_owned(), "base64 over it"),
        (format!("\"{BCRYPT}\""), "quotes around it"),
        (format!("'{BCRYPT}'"), "quotes around it"),
        (format!("{BCRYPT}\n"), "white space around it"),
        (format!("{BCRYPT}{}", " ".repeat(40)), "white space around it"),
        (format!("\u{feff}{BCRYPT}"), "white space around it"),
        (format!("{{BLF-CRYPT}}{BCRYPT}"), "{BLF-CRYPT} before it"),
        (format!("{{CRYPT}}{BCRYPT}"), "{CRYPT} before it"),
        (BCRYPT.replace('$', "$$"), "as in a Compose file"),
        (BCRYPT.replace('$', "\\$"), "as in a shell"),
        (BCRYPT.replace('$', "%24"), "as in a URL"),
    ] {
        let told = told(&stored);
        assert!(told.starts_with("bcrypt ($2b$, cost 6) with ") && told.contains(coat), "{stored}: {told}");
    }
}

#[test]
fn an_encoding_of_an_encoding_is_told_down_to_the_hash() {
    let twice = STANDARD.encode(STANDARD.encode(BCRYPT));
    assert_eq!(told(&twice), "bcrypt ($2b$, cost 6) with base64 over it with base64 over it");
    let printed = format!("b'{}'", STANDARD.encode(BCRYPT));
    assert!(told(&printed).contains("base64 over it with b'…' around it"), "{}", told(&printed));
    // No endless chain.
    let mut deep = BCRYPT.to_owned();
    for _ in 0..5 {
        deep = STANDARD.encode(deep);
    }
    assert_eq!(describe(&deep.as_str().into()), Description::Unrecognised);
}

#[test]
fn a_hash_that_a_short_column_cut_off_is_told_with_its_length() {
    for (stored, words) in [
        (&BCRYPT[..50], "a bcrypt hash, cut off: 50 of 60 characters"),
        (&BCRYPT[..32], "a bcrypt hash, cut off: 32 of 60 characters"),
        (&format!("{BCRYPT}x"), "a bcrypt hash with 61 characters in place of 60"),
        (&format!("b'{}'", &BCRYPT[..48]), "a bcrypt hash, cut off: 48 of 60 characters"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$CTFhFd", "an argon2id hash, but damaged"),
        ("pbkdf2_sha256$1000000$c2FsdA$Q5Zfkkm/EKFXOG0ceyhd7w=", "a Django PBKDF2 hash, but damaged"),
        ("scrypt:32768:8:1$ov31coT8smwz280q$c46799", "a werkzeug scrypt hash, but damaged"),
        ("$P$BH2q0YP0QaYmV61n1roOyEGGJGQq", "a phpass hash, cut off: 31 of 34"),
        ("c2NyeXB0AA8AAAAI", "a scrypt-kdf hash, as Medusa has it, cut off: 16 of 128"),
    ] {
        assert!(told(stored).starts_with(words), "{stored}: {}", told(stored));
    }
}

#[test]
fn accounts_without_a_password_are_told_apart_from_unknown_formats() {
    for stored in ["", " ", "!", "!!", "*", "x", &format!("!{}", "a1B2".repeat(10)), &format!("!{BCRYPT}")] {
        assert!(describe(&stored.into()).is_none(), "{stored}: {}", told(stored));
    }
    for stored in ["!abc", "xx", "\"\"", "null", BCRYPT, "hunter2"] {
        assert!(!describe(&stored.into()).is_none(), "{stored}: {}", told(stored));
    }
}

#[test]
fn what_a_program_prints_in_place_of_a_hash_is_told_as_that() {
    for (stored, words) in [
        ("[object Promise]", "JavaScript prints for an object"),
        ("<coroutine object hash_password at 0x7f0c>", "a coroutine that nobody awaited"),
        ("<memory at 0x7f9d2c1b5a00>", "a memoryview"),
        ("System.Byte[]", ".NET prints"),
        ("[B@6d06d69c", "Java prints"),
        ("None", "no value"),
        ("undefined", "no value"),
        (" null ", "no value"),
        ("**********", "asterisks"),
    ] {
        assert!(told(stored).contains(words), "{stored}: {}", told(stored));
    }
}

#[test]
fn formats_that_are_known_by_name_only_are_named() {
    let digits = "0123456789abcdef";
    for (stored, words) in [
        ("$2x$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "bcrypt $2x$"),
        ("{noop}password", "Spring Security plain text"),
        ("{SSHA512}abc", "LDAP salted SHA"),
        ("$y$j9T$abc$def", "crypt yescrypt"),
        ("$argon2d$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$abc", "argon2d"),
        ("sha1$salt$abcdef", "salted SHA-1"),
        ("{\"value\":\"abc\",\"salt\":\"def\"}", "Keycloak"),
        ("$fbscrypt$v=1,n=14", "Firebase"),
        (
            "1|$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "as Nextcloud and ownCloud have it",
        ),
        ("2|$argon2i$v=19$m=1024,t=2,p=2$SW1HVmc3$0SMc", "as Nextcloud and ownCloud have it"),
        ("3|$argon2id$v=19$m=65536,t=4,p=1$c29tZQ$aaaa", "as Nextcloud and ownCloud have it"),
        (&format!("400$8$36$78f4ae6983f76119${}", digits.repeat(4)), "Ruby's gem"),
        (
            "sha256:64000:18:B6oWbvtHvu8qCgoE75wxmvpidRnGzGFt:R1gkPOuVjqIoTulWP1TABS0H",
            "defuse's PasswordStorage",
        ),
        ("sha256:1000:B6oWbvtHvu8qCgoE75wxmvpidRnGzGFt:R1gkPOuVjqIoTulWP1TABS0H", "defuse's older"),
        (&format!("$SHA$f9a1b2c3d4e5f607${}", digits.repeat(4)), "AuthMe"),
        ("PBKDF2$sha256$901$x0bcYmT3NQ4xHQcN$sqCqWrVzLWeZ+aqBBGTDRrJd", "mosquitto-auth-plug"),
        (":pbkdf2:sha512:30000:64:abc:def", "MediaWiki PBKDF2"),
        (&format!("{}:Wy0n0rl4sYc5fJ5H", digits.repeat(2)), "as Joomla had it"),
        (&digits.repeat(2), "as many as MD5 gives"),
        (&digits.repeat(4), "as many as SHA-256 gives"),
        (&format!("{}0123", digits.repeat(6)), "Gitea and Grafana"),
    ] {
        assert!(told(stored).contains(words), "{stored}: {}", told(stored));
    }
}

#[test]
fn what_no_library_reads_is_told_from_what_an_app_may_unpack_itself() {
    for stored in [
        "[object Promise]",
        &BCRYPT[..50],
        &format!("{BCRYPT}x"),
        &format!("b'{BCRYPT}'"),
        &format!("\"{BCRYPT}\""),
        &format!("\\x{}", hex(BCRYPT.as_bytes())),
        &BCRYPT.replace('$', "$$"),
        &format!("{} ", &BCRYPT[..50]),
    ] {
        assert!(describe(&stored.into()).is_broken(), "{stored}: {}", told(stored));
    }
    for stored in [
        BCRYPT,
        "hunter2",
        "$y$j9T$abc$def",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$CTFhFd",
        &format!("{{BLF-CRYPT}}{BCRYPT}"),
        &STANDARD.encode(BCRYPT),
        &hex(BCRYPT.as_bytes()),
        &format!("{BCRYPT}    "),
        "",
    ] {
        assert!(!describe(&stored.into()).is_broken(), "{stored}: {}", told(stored));
    }
    assert_eq!(describe(&BCRYPT[..50].into()).cut_from(), Some(60));
    assert_eq!(describe(&BCRYPT.into()).cut_from(), None);
}

#[test]
fn one_row_alone_is_never_said_to_be_plain_text() {
    for stored in ["hunter2", "correct horse battery staple", "p", "secret123", "cGFzc3dvcmQ="] {
        assert_eq!(describe(&stored.into()), Description::Unrecognised, "{stored}");
    }
    assert_eq!(told("hunter2"), "in a format that is not recognised");
}

#[test]
fn no_description_holds_a_part_of_what_it_describes() {
    let canary = "canaryCANARY0123";
    for stored in [
        canary.to_owned(),
        format!("$2b${canary}"),
        format!("b'{canary}'"),
        format!("b'$2b$12${canary}'"),
        format!("{{BLF-CRYPT}}$2y$05${canary}"),
        format!("<coroutine object {canary} at 0x7f>"),
        format!("{{SSHA}}{canary}"),
        format!("  {canary}  "),
        STANDARD.encode(format!("$2b$12${canary}")),
    ] {
        let description = describe(&stored.as_str().into());
        let shown = format!("{description} {description:?}").to_lowercase();
        assert!(!shown.contains("canary") && !shown.contains("0123"), "{shown}");
    }
}
