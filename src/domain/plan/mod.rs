//! Findings to ordered steps; which may run, and which wait for a person.
//!
//! A plan is first [`Proposed`]; [`Proposed::permit`] turns it into a [`Permitted`] one, and only
//! that can be executed. Order: sequences, the admin, sessions that end, rows that go back to their people
//! (Remap), the admin's id, then other rows (SetNull, Reassign, Delete), and last the foreign keys that vouch for them.

pub(in crate::domain) mod claimed_ids;
pub mod describe;
pub mod offer;
pub mod undone;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::target::Target;
use crate::{
    api::{
        report::{Action, PlanReport},
        spec::Mode,
    },
    domain::{
        diagnose::{Approval, Diagnosed, Step, constraints},
        facts::Observation,
        plan::describe::step_report,
        text::{count, number},
    },
};

/// More accounts, and sessions of theirs, than there can be.
const EVERYBODY: i64 = 1 << 53;

/// Steps that a status holds at most.
const MAX_STEPS: usize = 64;

/// What a repair would do, and what of it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    steps: Vec<PlannedStep>,
    hash: Option<String>,
}

/// A step and why it waits, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The step.
    pub step: Step,
    /// Why a person must approve it.
    pub waits: Option<String>,
}

/// What may be executed now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permitted {
    /// The steps in order.
    pub steps: Vec<PermittedStep>,
    /// The approval that is used up by it.
    pub approval: Option<String>,
}

/// A step that may be executed, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedStep {
    /// The step.
    pub step: Step,
    /// No more rows than this are changed.
    pub ceiling: i64,
    /// What allows it.
    pub by: Permission,
}

/// What allows a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It is additive, or within the limits.
    Limits,
    /// A person approved the plan with this hash.
    Approval(String),
    /// A person approved it in a run that was interrupted.
    Resume {
        /// The interrupted run.
        run: String,
        /// The step's number in it.
        number: i64,
        /// Rows that were done of it until now.
        done: i64,
    },
}

/// Why an approval was not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unused {
    /// Its hash is not this plan's.
    OtherPlan,
    /// It was used before, for this resource in this database.
    Before,
    /// It was used before: for another resource, or where this database was copied from.
    Elsewhere,
    /// More rows would change than were shown.
    MoreRows {
        /// As they were shown.
        shown: i64,
        /// As they are.
        now: i64,
    },
}

/// The part of a step that an approval is bound to. Field order is part of the format.
#[derive(Serialize)]
struct HashedStep<'a> {
    action: &'static str,
    schema: &'a str,
    table: &'a str,
    columns: &'a [String],
    definition: &'a str,
    rows: i64,
    detail: String,
}

#[derive(Serialize)]
struct Hashed<'a> {
    uid: &'a str,
    generation: i64,
    serial: i64,
    heir: &'a str,
    steps: Vec<HashedStep<'a>>,
}

/// Orders the steps of the findings and decides which of them wait.
pub fn propose(target: &Target, observation: &Observation, found: &[Diagnosed]) -> Proposed {
    let mut steps: Vec<PlannedStep> = found
        .iter()
        .filter_map(|one| {
            let step = one.step.clone()?;
            let waits = one.approval.clone().or_else(|| over_limit(target, &step));
            Some(PlannedStep { step, waits })
        })
        .collect();
    steps.sort_by_key(|one| order(&one.step));
    // One password write is enough where several findings ask for it.
    steps.dedup_by(|a, b| {
        let (a, b) = (&a.step, &b.step);
        a.action() == b.action() && a.object() == b.object() && a.account() == b.account()
    });
    claimed_ids::keep_the_rows(target, observation, &mut steps);
    // The next pass goes on looking, and offers them then.
    steps.retain(|one| !waits_for_the_look(observation, &one.step));
    people_before_the_id(observation, &mut steps);
    wait_for_the_sequence(&mut steps);
    claimed_ids::take_the_sequence_along(observation, &mut steps);
    wait_for_the_heir(observation, &mut steps);
    constraints::follow_the_rows(observation, &mut steps);
    steps.sort_by_key(|one| order(&one.step));
    let hash = hash(target, observation, &steps);
    Proposed { steps, hash }
}

