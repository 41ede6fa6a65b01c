//! What `init` reads: names, types and keys of tables that may hold accounts, and of a bounded sample of their rows only
//! counts and formats. No value of a row leaves this file but names of roles out of a closed list. Writes nothing.

use crate::{
    domain::{
        advise::{
            account_names::ACCOUNT_COLUMNS,
            init::{
                facts::{
                    ColumnFacts, DatabaseFacts, ForeignKeyFacts, Salted, TableFacts, UniqueKey, ValueKind,
                },
                names::{self, ADMIN_WORDS},
            },
        },
        facts::hashes::Says,
    },
    engine::postgres::{
        catalog::{self, Column, Found, Table, condition::text},
        hints::hints,
        session::{
            error::DatabaseError,
            transaction::{prepare, savepoint},
        },
        sql::Sql,
    },
    passwords::{Stored, survey},
};

use std::{collections::BTreeMap, time::Duration};

use sqlx::{Connection, PgConnection, Row};

/// Tables that are looked at.
const MOST_TABLES: i64 = 24;

/// Columns of a table that are looked at, and how many of them may hold texts: an answer of the server is bounded.
const MOST_COLUMNS: usize = 96;
const MOST_TEXTS: usize = 32;

/// Rows of a sample.
const SAMPLE_ROWS: i64 = 200;

/// Tables with more rows than this are sampled by blocks.
const LARGE_ROWS: i64 = 100_000;

/// Known words of a column of roles whose rows are counted.
const MOST_WORDS: i64 = 8;

/// Characters of a value that are looked at: no stored password of a format that is read has more.
const MOST_CHARACTERS: usize = 256;

/// No table is worth waiting longer for.
const LONGEST: Duration = Duration::from_secs(5);

/// A table of the list, before it is looked at.
struct Listed {
    oid: i64,
    name: (String, String),
    rows: Option<i64>,
}

/// Reads what there is to say of tables that may hold accounts. A statement takes at most `timeout`.
///
/// # Errors
/// The database fails as a whole.
pub async fn read(
    connection: &mut PgConnection,
    table: Option<&str>,
    timeout: Duration,
) -> Result<DatabaseFacts, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, timeout).await?;
    let (listed, all) = listed(connection, table).await?;
    let oids: Vec<i64> = listed.iter().map(|one| one.oid).collect();
    let mut keys = unique_keys(connection, &oids).await?;
    let foreign = foreign_keys(connection, &oids).await?;
    let labels = labels(connection, &oids).await?;
    let names: Vec<(&str, &str)> =
        listed.iter().map(|one| (one.name.0.as_str(), one.name.1.as_str())).collect();
    let found = catalog::find_tables(connection, &names).await?;
    prepare(connection, timeout.min(LONGEST)).await?;
    let mut tables = Vec::with_capacity(listed.len());
    for (found, one) in found.into_iter().zip(&listed) {
        let Found::Table(mut there) = found else { continue };
        let owner = there.owner;
        there.trusting(owner);
        let mut facts = TableFacts {
            schema: one.name.0.clone(),
            table: one.name.1.clone(),
            rows: one.rows,
            columns: columns(&there, labels.get(&one.oid)),
            keys: keys.remove(&one.oid).unwrap_or_default(),
            ..TableFacts::default()
        };
        facts.referenced = foreign.iter().filter(|key| key.to == one.name).cloned().collect();
        facts.references = foreign.iter().filter(|key| key.from == one.name).cloned().collect();
        sample(connection, &there, &mut facts).await?;
        tables.push(facts);
    }
    transaction.rollback().await?;
    let default_schema = hints().default_schema().to_owned();
    Ok(DatabaseFacts { tables, all, default_schema })
}

