//! What goes over the line between an engine and whoever asks it: data that no kind of database is in.

use crate::{
    api::report::{Action, ObjectRef, Skipped},
    domain::{
        advise::suggestions::Sampled,
        facts::{
            Bookkeeping, Observation, elsewhere::KeyElsewhere, identities::Unusable, key_kind::KeyKind,
            search::Searched,
        },
        identities::{
            list::{Identities, LoginKey},
            snapshot::{Key, Keyed, Tokens},
        },
        incremental::change_marks::Reuse,
        progress::Progress,
        request::Requests,
        search::Strategy,
        step::Permitted,
        target::Target,
    },
    engine::{Budget, PasswordCache, Resolved},
};

use std::{any::Any, sync::Arc, time::Duration};

/// How references are searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Search {
    /// Look at one reference at a time, so that each has a time of its own.
    pub explain: bool,
    /// Go this way wherever it can be gone: to compare ways with one another.
    pub way: Option<Strategy>,
    /// Begin no search that would end later than this after the look began; an hour where it is none.
    pub longest: Option<Duration>,
}

/// What one look is asked for.
#[derive(Clone, Copy)]
pub struct ObserveRequest<'a> {
    /// The target.
    pub target: &'a Target,
    /// What was asked for once.
    pub requests: &'a Requests,
    /// Which passwords and keys were compared before.
    pub memory: &'a dyn PasswordCache,
    /// Whether the admin's password is compared even where the policy does not ask for it.
    pub compare_password: bool,
    /// How references are searched.
    pub search: Search,
    /// What needs no look.
    pub relied: &'a Reuse,
    /// What the catalog said of the user table, where it is known to say so still.
    pub resolved: Option<&'a Arc<dyn Resolved>>,
    /// How long the look may take.
    pub budget: &'a Budget,
    /// What another database says of old ids, where the spec names one; `None`: it was not asked.
    pub elsewhere: Option<&'a Result<PreviousUsers, Unusable>>,
    /// Told how far the look has got.
    pub progress: &'a (dyn Fn(&Progress) + Send + Sync),
}

/// What one look saw.
pub struct Observed {
    /// The facts.
    pub observation: Observation,
    /// What the spec names, as the catalog has it; `None` where the user table cannot be used.
    pub resolved: Option<Arc<dyn Resolved>>,
    /// How each reference was searched.
    pub searched: Vec<Searched>,
    /// References whose search was begun, whatever came of it.
    pub tried: Vec<Arc<ObjectRef>>,
}

/// Whom old ids named, as a table of another database says, and which table that is.
#[derive(Debug, Clone)]
pub struct PreviousUsers {
    /// The people.
    pub list: Arc<Identities>,
    /// Which table of which server: the engine's own.
    pub place: Arc<dyn Any + Send + Sync>,
}

impl PreviousUsers {
    /// SHA-256 over the list, hexadecimal.
    pub fn digest(&self) -> String {
        self.list.digest()
    }
}

/// How much the server has to bear, as far as the role may see it: what a repair gives way to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerLoad {
    /// How far the slowest replica is behind; zero where there is none, or the role may not see it.
    pub lag: Duration,
    /// Locks that sessions wait for.
    pub waiting: i64,
    /// Transactions of this database that are open for more than five minutes and hold a snapshot.
    pub old: i64,
    /// Transactions of this database that were committed, as far as they were counted yet: every role may
    /// see that, and none what the others' sessions are doing.
    pub commits: i64,
}

/// What a run begins with.
#[derive(Clone, Copy)]
pub struct RunRequest<'a> {
    /// The target.
    pub target: &'a Target,
    /// What the spec names, as the look that the steps rest on resolved it.
    pub resolved: &'a Arc<dyn Resolved>,
    /// The steps; none for a run that puts back, writes or drops copies.
    pub permitted: &'a Permitted,
    /// What was seen of our own tables in the look that the steps rest on; `None` where they rest on none.
    pub looked: Option<&'a Bookkeeping>,
    /// Whose claim may be taken: the uid of a resource that is gone.
    pub take_claim: Option<&'a str>,
    /// The id that a new run gets.
    pub id: &'a str,
}

/// A run that may begin its steps.
#[derive(Debug, Clone)]
pub struct Run {
    /// The number of each permitted step in the run, in order.
    pub numbers: Vec<i64>,
    /// What each of its transactions is held to: the engine's own.
    pub fence: Arc<dyn Any + Send + Sync>,
}

/// A step under way: the engine's own.
pub struct StepCursor {
    /// Whether it goes on chunk by chunk; otherwise its one chunk is all of it.
    pub chunked: bool,
    /// The engine's own.
    pub state: Box<dyn Any + Send>,
}

/// How long the next chunk should take, and how long the last one took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long the last one took.
    pub took: Duration,
    /// How long one should take.
    pub aim: Duration,
}

/// What a chunk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDone {
    /// Rows that were changed or removed.
    pub rows: i64,
    /// Whether the walk went on.
    pub moved: bool,
    /// Whether there may be more.
    pub more: bool,
}

impl ChunkDone {
    /// All of a step that is one transaction.
    pub fn whole(rows: i64) -> Self {
        Self { rows, moved: true, more: false }
    }
}

