//! SetNull, Reassign and Delete, chunk by chunk, each in a transaction of its own.
//!
//! A chunk locks its rows in physical order, and looks in a *new* statement whether they are still
//! orphans (a statement that waited for a lock would still see the old world). That statement copies
//! them to quarantine, changes them by their place, which a locked row keeps, and writes the audit row
//! and how far the step has got. Where a DELETE needs none of that, `removal` does it in one. Then the counts are compared, deferred constraints speak up, the guard
//! looks whether anything else was touched, and the transaction commits.

pub(in crate::engine::postgres) mod bulk_delete;
pub(in crate::engine::postgres) mod cascades;
pub(in crate::engine::postgres) mod change;
pub(in crate::engine::postgres) mod scan;

use crate::{
    api::report::{Action, ObjectRef},
    domain::{
        facts::references::Cascaded,
        step::Step,
        target::{Admin, Target},
    },
    engine::{
        ChunkDone,
        postgres::{
            catalog::{condition::holds, reference::ReferenceTable, resolved::ResolvedSchema},
            ledger::{
                fence::{self, Fence, StepProgress},
                notes::{Note, noting},
                quarantine::{self, Batch, Quarantine},
            },
            observe::foreign,
            repair::{
                chunk::paced,
                guard::beyond::Own,
                rows::{
                    cascades::victims::Victims,
                    change::Which,
                    scan::{BatchSize, BlockRange, Cursor, ScanMethod, ScanPlan},
                },
            },
            rowset::{
                dependents::Dependent,
                unique_keys::{self, UniqueKeys},
            },
            search,
            session::{error::DatabaseError, server, transaction::prepare},
            sql::{Sql, run},
        },
    },
};

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, Row};

use super::guard::{self, Expected};

const FIRST_CHUNK: i64 = 1_000;
const LARGEST_CHUNK: i64 = 50_000;
const SMALLEST_CHUNK: i64 = 500;
/// Blocks that a chunk looks at, at most.
const FIRST_BLOCKS: i64 = 1_024;
const LARGEST_BLOCKS: i64 = 131_072;
const SMALLEST_BLOCKS: i64 = 64;

/// How often a step walks through its table when rows moved behind the walk.
const ROUNDS: u32 = 3;

/// One step over rows, under way.
pub struct RowsStep {
    admin: Option<Admin>,
    known: Arc<ResolvedSchema>,
    reference: Arc<ReferenceTable>,
    action: Action,
    number: i64,
    ground: ScanPlan,
    dependents: Vec<Dependent>,
    along: Vec<Along>,
    rows: i64,
    blocks_at_most: i64,
    blocks: i64,
    rounds: u32,
    /// Whether rows are removed without locking them first.
    swift: bool,
    /// Whether code of a neighbour's runs with them, which a rule allows.
    theirs: bool,
    /// Unique keys that some of the rows have no room in.
    room: Option<UniqueKeys>,
    /// So many rows at most are removed for that.
    surplus: i64,
    /// So many were.
    removed: i64,
}

/// Rows of another table that go along.
#[derive(Debug, Clone, Copy)]
struct Along {
    /// As many as were shown.
    most: i64,
    /// So many went.
    done: i64,
}

/// What a step over rows was planned to do.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRows<'a> {
    /// Whose orphans.
    pub reference: &'a ReferenceTable,
    /// What is done to them.
    pub action: Action,
    /// The step's number in its run.
    pub number: i64,
    /// As many rows as were permitted.
    pub ceiling: i64,
    /// Rows of other tables that go along.
    pub takes: &'a [Cascaded],
    /// Rows among them for which a unique key has no room, and which are deleted.
    pub surplus: i64,
}

