//! Two passes never repair at once.
//!
//! A run begins by taking the claim on the user table and counting its epoch up; every transaction of
//! the run then takes an advisory lock, locks the claim's row, and looks whether owner and epoch are
//! still its own. A run that was overtaken stops before it changes anything.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Postgres, Row, Transaction};

use super::trust;
use crate::{
    domain::{
        diagnose::requests,
        facts::{Bookkeeping, Claim, DatabaseIdentity},
        plan::{Permission, Permitted, undone::terms},
        target::Target,
    },
    engine::postgres::{
        ledger,
        observe::Known,
        session::{error::DatabaseError, transaction::catalog_path},
        sql::Sql,
    },
};

/// The protocol looks again in new statements, which see nothing new at any other level; the role's own
/// default may be another. Chunks are too short to be worth compiling. The path stays the role's own, since
/// triggers of the app need it. How values become text is pinned, as it is for every look.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL lock_timeout = '2s'; SET LOCAL row_security = off; SET LOCAL jit = off; \
    SET LOCAL extra_float_digits = 1; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; \
    SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; SET LOCAL quote_all_identifiers = off; \
    SET LOCAL client_min_messages = error";

/// What foreign keys and triggers are off under, and what is set instead: a role may have that as its own
/// default, and whatever a repair wrote would then be checked by nothing.
const ENFORCED: &str = "CASE WHEN pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica' \
    THEN pg_catalog.set_config('session_replication_role', 'origin', true) END";

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

/// A run that may begin its steps.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The fence.
    pub fence: Fence,
    /// The number of each permitted step in the run, in order.
    pub numbers: Vec<i64>,
}

