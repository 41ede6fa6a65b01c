//! Constraints that refuse rows as a repair would make them: found out when it is planned, not when it runs.
//!
//! Each is asked with the very rows. What would run somebody's code for that is not asked; then the database says so
//! when the repair runs, and takes it back.

use crate::{
    domain::facts::references::{Barrier, InTheWay},
    engine::postgres::{
        catalog::{Column, Table, bounds, condition::equals, reference::ReferenceTable},
        rowset::unique_keys,
        sql::{Expression, Name, Operator, Sql},
    },
};

use sqlx::{PgConnection, Row};

/// Rows that are held against each other at most.
const MOST_ROWS: i64 = 5_000;

/// Adds SQL about the row `c`.
type Adds<'a> = &'a (dyn Fn(&mut Sql) + Send + Sync);

/// Rows of a table, and what they become.
pub(in crate::engine::postgres) struct Change<'a> {
    /// The table.
    pub(in crate::engine::postgres) table: &'a Table,
    /// Adds ` FROM` the rows `c` that change, after which ` AND` may follow.
    pub(in crate::engine::postgres) rows: Adds<'a>,
    /// What they get.
    pub(in crate::engine::postgres) written: &'a [(&'a Column, Value<'a>)],
    /// Adds the condition that the row `c` stays as it is, and names one of those whom they name afterwards.
    pub(in crate::engine::postgres) beside: Adds<'a>,
}

/// What a column gets.
#[derive(Clone, Copy)]
pub(in crate::engine::postgres) enum Value<'a> {
    /// NULL.
    Null,
    /// This.
    Text(&'a str),
    /// The new id of the pair `m` that is joined to the row.
    Mapped,
    /// This, where the row meets a condition; else it stays as it is.
    Where(Adds<'a>, &'a str),
}

/// What refuses orphans that name nobody afterwards.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of_null(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    server_version: i64,
) -> Result<Option<InTheWay>, sqlx::Error> {
    let cleared = reference.cleared();
    let written: Vec<_> = cleared.iter().map(|column| (*column, Value::Null)).collect();
    let rows = |sql: &mut Sql| orphans(sql, reference);
    // Nobody is named afterwards.
    let beside = |sql: &mut Sql| {
        sql.add("false");
    };
    let change = Change { table: &reference.child, rows: &rows, written: &written, beside: &beside };
    if let Some(found) = check(connection, &change, 1).await? {
        return Ok(Some(found));
    }
    let keys = unique_keys::unique_keys(connection, reference, server_version).await?;
    if unique_keys::unseen(reference, &keys).is_some() || cleared.len() < reference.columns.len() {
        return Ok(None);
    }
    for key in keys.iter().filter(|key| key.nulls_equal) {
        let Some(others) = &key.others else { continue };
        let others: Vec<&Column> = others.iter().filter_map(|name| reference.child.column(name)).collect();
        let mut sql = Sql::new("SELECT coalesce(sum(g.moved), 0)::int8 FROM (SELECT count(*) AS n, ");
        sql.add("count(*) FILTER (WHERE x.orphan) AS moved FROM (SELECT ");
        for other in &others {
            sql.column("c", &other.name).add(", ");
        }
        reference.orphaned(&mut sql);
        sql.add(" AS orphan FROM ").only(&reference.child.relation).add(" c WHERE (");
        reference.orphaned(&mut sql);
        sql.add(") OR (true");
        for column in &cleared {
            sql.add(" AND ").column("c", &column.name).add(" IS NULL");
        }
        sql.add(")) x");
        for (at, other) in others.iter().enumerate() {
            sql.add(if at > 0 { ", " } else { " GROUP BY " }).column("x", &other.name);
        }
        sql.add(") g WHERE g.n > 1 AND g.moved > 0");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            return Ok(Some(InTheWay { name: key.name.clone(), kind: Barrier::NullsNotDistinct, rows }));
        }
    }
    Ok(None)
}

/// What refuses orphans that name a user with these values afterwards. CHECKs on one of the columns alone are told
/// by whether they take the value at all.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of_given(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    values: &[String],
) -> Result<Option<InTheWay>, sqlx::Error> {
    let written = reference.columns.iter().zip(values);
    let written: Vec<_> = written.map(|(column, value)| (column, Value::Text(value))).collect();
    let rows = |sql: &mut Sql| orphans(sql, reference);
    let beside = |sql: &mut Sql| {
        sql.add("true");
        for (column, value) in reference.columns.iter().zip(values) {
            sql.add(" AND ");
            equals(sql, "c", column, value);
        }
    };
    of_change(
        connection,
        &Change { table: &reference.child, rows: &rows, written: &written, beside: &beside },
    )
    .await
}

