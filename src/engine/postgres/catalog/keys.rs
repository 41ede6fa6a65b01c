//! What keys promise: equality, foreign keys, primary and unique keys, and what depends on them.

use crate::engine::keeping::Keeping;
use crate::{
    api::report::ObjectRef,
    domain::{
        diagnose::enforcement::Enforcement,
        facts::references::{PartitionKey, Twin},
    },
    engine::postgres::sql::{Name, Operator, Sql, TAKES},
};

use std::{collections::BTreeMap, sync::Arc};

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{PART, triggers};

/// The equality that btree indexes use between one type and each of others, where there is one.
pub async fn equalities(
    connection: &mut PgConnection,
    left: i64,
    rights: &[i64],
) -> Result<BTreeMap<i64, Operator>, sqlx::Error> {
    if rights.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = Sql::new(
        "SELECT DISTINCT ON (ao.amoprighttype) ao.amoprighttype::int8, n.nspname::text, o.oprname::text, ",
    );
    sql.add(TAKES).add(
        " FROM pg_opclass oc JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree' \
         JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amopmethod = am.oid \
         JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace \
         WHERE oc.opcdefault AND oc.opcintype = ",
    );
    sql.integer(left).add("::oid AND ao.amoplefttype = ").integer(left);
    sql.add("::oid AND ao.amoprighttype = ANY (")
        .integers(rights.to_vec())
        .add("::oid[]) ORDER BY ao.amoprighttype, o.oid");
    let mut found = BTreeMap::new();
    for row in sql.all(connection).await? {
        if let Some(operator) = Operator::from_catalog(row.try_get(1)?, row.try_get(2)?) {
            found.insert(row.try_get(0)?, operator.taking(row.try_get(3)?));
        }
    }
    Ok(found)
}

/// The partitioned table that stands above a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its schema and name.
    pub name: (String, String),
    /// Its object id.
    pub oid: i64,
    /// Whether a foreign table is among its partitions.
    pub foreign: bool,
    /// Whether the role may read the columns through it.
    pub readable: bool,
}

/// A foreign key as the catalog has it.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// `convalidated`.
    pub validated: bool,
    /// What keeps it from holding new rows to its word.
    pub enforcement: Enforcement,
    /// PERIOD: it is about stretches of time, and no equality decides it.
    pub temporal: bool,
    /// MATCH FULL: a row with some NULLs is a violation.
    pub match_full: bool,
    /// `pg_get_constraintdef`, which has names and words of the grammar alone.
    pub definition: Arc<str>,
    /// Schema and name of the referencing table.
    pub child: (String, String),
    /// Object id of the referencing table.
    pub child_oid: i64,
    /// Referencing columns in order.
    pub child_columns: Vec<String>,
    /// Referenced columns in order.
    pub parent_columns: Arc<[String]>,
    /// The operators that compare them: referenced column on the left.
    pub operators: Arc<[Operator]>,
    /// Whether the role may read the referencing columns.
    pub readable: bool,
    /// The partitioned table that the referencing table is a part of, at whatever level.
    pub root: Option<Box<Root>>,
    /// Object id of the referenced table, which may be a partition of the one that was asked about.
    pub parent_oid: i64,
}

impl ForeignKey {
    /// Bytes that it takes, about, with all that a look makes of it: the reference, its facts, how it was searched and
    /// the counters. Measured on thousands of keys of one column (`tests/databases/big_catalog.rs`), whose names stand in
    /// five places.
    fn weight(&self) -> usize {
        let columns = self.child_columns.iter().chain(&*self.parent_columns);
        let columns: usize = columns.map(|name| 5 * name.len() + 64).sum();
        let names = self.name.len() + self.child.0.len() + self.child.1.len();
        3_720 + columns + 5 * names + self.definition.len()
    }

    /// Has with another one together what both say.
    fn shares(&mut self, other: &Self) {
        if self.parent_columns == other.parent_columns {
            self.parent_columns = Arc::clone(&other.parent_columns);
        }
        if self.operators == other.operators {
            self.operators = Arc::clone(&other.operators);
        }
    }

    /// What it is about, by name.
    pub fn object(&self) -> ObjectRef {
        ObjectRef {
            schema: self.child.0.clone(),
            table: self.child.1.clone(),
            columns: self.child_columns.clone(),
            constraint: Some(self.name.clone()),
        }
    }

