//! The accounts that are kept, the admin first: find them, correct them, reset their passwords, and the
//! sequence behind their ids.

use crate::{
    api::report::{self, Action},
    domain::target::Target,
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
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name)
        .add("::pg_catalog.text FROM ")
        .only(&known.users.relation)
        .add(" p WHERE ");
    known.is_account(&mut sql, "p", login, admin);
    sql.add(" FOR UPDATE");
    let rows = sql.all(&mut transaction).await?;
    let [row] = rows.as_slice() else {
        return Err(DatabaseError::Moved(format!(
            "there are {} accounts with the login of {} now, and one is needed",
            rows.len(),
            admin.called()
        )));
    };
    let id: String = row.try_get(0)?;
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
    let mut sql = Sql::new("UPDATE ");
    sql.only(&known.users.relation).add(" AS p SET ");
    let mut first = true;
    let mut set = |sql: &mut Sql, column: &Column, value: Option<&str>| {
        sql.add(if first { "" } else { ", " }).name(&column.name).add(" = ");
        first = false;
        match value {
            Some(value) => sql.typed(value, &column.type_name),
            None => sql.add("NULL"),
        };
    };
    let stored = made.as_ref().map_or_else(Vec::new, |(made, _)| stored_columns(known, made));
    for (column, value) in &stored {
        set(&mut sql, column, Some(value));
    }
    let mut named: Vec<&str> = Vec::new();
    for (column, condition) in columns.iter().chain(&known.active_when) {
        let name = column.name.as_str();
        let again = named.contains(&name) || known.stores_password(&column.name);
        match (&condition.equals, condition.is_null) {
            _ if again => {}
            (Some(value), _) => {
                set(&mut sql, column, Some(value));
                named.push(name);
            }
            (None, Some(true)) => {
                set(&mut sql, column, None);
                named.push(name);
            }
            // "Not NULL" says what it may not be, not what it is.
            (None, _) => {}
        }
    }
    if first {
        return Err(DatabaseError::Unsupported(
            "a condition of isNull: false says no value to write: correct the account by hand".into(),
        ));
    }
    sql.add(" WHERE ");
    equals(&mut sql, "p", &known.id, &id);
    let changed = sql.execute(&mut transaction).await?;
    if changed != 1 {
        return Err(DatabaseError::Moved(format!(
            "{changed} accounts would have changed, and one was meant: a trigger may keep the change back"
        )));
    }
    if !kept(&mut transaction, known, columns, &id).await? {
        return Err(DatabaseError::Moved(
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
