//! Executes permitted steps, one effect at a time, in their order. A step that the database refuses for good is
//! passed over, with those that rest on it; what may pass by itself, or touches the run as a whole, ends it.

use crate::{
    api::report::{Action, StepReport},
    crash,
    domain::{
        facts::Observation,
        fault::Fault,
        plan::{
            describe::{done_report, step_report},
            undone::{goes_on, rests_on},
        },
        progress::Progress,
        step::{Permission, Permitted, PermittedStep, Step},
    },
    engine::{EngineError, ErrorKind, Resolved, Run, RunRequest, Session},
    pass::{
        applied::{Applied, Stopped, in_time},
        failed::{Extent, Failed, Failure},
        request::{Pass, run_id},
    },
};

use std::{sync::Arc, time::Instant};

use super::{identities::still_says, throttle::Throttle};

/// Chunks in a row that may find nothing to do.
const IDLE_CHUNKS: u32 = 3;

/// Executes the permitted steps; `observation` is the look that they rest on, `leftover` is whether an
/// interrupted run is to be closed as well.
///
/// # Errors
/// The supervisor did not agree; nothing was written.
pub(super) async fn apply(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    resolved: &Arc<dyn Resolved>,
    observation: &Observation,
    permitted: &Permitted,
    leftover: bool,
) -> Result<Applied, Fault> {
    let announced: Vec<StepReport> =
        permitted.steps().iter().map(|one| step_report(pass.target, one.step(), None)).collect();
    pass.supervisor.begin(&announced).await?;
    let mut applied = Applied::default();
    let approved = permitted.steps().iter().any(|one| !matches!(one.by(), Permission::Limits));
    let begin = if approved { "approved begin" } else { "begin" };
    let id = run_id(pass.now);
    let request = RunRequest {
        target: pass.target,
        resolved,
        permitted,
        looked: Some(&observation.bookkeeping),
        take_claim: pass.requests.take_claim.as_deref(),
        id: &id,
    };
    crash::point(&format!("before {begin}"));
    let run = match in_time(pass, session.begin_run(&request)).await {
        Ok(run) => run,
        Err(error) => {
            let error = session.named(error).await;
            applied.overtaken = error.kind() == ErrorKind::Fenced;
            applied.failure =
                permitted.steps().first().map(|one| Failure::of(Failed::new(one.step(), &error)));
            return Ok(applied);
        }
    };
    crash::point(&format!("after {begin}"));
    let applying = Applying { pass, request: &request, run: &run };
    let undone = applying.steps(session, observation, &mut applied).await;
    // What a person approved and the database refused goes on when it does not any more.
    if undone.goes_on || applied.failure.is_some() {
        return Ok(applied);
    }
    // Nothing of an approved run is left over: a later pass needs an approval of its own.
    if approved || leftover {
        crash::point("before close");
        if let Err(error) = session.end_run(&run).await {
            // Every step is done; the next pass closes what is left over.
            applied.failure = permitted.steps().last().map(|one| {
                let mut failed = Failed::new(one.step(), &error);
                failed.extent = Extent::NotClosed;
                Failure::of(failed)
            });
        }
        crash::point("after close");
    }
    Ok(applied)
}

/// The steps of a run that has begun.
struct Applying<'a> {
    pass: &'a Pass<'a>,
    request: &'a RunRequest<'a>,
    run: &'a Run,
}

