//! Puts rows back from quarantine, equal column by column, where today's constraints allow.
//!
//! A deleted row is inserted again under its own key; a reassigned or nulled reference gets its old
//! value back, but only where it still holds what the repair wrote. A row that still names nobody
//! cannot go back under an enforced foreign key: it stays, counted and named. So does one that a trigger of
//! the app would make another row than it was.

pub(in crate::engine::postgres) mod export;
pub(in crate::engine::postgres) mod inventory;
pub(in crate::engine::postgres) mod lineage;
mod newer;
mod past;
pub(in crate::engine::postgres) mod purge;
mod repeats;
mod row;
pub(super) mod runs;
mod today;
mod undo;
pub(in crate::engine::postgres) mod verify;

use crate::{
    api::report::{Action, ObjectRef},
    domain::facts::{credentials, key_kind::KeyKind},
    engine::postgres::{
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
            integrity,
            quarantine::{self, Quarantine},
        },
        repair::guard::{self, beyond::Own},
        restore::{
            inventory::with_batches,
            lineage::{Lineage, Member},
            undo::Pair,
        },
        rowset::{exchange, session_keys},
        session::error::DatabaseError,
        sql::{self, Sql},
    },
};

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use past::{Done, Past, along, removed_rows, steps};
pub use repeats::repeats;
pub use runs::runs;
use today::{Today, today};

use super::catalog::{Column, Table};

/// How many rows that stayed are named.
const NAMED: usize = 5;

/// What came of one table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Table and columns.
    pub object: ObjectRef,
    /// What the repair had done.
    pub action: Action,
    /// Rows that are as they were.
    pub rows: i64,
    /// Rows that stayed in quarantine.
    pub blocked: i64,
    /// At most five of them: key and why.
    pub sample: Vec<(String, String)>,
    /// Of the rows that are as they were, those that another step of the run had changed too, and that are
    /// counted there.
    pub again: i64,
    /// The same of those that stayed.
    pub blocked_again: i64,
    /// Of the rows that are as they were, those of an account that somebody had changed since.
    pub newer: i64,
    /// The run under which is kept what accounts held until they were put back.
    pub kept_under: Option<String>,
    /// Whether the next repair would do the same to them.
    pub repeats: bool,
}

impl Restored {
    /// What an account held was copied, if it was.
    fn keep(&mut self, fence: &Fence, kept: Option<newer::Kept>) {
        let Some(kept) = kept else { return };
        self.newer += i64::from(kept.changed_since);
        self.kept_under = Some(fence.run.clone());
    }
}

/// Whether a table's keys may be something to sign in with, so that no row of it is named.
fn keys_are_secret(source: &Table, key: &[Column]) -> bool {
    let columns: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
    credentials::recognise(source.relation.name.as_str(), &columns).is_some()
        && key.iter().any(|column| column.kind() != KeyKind::Integer)
}

