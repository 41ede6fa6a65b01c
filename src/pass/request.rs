//! What one pass is asked to do, and who watches it.

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::{
    api::{
        report::{Action, StepReport},
        status::SigningKeyStatus,
    },
    domain::{fault::Fault, progress::Progress, request::Requests, step::Permitted, target::Target},
    engine::{Engine, Search},
    network::HostPolicy,
    pass::{cluster_context::Surroundings, memory::Memory},
};

/// Asked before anything is written, and again before every chunk of destructive work.
pub trait Supervisor: Send + Sync {
    /// Whether the steps may begin. Called once, before the first statement that writes.
    ///
    /// # Errors
    /// Why the pass must stop with nothing repaired.
    fn begin<'a>(&'a self, steps: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>>;

    /// Whether what was asked for is still wanted: a live look, never a cached one.
    ///
    /// # Errors
    /// Why the pass must stop here.
    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>>;

    /// Told how far the pass has got: before every search, after every chunk, and while a step waits. It
    /// may be told often, with a snapshot open, so that it must not wait for anything.
    fn progress(&self, progress: &Progress) {
        let _ = progress;
    }

    /// Whether the fingerprint of the signing key is to be computed after this pass, which then says of the key what
    /// the status said before. It is asked once at most, and only where nothing is decided by it.
    fn puts_off_the_fingerprint(&self) -> bool {
        false
    }

    /// What the cluster tells of the app, where there is one to be asked.
    fn surroundings(&self) -> Option<&dyn Surroundings> {
        None
    }
}

/// A supervisor for a person at the command line: what they asked for is wanted.
pub struct Unattended;

impl Supervisor for Unattended {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

/// Which of the permitted steps a pass applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repairs {
    /// None: nothing is written.
    None,
    /// Those about the admin's account alone, and the sequence that it needs.
    Admin,
    /// All.
    All,
}

impl Repairs {
    pub(super) fn narrow(self, permitted: Permitted) -> Permitted {
        permitted.narrow(|one| match self {
            Self::None => false,
            Self::Admin if one.step().account().is_some() => false,
            Self::Admin => !matches!(
                one.step().action(),
                Action::EndSessions
                    | Action::Remap
                    | Action::SetNull
                    | Action::Reassign
                    | Action::Delete
                    | Action::AddConstraint
                    | Action::ValidateConstraint
            ),
            Self::All => true,
        })
    }
}

/// What one pass is given.
pub struct Pass<'a> {
    /// What its database is asked by.
    pub engine: &'a dyn Engine,
    /// The target.
    pub target: &'a Target,
    /// Where it may connect.
    pub policy: &'a HostPolicy,
    /// What was asked for once.
    pub requests: &'a Requests,
    /// What the process remembers of the resource.
    pub memory: &'a Memory,
    /// Who agrees to repairs.
    pub supervisor: &'a dyn Supervisor,
    /// Which of the permitted steps are applied.
    pub repairs: Repairs,
    /// How references are looked at.
    pub look: ScanMode,
    /// Whether the admin's password is compared even where the policy does not ask for it.
    pub compare_password: bool,
    /// How references are searched.
    pub search: Search,
    /// Whether the app is asked.
    pub ask: bool,
    /// What the resource's status remembers of its signing key; `None` where there is no status.
    pub key_before: Option<&'a SigningKeyStatus>,
    /// The time that minted tokens carry.
    pub now: Timestamp,
}

/// The id of a new run: when it began, and something that no other run has.
pub(super) fn run_id(now: Timestamp) -> String {
    format!("{}-{:06x}", now.strftime("%Y%m%dt%H%M%Sz"), rand::random::<u32>() >> 8)
}

/// How a pass looks at references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanMode {
    /// At every row.
    Full,
    /// At the rows of those that seem to have moved since the last deep look, and at every row where
    /// anything is to be said or done, or that look is too long ago.
    Incremental,
}
