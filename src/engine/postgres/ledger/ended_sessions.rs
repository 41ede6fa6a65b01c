//! For what sessions were ended, and which ids were moved lately: what the database remembers.

use crate::{
    domain::{
        facts::{
            schema::DatabaseIdentity,
            sessions::{Audience, Ended, Invalidation, MovedId},
        },
        target::Target,
    },
    engine::postgres::{
        catalog::{condition::equals, resolved::ResolvedSchema},
        ledger::{fence::Fence, quarantine::Quarantine, trust},
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Only, Sql, run, sql, with},
    },
};

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

/// Whether the role may read a table of our own schema; one that is not there has nothing to tell.
async fn readable(connection: &mut PgConnection, table: &str) -> Result<bool, sqlx::Error> {
    let sql = sql!(
        "SELECT coalesce((
           SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'auth_consistency' AND has_schema_privilege(n.oid, 'USAGE')
           AND c.relname::text = {table}), false)",
        table = table,
    );
    sql.scalar(connection).await
}

/// Adds the condition that a row is of this target identity.
fn mine(sql: &mut Sql, target: &Target, known: &ResolvedSchema) {
    sql!(
        sql,
        "b.system_identifier = {system} AND b.database_oid = {database} AND b.owner = {owner}",
        system = known.identity.system,
        database = known.identity.database,
        owner = target.resource.uid,
    );
}

/// For what, and whose, sessions were ended before.
pub(in crate::engine::postgres) async fn ended(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Vec<Ended>, DatabaseError> {
    if !known.ours || !readable(connection, "ended").await? {
        return Ok(Vec::new());
    }
    let sql = sql!(
        "SELECT b.cause, b.accounts, b.restored_at IS NOT NULL FROM auth_consistency.ended b WHERE {mine}",
        mine = with(|sql| mine(sql, target, known)),
    );
    let mut ended = Vec::new();
    for row in sql.all(connection).await? {
        let accounts: Option<Vec<String>> = row.try_get(1)?;
        ended.push(Ended {
            cause: row.try_get(0)?,
            accounts: accounts.map(|ids| ids.into_iter().collect::<BTreeSet<_>>()),
            restored: row.try_get(2)?,
        });
    }
    Ok(ended)
}

/// The time that an interrupted run was setting for the same accounts and the same reason, in seconds since
/// the epoch: another run goes on with it, so that what was done is not done again.
pub(in crate::engine::postgres) async fn begun(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    digest: &str,
) -> Result<Option<i64>, DatabaseError> {
    if !known.ours || !readable(connection, "batches").await? {
        return Ok(None);
    }
    let sql = sql!(
        "SELECT min(floor(extract(epoch FROM b.opened_at))::int8) FROM auth_consistency.runs b
         JOIN auth_consistency.steps s ON s.run = b.run
         WHERE b.closed_at IS NULL AND b.plan_hash IS NOT NULL
         AND s.action = 'EndSessions' AND s.passed_key = {digest} AND {mine}",
        digest = digest,
        mine = with(|sql| mine(sql, target, known)),
    );
    Ok(sql.scalar(connection).await?)
}

/// Whose runs, and in which database.
#[derive(Clone, Copy)]
pub(in crate::engine::postgres) struct Of<'a> {
    /// The database.
    pub identity: &'a DatabaseIdentity,
    /// The resource's uid.
    pub owner: &'a str,
}

/// Adds the numbers of the batches of runs that are open and about the same.
pub(in crate::engine::postgres) fn batches(sql: &mut Sql, of: &Of<'_>, digest: &str) {
    sql!(
        sql,
        "SELECT b.batch FROM auth_consistency.batches b
         JOIN auth_consistency.runs r ON r.run = b.run
         JOIN auth_consistency.steps s ON s.run = b.run AND s.step = b.step
         WHERE r.closed_at IS NULL AND b.action = 'EndSessions' AND s.passed_key = {digest}
         AND b.system_identifier = {system} AND b.database_oid = {database} AND b.owner = {owner}",
        digest = digest,
        system = of.identity.system,
        database = of.identity.database,
        owner = of.owner,
    );
}

