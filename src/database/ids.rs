//! Ids that rows name, whether anybody has them: how far they have come, and whether one of them is free.
//!
//! The last value that an id or a column can have is a mark of the app, as `2147483647` for "nobody" is. It
//! says nothing of how far ids have come, and hides none of those below it.

use sqlx::PgConnection;

use super::{
    catalog::{self, Column},
    error::DatabaseError,
    identifier::Sql,
    observe::Known,
    references::ReferenceTable,
    transaction::savepoint,
};
use crate::{
    api::report::ObjectRef,
    consistency::observation::{KeyKind, Unchecked},
};

/// Ids that a sequence would give next and that rows name, drawn at most before a new account takes one.
const DRAWN: usize = 100;

/// Which column of a reference names the id, and which values of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPart {
    /// Its place among the reference's columns.
    pub at: usize,
    /// The last value that it, or an id, can have: that one counts no more.
    pub last: i64,
}

/// A reference that is not checked and may name ids all the same.
#[derive(Debug, Clone)]
pub struct Passive {
    /// The reference.
    pub table: ReferenceTable,
    /// Whether its rows could be looked at.
    pub seen: bool,
}

/// Which of a reference's columns names the id.
pub(super) fn part(known: &Known, columns: &[Column], parent_columns: &[Column]) -> Option<IdPart> {
    let at = parent_columns.iter().position(|column| column.name == known.id.name)?;
    let own = columns.get(at).and_then(Column::last).unwrap_or(i64::MAX);
    Some(IdPart { at, last: own.min(known.last_id) })
}

/// The number that a key names, in whatever spelling; `None` where it names none.
pub(super) fn number(key: &str) -> Option<i64> {
    let key = key.trim();
    let whole = match key.split_once('.') {
        // 5.00 is the id 5.
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => key,
    };
    whole.parse().ok()
}

/// The last id that there can be: the end of the column's type, or of a sequence that ends before. A domain
/// may forbid it; then the highest that it takes, as far as its conditions are a bound.
///
/// # Errors
/// The database fails.
pub(super) async fn last(
    connection: &mut PgConnection,
    id: &Column,
    sequence: Option<&catalog::Sequence>,
) -> Result<i64, DatabaseError> {
    let Some(last) = id.last() else { return Ok(i64::MAX) };
    let end = sequence.filter(|sequence| sequence.increment > 0).map_or(last, |one| one.maximum.min(last));
    let plain = matches!(id.type_name.as_str(), "smallint" | "integer" | "bigint");
    if plain || takes(connection, id, end).await? {
        return Ok(end);
    }
    let (mut taken, mut refused) = (0, end);
    if !takes(connection, id, taken).await? {
        taken = 1;
        if !takes(connection, id, taken).await? {
            return Ok(end);
        }
    }
    while refused - taken > 1 {
        let middle = taken + (refused - taken) / 2;
        if takes(connection, id, middle).await? {
            taken = middle;
        } else {
            refused = middle;
        }
    }
    // A condition that is no bound, as on every second number, says nothing of where ids end.
    for further in [taken.saturating_add(2), taken.saturating_add(3), taken + (end - taken) / 2] {
        if further > taken && further < end && takes(connection, id, further).await? {
            return Ok(end);
        }
    }
    Ok(taken)
}

async fn takes(connection: &mut PgConnection, id: &Column, value: i64) -> Result<bool, DatabaseError> {
    let taken = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ");
        sql.typed(&value.to_string(), &id.type_name).add(" IS NOT NULL");
        sql.scalar::<bool>(connection).await
    });
    Ok(taken.await?.is_ok())
}

/// The highest id of a live user below the last one, for integers; otherwise the table is only looked into.
///
/// # Errors
/// The database fails, or row security hides rows.
pub(super) async fn highest_user(
    connection: &mut PgConnection,
    known: &Known,
) -> Result<Option<i64>, sqlx::Error> {
    if known.id.kind() != KeyKind::Integer {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT FROM ");
        sql.only(&known.users.relation).add(" p LIMIT 1) one");
        return sql.scalar::<i64>(connection).await.map(|_| None);
    }
    let mut sql = Sql::new("SELECT max(p.");
    sql.name(&known.id.name).add(")::int8 FROM ").only(&known.users.relation).add(" p WHERE p.");
    sql.name(&known.id.name).add(" < ").integer(known.last_id);
    sql.scalar(connection).await
}

/// The highest id that the rows of a reference name, orphans or not, below the last one.
async fn highest(
    connection: &mut PgConnection,
    known: &Known,
    table: &ReferenceTable,
) -> Result<Option<i64>, sqlx::Error> {
    let Some((part, column)) = table.ids.and_then(|part| Some((part, table.columns.get(part.at)?))) else {
        return Ok(None);
    };
    if known.id.kind() != KeyKind::Integer {
        return Ok(None);
    }
    if column.kind() == KeyKind::Integer {
        let mut sql = Sql::new("SELECT pg_catalog.max(");
        sql.column("c", &column.name).add(")::pg_catalog.int8 FROM ").only(&table.child.relation);
        sql.add(" c WHERE ").column("c", &column.name).add(" OPERATOR(pg_catalog.<) ").integer(part.last);
        table.in_scope(&mut sql);
        return sql.scalar(connection).await;
    }
    // Whatever spells a number, as the comparison with an id does.
    let mut sql = Sql::new(
        "SELECT pg_catalog.max(n.id)::pg_catalog.int8 FROM (SELECT CASE WHEN x.key OPERATOR(pg_catalog.~) \
         '^[+]?[0-9]+([.]0*)?$' THEN x.key::pg_catalog.numeric END AS id FROM (SELECT pg_catalog.btrim(",
    );
    sql.column("c", &column.name).add("::pg_catalog.text) AS key FROM ").only(&table.child.relation);
    sql.add(" c WHERE ").column("c", &column.name).add(" IS NOT NULL");
    table.in_scope(&mut sql);
    sql.add(") x) n WHERE n.id OPERATOR(pg_catalog.<) ").integer(part.last);
    sql.scalar(connection).await
}

