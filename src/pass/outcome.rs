//! What a pass came to, as conditions and report.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, ReferencesReport, ReportTarget, SigningKeyReport, Skipped, StepReport},
        shared,
    },
    domain::{
        diagnose::{rotation, undeclared, verifiers},
        facts::Observation,
        finding::{Diagnosed, Ends},
        incremental::partial_scan::Unfinished,
        plan::{Unused, describe::done_report},
        step::{Permitted, Step},
        target::{Target, policy},
        text::{clip, count, number},
    },
    engine::postgres::{self, Fence, Session},
    pass::{accounts, apply::in_time, ask::Asked, identities, request::Pass, retention},
};

/// What the next pass may mend by itself waits for nobody: another run was faster, or it came up while
/// this one was at work. A repair that needs a person has a finding of its own that says so.
pub(super) fn passing(found: &mut [Diagnosed], free: &Permitted) {
    for one in found {
        let step = one.step.as_ref();
        if step.is_some_and(|step| free.steps.iter().any(|permitted| permitted.step == *step)) {
            one.ends = Ends::Retry;
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
    asked: &Asked,
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
    asked: &Asked,
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
    let counted = observation.references.iter().map(|reference| reference.orphans.rows);
    let all = counted.fold(0, i64::saturating_add);
    let why = "not looked at yet: the next pass goes on with it";
    let unreached = observation.unreached.iter().cloned();
    let unreached = unreached.map(|object| Skipped { object, why: why.into(), asked: false, passes: true });
    Some(ReferencesReport {
        checked: i64::try_from(observation.references.len()).unwrap_or(i64::MAX),
        declared: i64::try_from(observation.references.iter().filter(|one| one.soft).count())
            .unwrap_or(i64::MAX),
        undeclared: observation.undeclared.columns,
        skipped: observation.skipped.iter().cloned().chain(unreached).take(100).collect(),
        orphan_rows: all - accepted_rows,
        accepted_rows,
    })
}

/// What was done.
#[derive(Default)]
pub(super) struct Applied {
    /// Steps that changed something, with the rows that they really changed.
    pub repaired: Vec<StepReport>,
    /// Why the rest was not done.
    pub failure: Option<Diagnosed>,
    /// Whether nothing was done since another run was at work.
    pub overtaken: bool,
    /// Steps that the database refused for good; what rests on none of them was done.
    pub passed_over: Vec<Diagnosed>,
    /// The steps that failed: some of them may be done, or all of the last one, without an answer that says so.
    pub stopped: Vec<Stopped>,
    /// The purge that failed, for the same reason.
    pub purging: Option<Fence>,
}

/// A step that did not come to its end, as far as anybody heard.
pub(super) struct Stopped {
    pub(super) step: Step,
    pub(super) fence: Fence,
    pub(super) number: i64,
    /// Rows that were done of it before this pass.
    pub(super) before: i64,
    pub(super) why: String,
    /// Which of those that were passed over it is; `None`: the one that ended the run.
    pub(super) passed_over: Option<usize>,
}

impl Applied {
    /// Finds out what was done all the same, and tells it: the database wrote it down in the transactions
    /// that did it.
    pub(super) async fn find_out(&mut self, pass: &Pass<'_>, session: &mut Session) {
        for Stopped { step, fence, number, before, why, passed_over } in std::mem::take(&mut self.stopped) {
            let Ok(Some(written)) =
                in_time(pass, postgres::written(session.connection(), &fence, number)).await
            else {
                continue;
            };
            let rows = written.done - before;
            let of_rows = matches!(step, Step::Rows { .. } | Step::EndSessions { .. });
            if rows > 0 || (written.audited && !of_rows) {
                let done = done_report(pass.target, &step, rows);
                let found = match passed_over {
                    Some(at) => self.passed_over.get_mut(at),
                    None => self.failure.as_mut(),
                };
                if let Some(found) = found {
                    let told = if of_rows && written.left > 0 {
                        format!("stopped after {}: {why}", count(rows, "row"))
                    } else {
                        format!("was done, and nothing after it: {why}")
                    };
                    let denied = format!("was not done: {why}");
                    found.finding.message = clip(&found.finding.message.replacen(&denied, &told, 1), 1024);
                }
                self.repaired.push(done);
            }
        }
        if let Some(fence) = self.purging.take()
            && let Ok(purged) = in_time(pass, postgres::purged(session.connection(), &fence)).await
        {
            self.repaired.extend(retention::told(pass, purged));
        }
    }
}
