//! Our own schema `auth_consistency` in the app's database: its layout, and what it remembers.
//!
//! It is migrated by version, may be created beforehand by the database's owner, and every row in it
//! is bound to the target identity: a dump carries the schema along, and then its rows are history.

pub(in crate::engine::postgres) mod ended_sessions;
pub(in crate::engine::postgres) mod fence;
pub(in crate::engine::postgres) mod integrity;
pub(in crate::engine::postgres) mod quarantine;
pub(in crate::engine::postgres) mod remaps;
pub(in crate::engine::postgres) mod trust;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sqlx::{PgConnection, Row};

use crate::{
    api::{
        report::{Action, ObjectRef},
        status::{MAX_HISTORY, Repair},
    },
    domain::{
        diagnose::Requests,
        facts::{Bookkeeping, Claim, DatabaseIdentity, OpenRun, OpenStep, PriorUse},
        sql_name::sql_name,
        target::Target,
        text::clip,
    },
    engine::postgres::{
        session::error::DatabaseError,
        sql::{Sql, run},
    },
    passwords::Format,
};

/// The layout that this program writes.
pub const LAYOUT: i64 = 4;

/// The layouts in order; each brings the one before up to its own number.
const MIGRATIONS: &[&str] = &[
    "CREATE TABLE auth_consistency.layout (version bigint NOT NULL);
     INSERT INTO auth_consistency.layout VALUES (1);
     CREATE TABLE auth_consistency.claims (
       system_identifier text NOT NULL, database_oid bigint NOT NULL, user_table_oid bigint NOT NULL,
       owner text NOT NULL, owner_name text NOT NULL, epoch bigint NOT NULL, plan_serial bigint NOT NULL,
       claimed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
       PRIMARY KEY (system_identifier, database_oid, user_table_oid));
     CREATE TABLE auth_consistency.runs (
       run text PRIMARY KEY, system_identifier text NOT NULL, database_oid bigint NOT NULL,
       owner text NOT NULL, owner_name text NOT NULL, generation bigint NOT NULL, plan_hash text,
       opened_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), closed_at timestamptz);
     CREATE TABLE auth_consistency.steps (
       run text NOT NULL REFERENCES auth_consistency.runs, step bigint NOT NULL, action text NOT NULL,
       schema_name text NOT NULL, table_name text NOT NULL, column_names text[] NOT NULL, constraint_name text,
       ceiling bigint NOT NULL, done bigint NOT NULL DEFAULT 0, PRIMARY KEY (run, step));
     CREATE TABLE auth_consistency.step_keys (
       run text NOT NULL, step bigint NOT NULL, key text NOT NULL, PRIMARY KEY (run, step, key),
       FOREIGN KEY (run, step) REFERENCES auth_consistency.steps);
     CREATE TABLE auth_consistency.audit (
       id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
       system_identifier text NOT NULL, database_oid bigint NOT NULL, owner text NOT NULL,
       run text NOT NULL, step bigint NOT NULL, chunk bigint NOT NULL, action text NOT NULL,
       object text NOT NULL, rows bigint NOT NULL, plan_hash text, reset_token text);
     CREATE INDEX audit_owner ON auth_consistency.audit (owner, id DESC);
     CREATE TABLE auth_consistency.quarantine (
       name text PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL, layout text NOT NULL,
       created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
       UNIQUE (schema_name, table_name, layout));",
    // Where a step's walk has got to; and what a copy belongs to, once per chunk instead of in each row.
    "ALTER TABLE auth_consistency.steps ADD COLUMN chunk bigint NOT NULL DEFAULT 0, \
       ADD COLUMN passed_tid text, ADD COLUMN passed_key text;
     UPDATE auth_consistency.steps SET chunk = coalesce((SELECT max(a.chunk) FROM auth_consistency.audit a \
       WHERE a.run OPERATOR(pg_catalog.=) steps.run AND a.step OPERATOR(pg_catalog.=) steps.step), 0);
     CREATE TABLE auth_consistency.batches (
       batch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
       system_identifier text NOT NULL, database_oid bigint NOT NULL, owner text NOT NULL,
       run text NOT NULL, step bigint NOT NULL, chunk bigint NOT NULL, action text NOT NULL,
       name text NOT NULL, column_names text[]);
     CREATE INDEX batches_run ON auth_consistency.batches (run, step);
     UPDATE auth_consistency.layout SET version = 2;",
    // Whose claim it is beyond its uid: a resource that is made anew takes over what was its own. And how often
    // it went from one to another, so that nothing that asks for it is good for a second time.
    "ALTER TABLE auth_consistency.claims ADD COLUMN operator text, ADD COLUMN takes bigint NOT NULL DEFAULT 0;
     UPDATE auth_consistency.layout SET version = 3;",
    // What the copies of a batch are, so that others in their place are known.
    "ALTER TABLE auth_consistency.batches ADD COLUMN rows bigint, ADD COLUMN digest text;
     UPDATE auth_consistency.layout SET version = 4;",
];

