//! What is kept in quarantine: listed and shown.
//!
//! Every row is bound to the target that took it. A dump brings the rows of another one along: those
//! are listed as that.

use crate::{
    api::report::ObjectRef,
    domain::{facts::schema::DatabaseIdentity, target::Target},
    engine::{
        PurgeFilter, QuarantineEntry, QuarantineRows, RowsQuery,
        postgres::{
            catalog::{self, Column, Found, Table, condition::text, resolved::ResolvedSchema},
            ledger::{
                fence::Fence,
                quarantine::{Quarantine, tables},
            },
            session::{error::DatabaseError, transaction::prepare},
            sql::{Name, Sql, sql},
        },
    },
    passwords::holds_hash,
};

use std::{cmp::Reverse, collections::HashMap};

use sqlx::{Connection, PgConnection, Row};

/// What is shown in place of a value that is a password hash, or has one inside of it.
const HIDDEN: &str = "(hidden: it holds a password hash)";

/// Whose rows they are, as people name it.
pub fn identity_text(identity: &DatabaseIdentity, owner: &str) -> String {
    format!("{}/{}/{owner}", identity.system, identity.database)
}

/// Whose rows an identity means, as people name it: a fence that says so and is good for nothing else.
///
/// # Errors
/// It is no identity.
pub(in crate::engine::postgres) fn whose(fence: &Fence, identity: &str) -> Result<Fence, DatabaseError> {
    let mut parts = identity.splitn(3, '/');
    let (Some(system), Some(Ok(database)), Some(owner)) =
        (parts.next(), parts.next().map(str::parse), parts.next())
    else {
        return Err(DatabaseError::NotFound(format!(
            "{identity:?} is no identity: `auth-consistency quarantine list` shows those that there are"
        )));
    };
    let identity = DatabaseIdentity { system: system.to_owned(), database };
    Ok(Fence { identity, owner: owner.to_owned(), ..fence.clone() })
}

/// Whether a person means this table by `table` or `schema.table`.
pub(in crate::engine::postgres) fn is_named(object: &ObjectRef, name: &str) -> bool {
    name == object.table
        || name.strip_prefix(&object.schema).and_then(|rest| rest.strip_prefix('.')) == Some(&object.table)
}

/// Adds the copies `q` with the batches `b` that say what they belong to.
pub(in crate::engine::postgres) fn with_batches(sql: &mut Sql, quarantine: &Quarantine) {
    sql.relation(&quarantine.relation);
    sql.add(" q JOIN auth_consistency.batches b ON b.batch OPERATOR(pg_catalog.=) q._ac_batch");
}

/// What is kept: of the newest run first, and of each run in the order of its steps.
///
/// # Errors
/// The database fails.
pub async fn list(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Vec<QuarantineEntry>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let own = identity_text(&known.identity, &target.resource.uid);
    let mut kept = Vec::new();
    for (quarantine, object) in tables(connection).await? {
        let mut sql = Sql::new(
            "SELECT b.run, b.step, b.action, count(*), count(q._ac_restored_at), \
             to_char(min(b.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
             b.system_identifier || '/' || b.database_oid || '/' || b.owner, coalesce(b.column_names, \
             (SELECT s.column_names FROM auth_consistency.steps s WHERE s.run = b.run AND s.step = b.step)), min(b.batch) FROM ",
        );
        with_batches(&mut sql, &quarantine);
        sql.add(" GROUP BY b.run, b.step, b.action, b.column_names, 7");
        for row in sql.all(connection).await? {
            let identity: String = row.try_get(6)?;
            let one = QuarantineEntry {
                run: row.try_get(0)?,
                step: row.try_get(1)?,
                action: row.try_get(2)?,
                object: ObjectRef {
                    columns: row.try_get::<Option<Vec<String>>, _>(7)?.unwrap_or_default(),
                    ..object.clone()
                },
                rows: row.try_get(3)?,
                restored: row.try_get(4)?,
                at: row.try_get(5)?,
                identity: (identity != own).then_some(identity),
            };
            kept.push((row.try_get::<i64, _>(8)?, one));
        }
    }
    Ok(by_run(kept))
}

/// In order, by the number of the first batch of each: what a run took may be from one second or from several.
fn by_run(mut kept: Vec<(i64, QuarantineEntry)>) -> Vec<QuarantineEntry> {
    let mut began = HashMap::<(String, Option<String>), i64>::new();
    let whose = |one: &QuarantineEntry| (one.run.clone(), one.identity.clone());
    for (batch, one) in &kept {
        let first = began.entry(whose(one)).or_insert(*batch);
        *first = (*first).min(*batch);
    }
    kept.sort_by_cached_key(|(batch, one)| {
        (Reverse(began.get(&whose(one)).copied().unwrap_or(*batch)), one.run.clone(), one.step, *batch)
    });
    kept.into_iter().map(|(_, one)| one).collect()
}

