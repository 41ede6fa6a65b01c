//! The accounts that are kept, the admin first: find them, correct them, reset their passwords, and the
//! sequence behind their ids.

pub(in crate::engine::postgres) use crate::engine::postgres::observe::more_accounts::observe_beside;
pub(in crate::engine::postgres) use crate::engine::postgres::repair::password::{
    compare, hash, read_back, stored_columns,
};

use sqlx::{PgConnection, Row};

use super::{guard, move_id};
use crate::{
    api::{report::Action, spec::PasswordPolicy},
    domain::{
        facts::{Account, AdminFacts, PasswordFacts, WantedId},
        target::{Admin, Target},
    },
    engine::PasswordCache,
    engine::postgres::{
        catalog::{
            self, Column,
            condition::{Condition, equals, holds},
        },
        ledger::{
            self, Entry,
            fence::{self, Fence},
            quarantine,
        },
        observe::{
            Known, fit,
            hashes::{self, StoredRow},
            ids,
        },
        repair::{guard::beyond::Own, password},
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Sql, run},
    },
    passwords::{Format, Made},
};

/// Which passwords are compared with the Secret's.
pub(in crate::engine::postgres) struct Compare<'a> {
    /// What was compared before.
    pub(in crate::engine::postgres) memory: &'a dyn PasswordCache,
    /// The admin's, whatever its policy says.
    admin: bool,
    /// What is to be compared once the snapshot has ended.
    pub(in crate::engine::postgres) later: Vec<password::Uncompared>,
}

impl<'a> Compare<'a> {
    /// Compares what policies ask for, and the admin's too where `admin` says so.
    pub fn new(memory: &'a dyn PasswordCache, admin: bool) -> Self {
        Self { memory, admin, later: Vec::new() }
    }

    pub(in crate::engine::postgres) fn of(&self, account: &Admin) -> bool {
        let asked = self.admin && account.place.is_none();
        asked || account.password_policy == PasswordPolicy::Always
    }
}

/// The spec does not name the account any more.
pub(in crate::engine::postgres) fn gone() -> DatabaseError {
    DatabaseError::Moved("the spec names no such account any more".into())
}

/// What there is to know of the admin, but for the id that it must have. Who is nearly called so is
/// looked for among all users, unless that is known.
pub async fn observe(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &Known,
    compare: &mut Compare<'_>,
    look_alikes: Option<i64>,
) -> Result<AdminFacts, DatabaseError> {
    let Some(login) = &known.login else {
        return Ok(AdminFacts { account: None, exact: 0, look_alikes: 0, wanted: None });
    };
    let (exact, look_alikes) = match look_alikes {
        Some(look_alikes) => {
            let mut sql = Sql::new("SELECT count(*) FROM ");
            sql.only(&known.users.relation).add(" p WHERE ");
            equals(&mut sql, "p", login, &admin.login);
            (sql.scalar(connection).await?, look_alikes)
        }
        None => named_alike(connection, admin, known, login).await?,
    };
    let found = if exact > 0 { account(connection, admin, known, compare).await? } else { None };
    let account = found.map(|(account, _)| account);
    Ok(AdminFacts { account, exact, look_alikes, wanted: None })
}

/// How many accounts are called as the admin is, and how many nearly so.
async fn named_alike(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &Known,
    login: &Column,
) -> Result<(i64, i64), sqlx::Error> {
    let mut sql = Sql::new("SELECT count(*) FILTER (WHERE ");
    equals(&mut sql, "p", login, &admin.login);
    sql.add("), count(*) FILTER (WHERE NOT ");
    equals(&mut sql, "p", login, &admin.login);
    sql.add(" AND lower(btrim(").column("p", &login.name).add("::text)) = lower(btrim(").text(&admin.login);
    sql.add("))) FROM ").only(&known.users.relation).add(" p");
    let row = sql.one(connection).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// The account of a login, or the first of them, and how many there are.
pub(in crate::engine::postgres) async fn account(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &Known,
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
    equals(&mut sql, "p", login, &admin.login);
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
        Some(_) => password::facts(StoredRow::read(&row, 3, known)?, admin, known, compare),
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
    known: &mut Known,
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
        let prospect = move_id::prospect(connection, known, current, &canonical, server_version).await?;
        account.references = prospect.rows;
        immovable = prospect.refused;
    }
    facts.wanted = Some(WantedId { occupied, orphan_rows, unseen, immovable, ..there(&canonical) });
    Ok(())
}

