//! What an account holds until its columns are put back: somebody may have changed it since, and it is kept as
//! what a repair changes is, under the run of the restore. So that can be taken back as well.

use sqlx::{PgConnection, Row};

use crate::{
    api::report::Action,
    engine::postgres::{
        catalog::{self, Column, Found},
        ledger::{
            fence::Fence,
            quarantine::{self, Copies},
        },
        repair::guard::beyond::Own,
        restore::{lineage::Member, undo::Undo},
        session::{error::DatabaseError, transaction::by_the_catalog},
        sql::Sql,
    },
};

/// What an account held was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// It is known not to be what the repair had written.
    pub changed_since: bool,
}

/// Copies the row of an account that is about to be put back, in the same transaction; `None` where the row is of
/// no such step, or is not there.
pub(super) async fn keep(
    connection: &mut PgConnection,
    fence: &Fence,
    undo: &Undo<'_>,
    key: &[Column],
    last: &Member,
    own: &mut Own,
) -> Result<Option<Kept>, DatabaseError> {
    if undo.inserts() || !matches!(last.action, Action::Correct | Action::Reset) {
        return Ok(None);
    }
    let changed: Vec<&Column> =
        undo.changed.iter().filter_map(|name| undo.pair.source.column(name)).collect();
    let mut sql = Sql::new("SELECT ARRAY[");
    for (at, column) in key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name).add("::pg_catalog.text");
    }
    sql.add("], CASE WHEN q._ac_new_key IS NULL THEN false ELSE q._ac_new_key::pg_catalog.jsonb OPERATOR(pg_catalog.<>) ");
    quarantine::digests(&mut sql, &changed);
    sql.add(" END FROM ").only(&undo.pair.source.relation).add(" c, ");
    sql.relation(&undo.pair.quarantine.relation).add(" q WHERE ");
    undo.is_row(&mut sql, key);
    sql.add(" FOR UPDATE OF c");
    let rows = sql.all(connection).await?;
    let [row] = rows.as_slice() else { return Ok(None) };
    let (of, changed_since): (Vec<String>, bool) = (row.try_get(0)?, row.try_get(1)?);
    let source = &undo.pair.source.relation;
    let found = by_the_catalog(connection, async |connection: &mut PgConnection| {
        catalog::find_table(connection, source.schema.as_str(), source.name.as_str()).await
    });
    let Found::Table(source) = found.await? else { return Ok(None) };
    write_down(connection, fence, undo, last, own).await?;
    *own += Own::copied(1, 1);
    let (step, action) = (last.step, last.action);
    let columns = Some(undo.changed.as_slice());
    let copies = Copies {
        step,
        chunk: 1,
        action,
        source: &source,
        key_columns: key,
        keys: &[of],
        new_key: None,
        columns,
    };
    quarantine::copy(connection, fence, &copies).await?;
    Ok(Some(Kept { changed_since }))
}

/// Writes down the run of the restore with this step of it, as that of any other run that changes rows.
async fn write_down(
    connection: &mut PgConnection,
    fence: &Fence,
    undo: &Undo<'_>,
    last: &Member,
    own: &mut Own,
) -> Result<(), DatabaseError> {
    let mut sql = Sql::new(
        "INSERT INTO auth_consistency.runs (run, system_identifier, database_oid, owner, owner_name, generation) VALUES (",
    );
    sql.text(&fence.run).add(", ").text(&fence.identity.system).add(", ");
    sql.integer(fence.identity.database).add(", ").text(&fence.owner).add(", ").text(&fence.owner);
    sql.add(", 0) ON CONFLICT DO NOTHING");
    own.runs += sql.execute(connection).await?;
    let source = &undo.pair.source.relation;
    let mut sql = Sql::new(
        "INSERT INTO auth_consistency.steps (run, step, action, schema_name, table_name, column_names, ceiling, done) VALUES (",
    );
    sql.text(&fence.run).add(", ").integer(last.step).add(", ").text(last.action.as_str()).add(", ");
    sql.text(source.schema.as_str()).add(", ").text(source.name.as_str()).add(", ");
    sql.texts(undo.changed.iter().cloned().map(Some).collect()).add(", 1, 1) ON CONFLICT DO NOTHING");
    own.begun += sql.execute(connection).await?;
    Ok(())
}
