//! A finding, with what would mend it and who ends it.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Finding, ObjectRef, Severity},
    },
    domain::{
        step::Step,
        text::{clip, docs},
    },
};

/// A finding, and what would mend it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosed {
    /// The finding as it is shown.
    pub finding: Finding,
    /// The step that would mend it.
    pub step: Option<Step>,
    /// Why the step must be approved, however small it is.
    pub approval: Option<String>,
    /// Who ends it when no step does.
    pub ends: Ends,
}

/// Who ends a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// It may pass by itself.
    Retry,
    /// A person must act, unless a step runs.
    Person,
}

/// A finding that a person must end.
pub fn person(
    reason: Reason,
    condition: ConditionType,
    severity: Severity,
    object: Option<ObjectRef>,
    message: String,
) -> Diagnosed {
    Diagnosed {
        finding: Finding {
            finding: reason,
            condition,
            severity,
            object,
            rows: None,
            keys: None,
            sample: Vec::new(),
            message: clip(&message, 1024),
            remedy: None,
            blocked: None,
            docs: docs(reason),
        },
        step: None,
        approval: None,
        ends: Ends::Person,
    }
}

impl Diagnosed {
    /// Adds the step that would mend it.
    pub fn with_step(mut self, step: Step) -> Self {
        self.finding.remedy = Some(step.action());
        self.step = Some(step);
        self
    }

    /// Says why the repair that was asked for cannot be done.
    pub fn blocked_by(mut self, reason: Reason) -> Self {
        self.finding.blocked = Some(reason);
        self.finding.docs = docs(reason);
        self
    }
}
