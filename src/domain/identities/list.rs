//! Whom old ids named: a snapshot or a CSV file, parsed once into a list of people that cannot be
//! wrong.

use crate::domain::{
    facts::key_kind::KeyKind,
    fault::SecretProblem,
    target::users::Users,
    text::{count, hex, number},
};

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::snapshot::{self, Keyed, Logins, Snapshot};

/// More people than this are refused: they are held in memory while a pass compares them.
pub const MAX_PEOPLE: usize = 1_000_000;

/// Bytes that an id or a login may take.
pub const MAX_FIELD: usize = 1024;

/// A passphrase shorter than this is no use: logins are guessable, so it is all that protects them.
pub const LEAST_PASSPHRASE: usize = 12;

/// The ConfigMaps that a spec names, as they were read: what their keys hold, or why they cannot be
/// used.
pub type ConfigMaps = BTreeMap<String, Result<BTreeMap<String, String>, SecretProblem>>;

/// Whom old ids named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// The people, in the order of the list.
    pub people: Vec<ListedUser>,
    /// Makes of a login what the list has instead; `None`: the list has logins as they are.
    pub key: Option<LoginKey>,
    /// What else a snapshot knows; `None` for CSV.
    pub before: Option<Before>,
    /// Where the list is from, for messages.
    pub origin: String,
}

/// One person of the list.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// The old id, as the list has it.
    pub id: String,
    /// The login, or its keyed digest.
    pub login: String,
    /// Line of a CSV file, or position in a snapshot, from 1.
    pub row: u64,
}

/// A login is personal data and stands in no log.
impl fmt::Debug for ListedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.id)
    }
}

/// What a snapshot knows beside the people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Schema and table of the users.
    pub users: (String, String),
    /// Fingerprint of the signing key.
    pub fingerprint: Option<String>,
    /// The references.
    pub references: Vec<snapshot::Reference>,
}

/// A key that makes of a login a digest that says nothing without it.
#[derive(Clone)]
pub struct LoginKey(Zeroizing<[u8; 32]>);

impl PartialEq for LoginKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice() == other.0.as_slice()
    }
}

impl Eq for LoginKey {}

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginKey([redacted])")
    }
}

/// What a keyed snapshot holds so that another passphrase is told from people who changed.
const CHECK: &str = "auth-consistency snapshot: the passphrase is this one";

impl LoginKey {
    /// Derives the key: scrypt (RFC 7914) over the passphrase's exact bytes.
    ///
    /// # Errors
    /// The passphrase is too short to protect anything.
    pub fn derive(passphrase: &[u8], salt: &[u8]) -> Result<Self, String> {
        if passphrase.len() < LEAST_PASSPHRASE {
            return Err(format!(
                "the passphrase has {} bytes: use at least {LEAST_PASSPHRASE}, since logins are easily guessed",
                passphrase.len()
            ));
        }
        let mut key = Zeroizing::new([0; 32]);
        let params = scrypt::Params::new(snapshot::LOG_N, 8, 1)
            .map_err(|_| "scrypt does not take its parameters".to_owned())?;
        scrypt::scrypt(passphrase, salt, &params, key.as_mut_slice())
            .map_err(|_| "scrypt does not take the passphrase".to_owned())?;
        Ok(Self(key))
    }

