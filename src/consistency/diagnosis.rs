//! Facts to findings, each with the step that would mend it.
//!
//! Nothing here decides whether a step may run: that is `plan`. Nothing here is lost either: what
//! could not be looked at is a finding too.

use secrecy::SecretString;

use super::{
    observation::{Account, AdminFacts, IdDefault, KeyKind, Observation, SchemaFault, UserTable},
    orphans,
    target::{Admin, Target},
    wording::{clip, count, docs},
};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, Finding, ObjectRef, Severity},
        spec::{Mode, OnDrift, OnMissing, PasswordPolicy, SubjectType},
    },
    passwords,
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
    /// Move a sequence so that the next id is above `above`.
    AdvanceSequence {
        /// The sequence.
        sequence: ObjectRef,
        /// The highest id in use or named by rows.
        above: i64,
    },
    /// Create the admin.
    Seed {
        /// The user table.
        users: ObjectRef,
        /// The id that it gets; `None`: the column's default, or a random uuid.
        id: Option<String>,
        /// Orphans may name this very id: a person said so in `spec.admin.id` and approved.
        claimed: bool,
        /// The reset token that asked for it.
        token: Option<String>,
    },
    /// Put the admin's columns right.
    Correct {
        /// The user table and the columns that differ.
        users: ObjectRef,
    },
    /// Write password and columns.
    Reset {
        /// The user table.
        users: ObjectRef,
        /// The reset token that asked for it, `None` where the policy did.
        token: Option<String>,
    },
    /// Give the admin another id, with every reference.
    MoveId {
        /// The user table.
        users: ObjectRef,
        /// The id that it has.
        from: String,
        /// The id that it gets.
        to: String,
        /// Rows that change with it, its own included.
        rows: i64,
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
    },
}

/// What the app said to minted and forged tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierFacts {
    /// The verifier's name.
    pub name: String,
    /// Its answer to a minted token.
    pub genuine: ProbeAnswer,
    /// Forgeries that it accepted.
    pub accepted_forgeries: Vec<String>,
}

/// An app's answer, as far as it says anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// 2xx.
    Accepted,
    /// One of the statuses that count as a refusal.
    Refused(u16),
    /// Another status, or none: why.
    Unclear(String),
    /// The operator's flags do not allow the host: why.
    NotAllowed(String),
}

/// What was asked for once, by annotation or at the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Reset the admin: the token's value.
    pub reset: Option<String>,
    /// Approve a plan.
    pub approval: Option<Approval>,
    /// Uid of the resource whose claim is taken over.
    pub take_claim: Option<String>,
}

/// An approval and what was shown to whoever gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approval {
    /// The plan's hash.
    pub hash: String,
    /// Rows per step as they were shown; empty where they are not known.
    pub shown: Vec<(Action, ObjectRef, i64)>,
}

/// Everything that is wrong, in no particular order.
pub fn diagnose(
    target: &Target,
    observation: &Observation,
    key_findings: Vec<Diagnosed>,
    verifiers: Option<&[VerifierFacts]>,
    requests: &Requests,
) -> Vec<Diagnosed> {
    let mut found = key_findings;
    let users = match &observation.users {
        Ok(users) => users,
        Err(fault) => {
            found.push(schema_fault(target, fault));
            return found;
        }
    };
    found.extend(claimed(target, observation, requests));
    found.extend(orphans::references(target, observation, users));
    found.extend(orphans::sequence(observation, users));
    if let (Some(admin), Some(facts)) = (&target.admin, &observation.admin) {
        found.extend(diagnose_admin(target, admin, facts, users, observation, requests));
    }
    found.extend(subject(target, users));
    found.extend(verifiers.into_iter().flatten().flat_map(verifier));
    if let Some(why) = &observation.server.read_only
        && found.iter().any(|one| one.step.is_some())
    {
        found.push(person(
            Reason::DatabaseReadOnly,
            ConditionType::DatabaseReachable,
            Severity::Error,
            None,
            format!("{why}: nothing is repaired here, point spec.database at the primary"),
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
            Self::Rows { action, .. } => *action,
        }
    }

    /// What it is about.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::AdvanceSequence { sequence, .. } => sequence,
            Self::Seed { users, .. }
            | Self::Correct { users }
            | Self::Reset { users, .. }
            | Self::MoveId { users, .. } => users,
            Self::Rows { reference, .. } => reference,
        }
    }

    /// Rows that it changes or removes.
    pub fn rows(&self) -> i64 {
        match self {
            Self::AdvanceSequence { .. } => 0,
            Self::Seed { .. } | Self::Correct { .. } | Self::Reset { .. } => 1,
            Self::MoveId { rows, .. } | Self::Rows { rows, .. } => *rows,
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
        SchemaFault::IdNotComparable { id_type } => (
            Reason::UserTableUnsupported,
            format!(
                "column {:?} of {} is of type {id_type}, which cannot be compared: name another spec.users.idColumn",
                users.id_column,
                name.describe()
            ),
        ),
        SchemaFault::NotReadable { why } => (Reason::PrivilegeMissing, why.clone()),
        SchemaFault::RowsHidden { why } => (
            Reason::RowsUnreadable,
            format!(
                "row-level security hides rows of {} from this role ({why}): grant it BYPASSRLS or use another role",
                name.describe()
            ),
        ),
    };
    person(reason, ConditionType::SchemaCompatible, Severity::Error, Some(name), message)
}

