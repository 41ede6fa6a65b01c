//! The accounts that the spec names, as their rows are.

use sqlx::{PgConnection, Row};

use crate::{
    domain::{
        facts::{
            PasswordFacts,
            accounts::{Account, AdminFacts, Namesakes, WantedId},
        },
        target::Admin,
    },
    engine::postgres::{
        catalog::{
            Column,
            condition::{Condition, equals, holds},
            resolved::ResolvedSchema,
        },
        observe::{
            Compare, fit,
            hashes::{self, StoredRow},
            ids, move_preview, namesakes,
            password::facts,
        },
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

/// What there is to know of the admin, but for the id that it must have. Who is nearly called so is
/// looked for among all users, unless that is known.
pub async fn observe(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &mut ResolvedSchema,
    compare: &mut Compare<'_>,
    look_alikes: Option<i64>,
) -> Result<AdminFacts, DatabaseError> {
    let Some(login) = known.login.clone() else {
        return Ok(AdminFacts {
            account: None,
            exact: 0,
            look_alikes: 0,
            namesakes: Namesakes::default(),
            wanted: None,
        });
    };
    let (exact, look_alikes) = match look_alikes {
        Some(look_alikes) => {
            let mut sql = Sql::new("SELECT count(*) FROM ");
            sql.only(&known.users.relation).add(" p WHERE ");
            equals(&mut sql, "p", &login, &admin.login);
            (sql.scalar(connection).await?, look_alikes)
        }
        None => named_alike(connection, admin, known, &login).await?,
    };
    let (exact, namesakes) = namesakes::observe(connection, admin, known, exact, look_alikes).await?;
    let found = if exact > 0 { account(connection, admin, known, compare).await? } else { None };
    let account = found.map(|(account, _)| account);
    Ok(AdminFacts { account, exact, look_alikes, namesakes, wanted: None })
}

/// How many accounts are called as the admin is, and how many nearly so: where there is one, of those only that
/// are active.
async fn named_alike(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &ResolvedSchema,
    login: &Column,
) -> Result<(i64, i64), sqlx::Error> {
    let mut sql = Sql::new("SELECT count(*) FILTER (WHERE ");
    equals(&mut sql, "p", login, &admin.login);
    for active in [false, true] {
        sql.add("), count(*) FILTER (WHERE ");
        namesakes::is_nearly(&mut sql, login, &admin.login);
        for (column, condition) in known.active_when.iter().filter(|_| active) {
            sql.add(" AND ");
            holds(&mut sql, "p", column, condition);
        }
    }
    sql.add(") FROM ").only(&known.users.relation).add(" p");
    let row = sql.one(connection).await?;
    let (exact, all, active) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok((exact, if exact > 0 { active } else { all }))
}

/// The account of a login, or the first of them, and how many there are.
pub(in crate::engine::postgres) async fn account(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &ResolvedSchema,
    compare: &mut Compare<'_>,
) -> Result<Option<(Account, i64)>, DatabaseError> {
    let Some(login) = &known.login else { return Ok(None) };
    let columns = known.columns_of(admin.account());
    let mut sql = Sql::new("SELECT count(*) OVER (), ");
    for column in [Some(&known.id), known.subject.as_ref()] {
        match column {
            Some(column) => sql.bounded(|sql| {
                sql.column("p", &column.name).add("::pg_catalog.text");
            }),
            None => sql.add("NULL::pg_catalog.text"),
        };
        sql.add(", ");
    }
    hashes::select(&mut sql, known);
    for (column, condition) in known.active_when.iter().chain(columns) {
        sql.add(", ");
        holds(&mut sql, "p", column, condition);
    }
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    known.is_account(&mut sql, "p", login, admin);
    sql.add(" ORDER BY ").column("p", &known.id.name).add(" LIMIT 1");
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    let differing = |conditions: &[Condition], offset: usize| -> Result<Vec<String>, sqlx::Error> {
        let mut names = Vec::new();
        for (at, (column, _)) in conditions.iter().enumerate() {
            if !row.try_get::<bool, _>(offset + at)? {
                names.push(column.name.as_str().to_owned());
            }
        }
        Ok(names)
    };
    let password = match &known.password {
        Some(_) => facts(StoredRow::read(&row, 3, known)?, admin, known, compare),
        None => PasswordFacts::unknown(),
    };
    let found = Account {
        id: row.try_get(1)?,
        subject: row.try_get(2)?,
        inactive: differing(&known.active_when, 3 + hashes::width(known))?,
        drifted: differing(columns, 3 + hashes::width(known) + known.active_when.len())?,
        password,
        references: Vec::new(),
    };
    Ok(Some((found, row.try_get(0)?)))
}

/// What is known of the id that an account must have, and how many rows name the one that it has.
pub async fn observe_id(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &mut ResolvedSchema,
    facts: &mut AdminFacts,
    server_version: i64,
) -> Result<(), DatabaseError> {
    let Some(wanted) = &admin.id else { return Ok(()) };
    let current = facts.account.as_ref().map(|account| account.id.clone());
    let there = |id: &String| WantedId {
        canonical: Some(id.clone()),
        occupied: false,
        orphan_rows: 0,
        unseen: Vec::new(),
        refused: None,
        immovable: None,
    };
    if current.as_ref() == Some(wanted) {
        facts.wanted = Some(there(wanted));
        return Ok(());
    }
    let canonical = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ");
        sql.typed(wanted, &known.id.type_name).add("::text");
        sql.scalar::<String>(connection).await
    })
    .await?
    .ok();
    let Some(canonical) = canonical else {
        facts.wanted = Some(WantedId { canonical: None, ..there(wanted) });
        return Ok(());
    };
    if current.as_ref() == Some(&canonical) {
        facts.wanted = Some(there(&canonical));
        return Ok(());
    }
    if let Some(check) = fit::refused(connection, &known.users, &known.id, &canonical).await? {
        facts.wanted = Some(WantedId { refused: Some(check), ..there(&canonical) });
        return Ok(());
    }
    let occupied = {
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
        sql.only(&known.users.relation).add(" p WHERE ");
        equals(&mut sql, "p", &known.id, &canonical);
        sql.add(")");
        sql.scalar::<bool>(connection).await?
    };
    let (mut orphan_rows, mut unseen) = (0, Vec::new());
    if !occupied {
        (orphan_rows, unseen) = ids::naming(connection, known, &canonical).await?;
    }
    let mut immovable = None;
    if let (Some(account), Some(current)) = (&mut facts.account, &current) {
        let prospect = move_preview::prospect(connection, known, current, &canonical, server_version).await?;
        account.references = prospect.rows;
        immovable = prospect.refused;
    }
    facts.wanted = Some(WantedId { occupied, orphan_rows, unseen, immovable, ..there(&canonical) });
    Ok(())
}
