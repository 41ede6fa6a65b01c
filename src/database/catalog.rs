//! Tables, columns, keys, constraints and rights, read from the live catalog.
//!
//! From `pg_catalog` and not `information_schema`, which hides keys from roles that may only SELECT.

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::identifier::{Name, Operator, Relation, Sql, TypeName};
use crate::consistency::observation::{KeyKind, TableRights};

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// Its type with modifiers, as a table is made with it.
    pub declared_type: TypeName,
    /// Its type without modifiers, as values are read with it: `varchar(3)` would cut them.
    pub type_name: TypeName,
    /// The type behind domains, without modifiers; varchar counts as text.
    pub base_oid: i64,
    /// The name of that type.
    pub base_name: String,
    /// Whether it may not be NULL.
    pub not_null: bool,
    /// Whether a new row gets a value by itself.
    pub has_default: bool,
    /// Whether its value is computed, so that no statement may name it.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: an INSERT that names it needs OVERRIDING SYSTEM VALUE.
    pub identity_always: bool,
    /// The equality that btree indexes use for it; `None` for json and the like.
    pub equality: Option<Operator>,
}

impl Column {
    /// What kind of key its values make.
    pub fn kind(&self) -> KeyKind {
        match self.base_name.as_str() {
            "int2" | "int4" | "int8" => KeyKind::Integer,
            "uuid" => KeyKind::Uuid,
            "text" | "varchar" | "bpchar" | "citext" => KeyKind::Text,
            _ => KeyKind::Other,
        }
    }
}

/// A table with its columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub relation: Relation,
    /// Its object id.
    pub oid: i64,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// What the role may do to it.
    pub rights: TableRights,
    /// Whether the role may SELECT from it.
    pub select: bool,
}

impl Table {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.as_str() == name)
    }
}

/// What a name belongs to.
pub enum Found {
    /// A table.
    Table(Box<Table>),
    /// A view or the like: what it is.
    Other(&'static str),
    /// Nothing; tables that are nearly called so.
    Nothing(Vec<String>),
}

/// Looks a table up by its exact name.
pub async fn find_table(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> Result<Found, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT c.oid::int8, c.relkind::text, n.nspname::text, c.relname::text, \
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), \
         has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'UPDATE'), \
         has_table_privilege(c.oid, 'DELETE') \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname::text = ",
    );
    sql.text(schema).add(" AND c.relname::text = ").text(table);
    let Some(row) = sql.optional(connection).await? else {
        let mut sql = Sql::new(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
             AND lower(c.relname::text) = lower(",
        );
        sql.text(table).add(") ORDER BY 1 LIMIT 5");
        let rows = sql.all(connection).await?;
        return Ok(Found::Nothing(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?));
    };
    let kind: String = row.try_get(1)?;
    let partitioned = match kind.as_str() {
        "r" => false,
        "p" => true,
        "v" => return Ok(Found::Other("view")),
        "m" => return Ok(Found::Other("materialized view")),
        "f" => return Ok(Found::Other("foreign table")),
        "S" => return Ok(Found::Other("sequence")),
        _ => return Ok(Found::Other("relation of another kind")),
    };
    let oid: i64 = row.try_get(0)?;
    Ok(Found::Table(Box::new(Table {
        relation: Relation {
            schema: Name::from_catalog(row.try_get(2)?),
            name: Name::from_catalog(row.try_get(3)?),
            partitioned,
        },
        oid,
        columns: columns(connection, oid).await?,
        select: row.try_get(4)?,
        rights: TableRights { insert: row.try_get(5)?, update: row.try_get(6)?, delete: row.try_get(7)? },
    })))
}