fn order(step: &Step) -> (u8, usize, String, String, Vec<String>, Option<String>) {
    let rank = match step.action() {
        Action::AdvanceSequence => 0,
        Action::Seed => 1,
        Action::Correct => 2,
        Action::Reset => 3,
        // While ids are those of the plan, and before rows go back to people whom tokens of others name.
        Action::EndSessions => 4,
        Action::Remap => 5,
        Action::MoveId => 6,
        Action::SetNull => 7,
        Action::Reassign => 8,
        Action::Delete => 9,
        Action::AddConstraint => 10,
        Action::ValidateConstraint => 11,
        Action::Restore => 12,
        Action::Purge => 13,
    };
    let object = step.object();
    let account = step.account().map(str::to_owned);
    // Tables of sessions may name one another: their order is the spec's.
    let place = if let Step::EndSessions { means, .. } = step { means.place() } else { 0 };
    (rank, place, object.schema.clone(), object.table.clone(), object.columns.clone(), account)
}

fn over_limit(target: &Target, step: &Step) -> Option<String> {
    let (rows, limit) = match step {
        Step::Remap { rows, table_rows, .. } => (*rows, target.references.limit(*table_rows)),
        Step::Rows { rows, table_rows, takes, .. } => {
            let taken: i64 = takes.iter().map(|taken| taken.rows).sum();
            // The share is of the reference's own table; rows of other tables count as rows.
            let own = target.references.limit(*table_rows);
            if taken == 0 || *rows > own {
                (*rows, own)
            } else {
                (rows + taken, target.references.limit_rows)
            }
        }
        // The account's own row is no destruction; the rows that follow it are counted.
        Step::MoveId { rows, .. } => (rows - 1, target.references.limit_rows),
        _ => return None,
    };
    (rows > limit).then(|| {
        format!(
            "{} {} over the limit of {}",
            count(rows, "row"),
            if rows == 1 { "is" } else { "are" },
            number(limit)
        )
    })
}

/// Whether a step waits for references that were not looked at yet: it rests on all of them (an id that
/// nobody names, rows that all move at once), or would have one of them vouched for.
pub fn waits_for_the_look(observation: &Observation, step: &Step) -> bool {
    let unreached = &observation.unreached;
    match step {
        Step::AdvanceSequence { .. } | Step::Seed { .. } | Step::MoveId { .. } | Step::Remap { .. } => {
            !unreached.is_empty()
        }
        Step::AddConstraint { reference, .. } | Step::ValidateConstraint { reference } => {
            unreached.iter().any(|one| constraints::same_columns(one, reference))
        }
        Step::Correct { .. } | Step::Reset { .. } | Step::EndSessions { .. } | Step::Rows { .. } => false,
    }
}

/// Moving an account's id takes every row along that names it, and some of those may be rows of a person
/// of before: they go back first, and the id is moved by a later plan. So it is where a list is named and
/// cannot be used, since nobody knows then whether rows are to go back.
fn people_before_the_id(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let untold = observation.identities.as_ref().is_some_and(|identities| identities.problem.is_some());
    if untold || steps.iter().any(|one| one.step.action() == Action::Remap) {
        steps.retain(|one| one.step.action() != Action::MoveId);
    }
}

/// An account that takes its id from the sequence comes after the sequence.
fn wait_for_the_sequence(steps: &mut [PlannedStep]) {
    let waits = steps
        .iter()
        .find(|one| one.step.action() == Action::AdvanceSequence)
        .and_then(|one| one.waits.clone());
    let Some(why) = waits else { return };
    for one in steps.iter_mut() {
        if let Step::Seed { id: None, .. } = one.step {
            one.waits.get_or_insert_with(|| format!("the sequence moves first, and that waits: {why}"));
        }
    }
}

