//! Moves a sequence forwards.

use sqlx::PgConnection;

use crate::{
    api::report::{self, Action},
    engine::postgres::{
        catalog::{self, resolved::ResolvedSchema},
        ledger::{
            audit::{self, Entry},
            fence::{self, Fence},
        },
        session::error::DatabaseError,
        sql::Sql,
    },
};

/// Moves the sequence past an id in the direction in which it counts, never backwards.
pub async fn advance_sequence(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &ResolvedSchema,
    past: i64,
) -> Result<i64, DatabaseError> {
    let Some(sequence) = &known.sequence else {
        return Err(DatabaseError::Moved("the id column has no sequence any more".into()));
    };
    let object = report::ObjectRef {
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
    audit::audit(&mut transaction, fence, &entry).await?;
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
