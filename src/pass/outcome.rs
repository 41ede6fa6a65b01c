//! What a pass came to, as conditions and report.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, ReferencesReport, ReportTarget, SigningKeyReport, Skipped},
        shared,
    },
    domain::{
        diagnose::{rotation, suspects, undeclared, verifiers},
        facts::Observation,
        finding::{Finding, Resolution},
        incremental::partial_scan::Unfinished,
        plan::Unused,
        step::Permitted,
        target::{Target, policy},
        text::{count, number},
    },
    pass::{accounts, identities, probe::ProbeOutcome},
};

/// What the next pass may mend by itself waits for nobody: another run was faster, or it came up while
/// this one was at work. A repair that needs a person has a finding of its own that says so.
pub(super) fn passing(found: &mut [Finding], free: &Permitted) {
    for one in found {
        let step = one.step.as_ref();
        if step.is_some_and(|step| free.steps().iter().any(|permitted| permitted.step() == step)) {
            one.ends = Resolution::Automatic;
        }
    }
}

pub(super) fn unused_message(unused: &Unused) -> String {
    match unused {
        Unused::OtherPlan => "the approval that was given is for another plan than this one".into(),
        Unused::Before => "it was used before, and an approval is good for one time".into(),
        Unused::Elsewhere => {
            "the approval that was given was used before, for another resource or in the database that this one was copied from".into()
        }
        Unused::MoreRows { shown, now } => {
            format!("the approval was given for {}, and it is {} now", count(*shown, "row"), number(*now))
        }
    }
}

pub(super) fn report_target(target: &Target, observation: &Observation) -> ReportTarget {
    ReportTarget {
        namespace: target.resource.namespace.clone(),
        name: target.resource.name.clone(),
        engine: Some("PostgreSQL".into()),
        server_version: Some(observation.server.version.clone()),
    }
}

pub(super) fn applicable(target: &Target) -> Vec<ConditionType> {
    ConditionType::DOMAIN
        .into_iter()
        .filter(|condition| match condition {
            ConditionType::AdminConsistent => target.kept().next().is_some(),
            ConditionType::SigningKeyTrusted => target.jwt.is_some(),
            ConditionType::TokensAccepted => target.probe.is_some(),
            _ => true,
        })
        .collect()
}

/// How far the looks have got, where they have not seen all references; `before` is how many they had
/// when the pass began.
pub(super) fn unfinished(observation: &Observation, before: usize) -> Option<Unfinished> {
    if observation.unreached.is_empty() {
        return None;
    }
    let seen = observation.references.len();
    Some(Unfinished { seen, all: seen + observation.unreached.len(), advanced: seen > before })
}

pub(super) fn unknown(
    target: &Target,
    observation: &Observation,
    asked: &ProbeOutcome,
) -> Vec<(ConditionType, Reason, String)> {
    let mut unknown = Vec::new();
    if observation.users.is_err() {
        let why = "the user table cannot be used, see SchemaCompatible".to_owned();
        if target.kept().next().is_some() {
            unknown.push((ConditionType::AdminConsistent, Reason::NotChecked, why.clone()));
        }
        unknown.push((ConditionType::ReferencesConsistent, Reason::NotChecked, why));
    }
    if let Some(unfinished) = unfinished(observation, 0) {
        let rest: Vec<String> = observation.unreached.iter().map(ObjectRef::describe).collect();
        let why = unfinished.message(&rest);
        unknown.push((ConditionType::ReferencesConsistent, Reason::LookUnfinished, why));
    }
    if let Some(why) = &asked.not_asked {
        unknown.push((ConditionType::TokensAccepted, Reason::NotChecked, why.clone()));
    }
    unknown
}

pub(super) fn remarks(
    target: &Target,
    observation: &Observation,
    asked: &ProbeOutcome,
    key: Option<&SigningKeyReport>,
) -> Vec<(ConditionType, String)> {
    let mut text = format!("PostgreSQL {} answers", observation.server.version);
    if target.database.tls == shared::TlsMode::Disable {
        text.push_str(", without encryption (tls.mode is Disable)");
    }
    if let Some(read_only) = &observation.server.read_only {
        text.push_str(&format!("; {}, so it is only observed", read_only.why));
    }
    if let Some(disagreement) = &target.database.disagreement {
        text.push_str(&format!("; {disagreement}"));
    }
    let accepted: i64 = accepted_rows(target, observation);
    let checked = i64::try_from(observation.references.len()).unwrap_or(i64::MAX);
    let mut references = match checked {
        0 => "no reference was checked".to_owned(),
        _ => format!("{} checked, every row names a user", count(checked, "reference")),
    };
    if accepted > 0 {
        references.push_str(&format!(" or is accepted by a rule ({})", count(accepted, "row")));
    }
    references.push_str(&identities::remark(target));
    if observation.undeclared.columns > 0 {
        let unchecked = undeclared::unchecked(observation.undeclared.columns);
        references.push_str(&format!("; {unchecked}: `auth-consistency discover` looks at them"));
    }
    let mut remarks =
        vec![(ConditionType::DatabaseReachable, text), (ConditionType::ReferencesConsistent, references)];
    let tokens = asked.verifiers.as_deref().and_then(verifiers::remark);
    remarks.extend(tokens.map(|text| (ConditionType::TokensAccepted, text)));
    remarks.extend(accounts::remarks(target, observation));
    remarks.extend(rotation::remark(key).map(|text| (ConditionType::SigningKeyTrusted, text)));
    remarks
}

fn accepted_rows(target: &Target, observation: &Observation) -> i64 {
    observation
        .references
        .iter()
        .filter(|reference| policy::accepted(&target.references.policy(&reference.object), reference))
        .map(|reference| reference.orphans.rows)
        .fold(0, i64::saturating_add)
}

pub(super) fn references(target: &Target, observation: &Observation) -> Option<ReferencesReport> {
    observation.users.as_ref().ok()?;
    let accepted_rows = accepted_rows(target, observation);
    let nobodys = observation
        .references
        .iter()
        .filter(|reference| !policy::accepted(&target.references.policy(&reference.object), reference))
        .map(|reference| suspects::without_spelled(observation, reference).rows);
    let orphan_rows = nobodys.fold(0, i64::saturating_add);
    let why = "not looked at yet: the next pass goes on with it";
    let unreached = observation.unreached.iter().cloned();
    let unreached =
        unreached.map(|object| Skipped { object, why: why.into(), asked: false, transient: true });
    Some(ReferencesReport {
        checked: i64::try_from(observation.references.len()).unwrap_or(i64::MAX),
        declared: i64::try_from(observation.references.iter().filter(|one| one.soft).count())
            .unwrap_or(i64::MAX),
        undeclared: observation.undeclared.columns,
        skipped: observation.skipped.iter().cloned().chain(unreached).take(100).collect(),
        orphan_rows,
        accepted_rows,
    })
}
