//! The one statement that changes a chunk: it looks again, copies, changes, and writes down what it did.

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    api::report::Action,
    domain::text::count,
    engine::postgres::{
        catalog::{Column, condition::equals, reference::ReferenceTable},
        ledger::{
            fence::Fence,
            notes::{Note, of_row, of_rows},
            quarantine::{self, Batch},
        },
        repair::rows::scan::{self, Locked},
        rowset::unique_keys::UniqueKeys,
        session::error::DatabaseError,
        sql::Sql,
    },
};

/// Which of the locked rows, and whose they become.
pub(in crate::engine::postgres) enum Which<'a> {
    /// All, and nobody's.
    All,
    /// All; a user's, whose values these are.
    GivenTo(&'a [String]),
    /// Those that would be too many for this user.
    SurplusTo(&'a UniqueKeys, &'a [String]),
}

/// What one statement found, kept and changed.
pub(in crate::engine::postgres) struct Counts {
    orphans: i64,
    kept: i64,
    /// Rows that were changed or removed.
    pub changed: i64,
    intended: i64,
    /// Rows whose other columns are as they were.
    same: i64,
    /// What is to be written down of their copies.
    pub note: Option<Note>,
}

impl Counts {
    /// Compares them: what was found was kept, changed, and is as it was meant.
    ///
    /// # Errors
    /// They differ.
    pub(in crate::engine::postgres) fn agree(&self, reference: &ReferenceTable) -> Result<(), DatabaseError> {
        let Self { orphans, kept, changed, intended, same, .. } = self;
        let of = reference.object.describe();
        let why = if kept != orphans {
            format!(
                "{kept} rows of {of} could be copied to quarantine, and {orphans} were meant: nothing of this chunk was done"
            )
        } else if changed != orphans {
            format!(
                "{changed} rows of {of} would have changed, and {orphans} were meant: nothing of this chunk was done (a trigger may keep them back)"
            )
        } else if intended != changed {
            format!(
                "{} rows of {of} name nobody though they were changed: nothing of this chunk was done (a trigger may change them back)",
                changed - intended
            )
        } else if same != changed {
            return Err(writes_more(changed - same, &of));
        } else {
            return Ok(());
        };
        Err(DatabaseError::Moved(why))
    }
}

