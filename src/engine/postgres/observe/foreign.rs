//! Whose tables a repair goes to, and whose code runs when it does.
//!
//! Whoever has a table with a foreign key to the users, or a function that the app's table calls, decides what
//! runs when a row of it is changed, and it runs with the rights of the role that changes it. So each look says
//! what is of roles that are not the app, and each step looks again before its first row.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

use crate::{
    api::report::ObjectRef,
    domain::{
        diagnose::foreign::unnamed,
        facts::{Foreign, ForeignThing},
        target::References,
    },
    engine::postgres::{
        catalog::{Table, foreign_code::REACHED},
        session::{error::DatabaseError, transaction::by_the_catalog},
        sql::Sql,
    },
};

/// Adds the roles that are the app, as `app(oid)`: this role, the user table's owner, and whoever may do anything
/// in the database anyway.
pub(in crate::engine::postgres) fn app(sql: &mut Sql, user_table: i64) {
    sql.add(
        "app AS MATERIALIZED (SELECT r.oid FROM pg_catalog.pg_roles r \
         WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER OR r.rolsuper \
         OR r.rolname OPERATOR(pg_catalog.=) 'pg_database_owner' \
         OR r.oid OPERATOR(pg_catalog.=) (SELECT d.datdba FROM pg_catalog.pg_database d \
           WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) \
         OR r.oid OPERATOR(pg_catalog.=) (SELECT u.relowner FROM pg_catalog.pg_class u \
           WHERE u.oid OPERATOR(pg_catalog.=) ",
    );
    sql.integer(user_table).add("::pg_catalog.oid))");
}

/// Partitions of the tables `n(top, oid)`, as `w(top, oid)`, and what runs of its own when their rows are written, as the
/// `seed` of [`REACHED`].
const WRITTEN: &str = "w AS MATERIALIZED (SELECT n.top, n.oid FROM n UNION SELECT n.top, p.relid::oid FROM n \
         JOIN pg_partitioned_table q ON q.partrelid = n.oid CROSS JOIN LATERAL pg_partition_tree(n.oid::regclass) p), \
     seed(top, owner, att, class, obj) AS (SELECT w.top, NULL::oid, NULL::text, s.class, s.obj FROM w CROSS JOIN LATERAL ( \
         SELECT 'pg_trigger'::regclass::oid AS class, g.oid AS obj FROM pg_trigger g WHERE g.tgrelid = w.oid \
           AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') \
         UNION ALL SELECT 'pg_rewrite'::regclass, g.oid FROM pg_rewrite g WHERE g.ev_class = w.oid \
         UNION ALL SELECT 'pg_constraint'::regclass, g.oid FROM pg_constraint g WHERE g.conrelid = w.oid \
         UNION ALL SELECT 'pg_attrdef'::regclass, g.oid FROM pg_attrdef g WHERE g.adrelid = w.oid \
         UNION ALL SELECT 'pg_class'::regclass, g.indexrelid FROM pg_index g WHERE g.indrelid = w.oid \
         UNION ALL SELECT 'pg_class'::regclass, q.partrelid FROM pg_partitioned_table q WHERE q.partrelid = w.oid \
         UNION ALL SELECT 'pg_type'::regclass, y.oid FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid \
           JOIN pg_type y ON y.oid IN (b.oid, b.typelem, b.typbasetype) AND y.typtype = 'd' \
           WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped) s), ";

/// What of all that is of roles that are not the app.
const OF_OTHERS: &str = " SELECT s.nspname::text, c.relname::text, x.kind, x.name, pg_get_userbyid(x.owner)::text FROM (\
       SELECT w.top, 'table' AS kind, format('%s.%s', v.nspname, t.relname) AS name, t.relowner AS owner FROM w \
         JOIN pg_class t ON t.oid = w.oid JOIN pg_namespace v ON v.oid = t.relnamespace \
       UNION SELECT r.top, 'function', format('%s.%s', v.nspname, p.proname), p.proowner FROM reached r \
         JOIN pg_proc p ON r.class = 'pg_proc'::regclass AND p.oid = r.obj JOIN pg_namespace v ON v.oid = p.pronamespace \
       UNION SELECT r.top, 'operator', format('%s.%s', v.nspname, o.oprname), o.oprowner FROM reached r \
         JOIN pg_operator o ON r.class = 'pg_operator'::regclass AND o.oid = r.obj JOIN pg_namespace v ON v.oid = o.oprnamespace \
       UNION SELECT r.top, 'type', format('%s.%s', v.nspname, y.typname), y.typowner FROM reached r \
         JOIN pg_type y ON r.class = 'pg_type'::regclass AND y.oid = r.obj AND y.typtype = 'd' \
         JOIN pg_namespace v ON v.oid = y.typnamespace) x \
     JOIN pg_class c ON c.oid = x.top JOIN pg_namespace s ON s.oid = c.relnamespace \
     WHERE NOT EXISTS (SELECT FROM app WHERE app.oid = x.owner) ORDER BY 1, 2, 3 DESC, 4";

