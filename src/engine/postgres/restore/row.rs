//! Puts one row back: by one statement, with everything that the steps of its run had changed, or not at all.

use sqlx::{PgConnection, Row};

use super::{newer, today};
use crate::{
    api::report::Action,
    engine::postgres::{
        catalog::{Column, condition::equals},
        ledger::fence::Fence,
        observe::sessions,
        repair::guard::beyond::Own,
        restore::{
            inventory::with_batches,
            lineage::{self, Member},
            undo::{Pair, Undo},
            verify::{self, Place, is_as_copied},
        },
        session::{error::DatabaseError, transaction::tentatively},
        sql::{Sql, run},
        sql_name::sql_table,
    },
};

/// Why a row stays whose place another one has.
pub(super) const PLACE_TAKEN: &str = "a row with its key is there already";
/// Why a row stays that is not as the repair left it.
pub(super) const CHANGED_SINCE: &str = "the row was changed or removed since";

/// The right that the role lacks to put rows back.
pub(super) fn lacks(pair: &Pair, action: Action) -> Option<String> {
    let rights = &pair.source.rights;
    let (right, there) = match action {
        Action::Delete => ("INSERT into", rights.insert),
        // A right on the one column may do.
        _ => ("UPDATE", rights.update || action == Action::EndSessions),
    };
    let table = sql_table(pair.source.relation.schema.as_str(), pair.source.relation.name.as_str());
    (!there).then(|| {
        format!(
            "the role may not {right} {table}: run what `auth-consistency grants` prints, then restore again"
        )
    })
}

impl<'a> Undo<'a> {
    fn new(pairs: &'a [Pair], members: &'a [Member]) -> Option<Self> {
        let last = members.last()?;
        let pair = pairs.get(last.table)?;
        let mut changed: Vec<String> = Vec::new();
        for column in members.iter().flat_map(|one| &one.columns) {
            if !changed.contains(column) {
                changed.push(column.clone());
            }
        }
        Some(Self { pairs, members, last, pair, changed })
    }

    /// Whether the row is put in again, and not changed.
    pub fn inserts(&self) -> bool {
        self.last.action == Action::Delete
    }

    /// Whether the last copy has a value in a column.
    pub async fn has_value(
        &self,
        connection: &mut PgConnection,
        column: &Column,
    ) -> Result<bool, sqlx::Error> {
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
        sql.relation(&self.pair.quarantine.relation).add(" q WHERE ");
        is_copy(&mut sql, &self.last.copy);
        // A row of NULLs is a value.
        sql.add(" AND ").column("q", &column.name).add("::pg_catalog.text IS NOT NULL)");
        sql.scalar(connection).await
    }

    /// The copy that has a column as it was before the run: the first whose step changed it, the last one of
    /// what no step did, since the rest of a row may be newer.
    fn source(&self, column: &Column) -> (&'a Pair, &'a Member) {
        let name = column.name.as_str();
        self.members
            .iter()
            .filter(|one| one.columns.iter().any(|changed| changed == name))
            .filter_map(|one| Some((self.pairs.get(one.table)?, one)))
            .find(|(pair, _)| pair.copies.column(name).is_some())
            .unwrap_or((self.pair, self.last))
    }