impl RowsStep {
    /// Gets a step ready: looks at the table and chooses the way through it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ready(
        connection: &mut PgConnection,
        fence: &Fence,
        target: &Target,
        known: &Arc<ResolvedSchema>,
        planned: PlannedRows<'_>,
    ) -> Result<Self, DatabaseError> {
        let PlannedRows { reference, action, number, ceiling, takes, surplus } = planned;
        let mut transaction = connection.begin().await?;
        prepare(&mut transaction, fence.statement_timeout).await?;
        let mut touched = vec![ObjectRef::clone(&reference.object)];
        touched.extend(takes.iter().map(|one| one.object.clone()));
        let theirs =
            foreign::require(&mut transaction, fence.user_table, &target.references, touched).await?;
        let dependents = cascades::resolve(&mut transaction, reference, takes).await?;
        let room = if surplus > 0 {
            let (_, version) = server::of(&mut transaction).await?;
            let keys = unique_keys::unique_keys(&mut transaction, reference, version).await?;
            UniqueKeys::of(reference, keys)
        } else {
            None
        };
        let ground = scan::survey(&mut transaction, reference, ceiling, (&fence.run, number)).await?;
        let swift =
            bulk_delete::possible(&mut transaction, reference, action, ground.way, &dependents).await?;
        transaction.rollback().await?;
        let all = match ground.way {
            ScanMethod::Blocks { all, .. } => all,
            ScanMethod::Keys => 1,
        };
        let blocks = scan::blocks_for(FIRST_CHUNK, ceiling, all, FIRST_BLOCKS);
        Ok(Self {
            admin: target.admin.clone(),
            known: Arc::clone(known),
            reference: Arc::new(reference.clone()),
            action,
            number,
            ground,
            dependents,
            along: takes.iter().map(|one| Along { most: one.rows, done: 0 }).collect(),
            rows: FIRST_CHUNK,
            blocks_at_most: FIRST_BLOCKS,
            blocks,
            rounds: 1,
            swift,
            theirs,
            room,
            surplus,
            removed: 0,
        })
    }

    /// Sets how many blocks the next chunk looks at, from what this one found.
    fn widen(&mut self, found: i64, standing: &StepProgress, passed: Option<&String>) {
        self.blocks = if found > 0 {
            let in_blocks = scan::blocks_between(standing.passed_tid.as_ref(), passed);
            scan::blocks_for(self.rows, found, in_blocks, self.blocks_at_most)
        } else {
            self.blocks.saturating_mul(2).min(self.blocks_at_most)
        };
    }

    /// Sets the size of the next chunk, from how long the last one took and how long it should.
    pub fn pace(&mut self, took: Duration, aim: Duration) {
        self.rows = paced(self.rows, took, aim).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        self.blocks_at_most = paced(self.blocks_at_most, took, aim).clamp(SMALLEST_BLOCKS, LARGEST_BLOCKS);
        self.blocks = self.blocks.min(self.blocks_at_most);
    }
}

/// Writes down which keys a step over rows is about: later keys are another plan's.
///
/// # Errors
/// The digest of the keys is not the plan's any more.
pub(in crate::engine::postgres) async fn list_keys(
    connection: &mut PgConnection,
    fence: &Fence,
    known: &ResolvedSchema,
    step: &Step,
    number: i64,
) -> Result<(), DatabaseError> {
    let Step::Rows { reference, digest, .. } = step else { return Ok(()) };
    let Some(table) = known.references.iter().find(|table| *table.object == *reference) else {
        return Err(DatabaseError::PlanStale(format!("{} is not there any more", reference.describe())));
    };
    // No index is trusted with what is about to be changed.
    let now = search::confirmed(connection, table, (&fence.run, number)).await?;
    if now.digest != *digest {
        return Err(DatabaseError::PlanStale(format!(
            "the rows of {} that name nobody are others than the plan says: nothing was changed",
            reference.describe()
        )));
    }
    Ok(())
}

/// What was done in a transaction that is not committed yet.
struct Done {
    /// Rows that were changed or removed.
    rows: i64,
    /// Of them, rows that were removed since a unique key had no room for them.
    removed: i64,
    /// Whether anything was written to the app's tables.
    wrote: bool,
    /// What the walk has passed.
    passed: Cursor,
    /// Whether the walk is at its end.
    ended: bool,
    /// What went along with the rows, by dependent.
    along: Vec<Victims>,
    /// What was written to our own schema.
    own: Own,
    /// What is to be written down of the copies.
    notes: Vec<Note>,
}

