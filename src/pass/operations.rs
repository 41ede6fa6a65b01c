//! What is not a whole pass but goes the same way: restore, grants, resolve.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::ObjectRef,
    },
    domain::{
        advise::suggestions::Suggestion,
        facts::accounts::Account,
        fault::{Class, Fault, USERS_UNUSABLE},
        incremental::change_marks::Reuse,
        request::Requests,
        step::Permitted,
        target::Target,
        text::count,
    },
    engine::postgres::{
        self, Beside, Budget, DatabaseError, Discovered, Extent, Fence, ObserveOptions, Observed,
        PurgeFilter, QuarantineEntry, QuarantineRows, ResolvedSchema, Restored, RowsQuery, Run, Search,
        Session, SubjectQuery, SubjectRow, WrittenBeside,
    },
    network::HostPolicy,
    pass::{connect::connect, memory::Memory, request},
};

use jiff::Timestamp;

/// The runs of a target that have changed something, newest first.
///
/// # Errors
/// The database fails, or the user table cannot be used.
pub async fn runs(target: &Target, policy: &HostPolicy) -> Result<Vec<Run>, Fault> {
    let mut session = connect(target, policy).await?;
    let known = known(target, &mut session).await?;
    let runs = postgres::runs(session.connection(), target, &known).await.map_err(fault)?;
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
    let mut session = connect(target, policy).await?;
    let known = known(target, &mut session).await?;
    let own = request::run_id(now);
    let begun = postgres::begin(session.connection(), target, &known, &Permitted::default(), None, None, own)
        .await
        .map_err(fault)?;
    match postgres::restore(session.connection(), &begun.fence, run, identity).await {
        Ok(mut restored) => {
            // Only words hang on it: what is back is back.
            let _ = postgres::repeats(session.connection(), target, &known, &mut restored).await;
            session.close().await;
            Ok(restored)
        }
        Err(error) => Err(with_done(target, policy, session, &begun.fence, error, "put back").await),
    }
}

/// Writes rows of one run that are not back into a new table.
///
/// # Errors
/// There are no such rows, the table cannot be made, something else repairs just now, or the database
/// fails.
pub async fn restore_beside(
    target: &Target,
    policy: &HostPolicy,
    wanted: &Beside,
    now: Timestamp,
) -> Result<WrittenBeside, Fault> {
    let mut session = connect(target, policy).await?;
    let known = postgres::known_alone(session.connection(), target).await.map_err(fault)?;
    let own = request::run_id(now);
    let begun = postgres::begin(session.connection(), target, &known, &Permitted::default(), None, None, own)
        .await
        .map_err(fault)?;
    let written = postgres::write_beside(session.connection(), &begun.fence, wanted).await.map_err(fault)?;
    session.close().await;
    Ok(written)
}

/// What is kept in quarantine, newest first.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn kept(target: &Target, policy: &HostPolicy) -> Result<Vec<QuarantineEntry>, Fault> {
    let mut session = connect(target, policy).await?;
    let known = postgres::known_alone(session.connection(), target).await.map_err(fault)?;
    let kept = postgres::kept(session.connection(), target, &known).await.map_err(fault)?;
    session.close().await;
    Ok(kept)
}

