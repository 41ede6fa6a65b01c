//! Looks at the database: at every row, or by cheap counters where nothing seems to have moved.
//!
//! A hint decides nothing. What a pass would say or do on hints must be what the last deep look already
//! said, with nothing to repair; otherwise it looks at every row before it says a word.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::ObjectRef,
    },
    domain::{
        diagnose::diagnose,
        facts::identities::OldTokens,
        fault::{Class, Fault},
        finding::Finding,
        incremental::{
            change_marks::{Baseline, Reading, Reuse},
            partial_scan::PartialScan,
        },
        plan::{Unused, propose},
        progress::Progress,
        step::{Permitted, PermittedStep, Step},
    },
    engine::{Budget, EngineError, ErrorKind, ObserveRequest, Observed, Resolved, Session},
    pass::{
        connect::at_database,
        memory::CachedBaseline,
        request::{Pass, ScanMode},
    },
};

use std::{sync::Arc, time::Duration};

use super::{
    identities::{elsewhere, old_tokens},
    leftover,
};

/// What was seen, and what follows from it.
pub(super) struct Assessment {
    /// What was seen.
    pub observed: Observed,
    /// What may be repaired.
    pub permitted: Permitted,
    /// Why a given approval is not used.
    pub unused: Option<Unused>,
    /// Whether an interrupted run is to be closed.
    pub leftover: bool,
    found: Vec<Finding>,
}

impl Assessment {
    fn of(pass: &Pass<'_>, observed: Observed, key_findings: &[Finding]) -> Self {
        let (target, observation) = (pass.target, &observed.observation);
        let found = diagnose(target, observation, key_findings.to_vec(), None, pass.requests);
        let (permitted, unused) = propose(target, observation, &found).permit(
            target,
            observation,
            pass.requests.approval.as_ref(),
            pass.requests.take_claim.as_deref(),
        );
        let (permitted, leftover) = (pass.repairs.narrow(permitted), leftover(pass, observation));
        Self { observed, permitted, unused, leftover, found }
    }

    /// References whose rows a step is about and that were not searched in this look. (A foreign key is
    /// proved by the database itself.)
    fn unsearched(&self) -> Vec<ObjectRef> {
        let rows = self.permitted.steps().iter().filter(|one| matches!(one.step(), Step::Rows { .. }));
        let objects = rows.map(|one| one.step().object());
        objects.filter(|object| !self.observed.tried.iter().any(|one| **one == **object)).cloned().collect()
    }

    /// Whether there is nothing to do.
    fn idle(&self) -> bool {
        self.permitted.steps().is_empty() && !self.leftover
    }
}

/// Looks as the pass says.
///
/// # Errors
/// The database fails as a whole, or takes too long.
pub(super) async fn look(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    key_findings: &[Finding],
) -> Result<Assessment, Fault> {
    if pass.look == ScanMode::Full || names_people(pass) {
        let reading = if names_people(pass) { None } else { read(pass, session).await? };
        return every_row(pass, session, key_findings, reading.as_ref()).await;
    }
    let about = about(pass);
    // What somebody asked for by hand is not answered with a hint.
    let asked = pass.requests.reset.is_some() || pass.requests.approval.is_some();
    let basis = pass.memory.take_settled(&about).filter(|_| !asked);
    // Before the snapshot of any look: what is committed in between shows as moved at the next pass,
    // where counters read afterwards would have hidden it.
    let reading = read(pass, session).await?;
    if let (Some(basis), Some(reading)) = (basis, &reading)
        && let Some((sight, basis)) = hinted(pass, session, key_findings, basis, reading).await?
    {
        pass.memory.remember_settled(&about, basis);
        return Ok(sight);
    }
    let mut sight = every_row(pass, session, key_findings, reading.as_ref()).await?;
    let whole = sight.observed.observation.unreached.is_empty();
    // As old as the first of the searches that it rests on.
    let at = pass.memory.round(&about).and_then(|round| round.oldest()).unwrap_or(pass.now);
    if let (Some(reading), Some(resolved), true) =
        (reading, names(&mut sight.observed), whole && sight.idle())
        && let Some(settled) = Baseline::after(at, reading, &sight.observed.observation, &sight.found)
    {
        pass.memory.remember_settled(&about, CachedBaseline { settled, resolved });
    }
    Ok(sight)
}

