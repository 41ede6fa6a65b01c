use super::*;
use crate::{
    api::spec::PasswordFamily,
    passwords::{Stored, describe, recognise, survey},
};

/// Hashes of one format each; digests are made up, since only formats are looked at.
fn hashes(prefix: &str, n: usize) -> Vec<String> {
    let digest = "If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
    let argon2 = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let digest = if prefix.starts_with("$argon2") {
        argon2
    } else if prefix.starts_with("$2") {
        digest
    } else {
        ""
    };
    (0..n).map(|_| format!("{prefix}{digest}")).collect()
}

fn sample(of: &[(&str, usize)]) -> HashSample {
    let all: Vec<String> = of.iter().flat_map(|(prefix, n)| hashes(prefix, *n)).collect();
    HashSample { survey: survey(all.iter().map(|hash| Stored::from(hash.as_str()))), ..HashSample::default() }
}

fn users(hash: PasswordHash, preset: Option<PasswordFamily>) -> Users {
    Users {
        schema: "public".into(),
        table: "users".into(),
        id_column: "id".into(),
        login_column: Some("email".into()),
        password_column: Some("hash".into()),
        salt_column: None,
        algorithm_column: None,
        password_hash: hash,
        preset_hash: preset,
        active_when: Vec::new(),
    }
}

const BCRYPT_2Y: &str = "$2y$12$";
const BCRYPT_2B: &str = "$2b$11$";
const ARGON2ID: &str = "$argon2id$v=19$m=65536,t=3,p=4";
const UNKNOWN: &str = "$y$j9T$abc";

fn chosen(hash: PasswordHash, of: &[(&str, usize)]) -> Result<String, (Reason, String)> {
    choose(&users(hash, Some(PasswordFamily::Bcrypt)), Some(&sample(of)))
        .map(|chosen| chosen.describe())
        .map_err(|refused| (refused.reason, refused.why))
}

#[test]
fn a_new_hash_is_as_more_than_half_of_the_others_have_it_with_prefix_and_parameters() {
    let as_stored = |of: &[_]| chosen(PasswordHash::AsStored, of).unwrap();
    assert_eq!(as_stored(&[(BCRYPT_2Y, 9)]), "bcrypt ($2y$, cost 12), as 9 of 9 other accounts have it");
    assert_eq!(
        as_stored(&[(ARGON2ID, 6), (BCRYPT_2Y, 4), (UNKNOWN, 1)]),
        "argon2id (m=65536, t=3, p=4), as 6 of 11 other accounts have it"
    );
}

#[test]
fn without_a_majority_or_in_a_format_that_is_not_known_none_is_written() {
    let refused = |of: &[_]| chosen(PasswordHash::AsStored, of).unwrap_err();
    let (reason, why) = refused(&[(BCRYPT_2Y, 5), (ARGON2ID, 5)]);
    assert_eq!(reason, Reason::PasswordHashUnclear);
    assert!(
        why.contains("of the passwords of the other active accounts (10 looked at) 5 are")
            && why.contains("set spec.users.passwordHash to it"),
        "{why}"
    );
    let (reason, why) = refused(&[(UNKNOWN, 7)]);
    assert_eq!(reason, Reason::PasswordHashUnclear);
    assert!(why.contains("(7 looked at) all are") && why.ends_with("have the app set the password"), "{why}");
    assert!(!why.contains("plain text"), "{why}");
    // One account alone says as much as many, where it is the only one.
    assert_eq!(refused(&[("hunter2", 1)]).0, Reason::PasswordHashUnclear);
}

#[test]
fn where_nobody_has_a_password_the_preset_says_it_or_nobody_does() {
    let nobody = [("", 3), ("!", 2)];
    assert_eq!(
        chosen(PasswordHash::AsStored, &nobody).unwrap(),
        "bcrypt ($2b$, cost 12), the preset's, since no other account has a password to go by"
    );
    assert!(chosen(PasswordHash::Argon2id, &nobody).unwrap().contains("as the spec names it"));
    let refused = choose(&users(PasswordHash::AsStored, None), Some(&sample(&nobody))).unwrap_err();
    assert_eq!(refused.reason, Reason::PasswordHashUnclear);
    assert!(
        refused.why.ends_with("set spec.users.passwordHash to the one that the app reads"),
        "{}",
        refused.why
    );
    // What could not be looked at is not taken for nobody.
    let unread = HashSample { unread: Some("a lock".into()), ..HashSample::default() };
    for hash in [PasswordHash::AsStored, PasswordHash::Bcrypt] {
        let refused = choose(&users(hash, Some(PasswordFamily::Bcrypt)), Some(&unread)).unwrap_err();
        assert_eq!(refused.reason, Reason::PasswordHashUnclear);
        assert!(refused.why.contains("were not looked at: a lock"), "{}", refused.why);
    }
}

