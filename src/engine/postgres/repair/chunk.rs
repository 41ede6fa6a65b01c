//! How many rows one transaction takes.

use std::time::Duration;

/// What a chunk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Rows that were changed or removed.
    pub rows: i64,
    /// Whether the walk went on.
    pub moved: bool,
    /// Whether there may be more.
    pub more: bool,
}

pub(in crate::engine::postgres) fn paced(size: i64, took: Duration, aim: Duration) -> i64 {
    if took > 2 * aim {
        size / 2
    } else if took < aim / 2 {
        size * 2
    } else {
        size
    }
}
