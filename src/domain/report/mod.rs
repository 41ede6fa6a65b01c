//! The outcome of a pass to conditions and status.
//!
//! Timestamps are kept unless something flips: the same input twice gives a byte-equal status, and
//! an equal status is never written.

mod accounts;
mod domain_conditions;
mod ended;
pub mod first_install;
mod held_up;
pub mod schedule;
pub mod scope;
mod searched;
pub(super) mod unseen;

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{
            AdminReport, ConsistencyReport, FindingReport, PasswordsReport, PlanReport, ReferencesReport,
            ReportTarget, RequestNotDone, Severity, SigningKeyReport, StepReport,
        },
        status::{AuthConsistencyStatus, MAX_FINDINGS, Repair},
    },
    domain::{
        diagnose::{requests, rotation},
        facts::search::Searched,
        fault::Fault,
        finding::{Finding, Resolution},
        incremental::partial_scan::Unfinished,
        target::secrets::TargetError,
        text::{clip, count, more},
    },
};

pub use held_up::held_up;
pub use searched::searched;
pub use unseen::{called_for, suspended};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use self::scope::Scope;
use super::progress::Progress;

/// What a pass that reached its end found, did and left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What was looked at.
    pub target: ReportTarget,
    /// Conditions that this target has at all, in order.
    pub applicable: Vec<ConditionType>,
    /// Conditions that could not be judged: why, and the sentence.
    pub unknown: Vec<(ConditionType, Reason, String)>,
    /// What is wrong after the repairs of this pass.
    pub found: Vec<Finding>,
    /// A sentence for a condition that is True, where there is more to say than its reason.
    pub remarks: Vec<(ConditionType, String)>,
    /// The admin.
    pub admin: Option<AdminReport>,
    /// The accounts beside it that exist, in the order of their logins.
    pub accounts: Vec<AdminReport>,
    /// In which formats passwords are stored and written, where one is to be.
    pub passwords: Option<PasswordsReport>,
    /// The signing key.
    pub signing_key: Option<SigningKeyReport>,
    /// The references.
    pub references: Option<ReferencesReport>,
    /// Whether the app was asked which tokens it accepts.
    pub app_asked: bool,
    /// How each reference was searched; left out of reports unless it was asked for.
    pub searched: Vec<Searched>,
    /// How many references counters say are as an earlier look saw them.
    pub relied: usize,
    /// How far the looks have got, where they have not seen all references.
    pub unfinished: Option<Unfinished>,
    /// What is left to repair.
    pub plan: Option<PlanReport>,
    /// What was repaired.
    pub repaired: Vec<StepReport>,
    /// The last repairs, newest first; `None` where the database keeps none.
    pub history: Vec<Repair>,
    /// The reset token that was handled.
    pub reset_handled: Option<String>,
    /// The approval that was used.
    pub approval_used: Option<String>,
    /// Why a given approval was not used.
    pub approval_unused: Option<String>,
    /// A reset that would help the admin and would be done.
    pub reset_offer: Option<crate::domain::plan::offer::ResetOffer>,
    /// A request that the database knows already, and that was not done again.
    pub not_done: Option<RequestNotDone>,
}

/// How a pass ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The spec or its Secrets do not make a target.
    NoTarget(Vec<TargetError>),
    /// A stage failed.
    Failed(Fault),
    /// It reached its end.
    Done(Box<Outcome>),
}

/// What was seen of the resource itself as the pass began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// `auth.probeops.com/reconcile`.
    pub reconcile: Option<String>,
    /// `reconcile.fluxcd.io/requestedAt`.
    pub flux_reconcile: Option<String>,
    /// The domain conditions that its spec calls for; `None` where it cannot be understood.
    pub conditions: Option<Vec<ConditionType>>,
    /// Until when a release that comes up may bring what is missing; `None` when it is a person's.
    pub awaited: Option<Time>,
}

impl Seen {
    /// Whether what is missing for this reason may come with the release.
    fn awaits(&self, reason: Reason) -> bool {
        self.awaited.is_some() && first_install::may_bring(reason)
    }

    /// The message of what a release that comes up may bring.
    fn awaiting(&self, reason: Reason, message: String) -> String {
        match &self.awaited {
            Some(until) if first_install::may_bring(reason) => format!(
                "{message}; this is normal while a release comes up, so it is looked at again until {}",
                until.0
            ),
            _ => message,
        }
    }
}

