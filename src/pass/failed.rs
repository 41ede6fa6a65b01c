//! A step that failed: what is known of it, and the finding that tells it.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, Severity},
    },
    domain::{
        fault::{Class, Fault},
        finding::{Finding, Resolution, person},
        step::Step,
        text::{clip, count},
    },
    engine::{EngineError, ErrorKind},
};

/// How far a step came that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Nothing of it was done, as far as anybody knows.
    Nothing,
    /// So many rows were, and stay so.
    Rows(i64),
    /// All of it was, and nobody heard of it.
    All,
    /// All of it was, and its run is open still.
    NotClosed,
}

/// A step that failed.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    step: Step,
    fault: Fault,
    /// Whether a constraint refused it: then a person has a way out of it.
    constraint: bool,
    /// How far it came.
    pub extent: Extent,
    /// The steps that rest on it, in words.
    pub waits: Vec<String>,
}

/// Why the rest was not done.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// A step failed.
    Step(Box<Failed>),
    /// Something that is no step.
    Other(Box<Finding>),
}

impl Failure {
    /// Of a step.
    pub(super) fn of(failed: Failed) -> Self {
        Self::Step(Box::new(failed))
    }

    /// The finding that tells it.
    pub(super) fn finding(&self) -> Finding {
        match self {
            Self::Step(failed) => failed.finding(),
            Self::Other(found) => Finding::clone(found),
        }
    }
}

impl Failed {
    /// A step that the engine could not do.
    pub(super) fn new(step: &Step, error: &EngineError) -> Self {
        let constraint = error.kind() == ErrorKind::Constraint;
        Self {
            step: step.clone(),
            fault: error.fault(),
            constraint,
            extent: Extent::Nothing,
            waits: Vec::new(),
        }
    }

    /// A step that is not wanted any more.
    pub(super) fn unwanted(step: &Step, fault: Fault) -> Self {
        Self { step: step.clone(), fault, constraint: false, extent: Extent::Nothing, waits: Vec::new() }
    }

    /// The finding that tells it.
    pub(super) fn finding(&self) -> Finding {
        let mut found = person(
            Reason::RepairFailed,
            condition(self.step.action()),
            Severity::Error,
            Some(self.step.object().clone()),
            self.message(),
        );
        if matches!(self.fault.class, Class::Transient | Class::Conflict) {
            found.ends = Resolution::Automatic;
        }
        if let Reason::TargetClaimed
        | Reason::LedgerUntrusted
        | Reason::AdminPasswordUnusable
        | Reason::PasswordHashContradicted
        | Reason::PasswordHashUnclear
        | Reason::ForeignOwner
        | Reason::RepairTouchesMore = self.fault.reason
        {
            found.finding.blocked = Some(self.fault.reason);
        }
        found
    }

    fn message(&self) -> String {
        let why = &self.fault.message;
        let what = match self.extent {
            Extent::NotClosed => {
                return format!("the approved repairs are done, and the run was not closed: {why}");
            }
            Extent::Nothing => format!("was not done: {why}"),
            Extent::Rows(rows) => format!("stopped after {}: {why}", count(rows, "row")),
            Extent::All => format!("was done, and nothing after it: {why}"),
        };
        let mut text = format!("{} of {} {what}", self.step.action(), self.step.about());
        if let Some(way) = self.way_out() {
            text.push_str(&format!(": {way}"));
        }
        if !self.waits.is_empty() {
            text.push_str(&format!("; what rests on it waits: {}", self.waits.join(", ")));
        }
        match self.extent {
            Extent::Nothing if self.waits.is_empty() => text,
            _ => clip(&text, 1024),
        }
    }

    /// What a person does where a constraint refuses; what a plan can tell beforehand it tells.
    fn way_out(&self) -> Option<&'static str> {
        match self.step {
            Step::Rows { .. } | Step::Remap { .. } if self.constraint => Some(
                "choose another onOrphan for it in spec.references.rules, or change what refuses it first",
            ),
            Step::MoveId { .. } if self.constraint => {
                Some("leave the id out of the spec or choose another one, or change what refuses it first")
            }
            _ => None,
        }
    }
}

/// The condition that a step's failure is about.
fn condition(action: Action) -> ConditionType {
    match action {
        Action::AdvanceSequence | Action::AddConstraint | Action::ValidateConstraint | Action::Purge => {
            ConditionType::SchemaCompatible
        }
        // As the finding's, where there is no app to be asked.
        Action::EndSessions
        | Action::Remap
        | Action::SetNull
        | Action::Reassign
        | Action::Delete
        | Action::Restore => ConditionType::ReferencesConsistent,
        Action::Seed | Action::Correct | Action::Reset | Action::MoveId => ConditionType::AdminConsistent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::report::ObjectRef;

    fn step() -> Step {
        Step::ValidateConstraint { reference: ObjectRef { table: "logs".into(), ..ObjectRef::default() } }
    }

    #[test]
    fn a_step_that_failed_says_how_far_it_came_and_what_waits_for_it() {
        let mut failed = Failed::new(&step(), &EngineError::plan_stale("it moved".into()));
        assert!(failed.finding().finding.message.ends_with("was not done: it moved"));
        failed.extent = Extent::All;
        failed.waits.push("Delete of b".into());
        assert!(
            failed
                .finding()
                .finding
                .message
                .ends_with("was done, and nothing after it: it moved; what rests on it waits: Delete of b"),
            "{}",
            failed.finding().finding.message
        );
        failed.extent = Extent::Rows(2);
        assert!(failed.finding().finding.message.contains("stopped after 2 rows: it moved"));
        assert_eq!(failed.finding().ends, Resolution::Automatic, "a conflict ends by itself");
    }
}
