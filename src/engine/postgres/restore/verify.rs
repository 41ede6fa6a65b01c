//! Whether a row that went back is the row that it was.
//!
//! Triggers of the app run when a row goes back, and a column's type may be another one today. So the row
//! is read again after all of them have run, and compared column by column. What differs is named, with the
//! triggers that may have done it; such a row does not stay.

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    api::report::Action,
    engine::postgres::{
        catalog::{Column, Table},
        restore::undo::{Pair, Undo},
        sql::Sql,
    },
};

/// Columns and triggers that a message names at most.
const NAMED: usize = 3;

impl Pair {
    /// Whether the app can make more of a row that goes back than it is asked to.
    pub(in crate::engine::postgres) fn watched(&self) -> bool {
        !self.triggers.is_empty()
    }

    /// The columns that a change of `changed` has no business with. Computed ones follow the others.
    fn others(&self, changed: &[String]) -> impl Iterator<Item = &Column> {
        self.source
            .columns
            .iter()
            .filter(|column| !column.generated && !changed.iter().any(|name| name == column.name.as_str()))
    }

    /// Adds an array of digests of what the row `c` has in the columns that are not to change.
    pub(in crate::engine::postgres) fn digests(&self, sql: &mut Sql, changed: &[String]) {
        sql.add("ARRAY[NULL::pg_catalog.text");
        for column in self.others(changed) {
            sql.add(", ");
            digest(sql, column);
        }
        sql.add("]");
    }
}

/// Where a row is that went back.
pub(in crate::engine::postgres) struct Place {
    table: i64,
    row: String,
}

impl Place {
    /// Adds what a statement returns of the row `row`.
    pub(in crate::engine::postgres) fn returning(sql: &mut Sql, row: &'static str) {
        sql.add(" RETURNING ").add(row).add(".tableoid::pg_catalog.int8, ");
        sql.add(row).add(".ctid::pg_catalog.text");
    }

    /// What it returned.
    pub(in crate::engine::postgres) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { table: row.try_get(0)?, row: row.try_get(1)? })
    }
}

/// Adds a digest of a value, which may be long.
fn digest(sql: &mut Sql, column: &Column) {
    sql.add("pg_catalog.sha256(pg_catalog.convert_to(").column("c", &column.name);
    sql.add("::pg_catalog.text, 'UTF8'))::pg_catalog.text");
}

/// Adds whether the row `c` has in a column what its copy `q` has.
///
/// As text, and not by the types' own equality: that takes 1.0 for 1.00, and json has none. Of a type that
/// is another one today the value counts, and not how it is written now.
pub(in crate::engine::postgres) fn is_as_copied(sql: &mut Sql, column: &Column, copied: &Column) {
    let today = |sql: &mut Sql| {
        if column.declared_type == copied.declared_type {
            sql.column("c", &column.name).add("::pg_catalog.text");
        } else {
            sql.add("CAST(").column("c", &column.name).add(" AS ").type_name(&copied.declared_type);
            sql.add(")::pg_catalog.text");
        }
    };
    today(sql);
    // No collation of the app's, under which other texts may be equal.
    sql.add(" COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) ").column("q", &copied.name);
    sql.add("::pg_catalog.text COLLATE pg_catalog.\"C\" OR (");
    today(sql);
    sql.add(" IS NULL AND ").column("q", &copied.name).add("::pg_catalog.text IS NULL)");
}