/// The tables that most look as if they held accounts, the one that a person named first, and how many there are in all.
async fn listed(
    connection: &mut PgConnection,
    table: Option<&str>,
) -> Result<(Vec<Listed>, i64), DatabaseError> {
    let mut sql = Sql::new(
        "WITH tables AS (SELECT c.oid, n.nspname::text AS s, c.relname::text AS t, c.relkind, c.reltuples, \
           (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
            AND lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) = ANY (",
    );
    sql.texts(ACCOUNT_COLUMNS.iter().map(|name| Some((*name).to_owned())).collect());
    sql.add(
        ")) AS named, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
            AND a.attname::text ~* '(passw|pwd|pass_|_pass$|_hash$|^hash$|digest|^pw|_pw$)') AS hashed, \
           (SELECT count(*) FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = c.oid AND k.conparentid = 0) AS keys \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency') AND n.nspname !~ '^pg_(toast|temp)' \
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')), \
         told AS (SELECT *, count(*) OVER () AS many, coalesce(t = ",
    );
    sql.text_or_null(table.map(str::to_owned)).add(" OR s || '.' || t = ");
    sql.text_or_null(table.map(str::to_owned));
    sql.add(
        ", false) AS meant FROM tables) SELECT oid::int8, s, t, CASE WHEN relkind = 'p' THEN \
             (SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(oid) p JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf)::int8 \
             WHEN reltuples >= 0 THEN reltuples::int8 END, many \
         FROM told WHERE meant OR named > 0 OR hashed OR keys > 0 \
         ORDER BY meant DESC, named > 0 AND hashed DESC, (named > 0)::int + hashed::int + (keys > 0)::int DESC, keys DESC, named DESC, reltuples DESC, s, t LIMIT ",
    );
    sql.integer(MOST_TABLES);
    let (mut found, mut all) = (Vec::new(), 0);
    for row in sql.all(connection).await? {
        all = row.try_get(4)?;
        found.push(Listed {
            oid: row.try_get(0)?,
            name: (row.try_get(1)?, row.try_get(2)?),
            rows: row.try_get(3)?,
        });
    }
    if found.is_empty() {
        all = Sql::new(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
             AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency') AND n.nspname !~ '^pg_(toast|temp)'",
        )
        .scalar(connection)
        .await?;
    }
    Ok((found, all))
}

/// The unique indexes of tables that can be relied on; of expressions with the columns that they are over. The stored form
/// of an expression says which these are: dependencies are also of the columns that the index's condition names.
async fn unique_keys(
    connection: &mut PgConnection,
    oids: &[i64],
) -> Result<BTreeMap<i64, Vec<UniqueKey>>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT i.indrelid::int8, i.indisprimary, i.indpred IS NOT NULL, i.indexprs IS NOT NULL, \
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0 \
             AND (a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) \
                  OR i.indexprs::text ~ (':varattno ' || a.attnum::text || '\\M')) \
             ORDER BY a.attnum) \
         FROM pg_index i WHERE i.indisunique AND i.indisvalid AND i.indisready AND i.indrelid = ANY (",
    );
    sql.integers(oids.to_vec()).add("::oid[]) ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid");
    let mut found: BTreeMap<i64, Vec<UniqueKey>> = BTreeMap::new();
    for row in sql.all(connection).await? {
        found.entry(row.try_get(0)?).or_default().push(UniqueKey {
            primary: row.try_get(1)?,
            partial: row.try_get(2)?,
            expression: row.try_get(3)?,
            columns: row.try_get(4)?,
        });
    }
    Ok(found)
}

/// Foreign keys that reference the tables, and their own.
async fn foreign_keys(
    connection: &mut PgConnection,
    oids: &[i64],
) -> Result<Vec<ForeignKeyFacts>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT cn.nspname::text, c.relname::text, pn.nspname::text, p.relname::text, \
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY x(n, at) \
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.n ORDER BY x.at), \
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY x(n, at) \
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.n ORDER BY x.at) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.confrelid = ANY (",
    );
    let oids = sql.share(oids.to_vec());
    sql.again(oids)
        .add("::oid[]) OR k.conrelid = ANY (")
        .again(oids)
        .add("::oid[])) ORDER BY 1, 2, 5, 3, 4 LIMIT 10000");
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        found.push(ForeignKeyFacts {
            from: (row.try_get(0)?, row.try_get(1)?),
            to: (row.try_get(2)?, row.try_get(3)?),
            columns: row.try_get(4)?,
            to_columns: row.try_get(5)?,
        });
    }
    Ok(found)
}

/// The columns of enumerations, each with those of their words that are known.
async fn labels(
    connection: &mut PgConnection,
    oids: &[i64],
) -> Result<BTreeMap<i64, BTreeMap<String, Vec<String>>>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT a.attrelid::int8, a.attname::text, ARRAY(SELECT e.enumlabel::text FROM pg_enum e \
           WHERE e.enumtypid = a.atttypid AND lower(e.enumlabel::text) = ANY (",
    );
    sql.texts(ADMIN_WORDS.iter().map(|word| Some((*word).to_owned())).collect());
    sql.add(
        ") ORDER BY e.enumsortorder) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'e' \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY (",
    );
    sql.integers(oids.to_vec()).add("::oid[])");
    let mut found: BTreeMap<i64, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for row in sql.all(connection).await? {
        found.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?, row.try_get(2)?);
    }
    Ok(found)
}

/// The columns as the catalog has them.
fn columns(table: &Table, labels: Option<&BTreeMap<String, Vec<String>>>) -> Vec<ColumnFacts> {
    let of = |column: &Column| {
        let labels = labels.and_then(|labels| labels.get(column.name.as_str()));
        ColumnFacts {
            name: column.name.as_str().to_owned(),
            declared_type: column.declared_type.as_str().to_owned(),
            kind: if labels.is_some() { ValueKind::Enum } else { kind(column) },
            not_null: column.not_null,
            words: labels.into_iter().flatten().map(|label| (label.clone(), None)).collect(),
            ..ColumnFacts::default()
        }
    };
    table.columns.iter().map(of).collect()
}

