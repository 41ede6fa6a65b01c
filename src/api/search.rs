//! Ways in which references are searched, as reports have them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way of looking for the keys that no user has.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchStrategy {
    /// One index probe per gap between the ids: grows with gaps, not with rows.
    GapProbe,
    /// One index probe between each two neighbouring keys: grows with users, not with rows.
    KeyProbe,
    /// From one distinct key to the next through the index: grows with distinct keys, not with rows.
    LooseScan,
    /// One scan for values outside of the ids, for all such references of a table at once.
    RangeScan,
    /// One scan for the distinct keys, and a look at those alone.
    DistinctScan,
    /// The engine's own anti-join.
    AntiJoin,
}

impl SearchStrategy {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::GapProbe,
        Self::KeyProbe,
        Self::LooseScan,
        Self::RangeScan,
        Self::DistinctScan,
        Self::AntiJoin,
    ];

    /// The name as it stands in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GapProbe => "GapProbe",
            Self::KeyProbe => "KeyProbe",
            Self::LooseScan => "LooseScan",
            Self::RangeScan => "RangeScan",
            Self::DistinctScan => "DistinctScan",
            Self::AntiJoin => "AntiJoin",
        }
    }
}

impl std::fmt::Display for SearchStrategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
