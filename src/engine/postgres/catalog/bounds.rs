//! Where ids begin and end: by the column's type, a domain, its CHECK constraints, and the sequence.
//!
//! A condition of the table is evaluated where the catalog shows that nothing but immutable functions of
//! PostgreSQL itself would run: others are somebody's code, and not known. What compares the column with
//! constants, and does nothing else, is a bound: between two of its numbers it says one thing.

use crate::{
    domain::facts::{Takes, key_kind::KeyKind},
    engine::postgres::{
        catalog::{self, Column, Table},
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Expression, Name, Sql},
    },
};

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

/// Checks of a column that are read: whoever owns a table may give it any number of any length, and each has at most
/// 32 KiB here.
const MOST_CHECKS: i64 = 200;

/// Numbers of a column's checks that are tried at most.
const MOST_NUMBERS: usize = 1_000;

/// A CHECK constraint of a table.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct Check {
    /// Its name.
    pub(in crate::engine::postgres) name: String,
    /// The columns that it is about.
    pub(in crate::engine::postgres) columns: Vec<String>,
    /// Its condition; `None` where evaluating it would run somebody's code.
    pub(in crate::engine::postgres) condition: Option<Expression>,
    /// Whether it is a bound.
    bound: bool,
}

/// The CHECK constraints on a column alone that its new values are held against, validated or not.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn checks(
    connection: &mut PgConnection,
    table: i64,
    column: &Name,
) -> Result<Vec<Check>, sqlx::Error> {
    let mut checks = checks_with(connection, table, column).await?;
    checks.retain(|check| check.columns.len() == 1);
    Ok(checks)
}

