//! What there is to know of the accounts beside the admin: who is nearly called so is looked for once for
//! all of them, since that reads every user.

use crate::{
    domain::{facts::accounts::AdminFacts, target::Target},
    engine::postgres::{
        catalog::{Column, resolved::ResolvedSchema},
        observe::{accounts::account, namesakes, password::Compare},
        session::error::DatabaseError,
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row};

/// The accounts beside the admin in the target's order, but for the ids that they must have. Who is nearly
/// called as each of them is not looked for where that is known.
pub(in crate::engine::postgres) async fn observe_beside(
    connection: &mut PgConnection,
    target: &Target,
    known: &mut ResolvedSchema,
    compare: &mut Compare<'_>,
    alike: Option<&[i64]>,
) -> Result<Vec<AdminFacts>, DatabaseError> {
    let Some(login) = known.login.clone().filter(|_| !target.accounts.is_empty()) else {
        return Ok(Vec::new());
    };
    let alike = match alike.filter(|alike| alike.len() == target.accounts.len()) {
        Some(alike) => alike.to_vec(),
        None => named_alike(connection, target, known, &login).await?,
    };
    let mut found = Vec::with_capacity(target.accounts.len());
    for (spec, look_alikes) in target.accounts.iter().zip(alike) {
        let (account, exact) = match account(connection, spec, known, compare).await? {
            Some((account, exact)) => (Some(account), exact),
            None => (None, 0),
        };
        // What is told from the others of its login is another one than the first of them.
        let (narrowed, namesakes) = namesakes::observe(connection, spec, known, exact, look_alikes).await?;
        let again = narrowed != exact;
        let account = match account {
            Some(_) if again => self::account(connection, spec, known, compare).await?.map(|(one, _)| one),
            account => account,
        };
        found.push(AdminFacts { account, exact: narrowed, look_alikes, namesakes, wanted: None });
    }
    Ok(found)
}

/// How many users are nearly called as each account is, and not exactly so.
async fn named_alike(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    login: &Column,
) -> Result<Vec<i64>, sqlx::Error> {
    let logins = target.accounts.iter().map(|account| Some(account.login.clone())).collect();
    let mut sql = Sql::new("SELECT w.at, count(*) FROM unnest(");
    sql.texts(logins).add(") WITH ORDINALITY w(login, at) JOIN ").only(&known.users.relation);
    sql.add(" p ON lower(btrim(").column("p", &login.name).add("::text, ").blanks();
    sql.add(")) = lower(btrim(w.login, ").blanks().add(")) WHERE NOT ");
    match &login.equality {
        Some(operator) => {
            let wanted = |sql: &mut Sql| {
                sql.add("CAST(w.login AS ").type_name(&login.type_name).add(")");
            };
            sql.compared(
                operator,
                |sql| {
                    sql.column("p", &login.name);
                },
                wanted,
            );
        }
        None => {
            sql.column("p", &login.name).add("::text = w.login");
        }
    }
    sql.add(" GROUP BY w.at");
    let mut alike = vec![0; target.accounts.len()];
    for row in sql.all(connection).await? {
        let at = usize::try_from(row.try_get::<i64, _>(0)? - 1).ok();
        if let Some(count) = at.and_then(|at| alike.get_mut(at)) {
            *count = row.try_get(1)?;
        }
    }
    Ok(alike)
}
