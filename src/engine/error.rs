//! What an engine answers where it could not do what it was asked: neutral, so that nobody above it reads the
//! codes of one kind of database.

use crate::{
    api::condition::{ConditionType, Reason},
    domain::fault::{Class, Fault},
};

use std::{any::Any, time::Duration};

/// What kind of failure it is: what the pass decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The database or the way to it, encryption and sign-in included: nothing more can be asked of it.
    Unavailable,
    /// The role may not do it.
    Privilege,
    /// Nothing can be written there.
    ReadOnly,
    /// Others hold what is needed; the same may succeed in a moment.
    LockContention,
    /// A statement took longer than it may.
    Timeout,
    /// Another run has the fence, or has been at work since the look that this one rests on; nothing was done.
    Fenced,
    /// The claim or its epoch is another one than at the start; nothing was done.
    ClaimLost,
    /// The world is not what the plan says; nothing of the step was done.
    PlanStale,
    /// There is no such run, row or identity.
    NotFound,
    /// A calculation of our own did not come to its end.
    Interrupted,
    /// The transaction touched more than the plan says; nothing of it was done.
    TouchedMore,
    /// A constraint refuses the change.
    Constraint,
    /// The database, its schema or the app's own code refuses the step for good.
    Refused,
    /// Our own tables are not ours.
    LedgerUntrusted,
    /// The user table is not there, or cannot be used.
    UserTable,
    /// What may pass by itself and says nothing of a step.
    Transient,
    /// A mistake of ours.
    Bug,
}

/// A failure of an engine. It displays what was answered, without a value of a row and without advice.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct EngineError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    message: String,
    fault: Fault,
    /// What ends a sign-in's refusal, where that is its own.
    sign_in: Option<String>,
    /// What is odd about what was signed in with.
    odd: String,
    /// The engine's own, for [`crate::engine::Session::named`].
    own: Option<Box<dyn Any + Send + Sync>>,
}

impl EngineError {
    /// A failure of this kind, which a stage shows as `fault`.
    pub fn new(kind: ErrorKind, message: String, fault: Fault) -> Self {
        Self(Box::new(Failure { kind, message, fault, sign_in: None, odd: String::new(), own: None }))
    }

    /// The same of a sign-in that was refused: what ends it, and what is odd about what was signed in with.
    #[must_use]
    pub fn of_sign_in(mut self, advice: Option<&str>, odd: &str) -> Self {
        self.0.sign_in = advice.map(str::to_owned);
        self.0.odd = odd.to_owned();
        self
    }

    /// The same with what the engine itself knows of it.
    #[must_use]
    pub fn with_own(mut self, own: Box<dyn Any + Send + Sync>) -> Self {
        self.0.own = Some(own);
        self
    }

    /// The database has not answered for so long.
    pub fn no_answer(limit: Duration) -> Self {
        let message = format!("no connection to the database: no answer in {} s", limit.as_secs());
        let fault = Fault {
            reason: Reason::DatabaseUnreachable,
            condition: ConditionType::DatabaseReachable,
            class: Class::Transient,
            message: format!("{message}: look whether host and port are right and can be reached from here"),
        };
        Self::new(ErrorKind::Unavailable, message, fault)
    }

    /// The world is not what the plan says, in these words; nothing of the step was done.
    pub fn plan_stale(message: String) -> Self {
        Self::of_repair(ErrorKind::PlanStale, Class::Conflict, message)
    }

    /// Others are at work and the repair gave way; the next pass goes on.
    pub fn gave_way(message: String) -> Self {
        Self::of_repair(ErrorKind::Transient, Class::Transient, message)
    }

    fn of_repair(kind: ErrorKind, class: Class, message: String) -> Self {
        let fault = Fault {
            reason: Reason::RepairFailed,
            condition: ConditionType::DatabaseReachable,
            class,
            message: message.clone(),
        };
        Self::new(kind, message, fault)
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The failure as a stage shows it.
    pub fn fault(&self) -> Fault {
        self.0.fault.clone()
    }

    /// What ends a sign-in's refusal, where that is its own, and what is odd about what was signed in with.
    pub fn refused(&self) -> (Option<&str>, &str) {
        (self.0.sign_in.as_deref(), &self.0.odd)
    }

    /// The engine's own, and what stays without it.
    pub fn into_own(mut self) -> (Option<Box<dyn Any + Send + Sync>>, Self) {
        (self.0.own.take(), self)
    }

    /// Whether a step failed for good, and by itself: what comes after it may succeed all the same. What the whole
    /// database or role refuses, it refuses to the next step too.
    pub fn is_of_one_step(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Privilege
                | ErrorKind::PlanStale
                | ErrorKind::NotFound
                | ErrorKind::Interrupted
                | ErrorKind::TouchedMore
                | ErrorKind::Constraint
                | ErrorKind::Refused
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_the_whole_database_or_passes_by_itself_is_no_failure_of_one_step() {
        let of = |kind| EngineError::of_repair(kind, Class::Terminal, String::new()).is_of_one_step();
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::ReadOnly,
            ErrorKind::LockContention,
            ErrorKind::Timeout,
            ErrorKind::Fenced,
            ErrorKind::ClaimLost,
            ErrorKind::LedgerUntrusted,
            ErrorKind::UserTable,
            ErrorKind::Transient,
            ErrorKind::Bug,
        ] {
            assert!(!of(kind), "{kind:?}");
        }
        assert!(of(ErrorKind::Constraint) && of(ErrorKind::PlanStale) && of(ErrorKind::Privilege));
    }

    #[test]
    fn what_an_engine_knows_of_a_failure_is_never_shown_with_it() {
        let error = EngineError::plan_stale("moved".into()).with_own(Box::new("canary"));
        assert_eq!(error.to_string(), "moved");
        assert!(!format!("{error:?}").contains("canary"));
        let (own, rest) = error.into_own();
        assert_eq!(own.unwrap().downcast_ref::<&str>(), Some(&"canary"));
        assert!(rest.into_own().0.is_none());
    }
}
