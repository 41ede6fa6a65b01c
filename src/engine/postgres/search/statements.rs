//! The statements of each way: which keys of a reference no user has.

use super::{MANY_KEYS, Subject, part};
use crate::{
    domain::search::Strategy,
    engine::postgres::{
        catalog::reference::ReferenceTable,
        search::{id_gaps, statistics},
        sql::{
            Only, Shared, Sql, sql,
            template::{Ordinal, Part, each},
            with,
        },
    },
};

/// Whether a way goes through an index on the referencing column.
pub(super) fn by_index(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::GapProbe | Strategy::KeyProbe | Strategy::LooseScan)
}

/// One statement for a batch: rows of (position of the reference, key as text), at most one key more
/// of each reference than are listed.
pub(super) fn statement(subjects: &[Subject<'_>], batch: &[usize]) -> Sql {
    let mut sql = Sql::new("");
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
                anti_join(&mut sql, subject.table);
            }
        }
        sql.add(")");
    }
    sql
}

/// The referencing column of a row.
fn child(table: &ReferenceTable, alias: &'static str) -> impl Part {
    with(move |sql| {
        if let Some(column) = table.columns.first() {
            sql.column(alias, &column.name);
        }
    })
}

/// The referenced column of the row `p`.
fn parent(table: &ReferenceTable) -> impl Part {
    with(|sql| {
        if let Some(column) = table.parent_columns.first() {
            sql.column("p", &column.name);
        }
    })
}

/// A text of somebody's row as it is looked for again.
fn whole(text: &'static str) -> impl Part {
    with(move |sql| {
        sql.whole_or_null(text);
    })
}

/// Whether there is a row that names nobody.
fn anti_join(sql: &mut Sql, table: &ReferenceTable) {
    sql!(
        sql,
        "NULL::text FROM (SELECT FROM {rows} c WHERE {orphaned} LIMIT 1) f",
        rows = Only(&table.child.relation),
        orphaned = with(|sql| {
            table.orphaned(sql);
        }),
    );
}

/// In each gap the first key, and from each key that is found the next one, until the gap ends.
fn gap_probe(sql: &mut Sql, at: usize, table: &ReferenceTable, from: Shared, to: Shared) {
    sql!(
        sql,
        "WITH RECURSIVE found(key, last) AS (
           SELECT f.key, g.last FROM unnest({from}, {to}) g(first, last) CROSS JOIN LATERAL (
             SELECT {key}::int8 AS key FROM {rows} c WHERE {key} >= g.first AND {key} <= g.last
             ORDER BY {key} LIMIT 1) f
           UNION ALL
           SELECT f.key, o.last FROM found o CROSS JOIN LATERAL (
             SELECT {key}::int8 AS key FROM {rows} c WHERE {key} > o.key AND {key} <= o.last
             ORDER BY {key} LIMIT 1) f)
         {reference}key::text FROM found LIMIT {limit}",
        from = from,
        to = to,
        key = child(table, "c"),
        rows = Only(&table.child.relation),
        reference = with(|sql| part(sql, at)),
        limit = Ordinal(MANY_KEYS + 1),
    );
}

/// Between each two neighbouring keys of users the first key, and from each that is found the next.
fn key_probe(sql: &mut Sql, table: &ReferenceTable, order: &statistics::Order) {
    // MATERIALIZED: neighbours; the planner may not turn probes into a join over all.
    // Below the lowest key, and all of them where there is no user: the second branch; above the highest one: the third.
    sql!(
        sql,
        "{whole} FROM (
           WITH RECURSIVE users(low, high) AS MATERIALIZED (
             SELECT {id}, lead({id}) OVER (ORDER BY {id}) FROM {users} p WHERE {id} IS NOT NULL),
           found(key, high) AS (
             (SELECT f.key, u.high FROM users u CROSS JOIN LATERAL (
                SELECT {key} AS key FROM {rows} c WHERE {key} {above_key} u.low AND {key} {below_key} u.high
                ORDER BY {key} LIMIT 1) f WHERE u.high IS NOT NULL
              UNION ALL
              SELECT f.key, f.low FROM (
                SELECT {key} AS key, (SELECT u.low FROM users u ORDER BY u.low LIMIT 1) AS low FROM {rows} c
                WHERE {key} IS NOT NULL ORDER BY {key} LIMIT 1) f
              WHERE f.low IS NULL OR f.key {below_key} f.low
              UNION ALL
              SELECT f.key, NULL FROM (SELECT u.low FROM users u WHERE u.high IS NULL) u CROSS JOIN LATERAL (
                SELECT {key} AS key FROM {rows} c WHERE {key} {above_key} u.low ORDER BY {key} LIMIT 1) f)
             UNION ALL
             SELECT f.key, o.high FROM found o CROSS JOIN LATERAL (
               SELECT {key} AS key FROM {rows} c WHERE {key} {above} o.key ORDER BY {key} LIMIT 1) f
             WHERE o.high IS NULL OR f.key {below_key} o.high)
           SELECT key FROM found LIMIT {limit}) f",
        whole = whole("f.key::text"),
        id = parent(table),
        users = Only(&table.parent.relation),
        key = child(table, "c"),
        rows = Only(&table.child.relation),
        above_key = order.above_key,
        below_key = order.below_key,
        above = order.above,
        limit = Ordinal(MANY_KEYS + 1),
    );
}

