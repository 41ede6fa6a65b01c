//! Tables whose rows are sessions: which rows are meant, and their removal.
//!
//! People sign in while sessions end. So a run lists the rows that there are when it begins, by their primary
//! key, and removes those: whoever signs in afterwards stays signed in.

use crate::{
    api::{condition::Reason, report::ObjectRef},
    domain::{
        diagnose::sessions::Mechanism,
        facts::sessions::{Audience, Invalidation, MeansFacts},
        target::Target,
    },
    engine::postgres::{
        catalog::{Column, condition::holds, declared, reference::ReferenceTable, resolved::ResolvedSchema},
        ledger::fence::Fence,
        rowset::dependents,
        session::{
            error::DatabaseError,
            transaction::{LOCKED, savepoint},
        },
        sql::{Only, Sql, sql, template::each, with},
        sql_keys,
    },
};

use sqlx::{PgConnection, Row};

/// Bytes that a key may have on the list of a step: its index takes little more.
const LONGEST_KEY: i64 = 2_000;

/// What was locked for a chunk.
pub(in crate::engine::postgres) struct Locked {
    /// The keys.
    pub keys: Vec<Vec<String>>,
    /// Whether others come after it.
    pub more: bool,
    /// Whether anything was written down that has to stay, though there may be nothing to change.
    pub moved: bool,
    /// How many were taken off the step's list.
    pub unlisted: i64,
}

/// A table of sessions with what statements about it need.
pub(in crate::engine::postgres) struct Sessions {
    /// The table and its column, as a reference to the users.
    pub reference: ReferenceTable,
    /// Its primary key.
    pub key: Vec<Column>,
}

/// The table of the means; the inner error says why it cannot be used.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn table(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    means: &Mechanism,
    object: &ObjectRef,
) -> Result<Result<Sessions, String>, DatabaseError> {
    let reference = match declared::by_column(connection, known, object, &means.field()).await? {
        Ok(reference) => reference,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(why) = reference.refused() {
        return Ok(Err(why));
    }
    let key: Vec<Column> =
        reference.primary_key.iter().filter_map(|name| reference.child.column(name)).cloned().collect();
    Ok(if key.is_empty() {
        Err("it has no primary key, so its rows cannot be told from one another".into())
    } else {
        Ok(Sessions { reference, key })
    })
}

/// Adds the condition that the row `c` is a session that is to end.
fn meant(sql: &mut Sql, sessions: &Sessions, known: &ResolvedSchema, due: &Invalidation) {
    let Audience::Accounts(ids) = &due.whom else {
        sql.add("true");
        return;
    };
    let (id, keys) = (std::slice::from_ref(&known.id), keys(ids));
    sql!(
        sql,
        "EXISTS (SELECT FROM {users} p JOIN {keys} ON {is_keyed} WHERE {matches})",
        users = Only(&known.users.relation),
        keys = with(|sql| sql_keys::keyed(sql, id, &keys)),
        is_keyed = with(|sql| sql_keys::is_keyed(sql, "p", id)),
        matches = with(|sql| sessions.reference.matches(sql)),
    );
}

/// What is wrong with the table, the rights, and how many rows of how many active accounts would go. Rows of
/// the tables `before` are gone when its turn comes.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    (means, before): (&Mechanism, &[ObjectRef]),
    facts: &mut MeansFacts,
) -> Result<(), DatabaseError> {
    let object = means.object(&users(target));
    let field = means.field();
    let sessions = match table(connection, known, means, &object).await? {
        Ok(sessions) => sessions,
        Err(why) => {
            let why = format!("{} of {field} cannot be used: {why}", object.describe());
            facts.problem = Some((Reason::SessionsColumnUnsupported, why));
            return Ok(());
        }
    };
    let rights = &sessions.reference.child.rights;
    facts.permitted = rights.update && rights.delete;
    let Some(due) = facts.due.clone() else { return Ok(()) };
    // Row security that would hide rows, a type that cannot be compared: of this table alone.
    let looked = savepoint(connection, async |connection: &mut PgConnection| {
        let counted = count(connection, known, &sessions, &due).await?;
        let tied = if counted.rows > 0 {
            dependents::on_rows(connection, &sessions.reference.child, before, |sql| {
                meant(sql, &sessions, known, &due);
            })
            .await?
        } else {
            Vec::new()
        };
        Ok((counted, tied))
    });
    let table = ObjectRef { columns: Vec::new(), ..object.clone() };
    let why = match looked.await? {
        Ok((counted, tied)) => {
            (facts.rows, facts.active) = (counted.rows, counted.active);
            match unfit(&table, &field, counted.longest_key, &tied) {
                Some(why) => why,
                None => return Ok(()),
            }
        }
        Err(why) if why == LOCKED => {
            return Err(DatabaseError::Busy(format!("{} could not be looked at: {why}", table.describe())));
        }
        Err(why) => format!("{} of {field} cannot be looked at: {why}", object.describe()),
    };
    facts.problem = Some((Reason::SessionsColumnUnsupported, why));
    Ok(())
}

