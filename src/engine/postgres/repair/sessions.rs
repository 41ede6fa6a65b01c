//! A step that ends tokens or sessions, chunk by chunk.

use crate::{
    api::report::{Action, ObjectRef},
    domain::{
        diagnose::sessions::Mechanism,
        facts::sessions::{Audience, Invalidation},
        target::Target,
    },
    engine::{
        ChunkDone,
        postgres::{
            catalog::{Column, Table, resolved::ResolvedSchema},
            ledger::{
                audit::{self, Entry},
                ended_sessions,
                fence::{self, Fence, StepProgress},
                quarantine::{self, Copies},
            },
            repair::{
                chunk::paced,
                guard::{self, Expected, beyond::Own},
            },
            rowset::{
                session_column::{self, Kind, Pending},
                session_rows::{self, Locked, Sessions},
            },
            session::{error::DatabaseError, transaction::prepare},
            sql::{Sql, run},
            sql_keys,
        },
    },
};

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection, Row};

const FIRST_CHUNK: i64 = 1_000;
const LARGEST_CHUNK: i64 = 20_000;
const SMALLEST_CHUNK: i64 = 100;

/// By what a step ends them.
enum Way {
    Column { column: Box<Column>, kind: Kind },
    Rows(Box<Sessions>),
}

/// A step that ends tokens or sessions, under way.
pub struct SessionsStep {
    known: Arc<ResolvedSchema>,
    object: ObjectRef,
    due: Invalidation,
    way: Way,
    number: i64,
    /// When the run began, in seconds since the epoch: from when on tokens count.
    valid_after: i64,
    /// Rows that the next chunk looks at.
    rows: i64,
}

impl SessionsStep {
    /// Gets a step ready.
    ///
    /// # Errors
    /// The column or table is not there any more, or the database fails.
    pub async fn ready(
        connection: &mut PgConnection,
        fence: &Fence,
        target: &Target,
        known: &Arc<ResolvedSchema>,
        (means, object, due): (&Mechanism, &ObjectRef, &Invalidation),
        number: i64,
    ) -> Result<Self, DatabaseError> {
        let mut transaction = connection.begin().await?;
        prepare(&mut transaction, fence.statement_timeout).await?;
        let way = if means.of_rows() {
            Way::Rows(Box::new(session_rows::ready(&mut transaction, known, means, object).await?))
        } else {
            let Some((column, kind)) = session_column::of(means, known) else {
                return Err(DatabaseError::PlanStale(format!("{} is not there any more", object.describe())));
            };
            Way::Column { column: Box::new(column.clone()), kind }
        };
        let mut sql = Sql::new(
            "SELECT floor(extract(epoch FROM opened_at))::int8 FROM auth_consistency.runs WHERE run = ",
        );
        sql.text(&fence.run);
        let own = sql.scalar(&mut transaction).await?;
        let valid_after =
            ended_sessions::begun(&mut transaction, target, known, &due.digest()).await?.unwrap_or(own);
        transaction.rollback().await?;
        Ok(Self {
            known: Arc::clone(known),
            object: object.clone(),
            due: due.clone(),
            way,
            number,
            valid_after,
            rows: FIRST_CHUNK,
        })
    }

    /// Sets the size of the next chunk, from how long the last one took and how long it should.
    pub fn pace(&mut self, took: Duration, aim: Duration) {
        self.rows = paced(self.rows, took, aim).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
    }

