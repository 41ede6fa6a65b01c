//! What was seen of sessions, and of what they have to end for.

use std::{collections::BTreeSet, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    api::{
        condition::Reason,
        report::{ObjectRef, Severity},
    },
    domain::{
        facts::session_mechanism::Mechanism,
        text::{clip, count, sample},
    },
};

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
    /// Whether the previous values were put back since.
    pub restored: bool,
}

/// Ids that name another person than a list of previous ids says.
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
    /// The Secret of the previous key, as `name/key`; of the guessable one, where one is.
    pub before: String,
    /// Whether anybody could have made tokens with the previous key.
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
    /// What the database remembers it by, where nothing was added for the means.
    fn text(&self) -> String {
        match self {
            Self::Moved(moved) => format!("move {}/{}", moved.run, moved.step),
            Self::Shifted { list, .. } => format!("list {list}"),
            Self::Key(key) => format!("key {}", key.fingerprint),
        }
    }

    pub(in crate::domain) fn words(&self, users: &ObjectRef) -> String {
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
                "anybody could have made tokens with the previous key (Secret {}), which must go from the app first",
                key.before
            ),
            Self::Key(key) => format!(
                "the signing key has changed, tokens made with the previous key (Secret {}) are accepted, and spec.sessions.onKeyChange is End",
                key.before
            ),
        }
    }
}

/// Whose tokens end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Those of all accounts.
    Everybody,
    /// Those of the accounts with these ids, each once, in order.
    Accounts(Arc<Vec<String>>),
}

/// What is to be done, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalidation {
    /// Why.
    pub causes: Vec<Cause>,
    /// Whose tokens.
    pub whom: Audience,
    /// What tells the means, in what the database remembers.
    by: String,
}

impl Invalidation {
    /// What the database remembers it by, cause by cause.
    pub fn remembered(&self) -> Vec<String> {
        self.causes.iter().map(|cause| format!("{}{}", cause.text(), self.by)).collect()
    }

    /// SHA-256 over what an approval is bound to, hexadecimal: the causes, and whose tokens end.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        for cause in self.remembered() {
            part(&cause);
        }
        match &self.whom {
            Audience::Everybody => part("everybody"),
            Audience::Accounts(ids) => {
                part("accounts");
                ids.iter().for_each(|id| part(id));
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether only the account signs in again whose id was just moved: its own tokens name the old id,
    /// and nobody has signed in by the new one but whoever held it before.
    pub(in crate::domain) fn follows_a_move(&self) -> bool {
        self.causes.iter().all(|cause| matches!(cause, Cause::Moved(moved) if !moved.reused))
    }

    pub(in crate::domain) fn severity(&self) -> Severity {
        let planned = |cause: &Cause| matches!(cause, Cause::Key(key) if !key.guessable);
        // Whoever held the id that was moved to is, as a rule, the very person.
        if self.follows_a_move() || self.causes.iter().all(planned) {
            Severity::Warning
        } else {
            Severity::Error
        }
    }
}

/// What is known of one means, and what is to be done by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeansFacts {
    /// By what; `None`: the spec names nothing, and it is only told.
    pub means: Option<Mechanism>,
    /// Why it cannot be used: the reason and a clause.
    pub problem: Option<(Reason, String)>,
    /// Whether the role has the rights that it takes.
    pub permitted: bool,
    /// What is to be done.
    pub due: Option<Invalidation>,
    /// Rows that it would change or remove.
    pub rows: i64,
    /// Active accounts that they are of: people who would sign in again.
    pub active: i64,
}

impl MeansFacts {
    /// The means, where nothing is wrong with them.
    pub fn usable(&self) -> Option<&Mechanism> {
        self.means.as_ref().filter(|_| self.problem.is_none())
    }
}

/// What is known of tokens and sessions that outlive a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFacts {
    /// Means by means, in the spec's order; one without means where the spec names none.
    pub means: Vec<MeansFacts>,
    /// Whether the tokens of everybody whom the list of before names were ended, and that stands.
    pub list_ended: bool,
}

