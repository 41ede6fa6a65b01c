//! Foreign keys of columns that name users, which reference another table than the user table: those of columns that a
//! rule is about, and those to a table that holds accounts and is called as the user table is, or has its logins under its ids.

mod same_accounts;

use crate::{
    api::report::ObjectRef,
    domain::{
        advise::account_names::{ACCOUNT_COLUMNS, AccountNames, Says},
        facts::{KeyElsewhere, Noticed},
        target::{Target, policy::Rule},
    },
    engine::postgres::{
        catalog::{self, Found, declared::by_column, reference::ReferenceTable, resolved::ResolvedSchema},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

/// Foreign keys that are read of one catalog, and those that are told of one.
const MOST: i64 = 1_000;
const MOST_TOLD: usize = 100;

/// Rows of a sample, and accounts that are looked for in the other table.
const SAMPLE: i64 = 1_000;

/// The foreign keys of a target that reference another table. `schemas` are those that the app uses: what others
/// have in schemas of their own is theirs.
///
/// # Errors
/// The database fails as a whole.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    rules: &[Rule],
    schemas: Option<&BTreeSet<String>>,
) -> Result<Vec<KeyElsewhere>, DatabaseError> {
    let names = AccountNames::of(known.users.relation.name.as_str());
    let mut found = Vec::new();
    let mut same = same_accounts::SameAccounts::default();
    for mut key in keys(connection, known, rules, names.head()).await? {
        let ruled = |rule: &&Rule| {
            !rule.rule.ignore
                && (rule.names(&key.fact.object)
                    || (rule.rule.constraint.is_some()
                        && rule.rule.constraint == key.fact.object.constraint
                        && (&rule.schema, &rule.rule.table)
                            == (&key.fact.object.schema, &key.fact.object.table)))
        };
        let ignored = rules.iter().any(|rule| {
            rule.rule.ignore
                && (&rule.schema, &rule.rule.table) == (&key.fact.object.schema, &key.fact.object.table)
                && rule.rule.columns.as_ref().is_none_or(|columns| *columns == key.fact.object.columns)
        });
        let named = key.accounts
            && !ignored
            && schemas.is_some_and(|schemas| schemas.contains(&key.fact.object.schema))
            && matches!(key.fact.object.columns.as_slice(), [one] if names.column(one).is_some_and(|says| says != Says::Perhaps));
        key.fact.noticed = match named {
            _ if rules.iter().any(|rule| ruled(&rule)) => Noticed::Rule,
            true if names.alike(&key.fact.to.table) => Noticed::Names,
            true => match same.of(connection, known, &key.fact.to).await? {
                Some((looked_at, same)) => Noticed::Logins { looked_at, same },
                None => continue,
            },
            false => continue,
        };
        if found.len() < MOST_TOLD {
            found.push(key.fact);
        }
    }
    for fact in found.iter_mut().filter(|fact| !fact.linked) {
        look(connection, known, fact).await?;
    }
    Ok(found)
}

/// The same beside a look.
///
/// # Errors
/// The database fails as a whole.
pub(in crate::engine::postgres) async fn of_target(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Vec<KeyElsewhere>, DatabaseError> {
    let rules = &target.references.rules;
    let mut sql = Sql::new(
        "SELECT DISTINCT n.nspname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'f' AND k.confrelid = ",
    );
    sql.integer(known.users.oid).add("::oid");
    let rows = sql.all(connection).await?;
    let mut schemas: BTreeSet<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    schemas.extend(rules.iter().map(|rule| rule.schema.clone()));
    schemas.insert(known.users.relation.schema.as_str().to_owned());
    observe(connection, known, rules, Some(&schemas)).await
}

/// A foreign key to another table.
struct Key {
    fact: KeyElsewhere,
    /// Whether the table holds accounts, and no foreign key leads from it to the user table, or back.
    accounts: bool,
}

/// Foreign keys to other tables: of tables that a rule is about, and to tables that hold accounts by the look of their
/// columns, those with the word in their name first.
async fn keys(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    rules: &[Rule],
    head: &str,
) -> Result<Vec<Key>, sqlx::Error> {
    let users = known.users.oid;
    let ruled = || rules.iter().filter(|rule| rule.rule.columns.is_some() || rule.rule.constraint.is_some());
    let mut sql = Sql::new(
        "WITH k AS (SELECT con.*, n.nspname::text AS s, c.relname::text AS t, c.relkind AS kind, pn.nspname::text AS ps, p.relname::text AS pt, \
           EXISTS (SELECT FROM unnest(",
    );
    sql.texts(ruled().map(|rule| Some(rule.schema.clone())).collect()).add(", ");
    sql.texts(ruled().map(|rule| Some(rule.rule.table.clone())).collect()).add(
        ") r(s, t) WHERE r.s = n.nspname::text AND r.t = c.relname::text) AS ruled, \
           strpos(lower(p.relname::text), ",
    );
    sql.text(head.trim_end_matches('y')).add(") > 0 AS called FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = con.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confrelid <> ");
    sql.integer(users).add("::oid AND con.conrelid <> con.confrelid");
    if known.users.relation.partitioned {
        sql.add(" AND con.confrelid <> ALL (ARRAY(SELECT f.relid::oid FROM pg_partition_tree(")
            .integer(users);
        sql.add("::oid::regclass) f))");
    }
    sql.add("), holding AS MATERIALIZED (SELECT d.r FROM (SELECT DISTINCT k.confrelid AS r FROM k) d WHERE EXISTS ( \
             SELECT FROM pg_attribute a WHERE a.attrelid = d.r AND a.attnum > 0 AND NOT a.attisdropped \
             AND (a.attname::text = ANY (");
    // A copy of the user table has its columns, whatever these are called.
    let own = [known.login.as_ref(), known.password.as_ref()];
    sql.texts(own.into_iter().flatten().map(|column| Some(column.name.as_str().to_owned())).collect());
    sql.add(") OR lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) = ANY (");
    sql.texts(ACCOUNT_COLUMNS.iter().map(|name| Some((*name).to_owned())).collect());
    sql.add(")))), told AS (SELECT k.*, k.confrelid IN (SELECT h.r FROM holding h) AND NOT EXISTS (SELECT FROM pg_constraint l WHERE l.contype = 'f' AND ((l.conrelid = k.confrelid AND l.confrelid = ");
    sql.integer(users).add("::oid) OR (l.conrelid = ").integer(users).add(
        "::oid AND l.confrelid = k.confrelid))) AS accounts FROM k) \
         SELECT t.s, t.t, t.conname::text, \
           ARRAY(SELECT a.attname::text FROM unnest(t.conkey) WITH ORDINALITY x(n, i) JOIN pg_attribute a ON a.attrelid = t.conrelid AND a.attnum = x.n ORDER BY x.i), \
           t.ps, t.pt, \
           ARRAY(SELECT a.attname::text FROM unnest(t.confkey) WITH ORDINALITY x(n, i) JOIN pg_attribute a ON a.attrelid = t.confrelid AND a.attnum = x.n ORDER BY x.i), \
           \"left\"(pg_get_constraintdef(t.oid), 4096), t.accounts, t.kind = 'r' OR current_setting('server_version_num')::int >= 180000, \
           EXISTS (SELECT FROM pg_constraint l JOIN pg_attribute i ON i.attname::text = ",
    );
    sql.text(known.id.name.as_str()).add(" AND i.attrelid = ").integer(users);
    sql.add("::oid WHERE l.contype = 'f' AND ((l.conrelid = t.confrelid AND l.conkey = t.confkey AND l.confrelid = i.attrelid AND l.confkey = ARRAY[i.attnum]) \
             OR (l.conrelid = i.attrelid AND l.conkey = ARRAY[i.attnum] AND l.confrelid = t.confrelid AND l.confkey = t.confkey))) \
         FROM told t WHERE t.ruled OR t.accounts ORDER BY t.ruled DESC, t.called DESC, t.s, t.t, t.conname LIMIT ");
    sql.integer(MOST);
    let rows = sql.all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(Key {
                fact: KeyElsewhere {
                    object: ObjectRef {
                        schema: row.try_get(0)?,
                        table: row.try_get(1)?,
                        constraint: row.try_get(2)?,
                        columns: row.try_get(3)?,
                    },
                    to: ObjectRef {
                        schema: row.try_get(4)?,
                        table: row.try_get(5)?,
                        columns: row.try_get(6)?,
                        constraint: None,
                    },
                    definition: row.try_get(7)?,
                    noticed: Noticed::Names,
                    linked: row.try_get(10)?,
                    not_valid: row.try_get(9)?,
                    lacking: None,
                    overlap: None,
                },
                accounts: row.try_get(8)?,
            })
        })
        .collect()
}

