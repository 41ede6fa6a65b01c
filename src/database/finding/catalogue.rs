//! What the catalogue says of each reference, in one statement for all: sizes, indexes, and the
//! operators that order its keys.

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    consistency::search::SearchFacts,
    database::{
        error::DatabaseError,
        identifier::{Operator, Sql},
        references::ReferenceTable,
        transaction::savepoint,
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
    let first = |columns: &[crate::database::catalog::Column]| {
        columns.first().map(|column| (column.name.as_str().to_owned(), column.base_oid))
    };
    let mut sql = Sql::new("WITH r AS MATERIALIZED (SELECT * FROM unnest(");
    let child = sql.share(tables.iter().map(|table| table.child.oid).collect());
    let parent = sql.share(tables.iter().map(|table| table.parent.oid).collect());
    let types = |of: fn(&ReferenceTable) -> &[crate::database::catalog::Column]| {
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
         sizes AS MATERIALIZED (SELECT t.oid, sum(CASE WHEN l.reltuples > 0 AND l.relpages > 0 \
             THEN l.reltuples / l.relpages ELSE 60 END \
             * (",
    );
    sql.add(blocks).add(
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
        *fact = of_row(table, row)?;
    }
    Ok(facts)
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

fn of_row(table: &ReferenceTable, row: &PgRow) -> Result<(SearchFacts, Option<Order>), sqlx::Error> {
    let one_collation = row.try_get::<bool, _>(3)?;
    let equal = operator(row, 9)?;
    // A key that is compared by another family's equality than the one that orders it.
    let usual = matches!((table.operators.as_deref(), &equal), (Some([only]), Some(equal)) if only.is(equal));
    let order = match (operator(row, 6)?, operator(row, 7)?, operator(row, 8)?) {
        (Some(above_key), Some(below_key), Some(above))
            if usual && one_collation && table.columns.len() == 1 && exact(table, &above_key) =>
        {
            Some(Order { above_key, below_key, above })
        }
        _ => None,
    };
    let facts = SearchFacts {
        rows: row.try_get(0)?,
        distinct: row.try_get(5)?,
        leaves: row.try_get(1)?,
        users: row.try_get(2)?,
        ordered: order.is_some(),
        // Where only some rows count, most keys that the index holds may be somebody else's.
        indexed: row.try_get(4)? && table.only_where.is_empty(),
        ids: None,
    };
    Ok((facts, order))
}
