//! Whether the admin's unique keys have room for rows, and which rows are one too many.
//!
//! A table may hold one row per user and thing, such as `(user_id, role_id)`. Of the rows that are to be one
//! user's, those are surplus that this user has already, and all but the first of those that would be equal.

use sqlx::{PgConnection, Row};

use crate::engine::postgres::{
    catalog::{self, Column, condition::equals, keys::UniqueIndex, reference::ReferenceTable},
    sql::{Name, Operator, Sql},
};

/// The unique keys of a table that hold a reference's columns, with their other columns.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn unique_keys(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    server_version: i64,
) -> Result<Vec<UniqueIndex>, sqlx::Error> {
    let mut keys: Vec<UniqueIndex> = Vec::new();
    for column in &reference.columns {
        let (table, name) = (reference.child.oid, column.name.as_str());
        for mut key in catalog::unique_indexes(connection, table, name, server_version).await? {
            if keys.iter().any(|known| known.name == key.name) {
                continue;
            }
            if let Some(others) = &mut key.others {
                others.retain(|other| reference.columns.iter().all(|column| column.name.as_str() != other));
            }
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Why what giving rows would come to is not looked at: a unique key of theirs compares by somebody's code.
pub(in crate::engine::postgres) fn unseen(
    reference: &ReferenceTable,
    keys: &[UniqueIndex],
) -> Option<String> {
    let others = keys.iter().filter_map(|key| key.others.as_ref()).flatten();
    let others: Vec<&Column> = others.filter_map(|name| reference.child.column(name)).collect();
    reference.child.refused(others, [])
}

/// Unique keys that giving the orphans to one user would break, and rows concerned. `heir` is the user's id
/// and the column that it stands in.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn collisions(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    keys: &[UniqueIndex],
    heir: Option<(&str, &Column)>,
    orphans: i64,
) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let mut found = Vec::new();
    for key in keys {
        let Some(others) = &key.others else {
            // What an expression or a predicate makes of the new values is the engine's to say.
            found.push((key.name.clone(), orphans));
            continue;
        };
        let others: Vec<&Column> = others.iter().filter_map(|name| reference.child.column(name)).collect();
        let mut sql = Sql::new("SELECT coalesce(sum(n), 0)::int8 FROM (SELECT count(*) AS n FROM ");
        sql.only(&reference.child.relation).add(" c WHERE ((");
        reference.orphaned(&mut sql);
        sql.add(")");
        if let (Some((id, column)), Some(operators)) = (heir, &reference.operators) {
            sql.add(" OR EXISTS (SELECT FROM ").only(&reference.parent.relation).add(" p WHERE ");
            equals(&mut sql, "p", column, id);
            for ((child, parent), operator) in
                reference.columns.iter().zip(&reference.parent_columns).zip(operators.iter())
            {
                sql.add(" AND ").columns_compared(operator, ("p", &parent.name), ("c", &child.name));
            }
            sql.add(")");
        }
        sql.add(")");
        if !key.nulls_equal {
            for other in &others {
                sql.add(" AND ").column("c", &other.name).add(" IS NOT NULL");
            }
        }
        if !others.is_empty() {
            sql.add(" GROUP BY ");
            for (at, other) in others.iter().enumerate() {
                sql.add(if at > 0 { ", " } else { "" }).column("c", &other.name);
            }
        }
        sql.add(" HAVING count(*) > 1) g");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            found.push((key.name.clone(), rows));
        }
    }
    Ok(found)
}

/// Unique keys whose columns tell which rows are surplus.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct UniqueKeys {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    /// Its columns beside those of the reference, with their equality.
    others: Vec<(Column, Operator)>,
    nulls_equal: bool,
}