    /// The column of that copy.
    pub fn copied(&self, column: &Column) -> Option<&'a Column> {
        self.source(column).0.copies.column(column.name.as_str())
    }

    /// Adds something about that copy `q`, where the last one is in scope as `q`.
    pub fn of_source(&self, sql: &mut Sql, column: &Column, add: impl Fn(&mut Sql)) {
        let (pair, member) = self.source(column);
        if std::ptr::eq(member, self.last) {
            return add(sql);
        }
        sql.add("(SELECT ");
        add(sql);
        sql.add(" FROM ").relation(&pair.quarantine.relation).add(" q WHERE ");
        is_copy(sql, &member.copy);
        sql.add(")");
    }

    fn value(&self, sql: &mut Sql, column: &Column) {
        self.of_source(sql, column, |sql| {
            sql.column("q", &column.name);
        });
    }

    /// The columns of the source that one of the copies is the last to have changed.
    fn written_by(&self, at: usize) -> Vec<&'a Column> {
        let later = |name: &String| {
            self.members.iter().skip(at + 1).any(|one| one.columns.iter().any(|other| other == name))
        };
        let Some(one) = self.members.get(at) else { return Vec::new() };
        one.columns
            .iter()
            .filter(|name| !later(name))
            .filter_map(|name| self.pair.source.column(name))
            .collect()
    }

    /// The columns of the source that one of the copies changed and the next to change them moved an id in, with
    /// that one's copy.
    fn moved_on(&self, at: usize) -> impl Iterator<Item = (&'a Member, Vec<&'a Column>)> {
        let Self { members, pair, .. } = *self;
        let wrote = move |one: &Member, name: &str| one.columns.iter().any(|other| other == name);
        let from = members.get(at);
        members.iter().enumerate().skip(at + 1).filter(|(_, one)| one.moves_id()).map(move |(next, one)| {
            let first = |name: &str| !members.iter().take(next).skip(at + 1).any(|one| wrote(one, name));
            let columns = one.columns.iter().map(String::as_str);
            let columns = columns.filter(|name| from.is_some_and(|from| wrote(from, name)) && first(name));
            (one, columns.filter_map(|name| pair.source.column(name)).collect())
        })
    }

    /// Whether the last copy still has what the steps before it wrote, and that of an id that was moved what it was
    /// moved in: the app may have changed it between.
    async fn is_linked(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        for (at, one) in self.members.iter().enumerate().take(self.members.len() - 1) {
            let Some(pair) = self.pairs.get(one.table) else { continue };
            for (next, columns) in self.moved_on(at).chain([(self.last, self.written_by(at))]) {
                let Some(after) = self.pairs.get(next.table).filter(|_| !columns.is_empty()) else {
                    continue;
                };
                let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
                sql.relation(&pair.quarantine.relation).add(" q, ").relation(&after.quarantine.relation);
                sql.add(" c WHERE ");
                is_copy(&mut sql, &one.copy);
                sql.add(" AND c.ctid OPERATOR(pg_catalog.=) CAST(")
                    .text(&next.copy)
                    .add(" AS pg_catalog.tid)");
                holds_what_was_written(&mut sql, &columns, one.columns.len(), one.action);
                sql.add(")");
                if !sql.scalar::<bool>(connection).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn insert(&self) -> Sql {
        let source = &self.pair.source;
        let columns = || source.columns.iter().filter(|column| !column.generated);
        let mut sql = Sql::new("INSERT INTO ");
        sql.relation(&source.relation).add(" AS r (");
        for (at, column) in columns().enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).name(&column.name);
        }
        sql.add(if columns().any(|column| column.identity_always) {
            ") OVERRIDING SYSTEM VALUE SELECT "
        } else {
            ") SELECT "
        });
        for (at, column) in columns().enumerate() {
            sql.add(if at > 0 { ", " } else { "" });
            self.value(&mut sql, column);
        }
        sql.add(" FROM ").relation(&self.pair.quarantine.relation).add(" q WHERE ");
        is_copy(&mut sql, &self.last.copy);
        sql
    }

    fn update(&self, key: &[Column]) -> Sql {
        let source = &self.pair.source;
        let mut sql = Sql::new("UPDATE ");
        sql.only(&source.relation).add(" AS c SET ");
        for (at, column) in self.changed.iter().filter_map(|name| source.column(name)).enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" = ");
            self.value(&mut sql, column);
        }
        sql.add(" FROM ").relation(&self.pair.quarantine.relation).add(" q WHERE ");
        self.is_row(&mut sql, key);
        sql
    }

    /// Adds the condition that the row `c` is the one that the last copy `q` is of, and still holds what the
    /// steps wrote.
    pub(super) fn is_row(&self, sql: &mut Sql, key: &[Column]) {
        let Self { last, pair, .. } = self;
        let own = |column: &Column| last.columns.iter().any(|name| name == column.name.as_str());
        is_copy(sql, &last.copy);
        for (at, column) in key.iter().enumerate() {
            // An id that was moved may be the row's own, and stays where it is.
            if let Some(now) = last.now.get(at).filter(|_| last.moves_id()) {
                equals(sql.add(" AND "), "c", column, now);
                continue;
            }
            // Where the key holds the reference itself, the row has the key that the repair gave it, which
            // the condition below says.
            if matches!(last.action, Action::Reassign | Action::Remap) && own(column) {
                continue;
            }
            sql.add(" AND ").column("c", &column.name);
            match &column.equality {
                // The type may have changed since; the index on it is of use all the same.
                Some(equality) => {
                    sql.operator(equality).add("CAST(").column("q", &column.name);
                    sql.add("::pg_catalog.text AS ").type_name(&column.type_name).add(")");
                }
                None => {
                    sql.add("::pg_catalog.text OPERATOR(pg_catalog.=) ").column("q", &column.name);
                    sql.add("::pg_catalog.text");
                }
            }
        }
        let written = self.written_by(self.members.len() - 1);
        holds_what_was_written(sql, &written, last.columns.len(), last.action);
        for column in self.changed.iter().filter_map(|name| pair.source.column(name)) {
            if let (false, Some(copied)) = (own(column), pair.copies.column(column.name.as_str())) {
                sql.add(" AND (");
                is_as_copied(sql, column, copied);
                sql.add(")");
            }
        }
    }

    /// Puts the row back in the transaction that there is; the inner error says why it stays.
    async fn put_back(
        &self,
        connection: &mut PgConnection,
        key: &[Column],
        own: &mut Own,
    ) -> Result<Result<(), String>, sqlx::Error> {
        if let Some(why) = today::lacking(connection, self, key).await? {
            return Ok(Err(why));
        }
        if !self.is_linked(connection).await? {
            return Ok(Err(CHANGED_SINCE.into()));
        }
        let mut before = None;
        let mut sql = if self.inserts() {
            self.insert()
        } else {
            // Only what the repair was about: the rest of the row may be newer.
            if self.pair.watched() {
                let mut sql = Sql::new("SELECT ");
                self.pair.digests(&mut sql, &self.changed);
                sql.add(" FROM ").only(&self.pair.source.relation).add(" c, ");
                sql.relation(&self.pair.quarantine.relation).add(" q WHERE ");
                self.is_row(&mut sql, key);
                sql.add(" FOR UPDATE OF c");
                if let Some(row) = sql.optional(connection).await? {
                    before = Some(row.try_get(0)?);
                }
            }
            self.update(key)
        };
        Place::returning(&mut sql, if self.inserts() { "r" } else { "c" });
        let rows = sql.all(connection).await?;
        let [row] = rows.as_slice() else {
            return Ok(Err(match rows.len() {
                0 if self.inserts() => "a trigger or rule of the app keeps it away".into(),
                0 => CHANGED_SINCE.into(),
                _ => "more than one row would have been put back for one copy".into(),
            }));
        };
        let place = Place::of(row)?;
        // A deferred constraint must speak up for this row and not for the whole run.
        run(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        if let Some(why) = verify::unlike(connection, self, &place, before, &self.last.copy).await? {
            return Ok(Err(why));
        }
        for one in self.members.iter().filter(|one| one.whole) {
            let Some(pair) = self.pairs.get(one.table) else { continue };
            let mut sql = Sql::new("UPDATE ");
            sql.relation(&pair.quarantine.relation);
            sql.add(" AS q SET _ac_restored_at = pg_catalog.clock_timestamp() WHERE ");
            is_copy(&mut sql, &one.copy);
            // What is undone is counted by the server, too.
            own.noted += sql.execute(connection).await?;
        }
        Ok(Ok(()))
    }
}

