use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::facts::sessions::{Audience, Changes, Ended, Invalidation, MovedId, NewKey, Shifted};

fn moved(to: &str, held: bool, reused: bool) -> MovedId {
    MovedId { run: "r1".into(), step: 2, from: "4711".into(), to: to.into(), reused, held }
}

fn shifted(ids: &[&str]) -> Option<Shifted> {
    Some(Shifted { list: "abc".into(), ids: ids.iter().map(|id| (*id).to_owned()).collect() })
}

fn key(guessable: bool) -> Option<NewKey> {
    Some(NewKey { fingerprint: "f1".into(), before: "old/key".into(), guessable })
}

fn ended(cause: &str, accounts: Option<&[&str]>) -> Ended {
    let accounts = accounts.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
    Ended { cause: cause.into(), accounts, restored: false }
}

fn time() -> Mechanism {
    Mechanism::Time { column: "tokens_valid_after".into() }
}

fn stamp() -> Mechanism {
    Mechanism::Stamp { column: "security_stamp".into() }
}

fn rows(at: usize) -> Mechanism {
    let table = ["refresh_tokens", "sessions"][at].to_owned();
    Mechanism::Rows { at, schema: "auth".into(), table, column: "user_id".into() }
}

fn ids(due: &Invalidation) -> Vec<&str> {
    match &due.whom {
        Audience::Everybody => vec!["everybody"],
        Audience::Accounts(ids) => ids.iter().map(String::as_str).collect(),
    }
}

#[test]
fn nothing_has_changed_so_nobody_signs_in_again() {
    assert_eq!(Changes::default().due(None), None);
    assert!(!Changes::default().list_ended(&[time()]));
    assert_eq!(Changes { shifted: shifted(&[]), ..Changes::default() }.due(None), None);
}

#[test]
fn who_has_an_id_that_named_another_person_signs_in_again() {
    let changes = Changes { moves: vec![moved("1", true, false)], ..Changes::default() };
    let due = changes.due(None).unwrap();
    assert_eq!(ids(&due), ["1"]);
    assert!(due.follows_a_move(), "only the account that was moved");
    assert_eq!(due.severity(), Severity::Warning);
    let changes = Changes { moves: vec![moved("1", true, true)], ..Changes::default() };
    let due = changes.due(None).unwrap();
    assert_eq!(ids(&due), ["1", "4711"]);
    assert_eq!(due.severity(), Severity::Error);
    assert!(!due.follows_a_move(), "somebody else who has the admin's old id is asked about");
    let nobody = Changes { moves: vec![moved("1", false, false)], ..Changes::default() };
    assert_eq!(nobody.due(None), None, "nobody has either id today");
    let both =
        Changes { moves: vec![moved("1", true, false)], shifted: shifted(&["2", "3"]), ..Changes::default() };
    let due = both.due(None).unwrap();
    assert_eq!((ids(&due), due.causes.len(), due.follows_a_move()), (vec!["1", "2", "3"], 2, false));
}

#[test]
fn everybody_signs_in_again_for_a_new_key_whatever_else_has_changed() {
    let changes = Changes { shifted: shifted(&["2"]), key: key(false), ..Changes::default() };
    let due = changes.due(None).unwrap();
    assert_eq!((ids(&due), due.causes.len(), due.severity()), (vec!["everybody"], 2, Severity::Error));
    let planned = Changes { key: key(false), ..Changes::default() };
    assert_eq!(planned.due(None).unwrap().severity(), Severity::Warning, "it was meant so");
    let guessable = Changes { key: key(true), ..Changes::default() };
    assert_eq!(guessable.due(None).unwrap().severity(), Severity::Error);
}

#[test]
fn what_was_done_is_done_once_for_each_move_each_list_and_each_key() {
    let mut changes = Changes {
        moves: vec![moved("1", true, true)],
        shifted: shifted(&["2", "3"]),
        key: key(false),
        shifted_rows: None,
        ended: vec![ended("move r1/2", Some(&["1", "4711"]))],
    };
    assert_eq!(changes.due(None).unwrap().causes.len(), 2);
    changes.ended.push(ended("key f1", None));
    assert_eq!(ids(&changes.due(None).unwrap()), ["2", "3"]);
    changes.ended.push(ended("list other", Some(&["2", "3"])));
    assert_eq!(ids(&changes.due(None).unwrap()), ["2", "3"], "another list says nothing of this one");
    changes.ended.push(ended("list abc", Some(&["2"])));
    assert_eq!(ids(&changes.due(None).unwrap()), ["3"], "only who came since");
    assert!(!changes.list_ended(&[time()]));
    changes.ended.push(ended("list abc", Some(&["3"])));
    assert_eq!(changes.due(None), None);
    assert!(changes.list_ended(&[time()]));
    changes.ended.iter_mut().for_each(|one| one.restored = true);
    assert_eq!(changes.due(None), None, "who puts the previous values back is not overruled");
    assert!(!changes.list_ended(&[time()]), "but then old tokens count");
    changes.key.as_mut().unwrap().fingerprint = "f2".into();
    assert_eq!(ids(&changes.due(None).unwrap()), ["everybody"]);
}

