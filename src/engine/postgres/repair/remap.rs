//! Remap: gives rows of one reference back to the people whom the old ids named.
//!
//! All rows of a reference move in one transaction, and each is looked up once in one mapping: 1 may
//! become 2 and 2 become 1, and nobody ever sees a row that is half way. In chunks of their own
//! transactions, rows that have moved would look like rows that have not.

use crate::{
    api::report::{Action, ObjectRef},
    domain::{
        identities::mapping::{Pair, correspond},
        target::Target,
    },
    engine::postgres::{
        catalog::{
            Column,
            keys::UniqueIndex,
            mapping::{Mapped, Mapping},
            reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
            progress::count_done,
            quarantine::{self, Copies},
        },
        observe::{foreign, identities},
        repair::{guard::beyond::Own, rows::change},
        rowset::{people, remap_rows::moving, unique_keys as room},
        search,
        session::{error::DatabaseError, server, transaction::prepare},
        sql::{Sql, run},
        sql_keys,
    },
};

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, PgConnection, Row};

use super::guard::{self, Expected};

/// Rows that one statement copies or changes.
const ROWS_AT_ONCE: usize = 5_000;

/// Which rows are given back, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Remapping<'a> {
    /// The reference.
    pub reference: &'a ObjectRef,
    /// The plan's digest of old and new ids.
    pub digest: &'a str,
    /// No more rows than this change.
    pub ceiling: i64,
    /// No more of them than this are removed since a unique key has no room for them.
    pub surplus: i64,
}

/// A row that moves: its primary key, and the old id that it names.
struct Moving {
    key: Vec<String>,
    old: String,
}

/// Gives the rows back and returns how many there were.
///
/// # Errors
/// People, ids or rows are others than in the plan, or the database refuses the change; then nothing was
/// changed.
pub async fn remap(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &ResolvedSchema,
    remapping: &Remapping<'_>,
) -> Result<i64, DatabaseError> {
    let object = remapping.reference;
    let moved = |what: &str| {
        DatabaseError::PlanStale(format!("{what} of {}: nothing was changed", object.describe()))
    };
    let gone = || moved("the plan is not there any more for the rows");
    let table = known.references.iter().find(|table| *table.object == *object).ok_or_else(gone)?;
    let mapping = known.identities.as_ref().ok_or_else(gone)?;
    let mapped = mapping.references.iter().find(|mapped| mapped.object == *object).ok_or_else(gone)?;
    if mapped.digest != remapping.digest {
        return Err(moved("other ids than the plan says would be exchanged for rows"));
    }
    let keys = unique_keys(connection, fence, table).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    let theirs =
        foreign::require(connection, fence.user_table, &target.references, vec![object.clone()]).await?;
    // Made before anything of the app's runs: what is created after that is not ours.
    quarantine::table(connection, &table.child).await?;
    let before = guard::counts(connection, fence).await?;
    hold_people(connection, known, mapped).await?;
    same_people(connection, target, known, mapping, mapped).await?;
    let key: Vec<Column> =
        table.primary_key.iter().filter_map(|name| table.child.column(name)).cloned().collect();
    let locked = lock(connection, table, mapped, &key, remapping.ceiling).await?;
    if i64::try_from(locked.len()).unwrap_or(i64::MAX) > remapping.ceiling {
        return Err(moved(&format!("there are more than {} rows now", remapping.ceiling)));
    }
    let distinct: BTreeSet<&[String]> = locked.iter().map(|one| one.key.as_slice()).collect();
    if distinct.len() != locked.len() {
        return Err(moved("two old ids are one to the database, in rows"));
    }
    let mut locked = locked;
    let removed = identities::keys_of_surplus(connection, table, mapped, &keys, &key).await?;
    remove(connection, fence, number, table, &key, &removed, remapping).await?;
    let removed = removed.into_iter().collect::<BTreeSet<_>>();
    locked.retain(|one| !removed.contains(&one.key));
    let removed = i64::try_from(removed.len()).unwrap_or(i64::MAX);
    let mut still = Vec::with_capacity(locked.len());
    let mut own = Own::copied(removed, batches_of(removed));
    for (some, chunk) in locked.chunks(ROWS_AT_ONCE).zip(1..) {
        let piece = Piece { table, mapped: narrowed(mapped, some), key: &key, object };
        let copied = piece.copy(connection, fence, number, chunk, some).await?;
        own += Own::copied(length(&copied), i64::from(!copied.is_empty()));
        still.extend(copied);
    }
    let rows = i64::try_from(still.len()).unwrap_or(i64::MAX);
    let shifted = shifted(mapped, &still);
    if rows + removed > 0 {
        let wanted = identities::keys_of_wanted(connection, table, mapped, &keys, &key).await?;
        let wanted: BTreeSet<Vec<String>> = wanted.into_iter().collect();
        let (exchanged, still): (Vec<Moving>, Vec<Moving>) =
            still.into_iter().partition(|one| wanted.contains(&one.key));
        if !exchanged.is_empty() {
            let keys: Vec<Vec<String>> = exchanged.iter().map(|one| one.key.clone()).collect();
            let narrow = narrowed(mapped, &exchanged);
            let came = identities::put_in_again(connection, table, &narrow, &key, &keys).await?;
            same(object, came, length(&exchanged), "put in again as they were")?;
        }
        for some in still.chunks(ROWS_AT_ONCE) {
            let piece = Piece { table, mapped: narrowed(mapped, some), key: &key, object };
            piece.change(connection, some).await?;
        }
        // Nobody has counted the copies yet, and the planner would take them for one row.
        run(connection, "SET LOCAL enable_nestloop = off").await?;
        let noted = note_new_keys(connection, fence, number, table, mapped).await?;
        same(object, noted, rows, "copied")?;
        let (held, unchanged) = right(connection, fence, number, table, &key).await?;
        same(object, held, rows, "left as they were changed")?;
        if theirs && unchanged != rows {
            return Err(change::writes_more(rows - unchanged, &object.describe()));
        }
        // A deferred constraint speaks up now and not at COMMIT, where it would undo the audit too.
        run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        let tables = guard::storage(connection, &table.child).await?;
        let inserted = length(&exchanged);
        let expected = Expected { tables, updated: rows - inserted, deleted: removed + inserted, inserted };
        own.noted = rows;
        guard::compare(connection, fence, &before, guard::Rows::only(&[expected], theirs), &own).await?;
        let entry = Entry { step: number, chunk: 1, action: Action::Remap, object, rows, token: None };
        audit::audit(connection, fence, &entry).await?;
        if removed > 0 {
            let entry = Entry { action: Action::Delete, rows: removed, ..entry };
            audit::audit(connection, fence, &entry).await?;
        }
        count_done(connection, fence, number, rows + removed).await?;
        identities::remember(connection, fence, number, object, &mapping.list, shifted).await?;
    }
    transaction.commit().await?;
    Ok(rows + removed)
}

