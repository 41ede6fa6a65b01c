//! What is not a whole pass but goes the same way: restore, grants, resolve.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::ObjectRef,
    },
    domain::{
        advise::{init::facts::DatabaseFacts, suggestions::Suggestion},
        facts::accounts::Account,
        fault::{Class, Fault, USERS_UNUSABLE},
        incremental::change_marks::Reuse,
        request::Requests,
        step::Permitted,
        target::Target,
        text::count,
    },
    engine::{
        self, Budget, Discovered, EngineError, ExportRequest, Exported, Extent, ObserveRequest, Observed,
        PurgeFilter, QuarantineEntry, QuarantineRows, Resolved, Restored, RowsQuery, Run, RunRequest,
        RunSummary, Search, Session, SubjectQuery, SubjectRow,
    },
    network::HostPolicy,
    pass::{connect::connect, memory::Memory, request},
};

use std::sync::Arc;

use jiff::Timestamp;

/// The runs of a target that have changed something, newest first.
///
/// # Errors
/// The database fails, or the user table cannot be used.
pub async fn runs(target: &Target, policy: &HostPolicy) -> Result<Vec<RunSummary>, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let runs = session.quarantine().runs(target, &resolved).await.map_err(fault)?;
    session.close().await;
    Ok(runs)
}

/// Puts the rows of one run back from quarantine, as far as today's constraints allow; of a run of another
/// identity only where it is named.
///
/// # Errors
/// The run is not this target's, something else repairs just now, or the database fails.
pub async fn restore(
    target: &Target,
    policy: &HostPolicy,
    run: &str,
    identity: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Restored>, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let own = begin(&mut *session, target, &resolved, now).await?;
    match session.quarantine().restore(&own, run, identity).await {
        Ok(mut restored) => {
            // Only words hang on it: what is back is back.
            let _ = session.quarantine().repeats(target, &resolved, &mut restored).await;
            session.close().await;
            Ok(restored)
        }
        Err(error) => Err(with_done(target, policy, session, &own, error, "put back").await),
    }
}

/// Writes rows of one run that are not back into a new table.
///
/// # Errors
/// There are no such rows, the table cannot be made, something else repairs just now, or the database
/// fails.
pub async fn export(
    target: &Target,
    policy: &HostPolicy,
    wanted: &ExportRequest,
    now: Timestamp,
) -> Result<Exported, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let own = begin(&mut *session, target, &resolved, now).await?;
    let written = session.quarantine().export(&own, wanted).await.map_err(fault)?;
    session.close().await;
    Ok(written)
}

/// What is kept in quarantine, newest first.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn inventory(target: &Target, policy: &HostPolicy) -> Result<Vec<QuarantineEntry>, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let kept = session.quarantine().inventory(target, &resolved).await.map_err(fault)?;
    session.close().await;
    Ok(kept)
}

/// The rows of a run as they were before it.
///
/// # Errors
/// There are none, the user table cannot be used, or the database fails.
pub async fn quarantine_rows(
    target: &Target,
    policy: &HostPolicy,
    query: &RowsQuery,
) -> Result<Vec<QuarantineRows>, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let shown = session.quarantine().rows(target, &resolved, query).await.map_err(fault)?;
    session.close().await;
    Ok(shown)
}

/// Drops rows from quarantine for good; without `now` it only says which. Rows of another identity only
/// where it is named.
///
/// # Errors
/// Something else repairs just now, another resource has the claim, or the database fails.
pub async fn purge(
    target: &Target,
    policy: &HostPolicy,
    which: &PurgeFilter,
    identity: Option<&str>,
    now: Option<Timestamp>,
) -> Result<Vec<(ObjectRef, i64)>, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let own = resolved.identity(&target.resource.uid);
    let identity = identity.unwrap_or(&own);
    let preview = session.quarantine().purge_preview(target, which, identity).await.map_err(fault)?;
    let Some(now) = now.filter(|_| !preview.is_empty()) else {
        session.close().await;
        return Ok(preview);
    };
    let run = begin(&mut *session, target, &resolved, now).await?;
    match session.quarantine().purge(&run, which, identity).await {
        Ok(purged) => {
            session.close().await;
            Ok(purged)
        }
        Err(error) => Err(with_done(target, policy, session, &run, error, "dropped").await),
    }
}

/// How many of the rows that [`purge`] would drop were never put back.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn unrestored(
    target: &Target,
    policy: &HostPolicy,
    which: &PurgeFilter,
    identity: Option<&str>,
) -> Result<i64, Fault> {
    let mut session = open(target, policy).await?;
    let resolved = session.queries().resolve(target).await.map_err(fault)?;
    let own = resolved.identity(&target.resource.uid);
    let rows = session.quarantine().unrestored(target, which, identity.unwrap_or(&own)).await;
    session.close().await;
    rows.map_err(fault)
}

