//! What Prometheus sees.
//!
//! Label values are enum variants, or the namespace and name of a resource, whose series go with it
//! ([`Metrics::forget`]): nobody outside can make the number of series grow.

use std::{
    fmt,
    sync::{OnceLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::api::report::{Action, Severity};

/// Content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

macro_rules! label_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every value there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The label's value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    };
}

label_values! {
    /// How a pass ended.
    PassResult {
        /// Everything that was asked for holds.
        Consistent = "consistent",
        /// Something is wrong, and said.
        Findings = "findings",
        /// It could not tell.
        Failed = "failed",
    }
}

label_values! {
    /// How a pass looked at references.
    LookLabel {
        /// At every row.
        Deep = "deep",
        /// By counters, at rows only where something seemed to have moved.
        Hinted = "hinted",
    }
}

label_values! {
    /// Why a pass waits for its turn.
    LaneLabel {
        /// Somebody asked for it: a new generation, or a one-off request.
        Asked = "asked",
        /// It is time for it.
        Routine = "routine",
    }
}

label_values! {
    /// What was asked of the Kubernetes API server.
    ApiOperation {
        /// Reading the resource live.
        GetResource = "get_resource",
        /// Reading a Secret.
        GetSecret = "get_secret",
        /// Reading a ConfigMap.
        GetConfigMap = "get_config_map",
        /// Reading the Service of a verifier.
        GetService = "get_service",
        /// Listing the pods behind it.
        ListEndpointSlices = "list_endpoint_slices",
        /// Listing Deployments.
        ListDeployments = "list_deployments",
        /// Listing StatefulSets.
        ListStatefulSets = "list_stateful_sets",
        /// Listing DaemonSets.
        ListDaemonSets = "list_daemon_sets",
        /// Writing the status.
        ApplyStatus = "apply_status",
        /// Writing an event.
        CreateEvent = "create_event",
        /// Asking who the operator is.
        ReviewSelf = "review_self",
        /// Reading the Lease that says who leads.
        GetLease = "get_lease",
        /// Making it.
        CreateLease = "create_lease",
        /// Taking, renewing or giving it up.
        UpdateLease = "update_lease",
    }
}

label_values! {
    /// How it answered.
    ApiResult {
        /// As hoped.
        Ok = "ok",
        /// There is no such object.
        NotFound = "not_found",
        /// The rights do not suffice.
        Forbidden = "forbidden",
        /// Somebody else was faster.
        Conflict = "conflict",
        /// No answer in time.
        Timeout = "timeout",
        /// Anything else.
        Error = "error",
    }
}

label_values! {
    /// The severity of findings.
    SeverityLabel {
        /// See [`Severity::Warning`].
        Warning = "warning",
        /// See [`Severity::Error`].
        Error = "error",
        /// See [`Severity::Critical`].
        Critical = "critical",
    }
}

impl From<Severity> for SeverityLabel {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Warning => Self::Warning,
            Severity::Error => Self::Error,
            Severity::Critical => Self::Critical,
        }
    }
}

label_values! {
    /// What a repair step does.
    ActionLabel {
        /// See [`Action::AdvanceSequence`].
        AdvanceSequence = "advance_sequence",
        /// See [`Action::Seed`].
        Seed = "seed",
        /// See [`Action::Correct`].
        Correct = "correct",
        /// See [`Action::Reset`].
        Reset = "reset",
        /// See [`Action::MoveId`].
        MoveId = "move_id",
        /// See [`Action::Remap`].
        Remap = "remap",
        /// See [`Action::SetNull`].
        SetNull = "set_null",
        /// See [`Action::Reassign`].
        Reassign = "reassign",
        /// See [`Action::Delete`].
        Delete = "delete",
        /// See [`Action::EndSessions`].
        EndSessions = "end_sessions",
        /// See [`Action::Restore`].
        Restore = "restore",
        /// See [`Action::Purge`].
        Purge = "purge",
        /// See [`Action::AddConstraint`].
        AddConstraint = "add_constraint",
        /// See [`Action::ValidateConstraint`].
        ValidateConstraint = "validate_constraint",
    }
}

