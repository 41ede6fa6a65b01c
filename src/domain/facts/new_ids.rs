//! Where new ids come from, and which of them the id column takes.

use crate::api::report::ObjectRef;

/// Where a new row's id comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdDefault {
    /// A sequence that the column owns or draws from.
    Sequence(SequenceFacts),
    /// A sequence that the role may not read.
    UnreadableSequence(String),
    /// A default of which nobody can tell from here what it gives next.
    Untold(Untold),
    /// Another default, which counts nothing (`gen_random_uuid()`).
    Expression,
    /// None: the app makes ids up.
    None,
}

/// A default of which nobody can tell from here what it gives next, as `pg_get_expr` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untold {
    /// It runs a function of the app, or makes something else of what it draws from a sequence.
    Expression(String),
    /// It draws by a name that is no one sequence's.
    ByName {
        /// The default.
        default: String,
        /// The schema in the name.
        schema: Option<String>,
        /// The name.
        name: String,
        /// What is called so; nothing, or several of which the app's `search_path` chooses.
        among: Vec<ObjectRef>,
    },
    /// There is none, and these triggers may give the id.
    Triggers(Vec<String>),
}

impl Untold {
    /// Whether it draws by a name that nothing has.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::ByName { among, .. } if among.is_empty())
    }
}

/// A sequence behind an id column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceFacts {
    /// Its name.
    pub object: ObjectRef,
    /// The value that the next call of `nextval` gives to a session that has no numbers in hand.
    pub next: i64,
    /// How far it goes at a time; below 0 it counts downwards.
    pub increment: i64,
    /// What it may not exceed.
    pub maximum: i64,
    /// What it may not go below.
    pub minimum: i64,
    /// Whether it begins anew at its end.
    pub cycle: bool,
    /// How many numbers a session takes in hand at a time.
    pub cache: i64,
    /// Whether the role may set it.
    pub settable: bool,
    /// Of the ids in use that it comes to in its own steps, the one that it comes to last; the last one that
    /// there can be is none.
    pub used: Option<i64>,
    /// Whether somebody has the id that it gives next.
    pub next_used: bool,
    /// Whether it is read on a standby, where it stands ahead of the primary's.
    pub ahead: bool,
    /// Where ids end on its way by the column alone, whatever it gives itself.
    pub column_end: i64,
    /// Whether somebody has the last id that there can be, where it stands there or beyond.
    pub last_used: bool,
}

impl SequenceFacts {
    /// Whether it counts downwards.
    pub fn descends(&self) -> bool {
        self.increment < 0
    }

    /// The first number that it can give, as far as it has one on its own side of 0.
    pub fn start(&self) -> i64 {
        let (usual, own) = if self.descends() { (-1, self.maximum) } else { (1, self.minimum) };
        if (self.minimum..=self.maximum).contains(&usual) { usual } else { own }
    }
}

/// Which integers an id column's own CHECK constraints take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takes {
    /// What they take, in order: both ends are taken, and what lies between two ranges is refused.
    pub ranges: Vec<(i64, i64)>,
    /// The constraints that say so.
    pub checks: Vec<String>,
    /// Those of which it is not known what they take.
    pub unknown: Vec<String>,
}

impl Default for Takes {
    fn default() -> Self {
        Self { ranges: vec![(i64::MIN, i64::MAX)], checks: Vec::new(), unknown: Vec::new() }
    }
}

impl Takes {
    /// The last id that is taken.
    pub fn last(&self) -> Option<i64> {
        self.ranges.last().map(|range| range.1)
    }

    /// The first id that is taken.
    pub fn first(&self) -> Option<i64> {
        self.ranges.first().map(|range| range.0)
    }

    /// The next id that is taken from one on, itself included.
    pub fn from(&self, id: i64) -> Option<i64> {
        self.ranges.iter().find(|range| range.1 >= id).map(|range| range.0.max(id))
    }

    /// The same downwards.
    pub fn down_from(&self, id: i64) -> Option<i64> {
        self.ranges.iter().rev().find(|range| range.0 <= id).map(|range| range.1.min(id))
    }
}

/// Why a column cannot hold a value that a repair would write there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitColumn {
    /// A plain clause.
    pub why: String,
    /// The CHECK constraint that refuses it; `None`: its type does.
    pub check: Option<String>,
}

/// Something that ids may be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdSource {
    /// Its name.
    pub object: ObjectRef,
    /// How it counts.
    pub counts: Counts,
}

/// How something counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counts {
    /// A sequence that no column owns or draws from; `None` where the role may not read it.
    Sequence(Option<Stands>),
    /// A table of a framework.
    Table,
}

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    /// What it gives next.
    pub next: i64,
    /// How far it goes at a time.
    pub step: i64,
    /// How far behind that sessions may still have numbers in hand.
    pub held: i64,
}

#[cfg(test)]
mod tests {
    use super::Takes;

    #[test]
    fn the_next_id_that_is_taken_is_found_in_either_direction() {
        let takes = Takes { ranges: vec![(1, 9), (20, 20), (30, i64::MAX)], ..Takes::default() };
        for (id, up, down) in [
            (i64::MIN, Some(1), None),
            (0, Some(1), None),
            (9, Some(9), Some(9)),
            (10, Some(20), Some(9)),
            (21, Some(30), Some(20)),
            (40, Some(40), Some(40)),
        ] {
            assert_eq!((takes.from(id), takes.down_from(id)), (up, down), "{id}");
        }
        assert_eq!((takes.first(), takes.last()), (Some(1), Some(i64::MAX)));
        let nothing = Takes { ranges: Vec::new(), ..Takes::default() };
        assert_eq!((nothing.from(1), nothing.first(), nothing.last()), (None, None, None));
    }
}
