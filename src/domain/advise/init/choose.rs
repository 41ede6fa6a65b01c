//! Which table holds the accounts: ranked by what references it, what its columns hold and what they are called, never
//! by its name alone. Where two tables could be meant, a person says which.

use super::{
    facts::{DatabaseFacts, ForeignKeyFacts, TableFacts},
    frameworks::{self, Framework},
    login::{self, Login},
    names,
    password::{self, Password},
};
use crate::domain::{
    advise::account_names::{AccountNames, Says},
    text::{count, number},
};

/// A table that may hold the accounts.
#[derive(Debug, Clone)]
pub struct Candidate<'f> {
    /// The table.
    pub facts: &'f TableFacts,
    /// The app that it is recognised as.
    pub framework: Option<&'static Framework>,
    /// Its columns that people may sign in with, the best first.
    pub logins: Vec<Login<'f>>,
    /// Its columns that may hold passwords, the best first.
    pub passwords: Vec<Password<'f>>,
    /// Foreign keys that reference it.
    pub keys: usize,
    /// Those of them whose columns are called as those that name users.
    pub people: usize,
}

/// What the tables come to.
#[derive(Debug, Clone)]
pub enum Choice<'f> {
    /// One table, and what else was looked at, each with why it is not meant.
    One(Box<Candidate<'f>>, Vec<String>),
    /// Several could be meant, the best first.
    Several(Vec<Candidate<'f>>),
    /// None could.
    Nothing,
}

impl<'f> Candidate<'f> {
    /// What there is to say of a table, whether or not it is a candidate.
    pub fn of(facts: &'f TableFacts) -> Self {
        let framework = frameworks::recognise(facts);
        let names = AccountNames::of(&facts.table);
        let people = |key: &&ForeignKeyFacts| {
            key.column().and_then(|column| names.column(column)).is_some_and(|says| says != Says::Perhaps)
        };
        Self {
            facts,
            framework,
            logins: login::columns(facts, framework),
            passwords: password::columns(facts),
            keys: facts.referenced.len(),
            people: facts.referenced.iter().filter(people).count(),
        }
    }

    fn named(&self) -> bool {
        names::is_account_table(&self.facts.table)
    }

    /// Whether its columns alone make it a table that may hold accounts.
    fn may_be(&self) -> bool {
        let by_password = !self.passwords.is_empty() && (!self.logins.is_empty() || self.named());
        let told_apart = self.logins.first().is_some_and(Login::tells_apart);
        self.facts.has_key()
            && (by_password
                || told_apart && (self.people > 0 || self.named())
                || !self.logins.is_empty() && self.named())
    }

    /// Whether it belongs to another table of accounts: its rows have no login of their own, or are one for one those of
    /// the other and have no password.
    fn belongs_to(&self, other: &Self) -> bool {
        let mut leads = self.facts.references.iter().filter(|key| {
            key.to.0 == other.facts.schema
                && key.to.1 == other.facts.table
                && self.facts.name() != other.facts.name()
        });
        let one_for_one = |key: &ForeignKeyFacts| {
            key.column().and_then(|column| self.facts.unique(column)).is_some_and(|key| !key.partial)
        };
        match (self.logins.is_empty(), self.passwords.is_empty()) {
            (true, _) => leads.next().is_some(),
            (false, true) => leads.any(one_for_one),
            (false, false) => false,
        }
    }

    fn rank(&self) -> (bool, bool, usize, usize, bool, bool) {
        (
            self.passwords.first().is_some_and(|one| one.share.is_some()),
            !self.passwords.is_empty(),
            self.people,
            self.keys,
            self.logins.first().is_some_and(Login::tells_apart),
            self.named(),
        )
    }

    fn is_empty(&self) -> bool {
        self.facts.sampled == 0 && self.facts.rows.unwrap_or(0) <= 0 && self.facts.unread.is_none()
    }

    /// Why this one is meant and not a rival; `None` where only a person can say.
    fn stands_before(&self, rival: &Self) -> Option<String> {
        let copy = AccountNames::of(&self.facts.table).alike(&rival.facts.table);
        if !self.passwords.is_empty()
            && rival.passwords.is_empty()
            && self.people >= rival.people
            && (self.named() || !rival.named())
        {
            return Some(
                "it holds no passwords, and not more columns that name accounts reference it".into(),
            );
        }
        if rival.keys == 0 && self.keys > 0 && rival.is_empty() && self.facts.sampled > 0 {
            return Some("it is empty, and nothing references it".into());
        }
        if copy && rival.keys == 0 && self.keys > 0 && !rival.logins.first().is_some_and(Login::tells_apart) {
            return Some("it is called as a copy is, and nothing references it".into());
        }
        None
    }

    /// What is known of the table as a whole.
    pub fn about(&self) -> Vec<String> {
        let mut said = Vec::new();
        if let Some(framework) = self.framework {
            said.push(format!("its columns are those of {}", framework.name));
        }
        if self.keys > 0 {
            let keys = i64::try_from(self.keys).unwrap_or(i64::MAX);
            let (keys, verb) =
                (count(keys, "foreign key"), if keys == 1 { "references" } else { "reference" });
            said.push(match self.people {
                0 => format!("{keys} {verb} it"),
                people if people == self.keys => {
                    format!(
                        "{keys} {verb} it, by {}",
                        if people == 1 { "a column that names users" } else { "columns that name users" }
                    )
                }
                people => format!("{keys} {verb} it, {people} of them by columns that name users"),
            });
        } else {
            said.push("no foreign key references it".into());
        }
        if let Some(why) = &self.facts.unread {
            said.push(format!("no row of it was read: {why}"));
        }
        said
    }

    /// The evidence, in words.
    pub fn evidence(&self) -> Vec<String> {
        let mut said = self.about();
        if let Some(password) = self.passwords.first() {
            said.push(format!("{} {}", password.column, password.holds()));
        }
        if let Some(login) = self.logins.first() {
            said.push(format!("{} is {}", login.column.name, login.how()));
        }
        said
    }

    /// One line of a list.
    pub fn line(&self) -> String {
        let rows = self.facts.rows.map_or_else(String::new, |rows| format!(", about {} rows", number(rows)));
        format!("{}{rows}: {}", self.facts.shown(), self.evidence().join("; "))
    }
}

/// Chooses the table.
pub fn choose(found: &DatabaseFacts) -> Choice<'_> {
    let all: Vec<Candidate<'_>> = found.tables.iter().map(Candidate::of).filter(Candidate::may_be).collect();
    let alone = |one: &&Candidate<'_>| !all.iter().any(|other| one.belongs_to(other));
    let mut candidates: Vec<Candidate<'_>> = all.iter().filter(alone).cloned().collect();
    candidates.sort_by(|a, b| b.rank().cmp(&a.rank()).then_with(|| a.facts.name().cmp(&b.facts.name())));
    let Some((best, rivals)) = candidates.split_first() else { return Choice::Nothing };
    let mut others = Vec::with_capacity(rivals.len());
    for rival in rivals {
        match best.stands_before(rival) {
            Some(why) => others.push(format!("{}: {why}", rival.facts.shown())),
            None => return Choice::Several(candidates),
        }
    }
    Choice::One(Box::new(best.clone()), others)
}

/// The table of a name as a person writes it: `TABLE`, which is looked for in every schema, or `SCHEMA.TABLE`.
///
/// # Errors
/// No table or several tables that were looked at are called so: their names.
pub fn named<'f>(found: &'f DatabaseFacts, name: &str) -> Result<Candidate<'f>, Vec<String>> {
    let is = |facts: &&TableFacts| {
        facts.table == name
            || name.split_once('.').is_some_and(|(schema, table)| facts.name() == (schema, table))
    };
    let all: Vec<&TableFacts> = found.tables.iter().filter(is).collect();
    match all.as_slice() {
        [one] => Ok(Candidate::of(one)),
        several => Err(several.iter().map(|facts| format!("{}.{}", facts.schema, facts.table)).collect()),
    }
}
