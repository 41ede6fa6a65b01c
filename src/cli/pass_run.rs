//! One pass for a person: the same engine as the controller's, with the person as its supervisor.

use crate::{
    api::{report::ConsistencyReport, spec::Mode},
    domain::{
        report::{Outcome, searched},
        request::{Approval, Requests},
        target::Target,
    },
    engine::{self, Search},
    network::HostPolicy,
    pass::{
        self,
        memory::Memory,
        request::{Pass, Repairs},
    },
};

use std::time::Instant;

use jiff::Timestamp;

use super::{output::CliError, progress_bar::Watching, target::TargetSource};

/// What one pass is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PassOptions {
    /// Which repairs may be made.
    pub repairs: Repairs,
    /// Reset the admin.
    pub reset: bool,
    /// Hash of the plan that the person approves.
    pub approve: Option<String>,
    /// Uid of a resource that is gone and whose claim is taken over.
    pub take_claim: Option<String>,
    /// Say how each reference was searched.
    pub explain: bool,
}

impl PassOptions {
    /// Look, and change nothing.
    pub(super) fn look() -> Self {
        Self { repairs: Repairs::None, reset: false, approve: None, take_claim: None, explain: false }
    }
}

/// What came of a pass.
pub(super) struct Done {
    /// Everything that is known.
    pub outcome: Outcome,
    /// The shape that is printed.
    pub report: ConsistencyReport,
    /// What was looked at.
    pub target: Target,
    /// Where it may connect.
    pub policy: HostPolicy,
}

impl Done {
    /// Whether repairs may be written at all.
    pub(super) fn observes(&self) -> bool {
        self.target.mode == Mode::Observe
    }
}

/// Runs the pass on a target.
///
/// # Errors
/// A stage failed.
pub(super) async fn run(place: &TargetSource, target: Target, errand: PassOptions) -> Result<Done, CliError> {
    let policy = place.policy();
    let before = place.status_before().await;
    let mut requests = Requests {
        reset: errand.reset.then(unique),
        approval: errand.approve.map(|hash| Approval { hash, shown: Vec::new() }),
        take_claim: errand.take_claim,
        approval_before: before.as_ref().and_then(|status| status.last_handled_approval.clone()),
    };
    let explain = errand.explain;
    let memory = Memory::default();
    let began = Instant::now();
    let watching = Watching::default();
    let key_before = before.and_then(|status| status.signing_key);
    let mut before: Option<Outcome> = None;
    // Where one look does not suffice, the next one goes on, as long as it gets further.
    let mut outcome = loop {
        let ended = pass::run(&Pass {
            engine: engine::of(&target.database),
            target: &target,
            policy: &policy,
            requests: &requests,
            memory: &memory,
            supervisor: &watching,
            repairs: errand.repairs,
            look: pass::ScanMode::Full,
            compare_password: true,
            search: Search { explain: errand.explain, ..Search::default() },
            ask: true,
            key_before: key_before.as_ref(),
            now: Timestamp::now(),
        })
        .await;
        let mut outcome = ended.map_err(|mut fault| {
            fault.message = place.plain(&fault.message);
            CliError::from(fault)
        })?;
        if let Some(before) = before.take() {
            outcome.follow(before);
        }
        if !outcome.unfinished.is_some_and(|unfinished| unfinished.advanced) {
            break outcome;
        }
        // What was asked for once is done once.
        requests.reset = requests.reset.filter(|_| outcome.reset_handled.is_none());
        if let Some(used) = &outcome.approval_used {
            // What it left undone goes on under it.
            (requests.approval, requests.approval_before) = (None, Some(used.clone()));
        }
        before = Some(outcome);
    };
    drop(watching);
    for one in &mut outcome.found {
        one.finding.message = place.plain(&one.finding.message);
    }
    let elapsed = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut report = outcome.report(elapsed);
    if explain {
        report.searched = searched(&outcome.searched);
    }
    Ok(Done { outcome, report, target, policy })
}

/// A token that no other request has: it is handled once.
pub(super) fn unique() -> String {
    format!("cli-{}-{:08x}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"), rand::random::<u32>())
}
