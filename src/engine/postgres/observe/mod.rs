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
    api::report::{ObjectRef, Skipped},
    domain::{
        facts::{
            Observation,
            identities::Unusable,
            schema::{Server, UserTable},
            search::Searched,
        },
        incremental::change_marks::{Rest, Reuse},
        progress::Progress,
        request::Requests,
        target::Target,
        text::clip,
    },
    engine::{
        PasswordCache,
        budget::Budget,
        postgres::{
            catalog::{
                declared::Scope,
                resolved::{Passive, ResolvedSchema},
            },
            ledger::read,
            observe::{
                identities::remote::Elsewhere, password::Compare, stability::unrewritten, users::users,
            },
            search::{self, Looking, Search, Unseen},
            session::{
                error::DatabaseError,
                server,
                transaction::{LOCKED, prepare, statement_timeout},
            },
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
    pub elsewhere: Option<&'a Result<Elsewhere, Unusable>>,
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
            let compare = &mut compare;
            inside(connection, target, requests, server, version, known, table, compare, search, given)
                .await?
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

#[expect(clippy::too_many_arguments, reason = "one snapshot, gathered once; a struct would only rename it")]
async fn inside(
    connection: &mut PgConnection,
    target: &Target,
    requests: &Requests,
    server: Server,
    version: i64,
    mut known: ResolvedSchema,
    mut users: UserTable,
    compare: &mut Compare<'_>,
    search: Search,
    given: &ObserveOptions<'_>,
) -> Result<Observed, DatabaseError> {
    let relied = given.relied;
    let bookkeeping = read::observe(connection, target, &server.identity, users.oid, requests).await?;
    known.ours = bookkeeping.untrusted.is_empty();
    // Who had a login when its names were read is not who has it now.
    known.narrowed.clear();
    let distrusted = believable::logins(connection, target, &mut known, version).await?;
    let mut admin = match &target.admin {
        Some(admin) => {
            Some(accounts::observe(connection, admin, &mut known, compare, relied.look_alikes).await?)
        }
        None => None,
    };
    let alike = relied.alike_beside.as_deref();
    let mut beside = more_accounts::observe_beside(connection, target, &mut known, compare, alike).await?;
    let missing = admin.iter().chain(&beside).any(|facts| facts.account.is_none());
    if missing || given.known.is_none() {
        users.seed = seeding::observe(connection, target, &known).await?;
        let facts = target.kept().zip(admin.iter().chain(&beside));
        let own = facts.filter_map(|(of, facts)| {
            let format = facts.account.as_ref()?.password.format?;
            Some((of.account().map(str::to_owned), format))
        });
        known.samples = hashes::observe(connection, target, &known, &own.collect()).await?;
    }
    for (of, facts) in target.kept().zip(admin.iter().chain(&beside)) {
        if let Some(sample) = known.samples.get_mut(&of.account().map(str::to_owned)) {
            sample.own = facts.account.as_ref().and_then(|account| account.password.format);
        }
    }
    users.passwords = known.samples.clone();
    let heir = admin.as_ref().and_then(|admin| admin.account.as_ref()).map(|account| account.id.clone());
    let Scope { tables, mut skipped, missing, elsewhere, undeclared, passive, unread } =
        match relied.rest.clone() {
            Some(Rest { skipped, missing, elsewhere, undeclared }) => {
                Scope { skipped, missing, elsewhere, undeclared, ..Scope::default() }
            }
            None => scope::resolve(connection, target, &known, relied).await?,
        };
    known.passive.extend(passive.into_iter().map(|table| Passive { table, seen: true }));
    known.passive.extend(unread.into_iter().map(|table| Passive { table, seen: false }));
    let mut references = relied.references.clone();
    let (tables, untrusted) = believable::references(connection, tables, version).await?;
    let (set_aside, untrusted): (Vec<_>, Vec<_>) = untrusted.into_iter().unzip();
    known.passive.extend(set_aside.into_iter().map(|table| Passive { table, seen: false }));
    skipped.extend(untrusted.iter().map(|one| Skipped {
        object: one.object.clone(),
        why: clip(&one.why, 512),
        asked: false,
        transient: false,
    }));
    let untrusted = distrusted.into_iter().chain(untrusted).collect();
    let (again, tables): (Vec<_>, Vec<_>) =
        tables.into_iter().partition(|table| relied.on_search_of(&table.object).is_some());
    let mut spellings = Vec::new();
    for table in again {
        match relied.on_search_of(&table.object).flatten() {
            Some(orphans) => {
                references.push(orphans.reference.clone());
                spellings.extend(orphans.spelling.clone());
            }
            None => references.push(table.sound()),
        }
        known.references.push(table);
    }
    let relied_on = references.len();
    let looking = Looking {
        search,
        budget: given.budget,
        turn: &|object| relied.turn(object),
        progress: given.progress,
        done: relied_on,
    };
    let found = search::find(connection, &tables, &looking).await?;
    let (mut tried, mut unreached) = (Vec::with_capacity(tables.len()), Vec::new());
    references.reserve_exact(tables.len());
    known.references.reserve_exact(tables.len());
    let mut searched = Vec::with_capacity(found.len());
    for (table, found) in tables.into_iter().zip(found) {
        if found.tried {
            tried.push(Arc::clone(&table.object));
        }
        if !matches!(found.orphans, Err(Unseen::Unreached)) {
            searched.push(found.searched);
        }
        let observed = match found.orphans {
            Ok(orphans) if orphans.rows == 0 => Ok((table.sound(), None)),
            Ok(orphans) => {
                // Rows, collisions, spellings: each a look of its own at the same tables.
                let longer = given.budget.make_room(found.estimate * 4.0);
                if let Some(longer) = longer {
                    statement_timeout(connection, longer).await?;
                }
                let repair = target.references.policy(&table.object).on_orphan;
                let heir = heir.as_deref().map(|id| (id, &known.id));
                let seen = table.look_at(connection, orphans, repair, heir, version).await;
                if longer.is_some() {
                    statement_timeout(connection, target.timeout).await?;
                }
                match seen {
                    Ok(seen) => seen.map_err(Unseen::Unreadable),
                    Err(error) if error.is_timeout() => Err(Unseen::Unreached),
                    Err(error) => return Err(error),
                }
            }
            Err(unseen) => Err(unseen),
        };
        match observed {
            Ok((reference, spelling)) => {
                references.push(reference);
                spellings.extend(spelling);
                known.references.push(table);
            }
            Err(Unseen::Unreadable(why)) => {
                let transient = why == LOCKED;
                let why = table.child.with_way_out(why);
                skipped.push(Skipped {
                    object: ObjectRef::clone(&table.object),
                    why,
                    asked: false,
                    transient,
                });
                known.passive.push(Passive { table, seen: false });
            }
            // No row of it is claimed anything about, but its name is known: who moves an id, moves there.
            Err(Unseen::Unreached) => {
                unreached.push(ObjectRef::clone(&table.object));
                known.references.push(table);
            }
        }
    }
    shared_ids::wider(&known, users.shared_ids.as_mut());
    let others = known.references.iter().filter(|table| !table.child.is_plain_of(known.users.owner));
    let mut touched: Vec<ObjectRef> = others.map(|table| ObjectRef::clone(&table.object)).collect();
    touched.extend(references.iter().flat_map(|one| one.takes.iter().map(|taken| taken.object.clone())));
    let foreign = foreign::observe(connection, known.users.oid, &target.references, touched).await?;
    let constraints =
        constraints::observe(connection, target, &known, &references, (&missing, &elsewhere), version)
            .await?;
    let kept = target.admin.iter().zip(&admin).chain(target.accounts.iter().zip(&beside));
    let reset = requests.reset.is_some();
    let mut missing_ones = kept.filter(|(_, facts)| facts.account.is_none());
    let unchecked = if missing_ones.any(|(spec, _)| spec.is_created(reset)) {
        ids::unchecked(connection, &mut known).await?
    } else {
        Vec::new()
    };
    if let (Some(spec), Some(facts)) = (&target.admin, admin.as_mut()) {
        accounts::observe_id(connection, spec, &mut known, facts, version).await?;
    }
    for (spec, facts) in target.accounts.iter().zip(&mut beside) {
        accounts::observe_id(connection, spec, &mut known, facts, version).await?;
    }
    if target.references.identities.is_some() {
        known.active_decides = namesakes::active_decides(connection, &known).await?;
    }
    let looking =
        identities::observe(connection, target, &known, &users, &references, version, given.elsewhere);
    let facts = looking.await?.map(|(facts, mapping)| {
        known.identities = mapping;
        facts
    });
    Ok(Observed {
        observation: Observation {
            server,
            users: Ok(users),
            bookkeeping,
            admin,
            accounts: beside,
            references,
            skipped,
            unchecked,
            missing_constraints: missing,
            elsewhere,
            undeclared,
            constraints,
            spellings,
            untrusted,
            foreign,
            unreached,
            relied: relied_on,
            identities: facts,
            sessions: None,
        },
        known: Some(known),
        searched,
        tried,
    })
}