/// Rows can only be given to an admin who exists and is active once the steps before have run. Where
/// those wait, so do the rows; where there is no such step at all, the rows are not offered.
fn wait_for_the_heir(observation: &Observation, steps: &mut Vec<PlannedStep>) {
    let state =
        |action: Action| steps.iter().find(|one| one.step.action() == action && one.step.account().is_none());
    let account = observation.admin.as_ref().and_then(|admin| admin.account.as_ref());
    let heir = match account {
        None => state(Action::Seed),
        Some(account) if !account.inactive.is_empty() => state(Action::Correct),
        Some(_) => {
            let moving = state(Action::MoveId).and_then(|one| one.waits.clone());
            if let Some(why) = moving {
                hold(steps, &format!("the admin's id moves first, and that waits: {why}"));
            }
            return;
        }
    };
    match heir.map(|one| one.waits.clone()) {
        Some(None) => {}
        Some(Some(why)) => hold(steps, &format!("the admin comes first, and that waits: {why}")),
        None => steps.retain(|one| one.step.action() != Action::Reassign),
    }
}

fn hold(steps: &mut [PlannedStep], why: &str) {
    for one in steps.iter_mut().filter(|one| one.step.action() == Action::Reassign) {
        one.waits.get_or_insert_with(|| why.to_owned());
    }
}

/// SHA-256 of canonical JSON over what an approval is bound to: resource uid, generation, plan
/// serial, who is given rows, and the ordered steps that wait with their rows. Not SQL text, not our
/// version. Rows are part of it, so that an approval is never good for more of them than were shown.
fn hash(target: &Target, observation: &Observation, steps: &[PlannedStep]) -> Option<String> {
    let waiting: Vec<HashedStep<'_>> =
        steps.iter().filter(|one| one.waits.is_some()).map(|one| hashed(&one.step)).collect();
    if waiting.is_empty() {
        return None;
    }
    let identity = &observation.server.identity;
    let uid = format!("{}@{}/{}", target.resource.uid, identity.system, identity.database);
    let hashed = Hashed {
        uid: &uid,
        generation: target.resource.generation,
        heir: target.admin.as_ref().map_or("", |admin| admin.login.as_str()),
        serial: observation.bookkeeping.claim.as_ref().map_or(0, |claim| claim.plan_serial),
        steps: waiting,
    };
    let mut json = serde_json::to_vec(&hashed).ok()?;
    let hex = |json: &[u8]| Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hash = hex(&json);
    // A database that was put back counts from an earlier serial: what was approved by then is asked anew.
    if observation.bookkeeping.approval_before.as_ref() == Some(&hash) {
        json.extend_from_slice(hash.as_bytes());
        return Some(hex(&json));
    }
    Some(hash)
}

fn hashed(step: &Step) -> HashedStep<'_> {
    let object = step.object();
    let (definition, detail) = match step {
        Step::Remap { definition, digest, surplus, .. } => {
            (definition.as_str(), format!("{digest}{}", removed(*surplus)))
        }
        Step::Rows { definition, digest, takes, surplus, .. } => {
            let taken: String = takes
                .iter()
                .map(|taken| format!(", {} {} {:?}", taken.action, taken.rows, taken.object))
                .collect();
            (definition.as_str(), format!("{digest}{taken}{}", removed(*surplus)))
        }
        Step::MoveId { from, to, claimed, account, .. } => {
            ("", format!("{from} -> {to}, claimed: {claimed}{}", of(account)))
        }
        Step::Seed { id, claimed, account, .. } => ("", format!("{id:?}, claimed: {claimed}{}", of(account))),
        Step::EndSessions { digest, .. } => ("", digest.clone()),
        Step::AddConstraint { reference, options } => {
            (reference.constraint.as_deref().unwrap_or_default(), options.to_string())
        }
        Step::ValidateConstraint { reference } => {
            (reference.constraint.as_deref().unwrap_or_default(), String::new())
        }
        _ => ("", String::new()),
    };
    HashedStep {
        action: step.action().as_str(),
        schema: &object.schema,
        table: &object.table,
        columns: &object.columns,
        definition,
        // Whoever signs up meanwhile is one of everybody, and people sign in while they are asked about.
        rows: if step.open_ended() { 0 } else { step.rows() },
        detail,
    }
}

/// What an approval of a step is bound to beside its object and its rows.
pub(super) fn detail(step: &Step) -> String {
    hashed(step).detail
}

/// Whose step it is. The admin's says nothing, as before there were other accounts.
fn of(account: &Option<String>) -> String {
    account.as_ref().map_or_else(String::new, |login| format!(", account: {login:?}"))
}

fn removed(surplus: i64) -> String {
    if surplus > 0 { format!(", {surplus} removed") } else { String::new() }
}