#[test]
fn each_means_is_done_by_itself_and_the_list_is_done_by_all_of_them() {
    let mut changes = Changes {
        moves: vec![moved("1", true, false)],
        shifted: shifted(&["2", "3"]),
        shifted_rows: shifted(&["2", "3"]),
        ended: vec![ended("move r1/2", Some(&["1"])), ended("list abc", Some(&["2", "3"]))],
        ..Changes::default()
    };
    assert_eq!(changes.due(Some(&time())), None);
    let by_stamp = changes.due(Some(&stamp())).unwrap();
    assert_eq!(ids(&by_stamp), ["1", "2", "3"], "what a time has ended, no stamp has");
    assert_eq!(by_stamp.remembered(), ["move r1/2 by \"security_stamp\"", "list abc by \"security_stamp\""]);
    let by_rows = changes.due(Some(&rows(0))).unwrap();
    assert_eq!(ids(&by_rows), ["2", "3"], "rows of the account that was moved went along with it");
    assert_eq!(by_rows.remembered(), ["list abc by \"auth\".\"refresh_tokens\".\"user_id\""]);
    assert_ne!(by_rows.digest(), changes.due(Some(&rows(1))).unwrap().digest());
    assert!(changes.list_ended(&[time()]) && !changes.list_ended(&[time(), rows(0)]));
    for cause in by_rows.remembered() {
        changes.ended.push(ended(&cause, Some(&["2", "3"])));
    }
    assert_eq!(changes.due(Some(&rows(0))), None);
    assert!(changes.due(Some(&rows(1))).is_some(), "another table is another one");
    assert!(changes.list_ended(&[time(), rows(0)]) && !changes.list_ended(&[time(), rows(1)]));
    assert!(
        !changes.list_ended(&[rows(0)]),
        "no row that is gone ends a token that names its user by itself"
    );
    // Tokens that are worth nothing, or name users by something else, say nothing of sessions in a table.
    changes.shifted = None;
    changes.ended.clear();
    assert_eq!(changes.due(Some(&time())).map(|due| due.causes.len()), Some(1), "the move alone");
    assert!(changes.due(Some(&rows(0))).is_some());
}

#[test]
fn an_approval_is_bound_to_causes_and_accounts() {
    let of = |changes: Changes| changes.due(Some(&time())).unwrap().digest();
    let two = of(Changes { shifted: shifted(&["2", "3"]), ..Changes::default() });
    let all = [
        two.clone(),
        of(Changes { shifted: shifted(&["2"]), ..Changes::default() }),
        of(Changes { shifted: shifted(&["23"]), ..Changes::default() }),
        of(Changes { key: key(false), ..Changes::default() }),
        of(Changes { moves: vec![moved("2", true, false)], ..Changes::default() }),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(of(Changes { shifted: shifted(&["2", "3"]), ..Changes::default() }), two);
}

#[test]
fn a_time_is_held_by_timestamps_and_wide_integers_alone() {
    assert_eq!(TimeKind::of("timestamptz"), Some(TimeKind::Zoned));
    assert_eq!(TimeKind::of("timestamp"), Some(TimeKind::Utc));
    assert_eq!(TimeKind::of("int4"), Some(TimeKind::Seconds32));
    assert_eq!(TimeKind::of("int8"), Some(TimeKind::Seconds64));
    for other in ["date", "int2", "numeric", "float8", "text", "time", "interval", "uuid", "bool"] {
        assert_eq!(TimeKind::of(other), None, "{other}");
    }
}

proptest! {
    /// Whatever has changed and was done before: once what is due is remembered, nothing is due.
    #[test]
    fn what_is_due_and_remembered_is_never_due_again(
        moves in proptest::collection::vec((0_i64..4, any::<bool>(), any::<bool>()), 0..4),
        list in proptest::option::of(proptest::collection::btree_set("[1-9]", 0..5)),
        new_key in any::<Option<bool>>(),
        by in 0_usize..5,
        before in proptest::collection::vec((0_usize..3, proptest::collection::btree_set("[1-9]", 0..5)), 0..3),
    ) {
        let means = [time(), stamp(), rows(0), rows(1)];
        let by = means.get(by);
        let mark = by.map(Mechanism::mark).unwrap_or_default();
        let mut changes = Changes {
            moves: moves.into_iter().map(|(step, held, reused)| MovedId { step, ..moved("1", held, reused) }).collect(),
            shifted: list.clone().map(|ids| Shifted { list: "abc".into(), ids: ids.into_iter().collect() }),
            shifted_rows: list.map(|ids| Shifted { list: "abc".into(), ids: ids.into_iter().collect() }),
            key: new_key.and_then(key),
            ended: before.into_iter().map(|(at, ids)| Ended {
                cause: format!("{}{mark}", ["list abc", "move r1/1", "key f0"][at]), accounts: Some(ids), restored: false,
            }).collect(),
        };
        let meant: BTreeSet<String> = changes.shifted.iter().flat_map(|list| list.ids.clone()).collect();
        let done: BTreeSet<String> = changes.ended.iter().filter(|one| one.cause == format!("list abc{mark}"))
            .flat_map(|one| one.accounts.clone().unwrap_or_default()).collect();
        let due = changes.due(by);
        if let Some(due) = &due {
            let accounts = match &due.whom {
                Audience::Everybody => None,
                Audience::Accounts(ids) => {
                    prop_assert!(meant.difference(&done).all(|id| ids.contains(id)), "nobody is forgotten");
                    prop_assert!(ids.is_sorted() && !ids.is_empty());
                    let moved = ["1".to_owned(), "4711".to_owned()];
                    prop_assert!(ids.iter().all(|id| moved.contains(id) || meant.contains(id)), "nobody else");
                    Some(ids.iter().cloned().collect::<BTreeSet<_>>())
                }
            };
            for cause in due.remembered() {
                changes.ended.push(Ended { cause, accounts: accounts.clone(), restored: false });
            }
        }
        prop_assert_eq!(changes.due(by), None);
        let ended = by.is_some_and(|by| changes.list_ended(std::slice::from_ref(by)));
        let known = changes.ended.iter().any(|one| one.cause == format!("list abc{mark}"));
        let of_tokens = by.is_some_and(|by| !by.of_rows());
        prop_assert!(changes.shifted.is_none() || !known || !of_tokens || ended);
    }
}
