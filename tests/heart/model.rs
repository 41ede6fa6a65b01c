//! A database of two tables, small enough to be a value: `users(id serial, email)` with the admin and the
//! accounts beside it, and `usage_logs(id, user_id)`.

use auth_consistency::{
    api::{
        condition::ConditionType,
        report::{Action, ObjectRef, PlanReport, ReferencesReport, StepReport},
        shared::SecretKeyRef,
        spec::{AuthConsistencySpec, PasswordFamily},
    },
    domain::{
        diagnose::enforcement::Enforcement,
        facts::{
            Bookkeeping, Claim, IdDefault, Observation, PasswordFacts, SequenceFacts,
            accounts::{Account, AdminFacts, WantedId},
            key_kind::KeyKind,
            references::{Comparison, Orphans, Reference, TableRights},
            schema::{DatabaseIdentity, Server, UserTable},
            seed::SeedFacts,
        },
        finding::Finding,
        plan::describe::step_report,
        report::Outcome,
        step::Step,
        target::{Admin, ResourceIdentity, Target, secrets::Secrets},
    },
    engine::hints,
    passwords::{Description, Format},
};

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use secrecy::SecretBox;

/// What the spec says about orphans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Report,
    Reassign,
    SetNull,
    Delete,
}

/// The two tables, the sequence, and what a repair copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub users: BTreeSet<i64>,
    pub admin: Option<i64>,
    pub beside: Vec<Beside>,
    pub logs: BTreeMap<i64, Option<i64>>,
    pub quarantine: BTreeMap<i64, Option<i64>>,
    pub next: i64,
    pub serial: i64,
}

/// An account beside the admin: the id that it has, and the one that the spec gives it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    pub there: Option<i64>,
    pub wanted: Option<i64>,
}

/// What the spec calls the account.
pub fn login(at: usize) -> String {
    format!("test{at}@probeops.com")
}

/// Models in which the spec also says which ids some of the accounts have.
pub fn models_with_ids() -> impl Strategy<Value = Model> {
    (models(), proptest::collection::vec(proptest::option::of(1_i64..56), 3)).prop_map(|(mut model, ids)| {
        for (at, id) in ids.iter().enumerate() {
            let again = ids.iter().take(at).any(|other| other == id);
            if let (Some(beside), false) = (model.beside.get_mut(at), again) {
                beside.wanted = *id;
            }
        }
        model
    })
}

pub fn models() -> impl Strategy<Value = Model> {
    let users = proptest::collection::btree_set(1_i64..30, 0..6);
    let logs = proptest::collection::btree_map(1_i64..60, proptest::option::of(1_i64..40), 0..25);
    let beside = proptest::collection::vec(any::<bool>(), 0..4);
    (users, proptest::option::of(30_i64..35), beside, logs, 1_i64..50).prop_map(
        |(users, admin, beside, logs, next)| {
            let there =
                |(at, there): (usize, &bool)| Beside { there: there.then_some(35 + at as i64), wanted: None };
            let beside = beside.iter().enumerate().map(there).collect();
            Model { users, admin, beside, logs, next, ..Model::default() }
        },
    )
}

pub fn target(policy: Policy, limit: i64, admin_id: Option<&str>) -> Target {
    target_of(&Model::default(), policy, limit, admin_id)
}

/// A target that names the accounts of a model.
pub fn target_of(model: &Model, policy: Policy, limit: i64, admin_id: Option<&str>) -> Target {
    let accounts: Vec<String> = model
        .beside
        .iter()
        .enumerate()
        .map(|(at, beside)| {
            let id = beside.wanted.map_or(String::new(), |id| format!(", id: '{id}'"));
            let login = login(at);
            format!("{{login: {login}, passwordSecretRef: {{name: admin, key: password}}{id}}}")
        })
        .collect();
    let accounts = accounts.join(", ");
    let admin_id = admin_id.map_or(String::new(), |id| format!(", id: '{id}'"));
    let text = format!(
        "database: {{urlSecretRef: {{name: db, key: url}}}}
users: {{preset: FastAPI, activeWhen: []}}
admin: {{login: admin@probeops.com, passwordSecretRef: {{name: admin, key: password}}{admin_id}}}
accounts: [{accounts}]
references: {{onOrphan: {policy:?}, limits: {{rows: {limit}, percent: 100}}}}"
    );
    let spec: AuthConsistencySpec = serde_saphyr::from_str(&text).unwrap();
    let secret = |text: &str| Ok(SecretBox::new(Box::new(text.as_bytes().to_vec())));
    let secrets = Secrets::from([
        (SecretKeyRef { name: "db".into(), key: "url".into() }, secret("postgres://app:pw@db/probeops")),
        (SecretKeyRef { name: "admin".into(), key: "password".into() }, secret("a password of the admin")),
    ]);
    let resource = ResourceIdentity {
        namespace: "probeops".into(),
        name: "probeops".into(),
        uid: "6a5b".into(),
        generation: 1,
    };
    Target::parse(&spec, resource, &secrets, hints()).unwrap()
}

