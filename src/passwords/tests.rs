use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::*;

/// "abc", from the vectors of jBCrypt.
const BCRYPT_ABC: &str = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
/// "password" with the salt "somesalt", from the vectors of phc-winner-argon2.
const ARGON2ID_PASSWORD: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
/// The same of argon2i.
const ARGON2I_PASSWORD: &str =
    "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn verifies(stored: &str, password: &str) -> Result<bool, PasswordError> {
    verify(&stored.into(), &secret(password))
}

fn family(stored: &str) -> Option<PasswordFamily> {
    recognise(&stored.into()).map(|format| format.family)
}

#[test]
fn published_bcrypt_vectors_verify_under_every_prefix() {
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let stored = BCRYPT_ABC.replacen("$2a$", prefix, 1);
        let format = Format { family: PasswordFamily::Bcrypt, prefix, cost: Cost::Power(6) };
        assert_eq!(recognise(&stored.as_str().into()), Some(format));
        assert_eq!(verifies(&stored, "abc"), Ok(true));
        assert_eq!(verifies(&stored, "abd"), Ok(false));
    }
}

#[test]
fn published_argon2_vectors_verify() {
    for (stored, named) in
        [(ARGON2ID_PASSWORD, PasswordFamily::Argon2id), (ARGON2I_PASSWORD, PasswordFamily::Argon2i)]
    {
        assert_eq!(family(stored), Some(named));
        assert_eq!(verifies(stored, "password"), Ok(true));
        assert_eq!(verifies(stored, "Password"), Ok(false));
    }
}

#[test]
fn what_an_apps_library_would_not_read_is_not_recognised() {
    for stored in [
        BCRYPT_ABC.replacen("$2a$", "$2x$", 1),
        BCRYPT_ABC.replacen("$2a$", "$2$", 1),
        BCRYPT_ABC.replacen("$06$", "$03$", 1),
        BCRYPT_ABC.replacen("$06$", "$32$", 1),
        BCRYPT_ABC.replacen("$06$", "$+6$", 1),
        BCRYPT_ABC.replacen("$06$", "$6$", 1),
        BCRYPT_ABC[..59].to_owned(),
        format!("{BCRYPT_ABC}a"),
        format!("{BCRYPT_ABC}\n"),
        "é".repeat(30),
        ARGON2ID_PASSWORD.replacen("argon2id", "argon2d", 1),
        ARGON2ID_PASSWORD.replacen("v=19", "v=16", 1),
        ARGON2ID_PASSWORD.replacen("$v=19", "", 1),
        ARGON2ID_PASSWORD.replacen("m=65536,t=2", "t=2,m=65536", 1),
        ARGON2ID_PASSWORD.replacen("p=1", "p=1,keyid=aaaa", 1),
        ARGON2ID_PASSWORD.replacen("t=2", "t=0", 1),
        ARGON2ID_PASSWORD.replacen("m=65536", "m=065536", 1),
        ARGON2ID_PASSWORD.replacen("m=65536", "m=99999999999", 1),
        ARGON2ID_PASSWORD.replacen("p=1", "p=4294967295", 1),
        format!("{ARGON2ID_PASSWORD}$x"),
        ARGON2ID_PASSWORD[..60].to_owned(),
        "x".repeat(3000),
    ] {
        assert_eq!(family(&stored), None, "{stored}");
        assert!(matches!(verifies(&stored, "abc"), Err(PasswordError::Unreadable(_))), "{stored}");
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
        let format = recognise(&stored.as_str().into()).unwrap();
        for refused in [verifies(&stored, "abc").unwrap_err(), make(&format, &secret("abc")).unwrap_err()] {
            assert!(matches!(refused, PasswordError::Excessive { value: v, .. } if v == value), "{refused}");
        }
    }
}

#[test]
fn a_new_hash_has_the_very_format_that_was_asked_for() {
    for format in cheap() {
        let made = make(&format, &secret("held-out")).unwrap();
        assert_eq!(recognise_as(&made.as_stored(), format.family), Some(format), "{format}");
        assert_eq!(verify_as(&made.as_stored(), format.family, &secret("held-out")), Ok(true));
        assert_eq!(verify_as(&made.as_stored(), format.family, &secret("held-ouT")), Ok(false));
        let again = make(&format, &secret("held-out")).unwrap();
        assert_ne!(made.hash.expose_secret(), again.hash.expose_secret(), "the salt is drawn anew: {format}");
    }
}

