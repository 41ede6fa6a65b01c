//! Two environments side by side: what of theirs is the same, and what is not.
//!
//! Each side is a [`Snapshot`]: one that was written down, or one that was taken just now. Accounts are the
//! same where their logins are; what matters of them is whether their ids are the same too, since that is
//! what tokens and rows name.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{
    blank,
    identities::snapshot::{self, Logins, Snapshot},
    text::{clip, count, sample},
};

/// What two environments come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Whether nothing differs.
    pub same: bool,
    /// Their accounts.
    pub accounts: Accounts,
    /// Everything else that differs, in the order of schema, tokens.
    pub differences: Vec<Difference>,
    /// How the key of the first side differs from that of the second, where the two are one key that is stored or
    /// decoded otherwise; told where the key of the second is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_of_a: Option<String>,
    /// The same of the second side's key, told where the key of the first alone is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_of_b: Option<String>,
}

/// The accounts of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Accounts {
    /// Logins that have one id on both sides.
    pub same: usize,
    /// Logins that have another id on each side.
    pub moved: Vec<Moved>,
    /// Ids that are somebody else's on the other side: an old token signs in as that one.
    pub shifted: usize,
    /// Accounts of the first side alone.
    pub only_a: Vec<Alone>,
    /// Accounts of the second side alone.
    pub only_b: Vec<Alone>,
    /// Logins that stand more than once on a side, and accounts without one: nothing is said of them.
    pub untold: usize,
}

/// One login with two ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The login; null where the sides hold digests.
    pub login: Option<String>,
    /// Its id on the first side.
    pub a: String,
    /// Its id on the second side.
    pub b: String,
}

/// An account that the other side does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alone {
    /// The login; null where the sides hold digests.
    pub login: Option<String>,
    /// Its id; null where the login stands there more than once.
    pub id: Option<String>,
    /// Ids on the other side of accounts whose logins differ from it by case or surrounding spaces only; none where
    /// the sides hold digests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alike: Vec<String>,
}

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum About {
    /// The server's version.
    Server,
    /// A column of the user table.
    Column,
    /// What new ids are drawn from.
    Sequence,
    /// A reference to the user table.
    Reference,
    /// A foreign key of a reference that both have.
    Constraint,
    /// The signing key.
    SigningKey,
    /// The shape of tokens.
    Tokens,
}

impl About {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Column => "Column",
            Self::Sequence => "Sequence",
            Self::Reference => "Reference",
            Self::Constraint => "Constraint",
            Self::SigningKey => "SigningKey",
            Self::Tokens => "Tokens",
        }
    }
}

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub about: About,
    /// Which one.
    pub of: String,
    /// What the first side has; null where it has nothing.
    pub a: Option<String>,
    /// What the second side has; null where it has nothing.
    pub b: Option<String>,
}

/// How the PEM of a signing key is laid out on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemLayout {
    /// As every library reads it, or the key is in no PEM.
    Usual,
    /// As not every library does: in a few words.
    Odd(&'static str),
    /// A snapshot does not hold it.
    Unknown,
}

impl Comparison {
    /// Adds that one key pair is laid out otherwise on the two sides. A fingerprint is of the key and not of the
    /// text, so that it does not tell.
    pub fn add_pem_layouts(&mut self, a: PemLayout, b: PemLayout) {
        let is_odd = |side| matches!(side, PemLayout::Odd(_));
        let one_key =
            !self.differences.iter().any(|one| one.about == About::SigningKey && one.of != "algorithm");
        if !one_key || a == b || !(is_odd(a) || is_odd(b)) {
            return;
        }
        let words = |side| match side {
            PemLayout::Usual => "as every library reads it",
            PemLayout::Odd(what) => what,
            PemLayout::Unknown => "not in the snapshot",
        };
        let (a, b) = (Some(words(a).to_owned()), Some(words(b).to_owned()));
        self.differences.push(Difference { about: About::SigningKey, of: PEM_LAYOUT.into(), a, b });
        self.same = false;
    }
}

/// What a difference between two layouts of one PEM is called.
pub const PEM_LAYOUT: &str = "layout of the PEM";

