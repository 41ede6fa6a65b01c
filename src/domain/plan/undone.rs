//! Steps that were planned and not done: which of them go on in a later pass under the approval that they had,
//! and which wait for one that was refused.

use crate::{
    api::{report::Action, spec::Mode},
    domain::{
        diagnose::requests,
        facts::{
            Observation,
            ledger::{Bookkeeping, OpenRun},
            references,
        },
        plan::{claimed_ids, detail},
        request::Approval,
        step::{Permission, Step},
        target::Target,
    },
};

/// What keeps every step from being done, if anything does: a clause that says what to do.
pub fn barred(target: &Target, observation: &Observation, take_claim: Option<&str>) -> Option<&'static str> {
    let claim = observation.bookkeeping.claim.as_ref();
    if target.mode == Mode::Observe {
        Some("spec.mode is Observe: set it to Enforce to have that done")
    } else if observation.server.read_only.is_some() {
        Some("this database can only be read: end first what DatabaseReadOnly tells")
    } else if claim.is_some_and(|claim| requests::bars(target, claim, take_claim)) {
        Some("another resource has this user table, and it alone writes to it")
    } else if !observation.bookkeeping.untrusted.is_empty() {
        Some("the schema auth_consistency may be another's: mend first what LedgerUntrusted says")
    } else if !observation.bookkeeping.writable() {
        Some(
            "the role may neither make nor use the schema auth_consistency, which every write needs first: run what `auth-consistency grants` prints",
        )
    } else {
        None
    }
}

/// What else an approval of a step is for, beside what it does to what: for the steps that give an account an
/// id which rows name. A run that was interrupted goes on with such a step for that alone.
pub fn terms(step: &Step) -> Option<String> {
    claimed_ids::gives(step).then(|| detail(step))
}

/// Whether a step that was approved and not done may be done by a later pass under that approval.
///
/// A step of one transaction was either done or not begun: rows go on where they stopped, and so does what was
/// approved to follow them, and what they follow. The rest would need the world to be as it was.
pub fn goes_on(step: &Step) -> bool {
    match step {
        // What goes along with the rows, or is removed instead, may be others by now than were shown.
        Step::Rows { takes, surplus, .. } => takes.is_empty() && *surplus == 0,
        Step::AddConstraint { .. } | Step::ValidateConstraint { .. } | Step::EndSessions { .. } => true,
        _ => claimed_ids::gives(step),
    }
}

/// The interrupted run, where its approval is known outside the database too: it is given, or the resource says that
/// it was used last. What the database says of itself alone may be what somebody wrote there.
pub(in crate::domain) fn approved_run<'a>(
    bookkeeping: &'a Bookkeeping,
    approval: Option<&Approval>,
) -> Option<&'a OpenRun> {
    let given = approval.map(|approval| approval.hash.as_str());
    let known = [given, bookkeeping.approval_before.as_deref()];
    bookkeeping
        .open_run
        .as_ref()
        .filter(|run| known.iter().flatten().any(|hash| hash.trim() == run.plan_hash))
}

/// Steps of an interrupted run go on under the approval that it had, up to the rows that are left of
/// it; new keys are not in its list and so are not touched.
pub(in crate::domain) fn resumed(
    run: Option<&OpenRun>,
    target: &Target,
    step: &Step,
) -> Option<(Permission, i64)> {
    if !goes_on(step) {
        return None;
    }
    let run = run.filter(|run| run.generation == target.resource.generation)?;
    let terms = terms(step);
    let open = run.steps.iter().find(|open| {
        open.action == step.action()
            && open.object == *step.object()
            && (terms.is_none() || (open.passed == terms && open.rows_left == step.rows()))
    })?;
    // For the same, and of the same accounts.
    if matches!(step, Step::EndSessions { digest, .. } if open.passed.as_ref() != Some(digest)) {
        return None;
    }
    // A foreign key has no rows that could be left: once it was added or validated, what was approved is done.
    let follows = matches!(step, Step::AddConstraint { .. } | Step::ValidateConstraint { .. });
    let left = if follows { !open.audited } else { open.rows_left > 0 };
    left.then(|| {
        (Permission::Resume { run: run.run.clone(), number: open.step, done: open.done }, open.rows_left)
    })
}

/// Which of the steps that were not done another one rests on, if there is one: then it waits. All others go
/// on, since what is wrong with one step is no property of the next.
pub fn rests_on(observation: &Observation, step: &Step, undone: &[Step]) -> Option<usize> {
    undone.iter().position(|before| rests(observation, step, before))
}

fn rests(observation: &Observation, step: &Step, before: &Step) -> bool {
    let reassigns = matches!(step, Step::Rows { action: Action::Reassign, .. });
    match before {
        // Those rows are the only sign that somebody may hold an old token for the id.
        _ if claimed_ids::gives(before) && claimed_ids::touches(observation, step) => true,
        Step::AdvanceSequence { .. } => matches!(step, Step::Seed { id: None, .. }),
        Step::Seed { account: None, .. } | Step::MoveId { account: None, .. } => reassigns,
        Step::Correct { account: None, .. } => {
            let account = observation.admin.as_ref().and_then(|admin| admin.account.as_ref());
            reassigns && account.is_some_and(|account| !account.inactive.is_empty())
        }
        // Tokens end while ids are those of the plan, and before rows go back to people.
        Step::EndSessions { .. } => matches!(step, Step::Remap { .. } | Step::MoveId { .. }),
        Step::Rows { reference, .. }
        | Step::Remap { reference, .. }
        | Step::AddConstraint { reference, .. } => match step {
            Step::AddConstraint { reference: other, .. } | Step::ValidateConstraint { reference: other } => {
                references::same_columns(reference, other)
            }
            _ => false,
        },
        _ => false,
    }
}