impl From<Action> for ActionLabel {
    fn from(action: Action) -> Self {
        match action {
            Action::AdvanceSequence => Self::AdvanceSequence,
            Action::Seed => Self::Seed,
            Action::Correct => Self::Correct,
            Action::Reset => Self::Reset,
            Action::MoveId => Self::MoveId,
            Action::Remap => Self::Remap,
            Action::SetNull => Self::SetNull,
            Action::Reassign => Self::Reassign,
            Action::Delete => Self::Delete,
            Action::EndSessions => Self::EndSessions,
            Action::Restore => Self::Restore,
            Action::Purge => Self::Purge,
            Action::AddConstraint => Self::AddConstraint,
            Action::ValidateConstraint => Self::ValidateConstraint,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    namespace: String,
    name: String,
}

impl ResourceLabels {
    fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    namespace: String,
    name: String,
    severity: SeverityLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: PassResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookLabels {
    look: LookLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    lane: LaneLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: ActionLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    operation: ApiOperation,
    result: ApiResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// What one pass leaves to be seen of its resource.
#[derive(Clone, Debug, PartialEq)]
pub struct PassSummary {
    /// Whether the Ready condition is True.
    pub ready: bool,
    /// When the pass ended, in seconds since 1970.
    pub ended: f64,
    /// Rows that name nobody; None where they were not counted, and then the last count stays.
    pub orphan_rows: Option<i64>,
    /// The severity of each finding.
    pub findings: Vec<Severity>,
}

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<ResultLabels, Counter>,
    looks: Family<LookLabels, Counter>,
    passes_waiting: Family<LaneLabels, Gauge>,
    pass_duration: Histogram,
    ready: Family<ResourceLabels, Gauge>,
    last_pass: Family<ResourceLabels, Gauge<f64, AtomicU64>>,
    orphan_rows: Family<ResourceLabels, Gauge>,
    findings: Family<FindingLabels, Gauge>,
    repaired_rows: Family<ActionLabels, Counter>,
    api_requests: Family<ApiLabels, Counter>,
    backoff_failures: Family<ResourceLabels, Gauge>,
    leader: Gauge,
    leads: OnceLock<Leads>,
}

/// Answers whether this process leads.
struct Leads(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for Leads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leads").field(&(self.0)()).finish()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters stand at zero, so that the first increase is seen as one.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("auth_consistency"),
            passes: Family::default(),
            looks: Family::default(),
            passes_waiting: Family::default(),
            // A settled pass takes milliseconds, the deep check of a large database minutes.
            pass_duration: Histogram::new([
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
            ]),
            ready: Family::default(),
            last_pass: Family::default(),
            orphan_rows: Family::default(),
            findings: Family::default(),
            repaired_rows: Family::default(),
            api_requests: Family::default(),
            backoff_failures: Family::default(),
            leader: Gauge::default(),
            leads: OnceLock::new(),
        };
        for &result in PassResult::ALL {
            drop(metrics.passes.get_or_create(&ResultLabels { result }));
        }
        for &look in LookLabel::ALL {
            drop(metrics.looks.get_or_create(&LookLabels { look }));
        }
        for &lane in LaneLabel::ALL {
            drop(metrics.passes_waiting.get_or_create(&LaneLabels { lane }));
        }
        for &action in ActionLabel::ALL {
            drop(metrics.repaired_rows.get_or_create(&ActionLabels { action }));
        }
        for &operation in ApiOperation::ALL {
            for &result in ApiResult::ALL {
                drop(metrics.api_requests.get_or_create(&ApiLabels { operation, result }));
            }
        }
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("passes", "Passes by how they ended", self.passes.clone());
        registry.register("looks", "Passes by how they looked at references", self.looks.clone());
        registry.register(
            "passes_waiting",
            "Passes that wait for their turn or for connections to their server: what somebody asked for goes before routine",
            self.passes_waiting.clone(),
        );
        registry.register_with_unit(
            "pass_duration",
            "Time from the first to the last stage of a pass",
            Unit::Seconds,
            self.pass_duration.clone(),
        );
        registry.register("ready", "1 while the resource is ready, 0 otherwise", self.ready.clone());
        registry.register_with_unit(
            "last_pass_timestamp",
            "When the last pass over the resource ended, since 1970",
            Unit::Seconds,
            self.last_pass.clone(),
        );
        registry.register("orphan_rows", "Rows that name no user, as last counted", self.orphan_rows.clone());
        registry.register("findings", "Findings of the last pass", self.findings.clone());
        registry.register("repaired_rows", "Rows changed or removed by repairs", self.repaired_rows.clone());
        registry.register("api_requests", "Requests to the Kubernetes API server", self.api_requests.clone());
        registry.register(
            "backoff_failures",
            "Failed passes in a row; 0 after a pass that ended",
            self.backoff_failures.clone(),
        );
        registry.register("leader", "1 while this process leads, 0 while it stands by", self.leader.clone());
        let build = BuildLabels { version: env!("CARGO_PKG_VERSION") };
        registry.register("build", "What is running", Info::new(build));
        self
    }

    /// Who is asked, at each look at the metrics, whether this process leads. Without anybody it always does. The first
    /// one stays.
    pub fn leads(&self, asked: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.leads.set(Leads(Box::new(asked)));
    }

    /// A pass has ended.
    pub fn pass_ended(&self, result: PassResult, took: Duration) {
        self.passes.get_or_create(&ResultLabels { result }).inc();
        self.pass_duration.observe(took.as_secs_f64());
    }

    /// A pass has looked at references.
    pub fn looked(&self, look: LookLabel) {
        self.looks.get_or_create(&LookLabels { look }).inc();
    }

    /// So many more passes wait.
    pub fn waiting(&self, lane: LaneLabel, more: i64) {
        self.passes_waiting.get_or_create(&LaneLabels { lane }).inc_by(more);
    }

    /// What the last pass over a resource says of it.
    pub fn resource_seen(&self, namespace: &str, name: &str, summary: &PassSummary) {
        let labels = ResourceLabels::new(namespace, name);
        self.ready.get_or_create(&labels).set(i64::from(summary.ready));
        self.last_pass.get_or_create(&labels).set(summary.ended);
        if let Some(rows) = summary.orphan_rows {
            self.orphan_rows.get_or_create(&labels).set(rows);
        }
        for &severity in SeverityLabel::ALL {
            let count =
                summary.findings.iter().filter(|&&found| SeverityLabel::from(found) == severity).count();
            let labels = finding_labels(namespace, name, severity);
            self.findings.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// How many passes over a resource have failed in a row.
    pub fn backoff(&self, namespace: &str, name: &str, failures: u32) {
        self.backoff_failures.get_or_create(&ResourceLabels::new(namespace, name)).set(i64::from(failures));
    }

    /// A repair step was committed.
    pub fn repaired(&self, action: Action, rows: u64) {
        self.repaired_rows.get_or_create(&ActionLabels { action: action.into() }).inc_by(rows);
    }

    /// The API server has answered, or not.
    pub fn api_request(&self, operation: ApiOperation, result: ApiResult) {
        self.api_requests.get_or_create(&ApiLabels { operation, result }).inc();
    }

    /// The resource is gone, and its series with it. Call it after its last pass.
    pub fn forget(&self, namespace: &str, name: &str) {
        let labels = ResourceLabels::new(namespace, name);
        for family in [&self.ready, &self.orphan_rows, &self.backoff_failures] {
            family.remove(&labels);
        }
        self.last_pass.remove(&labels);
        for &severity in SeverityLabel::ALL {
            self.findings.remove(&finding_labels(namespace, name, severity));
        }
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        self.leader.set(i64::from(self.leads.get().is_none_or(|leads| (leads.0)())));
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn finding_labels(namespace: &str, name: &str, severity: SeverityLabel) -> FindingLabels {
    FindingLabels { namespace: namespace.to_owned(), name: name.to_owned(), severity }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(metrics: &Metrics, with: &str) -> Vec<String> {
        let text = metrics.encode().unwrap();
        text.lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }

    #[test]
    fn every_documented_series_is_there_under_its_name() {
        let metrics = Metrics::new();
        metrics.pass_ended(PassResult::Findings, Duration::from_millis(20));
        let findings = vec![Severity::Error, Severity::Critical, Severity::Error];
        let summary = PassSummary { ready: false, ended: 1_700_000_000.5, orphan_rows: Some(7), findings };
        metrics.resource_seen("shop", "probeops", &summary);
        metrics.repaired(Action::SetNull, 3);
        metrics.looked(LookLabel::Hinted);
        metrics.waiting(LaneLabel::Asked, 2);
        metrics.api_request(ApiOperation::GetSecret, ApiResult::NotFound);
        metrics.backoff("shop", "probeops", 2);
        let text = metrics.encode().unwrap();
        for line in [
            "auth_consistency_passes_total{result=\"findings\"} 1",
            "auth_consistency_passes_total{result=\"consistent\"} 0",
            "auth_consistency_looks_total{look=\"hinted\"} 1",
            "auth_consistency_looks_total{look=\"deep\"} 0",
            "auth_consistency_passes_waiting{lane=\"asked\"} 2",
            "auth_consistency_passes_waiting{lane=\"routine\"} 0",
            "auth_consistency_pass_duration_seconds_bucket{le=\"0.025\"} 1",
            "auth_consistency_pass_duration_seconds_count 1",
            "auth_consistency_ready{namespace=\"shop\",name=\"probeops\"} 0",
            "auth_consistency_last_pass_timestamp_seconds{namespace=\"shop\",name=\"probeops\"} 1700000000.5",
            "auth_consistency_orphan_rows{namespace=\"shop\",name=\"probeops\"} 7",
            "auth_consistency_findings{namespace=\"shop\",name=\"probeops\",severity=\"error\"} 2",
            "auth_consistency_findings{namespace=\"shop\",name=\"probeops\",severity=\"warning\"} 0",
            "auth_consistency_repaired_rows_total{action=\"set_null\"} 3",
            "auth_consistency_api_requests_total{operation=\"get_secret\",result=\"not_found\"} 1",
            "auth_consistency_backoff_failures{namespace=\"shop\",name=\"probeops\"} 2",
            "auth_consistency_leader 1",
            concat!("auth_consistency_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn whether_the_process_leads_is_asked_at_each_look() {
        let (metrics, leads) =
            (Metrics::new(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let asked = std::sync::Arc::clone(&leads);
        metrics.leads(move || asked.load(std::sync::atomic::Ordering::SeqCst));
        assert_eq!(lines(&metrics, "auth_consistency_leader ").last().unwrap(), "auth_consistency_leader 0");
        leads.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(lines(&metrics, "auth_consistency_leader ").last().unwrap(), "auth_consistency_leader 1");
    }

    #[test]
    fn a_pass_that_did_not_count_keeps_the_last_count() {
        let metrics = Metrics::new();
        let mut summary = PassSummary { ready: true, ended: 1.0, orphan_rows: Some(7), findings: vec![] };
        metrics.resource_seen("shop", "a", &summary);
        summary.orphan_rows = None;
        metrics.resource_seen("shop", "a", &summary);
        assert_eq!(
            lines(&metrics, "orphan_rows{"),
            ["auth_consistency_orphan_rows{namespace=\"shop\",name=\"a\"} 7"]
        );
    }

    #[test]
    fn a_forgotten_resource_leaves_no_series_and_its_neighbour_keeps_its_own() {
        let metrics = Metrics::new();
        let summary =
            PassSummary { ready: true, ended: 1.0, orphan_rows: Some(0), findings: vec![Severity::Warning] };
        for name in ["gone", "kept"] {
            metrics.resource_seen("shop", name, &summary);
            metrics.backoff("shop", name, 0);
        }
        let kept = lines(&metrics, "\"kept\"");
        metrics.forget("shop", "gone");
        assert_eq!(lines(&metrics, "\"gone\""), Vec::<String>::new());
        assert_eq!(lines(&metrics, "\"kept\""), kept);
        assert_eq!(kept.len(), 7);
    }
}
