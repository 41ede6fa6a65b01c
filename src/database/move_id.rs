//! Gives an account another id, with every reference to the old one.
//!
//! One statement with data-modifying CTEs updates the user's row and all children: foreign keys with
//! NO ACTION, RESTRICT or ON UPDATE CASCADE, and references of the user table to itself, pass without
//! deferring anything.

use sqlx::{PgConnection, Row};

use super::{
    accounts::gone,
    bookkeeping::{self, Entry},
    catalog::{self, Column, Table},
    error::DatabaseError,
    fence::{self, Fence},
    guard::{self, Expected},
    identifier::{Sql, run},
    observe::Known,
    quarantine,
    references::{ReferenceTable, equals},
    seed::unclaimed,
    transaction::savepoint,
};
use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
    },
    consistency::{target::Target, wording::count},
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
    let before = guard::counts(connection).await?;
    if let Some(why) = unseen(connection, known).await? {
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
    for carrier in &carriers {
        copy(connection, fence, number, carrier, from, to).await?;
    }
    let tables = change(connection, known, &carriers, from, to).await?;
    let changed: i64 = tables.iter().map(|(_, rows)| rows).sum();
    if changed > ceiling {
        return Err(DatabaseError::Moved(format!(
            "{changed} rows would have changed with the id, and the plan says {ceiling}: nothing was changed"
        )));
    }
    run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    let mut expected = Vec::new();
    for (table, rows) in tables {
        let tables = guard::storage(connection, table).await?;
        expected.push(Expected { tables, updated: rows, deleted: 0, inserted: 0 });
    }
    guard::compare(connection, &before, &expected).await?;
    let object = ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        columns: vec![known.id.name.as_str().to_owned()],
        constraint: None,
    };
    let entry =
        Entry { step: number, chunk: 1, action: Action::MoveId, object: &object, rows: changed, token: None };
    bookkeeping::audit_of(connection, fence, &entry, account).await?;
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
        let why = format!(
            "the role may not UPDATE {}.{}: run what `auth-consistency grants` prints",
            table.relation.schema.as_str(),
            table.relation.name.as_str()
        );
        (Reason::PrivilegeMissing, why)
    };
    let mut refused = (!users.rights.update).then(|| no_update(users));
    let mut counted = Vec::new();
    for carrier in &carriers {
        let rows = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT count(*) FROM ");
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
        let first = &carrier.references[0].object;
        counted.push((ObjectRef { columns, constraint: None, ..first.clone() }, rows));
    }
    Ok(Prospect { rows: counted, refused })
}

/// A unique key in which rows that name the one id would be equal to rows that name the other, and how many.
async fn crowded(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    from: &str,
    to: &str,
    server_version: i64,
) -> Result<Option<(String, i64)>, sqlx::Error> {
    let child = &reference.child;
    let Some(column) = reference.columns.first() else { return Ok(None) };
    let keys = catalog::unique_indexes(connection, child.oid, column.name.as_str(), server_version).await?;
    for key in keys {
        // What an expression or a predicate makes of the new value is the engine's to say.
        let Some(others) = &key.others else { continue };
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&child.relation).add(" c WHERE ");
        reference.names_user(&mut sql, from);
        sql.add(" AND EXISTS (SELECT FROM ").only(&child.relation).add(" h WHERE ");
        equals(&mut sql, "h", column, to);
        for other in others.iter().filter_map(|name| child.column(name)) {
            let Some(equality) = &other.equality else { continue };
            sql.add(" AND (").column("h", &other.name).operator(equality).column("c", &other.name);
            if key.nulls_equal {
                sql.add(" OR (").column("h", &other.name).add(" IS NULL AND ");
                sql.column("c", &other.name).add(" IS NULL)");
            }
            sql.add(")");
        }
        sql.add(")");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            return Ok(Some((key.name, rows)));
        }
    }
    Ok(None)
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
    let cascades = catalog::cascades(connection, known.users.oid, known.id.name.as_str()).await?;
    let seen = |cascade: &catalog::Cascade| {
        known.references.iter().any(|reference| {
            let mut keys = reference.key.iter().chain(&reference.partition_keys);
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

/// Copies a carrier's rows that name the id to quarantine.
async fn copy(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    carrier: &Carrier<'_>,
    from: &str,
    to: &str,
) -> Result<(), DatabaseError> {
    let mut count = Sql::new("SELECT count(*) FROM ");
    count.only(&carrier.table.relation).add(" c WHERE ");
    naming(&mut count, carrier, from);
    if count.scalar::<i64>(connection).await? == 0 {
        return Ok(());
    }
    if carrier.primary_key.is_empty() {
        return Err(DatabaseError::Unsupported(no_primary_key(carrier)));
    }
    let mut sql = Sql::new("SELECT ");
    for (at, column) in carrier.primary_key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name).add("::pg_catalog.text");
    }
    sql.add(" FROM ").only(&carrier.table.relation).add(" c WHERE ");
    naming(&mut sql, carrier, from);
    sql.add(" FOR UPDATE OF c");
    let mut keys = Vec::new();
    for row in sql.all(connection).await? {
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
    .await
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
    let mut changed = vec![(&known.users, row.try_get(0)?)];
    for (at, carrier) in others.iter().enumerate() {
        changed.push((carrier.table, row.try_get(at + 1)?));
    }
    Ok(changed)
}
