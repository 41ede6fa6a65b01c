//! Which account a token's subject names.

use sqlx::{PgConnection, Row};

use super::{
    error::DatabaseError,
    identifier::Sql,
    observe::Known,
    references::{equals, holds},
    transaction::savepoint,
};

/// What the user table says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectRow {
    /// Nobody has it, or the column's type cannot even hold it.
    Missing,
    /// Somebody has it who is not active.
    Inactive {
        /// What they sign in with.
        login: String,
    },
    /// Somebody active has it.
    Active {
        /// What they sign in with.
        login: String,
        /// Their id as text.
        id: String,
    },
}

/// Looks a subject up; inside a transaction that `prepare` has set up.
///
/// # Errors
/// The database fails as a whole.
pub async fn find_subject(
    connection: &mut PgConnection,
    known: &Known,
    subject: &str,
) -> Result<SubjectRow, DatabaseError> {
    let column = known.subject.as_ref().unwrap_or(&known.id);
    let found = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ");
        sql.column("p", &known.id.name).add("::pg_catalog.text, ");
        match &known.login {
            Some(login) => sql.column("p", &login.name).add("::pg_catalog.text"),
            None => sql.add("NULL::pg_catalog.text"),
        };
        sql.add(", true");
        for (column, condition) in &known.active_when {
            sql.add(" AND ");
            holds(&mut sql, "p", column, condition);
        }
        sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
        equals(&mut sql, "p", column, subject);
        sql.add(" LIMIT 1");
        let Some(row) = sql.optional(connection).await? else { return Ok(SubjectRow::Missing) };
        let id: String = row.try_get(0)?;
        let login = row.try_get::<Option<String>, _>(1)?.unwrap_or_else(|| id.clone());
        Ok(if row.try_get::<bool, _>(2)? {
            SubjectRow::Active { login, id }
        } else {
            SubjectRow::Inactive { login }
        })
    })
    .await?;
    // `CAST('abc' AS integer)` fails: a subject that the type cannot hold names nobody.
    Ok(found.unwrap_or(SubjectRow::Missing))
}
