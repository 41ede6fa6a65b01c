//! PostgreSQL behind the engine's verbs: each of them is one call into the folder that does it.

mod quarantine;
mod queries;
mod steps;

use crate::{
    domain::{
        incremental::change_marks::Reading,
        step::PermittedStep,
        target::{Database, Target},
    },
    engine::{
        Answer, ChunkDone, Engine, EngineError, ObserveRequest, Observed, Pace, Quarantine, Queries,
        RecordedStep, Resolved, Run, RunRequest, ServerLoad, Session, StepCursor,
        postgres::{
            catalog::resolved::ResolvedSchema,
            ledger::fence::Fence,
            observe::{self, ObserveOptions, change_marks},
            repair::run,
            restore::inventory,
            session::{
                connect::{self, connect},
                error::DatabaseError,
                load,
            },
        },
    },
    network::HostPolicy,
};

use std::{any::Any, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

/// PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct PostgreSql;

impl Engine for PostgreSql {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn connect<'a>(
        &'a self,
        database: &'a Database,
        policy: &'a HostPolicy,
        namespace: &'a str,
    ) -> Answer<'a, Box<dyn Session>> {
        async move {
            let session = answer(connect(database, policy, namespace).await)?;
            Ok(Box::new(PostgresSession(session)) as Box<dyn Session>)
        }
        .boxed()
    }
}

/// A connection to PostgreSQL.
struct PostgresSession(connect::Session);

impl PostgresSession {
    fn connection(&mut self) -> &mut PgConnection {
        self.0.connection()
    }
}

/// What the folders answer, as it goes over the line.
fn answer<T>(result: Result<T, DatabaseError>) -> Result<T, EngineError> {
    result.map_err(DatabaseError::over_the_line)
}

/// What this engine resolved.
fn own(resolved: &Arc<dyn Resolved>) -> Result<Arc<ResolvedSchema>, DatabaseError> {
    Arc::clone(resolved).into_any().downcast().map_err(|_| mistaken("the schema"))
}

/// What a run of this engine is held to.
fn fence(run: &Run) -> Result<&Fence, DatabaseError> {
    run.fence.downcast_ref().ok_or_else(|| mistaken("the run"))
}

/// Something of another engine was handed in.
fn mistaken(what: &'static str) -> DatabaseError {
    DatabaseError::Mistaken(what)
}

/// One look, with what this engine resolved before.
async fn look(
    connection: &mut PgConnection,
    request: &ObserveRequest<'_>,
) -> Result<Observed, DatabaseError> {
    let known = request.resolved.map(own).transpose()?;
    let given = ObserveOptions {
        relied: request.relied,
        known: known.as_deref(),
        budget: request.budget,
        elsewhere: request.elsewhere,
        progress: request.progress,
    };
    let ObserveRequest { target, requests, memory, compare_password, search, .. } = *request;
    let seen =
        observe::observe(connection, target, requests, memory, compare_password, search, &given).await?;
    Ok(Observed {
        observation: seen.observation,
        resolved: seen.known.map(|known| Arc::new(known) as Arc<dyn Resolved>),
        searched: seen.searched,
        tried: seen.tried,
    })
}

impl Resolved for ResolvedSchema {
    fn identity(&self, uid: &str) -> String {
        inventory::identity_text(&self.identity, uid)
    }

    fn previous_users(&self) -> Option<&str> {
        self.identities.as_ref().map(|mapping| mapping.list.as_str())
    }

    fn user_columns(&self) -> Vec<String> {
        self.users.columns.iter().map(|column| column.name.as_str().to_owned()).collect()
    }

    fn user_table_alone(&mut self) -> Arc<dyn Resolved> {
        let references = std::mem::take(&mut self.references);
        let alone = Self { kept: Arc::default(), ..self.clone() };
        self.references = references;
        Arc::new(alone)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Session for PostgresSession {
    fn change_marks<'a>(&'a mut self, target: &'a Target) -> Answer<'a, Option<Reading>> {
        async move { answer(change_marks::read_counters(self.connection(), target).await) }.boxed()
    }

    fn observe<'a>(&'a mut self, request: &'a ObserveRequest<'a>) -> Answer<'a, Observed> {
        async move { answer(look(self.connection(), request).await) }.boxed()
    }

    fn load(&mut self) -> Answer<'_, ServerLoad> {
        async move { answer(load::load(self.connection()).await) }.boxed()
    }

    fn begin_run<'a>(&'a mut self, request: &'a RunRequest<'a>) -> Answer<'a, Run> {
        async move { answer(steps::begin(self.connection(), request).await) }.boxed()
    }

    fn prepare<'a>(
        &'a mut self,
        request: &'a RunRequest<'a>,
        run: &'a Run,
        step: &'a PermittedStep,
        number: i64,
    ) -> Answer<'a, StepCursor> {
        async move { answer(steps::prepare(self.connection(), request, run, step, number).await) }.boxed()
    }

    fn apply_chunk<'a>(
        &'a mut self,
        request: &'a RunRequest<'a>,
        run: &'a Run,
        cursor: &'a mut StepCursor,
        pace: Option<Pace>,
    ) -> Answer<'a, ChunkDone> {
        async move { answer(steps::apply(self.connection(), request, run, cursor, pace).await) }.boxed()
    }

    fn recorded<'a>(&'a mut self, run: &'a Run, number: i64) -> Answer<'a, Option<RecordedStep>> {
        async move {
            let connection = self.connection();
            answer(async { run::written(connection, fence(run)?, number).await }.await)
        }
        .boxed()
    }

    fn audited<'a>(&'a mut self, run: &'a Run) -> Answer<'a, Vec<(String, i64)>> {
        async move {
            let connection = self.connection();
            answer(async { run::audited(connection, fence(run)?).await }.await)
        }
        .boxed()
    }

    fn end_run<'a>(&'a mut self, run: &'a Run) -> Answer<'a, ()> {
        async move {
            let connection = self.connection();
            answer(async { run::close(connection, fence(run)?).await }.await)
        }
        .boxed()
    }

    fn quarantine(&mut self) -> &mut dyn Quarantine {
        self
    }

    fn queries(&mut self) -> &mut dyn Queries {
        self
    }

    fn named(&mut self, error: EngineError) -> BoxFuture<'_, EngineError> {
        async move {
            let (own, error) = error.into_own();
            match own.map(|own| own.downcast::<DatabaseError>()) {
                Some(Ok(own)) => own.with_names(self.connection()).await.over_the_line(),
                _ => error,
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.0.close().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ErrorKind;

    #[test]
    fn what_another_engine_made_is_refused_as_a_mistake_of_ours() {
        let run = Run { numbers: Vec::new(), fence: Arc::new("another engine's") };
        let error = fence(&run).err().map(DatabaseError::over_the_line).unwrap();
        assert_eq!(error.kind(), ErrorKind::Bug);
        assert!(error.to_string().contains("the run is not of this engine"), "{error}");
        assert!(!error.is_of_one_step());
    }
}
