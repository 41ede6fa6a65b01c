//! Tables that inherit from others in the old way. Whoever reads the parent reads their rows, and a foreign key
//! neither checks nor sees them.

use sqlx::{PgConnection, Row};

use crate::engine::postgres::sql::{Name, Relation, Sql};

/// A table that inherits, at whatever level.
#[derive(Debug, Clone)]
pub struct Heir {
    /// The table that was asked about.
    pub top: i64,
    /// Its own object id.
    pub oid: i64,
    /// Its name.
    pub relation: Relation,
    /// The table that it inherits from by itself.
    pub parent: Relation,
    /// Whether the role may read it by itself, and all of it.
    pub readable: bool,
}

/// The tables that inherit from tables, in the order of their names.
pub async fn heirs(connection: &mut PgConnection, tables: &[i64]) -> Result<Vec<Heir>, sqlx::Error> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "WITH RECURSIVE heirs(top, oid, parent) AS ( \
           SELECT i.inhparent, i.inhrelid, i.inhparent FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent \
           WHERE p.relkind = 'r' AND i.inhparent = ANY (",
    );
    sql.integers(tables.to_vec()).add(
        "::oid[]) UNION SELECT h.top, i.inhrelid, i.inhparent FROM heirs h JOIN pg_inherits i ON i.inhparent = h.oid) \
         SELECT DISTINCT ON (h.top, n.nspname, c.relname) h.top::int8, c.oid::int8, n.nspname::text, c.relname::text, \
           pn.nspname::text, p.relname::text, \
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT c.relrowsecurity \
         FROM heirs h JOIN pg_class c ON c.oid = h.oid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = h.parent JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         ORDER BY h.top, n.nspname, c.relname, h.parent",
    );
    let relation = |schema: String, name: String| Relation {
        schema: Name::from_catalog(schema),
        name: Name::from_catalog(name),
        partitioned: false,
    };
    sql.all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(Heir {
                top: row.try_get(0)?,
                oid: row.try_get(1)?,
                relation: relation(row.try_get(2)?, row.try_get(3)?),
                parent: relation(row.try_get(4)?, row.try_get(5)?),
                readable: row.try_get(6)?,
            })
        })
        .collect()
}

impl Heir {
    /// Whether it has rows of its own. Who may read the parent `of` reads them through it.
    pub async fn has_rows(&self, connection: &mut PgConnection, of: &Relation) -> Result<bool, sqlx::Error> {
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
        if self.readable {
            sql.only(&self.relation).add(")");
        } else {
            sql.relation(of).add(" p WHERE p.tableoid = ").integer(self.oid).add("::oid)");
        }
        sql.scalar(connection).await
    }
}
