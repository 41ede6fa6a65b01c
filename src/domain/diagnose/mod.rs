//! Facts to findings, each with the step that would mend it.
//!
//! Nothing here decides whether a step may run: that is `plan`. Nothing here is lost either: what
//! could not be looked at is a finding too.

pub(in crate::domain) mod account;
pub(in crate::domain) mod accounts;
pub mod connection;
pub(in crate::domain) mod constraints;
pub mod enforcement;
pub mod foreign;
pub mod giving;
pub mod hashing;
pub(in crate::domain) mod next_id;
pub mod references;
pub(in crate::domain) mod remap;
pub mod requests;
pub mod rights;
pub mod rotation;
pub mod seeding;
pub(in crate::domain) mod sequence;
pub mod sessions;
pub(in crate::domain) mod suspects;
pub mod trust;
pub mod verifiers;

use super::{sql_name::sql_table, target::Target};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, Finding, ObjectRef, Severity, StepReport},
        spec::{Mode, SubjectType},
    },
    domain::{
        diagnose::{
            sessions::{Due, Whom},
            verifiers::VerifierFacts,
        },
        facts::{
            KeyKind, Observation, ReadOnly, SchemaFault, Taken, UserTable, foreign_key::ForeignKeyOptions,
            session_mechanism::Means,
        },
        text::{clip, docs},
    },
    passwords::Format,
};

/// A finding, and what would mend it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosed {
    /// The finding as it is shown.
    pub finding: Finding,
    /// The step that would mend it.
    pub step: Option<Step>,
    /// Why the step must be approved, however small it is.
    pub approval: Option<String>,
    /// Who ends it when no step does.
    pub ends: Ends,
}

/// Who ends a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// It may pass by itself.
    Retry,
    /// A person must act, unless a step runs.
    Person,
}

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
        means: Means,
        /// Its table and column.
        object: ObjectRef,
        /// For what, and whose.
        due: Due,
        /// [`Due::digest`].
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
        takes: Vec<Taken>,
        /// Of the rows, how many are removed at most since the admin's unique keys have no room for them.
        surplus: i64,
    },
}

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

/// Everything that is wrong, in no particular order.
pub fn diagnose(
    target: &Target,
    observation: &Observation,
    key_findings: Vec<Diagnosed>,
    answers: Option<&[VerifierFacts]>,
    requests: &Requests,
) -> Vec<Diagnosed> {
    let mut found = key_findings;
    found.extend(connection::suspicious(&target.database));
    let users = match &observation.users {
        Ok(users) => users,
        Err(fault) => {
            found.push(schema_fault(target, fault));
            return found;
        }
    };
    found.extend(claimed(target, observation, requests));
    found.extend(untrusted(target, observation));
    found.extend(references::references(target, observation, users));
    found.extend(remap::findings(target, observation, users));
    found.extend(sessions::findings(target, observation, users));
    found.extend(references::sequence(observation, users));
    found.extend(accounts::diagnose(target, users, observation, requests));
    found.extend(subject(target, users));
    found.extend(answers.into_iter().flatten().flat_map(verifiers::verifier));
    if let Some(ReadOnly { why, ends }) = &observation.server.read_only
        && found.iter().any(|one| one.step.is_some())
    {
        found.push(person(
            Reason::DatabaseReadOnly,
            ConditionType::DatabaseReachable,
            Severity::Error,
            None,
            format!("{why}: nothing is repaired here, {ends}"),
        ));
    }
    found
}

/// A finding that a person must end.
pub fn person(
    reason: Reason,
    condition: ConditionType,
    severity: Severity,
    object: Option<ObjectRef>,
    message: String,
) -> Diagnosed {
    Diagnosed {
        finding: Finding {
            finding: reason,
            condition,
            severity,
            object,
            rows: None,
            keys: None,
            sample: Vec::new(),
            message: clip(&message, 1024),
            remedy: None,
            blocked: None,
            docs: docs(reason),
        },
        step: None,
        approval: None,
        ends: Ends::Person,
    }
}

impl Diagnosed {
    /// Adds the step that would mend it.
    pub fn with_step(mut self, step: Step) -> Self {
        self.finding.remedy = Some(step.action());
        self.step = Some(step);
        self
    }

    /// Says why the repair that was asked for cannot be done.
    pub fn blocked_by(mut self, reason: Reason) -> Self {
        self.finding.blocked = Some(reason);
        self.finding.docs = docs(reason);
        self
    }
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
    pub fn taken(&self) -> &[Taken] {
        match self {
            Self::Rows { takes, .. } => takes,
            _ => &[],
        }
    }

