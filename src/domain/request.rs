//! What somebody asked for once, by an annotation or at the command line.

use crate::api::report::StepReport;

/// What was asked for once, by annotation or at the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Reset the admin: the token's value.
    pub reset: Option<String>,
    /// Approve a plan.
    pub approval: Option<Approval>,
    /// Whose claim is taken over: its uid, and after a slash how often the claim went from one to another.
    pub take_claim: Option<String>,
    /// The approval that was used last, as the resource's status says.
    pub approval_before: Option<String>,
}

/// An approval and what was shown to whoever gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approval {
    /// The plan's hash.
    pub hash: String,
    /// The steps as they were shown; empty where they are not known.
    pub shown: Vec<StepReport>,
}

/// How a person asks for something once, so that what messages say can be pasted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Asking {
    /// By an annotation of the resource, which the operator reads.
    #[default]
    Annotation,
    /// By a command that begins and ends so.
    Command {
        /// What it begins with.
        program: String,
        /// The flags that say what to work on, each with a space before it.
        tail: String,
    },
}
