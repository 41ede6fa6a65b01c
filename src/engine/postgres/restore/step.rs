//! Puts the rows of one step back.

use crate::{
    api::report::{Action, ObjectRef},
    engine::postgres::{
        catalog::Column,
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
            quarantine::{self, Quarantine},
        },
        repair::guard::{self, beyond::Own},
        restore::{
            Restored,
            inventory::with_batches,
            keys_are_secret,
            lineage::{self, Lineage, Member},
            past::{Done, Past},
            row,
            today::{Today, today},
            undo::Pair,
        },
        rowset::exchange,
        session::error::DatabaseError,
        sql::{self, Sql},
    },
};

use std::collections::BTreeMap;

use futures::{FutureExt as _, future::BoxFuture};
use sqlx::{PgConnection, Row};

/// How many rows that stayed are named.
const NAMED: usize = 5;

/// A source table, and a step with what it did to it.
pub(super) type Place = (String, String);
pub(super) type StepOf = (Place, i64, &'static str);

/// What became of rows that several steps of the run had changed: each goes back whole, with the last of
/// those steps, or stays whole.
#[derive(Default)]
pub(super) struct Rows {
    /// Which copies are of one row.
    lineages: BTreeMap<Place, Lineage>,
    /// Why such a row stays, by the last of its copies.
    stayed: BTreeMap<(Place, usize, String), String>,
    /// How many went back with a later step.
    back: BTreeMap<StepOf, i64>,
    /// What such rows are called that went back with an earlier step, after all.
    pub late: Vec<(StepOf, String)>,
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

/// Rows that changed places, with all that later steps had changed of them.
struct Crossed<'c> {
    rows: &'c [&'c Wanted],
    pairs: &'c [Pair],
    key: &'c [Column],
}

impl exchange::Later for Crossed<'_> {
    fn put_back<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        copies: &'a [String],
        own: &'a mut Own,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            for one in self.rows.iter().filter(|one| copies.contains(&one.copy)) {
                row::put_back_later(connection, self.pairs, self.key, &one.members, own).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// Puts the rows of one step back, in a transaction of its own.
///
/// # Errors
/// The database fails as a whole.
pub(super) async fn restore_step(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &Past,
    step: &Done,
    rows: &mut Rows,
) -> Result<Restored, DatabaseError> {
    let today = today(connection, fence, step).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    let mut undoing = Undoing::new(fence, run, step, &today, rows);
    if !undoing.rows.lineages.contains_key(&undoing.place) {
        let lineage = lineage(connection, run, &today.pairs, &today.key).await?;
        undoing.rows.lineages.insert(undoing.place.clone(), lineage);
    }
    if matches!(step.action, Action::Correct | Action::Reset)
        && let Some(source) = &today.source
    {
        // What an account holds until then is kept there: made before anything of the app's runs.
        quarantine::table(connection, source).await?;
    }
    let before = guard::counts(connection, fence).await?;
    for at in 0..today.pairs.len() {
        undoing.copies_of(connection, at).await?;
    }
    undoing.audit(connection).await?;
    sql::run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    if let Some(source) = &today.source {
        guard::compare(connection, fence, &before, guard::Rows::Any(source), &undoing.own).await?;
    }
    let outcome = undoing.outcome;
    transaction.commit().await?;
    Ok(outcome)
}

/// One step that is undone: what it goes by, and what came of it so far.
struct Undoing<'a> {
    fence: &'a Fence,
    run: &'a Past,
    step: &'a Done,
    today: &'a Today,
    rows: &'a mut Rows,
    place: Place,
    /// What is told of it.
    outcome: Restored,
    /// What was written to our own schema.
    own: Own,
    /// What the audit is to tell, by step.
    done: BTreeMap<StepOf, (ObjectRef, i64)>,
}

