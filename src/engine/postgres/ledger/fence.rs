//! Two passes never repair at once.
//!
//! A run begins by taking the claim on the user table and counting its epoch up; every transaction of
//! the run then takes an advisory lock, locks the claim's row, and looks whether owner and epoch are
//! still its own. A run that was overtaken stops before it changes anything.

use crate::{
    domain::{
        facts::{Bookkeeping, Claim, schema::DatabaseIdentity},
        target::Target,
    },
    engine::postgres::{
        catalog::resolved::ResolvedSchema,
        ledger::{self, claim::claim},
        session::error::DatabaseError,
        sql::{Sql, sql, with},
    },
};

use std::time::Duration;

use sqlx::{Connection, PgConnection, Postgres, Row, Transaction};

/// The protocol looks again in new statements, which see nothing new at any other level; the role's own
/// default may be another. Chunks are too short to be worth compiling. The path stays the role's own, since
/// triggers of the app need it. How values become text is pinned, as it is for every look. Where nothing comes from us for
/// a while, since the process was stopped or its machine is gone, the server takes the transaction back: it holds rows of
/// the app, and keeps every other process from repairing.
pub(in crate::engine::postgres) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL lock_timeout = '2s'; SET LOCAL row_security = off; SET LOCAL jit = off; \
    SET LOCAL idle_in_transaction_session_timeout = '15s'; \
    SET LOCAL extra_float_digits = 1; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; \
    SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; SET LOCAL quote_all_identifiers = off; \
    SET LOCAL client_min_messages = error";

/// What foreign keys and triggers are off under, and what is set instead: a role may have that as its own
/// default, and whatever a repair wrote would then be checked by nothing.
fn enforce(sql: &mut Sql) {
    sql!(
        sql,
        "CASE WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
         THEN pg_catalog.set_config('session_replication_role', 'origin', true) END"
    );
}

/// What every transaction of a run is held to.
#[derive(Debug, Clone)]
pub struct Fence {
    /// Which database.
    pub identity: DatabaseIdentity,
    /// Which user table.
    pub user_table: i64,
    /// Uid of the resource.
    pub owner: String,
    /// The epoch that this run took.
    pub epoch: i64,
    /// The run's id.
    pub run: String,
    /// The approved plan that the run belongs to.
    pub plan_hash: Option<String>,
    /// Time for one statement.
    pub statement_timeout: Duration,
}

/// No other run has begun or done anything since the look. What it found may be mended by now, and a step
/// that does not look again would mend it twice. Whoever has an effect holds the lock that we hold here.
pub(in crate::engine::postgres) async fn nobody_since(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    looked: &Bookkeeping,
) -> Result<(), DatabaseError> {
    let claim = claim(connection, &known.identity, known.users.oid).await?;
    let held = |claim: Option<&Claim>| claim.map(|claim| (claim.owner.clone(), claim.epoch));
    let same_run = held(claim.as_ref()) == held(looked.claim.as_ref());
    let last = ledger::last_entry(connection, target, &known.identity).await?;
    if same_run && last == looked.last_entry { Ok(()) } else { Err(DatabaseError::Overtaken) }
}

/// Opens one transaction of a run: settings, lock, claim, epoch.
///
/// # Errors
/// Another run has the lock, or has overtaken this one.
pub async fn enter<'c>(
    connection: &'c mut PgConnection,
    fence: &Fence,
) -> Result<Transaction<'c, Postgres>, DatabaseError> {
    Ok(enter_step(connection, fence, 0).await?.0)
}

/// How far a step over rows has got.
#[derive(Debug, Clone, Default)]
pub(in crate::engine::postgres) struct StepProgress {
    /// Rows that it may still change.
    pub left: i64,
    /// Its last chunk.
    pub chunk: i64,
    /// The row, by place, that the walk has passed.
    pub passed_tid: Option<String>,
    /// The key that the walk has passed.
    pub passed_key: Option<String>,
}

