//! From when on a user's tokens count: whose must end, and the statement that ends them.
//!
//! A step sets one time for all of its chunks: that at which its run began, in whole seconds as `iat` has
//! it. What is set already, or later, is done, so that a run which was interrupted goes on where it
//! stopped, under its own approval or another one. With the last chunk the database remembers for what it was done: never twice.

mod past;

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::{
    bookkeeping::{self, Entry},
    catalog::Column,
    error::DatabaseError,
    fence::{self, Fence},
    guard::{self, Expected},
    identifier::{Sql, run},
    observe::Known,
    quarantine,
    references::holds,
    rows::{Chunk, paced},
    transaction::prepare,
};
use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
    },
    consistency::{
        correspondence::OldTokens,
        diagnosis::Step,
        sessions::{self, Changes, ColumnFacts, Due, SessionFacts, Shifted, TimeKind, Whom},
        target::Target,
    },
};

const FIRST_CHUNK: i64 = 1_000;
const LARGEST_CHUNK: i64 = 20_000;
const SMALLEST_CHUNK: i64 = 100;

/// Seconds since the epoch that are none: such numbers are milliseconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// The last second that a token can tell of; the end of time in a timestamp.
const LAST_SECOND: i64 = 253_402_207_200;

/// The column that the spec names, where it is there and holds a time.
pub(super) fn column<'k>(target: &Target, known: &'k Known) -> Option<(&'k Column, TimeKind)> {
    let name = target.sessions.as_ref()?.column.as_ref()?;
    let column = known.users.column(name).filter(|column| !column.generated)?;
    Some((column, TimeKind::of(&column.base_name)?))
}

/// Adds a time as the column holds it; `seconds` adds whole seconds since the epoch, as int8.
fn time(sql: &mut Sql, kind: TimeKind, seconds: impl FnOnce(&mut Sql)) {
    let (before, after) = match kind {
        TimeKind::Zoned => ("pg_catalog.to_timestamp((", ")::pg_catalog.float8)"),
        TimeKind::Utc => ("pg_catalog.timezone('UTC', pg_catalog.to_timestamp((", ")::pg_catalog.float8))"),
        TimeKind::Seconds32 => ("(", ")::pg_catalog.int4"),
        TimeKind::Seconds64 => ("(", ")"),
    };
    sql.add(before);
    seconds(sql);
    sql.add(after);
}

/// Adds the condition that the row holds exactly this time.
pub(super) fn is_time(sql: &mut Sql, alias: &'static str, column: &Column, seconds: impl FnOnce(&mut Sql)) {
    match TimeKind::of(&column.base_name) {
        Some(kind) => {
            sql.column(alias, &column.name).add(" OPERATOR(pg_catalog.=) ");
            time(sql, kind, seconds);
        }
        None => {
            sql.add("false");
        }
    }
}

/// Adds the condition that the row holds an earlier time, or none.
fn is_earlier(sql: &mut Sql, column: &Column, kind: TimeKind, seconds: i64) {
    sql.add("(").column("p", &column.name).add(" IS NULL OR ").column("p", &column.name);
    sql.add(" OPERATOR(pg_catalog.<) ");
    time(sql, kind, |sql| {
        sql.integer(seconds);
    });
    sql.add(")");
}

/// Adds what the row holds as whole seconds since the epoch, as an app compares it with `iat`.
pub(super) fn seconds(sql: &mut Sql, alias: &'static str, column: &Column, kind: TimeKind) {
    match kind {
        TimeKind::Zoned | TimeKind::Utc => {
            sql.add("CASE WHEN pg_catalog.isfinite(").column(alias, &column.name);
            sql.add(") THEN pg_catalog.floor(EXTRACT(epoch FROM ").column(alias, &column.name);
            sql.add("))::pg_catalog.int8 WHEN ").column(alias, &column.name);
            sql.add(" OPERATOR(pg_catalog.=) 'infinity' THEN ").integer(LAST_SECOND).add(" END");
        }
        TimeKind::Seconds32 | TimeKind::Seconds64 => {
            sql.column(alias, &column.name).add("::pg_catalog.int8");
        }
    }
}

