//! The run that is undone: whose it is, and what it did.

use crate::{
    api::report::{Action, ObjectRef},
    engine::postgres::{
        ledger::{audit, fence::Fence},
        restore::inventory,
        session::error::DatabaseError,
        sql::sql,
    },
};

use sqlx::{PgConnection, Row};

/// The run that is undone, and whose it is: this target's own, or one of another database or resource whose data
/// came along with a dump. It says which copies are meant and holds no lock; what is written is written under the
/// fence of the restore.
pub(super) struct Past {
    /// The run.
    pub run: String,
    /// Whose it is.
    pub whose: Fence,
}

impl Past {
    /// The run of this identity, as `system/database/resource`; `None`: this target's own.
    ///
    /// # Errors
    /// It is no identity.
    pub(super) fn of(fence: &Fence, run: &str, identity: Option<&str>) -> Result<Self, DatabaseError> {
        let whose =
            identity.map_or_else(|| Ok(fence.clone()), |identity| inventory::whose(fence, identity))?;
        Ok(Self { run: run.to_owned(), whose })
    }
}

/// One step of a run as it was written down.
pub(super) struct Done {
    pub number: i64,
    pub action: Action,
    pub object: ObjectRef,
}

pub(super) async fn steps(connection: &mut PgConnection, past: &Past) -> Result<Vec<Done>, DatabaseError> {
    let sql = sql!(
        "SELECT s.step, s.action, s.schema_name, s.table_name, s.column_names, s.constraint_name
         FROM auth_consistency.steps s JOIN auth_consistency.runs r ON r.run = s.run
         WHERE r.system_identifier = {system} AND r.database_oid = {database} AND r.owner = {owner} AND r.run = {run}
         ORDER BY s.step",
        system = past.whose.identity.system,
        database = past.whose.identity.database,
        owner = past.whose.owner,
        run = past.run,
    );
    let rows = sql.all(connection).await?;
    if rows.is_empty() {
        return Err(DatabaseError::NotFound(format!(
            "there is no run {:?} of this resource in this database: `auth-consistency restore` without --run lists them, and a run that came along with the data of another database or resource goes back with --identity, as `auth-consistency quarantine list` shows it",
            past.run
        )));
    }
    let mut steps = Vec::new();
    for row in rows {
        let name: String = row.try_get(1)?;
        let Some(action) = audit::action(&name) else { continue };
        steps.push(Done {
            number: row.try_get(0)?,
            action,
            object: ObjectRef {
                schema: row.try_get(2)?,
                table: row.try_get(3)?,
                columns: row.try_get(4)?,
                constraint: row.try_get(5)?,
            },
        });
    }
    Ok(steps)
}

/// Whether a step that ended sessions did so by removing rows.
pub(super) async fn removed_rows(
    connection: &mut PgConnection,
    past: &Past,
    step: &Done,
) -> Result<bool, sqlx::Error> {
    if step.action != Action::EndSessions {
        return Ok(false);
    }
    let sql = sql!(
        "SELECT EXISTS (SELECT FROM auth_consistency.batches WHERE action = 'Delete' AND run = {run} AND step = {step})",
        run = past.run,
        step = step.number,
    );
    sql.scalar(connection).await
}

/// What a foreign key of the app took along with a step's rows.
pub(super) async fn along(
    connection: &mut PgConnection,
    past: &Past,
    step: &Done,
) -> Result<Vec<Done>, DatabaseError> {
    let sql = sql!(
        "SELECT DISTINCT q.schema_name, q.table_name, b.action, b.column_names FROM auth_consistency.batches b
         JOIN auth_consistency.quarantine q ON q.name = b.name
         WHERE b.run = {run} AND b.step = {step} AND b.system_identifier = {system} AND b.database_oid = {database}
         AND NOT (q.schema_name = {schema} AND q.table_name = {table})
         ORDER BY 1, 2",
        run = past.run,
        step = step.number,
        system = past.whose.identity.system,
        database = past.whose.identity.database,
        schema = step.object.schema,
        table = step.object.table,
    );
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let name: String = row.try_get(2)?;
        let Some(action) = audit::action(&name) else { continue };
        found.push(Done {
            number: step.number,
            action,
            object: ObjectRef {
                schema: row.try_get(0)?,
                table: row.try_get(1)?,
                columns: row.try_get::<Option<Vec<String>>, _>(3)?.unwrap_or_default(),
                constraint: None,
            },
        });
    }
    Ok(found)
}
