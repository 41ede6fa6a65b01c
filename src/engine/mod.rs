//! What a database is asked, in verbs that no kind of database is in, and a folder for each kind.
//!
//! An [`Engine`] makes [`Session`]s. A session observes in one snapshot, begins a run, and takes each step of it chunk
//! by chunk: `prepare` looks at what the step is about, `apply_chunk` is one transaction, and a step of one transaction
//! is one chunk. All engines hold to one protocol: the claim and its epoch are asked before every effect, no chunk goes
//! beyond its step's ceiling, a row is copied before it is changed, the audit is written in the transaction that it tells
//! of, and what was recorded is asked for after a COMMIT whose answer was lost. What only one kind of database has (its
//! locks, object ids, error codes, statements) stays in its folder.

mod budget;
mod error;
pub mod keeping;
mod password_cache;
pub mod postgres;
pub mod types;

pub use budget::Budget;
pub use error::{EngineError, ErrorKind};
pub use password_cache::PasswordCache;
/// The target of what servers send beside their answers, which no log shows.
pub use postgres::NOTICES;
/// What people are told to run, where nobody is connected: of the engine that the parser of connection strings takes.
pub use postgres::hints;
pub use types::*;

use crate::{
    api::report::ObjectRef,
    domain::{
        advise::{init::facts::DatabaseFacts, suggestions::Suggestion},
        facts::accounts::LoginFacts,
        identities::snapshot::Snapshot,
        incremental::change_marks::Reading,
        step::PermittedStep,
        target::{Database, IdentityTable, Target},
    },
    network::HostPolicy,
};

use std::{any::Any, sync::Arc, time::Duration};

use futures::future::BoxFuture;

/// What a verb gives: its effect, or why it had none.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, EngineError>>;

/// A kind of database. It has no state.
pub trait Engine: Send + Sync {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// Connects to the addresses that the policy admits, and to no others.
    ///
    /// # Errors
    /// The host is not allowed, nobody is let in, or no connection can be made in ten seconds.
    fn connect<'a>(
        &'a self,
        database: &'a Database,
        policy: &'a HostPolicy,
        namespace: &'a str,
    ) -> Answer<'a, Box<dyn Session>>;
}

/// The engine that a database is of. The parser of connection strings takes those of PostgreSQL alone.
pub fn of(_: &Database) -> &'static dyn Engine {
    &postgres::PostgreSql
}

/// What the spec names, as the catalog has it: good for the engine that resolved it alone.
pub trait Resolved: Any + Send + Sync {
    /// Whose rows in quarantine are this target's own, as people name it: `system/database/resource`.
    fn identity(&self, uid: &str) -> String;

    /// SHA-256 over the list of previous people that references were held against; `None` where there is none.
    fn previous_users(&self) -> Option<&str>;

    /// The columns of the user table.
    fn user_columns(&self) -> Vec<String>;

    /// The same without what is known of references, for later looks; they are still here afterwards. It needs the
    /// only handle, since there may be very many of them: not even for a moment twice.
    fn user_table_alone(&mut self) -> Arc<dyn Resolved>;

    /// For the engine, which knows what it is.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// One short-lived connection.
pub trait Session: Send {
    /// Cheap counters that show which tables have moved; `None` where they cannot be read or say nothing.
    ///
    /// # Errors
    /// The database fails.
    fn change_marks<'a>(&'a mut self, target: &'a Target) -> Answer<'a, Option<Reading>>;

    /// Looks in one snapshot at everything but what is given.
    ///
    /// # Errors
    /// The database fails as a whole. What is wrong with single tables is in the observation.
    fn observe<'a>(&'a mut self, request: &'a ObserveRequest<'a>) -> Answer<'a, Observed>;

    /// How much the server has to bear just now.
    ///
    /// # Errors
    /// The database fails.
    fn load(&mut self) -> Answer<'_, ServerLoad>;

