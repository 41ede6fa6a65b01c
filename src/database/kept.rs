//! What is kept in quarantine: listed, shown, and dropped when nobody wants it any more.
//!
//! Every row is bound to the target that took it. A dump brings the rows of another one along: those
//! are listed, and dropped only when they are named.

use sqlx::{Connection, PgConnection, Row};

use super::{
    bookkeeping::{self, Entry},
    catalog::{self, Column, Found, Table},
    error::DatabaseError,
    fence::{self, Fence},
    identifier::{Name, Sql},
    observe::{self, Known},
    quarantine::Quarantine,
    server,
    transaction::prepare,
};
use crate::{
    api::report::{Action, ObjectRef},
    consistency::{observation::DatabaseIdentity, target::Target},
};

/// Rows that one statement drops at most.
const CHUNK: i64 = 10_000;

/// The rows of one step in one quarantine table.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The run that took them.
    pub run: String,
    /// The step's number in it.
    pub step: i64,
    /// What was done to them, as the audit names it.
    pub action: String,
    /// Where they are from.
    pub object: ObjectRef,
    /// How many there are.
    pub rows: i64,
    /// How many of them were put back.
    pub restored: i64,
    /// When the first of them was taken, RFC 3339.
    pub at: String,
    /// Whose they are: `system/database/resource`; null for this target's own.
    pub identity: Option<String>,
}

/// Rows of one table as they were.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where they are from.
    pub object: ObjectRef,
    /// Names of the columns; what we know of each row comes first.
    pub columns: Vec<String>,
    /// The values as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more.
    pub more: bool,
}

/// Which rows are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those of one run.
    Run(String),
    /// Those that were taken this many days ago or longer.
    OlderThan(i64),
}

/// What is shown of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The run.
    pub run: String,
    /// One table only.
    pub table: Option<String>,
    /// All columns, and not only the key and the reference.
    pub all_columns: bool,
    /// Rows per table at most.
    pub limit: i64,
}

/// Whose rows they are, as people name it.
pub fn identity_text(identity: &DatabaseIdentity, owner: &str) -> String {
    format!("{}/{}/{owner}", identity.system, identity.database)
}

/// The user table's names and this database's identity, without a look at any reference.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn known(connection: &mut PgConnection, target: &Target) -> Result<Known, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare(&mut transaction, target.timeout).await?;
    let (server, _) = server::of(&mut transaction).await?;
    let found = observe::users(&mut transaction, target).await?;
    transaction.rollback().await?;
    match found {
        Ok((known, _)) => Ok(Known { identity: server.identity, ..known }),
        Err(_) => Err(DatabaseError::Unsupported(
            "the user table cannot be used: run `auth-consistency check` to see why".into(),
        )),
    }
}

/// The quarantine tables that are there, with the table that each is of.
pub(super) async fn tables(
    connection: &mut PgConnection,
) -> Result<Vec<(Quarantine, ObjectRef)>, sqlx::Error> {
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.batches') IS NOT NULL")
        .scalar(connection)
        .await?;
    if !there {
        return Ok(Vec::new());
    }
    let sql = Sql::new(
        "SELECT q.name, q.schema_name, q.table_name FROM auth_consistency.quarantine q WHERE EXISTS \
         (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
          WHERE n.nspname OPERATOR(pg_catalog.=) 'auth_consistency' AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) q.name) \
         ORDER BY q.schema_name, q.table_name, q.created_at",
    );
    sql.all(connection)
        .await?
        .iter()
        .map(|row| {
            let object =
                ObjectRef { schema: row.try_get(1)?, table: row.try_get(2)?, ..ObjectRef::default() };
            Ok((Quarantine::named(row.try_get(0)?), object))
        })
        .collect()
}

/// Whether a person means this table by `table` or `schema.table`.
pub(super) fn is_named(object: &ObjectRef, name: &str) -> bool {
    name == object.table
        || name.strip_prefix(&object.schema).and_then(|rest| rest.strip_prefix('.')) == Some(&object.table)
}