/// The unique keys of the table, looked up while nothing of the app's own is in the search path.
async fn unique_keys(
    connection: &mut PgConnection,
    fence: &Fence,
    table: &ReferenceTable,
) -> Result<Vec<UniqueIndex>, DatabaseError> {
    let mut transaction = connection.begin().await?;
    prepare(&mut transaction, fence.statement_timeout).await?;
    let (_, version) = server::of(&mut transaction).await?;
    let keys = room::unique_keys(&mut transaction, table, version).await?;
    transaction.rollback().await?;
    Ok(keys)
}

/// Copies and deletes rows that would come to be equal to others in a unique key.
async fn remove(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    table: &ReferenceTable,
    key: &[Column],
    removed: &[Vec<String>],
    remapping: &Remapping<'_>,
) -> Result<(), DatabaseError> {
    if i64::try_from(removed.len()).unwrap_or(i64::MAX) > remapping.surplus {
        return Err(DatabaseError::PlanStale(format!(
            "more rows of {} would collide in a unique key than the {} that the plan says: nothing was changed",
            remapping.reference.describe(),
            remapping.surplus
        )));
    }
    for (some, chunk) in removed.chunks(ROWS_AT_ONCE).zip(1..) {
        let child = &table.child;
        let copies = Copies {
            step: number,
            chunk,
            action: Action::Delete,
            source: child,
            key_columns: key,
            keys: some,
            new_key: None,
            columns: None,
        };
        quarantine::copy(connection, fence, &copies).await?;
        let mut sql = Sql::new("DELETE FROM ");
        sql.only(&child.relation).add(" AS c USING ");
        sql_keys::keyed(&mut sql, key, some);
        sql.add(" WHERE ");
        sql_keys::is_keyed(&mut sql, "c", key);
        let deleted = sql.execute(connection).await?;
        same(remapping.reference, deleted, i64::try_from(some.len()).unwrap_or(i64::MAX), "deleted")?;
    }
    Ok(())
}

