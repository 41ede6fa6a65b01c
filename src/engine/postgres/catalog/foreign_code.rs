//! What reading a table could run that is no superuser's, by the catalog alone, which runs nobody's code.
//!
//! A statement that only reads runs more than it names. The planner computes what is constant in the expressions of
//! each index, of extended statistics and of a partition key, even of indexes that it does not use. A cast or a
//! comparison takes what the type's owner gave it: `::text` of an enum is their function where they made one, and a
//! cast to a domain runs its checks. What of that belongs to whom is asked here; `domain::facts::foreign_code` judges.
//!
//! Constraints of partitions are run by no look, since `prepare` switches off what reads them, and neither is a view
//! that took a table's place. Policies are an error there. Triggers, rules, defaults and generated columns that are
//! stored are for who writes.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    domain::facts::foreign_code::{ForeignCode, Kind, Owner, refused},
    engine::postgres::{
        catalog::{Column, Table, reference::ReferenceTable},
        sql::Sql,
    },
};

/// The tables and all below them, and what of each is expanded when it is planned, as `seed`.
const PLANNED: &str = "::pg_catalog.oid[]) UNION SELECT tree.top, i.inhrelid FROM tree \
       JOIN pg_inherits i ON i.inhparent = tree.oid), \
     seed(top, owner, att, class, obj) AS ( \
       SELECT tree.top, c.relowner, NULL::text, s.class, s.obj FROM tree JOIN pg_class c ON c.oid = tree.oid \
       CROSS JOIN LATERAL ( \
         SELECT 'pg_class'::regclass::oid AS class, i.indexrelid AS obj FROM pg_index i WHERE i.indrelid = c.oid \
           AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL \
                OR EXISTS (SELECT FROM unnest(i.indclass::oid[]) o(oid) WHERE o.oid >= 16384)) \
         UNION ALL SELECT 'pg_statistic_ext'::regclass::oid, e.oid FROM pg_statistic_ext e WHERE e.stxrelid = c.oid \
         UNION ALL SELECT 'pg_class'::regclass::oid, c.oid WHERE c.relkind IN ('p', 'f') \
         UNION ALL SELECT 'pg_attrdef'::regclass::oid, d.oid FROM pg_attrdef d JOIN pg_attribute a \
           ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = c.oid AND a.attgenerated NOT IN ('', 's')) s \
       UNION ALL SELECT a.attrelid, c.relowner, a.attname::text, 'pg_type'::regclass::oid, a.atttypid \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid IN (SELECT top FROM tree) \
         AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384)";

/// Whether any of it rests on what the server did not come with: most tables have nothing of the kind, and to plan
/// [`REACHED`] takes several times as long as this.
const RESTS: &str = " SELECT EXISTS (SELECT FROM seed s WHERE s.class = 'pg_type'::regclass \
       OR s.class = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class f WHERE f.oid = s.obj AND f.relkind = 'f') \
       OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = s.class AND d.objid = s.obj AND d.refobjid >= 16384 \
         AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass)))";

/// What of a `seed(top, owner, att, class, obj)` leads to code, and all that it leads to: functions, operators, types and
/// operator classes. `16384` is the first object that the server did not come with. It needs the catalog's path.
pub(in crate::engine::postgres) const REACHED: &str = "reached(top, owner, att, class, obj) AS (SELECT * FROM seed UNION \
       SELECT r.top, r.owner, r.att, e.class, e.obj FROM reached r CROSS JOIN LATERAL ( \
         SELECT d.refclassid AS class, d.refobjid AS obj FROM pg_depend d \
           WHERE d.classid = r.class AND d.objid = r.obj AND d.objsubid = 0 AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) \
             OR d.refclassid IN ('pg_type'::regclass, 'pg_opclass'::regclass) AND r.class NOT IN ('pg_proc'::regclass, 'pg_operator'::regclass)) \
         UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type o CROSS JOIN LATERAL (SELECT o.typelem AS oid \
             UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = o.typrelid AND a.attnum > 0 AND NOT a.attisdropped) t \
           WHERE r.class = 'pg_type'::regclass AND o.oid = r.obj \
         UNION ALL SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k WHERE r.class = 'pg_type'::regclass AND k.contypid = r.obj \
         UNION ALL SELECT 'pg_proc'::regclass, k.castfunc FROM pg_cast k WHERE r.class = 'pg_type'::regclass \
           AND (k.castsource = r.obj AND k.casttarget < 16384 OR k.casttarget = r.obj AND k.castsource < 16384) \
         UNION ALL SELECT 'pg_opclass'::regclass, o.oid FROM pg_opclass o WHERE r.class = 'pg_type'::regclass AND o.opcintype = r.obj \
         UNION ALL SELECT 'pg_proc'::regclass, p.amproc FROM pg_opclass o JOIN pg_amproc p ON p.amprocfamily = o.opcfamily \
           WHERE r.class = 'pg_opclass'::regclass AND o.oid = r.obj \
         UNION ALL SELECT 'pg_operator'::regclass, p.amopopr FROM pg_opclass o JOIN pg_amop p ON p.amopfamily = o.opcfamily \
           WHERE r.class = 'pg_opclass'::regclass AND o.oid = r.obj) e WHERE e.obj >= 16384)";

