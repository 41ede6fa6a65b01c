//! Rows that a foreign key takes along, or keeps in place.

use sqlx::PgConnection;
use sqlx::Row;

use crate::engine::keeping::Keeping;
use crate::{
    api::report::{Action, ObjectRef},
    domain::{
        facts::{
            references::{Cascaded, Lacking},
            rights::{LackingRight, Right},
        },
        text::count,
    },
    engine::postgres::{
        catalog::{self, Column, Found, Table, keys::ForeignKey, reference::ReferenceTable},
        sql::Sql,
        sql_name::sql_table,
    },
};

/// A foreign key to a table, with what it does when a row there is deleted.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct Dependent {
    pub(in crate::engine::postgres) key: ForeignKey,
    pub(in crate::engine::postgres) table: Table,
    pub(in crate::engine::postgres) columns: Vec<Column>,
    pub(in crate::engine::postgres) parents: Vec<Column>,
    /// The partition that it references, where that is not the whole table.
    pub(in crate::engine::postgres) part: Option<i64>,
    /// Delete or SetNull; `None`: it forbids the DELETE.
    pub(in crate::engine::postgres) effect: Option<Action>,
    /// Whether a change of the key goes on to its rows: ON UPDATE CASCADE, SET NULL or SET DEFAULT.
    pub(in crate::engine::postgres) carries: bool,
    /// Columns that SET NULL clears.
    pub(in crate::engine::postgres) cleared: Vec<String>,
    /// Object ids of the table or its partitions.
    pub(in crate::engine::postgres) tables: Vec<i64>,
    /// The primary key, where rows go along that stay.
    pub(in crate::engine::postgres) primary_key: Vec<Column>,
}

impl Dependent {
    pub(in crate::engine::postgres) fn object(&self) -> ObjectRef {
        ObjectRef {
            schema: self.key.child.0.clone(),
            table: self.key.child.1.clone(),
            columns: self.key.child_columns.clone(),
            constraint: Some(self.key.name.clone()),
        }
    }

    /// Why its rows are not looked at: that could run somebody's code.
    pub(in crate::engine::postgres) fn refused(&self) -> Option<String> {
        self.table.refused(&self.columns, [])
    }

    pub(in crate::engine::postgres) fn table(&self) -> &Table {
        &self.table
    }

    /// The table as people name it.
    pub(in crate::engine::postgres) fn called(&self) -> String {
        sql_table(&self.key.child.0, &self.key.child.1)
    }

    /// A right on the table that the role lacks.
    fn lacking(&self, right: Right) -> LackingRight {
        let (schema, table) = self.key.child.clone();
        LackingRight { right, table: ObjectRef { schema, table, ..ObjectRef::default() } }
    }

    /// Adds that the row `parent` is the one that the row `child` names.
    pub(in crate::engine::postgres) fn names(
        &self,
        sql: &mut Sql,
        parent: &'static str,
        child: &'static str,
    ) {
        for (at, (column, other)) in self.columns.iter().zip(&self.parents).enumerate() {
            sql.add(if at > 0 { " AND " } else { "" });
            if let Some(operator) = self.key.operators.get(at) {
                sql.columns_compared(operator, (parent, &other.name), (child, &column.name));
            }
        }
        if let Some(part) = self.part {
            sql.add(" AND ")
                .add(parent)
                .add(".tableoid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT t.relid::pg_catalog.oid");
            sql.add(" FROM pg_catalog.pg_partition_tree(").integer(part);
            sql.add("::pg_catalog.oid::pg_catalog.regclass) t))");
        }
    }
}

/// The foreign keys to a table.
pub(in crate::engine::postgres) async fn of(
    connection: &mut PgConnection,
    parent: &Table,
) -> Result<Vec<Dependent>, sqlx::Error> {
    of_those(connection, parent, |_| true).await
}

/// What depends on the orphans of a reference.
pub(in crate::engine::postgres) struct Depending {
    /// Foreign keys that forbid deleting them, with how many rows.
    pub forbidding: Vec<String>,
    /// Rights that the role lacks for it.
    pub lacking: Lacking,
    /// What goes along.
    pub takes: Vec<Cascaded>,
    /// Foreign keys through which another key of the orphans would go on, with how many rows.
    pub carrying: Vec<String>,
    /// Why what depends on them could not be looked at, where that is so.
    pub unseen: Option<String>,
}

