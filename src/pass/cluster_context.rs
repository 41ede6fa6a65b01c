//! What a cluster tells of the app around a target. Whoever runs a pass may know a cluster; a pass does not.

use futures::future::BoxFuture;

use crate::domain::facts::{endpoints::Endpoint, workloads::Workload};

/// Reads what stands around the app. Nothing is ever written by it.
pub trait Surroundings: Send + Sync {
    /// The ready endpoints behind a Service of the target's namespace, for this port of it; `None` where
    /// nobody wants them to be asked.
    fn endpoints<'a>(
        &'a self,
        service: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Option<Result<Vec<Endpoint>, Unread>>>;

    /// The workloads of the target's namespace whose pods take a key from a Secret; `None` where nobody
    /// wants them to be read.
    fn workloads<'a>(
        &'a self,
        secret: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Result<Vec<Workload>, Unread>>>;
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What went wrong, and what to do, as the end of a sentence.
    pub why: String,
    /// Whether it may pass by itself.
    pub transient: bool,
}
