//! Drops what `quarantine.retention` says is kept no longer. A pass that finds nothing too old writes
//! nothing.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::Mode,
    },
    crash,
    domain::{
        facts::Observation,
        fault::{Class, Fault},
        finding::{Resolution, person},
        step::Permitted,
    },
    engine::{PurgeFilter, Resolved, Run, RunRequest, Session},
    pass::{
        applied::{Applied, told},
        failed::Failure,
        request::{self, Pass, Repairs},
    },
};

use std::sync::Arc;

/// Whether rows are kept too long, and this target may drop them.
pub(super) fn due(pass: &Pass<'_>, observation: &Observation) -> bool {
    let bookkeeping = &observation.bookkeeping;
    pass.repairs == Repairs::All
        && pass.target.mode == Mode::Enforce
        && observation.server.read_only.is_none()
        && bookkeeping.writable()
        && bookkeeping.overdue
        && bookkeeping.claim.as_ref().is_some_and(|claim| claim.owner == pass.target.resource.uid)
}

/// Drops them, after the repairs of the pass.
pub(super) async fn purge(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    resolved: &Arc<dyn Resolved>,
    applied: &mut Applied,
) {
    let Some(days) = pass.target.retention_days else { return };
    crash::point("before Purge");
    match dropped(pass, session, resolved, days, &mut applied.purging).await {
        Ok(purged) => applied.repaired.extend(told(pass, purged)),
        Err(fault) => {
            let mut found = person(
                Reason::RepairFailed,
                ConditionType::SchemaCompatible,
                Severity::Warning,
                None,
                format!(
                    "rows in quarantine that are older than spec.quarantine.retention were not all dropped: {}",
                    fault.message
                ),
            );
            if matches!(fault.class, Class::Transient | Class::Conflict) {
                found.ends = Resolution::Automatic;
            }
            applied.failure.get_or_insert(Failure::Other(Box::new(found)));
        }
    }
    crash::point("after Purge");
}

/// Drops them; `purging` holds the run while that is not heard to be done.
async fn dropped(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    resolved: &Arc<dyn Resolved>,
    days: i64,
    purging: &mut Option<Run>,
) -> Result<Vec<(ObjectRef, i64)>, Fault> {
    pass.supervisor.still_wanted().await?;
    let id = request::run_id(pass.now);
    let request = RunRequest {
        target: pass.target,
        resolved,
        permitted: &Permitted::NONE,
        looked: None,
        take_claim: None,
        id: &id,
    };
    let run = session.begin_run(&request).await.map_err(|error| error.fault())?;
    let own = resolved.identity(&pass.target.resource.uid);
    let which = PurgeFilter::OlderThan(days);
    let run = purging.insert(run);
    let purged = session.quarantine().purge(run, &which, &own).await.map_err(|error| error.fault())?;
    *purging = None;
    Ok(purged)
}