    /// Whether it is about everybody, or about sessions that come and go: however many that are by then.
    pub fn open_ended(&self) -> bool {
        matches!(self, Self::EndSessions { due, means, .. } if due.whom == Whom::Everybody || means.of_rows())
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

fn schema_fault(target: &Target, fault: &SchemaFault) -> Diagnosed {
    let users = &target.users;
    let name = ObjectRef { schema: users.schema.clone(), table: users.table.clone(), ..ObjectRef::default() };
    let (reason, message) = match fault {
        SchemaFault::TableMissing { alike } if alike.is_empty() => (
            Reason::UserTableMissing,
            format!(
                "there is no table {:?} in schema {:?}: correct spec.users.table or spec.users.schema, or run the app's migrations",
                users.table, users.schema
            ),
        ),
        SchemaFault::TableMissing { alike } => (
            Reason::UserTableMissing,
            format!(
                "there is no table {:?} in schema {:?}, but there is {}: correct spec.users.table or spec.users.schema",
                users.table,
                users.schema,
                alike.join(", ")
            ),
        ),
        SchemaFault::NotATable { kind } => (
            Reason::UserTableUnsupported,
            format!(
                "{} is a {kind} and not a table: name the table behind it in spec.users.table",
                name.describe()
            ),
        ),
        SchemaFault::ColumnMissing { column, field, there } => (
            Reason::ColumnMissing,
            format!(
                "{} has no column {column:?}, which {field} names: it has {}",
                name.describe(),
                there.join(", ")
            ),
        ),
        SchemaFault::ValueUnfit { column, column_type, value, field, why } => (
            Reason::SpecInvalid,
            format!(
                "column {column:?} of {} is of type {column_type} and does not take {value:?}, which {field} has ({why}): correct the value, or run the app's migrations",
                name.describe()
            ),
        ),
        SchemaFault::IdNotComparable { id_type } => (
            Reason::UserTableUnsupported,
            format!(
                "column {:?} of {} is of type {id_type}, which cannot be compared: name another spec.users.idColumn",
                users.id_column,
                name.describe()
            ),
        ),
        SchemaFault::Inherited { child, parent } => (
            Reason::UserTableUnsupported,
            format!(
                "{child} inherits from {top} and has rows: whoever reads {} reads them as accounts, and no foreign key to it sees them, so nothing is claimed and nothing is repaired: move them into {top} itself (partitions are understood), or, if they are no accounts, run ALTER TABLE {child} NO INHERIT {parent}",
                name.describe(),
                top = sql_table(&users.schema, &users.table),
            ),
        ),
        SchemaFault::NotReadable { why } => (Reason::PrivilegeMissing, why.clone()),
        SchemaFault::ForeignCode(why) => {
            (Reason::RowsUnreadable, format!("{} is not read: {why}", name.describe()))
        }
        SchemaFault::RowsHidden { why, ends } => (
            Reason::RowsUnreadable,
            format!("row-level security hides rows of {} from this role ({why}): {ends}", name.describe()),
        ),
    };
    person(reason, ConditionType::SchemaCompatible, Severity::Error, Some(name), message)
}

/// Another resource repairs the same user table.
fn claimed(target: &Target, observation: &Observation, requests: &Requests) -> Option<Diagnosed> {
    let claim = observation.bookkeeping.claim.as_ref()?;
    let foreign = requests::bars(target, claim, requests.take_claim.as_deref());
    (foreign && target.mode == Mode::Enforce).then(|| {
        person(
            Reason::TargetClaimed,
            ConditionType::SchemaCompatible,
            Severity::Error,
            observation.users.as_ref().ok().map(|users| users.object.clone()),
            requests::claimed(target, claim),
        )
    })
}

/// Our own schema is not ours. What only observes reads nothing there, and is told all the same.
fn untrusted(target: &Target, observation: &Observation) -> Option<Diagnosed> {
    let why = trust::untrusted(&observation.bookkeeping.untrusted)?;
    let (severity, held) = match target.mode {
        Mode::Enforce => (Severity::Error, "nothing is repaired"),
        Mode::Observe => (Severity::Warning, "nothing of it is used"),
    };
    let message = format!("{held}, since {why}");
    Some(person(Reason::LedgerUntrusted, ConditionType::SchemaCompatible, severity, None, message))
}

/// The subject that the app mints cannot be what the subject column holds.
fn subject(target: &Target, users: &UserTable) -> Option<Diagnosed> {
    let jwt = target.jwt.as_ref()?;
    let kind = users.subject_kind?;
    (jwt.shape.subject_type == SubjectType::Number && kind != KeyKind::Integer).then(|| {
        person(
            Reason::SubjectTypeDiffers,
            ConditionType::SchemaCompatible,
            Severity::Error,
            Some(ObjectRef { columns: vec![jwt.subject_column.clone()], ..users.object.clone() }),
            format!(
                "spec.jwt.subjectType is Number and column {:?} holds no integers: set it to String, or name another spec.jwt.subjectColumn",
                jwt.subject_column
            ),
        )
    })
}
