//! What a migration would break, said before it: one look at the source, held against what makes moves fail.
//!
//! A risk is no finding: everything may be consistent today and still not survive a move. Each risk says what
//! would break, what of this target says so, and what to do; where it does not hold, nothing is said. What could
//! not be looked at is never called ready.

mod admin;
mod rows;
mod sign_in;

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::{
        facts::{
            Observation,
            accounts::LoginFacts,
            key_kind::KeyKind,
            new_ids::{IdDefault, Untold},
            schema::UserTable,
        },
        fault::USERS_UNUSABLE,
        target::Target,
        text::{count, number},
    },
    tokens::KeyWeakness,
};

use serde::Serialize;

use super::suggestions::Suggestion;

/// Pieces of evidence that are told one by one.
const TOLD: usize = 12;

/// What makes a move break something.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RiskName {
    /// Ids are counted up by a sequence, so the target may give them out anew.
    CountedIds,
    /// Tokens name such an id.
    SubjectIsId,
    /// An id stands in more than one row of the user table.
    IdNotUnique,
    /// Accounts cannot be told apart by their logins.
    LoginAmbiguous,
    /// The signing key looks like one that others know, or that is stored otherwise elsewhere.
    KeyInCode,
    /// No key of before is accepted beside a new one.
    NoOverlap,
    /// The app cannot refuse tokens that were made before a moment.
    NoInvalidation,
    /// Tokens live so long that they outlast the move.
    LongLivedTokens,
    /// Columns name users, and no foreign key that vouches for their rows says so.
    ReferenceWithoutConstraint,
    /// Rows that name nobody would be taken along.
    ReferencesWithOrphans,
    /// Nothing makes the admin the same one everywhere.
    AdminByHand,
}

impl RiskName {
    /// Every name, in the order in which risks are told.
    pub const ALL: [Self; 11] = [
        Self::CountedIds,
        Self::SubjectIsId,
        Self::IdNotUnique,
        Self::LoginAmbiguous,
        Self::KeyInCode,
        Self::NoOverlap,
        Self::NoInvalidation,
        Self::LongLivedTokens,
        Self::ReferenceWithoutConstraint,
        Self::ReferencesWithOrphans,
        Self::AdminByHand,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CountedIds => "CountedIds",
            Self::SubjectIsId => "SubjectIsId",
            Self::IdNotUnique => "IdNotUnique",
            Self::LoginAmbiguous => "LoginAmbiguous",
            Self::KeyInCode => "KeyInCode",
            Self::NoOverlap => "NoOverlap",
            Self::NoInvalidation => "NoInvalidation",
            Self::LongLivedTokens => "LongLivedTokens",
            Self::ReferenceWithoutConstraint => "ReferenceWithoutConstraint",
            Self::ReferencesWithOrphans => "ReferencesWithOrphans",
            Self::AdminByHand => "AdminByHand",
        }
    }

    /// The command that prints the page about it.
    fn docs(self) -> &'static str {
        match self {
            Self::CountedIds => "auth-consistency explain uuids",
            _ => "auth-consistency explain preflight",
        }
    }
}

/// One thing that a move would break.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    /// What it is.
    pub risk: RiskName,
    /// What would break, in a sentence or two.
    pub breaks: String,
    /// What of this target says so; never empty.
    pub evidence: Vec<String>,
    /// What to do before the move, or in it.
    pub to_do: String,
    /// The command that prints the page about it.
    pub docs: &'static str,
}

/// What the look at a source comes to.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// True: nothing would break. False: something would. Null: something could not be looked at.
    pub ready: Option<bool>,
    /// What would break, in the order of [`RiskName::ALL`].
    pub risks: Vec<Risk>,
    /// What could not be looked at, and why: nothing is claimed about it.
    pub untold: Vec<String>,
    /// What nobody can tell from here, and what was left out since nothing names it.
    pub notes: Vec<String>,
}

/// What is known of a source.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// One look at the database.
    pub observation: &'a Observation,
    /// The columns of the user table.
    pub columns: &'a [String],
    /// How logins tell accounts apart; `None` where no login column is known, or they could not be counted.
    pub logins: Option<LoginFacts>,
    /// Columns that may name users although no foreign key says so.
    pub suggestions: &'a [Suggestion],
    /// Columns that may be such and were not sampled, since there are so many.
    pub unsampled: i64,
    /// Columns that may be such and could not be sampled.
    pub unreadable: &'a [Skipped],
    /// What is wrong with the signing key and the previous keys, with the Secret that each is from.
    pub keys: &'a [(String, KeyWeakness)],
    /// What a statement was to tell, and how it failed.
    pub failed: &'a [String],
}

/// Says what a move of the source would break.
pub fn judge(target: &Target, facts: &Facts<'_>) -> Preflight {
    let users = facts.observation.users.as_ref().ok();
    let mut risks: Vec<Risk> = [
        users.and_then(|users| counted_ids(facts, users)),
        users.and_then(|users| sign_in::subject_is_id(target, users)),
        users.and_then(|users| sign_in::id_not_unique(target, users)),
        users.and_then(|_| sign_in::login_ambiguous(target, facts)),
        sign_in::key_in_code(facts),
        sign_in::no_overlap(target, users),
        users.and_then(|users| sign_in::no_invalidation(target, facts, users)),
        sign_in::long_lived_tokens(target),
        users.and_then(|_| rows::without_constraint(target, facts)),
        users.and_then(|_| rows::with_orphans(target, facts)),
        admin::by_hand(target, facts),
    ]
    .into_iter()
    .flatten()
    .collect();
    for risk in &mut risks {
        shorten(&mut risk.evidence);
    }
    let untold = untold(facts);
    let ready = match (risks.is_empty(), untold.is_empty()) {
        (false, _) => Some(false),
        (true, true) => Some(true),
        (true, false) => None,
    };
    Preflight { ready, risks, untold, notes: notes(target, facts) }
}