/// The rows of a run as they were before it.
///
/// # Errors
/// There are none, the user table cannot be used, or the database fails.
pub async fn show_kept(
    target: &Target,
    policy: &HostPolicy,
    wanted: &RowsQuery,
) -> Result<Vec<QuarantineRows>, Fault> {
    let mut session = connect(target, policy).await?;
    let known = postgres::known_alone(session.connection(), target).await.map_err(fault)?;
    let shown = postgres::show_kept(session.connection(), target, &known, wanted).await.map_err(fault)?;
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
    let mut session = connect(target, policy).await?;
    let known = postgres::known_alone(session.connection(), target).await.map_err(fault)?;
    let own = postgres::identity_text(&known.identity, &target.resource.uid);
    let identity = identity.unwrap_or(&own);
    let doomed = postgres::doomed(session.connection(), target, which, identity).await.map_err(fault)?;
    let Some(now) = now.filter(|_| !doomed.is_empty()) else {
        session.close().await;
        return Ok(doomed);
    };
    let own = request::run_id(now);
    let begun = postgres::begin(session.connection(), target, &known, &Permitted::default(), None, None, own)
        .await
        .map_err(fault)?;
    match postgres::purge(session.connection(), &begun.fence, which, identity).await {
        Ok(purged) => {
            session.close().await;
            Ok(purged)
        }
        Err(error) => Err(with_done(target, policy, session, &begun.fence, error, "dropped").await),
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
    let mut session = connect(target, policy).await?;
    let known = postgres::known_alone(session.connection(), target).await.map_err(fault)?;
    let own = postgres::identity_text(&known.identity, &target.resource.uid);
    let rows = postgres::away(session.connection(), target, which, identity.unwrap_or(&own)).await;
    session.close().await;
    rows.map_err(fault)
}

/// The SQL that gives the role what Observe and Enforce need.
///
/// # Errors
/// The user table is not there, or the database fails.
pub async fn grants(target: &Target, policy: &HostPolicy) -> Result<String, Fault> {
    let mut session = connect(target, policy).await?;
    let text = postgres::grants(session.connection(), target, Extent::Enforce).await.map_err(fault)?;
    session.close().await;
    Ok(text)
}

/// The SQL that gives the role what looking needs, and no more.
///
/// # Errors
/// The user table is not there, or the database fails.
pub async fn grants_to_observe(target: &Target, policy: &HostPolicy) -> Result<String, Fault> {
    let mut session = connect(target, policy).await?;
    let text = postgres::grants(session.connection(), target, Extent::Observe).await.map_err(fault)?;
    session.close().await;
    Ok(text)
}

/// Columns that may name users although no foreign key says so, and what was looked at.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn discover(target: &Target, policy: &HostPolicy) -> Result<(Vec<Suggestion>, Discovered), Fault> {
    let mut session = connect(target, policy).await?;
    let found = postgres::suggestions(session.connection(), target).await.map_err(fault)?;
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
    let mut session = connect(target, policy).await?;
    let rows = postgres::resolve_subjects(session.connection(), target, asked).await.map_err(fault)?;
    session.close().await;
    Ok(rows)
}

/// The account of the admin as it is; `None` where the spec names none or it is not there.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn admin_account(target: &Target, policy: &HostPolicy) -> Result<Option<Account>, Fault> {
    let mut session = connect(target, policy).await?;
    let observed = look(target, &mut session).await?;
    session.close().await;
    if observed.known.is_none() {
        return Err(unusable());
    }
    Ok(observed.observation.admin.and_then(|admin| admin.account))
}

/// The failure of an errand, with what of it was done all the same: each of its transactions stays done,
/// the last one perhaps without an answer that says so.
async fn with_done(
    target: &Target,
    policy: &HostPolicy,
    mut session: Session,
    fence: &Fence,
    error: DatabaseError,
    done: &str,
) -> Fault {
    let error = error.with_names(session.connection()).await;
    session.close().await;
    let mut fault = error.fault();
    let Ok(mut session) = connect(target, policy).await else { return fault };
    let audited = postgres::audited(session.connection(), fence).await.unwrap_or_default();
    session.close().await;
    if !audited.is_empty() {
        let audited = audited.iter().map(|(object, rows)| format!("{} of {object}", count(*rows, "row")));
        let audited = audited.collect::<Vec<_>>().join(", ");
        fault.message = format!("{}; before that, {audited} were {done}: run it again", fault.message);
    }
    fault
}

/// What runs are bound to; no row of a user has a say in it.
async fn known(target: &Target, session: &mut Session) -> Result<ResolvedSchema, Fault> {
    postgres::known_alone(session.connection(), target).await.map_err(fault)
}

async fn look(target: &Target, session: &mut Session) -> Result<Observed, Fault> {
    let memory = Memory::default();
    let (requests, nothing) = (Requests::default(), Reuse::default());
    let budget = Budget::new(target.timeout);
    let given =
        ObserveOptions { relied: &nothing, known: None, budget: &budget, elsewhere: None, progress: &|_| () };
    postgres::observe(session.connection(), target, &requests, &memory, false, Search::default(), &given)
        .await
        .map_err(fault)
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
fn fault(error: DatabaseError) -> Fault {
    error.fault()
}
