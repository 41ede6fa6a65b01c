//! The fields of the resource for one table, each with its evidence.

use super::{
    choose::Candidate,
    facts::{ColumnFacts, DatabaseFacts, ForeignKeyFacts, TableFacts, ValueKind},
    login::Unique,
    names::{self, Activity},
    password as passwords,
};
use crate::{
    api::{
        preset,
        shared::ColumnCondition,
        spec::{Preset, UsersSpec},
    },
    domain::text::count,
};

/// Tables with passwords that are named beside one without.
const MOST_OTHERS: usize = 4;

/// A column for a field, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The column.
    pub column: String,
    /// The evidence.
    pub why: String,
}

/// A condition on a column, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The condition.
    pub condition: ColumnCondition,
    /// The evidence.
    pub why: String,
}

/// What a resource would say of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The preset that says the same, if one does.
    pub preset: Option<Preset>,
    /// Schema of the table.
    pub schema: String,
    /// The table, and why.
    pub table: Field,
    /// `idColumn`.
    pub id: Field,
    /// `loginColumn`, or where a person may look for it.
    pub login: Result<Field, String>,
    /// `passwordColumn`, or where a person may look for it.
    pub password: Result<Field, String>,
    /// Whether the passwords of others tell the format of a new one.
    pub format_known: bool,
    /// `saltColumn`.
    pub salt: Option<String>,
    /// `algorithmColumn`.
    pub algorithm: Option<String>,
    /// `activeWhen`.
    pub active: Vec<Condition>,
    /// What else may say that an account is not active.
    pub active_doubts: Vec<String>,
    /// `admin.columns`.
    pub admin: Vec<Condition>,
    /// What else a person should know.
    pub remarks: Vec<String>,
    /// How many foreign keys reference the table.
    pub keys: usize,
}

/// Why there is no proposal for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// No column tells its rows apart.
    NoKey,
    /// It has no column that is called as a person named it.
    NoColumn {
        /// The name.
        column: String,
        /// The names that there are.
        there: Vec<String>,
    },
}

/// Columns that a person named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// For `idColumn`.
    pub id: Option<String>,
    /// For `loginColumn`.
    pub login: Option<String>,
    /// For `passwordColumn`.
    pub password: Option<String>,
}

/// What a resource would say of a table.
///
/// # Errors
/// Its rows cannot be told apart by one column, or it has not the column that a person named.
pub fn propose(found: &DatabaseFacts, candidate: &Candidate<'_>, chosen: &Chosen) -> Result<Proposal, Unfit> {
    let facts = candidate.facts;
    let named = |name: &Option<String>| -> Result<Option<&ColumnFacts>, Unfit> {
        let Some(name) = name else { return Ok(None) };
        facts.column(name).map(Some).ok_or_else(|| Unfit::NoColumn {
            column: name.clone(),
            there: facts.columns.iter().map(|column| column.name.clone()).collect(),
        })
    };
    let by_hand =
        |column: &ColumnFacts| Field { column: column.name.clone(), why: "as it was named".to_owned() };
    let id = match named(&chosen.id)? {
        Some(column) => by_hand(column),
        None => id(facts).ok_or(Unfit::NoKey)?,
    };
    let login = match named(&chosen.login)? {
        Some(column) => Ok(by_hand(column)),
        None => login(candidate),
    };
    let mut best = candidate.passwords.first();
    let password = match named(&chosen.password)? {
        Some(column) => {
            best = candidate.passwords.iter().find(|one| one.column == column.name);
            let said = best.map_or_else(String::new, |one| format!("; it {}", one.holds()));
            Ok(Field { column: column.name.clone(), why: format!("as it was named{said}") })
        }
        None => password(candidate),
    };
    let (active, active_doubts) = active(facts);
    let mut remarks = elsewhere(found, candidate);
    if let Some(framework) = candidate.framework {
        remarks.extend(framework.remarks.iter().map(|remark| format!("{}: {remark}", framework.name)));
    }
    let mut proposal = Proposal {
        preset: None,
        schema: facts.schema.clone(),
        table: Field { column: facts.table.clone(), why: candidate.about().join("; ") },
        id,
        login,
        password,
        format_known: best.is_some_and(|one| one.share.is_some()),
        salt: best.and_then(|one| one.salt).map(str::to_owned),
        algorithm: best.and_then(|one| one.algorithm).map(str::to_owned),
        active,
        active_doubts,
        admin: admin(facts),
        remarks,
        keys: candidate.keys,
    };
    proposal.preset =
        [Preset::FastAPI].into_iter().find(|preset| says_the_same(*preset, &proposal, &found.default_schema));
    Ok(proposal)
}