/// What the state of a resource comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Consistent, warnings aside.
    Consistent,
    /// Something is wrong and may pass by itself.
    Retry,
    /// A person must act.
    Person,
}

impl Outcome {
    /// Findings, worst first, in an order that does not depend on how they were found.
    pub fn findings(&self) -> Vec<FindingReport> {
        let mut findings: Vec<FindingReport> = self.found.iter().map(|one| one.finding.clone()).collect();
        findings.sort_by(|a, b| {
            let kept = |one: &FindingReport| one.finding != Reason::RepairFailed;
            b.severity
                .cmp(&a.severity)
                // What a repair ran into says more than what it was to mend.
                .then_with(|| kept(a).cmp(&kept(b)))
                .then_with(|| a.condition.cmp(&b.condition))
                .then_with(|| a.finding.cmp(&b.finding))
                .then_with(|| a.object.cmp(&b.object))
                .then_with(|| a.message.cmp(&b.message))
        });
        findings
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let grave = || self.found.iter().filter(|one| one.finding.severity > Severity::Warning);
        if grave().next().is_none() && self.unknown.is_empty() {
            Verdict::Consistent
        } else if grave().any(|one| one.ends == Resolution::Manual) {
            Verdict::Person
        } else {
            Verdict::Retry
        }
    }

    /// Whether something is left that waits for nobody: the next pass does it, and should come soon.
    pub fn unfinished(&self) -> bool {
        self.unfinished.is_some()
            || self.found.iter().any(|one| one.step.is_some() && one.ends == Resolution::Automatic)
    }

    /// Whether all that needs a person may come with a release that is still coming up.
    fn waits_for_the_release(&self, seen: &Seen) -> bool {
        let grave =
            |one: &&Finding| one.finding.severity > Severity::Warning && one.ends == Resolution::Manual;
        self.found
            .iter()
            .filter(grave)
            .all(|one| seen.awaits(one.finding.blocked.unwrap_or(one.finding.finding)))
    }

    /// What is not known of the id that the next account gets.
    pub fn next_id_untold(&self) -> Option<&str> {
        let remark = self.remarks.iter().find(|(about, _)| *about == ConditionType::SchemaCompatible);
        remark.map(|(_, text)| text.as_str())
    }

    /// Takes over what the pass before did, which this one went on from.
    pub fn follow(&mut self, before: Self) {
        self.repaired.splice(0..0, before.repaired);
        self.searched.splice(0..0, before.searched);
        self.reset_handled = self.reset_handled.take().or(before.reset_handled);
        self.approval_used = self.approval_used.take().or(before.approval_used);
    }

    /// The report that commands print.
    pub fn report(&self, elapsed_ms: i64) -> ConsistencyReport {
        let findings = self.findings();
        let could_not_tell = !self.unknown.is_empty() || findings.iter().any(|one| one.finding.is_untold());
        let wrong = findings.iter().any(|one| one.severity > Severity::Warning && !one.finding.is_untold());
        ConsistencyReport {
            api_version: crate::api::API_VERSION.into(),
            kind: "ConsistencyReport".into(),
            target: self.target.clone(),
            consistent: if wrong {
                Some(false)
            } else if could_not_tell {
                None
            } else {
                Some(true)
            },
            findings,
            admin: self.admin.clone(),
            accounts: self.accounts.clone(),
            passwords: self.passwords.clone(),
            signing_key: self.signing_key.clone(),
            references: self.references.clone(),
            app_asked: self.app_asked,
            next_id_untold: self.next_id_untold().map(str::to_owned),
            searched: Vec::new(),
            requests_not_done: self.not_done.iter().cloned().collect(),
            token: None,
            plan: self.plan.clone(),
            repaired: self.repaired.clone(),
            elapsed_ms,
        }
    }
}

/// The status after a pass.
pub fn status(
    previous: &AuthConsistencyStatus,
    generation: i64,
    now: &Time,
    end: &End,
    seen: &Seen,
) -> AuthConsistencyStatus {
    let mut next = unseen::of_generation(previous, generation);
    next.progress = None;
    handled(&mut next, seen);
    match end {
        End::NoTarget(errors) => ended::no_target(&mut next, errors, seen),
        End::Failed(fault) => ended::failed(&mut next, fault, seen),
        End::Done(outcome) => done(&mut next, outcome, seen, now),
    }
    stamp(&mut next.conditions, &previous.conditions, generation, now);
    next
}

