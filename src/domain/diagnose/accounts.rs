//! The accounts that are kept, taken together: none of them stands in another's way, and each new one gets
//! an id of its own. What is wrong with one of them alone is `admin`'s.

use super::hashing;
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
    },
    domain::{
        diagnose::{Diagnosed, Requests, Step, account, person, references},
        facts::{
            AdminFacts, Observation, UserTable,
            new_ids::{IdDefault, SequenceFacts, Takes},
        },
        target::{Admin, Target},
    },
};

/// An account that is kept, and what there is to know of it.
type Kept<'a> = (&'a Admin, &'a AdminFacts);

/// What is wrong with the accounts that are kept.
pub(in crate::domain) fn diagnose(
    target: &Target,
    users: &UserTable,
    observation: &Observation,
    requests: &Requests,
) -> Vec<Diagnosed> {
    let admin = target.admin.iter().zip(&observation.admin);
    let kept: Vec<Kept<'_>> = admin.chain(target.accounts.iter().zip(&observation.accounts)).collect();
    let mut free = Free::of(&kept, users, observation);
    let mut found = Vec::from_iter(contradicted(target, users));
    for (at, one) in kept.iter().enumerate() {
        let (account, facts) = *one;
        // Whoever comes first is kept all the same: a mistake beside it does not touch the admin.
        if let Some(clash) = kept.iter().take(at).find_map(|other| clash(target, users, *one, *other)) {
            found.push(clash);
            continue;
        }
        let mut mine = account::diagnose(target, account, facts, users, observation, requests, &free);
        for one in &mut mine {
            changes_hands(&kept, account, one);
            if let Some(Step::Seed { id: Some(id), .. }) = &one.step {
                free.take(id);
            }
        }
        found.extend(mine);
    }
    found
}

/// The spec names a format that nobody else's password has: said once, whatever is to be written.
fn contradicted(target: &Target, users: &UserTable) -> Option<Diagnosed> {
    let refused = users.passwords.values().find_map(|sample| hashing::contradicted(target, Some(sample)))?;
    let columns = target.users.password_column.iter().cloned().collect();
    let object = ObjectRef { columns, ..users.object.clone() };
    let condition = ConditionType::AdminConsistent;
    Some(person(refused.reason, condition, Severity::Error, Some(object), refused.why))
}

/// Why an account cannot be kept beside one that comes before it.
fn clash(target: &Target, users: &UserTable, one: Kept<'_>, other: Kept<'_>) -> Option<Diagnosed> {
    let ((account, facts), (before, theirs)) = (one, other);
    let plain = |login: &str| login.trim().to_lowercase();
    let row = |facts: &AdminFacts| facts.account.as_ref().map(|account| account.id.clone());
    let wanted = |facts: &AdminFacts| facts.wanted.as_ref().and_then(|wanted| wanted.canonical.clone());
    let (column, reason, severity, message) = if plain(&account.login) == plain(&before.login)
        || row(facts).is_some_and(|id| row(theirs) == Some(id))
    {
        let message = format!(
            "{} ({:?}) and {} ({:?}) name one account by case, spaces or the column's own equality: keep one of them in the spec",
            account.field(),
            account.login,
            before.field(),
            before.login
        );
        (target.users.login_column.clone(), Reason::AdminAmbiguous, Severity::Error, message)
    } else if wanted(facts).is_some_and(|id| wanted(theirs) == Some(id)) {
        let message = format!(
            "{}.id says {} for {}, which is the id that {}.id says: choose another id",
            account.field(),
            account.id.as_deref().unwrap_or_default(),
            account.called(),
            before.field()
        );
        (Some(target.users.id_column.clone()), Reason::AdminIdClaimed, Severity::Critical, message)
    } else {
        return None;
    };
    let object = ObjectRef { columns: column.into_iter().collect(), ..users.object.clone() };
    Some(person(reason, ConditionType::AdminConsistent, severity, Some(object), message))
}

/// An id that an account leaves and that the spec gives to another one: the next pass would give it away,
/// with the old tokens that name it.
fn changes_hands(kept: &[Kept<'_>], account: &Admin, found: &mut Diagnosed) {
    let Some(Step::MoveId { from, .. }) = &found.step else { return };
    let heir = kept.iter().find(|(other, facts)| {
        let wanted = facts.wanted.as_ref().and_then(|wanted| wanted.canonical.as_ref());
        other.place != account.place && wanted == Some(from)
    });
    if let Some((heir, _)) = heir {
        found.approval.get_or_insert_with(|| {
            format!(
                "{}.id gives the id {from} to {} next: whoever holds an old token for it would become {}",
                heir.field(),
                heir.called(),
                heir.called()
            )
        });
    }
}

/// Integer ids that nobody has, no row names, and the spec gives to nobody.
pub(in crate::domain) struct Free {
    above: i64,
    /// The last id that there can be, which nobody gets.
    last: i64,
    /// The highest id that the spec gives to an account which does not have it.
    promised: Option<i64>,
    /// The same downwards, where a sequence counts so.
    below: Option<Below>,
    takes: Takes,
}

struct Below {
    below: i64,
    first: i64,
    promised: Option<i64>,
}

impl Free {
    fn of(kept: &[Kept<'_>], users: &UserTable, observation: &Observation) -> Self {
        let promised = kept.iter().filter_map(|(_, facts)| {
            let wanted = facts.wanted.as_ref()?.canonical.as_ref()?;
            let there = facts.account.as_ref().is_some_and(|account| account.id == *wanted);
            wanted.parse::<i64>().ok().filter(|_| !there)
        });
        let promised: Vec<i64> = promised.collect();
        let below = match &users.id_default {
            IdDefault::Sequence(sequence) if sequence.descends() => {
                let below = references::lowest_id(sequence, observation);
                let promised = promised.iter().copied().filter(|id| *id > users.first_id).min();
                Some(Below {
                    below: promised.map_or(below, |id| id.min(below)),
                    first: users.first_id,
                    promised,
                })
            }
            _ => None,
        };
        let above = references::highest_id(users, observation);
        let promised = promised.into_iter().max().filter(|id| *id < users.last_id);
        Self {
            above: promised.map_or(above, |id| id.max(above)),
            last: users.last_id,
            promised,
            below,
            takes: users.takes.clone(),
        }
    }

    /// The next of them, where nothing but us counts ids.
    pub(in crate::domain) fn next(&self) -> Option<i64> {
        self.takes.from(self.above.checked_add(1)?).filter(|id| *id < self.last)
    }

    /// The next of them where a sequence counts ids and would come by one that the spec gives to somebody;
    /// otherwise the sequence is asked. It is moved past the new id afterwards, as past any other.
    pub(in crate::domain) fn past(&self, sequence: &SequenceFacts) -> Option<i64> {
        if let Some(down) = &self.below {
            down.promised.filter(|id| *id <= sequence.next)?;
            return self.takes.down_from(down.below.checked_sub(1)?).filter(|id| *id > down.first);
        }
        self.promised.filter(|id| *id >= sequence.next)?;
        self.next()
    }

    fn take(&mut self, id: &str) {
        let Ok(id) = id.parse::<i64>() else { return };
        if id < self.last {
            self.above = self.above.max(id);
        }
        if let Some(down) = self.below.as_mut().filter(|down| id > down.first) {
            down.below = down.below.min(id);
        }
    }
}
