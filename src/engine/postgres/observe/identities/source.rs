//! The table that says who somebody was before.

use sqlx::PgConnection;

use crate::{
    domain::target::IdentityTable,
    engine::postgres::{
        catalog::{self, Found, Table, mapping::SourceTable},
        session::error::DatabaseError,
        sql::Sql,
    },
};

/// The table of a source; the inner error says why it is none, and `rights` what to do where the role
/// may not read it.
pub(in crate::engine::postgres) async fn source_table(
    connection: &mut PgConnection,
    table: &IdentityTable,
    rights: &str,
    users: Option<&Table>,
) -> Result<Result<SourceTable, String>, DatabaseError> {
    let IdentityTable { schema, table, id_column, login_column } = table;
    let mut found = match catalog::find_table(connection, schema, table).await? {
        Found::Table(found) => *found,
        Found::Other(kind) => return Ok(Err(format!("{schema}.{table} is a {kind} and not a table"))),
        Found::Nothing(_) => return Ok(Err(format!("there is no table {schema}.{table}"))),
    };
    let column = |name: &str| {
        found.column(name).cloned().ok_or_else(|| format!("{schema}.{table} has no column {name:?}"))
    };
    let columns = column(id_column).and_then(|id| Ok((id, column(login_column)?)));
    let (id, login) = match columns {
        Ok(columns) => columns,
        Err(why) => return Ok(Err(why)),
    };
    // In another database it is the user table, whose owner is the app there.
    found.trusting(users.map_or(found.owner, |users| users.owner));
    if let Some(why) = found.refused([&id, &login], []) {
        return Ok(Err(format!("{schema}.{table} is not read: {why}")));
    }
    // Who may read these two columns need not be able to read the passwords beside them.
    let mut sql = Sql::new("SELECT has_schema_privilege(c.relnamespace, 'USAGE')");
    for name in [&id.name, &login.name] {
        sql.add(" AND has_column_privilege(c.oid, ").text(name.as_str()).add(", 'SELECT')");
    }
    sql.add(" FROM pg_class c WHERE c.oid = ").integer(found.oid).add("::oid");
    if !sql.scalar::<bool>(connection).await? {
        return Ok(Err(format!("the role may not SELECT from {schema}.{table}: {rights}")));
    }
    Ok(Ok(SourceTable { oid: found.oid, relation: found.relation, id, login }))
}
