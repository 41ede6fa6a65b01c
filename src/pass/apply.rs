//! Executes permitted steps, one effect at a time, in their order. A step that the database refuses for good is
//! passed over, with those that rest on it; what may pass by itself, or touches the run as a whole, ends it.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, Severity, StepReport},
    },
    crash,
    domain::{
        facts::Observation,
        fault::{Class, Fault},
        finding::{Finding, Resolution, person},
        plan::{
            describe::{done_report, step_report},
            undone::{goes_on, rests_on},
        },
        progress::Progress,
        step::{Permission, Permitted, PermittedStep, Step},
        text::clip,
    },
    engine::postgres::{
        self, Begun, Chunk, DatabaseError, Fence, PlannedRows, ResolvedSchema, RowsStep, Session,
        SessionsStep,
    },
    pass::{
        applied::{Applied, Stopped, in_time},
        request::{Pass, run_id},
    },
};

use std::time::{Duration, Instant};

use super::{identities::still_says, throttle::Manners};

/// Chunks in a row that may find nothing to do.
const IDLE_CHUNKS: u32 = 3;

/// Executes the permitted steps; `observation` is the look that they rest on, `leftover` is whether an
/// interrupted run is to be closed as well.
///
/// # Errors
/// The supervisor did not agree; nothing was written.
pub(super) async fn apply(
    pass: &Pass<'_>,
    session: &mut Session,
    known: &ResolvedSchema,
    observation: &Observation,
    permitted: &Permitted,
    leftover: bool,
) -> Result<Applied, Fault> {
    let announced: Vec<StepReport> =
        permitted.steps.iter().map(|one| step_report(pass.target, &one.step, None)).collect();
    pass.supervisor.begin(&announced).await?;
    let mut applied = Applied::default();
    let approved = permitted.steps.iter().any(|one| !matches!(one.by, Permission::Limits));
    let begin = if approved { "approved begin" } else { "begin" };
    crash::point(&format!("before {begin}"));
    let beginning = postgres::begin(
        session.connection(),
        pass.target,
        known,
        permitted,
        Some(&observation.bookkeeping),
        pass.requests.take_claim.as_deref(),
        run_id(pass.now),
    );
    let begun = match in_time(pass, beginning).await {
        Ok(begun) => begun,
        Err(error) => {
            let error = error.with_names(session.connection()).await;
            applied.overtaken = matches!(error, DatabaseError::Fenced | DatabaseError::Overtaken);
            applied.failure = permitted.steps.first().map(|one| failure(&one.step, &error));
            return Ok(applied);
        }
    };
    crash::point(&format!("after {begin}"));
    let mut undone = Undone::default();
    for (one, number) in permitted.steps.iter().zip(&begun.numbers) {
        if undone.holds_back(observation, one) {
            continue;
        }
        let name = one.step.action().as_str();
        crash::point(&format!("before {name}"));
        let result = Box::pin(step(pass, session, known, &begun, one, *number)).await;
        crash::point(&format!("after {name}"));
        let stopped = |why: String, passed_over: Option<usize>| Stopped {
            step: one.step.clone(),
            fence: begun.fence.clone(),
            number: *number,
            before: match one.by {
                Permission::Resume { done, .. } => done,
                Permission::Limits | Permission::Approval(_) => 0,
            },
            why,
            passed_over,
        };
        match result {
            Ok(rows) => {
                applied.repaired.push(done_report(pass.target, &one.step, rows));
            }
            Err(Stop::Database(error)) if is_alone(&error) => {
                let error = error.with_names(session.connection()).await;
                let at = applied.passed_over.len();
                undone.refused(one, at);
                // Chunks before the one that was refused stay done.
                if matches!(one.step, Step::Rows { .. } | Step::EndSessions { .. }) {
                    applied.stopped.push(stopped(error.fault().message, Some(at)));
                }
                applied.passed_over.push(failure(&one.step, &error));
            }
            Err(stop) => {
                let (failure, why) = match stop {
                    Stop::Unwanted(fault) => {
                        (self::stopped(&one.step, &fault.message, fault.class), fault.message)
                    }
                    Stop::Database(error) => {
                        let error = error.with_names(session.connection()).await;
                        (failure(&one.step, &error), error.fault().message)
                    }
                };
                applied.failure = Some(failure);
                applied.stopped.push(stopped(why, None));
                undone.tell(&mut applied.passed_over);
                return Ok(applied);
            }
        }
    }
    undone.tell(&mut applied.passed_over);
    // What a person approved and the database refused goes on when it does not any more.
    if undone.goes_on {
        return Ok(applied);
    }
    // Nothing of an approved run is left over: a later pass needs an approval of its own.
    if approved || leftover {
        crash::point("before close");
        if let Err(error) = postgres::close(session.connection(), &begun.fence).await {
            // Every step is done; the next pass closes what is left over.
            applied.failure = permitted.steps.last().map(|one| {
                let mut found = failure(&one.step, &error);
                found.finding.message = format!(
                    "the approved repairs are done, and the run was not closed: {}",
                    error.fault().message
                );
                found
            });
        }
        crash::point("after close");
    }
    Ok(applied)
}