/// A list of people changes without any counter, and who is who with any user: no look at rows stands for
/// another one then.
fn names_people(pass: &Pass<'_>) -> bool {
    pass.target.references.identities.is_some()
}

/// How many references the looks so far have seen, where one look does not suffice for all.
pub(super) fn seen(pass: &Pass<'_>) -> usize {
    let about = about(pass);
    pass.memory.round(&about).map_or(0, |round| round.seen())
}

/// Something was repaired: what the looks before have seen of it does not stand any more. Where all rows
/// of users may have moved, nothing does, since the server counts late what was just done.
pub(super) fn mended(pass: &Pass<'_>, permitted: &Permitted) {
    let about = about(pass);
    let moving = |one: &PermittedStep| matches!(one.step(), Step::MoveId { .. } | Step::Remap { .. });
    let all = permitted.steps().iter().any(moving);
    let round = pass.memory.round(&about).filter(|_| !all).map(PartialScan::mended);
    pass.memory.remember_round(&about, round);
}

/// What a settled target is known again by: nothing that was proved for one spec, database or role is
/// believed of another.
fn about(pass: &Pass<'_>) -> Vec<String> {
    let target = pass.target;
    let connection = &target.database.connection;
    vec![
        target.resource.uid.clone(),
        target.resource.generation.to_string(),
        connection.host.clone(),
        connection.port.to_string(),
        connection.database.clone(),
        connection.user.clone(),
        format!("{:?}", target.users),
        format!("{:?}", target.references),
        format!("{:?}", target.kept().map(|one| (&one.login, &one.id, &one.columns)).collect::<Vec<_>>()),
        format!("{:?}", target.jwt.as_ref().map(|jwt| &jwt.subject_column)),
    ]
}

/// Looks only at what seems to have moved; `None` where the pass must look deep after all.
async fn hinted(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    key_findings: &[Finding],
    basis: CachedBaseline,
    reading: &Reading,
) -> Result<Option<(Assessment, CachedBaseline)>, Fault> {
    let CachedBaseline { settled, resolved } = basis;
    let relied = settled.rely(reading, pass.now, pass.target.references.deep_interval);
    for (reference, why) in &relied.moved {
        tracing::debug!(reference = reference.describe(), %why, "looked at again");
    }
    if relied.is_nothing() {
        return Ok(None);
    }
    let before = relied.same_users.then_some(&resolved);
    let observed = match observe(pass, session, &relied, before).await {
        Ok(observed) => observed,
        Err(fault) if fault.reason == Reason::TimedOut => return Err(fault),
        // What a hint rests on may just have changed.
        Err(_) => return Ok(None),
    };
    let mut sight = Assessment::of(pass, observed, key_findings);
    let whole = sight.observed.observation.unreached.is_empty();
    if !whole || !sight.idle() || !settled.upholds(&sight.found) {
        return Ok(None);
    }
    let about = about(pass);
    if let Some(round) = pass.memory.round(&about) {
        keep(pass, &about, Some(&round), &relied, reading, &sight.observed);
    }
    let settled = settled.renewed(reading.clone(), &sight.observed.observation);
    let resolved = names(&mut sight.observed).unwrap_or(resolved);
    Ok(Some((sight, CachedBaseline { settled, resolved })))
}

/// The counters, where they can be read: what keeps them from it will keep a look from it too.
async fn read(pass: &Pass<'_>, session: &mut dyn Session) -> Result<Option<Reading>, Fault> {
    let reading = session.change_marks(pass.target);
    match in_time(pass, &Budget::new(pass.target.timeout), reading).await {
        Ok(reading) => Ok(reading),
        Err(fault) if fault.reason == Reason::TimedOut => Err(fault),
        Err(fault) => {
            tracing::debug!(why = fault.message, "the counters cannot be read, so every row is");
            Ok(None)
        }
    }
}

/// What the catalog says of the user table alone.
fn names(observed: &mut Observed) -> Option<Arc<dyn Resolved>> {
    Arc::get_mut(observed.resolved.as_mut()?).map(Resolved::user_table_alone)
}

/// Looks at every row, as far as the time suffices; what the looks before have searched is not searched
/// again.
///
/// # Errors
/// The database fails as a whole, or takes too long.
pub(super) async fn deep(pass: &Pass<'_>, session: &mut dyn Session) -> Result<Observed, Fault> {
    let reading = if names_people(pass) { None } else { read(pass, session).await? };
    rest(pass, session, reading.as_ref()).await
}