/// Puts the rows of one run back. `fence` is of a run of its own, so that nothing repairs meanwhile.
///
/// # Errors
/// The run is not this target's, or the database fails as a whole.
pub async fn restore(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    identity: Option<&str>,
) -> Result<Vec<Restored>, DatabaseError> {
    let run = &Past::of(fence, run, identity)?;
    let steps = steps(connection, run).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let done: Vec<(i64, Action)> = steps.iter().map(|step| (step.number, step.action)).collect();
    integrity::require(&mut transaction, &run.whose, &run.run, &done).await?;
    transaction.rollback().await?;
    let mut restored = Vec::new();
    let mut rows = Rows::default();
    for step in steps.into_iter().rev() {
        if let Action::Remap
        | Action::SetNull
        | Action::Reassign
        | Action::Delete
        | Action::EndSessions
        | Action::Correct
        | Action::Reset = step.action
        {
            let removed = removed_rows(connection, run, &step).await?;
            // Sessions that were rows come back as deleted rows do.
            let how = Done {
                number: step.number,
                action: if removed { Action::Delete } else { step.action },
                object: step.object.clone(),
            };
            let mut back = restore_step(connection, fence, run, &how, &mut rows).await?;
            if removed {
                // A key may be what somebody is signed in with.
                back.sample.iter_mut().for_each(|(name, _)| *name = "a session".into());
            }
            restored.push((step.number, back));
            if step.action == Action::EndSessions {
                session_keys::restored(connection, &run.whose, &run.run, step.number).await?;
            }
            if let Action::Remap | Action::Reassign = step.action {
                // What gave way in a unique key was removed.
                let step = Done { action: Action::Delete, object: step.object.clone(), ..step };
                let gave_way = restore_step(connection, fence, run, &step, &mut rows).await?;
                if gave_way.rows + gave_way.blocked > 0 {
                    restored.push((step.number, gave_way));
                }
            }
            if step.action == Action::Delete {
                // What went along comes back after the rows that it depends on.
                for along in along(connection, run, &step).await? {
                    let back = restore_step(connection, fence, run, &along, &mut rows).await?;
                    restored.push((step.number, back));
                }
            }
        } else if step.action == Action::MoveId {
            let told = Restored {
                object: step.object,
                action: step.action,
                rows: 0,
                blocked: 1,
                sample: vec![(
                    "the id".into(),
                    "an id is moved back by setting the account's id in the spec to the old one".into(),
                )],
                again: 0,
                blocked_again: 0,
                newer: 0,
                kept_under: None,
                repeats: false,
            };
            restored.push((step.number, told));
        }
    }
    for ((place, step, action), name) in rows.late {
        let told = restored.iter_mut().find(|(number, one)| {
            let table = (&one.object.schema, &one.object.table);
            (*number, one.action.as_str(), table) == (step, action, (&place.0, &place.1))
        });
        if let Some((_, told)) = told {
            told.rows += 1;
            told.again += 1;
            told.blocked -= 1;
            told.sample.retain(|(one, _)| *one != name);
        }
    }
    Ok(restored.into_iter().map(|(_, one)| one).collect())
}

