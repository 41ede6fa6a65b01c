//! The accounts that are kept, the admin first: find them, correct them, reset their passwords, and the
//! sequence behind their ids.

mod beside;

pub(super) use beside::observe_beside;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, PgConnection, Row};

use super::{
    bookkeeping::{self, Entry},
    catalog::{self, Column},
    error::DatabaseError,
    fence::{self, Fence},
    identifier::Sql,
    move_id,
    observe::Known,
    quarantine,
    references::{Condition, equals, holds},
    transaction::{prepare, savepoint},
};
use crate::{
    api::{report::Action, spec::PasswordPolicy},
    consistency::{
        observation::{Account, AdminFacts, PasswordFacts, WantedId},
        target::{Admin, Target},
    },
    memory::Memory,
    passwords,
};

/// One hashing at a time in the whole process: each may take many megabytes on purpose.
static HASHING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// Which passwords are compared with the Secret's.
#[derive(Clone, Copy)]
pub(super) struct Compare<'a> {
    /// What was compared before.
    pub memory: &'a Memory,
    /// The admin's, whatever its policy says.
    pub admin: bool,
}

impl<'a> Compare<'a> {
    fn of(self, account: &Admin) -> Option<&'a Memory> {
        let asked = self.admin && account.place.is_none();
        (asked || account.password_policy == PasswordPolicy::Always).then_some(self.memory)
    }
}

/// The spec does not name the account any more.
pub(super) fn gone() -> DatabaseError {
    DatabaseError::Moved("the spec names no such account any more".into())
}

/// What there is to know of the admin, but for the id that it must have. Who is nearly called so is
/// looked for among all users, unless that is known.
pub async fn observe(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &Known,
    compare: Compare<'_>,
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
async fn account(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &Known,
    compare: Compare<'_>,
) -> Result<Option<(Account, i64)>, DatabaseError> {
    let Some(login) = &known.login else { return Ok(None) };
    let columns = known.columns_of(admin.account());
    let mut sql = Sql::new("SELECT count(*) OVER (), ");
    sql.column("p", &known.id.name).add("::text, ");
    match &known.subject {
        Some(subject) => sql.column("p", &subject.name).add("::text, "),
        None => sql.add("NULL::text, "),
    };
    match &known.password {
        Some(password) => sql.column("p", &password.name).add("::text"),
        None => sql.add("NULL::text"),
    };
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
    let stored: Option<String> = row.try_get(3)?;
    let stored = stored.filter(|hash| !hash.is_empty()).map(SecretString::from);
    let password = password_facts(stored, admin, compare.of(admin)).await;
    let found = Account {
        id: row.try_get(1)?,
        subject: row.try_get(2)?,
        inactive: differing(&known.active_when, 4)?,
        drifted: differing(columns, 4 + known.active_when.len())?,
        password,
        references: Vec::new(),
    };
    Ok(Some((found, row.try_get(0)?)))
}

/// Recognises the stored hash, and compares it where that was asked for: away from the async threads,
/// since hashing takes a while on purpose.
async fn password_facts(
    stored: Option<SecretString>,
    account: &Admin,
    compare: Option<&Memory>,
) -> PasswordFacts {
    let Some(stored) = stored else {
        let matches = compare.map(|_| false);
        return PasswordFacts { format: None, family: "nothing", absent: true, matches };
    };
    let format = passwords::recognise(stored.expose_secret());
    let family = passwords::family(stored.expose_secret());
    let matches = match (&account.password, compare) {
        (Some(password), Some(memory)) if format.is_some() => {
            if memory.password_matched(&account.login, &stored, password) {
                Some(true)
            } else {
                let (hash, word) = (stored.clone(), password.clone());
                let verifying = move || passwords::verify(hash.expose_secret(), &word).ok();
                let turn = HASHING.acquire().await;
                let matches = tokio::task::spawn_blocking(verifying).await.unwrap_or(None);
                drop(turn);
                if matches == Some(true) {
                    memory.remember_password(&account.login, &stored, password);
                }
                matches
            }
        }
        _ => None,
    };
    PasswordFacts { format, family, absent: false, matches }
}

/// What is known of the id that an account must have, and how many rows name the one that it has.
pub async fn observe_id(
    connection: &mut PgConnection,
    admin: &Admin,
    known: &Known,
    facts: &mut AdminFacts,
    server_version: i64,
) -> Result<(), DatabaseError> {
    let Some(wanted) = &admin.id else { return Ok(()) };
    let current = facts.account.as_ref().map(|account| account.id.clone());
    let there = |id: &String| WantedId {
        canonical: Some(id.clone()),
        occupied: false,
        orphan_rows: 0,
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
        facts.wanted = Some(WantedId { canonical: None, occupied: false, orphan_rows: 0, immovable: None });
        return Ok(());
    };
    if current.as_ref() == Some(&canonical) {
        facts.wanted = Some(there(&canonical));
        return Ok(());
    }
    let occupied = {
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
        sql.only(&known.users.relation).add(" p WHERE ");
        equals(&mut sql, "p", &known.id, &canonical);
        sql.add(")");
        sql.scalar::<bool>(connection).await?
    };
    let mut orphan_rows = 0;
    for reference in known.references.iter().filter(|reference| reference.names_column(&known.id.name)) {
        if !occupied {
            orphan_rows += naming(connection, reference, &canonical).await?;
        }
    }
    let mut immovable = None;
    if let (Some(account), Some(current)) = (&mut facts.account, &current) {
        let prospect = move_id::prospect(connection, known, current, &canonical, server_version).await?;
        account.references = prospect.rows;
        immovable = prospect.refused;
    }
    facts.wanted = Some(WantedId { canonical: Some(canonical), occupied, orphan_rows, immovable });
    Ok(())
}

async fn naming(
    connection: &mut PgConnection,
    reference: &super::references::ReferenceTable,
    id: &str,
) -> Result<i64, DatabaseError> {
    let counted = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&reference.child.relation).add(" c WHERE ");
        reference.names_user(&mut sql, id);
        sql.scalar::<i64>(connection).await
    })
    .await?;
    // A value that the column's type cannot take is in none of its rows.
    Ok(counted.unwrap_or(0))
}