/// Whether a preset fills in exactly what is proposed.
fn says_the_same(preset: Preset, proposal: &Proposal, default_schema: &str) -> bool {
    let filled = preset::fill(&UsersSpec { preset: Some(preset), ..UsersSpec::default() });
    let column = |field: &Result<Field, String>| field.as_ref().ok().map(|field| field.column.clone());
    let active: Vec<ColumnCondition> = proposal.active.iter().map(|one| one.condition.clone()).collect();
    filled.schema.as_deref().unwrap_or(default_schema) == proposal.schema
        && filled.table.as_ref() == Some(&proposal.table.column)
        && filled.id_column.as_ref() == Some(&proposal.id.column)
        && filled.login_column == column(&proposal.login)
        && filled.password_column == column(&proposal.password)
        && filled.active_when.as_ref() == Some(&active)
        && (&proposal.salt, &proposal.algorithm) == (&None, &None)
}

/// The column that most foreign keys reference; without any, the one that tells the rows apart.
fn id(facts: &TableFacts) -> Option<Field> {
    let primary = facts.keys.iter().find(|key| key.primary);
    let own = primary.and_then(|key| match key.columns.as_slice() {
        [one] => Some(one.as_str()),
        _ => None,
    });
    let to = |key: &ForeignKeyFacts| match key.to_columns.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    let mut referenced: Vec<(usize, String)> = Vec::new();
    for column in facts.referenced.iter().filter_map(to) {
        match referenced.iter_mut().find(|(_, one)| *one == column) {
            Some((times, _)) => *times += 1,
            None => referenced.push((1, column)),
        }
    }
    referenced.sort_by_key(|(times, column)| (std::cmp::Reverse(*times), own != Some(column.as_str())));
    let keys = |times: usize| count(i64::try_from(times).unwrap_or(i64::MAX), "foreign key");
    let is_own = |column: &str| own == Some(column);
    if let Some((times, column)) = referenced.first() {
        let key = if is_own(column) { "the primary key" } else { "unique" };
        let verb = if *times == 1 { "references" } else { "reference" };
        return Some(Field { column: column.clone(), why: format!("{key}; {} {verb} it", keys(*times)) });
    }
    if let Some(column) = own {
        return Some(Field { column: column.to_owned(), why: "the primary key".to_owned() });
    }
    let called_id = |column: &&ColumnFacts| column.name.eq_ignore_ascii_case("id");
    let alone = |column: &&ColumnFacts| {
        column.not_null && facts.unique(&column.name).is_some_and(|key| !key.partial && !key.expression)
    };
    let unique = facts.columns.iter().filter(called_id).find(alone).or_else(|| {
        // Without a primary key, any that tells the rows apart.
        facts.columns.iter().filter(|column| column.kind != ValueKind::Text).find(alone)
    });
    let unique = unique.or_else(|| facts.columns.iter().find(alone));
    if let Some(column) = unique {
        return Some(Field { column: column.name.clone(), why: "unique, and never NULL".to_owned() });
    }
    let part = primary.and_then(|key| {
        let part = key.columns.iter().find(|column| column.eq_ignore_ascii_case("id"))?;
        let others: Vec<&str> = key.columns.iter().filter(|one| *one != part).map(String::as_str).collect();
        let why = format!(
            "a part of the primary key: unique only together with {}, and where an id stands in two rows the check says so (IdNotUnique)",
            others.join(", ")
        );
        Some(Field { column: part.clone(), why })
    });
    part.filter(|_| facts.has_key())
}

