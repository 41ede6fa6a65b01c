//! The outcome of a pass to conditions and status.
//!
//! Timestamps are kept unless something flips: the same input twice gives a byte-equal status, and
//! an equal status is never written.

mod accounts;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    diagnosis::{Diagnosed, Ends},
    progress::Progress,
    rotation,
    round::Unfinished,
    search::Searched,
    severity::{Class, Fault},
    target::TargetError,
    wording::{clip, count, more},
};
use crate::api::{
    condition::{ConditionType, Reason},
    report::{
        AdminReport, ConsistencyReport, Finding, PasswordsReport, PlanReport, ReferencesReport, ReportTarget,
        SearchReport, Severity, SigningKeyReport, StepReport,
    },
    status::{AuthConsistencyStatus, MAX_FINDINGS, Repair},
};

/// What a pass that reached its end found, did and left.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was looked at.
    pub target: ReportTarget,
    /// Conditions that this target has at all, in order.
    pub applicable: Vec<ConditionType>,
    /// Conditions that could not be judged: why, and the sentence.
    pub unknown: Vec<(ConditionType, Reason, String)>,
    /// What is wrong after the repairs of this pass.
    pub found: Vec<Diagnosed>,
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

/// The tokens of one-off requests as they stand in the annotations now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// `auth.probeops.com/reconcile`.
    pub reconcile: Option<String>,
    /// `reconcile.fluxcd.io/requestedAt`.
    pub flux_reconcile: Option<String>,
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
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.found.iter().map(|one| one.finding.clone()).collect();
        findings.sort_by(|a, b| {
            let kept = |one: &Finding| one.finding != Reason::RepairFailed;
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
        } else if grave().any(|one| one.ends == Ends::Person) {
            Verdict::Person
        } else {
            Verdict::Retry
        }
    }

    /// Whether something is left that waits for nobody: the next pass does it, and should come soon.
    pub fn unfinished(&self) -> bool {
        self.unfinished.is_some()
            || self.found.iter().any(|one| one.step.is_some() && one.ends == Ends::Retry)
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
            searched: Vec::new(),
            token: None,
            plan: self.plan.clone(),
            repaired: self.repaired.clone(),
            elapsed_ms,
        }
    }
}

/// How references were searched, as it is shown.
pub fn searched(searched: &[Searched]) -> Vec<SearchReport> {
    searched
        .iter()
        .map(|one| SearchReport {
            object: one.object.clone(),
            strategy: one.choice.strategy,
            why: clip(&one.choice.why, 255),
            elapsed_micros: i64::try_from(one.elapsed.as_micros()).unwrap_or(i64::MAX),
        })
        .collect()
}

