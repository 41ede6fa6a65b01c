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
mod apply;
mod ask;
mod errands;
mod identities;
mod keys;
mod look;
mod manners;
pub mod memory;
mod pods;
mod preflight;
mod retention;
mod surroundings;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{
            Action, ObjectRef, ReferencesReport, ReportTarget, RequestNotDone, SigningKeyReport, Skipped,
            StepReport,
        },
        status::SigningKeyStatus,
    },
    domain::{
        diagnose::{
            Diagnosed, Ends, Requests, diagnose, references as orphans, requests, rights, rotation, verifiers,
        },
        facts::{Bookkeeping, Observation},
        fault::{Class, Fault},
        incremental::partial_scan::Unfinished,
        plan::{Permission, Permitted, Unused, propose, waits_for_the_look},
        progress::Progress,
        report::{Outcome, Verdict},
        target::{Database, Target},
        text::{count, number},
    },
    engine::postgres::{self, Observed, Search, Session},
    network::HostPolicy,
    pass::memory::Memory,
};

pub use ask::{Asked, mint_for_admin, show_to_app};
pub use errands::{
    admin_account, discover, grants, grants_to_observe, kept, purge, resolve, restore, restore_beside, runs,
    show_kept, unrestored,
};
pub use identities::snapshot;
pub use look::Look;
pub use preflight::preflight;
pub use surroundings::{Surroundings, Unread};

use look::Sight;

/// Asked before anything is written, and again before every chunk of destructive work.
pub trait Supervisor: Send + Sync {
    /// Whether the steps may begin. Called once, before the first statement that writes.
    ///
    /// # Errors
    /// Why the pass must stop with nothing repaired.
    fn begin<'a>(&'a self, steps: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>>;

    /// Whether what was asked for is still wanted: a live look, never a cached one.
    ///
    /// # Errors
    /// Why the pass must stop here.
    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>>;

    /// Told how far the pass has got: before every search, after every chunk, and while a step waits. It
    /// may be told often, with a snapshot open, so that it must not wait for anything.
    fn progress(&self, progress: &Progress) {
        let _ = progress;
    }

    /// Whether the fingerprint of the signing key is to be computed after this pass, which then says of the key what
    /// the status said before. It is asked once at most, and only where nothing is decided by it.
    fn puts_off_the_fingerprint(&self) -> bool {
        false
    }

    /// What the cluster tells of the app, where there is one to be asked.
    fn surroundings(&self) -> Option<&dyn Surroundings> {
        None
    }
}

/// A supervisor for a person at the command line: what they asked for is wanted.
pub struct Person;

impl Supervisor for Person {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

/// Which of the permitted steps a pass applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repairs {
    /// None: nothing is written.
    None,
    /// Those about the admin's account alone, and the sequence that it needs.
    Admin,
    /// All.
    All,
}

impl Repairs {
    fn narrow(self, mut permitted: Permitted) -> Permitted {
        permitted.steps.retain(|one| match self {
            Self::None => false,
            Self::Admin if one.step.account().is_some() => false,
            Self::Admin => !matches!(
                one.step.action(),
                Action::EndSessions
                    | Action::Remap
                    | Action::SetNull
                    | Action::Reassign
                    | Action::Delete
                    | Action::AddConstraint
                    | Action::ValidateConstraint
            ),
            Self::All => true,
        });
        // An approval of steps that are left out is not used up by the others.
        if permitted.steps.iter().all(|one| !matches!(one.by, Permission::Approval(_))) {
            permitted.approval = None;
        }
        permitted
    }
}

/// What one pass is given.
pub struct Pass<'a> {
    /// The target.
    pub target: &'a Target,
    /// Where it may connect.
    pub policy: &'a HostPolicy,
    /// What was asked for once.
    pub requests: &'a Requests,
    /// What the process remembers of the resource.
    pub memory: &'a Memory,
    /// Who agrees to repairs.
    pub supervisor: &'a dyn Supervisor,
    /// Which of the permitted steps are applied.
    pub repairs: Repairs,
    /// How references are looked at.
    pub look: Look,
    /// Whether the admin's password is compared even where the policy does not ask for it.
    pub compare_password: bool,
    /// How references are searched.
    pub search: Search,
    /// Whether the app is asked.
    pub ask: bool,
    /// What the resource's status remembers of its signing key; `None` where there is no status.
    pub key_before: Option<&'a SigningKeyStatus>,
    /// The time that minted tokens carry.
    pub now: Timestamp,
}

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

