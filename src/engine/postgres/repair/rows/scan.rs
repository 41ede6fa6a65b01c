//! The way through a table to the rows of a step: each block, or each key, is read once per step and not
//! once per chunk.
//!
//! Where few rows are meant and the reference has an index, the step's keys lead the way; otherwise the
//! table is walked in physical order. How far it has got is kept with the step, in the transaction of the
//! chunk. Rows that move behind the walk are found by a last look at its end.

use sqlx::{PgConnection, Row};

use crate::engine::postgres::{
    catalog::{Column, reference::ReferenceTable},
    ledger::fence::{Fence, StepProgress},
    session::error::DatabaseError,
    sql::Sql,
};

/// Types whose arrays can be cast from text without a detour over a domain.
const PLAIN: &[&str] = &["smallint", "integer", "bigint", "uuid", "text", "character varying", "bpchar"];

/// The way that a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::postgres) enum ScanMethod {
    /// From key to key of the step's list, by an index on the reference.
    Keys,
    /// From block to block.
    Blocks {
        /// Blocks of the table; of its largest partition.
        last: i64,
        /// Blocks of all partitions.
        all: i64,
    },
}

/// What is known of a table before it is walked through.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct ScanPlan {
    /// The way.
    pub way: ScanMethod,
    /// Object ids of the table, or of its partitions.
    pub tables: Vec<i64>,
}

/// Whether the values of a column go through text and back.
pub(in crate::engine::postgres) fn is_plain(column: &Column) -> bool {
    column.equality.is_some() && PLAIN.contains(&column.type_name.as_str())
}

/// Looks at the table and chooses the way: a fetch by index costs about as much as four blocks in order.
pub(in crate::engine::postgres) async fn survey(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    rows: i64,
    list: (&str, i64),
) -> Result<ScanPlan, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT array_agg(t.oid::int8), coalesce(max(pg_relation_size(t.oid)), 0) / current_setting('block_size')::int8, \
         coalesce(sum(pg_relation_size(t.oid)), 0)::int8 / current_setting('block_size')::int8 FROM ",
    );
    if reference.child.relation.partitioned {
        sql.add("(SELECT relid::oid AS oid FROM pg_partition_tree(");
        sql.integer(reference.child.oid).add("::oid::regclass) WHERE isleaf) t");
    } else {
        sql.add("(SELECT ").integer(reference.child.oid).add("::oid AS oid) t");
    }
    let row = sql.one(&mut *connection).await?;
    let (last, all): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    let tables = row.try_get::<Option<Vec<i64>>, _>(0)?.unwrap_or_default();
    let mut way = ScanMethod::Blocks { last, all };
    if let [column] = reference.columns.as_slice()
        && rows.saturating_mul(4) < all
        && is_plain(column)
    {
        let mut sql = Sql::new(
            "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             JOIN pg_am am ON am.oid = c.relam JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
             WHERE am.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL AND a.attname::text = ",
        );
        sql.text(column.name.as_str()).add(" AND i.indrelid = ").integer(reference.child.oid).add("::oid)");
        if sql.scalar::<bool>(&mut *connection).await? {
            // What is on the list by its digest alone leads to no row.
            let mut sql = Sql::new("SELECT EXISTS (SELECT FROM auth_consistency.step_keys WHERE run = ");
            sql.text(list.0).add(" AND step = ").integer(list.1).add(" AND starts_with(key, 'sha256:'))");
            if !sql.scalar::<bool>(&mut *connection).await? {
                way = ScanMethod::Keys;
            }
        }
    }
    Ok(ScanPlan { way, tables })
}

/// How much one chunk takes.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::postgres) struct BatchSize {
    /// Rows at most.
    pub rows: i64,
    /// Blocks at most.
    pub blocks: i64,
}

/// Rows that were locked, and where the walk is now.
#[derive(Debug, Default)]
pub(in crate::engine::postgres) struct Locked {
    /// How many.
    pub rows: i64,
    /// Their places, an array of `tid` as text.
    pub places: String,
    /// Their partitions, an array of `oid` as text.
    pub partitions: String,
    /// What the walk has passed.
    pub passed: Cursor,
    /// Whether the walk is at its end.
    pub ended: bool,
}

/// What the walk has passed, one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine::postgres) struct Cursor {
    /// A place.
    pub tid: Option<String>,
    /// A key.
    pub key: Option<String>,
}

/// Locks the next rows of a step, in physical order.
pub(in crate::engine::postgres) async fn lock(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    reference: &ReferenceTable,
    way: ScanMethod,
    standing: &StepProgress,
    stride: BatchSize,
) -> Result<Locked, DatabaseError> {
    match way {
        ScanMethod::Blocks { last, .. } => {
            by_blocks(connection, fence, step, reference, last, standing, stride).await
        }
        ScanMethod::Keys => by_keys(connection, fence, step, reference, standing, stride).await,
    }
}

