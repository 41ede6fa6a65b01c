//! Gives an account another id, with every reference to the old one.
//!
//! One statement with data-modifying CTEs updates the user's row and all children: foreign keys with
//! NO ACTION, RESTRICT or ON UPDATE CASCADE, and references of the user table to itself, pass without
//! deferring anything.

mod barred;
mod beside;
mod crowded;

use barred::barred;
use beside::nothing_beside;
use crowded::crowded;
use sqlx::{PgConnection, Row};

use super::{
    accounts::gone,
    guard::{self, Expected},
};
use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
    },
    domain::{
        diagnose::rights,
        sql_name::sql_table,
        target::{References, Target},
        text::count,
    },
    engine::postgres::{
        catalog::{self, Column, Table, condition::equals, reference::ReferenceTable},
        ledger::{
            self, Entry,
            fence::{self, Fence},
            quarantine,
        },
        observe::{Known, fit, foreign, ids::unclaimed},
        repair::{
            guard::beyond::Own,
            rows::cascades::held::{Changing, held},
        },
        session::{
            error::DatabaseError,
            transaction::{by_the_catalog, savepoint},
        },
        sql::{Sql, run},
    },
};

/// One table and its columns that name the id: a row may name it more than once.
struct Carrier<'a> {
    table: &'a Table,
    primary_key: Vec<Column>,
    references: Vec<&'a ReferenceTable>,
}

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
    known: &Known,
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
    equals(&mut sql, "p", login, &admin.login);
    sql.add(" OR ");
    equals(&mut sql, "p", &known.id, to);
    sql.add(" FOR UPDATE");
    let found: Vec<String> =
        sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if found != [from.to_owned()] {
        return Err(DatabaseError::Moved(format!(
            "{} no longer has the id {from}, or somebody has the id {to} now: nothing was changed",
            admin.called()
        )));
    }
    let own = vec![vec![from.to_owned()]];
    quarantine::copy(
        connection,
        fence,
        number,
        1,
        Action::MoveId,
        &known.users,
        std::slice::from_ref(&known.id),
        &own,
        Some(to),
        Some(&[known.id.name.as_str().to_owned()]),
    )
    .await?;
    let mut theirs = false;
    for carrier in &carriers {
        theirs |= copy(connection, fence, number, &target.references, carrier, from, to).await?;
    }
    let before = guard::counts(connection, fence).await?;
    let tables = change(connection, known, &carriers, from, to).await?;
    let changed: i64 = tables.iter().map(|(_, rows)| rows).sum();
    if changed > ceiling {
        return Err(DatabaseError::Moved(format!(
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
    ledger::audit_of(connection, fence, &entry, account, None).await?;
    super::rows::count_done(connection, fence, number, changed).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// What moving the id would come to.
#[derive(Debug)]
pub struct Prospect {
    /// Rows of each table that name the id, the user's own row left out.
    pub rows: Vec<(ObjectRef, i64)>,
    /// Why it cannot be moved.
    pub refused: Option<(Reason, String)>,
}

/// Counts what would move with an id, and finds out what keeps it from moving, before anything does.
///
/// # Errors
/// The database fails as a whole.
pub async fn prospect(
    connection: &mut PgConnection,
    known: &Known,
    from: &str,
    to: &str,
    server_version: i64,
) -> Result<Prospect, DatabaseError> {
    let carriers = match carriers(known) {
        Ok(carriers) => carriers,
        Err(why) => {
            return Ok(Prospect { rows: Vec::new(), refused: Some((Reason::RepairUnsupported, why)) });
        }
    };
    if let Some(why) = unseen(connection, known).await? {
        return Ok(Prospect { rows: Vec::new(), refused: Some((Reason::RepairUnsupported, why)) });
    }
    let users = &known.users;
    let no_update = |table: &Table| {
        let name = sql_table(table.relation.schema.as_str(), table.relation.name.as_str());
        let grant = rights::granted(&table.rights.role, [("UPDATE", name.as_str())]);
        let why = format!("the role may not UPDATE {name}: {grant}");
        (Reason::PrivilegeMissing, why)
    };
    let mut refused = (!users.rights.update).then(|| no_update(users));
    let (carriers, unfit) = fitting(connection, carriers, from, to).await?;
    if let Some(why) = unfit {
        refused.get_or_insert((Reason::RepairUnsupported, why));
    }
    let along = |table: i64, column: &str| {
        let moves = |one: &&ReferenceTable| one.columns[0].name.as_str() == column;
        carriers.iter().any(|one| one.table.oid == table && one.references.iter().any(moves))
    };
    let own = Changing { table: users, columns: vec![&known.id.name], is_users: true };
    let why = held(connection, &own, along, |sql| equals(sql, "c", &known.id, from)).await?;
    refused = refused.or(why);
    let mut counted = Vec::new();
    for carrier in &carriers {
        let rows = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT pg_catalog.count(*) FROM ");
            sql.only(&carrier.table.relation).add(" c WHERE (");
            naming(&mut sql, carrier, from);
            sql.add(")");
            if carrier.table.oid == users.oid {
                sql.add(" AND NOT ");
                equals(&mut sql, "c", &known.id, from);
            }
            sql.scalar::<i64>(connection).await
        })
        .await?;
        // A value that the column's type cannot take is in none of its rows.
        let rows = rows.unwrap_or(0);
        if rows == 0 {
            continue;
        }
        if !carrier.table.rights.update {
            refused.get_or_insert_with(|| no_update(carrier.table));
        }
        if carrier.primary_key.is_empty() {
            refused.get_or_insert_with(|| (Reason::RepairUnsupported, no_primary_key(carrier)));
        }
        let columns = carrier.references.iter().map(|one| &one.columns[0].name).collect();
        let changing = Changing { table: carrier.table, columns, is_users: false };
        let why = held(connection, &changing, along, |sql| naming(sql, carrier, from)).await?;
        refused = refused.or(why);
        for reference in &carrier.references {
            let crowded = savepoint(connection, async |connection: &mut PgConnection| {
                crowded(connection, reference, from, to, server_version).await
            })
            .await?;
            if let Ok(Some((key, rows))) = crowded {
                let why = format!(
                    "{} of {} would collide in the unique key {key} with rows that name {to} already; take those away first (onOrphan: Delete), or merge them by hand",
                    count(rows, "row"),
                    reference.object.describe()
                );
                refused.get_or_insert((Reason::UniqueKeyInTheWay, why));
            }
        }
        let columns =
            carrier.references.iter().map(|one| one.columns[0].name.as_str().to_owned()).collect::<Vec<_>>();
        let first = &*carrier.references[0].object;
        counted.push((ObjectRef { columns, constraint: None, ..first.clone() }, rows));
    }
    // What cannot be asked is the database's to say when it runs.
    let way = savepoint(connection, async |connection: &mut PgConnection| {
        barred(connection, known, &carriers, from, to).await
    });
    refused = refused.or(way.await?.unwrap_or_default());
    Ok(Prospect { rows: counted, refused })
}

fn no_primary_key(carrier: &Carrier<'_>) -> String {
    format!(
        "{} has no primary key, so its rows cannot be named one by one: add one",
        carrier.references[0].child.relation.name.as_str()
    )
}

/// A foreign key that is not looked at (ignored, not discovered, not readable) and through which the
/// engine itself would change rows: nobody would count them, and nothing would copy them.
async fn unseen(connection: &mut PgConnection, known: &Known) -> Result<Option<String>, DatabaseError> {
    // Asked where rows are written, too, whose path is the role's own.
    let cascades = by_the_catalog(connection, async |connection: &mut PgConnection| {
        catalog::cascades(connection, known.users.oid, known.id.name.as_str()).await
    });
    let cascades = cascades.await?;
    let seen = |cascade: &catalog::Cascade| {
        known.references.iter().any(|reference| {
            let mut keys =
                reference.key.as_deref().into_iter().chain(&reference.partition_keys).chain(&reference.twins);
            keys.any(|key| key.child == cascade.child && key.name == cascade.constraint)
        })
    };
    Ok(cascades.iter().find(|cascade| !seen(cascade)).map(|cascade| {
        format!(
            "moving the id would go on to rows of {}.{} through {} (ON UPDATE), which is not looked at: let it be checked, or change its ON UPDATE",
            cascade.child.0, cascade.child.1, cascade.constraint
        )
    }))
}

/// The tables that name the id; the error says why it cannot be moved at all.
fn carriers(known: &Known) -> Result<Vec<Carrier<'_>>, String> {
    if known.id.identity_always {
        return Err(format!(
            "column {:?} is GENERATED ALWAYS AS IDENTITY, so no id can be moved: alter it to BY DEFAULT, or leave spec.admin.id out",
            known.id.name.as_str()
        ));
    }
    let mut carriers: Vec<Carrier<'_>> = Vec::new();
    for reference in &known.references {
        let of_several = reference.parent_columns.len() > 1
            && reference.parent_columns.iter().any(|column| column.name == known.id.name);
        if of_several {
            return Err(format!(
                "{} names the id together with other columns, and moving such an id is not supported yet",
                reference.object.describe()
            ));
        }
        if !reference.names_column(&known.id.name) {
            continue;
        }
        if let Some(carrier) = carriers.iter_mut().find(|one| one.table.oid == reference.child.oid) {
            if carrier.references.iter().all(|one| one.columns[0].name != reference.columns[0].name) {
                carrier.references.push(reference);
            }
            continue;
        }
        carriers.push(Carrier {
            table: &reference.child,
            primary_key: reference
                .primary_key
                .iter()
                .filter_map(|name| reference.child.column(name))
                .cloned()
                .collect(),
            references: vec![reference],
        });
    }
    Ok(carriers)
}

/// The carriers without the columns that cannot hold the new id, and why it cannot be moved where a row would
/// have to take it there.
async fn fitting<'a>(
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
    quarantine::copy(
        connection,
        fence,
        number,
        1,
        Action::MoveId,
        carrier.table,
        &carrier.primary_key,
        &keys,
        Some(to),
        Some(&columns),
    )
    .await?;
    Ok(theirs)
}

fn naming(sql: &mut Sql, carrier: &Carrier<'_>, id: &str) {
    for (at, reference) in carrier.references.iter().enumerate() {
        sql.add(if at > 0 { " OR " } else { "" });
        reference.names_user(sql, id);
    }
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
    known: &'a Known,
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
