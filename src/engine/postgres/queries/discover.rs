//! Looks for columns that name users although no foreign key says so. Reads a bounded sample of a
//! bounded number of columns, and writes nothing.

use crate::engine::Discovered;
use crate::engine::postgres::catalog::condition::text;
use crate::{
    api::report::{ObjectRef, Skipped},
    domain::{
        advise::{
            account_names::AccountNames,
            suggestions::{self, Sampled, Value},
        },
        facts::key_kind::KeyKind,
        target::Target,
        text::clip,
    },
    engine::postgres::{
        catalog::{self, Column, Found, reference::ReferenceTable, resolved::ResolvedSchema},
        observe::{scope::elsewhere, users},
        session::{
            error::{DatabaseError, unusable_users},
            transaction::{LOCKED, prepare},
        },
        sql::Sql,
    },
};

mod other_tables;

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, Row};

/// Columns that are looked at.
const MOST_COLUMNS: i64 = 200;

/// Rows of a sample.
const SAMPLE_ROWS: i64 = 10_000;

/// Tables with more rows than this are sampled by blocks, the others read from their beginning.
const LARGE_ROWS: i64 = 100_000;

/// Values that are held against the logins of all users: few, since old servers compare each with each.
const MOST_LOGINS: usize = 50;

/// No column is worth waiting longer for.
const LONGEST: Duration = Duration::from_secs(5);

/// A column that may name users.
struct Candidate {
    object: ObjectRef,
    rows: Option<i64>,
    type_column: Option<String>,
    readable: bool,
}

/// Samples the columns that may name users.
///
/// # Errors
/// The user table cannot be used, or the database fails as a whole.
pub async fn discover(
    connection: &mut PgConnection,
    target: &Target,
    names: &AccountNames,
) -> Result<Discovered, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let Ok((known, users)) = users::users(connection, target).await? else {
        return Err(unusable_users());
    };
    let (candidates, all) = candidates(connection, target, &known, names.endings()).await?;
    let mut found = Discovered {
        sampled: Vec::new(),
        id_kind: users.id_kind,
        left: all - i64::try_from(candidates.len()).unwrap_or(i64::MAX),
        skipped: Vec::new(),
        elsewhere: elsewhere::of_target(connection, target, &known).await?,
    };
    let others = other_tables::of(connection, &known).await?;
    prepare(connection, target.timeout.min(LONGEST)).await?;
    for candidate in candidates {
        let object = candidate.object.clone();
        let why = if candidate.readable {
            let mut inner = connection.begin().await?;
            match sample(&mut inner, &known, candidate).await {
                Ok(Ok(sampled)) => {
                    inner.commit().await?;
                    let Some(mut sampled) = sampled else { continue };
                    // What a column beside says is not held against other tables.
                    if sampled.type_column.is_none()
                        && suggestions::suggest(&sampled, found.id_kind, names).is_some()
                    {
                        sampled.others =
                            other_tables::held_against(connection, &others, &sampled.values).await?;
                    }
                    found.sampled.push(sampled);
                    continue;
                }
                Ok(Err(why)) => {
                    inner.rollback().await?;
                    why
                }
                // Nothing more is read from this server, and no rollback would be answered.
                Err(error) if DatabaseError::is_refusal(&error) => return Err(error.into()),
                Err(error) => {
                    let error = DatabaseError::from(error);
                    let Some(code) = error.sqlstate() else { return Err(error) };
                    inner.rollback().await?;
                    match code.as_str() {
                        "57014" => format!("a sample took longer than {} s", LONGEST.as_secs()),
                        "55P03" => LOCKED.to_owned(),
                        _ => error.with_names(connection).await.to_string(),
                    }
                }
            }
        } else {
            format!("no SELECT privilege on {}.{}", object.schema, object.table)
        };
        found.skipped.push(Skipped { object, why: clip(&why, 512), asked: false, transient: false });
    }
    transaction.rollback().await?;
    Ok(found)
}

