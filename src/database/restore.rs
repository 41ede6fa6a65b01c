//! Puts rows back from quarantine, equal column by column, where today's constraints allow.
//!
//! A deleted row is inserted again under its own key; a reassigned or nulled reference gets its old
//! value back, but only where it still holds what the repair wrote. A row that still names nobody
//! cannot go back under an enforced foreign key: it stays, counted and named. So does one that a trigger of
//! the app would make another row than it was.

mod row;
mod runs;

use std::collections::BTreeMap;

use sqlx::{Connection, PgConnection, Row};

pub(super) use row::Undo;
pub use runs::{Run, runs};

use super::{
    bookkeeping::{self, Entry},
    catalog::{self, Column, Found, Table},
    error::DatabaseError,
    exchange,
    fence::{self, Fence},
    identifier::Sql,
    kept::with_batches,
    likeness::{self, Pair},
    lineage::{self, Lineage, Member},
    quarantine::Quarantine,
    sessions,
    transaction::prepare,
};
use crate::{
    api::report::{Action, ObjectRef},
    consistency::{credentials, observation::KeyKind, sql_name::sql_table},
};

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
}

/// One step of a run as it was written down.
struct Done {
    number: i64,
    action: Action,
    object: ObjectRef,
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
) -> Result<Vec<Restored>, DatabaseError> {
    let steps = steps(connection, fence, run).await?;
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
                sessions::restored(connection, fence, run, step.number).await?;
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
                for along in along(connection, fence, run, &step).await? {
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

async fn steps(connection: &mut PgConnection, fence: &Fence, run: &str) -> Result<Vec<Done>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT s.step, s.action, s.schema_name, s.table_name, s.column_names, s.constraint_name \
         FROM auth_consistency.steps s JOIN auth_consistency.runs r ON r.run OPERATOR(pg_catalog.=) s.run \
         WHERE r.system_identifier OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.identity.system).add(" AND r.database_oid OPERATOR(pg_catalog.=) ");
    sql.integer(fence.identity.database).add(" AND r.owner OPERATOR(pg_catalog.=) ").text(&fence.owner);
    sql.add(" AND r.run OPERATOR(pg_catalog.=) ").text(run).add(" ORDER BY s.step");
    let rows = sql.all(connection).await?;
    if rows.is_empty() {
        return Err(DatabaseError::Moved(format!(
            "there is no run {run:?} of this resource in this database: `auth-consistency restore` without --run lists them"
        )));
    }
    let mut steps = Vec::new();
    for row in rows {
        let name: String = row.try_get(1)?;
        let Some(action) = bookkeeping::action(&name) else { continue };
        steps.push(Done {
            number: row.try_get(0)?,
            action,
            object: ObjectRef {
                schema: row.try_get(2)?,
                table: row.try_get(3)?,
                columns: row.try_get(4)?,
                constraint: row.try_get(5)?,
            },
        });
    }
    Ok(steps)
}

/// Whether a step that ended sessions did so by removing rows.
async fn removed_rows(connection: &mut PgConnection, run: &str, step: &Done) -> Result<bool, sqlx::Error> {
    if step.action != Action::EndSessions {
        return Ok(false);
    }
    let mut sql = Sql::new(
        "SELECT EXISTS (SELECT FROM auth_consistency.batches WHERE action OPERATOR(pg_catalog.=) 'Delete' AND run OPERATOR(pg_catalog.=) ",
    );
    sql.text(run).add(" AND step OPERATOR(pg_catalog.=) ").integer(step.number).add(")");
    sql.scalar(connection).await
}

