//! Delete at the speed of a DELETE: one statement removes the rows of a stretch of the table and keeps what
//! it removed.
//!
//! It locks nothing first, so what it goes by may be older than the rows that it removes: a user may have
//! come, or a row that somebody else held may have been given to another user meanwhile. So the keys of the
//! rows that were really removed are looked at again in a *new* statement, as those of locked rows are
//! elsewhere, and should one of them name somebody by now, all of it is undone and the step goes on row
//! lock by row lock.
//!
//! Only where the rows of one table are all that there is to it: no other table's rows go along, no trigger
//! or rule has a say, and a key is one value that survives the way through text.

use crate::{
    api::report::Action,
    engine::postgres::{
        catalog::reference::ReferenceTable,
        ledger::{
            fence::{Fence, StepProgress},
            notes::Note,
            quarantine::Batch,
        },
        repair::rows::scan::{self, BlockRange, ScanMethod},
        rowset::dependents::Dependent,
        session::error::DatabaseError,
        sql::{
            Only, Sql, sql,
            template::{Piece, Texts, each},
            with,
        },
    },
};

use sqlx::{PgConnection, Row};

use super::change::{self, Copied};

/// What was removed.
pub(in crate::engine::postgres) struct Removed {
    /// How many rows.
    pub rows: i64,
    /// The place that the walk has passed.
    pub passed: String,
    /// Whether the walk is at its end.
    pub ended: bool,
    /// What is to be written down of their copies.
    pub note: Option<Note>,
}

/// Whether a step's rows can be removed so.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn possible(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    action: Action,
    way: ScanMethod,
    dependents: &[Dependent],
) -> Result<bool, sqlx::Error> {
    let plain = matches!(way, ScanMethod::Blocks { .. })
        && action == Action::Delete
        && dependents.is_empty()
        && !reference.child.relation.partitioned
        && matches!(reference.columns.as_slice(), [column] if scan::is_plain(column));
    if !plain {
        return Ok(false);
    }
    let sql = sql!(
        "SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = {table}::oid)
           AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = {table}::oid)",
        table = reference.child.oid,
    );
    sql.scalar(connection).await
}

/// Removes and keeps the rows of the next stretch. `None`: it was not to be, and the transaction has to be
/// rolled back.
///
/// # Errors
/// The database refuses the change.
pub(in crate::engine::postgres) async fn attempt(
    connection: &mut PgConnection,
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
    standing: &StepProgress,
    stretch: &BlockRange,
) -> Result<Option<Removed>, DatabaseError> {
    let sql = statement(fence, reference, batch, stretch);
    // One row for each key: all of them in one would be more than any message may have.
    let found = sql.every(connection).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let (rows, kept): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let (mut keys, mut long) = (Vec::new(), false);
    for row in &found {
        keys.extend(row.try_get::<Option<String>, _>(2)?);
        long |= row.try_get::<bool, _>(3)?;
    }
    if kept != rows {
        return Err(DatabaseError::PlanStale(format!(
            "{kept} rows of {} could be copied to quarantine, and {rows} were meant: nothing of this chunk was done",
            reference.object.describe()
        )));
    }
    // Keys of any length, and all those of a stretch at once, might be more than anybody has room for.
    if long
        || rows > standing.left
        || (rows > 0 && !all_orphans(connection, fence, reference, batch, keys).await?)
    {
        return Ok(None);
    }
    let note = change::note(row, kept, 4)?;
    Ok(Some(Removed { rows, passed: stretch.end(), ended: stretch.open(), note }))
}

fn statement(fence: &Fence, reference: &ReferenceTable, batch: &Batch<'_>, stretch: &BlockRange) -> Sql {
    let copied = Copied { alias: "d", new_key: &Piece("NULL::pg_catalog.text"), from: &Piece("d") };
    sql!(
        "WITH d AS (DELETE FROM {rows} AS c WHERE {within}{listed}{in_scope} RETURNING {columns}),
         n AS MATERIALIZED (SELECT pg_catalog.count(*) AS n FROM d),
         {keep},
         {write_down}
         SELECT (SELECT n.n FROM n), (SELECT pg_catalog.count(*) FROM kept), k.key, coalesce(k.long, false), {noted}
         FROM (SELECT 1) o LEFT JOIN (
           SELECT CASE WHEN NOT k.long THEN k.key END AS key, k.long FROM (
             SELECT k.key, pg_catalog.octet_length(k.key) > 1000 AS long FROM (
               SELECT DISTINCT {key} AS key FROM d c) k) k) k ON true",
        rows = Only(&reference.child.relation),
        within = with(|sql| scan::within(sql, reference, stretch)),
        listed = with(|sql| reference.listed(sql, fence, batch.step)),
        in_scope = with(|sql| reference.in_scope(sql)),
        columns = each(&reference.child.columns, ", ", |sql, column| {
            sql!(sql, "c.{name}", name = column.name);
        }),
        keep = with(|sql| change::keep(sql, fence, reference, batch, &copied)),
        write_down = with(|sql| change::write_down(sql, fence, reference, batch)),
        noted = with(|sql| change::noted(sql, reference)),
        key = with(|sql| reference.key_text(sql)),
    )
}

/// Whether these keys are on the list and name nobody, as of now.
async fn all_orphans(
    connection: &mut PgConnection,
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
    keys: Vec<String>,
) -> Result<bool, DatabaseError> {
    let Some(column) = reference.columns.first() else { return Ok(false) };
    let sql = sql!(
        "SELECT NOT EXISTS (
           SELECT FROM (SELECT CAST(k.key AS {of_type}) AS {name} FROM pg_catalog.unnest({keys}) k(key)) c
           WHERE NOT ({listed} AND {unmatched}))",
        of_type = column.type_name,
        name = column.name,
        keys = Texts(&keys),
        listed = with(|sql| reference.listed(sql, fence, batch.step)),
        // Few keys, which the foreign key's index answers for: a join would read all users each time.
        unmatched = with(|sql| reference.unmatched(sql, reference.key.is_some())),
    );
    Ok(sql.scalar(connection).await?)
}