/// Blocks of a table that one chunk looks at.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct BlockRange {
    /// The place that the walk has passed.
    from: String,
    /// The block at which it ends.
    end: i64,
    /// Whether it goes on to wherever the table ends: rows may have gone to blocks that were not there
    /// when it was surveyed.
    open: bool,
}

impl BlockRange {
    /// The next one.
    pub(in crate::engine::postgres) fn next(standing: &StepProgress, last: i64, blocks: i64) -> Self {
        let from = standing.passed_tid.clone().unwrap_or_else(|| "(0,0)".into());
        let end = block(&from).saturating_add(blocks.max(1));
        Self { from, end, open: end >= last }
    }

    /// The place at which it ends.
    pub(in crate::engine::postgres) fn end(&self) -> String {
        format!("({},0)", self.end)
    }

    /// Whether it is the last one.
    pub(in crate::engine::postgres) fn open(&self) -> bool {
        self.open
    }
}

/// Adds the condition that the row `c` is in a stretch, and an `AND`.
pub(in crate::engine::postgres) fn within(sql: &mut Sql, reference: &ReferenceTable, stretch: &BlockRange) {
    sql.add("c.ctid OPERATOR(pg_catalog.");
    // Places are only unique within a partition.
    sql.add(if reference.child.relation.partitioned { ">=" } else { ">" }).add(") CAST(");
    sql.text(stretch.from.clone()).add(" AS pg_catalog.tid) AND ");
    if !stretch.open {
        sql.add("c.ctid OPERATOR(pg_catalog.<) CAST(").text(stretch.end()).add(" AS pg_catalog.tid) AND ");
    }
}

async fn by_blocks(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    reference: &ReferenceTable,
    last: i64,
    standing: &StepProgress,
    stride: BatchSize,
) -> Result<Locked, DatabaseError> {
    let stretch = BlockRange::next(standing, last, stride.blocks);
    let mut sql = opening(reference);
    within(&mut sql, reference, &stretch);
    reference.listed(&mut sql, fence, step);
    reference.in_scope(&mut sql);
    let mut locked = closing(connection, sql, stride.rows).await?;
    let next = if locked.rows < stride.rows { stretch.end() } else { last_place(&locked.places) };
    locked.ended = locked.rows < stride.rows && stretch.open;
    locked.passed.tid = Some(next);
    Ok(locked)
}

async fn by_keys(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    reference: &ReferenceTable,
    standing: &StepProgress,
    stride: BatchSize,
) -> Result<Locked, DatabaseError> {
    let mut sql =
        Sql::new("SELECT l.key FROM auth_consistency.step_keys l WHERE l.run OPERATOR(pg_catalog.=) ");
    sql.text(&fence.run).add(" AND l.step OPERATOR(pg_catalog.=) ").integer(step);
    if let Some(passed) = &standing.passed_key {
        sql.add(" AND l.key OPERATOR(pg_catalog.>) ").text(passed);
    }
    sql.add(" ORDER BY l.key LIMIT ").integer(stride.rows);
    let keys: Vec<String> =
        sql.every(connection).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let (Some(column), Some(last)) = (reference.columns.first(), keys.last().cloned()) else {
        return Ok(Locked {
            ended: true,
            passed: passed_key(standing.passed_key.clone()),
            ..Locked::default()
        });
    };
    let Some(equality) = &column.equality else {
        return Err(DatabaseError::Unsupported("the reference's type cannot be compared".into()));
    };
    let ended = i64::try_from(keys.len()).unwrap_or(i64::MAX) < stride.rows;
    let mut sql = opening(reference);
    sql.column("c", &column.name).operator(equality).add("ANY (CAST(");
    sql.texts(keys.into_iter().map(Some).collect()).add(" AS ").type_name(&column.type_name).add("[])) AND ");
    reference.orphaned(&mut sql);
    let mut locked = closing(connection, sql, stride.rows).await?;
    // Where more rows have these keys than one chunk takes, the next one goes on with them.
    let all = locked.rows < stride.rows;
    locked.ended = all && ended;
    locked.passed = passed_key(if all { Some(last) } else { standing.passed_key.clone() });
    Ok(locked)
}

fn passed_key(key: Option<String>) -> Cursor {
    Cursor { tid: None, key }
}

fn opening(reference: &ReferenceTable) -> Sql {
    let mut sql = Sql::new(
        "SELECT pg_catalog.count(*), pg_catalog.array_agg(x.i)::pg_catalog.text, pg_catalog.array_agg(x.t)::pg_catalog.text \
         FROM (SELECT c.tableoid AS t, c.ctid AS i FROM ",
    );
    sql.only(&reference.child.relation).add(" c WHERE ");
    sql
}

