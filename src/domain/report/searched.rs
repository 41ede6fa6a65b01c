//! How references were searched, as reports show it.

use crate::{
    api::report::{ObjectRef, SearchReport},
    domain::{facts::search::Searched, text::clip},
};

/// How references were searched, as it is shown.
pub fn searched(searched: &[Searched]) -> Vec<SearchReport> {
    searched
        .iter()
        .map(|one| SearchReport {
            object: ObjectRef::clone(&one.object),
            strategy: one.choice.strategy,
            why: clip(&one.choice.why, 255),
            elapsed_micros: i64::try_from(one.elapsed.as_micros()).unwrap_or(i64::MAX),
        })
        .collect()
}
