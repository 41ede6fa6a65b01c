//! Other tables of accounts: the values of a column may fit one of those as well as the user table, or better.

use crate::{
    api::report::ObjectRef,
    domain::{
        advise::{
            account_names::ACCOUNT_COLUMNS,
            suggestions::{OtherTable, Value, somebody},
        },
        facts::key_kind::KeyKind,
    },
    engine::postgres::{
        catalog::{self, Column, Found, Table, resolved::ResolvedSchema},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row};

/// Tables that values are held against.
const MOST: i64 = 8;

/// A table of accounts, with the column that is its key.
pub(super) struct Other {
    table: Table,
    key: Column,
}

/// The largest tables with a key of one column that hold accounts by the look of their columns, and that can be read.
pub(super) async fn of(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Vec<Other>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency') \
         AND EXISTS (SELECT FROM pg_attribute y WHERE y.attrelid = c.oid AND y.attnum > 0 AND NOT y.attisdropped \
                     AND lower(regexp_replace(y.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) = ANY (",
    );
    sql.texts(ACCOUNT_COLUMNS.iter().map(|name| Some((*name).to_owned())).collect());
    sql.add(")) AND c.oid <> ").integer(known.users.oid);
    sql.add("::oid ORDER BY c.reltuples DESC, 1, 2 LIMIT ").integer(MOST);
    let mut named = Vec::new();
    for row in sql.all(connection).await? {
        let name: (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        named.push(name);
    }
    let names: Vec<(&str, &str)> = named.iter().map(|(s, t, _)| (s.as_str(), t.as_str())).collect();
    let found = catalog::find_tables(connection, &names).await?;
    let usable = |(found, (.., key)): (Found, &(String, String, String))| {
        let Found::Table(mut table) = found else { return None };
        table.beside(&known.users);
        let key = table.column(key).cloned()?;
        let readable = table.select && table.hidden.is_none() && table.refused([&key], []).is_none();
        readable.then_some(Other { table: *table, key })
    };
    Ok(found.into_iter().zip(&named).filter_map(usable).collect())
}

/// How many of the values each of the tables has; those that cannot be compared are left out.
pub(super) async fn held_against(
    connection: &mut PgConnection,
    others: &[Other],
    values: &[Value],
) -> Result<Vec<OtherTable>, DatabaseError> {
    let values: Vec<&str> = somebody(values).map(|value| value.text.as_str()).collect();
    let mut found = Vec::new();
    for Other { table, key } in others {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&table.relation).add(" c WHERE ");
        match key.kind() {
            KeyKind::Integer => {
                let numbers: Vec<i64> = values.iter().filter_map(|value| value.parse().ok()).collect();
                sql.column("c", &key.name).add(" = ANY (").integers(numbers).add(")");
            }
            KeyKind::Uuid => {
                let uuids = values.iter().filter(|value| is_uuid(value));
                sql.column("c", &key.name).add(" = ANY (");
                sql.texts(uuids.map(|value| Some((*value).to_owned())).collect()).add("::uuid[])");
            }
            KeyKind::Text => {
                sql.column("c", &key.name).add("::text = ANY (");
                sql.texts(values.iter().map(|value| Some((*value).to_owned())).collect()).add(")");
            }
            KeyKind::Other => continue,
        }
        let there =
            savepoint(connection, async |connection: &mut PgConnection| sql.scalar::<i64>(connection).await)
                .await?;
        // What takes too long, or is held by somebody, says nothing.
        found.extend(there.ok().map(|there| OtherTable {
            object: ObjectRef {
                schema: table.relation.schema.as_str().to_owned(),
                table: table.relation.name.as_str().to_owned(),
                columns: vec![key.name.as_str().to_owned()],
                constraint: None,
            },
            sampled: i64::try_from(values.len()).unwrap_or(i64::MAX),
            found: there,
        }));
    }
    Ok(found)
}

/// Whether a text is a UUID as the database writes it.
fn is_uuid(text: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() })
}
