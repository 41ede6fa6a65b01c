//! One resource over one database, and passes over it.

use auth_consistency::{
    api::shared::SecretKeyRef,
    domain::{
        fault::SecretProblem,
        request::{Approval, Requests},
        target::secrets::{Secrets, TargetError},
    },
    pass::request::{self, Repairs, Supervisor, Unattended},
};

use auth_consistency::{
    api::{
        AuthConsistencySpec, AuthConsistencyStatus,
        condition::{ConditionType, Reason},
        report::{Action, ConsistencyReport, FindingReport},
    },
    controller::{self, Resource},
    network::HostPolicy,
    pass::{self, ScanMode},
};

use auth_consistency::{
    domain::{
        fault::Fault,
        identities::list::ConfigMaps,
        report::{End, Outcome, Seen, status},
        target::{ResourceIdentity, Target},
    },
    engine::{ExportRequest, Exported, Restored, Search, hints, postgres::PostgreSql},
    pass::memory::Memory,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Db, PASSWORD, canary};

/// The usual spec: a FastAPI app's table with an admin, for tests that are about something else.
pub const USUAL: &str = "
users: {preset: FastAPI}
admin:
  login: admin@example.com
  passwordSecretRef: {name: admin, key: password}
  columns: [{column: role, equals: admin}]
";

/// One resource over one database.
pub struct Case {
    pub spec: AuthConsistencySpec,
    pub resource: ResourceIdentity,
    pub secrets: Secrets,
    pub config_maps: ConfigMaps,
    pub memory: Memory,
    pub requests: Requests,
    pub status: AuthConsistencyStatus,
    pub compare_password: bool,
    pub search: Search,
    /// How passes look at references.
    pub look: ScanMode,
    /// What tells its operator from that of another cluster.
    pub operator: Option<String>,
    /// Seconds that have gone by beside one for each pass.
    pub later: i64,
    passes: i64,
    /// How far the log was searched.
    heard: std::sync::atomic::AtomicUsize,
}

/// What one pass came to.
pub struct Pass {
    pub status: AuthConsistencyStatus,
    pub end: Result<Outcome, Fault>,
    pub report: Option<ConsistencyReport>,
}

/// The certificate of who vouches for the server; none where the server was built without TLS.
fn authority() -> Option<String> {
    let file = std::env::var_os("AUTHCON_TEST_POSTGRES_CA")?;
    Some(std::fs::read_to_string(file).unwrap())
}

fn key(name: &str, key: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.into(), key: key.into() }
}

impl Case {
    /// A resource over a database with TLS fully verified, or without TLS where the server was built without;
    /// `yaml` is its spec without `database`.
    pub fn new(db: &Db, yaml: &str) -> Self {
        let database = match authority() {
            Some(_) => {
                "{urlSecretRef: {name: db, key: url}, tls: {mode: VerifyFull, caSecretRef: {name: db, key: ca}}}"
            }
            None => "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}",
        };
        let mut case = Self::with_database(database, yaml);
        case.secret("db", "url", &db.url());
        case
    }

    /// A resource whose database block is `database`.
    pub fn with_database(database: &str, yaml: &str) -> Self {
        let yaml = format!("database: {database}\n{yaml}");
        let spec = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\nin\n{yaml}"));
        let mut case = Self {
            spec,
            resource: ResourceIdentity {
                namespace: "probeops".into(),
                name: "probeops".into(),
                uid: "11111111-1111-4111-8111-111111111111".into(),
                generation: 1,
            },
            secrets: Secrets::default(),
            config_maps: ConfigMaps::default(),
            memory: Memory::default(),
            requests: Requests::default(),
            status: AuthConsistencyStatus::default(),
            compare_password: false,
            search: Search::default(),
            look: ScanMode::Full,
            operator: None,
            later: 0,
            passes: 0,
            heard: super::log::listen().into(),
        };
        case.secret("db", "ca", &authority().unwrap_or_default());
        case.secret("admin", "password", PASSWORD);
        case.secret("jwt", "key", "canary-5f2d8c1be07a4936a1d4c7728e6b9f03");
        case
    }

    /// The same over another database, for what a restored dump brings along.
    pub fn over(&self, db: &Db) -> Self {
        let mut case = Self {
            memory: Memory::default(),
            status: AuthConsistencyStatus::default(),
            ..Self::with_database("{urlSecretRef: {name: db, key: url}}", "users: {preset: FastAPI}")
        };
        case.spec = self.spec.clone();
        case.resource = self.resource.clone();
        case.operator = self.operator.clone();
        case.config_maps = self.config_maps.clone();
        for (reference, value) in &self.secrets {
            if let Ok(value) = value {
                let value = secrecy::ExposeSecret::expose_secret(value).clone();
                case.secrets.insert(reference.clone(), Ok(secrecy::SecretBox::new(Box::new(value))));
            }
        }
        case.secret("db", "url", &db.url());
        case
    }