/// Looks whose tokens outlive a change; inside the pass's snapshot. `None` where the spec does not ask.
///
/// # Errors
/// The database fails.
pub(super) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    fingerprint: Option<&str>,
) -> Result<Option<SessionFacts>, DatabaseError> {
    let Some(spec) = &target.sessions else { return Ok(None) };
    let mut facts = SessionFacts::default();
    if let Some(name) = &spec.column {
        facts.column = Some(look_at(connection, known, name).await?);
    }
    let mut changes = Changes {
        ended: past::ended(connection, target, known).await?,
        key: sessions::new_key(target, spec, fingerprint),
        ..Changes::default()
    };
    if sessions::tokens_name_ids(target) {
        changes.moves = past::moves(connection, target, known).await?;
        let perhaps = sessions::old_tokens(target, fingerprint) == OldTokens::Perhaps;
        changes.shifted = known.identities.as_ref().filter(|_| perhaps).map(|mapping| Shifted {
            list: mapping.list.clone(),
            ids: mapping.pairs.iter().filter(|pair| pair.shifted).map(|pair| pair.old.clone()).collect(),
        });
    }
    facts.list_ended = changes.list_ended();
    facts.due = changes.due();
    if let Some(due) = &facts.due {
        let usable = facts.column.as_ref().is_none_or(|column| column.problem.is_none());
        let begun = past::begun(connection, target, known, &due.digest()).await?;
        let column = column(target, known).filter(|_| usable);
        let counted = count(connection, known, due, column, begun).await?;
        (facts.rows, facts.active) = (counted.rows, counted.active);
        if let (Some(column), true) = (facts.column.as_mut(), counted.milliseconds) {
            column.problem = Some((
                Reason::SessionsColumnUnsupported,
                format!(
                    "column {:?} of {} holds numbers that are no seconds since the epoch but milliseconds, which spec.sessions.invalidateBeforeColumn does not take",
                    column.name,
                    users(target).describe()
                ),
            ));
        }
    }
    Ok(Some(facts))
}

fn users(target: &Target) -> ObjectRef {
    ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..ObjectRef::default()
    }
}

async fn look_at(
    connection: &mut PgConnection,
    known: &Known,
    name: &str,
) -> Result<ColumnFacts, DatabaseError> {
    let mut facts = ColumnFacts { name: name.to_owned(), problem: None, writable: false };
    let table = known.users.relation.name.as_str();
    let Some(column) = known.users.column(name) else {
        let there: Vec<&str> = known.users.columns.iter().map(|column| column.name.as_str()).collect();
        facts.problem = Some((
            Reason::ColumnMissing,
            format!(
                "{table} has no column {name:?}, which spec.sessions.invalidateBeforeColumn names: it has {}",
                there.join(", ")
            ),
        ));
        return Ok(facts);
    };
    if column.generated || TimeKind::of(&column.base_name).is_none() {
        facts.problem = Some((
            Reason::SessionsColumnUnsupported,
            format!(
                "column {name:?} of {table} is {}of type {}, and spec.sessions.invalidateBeforeColumn takes a timestamp with or without time zone, an integer or a bigint that can be set",
                if column.generated { "computed and " } else { "" },
                column.declared_type.as_str()
            ),
        ));
        return Ok(facts);
    }
    let mut sql = Sql::new("SELECT has_column_privilege(");
    sql.integer(known.users.oid).add("::oid, ").text(name).add(", 'UPDATE')");
    facts.writable = sql.scalar(connection).await?;
    Ok(facts)
}

struct Counted {
    rows: i64,
    active: i64,
    milliseconds: bool,
}