/// The most promising columns, and how many there are in all: one statement, whatever the size of the
/// catalogue.
async fn candidates(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    endings: &[String],
) -> Result<(Vec<Candidate>, i64), DatabaseError> {
    let (alike, further) = known.id.comparable();
    let texts = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
    let ruled = target.references.rules.iter().filter(|rule| {
        // The column of a foreign key that is gone is looked at, too.
        let gone =
            rule.rule.constraint.is_some() && rule.rule.columns.as_ref().is_some_and(|all| all.len() == 1);
        rule.rule.declared || rule.rule.ignore || gone
    });
    let ruled: Vec<(String, String, Option<String>)> = ruled
        .flat_map(|rule| {
            let columns = match &rule.rule.columns {
                Some(columns) => columns.iter().cloned().map(Some).collect(),
                None => vec![None],
            };
            columns.into_iter().map(|column| (rule.schema.clone(), rule.rule.table.clone(), column))
        })
        .collect();
    let mut sql = Sql::new("WITH ruled AS (SELECT s, t, c FROM ROWS FROM (unnest(");
    sql.texts(ruled.iter().map(|(schema, ..)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(ruled.iter().map(|(_, table, _)| Some(table.clone())).collect()).add("), unnest(");
    sql.texts(ruled.iter().map(|(.., column)| column.clone()).collect());
    sql.add(
        ")) AS r(s, t, c)), columns AS (SELECT c.oid AS r, n.nspname::text AS s, c.relname::text AS t, \
           a.attname::text AS c, a.attnum AS n, c.reltuples, c.relkind, bt.typname::text AS type, \
           lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) AS plain, \
           has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type bt ON bt.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency') AND n.nspname !~ '^pg_(toast|temp)' \
         AND a.attidentity = '' AND a.attgenerated = '' \
         AND NOT EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum \
                         AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%') \
         AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid AND a.attnum = ANY (k.conkey)) \
         AND bt.typname::text = ANY (",
    );
    sql.texts(texts(&[alike, further].concat())).add(") AND NOT (c.oid = ").integer(known.users.oid);
    sql.add("::oid AND a.attname::text = ANY (");
    let own = [Some(&known.id), known.login.as_ref()];
    sql.texts(own.into_iter().flatten().map(|column| Some(column.name.as_str().to_owned())).collect());
    sql.add(
        ")) AND NOT EXISTS (SELECT FROM ruled x WHERE x.s = n.nspname::text AND x.t = c.relname::text \
                           AND coalesce(x.c = a.attname::text, true))), \
         told AS (SELECT k.*, EXISTS (SELECT FROM unnest(",
    );
    sql.texts(endings.iter().cloned().map(Some).collect());
    sql.add(
        ") e WHERE k.plain = e OR right(k.plain, length(e) + 1) = '_' || e) \
           OR (k.plain ~ '_(id|uuid)$' AND EXISTS (SELECT FROM pg_attribute y WHERE y.attrelid = k.r AND y.attnum > 0 AND NOT y.attisdropped \
               AND lower(regexp_replace(y.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) = regexp_replace(k.plain, '(id|uuid)$', 'type'))) AS named FROM columns k), \
         all_of AS (SELECT *, count(*) OVER () AS many FROM told WHERE named OR type = ANY (",
    );
    sql.texts(texts(alike));
    sql.add(
        ")) SELECT s, t, c, CASE WHEN relkind = 'p' THEN (SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(r) p \
               JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf)::int8 WHEN reltuples >= 0 THEN reltuples::int8 END, \
             (SELECT a.attname::text FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid \
              WHERE a.attrelid = k.r AND a.attnum > 0 AND NOT a.attisdropped \
              AND (y.typname IN ('text', 'varchar', 'bpchar', 'citext') OR y.typtype = 'e') \
              AND has_column_privilege(k.r, a.attnum, 'SELECT') \
              AND lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) \
                IN (regexp_replace(k.plain, '_?(id|uuid)$', '') || '_type', k.plain || '_type', \
                    regexp_replace(k.plain, '_?(id|uuid)$', '') || '_kind') LIMIT 1), \
             readable, many \
         FROM all_of k ORDER BY named DESC, reltuples DESC, s, t, c LIMIT ",
    );
    sql.integer(MOST_COLUMNS);
    let mut candidates = Vec::new();
    let mut all = 0;
    for row in sql.all(connection).await? {
        all = row.try_get(6)?;
        candidates.push(Candidate {
            object: ObjectRef {
                schema: row.try_get(0)?,
                table: row.try_get(1)?,
                columns: vec![row.try_get(2)?],
                constraint: None,
            },
            rows: row.try_get(3)?,
            type_column: row.try_get(4)?,
            readable: row.try_get(5)?,
        });
    }
    Ok((candidates, all))
}

/// Reads a sample of one column. `None` where its values cannot be users in any spelling; the inner error says why it
/// is not read.
async fn sample(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    candidate: Candidate,
) -> Result<Result<Option<Sampled>, String>, sqlx::Error> {
    let object = &candidate.object;
    let Found::Table(mut child) = catalog::find_table(connection, &object.schema, &object.table).await?
    else {
        return Ok(Ok(None));
    };
    child.beside(&known.users);
    let Some(column) = object.columns.first().and_then(|name| child.column(name)).cloned() else {
        return Ok(Ok(None));
    };
    let kind = candidate.type_column.as_ref().and_then(|name| child.column(name)).cloned();
    if let Some(why) = child.refused([&column], &kind) {
        return Ok(Err(why));
    }
    let operators = catalog::equalities(connection, known.id.base_oid, &[column.base_oid]).await?;
    let operators = operators.into_values().next();
    let table = ReferenceTable {
        object: Arc::new(object.clone()),
        parent: Arc::clone(&known.users),
        columns: vec![column.clone()],
        parent_columns: vec![known.id.clone()],
        operators: operators.map(|operator| Arc::from([operator])),
        match_full: false,
        key: None,
        partition_keys: Vec::new(),
        twins: Vec::new(),
        absent: Vec::new(),
        only_where: Vec::new(),
        primary_key: Arc::default(),
        shared: Vec::new(),
        ids: None,
        child: Arc::from(child),
    };
    let mut sql = Sql::new("WITH c AS MATERIALIZED (SELECT c.");
    sql.name(&column.name).add(", ");
    match &kind {
        Some(kind) => {
            sql.add("left(");
            text(&mut sql, "c", kind);
            sql.add(", 64)")
        }
        None => sql.add("NULL::text"),
    };
    sql.add(" AS _ac_kind, count(*) AS _ac_rows FROM (SELECT * FROM ").only(&table.child.relation).add(" c");
    if let Some(rows) = candidate.rows.filter(|rows| *rows > LARGE_ROWS) {
        // A little more than is wanted, since blocks are not equally full.
        let thousandths = (SAMPLE_ROWS * 150_000 / rows).max(1);
        sql.add(" TABLESAMPLE SYSTEM ((least(").integer(thousandths).add(", 100000) / 1000.0)::real)");
    }
    sql.add(" WHERE ").column("c", &column.name).add(" IS NOT NULL LIMIT ").integer(SAMPLE_ROWS);
    sql.add(") c GROUP BY 1, 2) SELECT left(")
        .column("c", &column.name)
        .add("::text, 64), c._ac_kind, c._ac_rows, (");
    table.orphaned(&mut sql);
    sql.add(") FROM c");
    let mut values = Vec::new();
    for row in sql.all(connection).await? {
        let orphan: bool = row.try_get(3)?;
        values.push(Value {
            text: row.try_get(0)?,
            kind: row.try_get(1)?,
            rows: row.try_get(2)?,
            user: !orphan,
        });
    }
    let logins = match &known.login {
        Some(login) if column.kind() == KeyKind::Text && values.iter().all(|value| !value.user) => {
            logins(connection, known, login, &values).await?
        }
        _ => false,
    };
    let chance = match known.id.kind() {
        KeyKind::Integer => chance(connection, known, &values).await?,
        _ => None,
    };
    Ok(Ok(Some(Sampled {
        object: candidate.object,
        column_type: column.declared_type.as_str().to_owned(),
        rows: candidate.rows,
        type_column: kind.map(|kind| kind.name.as_str().to_owned()),
        values,
        logins,
        chance,
        others: Vec::new(),
    })))
}

/// Whether most of the first values are logins of users.
async fn logins(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    login: &Column,
    values: &[Value],
) -> Result<bool, sqlx::Error> {
    if known.users.refused([login], []).is_some() {
        return Ok(false);
    }
    let values: Vec<Option<String>> =
        suggestions::somebody(values).take(MOST_LOGINS).map(|value| Some(value.text.clone())).collect();
    let all = i64::try_from(values.len()).unwrap_or(i64::MAX);
    let mut sql = Sql::new("SELECT count(DISTINCT p.login) FROM (SELECT (");
    text(&mut sql, "p", login);
    sql.add(") COLLATE pg_catalog.\"C\" AS login FROM ").only(&known.users.relation);
    sql.add(" p) p WHERE p.login OPERATOR(pg_catalog.=) ANY (").texts(values).add(")");
    let found: i64 = sql.scalar(connection).await?;
    Ok(found.saturating_mul(2) > all)
}

/// How many numbers of a hundred between the lowest and the highest value of the sample are users.
async fn chance(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    values: &[Value],
) -> Result<Option<i64>, sqlx::Error> {
    let numbers = || values.iter().filter_map(|value| value.text.parse::<i64>().ok());
    let (Some(low), Some(high)) = (numbers().min(), numbers().max()) else { return Ok(None) };
    let mut sql = Sql::new("SELECT count(*) FROM ");
    sql.only(&known.users.relation).add(" p WHERE ").column("p", &known.id.name).add(" >= ").integer(low);
    sql.add(" AND ").column("p", &known.id.name).add(" <= ").integer(high);
    let there: i64 = sql.scalar(connection).await?;
    let range = i128::from(high) - i128::from(low) + 1;
    // Where ids stand in several rows, there are more rows than numbers.
    Ok(i64::try_from(i128::from(there) * 100 / range).ok().map(|chance| chance.min(100)))
}

/// Samples and what they come to.
///
/// # Errors
/// As [`discover`].
pub async fn suggestions(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<(Vec<suggestions::Suggestion>, Discovered), DatabaseError> {
    let names = AccountNames::of(&target.users.table);
    let found = discover(connection, target, &names).await?;
    let all = found.sampled.iter().filter_map(|one| suggestions::suggest(one, found.id_kind, &names));
    let all = all.map(|one| suggestions::beside(one, &target.references.rules));
    Ok((suggestions::ordered(all.collect()), found))
}
