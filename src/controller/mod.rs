//! The only room with a Kubernetes client (beside the command line's loader).
//!
//! `run` puts the parts together, `context` is what they share, `cluster` is every call to the API
//! server there is, `dereference` reads the resource and its Secrets, `reconcile` is the order of the
//! stages, `admission` says which passes may run now, `afterwards` what they did not wait for, `leader` takes part in the election by what
//! `lease` decides, `selection` says whose resources are looked after, `scope` whether what is watched may be, `status` says what must be written, `supervise` agrees to repairs, `surroundings` reads the pods
//! and workloads around the app, `events` tells of transitions, and `journal` logs
//! what came of a pass, which `measured` counts.

mod admission;
mod afterwards;
mod alone;
mod cluster;
mod cluster_context;
mod context;
mod dereference;
mod events;
mod journal;
mod leader;
mod lease;
mod measured;
mod reconcile;
mod run;
mod scope;
mod selection;
mod status;
mod stored;
mod supervise;
#[cfg(test)]
mod tests;
mod waiting;

pub use admission::Limits;
pub use cluster::{Cluster, ClusterError};
pub use cluster_context::Reads;
pub use dereference::{Resource, secrets};
pub use events::{EventDraft, not_done, tellings};
pub use journal::pass_ended;
pub use leader::Election;
pub use lease::Terms;
pub use run::{Settings, run};
pub use selection::Selection;
pub use status::requests;
