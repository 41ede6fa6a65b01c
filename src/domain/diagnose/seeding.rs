//! What a new row of the user table needs, and what keeps an account from being created: all of it is named at
//! once, before anything is planned, with the lines of the spec that mend it.

use crate::{
    api::{condition::Reason, report::ObjectRef},
    domain::{
        facts::{
            rights::Right,
            schema::UserTable,
            seed::{NeededColumn, Suggested},
        },
        hints::{Grant, On},
        target::{Admin, SeedValue, Target},
        text::count,
    },
};

use super::rights;

/// Lines of a spec that a finding has room for beside its words.
const ROOM: usize = 700;

/// One thing that keeps an account from being created, and a sentence without its end.
pub(in crate::domain) type Obstacle = (Reason, String);

/// Everything of the table and the spec that keeps the account from being created.
pub(in crate::domain) fn obstacles(target: &Target, account: &Admin, users: &UserTable) -> Vec<Obstacle> {
    let mut found = Vec::new();
    found.extend(computed(target, account, users));
    found.extend(faults(account, users));
    found.extend(unfilled(target, account, users));
    found.extend(undrawn(target, account, users));
    found
}

/// Sequences that a new row draws from and the role may not.
pub(in crate::domain) fn undrawable<'a>(
    target: &Target,
    account: &Admin,
    users: &'a UserTable,
) -> Vec<&'a ObjectRef> {
    let given = |column: &String| {
        account.seed_columns.iter().any(|(name, _)| name == column)
            || account.columns.iter().any(|one| one.column == *column)
            || (*column == target.users.id_column && account.id.is_some())
    };
    let undrawn = users.seed.undrawn.iter().filter(|(column, _)| !given(column));
    let mut sequences: Vec<&ObjectRef> = undrawn.map(|(_, sequence)| sequence).collect();
    sequences.sort_by_cached_key(|sequence| target.hints.name(sequence));
    sequences.dedup();
    sequences
}

/// The rights to draw from sequences.
pub(in crate::domain) fn drawing<'a>(sequences: &[&'a ObjectRef]) -> impl Iterator<Item = Grant<'a>> {
    sequences.iter().map(|sequence| Grant { rights: &[Right::Usage], on: On::Sequence(sequence) })
}

/// The same as an obstacle, where the role may insert at all: else that is said with it.
fn undrawn(target: &Target, account: &Admin, users: &UserTable) -> Option<Obstacle> {
    let sequences = undrawable(target, account, users);
    (users.rights.insert && !sequences.is_empty()).then(|| {
        let names: Vec<String> = sequences.iter().map(|one| target.hints.name(one)).collect();
        (
            Reason::PrivilegeMissing,
            format!(
                "a new row draws from {}, and the role may not: {}",
                names.join(", "),
                rights::granted(target.hints, &users.rights.role, drawing(&sequences))
            ),
        )
    })
}

/// Columns that would have to be written and cannot be.
fn computed(target: &Target, account: &Admin, users: &UserTable) -> Option<Obstacle> {
    let spec = &target.users;
    let written = spec.login_column.iter().chain(&spec.password_column);
    let written = written.chain(&spec.salt_column).chain(&spec.algorithm_column);
    let own = account.columns.iter().filter(|one| one.is_null != Some(false)).map(|one| &one.column);
    let seeded = account.seed_columns.iter().map(|(name, _)| name);
    let mut names: Vec<&String> = std::iter::once(&spec.id_column)
        .chain(written)
        .chain(own)
        .chain(seeded)
        .filter(|name| users.seed.computed.contains(name))
        .collect();
    names.sort();
    names.dedup();
    (!names.is_empty()).then(|| {
        (
            Reason::RepairUnsupported,
            format!(
                "the database computes {} (GENERATED ALWAYS AS), so nobody can write what the spec says: have the app create the account, and set {}.onMissing to Report",
                columns(names.iter().map(|name| name.as_str())),
                account.field()
            ),
        )
    })
}

/// Values of `seedColumns` that their columns do not take.
fn faults(account: &Admin, users: &UserTable) -> Option<Obstacle> {
    let faults = users.seed.faults.get(&account.account().map(str::to_owned))?;
    let told: Vec<String> =
        faults.iter().map(|fault| format!("column {:?} {}", fault.column, fault.why)).collect();
    (!told.is_empty()).then(|| {
        (Reason::SpecInvalid, format!("correct {}.seedColumns: {}", account.field(), told.join(", ")))
    })
}