/// What refuses some rows as they would be. CHECKs on one of the columns alone are told by whether they take the value
/// at all.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of_change(
    connection: &mut PgConnection,
    change: &Change<'_>,
) -> Result<Option<InTheWay>, sqlx::Error> {
    if let Some(found) = check(connection, change, 2).await? {
        return Ok(Some(found));
    }
    exclusion(connection, change).await
}

/// Adds the rows of a reference that name nobody.
fn orphans(sql: &mut Sql, reference: &ReferenceTable) {
    sql.add(" FROM ").only(&reference.child.relation).add(" c WHERE (");
    reference.orphaned(sql);
    sql.add(")");
}

/// The first CHECK on at least so many columns that refuses some of the rows.
async fn check(
    connection: &mut PgConnection,
    change: &Change<'_>,
    least: usize,
) -> Result<Option<InTheWay>, sqlx::Error> {
    let mut tried: Vec<String> = Vec::new();
    for (column, _) in change.written {
        for check in bounds::checks_with(connection, change.table.oid, &column.name).await? {
            let Some(condition) = &check.condition else { continue };
            if check.columns.len() < least || tried.contains(&check.name) {
                continue;
            }
            tried.push(check.name.clone());
            let Some(columns) = readable(change.table, &check.columns) else { continue };
            let mut sql = Sql::new("SELECT count(*)");
            (change.rows)(&mut sql);
            // What it names is found in the innermost query.
            sql.add(" AND NOT (SELECT coalesce(").expression(condition).add(", true) FROM (SELECT ");
            image(&mut sql, &columns, change.written);
            sql.add(") t)");
            let rows: i64 = sql.scalar(connection).await?;
            if rows > 0 {
                return Ok(Some(InTheWay { name: check.name, kind: Barrier::Check, rows }));
            }
        }
    }
    Ok(None)
}

/// The columns of these names, where reading them runs nobody's code.
fn readable<'t>(table: &'t Table, names: &[String]) -> Option<Vec<&'t Column>> {
    let columns: Vec<&Column> = names.iter().map(|name| table.column(name)).collect::<Option<_>>()?;
    table.refused(columns.iter().copied(), []).is_none().then_some(columns)
}

