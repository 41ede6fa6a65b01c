//! What the catalogue says of each reference, in one statement for all: sizes, indexes, and the
//! operators that order its keys.

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    domain::search::SearchFacts,
    engine::postgres::{
        catalog::{Column, reference::ReferenceTable},
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Operator, Sql},
    },
};

/// The operators by which a referencing column and a key are ordered, of the operator family that the
/// types' default btree indexes use.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// referencing > referenced
    pub(super) above_key: Operator,
    /// referencing < referenced
    pub(super) below_key: Operator,
    /// referencing > referencing
    pub(super) above: Operator,
}

/// The facts of each reference, in the order that they are given.
///
/// # Errors
/// The database fails as a whole.
pub(super) async fn facts(
    connection: &mut PgConnection,
    tables: &[ReferenceTable],
) -> Result<Vec<(SearchFacts, Option<Order>)>, DatabaseError> {
    let measured = savepoint(connection, async |connection: &mut PgConnection| {
        read(connection, tables, "pg_relation_size(l.oid) / current_setting('block_size')::int8").await
    })
    .await?;
    match measured {
        Ok(facts) => Ok(facts),
        // The size of a table that somebody has locked cannot be asked for: what it was when it was last
        // analysed will do to choose a way.
        Err(_) => Ok(read(connection, tables, "l.relpages").await?),
    }
}

/// With more rows than this, it is worth knowing how many keys are distinct.
const MANY_ROWS: f64 = 20_000.0;

/// Begins to say how many rows a table `l` has, by the blocks that follow.
const ROWS: &str =
    "CASE WHEN l.reltuples > 0 AND l.relpages > 0 THEN l.reltuples / l.relpages ELSE 60 END * (";

