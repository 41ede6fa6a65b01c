//! One snapshot of everything that a pass wants to know.
//!
//! One read-only, repeatable-read transaction with the path pinned to `pg_catalog` and row security
//! off, so that hidden rows are an error and never an orphan. What fails for one reference is a
//! savepoint's affair and shows as skipped.

pub mod accounts;
mod believable;
pub(in crate::engine::postgres) mod change_marks;
pub mod constraints;
mod conversion;
pub(in crate::engine::postgres) mod fit;
pub(in crate::engine::postgres) mod foreign;
pub(in crate::engine::postgres) mod hashes;
pub(in crate::engine::postgres) mod identities;
pub(in crate::engine::postgres) mod ids;
pub(in crate::engine::postgres) mod in_the_way;
pub(in crate::engine::postgres) mod more_accounts;
pub mod move_preview;
pub(in crate::engine::postgres) mod namesakes;
pub(in crate::engine::postgres) mod password;
pub mod reference;
mod references;
pub(in crate::engine::postgres) mod scope;
pub(in crate::engine::postgres) mod seeding;
pub(in crate::engine::postgres) mod sessions;
pub(in crate::engine::postgres) mod shared_ids;
pub(in crate::engine::postgres) mod spelling;
pub mod stability;
pub(super) mod user_table;
pub mod users;
mod values;

use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{
            Foreign, Observation, Unchecked,
            accounts::AdminFacts,
            identities::Unusable,
            references::Reference,
            schema::{Server, UserTable},
            search::Searched,
        },
        incremental::change_marks::Reuse,
        progress::Progress,
        request::Requests,
        target::{Admin, Target},
    },
    engine::{
        Budget, PasswordCache, PreviousUsers, Search,
        postgres::{
            catalog::resolved::ResolvedSchema,
            ledger::read,
            observe::{password::Compare, stability::unrewritten, users::users},
            session::{error::DatabaseError, server, transaction::prepare},
        },
    },
};

use std::sync::Arc;

use sqlx::{Connection, PgConnection};

pub(super) use user_table::inherited;

/// What a pass saw, and the catalog's names for it.
pub struct Observed {
    /// The facts.
    pub observation: Observation,
    /// The names that statements are made of; `None` where the user table cannot be used.
    pub known: Option<ResolvedSchema>,
    /// How each reference was searched.
    pub searched: Vec<Searched>,
    /// References whose search was begun, whatever came of it.
    pub tried: Vec<Arc<ObjectRef>>,
}

/// What a look need not ask for, and how long it may take.
pub struct ObserveOptions<'a> {
    /// What needs no look.
    pub relied: &'a Reuse,
    /// What the catalog said of the user table, where it is known to say so still.
    pub known: Option<&'a ResolvedSchema>,
    /// How long the look may take.
    pub budget: &'a Budget,
    /// What another database says of old ids, where the spec names one; `None`: it was not asked.
    pub elsewhere: Option<&'a Result<PreviousUsers, Unusable>>,
    /// Told how far the look has got.
    pub progress: &'a (dyn Fn(&Progress) + Send + Sync),
}

