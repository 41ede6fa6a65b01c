//! Facts to findings, each with the step that would mend it.
//!
//! Nothing here decides whether a step may run: that is `plan`. Nothing here is lost either: what
//! could not be looked at is a finding too.

pub(in crate::domain) mod account;
pub(in crate::domain) mod accounts;
pub mod connection;
pub(in crate::domain) mod constraints;
pub(in crate::domain) mod elsewhere;
pub mod enforcement;
pub mod foreign;
pub mod free_ids;
pub mod giving;
pub mod hashing;
pub(in crate::domain) mod named_ids;
pub(in crate::domain) mod next_id;
pub mod not_unique;
pub mod obstacles;
pub mod references;
pub mod refusal;
pub(in crate::domain) mod remap;
pub mod requests;
pub mod rights;
pub mod rotation;
pub mod seeding;
pub(in crate::domain) mod sequence;
pub mod sessions;
pub mod suspects;
pub mod trust;
pub mod undeclared;
pub mod verifiers;

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::{Mode, SubjectType},
    },
    domain::{
        facts::{
            Observation,
            key_kind::KeyKind,
            schema::{ReadOnly, SchemaFault, UserTable},
            verifiers::VerifierFacts,
        },
        finding::{Finding, person},
        request::Requests,
    },
};

use super::target::Target;

/// Everything that is wrong, in no particular order.
pub fn diagnose(
    target: &Target,
    observation: &Observation,
    key_findings: Vec<Finding>,
    answers: Option<&[VerifierFacts]>,
    requests: &Requests,
) -> Vec<Finding> {
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
    found.extend(undeclared::finding(target, observation));
    found.extend(remap::findings(target, observation, users));
    found.extend(sessions::findings(target, observation, users));
    found.extend(references::sequence(target, observation, users));
    found.extend(accounts::diagnose(target, users, observation, requests));
    found.extend(subject(target, users));
    not_unique::hold(&mut found, target, observation, users);
    suspects::hold(&mut found, observation);
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

fn schema_fault(target: &Target, fault: &SchemaFault) -> Finding {
    let users = &target.users;
    let name = users.object();
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
                "{child} inherits from {top} and has rows: whoever reads {} reads them as accounts, and no foreign key to it sees them, so nothing is claimed and nothing is repaired: move them into {top} itself (partitions are understood), or, if they are no accounts, run {}",
                name.describe(),
                target.hints.disinherit(child, parent),
                top = target.hints.name(&name),
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
pub(super) fn claimed(target: &Target, observation: &Observation, requests: &Requests) -> Option<Finding> {
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
fn untrusted(target: &Target, observation: &Observation) -> Option<Finding> {
    let why = trust::untrusted(target.hints, &observation.bookkeeping.untrusted)?;
    let (severity, held) = match target.mode {
        Mode::Enforce => (Severity::Error, "nothing is repaired"),
        Mode::Observe => (Severity::Warning, "nothing of it is used"),
    };
    let message = format!("{held}, since {why}");
    Some(person(Reason::LedgerUntrusted, ConditionType::SchemaCompatible, severity, None, message))
}

/// The subject that the app mints cannot be what the subject column holds.
fn subject(target: &Target, users: &UserTable) -> Option<Finding> {
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
