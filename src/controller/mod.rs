//! The only room with a Kubernetes client (beside the command line's loader).
//!
//! `run` puts the parts together, `context` is what they share, `cluster` is every call to the API
//! server there is, `dereference` reads the resource and its Secrets, `reconcile` is the order of the
//! stages, `status` says what must be written, `supervise` agrees to repairs, `surroundings` reads the pods
//! and workloads around the app, and `events` tells of transitions.

mod cluster;
mod context;
mod dereference;
mod events;
mod reconcile;
mod run;
mod status;
mod stored;
mod supervise;
mod surroundings;

pub use cluster::{Cluster, ClusterError};
pub use dereference::{Resource, secrets};
pub use run::{Settings, run};
pub use status::requests;
pub use surroundings::Reads;