/// How far the ids go that references name which are not checked. What cannot be seen says why.
///
/// # Errors
/// The database fails as a whole.
pub(super) async fn unchecked(
    connection: &mut PgConnection,
    known: &mut Known,
) -> Result<Vec<Unchecked>, DatabaseError> {
    let mut passive = std::mem::take(&mut known.passive);
    let mut found = Vec::with_capacity(passive.len());
    // What could not be looked at as a reference is told already, and is not waited for once more.
    for one in passive.iter_mut().filter(|one| one.seen) {
        let seen = savepoint(connection, async |connection: &mut PgConnection| {
            highest(connection, known, &one.table).await
        })
        .await;
        let highest = match seen {
            Ok(highest) => highest,
            Err(error) if error.is_timeout() => Err("it takes too long".to_owned()),
            Err(error) => return Err(error),
        };
        one.seen &= highest.is_ok();
        found.push(Unchecked { object: one.table.object.clone(), highest });
    }
    known.passive = passive;
    Ok(found)
}

/// How many rows name an id, and the references whose rows could not be looked at.
///
/// # Errors
/// The database fails as a whole.
pub(super) async fn naming(
    connection: &mut PgConnection,
    known: &mut Known,
    id: &str,
) -> Result<(i64, Vec<ObjectRef>), DatabaseError> {
    let (mut rows, mut unseen) = (0, Vec::new());
    // What could not be looked at as a reference is told already, and is not waited for once more.
    let passive = known.passive.iter_mut().filter(|one| one.seen);
    let passive = passive.map(|one| (&one.table, Some(&mut one.seen)));
    for (table, seen) in known.references.iter().map(|table| (table, None)).chain(passive) {
        if table.ids.is_none() {
            continue;
        }
        let counted = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT count(*) FROM ");
            sql.only(&table.child.relation).add(" c WHERE ");
            table.names_id(&mut sql, id);
            sql.scalar::<i64>(connection).await
        })
        .await;
        match counted {
            Ok(Ok(counted)) => rows += counted,
            Err(error) if !error.is_timeout() => return Err(error),
            Ok(Err(_)) | Err(_) => {
                unseen.push(table.object.clone());
                if let Some(seen) = seen {
                    *seen = false;
                }
            }
        }
    }
    Ok((rows, unseen))
}

/// The first reference, checked or not, of which a row names an id. What could not be seen when that was
/// planned is left out where it cannot be seen now.
///
/// # Errors
/// The database fails.
async fn named_by<'k>(
    connection: &mut PgConnection,
    known: &'k Known,
    id: &str,
) -> Result<Option<&'k ObjectRef>, DatabaseError> {
    let passive = known.passive.iter().map(|one| (&one.table, one.seen));
    for (table, seen) in known.references.iter().map(|table| (table, true)).chain(passive) {
        if table.ids.is_none() {
            continue;
        }
        let names = async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
            sql.only(&table.child.relation).add(" c WHERE ");
            table.names_id(&mut sql, id);
            sql.add(")");
            sql.scalar::<bool>(connection).await
        };
        let named = if seen {
            names(&mut *connection).await?
        } else {
            match savepoint(connection, names).await {
                Err(error) if !error.is_timeout() => return Err(error),
                named => named.ok().and_then(Result::ok).unwrap_or(false),
            }
        };
        if named {
            return Ok(Some(&table.object));
        }
    }
    Ok(None)
}

/// Never make an old token into another account's: no row may name the new id already.
///
/// # Errors
/// A row names it, or the database fails.
pub(super) async fn unclaimed(
    connection: &mut PgConnection,
    known: &Known,
    id: &str,
) -> Result<(), DatabaseError> {
    match named_by(connection, known, id).await? {
        None => Ok(()),
        Some(object) => Err(DatabaseError::Moved(format!(
            "the new id {id} is one that rows of {} still name, so it is given to nobody",
            object.describe()
        ))),
    }
}

/// Draws ids from the sequence that rows name, so that the next one is nobody's. Those of checked references
/// are below it already: what is left are ids that rows name of which nobody is told.
///
/// # Errors
/// The database fails.
pub(super) async fn skip_named(connection: &mut PgConnection, known: &Known) -> Result<(), DatabaseError> {
    let Some(sequence) = &known.sequence else { return Ok(()) };
    if !sequence.readable || !sequence.settable || known.id.kind() != KeyKind::Integer {
        return Ok(());
    }
    for _ in 0..DRAWN {
        let next = catalog::next_value(connection, sequence).await?;
        if named_by(connection, known, &next.to_string()).await?.is_none() {
            break;
        }
        let mut sql = Sql::new("SELECT pg_catalog.nextval(pg_catalog.format('%I.%I', ");
        sql.text(sequence.relation.schema.as_str()).add(", ").text(sequence.relation.name.as_str());
        sql.add(")::pg_catalog.regclass)");
        sql.execute(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_read_in_each_of_its_spellings() {
        for (key, id) in [
            ("4", Some(4)),
            (" 4 ", Some(4)),
            ("+4", Some(4)),
            ("004", Some(4)),
            ("4.00", Some(4)),
            ("-4", Some(-4)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("4.5", None),
            ("u4", None),
            ("", None),
        ] {
            assert_eq!(number(key), id, "{key:?}");
        }
    }
}
