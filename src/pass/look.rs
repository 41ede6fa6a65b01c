//! Looks at the database: at every row, or by cheap counters where nothing seems to have moved.
//!
//! A hint decides nothing. What a pass would say or do on hints must be what the last deep look already
//! said, with nothing to repair; otherwise it looks at every row before it says a word.

use std::time::Duration;

use super::{
    Pass, at_database,
    identities::{elsewhere, old_tokens},
    leftover,
};
use crate::{
    api::condition::{ConditionType, Reason},
    consistency::{
        counters::{Reading, Relied, Settled},
        diagnosis::{Diagnosed, diagnose},
        plan::{Permitted, Unused, propose},
        severity::{Class, Fault},
    },
    database::{self, Budget, DatabaseError, Given, Known, Observed, Session},
    memory::Basis,
};

/// How a pass looks at references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// At every row.
    Deep,
    /// At the rows of those that seem to have moved since the last deep look, and at every row where
    /// anything is to be said or done, or that look is too long ago.
    Hinted,
}

/// What was seen, and what follows from it.
pub(super) struct Sight {
    /// What was seen.
    pub observed: Observed,
    /// What may be repaired.
    pub permitted: Permitted,
    /// Why a given approval is not used.
    pub unused: Option<Unused>,
    /// Whether an interrupted run is to be closed.
    pub leftover: bool,
    found: Vec<Diagnosed>,
}

impl Sight {
    fn of(pass: &Pass<'_>, observed: Observed, key_findings: &[Diagnosed]) -> Self {
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

    /// Whether there is nothing to do.
    fn idle(&self) -> bool {
        self.permitted.steps.is_empty() && !self.leftover
    }
}

/// Looks as the pass says.
///
/// # Errors
/// The database fails as a whole, or takes too long.
pub(super) async fn look(
    pass: &Pass<'_>,
    session: &mut Session,
    key_findings: &[Diagnosed],
) -> Result<Sight, Fault> {
    // A list of people changes without any counter, and who is who with any user.
    if pass.look == Look::Deep || pass.target.references.identities.is_some() {
        let observed = deep(pass, session).await?;
        return Ok(Sight::of(pass, observed, key_findings));
    }
    let about = about(pass);
    let about: Vec<&[u8]> = about.iter().map(String::as_bytes).collect();
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
    let observed = deep(pass, session).await?;
    let sight = Sight::of(pass, observed, key_findings);
    if let (Some(reading), Some(known), true) = (reading, names(&sight.observed), sight.idle())
        && let Some(settled) = Settled::after(pass.now, reading, &sight.observed.observation, &sight.found)
    {
        pass.memory.remember_settled(&about, Basis { settled, known });
    }
    Ok(sight)
}

/// What a settled target is known again by: nothing that was proved for one spec, database or role is
/// believed of another.
fn about(pass: &Pass<'_>) -> Vec<String> {
    let target = pass.target;
    let connection = &target.database.connection;
    let admin = target.admin.as_ref();
    vec![
        target.resource.uid.clone(),
        target.resource.generation.to_string(),
        connection.host.clone(),
        connection.port.to_string(),
        connection.database.clone(),
        connection.user.clone(),
        format!("{:?}", target.users),
        format!("{:?}", target.references),
        format!("{:?}", admin.map(|admin| (&admin.login, &admin.id, &admin.columns))),
        format!("{:?}", target.jwt.as_ref().map(|jwt| &jwt.subject_column)),
    ]
}

/// Looks only at what seems to have moved; `None` where the pass must look deep after all.
async fn hinted(
    pass: &Pass<'_>,
    session: &mut Session,
    key_findings: &[Diagnosed],
    basis: Basis,
    reading: &Reading,
) -> Result<Option<(Sight, Basis)>, Fault> {
    let Basis { settled, known } = basis;
    let relied = settled.rely(reading, pass.now, pass.target.references.deep_interval);
    for (reference, why) in &relied.moved {
        tracing::debug!(reference = reference.describe(), %why, "looked at again");
    }
    if relied.is_nothing() {
        return Ok(None);
    }
    let before = relied.same_users.then_some(&known);
    let observed = match observe(pass, session, &relied, before).await {
        Ok(observed) => observed,
        Err(fault) if fault.reason == Reason::TimedOut => return Err(fault),
        // What a hint rests on may just have changed.
        Err(_) => return Ok(None),
    };
    let sight = Sight::of(pass, observed, key_findings);
    if !sight.idle() || !settled.upholds(&sight.found) {
        return Ok(None);
    }
    let settled = settled.renewed(reading.clone(), &sight.observed.observation);
    let known = names(&sight.observed).unwrap_or(known);
    Ok(Some((sight, Basis { settled, known })))
}

/// The counters, where they can be read: what keeps them from it will keep a look from it too.
async fn read(pass: &Pass<'_>, session: &mut Session) -> Result<Option<Reading>, Fault> {
    let reading = database::read_counters(session.connection(), pass.target);
    match in_time(pass, &Budget::new(pass.target.timeout), reading).await {
        Ok(reading) => Ok(reading),
        Err(fault) if fault.reason == Reason::TimedOut => Err(fault),
        Err(fault) => {
            tracing::debug!(message = fault.message, "the counters cannot be read, so every row is");
            Ok(None)
        }
    }
}

/// What the catalog says of the user table alone.
fn names(observed: &Observed) -> Option<Known> {
    let known = observed.known.as_ref()?;
    Some(Known { references: Vec::new(), ..known.clone() })
}

/// Looks at everything.
///
/// # Errors
/// The database fails as a whole, or takes too long.
pub(super) async fn deep(pass: &Pass<'_>, session: &mut Session) -> Result<Observed, Fault> {
    observe(pass, session, &Relied::default(), None).await
}

/// Looks at everything but what is relied on.
async fn observe(
    pass: &Pass<'_>,
    session: &mut Session,
    relied: &Relied,
    before: Option<&Known>,
) -> Result<Observed, Fault> {
    let elsewhere = elsewhere(pass).await;
    let (connection, compare, search) = (session.connection(), pass.compare_password, pass.search);
    let budget = Budget::new(pass.target.timeout);
    let given = Given { relied, known: before, budget: &budget, elsewhere: elsewhere.as_ref() };
    // On the heap: what a look holds is large, and a thread's stack is not.
    let looking = Box::pin(database::observe(
        connection,
        pass.target,
        pass.requests,
        pass.memory,
        compare,
        search,
        &given,
    ));
    let mut observed = in_time(pass, &budget, looking).await?;
    if let Some(facts) = &mut observed.observation.identities {
        facts.tokens = old_tokens(pass);
    }
    Ok(observed)
}

async fn in_time<T>(
    pass: &Pass<'_>,
    budget: &Budget,
    looking: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, Fault> {
    let target = pass.target;
    match budget.within(looking).await {
        Some(Ok(seen)) => Ok(seen),
        Some(Err(error)) if error.sqlstate().as_deref() == Some("57014") => Err(timed_out(budget.limit())),
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
            "looking at the database took longer than {} s, which is spec.timeout and what its tables' sizes add: raise it, or index the references",
            timeout.as_secs()
        ),
    }
}
