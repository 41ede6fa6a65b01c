//! Accounts of one login, and accounts that are nearly called so: who they are, and whether the spec tells them
//! apart. What a unique key holds beside the login decides, where the spec gives those columns a value; else who
//! is active, where one of them alone is.

use crate::{
    api::shared::ColumnCondition,
    domain::{blank, facts::accounts::Namesakes, target::Admin},
    engine::postgres::{
        catalog::{
            Column,
            condition::{Condition, equals, holds},
            resolved::ResolvedSchema,
        },
        session::error::DatabaseError,
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row, postgres::PgRow};

/// Ids that are named.
const NAMED: i64 = 5;

/// Characters at each end of a login that are looked at for what is blank.
const ENDS: i64 = 16;

/// A unique key that holds the login, as it is or in an expression.
struct LoginKey {
    name: String,
    others: Vec<String>,
    condition: Option<String>,
}

/// Adds the condition that the login of the row `p` differs from this one by case or by what is
/// blank at its ends only.
pub(super) fn is_nearly(sql: &mut Sql, column: &Column, login: &str) {
    sql.add("NOT ");
    equals(sql, "p", column, login);
    sql.add(" AND lower(btrim(").column("p", &column.name).add("::text, ").blanks().add(")) = lower(");
    sql.text(blank::trim(login)).add(")");
}

/// How many of the accounts that have the login are still meant, and who could be where that is not one. What
/// tells them apart is kept for all that looks for the account.
///
/// # Errors
/// The database fails.
pub(super) async fn observe(
    connection: &mut PgConnection,
    account: &Admin,
    known: &mut ResolvedSchema,
    exact: i64,
    look_alikes: i64,
) -> Result<(i64, Namesakes), DatabaseError> {
    known.narrowed.remove(&account.account().map(str::to_owned));
    let Some(login) = known.login.clone().filter(|_| exact > 1 || look_alikes > 0) else {
        return Ok((exact, Namesakes::default()));
    };
    let mut found = Namesakes::default();
    let mut left = exact;
    if exact > 1 {
        let keys = keys(connection, known, &login).await?;
        let told: Vec<Condition> =
            known.active_when.iter().chain(known.columns_of(account.account())).cloned().collect();
        found.tenants = untold(&keys, &told);
        if found.tenants.is_none() {
            let beside = told.iter().filter(|(column, one)| {
                is_told(one)
                    && keys.iter().any(|key| key.others.iter().any(|name| name == column.name.as_str()))
            });
            let beside: Vec<Condition> = beside.cloned().collect();
            let active: Vec<Condition> = beside.iter().chain(&known.active_when).cloned().collect();
            // Nobody has the values that the spec says: then the account is not there. Nobody active says less.
            for (narrowed, none) in [(beside, true), (active, false)] {
                if narrowed.is_empty() {
                    continue;
                }
                let some = counted(connection, known, &login, account, &narrowed).await?;
                if some == 1 || (some == 0 && none) {
                    known.narrowed.insert(account.account().map(str::to_owned), narrowed);
                    left = some;
                    break;
                }
            }
        }
        found.active = counted(connection, known, &login, account, &known.active_when.clone()).await?;
        found.partial = keys
            .into_iter()
            .find_map(|key| key.condition.filter(|_| key.others.is_empty()).map(|told| (key.name, told)));
    }
    if left != 1 || look_alikes > 0 {
        let equal = named(connection, known, &login, account, Named::Equal).await?;
        let inactive = equal.iter().find(|one| !one.active).map(|one| one.id.clone());
        found.spare = inactive.filter(|_| found.active > 0);
        found.equal = equal.into_iter().map(|one| one.id).collect();
        let nearly = named(connection, known, &login, account, Named::Nearly { active: exact > 0 }).await?;
        found.blanks = blank::around(&account.login);
        found.blanks.extend(nearly.iter().flat_map(|one| &one.ends).flat_map(|end| blank::around(end)));
        found.blanks.sort_unstable();
        found.blanks.dedup();
        found.nearly = nearly.into_iter().map(|one| one.id).collect();
    }
    Ok((left, found))
}

/// Whether the spec says the value that a column has.
fn is_told(condition: &ColumnCondition) -> bool {
    condition.equals.is_some() || condition.is_null == Some(true)
}

/// A key that keeps logins apart together with columns of which the spec says no value.
fn untold(keys: &[LoginKey], told: &[Condition]) -> Option<(String, Vec<String>)> {
    keys.iter().find_map(|key| {
        let open = key.others.iter().filter(|name| {
            !told.iter().any(|(column, one)| column.name.as_str() == name.as_str() && is_told(one))
        });
        let open: Vec<String> = open.cloned().collect();
        (!open.is_empty()).then(|| (key.name.clone(), open))
    })
}

/// Whether who is active decides between accounts of one login: the spec says what active means, and no unique key
/// keeps logins apart by tenant.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn active_decides(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<bool, sqlx::Error> {
    let Some(login) = known.login.as_ref().filter(|_| !known.active_when.is_empty()) else {
        return Ok(false);
    };
    Ok(untold(&keys(connection, known, login).await?, &known.active_when).is_none())
}