/// What of that is whose.
const WHOSE: &str = ", whose(top, table_owner, att, kind, name, owner) AS ( \
       SELECT r.top, r.owner, r.att, 'Function', format('%I.%I', n.nspname, p.proname), p.proowner \
         FROM reached r JOIN pg_proc p ON p.oid = r.obj JOIN pg_namespace n ON n.oid = p.pronamespace WHERE r.class = 'pg_proc'::regclass \
       UNION ALL SELECT r.top, r.owner, r.att, 'Output', format('%I.%I', n.nspname, p.proname), p.proowner \
         FROM reached r JOIN pg_type t ON t.oid = r.obj JOIN pg_proc p ON p.oid = t.typoutput \
         JOIN pg_namespace n ON n.oid = p.pronamespace WHERE r.class = 'pg_type'::regclass AND r.att IS NOT NULL \
       UNION ALL SELECT r.top, r.owner, r.att, 'Operator', format('%I.%s', n.nspname, o.oprname), o.oprowner \
         FROM reached r JOIN pg_operator o ON o.oid = r.obj JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE r.class = 'pg_operator'::regclass \
       UNION ALL SELECT r.top, r.owner, r.att, 'Type', format('%I.%I', n.nspname, t.typname), t.typowner \
         FROM reached r JOIN pg_type t ON t.oid = r.obj JOIN pg_namespace n ON n.oid = t.typnamespace WHERE r.class = 'pg_type'::regclass \
       UNION ALL SELECT r.top, r.owner, r.att, 'ForeignTable', format('%I.%I', n.nspname, c.relname), c.relowner \
         FROM reached r JOIN pg_class c ON c.oid = r.obj JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE r.class = 'pg_class'::regclass AND c.relkind = 'f'), \
     roles AS MATERIALIZED (SELECT o.oid, r.rolname::text AS name, r.rolsuper, \
         r.rolname = 'pg_database_owner' OR pg_has_role(r.oid, current_user::regrole::oid, 'MEMBER') \
           OR pg_has_role(r.oid, (SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()), 'MEMBER') AS ours, \
         ARRAY(SELECT g.oid::int8 FROM pg_roles g WHERE pg_has_role(r.oid, g.oid, 'MEMBER')) AS becomes \
       FROM (SELECT owner AS oid FROM whose UNION SELECT table_owner FROM whose) o JOIN pg_roles r ON r.oid = o.oid) \
     SELECT DISTINCT ON (w.top, w.att, w.kind = 'Output', w.owner, w.table_owner) w.top::int8, w.att, w.kind, w.name, \
       o.name, o.rolsuper, o.ours, o.becomes, t.name, t.rolsuper, t.ours, t.becomes \
     FROM whose w JOIN roles o ON o.oid = w.owner JOIN roles t ON t.oid = w.table_owner \
     WHERE NOT o.rolsuper AND NOT (o.ours AND (w.att IS NOT NULL OR t.rolsuper OR t.ours)) \
     ORDER BY w.top, w.att, w.kind = 'Output', w.owner, w.table_owner, w.kind, w.name";

/// What of an object `d` of the catalog rests on what the server did not come with.
const ON_OTHERS: &str = " AND d.refobjid >= 16384 AND d.refclassid IN \
     ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass))";

/// What rests on what the server did not come with.
pub(in crate::engine::postgres) struct Rests {
    /// What is expanded when the tables are planned.
    pub(in crate::engine::postgres) read: bool,
    /// What runs when their rows are written, or that.
    pub(in crate::engine::postgres) written: bool,
}