struct Counted {
    rows: i64,
    active: i64,
    /// Bytes of the longest key as it would stand on a step's list.
    longest_key: i64,
}

/// Counts the rows that would go, and the active accounts that they are of.
async fn count(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    sessions: &Sessions,
    due: &Invalidation,
) -> Result<Counted, sqlx::Error> {
    let sql = sql!(
        "SELECT count(*),
           (SELECT count(*) FROM {users} p WHERE EXISTS (SELECT FROM {sessions} c WHERE {matches}){active}{named}),
           coalesce(max(octet_length({key})), 0)::int8
         FROM {sessions} c WHERE {meant}",
        users = Only(&known.users.relation),
        sessions = Only(&sessions.reference.child.relation),
        matches = with(|sql| sessions.reference.matches(sql)),
        active = each(&known.active_when, "", |sql, (column, condition)| {
            holds(sql.add(" AND "), "p", column, condition);
        }),
        named = with(|sql| {
            let Audience::Accounts(ids) = &due.whom else { return };
            let (id, keys) = (std::slice::from_ref(&known.id), keys(ids));
            let (listed, keyed) = (with(|sql| sql_keys::keyed(sql, id, &keys)), with(|sql| sql_keys::is_keyed(sql, "p", id)));
            sql!(sql, " AND EXISTS (SELECT FROM {keys} WHERE {is_keyed})", keys = listed, is_keyed = keyed);
        }),
        key = with(|sql| key_text(sql, &sessions.key)),
        meant = with(|sql| meant(sql, sessions, known, due)),
    );
    let row = sql.one(connection).await?;
    Ok(Counted { rows: row.try_get(0)?, active: row.try_get(1)?, longest_key: row.try_get(2)? })
}

/// What keeps the rows from being removed, if anything does.
fn unfit(table: &ObjectRef, field: &str, longest_key: i64, tied: &[ObjectRef]) -> Option<String> {
    let of = table.describe();
    if longest_key > LONGEST_KEY {
        return Some(format!(
            "keys of {of} have up to {longest_key} bytes, and {field} takes {LONGEST_KEY}: end these sessions by the app"
        ));
    }
    let own = tied.iter().find(|one| (&one.schema, &one.table) == (&table.schema, &table.table));
    if let Some(own) = own {
        return Some(format!(
            "rows of {of} depend on one another ({}), which {field} does not take: end these sessions by the app",
            own.describe()
        ));
    }
    let tied: Vec<String> = tied.iter().map(ObjectRef::describe).collect();
    (!tied.is_empty()).then(|| {
        format!(
            "rows of {} depend on rows of {of}: name such tables in spec.sessions.tables before {field}, where they hold sessions too, or end these sessions by the app",
            tied.join(", ")
        )
    })
}

fn key_text(sql: &mut Sql, key: &[Column]) {
    let texts = with(|sql| key_texts(sql, key));
    sql!(sql, "pg_catalog.json_build_array({texts})::pg_catalog.text", texts = texts);
}

fn key_texts(sql: &mut Sql, key: &[Column]) {
    let texts = each(key, ", ", |sql, column| {
        sql!(sql, "c.{name}::pg_catalog.text", name = column.name);
    });
    sql!(sql, "{texts}", texts = texts);
}

/// Writes down which rows a step removes: those that there are now.
///
/// # Errors
/// The table cannot be used any more, or the database fails.
pub(in crate::engine::postgres) async fn list(
    connection: &mut PgConnection,
    fence: &Fence,
    known: &ResolvedSchema,
    (means, object, due): (&Mechanism, &ObjectRef, &Invalidation),
    number: i64,
) -> Result<(), DatabaseError> {
    let sessions = ready(connection, known, means, object).await?;
    let sql = sql!(
        "INSERT INTO auth_consistency.step_keys (run, step, key)
         SELECT {run}, {step}, {key} FROM {sessions} c WHERE {meant}",
        run = fence.run,
        step = number,
        key = with(|sql| key_text(sql, &sessions.key)),
        sessions = Only(&sessions.reference.child.relation),
        meant = with(|sql| meant(sql, &sessions, known, due)),
    );
    sql.execute(connection).await?;
    Ok(())
}

