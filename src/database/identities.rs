//! Who of before is who today, and which rows that concerns: counted in the pass's own snapshot.
//!
//! What a repair reads again inside its transaction is written with qualified names and operators,
//! since the path there is the role's own.

mod count;
mod history;

use std::collections::BTreeSet;

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use super::{
    catalog::{self, Column, Found},
    error::DatabaseError,
    identifier::{Relation, Sql},
    observe::Known,
    references::ReferenceTable,
    transaction::savepoint,
};
use crate::{
    api::{condition::Reason, report::ObjectRef},
    consistency::{
        correspondence::{IdentityFacts, Pair, Today, correspond},
        identities::{self, Identities, MAX_PEOPLE},
        observation::{KeyKind, Reference, UserTable},
        target::{IdentitySource, Target},
        wording::number,
    },
};

pub(super) use count::{moving, paired};
pub(super) use history::{quarantines, remember};

/// The mapping of old ids to today's, and where it is from.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Every old id that does not name the same person any more.
    pub pairs: Vec<Pair>,
    /// Digest of the list; of a table, what it held when it was read.
    pub list: String,
    /// The table that holds the list, where one does.
    pub table: Option<SourceTable>,
    /// References with rows that can be given back.
    pub references: Vec<Mapped>,
}

/// A table that holds the users as they were.
#[derive(Debug, Clone)]
pub struct SourceTable {
    relation: Relation,
    id: Column,
    login: Column,
}

/// The part of the mapping that rows of one reference need.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The reference.
    pub object: ObjectRef,
    /// Column and value up to which rows are old; `None`: it cannot be told, and no row that names
    /// somebody is moved.
    pub mark: Option<(Column, i64)>,
    /// Pairs that rows name, each with a new id.
    pub used: Vec<Pair>,
    /// What an approval is bound to.
    pub digest: String,
}

/// Looks at the identities and at the rows that they concern.
///
/// # Errors
/// The database fails as a whole; what is wrong with the identities is in the facts.
pub(super) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    users: &UserTable,
    references: &[Reference],
    server_version: i64,
) -> Result<Option<(IdentityFacts, Option<Mapping>)>, DatabaseError> {
    let Some(source) = &target.references.identities else { return Ok(None) };
    let invalid = |why: String| {
        let problem = Some((Reason::IdentitiesInvalid, why));
        Ok(Some((IdentityFacts { problem, ..IdentityFacts::default() }, None)))
    };
    let kind = known.id.kind();
    if kind == KeyKind::Other || known.id.base_name == "citext" {
        return invalid(format!(
            "ids of type {} cannot be compared with a list of people",
            known.id.declared_type.as_str()
        ));
    }
    let table = match source {
        IdentitySource::List(_) => None,
        IdentitySource::Table { .. } => match source_table(connection, source).await? {
            Ok(table) => Some(table),
            Err(why) => return invalid(why),
        },
    };
    let read = savepoint(connection, async |connection: &mut PgConnection| {
        people(connection, known, source, table.as_ref()).await
    })
    .await?;
    let people = match read {
        Ok(Ok(people)) => people,
        Ok(Err(why)) | Err(why) => return invalid(format!("{}: {why}", origin(source))),
    };
    let today = match today(connection, known, source).await? {
        Ok(today) => today,
        Err(why) => return invalid(why),
    };
    let pairs = correspond(kind, &people, &today);
    let shifted: Vec<&Pair> = pairs.iter().filter(|pair| pair.shifted).collect();
    let mut facts = IdentityFacts {
        people: length(people.len()),
        shifted: length(shifted.len()),
        sample: shifted.iter().take(5).map(|pair| pair.old.clone()).collect(),
        elsewhere: length(shifted.iter().filter(|pair| pair.new.is_some()).count()),
        ..IdentityFacts::default()
    };
    let mut mapping = Mapping { list: list_digest(source, &people), pairs, table, references: Vec::new() };
    let before = match source {
        IdentitySource::List(list) => Some(list.as_ref()),
        IdentitySource::Table { .. } => None,
    };
    for reference in references {
        let Some(table) = known.references.iter().find(|table| table.object == reference.object) else {
            continue;
        };
        let looking = count::Looking {
            known,
            users,
            mapping: &mapping,
            list: before,
            server_version,
            table,
            reference,
        };
        match looking.at(connection).await? {
            count::Seen::Nothing => {}
            count::Seen::Uncounted => facts.uncounted.push(reference.object.clone()),
            count::Seen::Rows(seen) => {
                let (found, mapped) = *seen;
                facts.references.push(found);
                mapping.references.extend(mapped);
            }
        }
    }
    facts.missing = missing(connection, known, before).await?;
    Ok(Some((facts, Some(mapping))))
}

fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn origin(source: &IdentitySource) -> String {
    match source {
        IdentitySource::List(list) => list.origin.clone(),
        IdentitySource::Table { schema, table, .. } => format!("table {schema}.{table}"),
    }
}

fn list_digest(source: &IdentitySource, people: &[(String, String)]) -> String {
    match source {
        IdentitySource::List(list) => list.digest(),
        IdentitySource::Table { .. } => {
            let people = people.iter().zip(1..);
            Identities {
                people: people
                    .map(|((id, login), row)| identities::Person {
                        id: id.clone(),
                        login: login.clone(),
                        row,
                    })
                    .collect(),
                key: None,
                before: None,
                origin: String::new(),
            }
            .digest()
        }
    }
}

/// The table of a source; the inner error says why it is none.
async fn source_table(
    connection: &mut PgConnection,
    source: &IdentitySource,
) -> Result<Result<SourceTable, String>, DatabaseError> {
    let IdentitySource::Table { schema, table, id_column, login_column } = source else {
        return Ok(Err("the identities are no table".into()));
    };
    let found = match catalog::find_table(connection, schema, table).await? {
        Found::Table(found) => *found,
        Found::Other(kind) => return Ok(Err(format!("{schema}.{table} is a {kind} and not a table"))),
        Found::Nothing(_) => return Ok(Err(format!("there is no table {schema}.{table}"))),
    };
    if !found.select {
        return Ok(Err(format!(
            "the role may not SELECT from {schema}.{table}: run what `auth-consistency grants` prints"
        )));
    }
    let column = |name: &str| {
        found.column(name).cloned().ok_or_else(|| format!("{schema}.{table} has no column {name:?}"))
    };
    Ok(column(id_column).and_then(|id| {
        let login = column(login_column)?;
        Ok(SourceTable { relation: found.relation.clone(), id, login })
    }))
}

/// Adds a login in the one text that equal logins share.
pub(super) fn login_text(sql: &mut Sql, login: &Column, value: impl FnOnce(&mut Sql)) {
    let fold = login.base_name == "citext";
    sql.add(if fold { "pg_catalog.lower(" } else { "" }).add("CAST(");
    value(sql);
    sql.add(" AS ").type_name(&login.type_name).add(")::pg_catalog.text").add(if fold { ")" } else { "" });
}

/// The people of before, ids canonical and each once, logins in the form that today's have. The inner
/// error says what is wrong with the list.
pub(super) async fn people(
    connection: &mut PgConnection,
    known: &Known,
    source: &IdentitySource,
    table: Option<&SourceTable>,
) -> Result<Result<Vec<(String, String)>, String>, sqlx::Error> {
    let Some(login) = &known.login else {
        return Ok(Err("the user table's login column is not known".into()));
    };
    let mut people = Vec::new();
    match (source, table) {
        (IdentitySource::List(list), _) => {
            // A text is its own canonical form, and a digest was made of one.
            if list.key.is_some() || matches!(login.base_name.as_str(), "text" | "varchar") {
                people.extend(list.people.iter().map(|one| (one.row, one.id.clone(), one.login.clone())));
            } else {
                for some in list.people.chunks(10_000) {
                    let mut sql = Sql::new("SELECT ");
                    login_text(&mut sql, login, |sql| {
                        sql.add("u.login");
                    });
                    sql.add(" FROM pg_catalog.unnest(");
                    sql.texts(some.iter().map(|one| Some(one.login.clone())).collect());
                    sql.add(") WITH ORDINALITY AS u(login, n) ORDER BY u.n");
                    for (one, row) in some.iter().zip(sql.all(connection).await?) {
                        people.push((one.row, one.id.clone(), row.try_get(0)?));
                    }
                }
            }
        }
        (IdentitySource::Table { .. }, Some(table)) => {
            let mut sql = Sql::new("SELECT ");
            sql.column("o", &table.id.name).add("::pg_catalog.text, ");
            login_text(&mut sql, login, |sql| {
                sql.column("o", &table.login.name).add("::pg_catalog.text");
            });
            sql.add(" FROM ").only(&table.relation).add(" o WHERE ").column("o", &table.id.name);
            sql.add(" IS NOT NULL AND ")
                .column("o", &table.login.name)
                .add(" IS NOT NULL ORDER BY 1, 2 LIMIT ");
            sql.integer(length(MAX_PEOPLE) + 1);
            let mut rows = sql.stream(connection);
            while let Some(row) = rows.try_next().await? {
                people.push((people.len() as u64 + 1, row.try_get(0)?, row.try_get(1)?));
            }
            if people.len() > MAX_PEOPLE {
                return Ok(Err(format!("it holds more than {} people", number(length(MAX_PEOPLE)))));
            }
            if people.is_empty() {
                return Ok(Err("nobody stands in it".into()));
            }
        }
        _ => return Ok(Err("the table of the identities was not looked up".into())),
    }
    let integer = matches!(known.id.base_name.as_str(), "int2" | "int4");
    let narrow = |id: &str| match known.id.base_name.as_str() {
        "int2" => id.parse::<i16>().is_ok(),
        _ => id.parse::<i32>().is_ok(),
    };
    Ok(identities::settle(known.id.kind(), people).map(|mut settled| {
        // An id that today's column cannot hold names nobody today, and no row by it can be moved.
        settled.retain(|(id, _)| !integer || narrow(id));
        settled
    }))
}