/// Repairs one chunk.
///
/// # Errors
/// The run was overtaken, the admin is not fit to be given rows, the database refuses the change, or it
/// would go further than the plan says.
pub async fn repair_chunk(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &mut RowsStep,
) -> Result<ChunkDone, DatabaseError> {
    let (mut transaction, mut standing) = fence::enter_step(&mut *connection, fence, step.number).await?;
    if standing.left <= 0 {
        return Ok(ChunkDone { rows: 0, moved: false, more: false });
    }
    let mut copies = copies(&mut transaction, step).await?;
    let mut before = guard::counts(&mut transaction, fence).await?;
    let mut swift = None;
    if step.swift {
        swift = swiftly(&mut transaction, fence, step, &standing, &copies.own).await?;
        if swift.is_none() {
            transaction.rollback().await?;
            step.swift = false;
            (transaction, standing) = fence::enter_step(connection, fence, step.number).await?;
            copies = self::copies(&mut transaction, step).await?;
            before = guard::counts(&mut transaction, fence).await?;
        }
    }
    let connection = &mut *transaction;
    let Done { rows, removed, wrote, mut passed, ended, along, mut own, notes } = match swift {
        Some(done) => done,
        None => lock_by_lock(connection, fence, step, &standing, &copies).await?,
    };
    let left = standing.left - rows;
    let mut more = !ended && left > 0;
    if ended && left > 0 && step.rounds < ROUNDS {
        // Rows that moved behind the walk while it was under way.
        if scan::any_left(connection, fence, step.number, &step.reference).await? {
            step.rounds += 1;
            passed = Cursor::default();
            more = true;
        }
    }
    let moved = passed.tid != standing.passed_tid || passed.key != standing.passed_key;
    pass_on(connection, fence, step, &passed, &notes).await?;
    if wrote {
        // A deferred constraint speaks up now and not at COMMIT, where it would undo the audit too.
        run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        for (dependent, victims) in step.dependents.iter().zip(&along) {
            dependent.went(connection, victims, step.theirs).await?;
        }
        let mut expected: Vec<Expected> = along.iter().map(|one| one.expected.clone()).collect();
        let (updated, deleted) =
            if step.action == Action::Delete { (0, rows) } else { (rows - removed, removed) };
        expected.push(Expected { tables: step.ground.tables.clone(), updated, deleted, inserted: 0 });
        own.steps += 1;
        guard::compare(connection, fence, &before, guard::Rows::only(&expected, step.theirs), &own).await?;
    }
    transaction.commit().await?;
    step.removed += removed;
    for (along, Victims { expected: went, .. }) in step.along.iter_mut().zip(&along) {
        along.done += went.updated + went.deleted;
    }
    Ok(ChunkDone { rows, moved, more })
}

/// Where the copies of a step are kept.
struct Copies {
    /// Of its own rows.
    own: Quarantine,
    /// Of those that go along, by dependent.
    along: Vec<Quarantine>,
}

/// Makes them before anything of the app's runs: what is created after that is not ours.
async fn copies(connection: &mut PgConnection, step: &RowsStep) -> Result<Copies, DatabaseError> {
    let own = quarantine::table(connection, &step.reference.child).await?;
    let mut along = Vec::with_capacity(step.dependents.len());
    for dependent in &step.dependents {
        along.push(quarantine::table(connection, dependent.table()).await?);
    }
    Ok(Copies { own, along })
}

/// Removes the rows of the next stretch without locking them first. `None`: that was not to be.
async fn swiftly(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &mut RowsStep,
    standing: &StepProgress,
    quarantine: &Quarantine,
) -> Result<Option<Done>, DatabaseError> {
    let ScanMethod::Blocks { last, .. } = step.ground.way else { return Ok(None) };
    let batch = Batch {
        step: step.number,
        chunk: standing.chunk + 1,
        action: step.action,
        quarantine,
        columns: None,
    };
    let stretch = BlockRange::next(standing, last, step.blocks);
    let removed =
        bulk_delete::attempt(connection, fence, &step.reference, &batch, standing, &stretch).await?;
    Ok(removed.map(|removed| {
        step.widen(removed.rows, standing, Some(&removed.passed));
        Done {
            rows: removed.rows,
            removed: 0,
            wrote: removed.rows > 0,
            passed: Cursor { tid: Some(removed.passed), key: None },
            ended: removed.ended,
            along: Vec::new(),
            own: Own { steps: 1, ..Own::kept(removed.rows) },
            notes: removed.note.into_iter().collect(),
        }
    }))
}