/// A format of each family and prefix that is made, as cheap as it can be. The cost of some is not told by the
/// stored text, so that it is always the same.
pub(super) fn cheap() -> Vec<Format> {
    let rounds = Cost::Rounds(1_000);
    let argon2 = Cost::Argon2 { memory: 64, passes: 1, lanes: 2 };
    let scrypt = Cost::Scrypt { log_n: 4, r: 8, p: 1 };
    let families: &[(PasswordFamily, &'static [&'static str], Cost)] = &[
        (PasswordFamily::Bcrypt, &["$2a$", "$2b$", "$2y$"], Cost::Power(4)),
        (PasswordFamily::Argon2id, &[""], argon2),
        (PasswordFamily::Argon2i, &[""], argon2),
        (PasswordFamily::DjangoPbkdf2Sha256, &[""], rounds),
        (PasswordFamily::DjangoPbkdf2Sha1, &[""], rounds),
        (PasswordFamily::DjangoBcryptSha256, &["$2b$", "$2a$"], Cost::Power(4)),
        (PasswordFamily::DjangoBcrypt, &["$2b$", "$2a$"], Cost::Power(4)),
        (PasswordFamily::DjangoScrypt, &[""], scrypt),
        (PasswordFamily::DjangoArgon2, &["argon2$argon2id$", "argon2$argon2i$"], argon2),
        (PasswordFamily::WerkzeugScrypt, &[""], scrypt),
        (PasswordFamily::WerkzeugPbkdf2, &["pbkdf2:sha256", "pbkdf2:sha1", "pbkdf2:sha512"], rounds),
        (PasswordFamily::PasslibPbkdf2Sha1, &[""], rounds),
        (PasswordFamily::PasslibPbkdf2Sha256, &[""], rounds),
        (PasswordFamily::PasslibPbkdf2Sha512, &[""], rounds),
        (
            PasswordFamily::PasslibBcryptSha256,
            &["v=2,t=2b", "v=2,t=2y", "v=2,t=2a", "2b", "2a"],
            Cost::Power(4),
        ),
        (PasswordFamily::Sha256Crypt, &[""], rounds),
        (PasswordFamily::Sha512Crypt, &[""], Cost::Rounds(5_000)),
        (PasswordFamily::SpringBcrypt, &["{bcrypt}$2a$", "{bcrypt}$2b$", "{bcrypt}$2y$"], Cost::Power(4)),
        (
            PasswordFamily::SpringArgon2,
            &["{argon2}$argon2id$", "{argon2@SpringSecurity_v5_8}$argon2id$"],
            argon2,
        ),
        (PasswordFamily::SpringPbkdf2, &["{pbkdf2}"], Cost::Rounds(185_000)),
        (PasswordFamily::SpringPbkdf2, &["{pbkdf2@SpringSecurity_v5_8}"], Cost::Rounds(310_000)),
        (PasswordFamily::SpringScrypt, &["{scrypt}", "{scrypt@SpringSecurity_v5_8}"], scrypt),
        (PasswordFamily::AspNetIdentityV3, &["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"], rounds),
        (PasswordFamily::Phpass, &["$P$", "$H$"], Cost::Power(7)),
        (PasswordFamily::WordPressBcrypt, &["$wp$2y$"], Cost::Power(4)),
        (PasswordFamily::BetterAuthScrypt, &[""], Cost::Scrypt { log_n: 14, r: 16, p: 1 }),
        (PasswordFamily::NodeScrypt, &["salt:key", "key.salt"], Cost::Scrypt { log_n: 14, r: 8, p: 1 }),
        (PasswordFamily::MedusaScrypt, &[""], scrypt),
        (PasswordFamily::GiteaPbkdf2, &[""], rounds),
        (PasswordFamily::GiteaArgon2, &[""], argon2),
        (PasswordFamily::GiteaScrypt, &[""], scrypt),
        (PasswordFamily::GrafanaPbkdf2, &[""], Cost::Rounds(10_000)),
        (PasswordFamily::MattermostPbkdf2, &[""], rounds),
    ];
    let prefixed = |(family, prefixes, cost): &(PasswordFamily, &'static [&'static str], Cost)| {
        let (family, cost) = (*family, *cost);
        prefixes.iter().map(move |prefix| Format { family, prefix, cost })
    };
    families.iter().flat_map(prefixed).collect()
}

