//! How integer ids lie: the gaps between them, read once for all references.

use crate::{
    domain::{
        facts::key_kind::KeyKind,
        search::{IdFacts, SearchFacts},
    },
    engine::postgres::{
        catalog::reference::ReferenceTable,
        search::statistics::Order,
        session::{error::DatabaseError, transaction::savepoint},
        sql::{Name, Sql},
    },
};

use sqlx::{PgConnection, Row};

/// More gaps than this are not kept.
const MOST_GAPS: i64 = 20_000;

/// Gaps that a scan compares with one by one; the ids missing in all others are a list.
const WIDE_GAPS: usize = 8;

/// Ids missing in a gap that is not worth a comparison for each row: the list, which is hashed, holds them.
const NARROW: i64 = 64;

/// Missing ids that a scan's list holds at most.
const MOST_MISSING: i64 = 50_000;

/// The gaps between the ids of users: what no user has. Both ends are part of a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    /// In order, those below the lowest id and above the highest included.
    pub(super) gaps: Vec<(i64, i64)>,
    /// The same for a scan: ranges, and single ids; `None` where there are too many.
    pub(super) outside: Option<Outside>,
}

/// What no user has, as the condition of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outside {
    /// The widest gaps.
    pub(super) ranges: Vec<(i64, i64)>,
    /// The ids that are missing in all others.
    pub(super) single: Vec<i64>,
}

impl Ids {
    /// From the gaps between neighbours, and the lowest and the highest id; no users: one gap.
    fn new(ends: Option<(i64, i64)>, between: Vec<(i64, i64)>) -> Self {
        let mut gaps = Vec::with_capacity(between.len() + 2);
        match ends {
            None => gaps.push((i64::MIN, i64::MAX)),
            Some((lowest, highest)) => {
                gaps.extend(lowest.checked_sub(1).map(|end| (i64::MIN, end)));
                gaps.extend(between);
                gaps.extend(highest.checked_add(1).map(|end| (end, i64::MAX)));
            }
        }
        let outside = outside(&gaps);
        Self { gaps, outside }
    }

    pub(super) fn facts(&self) -> IdFacts {
        IdFacts {
            gaps: i64::try_from(self.gaps.len()).unwrap_or(i64::MAX),
            scannable: self.outside.is_some(),
        }
    }
}

fn width(gap: (i64, i64)) -> i64 {
    gap.1.checked_sub(gap.0).and_then(|width| width.checked_add(1)).unwrap_or(i64::MAX)
}

/// Wide gaps as ranges, the ids missing in the others one by one; as many ranges as it may be where the
/// list would be too long else.
fn outside(gaps: &[(i64, i64)]) -> Option<Outside> {
    let mut widest: Vec<(i64, i64)> = gaps.to_vec();
    widest.sort_by_key(|gap| std::cmp::Reverse(width(*gap)));
    let most = widest.len().min(WIDE_GAPS);
    let wide = widest.iter().take(most).take_while(|gap| width(**gap) > NARROW).count();
    let missing =
        |from: usize| widest.iter().skip(from).fold(0i64, |sum, gap| sum.saturating_add(width(*gap)));
    let ranges = [wide, most].into_iter().find(|ranges| missing(*ranges) <= MOST_MISSING)?;
    let narrow = widest.split_off(ranges);
    widest.sort_unstable();
    let single = narrow.into_iter().flat_map(|(from, to)| from..=to).collect();
    Some(Outside { ranges: widest, single })
}

/// What ids are told apart by: the referenced column.
pub(super) fn key(table: &ReferenceTable) -> Option<&Name> {
    match table.parent_columns.as_slice() {
        [only] => Some(&only.name),
        _ => None,
    }
}

/// Whether the gaps between the ids say anything about a reference: integers against integers, by
/// their own equality.
pub(super) fn comparable(table: &ReferenceTable) -> bool {
    let integers = |kind: KeyKind| kind == KeyKind::Integer;
    table.operators.is_some()
        && table.columns.len() == 1
        && table.columns.iter().all(|column| integers(column.kind()))
        && table.parent_columns.iter().all(|column| integers(column.kind()))
}

