//! The sequence that gives new ids: whether it is behind, how far it goes on, and what is asked first.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::Severity,
    },
    domain::{
        diagnose::{
            named_ids::{named, named_below},
            rights,
        },
        facts::{
            Observation,
            new_ids::{IdDefault, SequenceFacts},
            rights::Right,
            schema::UserTable,
        },
        finding::{Finding, person},
        hints::{Grant, Hints, On},
        step::Step,
        target::Target,
    },
};

use super::next_id;

/// The ids that a sequence comes to, as if it counted upwards: one that counts downwards is read in a mirror.
struct Course<'a> {
    sequence: &'a SequenceFacts,
    users: &'a UserTable,
}

impl Course<'_> {
    /// Where an id stands on it.
    fn place(&self, id: i64) -> i128 {
        if self.sequence.descends() { -i128::from(id) } else { i128::from(id) }
    }

    fn id(&self, place: i128) -> Option<i64> {
        i64::try_from(if self.sequence.descends() { -place } else { place }).ok()
    }

    fn next(&self) -> i128 {
        self.place(self.sequence.next)
    }

    /// The last id that there can be on it.
    fn end(&self) -> i64 {
        if self.sequence.descends() { self.users.first_id } else { self.users.last_id }
    }

    /// Whether it is the sequence itself that ends ids, and the column takes more.
    fn ended_by_itself(&self) -> bool {
        let own = if self.sequence.descends() { self.sequence.minimum } else { self.sequence.maximum };
        self.place(own) < self.place(self.sequence.column_end)
    }

    /// What lets the sequence give all that the column takes.
    fn widened(&self, hints: &dyn Hints) -> String {
        let Self { sequence, .. } = self;
        hints.extend_sequence(&sequence.object, sequence.descends(), sequence.column_end)
    }

    /// The next id from one on, itself included, that the id column's checks take.
    fn taken(&self, id: i64) -> Option<i64> {
        let takes = &self.users.takes;
        if self.sequence.descends() { takes.down_from(id) } else { takes.from(id) }
    }

    /// Whether the id column's checks, and nothing else, end ids where they end.
    fn ended_by_checks(&self) -> bool {
        let takes = &self.users.takes;
        let end = if self.sequence.descends() { takes.first() } else { takes.last() };
        end.is_none_or(|end| self.place(end) <= self.place(self.end())) && !takes.checks.is_empty()
    }

    /// Where the sequence has to go past, at least past an id, so that what it gives next is taken, and what that is;
    /// `None` where nothing is left.
    fn past(&self, id: i64) -> Option<(i64, i64)> {
        let mut past = id;
        loop {
            let next = self.id(past_in_steps(self.next(), self.sequence.increment, self.place(past)))?;
            let taken = self.taken(next)?;
            if taken == next {
                return (self.place(next) < self.place(self.end())).then_some((past, next));
            }
            past = self.id(self.place(taken) - 1)?;
        }
    }

    /// "above" or "below", for what it has still to come to.
    fn beyond(&self) -> &'static str {
        if self.sequence.descends() { "below" } else { "above" }
    }
}

/// The next insert collides, is refused, or takes an id that old rows (and tokens) name.
pub fn sequence(target: &Target, observation: &Observation, users: &UserTable) -> Option<Finding> {
    let sequence = match &users.id_default {
        IdDefault::Sequence(sequence) => sequence,
        IdDefault::UnreadableSequence(name) => return Some(unread(name)),
        IdDefault::Untold(untold) => return next_id::missing(target, untold, users, observation),
        _ => return None,
    };
    let course = Course { sequence, users };
    // An id beyond what the sequence can ever give is no danger to it.
    let farthest = farthest(observation, &course);
    let behind = farthest.filter(|id| course.place(*id) >= course.next());
    // Where it begins anew, what it gives next there is not what it gives next on the primary.
    if sequence.ahead && (behind.is_none() || sequence.cycle) {
        return Some(untold(sequence));
    }
    let end = course.place(course.end());
    if course.next() > end || (course.next() == end && sequence.next_used) {
        return Some(exhausted(target.hints, &course, farthest));
    }
    let refused = course.taken(sequence.next) != Some(sequence.next);
    if behind.is_none() && !refused {
        return None;
    }
    let live = sequence.used.filter(|id| course.place(*id) >= course.next());
    let message = wrong(&course, behind, live);
    let message = format!("{message}{}{}", unknown(users), in_hand(sequence));
    let found = |message: &str| {
        person(
            Reason::SequenceBehind,
            ConditionType::SchemaCompatible,
            Severity::Error,
            Some(sequence.object.clone()),
            message.to_owned(),
        )
    };
    if !sequence.settable {
        let lacking = Grant { rights: &[Right::Usage, Right::Update], on: On::Sequence(&sequence.object) };
        let grant = rights::granted(target.hints, &users.rights.role, [lacking]);
        let why = format!("; the role may not set it: {grant}");
        return Some(found(&format!("{message}{why}")).blocked_by(Reason::PrivilegeMissing));
    }
    let above = behind.or_else(|| course.id(course.next() - 1))?;
    let Some((past, _)) = course.past(above) else {
        let why = no_id_left(target.hints, &course, behind, live);
        return Some(found(&format!("{message}; {why}")).blocked_by(Reason::RepairUnsupported));
    };
    let mut found = found(&message).with_step(Step::AdvanceSequence {
        sequence: sequence.object.clone(),
        past,
        descends: sequence.descends(),
    });
    found.approval = asked_first(observation, &course, past);
    Some(found)
}

