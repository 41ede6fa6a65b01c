//! Tokens that outlive a change: whose must end, why, and whether that was done already.
//!
//! A token names a user by id. Where ids change hands, a token of before signs in as somebody else, and no
//! signature tells. So the app is told from when on the tokens of those accounts count: once for each
//! change, since the database writes down for what it was done.

use std::{collections::BTreeSet, sync::Arc};

use sha2::{Digest, Sha256};

use super::{
    correspondence::OldTokens,
    diagnosis::{Diagnosed, Step, person},
    observation::{Observation, UserTable},
    target::{IdentitySource, Target},
    wording::{clip, count, sample},
};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        sessions::OnKeyChange,
    },
    tokens,
};

/// How the app lets tokens end, as the spec says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// Column of the user table with the time from which on tokens count.
    pub column: Option<String>,
    /// What becomes of tokens when the signing key changes.
    pub on_key_change: OnKeyChange,
    /// Where the app keeps ids of revoked tokens.
    pub revoked: Option<Revoked>,
}

/// A table of revoked token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its column of token ids.
    pub column: String,
}

/// How a column holds a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    /// timestamptz.
    Zoned,
    /// timestamp, taken for UTC.
    Utc,
    /// int4: seconds since the epoch.
    Seconds32,
    /// int8: seconds since the epoch.
    Seconds64,
}

impl TimeKind {
    /// How a type holds a time, by the name of the type behind domains. `None`: not at all, or too
    /// coarsely for a token (`date`).
    pub fn of(base_name: &str) -> Option<Self> {
        match base_name {
            "timestamptz" => Some(Self::Zoned),
            "timestamp" => Some(Self::Utc),
            "int4" => Some(Self::Seconds32),
            "int8" => Some(Self::Seconds64),
            _ => None,
        }
    }
}

/// An id that the operator moved lately: within the time that a token lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedId {
    /// The run that moved it.
    pub run: String,
    /// The step's number in it.
    pub step: i64,
    /// The id that the admin had.
    pub from: String,
    /// The id that it got.
    pub to: String,
    /// Whether somebody has the id of before today.
    pub reused: bool,
    /// Whether somebody has the new one.
    pub held: bool,
}

/// What was done once, as the database remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// For what: [`Cause::text`].
    pub cause: String,
    /// Whose sessions; `None`: everybody's.
    pub accounts: Option<BTreeSet<String>>,
    /// Whether the values of before were put back since.
    pub restored: bool,
}

/// Ids that name another person than a list of before says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shifted {
    /// The list's digest.
    pub list: String,
    /// The ids, in order.
    pub ids: Vec<String>,
}

/// A signing key that took the place of one that the app accepts still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The Secret of the key of before, as `name/key`; of the guessable one, where one is.
    pub before: String,
    /// Whether anybody could have made tokens with the key of before.
    pub guessable: bool,
}

/// Why tokens must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The operator moved an id.
    Moved(MovedId),
    /// Ids name another person than before: the list, how many ids, and at most five of them.
    Shifted {
        /// The list's digest.
        list: String,
        /// How many ids whose tokens were not ended yet.
        ids: i64,
        /// At most five of them.
        sample: Vec<String>,
    },
    /// The signing key changed.
    Key(NewKey),
}

impl Cause {
    /// What the database remembers it by.
    pub fn text(&self) -> String {
        match self {
            Self::Moved(moved) => format!("move {}/{}", moved.run, moved.step),
            Self::Shifted { list, .. } => of_list(list),
            Self::Key(key) => format!("key {}", key.fingerprint),
        }
    }

    fn words(&self, users: &ObjectRef) -> String {
        match self {
            Self::Moved(moved) if moved.reused => format!(
                "the id {}, which was the admin's until the run {}, is somebody else's now",
                clip(&moved.from, 40),
                moved.run
            ),
            Self::Moved(moved) => {
                format!("the run {} gave the admin the id {}", moved.run, clip(&moved.to, 40))
            }
            Self::Shifted { ids, sample: some, .. } => format!(
                "{} of {} {} another person than before ({})",
                count(*ids, "id"),
                users.describe(),
                if *ids == 1 { "names" } else { "name" },
                sample(some, *ids)
            ),
            Self::Key(key) if key.guessable => format!(
                "anybody could have made tokens with the key of before (Secret {}), which must go from the app first",
                key.before
            ),
            Self::Key(key) => format!(
                "the signing key has changed, tokens made with the key of before (Secret {}) are accepted, and spec.sessions.onKeyChange is End",
                key.before
            ),
        }
    }
}

fn of_list(list: &str) -> String {
    format!("list {list}")
}

