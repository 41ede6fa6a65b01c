//! SetNull, Reassign and Delete, chunk by chunk, each in a transaction of its own.
//!
//! A chunk locks its rows in key order, looks in a *new* statement whether they are still orphans (a
//! statement that waited for a lock would still see the old world), copies them to quarantine,
//! changes them by primary key, compares the counts, writes the audit row, and commits.

use sqlx::{PgConnection, Row};

use super::{
    bookkeeping::{self, Entry},
    catalog::Column,
    error::DatabaseError,
    fence::{self, Fence},
    identifier::{Sql, run},
    observe::Known,
    quarantine,
    references::{ReferenceTable, equals, holds},
};
use crate::{
    api::report::Action,
    consistency::{diagnosis::Step, target::Target},
};

/// What one step over rows needs.
pub struct RowsStep<'a> {
    /// The target.
    pub target: &'a Target,
    /// The catalog's names.
    pub known: &'a Known,
    /// The reference.
    pub reference: &'a ReferenceTable,
    /// SetNull, Reassign or Delete.
    pub action: Action,
    /// The step's number in the run.
    pub number: i64,
    /// How many rows one chunk takes.
    pub chunk_rows: i64,
}

/// What a chunk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Rows that were changed or removed.
    pub rows: i64,
    /// Whether there may be more.
    pub more: bool,
}

/// Writes down which keys a step over rows is about: later keys are another plan's.
///
/// # Errors
/// The digest of the keys is not the plan's any more.
pub(super) async fn list_keys(
    connection: &mut PgConnection,
    fence: &Fence,
    known: &Known,
    step: &Step,
    number: i64,
) -> Result<(), DatabaseError> {
    let Step::Rows { reference, digest, .. } = step else { return Ok(()) };
    let Some(table) = known.references.iter().find(|table| table.object == *reference) else {
        return Err(DatabaseError::Moved(format!("{} is not there any more", reference.describe())));
    };
    let mut sql = Sql::new("INSERT INTO auth_consistency.step_keys (run, step, key) SELECT DISTINCT ");
    sql.text(&fence.run).add(", ").integer(number).add(", ");
    table.key_text(&mut sql);
    sql.add(" FROM ").only(&table.child.relation).add(" c WHERE ");
    table.orphaned(&mut sql);
    sql.execute(connection).await?;
    // Looked at after the list was made: a key that came in between is on the list and makes another
    // digest.
    // No index is trusted with what is about to be changed.
    let now = super::finding::confirmed(connection, table).await?;
    if now.digest != *digest {
        return Err(DatabaseError::Moved(format!(
            "the rows of {} that name nobody are others than the plan says: nothing was changed",
            reference.describe()
        )));
    }
    Ok(())
}

/// Counts rows of a step as done.
pub(super) async fn count_done(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    rows: i64,
) -> Result<i64, DatabaseError> {
    let mut sql = Sql::new("UPDATE auth_consistency.steps SET done = done OPERATOR(pg_catalog.+) ");
    sql.integer(rows).add(" WHERE run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND step OPERATOR(pg_catalog.=) ").integer(number);
    sql.add(" RETURNING ceiling OPERATOR(pg_catalog.-) done");
    Ok(sql.scalar(connection).await?)
}