fn kind(column: &Column) -> ValueKind {
    match column.base_name.as_str() {
        "text" | "varchar" | "bpchar" | "citext" => ValueKind::Text,
        "bool" => ValueKind::Boolean,
        "int2" | "int4" | "int8" => ValueKind::Integer,
        "uuid" => ValueKind::Uuid,
        "date" | "timestamp" | "timestamptz" => ValueKind::Time,
        _ => ValueKind::Other,
    }
}

/// Looks at a sample of the rows, and writes into the facts what it comes to. What keeps it from that is a fact, too.
async fn sample(
    connection: &mut PgConnection,
    table: &Table,
    facts: &mut TableFacts,
) -> Result<(), DatabaseError> {
    if !table.select {
        facts.unread = Some("USAGE of its schema or SELECT on the table is missing".to_owned());
        return Ok(());
    }
    let read = looked_at(table);
    if let Some(why) = table.refused(read.iter().copied(), []) {
        facts.unread = Some(why);
        return Ok(());
    }
    let mut sampled = rows_of(connection, table, &read, facts.rows, true).await;
    if sampled.as_ref().is_err_and(DatabaseError::is_timeout) {
        sampled = rows_of(connection, table, &read, facts.rows, false).await;
    }
    match sampled {
        Ok(Ok(rows)) => count(&read, &rows, facts),
        Ok(Err(why)) => {
            facts.unread = Some(table.with_way_out(why));
            return Ok(());
        }
        Err(error) if error.is_timeout() => {
            facts.unread = Some(format!("a sample took longer than {} s", LONGEST.as_secs()));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    roles(connection, table, facts).await
}

/// The columns of a sample: those first whose names say something.
fn looked_at(table: &Table) -> Vec<&Column> {
    let all = table.columns.iter().filter(|column| !column.opaque);
    let (mut texts, mut others): (Vec<&Column>, Vec<&Column>) =
        all.partition(|column| kind(column) == ValueKind::Text);
    texts.sort_by_key(|column| {
        let name = column.name.as_str();
        let known = names::is_password(name) || names::login_rank(name).is_some() || Says::of(name).is_some();
        !(known || names::is_role(name))
    });
    texts.truncate(MOST_TEXTS);
    others.sort_by_key(|column| {
        let name = column.name.as_str();
        !(names::activity(name).is_some()
            || names::admin_flag_rank(name).is_some()
            || names::is_password(name))
    });
    texts.into_iter().chain(others).take(MOST_COLUMNS).collect()
}

/// A sample of the rows: from all over the table, or where that took too long, the first ones.
async fn rows_of(
    connection: &mut PgConnection,
    table: &Table,
    read: &[&Column],
    rows: Option<i64>,
    spread: bool,
) -> Result<Result<Vec<Vec<Option<String>>>, String>, DatabaseError> {
    savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ARRAY[");
        for (at, column) in read.iter().enumerate() {
            if at > 0 {
                sql.add(", ");
            }
            shown(&mut sql, column);
        }
        sql.add("]::pg_catalog.text[] FROM ").only(&table.relation).add(" c");
        match rows.filter(|rows| *rows > LARGE_ROWS && spread) {
            Some(rows) => {
                let thousandths = (SAMPLE_ROWS * 300_000 / rows).max(1);
                sql.add(" TABLESAMPLE SYSTEM ((least(").integer(thousandths);
                sql.add(", 100000) / 1000.0)::real) REPEATABLE (0)");
            }
            None if spread => {
                sql.add(" ORDER BY pg_catalog.hashtext(c.ctid::pg_catalog.text)");
            }
            None => {}
        }
        sql.add(" LIMIT ").integer(SAMPLE_ROWS);
        let mut rows: Vec<Vec<Option<String>>> = Vec::new();
        for row in sql.all(connection).await? {
            rows.push(row.try_get(0)?);
        }
        Ok(rows)
    })
    .await
}

/// A column as it is looked at: texts and flags themselves, of the rest whether there is something.
fn shown(sql: &mut Sql, column: &Column) {
    let bytes = column.base_name == "bytea" && names::is_password(column.name.as_str());
    match kind(column) {
        ValueKind::Text => {
            sql.add("pg_catalog.\"left\"(");
            text(sql, "c", column);
            sql.add(", ").ordinal(MOST_CHARACTERS).add(")");
        }
        ValueKind::Boolean | ValueKind::Integer => {
            sql.column("c", &column.name).add("::pg_catalog.text");
        }
        _ if bytes => {
            sql.add("pg_catalog.\"left\"(pg_catalog.encode(").column("c", &column.name).add(", 'escape'), ");
            sql.ordinal(MOST_CHARACTERS).add(")");
        }
        _ => {
            sql.add("CASE WHEN ").column("c", &column.name).add(" IS NOT NULL THEN '' END");
        }
    }
}

/// Counts what the rows of a sample have.
fn count(read: &[&Column], rows: &[Vec<Option<String>>], facts: &mut TableFacts) {
    facts.sampled = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let values = |at: usize| rows.iter().map(move |row| row.get(at).and_then(Option::as_deref));
    let how_many = |at: usize, is: fn(&str) -> bool| {
        i64::try_from(values(at).flatten().filter(|value| is(value)).count()).unwrap_or(i64::MAX)
    };
    let says = |says: Says| {
        read.iter().position(|column| {
            Says::of(column.name.as_str()) == Some(says) && kind(column) == ValueKind::Text
        })
    };
    let (salt, algorithm) = (says(Says::Salt), says(Says::Algorithm));
    for (at, column) in read.iter().enumerate() {
        let name = column.name.as_str();
        let Some(of) = facts.columns.iter_mut().find(|one| one.name == name) else { continue };
        of.looked = true;
        of.filled = how_many(at, |_| true);
        match of.kind {
            ValueKind::Boolean => of.trues = how_many(at, |value| value == "true"),
            ValueKind::Integer => of.zeros = how_many(at, |value| value == "0"),
            ValueKind::Text => {
                of.addresses = how_many(at, is_address);
                of.hashes = Some(survey(values(at).flatten().map(Stored::from)));
            }
            ValueKind::Other if column.base_name == "bytea" && names::is_password(name) => {
                of.hashes = Some(survey(values(at).flatten().map(Stored::from)));
            }
            _ => {}
        }
        // A column beside it says how the hash is read.
        if of.kind == ValueKind::Text && salt.is_some_and(|salt| salt != at) && algorithm != Some(at) {
            let beside = |row: &Vec<Option<String>>, at: Option<usize>| {
                at.and_then(|at| row.get(at)).and_then(Clone::clone)
            };
            let stored: Vec<(Option<String>, Option<String>, Option<String>)> = rows
                .iter()
                .map(|row| (beside(row, Some(at)), beside(row, salt), beside(row, algorithm)))
                .collect();
            let stored = stored.iter().filter_map(|(hash, salt, algorithm)| {
                Some(Stored {
                    hash: hash.as_deref()?,
                    salt: salt.as_deref(),
                    algorithm: algorithm.as_deref(),
                })
            });
            let called = |at: Option<usize>| {
                at.and_then(|at| read.get(at)).map(|column| column.name.as_str().to_owned())
            };
            of.salted =
                Some(Salted { salt: called(salt), algorithm: called(algorithm), hashes: survey(stored) });
        }
    }
}

/// Whether a text is an address of e-mail, as far as that can be told by its form.
fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(char::is_whitespace)
    })
}