/// The status after a pass.
pub fn status(
    previous: &AuthConsistencyStatus,
    generation: i64,
    now: &Time,
    end: &End,
    seen: &Seen,
) -> AuthConsistencyStatus {
    let mut next = previous.clone();
    next.observed_generation = generation;
    next.progress = None;
    handled(&mut next, seen);
    match end {
        End::NoTarget(errors) => no_target(&mut next, errors),
        End::Failed(fault) => failed(&mut next, fault),
        End::Done(outcome) => done(&mut next, outcome, now),
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
    let mut next = previous.clone();
    next.observed_generation = generation;
    next.progress = progress.map(Progress::shown);
    next.conditions.retain(|one| one.type_ != "Stalled");
    set(&mut next.conditions, ConditionType::Ready, "Unknown", Reason::Progressing, message);
    set(&mut next.conditions, ConditionType::Reconciling, "True", Reason::Progressing, message);
    stamp(&mut next.conditions, &previous.conditions, generation, now);
    next
}

/// The status of a suspended resource: kept, only the generation moves.
pub fn suspended(previous: &AuthConsistencyStatus, generation: i64, seen: &Seen) -> AuthConsistencyStatus {
    let mut next = previous.clone();
    next.observed_generation = generation;
    next.progress = None;
    handled(&mut next, seen);
    next.conditions.retain(|one| one.type_ != "Reconciling");
    next
}

fn handled(next: &mut AuthConsistencyStatus, seen: &Seen) {
    if seen.reconcile.is_some() {
        next.last_handled_reconcile = seen.reconcile.as_deref().map(|value| clip(value, 1024));
    }
    if seen.flux_reconcile.is_some() {
        next.last_handled_reconcile_at = seen.flux_reconcile.as_deref().map(|value| clip(value, 1024));
    }
}

fn no_target(next: &mut AuthConsistencyStatus, errors: &[TargetError]) {
    let Some(first) = errors.first() else { return };
    // A Secret may still come; what is wrong in the spec needs a person.
    let waiting = errors.iter().all(TargetError::may_come);
    let worst = errors.iter().find(|error| !error.may_come()).unwrap_or(first);
    for error in errors.iter().filter(|error| error.condition != ConditionType::Ready) {
        amiss(next, error.condition, "Unknown", error.reason, &error.message);
    }
    let others = match errors.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let message = format!("{}{others}", worst.message);
    overall(next, worst.reason, &message, if waiting { Verdict::Retry } else { Verdict::Person });
}

fn failed(next: &mut AuthConsistencyStatus, fault: &Fault) {
    let status = if fault.condition == ConditionType::DatabaseReachable { "False" } else { "Unknown" };
    if fault.condition != ConditionType::Ready {
        amiss(next, fault.condition, status, fault.reason, &fault.message);
    }
    if fault.condition == ConditionType::DatabaseReachable {
        use ConditionType::{AdminConsistent, ReferencesConsistent, SchemaCompatible};
        for condition in [SchemaCompatible, AdminConsistent, ReferencesConsistent] {
            if next.conditions.iter().any(|one| one.type_ == condition.as_str()) {
                let why = "the database could not be asked, see DatabaseReachable";
                amiss(next, condition, "Unknown", Reason::NotChecked, why);
            }
        }
    }
    let verdict = match fault.class {
        Class::Transient | Class::Conflict => Verdict::Retry,
        Class::Terminal | Class::Bug => Verdict::Person,
    };
    overall(next, fault.reason, &fault.message, verdict);
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

fn done(next: &mut AuthConsistencyStatus, outcome: &Outcome, now: &Time) {
    let findings = outcome.findings();
    next.conditions.retain(|one| {
        ConditionType::DOMAIN.iter().all(|domain| domain.as_str() != one.type_)
            || outcome.applicable.iter().any(|condition| condition.as_str() == one.type_)
    });
    for condition in &outcome.applicable {
        domain(next, *condition, outcome, &findings);
    }
    next.findings = findings.iter().take(MAX_FINDINGS).cloned().collect();
    next.references = outcome.references.clone();
    next.plan = outcome.plan.clone();
    next.history = outcome.history.clone();
    if outcome.reset_handled.is_some() {
        next.last_handled_reset_admin = outcome.reset_handled.as_deref().map(|value| clip(value, 1024));
    }
    if outcome.approval_used.is_some() {
        next.last_handled_approval = outcome.approval_used.as_deref().map(|value| clip(value, 1024));
    }
    accounts::status(next, outcome, now);
    next.signing_key = outcome.signing_key.as_ref().map(rotation::kept);
    let verdict = outcome.verdict();
    let awaiting = outcome.plan.as_ref().filter(|plan| plan.awaiting_approval);
    match (verdict, awaiting) {
        (_, Some(plan)) => {
            let unused = outcome.approval_unused.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
            let message = format!(
                "{unused}a plan over {} waits for approval: read .status.plan, then annotate with {}={}",
                count(plan.rows, "row"),
                crate::api::annotation::APPROVE,
                plan.hash.as_deref().unwrap_or_default()
            );
            overall(next, Reason::ApprovalRequired, &message, Verdict::Person);
        }
        (Verdict::Consistent, None) => {
            let warnings = findings.len();
            let message = if warnings == 0 {
                "accounts, references and tokens agree".to_owned()
            } else {
                format!("accounts, references and tokens agree, with {}", count(warnings as i64, "warning"))
            };
            overall(next, Reason::Consistent, &message, Verdict::Consistent);
        }
        (verdict, None) => {
            let worst = findings.iter().find(|finding| finding.severity > Severity::Warning);
            let (reason, message) = match (worst, outcome.unknown.first()) {
                (Some(worst), _) => (worst.blocked.unwrap_or(worst.finding), worst.message.clone()),
                (None, Some((_, reason, message))) => (*reason, message.clone()),
                (None, None) => (Reason::InternalError, "a verdict without a finding".into()),
            };
            overall(next, reason, &message, verdict);
        }
    }
}

fn domain(
    next: &mut AuthConsistencyStatus,
    condition: ConditionType,
    outcome: &Outcome,
    findings: &[Finding],
) {
    let mine: Vec<&Finding> = findings.iter().filter(|finding| finding.condition == condition).collect();
    if let Some(worst) = mine.first() {
        let others = if mine.len() > 1 { format!(" (and {} more)", mine.len() - 1) } else { String::new() };
        let reason = worst.blocked.unwrap_or(worst.finding);
        let untold = worst.finding.is_untold() && condition != ConditionType::SchemaCompatible;
        let message = format!("{}{others}", worst.message);
        amiss(next, condition, if untold { "Unknown" } else { "False" }, reason, &message);
        return;
    }
    if let Some((_, reason, message)) = outcome.unknown.iter().find(|(unknown, ..)| *unknown == condition) {
        amiss(next, condition, "Unknown", *reason, message);
        return;
    }
    let (reason, message) = match condition {
        ConditionType::DatabaseReachable => (Reason::Connected, "the database answers"),
        ConditionType::SchemaCompatible => (Reason::Compatible, "the schema is what the spec needs"),
        ConditionType::AdminConsistent => (Reason::Consistent, "the admin is what the spec says"),
        ConditionType::ReferencesConsistent => (Reason::Consistent, "every reference names a user"),
        ConditionType::SigningKeyTrusted => (Reason::Trusted, "the signing key shows no weakness"),
        ConditionType::TokensAccepted => {
            (Reason::Accepted, "every verifier accepts what the key mints and refuses forgeries")
        }
        ConditionType::Ready | ConditionType::Reconciling | ConditionType::Stalled => return,
    };
    let remark = outcome.remarks.iter().find(|(about, _)| *about == condition);
    set(&mut next.conditions, condition, "True", reason, remark.map_or(message, |(_, text)| text));
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
    for condition in conditions {
        let before = previous.iter().find(|one| one.type_ == condition.type_);
        condition.last_transition_time = match before {
            Some(before) if before.status == condition.status => before.last_transition_time.clone(),
            _ => now.clone(),
        };
        condition.observed_generation = Some(generation);
    }
}