/// Why the row at a place is not the one that it was; `None` where it is. Of a row that had been removed
/// all columns are compared with its copies. Of another one those are that the repair was about, and the
/// rest, which may be newer than the copies, with `before`.
pub(in crate::engine::postgres) async fn unlike(
    connection: &mut PgConnection,
    undo: &Undo<'_>,
    place: &Place,
    before: Option<Vec<Option<String>>>,
    copy: &str,
) -> Result<Option<String>, sqlx::Error> {
    let (pair, changed) = (undo.pair, &undo.changed);
    let mut sql = Sql::new("SELECT pg_catalog.array_remove(ARRAY[NULL::pg_catalog.text");
    for column in pair.source.columns.iter() {
        let Some(copied) = undo.copied(column) else { continue };
        if undo.inserts() || changed.iter().any(|name| name == column.name.as_str()) {
            sql.add(", CASE WHEN ");
            undo.of_source(&mut sql, column, |sql| is_as_copied(sql, column, copied));
            sql.add(" THEN NULL ELSE ").text(column.name.as_str()).add(" END");
        }
    }
    // The first one stands for an array that has no other.
    let before = before.into_iter().flatten().skip(1);
    for (column, was) in pair.others(changed).zip(before) {
        sql.add(", CASE WHEN ");
        digest(&mut sql, column);
        match was {
            Some(was) => sql.add(" OPERATOR(pg_catalog.=) ").text(was),
            None => sql.add(" IS NULL"),
        };
        sql.add(" THEN NULL ELSE ").text(column.name.as_str()).add(" END");
    }
    sql.add("], NULL) FROM ").only(&pair.source.relation).add(" c, ").relation(&pair.quarantine.relation);
    sql.add(" q WHERE c.tableoid OPERATOR(pg_catalog.=) ").integer(place.table).add("::pg_catalog.oid");
    sql.add(" AND c.ctid OPERATOR(pg_catalog.=) CAST(").text(&place.row).add(" AS pg_catalog.tid)");
    sql.add(" AND q.ctid OPERATOR(pg_catalog.=) CAST(").text(copy).add(" AS pg_catalog.tid)");
    let Some(row) = sql.optional(connection).await? else {
        return Ok(Some(match pair.triggers.as_slice() {
            [] => "it was changed again while it went back".into(),
            by => {
                format!("{} would change or remove it again: disable it meanwhile", named("the trigger", by))
            }
        }));
    };
    let differing: Vec<String> = row.try_get(0)?;
    if differing.is_empty() {
        return Ok(None);
    }
    let columns = named("", &differing);
    Ok(Some(match pair.triggers.as_slice() {
        [] => format!("it would come back with another {columns}, since the table is another one today"),
        by => format!("{} would give it another {columns}: disable it meanwhile", named("the trigger", by)),
    }))
}

/// A few names in quotes.
fn named(what: &str, names: &[String]) -> String {
    let mut text: Vec<String> = names.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
    if names.len() > NAMED {
        text.push("…".into());
    }
    let text = text.join(", ");
    match (what.is_empty(), names.len()) {
        (true, _) => text,
        (false, 1) => format!("{what} {text}"),
        (false, _) => format!("one of {what}s {text}"),
    }
}

/// The app's triggers on a table that have a say when its rows go back.
pub(in crate::engine::postgres) async fn triggers(
    connection: &mut PgConnection,
    source: &Table,
    action: Action,
) -> Result<Vec<String>, sqlx::Error> {
    // PostgreSQL 15, catalog/pg_trigger.h: 4 is INSERT, 16 is UPDATE. Under session_replication_role,
    // which is never replica here, triggers that are only of a replica do not run.
    let mut sql = Sql::new("SELECT DISTINCT t.tgname::text FROM pg_trigger t WHERE NOT t.tgisinternal ");
    sql.add("AND t.tgenabled IN ('O', 'A') AND t.tgtype::int8 & ");
    sql.integer(if action == Action::Delete { 4 } else { 16 }).add(" <> 0 AND (t.tgrelid = ");
    sql.integer(source.oid).add("::oid");
    if source.relation.partitioned {
        sql.add(" OR t.tgrelid = ANY (SELECT p.relid::oid FROM pg_partition_tree(");
        sql.integer(source.oid).add("::oid::regclass) p)");
    }
    sql.add(") ORDER BY 1");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_and_quoted() {
        let names: Vec<String> = ["a", "b\"", "c", "d"].map(str::to_owned).into();
        assert_eq!(named("", &names[..1]), "\"a\"");
        assert_eq!(named("the trigger", &names[..1]), "the trigger \"a\"");
        assert_eq!(named("the trigger", &names), "one of the triggers \"a\", \"b\\\"\", \"c\", …");
    }
}