    /// HMAC-SHA-256 of a login's exact bytes, hexadecimal.
    pub fn digest(&self, login: &str) -> String {
        // HMAC takes keys of any length, so this is never empty.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else { return String::new() };
        mac.update(login.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// What tells this passphrase from another.
    pub fn check(&self) -> String {
        self.digest(CHECK)
    }
}

impl Identities {
    /// Parses a snapshot or CSV, whichever it is.
    ///
    /// # Errors
    /// What is wrong with it, and in which field or row.
    pub fn parse(text: &str, origin: String, passphrase: Option<&[u8]>) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed = if text.trim_start().starts_with('{') {
            from_snapshot(text, passphrase)
        } else if passphrase.is_some() {
            Err("it is CSV, whose logins are not keyed: leave the passphrase out".into())
        } else {
            csv(text).map(|people| (people, None, None))
        };
        let (people, key, before) = parsed.map_err(|why| format!("{origin}: {why}"))?;
        if people.is_empty() {
            return Err(format!("{origin}: nobody stands in it"));
        }
        Ok(Self { people, key, before, origin })
    }

    /// Whether it is about the user table that the spec names.
    ///
    /// # Errors
    /// A snapshot says that it is of another table.
    pub fn of(&self, users: &Users) -> Result<(), String> {
        let Some((schema, table)) = self.before.as_ref().map(|before| &before.users) else { return Ok(()) };
        if (schema, table) == (&users.schema, &users.table) {
            return Ok(());
        }
        Err(format!(
            "{}: it is of the table {schema}.{table}, and the users are in {}.{}: take one of that table, or give CSV",
            self.origin, users.schema, users.table
        ))
    }

    /// SHA-256 over the list, hexadecimal: another list has another.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for person in &self.people {
            for part in [&person.id, &person.login] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part.as_bytes());
            }
        }
        for reference in self.before.iter().flat_map(|before| &before.references) {
            digest.update(format!("{reference:?}").as_bytes());
        }
        hex(&digest.finalize())
    }
}

type Parsed = (Vec<ListedUser>, Option<LoginKey>, Option<Before>);

fn from_snapshot(text: &str, passphrase: Option<&[u8]>) -> Result<Parsed, String> {
    let snapshot = Snapshot::read(text)?;
    let key = match (snapshot.logins, passphrase) {
        (Logins::Plain, None) => None,
        (Logins::Plain, Some(_)) => {
            return Err("its logins are not keyed: leave the passphrase out".into());
        }
        (Logins::Keyed(_), None) => {
            return Err("its logins are keyed: give the passphrase that it was taken with".into());
        }
        (Logins::Keyed(keyed), Some(passphrase)) => Some(unlock(&keyed, passphrase)?),
    };
    let mut people = Vec::with_capacity(snapshot.people.len());
    for (at, (id, login)) in snapshot.people.into_iter().enumerate() {
        let row = at as u64 + 1;
        let within = format!("people[{at}]");
        check_field(&within, "id", &id)?;
        // Who has no login cannot be found again by it.
        let Some(login) = login else { continue };
        check_field(&within, "login", &login)?;
        people.push(ListedUser { id, login, row });
    }
    bounded(people.len())?;
    let before = Before {
        users: (snapshot.users.schema, snapshot.users.table),
        fingerprint: snapshot.signing_key.and_then(|key| key.fingerprint),
        references: snapshot.references,
    };
    Ok((people, key, Some(before)))
}

fn unlock(keyed: &Keyed, passphrase: &[u8]) -> Result<LoginKey, String> {
    let salt = keyed.salt_bytes().ok_or("logins.keyed.salt is no hexadecimal text")?;
    let key = LoginKey::derive(passphrase, &salt)?;
    if key.check() != keyed.check {
        return Err("the passphrase is not the one that it was taken with".into());
    }
    Ok(key)
}

/// CSV of two columns: spreadsheets' quotes, line ends, blank lines and spaces are all right.
fn csv(text: &str) -> Result<Vec<ListedUser>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut columns: Option<(usize, usize)> = None;
    let mut people = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let row = error.position().map_or(0, |at| line(text, at));
            format!("row {row} cannot be read as CSV")
        })?;
        let row = record.position().map_or(0, |at| line(text, at));
        if record.iter().all(str::is_empty) {
            continue;
        }
        let Some((id, login)) = columns else {
            let names: Vec<String> = record.iter().map(str::to_ascii_lowercase).collect();
            columns = match names.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["id", "login"] => Some((0, 1)),
                ["login", "id"] => Some((1, 0)),
                _ => {
                    return Err(format!(
                        "row {row}: the first row must be the header id,login, and those must be the only columns"
                    ));
                }
            };
            continue;
        };
        if record.len() != 2 {
            return Err(format!(
                "row {row} has {} and must have 2: put a value with a comma in quotes",
                count(record.len() as i64, "column")
            ));
        }
        let within = format!("row {row}");
        let (id, login) =
            (record.get(id).unwrap_or_default().to_owned(), record.get(login).unwrap_or_default().to_owned());
        check_field(&within, "id", &id)?;
        check_field(&within, "login", &login)?;
        people.push(ListedUser { id, login, row });
        bounded(people.len())?;
    }
    if columns.is_none() {
        return Err("it is empty: its first row must be the header id,login".into());
    }
    Ok(people)
}