/// Repairs one chunk.
///
/// # Errors
/// The run was overtaken, the admin is not fit to be given rows, or the database refuses the change.
pub async fn repair_chunk(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &RowsStep<'_>,
) -> Result<Chunk, DatabaseError> {
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    let heir = match step.action {
        Action::Reassign => Some(heir(connection, step).await?),
        _ => None,
    };
    let key: Vec<Column> = step
        .reference
        .primary_key
        .iter()
        .filter_map(|name| step.reference.child.column(name))
        .cloned()
        .collect();
    let mut sql = Sql::new(
        "SELECT coalesce(max(chunk), 0) FROM auth_consistency.audit WHERE run OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.run).add(" AND step OPERATOR(pg_catalog.=) ").integer(step.number);
    let chunk = sql.scalar::<i64>(connection).await? + 1;
    let mut sql = Sql::new(
        "SELECT ceiling OPERATOR(pg_catalog.-) done FROM auth_consistency.steps WHERE run OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.run).add(" AND step OPERATOR(pg_catalog.=) ").integer(step.number);
    let left: i64 = sql.scalar(connection).await?;
    let take = left.min(step.chunk_rows);
    if take <= 0 {
        return Ok(Chunk { rows: 0, more: false });
    }
    let locked = lock_rows(connection, fence, step, &key, take).await?;
    let keys = still_orphans(connection, step, &key, locked.clone()).await?;
    let rows = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    if rows > 0 {
        quarantine::copy(
            connection,
            fence,
            step.number,
            chunk,
            step.action,
            &step.reference.child,
            &key,
            &keys,
            heir.as_deref(),
        )
        .await?;
        let changed = change(connection, step, &key, &keys, heir.as_deref()).await?;
        if changed != rows {
            return Err(DatabaseError::Moved(format!(
                "{changed} rows of {} would have changed, and {rows} were meant: nothing of this chunk was done (a trigger may keep them back)",
                step.reference.object.describe()
            )));
        }
        let undone = match step.action {
            Action::Delete => Vec::new(),
            _ => still_orphans(connection, step, &key, keys).await?,
        };
        if !undone.is_empty() {
            return Err(DatabaseError::Moved(format!(
                "{} rows of {} name nobody though they were changed: nothing of this chunk was done (a trigger may change them back)",
                undone.len(),
                step.reference.object.describe()
            )));
        }
        // A deferred constraint speaks up now and not at COMMIT, where it would undo the audit too.
        run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        let entry = Entry {
            step: step.number,
            chunk,
            action: step.action,
            object: &step.reference.object,
            rows,
            token: None,
        };
        bookkeeping::audit(connection, fence, &entry).await?;
        count_done(connection, fence, step.number, rows).await?;
    }
    transaction.commit().await?;
    Ok(Chunk { rows, more: !locked.is_empty() && left > rows })
}

/// The admin's id, proved to be of one active account, and locked so that it survives the chunk.
async fn heir(connection: &mut PgConnection, step: &RowsStep<'_>) -> Result<String, DatabaseError> {
    let (Some(admin), Some(login)) = (&step.target.admin, &step.known.login) else {
        return Err(DatabaseError::Moved("the spec names no admin any more".into()));
    };
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &step.known.id.name).add("::pg_catalog.text FROM ").only(&step.known.users.relation);
    sql.add(" p WHERE ");
    equals(&mut sql, "p", login, &admin.login);
    for (column, condition) in &step.known.active_when {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    sql.add(" FOR SHARE");
    let rows = sql.all(connection).await?;
    match rows.as_slice() {
        [row] => Ok(row.try_get(0)?),
        rows => Err(DatabaseError::Moved(format!(
            "there are {} active accounts with the admin's login, and one is needed to be given rows",
            rows.len()
        ))),
    }
}

/// Locks the next rows of the step in key order and returns their primary keys.
async fn lock_rows(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &RowsStep<'_>,
    key: &[Column],
    take: i64,
) -> Result<Vec<Vec<String>>, DatabaseError> {
    let mut sql = select_key(key);
    sql.add(" FROM ").only(&step.reference.child.relation).add(" c WHERE ");
    step.reference.orphaned(&mut sql);
    sql.add(" AND EXISTS (SELECT FROM auth_consistency.step_keys l WHERE l.run OPERATOR(pg_catalog.=) ");
    sql.text(&fence.run).add(" AND l.step OPERATOR(pg_catalog.=) ").integer(step.number);
    sql.add(" AND l.key OPERATOR(pg_catalog.=) ");
    step.reference.key_text(&mut sql);
    sql.add(") ORDER BY ");
    for (at, column) in key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
    }
    sql.add(" LIMIT ").integer(take).add(" FOR UPDATE OF c");
    keys(sql.all(connection).await?, key.len())
}

/// Which of the locked rows are orphans in a snapshot taken after the locks.
async fn still_orphans(
    connection: &mut PgConnection,
    step: &RowsStep<'_>,
    key: &[Column],
    locked: Vec<Vec<String>>,
) -> Result<Vec<Vec<String>>, DatabaseError> {
    if locked.is_empty() {
        return Ok(locked);
    }
    let mut sql = select_key(key);
    sql.add(" FROM ").only(&step.reference.child.relation).add(" c JOIN ");
    quarantine::keyed(&mut sql, key, &locked);
    sql.add(" ON ");
    quarantine::is_keyed(&mut sql, "c", key);
    sql.add(" WHERE ");
    step.reference.orphaned(&mut sql);
    keys(sql.all(connection).await?, key.len())
}

fn select_key(key: &[Column]) -> Sql {
    let mut sql = Sql::new("SELECT ");
    for (at, column) in key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name).add("::pg_catalog.text");
    }
    sql
}

fn keys(rows: Vec<sqlx::postgres::PgRow>, width: usize) -> Result<Vec<Vec<String>>, DatabaseError> {
    rows.iter()
        .map(|row| (0..width).map(|at| Ok(row.try_get(at)?)).collect::<Result<Vec<String>, DatabaseError>>())
        .collect()
}

async fn change(
    connection: &mut PgConnection,
    step: &RowsStep<'_>,
    key: &[Column],
    keys: &[Vec<String>],
    heir: Option<&str>,
) -> Result<i64, DatabaseError> {
    let table = &step.reference.child.relation;
    let Some(column) = step.reference.columns.first() else { return Ok(0) };
    let mut sql = match step.action {
        Action::Delete => {
            let mut sql = Sql::new("DELETE FROM ");
            sql.only(table).add(" AS c USING ");
            sql
        }
        _ => {
            let mut sql = Sql::new("UPDATE ");
            sql.only(table).add(" AS c SET ").name(&column.name).add(" = ");
            match heir {
                Some(heir) => sql.typed(heir, &column.type_name),
                None => sql.add("NULL"),
            };
            sql.add(" FROM ");
            sql
        }
    };
    quarantine::keyed(&mut sql, key, keys);
    sql.add(" WHERE ");
    quarantine::is_keyed(&mut sql, "c", key);
    Ok(sql.execute(connection).await?)
}