/// How many rows have which of the known words in the columns of roles.
async fn roles(
    connection: &mut PgConnection,
    table: &Table,
    facts: &mut TableFacts,
) -> Result<(), DatabaseError> {
    for of in facts.columns.iter_mut().filter(|of| names::is_role(&of.name)) {
        let Some(column) = table.column(&of.name).filter(|column| !column.opaque) else { continue };
        if !matches!(of.kind, ValueKind::Text | ValueKind::Enum) {
            continue;
        }
        let counted = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT c.w, count(*) FROM (SELECT ");
            sql.column("c", &column.name).add("::pg_catalog.text AS w FROM ").only(&table.relation);
            sql.add(" c) c WHERE pg_catalog.lower(c.w) OPERATOR(pg_catalog.=) ANY (");
            sql.texts(ADMIN_WORDS.iter().map(|word| Some((*word).to_owned())).collect());
            sql.add(") GROUP BY c.w ORDER BY 2 DESC, 1 LIMIT ").integer(MOST_WORDS);
            let mut words: Vec<(String, Option<i64>)> = Vec::new();
            for row in sql.all(connection).await? {
                words.push((row.try_get(0)?, Some(row.try_get(1)?)));
            }
            Ok(words)
        })
        .await;
        let counted = match counted {
            Err(error) if !error.is_timeout() => return Err(error),
            counted => counted.unwrap_or_else(|error| Err(error.to_string())),
        };
        // Words of the enumeration that no row has stay, behind those that rows have.
        if let Ok(mut counted) = counted {
            let all = i64::try_from(counted.len()).is_ok_and(|words| words < MOST_WORDS);
            let more = of.words.iter().filter(|(word, _)| counted.iter().all(|(one, _)| one != word));
            let more: Vec<(String, Option<i64>)> =
                more.map(|(word, _)| (word.clone(), all.then_some(0))).collect();
            counted.extend(more);
            of.words = counted;
        }
    }
    Ok(())
}