    /// Begins a run: our own tables, the claim, and for approved steps the list of what was approved. An interrupted run
    /// whose approval still counts goes on under its own id.
    ///
    /// # Errors
    /// Another resource has the claim, another run is or has been at work since the look, or what an approved step is
    /// about is not the plan's any more.
    fn begin_run<'a>(&'a mut self, request: &'a RunRequest<'a>) -> Answer<'a, Run>;

    /// Gets the step with this number ready. Nothing is written.
    ///
    /// # Errors
    /// What it is about is not there any more, or the database fails.
    fn prepare<'a>(
        &'a mut self,
        request: &'a RunRequest<'a>,
        run: &'a Run,
        step: &'a PermittedStep,
        number: i64,
    ) -> Answer<'a, StepCursor>;

    /// One transaction of a step: all of it, or none. `pace` says how large it should be, from the one before.
    ///
    /// # Errors
    /// The run was overtaken, the database refuses the change, or it would go further than the plan says; nothing of it
    /// was done then, unless the answer to its COMMIT was lost.
    fn apply_chunk<'a>(
        &'a mut self,
        request: &'a RunRequest<'a>,
        run: &'a Run,
        cursor: &'a mut StepCursor,
        pace: Option<Pace>,
    ) -> Answer<'a, ChunkDone>;

    /// What was written down of a step, whether or not anybody heard of its COMMIT. It waits for a transaction of the
    /// run that the server has not ended yet.
    ///
    /// # Errors
    /// The database fails, or that transaction does not end.
    fn recorded<'a>(&'a mut self, run: &'a Run, number: i64) -> Answer<'a, Option<RecordedStep>>;

    /// The rows that a run's audit tells of, by object in words. It waits as [`Session::recorded`] does.
    ///
    /// # Errors
    /// The database fails, or a transaction of the run does not end.
    fn audited<'a>(&'a mut self, run: &'a Run) -> Answer<'a, Vec<(String, i64)>>;

    /// Ends a run: nothing of it is resumed any more.
    ///
    /// # Errors
    /// The run was overtaken, or the database fails.
    fn end_run<'a>(&'a mut self, run: &'a Run) -> Answer<'a, ()>;

    /// What repairs took or changed.
    fn quarantine(&mut self) -> &mut dyn Quarantine;

    /// What is asked beside looks and repairs.
    fn queries(&mut self) -> &mut dyn Queries;

    /// The same failure with the names of what it is about, where the catalog has them. What failed must have been
    /// taken back by now.
    fn named(&mut self, error: EngineError) -> BoxFuture<'_, EngineError>;

    /// Says good-bye.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The copies of rows that repairs took or changed.
pub trait Quarantine: Send {
    /// The runs of this target, newest first.
    ///
    /// # Errors
    /// The database fails.
    fn runs<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
    ) -> Answer<'a, Vec<RunSummary>>;

    /// What is kept: of the newest run first, and of each run in the order of its steps.
    ///
    /// # Errors
    /// The database fails.
    fn inventory<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
    ) -> Answer<'a, Vec<QuarantineEntry>>;

    /// The rows of a run as they were before it, without password hashes.
    ///
    /// # Errors
    /// The database fails, or there are no such rows.
    fn rows<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
        query: &'a RowsQuery,
    ) -> Answer<'a, Vec<QuarantineRows>>;

    /// Puts the rows of a run back as far as today's constraints allow, in transactions of `run`; of a run of another
    /// identity only where it is named.
    ///
    /// # Errors
    /// The run is not this target's, or the database fails as a whole.
    fn restore<'a>(
        &'a mut self,
        run: &'a Run,
        restored: &'a str,
        identity: Option<&'a str>,
    ) -> Answer<'a, Vec<Restored>>;

    /// Says of what was put back whether the next repair would do the same to it.
    ///
    /// # Errors
    /// The database fails.
    fn repeats<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
        restored: &'a mut Vec<Restored>,
    ) -> Answer<'a, ()>;

    /// Writes rows that are not back into a new table, in one transaction of `run`.
    ///
    /// # Errors
    /// There are no such rows, the table cannot be made, the run was overtaken, or the database fails; then nothing was
    /// made.
    fn export<'a>(&'a mut self, run: &'a Run, request: &'a ExportRequest) -> Answer<'a, Exported>;

    /// What [`Quarantine::purge`] would drop, by table.
    ///
    /// # Errors
    /// The database fails.
    fn purge_preview<'a>(
        &'a mut self,
        target: &'a Target,
        which: &'a PurgeFilter,
        identity: &'a str,
    ) -> Answer<'a, Vec<(ObjectRef, i64)>>;

    /// How many of those rows were never put back.
    ///
    /// # Errors
    /// The database fails.
    fn unrestored<'a>(
        &'a mut self,
        target: &'a Target,
        which: &'a PurgeFilter,
        identity: &'a str,
    ) -> Answer<'a, i64>;

    /// Drops copies for good, in transactions of `run`, and says how many of which table.
    ///
    /// # Errors
    /// The run was overtaken, or the database fails.
    fn purge<'a>(
        &'a mut self,
        run: &'a Run,
        which: &'a PurgeFilter,
        identity: &'a str,
    ) -> Answer<'a, Vec<(ObjectRef, i64)>>;

    /// What a run has dropped, as the audit tells.
    ///
    /// # Errors
    /// The database fails.
    fn purged<'a>(&'a mut self, run: &'a Run) -> Answer<'a, Vec<(ObjectRef, i64)>>;
}