/// The same of those on other columns, too. What a type of somebody's own compares is not known.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn checks_with(
    connection: &mut PgConnection,
    table: i64,
    column: &Name,
) -> Result<Vec<Check>, sqlx::Error> {
    // The nodes of the stored expression, as versions 13 to 18 call them; what is not listed is not known.
    // Types are those that a text is read as without anybody's code: bool, the integers, text, bpchar,
    // varchar, numeric, uuid, and arrays of some. PostgreSQL 18 brought conenforced.
    let mut sql = Sql::new(
        "SELECT k.name, CASE WHEN octet_length(k.condition) <= 32768 THEN k.condition END, k.known, k.known AND k.bound, \
         k.columns FROM (SELECT con.conname::text AS name, \
         ARRAY(SELECT o.attname::text FROM pg_attribute o WHERE o.attrelid = con.conrelid AND o.attnum = ANY (con.conkey)) AS columns, \
         CASE WHEN con.tree IS NOT NULL THEN pg_get_expr(con.conbin, con.conrelid) END AS condition, \
         con.tree IS NOT NULL AND NOT EXISTS (SELECT FROM regexp_matches(con.tree, '[{]([A-Z_]+)', 'g') AS n(m) WHERE n.m[1] <> ALL (ARRAY[ \
           'VAR', 'CONST', 'OPEXPR', 'BOOLEXPR', 'SCALARARRAYOPEXPR', 'ARRAY', 'ARRAYEXPR', 'NULLTEST', 'BOOLEANTEST', \
           'DISTINCTEXPR', 'CASE', 'CASEEXPR', 'WHEN', 'CASEWHEN', 'COALESCE', 'COALESCEEXPR', 'RELABELTYPE', \
           'FUNCEXPR', 'COERCEVIAIO', 'ARRAYCOERCEEXPR', 'CASETESTEXPR'])) \
         AND NOT EXISTS (SELECT FROM regexp_matches(con.tree, ':(funcid|opno|consttype|resulttype) ([0-9]+)', 'g') AS n(m) \
           WHERE CASE n.m[1] \
             WHEN 'funcid' THEN NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = n.m[2]::oid AND p.oid < 16384 \
               AND p.provolatile = 'i') \
             WHEN 'opno' THEN NOT EXISTS (SELECT FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode \
               WHERE o.oid = n.m[2]::oid AND o.oid < 16384 AND p.oid < 16384 AND p.provolatile = 'i') \
             ELSE n.m[2] <> ALL (ARRAY['16', '20', '21', '23', '25', '1042', '1043', '1700', '2950', '1005', '1007', \
               '1009', '1015', '1016', '1231', '2951']) END) \
         AND (cardinality(con.conkey) = 1 OR NOT EXISTS (SELECT FROM regexp_matches(con.tree, ':vartype ([0-9]+)', 'g') AS n(m) \
           WHERE n.m[1]::int8 >= 16384)) AS known, \
         NOT EXISTS (SELECT FROM regexp_matches(con.tree, '[{]([A-Z_]+)', 'g') AS n(m) WHERE n.m[1] <> ALL (ARRAY[ \
           'VAR', 'CONST', 'OPEXPR', 'BOOLEXPR', 'SCALARARRAYOPEXPR', 'ARRAY', 'ARRAYEXPR', 'NULLTEST', 'BOOLEANTEST', \
           'DISTINCTEXPR', 'RELABELTYPE'])) \
         AND NOT EXISTS (SELECT FROM regexp_matches(con.tree, ':opno ([0-9]+)', 'g') AS n(m) \
           WHERE NOT EXISTS (SELECT FROM pg_operator o WHERE o.oid = n.m[1]::oid \
             AND o.oprname IN ('<', '<=', '=', '<>', '>=', '>') \
             AND o.oprleft IN (20, 21, 23) AND o.oprright IN (20, 21, 23))) AS bound \
         FROM (SELECT c.*, CASE WHEN octet_length(c.conbin::text) <= 1048576 THEN c.conbin::text END AS tree, \
             coalesce((to_jsonb(c) ->> 'conenforced')::bool, true) AS enforced FROM pg_constraint c \
           WHERE c.contype = 'c' AND c.conrelid = ",
    );
    sql.integer(table).add(
        "::oid) con JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey) \
         WHERE con.enforced AND a.attname::text = ",
    );
    // Those on the column alone come first, so that none of them is left out for another one.
    sql.text(column.as_str()).add(" ORDER BY cardinality(con.conkey) > 1, 1 LIMIT ").integer(MOST_CHECKS + 1);
    sql.add(") k ORDER BY cardinality(k.columns) > 1, k.name");
    let mut checks = Vec::new();
    let rows = sql.all(connection).await?;
    for (at, row) in (1..).zip(&rows) {
        let condition: Option<String> = row.try_get(1)?;
        let known: bool = row.try_get(2)?;
        checks.push(Check {
            name: row.try_get(0)?,
            columns: row.try_get(4)?,
            // That there are more than are read is one that is not known.
            condition: condition.filter(|_| known && at <= MOST_CHECKS).map(Expression::from_catalog),
            bound: row.try_get(3)?,
        });
    }
    Ok(checks)
}

/// Adds whether a condition takes what stands in `v.value`, as the column would hold it.
pub(in crate::engine::postgres) fn holds(sql: &mut Sql, column: &Column, condition: &Expression) {
    sql.add("(SELECT coalesce(").expression(condition).add(", true) FROM (SELECT CAST(v.value AS ");
    sql.type_name(&column.declared_type).add(") AS ").name(&column.name).add(") t)");
}

/// Which integers a column's checks take, each of them and all together.
///
/// # Errors
/// The database fails as a whole.
pub(in crate::engine::postgres) async fn takes(
    connection: &mut PgConnection,
    id: &Column,
    checks: &[Check],
) -> Result<Takes, DatabaseError> {
    let mut takes = Takes::default();
    let (Some(first), Some(last)) = (id.first(), id.last()) else {
        takes.unknown = checks.iter().map(|check| check.name.clone()).collect();
        return Ok(takes);
    };
    for check in checks {
        let taken = match check.condition.as_ref().filter(|_| check.bound) {
            Some(condition) => ranges(connection, condition, id, (first, last)).await?,
            None => None,
        };
        match taken {
            Some(ranges) => {
                takes.ranges = both(&takes.ranges, &ranges);
                takes.checks.push(check.name.clone());
            }
            None => takes.unknown.push(check.name.clone()),
        }
    }
    Ok(takes)
}

