//! What cheap counters hint at between two deep checks, and how far a hint goes.
//!
//! The server counts rows that were written, late and lossily: a committed row may show a minute later,
//! a crash or a reset makes the counters begin anew, TRUNCATE and ALTER TYPE leave them alone. So they
//! are read together with what else would have moved (storage, catalog rows, the server's start and the
//! times of resets), always *before* the snapshot of a look. What is unsure counts as moved.
//!
//! A hint never proves. A pass that relied on one may only say again what the last deep pass said; with
//! anything else to say, or anything to repair, it looks at every row.

use crate::{
    api::{
        condition::ConditionType,
        report::{FindingReport, ObjectRef, Severity, Skipped},
    },
    domain::{
        facts::{
            KeyElsewhere, Observation, Undeclared,
            references::{Reference, Spelling},
            schema::DatabaseIdentity,
        },
        finding::Finding,
    },
};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use jiff::Timestamp;

/// The counters of a server and of every table that references are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The server and the role.
    pub server: ServerMarks,
    /// The user table; its `updated` leaves out updates that cannot have changed a key.
    pub users: TableMarks,
    /// Every row of the user table that was ever written.
    pub users_written: i64,
    /// The referencing tables, by [`place`].
    pub references: BTreeMap<ObjectRef, TableMarks>,
}

/// What counters of a server depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMarks {
    /// Which database it is.
    pub identity: DatabaseIdentity,
    /// When the server was started.
    pub started: String,
    /// When statistics began anew: of the database, and of the server, which a crash resets.
    pub reset: String,
    /// A standby, which counts nothing of what it replays.
    pub standby: bool,
    /// Whether rows are counted at all, for everybody.
    pub counting: bool,
    /// The role, its attributes, and the roles that it is a member of.
    pub role: String,
}

/// What is cheaply known of one table, its partitions included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMarks {
    /// Versions of the catalog rows that say what the reference is and who may read it.
    pub catalog: String,
    /// The files that hold the rows: another one after TRUNCATE, a rewrite, a partition that came or went.
    pub storage: i64,
    /// Whether the server counts the rows of every part.
    pub countable: bool,
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Rows deleted.
    pub deleted: i64,
}

/// Why a reference is looked at although it was clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The server is a standby.
    Standby,
    /// Somebody's rows are not counted.
    NotCounted,
    /// It is another server or database, or it was started again.
    OtherServer,
    /// The statistics began anew.
    StatisticsReset,
    /// The role or its memberships changed.
    Role,
    /// Users may have gone, or have another key.
    Users,
    /// The reference was not there, or not clean.
    Unknown,
    /// The catalog says something else of it.
    Catalog,
    /// Its rows are in another file.
    Storage,
    /// Rows were written.
    Rows,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standby => "the server is a standby",
            Self::NotCounted => "rows are not counted",
            Self::OtherServer => "the server is another one or was started again",
            Self::StatisticsReset => "the statistics began anew",
            Self::Role => "the role or its memberships changed",
            Self::Users => "users may have gone or got another key",
            Self::Unknown => "it was not looked at before, or was not clean",
            Self::Catalog => "the catalog says something else of it",
            Self::Storage => "its rows are in another file",
            Self::Rows => "rows were written",
        })
    }
}

/// Above this many references every pass looks at all of them, rather than to remember each.
pub(in crate::domain) const MOST: usize = 10_000;

/// Which counters can tell of an orphan.
#[derive(Clone, Copy)]
enum Matters {
    /// Of a referencing table: a row that goes names nobody any more.
    Child,
    /// Of the user table: a user who comes makes no orphan.
    Parent,
}

