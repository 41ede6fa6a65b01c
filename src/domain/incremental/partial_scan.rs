//! A look that does not fit into one snapshot goes round by round: what one pass has searched and found
//! clean, the next one need not search again as long as nothing seems to have moved there, so that it
//! goes on with the rest.
//!
//! This is no verdict on hints. Each row of each reference was looked at by a search; the counters, which
//! were read *before* that search, only say that it need not be done twice. What was searched too long
//! ago, or has moved, is searched again, and so is what a repair would be about.

use crate::{
    api::report::ObjectRef,
    domain::{
        facts::Observation,
        incremental::change_marks::{MOST, Reading, Remembered, Reuse, names, place},
        text::{count, number},
    },
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

/// What the passes so far have searched.
#[derive(Debug, Clone, PartialEq)]
pub struct PartialScan {
    reading: Reading,
    /// What each search saw.
    searched: BTreeMap<ObjectRef, Sight>,
    /// In which turn each was tried last, found clean or not.
    tried: BTreeMap<ObjectRef, u64>,
    turn: u64,
    seen: usize,
}

/// What a search saw, and when.
#[derive(Debug, Clone, PartialEq)]
struct Sight {
    at: Timestamp,
    /// What it found, where some rows name nobody.
    orphans: Option<Remembered>,
}

impl PartialScan {
    /// What a pass at `at` need not search, with the counters that it read.
    pub fn rely(&self, now: &Reading, at: Timestamp, deep_interval: Duration) -> Reuse {
        let mut places = BTreeMap::new();
        let mut moved = Vec::new();
        for (place, sight) in &self.searched {
            // A clock that was set back says nothing about how long ago something was.
            let fresh = Duration::try_from(at.duration_since(sight.at)).is_ok_and(|age| age < deep_interval);
            let still = match sight.orphans {
                Some(_) => self.reading.stands_still(now, place),
                None => self.reading.moved_at(now, place),
            };
            match still {
                None if fresh => {
                    places.insert(place.clone(), sight.orphans.clone());
                }
                None => {}
                Some(why) => moved.push((place.clone(), why)),
            }
        }
        Reuse::on_searches(places, self.tried.clone(), moved)
    }

    /// The same without the orphans that were found: something was done about them.
    pub fn mended(mut self) -> Self {
        self.searched.retain(|_, sight| sight.orphans.is_none());
        self
    }

    /// The same without what was found of some references, which are searched first now.
    pub fn but(mut self, objects: &[ObjectRef]) -> Self {
        for place in objects.iter().map(place) {
            self.searched.remove(&place);
            self.tried.remove(&place);
        }
        self
    }

    /// What is known after a look at `at`: `relied` is what it did not search, `tried` what it began to,
    /// and `reading` are the counters from before its snapshot.
    pub fn after(
        before: Option<&Self>,
        relied: &Reuse,
        at: Timestamp,
        reading: Reading,
        observation: &Observation,
        tried: &[Arc<ObjectRef>],
    ) -> Option<Self> {
        let seen = observation.references.len();
        if seen + observation.unreached.len() > MOST {
            return None;
        }
        let searched: BTreeSet<ObjectRef> = tried.iter().map(|object| place(object)).collect();
        let mut sights = BTreeMap::new();
        for reference in &observation.references {
            let place = place(&reference.object);
            let known = before.and_then(|before| before.searched.get(&place));
            if searched.contains(&place) && reading.references.contains_key(&place) {
                let spelling = observation.spellings.iter().find(|one| one.object == reference.object);
                let orphans = (reference.orphans.rows > 0)
                    .then(|| Remembered { reference: reference.clone(), spelling: spelling.cloned() });
                sights.insert(place, Sight { at, orphans });
            } else if let Some(known) = known.filter(|_| relied.rests_on(&place)) {
                sights.insert(place, known.clone());
            }
        }
        let turn = before.map_or(0, |before| before.turn) + 1;
        let mut last = before.map(|before| before.tried.clone()).unwrap_or_default();
        last.extend(searched.into_iter().map(|place| (place, turn)));
        Some(Self { reading, searched: sights, tried: last, turn, seen })
    }

    /// Bytes that it takes, about.
    pub fn weight(&self) -> usize {
        let searched = self.searched.iter().map(|(place, sight)| {
            256 + names(place) + if sight.orphans.is_some() { 2_048 + 2 * names(place) } else { 0 }
        });
        let tried = self.tried.keys().map(|place| 224 + names(place));
        self.reading.weight() + searched.sum::<usize>() + tried.sum::<usize>()
    }

    /// When the first of the searches was that this rests on.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.searched.values().map(|sight| sight.at).min()
    }

    /// How many references were looked at, or needed no look, in the last pass.
    pub fn seen(&self) -> usize {
        self.seen
    }
}

/// Looks that have not seen all references yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// References that were looked at.
    pub seen: usize,
    /// References in scope.
    pub all: usize,
    /// Whether this pass got further than those before.
    pub advanced: bool,
}

impl Unfinished {
    /// `3 of 5 references looked at; the next pass goes on with the rest (logs.user_id, notes.user_id)`.
    pub fn message(&self, rest: &[String]) -> String {
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let more = if rest.len() > 3 { ", …" } else { "" };
        let names: Vec<&str> = rest.iter().take(3).map(String::as_str).collect();
        format!(
            "{} of {} looked at; the next pass goes on with the rest ({}{more})",
            number(size(self.seen)),
            count(size(self.all), "reference"),
            names.join(", ")
        )
    }
}
