//! How many rows name nobody, exactly, with a sample and a digest of their keys.

use crate::{
    domain::{
        facts::{key_kind::KeyKind, references::Orphans},
        search::counted_by_index,
        text::clip,
    },
    engine::postgres::{
        catalog::{
            Column,
            reference::{IdPart, ReferenceTable},
        },
        observe::ids,
        sql::Sql,
    },
};

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::Subject;

/// Keys that a sample shows.
const SAMPLE: usize = 5;

/// Characters that are kept of a key in a sample.
const SHOWN: usize = 1_000;

/// Counts all orphans of a reference by the engine's own anti-join.
pub(super) async fn by_anti_join(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Orphans, sqlx::Error> {
    let mut sql = grouped(table);
    sql.only(&table.child.relation).add(" c WHERE ");
    table.orphaned(&mut sql);
    in_key_order(&mut sql, table);
    read(table, sql.stream(connection), Shown::Ids).await
}

/// Counts all orphans as [`by_anti_join`] does, and writes each of their keys in each of its spellings on
/// the list of a step: one statement, so that the list is of what was counted.
pub(super) async fn listing(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    run: &str,
    step: i64,
) -> Result<Orphans, sqlx::Error> {
    let ordinals = |sql: &mut Sql| {
        for at in 0..table.columns.len() {
            sql.add(if at > 0 { ", k" } else { "k" }).ordinal(at);
        }
    };
    let mut sql = Sql::new("WITH g(key, n, ");
    ordinals(&mut sql);
    sql.add(") AS MATERIALIZED (SELECT ");
    table.key_text(&mut sql);
    sql.add(", pg_catalog.count(*), ");
    columns(&mut sql, table);
    sql.add(" FROM ").only(&table.child.relation).add(" c WHERE ");
    table.orphaned(&mut sql);
    sql.add(" GROUP BY ");
    columns(&mut sql, table);
    // A number or a uuid has one spelling, which is made once for all its rows.
    if !matches!(table.columns.as_slice(), [one] if matches!(one.kind(), KeyKind::Integer | KeyKind::Uuid)) {
        sql.add(", ");
        table.key_text(&mut sql);
    }
    sql.add("), l AS (INSERT INTO auth_consistency.step_keys (run, step, key) SELECT DISTINCT ");
    sql.text(run).add(", ").integer(step).add(", ");
    table.on_list(&mut sql, |sql| {
        sql.add("g.key");
    });
    sql.add(" FROM g) SELECT ");
    sql.bounded(|sql| {
        sql.add("pg_catalog.min(g.key COLLATE pg_catalog.\"C\")");
    });
    sql.add(", pg_catalog.sum(g.n)::pg_catalog.int8 FROM g GROUP BY ");
    ordinals(&mut sql);
    sql.add(" ORDER BY ");
    ordinals(&mut sql);
    read(table, sql.stream(connection), Shown::Keys).await
}

/// Counts the rows of keys that were found through an index, through that index; where it turns out that there
/// are too many for that, by the anti-join.
pub(super) async fn of_keys(
    connection: &mut PgConnection,
    subject: &Subject<'_>,
    keys: &[String],
) -> Result<Orphans, sqlx::Error> {
    let table = subject.table;
    let Some(column) = table.columns.first() else { return Ok(Orphans::default()) };
    let Some(equality) = &column.equality else { return by_anti_join(connection, table).await };
    let mut sql = grouped(table);
    let at_most = counted_by_index(subject.rows);
    sql.add("(SELECT ")
        .column("c", &column.name)
        .add(" FROM (SELECT DISTINCT CAST(k.key AS ")
        .type_name(&column.type_name)
        .add(") AS key FROM unnest(");
    sql.texts(keys.iter().cloned().map(Some).collect()).add(") k(key)) k CROSS JOIN LATERAL (SELECT ");
    sql.column("c", &column.name).add(" FROM ").only(&table.child.relation).add(" c WHERE ");
    sql.column("c", &column.name).operator(equality).add("k.key");
    table.in_scope(&mut sql);
    // The planner may not join what it should look up.
    sql.add(" OFFSET 0) c LIMIT ").integer(at_most + 1).add(") c");
    in_key_order(&mut sql, table);
    let orphans = read(table, sql.stream(&mut *connection), Shown::Ids).await?;
    if orphans.rows > at_most { by_anti_join(connection, table).await } else { Ok(orphans) }
}

/// What a query of keys shows beside them and their rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Nothing.
    Keys,
    /// The part that names the id, of keys of several columns.
    Ids,
}

/// `SELECT key as text, rows, the id in it FROM `
///
/// Equal keys may differ in spelling (citext, numeric): one of them stands for all, and always the
/// same one, or the digest would depend on the order of rows.
fn grouped(table: &ReferenceTable) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.bounded(|sql| {
        sql.add("pg_catalog.min((");
        table.key_text(sql);
        sql.add(") COLLATE pg_catalog.\"C\")");
    });
    sql.add(", pg_catalog.count(*)");
    if let Some(column) = id_beside(table) {
        // A number, or it is of no use: how long it is beyond that is nobody's concern.
        sql.add(", pg_catalog.\"left\"(").column("c", &column.name).add("::pg_catalog.text, 100)");
    }
    sql.add(" FROM ");
    sql
}

/// The column that names the id, where a key has others too.
fn id_beside(table: &ReferenceTable) -> Option<&Column> {
    table.ids.filter(|_| table.columns.len() > 1).and_then(|part| table.columns.get(part.at))
}

fn in_key_order(sql: &mut Sql, table: &ReferenceTable) {
    for by in [" GROUP BY ", " ORDER BY "] {
        sql.add(by);
        columns(sql, table);
    }
}

fn columns(sql: &mut Sql, table: &ReferenceTable) {
    for (at, column) in table.columns.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
    }
}

async fn read(
    table: &ReferenceTable,
    rows: BoxStream<'_, Result<PgRow, sqlx::Error>>,
    shown: Shown,
) -> Result<Orphans, sqlx::Error> {
    let number = |part: &IdPart| {
        table.parent_columns.get(part.at).is_some_and(|parent| parent.kind() == KeyKind::Integer)
    };
    let part = table.ids.filter(number);
    let beside = id_beside(table).is_some();
    let mut orphans = Orphans::default();
    let mut digest = Sha256::new();
    let mut rows = rows.fuse();
    while let Some(row) = rows.try_next().await? {
        let key: String = row.try_get(0)?;
        orphans.rows = orphans.rows.saturating_add(row.try_get(1)?);
        orphans.keys += 1;
        if orphans.sample.len() < SAMPLE {
            orphans.sample.push(clip(&key, SHOWN));
        }
        if let Some(part) = part {
            let id = match (beside, shown) {
                (false, _) => ids::number(&key),
                (true, Shown::Ids) => row.try_get::<Option<String>, _>(2)?.as_deref().and_then(ids::number),
                (true, Shown::Keys) => None,
            };
            if let Some(id) = id.filter(|id| part.first < *id && *id < part.last) {
                orphans.highest = orphans.highest.max(Some(id));
                orphans.lowest = Some(orphans.lowest.map_or(id, |lowest| lowest.min(id)));
            }
        }
        // The length in front keeps two lists of keys from having one text.
        digest.update(format!("{}:", key.len()));
        digest.update(key.as_bytes());
    }
    if orphans.keys > 0 {
        orphans.digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    }
    Ok(orphans)
}
