//! Which account a token's subject names.

use crate::engine::{SubjectQuery, SubjectRow};
use crate::{
    domain::{facts::key_kind::KeyKind, target::Target, text::clip},
    engine::postgres::{
        catalog::{
            condition::{equals, holds},
            resolved::ResolvedSchema,
        },
        observe::{
            sessions,
            spelling::{canonical, canonical_text},
            users::named,
        },
        queries::revoked,
        session::{
            error::{DatabaseError, unusable_users},
            transaction::{prepare, savepoint},
        },
        sql::Sql,
    },
};

use sqlx::{Connection, PgConnection, Row};

/// Looks a subject up; inside a transaction that `prepare` has set up.
///
/// # Errors
/// The database fails as a whole.
pub async fn find_subject(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    subject: &str,
) -> Result<SubjectRow, DatabaseError> {
    let column = known.subject.as_ref().unwrap_or(&known.id);
    // `CAST('abc' AS integer)` fails: a subject that the type cannot hold names nobody. What fails beside that,
    // such as a lock that somebody holds, says nothing of the subject.
    if column.kind() != KeyKind::Text {
        let fits = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT ");
            sql.typed(subject, &column.type_name).add(" IS NULL");
            sql.one(connection).await.map(drop)
        });
        if fits.await?.is_err() {
            return Ok(SubjectRow::NotOfType { type_name: column.declared_type.as_str().to_owned() });
        }
    }
    let mut sql = Sql::new("SELECT ");
    for column in [Some(&known.id), known.login.as_ref(), Some(column)] {
        match column {
            Some(column) => sql.bounded(|sql| {
                sql.column("p", &column.name).add("::pg_catalog.text");
            }),
            None => sql.add("NULL::pg_catalog.text"),
        };
        sql.add(", ");
    }
    match sessions::column(target, known) {
        Some((column, kind)) => sessions::seconds(&mut sql, "p", column, kind),
        None => {
            sql.add("NULL::pg_catalog.int8");
        }
    }
    sql.add(", true");
    for (column, condition) in &known.active_when {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    // As the app reads it: with the rows of tables that inherit.
    sql.add(" FROM ").relation(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", column, subject);
    sql.add(" LIMIT 1");
    let Some(row) = sql.optional(connection).await? else { return Ok(SubjectRow::Missing) };
    let id: String = row.try_get(0)?;
    let login = row.try_get::<Option<String>, _>(1)?.unwrap_or_else(|| id.clone());
    Ok(if row.try_get::<bool, _>(4)? {
        let spelled = matches!(column.kind(), KeyKind::Integer | KeyKind::Uuid);
        SubjectRow::Active {
            login,
            id,
            written: row.try_get::<Option<String>, _>(2)?.filter(|_| spelled),
            valid_after: row.try_get(3)?,
            revoked: false,
        }
    } else {
        SubjectRow::Inactive { login }
    })
}

/// So many subjects that nobody has are looked for in another spelling, since that reads the whole table.
const MOST_NEARLY: usize = 20;

/// Who has a subject but for case, blanks at its ends, or how uuids and numbers are written; `None` where nobody has,
/// or nobody can tell in time.
async fn nearly(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    subject: &str,
) -> Result<Option<SubjectRow>, DatabaseError> {
    let column = known.subject.as_ref().unwrap_or(&known.id);
    if column.kind() != KeyKind::Text {
        return Ok(None);
    }
    let found = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT min(");
        sql.column("p", &column.name).add("::pg_catalog.text COLLATE \"C\"), count(*) FROM ");
        sql.relation(&known.users.relation).add(" p WHERE (");
        canonical(&mut sql, "p", column);
        sql.add(") = ").text(canonical_text(subject));
        let row = sql.one(connection).await?;
        Ok((row.try_get::<Option<String>, _>(0)?, row.try_get::<i64, _>(1)?))
    });
    let found = found.await?.ok();
    Ok(found.and_then(|(written, many)| Some(SubjectRow::Nearly { written: clip(&written?, 255), many })))
}

/// Which accounts tokens name, in their order and in one snapshot.
///
/// # Errors
/// The user table cannot be used, nor the table of revoked tokens that the spec names, or the database fails.
pub async fn resolve_subjects(
    connection: &mut PgConnection,
    target: &Target,
    asked: &[SubjectQuery],
) -> Result<Vec<SubjectRow>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare(&mut transaction, target.timeout).await?;
    let Ok(known) = named(&mut transaction, target).await? else {
        return Err(unusable_users());
    };
    let list = revoked::list(&mut transaction, target, &known.users).await?;
    let mut rows = Vec::with_capacity(asked.len());
    let mut looked_for = 0;
    for SubjectQuery { subject, token } in asked {
        let mut row = find_subject(&mut transaction, target, &known, subject).await?;
        if let (SubjectRow::Active { revoked, .. }, Some(list), Some(token)) = (&mut row, &list, token) {
            *revoked = list.has(&mut transaction, token).await?;
        }
        if row == SubjectRow::Missing && looked_for < MOST_NEARLY {
            looked_for += 1;
            row = nearly(&mut transaction, &known, subject).await?.unwrap_or(row);
        }
        rows.push(row);
    }
    transaction.rollback().await?;
    Ok(rows)
}
