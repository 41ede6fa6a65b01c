//! Who of before is who today, and which rows that concerns: counted in the pass's own snapshot.
//!
//! What a repair reads again inside its transaction is written with qualified names and operators,
//! since the path there is the role's own.

mod barred;
pub(in crate::engine::postgres) mod count;
pub(in crate::engine::postgres) mod remote;

use std::{collections::BTreeSet, sync::Arc};

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{KeyKind, Reference, UserTable},
        identities::{
            list::{self, Identities, MAX_PEOPLE},
            mapping::{IdentityFacts, Pair, Today, Unusable, correspond},
        },
        sql_name::sql_table,
        target::{IdentitySource, IdentityTable, Target},
        text::number,
    },
    engine::postgres::{
        catalog::{self, Column, Found, Table, reference::ReferenceTable},
        observe::Known,
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Relation, Sql},
    },
};

pub(in crate::engine::postgres) use crate::engine::postgres::ledger::remaps::{quarantines, remember};
pub use crate::engine::postgres::observe::identities::remote::Elsewhere;
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_exchange::{
    keys_of_wanted, put_in_again,
};
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_surplus::keys_of as keys_of_surplus;
pub(in crate::engine::postgres) use count::paired;

/// The mapping of old ids to today's, and where it is from.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Every old id that does not name the same person any more.
    pub pairs: Vec<Pair>,
    /// Digest of the list; of a table, what it held when it was read.
    pub list: String,
    /// Where the list stands.
    pub source: Source,
    /// References with rows that can be given back.
    pub references: Vec<Mapped>,
}

/// Where a pass has the people of before.
#[derive(Debug, Clone)]
pub enum Source {
    /// In memory, as they were read.
    List(Arc<Identities>),
    /// In a table of the same database, which is read again before rows are moved.
    Table(Box<SourceTable>),
}

