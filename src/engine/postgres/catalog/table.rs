//! Tables and their columns, many at a time.

use crate::engine::keeping::Keeping;
use crate::{
    domain::facts::references::TableRights,
    engine::postgres::{
        catalog::foreign_code,
        sql::{Name, Operator, Relation, Sql, TypeName},
    },
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{Collation, Column, ColumnType, Found, Hidden, PART, Table, Types, plain, weight};

/// Looks a table up by its exact name.
pub async fn find_table(
    connection: &mut PgConnection,
    schema: &str,
    table: &str,
) -> Result<Found, sqlx::Error> {
    let mut found = find_tables(connection, &[(schema, table)]).await?;
    Ok(found.pop().unwrap_or(Found::Nothing(Vec::new())))
}

/// What there is to know of a relation but for its columns.
const RELATION: &str = "c.oid::int8, c.relkind::text, n.nspname::text, c.relname::text, \
     coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false), \
     coalesce(has_table_privilege(c.oid, 'INSERT'), false), coalesce(has_table_privilege(c.oid, 'UPDATE'), false), \
     coalesce(has_table_privilege(c.oid, 'DELETE'), false), \
     (SELECT ARRAY[rn.nspname::text, r.relname::text] FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace \
      WHERE c.relispartition AND r.oid = pg_partition_root(c.oid)), \
     c.relkind = 'p' AND EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class f ON f.oid = t.relid WHERE f.relkind = 'f'), \
     c.relkind = 'r' AND c.relhassubclass, c.relowner::int8, \
     CASE WHEN c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) AND NOT EXISTS \
      (SELECT FROM pg_roles q WHERE q.rolname = current_user AND (q.rolbypassrls OR q.rolsuper)) \
      THEN ARRAY[current_user::text, pg_has_role(c.relowner, 'USAGE')::text] END, c.relchecks > 0, current_user::text, false";

/// The same of one that has no parts, is none, and has no row-level security, and last whether it is another one.
const BRIEF: &str = "c.oid::int8, c.relkind::text, n.nspname::text, c.relname::text, \
     coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false), \
     coalesce(has_table_privilege(c.oid, 'INSERT'), false), coalesce(has_table_privilege(c.oid, 'UPDATE'), false), \
     coalesce(has_table_privilege(c.oid, 'DELETE'), false), NULL::text[], false, c.relkind = 'r' AND c.relhassubclass, \
     c.relowner::int8, NULL::text[], c.relchecks > 0, current_user::text, \
     c.relkind = 'p' OR c.relispartition OR c.relrowsecurity";

/// Asks for relations, in short first: most are of the kind for which that does, and it is planned in half of the time.
async fn relations(
    connection: &mut PgConnection,
    from: impl Fn(&mut Sql),
) -> Result<Vec<PgRow>, sqlx::Error> {
    let mut ask = async |what: &'static str| {
        let mut sql = Sql::new("SELECT ");
        sql.add(what);
        from(&mut sql);
        sql.all(connection).await
    };
    let rows = ask(BRIEF).await?;
    for row in &rows {
        if row.try_get(15)? {
            return ask(RELATION).await;
        }
    }
    Ok(rows)
}

/// Looks tables up by their exact names; the answers are in the order of the names.
pub async fn find_tables(
    connection: &mut PgConnection,
    names: &[(&str, &str)],
) -> Result<Vec<Found>, sqlx::Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // A name is cut to 63 bytes, and the cut one may be another table's: it is compared as text too.
    let from = |sql: &mut Sql| {
        sql.add(", k.at FROM unnest(");
        listed(sql, names);
        sql.add(
            ") WITH ORDINALITY AS k(schema, name, at) \
             JOIN pg_namespace n ON n.nspname = k.schema::name AND n.nspname::text = k.schema \
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.name::name AND c.relname::text = k.name",
        );
    };
    let mut there = BTreeMap::new();
    for row in &relations(connection, from).await? {
        let at: i64 = row.try_get(16)?;
        there.insert(at, relation(row)?);
    }
    filled(connection, there.values_mut().filter_map(|one| one.as_mut().ok()).collect()).await?;
    let missing: Vec<(&str, &str)> =
        (1_i64..).zip(names).filter(|(at, _)| !there.contains_key(at)).map(|(_, name)| *name).collect();
    let mut alike = alike(connection, &missing).await?.into_iter();
    let mut found = Vec::with_capacity(names.len());
    for at in (1_i64..).take(names.len()) {
        found.push(match there.remove(&at) {
            Some(Ok(table)) => Found::Table(Box::new(table)),
            Some(Err(kind)) => Found::Other(kind),
            None => Found::Nothing(alike.next().unwrap_or_default()),
        });
    }
    Ok(found)
}

