//! How many rows name nobody, exactly, with a sample and a digest of their keys.

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::Subject;
use crate::{
    consistency::observation::{KeyKind, Orphans},
    database::{identifier::Sql, references::ReferenceTable},
};

/// Keys that a sample shows.
const SAMPLE: usize = 5;

/// Counts all orphans of a reference by the engine's own anti-join.
pub(super) async fn by_anti_join(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Orphans, sqlx::Error> {
    let mut sql = grouped(table);
    sql.only(&table.child.relation).add(" c WHERE ");
    table.orphaned(&mut sql);
    in_key_order(&mut sql, table);
    read(table, sql.stream(connection)).await
}

/// Counts the rows of keys that were found through an index, through that index.
pub(super) async fn of_keys(
    connection: &mut PgConnection,
    subject: &Subject<'_>,
    keys: &[String],
) -> Result<Orphans, sqlx::Error> {
    let table = subject.table;
    let Some(column) = table.columns.first() else { return Ok(Orphans::default()) };
    let Some(equality) = &column.equality else { return by_anti_join(connection, table).await };
    let mut sql = grouped(table);
    sql.add("(SELECT DISTINCT CAST(k.key AS ").type_name(&column.type_name).add(") AS key FROM unnest(");
    sql.texts(keys.iter().cloned().map(Some).collect()).add(") k(key)) k CROSS JOIN LATERAL (SELECT ");
    sql.column("c", &column.name).add(" FROM ").only(&table.child.relation).add(" c WHERE ");
    sql.column("c", &column.name).operator(equality).add("k.key");
    table.in_scope(&mut sql);
    // The planner may not join what it should look up.
    sql.add(" OFFSET 0) c");
    in_key_order(&mut sql, table);
    read(table, sql.stream(connection)).await
}

/// `SELECT key as text, rows FROM `
///
/// Equal keys may differ in spelling (citext, numeric): one of them stands for all, and always the
/// same one, or the digest would depend on the order of rows.
fn grouped(table: &ReferenceTable) -> Sql {
    let mut sql = Sql::new("SELECT pg_catalog.min((");
    table.key_text(&mut sql);
    sql.add(") COLLATE pg_catalog.\"C\"), pg_catalog.count(*) FROM ");
    sql
}

fn in_key_order(sql: &mut Sql, table: &ReferenceTable) {
    for by in [" GROUP BY ", " ORDER BY "] {
        sql.add(by);
        for (at, column) in table.columns.iter().enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
        }
    }
}

async fn read(
    table: &ReferenceTable,
    rows: BoxStream<'_, Result<PgRow, sqlx::Error>>,
) -> Result<Orphans, sqlx::Error> {
    let integer =
        table.columns.len() == 1 && table.columns.iter().all(|column| column.kind() == KeyKind::Integer);
    let mut orphans = Orphans::default();
    let mut digest = Sha256::new();
    let mut rows = rows.fuse();
    while let Some(row) = rows.try_next().await? {
        let key: String = row.try_get(0)?;
        orphans.rows += row.try_get::<i64, _>(1)?;
        orphans.keys += 1;
        if orphans.sample.len() < SAMPLE {
            orphans.sample.push(key.clone());
        }
        if integer {
            orphans.highest = orphans.highest.max(key.parse().ok());
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
