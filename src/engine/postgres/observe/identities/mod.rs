//! Who of before is who today, and which rows that concerns: counted in the pass's own snapshot.
//!
//! What a repair reads again inside its transaction is written with qualified names and operators,
//! since the path there is the role's own.

mod barred;
pub(in crate::engine::postgres) mod count;
pub(in crate::engine::postgres) mod remote;
pub mod source;

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
        sql_name::sql_table,
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
    },
};

use std::collections::BTreeSet;

use sqlx::PgConnection;

pub(in crate::engine::postgres) use crate::engine::postgres::ledger::remaps::{quarantines, remember};
pub use crate::engine::postgres::observe::identities::remote::Elsewhere;
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_exchange::{
    keys_of_wanted, put_in_again,
};
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_rows::paired;
pub(in crate::engine::postgres) use crate::engine::postgres::rowset::remap_surplus::keys_of as keys_of_surplus;

/// Looks at the identities and at the rows that they concern.
///
/// # Errors
/// The database fails as a whole; what is wrong with the identities is in the facts.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
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
                        "table {}.{} is the user table itself, which says nothing about earlier ids",
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
        keyed: matches!(&source, Source::List(list) if list.key.is_some()),
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
