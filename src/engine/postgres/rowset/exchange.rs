//! Rows that change places in a unique key.
//!
//! An index that is checked row by row refuses an UPDATE in which rows change places, whatever the end is.
//! So rows whose places others get are taken out and put in again, in one statement: a foreign key that has
//! no action of its own is checked at its end, when every key is back.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use sqlx::{PgConnection, Row};

use crate::engine::postgres::{
    catalog::{Column, Table},
    repair::guard::beyond::Own,
    session::{error::DatabaseError, transaction::savepoint},
    sql::{
        Only, Relation, Sql, run, sql,
        template::{Texts, each},
        with,
    },
};

/// A statement that takes rows `c` out and puts them in again with another value in one column, and counts
/// those that are otherwise as they were. `which` adds the other tables of the DELETE and its condition,
/// `value` the new value. For a repair: every name and operator is qualified.
pub(in crate::engine::postgres) fn put_in_again(
    source: &Table,
    reference: &Column,
    which: impl Fn(&mut Sql),
    value: impl Fn(&mut Sql),
) -> Sql {
    let columns: Vec<&Column> = source.columns.iter().filter(|column| !column.generated).collect();
    let columns: Vec<(usize, &Column)> = columns.into_iter().enumerate().collect();
    let all_of = |alias: &'static str| {
        each(&columns, ", ", move |sql, (at, _)| {
            sql.add(alias).add(".o").ordinal(*at);
        })
    };
    // Counted first: no row comes in before all are out.
    sql!(
        "WITH d AS (DELETE FROM {rows} AS c USING {which} RETURNING {values}),
         n AS MATERIALIZED (SELECT pg_catalog.count(*) AS n FROM d),
         i AS (
           INSERT INTO {source} AS c ({names}) OVERRIDING SYSTEM VALUE SELECT {out} FROM n CROSS JOIN d
           RETURNING {came})
         SELECT pg_catalog.count(*) FROM i JOIN d ON ROW({into})::pg_catalog.text = ROW({out})::pg_catalog.text",
        rows = Only(&source.relation),
        which = with(which),
        values = each(&columns, ", ", |sql, (at, column)| {
            if column.name == reference.name {
                value(sql);
            } else {
                sql.column("c", &column.name);
            }
            sql.add(" AS o").ordinal(*at);
        }),
        source = source.relation,
        names = each(&columns, ", ", |sql, (_, column)| {
            sql.name(&column.name);
        }),
        out = all_of("d"),
        came = each(&columns, ", ", |sql, (at, column)| {
            sql.column("c", &column.name).add(" AS o").ordinal(*at);
        }),
        into = all_of("i"),
    )
}

