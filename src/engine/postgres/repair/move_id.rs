//! Gives an account another id, with every reference to the old one.
//!
//! One statement with data-modifying CTEs updates the user's row and all children: foreign keys with
//! NO ACTION, RESTRICT or ON UPDATE CASCADE, and references of the user table to itself, pass without
//! deferring anything.

pub(in crate::engine::postgres) mod barred;
mod beside;
pub(in crate::engine::postgres) mod crowded;

use crate::{
    api::report::{Action, ObjectRef},
    domain::{
        target::{References, Target},
        text::count,
    },
    engine::postgres::{
        catalog::{Table, condition::equals, resolved::ResolvedSchema},
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
            progress,
            quarantine::{self, Copies},
        },
        observe::{fit, foreign, ids::unclaimed},
        repair::guard::beyond::Own,
        rowset::carriers::{Carrier, carriers, naming, no_primary_key, unseen},
        session::{
            error::{DatabaseError, gone},
            transaction::savepoint,
        },
        sql::{Sql, run},
    },
};

use beside::nothing_beside;
use sqlx::{PgConnection, Row};

use super::guard::{self, Expected};

/// From where to where, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Moving<'a> {
    /// Login of the account; `None`: the admin.
    pub account: Option<&'a str>,
    /// The id that it has.
    pub from: &'a str,
    /// The id that it gets.
    pub to: &'a str,
    /// No more rows than this change.
    pub ceiling: i64,
    /// Rows may name the new id already: a person said so and approved.
    pub claimed: bool,
}

/// Moves the account from one id to another and returns the rows that changed.
///
/// # Errors
/// The new id is taken meanwhile, a table has no primary key or a key of several columns, or more
/// rows would change than the plan says.
pub async fn move_id(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &ResolvedSchema,
    moving: &Moving<'_>,
) -> Result<i64, DatabaseError> {
    let Moving { account, from, to, ceiling, claimed } = *moving;
    let carriers = carriers(known).map_err(DatabaseError::Unsupported)?;
    let (Some(admin), Some(login)) = (target.account(account), &known.login) else {
        return Err(gone());
    };
    let mut transaction = fence::enter(connection, fence).await?;
    let connection = &mut *transaction;
    if let Some(why) = unseen(connection, known).await? {
        return Err(DatabaseError::Unsupported(why));
    }
    let (carriers, unfit) = fitting(connection, carriers, from, to).await?;
    if let Some(why) = unfit {
        return Err(DatabaseError::Unsupported(why));
    }
    if !claimed {
        unclaimed(connection, known, to).await?;
    }
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name)
        .add("::pg_catalog.text FROM ")
        .only(&known.users.relation)
        .add(" p WHERE ");
    known.is_account(&mut sql, "p", login, admin);
    sql.add(" OR ");
    equals(&mut sql, "p", &known.id, to);
    sql.add(" FOR UPDATE");
    let found: Vec<String> =
        sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if found != [from.to_owned()] {
        return Err(DatabaseError::PlanStale(format!(
            "{} no longer has the id {from}, or somebody has the id {to} now: nothing was changed",
            admin.called()
        )));
    }
    let own = vec![vec![from.to_owned()]];
    let copies = Copies {
        step: number,
        chunk: 1,
        action: Action::MoveId,
        source: &known.users,
        key_columns: std::slice::from_ref(&known.id),
        keys: &own,
        new_key: Some(to),
        columns: Some(&[known.id.name.as_str().to_owned()]),
    };
    quarantine::copy(connection, fence, &copies).await?;
    let mut theirs = false;
    for carrier in &carriers {
        theirs |= copy(connection, fence, number, &target.references, carrier, from, to).await?;
    }
    let before = guard::counts(connection, fence).await?;
    let tables = change(connection, known, &carriers, from, to).await?;
    let changed: i64 = tables.iter().map(|(_, rows)| rows).sum();
    if changed > ceiling {
        return Err(DatabaseError::PlanStale(format!(
            "{changed} rows would have changed with the id, and the plan says {ceiling}: nothing was changed"
        )));
    }
    run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    for carrier in carriers.iter().filter(|one| theirs && one.table.oid != known.users.oid) {
        nothing_beside(connection, fence, number, carrier).await?;
    }
    let mut expected = Vec::new();
    for (table, rows) in tables {
        let tables = guard::storage(connection, table).await?;
        expected.push(Expected { tables, updated: rows, deleted: 0, inserted: 0 });
    }
    guard::compare(connection, fence, &before, guard::Rows::only(&expected, theirs), &Own::default()).await?;
    let object = ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        columns: vec![known.id.name.as_str().to_owned()],
        constraint: None,
    };
    let entry =
        Entry { step: number, chunk: 1, action: Action::MoveId, object: &object, rows: changed, token: None };
    audit::audit_of(connection, fence, &entry, account, None).await?;
    progress::count_done(connection, fence, number, changed).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// The carriers without the columns that cannot hold the new id, and why it cannot be moved where a row would