/// What a foreign key of the app took along with a step's rows.
async fn along(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    step: &Done,
) -> Result<Vec<Done>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT DISTINCT q.schema_name, q.table_name, b.action, b.column_names FROM auth_consistency.batches b \
         JOIN auth_consistency.quarantine q ON q.name OPERATOR(pg_catalog.=) b.name WHERE b.run OPERATOR(pg_catalog.=) ",
    );
    sql.text(run).add(" AND b.step OPERATOR(pg_catalog.=) ").integer(step.number);
    sql.add(" AND b.system_identifier OPERATOR(pg_catalog.=) ").text(&fence.identity.system);
    sql.add(" AND b.database_oid OPERATOR(pg_catalog.=) ").integer(fence.identity.database);
    sql.add(" AND NOT (q.schema_name OPERATOR(pg_catalog.=) ").text(&step.object.schema);
    sql.add(" AND q.table_name OPERATOR(pg_catalog.=) ").text(&step.object.table).add(") ORDER BY 1, 2");
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let name: String = row.try_get(2)?;
        let Some(action) = bookkeeping::action(&name) else { continue };
        found.push(Done {
            number: step.number,
            action,
            object: ObjectRef {
                schema: row.try_get(0)?,
                table: row.try_get(1)?,
                columns: row.try_get::<Option<Vec<String>>, _>(3)?.unwrap_or_default(),
                constraint: None,
            },
        });
    }
    Ok(found)
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
        for member in row.members.iter().filter(|member| member.step != step) {
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

async fn restore_step(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
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
    };
    let (pairs, key) = pairs(connection, fence, step).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    if !rows.lineages.contains_key(&place) {
        let lineage = lineage(connection, fence, run, &pairs, &key).await?;
        rows.lineages.insert(place.clone(), lineage);
    }
    let lineage = rows.lineages.get(&place).cloned().unwrap_or_default();
    let mut done: BTreeMap<StepOf, (ObjectRef, i64)> = BTreeMap::new();
    let mut tell = |of: StepOf, object: ObjectRef| done.entry(of).or_insert((object, 0)).1 += 1;
    for (at, pair) in pairs.iter().enumerate() {
        let mut stayed = Vec::new();
        for wanted in wanted(connection, fence, run, step, (&pairs, at), &key, &lineage).await? {
            // The last of its steps came first, and said of the whole row why it stays.
            let last = wanted.members.last().map(|last| (place.clone(), last.table, last.copy.clone()));
            let why = if last.as_ref().is_some_and(|(_, table, copy)| (*table, copy) != (at, &wanted.copy)) {
                last.as_ref().and_then(|last| rows.stayed.get(last).cloned())
            } else if let Some(why) = lacks(pair, step.action) {
                Some(why)
            } else {
                match row::put_back(connection, &pairs, &key, &wanted.members).await? {
                    Ok(()) => {
                        outcome.rows += 1;
                        tell(of.clone(), step.object.clone());
                        rows.went_back(&place, step.number, &wanted)
                            .into_iter()
                            .for_each(|(of, object)| tell(of, object));
                        continue;
                    }
                    Err(why) if why == row::CHANGED_SINCE => {
                        Some(row::changed_by(connection, fence, run, &pairs, &key, &wanted.members).await?)
                    }
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
            let crossed: Vec<&Wanted> =
                stayed.iter().filter(|(_, why)| why == row::PLACE_TAKEN).map(|(wanted, _)| wanted).collect();
            let copies: Vec<String> = crossed.iter().map(|one| one.copy.clone()).collect();
            let later = async |connection: &mut PgConnection, copies: &[String]| {
                for one in crossed.iter().filter(|one| copies.contains(&one.copy)) {
                    row::put_back_later(connection, &pairs, &key, &one.members).await?;
                }
                Ok(())
            };
            let table = (&pair.quarantine.relation, &pair.source);
            let back = exchange::put_back(connection, table, &key, column, &copies, later).await?;
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
        let again =
            stayed.iter().filter(|(one, _)| one.members.last().is_some_and(|last| last.copy != one.copy));
        outcome.blocked_again += i64::try_from(again.count()).unwrap_or(i64::MAX);
        let room = NAMED.saturating_sub(outcome.sample.len());
        outcome.sample.extend(stayed.into_iter().take(room).map(|(one, why)| (one.name, why)));
    }
    for ((_, step, _), (object, rows)) in &done {
        let entry =
            Entry { step: *step, chunk: 1, action: Action::Restore, object, rows: *rows, token: None };
        bookkeeping::audit(connection, fence, &entry).await?;
    }
    transaction.commit().await?;
    Ok(outcome)
}

/// The right that the role lacks to put rows back.
fn lacks(pair: &Pair, action: Action) -> Option<String> {
    let rights = pair.source.rights;
    let (right, there) = match action {
        Action::Delete => ("INSERT into", rights.insert),
        // A right on the one column may do.
        _ => ("UPDATE", rights.update || action == Action::EndSessions),
    };
    let table = sql_table(pair.source.relation.schema.as_str(), pair.source.relation.name.as_str());
    (!there).then(|| {
        format!(
            "the role may not {right} {table}: run what `auth-consistency grants` prints, then restore again"
        )
    })
}

/// Which copies of a run are of one row.
async fn lineage(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    pairs: &[Pair],
    key: &[Column],
) -> Result<Lineage, DatabaseError> {
    let there =
        pairs.iter().all(|pair| key.iter().all(|one| pair.copies.column(one.name.as_str()).is_some()));
    let tables: Vec<Quarantine> = pairs.iter().map(|pair| pair.quarantine.clone()).collect();
    Ok(lineage::of_run(connection, fence, run, &tables, if there { key } else { &[] }).await?)
}

/// The copies of a step in one quarantine table that are not back.
async fn wanted(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    step: &Done,
    (pairs, at): (&[Pair], usize),
    key: &[Column],
    lineage: &Lineage,
) -> Result<Vec<Wanted>, DatabaseError> {
    let Some(pair) = pairs.get(at) else { return Ok(Vec::new()) };
    let mut sql = Sql::new("SELECT q.ctid::pg_catalog.text, pg_catalog.left(");
    key_text(&mut sql, key);
    sql.add(", 200) FROM ");
    with_batches(&mut sql, &pair.quarantine);
    lineage::is_of_run(&mut sql, fence, run);
    sql.add(" AND b.step OPERATOR(pg_catalog.=) ").integer(step.number);
    sql.add(" AND b.action OPERATOR(pg_catalog.=) ").text(step.action.as_str());
    // Nobody else writes to the copies while the fence is held, so a row stays where it is.
    sql.add(" AND q._ac_restored_at IS NULL ORDER BY b.batch, q.ctid");
    let mut wanted = Vec::new();
    for row in sql.all(connection).await? {
        let (copy, mut name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if key.is_empty() || keys_are_secret(&pair.source, key) {
            name = "a row".into();
        }
        let mut members: Vec<Member> = lineage.of(at, &copy).unwrap_or_default().to_vec();
        members.retain(|one| one.is_undone() && !one.restored);
        if members.is_empty() {
            members.push(Member {
                table: at,
                copy: copy.clone(),
                step: step.number,
                action: step.action,
                columns: if step.action == Action::Delete { Vec::new() } else { step.object.columns.clone() },
                restored: false,
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

/// The quarantine tables of a step's table, and its primary key. A column that was added since the copies
/// were made keeps its default.
async fn pairs(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &Done,
) -> Result<(Vec<Pair>, Vec<Column>), DatabaseError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    prepare(connection, fence.statement_timeout).await?;
    let object = &step.object;
    let Found::Table(source) = catalog::find_table(connection, &object.schema, &object.table).await? else {
        return Err(DatabaseError::Moved(format!("{} is no table any more", object.describe())));
    };
    let key = catalog::primary_key(connection, source.oid).await?;
    let key = key.iter().filter_map(|name| source.column(name)).cloned().collect();
    let triggers = likeness::triggers(connection, &source, step.action).await?;
    let mut sql = Sql::new("SELECT name FROM auth_consistency.quarantine WHERE schema_name = ");
    sql.text(&object.schema).add(" AND table_name = ").text(&object.table).add(" ORDER BY created_at, name");
    let mut pairs = Vec::new();
    for row in sql.all(connection).await? {
        let quarantine = Quarantine::named(row.try_get(0)?);
        let name = quarantine.relation.name.as_str();
        // Somebody may have dropped one by hand.
        let Found::Table(copies) = catalog::find_table(connection, "auth_consistency", name).await? else {
            continue;
        };
        let mut source = (*source).clone();
        source.columns.retain(|column| copies.column(column.name.as_str()).is_some());
        pairs.push(Pair { quarantine, source, copies: *copies, triggers: triggers.clone() });
    }
    transaction.rollback().await?;
    Ok((pairs, key))
}