/// Whose tokens end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Those of all accounts.
    Everybody,
    /// Those of the accounts with these ids, each once, in order.
    Accounts(Arc<Vec<String>>),
}

/// What is to be done, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Why.
    pub causes: Vec<Cause>,
    /// Whose tokens.
    pub whom: Whom,
}

impl Due {
    /// SHA-256 over what an approval is bound to, hexadecimal: the causes, and whose tokens end.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        for cause in &self.causes {
            part(&cause.text());
        }
        match &self.whom {
            Whom::Everybody => part("everybody"),
            Whom::Accounts(ids) => {
                part("accounts");
                ids.iter().for_each(|id| part(id));
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether only the account signs in again whose id was just moved: its own tokens name the old id,
    /// and nobody has signed in by the new one but whoever held it before.
    fn follows_a_move(&self) -> bool {
        self.causes.iter().all(|cause| matches!(cause, Cause::Moved(moved) if !moved.reused))
    }

    fn severity(&self) -> Severity {
        let planned = |cause: &Cause| matches!(cause, Cause::Key(key) if !key.guessable);
        // Whoever held the id that was moved to is, as a rule, the very person.
        if self.follows_a_move() || self.causes.iter().all(planned) {
            Severity::Warning
        } else {
            Severity::Error
        }
    }
}

/// What is known of the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Why it cannot be used: the reason and a clause.
    pub problem: Option<(Reason, String)>,
    /// Whether the role may set it.
    pub writable: bool,
}

/// What is known of tokens that outlive a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFacts {
    /// The column, where the spec names one.
    pub column: Option<ColumnFacts>,
    /// What is to be done.
    pub due: Option<Due>,
    /// Accounts that it would change.
    pub rows: i64,
    /// Of those, active ones: people who would sign in again.
    pub active: i64,
    /// Whether the tokens of everybody whom the list of before names were ended, and that stands.
    pub list_ended: bool,
}

/// What may be a reason to end tokens.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Ids that the operator moved lately.
    pub moves: Vec<MovedId>,
    /// Ids that name another person, where a list of before is named and tokens of before may count.
    pub shifted: Option<Shifted>,
    /// A new signing key.
    pub key: Option<NewKey>,
    /// What was done already.
    pub ended: Vec<Ended>,
}

impl Changes {
    /// What is to be done still, each once.
    pub fn due(&self) -> Option<Due> {
        let mut causes = Vec::new();
        let mut accounts = BTreeSet::new();
        for moved in &self.moves {
            let cause = Cause::Moved(moved.clone());
            if self.of(&cause.text()).next().is_some() || !(moved.held || moved.reused) {
                continue;
            }
            accounts.extend(moved.held.then(|| moved.to.clone()));
            accounts.extend(moved.reused.then(|| moved.from.clone()));
            causes.push(cause);
        }
        let left = self.left_of_the_list();
        if let (Some(shifted), false) = (&self.shifted, left.is_empty()) {
            causes.push(Cause::Shifted {
                list: shifted.list.clone(),
                ids: i64::try_from(left.len()).unwrap_or(i64::MAX),
                sample: left.iter().take(5).map(|id| clip(id, 40)).collect(),
            });
            accounts.extend(left.into_iter().cloned());
        }
        let key = self.key.clone().map(Cause::Key).filter(|cause| self.of(&cause.text()).next().is_none());
        let whom = match key {
            Some(_) => Whom::Everybody,
            None => Whom::Accounts(Arc::new(accounts.into_iter().collect())),
        };
        causes.extend(key);
        (!causes.is_empty()).then_some(Due { causes, whom })
    }

    /// Whether the tokens of everybody whom the list names were ended, and nobody has put that back.
    pub fn list_ended(&self) -> bool {
        let Some(shifted) = &self.shifted else { return false };
        let cause = of_list(&shifted.list);
        let mut done = self.of(&cause).peekable();
        done.peek().is_some() && done.all(|one| !one.restored) && self.left_of_the_list().is_empty()
    }

    fn of(&self, cause: &str) -> impl Iterator<Item = &Ended> {
        self.ended.iter().filter(move |one| one.cause == cause)
    }

    /// Ids of the list whose tokens were not ended for it.
    fn left_of_the_list(&self) -> Vec<&String> {
        let Some(shifted) = &self.shifted else { return Vec::new() };
        let cause = of_list(&shifted.list);
        let done: Vec<&Ended> = self.of(&cause).collect();
        let ended =
            |id: &String| done.iter().any(|one| one.accounts.as_ref().is_none_or(|ids| ids.contains(id)));
        shifted.ids.iter().filter(|id| !ended(id)).collect()
    }
}

