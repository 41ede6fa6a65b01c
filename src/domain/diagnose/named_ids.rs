//! Ids that rows name, and the highest and lowest of those that are in use.

use crate::domain::facts::{Observation, SequenceFacts, schema::UserTable};

/// The lowest id that the orphans of each reference name.
pub(in crate::domain) fn named_below(observation: &Observation) -> impl Iterator<Item = i64> {
    let naming = observation.references.iter().filter(|reference| reference.names_id);
    naming.filter_map(|reference| reference.orphans.lowest)
}

/// The highest id that the orphans of each reference name.
pub(in crate::domain) fn named(observation: &Observation) -> impl Iterator<Item = i64> {
    observation
        .references
        .iter()
        .filter(|reference| reference.names_id)
        .filter_map(|reference| reference.orphans.highest)
}

/// The highest id that a live user has or that rows still name; 0 when there is none. Whoever has the last
/// id that there can be, and what names it, is left out: a mark of the app.
///
/// Keys of references that do not name the id column say nothing about ids.
pub fn highest_id(users: &UserTable, observation: &Observation) -> i64 {
    let unchecked = observation
        .unchecked
        .iter()
        .filter_map(|one| one.ends.as_ref().ok().copied().flatten().map(|ends| ends.1));
    named(observation).chain(unchecked).chain(users.highest_id).max().unwrap_or(0).max(0)
}

/// The lowest of them, where ids are counted downwards; 0 when there is none below it.
pub fn lowest_id(sequence: &SequenceFacts, observation: &Observation) -> i64 {
    let unchecked = observation
        .unchecked
        .iter()
        .filter_map(|one| one.ends.as_ref().ok().copied().flatten().map(|ends| ends.0));
    named_below(observation).chain(unchecked).chain(sequence.used).min().unwrap_or(0).min(0)
}
