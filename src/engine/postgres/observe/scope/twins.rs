//! Foreign keys that are about one thing: several of the same columns, and those to a part of the user table.

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::{target::Target, text::clip},
    engine::postgres::{
        catalog::{
            self,
            declared::{Place, Scope, place},
            keys::ForeignKey,
            resolved::ResolvedSchema,
        },
        session::error::DatabaseError,
        sql_name::sql_table,
    },
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::PgConnection;

use super::passive::{aside, names_id};

/// The foreign keys to the user table, and those to a partition of it.
pub(super) async fn keys(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<(Vec<ForeignKey>, Vec<ForeignKey>), DatabaseError> {
    let users = &known.users;
    if !users.relation.partitioned {
        return Ok((catalog::foreign_keys(connection, users.oid, &known.kept).await?, Vec::new()));
    }
    let keys = catalog::foreign_keys_into(connection, users.oid, &known.kept).await?;
    Ok(keys.into_iter().partition(|key| key.parent_oid == users.oid))
}

/// Keys of the same columns to the same ones are one reference: the first of them stands for it, and has the
/// others by its name.
pub(super) fn of_one_reference(
    keys: Vec<ForeignKey>,
) -> (Vec<ForeignKey>, BTreeMap<ObjectRef, Vec<ForeignKey>>) {
    let mut first: BTreeMap<(Place, Arc<[String]>, bool), ObjectRef> = BTreeMap::new();
    let (mut own, mut twins) = (Vec::new(), BTreeMap::<ObjectRef, Vec<ForeignKey>>::new());
    for key in keys {
        let object = key.object();
        // What MATCH FULL makes of some NULLs, or a stretch of time, is another matter.
        let what = (place(&object), Arc::clone(&key.parent_columns), key.match_full || key.temporal);
        match first.get(&what) {
            Some(one) => twins.entry(one.clone()).or_default().push(key),
            None => {
                first.insert(what, object);
                own.push(key);
            }
        }
    }
    (own, twins)
}

/// Foreign keys to a partition of the user table: whom their rows name is not told from that part alone.
pub(super) async fn to_partitions(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    keys: Vec<ForeignKey>,
    taken: &BTreeSet<Place>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    let references = &target.references;
    let parents: Vec<i64> = keys.iter().map(|key| key.parent_oid).collect();
    let parents = catalog::tables(connection, &parents, &known.kept).await?;
    let mut passive = Vec::new();
    for key in keys {
        let object = key.object();
        // A rule declares it, or another key reaches the whole table.
        if taken.contains(&place(&object)) {
            continue;
        }
        let rules = || {
            references.rules.iter().filter(|rule| {
                (&rule.schema, &rule.rule.table) == (&object.schema, &object.table)
                    && rule.rule.columns.as_ref().is_none_or(|columns| *columns == object.columns)
            })
        };
        let part = parents.get(&key.parent_oid).map_or_else(String::new, |table| {
            sql_table(table.relation.schema.as_str(), table.relation.name.as_str())
        });
        let ignored = references.policy(&object).ignore;
        let skipped = match ignored {
            Some(why) if !rules().any(|rule| rule.rule.declared) => Some((clip(&why, 512), true)),
            Some(_) => None,
            None if references.discover || rules().next().is_some() => Some((
                format!(
                    "the foreign key {} references {part}, a partition of the user table, and is not compared with that alone: declare the column by a rule in spec.references.rules, so that it is compared with the whole table, or ignore it there",
                    key.name
                ),
                false,
            )),
            None => None,
        };
        scope.skipped.extend(skipped.map(|(why, asked)| Skipped {
            object: object.clone(),
            why,
            asked,
            transient: false,
        }));
        passive.extend(Some((key, object)).filter(|(key, _)| key.readable && names_id(known, key)));
    }
    scope.passive.extend(aside(connection, known, passive).await?);
    Ok(())
}