/// Puts one row back, with all that its copies are undone for. The inner error says why it stays.
pub(super) async fn put_back(
    connection: &mut PgConnection,
    fence: &Fence,
    pairs: &[Pair],
    key: &[Column],
    members: &[Member],
    own: &mut Own,
) -> Result<Result<Option<newer::Kept>, String>, DatabaseError> {
    let Some(undo) = Undo::new(pairs, members) else { return Ok(Err(CHANGED_SINCE.into())) };
    if key.is_empty() && !undo.inserts() {
        return Ok(Err("the table has no primary key, so the row cannot be named".into()));
    }
    let work = async |connection: &mut PgConnection| {
        // Together with what overwrites it, or not at all.
        let kept = match newer::keep(connection, fence, &undo, key, undo.last, own).await {
            Ok(kept) => kept,
            Err(DatabaseError::Sql(error)) => return Err(error),
            Err(other) => return Ok(Err(other.to_string())),
        };
        Ok(undo.put_back(connection, key, own).await?.map(|()| kept))
    };
    let result = tentatively(connection, work).await?;
    Ok(result.map_err(|why| match why {
        why if why.contains("(SQLSTATE 23503)") => "it still names a user that does not exist".into(),
        why if why.contains("(SQLSTATE 23505)") => PLACE_TAKEN.into(),
        why => why,
    }))
}

