//! One repair step: as it is proposed, as it is planned, and as it may be executed.

use crate::{
    api::report::{Action, ObjectRef},
    domain::facts::{
        foreign_key::ForeignKeyOptions,
        references::Cascaded,
        session_mechanism::Mechanism,
        sessions::{Audience, Invalidation},
    },
    passwords::Format,
};

/// One repair step. Rows are counted exactly; names are those of the live catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Move a sequence so that the next id is past `past`.
    AdvanceSequence {
        /// The sequence.
        sequence: ObjectRef,
        /// Of the ids in use or named by rows, the one that it would come to last.
        past: i64,
        /// Whether it counts downwards.
        descends: bool,
    },
    /// Create the account.
    Seed {
        /// The user table.
        users: ObjectRef,
        /// Login of the account; `None`: the admin.
        account: Option<String>,
        /// The id that it gets; `None`: the column's default, or a random uuid.
        id: Option<String>,
        /// Orphans may name this very id: a person said so in the spec's `id` and approved.
        claimed: bool,
        /// The reset token that asked for it.
        token: Option<String>,
        /// The format of its password.
        format: Option<Format>,
    },
    /// Put the account's columns right.
    Correct {
        /// The user table and the columns that differ.
        users: ObjectRef,
        /// Login of the account; `None`: the admin.
        account: Option<String>,
    },
    /// Write password and columns.
    Reset {
        /// The user table.
        users: ObjectRef,
        /// Login of the account; `None`: the admin.
        account: Option<String>,
        /// The reset token that asked for it, `None` where the policy did.
        token: Option<String>,
        /// The format of its password.
        format: Option<Format>,
    },
    /// Give the account another id, with every reference.
    MoveId {
        /// The user table.
        users: ObjectRef,
        /// Login of the account; `None`: the admin.
        account: Option<String>,
        /// The id that it has.
        from: String,
        /// The id that it gets.
        to: String,
        /// Rows that change with it, its own included.
        rows: i64,
        /// Rows may name the new id already: a person said so in the spec's `id` and approved.
        claimed: bool,
    },
    /// Add a foreign key that vouches for new rows only.
    AddConstraint {
        /// Table, columns and the name that it gets.
        reference: ObjectRef,
        /// What it says beside its columns.
        options: ForeignKeyOptions,
    },
    /// Have the database prove a foreign key on the rows that there are.
    ValidateConstraint {
        /// Table, columns, name.
        reference: ObjectRef,
    },
    /// Give rows of one reference back to the people whom the old ids named, as one exchange.
    Remap {
        /// The reference.
        reference: ObjectRef,
        /// The constraint's definition.
        definition: String,
        /// Rows.
        rows: i64,
        /// Distinct old ids.
        keys: i64,
        /// Of the rows, how many name somebody else today.
        shifted: i64,
        /// Of the rows, how many are removed at most since their people's unique keys have no room for them.
        surplus: i64,
        /// Of the rows, how many are taken out and put in again since they change places in a unique key.
        exchanged: i64,
        /// The first old and new ids, for people.
        pairs: String,
        /// SHA-256 over all old and new ids, and what tells old rows from new ones; hexadecimal.
        digest: String,
        /// Rows of the table.
        table_rows: i64,
    },
    /// End the tokens or sessions of accounts.
    EndSessions {
        /// By what.
        means: Mechanism,
        /// Its table and column.
        object: ObjectRef,
        /// For what, and whose.
        due: Invalidation,
        /// [`Invalidation::digest`].
        digest: String,
        /// Rows that it changes or removes; of everybody, and of sessions, those that there were.
        rows: i64,
        /// Active accounts that they are of.
        active: i64,
    },
    /// SetNull, Reassign or Delete the orphans of one reference.
    Rows {
        /// Which of the three.
        action: Action,
        /// The reference.
        reference: ObjectRef,
        /// The constraint's definition.
        definition: String,
        /// Rows.
        rows: i64,
        /// Distinct keys.
        keys: i64,
        /// SHA-256 over all keys in key order, hexadecimal.
        digest: String,
        /// Rows of the table.
        table_rows: i64,
        /// Rows of other tables that go along.
        takes: Vec<Cascaded>,
        /// Of the rows, how many are removed at most since the admin's unique keys have no room for them.
        surplus: i64,
    },
}