/// What the database wrote down of a step, in the transactions that did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedStep {
    /// Rows that it may still change.
    pub left: i64,
    /// Rows that it has changed, in whatever pass.
    pub done: i64,
    /// Whether the audit tells of it.
    pub audited: bool,
}

/// One run that has rows in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub run: String,
    /// When it began, RFC 3339.
    pub opened_at: String,
    /// What it did, in words.
    pub actions: String,
    /// Rows that it changed or removed.
    pub rows: i64,
}

/// What came of one table's rows that were put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Table and columns.
    pub object: ObjectRef,
    /// What the repair had done.
    pub action: Action,
    /// Rows that are as they were.
    pub rows: i64,
    /// Rows that stayed in quarantine.
    pub blocked: i64,
    /// At most five of them: key and why.
    pub sample: Vec<(String, String)>,
    /// Of the rows that are as they were, those that another step of the run had changed too, and that are
    /// counted there.
    pub again: i64,
    /// The same of those that stayed.
    pub blocked_again: i64,
    /// Of the rows that are as they were, those of an account that somebody had changed since.
    pub newer: i64,
    /// The run under which is kept what accounts held until they were put back.
    pub kept_under: Option<String>,
    /// Whether the next repair would do the same to them.
    pub repeats: bool,
}

/// Which copies are written into a table of their own, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// The run whose rows are meant.
    pub run: String,
    /// Which of its tables, as `table` or `schema.table`.
    pub table: Option<String>,
    /// The table that is made, as `table` or `schema.table`.
    pub into: String,
    /// Whose run it is, as a listing shows those of another database or resource; `None`: this target's own.
    pub identity: Option<String>,
}

/// What was written.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where the rows are from.
    pub object: ObjectRef,
    /// The table that was made.
    pub into: ObjectRef,
    /// How many rows.
    pub rows: i64,
}

/// The rows of one step in one quarantine table.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineEntry {
    /// The run that took them.
    pub run: String,
    /// The step's number in it.
    pub step: i64,
    /// What was done to them, as the audit names it.
    pub action: String,
    /// Where they are from.
    pub object: ObjectRef,
    /// How many there are.
    pub rows: i64,
    /// How many of them were put back.
    pub restored: i64,
    /// When the first of them was taken, RFC 3339.
    pub at: String,
    /// Whose they are: `system/database/resource`; null for this target's own.
    pub identity: Option<String>,
}

/// Rows of one table as they were.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRows {
    /// Where they are from.
    pub object: ObjectRef,
    /// Names of the columns; what we know of each row comes first.
    pub columns: Vec<String>,
    /// The values as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more.
    pub more: bool,
}

/// What is shown of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsQuery {
    /// The run.
    pub run: String,
    /// One table only.
    pub table: Option<String>,
    /// All columns, and not only the key and the reference.
    pub all_columns: bool,
    /// Rows per table at most.
    pub limit: i64,
    /// Whose, as a listing shows those of another database or resource; `None`: this target's own.
    pub identity: Option<String>,
}

/// Which rows are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeFilter {
    /// Those of one run.
    Run(String),
    /// Those that were taken this many days ago or longer.
    OlderThan(i64),
}

/// How much of what a role needs is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What looking needs.
    Observe,
    /// What repairs need too, and what undoing them needs.
    Enforce,
}

/// What a search for columns that may name users saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// The samples.
    pub sampled: Vec<Sampled>,
    /// What kind of key the user table has.
    pub id_kind: KeyKind,
    /// Columns that could be candidates and were not looked at, since there are so many.
    pub left: i64,
    /// Columns that could not be looked at, and why.
    pub skipped: Vec<Skipped>,
    /// Foreign keys of columns that name users, which reference another table.
    pub elsewhere: Vec<KeyElsewhere>,
}

/// What the user table says of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectRow {
    /// Nobody has it.
    Missing,
    /// Nobody has it as it stands, and somebody in another spelling: of text only.
    Nearly {
        /// As the user table has it: the first one.
        written: String,
        /// How many there are of them.
        many: i64,
    },
    /// The column's type cannot hold it.
    NotOfType {
        /// The column's type.
        type_name: String,
    },
    /// Somebody has it who is not active.
    Inactive {
        /// What they sign in with.
        login: String,
    },
    /// Somebody active has it.
    Active {
        /// What they sign in with.
        login: String,
        /// Their id as text.
        id: String,
        /// The column's value as the database writes it: numbers and uuids, which it reads in more than one
        /// spelling.
        written: Option<String>,
        /// From when on their tokens count, in whole seconds since the epoch, where the app has such a column.
        valid_after: Option<i64>,
        /// Whether the token's id is among the revoked ones.
        revoked: bool,
    },
}

/// What a token says of itself, as far as the database has a word in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectQuery {
    /// Whom it names.
    pub subject: String,
    /// Its own id (`jti`), where it has one.
    pub token: Option<String>,
}

/// What a snapshot says beside whom ids name.
#[derive(Clone)]
pub struct SnapshotRequest<'a> {
    /// When it is taken, RFC 3339.
    pub taken: String,
    /// The key that signs tokens.
    pub signing_key: Option<Key>,
    /// What tokens say.
    pub tokens: Option<Tokens>,
    /// What logins are keyed with, where they are not to be read in it.
    pub key: Option<(&'a LoginKey, Keyed)>,
}
