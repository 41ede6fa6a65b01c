//! Ids that rows name, whether anybody has them: how far they have come, and whether one of them is free.
//!
//! The last value that an id or a column can have is a mark of the app, as `2147483647` for "nobody" is. It
//! says nothing of how far ids have come, and hides none of those below it.

use crate::{
    api::report::ObjectRef,
    domain::facts::{Unchecked, key_kind::KeyKind},
    engine::postgres::{
        catalog::{
            self, Column,
            reference::{IdPart, ReferenceTable},
            resolved::ResolvedSchema,
        },
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Sql, run},
    },
};

use sqlx::{PgConnection, Row};

/// Ids that a sequence would give next and that rows name, drawn at most before a new account takes one.
const DRAWN: usize = 100;

/// Which of a reference's columns names the id.
pub(in crate::engine::postgres) fn part(
    known: &ResolvedSchema,
    columns: &[Column],
    parent_columns: &[Column],
) -> Option<IdPart> {
    let at = parent_columns.iter().position(|column| column.name == known.id.name)?;
    let own = columns.get(at);
    let first = own.and_then(Column::first).unwrap_or(i64::MIN).max(known.first_id);
    let last = own.and_then(Column::last).unwrap_or(i64::MAX).min(known.last_id);
    Some(IdPart { at, first, last })
}

/// The number that a key names, in whatever spelling; `None` where it names none.
pub(in crate::engine::postgres) fn number(key: &str) -> Option<i64> {
    let key = key.trim();
    let whole = match key.split_once('.') {
        // 5.00 is the id 5.
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => key,
    };
    whole.parse().ok()
}

/// The highest id of a live user below the last one, for integers; otherwise the table is only looked into.
///
/// # Errors
/// The database fails, or row security hides rows.
pub(in crate::engine::postgres) async fn highest_user(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
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

/// Which of the ids that a sequence comes to are somebody's.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine::postgres) struct Used {
    /// The one that it comes to last, but for the last id that there can be.
    pub farthest: Option<i64>,
    /// Whether the next one is.
    pub next: bool,
    /// Whether the last id that there can be is, where the sequence has come to it.
    pub last: bool,
    /// Whether this is a standby, where a sequence stands ahead of where it is on the primary.
    pub ahead: bool,
}

/// Looks which ids that a sequence comes to are in use: with an increment of 2, as two servers have that take
/// turns, those of the other one are none of them. `highest_user` is that of all integers.
///
/// # Errors
/// The database fails, or row security hides rows.
pub(in crate::engine::postgres) async fn used(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    sequence: &catalog::Sequence,
    next: i64,
    highest_user: Option<i64>,
) -> Result<Used, sqlx::Error> {
    let ahead = Sql::new("SELECT pg_is_in_recovery()").scalar(connection).await?;
    // Ids of other types are numbers where their text spells one.
    let number = |sql: &mut Sql| match known.id.kind() {
        KeyKind::Integer => {
            sql.column("p", &known.id.name);
        }
        _ => {
            sql.add("(CASE WHEN ").column("p", &known.id.name).add("::text ~ '^[+-]?[0-9]+([.]0*)?$' THEN ");
            sql.column("p", &known.id.name).add("::text::numeric END)");
        }
    };
    let some = sequence.increment.unsigned_abs() > 1;
    let descends = sequence.increment < 0;
    let farthest: Option<i64> = if known.id.kind() == KeyKind::Integer && !some && !descends {
        highest_user
    } else {
        let mut sql = Sql::new(if descends { "SELECT min(" } else { "SELECT max(" });
        number(&mut sql);
        sql.add(")::int8 FROM ").only(&known.users.relation).add(" p WHERE ");
        number(&mut sql);
        if descends {
            sql.add(" > ").integer(known.first_id);
        } else {
            sql.add(" < ").integer(known.last_id);
        }
        if some {
            sql.add(" AND ");
            number(&mut sql);
            sql.add(if descends { " <= " } else { " >= " }).integer(next).add(" AND (");
            number(&mut sql);
            sql.add("::numeric - ").integer(next).add(") % ").integer(sequence.increment).add(" = 0");
        }
        sql.scalar(connection).await?
    };
    let before = |id: i64| if descends { id > next } else { id < next };
    let end = if descends { known.first_id } else { known.last_id };
    let at_the_end = if descends { next <= end } else { next >= end };
    if farthest.is_none_or(before) && !at_the_end {
        return Ok(Used { farthest, ahead, ..Used::default() });
    }
    let is_used = |id: i64| {
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
        sql.only(&known.users.relation).add(" p WHERE ");
        number(&mut sql);
        sql.add(" = ").integer(id).add(")");
        sql
    };
    let used = is_used(next).scalar(connection).await?;
    let last = at_the_end && is_used(end).scalar(connection).await?;
    Ok(Used { farthest, next: used, last, ahead })
}

