//! Ids of tokens that the app has revoked. Only ever read.

use crate::{
    domain::{facts::key_kind::KeyKind, target::Target},
    engine::postgres::{
        catalog::{self, Column, Found, Table, condition::equals},
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Relation, Sql},
    },
};

use sqlx::PgConnection;

/// The app's list of revoked tokens.
pub(in crate::engine::postgres) struct List {
    relation: Relation,
    column: Column,
}

/// The list that the spec names; `None` where it names none.
///
/// # Errors
/// There is no such table or column, it may not be read, or is of a type that holds no token ids.
pub(in crate::engine::postgres) async fn list(
    connection: &mut PgConnection,
    target: &Target,
    users: &Table,
) -> Result<Option<List>, DatabaseError> {
    let Some(spec) = target.sessions.as_ref().and_then(|sessions| sessions.revoked.as_ref()) else {
        return Ok(None);
    };
    let (schema, name) = (&spec.schema, &spec.table);
    let wrong = |why: String| DatabaseError::Unsupported(format!("spec.sessions.revoked: {why}"));
    let mut table = match catalog::find_table(connection, schema, name).await? {
        Found::Table(table) => *table,
        Found::Other(kind) => return Err(wrong(format!("{schema}.{name} is a {kind} and not a table"))),
        Found::Nothing(_) => return Err(wrong(format!("there is no table {schema}.{name}"))),
    };
    let Some(column) = table.column(&spec.column).cloned() else {
        return Err(wrong(format!("{schema}.{name} has no column {:?}", spec.column)));
    };
    if !matches!(column.kind(), KeyKind::Text | KeyKind::Uuid) {
        return Err(wrong(format!(
            "column {:?} of {schema}.{name} is of type {}, and ids of tokens are text or uuid",
            spec.column,
            column.declared_type.as_str()
        )));
    }
    if !table.select {
        return Err(wrong(format!(
            "the role may not SELECT from {schema}.{name}: run what `auth-consistency grants` prints"
        )));
    }
    table.beside(users);
    if let Some(why) = table.refused([&column], []) {
        return Err(wrong(format!("{schema}.{name} is not read: {why}")));
    }
    Ok(Some(List { relation: table.relation, column }))
}

impl List {
    /// Whether a token's id is on the list.
    ///
    /// # Errors
    /// The database fails.
    pub(in crate::engine::postgres) async fn has(
        &self,
        connection: &mut PgConnection,
        token: &str,
    ) -> Result<bool, DatabaseError> {
        let found = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
            sql.relation(&self.relation).add(" p WHERE ");
            equals(&mut sql, "p", &self.column, token);
            sql.add(")");
            sql.scalar::<bool>(connection).await
        })
        .await?;
        // `CAST('abc' AS uuid)` fails: an id that the type cannot hold is not on the list.
        Ok(found.unwrap_or(false))
    }
}