/// Adds columns of the row `c` as they are once it has changed.
fn image(sql: &mut Sql, columns: &[&Column], written: &[(&Column, Value<'_>)]) {
    for (at, column) in columns.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" });
        match written.iter().find(|(one, _)| one.name == column.name).map(|(_, value)| *value) {
            None => {
                sql.column("c", &column.name);
            }
            Some(Value::Null) => {
                sql.add("CAST(NULL AS ").type_name(&column.declared_type).add(")");
            }
            Some(Value::Text(value)) => text(sql, column, value),
            Some(Value::Mapped) => {
                sql.add("CAST(m.new_id AS ").type_name(&column.declared_type).add(")");
            }
            Some(Value::Where(condition, value)) => {
                sql.add("CASE WHEN ");
                condition(sql);
                sql.add(" THEN ");
                text(sql, column, value);
                sql.add(" ELSE ").column("c", &column.name).add(" END");
            }
        }
        sql.add(" AS ").name(&column.name);
    }
}

fn text(sql: &mut Sql, column: &Column, value: &str) {
    sql.add("CAST(").text(value).add(" AS ").type_name(&column.declared_type).add(")");
}

/// An EXCLUDE constraint.
struct Exclusion {
    name: String,
    columns: Vec<String>,
    /// What is compared, and by what.
    elements: Vec<(Expression, Operator)>,
}

/// The EXCLUDE constraints of a table that are about some columns, as far as nothing of them runs somebody's code and
/// no condition says for which rows they hold.
async fn exclusions(connection: &mut PgConnection, table: &Table) -> Result<Vec<Exclusion>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT con.conname::text, \
         ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = con.conrelid AND a.attnum > 0 \
           AND (a.attnum = ANY (con.conkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
             AND d.objid = con.conindid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = con.conrelid \
             AND d.refobjsubid = a.attnum))), \
         ARRAY(SELECT pg_get_indexdef(con.conindid, k.at::int, true) FROM generate_subscripts(con.conexclop, 1) k(at) ORDER BY k.at), \
         ARRAY(SELECT n.nspname::text FROM unnest(con.conexclop) WITH ORDINALITY k(op, at) JOIN pg_operator o ON o.oid = k.op \
           JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY k.at), \
         ARRAY(SELECT o.oprname::text FROM unnest(con.conexclop) WITH ORDINALITY k(op, at) JOIN pg_operator o ON o.oid = k.op ORDER BY k.at) \
         FROM pg_constraint con JOIN pg_index i ON i.indexrelid = con.conindid \
         WHERE con.contype = 'x' AND NOT con.condeferrable AND i.indpred IS NULL \
         AND NOT EXISTS (SELECT FROM unnest(con.conexclop) op WHERE op >= 16384) \
         AND NOT EXISTS (SELECT FROM regexp_matches(i.indexprs::text, ':(funcid|opno|consttype|resulttype|vartype|funcresulttype) ([0-9]+)', 'g') AS n(m) \
           WHERE n.m[2]::int8 >= 16384) \
         AND con.conrelid = ",
    );
    sql.integer(table.oid).add("::oid ORDER BY con.conname");
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let (texts, schemas, symbols): (Vec<String>, Vec<String>, Vec<String>) =
            (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        let operators = schemas.into_iter().zip(symbols);
        let elements: Option<Vec<_>> = texts
            .into_iter()
            .zip(operators)
            .map(|(text, (schema, symbol))| {
                Some((Expression::from_catalog(text), Operator::from_catalog(schema, symbol)?))
            })
            .collect();
        let Some(elements) = elements else { continue };
        found.push(Exclusion { name: row.try_get(0)?, columns: row.try_get(1)?, elements });
    }
    Ok(found)
}

/// The first EXCLUDE constraint that keeps some of the rows from standing beside those that stay, or beside each other.
async fn exclusion(
    connection: &mut PgConnection,
    change: &Change<'_>,
) -> Result<Option<InTheWay>, sqlx::Error> {
    for one in exclusions(connection, change.table).await? {
        let about = |column: &Column| one.columns.iter().any(|name| column.name.as_str() == name);
        if !change.written.iter().any(|(column, _)| about(column)) {
            continue;
        }
        let Some(columns) = readable(change.table, &one.columns) else { continue };
        let elements = |sql: &mut Sql, changes: bool, written: &[(&Column, Value<'_>)]| {
            sql.add("SELECT c.tableoid AS part, c.ctid AS place, ");
            sql.add(if changes { "true AS changes" } else { "false AS changes" });
            for (at, (expression, _)) in one.elements.iter().enumerate() {
                sql.add(", (SELECT ").expression(expression).add(" FROM (SELECT ");
                image(sql, &columns, written);
                sql.add(") t) AS ").name(&element(at));
            }
        };
        // Those that stand beside each other afterwards.
        let mut sql = Sql::new("WITH x AS MATERIALIZED (SELECT * FROM (");
        elements(&mut sql, true, change.written);
        (change.rows)(&mut sql);
        sql.add(" UNION ALL ");
        elements(&mut sql, false, &[]);
        sql.add(" FROM ").only(&change.table.relation).add(" c WHERE ");
        (change.beside)(&mut sql);
        sql.add(") u LIMIT ").integer(MOST_ROWS + 1);
        sql.add(") SELECT CASE WHEN (SELECT count(*) FROM x) > ").integer(MOST_ROWS);
        sql.add(" THEN 0 ELSE (SELECT count(*) FROM x a WHERE a.changes AND EXISTS (SELECT FROM x b WHERE (a.part, a.place) <> (b.part, b.place)");
        for (at, (_, operator)) in one.elements.iter().enumerate() {
            let name = element(at);
            sql.add(" AND ").columns_compared(operator, ("a", &name), ("b", &name));
        }
        sql.add(")) END");
        let rows: i64 = sql.scalar(connection).await?;
        if rows > 0 {
            return Ok(Some(InTheWay { name: one.name, kind: Barrier::Exclusion, rows }));
        }
    }
    Ok(None)
}

/// What an element of an EXCLUDE constraint is called while it is compared.
fn element(at: usize) -> Name {
    Name::from_catalog(format!("e{at}"))
}
