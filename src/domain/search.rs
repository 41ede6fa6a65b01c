//! Which way of looking for rows that name nobody costs least, from what the catalogue says.
//!
//! Every way finds the same keys; they differ in what their cost grows with. Nothing is chosen by a
//! flag, and a wrong estimate costs time, never a wrong answer.

use crate::domain::facts::search::Choice;

pub use crate::api::report::SearchStrategy as Strategy;

/// What the catalogue says of one reference. Numbers are estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchFacts {
    /// Rows of the referencing table.
    pub rows: f64,
    /// Distinct keys in it; `None` where it was never analysed.
    pub distinct: Option<f64>,
    /// Tables that its rows are spread over: 1, or the partitions.
    pub leaves: f64,
    /// Users.
    pub users: f64,
    /// Whether it is one column that the types' own ordering operators compare with the key.
    pub ordered: bool,
    /// Whether a whole, valid, trusted index begins with the column, in the key's order.
    pub indexed: bool,
    /// The ids of integer keys, where they were looked at.
    pub ids: Option<IdFacts>,
}

/// How integer ids lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdFacts {
    /// Gaps between them, those below the lowest and above the highest included.
    pub gaps: i64,
    /// Whether the gaps fit into the condition of a scan.
    pub scannable: bool,
}

/// How many rows of a table of so many are counted through an index, until it is quicker to read them all.
#[expect(clippy::cast_possible_truncation, reason = "an estimate, and far below the limit")]
pub fn counted_by_index(rows: f64) -> i64 {
    (rows.max(0.0) * (cost::SCAN + cost::HASH) / cost::FETCH) as i64 + FEW
}

/// Rows that are counted through an index in any case.
const FEW: i64 = 20;

/// Microseconds that one unit of work takes, measured on PostgreSQL 15. Only their proportions matter.
mod cost {
    /// A probe of an index.
    pub(super) const PROBE: f64 = 1.5;
    /// One step of a recursive query, probe included.
    pub(super) const STEP: f64 = 7.0;
    /// A row that is fetched through an index.
    pub(super) const FETCH: f64 = 2.2;
    /// A row that a scan reads and a condition judges.
    pub(super) const SCAN: f64 = 0.06;
    /// A row that is sorted into its group.
    pub(super) const GROUP: f64 = 0.11;
    /// A row that is looked up in a hash table.
    pub(super) const HASH: f64 = 0.16;
    /// A user that is read.
    pub(super) const USER: f64 = 0.3;
}

/// What a way costs; `None` where it cannot be gone.
fn cost(strategy: Strategy, facts: &SearchFacts) -> Option<f64> {
    // A table that was never analysed may hold a key per row.
    let distinct = facts.distinct.unwrap_or(facts.rows).min(facts.rows).max(1.0);
    let probe = cost::PROBE * facts.leaves.max(1.0);
    let walk = facts.ordered && facts.indexed;
    match strategy {
        Strategy::GapProbe => {
            let ids = facts.ids.filter(|_| walk)?;
            Some(10.0 + ids.gaps as f64 * probe)
        }
        Strategy::KeyProbe => walk.then_some(20.0 + facts.users * (cost::USER + probe)),
        Strategy::LooseScan => {
            walk.then_some(20.0 + distinct * (cost::STEP * facts.leaves.max(1.0) + cost::PROBE))
        }
        Strategy::RangeScan => {
            let ids = facts.ids.filter(|ids| facts.ordered && ids.scannable)?;
            let spread = if ids.gaps > 2 { 1.6 } else { 1.0 };
            Some(15.0 + facts.rows * cost::SCAN * spread)
        }
        Strategy::DistinctScan => facts
            .ordered
            .then_some(30.0 + facts.rows * cost::GROUP + distinct * 1.0 + facts.users * cost::USER),
        Strategy::AntiJoin => Some(25.0 + facts.rows * cost::HASH + facts.users.min(facts.rows) * cost::USER),
    }
}

/// Whether a way can be gone at all.
pub fn passable(strategy: Strategy, facts: &SearchFacts) -> bool {
    cost(strategy, facts).is_some()
}

/// How long a search should take, in microseconds, should its keys be counted by the anti-join after all.
pub fn estimate(strategy: Strategy, facts: &SearchFacts) -> f64 {
    // What the catalogue says nothing of gets no more time than anything else.
    if facts.rows > 1e15 {
        return 0.0;
    }
    let way = cost(strategy, facts).unwrap_or(0.0);
    way.max(cost(Strategy::AntiJoin, facts).unwrap_or(0.0))
}

