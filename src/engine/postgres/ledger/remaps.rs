//! What earlier repairs have made of the rows of a reference: a row that was given to somebody names a
//! new id, and must never be taken for an old one that names the same.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use crate::{
    api::report::ObjectRef,
    engine::postgres::{
        ledger::{fence::Fence, trust},
        sql::{Name, Relation, Sql, run},
    },
};

/// What is known of a reference's past.
#[derive(Debug, Default)]
pub(in crate::engine::postgres) struct Past {
    /// All old rows were given back by this very list.
    pub settled: bool,
    /// A run that gave rows to somebody and was not undone as a whole.
    pub touched: Option<String>,
}

/// Rows of one step, and how many of them were put back.
#[derive(Default)]
struct Done {
    rows: i64,
    restored: i64,
    moved: bool,
}

/// Looks the past of a reference up.
pub(in crate::engine::postgres) async fn of(
    connection: &mut PgConnection,
    object: &ObjectRef,
    list: &str,
) -> Result<Past, sqlx::Error> {
    let there: bool = Sql::new(
        "SELECT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'auth_consistency' \
         AND has_schema_privilege(n.oid, 'USAGE')) AND to_regclass('auth_consistency.audit') IS NOT NULL",
    )
    .scalar(connection)
    .await?;
    if !there {
        return Ok(Past::default());
    }
    // What another database did is in the rows that a dump brought along: whoever did it, it is done.
    let mut done: BTreeMap<(String, i64), Done> = BTreeMap::new();
    let mut sql = Sql::new("SELECT run, step, sum(rows)::int8 FROM auth_consistency.audit WHERE ");
    sql.add("action IN ('Remap', 'Reassign') AND object = ")
        .text(object.describe())
        .add(" GROUP BY run, step");
    for row in sql.all(connection).await? {
        let rows = row.try_get(2)?;
        done.insert((row.try_get(0)?, row.try_get(1)?), Done { rows, ..Done::default() });
    }
    // An older layout says in each copy what it belongs to; the next repair brings it to this one.
    let batches: bool =
        Sql::new("SELECT to_regclass('auth_consistency.batches') IS NOT NULL").scalar(connection).await?;
    let kept = if batches { quarantines(connection, object).await? } else { Vec::new() };
    for quarantine in kept {
        let mut sql = Sql::new(
            "SELECT b.run, b.step, bool_or(b.action = 'MoveId'), count(q._ac_restored_at), count(*) FROM ",
        );
        sql.relation(&quarantine).add(" q JOIN auth_consistency.batches b ON b.batch = q._ac_batch ");
        sql.add("WHERE b.action IN ('Remap', 'Reassign', 'MoveId') GROUP BY b.run, b.step");
        for row in sql.all(connection).await? {
            let key = (row.try_get(0)?, row.try_get(1)?);
            if row.try_get::<bool, _>(2)? {
                let one = done.entry(key).or_default();
                one.moved = true;
                one.rows = one.rows.saturating_add(row.try_get(4)?);
            } else if let Some(one) = done.get_mut(&key) {
                one.restored = one.restored.saturating_add(row.try_get(3)?);
            }
        }
    }
    let standing = |one: &Done| one.rows > one.restored;
    let mut past = Past {
        touched: done.iter().find(|(_, one)| standing(one)).map(|((run, _), _)| run.clone()),
        settled: false,
    };
    let remaps: bool =
        Sql::new("SELECT to_regclass('auth_consistency.remaps') IS NOT NULL").scalar(connection).await?;
    if remaps {
        let mut sql = Sql::new("SELECT run, step FROM auth_consistency.remaps WHERE object = ");
        sql.text(object.describe()).add(" AND list = ").text(list).add(" AND shifted > 0");
        for row in sql.all(connection).await? {
            let one = done.get(&(row.try_get(0)?, row.try_get(1)?));
            past.settled |= one.is_some_and(|one| one.restored == 0 && !one.moved);
        }
    }
    Ok(past)
}

/// The quarantine tables of a table, whatever columns it had.
pub(in crate::engine::postgres) async fn quarantines(
    connection: &mut PgConnection,
    object: &ObjectRef,
) -> Result<Vec<Relation>, sqlx::Error> {
    let mut sql =
        Sql::new("SELECT name FROM auth_consistency.quarantine WHERE schema_name OPERATOR(pg_catalog.=) ");
    sql.text(&object.schema).add(" AND table_name OPERATOR(pg_catalog.=) ").text(&object.table);
    // Somebody may have dropped one by hand.
    sql.add(" AND pg_catalog.to_regclass(pg_catalog.format('auth_consistency.%I', name)) IS NOT NULL");
    let rows = sql.all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(Relation {
                schema: Name::from_catalog("auth_consistency".into()),
                name: Name::from_catalog(row.try_get(0)?),
                partitioned: false,
            })
        })
        .collect()
}

/// Writes down that a list was applied to a reference, in the transaction that does it.
pub(in crate::engine::postgres) async fn remember(
    connection: &mut PgConnection,
    fence: &Fence,
    step: i64,
    object: &ObjectRef,
    list: &str,
    shifted: i64,
) -> Result<(), sqlx::Error> {
    let there: bool = Sql::new("SELECT pg_catalog.to_regclass('auth_consistency.remaps') IS NOT NULL")
        .scalar(connection)
        .await?;
    // Made when it is first needed, as the quarantine tables are.
    if !there {
        run(
            connection,
            "CREATE TABLE auth_consistency.remaps (system_identifier pg_catalog.text NOT NULL, \
             database_oid bigint NOT NULL, run pg_catalog.text NOT NULL, step bigint NOT NULL, object pg_catalog.text NOT NULL, \
             list pg_catalog.text NOT NULL, shifted bigint NOT NULL, at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp())",
        )
        .await?;
        trust::keep_to_ourselves(connection).await?;
    }
    let mut sql = Sql::new(
        "INSERT INTO auth_consistency.remaps (system_identifier, database_oid, run, step, object, list, shifted) VALUES (",
    );
    sql.text(&fence.identity.system).add(", ").integer(fence.identity.database).add(", ").text(&fence.run);
    sql.add(", ").integer(step).add(", ").text(object.describe()).add(", ").text(list);
    sql.add(", ").integer(shifted).add(")");
    sql.execute(connection).await?;
    Ok(())
}
