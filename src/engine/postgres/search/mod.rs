//! Finds rows that name nobody: which keys, by the way that costs least, then exactly how many rows.
//!
//! The usual answer is "none", so that is asked first, of many references in one statement. Where keys
//! are found, their rows are counted; a reference with very many such keys is counted by the engine's
//! own anti-join. Every way gives the same answer.

mod count;
mod id_gaps;
mod statements;
mod statistics;

use crate::engine::Search;
use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{
            references::Orphans,
            search::{Choice, Searched},
        },
        progress::Progress,
        search::{Strategy, choose, estimate, passable},
    },
    engine::{
        budget::Budget,
        postgres::{
            catalog::reference::ReferenceTable,
            search::{id_gaps::Ids, statistics::Order},
            session::{
                error::DatabaseError,
                transaction::{savepoint, statement_timeout},
            },
            sql::{Sql, run},
        },
    },
};

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

/// So many keys are looked up one by one; where there are more, the rows are counted all at once.
const MANY_KEYS: usize = 10_000;

/// And no more than these bytes of them: a key may be as long as its owner likes.
const LISTED_BYTES: usize = 4 << 20;

/// References that are looked at in one statement.
const BATCH: usize = 24;

/// A table with more rows than this is looked at by a statement of its own, which may run in parallel.
const LARGE: f64 = 100_000.0;

/// What a search of many references goes by.
pub struct Looking<'a> {
    /// How they are searched.
    pub search: Search,
    /// How long it may take.
    pub budget: &'a Budget,
    /// When a reference was tried last: what was not for longest comes first.
    pub turn: &'a (dyn Fn(&ObjectRef) -> u64 + Send + Sync),
    /// Told how far it has got.
    pub progress: &'a (dyn Fn(&Progress) + Send + Sync),
    /// References that need no search; they count as done.
    pub done: usize,
}

/// Why the orphans of a reference are not known.
pub enum Unseen {
    /// It could not be looked at: why.
    Unreadable(String),
    /// The time was used up before its search or in the midst of it.
    Unreached,
}

/// What was found of one reference.
pub struct Found {
    /// Its orphans.
    pub orphans: Result<Orphans, Unseen>,
    /// Whether its search was begun.
    pub tried: bool,
    /// How it was searched.
    pub searched: Searched,
    /// How long its search should take, in microseconds; further looks at it take about as long each.
    pub estimate: f64,
}

/// One reference and what is known of it.
struct Subject<'a> {
    table: &'a ReferenceTable,
    order: Option<Order>,
    ids: Option<&'a Ids>,
    choice: Choice,
    rows: f64,
    estimate: f64,
}

/// Keys that no user has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    /// These; at most [`MANY_KEYS`].
    Listed(Vec<String>),
    /// There are some.
    Some,
}

/// Looks at all references, in the order that they are given.
///
/// # Errors
/// The database fails as a whole. What is wrong with one reference is in its own result.
pub async fn find(
    connection: &mut PgConnection,
    tables: &[ReferenceTable],
    looking: &Looking<'_>,
) -> Result<Vec<Found>, DatabaseError> {
    let (search, budget) = (looking.search, looking.budget);
    let facts = statistics::facts(connection, tables).await?;
    let users = facts.iter().map(|(facts, _)| facts.users).fold(0.0, f64::max);
    let longer = budget.make_room(if users > 1e15 { 0.0 } else { users });
    if let Some(longer) = longer {
        statement_timeout(connection, longer).await?;
    }
    let ids = id_gaps::of_all(connection, tables, &facts).await?;
    if longer.is_some() {
        statement_timeout(connection, budget.usual()).await?;
    }
    let subjects: Vec<Subject<'_>> = tables
        .iter()
        .zip(facts)
        .map(|(table, (mut facts, order))| {
            let ids = ids.iter().find(|(key, _)| *key == id_gaps::key(table)).map(|(_, ids)| ids);
            let ids = ids.filter(|_| id_gaps::comparable(table));
            facts.ids = ids.map(Ids::facts);
            let choice = match search.way {
                Some(way) if passable(way, &facts) => {
                    Choice { strategy: way, why: "this way was asked for".into() }
                }
                _ => choose(&facts),
            };
            let estimate = estimate(choice.strategy, &facts);
            Subject { table, order, ids, choice, rows: facts.rows, estimate }
        })
        .collect();
    let mut found: Vec<Found> = subjects.iter().map(Subject::unreached).collect();
    // What was cut among others, or keeps moving, is no burden to its neighbours in the next look.
    let alone = |subject: &Subject<'_>| search.explain || (looking.turn)(&subject.table.object) > 0;
    let mut batches = batches(&subjects, &alone);
    in_turn(&mut batches, &subjects, looking.turn);
    let mut done = looking.done;
    let all = done + subjects.len();
    let mut allowed = budget.usual();
    for (nth, batch) in batches.iter().enumerate() {
        let Some(time) = budget.search(expected(&subjects, batch), nth == 0) else { continue };
        tell(looking, &subjects, batch, done, all);
        // Not for every little difference: it is a statement of its own.
        if time < allowed || time > allowed * 2 {
            statement_timeout(connection, time * 7 / 8).await?;
            allowed = time * 7 / 8;
        }
        let began = Instant::now();
        let results = match look(connection, &subjects, batch).await {
            Ok(results) => results,
            // The savepoint keeps what was seen before, and the next look goes on.
            Err(error) if error.is_timeout() => {
                batch.iter().for_each(|at| found[*at].tried = true);
                continue;
            }
            Err(error) => return Err(error),
        };
        let elapsed = began.elapsed();
        done += batch.len();
        for (at, orphans) in results {
            let one = &mut found[at];
            (one.orphans, one.tried) = (orphans.map_err(Unseen::Unreadable), true);
            one.searched.elapsed = elapsed;
        }
    }
    if allowed != budget.usual() {
        statement_timeout(connection, budget.usual()).await?;
    }
    Ok(found)
}

