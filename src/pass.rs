//! One pass over one target: the only place that knows the whole order. The controller and the
//! command line both come through here, so neither can do what the other cannot.
//!
//! 1. *audit* the signing key (pure);
//! 2. *connect* (database client);
//! 3. *look*: observe in one snapshot (database client), by cheap counters where nothing moved;
//! 4. *diagnose* and *plan* (pure), and look at every row where anything is to be said or done;
//! 5. *apply* what is permitted, one effect at a time (database client, after the supervisor agreed);
//! 6. *observe* again where something was applied;
//! 7. *ask* the running app (HTTP client);
//! 8. *diagnose* and *plan* what is left, and say what came of it (pure).

mod accounts;
mod applied;
mod apply;
mod cluster_context;
pub mod connect;
mod failed;
mod identities;
mod keys;
mod look;
pub mod memory;
mod operations;
pub mod outcome;
mod pods;
mod preflight;
mod probe;
pub mod probe_answer;
pub mod request;
mod retention;
mod throttle;

use crate::{
    api::{report::RequestNotDone, spec},
    crash,
    domain::{
        diagnose::{diagnose, requests, rights},
        facts::{Bookkeeping, Observation},
        fault::{Class, Fault},
        finding::Resolution,
        plan::{propose, wait::waits_for_the_look},
        report::{Outcome, Verdict},
        request::Requests,
        step::Permitted,
    },
    engine::{Observed, Session},
    pass::{
        applied::Applied,
        connect::connect,
        failed::{Failed, Failure},
        outcome::{
            applicable, passing, references, remarks, report_target, unfinished, unknown, unused_message,
        },
        request::{Pass, Repairs},
    },
};

pub use crate::pass::request::ScanMode;
pub use cluster_context::{Surroundings, Unread};
pub use identities::snapshot;
pub use operations::{
    admin_account, discover, export, grants, grants_to_observe, init, inventory, purge, quarantine_rows,
    resolve, restore, runs, unrestored,
};
pub use preflight::preflight;
pub use probe::{ProbeOutcome, mint_for_admin, show_to_app};

use look::Assessment;

/// Runs the pass.
///
/// # Errors
/// A stage failed, so that nothing can be said of the target as a whole.
pub async fn run(pass: &Pass<'_>) -> Result<Outcome, Fault> {
    // On the heap: it holds what all stages hold.
    let ended = Box::pin(whole(pass)).await;
    // What was not consistent does not become so on a hint.
    if !ended.as_ref().is_ok_and(|outcome| outcome.verdict() == Verdict::Consistent) {
        pass.memory.forget_settled();
    }
    ended
}

/// What a pass writes.
#[derive(Clone, Copy)]
struct Due {
    /// Whether there is anything to repair, or a run to be closed.
    repairs: bool,
    /// Whether an interrupted run is to be closed.
    leftover: bool,
    /// Whether copies are kept for too long.
    overdue: bool,
}

/// Does what is due, and looks at what came of it; what was seen before, where nothing is.
async fn repaired(
    pass: &Pass<'_>,
    mut session: Box<dyn Session>,
    observed: Observed,
    permitted: &Permitted,
    due: Due,
    applied: &mut Applied,
) -> Result<(Box<dyn Session>, Observed), Fault> {
    let (Some(resolved), true) = (&observed.resolved, due.repairs || due.overdue) else {
        return Ok((session, observed));
    };
    if due.repairs {
        // Boxed: the repairs are large, and most passes make none.
        let applying =
            apply::apply(pass, &mut *session, resolved, &observed.observation, permitted, due.leftover);
        *applied = Box::pin(applying).await?;
        look::mended(pass, permitted);
    }
    if due.overdue && applied.failure.is_none() {
        retention::purge(pass, &mut *session, resolved, applied).await;
    }
    // A connection that broke in the middle of a repair is no way to look at what came of it.
    if applied.failure.is_some() {
        session = again(pass, session).await?;
    }
    // A COMMIT may have been done though its answer was lost: what was done is told.
    applied.find_out(pass, &mut *session).await;
    // Not two looks at once: each keeps what the catalog says of all references.
    drop(observed);
    let observed = match look::deep(pass, &mut *session).await {
        // What was done is not left untold for a connection that breaks after it, or a table that is held.
        Err(fault)
            if matches!(fault.class, Class::Transient | Class::Conflict) && !applied.repaired.is_empty() =>
        {
            session = again(pass, session).await?;
            look::deep(pass, &mut *session).await?
        }
        looked => looked?,
    };
    Ok((session, observed))
}

/// Another connection in place of one that may be broken: one after the other, since a pass has one of a database.
async fn again(pass: &Pass<'_>, session: Box<dyn Session>) -> Result<Box<dyn Session>, Fault> {
    session.close().await;
    connect(pass.engine, pass.target, pass.policy).await
}