async fn counted(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    login: &Column,
    account: &Admin,
    narrowed: &[Condition],
) -> Result<i64, sqlx::Error> {
    let mut sql = Sql::new("SELECT count(*) FROM ");
    sql.only(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", login, &account.login);
    for (column, condition) in narrowed {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    sql.scalar(connection).await
}

/// Which accounts are named.
#[derive(Clone, Copy)]
enum Named {
    /// Those that have the login.
    Equal,
    /// Those that nearly have it: all, or those alone that are active.
    Nearly { active: bool },
}

/// An account that has a login, or nearly.
struct Namesake {
    id: String,
    active: bool,
    /// The first and the last characters of its login.
    ends: Vec<String>,
}

/// The first accounts that have the login, or nearly.
async fn named(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    login: &Column,
    account: &Admin,
    which: Named,
) -> Result<Vec<Namesake>, sqlx::Error> {
    let active = |sql: &mut Sql| {
        for (column, condition) in &known.active_when {
            sql.add(" AND ");
            holds(sql, "p", column, condition);
        }
    };
    let mut sql = Sql::new("SELECT ");
    sql.bounded(|sql| {
        sql.column("p", &known.id.name).add("::text");
    });
    sql.add(", true");
    active(&mut sql);
    sql.add(", \"left\"(").column("p", &login.name).add("::text, ").integer(ENDS);
    sql.add("::int4), \"right\"(").column("p", &login.name).add("::text, ").integer(ENDS).add("::int4)");
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    match which {
        Named::Equal => equals(&mut sql, "p", login, &account.login),
        Named::Nearly { .. } => is_nearly(&mut sql, login, &account.login),
    }
    if let Named::Nearly { active: true } = which {
        active(&mut sql);
    }
    sql.add(" ORDER BY ").column("p", &known.id.name).add(" LIMIT ").integer(NAMED);
    let namesake = |row: &PgRow| {
        let id: Option<String> = row.try_get(0)?;
        let ends: [Option<String>; 2] = [row.try_get(2)?, row.try_get(3)?];
        Ok(Namesake {
            id: id.unwrap_or_else(|| "NULL".into()),
            active: row.try_get::<Option<bool>, _>(1)?.unwrap_or(false),
            ends: ends.into_iter().flatten().collect(),
        })
    };
    sql.all(connection).await?.iter().map(namesake).collect()
}

/// The unique keys that hold the login.
async fn keys(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    login: &Column,
) -> Result<Vec<LoginKey>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT c.relname::text, ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(n, o) \
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n WHERE k.o <= i.indnkeyatts ORDER BY k.o), \
         i.indexprs IS NOT NULL AND EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid \
           AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid \
           AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND a.attname::text = ",
    );
    sql.text(login.name.as_str()).add(
        "), \"left\"(pg_get_expr(i.indpred, i.indrelid), 200) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indisunique AND i.indisvalid AND i.indislive AND i.indrelid = ",
    );
    sql.integer(known.users.oid).add("::oid ORDER BY c.relname");
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let mut others: Vec<String> = row.try_get(1)?;
        let plain = others.iter().any(|name| name == login.name.as_str());
        if plain || row.try_get(2)? {
            others.retain(|name| name != login.name.as_str());
            found.push(LoginKey { name: row.try_get(0)?, others, condition: row.try_get(3)? });
        }
    }
    Ok(found)
}