impl Proposed {
    /// The hash that approves what waits; `None` when nothing waits.
    pub fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }

    /// The steps in order.
    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// What may run now, and why a given approval was not used.
    ///
    /// Nothing may where the mode is Observe, the database is read-only, another resource has the
    /// claim, or our own schema cannot be used: the findings say so.
    pub fn permit(
        &self,
        target: &Target,
        observation: &Observation,
        approval: Option<&Approval>,
        take_claim: Option<&str>,
    ) -> (Permitted, Option<Unused>) {
        if undone::barred(target, observation, take_claim).is_some() {
            return (Permitted::default(), None);
        }
        let (approved, unused) = self.approved(observation, approval);
        let mut used = None;
        let mut steps: Vec<PermittedStep> = self
            .steps
            .iter()
            .filter_map(|one| {
                let step = one.step.clone();
                if one.waits.is_none() {
                    let ceiling = bound(&step, step.rows());
                    return Some(PermittedStep { step, ceiling, by: Permission::Limits });
                }
                if let Some((hash, ceilings)) = &approved {
                    used = Some(hash.clone());
                    let ceiling = ceilings(&step);
                    return Some(PermittedStep { step, ceiling, by: Permission::Approval(hash.clone()) });
                }
                undone::resumed(undone::approved_run(&observation.bookkeeping, approval), target, &step)
                    .map(|(by, ceiling)| PermittedStep { step, ceiling, by })
            })
            .collect();
        // What was approved to come after an id was given does not come without it.
        let running = steps.clone();
        steps.retain(|one| {
            !matches!(one.by, Permission::Resume { .. })
                || !claimed_ids::forbids(target, observation, &self.steps, &one.step, &running)
        });
        (Permitted { steps, approval: used }, unused)
    }

    #[expect(clippy::type_complexity, reason = "a hash and how many rows each step may change, used once")]
    fn approved<'a>(
        &self,
        observation: &Observation,
        approval: Option<&'a Approval>,
    ) -> (Option<(String, Box<dyn Fn(&Step) -> i64 + 'a>)>, Option<Unused>) {
        let Some(approval) = approval else { return (None, None) };
        if observation.bookkeeping.approval_used {
            let resumes = observation.bookkeeping.open_run.as_ref().map(|run| run.plan_hash.as_str());
            return (None, (resumes != Some(approval.hash.trim())).then_some(Unused::Before));
        }
        if observation.bookkeeping.approval_elsewhere {
            return (None, Some(Unused::Elsewhere));
        }
        let Some(hash) = self.hash.as_deref() else { return (None, None) };
        if approval.hash.trim() != hash {
            return (None, Some(Unused::OtherPlan));
        }
        let shown = |step: &Step| {
            approval
                .shown
                .iter()
                .find(|one| {
                    one.action == step.action()
                        && one.object == *step.object()
                        && one.account.as_deref() == step.account()
                })
                .map(|one| one.rows)
        };
        for one in self.steps.iter().filter(|one| one.waits.is_some()) {
            if let Some(rows) = shown(&one.step)
                && one.step.rows() > rows
                && !one.step.open_ended()
            {
                return (None, Some(Unused::MoreRows { shown: rows, now: one.step.rows() }));
            }
        }
        (
            Some((
                hash.to_owned(),
                Box::new(move |step| bound(step, shown(step).unwrap_or_else(|| step.rows()))),
            )),
            None,
        )
    }

    /// The plan as it is shown; `None` when there is nothing to do.
    pub fn report(&self, target: &Target) -> Option<PlanReport> {
        if self.steps.is_empty() {
            return None;
        }
        Some(PlanReport {
            hash: self.hash.clone(),
            rows: self.steps.iter().map(|one| one.step.rows()).sum(),
            awaiting_approval: self.hash.is_some() && target.mode == Mode::Enforce,
            steps: self
                .steps
                .iter()
                .take(MAX_STEPS)
                .map(|one| step_report(target, &one.step, one.waits.clone()))
                .collect(),
        })
    }
}

/// How many rows a step may change that was shown with so many.
fn bound(step: &Step, rows: i64) -> i64 {
    if step.open_ended() { EVERYBODY } else { rows }
}
