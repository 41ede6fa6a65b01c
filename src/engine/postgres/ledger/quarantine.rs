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
        sql::{Name, Relation, Sql},
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
    let mut sql =
        Sql::new("SELECT name FROM auth_consistency.quarantine WHERE schema_name OPERATOR(pg_catalog.=) ");
    sql.text(source.relation.schema.as_str()).add(" AND table_name OPERATOR(pg_catalog.=) ");
    sql.text(source.relation.name.as_str()).add(" AND layout OPERATOR(pg_catalog.=) ").text(layout(source));
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
    let mut sql = Sql::new("CREATE TABLE ");
    sql.relation(&quarantine.relation).add(
        " (_ac_batch bigint NOT NULL, _ac_new_key pg_catalog.text, _ac_restored_at pg_catalog.timestamptz",
    );
    for column in source.columns.iter() {
        sql.add(", ").name(&column.name).add(" ").type_name(&column.declared_type);
    }
    sql.add(")");
    sql.execute(connection).await?;
    trust::keep_to_ourselves(connection).await?;
    let mut sql =
        Sql::new("INSERT INTO auth_consistency.quarantine (name, schema_name, table_name, layout) VALUES (");
    sql.text(quarantine.relation.name.as_str()).add(", ").text(source.relation.schema.as_str()).add(", ");
    sql.text(source.relation.name.as_str()).add(", ").text(&layout).add(")");
    sql.execute(connection).await?;
    Ok(quarantine)
}

/// Adds the INSERT of what the copies of a chunk belong to; its `RETURNING batch` is the caller's.
/// `columns` are those that change where they are not the step's: what a foreign key of the app sets to NULL
/// along with a repair, what names an id that is moved.
pub(in crate::engine::postgres) fn batch(sql: &mut Sql, fence: &Fence, of: &Batch<'_>) {
    let Batch { step, chunk, action, quarantine, columns } = *of;
    sql.add(
        "INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk, action, \
         name, column_names) SELECT ",
    );
    sql.text(&fence.identity.system).add(", ").integer(fence.identity.database).add(", ");
    sql.text(&fence.owner).add(", ").text(&fence.run).add(", ").integer(step).add(", ");
    sql.integer(chunk).add(", ").text(action.as_str()).add(", ").text(quarantine.relation.name.as_str());
    match columns {
        Some(columns) => sql.add(", ").texts(columns.iter().cloned().map(Some).collect()),
        None => sql.add(", NULL::pg_catalog.text[]"),
    };
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
    let mut sql = Sql::new("WITH b AS (");
    batch(&mut sql, fence, &Batch { step, chunk, action, quarantine: &quarantine, columns });
    sql.add(" RETURNING batch), kept AS (INSERT INTO ").relation(&quarantine.relation);
    sql.add(" AS q (_ac_batch, _ac_new_key");
    for column in source.columns.iter() {
        sql.add(", ").name(&column.name);
    }
    sql.add(") SELECT (SELECT b.batch FROM b), ").text_or_null(new_key.map(str::to_owned));
    for column in source.columns.iter() {
        sql.add(", ").column("c", &column.name);
    }
    sql.add(" FROM ").only(&source.relation).add(" c JOIN ");
    keyed(&mut sql, key_columns, keys);
    sql.add(" ON ");
    is_keyed(&mut sql, "c", key_columns);
    sql.add(" RETURNING ");
    of_row(&mut sql, &source.columns);
    sql.add(" AS h) SELECT pg_catalog.count(*), (SELECT b.batch FROM b), ");
    of_rows(&mut sql, "kept.h", &source.columns);
    sql.add(" FROM kept");
    let row = sql.one(connection).await?;
    let copied: i64 = row.try_get(0)?;
    let note = Note { batch: row.try_get(1)?, rows: copied, digest: row.try_get(2)? };
    let mut sql = Sql::new("");
    noting(&mut sql, &[note]);
    sql.execute(connection).await?;
    if usize::try_from(copied) != Ok(keys.len()) {
        return Err(DatabaseError::Moved(format!(
            "{copied} rows could be copied to quarantine, and {} were meant: nothing was changed",
            keys.len()
        )));
    }
    Ok(())
}

/// Adds an object of digests of columns of the row `c`, by their names.
pub(in crate::engine::postgres) fn digests(sql: &mut Sql, columns: &[&Column]) {
    sql.add("pg_catalog.jsonb_build_object(");
    for (at, column) in columns.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).text(column.name.as_str()).add("::pg_catalog.text, ");
        sql.add("pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(").column("c", &column.name);
        sql.add("::pg_catalog.text, 'UTF8')), 'hex')");
    }
    sql.add(")");
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
    let mut sql =
        Sql::new("SELECT s.column_names FROM auth_consistency.steps s WHERE s.run OPERATOR(pg_catalog.=) ");
    sql.text(&fence.run).add(" AND s.step OPERATOR(pg_catalog.=) ").integer(step);
    let Some(row) = sql.optional(connection).await? else { return Ok(()) };
    let names: Vec<String> = row.try_get(0)?;
    let columns: Vec<&Column> = names.iter().filter_map(|name| source.column(name)).collect();
    let quarantine = table(connection, source).await?;
    let mut sql = Sql::new("UPDATE ");
    sql.relation(&quarantine.relation).add(" AS q SET _ac_new_key = (SELECT ");
    digests(&mut sql, &columns);
    sql.add("::pg_catalog.text FROM ").only(&source.relation).add(" c WHERE ");
    equals(&mut sql, "c", key, id);
    sql.add(") FROM auth_consistency.batches b WHERE b.batch OPERATOR(pg_catalog.=) q._ac_batch");
    sql.add(" AND b.run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND b.step OPERATOR(pg_catalog.=) ").integer(step);
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