    /// What the domain is told of it, where a partition has it for itself.
    pub fn of_partition(&self) -> PartitionKey {
        PartitionKey { object: self.object(), validated: self.validated }
    }

    /// What the domain is told of it, where another key of its columns stands for the reference.
    pub fn twin(&self) -> Twin {
        Twin {
            object: self.object(),
            definition: Arc::clone(&self.definition),
            validated: self.validated,
            enforcement: self.enforcement.clone(),
        }
    }
}

/// Every foreign key to a table, those of partitions counted once.
pub async fn foreign_keys(
    connection: &mut PgConnection,
    parent: i64,
    kept: &Keeping,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    keys(connection, parent, false, kept).await
}

/// The same, and those to partitions of the table.
pub async fn foreign_keys_into(
    connection: &mut PgConnection,
    parent: i64,
    kept: &Keeping,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    keys(connection, parent, true, kept).await
}

async fn keys(
    connection: &mut PgConnection,
    parent: i64,
    parts: bool,
    kept: &Keeping,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let (mut keys, mut last, mut some_silent) = (Vec::<(i64, ForeignKey)>::new(), 0, false);
    loop {
        let rows = page(connection, parent, parts, last).await?;
        for row in &rows {
            last = row.try_get(18)?;
            some_silent |= row.try_get::<bool, _>(23)?;
            let mut key = foreign_key(row)?;
            // Nearly all name the same columns, by the same operators.
            if let Some((_, before)) = keys.last() {
                key.shares(before);
            }
            kept.more(key.weight())?;
            keys.push((last, key));
        }
        if rows.len() < PAGE {
            break;
        }
    }
    // Most databases have no trigger at all that does not fire: then none of these has.
    let mut silent = match some_silent {
        true => triggers::silent(connection, parent).await?,
        false => BTreeMap::new(),
    };
    for (oid, key) in &mut keys {
        key.enforcement.silent = silent.remove(oid).unwrap_or_default();
    }
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    keys.sort_by(|a, b| (&a.child, &a.name).cmp(&(&b.child, &b.name)));
    Ok(keys)
}

/// Foreign keys that one statement asks for.
const PAGE: usize = 1_000;

/// The next of them, by object id.
async fn page(
    connection: &mut PgConnection,
    parent: i64,
    parts: bool,
    after: i64,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT con.conname::text, con.convalidated, con.confmatchtype = 'f', \
         \"left\"(pg_get_constraintdef(con.oid), 16384), n.nspname::text, c.relname::text, c.oid::int8, \
         ARRAY(SELECT a.attname::text FROM unnest(con.conkey) WITH ORDINALITY k(n, i) \
               JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.n ORDER BY k.i), \
         ARRAY(SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY k(n, i) \
               JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.n ORDER BY k.i), \
         ARRAY(SELECT (SELECT s.nspname::text FROM pg_operator o JOIN pg_namespace s ON s.oid = o.oprnamespace \
                       WHERE o.oid = k.o) FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i) ORDER BY k.i), \
         ARRAY(SELECT (SELECT o.oprname::text FROM pg_operator o WHERE o.oid = k.o) \
               FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i) ORDER BY k.i), \
         has_schema_privilege(n.oid, 'USAGE') AND (SELECT bool_and(has_column_privilege(c.oid, k, 'SELECT')) \
               FROM unnest(con.conkey) k), \
         rn.nspname::text, r.relname::text, r.oid::int8, \
         r.oid IS NOT NULL AND EXISTS (SELECT FROM pg_partition_tree(r.oid) t JOIN pg_class f ON f.oid = t.relid WHERE f.relkind = 'f'), \
         r.oid IS NOT NULL AND has_schema_privilege(rn.oid, 'USAGE') AND (SELECT bool_and(has_column_privilege(r.oid, a.attname::text, 'SELECT')) \
               FROM pg_attribute a WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)), \
         con.confrelid::int8, con.oid::int8, \
         coalesce(NOT (to_jsonb(con) ->> 'conenforced')::bool, false), \
         coalesce((to_jsonb(con) ->> 'conperiod')::bool, false), \
         ARRAY(SELECT format_type(o.oprleft, -1) FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i) JOIN pg_operator o ON o.oid = k.o ORDER BY k.i), \
         ARRAY(SELECT format_type(o.oprright, -1) FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i) JOIN pg_operator o ON o.oid = k.o ORDER BY k.i), \
         EXISTS (SELECT FROM pg_trigger WHERE tgenabled NOT IN ('O', 'A')) \
         FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid) LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace \
         WHERE con.contype = 'f' AND con.conparentid = 0 AND (con.confrelid = ",
    );
    sql.integer(parent).add("::oid");
    if parts {
        sql.add(" OR con.confrelid = ANY (ARRAY(SELECT t.relid::oid FROM pg_partition_tree(").integer(parent);
        sql.add("::oid::regclass) t))");
    }
    sql.add(") AND con.oid > ").integer(after).add("::oid ORDER BY con.oid LIMIT ").integer(PAGE as i64);
    sql.all(connection).await
}