impl Table {
    /// Whether it is that role's, and nothing of anybody else's runs when its rows are written: [`observe`] finds nothing
    /// of it then.
    pub(in crate::engine::postgres) fn is_plain_of(&self, owner: i64) -> bool {
        self.plain && self.owner == owner
    }
}

/// What of these, as far as no rule names them, is of roles that are not the app: the tables, functions that run
/// when their rows are written, and types that check what is.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    user_table: i64,
    references: &References,
    objects: Vec<ObjectRef>,
) -> Result<Vec<Foreign>, sqlx::Error> {
    let objects: Vec<ObjectRef> = objects.into_iter().filter(|object| !references.name(object)).collect();
    all(connection, user_table, &objects).await
}

/// The same, whatever rules name.
async fn all(
    connection: &mut PgConnection,
    user_table: i64,
    objects: &[ObjectRef],
) -> Result<Vec<Foreign>, sqlx::Error> {
    let objects: BTreeSet<ObjectRef> =
        objects.iter().map(|object| ObjectRef { constraint: None, ..object.clone() }).collect();
    let names: BTreeSet<(&str, &str)> =
        objects.iter().map(|object| (object.schema.as_str(), object.table.as_str())).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("WITH RECURSIVE ");
    app(&mut sql, user_table);
    sql.add(", n AS MATERIALIZED (SELECT c.oid AS top, c.oid FROM ROWS FROM (pg_catalog.unnest(");
    sql.texts(names.iter().map(|(schema, _)| Some((*schema).to_owned())).collect());
    sql.add("), pg_catalog.unnest(");
    sql.texts(names.iter().map(|(_, table)| Some((*table).to_owned())).collect());
    sql.add(
        ")) AS k(s, t) JOIN pg_catalog.pg_namespace s ON s.nspname::pg_catalog.text OPERATOR(pg_catalog.=) k.s \
         JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) s.oid \
         AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) k.t), ",
    );
    sql.add(WRITTEN).add(REACHED).add(OF_OTHERS);
    let mut found = Vec::new();
    for row in sql.every(connection).await? {
        let (schema, table): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let name: String = row.try_get(3)?;
        let thing = match row.try_get::<&str, _>(2)? {
            "table" => ForeignThing::Table(name),
            "type" => ForeignThing::Type(name),
            "operator" => ForeignThing::Operator(name),
            _ => ForeignThing::Function(name),
        };
        let owner: String = row.try_get(4)?;
        for object in
            objects.iter().filter(|one| (one.schema.as_str(), one.table.as_str()) == (schema, table))
        {
            found.push(Foreign { object: object.clone(), thing: thing.clone(), owner: owner.clone() });
        }
    }
    Ok(found)
}

/// Looks again, before the first row of a step is touched: nothing of others has come since the plan was made. Says
/// whether there is anything of others, which a rule names then.
///
/// # Errors
/// Something of others is there and no rule names the table, or the database fails.
pub(in crate::engine::postgres) async fn require(
    connection: &mut PgConnection,
    user_table: i64,
    references: &References,
    objects: Vec<ObjectRef>,
) -> Result<bool, DatabaseError> {
    let found = by_the_catalog(connection, async |connection: &mut PgConnection| {
        all(connection, user_table, &objects).await
    });
    let found = found.await?;
    let objects: Vec<&ObjectRef> = objects.iter().filter(|object| !references.name(object)).collect();
    match unnamed(&found, &objects, None) {
        None => Ok(!found.is_empty()),
        Some(why) => Err(DatabaseError::ForeignOwner(format!("nothing was changed, since {why}"))),
    }
}

/// Whether anything but the server itself and its extensions acts when rows of a table are written: triggers, rules,
/// and functions of constraints, defaults, indexes and domains.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn acts(
    connection: &mut PgConnection,
    table: i64,
) -> Result<bool, sqlx::Error> {
    by_the_catalog(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("WITH RECURSIVE n(top, oid) AS (SELECT t, t FROM (SELECT ");
        sql.integer(table).add("::oid) k(t)), ").add(WRITTEN).add(REACHED).add(
            " SELECT EXISTS (SELECT FROM seed s WHERE s.class IN ('pg_trigger'::regclass, 'pg_rewrite'::regclass)) \
             OR EXISTS (SELECT FROM reached r WHERE r.class = 'pg_proc'::regclass AND NOT EXISTS (SELECT FROM pg_depend d \
               WHERE d.classid = r.class AND d.objid = r.obj AND d.deptype = 'e'))",
        );
        sql.scalar(connection).await
    })
    .await
}