/// Looks at the locked rows again, copies those that are still orphans, changes them, and writes the
/// audit row: one statement in one snapshot, which is younger than the locks. `theirs`: code of a neighbour's may run
/// with it, and may change nothing beside.
///
/// # Errors
/// The database refuses the change.
pub(in crate::engine::postgres) async fn repair(
    connection: &mut PgConnection,
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
    locked: &Locked,
    which: &Which<'_>,
    theirs: bool,
) -> Result<Counts, DatabaseError> {
    let table = &reference.child.relation;
    let mut sql = Sql::new(
        "WITH o AS MATERIALIZED (SELECT x.t, x.i, x.beside FROM (SELECT c.tableoid AS t, c.ctid AS i, ",
    );
    let heir = match which {
        Which::All => None,
        Which::GivenTo(heir) | Which::SurplusTo(_, heir) => Some(*heir),
    };
    match which {
        Which::SurplusTo(room, heir) => room.is_surplus(&mut sql, reference, Some(heir)),
        _ => {
            sql.add("true");
        }
    }
    sql.add(" AS so, ");
    let written: Vec<&Column> =
        if heir.is_some() { reference.columns.iter().collect() } else { reference.cleared() };
    let beside = |sql: &mut Sql| {
        let written = |column: &&Column| written.iter().any(|one| one.name == column.name);
        columns_but(sql, "c", &reference.child.columns, written);
    };
    if theirs {
        beside(&mut sql);
    } else {
        sql.add("NULL::pg_catalog.text");
    }
    sql.add(" AS beside FROM ").only(table).add(" c WHERE ");
    scan::is_locked(&mut sql, reference, locked);
    sql.add(" AND ");
    reference.orphaned_by_probe(&mut sql);
    sql.add(") x WHERE x.so), n AS MATERIALIZED (SELECT pg_catalog.count(*) AS n FROM o), b AS (");
    keep(&mut sql, fence, reference, batch);
    new_key(&mut sql, reference, if batch.action == Action::Delete { None } else { heir });
    for column in reference.child.columns.iter() {
        sql.add(", ").column("c", &column.name);
    }
    sql.add(" FROM ").only(table).add(" c WHERE ");
    is_orphan(&mut sql, reference);
    kept(&mut sql, reference);
    sql.add(", changed AS (");
    if batch.action == Action::Delete {
        sql.add("DELETE FROM ").only(table).add(" AS c WHERE ");
        is_orphan(&mut sql, reference);
        sql.add(" RETURNING true AS so, true AS same");
    } else {
        update(&mut sql, reference, heir, theirs);
        if theirs {
            sql.add("o.beside OPERATOR(pg_catalog.=) ");
            beside(&mut sql);
        } else {
            sql.add("true");
        }
        sql.add(" AS same");
    }
    sql.add(")");
    write_down(&mut sql, fence, reference, batch);
    sql.add(
        " SELECT (SELECT n.n FROM n), (SELECT pg_catalog.count(*) FROM kept), \
         (SELECT pg_catalog.count(*) FROM changed), (SELECT pg_catalog.count(*) FROM changed WHERE changed.so), \
         (SELECT pg_catalog.count(*) FROM changed WHERE changed.same)",
    );
    noted(&mut sql, reference);
    let row = sql.one(connection).await?;
    let kept = row.try_get(1)?;
    Ok(Counts {
        orphans: row.try_get(0)?,
        kept,
        note: note(&row, kept, 5)?,
        changed: row.try_get(2)?,
        intended: row.try_get(3)?,
        same: row.try_get(4)?,
    })
}

/// Adds what a chunk's copies belong to and the beginning of the INSERT that makes them, up to the new key.
pub(in crate::engine::postgres) fn keep(
    sql: &mut Sql,
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
) {
    quarantine::batch(sql, fence, batch);
    sql.add(" FROM n WHERE n.n OPERATOR(pg_catalog.>) 0 RETURNING batch), kept AS (INSERT INTO ");
    sql.relation(&batch.quarantine.relation).add(" AS q (_ac_batch, _ac_new_key");
    for column in reference.child.columns.iter() {
        sql.add(", ").name(&column.name);
    }
    sql.add(") SELECT (SELECT b.batch FROM b), ");
}

/// Adds the end of it, which says of each copy what it holds.
pub(in crate::engine::postgres) fn kept(sql: &mut Sql, reference: &ReferenceTable) {
    sql.add(" RETURNING ");
    of_row(sql, &reference.child.columns);
    sql.add(" AS h)");
}

/// Adds the batch, and the digest of its copies, to what a statement returns.
pub(in crate::engine::postgres) fn noted(sql: &mut Sql, reference: &ReferenceTable) {
    sql.add(", (SELECT b.batch FROM b), (SELECT ");
    of_rows(sql, "kept.h", &reference.child.columns);
    sql.add(" FROM kept)");
}

/// Reads them from the columns from `at` on.
pub(in crate::engine::postgres) fn note(
    row: &PgRow,
    rows: i64,
    at: usize,
) -> Result<Option<Note>, sqlx::Error> {
    let batch: Option<i64> = row.try_get(at)?;
    batch.map(|batch| Ok(Note { batch, rows, digest: row.try_get(at + 1)? })).transpose()
}