/// The lowest and the highest id that the rows of a reference name, orphans or not, but for the first and the
/// last one.
async fn named_ends(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    table: &ReferenceTable,
) -> Result<Option<(i64, i64)>, sqlx::Error> {
    let Some((part, column)) = table.ids.and_then(|part| Some((part, table.columns.get(part.at)?))) else {
        return Ok(None);
    };
    if known.id.kind() != KeyKind::Integer {
        return Ok(None);
    }
    let mut sql = Sql::new(
        "SELECT pg_catalog.min(n.id)::pg_catalog.int8, pg_catalog.max(n.id)::pg_catalog.int8 FROM (",
    );
    if column.kind() == KeyKind::Integer {
        sql.add("SELECT ").column("c", &column.name).add(" AS id FROM ").only(&table.child.relation);
        sql.add(" c WHERE ").column("c", &column.name).add(" IS NOT NULL");
        table.in_scope(&mut sql);
    } else {
        // Whatever spells a number, as the comparison with an id does.
        sql.add(
            "SELECT CASE WHEN x.key OPERATOR(pg_catalog.~) '^[+-]?[0-9]+([.]0*)?$' \
             THEN x.key::pg_catalog.numeric END AS id FROM (SELECT pg_catalog.btrim(",
        );
        sql.column("c", &column.name).add("::pg_catalog.text) AS key FROM ").only(&table.child.relation);
        sql.add(" c WHERE ").column("c", &column.name).add(" IS NOT NULL");
        table.in_scope(&mut sql);
        sql.add(") x");
    }
    sql.add(") n WHERE n.id OPERATOR(pg_catalog.<) ").integer(part.last);
    sql.add(" AND n.id OPERATOR(pg_catalog.>) ").integer(part.first);
    let row = sql.one(connection).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.zip(row.try_get::<Option<i64>, _>(1)?))
}

/// How far the ids go that references name which are not checked. What cannot be seen says why.
///
/// # Errors
/// The database fails as a whole.
pub(in crate::engine::postgres) async fn unchecked(
    connection: &mut PgConnection,
    known: &mut ResolvedSchema,
) -> Result<Vec<Unchecked>, DatabaseError> {
    let mut passive = std::mem::take(&mut known.passive);
    let mut found = Vec::with_capacity(passive.len());
    // What could not be looked at as a reference is told already, and is not waited for once more.
    for one in passive.iter_mut().filter(|one| one.seen) {
        if let Some(why) = one.table.refused() {
            one.seen = false;
            found.push(Unchecked { object: ObjectRef::clone(&one.table.object), ends: Err(why) });
            continue;
        }
        let seen = savepoint(connection, async |connection: &mut PgConnection| {
            named_ends(connection, known, &one.table).await
        })
        .await;
        let ends = match seen {
            Ok(ends) => ends,
            Err(error) if error.is_timeout() => Err("it takes too long".to_owned()),
            Err(error) => return Err(error),
        };
        one.seen &= ends.is_ok();
        found.push(Unchecked { object: ObjectRef::clone(&one.table.object), ends });
    }
    known.passive = passive;
    Ok(found)
}