#[test]
fn a_named_format_is_written_with_the_others_parameters_and_refused_where_they_have_another() {
    assert_eq!(
        chosen(PasswordHash::Bcrypt, &[(BCRYPT_2B, 2), (ARGON2ID, 5)]).unwrap(),
        "bcrypt ($2b$, cost 11), as 2 of 7 other accounts have it"
    );
    for of in [&[(ARGON2ID, 30)][..], &[(ARGON2ID, 99), (BCRYPT_2B, 1)]] {
        let (reason, why) = chosen(PasswordHash::Bcrypt, of).unwrap_err();
        assert_eq!(reason, Reason::PasswordHashContradicted);
        assert!(
            why.starts_with(
                "spec.users.passwordHash says Bcrypt, and of the passwords of the other active accounts"
            ) && why.ends_with("set it to AsStored, or to Argon2id, which the app reads"),
            "{why}"
        );
        // The way out is one.
        assert!(chosen(PasswordHash::AsStored, of).is_ok() && chosen(PasswordHash::Argon2id, of).is_ok());
    }
    let (reason, why) = chosen(PasswordHash::Bcrypt, &[(UNKNOWN, 30)]).unwrap_err();
    assert_eq!(reason, Reason::PasswordHashContradicted);
    assert!(why.contains("have the app set the password"), "{why}");
    // An app that goes over from a format that is not read here to one that is: some have it already.
    assert!(chosen(PasswordHash::Bcrypt, &[(UNKNOWN, 99), (BCRYPT_2B, 1)]).is_ok());
}

#[test]
fn a_stored_password_is_foreign_by_what_others_have_and_not_by_what_we_would_write() {
    let own = |hash, of: &[_], mine: &str| {
        let (stored, sample) = (hashes(mine, 1).remove(0), sample(of));
        let stored = Stored::from(stored.as_str());
        let (format, seems) = (recognise(&stored), describe(&stored));
        super::own(&users(hash, Some(PasswordFamily::Bcrypt)), Some(&sample), format, &seems)
    };
    let (as_stored, bcrypt) = (PasswordHash::AsStored, PasswordHash::Bcrypt);
    for (hash, of, mine, expected) in [
        (as_stored, &[(ARGON2ID, 5)][..], ARGON2ID, Own::Fitting),
        (bcrypt, &[(ARGON2ID, 5)], ARGON2ID, Own::Fitting),
        (as_stored, &[(ARGON2ID, 5)], BCRYPT_2B, Own::Foreign),
        (bcrypt, &[(ARGON2ID, 5)], BCRYPT_2B, Own::Foreign),
        (as_stored, &[(BCRYPT_2B, 5)], "b'$2b$'", Own::Foreign),
        (as_stored, &[(BCRYPT_2B, 5)], "", Own::Foreign),
        // Like all the others, whatever that is.
        (as_stored, &[("hunter2", 4), ("letmein", 1)], "secret1", Own::Fitting),
        (as_stored, &[(UNKNOWN, 5)], BCRYPT_2B, Own::Fitting),
        // Nobody else says anything.
        (as_stored, &[], ARGON2ID, Own::Fitting),
        (bcrypt, &[], ARGON2ID, Own::Foreign),
        (as_stored, &[], "hunter2", Own::Foreign),
        // Some of the others have it: the app reads both.
        (as_stored, &[(ARGON2ID, 5), (BCRYPT_2B, 1)], BCRYPT_2B, Own::Fitting),
    ] {
        assert_eq!(own(hash, of, mine), expected, "{hash:?} {of:?} {mine}");
    }
}

#[test]
fn the_report_says_what_was_found_and_what_is_written() {
    let of = sample(&[(ARGON2ID, 150), (BCRYPT_2B, 30), (UNKNOWN, 20)]);
    let found = report(&users(PasswordHash::AsStored, None), &of);
    let shown: Vec<_> = found.formats.iter().map(|one| (one.family, one.accounts, one.percent)).collect();
    assert_eq!(
        shown,
        [(Some(PasswordFamily::Argon2id), 150, 75), (Some(PasswordFamily::Bcrypt), 30, 15), (None, 20, 10)]
    );
    assert_eq!((found.sampled, found.writes.as_deref()), (200, Some("argon2id (m=65536, t=3, p=4)")));
    let found = report(&users(PasswordHash::AsStored, None), &HashSample::default());
    assert_eq!((found.sampled, found.formats.len(), found.writes), (0, 0, None));
}