/// Compares two environments.
///
/// # Errors
/// The logins of the two cannot be compared: one side holds digests and the other does not, or they were made
/// with other salts. Or an id stands on a side more than once, so that it says nothing of an account.
pub fn compare(a: &Snapshot, b: &Snapshot) -> Result<Comparison, String> {
    match (&a.logins, &b.logins) {
        (Logins::Plain, Logins::Plain) => {}
        (Logins::Keyed(a), Logins::Keyed(b)) if (&a.salt, &a.check) == (&b.salt, &b.check) => {}
        (Logins::Keyed(_), Logins::Keyed(_)) => {
            return Err("the logins of the two were keyed each by itself, so nobody can tell who is who: compare one of them with a resource".into());
        }
        _ => {
            return Err(
                "the logins of one are keyed and those of the other are not, so nobody can tell who is who"
                    .into(),
            );
        }
    }
    for (called, side) in [("A", a), ("B", b)] {
        unique(called, side)?;
    }
    let accounts = accounts(a, b);
    let mut differences = Vec::new();
    // A new minor version is no difference; another library may sort texts otherwise.
    differ(
        &mut differences,
        About::Server,
        "version",
        Some(major(&a.database.server_version)),
        Some(major(&b.database.server_version)),
    );
    columns(a, b, &mut differences);
    differ(&mut differences, About::Sequence, "of the id", sequence(a), sequence(b));
    references(a, b, &mut differences);
    keys(a, b, &mut differences);
    tokens(a, b, &mut differences);
    let same = differences.is_empty()
        && accounts.moved.is_empty()
        && accounts.shifted == 0
        && accounts.only_a.is_empty()
        && accounts.only_b.is_empty();
    Ok(Comparison { same, accounts, differences, key_of_a: None, key_of_b: None })
}

/// That each id of a side is one account's.
fn unique(called: &str, side: &Snapshot) -> Result<(), String> {
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, _) in &side.people {
        *rows.entry(id).or_default() += 1;
    }
    rows.retain(|_, rows| *rows > 1);
    let ids = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if ids == 0 {
        return Ok(());
    }
    let shown: Vec<String> = rows.keys().take(5).map(|id| clip(id, 40)).collect();
    Err(format!(
        "{} of {called} {} in more than one row ({} in all; {}), so by an id nobody can tell whom it names (IdNotUnique): run `auth-consistency explain IdNotUnique` to see what ends it",
        count(ids, "id"),
        if ids == 1 { "stands" } else { "stand" },
        count(rows.values().sum(), "row"),
        sample(&shown, ids)
    ))
}

fn differ(
    differences: &mut Vec<Difference>,
    about: About,
    of: impl Into<String>,
    a: Option<String>,
    b: Option<String>,
) {
    if a != b {
        differences.push(Difference { about, of: of.into(), a, b });
    }
}

fn major(version: &str) -> String {
    version.split('.').next().unwrap_or(version).to_owned()
}

/// The sequence of the ids. How far it is differs from place to place, and says something only where it is
/// behind the ids that there are, as `check` counts them: the last one that it can come to is none.
fn sequence(side: &Snapshot) -> Option<String> {
    let sequence = side.users.sequence.as_ref()?;
    let last = sequence.last.unwrap_or_else(|| last_of_type(side));
    let ids = side.people.iter().filter_map(|(id, _)| id.parse::<i64>().ok());
    let descends = sequence.increment.is_some_and(|step| step < 0);
    let (farthest, called) = if descends {
        (ids.filter(|id| *id > last).min().filter(|lowest| sequence.next >= *lowest), "lowest")
    } else {
        (ids.filter(|id| *id < last).max().filter(|highest| sequence.next <= *highest), "highest")
    };
    Some(match farthest {
        Some(id) => format!("{}, behind: next {}, {called} id {id}", sequence.name, sequence.next),
        None => sequence.name.clone(),
    })
}

/// The last id that the column's type can hold, for snapshots that do not say where ids end.
fn last_of_type(side: &Snapshot) -> i64 {
    let id = side.users.columns.iter().find(|column| column.name == side.users.id_column);
    match id.map(|column| column.data_type.as_str()) {
        Some("smallint") => i64::from(i16::MAX),
        Some("integer") => i64::from(i32::MAX),
        _ => i64::MAX,
    }
}