/// Brings the schema up to [`LAYOUT`]; inside the caller's transaction.
///
/// # Errors
/// The role may neither create nor use the schema, or a newer program has written it.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let there = version(connection).await?;
    if there == Some(LAYOUT) {
        return Ok(());
    }
    newer(there)?;
    // Two programs that begin at once: the second waits here and then sees the first one's work.
    run(
        connection,
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('auth_consistency layout'))",
    )
    .await?;
    let there = version(connection).await?;
    newer(there)?;
    if there.is_none() {
        let exists: bool = Sql::new(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) 'auth_consistency')",
        )
        .scalar(connection)
        .await?;
        if !exists {
            run(connection, "CREATE SCHEMA auth_consistency").await?;
        }
    }
    let done = usize::try_from(there.unwrap_or(0)).unwrap_or(0);
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        run(connection, migration).await?;
        if at == 1 {
            crate::engine::postgres::ledger::quarantine::into_batches(connection).await?;
        }
    }
    crate::engine::postgres::ledger::trust::keep_to_ourselves(connection).await?;
    Ok(())
}

fn newer(there: Option<i64>) -> Result<(), DatabaseError> {
    match there {
        Some(version) if version > LAYOUT => Err(DatabaseError::Unsupported(format!(
            "the schema auth_consistency has layout {version}, and this program knows {LAYOUT}: use the newer program"
        ))),
        _ => Ok(()),
    }
}

pub(super) async fn version(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.layout') IS NOT NULL")
        .scalar(connection)
        .await?;
    if !there {
        return Ok(None);
    }
    Sql::new("SELECT max(version) FROM auth_consistency.layout").scalar(connection).await
}

/// What the schema remembers of this target; empty where it is not there.
pub async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
    user_table: i64,
    requests: &Requests,
) -> Result<Bookkeeping, DatabaseError> {
    let row = Sql::new(
        "SELECT n.oid IS NOT NULL, \
         CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE') \
              ELSE has_schema_privilege(n.oid, 'USAGE') AND (has_schema_privilege(n.oid, 'CREATE')) END, \
         n.oid IS NOT NULL AND has_schema_privilege(n.oid, 'USAGE') \
         AND to_regclass('auth_consistency.layout') IS NOT NULL, \
         coalesce(t.readable, true), coalesce(t.writable, true), EXISTS (SELECT FROM pg_event_trigger), \
         current_user::text, current_database()::text \
         FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = 'auth_consistency' \
         LEFT JOIN LATERAL (SELECT bool_and(has_table_privilege(c.oid, 'SELECT')) AS readable, \
           bool_and(has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') \
             AND (c.relname NOT IN ('runs', 'steps', 'step_keys', 'batches') OR has_table_privilege(c.oid, 'DELETE'))) AS writable \
           FROM pg_class c WHERE n.oid IS NOT NULL AND c.relnamespace = n.oid AND c.relkind = 'r') t ON true",
    )
    .one(connection)
    .await?;
    let there: bool = row.try_get(2)?;
    let readable: bool = row.try_get(3)?;
    let usable = row.try_get::<bool, _>(1)? && readable && row.try_get::<bool, _>(4)?;
    let approval_before = requests.approval_before.clone();
    // Where there is neither the schema nor an event trigger, there is nothing to doubt, and much to plan.
    let doubtful = row.try_get::<bool, _>(0)? || row.try_get::<bool, _>(5)?;
    let untrusted = if doubtful {
        crate::engine::postgres::ledger::trust::observe(connection, user_table).await?
    } else {
        Vec::new()
    };
    let (role, database): (String, String) = (row.try_get(6)?, row.try_get(7)?);
    let (role, database) = (sql_name(&role), sql_name(&database));
    let grant = match row.try_get::<bool, _>(0)? {
        true => format!(
            "GRANT USAGE, CREATE ON SCHEMA auth_consistency TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth_consistency TO {role}"
        ),
        false => format!("GRANT CREATE ON DATABASE {database} TO {role}"),
    };
    let grant = Some(grant).filter(|_| !usable);
    let mut found = Bookkeeping { usable, grant, approval_before, untrusted, ..Bookkeeping::default() };
    if !there || !readable || !found.untrusted.is_empty() {
        return Ok(found);
    }
    found.version = version(connection).await?;
    newer(found.version)?;
    found.claim = claim(connection, identity, user_table).await?;
    found.last_entry = last_entry(connection, target, identity).await?;
    found.open_run = open_run(connection, target, identity).await?;
    if let Some(token) = &requests.reset {
        match reset_before(connection, target, identity, token).await? {
            Some(prior) if prior.here && prior.owner == target.resource.uid => {
                let last = last_reset(connection, target, identity, token).await?;
                found.reset_handled = last;
                found.reset_before = Some(prior).filter(|_| !last);
            }
            prior => found.reset_before = prior,
        }
    }
    if let Some(approval) = &requests.approval {
        let mut sql = Sql::new("SELECT coalesce(bool_or(");
        only_mine(&mut sql, target, identity);
        sql.add("), false), count(*) > 0 FROM auth_consistency.runs WHERE plan_hash = ");
        sql.text(approval.hash.trim());
        let row = sql.one(connection).await?;
        found.approval_used = row.try_get(0)?;
        found.approval_elsewhere = row.try_get::<bool, _>(1)? && !found.approval_used;
    }
    found.overdue = crate::engine::postgres::restore::purge::overdue(connection, target, identity).await?;
    found.history = history(connection, target, identity).await?;
    Ok(found)
}