/// Tables by their object ids, for ids that are those of tables.
pub async fn tables(
    connection: &mut PgConnection,
    oids: &[i64],
    kept: &Keeping,
) -> Result<BTreeMap<i64, Table>, sqlx::Error> {
    let mut found = BTreeMap::new();
    for some in oids.chunks(PART) {
        let part = tables_of(connection, some).await?;
        kept.more(weight(part.values()))?;
        found.extend(part);
    }
    Ok(found)
}

async fn tables_of(connection: &mut PgConnection, oids: &[i64]) -> Result<BTreeMap<i64, Table>, sqlx::Error> {
    let from = |sql: &mut Sql| {
        sql.add(" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (");
        sql.integers(oids.to_vec()).add("::oid[])");
    };
    let mut found = BTreeMap::new();
    for row in &relations(connection, from).await? {
        if let Ok(table) = relation(row)? {
            found.insert(table.oid, table);
        }
    }
    filled(connection, found.values_mut().collect()).await?;
    Ok(found)
}

/// Adds their columns, and what reading them could run. Two of them may be one.
async fn filled(connection: &mut PgConnection, mut tables: Vec<&mut Table>) -> Result<(), sqlx::Error> {
    let oids: Vec<i64> = tables.iter().map(|table| table.oid).collect::<BTreeSet<_>>().into_iter().collect();
    if oids.is_empty() {
        return Ok(());
    }
    let short = plain::columns(connection, &oids).await?;
    let columns = match short.columns {
        Some(columns) => columns,
        None => columns(connection, &oids).await?,
    };
    let parts = tables.iter().any(|table| table.relation.partitioned || table.inherited);
    let rests = foreign_code::rests(connection, &oids, short.rests, parts).await?;
    let foreign = if rests.read { foreign_code::of(connection, &oids).await? } else { BTreeMap::new() };
    for table in &mut tables {
        table.columns = Arc::new(columns.get(&table.oid).cloned().unwrap_or_default());
        table.plain = !rests.written;
        table.brings(foreign.get(&table.oid).cloned().unwrap_or_default());
    }
    Ok(())
}

/// The table without its columns, or what it is instead.
fn relation(row: &PgRow) -> Result<Result<Table, &'static str>, sqlx::Error> {
    let kind: String = row.try_get(1)?;
    let partitioned = match kind.as_str() {
        "r" => false,
        "p" => true,
        "v" => return Ok(Err("view")),
        "m" => return Ok(Err("materialized view")),
        "f" => return Ok(Err("foreign table")),
        "S" => return Ok(Err("sequence")),
        _ => return Ok(Err("relation of another kind")),
    };
    Ok(Ok(Table {
        relation: Relation {
            schema: Name::from_catalog(row.try_get(2)?),
            name: Name::from_catalog(row.try_get(3)?),
            partitioned,
        },
        oid: row.try_get(0)?,
        columns: Arc::default(),
        select: row.try_get(4)?,
        rights: TableRights {
            role: row.try_get(14)?,
            insert: row.try_get(5)?,
            update: row.try_get(6)?,
            delete: row.try_get(7)?,
        },
        root: match row.try_get::<Option<Vec<String>>, _>(8)?.as_deref() {
            Some([schema, table]) => Some((schema.clone(), table.clone())),
            _ => None,
        },
        foreign: row.try_get(9)?,
        inherited: row.try_get(10)?,
        owner: row.try_get(11)?,
        hidden: match row.try_get::<Option<Vec<String>>, _>(12)?.as_deref() {
            Some([role, owner]) => Some(Hidden { role: role.clone(), owner: owner == "true" }),
            _ => None,
        },
        checked: row.try_get(13)?,
        plain: false,
        app: 0,
        code: Vec::new(),
    }))
}

/// Binds names as two arrays.
fn listed(sql: &mut Sql, names: &[(&str, &str)]) {
    sql.texts(names.iter().map(|(schema, _)| Some((*schema).to_owned())).collect()).add(", ");
    sql.texts(names.iter().map(|(_, name)| Some((*name).to_owned())).collect());
}