/// The table of a step.
///
/// # Errors
/// It cannot be used any more, or the database fails.
pub(in crate::engine::postgres) async fn ready(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    means: &Mechanism,
    object: &ObjectRef,
) -> Result<Sessions, DatabaseError> {
    table(connection, known, means, object)
        .await?
        .map_err(|why| DatabaseError::PlanStale(format!("{} cannot be used: {why}", object.describe())))
}

/// Takes the next rows off the list and locks those of them that are there still.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn lock(
    connection: &mut PgConnection,
    fence: &Fence,
    known: &ResolvedSchema,
    sessions: &Sessions,
    due: &Invalidation,
    (number, rows): (i64, i64),
) -> Result<Locked, DatabaseError> {
    let sql = sql!(
        "DELETE FROM auth_consistency.step_keys l WHERE l.run = {run} AND l.step = {step} AND l.key = ANY (ARRAY(
           SELECT l.key FROM auth_consistency.step_keys l WHERE l.run = {run} AND l.step = {step}
           ORDER BY l.key LIMIT {rows}))
         RETURNING l.key",
        run = fence.run,
        step = number,
        rows = rows,
    );
    let mut listed = Vec::new();
    for row in sql.every(connection).await? {
        let key: String = row.try_get(0)?;
        let key = serde_json::from_str(&key)
            .map_err(|_| DatabaseError::PlanStale("the list of a step is not as it was written".into()))?;
        listed.push(key);
    }
    // That it was the last chunk is written down with its own rows.
    let sql = sql!(
        "SELECT EXISTS (SELECT FROM auth_consistency.step_keys l WHERE l.run = {run} AND l.step = {step})",
        run = fence.run,
        step = number,
    );
    let more: bool = sql.scalar(connection).await?;
    let sql = sql!(
        "SELECT {texts} FROM {sessions} c JOIN {keys} ON {is_keyed} WHERE {meant} FOR UPDATE OF c",
        texts = with(|sql| key_texts(sql, &sessions.key)),
        sessions = Only(&sessions.reference.child.relation),
        keys = with(|sql| sql_keys::keyed(sql, &sessions.key, &listed)),
        is_keyed = with(|sql| sql_keys::is_keyed(sql, "c", &sessions.key)),
        meant = with(|sql| meant(sql, sessions, known, due)),
    );
    let mut keys = Vec::new();
    for row in sql.every(connection).await? {
        let key = (0..sessions.key.len()).map(|at| row.try_get(at)).collect::<Result<Vec<String>, _>>()?;
        keys.push(key);
    }
    let unlisted = i64::try_from(listed.len()).unwrap_or(i64::MAX);
    Ok(Locked { keys, more, moved: unlisted > 0, unlisted })
}

/// Removes locked rows.
///
/// # Errors
/// Others would go than were meant, or the database refuses it.
pub(in crate::engine::postgres) async fn remove(
    connection: &mut PgConnection,
    sessions: &Sessions,
    keys: &[Vec<String>],
) -> Result<(), DatabaseError> {
    let sql = sql!(
        "DELETE FROM {sessions} c USING {keys} WHERE {is_keyed}",
        sessions = Only(&sessions.reference.child.relation),
        keys = with(|sql| sql_keys::keyed(sql, &sessions.key, keys)),
        is_keyed = with(|sql| sql_keys::is_keyed(sql, "c", &sessions.key)),
    );
    let gone = sql.execute(connection).await?;
    if usize::try_from(gone) == Ok(keys.len()) {
        return Ok(());
    }
    Err(DatabaseError::PlanStale(format!(
        "{gone} rows of {} would have been removed, and {} were meant: nothing of this chunk was done (a trigger or rule may keep them)",
        sessions.reference.object.describe(),
        keys.len()
    )))
}

pub(in crate::engine::postgres) fn users(target: &Target) -> ObjectRef {
    ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..ObjectRef::default()
    }
}

pub(in crate::engine::postgres) fn keys(ids: &[String]) -> Vec<Vec<String>> {
    ids.iter().map(|id| vec![id.clone()]).collect()
}