/// When a reset was done before, for this target rather than for another: a dump carries the audit along, and a
/// copied resource its requests.
async fn reset_before(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
    token: &str,
) -> Result<Option<PriorUse>, DatabaseError> {
    let mut sql = Sql::new("SELECT owner, system_identifier = ");
    sql.text(&identity.system).add(" AND database_oid = ").integer(identity.database);
    sql.add(", extract(epoch FROM at)::int8 FROM auth_consistency.audit WHERE reset_token = ").text(token);
    sql.add(" ORDER BY owner = ").text(&target.resource.uid).add(" DESC, 2 DESC, id DESC LIMIT 1");
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    let at = Timestamp::from_second(row.try_get(2)?).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Some(PriorUse { owner: row.try_get(0)?, here: row.try_get(1)?, at }))
}

/// Whether no other reset was done for this target after that one. The status may not tell of the last one yet.
async fn last_reset(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
    token: &str,
) -> Result<bool, DatabaseError> {
    let mut sql = Sql::new("SELECT max(id) FILTER (WHERE reset_token = ");
    sql.text(token).add(") = max(id) FROM auth_consistency.audit WHERE reset_token IS NOT NULL AND ");
    only_mine(&mut sql, target, identity);
    Ok(sql.scalar::<Option<bool>>(connection).await?.unwrap_or(false))
}

/// A reset is done once, whoever was asked for it meanwhile: looked at in the transaction that does it.
///
/// # Errors
/// It was done, or the database fails.
pub async fn not_done_yet(connection: &mut PgConnection, token: Option<&str>) -> Result<(), DatabaseError> {
    let Some(token) = token else { return Ok(()) };
    let mut sql = Sql::new(
        "SELECT EXISTS (SELECT FROM auth_consistency.audit a WHERE a.reset_token OPERATOR(pg_catalog.=) ",
    );
    sql.text(token).add(")");
    if sql.scalar(connection).await? {
        return Err(DatabaseError::Moved("the reset that was asked for was done meanwhile".into()));
    }
    Ok(())
}

/// Begins a statement about rows of this target identity.
fn mine(sql: &'static str, target: &Target, identity: &DatabaseIdentity) -> Sql {
    let mut sql = Sql::new(sql);
    only_mine(&mut sql, target, identity);
    sql
}

/// Adds the condition that a row is of this target identity.
fn only_mine(sql: &mut Sql, target: &Target, identity: &DatabaseIdentity) {
    sql.add("system_identifier OPERATOR(pg_catalog.=) ").text(&identity.system);
    sql.add(" AND database_oid OPERATOR(pg_catalog.=) ").integer(identity.database);
    sql.add(" AND owner OPERATOR(pg_catalog.=) ").text(&target.resource.uid);
}