/// Counts exactly what depends on the orphans of a reference.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
) -> Result<Depending, sqlx::Error> {
    let dependents = of(connection, &reference.child).await?;
    let (carrying, change) = carried(connection, reference, &dependents, |sql| {
        sql.add(" FROM ").only(&reference.child.relation).add(" c WHERE ");
        reference.orphaned(sql);
    })
    .await?;
    let mut depending = Depending {
        forbidding: Vec::new(),
        lacking: Lacking { delete: Vec::new(), change },
        takes: Vec::new(),
        carrying,
        unseen: None,
    };
    for dependent in &dependents {
        let name = format!("{}.{}", dependent.key.child.1, dependent.key.name);
        if let Some(why) = dependent.refused() {
            let of = dependent.called();
            depending
                .unseen
                .get_or_insert(format!("whether rows of {of} depend on them is not looked at: {why}"));
            continue;
        }
        if !dependent.key.readable || !dependent.table.select {
            depending.lacking.delete.push(dependent.lacking(Right::Select));
            continue;
        }
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&dependent.table.relation).add(" d WHERE ");
        on_orphans(&mut sql, reference, dependent);
        let rows: i64 = sql.scalar(connection).await?;
        if rows == 0 {
            continue;
        }
        let why = match dependent.effect {
            _ if dependent.key.enforcement.ignores_deletes() => {
                Some("which would be left behind, as it does nothing on a DELETE")
            }
            _ if dependent.key.temporal => Some("by periods, which are not followed"),
            None => Some("which it forbids"),
            _ if dependent.table.oid == reference.child.oid => Some("of the same table"),
            Some(Action::Delete) if dependent.table.oid == reference.parent.oid => Some("which are accounts"),
            // They are held while they are copied.
            _ if !dependent.table.rights.update => {
                depending.lacking.delete.push(dependent.lacking(Right::Update));
                continue;
            }
            Some(Action::SetNull)
                if catalog::primary_key(connection, dependent.table.oid).await?.is_empty() =>
            {
                Some("which have no primary key and could not be put back")
            }
            _ if dependents.iter().filter(|one| one.table.oid == dependent.table.oid).count() > 1 => {
                Some("by one of several foreign keys")
            }
            _ => None,
        };
        if let Some(why) = why {
            depending.forbidding.push(format!("{name}: {}, {why}", count(rows, "row")));
            continue;
        }
        let action = dependent.effect.unwrap_or(Action::Delete);
        if action == Action::Delete {
            let (deeper, lacking) = deeper(connection, reference, dependent).await?;
            depending.forbidding.extend(deeper);
            depending.lacking.delete.extend(lacking);
        }
        depending.takes.push(Cascaded { object: dependent.object(), action, rows });
    }
    Ok(depending)
}

/// Foreign keys, but for those of the tables `except`, by which rows depend on the rows `c` of a table: deleting those
/// would take them along, or is forbidden. `rows` adds the condition on `c`.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn on_rows(
    connection: &mut PgConnection,
    table: &Table,
    except: &[ObjectRef],
    rows: impl Fn(&mut Sql),
) -> Result<Vec<ObjectRef>, sqlx::Error> {
    let mut found = Vec::new();
    for dependent in of(connection, table).await? {
        let object = dependent.object();
        if except.iter().any(|one| (&one.schema, &one.table) == (&object.schema, &object.table)) {
            continue;
        }
        if dependent.key.readable && dependent.table.select && dependent.refused().is_none() {
            let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
            sql.only(&dependent.table.relation).add(" d JOIN ").only(&table.relation).add(" c ON ");
            dependent.names(&mut sql, "c", "d");
            sql.add(" WHERE ");
            rows(&mut sql);
            sql.add(")");
            if !sql.scalar::<bool>(connection).await? {
                continue;
            }
        }
        found.push(object);
    }
    Ok(found)
}

/// Foreign keys through which a change of a reference's columns would go on to rows of other tables, with how
/// many, and rights that the role lacks to tell. `rows` adds ` FROM ...`, of the rows `c` that change.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn carrying(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    rows: impl Fn(&mut Sql),
) -> Result<(Vec<String>, Vec<LackingRight>), sqlx::Error> {
    let dependents = of(connection, &reference.child).await?;
    carried(connection, reference, &dependents, rows).await
}

