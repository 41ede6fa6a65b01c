//! Who of before is who today, and which rows that concerns: counted in the pass's own snapshot.
//!
//! What a repair reads again inside its transaction is written with qualified names and operators,
//! since the path there is the role's own.

mod barred;
pub(in crate::engine::postgres) mod count;
pub(in crate::engine::postgres) mod remote;
pub mod source;

use crate::engine::PreviousUsers;
use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{
            identities::{IdentityFacts, Unusable},
            key_kind::KeyKind,
            references::Reference,
            schema::UserTable,
        },
        identities::{
            list::Identities,
            mapping::{Pair, correspond},
        },
        target::{IdentitySource, Target},
    },
    engine::postgres::{
        catalog::{
            self, Found,
            mapping::{Mapping, Source},
            reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        observe::identities::source::source_table,
        rowset::people::{length, list_digest, people, today},
        session::{error::DatabaseError, transaction::savepoint},
        sql_name::sql_table,
    },
};

use std::collections::BTreeSet;

use sqlx::PgConnection;

pub(in crate::engine::postgres) use crate::engine::postgres::ledger::remaps::{quarantines, remember};
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_exchange::{
    keys_of_wanted, put_in_again,
};
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_rows::paired;
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_surplus::keys_of as keys_of_surplus;

/// The rows that may name previous people.
pub(in crate::engine::postgres) struct Rows<'a> {
    /// The user table.
    pub users: &'a UserTable,
    /// The references that were checked.
    pub references: &'a [Reference],
    /// As `server_version_num`.
    pub server_version: i64,
}

/// Looks at the identities and at the rows that they concern.
///
/// # Errors
/// The database fails as a whole; what is wrong with the identities is in the facts.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    rows: Rows<'_>,
    elsewhere: Option<&Result<PreviousUsers, Unusable>>,
) -> Result<Option<(IdentityFacts, Option<Mapping>)>, DatabaseError> {
    let Some(source) = &target.references.identities else { return Ok(None) };
    let usable = match source_of(connection, source, known, elsewhere).await? {
        // What is no whole pass has no use for them.
        None => return Ok(None),
        Some(Ok(source)) => mapping(connection, known, source).await?,
        Some(Err(problem)) => Err(problem),
    };
    let (mut facts, mut mapping) = match usable {
        Ok(usable) => usable,
        Err(problem) => {
            return Ok(Some((IdentityFacts { problem: Some(problem), ..IdentityFacts::default() }, None)));
        }
    };
    let source = mapping.source.clone();
    let before = match &source {
        Source::List(list) => Some(list.as_ref()),
        Source::Table(_) => None,
    };
    for reference in rows.references {
        let Some(table) = known.references.iter().find(|table| *table.object == reference.object) else {
            continue;
        };
        let looking = count::Looking {
            known,
            users: rows.users,
            mapping: &mapping,
            list: before,
            server_version: rows.server_version,
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

/// Where the previous people are read from, or why they cannot be; `None`: another database was not asked.
async fn source_of(
    connection: &mut PgConnection,
    source: &IdentitySource,
    known: &ResolvedSchema,
    elsewhere: Option<&Result<PreviousUsers, Unusable>>,
) -> Result<Option<Result<Source, Unusable>>, DatabaseError> {
    let invalid = |why: String| Ok(Some(Err(Unusable::invalid(why))));
    if known.id.kind() == KeyKind::Other || known.id.base_name == "citext" {
        return invalid(format!(
            "ids of type {} cannot be compared with a list of people",
            known.id.declared_type.as_str()
        ));
    }
    let table = match (source, elsewhere) {
        (IdentitySource::List(list), _) => return Ok(Some(Ok(Source::List(list.clone())))),
        (IdentitySource::Elsewhere(..), None) => return Ok(None),
        (IdentitySource::Elsewhere(..), Some(Err(problem))) => return Ok(Some(Err(problem.clone()))),
        (IdentitySource::Elsewhere(..), Some(Ok(read))) => {
            return match remote::is_today(read, connection, known).await? {
                Some(why) => invalid(why),
                None => Ok(Some(Ok(Source::List(read.list.clone())))),
            };
        }
        (IdentitySource::Table(table), _) => table,
    };
    let way_out = "run what `auth-consistency grants` prints";
    match source_table(connection, table, way_out, Some(&known.users)).await? {
        Ok(found) if found.oid == known.users.oid => invalid(format!(
            "table {}.{} is the user table itself, which says nothing about earlier ids",
            table.schema, table.table
        )),
        Ok(found) => Ok(Some(Ok(Source::Table(Box::new(found))))),
        Err(why) => invalid(why),
    }
}

/// Who of before is who today, and how many that are; or why that cannot be told.
async fn mapping(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    source: Source,
) -> Result<Result<(IdentityFacts, Mapping), Unusable>, DatabaseError> {
    let read =
        savepoint(connection, async |connection: &mut PgConnection| people(connection, known, &source).await)
            .await?;
    let people = match read {
        Ok(Ok(people)) => people,
        Ok(Err(why)) | Err(why) => {
            return Ok(Err(Unusable::invalid(format!("{}: {why}", origin(&source)))));
        }
    };
    let today = match today(connection, known, &source).await? {
        Ok(today) => today,
        Err(why) => return Ok(Err(Unusable::invalid(why))),
    };
    let pairs = correspond(known.id.kind(), &people, &today);
    let shifted: Vec<&Pair> = pairs.iter().filter(|pair| pair.shifted).collect();
    let facts = IdentityFacts {
        people: length(people.len()),
        keyed: matches!(&source, Source::List(list) if list.key.is_some()),
        shifted: length(shifted.len()),
        sample: shifted.iter().take(5).map(|pair| pair.old.clone()).collect(),
        elsewhere: length(shifted.iter().filter(|pair| pair.new.is_some()).count()),
        ..IdentityFacts::default()
    };
    let list = list_digest(&source, &people);
    Ok(Ok((facts, Mapping { list, pairs, source, references: Vec::new() })))
}

pub(in crate::engine::postgres) fn origin(source: &Source) -> String {
    match source {
        Source::List(list) => list.origin.clone(),
        Source::Table(table) => {
            format!("table {}.{}", table.relation.schema.as_str(), table.relation.name.as_str())
        }
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
    known: &ResolvedSchema,
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
