//! Findings to ordered steps; which may run, and which wait for a person.
//!
//! A plan is first [`Proposed`]; [`Proposed::permit`] turns it into a [`Permitted`] one, and only
//! that can be executed. Order: sequences, the admin, sessions that end, rows that go back to their people
//! (Remap), the admin's id, then other rows (SetNull, Reassign, Delete), and last the foreign keys that vouch for them.

pub(in crate::domain) mod claimed_ids;
pub mod constraints;
pub mod describe;
pub mod hash;
pub mod offer;
pub mod order;
pub mod undone;
pub mod wait;

use crate::{
    api::{report::PlanReport, spec::Mode},
    domain::{
        facts::Observation,
        finding::Finding,
        plan::{
            describe::step_report,
            hash::{hash, hashed},
            order::order,
            wait::{people_before_the_id, wait_for_the_heir, wait_for_the_sequence, waits_for_the_look},
        },
        request::Approval,
        step::{Permission, Permitted, PermittedStep, PlannedStep, Step},
        text::{count, number},
    },
};

use super::target::Target;

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

/// Orders the steps of the findings and decides which of them wait.
pub fn propose(target: &Target, observation: &Observation, found: &[Finding]) -> Proposed {
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

fn over_limit(target: &Target, step: &Step) -> Option<String> {
    let (rows, limit, of) = match step {
        Step::Remap { rows, table_rows, .. } => {
            (*rows, target.references.limit(*table_rows), Some(*table_rows))
        }
        Step::Rows { rows, table_rows, takes, .. } => {
            let taken = takes.iter().map(|taken| taken.rows).fold(0, i64::saturating_add);
            // The share is of the reference's own table; rows of other tables count as rows.
            let own = target.references.limit(*table_rows);
            if taken == 0 || *rows > own {
                (*rows, own, Some(*table_rows))
            } else {
                (rows.saturating_add(taken), target.references.limit_rows, None)
            }
        }
        // The account's own row is no destruction; the rows that follow it are counted.
        Step::MoveId { rows, .. } => (rows - 1, target.references.limit_rows, None),
        _ => return None,
    };
    (rows > limit).then(|| {
        format!(
            "{} {} over the limit of {} ({})",
            count(rows, "row"),
            if rows == 1 { "is" } else { "are" },
            number(limit),
            match of.filter(|_| limit < target.references.limit_rows) {
                Some(rows) => format!(
                    "spec.references.limits.percent: {} % of {}",
                    target.references.limit_percent,
                    count(rows, "row")
                ),
                None => "spec.references.limits.rows".to_owned(),
            }
        )
    })
}

/// What an approval of a step is bound to beside its object and its rows.
pub(super) fn detail(step: &Step) -> String {
    hashed(step).detail
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
            return (Permitted::NONE, None);
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
                    return Some(PermittedStep::new(step, ceiling, Permission::Limits));
                }
                if let Some((hash, ceilings)) = &approved {
                    used = Some(hash.clone());
                    let ceiling = ceilings(&step);
                    return Some(PermittedStep::new(step, ceiling, Permission::Approval(hash.clone())));
                }
                undone::resumed(undone::approved_run(&observation.bookkeeping, approval), target, &step)
                    .map(|(by, ceiling)| PermittedStep::new(step, ceiling, by))
            })
            .collect();
        // What was approved to come after an id was given does not come without it.
        let running = steps.clone();
        steps.retain(|one| {
            !matches!(one.by(), Permission::Resume { .. })
                || !claimed_ids::forbids(target, observation, &self.steps, one.step(), &running)
        });
        (Permitted::new(steps, used), unused)
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
            rows: self.steps.iter().map(|one| one.step.rows()).fold(0, i64::saturating_add),
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