/// Another resource repairs the same user table.
fn claimed(target: &Target, observation: &Observation, requests: &Requests) -> Option<Diagnosed> {
    let claim = observation.bookkeeping.claim.as_ref()?;
    let foreign = claim.owner != target.resource.uid && requests.take_claim.as_ref() != Some(&claim.owner);
    (foreign && target.mode == Mode::Enforce).then(|| {
        person(
            Reason::TargetClaimed,
            ConditionType::SchemaCompatible,
            Severity::Error,
            observation.users.as_ref().ok().map(|users| users.object.clone()),
            format!(
                "the resource {} (uid {}) repairs this user table, so this one only observes: remove one of the two; \
                 if that one is gone, annotate this one with {}={}",
                claim.owner_name,
                claim.owner,
                crate::api::annotation::TAKE_CLAIM,
                claim.owner
            ),
        )
    })
}

fn diagnose_admin(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    requests: &Requests,
) -> Vec<Diagnosed> {
    let at = |columns: &[String]| ObjectRef { columns: columns.to_vec(), ..users.object.clone() };
    let login = target.users.login_column.clone().unwrap_or_default();
    if facts.exact > 1 || facts.look_alikes > 0 {
        let message = format!(
            "{} of {} could be the admin {:?} by case or spaces: keep one, and delete or rename the others",
            count(facts.exact + facts.look_alikes, "account"),
            users.object.describe(),
            admin.login
        );
        return vec![person(
            Reason::AdminAmbiguous,
            ConditionType::AdminConsistent,
            Severity::Error,
            Some(at(&[login])),
            message,
        )];
    }
    let reset = requests.reset.clone().filter(|_| !observation.bookkeeping.reset_handled);
    let Some(account) = &facts.account else {
        return vec![missing(target, admin, facts, users, observation, reset)];
    };
    let mut found = Vec::new();
    found.extend(other_id(target, admin, account, facts, users, observation));
    found.extend(drifted(target, admin, account, users));
    found.extend(password(target, admin, account, users, reset));
    found
}

