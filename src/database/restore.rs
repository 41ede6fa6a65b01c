//! Puts rows back from quarantine, equal column by column, where today's constraints allow.
//!
//! A deleted row is inserted again under its own key; a reassigned or nulled reference gets its old
//! value back, but only where it still holds what the repair wrote. A row that still names nobody
//! cannot go back under an enforced foreign key: it stays, counted and named. So does one that a trigger of
//! the app would make another row than it was.

mod runs;

use sqlx::{Connection, PgConnection, Row};

pub use runs::{Run, runs};

use super::{
    bookkeeping::{self, Entry},
    catalog::{self, Column, Found, Table},
    error::DatabaseError,
    exchange,
    fence::{self, Fence},
    identifier::Sql,
    likeness::{self, Pair, Place},
    quarantine::Quarantine,
    sessions,
    transaction::{prepare, tentatively},
};
use crate::{
    api::report::{Action, ObjectRef},
    consistency::{credentials, observation::KeyKind},
};

/// How many rows that stayed are named.
const NAMED: usize = 5;

/// Why a row stays whose place another one has.
const PLACE_TAKEN: &str = "a row with its key is there already";

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
            let mut back = restore_step(connection, fence, run, &how).await?;
            if removed {
                // A key may be what somebody is signed in with.
                back.sample.iter_mut().for_each(|(name, _)| *name = "a session".into());
            }
            restored.push(back);
            if step.action == Action::EndSessions {
                sessions::restored(connection, fence, run, step.number).await?;
            }
            if let Action::Remap | Action::Reassign = step.action {
                // What gave way in a unique key was removed.
                let step = Done { action: Action::Delete, object: step.object.clone(), ..step };
                let gave_way = restore_step(connection, fence, run, &step).await?;
                if gave_way.rows + gave_way.blocked > 0 {
                    restored.push(gave_way);
                }
            }
            if step.action == Action::Delete {
                // What went along comes back after the rows that it depends on.
                for along in along(connection, fence, run, &step).await? {
                    restored.push(restore_step(connection, fence, run, &along).await?);
                }
            }
        } else if step.action == Action::MoveId {
            restored.push(Restored {
                object: step.object,
                action: step.action,
                rows: 0,
                blocked: 1,
                sample: vec![(
                    "the id".into(),
                    "an id is moved back by setting the account's id in the spec to the old one".into(),
                )],
            });
        }
    }
    Ok(restored)
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