fn foreign_key(row: &PgRow) -> Result<ForeignKey, sqlx::Error> {
    let schemas: Vec<String> = row.try_get(9)?;
    let symbols: Vec<String> = row.try_get(10)?;
    let takes = row.try_get::<Vec<String>, _>(21)?.into_iter().zip(row.try_get::<Vec<String>, _>(22)?);
    Ok(ForeignKey {
        name: row.try_get(0)?,
        validated: row.try_get(1)?,
        // PostgreSQL 18 brought both columns.
        enforcement: Enforcement { not_enforced: row.try_get(19)?, silent: Vec::new() },
        temporal: row.try_get(20)?,
        match_full: row.try_get(2)?,
        definition: row.try_get::<String, _>(3)?.into(),
        child: (row.try_get(4)?, row.try_get(5)?),
        child_oid: row.try_get(6)?,
        child_columns: row.try_get(7)?,
        parent_columns: row.try_get::<Vec<String>, _>(8)?.into(),
        operators: schemas
            .into_iter()
            .zip(symbols)
            .zip(takes)
            .filter_map(|((schema, symbol), (left, right))| {
                Some(Operator::from_catalog(schema, symbol)?.taking(Some(vec![left, right])))
            })
            .collect(),
        readable: row.try_get::<Option<bool>, _>(11)?.unwrap_or(false),
        root: match (row.try_get::<Option<String>, _>(12)?, row.try_get::<Option<String>, _>(13)?) {
            (Some(schema), Some(table)) => Some(Box::new(Root {
                name: (schema, table),
                oid: row.try_get(14)?,
                foreign: row.try_get(15)?,
                readable: row.try_get::<Option<bool>, _>(16)?.unwrap_or(false),
            })),
            _ => None,
        },
        parent_oid: row.try_get(17)?,
    })
}

/// Names of the columns of a table's primary key, in order.
pub async fn primary_key(connection: &mut PgConnection, table: i64) -> Result<Vec<String>, sqlx::Error> {
    Ok(primary_keys(connection, &[table]).await?.remove(&table).unwrap_or_default())
}

/// Names of the columns of the primary keys of tables, in order; nothing for a table without one.
pub async fn primary_keys(
    connection: &mut PgConnection,
    tables: &[i64],
) -> Result<BTreeMap<i64, Vec<String>>, sqlx::Error> {
    let mut found = BTreeMap::new();
    for some in tables.chunks(PART) {
        found.extend(primary_keys_of(connection, some).await?);
    }
    Ok(found)
}

async fn primary_keys_of(
    connection: &mut PgConnection,
    tables: &[i64],
) -> Result<BTreeMap<i64, Vec<String>>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT i.indrelid::int8, \
         ARRAY(SELECT (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = k.n) \
               FROM unnest(i.indkey) WITH ORDINALITY k(n, o) ORDER BY k.o) \
         FROM pg_index i WHERE i.indisprimary AND i.indisvalid AND i.indrelid = ANY (",
    );
    sql.integers(tables.to_vec()).add("::oid[])");
    sql.all(connection).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Columns of a foreign key of several columns that another foreign key of the table uses too.
pub async fn shared(
    connection: &mut PgConnection,
    table: i64,
    constraint: &str,
) -> Result<Vec<Name>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT DISTINCT a.attname::text FROM pg_constraint con \
         JOIN pg_constraint other ON other.conrelid = con.conrelid AND other.contype = 'f' AND other.oid <> con.oid \
           AND NOT other.conkey @> con.conkey \
         JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey) AND a.attnum = ANY (other.conkey) \
         WHERE con.contype = 'f' AND cardinality(con.conkey) > 1 AND con.conname::text = ",
    );
    sql.text(constraint).add(" AND con.conrelid = ").integer(table).add("::oid ORDER BY 1");
    sql.all(connection).await?.iter().map(|row| row.try_get(0).map(Name::from_catalog)).collect()
}