/// What comes of it if the sequence stays where it is: it is behind an id, or the id column refuses what it gives next.
/// `live`: the farthest id of a user that it is behind.
fn wrong(course: &Course<'_>, behind: Option<i64>, live: Option<i64>) -> String {
    let Course { sequence, users } = course;
    let Some(farthest) = behind else {
        return format!(
            "the sequence {} gives {} next, which the id column refuses ({}), so the next sign-up fails",
            sequence.object.describe(),
            sequence.next,
            checks(&users.takes.checks)
        );
    };
    let way = if sequence.descends() { "down" } else { "up" };
    format!(
        "the sequence {} gives {} next{}, and {}: {}",
        sequence.object.describe(),
        sequence.next,
        // A standby replays that a sequence went on before it does.
        if sequence.ahead { " at the latest, as far as a standby knows" } else { "" },
        match live {
            Some(id) if id == farthest => format!("ids in use go {way} to {id}"),
            Some(id) =>
                format!("ids in use go {way} to {id}, those that rows still name {way} to {farthest}"),
            None => format!("ids that rows still name go {way} to {farthest}"),
        },
        match live {
            Some(_) if sequence.next_used && !sequence.ahead => "the next sign-up fails with a duplicate key",
            Some(_) => "sign-ups fail with a duplicate key once it comes to them",
            None if sequence.ahead => "sign-ups inherit somebody's old rows and tokens once it comes to them",
            None => "a sign-up that gets one of those ids inherits somebody's old rows and tokens",
        },
    )
}

/// Why the sequence is not moved, and what a person does about it.
fn no_id_left(hints: &dyn Hints, course: &Course<'_>, behind: Option<i64>, live: Option<i64>) -> String {
    let Course { sequence, users } = course;
    let (beyond, last) = (course.beyond(), course.end());
    let (of, remedy) = if course.ended_by_itself() {
        ("that the sequence gives, and the id column takes more", format!("Run {}", course.widened(hints)))
    } else if course.ended_by_checks() {
        ("that there can be", format!("Widen or drop {}", checks(&users.takes.checks)))
    } else {
        ("that there can be", "Give the id column a wider type".to_owned())
    };
    let mend = behind.filter(|far| live != Some(*far));
    let mend = mend.map_or_else(String::new, |far| format!(", or mend the rows that name {far}"));
    let left = behind.unwrap_or(sequence.next);
    format!(
        "it is not moved, since no id is left {beyond} {left}: {last} is the last one {of}. {remedy}{mend}"
    )
}

/// Why a person must say that the sequence is to go past an id.
fn asked_first(observation: &Observation, course: &Course<'_>, past: i64) -> Option<String> {
    let descends = course.sequence.descends();
    let ends = observation.references.iter().filter_map(|reference| reference.last);
    // The first number of an integer type is one farther from 0 than its last one.
    let ends = ends.map(|last| if descends { i128::from(last) + 1 } else { i128::from(last) });
    let (beyond, end) = (course.beyond(), course.place(course.end()));
    if wasteful(course.next(), course.place(past), end, ends) {
        return Some(format!("going {beyond} {past} uses up more than half of the ids that are left"));
    }
    leaps(course, past).map(|what| format!("going {beyond} {past} makes new ids {what}"))
}