impl Subject<'_> {
    /// As it is before its search.
    fn unreached(&self) -> Found {
        let (object, choice) = (Arc::clone(&self.table.object), self.choice.clone());
        Found {
            orphans: Err(Unseen::Unreached),
            tried: false,
            searched: Searched { object, choice, elapsed: Duration::ZERO },
            estimate: self.estimate,
        }
    }
}

fn expected(subjects: &[Subject<'_>], batch: &[usize]) -> f64 {
    batch.iter().map(|at| subjects[*at].estimate).sum()
}

/// What was not tried for longest comes first, and of that what takes least: whatever a look cannot
/// reach, the next one begins with.
fn in_turn(batches: &mut [Vec<usize>], subjects: &[Subject<'_>], turn: &dyn Fn(&ObjectRef) -> u64) {
    let first = |batch: &[usize]| batch.iter().map(|at| turn(&subjects[*at].table.object)).min().unwrap_or(0);
    batches.sort_by(|a, b| {
        let cost = expected(subjects, a).total_cmp(&expected(subjects, b));
        first(a).cmp(&first(b)).then(cost)
    });
}

fn tell(looking: &Looking<'_>, subjects: &[Subject<'_>], batch: &[usize], done: usize, all: usize) {
    let Some(first) = batch.first() else { return };
    let mut names = subjects[*first].table.object.describe();
    if batch.len() > 1 {
        names.push_str(&format!(" and {} more", batch.len() - 1));
    }
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    (looking.progress)(&Progress::references(&names, number(done), number(all)));
}

/// Settings under which a statement trusts no index, for the rest of the transaction.
pub(super) const WITHOUT_INDEXES: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off";

/// And back.
pub(super) const WITH_INDEXES: &str = "SET LOCAL enable_indexscan TO DEFAULT; SET LOCAL enable_indexonlyscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT";

/// Counts the orphans of one reference by a scan that trusts no index, and writes their keys on the list of
/// a step: what a repair is confirmed by, and bound to.
///
/// # Errors
/// The database fails.
pub async fn confirmed(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    step: (&str, i64),
) -> Result<Orphans, sqlx::Error> {
    run(connection, WITHOUT_INDEXES).await?;
    let orphans = count::listing(connection, table, step.0, step.1).await?;
    run(connection, WITH_INDEXES).await?;
    Ok(orphans)
}

/// Which references are looked at together: ways that take the same settings, large tables alone, and
/// the references of one table that a single scan serves.
fn batches(subjects: &[Subject<'_>], alone: &dyn Fn(&Subject<'_>) -> bool) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut open: [Vec<usize>; 2] = Default::default();
    for (at, subject) in subjects.iter().enumerate() {
        if subject.choice.strategy == Strategy::RangeScan {
            // One scan serves all such references of a table.
            let same = batches.iter_mut().find(|batch| {
                let first = &subjects[batch[0]];
                first.choice.strategy == Strategy::RangeScan
                    && first.table.child.oid == subject.table.child.oid
            });
            match same {
                Some(batch) => batch.push(at),
                None => batches.push(vec![at]),
            }
            continue;
        }
        if alone(subject) || subject.rows > LARGE {
            batches.push(vec![at]);
            continue;
        }
        let probes = usize::from(statements::by_index(subject.choice.strategy));
        open[probes].push(at);
        if open[probes].len() == BATCH {
            batches.push(std::mem::take(&mut open[probes]));
        }
    }
    // Scans of small tables go together too.
    let (small, large): (Vec<_>, Vec<_>) = batches.into_iter().partition(|batch| {
        let first = &subjects[batch[0]];
        !alone(first) && first.choice.strategy == Strategy::RangeScan && first.rows <= LARGE
    });
    let mut joined: Vec<Vec<usize>> = large;
    for batch in small {
        open[0].extend(batch);
        if open[0].len() >= BATCH {
            joined.push(std::mem::take(&mut open[0]));
        }
    }
    joined.extend(open.into_iter().filter(|batch| !batch.is_empty()));
    joined
}

