//! The statements of each way: which keys of a reference no user has.

use super::{MANY_KEYS, Subject, part};
use crate::{
    domain::search::Strategy,
    engine::postgres::{
        catalog::reference::ReferenceTable,
        search::{id_gaps, statistics},
        sql::{Shared, Sql},
    },
};

/// Whether a way goes through an index on the referencing column.
pub(super) fn by_index(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::GapProbe | Strategy::KeyProbe | Strategy::LooseScan)
}

/// One statement for a batch: rows of (position of the reference, key as text), at most one key more
/// of each reference than are listed.
pub(super) fn statement(subjects: &[Subject<'_>], batch: &[usize]) -> Sql {
    let mut sql = Sql::default();
    let mut gaps: Vec<(*const id_gaps::Ids, Shared, Shared)> = Vec::new();
    let mut first = true;
    let mut scanned: Vec<i64> = Vec::new();
    for at in batch {
        let subject = &subjects[*at];
        let oid = subject.table.child.oid;
        let strategy = subject.choice.strategy;
        if strategy == Strategy::RangeScan && scanned.contains(&oid) {
            continue;
        }
        sql.add(if first { "(" } else { " UNION ALL (" });
        first = false;
        match (strategy, &subject.order, subject.ids) {
            (Strategy::GapProbe, _, Some(ids)) => {
                let known = gaps.iter().find(|(of, _, _)| std::ptr::eq(*of, ids)).copied();
                let (_, from, to) = known.unwrap_or_else(|| {
                    let from = sql.share(ids.gaps.iter().map(|gap| gap.0).collect());
                    let to = sql.share(ids.gaps.iter().map(|gap| gap.1).collect());
                    gaps.push((ids, from, to));
                    (ids, from, to)
                });
                gap_probe(&mut sql, *at, subject.table, from, to);
            }
            (Strategy::KeyProbe, Some(order), _) => {
                part(&mut sql, *at);
                key_probe(&mut sql, subject.table, order);
            }
            (Strategy::LooseScan, Some(order), _) => {
                part(&mut sql, *at);
                loose_scan(&mut sql, subject.table, order);
            }
            (Strategy::RangeScan, _, Some(_)) => {
                scanned.push(oid);
                let together: Vec<usize> = batch
                    .iter()
                    .copied()
                    .filter(|other| {
                        subjects[*other].choice.strategy == Strategy::RangeScan
                            && subjects[*other].table.child.oid == oid
                    })
                    .collect();
                range_scan(&mut sql, subjects, &together);
            }
            (Strategy::DistinctScan, _, _) => {
                part(&mut sql, *at);
                distinct_scan(&mut sql, subject.table);
            }
            _ => {
                part(&mut sql, *at);
                sql.add("NULL::text FROM (SELECT FROM ").only(&subject.table.child.relation).add(" c WHERE ");
                subject.table.orphaned(&mut sql);
                sql.add(" LIMIT 1) f");
            }
        }
        sql.add(")");
    }
    sql
}

fn limit(sql: &mut Sql) {
    sql.add(" LIMIT ").ordinal(MANY_KEYS + 1);
}

/// Adds `alias.` and the referencing column.
fn child(sql: &mut Sql, table: &ReferenceTable, alias: &'static str) {
    if let Some(column) = table.columns.first() {
        sql.column(alias, &column.name);
    }
}

fn parent(sql: &mut Sql, table: &ReferenceTable) {
    if let Some(column) = table.parent_columns.first() {
        sql.column("p", &column.name);
    }
}

/// In each gap the first key, and from each key that is found the next one, until the gap ends.
fn gap_probe(sql: &mut Sql, at: usize, table: &ReferenceTable, from: Shared, to: Shared) {
    sql.add("WITH RECURSIVE found(key, last) AS (SELECT f.key, g.last FROM unnest(").again(from);
    sql.add(", ").again(to).add(") g(first, last) CROSS JOIN LATERAL (SELECT ");
    child(sql, table, "c");
    sql.add("::int8 AS key FROM ").only(&table.child.relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.add(" >= g.first AND ");
    child(sql, table, "c");
    sql.add(" <= g.last ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f UNION ALL SELECT f.key, o.last FROM found o CROSS JOIN LATERAL (SELECT ");
    child(sql, table, "c");
    sql.add("::int8 AS key FROM ").only(&table.child.relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.add(" > o.key AND ");
    child(sql, table, "c");
    sql.add(" <= o.last ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f) ");
    part(sql, at);
    sql.add("key::text FROM found");
    limit(sql);
}

/// Between each two neighbouring keys of users the first key, and from each that is found the next.
fn key_probe(sql: &mut Sql, table: &ReferenceTable, order: &statistics::Order) {
    let relation = &table.child.relation;
    sql.whole_or_null("f.key::text").add(" FROM (WITH RECURSIVE users(low, high) AS MATERIALIZED (SELECT ");
    parent(sql, table);
    sql.add(", lead(");
    parent(sql, table);
    sql.add(") OVER (ORDER BY ");
    parent(sql, table);
    sql.add(") FROM ").only(&table.parent.relation).add(" p WHERE ");
    parent(sql, table);
    // Neighbours: the planner may not turn probes into a join over all.
    sql.add(
        " IS NOT NULL), found(key, high) AS ((SELECT f.key, u.high FROM users u CROSS JOIN LATERAL (SELECT ",
    );
    child(sql, table, "c");
    sql.add(" AS key FROM ").only(relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.operator(&order.above_key).add("u.low AND ");
    child(sql, table, "c");
    sql.operator(&order.below_key).add("u.high ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f WHERE u.high IS NOT NULL UNION ALL ");
    // Below the lowest key; all of them where there is no user.
    sql.add("SELECT f.key, f.low FROM (SELECT ");
    child(sql, table, "c");
    sql.add(" AS key, (SELECT u.low FROM users u ORDER BY u.low LIMIT 1) AS low FROM ").only(relation);
    sql.add(" c WHERE ");
    child(sql, table, "c");
    sql.add(" IS NOT NULL ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f WHERE f.low IS NULL OR f.key").operator(&order.below_key).add("f.low UNION ALL ");
    sql.add("SELECT f.key, NULL FROM (SELECT u.low FROM users u WHERE u.high IS NULL) u CROSS JOIN LATERAL (SELECT ");
    child(sql, table, "c");
    sql.add(" AS key FROM ").only(relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.operator(&order.above_key).add("u.low ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f) UNION ALL SELECT f.key, o.high FROM found o CROSS JOIN LATERAL (SELECT ");
    child(sql, table, "c");
    sql.add(" AS key FROM ").only(relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.operator(&order.above).add("o.key ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f WHERE o.high IS NULL OR f.key").operator(&order.below_key).add("o.high)");
    sql.add(" SELECT key FROM found");
    limit(sql);
    sql.add(") f");
}

/// From one distinct key to the next; of these, those that no user has.
fn loose_scan(sql: &mut Sql, table: &ReferenceTable, order: &statistics::Order) {
    let relation = &table.child.relation;
    sql.whole_or_null("f.key::text").add(" FROM (WITH RECURSIVE d(key) AS ((SELECT ");
    child(sql, table, "c");
    sql.add(" FROM ").only(relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.add(" IS NOT NULL ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) UNION ALL SELECT f.key FROM d CROSS JOIN LATERAL (SELECT ");
    child(sql, table, "c");
    sql.add(" AS key FROM ").only(relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.operator(&order.above).add("d.key ORDER BY ");
    child(sql, table, "c");
    sql.add(" LIMIT 1) f) SELECT d.key FROM d WHERE ");
    without_user(sql, table);
    limit(sql);
    sql.add(") f");
}

/// The distinct keys of one scan; of these, those that no user has.
fn distinct_scan(sql: &mut Sql, table: &ReferenceTable) {
    sql.whole_or_null("d.key::text").add(" FROM (SELECT DISTINCT ");
    child(sql, table, "c");
    sql.add(" AS key FROM ").only(&table.child.relation).add(" c WHERE ");
    child(sql, table, "c");
    sql.add(" IS NOT NULL");
    table.in_scope(sql);
    sql.add(" OFFSET 0) d WHERE ");
    without_user(sql, table);
    limit(sql);
}

/// Adds the condition that no user has `d.key`.
fn without_user(sql: &mut Sql, table: &ReferenceTable) {
    sql.add("NOT EXISTS (SELECT FROM ").only(&table.parent.relation).add(" p WHERE ");
    parent(sql, table);
    match table.operators.as_deref() {
        Some([operator]) => {
            sql.operator(operator);
        }
        // A way that takes an order is only gone where there is an operator.
        _ => {
            sql.add(" = ");
        }
    }
    sql.add("d.key)");
}

/// One scan for all references of a table: values outside of the ids.
fn range_scan(sql: &mut Sql, subjects: &[Subject<'_>], together: &[usize]) {
    let Some(relation) = together.first().map(|at| &subjects[*at].table.child.relation) else { return };
    let mut lists: Vec<(*const id_gaps::Ids, Option<Shared>)> = Vec::new();
    // The limit is each reference's own: many keys of one must not hide the few of another.
    sql.add(
        "SELECT x.n, x.key FROM (SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth FROM (\
         SELECT DISTINCT v.n::int8 AS n, v.key::text AS key FROM ",
    )
    .only(relation);
    sql.add(" c CROSS JOIN LATERAL (VALUES ");
    for (nth, at) in together.iter().enumerate() {
        sql.add(if nth > 0 { ", (" } else { "(" }).ordinal(*at).add(", CASE WHEN ");
        outside(sql, &subjects[*at], &mut lists);
        subjects[*at].table.in_scope(sql);
        sql.add(" THEN ");
        child(sql, subjects[*at].table, "c");
        sql.add("::int8 END)");
    }
    sql.add(") v(n, key) WHERE (");
    for (nth, at) in together.iter().enumerate() {
        sql.add(if nth > 0 { " OR " } else { "" });
        outside(sql, &subjects[*at], &mut lists);
    }
    sql.add(") AND v.key IS NOT NULL) d) x WHERE x.nth <= ").ordinal(MANY_KEYS + 1);
}

/// Adds the condition that the referencing column is none of the ids.
fn outside(sql: &mut Sql, subject: &Subject<'_>, lists: &mut Vec<(*const id_gaps::Ids, Option<Shared>)>) {
    let Some(ids) = subject.ids else { return };
    let Some(id_gaps::Outside { ranges, single }) = &ids.outside else {
        return;
    };
    let table = subject.table;
    sql.add("(false");
    for (from, to) in ranges {
        sql.add(" OR (");
        child(sql, table, "c");
        if *from == i64::MIN {
            sql.add(" <= ").integer(*to);
        } else if *to == i64::MAX {
            sql.add(" >= ").integer(*from);
        } else {
            sql.add(" >= ").integer(*from).add(" AND ");
            child(sql, table, "c");
            sql.add(" <= ").integer(*to);
        }
        sql.add(")");
    }
    if !single.is_empty() {
        let known = lists.iter().find(|(of, _)| std::ptr::eq(*of, ids)).and_then(|(_, list)| *list);
        let list = known.unwrap_or_else(|| {
            let list = sql.share(single.clone());
            lists.push((ids, Some(list)));
            list
        });
        sql.add(" OR ");
        child(sql, table, "c");
        sql.add("::int8 = ANY (").again(list).add(")");
    }
    sql.add(")");
}