/// Whether the sequence has an id to give to a new account, once it has been moved where it has to be.
pub fn is_spent(observation: &Observation, users: &UserTable, sequence: &SequenceFacts) -> bool {
    let course = Course { sequence, users };
    if sequence.ahead {
        return false;
    }
    let end = course.place(course.end());
    if course.next() > end || (course.next() == end && sequence.next_used) {
        return true;
    }
    let behind = farthest(observation, &course).filter(|id| course.place(*id) >= course.next());
    let refused = course.taken(sequence.next) != Some(sequence.next);
    match behind.or_else(|| course.id(course.next() - 1).filter(|_| refused)) {
        Some(above) => course.past(above).is_none(),
        None => false,
    }
}

/// Of the ids in use and those that rows name, the one that the sequence comes to last.
fn farthest(observation: &Observation, course: &Course<'_>) -> Option<i64> {
    let named: Vec<i64> = if course.sequence.descends() {
        named_below(observation).collect()
    } else {
        named(observation).collect()
    };
    let ids = named.into_iter().chain(course.sequence.used);
    ids.filter(|id| course.place(*id) < course.place(course.end())).max_by_key(|id| course.place(*id))
}

/// Constraints by their names.
fn checks(names: &[String]) -> String {
    format!("CHECK {}", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
}

/// What is not known of the ids that come.
fn unknown(users: &UserTable) -> String {
    match users.takes.unknown.as_slice() {
        [] => String::new(),
        names => format!("; which ids {} of the id column takes was not looked at", checks(names)),
    }
}

/// What sessions took in hand before the sequence is moved they give out all the same.
fn in_hand(sequence: &SequenceFacts) -> String {
    match sequence.cache {
        ..=1 => String::new(),
        cache => format!(
            "; sessions that have numbers in hand (CACHE {cache}) go on with those until they end, so restart the app after it is moved"
        ),
    }
}

/// The sequence stands where the ids end, or itself does.
fn exhausted(hints: &dyn Hints, course: &Course<'_>, farthest: Option<i64>) -> Finding {
    let Course { sequence, users } = course;
    let itself = course.ended_by_itself();
    let mut ways = vec![if itself {
        format!("run {}", course.widened(hints))
    } else if course.ended_by_checks() {
        format!("widen or drop {} of the id column", checks(&users.takes.checks))
    } else {
        "give the id column and the sequence a wider type".to_owned()
    }];
    let last = course.end();
    let of = if itself {
        "the last one that it gives, though the id column takes more"
    } else {
        "the last id that there can be"
    };
    let why = if sequence.next == last {
        format!("which is {of}, and which somebody has")
    } else {
        // Who has the last one of a column may be a mark of the app; a sequence that ends before has given it.
        ways.extend(set_back(hints, course, farthest).filter(|_| !(itself && sequence.last_used)));
        let used = if sequence.last_used { ", which somebody has," } else { "" };
        format!("and {last}{used} is {of}")
    };
    person(
        Reason::SequenceBehind,
        ConditionType::SchemaCompatible,
        Severity::Error,
        Some(sequence.object.clone()),
        format!(
            "the sequence {} gives {} next, {why}, so every sign-up fails: {}",
            sequence.object.describe(),
            sequence.next,
            ways.join(", or, "),
        ),
    )
    .blocked_by(Reason::RepairUnsupported)
}

/// How a sequence that went too far is set back to where ids have come, as far as that is known.
fn set_back(hints: &dyn Hints, course: &Course<'_>, farthest: Option<i64>) -> Option<String> {
    let Course { sequence, users } = course;
    // Of several servers that take turns, only those ids were looked at that are still to come.
    if sequence.descends() && sequence.increment < -1 {
        return None;
    }
    let all = users.highest_id.filter(|_| !sequence.descends());
    let start = sequence.start();
    let start = course.taken(start).unwrap_or(start);
    let far = farthest.into_iter().chain(all).max_by_key(|id| course.place(*id));
    let far = far.filter(|id| course.place(*id) >= course.place(start));
    // What it would give next then may be the last id that there can be, and somebody's, or beyond it.
    let step = i128::from(sequence.increment.unsigned_abs());
    let then = far.map_or(Some(start), |far| course.id(course.place(far) + step));
    let then = course.place(course.taken(then?)?);
    let end = course.place(course.end());
    if then > end || (then == end && sequence.last_used) {
        return None;
    }
    let beyond =
        far.map_or_else(|| format!("ids from {start} on"), |far| format!("ids {} {far}", course.beyond()));
    let set = hints.set_sequence(&sequence.object, far.unwrap_or(start), far.is_some());
    Some(format!("where {beyond} were never given to anybody, set it back by {set}"))
}

/// What a sequence gives next once it has gone past a place, in its own steps.
fn past_in_steps(next: i128, increment: i64, past: i128) -> i128 {
    let step = i128::from(increment.unsigned_abs().max(1));
    let missing = (past - next + 1).max(0);
    next + (missing + step - 1) / step * step
}

/// Whether going past an id uses up more than half of the ids that are left: one row with a nonsense id must
/// not do that. Ids end where a column that names them ends, since nobody beyond could have rows there.
fn wasteful(next: i128, past: i128, last: i128, columns_end: impl Iterator<Item = i128>) -> bool {
    let end = columns_end.filter(|end| *end > next).chain([last]).min().unwrap_or(last);
    past > next + (end - next).max(0) / 2
}

/// The ends of 32 bits, signed and not, and of what JavaScript reads exactly: what has one of these is as likely a
/// mark of the app as somebody's id.
const MARKS: [i128; 4] = [i32::MAX as i128, -(i32::MIN as i128), u32::MAX as i128, (1 << 53) - 1];

/// What new ids would be for the first time if the sequence went past an id that no account has: one row with
/// somebody else's number in it, or with what another system wrote for "nobody", must not do that unasked.
fn leaps(course: &Course<'_>, past: i64) -> Option<&'static str> {
    let used = course.sequence.used.map(|id| course.place(id)).filter(|id| !MARKS.contains(id));
    let before = used.unwrap_or(0).max(course.next());
    let leaves = |end: i128| before <= end && course.place(past) >= end;
    // ECMA-262 2025, Number.MAX_SAFE_INTEGER.
    if leaves((1 << 53) - 1) {
        Some("longer than JavaScript reads exactly")
    } else if leaves(if course.sequence.descends() { -i128::from(i32::MIN) } else { i128::from(i32::MAX) }) {
        Some("longer than 32 bits")
    } else {
        None
    }
}

/// Nothing can be said of a sequence that the role may not read.
fn unread(name: &str) -> Finding {
    person(
        Reason::PrivilegeMissing,
        ConditionType::SchemaCompatible,
        Severity::Error,
        None,
        format!(
            "the role may not read the sequence {name}, so nobody can say whether it is behind: run what `auth-consistency grants` prints"
        ),
    )
}

/// A standby replays that a sequence went on before it does, some numbers at a time.
fn untold(sequence: &SequenceFacts) -> Finding {
    person(
        Reason::RowsUnreadable,
        ConditionType::SchemaCompatible,
        Severity::Warning,
        Some(sequence.object.clone()),
        format!(
            "a standby does not know where the sequence {} stands, so whether it is behind was not looked at: check the primary",
            sequence.object.describe()
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::report::ObjectRef;
    use crate::domain::facts::{key_kind::KeyKind, references::TableRights};
    use crate::domain::facts::{new_ids::Takes, seed::SeedFacts};

    const INTEGER: i64 = i32::MAX as i64;

    fn sequence(next: i64, increment: i64) -> SequenceFacts {
        SequenceFacts {
            object: ObjectRef::default(),
            next,
            increment,
            maximum: i64::MAX,
            minimum: i64::MIN,
            cycle: false,
            cache: 1,
            settable: true,
            used: None,
            next_used: false,
            ahead: false,
            column_end: i64::MAX,
            last_used: false,
        }
    }

    fn users(sequence: SequenceFacts, takes: Takes) -> UserTable {
        UserTable {
            object: ObjectRef::default(),
            object_id: 1,
            id_type: "integer".into(),
            id_kind: KeyKind::Integer,
            password_column: None,
            password_type: None,
            first_id: i64::from(i32::MIN).max(takes.first().unwrap_or(i64::MIN)),
            last_id: i64::from(i32::MAX).min(takes.last().unwrap_or(i64::MAX)),
            shared_ids: None,
            highest_id: None,
            subject_kind: None,
            seed: SeedFacts::default(),
            passwords: BTreeMap::new(),
            rights: TableRights::default(),
            id_default: IdDefault::Sequence(sequence),
            takes,
        }
    }

    fn past(next: i64, increment: i64, ranges: &[(i64, i64)], id: i64) -> Option<(i64, i64)> {
        let sequence = sequence(next, increment);
        let takes = Takes { ranges: ranges.to_vec(), ..Takes::default() };
        let users = users(sequence.clone(), takes);
        Course { sequence: &sequence, users: &users }.past(id)
    }

    #[test]
    fn a_sequence_goes_past_an_id_in_its_own_steps_and_direction() {
        const ALL: &[(i64, i64)] = &[(i64::MIN, i64::MAX)];
        for (next, increment, id, then) in [
            (4, 1, 9, Some((9, 10))),
            (4, 1, 4, Some((4, 5))),
            // Two servers take turns: this one gives odd numbers.
            (5, 2, 8, Some((8, 9))),
            (5, 2, 9, Some((9, 11))),
            (1, 50, 120, Some((120, 151))),
            (4, 1, INTEGER - 1, None),
            (4, 1, i64::MAX, None),
            (4, i64::MAX, 9, None),
            (-4, -1, -9, Some((-9, -10))),
            (-5, -2, -8, Some((-8, -9))),
            (1000, -1, 4, Some((4, 3))),
            (-4, -1, -INTEGER, None),
            (-4, -1, i64::MIN, None),
        ] {
            assert_eq!(past(next, increment, ALL, id), then, "{next} by {increment} past {id}");
        }
    }

    #[test]
    fn a_sequence_goes_on_where_the_checks_take_ids_again() {
        let ranges = &[(-20, -11), (1, 9), (20, 99)];
        for (next, increment, id, then) in [
            (4, 1, 7, Some((7, 8))),
            (4, 1, 9, Some((19, 20))),
            (4, 1, 15, Some((19, 20))),
            (5, 2, 9, Some((19, 21))),
            (4, 1, 98, None),
            (-3, -1, -4, Some((-10, -11))),
            (-3, -2, -4, Some((-10, -11))),
            (-3, -1, -19, None),
        ] {
            assert_eq!(past(next, increment, ranges, id), then, "{next} by {increment} past {id}");
        }
    }

    #[test]
    fn more_than_half_is_of_what_the_columns_can_hold() {
        const END: i128 = INTEGER as i128;
        let none = || std::iter::empty();
        assert!(!wasteful(4, 1_000_000_000, END, none()));
        assert!(wasteful(4, 2_000_000_000, END, none()), "of an integer column");
        assert!(!wasteful(4, 2_000_000_000, i64::MAX.into(), none()), "of a bigint column");
        assert!(wasteful(4, 2_000_000_000, i64::MAX.into(), [END].into_iter()), "integers name them");
        assert!(wasteful(4, 20_000, i64::MAX.into(), [END, 32_767].into_iter()), "a smallint names them");
        assert!(!wasteful(40_000, 50_000, END, [32_767].into_iter()), "the smallint is passed already");
        assert!(wasteful(0, END, i128::from(i64::MAX), [END].into_iter()), "all of it");
    }

    #[test]
    fn an_id_that_no_account_has_does_not_make_new_ones_longer_than_they_were() {
        for (increment, next, used, past, asks) in [
            (1, 4, Some(3), 4_294_967_295, true),
            (1, 4, Some(3), 2_147_483_647, true),
            (1, 4, None, 823_746_512_983_746_561, true),
            (1, 4, Some(3), 2_147_483_646, false),
            (1, 3_000_000_000, Some(2_999_999_999), 4_294_967_295, false),
            (1, 3_000_000_000, Some(2_999_999_999), 9_007_199_254_740_991, true),
            (1, 4, Some(5_000_000_000), 5_000_000_007, false),
            (1, 4, Some(4_294_967_295), 4_294_967_295, true),
            (-1, -4, Some(-3), -2_147_483_647, false),
            (-1, -4, Some(-3), -2_147_483_648, true),
            (-1, -4, Some(-5_000_000_000), -5_000_000_007, false),
        ] {
            let sequence = SequenceFacts { used, ..sequence(next, increment) };
            let users = users(sequence.clone(), Takes::default());
            let course = Course { sequence: &sequence, users: &users };
            assert_eq!(leaps(&course, past).is_some(), asks, "{next} {used:?} {past}");
        }
    }
}
