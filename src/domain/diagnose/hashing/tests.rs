use super::*;
use crate::domain::facts::hashes::Says;
use crate::{
    api::spec::{PasswordFamily, PasswordHash},
    engine::hints,
    passwords::{Description, Stored, describe, recognise, survey},
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
    choose(hints(), &users(hash, Some(PasswordFamily::Bcrypt)), Some(&sample(of)))
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
    let refused = |of: &[_]| {
        let refused = choose(hints(), &users(PasswordHash::AsStored, None), Some(&sample(of))).unwrap_err();
        (refused.reason, refused.why)
    };
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
    let refused = choose(hints(), &users(PasswordHash::AsStored, None), Some(&sample(&nobody))).unwrap_err();
    assert_eq!(refused.reason, Reason::PasswordHashUnclear);
    assert!(
        refused.why.ends_with("set spec.users.passwordHash to the one that the app reads"),
        "{}",
        refused.why
    );
    // What could not be looked at is not taken for nobody.
    let unread = HashSample { unread: Some("a lock".into()), ..HashSample::default() };
    for hash in [PasswordHash::AsStored, PasswordHash::Bcrypt] {
        let refused = choose(hints(), &users(hash, Some(PasswordFamily::Bcrypt)), Some(&unread)).unwrap_err();
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
    let found = report(hints(), &users(PasswordHash::AsStored, None), &of);
    let shown: Vec<_> = found.formats.iter().map(|one| (one.family, one.accounts, one.percent)).collect();
    assert_eq!(
        shown,
        [(Some(PasswordFamily::Argon2id), 150, 75), (Some(PasswordFamily::Bcrypt), 30, 15), (None, 20, 10)]
    );
    assert_eq!((found.sampled, found.writes.as_deref()), (200, Some("argon2id (m=65536, t=3, p=4)")));
    let found = report(hints(), &users(PasswordHash::AsStored, None), &HashSample::default());
    assert_eq!((found.sampled, found.formats.len(), found.writes), (0, 0, None));
}

#[test]
fn a_format_whose_columns_the_spec_does_not_name_is_refused_and_so_is_one_without_a_name_where_one_is_asked_for()
 {
    let refused = |hash, salt: bool, algorithm: bool, of: &[_]| {
        let columns = users(hash, Some(PasswordFamily::Bcrypt));
        let columns = Users {
            salt_column: salt.then(|| "salt".into()),
            algorithm_column: algorithm.then(|| "algorithm".into()),
            ..columns
        };
        choose(hints(), &columns, Some(&sample(of))).err().map(|refused| {
            assert_eq!(refused.reason, Reason::PasswordHashUnclear, "{}", refused.why);
            refused.why
        })
    };
    let (gitea, grafana, as_stored) =
        (PasswordHash::GiteaPbkdf2, PasswordHash::GrafanaPbkdf2, PasswordHash::AsStored);
    let no_salt = "keeps the salt in a column of its own: set spec.users.saltColumn";
    let no_algorithm = "keeps its name in a column of its own: set spec.users.algorithmColumn";
    let no_name = "has no name that is known for the column of spec.users.algorithmColumn: have the app set the password";
    for (hash, salt, algorithm, of, why) in [
        (gitea, false, false, &[][..], format!("Gitea PBKDF2 {no_salt}")),
        (gitea, false, true, &[], format!("Gitea PBKDF2 {no_salt}")),
        (gitea, true, false, &[], format!("Gitea PBKDF2 {no_algorithm}")),
        // Without its columns what the others have reads as nothing.
        (gitea, false, false, &[(UNKNOWN, 9)], format!("Gitea PBKDF2 {no_salt}")),
        (grafana, false, false, &[], format!("Grafana PBKDF2 {no_salt}")),
        (grafana, true, true, &[], format!("Grafana PBKDF2 {no_name}")),
        (as_stored, false, true, &[(BCRYPT_2B, 9)], format!("bcrypt {no_name}")),
        (as_stored, true, true, &[], format!("bcrypt {no_name}")),
        (PasswordHash::Bcrypt, false, true, &[], format!("bcrypt {no_name}")),
    ] {
        assert_eq!(refused(hash, salt, algorithm, of), Some(why), "{hash:?} {salt} {algorithm}");
    }
    assert_eq!(refused(gitea, true, true, &[]), None);
    assert_eq!(refused(grafana, true, false, &[]), None);
    // A salt that is there for hashes of before is no obstacle.
    assert_eq!(refused(as_stored, true, false, &[(BCRYPT_2B, 9)]), None);
}

#[test]
fn digits_that_stand_beside_a_salt_ask_for_its_column() {
    let digits = "9c".repeat(50);
    let of = HashSample {
        survey: survey([Stored::from(digits.as_str()), Stored::from(digits.as_str())]),
        ..HashSample::default()
    };
    let why = choose(hints(), &users(PasswordHash::AsStored, None), Some(&of)).unwrap_err().why;
    assert!(
        why.contains("set spec.users.saltColumn to the column that holds the salt")
            && !why.contains("have the app"),
        "{why}"
    );
}

#[test]
fn a_column_that_does_not_take_a_new_hash_is_told_with_what_widens_it_where_that_is_known() {
    let unfit = |column_type: &str| {
        let unfit = Unfit { column: "Hash".into(), column_type: column_type.into(), characters: 97 };
        let sample = HashSample { unfit: Some(unfit), ..HashSample::default() };
        choose(hints(), &users(PasswordHash::Argon2id, None), Some(&sample)).unwrap_err()
    };
    let refused = unfit("character varying(60)");
    assert_eq!(refused.reason, Reason::RepairUnsupported);
    assert_eq!(
        refused.why,
        "column \"Hash\" is character varying(60) and does not take the 97 characters that argon2id (m=65536, t=3, p=4) puts there: widen it, by a migration of the app or by ALTER TABLE public.users ALTER COLUMN \"Hash\" TYPE varchar(255)"
    );
    assert!(unfit("character(60)").why.ends_with("TYPE varchar(255)"));
    for other in ["public.short", "bytea"] {
        assert!(unfit(other).why.ends_with(": give it a type that does"));
    }
}

#[test]
fn the_order_of_nodes_scrypt_is_not_guessed_where_rows_disagree() {
    let (salt, key) = ("0a".repeat(16), "1b".repeat(64));
    let of = |salt_first: usize, key_first: usize| {
        let rows =
            [vec![format!("{salt}:{key}"); salt_first], vec![format!("{key}.{salt}"); key_first]].concat();
        let survey = survey(rows.iter().map(|row| Stored::from(row.as_str())));
        choose(
            hints(),
            &users(PasswordHash::NodeScrypt, None),
            Some(&HashSample { survey, ..HashSample::default() }),
        )
    };
    assert_eq!(of(9, 1).unwrap().format.prefix, "salt:key");
    assert_eq!(of(1, 9).unwrap().format.prefix, "key.salt");
    let refused = of(3, 3).unwrap_err();
    assert_eq!(refused.reason, Reason::PasswordHashUnclear);
    assert_eq!(
        refused.why,
        "in which order the app reads Node scrypt cannot be told, since of the other active accounts that have it 3 have key.salt and 3 have salt:key: have the app set the password"
    );
}

#[test]
fn an_accounts_own_format_is_kept_where_others_have_it_or_are_too_few_to_say_another() {
    let of = |own: &str, others: &[_], kept: bool, hash| {
        let own = recognise(&Stored::from(hashes(own, 1).remove(0).as_str()));
        let sample = HashSample { own, kept, ..sample(others) };
        let users = users(hash, Some(PasswordFamily::Bcrypt));
        let stands = super::own(&users, Some(&sample), own, &Description::Unrecognised);
        let chosen = choose(hints(), &users, Some(&sample)).map_err(|refused| refused.reason);
        (stands, chosen.map(|chosen| chosen.describe()))
    };
    let as_stored = PasswordHash::AsStored;
    let kept = |why: &str| Ok(format!("bcrypt ($2b$, cost 11), as its own is{why}"));
    for (others, spec, stands, chosen) in [
        (&[][..], false, Own::Fitting, kept(": no other account has a password to go by")),
        // Accounts of the spec say nothing of one another.
        (&[(ARGON2ID, 5)], true, Own::Fitting, kept(": no other account has a password to go by")),
        (
            &[(ARGON2ID, 1)],
            false,
            Own::Undecided,
            kept(": 1 other account that has another is too few to go by"),
        ),
        (
            &[(ARGON2ID, 2)],
            false,
            Own::Undecided,
            kept(": 2 other accounts that have another are too few to go by"),
        ),
        (&[(ARGON2ID, 9), (BCRYPT_2B, 1)], false, Own::Fitting, kept(", and 1 of 10 other accounts have it")),
        (
            &[(BCRYPT_2Y, 9), (BCRYPT_2B, 1)],
            false,
            Own::Fitting,
            kept(", and 1 of 10 other accounts have it"),
        ),
        (
            &[(ARGON2ID, 3)],
            false,
            Own::Foreign,
            Ok("argon2id (m=65536, t=3, p=4), as 3 of 3 other accounts have it".to_owned()),
        ),
    ] {
        assert_eq!(of(BCRYPT_2B, others, spec, as_stored), (stands, chosen), "{others:?}");
    }
    // A format that is named and that the account has is not contradicted by one other.
    assert_eq!(of(BCRYPT_2B, &[(ARGON2ID, 1)], false, PasswordHash::Bcrypt).0, Own::Fitting);
    assert!(of(BCRYPT_2B, &[(ARGON2ID, 1)], false, PasswordHash::Bcrypt).1.is_ok());
    let contradicted = Err(Reason::PasswordHashContradicted);
    assert_eq!(of(BCRYPT_2B, &[(ARGON2ID, 3)], false, PasswordHash::Bcrypt).1, contradicted);
    // A named prefix is the one that is written, and another one that nobody else has is foreign.
    let (stands, chosen) = of(BCRYPT_2B, &[], false, PasswordHash::Bcrypt2y);
    assert_eq!((stands, chosen.unwrap().starts_with("bcrypt ($2y$, cost 12)")), (Own::Foreign, true));
    assert_eq!(of(BCRYPT_2B, &[(BCRYPT_2B, 3)], false, PasswordHash::Bcrypt2y).0, Own::Fitting);
}

#[test]
fn columns_are_taken_for_a_salt_or_an_algorithm_by_their_whole_names_only() {
    for (name, says) in [
        ("salt", Some(Says::Salt)),
        ("Password_Salt", Some(Says::Salt)),
        ("password_algo", Some(Says::Algorithm)),
        ("passwd_hash_algo", Some(Says::Algorithm)),
        ("hashVersion", Some(Says::Algorithm)),
        ("session_salt", None),
        ("version", None),
        ("type", None),
        ("basalt", None),
    ] {
        assert_eq!(Says::of(name), says, "{name}");
    }
}
