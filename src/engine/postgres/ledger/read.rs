//! What our own schema says of runs, claims and requests.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sqlx::{PgConnection, Row};

use crate::{
    api::{
        report::ObjectRef,
        status::{MAX_HISTORY, Repair},
    },
    domain::{
        facts::{Bookkeeping, OpenRun, OpenStep, schema::DatabaseIdentity},
        request::Requests,
        target::Target,
        text::clip,
    },
    engine::postgres::{
        ledger::{
            audit::action,
            claim::claim,
            last_entry, last_reset,
            migrate::{newer, version},
            overdue::overdue,
            reset_before, trust,
        },
        session::error::DatabaseError,
        sql::Sql,
        sql_name::sql_name,
    },
};

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
    let untrusted = if doubtful { trust::observe(connection, user_table).await? } else { Vec::new() };
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
    found.overdue = overdue(connection, target, identity).await?;
    found.history = history(connection, target, identity).await?;
    Ok(found)
}

/// Begins a statement about rows of this target identity.
pub(in crate::engine::postgres) fn mine(
    sql: &'static str,
    target: &Target,
    identity: &DatabaseIdentity,
) -> Sql {
    let mut sql = Sql::new(sql);
    only_mine(&mut sql, target, identity);
    sql
}

/// Adds the condition that a row is of this target identity.
pub(in crate::engine::postgres) fn only_mine(sql: &mut Sql, target: &Target, identity: &DatabaseIdentity) {
    sql.add("system_identifier OPERATOR(pg_catalog.=) ").text(&identity.system);
    sql.add(" AND database_oid OPERATOR(pg_catalog.=) ").integer(identity.database);
    sql.add(" AND owner OPERATOR(pg_catalog.=) ").text(&target.resource.uid);
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