/// Looks at one batch; should it fail, at each of its references alone, so that what is wrong with one
/// of them is said of that one.
async fn look(
    connection: &mut PgConnection,
    subjects: &[Subject<'_>],
    batch: &[usize],
) -> Result<Vec<(usize, Result<Orphans, String>)>, DatabaseError> {
    let together = savepoint(connection, async |connection: &mut PgConnection| {
        orphans(connection, subjects, batch).await
    })
    .await?;
    match together {
        Ok(found) => Ok(found.into_iter().map(|(at, orphans)| (at, Ok(orphans))).collect()),
        Err(why) if batch.len() == 1 => Ok(vec![(batch[0], Err(why))]),
        Err(_) => {
            let mut found = Vec::new();
            for at in batch {
                let alone = savepoint(connection, async |connection: &mut PgConnection| {
                    orphans(connection, subjects, &[*at]).await
                })
                .await?;
                match alone {
                    Ok(one) => found.extend(one.into_iter().map(|(at, orphans)| (at, Ok(orphans)))),
                    Err(why) => found.push((*at, Err(why))),
                }
            }
            Ok(found)
        }
    }
}

async fn orphans(
    connection: &mut PgConnection,
    subjects: &[Subject<'_>],
    batch: &[usize],
) -> Result<Vec<(usize, Orphans)>, sqlx::Error> {
    let mut found = Vec::new();
    // A large table is not read twice, once for whether and once for how many.
    if let [at] = batch
        && subjects[*at].choice.strategy == Strategy::AntiJoin
    {
        return Ok(vec![(*at, count::by_anti_join(connection, subjects[*at].table).await?)]);
    }
    let keys = keys(connection, subjects, batch).await?;
    for at in batch {
        let subject = &subjects[*at];
        let orphans = match keys.iter().find(|(of, _)| of == at) {
            None => Orphans::default(),
            Some((_, Keys::Listed(keys))) if statements::by_index(subject.choice.strategy) => {
                count::of_keys(connection, subject, keys).await?
            }
            Some(_) => count::by_anti_join(connection, subject.table).await?,
        };
        found.push((*at, orphans));
    }
    Ok(found)
}

/// The keys of a batch that no user has, of those references that have any.
async fn keys(
    connection: &mut PgConnection,
    subjects: &[Subject<'_>],
    batch: &[usize],
) -> Result<Vec<(usize, Keys)>, sqlx::Error> {
    let probes = batch.iter().any(|at| statements::by_index(subjects[*at].choice.strategy));
    let sql = statements::statement(subjects, batch);
    if probes {
        // A probe that became a scan would be one scan per key.
        run(connection, "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").await?;
    }
    let mut rows = sql.stream(&mut *connection);
    let mut found: Vec<(usize, Keys)> = Vec::new();
    let mut room = LISTED_BYTES;
    while let Some(row) = rows.try_next().await? {
        let at = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX);
        let key: Option<String> = row.try_get(1)?;
        let entry = match found.iter().position(|(of, _)| *of == at) {
            Some(position) => &mut found[position].1,
            None => {
                found.push((at, Keys::Listed(Vec::new())));
                let last = found.len() - 1;
                &mut found[last].1
            }
        };
        match (&mut *entry, key) {
            (Keys::Listed(keys), Some(key)) if keys.len() < MANY_KEYS && key.len() <= room => {
                room -= key.len();
                keys.push(key);
            }
            _ => *entry = Keys::Some,
        }
    }
    drop(rows);
    if probes {
        run(connection, "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT")
            .await?;
    }
    Ok(found)
}

/// Adds `SELECT at::int8, ` in front of a part of a statement.
fn part(sql: &mut Sql, at: usize) {
    sql.add("SELECT ").ordinal(at).add("::int8, ");
}