fn users_ref() -> ObjectRef {
    ObjectRef { schema: "public".into(), table: "users".into(), ..ObjectRef::default() }
}

fn logs_ref() -> ObjectRef {
    ObjectRef {
        schema: "public".into(),
        table: "usage_logs".into(),
        columns: vec!["user_id".into()],
        constraint: Some("usage_logs_user_id_fkey".into()),
    }
}

impl Model {
    fn live(&self) -> BTreeSet<i64> {
        let beside = self.beside.iter().filter_map(|beside| beside.there);
        self.users.iter().chain(&self.admin).copied().chain(beside).collect()
    }

    fn orphans(&self) -> BTreeMap<i64, i64> {
        let live = self.live();
        self.logs
            .iter()
            .filter_map(|(row, key)| key.filter(|key| !live.contains(key)).map(|key| (*row, key)))
            .collect()
    }

    pub fn observe(&self, target: &Target) -> Observation {
        let orphans = self.orphans();
        let keys: BTreeSet<i64> = orphans.values().copied().collect();
        let rights = TableRights { role: "app".to_owned(), insert: true, update: true, delete: true };
        let facts = |spec: &Admin, there: Option<i64>| AdminFacts {
            account: there.map(|id| Account {
                id: id.to_string(),
                subject: None,
                inactive: Vec::new(),
                drifted: Vec::new(),
                password: PasswordFacts {
                    format: Some(Format::default_of(PasswordFamily::Bcrypt)),
                    seems: Description::Readable(Format::default_of(PasswordFamily::Bcrypt)),
                    absent: false,
                    matches: None,
                    uncompared: None,
                    mistagged: None,
                },
                references: vec![(
                    logs_ref(),
                    self.logs.values().filter(|key| **key == Some(id)).count() as i64,
                )],
            }),
            exact: i64::from(there.is_some()),
            look_alikes: 0,
            namesakes: Default::default(),
            wanted: spec.id.as_ref().map(|id| {
                let number: i64 = id.parse().unwrap();
                WantedId {
                    canonical: Some(id.clone()),
                    occupied: there != Some(number) && self.live().contains(&number),
                    orphan_rows: orphans.values().filter(|key| **key == number).count() as i64,
                    unseen: Vec::new(),
                    refused: None,
                    immovable: None,
                }
            }),
        };
        Observation {
            server: Server {
                version: "15.0".into(),
                identity: DatabaseIdentity { system: "7".into(), database: 5 },
                read_only: None,
            },
            users: Ok(UserTable {
                object: users_ref(),
                object_id: 1,
                id_type: "integer".into(),
                id_kind: KeyKind::Integer,
                password_column: None,
                password_type: None,
                id_default: IdDefault::Sequence(SequenceFacts {
                    object: ObjectRef {
                        schema: "public".into(),
                        table: "users_id_seq".into(),
                        ..ObjectRef::default()
                    },
                    next: self.next,
                    increment: 1,
                    maximum: i64::from(i32::MAX),
                    minimum: 1,
                    cycle: false,
                    cache: 1,
                    settable: true,
                    used: self.live().last().copied(),
                    next_used: self.live().contains(&self.next),
                    ahead: false,
                    column_end: i64::from(i32::MAX),
                    last_used: false,
                }),
                first_id: i64::from(i32::MIN),
                last_id: i64::from(i32::MAX),
                takes: Default::default(),
                shared_ids: None,
                highest_id: self.live().last().copied(),
                subject_kind: None,
                seed: SeedFacts::default(),
                passwords: BTreeMap::new(),
                rights: rights.clone(),
            }),
            bookkeeping: Bookkeeping {
                usable: true,
                claim: Some(Claim {
                    owner: "6a5b".into(),
                    owner_name: "probeops/probeops".into(),
                    epoch: 1,
                    plan_serial: self.serial,
                    operator: None,
                    takes: 0,
                }),
                ..Bookkeeping::default()
            },
            admin: target.admin.as_ref().map(|admin| facts(admin, self.admin)),
            accounts: target
                .accounts
                .iter()
                .map(|spec| facts(spec, self.beside[self.place(&spec.login)].there))
                .collect(),
            relied: 0,
            references: vec![Reference {
                object: logs_ref(),
                parent_columns: vec!["id".into()],
                definition: "FOREIGN KEY (user_id) REFERENCES users(id)".into(),
                soft: false,
                validated: true,
                enforcement: Enforcement::default(),
                types: None,
                partial: false,
                unconvertible: None,
                defaulted: false,
                comparison: Comparison::Native,
                orphans: Orphans {
                    rows: orphans.len() as i64,
                    keys: keys.len() as i64,
                    sample: keys.iter().take(5).map(ToString::to_string).collect(),
                    digest: format!("{keys:?}"),
                    highest: keys.last().copied(),
                    lowest: keys.first().copied(),
                },
                table_rows: self.logs.len() as i64,
                unsupported: None,
                keyed: true,
                shared: Vec::new(),
                not_null: false,
                credentials: None,
                collisions: Vec::new(),
                dependents: Vec::new(),
                takes: Vec::new(),
                surplus: Some(0),
                cascades: Vec::new(),
                lacking: Default::default(),
                partition_keys: Vec::new(),
                twins: Vec::new(),
                rights,
                unfit: None,
                in_the_way: None,
                names_id: true,
                last: Some(i64::from(i32::MAX)),
            }],
            skipped: Vec::new(),
            unchecked: Vec::new(),
            missing_constraints: Vec::new(),
            elsewhere: Vec::new(),
            undeclared: Default::default(),
            constraints: Vec::new(),
            spellings: Vec::new(),
            untrusted: Vec::new(),
            unreached: Vec::new(),
            identities: None,
            sessions: None,
            foreign: Vec::new(),
        }
    }