/// The line of a record: the reader counts from where the one before ended, blank lines included.
fn line(text: &str, at: &csv::Position) -> u64 {
    let start = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let before = text.as_bytes().get(start..).unwrap_or_default();
    let blank = before.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    at.line() + blank.count() as u64
}

/// Whether an id or a login is one; `within` is how messages call its row.
///
/// # Errors
/// It is empty, too long, or holds what no database takes.
pub fn check_field(within: &str, name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("{within} has no {name}: fill it, or leave the row out"));
    }
    if value.len() > MAX_FIELD {
        return Err(format!("{within}: its {name} has more than {MAX_FIELD} bytes"));
    }
    if value.contains('\0') {
        return Err(format!("{within}: its {name} holds a NUL byte, which no database takes"));
    }
    Ok(())
}

fn bounded(people: usize) -> Result<(), String> {
    if people > MAX_PEOPLE {
        return Err(format!(
            "more than {} people stand in it: keep the old users in a table and name that in identities.table",
            number(MAX_PEOPLE as i64)
        ));
    }
    Ok(())
}

/// An id in the one spelling that the database has for it; the error says what it should be.
pub fn canonical(kind: KeyKind, id: &str) -> Result<String, &'static str> {
    match kind {
        KeyKind::Integer => id.trim().parse::<i64>().map(|id| id.to_string()).map_err(|_| "is no integer"),
        KeyKind::Uuid => {
            let digits: String = id.chars().filter(|c| !matches!(c, '-' | '{' | '}' | ' ')).collect();
            if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err("is no uuid");
            }
            let digits = digits.to_ascii_lowercase();
            Ok(format!(
                "{}-{}-{}-{}-{}",
                &digits[..8],
                &digits[8..12],
                &digits[12..16],
                &digits[16..20],
                &digits[20..]
            ))
        }
        KeyKind::Text | KeyKind::Other => Ok(id.to_owned()),
    }
}

