//! Reads the counters that hint at whether anything moved: two statements, or three where the spec
//! declares references of its own, however many references there are; one or two more where a table is
//! partitioned.
//!
//! No row of the app is read, and no table is opened but partitioned ones, whose parts the catalog
//! lists. Versions of catalog rows (`xmin`) stand for what these say, and for what they say of rights.

use crate::engine::keeping::Keeping;
use crate::{
    api::report::ObjectRef,
    domain::{
        facts::schema::DatabaseIdentity,
        incremental::change_marks::{Reading, ServerMarks, TableMarks},
        target::Target,
    },
    engine::postgres::{
        session::{error::DatabaseError, transaction::prepare},
        sql::Sql,
    },
};

use std::collections::BTreeMap;

use sqlx::{Connection, PgConnection, Row, postgres::PgRow};

use super::scope::declared_object;

/// What is counted of the table `c`: its files, whether all is counted, rows inserted, updated, of these heap-only, and
/// deleted. See [`marks`]. Of a partitioned one nothing: it is asked for all of its leaves by [`COUNTED`], of which there is
/// much to plan, and most have none.
const OF_ONE: &str = "CASE WHEN c.relkind <> 'p' THEN ARRAY[c.relfilenode::int8, (c.relkind = 'r')::int4::int8, \
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), \
       pg_stat_get_tuples_deleted(c.oid)] END";

/// The same of the table `c`, or of all its leaves where it is partitioned.
const COUNTED: &str = "CASE c.relkind WHEN 'p' THEN ( \
       SELECT ARRAY[coalesce(hashtextextended(string_agg(concat(l.oid, ':', l.relfilenode), ' ' ORDER BY l.oid), 0), 0), \
         coalesce(bool_and(l.relkind = 'r'), true)::int4::int8, \
         coalesce(sum(pg_stat_get_tuples_inserted(l.oid)), 0)::int8, \
         coalesce(sum(pg_stat_get_tuples_updated(l.oid)), 0)::int8, \
         coalesce(sum(pg_stat_get_tuples_hot_updated(l.oid)), 0)::int8, \
         coalesce(sum(pg_stat_get_tuples_deleted(l.oid)), 0)::int8] \
       FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) \
     ELSE ARRAY[c.relfilenode::int8, (c.relkind = 'r')::int4::int8, pg_stat_get_tuples_inserted(c.oid), \
       pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)] \
     END";

/// All of the counters, in a transaction of its own: the snapshot of a look must begin after it.
///
/// `None` where there is no such user table.
///
/// # Errors
/// The database fails.
pub async fn read_counters(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<Option<Reading>, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let reading = match server_and_users(connection, target).await? {
        Some((mut reading, oid)) => {
            reading.references = hard(connection, oid).await?;
            for (place, mut marks) in soft(connection, target).await? {
                if let Some(part) = reading.references.get(&place) {
                    marks.catalog.push_str(&format!(" {}", part.catalog));
                }
                reading.references.insert(place, marks);
            }
            Some(reading)
        }
        None => None,
    };
    transaction.rollback().await?;
    Ok(reading)
}

/// The server and the user table, whose object id comes along. What sequences there are belongs to it, too: a default
/// may draw from one by its name alone.
async fn server_and_users(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<Option<(Reading, i64)>, sqlx::Error> {
    let mut row = counted_users(connection, target, OF_ONE).await?;
    if let Some(one) = &row
        && is_partitioned(one, 10)?
    {
        row = counted_users(connection, target, COUNTED).await?;
    }
    let Some(row) = row else { return Ok(None) };
    let server = ServerMarks {
        identity: DatabaseIdentity { system: row.try_get(0)?, database: row.try_get(1)? },
        started: row.try_get(2)?,
        reset: row.try_get(3)?,
        standby: row.try_get(4)?,
        counting: row.try_get(5)?,
        role: row.try_get(6)?,
    };
    let (mut users, heap_only) = marks(&row, 8, 10)?;
    let users_written = users.inserted + users.updated + users.deleted;
    let indexes: Vec<String> = row.try_get(9)?;
    users.catalog.extend(indexes.first().map(|files| format!(" {files}")));
    // An update that changes an indexed column is never a heap-only one, so that those cannot have
    // changed a key: people who sign in do not make every reference suspect. What others reference has
    // an index; the id that only a rule references may have none.
    if indexes.get(1).is_some_and(|keyed| keyed == "true") {
        users.updated -= heap_only;
    }
    let reading = Reading { server, users, users_written, references: BTreeMap::new() };
    Ok(Some((reading, row.try_get(7)?)))
}

/// Whether nothing was counted, since that takes the leaves.
fn is_partitioned(row: &PgRow, counted: usize) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<Option<Vec<i64>>, _>(counted)?.is_none())
}

