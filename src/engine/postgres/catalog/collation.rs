//! Indexes that another library sorted. A text index is in the order of its collation; when the server's
//! library was replaced, that order may be another one, and a lookup misses rows that are there.
//!
//! PostgreSQL remembers which version of a collation it was made with, and only warns. What such an
//! index says is not believed here: a row that it misses would look like an orphan.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use crate::engine::postgres::{
    sql::{Name, Relation, Sql},
    sql_name::{sql_name, sql_table},
};

/// An index that cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntrustedIndex {
    /// The index.
    pub index: Relation,
    /// The collation's object id.
    pub collation_oid: i64,
    /// The collation, as a person writes it.
    pub collation: String,
    /// The version that it was made with, and the library's.
    pub versions: (String, String),
    /// What ends it, once all its indexes are made anew.
    pub refresh: String,
}

/// How many indexes are named one by one, and the characters that there is room for: the whole database is rebuilt
/// instead of more.
const NAMED: usize = 5;
const ROOM: usize = 500;

/// Everything that collations sorted, and that must be made anew before their versions are refreshed: PostgreSQL warns
/// of none of them afterwards.
#[derive(Debug, Default)]
pub struct Rebuild {
    database: String,
    /// By collation, no more than one beyond [`NAMED`] of each: its statement, and whether the index is unique.
    indexes: BTreeMap<i64, Vec<(String, bool)>>,
}

impl Rebuild {
    /// The indexes of the collations of these.
    ///
    /// # Errors
    /// The database fails.
    pub async fn observe<'a>(
        connection: &mut PgConnection,
        untrusted: impl Iterator<Item = &'a UntrustedIndex>,
    ) -> Result<Self, sqlx::Error> {
        let mut found = Self::default();
        let collations: BTreeSet<i64> = untrusted.map(|one| one.collation_oid).collect();
        if collations.is_empty() {
            return Ok(found);
        }
        let mut sql = Sql::new("SELECT current_database()::text, w.co, i.* FROM unnest(");
        sql.integers(collations.into_iter().collect()).add(
            ") w(co) CROSS JOIN LATERAL (SELECT n.nspname::text, i.relname::text, x.indisunique FROM pg_index x \
             JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i' AND i.relpersistence <> 't' \
             JOIN pg_namespace n ON n.oid = i.relnamespace \
             JOIN pg_am am ON am.oid = i.relam AND am.amname IN ('btree', 'gist', 'spgist', 'brin') \
             WHERE x.indisvalid AND w.co::oid = ANY (x.indcollation::oid[]) ORDER BY 1, 2 LIMIT ",
        );
        sql.integer(NAMED as i64 + 1).add(") i ORDER BY 2, 3, 4");
        for row in sql.all(connection).await? {
            found.database = row.try_get(0)?;
            let (schema, name): (String, String) = (row.try_get(2)?, row.try_get(3)?);
            let statement = format!("REINDEX INDEX CONCURRENTLY {}", sql_table(&schema, &name));
            found.indexes.entry(row.try_get(1)?).or_default().push((statement, row.try_get(4)?));
        }
        Ok(found)
    }

    fn of<'a>(&'a self, untrusted: &'a [&UntrustedIndex]) -> impl Iterator<Item = &'a (String, bool)> {
        let collations: BTreeSet<i64> = untrusted.iter().map(|one| one.collation_oid).collect();
        collations.into_iter().filter_map(|collation| self.indexes.get(&collation)).flatten()
    }

    /// Whether a unique index is among them, as far as they are known.
    pub fn has_unique(&self, untrusted: &[&UntrustedIndex]) -> bool {
        self.of(untrusted).any(|(_, unique)| *unique)
    }

    /// What a person runs to make all indexes of the collations of these anew, and to say so then.
    pub fn statements(&self, untrusted: &[&UntrustedIndex]) -> Vec<String> {
        let mut remedy: Vec<String> = Vec::new();
        let once = |statement: &String, remedy: &mut Vec<String>| {
            if !remedy.contains(statement) {
                remedy.push(statement.clone());
            }
        };
        for (statement, _) in self.of(untrusted) {
            once(statement, &mut remedy);
        }
        if remedy.len() > NAMED || remedy.iter().map(|one| one.chars().count()).sum::<usize>() > ROOM {
            remedy = vec![format!("REINDEX DATABASE CONCURRENTLY {}", sql_name(&self.database))];
        }
        for one in untrusted {
            once(&one.refresh, &mut remedy);
        }
        remedy
    }
}

