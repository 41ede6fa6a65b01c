//! What was seen of ids that were other people's before.

use crate::{
    api::{condition::Reason, report::ObjectRef},
    domain::{
        facts::{new_ids::UnfitColumn, references::InTheWay, rights::LackingRight},
        identities::mapping::Lost,
    },
};

/// Why it cannot be told whom old ids named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// `IdentitiesInvalid` or `IdentitiesUnreachable`.
    pub reason: Reason,
    /// What is wrong, and where.
    pub why: String,
    /// Whether it may pass by itself.
    pub transient: bool,
}

impl Unusable {
    /// The list itself is wrong: only a person can correct it.
    pub fn invalid(why: String) -> Self {
        Self { reason: Reason::IdentitiesInvalid, why, transient: false }
    }
}

/// What was found out about old and new ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityFacts {
    /// Why nothing can be said, if so.
    pub problem: Option<Unusable>,
    /// Previous people.
    pub people: i64,
    /// Whether the list has digests in place of logins, so that another spelling of one is not seen.
    pub keyed: bool,
    /// Old ids that somebody else has today.
    pub shifted: i64,
    /// At most five of them, in the order of ids.
    pub sample: Vec<String>,
    /// Of those, how many have their person under another id today.
    pub elsewhere: i64,
    /// What old tokens are worth.
    pub tokens: OldTokens,
    /// References that rows could not be counted of.
    pub uncounted: Vec<ObjectRef>,
    /// What was counted, for each reference with a row that is concerned.
    pub references: Vec<ReferenceFacts>,
    /// Foreign keys that there were before and that are not there now, with their definitions.
    pub missing: Vec<(ObjectRef, String)>,
}

/// Whether an old token may still be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OldTokens {
    /// Nothing is known, or the signing key is the one of before.
    #[default]
    Perhaps,
    /// The signing key is another one.
    Dead,
    /// The app was told to refuse those that name somebody else.
    Ended,
    /// The resource knows of no tokens.
    None,
}

impl IdentityFacts {
    /// What is known of a reference.
    pub fn of(&self, object: &ObjectRef) -> Option<&ReferenceFacts> {
        self.references.iter().find(|one| one.object == *object)
    }
}

/// What was counted of one reference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReferenceFacts {
    /// The reference.
    pub object: ObjectRef,
    /// Rows that name nobody and whose person has another id today.
    pub returning: Counted,
    /// Of those rows, how many may name an id that was given out again since: then they are not old.
    pub doubtful: i64,
    /// Rows that name nobody and whose person stands in the list without an account that is told for certain.
    pub remainder: Remainder,
    /// Rows that name somebody else than the person of before; where it cannot be told which of them are
    /// old, all that name such an id.
    pub shifted: Counted,
    /// Of those, rows that can be moved: they are old, and their person has another id today.
    pub movable: Counted,
    /// Why old rows cannot be told from new ones.
    pub no_mark: Option<String>,
    /// The run that has changed such rows before, so that old ones cannot be told from those.
    pub touched: Option<String>,
    /// The first pairs that rows name, for people: old and new id.
    pub pairs: Vec<(String, String)>,
    /// SHA-256 over every pair that rows name, and the mark; hexadecimal.
    pub digest: String,
    /// Unique keys that the change would break: (index, rows).
    pub collisions: Vec<(String, i64)>,
    /// Of the rows, how many have to be removed so that the others can be given back; `None` where nobody can
    /// tell beforehand.
    pub surplus: Option<i64>,
    /// Rows in the place of another row in a unique key that is checked row by row: they are taken out and
    /// put in again.
    pub exchanged: i64,
    /// Foreign keys through which rows of other tables would go along with those.
    pub tied: Vec<String>,
    /// Why the rows are taken for credentials, if so.
    pub credentials: Option<String>,
    /// Foreign keys of other tables through which the change would go on, with how many rows.
    pub cascades: Vec<String>,
    /// The same of rows that name somebody else.
    pub shifted_remainder: Remainder,
    /// Why the column cannot hold a person's new id, if so.
    pub unfit: Option<UnfitColumn>,
    /// The constraint that refuses rows as they would be, if one does.
    pub in_the_way: Option<InTheWay>,
    /// Rights on other tables that the role lacks to tell of those.
    pub lacking: Vec<LackingRight>,
    /// Rows of the table.
    pub table_rows: i64,
}

/// Rows that are given to nobody, by why the people of the list whom they name are not told among today's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remainder {
    /// Nobody has the login.
    pub gone: Counted,
    /// One account has a login that differs by case or surrounding spaces only.
    pub alike: Counted,
    /// The first of those: old id, and the account's.
    pub pairs: Vec<(String, String)>,
    /// Several accounts have the login, or nearly.
    pub ambiguous: Counted,
}

impl Remainder {
    /// Counts the rows of a further id.
    pub fn add(&mut self, old: &str, lost: &Lost, rows: i64) {
        match lost {
            Lost::Gone => self.gone.add(old, rows),
            Lost::Ambiguous => self.ambiguous.add(old, rows),
            Lost::Alike(id) => {
                if rows > 0 && self.pairs.len() < 5 {
                    self.pairs.push((old.to_owned(), id.clone()));
                }
                self.alike.add(old, rows);
            }
        }
    }

    /// How many rows those are.
    pub fn rows(&self) -> i64 {
        self.gone.rows + self.alike.rows + self.ambiguous.rows
    }

    /// How many ids they name.
    pub fn keys(&self) -> i64 {
        self.gone.keys + self.alike.keys + self.ambiguous.keys
    }
}

impl ReferenceFacts {
    /// Rows that a repair would change.
    pub fn rows(&self) -> i64 {
        self.returning.rows + self.movable.rows
    }
}

/// Rows, and the distinct ids that they name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// Rows.
    pub rows: i64,
    /// Distinct ids.
    pub keys: i64,
    /// At most five ids, in order.
    pub sample: Vec<String>,
}

impl Counted {
    /// Counts the rows of a further id.
    pub fn add(&mut self, id: &str, rows: i64) {
        if rows == 0 {
            return;
        }
        self.rows += rows;
        self.keys += 1;
        if self.sample.len() < 5 {
            self.sample.push(id.to_owned());
        }
    }
}