/// Asks for the server and the user table, in one statement.
async fn counted_users(
    connection: &mut PgConnection,
    target: &Target,
    counted: &'static str,
) -> Result<Option<PgRow>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()), d.oid::int8, \
         pg_postmaster_start_time()::text, \
         concat_ws(' ', pg_stat_get_db_stat_reset_time(d.oid), '/', pg_stat_get_bgwriter_stat_reset_time()), \
         pg_is_in_recovery(), \
         current_setting('track_counts')::bool AND NOT EXISTS (SELECT FROM pg_db_role_setting s \
           CROSS JOIN unnest(s.setconfig) v WHERE s.setdatabase IN (0, d.oid) AND lower(v) LIKE 'track\\_counts=%'), \
         concat_ws(' ', r.oid, r.rolsuper, r.rolinherit, r.rolbypassrls, \
           (WITH RECURSIVE mine(oid) AS (SELECT r.oid UNION SELECT m.roleid FROM pg_auth_members m \
              JOIN mine ON m.member = mine.oid) \
            SELECT string_agg(concat(m.roleid, ':', m.xmin), ' ' ORDER BY m.roleid, m.xmin::text) \
            FROM pg_auth_members m JOIN mine ON m.member = mine.oid)), \
         c.oid::int8, \
         concat_ws(' ', c.oid, c.xmin, n.xmin, \
           (SELECT hashtextextended(string_agg(concat(a.attnum, ':', a.xmin), ' ' ORDER BY a.attnum), 0) \
            FROM pg_attribute a WHERE a.attrelid = c.oid), \
           (SELECT hashtextextended(string_agg(concat(q.seqrelid, ':', q.xmin, ':', x.xmin), ' ' ORDER BY q.seqrelid), 0) \
            FROM pg_sequence q JOIN pg_class x ON x.oid = q.seqrelid WHERE x.relpersistence <> 't')), \
         (SELECT ARRAY[coalesce(string_agg(concat(x.oid, ':', x.relfilenode, ':', i.xmin), ' ' ORDER BY x.oid), ''), \
            coalesce(bool_or(i.indisvalid AND i.indpred IS NULL AND a.attnum = ANY (i.indkey)), false)::text] \
          FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
          LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname::text = ",
    );
    sql.text(&target.users.id_column).add(" WHERE i.indrelid = c.oid AND i.indisunique), ").add(counted);
    sql.add(
        " FROM pg_database d CROSS JOIN pg_roles r CROSS JOIN pg_namespace n \
         JOIN pg_class c ON c.relnamespace = n.oid \
         WHERE d.datname = current_database() AND r.rolname = current_user AND ",
    );
    named(&mut sql, &target.users.schema, &target.users.table);
    sql.optional(connection).await
}

/// Adds the condition that the table `c` in the schema `n` has this exact name; by the index, which
/// knows only names that are cut to 63 bytes.
fn named(sql: &mut Sql, schema: &str, table: &str) {
    sql.add("n.nspname = ").text(schema).add("::name AND n.nspname::text = ").text(schema);
    sql.add(" AND c.relname = ").text(table).add("::name AND c.relname::text = ").text(table);
}

/// The marks of a table from two columns, and how many of its updates were heap-only.
fn marks(row: &PgRow, catalog: usize, counted: usize) -> Result<(TableMarks, i64), sqlx::Error> {
    let counted: Vec<i64> = row.try_get(counted)?;
    let count = |at: usize| counted.get(at).copied().unwrap_or(0);
    let marks = TableMarks {
        catalog: row.try_get(catalog)?,
        storage: count(0),
        countable: count(1) == 1,
        inserted: count(2),
        updated: count(3),
        deleted: count(5),
    };
    Ok((marks, count(4)))
}

/// Every foreign key to the user table, those of partitions counted once.
async fn hard(
    connection: &mut PgConnection,
    users: i64,
) -> Result<BTreeMap<ObjectRef, TableMarks>, sqlx::Error> {
    let mut found = BTreeMap::new();
    // What a partition has for itself is the whole table's, whose marks it changes too.
    let mut parts: BTreeMap<ObjectRef, TableMarks> = BTreeMap::new();
    let mut twins: BTreeMap<ObjectRef, Vec<String>> = BTreeMap::new();
    let (mut last, kept, mut counted) = (0, Keeping::default(), OF_ONE);
    loop {
        let mut rows = page(connection, users, last, counted).await?;
        for row in &rows {
            if counted == OF_ONE && is_partitioned(row, 4)? {
                counted = COUNTED;
                rows = page(connection, users, last, counted).await?;
                break;
            }
        }
        for row in &rows {
            last = row.try_get(7)?;
            let table = ObjectRef { schema: row.try_get(0)?, table: row.try_get(1)?, ..ObjectRef::default() };
            let marks = marks(row, 3, 4)?.0;
            let place = ObjectRef { columns: row.try_get(6)?, ..table.clone() };
            kept.more(1_024 + marks.catalog.len())?;
            if row.try_get(5)? {
                match parts.get_mut(&place) {
                    Some(there) => there.catalog.push_str(&format!(" {}", marks.catalog)),
                    None => {
                        parts.insert(place, marks);
                    }
                }
            } else {
                let name: String = row.try_get(2)?;
                // Nearly all are alone.
                twins.entry(place).or_insert_with(|| Vec::with_capacity(1)).push(name.clone());
                found.insert(ObjectRef { constraint: Some(name), ..table }, marks);
            }
        }
        if rows.len() < PAGE {
            break;
        }
    }
    // Keys of the same columns are one reference, which the first of them stands for.
    for (place, names) in twins.into_iter().filter(|(_, names)| names.len() > 1) {
        let key = |name: String| ObjectRef { columns: Vec::new(), constraint: Some(name), ..place.clone() };
        let keys: Vec<ObjectRef> = names.into_iter().map(key).collect();
        let marks = keys.iter().filter_map(|key| found.get(key)).map(|marks| marks.catalog.clone());
        let all = marks.collect::<Vec<_>>().join(" ");
        for key in &keys {
            if let Some(marks) = found.get_mut(key) {
                marks.catalog.clone_from(&all);
            }
        }
    }
    for (place, part) in &parts {
        let of_table = |one: &ObjectRef| (&one.schema, &one.table) == (&place.schema, &place.table);
        for (_, marks) in found.iter_mut().filter(|(one, _)| of_table(one)) {
            marks.catalog.push_str(&format!(" {}", part.catalog));
        }
    }
    found.extend(parts);
    Ok(found)
}

