use crate::{
    api::condition::Reason,
    domain::{
        facts::{
            accounts::AdminFacts,
            ledger::Bookkeeping,
            references::{Comparison, Orphans, TableRights},
            schema::{SchemaFault, Server},
        },
        finding::person,
        incremental::partial_scan::{PartialScan, Unfinished},
    },
};

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn marks() -> TableMarks {
    TableMarks {
        catalog: "1 700".into(),
        storage: 77,
        countable: true,
        inserted: 10,
        updated: 20,
        deleted: 30,
    }
}

fn object(table: &str) -> ObjectRef {
    ObjectRef {
        schema: "public".into(),
        table: table.into(),
        columns: vec!["user_id".into()],
        constraint: Some(format!("{table}_fkey")),
    }
}

fn reading(tables: &[&str]) -> Reading {
    Reading {
        server: ServerMarks {
            identity: DatabaseIdentity { system: "7".into(), database: 5 },
            started: "monday".into(),
            reset: "never".into(),
            standby: false,
            counting: true,
            role: "10 f".into(),
        },
        users: marks(),
        users_written: 60,
        references: tables.iter().map(|table| (place(&object(table)), marks())).collect(),
    }
}

fn reference(table: &str, rows: i64) -> Reference {
    Reference {
        object: object(table),
        parent_columns: vec!["id".into()],
        definition: "FOREIGN KEY (user_id) REFERENCES public.users(id)".into(),
        soft: false,
        validated: true,
        enforcement: Default::default(),
        types: None,
        partial: false,
        unconvertible: None,
        defaulted: false,
        comparison: Comparison::Native,
        orphans: Orphans { rows, ..Orphans::default() },
        table_rows: 0,
        unsupported: None,
        keyed: true,
        shared: Vec::new(),
        not_null: false,
        credentials: None,
        collisions: Vec::new(),
        surplus: Some(0),
        dependents: Vec::new(),
        takes: Vec::new(),
        cascades: Vec::new(),
        lacking: Default::default(),
        partition_keys: Vec::new(),
        twins: Vec::new(),
        rights: TableRights::default(),
        unfit: None,
        in_the_way: None,
        names_id: true,
        last: None,
    }
}

fn observation(references: Vec<Reference>) -> Observation {
    Observation {
        server: Server {
            version: "15.18".into(),
            identity: DatabaseIdentity { system: "7".into(), database: 5 },
            read_only: None,
        },
        users: Err(SchemaFault::TableMissing { alike: Vec::new() }),
        bookkeeping: Bookkeeping::default(),
        admin: Some(AdminFacts {
            account: None,
            exact: 1,
            look_alikes: 2,
            namesakes: Default::default(),
            wanted: None,
        }),
        accounts: vec![AdminFacts {
            account: None,
            exact: 1,
            look_alikes: 3,
            namesakes: Default::default(),
            wanted: None,
        }],
        references,
        identities: None,
        sessions: None,
        foreign: Vec::new(),
        relied: 0,
        skipped: Vec::new(),
        unchecked: Vec::new(),
        missing_constraints: Vec::new(),
        elsewhere: Vec::new(),
        undeclared: Default::default(),
        constraints: Vec::new(),
        spellings: Vec::new(),
        untrusted: Vec::new(),
        unreached: Vec::new(),
    }
}

fn finding(severity: Severity, condition: ConditionType) -> Finding {
    person(Reason::ConstraintUnvalidated, condition, severity, None, "something".into())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn settled(tables: &[&str]) -> Baseline {
    let references = tables.iter().map(|table| reference(table, 0)).collect();
    Baseline::after(at(0), reading(tables), &observation(references), &[]).unwrap()
}

fn tables(relied: &Reuse) -> Vec<&str> {
    relied.references.iter().map(|one| one.object.table.as_str()).collect()
}

/// What changes a reading, and which of the tables `a` and `b` are looked at then.
type Change = (fn(&mut Reading), &'static [&'static str], Option<Moved>);

fn at_a(reading: &mut Reading) -> &mut TableMarks {
    reading.references.get_mut(&place(&object("a"))).unwrap()
}