/// have to take it there.
pub(in crate::engine::postgres) async fn fitting<'a>(
    connection: &mut PgConnection,
    carriers: Vec<Carrier<'a>>,
    from: &str,
    to: &str,
) -> Result<(Vec<Carrier<'a>>, Option<String>), DatabaseError> {
    let (mut fitting, mut refused) = (Vec::new(), None);
    for carrier in carriers {
        let mut references = Vec::new();
        for reference in carrier.references {
            let Some(unfit) = fit::unfit(connection, reference, &[to.to_owned()]).await? else {
                references.push(reference);
                continue;
            };
            let mut sql = Sql::new("SELECT pg_catalog.count(*) FROM ");
            sql.only(&reference.child.relation).add(" c WHERE ");
            reference.names_user(&mut sql, from);
            let rows = savepoint(connection, async |connection: &mut PgConnection| {
                sql.scalar::<i64>(connection).await
            });
            let rows = rows.await?.unwrap_or(0);
            if rows > 0 {
                let (rows, of, why) = (count(rows, "row"), reference.object.describe(), unfit.why);
                refused.get_or_insert_with(|| {
                    format!(
                        "{rows} of {of} would have to name it, and {why}: let the column take it, or choose another id"
                    )
                });
            }
        }
        if !references.is_empty() {
            fitting.push(Carrier { references, ..carrier });
        }
    }
    Ok((fitting, refused))
}

/// Copies a carrier's rows that name the id to quarantine. Says whether code of a neighbour's stands on its table.
async fn copy(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    references: &References,
    carrier: &Carrier<'_>,
    from: &str,
    to: &str,
) -> Result<bool, DatabaseError> {
    let mut count = Sql::new("SELECT pg_catalog.count(*) FROM ");
    count.only(&carrier.table.relation).add(" c WHERE ");
    naming(&mut count, carrier, from);
    if count.scalar::<i64>(connection).await? == 0 {
        return Ok(false);
    }
    if carrier.primary_key.is_empty() {
        return Err(DatabaseError::Unsupported(no_primary_key(carrier)));
    }
    let named = carrier.references.iter().map(|one| ObjectRef::clone(&one.object)).collect();
    let theirs = foreign::require(connection, fence.user_table, references, named).await?;
    let mut sql = Sql::new("SELECT ");
    for (at, column) in carrier.primary_key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name).add("::pg_catalog.text");
    }
    sql.add(" FROM ").only(&carrier.table.relation).add(" c WHERE ");
    naming(&mut sql, carrier, from);
    sql.add(" FOR UPDATE OF c");
    let mut keys = Vec::new();
    for row in sql.every(connection).await? {
        let key: Result<Vec<String>, sqlx::Error> =
            (0..carrier.primary_key.len()).map(|at| row.try_get(at)).collect();
        keys.push(key?);
    }
    let columns: Vec<String> =
        carrier.references.iter().map(|one| one.columns[0].name.as_str().to_owned()).collect();
    let copies = Copies {
        step: number,
        chunk: 1,
        action: Action::MoveId,
        source: carrier.table,
        key_columns: &carrier.primary_key,
        keys: &keys,
        new_key: Some(to),
        columns: Some(&columns),
    };
    quarantine::copy(connection, fence, &copies).await?;
    Ok(theirs)
}

/// `col = CASE WHEN col names the old id THEN new ELSE col END` for each column of a carrier.
fn assignments(sql: &mut Sql, carrier: &Carrier<'_>, from: &str, to: &str) {
    for (at, reference) in carrier.references.iter().enumerate() {
        let column = &reference.columns[0];
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" = CASE WHEN ");
        reference.names_user(sql, from);
        sql.add(" THEN ").typed(to, &column.type_name).add(" ELSE ").column("c", &column.name).add(" END");
    }
}

/// Changes the id and what names it, and says how many rows of which table that were.
async fn change<'a>(
    connection: &mut PgConnection,
    known: &'a ResolvedSchema,
    carriers: &[Carrier<'a>],
    from: &str,
    to: &str,
) -> Result<Vec<(&'a Table, i64)>, DatabaseError> {
    let (own, others): (Vec<&Carrier<'a>>, Vec<&Carrier<'a>>) =
        carriers.iter().partition(|carrier| carrier.table.oid == known.users.oid);
    // The user table's own references go in the same UPDATE: no statement may touch a row twice.
    let mut sql = Sql::new("WITH u AS (UPDATE ");
    sql.only(&known.users.relation).add(" AS c SET ").name(&known.id.name).add(" = CASE WHEN ");
    equals(&mut sql, "c", &known.id, from);
    sql.add(" THEN ").typed(to, &known.id.type_name).add(" ELSE ").column("c", &known.id.name).add(" END");
    for carrier in &own {
        sql.add(", ");
        assignments(&mut sql, carrier, from, to);
    }
    sql.add(" WHERE ");
    equals(&mut sql, "c", &known.id, from);
    for carrier in &own {
        sql.add(" OR ");
        naming(&mut sql, carrier, from);
    }
    sql.add(" RETURNING 1)");
    for (at, carrier) in others.iter().enumerate() {
        sql.add(", t").ordinal(at).add(" AS (UPDATE ").only(&carrier.table.relation).add(" AS c SET ");
        assignments(&mut sql, carrier, from, to);
        sql.add(" WHERE ");
        naming(&mut sql, carrier, from);
        sql.add(" RETURNING 1)");
    }
    sql.add(" SELECT (SELECT pg_catalog.count(*) FROM u)");
    for at in 0..others.len() {
        sql.add(", (SELECT pg_catalog.count(*) FROM t").ordinal(at).add(")");
    }
    let row = sql.one(connection).await?;
    let mut changed = vec![(&*known.users, row.try_get(0)?)];
    for (at, carrier) in others.iter().enumerate() {
        changed.push((carrier.table, row.try_get(at + 1)?));
    }
    Ok(changed)
}