/// The admin is not there: seed it where the spec allows, at an id that makes nobody's old token an
/// admin's.
fn missing(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    reset: Option<String>,
) -> Diagnosed {
    let finding = |reason, severity, message: String| {
        person(reason, ConditionType::AdminConsistent, severity, Some(users.object.clone()), message)
    };
    let absent = format!("there is no account {:?} in {}", admin.login, users.object.describe());
    if admin.on_missing == OnMissing::Report && reset.is_none() {
        return finding(
            Reason::AdminMissing,
            Severity::Error,
            format!("{absent}: create it, or set spec.admin.onMissing to Seed"),
        );
    }
    let plain = |message: String| finding(Reason::AdminMissing, Severity::Error, message);
    match unusable(target, admin.password.as_ref()) {
        Ok(()) => {}
        Err(why) => {
            return plain(format!("{absent}, and it cannot be seeded: {why}"))
                .blocked_by(Reason::AdminPasswordUnusable);
        }
    }
    if let Some(column) = users.unfilled.first() {
        return plain(format!(
            "{absent}, and it cannot be seeded: column {column:?} may not be NULL and has no default, so add it to spec.admin.columns"
        ))
        .blocked_by(Reason::SpecInvalid);
    }
    if !users.rights.insert {
        return plain(format!(
            "{absent}, and the role may not INSERT into {}: run what `auth-consistency grants` prints",
            users.object.describe()
        ))
        .blocked_by(Reason::PrivilegeMissing);
    }
    let seed = |id: Option<String>, claimed| Step::Seed {
        users: users.object.clone(),
        id,
        claimed,
        token: reset.clone(),
    };
    if let Some(wanted) = &facts.wanted {
        let id = admin.id.clone().unwrap_or_default();
        let Some(canonical) = wanted.canonical.clone() else {
            return plain(format!("{absent}, and spec.admin.id {id:?} is no {}: correct it", users.id_type))
                .blocked_by(Reason::SpecInvalid);
        };
        if wanted.occupied {
            return finding(
                Reason::AdminIdClaimed,
                Severity::Critical,
                format!(
                    "{absent}, and another account has the id {id} that spec.admin.id gives it: choose another id, ids of people are never swapped"
                ),
            );
        }
        if wanted.orphan_rows > 0 {
            let why = format!("{} name the id {id}", count(wanted.orphan_rows, "row"));
            let mut claimed = finding(
                Reason::AdminIdClaimed,
                Severity::Critical,
                format!("{absent}, and {why} that spec.admin.id gives it: whoever holds an old token for it would become the admin, so approve it only if that was the admin"),
            )
            .with_step(seed(Some(canonical), true));
            claimed.finding.rows = Some(wanted.orphan_rows);
            claimed.approval = Some(why);
            return claimed;
        }
        return plain(absent).with_step(seed(Some(canonical), false));
    }
    let unread = observation.skipped.iter().any(|skipped| !skipped.asked);
    let id = match (&users.id_default, users.id_kind) {
        (IdDefault::Sequence(_) | IdDefault::Expression, _) | (IdDefault::None, KeyKind::Uuid) => None,
        (IdDefault::UnreadableSequence(name), _) => {
            return plain(format!(
                "{absent}, and the role may not read the sequence {name}, so a safe id cannot be told: run what `auth-consistency grants` prints"
            ))
            .blocked_by(Reason::PrivilegeMissing);
        }
        (IdDefault::None, KeyKind::Integer) => match orphans::highest_id(users, observation).checked_add(1) {
            Some(next) => Some(next.to_string()),
            None => {
                return plain(format!(
                    "{absent}, and there is no id left above the highest: set spec.admin.id"
                ))
                .blocked_by(Reason::SpecInvalid);
            }
        },
        (IdDefault::None, _) => {
            return plain(format!(
                "{absent}, and column {:?} has no default: set spec.admin.id",
                target.users.id_column
            ))
            .blocked_by(Reason::SpecInvalid);
        }
    };
    let mut found = plain(absent).with_step(seed(id, false));
    if unread && users.id_kind == KeyKind::Integer {
        found.approval = Some("some references could not be read and may name the new id".into());
    }
    found
}

fn unusable(target: &Target, password: Option<&SecretString>) -> Result<(), String> {
    let Some(password) = password else {
        return Err("spec.admin.passwordSecretRef is not set".into());
    };
    passwords::check(target.users.password_hash, password)
        .map_err(|error| format!("the password of spec.admin.passwordSecretRef cannot be used: {error}"))
}