/// Counts the accounts that ending sessions would change; all that are meant where there is no column.
/// `begun` is the time that an interrupted run was setting.
async fn count(
    connection: &mut PgConnection,
    known: &Known,
    due: &Due,
    column: Option<(&Column, TimeKind)>,
    begun: Option<i64>,
) -> Result<Counted, DatabaseError> {
    let valid_after: i64 = match begun {
        Some(seconds) => seconds,
        None => Sql::new("SELECT floor(extract(epoch FROM now()))::int8").scalar(connection).await?,
    };
    let pending = |sql: &mut Sql| match column {
        Some((column, kind)) => is_earlier(sql, column, kind, valid_after),
        None => {
            sql.add("true");
        }
    };
    let mut sql = Sql::new("SELECT count(*) FILTER (WHERE ");
    pending(&mut sql);
    sql.add("), count(*) FILTER (WHERE ");
    pending(&mut sql);
    for (column, condition) in &known.active_when {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    sql.add("), ");
    match column {
        Some((column, TimeKind::Seconds64)) => {
            sql.add("coalesce(bool_or(").column("p", &column.name).add(" OPERATOR(pg_catalog.>) ");
            sql.integer(MILLISECONDS).add("), false)");
        }
        _ => {
            sql.add("false");
        }
    }
    sql.add(" FROM ").only(&known.users.relation).add(" p");
    if let Whom::Accounts(ids) = &due.whom {
        let (id, keys) = (std::slice::from_ref(&known.id), keys(ids));
        sql.add(" JOIN ");
        quarantine::keyed(&mut sql, id, &keys);
        sql.add(" ON ");
        quarantine::is_keyed(&mut sql, "p", id);
    }
    let row = sql.one(connection).await?;
    Ok(Counted { rows: row.try_get(0)?, active: row.try_get(1)?, milliseconds: row.try_get(2)? })
}

fn keys(ids: &[String]) -> Vec<Vec<String>> {
    ids.iter().map(|id| vec![id.clone()]).collect()
}

/// Writes down whose sessions a step is about: later ones are another plan's.
///
/// # Errors
/// The database fails.
pub(super) async fn list_accounts(
    connection: &mut PgConnection,
    fence: &Fence,
    step: &Step,
    number: i64,
) -> Result<(), DatabaseError> {
    let Step::EndSessions { due, digest, .. } = step else { return Ok(()) };
    let mut sql = Sql::new("UPDATE auth_consistency.steps SET passed_key = ");
    sql.text(digest).add(" WHERE run OPERATOR(pg_catalog.=) ").text(&fence.run);
    sql.add(" AND step OPERATOR(pg_catalog.=) ").integer(number);
    sql.execute(connection).await?;
    if let Whom::Accounts(ids) = &due.whom {
        let mut sql = Sql::new("INSERT INTO auth_consistency.step_keys (run, step, key) SELECT ");
        sql.text(&fence.run).add(", ").integer(number).add(", k FROM pg_catalog.unnest(");
        sql.texts(ids.iter().cloned().map(Some).collect()).add(") k");
        sql.execute(connection).await?;
    }
    Ok(())
}

/// A step that ends sessions, under way.
pub struct SessionsStep<'a> {
    known: &'a Known,
    column: &'a Column,
    kind: TimeKind,
    object: &'a ObjectRef,
    due: &'a Due,
    number: i64,
    /// From when on tokens count, in seconds since the epoch.
    valid_after: i64,
    /// Accounts that the next chunk looks at.
    rows: i64,
}

impl<'a> SessionsStep<'a> {
    /// Gets a step ready.
    ///
    /// # Errors
    /// The column is not there any more, or the database fails.
    pub async fn ready(
        connection: &mut PgConnection,
        fence: &Fence,
        target: &Target,
        known: &'a Known,
        object: &'a ObjectRef,
        due: &'a Due,
        number: i64,
    ) -> Result<Self, DatabaseError> {
        let Some((column, kind)) = column(target, known) else {
            return Err(DatabaseError::Moved(format!("{} is not there any more", object.describe())));
        };
        let mut transaction = connection.begin().await?;
        prepare(&mut transaction, fence.statement_timeout).await?;
        let mut sql = Sql::new(
            "SELECT floor(extract(epoch FROM opened_at))::int8 FROM auth_consistency.runs WHERE run = ",
        );
        sql.text(&fence.run);
        let own = sql.scalar(&mut transaction).await?;
        let valid_after = past::begun(&mut transaction, target, known, &due.digest()).await?.unwrap_or(own);
        transaction.rollback().await?;
        Ok(Self { known, column, kind, object, due, number, valid_after, rows: FIRST_CHUNK })
    }

    /// Sets the size of the next chunk, from how long the last one took and how long it should.
    pub fn pace(&mut self, took: Duration, aim: Duration) {
        self.rows = paced(self.rows, took, aim).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
    }