async fn restore_step(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    step: &Done,
) -> Result<Restored, DatabaseError> {
    let mut outcome = Restored {
        object: step.object.clone(),
        action: step.action,
        rows: 0,
        blocked: 0,
        sample: Vec::new(),
    };
    let (pairs, key) = pairs(connection, fence, step).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    for pair in &pairs {
        let mut sql = Sql::new("SELECT q.ctid::pg_catalog.text, pg_catalog.left(");
        key_text(&mut sql, &key);
        sql.add(", 200) FROM ").relation(&pair.quarantine.relation);
        sql.add(" q JOIN auth_consistency.batches b ON b.batch OPERATOR(pg_catalog.=) q._ac_batch");
        sql.add(" WHERE b.run OPERATOR(pg_catalog.=) ");
        sql.text(run).add(" AND b.step OPERATOR(pg_catalog.=) ").integer(step.number);
        sql.add(" AND b.action OPERATOR(pg_catalog.=) ").text(step.action.as_str());
        sql.add(" AND b.system_identifier OPERATOR(pg_catalog.=) ").text(&fence.identity.system);
        sql.add(" AND b.database_oid OPERATOR(pg_catalog.=) ").integer(fence.identity.database);
        // Nobody else writes to the copies while the fence is held, so a row stays where it is.
        sql.add(" AND q._ac_restored_at IS NULL ORDER BY b.batch, q.ctid");
        let mut stayed = Vec::new();
        for row in sql.all(connection).await? {
            let (copy, mut name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if key.is_empty() || keys_are_secret(&pair.source, &key) {
                name = "a row".into();
            }
            match put_back(connection, pair, &key, step, &copy).await? {
                Ok(()) => outcome.rows += 1,
                Err(why) => stayed.push((copy, name, why)),
            }
        }
        if let (Action::Remap, [column]) = (step.action, step.object.columns.as_slice())
            && let Some(column) = pair.source.column(column)
        {
            // Rows that changed places are in one another's way.
            let copies: Vec<String> = stayed
                .iter()
                .filter(|(_, _, why)| why == PLACE_TAKEN)
                .map(|(copy, ..)| copy.clone())
                .collect();
            let Pair { quarantine, source, .. } = pair;
            let back =
                exchange::put_back(connection, &quarantine.relation, source, &key, column, &copies).await?;
            outcome.rows += i64::try_from(back.len()).unwrap_or(i64::MAX);
            stayed.retain(|(copy, ..)| !back.contains(copy));
        }
        outcome.blocked += i64::try_from(stayed.len()).unwrap_or(i64::MAX);
        let room = NAMED.saturating_sub(outcome.sample.len());
        outcome.sample.extend(stayed.into_iter().take(room).map(|(_, name, why)| (name, why)));
    }
    if outcome.rows > 0 {
        let entry = Entry {
            step: step.number,
            chunk: 1,
            action: Action::Restore,
            object: &step.object,
            rows: outcome.rows,
            token: None,
        };
        bookkeeping::audit(connection, fence, &entry).await?;
    }
    transaction.commit().await?;
    Ok(outcome)
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

/// Puts one row back. The inner error says why it stays.
async fn put_back(
    connection: &mut PgConnection,
    pair: &Pair,
    key: &[Column],
    step: &Done,
    copy: &str,
) -> Result<Result<(), String>, DatabaseError> {
    if key.is_empty() && step.action != Action::Delete {
        return Ok(Err("the table has no primary key, so the row cannot be named".into()));
    }
    let changed = &step.object.columns;
    let result = tentatively(connection, async |connection: &mut PgConnection| {
        let mut before = None;
        let mut sql = if step.action == Action::Delete {
            insert(pair, copy)
        } else {
            // Only what the repair was about: the rest of the row may be newer.
            if pair.watched() {
                let mut sql = Sql::new("SELECT ");
                pair.digests(&mut sql, changed);
                sql.add(" FROM ").only(&pair.source.relation).add(" c, ");
                sql.relation(&pair.quarantine.relation).add(" q WHERE ");
                is_row_of_copy(&mut sql, pair, key, changed, step.action, copy);
                sql.add(" FOR UPDATE OF c");
                if let Some(row) = sql.optional(connection).await? {
                    before = Some(row.try_get(0)?);
                }
            }
            update(pair, key, changed, step.action, copy)
        };
        Place::returning(&mut sql, if step.action == Action::Delete { "r" } else { "c" });
        let rows = sql.all(connection).await?;
        let [row] = rows.as_slice() else {
            return Ok(Err(match rows.len() {
                0 if step.action == Action::Delete => "a trigger or rule of the app keeps it away".into(),
                0 => "the row was changed or removed since".into(),
                _ => "more than one row would have been put back for one copy".into(),
            }));
        };
        let place = Place::of(row)?;
        // A deferred constraint must speak up for this row and not for the whole run.
        super::identifier::run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        if let Some(why) =
            likeness::unlike(connection, pair, &place, step.action, changed, before, copy).await?
        {
            return Ok(Err(why));
        }
        let mut sql = Sql::new("UPDATE ");
        sql.relation(&pair.quarantine.relation);
        sql.add(" AS q SET _ac_restored_at = pg_catalog.clock_timestamp() WHERE ");
        is_copy(&mut sql, copy);
        sql.execute(connection).await?;
        Ok(Ok(()))
    })
    .await?;
    Ok(result.map_err(|why| match why {
        why if why.contains("(SQLSTATE 23503)") => "it still names a user that does not exist".into(),
        why if why.contains("(SQLSTATE 23505)") => PLACE_TAKEN.into(),
        why => why,
    }))
}

/// Adds the condition that `q` is this copy.
fn is_copy(sql: &mut Sql, copy: &str) {
    sql.add("q.ctid OPERATOR(pg_catalog.=) CAST(").text(copy).add(" AS pg_catalog.tid)");
}

fn insert(pair: &Pair, copy: &str) -> Sql {
    let columns = || pair.source.columns.iter().filter(|column| !column.generated);
    let mut sql = Sql::new("INSERT INTO ");
    sql.relation(&pair.source.relation).add(" AS r (");
    for (at, column) in columns().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name);
    }
    sql.add(if columns().any(|column| column.identity_always) {
        ") OVERRIDING SYSTEM VALUE SELECT "
    } else {
        ") SELECT "
    });
    for (at, column) in columns().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("q", &column.name);
    }
    sql.add(" FROM ").relation(&pair.quarantine.relation).add(" q WHERE ");
    is_copy(&mut sql, copy);
    sql
}

