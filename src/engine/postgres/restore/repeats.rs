//! Whether the next repair would do to rows that went back what the last one did.

use crate::{
    api::{
        report::{Action, ObjectRef},
        spec::OnOrphan,
    },
    domain::{incremental::change_marks::Reuse, target::Target},
    engine::postgres::{
        catalog::resolved::ResolvedSchema,
        observe::scope,
        session::{
            error::DatabaseError,
            transaction::{prepare, savepoint},
        },
        sql::Sql,
    },
};

use sqlx::{Connection, PgConnection};

use crate::engine::Restored;

/// Looks whether rows of what was restored name nobody still, in references that the spec says to repair.
///
/// # Errors
/// The database fails as a whole.
pub async fn repeats(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    restored: &mut [Restored],
) -> Result<(), DatabaseError> {
    let of_rows = |one: &Restored| {
        let rows = matches!(one.action, Action::Remap | Action::SetNull | Action::Reassign | Action::Delete);
        rows && one.rows > 0 && target.references.policy(&one.object).on_orphan != OnOrphan::Report
    };
    if !restored.iter().any(of_rows) {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let tables = scope::resolve(connection, target, known, &Reuse::default()).await?.tables;
    for one in restored.iter_mut().filter(|one| of_rows(one)) {
        let same = |object: &ObjectRef| {
            (&object.schema, &object.table, &object.columns)
                == (&one.object.schema, &one.object.table, &one.object.columns)
        };
        let Some(table) = tables.iter().find(|table| same(&table.object)) else { continue };
        if target.references.policy(&one.object).on_orphan == OnOrphan::Remap {
            // Who an old id names today is for the next look to say.
            one.repeats = true;
            continue;
        }
        let orphaned = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
            sql.only(&table.child.relation).add(" c WHERE ");
            table.orphaned(&mut sql);
            sql.add(")");
            sql.scalar::<bool>(connection).await
        });
        // What cannot be told is said as if it were so.
        one.repeats = orphaned.await?.unwrap_or(true);
    }
    transaction.rollback().await?;
    Ok(())
}