/// A source table, and a step with what it did to it.
type Place = (String, String);
type StepOf = (Place, i64, &'static str);

/// What became of rows that several steps of the run had changed: each goes back whole, with the last of
/// those steps, or stays whole.
#[derive(Default)]
struct Rows {
    /// Which copies are of one row.
    lineages: BTreeMap<Place, Lineage>,
    /// Why such a row stays, by the last of its copies.
    stayed: BTreeMap<(Place, usize, String), String>,
    /// How many went back with a later step.
    back: BTreeMap<StepOf, i64>,
    /// What such rows are called that went back with an earlier step, after all.
    late: Vec<(StepOf, String)>,
}

impl Rows {
    /// A row went back in a step: its others count it too. Returns what the audit is to tell of those.
    fn went_back(&mut self, place: &Place, step: i64, row: &Wanted) -> Vec<(StepOf, ObjectRef)> {
        let mut others = Vec::new();
        for member in row.members.iter().filter(|member| member.step != step && !member.moves_id()) {
            let of = (place.clone(), member.step, member.action.as_str());
            if member.step < step {
                *self.back.entry(of.clone()).or_default() += 1;
            } else {
                self.late.push((of.clone(), row.name.clone()));
            }
            let object = ObjectRef {
                schema: place.0.clone(),
                table: place.1.clone(),
                columns: member.columns.clone(),
                constraint: None,
            };
            others.push((of, object));
        }
        others
    }
}

/// A copy that is to go back: its place, what the row is called, and all copies of the row that go back with
/// it, first to last.
struct Wanted {
    copy: String,
    name: String,
    members: Vec<Member>,
}

impl Wanted {
    /// The last of its copies that a step is undone by; an id that was moved is none.
    fn last(&self) -> Option<&Member> {
        self.members.iter().rev().find(|one| !one.moves_id())
    }
}

async fn restore_step(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &Past,
    step: &Done,
    rows: &mut Rows,
) -> Result<Restored, DatabaseError> {
    let place = (step.object.schema.clone(), step.object.table.clone());
    let of = (place.clone(), step.number, step.action.as_str());
    let again = rows.back.remove(&of).unwrap_or(0);
    let mut outcome = Restored {
        object: step.object.clone(),
        action: step.action,
        rows: again,
        blocked: 0,
        sample: Vec::new(),
        again,
        blocked_again: 0,
        newer: 0,
        kept_under: None,
        repeats: false,
    };
    let Today { source, pairs, key, gone } = today(connection, fence, step).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    if !rows.lineages.contains_key(&place) {
        let lineage = lineage(connection, run, &pairs, &key).await?;
        rows.lineages.insert(place.clone(), lineage);
    }
    let lineage = rows.lineages.get(&place).cloned().unwrap_or_default();
    if matches!(step.action, Action::Correct | Action::Reset)
        && let Some(source) = &source
    {
        // What an account holds until then is kept there: made before anything of the app's runs.
        quarantine::table(connection, source).await?;
    }
    let before = guard::counts(connection, fence).await?;
    let mut own = Own::default();
    let mut done: BTreeMap<StepOf, (ObjectRef, i64)> = BTreeMap::new();
    let mut tell = |of: StepOf, object: ObjectRef| done.entry(of).or_insert((object, 0)).1 += 1;
    for (at, pair) in pairs.iter().enumerate() {
        let mut stayed = Vec::new();
        for wanted in wanted(connection, run, step, (&pairs, at), &key, &lineage).await? {
            // The last of its steps came first, and said of the whole row why it stays.
            let last = wanted.last().map(|last| (place.clone(), last.table, last.copy.clone()));
            let why = if last.as_ref().is_some_and(|(_, table, copy)| (*table, copy) != (at, &wanted.copy)) {
                last.as_ref().and_then(|last| rows.stayed.get(last).cloned())
            } else if let Some(why) = gone.clone().or_else(|| row::lacks(pair, step.action)) {
                Some(why)
            } else {
                match row::put_back(connection, fence, &pairs, &key, &wanted.members, &mut own).await? {
                    Ok(kept) => {
                        outcome.rows += 1;
                        outcome.keep(fence, kept);
                        tell(of.clone(), step.object.clone());
                        rows.went_back(&place, step.number, &wanted)
                            .into_iter()
                            .for_each(|(of, object)| tell(of, object));
                        continue;
                    }
                    Err(why) if why == row::CHANGED_SINCE => Some(
                        row::changed_by(connection, &run.whose, &run.run, &pairs, &key, &wanted.members)
                            .await?,
                    ),
                    Err(why) => Some(why),
                }
            };
            let why = why.unwrap_or_else(|| row::CHANGED_SINCE.into());
            if let (Some(last), true) = (last, wanted.members.len() > 1) {
                rows.stayed.insert(last, why.clone());
            }
            stayed.push((wanted, why));
        }
        if let (Action::Remap, [column]) = (step.action, step.object.columns.as_slice())
            && let Some(column) = pair.source.column(column)
        {
            // Rows that changed places are in one another's way.
            let crossed: Vec<&Wanted> = stayed
                .iter()
                .filter(|(wanted, why)| {
                    why == row::PLACE_TAKEN && !wanted.members.iter().any(Member::moves_id)
                })
                .map(|(wanted, _)| wanted)
                .collect();
            let copies: Vec<String> = crossed.iter().map(|one| one.copy.clone()).collect();
            let later = async |connection: &mut PgConnection, copies: &[String], own: &mut Own| {
                for one in crossed.iter().filter(|one| copies.contains(&one.copy)) {
                    row::put_back_later(connection, &pairs, &key, &one.members, own).await?;
                }
                Ok(())
            };
            let table = (&pair.quarantine.relation, &pair.source);
            let back = exchange::put_back(connection, table, &key, column, &copies, later, &mut own).await?;
            for one in crossed.iter().filter(|one| back.contains(&one.copy)) {
                outcome.rows += 1;
                tell(of.clone(), step.object.clone());
                rows.went_back(&place, step.number, one)
                    .into_iter()
                    .for_each(|(of, object)| tell(of, object));
            }
            stayed.retain(|(one, _)| !back.contains(&one.copy));
        }
        outcome.blocked += i64::try_from(stayed.len()).unwrap_or(i64::MAX);
        let again = stayed.iter().filter(|(one, _)| one.last().is_some_and(|last| last.copy != one.copy));
        outcome.blocked_again += i64::try_from(again.count()).unwrap_or(i64::MAX);
        let room = NAMED.saturating_sub(outcome.sample.len());
        outcome.sample.extend(stayed.into_iter().take(room).map(|(one, why)| (one.name, why)));
    }
    for ((_, step, _), (object, rows)) in &done {
        let entry =
            Entry { step: *step, chunk: 1, action: Action::Restore, object, rows: *rows, token: None };
        audit::audit(connection, fence, &entry).await?;
        own.audit += 1;
    }
    sql::run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    if let Some(source) = &source {
        guard::compare(connection, fence, &before, guard::Rows::Any(source), &own).await?;
    }
    transaction.commit().await?;
    Ok(outcome)
}

/// Which copies of a run are of one row.
async fn lineage(
    connection: &mut PgConnection,
    run: &Past,
    pairs: &[Pair],
    key: &[Column],
) -> Result<Lineage, DatabaseError> {
    let there =
        pairs.iter().all(|pair| key.iter().all(|one| pair.copies.column(one.name.as_str()).is_some()));
    let tables: Vec<Quarantine> = pairs.iter().map(|pair| pair.quarantine.clone()).collect();
    let (key, which) = (if there { key } else { &[] }, lineage::Of::RunAndMoves);
    Ok(lineage::of_run(connection, &run.whose, &run.run, &tables, key, which).await?)
}

/// The copies of a step in one quarantine table that are not back.
async fn wanted(
    connection: &mut PgConnection,
    run: &Past,
    step: &Done,
    (pairs, at): (&[Pair], usize),
    key: &[Column],
    lineage: &Lineage,
) -> Result<Vec<Wanted>, DatabaseError> {
    let Some(pair) = pairs.get(at) else { return Ok(Vec::new()) };
    let mut sql = Sql::new("SELECT q.ctid::pg_catalog.text, pg_catalog.left(");
    // What the key is called today the copies need not have.
    let known = key.iter().all(|column| pair.copies.column(column.name.as_str()).is_some());
    let key = if known { key } else { &[] };
    key_text(&mut sql, key);
    sql.add(", 200) FROM ");
    with_batches(&mut sql, &pair.quarantine);
    lineage::is_of_run(&mut sql, &run.whose, &run.run);
    sql.add(" AND b.step OPERATOR(pg_catalog.=) ").integer(step.number);
    sql.add(" AND b.action OPERATOR(pg_catalog.=) ").text(step.action.as_str());
    // Nobody else writes to the copies while the fence is held, so a row stays where it is.
    sql.add(" AND q._ac_restored_at IS NULL ORDER BY b.batch, q.ctid");
    let mut wanted = Vec::new();
    for row in sql.every(connection).await? {
        let (copy, mut name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if key.is_empty() || keys_are_secret(&pair.source, key) {
            name = "a row".into();
        }
        let mut members: Vec<Member> = lineage.of(at, &copy).unwrap_or_default().to_vec();
        members.retain(|one| one.undone && !one.restored);
        if members.is_empty() {
            members.push(Member {
                table: at,
                copy: copy.clone(),
                step: step.number,
                action: step.action,
                columns: if step.action == Action::Delete { Vec::new() } else { step.object.columns.clone() },
                restored: false,
                now: Vec::new(),
                undone: true,
                whole: true,
            });
        }
        wanted.push(Wanted { copy, name, members });
    }
    Ok(wanted)
}

fn key_text(sql: &mut Sql, key: &[Column]) {
    sql.add("pg_catalog.concat_ws(', ', NULL");
    for column in key {
        sql.add(", ").column("q", &column.name).add("::pg_catalog.text");
    }
    sql.add(")");
}
