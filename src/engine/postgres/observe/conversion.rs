//! Whether a text column could be given the type of the ids: which of its values are none of that type.

use crate::{
    domain::{
        facts::{key_kind::KeyKind, references::Unconvertible},
        text::clip,
    },
    engine::postgres::{
        catalog::{Column, reference::ReferenceTable},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row};

/// Keys that are named.
const NAMED: i64 = 5;

/// Characters that are kept of a key.
const SHOWN: usize = 1_000;

/// Counts the values of the whole column that are no id by their type, whomever they name. `None` where the column is no
/// text, holds ids of others too, or could not be looked at.
///
/// # Errors
/// The database fails as a whole.
pub(super) async fn observe(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<Unconvertible>, DatabaseError> {
    let ([child], [parent], None) =
        (table.columns.as_slice(), table.parent_columns.as_slice(), table.operators.as_ref())
    else {
        return Ok(None);
    };
    let Some(differs) = differs(parent) else { return Ok(None) };
    if child.kind() != KeyKind::Text || !table.only_where.is_empty() {
        return Ok(None);
    }
    let found = savepoint(connection, async |connection: &mut PgConnection| {
        count(connection, table, child, differs).await
    });
    Ok(found.await?.ok())
}

async fn count(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    child: &Column,
    differs: Differs,
) -> Result<Unconvertible, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    sql.bounded(|sql| {
        sql.add("o.key");
    });
    sql.add(", o.n, sum(o.n) OVER ()::int8, count(*) OVER () FROM (SELECT ").column("c", &child.name);
    sql.add("::pg_catalog.text COLLATE pg_catalog.\"C\" AS key, count(*) AS n FROM ");
    sql.only(&table.child.relation).add(" c WHERE ");
    differs.of(&mut sql, child);
    sql.add(" GROUP BY 1) o ORDER BY o.key LIMIT ").integer(NAMED);
    let mut found = Unconvertible { clear: clear(table, child, differs), ..Unconvertible::default() };
    for row in sql.all(connection).await? {
        (found.rows, found.keys) = (row.try_get(2)?, row.try_get(3)?);
        found.sample.push(clip(&row.try_get::<String, _>(0)?, SHOWN));
    }
    Ok(found)
}

/// The condition under which a text is no value of a type.
#[derive(Clone, Copy)]
struct Differs {
    before: &'static str,
    then: Option<&'static str>,
    after: &'static str,
}

impl Differs {
    /// Adds it for a column of the row `c`, which is not NULL.
    fn of(self, sql: &mut Sql, column: &Column) {
        sql.column("c", &column.name).add(" IS NOT NULL AND ").add(self.before);
        sql.column("c", &column.name);
        if let Some(then) = self.then {
            sql.add(then).column("c", &column.name);
        }
        sql.add(self.after);
    }
}

fn differs(parent: &Column) -> Option<Differs> {
    const NUMBER: &str = "::text ~ '^\\s*[+-]?[0-9]{1,40}\\s*$' THEN ";
    let number = |after| Some(Differs { before: "CASE WHEN ", then: Some(NUMBER), after });
    match parent.base_name.as_str() {
        "int2" => number("::text::numeric NOT BETWEEN -32768 AND 32767 ELSE true END"),
        "int4" => number("::text::numeric NOT BETWEEN -2147483648 AND 2147483647 ELSE true END"),
        "int8" => {
            number("::text::numeric NOT BETWEEN -9223372036854775808 AND 9223372036854775807 ELSE true END")
        }
        "uuid" => Some(Differs {
            before: "",
            then: None,
            after: "::text !~ '^[ \\t\\n\\r\\f\\v]*(([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}|\\{([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}\\})[ \\t\\n\\r\\f\\v]*$'",
        }),
        _ => None,
    }
}

/// The statement that clears such values, or deletes their rows where the column cannot be NULL.
fn clear(table: &ReferenceTable, child: &Column, differs: Differs) -> String {
    let mut sql = Sql::printed(if child.not_null { "DELETE FROM " } else { "UPDATE " });
    sql.relation(&table.child.relation).add(" c ");
    if !child.not_null {
        sql.add("SET ").name(&child.name).add(" = NULL ");
    }
    sql.add("WHERE ");
    differs.of(&mut sql, child);
    sql.as_str().to_owned()
}