/// What commands ask of a database.
pub trait Queries: Send {
    /// What the spec names, without a look at any row of a user.
    ///
    /// # Errors
    /// The user table cannot be used, or the database fails.
    fn resolve<'a>(&'a mut self, target: &'a Target) -> Answer<'a, Arc<dyn Resolved>>;

    /// The statements that give the role what it needs.
    ///
    /// # Errors
    /// The user table is not there, or the database fails.
    fn grants<'a>(&'a mut self, target: &'a Target, extent: Extent) -> Answer<'a, String>;

    /// Columns that may name users although no foreign key says so, and what was looked at.
    ///
    /// # Errors
    /// The user table cannot be used, or the database fails.
    fn suggestions<'a>(&'a mut self, target: &'a Target) -> Answer<'a, (Vec<Suggestion>, Discovered)>;

    /// What there is to say of tables that may hold accounts, `table` among them where it is named; a statement takes at
    /// most `timeout`.
    ///
    /// # Errors
    /// The database fails.
    fn account_tables<'a>(
        &'a mut self,
        table: Option<&'a str>,
        timeout: Duration,
    ) -> Answer<'a, DatabaseFacts>;

    /// Counts logins that cannot tell accounts apart; `None` where no login column is known.
    ///
    /// # Errors
    /// The database fails, or takes longer than `spec.timeout`.
    fn logins<'a>(
        &'a mut self,
        target: &'a Target,
        resolved: &'a Arc<dyn Resolved>,
    ) -> Answer<'a, Option<LoginFacts>>;

    /// Takes a snapshot: whom ids name, and the schema around them.
    ///
    /// # Errors
    /// The user table cannot be used or holds too many users, or the database fails.
    fn snapshot<'a>(&'a mut self, target: &'a Target, request: SnapshotRequest<'a>) -> Answer<'a, Snapshot>;

    /// Which accounts tokens name, in their order.
    ///
    /// # Errors
    /// The user table cannot be used, or the database fails.
    fn subjects<'a>(
        &'a mut self,
        target: &'a Target,
        queries: &'a [SubjectQuery],
    ) -> Answer<'a, Vec<SubjectRow>>;

    /// Ids and logins of all users of a table that says whom old ids named; `origin` is how messages call it. The inner
    /// error says what is wrong with the table.
    ///
    /// # Errors
    /// The database fails.
    fn previous_users<'a>(
        &'a mut self,
        table: &'a IdentityTable,
        origin: &'a str,
        timeout: Duration,
    ) -> Answer<'a, Result<PreviousUsers, String>>;
}
