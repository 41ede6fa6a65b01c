//! Counts the rows of one reference that can be given back to their people, and what is in the way.

use crate::{
    domain::{
        facts::{
            IdDefault, UnfitColumn, credentials, identities::ReferenceFacts, key_kind::KeyKind,
            references::Reference, schema::UserTable,
        },
        identities::{list::Identities, mapping::Pair},
        text::hex,
    },
    engine::postgres::{
        catalog::{
            self, Column,
            mapping::{Mapped, Mapping},
            reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        ledger::remaps,
        observe::fit,
        rowset::{
            dependents, exchange,
            people::own_key,
            remap_exchange,
            remap_rows::{concerned, listed, mapping, moving, names},
            remap_surplus,
        },
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};

use super::{barred, unreadable_sequence};

/// What one reference is looked at with.
pub(super) struct Looking<'a> {
    pub known: &'a ResolvedSchema,
    pub users: &'a UserTable,
    pub mapping: &'a Mapping,
    pub list: Option<&'a Identities>,
    pub server_version: i64,
    pub table: &'a ReferenceTable,
    pub reference: &'a Reference,
}

/// What was seen.
pub(super) enum Seen {
    /// No row is concerned.
    Nothing,
    /// Rows may be concerned, and cannot be counted.
    Uncounted,
    /// Rows are concerned, and some may be given back.
    Rows(Box<(ReferenceFacts, Option<Mapped>)>),
}

/// Rows that one pair is about.
struct Named<'a> {
    pair: &'a Pair,
    rows: i64,
    old: i64,
    doubtful: i64,
}