/// The steps that were passed over, and those that wait for them.
#[derive(Default)]
struct Undone {
    steps: Vec<Step>,
    /// For each of them, the finding of the step that was refused.
    because: Vec<usize>,
    waiting: Vec<(usize, String)>,
    /// Whether one of them was approved and may be done by a later pass under that approval.
    goes_on: bool,
}

impl Undone {
    fn refused(&mut self, one: &PermittedStep, finding: usize) {
        self.steps.push(one.step.clone());
        self.because.push(finding);
        self.goes_on |= !matches!(one.by, Permission::Limits) && goes_on(&one.step);
    }

    /// Whether a step rests on one of them; then it is another one of them.
    fn holds_back(&mut self, observation: &Observation, one: &PermittedStep) -> bool {
        let Some(finding) =
            rests_on(observation, &one.step, &self.steps).and_then(|at| self.because.get(at).copied())
        else {
            return false;
        };
        self.waiting.push((finding, format!("{} of {}", one.step.action(), one.step.about())));
        self.refused(one, finding);
        true
    }

    /// Says in the findings what waits for them.
    fn tell(&self, found: &mut [Finding]) {
        for (at, one) in found.iter_mut().enumerate() {
            let waiting: Vec<&str> =
                self.waiting.iter().filter(|(of, _)| *of == at).map(|(_, what)| what.as_str()).collect();
            if !waiting.is_empty() {
                let told = format!("{}; what rests on it waits: {}", one.finding.message, waiting.join(", "));
                one.finding.message = clip(&told, 1024);
            }
        }
    }
}

/// Whether a step failed for good, and by itself: a constraint or a trigger of the app refuses it, or the world
/// is not what its plan says. The connection is as it was, since the step's transaction was taken back.
fn is_alone(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Sql(_) | DatabaseError::Named { .. } => {
            let fault = error.fault();
            // What the whole server or role refuses, it refuses to the next step too.
            let whole = matches!(
                fault.reason,
                Reason::DatabaseReadOnly | Reason::DatabaseAuthenticationFailed | Reason::DatabaseNotFound
            );
            error.sqlstate().is_some() && fault.class == Class::Terminal && !whole
        }
        DatabaseError::Moved(_)
        | DatabaseError::TouchesMore(_)
        | DatabaseError::Alters { .. }
        | DatabaseError::ForeignOwner(_)
        | DatabaseError::Unsupported(_)
        | DatabaseError::NotUnique(_)
        | DatabaseError::HashRefused(..)
        | DatabaseError::Password(_) => true,
        _ => false,
    }
}

enum Stop {
    Unwanted(Fault),
    Database(DatabaseError),
}

