//! A finding, with what would mend it and who ends it.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{FindingReport, ObjectRef, Severity},
    },
    domain::{
        step::Step,
        text::{clip, docs},
    },
};

/// A finding, and what would mend it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The finding as it is shown.
    pub finding: FindingReport,
    /// The step that would mend it.
    pub step: Option<Step>,
    /// Why the step must be approved, however small it is.
    pub approval: Option<String>,
    /// Who ends it when no step does.
    pub ends: Resolution,
}

/// Who ends a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It may pass by itself.
    Automatic,
    /// A person must act, unless a step runs.
    Manual,
}

/// A finding that a person must end.
pub fn person(
    reason: Reason,
    condition: ConditionType,
    severity: Severity,
    object: Option<ObjectRef>,
    message: String,
) -> Finding {
    Finding {
        finding: FindingReport {
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
        ends: Resolution::Manual,
    }
}

impl Finding {
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
