//! The model behind the verbs of an engine: a database that is a value, and fails where a test says so.
//!
//! It keeps to the protocol that all engines keep to: a claim whose epoch each run counts up and each effect asks,
//! ceilings, copies before changes, and what was recorded in the transaction that did it.

use auth_consistency::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, ObjectRef, StepReport},
    },
    domain::{
        facts::{OpenRun, OpenStep},
        fault::{Class, Fault},
        incremental::change_marks::Reading,
        step::{Permission, PermittedStep, Step},
        target::{Database, Target},
    },
    engine::{
        Answer, ChunkDone, Engine, EngineError, ErrorKind, ObserveRequest, Observed, Pace, Quarantine,
        Queries, RecordedStep, Resolved, Run, RunRequest, ServerLoad, Session, StepCursor,
    },
    network::HostPolicy,
};

use std::{
    any::Any,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::{FutureExt as _, future::BoxFuture};

use crate::model::Model;

/// Rows that one chunk takes.
const CHUNK: usize = 2;

/// A verb of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Connect,
    Observe,
    Load,
    BeginRun,
    Prepare,
    ApplyChunk,
    Recorded,
    EndRun,
}

/// How a verb fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It has no effect.
    Before(ErrorKind),
    /// It has its effect, and nobody hears of it: a COMMIT whose answer is lost.
    AnswerLost,
    /// Another run takes the claim right before it.
    Overtaken,
}

/// Which call of which verb fails, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub verb: Verb,
    pub at: usize,
    pub how: How,
}

/// What a step of a run has done.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recorded {
    run: String,
    number: i64,
    action: Action,
    object: ObjectRef,
    ceiling: i64,
    done: i64,
    audited: bool,
}

/// The database.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub model: Model,
    pub failure: Option<Failure>,
    /// The verbs that were called, in order.
    pub called: Vec<Verb>,
    epoch: i64,
    steps: Vec<Recorded>,
    /// Runs that somebody approved: id, hash, and whether they are open.
    approved: Vec<(String, String, bool)>,
}

impl State {
    /// Rows that the audit tells of.
    pub fn audited(&self) -> i64 {
        self.steps.iter().map(|one| one.done).sum()
    }

    fn open_run(&self) -> Option<OpenRun> {
        let (run, hash, _) = self.approved.iter().find(|(_, _, open)| *open)?;
        let steps = self.steps.iter().filter(|one| one.run == *run).map(|one| OpenStep {
            step: one.number,
            action: one.action,
            object: one.object.clone(),
            rows_left: one.ceiling - one.done,
            done: one.done,
            audited: one.audited,
            passed: None,
        });
        let (run, plan_hash) = (run.clone(), hash.clone());
        Some(OpenRun { run, plan_hash, generation: 1, steps: steps.collect() })
    }
}

/// The engine.
#[derive(Debug, Clone, Default)]
pub struct InMemory(Arc<Mutex<State>>);