/// What follows from it. Nothing is repaired on what a look before has seen: what a step is about is
/// searched in this pass.
async fn every_row(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    key_findings: &[Finding],
    reading: Option<&Reading>,
) -> Result<Assessment, Fault> {
    let sight = Assessment::of(pass, rest(pass, session, reading).await?, key_findings);
    let unsearched = sight.unsearched();
    if unsearched.is_empty() {
        return Ok(sight);
    }
    let about = about(pass);
    let round = pass.memory.round(&about).map(|round| round.but(&unsearched));
    pass.memory.remember_round(&about, round);
    drop(sight);
    let mut sight = Assessment::of(pass, rest(pass, session, reading).await?, key_findings);
    let unsearched = sight.unsearched();
    sight.permitted = sight.permitted.narrow(|one| !unsearched.contains(one.step().object()));
    Ok(sight)
}

/// Looks at what no look before has seen, with the counters that were read before.
async fn rest(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    reading: Option<&Reading>,
) -> Result<Observed, Fault> {
    let Some(reading) = reading else { return observe(pass, session, &Reuse::default(), None).await };
    let about = about(pass);
    let round = pass.memory.round(&about);
    let interval = pass.target.references.deep_interval;
    let relied = round.as_ref().map(|round| round.rely(reading, pass.now, interval)).unwrap_or_default();
    let observed = observe(pass, session, &relied, None).await?;
    if observed.observation.unreached.is_empty() && observed.observation.relied == 0 {
        pass.memory.forget_round();
    } else {
        keep(pass, &about, round.as_ref(), &relied, reading, &observed);
    }
    Ok(observed)
}

/// Remembers what was searched, for the next look to go on with.
fn keep(
    pass: &Pass<'_>,
    about: &[String],
    before: Option<&PartialScan>,
    relied: &Reuse,
    reading: &Reading,
    observed: &Observed,
) {
    let (observation, tried) = (&observed.observation, &observed.tried);
    let round = PartialScan::after(before, relied, pass.now, reading.clone(), observation, tried);
    pass.memory.remember_round(about, round);
}

/// Looks at everything but what is relied on.
async fn observe(
    pass: &Pass<'_>,
    session: &mut dyn Session,
    relied: &Reuse,
    before: Option<&Arc<dyn Resolved>>,
) -> Result<Observed, Fault> {
    let elsewhere = elsewhere(pass).await;
    let budget = Budget::searching(pass.target.timeout, pass.search.longest);
    let progress = |progress: &Progress| pass.supervisor.progress(progress);
    let request = ObserveRequest {
        target: pass.target,
        requests: pass.requests,
        memory: pass.memory,
        compare_password: pass.compare_password,
        search: pass.search,
        relied,
        resolved: before,
        budget: &budget,
        elsewhere: elsewhere.as_ref(),
        progress: &progress,
    };
    // On the heap: what a look holds is large, and a thread's stack is not.
    let looking = Box::pin(async {
        match session.observe(&request).await {
            Ok(observed) => Ok(observed),
            Err(error) => Err(session.named(error).await),
        }
    });
    let mut observed = in_time(pass, &budget, looking).await?;
    if let Some(facts) = &mut observed.observation.identities {
        facts.tokens = old_tokens(pass);
        let ended = observed.observation.sessions.as_ref().is_some_and(|sessions| sessions.list_ended);
        if ended && facts.tokens == OldTokens::Perhaps {
            facts.tokens = OldTokens::Ended;
        }
    }
    Ok(observed)
}

async fn in_time<T>(
    pass: &Pass<'_>,
    budget: &Budget,
    looking: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, Fault> {
    let target = pass.target;
    match budget.within(looking).await {
        Some(Ok(seen)) => Ok(seen),
        Some(Err(error)) if error.kind() == ErrorKind::Timeout => Err(timed_out(budget.limit())),
        Some(Err(error)) => Err(at_database(&target.database, error.fault())),
        None => Err(timed_out(budget.limit())),
    }
}

fn timed_out(timeout: Duration) -> Fault {
    Fault {
        reason: Reason::TimedOut,
        condition: ConditionType::DatabaseReachable,
        class: Class::Transient,
        message: format!(
            "looking at the database took longer than {} s, which is spec.timeout and what its tables' sizes add: run ANALYZE, index the columns that name users, or raise it (at most 10m)",
            timeout.as_secs()
        ),
    }
}