/// Moves the sequence past an id in the direction in which it counts, never backwards.
pub async fn advance_sequence(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &Known,
    past: i64,
) -> Result<i64, DatabaseError> {
    let Some(sequence) = &known.sequence else {
        return Err(DatabaseError::Moved("the id column has no sequence any more".into()));
    };
    let object = crate::api::report::ObjectRef {
        schema: sequence.relation.schema.as_str().to_owned(),
        table: sequence.relation.name.as_str().to_owned(),
        ..Default::default()
    };
    let mut transaction = fence::enter(connection, fence).await?;
    let entry = Entry {
        step: number,
        chunk: 1,
        action: Action::AdvanceSequence,
        object: &object,
        rows: 0,
        token: None,
    };
    ledger::audit(&mut transaction, fence, &entry).await?;
    // Last, since no rollback takes it back: moved and not written down, it is at least beyond every id.
    let next = catalog::next_value(&mut transaction, sequence).await?;
    let descends = sequence.increment < 0;
    if if descends { next >= past } else { next <= past } {
        // In its own steps: where several servers take turns, each gives every second number. From what it gives
        // next, so that no number which somebody drew meanwhile is given again.
        let mut sql = Sql::new("SELECT pg_catalog.setval(pg_catalog.format('%I.%I', ");
        sql.text(sequence.relation.schema.as_str()).add(", ").text(sequence.relation.name.as_str());
        sql.add(
            ")::pg_catalog.regclass, n.value, true) FROM (SELECT i.step, i.next OPERATOR(pg_catalog.+) \
             (pg_catalog.int8larger((",
        );
        sql.integer(past).add(
            " OPERATOR(pg_catalog.-) i.next) OPERATOR(pg_catalog./) i.step, 0) OPERATOR(pg_catalog.*) \
             i.step) AS value FROM (SELECT ",
        );
        catalog::next(&mut sql, sequence);
        sql.add(" AS next, ").integer(sequence.increment).add(" AS step FROM ").relation(&sequence.relation);
        sql.add(" s) i) n WHERE n.value ");
        if descends {
            sql.add("OPERATOR(pg_catalog.>=) (").integer(known.first_id);
        } else {
            sql.add("OPERATOR(pg_catalog.<=) (").integer(known.last_id);
        }
        sql.add(" OPERATOR(pg_catalog.-) n.step)");
        // What the column cannot hold is never given.
        if sql.optional(&mut transaction).await?.is_none() {
            return Err(DatabaseError::Moved(format!(
                "there is no id left {} {past} that the sequence gives and the column can hold",
                if descends { "below" } else { "above" }
            )));
        }
    }
    transaction.commit().await?;
    Ok(0)
}

/// Puts an account's columns right, after copying the row to quarantine.
pub async fn correct(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &Known,
    account: Option<&str>,
) -> Result<i64, DatabaseError> {
    rewrite(connection, fence, number, target, known, account, Action::Correct, None, None).await
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
    known: &Known,
    resetting: &Resetting<'_>,
) -> Result<i64, DatabaseError> {
    let Resetting { account, token, format } = *resetting;
    let of = target.account(account).ok_or_else(gone)?;
    let made = hash(target, of, known, format).await?;
    rewrite(connection, fence, number, target, known, account, Action::Reset, Some(made), token).await
}

#[expect(clippy::too_many_arguments, reason = "the two account repairs share one statement")]
async fn rewrite(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &Known,
    account: Option<&str>,
    action: Action,
    made: Option<(Made, Format)>,
    token: Option<&str>,
) -> Result<i64, DatabaseError> {
    let (Some(admin), Some(login)) = (target.account(account), &known.login) else { return Err(gone()) };
    let columns = known.columns_of(account);
    let mut transaction = fence::enter(connection, fence).await?;
    ledger::not_done_yet(&mut transaction, token).await?;
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name)
        .add("::pg_catalog.text FROM ")
        .only(&known.users.relation)
        .add(" p WHERE ");
    equals(&mut sql, "p", login, &admin.login);
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
    quarantine::copy(
        &mut transaction,
        fence,
        number,
        1,
        action,
        &known.users,
        std::slice::from_ref(&known.id),
        &keys,
        None,
        None,
    )
    .await?;
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
    let object = &crate::api::report::ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..Default::default()
    };
    let entry = Entry { step: number, chunk: 1, action, object, rows: changed, token };
    let format = made.as_ref().map(|(_, format)| format);
    ledger::audit_of(&mut transaction, fence, &entry, account, format).await?;
    super::rows::count_done(&mut transaction, fence, number, changed).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// Whether the account is now what a seed, a correction or a reset has written.
pub(in crate::engine::postgres) async fn kept(
    connection: &mut PgConnection,
    known: &Known,
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
