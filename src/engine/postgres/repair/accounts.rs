//! The accounts that are kept, the admin first: find them, correct them, reset their passwords, and the
//! sequence behind their ids.

use crate::{
    api::report::{self, Action},
    domain::target::{Admin, Target},
    engine::postgres::{
        catalog::{
            Column,
            condition::{Condition, equals, holds},
            resolved::ResolvedSchema,
        },
        ledger::{
            self,
            audit::{self, Entry},
            fence::{self, Fence},
            progress,
            quarantine::{self, Copies},
        },
        observe::hashes::stored_columns,
        repair::{
            guard::beyond::Own,
            password::{hash, read_back},
        },
        session::error::{DatabaseError, gone},
        sql::{Sql, run},
    },
    passwords::{Format, Made},
};

use sqlx::{PgConnection, Row};

use super::guard;

/// Puts an account's columns right, after copying the row to quarantine.
pub async fn correct(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &ResolvedSchema,
    account: Option<&str>,
) -> Result<i64, DatabaseError> {
    rewrite(connection, fence, number, target, known, Rewrite { account, reset: None }).await
}

/// How an account's password is written.
pub struct Resetting<'a> {
    /// Its login; `None`: the admin.
    pub account: Option<&'a str>,
    /// The reset token that asked for it.
    pub token: Option<&'a str>,
    /// The format that was planned.
    pub format: Option<Format>,
}

/// Writes an account's password and columns, after copying the row to quarantine.
///
/// # Errors
/// The password cannot be stored as the app reads it, or what was read back is another one.
pub async fn reset(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &ResolvedSchema,
    resetting: &Resetting<'_>,
) -> Result<i64, DatabaseError> {
    let Resetting { account, token, format } = *resetting;
    let of = target.account(account).ok_or_else(gone)?;
    let made = hash(target, of, known, format).await?;
    rewrite(connection, fence, number, target, known, Rewrite { account, reset: Some((made, token)) }).await
}

/// What is written to an account's row.
struct Rewrite<'a> {
    /// Its login; `None`: the admin.
    account: Option<&'a str>,
    /// A new password with its format and the token that asked for it, beside the columns.
    reset: Option<((Made, Format), Option<&'a str>)>,
}

async fn rewrite(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &ResolvedSchema,
    rewrite: Rewrite<'_>,
) -> Result<i64, DatabaseError> {
    let Rewrite { account, reset } = rewrite;
    let action = if reset.is_some() { Action::Reset } else { Action::Correct };
    let (made, token) = reset.map_or((None, None), |(made, token)| (Some(made), token));
    let (Some(admin), Some(login)) = (target.account(account), &known.login) else { return Err(gone()) };
    let columns = known.columns_of(account);
    let mut transaction = fence::enter(connection, fence).await?;
    ledger::not_done_yet(&mut transaction, token).await?;
    let id = lock(&mut transaction, known, login, admin).await?;
    let keys = vec![vec![id.clone()]];
    let copies = Copies {
        step: number,
        chunk: 1,
        action,
        source: &known.users,
        key_columns: std::slice::from_ref(&known.id),
        keys: &keys,
        new_key: None,
        columns: None,
    };
    quarantine::copy(&mut transaction, fence, &copies).await?;
    let before = guard::counts(&mut transaction, fence).await?;
    let values = values(known, made.as_ref().map(|(made, _)| made), columns);
    if values.is_empty() {
        return Err(DatabaseError::Unsupported(
            "a condition of isNull: false says no value to write: correct the account by hand".into(),
        ));
    }
    let changed = write(known, &values, &id).execute(&mut transaction).await?;
    if changed != 1 {
        return Err(DatabaseError::PlanStale(format!(
            "{changed} accounts would have changed, and one was meant: a trigger may keep the change back"
        )));
    }
    if !kept(&mut transaction, known, columns, &id).await? {
        return Err(DatabaseError::PlanStale(
            "the account was written and is not what was written: a trigger may change it back".into(),
        ));
    }
    if let Some((made, _)) = &made {
        read_back(&mut transaction, known, made, &id).await?;
    }
    // What waits for the end of the transaction runs now, while somebody looks.
    run(&mut transaction, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    guard::compare(&mut transaction, fence, &before, guard::Rows::Any(&known.users), &Own::default()).await?;
    quarantine::note_written(&mut transaction, fence, number, &known.users, &known.id, &id).await?;
    let object = &report::ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..Default::default()
    };
    let entry = Entry { step: number, chunk: 1, action, object, rows: changed, token };
    let format = made.as_ref().map(|(_, format)| format);
    audit::audit_of(&mut transaction, fence, &entry, account, format).await?;
    progress::count_done(&mut transaction, fence, number, changed).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// The id of the one account that has the login, locked.
async fn lock(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    login: &Column,
    admin: &Admin,
) -> Result<String, DatabaseError> {
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name)
        .add("::pg_catalog.text FROM ")
        .only(&known.users.relation)
        .add(" p WHERE ");
    known.is_account(&mut sql, "p", login, admin);
    sql.add(" FOR UPDATE");
    let rows = sql.all(connection).await?;
    let [row] = rows.as_slice() else {
        return Err(DatabaseError::PlanStale(format!(
            "there are {} accounts with the login of {} now, and one is needed",
            rows.len(),
            admin.called()
        )));
    };
    Ok(row.try_get(0)?)
}

