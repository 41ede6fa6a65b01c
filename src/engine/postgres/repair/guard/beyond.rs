//! What a repair touched that is no row of the app's: the catalog (DDL, rights, large objects), sequences of
//! others, our own schema, temporary tables that have triggers, and cursors that would run at COMMIT.
//!
//! The catalog's tables are counted as all tables are, so that nothing that is created, altered, dropped or
//! granted goes unseen, in whatever subtransaction. Temporary objects are the one thing that triggers of apps
//! are known to make on the way, and end with the session: they are told from others by who wrote the rows.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{Touched, words};
use crate::engine::postgres::{
    session::{error::DatabaseError, refusal::names::Thing},
    sql::Sql,
};

/// What ends all of these.
const END: &str = "nothing of this was done; disable the trigger while this is repaired, choose another onOrphan, or repair these rows by hand";

/// Statistics of ANALYZE.
const STATISTICS: [&str; 2] = ["pg_statistic", "pg_statistic_ext_data"];

/// What temporary objects stand in, and how to find there what the transaction wrote that is none: the rest of a
/// SELECT, after `WHERE` of its own.
const EXPLAINED: [(&str, &str); 13] = [
    (
        "pg_class",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, pg_catalog.starts_with(c.oid::pg_catalog.regclass::pg_catalog.text, 'pg_toast.') AS aside FROM pg_catalog.pg_class c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.oid))",
    ),
    (
        "pg_attribute",
        "(SELECT c.xmin, c.ctid, c.attrelid AS thing, pg_catalog.starts_with(c.attrelid::pg_catalog.regclass::pg_catalog.text, 'pg_toast.') AS aside FROM pg_catalog.pg_attribute c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.attrelid))",
    ),
    (
        "pg_type",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, pg_catalog.starts_with(c.oid::pg_catalog.regtype::pg_catalog.text, 'pg_toast.') AS aside FROM pg_catalog.pg_type c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.oid))",
    ),
    (
        "pg_proc",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside FROM pg_catalog.pg_proc c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.oid))",
    ),
    (
        "pg_constraint",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside FROM pg_catalog.pg_constraint c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.oid))",
    ),
    (
        "pg_attrdef",
        "(SELECT c.xmin, c.ctid, c.adrelid AS thing, pg_catalog.starts_with(c.adrelid::pg_catalog.regclass::pg_catalog.text, 'pg_toast.') AS aside FROM pg_catalog.pg_attrdef c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.adrelid))",
    ),
    (
        "pg_index",
        "(SELECT c.xmin, c.ctid, c.indexrelid AS thing, pg_catalog.starts_with(c.indexrelid::pg_catalog.regclass::pg_catalog.text, 'pg_toast.') AS aside FROM pg_catalog.pg_index c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.indexrelid))",
    ),
    (
        "pg_sequence",
        "(SELECT c.xmin, c.ctid, c.seqrelid AS thing, pg_catalog.starts_with(c.seqrelid::pg_catalog.regclass::pg_catalog.text, 'pg_toast.') AS aside FROM pg_catalog.pg_sequence c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.seqrelid))",
    ),
    (
        "pg_rewrite",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside FROM pg_catalog.pg_rewrite c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.ev_class))",
    ),
    (
        "pg_trigger",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside FROM pg_catalog.pg_trigger c WHERE NOT c.tgisinternal OR NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.tgrelid))",
    ),
    (
        "pg_namespace",
        "(SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside FROM pg_catalog.pg_namespace c WHERE NOT pg_catalog.starts_with(c.nspname::pg_catalog.text, 'pg_temp_') AND NOT pg_catalog.starts_with(c.nspname::pg_catalog.text, 'pg_toast_temp_'))",
    ),
    (
        "pg_depend",
        "(SELECT c.xmin, c.ctid, c.classid AS thing, false AS aside FROM pg_catalog.pg_depend c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.objid))",
    ),
    (
        "pg_shdepend",
        "(SELECT c.xmin, c.ctid, c.classid AS thing, false AS aside FROM pg_catalog.pg_shdepend c WHERE NOT EXISTS (SELECT FROM t WHERE t.oid OPERATOR(pg_catalog.=) c.objid))",
    ),
];

