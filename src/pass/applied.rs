//! What has been applied so far in one pass.

use crate::{
    api::report::{Action, ObjectRef, StepReport},
    domain::{plan::describe::done_report, step::Step, text::count},
    engine::{EngineError, Run, Session},
    pass::{
        failed::{Extent, Failed, Failure},
        request::Pass,
    },
};
use std::time::Duration;

/// What was done.
#[derive(Default)]
pub(super) struct Applied {
    /// Steps that changed something, with the rows that they really changed.
    pub repaired: Vec<StepReport>,
    /// Why the rest was not done.
    pub failure: Option<Failure>,
    /// Whether nothing was done since another run was at work.
    pub overtaken: bool,
    /// Steps that the database refused for good; what rests on none of them was done.
    pub passed_over: Vec<Failed>,
    /// The steps that failed: some of them may be done, or all of the last one, without an answer that says so.
    pub stopped: Vec<Stopped>,
    /// The purge that failed, for the same reason.
    pub purging: Option<Run>,
}

/// A step that did not come to its end, as far as anybody heard.
pub(super) struct Stopped {
    pub(super) step: Step,
    pub(super) run: Run,
    pub(super) number: i64,
    /// Rows that were done of it before this pass.
    pub(super) before: i64,
    /// Which of those that were passed over it is; `None`: the one that ended the run.
    pub(super) passed_over: Option<usize>,
}

impl Applied {
    /// Finds out what was done all the same, and tells it: the database wrote it down in the transactions
    /// that did it.
    pub(super) async fn find_out(&mut self, pass: &Pass<'_>, session: &mut dyn Session) {
        for Stopped { step, run, number, before, passed_over } in std::mem::take(&mut self.stopped) {
            let Ok(Some(written)) = in_time(pass, session.recorded(&run, number)).await else { continue };
            let rows = written.done - before;
            let of_rows = matches!(step, Step::Rows { .. } | Step::EndSessions { .. });
            if rows > 0 || (written.audited && !of_rows) {
                let done = done_report(pass.target, &step, rows);
                let failed = match (passed_over, &mut self.failure) {
                    (Some(at), _) => self.passed_over.get_mut(at),
                    (None, Some(Failure::Step(failed))) => Some(&mut **failed),
                    (None, _) => None,
                };
                if let Some(failed) = failed {
                    failed.extent =
                        if of_rows && written.left > 0 { Extent::Rows(rows) } else { Extent::All };
                }
                self.repaired.push(done);
            }
        }
        if let Some(run) = self.purging.take()
            && let Ok(purged) = in_time(pass, session.quarantine().purged(&run)).await
        {
            self.repaired.extend(told(pass, purged));
        }
    }
}

/// A server that stops answering is no reason to wait for ever: each effect has the time of its
/// statements, and some to spare.
pub(super) async fn in_time<T>(
    pass: &Pass<'_>,
    effect: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let limit = pass.target.timeout * 5 + Duration::from_secs(30);
    tokio::time::timeout(limit, effect).await.unwrap_or_else(|_| Err(EngineError::no_answer(limit)))
}

/// What was dropped, as it is told.
pub(super) fn told(pass: &Pass<'_>, purged: Vec<(ObjectRef, i64)>) -> Vec<StepReport> {
    let days = pass.target.retention_days.unwrap_or_default();
    purged
        .into_iter()
        .map(|(object, rows)| StepReport {
            action: Action::Purge,
            message: format!(
                "dropped {} of {} from quarantine, older than {}",
                count(rows, "row"),
                object.describe(),
                count(days, "day")
            ),
            object,
            account: None,
            rows,
            waits: None,
        })
        .collect()
}
