//! Lists of people: CSV and snapshots, as a ConfigMap or a file has them.

use auth_consistency::domain::{
    facts::key_kind::KeyKind,
    identities::{
        list::{Identities, MAX_FIELD, canonical},
        snapshot::Snapshot,
    },
};

use proptest::prelude::*;

use crate::{canary::keeps_canary, mutate::Target};

fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn property(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let one = Snapshot::is_one(&text);
    let _ = Snapshot::is_keyed(&text);
    let snapshot = Snapshot::read(text.strip_prefix('\u{feff}').unwrap_or(&text));
    match &snapshot {
        Err(error) => keeps_canary(error),
        Ok(snapshot) => {
            assert!(one || text.starts_with('\u{feff}'), "it is read as what it is none of");
            assert_eq!(Snapshot::read(&snapshot.write().unwrap()).as_ref(), Ok(snapshot));
        }
    }
    // Too short a passphrase costs nothing, and what is keyed is looked at before it.
    let keyed = Identities::parse(&text, "the list".into(), Some(b"short"));
    keeps_canary(&keyed.expect_err("a passphrase of five bytes opens nothing"));
    let people = match Identities::parse(&text, "the list".into(), None) {
        Ok(people) => people,
        Err(error) => {
            keeps_canary(&error);
            assert!(error.len() < 500, "{} bytes are said of it", error.len());
            return error.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
        }
    };
    assert!(!people.people.is_empty() && people.people.len() <= bytes.len());
    for person in &people.people {
        for text in [&person.id, &person.login] {
            assert!((1..=MAX_FIELD).contains(&text.len()) && !text.contains('\0'), "{text:?} is no field");
        }
        for kind in [KeyKind::Integer, KeyKind::Uuid] {
            if let Ok(id) = canonical(kind, &person.id) {
                assert_eq!(canonical(kind, &id), Ok(id.clone()), "one spelling stays as it is");
            }
        }
    }
    // A list of people never shows their logins.
    // Ids may be told: here they are numbers, which have nothing of the canary.
    let numbers = people.people.iter().all(|person| person.id.bytes().all(|byte| byte.is_ascii_digit()));
    if numbers && people.before.is_none() {
        keeps_canary(&format!("{people:?}"));
    }
    if people.before.is_none() {
        let rows = people.people.iter().map(|one| format!("{},{}\r\n", field(&one.id), field(&one.login)));
        let again = format!("\u{feff}ID , Login\n\n{}", rows.collect::<String>());
        let again = Identities::parse(&again, "the list".into(), None).expect("it is understood again");
        assert_eq!(again.digest(), people.digest());
    }
    let lines =
        people.people.iter().map(|person| person.row).collect::<std::collections::BTreeSet<_>>().len();
    format!("{} {}", people.before.is_some(), lines.min(3))
}

#[test]
fn no_list_of_people_makes_it_panic_and_what_is_refused_is_not_repeated() {
    let snapshot = include_bytes!("seeds/snapshot.json");
    let keyed = include_bytes!("seeds/snapshot-keyed.json");
    let texts = [
        "id,login\n1,ada@example.com\n2,bob@example.com\n",
        "\u{feff}login;id\n",
        "Login , ID\r\n\r\n\"a, b\"\"c\" , 7\r\n",
        "id,login\n1\n",
        "id,login\n\"1,2\n",
    ];
    let mut seeds = vec![snapshot.to_vec(), keyed.to_vec()];
    seeds.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
    Target {
        name: "people",
        seeds,
        words: &[b"id,login\n", b"\"", b"\"\"", b",", b"\n", b"\r\n", b"\r", b"{", b"}", b"[", b"]", b"null", b"true",
            b"\"people\":", b"\"kind\":\"IdentitySnapshot\"", b"auth.probeops.com/v1alpha1", b"\\u0000", b"\\ud800",
            b"1e999", b"[[[[[[[[[[[[[[[[", b"\xef\xbb\xbf"],
        strategy: "(\u{feff})?(id,login|login,id)?[\r\n]{0,2}([a-zA-Z0-9@\", .\u{0}é]{0,12}[,;]?[\"a-z@. ]{0,9}[\r\n]{0,2}){0,8}"
            .prop_map(String::into_bytes)
            .boxed(),
        property: Box::new(property),
        work: 2,
    }
    .run();
}