const BOTH: &[&str] = &["a", "b"];
const CHANGES: &[Change] = &[
    (|_| (), &[], None),
    (|now| at_a(now).inserted += 1, &["a"], Some(Moved::Rows)),
    (|now| at_a(now).updated += 1, &["a"], Some(Moved::Rows)),
    (|now| at_a(now).deleted += 1, &[], None),
    (|now| at_a(now).deleted -= 1, &["a"], Some(Moved::StatisticsReset)),
    (|now| at_a(now).inserted = 0, &["a"], Some(Moved::StatisticsReset)),
    (|now| at_a(now).storage += 1, &["a"], Some(Moved::Storage)),
    (|now| at_a(now).catalog.push('1'), &["a"], Some(Moved::Catalog)),
    (|now| at_a(now).countable = false, &["a"], Some(Moved::NotCounted)),
    (|now| drop(now.references.remove(&place(&object("a")))), &["a"], Some(Moved::Unknown)),
    (|now| now.users.inserted += 1, &[], None),
    (|now| now.users.updated += 1, BOTH, Some(Moved::Users)),
    (|now| now.users.deleted += 1, BOTH, Some(Moved::Users)),
    (|now| now.users.inserted -= 1, BOTH, Some(Moved::Users)),
    (|now| now.users.storage += 1, BOTH, Some(Moved::Users)),
    (|now| now.users.catalog.push('1'), BOTH, Some(Moved::Users)),
    (|now| now.server.identity.database += 1, BOTH, Some(Moved::OtherServer)),
    (|now| now.server.identity.system.push('1'), BOTH, Some(Moved::OtherServer)),
    (|now| now.server.started.push('1'), BOTH, Some(Moved::OtherServer)),
    (|now| now.server.reset.push('1'), BOTH, Some(Moved::StatisticsReset)),
    (|now| now.server.standby = true, BOTH, Some(Moved::Standby)),
    (|now| now.server.counting = false, BOTH, Some(Moved::NotCounted)),
    (|now| now.server.role.push('1'), BOTH, Some(Moved::Role)),
];

#[test]
fn what_moves_is_looked_at_and_nothing_else_is() {
    let settled = settled(BOTH);
    for (number, (change, looked, why)) in CHANGES.iter().enumerate() {
        let mut now = reading(BOTH);
        change(&mut now);
        let relied = settled.rely(&now, at(60), DAY);
        let left: Vec<&str> = BOTH.iter().copied().filter(|table| !looked.contains(table)).collect();
        assert_eq!(tables(&relied), left, "change {number}");
        let again: Vec<_> = relied.moved.iter().map(|(place, why)| (place.table.as_str(), *why)).collect();
        let expected: Vec<_> = looked.iter().filter_map(|table| why.map(|why| (*table, why))).collect();
        assert_eq!(again, expected, "change {number}");
        for table in BOTH {
            assert_eq!(relied.on(&object(table)), left.contains(table), "change {number}");
        }
        assert_eq!(relied.rest.is_some(), looked.is_empty(), "change {number}");
        let server =
            now.server != settled.reading.server || settled.reading.users.catalog != now.users.catalog;
        assert_eq!(relied.same_users, !server, "change {number}");
    }
}

#[test]
fn a_standby_and_a_server_that_does_not_count_are_never_relied_on() {
    for change in [(|one: &mut Reading| one.server.standby = true) as fn(&mut Reading), |one| {
        one.server.counting = false;
    }] {
        let mut same = reading(BOTH);
        change(&mut same);
        let seen = observation(vec![reference("a", 0), reference("b", 0)]);
        let settled = Baseline::after(at(0), same.clone(), &seen, &[]).unwrap();
        assert!(settled.rely(&same, at(1), DAY).is_nothing());
    }
}

#[test]
fn a_deep_look_is_due_after_its_interval_and_when_the_clock_was_set_back() {
    let settled = settled(BOTH);
    let now = reading(BOTH);
    assert_eq!(tables(&settled.rely(&now, at(86_399), DAY)), BOTH);
    assert!(settled.rely(&now, at(86_400), DAY).is_nothing());
    assert!(settled.rely(&now, at(-1), DAY).is_nothing());
    let later = settled.renewed(now.clone(), &observation(vec![reference("a", 0), reference("b", 0)]));
    assert!(later.rely(&now, at(86_400), DAY).is_nothing(), "a hint does not make the deep look younger");
}