/// From one distinct key to the next; of these, those that no user has.
fn loose_scan(sql: &mut Sql, table: &ReferenceTable, order: &statistics::Order) {
    sql!(
        sql,
        "{whole} FROM (
           WITH RECURSIVE d(key) AS (
             (SELECT {key} FROM {rows} c WHERE {key} IS NOT NULL ORDER BY {key} LIMIT 1)
             UNION ALL
             SELECT f.key FROM d CROSS JOIN LATERAL (
               SELECT {key} AS key FROM {rows} c WHERE {key} {above} d.key ORDER BY {key} LIMIT 1) f)
           SELECT d.key FROM d WHERE {without_user} LIMIT {limit}) f",
        whole = whole("f.key::text"),
        key = child(table, "c"),
        rows = Only(&table.child.relation),
        above = order.above,
        without_user = with(|sql| without_user(sql, table)),
        limit = Ordinal(MANY_KEYS + 1),
    );
}

/// The distinct keys of one scan; of these, those that no user has.
fn distinct_scan(sql: &mut Sql, table: &ReferenceTable) {
    sql!(
        sql,
        "{whole} FROM (
           SELECT DISTINCT {key} AS key FROM {rows} c WHERE {key} IS NOT NULL{in_scope} OFFSET 0) d
         WHERE {without_user} LIMIT {limit}",
        whole = whole("d.key::text"),
        key = child(table, "c"),
        rows = Only(&table.child.relation),
        in_scope = with(|sql| table.in_scope(sql)),
        without_user = with(|sql| without_user(sql, table)),
        limit = Ordinal(MANY_KEYS + 1),
    );
}

/// Adds the condition that no user has `d.key`.
fn without_user(sql: &mut Sql, table: &ReferenceTable) {
    let (users, id) = (Only(&table.parent.relation), parent(table));
    match table.operators.as_deref() {
        Some([operator]) => sql!(
            sql,
            "NOT EXISTS (SELECT FROM {users} p WHERE {id} {equal} d.key)",
            users = users,
            id = id,
            equal = operator,
        ),
        // A way that takes an order is only gone where there is an operator.
        _ => sql!(sql, "NOT EXISTS (SELECT FROM {users} p WHERE {id} = d.key)", users = users, id = id),
    };
}

/// One scan for all references of a table: values outside of the ids.
fn range_scan(sql: &mut Sql, subjects: &[Subject<'_>], together: &[usize]) {
    let Some(relation) = together.first().map(|at| &subjects[*at].table.child.relation) else { return };
    let lists = lists(sql, subjects, together);
    let outside = |sql: &mut Sql, at: usize| outside(sql, &subjects[at], &lists);
    // The limit is each reference's own: many keys of one must not hide the few of another.
    sql!(
        sql,
        "SELECT x.n, x.key FROM (
           SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth FROM (
             SELECT DISTINCT v.n::int8 AS n, v.key::text AS key FROM {rows} c
             CROSS JOIN LATERAL (VALUES {values}) v(n, key)
             WHERE ({any}) AND v.key IS NOT NULL) d) x
         WHERE x.nth <= {limit}",
        rows = Only(relation),
        values = each(together, ", ", |sql, at| {
            sql!(
                sql,
                "({at}, CASE WHEN {outside}{in_scope} THEN {key}::int8 END)",
                at = Ordinal(*at),
                outside = with(|sql| outside(sql, *at)),
                in_scope = with(|sql| subjects[*at].table.in_scope(sql)),
                key = child(subjects[*at].table, "c"),
            );
        }),
        any = each(together, " OR ", |sql, at| outside(sql, *at)),
        limit = Ordinal(MANY_KEYS + 1),
    );
}

/// The single values that the conditions of [`outside`] exclude, each list bound once.
type Lists = Vec<(*const id_gaps::Ids, Shared)>;

fn lists(sql: &mut Sql, subjects: &[Subject<'_>], together: &[usize]) -> Lists {
    let mut lists = Lists::new();
    for ids in together.iter().filter_map(|at| subjects[*at].ids) {
        let single = ids.outside.as_ref().map(|outside| &outside.single).filter(|single| !single.is_empty());
        if let Some(single) = single
            && !lists.iter().any(|(of, _)| std::ptr::eq(*of, ids))
        {
            let list = sql.share(single.clone());
            lists.push((ids, list));
        }
    }
    lists
}

/// Adds the condition that the referencing column is none of the ids.
fn outside(sql: &mut Sql, subject: &Subject<'_>, lists: &Lists) {
    let Some(ids) = subject.ids else { return };
    let Some(id_gaps::Outside { ranges, .. }) = &ids.outside else { return };
    let key = || child(subject.table, "c");
    sql.add("(false");
    for (from, to) in ranges {
        if *from == i64::MIN {
            sql!(sql, " OR ({key} <= {to})", key = key(), to = to);
        } else if *to == i64::MAX {
            sql!(sql, " OR ({key} >= {from})", key = key(), from = from);
        } else {
            sql!(sql, " OR ({key} >= {from} AND {key} <= {to})", key = key(), from = from, to = to);
        }
    }
    if let Some((_, list)) = lists.iter().find(|(of, _)| std::ptr::eq(*of, ids)) {
        sql!(sql, " OR {key}::int8 = ANY ({list})", key = key(), list = list);
    }
    sql.add(")");
}