/// Begins a run: the layout, the claim, and for approved steps the list of keys that were approved.
///
/// An interrupted run whose approval still counts goes on under its own id. `looked` is what was seen of our
/// own schema in the look that the steps rest on; `None` where they rest on none.
///
/// # Errors
/// Another resource has the claim, another run has the lock or has been at work since that look, or the keys
/// of an approved step are not those of the plan any more.
pub async fn begin(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    permitted: &Permitted,
    looked: Option<&Bookkeeping>,
    take_claim: Option<&str>,
    run_id: String,
) -> Result<Begun, DatabaseError> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    settings(&mut transaction, target.timeout).await?;
    // Nothing of the app runs in this transaction, and our own tables are made in it.
    catalog_path(&mut transaction).await?;
    enforced(&mut transaction).await?;
    lock(&mut transaction, &known.identity, known.users.oid).await?;
    trust::require(&mut transaction, known.users.oid).await?;
    ledger::migrate(&mut transaction).await?;
    if let Some(looked) = looked {
        nobody_since(&mut transaction, target, known, looked).await?;
    }
    let resumed = permitted.steps.iter().find_map(|step| match &step.by {
        Permission::Resume { run, .. } => Some(run.clone()),
        _ => None,
    });
    let fresh = permitted.steps.iter().any(|step| !matches!(step.by, Permission::Resume { .. }));
    let epoch = claim(&mut transaction, target, known, permitted.approval.is_some(), take_claim).await?;
    ledger::sweep(&mut transaction, target, &known.identity).await?;
    let mut fence = Fence {
        identity: known.identity.clone(),
        user_table: known.users.oid,
        owner: target.resource.uid.clone(),
        epoch,
        run: resumed.clone().unwrap_or(run_id),
        plan_hash: permitted.approval.clone(),
        statement_timeout: target.timeout,
    };
    let mut next = 1;
    if let Some(run) = &resumed {
        let mut sql =
            Sql::new("SELECT plan_hash FROM auth_consistency.runs WHERE run OPERATOR(pg_catalog.=) ");
        sql.text(run);
        fence.plan_hash = sql.scalar(&mut transaction).await?;
        let mut sql = Sql::new(
            "SELECT coalesce(max(step), 0) + 1 FROM auth_consistency.steps WHERE run OPERATOR(pg_catalog.=) ",
        );
        sql.text(run);
        next = sql.scalar(&mut transaction).await?;
    } else if fresh {
        let mut sql = Sql::new(
            "INSERT INTO auth_consistency.runs (run, system_identifier, database_oid, owner, owner_name, generation, \
             plan_hash) VALUES (",
        );
        sql.text(&fence.run)
            .add(", ")
            .text(&fence.identity.system)
            .add(", ")
            .integer(fence.identity.database);
        sql.add(", ").text(&fence.owner).add(", ").text(owner_name(target));
        sql.add(", ")
            .integer(target.resource.generation)
            .add(", ")
            .text_or_null(fence.plan_hash.clone())
            .add(")");
        sql.execute(&mut transaction).await?;
    }
    let mut numbers = Vec::new();
    for step in &permitted.steps {
        if let Permission::Resume { number, .. } = &step.by {
            numbers.push(*number);
            continue;
        }
        let object = step.step.object();
        let mut sql = Sql::new(
            "INSERT INTO auth_consistency.steps (run, step, action, schema_name, table_name, column_names, \
             constraint_name, ceiling) VALUES (",
        );
        sql.text(&fence.run).add(", ").integer(next).add(", ").text(step.step.action().as_str());
        sql.add(", ").text(&object.schema).add(", ").text(&object.table).add(", ");
        sql.texts(object.columns.iter().cloned().map(Some).collect());
        sql.add(", ").text_or_null(object.constraint.clone()).add(", ").integer(step.ceiling).add(")");
        sql.execute(&mut transaction).await?;
        crate::engine::postgres::repair::rows::list_keys(&mut transaction, &fence, known, &step.step, next)
            .await?;
        crate::engine::postgres::observe::sessions::list(&mut transaction, &fence, known, &step.step, next)
            .await?;
        if let Some(terms) = terms(&step.step) {
            let mut sql = Sql::new("UPDATE auth_consistency.steps SET passed_key = ");
            sql.text(terms).add(" WHERE run OPERATOR(pg_catalog.=) ").text(&fence.run);
            sql.add(" AND step OPERATOR(pg_catalog.=) ").integer(next);
            sql.execute(&mut transaction).await?;
        }
        numbers.push(next);
        next += 1;
    }
    transaction.commit().await?;
    Ok(Begun { fence, numbers })
}

/// No other run has begun or done anything since the look. What it found may be mended by now, and a step
/// that does not look again would mend it twice. Whoever has an effect holds the lock that we hold here.
async fn nobody_since(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    looked: &Bookkeeping,
) -> Result<(), DatabaseError> {
    let claim = ledger::claim(connection, &known.identity, known.users.oid).await?;
    let held = |claim: Option<&Claim>| claim.map(|claim| (claim.owner.clone(), claim.epoch));
    let same_run = held(claim.as_ref()) == held(looked.claim.as_ref());
    let last = ledger::last_entry(connection, target, &known.identity).await?;
    if same_run && last == looked.last_entry { Ok(()) } else { Err(DatabaseError::Overtaken) }
}

fn owner_name(target: &Target) -> String {
    format!("{}/{}", target.resource.namespace, target.resource.name)
}