/// Whether the ids are counted up: integers are, by the column's sequence, by one that the app asks itself
/// (JPA does), or by a function.
fn counted(users: &UserTable) -> bool {
    users.id_kind == KeyKind::Integer
}

fn counted_ids(facts: &Facts<'_>, users: &UserTable) -> Option<Risk> {
    if !counted(users) {
        return None;
    }
    let mut evidence = vec![match &users.id_default {
        IdDefault::Sequence(sequence) if sequence.ahead => format!(
            "the ids of {} are {}, and the sequence {} gives them: where it stands, a standby does not know",
            users.object.describe(),
            users.id_type,
            sequence.object.describe()
        ),
        IdDefault::Sequence(sequence) => format!(
            "the ids of {} are {}, and the sequence {} gives them: the next is {}",
            users.object.describe(),
            users.id_type,
            sequence.object.describe(),
            number(sequence.next)
        ),
        IdDefault::UnreadableSequence(name) => format!(
            "the ids of {} are {}, and the sequence {name} gives them, which the role may not read",
            users.object.describe(),
            users.id_type
        ),
        IdDefault::Untold(Untold::Triggers(names)) => format!(
            "the ids of {} are {}, and the column has no default: the app gives them, or {} does",
            users.object.describe(),
            users.id_type,
            listed(names)
        ),
        IdDefault::Expression | IdDefault::Untold(_) => format!(
            "the ids of {} are {}, and an expression of the column gives them",
            users.object.describe(),
            users.id_type
        ),
        IdDefault::None => format!(
            "the ids of {} are {}, and the app gives them: the column has no default",
            users.object.describe(),
            users.id_type
        ),
    }];
    if let Some(highest) = users.highest_id {
        evidence.push(format!("the highest id is {}", number(highest)));
    }
    let naming =
        facts.observation.references.iter().map(|one| &one.object).chain(&facts.observation.unreached);
    let naming: Vec<String> = naming.map(ObjectRef::describe).collect();
    if !naming.is_empty() {
        evidence.push(format!("{}: {}", naming_them(naming.len()), listed(&naming)));
    }
    Some(Risk {
        risk: RiskName::CountedIds,
        breaks: "a target that is seeded anew, or that people signed up to before the rows came, numbers users by a count of its own: an old id is nobody's there, or another person's".into(),
        evidence,
        to_do: if users.shared_ids.is_some() {
            "end IdNotUnique first: until then no snapshot can be taken, and no row can be given back by one; for good, move to UUIDs, step by step"
        } else {
            "take a snapshot before the move and give rows back with `onOrphan: Remap` after it (`auth-consistency explain remap`); for good, move to UUIDs, step by step"
        }.into(),
        docs: RiskName::CountedIds.docs(),
    })
}

fn naming_them(references: usize) -> String {
    let references = i64::try_from(references).unwrap_or(i64::MAX);
    format!("{} {} them", count(references, "reference"), if references == 1 { "names" } else { "name" })
}

/// A few names, and how many more there are.
fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    let mut text = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        text.push_str(&format!(
            " and {} more",
            number(i64::try_from(names.len() - MOST).unwrap_or(i64::MAX))
        ));
    }
    text
}

fn shorten(evidence: &mut Vec<String>) {
    if let Some(more) = evidence.len().checked_sub(TOLD).filter(|more| *more > 0) {
        evidence.truncate(TOLD);
        evidence.push(format!("and {} more", number(i64::try_from(more).unwrap_or(i64::MAX))));
    }
}

/// What could not be looked at. What a rule ignores was left out on purpose.
fn untold(facts: &Facts<'_>) -> Vec<String> {
    let observation = facts.observation;
    let mut untold = Vec::new();
    if observation.users.is_err() {
        untold.push(USERS_UNUSABLE.to_owned());
        return untold;
    }
    let unread = observation.skipped.iter().filter(|one| !one.asked).chain(facts.unreadable);
    untold.extend(unread.map(|one| format!("{}: {}", one.object.describe(), one.why)));
    if !observation.unreached.is_empty() {
        let names: Vec<String> = observation.unreached.iter().map(ObjectRef::describe).collect();
        untold.push(format!("the time did not suffice for {}", listed(&names)));
    }
    if facts.unsampled > 0 {
        untold.push(format!(
            "{} that may name users {} not sampled: declare or ignore those that you know in spec.references.rules",
            count(facts.unsampled, "column"),
            if facts.unsampled == 1 { "was" } else { "were" }
        ));
    }
    untold.extend(rows::perhaps(facts));
    untold.extend(facts.failed.iter().cloned());
    shorten(&mut untold);
    untold
}

fn notes(target: &Target, facts: &Facts<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if target.jwt.is_none() {
        notes.push("no signing key is named, so nothing is said of keys and tokens".to_owned());
    } else if facts.keys.is_empty() {
        notes.push(
            "the signing key looks like a drawn one; whether it also stands in the app's code, nobody can tell by its look"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests;