#[test]
fn accounts_that_look_alike_are_counted_again_as_soon_as_anybody_writes_to_the_user_table() {
    let settled = settled(BOTH);
    let mut now = reading(BOTH);
    assert_eq!(settled.rely(&now, at(1), DAY).look_alikes, Some(2));
    assert_eq!(settled.rely(&now, at(1), DAY).alike_beside, Some(vec![3]));
    now.users_written += 1;
    let relied = settled.rely(&now, at(1), DAY);
    assert_eq!((relied.look_alikes, &relied.alike_beside), (None, &None));
    assert_eq!(tables(&relied), BOTH, "it may have been no key");
    assert!(relied.same_users, "its columns are as they were");
    now.users_written -= 1;
    now.users.deleted += 1;
    assert_eq!(settled.rely(&now, at(1), DAY).look_alikes, None);
}

#[test]
fn a_new_reference_makes_the_scope_anew_and_leaves_the_others_alone() {
    let settled = settled(BOTH);
    let relied = settled.rely(&reading(&["a", "b", "c"]), at(60), DAY);
    assert_eq!(tables(&relied), BOTH);
    assert!(!relied.on(&object("c")));
    assert_eq!(relied.rest, None);
}

#[test]
fn a_reference_with_accepted_orphans_is_always_looked_at() {
    let seen = observation(vec![reference("a", 3), reference("b", 0)]);
    let settled = Baseline::after(at(0), reading(BOTH), &seen, &[]).unwrap();
    let relied = settled.rely(&reading(BOTH), at(60), DAY);
    assert_eq!(tables(&relied), ["b"]);
    assert_eq!(relied.rest, None);
}

#[test]
fn a_reference_that_came_after_the_counters_were_read_is_not_relied_on() {
    let seen = observation(vec![reference("a", 0), reference("b", 0)]);
    let settled = Baseline::after(at(0), reading(&["a"]), &seen, &[]).unwrap();
    let relied = settled.rely(&reading(&["a"]), at(60), DAY);
    assert_eq!(tables(&relied), ["a"]);
    assert_eq!(relied.rest, None);
}

#[test]
fn errors_and_anything_about_references_leave_nothing_to_rely_on() {
    let seen = observation(vec![reference("a", 0)]);
    let after = |found: &[Finding]| Baseline::after(at(0), reading(&["a"]), &seen, found);
    use ConditionType as C;
    assert!(after(&[finding(Severity::Warning, C::SchemaCompatible)]).is_some());
    assert!(after(&[finding(Severity::Critical, C::SigningKeyTrusted)]).is_some());
    assert!(after(&[finding(Severity::Error, C::SchemaCompatible)]).is_none());
    assert!(after(&[finding(Severity::Error, C::AdminConsistent)]).is_none());
    assert!(after(&[finding(Severity::Warning, C::ReferencesConsistent)]).is_none());
}

#[test]
fn a_hint_upholds_only_what_was_said_before() {
    let seen = observation(vec![reference("a", 0)]);
    let said = finding(Severity::Warning, ConditionType::SchemaCompatible);
    let settled = Baseline::after(at(0), reading(&["a"]), &seen, std::slice::from_ref(&said)).unwrap();
    assert!(settled.upholds(std::slice::from_ref(&said)));
    assert!(!settled.upholds(&[]), "a finding that went away was not looked into");
    let mut other = said.clone();
    other.finding.message.push('!');
    assert!(!settled.upholds(&[other]));
    assert!(!settled.upholds(&[said.clone(), finding(Severity::Error, ConditionType::AdminConsistent)]));
    let key = finding(Severity::Critical, ConditionType::SigningKeyTrusted);
    assert!(settled.upholds(&[said, key]), "the key is no counter's affair");
}

proptest! {
    /// Whatever is written, and however often it is relied on in between, what was written after the
    /// last look at a reference is looked at.
    #[test]
    fn nothing_written_since_its_last_look_is_passed_over(
        writes in proptest::collection::vec((0_usize..2, 0_i64..3, 0_i64..3, 0_i64..3), 1..20),
    ) {
        let mut settled = settled(BOTH);
        let mut now = reading(BOTH);
        let mut pending = [false; 2];
        for (step, (which, inserted, updated, deleted)) in (1_i64..).zip(writes) {
            let marks = now.references.get_mut(&place(&object(BOTH[which]))).unwrap();
            marks.inserted += inserted;
            marks.updated += updated;
            marks.deleted += deleted;
            pending[which] |= inserted + updated > 0;
            let relied = settled.rely(&now, at(step), DAY);
            for (at, table) in BOTH.iter().enumerate() {
                prop_assert_eq!(relied.on(&object(table)), !pending[at]);
            }
            settled = settled.renewed(now.clone(), &observation(vec![reference("a", 0), reference("b", 0)]));
            pending = [false; 2];
        }
    }
}