impl TableMarks {
    /// How a table moved since then, if it seems to have.
    fn moved(&self, now: &Self, matters: Matters) -> Option<Moved> {
        let fell = now.inserted < self.inserted || now.updated < self.updated || now.deleted < self.deleted;
        let written = match matters {
            Matters::Child => now.inserted != self.inserted || now.updated != self.updated,
            Matters::Parent => now.deleted != self.deleted || now.updated != self.updated,
        };
        if !self.countable || !now.countable {
            Some(Moved::NotCounted)
        } else if self.catalog != now.catalog {
            Some(Moved::Catalog)
        } else if self.storage != now.storage {
            Some(Moved::Storage)
        } else if fell {
            Some(Moved::StatisticsReset)
        } else {
            written.then_some(Moved::Rows)
        }
    }
}

impl ServerMarks {
    fn moved(&self, now: &Self) -> Option<Moved> {
        if self.standby || now.standby {
            Some(Moved::Standby)
        } else if !self.counting || !now.counting {
            Some(Moved::NotCounted)
        } else if self.identity != now.identity || self.started != now.started {
            Some(Moved::OtherServer)
        } else if self.reset != now.reset {
            Some(Moved::StatisticsReset)
        } else {
            (self.role != now.role).then_some(Moved::Role)
        }
    }
}

impl Reading {
    /// What concerns every reference.
    fn moved(&self, now: &Self) -> Option<Moved> {
        let users = || self.users.moved(&now.users, Matters::Parent).map(|_| Moved::Users);
        self.server.moved(&now.server).or_else(users)
    }

    /// Why one reference must be looked at, if it must; `self` is from before the last look at it.
    pub(in crate::domain) fn moved_at(&self, now: &Self, place: &ObjectRef) -> Option<Moved> {
        self.moved(now).or_else(|| match (self.references.get(place), now.references.get(place)) {
            (Some(then), Some(now)) => then.moved(now, Matters::Child),
            _ => Some(Moved::Unknown),
        })
    }

    /// The same for a reference with orphans: who deletes such rows, or makes their user, moves it too.
    pub(in crate::domain) fn stands_still(&self, now: &Self, place: &ObjectRef) -> Option<Moved> {
        self.moved_at(now, place).or_else(|| {
            if self.users_written != now.users_written {
                return Some(Moved::Users);
            }
            (self.references.get(place) != now.references.get(place)).then_some(Moved::Rows)
        })
    }

    /// Bytes that it takes, about.
    pub(in crate::domain) fn weight(&self) -> usize {
        let of = |(place, marks): (&ObjectRef, &TableMarks)| 320 + names(place) + marks.catalog.len();
        self.references.iter().map(of).sum()
    }

    /// Whether the catalog says the same of the user table, to the same role.
    fn same_users(&self, now: &Self) -> bool {
        self.server.moved(&now.server).is_none() && self.users.catalog == now.users.catalog
    }

    /// Whether the catalog has the same references, each as it was.
    fn same_catalog(&self, now: &Self) -> bool {
        let catalogs = |reading: &Self| -> Vec<(ObjectRef, String)> {
            let of = |(place, marks): (&ObjectRef, &TableMarks)| (place.clone(), marks.catalog.clone());
            reading.references.iter().map(of).collect()
        };
        self.moved(now).is_none() && catalogs(self) == catalogs(now)
    }
}

/// What a reference is known again by: a constraint has one name in its table, whatever its columns.
pub fn place(object: &ObjectRef) -> ObjectRef {
    let mut place = object.clone();
    if place.constraint.is_some() {
        place.columns.clear();
    }
    place
}

/// Bytes of the names of a reference, with what each takes beside them.
pub(in crate::domain) fn names(object: &ObjectRef) -> usize {
    let names = [&object.schema, &object.table].into_iter().chain(&object.columns).chain(&object.constraint);
    names.map(|name| 32 + name.len()).sum()
}