/// Looks whose ids the rows hold, and which accounts the other table lacks. What cannot be read is left unsaid.
async fn look(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    fact: &mut KeyElsewhere,
) -> Result<(), DatabaseError> {
    if fact.object.columns.len() != 1 {
        return Ok(());
    }
    let object = ObjectRef { constraint: None, ..fact.object.clone() };
    if let Ok(table) = by_column(connection, known, &object, "").await?
        && table.refused().is_none()
    {
        fact.overlap =
            savepoint(connection, async |connection: &mut PgConnection| overlap(connection, &table).await)
                .await?
                .ok();
    }
    if known.users.refused([&known.id], []).is_some() {
        return Ok(());
    }
    let Found::Table(mut other) = catalog::find_table(connection, &fact.to.schema, &fact.to.table).await?
    else {
        return Ok(());
    };
    other.beside(&known.users);
    let Some(key) = fact.to.columns.first().and_then(|name| other.column(name)).cloned() else {
        return Ok(());
    };
    if !other.select || other.refused([&key], []).is_some() {
        return Ok(());
    }
    let operators = catalog::equalities(connection, known.id.base_oid, &[key.base_oid]).await?;
    let Some(operator) = operators.into_values().next() else { return Ok(()) };
    fact.lacking = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ");
        sql.only(&other.relation).add(" c WHERE ");
        sql.columns_compared(&operator, ("p", &known.id.name), ("c", &key.name));
        sql.add(")) FROM (SELECT p.").name(&known.id.name).add(" FROM ").only(&known.users.relation);
        sql.add(" p ORDER BY 1 DESC LIMIT ").integer(SAMPLE).add(") p");
        let row = sql.one(connection).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    })
    .await?
    .ok();
    Ok(())
}

/// Distinct values of a sample, and how many of them are users.
async fn overlap(connection: &mut PgConnection, table: &ReferenceTable) -> Result<(i64, i64), sqlx::Error> {
    let Some(column) = table.columns.first() else { return Ok((0, 0)) };
    let mut sql = Sql::new("SELECT count(*), count(*) FILTER (WHERE NOT (");
    table.orphaned(&mut sql);
    sql.add(")) FROM (SELECT DISTINCT c.").name(&column.name).add(" FROM (SELECT c.").name(&column.name);
    sql.add(" FROM ").only(&table.child.relation).add(" c WHERE ").column("c", &column.name);
    sql.add(" IS NOT NULL LIMIT ").integer(SAMPLE).add(") c) c");
    let row = sql.one(connection).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
