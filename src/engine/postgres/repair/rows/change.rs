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
        sql::{
            Only, Sql, sql,
            template::{Part, Piece, Typed, each},
            with,
        },
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
        Err(DatabaseError::PlanStale(why))
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
    let sql = statement(fence, reference, batch, locked, which, theirs);
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

fn statement(
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
    locked: &Locked,
    which: &Which<'_>,
    theirs: bool,
) -> Sql {
    let heir = match which {
        Which::All => None,
        Which::GivenTo(heir) | Which::SurplusTo(_, heir) => Some(*heir),
    };
    let written: Vec<&Column> =
        if heir.is_some() { reference.columns.iter().collect() } else { reference.cleared() };
    let beside = |sql: &mut Sql| {
        let written = |column: &&Column| written.iter().any(|one| one.name == column.name);
        columns_but(sql, "c", &reference.child.columns, written);
    };
    let new_heir = if batch.action == Action::Delete { None } else { heir };
    let copied = Copied {
        alias: "c",
        new_key: &with(|sql| new_key(sql, reference, new_heir)),
        from: &with(|sql| {
            let rows = Only(&reference.child.relation);
            sql!(
                sql,
                "{rows} c WHERE {is_orphan}",
                rows = rows,
                is_orphan = with(|sql| is_orphan(sql, reference))
            );
        }),
    };
    sql!(
        "WITH o AS MATERIALIZED (
           SELECT x.t, x.i, x.beside FROM (
             SELECT c.tableoid AS t, c.ctid AS i, {so} AS so, {beside} AS beside
             FROM {rows} c WHERE {is_locked} AND {orphaned}) x
           WHERE x.so),
         n AS MATERIALIZED (SELECT pg_catalog.count(*) AS n FROM o),
         {keep},
         changed AS ({change}),
         {write_down}
         SELECT (SELECT n.n FROM n), (SELECT pg_catalog.count(*) FROM kept),
           (SELECT pg_catalog.count(*) FROM changed), (SELECT pg_catalog.count(*) FROM changed WHERE changed.so),
           (SELECT pg_catalog.count(*) FROM changed WHERE changed.same), {noted}",
        so = with(|sql| match which {
            Which::SurplusTo(room, heir) => room.is_surplus(sql, reference, Some(heir)),
            _ => {
                sql.add("true");
            }
        }),
        beside = with(|sql| {
            if theirs {
                beside(sql);
            } else {
                sql.add("NULL::pg_catalog.text");
            }
        }),
        rows = Only(&reference.child.relation),
        is_locked = with(|sql| scan::is_locked(sql, reference, locked)),
        orphaned = with(|sql| {
            reference.orphaned_by_probe(sql);
        }),
        keep = with(|sql| keep(sql, fence, reference, batch, &copied)),
        change = with(|sql| {
            if batch.action == Action::Delete {
                remove(sql, reference);
            } else {
                update(sql, reference, heir, theirs.then_some(&beside as &dyn Fn(&mut Sql)));
            }
        }),
        write_down = with(|sql| write_down(sql, fence, reference, batch)),
        noted = with(|sql| noted(sql, reference)),
    )
}

/// The rows of a chunk that are copied.
pub(in crate::engine::postgres) struct Copied<'a> {
    /// What each is called in `from`.
    pub alias: &'static str,
    /// What the repair writes to it.
    pub new_key: &'a dyn Part,
    /// Where they are, as it stands behind FROM.
    pub from: &'a dyn Part,
}

/// Adds what a chunk's copies belong to (`b`) and the copies (`kept`), of each of which it says what it holds.
pub(in crate::engine::postgres) fn keep(
    sql: &mut Sql,
    fence: &Fence,
    reference: &ReferenceTable,
    batch: &Batch<'_>,
    copied: &Copied<'_>,
) {
    let columns = &reference.child.columns;
    sql!(
        sql,
        "b AS ({batch} FROM n WHERE n.n > 0 RETURNING batch),
         kept AS (
           INSERT INTO {copies} AS q (_ac_batch, _ac_new_key{names})
           SELECT (SELECT b.batch FROM b), {new_key}{values} FROM {from}
           RETURNING {row} AS h)",
        batch = with(|sql| quarantine::batch(sql, fence, batch)),
        copies = batch.quarantine.relation,
        names = each(columns, "", |sql, column| {
            sql!(sql, ", {name}", name = column.name);
        }),
        new_key = copied.new_key,
        values = each(columns, "", |sql, column| {
            sql.add(", ").column(copied.alias, &column.name);
        }),
        from = copied.from,
        row = with(|sql| of_row(sql, columns)),
    );
}