/// The ids behind all references, for those referenced columns where knowing them is worth it.
pub(super) async fn of_all<'t>(
    connection: &mut PgConnection,
    tables: &'t [ReferenceTable],
    facts: &[(SearchFacts, Option<Order>)],
) -> Result<Vec<(Option<&'t Name>, Ids)>, DatabaseError> {
    let mut known: Vec<(Option<&Name>, Ids)> = Vec::new();
    let mut asked: Vec<&Name> = Vec::new();
    for table in tables.iter().filter(|table| comparable(table)) {
        let Some(name) = key(table).filter(|name| !asked.contains(name)) else { continue };
        asked.push(name);
        let (mut rows, mut users) = (0.0, 0.0);
        for (other, (facts, _)) in tables.iter().zip(facts) {
            if key(other) == Some(name) && comparable(other) {
                rows += facts.rows;
                users = facts.users;
            }
        }
        // Reading every id of very many users for a few rows costs more than the rows.
        if users * 0.4 > 50_000.0 + rows * 0.1 {
            continue;
        }
        let read =
            savepoint(connection, async |connection: &mut PgConnection| read(connection, table, name).await)
                .await?;
        if let Ok(Some(ids)) = read {
            known.push((Some(name), ids));
        }
    }
    Ok(known)
}

/// Reads the gaps; `None` where there are too many.
async fn read(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    name: &Name,
) -> Result<Option<Ids>, sqlx::Error> {
    let mut sql = Sql::new("SELECT count(*), min(p.");
    sql.name(name).add(")::int8, max(p.").name(name).add(")::int8 FROM ").only(&table.parent.relation);
    sql.add(" p WHERE p.").name(name).add(" IS NOT NULL");
    let row = sql.one(connection).await?;
    let users: i64 = row.try_get(0)?;
    let ends = row.try_get::<Option<i64>, _>(1)?.zip(row.try_get::<Option<i64>, _>(2)?);
    let Some((lowest, highest)) = ends else { return Ok(Some(Ids::new(None, Vec::new()))) };
    // As many ids as there is room for: no gap, as a referenced key is unique. What only the spec
    // declares refers to the id column, which a table without any key may hold twice.
    let room = highest.checked_sub(lowest).and_then(|room| room.checked_add(1));
    if table.key.is_some() && room == Some(users) {
        return Ok(Some(Ids::new(ends, Vec::new())));
    }
    let mut sql = Sql::new("SELECT g.id + 1, g.next - 1 FROM (SELECT p.");
    sql.name(name).add("::int8 AS id, lead(p.").name(name).add("::int8) OVER (ORDER BY p.").name(name);
    sql.add(") AS next FROM ").only(&table.parent.relation).add(" p WHERE p.").name(name);
    // `next` is above the lowest number there is, so one less of it is a number too.
    sql.add(" IS NOT NULL) g WHERE g.next > g.id AND g.next - 1 > g.id ORDER BY 1 LIMIT ");
    sql.integer(MOST_GAPS + 1);
    let mut gaps = Vec::new();
    for row in sql.all(connection).await? {
        gaps.push((row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?));
    }
    let many = i64::try_from(gaps.len()).unwrap_or(i64::MAX) > MOST_GAPS;
    Ok((!many).then(|| Ids::new(ends, gaps)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(ids: &std::collections::BTreeSet<i64>) -> Ids {
        let between = ids
            .iter()
            .zip(ids.iter().skip(1))
            .filter(|(id, next)| **next - 1 > **id)
            .map(|(id, next)| (id + 1, next - 1))
            .collect();
        Ids::new(ids.first().copied().zip(ids.last().copied()), between)
    }

    #[test]
    fn the_ends_of_the_number_range_are_no_gaps_when_they_are_ids() {
        let ids = of(&[i64::MIN, 5, i64::MAX].into());
        assert_eq!(ids.gaps, [(i64::MIN + 1, 4), (6, i64::MAX - 1)]);
        assert_eq!(of(&[].into()).gaps, [(i64::MIN, i64::MAX)]);
    }

    proptest! {
        #[test]
        fn a_number_is_outside_when_it_is_no_id(
            ids in proptest::collection::btree_set(-60i64..60, 0..60), number in -70i64..70,
        ) {
            let known = of(&ids);
            let in_gap = known.gaps.iter().any(|(from, to)| (*from..=*to).contains(&number));
            prop_assert_eq!(in_gap, !ids.contains(&number));
            let Outside { ranges, single } = known.outside.unwrap();
            prop_assert!(ranges.len() <= WIDE_GAPS);
            let outside = ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)) || single.contains(&number);
            prop_assert_eq!(outside, !ids.contains(&number));
        }
    }
}