/// The admin has another id than the spec says.
fn other_id(
    target: &Target,
    admin: &Admin,
    account: &Account,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
) -> Option<Diagnosed> {
    let wanted = facts.wanted.as_ref()?;
    let id = admin.id.clone().unwrap_or_default();
    if wanted.canonical.as_ref() == Some(&account.id) {
        return None;
    }
    let at = ObjectRef { columns: vec![target.users.id_column.clone()], ..users.object.clone() };
    let finding = |reason, severity, message| {
        person(reason, ConditionType::AdminConsistent, severity, Some(at.clone()), message)
    };
    let differs = format!("the admin has the id {} and spec.admin.id says {id}", account.id);
    let Some(canonical) = wanted.canonical.clone() else {
        return Some(
            finding(
                Reason::AdminIdDiffers,
                Severity::Error,
                format!("{differs}, which is no {}: correct it", users.id_type),
            )
            .blocked_by(Reason::SpecInvalid),
        );
    };
    if wanted.occupied {
        return Some(finding(
            Reason::AdminIdClaimed,
            Severity::Critical,
            format!(
                "{differs}, which another account has: ids of people are never swapped, so choose another id"
            ),
        ));
    }
    let step = Step::MoveId {
        users: users.object.clone(),
        from: account.id.clone(),
        to: canonical,
        rows: account.references.iter().map(|(_, rows)| rows).sum::<i64>() + 1,
    };
    if let Some((reason, why)) = wanted.immovable.as_ref().filter(|_| admin.on_drift == OnDrift::Correct) {
        let refused = format!("{differs}, and it is not moved: {why}");
        return Some(finding(Reason::AdminIdDiffers, Severity::Error, refused).blocked_by(*reason));
    }
    // What could not be read would stay behind.
    let unread = observation.skipped.iter().any(|skipped| !skipped.asked);
    if wanted.orphan_rows > 0 {
        let why = format!("{} that name nobody name the id {id}", count(wanted.orphan_rows, "row"));
        let mut claimed = finding(
            Reason::AdminIdClaimed,
            Severity::Critical,
            format!(
                "{differs}, and {why}: whoever holds an old token for it would become the admin, so approve it only if that was the admin"
            ),
        );
        claimed.finding.rows = Some(wanted.orphan_rows);
        if admin.on_drift == OnDrift::Correct {
            claimed = claimed.with_step(step);
            claimed.approval = Some(why);
        }
        return Some(claimed);
    }
    Some(match admin.on_drift {
        OnDrift::Correct => {
            let message = format!("{differs}: tokens that name {id} find nobody");
            let mut found = finding(Reason::AdminIdDiffers, Severity::Error, message).with_step(step);
            if unread {
                found.approval = Some("some references could not be read and may name the old id".into());
            }
            found
        }
        OnDrift::Report => finding(
            Reason::AdminIdDiffers,
            Severity::Error,
            format!("{differs}: set spec.admin.onDrift to Correct to move it"),
        ),
    })
}

fn drifted(target: &Target, admin: &Admin, account: &Account, users: &UserTable) -> Option<Diagnosed> {
    if account.inactive.is_empty() && account.drifted.is_empty() {
        return None;
    }
    let mut columns: Vec<String> = account.inactive.iter().chain(&account.drifted).cloned().collect();
    columns.sort();
    columns.dedup();
    let mut what = Vec::new();
    if !account.inactive.is_empty() {
        what.push(format!("is not active ({})", account.inactive.join(", ")));
    }
    if !account.drifted.is_empty() {
        what.push(format!("lacks what makes it an admin ({})", account.drifted.join(", ")));
    }
    let object = ObjectRef { columns: columns.clone(), ..users.object.clone() };
    let message = format!("the account {:?} {}", admin.login, what.join(" and "));
    let finding = |message: String| {
        person(
            Reason::AdminDrifted,
            ConditionType::AdminConsistent,
            Severity::Error,
            Some(object.clone()),
            message,
        )
    };
    if admin.on_drift == OnDrift::Report {
        return Some(finding(format!("{message}: correct it, or set spec.admin.onDrift to Correct")));
    }
    // Such a condition says what the value may not be, and not what it is.
    let unwritable = columns.iter().find(|name| {
        let mut conditions = admin.columns.iter().chain(&target.users.active_when);
        conditions.any(|condition| condition.column == **name && condition.is_null == Some(false))
    });
    if let Some(column) = unwritable {
        return Some(
            finding(format!(
                "{message}, and isNull: false says no value to write to {column}: correct the account by hand"
            ))
            .blocked_by(Reason::RepairUnsupported),
        );
    }
    if !users.rights.update {
        return Some(
            finding(format!(
                "{message}, and the role may not UPDATE {}: run what `auth-consistency grants` prints",
                users.object.describe()
            ))
            .blocked_by(Reason::PrivilegeMissing),
        );
    }
    Some(finding(message).with_step(Step::Correct { users: object.clone() }))
}

