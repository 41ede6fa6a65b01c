//! What our own schema in the app's database says: who repairs, what was asked for and done, what was interrupted.

use jiff::Timestamp;

use crate::api::{
    report::{Action, ObjectRef},
    status::Repair,
};

/// Our own schema `auth_consistency` in the app's database.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bookkeeping {
    /// Layout version that is there; `None` when the schema is not.
    pub version: Option<i64>,
    /// Whether the role may create or use it.
    pub usable: bool,
    /// What lets it, as SQL, where it may not.
    pub grant: Option<String>,
    /// What of it is not ours; then nothing else is read from it.
    pub untrusted: Vec<Distrust>,
    /// Who repairs this user table.
    pub claim: Option<Claim>,
    /// The last entry of the audit that is of this resource; 0 where there is none.
    pub last_entry: i64,
    /// Approved repairs that were begun and not finished.
    pub open_run: Option<OpenRun>,
    /// Whether the reset token of this pass is the one that was done last for this resource in this database, by
    /// the audit.
    pub reset_handled: bool,
    /// When else the reset token of this pass was done, by the audit: for another resource, in the database that
    /// this one was copied from, or before another one.
    pub reset_before: Option<PriorUse>,
    /// Whether the audit already has the approval of this pass, for this resource in this database.
    pub approval_used: bool,
    /// Where else the approval of this pass was used.
    pub approval_elsewhere: bool,
    /// The approval that was used last, as the resource says: a database that was put back does not know it.
    pub approval_before: Option<String>,
    /// Whether rows are in quarantine for longer than the spec wants them kept.
    pub overdue: bool,
    /// The last repairs of this resource, newest first.
    pub history: Vec<Repair>,
}

impl Bookkeeping {
    /// Whether a repair may write there: the role may, and nothing of others stands on it.
    pub fn writable(&self) -> bool {
        self.usable && self.untrusted.is_empty()
    }
}

/// Something of the schema `auth_consistency` that this program has not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrust {
    /// Its table, index or sequence; `None`: the schema itself.
    pub table: Option<String>,
    /// What it is.
    pub doubt: Doubt,
    /// The statement that ends it and keeps the rest; `None` where nothing of the schema can be relied on.
    pub mend: Option<String>,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It is somebody else's: the role.
    Owner(String),
    /// It is not as this program makes it: a view, another type, a default, an index over an expression. The
    /// part by name, where it is a part.
    Shape(Option<String>),
    /// A trigger, rule or policy of this name runs with whoever writes or reads there.
    Code(String),
    /// Row-level security hides rows.
    RowSecurity,
    /// A foreign key of this other table, as SQL names it, rests on it.
    Key(String),
    /// A role has rights on it; `None`: everybody has.
    Grant(Option<String>),
    /// An event trigger of the database runs code of a role whenever something is made or changed in the schema.
    EventTrigger {
        /// The event trigger.
        name: String,
        /// Whose it is, or its function.
        role: String,
    },
}

/// Who repairs a user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Uid of the resource.
    pub owner: String,
    /// `namespace/name` of the resource when it claimed.
    pub owner_name: String,
    /// Counts up with every run; an older run is fenced off.
    pub epoch: i64,
    /// Counts up with every approved plan, so that no hash is ever good twice.
    pub plan_serial: i64,
    /// What tells its operator from that of every other cluster; `None` where nobody knows.
    pub operator: Option<String>,
    /// Counts up when it goes from one resource to another, from the time at which it was made: no request for it
    /// fits twice.
    pub takes: i64,
}

/// A one-off request that was done before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorUse {
    /// Uid of the resource that it was done for.
    pub owner: String,
    /// Whether it was done in this database, and not in one that this was copied from.
    pub here: bool,
    /// When.
    pub at: Timestamp,
}

/// An approved run that a crash interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// Its id.
    pub run: String,
    /// The approved plan's hash.
    pub plan_hash: String,
    /// Generation that it was approved for.
    pub generation: i64,
    /// What is left of it.
    pub steps: Vec<OpenStep>,
}

/// One step of an interrupted run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStep {
    /// Its number in the run.
    pub step: i64,
    /// What it does.
    pub action: Action,
    /// To what.
    pub object: ObjectRef,
    /// Rows that were approved and are not done yet.
    pub rows_left: i64,
    /// Rows that are done.
    pub done: i64,
    /// Whether the audit has it, or some of its rows.
    pub audited: bool,
    /// What the walk has passed; of ending sessions, whose they are, as a digest; of an id that rows name, who
    /// gets which.
    pub passed: Option<String>,
}
