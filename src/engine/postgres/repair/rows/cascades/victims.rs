//! Rows that go along with orphans by a foreign key: held and copied before, and held against their copies after.
//!
//! The foreign key changes them by itself, and code on their table may keep one back and take another for it: the
//! numbers would be the same. What was copied must be what is gone, or what names nobody now.

use crate::{
    api::report::Action,
    domain::text::count,
    engine::postgres::{
        catalog::{self, reference::ReferenceTable},
        ledger::{
            audit::{self, Entry},
            fence::Fence,
            notes::{Note, of_row, of_rows},
            quarantine::{self, Batch, Quarantine},
        },
        repair::{
            guard::{Expected, beyond::Own},
            rows::{
                change::columns_but,
                scan::{self, Locked},
            },
        },
        rowset::dependents::Dependent,
        session::error::DatabaseError,
        sql::Sql,
    },
};

use sqlx::{PgConnection, Row};

/// Where rows are: places and partitions, each as an array in words.
#[derive(Debug, Clone, Default)]
struct Places {
    rows: i64,
    places: String,
    partitions: String,
}

impl Places {
    /// Of rows that a statement tells place and partition of. One row for each place, since they may be many more than
    /// the locked ones; then one text for all.
    async fn read(connection: &mut PgConnection, sql: Sql) -> Result<Self, sqlx::Error> {
        let mut found = Self::default();
        for row in sql.every(connection).await? {
            let comma = if found.rows == 0 { "{" } else { "," };
            found.places.push_str(&format!("{comma}\"{}\"", row.try_get::<String, _>(0)?));
            found.partitions.push_str(&format!("{comma}{}", row.try_get::<String, _>(1)?));
            found.rows += 1;
        }
        if found.rows > 0 {
            found.places.push('}');
            found.partitions.push('}');
        }
        Ok(found)
    }
}

/// Rows that were copied since they go along.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct Victims {
    places: Places,
    action: Action,
    copies: Quarantine,
    /// What the guard is to expect.
    pub expected: Expected,
    /// What was written to our own schema.
    pub own: Own,
    /// What is to be written down of the copies.
    pub note: Option<Note>,
}

impl Dependent {
    /// Adds the condition that the row `d` depends on one of the locked rows `c`, as far as `so` adds.
    fn on_locked(&self, sql: &mut Sql, reference: &ReferenceTable, locked: &Locked, so: impl Fn(&mut Sql)) {
        sql.add("EXISTS (SELECT FROM ").only(&reference.child.relation).add(" c WHERE ");
        scan::is_locked(sql, reference, locked);
        sql.add(" AND ");
        self.names(sql, "c", "d");
        so(sql);
        sql.add(")");
    }

    /// Holds and copies the rows that will go along with the locked ones.
    ///
    /// # Errors
    /// The database fails.
    pub(in crate::engine::postgres) async fn keep(
        &self,
        connection: &mut PgConnection,
        fence: &Fence,
        reference: &ReferenceTable,
        locked: &Locked,
        quarantine: &Quarantine,
        (step, chunk): (i64, i64),
    ) -> Result<Victims, DatabaseError> {
        let table = &self.table.relation;
        let placed = || {
            Sql::new(
                "SELECT x.i::pg_catalog.text, x.t::pg_catalog.text FROM (SELECT d.tableoid AS t, d.ctid AS i FROM ",
            )
        };
        let still = |sql: &mut Sql| {
            sql.add(" AND ");
            reference.orphaned_by_probe(sql);
        };
        let mut sql = placed();
        sql.only(table).add(" d WHERE ");
        self.on_locked(&mut sql, reference, locked, |_| {});
        sql.add(" ORDER BY d.ctid FOR UPDATE OF d) x");
        let held = Places::read(connection, sql).await?;
        let action = self.effect.unwrap_or(Action::Delete);
        let mut victims = Victims {
            places: Places::default(),
            action,
            copies: quarantine.clone(),
            expected: Expected { tables: self.tables.clone(), updated: 0, deleted: 0, inserted: 0 },
            own: Own::default(),
            note: None,
        };
        if held.rows == 0 {
            return Ok(victims);
        }
        let columns = (action == Action::SetNull).then_some(self.cleared.as_slice());
        let mut sql = Sql::new("WITH b AS (");
        quarantine::batch(&mut sql, fence, &Batch { step, chunk, action, quarantine, columns });
        sql.add(" RETURNING batch), kept AS (INSERT INTO ")
            .relation(&quarantine.relation)
            .add(" AS q (_ac_batch");
        for column in self.table.columns.iter() {
            sql.add(", ").name(&column.name);
        }
        sql.add(") SELECT (SELECT b.batch FROM b)");
        for column in self.table.columns.iter() {
            sql.add(", ").column("d", &column.name);
        }
        sql.add(" FROM ").only(table).add(" d WHERE ");
        scan::is_placed(&mut sql, "d", table.partitioned, &held.places, &held.partitions);
        // In a new statement: only what depends on rows that are still orphans goes along with them.
        sql.add(" AND ");
        self.on_locked(&mut sql, reference, locked, still);
        sql.add(" RETURNING ");
        of_row(&mut sql, &self.table.columns);
        sql.add(" AS h) SELECT pg_catalog.count(*), (SELECT b.batch FROM b), ");
        of_rows(&mut sql, "kept.h", &self.table.columns);
        sql.add(" FROM kept");
        let row = sql.one(connection).await?;
        let rows: i64 = row.try_get(0)?;
        victims.note = Some(Note { batch: row.try_get(1)?, rows, digest: row.try_get(2)? });
        victims.places = if rows == held.rows {
            held
        } else {
            // Somebody else's row depended on a row that is none of nobody's any more.
            let mut sql = placed();
            sql.only(table).add(" d WHERE ");
            scan::is_placed(&mut sql, "d", table.partitioned, &held.places, &held.partitions);
            sql.add(" AND ");
            self.on_locked(&mut sql, reference, locked, still);
            sql.add(") x");
            Places::read(connection, sql).await?
        };
        if victims.places.rows != rows {
            return Err(DatabaseError::PlanStale(format!(
                "rows of {} depend on others than a moment ago: nothing of this chunk was done",
                self.called()
            )));
        }
        if rows > 0 {
            let object = self.object();
            let entry = Entry { step, chunk, action, object: &object, rows, token: None };
            audit::audit(connection, fence, &entry).await?;
        }
        match action {
            Action::SetNull => victims.expected.updated = rows,
            _ => victims.expected.deleted = rows,
        }
        victims.own = Own { batches: 1, ..Own::kept(rows) };
        Ok(victims)
    }