fn update(pair: &Pair, key: &[Column], columns: &[String], action: Action, copy: &str) -> Sql {
    let mut sql = Sql::new("UPDATE ");
    sql.only(&pair.source.relation).add(" AS c SET ");
    for (at, column) in columns.iter().filter_map(|name| pair.source.column(name)).enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" = ").column("q", &column.name);
    }
    sql.add(" FROM ").relation(&pair.quarantine.relation).add(" q WHERE ");
    is_row_of_copy(&mut sql, pair, key, columns, action, copy);
    sql
}

/// Adds the condition that the row `c` is the one that the copy `q` is of, and still holds what the repair
/// wrote.
fn is_row_of_copy(
    sql: &mut Sql,
    pair: &Pair,
    key: &[Column],
    columns: &[String],
    action: Action,
    copy: &str,
) {
    let columns: Vec<&Column> = columns.iter().filter_map(|name| pair.source.column(name)).collect();
    is_copy(sql, copy);
    for column in key {
        // Where the key holds the reference itself, the row has the key that the repair gave it, which
        // the condition below says.
        if matches!(action, Action::Reassign | Action::Remap)
            && columns.iter().any(|changed| changed.name == column.name)
        {
            continue;
        }
        sql.add(" AND ").column("c", &column.name);
        match &column.equality {
            // The type may have changed since; the index on it is of use all the same.
            Some(equality) => {
                sql.operator(equality).add("CAST(").column("q", &column.name);
                sql.add("::pg_catalog.text AS ").type_name(&column.type_name).add(")");
            }
            None => {
                sql.add("::pg_catalog.text OPERATOR(pg_catalog.=) ").column("q", &column.name);
                sql.add("::pg_catalog.text");
            }
        }
    }
    match action {
        Action::SetNull => {
            // Of several columns some may have been left as they were.
            for column in &columns {
                sql.add(" AND (").column("c", &column.name).add(" IS NULL OR ");
                sql.column("c", &column.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) ");
                sql.column("q", &column.name).add("::pg_catalog.text)");
            }
        }
        // What the app has set since says more than what was there before.
        Action::EndSessions => {
            for column in &columns {
                sql.add(" AND ");
                sessions::holds_what_was_set(sql, column);
            }
        }
        Action::Reassign | Action::Remap => {
            sql.add(" AND ");
            if let [column] = columns.as_slice() {
                sql.column("c", &column.name);
            } else {
                sql.add("ROW(");
                for (at, column) in columns.iter().enumerate() {
                    sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
                }
                sql.add(")");
            }
            sql.add("::pg_catalog.text OPERATOR(pg_catalog.=) q._ac_new_key");
        }
        _ => {}
    }
}