/// Whether anything of tables rests on what the server did not come with; `types`: whether their columns do, `parts`:
/// whether others are below them.
///
/// It looks for the same things as [`of`] and `foreign::observe` do, and at no less of them: most tables have nothing of
/// the kind, and to plan either question takes a multiple of the time.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn rests(
    connection: &mut PgConnection,
    tables: &[i64],
    types: bool,
    parts: bool,
) -> Result<Rests, sqlx::Error> {
    if types {
        return Ok(Rests { read: true, written: true });
    }
    if parts {
        let mut sql = seeds(tables);
        sql.add(RESTS);
        return Ok(Rests { read: sql.scalar(connection).await?, written: true });
    }
    let mut sql = Sql::new(
        "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid \
           WHERE i.indrelid = ANY (n.tables)",
    );
    sql.add(ON_OTHERS);
    sql.add(
        ", EXISTS (SELECT FROM pg_statistic_ext e JOIN pg_depend d ON d.classid = 'pg_statistic_ext'::regclass AND d.objid = e.oid \
           WHERE e.stxrelid = ANY (n.tables)",
    );
    sql.add(ON_OTHERS);
    sql.add(
        ", EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = ANY (n.tables) AND NOT g.tgisinternal) \
           OR EXISTS (SELECT FROM pg_rewrite g WHERE g.ev_class = ANY (n.tables)) \
           OR EXISTS (SELECT FROM pg_constraint g JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = g.oid \
             WHERE g.conrelid = ANY (n.tables)",
    );
    sql.add(ON_OTHERS);
    sql.add(
        " OR EXISTS (SELECT FROM pg_attrdef g JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid \
             WHERE g.adrelid = ANY (n.tables)",
    );
    sql.add(ON_OTHERS);
    sql.add(" FROM (SELECT ").integers(tables.to_vec()).add("::oid[] AS tables) n");
    let row = sql.one(connection).await?;
    let index: bool = row.try_get(0)?;
    Ok(Rests { read: index || row.try_get(1)?, written: index || row.try_get(2)? })
}

fn seeds(tables: &[i64]) -> Sql {
    let mut sql =
        Sql::new("WITH RECURSIVE tree(top, oid) AS (SELECT c.oid, c.oid FROM pg_class c WHERE c.oid = ANY (");
    sql.integers(tables.to_vec()).add(PLANNED);
    sql
}

/// What reading these tables could run, as far as it is no superuser's and not our own role's; by the tables' object
/// ids.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of(
    connection: &mut PgConnection,
    tables: &[i64],
) -> Result<BTreeMap<i64, Vec<ForeignCode>>, sqlx::Error> {
    let mut found: BTreeMap<i64, Vec<ForeignCode>> = BTreeMap::new();
    let mut sql = seeds(tables);
    sql.add(", ").add(REACHED).add(WHOSE);
    for row in sql.all(connection).await? {
        found.entry(row.try_get(0)?).or_default().push(ForeignCode {
            column: row.try_get(1)?,
            kind: match row.try_get::<String, _>(2)?.as_str() {
                "Output" => Kind::Output,
                "Operator" => Kind::Operator,
                "Type" => Kind::Type,
                "ForeignTable" => Kind::ForeignTable,
                _ => Kind::Function,
            },
            name: row.try_get(3)?,
            owner: owner(&row, 4)?,
            table_owner: owner(&row, 8)?,
        });
    }
    Ok(found)
}

fn owner(row: &PgRow, at: usize) -> Result<Owner, sqlx::Error> {
    Ok(Owner {
        name: row.try_get(at)?,
        superuser: row.try_get(at + 1)?,
        ours: row.try_get(at + 2)?,
        becomes: row.try_get(at + 3)?,
    })
}

impl Table {
    /// Takes what is foreign of it by the catalog, before it is known who the app is.
    pub(in crate::engine::postgres) fn brings(&mut self, foreign: Vec<ForeignCode>) {
        self.code = foreign;
        self.mark();
    }

    /// Trusts what is the app's: of the owner of the user table, and of whoever may become that.
    pub(in crate::engine::postgres) fn beside(&mut self, users: &Table) {
        self.trusting(users.owner);
    }

    /// The same of the user table itself, and of one that stands for it.
    pub(in crate::engine::postgres) fn trusting(&mut self, users_owner: i64) {
        self.app = users_owner;
        self.code.retain(|one| one.is_foreign(users_owner));
        self.mark();
    }

    fn mark(&mut self) {
        if !self.columns.iter().any(|column| column.opaque) && self.code.is_empty() {
            return;
        }
        for column in Arc::make_mut(&mut self.columns) {
            column.opaque = self.code.iter().any(|one| one.column.as_deref() == Some(column.name.as_str()));
        }
    }

    /// Why it is not read where these columns are compared, and those only shown.
    pub(in crate::engine::postgres) fn refused<'a>(
        &self,
        compared: impl IntoIterator<Item = &'a Column>,
        shown: impl IntoIterator<Item = &'a Column>,
    ) -> Option<String> {
        if self.code.is_empty() {
            return None;
        }
        let compared: Vec<&str> = compared.into_iter().map(|column| column.name.as_str()).collect();
        let shown: Vec<&str> = shown.into_iter().map(|column| column.name.as_str()).collect();
        refused(&self.code, self.app, &compared, &shown)
    }
}

impl ReferenceTable {
    /// Why its rows are not looked at: that could run somebody's code.
    pub(in crate::engine::postgres) fn refused(&self) -> Option<String> {
        let key = self.primary_key.iter().filter_map(|name| self.child.column(name));
        let shown = self.only_where.iter().map(|(column, _)| column);
        let own = self.child.refused(self.columns.iter().chain(key), shown);
        own.or_else(|| self.parent.refused(&self.parent_columns, []))
    }
}