/// All temporary objects of any session, as `t(oid)`.
const TEMPORARY: &str = "WITH s AS MATERIALIZED (SELECT n.oid FROM pg_catalog.pg_namespace n \
       WHERE pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_') \
       OR pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast_temp_')), \
     r AS MATERIALIZED (SELECT c.oid FROM pg_catalog.pg_class c JOIN s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace), \
     t AS MATERIALIZED (SELECT r.oid FROM r \
       UNION ALL SELECT c.oid FROM pg_catalog.pg_type c JOIN s ON s.oid OPERATOR(pg_catalog.=) c.typnamespace \
       UNION ALL SELECT c.oid FROM pg_catalog.pg_proc c JOIN s ON s.oid OPERATOR(pg_catalog.=) c.pronamespace \
       UNION ALL SELECT c.oid FROM pg_catalog.pg_constraint c JOIN s ON s.oid OPERATOR(pg_catalog.=) c.connamespace \
       UNION ALL SELECT c.oid FROM pg_catalog.pg_attrdef c JOIN r ON r.oid OPERATOR(pg_catalog.=) c.adrelid \
       UNION ALL SELECT c.oid FROM pg_catalog.pg_rewrite c JOIN r ON r.oid OPERATOR(pg_catalog.=) c.ev_class \
       UNION ALL SELECT c.oid FROM pg_catalog.pg_trigger c JOIN r ON r.oid OPERATOR(pg_catalog.=) c.tgrelid), \
     me AS MATERIALIZED (SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8 AS xid) ";

/// The numbers at one moment.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Of the catalog's tables, by name.
    pub catalog: BTreeMap<String, Touched>,
    /// Of our own tables, by name.
    pub own: BTreeMap<String, Touched>,
    /// Of this session's temporary tables, by object id.
    pub temporary: BTreeMap<i64, Touched>,
    /// How often sequences were looked up, by object id.
    pub sequences: BTreeMap<i64, Drawn>,
    /// Cursors that outlive the transaction.
    pub cursors: i64,
    /// Whether the server counts at all.
    pub counted: bool,
    /// What the transaction itself had written to the catalog, as far as it may have written anything.
    pub written: BTreeMap<Place, Written>,
}

/// A sequence that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Its name, where it had that before the transaction.
    pub name: Option<String>,
    /// How often it was looked up.
    pub times: i64,
    /// Whether it is of others than the app.
    pub of_others: bool,
}

/// What a row of the catalog that the transaction wrote belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Its object id.
    oid: i64,
    /// Whether it goes along with a table, for its values out of line.
    aside: bool,
}

/// A row of the catalog: the table, and its place there.
type Place = (String, String);

/// Rows that a step itself writes to our own schema between the two looks.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine::postgres) struct Own {
    /// Entries of the audit.
    pub audit: i64,
    /// What copies belong to.
    pub batches: i64,
    /// Copies.
    pub copies: i64,
    /// Copies beside which is noted what was written.
    pub noted: i64,
    /// Changes of how far a step has got.
    pub steps: i64,
    /// Runs that were written down.
    pub runs: i64,
    /// Steps that were.
    pub begun: i64,
    /// Keys that were taken off a step's list.
    pub unlisted: i64,
}

impl std::ops::AddAssign for Own {
    fn add_assign(&mut self, other: Self) {
        self.audit += other.audit;
        self.batches += other.batches;
        self.copies += other.copies;
        self.noted += other.noted;
        self.steps += other.steps;
        self.runs += other.runs;
        self.begun += other.begun;
        self.unlisted += other.unlisted;
    }
}

impl Own {
    /// What stands in the audit too and belongs to one batch.
    pub fn kept(copies: i64) -> Self {
        let some = i64::from(copies > 0);
        Self { audit: some, batches: some, copies, ..Self::default() }
    }

    /// Copies in so many batches.
    pub fn copied(copies: i64, batches: i64) -> Self {
        Self { batches, copies, ..Self::default() }
    }

    fn of(&self, table: &str) -> Touched {
        let mut touched = Touched::default();
        match table {
            "audit" => touched.inserted = self.audit,
            // Each is written down when it is made, and once more with what it holds.
            "batches" => (touched.inserted, touched.updated) = (self.batches, self.batches),
            "steps" => (touched.inserted, touched.updated) = (self.begun, self.steps),
            "runs" => touched.inserted = self.runs,
            "step_keys" => touched.deleted = self.unlisted,
            _ => {}
        }
        touched
    }
}