/// What a look at `at` of some references leaves, the others being left to the next one.
fn round(
    before: Option<&PartialScan>,
    at_second: i64,
    searched: &[Reference],
    relied: &Reuse,
) -> PartialScan {
    let tried: Vec<_> = searched.iter().map(|one| one.object.clone().into()).collect();
    let mut seen = observation(searched.to_vec());
    let known = |place: &&ObjectRef| relied.rests_on(place);
    let tables = reading(BOTH).references;
    for place in tables.keys().filter(known) {
        let table = place.table.clone();
        seen.references.push(reference(&table, 0));
    }
    seen.unreached = vec![object("c")];
    PartialScan::after(before, relied, at(at_second), reading(BOTH), &seen, &tried).unwrap()
}

fn rests(relied: &Reuse) -> Vec<&'static str> {
    BOTH.iter().copied().filter(|table| relied.on_search_of(&object(table)).is_some()).collect()
}

#[test]
fn a_reference_that_was_searched_is_not_searched_again_until_it_moves_or_is_too_old() {
    let first = round(None, 0, &[reference("a", 0)], &Reuse::default());
    let relied = first.rely(&reading(BOTH), at(10), DAY);
    assert_eq!(rests(&relied), ["a"]);
    assert!(!relied.on(&object("a")), "it is in scope as any other");
    assert_eq!((relied.turn(&object("a")), relied.turn(&object("b"))), (1, 0));
    let second = round(Some(&first), 3600, &[reference("b", 0)], &relied);
    assert_eq!((second.seen(), second.oldest()), (2, Some(at(0))));
    assert_eq!(rests(&second.rely(&reading(BOTH), at(3600), DAY)), BOTH);
    let day = 86_400;
    assert_eq!(rests(&second.rely(&reading(BOTH), at(day), DAY)), ["b"], "each is as old as it is");
    assert_eq!(rests(&second.rely(&reading(BOTH), at(-1), DAY)), [""; 0], "a clock that was set back");
    for (change, expected, why) in CHANGES {
        let mut now = reading(BOTH);
        change(&mut now);
        let relied = second.rely(&now, at(3600), DAY);
        let moved: Vec<&str> = BOTH.iter().copied().filter(|one| !rests(&relied).contains(one)).collect();
        assert_eq!(moved, *expected, "{why:?}");
    }
}

#[test]
fn orphans_that_were_found_are_said_again_only_where_nothing_was_written_at_all() {
    let round = round(None, 0, &[reference("a", 3), reference("b", 0)], &Reuse::default());
    let relied = round.rely(&reading(BOTH), at(10), DAY);
    assert_eq!(relied.on_search_of(&object("a")).flatten().unwrap().reference.orphans.rows, 3);
    assert_eq!(relied.on_search_of(&object("b")), Some(None));
    let changes: [fn(&mut Reading); 3] =
        [|now| at_a(now).deleted += 1, |now| now.users_written += 1, |now| at_a(now).inserted += 1];
    for change in changes {
        let mut now = reading(BOTH);
        change(&mut now);
        assert_eq!(rests(&round.rely(&now, at(10), DAY)), ["b"]);
    }
    let again = round.clone().but(&[object("a")]).rely(&reading(BOTH), at(10), DAY);
    assert_eq!((rests(&again), again.turn(&object("a"))), (vec!["b"], 0), "what is to be mended comes first");
    assert_eq!(rests(&round.mended().rely(&reading(BOTH), at(10), DAY)), ["b"]);
}

#[test]
fn what_is_left_reads_as_a_sentence() {
    let unfinished = Unfinished { seen: 3, all: 1005, advanced: true };
    let rest = ["a.b", "c.d", "e.f", "g.h"].map(String::from);
    assert_eq!(
        unfinished.message(&rest),
        "3 of 1,005 references looked at; the next pass goes on with the rest (a.b, c.d, e.f, …)"
    );
    assert!(unfinished.message(&rest[..1]).ends_with(" (a.b)"));
}