#[test]
fn every_family_that_is_made_is_tried() {
    for family in PasswordFamily::ALL.iter().filter(|family| Format::default_of(**family).can_make()) {
        assert!(cheap().iter().any(|format| format.family == *family), "{family:?}");
    }
}

#[test]
fn what_a_new_hash_looks_like_is_known_before_it_is_made() {
    for format in cheap() {
        let (specimen, real) = (specimen(&format).unwrap(), make(&format, &secret("held-out")).unwrap());
        assert_eq!(recognise_as(&specimen.as_stored(), format.family), Some(format));
        let lengths = |made: &Made| {
            let stored = made.as_stored();
            [Some(stored.hash), stored.salt, stored.algorithm].map(|text| text.map(str::len))
        };
        assert_eq!(lengths(&specimen), lengths(&real), "{format}");
    }
    assert!(specimen(&Format::default_of(PasswordFamily::AspNetIdentityV2)).is_none());
}

#[test]
fn a_long_password_is_refused_where_each_of_many_rounds_goes_over_all_of_it() {
    let of = |family, cost| Format { cost, ..Format::default_of(family) };
    let long = secret(&"x".repeat(MAX_BYTES));
    for (format, stored) in [
        (of(PasswordFamily::Phpass, Cost::Power(22)), "$P$K1234567890abcdefghijklmnopqrst".to_owned()),
        (
            of(PasswordFamily::Sha256Crypt, Cost::Rounds(2_000_000)),
            format!("$5$rounds=2000000$salt${}", "a".repeat(43)),
        ),
        (
            of(PasswordFamily::Sha512Crypt, Cost::Rounds(2_000_000)),
            format!("$6$rounds=2000000$salt${}", "a".repeat(86)),
        ),
    ] {
        assert_eq!(recognise(&stored.as_str().into()), Some(format));
        for refused in [
            check_in(&format, &long).unwrap_err(),
            verify(&stored.as_str().into(), &long).unwrap_err(),
            make(&format, &long).unwrap_err(),
        ] {
            assert!(matches!(refused, PasswordError::TooLongForRounds { bytes: MAX_BYTES, .. }), "{refused}");
        }
    }
    let refused = check_in(&of(PasswordFamily::Sha512Crypt, Cost::Rounds(2_000_000)), &long).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the password has 4096 bytes, and SHA-512 crypt goes over all of them in each of 2000000 rounds: more than 536 bytes are refused there"
    );
    // What people have is taken, and so is everything where the first round makes a digest of it.
    for family in [PasswordFamily::Sha256Crypt, PasswordFamily::Sha512Crypt] {
        assert_eq!(check_in(&Format::default_of(family), &secret(&"x".repeat(1024))), Ok(()));
        assert_eq!(check_in(&of(family, Cost::Rounds(2_000_000)), &secret(&"x".repeat(128))), Ok(()));
    }
    for format in [
        Format::default_of(PasswordFamily::Phpass),
        of(PasswordFamily::DjangoPbkdf2Sha256, Cost::Rounds(2_000_000)),
        of(PasswordFamily::WordPressBcrypt, Cost::Power(14)),
    ] {
        assert_eq!(check_in(&format, &long), Ok(()), "{format}");
    }
}

#[test]
fn bcrypt_takes_72_bytes_and_says_why_not_73() {
    let format = Format { family: PasswordFamily::Bcrypt, prefix: "$2b$", cost: Cost::Power(4) };
    let longest = secret(&"x".repeat(72));
    let made = make(&format, &longest).unwrap();
    assert_eq!(verify(&made.as_stored(), &longest), Ok(true));
    assert_eq!(verify(&made.as_stored(), &secret(&"x".repeat(71))), Ok(false));

    // Bytes count, not characters; and a longer password is never said to match.
    let longer = secret(&"é".repeat(37));
    let error = check(PasswordFamily::Bcrypt, &longer).unwrap_err();
    assert_eq!(error.to_string(), "the password has 74 bytes and bcrypt reads only 72");
    let refused = verify(&made.as_stored(), &secret(&"x".repeat(73)));
    assert_eq!(refused, Err(PasswordError::TooLong { bytes: 73, family: "bcrypt", most: 72 }));
    assert_eq!(check(PasswordFamily::Argon2id, &longer), Ok(()));
}

