//! How logins tell accounts apart: counted, none of them read.

use crate::{
    domain::{facts::accounts::LoginFacts, target::Target},
    engine::postgres::{
        catalog::resolved::ResolvedSchema,
        session::{error::DatabaseError, transaction::prepare},
        sql::Sql,
    },
};

use sqlx::{Connection, PgConnection, Row};

/// Counts logins that cannot tell accounts apart; `None` where no login column is known.
///
/// # Errors
/// The database fails, or takes longer than `spec.timeout`.
pub async fn logins(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Option<LoginFacts>, DatabaseError> {
    let Some(login) = &known.login else { return Ok(None) };
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    // A login in another case is an account of its own in one app and the same one in the next, so what is
    // equal here is told apart from what is only alike.
    let mut sql = Sql::new("WITH p AS (SELECT ");
    sql.column("p", &login.name).add("::text AS login FROM ").only(&known.users.relation);
    sql.add(" p), same AS (SELECT lower(btrim(login, ").blanks();
    sql.add(
        ")) AS folded, count(*) AS accounts FROM p WHERE login IS NOT NULL GROUP BY login), \
         alike AS (SELECT sum(accounts) AS accounts, count(*) AS logins FROM same GROUP BY folded) \
         SELECT (SELECT count(*) FROM p WHERE login IS NULL), \
           (SELECT coalesce(sum(accounts), 0)::int8 FROM same WHERE accounts > 1), \
           (SELECT coalesce(sum(accounts), 0)::int8 FROM alike WHERE logins > 1)",
    );
    let row = sql.one(connection).await?;
    let facts = LoginFacts { absent: row.try_get(0)?, shared: row.try_get(1)?, alike: row.try_get(2)? };
    transaction.rollback().await?;
    Ok(Some(facts))
}