    /// Ends the sessions of the next accounts.
    ///
    /// # Errors
    /// The run was overtaken, the database refuses the change, or it would go further than the plan says.
    pub async fn chunk(
        &mut self,
        connection: &mut PgConnection,
        fence: &Fence,
    ) -> Result<Chunk, DatabaseError> {
        let (mut transaction, standing) = fence::enter_step(connection, fence, self.number).await?;
        let connection = &mut *transaction;
        let before = guard::counts(connection).await?;
        let mut keys = self.lock(connection, fence).await?;
        // One more than a chunk takes: that it was the last one is written down with its own rows.
        let more = keys.len() > usize::try_from(self.rows).unwrap_or(usize::MAX);
        if more {
            keys.pop();
        }
        let rows = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        if rows > standing.left {
            return Err(DatabaseError::Moved(format!(
                "more accounts of {} would sign in again than the plan says: nothing of this chunk was done",
                self.object.describe()
            )));
        }
        if rows > 0 {
            let (chunk, action) = (standing.chunk + 1, Action::EndSessions);
            let (id, time) = (std::slice::from_ref(&self.known.id), self.valid_after.to_string());
            let users = &self.known.users;
            quarantine::copy(connection, fence, self.number, chunk, action, users, id, &keys, Some(&time))
                .await?;
            self.set(connection, &keys).await?;
            // A deferred constraint speaks up now and not at COMMIT, where it would undo the audit too.
            run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
            let tables = guard::storage(connection, users).await?;
            let expected = Expected { tables, updated: rows, deleted: 0, inserted: 0 };
            guard::compare(connection, &before, &[expected]).await?;
            let entry = Entry { step: self.number, chunk, action, object: self.object, rows, token: None };
            bookkeeping::audit(connection, fence, &entry).await?;
            past::count_done(connection, fence, self.number, chunk, rows).await?;
        }
        if !more {
            past::remember(connection, fence, self.number, self.due, self.valid_after).await?;
        }
        transaction.commit().await?;
        Ok(Chunk { rows, moved: rows > 0, more })
    }

    /// Locks accounts that are to sign in again and returns their ids, in physical order: those of a chunk
    /// before hold a later time by now.
    async fn lock(
        &self,
        connection: &mut PgConnection,
        fence: &Fence,
    ) -> Result<Vec<Vec<String>>, DatabaseError> {
        let id = &self.known.id;
        let mut sql = Sql::new("SELECT ");
        sql.column("p", &id.name).add("::pg_catalog.text FROM ").only(&self.known.users.relation);
        sql.add(" p WHERE ");
        is_earlier(&mut sql, self.column, self.kind, self.valid_after);
        if let Whom::Accounts(_) = &self.due.whom {
            let Some(equality) = &id.equality else {
                return Err(DatabaseError::Unsupported("ids of this type cannot be compared".into()));
            };
            sql.add(" AND ").column("p", &id.name).operator(equality).add("ANY (SELECT CAST(k.key AS ");
            sql.type_name(&id.type_name);
            sql.add(") FROM auth_consistency.step_keys k WHERE k.run OPERATOR(pg_catalog.=) ");
            sql.text(&fence.run).add(" AND k.step OPERATOR(pg_catalog.=) ").integer(self.number).add(")");
        }
        sql.add(" LIMIT ").integer(self.rows + 1).add(" FOR UPDATE OF p");
        sql.all(connection).await?.iter().map(|row| Ok(vec![row.try_get(0)?])).collect()
    }

    /// Sets the time of locked accounts.
    async fn set(&self, connection: &mut PgConnection, keys: &[Vec<String>]) -> Result<(), DatabaseError> {
        let id = std::slice::from_ref(&self.known.id);
        let valid_after = |sql: &mut Sql| {
            sql.integer(self.valid_after);
        };
        let mut sql = Sql::new("WITH u AS (UPDATE ");
        sql.only(&self.known.users.relation).add(" AS p SET ").name(&self.column.name).add(" = ");
        time(&mut sql, self.kind, valid_after);
        sql.add(" FROM ");
        quarantine::keyed(&mut sql, id, keys);
        sql.add(" WHERE ");
        quarantine::is_keyed(&mut sql, "p", id);
        sql.add(" AND ");
        is_earlier(&mut sql, self.column, self.kind, self.valid_after);
        sql.add(" RETURNING ");
        is_time(&mut sql, "p", self.column, valid_after);
        sql.add(" AS so) SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE u.so) FROM u");
        let row = sql.one(connection).await?;
        let (changed, right): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let meant = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        if (changed, right) == (meant, meant) {
            return Ok(());
        }
        Err(DatabaseError::Moved(format!(
            "{changed} accounts would have changed, {right} of them as it was meant, and {meant} were meant: nothing of this chunk was done (a trigger may keep the change back)"
        )))
    }
}

/// The values of a step were put back: what it was done for counts no more as done.
///
/// # Errors
/// The run was overtaken, or the database fails.
pub(super) async fn restored(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    number: i64,
) -> Result<(), DatabaseError> {
    let mut transaction = fence::enter(connection, fence).await?;
    past::restored(&mut transaction, fence, run, number).await?;
    transaction.commit().await?;
    Ok(())
}