fn login(candidate: &Candidate<'_>) -> Result<Field, String> {
    let Some(best) = candidate.logins.first() else {
        let texts = candidate.facts.columns.iter().filter(|column| {
            column.kind == ValueKind::Text && candidate.facts.unique(&column.name).is_some()
        });
        let texts: Vec<&str> = texts.map(|column| column.name.as_str()).collect();
        return Err(match texts.as_slice() {
            [] => "no column is called as a login is, and no text is unique".to_owned(),
            some => format!("no column is called as a login is; unique are {}", some.join(", ")),
        });
    };
    let others = candidate.logins.iter().skip(1).filter(|one| one.tells_apart());
    let others: Vec<String> = others.map(|one| format!("{}, {}", one.column.name, one.how())).collect();
    let mut why = best.how();
    // Who signs in by which of them, nobody said.
    match &best.unique {
        Unique::Not | Unique::Together(_) => {
            why.push_str(
                "; a login may be that of several accounts, and the check says so then (AdminAmbiguous)",
            );
        }
        Unique::Alone | Unique::Expression | Unique::Partial | Unique::PartialExpression => {}
    }
    if names::is_copy(&best.column.name) && candidate.framework.is_none() {
        why.push_str("; it is called as a copy of the login in one case, which apps look up");
    }
    if !others.is_empty() {
        why.push_str(&format!(". Others: {}", others.join("; ")));
    }
    Ok(Field { column: best.column.name.clone(), why })
}

fn password(candidate: &Candidate<'_>) -> Result<Field, String> {
    let Some(best) = candidate.passwords.first() else {
        let looked = match candidate.facts.unread {
            Some(_) => "no column is called as those of passwords are, and no row was read",
            None => "no column that was looked at holds passwords",
        };
        return Err(format!("{looked}; without one no password is compared or written"));
    };
    let others = candidate.passwords.iter().skip(1).filter(|one| one.share.is_some() && best.share.is_some());
    let others: Vec<&str> = others.map(|one| one.column).collect();
    let also = match others.as_slice() {
        [] => String::new(),
        some => format!(". Others: {}", some.join(", ")),
    };
    Ok(Field { column: best.column.to_owned(), why: format!("{}{also}", best.holds()) })
}

/// Passwords that are in other tables, where this one has none.
fn elsewhere(found: &DatabaseFacts, candidate: &Candidate<'_>) -> Vec<String> {
    if !candidate.passwords.is_empty() {
        return Vec::new();
    }
    let others = found.tables.iter().filter(|other| other.name() != candidate.facts.name());
    let said = others.filter_map(|other| {
        let columns = passwords::columns(other);
        let best = columns.first()?;
        Some(format!(
            "{}.{} {}: a resource cannot name passwords of another table than that of the accounts",
            other.shown(),
            best.column,
            best.holds()
        ))
    });
    said.take(MOST_OTHERS).collect()
}

/// The conditions that columns of activity come to, and those that no condition can say.
fn active(facts: &TableFacts) -> (Vec<Condition>, Vec<String>) {
    let (mut conditions, mut doubts) = (Vec::new(), Vec::new());
    for column in &facts.columns {
        let Some(activity) = names::activity(&column.name) else { continue };
        match condition(facts, column, activity) {
            Ok(condition) => conditions.push(condition),
            Err(Some(doubt)) => doubts.push(doubt),
            Err(None) => {}
        }
    }
    (conditions, doubts)
}

