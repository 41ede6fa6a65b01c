//! Columns of types that the server came with, as most tables have no others. What is known of those is written down here:
//! a look has a connection of its own, in which the whole question takes the server most of its time to plan.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{Collation, Column, ColumnType, Types};
use crate::engine::postgres::sql::{Name, Operator, Sql, TypeName};

/// PostgreSQL 15, src/include/catalog/pg_type.dat and pg_opclass.dat: types that a btree orders by an operator `=` of
/// their own. Their object ids are the same on every server.
const ORDERED: [i64; 24] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 700, 701, 829, 869, 1042, 1082, 1083, 1114, 1184, 1186, 1266, 1700,
    2950, 3614, 3802,
];

/// The same of types that none orders: json, point, and arrays, whose operators are those of all arrays.
const UNORDERED: [i64; 13] = [114, 600, 1000, 1005, 1007, 1009, 1014, 1015, 1016, 1182, 1185, 2951, 3807];

/// varchar has no operators of its own: its values are compared as text.
const VARCHAR: i64 = 1043;
const TEXT: i64 = 25;

/// The first object id of what the server did not come with.
pub(super) const OWN: i64 = 16_384;

/// What a short question says of the columns of tables.
pub(super) struct Plain {
    /// All of them; `None` where one is of a type or a collation that takes the whole question.
    pub(super) columns: Option<BTreeMap<i64, Vec<Column>>>,
    /// Whether one is of a type that the server did not come with, or computed whenever it is read.
    pub(super) rests: bool,
}

/// The columns of tables, asked in short.
pub(super) async fn columns(connection: &mut PgConnection, tables: &[i64]) -> Result<Plain, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT a.attrelid::int8, a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), \
           a.atttypid::int8, t.typname::text, a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated::text, \
           a.attidentity = 'a', a.attcollation::int8 \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY (",
    );
    sql.integers(tables.to_vec()).add("::oid[]) ORDER BY a.attrelid, a.attnum");
    let mut columns: Option<BTreeMap<i64, Vec<Column>>> = Some(BTreeMap::new());
    let (mut rests, mut types) = (false, Types::default());
    for row in sql.all(connection).await? {
        let generated: String = row.try_get(8)?;
        rests |= row.try_get::<i64, _>(4)? >= OWN || !matches!(generated.as_str(), "" | "s");
        match (column(&row, !generated.is_empty(), &mut types)?, &mut columns) {
            (Some(column), Some(columns)) => columns.entry(row.try_get(0)?).or_default().push(column),
            _ => columns = None,
        }
    }
    Ok(Plain { columns, rests })
}

/// The column, where all that there is to know of its type is known here.
fn column(row: &PgRow, generated: bool, types: &mut Types) -> Result<Option<Column>, sqlx::Error> {
    let oid: i64 = row.try_get(4)?;
    let base_oid = if oid == VARCHAR { TEXT } else { oid };
    let equality = if ORDERED.contains(&base_oid) {
        Operator::from_catalog("pg_catalog".into(), "=".into())
    } else if UNORDERED.contains(&oid) {
        None
    } else {
        return Ok(None);
    };
    // src/include/catalog/pg_collation.dat
    let collation = match row.try_get::<i64, _>(10)? {
        0 => None,
        100 => Some("default"),
        950 => Some("C"),
        951 => Some("POSIX"),
        _ => return Ok(None),
    };
    let name = |name: &str| Name::from_catalog(name.to_owned());
    let typed = ColumnType {
        declared_type: TypeName::from_catalog(row.try_get(2)?),
        type_name: TypeName::from_catalog(row.try_get(3)?),
        base_oid,
        base_name: row.try_get(5)?,
        equality,
        collation: collation.map(|called| Collation { schema: name("pg_catalog"), name: name(called) }),
        bare: base_oid == oid,
    };
    Ok(Some(Column {
        name: Name::from_catalog(row.try_get(1)?),
        typed: types.one(typed),
        not_null: row.try_get(6)?,
        has_default: row.try_get(7)?,
        generated,
        identity_always: row.try_get(9)?,
        opaque: false,
        by_scan: false,
    }))
}
