//! Which references are in scope: those that the catalog has, those that only the spec declares, and
//! what keeps one from being looked at.
//!
//! However many there are, the catalog is asked a fixed number of times.

mod foreign;
mod heirs;
mod partitions;
mod passive;
mod twins;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::PgConnection;

use super::ids;
use crate::{
    api::{
        report::{ObjectRef, Skipped},
        spec::{OnConstraint, ReferenceRule},
    },
    domain::{
        facts::{KeyKind, Untrusted, foreign_key::referenced_columns},
        incremental::change_marks::Relied,
        sql_name::sql_table,
        target::{IdentitySource, Rule, Target},
        text::clip,
    },
    engine::postgres::{
        catalog::{
            self, Column, Found, Table,
            collation::{self, ColumnKey},
            condition::Condition,
            keys::ForeignKey,
            reference::ReferenceTable,
        },
        observe::Known,
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

/// What to correct in the spec where a declared reference is wrong.
const RULE: &str = "the rule in spec.references.rules";

/// Why a key about stretches of time is left out.
const PERIOD: &str =
    "the foreign key is about periods (PERIOD), and such rows are not counted: ignore it by a rule";

/// What a target's references come to.
#[derive(Default)]
pub(in crate::engine::postgres) struct Scope {
    /// Those to look at.
    pub tables: Vec<ReferenceTable>,
    /// Those that cannot be, or shall not.
    pub skipped: Vec<Skipped>,
    /// Foreign keys that a rule asks for, or that a snapshot had, and that are not there.
    pub missing: Vec<ObjectRef>,
    /// References that are not looked at since a rule or the spec says so, and that name the id all the same.
    pub passive: Vec<ReferenceTable>,
    /// Those that are told as not read, since that could run somebody's code.
    pub unread: Vec<ReferenceTable>,
}

/// References in scope: discovered and declared, minus those that a rule ignores and those that are
/// relied upon without a look.
pub(in crate::engine::postgres) async fn resolve(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    relied: &Relied,
) -> Result<Scope, DatabaseError> {
    let (keys, of_parts) = twins::keys(connection, known).await?;
    let mut rules = target.references.rules.clone();
    rules.extend(of_snapshot(connection, target, known, &keys).await?);
    let mut scope = Scope { missing: missing(&rules, &keys), ..Scope::default() };
    let mut taken = BTreeSet::new();
    let (mut wanted, mut passive) = (Vec::new(), Vec::new());
    let (keys, mut parts) = partitions::of_partitions(&rules, &scope.missing, keys);
    let (keys, mut twins) = twins::of_one_reference(keys);
    for key in keys {
        let object = key.object();
        let named = target.references.rules.iter().any(|rule| {
            rule.schema == object.schema
                && rule.rule.table == object.table
                && rule.rule.columns.as_ref().is_none_or(|columns| *columns == object.columns)
        });
        if !target.references.discover && !named {
            passive.extend(Some((key, object)).filter(|(key, _)| passive::names_id(known, key)));
            continue;
        }
        if let Some(why) = target.references.policy(&object).ignore {
            let skipped = object.clone();
            passive.extend(Some((key, object)).filter(|(key, _)| passive::names_id(known, key)));
            scope.skipped.push(Skipped { object: skipped, why: clip(&why, 512), asked: true, passes: false });
            continue;
        }
        if !key.readable {
            let why = unreadable(&object);
            taken.insert(place(&object));
            scope.skipped.push(Skipped { object, why, asked: false, passes: false });
            continue;
        }
        if key.temporal {
            scope.skipped.push(Skipped { object, why: PERIOD.into(), asked: false, passes: false });
            continue;
        }
        taken.insert(place(&object));
        if !relied.on(&object) {
            wanted.push((key, object));
        }
    }
    hard(connection, known, wanted, &mut scope).await?;
    scope.passive.extend(passive::aside(connection, known, passive).await?);
    let missing = scope.missing.clone();
    // What names a foreign key that must be there names a reference, all the more when it is gone.
    let gone = |rule: &Rule| {
        rule.rule.columns.as_ref().is_some_and(|columns| columns.len() == 1)
            && missing.iter().any(|object| object.constraint == rule.rule.constraint && rule.names(object))
    };
    let declared = rules.iter().filter(|rule| rule.rule.declared);
    let mut wanted = Vec::new();
    for rule in rules.iter().filter(|rule| rule.rule.declared || gone(rule)).filter(|rule| !rule.rule.ignore)
    {
        let object = declared_object(rule);
        if taken.insert(place(&object)) && !relied.on(&object) {
            wanted.push((&rule.rule, object));
        }
    }
    partitions::implied(connection, target, known, relied, &parts, &mut taken, &mut scope).await?;
    soft(connection, known, wanted, RULE, &taken, &mut scope).await?;
    twins::to_partitions(connection, target, known, of_parts, &taken, &mut scope).await?;
    heirs::unseen(connection, target, known, &taken, &mut scope).await?;
    for table in &mut scope.tables {
        table.twins.extend(twins.remove(&*table.object).unwrap_or_default());
        table.partition_keys.extend(parts.remove(&place(&table.object)).unwrap_or_default());
    }
    let mut ignored = Vec::new();
    for rule in declared.filter(|rule| rule.rule.ignore) {
        let why = rule.rule.reason.clone().unwrap_or_default();
        scope.skipped.push(Skipped { object: declared_object(rule), why, asked: true, passes: false });
        let object = declared_object(rule);
        ignored.extend(Some((&rule.rule, object)).filter(|(_, object)| !taken.contains(&place(object))));
    }
    // What is not there, or has no such column, names nobody.
    let mut set_aside = Scope::default();
    soft(connection, known, ignored, RULE, &taken, &mut set_aside).await?;
    scope.passive.extend(set_aside.tables);
    scope.passive.extend(passive::sessions(connection, target, known, &taken).await?);
    foreign::set_aside(&mut scope);
    Ok(scope)
}

/// What tells a reference from others: schema, table, columns.
type Place = (String, String, Vec<String>);

fn place(object: &ObjectRef) -> Place {
    (object.schema.clone(), object.table.clone(), object.columns.clone())
}

/// Leaves out references whose indexes cannot be believed: a row that an index misses would look like
/// an orphan, or hide one.
pub(in crate::engine::postgres) async fn believable(
    connection: &mut PgConnection,
    tables: Vec<ReferenceTable>,
    server_version: i64,
) -> Result<(Vec<ReferenceTable>, Vec<(ReferenceTable, Untrusted)>), DatabaseError> {
    let columns = |table: &ReferenceTable| -> Vec<ColumnKey> {
        let of = |table: i64, columns: &[Column]| -> Vec<ColumnKey> {
            let text =
                columns.iter().filter(|column| matches!(column.kind(), KeyKind::Text | KeyKind::Other));
            text.map(|column| (table, column.name.as_str().to_owned())).collect()
        };
        let mut all = of(table.child.oid, &table.columns);
        all.extend(of(table.parent.oid, &table.parent_columns));
        all
    };
    let asked: Vec<ColumnKey> = tables.iter().flat_map(columns).collect();
    let found = collation::untrusted(connection, &asked, server_version).await?;
    let mut believed = Vec::new();
    let mut untrusted = Vec::new();
    for table in tables {
        let mut indexes: Vec<_> = columns(&table).iter().filter_map(|key| found.get(key)).flatten().collect();
        indexes.dedup();
        let Some(first) = indexes.first() else {
            believed.push(table);
            continue;
        };
        let mut remedy: Vec<String> = indexes.iter().map(|one| one.reindex()).collect();
        remedy.extend(indexes.iter().map(|one| one.refresh.clone()));
        let mut seen = std::collections::BTreeSet::new();
        remedy.retain(|one| seen.insert(one.clone()));
        let fact = Untrusted {
            object: ObjectRef::clone(&table.object),
            why: format!(
                "the index {} was sorted by version {} of {} and the library has {} now, so it may miss rows",
                first.index.name.as_str(),
                first.versions.0,
                first.collation,
                first.versions.1
            ),
            remedy,
        };
        untrusted.push((table, fact));
    }
    Ok((believed, untrusted))
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
    known: &Known,
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
fn missing(rules: &[Rule], keys: &[ForeignKey]) -> Vec<ObjectRef> {
    let mut missing = Vec::new();
    for rule in rules {
        let Some(name) = &rule.rule.constraint else { continue };
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
    known: &Known,
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
            return Err(DatabaseError::Moved(format!("{} is no table any more", object.describe())));
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

/// A table of the spec whose rows name users by one column, foreign key or not; else why it cannot be used.
/// `field` is the spec's.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn by_column(
    connection: &mut PgConnection,
    known: &Known,
    object: &ObjectRef,
    field: &str,
) -> Result<Result<ReferenceTable, String>, DatabaseError> {
    let rule = ReferenceRule {
        table: object.table.clone(),
        columns: Some(object.columns.clone()),
        ..ReferenceRule::default()
    };
    let mut scope = Scope::default();
    soft(connection, known, vec![(&rule, object.clone())], field, &BTreeSet::new(), &mut scope).await?;
    let why = scope.skipped.pop().map(|skipped| skipped.why).unwrap_or_default();
    Ok(scope.tables.pop().ok_or(why))
}

/// The references that only the spec declares; what cannot be checked is skipped, with the reason. `field` is
/// the one to correct then.
async fn soft(
    connection: &mut PgConnection,
    known: &Known,
    wanted: Vec<(&ReferenceRule, ObjectRef)>,
    field: &str,
    taken: &BTreeSet<Place>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    let names: Vec<(&str, &str)> =
        wanted.iter().map(|(_, object)| (object.schema.as_str(), object.table.as_str())).collect();
    let found = catalog::find_tables(connection, &names).await?;
    let mut usable = Vec::new();
    for ((rule, object), found) in wanted.into_iter().zip(found) {
        match fitting(rule, &object, found, field, &known.users) {
            Ok((child, ..)) if child.root.as_ref().is_some_and(|root| part_of(root, &object, taken)) => {
                let root = child.root.map(|(schema, table)| sql_table(&schema, &table)).unwrap_or_default();
                let why = format!(
                    "it is a partition of {root}, where its rows are counted: name that table in the rule"
                );
                scope.skipped.push(Skipped { object, why, asked: true, passes: false });
            }
            Ok((child, column, only_where)) => usable.push((rule, object, child, column, only_where)),
            Err(why) => scope.skipped.push(Skipped { object, why, asked: false, passes: false }),
        }
    }
    let distinct = |oids: BTreeSet<i64>| oids.into_iter().collect::<Vec<_>>();
    let oids = distinct(usable.iter().map(|(_, _, child, ..)| child.oid).collect());
    let types = distinct(usable.iter().map(|(_, _, _, column, _)| column.base_oid).collect());
    let primary_keys = catalog::primary_keys(connection, &oids).await?;
    let operators = catalog::equalities(connection, known.id.base_oid, &types).await?;
    for (rule, object, child, column, only_where) in usable {
        let mut table = ReferenceTable {
            operators: operators.get(&column.base_oid).cloned().map(|operator| Arc::from([operator])),
            absent: Vec::new(),
            ids: ids::part(known, std::slice::from_ref(&column), std::slice::from_ref(&known.id)),
            columns: vec![column],
            parent_columns: vec![known.id.clone()],
            match_full: false,
            key: None,
            partition_keys: Vec::new(),
            twins: Vec::new(),
            only_where,
            primary_key: primary_keys.get(&child.oid).cloned().unwrap_or_default().into(),
            shared: Vec::new(),
            parent: Arc::clone(&known.users),
            child: Arc::new(child),
            object: Arc::new(object),
        };
        if table.refused().is_none() {
            table.absent = absent(connection, rule, &table.columns[0]).await?;
        }
        scope.tables.push(table);
    }
    Ok(())
}

fn part_of(root: &(String, String), object: &ObjectRef, taken: &BTreeSet<Place>) -> bool {
    taken.contains(&(root.0.clone(), root.1.clone(), object.columns.clone()))
}

/// Why a table that the role may not read is left out.
fn unreadable(object: &ObjectRef) -> String {
    format!(
        "no SELECT privilege on {}.{}: run what `auth-consistency grants` prints, or ignore it by a rule",
        object.schema, object.table
    )
}

/// The table, the column and the conditions that a rule names; else why it cannot be checked.
fn fitting(
    rule: &ReferenceRule,
    object: &ObjectRef,
    found: Found,
    field: &str,
    users: &Table,
) -> Result<(Table, Column, Vec<Condition>), String> {
    let mut child = match found {
        Found::Table(table) => *table,
        Found::Other(kind) => {
            return Err(format!("it is a {kind} and not a table: correct {field}"));
        }
        Found::Nothing(_) => {
            return Err(format!("there is no such table: correct {field}"));
        }
    };
    child.beside(users);
    // What nobody looks at need not be read; whether an id is free cannot be told from it then.
    if !child.select && !rule.ignore {
        return Err(unreadable(object));
    }
    let Some(column) = object.columns.first().and_then(|name| child.column(name)).cloned() else {
        return Err(format!(
            "there is no column {:?}: correct {field}",
            object.columns.first().cloned().unwrap_or_default()
        ));
    };
    let mut only_where = Vec::new();
    for condition in &rule.only_where {
        let Some(found) = child.column(&condition.column).cloned() else {
            return Err(format!(
                "there is no column {:?}, which where names: correct {field}",
                condition.column
            ));
        };
        only_where.push((found, condition.clone()));
    }
    Ok((child, column, only_where))
}

/// The values of a rule that mean nobody, in the column's own spelling. What the type does not take is
/// in no row.
async fn absent(
    connection: &mut PgConnection,
    rule: &ReferenceRule,
    column: &Column,
) -> Result<Vec<String>, DatabaseError> {
    let mut spelled = Vec::new();
    for value in &rule.absent {
        let value = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT ");
            sql.typed(value, &column.type_name).add("::text");
            sql.scalar::<String>(connection).await
        })
        .await?;
        spelled.extend(value.ok());
    }
    Ok(spelled)
}