impl UniqueKeys {
    /// `None` where an expression or a predicate decides, and only the engine can tell.
    pub(in crate::engine::postgres) fn of(
        reference: &ReferenceTable,
        keys: Vec<UniqueIndex>,
    ) -> Option<Self> {
        let keys: Option<Vec<Key>> = keys
            .into_iter()
            .map(|key| {
                let others = key.others?;
                let others = others.iter().map(|name| {
                    let column = reference.child.column(name)?;
                    Some((column.clone(), column.equality.clone()?))
                });
                Some(Key { others: others.collect::<Option<_>>()?, nulls_equal: key.nulls_equal })
            })
            .collect();
        Some(Self { keys: keys? })
    }

    /// How many of the orphans are surplus, were they given to the user with this id.
    async fn counted(
        &self,
        connection: &mut PgConnection,
        reference: &ReferenceTable,
        heir: Option<&[String]>,
    ) -> Result<i64, sqlx::Error> {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT ");
        self.is_surplus(&mut sql, reference, heir);
        sql.add(" AS surplus FROM ").only(&reference.child.relation).add(" c WHERE ");
        reference.orphaned(&mut sql);
        sql.add(") x WHERE x.surplus");
        sql.scalar(connection).await
    }

    /// How many of the orphans are surplus, were they given to this user.
    ///
    /// # Errors
    /// The database fails.
    pub(in crate::engine::postgres) async fn surplus(
        &self,
        connection: &mut PgConnection,
        reference: &ReferenceTable,
        heir: Option<(&str, &Column)>,
    ) -> Result<i64, sqlx::Error> {
        let Some((id, column)) = heir else {
            return self.counted(connection, reference, None).await;
        };
        let mut sql = Sql::new("SELECT ");
        for (at, parent) in reference.parent_columns.iter().enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).column("p", &parent.name).add("::pg_catalog.text");
        }
        sql.add(" FROM ").only(&reference.parent.relation).add(" p WHERE ");
        equals(&mut sql, "p", column, id);
        let row = sql.one(connection).await?;
        // Where the admin has no value that the reference could name, the repair says so.
        let values: Option<Vec<String>> = (0..reference.parent_columns.len())
            .map(|at| row.try_get::<Option<String>, _>(at))
            .collect::<Result<_, _>>()?;
        self.counted(connection, reference, values.as_deref()).await
    }

    /// Adds whether the row `c` is surplus among those that the query selects, beside those that the heir has
    /// already: a window over them in physical order.
    pub(in crate::engine::postgres) fn is_surplus(
        &self,
        sql: &mut Sql,
        reference: &ReferenceTable,
        heir: Option<&[String]>,
    ) {
        sql.add("(false");
        for key in &self.keys {
            sql.add(" OR (");
            if !key.nulls_equal {
                for (other, _) in &key.others {
                    sql.column("c", &other.name).add(" IS NOT NULL AND ");
                }
            }
            sql.add("(pg_catalog.row_number() OVER (");
            for (at, (other, _)) in key.others.iter().enumerate() {
                sql.add(if at > 0 { ", " } else { "PARTITION BY " }).column("c", &other.name);
            }
            sql.add(" ORDER BY c.tableoid, c.ctid) OPERATOR(pg_catalog.>) 1");
            if let Some(values) = heir {
                sql.add(" OR EXISTS (SELECT FROM ").only(&reference.child.relation).add(" h WHERE ");
                for (at, (column, value)) in reference.columns.iter().zip(values).enumerate() {
                    sql.add(if at > 0 { " AND " } else { "" });
                    equals(sql, "h", column, value);
                }
                for (other, equality) in &key.others {
                    equal_beside(sql, &other.name, equality, key.nulls_equal);
                }
                sql.add(")");
            }
            sql.add("))");
        }
        sql.add(")");
    }
}

/// Adds that the rows `h` and `c` are equal in a column of a unique key.
pub(in crate::engine::postgres) fn equal_beside(
    sql: &mut Sql,
    name: &Name,
    equality: &Operator,
    nulls_equal: bool,
) {
    sql.add(" AND (").columns_compared(equality, ("h", name), ("c", name));
    if nulls_equal {
        sql.add(" OR (").column("h", name).add(" IS NULL AND ").column("c", name).add(" IS NULL)");
    }
    sql.add(")");
}