/// The columns of a table.
pub async fn columns(connection: &mut PgConnection, table: i64) -> Result<Vec<Column>, sqlx::Error> {
    // varchar has no operators of its own, its values are compared as text. A domain may forbid NULL
    // or bring a default, on each of its levels.
    let mut sql = Sql::new(
        "WITH RECURSIVE base(attnum, oid, next, strict, filled) AS ( \
           SELECT a.attnum, t.oid, t.typbasetype, t.typnotnull, t.typdefault IS NOT NULL FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
           WHERE a.attrelid = ",
    );
    sql.integer(table).add(
        "::oid AND a.attnum > 0 AND NOT a.attisdropped \
         UNION ALL SELECT b.attnum, t.oid, t.typbasetype, b.strict OR t.typnotnull, \
           b.filled OR t.typdefault IS NOT NULL FROM base b JOIN pg_type t ON t.oid = b.next \
         WHERE b.next <> 0) \
         SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), \
         CASE b.oid WHEN 'varchar'::regtype THEN 'text'::regtype::oid ELSE b.oid END::int8, t.typname::text, \
         a.attnotnull OR b.strict, a.atthasdef OR a.attidentity <> '' OR b.filled, a.attgenerated <> '', a.attidentity = 'a', \
         e.nspname, e.oprname \
         FROM pg_attribute a JOIN base b ON b.attnum = a.attnum AND b.next = 0 JOIN pg_type t ON t.oid = b.oid \
         LEFT JOIN LATERAL (SELECT n.nspname::text, o.oprname::text FROM pg_opclass oc \
           JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree' \
           JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amopmethod = am.oid \
             AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype \
           JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace \
           WHERE oc.opcdefault AND oc.opcintype = CASE WHEN b.oid = 'varchar'::regtype THEN 'text'::regtype::oid \
             WHEN t.typtype = 'e' THEN 'anyenum'::regtype::oid ELSE b.oid END LIMIT 1) e ON true \
         WHERE a.attrelid = ",
    );
    sql.integer(table).add("::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum");
    sql.all(connection).await?.iter().map(column).collect()
}

fn column(row: &PgRow) -> Result<Column, sqlx::Error> {
    Ok(Column {
        name: Name::from_catalog(row.try_get(0)?),
        declared_type: TypeName::from_catalog(row.try_get(1)?),
        type_name: TypeName::from_catalog(row.try_get(2)?),
        base_oid: row.try_get(3)?,
        base_name: row.try_get(4)?,
        not_null: row.try_get(5)?,
        has_default: row.try_get(6)?,
        generated: row.try_get(7)?,
        identity_always: row.try_get(8)?,
        equality: match (row.try_get::<Option<String>, _>(9)?, row.try_get::<Option<String>, _>(10)?) {
            (Some(schema), Some(symbol)) => Operator::from_catalog(schema, symbol),
            _ => None,
        },
    })
}

/// The equality that btree indexes use between two types, if there is one.
pub async fn equality(
    connection: &mut PgConnection,
    left: i64,
    right: i64,
) -> Result<Option<Operator>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT n.nspname::text, o.oprname::text FROM pg_opclass oc \
         JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree' \
         JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amopmethod = am.oid \
         JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace \
         WHERE oc.opcdefault AND oc.opcintype = ",
    );
    sql.integer(left).add("::oid AND ao.amoplefttype = ").integer(left);
    sql.add("::oid AND ao.amoprighttype = ").integer(right).add("::oid LIMIT 1");
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Operator::from_catalog(row.try_get(0)?, row.try_get(1)?))
}

/// A foreign key as the catalog has it.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// `convalidated`.
    pub validated: bool,
    /// `condeferrable`.
    pub deferrable: bool,
    /// MATCH FULL: a row with some NULLs is a violation.
    pub match_full: bool,
    /// `pg_get_constraintdef`.
    pub definition: String,
    /// Schema and name of the referencing table.
    pub child: (String, String),
    /// Object id of the referencing table.
    pub child_oid: i64,
    /// Referencing columns in order.
    pub child_columns: Vec<String>,
    /// Referenced columns in order.
    pub parent_columns: Vec<String>,
    /// The operators that compare them: referenced column on the left.
    pub operators: Vec<Operator>,
    /// Whether the role may read the referencing columns.
    pub readable: bool,
    /// Whether the referencing table is partitioned, a partition, or has inheritance children.
    pub partition: bool,
    /// Whether other tables inherit from it.
    pub has_children: bool,
}

/// Every foreign key to a table, those of partitions counted once.
pub async fn foreign_keys(
    connection: &mut PgConnection,
    parent: i64,
) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT con.conname::text, con.convalidated, con.condeferrable, con.confmatchtype = 'f', \
         pg_get_constraintdef(con.oid), n.nspname::text, c.relname::text, c.oid::int8, \
         ARRAY(SELECT a.attname::text FROM unnest(con.conkey) WITH ORDINALITY k(n, i) \
               JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.n ORDER BY k.i), \
         ARRAY(SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY k(n, i) \
               JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.n ORDER BY k.i), \
         ARRAY(SELECT s.nspname::text FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i) \
               JOIN pg_operator o ON o.oid = k.o JOIN pg_namespace s ON s.oid = o.oprnamespace ORDER BY k.i), \
         ARRAY(SELECT o.oprname::text FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i) \
               JOIN pg_operator o ON o.oid = k.o ORDER BY k.i), \
         has_schema_privilege(n.oid, 'USAGE') AND (SELECT bool_and(has_column_privilege(c.oid, k, 'SELECT')) \
               FROM unnest(con.conkey) k), \
         c.relkind = 'p' OR c.relispartition, \
         c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) \
         FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confrelid = ",
    );
    sql.integer(parent).add("::oid ORDER BY n.nspname, c.relname, con.conname");
    sql.all(connection).await?.iter().map(foreign_key).collect()
}

