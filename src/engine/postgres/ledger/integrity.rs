//! Whether the copies in quarantine are those that were made.
//!
//! Each batch of copies is written down with their number and a digest of what they hold, in the transaction
//! that makes them; and the audit says how many rows a step changed or removed. Before rows go back, both are held
//! against the copies. Whoever could write to all three at once is not found by that.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::fence::Fence;
use crate::{
    api::report::Action,
    domain::text::number,
    engine::postgres::{
        catalog::{self, Found},
        ledger::{
            notes::{add_row, add_rows, of_source},
            quarantine::tables,
        },
        session::{error::DatabaseError, transaction::catalog_path},
        sql::{
            Sql, sql,
            template::{Integers, Piece},
            with,
        },
    },
};

/// A batch as it was written down, and as it is.
#[derive(Debug, Default)]
struct Batch {
    step: i64,
    action: String,
    written: Option<(i64, String)>,
    rows: i64,
    digest: Option<String>,
}

impl Batch {
    /// In which zone its times were told, and which columns are in its digest; empty where nothing was written down.
    fn terms(&self) -> (String, String) {
        let digest = self.written.as_ref().map_or("", |(_, digest)| digest.as_str());
        let mut parts = digest.splitn(3, ' ');
        let zone = parts.next().unwrap_or_default().to_owned();
        (zone, parts.nth(1).unwrap_or_default().to_owned())
    }
}

/// Goes on where the copies of a run are those that were made. It sets the path of its transaction to the catalog's
/// alone, so that nothing else is to be done there.
///
/// # Errors
/// They are not, or the database fails.
pub(in crate::engine::postgres) async fn require(
    connection: &mut PgConnection,
    whose: &Fence,
    run: &str,
    steps: &[(i64, Action)],
) -> Result<(), DatabaseError> {
    catalog_path(connection).await?;
    let mut batches = written(connection, whose, run).await?;
    for (quarantine, _) in tables(connection).await? {
        let name = quarantine.relation.name.as_str();
        let Found::Table(copies) = catalog::find_table(connection, "auth_consistency", name).await? else {
            continue;
        };
        let terms: BTreeSet<(String, String)> = batches.values().map(Batch::terms).collect();
        for (zone, places) in terms {
            let of_terms: Vec<i64> = batches
                .iter()
                .filter(|(_, one)| one.terms() == (zone.clone(), places.clone()))
                .map(|(batch, _)| *batch)
                .collect();
            let there: Vec<&str> = places.split('.').collect();
            let summed =
                || of_source(&copies.columns).filter(|(at, _)| there.contains(&at.to_string().as_str()));
            let sql = sql!(
                "SELECT q._ac_batch, pg_catalog.count(*), {digest}
                 FROM (SELECT q._ac_batch, {number} AS h FROM {copies} q WHERE q._ac_batch = ANY ({batches})) q
                 GROUP BY q._ac_batch",
                digest = with(|sql| add_rows(sql, "q.h", &places)),
                number = with(|sql| add_row(sql, summed().map(|(_, column)| column))),
                copies = quarantine.relation,
                batches = Integers(&of_terms),
            );
            if !zone.is_empty() {
                let set = sql!("SELECT pg_catalog.set_config('TimeZone', {zone}, true)", zone = zone);
                set.execute(connection).await?;
            }
            for row in sql.every(connection).await? {
                let batch: i64 = row.try_get(0)?;
                if let Some(one) = batches.get_mut(&batch) {
                    one.rows = one.rows.saturating_add(row.try_get(1)?);
                    one.digest = Some(row.try_get(2)?);
                }
            }
        }
    }
    let purged = purged_since(connection, run).await?;
    for one in batches.values() {
        let Some((rows, digest)) = &one.written else { continue };
        // What is being purged is partly gone.
        if one.rows < *rows && purged {
            continue;
        }
        let (zone, places) = one.terms();
        let none = format!("{zone} 0 {places}");
        if one.rows != *rows || one.digest.as_ref().unwrap_or(&none) != digest {
            let what = if one.rows == *rows {
                format!("{} changed since", if *rows == 1 { "it was" } else { "some of them were" })
            } else {
                format!(
                    "{} there",
                    if one.rows == 1 { "1 is".to_owned() } else { format!("{} are", number(one.rows)) }
                )
            };
            return Err(other(one.step, &one.action, *rows, &what));
        }
    }
    let audited = audited(connection, whose, run).await?;
    for (number, action) in steps {
        let counted = matches!(
            action,
            Action::Remap
                | Action::SetNull
                | Action::Reassign
                | Action::Delete
                | Action::EndSessions
                | Action::Correct
                | Action::Reset
        );
        let Some(told) = audited.get(number).copied().filter(|_| counted) else { continue };
        let there: i64 = batches
            .values()
            .filter(|one| one.step == *number)
            .map(|one| one.rows)
            .fold(0, i64::saturating_add);
        if there > told || (there < told && !purged) {
            let what = format!("{there} are there, and the audit tells of {told}");
            return Err(other(*number, action.as_str(), told, &what));
        }
    }
    Ok(())
}