    fn place(&self, account: &str) -> usize {
        (0..self.beside.len()).find(|at| login(*at) == account).unwrap()
    }

    fn there(&mut self, account: Option<&str>) -> &mut Option<i64> {
        match account {
            None => &mut self.admin,
            Some(account) => {
                let at = self.place(account);
                &mut self.beside[at].there
            }
        }
    }

    pub fn apply(&mut self, target: &Target, step: &Step) -> StepReport {
        match step {
            Step::AdvanceSequence { past, .. } => self.next = self.next.max(past + 1),
            Step::Seed { account, id, .. } => {
                let new = match id {
                    Some(id) => id.parse().unwrap(),
                    None => {
                        self.next += 1;
                        self.next - 1
                    }
                };
                assert!(!self.live().contains(&new), "the id {new} is somebody's");
                let there = self.there(account.as_deref());
                assert_eq!(*there, None, "{account:?} is seeded twice");
                *there = Some(new);
            }
            Step::MoveId { account, from, to, .. } => {
                let (from, to): (i64, i64) = (from.parse().unwrap(), to.parse().unwrap());
                assert!(!self.live().contains(&to), "the id {to} is somebody's");
                let there = self.there(account.as_deref());
                assert_eq!(*there, Some(from));
                *there = Some(to);
                for key in self.logs.values_mut().filter(|key| **key == Some(from)) {
                    *key = Some(to);
                }
            }
            Step::Rows { action, .. } => {
                self.repair_rows(*action, usize::MAX);
            }
            other => panic!("the model has no {other:?}"),
        }
        step_report(target, step, None)
    }

    /// Repairs so many orphans at most, the first ones first, and says how many those were.
    pub fn repair_rows(&mut self, action: Action, most: usize) -> i64 {
        let some: Vec<(i64, i64)> = self.orphans().into_iter().take(most).collect();
        for (row, key) in &some {
            self.quarantine.entry(*row).or_insert(Some(*key));
            match action {
                Action::Reassign => self.logs.insert(*row, Some(self.admin.unwrap())),
                Action::SetNull => self.logs.insert(*row, None),
                Action::Delete => self.logs.remove(row),
                other => panic!("{other} is no step over rows"),
            };
        }
        some.len() as i64
    }

    /// The rows as they were before any repair: what was copied wins over what is there.
    pub fn rows_of_before(&self) -> BTreeMap<i64, Option<i64>> {
        let mut rows = self.logs.clone();
        rows.extend(self.quarantine.clone());
        rows
    }

    pub fn outcome(
        &self,
        _: &Target,
        observation: &Observation,
        found: Vec<Finding>,
        plan: Option<PlanReport>,
        repaired: Vec<StepReport>,
    ) -> Outcome {
        Outcome {
            target: Default::default(),
            applicable: vec![
                ConditionType::DatabaseReachable,
                ConditionType::SchemaCompatible,
                ConditionType::AdminConsistent,
                ConditionType::ReferencesConsistent,
            ],
            unknown: Vec::new(),
            found,
            remarks: Vec::new(),
            admin: None,
            accounts: Vec::new(),
            passwords: None,
            signing_key: None,
            references: Some(ReferencesReport {
                checked: observation.references.len() as i64,
                orphan_rows: observation.references.iter().map(|one| one.orphans.rows).sum(),
                ..ReferencesReport::default()
            }),
            app_asked: false,
            searched: Vec::new(),
            relied: observation.relied,
            unfinished: None,
            plan,
            repaired,
            history: Vec::new(),
            reset_handled: None,
            approval_used: None,
            approval_unused: None,
            not_done: None,
            reset_offer: None,
        }
    }
}