/// Locks the accounts that are given rows, so that they survive it.
async fn hold_people(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    mapped: &Mapped,
) -> Result<(), DatabaseError> {
    let ids: BTreeSet<&String> = mapped.used.iter().filter_map(|pair| pair.new.as_ref()).collect();
    let Some(equality) = &known.id.equality else {
        return Err(DatabaseError::Unsupported("ids of this type cannot be compared".into()));
    };
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name).add("::pg_catalog.text FROM ").only(&known.users.relation);
    sql.add(" p JOIN pg_catalog.unnest(").texts(ids.iter().map(|id| Some((*id).clone())).collect());
    sql.add(") AS n(id) ON ").column("p", &known.id.name).operator(equality);
    sql.add("CAST(n.id AS ").type_name(&known.id.type_name).add(") ORDER BY n.id FOR SHARE OF p");
    let held = sql.every(connection).await?.len();
    if held != ids.len() {
        return Err(DatabaseError::PlanStale(format!(
            "{held} accounts are there to be given rows, and the plan names {}: nothing was changed",
            ids.len()
        )));
    }
    Ok(())
}

/// Looks in a new statement, with the accounts held, whether the people are still those of the plan.
async fn same_people(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    mapping: &Mapping,
    mapped: &Mapped,
) -> Result<(), DatabaseError> {
    let changed = |why: &str| {
        DatabaseError::PlanStale(format!(
            "the identities are not the plan's any more ({why}): nothing was changed"
        ))
    };
    if target.references.identities.is_none() {
        return Err(changed("the spec names none"));
    }
    let people = people::people(connection, known, &mapping.source).await?.map_err(|why| changed(&why))?;
    let today = people::today(connection, known, &mapping.source).await?.map_err(|why| changed(&why))?;
    let pairs = correspond(known.id.kind(), &people, &today);
    let now: BTreeMap<&str, &Pair> = pairs.iter().map(|pair| (pair.old.as_str(), pair)).collect();
    if let Some(other) = mapped.used.iter().find(|pair| now.get(pair.old.as_str()) != Some(pair)) {
        return Err(changed(&format!("who is meant by the old id {} has changed", other.old)));
    }
    Ok(())
}

/// Locks the rows in key order; one more than allowed where there are so many.
async fn lock(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    mapped: &Mapped,
    key: &[Column],
    ceiling: i64,
) -> Result<Vec<Moving>, DatabaseError> {
    let mut sql = selected(key);
    moving(&mut sql, table, mapped);
    sql.add(" ORDER BY ");
    for (at, column) in key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
    }
    sql.add(" LIMIT ").integer(ceiling.saturating_add(1)).add(" FOR UPDATE OF c");
    // That somebody names nobody is believed no index before the first change.
    run(connection, search::WITHOUT_INDEXES).await?;
    let rows = sql.every(connection).await?;
    run(connection, search::WITH_INDEXES).await?;
    read(rows, key.len())
}

/// In how many batches so many rows are removed.
fn batches_of(rows: i64) -> i64 {
    let at_once = i64::try_from(ROWS_AT_ONCE).unwrap_or(i64::MAX);
    (rows + at_once - 1) / at_once
}

fn length(rows: &[Moving]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// How many of the rows name somebody else than the person whom they belong to.
fn shifted(mapped: &Mapped, rows: &[Moving]) -> i64 {
    let shifted: BTreeSet<&str> =
        mapped.used.iter().filter(|pair| pair.shifted).map(|pair| pair.old.as_str()).collect();
    let shifted = rows.iter().filter(|row| shifted.contains(row.old.as_str())).count();
    i64::try_from(shifted).unwrap_or(i64::MAX)
}

fn selected(key: &[Column]) -> Sql {
    let mut sql = Sql::new("SELECT m.old_id");
    for column in key {
        sql.add(", ").column("c", &column.name).add("::pg_catalog.text");
    }
    sql
}

fn read(rows: Vec<sqlx::postgres::PgRow>, width: usize) -> Result<Vec<Moving>, DatabaseError> {
    rows.iter()
        .map(|row| {
            let key = (1..=width).map(|at| row.try_get(at)).collect::<Result<_, sqlx::Error>>()?;
            Ok(Moving { key, old: row.try_get(0)? })
        })
        .collect()
}

/// The pairs that some rows need.
fn narrowed(mapped: &Mapped, rows: &[Moving]) -> Mapped {
    let named: BTreeSet<&str> = rows.iter().map(|row| row.old.as_str()).collect();
    let used = mapped.used.iter().filter(|pair| named.contains(pair.old.as_str())).cloned().collect();
    Mapped { used, ..mapped.clone() }
}

/// Some of the rows, with the pairs that they need.
struct Piece<'a> {
    table: &'a ReferenceTable,
    mapped: Mapped,
    key: &'a [Column],
    object: &'a ObjectRef,
}