/// Columns that need a value and get none.
fn unfilled(target: &Target, account: &Admin, users: &UserTable) -> Option<Obstacle> {
    let needed: Vec<&NeededColumn> =
        users.seed.needed.iter().filter(|one| is_unfilled(target, account, one)).collect();
    if needed.is_empty() {
        return None;
    }
    let (required, asked): (Vec<&NeededColumn>, Vec<&NeededColumn>) =
        needed.iter().copied().partition(|one| one.required);
    let mut why = Vec::new();
    if !required.is_empty() {
        let have = if required.len() == 1 { "has" } else { "have" };
        why.push(format!("{} may not be NULL and {have} no default", named(&required)));
    }
    if !asked.is_empty() {
        let needs = if asked.len() == 1 { "needs" } else { "need" };
        why.push(format!("{} {needs} a value since a condition says isNull: false", named(&asked)));
    }
    let rows: Vec<String> = needed
        .iter()
        .filter_map(|one| match &one.suggested {
            Suggested::RowOf(table) => Some(format!("{:?} names a row of {table}", one.name)),
            _ => None,
        })
        .collect();
    let rows = if rows.is_empty() { String::new() } else { format!(" ({})", rows.join(", ")) };
    let yours = needed.iter().any(|one| !matches!(one.suggested, Suggested::Value(_)));
    let yours = if yours { ", with values of yours where these only stand in" } else { "" };
    let lines = lines(account, &needed);
    let advice = if lines.chars().count() > ROOM {
        format!("give {} a value in {}.seedColumns", count_of(&needed), account.field())
    } else {
        format!("put this into {}{yours}: {lines}", account.field())
    };
    Some((Reason::SpecInvalid, format!("{}{rows}: {advice}", why.join(", and "))))
}

fn is_unfilled(target: &Target, account: &Admin, one: &NeededColumn) -> bool {
    let by_seed = account.seed_columns.iter().any(|(name, _)| *name == one.name);
    let own = account.columns.iter().filter(|condition| condition.column == one.name);
    let says = own.clone().any(|condition| condition.equals.is_some());
    let active = target.users.active_when.iter().filter(|condition| condition.column == one.name);
    let asked = own.chain(active).any(|condition| condition.is_null == Some(false));
    !by_seed && !says && (one.required || asked)
}

/// The whole of `seedColumns`, those of the spec first, as one line of YAML.
fn lines(account: &Admin, needed: &[&NeededColumn]) -> String {
    let there = account.seed_columns.iter().map(|(name, value)| line(name, value));
    let more = needed.iter().map(|one| {
        let value = match &one.suggested {
            Suggested::Value(value) => value.clone(),
            Suggested::StandIn(text) => SeedValue::Text(text.clone()),
            Suggested::RowOf(_) => SeedValue::Text("?".into()),
        };
        line(&one.name, &value)
    });
    format!("seedColumns: [{}]", there.chain(more).collect::<Vec<_>>().join(", "))
}

fn line(name: &str, value: &SeedValue) -> String {
    let value = match value {
        SeedValue::Text(text) => format!("value: {}", quoted(text)),
        SeedValue::Now => "now: true".to_owned(),
        SeedValue::Uuid => "uuid: true".to_owned(),
    };
    // What YAML reads as something else than a text is quoted.
    let word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .contains(&name.to_ascii_lowercase().as_str());
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = if plain && !word { name.to_owned() } else { quoted(name) };
    format!("{{column: {name}, {value}}}")
}

/// A text between double quotes, as YAML and JSON both read it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn named(columns_of: &[&NeededColumn]) -> String {
    columns(columns_of.iter().map(|one| one.name.as_str()))
}

fn columns<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    match names.as_slice() {
        [one] => format!("column {one}"),
        many => format!("columns {}", many.join(", ")),
    }
}

fn count_of(needed: &[&NeededColumn]) -> String {
    count(i64::try_from(needed.len()).unwrap_or(i64::MAX), "column")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_yaml_whatever_the_column_is_called() {
        for name in ["created_at", "no", "Null", "a b", "1st", "say \"x\"", "ä"] {
            let text = line(name, &SeedValue::Text("a: \"b\" {c}\n".into()));
            let read: crate::api::spec::SeedColumn = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(
                (read.column.as_str(), read.value.as_deref()),
                (name, Some("a: \"b\" {c}\n")),
                "{text}"
            );
        }
        assert_eq!(line("created_at", &SeedValue::Now), "{column: created_at, now: true}");
        assert_eq!(line("fs_uniquifier", &SeedValue::Uuid), "{column: fs_uniquifier, uuid: true}");
    }
}