/// Reads them; `blocks` is how many of them a table `l` has.
async fn read(
    connection: &mut PgConnection,
    tables: &[ReferenceTable],
    blocks: &'static str,
) -> Result<Vec<(SearchFacts, Option<Order>)>, sqlx::Error> {
    let mut facts: Vec<(SearchFacts, Option<Order>)> = tables.iter().map(|_| (unknown(), None)).collect();
    if tables.is_empty() {
        return Ok(facts);
    }
    if let Some(families) = families(tables) {
        return short(connection, tables, &families, blocks).await;
    }
    let mut sql = Sql::new("WITH r AS MATERIALIZED (SELECT * FROM unnest(");
    let child = sql.share(tables.iter().map(|table| table.child.oid).collect());
    let parent = sql.share(tables.iter().map(|table| table.parent.oid).collect());
    let types = |of: fn(&ReferenceTable) -> &[Column]| {
        tables.iter().map(|table| first(of(table)).map_or(0, |column| column.1)).collect::<Vec<i64>>()
    };
    let child_type = sql.share(types(|table| &table.columns));
    let parent_type = sql.share(types(|table| &table.parent_columns));
    sql.again(child).add(", ").again(parent).add(", ").again(child_type).add(", ").again(parent_type);
    sql.add(", ").texts(tables.iter().map(|table| first(&table.columns).map(|column| column.0)).collect());
    sql.add(", ")
        .texts(tables.iter().map(|table| first(&table.parent_columns).map(|column| column.0)).collect());
    sql.add(
        ") WITH ORDINALITY AS r(child, parent, child_type, parent_type, child_column, parent_column, n)), \
         sizes AS MATERIALIZED (SELECT t.oid, sum(",
    );
    sql.add(ROWS).add(blocks).add(
        "))::float8 AS rows, count(*)::float8 AS leaves \
           FROM (SELECT child AS oid FROM r UNION SELECT parent FROM r) t \
           CROSS JOIN LATERAL (SELECT t.oid::oid AS leaf WHERE NOT EXISTS (SELECT FROM pg_partitioned_table q WHERE q.partrelid = t.oid::oid) \
             UNION ALL SELECT p.relid FROM pg_partition_tree(t.oid::oid::regclass) p WHERE p.isleaf AND p.relid <> t.oid::oid) p \
           JOIN pg_class l ON l.oid = p.leaf GROUP BY t.oid), \
         orders AS MATERIALIZED (SELECT t.child_type, t.parent_type, oc.opcfamily, \
             (SELECT ARRAY[n.nspname::text, o.oprname::text] FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr \
              JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 5 \
              AND a.amoplefttype = t.child_type::oid AND a.amoprighttype = t.parent_type::oid) AS above_key, \
             (SELECT ARRAY[n.nspname::text, o.oprname::text] FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr \
              JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 1 \
              AND a.amoplefttype = t.child_type::oid AND a.amoprighttype = t.parent_type::oid) AS below_key, \
             (SELECT ARRAY[n.nspname::text, o.oprname::text] FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr \
              JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 5 \
              AND a.amoplefttype = t.child_type::oid AND a.amoprighttype = t.child_type::oid) AS above, \
             (SELECT ARRAY[n.nspname::text, o.oprname::text] FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr \
              JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 3 \
              AND a.amoplefttype = t.parent_type::oid AND a.amoprighttype = t.child_type::oid) AS equal \
           FROM (SELECT DISTINCT child_type, parent_type FROM r) t \
           JOIN pg_opclass oc ON oc.opcdefault AND oc.opcintype = t.parent_type::oid \
           JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree') \
         SELECT coalesce(s.rows, 0), coalesce(s.leaves, 1), coalesce(u.rows, 0), ca.attcollation = pa.attcollation, \
           EXISTS (SELECT FROM pg_index i JOIN pg_opclass oc ON oc.oid = i.indclass[0] WHERE i.indrelid = r.child::oid \
             AND i.indisvalid AND i.indisready AND i.indislive AND NOT i.indcheckxmin AND i.indpred IS NULL \
             AND i.indkey[0] = ca.attnum AND oc.opcfamily = o.opcfamily AND i.indcollation[0] = ca.attcollation), \
           CASE WHEN s.rows > 20000 THEN (SELECT CASE WHEN d.n_distinct < 0 THEN - d.n_distinct * s.rows ELSE d.n_distinct END::float8 \
             FROM pg_stats d WHERE d.schemaname = cn.nspname AND d.tablename = c.relname AND d.attname = ca.attname \
             ORDER BY d.inherited DESC LIMIT 1) END, \
           o.above_key, o.below_key, o.above, o.equal \
         FROM r LEFT JOIN sizes s ON s.oid = r.child LEFT JOIN sizes u ON u.oid = r.parent \
         JOIN pg_class c ON c.oid = r.child::oid JOIN pg_namespace cn ON cn.oid = c.relnamespace \
         JOIN pg_attribute ca ON ca.attrelid = r.child::oid AND ca.attname::text = r.child_column \
         JOIN pg_attribute pa ON pa.attrelid = r.parent::oid AND pa.attname::text = r.parent_column \
         LEFT JOIN orders o ON o.child_type = r.child_type AND o.parent_type = r.parent_type ORDER BY r.n",
    );
    // A reference that the catalogue says nothing of any more is left to the engine, whose word it is.
    let rows = sql.all(connection).await?;
    if rows.len() != tables.len() {
        return Ok(facts);
    }
    for ((fact, table), row) in facts.iter_mut().zip(tables).zip(&rows) {
        *fact = Said::read(row)?.facts(table);
    }
    Ok(facts)
}

/// The name and the type of the first of some columns.
fn first(columns: &[Column]) -> Option<(String, i64)> {
    columns.first().map(|column| (column.name.as_str().to_owned(), column.base_oid))
}

/// PostgreSQL 15, src/include/catalog/pg_opfamily.dat: the family in which a btree orders keys of these types among one
/// another, by operators of the catalogue. Their object ids are the same on every server.
fn family(child: i64, parent: i64) -> Option<i64> {
    match (child, parent) {
        (20 | 21 | 23, 20 | 21 | 23) => Some(1976),
        (25, 25) => Some(1994),
        (2950, 2950) => Some(2968),
        _ => None,
    }
}