/// Moves the sequence above an id, never backwards.
pub async fn advance_sequence(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &Known,
    above: i64,
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
    bookkeeping::audit(&mut transaction, fence, &entry).await?;
    // Last, since no rollback takes it back: moved and not written down, it is at least above every id.
    if catalog::next_value(&mut transaction, sequence).await? <= above {
        let mut sql = Sql::new("SELECT pg_catalog.setval(pg_catalog.format('%I.%I', ");
        sql.text(sequence.relation.schema.as_str()).add(", ").text(sequence.relation.name.as_str());
        sql.add(")::pg_catalog.regclass, pg_catalog.int8larger(")
            .integer(above)
            .add(", s.last_value), true) FROM ");
        sql.relation(&sequence.relation).add(" s");
        sql.execute(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(0)
}

/// Hashes away from the async threads.
pub(super) async fn hash(
    target: &Target,
    account: &Admin,
    like: Option<SecretString>,
) -> Result<SecretString, DatabaseError> {
    let format = target.users.password_hash;
    let password = account.password.clone().ok_or_else(|| {
        DatabaseError::Moved(format!("{} has no password to be seeded with", account.called()))
    })?;
    let _turn = HASHING.acquire().await;
    let made = tokio::task::spawn_blocking(move || {
        passwords::make(format, &password, like.as_ref().map(ExposeSecret::expose_secret))
    })
    .await
    .map_err(|_| DatabaseError::Moved("hashing the password was interrupted".into()))?;
    Ok(made?)
}

/// A stored hash of the app, whose cost a new one takes over; in a transaction of its own, since a
/// pooler may give each transaction another server.
pub(super) async fn like(
    connection: &mut PgConnection,
    fence: &Fence,
    known: &Known,
) -> Result<Option<SecretString>, DatabaseError> {
    let Some(password) = &known.password else { return Ok(None) };
    let mut transaction = connection.begin().await?;
    prepare(&mut transaction, fence.statement_timeout).await?;
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &password.name).add("::pg_catalog.text FROM ").only(&known.users.relation);
    sql.add(" p WHERE ").column("p", &password.name).add(" IS NOT NULL ORDER BY ");
    sql.column("p", &known.id.name).add(" DESC LIMIT 1");
    let row = sql.optional(&mut transaction).await?;
    transaction.rollback().await?;
    Ok(row.and_then(|row| row.try_get::<Option<String>, _>(0).ok().flatten()).map(SecretString::from))
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

/// Writes an account's password and columns, after copying the row to quarantine.
pub async fn reset(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &Known,
    account: Option<&str>,
    token: Option<&str>,
) -> Result<i64, DatabaseError> {
    let of = target.account(account).ok_or_else(gone)?;
    let hash = hash(target, of, like(connection, fence, known).await?).await?;
    rewrite(connection, fence, number, target, known, account, Action::Reset, Some(hash), token).await
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
    hash: Option<SecretString>,
    token: Option<&str>,
) -> Result<i64, DatabaseError> {
    let (Some(admin), Some(login)) = (target.account(account), &known.login) else { return Err(gone()) };
    let columns = known.columns_of(account);
    let mut transaction = fence::enter(connection, fence).await?;
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
    if let (Some(hash), Some(password)) = (&hash, &known.password) {
        set(&mut sql, password, Some(hash.expose_secret()));
    }
    let mut named: Vec<&str> = Vec::new();
    for (column, condition) in columns.iter().chain(&known.active_when) {
        let name = column.name.as_str();
        let again = named.contains(&name) || known.password.as_ref().is_some_and(|p| p.name == column.name);
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
    if !kept(&mut transaction, known, columns, &id, hash.as_ref()).await? {
        return Err(DatabaseError::Moved(
            "the account was written and is not what was written: a trigger may change it back".into(),
        ));
    }
    let object = &crate::api::report::ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..Default::default()
    };
    let entry = Entry { step: number, chunk: 1, action, object, rows: changed, token };
    bookkeeping::audit_of(&mut transaction, fence, &entry, account).await?;
    super::rows::count_done(&mut transaction, fence, number, changed).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// Whether the account is now what a correction or a reset has written.
async fn kept(
    connection: &mut PgConnection,
    known: &Known,
    columns: &[Condition],
    id: &str,
    hash: Option<&SecretString>,
) -> Result<bool, DatabaseError> {
    let mut sql = Sql::new("SELECT true");
    for (column, condition) in known.active_when.iter().chain(columns) {
        // A condition of "not NULL" says no value that could have been written.
        if condition.is_null != Some(false) {
            sql.add(" AND ");
            holds(&mut sql, "p", column, condition);
        }
    }
    if let (Some(hash), Some(password)) = (hash, &known.password) {
        sql.add(" AND ").column("p", &password.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) ");
        sql.text(hash.expose_secret());
    }
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", &known.id, id);
    let row = sql.optional(connection).await?;
    Ok(match row {
        Some(row) => row.try_get::<Option<bool>, _>(0)?.unwrap_or(false),
        None => false,
    })
}
