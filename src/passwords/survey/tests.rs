use proptest::prelude::*;

use super::*;
use crate::passwords::Cost;

const BCRYPT: &str = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
const ARGON2ID: &str =
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// So many accounts with a hash that has this prefix and cost.
fn bcrypt(prefix: &str, cost: u32, accounts: usize) -> Vec<String> {
    vec![BCRYPT.replacen("$2a$06$", &format!("{prefix}{cost:02}$"), 1); accounts]
}

fn looked(rows: &[Vec<String>]) -> Survey {
    survey(rows.iter().flatten().map(|row| row.as_str().into()))
}

fn texts(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn a_table_of_one_format_is_followed() {
    let survey = looked(&[bcrypt("$2y$", 12, 7)]);
    let new = Format { family: PasswordFamily::Bcrypt, prefix: "$2y$", cost: Cost::Power(12) };
    let majority = Majority { new, accounts: 7, of: 7, alike: None, told: true };
    assert_eq!((survey.sample, survey.majority()), (7, Some(majority)));
    assert_eq!((survey.formats.as_slice(), survey.others.as_slice()), (&[(new, 7)][..], &[][..]));
}

#[test]
fn the_strongest_parameters_that_are_common_are_taken_and_not_the_one_account_of_a_zealot() {
    let new = |rows: &[Vec<String>]| looked(rows).majority().unwrap().new;
    let power = |cost| Format { family: PasswordFamily::Bcrypt, prefix: "$2b$", cost: Cost::Power(cost) };
    assert_eq!(new(&[bcrypt("$2b$", 10, 20), bcrypt("$2b$", 12, 5)]), power(12));
    assert_eq!(new(&[bcrypt("$2b$", 10, 20), bcrypt("$2b$", 14, 1)]), power(10));
    // Neither cheaper than is safe nor dearer than is verified.
    assert_eq!(new(&[bcrypt("$2b$", 4, 3)]), power(10));
    assert_eq!(new(&[bcrypt("$2b$", 31, 3)]), power(14));
    // The prefix is the most frequent one's, and the cost that of its own hashes.
    let mixed = new(&[bcrypt("$2b$", 11, 6), bcrypt("$2a$", 13, 4)]);
    assert_eq!(mixed, power(11));
}

#[test]
fn no_family_with_half_or_less_is_a_majority() {
    let argon2 = |accounts| vec![ARGON2ID.to_owned(); accounts];
    assert_eq!(looked(&[bcrypt("$2b$", 12, 3), argon2(3)]).majority(), None);
    assert_eq!(looked(&[]).majority(), None);
    let survey = looked(&[bcrypt("$2b$", 12, 4), argon2(3)]);
    assert_eq!(
        survey.majority().map(|most| (most.new.family, most.accounts, most.of)),
        Some((PasswordFamily::Bcrypt, 4, 7))
    );
    // Others count too, whatever they are.
    let unknown = texts(&["$y$j9T$a", "$y$j9T$b", "$y$j9T$c", "$y$j9T$d"]);
    assert_eq!(looked(&[bcrypt("$2b$", 12, 4), unknown]).majority(), None);
}

#[test]
fn accounts_without_a_password_have_no_say() {
    let survey = looked(&[bcrypt("$2b$", 12, 2), texts(&["", "!", "*", "", "x"])]);
    assert_eq!((survey.sample, survey.without, survey.with_password()), (7, 5, 2));
    assert_eq!(survey.majority().map(|most| (most.accounts, most.of)), Some((2, 2)));
    assert_eq!(survey.others, []);
}

#[test]
fn a_named_family_is_contradicted_by_accounts_that_have_others_only() {
    let survey = looked(&[bcrypt("$2b$", 12, 20), vec![ARGON2ID.to_owned(); 1]]);
    assert!(!survey.contradicts(PasswordFamily::Bcrypt) && !survey.contradicts(PasswordFamily::Argon2id));
    assert!(survey.contradicts(PasswordFamily::DjangoPbkdf2Sha256));
    assert!(looked(&[texts(&["{SSHA}abc"])]).contradicts(PasswordFamily::Bcrypt));
    assert!(!looked(&[texts(&["", "!"])]).contradicts(PasswordFamily::Bcrypt), "nobody has a password");
    assert!(!looked(&[]).contradicts(PasswordFamily::Bcrypt));
}

#[test]
fn families_that_look_alike_are_told_and_none_of_them_is_contradicted() {
    let pair = format!("{}:{}", "0a".repeat(16), "1b".repeat(64));
    let survey = looked(&[vec![pair; 3]]);
    let majority = survey.majority().unwrap();
    assert_eq!((majority.new.family, majority.told), (PasswordFamily::BetterAuthScrypt, false));
    assert_eq!(majority.alike, Some(PasswordFamily::NodeScrypt));
    assert!(!survey.contradicts(PasswordFamily::NodeScrypt));
    assert_eq!(survey.new_in(PasswordFamily::NodeScrypt), Format::default_of(PasswordFamily::NodeScrypt));
    // A table of something else is no reason to say that another looks alike.
    assert_eq!(looked(&[bcrypt("$2b$", 12, 3)]).majority().unwrap().alike, None);
}

/// Of Node's scrypt: with the salt first, which looks like better-auth's, or the key first.
fn node(salt_first: usize, key_first: usize) -> Survey {
    let (salt, key) = ("0a".repeat(16), "1b".repeat(64));
    looked(&[vec![format!("{salt}:{key}"); salt_first], vec![format!("{key}.{salt}"); key_first]])
}

#[test]
fn the_order_of_nodes_scrypt_is_that_of_most_rows_and_not_of_the_one_that_looks_like_nothing_else() {
    let order = |survey: &Survey| survey.new_in(PasswordFamily::NodeScrypt).prefix;
    for (salt_first, key_first, prefix) in
        [(9, 1, "salt:key"), (2, 1, "salt:key"), (1, 9, "key.salt"), (0, 3, "key.salt")]
    {
        let survey = node(salt_first, key_first);
        assert_eq!(order(&survey), prefix, "{salt_first} {key_first}");
        assert_eq!(survey.undecided(PasswordFamily::NodeScrypt), None);
        assert_eq!(survey.has(PasswordFamily::NodeScrypt), salt_first + key_first);
    }
    let even = node(2, 2);
    assert_eq!(even.undecided(PasswordFamily::NodeScrypt), Some(vec![("key.salt", 2), ("salt:key", 2)]));
    assert_eq!(looked(&[]).undecided(PasswordFamily::NodeScrypt), None);
    // Most look like both, and all of them are one.
    let majority = node(3, 1).majority().unwrap();
    assert_eq!(
        (majority.new.family, majority.alike),
        (PasswordFamily::BetterAuthScrypt, Some(PasswordFamily::NodeScrypt))
    );
    // A library that made hashes of two prefixes reads both.
    let mixed = looked(&[bcrypt("$2a$", 12, 2), bcrypt("$2b$", 12, 2)]);
    assert_eq!(mixed.undecided(PasswordFamily::Bcrypt), None);
}

#[test]
fn a_variant_that_nobody_has_is_told_of_a_family_that_somebody_has() {
    let format = |prefix| Format { family: PasswordFamily::Bcrypt, prefix, cost: Cost::Power(10) };
    let survey = looked(&[bcrypt("$2b$", 12, 3), bcrypt("$2a$", 12, 1)]);
    assert!(survey.lacks(&format("$2y$")));
    assert!(!survey.lacks(&format("$2a$")) && !survey.lacks(&format("$2b$")));
    assert!(!looked(&[]).lacks(&format("$2y$")));
    assert!(!survey.lacks(&Format::default_of(PasswordFamily::Argon2id)), "that is another family");
}

#[test]
fn what_others_are_is_counted_by_what_they_are() {
    let printed: Vec<String> = bcrypt("$2b$", 12, 3).into_iter().map(|hash| format!("b'{hash}'")).collect();
    let survey = looked(&[printed, texts(&["{SSHA}abc", "hunter2"])]);
    let counts: Vec<usize> = survey.others.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [3, 1, 1]);
    assert!(survey.others[0].0.to_string().contains("Python's bytes"), "{}", survey.others[0].0);
}