/// Ids that were moved no longer ago than a token lives, and who has them today.
pub(in crate::engine::postgres) async fn moves(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Vec<MovedId>, DatabaseError> {
    let Some(jwt) = &target.jwt else { return Ok(Vec::new()) };
    if !known.ours || !readable(connection, "batches").await? {
        return Ok(Vec::new());
    }
    let lifetime = i64::try_from(jwt.shape.lifetime.as_secs()).unwrap_or(i64::MAX).min(i64::from(i32::MAX));
    let sql = sql!(
        "SELECT b.run, b.step, b.batch, b.name FROM auth_consistency.batches b
         JOIN auth_consistency.quarantine q ON q.name = b.name
         WHERE b.action = 'MoveId' AND q.schema_name = {schema} AND q.table_name = {table} AND {mine}
         AND b.at > (clock_timestamp() - make_interval(secs => {lifetime}::float8))
         ORDER BY b.batch",
        schema = target.users.schema,
        table = target.users.table,
        mine = with(|sql| mine(sql, target, known)),
        lifetime = lifetime,
    );
    // The account's own row is copied before those of the table that name it.
    let mut own: BTreeMap<(String, i64), (i64, String)> = BTreeMap::new();
    for row in sql.every(connection).await? {
        let of = (row.try_get(0)?, row.try_get(1)?);
        own.entry(of).or_insert((row.try_get(2)?, row.try_get(3)?));
    }
    let mut moves = Vec::new();
    for ((run, step), (batch, name)) in own {
        let kept = Quarantine::named(name);
        // Somebody may have dropped the copies, or renamed the column, since.
        let moved = savepoint(connection, async |connection: &mut PgConnection| {
            let sql = sql!(
                "SELECT q.{id}::text, q._ac_new_key FROM {copies} q
                 WHERE q._ac_batch = {batch} AND q._ac_new_key IS NOT NULL LIMIT 1",
                id = known.id.name,
                copies = kept.relation,
                batch = batch,
            );
            let Some(row) = sql.optional(connection).await? else { return Ok(None) };
            let (from, to): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let reused = held(connection, known, &from).await?;
            let held = held(connection, known, &to).await?;
            Ok(Some(MovedId { run, step, from, to, reused, held }))
        });
        moves.extend(moved.await?.ok().flatten());
    }
    Ok(moves)
}

async fn held(connection: &mut PgConnection, known: &ResolvedSchema, id: &str) -> Result<bool, sqlx::Error> {
    let sql = sql!(
        "SELECT EXISTS (SELECT FROM {users} p WHERE {has_id})",
        users = Only(&known.users.relation),
        has_id = with(|sql| equals(sql, "p", &known.id, id)),
    );
    sql.scalar(connection).await
}

/// Writes down how far a step has got.
pub(in crate::engine::postgres) async fn count_done(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    chunk: i64,
    rows: i64,
) -> Result<(), sqlx::Error> {
    let sql = sql!(
        "UPDATE auth_consistency.steps SET done = done + {rows}, chunk = {chunk} WHERE run = {run} AND step = {step}",
        rows = rows,
        chunk = chunk,
        run = fence.run,
        step = step,
    );
    sql.execute(connection).await?;
    Ok(())
}

/// Writes down for what it was done, in the transaction that ends it, and that nothing of it is left: who signed
/// out meanwhile was counted too, and whoever signs in later was not meant.
pub(in crate::engine::postgres) async fn remember(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    due: &Invalidation,
    valid_after: i64,
) -> Result<(), sqlx::Error> {
    let sql = sql!(
        "UPDATE auth_consistency.steps SET ceiling = done WHERE run = {run} AND step = {step}",
        run = fence.run,
        step = step,
    );
    sql.execute(connection).await?;
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.ended') IS NOT NULL")
        .scalar(connection)
        .await?;
    // Made when it is first needed, as the quarantine tables are.
    if !there {
        run(
            connection,
            "CREATE TABLE auth_consistency.ended (system_identifier pg_catalog.text NOT NULL, \
             database_oid bigint NOT NULL, owner pg_catalog.text NOT NULL, run pg_catalog.text NOT NULL, step bigint NOT NULL, \
             cause pg_catalog.text NOT NULL, accounts pg_catalog.text[], valid_after bigint NOT NULL, \
             at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), restored_at pg_catalog.timestamptz)",
        )
        .await?;
        trust::keep_to_ourselves(connection).await?;
    }
    for cause in due.remembered() {
        let sql = sql!(
            "INSERT INTO auth_consistency.ended (system_identifier, database_oid, owner, run, step, cause,
               accounts, valid_after)
             VALUES ({system}, {database}, {owner}, {run}, {step}, {cause}, {accounts}, {valid_after})",
            system = fence.identity.system,
            database = fence.identity.database,
            owner = fence.owner,
            run = fence.run,
            step = step,
            cause = cause,
            accounts = with(|sql| {
                match &due.whom {
                    Audience::Everybody => sql.add("NULL"),
                    Audience::Accounts(ids) => sql.texts(ids.iter().cloned().map(Some).collect()),
                };
            }),
            valid_after = valid_after,
        );
        sql.execute(connection).await?;
    }
    Ok(())
}

/// Writes down that the previous values were put back.
pub(in crate::engine::postgres) async fn restored(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    step: i64,
) -> Result<(), sqlx::Error> {
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.ended') IS NOT NULL")
        .scalar(connection)
        .await?;
    if !there {
        return Ok(());
    }
    let sql = sql!(
        "UPDATE auth_consistency.ended SET restored_at = pg_catalog.clock_timestamp()
         WHERE run = {run} AND step = {step} AND system_identifier = {system} AND database_oid = {database}",
        run = run,
        step = step,
        system = fence.identity.system,
        database = fence.identity.database,
    );
    sql.execute(connection).await?;
    Ok(())
}