/// What a pass relies on instead of looking; by default nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reuse {
    /// References as the last look at each saw them: no row named nobody.
    pub references: Vec<Reference>,
    /// What else was in scope, where the whole scope is as it was and clean.
    pub rest: Option<Rest>,
    /// How many accounts are nearly called as the admin is, where nobody wrote to the user table.
    pub look_alikes: Option<i64>,
    /// The same of the accounts beside it, in the target's order.
    pub alike_beside: Option<Vec<i64>>,
    /// Whether the catalog says of the user table what it said before.
    pub same_users: bool,
    /// References that are looked at again, and why.
    pub moved: Vec<(ObjectRef, Moved)>,
    places: BTreeSet<ObjectRef>,
    /// What searches before have seen: each of these is in the scope of the look as any other, and only not
    /// searched again.
    searched: BTreeMap<ObjectRef, Option<Remembered>>,
    /// In which turn references were tried by passes before, by [`place`].
    tried: BTreeMap<ObjectRef, u64>,
}

/// What is in scope beside the references that are looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rest {
    /// References that are not looked at.
    pub skipped: Vec<Skipped>,
    /// Foreign keys that a rule asks for and that are not there.
    pub missing: Vec<ObjectRef>,
    /// Foreign keys of columns that name users, which reference another table.
    pub elsewhere: Vec<KeyElsewhere>,
    /// Columns that look as if they named users, and are not checked.
    pub undeclared: Undeclared,
}

impl Reuse {
    /// Whether everything is to be looked at.
    pub fn is_nothing(&self) -> bool {
        self.references.is_empty() && self.rest.is_none()
    }

    /// What searches of passes before need not be done again for; see `round`.
    pub(in crate::domain) fn on_searches(
        searched: BTreeMap<ObjectRef, Option<Remembered>>,
        tried: BTreeMap<ObjectRef, u64>,
        moved: Vec<(ObjectRef, Moved)>,
    ) -> Self {
        Self { searched, tried, moved, ..Self::default() }
    }

    /// Whether this reference needs no look at all.
    pub fn on(&self, object: &ObjectRef) -> bool {
        self.places.contains(&place(object))
    }

    /// Whether it is in scope as any other, and need not be searched again; with its orphans, if it has any.
    pub fn on_search_of(&self, object: &ObjectRef) -> Option<Option<&Remembered>> {
        self.searched.get(&place(object)).map(Option::as_ref)
    }

    /// Whether it is not looked at in this pass, by [`place`].
    pub(in crate::domain) fn rests_on(&self, place: &ObjectRef) -> bool {
        self.places.contains(place) || self.searched.contains_key(place)
    }

    /// When it was tried last, in turns of passes; 0 for what never was.
    pub fn turn(&self, object: &ObjectRef) -> u64 {
        self.tried.get(&place(object)).copied().unwrap_or(0)
    }
}

/// What a deep pass leaves to rely on: every reference in it was without orphans.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    at: Timestamp,
    reading: Reading,
    clean: BTreeMap<ObjectRef, Reference>,
    /// References that were looked at, also those with orphans that a rule accepts.
    all: usize,
    rest: Rest,
    look_alikes: Option<i64>,
    alike_beside: Vec<i64>,
    said: Vec<FindingReport>,
}

impl Baseline {
    /// What a deep pass at `at` leaves, with the counters read before its snapshot; nothing where
    /// something was wrong that warnings do not cover.
    pub fn after(
        at: Timestamp,
        reading: Reading,
        observation: &Observation,
        found: &[Finding],
    ) -> Option<Self> {
        if observation.references.len() > MOST || !found.iter().all(harmless) {
            return None;
        }
        let said = found.iter().filter(|one| of_database(one)).map(|one| one.finding.clone()).collect();
        let (clean, rest) = (BTreeMap::new(), Rest::default());
        Some(
            Self { at, reading, clean, all: 0, rest, look_alikes: None, alike_beside: Vec::new(), said }
                .seeing(observation),
        )
    }

    /// The same after a pass that relied on it and was upheld, with the counters read before its
    /// snapshot. The deep check stays as old as it is.
    pub fn renewed(self, reading: Reading, observation: &Observation) -> Self {
        Self { reading, ..self }.seeing(observation)
    }