/// What may be a reason to end tokens.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Ids that the operator moved lately.
    pub moves: Vec<MovedId>,
    /// Ids that name another person, where a list of previous ids is named and old tokens may count.
    pub shifted: Option<Shifted>,
    /// Ids that name another person, whatever tokens hold: sessions that the database holds name them.
    pub shifted_rows: Option<Shifted>,
    /// A new signing key.
    pub key: Option<NewKey>,
    /// What was done already.
    pub ended: Vec<Ended>,
}

impl Changes {
    /// What is to be done still by these means, each once; `None`: by none, so that it can only be told.
    pub fn due(&self, by: Option<&Mechanism>) -> Option<Invalidation> {
        let mark = by.map(Mechanism::mark).unwrap_or_default();
        let mut causes = Vec::new();
        let mut accounts = BTreeSet::new();
        // Rows that name an account have moved along with it.
        let moves = if by.is_some_and(Mechanism::of_rows) { &[] } else { self.moves.as_slice() };
        for moved in moves {
            let cause = Cause::Moved(moved.clone());
            if self.of(&cause, &mark).next().is_some() || !(moved.held || moved.reused) {
                continue;
            }
            accounts.extend(moved.held.then(|| moved.to.clone()));
            accounts.extend(moved.reused.then(|| moved.from.clone()));
            causes.push(cause);
        }
        let shifted = self.shifted(by);
        let left = self.left_of_the_list(shifted, &mark);
        if let (Some(shifted), false) = (shifted, left.is_empty()) {
            let ids = i64::try_from(left.len()).unwrap_or(i64::MAX);
            causes.push(listed(shifted, ids, left.iter().take(5).map(|id| clip(id, 40)).collect()));
            accounts.extend(left.into_iter().cloned());
        }
        let key = self.key.clone().map(Cause::Key).filter(|cause| self.of(cause, &mark).next().is_none());
        let whom = match key {
            Some(_) => Audience::Everybody,
            None => Audience::Accounts(Arc::new(accounts.into_iter().collect())),
        };
        causes.extend(key);
        (!causes.is_empty()).then_some(Invalidation { causes, whom, by: mark })
    }

    /// Whether the tokens and sessions of everybody whom the list names were ended, by all of the means, and
    /// nobody has put that back.
    pub fn list_ended(&self, means: &[Mechanism]) -> bool {
        let ended = |by: &Mechanism| {
            let (Some(shifted), mark) = (self.shifted(Some(by)), by.mark()) else { return true };
            let cause = listed(shifted, 0, Vec::new());
            let mut done = self.of(&cause, &mark).peekable();
            let done = done.peek().is_some() && done.all(|one| !one.restored);
            done && self.left_of_the_list(Some(shifted), &mark).is_empty()
        };
        // Rows that are gone end no token that names its user by itself.
        let of_tokens = means.iter().any(|one| !one.of_rows());
        self.shifted.is_some() && of_tokens && means.iter().all(ended)
    }

    fn shifted(&self, by: Option<&Mechanism>) -> Option<&Shifted> {
        if by.is_some_and(Mechanism::of_rows) { self.shifted_rows.as_ref() } else { self.shifted.as_ref() }
    }

    fn of(&self, cause: &Cause, mark: &str) -> impl Iterator<Item = &Ended> {
        let text = format!("{}{mark}", cause.text());
        self.ended.iter().filter(move |one| one.cause == text)
    }

    /// Ids of the list whose tokens were not ended for it.
    fn left_of_the_list<'s>(&'s self, shifted: Option<&'s Shifted>, mark: &str) -> Vec<&'s String> {
        let Some(shifted) = shifted else { return Vec::new() };
        let done: Vec<&Ended> = self.of(&listed(shifted, 0, Vec::new()), mark).collect();
        let ended =
            |id: &String| done.iter().any(|one| one.accounts.as_ref().is_none_or(|ids| ids.contains(id)));
        shifted.ids.iter().filter(|id| !ended(id)).collect()
    }
}

fn listed(shifted: &Shifted, ids: i64, sample: Vec<String>) -> Cause {
    Cause::Shifted { list: shifted.list.clone(), ids, sample }
}
