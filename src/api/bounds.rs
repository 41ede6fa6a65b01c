//! The bounds of every duration in the spec: one place for the rules of the schema and for what is read of a
//! spec, since objects may be older than today's schema.

use kube::core::Rule;

/// From and to, both included, as they are written in a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub least: &'static str,
    /// The most.
    pub most: &'static str,
}

/// Time between passes, between probes, and between looks at every row. What no counter shows is to be found
/// within a week.
pub const INTERVAL: Bounds = Bounds { least: "10s", most: "168h" };

/// Time for one pass. One target may not keep the operator from showing that it is alive.
pub const TIMEOUT: Bounds = Bounds { least: "1s", most: "10m" };

/// How long tokens live: a hundred years are as good as for ever, and end at a date that can be written.
pub const LIFETIME: Bounds = Bounds { least: "1s", most: "876000h" };

impl Bounds {
    /// What admission asks of a field.
    pub(super) fn rule(self) -> Rule {
        let Self { least, most } = self;
        let rule = format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')");
        Rule::new(rule).message(format!("from {least} to {most}").as_str())
    }
}
