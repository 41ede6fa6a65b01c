//! What a step's table is today, beside the copies: the app's schema may have moved on since.

use std::sync::Arc;

use sqlx::{Connection, PgConnection, Row};

use crate::engine::postgres::{
    catalog::{self, Column, Found, Table},
    ledger::{fence::Fence, quarantine::Quarantine},
    restore::{
        past::Done,
        undo::{Pair, Undo},
        verify,
    },
    session::{error::DatabaseError, transaction::prepare},
    sql::Sql,
    sql_name::sql_table,
};

/// What a row can do instead.
const ELSE: &str = "then restore again, or write the row into a table of its own";

/// The quarantine tables of a step's table, and its primary key.
pub(super) struct Today {
    /// The table; `None` where it is gone.
    pub source: Option<Table>,
    /// Each with the source, as far as both have the columns. A column that was added since the copies were made
    /// keeps its default.
    pub pairs: Vec<Pair>,
    /// Empty where the table is gone.
    pub key: Vec<Column>,
    /// Why no row of it can go back at all.
    pub gone: Option<String>,
}

/// Looks at the table as it is.
///
/// # Errors
/// The database fails.
pub(super) async fn today(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &Done,
) -> Result<Today, DatabaseError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    prepare(connection, fence.statement_timeout).await?;
    let object = &step.object;
    let table = sql_table(&object.schema, &object.table);
    let found = match catalog::find_table(connection, &object.schema, &object.table).await? {
        Found::Table(source) => Ok(*source),
        Found::Other(kind) => Err(format!("{table} is a {kind} today")),
        Found::Nothing(_) => Err(format!("there is no table {table} any more")),
    };
    let (mut key, mut triggers) = (Vec::new(), Vec::new());
    if let Ok(source) = &found {
        let names = catalog::primary_key(connection, source.oid).await?;
        key.extend(names.iter().filter_map(|name| source.column(name)).cloned());
        triggers = verify::triggers(connection, source, step.action).await?;
    }
    let mut sql = Sql::new("SELECT name FROM auth_consistency.quarantine WHERE schema_name = ");
    sql.text(&object.schema).add(" AND table_name = ").text(&object.table).add(" ORDER BY created_at, name");
    let mut pairs = Vec::new();
    for row in sql.all(connection).await? {
        let quarantine = Quarantine::named(row.try_get(0)?);
        let name = quarantine.relation.name.as_str();
        // Somebody may have dropped one by hand.
        let Found::Table(copies) = catalog::find_table(connection, "auth_consistency", name).await? else {
            continue;
        };
        pairs.push(pair(quarantine, found.as_ref().ok(), *copies, triggers.clone()));
    }
    transaction.rollback().await?;
    let (source, gone) = match found {
        Ok(source) => (Some(source), None),
        Err(why) => (None, Some(format!("{why}: give it its name back, {ELSE}"))),
    };
    Ok(Today { source, pairs, key, gone })
}

fn pair(quarantine: Quarantine, source: Option<&Table>, copies: Table, triggers: Vec<String>) -> Pair {
    let theirs = || copies.columns.iter().filter(|column| !column.name.as_str().starts_with("_ac_"));
    let Some(source) = source else {
        // No statement is about the source then.
        let source = copies.clone();
        return Pair { quarantine, source, copies, triggers, lost: Vec::new(), renamed: false };
    };
    let lost: Vec<Column> =
        theirs().filter(|column| source.column(column.name.as_str()).is_none()).cloned().collect();
    let mut source = source.clone();
    let all = source.columns.len();
    Arc::make_mut(&mut source.columns).retain(|column| copies.column(column.name.as_str()).is_some());
    let renamed = !lost.is_empty() && source.columns.len() < all;
    Pair { quarantine, source, copies, triggers, lost, renamed }
}

/// Why a row would not be whole if it went back to the table as it is today.
pub(super) async fn lacking(
    connection: &mut PgConnection,
    undo: &Undo<'_>,
    key: &[Column],
) -> Result<Option<String>, sqlx::Error> {
    let pair = undo.pair;
    let gone = |name: &&String| pair.source.column(name).is_none();
    let mut lost: Vec<String> = undo.changed.iter().filter(gone).cloned().collect();
    if undo.inserts() {
        for column in &pair.lost {
            let name = column.name.as_str();
            // What has another name today may have got another value with it: none is then as good as any.
            if !lost.iter().any(|one| one == name)
                && (pair.renamed || undo.has_value(connection, column).await?)
            {
                lost.push(name.to_owned());
            }
        }
    }
    let table = sql_table(pair.source.relation.schema.as_str(), pair.source.relation.name.as_str());
    if !lost.is_empty() {
        let mut quoted: Vec<String> = lost.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
        if lost.len() > NAMED {
            quoted.push("…".into());
        }
        let (columns, it) = if lost.len() == 1 { ("column", "it") } else { ("columns", "them") };
        return Ok(Some(format!(
            "the copy has the {columns} {}, and {table} has {it} no more: rename or add {it} meanwhile, {ELSE}",
            quoted.join(", ")
        )));
    }
    let unknown = key.iter().find(|column| pair.copies.column(column.name.as_str()).is_none());
    Ok(unknown.filter(|_| !undo.inserts()).map(|column| {
        format!(
            "{table} has the primary key {:?} today, which the copy has not, so the row cannot be found: rename it back meanwhile, {ELSE}",
            column.name.as_str()
        )
    }))
}

/// Columns that a message names at most.
const NAMED: usize = 5;