impl Looking<'_> {
    pub(super) async fn at(&self, connection: &mut PgConnection) -> Result<Seen, DatabaseError> {
        let orphans = self.reference.orphans.rows > 0;
        let pairs: Vec<&Pair> = self.mapping.pairs.iter().filter(|pair| pair.shifted || orphans).collect();
        if pairs.is_empty() {
            return Ok(Seen::Nothing);
        }
        let comparable =
            self.table.columns.len() == 1 && self.table.operators.is_some() && self.reference.names_id;
        if !comparable {
            let shifted = pairs.iter().any(|pair| pair.shifted);
            return Ok(if shifted { Seen::Uncounted } else { Seen::Nothing });
        }
        let seen =
            savepoint(connection, async |connection: &mut PgConnection| self.count(connection, &pairs).await)
                .await?;
        Ok(seen.unwrap_or(Seen::Uncounted))
    }

    async fn count(&self, connection: &mut PgConnection, pairs: &[&Pair]) -> Result<Seen, sqlx::Error> {
        let (mark, no_mark) = match self.mark(connection).await? {
            Ok(mark) => (Some(mark), None),
            Err(why) => (None, Some(why)),
        };
        let named = self.named(connection, pairs, mark.as_ref()).await?;
        if named.is_empty() {
            return Ok(Seen::Nothing);
        }
        let past = match self.known.ours {
            true => remaps::of(connection, &self.reference.object, &self.mapping.list).await?,
            false => remaps::Past::default(),
        };
        let integer = self.known.id.kind() == KeyKind::Integer;
        let mut facts = ReferenceFacts { object: self.reference.object.clone(), ..Default::default() };
        let mut used = Vec::new();
        for one in &named {
            let (pair, some) = (one.pair, one.pair.new.is_some());
            if let (false, Some(lost)) = (pair.shifted, &pair.lost) {
                facts.remainder.add(&pair.old, lost, one.rows);
            } else if !pair.shifted {
                facts.returning.add(&pair.old, one.rows);
                let doubtful = if past.touched.is_some() && integer { one.rows } else { one.doubtful };
                facts.doubtful = facts.doubtful.saturating_add(doubtful);
                used.push(pair.clone());
            } else if !past.settled {
                let rows = if mark.is_some() { one.old } else { one.rows };
                facts.shifted.add(&pair.old, rows);
                if let Some(lost) = &pair.lost {
                    facts.shifted_remainder.add(&pair.old, lost, rows);
                }
                if mark.is_some() && past.touched.is_none() && some && one.old > 0 {
                    facts.movable.add(&pair.old, one.old);
                    used.push(pair.clone());
                }
            }
        }
        if facts.shifted.rows > 0 {
            facts.no_mark = no_mark;
            facts.touched = past.touched;
        }
        if facts.returning.rows == 0 && facts.shifted.rows == 0 && facts.remainder.rows() == 0 {
            return Ok(Seen::Nothing);
        }
        facts.pairs = used
            .iter()
            .take(5)
            .map(|pair| (pair.old.clone(), pair.new.clone().unwrap_or_default()))
            .collect();
        if used.is_empty() {
            return Ok(Seen::Rows(Box::new((facts, None))));
        }
        let mut mapped = Mapped { object: facts.object.clone(), mark, used, digest: String::new() };
        mapped.digest = digest(&mapped);
        facts.digest = mapped.digest.clone();
        self.obstacles(connection, &mapped, &mut facts).await?;
        Ok(Seen::Rows(Box::new((facts, Some(mapped)))))
    }

    /// The rows of each pair, in the order of the pairs; pairs that no row names are left out.
    async fn named<'p>(
        &self,
        connection: &mut PgConnection,
        pairs: &[&'p Pair],
        mark: Option<&(Column, i64)>,
    ) -> Result<Vec<Named<'p>>, sqlx::Error> {
        let old = |sql: &mut Sql| match mark {
            Some((column, highest)) => {
                sql.column("c", &column.name).add(" <= ").integer(*highest);
            }
            None => {
                sql.add("false");
            }
        };
        let mut sql = Sql::new("SELECT m.n, count(*), count(*) FILTER (WHERE ");
        old(&mut sql);
        sql.add("), count(*) FILTER (WHERE NOT (");
        old(&mut sql);
        sql.add(") AND ");
        // Only numbers are given out again, and only those below the next one can have been.
        match &self.users.id_default {
            _ if self.known.id.kind() != KeyKind::Integer => sql.add("false"),
            // One that begins anew at its end may have given any.
            IdDefault::Sequence(sequence) if sequence.cycle => sql.add("true"),
            IdDefault::Sequence(sequence) if sequence.descends() => {
                sql.add("m.old_id::int8 > ").integer(sequence.next)
            }
            IdDefault::Sequence(sequence) => sql.add("m.old_id::int8 < ").integer(sequence.next),
            _ => sql.add("true"),
        };
        sql.add(") FROM ").only(&self.table.child.relation).add(" c JOIN ");
        mapping(&mut sql, pairs.iter().copied());
        sql.add(" ON ");
        names(&mut sql, self.table);
        sql.add(" WHERE ");
        concerned(&mut sql, self.table, None);
        sql.add(" GROUP BY m.n ORDER BY m.n");
        let mut named = Vec::new();
        for row in sql.every(connection).await? {
            let at = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
            let Some(pair) = at.checked_sub(1).and_then(|at| pairs.get(at)) else { continue };
            named.push(Named {
                pair,
                rows: row.try_get(1)?,
                old: row.try_get(2)?,
                doubtful: row.try_get(3)?,
            });
        }
        Ok(named)
    }

    /// Up to where rows are old; the inner error says why that cannot be told.
    async fn mark(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Result<(Column, i64), String>, sqlx::Error> {
        let object = &self.reference.object;
        let Some(before) = self.list.and_then(|list| list.before.as_ref()) else {
            return Ok(Err("only a snapshot says how far a table had come".into()));
        };
        let mark = before
            .references
            .iter()
            .filter(|one| one.schema == object.schema && one.table == object.table)
            .find_map(|one| one.high_water.as_ref());
        let Some(mark) = mark else {
            return Ok(Err("the snapshot does not say how far the table had come".into()));
        };
        let Some((column, _, next)) = own_key(connection, self.table).await? else {
            return Ok(Err(match unreadable_sequence(connection, self.table).await? {
                Some(name) => format!(
                    "the role may not SELECT from its sequence {name}: run what `auth-consistency grants` prints"
                ),
                None => "the table has no primary key that a sequence counts up".into(),
            }));
        };
        if column.name.as_str() != mark.column {
            return Ok(Err("the table has another primary key than when the snapshot was taken".into()));
        }
        if next <= mark.highest {
            return Ok(Err(format!(
                "the table's sequence gives {next} next, and had come to {} before, so new rows may be below old ones",
                mark.highest
            )));
        }
        Ok(Ok((column, mark.highest)))
    }

    /// What is in the way of giving the rows back.
    async fn obstacles(
        &self,
        connection: &mut PgConnection,
        mapped: &Mapped,
        facts: &mut ReferenceFacts,
    ) -> Result<(), sqlx::Error> {
        let child = &self.table.child;
        let names: Vec<&str> = child.columns.iter().map(|column| column.name.as_str()).collect();
        facts.credentials = credentials::recognise(child.relation.name.as_str(), &names);
        let Some(column) = self.table.columns.first() else { return Ok(()) };
        (facts.cascades, facts.lacking) =
            dependents::carrying(connection, self.table, |sql| moving(sql, self.table, mapped)).await?;
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&child.relation);
        facts.table_rows = sql.scalar(connection).await?;
        let new: Vec<String> = mapped.used.iter().filter_map(|pair| pair.new.clone()).collect();
        if !fit::takes(connection, self.table, 0, &new).await? {
            let (name, own) = (column.name.as_str(), column.declared_type.as_str());
            let why = format!("column {name:?} is {own} and cannot hold every new id");
            facts.unfit = Some(UnfitColumn { why, check: None });
        } else if let Some(check) = fit::refused_one(connection, child, column, &new).await? {
            let why = format!("the CHECK {check:?} of column {:?} refuses a new id", column.name.as_str());
            facts.unfit = Some(UnfitColumn { why, check: Some(check) });
        }
        if facts.unfit.is_some() {
            // What cannot be written there collides with nothing.
            facts.surplus = Some(0);
            return Ok(());
        }
        let indexes =
            catalog::unique_indexes(connection, child.oid, column.name.as_str(), self.server_version).await?;
        for index in indexes.iter().cloned() {
            let Some(others) = &index.others else {
                // What an expression or a predicate makes of the new values is the engine's to say.
                facts.collisions.push((index.name, facts.rows()));
                continue;
            };
            let others: Vec<&Column> = others.iter().filter_map(|name| child.column(name)).collect();
            let rows = self.collisions(connection, mapped, index.nulls_equal, &others).await?;
            if rows > 0 {
                facts.collisions.push((index.name.clone(), rows));
            }
        }
        facts.surplus = if facts.collisions.is_empty() {
            Some(0)
        } else {
            remap_surplus::count(connection, self.table, mapped, &indexes).await?
        };
        facts.in_the_way = barred::of(connection, self.table, mapped).await?;
        facts.exchanged = remap_exchange::count(connection, self.table, mapped, &indexes).await?;
        if facts.exchanged > 0 {
            facts.tied = exchange::tied(connection, child.oid).await?;
        }
        Ok(())
    }

    /// Rows that would be equal to another one in a unique key once all have moved.
    async fn collisions(
        &self,
        connection: &mut PgConnection,
        mapped: &Mapped,
        nulls_equal: bool,
        others: &[&Column],
    ) -> Result<i64, sqlx::Error> {
        let Some(column) = self.table.columns.first() else { return Ok(0) };
        let mut sql = Sql::new(
            "SELECT coalesce(sum(g.moved), 0)::int8 FROM (SELECT count(*) FILTER (WHERE x.moved) AS moved FROM (SELECT ",
        );
        sql.add("CAST(m.new_id AS ").type_name(&column.type_name).add(") AS k, true AS moved");
        listed(&mut sql, others);
        moving(&mut sql, self.table, mapped);
        sql.add(" UNION ALL SELECT ").column("c", &column.name).add(", false");
        listed(&mut sql, others);
        sql.add(" FROM ").only(&self.table.child.relation).add(" c WHERE ").column("c", &column.name);
        sql.add(" IS NOT NULL AND NOT EXISTS (SELECT FROM ");
        mapping(&mut sql, mapped.used.iter());
        sql.add(" WHERE ");
        names(&mut sql, self.table);
        sql.add(" AND ");
        concerned(&mut sql, self.table, mapped.mark.as_ref());
        sql.add(")) x");
        if !nulls_equal {
            for at in 0..others.len() {
                sql.add(if at > 0 { " AND x.o" } else { " WHERE x.o" }).ordinal(at).add(" IS NOT NULL");
            }
        }
        sql.add(" GROUP BY x.k");
        for at in 0..others.len() {
            sql.add(", x.o").ordinal(at);
        }
        sql.add(" HAVING count(*) > 1 AND bool_or(x.moved)) g");
        sql.scalar(connection).await
    }
}

fn digest(mapped: &Mapped) -> String {
    let mut digest = Sha256::new();
    for pair in &mapped.used {
        for part in [pair.old.as_str(), pair.new.as_deref().unwrap_or_default()] {
            // The length in front keeps two lists from having one text.
            digest.update(format!("{}:", part.len()));
            digest.update(part.as_bytes());
        }
        digest.update([u8::from(pair.shifted)]);
    }
    if let Some((column, highest)) = &mapped.mark {
        digest.update(format!("{}<={highest}", column.name.as_str()));
    }
    hex(&digest.finalize())
}