/// The statements that give the role what Observe and Enforce need.
///
/// # Errors
/// The user table is not there, or the database fails.
pub async fn grants(target: &Target, policy: &HostPolicy) -> Result<String, Fault> {
    granting(target, policy, Extent::Enforce).await
}

/// The statements that give the role what looking needs, and no more.
///
/// # Errors
/// The user table is not there, or the database fails.
pub async fn grants_to_observe(target: &Target, policy: &HostPolicy) -> Result<String, Fault> {
    granting(target, policy, Extent::Observe).await
}

async fn granting(target: &Target, policy: &HostPolicy, extent: Extent) -> Result<String, Fault> {
    let mut session = open(target, policy).await?;
    let text = session.queries().grants(target, extent).await.map_err(fault)?;
    session.close().await;
    Ok(text)
}

/// Columns that may name users although no foreign key says so, and what was looked at.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn discover(target: &Target, policy: &HostPolicy) -> Result<(Vec<Suggestion>, Discovered), Fault> {
    let mut session = open(target, policy).await?;
    let found = session.queries().suggestions(target).await.map_err(fault)?;
    session.close().await;
    Ok(found)
}

/// What there is to say of tables that may hold accounts; of the target only its database counts.
///
/// # Errors
/// The database fails.
pub async fn init(target: &Target, policy: &HostPolicy, table: Option<&str>) -> Result<DatabaseFacts, Fault> {
    let mut session = open(target, policy).await?;
    let found = session.queries().account_tables(table, target.timeout).await.map_err(fault)?;
    session.close().await;
    Ok(found)
}

/// Which accounts tokens name, in their order.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn resolve(
    target: &Target,
    policy: &HostPolicy,
    asked: &[SubjectQuery],
) -> Result<Vec<SubjectRow>, Fault> {
    let mut session = open(target, policy).await?;
    let rows = session.queries().subjects(target, asked).await.map_err(fault)?;
    session.close().await;
    Ok(rows)
}

/// The account of the admin as it is; `None` where the spec names none or it is not there.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn admin_account(target: &Target, policy: &HostPolicy) -> Result<Option<Account>, Fault> {
    let mut session = open(target, policy).await?;
    let observed = look(target, &mut *session).await?;
    session.close().await;
    if observed.resolved.is_none() {
        return Err(unusable());
    }
    Ok(observed.observation.admin.and_then(|admin| admin.account))
}

async fn open(target: &Target, policy: &HostPolicy) -> Result<Box<dyn Session>, Fault> {
    connect(engine::of(&target.database), target, policy).await
}

/// A run of its own, without steps, so that nothing repairs meanwhile.
async fn begin(
    session: &mut dyn Session,
    target: &Target,
    resolved: &Arc<dyn Resolved>,
    now: Timestamp,
) -> Result<Run, Fault> {
    let id = request::run_id(now);
    let permitted = &Permitted::NONE;
    let request = RunRequest { target, resolved, permitted, looked: None, take_claim: None, id: &id };
    session.begin_run(&request).await.map_err(fault)
}

/// The failure of an operation, with what of it was done all the same: each of its transactions stays done,
/// the last one perhaps without an answer that says so.
async fn with_done(
    target: &Target,
    policy: &HostPolicy,
    mut session: Box<dyn Session>,
    run: &Run,
    error: EngineError,
    done: &str,
) -> Fault {
    let error = session.named(error).await;
    session.close().await;
    let mut fault = error.fault();
    let Ok(mut session) = open(target, policy).await else { return fault };
    let audited = session.audited(run).await.unwrap_or_default();
    session.close().await;
    if !audited.is_empty() {
        let audited = audited.iter().map(|(object, rows)| format!("{} of {object}", count(*rows, "row")));
        let audited = audited.collect::<Vec<_>>().join(", ");
        fault.message = format!("{}; before that, {audited} were {done}: run it again", fault.message);
    }
    fault
}

async fn look(target: &Target, session: &mut dyn Session) -> Result<Observed, Fault> {
    let memory = Memory::default();
    let (requests, nothing) = (Requests::default(), Reuse::default());
    let budget = Budget::new(target.timeout);
    let request = ObserveRequest {
        target,
        requests: &requests,
        memory: &memory,
        compare_password: false,
        search: Search::default(),
        relied: &nothing,
        resolved: None,
        budget: &budget,
        elsewhere: None,
        progress: &|_| (),
    };
    session.observe(&request).await.map_err(fault)
}

fn unusable() -> Fault {
    Fault {
        reason: Reason::UserTableMissing,
        condition: ConditionType::SchemaCompatible,
        class: Class::Terminal,
        message: USERS_UNUSABLE.into(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn fault(error: EngineError) -> Fault {
    error.fault()
}
