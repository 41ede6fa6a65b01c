//! Every step in two verbs: `prepare` looks, `apply` is one transaction.

use crate::{
    domain::step::{PermittedStep, Step},
    engine::{
        ChunkDone, Pace, Run, RunRequest, StepCursor,
        postgres::{
            catalog::resolved::ResolvedSchema,
            ledger::fence::Fence,
            repair::{
                accounts::{self, Resetting},
                constraints,
                move_id::{self, Moving},
                remap::{self, Remapping},
                rows::{self, PlannedRows, RowsStep},
                run,
                seed::{self, Seeding},
                sequence,
                sessions::SessionsStep,
            },
            session::error::DatabaseError,
        },
    },
};

use std::sync::Arc;

use sqlx::PgConnection;

use super::{fence, mistaken, own};

/// A step of PostgreSQL under way.
enum State {
    /// One transaction.
    Whole { step: Box<PermittedStep>, number: i64 },
    /// SetNull, Reassign or Delete.
    Rows(Box<RowsStep>),
    /// Tokens or sessions that end.
    Sessions(Box<SessionsStep>),
}

pub(super) async fn begin(
    connection: &mut PgConnection,
    request: &RunRequest<'_>,
) -> Result<Run, DatabaseError> {
    let known = own(request.resolved)?;
    let begun = run::begin(connection, &known, request).await?;
    Ok(Run { numbers: begun.numbers, fence: Arc::new(begun.fence) })
}

pub(super) async fn prepare(
    connection: &mut PgConnection,
    request: &RunRequest<'_>,
    run: &Run,
    permitted: &PermittedStep,
    number: i64,
) -> Result<StepCursor, DatabaseError> {
    let (fence, known, target) = (fence(run)?, own(request.resolved)?, request.target);
    let state = match permitted.step() {
        Step::Rows { action, reference, takes, surplus, .. } => {
            let Some(table) = known.references.iter().find(|table| *table.object == *reference) else {
                return Err(DatabaseError::PlanStale(format!(
                    "{} is not there any more",
                    reference.describe()
                )));
            };
            let ceiling = permitted.ceiling();
            let planned =
                PlannedRows { reference: table, action: *action, number, ceiling, takes, surplus: *surplus };
            State::Rows(Box::new(RowsStep::ready(connection, fence, target, &known, planned).await?))
        }
        Step::EndSessions { means, object, due, .. } => {
            let what = (means, object, due);
            let ready = SessionsStep::ready(connection, fence, target, &known, what, number).await?;
            State::Sessions(Box::new(ready))
        }
        _ => State::Whole { step: Box::new(permitted.clone()), number },
    };
    let chunked = !matches!(state, State::Whole { .. });
    Ok(StepCursor { chunked, state: Box::new(state) })
}

pub(super) async fn apply(
    connection: &mut PgConnection,
    request: &RunRequest<'_>,
    run: &Run,
    cursor: &mut StepCursor,
    pace: Option<Pace>,
) -> Result<ChunkDone, DatabaseError> {
    let fence = fence(run)?;
    match cursor.state.downcast_mut::<State>().ok_or_else(|| mistaken("the step"))? {
        State::Whole { step, number } => {
            let known = own(request.resolved)?;
            // On the heap: what the largest of them holds is large.
            let rows = Box::pin(whole(connection, fence, *number, request, &known, step)).await?;
            Ok(ChunkDone::whole(rows))
        }
        State::Rows(rows) => {
            if let Some(pace) = pace {
                rows.pace(pace.took, pace.aim);
            }
            rows::repair_chunk(connection, fence, rows).await
        }
        State::Sessions(ending) => {
            if let Some(pace) = pace {
                ending.pace(pace.took, pace.aim);
            }
            ending.chunk(connection, fence).await
        }
    }
}

/// A step that is one transaction: how many rows it changed.
async fn whole(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    request: &RunRequest<'_>,
    known: &ResolvedSchema,
    permitted: &PermittedStep,
) -> Result<i64, DatabaseError> {
    let (target, ceiling) = (request.target, permitted.ceiling());
    match permitted.step() {
        Step::AdvanceSequence { past, .. } => {
            sequence::advance_sequence(connection, fence, number, known, *past).await
        }
        Step::Seed { account, id, claimed, token, format, .. } => {
            let seeding = Seeding {
                account: account.as_deref(),
                id: id.as_deref(),
                claimed: *claimed,
                token: token.as_deref(),
                format: *format,
            };
            seed::seed(connection, fence, number, target, known, &seeding).await
        }
        Step::Correct { account, .. } => {
            accounts::correct(connection, fence, number, target, known, account.as_deref()).await
        }
        Step::Reset { account, token, format, .. } => {
            let resetting =
                Resetting { account: account.as_deref(), token: token.as_deref(), format: *format };
            accounts::reset(connection, fence, number, target, known, &resetting).await
        }
        Step::MoveId { account, from, to, claimed, .. } => {
            let moving = Moving { account: account.as_deref(), from, to, ceiling, claimed: *claimed };
            move_id::move_id(connection, fence, number, target, known, &moving).await
        }
        Step::AddConstraint { reference, options } => {
            constraints::add_constraint(connection, fence, number, known, reference, options).await
        }
        Step::ValidateConstraint { reference } => {
            constraints::validate_constraint(connection, fence, number, known, reference).await
        }
        Step::Remap { reference, digest, surplus, .. } => {
            let remapping = Remapping { reference, digest, ceiling, surplus: *surplus };
            remap::remap(connection, fence, number, target, known, &remapping).await
        }
        Step::Rows { .. } | Step::EndSessions { .. } => Err(mistaken("a step of chunks")),
    }
}