impl<'a> Undoing<'a> {
    fn new(fence: &'a Fence, run: &'a Past, step: &'a Done, today: &'a Today, rows: &'a mut Rows) -> Self {
        let place = (step.object.schema.clone(), step.object.table.clone());
        let of = (place.clone(), step.number, step.action.as_str());
        let again = rows.back.remove(&of).unwrap_or(0);
        let outcome = Restored {
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
        let (own, done) = (Own::default(), BTreeMap::new());
        Self { fence, run, step, today, rows, place, outcome, own, done }
    }

    /// Puts the step's rows of one quarantine table back, and notes which stay.
    async fn copies_of(&mut self, connection: &mut PgConnection, at: usize) -> Result<(), DatabaseError> {
        let Today { pairs, key, .. } = self.today;
        let lineage = self.rows.lineages.get(&self.place).cloned().unwrap_or_default();
        let mut stayed = Vec::new();
        for wanted in wanted(connection, self.run, self.step, (pairs, at), key, &lineage).await? {
            let Some(why) = self.one(connection, at, &wanted).await? else { continue };
            if let (Some(last), true) = (self.last_of(&wanted), wanted.members.len() > 1) {
                self.rows.stayed.insert(last, why.clone());
            }
            stayed.push((wanted, why));
        }
        self.crossed(connection, at, &mut stayed).await?;
        self.outcome.blocked += i64::try_from(stayed.len()).unwrap_or(i64::MAX);
        let again = stayed.iter().filter(|(one, _)| one.last().is_some_and(|last| last.copy != one.copy));
        self.outcome.blocked_again += i64::try_from(again.count()).unwrap_or(i64::MAX);
        let room = NAMED.saturating_sub(self.outcome.sample.len());
        self.outcome.sample.extend(stayed.into_iter().take(room).map(|(one, why)| (one.name, why)));
        Ok(())
    }

    /// The last of a row's copies, as [`Rows::stayed`] has it.
    fn last_of(&self, wanted: &Wanted) -> Option<(Place, usize, String)> {
        wanted.last().map(|last| (self.place.clone(), last.table, last.copy.clone()))
    }

    /// Puts one row back; else says why it stays.
    async fn one(
        &mut self,
        connection: &mut PgConnection,
        at: usize,
        wanted: &Wanted,
    ) -> Result<Option<String>, DatabaseError> {
        let Today { pairs, key, gone, .. } = self.today;
        // The last of its steps came first, and said of the whole row why it stays.
        if let Some(last) = self.last_of(wanted)
            && (last.1, &last.2) != (at, &wanted.copy)
        {
            let why = self.rows.stayed.get(&last).cloned();
            return Ok(Some(why.unwrap_or_else(|| row::CHANGED_SINCE.into())));
        }
        let lacks = || row::lacks(pairs.get(at)?, self.step.action);
        if let Some(why) = gone.clone().or_else(lacks) {
            return Ok(Some(why));
        }
        match row::put_back(connection, self.fence, pairs, key, &wanted.members, &mut self.own).await? {
            Ok(kept) => {
                self.outcome.keep(self.fence, kept);
                self.went_back(wanted);
                Ok(None)
            }
            Err(why) if why == row::CHANGED_SINCE => {
                let past = (&self.run.whose, self.run.run.as_str());
                let why = row::changed_by(connection, past.0, past.1, pairs, key, &wanted.members).await?;
                Ok(Some(why))
            }
            Err(why) => Ok(Some(why)),
        }
    }

    /// Counts a row that went back, and notes what the audit is to tell of it.
    fn went_back(&mut self, wanted: &Wanted) {
        self.outcome.rows += 1;
        let of = (self.place.clone(), self.step.number, self.step.action.as_str());
        let others = self.rows.went_back(&self.place, self.step.number, wanted);
        for (of, object) in std::iter::once((of, self.step.object.clone())).chain(others) {
            self.done.entry(of).or_insert((object, 0)).1 += 1;
        }
    }

    /// Puts those of the rows that stayed back that changed places, and are only in one another's way.
    async fn crossed(
        &mut self,
        connection: &mut PgConnection,
        at: usize,
        stayed: &mut Vec<(Wanted, String)>,
    ) -> Result<(), DatabaseError> {
        let Today { pairs, key, .. } = self.today;
        let (Action::Remap, [column], Some(pair)) =
            (self.step.action, self.step.object.columns.as_slice(), pairs.get(at))
        else {
            return Ok(());
        };
        let Some(column) = pair.source.column(column) else { return Ok(()) };
        let crossed: Vec<&Wanted> = stayed
            .iter()
            .filter(|(wanted, why)| why == row::PLACE_TAKEN && !wanted.members.iter().any(Member::moves_id))
            .map(|(wanted, _)| wanted)
            .collect();
        let copies: Vec<String> = crossed.iter().map(|one| one.copy.clone()).collect();
        let later = Crossed { rows: &crossed, pairs, key };
        let table = (&pair.quarantine.relation, &pair.source);
        let back = exchange::put_back(connection, table, key, column, &copies, &later, &mut self.own).await?;
        for one in crossed.iter().filter(|one| back.contains(&one.copy)) {
            self.went_back(one);
        }
        stayed.retain(|(one, _)| !back.contains(&one.copy));
        Ok(())
    }

    /// Writes down what went back, of this step and of those that had changed the same rows.
    async fn audit(&mut self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        for ((_, step, _), (object, rows)) in &self.done {
            let entry =
                Entry { step: *step, chunk: 1, action: Action::Restore, object, rows: *rows, token: None };
            audit::audit(connection, self.fence, &entry).await?;
            self.own.audit += 1;
        }
        Ok(())
    }
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