    /// Another resource over the same database.
    pub fn rival(&self, db: &Db) -> Self {
        let mut case = self.over(db);
        case.resource.name = "rival".into();
        case.resource.uid = "22222222-2222-4222-8222-222222222222".into();
        case
    }

    /// Sets a key of a Secret.
    pub fn secret(&mut self, name: &str, of: &str, value: &str) -> &mut Self {
        self.secrets.insert(key(name, of), Ok(secrecy::SecretBox::new(Box::new(value.as_bytes().to_vec()))));
        self
    }

    /// Sets the only key of a ConfigMap.
    pub fn config_map(&mut self, name: &str, of: &str, text: &str) -> &mut Self {
        self.config_maps.insert(name.into(), Ok([(of.to_owned(), text.to_owned())].into()));
        self
    }

    /// Makes a Secret's key unreadable.
    pub fn no_secret(&mut self, name: &str, of: &str, reason: Reason) -> &mut Self {
        let problem = SecretProblem { reason, message: format!("Secret {name:?} is not there") };
        self.secrets.insert(key(name, of), Err(problem));
        self
    }

    /// Changes the spec, as a person who edits it does.
    pub fn edit(&mut self, change: impl FnOnce(&mut AuthConsistencySpec)) -> &mut Self {
        change(&mut self.spec);
        self.resource.generation += 1;
        self
    }

    /// The target; panics where the spec is none.
    pub fn target(&self) -> Target {
        self.parsed().unwrap()
    }

    /// What keeps the spec from being a target.
    pub fn errors(&self) -> Vec<TargetError> {
        self.parsed().unwrap_err()
    }

    fn parsed(&self) -> Result<Target, Vec<TargetError>> {
        let target =
            Target::parse_with(&self.spec, self.resource.clone(), &self.secrets, &self.config_maps, hints())?;
        Ok(Target { operator: self.operator.clone(), ..target })
    }

    /// A pass that writes nothing.
    pub async fn check(&mut self) -> Pass {
        self.pass(Repairs::None, &Unattended).await
    }

    /// A pass that repairs what it may.
    pub async fn repair(&mut self) -> Pass {
        self.pass(Repairs::All, &Unattended).await
    }

    /// A pass with an approval of what the last status showed.
    pub async fn repair_approved(&mut self, hash: &str) -> Pass {
        let shown = self.status.plan.iter().flat_map(|plan| plan.steps.clone()).collect();
        self.requests.approval = Some(Approval { hash: hash.into(), shown });
        self.repair().await
    }

    /// Approves the plan that waits in the last status.
    pub async fn approve(&mut self) -> Pass {
        let hash = self.status.plan.clone().and_then(|plan| plan.hash).expect("no plan waits");
        self.repair_approved(&hash).await
    }

    /// Puts the rows of a run back.
    pub async fn restore(&self, run: &str) -> Result<Vec<Restored>, Fault> {
        let anywhere = HostPolicy::unrestricted(Vec::new());
        let now = Timestamp::from_second(1_850_000_000).unwrap();
        let restored = pass::restore(&self.target(), &anywhere, run, None, now).await;
        self.keeps_secrets(&format!("{restored:?}{}", super::log::since(&self.heard)));
        restored
    }

    /// Writes the rows of a run that are not back into a new table.
    pub async fn beside(&self, run: &str, table: Option<&str>, into: &str) -> Result<Exported, Fault> {
        let wanted = ExportRequest {
            run: run.into(),
            table: table.map(Into::into),
            into: into.into(),
            identity: None,
        };
        let now = Timestamp::from_second(1_840_000_000).unwrap();
        let anywhere = HostPolicy::unrestricted(Vec::new());
        let written = pass::export(&self.target(), &anywhere, &wanted, now).await;
        self.keeps_secrets(&format!("{written:?}"));
        written
    }