/// Table (object id) and column.
pub type ColumnKey = (i64, String);

/// The indexes on these columns that cannot be believed, in one statement. Those of partitions count
/// for the partitioned table. C, POSIX and the like never change and have no version.
///
/// # Errors
/// The database fails.
pub async fn untrusted(
    connection: &mut PgConnection,
    columns: &[ColumnKey],
    server_version: i64,
) -> Result<BTreeMap<ColumnKey, Vec<UntrustedIndex>>, sqlx::Error> {
    let mut found: BTreeMap<ColumnKey, Vec<UntrustedIndex>> = BTreeMap::new();
    if columns.is_empty() {
        return Ok(found);
    }
    let mut sql = Sql::new("WITH wanted AS (SELECT DISTINCT t::int8 AS t, c FROM ROWS FROM (unnest(");
    sql.texts(columns.iter().map(|(table, _)| Some(table.to_string())).collect()).add("), unnest(");
    sql.texts(columns.iter().map(|(_, column)| Some(column.clone())).collect());
    sql.add(
        ")) AS w(t, c)), \
         tables AS (SELECT w.t, w.c, w.t::oid AS r FROM wanted w \
           UNION SELECT w.t, w.c, p.relid::oid FROM wanted w CROSS JOIN LATERAL pg_partition_tree(w.t::oid) p), \
         changed AS (SELECT co.oid, n.nspname::text AS space, co.collname::text AS called, \
             co.collversion AS made, pg_collation_actual_version(co.oid) AS now \
           FROM pg_collation co JOIN pg_namespace n ON n.oid = co.collnamespace WHERE co.collversion IS NOT NULL",
    );
    // Before 15 nobody wrote down what the database's own collation was made with.
    if server_version >= 150_000 {
        sql.add(
            " UNION ALL SELECT 'pg_catalog.default'::regcollation::oid, NULL, d.datname::text, d.datcollversion, \
               pg_database_collation_actual_version(d.oid) \
             FROM pg_database d WHERE d.datname = current_database() AND d.datcollversion IS NOT NULL",
        );
    }
    sql.add(
        ") SELECT t.t, t.c, n.nspname::text, i.relname::text, h.space, h.called, \
         \"left\"(h.made, 64), \"left\"(h.now, 64), h.oid::int8 \
         FROM tables t JOIN pg_index x ON x.indrelid = t.r AND x.indisvalid \
         CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indcollation::oid[]) k(attnum, sorted) \
         JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum AND a.attname::text = t.c \
         JOIN changed h ON h.oid = k.sorted AND h.made <> h.now \
         JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i' JOIN pg_namespace n ON n.oid = i.relnamespace \
         JOIN pg_am am ON am.oid = i.relam AND am.amname IN ('btree', 'gist', 'spgist', 'brin') \
         ORDER BY 1, 2, 3, 4",
    );
    for row in sql.all(connection).await? {
        let called: String = row.try_get(5)?;
        let (collation, refresh) = match row.try_get::<Option<String>, _>(4)? {
            Some(schema) => {
                let name = sql_table(&schema, &called);
                (name.clone(), format!("ALTER COLLATION {name} REFRESH VERSION"))
            }
            None => (
                "the database's default".to_owned(),
                format!("ALTER DATABASE {} REFRESH COLLATION VERSION", sql_name(&called)),
            ),
        };
        found.entry((row.try_get(0)?, row.try_get(1)?)).or_default().push(UntrustedIndex {
            index: Relation {
                schema: Name::from_catalog(row.try_get(2)?),
                name: Name::from_catalog(row.try_get(3)?),
                partitioned: false,
            },
            versions: (row.try_get(6)?, row.try_get(7)?),
            collation_oid: row.try_get(8)?,
            collation,
            refresh,
        });
    }
    Ok(found)
}