impl Step {
    /// What it does, as reports name it.
    pub fn action(&self) -> Action {
        match self {
            Self::AdvanceSequence { .. } => Action::AdvanceSequence,
            Self::Seed { .. } => Action::Seed,
            Self::Correct { .. } => Action::Correct,
            Self::Reset { .. } => Action::Reset,
            Self::MoveId { .. } => Action::MoveId,
            Self::AddConstraint { .. } => Action::AddConstraint,
            Self::ValidateConstraint { .. } => Action::ValidateConstraint,
            Self::Remap { .. } => Action::Remap,
            Self::EndSessions { .. } => Action::EndSessions,
            Self::Rows { action, .. } => *action,
        }
    }

    /// What it is about.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::AdvanceSequence { sequence, .. } => sequence,
            Self::Seed { users, .. }
            | Self::Correct { users, .. }
            | Self::Reset { users, .. }
            | Self::MoveId { users, .. } => users,
            Self::EndSessions { object, .. } => object,
            Self::AddConstraint { reference, .. }
            | Self::ValidateConstraint { reference }
            | Self::Remap { reference, .. }
            | Self::Rows { reference, .. } => reference,
        }
    }

    /// Login of the account that it is about; `None` where that is the admin or none.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Seed { account, .. }
            | Self::Correct { account, .. }
            | Self::Reset { account, .. }
            | Self::MoveId { account, .. } => account.as_deref(),
            _ => None,
        }
    }

    /// What it is about, in words.
    pub fn about(&self) -> String {
        match self.account() {
            Some(login) => format!("{} for {login}", self.object().describe()),
            None => self.object().describe(),
        }
    }

    /// Rows of other tables that go along with it.
    pub fn taken(&self) -> &[Cascaded] {
        match self {
            Self::Rows { takes, .. } => takes,
            _ => &[],
        }
    }

    /// Whether it is about everybody, or about sessions that come and go: however many that are by then.
    pub fn open_ended(&self) -> bool {
        matches!(self, Self::EndSessions { due, means, .. } if due.whom == Audience::Everybody || means.of_rows())
    }

    /// Rows that it changes or removes.
    pub fn rows(&self) -> i64 {
        match self {
            Self::AdvanceSequence { .. } | Self::AddConstraint { .. } | Self::ValidateConstraint { .. } => 0,
            Self::Seed { .. } | Self::Correct { .. } | Self::Reset { .. } => 1,
            Self::MoveId { rows, .. }
            | Self::Remap { rows, .. }
            | Self::EndSessions { rows, .. }
            | Self::Rows { rows, .. } => *rows,
        }
    }
}

/// A step and why it waits, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The step.
    pub step: Step,
    /// Why a person must approve it.
    pub waits: Option<String>,
}

/// What may be executed now. Nothing else can be: it is made by a plan's `permit` alone, and outside of this room steps
/// can be left out and none added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    steps: Vec<PermittedStep>,
    approval: Option<String>,
}

impl Permitted {
    /// Nothing: of a run that puts back, writes or drops copies.
    pub const NONE: Self = Self { steps: Vec::new(), approval: None };

    /// These steps in order, and the approval that is used up by them.
    pub(in crate::domain) fn new(steps: Vec<PermittedStep>, approval: Option<String>) -> Self {
        Self { steps, approval }
    }

    /// The steps in order.
    pub fn steps(&self) -> &[PermittedStep] {
        &self.steps
    }

    /// The approval that is used up by it.
    pub fn approval(&self) -> Option<&str> {
        self.approval.as_deref()
    }

    /// Those of them that `keeps`. An approval of steps that are left out is not used up by the others.
    #[must_use]
    pub fn narrow(mut self, keeps: impl Fn(&PermittedStep) -> bool) -> Self {
        self.steps.retain(keeps);
        if self.steps.iter().all(|one| !matches!(one.by, Permission::Approval(_))) {
            self.approval = None;
        }
        self
    }
}

/// A step that may be executed, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedStep {
    step: Step,
    ceiling: i64,
    by: Permission,
}

impl PermittedStep {
    /// A step that this allows so far.
    pub(in crate::domain) fn new(step: Step, ceiling: i64, by: Permission) -> Self {
        Self { step, ceiling, by }
    }

    /// The step.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// No more rows than this are changed.
    pub fn ceiling(&self) -> i64 {
        self.ceiling
    }

    /// What allows it.
    pub fn by(&self) -> &Permission {
        &self.by
    }
}

/// What allows a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It is additive, or within the limits.
    Limits,
    /// A person approved the plan with this hash.
    Approval(String),
    /// A person approved it in a run that was interrupted.
    Resume {
        /// The interrupted run.
        run: String,
        /// The step's number in it.
        number: i64,
        /// Rows that were done of it until now.
        done: i64,
    },
}
