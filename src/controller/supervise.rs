//! Agrees to repairs: nothing destructive is decided from a cache, so the resource is read live before
//! the first statement that writes and before every chunk of destructive work. Holds a client.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use super::{
    context::Context,
    dereference::Resource,
    status::{Statement, now},
};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::StepReport,
        spec::Mode,
    },
    consistency::{
        report::working,
        severity::{Class, Fault},
        wording::count,
    },
    pass::Supervisor,
};

/// The supervisor of one pass.
pub struct Live<'a> {
    /// What the reconciles share.
    pub context: &'a Context,
    /// The resource as the pass began with it.
    pub resource: &'a Resource,
    /// Where "working" is written.
    pub statement: &'a Statement<'a>,
    /// When progress was last written.
    pub told: Mutex<Option<Instant>>,
}

/// Progress is written at most so often.
const TOLD: Duration = Duration::from_secs(10);

impl Live<'_> {
    /// Reads the resource live and compares what repairs rest on. Returns its resourceVersion.
    async fn look(&self) -> Result<String, Fault> {
        let (identity, cluster) = (&self.resource.identity, &self.context.cluster);
        self.context.touch(&identity.uid);
        let object =
            cluster.resource(&identity.namespace, &identity.name).await.map_err(|error| error.fault())?;
        let live = Resource::read(object);
        let changed = |what: &str| Fault {
            reason: Reason::Progressing,
            condition: ConditionType::Ready,
            class: Class::Conflict,
            message: format!("the resource {what} meanwhile, so nothing more is repaired in this pass"),
        };
        if live.identity.uid != identity.uid || live.is_deleted() {
            return Err(changed("was deleted"));
        }
        if live.identity.generation != identity.generation {
            return Err(changed("has changed"));
        }
        match &live.spec {
            Ok(spec) if !spec.suspend && spec.mode == Mode::Enforce => {}
            _ => return Err(changed("was suspended")),
        }
        Ok(live.object.metadata.resource_version.unwrap_or_default())
    }
}

impl Supervisor for Live<'_> {
    fn begin<'s>(&'s self, steps: &'s [StepReport]) -> BoxFuture<'s, Result<(), Fault>> {
        Box::pin(async move {
            let version = self.look().await?;
            self.statement.renew(&version).await;
            let rows: i64 = steps.iter().map(|step| step.rows).sum();
            let names: Vec<&str> = steps.iter().map(|step| step.action.as_str()).collect();
            let message = format!("repairing {}: {}", count(rows, "row"), names.join(", "));
            let current = self.statement.current().await;
            let status = working(&current, self.resource.identity.generation, &now(), &message);
            self.statement.write(&status).await.map_err(|error| error.fault())?;
            Ok(())
        })
    }

    fn progress<'s>(&'s self, message: &'s str) -> BoxFuture<'s, ()> {
        Box::pin(async move {
            let due = {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                let last = *told.get_or_insert_with(Instant::now);
                let due = last.elapsed() >= TOLD;
                if due {
                    *told = Some(Instant::now());
                }
                due
            };
            if !due {
                return;
            }
            let generation = self.resource.identity.generation;
            let status = working(&self.statement.current().await, generation, &now(), message);
            // Whoever changed the object meanwhile is met by the look before the next chunk.
            if let Err(error) = self.statement.write(&status).await {
                tracing::debug!(%error, "progress could not be written");
            }
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let version = self.look().await?;
            self.statement.renew(&version).await;
            Ok(())
        })
    }
}
