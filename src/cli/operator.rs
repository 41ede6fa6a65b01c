//! Asks the operator of a cluster: writes an annotation, waits until it was handled, reads the status.

use crate::{
    api::{
        API_VERSION, AuthConsistency, AuthConsistencyStatus, annotation,
        condition::{ConditionType, Reason},
        report::{AdminReport, ConsistencyReport, ReportTarget, Severity},
        status::AdminStatus,
    },
    domain::{
        diagnose::{references, requests::claim_asked, rotation},
        progress::Progress,
    },
    pass::request::Supervisor,
};

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use super::{
    output::CliError,
    pass_run::{PassOptions, unique},
    progress_bar::Watching,
    target::Cluster,
};

/// Field manager of the annotations.
const MANAGER: &str = "auth-consistency-cli";

/// Time between two looks at the status.
const LOOK: Duration = Duration::from_millis(500);

/// The resource once the operator has handled what was asked.
///
/// # Errors
/// The resource cannot be read or annotated, or the operator does not answer in time.
pub(super) async fn ask(
    cluster: &Cluster,
    errand: &PassOptions,
    timeout: Duration,
) -> Result<AuthConsistency, CliError> {
    let token = unique();
    let mut annotations = serde_json::Map::new();
    annotations.insert(annotation::RECONCILE.into(), json!(token));
    if errand.reset {
        annotations.insert(annotation::RESET_ADMIN.into(), json!(token));
    }
    if let Some(hash) = &errand.approve {
        annotations.insert(annotation::APPROVE.into(), json!(hash));
    }
    if let Some(claim) = &errand.take_claim {
        // A value of its own, so that it is asked for now, whatever stands there already.
        let value = format!("{}/{token}", claim_asked(claim));
        annotations.insert(annotation::TAKE_CLAIM.into(), json!(value));
    }
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    // By a manager of its own, of which the operator sees that it did not create the resource.
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    cluster
        .resources()
        .patch(&cluster.name, &params, &patch)
        .await
        .map_err(|error| cluster.failure(&error))?;
    let until = Instant::now() + timeout;
    let watching = Watching::default();
    loop {
        let resource = cluster.get().await?;
        if handled(&resource, &token) {
            return Ok(resource);
        }
        if let Some(progress) = resource.status.as_ref().and_then(|status| status.progress.as_ref()) {
            watching.progress(&Progress::told(progress));
        }
        if Instant::now() + LOOK > until {
            return Err(CliError::CouldNotTell(format!(
                "the operator did not handle {}/{} in {} s: look whether it runs and watches this namespace and \
                 the resource's labels, wait longer with --wait-timeout, or use --direct",
                cluster.namespace,
                cluster.name,
                timeout.as_secs()
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn handled(resource: &AuthConsistency, token: &str) -> bool {
    resource.status.as_ref().is_some_and(|status| {
        // What is suspended is not looked at, and its generation stays behind.
        let observed =
            Some(status.observed_generation) == resource.metadata.generation || resource.spec.suspend;
        status.last_handled_reconcile.as_deref() == Some(token) && observed
    })
}

/// A status in the one shape of reports.
pub(super) struct Told {
    /// The report.
    pub report: ConsistencyReport,
    /// What could not be told, in sentences.
    pub unknown: Vec<String>,
}

/// What a status says, as a report.
pub(super) fn tell(cluster: &Cluster, status: &AuthConsistencyStatus, elapsed_ms: i64) -> Told {
    let target = ReportTarget {
        namespace: cluster.namespace.clone(),
        name: cluster.name.clone(),
        engine: None,
        server_version: None,
    };
    told(target, status, elapsed_ms)
}

fn told(target: ReportTarget, status: &AuthConsistencyStatus, elapsed_ms: i64) -> Told {
    let condition =
        |kind: ConditionType| status.conditions.iter().find(|condition| condition.type_ == kind.as_str());
    let ready = condition(ConditionType::Ready);
    // Findings stay in a status when a later pass could not look: only a reason that is one of them
    // (or an approval that one of them waits for) says that they are of today.
    let graspable = |reason: &str| {
        reason == "ApprovalRequired"
            || status.findings.iter().any(|finding| {
                finding.severity > Severity::Warning
                    && finding.blocked.unwrap_or(finding.finding).as_str() == reason
                    && !finding.blocked.unwrap_or(finding.finding).is_untold()
            })
    };
    let consistent = match ready.map(|ready| (ready.status.as_str(), ready.reason.as_str())) {
        Some(("True", reason)) if reason != Reason::Suspended.as_str() => Some(true),
        Some(("False", reason)) if graspable(reason) => Some(false),
        _ => None,
    };
    let untold = || {
        ConditionType::DOMAIN
            .into_iter()
            .filter_map(condition)
            .filter(|condition| condition.status == "Unknown")
            .map(|condition| format!("{} ({})", condition.message, condition.type_))
            .collect()
    };
    let unknown = match (consistent, ready) {
        (Some(_), _) => untold(),
        // Ready says it all, and the conditions below only repeat it.
        (None, Some(ready)) => vec![ready.message.clone()],
        (None, None) => vec!["the operator has said nothing yet".to_owned()],
    };
    let account = |account: &AdminStatus| {
        // The finding's own words, as `domain::diagnose::account` puts them.
        let inactive = format!("the account {:?} is not active", account.login);
        Some(AdminReport {
            login: account.login.clone(),
            id: account.id.clone()?,
            active: !status.findings.iter().any(|finding| {
                matches!(finding.finding, Reason::AdminDrifted | Reason::AccountDrifted)
                    && finding.message.starts_with(&inactive)
            }),
            password_matches: None,
            password_hash: account.password_hash,
            password_uncompared: None,
        })
    };
    let admin = status.admin.as_ref().and_then(account);
    let report = ConsistencyReport {
        api_version: API_VERSION.into(),
        kind: "ConsistencyReport".into(),
        target,
        consistent,
        findings: status.findings.clone(),
        admin,
        accounts: status.accounts.iter().filter_map(account).collect(),
        passwords: None,
        signing_key: status.signing_key.as_ref().map(rotation::told),
        references: status.references.clone(),
        app_asked: condition(ConditionType::TokensAccepted).is_some_and(|one| one.status != "Unknown"),
        next_id_untold: status.conditions.iter().filter(|one| one.status == "True").find_map(|one| {
            let at = one.message.find(references::NOBODY_KNOWS)?;
            one.message.get(at..).map(str::to_owned)
        }),
        searched: Vec::new(),
        requests_not_done: status.requests_not_done.clone(),
        plan: status.plan.clone(),
        repaired: Vec::new(),
        token: None,
        elapsed_ms,
    };
    Told { report, unknown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Exit;

    fn status(ready: &str, reason: &str, finding: &str) -> AuthConsistencyStatus {
        serde_json::from_value(json!({
            "observedGeneration": 1,
            "conditions": [{
                "type": "Ready", "status": ready, "reason": reason, "message": "because",
                "lastTransitionTime": "2025-01-01T00:00:00Z",
            }],
            "findings": [{
                "finding": finding, "condition": "ReferencesConsistent", "severity": "Error",
                "message": "rows", "docs": "docs",
            }],
        }))
        .unwrap()
    }

    #[test]
    fn old_findings_do_not_count_once_a_pass_could_not_look() {
        for (ready, reason, finding, exit) in [
            ("True", "Consistent", "OrphanRows", Exit::Fine),
            ("False", "OrphanRows", "OrphanRows", Exit::Findings),
            ("False", "ApprovalRequired", "OrphanRows", Exit::Findings),
            ("False", "DatabaseUnreachable", "OrphanRows", Exit::CouldNotTell),
            ("False", "RowsUnreadable", "RowsUnreadable", Exit::CouldNotTell),
            ("Unknown", "Progressing", "OrphanRows", Exit::CouldNotTell),
            ("True", "Suspended", "OrphanRows", Exit::CouldNotTell),
            ("False", "Suspended", "OrphanRows", Exit::CouldNotTell),
        ] {
            let told = told(ReportTarget::default(), &status(ready, reason, finding), 1);
            assert_eq!(Exit::of(told.report.consistent), exit, "{ready} {reason}");
            assert_eq!(told.unknown.is_empty(), exit != Exit::CouldNotTell);
        }
    }

    #[test]
    fn what_is_not_known_of_the_next_id_is_told_from_the_status_too() {
        let untold = format!("{}: users.id has no default", references::NOBODY_KNOWS);
        let mut seen = status("True", "Consistent", "ConstraintMissing");
        let before = told(ReportTarget::default(), &seen, 1);
        assert_eq!(before.report.next_id_untold, None);
        seen.conditions[0].message = format!("checked: 3 references; {untold}");
        assert_eq!(told(ReportTarget::default(), &seen, 1).report.next_id_untold, Some(untold));
    }

    #[test]
    fn a_request_is_handled_when_token_and_generation_are() {
        let mut resource: AuthConsistency = serde_json::from_value(json!({
            "apiVersion": API_VERSION, "kind": "AuthConsistency",
            "metadata": {"name": "probeops", "generation": 2},
            "spec": {"database": {"urlSecretRef": {"name": "a", "key": "b"}}, "users": {"preset": "FastAPI"}},
        }))
        .unwrap();
        assert!(!handled(&resource, "now"));
        let mut status = status("True", "Consistent", "OrphanRows");
        status.last_handled_reconcile = Some("now".into());
        resource.status = Some(status.clone());
        assert!(!handled(&resource, "now"), "the status speaks of an older spec");
        resource.spec.suspend = true;
        assert!(handled(&resource, "now"), "and will go on to, while it is suspended");
        resource.spec.suspend = false;
        status.observed_generation = 2;
        resource.status = Some(status);
        assert!(handled(&resource, "now"));
        assert!(!handled(&resource, "later"));
    }
}
