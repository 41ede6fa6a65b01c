use crate::{
    api::{shared::SecretKeyRef, spec::AuthConsistencySpec},
    domain::{
        advise::suggestions::Confidence,
        diagnose::enforcement::{Enforcement, Side, SilentTriggers},
        facts::{
            KeyElsewhere, Noticed,
            accounts::{Account, AdminFacts, WantedId},
            ledger::Bookkeeping,
            new_ids::SequenceFacts,
            password::PasswordFacts,
            references::{Comparison, Orphans, Reference, TableRights},
            schema::{DatabaseIdentity, SchemaFault, Server, SharedIds},
            seed::SeedFacts,
        },
        target::{ResourceIdentity, secrets::Secrets},
    },
    passwords::Description,
};

use proptest::prelude::*;
use secrecy::SecretBox;

use super::*;

/// A resource with which a move breaks nothing.
const RIGHT: &str = "
database: {urlSecretRef: {name: db, key: url}}
users: {preset: FastAPI}
admin: {login: admin@probeops.com, passwordSecretRef: {name: admin, key: password}, id: '7d1f'}
jwt: {secretRef: {name: jwt, key: key}, previousSecretRefs: [{name: old, key: key}]}
";

fn target(yaml: &str) -> Target {
    let spec: AuthConsistencySpec = serde_saphyr::from_str(yaml).unwrap();
    let secret = |name: &str, key: &str, text: &str| {
        let value = SecretBox::new(Box::new(text.as_bytes().to_vec()));
        (SecretKeyRef { name: name.into(), key: key.into() }, Ok(value))
    };
    let secrets = Secrets::from([
        secret("db", "url", "postgres://app:canary-password@db/probeops"),
        secret("admin", "password", "a canary password of the admin"),
        secret("jwt", "key", "canary-5f2d8c1be07a4936a1d4c7728e6b9f03"),
        secret("old", "key", "canary-c7728e6b9f035f2d8c1be07a4936a1d4"),
    ]);
    let resource = ResourceIdentity {
        namespace: "probeops".into(),
        name: "probeops".into(),
        uid: "6a5b".into(),
        generation: 1,
    };
    Target::parse(&spec, resource, &secrets, crate::engine::hints()).unwrap()
}

fn object(table: &str, column: &str) -> ObjectRef {
    ObjectRef {
        schema: "public".into(),
        table: table.into(),
        columns: vec![column.into()],
        constraint: Some(format!("{table}_{column}_fkey")),
    }
}