/// The family of each reference, where all are known and no table has parts: then a short question does, and to plan the
/// whole one takes a multiple of the time.
fn families(tables: &[ReferenceTable]) -> Option<Vec<i64>> {
    let of = |table: &ReferenceTable| {
        let parts = table.child.relation.partitioned || table.parent.relation.partitioned;
        let (child, parent) = (first(&table.columns)?, first(&table.parent_columns)?);
        family(child.1, parent.1).filter(|_| !parts)
    };
    tables.iter().map(of).collect()
}

/// Reads the facts of references of which [`families`] knows the order of the keys.
async fn short(
    connection: &mut PgConnection,
    tables: &[ReferenceTable],
    families: &[i64],
    blocks: &'static str,
) -> Result<Vec<(SearchFacts, Option<Order>)>, sqlx::Error> {
    let mut sql = Sql::new("SELECT coalesce((SELECT ");
    sql.add(ROWS)
        .add(blocks)
        .add(") FROM pg_class l WHERE l.oid = r.child::oid), 0)::float8, coalesce((SELECT ");
    sql.add(ROWS).add(blocks).add(
        ") FROM pg_class l WHERE l.oid = r.parent::oid), 0)::float8, ca.attcollation = pa.attcollation, \
           EXISTS (SELECT FROM pg_index i JOIN pg_opclass oc ON oc.oid = i.indclass[0] WHERE i.indrelid = r.child::oid \
             AND i.indisvalid AND i.indisready AND i.indislive AND NOT i.indcheckxmin AND i.indpred IS NULL \
             AND i.indkey[0] = ca.attnum AND oc.opcfamily = r.family::oid AND i.indcollation[0] = ca.attcollation) \
         FROM unnest(",
    );
    sql.integers(tables.iter().map(|table| table.child.oid).collect()).add(", ");
    sql.integers(tables.iter().map(|table| table.parent.oid).collect()).add(", ");
    sql.integers(families.to_vec()).add(", ");
    let names = |of: fn(&ReferenceTable) -> &[Column]| {
        tables.iter().map(|table| first(of(table)).map(|column| column.0)).collect::<Vec<_>>()
    };
    sql.texts(names(|table| &table.columns)).add(", ").texts(names(|table| &table.parent_columns));
    sql.add(
        ") WITH ORDINALITY AS r(child, parent, family, child_column, parent_column, n) \
         JOIN pg_attribute ca ON ca.attrelid = r.child::oid AND ca.attname::text = r.child_column \
         JOIN pg_attribute pa ON pa.attrelid = r.parent::oid AND pa.attname::text = r.parent_column ORDER BY r.n",
    );
    let rows = sql.all(connection).await?;
    let mut facts: Vec<(SearchFacts, Option<Order>)> = tables.iter().map(|_| (unknown(), None)).collect();
    if rows.len() != tables.len() {
        return Ok(facts);
    }
    for ((fact, table), row) in facts.iter_mut().zip(tables).zip(&rows) {
        let operator = |symbol: &str| Operator::from_catalog("pg_catalog".into(), symbol.into());
        let said = Said {
            rows: row.try_get(0)?,
            leaves: 1.0,
            users: row.try_get(1)?,
            one_collation: row.try_get(2)?,
            indexed: row.try_get(3)?,
            distinct: None,
            above_key: operator(">"),
            below_key: operator("<"),
            above: operator(">"),
            equal: operator("="),
        };
        *fact = said.facts(table);
    }
    let large: Vec<usize> = (0..tables.len()).filter(|at| facts[*at].0.rows > MANY_ROWS).collect();
    for (at, distinct) in distinct(connection, tables, &facts, &large).await? {
        if let Some((fact, _)) = facts.get_mut(at) {
            fact.distinct = distinct;
        }
    }
    Ok(facts)
}

