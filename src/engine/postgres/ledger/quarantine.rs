//! Where every row that a repair removes or changes is copied first, in the same transaction.
//!
//! One table per source table and column layout: the source's columns in their own types, without
//! constraints, defaults or indexes, beside a number that leads to target identity, run, step, chunk and
//! action: those are the same for all rows of a chunk, and ten million rows are copied as fast as
//! possible. A `jsonb` copy would lose json text and number spellings, so there is none.

use crate::{
    api::report::{Action, ObjectRef},
    engine::postgres::{
        catalog::{Column, Table, condition::equals},
        ledger::notes::{Note, noting, of_row, of_rows},
        session::error::DatabaseError,
        sql::{Name, Only, Relation, Sql, sql, template::each, with},
        sql_keys::{is_keyed, keyed},
    },
};

use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};

use super::{fence::Fence, trust};

/// A quarantine table.
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// Its name in the schema `auth_consistency`.
    pub relation: Relation,
}

impl Quarantine {
    /// A quarantine table by its name in the registry.
    pub(in crate::engine::postgres) fn named(name: String) -> Self {
        Self {
            relation: Relation {
                schema: Name::from_catalog("auth_consistency".into()),
                name: Name::from_catalog(name),
                partitioned: false,
            },
        }
    }
}

/// A digest of a table's columns and types: another layout gets another quarantine table.
fn layout(table: &Table) -> String {
    let mut digest = Sha256::new();
    for column in table.columns.iter() {
        digest.update(column.name.as_str().as_bytes());
        digest.update([0]);
        digest.update(column.declared_type.as_str().as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The quarantine table of a source table as it is today, where there is one.
pub(in crate::engine::postgres) async fn existing(
    connection: &mut PgConnection,
    source: &Table,
) -> Result<Option<Quarantine>, sqlx::Error> {
    let sql = sql!(
        "SELECT name FROM auth_consistency.quarantine
         WHERE schema_name = {schema} AND table_name = {table} AND layout = {layout}",
        schema = source.relation.schema.as_str(),
        table = source.relation.name.as_str(),
        layout = layout(source),
    );
    sql.optional(connection).await?.map(|row| Ok(Quarantine::named(row.try_get(0)?))).transpose()
}

/// The quarantine table of a source table; made when it is not there yet.
pub(in crate::engine::postgres) async fn table(
    connection: &mut PgConnection,
    source: &Table,
) -> Result<Quarantine, DatabaseError> {
    if let Some(there) = existing(connection, source).await? {
        return Ok(there);
    }
    let layout = layout(source);
    // The digest of schema and name keeps two tables of one name apart, and the whole under 63 bytes.
    let mut digest = Sha256::new();
    digest.update(source.relation.schema.as_str().as_bytes());
    digest.update([0]);
    digest.update(source.relation.name.as_str().as_bytes());
    let source_digest: String = digest.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let readable: String = source
        .relation
        .name
        .as_str()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(24)
        .collect();
    let quarantine = Quarantine::named(format!("q_{readable}_{source_digest}_{layout}"));
    let sql = sql!(
        "CREATE TABLE {copies} (_ac_batch bigint NOT NULL, _ac_new_key pg_catalog.text,
           _ac_restored_at pg_catalog.timestamptz{columns})",
        copies = quarantine.relation,
        columns = each(&source.columns, "", |sql, column| {
            sql!(sql, ", {name} {of_type}", name = column.name, of_type = column.declared_type);
        }),
    );
    sql.execute(connection).await?;
    trust::keep_to_ourselves(connection).await?;
    let sql = sql!(
        "INSERT INTO auth_consistency.quarantine (name, schema_name, table_name, layout)
         VALUES ({name}, {schema}, {table}, {layout})",
        name = quarantine.relation.name.as_str(),
        schema = source.relation.schema.as_str(),
        table = source.relation.name.as_str(),
        layout = layout,
    );
    sql.execute(connection).await?;
    Ok(quarantine)
}

/// Adds the INSERT of what the copies of a chunk belong to; its `RETURNING batch` is the caller's.
/// `columns` are those that change where they are not the step's: what a foreign key of the app sets to NULL
/// along with a repair, what names an id that is moved.
pub(in crate::engine::postgres) fn batch(sql: &mut Sql, fence: &Fence, of: &Batch<'_>) {
    let Batch { step, chunk, action, quarantine, columns } = *of;
    sql!(
        sql,
        "INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk, action,
           name, column_names)
         SELECT {system}, {database}, {owner}, {run}, {step}, {chunk}, {action}, {name}, {columns}",
        system = fence.identity.system,
        database = fence.identity.database,
        owner = fence.owner,
        run = fence.run,
        step = step,
        chunk = chunk,
        action = action.as_str(),
        name = quarantine.relation.name.as_str(),
        columns = with(|sql| {
            match columns {
                Some(columns) => sql.texts(columns.iter().cloned().map(Some).collect()),
                None => sql.add("NULL::pg_catalog.text[]"),
            };
        }),
    );
}

/// What the copies of a chunk belong to.
#[derive(Clone, Copy)]
pub(in crate::engine::postgres) struct Batch<'a> {
    /// The step's number in its run.
    pub step: i64,
    /// The chunk's number in its step.
    pub chunk: i64,
    /// What is done to the rows.
    pub action: Action,
    /// Where the copies are.
    pub quarantine: &'a Quarantine,
    /// Columns that change, where they are not those of the step.
    pub columns: Option<&'a [String]>,
}