/// Looks in one snapshot at everything but what is given.
///
/// # Errors
/// The database fails as a whole. What is wrong with single tables is in the observation.
pub async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    requests: &Requests,
    memory: &dyn PasswordCache,
    compare_password: bool,
    search: Search,
    given: &ObserveOptions<'_>,
) -> Result<Observed, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let (server, version) = server::of(connection).await?;
    let found = match given.known {
        Some(known) => {
            user_table::facts(connection, target, known).await?.map(|facts| (known.clone(), facts))
        }
        None => users(connection, target).await?,
    };
    let found = match found {
        Ok((known, table)) => inherited(connection, &known).await?.map_or(Ok((known, table)), Err),
        Err(fault) => Err(fault),
    };
    let mut compare = Compare::new(memory, compare_password);
    let mut observed = match found {
        Ok((known, table)) => {
            let known = ResolvedSchema { identity: server.identity.clone(), ..known };
            let connection = &mut *connection;
            let observer = Observer { connection, target, requests, server_version: version, search, given };
            observer.everything(server, known, table, &mut compare).await?
        }
        Err(fault) => Observed {
            observation: Observation {
                server,
                users: Err(fault),
                bookkeeping: Default::default(),
                admin: None,
                accounts: Vec::new(),
                references: Vec::new(),
                skipped: Vec::new(),
                unchecked: Vec::new(),
                missing_constraints: Vec::new(),
                elsewhere: Vec::new(),
                undeclared: Default::default(),
                constraints: Vec::new(),
                spellings: Vec::new(),
                untrusted: Vec::new(),
                foreign: Vec::new(),
                unreached: Vec::new(),
                relied: 0,
                identities: None,
                sessions: None,
            },
            known: None,
            searched: Vec::new(),
            tried: Vec::new(),
        },
    };
    if let Some(known) = &observed.known {
        let key = target.jwt.as_ref().map(|jwt| jwt.key.known_by(jwt.shape.algorithm));
        let fingerprint = key.and_then(|key| memory.fingerprint(&key)).flatten();
        observed.observation.sessions =
            sessions::observe(connection, target, known, fingerprint.as_deref()).await?;
        unrewritten(connection, known).await?;
    }
    transaction.rollback().await?;
    crate::engine::postgres::repair::password::compare(target, compare, &mut observed.observation).await;
    observed.observation.skipped.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(observed)
}

/// What everything of one snapshot is observed by.
struct Observer<'a> {
    connection: &'a mut PgConnection,
    target: &'a Target,
    requests: &'a Requests,
    server_version: i64,
    search: Search,
    given: &'a ObserveOptions<'a>,
}

/// What was seen of the accounts that the spec names.
struct Accounts {
    admin: Option<AdminFacts>,
    beside: Vec<AdminFacts>,
}

impl Accounts {
    /// Each with what the spec says of it.
    fn with_spec<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = (&'a Admin, &'a AdminFacts)> {
        target.kept().zip(self.admin.iter().chain(&self.beside))
    }

    /// Whether one is not there.
    fn lack_one(&self) -> bool {
        self.admin.iter().chain(&self.beside).any(|facts| facts.account.is_none())
    }
}