/// Ends what whoever had the claim before was approved for and did not finish: should the claim come back, that
/// is approved anew. The keys of it go, too.
pub async fn end_runs_of(
    connection: &mut PgConnection,
    identity: &DatabaseIdentity,
    owner: &str,
) -> Result<(), sqlx::Error> {
    let theirs = |mut sql: Sql| {
        sql.add("owner OPERATOR(pg_catalog.=) ").text(owner);
        sql.add(" AND system_identifier OPERATOR(pg_catalog.=) ").text(&identity.system);
        sql.add(" AND database_oid OPERATOR(pg_catalog.=) ").integer(identity.database);
        sql
    };
    let mut sql = theirs(Sql::new(
        "DELETE FROM auth_consistency.step_keys WHERE run OPERATOR(pg_catalog.=) ANY (ARRAY(\
         SELECT run FROM auth_consistency.runs WHERE closed_at IS NULL AND ",
    ));
    sql.add("))");
    sql.execute(connection).await?;
    let closed = Sql::new(
        "UPDATE auth_consistency.runs SET closed_at = pg_catalog.clock_timestamp() WHERE closed_at IS NULL AND ",
    );
    theirs(closed).execute(connection).await?;
    Ok(())
}

/// Clears what nobody needs any more: the keys of runs that are not open, and runs that were begun and
/// changed nothing. A repair that fails on every pass would otherwise leave them behind each time.
pub async fn sweep(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<(), sqlx::Error> {
    const OF: &str =
        " WHERE run OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT run FROM auth_consistency.runs WHERE ";
    const ENDED: &str = " AND (plan_hash IS NULL OR closed_at IS NOT NULL)";
    const IDLE: &str = " AND NOT EXISTS (SELECT FROM auth_consistency.audit a \
         WHERE a.run OPERATOR(pg_catalog.=) auth_consistency.runs.run) AND plan_hash IS NULL))";
    for (delete, which) in [
        ("DELETE FROM auth_consistency.step_keys", "))"),
        ("DELETE FROM auth_consistency.steps", IDLE),
        ("DELETE FROM auth_consistency.runs", IDLE),
    ] {
        let mut sql = Sql::new(delete);
        only_mine(sql.add(OF), target, identity);
        sql.add(ENDED).add(which);
        sql.execute(connection).await?;
    }
    Ok(())
}

/// Who repairs a user table.
pub async fn claim(
    connection: &mut PgConnection,
    identity: &DatabaseIdentity,
    user_table: i64,
) -> Result<Option<Claim>, sqlx::Error> {
    let mut sql = Sql::new(
        // By way of JSON, since a layout of before has not all of the columns.
        "SELECT owner, owner_name, epoch, plan_serial, \
         pg_catalog.to_jsonb(claims) OPERATOR(pg_catalog.->>) 'operator', \
         (pg_catalog.to_jsonb(claims) OPERATOR(pg_catalog.->>) 'takes')::pg_catalog.int8 \
         FROM auth_consistency.claims WHERE system_identifier OPERATOR(pg_catalog.=) ",
    );
    sql.text(&identity.system).add(" AND database_oid OPERATOR(pg_catalog.=) ").integer(identity.database);
    sql.add(" AND user_table_oid OPERATOR(pg_catalog.=) ").integer(user_table);
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Some(Claim {
        owner: row.try_get(0)?,
        owner_name: row.try_get(1)?,
        epoch: row.try_get(2)?,
        plan_serial: row.try_get(3)?,
        operator: row.try_get(4)?,
        takes: row.try_get::<Option<i64>, _>(5)?.unwrap_or(0),
    }))
}