#[test]
fn plain_text_is_said_of_several_rows_of_different_lengths_only() {
    let plain = |rows: &[&str]| {
        looked(&[texts(rows)]).others.iter().any(|(other, _)| *other == Description::PlainText)
    };
    assert!(plain(&["hunter2", "secret", "correct horse"]));
    assert!(!plain(&["hunter2", "secret"]));
    // Of one length, as digests of one kind are.
    assert!(!plain(&["q0w9e8r7t6", "a1s2d3f4g5", "z9x8c7v6b5"]));
    assert!(!plain(&["{SSHA}abc", "{SSHA}abcd", "{SSHA}abcde"]));
}

#[test]
fn salt_and_algorithm_of_their_own_columns_are_looked_at() {
    let hash = "0a".repeat(50);
    let row = |algorithm| Stored { hash: &hash, salt: Some("00112233445566778899aabbccddeeff"), algorithm };
    let gitea = survey([row(Some("pbkdf2$320000$50")), row(Some("pbkdf2$50000$50"))]);
    let new = gitea.majority().unwrap().new;
    assert_eq!((new.family, new.cost), (PasswordFamily::GiteaPbkdf2, Cost::Rounds(320_000)));
    let grafana = survey([row(None)]).majority().unwrap();
    assert_eq!((grafana.new.family, grafana.told), (PasswordFamily::GrafanaPbkdf2, false));
}

proptest! {
    #[test]
    fn every_account_is_counted_once(rows in proptest::collection::vec("(\\$2b\\$)?.{0,12}|!|", 0..20)) {
        let survey = looked(std::slice::from_ref(&rows));
        let formats: usize = survey.formats.iter().map(|(_, count)| count).sum();
        let others: usize = survey.others.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(survey.sample, rows.len());
        prop_assert_eq!(formats + others + survey.without, rows.len());
    }
}

#[test]
fn what_holds_a_digest_is_never_said_to_be_plain_text() {
    let digest = "78f4ae6983f76119cccccccccccccccc";
    let unknown = [format!("v9!{digest}"), format!("v10!{digest}"), format!("v100!{digest}!x")];
    let found = survey(unknown.iter().map(|hash| Stored::from(hash.as_str())));
    assert_eq!(found.others, [(Description::Unrecognised, 3)]);
    let thought_of = ["hunter2", "correct horse battery staple", "letmein", "password-of-4711"];
    let found = survey(thought_of.iter().map(|hash| Stored::from(*hash)));
    assert_eq!(found.others, [(Description::PlainText, 4)]);
}
