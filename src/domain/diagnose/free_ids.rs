//! Which id a new account may get.

use crate::domain::{
    diagnose::named_ids::{highest_id, lowest_id},
    facts::{
        Observation,
        accounts::AdminFacts,
        new_ids::{IdDefault, SequenceFacts, Takes},
        schema::UserTable,
    },
    target::Admin,
};

/// An account that is kept, and what there is to know of it.
pub(in crate::domain) type Kept<'a> = (&'a Admin, &'a AdminFacts);

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

impl Free {
    pub(in crate::domain) fn of(kept: &[Kept<'_>], users: &UserTable, observation: &Observation) -> Self {
        let promised = kept.iter().filter_map(|(_, facts)| {
            let wanted = facts.wanted.as_ref()?.canonical.as_ref()?;
            let there = facts.account.as_ref().is_some_and(|account| account.id == *wanted);
            wanted.parse::<i64>().ok().filter(|_| !there)
        });
        let promised: Vec<i64> = promised.collect();
        let below = match &users.id_default {
            IdDefault::Sequence(sequence) if sequence.descends() => {
                let below = lowest_id(sequence, observation);
                let promised = promised.iter().copied().filter(|id| *id > users.first_id).min();
                Some(Below {
                    below: promised.map_or(below, |id| id.min(below)),
                    first: users.first_id,
                    promised,
                })
            }
            _ => None,
        };
        let above = highest_id(users, observation);
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

    pub(in crate::domain) fn take(&mut self, id: &str) {
        let Ok(id) = id.parse::<i64>() else { return };
        if id < self.last {
            self.above = self.above.max(id);
        }
        if let Some(down) = self.below.as_mut().filter(|down| id > down.first) {
            down.below = down.below.min(id);
        }
    }
}

pub(in crate::domain) struct Below {
    pub(in crate::domain) below: i64,
    pub(in crate::domain) first: i64,
    pub(in crate::domain) promised: Option<i64>,
}