    /// One pass; its outcome is searched for secrets, and becomes the status of the resource.
    pub async fn pass(&mut self, repairs: Repairs, supervisor: &dyn Supervisor) -> Pass {
        self.passes += 1;
        let now = Timestamp::from_second(1_800_000_000 + self.passes + self.later).unwrap();
        let target = self.parsed();
        let (end, shown) = match &target {
            Err(errors) => (Err(None), End::NoTarget(errors.clone())),
            Ok(target) => {
                let outcome = Box::pin(pass::run(&request::Pass {
                    engine: &PostgreSql,
                    target,
                    policy: &HostPolicy::unrestricted(Vec::new()),
                    requests: &self.requests,
                    memory: &self.memory,
                    supervisor,
                    repairs,
                    look: self.look,
                    compare_password: self.compare_password,
                    search: self.search,
                    ask: true,
                    key_before: self.status.signing_key.as_ref(),
                    now,
                }))
                .await;
                match outcome {
                    Ok(outcome) => (Ok(outcome.clone()), End::Done(Box::new(outcome))),
                    Err(fault) => (Err(Some(fault.clone())), End::Failed(fault)),
                }
            }
        };
        let status = status(&self.status, self.resource.generation, &Time(now), &shown, &Seen::default());
        let again = auth_consistency::domain::report::status(
            &status,
            self.resource.generation,
            &Time(Timestamp::from_second(1_900_000_000).unwrap()),
            &shown,
            &Seen::default(),
        );
        if end.as_ref().is_ok_and(|outcome| outcome.repaired.is_empty()) || end.is_err() {
            assert_eq!(again, status, "the same input twice gives the same status");
        }
        let report = end.as_ref().ok().map(|outcome| outcome.report(1));
        self.tells_no_secret(&status, &shown, report.as_ref());
        for finding in status.findings.iter().chain(report.iter().flat_map(|report| &report.findings)) {
            let told = finding.docs.strip_prefix("auth-consistency explain ");
            let page = Reason::ALL.iter().any(|reason| told == Some(reason.as_str()));
            assert!(page, "{finding:?} points to a page that is not there");
        }
        let messages = status.findings.iter().map(|one| &one.message);
        for text in messages.chain(status.conditions.iter().map(|one| &one.message)) {
            let unseen = auth_consistency::domain::text::unseen;
            assert!(!text.contains(unseen), "{text:?} has characters that nobody sees");
            assert_eq!(repeated(text), None, "the same is said twice in {text:?}");
        }
        // Whoever reads that something is not as it should be is told where there is more.
        for one in status.conditions.iter().filter(|one| one.status != "True" && one.type_ != "Reconciling") {
            let page = format!("more: auth-consistency explain {}", one.reason);
            let on_its_way = one.type_ == "Ready" && one.reason == "Progressing";
            assert!(one.message.contains(&page) || on_its_way, "{one:?} names no page");
        }
        self.status = status.clone();
        let end = end.map_err(|fault| {
            fault.unwrap_or_else(|| Fault {
                reason: Reason::SpecInvalid,
                condition: ConditionType::Ready,
                class: auth_consistency::domain::fault::Class::Terminal,
                message: format!("{:?}", target.err()),
            })
        });
        Pass { status, end, report }
    }

    /// Nothing of a secret, of a hash or of a row stands in a text, in whatever form.
    #[track_caller]
    pub fn keeps_secrets(&self, text: &str) {
        // The prefix of a format is named, and no hash begins with it alone.
        for hash in ["$2a$0", "$2a$1", "$2b$0", "$2b$1", "$2y$0", "$2y$1", "$argon2", "pbkdf2_sha256$"] {
            assert!(!text.contains(hash), "a password hash stands in {text}");
        }
        let of_secrets = self.secrets.values().flatten().map(secrecy::ExposeSecret::expose_secret);
        let hidden = of_secrets.flat_map(|value| canary::hidden(value)).collect::<Vec<_>>();
        // Those that are long are the same in all tests.
        let (long, short): (Vec<_>, Vec<_>) = hidden.into_iter().partition(|secret| secret.len() > 200);
        let always = [super::HASH, super::ROW, PASSWORD].map(|secret| secret.as_bytes().to_vec());
        canary::keeps_all(text, short);
        canary::keeps_all(text, always.into_iter().chain(long).collect());
    }