/// Foreign keys that one statement asks for.
const PAGE: usize = 1_000;

/// The next of them, by object id.
async fn page(
    connection: &mut PgConnection,
    users: i64,
    after: i64,
    counted: &'static str,
) -> Result<Vec<PgRow>, sqlx::Error> {
    // Keys that have keys below them are looked up in one list: the planner would take the table as a whole for each key,
    // since nearly all have the same parent, which is none.
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text, con.conname::text, \
         concat_ws(' ', con.oid, con.xmin, c.oid, c.xmin, n.xmin, \
           CASE WHEN con.oid IN (SELECT part.conparentid FROM pg_constraint part WHERE part.conparentid <> 0) \
           THEN (WITH RECURSIVE tree(oid) AS (SELECT con.oid UNION ALL \
                   SELECT part.oid FROM tree JOIN pg_constraint part ON part.conparentid = tree.oid) \
                 SELECT string_agg(concat(t.oid, t.tgenabled), ' ' ORDER BY t.oid) FROM tree \
                 JOIN pg_trigger t ON t.tgconstraint = tree.oid WHERE t.tgenabled NOT IN ('O', 'A')) \
           ELSE (SELECT string_agg(concat(t.oid, t.tgenabled), ' ' ORDER BY t.oid) FROM pg_trigger t \
                 WHERE t.tgconstraint = con.oid AND t.tgenabled NOT IN ('O', 'A')) END, \
           CASE cardinality(con.conkey) \
           WHEN 1 THEN (SELECT a.xmin::text FROM pg_attribute a WHERE a.attrelid = o.oid AND a.attnum = con.conkey[1]) \
           ELSE (SELECT string_agg(a.xmin::text, ' ' ORDER BY a.attnum) FROM pg_attribute a \
                 WHERE a.attrelid = o.oid AND a.attnum = ANY (con.conkey)) END), ",
    );
    sql.add(counted).add(
        ", o.relispartition, ARRAY(SELECT a.attname::text FROM unnest(con.conkey) WITH ORDINALITY k(n, i) \
           JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.n ORDER BY k.i), con.oid::int8 \
         FROM pg_constraint con JOIN pg_class o ON o.oid = con.conrelid \
         JOIN pg_class c ON c.oid = CASE WHEN o.relispartition THEN pg_partition_root(o.oid)::oid ELSE o.oid END \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confrelid = ",
    );
    sql.integer(users).add("::oid AND con.oid > ").integer(after).add("::oid ORDER BY con.oid LIMIT ");
    sql.integer(PAGE as i64);
    sql.all(connection).await
}

/// The tables of references that only the spec declares; what is not there has no marks.
async fn soft(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<Vec<(ObjectRef, TableMarks)>, sqlx::Error> {
    let rules = target.references.rules.iter().filter(|rule| rule.rule.declared && !rule.rule.ignore);
    let places: Vec<ObjectRef> = rules.map(declared_object).collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT k.at, concat_ws(' ', c.oid, c.xmin, n.xmin, \
           (SELECT hashtextextended(string_agg(concat(a.attnum, ':', a.xmin), ' ' ORDER BY a.attnum), 0) \
            FROM pg_attribute a WHERE a.attrelid = c.oid)), ",
    );
    sql.add(COUNTED).add(" FROM unnest(");
    sql.texts(places.iter().map(|place| Some(place.schema.clone())).collect()).add(", ");
    sql.texts(places.iter().map(|place| Some(place.table.clone())).collect()).add(
        ") WITH ORDINALITY AS k(schema, name, at) \
         JOIN pg_namespace n ON n.nspname = k.schema::name AND n.nspname::text = k.schema \
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.name::name AND c.relname::text = k.name",
    );
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let at: i64 = row.try_get(0)?;
        let place = usize::try_from(at - 1).ok().and_then(|at| places.get(at));
        if let Some(place) = place {
            found.push((place.clone(), marks(&row, 1, 2)?.0));
        }
    }
    Ok(found)
}