    /// Looks, after the rows went along, whether it was those that were copied. That as many were touched as were
    /// copied, and no more, is for the guard to say. `theirs`: code of a neighbour's may run with them.
    ///
    /// # Errors
    /// Other rows went, or what they hold is not what the foreign key makes of them.
    pub(in crate::engine::postgres) async fn went(
        &self,
        connection: &mut PgConnection,
        victims: &Victims,
        theirs: bool,
    ) -> Result<(), DatabaseError> {
        let Some(note) = victims.note.as_ref().filter(|note| note.rows > 0) else { return Ok(()) };
        let table = &self.table.relation;
        let others = |rows: i64, what: &str| {
            Err(DatabaseError::TouchesMore(format!(
                "{} of {} {what}, as a trigger or rule there may do: nothing of this chunk was done; disable it while this is repaired, choose another onOrphan, or repair these rows by hand",
                count(rows, "row"),
                self.called()
            )))
        };
        // A row that is changed or removed leaves its place, which nobody gets before we are done.
        let mut sql = Sql::new("SELECT pg_catalog.count(*) FROM ");
        sql.only(table).add(" d WHERE ");
        let Places { places, partitions, .. } = &victims.places;
        scan::is_placed(&mut sql, "d", table.partitioned, places, partitions);
        let left: i64 = sql.scalar(connection).await?;
        if left > 0 {
            return others(
                left,
                "would have stayed as they are, though they were copied since they go along",
            );
        }
        if victims.action != Action::SetNull {
            return Ok(());
        }
        let mut sql = Sql::new("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE ");
        if theirs {
            let set =
                |column: &&catalog::Column| self.cleared.iter().any(|name| name == column.name.as_str());
            columns_but(&mut sql, "q", &self.table.columns, set);
            sql.add(" OPERATOR(pg_catalog.=) ");
            columns_but(&mut sql, "d", &self.table.columns, set);
        } else {
            sql.add("true");
        }
        sql.add(") FROM ").relation(&victims.copies.relation).add(" q JOIN ").only(table).add(" d ON ");
        for (at, column) in self.primary_key.iter().enumerate() {
            sql.add(if at > 0 { " AND " } else { "" });
            match &column.equality {
                Some(equality) => {
                    sql.columns_compared(equality, ("d", &column.name), ("q", &column.name));
                }
                None => {
                    sql.column("d", &column.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) ");
                    sql.column("q", &column.name).add("::pg_catalog.text");
                }
            }
        }
        for column in self.cleared.iter().filter_map(|name| self.table.column(name)) {
            sql.add(" AND ").column("d", &column.name).add(" IS NULL");
        }
        sql.add(" WHERE q._ac_batch OPERATOR(pg_catalog.=) ").integer(note.batch);
        let row = sql.one(connection).await?;
        let (cleared, same): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if cleared != note.rows {
            return others(
                note.rows - cleared,
                "would have become something else than rows that name nobody",
            );
        }
        if same != note.rows {
            return others(note.rows - same, "would have got other values in other columns, too");
        }
        Ok(())
    }
}