/// Rows that are to be copied, and what for.
#[derive(Clone, Copy)]
pub(in crate::engine::postgres) struct Copies<'a> {
    /// The step's number in its run.
    pub step: i64,
    /// The chunk's number in its step.
    pub chunk: i64,
    /// What is done to the rows.
    pub action: Action,
    /// Their table.
    pub source: &'a Table,
    /// The columns that tell its rows apart.
    pub key_columns: &'a [Column],
    /// The rows, by those columns.
    pub keys: &'a [Vec<String>],
    /// What their id, time or person will be, where the step says one.
    pub new_key: Option<&'a str>,
    /// Columns that change, where they are not those of the step.
    pub columns: Option<&'a [String]>,
}

/// Copies rows to quarantine.
///
/// # Errors
/// Not every row was there to be copied; then nothing of the transaction may stay.
pub(in crate::engine::postgres) async fn copy(
    connection: &mut PgConnection,
    fence: &Fence,
    copies: &Copies<'_>,
) -> Result<(), DatabaseError> {
    let Copies { step, chunk, action, source, key_columns, keys, new_key, columns } = *copies;
    let quarantine = table(connection, source).await?;
    let sql = sql!(
        "WITH b AS ({batch} RETURNING batch),
         kept AS (
           INSERT INTO {copies} AS q (_ac_batch, _ac_new_key{names})
           SELECT (SELECT b.batch FROM b), {new_key}{values} FROM {source} c JOIN {keys} ON {is_keyed}
           RETURNING {row} AS h)
         SELECT pg_catalog.count(*), (SELECT b.batch FROM b), {rows} FROM kept",
        batch = with(|sql| {
            batch(sql, fence, &Batch { step, chunk, action, quarantine: &quarantine, columns });
        }),
        copies = quarantine.relation,
        names = each(&source.columns, "", |sql, column| {
            sql!(sql, ", {name}", name = column.name);
        }),
        new_key = new_key.map(str::to_owned),
        values = each(&source.columns, "", |sql, column| {
            sql!(sql, ", c.{name}", name = column.name);
        }),
        source = Only(&source.relation),
        keys = with(|sql| keyed(sql, key_columns, keys)),
        is_keyed = with(|sql| is_keyed(sql, "c", key_columns)),
        row = with(|sql| of_row(sql, &source.columns)),
        rows = with(|sql| of_rows(sql, "kept.h", &source.columns)),
    );
    let row = sql.one(connection).await?;
    let copied: i64 = row.try_get(0)?;
    let note = Note { batch: row.try_get(1)?, rows: copied, digest: row.try_get(2)? };
    let mut sql = Sql::new("");
    noting(&mut sql, &[note]);
    sql.execute(connection).await?;
    if usize::try_from(copied) != Ok(keys.len()) {
        return Err(DatabaseError::PlanStale(format!(
            "{copied} rows could be copied to quarantine, and {} were meant: nothing was changed",
            keys.len()
        )));
    }
    Ok(())
}

/// Adds an object of digests of columns of the row `c`, by their names.
pub(in crate::engine::postgres) fn digests(sql: &mut Sql, columns: &[&Column]) {
    let pairs = each(columns, ", ", |sql, column| {
        sql!(
            sql,
            "{called}::pg_catalog.text, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
               c.{name}::pg_catalog.text, 'UTF8')), 'hex')",
            called = column.name.as_str(),
            name = column.name,
        );
    });
    sql!(sql, "pg_catalog.jsonb_build_object({pairs})", pairs = pairs);
}

/// Notes beside the copy of an account's row what its step has written, as digests: whoever puts the row back is
/// told whether somebody has changed that since.
pub(in crate::engine::postgres) async fn note_written(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    source: &Table,
    key: &Column,
    id: &str,
) -> Result<(), DatabaseError> {
    let sql = sql!(
        "SELECT s.column_names FROM auth_consistency.steps s WHERE s.run = {run} AND s.step = {step}",
        run = fence.run,
        step = step,
    );
    let Some(row) = sql.optional(connection).await? else { return Ok(()) };
    let names: Vec<String> = row.try_get(0)?;
    let columns: Vec<&Column> = names.iter().filter_map(|name| source.column(name)).collect();
    let quarantine = table(connection, source).await?;
    let sql = sql!(
        "UPDATE {copies} AS q SET _ac_new_key = (
           SELECT {digests}::pg_catalog.text FROM {source} c WHERE {is_row})
         FROM auth_consistency.batches b WHERE b.batch = q._ac_batch AND b.run = {run} AND b.step = {step}",
        copies = quarantine.relation,
        digests = with(|sql| digests(sql, &columns)),
        source = Only(&source.relation),
        is_row = with(|sql| equals(sql, "c", key, id)),
        run = fence.run,
        step = step,
    );
    sql.execute(connection).await?;
    Ok(())
}

/// The quarantine tables that are there, with the table that each is of.
pub(in crate::engine::postgres) async fn tables(
    connection: &mut PgConnection,
) -> Result<Vec<(Quarantine, ObjectRef)>, sqlx::Error> {
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.batches') IS NOT NULL")
        .scalar(connection)
        .await?;
    if !there {
        return Ok(Vec::new());
    }
    let sql = sql!(
        "SELECT q.name, q.schema_name, q.table_name FROM auth_consistency.quarantine q
         WHERE EXISTS (
           SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'auth_consistency' AND c.relname::pg_catalog.text = q.name)
         ORDER BY q.schema_name, q.table_name, q.created_at"
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