/// Logins with their ids; `None` for one that stands there more than once.
fn by_login(side: &Snapshot) -> (BTreeMap<&str, Option<&str>>, usize) {
    let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut untold = 0;
    for (id, login) in &side.people {
        match login {
            Some(login) => {
                found.entry(login).and_modify(|id| *id = None).or_insert(Some(id));
            }
            None => untold += 1,
        }
    }
    untold += found.values().filter(|id| id.is_none()).count();
    (found, untold)
}

fn accounts(a: &Snapshot, b: &Snapshot) -> Accounts {
    let ((of_a, untold_a), (of_b, untold_b)) = (by_login(a), by_login(b));
    let plain = matches!(a.logins, Logins::Plain);
    let mut accounts = Accounts { untold: untold_a + untold_b, ..Accounts::default() };
    let folded = |side: &Snapshot| -> BTreeMap<String, Vec<String>> {
        let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, login) in side.people.iter().filter(|_| plain) {
            if let Some(login) = login {
                ids.entry(fold(login)).or_default().push(id.clone());
            }
        }
        ids
    };
    let (alike_a, alike_b) = (folded(a), folded(b));
    let alone = |login: &str, id: Option<&str>, others: &BTreeMap<String, Vec<String>>| Alone {
        login: plain.then(|| login.to_owned()),
        id: id.map(str::to_owned),
        alike: others.get(&fold(login)).cloned().unwrap_or_default(),
    };
    for (login, id) in &of_a {
        match (id, of_b.get(login)) {
            (id, None) => accounts.only_a.push(alone(login, *id, &alike_b)),
            (Some(a), Some(Some(b))) if a == b => accounts.same += 1,
            (Some(a), Some(Some(b))) => accounts.moved.push(Moved {
                login: plain.then(|| (*login).to_owned()),
                a: (*a).to_owned(),
                b: (*b).to_owned(),
            }),
            _ => {}
        }
    }
    accounts.only_b = of_b
        .iter()
        .filter(|(login, _)| !of_a.contains_key(*login))
        .map(|(login, id)| alone(login, *id, &alike_a))
        .collect();
    let owners: BTreeMap<&str, &str> = of_b.iter().filter_map(|(login, id)| Some(((*id)?, *login))).collect();
    accounts.shifted = of_a
        .iter()
        .filter(|(login, id)| id.and_then(|id| owners.get(id)).is_some_and(|owner| owner != *login))
        .count();
    accounts
}

/// A login as one has it that knows neither case nor blanks around it.
fn fold(login: &str) -> String {
    blank::folded(login)
}

fn columns(a: &Snapshot, b: &Snapshot, differences: &mut Vec<Difference>) {
    let of = |side: &Snapshot| -> BTreeMap<String, String> {
        side.users
            .columns
            .iter()
            .map(|column| (format!("{}.{}", side.users.table, column.name), column.data_type.clone()))
            .collect()
    };
    sides(&of(a), &of(b), About::Column, differences);
}

/// What stands on one side alone, or otherwise on the other.
fn sides(
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
    about: About,
    differences: &mut Vec<Difference>,
) {
    for (of, value) in a {
        differ(differences, about, of.clone(), Some(value.clone()), b.get(of).cloned());
    }
    for (of, value) in b.iter().filter(|(of, _)| !a.contains_key(*of)) {
        differ(differences, about, of.clone(), None, Some(value.clone()));
    }
}

fn references(a: &Snapshot, b: &Snapshot, differences: &mut Vec<Difference>) {
    let place = |one: &snapshot::Reference| {
        let names: Vec<&str> = one.columns.iter().map(|column| column.name.as_str()).collect();
        format!("{}.{} ({})", one.schema, one.table, names.join(", "))
    };
    let types = |side: &Snapshot| -> BTreeMap<String, String> {
        side.references
            .iter()
            .map(|one| {
                let types: Vec<&str> = one.columns.iter().map(|column| column.data_type.as_str()).collect();
                (place(one), types.join(", "))
            })
            .collect()
    };
    let (types_a, types_b) = (types(a), types(b));
    sides(&types_a, &types_b, About::Reference, differences);
    let definitions = |side: &Snapshot| -> BTreeMap<String, String> {
        side.references
            .iter()
            .map(|one| {
                let said = match &one.constraint {
                    None => "no foreign key".to_owned(),
                    Some(name) => format!("{name} {}", one.definition.as_deref().unwrap_or_default()),
                };
                (place(one), said)
            })
            .collect()
    };
    // One that is missing as a whole was told already.
    let both = |mut said: BTreeMap<String, String>| {
        said.retain(|of, _| types_a.contains_key(of) && types_b.contains_key(of));
        said
    };
    sides(&both(definitions(a)), &both(definitions(b)), About::Constraint, differences);
}