fn condition(
    facts: &TableFacts,
    column: &ColumnFacts,
    activity: Activity,
) -> Result<Condition, Option<String>> {
    let (name, sampled) = (&column.name, facts.rows_with(column));
    let equals =
        |value: &str| ColumnCondition { column: name.clone(), equals: Some(value.to_owned()), is_null: None };
    let null = ColumnCondition { column: name.clone(), equals: None, is_null: Some(true) };
    let (condition, holds, by_null) = match (activity, column.kind) {
        (Activity::True, ValueKind::Boolean) => (equals("true"), column.trues, false),
        (Activity::False, ValueKind::Boolean) => (equals("false"), column.filled - column.trues, false),
        (Activity::Never, ValueKind::Integer) if column.filled > 0 => (equals("0"), column.zeros, false),
        (Activity::Never, ValueKind::Time | ValueKind::Integer) => (null, sampled - column.filled, true),
        (Activity::Confirmed, _) => {
            return Err(Some(format!(
                "where the app lets nobody sign in before {name} is set, add - {{column: {name}, isNull: false}}"
            )));
        }
        (Activity::ForATime, _) => {
            return Err(Some(format!(
                "{name} may keep somebody from signing in for a time, and no condition can say when that ends"
            )));
        }
        (_, ValueKind::Other | ValueKind::Uuid) => return Err(None),
        _ => {
            return Err(Some(format!(
                "{name} is called so, and is of the type {}: add a condition with what it holds in an active account",
                column.declared_type
            )));
        }
    };
    // NULL is neither true nor false to a condition, and means "no" to most apps.
    let nulls = sampled - column.filled;
    if activity == Activity::False && (nulls > 0 || !column.not_null && sampled == 0) {
        return Err(Some(format!(
            "{name} may be NULL in active accounts, and a condition that it is false would leave those out"
        )));
    }
    let few = sampled > 0 && holds * 2 < sampled;
    if few && !by_null || few && column.filled > 0 && holds == 0 {
        return Err(Some(format!(
            "{name} is called so, and is {} in {holds} of {sampled} rows of a sample: does it mean what it is called?",
            condition_text(&condition)
        )));
    }
    let why = match sampled {
        0 => format!("by its name; {}", facts.no_rows(column)),
        all => format!("by its name; so in {holds} of {all} rows of a sample"),
    };
    Ok(Condition { condition, why })
}

fn condition_text(condition: &ColumnCondition) -> String {
    match &condition.equals {
        Some(value) => format!("\"{value}\""),
        None => "NULL".to_owned(),
    }
}

/// The only known word of a column of roles; of several nobody can say which one is meant.
fn role(column: &ColumnFacts) -> Option<&(String, Option<i64>)> {
    let there = column.words.iter().filter(|(_, rows)| rows.is_some_and(|rows| rows > 0));
    let mut words = if there.clone().next().is_some() {
        there.collect()
    } else {
        column.words.iter().collect::<Vec<_>>()
    };
    let first = words.pop()?;
    words.is_empty().then_some(first)
}

/// The columns that make an account an admin.
fn admin(facts: &TableFacts) -> Vec<Condition> {
    let mut flags: Vec<(usize, &ColumnFacts)> = facts
        .columns
        .iter()
        .filter(|column| column.kind == ValueKind::Boolean)
        .filter_map(|column| Some((names::admin_flag_rank(&column.name)?, column)))
        .collect();
    flags.sort_by_key(|(rank, _)| *rank);
    if let Some((_, column)) = flags.first() {
        let condition =
            ColumnCondition { column: column.name.clone(), equals: Some("true".into()), is_null: None };
        let why = match facts.rows_with(column) {
            0 => format!("by its name; {}", facts.no_rows(column)),
            all => format!("by its name; true in {} of {all} rows of a sample", column.trues),
        };
        return vec![Condition { condition, why }];
    }
    let roles = facts.columns.iter().filter(|column| names::is_role(&column.name));
    let role = roles.filter_map(|column| Some((column, role(column)?))).next();
    role.into_iter()
        .map(|(column, (word, rows))| {
            let condition =
                ColumnCondition { column: column.name.clone(), equals: Some(word.clone()), is_null: None };
            let said = match rows {
                Some(1) => "1 row has this one".to_owned(),
                Some(rows) => format!("{} have this one", count(*rows, "row")),
                None => "rows were not counted".to_owned(),
            };
            Condition { condition, why: format!("a role by its name; {said}") }
        })
        .collect()
}
