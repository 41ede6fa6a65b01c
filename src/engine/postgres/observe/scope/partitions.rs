//! A partition and the table that it is a part of are one reference, whichever of them has the foreign key.

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::{
        incremental::change_marks::Reuse,
        target::{Target, policy::Rule},
        text::clip,
    },
    engine::postgres::{
        catalog::{
            declared::{Place, Scope, place, unreadable},
            keys::ForeignKey,
            resolved::ResolvedSchema,
        },
        session::error::DatabaseError,
    },
};

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::{
    PERIOD, declared_object, hard,
    passive::{aside, names_id},
};

/// Tells the foreign keys that partitions have for themselves from the others. A partition and the table that it
/// is a part of have the same column, so that is one reference, whoever declares it. A partition that a rule names
/// stays a reference of its own where nothing else makes one of the whole; so does one whose table has rows
/// elsewhere, which nobody can hold.
pub(super) fn of_partitions(
    rules: &[Rule],
    missing: &[ObjectRef],
    keys: Vec<ForeignKey>,
) -> (Vec<ForeignKey>, BTreeMap<Place, Vec<ForeignKey>>) {
    let whole = |key: &ForeignKey| {
        let (schema, table) = key.root.as_ref().map(|root| root.name.clone())?;
        Some((schema, table, key.child_columns.clone()))
    };
    let mut known: BTreeSet<Place> =
        keys.iter().filter(|key| key.root.is_none()).map(|key| place(&key.object())).collect();
    known.extend(rules.iter().filter(|rule| rule.rule.declared).map(|rule| place(&declared_object(rule))));
    known.extend(missing.iter().map(place));
    let alone = |key: &ForeignKey| {
        rules.iter().any(|rule| (&rule.schema, &rule.rule.table) == (&key.child.0, &key.child.1))
            || key.root.as_ref().is_some_and(|root| root.foreign)
    };
    // A partition of which another one has a key without a rule is one of the whole too.
    let implied: Vec<Place> = keys.iter().filter(|key| !alone(key)).filter_map(whole).collect();
    known.extend(implied);
    let (mut own, mut parts) = (Vec::new(), BTreeMap::<Place, Vec<ForeignKey>>::new());
    for key in keys {
        match whole(&key).filter(|place| known.contains(place)) {
            Some(place) => parts.entry(place).or_default().push(key),
            None => own.push(key),
        }
    }
    (own, parts)
}

/// The references that only partitions have a foreign key for: each is the whole table's.
pub(super) async fn implied(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    relied: &Reuse,
    parts: &BTreeMap<Place, Vec<ForeignKey>>,
    taken: &mut BTreeSet<Place>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    let (mut wanted, mut passive) = (Vec::new(), Vec::new());
    for (place, keys) in parts.iter().filter(|(place, _)| !taken.contains(*place)) {
        let (Some(key), (schema, table, columns)) = (keys.first(), place) else { continue };
        let Some(root) = &key.root else { continue };
        let object = ObjectRef {
            schema: schema.clone(),
            table: table.clone(),
            columns: columns.clone(),
            constraint: None,
        };
        let references = &target.references;
        let rules =
            || references.rules.iter().filter(|rule| rule.schema == *schema && rule.rule.table == *table);
        let named = rules().any(|rule| rule.rule.columns.as_ref().is_none_or(|named| named == columns));
        if !references.discover && !named {
            passive.extend(Some((key.clone(), object)).filter(|(key, _)| names_id(known, key)));
            continue;
        }
        if let Some(why) = references.policy(&object).ignore {
            passive.extend(Some((key.clone(), object.clone())).filter(|(key, _)| names_id(known, key)));
            // A rule that declares it says so for itself.
            if !rules().any(|rule| rule.rule.declared && rule.names(&object)) {
                scope.skipped.push(Skipped { object, why: clip(&why, 512), asked: true, transient: false });
            }
            continue;
        }
        if !root.readable {
            let why = unreadable(&object);
            scope.skipped.push(Skipped { object, why, asked: false, transient: false });
            continue;
        }
        if key.temporal {
            scope.skipped.push(Skipped { object, why: PERIOD.into(), asked: false, transient: false });
            continue;
        }
        if !relied.on(&object) {
            wanted.push((key.clone(), object));
        }
    }
    scope.passive.extend(aside(connection, known, passive).await?);
    taken.extend(wanted.iter().map(|(_, object)| place(object)));
    hard(connection, known, wanted, scope).await
}