/// The new signing key, where it is a reason to end everybody's tokens: the app accepts a key of before,
/// and the spec says so or anybody could have made tokens with that. One without a fingerprint is too weak
/// to be worth it.
pub fn new_key(target: &Target, sessions: &Sessions, fingerprint: Option<&str>) -> Option<NewKey> {
    let jwt = target.jwt.as_ref()?;
    let fingerprint = fingerprint?.to_owned();
    sessions.column.as_ref()?;
    let guessable = jwt.previous.iter().find(|(_, key)| {
        let found = tokens::audit(key, jwt.shape.algorithm);
        found.iter().any(|weakness| weakness.reason() == Reason::SigningKeyGuessable)
    });
    let (before, _) = match guessable {
        Some(found) => found,
        None if sessions.on_key_change == OnKeyChange::End => jwt.previous.first()?,
        None => return None,
    };
    Some(NewKey { fingerprint, before: before.clone(), guessable: guessable.is_some() })
}

/// Whether a token of before may still be accepted: not where a snapshot knows another signing key, and no
/// key of before is accepted.
pub fn old_tokens(target: &Target, fingerprint: Option<&str>) -> OldTokens {
    let Some(jwt) = &target.jwt else { return OldTokens::None };
    let before = match &target.references.identities {
        Some(IdentitySource::List(list)) => {
            list.before.as_ref().and_then(|before| before.fingerprint.as_deref())
        }
        _ => None,
    };
    match (before, fingerprint) {
        (Some(before), Some(now)) if before != now && jwt.previous.is_empty() => OldTokens::Dead,
        _ => OldTokens::Perhaps,
    }
}

/// Whether tokens name users by the id that references use, so that they go astray when ids change.
pub fn tokens_name_ids(target: &Target) -> bool {
    target.jwt.as_ref().is_some_and(|jwt| jwt.subject_column == target.users.id_column)
}

/// What is wrong with the column, and whose tokens outlive a change.
pub(super) fn findings(target: &Target, observation: &Observation, users: &UserTable) -> Vec<Diagnosed> {
    let Some(facts) = &observation.sessions else { return Vec::new() };
    let mut found = Vec::new();
    let column = facts.column.as_ref();
    if let Some(ColumnFacts { name, problem: Some((reason, why)), .. }) = column {
        found.push(person(
            *reason,
            ConditionType::SchemaCompatible,
            Severity::Error,
            Some(ObjectRef { columns: vec![name.clone()], ..users.object.clone() }),
            why.clone(),
        ));
    }
    found.extend(outlive(target, facts, users));
    found
}

fn outlive(target: &Target, facts: &SessionFacts, users: &UserTable) -> Option<Diagnosed> {
    let due = facts.due.as_ref().filter(|_| facts.rows > 0)?;
    let why: Vec<String> = due.causes.iter().map(|cause| cause.words(&users.object)).collect();
    let mut message = format!(
        "{}: tokens of before are accepted for {} of {}",
        why.join("; "),
        count(facts.rows, "account"),
        users.object.describe()
    );
    let usable = facts.column.as_ref().filter(|column| column.problem.is_none());
    let refused = match usable {
        None if facts.column.is_some() => {
            message.push_str("; they can be ended when spec.sessions.invalidateBeforeColumn is right");
            None
        }
        None => {
            message.push_str(
                "; name the column that ends them in spec.sessions.invalidateBeforeColumn, or have people clear their browsers by the session-reset page (docs/session-reset.md)",
            );
            None
        }
        Some(column) if !column.writable => {
            message.push_str(&format!(
                "; the role may not UPDATE {}, run what `auth-consistency grants` prints",
                ObjectRef { columns: vec![column.name.clone()], ..users.object.clone() }.describe()
            ));
            Some(Reason::PrivilegeMissing)
        }
        Some(_) => None,
    };
    let condition = if target.probe.is_some() {
        ConditionType::TokensAccepted
    } else {
        ConditionType::ReferencesConsistent
    };
    let mut found =
        person(Reason::SessionsOutliveChange, condition, due.severity(), Some(users.object.clone()), message);
    found.finding.rows = Some(facts.rows);
    match (usable, refused) {
        (_, Some(reason)) => Some(found.blocked_by(reason)),
        (None, None) => Some(found),
        (Some(column), None) => {
            let step = Step::EndSessions {
                users: ObjectRef { columns: vec![column.name.clone()], ..users.object.clone() },
                digest: due.digest(),
                due: due.clone(),
                rows: facts.rows,
                active: facts.active,
            };
            let mut found = found.with_step(step);
            found.approval = (!due.follows_a_move()).then(|| match facts.active {
                0 => "it ends tokens of accounts".to_owned(),
                active => format!("it signs {} out", count(active, "active account")),
            });
            Some(found)
        }
    }
}

#[cfg(test)]
mod tests;