impl InMemory {
    pub fn of(model: Model) -> Self {
        Self(Arc::new(Mutex::new(State { model, ..State::default() })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// One call of a verb: what it does, and how it fails if it does.
    fn call<T>(
        &self,
        verb: Verb,
        effect: impl FnOnce(&mut State) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut state = self.state();
        let at = state.called.iter().filter(|one| **one == verb).count();
        state.called.push(verb);
        let fails = state.failure.filter(|one| (one.verb, one.at) == (verb, at)).map(|one| one.how);
        match fails {
            Some(How::Before(kind)) => return Err(failed(kind)),
            Some(How::Overtaken) => state.epoch += 1,
            Some(How::AnswerLost) | None => {}
        }
        let done = effect(&mut state);
        if fails == Some(How::AnswerLost) { Err(failed(ErrorKind::Unavailable)) } else { done }
    }
}

/// A failure of a kind, as an engine would class it.
fn failed(kind: ErrorKind) -> EngineError {
    let class = match kind {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Transient => Class::Transient,
        ErrorKind::Fenced | ErrorKind::ClaimLost | ErrorKind::LockContention | ErrorKind::PlanStale => {
            Class::Conflict
        }
        _ => Class::Terminal,
    };
    let reason = match kind {
        ErrorKind::Unavailable => Reason::DatabaseUnreachable,
        ErrorKind::ClaimLost => Reason::TargetClaimed,
        _ => Reason::RepairFailed,
    };
    let message = format!("the model says {kind:?}");
    let fault =
        Fault { reason, condition: ConditionType::DatabaseReachable, class, message: message.clone() };
    EngineError::new(kind, message, fault)
}

/// What the model's catalog says: nothing that a test needs.
struct Names;

impl Resolved for Names {
    fn identity(&self, uid: &str) -> String {
        format!("7/5/{uid}")
    }

    fn previous_users(&self) -> Option<&str> {
        None
    }

    fn user_columns(&self) -> Vec<String> {
        vec!["id".into(), "email".into()]
    }

    fn user_table_alone(&mut self) -> Arc<dyn Resolved> {
        Arc::new(Self)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// What a run of the model is held to.
struct Fence {
    run: String,
    epoch: i64,
}

impl Engine for InMemory {
    fn name(&self) -> &'static str {
        "a model in memory"
    }

    fn connect<'a>(&'a self, _: &'a Database, _: &'a HostPolicy, _: &'a str) -> Answer<'a, Box<dyn Session>> {
        let session = self.call(Verb::Connect, |_| Ok(Box::new(self.clone()) as Box<dyn Session>));
        async move { session }.boxed()
    }
}

/// A step of the model under way.
struct Cursor {
    step: PermittedStep,
    number: i64,
}

impl Session for InMemory {
    fn change_marks<'a>(&'a mut self, _: &'a Target) -> Answer<'a, Option<Reading>> {
        async { Ok(None) }.boxed()
    }

    fn observe<'a>(&'a mut self, request: &'a ObserveRequest<'a>) -> Answer<'a, Observed> {
        let observed = self.call(Verb::Observe, |state| {
            let mut observation = state.model.observe(request.target);
            let approval = request.requests.approval.as_ref();
            let bookkeeping = &mut observation.bookkeeping;
            bookkeeping.approval_used =
                approval.is_some_and(|given| state.approved.iter().any(|(_, hash, _)| *hash == given.hash));
            bookkeeping.open_run = state.open_run();
            if let Some(claim) = &mut bookkeeping.claim {
                claim.epoch = state.epoch;
            }
            let tried = observation.references.iter().map(|one| Arc::new(one.object.clone())).collect();
            let resolved = Some(Arc::new(Names) as Arc<dyn Resolved>);
            Ok(Observed { observation, resolved, searched: Vec::new(), tried })
        });
        async move { observed }.boxed()
    }

    fn load(&mut self) -> Answer<'_, ServerLoad> {
        let load = self.call(Verb::Load, |_| Ok(ServerLoad::default()));
        async move { load }.boxed()
    }

    fn begin_run<'a>(&'a mut self, request: &'a RunRequest<'a>) -> Answer<'a, Run> {
        let begun = self.call(Verb::BeginRun, |state| {
            let looked = request.looked.and_then(|looked| looked.claim.as_ref()).map(|claim| claim.epoch);
            if looked.is_some_and(|epoch| epoch != state.epoch) {
                return Err(failed(ErrorKind::Fenced));
            }
            state.epoch += 1;
            let steps = request.permitted.steps();
            let resumed = steps.iter().find_map(|one| match one.by() {
                Permission::Resume { run, .. } => Some(run.clone()),
                _ => None,
            });
            if let Some(hash) = request.permitted.approval() {
                state.model.serial += 1;
                state.approved.push((request.id.to_owned(), hash.to_owned(), true));
            }
            let run = resumed.unwrap_or_else(|| request.id.to_owned());
            let mut numbers = Vec::new();
            for one in steps {
                if let Permission::Resume { number, .. } = one.by() {
                    numbers.push(*number);
                    continue;
                }
                let number = 1 + state.steps.iter().filter(|one| one.run == run).count() as i64;
                state.steps.push(Recorded {
                    run: run.clone(),
                    number,
                    action: one.step().action(),
                    object: one.step().object().clone(),
                    ceiling: one.ceiling(),
                    done: 0,
                    audited: false,
                });
                numbers.push(number);
            }
            Ok(Run { numbers, fence: Arc::new(Fence { run, epoch: state.epoch }) })
        });
        async move { begun }.boxed()
    }

    fn prepare<'a>(
        &'a mut self,
        _: &'a RunRequest<'a>,
        _: &'a Run,
        step: &'a PermittedStep,
        number: i64,
    ) -> Answer<'a, StepCursor> {
        let cursor = self.call(Verb::Prepare, |_| {
            let chunked = matches!(step.step(), Step::Rows { .. });
            Ok(StepCursor { chunked, state: Box::new(Cursor { step: step.clone(), number }) })
        });
        async move { cursor }.boxed()
    }

    fn apply_chunk<'a>(
        &'a mut self,
        request: &'a RunRequest<'a>,
        run: &'a Run,
        cursor: &'a mut StepCursor,
        _: Option<Pace>,
    ) -> Answer<'a, ChunkDone> {
        let done = self.call(Verb::ApplyChunk, |state| {
            let fence = run.fence.downcast_ref::<Fence>().unwrap();
            let Cursor { step, number } = cursor.state.downcast_ref::<Cursor>().unwrap();
            if fence.epoch != state.epoch {
                return Err(failed(ErrorKind::ClaimLost));
            }
            let at = state.steps.iter().position(|one| (&one.run, one.number) == (&fence.run, *number));
            let at = at.unwrap();
            let left = state.steps[at].ceiling - state.steps[at].done;
            let (rows, more) = match step.step() {
                Step::Rows { action, .. } => {
                    let most = CHUNK.min(usize::try_from(left).unwrap());
                    let rows = state.model.repair_rows(*action, most);
                    (rows, rows > 0)
                }
                whole => {
                    state.model.apply(request.target, whole);
                    (whole.rows(), false)
                }
            };
            state.steps[at].done += rows;
            state.steps[at].audited |= rows > 0 || !more;
            assert!(state.steps[at].done <= state.steps[at].ceiling, "{:?}", state.steps[at]);
            Ok(ChunkDone { rows, moved: rows > 0, more })
        });
        async move { done }.boxed()
    }

    fn recorded<'a>(&'a mut self, run: &'a Run, number: i64) -> Answer<'a, Option<RecordedStep>> {
        let recorded = self.call(Verb::Recorded, |state| {
            let fence = run.fence.downcast_ref::<Fence>().unwrap();
            let one = state.steps.iter().find(|one| (&one.run, one.number) == (&fence.run, number));
            let of = |one: &Recorded| RecordedStep {
                left: one.ceiling - one.done,
                done: one.done,
                audited: one.audited,
            };
            Ok(one.map(of))
        });
        async move { recorded }.boxed()
    }

    fn audited<'a>(&'a mut self, _: &'a Run) -> Answer<'a, Vec<(String, i64)>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn end_run<'a>(&'a mut self, run: &'a Run) -> Answer<'a, ()> {
        let ended = self.call(Verb::EndRun, |state| {
            let fence = run.fence.downcast_ref::<Fence>().unwrap();
            if fence.epoch != state.epoch {
                return Err(failed(ErrorKind::ClaimLost));
            }
            state.approved.iter_mut().for_each(|(_, _, open)| *open = false);
            Ok(())
        });
        async move { ended }.boxed()
    }

    fn quarantine(&mut self) -> &mut dyn Quarantine {
        unreachable!("a pass without a retention asks nothing of it")
    }

    fn queries(&mut self) -> &mut dyn Queries {
        unreachable!("a pass without previous people asks nothing of it")
    }

    fn named(&mut self, error: EngineError) -> BoxFuture<'_, EngineError> {
        async move { error }.boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

/// Rows of steps that a report tells.
pub fn told(repaired: &[StepReport]) -> i64 {
    repaired.iter().map(|one| one.rows).sum()
}
