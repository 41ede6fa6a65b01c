//! Whom old ids named, as a table of another database says: read once for each look, in a read-only
//! snapshot of its own, and held to bounds, since nothing is known of who keeps that database.

use crate::{
    domain::{
        facts::{key_kind::KeyKind, schema::DatabaseIdentity},
        identities::list::{Identities, ListedUser, MAX_FIELD, MAX_PEOPLE, check_field},
        target::IdentityTable,
        text::number,
    },
    engine::{
        PreviousUsers,
        postgres::{
            catalog::{Column, mapping::SourceTable, resolved::ResolvedSchema},
            observe::{identities::source::source_table, stability::unrewritten_tables},
            rowset::people::length,
            session::{error::DatabaseError, server, transaction::prepare},
            sql::Sql,
        },
    },
};

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt;
use sqlx::{Connection, PgConnection, Row};

/// Bytes that all ids and logins of another database may take: they are held in memory.
const MAX_BYTES: usize = 128 << 20;

/// Object ids below this one are the server's own, never something that a database's owner made
/// (`FirstNormalObjectId`).
const FIRST_OF_USERS: i64 = 16_384;

/// Which table of which running server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    identity: DatabaseIdentity,
    table: i64,
    /// When the server was started, in microseconds.
    started: i64,
    /// Whether it follows another server.
    standby: bool,
}

/// Why the table is no list of previous people, if so: it is the user table itself, or the copy that a standby keeps of
/// it. A backup that runs as a server of its own is another matter, though it has the same identity. A table of another
/// kind of database is none of these.
pub(super) async fn is_today(
    read: &PreviousUsers,
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Option<String>, sqlx::Error> {
    let Some(place) = read.place.downcast_ref::<Place>() else { return Ok(None) };
    if (&place.identity, place.table) != (&known.identity, known.users.oid) {
        return Ok(None);
    }
    let what = place.is_also(run_of(connection).await?);
    Ok(what.map(|what| {
        format!(
            "{} is {what}, which says nothing about earlier ids: name the database as it was",
            read.list.origin
        )
    }))
}

impl Place {
    /// What the same table of another running server is to it, where both are one; the server is known by
    /// when it was started, and by whether it follows another one.
    fn is_also(&self, (started, standby): (i64, bool)) -> Option<&'static str> {
        if started == self.started {
            Some("the user table itself")
        } else if standby || self.standby {
            Some("the user table as a standby follows it")
        } else {
            None
        }
    }
}

/// When the server was started, and whether it follows another one.
async fn run_of(connection: &mut PgConnection) -> Result<(i64, bool), sqlx::Error> {
    let row = Sql::new(
        "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8, pg_is_in_recovery()",
    )
    .one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Reads ids and logins of all users of another database; `origin` is how messages call it. The inner
/// error says what is wrong with the table.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn previous_users(
    connection: &mut PgConnection,
    table: &IdentityTable,
    origin: &str,
    timeout: Duration,
) -> Result<Result<PreviousUsers, String>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, timeout).await?;
    let (server, _) = server::of(connection).await?;
    let (started, standby) = run_of(connection).await?;
    let said = |why: String| format!("{origin}: {why}");
    let found = match source_table(connection, table, "grant it that there", None).await? {
        Ok(found) => found,
        Err(why) => return Ok(Err(said(why))),
    };
    let people = match people(connection, &found).await {
        Ok(people) => people,
        // Row security would hide rows: half of the people are worse than none.
        Err(error) => {
            let error = DatabaseError::from(error);
            return match error.sqlstate().as_deref() {
                Some("42501") => Ok(Err(said(error.to_string()))),
                _ => Err(error),
            };
        }
    };
    unrewritten_tables(connection, vec![found.oid], true).await?;
    transaction.rollback().await?;
    Ok(people.map_err(said).map(|people| PreviousUsers {
        list: Arc::new(Identities {
            people,
            key: None,
            before: None,
            origin: format!("table {}.{} of {origin}", table.schema, table.table),
        }),
        place: Arc::new(Place { identity: server.identity, table: found.oid, started, standby }),
    }))
}

/// The people in the order of ids; the inner error says why they cannot be taken.
async fn people(
    connection: &mut PgConnection,
    table: &SourceTable,
) -> Result<Result<Vec<ListedUser>, String>, sqlx::Error> {
    for column in [&table.id, &table.login] {
        if !is_plain(column) {
            return Ok(Err(format!(
                "column {:?} is of type {}, and ids and logins must be numbers, uuids or text",
                column.name.as_str(),
                column.declared_type.as_str()
            )));
        }
    }
    // One character more than a value may have bytes: enough to see that it is too long.
    let most = i64::try_from(MAX_FIELD).unwrap_or(i64::MAX).saturating_add(1);
    let mut sql = Sql::new("SELECT pg_catalog.substr(");
    sql.column("o", &table.id.name).add("::pg_catalog.text, 1, ").integer(most);
    sql.add("::pg_catalog.int4), pg_catalog.substr(").column("o", &table.login.name);
    sql.add("::pg_catalog.text, 1, ").integer(most).add("::pg_catalog.int4) FROM ").only(&table.relation);
    // Who has no login cannot be found again by it.
    sql.add(" o WHERE ").column("o", &table.id.name).add(" IS NOT NULL AND ");
    sql.column("o", &table.login.name).add("::pg_catalog.text OPERATOR(pg_catalog.<>) '' LIMIT ");
    sql.integer(length(MAX_PEOPLE) + 1);
    let mut people = Vec::new();
    let mut bytes = 0;
    let mut rows = sql.stream(connection);
    while let Some(row) = rows.try_next().await? {
        let (id, login): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        for (name, value) in [("id", &id), ("login", &login)] {
            if let Err(why) = check_field("one of its rows", name, value) {
                return Ok(Err(why));
            }
        }
        bytes += id.len() + login.len();
        if bytes > MAX_BYTES {
            return Ok(Err(format!("ids and logins take more than {} MiB", MAX_BYTES >> 20)));
        }
        people.push((id, login));
        if people.len() > MAX_PEOPLE {
            return Ok(Err(format!("it holds more than {} people", number(length(MAX_PEOPLE)))));
        }
    }
    if people.is_empty() {
        return Ok(Err("nobody with a login stands in it".into()));
    }
    // One order for one list, whatever the other database sorts by.
    people.sort_unstable();
    Ok(Ok((1..).zip(people).map(|(row, (id, login))| ListedUser { id, login, row }).collect()))
}

/// Whether a value becomes text by the server's own code, and not by a function that somebody made.
fn is_plain(column: &Column) -> bool {
    column.kind() != KeyKind::Other && (column.base_oid < FIRST_OF_USERS || column.base_name == "citext")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_runs_by_itself_is_another_table_and_a_standby_is_not() {
        let identity = DatabaseIdentity { system: "1".into(), database: 2 };
        let place = |standby| Place { identity: identity.clone(), table: 3, started: 4, standby };
        assert_eq!(place(false).is_also((4, false)), Some("the user table itself"));
        assert_eq!(place(false).is_also((5, false)), None);
        for (other, own) in [(true, false), (false, true), (true, true)] {
            assert_eq!(place(other).is_also((5, own)), Some("the user table as a standby follows it"));
        }
    }
}