async fn whole(pass: &Pass<'_>) -> Result<Outcome, Fault> {
    let target = pass.target;
    crate::crash::mistake(&target.resource.namespace, &target.resource.name);
    let (mut key, key_findings) = keys::signing_key(pass).await;
    let mut session = connect(target, pass.policy).await?;
    let seen = look::seen(pass);
    let sight = look::look(pass, &mut session, &key_findings).await?;
    let Sight { observed, permitted, unused, leftover, .. } = sight;
    let reset_before = observed.observation.bookkeeping.reset_handled;
    let approval_before = observed.observation.bookkeeping.approval_used;
    let mut applied = apply::Applied::default();
    let repairs = !permitted.steps.is_empty() || leftover;
    let overdue = retention::due(pass, &observed.observation);
    let observed = match (&observed.known, repairs || overdue) {
        (Some(known), true) => {
            if repairs {
                // Boxed: the repairs are large, and most passes make none.
                applied = Box::pin(apply::apply(
                    pass,
                    &mut session,
                    known,
                    &observed.observation,
                    &permitted,
                    leftover,
                ))
                .await?;
                look::mended(pass, &permitted);
            }
            if overdue && applied.failure.is_none() {
                retention::purge(pass, &mut session, known, &mut applied).await;
            }
            // A connection that broke in the middle of a repair is no way to look at what came of it.
            if applied.failure.is_some() {
                session.close().await;
                session = connect(target, pass.policy).await?;
            }
            // A COMMIT may have been done though its answer was lost: what was done is told.
            applied.find_out(pass, &mut session).await;
            // Not two looks at once: each keeps what the catalog says of all references.
            drop(observed);
            match look::deep(pass, &mut session).await {
                // What was done is not left untold for a connection that breaks after it, or a table that is held.
                Err(fault)
                    if matches!(fault.class, Class::Transient | Class::Conflict)
                        && !applied.repaired.is_empty() =>
                {
                    session.close().await;
                    session = connect(target, pass.policy).await?;
                    look::deep(pass, &mut session).await?
                }
                looked => looked?,
            }
        }
        _ => observed,
    };
    let asked = ask::ask(pass, &observed).await;
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
    found.extend(applied.failure.filter(|_| !done_by_another).into_iter().chain(applied.passed_over));
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
            one.ends = Ends::Retry;
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

/// What the next pass may mend by itself waits for nobody: another run was faster, or it came up while
/// this one was at work. A repair that needs a person has a finding of its own that says so.
fn passing(found: &mut [Diagnosed], free: &Permitted) {
    for one in found {
        let step = one.step.as_ref();
        if step.is_some_and(|step| free.steps.iter().any(|permitted| permitted.step == *step)) {
            one.ends = Ends::Retry;
        }
    }
}

/// An approved run that a crash kept from being closed, with nothing left to do: it is closed, so that
/// its approval is good for nothing more.
fn leftover(pass: &Pass<'_>, observation: &Observation) -> bool {
    let bookkeeping = &observation.bookkeeping;
    pass.repairs == Repairs::All
        && pass.target.mode == crate::api::spec::Mode::Enforce
        && observation.server.read_only.is_none()
        && bookkeeping.writable()
        && bookkeeping.open_run.is_some()
        // What was not looked at may be what is left.
        && observation.unreached.is_empty()
        && !observation.skipped.iter().any(|one| one.passes)
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

fn unused_message(unused: &Unused) -> String {
    match unused {
        Unused::OtherPlan => "the approval that was given is for another plan than this one".into(),
        Unused::Before => "it was used before, and an approval is good for one time".into(),
        Unused::Elsewhere => {
            "the approval that was given was used before, for another resource or in the database that this one was copied from".into()
        }
        Unused::MoreRows { shown, now } => {
            format!("the approval was given for {}, and it is {} now", count(*shown, "row"), number(*now))
        }
    }
}

async fn connect(target: &Target, policy: &HostPolicy) -> Result<Session, Fault> {
    postgres::connect(&target.database, policy, &target.resource.namespace)
        .await
        .map_err(|error| at_database(&target.database, error.fault()))
}

fn at_database(database: &Database, mut fault: Fault) -> Fault {
    let connection = &database.connection;
    fault.message = format!("{}:{}: {}", connection.host, connection.port, fault.message);
    if let Some(disagreement) = &database.disagreement {
        fault.message = format!("{} ({disagreement})", fault.message);
    }
    fault
}

fn report_target(target: &Target, observation: &Observation) -> ReportTarget {
    ReportTarget {
        namespace: target.resource.namespace.clone(),
        name: target.resource.name.clone(),
        engine: Some("PostgreSQL".into()),
        server_version: Some(observation.server.version.clone()),
    }
}

fn applicable(target: &Target) -> Vec<ConditionType> {
    ConditionType::DOMAIN
        .into_iter()
        .filter(|condition| match condition {
            ConditionType::AdminConsistent => target.kept().next().is_some(),
            ConditionType::SigningKeyTrusted => target.jwt.is_some(),
            ConditionType::TokensAccepted => target.probe.is_some(),
            _ => true,
        })
        .collect()
}

/// How far the looks have got, where they have not seen all references; `before` is how many they had
/// when the pass began.
fn unfinished(observation: &Observation, before: usize) -> Option<Unfinished> {
    if observation.unreached.is_empty() {
        return None;
    }
    let seen = observation.references.len();
    Some(Unfinished { seen, all: seen + observation.unreached.len(), advanced: seen > before })
}

fn unknown(
    target: &Target,
    observation: &Observation,
    asked: &Asked,
) -> Vec<(ConditionType, Reason, String)> {
    let mut unknown = Vec::new();
    if observation.users.is_err() {
        let why = "the user table cannot be used, see SchemaCompatible".to_owned();
        if target.kept().next().is_some() {
            unknown.push((ConditionType::AdminConsistent, Reason::NotChecked, why.clone()));
        }
        unknown.push((ConditionType::ReferencesConsistent, Reason::NotChecked, why));
    }
    if let Some(unfinished) = unfinished(observation, 0) {
        let rest: Vec<String> = observation.unreached.iter().map(ObjectRef::describe).collect();
        let why = unfinished.message(&rest);
        unknown.push((ConditionType::ReferencesConsistent, Reason::LookUnfinished, why));
    }
    if let Some(why) = &asked.not_asked {
        unknown.push((ConditionType::TokensAccepted, Reason::NotChecked, why.clone()));
    }
    unknown
}

fn remarks(
    target: &Target,
    observation: &Observation,
    asked: &Asked,
    key: Option<&SigningKeyReport>,
) -> Vec<(ConditionType, String)> {
    let mut text = format!("PostgreSQL {} answers", observation.server.version);
    if target.database.tls == crate::api::spec::TlsMode::Disable {
        text.push_str(", without encryption (tls.mode is Disable)");
    }
    if let Some(read_only) = &observation.server.read_only {
        text.push_str(&format!("; {}, so it is only observed", read_only.why));
    }
    if let Some(disagreement) = &target.database.disagreement {
        text.push_str(&format!("; {disagreement}"));
    }
    let accepted: i64 = accepted_rows(target, observation);
    let checked = i64::try_from(observation.references.len()).unwrap_or(i64::MAX);
    let mut references = format!("{} checked, every row names a user", count(checked, "reference"));
    if accepted > 0 {
        references.push_str(&format!(" or is accepted by a rule ({})", count(accepted, "row")));
    }
    references.push_str(&identities::remark(target));
    let mut remarks =
        vec![(ConditionType::DatabaseReachable, text), (ConditionType::ReferencesConsistent, references)];
    let tokens = asked.verifiers.as_deref().and_then(verifiers::remark);
    remarks.extend(tokens.map(|text| (ConditionType::TokensAccepted, text)));
    remarks.extend(accounts::remarks(target, observation));
    remarks.extend(rotation::remark(key).map(|text| (ConditionType::SigningKeyTrusted, text)));
    remarks
}

fn accepted_rows(target: &Target, observation: &Observation) -> i64 {
    observation
        .references
        .iter()
        .filter(|reference| orphans::accepted(&target.references.policy(&reference.object), reference))
        .map(|reference| reference.orphans.rows)
        .sum()
}

fn references(target: &Target, observation: &Observation) -> Option<ReferencesReport> {
    observation.users.as_ref().ok()?;
    let accepted_rows = accepted_rows(target, observation);
    let all: i64 = observation.references.iter().map(|reference| reference.orphans.rows).sum();
    let why = "not looked at yet: the next pass goes on with it";
    let unreached = observation.unreached.iter().cloned();
    let unreached = unreached.map(|object| Skipped { object, why: why.into(), asked: false, passes: true });
    Some(ReferencesReport {
        checked: i64::try_from(observation.references.len()).unwrap_or(i64::MAX),
        skipped: observation.skipped.iter().cloned().chain(unreached).take(100).collect(),
        orphan_rows: all - accepted_rows,
        accepted_rows,
    })
}