/// Which integers a bound takes; `None` where that is not known. What lies beyond the type is taken where its
/// last number is.
async fn ranges(
    connection: &mut PgConnection,
    condition: &Expression,
    id: &Column,
    (first, last): (i64, i64),
) -> Result<Option<Vec<(i64, i64)>>, DatabaseError> {
    let numbers = numbers(condition.as_str());
    if numbers.len() > MOST_NUMBERS {
        return Ok(None);
    }
    // From each of these up to the next one it says one thing.
    let begin: BTreeSet<i64> = numbers
        .into_iter()
        .flat_map(|number| [Some(number), number.checked_add(1)])
        .flatten()
        .filter(|number| (first..=last).contains(number))
        .chain([first])
        .collect();
    let begin: Vec<i64> = begin.into_iter().collect();
    let tried = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT (SELECT coalesce(");
        sql.expression(condition).add(", true) FROM (SELECT CAST(v.value AS ");
        sql.add(match id.base_name.as_str() {
            "int2" => "pg_catalog.int2",
            "int4" => "pg_catalog.int4",
            _ => "pg_catalog.int8",
        });
        sql.add(") AS ").name(&id.name).add(") t) FROM pg_catalog.unnest(").integers(begin.clone());
        sql.add(") WITH ORDINALITY AS v(value, at) ORDER BY v.at");
        sql.all(connection).await?.iter().map(|row| row.try_get::<bool, _>(0)).collect()
    });
    let taken: Result<Vec<bool>, String> = tried.await?;
    Ok(taken.ok().map(|taken| merged(&begin, &taken)))
}

/// The numbers that a condition names, as PostgreSQL writes integers.
fn numbers(condition: &str) -> BTreeSet<i64> {
    let mut numbers = BTreeSet::new();
    let mut rest = condition;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let from = if rest[..at].ends_with('-') { at - 1 } else { at };
        let end = rest[at..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| at + length);
        numbers.extend(rest[from..end].parse::<i64>());
        rest = &rest[end..];
    }
    numbers
}

/// Stretches that are taken, where each goes from its own beginning up to the next one's.
fn merged(begin: &[i64], taken: &[bool]) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for (at, from) in begin.iter().enumerate() {
        if !taken.get(at).copied().unwrap_or(false) {
            continue;
        }
        let from = if at == 0 { i64::MIN } else { *from };
        let to = begin.get(at + 1).map_or(i64::MAX, |next| next - 1);
        match ranges.last_mut() {
            Some(before) if from > i64::MIN && before.1 == from - 1 => before.1 = to,
            _ => ranges.push((from, to)),
        }
    }
    ranges
}

/// What two lists of ranges have in common.
fn both(a: &[(i64, i64)], b: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let pairs = a.iter().flat_map(|one| b.iter().map(move |other| (one.0.max(other.0), one.1.min(other.1))));
    pairs.filter(|(from, to)| from <= to).collect()
}

/// The first and the last id that there can be: the ends of the column's type, of its checks, or of a sequence
/// that ends before. A domain may forbid them; then the farthest that it takes, as far as its conditions are a
/// bound.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn ends(
    connection: &mut PgConnection,
    id: &Column,
    sequence: Option<&catalog::Sequence>,
    takes: &Takes,
) -> Result<(i64, i64), DatabaseError> {
    let (Some(mut first), Some(mut last)) = (id.first(), id.last()) else { return Ok((i64::MIN, i64::MAX)) };
    let descends = sequence.is_some_and(|one| one.increment < 0);
    match sequence {
        Some(one) if descends => first = domain(connection, id, one.minimum.max(first), -1).await?,
        Some(one) => last = domain(connection, id, one.maximum.min(last), 1).await?,
        None => last = domain(connection, id, last, 1).await?,
    }
    Ok((takes.first().map_or(first, |end| end.max(first)), takes.last().map_or(last, |end| end.min(last))))
}

/// Where ids end by the column alone, in the direction in which a sequence counts.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn column_end(
    connection: &mut PgConnection,
    id: &Column,
    descends: bool,
    takes: &Takes,
) -> Result<i64, DatabaseError> {
    Ok(match (descends, id.first(), id.last()) {
        (true, Some(first), _) => {
            let end = domain(connection, id, first, -1).await?;
            takes.first().map_or(end, |taken| taken.max(end))
        }
        (false, _, Some(last)) => {
            let end = domain(connection, id, last, 1).await?;
            takes.last().map_or(end, |taken| taken.min(end))
        }
        (true, None, _) => i64::MIN,
        (false, _, None) => i64::MAX,
    })
}