/// Adds the batch, and the digest of its copies, to what a statement returns.
pub(in crate::engine::postgres) fn noted(sql: &mut Sql, reference: &ReferenceTable) {
    let rows = with(|sql| of_rows(sql, "kept.h", &reference.child.columns));
    sql!(sql, "(SELECT b.batch FROM b), (SELECT {rows} FROM kept)", rows = rows);
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
    sql!(
        sql,
        "a AS (
           INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object,
             rows, plan_hash)
           SELECT {system}, {database}, {owner}, {run}, {step}, {chunk}, {action}, {object}, n.n, {plan_hash}
           FROM n WHERE n.n > 0 RETURNING 1),
         s AS (
           UPDATE auth_consistency.steps AS s SET done = s.done + n.n, chunk = {chunk}
           FROM n WHERE s.run = {run} AND s.step = {step} RETURNING 1)",
        system = fence.identity.system,
        database = fence.identity.database,
        owner = fence.owner,
        run = fence.run,
        step = batch.step,
        chunk = batch.chunk,
        action = batch.action.as_str(),
        object = reference.object.describe(),
        plan_hash = fence.plan_hash,
    );
}

/// Adds the condition that the row `c` is one of `o`.
fn is_orphan(sql: &mut Sql, reference: &ReferenceTable) {
    sql!(sql, "c.ctid = ANY (ARRAY(SELECT o.i FROM o))");
    if reference.child.relation.partitioned {
        sql!(sql, " AND EXISTS (SELECT FROM o WHERE o.t = c.tableoid AND o.i = c.ctid)");
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
            let values: Vec<(&Column, &String)> = reference.columns.iter().zip(values).collect();
            let values = each(&values, ", ", |sql, (column, value)| {
                sql.typed(value, &column.type_name);
            });
            sql!(sql, "ROW({values})::pg_catalog.text", values = values);
        }
    }
}

/// Adds the DELETE of the orphans.
fn remove(sql: &mut Sql, reference: &ReferenceTable) {
    sql!(
        sql,
        "DELETE FROM {rows} AS c WHERE {is_orphan} RETURNING true AS so, true AS same",
        rows = Only(&reference.child.relation),
        is_orphan = with(|sql| is_orphan(sql, reference)),
    );
}

/// Adds the UPDATE of the orphans, which says of each row whether it is now as it was meant, and whether it holds
/// `beside` what it held before, where that is looked at.
fn update(
    sql: &mut Sql,
    reference: &ReferenceTable,
    heir: Option<&[String]>,
    beside: Option<&dyn Fn(&mut Sql)>,
) {
    let values: Vec<(&Column, Option<&String>)> = match heir {
        Some(values) => reference.columns.iter().zip(values.iter().map(Some)).collect(),
        None => reference.cleared().into_iter().map(|column| (column, None)).collect(),
    };
    sql!(
        sql,
        "UPDATE {rows} AS c SET {values}{before} WHERE {is_orphan}{same_row} RETURNING {so} AS so, {same} AS same",
        rows = Only(&reference.child.relation),
        values = each(&values, ", ", |sql, (column, value)| match value {
            Some(value) => {
                let value = Typed(value, &column.type_name);
                sql!(sql, "{name} := {value}", name = column.name, value = value);
            }
            None => {
                sql!(sql, "{name} := NULL", name = column.name);
            }
        }),
        // With what it held before.
        before = Piece(if beside.is_some() { " FROM o" } else { "" }),
        is_orphan = with(|sql| is_orphan(sql, reference)),
        same_row = with(|sql| {
            if beside.is_some() {
                sql!(sql, " AND o.t = c.tableoid AND o.i = c.ctid");
            }
        }),
        so = each(&values, " AND ", |sql, (column, value)| match value {
            Some(value) => equals(sql, "c", column, value),
            None => {
                sql!(sql, "c.{name} IS NULL", name = column.name);
            }
        }),
        same = with(|sql| match beside {
            Some(beside) => {
                sql!(sql, "o.beside = {beside}", beside = with(beside));
            }
            None => {
                sql.add("true");
            }
        }),
    );
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
    let columns: Vec<&Column> = columns.iter().filter(|column| !column.generated && !but(column)).collect();
    let columns = each(&columns, ", ", |sql, column| {
        sql.column(alias, &column.name);
    });
    sql!(sql, "ROW({columns})::pg_catalog.text", columns = columns);
}