/// Undoes all steps of a row but the first, in a transaction that undoes that one next, or nothing.
pub(super) async fn put_back_later(
    connection: &mut PgConnection,
    pairs: &[Pair],
    key: &[Column],
    members: &[Member],
    own: &mut Own,
) -> Result<(), sqlx::Error> {
    let Some(undo) = members.get(1..).and_then(|later| Undo::new(pairs, later)) else { return Ok(()) };
    match undo.put_back(connection, key, own).await? {
        Ok(()) => Ok(()),
        Err(why) => Err(sqlx::Error::Protocol(why)),
    }
}

/// Who changed a row that is not as the repair left it: a later run whose own rows are not back, or nobody
/// that is known of.
pub(super) async fn changed_by(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    pairs: &[Pair],
    key: &[Column],
    members: &[Member],
) -> Result<String, DatabaseError> {
    let Some(undo) = Undo::new(pairs, members).filter(|_| !key.is_empty()) else {
        return Ok(CHANGED_SINCE.into());
    };
    for pair in pairs {
        let mut sql = Sql::new("SELECT b.run, b.action OPERATOR(pg_catalog.=) 'MoveId' FROM ");
        with_batches(&mut sql, &pair.quarantine);
        sql.add(" JOIN ")
            .relation(&undo.pair.quarantine.relation)
            .add(" k ON k.ctid OPERATOR(pg_catalog.=) CAST(");
        sql.text(&undo.last.copy).add(" AS pg_catalog.tid) WHERE q._ac_restored_at IS NULL");
        sql.add(" AND b.batch OPERATOR(pg_catalog.>) k._ac_batch");
        lineage::is_ours(&mut sql, fence);
        for column in key {
            sql.add(" AND ").column("q", &column.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) ");
            let given = matches!(undo.last.action, Action::Reassign | Action::Remap)
                && undo.last.columns.as_slice() == [column.name.as_str().to_owned()];
            if given {
                sql.add("k._ac_new_key");
            } else {
                sql.column("k", &column.name).add("::pg_catalog.text");
            }
        }
        sql.add(" ORDER BY b.batch DESC LIMIT 1");
        let Some(row) = sql.optional(connection).await? else { continue };
        let (by, moved): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        if moved {
            return Ok(format!("an id that it names was moved since, by the run {by}: move that back first"));
        }
        if by != run {
            return Ok(format!("the run {by} changed or removed it since: restore that one first"));
        }
    }
    Ok(CHANGED_SINCE.into())
}

/// Adds the condition that `q` is this copy.
fn is_copy(sql: &mut Sql, copy: &str) {
    sql.add("q.ctid OPERATOR(pg_catalog.=) CAST(").text(copy).add(" AS pg_catalog.tid)");
}

/// Adds the condition that `c` holds in columns what the step of the copy `q`, which changed `all` columns,
/// wrote there.
fn holds_what_was_written(sql: &mut Sql, columns: &[&Column], all: usize, action: Action) {
    match action {
        Action::SetNull => {
            // Of several columns some may have been left as they were.
            for column in columns {
                sql.add(" AND (").column("c", &column.name).add(" IS NULL OR ");
                sql.column("c", &column.name).add("::pg_catalog.text OPERATOR(pg_catalog.=) ");
                sql.column("q", &column.name).add("::pg_catalog.text)");
            }
        }
        // What the app has set since says more than what was there before.
        Action::EndSessions => {
            for column in columns {
                sql.add(" AND ");
                sessions::holds_what_was_set(sql, column);
            }
        }
        Action::MoveId => {
            for column in columns {
                sql.add(" AND ").column("c", &column.name);
                sql.add("::pg_catalog.text OPERATOR(pg_catalog.=) q._ac_new_key");
            }
        }
        // What a later step wrote over is that one's to compare.
        Action::Reassign | Action::Remap if columns.len() == all => {
            sql.add(" AND ");
            if let [column] = columns {
                sql.column("c", &column.name);
            } else {
                sql.add("ROW(");
                for (at, column) in columns.iter().enumerate() {
                    sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
                }
                sql.add(")");
            }
            sql.add("::pg_catalog.text OPERATOR(pg_catalog.=) q._ac_new_key");
        }
        _ => {}
    }
}