    fn seeing(mut self, observation: &Observation) -> Self {
        let clean = |reference: &&Reference| {
            reference.orphans.rows == 0 && self.reading.references.contains_key(&place(&reference.object))
        };
        self.clean = observation
            .references
            .iter()
            .filter(clean)
            .map(|reference| (place(&reference.object), reference.clone()))
            .collect();
        self.all = observation.references.len();
        self.look_alikes = observation.admin.as_ref().map(|admin| admin.look_alikes);
        self.alike_beside = observation.accounts.iter().map(|account| account.look_alikes).collect();
        self.rest = Rest {
            skipped: observation.skipped.clone(),
            missing: observation.missing_constraints.clone(),
            elsewhere: observation.elsewhere.clone(),
            undeclared: observation.undeclared.clone(),
        };
        self
    }

    /// What a pass at `at` may rely on, with the counters that it read.
    pub fn rely(&self, now: &Reading, at: Timestamp, deep_interval: Duration) -> Reuse {
        // A clock that was set back says nothing about how long ago something was.
        let fresh = Duration::try_from(at.duration_since(self.at)).is_ok_and(|age| age < deep_interval);
        let mut relied = Reuse::default();
        if !fresh {
            return relied;
        }
        for (place, reference) in &self.clean {
            match self.reading.moved_at(now, place) {
                Some(why) => relied.moved.push((place.clone(), why)),
                None => {
                    relied.places.insert(place.clone());
                    relied.references.push(reference.clone());
                }
            }
        }
        if relied.references.len() == self.all && self.reading.same_catalog(now) {
            relied.rest = Some(self.rest.clone());
        }
        relied.same_users = self.reading.same_users(now);
        if self.reading.moved(now).is_none() && self.reading.users_written == now.users_written {
            relied.look_alikes = self.look_alikes;
            relied.alike_beside = Some(self.alike_beside.clone());
        }
        relied
    }

    /// Bytes that it takes, about.
    pub fn weight(&self) -> usize {
        let clean = self.clean.iter().map(|(place, one)| 1_280 + 2 * names(place) + one.definition.len());
        let skipped = self.rest.skipped.iter().map(|one| 256 + names(&one.object) + one.why.len());
        let elsewhere =
            self.rest.elsewhere.iter().map(|one| 512 + 2 * names(&one.object) + one.definition.len());
        self.reading.weight() + clean.sum::<usize>() + skipped.sum::<usize>() + elsewhere.sum::<usize>()
    }

    /// Whether a pass that relied on this may say what it found: nothing but what was said before.
    pub fn upholds(&self, found: &[Finding]) -> bool {
        let now: Vec<&FindingReport> =
            found.iter().filter(|one| of_database(one)).map(|one| &one.finding).collect();
        // A look at few references finds in another order than one at all.
        found.iter().all(harmless) && in_order(now) == in_order(self.said.iter().collect())
    }
}

fn in_order(mut findings: Vec<&FindingReport>) -> Vec<&FindingReport> {
    findings.sort_by(|a, b| {
        (a.condition, a.finding, &a.object, &a.message).cmp(&(b.condition, b.finding, &b.object, &b.message))
    });
    findings
}

/// Whether it is about the database; a key or an app is no counter's affair.
fn of_database(one: &Finding) -> bool {
    !matches!(one.finding.condition, ConditionType::SigningKeyTrusted | ConditionType::TokensAccepted)
}

/// Whether it may be said on a hint.
fn harmless(one: &Finding) -> bool {
    !of_database(one)
        || (one.step.is_none()
            && one.finding.severity == Severity::Warning
            && one.finding.condition != ConditionType::ReferencesConsistent)
}

/// Orphans that a search before has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// The reference with them.
    pub reference: Reference,
    /// Whether they name users in another spelling.
    pub spelling: Option<Spelling>,
}

#[cfg(test)]
mod tests;