impl Applying<'_> {
    /// Does them one after the other, and says what could not be done.
    async fn steps(
        &self,
        session: &mut dyn Session,
        observation: &Observation,
        applied: &mut Applied,
    ) -> Undone {
        let mut undone = Undone::default();
        for (one, number) in self.request.permitted.steps().iter().zip(&self.run.numbers) {
            if undone.holds_back(observation, one) {
                continue;
            }
            let name = one.step().action().as_str();
            crash::point(&format!("before {name}"));
            // On the heap: what the largest of them holds is large.
            let result = Box::pin(self.step(session, one, *number)).await;
            crash::point(&format!("after {name}"));
            match result {
                Ok(rows) => {
                    applied.repaired.push(done_report(self.pass.target, one.step(), rows));
                }
                Err(Stop::Database(error)) if error.is_of_one_step() => {
                    let error = session.named(error).await;
                    let at = applied.passed_over.len();
                    undone.refused(one, at);
                    // Chunks before the one that was refused stay done.
                    if matches!(one.step(), Step::Rows { .. } | Step::EndSessions { .. }) {
                        applied.stopped.push(self.stopped(one, *number, Some(at)));
                    }
                    applied.passed_over.push(Failed::new(one.step(), &error));
                }
                Err(stop) => {
                    let failed = match stop {
                        Stop::Unwanted(fault) => Failed::unwanted(one.step(), fault),
                        Stop::Database(error) => Failed::new(one.step(), &session.named(error).await),
                    };
                    applied.failure = Some(Failure::of(failed));
                    applied.stopped.push(self.stopped(one, *number, None));
                    break;
                }
            }
        }
        undone.tell(&mut applied.passed_over);
        undone
    }

    fn stopped(&self, one: &PermittedStep, number: i64, passed_over: Option<usize>) -> Stopped {
        let before = match one.by() {
            Permission::Resume { done, .. } => *done,
            Permission::Limits | Permission::Approval(_) => 0,
        };
        Stopped { step: one.step().clone(), run: self.run.clone(), number, before, passed_over }
    }

    /// Asked before every effect, and not a second time for the same.
    async fn wanted(&self) -> Result<(), Stop> {
        self.pass.supervisor.still_wanted().await.map_err(Stop::Unwanted)
    }

    /// One step to its end: how many rows it changed.
    async fn step(
        &self,
        session: &mut dyn Session,
        permitted: &PermittedStep,
        number: i64,
    ) -> Result<i64, Stop> {
        let pass = self.pass;
        let preparing = session.prepare(self.request, self.run, permitted, number);
        let mut cursor = in_time(pass, preparing).await?;
        if !cursor.chunked {
            if permitted.step().action() == Action::Remap {
                still_says(pass, &**self.request.resolved).await?;
            }
            self.wanted().await?;
            let applying = session.apply_chunk(self.request, self.run, &mut cursor, None);
            return Ok(in_time(pass, applying).await?.rows);
        }
        let what = format!("{} of {}", permitted.step().action(), permitted.step().object().describe());
        let most = match permitted.step() {
            Step::EndSessions { rows, .. } => *rows,
            _ => permitted.ceiling(),
        };
        let under_way = |done: i64| Progress::rows(&what, done, most);
        let (mut done, mut idle, mut pace, mut throttle) = (0, 0, None, Throttle::new());
        loop {
            let waiting = throttle.wait_for_headroom(session, pass.supervisor, under_way(done));
            in_time(pass, waiting).await?;
            // Last: whatever is waited for after it, the answer may be another one by then.
            self.wanted().await?;
            pass.supervisor.progress(&under_way(done));
            crash::point("before chunk");
            let began = Instant::now();
            let applying = session.apply_chunk(self.request, self.run, &mut cursor, pace);
            let chunk = match in_time(pass, applying).await {
                Ok(chunk) => chunk,
                Err(error) if throttle.tries_again(&error).await => {
                    pace = None;
                    continue;
                }
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
            pace = Some(throttle.pace(took));
            throttle.done(took).await;
        }
    }
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
        self.steps.push(one.step().clone());
        self.because.push(finding);
        self.goes_on |= !matches!(one.by(), Permission::Limits) && goes_on(one.step());
    }

    /// Whether a step rests on one of them; then it is another one of them.
    fn holds_back(&mut self, observation: &Observation, one: &PermittedStep) -> bool {
        let Some(finding) =
            rests_on(observation, one.step(), &self.steps).and_then(|at| self.because.get(at).copied())
        else {
            return false;
        };
        self.waiting.push((finding, format!("{} of {}", one.step().action(), one.step().about())));
        self.refused(one, finding);
        true
    }

    /// Says of each of them what waits for it.
    fn tell(&mut self, failed: &mut [Failed]) {
        for (of, what) in self.waiting.drain(..) {
            if let Some(one) = failed.get_mut(of) {
                one.waits.push(what);
            }
        }
    }
}

enum Stop {
    Unwanted(Fault),
    Database(EngineError),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Database(error)
    }
}