fn reference(table: &str) -> Reference {
    Reference {
        object: object(table, "user_id"),
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
        orphans: Orphans::default(),
        table_rows: 0,
        unsupported: None,
        not_null: false,
        keyed: true,
        shared: Vec::new(),
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

fn account(id: &str) -> Account {
    Account {
        id: id.into(),
        subject: Some(id.into()),
        inactive: Vec::new(),
        drifted: Vec::new(),
        password: PasswordFacts {
            format: None,
            seems: Description::Unrecognised,
            absent: false,
            matches: None,
            uncompared: None,
            mistagged: None,
        },
        references: vec![(object("usage_logs", "user_id"), 12)],
    }
}

fn sequence() -> SequenceFacts {
    SequenceFacts {
        object: ObjectRef { schema: "public".into(), table: "users_id_seq".into(), ..ObjectRef::default() },
        next: 5121,
        increment: 1,
        maximum: i64::from(i32::MAX),
        minimum: 1,
        cycle: false,
        cache: 1,
        settable: true,
        used: None,
        next_used: false,
        ahead: false,
        column_end: i64::from(i32::MAX),
        last_used: false,
    }
}

/// Everything that is known of a source, held together.
#[derive(Debug, Clone)]
struct World {
    observation: Observation,
    columns: Vec<String>,
    logins: Option<LoginFacts>,
    suggestions: Vec<Suggestion>,
    unsampled: i64,
    unreadable: Vec<Skipped>,
    keys: Vec<(String, KeyWeakness)>,
    failed: Vec<String>,
}

impl World {
    /// One with which a move breaks nothing.
    fn right() -> Self {
        let observation = Observation {
            server: Server {
                version: "15.18".into(),
                identity: DatabaseIdentity { system: "7".into(), database: 5 },
                read_only: None,
            },
            users: Ok(UserTable {
                object: ObjectRef { schema: "public".into(), table: "users".into(), ..ObjectRef::default() },
                object_id: 1,
                id_type: "uuid".into(),
                id_kind: KeyKind::Uuid,
                password_column: None,
                password_type: None,
                id_default: IdDefault::Expression,
                first_id: i64::from(i32::MIN),
                last_id: i64::from(i32::MAX),
                takes: Default::default(),
                shared_ids: None,
                highest_id: None,
                subject_kind: Some(KeyKind::Uuid),
                seed: SeedFacts::default(),
                passwords: Default::default(),
                rights: TableRights::default(),
            }),
            bookkeeping: Bookkeeping::default(),
            accounts: Vec::new(),
            sessions: None,
            foreign: Vec::new(),
            admin: Some(AdminFacts {
                account: Some(account("7d1f")),
                exact: 1,
                look_alikes: 0,
                namesakes: Default::default(),
                wanted: Some(WantedId {
                    canonical: Some("7d1f".into()),
                    occupied: false,
                    orphan_rows: 0,
                    unseen: Vec::new(),
                    refused: None,
                    immovable: None,
                }),
            }),
            references: vec![reference("usage_logs")],
            relied: 0,
            skipped: Vec::new(),
            unchecked: Vec::new(),
            unreached: Vec::new(),
            missing_constraints: Vec::new(),
            elsewhere: Vec::new(),
            undeclared: Default::default(),
            constraints: Vec::new(),
            spellings: Vec::new(),
            untrusted: Vec::new(),
            identities: None,
        };
        Self {
            observation,
            columns: ["id", "email", "hashed_password", "tokens_valid_after"].map(Into::into).to_vec(),
            logins: Some(LoginFacts::default()),
            suggestions: Vec::new(),
            unsampled: 0,
            unreadable: Vec::new(),
            keys: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn counted(mut self) -> Self {
        if let Ok(users) = &mut self.observation.users {
            users.id_type = "integer".into();
            users.id_kind = KeyKind::Integer;
            users.id_default = IdDefault::Sequence(sequence());
            users.highest_id = Some(5120);
        }
        self
    }

    fn judged(&self, yaml: &str) -> Preflight {
        judge(
            &target(yaml),
            &Facts {
                observation: &self.observation,
                columns: &self.columns,
                logins: self.logins,
                suggestions: &self.suggestions,
                unsampled: self.unsampled,
                unreadable: &self.unreadable,
                keys: &self.keys,
                failed: &self.failed,
            },
        )
    }
}

fn names(preflight: &Preflight) -> Vec<RiskName> {
    preflight.risks.iter().map(|risk| risk.risk).collect()
}

/// The only risk, with its evidence in one text.
#[track_caller]
fn only(preflight: &Preflight, name: RiskName) -> String {
    assert_eq!(names(preflight), [name], "{preflight:#?}");
    assert_eq!(preflight.ready, Some(false));
    preflight.risks[0].evidence.join("; ")
}

fn suggestion(table: &str, confidence: Confidence) -> Suggestion {
    Suggestion {
        object: ObjectRef { constraint: None, ..object(table, "actor_id") },
        column_type: "uuid".into(),
        confidence,
        sampled: 312,
        users: 306,
        rows: Some(4000),
        why: "by its name; there are no values to look at".into(),
        others: Vec::new(),
        replaces: false,
        rule: crate::api::spec::ReferenceRule::default(),
    }
}

#[test]
fn where_everything_is_right_nothing_would_break() {
    let preflight = World::right().judged(RIGHT);
    assert_eq!((preflight.ready, names(&preflight)), (Some(true), Vec::new()), "{preflight:#?}");
    assert_eq!(preflight.untold, [""; 0]);
    assert!(preflight.notes[0].contains("nobody can tell by its look"), "{:?}", preflight.notes);
}

#[test]
fn counted_ids_are_told_with_their_sequence_and_what_names_them() {
    let world = World::right().counted();
    let preflight = world.judged(RIGHT);
    assert_eq!(names(&preflight), [RiskName::CountedIds, RiskName::SubjectIsId]);
    let evidence = preflight.risks[0].evidence.join("; ");
    assert_eq!(
        evidence,
        "the ids of users are integer, and the sequence users_id_seq gives them: the next is 5,121; \
         the highest id is 5,120; 1 reference names them: usage_logs.user_id"
    );
    let subject = &preflight.risks[1].evidence[0];
    assert_eq!(subject, "the claim sub holds users.id, which is integer and counted");

    // Tokens that name something else outlast another number.
    let other = RIGHT.replace("previousSecretRefs", "subjectColumn: uuid, previousSecretRefs");
    only(&world.judged(&other), RiskName::CountedIds);
    // Integers are counted up whoever asks the sequence: JPA does it in the app.
    for (id_default, by) in
        [(IdDefault::Expression, "an expression"), (IdDefault::None, "the app gives them")]
    {
        let mut world = world.clone();
        world.observation.users.as_mut().unwrap().id_default = id_default;
        assert!(world.judged(RIGHT).risks[0].evidence[0].contains(by));
    }
    let mut hidden = world;
    hidden.observation.users.as_mut().unwrap().id_default = IdDefault::UnreadableSequence("s".into());
    assert!(hidden.judged(RIGHT).risks[0].evidence[0].contains("sequence s gives them"));
}

#[test]
fn what_could_not_be_counted_is_told_and_hides_nothing_else() {
    let mut world = World::right();
    world.logins = None;
    world.failed = vec!["logins could not be counted: db:5432: too slow".into()];
    let preflight = world.judged(RIGHT);
    assert_eq!((preflight.ready, preflight.risks.len()), (None, 0));
    assert_eq!(preflight.untold, world.failed);
}

#[test]
fn ids_that_are_not_unique_are_counted_with_what_ends_it() {
    let mut world = World::right();
    world.observation.users.as_mut().unwrap().shared_ids = Some(SharedIds {
        ids: 2,
        rows: 4,
        sample: vec!["1".into(), "2".into()],
        copies: Some(2),
        ..SharedIds::default()
    });
    let preflight = world.judged(RIGHT);
    let evidence = only(&preflight, RiskName::IdNotUnique);
    assert_eq!(evidence, "2 ids of users stand in more than one row (4 rows in all; 1, 2)");
    assert!(preflight.risks[0].to_do.contains("`ALTER TABLE public.users ADD PRIMARY KEY (id)`"));
}

#[test]
fn logins_that_cannot_tell_accounts_apart_are_counted() {
    let mut world = World::right();
    world.logins = Some(LoginFacts { absent: 1, shared: 2, alike: 1234 });
    assert_eq!(
        only(&world.judged(RIGHT), RiskName::LoginAmbiguous),
        "1 account has no login (email); 2 accounts have logins that other accounts have too (email); \
         1,234 accounts have logins that differ from others only by case or spaces (email)"
    );
    world.logins = None;
    let unnamed = RIGHT.replace("{preset: FastAPI}", "{table: users, idColumn: id}").replace(
        "admin: {login: admin@probeops.com, passwordSecretRef: {name: admin, key: password}, id: '7d1f'}",
        "",
    );
    let preflight = world.judged(&unnamed);
    assert!(names(&preflight).contains(&RiskName::LoginAmbiguous), "{preflight:#?}");
}

#[test]
fn what_a_key_looks_like_is_told_and_no_more() {
    let mut world = World::right();
    world.keys =
        vec![("jwt/key".into(), KeyWeakness::Placeholder), ("old/key".into(), KeyWeakness::TrailingNewline)];
    let preflight = world.judged(RIGHT);
    let evidence = only(&preflight, RiskName::KeyInCode);
    assert!(
        evidence.contains("well-known placeholder") && evidence.contains("(Secret jwt/key)"),
        "{evidence}"
    );
    assert!(evidence.contains("line break") && evidence.contains("(Secret old/key)"), "{evidence}");
    assert!(preflight.risks[0].to_do.contains("only the look of a key"), "{preflight:?}");
    assert_eq!(preflight.notes, [""; 0], "what is bad is not called good beside it");
}

#[test]
fn without_a_key_of_before_everybody_is_thrown_out_for_as_long_as_tokens_live() {
    let alone = RIGHT.replace(", previousSecretRefs: [{name: old, key: key}]", ", lifetime: 1h30m");
    let preflight = World::right().judged(&alone);
    let evidence = only(&preflight, RiskName::NoOverlap);
    assert!(evidence.contains("tokens live for 90 minutes"), "{evidence}");
    assert!(!preflight.risks[0].to_do.contains("given anew"), "{preflight:?}");
    // Where ids are counted, an overlap may do harm.
    let preflight = World::right().counted().judged(&alone);
    let overlap = preflight.risks.iter().find(|risk| risk.risk == RiskName::NoOverlap).unwrap();
    assert!(overlap.to_do.contains("where they are given anew, old tokens must end"), "{overlap:?}");
}

#[test]
fn a_column_to_refuse_old_tokens_by_is_known_by_its_name_in_any_spelling() {
    let mut world = World::right();
    world.columns.pop();
    let evidence = only(&world.judged(RIGHT), RiskName::NoInvalidation);
    assert!(evidence.starts_with("none of the 3 columns of users "), "{evidence}");
    for name in
        ["password_changed_at", "passwordChangedAt", "SecurityStamp", "token_version", "fs_uniquifier"]
    {
        world.columns = vec!["id".into(), name.into()];
        assert_eq!(world.judged(RIGHT).ready, Some(true), "{name}");
    }
    world.columns = vec!["jtis".into(), "created_at".into()];
    only(&world.judged(RIGHT), RiskName::NoInvalidation);
}

#[test]
fn tokens_may_live_for_a_week() {
    let living = |hours: u32| RIGHT.replace("jwt: {", &format!("jwt: {{lifetime: {hours}h, "));
    assert_eq!(World::right().judged(&living(7 * 24)).ready, Some(true));
    let evidence = only(&World::right().judged(&living(8 * 24)), RiskName::LongLivedTokens);
    assert!(evidence.contains("tokens live for 8 days"), "{evidence}");
}

#[test]
fn an_app_without_a_signing_key_is_told_nothing_of_tokens() {
    let opaque: String =
        RIGHT.lines().filter(|line| !line.starts_with("jwt:")).map(|line| format!("{line}\n")).collect();
    let mut world = World::right();
    world.columns.clear();
    let preflight = world.judged(&opaque);
    assert_eq!((preflight.ready, preflight.notes.len()), (Some(true), 1), "{preflight:#?}");
    assert!(preflight.notes[0].contains("no signing key is named"));
}

const SILENT: SilentTriggers = SilentTriggers {
    schema: String::new(),
    table: String::new(),
    side: Side::Referencing,
    replica_only: false,
    inserts: true,
    updates: true,
    deletes: false,
    names: Vec::new(),
};

#[test]
fn columns_without_a_foreign_key_that_vouches_are_told_with_their_counts() {
    let mut world = World::right();
    world.suggestions = vec![suggestion("events", Confidence::Likely)];
    world.observation.references[0].validated = false;
    world.observation.references.push(Reference { soft: true, ..reference("events") });
    world.observation.missing_constraints = vec![object("reports", "owner_id")];
    let evidence = only(&world.judged(RIGHT), RiskName::ReferenceWithoutConstraint);
    for told in [
        "reports.owner_id has no foreign key reports_owner_id_fkey",
        "usage_logs_user_id_fkey of usage_logs.user_id is NOT VALID, so it says nothing of older rows: each of them names a user today",
        "events.user_id names users by a rule, and has no foreign key",
        "events.actor_id (uuid) has no foreign key, and 98 % of 312 values are users, in about 4,000 rows",
    ] {
        assert!(evidence.contains(told), "{told}: {evidence}");
    }
    for (not_enforced, silent, told) in [
        (true, Vec::new(), "is NOT ENFORCED, so it says nothing of any row: each of them names a user today"),
        (
            false,
            vec![SILENT],
            "has triggers that are off, so it lets rows in that name nobody, or leaves them behind: each of them names a user today",
        ),
    ] {
        let mut world = World::right();
        world.observation.references[0].enforcement = Enforcement { not_enforced, silent };
        let evidence = only(&world.judged(RIGHT), RiskName::ReferenceWithoutConstraint);
        assert_eq!(evidence, format!("the foreign key usage_logs_user_id_fkey of usage_logs.user_id {told}"));
    }
    // One that holds for some rows only can have none.
    let rule = "references: {rules: [{table: events, columns: [user_id], declared: true, absent: ['0']}]}";
    let mut world = World::right();
    world.observation.references.push(Reference { soft: true, ..reference("events") });
    assert_eq!(world.judged(&format!("{RIGHT}{rule}")).ready, Some(true));
}

#[test]
fn rows_that_name_nobody_are_told_unless_a_rule_accepts_them() {
    let mut world = World::right();
    world.observation.references[0].orphans =
        Orphans { rows: 1234, keys: 6, sample: vec!["4711".into(), "4712".into()], ..Orphans::default() };
    let evidence = only(&world.judged(RIGHT), RiskName::ReferencesWithOrphans);
    assert_eq!(evidence, "1,234 rows of usage_logs.user_id name nobody (4711, 4712, …)");
    let rule = "references: {rules: [{table: usage_logs, accept: {rows: 1234, reason: by design}}]}";
    assert_eq!(world.judged(&format!("{RIGHT}{rule}")).ready, Some(true));
    world.observation.references[0].validated = false;
    let preflight = world.judged(RIGHT);
    assert!(preflight.risks[0].evidence[0].ends_with(": 1,234 of them name nobody today"), "{preflight:?}");
}

#[test]
fn an_admin_that_is_not_made_the_same_everywhere_is_told() {
    let admin =
        "admin: {login: admin@probeops.com, passwordSecretRef: {name: admin, key: password}, id: '7d1f'}";
    let with = |other: &str| RIGHT.replace(admin, other);
    let told = |yaml: &str| only(&World::right().judged(yaml), RiskName::AdminByHand);
    assert_eq!(told(&with("")), "spec.admin names no account");
    let report = with("admin: {login: admin@probeops.com, onMissing: Report, id: '7d1f'}");
    assert!(told(&report).contains("onMissing is Report"), "{}", told(&report));
    let unfixed = with("admin: {login: admin@probeops.com, passwordSecretRef: {name: admin, key: password}}");
    assert_eq!(told(&unfixed), "spec.admin.id says no id: it is 7d1f today, and 12 rows name it");
    let mut world = World::right();
    world.observation.admin.as_mut().unwrap().account = Some(account("99"));
    let evidence = only(&world.judged(RIGHT), RiskName::AdminByHand);
    assert_eq!(
        evidence,
        "the admin has the id 99 today, and 12 rows name it, and spec.admin.id says another"
    );
    world.observation.admin.as_mut().unwrap().account = None;
    assert_eq!(only(&world.judged(RIGHT), RiskName::AdminByHand), "the account is not there today");
}

#[test]
fn what_was_not_looked_at_is_never_called_ready_and_what_was_left_out_on_purpose_is() {
    let skipped =
        |asked| Skipped { object: object("cards", "user_id"), why: "locked".into(), asked, transient: false };
    let cases: [fn(&mut World, Skipped); 5] = [
        |world, skipped| world.observation.skipped.push(skipped),
        |world, skipped| world.observation.unreached.push(skipped.object),
        |world, skipped| world.unreadable.push(skipped),
        |world, _| world.unsampled = 3,
        |world, _| world.suggestions.push(suggestion("events", Confidence::Possible)),
    ];
    for change in cases {
        let mut world = World::right();
        change(&mut world, skipped(false));
        let preflight = world.judged(RIGHT);
        assert_eq!((preflight.ready, preflight.untold.len()), (None, 1), "{preflight:#?}");
    }
    let mut world = World::right();
    world.observation.skipped.push(skipped(true));
    assert_eq!(world.judged(RIGHT).ready, Some(true));
    world.observation.users = Err(SchemaFault::TableMissing { alike: Vec::new() });
    world.observation.admin = None;
    let preflight = world.judged(RIGHT);
    assert_eq!((preflight.ready, names(&preflight)), (None, Vec::new()), "{preflight:#?}");
}

#[test]
fn evidence_that_would_fill_pages_is_cut_and_counted() {
    let mut world = World::right();
    world.suggestions = (0..40).map(|n| suggestion(&format!("t{n}"), Confidence::Likely)).collect();
    let preflight = world.judged(RIGHT);
    assert_eq!(preflight.risks[0].evidence.len(), TOLD + 1);
    assert_eq!(preflight.risks[0].evidence[TOLD], "and 28 more");
}

#[test]
fn every_risk_has_a_section_on_the_page() {
    let page = crate::api::pages::GUIDES.iter().find(|guide| guide.name == "preflight").unwrap();
    for name in RiskName::ALL {
        assert!(page.text.contains(&format!("\n## {}\n", name.as_str())), "{name:?}");
    }
}

fn kinds() -> impl Strategy<Value = KeyKind> {
    prop_oneof![Just(KeyKind::Integer), Just(KeyKind::Uuid), Just(KeyKind::Text), Just(KeyKind::Other)]
}

fn defaults() -> impl Strategy<Value = IdDefault> {
    prop_oneof![
        (any::<i64>(), any::<i64>()).prop_map(|(next, maximum)| {
            IdDefault::Sequence(SequenceFacts { next, maximum, ..sequence() })
        }),
        ".{0,5}".prop_map(IdDefault::UnreadableSequence),
        Just(IdDefault::Expression),
        Just(IdDefault::None),
    ]
}

prop_compose! {
    fn references_of_any_kind()(
        (table, soft, validated) in (".{0,8}", any::<bool>(), any::<bool>()),
        rows in any::<i64>(),
        keys in any::<i64>(),
        sample in proptest::collection::vec(".{0,8}", 0..6),
        constraint in proptest::option::of(".{0,8}"),
    ) -> Reference {
        let mut reference = reference(&table);
        reference.object.constraint = constraint;
        Reference { soft, validated, orphans: Orphans { rows, keys, sample, ..Orphans::default() }, ..reference }
    }
}

prop_compose! {
    fn worlds()(
        users in proptest::option::of((kinds(), defaults(), proptest::option::of(any::<i64>()))),
        references in proptest::collection::vec(references_of_any_kind(), 0..6),
        columns in proptest::collection::vec(".{0,12}", 0..6),
        logins in proptest::option::of((any::<i64>(), any::<i64>(), any::<i64>())),
        unsampled in any::<i64>(),
        admin in proptest::option::of((proptest::option::of(".{0,5}"), proptest::option::of(proptest::option::of(".{0,5}")))),
        likely in proptest::collection::vec(any::<bool>(), 0..4),
    ) -> World {
        let mut world = World::right();
        match users {
            Some((id_kind, id_default, highest_id)) => {
                let table = world.observation.users.as_mut().unwrap();
                table.id_kind = id_kind;
                table.id_default = id_default;
                table.highest_id = highest_id;
            }
            None => world.observation.users = Err(SchemaFault::TableMissing { alike: Vec::new() }),
        }
        world.observation.references = references;
        world.observation.admin = admin.map(|(id, wanted)| AdminFacts {
            account: id.map(|id| Account { references: vec![(ObjectRef::default(), i64::MAX); 2], ..account(&id) }),
            exact: 1,
            look_alikes: 0,
            namesakes: Default::default(),
            wanted: wanted.map(|canonical| WantedId { canonical, occupied: true, orphan_rows: 1, unseen: Vec::new(), refused: None, immovable: None }),
        });
        world.columns = columns;
        world.logins = logins.map(|(absent, shared, alike)| LoginFacts { absent, shared, alike });
        world.unsampled = unsampled;
        world.suggestions = likely
            .into_iter()
            .map(|likely| suggestion("t", if likely { Confidence::Likely } else { Confidence::Possible }))
            .collect();
        world
    }
}

proptest! {
    #[test]
    fn whatever_is_seen_there_is_an_answer_that_agrees_with_itself(world in worlds(), fixed in any::<bool>(), keyed in any::<bool>()) {
        let mut yaml = RIGHT.to_owned();
        if !fixed {
            yaml = yaml.replace(", id: '7d1f'", "");
        }
        if !keyed {
            yaml = yaml.lines().filter(|line| !line.starts_with("jwt:")).map(|line| format!("{line}\n")).collect();
        }
        let preflight = world.judged(&yaml);
        let expected = match (preflight.risks.is_empty(), preflight.untold.is_empty()) {
            (false, _) => Some(false),
            (true, untold) => untold.then_some(true),
        };
        prop_assert_eq!(preflight.ready, expected);
        let mut sorted = names(&preflight);
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(names(&preflight), sorted, "each risk once, in its order");
        for risk in &preflight.risks {
            prop_assert!(!risk.evidence.is_empty() && risk.evidence.len() <= TOLD + 1, "{:?}", risk);
            prop_assert!(!risk.breaks.is_empty() && !risk.to_do.is_empty());
        }
        if world.observation.users.is_err() {
            prop_assert_ne!(preflight.ready, Some(true));
        }
        let written = serde_json::to_string(&preflight).unwrap();
        prop_assert!(!written.contains("canary"), "{}", written);
    }
}

#[test]
fn a_key_to_another_table_is_evidence_and_its_column_is_not_said_to_have_none() {
    let mut world = World::right();
    let key = KeyElsewhere {
        object: object("devices", "user_id"),
        to: object("auth_user", "id"),
        definition: "FOREIGN KEY (user_id) REFERENCES auth_user(id)".into(),
        noticed: Noticed::Rule,
        linked: false,
        not_valid: true,
        lacking: None,
        overlap: None,
    };
    let soft = Reference {
        soft: true,
        object: ObjectRef { constraint: None, ..key.object.clone() },
        ..reference("devices")
    };
    world.observation.references.push(soft);
    world.observation.elsewhere = vec![key.clone()];
    let evidence = only(&world.judged(RIGHT), RiskName::ReferenceWithoutConstraint);
    assert_eq!(
        evidence,
        "the foreign key devices_user_id_fkey of devices.user_id references auth_user and not the user table"
    );
    // Where the two keys are one, the column has the foreign key that it needs.
    world.observation.elsewhere = vec![KeyElsewhere { linked: true, ..key }];
    assert_eq!(names(&world.judged(RIGHT)), []);
}