fn other(step: i64, action: &str, rows: i64, what: &str) -> DatabaseError {
    let copies = if rows == 1 { "copy".to_owned() } else { format!("{} copies", number(rows)) };
    DatabaseError::LedgerUntrusted(format!(
        "the copies of the run are not those that were made: of the {copies} of step {step} ({action}) {what}, so somebody else has written to the schema auth_consistency; see what is there by `auth-consistency quarantine list`, and write what you know to be right into a table of its own (restore with --into)"
    ))
}

async fn written(
    connection: &mut PgConnection,
    whose: &Fence,
    run: &str,
) -> Result<BTreeMap<i64, Batch>, DatabaseError> {
    let sql = sql!(
        "SELECT b.batch, b.step, b.action, b.rows, b.digest FROM auth_consistency.batches b
         WHERE b.run = {run}{of_identity}",
        run = run,
        of_identity = with(|sql| of_identity(sql, "b", whose)),
    );
    let mut batches = BTreeMap::new();
    for row in sql.every(connection).await? {
        let (rows, digest): (Option<i64>, Option<String>) = (row.try_get(3)?, row.try_get(4)?);
        let one = Batch {
            step: row.try_get(1)?,
            action: row.try_get(2)?,
            written: rows.zip(digest),
            ..Batch::default()
        };
        batches.insert(row.try_get(0)?, one);
    }
    Ok(batches)
}

fn of_identity(sql: &mut Sql, alias: &'static str, whose: &Fence) {
    sql!(
        sql,
        " AND {of}.system_identifier = {system} AND {of}.database_oid = {database} AND {of}.owner = {owner}",
        of = Piece(alias),
        system = whose.identity.system,
        database = whose.identity.database,
        owner = whose.owner,
    );
}

/// Rows that the audit tells of, by step. A run that itself put rows back keeps some that it tells nothing of.
async fn audited(
    connection: &mut PgConnection,
    whose: &Fence,
    run: &str,
) -> Result<BTreeMap<i64, i64>, DatabaseError> {
    let sql = sql!(
        "SELECT s.step, coalesce((
             SELECT pg_catalog.sum(a.rows) FROM auth_consistency.audit a
             WHERE a.run = s.run AND a.step = s.step{of_identity}), 0)::pg_catalog.int8
         FROM auth_consistency.steps s
         WHERE NOT EXISTS (SELECT FROM auth_consistency.audit a WHERE a.run = s.run AND a.action = 'Restore')
         AND s.run = {run}",
        of_identity = with(|sql| of_identity(sql, "a", whose)),
        run = run,
    );
    sql.every(connection).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Whether copies were dropped for good since the run.
async fn purged_since(connection: &mut PgConnection, run: &str) -> Result<bool, DatabaseError> {
    let sql = sql!(
        "SELECT EXISTS (
           SELECT FROM auth_consistency.audit p WHERE p.action = 'Purge' AND p.id > coalesce((
             SELECT pg_catalog.min(a.id) FROM auth_consistency.audit a WHERE a.run = {run}), 0))",
        run = run,
    );
    Ok(sql.scalar(connection).await?)
}