/// The rows of a run as they were before it. Password hashes are never among them, whatever column they are in.
///
/// # Errors
/// The database fails, or there are no such rows.
pub async fn show(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    wanted: &RowsQuery,
) -> Result<Vec<QuarantineRows>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let mut shown = Vec::new();
    for (quarantine, object) in tables(connection).await? {
        if wanted.table.as_ref().is_some_and(|name| !is_named(&object, name)) {
            continue;
        }
        shown.extend(show_table(connection, target, known, wanted, &quarantine, object).await?);
    }
    if shown.is_empty() {
        return Err(DatabaseError::NotFound(format!(
            "there are no such rows of the run {:?} in quarantine: `auth-consistency quarantine list` shows what is there, and those of another database or resource are shown with --identity",
            wanted.run
        )));
    }
    Ok(shown)
}

async fn show_table(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    wanted: &RowsQuery,
    quarantine: &Quarantine,
    object: ObjectRef,
) -> Result<Option<QuarantineRows>, DatabaseError> {
    let Found::Table(mut kept) = catalog::find_table(
        connection,
        quarantine.relation.schema.as_str(),
        quarantine.relation.name.as_str(),
    )
    .await?
    else {
        return Ok(None);
    };
    kept.beside(&known.users);
    let columns = columns(connection, target, known, wanted, &kept, &object).await?;
    let mut sql = Sql::new("SELECT b.action, (q._ac_restored_at IS NOT NULL)::text");
    for column in &columns {
        sql.add(", left(");
        text(&mut sql, "q", column);
        sql.add(", 1000)");
    }
    sql.add(" FROM ");
    with_batches(&mut sql, quarantine);
    let own = || identity_text(&known.identity, &target.resource.uid);
    let identity = wanted.identity.clone().unwrap_or_else(own);
    condition(&mut sql, &PurgeFilter::Run(wanted.run.clone()), &identity);
    sql.add(" ORDER BY b.batch, q.ctid LIMIT ").integer(wanted.limit + 1);
    let mut rows = Vec::new();
    // As many as the person asked for, each of them cut.
    for row in sql.every(connection).await? {
        let cells: Vec<Option<String>> =
            (0..columns.len() + 2).map(|at| row.try_get(at)).collect::<Result<_, sqlx::Error>>()?;
        rows.push(cells.into_iter().map(|cell| cell.map(hidden)).collect());
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut names = vec!["action".to_owned(), "restored".to_owned()];
    names.extend(columns.iter().map(|column| column.name.as_str().to_owned()));
    Ok(Some(QuarantineRows { object, columns: names, rows, more }))
}

/// What is shown of a value: apps keep old passwords in other tables and columns, too.
fn hidden(value: String) -> String {
    if holds_hash(&value) { HIDDEN.to_owned() } else { value }
}

/// The columns that are shown: key and reference, or all but the password.
async fn columns(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    wanted: &RowsQuery,
    kept: &Table,
    object: &ObjectRef,
) -> Result<Vec<Column>, DatabaseError> {
    let secret = |name: &Name| {
        object.schema == target.users.schema
            && object.table == target.users.table
            && (known.password.as_ref().is_some_and(|password| password.name == *name)
                || target.users.password_column.as_deref() == Some(name.as_str())
                || target.users.salt_column.as_deref() == Some(name.as_str()))
    };
    let mut names: Vec<String> = match catalog::find_table(connection, &object.schema, &object.table).await? {
        Found::Table(table) => catalog::primary_key(connection, table.oid).await?,
        _ => Vec::new(),
    };
    let mut sql = Sql::new(
        "SELECT DISTINCT c FROM auth_consistency.steps s CROSS JOIN unnest(s.column_names) c WHERE s.run = ",
    );
    sql.text(&wanted.run).add(" AND s.schema_name = ").text(&object.schema).add(" AND s.table_name = ");
    sql.text(&object.table).add(" ORDER BY 1");
    for row in sql.all(connection).await? {
        names.push(row.try_get(0)?);
    }
    let ours = |name: &Name| name.as_str().starts_with("_ac_");
    let mut columns: Vec<Column> = kept
        .columns
        .iter()
        .filter(|column| !ours(&column.name) && !secret(&column.name))
        .filter(|column| wanted.all_columns || names.iter().any(|name| name == column.name.as_str()))
        .cloned()
        .collect();
    let place = |column: &Column| names.iter().position(|name| name == column.name.as_str());
    columns.sort_by_key(|column| place(column).unwrap_or(usize::MAX));
    Ok(columns)
}

/// Adds the condition that a row is one of those, and whose. `None` for what nobody has.
pub(in crate::engine::postgres) fn condition(sql: &mut Sql, which: &PurgeFilter, identity: &str) {
    sql!(
        sql,
        " WHERE (b.system_identifier || '/' || b.database_oid::pg_catalog.text || '/' || b.owner) = {identity}",
        identity = identity,
    );
    match which {
        PurgeFilter::Run(run) => {
            sql!(sql, " AND b.run = {run}", run = run);
        }
        PurgeFilter::OlderThan(days) => {
            // The same time for copies and their batches, as they go in two statements of one transaction.
            sql!(
                sql,
                " AND b.at < (pg_catalog.now() - pg_catalog.make_interval(days => {days}::pg_catalog.int4))",
                days = days,
            );
        }
    }
}