/// Adds the audit row of a chunk of `n` rows, and how far the step has got.
pub(in crate::engine::postgres) fn write_down(
    sql: &mut Sql,
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
) {
    sql.add(", a AS (INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, rows, plan_hash) SELECT ");
    sql.text(&fence.identity.system).add(", ").integer(fence.identity.database).add(", ");
    sql.text(&fence.owner).add(", ").text(&fence.run).add(", ").integer(batch.step).add(", ");
    sql.integer(batch.chunk)
        .add(", ")
        .text(batch.action.as_str())
        .add(", ")
        .text(reference.object.describe());
    sql.add(", n.n, ").text_or_null(fence.plan_hash.clone());
    sql.add(" FROM n WHERE n.n OPERATOR(pg_catalog.>) 0 RETURNING 1), s AS (UPDATE auth_consistency.steps AS s SET done = s.done OPERATOR(pg_catalog.+) n.n, chunk = ");
    sql.integer(batch.chunk).add(" FROM n WHERE s.run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND s.step OPERATOR(pg_catalog.=) ").integer(batch.step).add(" RETURNING 1)");
}

/// Adds the condition that the row `c` is one of `o`.
fn is_orphan(sql: &mut Sql, reference: &ReferenceTable) {
    sql.add("c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i FROM o))");
    if reference.child.relation.partitioned {
        sql.add(
            " AND EXISTS (SELECT FROM o WHERE o.t OPERATOR(pg_catalog.=) c.tableoid AND o.i OPERATOR(pg_catalog.=) c.ctid)",
        );
    }
}

/// Adds what the repair writes, as one text, or NULL.
fn new_key(sql: &mut Sql, reference: &ReferenceTable, heir: Option<&[String]>) {
    match heir {
        None => {
            sql.add("NULL::pg_catalog.text");
        }
        Some([value]) => {
            sql.text(value);
        }
        Some(values) => {
            sql.add("ROW(");
            for (at, (column, value)) in reference.columns.iter().zip(values).enumerate() {
                sql.add(if at > 0 { ", " } else { "" }).typed(value, &column.type_name);
            }
            sql.add(")::pg_catalog.text");
        }
    }
}

/// Adds the UPDATE of the orphans, which says of each row whether it is now as it was meant.
fn update(sql: &mut Sql, reference: &ReferenceTable, heir: Option<&[String]>, theirs: bool) {
    sql.add("UPDATE ").only(&reference.child.relation).add(" AS c SET ");
    let cleared = reference.cleared();
    match heir {
        Some(values) => {
            for (at, (column, value)) in reference.columns.iter().zip(values).enumerate() {
                sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" = ");
                sql.typed(value, &column.type_name);
            }
        }
        None => {
            for (at, column) in cleared.iter().enumerate() {
                sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" = NULL");
            }
        }
    }
    sql.add(if theirs { " FROM o WHERE " } else { " WHERE " });
    is_orphan(sql, reference);
    if theirs {
        // With what it held before.
        sql.add(" AND o.t OPERATOR(pg_catalog.=) c.tableoid AND o.i OPERATOR(pg_catalog.=) c.ctid");
    }
    sql.add(" RETURNING ");
    match heir {
        Some(values) => {
            for (at, (column, value)) in reference.columns.iter().zip(values).enumerate() {
                sql.add(if at > 0 { " AND " } else { "" });
                equals(sql, "c", column, value);
            }
        }
        None => {
            for (at, column) in cleared.iter().enumerate() {
                sql.add(if at > 0 { " AND " } else { "" }).column("c", &column.name).add(" IS NULL");
            }
        }
    }
    sql.add(" AS so, ");
}

/// Code of a neighbour's may have done that.
pub(in crate::engine::postgres) fn writes_more(rows: i64, of: &str) -> DatabaseError {
    DatabaseError::TouchesMore(format!(
        "{} of {of} would have got other values in other columns, too, and code of a role that is not the app runs there: nothing of this was done; disable the trigger while this is repaired, choose another onOrphan, or repair these rows by hand",
        count(rows, "row")
    ))
}

/// Adds what the row `alias` holds in all columns but some, as one text. What the database computes follows the others.
pub(in crate::engine::postgres) fn columns_but(
    sql: &mut Sql,
    alias: &'static str,
    columns: &[Column],
    but: impl Fn(&&Column) -> bool,
) {
    sql.add("ROW(");
    for (at, column) in columns.iter().filter(|column| !column.generated && !but(column)).enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column(alias, &column.name);
    }
    sql.add(")::pg_catalog.text");
}