impl Observer<'_> {
    /// Everything but the sessions, of a user table that can be used.
    async fn everything(
        mut self,
        server: Server,
        mut known: ResolvedSchema,
        mut users: UserTable,
        compare: &mut Compare<'_>,
    ) -> Result<Observed, DatabaseError> {
        let (target, version) = (self.target, self.server_version);
        let bookkeeping =
            read::observe(self.connection, target, &server.identity, users.object_id, self.requests).await?;
        known.ours = bookkeeping.untrusted.is_empty();
        // Who had a login when its names were read is not who has it now.
        known.narrowed.clear();
        let distrusted = believable::logins(self.connection, target, &mut known, version).await?;
        let mut accounts = self.accounts(&mut known, &mut users, compare).await?;
        let admin = accounts.admin.as_ref().and_then(|admin| admin.account.as_ref());
        let heir = admin.map(|account| account.id.clone());
        let seen = self.references(&mut known, heir.as_deref()).await?;
        shared_ids::wider(&known, users.shared_ids.as_mut());
        let foreign = self.foreign(&known, &seen.checked).await?;
        let keys = (&*seen.missing, &*seen.elsewhere);
        let constraints =
            constraints::observe(self.connection, target, &known, &seen.checked, keys, version).await?;
        let unchecked = self.ids(&mut known, &mut accounts).await?;
        if target.references.identities.is_some() {
            known.active_decides = namesakes::active_decides(self.connection, &known).await?;
        }
        let elsewhere = self.given.elsewhere;
        let rows = identities::Rows { users: &users, references: &seen.checked, server_version: version };
        let identities = identities::observe(self.connection, target, &known, rows, elsewhere).await?;
        let identities = identities.map(|(facts, mapping)| {
            known.identities = mapping;
            facts
        });
        Ok(Observed {
            observation: Observation {
                server,
                users: Ok(users),
                bookkeeping,
                admin: accounts.admin,
                accounts: accounts.beside,
                references: seen.checked,
                skipped: seen.skipped,
                unchecked,
                missing_constraints: seen.missing,
                elsewhere: seen.elsewhere,
                undeclared: seen.undeclared,
                constraints,
                spellings: seen.spellings,
                untrusted: distrusted.into_iter().chain(seen.untrusted).collect(),
                foreign,
                unreached: seen.unreached,
                relied: seen.relied,
                identities,
                sessions: None,
            },
            known: Some(known),
            searched: seen.searched,
            tried: seen.tried,
        })
    }

    /// The accounts that the spec names, and what the passwords of the others are.
    async fn accounts(
        &mut self,
        known: &mut ResolvedSchema,
        users: &mut UserTable,
        compare: &mut Compare<'_>,
    ) -> Result<Accounts, DatabaseError> {
        let (target, relied) = (self.target, self.given.relied);
        let admin = match &target.admin {
            Some(admin) => {
                Some(accounts::observe(self.connection, admin, known, compare, relied.look_alikes).await?)
            }
            None => None,
        };
        let alike = relied.alike_beside.as_deref();
        let beside = more_accounts::observe_beside(self.connection, target, known, compare, alike).await?;
        let accounts = Accounts { admin, beside };
        if accounts.lack_one() || self.given.known.is_none() {
            users.seed = seeding::observe(self.connection, target, known).await?;
            let own = accounts.with_spec(target).filter_map(|(of, facts)| {
                let format = facts.account.as_ref()?.password.format?;
                Some((of.account().map(str::to_owned), format))
            });
            known.samples = hashes::observe(self.connection, target, known, &own.collect()).await?;
        }
        for (of, facts) in accounts.with_spec(target) {
            if let Some(sample) = known.samples.get_mut(&of.account().map(str::to_owned)) {
                sample.own = facts.account.as_ref().and_then(|account| account.password.format);
            }
        }
        users.passwords = known.samples.clone();
        Ok(accounts)
    }

    /// What of the tables in scope is of roles that are not the app.
    async fn foreign(
        &mut self,
        known: &ResolvedSchema,
        references: &[Reference],
    ) -> Result<Vec<Foreign>, DatabaseError> {
        let others = known.references.iter().filter(|table| !table.child.is_plain_of(known.users.owner));
        let mut touched: Vec<ObjectRef> = others.map(|table| ObjectRef::clone(&table.object)).collect();
        touched.extend(references.iter().flat_map(|one| one.takes.iter().map(|taken| taken.object.clone())));
        let rules = &self.target.references;
        Ok(foreign::observe(self.connection, known.users.oid, rules, touched).await?)
    }

    /// What there is to know of the ids that accounts must have. Returns the references that are not checked and may
    /// name an id that is given out.
    async fn ids(
        &mut self,
        known: &mut ResolvedSchema,
        accounts: &mut Accounts,
    ) -> Result<Vec<Unchecked>, DatabaseError> {
        let (target, version) = (self.target, self.server_version);
        let reset = self.requests.reset.is_some();
        let is_created =
            |(spec, facts): (&Admin, &AdminFacts)| facts.account.is_none() && spec.is_created(reset);
        let created = accounts.with_spec(target).any(is_created);
        let unchecked = if created { ids::unchecked(self.connection, known).await? } else { Vec::new() };
        for (spec, facts) in target.kept().zip(accounts.admin.iter_mut().chain(&mut accounts.beside)) {
            accounts::observe_id(self.connection, spec, known, facts, version).await?;
        }
        Ok(unchecked)
    }
}