/// What keeps the values of a column apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdKey {
    /// The columns of the narrowest unique key that holds it, in its order; empty where there is none.
    pub columns: Vec<String>,
    /// Whether the table has a primary key.
    pub primary_key: bool,
}

impl IdKey {
    /// Whether the key is of that column alone.
    pub fn is_alone(&self) -> bool {
        self.columns.len() == 1
    }
}

/// What keeps the values of a column apart: a unique key of every row, without an expression. The period of a key WITHOUT
/// OVERLAPS (PostgreSQL 18) is left out: rows of one id at different times are one account's.
///
/// # Errors
/// The database fails.
pub async fn id_key(connection: &mut PgConnection, table: i64, column: &Name) -> Result<IdKey, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT coalesce((SELECT k.names FROM (SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(n, o) \
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n \
               WHERE k.o <= i.indnkeyatts - i.indisexclusion::int4 ORDER BY k.o) AS names, i.indisprimary FROM pg_index i \
           WHERE i.indisunique AND i.indisvalid AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indrelid = ",
    );
    sql.integer(table).add("::oid) k WHERE ").text(column.as_str());
    sql.add(
        " = ANY (k.names) ORDER BY cardinality(k.names), k.indisprimary DESC, k.names LIMIT 1), ARRAY[]::text[]), \
         EXISTS (SELECT FROM pg_index i WHERE i.indisprimary AND i.indrelid = ",
    );
    sql.integer(table).add("::oid)");
    let row = sql.one(connection).await?;
    Ok(IdKey { columns: row.try_get(0)?, primary_key: row.try_get(1)? })
}

/// A unique index that holds a given column.
#[derive(Debug, Clone)]
pub struct UniqueIndex {
    /// Its name.
    pub name: String,
    /// Its other columns; `None` where it has an expression or a predicate.
    pub others: Option<Vec<String>>,
    /// Whether NULLs count as equal (PostgreSQL 15: NULLS NOT DISTINCT).
    pub nulls_equal: bool,
    /// Whether it is checked row by row, and not at the end of a statement or transaction.
    pub immediate: bool,
}

/// Unique indexes of a table that hold a column.
pub async fn unique_indexes(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
    server_version: i64,
) -> Result<Vec<UniqueIndex>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT c.relname::text, i.indpred IS NOT NULL OR i.indexprs IS NOT NULL, \
         ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(n, o) \
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n \
               WHERE k.o <= i.indnkeyatts ORDER BY k.o), i.indimmediate, ",
    );
    sql.add(if server_version >= 150_000 { "i.indnullsnotdistinct" } else { "false" });
    sql.add(
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indisunique AND i.indislive AND i.indrelid = ",
    );
    sql.integer(table).add("::oid ORDER BY c.relname");
    let mut indexes = Vec::new();
    for row in sql.all(connection).await? {
        let special: bool = row.try_get(1)?;
        let columns: Vec<String> = row.try_get(2)?;
        // An expression may hold the column without naming it, so it counts as holding it.
        if !columns.iter().any(|name| name == column) && !special {
            continue;
        }
        let others = columns.into_iter().filter(|name| name != column).collect();
        indexes.push(UniqueIndex {
            name: row.try_get(0)?,
            others: (!special).then_some(others),
            immediate: row.try_get(3)?,
            nulls_equal: row.try_get(4)?,
        });
    }
    Ok(indexes)
}

/// A foreign key through which the engine itself changes rows of another table.
#[derive(Debug, Clone)]
pub struct Cascade {
    /// Schema and name of the table whose rows change.
    pub child: (String, String),
    /// The constraint's name.
    pub constraint: String,
}

/// Foreign keys that carry an UPDATE of a column on to other rows: ON UPDATE CASCADE, SET NULL or SET
/// DEFAULT.
pub async fn cascades(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
) -> Result<Vec<Cascade>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text, con.conname::text FROM pg_constraint con \
         JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confupdtype IN ('c', 'n', 'd') \
         AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = con.confrelid AND a.attnum = ANY (con.confkey) \
                     AND a.attname::text = ",
    );
    sql.text(column).add(") AND con.confrelid = ").integer(table).add("::oid ORDER BY 1, 2, 3");
    let rows = sql.all(connection).await?;
    rows.iter()
        .map(|row| Ok(Cascade { child: (row.try_get(0)?, row.try_get(1)?), constraint: row.try_get(2)? }))
        .collect()
}
