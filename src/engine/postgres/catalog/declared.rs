//! References that only the spec declares, looked up in the catalog.

use std::{collections::BTreeSet, sync::Arc};

use sqlx::PgConnection;

use crate::{
    api::{
        report::{ObjectRef, Skipped},
        spec::ReferenceRule,
    },
    domain::{
        facts::{KeyElsewhere, Undeclared},
        text::nearest,
    },
    engine::postgres::{
        catalog::{
            self, Column, Found, Table, condition::Condition, reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        observe::ids,
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
        sql_name::sql_table,
    },
};

/// What a target's references come to.
#[derive(Default)]
pub(in crate::engine::postgres) struct Scope {
    /// Those to look at.
    pub tables: Vec<ReferenceTable>,
    /// Those that cannot be, or shall not.
    pub skipped: Vec<Skipped>,
    /// Foreign keys that a rule asks for, or that a snapshot had, and that are not there.
    pub missing: Vec<ObjectRef>,
    /// Foreign keys of columns that name users, which reference another table.
    pub elsewhere: Vec<KeyElsewhere>,
    /// Columns that look as if they named users, and are not checked.
    pub undeclared: Undeclared,
    /// References that are not looked at since a rule or the spec says so, and that name the id all the same.
    pub passive: Vec<ReferenceTable>,
    /// Those that are told as not read, since that could run somebody's code.
    pub unread: Vec<ReferenceTable>,
}

/// A table of the spec whose rows name users by one column, foreign key or not; else why it cannot be used.
/// `field` is the spec's.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn by_column(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
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
pub(in crate::engine::postgres) async fn soft(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
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
                scope.skipped.push(Skipped { object, why, asked: true, transient: false });
            }
            Ok((child, column, only_where)) => usable.push((rule, object, child, column, only_where)),
            Err(why) => scope.skipped.push(Skipped { object, why, asked: false, transient: false }),
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

/// That there is no table of a name, and which are nearly called so, in whatever schema.
pub(in crate::engine::postgres) fn no_table(alike: &[String], field: &str) -> String {
    match alike {
        [] => format!("there is no such table: correct {field}"),
        some => format!(
            "there is no such table there, but there is {}: correct {field}, which takes the schema of the user table where it names none",
            some.join(", ")
        ),
    }
}

/// Why a table that the role may not read is left out.
pub(in crate::engine::postgres) fn unreadable(object: &ObjectRef) -> String {
    format!(
        "the role may not read {}.{}, which takes SELECT on it and USAGE on its schema: run what `auth-consistency grants` prints, or ignore it by a rule",
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
        Found::Nothing(alike) => return Err(no_table(&alike, field)),
    };
    child.beside(users);
    // What nobody looks at need not be read; whether an id is free cannot be told from it then.
    if !child.select && !rule.ignore {
        return Err(unreadable(object));
    }
    let Some(column) = object.columns.first().and_then(|name| child.column(name)).cloned() else {
        let name = object.columns.first().cloned().unwrap_or_default();
        let there = child.columns.iter().map(|column| column.name.as_str());
        let near = nearest(&name, there).map(|near| format!(", but there is {near:?}")).unwrap_or_default();
        return Err(format!("there is no column {name:?}{near}: correct {field}"));
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
pub(in crate::engine::postgres) async fn absent(
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

/// What tells a reference from others: schema, table, columns.
pub(in crate::engine::postgres) type Place = (String, String, Vec<String>);

pub(in crate::engine::postgres) fn place(object: &ObjectRef) -> Place {
    (object.schema.clone(), object.table.clone(), object.columns.clone())
}

pub(in crate::engine::postgres) fn part_of(
    root: &(String, String),
    object: &ObjectRef,
    taken: &BTreeSet<Place>,
) -> bool {
    taken.contains(&(root.0.clone(), root.1.clone(), object.columns.clone()))
}