/// A table that holds the users as they were.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Its object id.
    pub(in crate::engine::postgres) oid: i64,
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
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    users: &UserTable,
    references: &[Reference],
    server_version: i64,
    elsewhere: Option<&Result<Elsewhere, Unusable>>,
) -> Result<Option<(IdentityFacts, Option<Mapping>)>, DatabaseError> {
    let Some(source) = &target.references.identities else { return Ok(None) };
    let unusable = |problem: Unusable| {
        Ok(Some((IdentityFacts { problem: Some(problem), ..IdentityFacts::default() }, None)))
    };
    let invalid = |why: String| unusable(Unusable::invalid(why));
    let kind = known.id.kind();
    if kind == KeyKind::Other || known.id.base_name == "citext" {
        return invalid(format!(
            "ids of type {} cannot be compared with a list of people",
            known.id.declared_type.as_str()
        ));
    }
    let source = match (source, elsewhere) {
        (IdentitySource::List(list), _) => Source::List(list.clone()),
        (IdentitySource::Table(table), _) => {
            match source_table(
                connection,
                table,
                "run what `auth-consistency grants` prints",
                Some(&known.users),
            )
            .await?
            {
                Ok(found) if found.oid == known.users.oid => {
                    return invalid(format!(
                        "table {}.{} is the user table itself, which says nothing of before",
                        table.schema, table.table
                    ));
                }
                Ok(found) => Source::Table(Box::new(found)),
                Err(why) => return invalid(why),
            }
        }
        // What is no whole pass has no use for them.
        (IdentitySource::Elsewhere(..), None) => return Ok(None),
        (IdentitySource::Elsewhere(..), Some(Err(problem))) => return unusable(problem.clone()),
        (IdentitySource::Elsewhere(..), Some(Ok(read))) => match read.is_today(connection, known).await? {
            Some(why) => return invalid(why),
            None => Source::List(read.list.clone()),
        },
    };
    let read =
        savepoint(connection, async |connection: &mut PgConnection| people(connection, known, &source).await)
            .await?;
    let people = match read {
        Ok(Ok(people)) => people,
        Ok(Err(why)) | Err(why) => return invalid(format!("{}: {why}", origin(&source))),
    };
    let today = match today(connection, known, &source).await? {
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
    let list = list_digest(&source, &people);
    let mut mapping = Mapping { list, pairs, source: source.clone(), references: Vec::new() };
    let before = match &source {
        Source::List(list) => Some(list.as_ref()),
        Source::Table(_) => None,
    };
    for reference in references {
        let Some(table) = known.references.iter().find(|table| *table.object == reference.object) else {
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

fn origin(source: &Source) -> String {
    match source {
        Source::List(list) => list.origin.clone(),
        Source::Table(table) => {
            format!("table {}.{}", table.relation.schema.as_str(), table.relation.name.as_str())
        }
    }
}

fn list_digest(source: &Source, people: &[(String, String)]) -> String {
    match source {
        Source::List(list) => list.digest(),
        Source::Table(_) => {
            let people = people.iter().zip(1..);
            Identities {
                people: people
                    .map(|((id, login), row)| list::Person { id: id.clone(), login: login.clone(), row })
                    .collect(),
                key: None,
                before: None,
                origin: String::new(),
            }
            .digest()
        }
    }
}

/// The table of a source; the inner error says why it is none, and `rights` what to do where the role
/// may not read it.
async fn source_table(
    connection: &mut PgConnection,
    table: &IdentityTable,
    rights: &str,
    users: Option<&Table>,
) -> Result<Result<SourceTable, String>, DatabaseError> {
    let IdentityTable { schema, table, id_column, login_column } = table;
    let mut found = match catalog::find_table(connection, schema, table).await? {
        Found::Table(found) => *found,
        Found::Other(kind) => return Ok(Err(format!("{schema}.{table} is a {kind} and not a table"))),
        Found::Nothing(_) => return Ok(Err(format!("there is no table {schema}.{table}"))),
    };
    let column = |name: &str| {
        found.column(name).cloned().ok_or_else(|| format!("{schema}.{table} has no column {name:?}"))
    };
    let columns = column(id_column).and_then(|id| Ok((id, column(login_column)?)));
    let (id, login) = match columns {
        Ok(columns) => columns,
        Err(why) => return Ok(Err(why)),
    };
    // In another database it is the user table, whose owner is the app there.
    found.trusting(users.map_or(found.owner, |users| users.owner));
    if let Some(why) = found.refused([&id, &login], []) {
        return Ok(Err(format!("{schema}.{table} is not read: {why}")));
    }
    // Who may read these two columns need not be able to read the passwords beside them.
    let mut sql = Sql::new("SELECT has_schema_privilege(c.relnamespace, 'USAGE')");
    for name in [&id.name, &login.name] {
        sql.add(" AND has_column_privilege(c.oid, ").text(name.as_str()).add(", 'SELECT')");
    }
    sql.add(" FROM pg_class c WHERE c.oid = ").integer(found.oid).add("::oid");
    if !sql.scalar::<bool>(connection).await? {
        return Ok(Err(format!("the role may not SELECT from {schema}.{table}: {rights}")));
    }
    Ok(Ok(SourceTable { oid: found.oid, relation: found.relation, id, login }))
}

/// Adds a login in the one text that equal logins share.
pub(in crate::engine::postgres) fn login_text(sql: &mut Sql, login: &Column, value: impl FnOnce(&mut Sql)) {
    let fold = login.base_name == "citext";
    sql.add(if fold { "pg_catalog.lower(" } else { "" }).add("CAST(");
    value(sql);
    sql.add(" AS ").type_name(&login.type_name).add(")::pg_catalog.text").add(if fold { ")" } else { "" });
}

/// The people of before, ids canonical and each once, logins in the form that today's have. The inner
/// error says what is wrong with the list.
pub(in crate::engine::postgres) async fn people(
    connection: &mut PgConnection,
    known: &Known,
    source: &Source,
) -> Result<Result<Vec<(String, String)>, String>, sqlx::Error> {
    let Some(login) = &known.login else {
        return Ok(Err("the user table's login column is not known".into()));
    };
    let mut people = Vec::new();
    match source {
        Source::List(list) => {
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
        Source::Table(table) => {
            let mut sql = Sql::new("SELECT ");
            sql.column("o", &table.id.name).add("::pg_catalog.text, ");
            sql.bounded(|sql| {
                login_text(sql, login, |sql| {
                    sql.column("o", &table.login.name).add("::pg_catalog.text");
                });
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
    }
    let integer = matches!(known.id.base_name.as_str(), "int2" | "int4");
    let narrow = |id: &str| match known.id.base_name.as_str() {
        "int2" => id.parse::<i16>().is_ok(),
        _ => id.parse::<i32>().is_ok(),
    };
    Ok(list::settle(known.id.kind(), people).map(|mut settled| {
        // An id that today's column cannot hold names nobody today, and no row by it can be moved.
        settled.retain(|(id, _)| !integer || narrow(id));
        settled
    }))
}

/// Today's users; the inner error says why they cannot be held against a list.
pub(in crate::engine::postgres) async fn today(
    connection: &mut PgConnection,
    known: &Known,
    source: &Source,
) -> Result<Result<Today, String>, sqlx::Error> {
    let Some(login) = &known.login else {
        return Ok(Err("the user table's login column is not known".into()));
    };
    let key = match source {
        Source::List(list) => list.key.as_ref(),
        Source::Table(_) => None,
    };
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name).add("::pg_catalog.text, ");
    // No list holds a login that is so long, and no two different ones become equal.
    sql.bounded(|sql| {
        login_text(sql, login, |sql| {
            sql.column("p", &login.name);
        });
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
pub(in crate::engine::postgres) async fn own_key(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<(Column, catalog::Sequence, i64)>, sqlx::Error> {
    let [name] = &*table.primary_key else { return Ok(None) };
    let Some(column) = table.child.column(name).filter(|column| column.kind() == KeyKind::Integer) else {
        return Ok(None);
    };
    match catalog::sequence(connection, table.child.oid, name).await? {
        // One that begins anew at its end gives lower numbers to later rows.
        Some(sequence) if sequence.readable && sequence.increment > 0 && !sequence.cycle => {
            let next = catalog::next_value(connection, &sequence).await?;
            Ok(Some((column.clone(), sequence, next)))
        }
        _ => Ok(None),
    }
}

/// The sequence behind the table's own key, where the role may not read it.
pub(in crate::engine::postgres) async fn unreadable_sequence(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<String>, sqlx::Error> {
    let [name] = &*table.primary_key else { return Ok(None) };
    let found = catalog::sequence(connection, table.child.oid, name).await?;
    Ok(found
        .filter(|sequence| !sequence.readable)
        .map(|sequence| sql_table(sequence.relation.schema.as_str(), sequence.relation.name.as_str())))
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
    let keys: BTreeSet<_> = catalog::foreign_keys(connection, known.users.oid, &known.kept.another())
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