/// Locks the next rows, looks at them again, and repairs those that are still orphans.
async fn lock_by_lock(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &mut RowsStep,
    standing: &StepProgress,
    copies: &Copies,
) -> Result<Done, DatabaseError> {
    let reference = &*Arc::clone(&step.reference);
    let heir = match step.action {
        Action::Reassign => Some(heir(connection, step).await?),
        _ => None,
    };
    let stride = BatchSize { rows: standing.left.min(step.rows), blocks: step.blocks };
    let locked =
        scan::lock(connection, fence, step.number, reference, step.ground.way, standing, stride).await?;
    step.widen(locked.rows, standing, locked.passed.tid.as_ref());
    let mut done = Done {
        rows: 0,
        removed: 0,
        wrote: locked.rows > 0,
        passed: locked.passed.clone(),
        ended: locked.ended,
        along: Vec::new(),
        own: Own::default(),
        notes: Vec::new(),
    };
    if locked.rows == 0 {
        return Ok(done);
    }
    let (number, chunk, action) = (step.number, standing.chunk + 1, step.action);
    for (dependent, quarantine) in step.dependents.iter().zip(&copies.along) {
        let at = (number, chunk);
        let victims = dependent.keep(connection, fence, reference, &locked, quarantine, at).await?;
        done.own += victims.own;
        done.notes.extend(victims.note.clone());
        done.along.push(victims);
    }
    for ((Victims { expected: going, .. }, along), dependent) in
        done.along.iter().zip(&step.along).zip(&step.dependents)
    {
        if along.done + going.updated + going.deleted > along.most {
            return Err(DatabaseError::PlanStale(format!(
                "more rows of {} would go along than the {} that the plan says: nothing of this chunk was done",
                dependent.object().describe(),
                along.most
            )));
        }
    }
    let batch = Batch { step: number, chunk, action, quarantine: &copies.own, columns: None };
    let which = heir.as_deref().map_or(Which::All, Which::GivenTo);
    if let (Some(room), Some(heir)) = (&step.room, heir.as_deref()) {
        let (batch, which) = (Batch { action: Action::Delete, ..batch }, Which::SurplusTo(room, heir));
        let counts =
            change::repair(connection, fence, reference, &batch, &locked, &which, step.theirs).await?;
        counts.agree(reference)?;
        done.removed = counts.changed;
        done.own += Own { steps: 1, ..Own::kept(counts.changed) };
        done.notes.extend(counts.note);
        if step.removed + done.removed > step.surplus {
            return Err(DatabaseError::PlanStale(format!(
                "more rows of {} would collide in a unique key than the {} that the plan says: nothing of this chunk was done",
                reference.object.describe(),
                step.surplus
            )));
        }
    }
    let counts = change::repair(connection, fence, reference, &batch, &locked, &which, step.theirs).await?;
    counts.agree(reference)?;
    done.rows = done.removed + counts.changed;
    done.own += Own { steps: 1, ..Own::kept(counts.changed) };
    done.notes.extend(counts.note);
    Ok(done)
}

/// Writes down how far the walk has got, and what the copies hold.
async fn pass_on(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &RowsStep,
    passed: &Cursor,
    notes: &[Note],
) -> Result<(), DatabaseError> {
    let mut sql = Sql::new("");
    if !notes.is_empty() {
        sql.add("WITH n AS (");
        noting(&mut sql, notes);
        sql.add(") ");
    }
    sql.add("UPDATE auth_consistency.steps SET passed_tid = ");
    sql.text_or_null(passed.tid.clone()).add(", passed_key = ").text_or_null(passed.key.clone());
    sql.add(" WHERE run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND step OPERATOR(pg_catalog.=) ").integer(step.number);
    sql.execute(connection).await?;
    Ok(())
}

/// The values of the admin that a reference names, proved to be of one active account, and locked so
/// that it survives the chunk.
async fn heir(connection: &mut PgConnection, step: &RowsStep) -> Result<Vec<String>, DatabaseError> {
    let (Some(admin), Some(login)) = (&step.admin, &step.known.login) else {
        return Err(DatabaseError::PlanStale("the spec names no admin any more".into()));
    };
    let mut sql = Sql::new("SELECT ");
    for (at, column) in step.reference.parent_columns.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("p", &column.name).add("::pg_catalog.text");
    }
    sql.add(" FROM ").only(&step.known.users.relation).add(" p WHERE ");
    step.known.is_account(&mut sql, "p", login, admin);
    for (column, condition) in &step.known.active_when {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    sql.add(" FOR SHARE");
    let rows = sql.all(connection).await?;
    let [row] = rows.as_slice() else {
        return Err(DatabaseError::PlanStale(format!(
            "there are {} active accounts with the admin's login, and one is needed to be given rows",
            rows.len()
        )));
    };
    (0..step.reference.parent_columns.len())
        .map(|at| {
            row.try_get::<Option<String>, _>(at)?.ok_or_else(|| {
                DatabaseError::PlanStale(format!(
                    "the admin has no {}, which {} names",
                    step.reference.parent_columns[at].name.as_str(),
                    step.reference.object.describe()
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let paced = |took| paced(1_000, Duration::from_millis(took), Duration::from_millis(100));
        assert_eq!(paced(10), 2_000);
        assert_eq!(paced(100), 1_000);
        assert_eq!(paced(500), 500);
    }
}