    /// Ends the tokens of the next accounts, or the next sessions.
    ///
    /// # Errors
    /// The run was overtaken, the database refuses the change, or it would go further than the plan says.
    pub async fn chunk(
        &mut self,
        connection: &mut PgConnection,
        fence: &Fence,
    ) -> Result<ChunkDone, DatabaseError> {
        let (mut transaction, standing) = fence::enter_step(connection, fence, self.number).await?;
        let connection = &mut *transaction;
        // Made before anything of the app's runs: what is created after that is not ours.
        quarantine::table(connection, self.table()).await?;
        let before = guard::counts(connection, fence).await?;
        let Locked { keys, more, moved, unlisted } = match &self.way {
            Way::Column { column, kind } => self.accounts(connection, fence, column, *kind).await?,
            Way::Rows(sessions) => {
                let next = (self.number, self.rows);
                session_rows::lock(connection, fence, &self.known, sessions, &self.due, next).await?
            }
        };
        let rows = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        if rows > standing.left {
            return Err(DatabaseError::PlanStale(format!(
                "more rows of {} would change than the plan says: nothing of this chunk was done",
                self.object.describe()
            )));
        }
        if rows > 0 {
            self.end(connection, fence, &standing, &keys).await?;
            // A deferred constraint speaks up now and not at COMMIT, where it would undo the audit too.
            run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
            let (table, deletes) = (self.table(), matches!(self.way, Way::Rows(_)));
            let tables = guard::storage(connection, table).await?;
            let (updated, deleted) = if deletes { (0, rows) } else { (rows, 0) };
            let expected = [Expected { tables, updated, deleted, inserted: 0 }];
            let stamps = matches!(self.way, Way::Column { kind: Kind::Stamp, .. });
            let noted = if stamps { rows } else { 0 };
            let own = Own { noted, unlisted, ..Own::copied(rows, 1) };
            guard::compare(connection, fence, &before, guard::Rows::Only(&expected), &own).await?;
            let (chunk, action) = (standing.chunk + 1, Action::EndSessions);
            let entry = Entry { step: self.number, chunk, action, object: &self.object, rows, token: None };
            audit::audit(connection, fence, &entry).await?;
            ended_sessions::count_done(connection, fence, self.number, chunk, rows).await?;
        }
        if !more {
            ended_sessions::remember(connection, fence, self.number, &self.due, self.valid_after).await?;
        }
        transaction.commit().await?;
        Ok(ChunkDone { rows, moved, more })
    }

    fn table(&self) -> &Table {
        match &self.way {
            Way::Column { .. } => &self.known.users,
            Way::Rows(sessions) => &sessions.reference.child,
        }
    }

    /// Locks accounts that are to sign in again, in whatever order the database comes to them.
    async fn accounts(
        &self,
        connection: &mut PgConnection,
        fence: &Fence,
        column: &Column,
        kind: Kind,
    ) -> Result<Locked, DatabaseError> {
        let id = &self.known.id;
        let digest = self.due.digest();
        let copies;
        let pending = match kind {
            Kind::Time(kind) => Pending::Earlier(kind, self.valid_after),
            Kind::Stamp => {
                copies = quarantine::existing(connection, &self.known.users).await?;
                let of = ended_sessions::Of { identity: &fence.identity, owner: &fence.owner };
                Pending::NotCopied(copies.as_ref().map(|copies| (copies, of, digest.as_str())))
            }
        };
        let mut sql = Sql::new("SELECT ");
        sql.column("p", &id.name).add("::pg_catalog.text FROM ").only(&self.known.users.relation);
        sql.add(" p WHERE ");
        pending.add(&mut sql, id, column);
        if let Audience::Accounts(_) = &self.due.whom {
            let Some(equality) = &id.equality else {
                return Err(DatabaseError::Unsupported("ids of this type cannot be compared".into()));
            };
            sql.add(" AND ").column("p", &id.name).operator(equality).add("ANY (SELECT CAST(k.key AS ");
            sql.type_name(&id.type_name);
            sql.add(") FROM auth_consistency.step_keys k WHERE k.run OPERATOR(pg_catalog.=) ");
            sql.text(&fence.run).add(" AND k.step OPERATOR(pg_catalog.=) ").integer(self.number).add(")");
        }
        // One more than a chunk takes: that it was the last one is written down with its own rows.
        sql.add(" LIMIT ").integer(self.rows + 1).add(" FOR UPDATE OF p");
        let mut keys = Vec::new();
        for row in sql.every(connection).await? {
            keys.push(vec![row.try_get(0)?]);
        }
        let more = keys.len() > usize::try_from(self.rows).unwrap_or(usize::MAX);
        if more {
            keys.pop();
        }
        let moved = !keys.is_empty();
        Ok(Locked { keys, more, moved, unlisted: 0 })
    }

