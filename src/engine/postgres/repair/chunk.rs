//! How many rows one transaction takes.

use std::time::Duration;

pub(in crate::engine::postgres) fn paced(size: i64, took: Duration, aim: Duration) -> i64 {
    if took > 2 * aim {
        size / 2
    } else if took < aim / 2 {
        size * 2
    } else {
        size
    }
}
