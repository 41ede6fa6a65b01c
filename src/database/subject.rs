//! Which account a token's subject names.

use sqlx::{Connection, PgConnection, Row};

use super::{
    error::DatabaseError,
    identifier::Sql,
    observe::{Known, named},
    references::{equals, holds},
    transaction::{prepare, savepoint},
};
use crate::consistency::{observation::KeyKind, target::Target};

/// What the user table says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectRow {
    /// Nobody has it.
    Missing,
    /// The column's type cannot hold it.
    NotOfType {
        /// The column's type.
        type_name: String,
    },
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
        /// The column's value as the database writes it: numbers and uuids, which it reads in more than one
        /// spelling.
        written: Option<String>,
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
        sql.add(", ").column("p", &column.name).add("::pg_catalog.text, true");
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
        Ok(if row.try_get::<bool, _>(3)? {
            let spelled = matches!(column.kind(), KeyKind::Integer | KeyKind::Uuid);
            SubjectRow::Active {
                login,
                id,
                written: row.try_get::<Option<String>, _>(2)?.filter(|_| spelled),
            }
        } else {
            SubjectRow::Inactive { login }
        })
    })
    .await?;
    // `CAST('abc' AS integer)` fails: a subject that the type cannot hold names nobody.
    Ok(found
        .unwrap_or_else(|_| SubjectRow::NotOfType { type_name: column.declared_type.as_str().to_owned() }))
}

/// Which accounts subjects name, in their order and in one snapshot.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn resolve_subjects(
    connection: &mut PgConnection,
    target: &Target,
    subjects: &[String],
) -> Result<Vec<SubjectRow>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare(&mut transaction, target.timeout).await?;
    let Ok(known) = named(&mut transaction, target).await? else {
        return Err(DatabaseError::Unsupported(
            "the user table cannot be used: run `auth-consistency check` to see why".into(),
        ));
    };
    let mut rows = Vec::with_capacity(subjects.len());
    for subject in subjects {
        rows.push(find_subject(&mut transaction, &known, subject).await?);
    }
    transaction.rollback().await?;
    Ok(rows)
}
