//! Our own schema `auth_consistency` in the app's database: its layout, and what it remembers.
//!
//! It is migrated by version, may be created beforehand by the database's owner, and every row in it
//! is bound to the target identity: a dump carries the schema along, and then its rows are history.

pub mod audit;
pub(in crate::engine::postgres) mod claim;
pub(in crate::engine::postgres) mod ended_sessions;
pub(in crate::engine::postgres) mod fence;
pub(in crate::engine::postgres) mod integrity;
pub mod key_list;
pub mod migrate;
pub(in crate::engine::postgres) mod notes;
pub(in crate::engine::postgres) mod overdue;
pub mod progress;
pub(in crate::engine::postgres) mod quarantine;
pub mod read;
pub(in crate::engine::postgres) mod remaps;
pub(in crate::engine::postgres) mod trust;

use crate::{
    domain::{
        facts::{PriorUse, schema::DatabaseIdentity},
        target::Target,
    },
    engine::postgres::{
        ledger::read::{mine, only_mine},
        session::error::DatabaseError,
        sql::Sql,
    },
};

use jiff::Timestamp;
use sqlx::{PgConnection, Row};

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
        return Err(DatabaseError::PlanStale("the reset that was asked for was done meanwhile".into()));
    }
    Ok(())
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

/// The last entry of the audit that is of this target: every effect writes one, in its own transaction.
pub async fn last_entry(
    connection: &mut PgConnection,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Result<i64, sqlx::Error> {
    let sql = mine("SELECT coalesce(max(id), 0) FROM auth_consistency.audit WHERE ", target, identity);
    sql.scalar(connection).await
}