/// The list with canonical ids, each once; `logins` are the people's logins in the form that the
/// database compares.
///
/// # Errors
/// Two rows give one id to different people, or an id is not of the user table's type.
pub fn settle(
    kind: KeyKind,
    people: impl IntoIterator<Item = (u64, String, String)>,
) -> Result<Vec<(String, String)>, String> {
    let mut seen: HashMap<String, (u64, String)> = HashMap::new();
    let mut settled = Vec::new();
    for (row, id, login) in people {
        // A list whose columns changed places has something else there.
        let id = canonical(kind, &id).map_err(|why| {
            format!("row {row}: the id, of {}, {why}", count(id.chars().count() as i64, "character"))
        })?;
        match seen.get(&id) {
            None => {
                settled.push((id.clone(), login.clone()));
                seen.insert(id, (row, login));
            }
            Some((_, known)) if *known == login => {}
            Some((first, _)) => {
                let named = match kind {
                    KeyKind::Integer | KeyKind::Uuid => format!("the id {id}"),
                    KeyKind::Text | KeyKind::Other => "one id".to_owned(),
                };
                return Err(format!(
                    "rows {first} and {row} give {named} to two different logins: keep the right one"
                ));
            }
        }
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Identities, String> {
        Identities::parse(text, "old.csv".into(), None)
    }

    fn list(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().people.into_iter().map(|one| (one.id, one.login)).collect()
    }

    #[test]
    fn csv_is_read_as_spreadsheets_write_it() {
        let ada = vec![("1".to_owned(), "ada@example.com".to_owned()), ("2".to_owned(), "a,b".to_owned())];
        for text in [
            "id,login\n1,ada@example.com\n2,\"a,b\"\n",
            "\u{feff}id,login\r\n1,ada@example.com\r\n\r\n2,\"a,b\"",
            " ID , Login \n\n 1 , ada@example.com \n,\n2,\"a,b\"\n\n",
            "login,id\nada@example.com,1\n\"a,b\",2\n",
        ] {
            assert_eq!(list(text), ada, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_csv_names_the_row() {
        for (text, why) in [
            ("", "it is empty"),
            ("\n\n", "it is empty"),
            ("id,login\n", "nobody stands in it"),
            ("1,ada@example.com\n", "row 1: the first row must be the header id,login"),
            ("id,login,hashed_password\n", "those must be the only columns"),
            ("id,login\n1,ada\n2\n", "row 3 has 1 column and must have 2"),
            ("id,login\n1,ada\n\n2,b,c\n", "row 4 has 3 columns and must have 2"),
            ("id,login\n,ada\n", "row 2 has no id"),
            ("id,login\n1,\n", "row 2 has no login"),
            ("id,login\n1,a\0b\n", "row 2: its login holds a NUL byte"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("old.csv: ") && error.contains(why), "{text:?}: {error}");
        }
        let long = format!("id,login\n1,{}\n", "x".repeat(MAX_FIELD + 1));
        assert!(parse(&long).unwrap_err().contains("row 2: its login has more than 1024 bytes"));
        assert!(
            Identities::parse("id,login\n1,a\n", "x".into(), Some(b"long enough passphrase"))
                .unwrap_err()
                .contains("leave the passphrase out")
        );
    }

    #[test]
    fn one_id_for_two_people_names_both_rows_and_one_for_the_same_is_fine() {
        let row = |row, id: &str, login: &str| (row, id.to_owned(), login.to_owned());
        let people = settle(KeyKind::Integer, [row(2, "7", "ada"), row(3, "007", "ada"), row(4, "8", "ada")]);
        let pair = |id: &str, login: &str| (id.to_owned(), login.to_owned());
        assert_eq!(people.unwrap(), [pair("7", "ada"), pair("8", "ada")]);
        let error = settle(KeyKind::Integer, [row(2, "7", "ada"), row(5, "+7", "bob")]).unwrap_err();
        assert_eq!(error, "rows 2 and 5 give the id 7 to two different logins: keep the right one");
        assert_eq!(
            settle(KeyKind::Integer, [row(2, "12x", "a")]).unwrap_err(),
            "row 2: the id, of 3 characters, is no integer"
        );
        assert_eq!(
            settle(KeyKind::Uuid, [row(9, "1", "a")]).unwrap_err(),
            "row 9: the id, of 1 character, is no uuid"
        );
        assert_eq!(
            canonical(KeyKind::Uuid, "{6B6FC5C0-4A1A-4E0B-8D3B-0B1C2D3E4F50}").unwrap(),
            "6b6fc5c0-4a1a-4e0b-8d3b-0b1c2d3e4f50"
        );
    }

    #[test]
    fn a_short_passphrase_is_refused_and_a_key_shows_nothing() {
        assert!(LoginKey::derive(b"short", b"salt").unwrap_err().contains("at least 12"));
        let key = LoginKey::derive(b"a long enough passphrase", b"0123456789abcdef").unwrap();
        // Python: hmac.digest(hashlib.scrypt(b"a long enough passphrase", salt=b"0123456789abcdef", n=2**15,
        // r=8, p=1, maxmem=2**26, dklen=32), b"ada@example.com", "sha256").hex()
        assert_eq!(
            key.digest("ada@example.com"),
            "9462804054d11329d35447fca6f6630689b6c339e51715df743aba1100de36e1"
        );
        assert_ne!(key.digest("ada@example.com"), key.digest("Ada@example.com"));
        assert_eq!(format!("{key:?}"), "LoginKey([redacted])");
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_file_is_people_or_an_error_and_never_a_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
            let _ = parse(&format!("{{{text}"));
            let _ = parse(&format!("id,login\n{text}"));
        }

        #[test]
        fn what_a_csv_writer_writes_is_what_is_read(
            people in proptest::collection::vec(("[0-9]{1,9}", "[a-z\",;@. é]{0,12}[a-z]"), 1..20)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["id", "login"]).unwrap();
            for (id, login) in &people {
                writer.write_record([id, login]).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let trimmed: Vec<_> =
                people.iter().map(|(id, login)| (id.clone(), login.trim().to_owned())).collect();
            prop_assert_eq!(list(&text), trimmed);
        }
    }
}