async fn closing(connection: &mut PgConnection, mut sql: Sql, rows: i64) -> Result<Locked, DatabaseError> {
    sql.add(" ORDER BY c.ctid LIMIT ").integer(rows).add(" FOR UPDATE OF c) x");
    let row = sql.one(connection).await?;
    Ok(Locked {
        rows: row.try_get(0)?,
        places: row.try_get::<Option<String>, _>(1)?.unwrap_or_else(|| "{}".into()),
        partitions: row.try_get::<Option<String>, _>(2)?.unwrap_or_else(|| "{}".into()),
        ..Locked::default()
    })
}

/// The block of a place such as `(12,3)`.
fn block(place: &str) -> i64 {
    place.trim_start_matches('(').split(',').next().and_then(|block| block.parse().ok()).unwrap_or(0)
}

/// The last of `{"(0,1)","(12,3)"}`.
fn last_place(places: &str) -> String {
    let from = places.rfind('(').unwrap_or(0);
    let to = places.rfind(')').map_or(from, |at| at + 1);
    places.get(from..to).filter(|place| !place.is_empty()).unwrap_or("(0,0)").to_owned()
}

/// How many blocks the next chunk looks at, so that it finds about as many rows as it may take: from
/// what the last one found in how many, or at first from the whole.
pub(in crate::engine::postgres) fn blocks_for(rows: i64, found: i64, in_blocks: i64, at_most: i64) -> i64 {
    let wanted = if found > 0 { rows.saturating_mul(in_blocks.max(1)) / found } else { at_most };
    wanted.saturating_add(1).clamp(1, at_most.max(1))
}

/// Blocks that a walk went on by.
pub(in crate::engine::postgres) fn blocks_between(from: Option<&String>, to: Option<&String>) -> i64 {
    (to.map_or(0, |to| block(to)) - from.map_or(0, |from| block(from))).max(1)
}

/// Whether rows of the step's keys still name nobody.
pub(in crate::engine::postgres) async fn any_left(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    reference: &ReferenceTable,
) -> Result<bool, DatabaseError> {
    let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
    sql.only(&reference.child.relation).add(" c WHERE ");
    reference.orphaned(&mut sql);
    sql.add(" AND ");
    reference.listed(&mut sql, fence, step);
    sql.add(")");
    Ok(sql.scalar(connection).await?)
}

/// Adds the condition that the row `c` is one of those that were locked.
pub(in crate::engine::postgres) fn is_locked(sql: &mut Sql, reference: &ReferenceTable, locked: &Locked) {
    is_placed(sql, "c", reference.child.relation.partitioned, &locked.places, &locked.partitions);
}

/// Adds the condition that the row `alias` is at one of these places.
pub(in crate::engine::postgres) fn is_placed(
    sql: &mut Sql,
    alias: &'static str,
    partitioned: bool,
    places: &str,
    partitions: &str,
) {
    // A subselect, or the planner would weigh each of the thousands of places by itself.
    sql.add(alias).add(".ctid OPERATOR(pg_catalog.=) ANY ((SELECT CAST(").text(places);
    sql.add(" AS pg_catalog.tid[]))::pg_catalog.tid[])");
    if partitioned {
        sql.add(" AND (").add(alias).add(".tableoid, ").add(alias).add(
            ".ctid) OPERATOR(pg_catalog.=) ANY (SELECT k.t, k.i FROM ROWS FROM (pg_catalog.unnest(CAST(",
        );
        sql.text(partitions).add(" AS pg_catalog.oid[])), pg_catalog.unnest(CAST(");
        sql.text(places).add(" AS pg_catalog.tid[]))) k(t, i))");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_the_database_writes_them() {
        assert_eq!(block("(12,3)"), 12);
        assert_eq!(last_place("{\"(0,1)\",\"(12,3)\"}"), "(12,3)");
        assert_eq!(last_place("{}"), "(0,0)");
        assert_eq!(blocks_between(Some(&"(3,0)".into()), Some(&"(10,4)".into())), 7);
        assert_eq!(blocks_between(None, Some(&"(0,4)".into())), 1);
    }

    #[test]
    fn a_chunk_looks_at_as_many_blocks_as_hold_the_rows_that_it_takes() {
        assert_eq!(blocks_for(1_000, 100, 10, 5_000), 101);
        assert_eq!(blocks_for(1_000, 0, 10, 5_000), 5_000);
        assert_eq!(blocks_for(1_000, 1, 10, 5_000), 5_000);
    }
}