/// Cursors WITH HOLD: their query runs at COMMIT, when nobody looks any more. And whether the server counts what is done.
pub(super) async fn cursors(connection: &mut PgConnection) -> Result<(i64, bool), sqlx::Error> {
    let sql = Sql::new(
        "SELECT pg_catalog.count(*), pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'on' \
         FROM pg_catalog.pg_cursors c WHERE c.is_holdable",
    );
    let row = sql.one(connection).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// What was done since then, by key; nothing of what was not touched.
fn done<K: Ord + Clone>(before: &BTreeMap<K, Touched>, after: &BTreeMap<K, Touched>) -> BTreeMap<K, Touched> {
    let since = |(key, now): (&K, &Touched)| {
        let done = now.since(before.get(key).copied().unwrap_or_default());
        (done != Touched::default()).then(|| (key.clone(), done))
    };
    after.iter().filter_map(since).collect()
}

fn refused(what: String) -> DatabaseError {
    DatabaseError::TouchesMore(format!("a trigger or rule would have {what}: {END}"))
}

/// Compares the two looks.
///
/// # Errors
/// Anything was touched.
pub(super) async fn compare(
    connection: &mut PgConnection,
    before: &Counts,
    after: &Counts,
    own: &Own,
    theirs: bool,
) -> Result<(), DatabaseError> {
    if after.cursors > before.cursors {
        return Err(refused("left a cursor WITH HOLD, whose query runs when nobody looks any more".into()));
    }
    ours(&done(&before.own, &after.own), own)?;
    let moved = after.sequences.iter().find(|(oid, now)| {
        (theirs || now.of_others) && before.sequences.get(*oid).map(|then| then.times) != Some(now.times)
    });
    if let Some((_, Drawn { name, of_others, .. })) = moved {
        let whose = if *of_others { " of another role" } else { "" };
        // What was made or called something on the way may have a row's content for its name.
        let Some(name) = name else {
            return Err(refused(format!("used a sequence{whose} that it made or altered, too")));
        };
        return Err(DatabaseError::TouchesMore(format!(
            "a trigger or rule used the sequence {name}{whose}, which no rollback moves back: look at it, since else {END}"
        )));
    }
    let catalog = done(&before.catalog, &after.catalog);
    if !catalog.is_empty() {
        in_catalog(connection, &catalog, &before.written).await?;
    }
    let temporary: Vec<i64> = done(&before.temporary, &after.temporary).into_keys().collect();
    if !temporary.is_empty() {
        let mut sql = Sql::new(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE (t.tgdeferrable OR NOT t.tgisinternal) \
             AND t.tgrelid::pg_catalog.int8 OPERATOR(pg_catalog.=) ANY (",
        );
        sql.integers(temporary).add("))");
        if sql.scalar(connection).await? {
            return Err(refused(
                "written to a temporary table with a trigger or a deferrable constraint of its own, which may run later".into(),
            ));
        }
    }
    Ok(())
}

/// Tables of ours beside those of the copies. Whatever else stands in our schema was called so by somebody else.
const OURS: [&str; 6] = ["audit", "batches", "steps", "step_keys", "runs", "claims"];

fn of_others(name: &str, touched: Touched) -> DatabaseError {
    let what = if OURS.contains(&name) || name == COPIES {
        format!("auth_consistency.{name}")
    } else {
        "a table of the schema auth_consistency".into()
    };
    refused(format!("written to {what} ({})", words(touched)))
}

/// The tables of the copies.
const COPIES: &str = "q_*, where copies are kept";

/// Whether all that was written to our own schema is the step's.
fn ours(done: &BTreeMap<String, Touched>, own: &Own) -> Result<(), DatabaseError> {
    let mut copies = Touched::default();
    for name in ["audit", "batches", "steps", "step_keys", "runs"] {
        let written = done.get(name).copied().unwrap_or_default();
        if written != own.of(name) {
            return Err(of_others(name, written));
        }
    }
    for (name, written) in done {
        if name.starts_with("q_") {
            copies.inserted += written.inserted;
            copies.updated += written.updated;
            copies.deleted += written.deleted;
        } else if *written != own.of(name) {
            return Err(of_others(name, *written));
        }
    }
    let planned = Touched { inserted: own.copies, updated: own.noted, deleted: 0 };
    if copies != planned {
        return Err(of_others(COPIES, copies));
    }
    Ok(())
}

/// Whether all that the catalog was changed by are temporary objects.
async fn in_catalog(
    connection: &mut PgConnection,
    done: &BTreeMap<String, Touched>,
    before: &BTreeMap<Place, Written>,
) -> Result<(), DatabaseError> {
    for (name, touched) in done.iter().filter(|(name, _)| !STATISTICS.contains(&name.as_str())) {
        // What was dropped cannot be seen any more, so nobody can tell whose it was.
        if touched.deleted > 0 || !EXPLAINED.iter().any(|(of, _)| of == name) {
            return Err(refused(told(name, *touched)));
        }
    }
    let after = written(connection).await?;
    let new = |catalog: &str| {
        let of_catalog = after.iter().filter(|(place, _)| place.0 == catalog && !before.contains_key(*place));
        most_telling(of_catalog.map(|(_, written)| *written))
    };
    match EXPLAINED.iter().find_map(|(catalog, _)| Some((*catalog, new(catalog)?))) {
        None => Ok(()),
        Some((catalog, written)) => {
            Err(DatabaseError::Alters { thing: Thing { catalog, oid: written.oid }, end: END })
        }
    }
}

/// The first that does not go along with a table for its values out of line: that says less than the table, and comes
/// before it wherever the server found room for it.
fn most_telling(written: impl Iterator<Item = Written> + Clone) -> Option<Written> {
    written.clone().find(|one| !one.aside).or_else(|| written.clone().next())
}

/// What the transaction has written to the catalog that is no temporary object.
pub(super) async fn written(connection: &mut PgConnection) -> Result<BTreeMap<Place, Written>, sqlx::Error> {
    let mut sql = Sql::new(TEMPORARY);
    for (at, (name, of_others)) in EXPLAINED.iter().enumerate() {
        sql.add(if at > 0 { " UNION ALL " } else { "" }).add("SELECT ").text(*name);
        sql.add(", x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside FROM me, ");
        // A row that is seen and whose writer has not ended is our own, or of a subtransaction of ours. Only
        // numbers from our own on are asked about: the server knows nothing of much older ones.
        sql.add(of_others).add(
            " x WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0 \
             AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) \
             THEN pg_catalog.pg_xact_status((me.xid OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))\
               ::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=) 'in progress' ELSE false END",
        );
    }
    let rows = sql.every(connection).await?;
    let one = |row: &PgRow| {
        let written = Written { oid: row.try_get(2)?, aside: row.try_get(3)? };
        Ok(((row.try_get(0)?, row.try_get(1)?), written))
    };
    rows.iter().map(one).collect()
}

fn told(catalog: &str, touched: Touched) -> String {
    let what = match catalog {
        "pg_largeobject" | "pg_largeobject_metadata" => "written large objects",
        "pg_authid" | "pg_auth_members" | "pg_db_role_setting" => "changed roles",
        _ => "created, altered, dropped or granted what is not a row",
    };
    format!("{what} ({catalog}: {})", words(touched))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(of: &[(&str, i64, i64, i64)]) -> BTreeMap<String, Touched> {
        let touched = |inserted, updated, deleted| Touched { inserted, updated, deleted };
        of.iter().map(|(name, i, u, d)| ((*name).to_owned(), touched(*i, *u, *d))).collect()
    }

    #[test]
    fn what_goes_along_with_a_table_is_named_only_where_nothing_else_is() {
        let table = Written { oid: 7, aside: false };
        let (toast, index) = (Written { oid: 8, aside: true }, Written { oid: 9, aside: true });
        for (written, told) in [
            (&[table, toast, index][..], Some(table)),
            (&[toast, table, index], Some(table)),
            (&[toast, index, table], Some(table)),
            (&[toast, index], Some(toast)),
            (&[], None),
        ] {
            assert_eq!(most_telling(written.iter().copied()), told, "{written:?}");
        }
    }

    #[test]
    fn what_a_step_writes_to_our_own_tables_is_told_from_what_others_do() {
        let own = Own { steps: 1, unlisted: 4, ..Own::kept(3) };
        let right = [
            ("audit", 1, 0, 0),
            ("batches", 1, 1, 0),
            ("q_logs_1", 3, 0, 0),
            ("steps", 0, 1, 0),
            ("step_keys", 0, 0, 4),
        ];
        assert!(ours(&done(&right), &own).is_ok());
        assert!(ours(&done(&[]), &own).is_err(), "what was written is counted");
        assert!(ours(&done(&[]), &Own::default()).is_ok());
        for other in [
            ("audit", 2, 0, 0),
            ("audit", 1, 1, 0),
            ("q_logs_1", 3, 1, 0),
            ("q_other_2", 1, 0, 0),
            ("claims", 0, 1, 0),
            ("steps", 0, 2, 0),
            ("step_keys", 0, 0, 5),
            ("step_keys", 1, 0, 4),
        ] {
            let mut all = done(&right);
            all.extend(done(&[other]));
            assert!(ours(&all, &own).is_err(), "{other:?}");
        }
        assert!(ours(&done(&right[1..]), &own).is_err());
    }
}