async fn carried(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    dependents: &[Dependent],
    changing: impl Fn(&mut Sql),
) -> Result<(Vec<String>, Vec<LackingRight>), sqlx::Error> {
    let (mut found, mut lacking) = (Vec::new(), Vec::new());
    let changes = |parent: &Column| reference.columns.iter().any(|column| column.name == parent.name);
    for dependent in dependents.iter().filter(|one| one.carries && one.parents.iter().any(changes)) {
        let name = format!("{}.{}", dependent.key.child.1, dependent.key.name);
        if !dependent.key.readable || !dependent.table.select {
            lacking.push(dependent.lacking(Right::Select));
            continue;
        }
        if let Some(why) = dependent.refused() {
            found.push(format!("{name}: not looked at, since {why}"));
            continue;
        }
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&dependent.table.relation).add(" d WHERE EXISTS (SELECT FROM (SELECT c.*");
        changing(&mut sql);
        sql.add(") c WHERE ");
        dependent.names(&mut sql, "c", "d");
        sql.add(")");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            found.push(format!("{name}: {}", count(rows, "row")));
        }
    }
    Ok((found, lacking))
}

/// Rows that depend on rows that would go along.
async fn deeper(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    dependent: &Dependent,
) -> Result<(Vec<String>, Vec<LackingRight>), sqlx::Error> {
    let (mut found, mut lacking) = (Vec::new(), Vec::new());
    for further in of(connection, &dependent.table).await? {
        let name = format!("{}.{}", further.key.child.1, further.key.name);
        if !further.key.readable {
            lacking.push(further.lacking(Right::Select));
            continue;
        }
        if let Some(why) = further.refused() {
            found.push(format!("{name}: not looked at, since {why}"));
            continue;
        }
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&further.table.relation).add(" e WHERE EXISTS (SELECT FROM ");
        sql.only(&dependent.table.relation).add(" d WHERE ");
        further.names(&mut sql, "d", "e");
        sql.add(" AND ");
        on_orphans(&mut sql, reference, dependent);
        sql.add(")");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            found.push(format!("{name}: {}, by way of {}", count(rows, "row"), dependent.key.child.1));
        }
    }
    Ok((found, lacking))
}

/// Adds the condition that the row `d` depends on an orphan.
fn on_orphans(sql: &mut Sql, reference: &ReferenceTable, dependent: &Dependent) {
    sql.add("EXISTS (SELECT FROM ").only(&reference.child.relation).add(" c WHERE ");
    dependent.names(sql, "c", "d");
    sql.add(" AND ");
    reference.orphaned(sql);
    sql.add(")");
}

/// The same, as far as they are asked for.
pub(in crate::engine::postgres) async fn of_those(
    connection: &mut PgConnection,
    parent: &Table,
    wanted: impl Fn(&ForeignKey) -> bool,
) -> Result<Vec<Dependent>, sqlx::Error> {
    let (mut found, kept) = (Vec::new(), Keeping::default());
    let keys = if parent.relation.partitioned {
        catalog::foreign_keys_into(connection, parent.oid, &kept).await?
    } else {
        catalog::foreign_keys(connection, parent.oid, &kept).await?
    };
    for key in keys.into_iter().filter(|key| wanted(key)) {
        let there = catalog::find_table(connection, &key.child.0, &key.child.1).await?;
        let Found::Table(mut table) = there else { continue };
        table.trusting(parent.app);
        let mut sql = Sql::new(
            "SELECT con.confdeltype::text, ARRAY(SELECT a.attname::text FROM pg_attribute a \
             WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey) \
             AND (coalesce(to_jsonb(con) -> 'confdelsetcols', 'null') = 'null' \
                  OR to_jsonb(con) -> 'confdelsetcols' @> to_jsonb(a.attnum)) ORDER BY a.attnum), \
             ARRAY(SELECT t.relid::oid::int8 FROM pg_partition_tree(con.conrelid) t WHERE t.isleaf), \
             con.confupdtype IN ('c', 'n', 'd') FROM pg_constraint con WHERE con.contype = 'f' AND con.conname::text = ",
        );
        sql.text(&key.name).add(" AND con.conrelid = ").integer(key.child_oid).add("::oid");
        let row = sql.one(connection).await?;
        let pick = |table: &Table, names: &[String]| -> Vec<Column> {
            names.iter().filter_map(|name| table.column(name)).cloned().collect()
        };
        let mut tables: Vec<i64> = row.try_get(2)?;
        if tables.is_empty() {
            tables.push(key.child_oid);
        }
        found.push(Dependent {
            columns: pick(&table, &key.child_columns),
            parents: pick(parent, &key.parent_columns),
            part: (key.parent_oid != parent.oid).then_some(key.parent_oid),
            effect: match row.try_get::<String, _>(0)?.as_str() {
                "c" => Some(Action::Delete),
                "n" => Some(Action::SetNull),
                _ => None,
            },
            carries: row.try_get(3)?,
            cleared: row.try_get(1)?,
            tables,
            primary_key: Vec::new(),
            table: *table,
            key,
        });
    }
    Ok(found)
}