/// The status while a pass is under way: written only for a new generation, before the first repair,
/// or when a pass takes long. How far it has got stands there as long as it is under way.
pub fn working(
    previous: &AuthConsistencyStatus,
    generation: i64,
    now: &Time,
    message: &str,
    progress: Option<&Progress>,
) -> AuthConsistencyStatus {
    let mut next = unseen::of_generation(previous, generation);
    next.progress = progress.map(Progress::shown);
    next.conditions.retain(|one| one.type_ != "Stalled");
    set(&mut next.conditions, ConditionType::Ready, "Unknown", Reason::Progressing, message);
    set(&mut next.conditions, ConditionType::Reconciling, "True", Reason::Progressing, message);
    stamp(&mut next.conditions, &previous.conditions, generation, now);
    next
}

/// The status while a look takes long that nothing has changed for: what the last one saw stands until this
/// one has seen something else.
pub fn looking(
    previous: &AuthConsistencyStatus,
    generation: i64,
    now: &Time,
    message: &str,
    progress: Option<&Progress>,
) -> AuthConsistencyStatus {
    let ready = previous.conditions.iter().any(|one| one.type_ == ConditionType::Ready.as_str());
    if previous.observed_generation != generation || !ready {
        return working(previous, generation, now, message, progress);
    }
    let mut next = previous.clone();
    next.progress = progress.map(Progress::shown);
    // What needs a person does not come by itself, and whoever waits for it is not told otherwise.
    if !next.conditions.iter().any(|one| one.type_ == ConditionType::Stalled.as_str()) {
        set(&mut next.conditions, ConditionType::Reconciling, "True", Reason::Progressing, message);
    }
    stamp(&mut next.conditions, &previous.conditions, generation, now);
    next
}

fn handled(next: &mut AuthConsistencyStatus, seen: &Seen) {
    if seen.reconcile.is_some() {
        next.last_handled_reconcile = seen.reconcile.as_deref().map(requests::kept_value);
    }
    if seen.flux_reconcile.is_some() {
        next.last_handled_reconcile_at = seen.flux_reconcile.as_deref().map(requests::kept_value);
    }
}

/// Sets a condition that is not as it should be, and says where there is more to read.
fn amiss(
    next: &mut AuthConsistencyStatus,
    condition: ConditionType,
    status: &str,
    reason: Reason,
    message: &str,
) {
    set(&mut next.conditions, condition, status, reason, &format!("{message}; {}", more(reason)));
}

fn done(next: &mut AuthConsistencyStatus, outcome: &Outcome, seen: &Seen, now: &Time) {
    let findings = outcome.findings();
    next.conditions.retain(|one| {
        ConditionType::DOMAIN.iter().all(|domain| domain.as_str() != one.type_)
            || outcome.applicable.iter().any(|condition| condition.as_str() == one.type_)
    });
    for condition in &outcome.applicable {
        domain_conditions::set_one(next, *condition, outcome, &findings);
    }
    next.findings = findings.iter().take(MAX_FINDINGS).cloned().collect();
    next.references = outcome.references.clone();
    next.plan = outcome.plan.clone();
    next.history = outcome.history.clone();
    if outcome.reset_handled.is_some() {
        next.last_handled_reset_admin = outcome.reset_handled.as_deref().map(requests::kept_value);
    }
    if outcome.approval_used.is_some() {
        next.last_handled_approval = outcome.approval_used.as_deref().map(requests::kept_value);
    }
    if let Some(one) = &outcome.not_done {
        next.requests_not_done.retain(|old| old.annotation != one.annotation);
        next.requests_not_done.push(one.clone());
    }
    accounts::status(next, outcome, now);
    next.signing_key = outcome.signing_key.as_ref().map(rotation::kept);
    let verdict = match outcome.verdict() {
        Verdict::Person if outcome.waits_for_the_release(seen) => Verdict::Retry,
        verdict => verdict,
    };
    let awaiting = outcome.plan.as_ref().filter(|plan| plan.awaiting_approval);
    match (verdict, awaiting) {
        (_, Some(plan)) => {
            let unused = outcome.approval_unused.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
            let message = format!(
                "{unused}a plan over {} waits for approval: read .status.plan, then run {}",
                count(plan.rows, "row"),
                requests::approve(
                    &outcome.target.namespace,
                    &outcome.target.name,
                    plan.hash.as_deref().unwrap_or_default()
                )
            );
            overall(next, Reason::ApprovalRequired, &message, Verdict::Person);
        }
        (Verdict::Consistent, None) => {
            next.first_consistent_time.get_or_insert_with(|| now.clone());
            let warnings = findings.len();
            let mut message = Scope::from(outcome).sentence();
            if warnings > 0 {
                message.push_str(&format!(", with {}", count(warnings as i64, "warning")));
            }
            message.extend(outcome.next_id_untold().iter().flat_map(|untold| ["; ", untold]));
            overall(next, Reason::Consistent, &message, Verdict::Consistent);
        }
        (verdict, None) => {
            let worst = findings.iter().find(|finding| finding.severity > Severity::Warning);
            let (reason, message) = match (worst, outcome.unknown.first()) {
                (Some(worst), _) => (worst.blocked.unwrap_or(worst.finding), worst.message.clone()),
                (None, Some((_, reason, message))) => (*reason, message.clone()),
                (None, None) => (Reason::InternalError, "a verdict without a finding".into()),
            };
            let message = match verdict {
                Verdict::Retry => seen.awaiting(reason, message),
                _ => message,
            };
            overall(next, reason, &message, verdict);
        }
    }
}

