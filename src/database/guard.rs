//! Whether a repair touched more than its plan says.
//!
//! Triggers and foreign keys of the app run along with a repair, and may change or remove rows that
//! nobody counted and nothing copied. What a transaction really did stands in its own statistics
//! (`pg_stat_get_xact_tuples_*`): only this backend's, at once, and with the numbers of transactions
//! before that were not reported yet. So they are read at the beginning and at the end, and the
//! difference is compared with the plan.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use super::{catalog::Table, error::DatabaseError, identifier::Sql};
use crate::consistency::wording::count;

/// Rows that were inserted, updated and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Touched {
    /// Inserted.
    pub inserted: i64,
    /// Updated.
    pub updated: i64,
    /// Deleted.
    pub deleted: i64,
}

/// What the plan lets one table and its partitions be changed by.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// Object ids: the table, or its partitions.
    pub tables: Vec<i64>,
    /// Rows that change.
    pub updated: i64,
    /// Rows that are removed.
    pub deleted: i64,
    /// Rows that come in.
    pub inserted: i64,
}

/// The numbers at one moment: by object id, with the table's name.
pub(super) type Counts = BTreeMap<i64, (String, Touched)>;

/// Reads the numbers of every table that the transaction may have touched.
///
/// # Errors
/// The database fails.
pub(super) async fn counts(connection: &mut PgConnection) -> Result<Counts, sqlx::Error> {
    // Our own schema's tables are written by every chunk; what is only in this session's memory, and the
    // catalog, hold no rows of the app.
    let sql = Sql::new(
        "SELECT c.oid::pg_catalog.int8, pg_catalog.format('%s.%s', n.nspname, c.relname), x.i, x.u, x.d \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         CROSS JOIN LATERAL (SELECT pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS i, \
           pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS u, \
           pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS d OFFSET 0) x \
         WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relpersistence OPERATOR(pg_catalog.<>) 't' \
         AND n.nspname OPERATOR(pg_catalog.<>) ALL ('{pg_catalog,information_schema,auth_consistency}'::pg_catalog.name[]) \
         AND (x.i OPERATOR(pg_catalog.<>) 0 OR x.u OPERATOR(pg_catalog.<>) 0 OR x.d OPERATOR(pg_catalog.<>) 0)",
    );
    let mut counts = Counts::new();
    for row in sql.all(connection).await? {
        let touched =
            Touched { inserted: row.try_get(2)?, updated: row.try_get(3)?, deleted: row.try_get(4)? };
        counts.insert(row.try_get(0)?, (row.try_get(1)?, touched));
    }
    Ok(counts)
}

/// Object ids under which the rows of a table are counted: its own, or those of its partitions.
///
/// # Errors
/// The database fails.
pub(super) async fn storage(connection: &mut PgConnection, table: &Table) -> Result<Vec<i64>, sqlx::Error> {
    if !table.relation.partitioned {
        return Ok(vec![table.oid]);
    }
    let mut sql =
        Sql::new("SELECT t.relid::pg_catalog.oid::pg_catalog.int8 FROM pg_catalog.pg_partition_tree(");
    sql.integer(table.oid).add("::pg_catalog.oid::pg_catalog.regclass) t WHERE t.isleaf");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Compares what the transaction did since `before` with what the plan says.
///
/// # Errors
/// A table was touched that the plan does not count, or more or fewer rows of one that it does.
pub(super) async fn compare(
    connection: &mut PgConnection,
    before: &Counts,
    expected: &[Expected],
) -> Result<(), DatabaseError> {
    let after = counts(connection).await?;
    let mut groups = vec![Touched::default(); expected.len()];
    let mut seen = false;
    for (oid, (name, now)) in &after {
        let then = before.get(oid).map_or(Touched::default(), |(_, touched)| *touched);
        let done = Touched {
            inserted: now.inserted - then.inserted,
            updated: now.updated - then.updated,
            deleted: now.deleted - then.deleted,
        };
        if done == Touched::default() {
            continue;
        }
        seen = true;
        let planned = expected.iter().position(|one| one.tables.contains(oid));
        let Some(group) = planned.and_then(|at| groups.get_mut(at)) else {
            return Err(touches_more(name, done, "none of it"));
        };
        group.inserted += done.inserted;
        group.updated += done.updated;
        group.deleted += done.deleted;
    }
    if !seen {
        return blind(connection, expected).await;
    }
    for (one, done) in expected.iter().zip(groups) {
        // A row that an UPDATE moves to another partition counts there as inserted and here as deleted.
        let moved = if one.tables.len() > 1 { done.inserted - one.inserted } else { 0 };
        let fits = done.inserted == one.inserted + moved
            && done.updated + moved == one.updated
            && done.deleted - moved == one.deleted;
        if !fits {
            let name = one.tables.iter().find_map(|oid| after.get(oid)).map_or("a table", |(name, _)| name);
            let planned = Touched { inserted: one.inserted, updated: one.updated, deleted: one.deleted };
            return Err(touches_more(name, done, &words(planned)));
        }
    }
    Ok(())
}

fn words(touched: Touched) -> String {
    let mut parts = Vec::new();
    for (rows, what) in
        [(touched.inserted, "inserted"), (touched.updated, "updated"), (touched.deleted, "deleted")]
    {
        if rows > 0 {
            parts.push(format!("{} {what}", count(rows, "row")));
        }
    }
    if parts.is_empty() { "none".into() } else { parts.join(", ") }
}

fn touches_more(table: &str, done: Touched, planned: &str) -> DatabaseError {
    DatabaseError::TouchesMore(format!(
        "a trigger or rule would have gone on to {table} ({}, and the plan says {planned}): nothing of this was done; disable it while this is repaired, choose another onOrphan, or repair these rows by hand",
        words(done)
    ))
}

/// Where the server counts nothing, only a table on which nothing else can act is safe.
async fn blind(connection: &mut PgConnection, expected: &[Expected]) -> Result<(), DatabaseError> {
    for one in expected.iter().filter(|one| one.updated + one.deleted + one.inserted > 0) {
        for table in &one.tables {
            let mut sql = Sql::new(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid OPERATOR(pg_catalog.=) ",
            );
            sql.integer(*table).add("::pg_catalog.oid)");
            if sql.scalar::<bool>(connection).await? {
                return Err(DatabaseError::TouchesMore(
                    "track_counts is off and the table has triggers, so nobody can see what else they change: nothing of this was done; set track_counts to on".into(),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_is_told_in_words() {
        let touched = Touched { inserted: 1, updated: 0, deleted: 1200 };
        assert_eq!(words(touched), "1 row inserted, 1,200 rows deleted");
        assert_eq!(words(Touched::default()), "none");
    }
}