async fn whole(pass: &Pass<'_>) -> Result<Outcome, Fault> {
    let target = pass.target;
    crash::mistake(&target.resource.namespace, &target.resource.name);
    let (mut key, key_findings) = keys::signing_key(pass).await;
    let mut session = connect(pass.engine, target, pass.policy).await?;
    let seen = look::seen(pass);
    let sight = look::look(pass, &mut *session, &key_findings).await?;
    let Assessment { observed, permitted, unused, leftover, .. } = sight;
    let reset_before = observed.observation.bookkeeping.reset_handled;
    let approval_before = observed.observation.bookkeeping.approval_used;
    let mut applied = Applied::default();
    let due = Due {
        repairs: !permitted.steps().is_empty() || leftover,
        leftover,
        overdue: retention::due(pass, &observed.observation),
    };
    let (session, observed) = repaired(pass, session, observed, &permitted, due, &mut applied).await?;
    let asked = probe::ask(pass, &observed).await;
    keys::rotation(pass, key.as_mut(), &asked);
    session.close().await;
    let mut found = diagnose(
        target,
        &observed.observation,
        key_findings,
        asked.verifiers.as_deref(),
        &left(pass, &observed),
    );
    rights::of_ledger(target, &observed.observation, &mut found);
    // Whoever was faster may have done all that there was to do.
    let done_by_another = applied.overtaken && found.iter().all(|one| one.step.is_none());
    let failure = applied.failure.as_ref().filter(|_| !done_by_another).map(Failure::finding);
    found.extend(failure.into_iter().chain(applied.passed_over.iter().map(Failed::finding)));
    found.extend(asked.never.clone());
    let proposed = propose(target, &observed.observation, &found);
    if pass.repairs == Repairs::All {
        let (free, _) =
            proposed.permit(target, &observed.observation, None, pass.requests.take_claim.as_deref());
        passing(&mut found, &free);
    }
    let unfinished = unfinished(&observed.observation, seen);
    for one in &mut found {
        if one.step.as_ref().is_some_and(|step| waits_for_the_look(&observed.observation, step)) {
            one.ends = Resolution::Automatic;
        }
    }
    let bookkeeping = &observed.observation.bookkeeping;
    Ok(Outcome {
        target: report_target(target, &observed.observation),
        applicable: applicable(target),
        unknown: unknown(target, &observed.observation, &asked),
        remarks: remarks(target, &observed.observation, &asked, key.as_ref()),
        admin: accounts::admin(target, &observed.observation),
        accounts: accounts::beside(target, &observed.observation),
        passwords: accounts::passwords(target, &observed.observation),
        signing_key: key,
        references: references(target, &observed.observation),
        app_asked: asked.verifiers.is_some(),
        searched: observed.searched,
        relied: observed.observation.relied,
        unfinished,
        plan: proposed.report(target),
        repaired: applied.repaired,
        history: bookkeeping.history.clone(),
        reset_handled: pass.requests.reset.clone().filter(|_| reset_before || bookkeeping.reset_handled),
        approval_used: pass
            .requests
            .approval
            .as_ref()
            .map(|approval| approval.hash.clone())
            .filter(|_| approval_before || bookkeeping.approval_used),
        approval_unused: unused.map(|unused| unused_message(&unused)),
        reset_offer: accounts::reset_offer(pass, &observed.observation),
        not_done: not_done(pass, bookkeeping),
        found,
    })
}

/// An approved run that a crash kept from being closed, with nothing left to do: it is closed, so that
/// its approval is good for nothing more.
fn leftover(pass: &Pass<'_>, observation: &Observation) -> bool {
    let bookkeeping = &observation.bookkeeping;
    pass.repairs == Repairs::All
        && pass.target.mode == spec::Mode::Enforce
        && observation.server.read_only.is_none()
        && bookkeeping.writable()
        && bookkeeping.open_run.is_some()
        // What was not looked at may be what is left.
        && observation.unreached.is_empty()
        && !observation.skipped.iter().any(|one| one.transient)
        && bookkeeping.claim.as_ref().is_some_and(|claim| claim.owner == pass.target.resource.uid)
}

/// What is still asked for once the repairs have run: a handled reset is not proposed again.
fn left(pass: &Pass<'_>, observed: &Observed) -> Requests {
    let mut requests = pass.requests.clone();
    let bookkeeping = &observed.observation.bookkeeping;
    if bookkeeping.reset_handled || bookkeeping.reset_before.is_some() {
        requests.reset = None;
    }
    requests
}

/// A reset that was asked for, and that the database knows from before.
fn not_done(pass: &Pass<'_>, bookkeeping: &Bookkeeping) -> Option<RequestNotDone> {
    let (token, prior) = (pass.requests.reset.as_ref()?, bookkeeping.reset_before.as_ref()?);
    Some(requests::done_before(pass.target, token, prior))
}