fn keys(a: &Snapshot, b: &Snapshot, differences: &mut Vec<Difference>) {
    let Some((key_a, key_b)) = a.signing_key.as_ref().zip(b.signing_key.as_ref()) else {
        let there = |side: &Snapshot| side.signing_key.as_ref().map(|_| "a signing key".to_owned());
        differ(differences, About::SigningKey, "key", there(a), there(b));
        return;
    };
    match (&key_a.fingerprint, &key_b.fingerprint) {
        (Some(a), Some(b)) => {
            differ(differences, About::SigningKey, "fingerprint", Some(a.clone()), Some(b.clone()));
        }
        // A weak key has none: whether the two are one cannot be told from here.
        (a, b) => {
            let said =
                |side: &Option<String>| Some(side.clone().unwrap_or_else(|| "not shown: too weak".into()));
            differences.push(Difference {
                about: About::SigningKey,
                of: "fingerprint".into(),
                a: said(a),
                b: said(b),
            });
        }
    }
    let algorithm = |key: &snapshot::Key| Some(format!("{:?}", key.algorithm));
    differ(differences, About::SigningKey, "algorithm", algorithm(key_a), algorithm(key_b));
}

fn tokens(a: &Snapshot, b: &Snapshot, differences: &mut Vec<Difference>) {
    // A snapshot of an earlier version does not say.
    let Some((a, b)) = a.tokens.as_ref().zip(b.tokens.as_ref()) else { return };
    let mut tell = |of: &str, a: Option<String>, b: Option<String>| {
        differ(differences, About::Tokens, of, a, b);
    };
    tell("lifetime", Some(format!("{} s", a.lifetime_seconds)), Some(format!("{} s", b.lifetime_seconds)));
    tell("issuer", a.issuer.clone(), b.issuer.clone());
    tell("audience", a.audience.clone(), b.audience.clone());
    tell("subject claim", Some(a.subject_claim.clone()), Some(b.subject_claim.clone()));
    tell("subject type", Some(format!("{:?}", a.subject_type)), Some(format!("{:?}", b.subject_type)));
    tell("subject column", Some(a.subject_column.clone()), Some(b.subject_column.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::{Algorithm, SubjectType};
    use crate::domain::identities::snapshot::{
        Column, Database, Key, Keyed, Reference, Sequence, Tokens, Users,
    };

    fn side() -> Snapshot {
        let column = |name: &str, data_type: &str| Column { name: name.into(), data_type: data_type.into() };
        Snapshot {
            api_version: crate::api::API_VERSION.into(),
            kind: crate::domain::identities::snapshot::KIND.into(),
            taken: "2026-11-01T00:00:00Z".into(),
            holds_personal_data: true,
            database: Database {
                engine: "PostgreSQL".into(),
                server_version: "15.18".into(),
                system_identifier: "1".into(),
                database_oid: 5,
            },
            users: Users {
                schema: "public".into(),
                table: "users".into(),
                id_column: "id".into(),
                login_column: "email".into(),
                columns: vec![column("id", "integer"), column("email", "text")],
                sequence: Some(Sequence {
                    schema: "public".into(),
                    name: "users_id_seq".into(),
                    next: 9,
                    increment: Some(1),
                    last: Some(i64::from(i32::MAX)),
                }),
            },
            logins: Logins::Plain,
            signing_key: Some(Key { fingerprint: Some("v1:scrypt:aa".into()), algorithm: Algorithm::HS256 }),
            references: vec![Reference {
                schema: "public".into(),
                table: "logs".into(),
                columns: vec![column("user_id", "integer")],
                constraint: Some("logs_user_id_fkey".into()),
                definition: Some("FOREIGN KEY (user_id) REFERENCES users(id)".into()),
                high_water: None,
            }],
            tokens: Some(Tokens {
                lifetime_seconds: 86_400,
                issuer: None,
                audience: None,
                subject_claim: "sub".into(),
                subject_type: SubjectType::String,
                subject_column: "id".into(),
            }),
            long_logins: None,
            people: [("1", "admin"), ("2", "ada"), ("3", "bob")]
                .map(|(id, login)| (id.to_owned(), Some(login.to_owned())))
                .to_vec(),
        }
    }

    fn people(side: &mut Snapshot, people: &[(&str, Option<&str>)]) {
        side.people = people.iter().map(|(id, login)| ((*id).to_owned(), login.map(str::to_owned))).collect();
    }

    #[test]
    fn a_sequence_is_behind_where_check_says_so() {
        let said = |ids: &[&str], id_type: &str, next: i64, increment: Option<i64>, last: Option<i64>| {
            let mut side = side();
            side.users.columns[0].data_type = id_type.into();
            let people: Vec<(&str, Option<&str>)> = ids.iter().map(|id| (*id, None)).collect();
            super::tests::people(&mut side, &people);
            let sequence = side.users.sequence.as_mut().unwrap();
            (sequence.next, sequence.increment, sequence.last) = (next, increment, last);
            super::sequence(&side).unwrap()
        };
        let (integer, end) = (Some(i64::from(i32::MAX)), "2147483647");
        assert_eq!(
            said(&["3", "12"], "bigint", 9, Some(1), Some(i64::MAX)),
            "users_id_seq, behind: next 9, highest id 12"
        );
        // The last id that there can be is a mark of the app, and hides none below it.
        assert_eq!(said(&["3", end], "integer", 9, Some(1), integer), "users_id_seq");
        assert_eq!(
            said(&["12", end], "integer", 9, Some(1), integer),
            "users_id_seq, behind: next 9, highest id 12"
        );
        assert_eq!(said(&["3", "999"], "bigint", 9, Some(1), Some(999)), "users_id_seq");
        // Downwards, the last id is the lowest; an earlier version wrote down the highest, which says nothing.
        assert_eq!(said(&["3", "12"], "integer", -9, Some(-1), Some(-99)), "users_id_seq");
        assert_eq!(said(&["3", "-12"], "integer", -9, Some(-1), integer), "users_id_seq");
        assert_eq!(
            said(&["3", "-12", "-99"], "integer", -9, Some(-1), Some(-99)),
            "users_id_seq, behind: next -9, lowest id -12"
        );
        // A snapshot of an earlier version says nothing but the type.
        assert_eq!(said(&["3", end], "integer", 9, None, None), "users_id_seq");
        assert_eq!(said(&["3", "32767"], "smallint", 9, None, None), "users_id_seq");
        assert_eq!(
            said(&["3", "12"], "integer", 9, None, None),
            "users_id_seq, behind: next 9, highest id 12"
        );
    }

    #[test]
    fn an_environment_is_the_same_as_itself_whatever_its_database_is_called() {
        let mut other = side();
        other.database.system_identifier = "2".into();
        other.database.server_version = "15.3".into();
        other.taken = "2026-11-02T00:00:00Z".into();
        other.users.sequence.as_mut().unwrap().next = 4711;
        let compared = compare(&side(), &other).unwrap();
        assert!(compared.same, "{compared:?}");
        assert_eq!(compared.accounts, Accounts { same: 3, ..Accounts::default() });
        other.users.sequence.as_mut().unwrap().next = 3;
        let behind = compare(&side(), &other).unwrap().differences;
        assert_eq!(behind[0].b.as_deref(), Some("users_id_seq, behind: next 3, highest id 3"));
    }

    #[test]
    fn accounts_are_known_by_their_logins_and_told_where_an_id_is_another_persons() {
        let mut other = side();
        people(
            &mut other,
            &[("1", Some("admin")), ("3", Some("ada")), ("2", Some("bob")), ("7", Some("cy")), ("8", None)],
        );
        let compared = compare(&side(), &other).unwrap();
        assert!(!compared.same && compared.differences.is_empty());
        let moved =
            |login: &str, a: &str, b: &str| Moved { login: Some(login.into()), a: a.into(), b: b.into() };
        assert_eq!(
            compared.accounts,
            Accounts {
                same: 1,
                moved: vec![moved("ada", "2", "3"), moved("bob", "3", "2")],
                shifted: 2,
                only_a: Vec::new(),
                only_b: vec![Alone { login: Some("cy".into()), id: Some("7".into()), alike: Vec::new() }],
                untold: 1
            }
        );
        let only_a = compare(&other, &side()).unwrap().accounts.only_a;
        assert_eq!(only_a, compared.accounts.only_b, "each side's own are told with their ids");
        // A login that stands there twice is nobody's.
        people(
            &mut other,
            &[("1", Some("admin")), ("2", Some("ada")), ("9", Some("ada")), ("3", Some("bob"))],
        );
        let accounts = compare(&side(), &other).unwrap().accounts;
        assert_eq!((accounts.same, accounts.moved.len(), accounts.untold), (2, 0, 1));
    }

    #[test]
    fn an_account_that_differs_by_case_or_spaces_only_is_told_with_its_counterpart() {
        let mut other = side();
        people(&mut other, &[("1", Some("admin")), ("7", Some("Ada ")), ("3", Some("bob"))]);
        let accounts = compare(&side(), &other).unwrap().accounts;
        let alone = |login: &str, id: &str, alike: &str| Alone {
            login: Some(login.into()),
            id: Some(id.into()),
            alike: vec![alike.into()],
        };
        assert_eq!(accounts.only_a, [alone("ada", "2", "7")]);
        assert_eq!(accounts.only_b, [alone("Ada ", "7", "2")]);
        assert_eq!((accounts.same, accounts.moved.len(), accounts.untold), (2, 0, 0));
    }

    #[test]
    fn a_side_whose_ids_are_not_unique_is_not_compared() {
        let mut double = side();
        people(
            &mut double,
            &[("1", Some("admin")), ("1", Some("ada")), ("2", Some("bob")), ("2", Some("bob"))],
        );
        let told = "2 ids of B stand in more than one row (4 rows in all; 1, 2), so by an id nobody can tell whom \
                    it names (IdNotUnique): run `auth-consistency explain IdNotUnique` to see what ends it";
        assert_eq!(compare(&side(), &double).unwrap_err(), told);
        assert!(compare(&double, &side()).unwrap_err().starts_with("2 ids of A stand"));
    }

    #[test]
    fn every_other_difference_is_told_with_both_sides() {
        let mut other = side();
        other.database.server_version = "17.1".into();
        other.users.columns[0].data_type = "uuid".into();
        other.users.sequence = None;
        other.references[0].definition = Some("FOREIGN KEY (user_id) REFERENCES users(id) NOT VALID".into());
        other.references.push(Reference {
            table: "cards".into(),
            constraint: None,
            ..other.references[0].clone()
        });
        other.signing_key =
            Some(Key { fingerprint: Some("v1:scrypt:bb".into()), algorithm: Algorithm::HS512 });
        let tokens = other.tokens.as_mut().unwrap();
        tokens.lifetime_seconds = 60;
        tokens.issuer = Some("x".into());
        let told: Vec<(About, String)> = compare(&side(), &other)
            .unwrap()
            .differences
            .into_iter()
            .map(|one| {
                (
                    one.about,
                    format!("{}: {} / {}", one.of, one.a.unwrap_or("-".into()), one.b.unwrap_or("-".into())),
                )
            })
            .collect();
        let expected = [
            (About::Server, "version: 15 / 17"),
            (About::Column, "users.id: integer / uuid"),
            (About::Sequence, "of the id: users_id_seq / -"),
            (About::Reference, "public.cards (user_id): - / integer"),
            (
                About::Constraint,
                "public.logs (user_id): logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) / \
                 logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) NOT VALID",
            ),
            (About::SigningKey, "fingerprint: v1:scrypt:aa / v1:scrypt:bb"),
            (About::SigningKey, "algorithm: HS256 / HS512"),
            (About::Tokens, "lifetime: 86400 s / 60 s"),
            (About::Tokens, "issuer: - / x"),
        ];
        assert_eq!(told, expected.map(|(about, said)| (about, said.to_owned())));
    }

    #[test]
    fn logins_that_cannot_be_compared_are_not() {
        let mut keyed = side();
        keyed.logins = Logins::Keyed(Keyed::new(&[1; 16], "check".into()));
        assert!(compare(&side(), &keyed).unwrap_err().contains("are keyed and those of the other are not"));
        let mut other = side();
        other.logins = Logins::Keyed(Keyed::new(&[2; 16], "check".into()));
        assert!(compare(&keyed, &other).unwrap_err().contains("keyed each by itself"));
        assert!(compare(&keyed, &keyed).unwrap().same);
    }
}
