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
    engine::postgres::{self, Fence, PurgeFilter, ResolvedSchema, Session},
    pass::{
        applied::{Applied, told},
        request::{self, Pass, Repairs},
    },
};

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
    session: &mut Session,
    known: &ResolvedSchema,
    applied: &mut Applied,
) {
    let Some(days) = pass.target.retention_days else { return };
    crash::point("before Purge");
    match dropped(pass, session, known, days, &mut applied.purging).await {
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
            applied.failure.get_or_insert(found);
        }
    }
    crash::point("after Purge");
}

/// Drops them; `purging` holds the run while that is not heard to be done.
async fn dropped(
    pass: &Pass<'_>,
    session: &mut Session,
    known: &ResolvedSchema,
    days: i64,
    purging: &mut Option<Fence>,
) -> Result<Vec<(ObjectRef, i64)>, Fault> {
    pass.supervisor.still_wanted().await?;
    let run = request::run_id(pass.now);
    let begun =
        postgres::begin(session.connection(), pass.target, known, &Permitted::default(), None, None, run)
            .await
            .map_err(|error| error.fault())?;
    let own = postgres::identity_text(&known.identity, &pass.target.resource.uid);
    let which = PurgeFilter::OlderThan(days);
    let fence = purging.insert(begun.fence);
    let purged =
        postgres::purge(session.connection(), fence, &which, &own).await.map_err(|error| error.fault())?;
    *purging = None;
    Ok(purged)
}