/// Takes or renews the claim and returns the new epoch.
async fn claim(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    approved: bool,
    take_claim: Option<&str>,
) -> Result<i64, DatabaseError> {
    let owner = &target.resource.uid;
    if let Some(claim) = ledger::claim(connection, &known.identity, known.users.oid).await?
        && claim.owner != *owner
    {
        if requests::bars(target, &claim, take_claim) {
            return Err(DatabaseError::ClaimLost(requests::claimed(target, &claim)));
        }
        ledger::end_runs_of(connection, &known.identity, &claim.owner).await?;
    }
    let mut sql = Sql::new(
        "INSERT INTO auth_consistency.claims AS held (system_identifier, database_oid, user_table_oid, owner, owner_name, \
         epoch, plan_serial, operator, takes) VALUES (",
    );
    sql.text(&known.identity.system).add(", ").integer(known.identity.database).add(", ");
    sql.integer(known.users.oid).add(", ").text(owner).add(", ").text(owner_name(target)).add(", 1, ");
    sql.integer(i64::from(approved)).add(", ").text_or_null(target.operator.clone());
    // A claim that is made anew, since somebody deleted it or the table is another one, counts on from where no
    // claim can have come to, so that nothing that was asked of an earlier one is asked of it.
    sql.add(
        ", (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8\
         ) ON CONFLICT (system_identifier, database_oid, user_table_oid) DO UPDATE SET owner = excluded.owner, \
         owner_name = excluded.owner_name, operator = excluded.operator, epoch = held.epoch OPERATOR(pg_catalog.+) 1, \
         takes = held.takes OPERATOR(pg_catalog.+) CASE WHEN held.owner OPERATOR(pg_catalog.=) excluded.owner \
           THEN 0 ELSE 1 END, \
         plan_serial = held.plan_serial OPERATOR(pg_catalog.+) excluded.plan_serial RETURNING held.epoch",
    );
    Ok(sql.scalar(connection).await?)
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
pub(in crate::engine::postgres) struct Standing {
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
) -> Result<(Transaction<'c, Postgres>, Standing), DatabaseError> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    // One statement, since each costs a chunk a way to the server and back. The claim's row is only
    // waited for by whoever has the lock.
    let mut sql = Sql::new("WITH l AS MATERIALIZED (SELECT ");
    try_lock(&mut sql, &fence.identity, fence.user_table);
    sql.add(
        " AS had), held AS MATERIALIZED (SELECT c.owner, c.epoch FROM auth_consistency.claims c, l \
         WHERE l.had AND c.system_identifier OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.identity.system).add(" AND c.database_oid OPERATOR(pg_catalog.=) ");
    sql.integer(fence.identity.database).add(" AND c.user_table_oid OPERATOR(pg_catalog.=) ");
    sql.integer(fence.user_table).add(" FOR UPDATE OF c) SELECT pg_catalog.set_config('statement_timeout', ");
    sql.text(fence.statement_timeout.as_millis().to_string());
    sql.add(
        ", true), (SELECT l.had FROM l), (SELECT held.owner FROM held), (SELECT held.epoch FROM held), \
         s.ceiling OPERATOR(pg_catalog.-) s.done, s.chunk, s.passed_tid, s.passed_key, ",
    );
    sql.add(ENFORCED).add(
        " FROM (SELECT) one \
         LEFT JOIN auth_consistency.steps s ON s.run OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.run).add(" AND s.step OPERATOR(pg_catalog.=) ").integer(step);
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
    let standing = Standing {
        left: row.try_get::<Option<i64>, _>(4)?.unwrap_or(0),
        chunk: row.try_get::<Option<i64>, _>(5)?.unwrap_or(0),
        passed_tid: row.try_get(6)?,
        passed_key: row.try_get(7)?,
    };
    Ok((transaction, standing))
}

/// Foreign keys and triggers are on, or may be switched on: whoever has them off may only be told.
async fn enforced(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    let mut sql = Sql::new("SELECT ");
    sql.add(ENFORCED);
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

/// How long a statement of the run may take.
async fn settings(connection: &mut PgConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let mut sql = Sql::new("SELECT pg_catalog.set_config('statement_timeout', ");
    sql.text(timeout.as_millis().to_string()).add(", true)");
    sql.execute(connection).await?;
    Ok(())
}

/// The advisory lock on (database, user table), until the transaction ends.
async fn lock(
    connection: &mut PgConnection,
    identity: &DatabaseIdentity,
    user_table: i64,
) -> Result<(), DatabaseError> {
    let mut sql = Sql::new("SELECT ");
    try_lock(&mut sql, identity, user_table);
    if sql.scalar::<bool>(connection).await? { Ok(()) } else { Err(DatabaseError::Fenced) }
}

fn try_lock(sql: &mut Sql, identity: &DatabaseIdentity, user_table: i64) {
    sql.add("pg_catalog.pg_try_advisory_xact_lock(");
    lock_keys(sql, identity, user_table);
}

fn lock_keys(sql: &mut Sql, identity: &DatabaseIdentity, user_table: i64) {
    // The lock's two keys are signed 32 bit numbers, object ids unsigned ones: the same bits.
    let bits = |oid: i64| i64::from(oid as u32 as i32);
    sql.integer(bits(identity.database));
    sql.add("::pg_catalog.int4, ").integer(bits(user_table)).add("::pg_catalog.int4)");
}

/// Ends a run: nothing of it is resumed any more.
///
/// # Errors
/// The run was overtaken, or the database fails.
pub async fn close(connection: &mut PgConnection, fence: &Fence) -> Result<(), DatabaseError> {
    let mut transaction = enter(connection, fence).await?;
    let mut sql = Sql::new(
        "UPDATE auth_consistency.runs SET closed_at = pg_catalog.clock_timestamp() WHERE closed_at IS NULL \
         AND owner OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.owner).add(" AND system_identifier OPERATOR(pg_catalog.=) ").text(&fence.identity.system);
    sql.add(" AND database_oid OPERATOR(pg_catalog.=) ").integer(fence.identity.database);
    sql.execute(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// What the database wrote down of a step, in the transactions that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows that it may still change.
    pub left: i64,
    /// Rows that it has changed, in whatever pass.
    pub done: i64,
    /// Whether the audit tells of it.
    pub audited: bool,
}

/// What was done of a step whose connection broke, whether or not anybody heard of its COMMIT. It waits for
/// a transaction of the run that the server has not ended yet.
///
/// # Errors
/// The database fails, or that transaction does not end.
pub async fn written(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
) -> Result<Option<Written>, DatabaseError> {
    let mut transaction = wait(connection, fence).await?;
    let mut sql = Sql::new(
        "SELECT s.ceiling OPERATOR(pg_catalog.-) s.done, EXISTS (SELECT FROM auth_consistency.audit a \
         WHERE a.run OPERATOR(pg_catalog.=) s.run AND a.step OPERATOR(pg_catalog.=) s.step), s.done \
         FROM auth_consistency.steps s WHERE s.run OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.run).add(" AND s.step OPERATOR(pg_catalog.=) ").integer(step);
    let row = sql.optional(&mut transaction).await?;
    transaction.rollback().await?;
    row.map(|row| Ok(Written { left: row.try_get(0)?, audited: row.try_get(1)?, done: row.try_get(2)? }))
        .transpose()
}

/// The rows that a run's audit tells of, by object in words.
///
/// # Errors
/// The database fails, or a transaction of the run does not end.
pub async fn audited(
    connection: &mut PgConnection,
    fence: &Fence,
) -> Result<Vec<(String, i64)>, DatabaseError> {
    let mut transaction = wait(connection, fence).await?;
    let mut sql = Sql::new(
        "SELECT a.object, pg_catalog.sum(a.rows)::pg_catalog.int8 FROM auth_consistency.audit a \
         WHERE a.run OPERATOR(pg_catalog.=) ",
    );
    sql.text(&fence.run).add(" GROUP BY a.object ORDER BY pg_catalog.min(a.id)");
    let rows = sql.all(&mut transaction).await?;
    transaction.rollback().await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Opens a transaction once no other one of the run is open.
async fn wait<'c>(
    connection: &'c mut PgConnection,
    fence: &Fence,
) -> Result<Transaction<'c, Postgres>, DatabaseError> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    settings(&mut transaction, fence.statement_timeout).await?;
    let mut sql = Sql::new("SELECT pg_catalog.pg_advisory_xact_lock(");
    lock_keys(&mut sql, &fence.identity, fence.user_table);
    sql.execute(&mut transaction).await?;
    Ok(transaction)
}