/// The cheapest way to look at a reference.
pub fn choose(facts: &SearchFacts) -> Choice {
    let strategy = Strategy::ALL
        .into_iter()
        .filter_map(|strategy| Some((strategy, cost(strategy, facts)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(Strategy::AntiJoin, |(strategy, _)| strategy);
    Choice { strategy, why: why(strategy, facts) }
}

pub(super) fn why(strategy: Strategy, facts: &SearchFacts) -> String {
    let rows = about(facts.rows, "row");
    match strategy {
        Strategy::GapProbe => {
            let gaps = facts.ids.map_or(0, |ids| ids.gaps);
            format!("the column is indexed, and there are {} to probe", about(gaps as f64, "gap"))
        }
        Strategy::KeyProbe => {
            format!("the column is indexed: {} against {rows}", about(facts.users, "probe"))
        }
        Strategy::LooseScan => format!(
            "the column is indexed and holds {} in {rows}",
            about(facts.distinct.unwrap_or(facts.rows), "distinct key")
        ),
        Strategy::RangeScan if facts.indexed => format!("{rows}: a scan is quicker than the index"),
        Strategy::RangeScan => format!("no index; one scan of {rows} for values outside of the ids"),
        Strategy::DistinctScan => format!("no index; one scan of {rows} for their distinct keys"),
        Strategy::AntiJoin if !facts.ordered => "several columns, or types without a common order".to_owned(),
        Strategy::AntiJoin => format!("{rows} against {}", about(facts.users, "user")),
    }
}

fn about(number: f64, what: &str) -> String {
    let number = number.max(0.0).round();
    let plural = if number == 1.0 { "" } else { "s" };
    match number {
        n if n >= 10e6 => format!("about {:.0} million {what}{plural}", n / 1e6),
        n if n >= 1e6 => format!("about {:.1} million {what}{plural}", n / 1e6),
        n if n >= 1e4 => format!("about {:.0} thousand {what}{plural}", n / 1e3),
        n => format!("about {n} {what}{plural}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Strategy, *};
    use proptest::prelude::*;

    fn large() -> SearchFacts {
        SearchFacts {
            rows: 1e7,
            distinct: Some(1e5),
            leaves: 1.0,
            users: 1e5,
            ordered: true,
            indexed: true,
            ids: Some(IdFacts { gaps: 2, scannable: true }),
        }
    }

    #[test]
    fn a_large_indexed_table_is_never_scanned() {
        assert_eq!(choose(&large()).strategy, Strategy::GapProbe);
        assert_eq!(choose(&SearchFacts { ids: None, ..large() }).strategy, Strategy::KeyProbe);
        let few = SearchFacts { ids: None, distinct: Some(50.0), users: 1e7, ..large() };
        assert_eq!(choose(&few).strategy, Strategy::LooseScan);
    }

    #[test]
    fn without_an_index_a_table_is_scanned_once() {
        let unindexed = SearchFacts { indexed: false, ..large() };
        assert_eq!(choose(&unindexed).strategy, Strategy::RangeScan);
        assert_eq!(choose(&SearchFacts { ids: None, ..unindexed }).strategy, Strategy::DistinctScan);
    }

    #[test]
    fn what_has_no_common_order_is_left_to_the_engine() {
        let composite = SearchFacts { ordered: false, ..large() };
        assert_eq!(choose(&composite).strategy, Strategy::AntiJoin);
    }

    #[test]
    fn a_table_spread_over_many_partitions_is_not_probed_key_by_key() {
        let facts = SearchFacts { leaves: 500.0, ids: None, rows: 1e6, distinct: None, ..large() };
        assert!(!matches!(choose(&facts).strategy, Strategy::KeyProbe | Strategy::LooseScan));
    }

    proptest! {
        #[test]
        fn no_way_is_chosen_that_cannot_be_gone(
            rows in 0.0..1e9f64, distinct in proptest::option::of(0.0..1e9f64), leaves in 1.0..1e3f64,
            users in 0.0..1e8f64, ordered: bool, indexed: bool,
            ids in proptest::option::of((0i64..1_000_000, any::<bool>())),
        ) {
            let ids = ids.map(|(gaps, scannable)| IdFacts { gaps, scannable });
            let facts = SearchFacts { rows, distinct, leaves, users, ordered, indexed, ids };
            let chosen = choose(&facts).strategy;
            let needs_index = matches!(chosen, Strategy::GapProbe | Strategy::KeyProbe | Strategy::LooseScan);
            prop_assert!(!needs_index || (indexed && ordered));
            prop_assert!(chosen == Strategy::AntiJoin || ordered);
            let scannable = facts.ids.is_some_and(|ids| ids.scannable);
            prop_assert!(chosen != Strategy::RangeScan || scannable);
        }
    }
}