/// How many distinct keys these references have, as the statistics say.
async fn distinct(
    connection: &mut PgConnection,
    tables: &[ReferenceTable],
    facts: &[(SearchFacts, Option<Order>)],
    wanted: &[usize],
) -> Result<Vec<(usize, Option<f64>)>, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT r.at, (SELECT CASE WHEN d.n_distinct < 0 THEN - d.n_distinct * r.rows::float8 ELSE d.n_distinct END::float8 \
           FROM pg_stats d WHERE d.schemaname = cn.nspname AND d.tablename = c.relname AND d.attname::text = r.child_column \
           ORDER BY d.inherited DESC LIMIT 1) FROM unnest(",
    );
    let (mut places, mut children, mut rows, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for at in wanted {
        let (Some(table), Some((facts, _))) = (tables.get(*at), facts.get(*at)) else { continue };
        places.push(i64::try_from(*at).unwrap_or(i64::MAX));
        children.push(table.child.oid);
        rows.push(Some(facts.rows.to_string()));
        names.push(first(&table.columns).map(|column| column.0));
    }
    sql.integers(places).add(", ").integers(children).add(", ").texts(rows).add(", ").texts(names).add(
        ") AS r(at, child, rows, child_column) \
         JOIN pg_class c ON c.oid = r.child::oid JOIN pg_namespace cn ON cn.oid = c.relnamespace",
    );
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        found.push((usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX), row.try_get(1)?));
    }
    Ok(found)
}

fn unknown() -> SearchFacts {
    SearchFacts {
        rows: f64::MAX,
        distinct: None,
        leaves: 1.0,
        users: f64::MAX,
        ordered: false,
        indexed: false,
        ids: None,
    }
}

fn operator(row: &PgRow, at: usize) -> Result<Option<Operator>, sqlx::Error> {
    let names: Option<Vec<String>> = row.try_get(at)?;
    Ok(names.and_then(|names| match <[String; 2]>::try_from(names) {
        Ok([schema, symbol]) => Operator::from_catalog(schema, symbol),
        Err(_) => None,
    }))
}

/// Whether the operators that order keys take exactly what the columns are: then no other one of their name, which
/// somebody else made, comes before them.
fn exact(table: &ReferenceTable, operator: &Operator) -> bool {
    let columns = || table.columns.iter().chain(&table.parent_columns);
    let first = columns().next().map(|column| column.base_oid);
    operator.is_of_catalogue() || columns().all(|column| column.bare && Some(column.base_oid) == first)
}

/// What the catalogue says of one reference.
struct Said {
    rows: f64,
    leaves: f64,
    users: f64,
    one_collation: bool,
    indexed: bool,
    distinct: Option<f64>,
    above_key: Option<Operator>,
    below_key: Option<Operator>,
    above: Option<Operator>,
    equal: Option<Operator>,
}

impl Said {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            rows: row.try_get(0)?,
            leaves: row.try_get(1)?,
            users: row.try_get(2)?,
            one_collation: row.try_get(3)?,
            indexed: row.try_get(4)?,
            distinct: row.try_get(5)?,
            above_key: operator(row, 6)?,
            below_key: operator(row, 7)?,
            above: operator(row, 8)?,
            equal: operator(row, 9)?,
        })
    }

    fn facts(self, table: &ReferenceTable) -> (SearchFacts, Option<Order>) {
        // A key that is compared by another family's equality than the one that orders it.
        let usual = matches!((table.operators.as_deref(), &self.equal), (Some([only]), Some(equal)) if only.is(equal));
        let order = match (self.above_key, self.below_key, self.above) {
            (Some(above_key), Some(below_key), Some(above))
                if usual && self.one_collation && table.columns.len() == 1 && exact(table, &above_key) =>
            {
                Some(Order { above_key, below_key, above })
            }
            _ => None,
        };
        let facts = SearchFacts {
            rows: self.rows,
            distinct: self.distinct,
            leaves: self.leaves,
            users: self.users,
            ordered: order.is_some(),
            // Where only some rows count, most keys that the index holds may be somebody else's.
            indexed: self.indexed && table.only_where.is_empty(),
            ids: None,
        };
        (facts, order)
    }
}