/// Today's users; the inner error says why they cannot be held against a list.
pub(super) async fn today(
    connection: &mut PgConnection,
    known: &Known,
    source: &IdentitySource,
) -> Result<Result<Today, String>, sqlx::Error> {
    let Some(login) = &known.login else {
        return Ok(Err("the user table's login column is not known".into()));
    };
    let key = match source {
        IdentitySource::List(list) => list.key.as_ref(),
        IdentitySource::Table { .. } => None,
    };
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name).add("::pg_catalog.text, ");
    login_text(&mut sql, login, |sql| {
        sql.column("p", &login.name);
    });
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ").column("p", &known.id.name);
    sql.add(" IS NOT NULL LIMIT ").integer(length(MAX_PEOPLE) + 1);
    let mut today = Today::default();
    let mut rows = sql.stream(connection);
    while let Some(row) = rows.try_next().await? {
        let login: Option<String> = row.try_get(1)?;
        today.add(row.try_get(0)?, login.map(|login| key.map_or(login.clone(), |key| key.digest(&login))));
    }
    if today.len() > MAX_PEOPLE {
        return Ok(Err(format!(
            "there are more than {} users, too many to hold against a list of people",
            number(length(MAX_PEOPLE))
        )));
    }
    Ok(Ok(today))
}

/// The table's own key, where it is one integer that an ascending sequence gives out: then what is
/// above a value was written later. With the sequence's next value.
pub(super) async fn own_key(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<(Column, catalog::Sequence, i64)>, sqlx::Error> {
    let [name] = table.primary_key.as_slice() else { return Ok(None) };
    let Some(column) = table.child.column(name).filter(|column| column.kind() == KeyKind::Integer) else {
        return Ok(None);
    };
    match catalog::sequence(connection, table.child.oid, name).await? {
        Some(sequence) if sequence.readable && sequence.increment > 0 => {
            let next = catalog::next_value(connection, &sequence).await?;
            Ok(Some((column.clone(), sequence, next)))
        }
        _ => Ok(None),
    }
}

/// Foreign keys that a snapshot has and that are not there now, under any name; of tables that are
/// still there.
async fn missing(
    connection: &mut PgConnection,
    known: &Known,
    list: Option<&Identities>,
) -> Result<Vec<(ObjectRef, String)>, DatabaseError> {
    let Some(before) = list.and_then(|list| list.before.as_ref()) else { return Ok(Vec::new()) };
    if before.references.iter().all(|reference| reference.constraint.is_none()) {
        return Ok(Vec::new());
    }
    let keys: BTreeSet<_> = catalog::foreign_keys(connection, known.users.oid)
        .await?
        .into_iter()
        .map(|key| (key.child.0, key.child.1, key.child_columns))
        .collect();
    let mut missing = Vec::new();
    for reference in &before.references {
        let (Some(constraint), Some(definition)) = (&reference.constraint, &reference.definition) else {
            continue;
        };
        let columns: Vec<String> = reference.columns.iter().map(|column| column.name.clone()).collect();
        if keys.contains(&(reference.schema.clone(), reference.table.clone(), columns.clone())) {
            continue;
        }
        if let Found::Table(_) = catalog::find_table(connection, &reference.schema, &reference.table).await? {
            let object = ObjectRef {
                schema: reference.schema.clone(),
                table: reference.table.clone(),
                columns,
                constraint: Some(constraint.clone()),
            };
            missing.push((object, definition.clone()));
        }
    }
    Ok(missing)
}