/// Opens one transaction of a run as [`enter`] does, and looks how far a step has got.
///
/// # Errors
/// Another run has the lock, or has overtaken this one.
pub(in crate::engine::postgres) async fn enter_step<'c>(
    connection: &'c mut PgConnection,
    fence: &Fence,
    step: i64,
) -> Result<(Transaction<'c, Postgres>, StepProgress), DatabaseError> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    // One statement, since each costs a chunk a way to the server and back. The claim's row is only
    // waited for by whoever has the lock.
    let sql = sql!(
        "WITH l AS MATERIALIZED (SELECT {try_lock} AS had),
         held AS MATERIALIZED (
           SELECT c.owner, c.epoch FROM auth_consistency.claims c, l
           WHERE l.had AND c.system_identifier = {system} AND c.database_oid = {database}
           AND c.user_table_oid = {user_table} FOR UPDATE OF c)
         SELECT pg_catalog.set_config('statement_timeout', {timeout}, true), (SELECT l.had FROM l),
           (SELECT held.owner FROM held), (SELECT held.epoch FROM held),
           s.ceiling - s.done, s.chunk, s.passed_tid, s.passed_key, {enforce}
         FROM (SELECT) one LEFT JOIN auth_consistency.steps s ON s.run = {run} AND s.step = {step}",
        try_lock = with(|sql| try_lock(sql, &fence.identity, fence.user_table)),
        system = fence.identity.system,
        database = fence.identity.database,
        user_table = fence.user_table,
        timeout = fence.statement_timeout.as_millis().to_string(),
        enforce = with(enforce),
        run = fence.run,
        step = step,
    );
    let row = sql.one(&mut transaction).await?;
    if !row.try_get::<bool, _>(1)? {
        return Err(DatabaseError::Fenced);
    }
    let held: (Option<String>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
    if held != (Some(fence.owner.clone()), Some(fence.epoch)) {
        return Err(DatabaseError::ClaimLost(
            "another run has begun on this user table, so this one stops before it changes anything more"
                .into(),
        ));
    }
    let standing = StepProgress {
        left: row.try_get::<Option<i64>, _>(4)?.unwrap_or(0),
        chunk: row.try_get::<Option<i64>, _>(5)?.unwrap_or(0),
        passed_tid: row.try_get(6)?,
        passed_key: row.try_get(7)?,
    };
    Ok((transaction, standing))
}

/// Foreign keys and triggers are on, or may be switched on: whoever has them off may only be told.
pub(in crate::engine::postgres) async fn enforced(
    connection: &mut PgConnection,
) -> Result<(), DatabaseError> {
    let sql = sql!("SELECT {enforce}", enforce = with(enforce));
    match sql.one(connection).await.map_err(DatabaseError::from) {
        Ok(_) => Ok(()),
        Err(error) if error.sqlstate().as_deref() == Some("42501") => Err(DatabaseError::Unsupported(
            "session_replication_role is replica for this role, so foreign keys and triggers would be off, and it \
             may not be changed by the role: run ALTER ROLE ... RESET session_replication_role as a superuser"
                .into(),
        )),
        Err(error) => Err(error),
    }
}

/// The advisory lock on (database, user table), until the transaction ends.
pub(in crate::engine::postgres) async fn lock(
    connection: &mut PgConnection,
    identity: &DatabaseIdentity,
    user_table: i64,
) -> Result<(), DatabaseError> {
    let sql = sql!("SELECT {try_lock}", try_lock = with(|sql| try_lock(sql, identity, user_table)));
    if sql.scalar::<bool>(connection).await? { Ok(()) } else { Err(DatabaseError::Fenced) }
}

fn try_lock(sql: &mut Sql, identity: &DatabaseIdentity, user_table: i64) {
    let keys = with(|sql| lock_keys(sql, identity, user_table));
    sql!(sql, "pg_catalog.pg_try_advisory_xact_lock({keys})", keys = keys);
}

pub(in crate::engine::postgres) fn lock_keys(sql: &mut Sql, identity: &DatabaseIdentity, user_table: i64) {
    // The lock's two keys are signed 32 bit numbers, object ids unsigned ones: the same bits.
    let bits = |oid: i64| i64::from(oid as u32 as i32);
    sql!(
        sql,
        "{database}::pg_catalog.int4, {user_table}::pg_catalog.int4",
        database = bits(identity.database),
        user_table = bits(user_table),
    );
}