/// What an account's columns are given: what the password is stored by, then what the spec says of each column
/// that this leaves. Of a condition that no value meets alone ("not NULL") there is none.
fn values<'a>(
    known: &'a ResolvedSchema,
    made: Option<&'a Made>,
    columns: &'a [Condition],
) -> Vec<(&'a Column, Option<&'a str>)> {
    let stored = made.map_or_else(Vec::new, |made| stored_columns(known, made));
    let mut values: Vec<(&Column, Option<&str>)> =
        stored.into_iter().map(|(column, value)| (column, Some(value))).collect();
    let mut named: Vec<&str> = Vec::new();
    for (column, condition) in columns.iter().chain(&known.active_when) {
        let name = column.name.as_str();
        let value = match (&condition.equals, condition.is_null) {
            _ if named.contains(&name) || known.stores_password(&column.name) => continue,
            (Some(value), _) => Some(value.as_str()),
            (None, Some(true)) => None,
            // "Not NULL" says what it may not be, not what it is.
            (None, _) => continue,
        };
        values.push((column, value));
        named.push(name);
    }
    values
}

/// The statement that writes an account's columns.
fn write(known: &ResolvedSchema, values: &[(&Column, Option<&str>)], id: &str) -> Sql {
    let mut sql = Sql::new("UPDATE ");
    sql.only(&known.users.relation).add(" AS p SET ");
    for (at, (column, value)) in values.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" = ");
        match value {
            Some(value) => sql.typed(value, &column.type_name),
            None => sql.add("NULL"),
        };
    }
    sql.add(" WHERE ");
    equals(&mut sql, "p", &known.id, id);
    sql
}

/// Whether the account is now what a seed, a correction or a reset has written.
pub(in crate::engine::postgres) async fn kept(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    columns: &[Condition],
    id: &str,
) -> Result<bool, DatabaseError> {
    let mut sql = Sql::new("SELECT true");
    for (column, condition) in known.active_when.iter().chain(columns) {
        // A condition of "not NULL" says no value that could have been written.
        if condition.is_null != Some(false) {
            sql.add(" AND ");
            holds(&mut sql, "p", column, condition);
        }
    }
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", &known.id, id);
    let row = sql.optional(connection).await?;
    Ok(match row {
        Some(row) => row.try_get::<Option<bool>, _>(0)?.unwrap_or(false),
        None => false,
    })
}
