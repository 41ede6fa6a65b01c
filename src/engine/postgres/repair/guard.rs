//! Whether a repair touched more than its plan says.
//!
//! Triggers and foreign keys of the app run along with a repair, with the rights of the role, and may change
//! what nobody counted and nothing copied. What a transaction really did stands in its own statistics
//! (`pg_stat_get_xact_*`): only this backend's, at once, and with the numbers of transactions before that were
//! not reported yet. So they are read before the first statement that lets code of others run, and after the
//! last one, and the difference is compared with the plan: rows of tables here, and everything else that can be
//! seen (the catalog, sequences, our own schema, cursors) in `beyond`.

pub(in crate::engine::postgres) mod beyond;

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use beyond::Drawn;
pub(in crate::engine::postgres) use beyond::Own;

use crate::{
    domain::text::count,
    engine::postgres::{
        catalog::Table, ledger::fence::Fence, observe::foreign, session::error::DatabaseError, sql::Sql,
    },
};

/// Rows that were inserted, updated and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine::postgres) struct Touched {
    /// Inserted.
    pub inserted: i64,
    /// Updated.
    pub updated: i64,
    /// Deleted.
    pub deleted: i64,
}

impl Touched {
    /// What was done since then.
    fn since(self, then: Self) -> Self {
        Self {
            inserted: self.inserted - then.inserted,
            updated: self.updated - then.updated,
            deleted: self.deleted - then.deleted,
        }
    }
}

/// What the plan lets one table and its partitions be changed by.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct Expected {
    /// Object ids: the table, or its partitions.
    pub tables: Vec<i64>,
    /// Rows that change.
    pub updated: i64,
    /// Rows that are removed.
    pub deleted: i64,
    /// Rows that come in.
    pub inserted: i64,
}