impl Piece<'_> {
    /// Looks at the locked rows again, and copies those that are still to move to quarantine. Returns them.
    async fn copy(
        &self,
        connection: &mut PgConnection,
        fence: &Fence,
        number: i64,
        chunk: i64,
        locked: &[Moving],
    ) -> Result<Vec<Moving>, DatabaseError> {
        let keys: Vec<Vec<String>> = locked.iter().map(|one| one.key.clone()).collect();
        let mut sql = selected(self.key);
        moving(&mut sql, self.table, &self.mapped);
        sql.add(" JOIN ");
        sql_keys::keyed(&mut sql, self.key, &keys);
        sql.add(" ON ");
        sql_keys::is_keyed(&mut sql, "c", self.key);
        let still = read(sql.every(connection).await?, self.key.len())?;
        let keys: Vec<Vec<String>> = still.iter().map(|one| one.key.clone()).collect();
        if !keys.is_empty() {
            let copies = Copies {
                step: number,
                chunk,
                action: Action::Remap,
                source: &self.table.child,
                key_columns: self.key,
                keys: &keys,
                new_key: None,
                columns: None,
            };
            quarantine::copy(connection, fence, &copies).await?;
        }
        Ok(still)
    }

    /// Gives rows back where they are.
    async fn change(&self, connection: &mut PgConnection, rows: &[Moving]) -> Result<(), DatabaseError> {
        let Some(column) = self.table.columns.first() else { return Ok(()) };
        let keys: Vec<Vec<String>> = rows.iter().map(|one| one.key.clone()).collect();
        let mut sql = Sql::new("UPDATE ");
        sql.only(&self.table.child.relation).add(" AS c SET ").name(&column.name);
        sql.add(" = CAST(m.new_id AS ").type_name(&column.type_name).add(") FROM ");
        sql_keys::keyed(&mut sql, self.key, &keys);
        sql.add(", ");
        identities::paired(&mut sql, self.table, &self.mapped);
        sql.add(" AND ");
        sql_keys::is_keyed(&mut sql, "c", self.key);
        same(self.object, sql.execute(connection).await?, length(rows), "changed")
    }
}

/// Writes beside each copy what its row got, so that it can be put back from there.
async fn note_new_keys(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    table: &ReferenceTable,
    mapped: &Mapped,
) -> Result<i64, DatabaseError> {
    let Some(column) = table.columns.first() else { return Ok(0) };
    let mut noted = 0;
    for relation in identities::quarantines(connection, &table.object).await? {
        let mut sql = Sql::new("UPDATE ");
        sql.relation(&relation).add(" AS c SET _ac_new_key = CAST(m.new_id AS ");
        sql.type_name(&column.declared_type).add(")::pg_catalog.text FROM ");
        identities::paired(&mut sql, table, mapped);
        of_step(&mut sql, fence, number);
        noted += sql.execute(connection).await?;
    }
    Ok(noted)
}

/// Rows that hold what was written, in a statement after those that wrote it; and those of them whose other columns are
/// as they were.
async fn right(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    table: &ReferenceTable,
    key: &[Column],
) -> Result<(i64, i64), DatabaseError> {
    let Some(column) = table.columns.first() else { return Ok((0, 0)) };
    let (mut right, mut unchanged) = (0, 0);
    let written = |one: &&Column| one.name == column.name;
    for relation in identities::quarantines(connection, &table.object).await? {
        let mut sql = Sql::new("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE ");
        change::columns_but(&mut sql, "r", &table.child.columns, written);
        sql.add(" OPERATOR(pg_catalog.=) ");
        change::columns_but(&mut sql, "c", &table.child.columns, written);
        sql.add(") FROM ").only(&table.child.relation).add(" r JOIN ").relation(&relation).add(" c ON ");
        sql.column("r", &column.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) c._ac_new_key");
        for part in key.iter().filter(|part| part.name != column.name) {
            sql.add(" AND ").column("r", &part.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) ");
            sql.column("c", &part.name).add("::pg_catalog.text");
        }
        sql.add(" WHERE true");
        of_step(&mut sql, fence, number);
        let row = sql.one(connection).await?;
        right += row.try_get::<i64, _>(0)?;
        unchanged += row.try_get::<i64, _>(1)?;
    }
    Ok((right, unchanged))
}

fn same(object: &ObjectRef, rows: i64, meant: i64, done: &str) -> Result<(), DatabaseError> {
    if rows == meant {
        return Ok(());
    }
    Err(DatabaseError::PlanStale(format!(
        "{rows} rows of {} would have been {done}, and {meant} were meant: nothing was changed (a trigger may keep them back)",
        object.describe()
    )))
}

/// Adds the condition that the copy `c` is of this step.
fn of_step(sql: &mut Sql, fence: &Fence, number: i64) {
    sql.add(" AND c._ac_batch OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.batch FROM auth_consistency.batches b WHERE b.run OPERATOR(pg_catalog.=) ");
    sql.text(&fence.run)
        .add(" AND b.step OPERATOR(pg_catalog.=) ")
        .integer(number)
        .add(" AND b.action OPERATOR(pg_catalog.=) 'Remap'))");
}