/// Adds the copies `q` with the batches `b` that say what they belong to.
pub(super) fn with_batches(sql: &mut Sql, quarantine: &Quarantine) {
    sql.relation(&quarantine.relation);
    sql.add(" q JOIN auth_consistency.batches b ON b.batch OPERATOR(pg_catalog.=) q._ac_batch");
}

/// What is kept, newest first.
///
/// # Errors
/// The database fails.
pub async fn list(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
) -> Result<Vec<Kept>, DatabaseError> {
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
             (SELECT s.column_names FROM auth_consistency.steps s WHERE s.run = b.run AND s.step = b.step)) FROM ",
        );
        with_batches(&mut sql, &quarantine);
        sql.add(" GROUP BY b.run, b.step, b.action, b.column_names, 7");
        for row in sql.all(connection).await? {
            let identity: String = row.try_get(6)?;
            kept.push(Kept {
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
            });
        }
    }
    kept.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| (&a.run, a.step).cmp(&(&b.run, b.step))));
    Ok(kept)
}

/// The rows of a run as they were before it. Password hashes are never among them.
///
/// # Errors
/// The database fails, or there are no such rows.
pub async fn show(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    wanted: &Wanted,
) -> Result<Vec<Shown>, DatabaseError> {
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
        return Err(DatabaseError::Moved(format!(
            "there are no rows of the run {:?} in quarantine: `auth-consistency quarantine list` shows what is there",
            wanted.run
        )));
    }
    Ok(shown)
}