impl From<DatabaseError> for Stop {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

async fn step(
    pass: &Pass<'_>,
    session: &mut Session,
    known: &ResolvedSchema,
    begun: &Begun,
    permitted: &PermittedStep,
    number: i64,
) -> Result<i64, Stop> {
    let (fence, target) = (&begun.fence, pass.target);
    let connection = session.connection();
    Ok(match &permitted.step {
        Step::AdvanceSequence { past, .. } => {
            in_time(pass, postgres::advance_sequence(connection, fence, number, known, *past)).await?
        }
        Step::Seed { account, id, claimed, token, format, .. } => {
            let account = account.as_deref();
            let seeding = postgres::Seeding {
                account,
                id: id.as_deref(),
                claimed: *claimed,
                token: token.as_deref(),
                format: *format,
            };
            in_time(pass, postgres::seed(connection, fence, number, target, known, &seeding)).await?
        }
        Step::Correct { account, .. } => {
            let account = account.as_deref();
            in_time(pass, postgres::correct(connection, fence, number, target, known, account)).await?
        }
        Step::Reset { account, token, format, .. } => {
            let (account, token) = (account.as_deref(), token.as_deref());
            let resetting = postgres::Resetting { account, token, format: *format };
            in_time(pass, postgres::reset(connection, fence, number, target, known, &resetting)).await?
        }
        Step::MoveId { account, from, to, claimed, .. } => {
            pass.supervisor.still_wanted().await.map_err(Stop::Unwanted)?;
            let (account, ceiling) = (account.as_deref(), permitted.ceiling);
            let moving = postgres::Moving { account, from, to, ceiling, claimed: *claimed };
            in_time(pass, postgres::move_id(connection, fence, number, target, known, &moving)).await?
        }
        Step::AddConstraint { reference, options } => {
            pass.supervisor.still_wanted().await.map_err(Stop::Unwanted)?;
            in_time(pass, postgres::add_constraint(connection, fence, number, known, reference, options))
                .await?
        }
        Step::ValidateConstraint { reference } => {
            pass.supervisor.still_wanted().await.map_err(Stop::Unwanted)?;
            in_time(pass, postgres::validate_constraint(connection, fence, number, known, reference)).await?
        }
        Step::Remap { reference, digest, surplus, .. } => {
            pass.supervisor.still_wanted().await.map_err(Stop::Unwanted)?;
            still_says(pass, known).await?;
            let remapping =
                postgres::Remapping { reference, digest, ceiling: permitted.ceiling, surplus: *surplus };
            in_time(pass, postgres::remap(connection, fence, number, target, known, &remapping)).await?
        }
        Step::Rows { action, reference, takes, surplus, .. } => {
            let Some(table) = known.references.iter().find(|table| *table.object == *reference) else {
                return Err(
                    DatabaseError::Moved(format!("{} is not there any more", reference.describe())).into()
                );
            };
            let ceiling = permitted.ceiling;
            let planned =
                PlannedRows { reference: table, action: *action, number, ceiling, takes, surplus: *surplus };
            let ready = RowsStep::ready(connection, fence, target, known, planned);
            let rows = in_time(pass, ready).await?;
            let what = format!("{action} of {}", reference.describe());
            chunks(pass, session, begun, Chunked::Rows(Box::new(rows)), (&what, ceiling)).await?
        }
        Step::EndSessions { means, object, due, rows, .. } => {
            let ready = SessionsStep::ready(connection, fence, target, known, (means, object, due), number);
            let ending = in_time(pass, ready).await?;
            let what = format!("{} of {}", permitted.step.action(), object.describe());
            chunks(pass, session, begun, Chunked::Sessions(ending), (&what, *rows)).await?
        }
    })
}

/// A step that goes on chunk by chunk.
enum Chunked<'a> {
    Rows(Box<RowsStep<'a>>),
    Sessions(SessionsStep<'a>),
}

impl Chunked<'_> {
    async fn next(&mut self, session: &mut Session, fence: &Fence) -> Result<Chunk, DatabaseError> {
        match self {
            Self::Rows(rows) => postgres::repair_chunk(session.connection(), fence, rows).await,
            Self::Sessions(ending) => ending.chunk(session.connection(), fence).await,
        }
    }

    fn pace(&mut self, took: Duration, aim: Duration) {
        match self {
            Self::Rows(rows) => rows.pace(took, aim),
            Self::Sessions(ending) => ending.pace(took, aim),
        }
    }
}

async fn chunks(
    pass: &Pass<'_>,
    session: &mut Session,
    begun: &Begun,
    mut rows: Chunked<'_>,
    (what, ceiling): (&str, i64),
) -> Result<i64, Stop> {
    let mut done = 0;
    let mut idle = 0;
    let mut manners = Manners::new();
    let under_way = |done: i64| Progress::rows(what, done, ceiling);
    loop {
        pass.supervisor.still_wanted().await.map_err(Stop::Unwanted)?;
        in_time(pass, manners.give_way(session, pass.supervisor, under_way(done))).await?;
        pass.supervisor.progress(&under_way(done));
        crash::point("before chunk");
        let began = Instant::now();
        let chunk = in_time(pass, rows.next(session, &begun.fence)).await;
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) if manners.tries_again(&error).await => continue,
            Err(error) => return Err(error.into()),
        };
        crash::point("after chunk");
        let took = began.elapsed();
        done += chunk.rows;
        idle = if chunk.rows == 0 && !chunk.moved { idle + 1 } else { 0 };
        // Rows whose users came back are no orphans any more; should some be locked again and again
        // all the same, the next pass has the word.
        if !chunk.more || idle >= IDLE_CHUNKS {
            return Ok(done);
        }
        rows.pace(took, manners.aim());
        manners.done(took).await;
    }
}