    /// All that anybody gets to read of a pass: what it came to, the status, events, the log, the report as a
    /// document and as a page.
    #[track_caller]
    fn tells_no_secret(&self, next: &AuthConsistencyStatus, end: &End, report: Option<&ConsistencyReport>) {
        let resource = Resource::read(
            serde_json::from_value(serde_json::json!({
                "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
                "metadata": {
                    "namespace": self.resource.namespace, "name": self.resource.name, "uid": self.resource.uid,
                },
                "spec": self.spec, "status": self.status,
            }))
            .unwrap(),
        );
        controller::pass_ended(&resource, next, end, std::time::Duration::from_millis(1), 1);
        let outcome = if let End::Done(outcome) = end { Some(&**outcome) } else { None };
        let events = controller::tellings(&self.status, next, outcome);
        self.keeps_secrets(&format!("{end:?}"));
        self.keeps_secrets(&format!("{events:?} {:?}", controller::not_done(&self.status, next)));
        self.keeps_secrets(&serde_json::to_string(next).unwrap());
        self.keeps_secrets(&super::log::since(&self.heard));
        if let Some(report) = report {
            self.keeps_secrets(&serde_json::to_string(report).unwrap());
            self.keeps_secrets(&auth_consistency::cli::page(report));
        }
    }

    /// A further pass finds the same, does nothing and writes nothing.
    pub async fn settled(&mut self, db: &Db) {
        // As the operator does: an annotation that was answered is no request any more.
        let handled = self.status.last_handled_approval.clone();
        let answered = |approval: &mut Approval| handled.as_deref() == Some(approval.hash.trim());
        self.requests.approval.take_if(answered);
        let (before, status) = (db.fingerprint().await, self.status.clone());
        let pass = self.repair().await;
        assert_eq!(pass.outcome().repaired, [], "a settled resource is not repaired again");
        assert_eq!(db.fingerprint().await, before, "a settled resource writes nothing to the database");
        assert_eq!(pass.status, status, "a settled resource's status stays as it is");
    }
}

/// A clause that a text has twice.
fn repeated(text: &str) -> Option<&str> {
    let clauses: Vec<&str> =
        text.split([';', ':', ',', '(', ')']).flat_map(|part| part.split(". ")).map(str::trim).collect();
    let long = |clause: &str| clause.split(' ').count() >= 4;
    (0..clauses.len())
        .find(|at| long(clauses[*at]) && clauses[..*at].contains(&clauses[*at]))
        .map(|at| clauses[at])
}

impl Pass {
    /// The outcome of a pass that reached its end.
    pub fn outcome(&self) -> &Outcome {
        self.end.as_ref().unwrap_or_else(|fault| panic!("the pass failed: {fault:?}"))
    }

    /// Why the pass failed.
    pub fn fault(&self) -> &Fault {
        match &self.end {
            Ok(outcome) => panic!("the pass did not fail: {outcome:?}"),
            Err(fault) => fault,
        }
    }

    /// Asserts exactly these findings, in the report's order.
    #[track_caller]
    pub fn found(&self, expected: &[(Reason, ConditionType, Option<Reason>)]) -> &Self {
        let findings = self.outcome().findings();
        let found: Vec<_> = findings.iter().map(|one| (one.finding, one.condition, one.blocked)).collect();
        assert_eq!(found, expected, "{findings:#?}");
        self
    }

    /// The only finding of a reason.
    #[track_caller]
    pub fn finding(&self, reason: Reason) -> FindingReport {
        let findings = self.outcome().findings();
        let mut of: Vec<_> = findings.iter().filter(|one| one.finding == reason).cloned().collect();
        assert_eq!(of.len(), 1, "{reason}: {findings:#?}");
        of.remove(0)
    }

    /// The conditions, as `Ready=False OrphanRows`.
    pub fn conditions(&self) -> Vec<String> {
        let one = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            format!("{}={} {}", condition.type_, condition.status, condition.reason)
        };
        self.status.conditions.iter().map(one).collect()
    }

    /// Asserts all conditions.
    #[track_caller]
    pub fn shows(&self, expected: &[&str]) -> &Self {
        assert_eq!(self.conditions(), expected, "{:#?}", self.status.conditions);
        self
    }

    /// Asserts that everything is consistent.
    #[track_caller]
    pub fn consistent(&self) -> &Self {
        self.found(&[]);
        assert_eq!(self.report.as_ref().unwrap().consistent, Some(true));
        let ready = "Ready=True Consistent";
        assert_eq!(self.conditions().first().map(String::as_str), Some(ready), "{:?}", self.conditions());
        assert!(self.conditions().iter().all(|one| one.contains("=True ")), "{:?}", self.conditions());
        self
    }

    /// Asserts what was repaired: action, object in words, rows.
    #[track_caller]
    pub fn repaired(&self, expected: &[(Action, &str, i64)]) -> &Self {
        let done: Vec<_> =
            self.outcome().repaired.iter().map(|s| (s.action, s.object.describe(), s.rows)).collect();
        let done: Vec<_> =
            done.iter().map(|(action, object, rows)| (*action, object.as_str(), *rows)).collect();
        assert_eq!(done, expected, "{:#?}", self.outcome().findings());
        self
    }

    /// Asserts what the plan holds: action, object in words, rows, whether it waits.
    #[track_caller]
    pub fn plans(&self, expected: &[(Action, &str, i64, bool)]) -> &Self {
        let steps = self.outcome().plan.iter().flat_map(|plan| plan.steps.clone());
        let plan: Vec<_> =
            steps.map(|s| (s.action, s.object.describe(), s.rows, s.waits.is_some())).collect();
        let plan: Vec<_> = plan.iter().map(|(a, o, rows, waits)| (*a, o.as_str(), *rows, *waits)).collect();
        assert_eq!(plan, expected, "{:#?}", self.outcome().findings());
        self
    }
}