fn password(
    target: &Target,
    admin: &Admin,
    account: &Account,
    users: &UserTable,
    reset: Option<String>,
) -> Option<Diagnosed> {
    let object =
        ObjectRef { columns: target.users.password_column.iter().cloned().collect(), ..users.object.clone() };
    let finding = |reason, message: String| {
        person(reason, ConditionType::AdminConsistent, Severity::Error, Some(object.clone()), message)
    };
    let facts = &account.password;
    let foreign = facts.format != Some(target.users.password_hash);
    // One that could not be compared is not equal: the Secret's may be too long for the format.
    let differs = admin.password_policy == PasswordPolicy::Always && facts.matches != Some(true);
    let asked = reset.is_some();
    if !foreign && !differs && !asked {
        return None;
    }
    let mut found = if foreign {
        let seems =
            if facts.absent { "is empty".to_owned() } else { format!("seems to be {}", facts.family) };
        finding(
            Reason::PasswordHashForeign,
            format!(
                "the admin's stored password {seems}, and the app reads {:?}: reset it with {}=now, or correct spec.users.passwordHash",
                target.users.password_hash,
                crate::api::annotation::RESET_ADMIN
            ),
        )
    } else if differs {
        finding(
            Reason::AdminPasswordDiffers,
            "the admin's password is not the Secret's, and spec.admin.passwordPolicy is Always".to_owned(),
        )
    } else {
        finding(Reason::AdminDrifted, "a reset of the admin was asked for".to_owned())
    };
    if !asked && admin.password_policy != PasswordPolicy::Always {
        return Some(found);
    }
    if let Err(why) = unusable(target, admin.password.as_ref()) {
        found.finding.message = clip(&format!("{}, and {why}", found.finding.message), 1024);
        return Some(found.blocked_by(Reason::AdminPasswordUnusable));
    }
    if !users.rights.update {
        found.finding.message = clip(
            &format!(
                "{}, and the role may not UPDATE {}: run what `auth-consistency grants` prints",
                found.finding.message,
                users.object.describe()
            ),
            1024,
        );
        return Some(found.blocked_by(Reason::PrivilegeMissing));
    }
    Some(found.with_step(Step::Reset { users: object, token: reset }))
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

fn verifier(facts: &VerifierFacts) -> Vec<Diagnosed> {
    let finding =
        |reason, severity, message| person(reason, ConditionType::TokensAccepted, severity, None, message);
    let retried = |mut found: Diagnosed| {
        found.ends = Ends::Retry;
        found
    };
    let mut found = Vec::new();
    match &facts.genuine {
        ProbeAnswer::Accepted => {}
        ProbeAnswer::Refused(status) => found.push(retried(finding(
            Reason::TokensRejected,
            Severity::Error,
            format!(
                "the verifier {:?} answers {status} to a token made with the signing key: its pods may still run with an older Secret, so restart them; else compare algorithm, issuer and audience",
                facts.name
            ),
        ))),
        ProbeAnswer::Unclear(why) => found.push(retried(finding(
            Reason::VerifierUnreachable,
            Severity::Error,
            format!("the verifier {:?} gave no answer that says anything: {why}", facts.name),
        ))),
        ProbeAnswer::NotAllowed(why) => found.push(finding(
            Reason::VerifierHostNotAllowed,
            Severity::Error,
            format!("the verifier {:?} was not asked: {why}", facts.name),
        )),
    }
    if !facts.accepted_forgeries.is_empty() {
        found.push(finding(
            Reason::ForgedTokenAccepted,
            Severity::Critical,
            format!(
                "the verifier {:?} accepts forged tokens ({}): anyone can sign in as anyone, so take it off the network and pin algorithm and key",
                facts.name,
                facts.accepted_forgeries.join(", ")
            ),
        ));
    }
    found
}
