//! A run: its claim, what it may do, and what is written down of it.

use sqlx::{Connection, PgConnection, Postgres, Row, Transaction};

use crate::engine::{RecordedStep, RunRequest};
use crate::{
    domain::{diagnose::requests, plan::undone::terms, step::Permission, target::Target},
    engine::postgres::{
        catalog::resolved::ResolvedSchema,
        ledger::{
            self,
            claim::claim as held_by,
            fence::{BEGIN, Fence, enforced, enter, lock, lock_keys, nobody_since},
            migrate, read, trust,
        },
        repair::rows,
        rowset::session_keys,
        session::{
            error::DatabaseError,
            transaction::{catalog_path, statement_timeout},
        },
        sql::{sql, template::Texts, with},
    },
};

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
    known: &ResolvedSchema,
    request: &RunRequest<'_>,
) -> Result<Begun, DatabaseError> {
    let RunRequest { target, permitted, looked, take_claim, .. } = *request;
    let mut transaction = connection.begin_with(BEGIN).await?;
    statement_timeout(&mut transaction, target.timeout).await?;
    // Nothing of the app runs in this transaction, and our own tables are made in it.
    catalog_path(&mut transaction).await?;
    enforced(&mut transaction).await?;
    lock(&mut transaction, &known.identity, known.users.oid).await?;
    trust::require(&mut transaction, known.users.oid).await?;
    migrate::migrate(&mut transaction).await?;
    if let Some(looked) = looked {
        nobody_since(&mut transaction, target, known, looked).await?;
    }
    let resumed = permitted.steps().iter().find_map(|step| match step.by() {
        Permission::Resume { run, .. } => Some(run.clone()),
        _ => None,
    });
    let fresh = permitted.steps().iter().any(|step| !matches!(step.by(), Permission::Resume { .. }));
    let epoch = claim(&mut transaction, target, known, permitted.approval().is_some(), take_claim).await?;
    read::sweep(&mut transaction, target, &known.identity).await?;
    let mut fence = Fence {
        identity: known.identity.clone(),
        user_table: known.users.oid,
        owner: target.resource.uid.clone(),
        epoch,
        run: resumed.clone().unwrap_or_else(|| request.id.to_owned()),
        plan_hash: permitted.approval().map(str::to_owned),
        statement_timeout: target.timeout,
    };
    let mut next = 1;
    if let Some(run) = &resumed {
        let sql = sql!("SELECT plan_hash FROM auth_consistency.runs WHERE run = {run}", run = run);
        fence.plan_hash = sql.scalar(&mut transaction).await?;
        let sql = sql!(
            "SELECT coalesce(max(step), 0) + 1 FROM auth_consistency.steps WHERE run = {run}",
            run = run,
        );
        next = sql.scalar(&mut transaction).await?;
    } else if fresh {
        let sql = sql!(
            "INSERT INTO auth_consistency.runs (run, system_identifier, database_oid, owner, owner_name, generation,
               plan_hash)
             VALUES ({run}, {system}, {database}, {owner}, {owner_name}, {generation}, {plan_hash})",
            run = fence.run,
            system = fence.identity.system,
            database = fence.identity.database,
            owner = fence.owner,
            owner_name = owner_name(target),
            generation = target.resource.generation,
            plan_hash = fence.plan_hash,
        );
        sql.execute(&mut transaction).await?;
    }
    let mut numbers = Vec::new();
    for step in permitted.steps() {
        if let Permission::Resume { number, .. } = step.by() {
            numbers.push(*number);
            continue;
        }
        let object = step.step().object();
        let sql = sql!(
            "INSERT INTO auth_consistency.steps (run, step, action, schema_name, table_name, column_names,
               constraint_name, ceiling)
             VALUES ({run}, {step}, {action}, {schema}, {table}, {columns}, {constraint}, {ceiling})",
            run = fence.run,
            step = next,
            action = step.step().action().as_str(),
            schema = object.schema,
            table = object.table,
            columns = Texts(&object.columns),
            constraint = object.constraint,
            ceiling = step.ceiling(),
        );
        sql.execute(&mut transaction).await?;
        rows::list_keys(&mut transaction, &fence, known, step.step(), next).await?;
        session_keys::list(&mut transaction, &fence, known, step.step(), next).await?;
        if let Some(terms) = terms(step.step()) {
            let sql = sql!(
                "UPDATE auth_consistency.steps SET passed_key = {terms} WHERE run = {run} AND step = {step}",
                terms = terms,
                run = fence.run,
                step = next,
            );
            sql.execute(&mut transaction).await?;
        }
        numbers.push(next);
        next += 1;
    }
    transaction.commit().await?;
    Ok(Begun { fence, numbers })
}