/// How far from 0 a domain takes ids, up to an end, in the direction of the end.
async fn domain(
    connection: &mut PgConnection,
    id: &Column,
    end: i64,
    sign: i64,
) -> Result<i64, DatabaseError> {
    let plain = matches!(id.type_name.as_str(), "smallint" | "integer" | "bigint");
    if plain || is_taken(connection, id, end).await? || end.signum() != sign {
        return Ok(end);
    }
    let (mut taken, mut refused) = (0, end.saturating_abs());
    if !is_taken(connection, id, taken).await? {
        taken = 1;
        if !is_taken(connection, id, sign).await? {
            return Ok(end);
        }
    }
    let far = refused;
    while refused - taken > 1 {
        let middle = taken + (refused - taken) / 2;
        if is_taken(connection, id, sign * middle).await? {
            taken = middle;
        } else {
            refused = middle;
        }
    }
    // A condition that is no bound, as on every second number, says nothing of where ids end.
    for further in [taken.saturating_add(2), taken.saturating_add(3), taken + (far - taken) / 2] {
        if further > taken && further < far && is_taken(connection, id, sign * further).await? {
            return Ok(end);
        }
    }
    Ok(sign * taken)
}

async fn is_taken(connection: &mut PgConnection, id: &Column, value: i64) -> Result<bool, DatabaseError> {
    let taken = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ");
        sql.typed(&value.to_string(), &id.type_name).add(" IS NOT NULL");
        sql.scalar::<bool>(connection).await
    });
    Ok(taken.await?.is_ok())
}

/// What the checks of an id column take, and where ids begin and end.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of(
    connection: &mut PgConnection,
    table: &Table,
    id: &Column,
    sequence: Option<&catalog::Sequence>,
) -> Result<(Takes, i64, i64), DatabaseError> {
    let checks = if table.checked { checks(connection, table.oid, &id.name).await? } else { Vec::new() };
    let takes = takes(connection, id, &checks).await?;
    let (first, last) = ends(connection, id, sequence, &takes).await?;
    Ok((if id.kind() == KeyKind::Integer { takes } else { Takes::default() }, first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_numbers_of_a_condition_are_read_as_postgresql_writes_them() {
        for (condition, found) in [
            ("((id >= 1) AND (id <= 99))", vec![1, 99]),
            ("(id > '-5'::integer)", vec![-5]),
            ("(id < '5000000000'::bigint)", vec![5_000_000_000]),
            ("(id <> ALL (ARRAY[7, 8]))", vec![7, 8]),
            ("(id2 IS NOT NULL)", vec![2]),
            ("(id > '-9223372036854775808'::bigint)", vec![i64::MIN]),
            ("(id < 99999999999999999999)", vec![]),
        ] {
            assert_eq!(numbers(condition), found.into_iter().collect(), "{condition}");
        }
    }

    proptest! {
        #[test]
        fn ranges_take_what_each_of_their_stretches_takes(
            cuts in proptest::collection::btree_set(-20i64..20, 1..8), bits: u16, other: u16, number in -25i64..25,
        ) {
            let begin: Vec<i64> = cuts.into_iter().collect();
            let taken = |bits: u16| -> Vec<bool> { (0..begin.len()).map(|at| bits >> at & 1 == 1).collect() };
            let says = |taken: &[bool]| {
                let at = begin.iter().rposition(|from| *from <= number).unwrap_or(0);
                taken[at]
            };
            let within = |ranges: &[(i64, i64)]| ranges.iter().any(|(from, to)| (*from..=*to).contains(&number));
            let (one, two) = (taken(bits), taken(other));
            let (a, b) = (merged(&begin, &one), merged(&begin, &two));
            prop_assert_eq!(within(&a), says(&one));
            prop_assert_eq!(within(&both(&a, &b)), says(&one) && says(&two));
        }
    }
}
