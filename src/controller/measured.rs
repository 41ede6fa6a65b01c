//! What is counted of a pass.

use std::time::Instant;

use super::{context::Context, dereference::Resource};
use crate::{
    domain::report::{End, Outcome, Verdict},
    server::metrics::{LookLabel, PassResult, PassSummary},
};

/// Counts what came of a pass; `failures` is how many failed in a row.
pub fn measure(
    context: &Context,
    resource: &Resource,
    end: &End,
    outcome: Option<&Outcome>,
    began: Instant,
    failures: u32,
) {
    let (namespace, name) = (resource.identity.namespace.as_str(), resource.identity.name.as_str());
    let result = match (end, outcome.map(Outcome::verdict)) {
        (End::Done(_), Some(Verdict::Consistent)) => PassResult::Consistent,
        (End::Done(_), _) => PassResult::Findings,
        _ => PassResult::Failed,
    };
    context.metrics.pass_ended(result, began.elapsed());
    context.metrics.backoff(namespace, name, failures);
    let findings = outcome.map(Outcome::findings).unwrap_or_default();
    let summary = PassSummary {
        ready: result == PassResult::Consistent,
        ended: jiff::Timestamp::now().as_millisecond() as f64 / 1000.0,
        orphan_rows: outcome.and_then(|outcome| outcome.references.as_ref()).map(|one| one.orphan_rows),
        findings: findings.iter().map(|finding| finding.severity).collect(),
    };
    context.metrics.resource_seen(namespace, name, &summary);
    if let Some(outcome) = outcome {
        context.metrics.looked(if outcome.relied > 0 { LookLabel::Hinted } else { LookLabel::Deep });
    }
    for step in outcome.map(|outcome| outcome.repaired.as_slice()).unwrap_or_default() {
        context.metrics.repaired(step.action, u64::try_from(step.rows).unwrap_or(0));
    }
}