/// Foreign keys through which rows of other tables would go along with rows that are taken out.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn tied(
    connection: &mut PgConnection,
    table: i64,
) -> Result<Vec<String>, sqlx::Error> {
    let sql = sql!(
        "SELECT pg_catalog.format('%s.%s', c.relname, con.conname) FROM pg_catalog.pg_constraint con
         JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
         WHERE con.contype = 'f' AND con.conparentid = 0::pg_catalog.oid AND con.confdeltype <> 'a'
         AND con.confrelid = {table}::pg_catalog.oid ORDER BY 1",
        table = table,
    );
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// A copy of a row whose old place another one has that is to go back too.
struct Crossed {
    copy: String,
    old: String,
    new: String,
}

/// What later steps had changed of rows that go back to their places, which is undone first.
pub(in crate::engine::postgres) trait Later: Sync {
    /// Undoes it for these copies, in the transaction that there is.
    ///
    /// # Errors
    /// Something of it stays; then nothing of the exchange is done.
    fn put_back<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        copies: &'a [String],
        own: &'a mut Own,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>>;
}

/// Puts those rows of `copies` back that only stand in one another's way. Returns which. `later` undoes
/// before it what later steps of the run did to them. What is written to our own schema is counted in `own`.
///
/// # Errors
/// The database fails as a whole.
pub(in crate::engine::postgres) async fn put_back(
    connection: &mut PgConnection,
    (quarantine, source): (&Relation, &Table),
    key: &[Column],
    reference: &Column,
    copies: &[String],
    later: &dyn Later,
    own: &mut Own,
) -> Result<Vec<String>, DatabaseError> {
    if copies.is_empty() {
        return Ok(Vec::new());
    }
    let tied = !tied(connection, source.oid).await?.is_empty();
    let sql = sql!(
        "SELECT q.ctid::pg_catalog.text, q.{reference}::pg_catalog.text, q._ac_new_key
         FROM {quarantine} q JOIN pg_catalog.unnest({copies}) AS k(i) ON q.ctid = CAST(k.i AS pg_catalog.tid)",
        reference = reference.name,
        quarantine = quarantine,
        copies = Texts(copies),
    );
    let rows = sql.every(connection).await?;
    let crossed: Vec<Crossed> = rows
        .iter()
        .map(|row| Ok(Crossed { copy: row.try_get(0)?, old: row.try_get(1)?, new: row.try_get(2)? }))
        .collect::<Result<_, sqlx::Error>>()?;
    let mut back = Vec::new();
    for group in groups(&crossed) {
        let copies: Vec<String> = group.iter().map(|one| one.copy.clone()).collect();
        let all = i64::try_from(copies.len()).unwrap_or(i64::MAX);
        let done = savepoint(connection, async |connection: &mut PgConnection| {
            later.put_back(connection, &copies, own).await?;
            let which = |sql: &mut Sql| {
                let others: Vec<&Column> =
                    key.iter().filter(|column| column.name != reference.name).collect();
                sql!(
                    sql,
                    "{quarantine} q JOIN pg_catalog.unnest({copies}) AS k(i) ON q.ctid = CAST(k.i AS pg_catalog.tid)
                     WHERE c.{reference}::pg_catalog.text = q._ac_new_key{others}",
                    quarantine = quarantine,
                    copies = Texts(&copies),
                    reference = reference.name,
                    others = each(&others, "", |sql, column| {
                        sql!(sql, " AND c.{key}::pg_catalog.text = q.{key}::pg_catalog.text", key = column.name);
                    }),
                );
            };
            let value = |sql: &mut Sql| {
                sql.column("q", &reference.name);
            };
            let came: i64 = if tied {
                // Then a unique key that is checked row by row was none in the way.
                let sql = sql!(
                    "UPDATE {rows} AS c SET {reference} = {value} FROM {which}",
                    rows = Only(&source.relation),
                    reference = reference.name,
                    value = with(value),
                    which = with(which),
                );
                sql.execute(connection).await?
            } else {
                put_in_again(source, reference, which, value).scalar(connection).await?
            };
            if came != all {
                return Err(sqlx::Error::Protocol("not all of the rows are as the repair left them".into()));
            }
            let sql = sql!(
                "UPDATE {quarantine} AS q SET _ac_restored_at = pg_catalog.clock_timestamp()
                 FROM pg_catalog.unnest({copies}) AS k(i) WHERE q.ctid = CAST(k.i AS pg_catalog.tid)",
                quarantine = quarantine,
                copies = Texts(&copies),
            );
            own.noted += sql.execute(connection).await?;
            run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await
        })
        .await?;
        if done.is_ok() {
            back.extend(copies);
        }
    }
    Ok(back)
}

/// The copies by what can stand in one another's way: a unique key holds the id, so only rows whose ids are
/// linked can.
fn groups(crossed: &[Crossed]) -> Vec<Vec<&Crossed>> {
    // Each id points to another one of its group, or to itself.
    let mut of: BTreeMap<&str, &str> = BTreeMap::new();
    fn first<'a>(of: &BTreeMap<&'a str, &'a str>, id: &'a str) -> &'a str {
        let mut id = id;
        while let Some(next) = of.get(id).filter(|next| **next != id) {
            id = next;
        }
        id
    }
    for one in crossed {
        let (old, new) = (first(&of, &one.old), first(&of, &one.new));
        of.insert(new, old);
    }
    let mut groups: BTreeMap<&str, Vec<&Crossed>> = BTreeMap::new();
    for one in crossed {
        groups.entry(first(&of, &one.old)).or_default().push(one);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_whose_ids_are_linked_go_together_and_others_do_not() {
        let crossed: Vec<Crossed> = [("1", "2"), ("5", "6"), ("2", "3"), ("3", "1"), ("6", "5"), ("9", "8")]
            .iter()
            .enumerate()
            .map(|(at, (old, new))| Crossed { copy: at.to_string(), old: (*old).into(), new: (*new).into() })
            .collect();
        let mut groups: Vec<Vec<&str>> = groups(&crossed)
            .iter()
            .map(|group| group.iter().map(|one| one.copy.as_str()).collect())
            .collect();
        groups.sort();
        assert_eq!(groups, [vec!["0", "2", "3"], vec!["1", "4"], vec!["5"]]);
    }
}
