//! Which references are in scope: those that the catalog has, those that only the spec declares, and
//! what keeps one from being looked at.
//!
//! However many there are, the catalog is asked a fixed number of times.

pub(in crate::engine::postgres) mod elsewhere;
mod foreign;
mod heirs;
mod partitions;
mod passive;
mod twins;
mod undeclared;
mod unmatched;

use crate::{
    api::{
        report::{ObjectRef, Skipped},
        spec::{OnConstraint, ReferenceRule},
    },
    domain::{
        facts::foreign_key::referenced_columns,
        incremental::change_marks::Reuse,
        target::{IdentitySource, Target, policy::Rule},
        text::clip,
    },
    engine::postgres::{
        catalog::{
            self, Column, Found, Table,
            declared::{Place, Scope, place, soft, unreadable},
            keys::ForeignKey,
            reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        session::error::DatabaseError,
    },
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::PgConnection;

use super::ids;

/// What to correct in the spec where a declared reference is wrong.
const RULE: &str = "the rule in spec.references.rules";

/// Why a key about stretches of time is left out.
const PERIOD: &str =
    "the foreign key is about periods (PERIOD), and such rows are not counted: ignore it by a rule";

/// References in scope: discovered and declared, minus those that a rule ignores and those that are
/// relied upon without a look.
pub(in crate::engine::postgres) async fn resolve(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    relied: &Reuse,
) -> Result<Scope, DatabaseError> {
    let (keys, of_parts) = twins::keys(connection, known).await?;
    let mut rules = target.references.rules.clone();
    rules.extend(of_snapshot(connection, target, known, &keys).await?);
    let mut scope = Scope { missing: missing(&rules, &keys), ..Scope::default() };
    let mut schemas: BTreeSet<String> = keys.iter().map(|key| key.child.0.clone()).collect();
    schemas.extend(rules.iter().map(|rule| rule.schema.clone()));
    schemas.insert(known.users.relation.schema.as_str().to_owned());
    let idle = unmatched::rules(target, keys.iter().chain(&of_parts));
    let (keys, mut parts) = partitions::of_partitions(&rules, &scope.missing, keys);
    let (keys, mut twins) = twins::of_one_reference(keys);
    let mut taken = BTreeSet::new();
    let Keys { wanted, passive } = sort(target, known, relied, keys, &mut taken, &mut scope);
    hard(connection, known, wanted, &mut scope).await?;
    scope.passive.extend(passive::aside(connection, known, passive).await?);
    let wanted = declared(&rules, relied, &mut taken, &scope.missing);
    partitions::implied(connection, target, known, relied, &parts, &mut taken, &mut scope).await?;
    soft(connection, known, wanted, RULE, &taken, &mut scope).await?;
    twins::to_partitions(connection, target, known, of_parts, &taken, &mut scope).await?;
    heirs::unseen(connection, target, known, &taken, &mut scope).await?;
    for table in &mut scope.tables {
        table.twins.extend(twins.remove(&*table.object).unwrap_or_default());
        table.partition_keys.extend(parts.remove(&place(&table.object)).unwrap_or_default());
    }
    unmatched::told(connection, idle, &taken, &mut scope).await?;
    ignored(connection, known, &rules, &taken, &mut scope).await?;
    scope.passive.extend(passive::sessions(connection, target, known, &taken).await?);
    foreign::set_aside(&mut scope);
    let schemas = target.references.discover.then_some(&schemas);
    scope.elsewhere = elsewhere::observe(connection, known, &rules, schemas).await?;
    // What is there and references another table is told as that, and is no key that could be added.
    let there = |object: &ObjectRef| {
        let same = |one: &ObjectRef| {
            (&one.schema, &one.table, &one.constraint) == (&object.schema, &object.table, &object.constraint)
        };
        scope.elsewhere.iter().any(|key| key.is_told() && same(&key.object))
    };
    let gone = scope.missing.iter().filter(|object| !there(object)).cloned().collect();
    scope.missing = gone;
    if target.references.discover {
        scope.undeclared = undeclared::observe(connection, target, known, &taken).await?;
    }
    Ok(scope)
}

/// Foreign keys to the user table.
#[derive(Default)]
struct Keys {
    /// Those to look at.
    wanted: Vec<(ForeignKey, ObjectRef)>,
    /// Those that are not, and whose rows name the id all the same.
    passive: Vec<(ForeignKey, ObjectRef)>,
}

/// What becomes of each foreign key that there is. `taken` gets the places of those that are in scope.
fn sort(
    target: &Target,
    known: &ResolvedSchema,
    relied: &Reuse,
    keys: Vec<ForeignKey>,
    taken: &mut BTreeSet<Place>,
    scope: &mut Scope,
) -> Keys {
    let mut sorted = Keys::default();
    for key in keys {
        let object = key.object();
        let named = target.references.rules.iter().any(|rule| {
            rule.schema == object.schema
                && rule.rule.table == object.table
                && rule.rule.columns.as_ref().is_none_or(|columns| *columns == object.columns)
        });
        if !target.references.discover && !named {
            sorted.passive.extend(Some((key, object)).filter(|(key, _)| passive::names_id(known, key)));
            continue;
        }
        if let Some(why) = target.references.policy(&object).ignore {
            let skipped = object.clone();
            sorted.passive.extend(Some((key, object)).filter(|(key, _)| passive::names_id(known, key)));
            scope.skipped.push(Skipped {
                object: skipped,
                why: clip(&why, 512),
                asked: true,
                transient: false,
            });
            continue;
        }
        if !key.readable {
            let why = unreadable(&object);
            taken.insert(place(&object));
            scope.skipped.push(Skipped { object, why, asked: false, transient: false });
            continue;
        }
        if key.temporal {
            scope.skipped.push(Skipped { object, why: PERIOD.into(), asked: false, transient: false });
            continue;
        }
        taken.insert(place(&object));
        if !relied.on(&object) {
            sorted.wanted.push((key, object));
        }
    }
    sorted
}

/// The references that rules alone declare and that are to be looked at. `taken` gets their places.
fn declared<'a>(
    rules: &'a [Rule],
    relied: &Reuse,
    taken: &mut BTreeSet<Place>,
    missing: &[ObjectRef],
) -> Vec<(&'a ReferenceRule, ObjectRef)> {
    // What names a foreign key that must be there names a reference, all the more when it is gone.
    let gone = |rule: &Rule| {
        rule.rule.columns.as_ref().is_some_and(|columns| columns.len() == 1)
            && missing.iter().any(|object| object.constraint == rule.rule.constraint && rule.names(object))
    };
    let mut wanted = Vec::new();
    for rule in rules.iter().filter(|rule| rule.rule.declared || gone(rule)).filter(|rule| !rule.rule.ignore)
    {
        let object = declared_object(rule);
        if taken.insert(place(&object)) && !relied.on(&object) {
            wanted.push((&rule.rule, object));
        }
    }
    wanted
}

/// The references that rules declare and ignore.
async fn ignored(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    rules: &[Rule],
    taken: &BTreeSet<Place>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    let mut ignored = Vec::new();
    for rule in rules.iter().filter(|rule| rule.rule.declared && rule.rule.ignore) {
        let why = rule.rule.reason.clone().unwrap_or_default();
        scope.skipped.push(Skipped { object: declared_object(rule), why, asked: true, transient: false });
        let object = declared_object(rule);
        ignored.extend(Some((&rule.rule, object)).filter(|(_, object)| !taken.contains(&place(object))));
    }
    // What is not there, or has no such column, names nobody.
    let mut set_aside = Scope::default();
    soft(connection, known, ignored, RULE, taken, &mut set_aside).await?;
    scope.passive.extend(set_aside.tables);
    Ok(())
}

/// The reference that a rule declares.
pub(in crate::engine::postgres) fn declared_object(rule: &Rule) -> ObjectRef {
    ObjectRef {
        schema: rule.schema.clone(),
        table: rule.rule.table.clone(),
        columns: rule.rule.columns.clone().unwrap_or_default(),
        constraint: None,
    }
}

/// Foreign keys that a snapshot has, that are not there under any name, and that the spec says to restore:
/// each as a rule that asks for it. What became of a table that is gone, or has not the column any more, is
/// the app's affair.
async fn of_snapshot(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    keys: &[ForeignKey],
) -> Result<Vec<Rule>, DatabaseError> {
    let references = &target.references;
    let before = references.identities.as_ref().map_or(&[][..], IdentitySource::references);
    let mut asked = Vec::new();
    for one in before.iter().filter(|_| references.discover) {
        let ([column], Some(constraint), Some(definition)) =
            (one.columns.as_slice(), &one.constraint, &one.definition)
        else {
            continue;
        };
        let columns = vec![column.name.clone()];
        let there = keys.iter().any(|key| {
            (&key.child.0, &key.child.1, &key.child_columns) == (&one.schema, &one.table, &columns)
        });
        let named = references.rules.iter().any(|rule| {
            (&rule.schema, &rule.rule.table) == (&one.schema, &one.table)
                && (rule.rule.constraint.as_ref() == Some(constraint)
                    || (rule.rule.declared && rule.rule.columns.as_ref() == Some(&columns)))
        });
        let of_id = referenced_columns(definition).is_some_and(|names| names == [known.id.name.as_str()]);
        let rule = ReferenceRule {
            table: one.table.clone(),
            columns: Some(columns),
            constraint: Some(constraint.clone()),
            ..ReferenceRule::default()
        };
        let rule = Rule { schema: one.schema.clone(), rule };
        let policy = references.policy(&declared_object(&rule));
        if !there && !named && of_id && policy.constraint == OnConstraint::Restore && policy.ignore.is_none()
        {
            asked.push(rule);
        }
    }
    let names: Vec<(&str, &str)> =
        asked.iter().map(|rule| (rule.schema.as_str(), rule.rule.table.as_str())).collect();
    let found = catalog::find_tables(connection, &names).await?;
    let column = |rule: &Rule| rule.rule.columns.as_ref().and_then(|columns| columns.first().cloned());
    let there = |(rule, found): (Rule, Found)| match found {
        Found::Table(table) => {
            column(&rule).is_some_and(|name| table.select && table.column(&name).is_some()).then_some(rule)
        }
        Found::Other(_) | Found::Nothing(_) => None,
    };
    Ok(asked.into_iter().zip(found).filter_map(there).collect())
}

/// Foreign keys that a rule asks for and that are not there.
pub(in crate::engine::postgres) fn missing(rules: &[Rule], keys: &[ForeignKey]) -> Vec<ObjectRef> {
    let mut missing = Vec::new();
    for rule in rules {
        let Some(name) = rule.rule.constraint.as_ref().filter(|_| !rule.rule.ignore) else { continue };
        let there = keys
            .iter()
            .any(|key| key.name == *name && key.child == (rule.schema.clone(), rule.rule.table.clone()));
        if !there {
            missing.push(ObjectRef { constraint: Some(name.clone()), ..declared_object(rule) });
        }
    }
    missing
}

/// The references that are foreign keys.
async fn hard(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    wanted: Vec<(ForeignKey, ObjectRef)>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    // What only a partition has is the whole table's.
    let whole = |key: &ForeignKey, object: &ObjectRef| match (&key.root, &object.constraint) {
        (Some(root), None) => root.oid,
        _ => key.child_oid,
    };
    let oids: Vec<i64> =
        wanted.iter().map(|(key, object)| whole(key, object)).collect::<BTreeSet<_>>().into_iter().collect();
    let children =
        catalog::tables(connection, &oids, &known.kept).await?.into_iter().map(|(oid, mut child)| {
            child.beside(&known.users);
            (oid, Arc::new(child))
        });
    let children: BTreeMap<i64, Arc<Table>> = children.collect();
    let primary_keys = catalog::primary_keys(connection, &oids).await?;
    let pick = |table: &Table, names: &[String]| -> Vec<Column> {
        names.iter().filter_map(|name| table.column(name)).cloned().collect()
    };
    let primary_keys: BTreeMap<i64, Arc<[String]>> =
        primary_keys.into_iter().map(|(oid, names)| (oid, names.into())).collect();
    scope.tables.reserve_exact(wanted.len());
    for (key, object) in wanted {
        let oid = whole(&key, &object);
        let Some(child) = children.get(&oid) else {
            return Err(DatabaseError::PlanStale(format!("{} is no table any more", object.describe())));
        };
        let shared = match key.child_columns.len() {
            0 | 1 => Vec::new(),
            _ => catalog::shared(connection, key.child_oid, &key.name).await?,
        };
        let columns = pick(child, &key.child_columns);
        let parent_columns = pick(&known.users, &key.parent_columns);
        scope.tables.push(ReferenceTable {
            ids: ids::part(known, &columns, &parent_columns),
            columns,
            parent_columns,
            operators: (key.operators.len() == key.child_columns.len()).then(|| Arc::clone(&key.operators)),
            match_full: key.match_full,
            absent: Vec::new(),
            only_where: Vec::new(),
            primary_key: primary_keys.get(&oid).cloned().unwrap_or_default(),
            shared,
            parent: Arc::clone(&known.users),
            child: Arc::clone(child),
            key: object.constraint.is_some().then(|| Box::new(key)),
            partition_keys: Vec::new(),
            twins: Vec::new(),
            object: Arc::new(object),
        });
    }
    Ok(())
}
