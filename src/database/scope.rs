//! Which references are in scope: those that the catalog has, those that only the spec declares, and
//! what keeps one from being looked at.

use sqlx::PgConnection;

use super::{
    catalog::{self, Column, ForeignKey, Found, Table},
    collation::{self, ColumnKey},
    error::DatabaseError,
    identifier::Sql,
    observe::{Known, savepoint},
    references::ReferenceTable,
};
use crate::{
    api::report::{ObjectRef, Skipped},
    consistency::{
        observation::{KeyKind, Untrusted},
        target::{Rule, Target},
        wording::clip,
    },
};

/// References in scope: discovered and declared, minus those that a rule ignores.
pub(super) async fn resolve(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    missing: &mut Vec<ObjectRef>,
) -> Result<(Vec<ReferenceTable>, Vec<Skipped>), DatabaseError> {
    let mut tables = Vec::new();
    let mut skipped = Vec::new();
    let keys = catalog::foreign_keys(connection, known.users.oid).await?;
    for rule in &target.references.rules {
        let Some(name) = &rule.rule.constraint else { continue };
        let there = keys
            .iter()
            .any(|key| key.name == *name && key.child == (rule.schema.clone(), rule.rule.table.clone()));
        if !there {
            missing.push(ObjectRef {
                schema: rule.schema.clone(),
                table: rule.rule.table.clone(),
                columns: rule.rule.columns.clone().unwrap_or_default(),
                constraint: Some(name.clone()),
            });
        }
    }
    for key in &keys {
        let object = ObjectRef {
            schema: key.child.0.clone(),
            table: key.child.1.clone(),
            columns: key.child_columns.clone(),
            constraint: Some(key.name.clone()),
        };
        let named = target.references.rules.iter().any(|rule| {
            rule.schema == object.schema
                && rule.rule.table == object.table
                && rule.rule.columns.as_ref().is_none_or(|columns| *columns == object.columns)
        });
        if !target.references.discover && !named {
            continue;
        }
        if let Some(why) = target.references.policy(&object).ignore {
            skipped.push(Skipped { object, why: clip(&why, 512), asked: true });
            continue;
        }
        if !key.readable {
            let why = format!("no SELECT privilege on {}.{}", object.schema, object.table);
            skipped.push(Skipped { object, why, asked: false });
            continue;
        }
        tables.push(hard(connection, known, key, object).await?);
    }
    // What names a foreign key that must be there names a reference, all the more when it is gone.
    let gone = |rule: &&Rule| {
        rule.rule.columns.as_ref().is_some_and(|columns| columns.len() == 1)
            && missing.iter().any(|object| object.constraint == rule.rule.constraint && rule.names(object))
    };
    for rule in
        target.references.rules.iter().filter(|rule| (rule.rule.declared || gone(rule)) && !rule.rule.ignore)
    {
        let columns = rule.rule.columns.clone().unwrap_or_default();
        let already = tables.iter().any(|one: &ReferenceTable| {
            one.object.schema == rule.schema
                && one.object.table == rule.rule.table
                && one.object.columns == columns
        });
        if already {
            continue;
        }
        let object = ObjectRef {
            schema: rule.schema.clone(),
            table: rule.rule.table.clone(),
            columns,
            constraint: None,
        };
        match soft(connection, known, &rule.rule, object.clone()).await? {
            Ok(table) => tables.push(table),
            Err(why) => skipped.push(Skipped { object, why, asked: false }),
        }
    }
    for rule in target.references.rules.iter().filter(|rule| rule.rule.declared && rule.rule.ignore) {
        skipped.push(Skipped {
            object: ObjectRef {
                schema: rule.schema.clone(),
                table: rule.rule.table.clone(),
                columns: rule.rule.columns.clone().unwrap_or_default(),
                constraint: None,
            },
            why: rule.rule.reason.clone().unwrap_or_default(),
            asked: true,
        });
    }
    Ok((tables, skipped))
}

/// Leaves out references whose indexes cannot be believed: a row that an index misses would look like
/// an orphan, or hide one.
pub(super) async fn believable(
    connection: &mut PgConnection,
    tables: Vec<ReferenceTable>,
    server_version: i64,
) -> Result<(Vec<ReferenceTable>, Vec<Untrusted>), DatabaseError> {
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
        untrusted.push(Untrusted {
            object: table.object.clone(),
            why: format!(
                "the index {} was sorted by version {} of {} and the library has {} now, so it may miss rows",
                first.index.name.as_str(),
                first.versions.0,
                first.collation,
                first.versions.1
            ),
            remedy,
        });
    }
    Ok((believed, untrusted))
}

async fn hard(
    connection: &mut PgConnection,
    known: &Known,
    key: &ForeignKey,
    object: ObjectRef,
) -> Result<ReferenceTable, DatabaseError> {
    let child = match catalog::find_table(connection, &key.child.0, &key.child.1).await? {
        Found::Table(table) => *table,
        _ => return Err(DatabaseError::Moved(format!("{} is no table any more", object.describe()))),
    };
    let pick = |table: &Table, names: &[String]| -> Vec<Column> {
        names.iter().filter_map(|name| table.column(name)).cloned().collect()
    };
    Ok(ReferenceTable {
        columns: pick(&child, &key.child_columns),
        parent_columns: pick(&known.users, &key.parent_columns),
        operators: (key.operators.len() == key.child_columns.len()).then(|| key.operators.clone()),
        match_full: key.match_full,
        absent: Vec::new(),
        only_where: Vec::new(),
        primary_key: catalog::primary_key(connection, child.oid).await?,
        parent: known.users.clone(),
        child,
        key: Some(key.clone()),
        object,
    })
}

/// A reference that only the spec declares; the inner error says why it cannot be checked.
async fn soft(
    connection: &mut PgConnection,
    known: &Known,
    rule: &crate::api::spec::ReferenceRule,
    object: ObjectRef,
) -> Result<Result<ReferenceTable, String>, DatabaseError> {
    let child = match catalog::find_table(connection, &object.schema, &object.table).await? {
        Found::Table(table) => *table,
        Found::Other(kind) => return Ok(Err(format!("it is a {kind} and not a table"))),
        Found::Nothing(_) => return Ok(Err("there is no such table".into())),
    };
    if !child.select {
        return Ok(Err(format!("no SELECT privilege on {}.{}", object.schema, object.table)));
    }
    let Some(column) = object.columns.first().and_then(|name| child.column(name)).cloned() else {
        return Ok(Err(format!(
            "there is no column {:?}",
            object.columns.first().cloned().unwrap_or_default()
        )));
    };
    let mut only_where = Vec::new();
    for condition in &rule.only_where {
        let Some(found) = child.column(&condition.column).cloned() else {
            return Ok(Err(format!("there is no column {:?}, which where names", condition.column)));
        };
        only_where.push((found, condition.clone()));
    }
    let mut absent = Vec::new();
    for value in &rule.absent {
        let spelled = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT ");
            sql.typed(value, &column.type_name).add("::text");
            sql.scalar::<String>(connection).await
        })
        .await?;
        // What the type does not take is in no row.
        absent.extend(spelled.ok());
    }
    let operators = catalog::equality(connection, known.id.base_oid, column.base_oid)
        .await?
        .map(|operator| vec![operator]);
    Ok(Ok(ReferenceTable {
        operators,
        columns: vec![column],
        parent_columns: vec![known.id.clone()],
        match_full: false,
        key: None,
        absent,
        only_where,
        primary_key: catalog::primary_key(connection, child.oid).await?,
        parent: known.users.clone(),
        child,
        object,
    }))
}
