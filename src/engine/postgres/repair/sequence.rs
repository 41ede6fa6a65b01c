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
        sql::{sql, with},
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
        return Err(DatabaseError::PlanStale("the id column has no sequence any more".into()));
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
        let sql = sql!(
            "SELECT pg_catalog.setval(pg_catalog.format('%I.%I', {schema}, {name})::pg_catalog.regclass, n.value, true)
             FROM (
               SELECT i.step, i.next + (pg_catalog.int8larger(({past} - i.next) / i.step, 0) * i.step) AS value
               FROM (SELECT {next} AS next, {step} AS step FROM {sequence} s) i) n
             WHERE {can_hold}",
            schema = sequence.relation.schema.as_str(),
            name = sequence.relation.name.as_str(),
            past = past,
            next = with(|sql| catalog::next(sql, sequence)),
            step = sequence.increment,
            sequence = sequence.relation,
            can_hold = with(|sql| {
                if descends {
                    sql!(sql, "n.value >= ({first} - n.step)", first = known.first_id);
                } else {
                    sql!(sql, "n.value <= ({last} - n.step)", last = known.last_id);
                }
            }),
        );
        // What the column cannot hold is never given.
        if sql.optional(&mut transaction).await?.is_none() {
            return Err(DatabaseError::PlanStale(format!(
                "there is no id left {} {past} that the sequence gives and the column can hold",
                if descends { "below" } else { "above" }
            )));
        }
    }
    transaction.commit().await?;
    Ok(0)
}
