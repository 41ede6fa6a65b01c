//! Unique keys in which an account's rows would meet those that name its new id already.

use sqlx::PgConnection;

use crate::engine::postgres::{
    catalog::{self, condition::equals, reference::ReferenceTable},
    rowset::unique_keys::equal_beside,
    sql::Sql,
};

/// A unique key in which rows that name the one id would be equal to rows that name the other, and how many.
pub(in crate::engine::postgres) async fn crowded(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    from: &str,
    to: &str,
    server_version: i64,
) -> Result<Option<(String, i64)>, sqlx::Error> {
    let child = &reference.child;
    let Some(column) = reference.columns.first() else { return Ok(None) };
    let keys = catalog::unique_indexes(connection, child.oid, column.name.as_str(), server_version).await?;
    for key in keys {
        // What an expression or a predicate makes of the new value is the engine's to say.
        let Some(others) = &key.others else { continue };
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&child.relation).add(" c WHERE ");
        reference.names_user(&mut sql, from);
        sql.add(" AND EXISTS (SELECT FROM ").only(&child.relation).add(" h WHERE ");
        equals(&mut sql, "h", column, to);
        for other in others.iter().filter_map(|name| child.column(name)) {
            let Some(equality) = &other.equality else { continue };
            equal_beside(&mut sql, &other.name, equality, key.nulls_equal);
        }
        sql.add(")");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            return Ok(Some((key.name, rows)));
        }
    }
    Ok(None)
}