fn foreign_key(row: &PgRow) -> Result<ForeignKey, sqlx::Error> {
    let schemas: Vec<String> = row.try_get(10)?;
    let symbols: Vec<String> = row.try_get(11)?;
    Ok(ForeignKey {
        name: row.try_get(0)?,
        validated: row.try_get(1)?,
        deferrable: row.try_get(2)?,
        match_full: row.try_get(3)?,
        definition: row.try_get(4)?,
        child: (row.try_get(5)?, row.try_get(6)?),
        child_oid: row.try_get(7)?,
        child_columns: row.try_get(8)?,
        parent_columns: row.try_get(9)?,
        operators: schemas
            .into_iter()
            .zip(symbols)
            .filter_map(|(schema, symbol)| Operator::from_catalog(schema, symbol))
            .collect(),
        readable: row.try_get::<Option<bool>, _>(12)?.unwrap_or(false),
        partition: row.try_get(13)?,
        has_children: row.try_get(14)?,
    })
}

/// Names of the columns of a table's primary key, in order.
pub async fn primary_key(connection: &mut PgConnection, table: i64) -> Result<Vec<String>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(n, o) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n \
         WHERE i.indisprimary AND i.indisvalid AND i.indrelid = ",
    );
    sql.integer(table).add("::oid ORDER BY k.o");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
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
               WHERE k.o <= i.indnkeyatts ORDER BY k.o), ",
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
            nulls_equal: row.try_get(3)?,
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

/// `table.constraint` of foreign keys that depend on a table's rows.
pub async fn dependents(connection: &mut PgConnection, table: i64) -> Result<Vec<String>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT format('%s.%s', c.relname, con.conname) FROM pg_constraint con \
         JOIN pg_class c ON c.oid = con.conrelid \
         WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confrelid = ",
    );
    sql.integer(table).add("::oid ORDER BY 1");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// A sequence behind a column.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Its name.
    pub relation: Relation,
    /// How far it goes at a time.
    pub increment: i64,
    /// What it may not exceed.
    pub maximum: i64,
    /// Whether the role may read its state.
    pub readable: bool,
    /// Whether the role may set it.
    pub settable: bool,
}

/// The sequence that a column owns or draws its default from.
pub async fn sequence(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
) -> Result<Option<Sequence>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text, s.seqincrement, s.seqmax, \
         has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'), \
         has_sequence_privilege(c.oid, 'UPDATE') \
         FROM pg_attribute a \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         JOIN pg_depend dep ON \
           (dep.classid = 'pg_class'::regclass AND dep.refclassid = 'pg_class'::regclass \
            AND dep.refobjid = a.attrelid AND dep.refobjsubid = a.attnum AND dep.deptype IN ('a', 'i')) \
           OR (dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass) \
         JOIN pg_class c ON c.relkind = 'S' \
           AND c.oid = CASE WHEN dep.classid = 'pg_attrdef'::regclass THEN dep.refobjid ELSE dep.objid END \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid \
         WHERE a.attrelid = ",
    );
    sql.integer(table).add("::oid AND a.attname::text = ").text(column);
    // What the default draws from counts more than what the column merely owns.
    sql.add(" ORDER BY dep.classid = 'pg_attrdef'::regclass DESC LIMIT 1");
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Some(Sequence {
        relation: Relation {
            schema: Name::from_catalog(row.try_get(0)?),
            name: Name::from_catalog(row.try_get(1)?),
            partitioned: false,
        },
        increment: row.try_get(2)?,
        maximum: row.try_get(3)?,
        readable: row.try_get(4)?,
        settable: row.try_get(5)?,
    }))
}

/// The value that the next `nextval` gives.
pub async fn next_value(connection: &mut PgConnection, sequence: &Sequence) -> Result<i64, sqlx::Error> {
    let mut sql = Sql::new("SELECT least(last_value::numeric + CASE WHEN is_called THEN ");
    sql.integer(sequence.increment)
        .add(" ELSE 0 END, 9223372036854775807)::int8 FROM ")
        .relation(&sequence.relation);
    sql.scalar(connection).await
}