/// The last entry of the audit that is of this target: every effect writes one, in its own transaction.
pub async fn last_entry(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<i64, sqlx::Error> {
    let sql = mine("SELECT coalesce(max(id), 0) FROM auth_consistency.audit WHERE ", target, identity);
    sql.scalar(connection).await
}

async fn open_run(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<Option<OpenRun>, DatabaseError> {
    let mut sql =
        mine("SELECT run, plan_hash, generation FROM auth_consistency.runs WHERE ", target, identity);
    // An approval is good for one run: a second one that names it was made by somebody else.
    sql.add(
        " AND closed_at IS NULL AND plan_hash IS NOT NULL AND NOT EXISTS (SELECT FROM auth_consistency.runs other \
         WHERE other.plan_hash OPERATOR(pg_catalog.=) runs.plan_hash AND other.run OPERATOR(pg_catalog.<>) runs.run) \
         ORDER BY opened_at DESC LIMIT 1",
    );
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    let run: String = row.try_get(0)?;
    let mut sql = Sql::new(
        "SELECT step, action, schema_name, table_name, column_names, constraint_name, \
         ceiling - greatest(done, coalesce(audited, 0)), passed_key, audited IS NOT NULL, done \
         FROM auth_consistency.steps LEFT JOIN LATERAL (SELECT sum(a.rows)::int8 AS audited \
           FROM auth_consistency.audit a WHERE a.run OPERATOR(pg_catalog.=) steps.run \
           AND a.step OPERATOR(pg_catalog.=) steps.step AND a.owner OPERATOR(pg_catalog.=) ",
    );
    sql.text(&target.resource.uid).add(") a ON true WHERE run OPERATOR(pg_catalog.=) ");
    sql.text(&run).add(" ORDER BY step");
    let mut steps = Vec::new();
    for step in sql.all(connection).await? {
        let name: String = step.try_get(1)?;
        let Some(action) = action(&name) else { continue };
        steps.push(OpenStep {
            step: step.try_get(0)?,
            action,
            object: ObjectRef {
                schema: step.try_get(2)?,
                table: step.try_get(3)?,
                columns: step.try_get(4)?,
                constraint: step.try_get(5)?,
            },
            rows_left: step.try_get(6)?,
            passed: step.try_get(7)?,
            audited: step.try_get(8)?,
            done: step.try_get(9)?,
        });
    }
    Ok(Some(OpenRun { run, plan_hash: row.try_get(1)?, generation: row.try_get(2)?, steps }))
}

/// An action by the name that the audit has.
pub fn action(name: &str) -> Option<Action> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

/// The last repairs of this target, newest first; the chunks of one step are one repair.
async fn history(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<Vec<Repair>, DatabaseError> {
    let mut sql = mine(
        "SELECT (extract(epoch FROM max(at)) * 1000)::int8, action, object, sum(rows)::int8, max(plan_hash), run \
         FROM auth_consistency.audit WHERE ",
        target,
        identity,
    );
    sql.add(" GROUP BY run, step, action, object ORDER BY max(id) DESC LIMIT ").integer(MAX_HISTORY as i64);
    let mut repairs = Vec::new();
    for row in sql.all(connection).await? {
        let name: String = row.try_get(1)?;
        let Some(action) = action(&name) else { continue };
        // Seconds, as Kubernetes writes times: a finer one would never compare equal again.
        let time = Timestamp::from_second(row.try_get::<i64, _>(0)? / 1000).unwrap_or(Timestamp::UNIX_EPOCH);
        repairs.push(Repair {
            time: Time(time),
            action,
            object: clip(&row.try_get::<String, _>(2)?, 255),
            rows: row.try_get(3)?,
            plan_hash: row.try_get(4)?,
            run: row.try_get(5)?,
        });
    }
    Ok(repairs)
}

/// What one audit row says.
pub struct Entry<'a> {
    /// The step's number in its run.
    pub step: i64,
    /// The chunk's number in its step.
    pub chunk: i64,
    /// What was done.
    pub action: Action,
    /// To what.
    pub object: &'a ObjectRef,
    /// Rows that it changed.
    pub rows: i64,
    /// The reset token that asked for it.
    pub token: Option<&'a str>,
}

/// Writes an audit row, in the transaction of what it tells of.
pub async fn audit(
    connection: &mut PgConnection,
    fence: &crate::engine::postgres::ledger::fence::Fence,
    entry: &Entry<'_>,
) -> Result<(), sqlx::Error> {
    audit_of(connection, fence, entry, None, None).await
}

/// Writes an audit row about one account; `None`: the admin. Where its password was written, `format` is how.
pub async fn audit_of(
    connection: &mut PgConnection,
    fence: &crate::engine::postgres::ledger::fence::Fence,
    entry: &Entry<'_>,
    account: Option<&str>,
    format: Option<&Format>,
) -> Result<(), sqlx::Error> {
    let mut object = entry.object.describe();
    if let Some(login) = account {
        object.push_str(&format!(" for {login}"));
    }
    // In words, as all of it: older programs read it, and need no other layout.
    if let Some(format) = format {
        object.push_str(&format!(" with its password as {format}"));
    }
    let mut sql = Sql::new(
        "INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, \
         rows, plan_hash, reset_token) VALUES (",
    );
    sql.text(&fence.identity.system).add(", ").integer(fence.identity.database).add(", ").text(&fence.owner);
    sql.add(", ").text(&fence.run).add(", ").integer(entry.step).add(", ").integer(entry.chunk);
    sql.add(", ").text(entry.action.as_str()).add(", ").text(object);
    sql.add(", ").integer(entry.rows).add(", ").text_or_null(fence.plan_hash.clone());
    sql.add(", ").text_or_null(entry.token.map(str::to_owned)).add(")");
    sql.execute(connection).await?;
    Ok(())
}