/// For each name that belongs to nothing, tables that are nearly called so.
async fn alike(
    connection: &mut PgConnection,
    names: &[(&str, &str)],
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT ARRAY(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         AND lower(c.relname::text) = lower(k.name) ORDER BY 1 LIMIT 5) FROM unnest(",
    );
    listed(&mut sql, names);
    sql.add(") WITH ORDINALITY AS k(schema, name, at) ORDER BY k.at");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The columns of tables.
async fn columns(
    connection: &mut PgConnection,
    tables: &[i64],
) -> Result<BTreeMap<i64, Vec<Column>>, sqlx::Error> {
    // What is known of a type is looked up once, however many columns have it. varchar has no operators
    // of its own, its values are compared as text. A domain may forbid NULL or bring a default, on each
    // of its levels.
    let mut sql = Sql::new(
        "WITH RECURSIVE col AS MATERIALIZED ( \
           SELECT a.attrelid, a.attnum, a.attname::text AS name, a.atttypid, a.atttypmod, a.attnotnull, \
             a.atthasdef OR a.attidentity <> '' AS filled, a.attgenerated <> '' AS generated, \
             a.attidentity = 'a' AS identity_always, cn.nspname::text AS collation_schema, co.collname::text AS collation \
           FROM pg_attribute a LEFT JOIN pg_collation co ON co.oid = a.attcollation \
           LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY (",
    );
    sql.integers(tables.to_vec()).add(
        "::oid[])), base(origin, oid, next, strict, filled) AS ( \
           SELECT t.oid, t.oid, t.typbasetype, t.typnotnull, t.typdefault IS NOT NULL FROM pg_type t \
           WHERE t.oid IN (SELECT atttypid FROM col) \
           UNION ALL SELECT b.origin, t.oid, t.typbasetype, b.strict OR t.typnotnull, \
             b.filled OR t.typdefault IS NOT NULL FROM base b JOIN pg_type t ON t.oid = b.next \
           WHERE b.next <> 0), \
         kind AS MATERIALIZED ( \
           SELECT b.origin, format_type(b.origin, -1) AS bare, \
             CASE b.oid WHEN 'varchar'::regtype THEN 'text'::regtype::oid ELSE b.oid END::int8 AS oid, \
             t.typname::text AS name, b.strict, b.filled, e.nspname, e.oprname, e.takes \
           FROM base b JOIN pg_type t ON t.oid = b.oid \
           LEFT JOIN LATERAL (SELECT n.nspname::text, o.oprname::text, ARRAY[format_type(o.oprleft, -1), format_type(o.oprright, -1)] AS takes FROM pg_opclass oc \
             JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree' \
             JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amopmethod = am.oid \
               AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype \
             JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace \
             WHERE oc.opcdefault AND oc.opcintype = CASE WHEN b.oid = 'varchar'::regtype THEN 'text'::regtype::oid \
               WHEN t.typtype = 'e' THEN 'anyenum'::regtype::oid ELSE b.oid END LIMIT 1) e ON true \
           WHERE b.next = 0) \
         SELECT col.attrelid::int8, col.name, format_type(col.atttypid, col.atttypmod), kind.bare, kind.oid, \
           kind.name, col.attnotnull OR kind.strict, col.filled OR kind.filled, col.generated, \
           col.identity_always, kind.nspname, kind.oprname, col.collation_schema, col.collation, kind.oid = col.atttypid::int8, kind.takes \
         FROM col JOIN kind ON kind.origin = col.atttypid ORDER BY col.attrelid, col.attnum",
    );
    let mut found: BTreeMap<i64, Vec<Column>> = BTreeMap::new();
    let mut types = Types::default();
    for row in sql.all(connection).await? {
        found.entry(row.try_get(0)?).or_default().push(column(&row, &mut types)?);
    }
    Ok(found)
}

fn column(row: &PgRow, types: &mut Types) -> Result<Column, sqlx::Error> {
    let typed = ColumnType {
        declared_type: TypeName::from_catalog(row.try_get(2)?),
        type_name: TypeName::from_catalog(row.try_get(3)?),
        base_oid: row.try_get(4)?,
        base_name: row.try_get(5)?,
        equality: match (row.try_get::<Option<String>, _>(10)?, row.try_get::<Option<String>, _>(11)?) {
            (Some(schema), Some(symbol)) => {
                let takes = row.try_get(15)?;
                Operator::from_catalog(schema, symbol).map(|operator| operator.taking(takes))
            }
            _ => None,
        },
        collation: match (row.try_get::<Option<String>, _>(12)?, row.try_get::<Option<String>, _>(13)?) {
            (Some(schema), Some(name)) => {
                Some(Collation { schema: Name::from_catalog(schema), name: Name::from_catalog(name) })
            }
            _ => None,
        },
        bare: row.try_get(14)?,
    };
    Ok(Column {
        name: Name::from_catalog(row.try_get(1)?),
        typed: types.one(typed),
        not_null: row.try_get(6)?,
        has_default: row.try_get(7)?,
        generated: row.try_get(8)?,
        identity_always: row.try_get(9)?,
        opaque: false,
        by_scan: false,
    })
}
