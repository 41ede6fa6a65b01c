//! In which order steps are done.

use crate::{api::report::Action, domain::step::Step};

pub(in crate::domain) fn order(step: &Step) -> (u8, usize, String, String, Vec<String>, Option<String>) {
    let rank = match step.action() {
        Action::AdvanceSequence => 0,
        Action::Seed => 1,
        Action::Correct => 2,
        Action::Reset => 3,
        // While ids are those of the plan, and before rows go back to people whom tokens of others name.
        Action::EndSessions => 4,
        Action::Remap => 5,
        Action::MoveId => 6,
        Action::SetNull => 7,
        Action::Reassign => 8,
        Action::Delete => 9,
        Action::AddConstraint => 10,
        Action::ValidateConstraint => 11,
        Action::Restore => 12,
        Action::Purge => 13,
    };
    let object = step.object();
    let account = step.account().map(str::to_owned);
    // Tables of sessions may name one another: their order is the spec's.
    let place = if let Step::EndSessions { means, .. } = step { means.place() } else { 0 };
    (rank, place, object.schema.clone(), object.table.clone(), object.columns.clone(), account)
}
