//! Whether another table of accounts is the user table under another name, as after a user model was swapped: it has
//! the same logins under the same ids.

use crate::{
    api::report::ObjectRef,
    domain::{
        advise::account_names::{ACCOUNT_COLUMNS, plain},
        facts::key_kind::KeyKind,
    },
    engine::postgres::{
        catalog::{self, Column, Found, Table, condition::text, resolved::ResolvedSchema},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row};

/// Other tables that are looked at.
const MOST: usize = 8;

/// Accounts of a sample.
const SAMPLE: i64 = 1_000;

/// Fewer accounts that agree may do so by chance.
const FEW: i64 = 3;

/// What was seen of each table, once.
#[derive(Default)]
pub(super) struct SameAccounts {
    seen: Vec<(ObjectRef, Option<(i64, i64)>)>,
}

impl SameAccounts {
    /// Of accounts of another table, how many were looked at and how many of them the user table has under the same id
    /// with the same login; `None` where that is not most of them, or where nobody could look.
    ///
    /// # Errors
    /// The database fails as a whole.
    pub(super) async fn of(
        &mut self,
        connection: &mut PgConnection,
        known: &ResolvedSchema,
        other: &ObjectRef,
    ) -> Result<Option<(i64, i64)>, DatabaseError> {
        if let Some((_, found)) = self.seen.iter().find(|(seen, _)| seen == other) {
            return Ok(*found);
        }
        if self.seen.len() >= MOST {
            return Ok(None);
        }
        let found = look(connection, known, other).await?;
        let found = found.filter(|(looked_at, same)| *same >= FEW && same.saturating_mul(2) > *looked_at);
        self.seen.push((other.clone(), found));
        Ok(found)
    }
}

async fn look(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    other: &ObjectRef,
) -> Result<Option<(i64, i64)>, DatabaseError> {
    let ([key], Some(login)) = (other.columns.as_slice(), &known.login) else { return Ok(None) };
    if known.users.refused([&known.id, login], []).is_some() {
        return Ok(None);
    }
    let Found::Table(mut table) = catalog::find_table(connection, &other.schema, &other.table).await? else {
        return Ok(None);
    };
    table.beside(&known.users);
    let (Some(key), Some(name)) = (table.column(key).cloned(), login_of(&table, login).cloned()) else {
        return Ok(None);
    };
    if !table.select || table.hidden.is_some() || table.refused([&key, &name], []).is_some() {
        return Ok(None);
    }
    let operators = catalog::equalities(connection, known.id.base_oid, &[key.base_oid]).await?;
    let Some(operator) = operators.into_values().next() else { return Ok(None) };
    let found = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM ");
        sql.only(&known.users.relation).add(" p WHERE ");
        sql.columns_compared(&operator, ("p", &known.id.name), ("c", &key.name));
        sql.add(" AND (");
        text(&mut sql, "p", login);
        sql.add(") COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) (");
        text(&mut sql, "c", &name);
        sql.add(") COLLATE pg_catalog.\"C\")) FROM (SELECT c.").name(&key.name).add(", c.").name(&name.name);
        sql.add(" FROM ").only(&table.relation).add(" c WHERE ").column("c", &name.name);
        sql.add(" IS NOT NULL LIMIT ").integer(SAMPLE).add(") c");
        let row = sql.one(connection).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    });
    Ok(found.await?.ok())
}

/// The column of another table that has its logins: the one that is called as the user table's, or else one that is
/// called as logins are.
fn login_of<'t>(table: &'t Table, login: &Column) -> Option<&'t Column> {
    let called = |column: &&Column| {
        let name = plain(column.name.as_str());
        column.kind() == KeyKind::Text && !name.contains("pass") && ACCOUNT_COLUMNS.contains(&name.as_str())
    };
    table.column(login.name.as_str()).or_else(|| table.columns.iter().find(called))
}
