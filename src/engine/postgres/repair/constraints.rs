//! Foreign keys that are added and validated: each in a transaction of its own, after the rows, and
//! only while no row names nobody.
//!
//! `ADD ... NOT VALID` looks at no old row and so holds its lock for a moment; `VALIDATE` looks at all
//! of them while the app goes on writing. Both are PostgreSQL's own proof, which no counting of ours
//! replaces.

use crate::{
    api::report::{Action, ObjectRef},
    domain::facts::foreign_key::ForeignKeyOptions,
    engine::postgres::{
        catalog::{reference::ReferenceTable, resolved::ResolvedSchema},
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
        },
        rowset::foreign_keys::{add_statement, by_hand, table},
        session::error::DatabaseError,
        sql::{Name, Only, sql, with},
    },
};

use sqlx::{PgConnection, Row};

/// The longest name that PostgreSQL keeps as it is.
pub(in crate::engine::postgres) const LONGEST_NAME: usize = 63;

/// VALIDATE may take as many times the time of one look at the database; it keeps nobody from writing.
const VALIDATE_TIMES: u32 = 5;

fn moved(object: &ObjectRef) -> DatabaseError {
    DatabaseError::PlanStale(format!("{} is not there any more", object.describe()))
}

/// A foreign key that is there.
enum State {
    /// It is marked valid.
    Valid,
    /// It is not.
    NotValid,
    /// It is NOT ENFORCED, and nothing validates it.
    NotEnforced,
}

/// Whether the foreign key is there, and whether it is marked valid.
async fn state(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    name: &str,
) -> Result<Option<State>, DatabaseError> {
    // PostgreSQL 18 brought conenforced.
    let sql = sql!(
        "SELECT convalidated, (pg_catalog.to_jsonb(con) ->> 'conenforced') = 'false'
         FROM pg_catalog.pg_constraint con
         WHERE contype = 'f' AND conrelid = {child}::pg_catalog.oid AND confrelid = {parent}::pg_catalog.oid
         AND conname::pg_catalog.text = {name}",
        child = table.child.oid,
        parent = table.parent.oid,
        name = name,
    );
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Some(match (row.try_get(0)?, row.try_get::<Option<bool>, _>(1)?) {
        (_, Some(true)) => State::NotEnforced,
        (true, _) => State::Valid,
        (false, _) => State::NotValid,
    }))
}

fn orphans_again(object: &ObjectRef) -> DatabaseError {
    DatabaseError::PlanStale(format!("rows of {} name nobody: those are mended first", object.describe()))
}

/// Adds a foreign key that looks at no old row.
///
/// # Errors
/// The run was overtaken, rows name nobody, or the database refuses it.
pub async fn add_constraint(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &ResolvedSchema,
    object: &ObjectRef,
    options: &ForeignKeyOptions,
) -> Result<i64, DatabaseError> {
    let table = table(known, object).ok_or_else(|| moved(object))?;
    let name = object.constraint.as_deref().unwrap_or_default();
    let mut transaction = fence::enter(connection, fence).await?;
    // Somebody was faster: there is nothing left to do, and nothing to write down.
    if state(&mut transaction, table, name).await?.is_some() {
        return Ok(0);
    }
    let sql = sql!(
        "SELECT EXISTS (SELECT FROM {rows} c WHERE {orphaned})",
        rows = Only(&table.child.relation),
        orphaned = with(|sql| {
            table.orphaned(sql);
        }),
    );
    if sql.scalar::<bool>(&mut transaction).await? {
        return Err(orphans_again(object));
    }
    let name = Name::from_catalog(name.to_owned());
    add_statement(table, &name, options, true).execute(&mut transaction).await?;
    written(&mut transaction, fence, number, Action::AddConstraint, object).await?;
    transaction.commit().await?;
    Ok(0)
}

/// Has the database look at all rows and mark the foreign key valid.
///
/// # Errors
/// The run was overtaken, rows name nobody, or the database refuses it.
pub async fn validate_constraint(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &ResolvedSchema,
    object: &ObjectRef,
) -> Result<i64, DatabaseError> {
    let table = table(known, object).ok_or_else(|| moved(object))?;
    let name = object.constraint.as_deref().unwrap_or_default();
    let patient = Fence { statement_timeout: fence.statement_timeout * VALIDATE_TIMES, ..fence.clone() };
    let mut transaction = fence::enter(connection, &patient).await?;
    match state(&mut transaction, table, name).await? {
        None => return Err(moved(object)),
        Some(State::Valid) => return Ok(0),
        Some(State::NotValid) => {}
        Some(State::NotEnforced) => {
            return Err(DatabaseError::PlanStale(format!(
                "the foreign key {name} of {} is NOT ENFORCED now",
                object.describe()
            )));
        }
    }
    match by_hand(table, name, None, true).execute(&mut transaction).await {
        Ok(_) => {}
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("23503") => {
            return Err(orphans_again(object));
        }
        Err(error) => return Err(error.into()),
    }
    written(&mut transaction, fence, number, Action::ValidateConstraint, object).await?;
    transaction.commit().await?;
    Ok(0)
}

async fn written(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    action: Action,
    object: &ObjectRef,
) -> Result<(), DatabaseError> {
    let entry = Entry { step: number, chunk: 1, action, object, rows: 0, token: None };
    Ok(audit::audit(connection, fence, &entry).await?)
}