async fn show_table(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    wanted: &Wanted,
    quarantine: &Quarantine,
    object: ObjectRef,
) -> Result<Option<Shown>, DatabaseError> {
    let Found::Table(kept) = catalog::find_table(
        connection,
        quarantine.relation.schema.as_str(),
        quarantine.relation.name.as_str(),
    )
    .await?
    else {
        return Ok(None);
    };
    let columns = columns(connection, target, known, wanted, &kept, &object).await?;
    let mut sql = Sql::new("SELECT b.action, (q._ac_restored_at IS NOT NULL)::text");
    for column in &columns {
        sql.add(", left(").column("q", &column.name).add("::text, 1000)");
    }
    sql.add(" FROM ");
    with_batches(&mut sql, quarantine);
    sql.add(" WHERE b.run = ").text(&wanted.run);
    sql.add(" AND b.system_identifier = ").text(&known.identity.system);
    sql.add(" AND b.database_oid = ").integer(known.identity.database);
    sql.add(" AND b.owner = ").text(&target.resource.uid);
    sql.add(" ORDER BY b.batch, q.ctid LIMIT ").integer(wanted.limit + 1);
    let mut rows = Vec::new();
    for row in sql.all(connection).await? {
        let cells = (0..columns.len() + 2).map(|at| row.try_get(at)).collect::<Result<_, sqlx::Error>>()?;
        rows.push(cells);
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let limit = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut names = vec!["action".to_owned(), "restored".to_owned()];
    names.extend(columns.iter().map(|column| column.name.as_str().to_owned()));
    Ok(Some(Shown { object, columns: names, rows, more }))
}

/// The columns that are shown: key and reference, or all but the password.
async fn columns(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    wanted: &Wanted,
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
fn condition(sql: &mut Sql, which: &Which, identity: &str) {
    sql.add(
        " WHERE b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text \
         OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner OPERATOR(pg_catalog.=) ",
    );
    sql.text(identity);
    match which {
        Which::Run(run) => {
            sql.add(" AND b.run OPERATOR(pg_catalog.=) ").text(run);
        }
        Which::OlderThan(days) => {
            // The same time for copies and their batches, as they go in two statements of one transaction.
            sql.add(" AND b.at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) ");
            sql.add("pg_catalog.make_interval(days => ").integer(*days).add("::pg_catalog.int4))");
        }
    }
}

/// How many rows of each table [`purge`] would drop.
///
/// # Errors
/// The database fails.
pub async fn doomed(
    connection: &mut PgConnection,
    target: &Target,
    which: &Which,
    identity: &str,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare(&mut transaction, target.timeout).await?;
    let mut doomed = Vec::new();
    for (quarantine, object) in tables(&mut transaction).await? {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        with_batches(&mut sql, &quarantine);
        condition(&mut sql, which, identity);
        let rows: i64 = sql.scalar(&mut transaction).await?;
        if rows > 0 {
            doomed.push((object, rows));
        }
    }
    Ok(doomed)
}

/// Drops rows from quarantine, some thousands at a time, each with its audit row. Nothing brings them
/// back.
///
/// # Errors
/// The run was overtaken, or the database fails; what was dropped before stays dropped.
pub async fn purge(
    connection: &mut PgConnection,
    fence: &Fence,
    which: &Which,
    identity: &str,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    let mut transaction = fence::enter(connection, fence).await?;
    let tables = tables(&mut transaction).await?;
    transaction.rollback().await?;
    let mut purged = Vec::new();
    let mut chunk = 0;
    for (quarantine, object) in tables {
        let mut all = 0;
        loop {
            let mut transaction = fence::enter(connection, fence).await?;
            let mut sql = Sql::new("DELETE FROM ");
            sql.relation(&quarantine.relation);
            sql.add(" WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT q.ctid FROM ");
            with_batches(&mut sql, &quarantine);
            condition(&mut sql, which, identity);
            sql.add(" ORDER BY q.ctid LIMIT ").integer(CHUNK).add("))");
            let rows = sql.execute(&mut transaction).await?;
            if rows > 0 {
                chunk += 1;
                let entry =
                    Entry { step: 0, chunk, action: Action::Purge, object: &object, rows, token: None };
                bookkeeping::audit(&mut transaction, fence, &entry).await?;
            }
            if rows < CHUNK {
                let mut sql = Sql::new("DELETE FROM auth_consistency.batches AS b");
                condition(&mut sql, which, identity);
                sql.add(" AND b.name OPERATOR(pg_catalog.=) ").text(quarantine.relation.name.as_str());
                sql.execute(&mut transaction).await?;
            }
            transaction.commit().await?;
            all += rows;
            if rows < CHUNK {
                break;
            }
        }
        if all > 0 {
            purged.push((object, all));
        }
    }
    Ok(purged)
}

/// What a purge dropped that did not come to its end, as far as anybody heard.
///
/// # Errors
/// The database fails.
pub async fn purged(
    connection: &mut PgConnection,
    fence: &Fence,
) -> Result<Vec<(ObjectRef, i64)>, DatabaseError> {
    let audited = fence::audited(connection, fence).await?;
    let mut objects = Vec::new();
    for (_, object) in tables(connection).await? {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    let named = |name: &String| objects.iter().find(|object| object.describe() == *name).cloned();
    Ok(audited.iter().filter_map(|(name, rows)| Some((named(name)?, *rows))).collect())
}

/// Whether this target keeps rows longer than it should. Looks at when chunks were copied, at no copy.
pub(super) async fn overdue(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<bool, sqlx::Error> {
    let Some(days) = target.retention_days else { return Ok(false) };
    for (quarantine, _) in tables(connection).await? {
        let mut sql = Sql::new(
            "SELECT EXISTS (SELECT FROM auth_consistency.batches b WHERE b.at < clock_timestamp() - make_interval(days => ",
        );
        sql.integer(days).add("::int4) AND b.name = ").text(quarantine.relation.name.as_str());
        sql.add(" AND b.system_identifier = ").text(&identity.system);
        sql.add(" AND b.database_oid = ").integer(identity.database);
        sql.add(" AND b.owner = ").text(&target.resource.uid).add(")");
        if sql.scalar(connection).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