fn owner_name(target: &Target) -> String {
    format!("{}/{}", target.resource.namespace, target.resource.name)
}

/// Takes or renews the claim and returns the new epoch.
pub(in crate::engine::postgres) async fn claim(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    approved: bool,
    take_claim: Option<&str>,
) -> Result<i64, DatabaseError> {
    let owner = &target.resource.uid;
    if let Some(claim) = held_by(connection, &known.identity, known.users.oid).await?
        && claim.owner != *owner
    {
        if requests::bars(target, &claim, take_claim) {
            return Err(DatabaseError::ClaimLost(requests::claimed(target, &claim)));
        }
        ledger::end_runs_of(connection, &known.identity, &claim.owner).await?;
    }
    // A claim that is made anew, since somebody deleted it or the table is another one, counts on from where no
    // claim can have come to, so that nothing that was asked of an earlier one is asked of it.
    let sql = sql!(
        "INSERT INTO auth_consistency.claims AS held (system_identifier, database_oid, user_table_oid, owner, owner_name,
           epoch, plan_serial, operator, takes)
         VALUES ({system}, {database}, {user_table}, {owner}, {owner_name}, 1, {serial}, {operator},
           (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000)::pg_catalog.int8)
         ON CONFLICT (system_identifier, database_oid, user_table_oid) DO UPDATE SET owner = excluded.owner,
           owner_name = excluded.owner_name, operator = excluded.operator, epoch = held.epoch + 1,
           takes = held.takes + CASE WHEN held.owner = excluded.owner THEN 0 ELSE 1 END,
           plan_serial = held.plan_serial + excluded.plan_serial
         RETURNING held.epoch",
        system = known.identity.system,
        database = known.identity.database,
        user_table = known.users.oid,
        owner = owner,
        owner_name = owner_name(target),
        serial = i64::from(approved),
        operator = target.operator,
    );
    Ok(sql.scalar(connection).await?)
}

/// Ends a run: nothing of it is resumed any more.
///
/// # Errors
/// The run was overtaken, or the database fails.
pub async fn close(connection: &mut PgConnection, fence: &Fence) -> Result<(), DatabaseError> {
    let mut transaction = enter(connection, fence).await?;
    let sql = sql!(
        "UPDATE auth_consistency.runs SET closed_at = pg_catalog.clock_timestamp()
         WHERE closed_at IS NULL AND owner = {owner} AND system_identifier = {system} AND database_oid = {database}",
        owner = fence.owner,
        system = fence.identity.system,
        database = fence.identity.database,
    );
    sql.execute(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
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
) -> Result<Option<RecordedStep>, DatabaseError> {
    let mut transaction = wait(connection, fence).await?;
    let sql = sql!(
        "SELECT s.ceiling - s.done,
           EXISTS (SELECT FROM auth_consistency.audit a WHERE a.run = s.run AND a.step = s.step), s.done
         FROM auth_consistency.steps s WHERE s.run = {run} AND s.step = {step}",
        run = fence.run,
        step = step,
    );
    let row = sql.optional(&mut transaction).await?;
    transaction.rollback().await?;
    row.map(|row| Ok(RecordedStep { left: row.try_get(0)?, audited: row.try_get(1)?, done: row.try_get(2)? }))
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
    let sql = sql!(
        "SELECT a.object, pg_catalog.sum(a.rows)::pg_catalog.int8 FROM auth_consistency.audit a
         WHERE a.run = {run} GROUP BY a.object ORDER BY pg_catalog.min(a.id)",
        run = fence.run,
    );
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
    statement_timeout(&mut transaction, fence.statement_timeout).await?;
    let keys = with(|sql| lock_keys(sql, &fence.identity, fence.user_table));
    let sql = sql!("SELECT pg_catalog.pg_advisory_xact_lock({keys})", keys = keys);
    sql.execute(&mut transaction).await?;
    Ok(transaction)
}
