//! Whether anything may have moved since the last look.

pub mod change_marks;
pub mod partial_scan;