/// How many rows name an id, and the references whose rows could not be looked at.
///
/// # Errors
/// The database fails as a whole.
pub(in crate::engine::postgres) async fn naming(
    connection: &mut PgConnection,
    known: &mut ResolvedSchema,
    id: &str,
) -> Result<(i64, Vec<ObjectRef>), DatabaseError> {
    let (mut rows, mut unseen) = (0_i64, Vec::new());
    // What could not be looked at as a reference is told already, and is not waited for once more.
    let passive = known.passive.iter_mut().filter(|one| one.seen);
    let passive = passive.map(|one| (&one.table, Some(&mut one.seen)));
    for (table, seen) in known.references.iter().map(|table| (table, None)).chain(passive) {
        if table.ids.is_none() {
            continue;
        }
        if table.refused().is_some() {
            unseen.push(ObjectRef::clone(&table.object));
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
            Ok(Ok(counted)) => rows = rows.saturating_add(counted),
            Err(error) if !error.is_timeout() => return Err(error),
            Ok(Err(_)) | Err(_) => {
                unseen.push(ObjectRef::clone(&table.object));
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
    known: &'k ResolvedSchema,
    id: &str,
) -> Result<Option<&'k ObjectRef>, DatabaseError> {
    let passive = known.passive.iter().map(|one| (&one.table, one.seen));
    for (table, seen) in known.references.iter().map(|table| (table, true)).chain(passive) {
        // What cannot be seen is left out, as when it was planned.
        if table.ids.is_none() || table.refused().is_some() {
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
            return Ok(Some(&*table.object));
        }
    }
    Ok(None)
}

/// Never make an old token into another account's: no row may name the new id already.
///
/// # Errors
/// A row names it, or the database fails.
pub(in crate::engine::postgres) async fn unclaimed(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    id: &str,
) -> Result<(), DatabaseError> {
    match named_by(connection, known, id).await? {
        None => Ok(()),
        Some(object) => Err(DatabaseError::PlanStale(format!(
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
pub(in crate::engine::postgres) async fn skip_named(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<(), DatabaseError> {
    let Some(sequence) = &known.sequence else { return Ok(()) };
    if !sequence.readable || !sequence.settable || known.id.kind() != KeyKind::Integer {
        return Ok(());
    }
    // What the session has in hand from before would come first, and says nothing of where the sequence stands.
    run(connection, "DISCARD SEQUENCES").await?;
    let mut next = catalog::next_value(connection, sequence).await?;
    for drawn in 1..=DRAWN as i64 {
        if named_by(connection, known, &next.to_string()).await?.is_none() {
            break;
        }
        let mut sql = Sql::new("SELECT pg_catalog.nextval(pg_catalog.format('%I.%I', ");
        sql.text(sequence.relation.schema.as_str()).add(", ").text(sequence.relation.name.as_str());
        sql.add(")::pg_catalog.regclass)");
        let given: i64 = sql.scalar(connection).await?;
        // As many as the sequence's CACHE says are in hand from the first of them on.
        next = match given.checked_add(sequence.increment) {
            Some(next) if drawn % sequence.cache.max(1) != 0 => next,
            _ => catalog::next_value(connection, sequence).await?,
        };
    }
    Ok(())
}

/// Draws an id from the sequence where the column's default does not do that by itself, or reads its name by the
/// path of whoever inserts, which may be another one than the app's.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn draw(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Option<String>, sqlx::Error> {
    let Some(sequence) = known.sequence.as_ref().filter(|one| one.late || !known.id.has_default) else {
        return Ok(None);
    };
    let mut sql = Sql::new("SELECT pg_catalog.nextval(pg_catalog.format('%I.%I', ");
    sql.text(sequence.relation.schema.as_str()).add(", ").text(sequence.relation.name.as_str());
    sql.add(")::pg_catalog.regclass)::pg_catalog.text");
    sql.scalar(connection).await.map(Some)
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