    /// Copies what was locked, and changes or removes it.
    async fn end(
        &self,
        connection: &mut PgConnection,
        fence: &Fence,
        standing: &StepProgress,
        keys: &[Vec<String>],
    ) -> Result<(), DatabaseError> {
        let (step, chunk) = (self.number, standing.chunk + 1);
        match &self.way {
            Way::Rows(sessions) => {
                // Copied as what is put back by inserting it.
                let (table, action) = (&sessions.reference.child, Action::Delete);
                let copies = Copies {
                    step,
                    chunk,
                    action,
                    source: table,
                    key_columns: &sessions.key,
                    keys,
                    new_key: None,
                    columns: None,
                };
                quarantine::copy(connection, fence, &copies).await?;
                session_rows::remove(connection, sessions, keys).await
            }
            Way::Column { column, kind } => {
                let (users, id) = (&self.known.users, std::slice::from_ref(&self.known.id));
                let action = Action::EndSessions;
                let time = matches!(kind, Kind::Time(_)).then(|| self.valid_after.to_string());
                let time = time.as_deref();
                let copies = Copies {
                    step,
                    chunk,
                    action,
                    source: users,
                    key_columns: id,
                    keys,
                    new_key: time,
                    columns: None,
                };
                quarantine::copy(connection, fence, &copies).await?;
                self.set(connection, fence, column, *kind, chunk, keys).await
            }
        }
    }

    /// Sets the column of locked accounts. What each stamp was set to is written beside its copy.
    async fn set(
        &self,
        connection: &mut PgConnection,
        fence: &Fence,
        column: &Column,
        kind: Kind,
        chunk: i64,
        keys: &[Vec<String>],
    ) -> Result<(), DatabaseError> {
        let id = std::slice::from_ref(&self.known.id);
        let mut sql = Sql::new("WITH u AS (UPDATE ");
        sql.only(&self.known.users.relation).add(" AS p SET ").name(&column.name).add(" = ");
        session_column::value(&mut sql, column, kind, self.valid_after);
        sql.add(" FROM ");
        sql_keys::keyed(&mut sql, id, keys);
        sql.add(" WHERE ");
        sql_keys::is_keyed(&mut sql, "p", id);
        sql.add(" RETURNING ");
        match kind {
            Kind::Time(kind) => {
                sql.column("p", &column.name).add(" OPERATOR(pg_catalog.=) ");
                session_column::time(&mut sql, kind, |sql| {
                    sql.integer(self.valid_after);
                });
                sql.add(" AS so) SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE u.so) FROM u");
            }
            Kind::Stamp => {
                let copies = quarantine::table(connection, &self.known.users).await?;
                let (key, stamp) = (&self.known.id.name, &column.name);
                sql.column("p", key).add("::pg_catalog.text AS id, ").column("p", stamp);
                sql.add("::pg_catalog.text AS now), c AS (UPDATE ").relation(&copies.relation);
                sql.add(" AS q SET _ac_new_key = u.now FROM u, auth_consistency.batches b");
                sql.add(" WHERE b.batch OPERATOR(pg_catalog.=) q._ac_batch");
                sql.add(" AND b.run OPERATOR(pg_catalog.=) ").text(&fence.run);
                sql.add(" AND b.step OPERATOR(pg_catalog.=) ").integer(self.number);
                sql.add(" AND b.chunk OPERATOR(pg_catalog.=) ").integer(chunk).add(" AND ");
                sql.column("q", key).add("::pg_catalog.text OPERATOR(pg_catalog.=) u.id RETURNING ");
                sql.add("u.now IS NOT NULL AND (").column("q", stamp).add(" IS NULL OR ").column("q", stamp);
                sql.add("::pg_catalog.text OPERATOR(pg_catalog.<>) u.now) AS so) SELECT ");
                sql.add(
                    "(SELECT pg_catalog.count(*) FROM u), pg_catalog.count(*) FILTER (WHERE c.so) FROM c",
                );
            }
        }
        let row = sql.one(connection).await?;
        let (changed, right): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let meant = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        if (changed, right) == (meant, meant) {
            return Ok(());
        }
        Err(DatabaseError::PlanStale(format!(
            "{changed} accounts would have changed, {right} of them as it was meant, and {meant} were meant: nothing of this chunk was done (a trigger may keep the change back)"
        )))
    }
}