pub(super) fn failure(step: &Step, error: &DatabaseError) -> Finding {
    let fault = error.fault();
    if let Reason::TargetClaimed
    | Reason::LedgerUntrusted
    | Reason::AdminPasswordUnusable
    | Reason::PasswordHashContradicted
    | Reason::PasswordHashUnclear
    | Reason::ForeignOwner
    | Reason::RepairTouchesMore = fault.reason
    {
        let mut found = stopped(step, &fault.message, fault.class);
        found.finding.blocked = Some(fault.reason);
        return found;
    }
    // Integrity constraint violations; what a plan can tell beforehand it tells.
    let refused = error.sqlstate().is_some_and(|state| state.starts_with("23"));
    let way = match step {
        Step::Rows { .. } | Step::Remap { .. } => {
            Some("choose another onOrphan for it in spec.references.rules, or change what refuses it first")
        }
        Step::MoveId { .. } => {
            Some("leave the id out of the spec or choose another one, or change what refuses it first")
        }
        _ => None,
    };
    if let Some(way) = way.filter(|_| refused) {
        return stopped(step, &format!("{}: {way}", fault.message), fault.class);
    }
    stopped(step, &fault.message, fault.class)
}

pub(super) fn stopped(step: &Step, why: &str, class: Class) -> Finding {
    let condition = match step.action() {
        Action::AdvanceSequence | Action::AddConstraint | Action::ValidateConstraint | Action::Purge => {
            ConditionType::SchemaCompatible
        }
        // As the finding's, where there is no app to be asked.
        Action::EndSessions => ConditionType::ReferencesConsistent,
        Action::Remap | Action::SetNull | Action::Reassign | Action::Delete | Action::Restore => {
            ConditionType::ReferencesConsistent
        }
        Action::Seed | Action::Correct | Action::Reset | Action::MoveId => ConditionType::AdminConsistent,
    };
    let mut found = person(
        Reason::RepairFailed,
        condition,
        Severity::Error,
        Some(step.object().clone()),
        format!("{} of {} was not done: {why}", step.action(), step.about()),
    );
    if matches!(class, Class::Transient | Class::Conflict) {
        found.ends = Resolution::Automatic;
    }
    found
}