/// Ready, Reconciling and Stalled, exactly as the table of the contract says.
fn overall(next: &mut AuthConsistencyStatus, reason: Reason, message: &str, verdict: Verdict) {
    next.conditions.retain(|one| one.type_ != "Reconciling" && one.type_ != "Stalled");
    let message = match verdict {
        Verdict::Consistent => message.to_owned(),
        _ => format!("{message}; {}", more(reason)),
    };
    match verdict {
        Verdict::Consistent => set(&mut next.conditions, ConditionType::Ready, "True", reason, &message),
        Verdict::Retry => {
            set(&mut next.conditions, ConditionType::Ready, "False", reason, &message);
            set(
                &mut next.conditions,
                ConditionType::Reconciling,
                "True",
                Reason::ProgressingWithRetry,
                match reason {
                    Reason::LookUnfinished => "the next pass goes on by itself",
                    _ => "the last pass failed; the next one comes by itself",
                },
            );
        }
        Verdict::Person => {
            set(&mut next.conditions, ConditionType::Ready, "False", reason, &message);
            set(&mut next.conditions, ConditionType::Stalled, "True", reason, &message);
        }
    }
}

fn set(
    conditions: &mut Vec<Condition>,
    condition: ConditionType,
    status: &str,
    reason: Reason,
    message: &str,
) {
    let fresh = Condition {
        type_: condition.as_str().into(),
        status: status.into(),
        reason: reason.as_str().into(),
        // The API server bounds a condition's message at 32,768 bytes; people's patience ends sooner.
        message: clip(message, 2048),
        last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        observed_generation: None,
    };
    match conditions.iter_mut().find(|one| one.type_ == condition.as_str()) {
        Some(old) => *old = fresh,
        None => conditions.push(fresh),
    }
}

/// Puts the conditions in their one order, and keeps each transition time unless the status flipped.
fn stamp(conditions: &mut [Condition], previous: &[Condition], generation: i64, now: &Time) {
    let rank = |condition: &Condition| {
        ["Ready", "Reconciling", "Stalled"]
            .into_iter()
            .chain(ConditionType::DOMAIN.iter().map(|domain| domain.as_str()))
            .position(|name| name == condition.type_)
    };
    conditions.sort_by_key(rank);
    let not_looked_at = [Reason::NotChecked.as_str(), Reason::Suspended.as_str()];
    // What nobody set in this pass stands as it did, and for the generation that it was looked at in.
    let fresh = |one: &&mut Condition| {
        one.observed_generation.is_none() && one.last_transition_time.0 == jiff::Timestamp::UNIX_EPOCH
    };
    for condition in conditions.iter_mut().filter(fresh) {
        let before = previous.iter().find(|one| one.type_ == condition.type_);
        condition.last_transition_time = match before {
            Some(before) if before.status == condition.status => before.last_transition_time.clone(),
            // A clock that was set back moves no time back.
            Some(before) => before.last_transition_time.clone().max(now.clone()),
            None => now.clone(),
        };
        condition.observed_generation = match before {
            Some(before) if not_looked_at.contains(&condition.reason.as_str()) => {
                before.observed_generation.or(Some(generation))
            }
            _ => Some(generation),
        };
    }
}

#[cfg(test)]
mod tests;