/// The rows that a step lets the app's own tables be changed by.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::postgres) enum Rows<'a> {
    /// These, and no others.
    Only(&'a [Expected]),
    /// These, where code of a neighbour's runs with them, which a rule allows: what of the app's own code is let pass is
    /// not, since nobody can tell whose it was.
    BesideTheirs(&'a [Expected]),
    /// Whichever, by writing to this table: the app's own triggers make rows for an account, and tell of its changes.
    Any(&'a Table),
}

impl<'a> Rows<'a> {
    /// These, and no others.
    pub fn only(expected: &'a [Expected], theirs: bool) -> Self {
        if theirs { Self::BesideTheirs(expected) } else { Self::Only(expected) }
    }
}

/// The numbers at one moment.
#[derive(Debug, Default)]
pub(in crate::engine::postgres) struct Counts {
    /// Of the app's tables: by object id, with the table's name.
    tables: BTreeMap<i64, (String, Touched)>,
    beyond: beyond::Counts,
}

/// Reads the numbers of everything that the transaction may have touched. What of ours is created comes before it.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn counts(
    connection: &mut PgConnection,
    fence: &Fence,
) -> Result<Counts, sqlx::Error> {
    let mut counts = read(connection, fence).await?;
    if !counts.beyond.catalog.is_empty() {
        counts.beyond.written = beyond::written(connection).await?;
    }
    Ok(counts)
}

async fn read(connection: &mut PgConnection, fence: &Fence) -> Result<Counts, sqlx::Error> {
    let mut sql = Sql::new("WITH ");
    foreign::app(&mut sql, fence.user_table);
    // What is only in this session's memory holds no rows of the app. Which block of a sequence was read is all
    // that is counted of it, and enough: to move it is to read it.
    sql.add(
        " SELECT c.oid::pg_catalog.int8, pg_catalog.format('%s.%s', n.nspname, c.relname), x.i, x.u, x.d, x.b, \
         c.relname::pg_catalog.text, CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN 'sequence' \
           WHEN c.relpersistence OPERATOR(pg_catalog.=) 't' THEN 'temporary' \
           WHEN n.nspname OPERATOR(pg_catalog.=) 'pg_catalog' THEN 'catalog' \
           WHEN n.nspname OPERATOR(pg_catalog.=) 'auth_consistency' THEN 'own' ELSE 'table' END, \
         CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN NOT EXISTS (SELECT FROM app \
           WHERE app.oid OPERATOR(pg_catalog.=) c.relowner) ELSE false END, \
         pg_catalog.age(c.xmin) OPERATOR(pg_catalog.>) 0 AND pg_catalog.age(n.xmin) OPERATOR(pg_catalog.>) 0 \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         CROSS JOIN LATERAL (SELECT pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS i, \
           pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS u, \
           pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS d, \
           CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN pg_catalog.pg_stat_get_xact_blocks_fetched(c.oid) \
             ELSE 0 END AS b OFFSET 0) x \
         WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m,S}'::pg_catalog.\"char\"[]) \
         AND (c.relpersistence OPERATOR(pg_catalog.<>) 't' OR c.relkind OPERATOR(pg_catalog.=) 'r' \
           AND c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()) \
         AND (c.relkind OPERATOR(pg_catalog.<>) 'S' OR n.nspname OPERATOR(pg_catalog.<>) 'auth_consistency') \
         AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema' \
         AND (x.i OPERATOR(pg_catalog.<>) 0 OR x.u OPERATOR(pg_catalog.<>) 0 OR x.d OPERATOR(pg_catalog.<>) 0 \
           OR x.b OPERATOR(pg_catalog.<>) 0)",
    );
    let mut counts = Counts::default();
    for row in sql.all(connection).await? {
        let touched =
            Touched { inserted: row.try_get(2)?, updated: row.try_get(3)?, deleted: row.try_get(4)? };
        let (oid, name): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let beyond = &mut counts.beyond;
        match row.try_get::<&str, _>(7)? {
            "sequence" => {
                let of_before: bool = row.try_get(9)?;
                let (times, of_others) = (row.try_get(5)?, row.try_get(8)?);
                beyond.sequences.insert(oid, Drawn { name: of_before.then_some(name), times, of_others });
            }
            "temporary" => _ = beyond.temporary.insert(oid, touched),
            "catalog" => _ = beyond.catalog.insert(row.try_get(6)?, touched),
            "own" => _ = beyond.own.insert(row.try_get(6)?, touched),
            _ => _ = counts.tables.insert(oid, (name, touched)),
        }
    }
    (counts.beyond.cursors, counts.beyond.counted) = beyond::cursors(connection).await?;
    Ok(counts)
}

/// Object ids under which the rows of a table are counted: its own, or those of its partitions.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn storage(
    connection: &mut PgConnection,
    table: &Table,
) -> Result<Vec<i64>, sqlx::Error> {
    if !table.relation.partitioned {
        return Ok(vec![table.oid]);
    }
    let mut sql =
        Sql::new("SELECT t.relid::pg_catalog.oid::pg_catalog.int8 FROM pg_catalog.pg_partition_tree(");
    sql.integer(table.oid).add("::pg_catalog.oid::pg_catalog.regclass) t WHERE t.isleaf");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Compares what the transaction did since `before` with what the plan says: rows of the app's tables, and what
/// the step wrote to our own.
///
/// # Errors
/// A table was touched that the plan does not count, more or fewer rows of one that it does, or anything that is
/// no row of the app's.
pub(in crate::engine::postgres) async fn compare(
    connection: &mut PgConnection,
    fence: &Fence,
    before: &Counts,
    rows: Rows<'_>,
    own: &Own,
) -> Result<(), DatabaseError> {
    let after = read(connection, fence).await?;
    if !(before.beyond.counted && after.beyond.counted) {
        return blind(connection, rows).await;
    }
    let theirs = matches!(rows, Rows::BesideTheirs(_));
    beyond::compare(connection, &before.beyond, &after.beyond, own, theirs).await?;
    let (Rows::Only(expected) | Rows::BesideTheirs(expected)) = rows else { return Ok(()) };
    let mut groups = vec![Touched::default(); expected.len()];
    for (oid, (name, now)) in &after.tables {
        let done = now.since(before.tables.get(oid).map_or(Touched::default(), |(_, touched)| *touched));
        if done == Touched::default() {
            continue;
        }
        let planned = expected.iter().position(|one| one.tables.contains(oid));
        let Some(group) = planned.and_then(|at| groups.get_mut(at)) else {
            return Err(touches_more(name, done, "none of it"));
        };
        group.inserted += done.inserted;
        group.updated += done.updated;
        group.deleted += done.deleted;
    }
    for (one, done) in expected.iter().zip(groups) {
        // A row that an UPDATE moves to another partition counts there as inserted and here as deleted.
        let moved = if one.tables.len() > 1 { done.inserted - one.inserted } else { 0 };
        let fits = done.inserted == one.inserted + moved
            && done.updated + moved == one.updated
            && done.deleted - moved == one.deleted;
        if !fits {
            let name =
                one.tables.iter().find_map(|oid| after.tables.get(oid)).map_or("a table", |(name, _)| name);
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
async fn blind(connection: &mut PgConnection, rows: Rows<'_>) -> Result<(), DatabaseError> {
    let tables = match rows {
        Rows::Any(table) => storage(connection, table).await?,
        Rows::Only(expected) | Rows::BesideTheirs(expected) => {
            let touched = |one: &&Expected| one.updated + one.deleted + one.inserted > 0;
            expected.iter().filter(touched).flat_map(|one| one.tables.clone()).collect()
        }
    };
    for table in tables {
        if foreign::acts(connection, table).await? {
            return Err(DatabaseError::TouchesMore(
                "track_counts is off, and triggers, rules or functions act when rows of the table are written, so nobody can see what else they change: nothing of this was done; set track_counts to on".into(),
            ));
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