#[test]
fn empty_passwords_nul_bytes_and_endless_ones_are_refused_in_every_family() {
    for family in PasswordFamily::ALL {
        assert_eq!(check(*family, &secret("")), Err(PasswordError::Empty));
        assert_eq!(check(*family, &secret("a\0b")), Err(PasswordError::ContainsNul));
        let endless = check(*family, &secret(&"x".repeat(MAX_BYTES + 1)));
        assert!(matches!(endless, Err(PasswordError::TooLong { .. })), "{family:?}");
    }
    let refused = make(&Format::default_of(PasswordFamily::Bcrypt), &secret("")).unwrap_err();
    assert_eq!(refused, PasswordError::Empty);
    assert_eq!(verifies(BCRYPT_ABC, ""), Err(PasswordError::Empty));
}

#[test]
fn no_error_holds_a_password_or_a_hash() {
    let canary = format!("canary-{}", "p".repeat(80));
    let errors = [
        verifies(BCRYPT_ABC, &canary).unwrap_err(),
        verifies("canary-stored-hash", &canary).unwrap_err(),
        verifies(&format!("$2b$canary{}", &BCRYPT_ABC[10..]), &canary).unwrap_err(),
        verifies(&format!("b'{BCRYPT_ABC}'"), &canary).unwrap_err(),
        make(&Format::default_of(PasswordFamily::Bcrypt), &secret(&canary)).unwrap_err(),
        verifies(&BCRYPT_ABC.replacen("$06$", "$20$", 1), "canary").unwrap_err(),
        verifies(BCRYPT_ABC, "canary\0").unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary") && !shown.contains("If6bvum7"), "{shown}");
    }
    let format = Format { family: PasswordFamily::Bcrypt, prefix: "$2b$", cost: Cost::Power(4) };
    let made = make(&format, &secret("canary")).unwrap();
    let shown = format!("{made:?} {:?}", made.as_stored());
    assert!(!shown.contains("$2b$"), "{shown}");
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_fail(hash in ".{0,120}", salt in proptest::option::of(".{0,40}"), algorithm in proptest::option::of(".{0,40}")) {
        let stored = Stored { hash: &hash, salt: salt.as_deref(), algorithm: algorithm.as_deref() };
        prop_assert!(!describe(&stored).to_string().is_empty());
        let known = recognise(&stored);
        prop_assert_eq!(known.map(|format| recognise_as(&stored, format.family)), known.map(Some));
        if known.is_none() {
            let unreadable = matches!(verify(&stored, &secret("abc")), Err(PasswordError::Unreadable(_)));
            prop_assert!(unreadable);
        }
    }

    #[test]
    fn a_hash_with_one_character_changed_never_verifies(at in 7usize..60, to in 0usize..64) {
        let alphabet = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut bytes = BCRYPT_ABC.as_bytes().to_vec();
        prop_assume!(bytes[at] != alphabet[to]);
        bytes[at] = alphabet[to];
        let stored = String::from_utf8(bytes).unwrap();
        prop_assert!(verifies(&stored, "abc") != Ok(true));
    }
}

proptest! {
    // Each case computes three hashes or four.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_wrong_password_never_verifies(right in "\\PC{1,18}", wrong in "\\PC{1,18}", which in any::<prop::sample::Index>()) {
        // WordPress takes white space off, better-auth normalises.
        let plain = |text: &str| text.trim().nfkc().collect::<String>();
        prop_assume!(!plain(&right).is_empty() && plain(&right) != plain(&wrong));
        let formats = cheap();
        let format = which.get(&formats);
        let made = make(format, &secret(&right)).unwrap();
        prop_assert_eq!(recognise_as(&made.as_stored(), format.family), Some(*format));
        prop_assert_eq!(verify_as(&made.as_stored(), format.family, &secret(&wrong)), Ok(false));
    }
}