/// What a pass is expected to find: reason, condition, why its repair is refused.
pub type Expected<'a> = &'a [(Reason, ConditionType, Option<Reason>)];

/// Steps: action, object in words, rows.
pub type Steps<'a> = &'a [(Action, &'a str, i64)];

impl Case {
    /// A check finds this and plans these steps, which wait for nobody; a repair does them, changes
    /// exactly these rows, and leaves everything consistent and settled.
    pub async fn mends(&mut self, db: &Db, found: Expected<'_>, steps: Steps<'_>, changes: &[&str]) -> Pass {
        let pass = self.mends_first(db, found, steps, changes).await;
        pass.consistent();
        self.settled(db).await;
        pass
    }

    /// As `mends`, but something may be left.
    pub async fn mends_first(
        &mut self,
        db: &Db,
        found: Expected<'_>,
        steps: Steps<'_>,
        changes: &[&str],
    ) -> Pass {
        let before = (db.snapshot().await, db.fingerprint().await);
        let check = self.check().await;
        check.found(found).repaired(&[]);
        let free: Vec<_> =
            steps.iter().map(|(action, object, rows)| (*action, *object, *rows, false)).collect();
        let mut planned = check.outcome().plan.clone().map_or(Vec::new(), |plan| plan.steps);
        planned.retain(|step| step.waits.is_none());
        let planned: Vec<_> =
            planned.iter().map(|s| (s.action, s.object.describe(), s.rows, s.waits.is_some())).collect();
        let planned: Vec<_> =
            planned.iter().map(|(a, o, rows, waits)| (*a, o.as_str(), *rows, *waits)).collect();
        assert_eq!(planned, free, "{:#?}", check.outcome().findings());
        assert_eq!(db.fingerprint().await, before.1, "a check writes nothing");
        let repair = self.repair().await;
        repair.repaired(steps);
        assert_eq!(db.changes(&before.0).await, changes);
        repair
    }

    /// Finds this, does nothing about it, and writes nothing.
    pub async fn reports(&mut self, db: &Db, found: Expected<'_>) -> Pass {
        let before = db.fingerprint().await;
        let check = self.check().await;
        check.found(found);
        let repair = self.repair().await;
        repair.found(found).repaired(&[]);
        assert_eq!(db.fingerprint().await, before, "what is only reported writes nothing");
        self.settled(db).await;
        repair
    }

    /// A plan waits: finds this, does nothing before it is approved, and then does these steps once.
    pub async fn waits(&mut self, db: &Db, found: Expected<'_>, steps: Steps<'_>, changes: &[&str]) -> Pass {
        let before = (db.snapshot().await, db.fingerprint().await);
        let waiting = self.repair().await;
        waiting.found(found).repaired(&[]);
        let held: Vec<_> =
            steps.iter().map(|(action, object, rows)| (*action, *object, *rows, true)).collect();
        waiting.plans(&held);
        assert_eq!(
            &waiting.conditions()[..2],
            ["Ready=False ApprovalRequired", "Stalled=True ApprovalRequired"]
        );
        assert_eq!(db.fingerprint().await, before.1, "a plan that waits writes nothing");
        self.settled(db).await;
        let wrong = self.repair_approved(&"0".repeat(64)).await;
        wrong.repaired(&[]);
        assert!(wrong.outcome().approval_unused.is_some(), "another plan's approval is not used");
        assert_eq!(db.fingerprint().await, before.1, "another plan's approval writes nothing");
        let hash = self.status.plan.clone().and_then(|plan| plan.hash).unwrap();
        let approved = self.approve().await;
        approved.repaired(steps);
        assert_eq!(approved.outcome().approval_used.as_ref(), Some(&hash));
        assert_eq!(approved.status.last_handled_approval.as_ref(), Some(&hash));
        assert_eq!(db.changes(&before.0).await, changes);
        self.settled(db).await;
        approved
    }
}
